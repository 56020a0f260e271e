#!/usr/bin/env node
// Prints the progress of an execution until it has ended, and then its nodes.
//
//     node watch.js EXECUTION_ID
//
// Credentials come from the environment: REFOLD_API_KEY and REFOLD_LINKED_ACCOUNT_ID, or REFOLD_SESSION_TOKEN.
//
// Exit status: 0 if the run completed; 1 on an error, reported on stderr; 2 for invalid arguments; 3 if the run ended
// otherwise; 130 if SIGINT cancelled the wait.

import { Client, RefoldError, printable } from './refold.js';

const [id, ...others] = process.argv.slice(2);
if (id === undefined || others.length > 0) {
    console.error('usage: node watch.js EXECUTION_ID');
    process.exit(2);
}
const interruption = new AbortController();
process.once('SIGINT', () => interruption.abort());

process.stdout.on('error', () => process.exit(1)); // the reader has gone away

try {
    const execution = await Client.fromEnv().waitExecution(id, {
        signal: interruption.signal,
        onProgress: ({ name, status, completionPercentage }) =>
            console.log(printable(`${name ?? '-'}: ${status}, ${completionPercentage ?? '-'} %`)),
    });
    const cell = (value) => printable(String(value ?? '-'));
    console.table(
        execution.nodes.map(({ name, status, executionTimeMs }) => ({
            name: cell(name),
            status: cell(status),
            executionTimeMs: cell(executionTimeMs),
        })),
    );
    process.exitCode = execution.isFailure ? 3 : 0;
} catch (error) {
    if (interruption.signal.aborted) {
        process.exitCode = 130;
    } else if (error instanceof RefoldError) {
        console.error(printable(`watch: ${error.message}`));
        process.exitCode = 1;
    } else {
        throw error;
    }
}
