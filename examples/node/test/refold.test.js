// Tests of the package, against the sandbox at REFOLD_BASE_URL:
//
//     node --test test/refold.test.js

import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { readdirSync } from 'node:fs';
import { cp, mkdir, mkdtemp, readFile, realpath, rm, writeFile } from 'node:fs/promises';
import { createServer as createHttpServer } from 'node:http';
import { createServer } from 'node:net';
import { once } from 'node:events';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test as run } from 'node:test';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { native } from '../native.js';
import { Client, Code, RefoldError, parseExecution, printable, version } from '../refold.js';

const documented = '6a106ba44480b80424a65289';
/** How long a test waits for what should happen immediately, in milliseconds. */
const patience = 60_000;
const test = (name, body) => run(name, { timeout: patience }, body);
const failure = (code) => (error) => error instanceof RefoldError && error.code === code;
let runs = 0;
/** Returns a new id. The sandbox starts the run when it is first requested. */
const newRun = () => `running-${process.pid}-${Date.now()}-${(runs += 1)}`;

/** Runs a program that can import this package as `refold`. Rejects if it fails or does not end. */
const runProgram = (text, directory = new URL('..', import.meta.url)) =>
    promisify(execFile)(process.execPath, ['--input-type=module', '--eval', text], {
        cwd: directory,
        timeout: patience / 2,
    });

function sandboxClient(options = {}) {
    assert.ok(process.env.REFOLD_BASE_URL, 'REFOLD_BASE_URL must be the URL of the sandbox');
    return Client.fromEnv({ maxRetries: 0, pollIntervalMs: 20, ...options });
}

/**
 * Starts a server on this event loop that sends the body, or never responds without one. The returned options disable
 * the timeout; `request` resolves when the first request arrives, `disconnect` when its client disconnects.
 */
async function startServer(t, body) {
    const server = createServer();
    const sockets = new Set();
    const first = (event) => new Promise((settle) => server.once('connection', (socket) => socket.once(event, settle)));
    const request = first('data');
    const disconnect = first('close');
    server.on('connection', (socket) => {
        sockets.add(socket);
        socket.on('error', () => {});
        socket.on('data', () => {
            if (body !== undefined) {
                socket.end(`HTTP/1.1 200 OK\r\nContent-Length: ${body.length}\r\nConnection: close\r\n\r\n${body}`);
            }
        });
    });
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    t.after(() => {
        server.close();
        sockets.forEach((socket) => socket.destroy());
    });
    return {
        options: { baseUrl: `http://127.0.0.1:${server.address().port}`, timeoutMs: 0 },
        request,
        disconnect,
        connections: () => sockets.size,
    };
}

/** Starts an HTTP server on this event loop. */
async function startHttpServer(t, listener) {
    const server = createHttpServer(listener);
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    t.after(() => {
        server.close();
        server.closeAllConnections();
    });
    return { url: `http://127.0.0.1:${server.address().port}` };
}

test('version() returns the version of the library', () => {
    assert.match(version(), /^\d+\.\d+\.\d+$/);
});

test('an execution has its fields and nodes', async () => {
    const execution = await sandboxClient().getExecution(documented);
    assert.equal(execution.id, documented);
    assert.equal(execution.name, `Execution for workflow ${documented}`);
    assert.equal(execution.environment, 'test');
    assert.equal(execution.status, 'COMPLETED');
    assert.equal(execution.state, 'COMPLETED');
    assert.equal(execution.isFinal, true);
    assert.equal(execution.isFailure, false);
    assert.equal(execution.completionPercentage, 100);
    assert.equal(execution.configId, 'user_12345');
    assert.equal(execution.linkedAccountId, 'user_12345');
    assert.deepEqual(JSON.parse(execution.text), execution.document);
    assert.equal(execution.nodes.length, 1);
    const [node] = execution.nodes;
    assert.equal(node.id, '1');
    assert.equal(node.name, 'Start');
    assert.equal(node.type, 'start');
    assert.equal(node.status, 'Success');
    assert.equal(node.state, 'COMPLETED');
    assert.equal(node.isFailure, false);
    assert.equal(node.isBatch, false);
    assert.equal(node.attemptsMade, 1);
    assert.equal(node.maximumAttempts, null);
    assert.equal(node.executionTimeMs, 403);
    assert.equal(node.latestOutput.message, 'Workflow started successfully');
    assert.equal(node.inputData, undefined);
    assert.equal(execution.node('1'), node);
    assert.equal(execution.node('2'), undefined);
});

test('outputs have any JSON type', async () => {
    const { nodes, document } = await sandboxClient().getExecution('outputs-of-all-types');
    const outputs = nodes.map((node) => node.latestOutput);
    assert.deepEqual(outputs, document.nodes.map((node) => node.latest_output));
    for (const type of ['boolean', 'number', 'string', 'object', 'undefined']) {
        assert.ok(outputs.some((output) => typeof output === type), type);
    }
    assert.ok(outputs.some(Array.isArray) && outputs.includes(null));
});

for (const id of ['odd-elements', 'nodes-object', 'nodes-text', 'wrong-types', 'null-node-fields', 'extreme-numbers']) {
    test(`${id} can be read`, async () => {
        const { nodes, document } = await sandboxClient().getExecution(id);
        assert.equal(nodes.length, Array.isArray(document.nodes) ? document.nodes.length : 0);
        for (const node of nodes) {
            assert.ok(node.executionTimeMs === null || node.executionTimeMs >= 0);
        }
    });
}

test('a percentage may be any number', () => {
    for (const percentage of [-0.5, 0, 250]) {
        const text = `{"status":"RUNNING","completion_percentage":${percentage}}`;
        assert.equal(parseExecution(text).completionPercentage, percentage);
    }
});

test('an execution has its times', () => {
    const createdAt = '2024-05-06T07:08:09.000Z';
    const updatedAt = '2024-05-06T07:08:10.000Z';
    const execution = parseExecution(JSON.stringify({ status: 'RUNNING', createdAt, updatedAt }));
    assert.equal(execution.createdAt, createdAt);
    assert.equal(execution.updatedAt, updatedAt);
    for (const text of ['{"status":"RUNNING"}', '{"status":"RUNNING","createdAt":7,"updatedAt":null}']) {
        assert.equal(parseExecution(text).createdAt, null);
        assert.equal(parseExecution(text).updatedAt, null);
    }
});

test('parseExecution() parses text', () => {
    const execution = parseExecution('{"status":"PAUSED","name":"Grüße","nodes":[{},7]}');
    assert.equal(execution.id, null);
    assert.equal(execution.name, 'Grüße');
    assert.equal(execution.state, 'UNKNOWN');
    assert.equal(execution.isFinal, false);
    assert.equal(execution.completionPercentage, null);
    assert.deepEqual(execution.nodes.map((node) => node.executionTimeMs), [null, null]);
    assert.equal(parseExecution(Buffer.from('{"status":"RUNNING"}')).state, 'RUNNING');
    for (const text of ['', '[]', '{', '{"status":null}']) {
        assert.throws(() => parseExecution(text), failure(Code.INVALID_RESPONSE), text);
    }
});

test('an error has the fields of the envelope', async () => {
    await assert.rejects(sandboxClient().getExecution('no-such-id'), (error) => {
        assert.ok(error instanceof RefoldError && error instanceof Error);
        assert.equal(error.name, 'RefoldError');
        assert.equal(error.code, Code.NOT_FOUND);
        assert.equal(error.kind, 'NOT_FOUND');
        assert.equal(error.httpStatus, 404);
        assert.equal(error.httpErrorType, 'NOT_FOUND');
        assert.equal(error.apiCode, 'RESOURCE_NOT_FOUND');
        assert.equal(error.message, 'Execution not found');
        assert.equal(error.retryable, false);
        assert.equal(error.retryAfterMs, null);
        assert.equal(error.attempts, 1);
        assert.equal(JSON.parse(error.body).message, 'Execution not found');
        return true;
    });
});

test('an error has request id, Retry-After and body', async () => {
    await assert.rejects(sandboxClient().getExecution('error-500'), (error) => {
        assert.ok(error.requestId);
        return error.retryable;
    });
    await assert.rejects(sandboxClient().getExecution('rate-limited-7'), (error) => {
        assert.equal(error.retryAfterMs, 7000);
        return failure(Code.TOO_MANY_REQUESTS)(error);
    });
    await assert.rejects(sandboxClient().getExecution('empty-500'), (error) => error.body === null);
});

test('Code has the names of the library', () => {
    for (const [name, code] of Object.entries(Code)) {
        assert.equal(new RefoldError(code, '').kind, name);
    }
});

test('a call times out', async (t) => {
    const { options } = await startServer(t);
    const call = sandboxClient({ ...options, timeoutMs: 100 }).getExecution(documented);
    await assert.rejects(call, (error) => failure(Code.TIMEOUT)(error) && error.retryable);
});

test('invalid options are rejected', () => {
    const good = { baseUrl: 'http://127.0.0.1:9', apiKey: 'tk_1', linkedAccountId: 'user_1' };
    for (const [name, wrong] of [
        ['credentials', { apiKey: undefined, linkedAccountId: undefined }],
        ['linked_account_id', { linkedAccountId: undefined }],
        ['apiKey', { apiKey: 'a\0b' }],
        ['session_token', { sessionToken: 'a.b.c' }],
        ['sessionToken', { apiKey: undefined, linkedAccountId: undefined, sessionToken: 7 }],
        ['base_url', { baseUrl: 'ftp://127.0.0.1' }],
        ['baseUrl', { baseUrl: 'http://127.0.0.1\0' }],
        ['timeoutMs', { timeoutMs: -1 }],
        ['timeoutMs', { timeoutMs: 1.5 }],
        ['timeoutMs', { timeoutMs: '1' }],
        ['maxRetries', { maxRetries: 2 ** 32 }],
        ['poll_interval', { pollIntervalMs: 1 }],
        ['proxy', { proxy: 'gopher://127.0.0.1' }],
        ['ca_file', { caFile: '/dev/null' }],
        ['ca_pem', { caPem: '' }],
        ['user_agent', { userAgent: 'a\nb' }],
        ['maxConcurrent', { maxConcurrent: 0 }],
        ['maxConcurrent', { maxConcurrent: 1025 }],
        ['maxConcurrent', { maxConcurrent: null }],
        ['timeout', { timeout: 1 }],
    ]) {
        const make = () => new Client({ ...good, ...wrong });
        assert.throws(make, (error) => failure(Code.INVALID_ARGUMENT)(error) && error.message.includes(name), name);
    }
    new Client({ ...good, connectTimeoutMs: 1, maxResponseBytes: 1, maxConcurrent: 1024, userAgent: 'test/1', caFile: undefined }).close();
});

test('invalid ids are rejected', async () => {
    for (const id of ['', '..', 'a/b', 'a\0b', 'a'.repeat(257), undefined, 7]) {
        await assert.rejects(sandboxClient().getExecution(id), failure(Code.INVALID_ARGUMENT));
    }
});

test('invalid options of calls are rejected', async () => {
    const client = sandboxClient();
    for (const signal of [new AbortController(), 7, true]) {
        const isRejected = (error) => failure(Code.INVALID_ARGUMENT)(error) && error.message.includes('signal');
        await assert.rejects(client.getExecution(documented, { signal }), isRejected);
        await assert.rejects(client.waitExecution(documented, { signal }), isRejected);
    }
    await assert.rejects(
        client.waitExecution(documented, { onProgress: {} }),
        (error) => failure(Code.INVALID_ARGUMENT)(error) && error.message.includes('onProgress'),
    );
    const isUnknown = (error) => failure(Code.INVALID_ARGUMENT)(error) && error.message.includes('unknown option timeout');
    await assert.rejects(client.getExecution(documented, { timeout: 1 }), isUnknown);
    await assert.rejects(client.waitExecution(documented, { timeout: 1 }), isUnknown);
});

test('a session token can be replaced', async () => {
    const { REFOLD_BASE_URL: baseUrl } = process.env;
    const client = new Client({ baseUrl, sessionToken: 'an.expired.token' });
    await assert.rejects(client.getExecution(documented), failure(Code.UNAUTHORIZED));
    assert.throws(() => client.setSessionToken(''), failure(Code.INVALID_ARGUMENT));
    client.setSessionToken('sandbox.session.token');
    assert.equal((await client.getExecution(documented)).id, documented);
    assert.throws(() => sandboxClient().setSessionToken('a'), failure(Code.INVALID_ARGUMENT));
});

test('a rejected session token keeps the old one', async (t) => {
    const { REFOLD_BASE_URL: baseUrl } = process.env;
    const client = new Client({ baseUrl, sessionToken: 'sandbox.session.token' });
    // The result in a process that was forked while another thread set a token.
    const failing = t.mock.method(native, 'setSessionToken', () => Code.INTERNAL);
    assert.throws(() => client.setSessionToken('another'), failure(Code.INTERNAL));
    assert.throws(() => client.setSessionToken('another'), /create a new client/);
    failing.mock.restore();
    assert.equal((await client.getExecution(documented)).id, documented);
});

test('options replace credentials of the environment', async (t) => {
    assert.ok(process.env.REFOLD_API_KEY);
    const byToken = sandboxClient({ sessionToken: 'sandbox.session.token' });
    assert.equal((await byToken.getExecution(documented)).id, documented);
    const { REFOLD_API_KEY: apiKey, REFOLD_LINKED_ACCOUNT_ID: linkedAccountId } = process.env;
    t.after(() => Object.assign(process.env, { REFOLD_API_KEY: apiKey, REFOLD_LINKED_ACCOUNT_ID: linkedAccountId }));
    t.after(() => delete process.env.REFOLD_SESSION_TOKEN);
    delete process.env.REFOLD_API_KEY;
    delete process.env.REFOLD_LINKED_ACCOUNT_ID;
    process.env.REFOLD_SESSION_TOKEN = 'an.expired.token';
    const byKey = sandboxClient({ apiKey, linkedAccountId });
    assert.equal((await byKey.getExecution(documented)).id, documented);
    const both = { apiKey, linkedAccountId, sessionToken: 'sandbox.session.token' };
    assert.throws(() => sandboxClient(both), failure(Code.INVALID_ARGUMENT));
});

test('a closed client rejects new calls and finishes pending ones', async () => {
    const client = sandboxClient();
    const calls = Array.from({ length: 12 }, () => client.getExecution('slow-20')); // more than run concurrently
    client.close();
    client.close();
    assert.equal((await Promise.all(calls)).length, 12);
    await assert.rejects(client.getExecution(documented), failure(Code.INVALID_ARGUMENT));
    assert.throws(() => client.setSessionToken('a'), failure(Code.INVALID_ARGUMENT));
});

test('a call does not block the event loop', async (t) => {
    const { options } = await startServer(t, '{"status":"COMPLETED"}');
    assert.equal((await sandboxClient(options).getExecution(documented)).state, 'COMPLETED');
});

test('an aborted signal sends nothing', async () => {
    const reason = new Error('before');
    const client = sandboxClient({ baseUrl: 'http://127.0.0.1:9' });
    const call = client.getExecution('a', { signal: AbortSignal.abort(reason) });
    await assert.rejects(call, (error) => error === reason);
});

test('a signal cancels a running call', async (t) => {
    const { options, request, disconnect } = await startServer(t);
    const controller = new AbortController();
    const call = sandboxClient(options).getExecution(documented, { signal: controller.signal });
    await request;
    controller.abort();
    await assert.rejects(call, { name: 'AbortError' });
    await disconnect;
});

test('a signal cancels queued calls', async (t) => {
    const warnings = [];
    const note = ({ name }) => warnings.push(name);
    process.on('warning', note);
    t.after(() => process.off('warning', note));
    const { options, request, connections } = await startServer(t);
    const controller = new AbortController();
    const maxConcurrent = 16;
    const client = sandboxClient({ ...options, maxConcurrent });
    const openFiles = () => readdirSync('/proc/self/fd').length;
    const before = openFiles();
    const calls = Array.from({ length: 5000 }, () => client.getExecution(documented, { signal: controller.signal }));
    await request;
    const taken = openFiles() - before;
    assert.ok(taken < 100, `${taken} descriptors`);
    const single = new AbortController();
    const call = client.getExecution(documented, { signal: single.signal });
    single.abort(new Error('single'));
    await assert.rejects(call, { message: 'single' });
    controller.abort(new Error('enough'));
    for (const { reason } of await Promise.allSettled(calls)) {
        assert.equal(reason.message, 'enough');
    }
    // No queued call has started.
    assert.equal((await sandboxClient().getExecution(documented)).id, documented);
    assert.ok(connections() <= maxConcurrent, `${connections()} connections`);
    assert.deepEqual(warnings, []);
});

test('calls work after an exit that was prevented', async () => {
    const { stdout } = await runProgram(`
        import { Client } from 'refold';
        process.once('exit', () => { throw new Error('not yet'); });
        try { process.exit(); } catch {}
        console.log((await Client.fromEnv().getExecution('${documented}')).id);
    `);
    assert.equal(stdout, `${documented}\n`);
});

test('a process exits during calls', async () => {
    // One call more than there are threads, and one that starts during exit.
    await runProgram(`
        import { createServer } from 'node:net';
        import { Client } from 'refold';

        const server = createServer((socket) => socket.once('data', () => process.exit()));
        server.listen(0, '127.0.0.1', () => {
            const baseUrl = 'http://127.0.0.1:' + server.address().port;
            const client = Client.fromEnv({ baseUrl, timeoutMs: 0 });
            const call = () => client.getExecution('${documented}');
            Array.from({ length: 5 }, call);
            process.on('exit', call);
        });
    `);
});

test('AbortSignal.timeout() ends calls and waits', async (t) => {
    const { options } = await startServer(t);
    const signal = AbortSignal.timeout(100);
    await assert.rejects(sandboxClient(options).getExecution(documented, { signal }), { name: 'TimeoutError' });
    const wait = sandboxClient().waitExecution('stuck', { signal: AbortSignal.timeout(100) });
    await assert.rejects(wait, { name: 'TimeoutError' });
});

test('onProgress receives every snapshot', async () => {
    const seen = [];
    const last = await sandboxClient().waitExecution(newRun(), { onProgress: (snapshot) => seen.push(snapshot) });
    assert.ok(seen.length >= 3);
    assert.equal(seen[0].state, 'RUNNING');
    assert.equal(last.state, 'COMPLETED');
    assert.equal(last, seen.at(-1));
    const percentages = seen.map((snapshot) => snapshot.completionPercentage);
    assert.deepEqual(percentages, [...percentages].sort((a, b) => a - b));
});

test('a wait works without onProgress', async () => {
    assert.equal((await sandboxClient().waitExecution('errored')).state, 'ERRORED');
    await assert.rejects(sandboxClient().waitExecution('no-such-id'), failure(Code.NOT_FOUND));
});

test('the timeout of a wait has the failure of its last poll as its cause', async () => {
    const client = sandboxClient({ pollIntervalMs: 3_600_000 }); // the timeout expires in the first pause
    await assert.rejects(client.waitExecution('error-503', { timeoutMs: 2000 }), (error) => {
        assert.ok(failure(Code.TIMEOUT)(error) && error.retryable);
        assert.ok(failure(Code.SERVICE_UNAVAILABLE)(error.cause));
        assert.equal(error.cause.cause, undefined);
        assert.equal(error.message, `the execution had not ended after 2000 ms: ${error.cause.message}`);
        return error.attempts === 1;
    });
    await assert.rejects(client.waitExecution('stuck', { timeoutMs: 200 }), (error) => {
        assert.match(error.message, /^the execution had not ended after 200 ms: its last status is RUNNING/);
        return failure(Code.TIMEOUT)(error) && !Object.hasOwn(error, 'cause');
    });
});

test('the timeout of a wait covers a call, and leaves signals and results alone', async (t) => {
    const { options } = await startServer(t);
    await assert.rejects(sandboxClient(options).waitExecution(documented, { timeoutMs: 100 }), failure(Code.TIMEOUT));
    const client = sandboxClient();
    const controller = new AbortController();
    const { signal } = controller;
    const last = await client.waitExecution('errored', { timeoutMs: 60_000, signal });
    assert.equal(last.isFailure, true);
    const wait = client.waitExecution('stuck', { timeoutMs: 60_000, signal, onProgress: () => controller.abort() });
    await assert.rejects(wait, { name: 'AbortError' });
    await assert.rejects(client.waitExecution('stuck', { timeoutMs: 60_000, signal }), { name: 'AbortError' });
    for (const timeoutMs of [-1, 0.5, 2 ** 53, '1', null]) {
        await assert.rejects(client.waitExecution('stuck', { timeoutMs }), failure(Code.INVALID_ARGUMENT));
    }
});

test('each failed poll doubles the pause', async (t) => {
    const times = [];
    const { url } = await startHttpServer(t, (request, response) => {
        times.push(performance.now());
        response.writeHead(503).end();
    });
    const wait = sandboxClient({ baseUrl: url, pollIntervalMs: 20 }).waitExecution(documented);
    await assert.rejects(wait, failure(Code.SERVICE_UNAVAILABLE));
    const pauses = times.slice(1).map((time, index) => time - times[index]);
    assert.equal(pauses.length, 5);
    // Timers may fire up to a millisecond early.
    [40, 80, 160, 200, 200].forEach((min, index) => assert.ok(pauses[index] >= min - 2, `${pauses}`));
});

test('an exception of onProgress ends the wait', async () => {
    for (const id of ['stuck', 'completed']) {
        for (const onProgress of [() => { throw new Error('enough'); }, () => Promise.reject(new Error('enough'))]) {
            await assert.rejects(sandboxClient().waitExecution(id, { onProgress }), { message: 'enough' });
        }
    }
});

test('a signal ends a wait during its pause', async () => {
    const controller = new AbortController();
    const wait = sandboxClient({ pollIntervalMs: 3_600_000 }).waitExecution('stuck', {
        signal: controller.signal,
        onProgress: () => void setImmediate(() => controller.abort()),
    });
    await assert.rejects(wait, { name: 'AbortError' });
});

test('a wait tolerates a limited number of failures', async () => {
    assert.equal((await sandboxClient().waitExecution(`flaky-${newRun()}`)).state, 'COMPLETED');
    await assert.rejects(sandboxClient().waitExecution('error-503'), failure(Code.SERVICE_UNAVAILABLE));
});

test('a wait respects a Retry-After beyond the timer limit', async () => {
    const signal = AbortSignal.timeout(300);
    const wait = sandboxClient().waitExecution('rate-limited-9999999', { signal });
    await assert.rejects(wait, { name: 'TimeoutError' });
});

test('waits occupy no threads between polls', async () => {
    const controller = new AbortController();
    const client = sandboxClient({ pollIntervalMs: 3_600_000 });
    let snapshots = 0;
    let resolveAll;
    const all = new Promise((resolve) => (resolveAll = resolve));
    const waits = Array.from({ length: 32 }, () =>
        client.waitExecution('stuck', {
            signal: controller.signal,
            onProgress: () => (snapshots += 1) === 32 && resolveAll(),
        }),
    );
    await all;
    assert.ok((await readFile(new URL(import.meta.url))).length > 0);
    assert.equal((await client.getExecution(documented)).id, documented);
    controller.abort();
    for (const { status } of await Promise.allSettled(waits)) {
        assert.equal(status, 'rejected');
    }
});

test('many calls share a client', async () => {
    const client = sandboxClient();
    const outcomes = await Promise.allSettled(
        Array.from({ length: 600 }, (_, index) => client.getExecution(index % 3 === 0 ? 'no-such-id' : 'completed')),
    );
    outcomes.forEach(({ value, reason }, index) => {
        if (index % 3 === 0) {
            assert.equal(reason.code, Code.NOT_FOUND);
        } else {
            assert.equal(value.nodes.length, 8);
        }
    });
});

test('a copy of the package loads no library from nearby', async (t) => {
    const around = await realpath(await mkdtemp(join(tmpdir(), 'refold-')));
    t.after(() => rm(around, { recursive: true }));
    const copied = join(around, 'examples/node');
    await cp(fileURLToPath(new URL('..', import.meta.url)), copied, { recursive: true });
    const planted = join(around, 'target/release/librefold.so');
    await mkdir(join(around, 'target/release'), { recursive: true });
    await writeFile(planted, 'no library');
    const importing = "delete process.env.REFOLD_LIBRARY; await import('refold');";
    const loaded = await runProgram(importing, copied).catch((error) => error);
    assert.ok(!loaded.stderr.includes(planted));
    await mkdir(join(around, 'include'));
    await writeFile(join(around, 'Cargo.toml'), '');
    await writeFile(join(around, 'include/refold.h'), '');
    await assert.rejects(runProgram(importing, copied), ({ stderr }) => stderr.includes(planted));
});

test('printable text is one harmless line', () => {
    const replaced = {
        '': '',
        'a\tb\r\nc': 'a b  c',
        '\u001b[2J\u0007\u0000\u007f': '?[2J???',
        '\u0080\u009f|\u061c|\u200e\u200f': '??|?|??',
        '\u2028\u202e|\u2066\u2069|\ud83d': '??|??|?',
    };
    for (const [text, line] of Object.entries(replaced)) {
        assert.equal(printable(text), line);
    }
    // The neighbors of what is replaced, and characters that only other rules would replace.
    const kept = '~ \u00a0\u061b\u061d\u200d\u2010\u2027\u202f\u2065\u206a\u3000\u00ad\ufffd\u{1f680}';
    assert.equal(printable(kept), kept);
});

test('an empty id differs from an absent one', () => {
    const nodes = '[{}, {"node_id": null}, {"node_id": "", "node_name": "b"}]';
    const execution = parseExecution(`{"status": "RUNNING", "nodes": ${nodes}}`);
    assert.equal(execution.node('').name, 'b');
    assert.equal(execution.node(null), undefined);
    assert.equal(execution.node(undefined), undefined);
});
