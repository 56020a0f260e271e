//! The failures of a call, as the C interface reports them. `code` has their numbers, `message` their sentences. Every
//! module may use this one; it uses only `timing`, `sys` and `alloc`.

mod code;
pub(crate) mod message;

use std::borrow::Cow;
use std::time::Duration;

pub use code::{code_name, is_transient_status};

use crate::timing::Timings;

/// The phase of a call in which it ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Phase {
    /// Before the call did anything.
    #[default]
    Starting,
    /// The lookup of a host name.
    Resolving,
    /// Waiting for another lookup to finish.
    QueuedLookup {
        /// The number of unfinished lookups that a process can have.
        limit: usize,
    },
    /// Establishing a TCP connection.
    Connecting,
    /// Requesting a tunnel from a proxy.
    Proxy,
    /// The TLS handshake.
    Handshake,
    /// Sending the request.
    Sending,
    /// Waiting for a complete response header.
    Waiting,
    /// Receiving the body.
    Receiving,
    /// The pause between two attempts of one call.
    Backoff,
    /// The pause between two polls of a wait.
    Polling,
}

/// What went wrong.
#[derive(Debug, Clone, PartialEq)]
pub enum ErrorKind {
    /// An argument or a setting is invalid. The text names it. Nothing was sent.
    InvalidArgument(String),
    /// The token was cancelled, or the progress callback returned false.
    Cancelled {
        /// The phase that was interrupted.
        phase: Phase,
    },
    /// The deadline of the call passed.
    Timeout {
        /// The limit that was set.
        limit: Duration,
        /// The phase that was interrupted.
        phase: Phase,
        /// The server, as `host:port`.
        peer: String,
    },
    /// The deadline of a wait passed before the run had ended.
    WaitTimeout {
        /// The limit that was set.
        limit: Duration,
        /// The result of the last poll.
        last: String,
        /// The failure of the last poll, if it failed.
        cause: Option<Box<Error>>,
    },
    /// The host name could not be resolved.
    Resolve {
        /// The name.
        host: String,
        /// The reason that the system gave.
        reason: String,
        /// Whether the system expects a later lookup to succeed.
        temporary: bool,
    },
    /// The connection could not be established.
    Connect {
        /// The server or proxy, as `host:port`.
        peer: String,
        /// The reason.
        reason: String,
        /// Whether the proxy refused, so that a setting must be changed first, such as the password.
        refused: bool,
    },
    /// The proxy was reached, but did not connect to the server.
    Proxy {
        /// The proxy, as `host:port`.
        proxy: String,
        /// The server, as `host:port`.
        server: String,
        /// The reason.
        reason: String,
        /// Whether the proxy refused, so that a setting must be changed first, such as the password.
        refused: bool,
    },
    /// No trusted TLS session could be established.
    Tls {
        /// The server, as `host:port`.
        peer: String,
        /// The reason.
        reason: String,
    },
    /// The connection was lost, or the peer does not speak HTTP.
    Transport {
        /// The server, as `host:port`.
        peer: String,
        /// The reason.
        reason: String,
        /// Whether the connection was lost, so that another attempt may succeed.
        lost: bool,
    },
    /// The body of a 2xx response ends too early, although it is whole by its framing.
    CutOff {
        /// What it ends in the middle of.
        within: &'static str,
    },
    /// The body of a 2xx response is not an execution.
    InvalidResponse(String),
    /// The body of a 2xx response exceeds the limit.
    TooLarge {
        /// `max_response_bytes`.
        limit: u64,
    },
    /// The header of a response exceeds a limit.
    HeaderTooLarge {
        /// The limit of its size.
        bytes: usize,
        /// The limit of its number of fields.
        fields: usize,
    },
    /// The nodes of an execution would exceed their memory limit.
    TooManyNodes {
        /// The limit, in bytes.
        limit: u64,
        /// The memory that one node takes, in bytes.
        bytes_per_node: usize,
    },
    /// The library caught a defect of its own.
    Internal(String),
    /// A resource is exhausted: descriptors, threads or memory. The text names it.
    Resource(String),
    /// A response with another status than 2xx: [`ResponseDetails`] has its content.
    Status,
}

/// What an error keeps from a response.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct ResponseDetails {
    /// The HTTP status.
    pub status: u16,
    /// `status_code` of the envelope.
    pub envelope_status: Option<u16>,
    /// `http_error_type` of the envelope.
    pub http_error_type: Option<String>,
    /// `error_code` of the envelope, or else its `error`.
    pub api_code: Option<String>,
    /// `message` of the envelope, unless it is empty.
    pub message: Option<String>,
    /// `request_id` of the envelope, or else `x-request-id` of the header.
    pub request_id: Option<String>,
    /// The first bytes of the body, redacted.
    pub body: Option<Vec<u8>>,
    /// The Retry-After of the header.
    pub retry_after: Option<Duration>,
    /// What was requested, for a composed message.
    pub request: Option<String>,
}

/// The failure of a call.
#[derive(Debug, Clone, PartialEq)]
pub struct Error {
    kind: ErrorKind,
    response: Option<Box<ResponseDetails>>,
    attempts: u32,
    timings: Timings,
}

impl From<ErrorKind> for Error {
    fn from(kind: ErrorKind) -> Error {
        Error { kind, response: None, attempts: 0, timings: Timings::default() }
    }
}

impl Error {
    /// An invalid argument, which `message` names.
    pub fn invalid_argument(message: impl Into<String>) -> Error {
        ErrorKind::InvalidArgument(message.into()).into()
    }

    /// A defect of the library.
    pub fn internal(message: impl Into<String>) -> Error {
        ErrorKind::Internal(message.into()).into()
    }

    /// An exhausted resource, which `message` names.
    pub fn resource(message: impl Into<String>) -> Error {
        ErrorKind::Resource(message.into()).into()
    }

    /// The same failure with the response that caused it.
    pub(crate) fn with_response(mut self, response: ResponseDetails) -> Error {
        self.response = Some(Box::new(response));
        self
    }

    /// The same failure after this many attempts.
    pub(crate) fn after_attempts(mut self, attempts: u32) -> Error {
        self.attempts = attempts;
        self
    }

    /// The same failure of a call with these times.
    pub(crate) fn with_timings(mut self, timings: Timings) -> Error {
        self.timings = timings;
        self
    }

    /// What went wrong.
    pub fn kind(&self) -> &ErrorKind {
        &self.kind
    }

    /// `status_code` of the envelope, or else the status of the response; 0 if there was none.
    pub fn http_status(&self) -> i32 {
        let in_envelope = self.response.as_ref().and_then(|response| response.envelope_status);
        i32::from(in_envelope.unwrap_or_else(|| self.status()))
    }

    /// What was requested, if there was a response.
    fn request(&self) -> Option<&str> {
        self.response.as_ref()?.request.as_deref()
    }

    fn status(&self) -> u16 {
        self.response.as_ref().map_or(0, |response| response.status)
    }

    /// `http_error_type` of the envelope.
    pub fn http_error_type(&self) -> Option<&str> {
        self.response.as_ref()?.http_error_type.as_deref()
    }

    /// `error_code` of the envelope, or else its `error`.
    pub fn api_code(&self) -> Option<&str> {
        self.response.as_ref()?.api_code.as_deref()
    }

    /// `message` of the envelope, or else a sentence of the library. Never empty.
    pub fn message(&self) -> Cow<'_, str> {
        let in_envelope = self.response.as_ref().and_then(|response| response.message.as_deref());
        in_envelope
            .filter(|_| self.kind == ErrorKind::Status)
            .map_or_else(|| self.to_string().into(), Cow::from)
    }

    /// The id that the vendor's support asks for.
    pub fn request_id(&self) -> Option<&str> {
        self.response.as_ref()?.request_id.as_deref()
    }

    /// The first bytes of the body.
    pub fn body(&self) -> Option<&[u8]> {
        self.response.as_ref()?.body.as_deref()
    }

    /// The server's Retry-After.
    pub fn retry_after(&self) -> Option<Duration> {
        self.response.as_ref()?.retry_after
    }

    /// The server's Retry-After in milliseconds, or -1 if there is none.
    pub fn retry_after_ms(&self) -> i64 {
        self.retry_after().map_or(-1, |pause| i64::try_from(pause.as_millis()).unwrap_or(i64::MAX))
    }

    /// Whether the caller may repeat the call unchanged.
    pub fn is_retryable(&self) -> bool {
        matches!(self.kind, ErrorKind::Timeout { .. } | ErrorKind::WaitTimeout { .. }) || self.is_transient()
    }

    /// Whether another attempt may succeed, so that the call itself retries the failure.
    pub fn is_transient(&self) -> bool {
        match &self.kind {
            ErrorKind::Status => is_transient_status(self.code()),
            ErrorKind::Connect { refused, .. } | ErrorKind::Proxy { refused, .. } => !refused,
            ErrorKind::Transport { lost, .. } => *lost,
            ErrorKind::CutOff { .. } => true,
            ErrorKind::Resolve { temporary, .. } => *temporary,
            _ => false,
        }
    }

    /// How many attempts were started.
    pub fn attempts(&self) -> u32 {
        self.attempts
    }

    /// The times of the last attempt, and of the call as a whole.
    pub fn timings(&self) -> &Timings {
        &self.timings
    }

    /// The failure of the last poll, if this is the timeout of a wait.
    pub fn cause(&self) -> Option<&Error> {
        match &self.kind {
            ErrorKind::WaitTimeout { cause, .. } => cause.as_deref(),
            _ => None,
        }
    }

    /// Takes the cause out of this error.
    pub(crate) fn take_cause(&mut self) -> Option<Error> {
        match &mut self.kind {
            ErrorKind::WaitTimeout { cause, .. } => cause.take().map(|cause| *cause),
            _ => None,
        }
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.cause().map(|cause| cause as _)
    }
}

/// Every kind of failure of an attempt without a response, and whether it is transient.
#[cfg(test)]
pub(crate) fn attempt_failures() -> Vec<(ErrorKind, bool)> {
    let text = || "text".to_string();
    vec![
        (ErrorKind::Connect { peer: text(), reason: text(), refused: false }, true),
        (ErrorKind::Connect { peer: text(), reason: text(), refused: true }, false),
        (ErrorKind::Proxy { proxy: text(), server: text(), reason: text(), refused: false }, true),
        (ErrorKind::Proxy { proxy: text(), server: text(), reason: text(), refused: true }, false),
        (ErrorKind::Transport { peer: text(), reason: text(), lost: true }, true),
        (ErrorKind::Transport { peer: text(), reason: text(), lost: false }, false),
        (ErrorKind::CutOff { within: "text" }, true),
        (ErrorKind::Resolve { host: text(), reason: text(), temporary: true }, true),
        (ErrorKind::Resolve { host: text(), reason: text(), temporary: false }, false),
        (ErrorKind::Tls { peer: text(), reason: text() }, false),
        (ErrorKind::Cancelled { phase: Phase::Handshake }, false),
        (ErrorKind::Timeout { limit: Duration::ZERO, phase: Phase::Sending, peer: text() }, false),
        (ErrorKind::InvalidArgument(text()), false),
        (ErrorKind::InvalidResponse(text()), false),
        (ErrorKind::TooLarge { limit: 1 }, false),
        (ErrorKind::HeaderTooLarge { bytes: 1, fields: 1 }, false),
        (ErrorKind::TooManyNodes { limit: 1, bytes_per_node: 1 }, false),
        (ErrorKind::Resource(text()), false),
        (ErrorKind::Internal(text()), false),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn status(status: u16) -> Error {
        Error::from(ErrorKind::Status).with_response(ResponseDetails { status, ..ResponseDetails::default() })
    }

    #[test]
    fn only_transient_statuses_are_transient() {
        for code in 100..=999 {
            assert_eq!(status(code).is_transient(), [408, 429, 500, 502, 503, 504].contains(&code), "{code}");
        }
    }

    #[test]
    fn only_transient_failures_are_transient() {
        let wait_timeout =
            (ErrorKind::WaitTimeout { limit: Duration::ZERO, last: String::new(), cause: None }, false);
        for (kind, expected) in attempt_failures().into_iter().chain([wait_timeout]) {
            let error = Error::from(kind.clone());
            assert_eq!(error.is_transient(), expected, "{kind:?}");
            // The caller may repeat a call that timed out, but the call itself has no time left to.
            assert_eq!(error.is_retryable(), expected || error.code() == -3, "{kind:?}");
        }
    }
}
