//! Turns the failures of an exchange into errors.

use super::Http;
use super::exchange::Exchange;
use super::failure::{Failure, HEADER_TOO_LARGE, UreqError};
use super::proxy::Proxy;
use super::response::{BodyError, BodyFault};
use crate::context::{CallContext, Interruption};
use crate::error::message::{connect, document, wire as message};
use crate::error::{ErrorKind, Phase};

impl Http {
    /// The error of an exchange that failed. A failure that the connection recorded takes precedence over the one that
    /// ureq reports.
    pub(super) fn classify(&self, error: UreqError, exchange: Exchange) -> ErrorKind {
        match exchange.failure {
            Some(Failure::Other(kind)) => self.with_proxy(kind, exchange.phase),
            Some(Failure::Lost(reason)) => self.lost(reason),
            Some(Failure::Refused(reason)) => ErrorKind::Tls { peer: self.remote(), reason },
            Some(Failure::InvalidFraming) => self.not_http(message::INVALID_FRAMING.into()),
            Some(Failure::Interrupted(why)) => self.interrupted(&exchange.context, why, exchange.phase),
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
            BodyError::GzipCutOff => ErrorKind::CutOff { within: message::GZIP_STREAM },
            BodyError::InvalidGzip => ErrorKind::InvalidResponse(message::INVALID_GZIP.into()),
            BodyError::InvalidFraming => self.not_http(message::INVALID_FRAMING.into()),
            BodyError::Interrupted(why) => self.interrupted(&exchange.context, why, exchange.phase),
            BodyError::Ureq(error) => self.classify(error, exchange),
        })
    }

    /// The error of a lost connection, which a retry may recover from.
    pub(super) fn lost(&self, reason: String) -> ErrorKind {
        ErrorKind::Transport { peer: self.remote(), reason, lost: true }
    }

    /// The error of a request that the proxy did not forward, but responded to itself, for lack of a valid login.
    pub(super) fn refused_by_proxy(&self, proxy: &Proxy) -> ErrorKind {
        let reason = connect::proxy_login_refused(proxy.login.is_some());
        self.proxy_error(proxy, &reason, true)
    }

    fn proxy_error(&self, proxy: &Proxy, reason: &str, refused: bool) -> ErrorKind {
        let reason = connect::with_proxy_setting(reason, proxy.setting);
        ErrorKind::Proxy { proxy: proxy.peer(), server: self.peer(), reason, refused }
    }

    /// A failure to establish a connection, with the part that the proxy has in it.
    fn with_proxy(&self, kind: ErrorKind, phase: Phase) -> ErrorKind {
        let Some(proxy) = &self.config.proxy else { return kind };
        let is_proxy = |host: &str| host == proxy.host.to_string() && proxy.host != self.config.base.host;
        match kind {
            ErrorKind::Connect { reason, refused, .. } if phase == Phase::Proxy => {
                self.proxy_error(proxy, &reason, refused)
            }
            ErrorKind::Connect { reason, refused, .. } => {
                let reason = connect::with_proxy_setting(&reason, proxy.setting);
                let is_first_hop = phase == Phase::Connecting;
                let peer = if is_first_hop { connect::proxy_peer(&proxy.peer()) } else { self.remote() };
                ErrorKind::Connect { peer, reason, refused }
            }
            ErrorKind::Resolve { host, reason, temporary } if is_proxy(&host) => ErrorKind::Resolve {
                host: connect::proxy_peer(&host),
                reason: connect::with_proxy_setting(&reason, proxy.setting),
                temporary,
            },
            other => other,
        }
    }

    /// The error of a response that violates HTTP.
    fn not_http(&self, reason: String) -> ErrorKind {
        ErrorKind::Transport { peer: self.remote(), reason, lost: false }
    }

    /// The server, and the proxy in between if there is one.
    fn remote(&self) -> String {
        match &self.config.proxy {
            Some(proxy) => connect::through_proxy(&self.peer(), &proxy.peer()),
            None => self.peer(),
        }
    }

    /// The error of a call that was cancelled or timed out.
    pub fn interrupted(&self, context: &CallContext, why: Interruption, phase: Phase) -> ErrorKind {
        match why {
            Interruption::Cancelled => ErrorKind::Cancelled { phase },
            Interruption::TimedOut => ErrorKind::Timeout {
                limit: context.limit().unwrap_or_default(),
                phase,
                peer: match &self.config.proxy {
                    Some(proxy) => connect::with_proxy_setting(&self.remote(), proxy.setting),
                    None => self.peer(),
                },
            },
        }
    }
}
