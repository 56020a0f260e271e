import { setMaxListeners } from 'node:events';
import { setTimeout as sleep } from 'node:timers/promises';
import * as native from './native.js';
import { getExecution } from './calls.js';
import { Code, RefoldError, invalidArgument, takeError } from './error.js';
import { setLog } from './log.js';
import { noTimings } from './timings.js';

const DEFAULT_POLL_INTERVAL_MS = 1000;
/** The pause between two polls grows up to this multiple of the poll interval. */
const MAX_PAUSE_FACTOR = 10;
/** The maximum delay of a timer, in milliseconds. */
const MAX_TIMER_MS = 2 ** 31 - 1;
/** Tolerated number of consecutive polls that fail with a retryable error. */
const MAX_FAILED_POLLS = 5;
/** The maximum length of a failed poll's message in the error and the log of a wait. */
const MAX_QUOTED_FAILURE = 1000;

/** The setter of each option other than credentials and the log; see the constructor of Client. */
const setters = {
    baseUrl: text(native.options.setBaseUrl),
    timeoutMs: count(native.options.setTimeoutMs),
    connectTimeoutMs: count(native.options.setConnectTimeoutMs),
    maxRetries: count(native.options.setMaxRetries, 2 ** 32 - 1),
    maxResponseBytes: count(native.options.setMaxResponseBytes),
    pollIntervalMs: count(native.options.setPollIntervalMs),
    proxy: text(native.options.setProxy),
    caFile: text(native.options.setCaFile),
    caPem: text((options, pem) => native.options.setCaPem(options, pem, Buffer.byteLength(pem))),
    userAgent: text(native.options.setUserAgent),
    allowPlaintext: (options, allow) => native.options.setAllowPlaintext(options, Boolean(allow)),
    headers: setHeaders,
};

/** Frees clients that were collected without being closed. */
const registry = new FinalizationRegistry((pointer) => native.client.free(pointer));

/**
 * Validated settings and a pool of connections. A program should share one client between all its calls. A client is
 * closed by close(), or by the garbage collector once it is unreachable.
 */
export class Client {
    #pointer;
    #calls = 0;
    #closed = false;
    #pollIntervalMs;
    #log;

    /**
     * Validates the settings and creates a client. Nothing is sent. One way to authenticate is required; everything
     * else is optional.
     *
     * @param {object} options
     * @param {string} [options.apiKey] an API key of the organisation; requires linkedAccountId
     * @param {string} [options.linkedAccountId] the account to act for
     * @param {string} [options.sessionToken] a session token, which identifies the account itself
     * @param {string} [options.baseUrl] the URL of the API; default: 'https://app.refold.ai'
     * @param {number} [options.timeoutMs] limit for each call once it has started, retries included; default: 30000;
     *     0 for no limit
     * @param {number} [options.connectTimeoutMs] limit for name resolution, connecting, proxy and TLS handshake of each
     *     attempt; default: 10000; 0 for no limit other than timeoutMs
     * @param {number} [options.maxRetries] how often a call is retried after a transient failure; default: 2
     * @param {number} [options.maxResponseBytes] limit for the decompressed size of a response; default: 268435456;
     *     0 for no limit
     * @param {number} [options.pollIntervalMs] initial pause between two polls of a wait, at least 10; default: 1000
     * @param {string} [options.proxy] http://host:port, socks5://host:port or socks5h://host:port; '' for no proxy;
     *     default: HTTPS_PROXY, ALL_PROXY and NO_PROXY of the environment
     * @param {string} [options.caFile] a file of PEM certificates to trust in addition to the default roots
     * @param {string} [options.caPem] the same as text
     * @param {string} [options.userAgent] a product, such as 'monitor/2.1', that precedes the library's own in the
     *     User-Agent header
     * @param {boolean} [options.allowPlaintext] accepts an http URL for any host, not only for loopback hosts
     * @param {Record<string, string> | Iterable<[string, string]>} [options.headers] further request headers, as an
     *     object, a Headers or a Map; values are secrets
     * @param {(level: 'warn' | 'info' | 'debug', message: string) => any} [options.onLog] receives what calls do, line
     *     by line: on the event loop, in order, and before the promise of the call is settled, unless a signal ends it.
     *     Lines contain no secret and are safe for a terminal. Calls that it makes with the same client are logged, too.
     *     The first exception or rejection of each client is emitted as a process warning, others are ignored. A Worker
     *     makes the calls of a client with onLog; it keeps the process alive only while they run
     * @param {'off' | 'warn' | 'info' | 'debug'} [options.logLevel] how much onLog receives: retries and failed polls
     *     (warn), the end of each call as well (info), or every phase of a call (debug); default: 'info'
     * @param {Function} [createOptions] internal: creates the C options; see fromEnv()
     * @throws {RefoldError} with Code.INVALID_ARGUMENT if a setting is invalid or unknown
     */
    constructor(options = {}, createOptions = native.options.create) {
        const settings = createOptions();
        try {
            this.#log = apply(settings, options);
            const error = [null];
            this.#pointer = native.client.create(settings, error);
            if (this.#pointer === null) {
                throw takeError(error[0]);
            }
        } finally {
            native.options.free(settings);
        }
        this.#pollIntervalMs = options.pollIntervalMs ?? DEFAULT_POLL_INTERVAL_MS;
        registry.register(this, this.#pointer, this);
    }

    /**
     * Creates a client with defaults from the environment: REFOLD_API_KEY and REFOLD_LINKED_ACCOUNT_ID, or
     * REFOLD_SESSION_TOKEN, REFOLD_BASE_URL, and REFOLD_LOG for a log on stderr, which has no lines about failed polls.
     * Credentials in the options replace those of the environment; onLog, or a logLevel of 'off', replaces REFOLD_LOG.
     *
     * @param {object} [options] as for the constructor
     * @returns {Client}
     * @throws {RefoldError} as the constructor
     */
    static fromEnv(options = {}) {
        return new Client(options, native.options.createFromEnv);
    }

    /**
     * Fetches one execution. A run that failed on the server is a result, not an error: check its state.
     *
     * The call runs on a thread of libuv's pool and does not block the event loop. As many calls run concurrently as
     * the pool has threads (UV_THREADPOOL_SIZE, by default 4); others are queued. timeoutMs starts when the call leaves
     * the queue; the signal covers the time in the queue, too.
     *
     * process.exit() cancels all calls of the main thread. Node waits for calls of a Worker, however, and so does
     * terminate(), for up to timeoutMs: abort them first.
     *
     * @param {string} id 1 to 256 characters of A-Z a-z 0-9 - _ . ~ :, but neither '.' nor '..'
     * @param {object} [options]
     * @param {AbortSignal} [options.signal] ends the call immediately
     * @returns {Promise<Execution>} rejects with a RefoldError, or with the reason of the signal
     */
    async getExecution(id, { signal } = {}) {
        signal?.throwIfAborted();
        checkText('execution_id', id);
        return getExecution(this.#acquire(), id, this.#log, signal, () => this.#release());
    }

    /**
     * Polls an execution until its state is final, and resolves to the last snapshot. Without a signal or timeoutMs, it
     * may never end.
     *
     * Each poll is one call with its own timeout and retries. The pause grows by half while nothing changes, and doubles
     * with each consecutive failed poll, up to ten times the poll interval. After a failed poll, it is never shorter than
     * its Retry-After. Up to five consecutive polls may fail with a retryable error.
     *
     * Pauses occupy no thread. That is why this method does not call refold_wait_execution(): a few waits would block
     * the pool for file I/O and name lookups of the whole program.
     *
     * @param {string} id as for getExecution()
     * @param {object} [options]
     * @param {AbortSignal} [options.signal] ends the wait immediately
     * @param {number} [options.timeoutMs] limit for the whole wait, at most 2147483647; once it expires, the promise
     *     rejects with Code.TIMEOUT and, as `cause`, the failure of the last poll that was completed, if it failed;
     *     default: 0, no limit
     * @param {(execution: Execution) => any} [options.onProgress] called with each snapshot, the last one included, and
     *     awaited; an exception or rejection ends the wait and propagates
     * @returns {Promise<Execution>} the last snapshot passed to onProgress; rejects as getExecution() does
     */
    async waitExecution(id, { signal, timeoutMs = 0, onProgress } = {}) {
        checkCount('timeoutMs', timeoutMs, MAX_TIMER_MS);
        const schedule = new PollSchedule(this.#pollIntervalMs);
        const limited = withTimeout(signal, timeoutMs);
        const begin = performance.now();
        const elapsed = () => performance.now() - begin;
        let failure;
        try {
            for (;;) {
                const { execution, error } = await this.#poll(id, limited.signal);
                failure = error;
                if (execution) {
                    await onProgress?.(execution);
                    if (execution.isFinal) {
                        return execution;
                    }
                }
                const length = execution ? schedule.afterSnapshot(execution) : schedule.afterFailure(error);
                if (error) {
                    const isInTime = !timeoutMs || elapsed() + length < timeoutMs;
                    const next = isInTime ? `polling again in ${Math.floor(length)} ms` : 'no time for another';
                    const reason = `${error.kind} (${error.code}), ${quote(error)}`;
                    this.#log?.warn(`wait for ${id} +${elapsed().toFixed(3)} ms: poll failed, ${next}: ${reason}`);
                }
                await pause(length, limited.signal);
            }
        } catch (error) {
            throw error === expired ? waitTimeout(timeoutMs, elapsed(), failure) : error;
        } finally {
            limited.release();
        }
    }

    /**
     * Replaces the session token for calls, and polls of a wait, that start later.
     *
     * @param {string} token
     * @throws {RefoldError} with Code.INVALID_ARGUMENT if the token is invalid, or if the client authenticates with an
     *     API key or is closed; the client then keeps its token
     */
    setSessionToken(token) {
        checkText('session_token', token);
        const code = native.client.setSessionToken(this.#acquire(), token);
        this.#release();
        if (code === Code.INVALID_ARGUMENT) {
            throw invalidArgument('the session token is invalid, or the client authenticates with an API key');
        }
        if (code !== 0) {
            throw new RefoldError(code, 'the session token could not be set; create a new client');
        }
    }

    /** Closes the connections and wipes the secrets once pending calls have settled. Later calls are rejected. */
    close() {
        if (!this.#closed) {
            this.#closed = true;
            registry.unregister(this);
            this.#freeUnused();
        }
    }

    async #poll(id, signal) {
        try {
            return { execution: await this.getExecution(id, { signal }) };
        } catch (error) {
            if (error instanceof RefoldError && error.retryable) {
                return { error };
            }
            throw error;
        }
    }

    /** Returns the pointer and keeps it alive until #release(): C does not know of queued calls. */
    #acquire() {
        if (this.#closed) {
            throw invalidArgument('the client is closed');
        }
        this.#calls += 1;
        return this.#pointer;
    }

    #release() {
        this.#calls -= 1;
        this.#freeUnused();
    }

    #freeUnused() {
        if (this.#closed && this.#calls === 0) {
            native.client.free(this.#pointer);
        }
    }
}

/** Computes the pauses between polls. */
class PollSchedule {
    #interval;
    #pause;
    #failures = 0;
    #previousText;

    constructor(interval) {
        this.#interval = interval;
        this.#pause = interval;
    }

    /** Returns the poll interval after a change. Grows the pause by half after each unchanged snapshot. */
    afterSnapshot({ text }) {
        const isUnchanged = text === this.#previousText;
        this.#previousText = text;
        this.#failures = 0;
        this.#pause = isUnchanged ? this.#limit(this.#pause * 1.5) : this.#interval;
        return this.#pause;
    }

    /** Doubles the pause with each consecutive failed poll. Throws the error after too many of them. */
    afterFailure(error) {
        this.#failures += 1;
        if (this.#failures > MAX_FAILED_POLLS) {
            throw error;
        }
        return Math.max(this.#limit(this.#pause * 2 ** this.#failures), error.retryAfterMs ?? 0);
    }

    #limit(pause) {
        return Math.min(pause, this.#interval * MAX_PAUSE_FACTOR);
    }
}

async function pause(milliseconds, signal) {
    try {
        await sleep(Math.min(milliseconds, MAX_TIMER_MS), undefined, { signal });
    } catch (error) {
        throw signal.aborted ? signal.reason : error;
    }
}

/** The reason of a signal that aborts because the timeout of a wait has expired. */
const expired = Symbol('expired');

/** Returns a signal that aborts as the given one does, or after the timeout. It must be released. */
function withTimeout(signal, timeoutMs) {
    if (timeoutMs === 0) {
        return { signal, release() {} };
    }
    const controller = new AbortController();
    const timer = setTimeout(() => controller.abort(expired), timeoutMs);
    const forward = () => controller.abort(signal.reason);
    if (signal instanceof EventTarget) {
        setMaxListeners(0, signal); // Node warns about more than ten listeners
    }
    signal?.addEventListener('abort', forward);
    if (signal?.aborted) {
        forward();
    }
    return {
        signal: controller.signal,
        release() {
            clearTimeout(timer);
            signal?.removeEventListener('abort', forward);
        },
    };
}

/** Returns the beginning of a failure's message. */
function quote({ message }) {
    return message.slice(0, MAX_QUOTED_FAILURE);
}

function waitTimeout(timeoutMs, totalMs, cause) {
    const reason = cause ? `: ${quote(cause)}` : '';
    return new RefoldError(
        Code.TIMEOUT,
        `the execution had not ended after ${timeoutMs} ms${reason}`,
        {
            retryable: true,
            attempts: cause?.attempts ?? 0,
            timings: { ...(cause?.timings ?? noTimings), totalMs },
        },
        cause && { cause },
    );
}

/** Applies the options, and returns the log, if the client is to have one. */
function apply(settings, options) {
    const { apiKey = null, linkedAccountId = null, sessionToken = null, onLog, logLevel, ...others } = options;
    const credentials = Object.entries({ apiKey, linkedAccountId, sessionToken }).filter(([, value]) => value !== null);
    if (credentials.length > 0) {
        credentials.forEach(([name, value]) => checkText(name, value));
        // null clears the credentials of the environment.
        native.options.setApiKey(settings, apiKey, linkedAccountId);
        native.options.setSessionToken(settings, sessionToken);
    }
    for (const [name, value] of Object.entries(others)) {
        if (!Object.hasOwn(setters, name)) {
            throw invalidArgument(`unknown option ${name}`);
        }
        if (value !== undefined) {
            setters[name](settings, value, name);
        }
    }
    return setLog(settings, onLog, logLevel);
}

function setHeaders(settings, headers) {
    if (typeof headers !== 'object' || headers === null) {
        throw invalidArgument('headers must be an object, a Headers or a Map');
    }
    for (const [name, value] of Symbol.iterator in headers ? headers : Object.entries(headers)) {
        checkText('the name of a header', name);
        checkText(`header ${name}`, value);
        native.options.setHeader(settings, name, value);
    }
}

function text(set) {
    return (settings, value, name) => {
        checkText(name, value);
        set(settings, value);
    };
}

function count(set, max = Number.MAX_SAFE_INTEGER) {
    return (settings, value, name) => {
        checkCount(name, value, max);
        set(settings, value);
    };
}

function checkCount(name, value, max) {
    if (!Number.isSafeInteger(value) || value < 0 || value > max) {
        throw invalidArgument(`${name} must be an integer from 0 to ${max}`);
    }
}

/** C strings end at the first NUL. */
function checkText(name, value) {
    if (typeof value !== 'string' || value.includes('\0')) {
        throw invalidArgument(`${name} must be a string without NUL characters`);
    }
}
