//! What a queue knows: its submissions, its events and its threads. Nothing here blocks, or runs code of the caller.
//!
//! A submission is in exactly one place: the backlog, a thread (in flight), the list of paused waits, or the list of those
//! that end without a further request. All lists have capacity for everything that is pending from the moment it is
//! accepted, so no later step can fail.

use std::cmp::Ordering;
use std::collections::{BinaryHeap, TryReserveError, VecDeque};
use std::mem;
use std::time::Instant;

use super::submission::Submission;
use super::threads::Threads;
use super::{Event, EventKind, Outcome};

/// The state of a queue.
pub struct State<O: Outcome> {
    /// Accepted submissions whose last event has not been taken.
    pending: usize,
    /// What waits for a thread, in the order in which it is to be started.
    backlog: VecDeque<Box<Submission<O>>>,
    /// How many in the backlog have to be watched.
    watched: usize,
    /// No wait in the backlog has an earlier deadline.
    backlog_deadline: Option<Instant>,
    /// What is cancelled, or beyond its deadline. Goes before the backlog, and takes no time.
    ending: VecDeque<Box<Submission<O>>>,
    /// Waits that pause. The one that is due next is at the top.
    paused: BinaryHeap<Paused<O>>,
    /// Counts the pauses, so that polls that are due at the same time start in the order of their pauses.
    pauses: u64,
    events: VecDeque<Event<O>>,
    /// The number of events that have been taken, which is the number of the first one in `events`.
    taken: u64,
    /// Whether the caller has asked for the descriptor. Until then, it costs nothing.
    uses_descriptor: bool,
    /// The threads.
    pub threads: Threads,
}

/// A wait that pauses.
struct Paused<O: Outcome> {
    due: Instant,
    number: u64,
    submission: Box<Submission<O>>,
}

/// What an added event entails.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Added {
    /// There was no event before: the callback of the caller has to be called.
    pub is_first: bool,
    /// The descriptor has to be made readable.
    pub raises_descriptor: bool,
}

impl<O: Outcome> Default for State<O> {
    fn default() -> State<O> {
        State {
            pending: 0,
            backlog: VecDeque::new(),
            watched: 0,
            backlog_deadline: None,
            ending: VecDeque::new(),
            paused: BinaryHeap::new(),
            pauses: 0,
            events: VecDeque::new(),
            taken: 0,
            uses_descriptor: false,
            threads: Threads::default(),
        }
    }
}

impl<O: Outcome> State<O> {
    /// Reserves what one more submission may need.
    pub fn reserve(&mut self) -> Result<(), TryReserveError> {
        let wanted = self.pending + 1;
        self.backlog.try_reserve(wanted - self.backlog.len())?;
        self.ending.try_reserve(wanted - self.ending.len())?;
        self.paused.try_reserve(wanted - self.paused.len())?;
        // One event of progress, and the last one.
        self.events.try_reserve(2 * wanted - self.events.len())
    }

    /// Accepts a submission, for which there is capacity.
    pub fn accept(&mut self, submission: Box<Submission<O>>) {
        self.pending += 1;
        self.enqueue(submission);
    }

    /// Takes back what was accepted last.
    pub fn refuse(&mut self) -> Option<Box<Submission<O>>> {
        self.pending -= 1;
        let refused = self.backlog.pop_back();
        self.unwatch(refused)
    }

    fn enqueue(&mut self, submission: Box<Submission<O>>) {
        self.backlog_deadline = earliest(self.backlog_deadline, submission.deadline());
        self.watched += usize::from(submission.must_be_watched());
        self.backlog.push_back(submission);
    }

    /// Notes that this was removed from the backlog.
    fn unwatch(&mut self, removed: Option<Box<Submission<O>>>) -> Option<Box<Submission<O>>> {
        self.watched -= usize::from(removed.as_ref().is_some_and(|removed| removed.must_be_watched()));
        removed
    }

    /// The submission to work on next.
    pub fn pop(&mut self) -> Option<Box<Submission<O>>> {
        self.pop_ending().or_else(|| {
            let first = self.backlog.pop_front();
            self.unwatch(first)
        })
    }

    /// The next submission that ends without a request.
    pub fn pop_ending(&mut self) -> Option<Box<Submission<O>>> {
        self.ending.pop_front()
    }

    /// The number of submissions that wait for a thread.
    pub fn backlog_len(&self) -> usize {
        self.backlog.len()
    }

    /// Lets a wait pause. Returns it if it has been cancelled meanwhile, because no signal will report that again.
    pub fn pause(&mut self, submission: Box<Submission<O>>, due: Instant) -> Option<Box<Submission<O>>> {
        if submission.is_cancelled() {
            return Some(submission);
        }
        self.pauses += 1;
        self.paused.push(Paused { due, number: self.pauses, submission });
        None
    }

    /// Whether there is anything that time or a token may change while no thread works on it.
    pub fn must_be_watched(&self) -> bool {
        !self.paused.is_empty() || self.watches_backlog() || !self.ending.is_empty()
    }

    /// Whether some of that is in the backlog. Workers take it without notice.
    pub fn watches_backlog(&self) -> bool {
        self.watched > 0
    }

    /// The time at which a pause or a deadline ends next.
    pub fn next_change(&self) -> Option<Instant> {
        earliest(self.paused.peek().map(|paused| paused.due), self.backlog_deadline)
    }

    /// Moves the waits that are due to the backlog.
    pub fn resume(&mut self, now: Instant) {
        while self.paused.peek().is_some_and(|paused| paused.due <= now) {
            if let Some(Paused { submission, .. }) = self.paused.pop() {
                match submission.is_over(now) {
                    true => self.ending.push_back(submission),
                    false => self.enqueue(submission),
                }
            }
        }
        if self.backlog_deadline.is_some_and(|deadline| deadline <= now) {
            self.sort_out_backlog(now);
        }
    }

    /// Finds everything that was cancelled.
    pub fn find_cancelled(&mut self, now: Instant) {
        self.sort_out_backlog(now);
        let mut paused = mem::take(&mut self.paused).into_vec();
        let mut index = 0;
        while index < paused.len() {
            if paused[index].submission.is_cancelled() {
                self.ending.push_back(paused.swap_remove(index).submission);
            } else {
                index += 1;
            }
        }
        self.paused = BinaryHeap::from(paused);
    }

    /// Moves what is over from the backlog to the list of what is ending.
    fn sort_out_backlog(&mut self, now: Instant) {
        self.backlog_deadline = None;
        self.watched = 0;
        for _ in 0..self.backlog.len() {
            match self.backlog.pop_front() {
                Some(submission) if submission.is_over(now) => self.ending.push_back(submission),
                Some(submission) => self.enqueue(submission),
                None => break,
            }
        }
    }

    /// Adds an event of progress, or replaces the last one of this submission if it has not been taken. Returns the
    /// outcome that was replaced, to be dropped without the lock.
    pub fn add_progress(&mut self, outcome: O, tag: O::Tag, last: &mut Option<u64>) -> Result<Added, O> {
        let index = last
            .and_then(|number| number.checked_sub(self.taken))
            .and_then(|index| usize::try_from(index).ok());
        if let Some(event) = index.and_then(|index| self.events.get_mut(index)) {
            return Err(mem::replace(&mut event.outcome, outcome));
        }
        *last = Some(self.taken + self.events.len() as u64);
        Ok(self.add(Event { kind: EventKind::Progress, tag, outcome }))
    }

    /// Adds the last event of a submission.
    pub fn add_done(&mut self, outcome: O, tag: O::Tag) -> Added {
        self.add(Event { kind: EventKind::Done, tag, outcome })
    }

    fn add(&mut self, event: Event<O>) -> Added {
        let is_first = self.events.is_empty();
        self.events.push_back(event);
        Added { is_first, raises_descriptor: is_first && self.uses_descriptor }
    }

    /// Takes the oldest event.
    pub fn take_event(&mut self) -> Option<Event<O>> {
        let event = self.events.pop_front()?;
        self.taken += 1;
        if event.kind == EventKind::Done {
            self.pending -= 1;
        }
        Some(event)
    }

    /// Whether the descriptor has to be made unreadable, after an event was taken.
    pub fn must_clear_descriptor(&self) -> bool {
        self.uses_descriptor && self.events.is_empty()
    }

    /// Keeps the descriptor up to date from now on. Returns whether it has to be made readable.
    pub fn use_descriptor(&mut self) -> bool {
        !mem::replace(&mut self.uses_descriptor, true) && !self.events.is_empty()
    }

    /// The number of submissions whose last event has not been taken.
    pub fn pending(&self) -> usize {
        self.pending
    }
}

fn earliest(one: Option<Instant>, other: Option<Instant>) -> Option<Instant> {
    one.into_iter().chain(other).min()
}

impl<O: Outcome> Paused<O> {
    fn key(&self) -> (Instant, u64) {
        (self.due, self.number)
    }
}

/// In the reverse order of time, because the top of a heap is its maximum.
impl<O: Outcome> Ord for Paused<O> {
    fn cmp(&self, other: &Paused<O>) -> Ordering {
        other.key().cmp(&self.key())
    }
}

impl<O: Outcome> PartialOrd for Paused<O> {
    fn partial_cmp(&self, other: &Paused<O>) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl<O: Outcome> PartialEq for Paused<O> {
    fn eq(&self, other: &Paused<O>) -> bool {
        self.key() == other.key()
    }
}

impl<O: Outcome> Eq for Paused<O> {}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::time::Duration;

    use super::super::submission::Work;
    use super::*;
    use crate::cancel::CancelToken;
    use crate::client::{Client, Snapshot, parse_id};
    use crate::error::Error;
    use crate::options::Options;

    impl Outcome for &'static str {
        type Tag = u32;

        fn of(_: Result<Snapshot, Error>) -> &'static str {
            ""
        }

        fn catch_panic<T>(work: impl FnOnce() -> T) -> Result<T, Error> {
            Ok(work())
        }
    }

    type TestState = State<&'static str>;

    fn client() -> Arc<Client> {
        let mut options = Options::new();
        options.set_session_token(Some(b"token"));
        Arc::new(Client::new(&options).expect("valid options"))
    }

    fn submission(tag: u32, work: Work, cancel: Option<&Arc<CancelToken>>) -> Box<Submission<&'static str>> {
        Submission::new(client(), cancel.cloned(), tag, work).expect("memory")
    }

    fn get(tag: u32, cancel: Option<&Arc<CancelToken>>) -> Box<Submission<&'static str>> {
        submission(tag, Work::Get(parse_id(Some(b"id")).expect("an id").into_owned()), cancel)
    }

    fn wait(tag: u32, timeout_ms: u64) -> Box<Submission<&'static str>> {
        let id = parse_id(Some(b"id")).expect("an id").into_owned();
        let wait = client().begin_wait(id, timeout_ms, [None; 2]);
        submission(tag, Work::Wait(Box::new(wait)), None)
    }

    fn accept(state: &mut TestState, submission: Box<Submission<&'static str>>) {
        state.reserve().expect("memory");
        state.accept(submission);
    }

    fn tags(pop: impl FnMut() -> Option<Box<Submission<&'static str>>>) -> Vec<u32> {
        std::iter::from_fn(pop).map(|submission| submission.tag()).collect()
    }

    fn events(state: &mut TestState) -> Vec<(EventKind, u32, &'static str)> {
        std::iter::from_fn(|| state.take_event())
            .map(|event| (event.kind, event.tag, event.outcome))
            .collect()
    }

    #[test]
    fn progress_that_was_not_taken_is_replaced() {
        use EventKind::{Done, Progress};
        let mut state = TestState::default();
        let (mut one, mut two) = (None, None);
        (1..=2).for_each(|tag| accept(&mut state, get(tag, None)));
        assert_eq!(state.add_progress("a", 1, &mut one).map(|added| added.is_first), Ok(true));
        assert_eq!(state.add_progress("b", 2, &mut two).map(|added| added.is_first), Ok(false));
        assert_eq!(state.add_progress("c", 1, &mut one).err(), Some("a"));
        assert_eq!(events(&mut state), [(Progress, 1, "c"), (Progress, 2, "b")]);
        // Both were taken, so neither is replaced.
        assert!(state.add_progress("d", 2, &mut two).is_ok_and(|added| added.is_first));
        assert!(state.add_progress("e", 1, &mut one).is_ok());
        assert_eq!(state.pending(), 2);
        state.add_done("f", 2);
        assert_eq!(state.add_progress("g", 1, &mut one).err(), Some("e"));
        state.add_done("h", 1);
        assert_eq!(
            events(&mut state),
            [(Progress, 2, "d"), (Progress, 1, "g"), (Done, 2, "f"), (Done, 1, "h")]
        );
        assert_eq!(state.pending(), 0);
    }

    #[test]
    fn waits_resume_when_they_are_due_behind_the_backlog() {
        let (mut state, now) = (TestState::default(), Instant::now());
        let at = |seconds| now + Duration::from_secs(seconds);
        for (tag, seconds) in [(1, 3), (2, 1), (3, 2), (4, 1)] {
            state.reserve().expect("memory");
            state.accept(wait(tag, 0));
            let submission = state.pop().expect("accepted");
            assert!(state.pause(submission, at(seconds)).is_none());
        }
        accept(&mut state, get(5, None));
        assert_eq!(state.next_change(), Some(at(1)));
        state.resume(now);
        assert_eq!(state.backlog_len(), 1);
        state.resume(at(2));
        assert_eq!(tags(|| state.pop()), [5, 2, 4, 3]);
        assert_eq!(state.next_change(), Some(at(3)));
        assert!(state.must_be_watched());
        state.resume(at(3));
        assert_eq!(tags(|| state.pop()), [1]);
        assert!(!state.must_be_watched());
    }

    #[test]
    fn what_is_cancelled_ends_before_the_backlog() {
        let (mut state, now) = (TestState::default(), Instant::now());
        let token = Arc::new(CancelToken::new());
        for tag in 1..=6 {
            accept(&mut state, get(tag, Some(&token).filter(|_| tag % 2 == 0)));
        }
        for _ in 1..=2 {
            let submission = state.pop().expect("accepted");
            assert!(state.pause(submission, now + Duration::from_secs(1)).is_none());
        }
        state.find_cancelled(now);
        assert!(state.pop_ending().is_none());
        token.cancel();
        state.find_cancelled(now);
        assert_eq!(tags(|| state.pop_ending()), [4, 6, 2]);
        assert_eq!(tags(|| state.pop()), [3, 5]);
        assert!(state.pause(get(7, Some(&token)), now).is_some());
        assert_eq!(state.next_change(), Some(now + Duration::from_secs(1)));
    }

    #[test]
    fn only_tokens_and_deadlines_in_the_backlog_are_watched() {
        let (mut state, token) = (TestState::default(), Arc::new(CancelToken::new()));
        accept(&mut state, get(1, None));
        accept(&mut state, wait(2, 0));
        assert!(!state.must_be_watched());
        accept(&mut state, get(3, Some(&token)));
        accept(&mut state, wait(4, 50_000));
        accept(&mut state, get(5, Some(&token)));
        assert!(state.refuse().is_some());
        for tag in 1..=4 {
            assert!(state.must_be_watched() && state.watches_backlog());
            state.find_cancelled(Instant::now());
            assert_eq!(state.pop().map(|submission| submission.tag()), Some(tag));
        }
        assert!(!state.must_be_watched() && !state.watches_backlog());
    }

    #[test]
    fn queued_wait_ends_at_its_deadline() {
        let mut state = TestState::default();
        for (tag, timeout_ms) in [(1, 0), (2, 50_000), (3, 10_000), (4, 30_000)] {
            accept(&mut state, wait(tag, timeout_ms));
        }
        let first = state.next_change().expect("a deadline");
        state.resume(first - Duration::from_millis(1));
        assert!(state.pop_ending().is_none());
        state.resume(first);
        assert_eq!(tags(|| state.pop_ending()), [3]);
        state.resume(first + Duration::from_secs(60));
        assert_eq!(tags(|| state.pop_ending()), [2, 4]);
        assert_eq!(state.next_change(), None);
        assert_eq!(tags(|| state.pop()), [1]);
    }
}
