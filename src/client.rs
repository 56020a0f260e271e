//! The story of one call: get, retry, wait.

use std::hash::{BuildHasher, RandomState};
use std::sync::Arc;
use std::time::{Duration, Instant};
use std::{mem, process};

use crate::cancel::{Cancel, Interruption, Watch};
use crate::error::{Error, Kind, Phase};
use crate::execution::Execution;
use crate::http::Http;
use crate::http::credentials::{Credentials, CurrentCredentials};
use crate::http::transport::pause;
use crate::http::url::ExecutionId;
use crate::options::{Options, milliseconds};
use crate::retry::{Rhythm, pause_before_retry};

/// What the error of a wait tells of its last failure, in characters.
const LONGEST_REASON: usize = 1000;

/// Gets executions. Safe for any number of threads, and for the children of a fork.
#[derive(Debug)]
pub struct Client {
    http: Http,
    timeout: Option<Duration>,
    max_retries: u32,
    poll_interval: Duration,
    max_response_bytes: u64,
    credentials: CurrentCredentials,
}

/// An execution, and how long the server wants to be left alone.
struct Polled {
    execution: Arc<Execution>,
    retry_after: Option<Duration>,
    attempts: u32,
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
            max_response_bytes: configuration.max_response_bytes,
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
                Ok(polled) => return Ok(Polled { attempts, ..polled }),
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
        match Execution::parse(mem::take(&mut answer.body), Some(id.as_str()), self.max_response_bytes) {
            Ok(execution) => {
                Ok(Polled { execution: Arc::new(execution), retry_after: answer.retry_after, attempts: 1 })
            }
            Err(refused) => {
                answer.body = refused.body.into();
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
                Ok(polled) => {
                    let goes_on = on_progress(&polled.execution);
                    if polled.execution.state().is_final() {
                        return Ok(polled.execution);
                    }
                    let is_same = last.is_now(&polled);
                    if !goes_on {
                        return Err(last.told(Kind::Cancelled { phase: Phase::Polling }.into()));
                    }
                    rhythm.after_snapshot(is_same, polled.retry_after)
                }
                Err(error) if self.is_over(&error, &watch) => {
                    last.has_failed(error);
                    return Err(self.out_of_time(limit, &last));
                }
                Err(error) => match rhythm.after_failure(&error) {
                    Some(length) => {
                        last.has_failed(error);
                        length
                    }
                    None => return Err(last.told(error)),
                },
            };
            pause(&watch, length).map_err(|why| match why {
                Interruption::Cancelled => last.told(self.http.interrupted(why, Phase::Polling)),
                Interruption::TimedOut => self.out_of_time(limit, &last),
            })?;
        }
    }

    /// Whether a poll timed out because the whole wait did.
    fn is_over(&self, error: &Error, watch: &Watch) -> bool {
        matches!(error.kind(), Kind::Timeout { .. }) && watch.check() == Err(Interruption::TimedOut)
    }

    /// The error of a wait that has lasted `limit`, with the reason why there is nothing better.
    fn out_of_time(&self, limit: Option<Duration>, last: &Last) -> Error {
        let reason = match (&last.failure, &last.snapshot) {
            (Some(failure), _) if !matches!(failure.kind(), Kind::Timeout { .. }) => {
                failure.message().chars().take(LONGEST_REASON).collect()
            }
            (_, Some(snapshot)) => format!("its last status is {}", self.status(snapshot)),
            (_, None) => "the server has not answered yet".into(),
        };
        last.told(Kind::WaitOver { limit: limit.unwrap_or_default(), last: reason }.into())
    }

    /// The status, as it may stand in a message.
    fn status(&self, snapshot: &Execution) -> String {
        let status = String::from_utf8_lossy(snapshot.status().unwrap_or_default());
        let quote = |credentials: Arc<_>| self.http.quote(status.trim_end_matches('\0'), &credentials);
        self.credentials.get().map(quote).unwrap_or_default()
    }
}

/// What the polls of a wait have brought so far.
#[derive(Default)]
struct Last {
    snapshot: Option<Arc<Execution>>,
    /// Of the poll after that.
    failure: Option<Error>,
    /// Tries of all polls.
    attempts: u32,
}

impl Last {
    /// Keeps a snapshot; true: it is the same as the one before.
    fn is_now(&mut self, polled: &Polled) -> bool {
        let is_same = self.snapshot.as_ref().is_some_and(|before| before.body() == polled.execution.body());
        self.snapshot = Some(polled.execution.clone());
        self.failure = None;
        self.attempts += polled.attempts;
        is_same
    }

    fn has_failed(&mut self, error: Error) {
        self.attempts += error.attempts();
        self.failure = Some(error);
    }

    /// The error that ends the wait, with the tries that it took.
    fn told(&self, error: Error) -> Error {
        let attempts = self.attempts + error.attempts();
        error.after_attempts(attempts)
    }
}

/// Somewhere in 0 to 1. Not for secrets: many clients must not come back at the same moment, that is all.
fn random() -> f64 {
    RandomState::new().hash_one((process::id(), Instant::now())) as f64 / u64::MAX as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn random_numbers_differ_and_stay_in_range() {
        let numbers: Vec<f64> = (0..100).map(|_| random()).collect();
        assert!(numbers.iter().all(|number| (0.0..=1.0).contains(number)));
        assert!(numbers.iter().any(|number| *number < 0.5) && numbers.iter().any(|number| *number > 0.5));
    }
}
