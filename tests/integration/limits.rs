//! Timeouts and cancellation, in each phase of a call.

use std::thread;
use std::time::{Duration, Instant};

use crate::api::{
    Client, ID, Options, REFOLD_ERROR_CANCELLED, REFOLD_ERROR_CONNECT, REFOLD_ERROR_TIMEOUT, Token,
};
use crate::server::{Server, silent_address};
use crate::timing::{MAX_CANCEL, MAX_LATE, SLACK, assert_within, settle};

/// The timeout under test. A call reaches its last phase within this time.
const TIMEOUT: Duration = Duration::from_millis(200 * SLACK as u64);

/// A phase in which a call would stay for ever.
struct Phase {
    url: String,
    proxy: String,
    retries: u32,
    /// The line of the log that precedes the phase.
    line: &'static str,
    /// How messages describe it.
    description: &'static str,
}

impl Phase {
    fn new(url: String, line: &'static str, description: &'static str) -> Phase {
        Phase { url, proxy: String::new(), retries: 0, line, description }
    }

    fn connecting() -> Phase {
        let url = format!("http://{}", silent_address());
        Phase::new(url, "connecting to ", "while connecting")
    }

    fn proxy() -> Phase {
        let proxy = format!("http://127.0.0.1:{}", Server::start(|peer| peer.hold()).port);
        let url = "https://server.invalid".into();
        Phase {
            proxy,
            ..Phase::new(url, "requesting a tunnel to ", "while requesting a tunnel from the proxy")
        }
    }

    fn handshake() -> Phase {
        let url = Server::start(|peer| peer.hold()).tls_url();
        Phase::new(url, "connected to ", "in the TLS handshake")
    }

    fn response() -> Phase {
        let url = Server::start(|peer| peer.hold()).url();
        Phase::new(url, "sent GET ", "while waiting for the response")
    }

    fn body() -> Phase {
        let server = Server::start(|peer| {
            peer.request()?;
            peer.send("HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\n{")?;
            peer.hold()
        });
        Phase::new(server.url(), "received content-length: 100", "while receiving the response")
    }

    fn pause() -> Phase {
        let server = Server::start(|peer| {
            peer.request()?;
            peer.respond("503 Service Unavailable", "retry-after: 9\r\n", "")?;
            peer.hold()
        });
        let phase = Phase::new(server.url(), "attempt 1 failed", "in the pause before the next attempt");
        Phase { retries: 1, ..phase }
    }

    fn options(&self) -> Options {
        Options::new(&self.url).proxy(&self.proxy).max_retries(self.retries)
    }
}

/// Checks how late a call ends that is limited to [`TIMEOUT`].
fn assert_times_out(client: &Client, code: i32, description: &str) {
    assert_within(MAX_LATE, || {
        let begin = Instant::now();
        let failure = client.get(ID, None).expect_err("an error");
        let elapsed = begin.elapsed();
        assert_eq!(failure.code, code, "{failure:?}");
        assert!(failure.is_retryable);
        assert!(elapsed >= TIMEOUT, "after {elapsed:?}: {failure:?}");
        failure.message.contains(description).then(|| elapsed - TIMEOUT)
    });
}

fn check_timeout(phase: &Phase) {
    let client = phase.options().timeout(TIMEOUT).client();
    let description = format!("within {} ms: the timeout expired {}", TIMEOUT.as_millis(), phase.description);
    assert_times_out(&client, REFOLD_ERROR_TIMEOUT as i32, &description);
}

fn check_connect_timeout(phase: &Phase) {
    let client = phase.options().connect_timeout(TIMEOUT).client();
    let limit = format!("no connection within {} ms (connect_timeout_ms)", TIMEOUT.as_millis());
    let description = format!("{limit}: the timeout expired {}", phase.description);
    assert_times_out(&client, REFOLD_ERROR_CONNECT as i32, &description);
}

/// Checks how long a call takes to end once another thread has triggered its token.
fn check_cancel(phase: &Phase) {
    assert_within(MAX_CANCEL, || {
        let (client, token) = (phase.options().client(), Token::new());
        let (failure, triggered, ended) = thread::scope(|scope| {
            let call = scope.spawn(|| (client.get(ID, Some(&token)), Instant::now()));
            client.log().wait_for(phase.line);
            settle();
            let triggered = Instant::now();
            token.trigger();
            let (result, ended) = call.join().expect("no panic");
            (result.expect_err("an error"), triggered, ended)
        });
        assert_eq!(failure.code, REFOLD_ERROR_CANCELLED as i32, "{failure:?}");
        assert!(!failure.is_retryable);
        let description = format!("the call was cancelled {}", phase.description);
        (failure.message == description).then(|| ended - triggered)
    });
}

#[test]
fn the_timeout_ends_connecting() {
    check_timeout(&Phase::connecting());
}

#[test]
fn the_timeout_ends_the_request_for_a_tunnel() {
    check_timeout(&Phase::proxy());
}

#[test]
fn the_timeout_ends_a_tls_handshake() {
    check_timeout(&Phase::handshake());
}

#[test]
fn the_timeout_ends_the_wait_for_a_response() {
    check_timeout(&Phase::response());
}

#[test]
fn the_timeout_ends_a_body() {
    check_timeout(&Phase::body());
}

#[test]
fn the_connect_timeout_ends_connecting() {
    check_connect_timeout(&Phase::connecting());
}

#[test]
fn the_connect_timeout_ends_a_tls_handshake() {
    check_connect_timeout(&Phase::handshake());
}

#[test]
fn a_token_ends_connecting() {
    check_cancel(&Phase::connecting());
}

#[test]
fn a_token_ends_the_request_for_a_tunnel() {
    check_cancel(&Phase::proxy());
}

#[test]
fn a_token_ends_a_tls_handshake() {
    check_cancel(&Phase::handshake());
}

#[test]
fn a_token_ends_the_wait_for_a_response() {
    check_cancel(&Phase::response());
}

#[test]
fn a_token_ends_a_body() {
    check_cancel(&Phase::body());
}

#[test]
fn a_token_ends_the_pause_between_attempts() {
    check_cancel(&Phase::pause());
}
