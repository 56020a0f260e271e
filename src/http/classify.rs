//! Turns the failures of an exchange into errors.

use super::Http;
use super::exchange::Exchange;
use super::failure::{Failure, HEADER_TOO_LARGE, UreqError};
use super::proxy::Proxy;
use super::response::{BodyError, BodyFault};
use crate::context::Interruption;
use crate::error::message::{connect, document, wire as message};
use crate::error::{ErrorKind, Phase, is_transient_status};

impl Http {
    /// The error of an exchange that failed. A failure that the connection recorded takes precedence over the one that
    /// ureq reports.
    pub(super) fn classify(&self, error: UreqError, exchange: Exchange) -> ErrorKind {
        match exchange.failure {
            Some(Failure::Other(kind)) => kind,
            Some(Failure::Lost(reason)) => self.lost(reason),
            Some(Failure::InvalidFraming) => self.not_http(message::INVALID_FRAMING.into()),
            Some(Failure::Interrupted(interruption)) => self.interrupted(interruption, exchange.phase),
            None => self.classify_ureq(error, &exchange),
        }
    }

    fn classify_ureq(&self, error: UreqError, exchange: &Exchange) -> ErrorKind {
        match error {
            UreqError::Ended => self.lost(message::closed(exchange.phase)),
            // The stream ended before the last line of a chunked body.
            UreqError::Stalled if exchange.has_ended => self.lost(message::closed(exchange.phase)),
            UreqError::Stalled => self.not_http(message::INVALID_FRAMING.into()),
            UreqError::HeaderTooLarge => HEADER_TOO_LARGE,
            UreqError::Protocol(reason) => self.not_http(reason),
            UreqError::Connection => ErrorKind::Internal(message::NO_REASON.into()),
            UreqError::Other(reason) => ErrorKind::Internal(reason),
        }
    }

    /// The reason why the body of a response is incomplete.
    pub(super) fn classify_body(&self, error: BodyError, exchange: Exchange) -> BodyFault {
        BodyFault::Failed(match error {
            BodyError::Encoded(encoding) => return BodyFault::Encoded(encoding),
            BodyError::TooLarge => ErrorKind::TooLarge { limit: self.config.max_response_bytes },
            BodyError::OutOfMemory => ErrorKind::Resource(document::RESPONSE_DOES_NOT_FIT.into()),
            BodyError::GzipCutOff => self.lost(message::GZIP_CUT_OFF.into()),
            BodyError::InvalidGzip => ErrorKind::InvalidResponse(message::INVALID_GZIP.into()),
            BodyError::InvalidFraming => self.not_http(message::INVALID_FRAMING.into()),
            BodyError::Interrupted(interruption) => self.interrupted(interruption, exchange.phase),
            BodyError::Ureq(error) => self.classify(error, exchange),
        })
    }

    /// The error of a lost connection, which a retry may recover from.
    pub(super) fn lost(&self, reason: String) -> ErrorKind {
        ErrorKind::Transport { peer: self.peer(), reason, lost: true }
    }

    /// The error of a response that violates HTTP.
    fn not_http(&self, reason: String) -> ErrorKind {
        ErrorKind::Transport { peer: self.peer(), reason, lost: false }
    }

    /// The error of a request that the proxy did not forward, but responded to itself.
    pub(super) fn refused_by_proxy(&self, status: u16) -> ErrorKind {
        let proxy = self.config.proxy.as_ref().map(Proxy::peer).unwrap_or_default();
        ErrorKind::Connect {
            peer: connect::proxy_peer(&proxy),
            reason: message::responded_with(status),
            refused: !is_transient_status(status.into()),
        }
    }

    /// The error of a call that was cancelled or timed out.
    pub fn interrupted(&self, interruption: Interruption, phase: Phase) -> ErrorKind {
        match interruption {
            Interruption::Cancelled => ErrorKind::Cancelled { phase },
            Interruption::TimedOut => ErrorKind::Timeout {
                limit: self.config.timeout.unwrap_or_default(),
                phase,
                peer: self.peer(),
            },
        }
    }
}
