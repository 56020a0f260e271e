// Loads librefold through koffi and declares the functions that this package calls. Pointers are numbers or null.

import { existsSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import koffi from 'koffi';

/** The maximum size of libuv's thread pool. */
const MAX_POOL_THREADS = 1024;

// koffi provides the stack of an asynchronous call; the library needs up to 128 KiB of it.
const callConfig = { async_stack_size: 512 * 1024, max_async_calls: MAX_POOL_THREADS };
if (koffi.config().async_stack_size < callConfig.async_stack_size) {
    koffi.config(callConfig);
}
const maxCalls = Math.min(koffi.config().max_async_calls, MAX_POOL_THREADS);

/** Returns how many calls can run concurrently: the size of libuv's pool, computed as libuv does. */
export function threads() {
    const { UV_THREADPOOL_SIZE: size = 4 } = process.env;
    return Math.min(Math.max(Number.parseInt(size, 10) || 1, 1), maxCalls);
}

const names = {
    darwin: ['librefold.0.dylib', 'librefold.dylib'],
    win32: ['refold.dll'],
}[process.platform] ?? ['librefold.so.0', 'librefold.so'];
const library = load(process.env.REFOLD_LIBRARY || findLibrary());

const object = 'void *';
const sizeOut = koffi.out(koffi.pointer('size_t'));
const errorOut = koffi.out(koffi.pointer('void *'));
const declare = (result, name, ...parameters) => library.func(`refold_${name}`, result, parameters);

export const version = declare('str', 'version');
export const codeName = declare('str', 'code_name', 'int32_t');

export const options = {
    create: declare(object, 'options_new'),
    createFromEnv: declare(object, 'options_new_from_env'),
    free: declare('void', 'options_free', object),
    setApiKey: declare('void', 'options_set_api_key', object, 'str', 'str'),
    setSessionToken: declare('void', 'options_set_session_token', object, 'str'),
    setBaseUrl: declare('void', 'options_set_base_url', object, 'str'),
    setTimeoutMs: declare('void', 'options_set_timeout_ms', object, 'uint64_t'),
    setConnectTimeoutMs: declare('void', 'options_set_connect_timeout_ms', object, 'uint64_t'),
    setMaxRetries: declare('void', 'options_set_max_retries', object, 'uint32_t'),
    setMaxResponseBytes: declare('void', 'options_set_max_response_bytes', object, 'uint64_t'),
    setPollIntervalMs: declare('void', 'options_set_poll_interval_ms', object, 'uint64_t'),
    setProxy: declare('void', 'options_set_proxy', object, 'str'),
    setCaFile: declare('void', 'options_set_ca_file', object, 'str'),
    setCaPem: declare('void', 'options_set_ca_pem', object, 'str', 'size_t'),
    setUserAgent: declare('void', 'options_set_user_agent', object, 'str'),
    setAllowPlaintext: declare('void', 'options_set_allow_plaintext', object, 'bool'),
    setHeader: declare('void', 'options_set_header', object, 'str', 'str'),
    // The last parameter is a number that the log function receives, not a pointer.
    setLog: declare('void', 'options_set_log', object, 'int32_t', object, 'uintptr_t'),
};

export const client = {
    create: declare(object, 'client_new', object, errorOut),
    free: declare('void', 'client_free', object),
    setSessionToken: declare('int32_t', 'client_set_session_token', object, 'str'),
};

export const cancel = {
    create: declare(object, 'cancel_new'),
    trigger: declare('void', 'cancel_trigger', object),
    free: declare('void', 'cancel_free', object),
};

export const execution = {
    get: declare(object, 'get_execution', object, 'str', object, errorOut),
    timingUs: declare('int64_t', 'execution_timing_us', object, 'int32_t'),
    attempts: declare('uint32_t', 'execution_attempts', object),
    requestId: declare('str', 'execution_request_id', object),
    parse: declare(object, 'parse_execution', object, 'size_t', errorOut),
    free: declare('void', 'execution_free', object),
    id: declare('str', 'execution_id', object),
    name: declare('str', 'execution_name', object),
    orgId: declare('str', 'execution_org_id', object),
    environment: declare('str', 'execution_environment', object),
    status: declare('str', 'execution_status', object),
    state: declare('int32_t', 'execution_state', object),
    completionPercentage: declare('double', 'execution_completion_percentage', object),
    configId: declare('str', 'execution_config_id', object),
    linkedAccountId: declare('str', 'execution_linked_account_id', object),
    createdAt: declare('str', 'execution_created_at', object),
    updatedAt: declare('str', 'execution_updated_at', object),
    nodeCount: declare('size_t', 'execution_node_count', object),
    node: declare(object, 'execution_node', object, 'size_t'),
    json: declare(object, 'execution_json', object),
};

export const node = {
    id: declare('str', 'node_id', object),
    name: declare('str', 'node_name', object),
    type: declare('str', 'node_type', object),
    status: declare('str', 'node_status', object),
    state: declare('int32_t', 'node_state', object),
    isBatch: declare('bool', 'node_is_batch', object),
    attemptsMade: declare('int64_t', 'node_attempts_made', object),
    maximumAttempts: declare('int64_t', 'node_maximum_attempts', object),
    executionTimeMs: declare('int64_t', 'node_execution_time_ms', object),
};

export const state = {
    name: declare('str', 'state_name', 'int32_t'),
    isFinal: declare('bool', 'state_is_final', 'int32_t'),
    isFailure: declare('bool', 'state_is_failure', 'int32_t'),
};

export const error = {
    free: declare('void', 'error_free', object),
    code: declare('int32_t', 'error_code', object),
    httpStatus: declare('int32_t', 'error_http_status', object),
    httpErrorType: declare('str', 'error_http_error_type', object),
    apiCode: declare('str', 'error_api_code', object),
    message: declare('str', 'error_message', object),
    requestId: declare('str', 'error_request_id', object),
    body: declare(object, 'error_body', object, sizeOut),
    retryAfterMs: declare('int64_t', 'error_retry_after_ms', object),
    isRetryable: declare('bool', 'error_is_retryable', object),
    attempts: declare('uint32_t', 'error_attempts', object),
    timingUs: declare('int64_t', 'error_timing_us', object, 'int32_t'),
};

/** What the thread of the logs needs to call refold_get_execution() with its own koffi; see log-thread.js. */
export const getExecutionData = {
    address: library.symbol('refold_get_execution'),
    // Each log function that runs takes the place of a call.
    config: { ...callConfig, max_async_calls: 2 * callConfig.max_async_calls },
};

const jsonRaw = declare(object, 'json_raw', object, sizeOut);

/** Returns the path of the library in this directory or in target/release of the source tree, or else a bare name. */
function findLibrary() {
    const here = new URL('.', import.meta.url);
    const project = new URL('../..', here);
    const directories = [here];
    // A copy of this directory must not load a library that happens to be near it.
    const markers = ['Cargo.toml', 'include/refold.h'];
    if (here.href.endsWith('/examples/node/') && markers.every((marker) => existsSync(new URL(marker, project)))) {
        directories.push(new URL('target/release/', project));
    }
    const paths = directories.flatMap((directory) => names.map((name) => fileURLToPath(new URL(name, directory))));
    return paths.find(existsSync) ?? names[0];
}

function load(path) {
    try {
        return koffi.load(path);
    } catch (cause) {
        throw new Error(`cannot load ${path}; set REFOLD_LIBRARY to the path of the library`, { cause });
    }
}

/** Returns the JSON text of a value. */
export function jsonText(value) {
    const length = [0];
    const start = jsonRaw(value, length);
    return koffi.decode.string(start, Number(length[0]));
}

/** Copies bytes that the library owns. */
export function copyBytes(start, length) {
    return Buffer.from(new Uint8Array(koffi.view(start, Number(length))));
}
