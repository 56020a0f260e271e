//! The limits of a call: its deadline and its cancel token. Everything that blocks does so through a [`CallContext`].

use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use crate::cancel::CancelToken;
use crate::sys::{self, Interest};

/// How often the flag of a token is checked that has no pipe to poll.
const FLAG_INTERVAL: Duration = Duration::from_millis(10);

/// Why a call ended early.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Interruption {
    /// The token was cancelled.
    Cancelled,
    /// The deadline passed.
    TimedOut,
}

/// The limits of a call, or of one phase of it: a deadline and a cancel token, both optional.
#[derive(Debug, Clone, Default)]
pub(crate) struct CallContext {
    deadline: Option<Instant>,
    token: Option<Arc<CancelToken>>,
}

impl CallContext {
    /// A context whose deadline is `timeout` from now. There is none if `timeout` is `None` or beyond the clock's range.
    pub fn new(timeout: Option<Duration>, token: Option<Arc<CancelToken>>) -> CallContext {
        CallContext { deadline: timeout.and_then(|timeout| Instant::now().checked_add(timeout)), token }
    }

    /// The same token, with the earlier of this deadline and `timeout` from now.
    pub fn with_timeout(&self, timeout: Option<Duration>) -> CallContext {
        let other = timeout.and_then(|timeout| Instant::now().checked_add(timeout));
        let deadline = match (self.deadline, other) {
            (Some(one), Some(other)) => Some(one.min(other)),
            (one, other) => one.or(other),
        };
        CallContext { deadline, token: self.token.clone() }
    }

    /// Fails once the token is cancelled or the deadline has passed. Cancellation takes precedence.
    pub fn check(&self) -> Result<(), Interruption> {
        if self.token.as_ref().is_some_and(|token| token.is_cancelled()) {
            return Err(Interruption::Cancelled);
        }
        if self.remaining().is_some_and(|remaining| remaining.is_zero()) {
            return Err(Interruption::TimedOut);
        }
        Ok(())
    }

    /// The time until the deadline, or `None` if there is no deadline.
    pub fn remaining(&self) -> Option<Duration> {
        self.deadline.map(|deadline| deadline.saturating_duration_since(Instant::now()))
    }

    /// Whether the call has a token, so that a blocking system call must also watch its pipe.
    pub fn has_token(&self) -> bool {
        self.token.is_some()
    }

    /// Waits until one of the interests may be ready, and fails once the token is cancelled or the deadline has passed.
    /// It may return early: the caller attempts the operation and waits again if it would block.
    pub fn wait(&self, interests: &[Interest<'_>]) -> Result<(), Interruption> {
        let signal = self.token.as_ref().and_then(|token| token.signal());
        let checks_flag = self.token.is_some() && signal.is_none();
        loop {
            self.check()?;
            let timeout = match self.remaining() {
                Some(remaining) if checks_flag => Some(remaining.min(FLAG_INTERVAL)),
                None if checks_flag => Some(FLAG_INTERVAL),
                remaining => remaining,
            };
            match sys::poll(interests, signal, timeout) {
                Ok(true) => return Ok(()),
                Ok(false) => {}
                Err(_) => {
                    // The kernel is out of memory, or RLIMIT_NOFILE is lower than the number of interests. Let the caller
                    // attempt the operation again, but without spinning.
                    thread::sleep(FLAG_INTERVAL);
                    return self.check();
                }
            }
        }
    }

    /// Waits for this long, and fails early once the token is cancelled or the deadline has passed.
    pub fn pause(&self, length: Duration) -> Result<(), Interruption> {
        let pause = self.with_timeout(Some(length));
        loop {
            match pause.wait(&[]) {
                Ok(()) => {}
                // Either the pause is over or the deadline of the call has passed.
                Err(Interruption::TimedOut) => return self.check(),
                Err(Interruption::Cancelled) => return Err(Interruption::Cancelled),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cancellation_precedes_the_deadline() {
        let token = Arc::new(CancelToken::new());
        let context = CallContext::new(Some(Duration::ZERO), Some(token.clone()));
        assert_eq!(context.check(), Err(Interruption::TimedOut));
        token.cancel();
        assert_eq!(context.check(), Err(Interruption::Cancelled));
    }

    #[test]
    fn earlier_deadline_applies_and_distant_one_is_none() {
        let unlimited = CallContext::new(Some(Duration::MAX), None);
        assert_eq!(unlimited.remaining(), None);
        assert_eq!(unlimited.check(), Ok(()));
        let short = unlimited.with_timeout(Some(Duration::from_secs(1)));
        assert!(short.remaining() <= Some(Duration::from_secs(1)));
        assert!(
            short.with_timeout(Some(Duration::from_secs(60))).remaining() <= Some(Duration::from_secs(1))
        );
        assert!(short.with_timeout(None).remaining().is_some());
    }
}
