//! Failures of an exchange, and which error each of them is.

use super::Http;
use super::exchange::Exchange;
use super::head_filter::{MAX_FIELDS, MAX_HEADER};
use super::proxy::Proxy;
use super::response::{BodyError, BodyFault};
use super::socket::Fault;
use crate::context::Interruption;
use crate::error::message::wire as message;
use crate::error::{ErrorKind, Phase, is_transient_status};
use crate::sys::exhausted_resource;

/// The header of a response exceeds a limit.
pub const HEADER_TOO_LARGE: ErrorKind = ErrorKind::HeaderTooLarge { bytes: MAX_HEADER, fields: MAX_FIELDS };

/// A failure of the connection, without what only the caller knows of it: the peer and the limits.
#[derive(Debug)]
pub enum Failure {
    /// The deadline passed, or the token was cancelled.
    Interrupted(Interruption),
    /// The connection was lost, for this reason.
    Lost(String),
    /// Any other failure.
    Other(ErrorKind),
}

impl From<ErrorKind> for Failure {
    fn from(kind: ErrorKind) -> Failure {
        Failure::Other(kind)
    }
}

impl From<Interruption> for Failure {
    fn from(interruption: Interruption) -> Failure {
        Failure::Interrupted(interruption)
    }
}

impl From<Fault> for Failure {
    fn from(fault: Fault) -> Failure {
        match fault {
            Fault::Interrupted(interruption) => Failure::Interrupted(interruption),
            Fault::Lost(error) => match exhausted_resource(&error) {
                Some(resource) => Failure::Other(ErrorKind::Resource(resource.to_string())),
                None => Failure::Lost(message::describe_io_error(&error)),
            },
        }
    }
}

/// What ureq reports when an exchange fails.
#[derive(Debug, PartialEq)]
pub enum UreqError {
    /// The connection has failed: the exchange has the reason.
    Connection,
    /// The stream ended within the response.
    Ended,
    /// The header of the response exceeds a limit.
    HeaderTooLarge,
    /// The response is not HTTP, for this reason.
    Protocol(String),
    /// The framing of the body makes no progress.
    Stalled,
    /// Anything else, which is a defect of this library.
    Other(String),
}

impl Http {
    /// The error of an exchange without a response. A failure of the connection takes precedence over what ureq made of it.
    pub(super) fn classify(&self, error: UreqError, exchange: Exchange) -> ErrorKind {
        match exchange.failure {
            Some(Failure::Other(kind)) => kind,
            Some(Failure::Lost(reason)) => self.lost(reason),
            Some(Failure::Interrupted(interruption)) => self.interrupted(interruption, exchange.phase),
            None => self.classify_ureq(error, &exchange),
        }
    }

    fn classify_ureq(&self, error: UreqError, exchange: &Exchange) -> ErrorKind {
        let not_http = |reason| ErrorKind::Transport { peer: self.peer(), reason, lost: false };
        match error {
            UreqError::Ended => self.lost(message::closed(exchange.phase)),
            // A chunked body that ends before its last line.
            UreqError::Stalled if exchange.has_ended => self.lost(message::closed(exchange.phase)),
            UreqError::Stalled => not_http(message::INVALID_FRAMING.into()),
            UreqError::HeaderTooLarge => HEADER_TOO_LARGE,
            UreqError::Protocol(reason) => not_http(reason),
            UreqError::Connection => ErrorKind::Internal(message::NO_REASON.into()),
            UreqError::Other(reason) => ErrorKind::Internal(reason),
        }
    }

    /// Why the body of a response is not whole.
    pub(super) fn classify_body(&self, error: BodyError, exchange: Exchange) -> BodyFault {
        BodyFault::Failed(match error {
            BodyError::Encoded(encoding) => return BodyFault::Encoded(encoding),
            BodyError::TooLarge => ErrorKind::TooLarge { limit: self.max_response_bytes },
            BodyError::OutOfMemory => ErrorKind::Resource(message::BODY_EXCEEDS_MEMORY.into()),
            BodyError::GzipCutOff => self.lost(message::GZIP_CUT_OFF.into()),
            BodyError::InvalidGzip => ErrorKind::InvalidResponse(message::INVALID_GZIP.into()),
            BodyError::Interrupted(interruption) => self.interrupted(interruption, exchange.phase),
            BodyError::Ureq(error) => self.classify(error, exchange),
        })
    }

    /// The connection was lost, so that a retry may succeed.
    pub(super) fn lost(&self, reason: String) -> ErrorKind {
        ErrorKind::Transport { peer: self.peer(), reason, lost: true }
    }

    /// The proxy has responded to a request that it should have forwarded.
    pub(super) fn refused_by_proxy(&self, status: u16) -> ErrorKind {
        let proxy = self.proxy.as_ref().map(Proxy::peer).unwrap_or_default();
        ErrorKind::Connect {
            peer: format!("the proxy {proxy}"),
            reason: message::responded_with(status),
            refused: !is_transient_status(status.into()),
        }
    }

    /// The error of a call that was cancelled or timed out.
    pub fn interrupted(&self, interruption: Interruption, phase: Phase) -> ErrorKind {
        match interruption {
            Interruption::Cancelled => ErrorKind::Cancelled { phase },
            Interruption::TimedOut => {
                ErrorKind::Timeout { limit: self.timeout.unwrap_or_default(), phase, peer: self.peer() }
            }
        }
    }
}
