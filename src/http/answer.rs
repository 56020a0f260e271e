//! What came back, and the error that it is where it is no execution.

use std::borrow::Cow;
use std::io::{ErrorKind, Read};
use std::time::{Duration, SystemTime};

use serde_json::value::RawValue;
use ureq::Body;
use ureq::http::{HeaderMap, HeaderValue, Response, header};

use super::exchange;
use crate::error::{Answer as AnswerInError, Error, Kind};
use crate::json::{Kind as JsonKind, Source};
use crate::retry::parse_retry_after;
use crate::scan::Text;
use crate::secret::{Secret, blot_out, blot_out_tail};

/// The envelope of an error is looked for in bodies up to this size.
const LARGEST_ENVELOPE: u64 = 1 << 20;

/// What an error keeps of a body.
const KEPT_OF_BODY: usize = 64 << 10;

/// What JSON may make of one byte of a secret.
const LONGEST_ESCAPE: usize = 6;

/// What a body's memory begins with and grows by at least.
const PORTION: usize = 64 << 10;

/// Where so much has come, addresses are reserved for all that was announced; memory still comes as it is used.
const CREDIBLE: usize = 1 << 20;

/// An answer, whatever its status.
#[derive(Debug)]
pub struct Answer {
    /// HTTP's status.
    pub status: u16,
    /// What Retry-After says.
    pub retry_after: Option<Duration>,
    /// What x-request-id says.
    pub request_id: Option<HeaderValue>,
    /// The body, after decompression; what there is of it where `fault` says that it is not whole.
    pub body: Text,
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
}

impl Answer {
    /// Receives the body, within `limit` where it is one of an execution.
    pub fn receive(response: Response<Body>, limit: u64) -> Answer {
        let (head, mut body) = response.into_parts();
        let status = head.status.as_u16();
        let limit = if head.status.is_success() { limit } else { limit.min(LARGEST_ENVELOPE) };
        let mut answer = Answer {
            status,
            retry_after: head
                .headers
                .get(header::RETRY_AFTER)
                .and_then(|value| parse_retry_after(&text(value), SystemTime::now())),
            request_id: head.headers.get("x-request-id").filter(|id| !id.is_empty()).cloned(),
            body: Text::new(),
            fault: None,
        };
        answer.fault = match unknown_encoding(&head.headers) {
            Some(encoding) => Some(BodyFault::Encoded(encoding)),
            // What is known to be too large is not even begun, unless an error is to be told by it.
            None if head.status.is_success() && body.content_length() > Some(limit) => {
                Some(BodyFault::TooLarge)
            }
            None => receive_body(&mut body, limit, &mut answer.body).err(),
        };
        answer
    }

    /// Whether the body should be an execution.
    pub fn is_success(&self) -> bool {
        (200..300).contains(&self.status)
    }

    /// The error that this answer is, told without the secrets that it may echo. What there is no memory for is left
    /// out.
    pub fn into_error(self, kind: Kind, secrets: &[Secret]) -> Error {
        let is_success = self.is_success();
        let request_id = self.request_id.as_ref().map(text);
        let mut body = self.body.into_bytes();
        // The body of an execution may have any size: of one that is none, no more is looked at than is kept.
        if is_success {
            let longest = secrets.iter().map(|secret| secret.bytes().len()).max().unwrap_or(0);
            body.truncate(KEPT_OF_BODY + LONGEST_ESCAPE * longest);
        }
        let envelope = Envelope::read(&body).unwrap_or_default();
        let hide = |text: String| blot_out(text.into_bytes(), secrets).map(into_text);
        let body = blot_out_tail(blot_out(body, secrets).unwrap_or_default(), secrets);
        // A copy: what is cut off would keep its memory for as long as the error lives.
        let body = copied(&body[..body.len().min(KEPT_OF_BODY)]).unwrap_or_default();
        Error::from(kind).with_answer(AnswerInError {
            status: self.status,
            envelope_status: envelope.status,
            http_error_type: envelope.http_error_type.and_then(hide),
            api_code: envelope.api_code.and_then(hide),
            message: envelope.message.and_then(hide),
            request_id: envelope.request_id.or(request_id).and_then(hide),
            body: (!body.is_empty()).then_some(body),
            retry_after: self.retry_after,
        })
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
fn receive_body(body: &mut Body, limit: u64, whole: &mut Text) -> Result<(), BodyFault> {
    let announced = body.content_length();
    let most = usize::try_from(announced.unwrap_or(limit).min(limit)).unwrap_or(usize::MAX);
    let mut reader = body.as_reader();
    loop {
        let end = make_room(whole, most, announced.is_some())?;
        // What was received in one portion may unpack to a thousand times as much.
        exchange::check().map_err(BodyFault::Stopped)?;
        match reader.read(whole.room(end)) {
            Ok(0) => return Ok(()),
            Ok(received) if (whole.length() + received) as u64 > limit => {
                whole.has_come(most - whole.length());
                return Err(BodyFault::TooLarge);
            }
            Ok(received) => whole.has_come(received),
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) => return Err(BodyFault::Stopped(error.into())),
        }
    }
}

/// Reserves memory for more where it is full, and returns how far the next portion may reach, which is never empty:
/// where all that was announced has come, there is room for the one byte that must not.
fn make_room(whole: &mut Text, most: usize, is_announced: bool) -> Result<usize, BodyFault> {
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

/// What the API says of an error.
#[derive(Debug, Default, PartialEq)]
struct Envelope {
    status: Option<u16>,
    http_error_type: Option<String>,
    api_code: Option<String>,
    message: Option<String>,
    request_id: Option<String>,
}

impl Envelope {
    /// `None`: the body is not one JSON object.
    fn read(body: &[u8]) -> Option<Envelope> {
        let valid: &RawValue = serde_json::from_slice(body).ok()?;
        let source = Source::new(valid.get());
        let envelope = source.json();
        if envelope.kind() != JsonKind::Object {
            return None;
        }
        let string = |key: &str| {
            let terminated = envelope.get(key.as_bytes())?.string()?;
            copied(terminated.strip_suffix(b"\0").unwrap_or(terminated)).map(into_text)
        };
        // A C string that begins with its end says nothing, either.
        let not_empty = |text: &String| !text.is_empty() && !text.starts_with('\0');
        let status = envelope.get(b"status_code").filter(|status| status.kind() == JsonKind::Number);
        Some(Envelope {
            status: status
                .and_then(|status| u16::try_from(status.as_i64()).ok())
                .filter(|code| (100..=999).contains(code)),
            http_error_type: string("http_error_type"),
            api_code: string("error_code").or_else(|| string("error")),
            message: string("message").filter(not_empty),
            request_id: string("request_id").filter(not_empty),
        })
    }
}

/// A copy, unless there is no memory for it.
pub(super) fn copied(bytes: &[u8]) -> Option<Vec<u8>> {
    let mut copy = Vec::new();
    copy.try_reserve_exact(bytes.len()).ok()?;
    copy.extend_from_slice(bytes);
    Some(copy)
}

fn into_text(bytes: Vec<u8>) -> String {
    String::from_utf8(bytes).unwrap_or_else(|error| String::from_utf8_lossy(error.as_bytes()).into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn envelopes() {
        let some = |text: &str| Some(text.to_string());
        let full = Envelope {
            status: Some(404),
            http_error_type: some("NOT_FOUND"),
            api_code: some("RESOURCE_NOT_FOUND"),
            message: some("Execution not found"),
            request_id: None,
        };
        let documented = include_bytes!("../../tests/data/documented-404.json");
        assert_eq!(Envelope::read(documented), Some(full));
        let cases = [
            ("{}", Envelope::default()),
            (r#"{"error": "E"}"#, Envelope { api_code: some("E"), ..Envelope::default() }),
            (r#"{"error_code": 1, "error": "E"}"#, Envelope { api_code: some("E"), ..Envelope::default() }),
            (r#"{"error_code": "C", "error": "E"}"#, Envelope { api_code: some("C"), ..Envelope::default() }),
            (r#"{"error": {"code": 1}, "message": "", "request_id": ""}"#, Envelope::default()),
            (r#"{"message": ["m"], "http_error_type": null}"#, Envelope::default()),
            (r#"{"status_code": 99}"#, Envelope::default()),
            (r#"{"status_code": 1000}"#, Envelope::default()),
            (r#"{"status_code": -404}"#, Envelope::default()),
            (r#"{"status_code": "404"}"#, Envelope::default()),
            (r#"{"status_code": 404.0}"#, Envelope { status: Some(404), ..Envelope::default() }),
            (
                r#"{"status_code": 1, "status_code": 500}"#,
                Envelope { status: Some(500), ..Envelope::default() },
            ),
            (r#"{"message": "\ud83d"}"#, Envelope { message: some("\u{fffd}"), ..Envelope::default() }),
        ];
        for (body, expected) in cases {
            assert_eq!(Envelope::read(body.as_bytes()), Some(expected), "{body}");
        }
        for body in ["", "null", "[]", "\"message\"", "<html>", "{", "{}}", "{\"message\": \"\u{7f}\""] {
            assert_eq!(Envelope::read(body.as_bytes()), None, "{body}");
        }
        assert_eq!(Envelope::read(b"{\"message\": \"\xff\"}"), None);
    }
}
