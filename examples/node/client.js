import { native } from './native.js';
import { getExecution, waitExecution } from './calls.js';
import { Code, RefoldError, invalidArgument, makeError } from './error.js';
import { makeLog } from './log.js';

const DEFAULT_MAX_CONCURRENT = 256;
/** The limit of the library for maxConcurrent. */
const MAX_CONCURRENT = 1024;

/** The setter of each option other than credentials, the log and maxConcurrent; see the constructor of Client. */
const setters = {
    baseUrl: text(native.setBaseUrl),
    timeoutMs: count(native.setTimeoutMs),
    connectTimeoutMs: count(native.setConnectTimeoutMs),
    maxRetries: count(native.setMaxRetries, 2 ** 32 - 1),
    maxResponseBytes: count(native.setMaxResponseBytes),
    pollIntervalMs: count(native.setPollIntervalMs),
    proxy: text(native.setProxy),
    caFile: text(native.setCaFile),
    caPem: text(native.setCaPem),
    userAgent: text(native.setUserAgent),
    allowPlaintext: (options, allow) => native.setAllowPlaintext(options, Boolean(allow)),
    headers: setHeaders,
};

/**
 * Validated settings and a pool of connections. A program should share one client between all its calls. A client is
 * closed by close(), or by the garbage collector once it is unreachable.
 */
export class Client {
    /** The client of C, and its log; undefined once it is closed. */
    #handle;

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
     * @param {number} [options.maxConcurrent] how many calls and polls are in flight at a time, 1 to 1024; others are
     *     queued; default: 256
     * @param {(level: 'warn' | 'info' | 'debug', message: string) => any} [options.onLog] receives what calls do, line
     *     by line: on the event loop, in order, and before the promise of the call is settled, unless a signal ends it.
     *     Lines contain no secret and are safe for a terminal. Calls that it makes with the same client are logged, too.
     *     The first exception or rejection of each client is emitted as a process warning, others are ignored
     * @param {'off' | 'warn' | 'info' | 'debug'} [options.logLevel] how much onLog receives: retries and failed polls
     *     (warn), the end of each call as well (info), or every phase of a call (debug); default: 'info'
     * @param {Function} [createOptions] internal: creates the C options; see fromEnv()
     * @throws {RefoldError} with Code.INVALID_ARGUMENT if a setting is invalid or unknown
     */
    constructor(options = {}, createOptions = native.createOptions) {
        const { onLog, logLevel, maxConcurrent = DEFAULT_MAX_CONCURRENT, ...others } = options;
        checkCount('maxConcurrent', maxConcurrent, MAX_CONCURRENT, 1);
        const { level, log } = makeLog(onLog, logLevel);
        const settings = createOptions();
        try {
            apply(settings, others);
            const { client, error } = native.createClient(settings, maxConcurrent, level, log?.number);
            if (error) {
                throw makeError(error);
            }
            this.#handle = { pointer: client, log };
        } finally {
            native.free(settings); // it has secrets
        }
    }

    /**
     * Creates a client with defaults from the environment: REFOLD_API_KEY and REFOLD_LINKED_ACCOUNT_ID, or
     * REFOLD_SESSION_TOKEN, REFOLD_BASE_URL, and REFOLD_LOG for a log on stderr. Credentials in the options replace those
     * of the environment; onLog, or a logLevel of 'off', replaces REFOLD_LOG.
     *
     * @param {object} [options] as for the constructor
     * @returns {Client}
     * @throws {RefoldError} as the constructor
     */
    static fromEnv(options = {}) {
        return new Client(options, native.createOptionsFromEnv);
    }

    /**
     * Fetches one execution. A run that failed on the server is a result, not an error: check its state.
     *
     * Any number of calls may be pending. The library makes up to maxConcurrent of them at a time, on threads of its own:
     * none runs on libuv's pool. Others are queued. timeoutMs starts when the call leaves the queue; the signal covers
     * the time in the queue, too. Pending calls keep the process or Worker alive; process.exit() and terminate() cancel
     * them.
     *
     * @param {string} id 1 to 256 characters of A-Z a-z 0-9 - _ . ~ :, but neither '.' nor '..'
     * @param {object} [options]
     * @param {AbortSignal} [options.signal] ends the call immediately
     * @returns {Promise<Execution>} rejects with a RefoldError, or with the reason of the signal
     */
    async getExecution(id, { signal, ...others } = {}) {
        rejectUnknown(others);
        checkSignal(signal);
        checkText('execution_id', id);
        return getExecution(this.#open(), id, signal);
    }

    /**
     * Polls an execution until its state is final, and resolves to the last snapshot. Without a signal or timeoutMs, it
     * may never end.
     *
     * Each poll is one call with its own timeout and retries. The pause grows by half while nothing changes, and doubles
     * with each consecutive failed poll, up to ten times the poll interval. After a failed poll, it is never shorter than
     * its Retry-After. Up to five consecutive polls may fail with a retryable error.
     *
     * Pauses occupy neither a thread nor a connection.
     *
     * @param {string} id as for getExecution()
     * @param {object} [options]
     * @param {AbortSignal} [options.signal] ends the wait immediately
     * @param {number} [options.timeoutMs] limit for the whole wait; once it expires, the promise rejects with Code.TIMEOUT
     *     and, as `cause`, the failure of the last poll that was completed, if it failed; default: 0, no limit
     * @param {(execution: Execution) => any} [options.onProgress] called with each snapshot, the last one included, and
     *     awaited; while it runs, a new snapshot replaces the previous one; an exception or rejection ends the wait and
     *     propagates
     * @returns {Promise<Execution>} the last snapshot passed to onProgress; rejects as getExecution() does
     */
    async waitExecution(id, { signal, timeoutMs = 0, onProgress, ...others } = {}) {
        rejectUnknown(others);
        checkSignal(signal);
        checkText('execution_id', id);
        checkCount('timeoutMs', timeoutMs);
        if (onProgress && typeof onProgress !== 'function') {
            throw invalidArgument('onProgress must be a function');
        }
        return waitExecution(this.#open(), id, timeoutMs, signal, onProgress);
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
        const code = native.setSessionToken(this.#open().pointer, token);
        if (code === Code.INVALID_ARGUMENT) {
            throw invalidArgument('the session token is invalid, or the client authenticates with an API key');
        }
        if (code !== 0) {
            throw new RefoldError(code, 'the session token could not be set; create a new client');
        }
    }

    /** Closes the connections and wipes the secrets once pending calls have settled. Later calls are rejected. */
    close() {
        if (this.#handle) {
            native.closeClient(this.#handle.pointer);
            this.#handle = undefined;
        }
    }

    #open() {
        if (!this.#handle) {
            throw invalidArgument('the client is closed');
        }
        return this.#handle;
    }
}

/** Applies all options other than the log and maxConcurrent. */
function apply(settings, options) {
    const { apiKey = null, linkedAccountId = null, sessionToken = null, ...others } = options;
    const credentials = Object.entries({ apiKey, linkedAccountId, sessionToken }).filter(([, value]) => value !== null);
    if (credentials.length > 0) {
        credentials.forEach(([name, value]) => checkText(name, value));
        // null clears the credentials of the environment.
        native.setApiKey(settings, apiKey, linkedAccountId);
        native.setOptionsSessionToken(settings, sessionToken);
    }
    for (const [name, value] of Object.entries(others)) {
        if (!Object.hasOwn(setters, name)) {
            throw invalidArgument(`unknown option ${name}`);
        }
        if (value !== undefined) {
            setters[name](settings, value, name);
        }
    }
}

function setHeaders(settings, headers) {
    if (typeof headers !== 'object' || headers === null) {
        throw invalidArgument('headers must be an object, a Headers or a Map');
    }
    for (const [name, value] of Symbol.iterator in headers ? headers : Object.entries(headers)) {
        checkText('the name of a header', name);
        checkText(`header ${name}`, value);
        native.setHeader(settings, name, value);
    }
}

function text(set) {
    return (settings, value, name) => {
        checkText(name, value);
        set(settings, value);
    };
}

function count(set, max) {
    return (settings, value, name) => {
        checkCount(name, value, max);
        set(settings, value);
    };
}

function checkCount(name, value, max = Number.MAX_SAFE_INTEGER, min = 0) {
    if (!Number.isSafeInteger(value) || value < min || value > max) {
        throw invalidArgument(`${name} must be an integer from ${min} to ${max}`);
    }
}

/** Throws if a call has an option that does not exist, such as a misspelt one. */
function rejectUnknown(options) {
    for (const name of Object.keys(options)) {
        throw invalidArgument(`unknown option ${name}`);
    }
}

/** Throws the reason of a signal that has aborted. Signals of other realms and of polyfills are accepted. */
function checkSignal(signal) {
    if (signal && typeof signal.throwIfAborted !== 'function') {
        throw invalidArgument('signal must be an AbortSignal, such as the signal of an AbortController');
    }
    signal?.throwIfAborted();
}

/** C strings end at the first NUL. */
function checkText(name, value) {
    if (typeof value !== 'string' || value.includes('\0')) {
        throw invalidArgument(`${name} must be a string without NUL characters`);
    }
}
