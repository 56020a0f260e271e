//! What came back, and the error that it is where it is no execution.

use std::borrow::Cow;
use std::io::{self, Read};
use std::time::{Duration, SystemTime};

use ureq::Body;
use ureq::http::{self, HeaderMap, HeaderValue, header};

use super::exchange;
use super::retry_after::parse_retry_after;
use crate::alloc::try_copy;
use crate::error::ErrorKind;
use crate::json::scan::JsonBuffer;

/// The limit of a body whose status is not 2xx: that of an error envelope.
const MAX_ENVELOPE: u64 = 1 << 20;

/// What a body's memory begins with and grows by at least.
const PORTION: usize = 64 << 10;

/// Where so much has come, addresses are reserved for all that was announced; memory still comes as it is used.
const CREDIBLE: usize = 1 << 20;

/// An answer, whatever its status.
#[derive(Debug)]
pub struct Response {
    /// HTTP's status.
    pub status: u16,
    /// What Retry-After says.
    pub retry_after: Option<Duration>,
    /// What x-request-id says.
    pub request_id: Option<Vec<u8>>,
    /// The body, after decompression; what there is of it where `fault` says that it is not whole.
    pub body: JsonBuffer,
    /// Why the body is not whole.
    pub fault: Option<BodyFault>,
}

/// Why a body is not whole.
#[derive(Debug)]
pub enum BodyFault {
    /// It is larger than it may be.
    TooLarge,
    /// There is no memory for it.
    OutOfMemory,
    /// It is encoded as nobody asked for.
    Encoded(String),
    /// ureq could not go on.
    Stopped(ureq::Error),
    /// Any other reason.
    Failed(ErrorKind),
}

impl Response {
    /// Receives the body, within `limit` where it is one of an execution.
    pub fn receive(response: http::Response<Body>, limit: u64) -> Response {
        let (head, mut body) = response.into_parts();
        let status = head.status.as_u16();
        let limit = if head.status.is_success() { limit } else { limit.min(MAX_ENVELOPE) };
        let mut response = Response {
            status,
            retry_after: head
                .headers
                .get(header::RETRY_AFTER)
                .and_then(|value| parse_retry_after(&text(value), SystemTime::now())),
            request_id: head
                .headers
                .get("x-request-id")
                .filter(|id| !id.is_empty())
                .and_then(|id| try_copy(id.as_bytes())),
            body: JsonBuffer::new(),
            fault: None,
        };
        response.fault = match unknown_encoding(&head.headers) {
            Some(encoding) => Some(BodyFault::Encoded(encoding)),
            // What is known to be too large is not even begun, unless an error is to be told by it.
            None if head.status.is_success() && body.content_length() > Some(limit) => {
                Some(BodyFault::TooLarge)
            }
            None => receive_body(&mut body, limit, &mut response.body).err(),
        };
        response
    }

    /// Whether the body should be an execution.
    pub fn is_success(&self) -> bool {
        (200..300).contains(&self.status)
    }
}

fn text(value: &HeaderValue) -> String {
    String::from_utf8_lossy(value.as_bytes()).into_owned()
}

/// ureq takes the header away where it decodes.
fn unknown_encoding(headers: &HeaderMap) -> Option<String> {
    let lines = headers.get_all(header::CONTENT_ENCODING).iter();
    let encodings: Vec<_> = lines.map(|line| String::from_utf8_lossy(line.as_bytes())).collect();
    let is_unknown = |encoding: &Cow<str>| !encoding.is_empty() && !encoding.eq_ignore_ascii_case("identity");
    encodings.iter().any(is_unknown).then(|| encodings.join(", "))
}

/// Fills `whole`, whose memory grows with what arrives, up to the size that was announced.
fn receive_body(body: &mut Body, limit: u64, whole: &mut JsonBuffer) -> Result<(), BodyFault> {
    let announced = body.content_length();
    let most = usize::try_from(announced.unwrap_or(limit).min(limit)).unwrap_or(usize::MAX);
    let mut reader = body.as_reader();
    loop {
        let end = make_room(whole, most, announced.is_some())?;
        // What was received in one portion may unpack to a thousand times as much.
        exchange::check().map_err(BodyFault::Stopped)?;
        match reader.read(whole.spare(end)) {
            Ok(0) => return Ok(()),
            Ok(received) if (whole.length() + received) as u64 > limit => {
                whole.advance(most - whole.length());
                return Err(BodyFault::TooLarge);
            }
            Ok(received) => whole.advance(received),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(BodyFault::Stopped(error.into())),
        }
    }
}

/// Reserves memory for more where it is full, and returns how far the next portion may reach, which is never empty:
/// where all that was announced has come, there is room for the one byte that must not.
fn make_room(whole: &mut JsonBuffer, most: usize, is_announced: bool) -> Result<usize, BodyFault> {
    let filled = whole.length();
    let most = most.saturating_add(1).max(filled + 1);
    if filled == whole.capacity() {
        let doubled = most.min((2 * filled).max(PORTION));
        let is_believed = is_announced && filled >= CREDIBLE;
        whole
            .reserve(if is_believed { most } else { doubled })
            .or_else(|| whole.reserve(doubled))
            .ok_or(BodyFault::OutOfMemory)?;
    }
    Ok(whole.capacity().min(most).min(filled + 2 * PORTION))
}
