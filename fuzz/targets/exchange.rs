//! Any bytes that a server or proxy may send, in chunks of any size, truncated anywhere.
//!
//! An input is a byte that selects the route and the calls, followed by a script.
#![no_main]

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use libfuzzer_sys::fuzz_target;
use refold_fuzz::framing;
use refold_fuzz::interface::{CANCELLED, Client, Execution, Failure, INVALID_ARGUMENT, Options, TIMEOUT};
use refold_fuzz::peer::{self, Act};
use refold_fuzz::reference::Value;
use refold_fuzz::script;
use refold_fuzz::secrets::{KEY, check_redaction};
use refold_fuzz::walk::{self, Choices};

const ID: &str = "6a106ba44480b80424a65289";

/// Base URL and proxy.
const ROUTES: [(&str, &str); 8] = [
    ("http://127.0.0.1:1", ""),
    ("http://127.0.0.1:1", "http://user:password@127.0.0.1:2"),
    ("http://127.0.0.1:1", "socks5://127.0.0.1:2"),
    ("http://localhost:1", "socks5h://user:password@127.0.0.1:2"),
    ("https://127.0.0.1:1", ""),
    ("https://name.invalid", "http://127.0.0.1:2"),
    ("https://name.invalid", "socks5h://127.0.0.1:2"),
    ("http://[::1]:1/a/prefix", ""),
];

/// The index of the route that begins with CONNECT.
const CONNECT_ROUTE: u8 = 5;

fuzz_target!(init: refold_fuzz::prepare(), |input: &[u8]| {
    let Some((mode, script)) = input.split_first() else { return };
    let responses = script::responses(script);
    let holds = responses.iter().flatten().any(|act| *act == Act::Hold);
    let retries = if mode & 0x80 != 0 { 2 } else { 0 };
    // Long enough for everything that arrives, and too short for the pause before a retry.
    let timeout_ms = if holds { 5 } else if retries > 0 { 300 } else { 60_000 };
    let client = client(*mode, timeout_ms, retries);
    let begun = Instant::now();
    peer::begin(script::play(responses.clone()));
    for call in 0..1 + (mode >> 3 & 3) {
        let result = if mode & 0x20 != 0 && call == 0 { wait(&client) } else { client.get(ID.as_bytes()) };
        match &result {
            Ok(execution) => check_execution(execution, input),
            Err(failure) => check_failure(failure, retries),
        }
        if *mode == 0 {
            check_framing(&responses, &result);
        }
    }
    let limit = if holds || retries > 0 { 2 } else { 60 };
    assert!(begun.elapsed() < Duration::from_secs(limit), "the calls took {:?}", begun.elapsed());
    drop(client);
    let (record, _) = peer::end();
    if mode & 7 == CONNECT_ROUTE {
        check_tunnel(&responses, &record.sent);
    }
});

fn client(mode: u8, timeout_ms: u64, retries: u32) -> Client {
    let (base_url, proxy) = ROUTES[usize::from(mode & 7)];
    let options = Options::with_key(KEY, base_url, timeout_ms);
    options.proxy(Some(proxy.as_bytes()));
    options.numbers(timeout_ms, timeout_ms, retries, if mode & 0x40 != 0 { 64 } else { 1 << 16 }, 10);
    options.client().unwrap_or_else(|failure| panic!("{}", failure.message()))
}

fn wait(client: &Client) -> Result<Execution, Failure> {
    let mut seen = None;
    let result = client.wait_for_first(ID.as_bytes(), 20, &mut seen);
    if let Ok(execution) = &result {
        let seen = seen.expect("the callback gets every snapshot");
        assert_eq!(seen.json(), execution.json(), "the callback got another snapshot last");
        assert!(seen.state() >= 5, "the wait was stopped");
    } else if seen.is_some() {
        assert_eq!(result.as_ref().err().map(Failure::code), Some(CANCELLED));
    }
    result
}

fn check_execution(execution: &Execution, input: &[u8]) {
    let document = Value::of(execution.json().raw()).expect("a document is valid");
    walk::execution(execution, document, Some(ID), &mut Choices::of(input));
}

fn check_failure(failure: &Failure, retries: u32) {
    let code = failure.code();
    assert!(code != INVALID_ARGUMENT && !(200..300).contains(&code), "{code}: {}", failure.message());
    // A wait continues after transient failures. A timeout may expire before the first attempt.
    let min = if code == TIMEOUT { 0 } else { 1 };
    let attempts = failure.attempts();
    assert!((min..=6 * (1 + retries)).contains(&attempts), "{attempts} attempts: {}", failure.message());
    check_redaction(failure);
}

/// Checks that nothing follows a CONNECT whose final response is not a success.
fn check_tunnel(responses: &VecDeque<Vec<Act>>, sent: &[Vec<u8>]) {
    let Some(request) = sent.first() else { return };
    let Some(response) = framing::sent(&responses[0]) else { return };
    let end = request.windows(4).position(|end| end == b"\r\n\r\n").map(|start| start + 4);
    if end.is_some_and(|end| end < request.len()) {
        let status = framing::status(&response);
        assert!(status.is_some_and(|status| (200..300).contains(&status)), "a tunnel after {status:?}");
    }
}

/// Checks that only a complete body yields an execution, and with the length that its framing defines.
fn check_framing(responses: &VecDeque<Vec<Act>>, result: &Result<Execution, Failure>) {
    let Some(sent) = framing::sent(&responses[0]) else { return };
    let Some(expected) = framing::body(&sent) else { return };
    match (result, expected) {
        (Ok(execution), Some(body)) => {
            assert_eq!(
                Some(execution.json().raw()),
                Value::of(body.as_slice()).map(|value| value.0.as_bytes())
            );
        }
        (Ok(_), None) => panic!("a truncated body was accepted"),
        (Err(_), _) => {}
    }
}
