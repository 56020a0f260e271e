// Tests of memory, against the sandbox at REFOLD_BASE_URL. They need a process of their own with gc() exposed:
//
//     node --expose-gc --test test/memory.test.js

import assert from 'node:assert/strict';
import { once } from 'node:events';
import { readdir } from 'node:fs/promises';
import { createServer } from 'node:http';
import { test } from 'node:test';
import { setImmediate as turn, setTimeout as sleep } from 'node:timers/promises';
import { Client, RefoldError, parseExecution } from '../refold.js';

const documented = '6a106ba44480b80424a65289';
/** How long a test waits for what should happen immediately, in milliseconds. */
const patience = 60_000;

const openFiles = async () => (await readdir('/proc/self/fd')).length;

/** Returns a client whose onLog refers to it. */
function loggingClient() {
    const client = Client.fromEnv({ onLog: () => client.close, logLevel: 'debug' });
    return client;
}

for (const [name, create] of [['a', () => Client.fromEnv()], ['a logging', loggingClient]]) {
    test(`${name} client is closed once it is unreachable`, async () => {
        await create().getExecution(documented); // opens what is kept, such as the thread of the log
        const executions = [];
        const before = await openFiles();
        for (let index = 0; index < 20; index += 1) {
            executions.push(await create().getExecution(documented));
        }
        assert.ok((await openFiles()) > before, 'the connections of idle clients are kept');
        const deadline = performance.now() + patience;
        for (;;) {
            globalThis.gc();
            await sleep(1); // finalizers run in separate turns of the event loop
            if ((await openFiles()) <= before) {
                break;
            }
            assert.ok(performance.now() < deadline, 'connections of collected clients are closed');
        }
        assert.ok(executions.every(({ nodes }) => nodes.length === 1));
    });
}

test('garbage collection during calls is safe', async () => {
    let ended = false;
    const onLog = () => globalThis.gc();
    const waits = Array.from({ length: 20 }, (_, index) => {
        const client = Client.fromEnv({ pollIntervalMs: 10, onLog: index % 2 === 0 ? onLog : undefined });
        return client.waitExecution(`running-${process.pid}-${index}`);
    });
    const calls = Promise.all(waits).finally(() => (ended = true));
    while (!ended) {
        globalThis.gc();
        await turn();
    }
    assert.ok((await calls).every(({ state }) => state === 'COMPLETED'));
});

/**
 * Fails if the process keeps growing by more than a limit in bytes each time that it makes this number of uses. Memory that
 * V8 or the allocator keep for later lets it grow as well, but not every time.
 */
async function assertSteady(uses, limit, use) {
    const resident = async () => {
        for (let index = 0; index < uses; index += 1) {
            await use();
        }
        globalThis.gc();
        return process.memoryUsage.rss();
    };
    const before = await resident();
    let grown;
    for (let round = 1; round <= 5; round += 1) {
        grown = (await resident()) - before;
        if (grown < round * limit) {
            return;
        }
    }
    assert.fail(`grew by ${grown} bytes`);
}

test('executions do not leak', async () => {
    const size = 1 << 20;
    const text = Buffer.from(`{"status":"COMPLETED","name":"${'a'.repeat(size)}"}`);
    await assertSteady(100, 50 * size, () => parseExecution(text));
});

test('errors do not leak', async () => {
    await assertSteady(50_000, 50_000 * 160, () => {
        try {
            parseExecution('[]');
        } catch (error) {
            assert.ok(error instanceof RefoldError);
            return;
        }
        assert.fail('an array was parsed');
    });
});

test('calls do not leak', async (t) => {
    const size = 1 << 18;
    const body = `{"status":"COMPLETED","name":"${'a'.repeat(size)}"}`;
    const server = createServer((request, response) => response.end(body));
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    t.after(() => {
        server.close();
        server.closeAllConnections();
    });
    const baseUrl = `http://127.0.0.1:${server.address().port}`;
    const client = Client.fromEnv({ baseUrl, onLog: () => {}, logLevel: 'debug' });
    const calls = 200;
    await assertSteady(calls, (calls * size) / 2, async () => {
        const { signal } = new AbortController();
        await client.waitExecution('a', { signal, onProgress: () => {} });
    });
});
