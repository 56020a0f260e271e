//! The cancel token of a caller.

use std::io::{PipeReader, PipeWriter, Write};
use std::sync::atomic::{AtomicBool, Ordering};

use crate::sys::descriptors::pipe;
use crate::sys::fork::ProcessId;

/// Cancels the calls that it is passed to, those in progress and later ones. A cancelled token stays cancelled.
#[derive(Debug)]
pub struct CancelToken {
    cancelled: AtomicBool,
    /// The process that created the token. A forked child shares the pipe, but must not write to it.
    owner: ProcessId,
    /// Becomes readable on cancellation, so that a call can poll it together with its socket. Absent if no file
    /// descriptor was left; calls then check the flag every few milliseconds.
    pipe: Option<(PipeReader, PipeWriter)>,
}

impl CancelToken {
    /// A token that is not cancelled. Never fails.
    pub fn new() -> CancelToken {
        CancelToken { cancelled: AtomicBool::new(false), owner: ProcessId::current(), pipe: pipe().ok() }
    }

    /// Cancels the calls. Async-signal-safe: it stores a flag and writes one byte.
    pub fn cancel(&self) {
        if self.cancelled.swap(true, Ordering::SeqCst) {
            return;
        }
        if let Some((_, writer)) = &self.pipe
            && self.owner == ProcessId::current()
        {
            // The first byte always fits into an empty pipe. If it did not, the flag would still end the calls, later.
            let _ = (&*writer).write(&[1]);
        }
    }

    /// Whether `cancel` was called.
    pub fn is_cancelled(&self) -> bool {
        self.cancelled.load(Ordering::SeqCst)
    }

    /// The pipe that becomes readable on cancellation, or `None` if the caller has to check the flag instead.
    pub(crate) fn signal(&self) -> Option<&PipeReader> {
        self.pipe.as_ref().filter(|_| self.owner == ProcessId::current()).map(|(reader, _)| reader)
    }
}

impl Default for CancelToken {
    fn default() -> CancelToken {
        CancelToken::new()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn token_stays_cancelled_and_writes_once() {
        let token = CancelToken::new();
        assert!(!token.is_cancelled());
        (0..100_000).for_each(|_| token.cancel());
        assert!(token.is_cancelled());
    }
}
