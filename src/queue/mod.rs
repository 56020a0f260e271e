//! Many calls at a time, on few threads, for programs with an event loop.
//!
//! A [`Queue`] takes submissions and makes their calls on a bounded number of threads of its own ([`threads`]). What becomes
//! of them is an [`Event`], to be taken by the caller. A wait that pauses is an entry in a list ([`state`]), and occupies
//! neither a thread nor a connection. One mutex guards all of it, and is never held while a thread waits for the network,
//! runs code of the caller, or frees a response.
//!
//! Like `client`, this knows no C: a type of the layer above ([`Outcome`]) is what the caller gets for each result.
//!
//! May use `client` and what that is made of, but not `http`, except for the type of an execution id.

mod notify;
mod state;
mod submission;
mod threads;

use std::fmt;
use std::mem;
use std::ops::RangeInclusive;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use crate::alloc::try_box;
use crate::cancel::CancelToken;
use crate::client::{Client, Snapshot, parse_id};
use crate::error::message::argument;
use crate::error::{Error, message};
use crate::sys::fork::ProcessId;
use crate::sys::signal::Signal;
use crate::sys::{Resource, exhausted_resource};
use notify::Notify;
use state::State;
use submission::{Submission, Work};

/// The limits of the number of calls in flight.
const CONCURRENCY: RangeInclusive<u32> = 1..=1024;

/// The number of calls in flight unless the caller sets it.
const DEFAULT_CONCURRENCY: u32 = 32;

/// What the caller gets for the result of a call or a poll. It is made on the thread that made the call.
pub trait Outcome: Send + Sized + 'static {
    /// What the caller attaches to a submission, and finds in its events.
    type Tag: Copy + Send + 'static;

    /// Converts a result.
    fn of(result: Result<Snapshot, Error>) -> Self;

    /// Runs `work`, and turns a panic into an error.
    fn catch_panic<T>(work: impl FnOnce() -> T) -> Result<T, Error>;
}

/// What has become of a submission.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EventKind {
    /// A snapshot of an execution that has not ended.
    Progress,
    /// The result of the submission.
    Done,
}

/// An event, which belongs to the caller.
#[derive(Debug)]
pub struct Event<O: Outcome> {
    /// What has become of the submission.
    pub kind: EventKind,
    /// What the caller attached to the submission.
    pub tag: O::Tag,
    /// A snapshot or an error.
    pub outcome: O,
}

/// How long [`Queue::next`] waits for an event.
#[derive(Debug, Clone, Copy)]
pub enum Patience {
    /// Until this time.
    Until(Instant),
    /// For ever, but not if nothing is pending.
    WhilePending,
}

/// Makes the calls that are submitted to it. Any number of threads can share a queue. It belongs to the process that
/// created it.
pub struct Queue<O: Outcome> {
    owner: ProcessId,
    /// `None` while it is dropped.
    shared: Option<Arc<Shared<O>>>,
}

/// What a queue shares with its threads.
struct Shared<O: Outcome> {
    max_concurrent: usize,
    state: Mutex<State<O>>,
    /// Signalled when an event can be taken, and when nothing is pending any more.
    changed: Condvar,
    /// Cancels all calls in flight when the queue is freed.
    stop: Arc<CancelToken>,
    /// Raised by the tokens of submissions.
    cancelled: Arc<Signal>,
    /// Makes the coordinator check the state again.
    recheck: Signal,
    /// Raised while an event can be taken, once the caller has asked for its descriptor.
    readable: Signal,
    notify: Notify,
}

impl<O: Outcome> Shared<O> {
    fn lock(&self) -> MutexGuard<'_, State<O>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<O: Outcome> Queue<O> {
    /// A queue that has at most this many calls in flight; 0 for the default. Starts no thread yet.
    pub fn new(max_concurrent: u32) -> Result<Queue<O>, Error> {
        let max_concurrent = if max_concurrent == 0 { DEFAULT_CONCURRENCY } else { max_concurrent };
        if !CONCURRENCY.contains(&max_concurrent) {
            return Err(Error::invalid_argument(argument::concurrency_out_of_range(&CONCURRENCY)));
        }
        let signal =
            || Signal::new().map_err(|error| Error::resource(message::no_queue(exhausted_resource(&error))));
        Ok(Queue {
            owner: ProcessId::current(),
            shared: Some(Arc::new(Shared {
                max_concurrent: max_concurrent as usize,
                state: Mutex::new(State::default()),
                changed: Condvar::new(),
                stop: Arc::new(CancelToken::new()),
                cancelled: Arc::new(signal()?),
                recheck: signal()?,
                readable: signal()?,
                notify: Notify::default(),
            })),
        })
    }

    /// The shared part, or `None` in a forked child.
    fn own(&self) -> Option<&Arc<Shared<O>>> {
        self.shared.as_ref().filter(|_| self.owner == ProcessId::current())
    }

    /// Submits a call of [`Client::get`].
    pub fn get(
        &self,
        client: Arc<Client>,
        execution_id: Option<&[u8]>,
        cancel: Option<Arc<CancelToken>>,
        tag: O::Tag,
    ) -> Result<(), Error> {
        let id = parse_id(execution_id)?.into_owned();
        self.submit(|_| Some(Work::Get(id)), client, cancel, tag)
    }

    /// Submits a call of [`Client::wait`], whose time begins now.
    pub fn wait(
        &self,
        client: Arc<Client>,
        execution_id: Option<&[u8]>,
        timeout_ms: u64,
        cancel: Option<Arc<CancelToken>>,
        tag: O::Tag,
    ) -> Result<(), Error> {
        let id = parse_id(execution_id)?.into_owned();
        let wait_of = |shared: &Shared<O>| {
            let tokens = [cancel.as_ref(), Some(&shared.stop)];
            try_box(client.begin_wait(id, timeout_ms, tokens)).map(Work::Wait)
        };
        self.submit(wait_of, client.clone(), cancel.clone(), tag)
    }

    fn submit(
        &self,
        work: impl FnOnce(&Shared<O>) -> Option<Work>,
        client: Arc<Client>,
        cancel: Option<Arc<CancelToken>>,
        tag: O::Tag,
    ) -> Result<(), Error> {
        let shared = self.own().ok_or_else(|| Error::invalid_argument(argument::QUEUE_OF_PARENT))?;
        let submission = work(shared).and_then(|work| Submission::new(client, cancel, tag, work));
        let submission =
            submission.ok_or_else(|| Error::resource(message::no_queue(Some(Resource::Memory))))?;
        shared.submit(submission)
    }

    /// Takes the oldest event. Returns `None` if there is none in time.
    pub fn next(&self, patience: Patience) -> Option<Event<O>> {
        let shared = self.own()?;
        let mut state = shared.lock();
        loop {
            if let Some(event) = state.take_event() {
                if state.must_clear_descriptor() {
                    shared.readable.clear();
                }
                if state.pending() == 0 {
                    shared.changed.notify_all();
                }
                return Some(event);
            }
            let wait_for = match patience {
                Patience::Until(time) => Some(time.saturating_duration_since(Instant::now())),
                Patience::WhilePending => None,
            };
            if wait_for == Some(Duration::ZERO) || (wait_for.is_none() && state.pending() == 0) {
                return None;
            }
            state.threads.consumers.enter();
            state = match wait_for {
                Some(time) => {
                    let waited = shared.changed.wait_timeout(state, time);
                    waited.unwrap_or_else(PoisonError::into_inner).0
                }
                None => shared.changed.wait(state).unwrap_or_else(PoisonError::into_inner),
            };
            state.threads.consumers.leave();
        }
    }

    /// The number of submissions whose last event has not been taken.
    pub fn pending(&self) -> usize {
        self.own().map_or(0, |shared| shared.lock().pending())
    }

    /// The descriptor that is readable while an event can be taken, or -1 if there is none.
    pub fn descriptor(&self) -> isize {
        let Some(shared) = self.own() else { return -1 };
        let mut state = shared.lock();
        if state.use_descriptor() {
            shared.readable.raise();
        }
        shared.readable.descriptor() as isize
    }

    /// Replaces the function that is called whenever the queue stops being empty. Once this has returned, the previous one
    /// is not running, and will not be called.
    pub fn set_notify(&self, function: Option<Box<dyn Fn() + Send + Sync>>) {
        if let Some(shared) = self.own() {
            shared.notify.set(function);
        }
    }
}

impl<O: Outcome> Drop for Queue<O> {
    /// Cancels all submissions, and waits until the threads have ended.
    fn drop(&mut self) {
        match self.shared.take() {
            Some(shared) if self.owner == ProcessId::current() => shared.end(),
            // In a forked child, locks may be held for good, and the descriptors are those of the parent.
            foreign => mem::forget(foreign),
        }
    }
}

impl<O: Outcome> fmt::Debug for Queue<O> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Queue").field("owner", &self.owner).finish_non_exhaustive()
    }
}
