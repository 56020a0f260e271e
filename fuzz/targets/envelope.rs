//! The body of an error response, from the socket to the fields of the error.
//!
//! An input is a status of three digits, a line break, and the body.
#![no_main]

use std::cell::OnceCell;

use libfuzzer_sys::fuzz_target;
use refold_fuzz::interface::{Client, Failure, INVALID_RESPONSE, Options, TRANSPORT, until_nul};
use refold_fuzz::peer::{self, Act};
use refold_fuzz::reference::Value;
use refold_fuzz::secrets::{KEY, check_redaction, may_contain_key};

const REQUEST_ID: &str = "id-of-the-header";

thread_local! {
    static CLIENT: OnceCell<Client> = const { OnceCell::new() };
}

fn client() -> Client {
    Options::with_key(KEY, "http://127.0.0.1:1/", 60_000)
        .client()
        .unwrap_or_else(|failure| panic!("{}", failure.message()))
}

fuzz_target!(init: refold_fuzz::prepare(), |input: &[u8]| {
    let (status, body) = input.split_at_checked(4).unwrap_or((b"500\n", input));
    let status = std::str::from_utf8(&status[..3]).ok().and_then(|digits| digits.parse().ok());
    // 204 and 304 have no body, and therefore no envelope.
    let status = status.filter(|status| (200..1000).contains(status) && ![204, 304].contains(status));
    let status: u16 = status.unwrap_or(500);
    let head = format!(
        "HTTP/1.1 {status} Whatever\r\nContent-Length: {}\r\nx-request-id: {REQUEST_ID}\r\n\r\n",
        body.len()
    );
    let response = [head.as_bytes(), body].concat();
    peer::begin(Box::new(move |_| vec![Act::Send(response.clone()), Act::Close]));
    let result = CLIENT.with(|kept| kept.get_or_init(client).get(b"1"));
    match result {
        Ok(execution) => {
            assert!((200..300).contains(&status));
            assert_eq!(Some(execution.json().raw()), Value::of(body).map(|value| value.0.as_bytes()));
        }
        Err(failure) => {
            let is_success = (200..300).contains(&status);
            let refused = if is_cut_off(body) { TRANSPORT } else { INVALID_RESPONSE };
            assert_eq!(failure.code(), if is_success { refused } else { status.into() });
            assert_eq!((failure.attempts(), failure.retry_after_ms()), (1, -1));
            let transient = [408, 429, 500, 502, 503, 504, TRANSPORT];
            assert_eq!(failure.is_retryable(), transient.contains(&failure.code()));
            check_redaction(&failure);
            if !may_contain_key(body) {
                check_envelope(&failure, status, body);
            }
        }
    }
    peer::end();
});

/// Whether a body is the start of an object, so that more bytes could complete it.
fn is_cut_off(body: &[u8]) -> bool {
    let text = match std::str::from_utf8(body) {
        Ok(text) => text,
        Err(error) if error.error_len().is_some() => return false,
        Err(error) => std::str::from_utf8(&body[..error.valid_up_to()]).unwrap_or_default(),
    };
    let error_of = |text: &str| serde_json::from_str::<&serde_json::value::RawValue>(text).err();
    // serde_json calls a number that ends too early invalid; a digit completes it.
    let is_incomplete = |text: &str| error_of(text).is_some_and(|error| error.is_eof());
    text.trim_ascii_start().starts_with('{')
        && error_of(text).is_some()
        && (is_incomplete(text) || text.len() == body.len() && is_incomplete(&format!("{text}0")))
}

fn check_envelope(failure: &Failure, status: u16, body: &[u8]) {
    let envelope = Value::of(body).filter(|value| value.kind() == 5);
    let text = |name: &str| envelope?.get(name)?.string();
    // A string that is empty for C is absent.
    let not_empty = |text: &Vec<u8>| !until_nul(text).is_empty();
    let sent = envelope.and_then(|envelope| envelope.get("status_code")).and_then(Value::truncated);
    let sent = sent.filter(|status| (100..1000).contains(status));
    assert_eq!(i128::from(failure.http_status()), sent.unwrap_or(status.into()));
    assert_same(failure.http_error_type(), text("http_error_type"));
    assert_same(failure.api_code(), text("error_code").or_else(|| text("error")));
    let request_id = text("request_id").filter(not_empty);
    assert_same(failure.request_id(), request_id.or(Some(REQUEST_ID.into())));
    if failure.code() > 0
        && let Some(message) = text("message").filter(not_empty)
    {
        assert_same(Some(failure.message()), Some(message));
    }
    assert_eq!(failure.body(), (!body.is_empty()).then_some(body));
}

fn assert_same(found: Option<&str>, expected: Option<Vec<u8>>) {
    assert_eq!(found.map(str::as_bytes), expected.as_deref().map(until_nul));
}
