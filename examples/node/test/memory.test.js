// Against the sandbox that REFOLD_BASE_URL names, with the collector at hand, and in a process of its own:
//
//     node --expose-gc --test test/memory.test.js

import assert from 'node:assert/strict';
import { readdir } from 'node:fs/promises';
import { test } from 'node:test';
import { setImmediate as turn, setTimeout as sleep } from 'node:timers/promises';
import { Client, RefoldError, parseExecution } from '../refold.js';

const documented = '6a106ba44480b80424a65289';
/** How long a test waits for something that should happen at once. */
const patience = 60_000;

const openFiles = async () => (await readdir('/proc/self/fd')).length;

test('clients that nobody uses are collected', async () => {
    const before = await openFiles();
    const executions = [];
    for (let index = 0; index < 20; index += 1) {
        executions.push(await Client.fromEnv().getExecution(documented));
    }
    assert.ok((await openFiles()) > before, 'the connections of idle clients are kept');
    const deadline = performance.now() + patience;
    for (;;) {
        globalThis.gc();
        await sleep(1); // finalizers run in turns of the event loop of their own
        if ((await openFiles()) <= before) {
            break;
        }
        assert.ok(performance.now() < deadline, 'connections of collected clients are closed');
    }
    assert.ok(executions.every(({ nodes }) => nodes.length === 1));
});

test('the collector takes nothing from under a call', async () => {
    let ended = false;
    const waits = Array.from({ length: 20 }, (_, index) =>
        Client.fromEnv({ pollIntervalMs: 10 }).waitExecution(`running-${process.pid}-${index}`),
    );
    const calls = Promise.all(waits).finally(() => (ended = true));
    while (!ended) {
        globalThis.gc();
        await turn();
    }
    assert.ok((await calls).every(({ state }) => state === 'COMPLETED'));
});

/** How much the process grows by so many uses, after as many to get into its stride. */
function growth(uses, use) {
    const resident = () => {
        for (let index = 0; index < uses; index += 1) {
            use();
        }
        globalThis.gc();
        return process.memoryUsage.rss();
    };
    const before = resident();
    return resident() - before;
}

test('executions of C do not stay behind', () => {
    const size = 1 << 20;
    const text = Buffer.from(`{"status":"COMPLETED","name":"${'a'.repeat(size)}"}`);
    const grown = growth(100, () => parseExecution(text));
    assert.ok(grown < 50 * size, `${grown} bytes more`);
});

test('errors of C do not stay behind', () => {
    const grown = growth(50_000, () => {
        try {
            parseExecution('[]');
        } catch (error) {
            assert.ok(error instanceof RefoldError);
            return;
        }
        assert.fail('an array was parsed');
    });
    assert.ok(grown < 50_000 * 160, `${grown} bytes more`);
});
