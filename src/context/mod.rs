//! The limits of a call: its deadline and its cancel token. Code that blocks does so only through a [`CallContext`].

#[cfg(test)]
pub mod virtual_time;

use std::io;
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use crate::cancel::CancelToken;
use crate::log::{CallLog, Event, Level, Log};
use crate::sys::signal::Signal;
use crate::sys::{self, Interest};
#[cfg(test)]
use virtual_time::VirtualTime;

/// How often the flag of a token without a signal is checked.
const FLAG_INTERVAL: Duration = Duration::from_millis(10);

/// Why a call ended early.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Interruption {
    /// The token was cancelled.
    Cancelled,
    /// The deadline passed.
    TimedOut,
}

/// The monotonic clock. Unit tests can replace it with a virtual one, whose time passes only while a call waits.
#[derive(Debug, Clone, Default)]
pub struct Clock {
    #[cfg(test)]
    virtual_time: Option<Arc<VirtualTime>>,
}

impl Clock {
    /// The current time.
    pub fn now(&self) -> Instant {
        #[cfg(test)]
        if let Some(time) = &self.virtual_time {
            return time.now();
        }
        Instant::now()
    }

    /// Waits for the interests and the signals as [`sys::poll`] does.
    fn poll(
        &self,
        interests: &[Interest<'_>],
        signals: [Option<&Signal>; 2],
        timeout: Option<Duration>,
    ) -> io::Result<bool> {
        #[cfg(test)]
        if let Some(time) = &self.virtual_time {
            time.advance(timeout.expect("a wait without a timeout never ends in virtual time"));
            return Ok(false);
        }
        sys::poll(interests, signals, timeout)
    }
}

/// The limits of a call, or of one phase of it: a deadline and cancel tokens, all optional.
#[derive(Debug, Clone)]
pub struct CallContext {
    clock: Clock,
    begin: Instant,
    deadline: Option<Instant>,
    /// The token of the caller, and that of the queue that makes the call.
    tokens: [Option<Arc<CancelToken>>; 2],
    log: CallLog,
}

impl Default for CallContext {
    fn default() -> CallContext {
        CallContext::new(Clock::default(), None, None)
    }
}

impl CallContext {
    /// The context of a call that begins now. Its deadline is `timeout` from now, or none if `timeout` is `None` or beyond
    /// the range of the clock.
    pub fn new(clock: Clock, timeout: Option<Duration>, token: Option<Arc<CancelToken>>) -> CallContext {
        let begin = clock.now();
        let deadline = timeout.and_then(|timeout| begin.checked_add(timeout));
        CallContext { clock, begin, deadline, tokens: [token, None], log: CallLog::default() }
    }

    /// The same context with another token, which cancels the call as well.
    pub fn with_token(mut self, token: Option<&Arc<CancelToken>>) -> CallContext {
        self.tokens[1] = token.cloned();
        self
    }

    /// The same context with a log.
    pub fn with_log(mut self, log: Option<&Log>) -> CallContext {
        if let Some(log) = log {
            self.log = log.begin_call(self.begin);
        }
        self
    }

    /// The context of a poll that begins now: the same tokens, with the earlier of this deadline and `timeout` from now.
    pub fn begin_poll(&mut self, timeout: Option<Duration>) -> CallContext {
        self.log.begin_poll();
        CallContext { begin: self.now(), ..self.with_timeout(timeout) }
    }

    /// The same tokens, with the earlier of this deadline and `timeout` from now.
    pub fn with_timeout(&self, timeout: Option<Duration>) -> CallContext {
        let other = timeout.and_then(|timeout| self.clock.now().checked_add(timeout));
        let deadline = match (self.deadline, other) {
            (Some(one), Some(other)) => Some(one.min(other)),
            (one, other) => one.or(other),
        };
        CallContext {
            clock: self.clock.clone(),
            begin: self.begin,
            deadline,
            tokens: self.tokens.clone(),
            log: self.log.clone(),
        }
    }

    /// The same context, to log what concerns this connection.
    pub fn on_connection(&self, number: usize) -> CallContext {
        let mut context = self.clone();
        context.log.set_connection(number);
        context
    }

    /// The current time.
    pub fn now(&self) -> Instant {
        self.clock.now()
    }

    /// The time since the call or the poll began.
    pub fn elapsed(&self) -> Duration {
        self.now().saturating_duration_since(self.begin)
    }

    /// The time that the call or the poll had when it began, or `None` if there is no deadline.
    pub fn limit(&self) -> Option<Duration> {
        self.deadline.map(|deadline| deadline.saturating_duration_since(self.begin))
    }

    /// The deadline.
    pub fn deadline(&self) -> Option<Instant> {
        self.deadline
    }

    /// The log of the call.
    pub fn log(&self) -> &CallLog {
        &self.log
    }

    /// The log of the call, to select a poll or a connection.
    pub fn log_mut(&mut self) -> &mut CallLog {
        &mut self.log
    }

    /// Logs a problem that the call recovers from.
    pub fn warn<'e>(&self, event: impl FnOnce() -> Event<'e>) {
        self.log.log(Level::Warn, || self.now(), event);
    }

    /// Logs the end of a call or a poll.
    pub fn info<'e>(&self, event: impl FnOnce() -> Event<'e>) {
        self.log.log(Level::Info, || self.now(), event);
    }

    /// Logs a phase of a call.
    pub fn debug<'e>(&self, event: impl FnOnce() -> Event<'e>) {
        self.log.log(Level::Debug, || self.now(), event);
    }

    /// Fails once a token is cancelled or the deadline has passed. Cancellation takes precedence.
    pub fn check(&self) -> Result<(), Interruption> {
        self.check_remaining().map(|_| ())
    }

    /// The time until the deadline, or `None` if there is no deadline. Fails as [`check`](CallContext::check) does.
    pub fn check_remaining(&self) -> Result<Option<Duration>, Interruption> {
        if self.tokens.iter().flatten().any(|token| token.is_cancelled()) {
            return Err(Interruption::Cancelled);
        }
        match self.remaining() {
            Some(Duration::ZERO) => Err(Interruption::TimedOut),
            remaining => Ok(remaining),
        }
    }

    /// The time until the deadline, or `None` if there is no deadline.
    pub fn remaining(&self) -> Option<Duration> {
        self.deadline.map(|deadline| deadline.saturating_duration_since(self.clock.now()))
    }

    /// Whether the call has a token, so that whatever blocks must also wait for its signal.
    pub fn has_token(&self) -> bool {
        self.tokens.iter().any(Option::is_some)
    }

    /// Whether a queue makes the call. Such a call has tens of milliseconds to end once it is cancelled.
    pub fn is_of_queue(&self) -> bool {
        self.tokens[1].is_some()
    }

    /// Waits until one of the interests may be ready, and fails once a token is cancelled or the deadline has passed.
    /// It may return early: the caller attempts the operation and waits again if it would block.
    pub fn wait(&self, interests: &[Interest<'_>]) -> Result<(), Interruption> {
        let tokens = self.tokens.each_ref().map(Option::as_ref);
        let signals = tokens.map(|token| token.and_then(|token| token.signal()));
        let checks_flag = tokens.iter().flatten().count() > signals.iter().flatten().count();
        loop {
            let timeout = match self.check_remaining()? {
                Some(remaining) if checks_flag => Some(remaining.min(FLAG_INTERVAL)),
                None if checks_flag => Some(FLAG_INTERVAL),
                remaining => remaining,
            };
            match self.clock.poll(interests, signals.each_ref().map(Option::as_deref), timeout) {
                Ok(true) => return Ok(()),
                Ok(false) => {}
                Err(_) => {
                    // The kernel is out of memory, or RLIMIT_NOFILE is lower than the number of interests. Let the
                    // caller attempt the operation again, but without spinning.
                    thread::sleep(FLAG_INTERVAL);
                    return self.check();
                }
            }
        }
    }

    /// Waits for this long, and fails early once a token is cancelled or the deadline has passed.
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
        let context = CallContext::new(Clock::default(), Some(Duration::ZERO), Some(token.clone()));
        assert_eq!(context.check(), Err(Interruption::TimedOut));
        token.cancel();
        assert_eq!(context.check(), Err(Interruption::Cancelled));
    }

    #[test]
    fn earlier_deadline_applies_and_distant_one_is_none() {
        let unlimited = CallContext::new(Clock::default(), Some(Duration::MAX), None);
        assert_eq!(unlimited.remaining(), None);
        assert_eq!(unlimited.check(), Ok(()));
        let short = unlimited.with_timeout(Some(Duration::from_secs(1)));
        assert!(short.remaining() <= Some(Duration::from_secs(1)));
        assert!(
            short.with_timeout(Some(Duration::from_secs(60))).remaining() <= Some(Duration::from_secs(1))
        );
        assert!(short.with_timeout(None).remaining().is_some());
    }

    #[test]
    fn virtual_time_passes_in_pauses_alone() {
        let time = VirtualTime::new();
        let token = Arc::new(CancelToken::new());
        let context = CallContext::new(time.clock(), Some(Duration::from_secs(10)), Some(token.clone()));
        assert_eq!(context.remaining(), Some(Duration::from_secs(10)));
        assert_eq!(context.pause(Duration::from_secs(3)), Ok(()));
        assert_eq!(context.remaining(), Some(Duration::from_secs(7)));
        assert_eq!(context.pause(Duration::from_secs(8)), Err(Interruption::TimedOut));
        assert_eq!(time.elapsed(), Duration::from_secs(10));
        time.cancel_at(Duration::from_secs(15), &token);
        let unlimited = CallContext::new(time.clock(), None, Some(token));
        assert_eq!(unlimited.pause(Duration::from_secs(3600)), Err(Interruption::Cancelled));
        assert_eq!(time.elapsed(), Duration::from_secs(15));
    }
}
