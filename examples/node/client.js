// The class Client, which index.d.ts documents.

const { native } = require('./native.js');
const { getExecution, waitExecution } = require('./calls.js');
const { Code, RefoldError, invalidArgument, makeError } = require('./error.js');
const { makeLog } = require('./log.js');

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

class Client {
    /** The client of C, and its log; undefined once it is closed. */
    #handle;

    /** createOptions is internal: it creates the options of C. */
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

    static fromEnv(options = {}) {
        return new Client(options, native.createOptionsFromEnv);
    }

    async getExecution(id, { signal, ...others } = {}) {
        rejectUnknown(others);
        checkSignal(signal);
        checkText('execution_id', id);
        return getExecution(this.#open(), id, signal);
    }

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

module.exports = { Client, setters }; // setters for the test of index.d.ts
