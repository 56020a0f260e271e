//! The API around its executions: the route, authentication, the error envelope, and a gateway.

use std::collections::HashMap;
use std::hash::{BuildHasher, RandomState};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant, SystemTime};

use hyper::header::HeaderMap;
use hyper::{Method, StatusCode};
use serde::Serialize;

use crate::catalog;
use crate::faults;
use crate::reply::Reply;
use crate::settings::Settings;

pub const ROUTE: &str = "/api/v2/public/execution/";

/// How many clocks and counts are kept, so that requests for ever new ids take no more memory than that.
const MAX_ENTRIES: usize = 10_000;

/// The settings, and the state that the server keeps between requests.
pub struct Sandbox {
    pub settings: Settings,
    starts: Mutex<HashMap<String, (Instant, SystemTime)>>,
    visits: Mutex<HashMap<String, u32>>,
    /// When the current second began, and the requests in it.
    window: Mutex<(Instant, u32)>,
}

impl Sandbox {
    pub fn new(settings: Settings) -> Self {
        Sandbox {
            settings,
            starts: Mutex::default(),
            visits: Mutex::default(),
            window: Mutex::new((Instant::now(), 0)),
        }
    }

    /// The response to any request.
    pub fn respond(&self, method: &Method, path: &str, headers: &HeaderMap) -> Reply {
        let reply = match self.gateway_failure() {
            Some(failure) => failure,
            None => self.respond_from_api(method, path, headers).unwrap_or_else(|envelope| envelope.reply()),
        };
        reply.after(self.settings.latency)
    }

    fn respond_from_api(&self, method: &Method, path: &str, headers: &HeaderMap) -> Result<Reply, Envelope> {
        let Some(id) = path.strip_prefix(ROUTE) else {
            return Err(Envelope::new(404, &format!("Cannot {method} {path}")));
        };
        if method != Method::GET {
            let envelope = Envelope::new(405, &format!("{method} is not allowed here"));
            return Ok(envelope.reply().with_header("allow", "GET"));
        }
        self.authenticate(headers)?;
        let accepts_gzip = text(headers, "accept-encoding").is_some_and(|codings| codings.contains("gzip"));
        // As documented, without a request id in its body.
        let not_found =
            || Envelope { request_id_in: RequestIdIn::Header, ..Envelope::new(404, "Execution not found") };
        catalog::respond(id, accepts_gzip, self).ok_or_else(not_found)
    }

    /// Exactly one of the two ways, with the right credentials.
    fn authenticate(&self, headers: &HeaderMap) -> Result<(), Envelope> {
        let way = |name| headers.get_all(name).iter().map(|value| value.as_bytes()).collect::<Vec<_>>();
        let key: &[u8] = self.settings.api_key.as_bytes();
        let account: &[u8] = self.settings.linked_account.as_bytes();
        let bearer = format!("Bearer {}", self.settings.token);
        match (&*way("authorization"), &*way("x-api-key"), &*way("linked_account_id")) {
            ([], [], _) => Err(Envelope::new(401, "Credentials are missing")),
            ([token], [], []) if *token == bearer.as_bytes() => Ok(()),
            ([_], [], []) => Err(Envelope::new(401, "The session token is not valid")),
            ([], [sent], _) if *sent != key => Err(Envelope::new(401, "The API key is not valid")),
            ([], [_], []) => Err(Envelope {
                error_code: Some("MISSING_REQUIRED_FIELD"),
                ..Envelope::new(400, "linked_account_id is required with an API key")
            }),
            ([], [_], [sent]) if *sent == account => Ok(()),
            ([], [_], [_]) => Err(Envelope::new(403, "The linked account does not exist")),
            _ => {
                Err(Envelope::new(400, "Send one API key and linked account, or one session token, not both"))
            }
        }
    }

    /// The failures that --rate-limit and --failure-rate ask for.
    fn gateway_failure(&self) -> Option<Reply> {
        if self.settings.rate_limit.is_some_and(|limit| !self.within_rate(limit)) {
            return Some(faults::rate_limited("1"));
        }
        let chance = random();
        let fails = ((chance >> 11) as f64) < self.settings.failure_rate / 100.0 * (1_u64 << 53) as f64;
        fails.then(|| match chance % 3 {
            0 => Envelope::new(500, "Something went wrong").reply(),
            1 => faults::gateway_page(502),
            _ => Envelope::new(503, "The service is not available").reply(),
        })
    }

    fn within_rate(&self, limit: u32) -> bool {
        let mut window = lock(&self.window);
        if window.0.elapsed() >= Duration::from_secs(1) {
            *window = (Instant::now(), 0);
        }
        window.1 = window.1.saturating_add(1);
        window.1 <= limit
    }

    /// When the run `id` began, and how long ago. It begins at its first request, and again at the first request
    /// after its `lifetime`.
    pub fn run_clock(&self, id: &str, lifetime: Duration) -> (SystemTime, Duration) {
        let mut starts = lock(&self.starts);
        let now = (Instant::now(), SystemTime::now());
        make_space(&mut starts, |(start, _)| start.elapsed() >= lifetime);
        let start = starts.entry(id.to_owned()).or_insert(now);
        if start.0.elapsed() >= lifetime {
            *start = now;
        }
        (start.1, start.0.elapsed())
    }

    /// The number of earlier requests for `id`.
    pub fn earlier_visits(&self, id: &str) -> u32 {
        let mut visits = lock(&self.visits);
        make_space(&mut visits, |_| false);
        let count = visits.entry(id.to_owned()).or_default();
        *count = count.wrapping_add(1);
        count.wrapping_sub(1)
    }
}

/// If the map is full, removes what is stale, or else everything.
fn make_space<V>(memory: &mut HashMap<String, V>, stale: impl Fn(&V) -> bool) {
    if memory.len() >= MAX_ENTRIES {
        memory.retain(|_, value| !stale(value));
    }
    if memory.len() >= MAX_ENTRIES {
        memory.clear();
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn text<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    headers.get(name)?.to_str().ok()
}

/// The body of every response of the API itself that is not a 2xx.
#[derive(Serialize)]
pub struct Envelope {
    /// The HTTP status.
    #[serde(skip)]
    pub status: u16,
    /// The status according to the body.
    pub status_code: u16,
    pub http_error_type: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error_code: Option<&'static str>,
    /// Some responses have this in place of `error_code`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<&'static str>,
    pub message: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    /// Filled in by `reply`.
    pub request_id: Option<String>,
    #[serde(skip)]
    pub request_id_in: RequestIdIn,
}

/// Where a response contains the id of its request.
#[derive(PartialEq)]
pub enum RequestIdIn {
    BodyAndHeader,
    Header,
    Neither,
}

impl Envelope {
    pub fn new(status: u16, message: &str) -> Self {
        let (http_error_type, error_code) = error_names(status);
        Envelope {
            status,
            status_code: status,
            http_error_type,
            error_code: Some(error_code),
            error: None,
            message: message.to_owned(),
            request_id: None,
            request_id_in: RequestIdIn::BodyAndHeader,
        }
    }

    pub fn reply(mut self) -> Reply {
        let id = request_id();
        if self.request_id_in == RequestIdIn::BodyAndHeader {
            self.request_id = Some(id.clone());
        }
        let reply = Reply::document(self.status, &self);
        if self.request_id_in == RequestIdIn::Neither { reply } else { reply.with_header("x-request-id", id) }
    }
}

/// `http_error_type` and `error_code`.
fn error_names(status: u16) -> (&'static str, &'static str) {
    match status {
        401 => ("UNAUTHORIZED", "UNAUTHORIZED"),
        403 => ("FORBIDDEN", "INVALID_LINKED_ACCOUNT_ID"),
        404 => ("NOT_FOUND", "RESOURCE_NOT_FOUND"),
        405 => ("METHOD_NOT_ALLOWED", "METHOD_NOT_ALLOWED"),
        409 => ("CONFLICT", "VALIDATION_ERROR"),
        429 => ("TOO_MANY_REQUESTS", "RATE_LIMIT_EXCEEDED"),
        501 => ("NOT_IMPLEMENTED", "SERVER_ERROR"),
        424 | 502 => ("EXTERNAL_API_ERROR", "SERVER_ERROR"),
        400..=499 => ("BAD_REQUEST", "VALIDATION_ERROR"),
        _ => ("INTERNAL_SERVER_ERROR", "SERVER_ERROR"),
    }
}

/// The reason phrase of a status.
pub fn reason(status: u16) -> &'static str {
    StatusCode::from_u16(status).ok().and_then(|status| status.canonical_reason()).unwrap_or("Error")
}

/// A random UUID.
fn request_id() -> String {
    let bits = u128::from(random()) << 64 | u128::from(random());
    let version_4 = bits & !(0xf << 76) & !(0b11 << 62) | 0x4 << 76 | 0b10 << 62;
    let hex = format!("{version_4:032x}");
    [&hex[..8], &hex[8..12], &hex[12..16], &hex[16..20], &hex[20..]].join("-")
}

fn random() -> u64 {
    // Each new state has other keys, derived from random numbers of the system.
    RandomState::new().hash_one(())
}
