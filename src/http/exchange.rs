//! The state of one exchange: a request and the response to it.

use std::sync::Arc;
use std::time::Instant;

use super::credentials::Credentials;
use super::failure::Failure;
use super::framing::FramingFault;
use crate::context::CallContext;
use crate::error::Phase;
use crate::redact::Redactor;
use crate::timing::{AttemptReport, Stopwatch, Timing};

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
    /// The number of bytes of the response that have arrived.
    pub received: u64,
    /// The peer has ended the stream.
    pub has_ended: bool,
    /// Why the framing of the body is invalid, as far as it has arrived.
    pub framing_fault: Option<FramingFault>,
    /// Why the connection has failed.
    pub failure: Option<Failure>,
    /// The number of the connection; 0 if there is none yet.
    pub connection: usize,
    /// Redacts what is logged of a response, if that is logged.
    pub redactor: Option<Arc<Redactor>>,
    stopwatch: Stopwatch,
}

impl Exchange {
    /// An exchange that has not begun.
    pub fn new(
        context: &CallContext,
        credentials: &Arc<Credentials>,
        redactor: Option<Arc<Redactor>>,
    ) -> Exchange {
        Exchange {
            context: context.clone(),
            credentials: credentials.clone(),
            phase: Phase::Starting,
            is_fresh: false,
            received: 0,
            has_ended: false,
            framing_fault: None,
            failure: None,
            connection: 0,
            redactor,
            stopwatch: Stopwatch::default(),
        }
    }

    /// Begins a phase, and the part of the call that it is timed as.
    pub fn enter(&mut self, phase: Phase) {
        self.phase = phase;
        self.begin(match phase {
            Phase::Resolving | Phase::QueuedLookup { .. } => Timing::Resolve,
            Phase::Connecting | Phase::Proxy => Timing::Connect,
            Phase::Handshake => Timing::Tls,
            Phase::Sending | Phase::Waiting => Timing::FirstByte,
            Phase::Receiving => Timing::Transfer,
            Phase::Starting | Phase::Backoff | Phase::Polling => return,
        });
    }

    fn begin(&mut self, timing: Timing) {
        self.stopwatch.begin(timing, || self.context.now());
    }

    /// Uses this connection.
    pub fn set_connection(&mut self, number: usize) {
        self.connection = number;
        self.context.log_mut().set_connection(number);
    }

    /// Records that bytes of the response have arrived, or that the peer has ended the stream if there are none.
    pub fn record(&mut self, received: usize) {
        if received == 0 {
            self.has_ended = true;
        } else if self.received == 0 {
            self.begin(Timing::Transfer);
        }
        self.received += received as u64;
    }

    /// Ends the exchange. Returns what it went through.
    pub fn finish(&mut self, now: Instant) -> AttemptReport {
        self.stopwatch.stop(now);
        AttemptReport {
            timings: self.stopwatch.timings(),
            received: self.received,
            unpacked: 0,
            connection: self.connection,
            is_reused: self.connection != 0 && !self.is_fresh,
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
        is_lost && !self.is_fresh && self.received == 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_reused_connection_that_was_lost_is_stale() -> Result<(), String> {
        let credentials = Arc::new(Credentials::session_token(b"token")?);
        let exchange = || Exchange::new(&CallContext::default(), &credentials, None);
        let lost = || Some(Failure::Lost("connection reset".into()));
        let interrupted = Some(Failure::Interrupted(crate::context::Interruption::TimedOut));
        assert!(!exchange().is_stale());
        assert!(Exchange { has_ended: true, ..exchange() }.is_stale());
        assert!(Exchange { failure: lost(), ..exchange() }.is_stale());
        let refused = Some(Failure::Refused("access denied".into()));
        assert!(Exchange { failure: refused, ..exchange() }.is_stale());
        assert!(!Exchange { failure: lost(), is_fresh: true, ..exchange() }.is_stale());
        assert!(!Exchange { failure: lost(), received: 1, ..exchange() }.is_stale());
        assert!(!Exchange { failure: interrupted, has_ended: true, ..exchange() }.is_stale());
        Ok(())
    }
}
