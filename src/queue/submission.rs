//! A submission: its call, and the progress of that call.

use std::sync::Arc;
use std::time::Instant;

use super::Outcome;
use crate::alloc::try_box;
use crate::cancel::CancelToken;
use crate::client::wait::{Step, Wait};
use crate::client::{Client, Snapshot};
use crate::error::Error;
use crate::http::url::ExecutionId;

/// What was submitted.
pub enum Work {
    Get(ExecutionId<'static>),
    Wait(Box<Wait<'static>>),
}

/// A submission that has not ended.
pub struct Submission<O: Outcome> {
    client: Arc<Client>,
    /// The token of the caller.
    cancel: Option<Arc<CancelToken>>,
    work: Work,
    tag: O::Tag,
    /// The number of its last progress event.
    progress: Option<u64>,
}

/// What became of a submission in one step.
pub enum Advance<O> {
    /// A wait pauses until then.
    Pause(Instant),
    /// The submission has ended.
    Done(O),
}

/// Takes the outcome of a poll, the tag of its submission, and the number of the last progress event, to be replaced by
/// that of the new one.
pub type OnProgress<'a, O> = &'a mut dyn FnMut(O, <O as Outcome>::Tag, &mut Option<u64>);

impl<O: Outcome> Submission<O> {
    /// Returns `None` if there is no memory.
    pub fn new(
        client: Arc<Client>,
        cancel: Option<Arc<CancelToken>>,
        tag: O::Tag,
        work: Work,
    ) -> Option<Box<Submission<O>>> {
        try_box(Submission { client, cancel, work, tag, progress: None })
    }

    /// What the caller attached to it.
    pub fn tag(&self) -> O::Tag {
        self.tag
    }

    /// The token of the caller.
    pub fn cancel(&self) -> Option<&Arc<CancelToken>> {
        self.cancel.as_ref()
    }

    /// Whether it has to be watched while it is queued.
    pub fn must_be_watched(&self) -> bool {
        self.cancel.is_some() || self.deadline().is_some()
    }

    /// The time at which a wait ends even if it is still queued.
    pub fn deadline(&self) -> Option<Instant> {
        match &self.work {
            Work::Get(_) => None,
            Work::Wait(wait) => wait.deadline(),
        }
    }

    /// Whether the caller has cancelled it.
    pub fn is_cancelled(&self) -> bool {
        self.cancel.as_ref().is_some_and(|token| token.is_cancelled())
    }

    /// Whether it ends at once, without a request.
    pub fn is_over(&self, now: Instant) -> bool {
        self.is_cancelled() || self.deadline().is_some_and(|deadline| deadline <= now)
    }

    /// Makes the call of a get, or one poll of a wait. Passes each snapshot of an execution that has not ended to
    /// `on_progress`.
    pub fn advance(&mut self, stop: &Arc<CancelToken>, on_progress: OnProgress<'_, O>) -> Advance<O> {
        let Submission { client, cancel, work, tag, progress } = self;
        let advanced = O::catch_panic(|| match work {
            Work::Get(id) => Advance::Done(O::of(client.get_by_id(id, [cancel.as_ref(), Some(stop)]))),
            Work::Wait(wait) => {
                let mut report = |snapshot: &Snapshot| {
                    if !snapshot.state().is_final() {
                        on_progress(O::of(Ok(snapshot.clone())), *tag, progress);
                    }
                    true
                };
                match client.poll(wait, &mut report) {
                    Step::Pause(pause) => Advance::Pause(wait.end_of_pause(pause)),
                    Step::Done(result) => Advance::Done(O::of(result)),
                }
            }
        });
        if let Some(token) = cancel {
            // Thousands of tokens may be in use by waits that pause, or wait to be freed by the caller.
            token.close_unused_signal();
        }
        advanced.unwrap_or_else(|panic: Error| Advance::Done(O::of(Err(panic))))
    }
}
