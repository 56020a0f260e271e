//! The control flow of a call. `get` makes attempts until one succeeds or a retry is pointless. `wait` repeats such
//! calls until the execution has ended.

#[cfg(test)]
mod tests;

use std::hash::{BuildHasher, RandomState};
use std::sync::Arc;
use std::time::{Duration, Instant};
use std::{mem, process};

use crate::cancel::CancelToken;
use crate::context::{CallContext, Clock, Interruption};
use crate::envelope;
use crate::error::message::{self, argument};
use crate::error::{Error, ErrorKind, Phase};
use crate::execution::Execution;
use crate::http::Http;
use crate::http::credentials::{Credentials, CurrentCredentials};
use crate::http::response::{BodyFault, Response};
use crate::http::url::ExecutionId;
use crate::options::{Options, timeout_from_ms};
use crate::redact::Redactor;
use crate::retry::{PollSchedule, pause_before_retry};
use crate::secret::Secret;

/// The maximum length of the last failure in the error of a wait, in characters.
const MAX_QUOTED_FAILURE: usize = 1000;

/// The part of a client that talks to the server. Unit tests substitute their own.
pub trait Transport {
    /// Requests an execution once. A response of any status is a success.
    fn get(
        &self,
        id: &ExecutionId<'_>,
        credentials: &Arc<Credentials>,
        context: &CallContext,
    ) -> Result<Response, ErrorKind>;

    /// The error of a call that was interrupted in this phase.
    fn interrupted(&self, interruption: Interruption, phase: Phase) -> ErrorKind;

    /// The secrets of the proxy, which no message may contain.
    fn proxy_secrets(&self) -> Vec<Secret>;
}

impl Transport for Http {
    fn get(
        &self,
        id: &ExecutionId<'_>,
        credentials: &Arc<Credentials>,
        context: &CallContext,
    ) -> Result<Response, ErrorKind> {
        Http::get(self, id, credentials, context)
    }

    fn interrupted(&self, interruption: Interruption, phase: Phase) -> ErrorKind {
        Http::interrupted(self, interruption, phase)
    }

    fn proxy_secrets(&self) -> Vec<Secret> {
        Http::proxy_secrets(self)
    }
}

/// Fetches executions. Any number of threads can share a client, and a forked child can go on using it.
#[derive(Debug)]
pub struct Client<T: Transport = Http> {
    transport: T,
    clock: Clock,
    /// Draws a number for the jitter of a backoff.
    random: fn() -> u32,
    timeout: Option<Duration>,
    max_retries: u32,
    poll_interval: Duration,
    max_response_bytes: u64,
    credentials: CurrentCredentials,
}

/// What a successful call returns to a wait.
struct Fetched {
    execution: Arc<Execution>,
    retry_after: Option<Duration>,
    attempts: u32,
}

impl Client {
    /// Checks the options. Opens no connection yet.
    pub fn new(options: &Options) -> Result<Client, Error> {
        let configuration = options.check()?;
        Ok(Client {
            clock: Clock::default(),
            random,
            timeout: configuration.http.timeout,
            max_retries: configuration.max_retries,
            poll_interval: configuration.poll_interval,
            max_response_bytes: configuration.http.max_response_bytes,
            transport: Http::new(configuration.http)?,
            credentials: CurrentCredentials::new(configuration.credentials)?,
        })
    }
}

impl<T: Transport> Client<T> {
    /// Replaces the session token, for calls and polls that begin later.
    pub fn set_session_token(&self, token: Option<&[u8]>) -> Result<(), Error> {
        let token = token.ok_or_else(|| Error::invalid_argument(argument::is_null("session_token")))?;
        let credentials = Credentials::session_token(token).map_err(Error::invalid_argument)?;
        if !self.credentials.get()?.is_session_token() {
            return Err(Error::invalid_argument(argument::CLIENT_HAS_API_KEY));
        }
        self.credentials.replace(Arc::new(credentials))
    }

    /// Fetches an execution.
    pub fn get(
        &self,
        execution_id: Option<&[u8]>,
        cancel: Option<&Arc<CancelToken>>,
    ) -> Result<Arc<Execution>, Error> {
        let id = ExecutionId::parse(execution_id).map_err(Error::invalid_argument)?;
        let context = CallContext::new(self.clock.clone(), self.timeout, cancel.cloned());
        self.call(&id, &self.credentials.get()?, &context).map(|fetched| fetched.execution)
    }

    /// Makes attempts until one succeeds, or fails with an error that is not retried.
    fn call(
        &self,
        id: &ExecutionId<'_>,
        credentials: &Arc<Credentials>,
        context: &CallContext,
    ) -> Result<Fetched, Error> {
        let mut attempts = 0;
        loop {
            context.check().map_err(|why| self.interrupted(why, Phase::Starting).after_attempts(attempts))?;
            attempts += 1;
            let error = match self.attempt(id, credentials, context) {
                Ok((execution, retry_after)) => return Ok(Fetched { execution, retry_after, attempts }),
                Err(error) => error.after_attempts(attempts),
            };
            let pause =
                pause_before_retry(&error, attempts, self.max_retries, context.remaining(), (self.random)());
            let Some(pause) = pause else { return Err(error) };
            context
                .pause(pause)
                .map_err(|why| self.interrupted(why, Phase::Backoff).after_attempts(attempts))?;
        }
    }

    /// Makes one attempt. Returns the execution and the Retry-After that came with it.
    fn attempt(
        &self,
        id: &ExecutionId<'_>,
        credentials: &Arc<Credentials>,
        context: &CallContext,
    ) -> Result<(Arc<Execution>, Option<Duration>), Error> {
        let mut response = self.transport.get(id, credentials, context)?;
        let kind = match response.fault.take().map(|fault| self.describe_fault(fault, credentials)) {
            // A non-2xx status is reported even if its body was damaged; only cancellation takes precedence.
            Some(kind @ ErrorKind::Cancelled { .. }) => kind,
            _ if !response.is_success() => ErrorKind::Status,
            Some(kind) => kind,
            None => {
                let body = mem::take(&mut response.body);
                match Execution::parse(body, Some(id.as_str()), self.max_response_bytes) {
                    Ok(execution) => return Ok((Arc::new(execution), response.retry_after)),
                    Err(invalid) => {
                        let (kind, body) = invalid.of_response();
                        response.body = body.into();
                        kind
                    }
                }
            }
        };
        Err(envelope::into_error(response, kind, &self.redactor(credentials)))
    }

    /// Polls until the execution has ended. Calls `on_progress` with every snapshot, and stops once it returns false.
    pub fn wait(
        &self,
        execution_id: Option<&[u8]>,
        timeout_ms: u64,
        cancel: Option<&Arc<CancelToken>>,
        on_progress: &mut dyn FnMut(&Arc<Execution>) -> bool,
    ) -> Result<Arc<Execution>, Error> {
        let id = ExecutionId::parse(execution_id).map_err(Error::invalid_argument)?;
        let limit = timeout_from_ms(timeout_ms);
        let context = CallContext::new(self.clock.clone(), limit, cancel.cloned());
        let mut schedule = PollSchedule::new(self.poll_interval);
        let mut state = WaitState::default();
        loop {
            let poll = context.with_timeout(self.timeout);
            let granted = poll.remaining();
            let polled = self.credentials.get().and_then(|credentials| {
                let fetched = self.call(&id, &credentials, &poll)?;
                // Redacted now, because the credentials may be replaced before the status is reported.
                state.status = self.quote_status(&fetched.execution, &credentials);
                Ok(fetched)
            });
            let pause = match polled {
                Ok(fetched) => {
                    let goes_on = on_progress(&fetched.execution);
                    if fetched.execution.state().is_final() {
                        return Ok(fetched.execution);
                    }
                    let (is_unchanged, retry_after) =
                        (state.is_unchanged(&fetched.execution), fetched.retry_after);
                    state.record(fetched);
                    if !goes_on {
                        return Err(state.end(ErrorKind::Cancelled { phase: Phase::Polling }));
                    }
                    schedule.after_snapshot(is_unchanged, retry_after)
                }
                Err(error) if has_run_out(&error, &context) => {
                    state.record_failure(error.with_limit(granted.unwrap_or_default()));
                    state.is_interrupted = true;
                    return Err(self.wait_timeout(limit, &mut state));
                }
                Err(error) => match schedule.after_failure(&error) {
                    Some(pause) => {
                        state.record_failure(error);
                        pause
                    }
                    None => return Err(state.end(error)),
                },
            };
            context.pause(pause).map_err(|why| match why {
                Interruption::Cancelled => state.end(ErrorKind::Cancelled { phase: Phase::Polling }),
                Interruption::TimedOut => self.wait_timeout(limit, &mut state),
            })?;
        }
    }

    /// The error of a wait that has reached its `limit`. It quotes the result of the last poll, and has its failure as
    /// the cause.
    fn wait_timeout(&self, limit: Option<Duration>, state: &mut WaitState) -> Error {
        let last = match (&state.failure, &state.snapshot) {
            (Some(failure), _) if !state.is_interrupted => {
                failure.message().chars().take(MAX_QUOTED_FAILURE).collect()
            }
            (_, Some(_)) => message::last_status(&state.status),
            (_, None) => message::NO_RESPONSE_YET.into(),
        };
        let error = state.end(ErrorKind::WaitTimeout { limit: limit.unwrap_or_default(), last });
        error.with_cause(state.failure.take())
    }

    fn quote_status(&self, snapshot: &Execution, credentials: &Credentials) -> String {
        let status = String::from_utf8_lossy(snapshot.status().unwrap_or_default());
        self.redactor(credentials).quote(status.trim_end_matches('\0'))
    }

    fn describe_fault(&self, fault: BodyFault, credentials: &Credentials) -> ErrorKind {
        match fault {
            BodyFault::Failed(kind) => kind,
            BodyFault::Encoded(encoding) => {
                let encoding = self.redactor(credentials).quote(&encoding);
                ErrorKind::InvalidResponse(message::unrequested_encoding(&encoding))
            }
        }
    }

    fn redactor(&self, credentials: &Credentials) -> Redactor {
        let mut secrets = vec![credentials.secret().clone()];
        secrets.extend(self.transport.proxy_secrets());
        Redactor::new(secrets)
    }

    fn interrupted(&self, why: Interruption, phase: Phase) -> Error {
        self.transport.interrupted(why, phase).into()
    }
}

/// Whether a poll timed out because the deadline of the whole wait has passed.
fn has_run_out(error: &Error, context: &CallContext) -> bool {
    matches!(error.kind(), ErrorKind::Timeout { .. }) && context.check() == Err(Interruption::TimedOut)
}

/// What the polls of a wait have returned so far.
#[derive(Default)]
struct WaitState {
    /// The last snapshot.
    snapshot: Option<Arc<Execution>>,
    /// Its status, redacted and ready to be quoted.
    status: String,
    /// The failure of the last poll, if it failed.
    failure: Option<Error>,
    /// Whether it failed only because the deadline of the wait passed.
    is_interrupted: bool,
    /// The number of attempts in all polls.
    attempts: u32,
}

impl WaitState {
    /// Whether this snapshot is the same as the last one.
    fn is_unchanged(&self, execution: &Execution) -> bool {
        self.snapshot.as_ref().is_some_and(|last| last.body() == execution.body())
    }

    fn record(&mut self, fetched: Fetched) {
        self.attempts += fetched.attempts;
        self.snapshot = Some(fetched.execution);
        self.failure = None;
    }

    fn record_failure(&mut self, error: Error) {
        self.attempts += error.attempts();
        self.failure = Some(error);
    }

    /// The error that ends the wait. It counts the attempts of all polls.
    fn end(&self, error: impl Into<Error>) -> Error {
        let error = error.into();
        let attempts = self.attempts + error.attempts();
        error.after_attempts(attempts)
    }
}

/// A number that spreads the retries of many clients. Not suitable for secrets.
fn random() -> u32 {
    RandomState::new().hash_one((process::id(), Instant::now())) as u32
}
