//! One call: responses, errors, retries, and the reuse of connections.

use std::sync::Mutex;
use std::sync::mpsc::channel;

use crate::api::{
    Client, ID, MAX_WAIT, Options, REFOLD_ERROR_CONNECT, REFOLD_ERROR_NOT_FOUND, REFOLD_ERROR_TRANSPORT,
};
use crate::server::{Peer, RefusingPort, Server};

/// Responds to every request of a connection.
fn respond_always(peer: &mut Peer<'_>) -> std::io::Result<()> {
    while peer.request()?.is_some() {
        peer.respond_with("COMPLETED")?;
    }
    Ok(())
}

fn assert_completes(client: &Client) {
    let execution = client.get(ID, None).expect("an execution");
    assert_eq!(execution.status().as_deref(), Some("COMPLETED"));
    assert_eq!(execution.attempts(), 1);
}

#[test]
fn a_response_becomes_an_execution() {
    let (sender, heads) = channel();
    let sender = Mutex::new(sender);
    let server = Server::start(move |peer| {
        let head = peer.request()?.unwrap_or_default();
        sender.lock().expect("no panic").send(head).expect("a receiver");
        peer.respond_with("COMPLETED")
    });
    let execution = Options::new(&server.url()).client().get(ID, None).expect("an execution");
    assert_eq!(execution.id().as_deref(), Some("run-7"));
    assert_eq!(execution.status().as_deref(), Some("COMPLETED"));
    assert_eq!(execution.node_names(), [Some("Find customer".to_owned())]);
    assert_eq!(execution.attempts(), 1);
    let head = heads.recv_timeout(MAX_WAIT).expect("a request").to_ascii_lowercase();
    assert!(head.starts_with("get /api/v2/public/execution/run-7 http/1.1\r\n"), "{head}");
    for field in
        [&format!("host: 127.0.0.1:{}", server.port), "x-api-key: tk_key", "linked_account_id: account"]
    {
        assert!(head.contains(&format!("\r\n{field}\r\n")), "{field} in {head}");
    }
}

#[test]
fn an_error_status_becomes_an_error() {
    let server = Server::start(|peer| {
        peer.request()?;
        let envelope =
            r#"{"status_code": 404, "error_code": "RESOURCE_NOT_FOUND", "message": "No such run"}"#;
        peer.respond("404 Not Found", "x-request-id: request-1\r\n", envelope)
    });
    let failure = Options::new(&server.url()).client().get(ID, None).expect_err("an error");
    assert_eq!(failure.code, REFOLD_ERROR_NOT_FOUND as i32, "{failure:?}");
    assert_eq!(failure.message, "No such run");
    assert_eq!(failure.api_code.as_deref(), Some("RESOURCE_NOT_FOUND"));
    assert_eq!(failure.request_id.as_deref(), Some("request-1"));
    assert!(!failure.is_retryable);
}

#[test]
fn calls_share_a_connection() {
    let server = Server::start(respond_always);
    let client = Options::new(&server.url()).client();
    assert_completes(&client);
    assert_completes(&client);
    assert_eq!(server.accepted(), 1);
}

#[test]
fn an_idle_connection_that_was_closed_is_replaced() {
    let (sender, responses) = channel();
    let sender = Mutex::new(sender);
    let server = Server::start(move |peer| {
        peer.request()?;
        peer.respond_with("COMPLETED")?;
        // The end of the script closes the connection.
        sender.lock().expect("no panic").send(()).expect("a receiver");
        Ok(())
    });
    let client = Options::new(&server.url()).client();
    for count in 1..=3 {
        assert_completes(&client);
        responses.recv_timeout(MAX_WAIT).expect("a response");
        assert_eq!(server.accepted(), count);
    }
}

#[test]
fn a_refused_connection_is_reported() {
    let port = RefusingPort::new();
    let failure =
        Options::new(&format!("http://{}", port.address())).client().get(ID, None).expect_err("an error");
    assert_eq!(failure.code, REFOLD_ERROR_CONNECT as i32, "{failure:?}");
    assert_eq!(failure.message, format!("could not connect to {}: connection refused", port.address()));
    assert!(failure.is_retryable);
    assert_eq!(failure.attempts, 1);
}

#[test]
fn a_reset_in_the_middle_of_a_body_is_reported() {
    let server = Server::start(|peer| {
        peer.receive_byte()?;
        peer.send("HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\n{\"status\": ")
    });
    let failure = Options::new(&server.url()).client().get(ID, None).expect_err("an error");
    assert_eq!(failure.code, REFOLD_ERROR_TRANSPORT as i32, "{failure:?}");
    let reasons = [
        "connection reset by the other side",
        // To a program under wine, which has read the error itself, a reset connection looks like one that was closed.
        #[cfg(windows)]
        "it closed while receiving the response",
    ];
    let message = |reason| format!("lost the connection to 127.0.0.1:{}: {reason}", server.port);
    assert!(reasons.iter().any(|reason| failure.message == message(reason)), "{failure:?}");
    assert!(failure.is_retryable);
}

#[test]
fn a_503_is_retried() {
    let server = Server::start(|peer| {
        peer.request()?;
        peer.respond("503 Service Unavailable", "retry-after: 0\r\n", "")?;
        peer.request()?;
        peer.respond_with("COMPLETED")
    });
    let execution = Options::new(&server.url()).max_retries(1).client().get(ID, None).expect("an execution");
    assert_eq!(execution.status().as_deref(), Some("COMPLETED"));
    assert_eq!(execution.attempts(), 2);
    assert_eq!(server.accepted(), 1);
}
