//! The API around its executions: the route, authentication, the error envelope, and the gateway in front.

use std::collections::HashMap;
use std::hash::{BuildHasher, RandomState};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant, SystemTime};

use hyper::header::HeaderMap;
use hyper::{Method, StatusCode};

use crate::catalog;
use crate::faults;
use crate::reply::Reply;
use crate::settings::Settings;

pub const ROUTE: &str = "/api/v2/public/execution/";

/// What an unknown id gets, as documented.
const NOT_FOUND: &str = r#"{
  "status_code": 404,
  "http_error_type": "NOT_FOUND",
  "error_code": "RESOURCE_NOT_FOUND",
  "message": "Execution not found"
}
"#;

/// Clocks and counts that are kept, so that inventing ids takes no more memory than this.
const MOST_MEMORIES: usize = 10_000;

/// The settings and what the server remembers between requests.
pub struct Sandbox {
    pub settings: Settings,
    starts: Mutex<HashMap<String, (Instant, SystemTime)>>,
    visits: Mutex<HashMap<String, u32>>,
    /// The second that is being served, and the requests in it.
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

    /// The answer to any request.
    pub fn answer(&self, method: &Method, path: &str, headers: &HeaderMap) -> Reply {
        let reply = match self.gateway_failure() {
            Some(failure) => failure,
            None => {
                self.answer_behind_gateway(method, path, headers).unwrap_or_else(|envelope| envelope.reply())
            }
        };
        reply.after(self.settings.latency)
    }

    fn answer_behind_gateway(
        &self,
        method: &Method,
        path: &str,
        headers: &HeaderMap,
    ) -> Result<Reply, Envelope> {
        let Some(id) = path.strip_prefix(ROUTE) else {
            return Err(Envelope::new(404, &format!("Cannot {method} {path}")));
        };
        if method != Method::GET {
            let envelope = Envelope::new(405, &format!("{method} is not allowed here"));
            return Ok(envelope.reply().with_header("allow", "GET"));
        }
        self.authenticate(headers)?;
        let accepts_gzip = text(headers, "accept-encoding").is_some_and(|codings| codings.contains("gzip"));
        Ok(catalog::answer(id, accepts_gzip, self)
            .unwrap_or_else(|| Reply::json(404, NOT_FOUND).with_header("x-request-id", request_id())))
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
                error_code: "MISSING_REQUIRED_FIELD",
                ..Envelope::new(400, "linked_account_id is required with an API key")
            }),
            ([], [_], [sent]) if *sent == account => Ok(()),
            ([], [_], [_]) => Err(Envelope::new(403, "The linked account does not exist")),
            _ => {
                Err(Envelope::new(400, "Send one API key and linked account, or one session token, not both"))
            }
        }
    }

    /// What --rate-limit and --failure-rate put in front of the API.
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

    /// When the run `id` began, and how long ago. It begins at its first request, and anew at the first one
    /// `lifetime` later.
    pub fn run_clock(&self, id: &str, lifetime: Duration) -> (SystemTime, Duration) {
        let mut starts = lock(&self.starts);
        let now = (Instant::now(), SystemTime::now());
        make_room(&mut starts, |(start, _)| start.elapsed() >= lifetime);
        let start = starts.entry(id.to_owned()).or_insert(now);
        if start.0.elapsed() >= lifetime {
            *start = now;
        }
        (start.1, start.0.elapsed())
    }

    /// How often `id` has been asked for before.
    pub fn earlier_visits(&self, id: &str) -> u32 {
        let mut visits = lock(&self.visits);
        make_room(&mut visits, |_| false);
        let count = visits.entry(id.to_owned()).or_default();
        *count = count.wrapping_add(1);
        count.wrapping_sub(1)
    }
}

/// Forgets what is stale when there is no room for another entry, and everything when nothing is.
fn make_room<V>(memory: &mut HashMap<String, V>, stale: impl Fn(&V) -> bool) {
    if memory.len() >= MOST_MEMORIES {
        memory.retain(|_, value| !stale(value));
    }
    if memory.len() >= MOST_MEMORIES {
        memory.clear();
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn text<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    headers.get(name)?.to_str().ok()
}

/// The body of every answer that is not a 2xx and comes from the API itself.
pub struct Envelope {
    /// The HTTP status.
    pub status: u16,
    /// What the body says the status is.
    pub status_code: u16,
    pub http_error_type: &'static str,
    pub error_code: &'static str,
    /// `error_code`, but some answers name it `error`.
    pub error_code_name: &'static str,
    pub message: String,
    pub request_id: RequestId,
}

/// Where an answer names its request.
#[derive(PartialEq)]
pub enum RequestId {
    BodyAndHeader,
    Header,
    Nowhere,
}

impl Envelope {
    pub fn new(status: u16, message: &str) -> Self {
        let (http_error_type, error_code) = error_names(status);
        Envelope {
            status,
            status_code: status,
            http_error_type,
            error_code,
            error_code_name: "error_code",
            message: message.to_owned(),
            request_id: RequestId::BodyAndHeader,
        }
    }

    pub fn reply(&self) -> Reply {
        let Envelope { status_code, http_error_type, error_code, error_code_name, .. } = self;
        let message = json_string(&self.message);
        let id = request_id();
        let id_field = match self.request_id {
            RequestId::BodyAndHeader => format!(",\n  \"request_id\": \"{id}\""),
            RequestId::Header | RequestId::Nowhere => String::new(),
        };
        let body = format!(
            r#"{{
  "status_code": {status_code},
  "http_error_type": "{http_error_type}",
  "{error_code_name}": "{error_code}",
  "message": {message}{id_field}
}}
"#
        );
        let reply = Reply::json(self.status, body);
        if self.request_id == RequestId::Nowhere { reply } else { reply.with_header("x-request-id", id) }
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

/// The words for a status, where there are any.
pub fn reason(status: u16) -> &'static str {
    StatusCode::from_u16(status).ok().and_then(|status| status.canonical_reason()).unwrap_or("Error")
}

pub fn json_string(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

/// A random UUID.
fn request_id() -> String {
    let bits = u128::from(random()) << 64 | u128::from(random());
    let version_4 = bits & !(0xf << 76) & !(0b11 << 62) | 0x4 << 76 | 0b10 << 62;
    let hex = format!("{version_4:032x}");
    [&hex[..8], &hex[8..12], &hex[12..16], &hex[16..20], &hex[20..]].join("-")
}

fn random() -> u64 {
    // Every new state has keys of its own, drawn from the system's random numbers.
    RandomState::new().hash_one(())
}
