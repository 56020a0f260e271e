//! The library as a whole: `refold_code`, the version, and the names of the codes.

use std::ffi::c_char;

use super::guard::guard;
use crate::error::code_name;

/// The outcome of a call: REFOLD_OK, an HTTP status, or a negative number.
///
/// - Zero: success.
/// - Positive: the HTTP status of the server's response, which may be any status, such as 404, 302 or 599. The
///   enumerators cover the common ones.
/// - Negative: there was no usable response, for the reason that the enumerator describes.
///
/// Later versions may add negative numbers. Treat an unknown one as an unspecified failure.
pub type refold_code = i32;

/// The values of refold_code that have a name.
#[repr(C)]
pub enum refold_code_value {
    /// Success.
    REFOLD_OK = 0,
    /// The server considers the request invalid.
    REFOLD_ERROR_BAD_REQUEST = 400,
    /// The server did not accept the API key, the linked account or the session token.
    REFOLD_ERROR_UNAUTHORIZED = 401,
    /// The credentials are valid but do not permit this request.
    REFOLD_ERROR_FORBIDDEN = 403,
    /// There is no execution with this id, or these credentials cannot see it.
    REFOLD_ERROR_NOT_FOUND = 404,
    /// The server timed out waiting for the request. Not to be confused with REFOLD_ERROR_TIMEOUT.
    REFOLD_ERROR_REQUEST_TIMEOUT = 408,
    /// The request conflicts with the current state of the resource.
    REFOLD_ERROR_CONFLICT = 409,
    /// The server understood the request but cannot process it.
    REFOLD_ERROR_UNPROCESSABLE_ENTITY = 422,
    /// Too many requests in a short time; see refold_error_retry_after_ms().
    REFOLD_ERROR_TOO_MANY_REQUESTS = 429,
    /// The server failed.
    REFOLD_ERROR_INTERNAL_SERVER_ERROR = 500,
    /// The server does not support this request.
    REFOLD_ERROR_NOT_IMPLEMENTED = 501,
    /// A gateway received no valid response from its upstream server.
    REFOLD_ERROR_BAD_GATEWAY = 502,
    /// The server is temporarily unavailable.
    REFOLD_ERROR_SERVICE_UNAVAILABLE = 503,
    /// A gateway received no response in time from its upstream server.
    REFOLD_ERROR_GATEWAY_TIMEOUT = 504,
    /// An argument or a setting is invalid. The message names it, and nothing was sent.
    REFOLD_ERROR_INVALID_ARGUMENT = -1,
    /// A cancel token was triggered, or a progress callback returned false.
    REFOLD_ERROR_CANCELLED = -2,
    /// The timeout of the call or wait expired; see refold_wait_execution() and refold_error_cause().
    REFOLD_ERROR_TIMEOUT = -3,
    /// The host name has no address, or the lookup failed.
    REFOLD_ERROR_RESOLVE = -4,
    /// No connection could be established in time, or the proxy refused the request.
    REFOLD_ERROR_CONNECT = -5,
    /// No trusted TLS session could be established: the certificate or the handshake failed, or the server
    /// refused this client, for example for lack of a client certificate.
    REFOLD_ERROR_TLS = -6,
    /// The connection was lost before the response was complete; or the response is not HTTP, or a success of
    /// ambiguous length (malformed header fields are tolerated otherwise); or the body of a 2xx response ends
    /// in the middle of its JSON or gzip stream, as if it was cut off before a gateway.
    REFOLD_ERROR_TRANSPORT = -7,
    /// The server reported success, but the body is not an execution.
    REFOLD_ERROR_INVALID_RESPONSE = -8,
    /// The body, or the memory for its nodes, exceeds refold_options_set_max_response_bytes(), or the header
    /// exceeds 64 KiB or 128 fields.
    REFOLD_ERROR_RESPONSE_TOO_LARGE = -9,
    /// A defect in the library, caught before it could do harm. Please report it.
    REFOLD_ERROR_INTERNAL = -10,
    /// The process has run out of file descriptors, threads or memory.
    REFOLD_ERROR_RESOURCE = -11,
}

/// Returns the version of the loaded library, such as "0.1.0". REFOLD_VERSION is the version of this header.
///
/// \return A string that is valid for the lifetime of the process; never NULL.
#[unsafe(no_mangle)]
pub extern "C" fn refold_version() -> *const c_char {
    concat!(env!("CARGO_PKG_VERSION"), "\0").as_ptr().cast()
}

/// Returns the name of a code for messages and logs: its enumerator without the prefix, such as "OK",
/// "NOT_FOUND" or "TIMEOUT".
///
/// \param code  Any number.
/// \return A string that is valid for the lifetime of the process; never NULL. "HTTP_ERROR" for any other HTTP
///         status, "UNKNOWN" for any other number.
#[unsafe(no_mangle)]
pub extern "C" fn refold_code_name(code: refold_code) -> *const c_char {
    guard(c"UNKNOWN".as_ptr(), || code_name(code).as_ptr())
}
