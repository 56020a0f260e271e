//! The state of one exchange: a request and the response to it.

use std::sync::Arc;

use super::credentials::Credentials;
use super::failure::Failure;
use super::framing::FramingFault;
use crate::context::CallContext;
use crate::error::Phase;

/// What a connection needs to know about the exchange that it carries, and what it records about it.
#[derive(Debug)]
pub struct Exchange {
    /// The deadline and the token of the call.
    pub context: CallContext,
    /// Added to the head of the request as it is sent.
    pub credentials: Arc<Credentials>,
    /// The current phase.
    pub phase: Phase,
    /// The connection was established for this exchange.
    pub is_fresh: bool,
    /// At least one byte of the response has arrived.
    pub has_received: bool,
    /// The peer has ended the stream.
    pub has_ended: bool,
    /// Why the framing of the body is invalid, as far as it has arrived.
    pub framing_fault: Option<FramingFault>,
    /// Why the connection has failed.
    pub failure: Option<Failure>,
}

impl Exchange {
    /// An exchange that has not begun.
    pub fn new(context: &CallContext, credentials: &Arc<Credentials>) -> Exchange {
        Exchange {
            context: context.clone(),
            credentials: credentials.clone(),
            phase: Phase::Starting,
            is_fresh: false,
            has_received: false,
            has_ended: false,
            framing_fault: None,
            failure: None,
        }
    }

    /// Whether the server closed the connection while it was idle: the connection is a reused one, and was lost before
    /// any byte of the response arrived, or the server no longer accepts this client on it.
    pub fn is_stale(&self) -> bool {
        let is_lost = match self.failure {
            None => self.has_ended,
            Some(Failure::Lost(_) | Failure::Refused(_)) => true,
            Some(_) => false,
        };
        is_lost && !self.is_fresh && !self.has_received
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_reused_connection_that_was_lost_is_stale() -> Result<(), String> {
        let credentials = Arc::new(Credentials::session_token(b"token")?);
        let exchange = || Exchange::new(&CallContext::default(), &credentials);
        let lost = || Some(Failure::Lost("connection reset".into()));
        let interrupted = Some(Failure::Interrupted(crate::context::Interruption::TimedOut));
        assert!(!exchange().is_stale());
        assert!(Exchange { has_ended: true, ..exchange() }.is_stale());
        assert!(Exchange { failure: lost(), ..exchange() }.is_stale());
        let refused = Some(Failure::Refused("access denied".into()));
        assert!(Exchange { failure: refused, ..exchange() }.is_stale());
        assert!(!Exchange { failure: lost(), is_fresh: true, ..exchange() }.is_stale());
        assert!(!Exchange { failure: lost(), has_received: true, ..exchange() }.is_stale());
        assert!(!Exchange { failure: interrupted, has_ended: true, ..exchange() }.is_stale());
        Ok(())
    }
}
