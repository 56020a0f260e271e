//! The control flow of a call. `get` makes attempts until one succeeds or a retry is pointless. `wait` repeats such
//! calls until the execution has ended.

#[cfg(test)]
mod tests;
pub mod wait;

use std::hash::{BuildHasher, RandomState};
use std::ops::Deref;
use std::sync::Arc;
use std::time::{Duration, Instant};
use std::{mem, process};

use crate::alloc::try_copy;
use crate::cancel::CancelToken;
use crate::context::{CallContext, Clock, Interruption};
use crate::envelope;
use crate::error::message::{self, argument};
use crate::error::{Error, ErrorKind, Phase};
use crate::execution::{Execution, without_nul};
use crate::http::Http;
use crate::http::credentials::{Credentials, CurrentCredentials};
use crate::http::response::{BodyFault, Response};
use crate::http::url::ExecutionId;
use crate::log::{CallEnd, Event, Log, Outcome, Reason};
use crate::options::Options;
use crate::redact::Redactor;
use crate::retry::pause_before_retry;
use crate::timing::{AttemptReport, Timings};

/// The part of a client that talks to the server. Unit tests substitute their own.
pub trait Transport {
    /// Requests an execution once. A response of any status is a success. Stores in `report` what the attempt went through.
    fn get(
        &self,
        id: &ExecutionId<'_>,
        credentials: &Arc<Credentials>,
        context: &CallContext,
        report: &mut AttemptReport,
    ) -> Result<Response, ErrorKind>;

    /// The error of a call that was interrupted in this phase.
    fn interrupted(&self, context: &CallContext, why: Interruption, phase: Phase) -> ErrorKind;

    /// Redacts the secrets of a call with these credentials, and those of the settings.
    fn redactor(&self, credentials: &Credentials) -> Redactor;

    /// Whether a text might contain one of these secrets.
    fn can_echo(&self, credentials: &Credentials, text: &[u8]) -> bool;
}

impl Transport for Http {
    fn get(
        &self,
        id: &ExecutionId<'_>,
        credentials: &Arc<Credentials>,
        context: &CallContext,
        report: &mut AttemptReport,
    ) -> Result<Response, ErrorKind> {
        Http::get(self, id, credentials, context, report)
    }

    fn interrupted(&self, context: &CallContext, why: Interruption, phase: Phase) -> ErrorKind {
        Http::interrupted(self, context, why, phase)
    }

    fn redactor(&self, credentials: &Credentials) -> Redactor {
        Http::redactor(self, credentials)
    }

    fn can_echo(&self, credentials: &Credentials, text: &[u8]) -> bool {
        Http::can_echo(self, credentials, text)
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
    log: Option<Log>,
}

/// The tokens that cancel a call: that of the caller, and that of the queue that makes the call.
pub type Tokens<'a> = [Option<&'a Arc<CancelToken>>; 2];

/// An execution, and what is known about the call that fetched it.
pub struct Snapshot {
    execution: Arc<Execution>,
    attempts: u32,
    timings: Timings,
    /// NUL-terminated.
    request_id: Option<Vec<u8>>,
    retry_after: Option<Duration>,
}

impl Snapshot {
    /// The execution.
    pub fn execution(&self) -> &Arc<Execution> {
        &self.execution
    }

    /// How many attempts the call, or the poll, has started; 0 if the execution was made from text.
    pub fn attempts(&self) -> u32 {
        self.attempts
    }

    /// The times of the last attempt, and of the call or the poll as a whole.
    pub fn timings(&self) -> &Timings {
        &self.timings
    }

    /// The id that the server gave the request, NUL-terminated.
    pub fn request_id(&self) -> Option<&[u8]> {
        self.request_id.as_deref()
    }
}

impl From<Execution> for Snapshot {
    /// An execution that was made from text.
    fn from(execution: Execution) -> Snapshot {
        let (execution, timings) = (Arc::new(execution), Timings::default());
        Snapshot { execution, attempts: 0, timings, request_id: None, retry_after: None }
    }
}

impl Clone for Snapshot {
    /// Shares the execution. Omits the request id if there is no memory for it.
    fn clone(&self) -> Snapshot {
        let request_id = self.request_id.as_deref().and_then(try_copy);
        Snapshot { execution: self.execution.clone(), request_id, ..*self }
    }
}

impl Deref for Snapshot {
    type Target = Execution;

    fn deref(&self) -> &Execution {
        &self.execution
    }
}

impl Client {
    /// Checks the options. Opens no connection yet.
    pub fn new(options: &Options) -> Result<Client, Error> {
        let configuration = options.check()?;
        Ok(Client {
            clock: Clock::default(),
            random,
            timeout: configuration.timeout,
            max_retries: configuration.max_retries,
            poll_interval: configuration.poll_interval,
            log: configuration.log,
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
    ) -> Result<Snapshot, Error> {
        self.get_by_id(&parse_id(execution_id)?, [cancel, None])
    }

    /// Fetches an execution. Either token cancels the call.
    pub fn get_by_id(&self, id: &ExecutionId<'_>, tokens: Tokens<'_>) -> Result<Snapshot, Error> {
        let context = self.begin(self.timeout, tokens);
        context.debug(|| Event::GetBegins { id: id.as_str(), timeout: self.timeout });
        self.call(id, &self.credentials.get()?, &context, &mut AttemptReport::default())
    }

    /// The context of a call that begins now.
    fn begin(&self, timeout: Option<Duration>, [caller, queue]: Tokens<'_>) -> CallContext {
        let context = CallContext::new(self.clock.clone(), timeout, caller.cloned());
        context.with_token(queue).with_log(self.log.as_ref())
    }

    /// Makes attempts, and adds to the result what is known about them. Stores in `report` what the last one went through,
    /// if there was one.
    fn call(
        &self,
        id: &ExecutionId<'_>,
        credentials: &Arc<Credentials>,
        context: &CallContext,
        report: &mut AttemptReport,
    ) -> Result<Snapshot, Error> {
        let (mut attempts, mut last) = (0, AttemptReport::default());
        let result = self.make_attempts(id, credentials, context, &mut attempts, &mut last);
        last.timings.set_total(context.elapsed());
        let timings = last.timings;
        let result = match result {
            Ok(snapshot) => Ok(Snapshot { attempts, timings, ..snapshot }),
            Err(error) => Err(error.after_attempts(attempts).with_timings(timings)),
        };
        let status = |snapshot: &Snapshot| self.quote_status(snapshot, credentials);
        context.info(|| describe_end(id, &result, status, attempts, &last));
        if attempts > 0 {
            *report = last;
        }
        result
    }

    /// Makes attempts until one succeeds, or fails with an error that is not retried.
    fn make_attempts(
        &self,
        id: &ExecutionId<'_>,
        credentials: &Arc<Credentials>,
        context: &CallContext,
        attempts: &mut u32,
        report: &mut AttemptReport,
    ) -> Result<Snapshot, Error> {
        loop {
            context.check().map_err(|why| self.transport.interrupted(context, why, Phase::Starting))?;
            *attempts += 1;
            let error = match self.attempt(id, credentials, context, report) {
                Ok(snapshot) => return Ok(snapshot),
                Err(error) => error,
            };
            let random = (self.random)();
            let pause = pause_before_retry(&error, *attempts, self.max_retries, context.remaining(), random);
            let Some(pause) = pause else { return Err(error) };
            context.warn(|| Event::Retry {
                attempt: *attempts,
                reason: Reason(error.code(), error.message()),
                pause,
            });
            context.pause(pause).map_err(|why| self.transport.interrupted(context, why, Phase::Backoff))?;
        }
    }

    /// Makes one attempt.
    fn attempt(
        &self,
        id: &ExecutionId<'_>,
        credentials: &Arc<Credentials>,
        context: &CallContext,
        report: &mut AttemptReport,
    ) -> Result<Snapshot, Error> {
        let mut response = self.transport.get(id, credentials, context, report)?;
        let kind = match response.fault.take().map(|fault| self.describe_fault(fault, credentials)) {
            // A non-2xx status is reported even if its body was damaged; only cancellation takes precedence.
            Some(kind @ ErrorKind::Cancelled { .. }) => kind,
            _ if !response.is_success() => ErrorKind::Status,
            Some(kind) => kind,
            None => {
                let body = mem::take(&mut response.body);
                match Execution::parse(body, Some(id.as_str()), self.max_response_bytes) {
                    Ok(execution) => {
                        let request_id =
                            response.request_id.and_then(|id| self.redact_request_id(id, credentials));
                        let retry_after = response.retry_after;
                        return Ok(Snapshot { request_id, retry_after, ..execution.into() });
                    }
                    Err(invalid) => {
                        let (kind, body) = invalid.of_response();
                        response.body = body.into();
                        kind
                    }
                }
            }
        };
        Err(envelope::into_error(response, kind, &self.transport.redactor(credentials)))
    }

    /// The id that a server gave a request. Ignores one that is not UTF-8, or for which there is no memory.
    fn redact_request_id(&self, mut id: Vec<u8>, credentials: &Credentials) -> Option<Vec<u8>> {
        if self.transport.can_echo(credentials, &id) {
            id = self.transport.redactor(credentials).redact(id)?;
        }
        if !id.is_ascii() {
            std::str::from_utf8(&id).ok()?;
        }
        Some(id)
    }

    fn quote_status(&self, snapshot: &Execution, credentials: &Credentials) -> String {
        let status = String::from_utf8_lossy(snapshot.status().unwrap_or_default());
        self.transport.redactor(credentials).quote(status.trim_end_matches('\0'))
    }

    fn describe_fault(&self, fault: BodyFault, credentials: &Credentials) -> ErrorKind {
        match fault {
            BodyFault::Failed(kind) => kind,
            BodyFault::Encoded(encoding) => {
                let encoding = self.transport.redactor(credentials).quote(&encoding);
                ErrorKind::InvalidResponse(message::unrequested_encoding(&encoding))
            }
        }
    }
}

/// Checks the id of an execution.
pub fn parse_id(execution_id: Option<&[u8]>) -> Result<ExecutionId<'_>, Error> {
    ExecutionId::parse(execution_id).map_err(Error::invalid_argument)
}

/// What the log reports about the end of a call.
fn describe_end<'a>(
    id: &'a ExecutionId<'_>,
    result: &'a Result<Snapshot, Error>,
    status: impl FnOnce(&Snapshot) -> String,
    attempts: u32,
    report: &AttemptReport,
) -> Event<'a> {
    let (outcome, request_id) = match result {
        Ok(snapshot) => (Outcome::Execution(status(snapshot)), without_nul(snapshot.request_id())),
        Err(error) => (Outcome::Error(error.code(), error.message()), error.request_id()),
    };
    Event::Ended(CallEnd { id: id.as_str(), outcome, attempts, report: *report, request_id })
}

/// A number that spreads the retries of many clients. Not suitable for secrets.
fn random() -> u32 {
    RandomState::new().hash_one((process::id(), Instant::now())) as u32
}
