// Errors and their codes, which index.d.ts documents.

const { native } = require('./native.js');
const { makeTimings, noTimings } = require('./timings.js');

const Code = Object.freeze({
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

class RefoldError extends Error {
    code;
    kind;
    httpStatus = 0;
    httpErrorType = null;
    apiCode = null;
    requestId = null;
    body = null;
    retryAfterMs = null;
    retryable = false;
    attempts = 0;
    timings = noTimings;

    constructor(code, message, details = {}, options = undefined) {
        super(message, options);
        this.code = code;
        this.kind = native.codeName(code);
        Object.assign(this, details);
    }
}
Object.defineProperty(RefoldError.prototype, 'name', { value: 'RefoldError' });

function invalidArgument(message) {
    return new RefoldError(Code.INVALID_ARGUMENT, message);
}

/** Makes an exception of the fields of an error of C. */
function makeError({ code, message, timings, cause, ...details }) {
    const options = cause && { cause: makeError(cause) };
    return new RefoldError(code, message, { ...details, timings: makeTimings(timings) }, options);
}

module.exports = { Code, RefoldError, invalidArgument, makeError };
