//! Turns a response that is not an execution into an error.

use crate::alloc::{try_copy, wipe_large};
use crate::error::{Error, ErrorKind, ResponseDetails};
use crate::http::response::Response;
use crate::json::scan::{InvalidDocument, JsonBuffer};
use crate::json::{JsonType, LazyValue};
use crate::redact::{Redactor, into_text};

/// The maximum number of bytes of a body that an error keeps.
const MAX_KEPT_BODY: usize = 64 << 10;

/// Turns a response into an error. Redacts secrets that the server echoed, and omits text for which there is not enough
/// memory.
pub fn into_error(response: Response, kind: ErrorKind, redactor: &Redactor) -> Error {
    wipe_large(|| convert(response, kind, redactor))
}

fn convert(response: Response, kind: ErrorKind, redactor: &Redactor) -> Error {
    // The body of a 2xx response can have any size. Only what is kept is scanned, and as much more as a secret takes.
    let limit = if response.is_success() { MAX_KEPT_BODY + redactor.max_echo_length() } else { usize::MAX };
    let (envelope, body) = split(response.body, limit);
    let request_id = response.request_id.map(|mut id| {
        id.pop();
        into_text(id)
    });
    let redact = |text: String| redactor.redact(text.into_bytes()).map(into_text);
    let body = redactor.redact_truncated(body);
    // Copied, because truncating the body would keep the whole allocation for as long as the error lives.
    let body = try_copy(&body[..body.len().min(MAX_KEPT_BODY)]).unwrap_or_default();
    Error::from(kind).with_response(ResponseDetails {
        status: response.status,
        envelope_status: envelope.status,
        http_error_type: envelope.http_error_type.and_then(redact),
        api_code: envelope.api_code.and_then(redact),
        message: envelope.message.and_then(redact),
        request_id: envelope.request_id.or(request_id).and_then(redact),
        body: (!body.is_empty()).then_some(body),
        retry_after: response.retry_after,
        request: response.request,
    })
}

/// The envelope in the first `limit` bytes of a body, or else an empty one, and these bytes.
fn split(body: JsonBuffer, limit: usize) -> (Envelope, Vec<u8>) {
    let body = if body.length() > limit {
        let mut bytes = body.into_bytes();
        bytes.truncate(limit);
        JsonBuffer::from(bytes)
    } else {
        body
    };
    match body.finish() {
        Ok(document) => {
            let envelope = Envelope::read(document.text()).unwrap_or_default();
            (envelope, document.into_text().into_bytes())
        }
        Err(InvalidDocument { bytes, .. }) => (Envelope::default(), bytes),
    }
}

/// The API's description of an error.
#[derive(Debug, Default, PartialEq)]
struct Envelope {
    status: Option<u16>,
    http_error_type: Option<String>,
    api_code: Option<String>,
    message: Option<String>,
    request_id: Option<String>,
}

impl Envelope {
    /// Reads a valid JSON text. Returns `None` if it is not an object.
    fn read(text: &str) -> Option<Envelope> {
        let source = LazyValue::new(text.trim_ascii());
        let envelope = source.json();
        if envelope.kind() != JsonType::Object {
            return None;
        }
        let string = |key: &str| {
            let terminated = envelope.get(key.as_bytes())?.string()?;
            try_copy(terminated.strip_suffix(b"\0").unwrap_or(terminated)).map(into_text)
        };
        // A string that begins with NUL is empty for C.
        let not_empty = |text: &String| !text.is_empty() && !text.starts_with('\0');
        let status = envelope.get(b"status_code").filter(|status| status.kind() == JsonType::Number);
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

#[cfg(test)]
mod tests {
    use super::*;

    fn read(body: &[u8]) -> Envelope {
        split(JsonBuffer::copy_of(body).unwrap(), usize::MAX).0
    }

    #[test]
    fn envelope_fields_are_read_tolerantly() {
        let some = |text: &str| Some(text.to_string());
        let full = Envelope {
            status: Some(404),
            http_error_type: some("NOT_FOUND"),
            api_code: some("RESOURCE_NOT_FOUND"),
            message: some("Execution not found"),
            request_id: None,
        };
        let documented = include_bytes!("../tests/data/documented-404.json");
        assert_eq!(read(documented), full);
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
            assert_eq!(read(body.as_bytes()), expected, "{body}");
        }
        for body in [
            "",
            "null",
            "[]",
            r#""message""#,
            "<html>",
            "{",
            "{}}",
            r#"{"message": "m""#,
            r#"{"message": "m"}}"#,
            "{\"message\": \"\u{7f}\"",
        ] {
            assert_eq!(read(body.as_bytes()), Envelope::default(), "{body}");
        }
        assert_eq!(read(b"{\"message\": \"\xff\"}"), Envelope::default());
    }

    #[test]
    fn envelope_is_read_from_the_bytes_within_the_limit() {
        let body = b" {\"message\": \"m\"} \n\t and more";
        for (limit, message, length) in [
            (0, None, 0),
            (16, None, 16),
            (17, Some("m"), 17),
            (18, Some("m"), 18),
            (21, Some("m"), 21),
            (22, None, 22),
            (usize::MAX, None, body.len()),
        ] {
            let (envelope, bytes) = split(JsonBuffer::copy_of(body).unwrap(), limit);
            assert_eq!(
                (envelope.message.as_deref(), bytes.as_slice()),
                (message, &body[..length]),
                "{limit}"
            );
        }
    }
}
