//! What can go wrong, with what a caller wants to know of it. Every message is made here.

use std::borrow::Cow;
use std::ffi::CStr;
use std::fmt;
use std::time::Duration;

use crate::execution::{Invalid, NODE_MEMORY};

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

impl fmt::Display for Phase {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Phase::Starting => "before it began",
            Phase::Resolving => "while looking up the host name",
            Phase::Connecting => "while connecting",
            Phase::Proxy => "while the proxy was asked for a tunnel",
            Phase::Handshake => "in the TLS handshake",
            Phase::Sending => "while sending the request",
            Phase::Waiting => "while waiting for the answer",
            Phase::Receiving => "while receiving the answer",
            Phase::Pausing => "in the pause before another try",
            Phase::Polling => "in the pause before the next poll",
        })
    }
}

/// What went wrong.
#[derive(Debug, Clone, PartialEq)]
pub enum Kind {
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
    WaitOver {
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
    },
    /// A defect of the library, caught.
    Internal(String),
    /// Out of descriptors, threads or memory; the text says which.
    Resource(String),
    /// An answer with another status than 2xx: what it says is in [`Answer`].
    Status,
}

impl From<Invalid> for Kind {
    fn from(invalid: Invalid) -> Kind {
        match invalid {
            Invalid::OutOfMemory => Kind::Resource("memory is used up: the answer does not fit".into()),
            Invalid::TooManyNodes { most } => Kind::TooManyNodes { limit: most },
            other => Kind::InvalidResponse(other.to_string()),
        }
    }
}

/// What is kept of an answer that became an error.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Answer {
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
    kind: Kind,
    answer: Option<Box<Answer>>,
    attempts: u32,
}

impl From<Kind> for Error {
    fn from(kind: Kind) -> Error {
        Error { kind, answer: None, attempts: 0 }
    }
}

impl Error {
    /// The caller's mistake; `message` names the argument.
    pub fn invalid_argument(message: impl Into<String>) -> Error {
        Kind::InvalidArgument(message.into()).into()
    }

    /// A defect of the library, caught.
    pub fn internal(message: impl Into<String>) -> Error {
        Kind::Internal(message.into()).into()
    }

    /// Memory, descriptors or threads are used up; `message` says which.
    pub fn resource(message: impl Into<String>) -> Error {
        Kind::Resource(message.into()).into()
    }

    /// The same failure with the answer that came before it, or that it is about.
    pub(crate) fn with_answer(mut self, answer: Answer) -> Error {
        self.answer = Some(Box::new(answer));
        self
    }

    /// The same failure after so many tries.
    pub(crate) fn after_attempts(mut self, attempts: u32) -> Error {
        self.attempts = attempts;
        self
    }

    /// What went wrong.
    pub fn kind(&self) -> &Kind {
        &self.kind
    }

    /// The HTTP status of the answer, or the negative code of what went wrong.
    pub fn code(&self) -> i32 {
        match &self.kind {
            Kind::InvalidArgument(_) => -1,
            Kind::Cancelled { .. } => -2,
            Kind::Timeout { .. } | Kind::WaitOver { .. } => -3,
            Kind::Resolve { .. } => -4,
            Kind::Connect { .. } => -5,
            Kind::Tls { .. } => -6,
            Kind::Transport { .. } => -7,
            Kind::InvalidResponse(_) => -8,
            Kind::TooLarge { .. } | Kind::HeaderTooLarge { .. } | Kind::TooManyNodes { .. } => -9,
            Kind::Internal(_) => -10,
            Kind::Resource(_) => -11,
            Kind::Status => i32::from(self.status()),
        }
    }

    /// `status_code` of the envelope, else the answer's own status; 0: there was no answer.
    pub fn http_status(&self) -> i32 {
        let named = self.answer.as_ref().and_then(|answer| answer.envelope_status);
        i32::from(named.unwrap_or_else(|| self.status()))
    }

    fn status(&self) -> u16 {
        self.answer.as_ref().map_or(0, |answer| answer.status)
    }

    /// `http_error_type` of the envelope.
    pub fn http_error_type(&self) -> Option<&str> {
        self.answer.as_ref()?.http_error_type.as_deref()
    }

    /// `error_code` of the envelope.
    pub fn api_code(&self) -> Option<&str> {
        self.answer.as_ref()?.api_code.as_deref()
    }

    /// The envelope's `message`, else a sentence made here. Never empty.
    pub fn message(&self) -> Cow<'_, str> {
        let told = self.answer.as_ref().and_then(|answer| answer.message.as_deref());
        told.filter(|_| self.kind == Kind::Status).map_or_else(|| self.to_string().into(), Cow::from)
    }

    /// The id to quote to support.
    pub fn request_id(&self) -> Option<&str> {
        self.answer.as_ref()?.request_id.as_deref()
    }

    /// The first bytes of the answer's body.
    pub fn body(&self) -> Option<&[u8]> {
        self.answer.as_ref()?.body.as_deref()
    }

    /// What the server's Retry-After says.
    pub fn retry_after(&self) -> Option<Duration> {
        self.answer.as_ref()?.retry_after
    }

    /// What the server's Retry-After says, in milliseconds; -1: nothing.
    pub fn retry_after_ms(&self) -> i64 {
        self.retry_after().map_or(-1, |pause| i64::try_from(pause.as_millis()).unwrap_or(i64::MAX))
    }

    /// Whether another try may do better.
    pub fn is_retryable(&self) -> bool {
        matches!(self.kind, Kind::Timeout { .. } | Kind::WaitOver { .. })
            || crate::retry::is_tried_again(self)
    }

    /// Tries begun; 0: nothing was begun.
    pub fn attempts(&self) -> u32 {
        self.attempts
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.kind {
            Kind::InvalidArgument(message) => f.write_str(message),
            Kind::Cancelled { phase } => write!(f, "the call was cancelled {phase}"),
            Kind::Timeout { limit, phase, peer } => {
                write!(
                    f,
                    "no complete answer from {peer} within {} ms: the time-out passed {phase}",
                    limit.as_millis()
                )
            }
            Kind::WaitOver { limit, last } => {
                write!(f, "the execution had not ended after {} ms: {last}", limit.as_millis())
            }
            Kind::Resolve { host, reason, .. } => write!(f, "could not look up {host}: {reason}"),
            Kind::Connect { peer, reason, .. } => write!(f, "could not connect to {peer}: {reason}"),
            Kind::Tls { peer, reason } => write!(f, "no trusted TLS session with {peer}: {reason}"),
            Kind::Transport { peer, reason, lost: true } => {
                write!(f, "lost the connection to {peer}: {reason}")
            }
            Kind::Transport { peer, reason, lost: false } => {
                write!(f, "no usable HTTP answer from {peer}: {reason}")
            }
            Kind::InvalidResponse(reason) => write!(f, "the answer is not an execution: {reason}"),
            Kind::TooLarge { limit } => write!(
                f,
                "the answer is larger than max_response_bytes ({limit}): \
                 raise it with refold_options_set_max_response_bytes"
            ),
            Kind::HeaderTooLarge { bytes, fields } => {
                write!(
                    f,
                    "the answer's header is larger than {bytes} bytes, or has more than {fields} fields"
                )
            }
            Kind::TooManyNodes { limit } => write!(
                f,
                "the answer has more nodes than fit into {limit} bytes of memory, at {NODE_MEMORY} each: \
                 for calls refold_options_set_max_response_bytes sets the limit"
            ),
            Kind::Internal(message) => write!(f, "internal error of librefold: {message}"),
            Kind::Resource(message) => f.write_str(message),
            Kind::Status => write_status(f, self.status()),
        }
    }
}

impl std::error::Error for Error {}

/// `HTTP 502 Bad Gateway`; without words where the status has none of its own.
pub(crate) fn status_line(status: u16) -> String {
    let known = ureq::http::StatusCode::from_u16(status).ok().and_then(|status| status.canonical_reason());
    known.map_or_else(|| format!("HTTP {status}"), |words| format!("HTTP {status} {words}"))
}

fn write_status(f: &mut fmt::Formatter<'_>, status: u16) -> fmt::Result {
    f.write_str(&status_line(status))?;
    match status {
        300..=303 | 305..=399 => f.write_str(" (redirects are never followed: check the base URL)"),
        _ => Ok(()),
    }
}

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
