//! What can go wrong, with what a caller wants to know of it. Every message is made here.

mod code;
pub mod message;

use std::borrow::Cow;
use std::time::Duration;

pub use code::code_name;

/// The part of a call that was going on when it ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Phase {
    /// Before anything was begun.
    #[default]
    Starting,
    /// The host's name was being looked up.
    Resolving,
    /// A TCP connection was being made.
    Connecting,
    /// A proxy was being asked for a tunnel.
    Proxy,
    /// The TLS session was being agreed on.
    Handshake,
    /// The request was on its way out.
    Sending,
    /// The request was out, and no complete header had come back.
    Waiting,
    /// The body was coming in.
    Receiving,
    /// Between two tries of one call.
    Pausing,
    /// Between two looks at a run in progress.
    Polling,
}

/// What went wrong.
#[derive(Debug, Clone, PartialEq)]
pub enum ErrorKind {
    /// The caller's mistake; the text names the argument. Nothing was sent.
    InvalidArgument(String),
    /// The token was triggered, or the progress callback said stop.
    Cancelled {
        /// What was going on.
        phase: Phase,
    },
    /// The deadline of the call passed.
    Timeout {
        /// The limit that was set.
        limit: Duration,
        /// What was going on.
        phase: Phase,
        /// The server, as `host:port`.
        peer: String,
    },
    /// The deadline of a wait passed before the run had ended.
    WaitTimeout {
        /// The limit that was set.
        limit: Duration,
        /// What the last poll brought.
        last: String,
    },
    /// The host name could not be turned into an address.
    Resolve {
        /// The name.
        host: String,
        /// What the system says.
        reason: String,
        /// The system expects it to pass.
        temporary: bool,
    },
    /// Nobody answered at the address, or the proxy refused.
    Connect {
        /// The server or proxy, as `host:port`.
        peer: String,
        /// Why.
        reason: String,
        /// The proxy wants something to be changed, such as the password.
        refused: bool,
    },
    /// No trusted TLS session.
    Tls {
        /// The server, as `host:port`.
        peer: String,
        /// Why.
        reason: String,
    },
    /// The connection broke, or what came is not HTTP.
    Transport {
        /// The server, as `host:port`.
        peer: String,
        /// Why.
        reason: String,
        /// The connection was lost: another try may do better. False: the peer does not speak HTTP.
        lost: bool,
    },
    /// A 2xx answer whose body is not an execution.
    InvalidResponse(String),
    /// A 2xx answer with a body above the limit.
    TooLarge {
        /// `max_response_bytes`.
        limit: u64,
    },
    /// An answer whose header is above its limit.
    HeaderTooLarge {
        /// The limit of its size.
        bytes: usize,
        /// The limit of its fields.
        fields: usize,
    },
    /// An answer whose nodes would take more memory than they may.
    TooManyNodes {
        /// In bytes.
        limit: u64,
        /// The memory that a node takes at least, in bytes.
        bytes_per_node: usize,
    },
    /// A defect of the library, caught.
    Internal(String),
    /// Out of descriptors, threads or memory; the text says which.
    Resource(String),
    /// An answer with another status than 2xx: what it says is in [`ResponseDetails`].
    Status,
}

/// What is kept of an answer that became an error.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct ResponseDetails {
    /// The status of the answer itself.
    pub status: u16,
    /// `status_code` of the envelope.
    pub envelope_status: Option<u16>,
    /// `http_error_type` of the envelope.
    pub http_error_type: Option<String>,
    /// `error_code` of the envelope, else its `error`.
    pub api_code: Option<String>,
    /// `message` of the envelope, where it is not empty.
    pub message: Option<String>,
    /// `request_id` of the envelope, else the header's.
    pub request_id: Option<String>,
    /// The first bytes of the body, as they came.
    pub body: Option<Vec<u8>>,
    /// What Retry-After says.
    pub retry_after: Option<Duration>,
}

/// The failure of a call.
#[derive(Debug, Clone, PartialEq)]
pub struct Error {
    kind: ErrorKind,
    response: Option<Box<ResponseDetails>>,
    attempts: u32,
}

impl From<ErrorKind> for Error {
    fn from(kind: ErrorKind) -> Error {
        Error { kind, response: None, attempts: 0 }
    }
}

impl Error {
    /// The caller's mistake; `message` names the argument.
    pub fn invalid_argument(message: impl Into<String>) -> Error {
        ErrorKind::InvalidArgument(message.into()).into()
    }

    /// A defect of the library, caught.
    pub fn internal(message: impl Into<String>) -> Error {
        ErrorKind::Internal(message.into()).into()
    }

    /// Memory, descriptors or threads are used up; `message` says which.
    pub fn resource(message: impl Into<String>) -> Error {
        ErrorKind::Resource(message.into()).into()
    }

    /// The same failure with the answer that came before it, or that it is about.
    pub(crate) fn with_response(mut self, response: ResponseDetails) -> Error {
        self.response = Some(Box::new(response));
        self
    }

    /// The same failure after so many tries.
    pub(crate) fn after_attempts(mut self, attempts: u32) -> Error {
        self.attempts = attempts;
        self
    }

    /// What went wrong.
    pub fn kind(&self) -> &ErrorKind {
        &self.kind
    }

    /// The HTTP status of the answer, or the negative code of what went wrong.
    pub fn code(&self) -> i32 {
        use code::*;
        match &self.kind {
            ErrorKind::InvalidArgument(_) => INVALID_ARGUMENT,
            ErrorKind::Cancelled { .. } => CANCELLED,
            ErrorKind::Timeout { .. } | ErrorKind::WaitTimeout { .. } => TIMEOUT,
            ErrorKind::Resolve { .. } => RESOLVE,
            ErrorKind::Connect { .. } => CONNECT,
            ErrorKind::Tls { .. } => TLS,
            ErrorKind::Transport { .. } => TRANSPORT,
            ErrorKind::InvalidResponse(_) => INVALID_RESPONSE,
            ErrorKind::TooLarge { .. }
            | ErrorKind::HeaderTooLarge { .. }
            | ErrorKind::TooManyNodes { .. } => RESPONSE_TOO_LARGE,
            ErrorKind::Internal(_) => INTERNAL,
            ErrorKind::Resource(_) => RESOURCE,
            ErrorKind::Status => i32::from(self.status()),
        }
    }

    /// `status_code` of the envelope, else the answer's own status; 0: there was no response.
    pub fn http_status(&self) -> i32 {
        let named = self.response.as_ref().and_then(|response| response.envelope_status);
        i32::from(named.unwrap_or_else(|| self.status()))
    }

    fn status(&self) -> u16 {
        self.response.as_ref().map_or(0, |response| response.status)
    }

    /// `http_error_type` of the envelope.
    pub fn http_error_type(&self) -> Option<&str> {
        self.response.as_ref()?.http_error_type.as_deref()
    }

    /// `error_code` of the envelope.
    pub fn api_code(&self) -> Option<&str> {
        self.response.as_ref()?.api_code.as_deref()
    }

    /// The envelope's `message`, else a sentence made here. Never empty.
    pub fn message(&self) -> Cow<'_, str> {
        let told = self.response.as_ref().and_then(|response| response.message.as_deref());
        told.filter(|_| self.kind == ErrorKind::Status).map_or_else(|| self.to_string().into(), Cow::from)
    }

    /// The id to quote to support.
    pub fn request_id(&self) -> Option<&str> {
        self.response.as_ref()?.request_id.as_deref()
    }

    /// The first bytes of the answer's body.
    pub fn body(&self) -> Option<&[u8]> {
        self.response.as_ref()?.body.as_deref()
    }

    /// What the server's Retry-After says.
    pub fn retry_after(&self) -> Option<Duration> {
        self.response.as_ref()?.retry_after
    }

    /// What the server's Retry-After says, in milliseconds; -1: nothing.
    pub fn retry_after_ms(&self) -> i64 {
        self.retry_after().map_or(-1, |pause| i64::try_from(pause.as_millis()).unwrap_or(i64::MAX))
    }

    /// Whether another try may do better.
    pub fn is_retryable(&self) -> bool {
        matches!(self.kind, ErrorKind::Timeout { .. } | ErrorKind::WaitTimeout { .. }) || self.is_transient()
    }

    /// Whether the failure may pass by itself, so that a call retries it.
    pub fn is_transient(&self) -> bool {
        match &self.kind {
            ErrorKind::Status => is_transient_status(self.code()),
            ErrorKind::Connect { refused, .. } => !refused,
            ErrorKind::Transport { lost, .. } => *lost,
            ErrorKind::Resolve { temporary, .. } => *temporary,
            _ => false,
        }
    }

    /// Tries begun; 0: nothing was begun.
    pub fn attempts(&self) -> u32 {
        self.attempts
    }
}

impl std::error::Error for Error {}

/// Whether another attempt may succeed after a response with this status.
pub fn is_transient_status(status: i32) -> bool {
    matches!(status, 408 | 429 | 500 | 502 | 503 | 504)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn status(status: u16) -> Error {
        Error::from(ErrorKind::Status).with_response(ResponseDetails { status, ..ResponseDetails::default() })
    }

    #[test]
    fn statuses_that_may_pass_are_tried_again_and_no_others() {
        for code in 100..=999 {
            assert_eq!(status(code).is_transient(), [408, 429, 500, 502, 503, 504].contains(&code), "{code}");
        }
    }

    #[test]
    fn failures_that_may_pass_are_tried_again_and_no_others() {
        let text = String::new;
        let cases = [
            (ErrorKind::Connect { peer: text(), reason: text(), refused: false }, true),
            (ErrorKind::Connect { peer: text(), reason: text(), refused: true }, false),
            (ErrorKind::Transport { peer: text(), reason: text(), lost: true }, true),
            (ErrorKind::Transport { peer: text(), reason: text(), lost: false }, false),
            (ErrorKind::Resolve { host: text(), reason: text(), temporary: true }, true),
            (ErrorKind::Resolve { host: text(), reason: text(), temporary: false }, false),
            (ErrorKind::Tls { peer: text(), reason: text() }, false),
            (ErrorKind::Cancelled { phase: Default::default() }, false),
            (ErrorKind::Timeout { limit: Duration::ZERO, phase: Default::default(), peer: text() }, false),
            (ErrorKind::InvalidArgument(text()), false),
            (ErrorKind::InvalidResponse(text()), false),
            (ErrorKind::TooLarge { limit: 1 }, false),
            (ErrorKind::Resource(text()), false),
            (ErrorKind::Internal(text()), false),
        ];
        for (kind, expected) in cases {
            assert_eq!(Error::from(kind.clone()).is_transient(), expected, "{kind:?}");
        }
    }
}
