// Prints one execution:  node get.mjs [--verbose] EXECUTION_ID
import { parseArgs } from 'node:util';
import { Client, printable } from 'refold';

process.stdout.on('error', () => process.exit(1)); // the reader has gone away
process.stderr.on('error', () => {}); // the log is not essential
const onLog = (level, message) => console.error(`refold ${level.toUpperCase()} ${message}`);
try {
    const { values, positionals } = parseArgs({ options: { verbose: { type: 'boolean' } }, allowPositionals: true });
    // REFOLD_API_KEY, REFOLD_LINKED_ACCOUNT_ID
    const client = Client.fromEnv(values.verbose ? { onLog, logLevel: 'debug' } : {});
    const execution = await client.getExecution(positionals[0]);
    console.log(printable(`${execution.name ?? '-'}: ${execution.status}`));
    for (const { name, status, latestOutput } of execution.nodes) {
        console.log(printable(`  ${name ?? '-'}: ${status ?? '-'} ${JSON.stringify(latestOutput) ?? '-'}`));
    }
    const times = Object.entries(execution.timings).filter(([, milliseconds]) => milliseconds !== null);
    console.log(`attempts ${execution.attempts}, ${times.map((time) => time.join(' ')).join(', ')}`);
} catch (error) {
    console.error(printable(`get: ${error.message}`));
    process.exitCode = 1;
}
