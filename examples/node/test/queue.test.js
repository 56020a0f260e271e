// Tests of many calls at a time, of the ends of processes and Workers, and of progress, against the sandbox at
// REFOLD_BASE_URL:
//
//     node --test test/queue.test.js

import assert from 'node:assert/strict';
import { AsyncLocalStorage } from 'node:async_hooks';
import { execFile } from 'node:child_process';
import { once } from 'node:events';
import { createServer } from 'node:http';
import { test as run } from 'node:test';
import { promisify } from 'node:util';
import { Client } from '../refold.js';

/** How long a test waits for what should happen immediately, in milliseconds. */
const patience = 60_000;
const test = (name, body) => run(name, { timeout: patience }, body);
const documented = '6a106ba44480b80424a65289';
const document = '{"status":"COMPLETED"}';
let runs = 0;
/** Returns a new id. The sandbox starts the run when it is first requested. */
const newRun = () => `running-queue-${process.pid}-${(runs += 1)}`;

/** Runs a program that can import this package as `refold`, and returns its output. Fails if it does not end. */
async function runProgram(text, env = {}) {
    const { stdout } = await promisify(execFile)(process.execPath, ['--input-type=module', '--eval', text], {
        cwd: new URL('..', import.meta.url),
        env: { ...process.env, ...env },
        timeout: patience / 2,
    });
    return stdout.trim();
}

/** The beginning of programs: a server that never responds, clients of it, and counts of descriptors and threads. */
const withSilentServer = `
    import { once } from 'node:events';
    import { readdirSync } from 'node:fs';
    import { createServer } from 'node:net';
    import { Worker } from 'node:worker_threads';
    import { Client } from 'refold';

    const server = createServer((socket) => socket.on('error', () => {}).resume().unref());
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    server.unref();
    const baseUrl = 'http://127.0.0.1:' + server.address().port;
    const silent = (options) => Client.fromEnv({ baseUrl, timeoutMs: 0, ...options });
    const count = (folder) => readdirSync('/proc/self/' + folder).length;
`;

function sandboxClient(options = {}) {
    assert.ok(process.env.REFOLD_BASE_URL, 'REFOLD_BASE_URL must be the URL of the sandbox');
    return Client.fromEnv({ maxRetries: 0, pollIntervalMs: 20, ...options });
}

/**
 * Starts a server that responds once it has received the given number of requests, and another call has ended meanwhile,
 * during which more could arrive. `max` is the number of requests at once.
 */
async function startGate(t, size) {
    const waiting = [];
    const gate = { ids: [], max: 0 };
    let isOpen = false;
    const server = createServer(async (request, response) => {
        gate.ids.push(request.url.split('/').at(-1));
        waiting.push(response);
        gate.max = Math.max(gate.max, waiting.length);
        if (waiting.length === size) {
            await sandboxClient().getExecution('slow-100');
            isOpen = true;
        }
        if (isOpen) {
            waiting.splice(0).forEach((each) => each.end(document));
        }
    });
    server.listen(0, '127.0.0.1', 4096);
    await once(server, 'listening');
    t.after(() => {
        server.close();
        server.closeAllConnections();
    });
    return Object.assign(gate, { options: { baseUrl: `http://127.0.0.1:${server.address().port}`, timeoutMs: 0 } });
}

test('calls leave the pool of libuv to others', async () => {
    const order = await runProgram(
        `
        import { lookup } from 'node:dns/promises';
        import { readFile } from 'node:fs/promises';
        import { Client } from 'refold';

        const client = Client.fromEnv();
        const order = [];
        const calls = Array.from({ length: 4 }, () => client.getExecution('slow-3000').then(() => order.push('call')));
        for (let index = 0; index < 30; index += 1) {
            await readFile('package.json');
        }
        await lookup('localhost');
        order.push('files');
        await Promise.all(calls);
        console.log(order.join());
        `,
        { UV_THREADPOOL_SIZE: '1' },
    );
    assert.equal(order, 'files,call,call,call,call');
});

test('256 calls are in flight, and others are queued', async (t) => {
    const gate = await startGate(t, 256);
    const client = sandboxClient(gate.options);
    const calls = await Promise.all(Array.from({ length: 300 }, (_, index) => client.getExecution(`${index}`)));
    assert.equal(calls.length, 300);
    assert.equal(gate.max, 256);
});

test('maxConcurrent limits the calls in flight', async (t) => {
    const gate = await startGate(t, 3);
    const client = sandboxClient({ ...gate.options, maxConcurrent: 3 });
    await Promise.all(Array.from({ length: 20 }, (_, index) => client.getExecution(`${index}`)));
    assert.equal(gate.max, 3);
    const expected = Array.from({ length: 20 }, (_, index) => index);
    assert.deepEqual(gate.ids.map(Number).sort((a, b) => a - b), expected);
    assert.ok(gate.ids.slice(0, 3).map(Number).every((id) => id < 3), `${gate.ids}`);
});

test('10,000 calls are pending, and half of them are aborted', async () => {
    const client = sandboxClient();
    const controller = new AbortController();
    const { signal } = controller;
    const calls = Array.from({ length: 5000 }, () => client.getExecution(documented));
    const aborted = Array.from({ length: 5000 }, (_, index) =>
        index % 2 === 0 ? client.getExecution(documented, { signal }) : client.waitExecution('stuck', { signal }),
    );
    controller.abort();
    const outcomes = await Promise.allSettled(aborted);
    assert.ok(outcomes.every(({ reason }) => reason?.name === 'AbortError'));
    assert.ok((await Promise.all(calls)).every(({ state }) => state === 'COMPLETED'));
});

test('500 waits end with their signal', async () => {
    const controller = new AbortController();
    const client = sandboxClient({ pollIntervalMs: 3_600_000 });
    let seen = 0;
    let allSeen;
    const polled = new Promise((resolve) => (allSeen = resolve));
    const waits = Array.from({ length: 500 }, () =>
        client.waitExecution('stuck', {
            signal: controller.signal,
            onProgress: () => (seen += 1) === 500 && allSeen(),
        }),
    );
    await polled;
    controller.abort(new Error('enough'));
    for (const { reason } of await Promise.allSettled(waits)) {
        assert.equal(reason.message, 'enough');
    }
    assert.equal(seen, 500);
});

test('a signal gets one listener, and only while calls are pending', async () => {
    const signal = new AbortController().signal;
    let listeners = 0;
    for (const [name, change] of [['addEventListener', 1], ['removeEventListener', -1]]) {
        signal[name] = (...parameters) => {
            listeners += change;
            EventTarget.prototype[name].apply(signal, parameters);
        };
    }
    const client = sandboxClient();
    for (let round = 0; round < 2; round += 1) {
        const calls = Array.from({ length: 20 }, () => client.getExecution('completed', { signal }));
        assert.equal(listeners, 1);
        await Promise.all(calls);
        assert.equal(listeners, 0);
    }
    await assert.rejects(client.getExecution('a/b', { signal }));
    assert.equal(listeners, 0);
});

test('a process with an idle client ends', async () => {
    assert.equal(
        await runProgram(`
            import { Client } from 'refold';
            globalThis.unused = Client.fromEnv();
            globalThis.used = Client.fromEnv();
            await used.getExecution('completed');
            process.on('exit', () => console.log('end'));
        `),
        'end',
    );
});

test('a pending call keeps the process alive', async () => {
    const text = `
        import { Client } from 'refold';
        Client.fromEnv({ pollIntervalMs: 50 }).waitExecution('${newRun()}').then(({ state }) => console.log(state));
    `;
    assert.equal(await runProgram(text), 'COMPLETED');
});

test('an aborted call does not keep the process alive', async () => {
    const text = `${withSilentServer}
        const controller = new AbortController();
        const call = silent().getExecution('a', { signal: controller.signal });
        await once(server, 'connection');
        controller.abort();
        await call.catch(({ name }) => console.log(name));
    `;
    assert.equal(await runProgram(text), 'AbortError');
});

test('a process exits with 10,000 pending calls', async () => {
    const text = `${withSilentServer}
        const client = silent({ onLog: () => {}, logLevel: 'debug' });
        Array.from({ length: 10_000 }, (_, index) =>
            index % 2 === 0 ? client.getExecution('a') : client.waitExecution('a', { onProgress: () => {} }),
        );
        await once(server, 'connection');
        process.on('exit', () => console.log('exit'));
        process.exit();
    `;
    assert.equal(await runProgram(text), 'exit');
});

/** A Worker with calls that never end. It posts a message once they are pending, and exits when it receives one. */
const busyWorker = `
    const worker = () => new Worker(\`
        const { parentPort, workerData } = require('node:worker_threads');
        import('refold').then(({ Client }) => {
            const client = Client.fromEnv({ ...workerData, onLog: () => {}, logLevel: 'debug' });
            for (let index = 0; index < 20; index += 1) {
                client.getExecution('a');
                client.waitExecution('a', { onProgress: () => {}, signal: new AbortController().signal });
            }
            parentPort.on('message', () => process.exit());
            parentPort.postMessage('pending');
        });
    \`, { eval: true, execArgv: [], workerData: { baseUrl, timeoutMs: 0, maxConcurrent: 10 } });
`;

for (const [name, end] of [
    ['is terminated', 'await each.terminate();'],
    ['exits', "each.postMessage('exit'); await once(each, 'exit');"],
]) {
    test(`a Worker with pending calls ${name}, and leaves nothing`, async () => {
        const text = `${withSilentServer}${busyWorker}
            const use = async () => {
                const each = worker();
                await once(each, 'message');
                ${end}
            };
            await use();
            const before = [count('fd'), count('task')];
            for (let index = 0; index < 5; index += 1) {
                await use();
            }
            // The sockets of the server close when their events are handled.
            while (await new Promise((resolve) => server.getConnections((error, open) => resolve(open)))) {
                await new Promise((resolve) => setImmediate(resolve));
            }
            console.log(count('fd') <= before[0], count('task') <= before[1]);
        `;
        assert.equal(await runProgram(text), 'true true');
    });
}

test('Workers have clients of their own, which end with them', async () => {
    const text = `${withSilentServer}
        const use = async () => {
            const worker = new Worker(\`
                const { parentPort } = require('node:worker_threads');
                import('refold').then(async ({ Client }) => {
                    const client = Client.fromEnv();
                    const calls = await Promise.all(Array.from({ length: 50 }, () => client.getExecution('completed')));
                    parentPort.postMessage(calls.length);
                });
            \`, { eval: true, execArgv: [] });
            const ended = once(worker, 'exit');
            const [length] = await once(worker, 'message');
            await ended;
            return length;
        };
        await use();
        const before = [count('fd'), count('task')];
        const lengths = await Promise.all([use(), use(), use()]);
        console.log(lengths.join(), count('fd') <= before[0], count('task') <= before[1]);
    `;
    assert.equal(await runProgram(text), '50,50,50 true true');
});

test('a child process works while calls are pending', async () => {
    const text = `${withSilentServer}
        import { execFileSync } from 'node:child_process';
        const controller = new AbortController();
        const pending = silent().getExecution('a', { signal: controller.signal });
        await once(server, 'connection');
        const program = "import { Client } from 'refold';" +
            "console.log((await Client.fromEnv().getExecution('completed')).state);";
        console.log(execFileSync(process.execPath, ['--input-type=module', '--eval', program], { encoding: 'utf8' }).trim());
        console.log((await Client.fromEnv().getExecution('completed')).state);
        controller.abort();
        await pending.catch(({ name }) => console.log(name));
    `;
    assert.equal(await runProgram(text), 'COMPLETED\nCOMPLETED\nAbortError');
});

/** Starts a server whose run completes at the given request. Resolves `polled(n)` when request n has arrived. */
async function startRun(t, last) {
    let polls = 0;
    const waiting = new Map();
    const server = createServer((request, response) => {
        polls += 1;
        const percentage = polls;
        response.end(JSON.stringify({ status: polls < last ? 'RUNNING' : 'COMPLETED', completion_percentage: percentage }));
        waiting.get(polls)?.();
    });
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    t.after(() => {
        server.close();
        server.closeAllConnections();
    });
    return {
        options: { baseUrl: `http://127.0.0.1:${server.address().port}`, pollIntervalMs: 10 },
        polled: (number) => new Promise((resolve) => waiting.set(number, resolve)),
    };
}

test('a slow onProgress receives the latest and the last snapshot', async (t) => {
    const { options, polled } = await startRun(t, 20);
    const ended = polled(20);
    const seen = [];
    let running = 0;
    const last = await sandboxClient(options).waitExecution('a', {
        onProgress: async ({ completionPercentage }) => {
            running += 1;
            assert.equal(running, 1);
            seen.push(completionPercentage);
            await ended;
            running -= 1;
        },
    });
    assert.equal(seen[0], 1);
    assert.equal(seen.at(-1), 20);
    assert.ok(seen.length <= 3, `${seen}`);
    assert.equal(last.completionPercentage, 20);
});

test('a signal ends a wait while onProgress runs', async (t) => {
    const { options, polled } = await startRun(t, 1_000_000);
    const fourth = polled(4); // so the second snapshot is waiting
    const controller = new AbortController();
    let calls = 0;
    let isOver = false;
    let end;
    const ended = new Promise((resolve) => (end = resolve));
    const wait = sandboxClient(options).waitExecution('a', {
        signal: controller.signal,
        onProgress: async () => {
            calls += 1;
            await fourth;
            controller.abort();
            await wait.catch(() => (isOver = true));
            setImmediate(end);
        },
    });
    await assert.rejects(wait, { name: 'AbortError' });
    await ended;
    assert.deepEqual([calls, isOver], [1, true]);
});

test('an exception of onProgress stops the polls', async (t) => {
    const { options, polled } = await startRun(t, 1_000_000);
    const third = polled(3);
    const client = sandboxClient({ ...options, onLog: (level, message) => lines.push(message), logLevel: 'info' });
    const lines = [];
    let seen = 0;
    const onProgress = () => {
        seen += 1;
        if (seen === 3) {
            throw new Error('enough');
        }
    };
    await assert.rejects(client.waitExecution('a', { onProgress }), { message: 'enough' });
    await third;
    while (!lines.some((line) => line.includes('CANCELLED (-2)'))) {
        await new Promise((resolve) => setImmediate(resolve)); // the wait ends after its promise is rejected
    }
    assert.equal(seen, 3);
});

test('onProgress runs in the context of its wait', async () => {
    const storage = new AsyncLocalStorage();
    const client = sandboxClient();
    const contexts = await Promise.all(
        ['first', 'second'].map((name) =>
            storage.run(name, async () => {
                const seen = new Set();
                await client.waitExecution(newRun(), { onProgress: () => seen.add(storage.getStore()) });
                return [...seen].join();
            }),
        ),
    );
    assert.deepEqual(contexts, ['first', 'second']);
});

test('a closed client leaves neither threads nor descriptors', async () => {
    const text = `${withSilentServer}
        const open = async (use) => {
            const clients = Array.from({ length: 10 }, () => Client.fromEnv());
            await Promise.all(clients.map(use));
        };
        const closeAfterwards = async (client) => {
            await client.getExecution('completed');
            client.close();
        };
        const closeDuringCall = async (client) => {
            const call = client.getExecution('slow-50');
            client.close();
            await call;
        };
        await open(closeAfterwards);
        const before = [count('fd'), count('task')];
        await open(closeAfterwards);
        await open(closeDuringCall);
        console.log(count('fd') <= before[0], count('task') <= before[1]);
    `;
    assert.equal(await runProgram(text), 'true true');
});

test('a wait continues after close()', async () => {
    const client = sandboxClient();
    const wait = client.waitExecution(newRun());
    client.close();
    assert.equal((await wait).state, 'COMPLETED');
});

test('a wait may have a timeout of years', async () => {
    assert.equal((await sandboxClient().waitExecution('completed', { timeoutMs: 2 ** 40 })).state, 'COMPLETED');
});
