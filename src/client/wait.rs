//! A wait: calls that are repeated, with pauses, until the execution has ended. A [`Wait`] holds what is between two polls,
//! so that it occupies no thread while it pauses.

use std::sync::Arc;
use std::time::{Duration, Instant};

use super::{Client, Snapshot, Tokens, Transport, describe_end, parse_id};
use crate::alloc::try_box;
use crate::cancel::CancelToken;
use crate::context::{CallContext, Interruption};
use crate::error::message;
use crate::error::{Error, ErrorKind, Phase};
use crate::execution::Execution;
use crate::http::url::ExecutionId;
use crate::log::{Event, Reason};
use crate::options::timeout_from_ms;
use crate::retry::PollSchedule;
use crate::timing::AttemptReport;

/// The maximum length of the last failure in the error of a wait, in characters.
const MAX_QUOTED_FAILURE: usize = 1000;

/// A wait, and what its polls have returned so far.
pub struct Wait<'a> {
    id: ExecutionId<'a>,
    limit: Option<Duration>,
    context: CallContext,
    schedule: PollSchedule,
    has_begun: bool,
    /// The last snapshot.
    snapshot: Option<Snapshot>,
    /// What the last attempt of the last poll went through.
    report: AttemptReport,
    /// Its status, redacted and ready to be quoted.
    status: String,
    /// The failure of the last poll, if it failed.
    failure: Option<Error>,
    /// Whether it failed only because the deadline of the wait passed.
    is_interrupted: bool,
    /// The number of attempts in all polls.
    attempts: u32,
}

/// What follows a poll.
pub enum Step {
    /// Another poll, after this pause.
    Pause(Duration),
    /// The wait has ended.
    Done(Result<Snapshot, Error>),
}

/// The result of a poll that does not end the wait with an error.
enum Polled {
    /// The execution goes on. The next poll is due after this pause.
    Unfinished(Duration),
    /// The execution has ended.
    Final(Snapshot),
}

impl<T: Transport> Client<T> {
    /// Polls until the execution has ended. Calls `on_progress` with every snapshot, and stops once it returns false.
    pub fn wait(
        &self,
        execution_id: Option<&[u8]>,
        timeout_ms: u64,
        cancel: Option<&Arc<CancelToken>>,
        on_progress: &mut dyn FnMut(&Snapshot) -> bool,
    ) -> Result<Snapshot, Error> {
        let mut wait = self.begin_wait(parse_id(execution_id)?, timeout_ms, [cancel, None]);
        loop {
            match self.poll(&mut wait, on_progress) {
                // If the pause is interrupted, the next poll returns the error.
                Step::Pause(pause) => drop(wait.context.pause(pause)),
                Step::Done(result) => return result,
            }
        }
    }

    /// A wait that begins now. Either token cancels it.
    pub fn begin_wait<'a>(&self, id: ExecutionId<'a>, timeout_ms: u64, tokens: Tokens<'_>) -> Wait<'a> {
        let limit = timeout_from_ms(timeout_ms);
        Wait {
            id,
            limit,
            context: self.begin(limit, tokens),
            schedule: PollSchedule::new(self.poll_interval),
            has_begun: false,
            snapshot: None,
            report: AttemptReport::default(),
            status: String::new(),
            failure: None,
            is_interrupted: false,
            attempts: 0,
        }
    }

    /// Polls once, unless the wait has been cancelled or has reached its deadline. Calls `on_progress` with the snapshot;
    /// if it returns false, the wait ends.
    pub fn poll(&self, wait: &mut Wait<'_>, on_progress: &mut dyn FnMut(&Snapshot) -> bool) -> Step {
        let result = match self.poll_once(wait, on_progress) {
            Ok(Polled::Unfinished(pause)) => return Step::Pause(pause),
            Ok(Polled::Final(snapshot)) => Ok(snapshot),
            Err(error) => Err(error),
        };
        wait.report.timings.set_total(wait.context.elapsed());
        let result = result.map_err(|error| error.with_timings(wait.report.timings));
        wait.context.log_mut().end_polls();
        let attempts = result.as_ref().map_or_else(Error::attempts, |_| wait.attempts);
        let status = |_: &Snapshot| std::mem::take(&mut wait.status);
        wait.context.info(|| describe_end(&wait.id, &result, status, attempts, &wait.report));
        Step::Done(result)
    }

    fn poll_once(
        &self,
        wait: &mut Wait<'_>,
        on_progress: &mut dyn FnMut(&Snapshot) -> bool,
    ) -> Result<Polled, Error> {
        if wait.has_begun {
            wait.context.check().map_err(|why| match why {
                Interruption::Cancelled => wait.end(ErrorKind::Cancelled { phase: Phase::Polling }),
                Interruption::TimedOut => wait.timeout(),
            })?;
        } else {
            wait.context.debug(|| Event::WaitBegins { id: wait.id.as_str(), timeout: wait.limit });
            wait.has_begun = true;
        }
        let poll = wait.context.begin_poll(self.timeout);
        let polled = self.credentials.get().and_then(|credentials| {
            let snapshot = self.call(&wait.id, &credentials, &poll, &mut wait.report)?;
            // Redacted now, because the credentials may be replaced before the status is reported.
            wait.status = self.quote_status(&snapshot, &credentials);
            Ok(snapshot)
        });
        let pause = match polled {
            Ok(snapshot) => {
                let goes_on = on_progress(&snapshot);
                if snapshot.state().is_final() {
                    wait.attempts += snapshot.attempts;
                    return Ok(Polled::Final(snapshot));
                }
                let (is_unchanged, retry_after) = (wait.is_unchanged(&snapshot), snapshot.retry_after);
                wait.record(snapshot);
                if !goes_on {
                    return Err(wait.end(ErrorKind::Cancelled { phase: Phase::Polling }));
                }
                wait.schedule.after_snapshot(is_unchanged, retry_after)
            }
            Err(error) if wait.has_run_out(&error) => {
                wait.record_failure(error);
                wait.is_interrupted = true;
                return Err(wait.timeout());
            }
            Err(error) => match wait.schedule.after_failure(&error) {
                Some(pause) => {
                    let is_in_time = |pause: &Duration| {
                        wait.context.remaining().is_none_or(|remaining| *pause < remaining)
                    };
                    wait.context.warn(|| Event::PollFailed {
                        reason: Reason(error.code(), error.message()),
                        pause: Some(pause).filter(is_in_time),
                    });
                    wait.record_failure(error);
                    pause
                }
                None => return Err(wait.end(error)),
            },
        };
        Ok(Polled::Unfinished(pause))
    }
}

impl Wait<'_> {
    /// The time at which the wait ends, or `None` if there is no limit.
    pub fn deadline(&self) -> Option<Instant> {
        self.context.deadline()
    }

    /// The time at which a pause that begins now is over, or the deadline if that is earlier.
    pub fn end_of_pause(&self, pause: Duration) -> Instant {
        /// So long that it makes no difference, and within the range of any clock.
        const MAX_PAUSE: Duration = Duration::from_secs(100 * 365 * 24 * 60 * 60);
        let now = self.context.now();
        let end = now.checked_add(pause).unwrap_or(now + MAX_PAUSE);
        self.deadline().map_or(end, |deadline| end.min(deadline))
    }

    /// Whether this snapshot is the same as the last one.
    fn is_unchanged(&self, execution: &Execution) -> bool {
        self.snapshot.as_ref().is_some_and(|last| last.body() == execution.body())
    }

    fn record(&mut self, snapshot: Snapshot) {
        self.attempts += snapshot.attempts;
        self.snapshot = Some(snapshot);
        self.failure = None;
    }

    fn record_failure(&mut self, error: Error) {
        self.attempts += error.attempts();
        self.failure = Some(error);
    }

    /// Whether a poll timed out because the deadline of the whole wait has passed.
    fn has_run_out(&self, error: &Error) -> bool {
        matches!(error.kind(), ErrorKind::Timeout { .. })
            && self.context.check() == Err(Interruption::TimedOut)
    }

    /// The error of a wait that has reached its limit. It quotes the result of the last poll, and has its failure as the
    /// cause.
    fn timeout(&mut self) -> Error {
        let last = match (&self.failure, &self.snapshot) {
            (Some(failure), _) if !self.is_interrupted => {
                failure.message().chars().take(MAX_QUOTED_FAILURE).collect()
            }
            (_, Some(_)) => message::last_status(&self.status),
            (_, None) => message::NO_RESPONSE_YET.into(),
        };
        // Dropped if there is no memory for it.
        let cause = self.failure.take().and_then(try_box);
        self.end(ErrorKind::WaitTimeout { limit: self.limit.unwrap_or_default(), last, cause })
    }

    /// The error that ends the wait. It counts the attempts of all polls.
    fn end(&self, error: impl Into<Error>) -> Error {
        let error = error.into();
        let attempts = self.attempts + error.attempts();
        error.after_attempts(attempts)
    }
}
