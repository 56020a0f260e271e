// Tests of logs, times and further headers, against the sandbox at REFOLD_BASE_URL:
//
//     node --test test/log.test.js

import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { once } from 'node:events';
import { rm, writeFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import { test as run } from 'node:test';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { Client, Code, RefoldError, parseExecution } from '../refold.js';

const documented = '6a106ba44480b80424a65289';
/** How long a test waits for what should happen immediately, in milliseconds. */
const patience = 60_000;
const test = (name, body) => run(name, { timeout: patience }, body);
const failure = (code) => (error) => error instanceof RefoldError && error.code === code;
const timingNames = ['totalMs', 'resolveMs', 'connectMs', 'tlsMs', 'firstByteMs', 'transferMs'];
const document = '{"status":"COMPLETED"}';

/** Runs a program that can import this package as `refold`. Rejects if it fails or does not end. */
const runProgram = (text) =>
    promisify(execFile)(process.execPath, ['--input-type=module', '--eval', text], {
        cwd: new URL('..', import.meta.url),
        timeout: patience / 2,
    });

function loggingClient(options = {}) {
    assert.ok(process.env.REFOLD_BASE_URL, 'REFOLD_BASE_URL must be the URL of the sandbox');
    const lines = [];
    const onLog = (level, message) => lines.push({ level, message });
    const settings = { maxRetries: 0, pollIntervalMs: 20, onLog, logLevel: 'debug', ...options };
    return { client: Client.fromEnv(settings), lines };
}

/** Starts an HTTP server on this event loop. */
async function startServer(t, listener) {
    const server = createServer(listener);
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    t.after(() => {
        server.close();
        server.closeAllConnections();
    });
    return { baseUrl: `http://127.0.0.1:${server.address().port}` };
}

/** Returns the warnings that the process emits during a test. */
function collectWarnings(t) {
    const warnings = [];
    const note = (warning) => warnings.push(warning);
    process.on('warning', note);
    t.after(() => process.off('warning', note));
    return warnings;
}

/** Resolves after the warnings that have been emitted were delivered. */
const warningsDelivered = () => new Promise((resolve) => setImmediate(resolve));

test('lines arrive in order, before the result', async () => {
    const { client, lines } = loggingClient();
    await client.getExecution(documented);
    const levels = lines.map(({ level }) => level);
    assert.deepEqual([...new Set(levels)], ['debug', 'info']);
    assert.equal(levels.at(-1), 'info');
    assert.match(lines[0].message, new RegExp(`^call \\d+ \\+\\d+\\.\\d{3} ms: get ${documented}, timeout 30000 ms$`));
    assert.match(lines.at(-1).message, new RegExp(`: execution ${documented}: OK, COMPLETED; attempts 1; total `));
    const times = lines.map(({ message }) => Number(message.match(/ \+([0-9.]+) ms: /)[1]));
    assert.deepEqual(times, [...times].sort((a, b) => a - b));
    const seen = lines.length;
    await assert.rejects(client.getExecution('no-such-id'), failure(Code.NOT_FOUND));
    assert.match(lines.at(-1).message, /: execution no-such-id: NOT_FOUND \(404\); attempts 1; /);
    assert.ok(lines.slice(seen).some(({ message }) => message.endsWith(': reused')));
});

test('levels include those before them', async () => {
    for (const [logLevel, levels] of [
        ['warn', ['warn']],
        ['info', ['warn', 'info']],
        [undefined, ['warn', 'info']],
        ['debug', ['debug', 'warn', 'info']],
        ['off', []],
    ]) {
        const { client, lines } = loggingClient({ logLevel, maxRetries: 1 });
        await client.getExecution(`rate-limited-once-${logLevel}-${process.pid}`);
        assert.deepEqual([...new Set(lines.map(({ level }) => level))], levels, logLevel);
    }
});

test('each client receives its own lines', async () => {
    const clients = Array.from({ length: 5 }, () => loggingClient({ logLevel: 'info' }));
    const ids = clients.map((_, index) => `slow-${index + 1}`);
    const calls = clients.map(({ client }, index) => Array.from({ length: 10 }, () => client.getExecution(ids[index])));
    await Promise.all(calls.flat());
    clients.forEach(({ lines }, index) => {
        assert.equal(lines.length, 10);
        assert.ok(lines.every(({ message }) => message.includes(`: execution ${ids[index]}: OK`)));
    });
});

test('a failed poll of a wait is logged', async () => {
    const { client, lines } = loggingClient({ logLevel: 'warn' });
    await assert.rejects(client.waitExecution('error-503'), failure(Code.SERVICE_UNAVAILABLE));
    const failed = lines.filter(({ message }) => message.includes('poll failed'));
    const polls = failed.map(({ level, message }) => `${level} ${message.replace(/^.* \+\d+\.\d{3} ms: /, '')}`);
    const reason = 'SERVICE_UNAVAILABLE (503), Something went wrong';
    const pauses = [40, 80, 160, 200, 200];
    assert.deepEqual(
        polls,
        pauses.map((pause) => `warn poll failed, polling again in ${pause} ms: ${reason}`),
    );
});

test('a line about a failed poll is printable', async (t) => {
    const { baseUrl } = await startServer(t, (request, response) => {
        response.writeHead(503).end(JSON.stringify({ message: 'a\u001b[2J\nb' }));
    });
    const { client, lines } = loggingClient({ baseUrl, logLevel: 'warn', pollIntervalMs: 10 });
    await assert.rejects(client.waitExecution('a'), failure(Code.SERVICE_UNAVAILABLE));
    assert.ok(lines[0].message.endsWith(', a?[2J?b'), lines[0].message);
});

test('headers are sent, and replaced by name', async (t) => {
    let received;
    const { baseUrl } = await startServer(t, (request, response) => {
        received = request.headers;
        response.end(document);
    });
    const pairs = { 'X-First': 'one', 'x-second': 'two words' };
    for (const headers of [pairs, new Headers(pairs), new Map(Object.entries(pairs)), Object.entries(pairs)]) {
        received = undefined;
        await Client.fromEnv({ baseUrl, headers }).getExecution('a');
        assert.equal(received['x-first'], 'one');
        assert.equal(received['x-second'], 'two words');
    }
    await Client.fromEnv({ baseUrl, headers: [['x-first', 'old'], ['X-FIRST', 'new']] }).getExecution('a');
    assert.equal(received['x-first'], 'new');
});

test('invalid headers and logs are rejected', () => {
    const onLog = () => {};
    for (const [words, options] of [
        ['headers', { headers: 'x-a: b' }],
        ['headers', { headers: null }],
        ['x-a', { headers: { 'x-a': 7 } }],
        ['x-a', { headers: { 'x-a': undefined } }],
        ['x-a', { headers: { 'x-a': 'secret\0' } }],
        ['x-a', { headers: { 'x-a': 'secret\r\nx-b: c' } }],
        ['name', { headers: { '': 'secret' } }],
        ['name', { headers: { 'a\0b': 'secret' } }],
        ['X-API-Key', { headers: { 'X-API-Key': 'secret' } }],
        ['logLevel', { onLog, logLevel: 'trace' }],
        ['logLevel', { onLog, logLevel: 3 }],
        ['onLog', { logLevel: 'debug' }],
        ['onLog', { onLog: 'console.log' }],
        ['onLog', { onLog: null }],
    ]) {
        assert.throws(
            () => Client.fromEnv(options),
            (error) => {
                assert.ok(error.message.includes(words) && !error.message.includes('secret'), error.message);
                return failure(Code.INVALID_ARGUMENT)(error);
            },
            words,
        );
    }
    Client.fromEnv({ logLevel: 'off' }).close();
});

test('lines contain no secrets', async (t) => {
    const secrets = ['tk_the-secret-key', 'the.secret.token', 'the-secret-value', 'the-secret-proxy-password'];
    const [apiKey, sessionToken, value, password] = secrets;
    const { baseUrl } = await startServer(t, (request, response) => {
        const echo = JSON.stringify(request.headers).replace(/[^ -~]/g, '');
        response.writeHead(503, { 'x-request-id': value, 'x-echo': echo });
        response.end(JSON.stringify({ message: echo }));
    });
    const settings = { baseUrl, maxRetries: 1, pollIntervalMs: 10, headers: { 'x-private': value } };
    const all = [];
    for (const credentials of [{ apiKey, linkedAccountId: 'user_1' }, { sessionToken }]) {
        for (const proxy of ['', `http://user:${password}@127.0.0.1:9`]) {
            const { client, lines } = loggingClient({ ...settings, ...credentials, proxy });
            await assert.rejects(client.waitExecution('a', { timeoutMs: 1500 }), RefoldError);
            all.push(...lines);
        }
    }
    const text = all.map(({ message }) => message).join('\n');
    assert.ok(text.includes('x-private') && text.includes('poll failed') && text.includes('x-echo'));
    for (const secret of secrets) {
        assert.ok(!text.includes(secret), secret);
    }
});

test('timings are consistent', async () => {
    const { client, lines } = loggingClient({ logLevel: 'info' });
    const first = await client.getExecution('slow-100');
    assert.deepEqual(Object.keys(first.timings), timingNames);
    const { totalMs, resolveMs, connectMs, tlsMs, firstByteMs, transferMs } = first.timings;
    assert.ok(firstByteMs >= 100, `${firstByteMs}`);
    assert.ok(connectMs >= 0 && transferMs >= 0 && totalMs >= connectMs + firstByteMs + transferMs);
    assert.deepEqual([resolveMs, tlsMs], [null, null]);
    assert.equal(first.attempts, 1);
    assert.equal(first.requestId, null);
    assert.ok(lines[0].message.includes(`; total ${totalMs.toFixed(3)} ms (`), lines[0].message);
    const second = await client.getExecution('completed');
    assert.equal(second.timings.connectMs, null); // reused
    await assert.rejects(client.getExecution('error-500'), ({ timings }) => {
        assert.deepEqual(Object.keys(timings), timingNames);
        return timings.connectMs === null && timings.firstByteMs >= 0 && timings.totalMs >= timings.firstByteMs;
    });
});

test('attempts and request id of an execution', async (t) => {
    let requests = 0;
    const { baseUrl } = await startServer(t, (request, response) => {
        requests += 1;
        response.writeHead(requests === 1 ? 503 : 200, { 'x-request-id': `request-${requests}`, 'retry-after': '0' });
        response.end(document);
    });
    const execution = await Client.fromEnv({ baseUrl, maxRetries: 1 }).getExecution('a');
    assert.equal(execution.attempts, 2);
    assert.equal(execution.requestId, 'request-2');
    const { timings } = execution;
    assert.ok(timings.totalMs > timings.firstByteMs + timings.transferMs);
});

test('what made no call has no timings', async () => {
    const parsed = parseExecution(document);
    assert.deepEqual(parsed.timings, Object.fromEntries(timingNames.map((name) => [name, null])));
    assert.equal(parsed.attempts, 0);
    assert.equal(parsed.requestId, null);
    assert.deepEqual(new RefoldError(Code.INTERNAL, '').timings, parsed.timings);
});

test('the timeout of a wait has the time of the whole wait', async () => {
    const { client } = loggingClient({ pollIntervalMs: 3_600_000 });
    await assert.rejects(client.waitExecution('error-503', { timeoutMs: 300 }), ({ timings, cause }) => {
        assert.ok(timings.totalMs >= 299 && timings.totalMs > cause.timings.totalMs, `${timings.totalMs}`);
        return timings.firstByteMs === cause.timings.firstByteMs;
    });
    await assert.rejects(client.waitExecution('stuck', { timeoutMs: 300 }), ({ timings }) => {
        return timings.totalMs >= 299 && timings.firstByteMs < 299;
    });
});

test('a blocked event loop does not delay calls with a log', async () => {
    const { client, lines } = loggingClient();
    const call = client.getExecution(documented);
    Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 3000);
    const { timings } = await call;
    assert.ok(timings.totalMs < 3000, `${timings.totalMs} ms`);
    assert.ok(lines.length > 5);
});

test('exceptions of onLog are emitted as one warning', async (t) => {
    const warnings = collectWarnings(t);
    const reason = new Error('full');
    const circular = {};
    circular.then = circular;
    for (const onLog of [
        () => { throw reason; },
        () => Promise.reject(reason),
        () => ({ then(resolve, reject) { reject(reason); } }),
        () => ({ get then() { throw reason; } }),
    ]) {
        const { client } = loggingClient({ onLog });
        assert.equal((await client.getExecution(documented)).id, documented);
        assert.equal((await client.getExecution(documented)).id, documented);
        await warningsDelivered();
        assert.equal(warnings.length, 1);
        const [{ name, message, detail }] = warnings.splice(0);
        assert.deepEqual([name, message], ['RefoldWarning', 'onLog has thrown an exception']);
        assert.ok(detail.startsWith('Error: full\n'), detail);
    }
    for (const odd of [undefined, null, Symbol('odd'), Object.create(null), circular]) {
        const { client } = loggingClient({ onLog: () => { throw odd; } });
        assert.equal((await client.getExecution(documented)).id, documented);
        await warningsDelivered();
        assert.equal(warnings.splice(0).length, 1);
    }
});

test('onLog can call the library', async () => {
    const nested = [];
    const { client } = loggingClient({
        logLevel: 'info',
        onLog: () => nested.length < 3 && nested.push(client.getExecution('completed')),
    });
    assert.equal((await client.getExecution(documented)).id, documented);
    for (let index = 0; index < 3; index += 1) {
        assert.equal((await nested[index]).state, 'COMPLETED');
    }
    const closing = loggingClient({ onLog: () => closing.client.close() });
    assert.equal((await closing.client.getExecution(documented)).id, documented);
    await assert.rejects(closing.client.getExecution(documented), failure(Code.INVALID_ARGUMENT));
});

test('a signal cancels calls with a log', async (t) => {
    const { baseUrl } = await startServer(t, () => {});
    const controller = new AbortController();
    const { client, lines } = loggingClient({
        baseUrl,
        timeoutMs: 0,
        onLog: (level, message) => {
            lines.push({ level, message });
            if (message.includes(': sent GET')) {
                controller.abort();
            }
        },
    });
    const calls = Array.from({ length: 20 }, () => client.getExecution('a', { signal: controller.signal }));
    for (const { reason } of await Promise.allSettled(calls)) {
        assert.equal(reason.name, 'AbortError');
    }
    const isCancelled = ({ message }) => message.includes('CANCELLED (-2)');
    while (!lines.some(isCancelled)) {
        await new Promise((resolve) => setImmediate(resolve)); // the call ends after its promise is rejected
    }
});

test('a process with an idle client that logs ends', async () => {
    await runProgram(`
        import { Client } from 'refold';
        globalThis.unused = Client.fromEnv({ onLog: console.log });
    `);
    const { stdout } = await runProgram(`
        import { Client } from 'refold';
        const used = Client.fromEnv({ onLog: (level) => console.log(level) });
        await used.getExecution('${documented}');
        console.log('result');
    `);
    assert.equal(stdout, 'info\nresult\n');
});

test('a running call with a log keeps the process alive', async () => {
    const { stdout } = await runProgram(`
        import { Client } from 'refold';
        Client.fromEnv({ onLog: console.log, logLevel: 'warn' }).getExecution('slow-300').then(({ id }) => console.log(id));
    `);
    assert.equal(stdout, 'slow-300\n');
});

/** A program whose calls log without end. */
const busy = `
    import { Client } from 'refold';
    let lines = 0;
    const client = Client.fromEnv({ timeoutMs: 0, logLevel: 'debug', onLog: () => onLine((lines += 1)) });
    const repeat = async (id) => { for (;;) await client.getExecution(id); };
    const start = () => ['${documented}', 'completed', 'slow-100', 'slow-3000', 'completed'].forEach((id) => repeat(id));
`;

test('a process exits while calls are logging', async () => {
    for (const last of [1, 2, 7, 20, 100]) {
        await runProgram(`${busy}
            const onLine = (lines) => lines === ${last} && process.exit();
            start();
        `);
    }
});

test('an uncaught exception ends a process that logs', async () => {
    const program = runProgram(`${busy}
        const onLine = (lines) => lines === 20 && setImmediate(() => { throw new Error('uncaught'); });
        start();
    `);
    await assert.rejects(program, ({ code, stderr }) => code === 1 && stderr.includes('uncaught'));
});

test('logs work after an exit that was prevented', async () => {
    const { stdout } = await runProgram(`
        import { Client } from 'refold';
        let lines = 0;
        const client = Client.fromEnv({ onLog: () => (lines += 1) });
        process.once('exit', () => { throw new Error('not yet'); });
        try { process.exit(); } catch {}
        console.log((await client.getExecution('${documented}')).id, lines);
    `);
    assert.equal(stdout, `${documented} 1\n`);
});

for (const [name, end] of [
    ['ends by itself', `client.getExecution('${documented}');`],
    ['exits', 'start(); onLine = (lines) => lines === 50 && process.exit();'],
    ['is terminated', "start(); onLine = (lines) => lines === 50 && parentPort.postMessage('terminate');"],
]) {
    test(`a Worker that logs ${name}`, async (t) => {
        const file = fileURLToPath(new URL(`../worker-${process.pid}.mjs`, import.meta.url)); // finds the package
        t.after(() => rm(file));
        await writeFile(file, `import { parentPort } from 'node:worker_threads'; ${busy} let onLine = () => {}; ${end}`);
        const { stdout } = await runProgram(`
            import { once } from 'node:events';
            import { Worker } from 'node:worker_threads';
            import { Client } from 'refold';
            for (let index = 0; index < 3; index += 1) {
                const worker = new Worker(${JSON.stringify(file)}, { execArgv: [] });
                worker.on('message', () => worker.terminate());
                await once(worker, 'exit');
            }
            let lines = 0;
            await Client.fromEnv({ onLog: () => (lines += 1) }).getExecution('${documented}');
            console.log(lines);
        `);
        assert.equal(stdout, '1\n');
    });
}
