//! The story of one call: get, retry, wait.

use std::hash::{BuildHasher, RandomState};
use std::sync::Arc;
use std::time::{Duration, Instant};
use std::{mem, process};

use crate::cancel::CancelToken;
use crate::context::{CallContext, Interruption};
use crate::envelope;
use crate::error::{Error, ErrorKind, Phase};
use crate::execution::Execution;
use crate::http::Http;
use crate::http::credentials::{Credentials, CurrentCredentials};
use crate::http::response::BodyFault;
use crate::http::url::ExecutionId;
use crate::options::{Options, milliseconds};
use crate::redact::Redactor;
use crate::retry::{PollSchedule, pause_before_retry};

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
            http: Http::new(&configuration.http)?,
            timeout: configuration.http.timeout,
            max_retries: configuration.max_retries,
            poll_interval: configuration.poll_interval,
            max_response_bytes: configuration.http.max_response_bytes,
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
        cancel: Option<&Arc<CancelToken>>,
    ) -> Result<Arc<Execution>, Error> {
        let id = ExecutionId::parse(execution_id).map_err(Error::invalid_argument)?;
        let context = CallContext::new(self.timeout, cancel.cloned());
        self.get_within(&id, &context).map(|polled| polled.execution)
    }

    /// Tries until there is an answer that another try would not better.
    fn get_within(&self, id: &ExecutionId<'_>, context: &CallContext) -> Result<Polled, Error> {
        let credentials = self.credentials.get()?;
        let mut attempts = 0;
        loop {
            context.check().map_err(|why| self.interrupted(why, Phase::Starting).after_attempts(attempts))?;
            attempts += 1;
            let error = match self.try_once(id, &credentials, context) {
                Ok(polled) => return Ok(Polled { attempts, ..polled }),
                Err(error) => error.after_attempts(attempts),
            };
            match pause_before_retry(&error, attempts, self.max_retries, context.remaining(), random()) {
                None => return Err(error),
                Some(length) => context
                    .pause(length)
                    .map_err(|why| self.interrupted(why, Phase::Pausing).after_attempts(attempts))?,
            }
        }
    }

    fn try_once(
        &self,
        id: &ExecutionId<'_>,
        credentials: &Arc<Credentials>,
        context: &CallContext,
    ) -> Result<Polled, Error> {
        let mut response = self.http.get(id, credentials, context)?;
        let fault = response.fault.take().map(|fault| self.describe_fault(fault, credentials));
        let kind = match fault {
            // A non-2xx status is reported even if its body was damaged; only cancellation takes precedence.
            Some(kind) if response.is_success() || matches!(kind, ErrorKind::Cancelled { .. }) => kind,
            _ if !response.is_success() => ErrorKind::Status,
            _ => {
                let body = mem::take(&mut response.body);
                match Execution::parse(body, Some(id.as_str()), self.max_response_bytes) {
                    Ok(execution) => {
                        let execution = Arc::new(execution);
                        return Ok(Polled { execution, retry_after: response.retry_after, attempts: 1 });
                    }
                    Err(refused) => {
                        response.body = refused.body.into();
                        refused.why.into()
                    }
                }
            }
        };
        Err(envelope::into_error(response, kind, &self.redactor(credentials)))
    }

    fn describe_fault(&self, fault: BodyFault, credentials: &Credentials) -> ErrorKind {
        match fault {
            BodyFault::Failed(kind) => kind,
            BodyFault::Encoded(encoding) => {
                let encoding = self.redactor(credentials).quote(&encoding);
                ErrorKind::InvalidResponse(format!(
                    "its body is encoded as {encoding}, which was not asked for"
                ))
            }
        }
    }

    fn interrupted(&self, why: Interruption, phase: Phase) -> Error {
        self.http.interrupted(why, phase).into()
    }

    fn redactor(&self, credentials: &Credentials) -> Redactor {
        let mut secrets = vec![credentials.secret().clone()];
        secrets.extend(self.http.proxy_secrets());
        Redactor::new(secrets)
    }

    /// Polls until the run has ended. `on_progress` sees every snapshot, and ends the wait by returning false.
    pub fn wait(
        &self,
        execution_id: Option<&[u8]>,
        timeout_ms: u64,
        cancel: Option<&Arc<CancelToken>>,
        on_progress: &mut dyn FnMut(&Arc<Execution>) -> bool,
    ) -> Result<Arc<Execution>, Error> {
        let id = ExecutionId::parse(execution_id).map_err(Error::invalid_argument)?;
        let limit = milliseconds(timeout_ms);
        let context = CallContext::new(limit, cancel.cloned());
        let mut schedule = PollSchedule::new(self.poll_interval);
        let mut last = Last::default();
        loop {
            let length = match self.get_within(&id, &context.with_timeout(self.timeout)) {
                Ok(polled) => {
                    let goes_on = on_progress(&polled.execution);
                    if polled.execution.state().is_final() {
                        return Ok(polled.execution);
                    }
                    let is_same = last.is_now(&polled);
                    if !goes_on {
                        return Err(last.told(ErrorKind::Cancelled { phase: Phase::Polling }.into()));
                    }
                    schedule.after_snapshot(is_same, polled.retry_after)
                }
                Err(error) if self.is_over(&error, &context) => {
                    last.has_failed(error);
                    return Err(self.out_of_time(limit, &last));
                }
                Err(error) => match schedule.after_failure(&error) {
                    Some(length) => {
                        last.has_failed(error);
                        length
                    }
                    None => return Err(last.told(error)),
                },
            };
            context.pause(length).map_err(|why| match why {
                Interruption::Cancelled => last.told(self.interrupted(why, Phase::Polling)),
                Interruption::TimedOut => self.out_of_time(limit, &last),
            })?;
        }
    }

    /// Whether a poll timed out because the whole wait did.
    fn is_over(&self, error: &Error, context: &CallContext) -> bool {
        matches!(error.kind(), ErrorKind::Timeout { .. }) && context.check() == Err(Interruption::TimedOut)
    }

    /// The error of a wait that has lasted `limit`, with the reason why there is nothing better.
    fn out_of_time(&self, limit: Option<Duration>, last: &Last) -> Error {
        let reason = match (&last.failure, &last.snapshot) {
            (Some(failure), _) if !matches!(failure.kind(), ErrorKind::Timeout { .. }) => {
                failure.message().chars().take(LONGEST_REASON).collect()
            }
            (_, Some(snapshot)) => format!("its last status is {}", self.status(snapshot)),
            (_, None) => "the server has not answered yet".into(),
        };
        last.told(ErrorKind::WaitTimeout { limit: limit.unwrap_or_default(), last: reason }.into())
    }

    /// The status, as it may stand in a message.
    fn status(&self, snapshot: &Execution) -> String {
        let status = String::from_utf8_lossy(snapshot.status().unwrap_or_default());
        let quote = |credentials: Arc<_>| self.redactor(&credentials).quote(status.trim_end_matches('\0'));
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
