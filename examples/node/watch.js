#!/usr/bin/env node
// Prints the progress of an execution until it has ended, and then its nodes.
//
//     node watch.js [--verbose] EXECUTION_ID
//
// Attempts and polls that fail and are retried are reported on stderr; with --verbose, everything that calls do.
//
// Credentials come from the environment: REFOLD_API_KEY and REFOLD_LINKED_ACCOUNT_ID, or REFOLD_SESSION_TOKEN.
//
// Exit status: 0 if the run completed; 1 on an error, reported on stderr; 2 for invalid arguments; 3 if the run ended
// otherwise; 130 if SIGINT cancelled the wait.

const { parseArgs } = require('node:util');
const { Client, RefoldError, printable } = require('./refold.js'); // in your program: require('refold')

const { id, verbose } = parseArguments();
const interruption = new AbortController();
process.once('SIGINT', () => interruption.abort());

process.stdout.on('error', () => process.exit(1)); // the reader has gone away
process.stderr.on('error', () => {}); // the log is not essential

main();

async function main() {
    try {
        const client = Client.fromEnv({
            // Whole lines on stderr, and so is the progress on stdout: neither breaks the other.
            onLog: (level, message) => console.error(`refold ${level.toUpperCase()} ${message}`),
            logLevel: verbose ? 'debug' : process.env.REFOLD_LOG?.toLowerCase() || 'warn',
        });
        const execution = await client.waitExecution(id, {
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
        const times = Object.entries(execution.timings).filter(([, milliseconds]) => milliseconds !== null);
        const summary = times.map((time) => time.join(' ')).join(', ');
        console.log(`last poll: attempts ${execution.attempts}, ${summary}`);
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
}

function parseArguments() {
    try {
        const { values, positionals } = parseArgs({
            options: { verbose: { type: 'boolean' } },
            allowPositionals: true,
        });
        if (positionals.length === 1) {
            return { id: positionals[0], ...values };
        }
    } catch {
        // an unknown option
    }
    console.error('usage: node watch.js [--verbose] EXECUTION_ID');
    process.exit(2);
}
