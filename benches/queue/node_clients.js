// Gets an execution COUNT times at once with Node.js, and prints `wall_seconds cpu_seconds`.
//
//     node node_clients.js refold|fetch URL COUNT [ID]
//
// URL is the base URL of a server that has the execution ID, by default "small". The calls are made twice: the first
// round opens the connections, the second one is measured. REFOLD_PACKAGE is the path of the package's refold.js, by
// default that of this source tree; its addon must have been built.

const [name, url, count, id = 'small'] = process.argv.slice(2);
const apiKey = 'tk_sandbox';
const linkedAccountId = 'user_12345';

async function createRefold() {
    const file = process.env.REFOLD_PACKAGE ?? require('node:path').join(__dirname, '../../examples/node/refold.js');
    const { Client } = await import(require('node:url').pathToFileURL(file));
    const client = new Client({ baseUrl: url, apiKey, linkedAccountId, timeoutMs: 0, maxRetries: 0 });
    return async () => {
        const { document, status, nodes } = await client.getExecution(id);
        return status.length + nodes.length + document.nodes.length;
    };
}

function createFetch() {
    const headers = { 'x-api-key': apiKey, linked_account_id: linkedAccountId };
    return async () => {
        const response = await fetch(`${url}/api/v2/public/execution/${id}`, { headers });
        if (!response.ok) {
            throw new Error(`HTTP ${response.status}`);
        }
        const { status, nodes } = await response.json();
        return status.length + 2 * nodes.length;
    };
}

async function main() {
    const get = await { refold: createRefold, fetch: createFetch }[name]();
    const getAll = () => Promise.all(Array.from({ length: Number(count) }, get));
    await getAll();
    const cpu = process.cpuUsage();
    const begin = performance.now();
    const sizes = await getAll();
    const wall = performance.now() - begin;
    const { user, system } = process.cpuUsage(cpu);
    if (sizes.some((size) => size !== sizes[0])) {
        throw new Error('the executions differ');
    }
    console.log(`${(wall / 1e3).toFixed(6)} ${((user + system) / 1e6).toFixed(6)}`);
}

main();
