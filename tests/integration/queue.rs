//! Queues: events, cancellation, and freeing.

use std::collections::HashMap;
use std::sync::Mutex;
use std::sync::mpsc::channel;
use std::time::{Duration, Instant};

use crate::api::{
    Event, MAX_WAIT, Options, Queue, REFOLD_ERROR_CANCELLED, REFOLD_EVENT_DONE, REFOLD_EVENT_PROGRESS, Token,
};
use crate::server::{Peer, Server};
use crate::timing::{MAX_CANCEL, assert_within, settle};

fn respond_always(peer: &mut Peer<'_>) -> std::io::Result<()> {
    while peer.request()?.is_some() {
        peer.respond_with("COMPLETED")?;
    }
    Ok(())
}

/// A server that reports each run as running once, and as completed from then on.
fn start_runs() -> Server {
    let polls = Mutex::new(HashMap::<String, usize>::new());
    Server::start(move |peer| {
        while let Some(head) = peer.request()? {
            let path = head.split(' ').nth(1).unwrap_or_default().to_owned();
            let poll = {
                let mut polls = polls.lock().expect("no panic");
                let poll = polls.entry(path).or_default();
                *poll += 1;
                *poll
            };
            peer.respond_with(if poll == 1 { "RUNNING" } else { "COMPLETED" })?;
        }
        Ok(())
    })
}

fn assert_completed(event: &Event) {
    assert_eq!(event.kind, REFOLD_EVENT_DONE as i32, "{event:?}");
    assert_eq!(event.outcome.as_deref().ok(), Some("COMPLETED"), "{event:?}");
}

fn assert_cancelled(event: &Event) {
    assert_eq!(event.kind, REFOLD_EVENT_DONE as i32, "{event:?}");
    let code = event.outcome.as_ref().err().map(|failure| failure.code);
    assert_eq!(code, Some(REFOLD_ERROR_CANCELLED as i32), "{event:?}");
}

#[test]
fn a_queue_is_emptied_by_a_thread_that_blocks() {
    let server = Server::start(respond_always);
    let client = Options::new(&server.url()).client();
    let queue = Queue::new(2);
    (1..=9).for_each(|number| queue.get(&client, None, number));
    let mut numbers: Vec<_> = std::iter::from_fn(|| queue.next())
        .map(|event| {
            assert_completed(&event);
            event.number
        })
        .collect();
    numbers.sort_unstable();
    assert_eq!(numbers, (1..=9).collect::<Vec<_>>());
    assert_eq!(queue.pending(), 0);
    assert!(server.accepted() <= 2);
}

#[test]
fn a_queue_wakes_a_loop_by_a_function() {
    let server = start_runs();
    let client = Options::new(&server.url()).poll_interval(Duration::from_millis(10)).client();
    let (sender, wakes) = channel();
    let mut queue = Queue::new(0);
    queue.set_notify(move || sender.send(()).expect("a receiver"));
    (1..=3).for_each(|number| queue.wait(&client, None, number));
    let mut done = Vec::new();
    while queue.pending() > 0 {
        wakes.recv_timeout(MAX_WAIT).expect("a wake-up");
        while let Some(event) = queue.next_now() {
            if event.kind == REFOLD_EVENT_PROGRESS as i32 {
                assert_eq!(event.outcome.as_deref().ok(), Some("RUNNING"), "{event:?}");
            } else {
                assert_completed(&event);
                done.push(event.number);
            }
        }
    }
    done.sort_unstable();
    assert_eq!(done, [1, 2, 3]);
}

#[test]
fn a_token_ends_submissions_that_are_queued_or_in_flight() {
    let server = Server::start(|peer| peer.hold());
    assert_within(MAX_CANCEL, || {
        let (client, token) = (Options::new(&server.url()).client(), Token::new());
        let queue = Queue::new(1);
        (1..=4).for_each(|number| queue.get(&client, Some(&token), number));
        client.log().wait_for("sent GET ");
        settle();
        let triggered = Instant::now();
        token.trigger();
        let events: Vec<_> = std::iter::from_fn(|| queue.next()).collect();
        let elapsed = triggered.elapsed();
        assert_eq!(events.len(), 4);
        events.iter().for_each(assert_cancelled);
        Some(elapsed)
    });
}

#[test]
fn a_token_ends_a_queued_submission_while_another_is_in_flight() {
    let server = Server::start(|peer| peer.hold());
    assert_within(MAX_CANCEL, || {
        let (client, token) = (Options::new(&server.url()).client(), Token::new());
        let queue = Queue::new(1);
        queue.get(&client, None, 1);
        queue.get(&client, Some(&token), 2);
        client.log().wait_for("sent GET ");
        settle();
        let triggered = Instant::now();
        token.trigger();
        let event = queue.next().expect("an event");
        let elapsed = triggered.elapsed();
        assert_cancelled(&event);
        assert_eq!((event.number, queue.pending()), (2, 1));
        Some(elapsed)
    });
}

#[test]
fn freeing_a_queue_ends_work_in_flight() {
    let server = Server::start(|peer| peer.hold());
    assert_within(MAX_CANCEL, || {
        let client = Options::new(&server.url()).client();
        let queue = Queue::new(2);
        (1..=3).for_each(|number| queue.get(&client, None, number));
        client.log().wait_for("sent GET ");
        settle();
        let begin = Instant::now();
        drop(queue);
        Some(begin.elapsed())
    });
}

#[test]
fn a_queue_serves_200_waits_at_once() {
    const COUNT: usize = 200;
    /// The default of `refold_queue_new`.
    const MAX_CONCURRENT: usize = 32;
    let server = start_runs();
    let client = Options::new(&server.url()).poll_interval(Duration::from_millis(10)).client();
    let queue = Queue::new(0);
    (1..=COUNT).for_each(|number| queue.wait(&client, None, number));
    let mut done: Vec<_> = std::iter::from_fn(|| queue.next())
        .filter(|event| event.kind != REFOLD_EVENT_PROGRESS as i32)
        .map(|event| {
            assert_completed(&event);
            event.number
        })
        .collect();
    done.sort_unstable();
    assert_eq!(done, (1..=COUNT).collect::<Vec<_>>());
    assert!(server.accepted() <= MAX_CONCURRENT, "{} connections", server.accepted());
}
