//! The codes of the C interface, in one table.

use std::ffi::CStr;

use super::{Error, ErrorKind};

/// Defines a constant for each code, and the list of codes and names.
macro_rules! codes {
    ($($(#[$doc:meta])* $name:ident = $number:literal;)*) => {
        $($(#[$doc])* #[allow(dead_code)] const $name: i32 = $number;)*

        const CODES: &[(i32, &CStr)] = &[$(($name, c_string(concat!(stringify!($name), "\0")))),*];
    };
}

codes! {
    /// Success.
    OK = 0;
    /// The server rejected the request as malformed.
    BAD_REQUEST = 400;
    /// The credentials were not accepted.
    UNAUTHORIZED = 401;
    /// The credentials do not permit this.
    FORBIDDEN = 403;
    /// No execution with this id is visible with these credentials.
    NOT_FOUND = 404;
    /// The server timed out while it waited for the request.
    REQUEST_TIMEOUT = 408;
    /// The request conflicts with the state of the resource.
    CONFLICT = 409;
    /// The server understood the request and cannot act on it.
    UNPROCESSABLE_ENTITY = 422;
    /// The client exceeded a rate limit.
    TOO_MANY_REQUESTS = 429;
    /// The server failed.
    INTERNAL_SERVER_ERROR = 500;
    /// The server does not support the request.
    NOT_IMPLEMENTED = 501;
    /// A gateway received no usable response from the server.
    BAD_GATEWAY = 502;
    /// The server is temporarily unavailable.
    SERVICE_UNAVAILABLE = 503;
    /// A gateway received no response from the server in time.
    GATEWAY_TIMEOUT = 504;
    /// An argument or a setting is invalid. Nothing was sent.
    INVALID_ARGUMENT = -1;
    /// A cancel token or a progress callback ended the call.
    CANCELLED = -2;
    /// The timeout of the call or of the wait expired.
    TIMEOUT = -3;
    /// The host name could not be resolved.
    RESOLVE = -4;
    /// The connection could not be established.
    CONNECT = -5;
    /// No trusted TLS session could be established.
    TLS = -6;
    /// The connection was lost, or the peer does not speak HTTP.
    TRANSPORT = -7;
    /// The body of a 2xx response is not an execution.
    INVALID_RESPONSE = -8;
    /// The response exceeds a limit.
    RESPONSE_TOO_LARGE = -9;
    /// The library caught a defect of its own.
    INTERNAL = -10;
    /// Descriptors, threads or memory are exhausted.
    RESOURCE = -11;
}

const fn c_string(terminated: &'static str) -> &'static CStr {
    match CStr::from_bytes_with_nul(terminated.as_bytes()) {
        Ok(string) => string,
        Err(_) => c"",
    }
}

/// The name of a code: `HTTP_ERROR` for a status without a name of its own, `UNKNOWN` for any other number.
pub fn code_name(code: i32) -> &'static CStr {
    let name = CODES.iter().find(|(number, _)| *number == code).map(|(_, name)| *name);
    name.unwrap_or(if code > 0 { c"HTTP_ERROR" } else { c"UNKNOWN" })
}

impl Error {
    /// The HTTP status of the response, or the negative code of a failure without a usable one.
    pub fn code(&self) -> i32 {
        match self.kind() {
            ErrorKind::InvalidArgument(_) => INVALID_ARGUMENT,
            ErrorKind::Cancelled { .. } => CANCELLED,
            ErrorKind::Timeout { .. } | ErrorKind::WaitTimeout { .. } => TIMEOUT,
            ErrorKind::Resolve { .. } => RESOLVE,
            ErrorKind::Connect { .. } | ErrorKind::Proxy { .. } => CONNECT,
            ErrorKind::Tls { .. } => TLS,
            ErrorKind::Transport { .. } | ErrorKind::CutOff { .. } => TRANSPORT,
            ErrorKind::InvalidResponse(_) => INVALID_RESPONSE,
            ErrorKind::TooLarge { .. }
            | ErrorKind::HeaderTooLarge { .. }
            | ErrorKind::TooManyNodes { .. } => RESPONSE_TOO_LARGE,
            ErrorKind::Internal(_) => INTERNAL,
            ErrorKind::Resource(_) => RESOURCE,
            ErrorKind::Status => i32::from(self.status()),
        }
    }
}

/// Whether another attempt may succeed after a response with this status.
pub fn is_transient_status(status: i32) -> bool {
    matches!(
        status,
        REQUEST_TIMEOUT
            | TOO_MANY_REQUESTS
            | INTERNAL_SERVER_ERROR
            | BAD_GATEWAY
            | SERVICE_UNAVAILABLE
            | GATEWAY_TIMEOUT
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_code_has_one_name() {
        for (code, name) in CODES {
            assert_eq!(code_name(*code), *name);
            assert!(!name.is_empty());
            assert_eq!(CODES.iter().filter(|(number, other)| number == code || other == name).count(), 1);
        }
        for (code, name) in [(1, c"HTTP_ERROR"), (402, c"HTTP_ERROR"), (-12, c"UNKNOWN")] {
            assert_eq!(code_name(code), name);
        }
    }
}
