//! The threads of a queue. Workers make calls. One coordinator, which is only started once a submission is a wait or has a
//! token, resumes waits whose pause is over, and ends what is cancelled while no worker has it.
//!
//! All start on demand, and end after a while without work. If no further thread can be started, the others do its work:
//! workers do that of the coordinator between their calls, and the coordinator makes calls.

use std::mem;
use std::sync::{Arc, MutexGuard};
use std::thread::{self, JoinHandle, Thread};
use std::time::{Duration, Instant};

use super::state::{Added, State};
use super::submission::{Advance, Submission};
use super::{Outcome, Shared};
use crate::alloc::try_reserve;
use crate::error::{Error, message};
use crate::sys::thread::{keep_library_loaded, with_signals_blocked};
use crate::sys::{self, Interest, Resource};

/// The name of the threads.
const NAME: &str = "refold-queue";

/// The size of their stacks in bytes: calls need up to 128 KiB, and the rest is for the functions of the caller.
const STACK: usize = 256 * 1024;

/// The time after which a thread without work ends.
const MAX_IDLE: Duration = Duration::from_secs(10);

/// How often the coordinator checks whether it is still needed while it watches the backlog.
const MAX_SLEEP: Duration = Duration::from_secs(1);

/// How often idle workers look for what is due or cancelled if there is no coordinator.
const RECHECK: Duration = Duration::from_millis(20);

/// The threads of a queue.
#[derive(Default)]
pub struct Threads {
    /// The number of workers.
    workers: usize,
    /// Those without work. The last one to become idle is the first one to be woken, so the others can end.
    idle: Vec<Thread>,
    /// The number of workers that were started or woken, and have not looked for work yet.
    arriving: usize,
    coordinator: Coordinator,
    running: Vec<JoinHandle<()>>,
    /// The last thread that has ended, or is about to.
    ended: Option<JoinHandle<()>>,
    /// The queue is being freed.
    is_ending: bool,
    /// A token that raises no signals was used. Its flag has to be checked.
    checks_flags: bool,
    /// Those of the caller that wait for an event.
    pub consumers: Consumers,
}

/// The threads of the caller that wait for an event. Each is woken once, however long it takes until it runs: waking it
/// again with every event would cost a system call each time.
#[derive(Debug, Default)]
pub struct Consumers {
    waiting: usize,
    /// No more of them have been woken. It may be fewer, because one whose time is over counts as well.
    woken: usize,
}

impl Consumers {
    /// A thread begins to wait.
    pub fn enter(&mut self) {
        self.waiting += 1;
    }

    /// A thread has been woken, or its time is over. It must look for events before it waits again.
    pub fn leave(&mut self) {
        self.waiting -= 1;
        self.woken = self.woken.saturating_sub(1);
    }

    /// Whether one of them has to be woken for an event that was added.
    fn must_wake(&mut self) -> bool {
        let must_wake = self.woken < self.waiting;
        self.woken += usize::from(must_wake);
        must_wake
    }
}

#[derive(Default)]
enum Coordinator {
    /// It is not needed, or could not be started.
    #[default]
    Absent,
    /// It will check the state again before it sleeps.
    Awake,
    /// It sleeps until this time.
    Asleep(Instant),
}

impl<O: Outcome> Shared<O> {
    /// Accepts a submission, and sees to it that a thread works on it.
    pub fn submit(self: &Arc<Self>, submission: Box<Submission<O>>) -> Result<(), Error> {
        let no_memory = || Error::resource(message::no_queue(Some(Resource::Memory)));
        let token = submission.cancel().cloned();
        if let Some(token) = &token {
            token.subscribe(&self.cancelled).ok_or_else(no_memory)?;
        }
        let (is_watched, deadline) = (submission.must_be_watched(), submission.deadline());
        let mut state = self.lock();
        state.reserve().map_err(|_| no_memory())?;
        state.accept(submission);
        self.provide_workers(&mut state);
        if state.threads.workers == 0 {
            let refused = state.refuse();
            drop(state);
            drop(refused);
            return Err(Error::resource(message::no_queue(Some(Resource::Threads))));
        }
        if is_watched {
            let has_flag = token.as_ref().is_some_and(|token| !token.raises_signals());
            // The coordinator may be in a sleep that only a signal ends.
            let is_first_flag = has_flag && !mem::replace(&mut state.threads.checks_flags, true);
            self.provide_coordinator(&mut state, if is_first_flag { Some(Instant::now()) } else { deadline });
        }
        drop(state);
        // It may have been cancelled before it was in a list.
        if token.is_some_and(|token| token.is_cancelled()) {
            self.cancelled.raise();
        }
        Ok(())
    }

    /// Wakes or starts workers for what is in the backlog, as far as that is possible.
    fn provide_workers(self: &Arc<Self>, state: &mut State<O>) {
        while state.backlog_len() > state.threads.arriving {
            if let Some(idle) = state.threads.idle.pop() {
                idle.unpark();
            } else if state.threads.workers < self.max_concurrent && self.start(state, Shared::work) {
                state.threads.workers += 1;
            } else {
                return;
            }
            state.threads.arriving += 1;
        }
    }

    /// Starts the coordinator if it is absent, or wakes it if it would sleep beyond `due`.
    fn provide_coordinator(self: &Arc<Self>, state: &mut State<O>, due: Option<Instant>) {
        match state.threads.coordinator {
            Coordinator::Absent => {
                let is_started = self.start(state, Shared::coordinate);
                state.threads.coordinator = if is_started { Coordinator::Awake } else { Coordinator::Absent };
            }
            Coordinator::Asleep(until) if due.is_some_and(|due| due < until) => {
                state.threads.coordinator = Coordinator::Awake;
                self.recheck.raise();
            }
            Coordinator::Awake | Coordinator::Asleep(_) => {}
        }
    }

    /// Starts a thread. Returns false if that is impossible.
    fn start(self: &Arc<Self>, state: &mut State<O>, run: fn(&Arc<Shared<O>>)) -> bool {
        let threads = &mut state.threads;
        let may_become_idle = self.max_concurrent - threads.idle.len();
        if threads.is_ending
            || try_reserve(&mut threads.running, 1).is_none()
            || try_reserve(&mut threads.idle, may_become_idle).is_none()
        {
            return false;
        }
        let shared = self.clone();
        let builder = thread::Builder::new().name(NAME.into()).stack_size(STACK);
        keep_library_loaded();
        let started = with_signals_blocked(|| builder.spawn(move || run(&shared)));
        let is_started = started.is_ok();
        threads.running.extend(started);
        is_started
    }

    /// What a worker does.
    fn work(self: &Arc<Self>) {
        let mut state = self.lock();
        state.threads.arriving -= 1;
        let mut idle_since = None;
        while !state.threads.is_ending {
            // The coordinator could not be started.
            let is_unwatched =
                matches!(state.threads.coordinator, Coordinator::Absent) && state.must_be_watched();
            if is_unwatched {
                let now = Instant::now();
                state.find_cancelled(now);
                state.resume(now);
                self.provide_workers(&mut state);
            }
            if let Some(submission) = state.pop() {
                drop(state);
                self.advance(submission);
                state = self.lock();
                idle_since = None;
                continue;
            }
            let now = Instant::now();
            let idle = now.saturating_duration_since(*idle_since.get_or_insert(now));
            if idle >= MAX_IDLE && !is_unwatched {
                break;
            }
            let rest = MAX_IDLE.saturating_sub(idle);
            state = self.rest(state, if is_unwatched { RECHECK } else { rest });
            if is_unwatched {
                self.provide_coordinator(&mut state, None);
            }
        }
        state.threads.workers -= 1;
        self.leave(state);
    }

    /// Lets a worker without work sleep, until it is woken or this time is over.
    fn rest<'a>(&'a self, mut state: MutexGuard<'a, State<O>>, time: Duration) -> MutexGuard<'a, State<O>> {
        let this = thread::current();
        let id = this.id();
        state.threads.idle.push(this);
        drop(state);
        thread::park_timeout(time);
        let mut state = self.lock();
        let threads = &mut state.threads;
        match threads.idle.iter().position(|idle| idle.id() == id) {
            Some(position) => drop(threads.idle.remove(position)),
            None => threads.arriving = threads.arriving.saturating_sub(1),
        }
        state
    }

    /// What the coordinator does.
    fn coordinate(self: &Arc<Self>) {
        let mut may_be_cancelled = true;
        let mut idle_since = None;
        let mut state = self.lock();
        while !state.threads.is_ending {
            let now = Instant::now();
            if may_be_cancelled {
                state.find_cancelled(now);
                may_be_cancelled = false;
            }
            state.resume(now);
            self.provide_workers(&mut state);
            let next = match state.threads.workers {
                0 => state.pop(),
                _ => state.pop_ending(),
            };
            if let Some(submission) = next {
                drop(state);
                self.advance(submission);
                state = self.lock();
                continue;
            }
            let until = if state.must_be_watched() {
                idle_since = None;
                let recheck = Some(now + MAX_SLEEP).filter(|_| state.watches_backlog());
                state.next_change().into_iter().chain(recheck).min().unwrap_or(now + MAX_SLEEP)
            } else {
                *idle_since.get_or_insert(now) + MAX_IDLE
            };
            if idle_since.is_some() && until <= now {
                break;
            }
            state.threads.coordinator = Coordinator::Asleep(until);
            let checks_flags = state.threads.checks_flags;
            drop(state);
            let time = until.saturating_duration_since(now);
            let time = if checks_flags { time.min(RECHECK) } else { time };
            may_be_cancelled = self.sleep(time) || checks_flags;
            state = self.lock();
            state.threads.coordinator = Coordinator::Awake;
        }
        state.threads.coordinator = Coordinator::Absent;
        self.leave(state);
    }

    /// Lets the coordinator sleep. Returns whether a token may have been cancelled.
    fn sleep(&self, timeout: Duration) -> bool {
        let cancelled = [Interest::Signalled(&self.cancelled)];
        let may_be_cancelled = sys::poll(&cancelled, [Some(&self.recheck), None], Some(timeout))
            .unwrap_or_else(|_| {
                // The kernel is out of memory.
                thread::sleep(RECHECK);
                true
            });
        self.recheck.clear();
        if may_be_cancelled {
            self.cancelled.clear();
        }
        may_be_cancelled
    }

    /// Works on a submission until it pauses or has ended.
    fn advance(self: &Arc<Self>, mut submission: Box<Submission<O>>) {
        loop {
            let mut on_progress = |outcome, tag, last: &mut Option<u64>| {
                let mut state = self.lock();
                match state.add_progress(outcome, tag, last) {
                    Ok(added) => self.publish(state, added),
                    Err(replaced) => {
                        drop(state);
                        drop(replaced);
                    }
                }
            };
            match submission.advance(&self.stop, &mut on_progress) {
                Advance::Done(outcome) => {
                    let tag = submission.tag();
                    // First, so that the client and the token are not used any more when the caller takes the event.
                    drop(submission);
                    let mut state = self.lock();
                    let added = state.add_done(outcome, tag);
                    self.publish(state, added);
                    return;
                }
                Advance::Pause(due) => {
                    let mut state = self.lock();
                    match state.pause(submission, due) {
                        Some(cancelled) => submission = cancelled,
                        None => {
                            self.provide_coordinator(&mut state, Some(due));
                            return;
                        }
                    }
                }
            }
        }
    }

    /// Reports an event that was added.
    fn publish(&self, mut state: MutexGuard<'_, State<O>>, added: Added) {
        if added.raises_descriptor {
            self.readable.raise();
        }
        let (must_wake, is_ending) = (state.threads.consumers.must_wake(), state.threads.is_ending);
        drop(state);
        if must_wake {
            self.changed.notify_one();
        }
        if added.is_first && !is_ending {
            let _ = O::catch_panic(|| self.notify.call());
        }
    }

    /// Ends this thread. Waits until the one that has left before has ended, so that there is never more than one left.
    fn leave(&self, mut state: MutexGuard<'_, State<O>>) {
        let id = thread::current().id();
        let threads = &mut state.threads;
        let Some(position) = threads.running.iter().position(|handle| handle.thread().id() == id) else {
            // The queue is being freed, and waits for this thread.
            return;
        };
        let this = threads.running.swap_remove(position);
        let previous = threads.ended.replace(this);
        drop(state);
        if let Some(previous) = previous {
            let _ = previous.join();
        }
    }

    /// Cancels all calls, and waits until all threads have ended.
    pub fn end(&self) {
        let mut state = self.lock();
        state.threads.is_ending = true;
        state.threads.idle.iter().for_each(Thread::unpark);
        let running = mem::take(&mut state.threads.running);
        let ended = state.threads.ended.take();
        drop(state);
        self.stop.cancel();
        self.recheck.raise();
        for thread in running.into_iter().chain(ended) {
            let _ = thread.join();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_waiting_thread_is_woken_once() {
        let mut consumers = Consumers::default();
        assert!(!consumers.must_wake());
        consumers.enter();
        consumers.enter();
        let mut woken_by = || (0..3).map(|_| consumers.must_wake()).collect::<Vec<_>>();
        assert_eq!(woken_by(), [true, true, false]);
        consumers.leave();
        consumers.leave();
        consumers.enter();
        assert!(consumers.must_wake() && !consumers.must_wake());
    }

    #[test]
    fn thread_whose_time_is_over_leaves_no_other_asleep() {
        let mut consumers = Consumers::default();
        consumers.enter();
        consumers.enter();
        // One is woken, and the other one leaves first.
        assert!(consumers.must_wake());
        consumers.leave();
        // The next event may wake the first one again, but must not rely on it.
        assert!(consumers.must_wake());
    }
}
