//! The codes of the C interface: one table of numbers and names.

use std::ffi::CStr;

pub const INVALID_ARGUMENT: i32 = -1;
pub const CANCELLED: i32 = -2;
pub const TIMEOUT: i32 = -3;
pub const RESOLVE: i32 = -4;
pub const CONNECT: i32 = -5;
pub const TLS: i32 = -6;
pub const TRANSPORT: i32 = -7;
pub const INVALID_RESPONSE: i32 = -8;
pub const RESPONSE_TOO_LARGE: i32 = -9;
pub const INTERNAL: i32 = -10;
pub const RESOURCE: i32 = -11;

/// The name of a code: of the negative ones, of the HTTP statuses that have a constant, and of all others together.
pub fn code_name(code: i32) -> &'static CStr {
    match code {
        0 => c"OK",
        400 => c"BAD_REQUEST",
        401 => c"UNAUTHORIZED",
        403 => c"FORBIDDEN",
        404 => c"NOT_FOUND",
        408 => c"REQUEST_TIMEOUT",
        409 => c"CONFLICT",
        422 => c"UNPROCESSABLE_ENTITY",
        429 => c"TOO_MANY_REQUESTS",
        500 => c"INTERNAL_SERVER_ERROR",
        501 => c"NOT_IMPLEMENTED",
        502 => c"BAD_GATEWAY",
        503 => c"SERVICE_UNAVAILABLE",
        504 => c"GATEWAY_TIMEOUT",
        -1 => c"INVALID_ARGUMENT",
        -2 => c"CANCELLED",
        -3 => c"TIMEOUT",
        -4 => c"RESOLVE",
        -5 => c"CONNECT",
        -6 => c"TLS",
        -7 => c"TRANSPORT",
        -8 => c"INVALID_RESPONSE",
        -9 => c"RESPONSE_TOO_LARGE",
        -10 => c"INTERNAL",
        -11 => c"RESOURCE",
        1.. => c"HTTP_ERROR",
        _ => c"UNKNOWN",
    }
}
