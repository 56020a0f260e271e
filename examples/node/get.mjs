// Prints one execution:  node get.mjs EXECUTION_ID
import { Client } from 'refold';

const client = Client.fromEnv(); // REFOLD_API_KEY, REFOLD_LINKED_ACCOUNT_ID
const execution = await client.getExecution(process.argv[2]);
console.log(`${execution.name}: ${execution.status}`);
for (const node of execution.nodes) {
    console.log(`  ${node.name}: ${node.status}`, node.latestOutput);
}
