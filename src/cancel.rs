//! What ends a call from outside: the caller's token, and the call's deadline.

use std::io::{PipeReader, PipeWriter, Write, pipe};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use crate::once::Process;

/// A switch that ends every call it was handed to, now and later. Once triggered it stays so.
#[derive(Debug)]
pub struct Cancel {
    triggered: AtomicBool,
    /// The process that made the token: a child made by fork shares the pipe, but must not write to it.
    owner: Process,
    /// Readable once triggered, so that a call can wait for its socket and for this at the same time. Absent where
    /// the system had no descriptor to spare: calls then look at the flag every few milliseconds.
    pipe: Option<(PipeReader, PipeWriter)>,
}

impl Cancel {
    /// A token that is not triggered.
    pub fn new() -> Cancel {
        Cancel { triggered: AtomicBool::new(false), owner: Process::current(), pipe: pipe().ok() }
    }

    /// Ends the calls. Stores a flag and writes one byte: a signal handler may do that.
    pub fn trigger(&self) {
        if self.triggered.swap(true, Ordering::SeqCst) {
            return;
        }
        if let Some((_, writer)) = &self.pipe
            && self.owner == Process::current()
        {
            // The first byte into an empty pipe always fits; the flag alone would do, only later.
            let _ = (&*writer).write(&[1]);
        }
    }

    /// Whether it was triggered.
    pub fn is_triggered(&self) -> bool {
        self.triggered.load(Ordering::SeqCst)
    }

    /// What becomes readable when the token is triggered; `None`: look at the flag from time to time.
    pub(crate) fn signal(&self) -> Option<&PipeReader> {
        self.pipe.as_ref().filter(|_| self.owner == Process::current()).map(|(reader, _)| reader)
    }
}

impl Default for Cancel {
    fn default() -> Cancel {
        Cancel::new()
    }
}

/// Why a wait ended before what it waited for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Interruption {
    /// The token was triggered.
    Cancelled,
    /// The deadline passed.
    TimedOut,
}

/// What bounds a call, or one phase of it: a deadline and a token, each of which may be absent.
#[derive(Debug, Clone, Default)]
pub(crate) struct Watch {
    deadline: Option<Instant>,
    cancel: Option<Arc<Cancel>>,
}

impl Watch {
    /// `limit`: from now; `None`, or one too far away to be told: no deadline.
    pub fn new(limit: Option<Duration>, cancel: Option<Arc<Cancel>>) -> Watch {
        Watch { deadline: limit.and_then(|limit| Instant::now().checked_add(limit)), cancel }
    }

    /// The same token, and the earlier of this deadline and `limit` from now.
    pub fn within(&self, limit: Option<Duration>) -> Watch {
        let other = limit.and_then(|limit| Instant::now().checked_add(limit));
        let deadline = match (self.deadline, other) {
            (Some(one), Some(other)) => Some(one.min(other)),
            (one, other) => one.or(other),
        };
        Watch { deadline, cancel: self.cancel.clone() }
    }

    /// An error once the token was triggered or the deadline passed.
    pub fn check(&self) -> Result<(), Interruption> {
        if self.cancel.as_ref().is_some_and(|cancel| cancel.is_triggered()) {
            return Err(Interruption::Cancelled);
        }
        if self.left().is_some_and(|left| left.is_zero()) {
            return Err(Interruption::TimedOut);
        }
        Ok(())
    }

    /// The time until the deadline; `None`: there is none.
    pub fn left(&self) -> Option<Duration> {
        self.deadline.map(|deadline| deadline.saturating_duration_since(Instant::now()))
    }

    /// The token.
    pub fn cancel(&self) -> Option<&Arc<Cancel>> {
        self.cancel.as_ref()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_stays_triggered_and_writes_once() {
        let cancel = Cancel::new();
        assert!(!cancel.is_triggered());
        (0..100_000).for_each(|_| cancel.trigger());
        assert!(cancel.is_triggered());
    }

    #[test]
    fn cancelling_comes_before_the_deadline() {
        let cancel = Arc::new(Cancel::new());
        let watch = Watch::new(Some(Duration::ZERO), Some(cancel.clone()));
        assert_eq!(watch.check(), Err(Interruption::TimedOut));
        cancel.trigger();
        assert_eq!(watch.check(), Err(Interruption::Cancelled));
    }

    #[test]
    fn the_earlier_deadline_holds_and_an_endless_one_is_none() {
        let endless = Watch::new(Some(Duration::MAX), None);
        assert_eq!(endless.left(), None);
        assert_eq!(endless.check(), Ok(()));
        let short = endless.within(Some(Duration::from_secs(1)));
        assert!(short.left() <= Some(Duration::from_secs(1)));
        assert!(short.within(Some(Duration::from_secs(60))).left() <= Some(Duration::from_secs(1)));
        assert!(short.within(None).left().is_some());
    }
}
