import { setTimeout as sleep } from 'node:timers/promises';
import * as native from './native.js';
import { getExecution } from './calls.js';
import { Code, RefoldError, invalidArgument, takeError } from './error.js';

const DEFAULT_POLL_INTERVAL_MS = 1000;
/** The pause between two polls grows to this many times the interval. */
const LONGEST_PAUSE = 10;
/** The longest pause that a timer can make, in milliseconds. */
const LONGEST_TIMER = 2 ** 31 - 1;
/** So many polls in a row may fail in a way that can pass by itself. */
const FAILED_POLLS = 5;

/** What sets each option; see the constructor of Client. */
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
};

const forgotten = new FinalizationRegistry((pointer) => native.client.free(pointer));

/**
 * What calls go through: settings that were checked, and a pool of connections that its calls share. One for a whole
 * program is best. A client that nobody uses any more is closed when the garbage collector finds it.
 */
export class Client {
    #pointer;
    #calls = 0;
    #closed = false;
    #pollIntervalMs;

    /**
     * Checks the settings and makes a client from them; nothing is sent. All are optional, but one way to
     * authenticate is needed.
     *
     * @param {object} options
     * @param {string} [options.apiKey] an API key of the organisation, with
     * @param {string} [options.linkedAccountId] the account to act for
     * @param {string} [options.sessionToken] or a session token, which names the account itself
     * @param {string} [options.baseUrl] where the API is: 'https://app.refold.ai'
     * @param {number} [options.timeoutMs] bounds one call that has begun, retries included: 30000; 0: none
     * @param {number} [options.connectTimeoutMs] bounds each try to connect: 10000; 0: none
     * @param {number} [options.maxRetries] after failures that can pass by themselves: 2
     * @param {number} [options.maxResponseBytes] how large an answer may be: 268435456; 0: no limit
     * @param {number} [options.pollIntervalMs] the pause between two polls of a wait: 1000
     * @param {string} [options.proxy] http://, socks5:// or socks5h://; '': none; else what the environment says
     * @param {string} [options.caFile] certificates (PEM) to trust in addition to the system's
     * @param {string} [options.caPem] the same, but the text itself
     * @param {string} [options.userAgent] what the program calls itself, such as 'monitor/2.1'
     * @param {boolean} [options.allowPlaintext] accept http for hosts other than loopback ones
     */
    constructor(options = {}, createOptions = native.options.create) {
        const settings = createOptions();
        try {
            apply(settings, options);
            const error = [null];
            this.#pointer = native.client.create(settings, error);
            if (this.#pointer === null) {
                throw takeError(error[0]);
            }
        } finally {
            native.options.free(settings);
        }
        this.#pollIntervalMs = options.pollIntervalMs ?? DEFAULT_POLL_INTERVAL_MS;
        forgotten.register(this, this.#pointer, this);
    }

    /**
     * A client with what the environment says for a start: REFOLD_API_KEY and REFOLD_LINKED_ACCOUNT_ID, or
     * REFOLD_SESSION_TOKEN, and REFOLD_BASE_URL. The options are those of the constructor; where they name one way to
     * authenticate, neither is taken from the environment.
     */
    static fromEnv(options = {}) {
        return new Client(options, native.options.createFromEnv);
    }

    /**
     * Gets one execution. A run that ended badly is an execution, not an error: see its state.
     *
     * The call waits on a thread of libuv's pool, never on the event loop. As many calls run at a time as the pool has
     * threads (four, or UV_THREADPOOL_SIZE); any number more wait for their turn. That time is no part of timeoutMs,
     * which counts from when the call begins: the signal alone bounds both.
     *
     * process.exit() ends all calls at once. It cannot reach those that a Worker has made: Node waits for them, and so
     * does terminate() of the Worker, for up to timeoutMs; abort them before.
     *
     * @param {string} id
     * @param {{signal?: AbortSignal}} [options] a signal that ends the call at once, with its reason
     * @returns {Promise<Execution>} rejected with a RefoldError, or the signal's reason
     */
    async getExecution(id, { signal } = {}) {
        signal?.throwIfAborted();
        checkText('execution_id', id);
        return getExecution(this.#begin(), id, signal, () => this.#end());
    }

    /**
     * Polls an execution until it has ended, and returns its last snapshot. Only the signal bounds the wait: without
     * one, such as AbortSignal.timeout(60_000), it may never end.
     *
     * The pauses between the polls hold no thread, which is why this is not refold_wait_execution: a few waits would
     * take the whole pool, and with it files and name lookups from the rest of the program. The pause grows while
     * nothing changes, and after a failed poll is never shorter than what the server asks for; up to five polls in a
     * row may fail in a way that can pass by itself.
     *
     * @param {string} id
     * @param {object} [options]
     * @param {AbortSignal} [options.signal] ends the wait at once, with its reason
     * @param {(execution: Execution) => any} [options.onProgress] is shown each snapshot, the last one included, and
     *     awaited; what it throws ends the wait
     * @returns {Promise<Execution>} what onProgress saw last; rejected as getExecution
     */
    async waitExecution(id, { signal, onProgress } = {}) {
        const rhythm = new Rhythm(this.#pollIntervalMs);
        for (;;) {
            const { execution, error } = await this.#poll(id, signal);
            if (execution) {
                await onProgress?.(execution);
                if (execution.isFinal) {
                    return execution;
                }
            }
            await pause(execution ? rhythm.afterSnapshot(execution) : rhythm.afterFailure(error), signal);
        }
    }

    /** Gives the client a new session token, for calls, and polls of a wait, that begin later. */
    setSessionToken(token) {
        checkText('session_token', token);
        const code = native.client.setSessionToken(this.#begin(), token);
        this.#end();
        if (code === Code.INVALID_ARGUMENT) {
            throw invalidArgument('the session token cannot be sent, or the client has an API key');
        }
        if (code !== 0) {
            throw new RefoldError(code, 'the session token could not be set: make a new client');
        }
    }

    /** Closes the idle connections of the client and wipes its secrets. Calls that have begun run to their end. */
    close() {
        if (!this.#closed) {
            this.#closed = true;
            forgotten.unregister(this);
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

    /** The pointer, which is freed only when no call uses it, for one that waits for its turn has not begun for C. */
    #begin() {
        if (this.#closed) {
            throw invalidArgument('the client is closed');
        }
        this.#calls += 1;
        return this.#pointer;
    }

    #end() {
        this.#calls -= 1;
        this.#freeUnused();
    }

    #freeUnused() {
        if (this.#closed && this.#calls === 0) {
            native.client.free(this.#pointer);
        }
    }
}

/** The pauses between polls. */
class Rhythm {
    #interval;
    #pause;
    #failures = 0;
    #before;

    constructor(interval) {
        this.#interval = interval;
        this.#pause = interval;
    }

    /** The interval after news, half as long again after each snapshot that brought none. */
    afterSnapshot({ text }) {
        const isSame = text === this.#before;
        this.#before = text;
        this.#failures = 0;
        this.#pause = isSame ? Math.min(this.#pause * 1.5, this.#interval * LONGEST_PAUSE) : this.#interval;
        return this.#pause;
    }

    afterFailure(error) {
        this.#failures += 1;
        if (this.#failures > FAILED_POLLS) {
            throw error;
        }
        return Math.max(this.#pause, error.retryAfterMs ?? 0);
    }
}

async function pause(milliseconds, signal) {
    try {
        await sleep(Math.min(milliseconds, LONGEST_TIMER), undefined, { signal });
    } catch (error) {
        throw signal.aborted ? signal.reason : error;
    }
}

function apply(settings, options) {
    const { apiKey = null, linkedAccountId = null, sessionToken = null, ...others } = options;
    const credentials = Object.entries({ apiKey, linkedAccountId, sessionToken }).filter(([, value]) => value !== null);
    if (credentials.length > 0) {
        credentials.forEach(([name, value]) => checkText(name, value));
        // null takes back what the environment says.
        native.options.setApiKey(settings, apiKey, linkedAccountId);
        native.options.setSessionToken(settings, sessionToken);
    }
    for (const [name, value] of Object.entries(others)) {
        if (!Object.hasOwn(setters, name)) {
            throw invalidArgument(`there is no option ${name}`);
        }
        if (value !== undefined) {
            setters[name](settings, value, name);
        }
    }
}

function text(set) {
    return (settings, value, name) => {
        checkText(name, value);
        set(settings, value);
    };
}

function count(set, largest = Number.MAX_SAFE_INTEGER) {
    return (settings, value, name) => {
        if (!Number.isSafeInteger(value) || value < 0 || value > largest) {
            throw invalidArgument(`${name} is not a whole number from 0 to ${largest}`);
        }
        set(settings, value);
    };
}

/** A string that holds a NUL would end there for C. */
function checkText(name, value) {
    if (typeof value !== 'string' || value.includes('\0')) {
        throw invalidArgument(`${name} is not a string, or holds a NUL`);
    }
}
