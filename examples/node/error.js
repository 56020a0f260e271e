import { native } from './native.js';
import { makeTimings, noTimings } from './timings.js';

/**
 * Names for values of RefoldError.code: HTTP statuses, and negative numbers if there was no usable response. Any other
 * HTTP status is a valid code, too; refold.h documents each of them.
 */
export const Code = Object.freeze({
    BAD_REQUEST: 400,
    UNAUTHORIZED: 401,
    FORBIDDEN: 403,
    NOT_FOUND: 404,
    REQUEST_TIMEOUT: 408,
    CONFLICT: 409,
    UNPROCESSABLE_ENTITY: 422,
    TOO_MANY_REQUESTS: 429,
    INTERNAL_SERVER_ERROR: 500,
    NOT_IMPLEMENTED: 501,
    BAD_GATEWAY: 502,
    SERVICE_UNAVAILABLE: 503,
    GATEWAY_TIMEOUT: 504,
    INVALID_ARGUMENT: -1,
    CANCELLED: -2,
    TIMEOUT: -3,
    RESOLVE: -4,
    CONNECT: -5,
    TLS: -6,
    TRANSPORT: -7,
    INVALID_RESPONSE: -8,
    RESPONSE_TOO_LARGE: -9,
    INTERNAL: -10,
    RESOURCE: -11,
});

/**
 * A failed call. Properties that the response does not provide are null. If a wait runs out of time, `cause` is the
 * failure of its last poll, also a RefoldError; undefined if the run was still in progress.
 */
export class RefoldError extends Error {
    /**
     * The HTTP status of the response, or a negative number; see Code.
     * @type {number}
     */
    code;
    /**
     * The name of the code, such as 'NOT_FOUND'; 'HTTP_ERROR' for a status without a name.
     * @type {string}
     */
    kind;
    /**
     * The field status_code of the response, or else its HTTP status; 0 without a response.
     * @type {number}
     */
    httpStatus = 0;
    /**
     * The field http_error_type of the response, such as 'NOT_FOUND'.
     * @type {string | null}
     */
    httpErrorType = null;
    /**
     * The field error_code of the response, or else its field error, such as 'RESOURCE_NOT_FOUND'.
     * @type {string | null}
     */
    apiCode = null;
    /**
     * Identifies the request to the vendor's support.
     * @type {string | null}
     */
    requestId = null;
    /**
     * The decompressed body with secrets redacted, limited to its first 64 KiB.
     * @type {Buffer | null}
     */
    body = null;
    /**
     * How long the server asks to wait before the next attempt, in milliseconds.
     * @type {number | null}
     */
    retryAfterMs = null;
    /**
     * Whether the same call may succeed later.
     * @type {boolean}
     */
    retryable = false;
    /**
     * The number of attempts that the call started; for a wait, those of all its polls.
     * @type {number}
     */
    attempts = 0;
    /**
     * How long the call took, in milliseconds. For a wait, totalMs is the whole wait, and the other parts are those of
     * its last poll.
     * @type {import('./timings.js').Timings}
     */
    timings = noTimings;

    constructor(code, message, details = {}, options = undefined) {
        super(message, options);
        this.code = code;
        this.kind = native.codeName(code);
        Object.assign(this, details);
    }
}
Object.defineProperty(RefoldError.prototype, 'name', { value: 'RefoldError' });

export function invalidArgument(message) {
    return new RefoldError(Code.INVALID_ARGUMENT, message);
}

/** Makes an exception of the fields of an error of C. */
export function makeError({ code, message, timings, cause, ...details }) {
    const options = cause && { cause: makeError(cause) };
    return new RefoldError(code, message, { ...details, timings: makeTimings(timings) }, options);
}
