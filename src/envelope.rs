//! From a response that is not an execution to an error.

use serde_json::value::RawValue;

use crate::alloc::try_copy;
use crate::error::{Error, ErrorKind, ResponseDetails};
use crate::http::response::Response;
use crate::json::{JsonType, LazyValue};
use crate::redact::Redactor;

/// What an error keeps of a body, in bytes.
const MAX_KEPT_BODY: usize = 64 << 10;

/// How many bytes of JSON can encode one byte of a secret (`\\u0041`).
const MAX_ESCAPE: usize = 6;

/// Makes an error of a response. Secrets that the server echoed are redacted, and text for which there is not enough memory
/// is omitted.
pub fn into_error(response: Response, kind: ErrorKind, redactor: &Redactor) -> Error {
    let is_success = response.is_success();
    let request_id = response.request_id.map(into_text);
    let mut body = response.body.into_bytes();
    // The body of a 2xx response may have any size; no more of it is scanned than is kept.
    if is_success {
        body.truncate(MAX_KEPT_BODY + MAX_ESCAPE * redactor.max_length());
    }
    let envelope = Envelope::read(&body).unwrap_or_default();
    let redact = |text: String| redactor.redact(text.into_bytes()).map(into_text);
    let body = redactor.redact_truncated(body);
    // A copy, because truncation would keep the whole allocation for as long as the error lives.
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
    })
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
        let source = LazyValue::new(valid.get());
        let envelope = source.json();
        if envelope.kind() != JsonType::Object {
            return None;
        }
        let string = |key: &str| {
            let terminated = envelope.get(key.as_bytes())?.string()?;
            try_copy(terminated.strip_suffix(b"\0").unwrap_or(terminated)).map(into_text)
        };
        // A C string that begins with its end says nothing, either.
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
        let documented = include_bytes!("../tests/data/documented-404.json");
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
