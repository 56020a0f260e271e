//! Waits: progress, and cancellation.

use std::sync::mpsc::channel;
use std::thread;
use std::time::{Duration, Instant};

use crate::api::{ID, MAX_WAIT, Options, REFOLD_ERROR_CANCELLED, Token};
use crate::server::{Server, execution};
use crate::timing::{MAX_CANCEL, assert_within, settle};

const POLL_INTERVAL: Duration = Duration::from_millis(10);

#[test]
fn a_wait_reports_progress_until_the_run_ends() {
    let server = Server::start(|peer| {
        for status in ["PENDING", "RUNNING", "RUNNING", "COMPLETED"] {
            peer.request()?;
            peer.respond_with(status)?;
        }
        peer.hold()
    });
    let client = Options::new(&server.url()).poll_interval(POLL_INTERVAL).client();
    let mut statuses = Vec::new();
    let result = client.wait(ID, None, &mut |status| {
        statuses.push(status.to_owned());
        true
    });
    assert_eq!(result.expect("an execution").status().as_deref(), Some("COMPLETED"));
    assert_eq!(statuses, ["PENDING", "RUNNING", "RUNNING", "COMPLETED"]);
    assert_eq!(server.accepted(), 1);
}

#[test]
fn a_callback_stops_a_wait() {
    let server = Server::start(|peer| {
        peer.request()?;
        peer.respond_with("RUNNING")?;
        peer.hold()
    });
    let client = Options::new(&server.url()).poll_interval(POLL_INTERVAL).client();
    let failure = client.wait(ID, None, &mut |_| false).expect_err("an error");
    assert_eq!(failure.code, REFOLD_ERROR_CANCELLED as i32, "{failure:?}");
}

#[test]
fn a_token_ends_the_pause_of_a_wait() {
    let server = Server::start(|peer| {
        peer.request()?;
        peer.respond("200 OK", "retry-after: 9\r\n", &execution("RUNNING"))?;
        peer.hold()
    });
    assert_within(MAX_CANCEL, || {
        let (client, token) = (Options::new(&server.url()).client(), Token::new());
        let (sender, snapshots) = channel();
        let (failure, triggered, ended) = thread::scope(|scope| {
            let (client, token) = (&client, &token);
            let mut progress = move |_: &str| sender.send(()).is_ok();
            let wait = scope.spawn(move || (client.wait(ID, Some(token), &mut progress), Instant::now()));
            snapshots.recv_timeout(MAX_WAIT).expect("a snapshot");
            settle();
            let triggered = Instant::now();
            token.trigger();
            let (result, ended) = wait.join().expect("no panic");
            (result.expect_err("an error"), triggered, ended)
        });
        assert_eq!(failure.code, REFOLD_ERROR_CANCELLED as i32, "{failure:?}");
        assert_eq!(failure.message, "the call was cancelled in the pause before the next poll");
        Some(ended - triggered)
    });
}
