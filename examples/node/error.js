import * as native from './native.js';

/** The codes that have a name: HTTP statuses, and negative numbers where there was no usable answer. */
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

/** Why a call failed. What the server did not send is null. */
export class RefoldError extends Error {
    /** What kind of failure it is: the HTTP status of the answer, or a negative number; see Code. */
    code;
    /** The name of the code, such as 'NOT_FOUND'. */
    kind;
    /** What the answer tells in its field status_code, else its own status; 0 without an answer. */
    httpStatus = 0;
    /** The answer's field http_error_type, such as 'NOT_FOUND'. */
    httpErrorType = null;
    /** The answer's field error_code, such as 'RESOURCE_NOT_FOUND'; without one, its field error. */
    apiCode = null;
    /** What the vendor's support asks for. */
    requestId = null;
    /** The answer as it came, its first 64 KiB at most: a Buffer. */
    body = null;
    /** How long the server asks to wait before the next try, in milliseconds. */
    retryAfterMs = null;
    /** Whether the same call may succeed later without a change. */
    retryable = false;
    /** How many tries the call began. */
    attempts = 0;

    constructor(code, message, details = {}) {
        super(message);
        this.code = code;
        this.kind = native.codeName(code);
        Object.assign(this, details);
    }
}
Object.defineProperty(RefoldError.prototype, 'name', { value: 'RefoldError' });

export function invalidArgument(message) {
    return new RefoldError(Code.INVALID_ARGUMENT, message);
}

/** Makes an exception of an error of C, which is freed. */
export function takeError(pointer) {
    const failure = native.failure;
    try {
        const length = [0];
        const body = failure.body(pointer, length);
        const retryAfterMs = Number(failure.retryAfterMs(pointer));
        return new RefoldError(failure.code(pointer), failure.message(pointer), {
            httpStatus: failure.httpStatus(pointer),
            httpErrorType: failure.httpErrorType(pointer),
            apiCode: failure.apiCode(pointer),
            requestId: failure.requestId(pointer),
            body: body === null ? null : native.copyBytes(body, length[0]),
            retryAfterMs: retryAfterMs < 0 ? null : retryAfterMs,
            retryable: failure.isRetryable(pointer),
            attempts: failure.attempts(pointer),
        });
    } finally {
        failure.free(pointer);
    }
}
