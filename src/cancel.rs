//! The cancel token of a caller.

use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering, fence};
use std::sync::{Arc, Weak};

use crate::alloc::{InUse, OnDemand, OnceBox, try_box};
use crate::sys::fork::ProcessId;
use crate::sys::signal::Signal;

/// Cancels the calls that it is passed to, those in progress and later ones. A cancelled token stays cancelled.
pub struct CancelToken {
    cancelled: AtomicBool,
    /// The process that created the token. A forked child shares the signals, but must not raise them.
    owner: ProcessId,
    /// Raised on cancellation, so that a call can wait for it together with its socket.
    signal: OnDemand<Signal>,
    /// The signals of queues that use the token.
    subscribers: OnceBox<Subscriber>,
}

/// An element of a list that a signal handler may walk through at any time, so it only ever grows: by one element for each
/// queue that the token is used with.
struct Subscriber {
    /// Weak, so that the list keeps no descriptor open. It keeps the memory, so a signal handler that turns out to be the
    /// last user of the signal closes it, but does not free it.
    signal: Weak<Signal>,
    next: OnceBox<Subscriber>,
}

impl CancelToken {
    /// A token that is not cancelled. Never fails.
    pub fn new() -> CancelToken {
        CancelToken {
            cancelled: AtomicBool::new(false),
            owner: ProcessId::current(),
            signal: OnDemand::new(),
            subscribers: OnceBox::new(),
        }
    }

    /// Cancels the calls. Async-signal-safe: it stores a flag and raises signals.
    pub fn cancel(&self) {
        if self.cancelled.swap(true, Ordering::SeqCst) || !self.raises_signals() {
            return;
        }
        fence(Ordering::SeqCst);
        if let Some(signal) = self.signal.get() {
            signal.raise();
        }
        for subscriber in self.subscribers() {
            if let Some(signal) = subscriber.signal.upgrade() {
                signal.raise();
            }
        }
    }

    /// Whether `cancel` was called.
    pub fn is_cancelled(&self) -> bool {
        self.cancelled.load(Ordering::SeqCst)
    }

    /// Whether `cancel` raises signals. If not, because this is a forked child, the flag has to be checked every few
    /// milliseconds.
    pub(crate) fn raises_signals(&self) -> bool {
        self.owner == ProcessId::current()
    }

    /// The signal that is raised on cancellation, or `None` if the caller has to check the flag every few milliseconds
    /// instead: if no file descriptor is left, in a forked child, and while another thread creates the signal or closes it.
    /// The flag has to be checked after this, because a new signal is not raised if the token is cancelled already.
    pub(crate) fn signal(&self) -> Option<InUse<'_, Signal>> {
        if !self.raises_signals() {
            return None;
        }
        self.signal.get_or_make(|| Signal::new().ok())
    }

    /// Closes the signal unless a call is waiting for it, so that tokens in use by no call hold no descriptor.
    pub(crate) fn close_unused_signal(&self) {
        self.signal.drop_unused();
    }

    /// From now on, cancelling raises this signal, too. Does nothing if it does so already. The flag has to be checked
    /// after this. Returns `None` if there is no memory.
    pub(crate) fn subscribe(&self, signal: &Arc<Signal>) -> Option<()> {
        let is_new = |subscriber: &Subscriber| subscriber.signal.as_ptr() != Arc::as_ptr(signal);
        if self.subscribers().all(is_new) {
            let mut new = try_box(Subscriber { signal: Arc::downgrade(signal), next: OnceBox::new() })?;
            let mut end = &self.subscribers;
            while let Err(returned) = end.set(new) {
                new = returned;
                if let Some(subscriber) = end.get() {
                    end = &subscriber.next;
                }
            }
        }
        // Before the flag is checked, also if another thread has just added the signal.
        fence(Ordering::SeqCst);
        Some(())
    }

    fn subscribers(&self) -> impl Iterator<Item = &Subscriber> {
        std::iter::successors(self.subscribers.get(), |subscriber| subscriber.next.get())
    }
}

impl Drop for CancelToken {
    fn drop(&mut self) {
        // One at a time: dropping a long list would overflow the stack.
        let mut next = self.subscribers.take();
        while let Some(mut subscriber) = next {
            next = subscriber.next.take();
        }
    }
}

impl Default for CancelToken {
    fn default() -> CancelToken {
        CancelToken::new()
    }
}

impl fmt::Debug for CancelToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CancelToken").field("cancelled", &self.cancelled).finish_non_exhaustive()
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

    #[cfg(all(any(unix, windows), not(refold_portable)))]
    #[test]
    fn cancelling_raises_the_signals_of_all_subscribers() -> std::io::Result<()> {
        use crate::sys::{Interest, poll};
        use std::time::Duration;

        let token = CancelToken::new();
        let signals: Vec<Arc<Signal>> =
            (0..3).map(|_| Signal::new().map(Arc::new)).collect::<Result<_, _>>()?;
        let is_raised =
            |signal: &Signal| poll(&[Interest::Signalled(signal)], [None; 2], Some(Duration::ZERO));
        for signal in signals.iter().chain(&signals) {
            token.subscribe(signal);
        }
        assert_eq!(token.subscribers().count(), 3);
        let own = token.signal().expect("a descriptor is left");
        token.close_unused_signal();
        assert!(!is_raised(&own)?);
        token.cancel();
        assert!(is_raised(&own)?);
        for signal in &signals {
            assert!(is_raised(signal)?);
        }
        Ok(())
    }

    #[test]
    fn missing_subscribers_are_skipped_and_a_long_list_is_dropped() {
        let mut token = CancelToken::new();
        for _ in 0..100_000 {
            let first = Subscriber { signal: Weak::new(), next: OnceBox::new() };
            if let Some(rest) = token.subscribers.take() {
                assert!(first.next.set(rest).is_ok());
            }
            assert!(token.subscribers.set(Box::new(first)).is_ok());
        }
        token.cancel();
        drop(token);
    }
}
