// Prints one execution:  node get.mjs EXECUTION_ID
import { Client, printable } from 'refold';

process.stdout.on('error', () => process.exit(1)); // the reader has gone away
try {
    const client = Client.fromEnv(); // REFOLD_API_KEY, REFOLD_LINKED_ACCOUNT_ID
    const execution = await client.getExecution(process.argv[2]);
    console.log(printable(`${execution.name ?? '-'}: ${execution.status}`));
    for (const { name, status, latestOutput } of execution.nodes) {
        console.log(printable(`  ${name ?? '-'}: ${status ?? '-'} ${JSON.stringify(latestOutput) ?? '-'}`));
    }
} catch (error) {
    console.error(printable(`get: ${error.message}`));
    process.exitCode = 1;
}
