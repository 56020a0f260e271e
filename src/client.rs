//! The story of one call: get, retry, wait.

use std::hash::{BuildHasher, RandomState};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, TryLockError};
use std::time::{Duration, Instant};
use std::{iter, mem, process};

use crate::cancel::{Cancel, Interruption, Watch};
use crate::error::{Error, Kind, Phase};
use crate::execution::{Execution, Invalid};
use crate::http::Http;
use crate::http::credentials::Credentials;
use crate::http::transport::{PerProcess, pause};
use crate::http::url::ExecutionId;
use crate::options::{Options, milliseconds};
use crate::retry::pause_before_retry;

/// Polls that may fail in a row before a wait gives up.
const FAILED_POLLS: u32 = 5;

/// The pause between two polls grows to this many times the interval.
const LONGEST_PAUSE: u32 = 10;

/// Gets executions. Safe for any number of threads, and for the children of a fork.
#[derive(Debug)]
pub struct Client {
    http: Http,
    timeout: Option<Duration>,
    max_retries: u32,
    poll_interval: Duration,
    credentials: CurrentCredentials,
}

/// An execution, and how long the server wants to be left alone.
struct Polled {
    execution: Arc<Execution>,
    retry_after: Option<Duration>,
}

impl Client {
    /// Checks the options. Connects to nothing yet.
    pub fn new(options: &Options) -> Result<Client, Error> {
        let configuration = options.check()?;
        Ok(Client {
            http: Http::new(&configuration)?,
            timeout: configuration.timeout,
            max_retries: configuration.max_retries,
            poll_interval: configuration.poll_interval,
            credentials: CurrentCredentials::new(configuration.credentials)?,
        })
    }

    /// A new token, for calls and polls that begin later.
    pub fn set_session_token(&self, token: Option<&[u8]>) -> Result<(), Error> {
        let token = token.ok_or_else(|| Error::invalid_argument("session_token is NULL"))?;
        let credentials = Credentials::session_token(token).map_err(Error::invalid_argument)?;
        if !self.credentials.get()?.is_session_token() {
            return Err(Error::invalid_argument("session_token: this client was made with an api_key"));
        }
        self.credentials.replace(Arc::new(credentials))
    }

    /// One execution.
    pub fn get(
        &self,
        execution_id: Option<&[u8]>,
        cancel: Option<&Arc<Cancel>>,
    ) -> Result<Arc<Execution>, Error> {
        let id = ExecutionId::parse(execution_id).map_err(Error::invalid_argument)?;
        let watch = Watch::new(self.timeout, cancel.cloned());
        self.get_within(&id, &watch).map(|polled| polled.execution)
    }

    /// Tries until there is an answer that another try would not better.
    fn get_within(&self, id: &ExecutionId<'_>, watch: &Watch) -> Result<Polled, Error> {
        let credentials = self.credentials.get()?;
        let mut attempts = 0;
        loop {
            watch
                .check()
                .map_err(|why| self.http.interrupted(why, Phase::Starting).after_attempts(attempts))?;
            attempts += 1;
            let error = match self.try_once(id, &credentials, watch) {
                Ok(polled) => return Ok(polled),
                Err(error) => error.after_attempts(attempts),
            };
            match pause_before_retry(&error, attempts, self.max_retries, watch.left(), random()) {
                None => return Err(error),
                Some(length) => pause(watch, length)
                    .map_err(|why| self.http.interrupted(why, Phase::Pausing).after_attempts(attempts))?,
            }
        }
    }

    fn try_once(
        &self,
        id: &ExecutionId<'_>,
        credentials: &Arc<Credentials>,
        watch: &Watch,
    ) -> Result<Polled, Error> {
        let mut answer = self.http.get(id, credentials, watch)?;
        if !answer.is_success() {
            return Err(self.http.error(answer, Kind::Status, credentials));
        }
        match Execution::parse(mem::take(&mut answer.body), Some(id.as_str())) {
            Ok(execution) => Ok(Polled { execution: Arc::new(execution), retry_after: answer.retry_after }),
            Err(refused) => {
                answer.body = refused.body;
                Err(self.http.error(answer, refused.why.into(), credentials))
            }
        }
    }

    /// Polls until the run has ended. `on_progress` sees every snapshot, and ends the wait by returning false.
    pub fn wait(
        &self,
        execution_id: Option<&[u8]>,
        timeout_ms: u64,
        cancel: Option<&Arc<Cancel>>,
        on_progress: &mut dyn FnMut(&Arc<Execution>) -> bool,
    ) -> Result<Arc<Execution>, Error> {
        let id = ExecutionId::parse(execution_id).map_err(Error::invalid_argument)?;
        let limit = milliseconds(timeout_ms);
        let watch = Watch::new(limit, cancel.cloned());
        let mut rhythm = Rhythm::new(self.poll_interval);
        let mut last = Last::default();
        loop {
            let length = match self.get_within(&id, &watch.within(self.timeout)) {
                Ok(Polled { execution, retry_after }) => {
                    let goes_on = on_progress(&execution);
                    if execution.state().is_final() {
                        return Ok(execution);
                    }
                    if !goes_on {
                        return Err(Kind::Cancelled { phase: Phase::Polling }.into());
                    }
                    let is_same = last.is_now(execution);
                    rhythm.after_snapshot(is_same).max(retry_after.unwrap_or_default())
                }
                Err(error) if self.is_over(&error, &watch) => return Err(last.out_of_time(limit)),
                Err(error) => {
                    let length = rhythm.after_failure().filter(|_| error.is_retryable());
                    let length =
                        length.ok_or_else(|| error.clone())?.max(error.retry_after().unwrap_or_default());
                    last.failure = Some(error);
                    length
                }
            };
            pause(&watch, length).map_err(|why| match why {
                Interruption::Cancelled => self.http.interrupted(why, Phase::Polling),
                Interruption::TimedOut => last.out_of_time(limit),
            })?;
        }
    }

    /// Whether a poll timed out because the whole wait did.
    fn is_over(&self, error: &Error, watch: &Watch) -> bool {
        matches!(error.kind(), Kind::Timeout { .. }) && watch.check() == Err(Interruption::TimedOut)
    }
}

/// What the polls of a wait have brought last.
#[derive(Default)]
struct Last {
    snapshot: Option<Arc<Execution>>,
    /// Of the polls since.
    failure: Option<Error>,
}

impl Last {
    /// Keeps a snapshot; true: it is the same as the one before.
    fn is_now(&mut self, execution: Arc<Execution>) -> bool {
        let is_same = self.snapshot.as_ref().is_some_and(|before| before.body() == execution.body());
        *self = Last { snapshot: Some(execution), failure: None };
        is_same
    }

    /// The error of a wait that has lasted `limit`, with the reason why there is nothing better.
    fn out_of_time(&self, limit: Option<Duration>) -> Error {
        let status = || Some(String::from_utf8_lossy(self.snapshot.as_ref()?.status()?).into_owned());
        let last = match (&self.failure, status()) {
            (Some(failure), _) => failure.message(),
            (None, Some(status)) => format!("its last status is {}", status.trim_end_matches('\0')),
            (None, None) => "the server has not answered yet".into(),
        };
        Kind::WaitOver { limit: limit.unwrap_or_default(), last }.into()
    }
}

impl From<Invalid> for Kind {
    fn from(invalid: Invalid) -> Kind {
        match invalid {
            Invalid::OutOfMemory => Kind::Resource("memory is used up: the answer does not fit".into()),
            other => Kind::InvalidResponse(other.to_string()),
        }
    }
}

/// The pauses between polls.
#[derive(Debug)]
struct Rhythm {
    interval: Duration,
    pause: Duration,
    failures: u32,
}

impl Rhythm {
    fn new(interval: Duration) -> Rhythm {
        Rhythm { interval, pause: interval, failures: 0 }
    }

    /// The interval after news, half as long again after each snapshot that brought none.
    fn after_snapshot(&mut self, is_same: bool) -> Duration {
        self.failures = 0;
        self.pause = if is_same {
            self.pause.saturating_add(self.pause / 2).min(self.interval.saturating_mul(LONGEST_PAUSE))
        } else {
            self.interval
        };
        self.pause
    }

    /// `None`: too many polls have failed in a row.
    fn after_failure(&mut self) -> Option<Duration> {
        self.failures += 1;
        (self.failures <= FAILED_POLLS).then_some(self.pause)
    }
}

/// Somewhere in 0 to 1. Not for secrets: many clients must not come back at the same moment, that is all.
fn random() -> f64 {
    RandomState::new().hash_one((process::id(), Instant::now())) as f64 / u64::MAX as f64
}

/// What calls that begin now authenticate with.
#[derive(Debug)]
struct CurrentCredentials {
    /// What calls look at. A child made by fork has one of its own: a thread that it does not have may hold this.
    in_use: PerProcess<Mutex<Arc<Credentials>>>,
    /// What a child begins with, twice: where its parent was just writing one of them, that one is locked for ever.
    newest: [Mutex<Arc<Credentials>>; 2],
}

impl CurrentCredentials {
    fn new(credentials: Arc<Credentials>) -> Result<CurrentCredentials, Error> {
        let newest = [Mutex::new(credentials.clone()), Mutex::new(credentials)];
        let current = CurrentCredentials { in_use: PerProcess::new(), newest };
        current.in_use()?;
        Ok(current)
    }

    fn in_use(&self) -> Result<&Mutex<Arc<Credentials>>, Error> {
        self.in_use.get_or_try_make(|| self.inherited().map(Mutex::new))
    }

    /// Only the first look of a process, when hardly anybody else looks: it does not wait long.
    fn inherited(&self) -> Result<Arc<Credentials>, Error> {
        let free = self.newest.iter().cycle().take(200).find_map(try_lock);
        free.map(|newest| newest.clone()).ok_or_else(|| {
            Error::internal(
                "this process was forked while a session token was being set: make a new client in it",
            )
        })
    }

    fn get(&self) -> Result<Arc<Credentials>, Error> {
        Ok(self.in_use()?.lock().unwrap_or_else(PoisonError::into_inner).clone())
    }

    fn replace(&self, credentials: Arc<Credentials>) -> Result<(), Error> {
        // One at a time.
        let mut in_use = self.in_use()?.lock().unwrap_or_else(PoisonError::into_inner);
        for newest in &self.newest {
            let free = iter::repeat_n(newest, 100).find_map(try_lock);
            // A fork may come at any moment: what stands there is whole, and dropped once it stands there no more.
            let _former = free.map(|mut newest| mem::replace(&mut *newest, credentials.clone()));
        }
        let _former = mem::replace(&mut *in_use, credentials);
        Ok(())
    }
}

/// The lock, unless somebody holds it; then a moment passes.
fn try_lock<T>(mutex: &Mutex<T>) -> Option<MutexGuard<'_, T>> {
    match mutex.try_lock() {
        Ok(guard) => Some(guard),
        Err(TryLockError::Poisoned(poisoned)) => Some(poisoned.into_inner()),
        Err(TryLockError::WouldBlock) => {
            std::thread::sleep(Duration::from_micros(100));
            None
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_rhythm_slows_down_while_nothing_happens_and_starts_anew_at_a_change() {
        let mut rhythm = Rhythm::new(Duration::from_millis(1000));
        let pauses: Vec<u128> = [false, true, true, true, false, true]
            .into_iter()
            .map(|is_same| rhythm.after_snapshot(is_same).as_millis())
            .collect();
        assert_eq!(pauses, [1000, 1500, 2250, 3375, 1000, 1500]);
        (0..100).for_each(|_| assert!(rhythm.after_snapshot(true) > Duration::ZERO));
        assert_eq!(rhythm.after_snapshot(true), Duration::from_secs(10));
        assert_eq!(Rhythm::new(Duration::MAX).after_snapshot(true), Duration::MAX);
    }

    #[test]
    fn five_failures_in_a_row_are_waited_out() {
        let mut rhythm = Rhythm::new(Duration::from_millis(10));
        (0..5).for_each(|_| assert!(rhythm.after_failure().is_some()));
        assert_eq!(rhythm.after_failure(), None);
        rhythm.after_snapshot(true);
        assert!(rhythm.after_failure().is_some());
    }

    #[test]
    fn random_numbers_differ_and_stay_in_range() {
        let numbers: Vec<f64> = (0..100).map(|_| random()).collect();
        assert!(numbers.iter().all(|number| (0.0..=1.0).contains(number)));
        assert!(numbers.iter().any(|number| *number < 0.5) && numbers.iter().any(|number| *number > 0.5));
    }
}
