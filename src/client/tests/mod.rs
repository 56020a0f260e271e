//! Calls and waits in virtual time, against a scripted server.

mod get;
mod log;
mod wait;

use super::*;
use crate::context::virtual_time::VirtualTime;
use crate::error::attempt_failures;
use crate::json::scan::JsonBuffer;
use crate::options::DEFAULT_MAX_RESPONSE_BYTES;
use crate::secret::Secret;
use std::sync::Mutex;

/// What the server does in one attempt, and how long it takes.
#[derive(Debug, Clone)]
struct Step {
    latency: Duration,
    outcome: Outcome,
}

#[derive(Debug, Clone)]
enum Outcome {
    Response { status: u16, retry_after: Option<Duration>, body: String, fault: Option<ErrorKind> },
    Failure(ErrorKind),
}

/// A response with this status and body, at once.
fn response(status: u16, body: &str) -> Step {
    Step {
        latency: Duration::ZERO,
        outcome: Outcome::Response { status, retry_after: None, body: body.into(), fault: None },
    }
}

/// An error response without an envelope.
fn status(status: u16) -> Step {
    response(status, "")
}

/// A snapshot of an execution.
fn snapshot(status: &str) -> Step {
    response(200, &format!(r#"{{"status": "{status}"}}"#))
}

/// A failure without a response.
fn failure(kind: ErrorKind) -> Step {
    Step { latency: Duration::ZERO, outcome: Outcome::Failure(kind) }
}

impl Step {
    fn after_ms(self, latency: u64) -> Step {
        Step { latency: ms(latency), ..self }
    }

    fn with_retry_after(mut self, requested: Option<u64>) -> Step {
        if let Outcome::Response { retry_after, .. } = &mut self.outcome {
            *retry_after = requested.map(Duration::from_secs);
        }
        self
    }

    fn with_fault(mut self, kind: ErrorKind) -> Step {
        if let Outcome::Response { fault, .. } = &mut self.outcome {
            *fault = Some(kind);
        }
        self
    }
}

impl Outcome {
    fn result(self) -> Result<Response, ErrorKind> {
        match self {
            Outcome::Response { status, retry_after, body, fault } => Ok(Response {
                status,
                retry_after,
                request_id: None,
                body: JsonBuffer::from(body.into_bytes()),
                fault: fault.map(BodyFault::Failed),
                request: None,
            }),
            Outcome::Failure(kind) => Err(kind),
        }
    }
}

/// A server that follows a script. The last step is repeated.
#[derive(Debug)]
struct Script {
    time: Arc<VirtualTime>,
    steps: Vec<Step>,
    /// The time at which each attempt began, in milliseconds, and its key or token.
    attempts: Mutex<Vec<(u64, String)>>,
}

impl Transport for Script {
    fn get(
        &self,
        _: &ExecutionId<'_>,
        credentials: &Arc<Credentials>,
        context: &CallContext,
        _: &mut AttemptReport,
    ) -> Result<Response, ErrorKind> {
        let secret = String::from_utf8_lossy(credentials.secret().bytes()).into_owned();
        let mut attempts = self.attempts.lock().unwrap();
        let step = self.steps[attempts.len().min(self.steps.len() - 1)].clone();
        attempts.push((self.time.elapsed().as_millis() as u64, secret));
        drop(attempts);
        context.pause(step.latency).map_err(|why| self.interrupted(context, why, Phase::Waiting))?;
        step.outcome.result()
    }

    fn interrupted(&self, context: &CallContext, why: Interruption, phase: Phase) -> ErrorKind {
        match why {
            Interruption::Cancelled => ErrorKind::Cancelled { phase },
            Interruption::TimedOut => {
                let limit = context.limit().unwrap_or_default();
                ErrorKind::Timeout { limit, phase, peer: "server:443".into() }
            }
        }
    }

    fn redactor(&self, credentials: &Credentials) -> Redactor {
        Redactor::new(vec![credentials.secret().clone(), Secret::new(b"proxy-password")])
    }

    fn can_echo(&self, _: &Credentials, _: &[u8]) -> bool {
        true
    }
}

impl Client<Script> {
    /// The time at which each attempt began, in milliseconds.
    fn attempt_times(&self) -> Vec<u64> {
        self.transport.attempts.lock().unwrap().iter().map(|(time, _)| *time).collect()
    }

    /// Restarts the clock, with another script.
    fn restart(&mut self, steps: Vec<Step>) {
        let time = VirtualTime::new();
        self.clock = time.clock();
        self.transport = Script { time, steps, attempts: Mutex::default() };
    }

    fn get_one(&self) -> Result<Snapshot, Error> {
        self.get(Some(b"id"), None)
    }

    fn wait_for_one(&self, timeout_ms: u64) -> Result<Snapshot, Error> {
        self.wait(Some(b"id"), timeout_ms, None, &mut |_| true)
    }
}

/// A client of a scripted server. Each backoff has its full length. Calls have no timeout, and are not retried.
fn client(steps: Vec<Step>) -> Client<Script> {
    let time = VirtualTime::new();
    let token = Credentials::session_token(b"session-token").unwrap();
    Client {
        clock: time.clock(),
        transport: Script { time, steps, attempts: Mutex::default() },
        random: || u32::MAX,
        timeout: None,
        max_retries: 0,
        poll_interval: ms(1000),
        max_response_bytes: DEFAULT_MAX_RESPONSE_BYTES,
        credentials: CurrentCredentials::new(Arc::new(token)).unwrap(),
        log: None,
    }
}

fn is_transient(status: u16) -> bool {
    [408, 429, 500, 502, 503, 504].contains(&status)
}

fn ms(milliseconds: u64) -> Duration {
    Duration::from_millis(milliseconds)
}

#[test]
fn random_numbers_differ() {
    let numbers: Vec<u32> = (0..100).map(|_| random()).collect();
    assert!(numbers.iter().any(|number| *number < 1 << 31) && numbers.iter().any(|number| *number > 1 << 31));
}

#[test]
fn only_clients_with_a_token_accept_another() {
    let client = client(vec![snapshot("COMPLETED")]);
    for (token, expected) in
        [(None, "session_token is NULL"), (Some(&b""[..]), "session_token is empty"), (Some(b"newer"), "")]
    {
        let message =
            client.set_session_token(token).map_or_else(|error| error.message().into_owned(), |()| "".into());
        assert_eq!(message, expected);
    }
    assert!(client.get_one().is_ok());
    assert_eq!(*client.transport.attempts.lock().unwrap(), [(0, "newer".to_string())]);

    let mut with_key = client;
    let key = Credentials::api_key(b"key", b"account").unwrap();
    with_key.credentials = CurrentCredentials::new(Arc::new(key)).unwrap();
    let error = with_key.set_session_token(Some(b"newer")).unwrap_err();
    assert_eq!(error.message(), "session_token: this client was made with an api_key");
}
