/**
 * Fetches workflow executions of Refold, an integration platform, and waits for them to finish.
 *
 *     import { Client, Code, RefoldError } from 'refold'; // or const { ... } = require('refold')
 *
 *     const client = Client.fromEnv();
 *     const execution = await client.getExecution(id);
 *
 * The package calls the C library librefold, which it contains for each platform that it supports. The path in
 * REFOLD_LIBRARY replaces it. Executions and errors are ordinary objects; nothing has to be freed.
 */

/** How much a log receives, except for 'off'. */
export type LogLevel = 'warn' | 'info' | 'debug';

/**
 * The meaning of a status. Final are 'COMPLETED', which alone is no failure, 'ERRORED', 'SKIPPED', 'STOPPED',
 * 'TIMED_OUT' and 'REJECTED'. 'UNKNOWN' means that the status is absent, or that the library does not know it.
 */
export type State =
    | 'UNKNOWN'
    | 'READY'
    | 'RUNNING'
    | 'WAITING'
    | 'STOPPING'
    | 'COMPLETED'
    | 'ERRORED'
    | 'SKIPPED'
    | 'STOPPED'
    | 'TIMED_OUT'
    | 'REJECTED';

/** What calls use of an AbortSignal. Signals of other realms and of polyfills have it, too. */
export interface AbortSignalLike {
    readonly aborted: boolean;
    readonly reason: unknown;
    throwIfAborted(): void;
    addEventListener(type: 'abort', listener: () => void): void;
    removeEventListener(type: 'abort', listener: () => void): void;
}

/** The settings of a client. One way to authenticate is required; everything else is optional. */
export interface ClientOptions {
    /** An API key of the organisation; requires linkedAccountId. null counts as absent, for all credentials. */
    apiKey?: string | null | undefined;
    /** The account to act for. */
    linkedAccountId?: string | null | undefined;
    /** A session token, which identifies the account itself. */
    sessionToken?: string | null | undefined;
    /** The URL of the API. Default: 'https://app.refold.ai'. */
    baseUrl?: string | undefined;
    /** Limit for each call once it has started, retries included. Default: 30000; 0 for no limit. */
    timeoutMs?: number | undefined;
    /**
     * Limit for name resolution, connecting, proxy and TLS handshake of each attempt. Default: 10000; 0 for no limit
     * other than timeoutMs.
     */
    connectTimeoutMs?: number | undefined;
    /** How often a call is retried after a transient failure. Default: 2. */
    maxRetries?: number | undefined;
    /** Limit for the decompressed size of a response. Default: 268435456; 0 for no limit. */
    maxResponseBytes?: number | undefined;
    /** The initial pause between two polls of a wait, at least 10. Default: 1000. */
    pollIntervalMs?: number | undefined;
    /**
     * http://host:port, socks5://host:port or socks5h://host:port; '' for no proxy. Default: HTTPS_PROXY, ALL_PROXY and
     * NO_PROXY of the environment.
     */
    proxy?: string | undefined;
    /** A file of PEM certificates to trust in addition to the default roots. */
    caFile?: string | undefined;
    /** The same as text. */
    caPem?: string | undefined;
    /** A product, such as 'monitor/2.1', that precedes the library's own in the User-Agent header. */
    userAgent?: string | undefined;
    /** Accepts an http URL for any host, not only for loopback hosts. */
    allowPlaintext?: boolean | undefined;
    /** Further request headers, as an object, a Headers or a Map. Values are secrets. */
    headers?: Readonly<Record<string, string>> | Iterable<readonly [string, string]> | undefined;
    /** How many calls and polls are in flight at a time, 1 to 1024; others are queued. Default: 256. */
    maxConcurrent?: number | undefined;
    /**
     * Receives what calls do, line by line: on the event loop, in order, and before the promise of the call is settled,
     * unless a signal ends it. Lines contain no secret and are safe for a terminal. Calls that it makes with the same
     * client are logged, too. The first exception or rejection of each client is emitted as a process warning, others
     * are ignored.
     */
    onLog?: ((level: LogLevel, message: string) => unknown) | undefined;
    /**
     * How much onLog receives: retries and failed polls ('warn'), the end of each call as well ('info'), or every phase
     * of a call ('debug'). Default: 'info'.
     */
    logLevel?: LogLevel | 'off' | undefined;
}

export interface GetOptions {
    /** Ends the call immediately. */
    signal?: AbortSignalLike | null | undefined;
}

export interface WaitOptions extends GetOptions {
    /**
     * Limit for the whole wait. Once it expires, the promise rejects with Code.TIMEOUT and, as `cause`, the failure of
     * the last poll that was completed, if it failed. Default: 0, no limit.
     */
    timeoutMs?: number | undefined;
    /**
     * Is called with each snapshot, the last one included, and awaited. While it runs, a new snapshot replaces the
     * previous one. An exception or rejection ends the wait and propagates.
     */
    onProgress?: ((execution: Execution) => unknown) | null | undefined;
}

/**
 * Validated settings and a pool of connections. A program should share one client between all its calls. A client is
 * closed by close(), or by the garbage collector once it is unreachable.
 */
export class Client {
    /**
     * Validates the settings and creates a client. Nothing is sent.
     *
     * @throws {RefoldError} with Code.INVALID_ARGUMENT if a setting is invalid or unknown
     */
    constructor(options: ClientOptions);

    /**
     * Creates a client with defaults from the environment: REFOLD_API_KEY and REFOLD_LINKED_ACCOUNT_ID, or
     * REFOLD_SESSION_TOKEN, REFOLD_BASE_URL, and REFOLD_LOG for a log on stderr. Credentials in the options replace
     * those of the environment; onLog, or a logLevel of 'off', replaces REFOLD_LOG.
     *
     * @throws {RefoldError} as the constructor
     */
    static fromEnv(options?: ClientOptions): Client;

    /**
     * Fetches one execution. A run that failed on the server is a result, not an error: check its state.
     *
     * Any number of calls may be pending. The library makes up to maxConcurrent of them at a time, on threads of its
     * own: none runs on libuv's pool. Others are queued. timeoutMs starts when the call leaves the queue; the signal
     * covers the time in the queue, too. Pending calls keep the process or Worker alive; process.exit() and terminate()
     * cancel them.
     *
     * @param id 1 to 256 characters of A-Z a-z 0-9 - _ . ~ :, but neither '.' nor '..'
     * @returns a promise that rejects with a RefoldError, or with the reason of the signal
     */
    getExecution(id: string, options?: GetOptions): Promise<Execution>;

    /**
     * Polls an execution until its state is final, and resolves to the last snapshot. Without a signal or timeoutMs, it
     * may never end.
     *
     * Each poll is one call with its own timeout and retries. The pause grows by half while nothing changes, and
     * doubles with each consecutive failed poll, up to ten times the poll interval. After a failed poll, it is never
     * shorter than its Retry-After. Up to five consecutive polls may fail with a retryable error.
     *
     * Pauses occupy neither a thread nor a connection.
     *
     * @param id as for getExecution()
     * @returns a promise of the last snapshot passed to onProgress, which rejects as that of getExecution() does
     */
    waitExecution(id: string, options?: WaitOptions): Promise<Execution>;

    /**
     * Replaces the session token for calls, and polls of a wait, that start later.
     *
     * @throws {RefoldError} with Code.INVALID_ARGUMENT if the token is invalid, or if the client authenticates with an
     *     API key or is closed; the client then keeps its token
     */
    setSessionToken(token: string): void;

    /** Closes the connections and wipes the secrets once pending calls have settled. Later calls are rejected. */
    close(): void;
}

/** A snapshot of one execution, created by the library. Fields that the document does not have are null. */
export class Execution {
    private constructor();
    /**
     * The whole document as JSON text, as sent by the server, with all digits of integers that a number cannot hold.
     */
    readonly text: string;
    /** The whole document, parsed. */
    readonly document: { readonly [key: string]: unknown };
    /** The field _id, or else the id that was requested. */
    readonly id: string | null;
    readonly name: string | null;
    /** The organisation. */
    readonly orgId: string | null;
    /** 'test' or 'production'. */
    readonly environment: string | null;
    /** As sent by the server, such as 'RUNNING'. */
    readonly status: string;
    /** The meaning of the status. */
    readonly state: State;
    /** Whether the state is final. */
    readonly isFinal: boolean;
    /** Whether the state is final and not 'COMPLETED'. */
    readonly isFailure: boolean;
    /** 0 to 100, or whatever number the server sends; -1 reads as absent. */
    readonly completionPercentage: number | null;
    /** The configuration of the workflow. */
    readonly configId: string | null;
    /** The account that the run acts for. */
    readonly linkedAccountId: string | null;
    /** The start of the run: RFC 3339, in UTC. */
    readonly createdAt: string | null;
    /** The latest change of the run: RFC 3339, in UTC. */
    readonly updatedAt: string | null;
    /** How long the call, or the poll of a wait, took that fetched it; null throughout for parsed text. */
    readonly timings: Timings;
    /** The number of attempts of that call; 0 for parsed text. */
    readonly attempts: number;
    /** Identifies the request to the vendor's support: the header x-request-id. */
    readonly requestId: string | null;
    /** In the order in which the run reached them. */
    readonly nodes: readonly Node[];

    /** Returns the first node with the given id. null finds none. */
    node(id: string | null): Node | undefined;
}

/** One node of an execution, created by the library. Fields that the document does not have are null. */
export class Node {
    private constructor();
    /** Unique within the execution. */
    readonly id: string | null;
    readonly name: string | null;
    /** Such as 'start'. */
    readonly type: string | null;
    /** As sent by the server, such as 'Success'. */
    readonly status: string | null;
    /** The meaning of the status. */
    readonly state: State;
    /** Whether the state is final and not 'COMPLETED'. */
    readonly isFailure: boolean;
    readonly isBatch: boolean;
    readonly attemptsMade: number | null;
    readonly maximumAttempts: number | null;
    /** How long the node ran, in milliseconds. */
    readonly executionTimeMs: number | null;
    /** The latest output of the node, of any JSON type; undefined if absent. */
    readonly latestOutput: unknown;
    /** The input of the node, of any JSON type; undefined if absent. */
    readonly inputData: unknown;
    /** The whole node, parsed. */
    readonly document: unknown;
}

/**
 * How long a call and the parts of its last attempt took, in milliseconds, with fractions. Parts that it did not go
 * through are null. The parts follow one another.
 */
export interface Timings {
    /** The call, with all attempts and the pauses between them, but without the time in the queue. */
    readonly totalMs: number | null;
    /** The lookup of host names; null for an address, localhost and a reused connection. */
    readonly resolveMs: number | null;
    /** Connecting, including the dialogue with a proxy; null on a reused connection. */
    readonly connectMs: number | null;
    /** The TLS handshake; null without TLS and on a reused connection. */
    readonly tlsMs: number | null;
    /** From the first byte of the request to the first byte of the response. */
    readonly firstByteMs: number | null;
    /** From there to the last byte of the response. */
    readonly transferMs: number | null;
}

/**
 * Parses JSON text, such as a stored Execution.text. Nothing is sent.
 *
 * @throws {RefoldError} with Code.INVALID_RESPONSE if the text is not an execution
 */
export function parseExecution(text: string | Uint8Array): Execution;

/**
 * A failed call. Properties that the response does not provide are null. If a wait runs out of time, `cause` is the
 * failure of its last poll, also a RefoldError; undefined if the run was still in progress.
 */
export class RefoldError extends Error {
    constructor(code: number, message: string);
    /** The HTTP status of the response, or a negative number; see Code. */
    readonly code: number;
    /** The name of the code, such as 'NOT_FOUND'; 'HTTP_ERROR' for a status without a name. */
    readonly kind: string;
    /** The field status_code of the response, or else its HTTP status; 0 without a response. */
    readonly httpStatus: number;
    /** The field http_error_type of the response, such as 'NOT_FOUND'. */
    readonly httpErrorType: string | null;
    /** The field error_code of the response, or else its field error, such as 'RESOURCE_NOT_FOUND'. */
    readonly apiCode: string | null;
    /** Identifies the request to the vendor's support. */
    readonly requestId: string | null;
    /** The decompressed body with secrets redacted, limited to its first 64 KiB. It is a Buffer. */
    readonly body: Uint8Array | null;
    /** How long the server asks to wait before the next attempt, in milliseconds. */
    readonly retryAfterMs: number | null;
    /** Whether the same call may succeed later. */
    readonly retryable: boolean;
    /** The number of attempts that the call started; for a wait, those of all its polls. */
    readonly attempts: number;
    /**
     * How long the call took, in milliseconds. For a wait, totalMs is the whole wait, and the other parts are those of
     * its last poll.
     */
    readonly timings: Timings;
    readonly cause?: RefoldError;
}

/**
 * Names for values of RefoldError.code: HTTP statuses, and negative numbers if there was no usable response. Any other
 * HTTP status is a valid code, too; refold.h documents each of them.
 */
export const Code: {
    readonly BAD_REQUEST: 400;
    readonly UNAUTHORIZED: 401;
    readonly FORBIDDEN: 403;
    readonly NOT_FOUND: 404;
    readonly REQUEST_TIMEOUT: 408;
    readonly CONFLICT: 409;
    readonly UNPROCESSABLE_ENTITY: 422;
    readonly TOO_MANY_REQUESTS: 429;
    readonly INTERNAL_SERVER_ERROR: 500;
    readonly NOT_IMPLEMENTED: 501;
    readonly BAD_GATEWAY: 502;
    readonly SERVICE_UNAVAILABLE: 503;
    readonly GATEWAY_TIMEOUT: 504;
    readonly INVALID_ARGUMENT: -1;
    readonly CANCELLED: -2;
    readonly TIMEOUT: -3;
    readonly RESOLVE: -4;
    readonly CONNECT: -5;
    readonly TLS: -6;
    readonly TRANSPORT: -7;
    readonly INVALID_RESPONSE: -8;
    readonly RESPONSE_TOO_LARGE: -9;
    readonly INTERNAL: -10;
    readonly RESOURCE: -11;
};

/**
 * Returns text as one line that is safe to print. Texts of a server, messages of errors included, may contain escape
 * sequences for the terminal, forged lines, and controls that reorder what a line shows. Tabs and ends of lines become
 * blanks; every other control character (C0, DEL, C1), U+2028, U+2029, the controls of the direction of text (U+061C,
 * U+200E, U+200F, U+202A to U+202E, U+2066 to U+2069) and unpaired surrogates become '?'.
 */
export function printable(text: string): string;

/** Returns the version of the loaded library, such as '0.1.0'. */
export function version(): string;
