#!/usr/bin/env node
// Shows an execution until it has ended, then its nodes.
//
//     node watch.js EXECUTION_ID
//
// The environment says how to authenticate: REFOLD_API_KEY and REFOLD_LINKED_ACCOUNT_ID, or REFOLD_SESSION_TOKEN.
// Exit status: 0 the run completed; 1 an error, told on standard error; 2 wrong arguments; 3 the run ended in another
// way; 130 interrupted.

import { Client, RefoldError } from './refold.js';

const [id, ...others] = process.argv.slice(2);
if (id === undefined || others.length > 0) {
    console.error('usage: node watch.js EXECUTION_ID');
    process.exit(2);
}
const interruption = new AbortController();
process.once('SIGINT', () => interruption.abort());

try {
    const execution = await Client.fromEnv().waitExecution(id, {
        signal: interruption.signal,
        onProgress: ({ name, status, completionPercentage }) =>
            console.log(`${name}: ${status}, ${completionPercentage ?? '-'} %`),
    });
    console.table(execution.nodes, ['name', 'status', 'executionTimeMs']);
    process.exitCode = execution.state === 'COMPLETED' ? 0 : 3;
} catch (error) {
    if (interruption.signal.aborted) {
        process.exitCode = 130;
    } else if (error instanceof RefoldError) {
        console.error(`watch: ${error.message}`);
        process.exitCode = 1;
    } else {
        throw error;
    }
}
