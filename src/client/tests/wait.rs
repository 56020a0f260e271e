//! Polling until an execution has ended.

use std::error::Error as _;

use super::*;

/// A snapshot of a run in progress. Its body depends on `progress`.
fn running(progress: u32) -> Step {
    response(200, &format!(r#"{{"status": "RUNNING", "progress": {progress}}}"#))
}

fn lost() -> Step {
    failure(ErrorKind::Transport { peer: "server:443".into(), reason: "reset".into(), lost: true })
}

#[test]
fn final_states_end_the_wait() {
    for state in ["COMPLETED", "ERRORED", "STOPPED", "TIMED_OUT"] {
        let client = client(vec![snapshot(state)]);
        assert_eq!(client.wait_for_one(0).unwrap().state().name().to_str(), Ok(state));
        assert_eq!(client.attempt_times(), [0]);
    }
    for state in ["RUNNING", "STOPPING", "PAUSED", "completed", ""] {
        let client = client(vec![snapshot(state), snapshot("COMPLETED")]);
        assert!(client.wait_for_one(0).is_ok());
        assert_eq!(client.attempt_times(), [0, 1000], "{state}");
    }
}

#[test]
fn interval_grows_by_half_without_change_up_to_tenfold() {
    let mut steps = vec![running(1); 9];
    steps.push(snapshot("COMPLETED"));
    let mut client = client(steps);
    client.poll_interval = ms(1600);
    assert!(client.wait_for_one(0).is_ok());
    let times = client.attempt_times();
    let pauses: Vec<u64> = times.windows(2).map(|pair| pair[1] - pair[0]).collect();
    assert_eq!(pauses, [1600, 2400, 3600, 5400, 8100, 12_150, 16_000, 16_000, 16_000]);
}

#[test]
fn interval_is_reset_by_a_change() {
    let steps = [1, 1, 1, 2, 2, 1, 3].map(running).into_iter().chain([snapshot("COMPLETED")]);
    let client = client(steps.collect());
    assert!(client.wait_for_one(0).is_ok());
    let times = client.attempt_times();
    let pauses: Vec<u64> = times.windows(2).map(|pair| pair[1] - pair[0]).collect();
    assert_eq!(pauses, [1000, 1500, 2250, 1000, 1500, 1000, 1000]);
}

#[test]
fn retry_after_is_the_minimum_of_a_pause() {
    for (retry_after, after_snapshot, after_failure) in [
        (None, 3000, 6000),
        (Some(0), 3000, 6000),
        (Some(2), 3000, 6000),
        (Some(4), 4000, 6000),
        (Some(7), 7000, 7000),
        (Some(600), 600_000, 600_000),
    ] {
        for (first, pause) in [
            (running(1), after_snapshot),
            (status(429), after_failure),
            (status(503), after_failure),
            (status(500), after_failure),
        ] {
            let mut client = client(vec![first.with_retry_after(retry_after), snapshot("COMPLETED")]);
            client.poll_interval = ms(3000);
            assert!(client.wait_for_one(0).is_ok());
            assert_eq!(client.attempt_times(), [0, pause], "{retry_after:?}");
        }
    }
}

/// The pauses of a wait with these polls, the last of which is repeated until the wait ends.
fn pauses_of(client: &mut Client<Script>, steps: Vec<Step>) -> Vec<u64> {
    client.restart(steps);
    let _ = client.wait_for_one(0);
    client.attempt_times().windows(2).map(|pair| pair[1] - pair[0]).collect()
}

#[test]
fn each_failed_poll_doubles_the_pause_up_to_tenfold() {
    let timed_out = || failure(ErrorKind::Timeout { limit: ms(1), phase: Phase::Waiting, peer: "p".into() });
    let mut client = client(Vec::new());
    for failed in [status(429), status(503), status(408), lost(), timed_out()] {
        let pauses = pauses_of(&mut client, vec![failed.clone()]);
        assert_eq!(pauses, [2000, 4000, 8000, 10_000, 10_000], "{failed:?}");
        let pauses = pauses_of(&mut client, vec![running(1), running(1), failed.clone()]);
        assert_eq!(pauses, [1000, 1500, 3000, 6000, 10_000, 10_000, 10_000], "{failed:?}");
    }
}

#[test]
fn success_undoes_the_doublings() {
    let mut client = client(Vec::new());
    for (snapshots, pauses) in [
        ([running(1), running(2)], [1000, 2000, 4000, 1000, 2000]),
        ([running(1), running(1)], [1000, 2000, 4000, 1500, 3000]),
    ] {
        let [first, second] = snapshots;
        let steps = vec![first, status(503), lost(), second, status(429), snapshot("COMPLETED")];
        assert_eq!(pauses_of(&mut client, steps), pauses);
    }
}

/// The pause that a server asks for does not change the one after the next failure.
#[test]
fn retry_after_and_doubling_are_independent() {
    let mut client = client(Vec::new());
    let steps = [None, Some(30), Some(1), None, Some(1)].map(|s| status(429).with_retry_after(s));
    let steps = steps.into_iter().chain([snapshot("COMPLETED")]).collect();
    assert_eq!(pauses_of(&mut client, steps), [2000, 30_000, 8000, 10_000, 10_000]);
}

#[test]
fn transient_statuses_alone_are_waited_out() {
    let mut client = client(Vec::new());
    for code in (100..=999).filter(|code| !(200..300).contains(code)) {
        client.restart(vec![status(code), snapshot("COMPLETED")]);
        let result = client.wait_for_one(0);
        assert_eq!(result.is_ok(), is_transient(code), "{code}");
        if let Err(error) = result {
            assert_eq!((error.code(), error.attempts()), (i32::from(code), 1));
        }
    }
}

#[test]
fn transient_failures_and_timeouts_alone_are_waited_out() {
    for (kind, is_transient) in attempt_failures() {
        let client = client(vec![failure(kind.clone()), snapshot("COMPLETED")]);
        let is_tolerated = is_transient || matches!(kind, ErrorKind::Timeout { .. });
        match client.wait_for_one(0) {
            Ok(_) => assert!(is_tolerated, "{kind:?}"),
            Err(error) => assert_eq!((error.kind(), is_tolerated), (&kind, false)),
        }
    }
}

#[test]
fn sixth_failure_in_a_row_ends_the_wait() {
    for failed in 0..=8 {
        for kind in [status(503), lost()] {
            let mut steps = vec![running(1)];
            steps.extend(vec![kind; failed]);
            steps.push(snapshot("COMPLETED"));
            let client = client(steps);
            let result = client.wait_for_one(0);
            assert_eq!(result.is_ok(), failed <= 5, "{failed}");
            assert_eq!(client.attempt_times().len(), if failed <= 5 { failed + 2 } else { 7 });
            if let Err(error) = result {
                assert_eq!(error.attempts(), 7);
            }
        }
    }
}

#[test]
fn success_resets_the_count_of_failures() {
    let mut steps = Vec::new();
    for progress in 0..10 {
        steps.extend(vec![status(503); 5]);
        steps.push(running(progress));
    }
    steps.extend(vec![status(503); 6]);
    let client = client(steps);
    let error = client.wait_for_one(0).err().unwrap();
    assert_eq!((error.code(), error.attempts()), (503, 66));
}

#[test]
fn five_timeouts_of_polls_are_waited_out() {
    for failed in 0..=7 {
        let mut steps = vec![snapshot("COMPLETED").after_ms(5001); failed];
        steps.push(snapshot("COMPLETED"));
        let mut client = client(steps);
        client.timeout = Some(ms(5000));
        client.max_retries = 3;
        let result = client.wait_for_one(0);
        assert_eq!(result.is_ok(), failed <= 5, "{failed}");
        let times = [0, 7000, 16_000, 29_000, 44_000, 59_000];
        assert_eq!(client.attempt_times(), times[..=failed.min(5)]);
        if let Err(error) = result {
            assert!(matches!(error.kind(), ErrorKind::Timeout { .. }), "{error:?}");
            assert_eq!(error.attempts(), 6);
        }
    }
}

#[test]
fn progress_is_reported_for_every_snapshot() {
    let steps = vec![running(1), status(503), running(1), running(2), snapshot("COMPLETED"), status(404)];
    let client = client(steps);
    let mut seen = Vec::new();
    let ended = client.wait(Some(b"id"), 0, None, &mut |execution| {
        seen.push(execution.clone());
        true
    });
    let ended = ended.unwrap();
    assert_eq!(seen.len(), 4);
    assert!(Arc::ptr_eq(ended.execution(), seen[3].execution()));
}

#[test]
fn progress_stops_the_wait_except_at_the_end() {
    for stop_at in 1..=4 {
        let client = client(vec![running(1), running(2), snapshot("ERRORED")]);
        let mut seen = 0;
        let result = client.wait(Some(b"id"), 0, None, &mut |_| {
            seen += 1;
            seen != stop_at
        });
        assert_eq!(client.attempt_times().len(), seen.min(3));
        match result {
            Ok(_) => assert!(stop_at > 2),
            Err(error) => {
                assert_eq!(seen, stop_at);
                assert_eq!(error.kind(), &ErrorKind::Cancelled { phase: Phase::Polling });
                assert_eq!(error.attempts(), stop_at as u32);
            }
        }
    }
}

#[test]
fn wait_without_timeout_has_no_limit() {
    let mut steps = vec![running(1); 1000];
    steps.push(snapshot("COMPLETED"));
    let client = client(steps);
    assert!(client.wait_for_one(0).is_ok());
    assert!(client.transport.time.elapsed() > Duration::from_secs(9000));
}

/// Polls of 400 ms begin at 0, 1400, 3300 and 5950 ms.
#[test]
fn timeout_bounds_the_wait_as_a_whole() {
    let message = |timeout, last| format!("the execution had not ended after {timeout} ms: {last}");
    for (timeout, attempts, last) in [
        (1, 1, "the last poll has had no response yet"),
        (399, 1, "the last poll has had no response yet"),
        (400, 1, "the last poll has had no response yet"),
        (401, 1, "its last status is RUNNING"),
        (1399, 1, "its last status is RUNNING"),
        (1400, 1, "its last status is RUNNING"),
        (1401, 2, "its last status is RUNNING"),
        (1801, 2, "its last status is RUNNING"),
        (3300, 2, "its last status is RUNNING"),
        (3301, 3, "its last status is RUNNING"),
        (6000, 4, "its last status is RUNNING"),
    ] {
        for poll_timeout in [None, Some(ms(30_000))] {
            let mut client = client(vec![running(1).after_ms(400)]);
            client.timeout = poll_timeout;
            let error = client.wait_for_one(timeout).err().unwrap();
            assert_eq!((error.code(), error.attempts()), (-3, attempts), "{timeout}");
            assert_eq!(error.message(), message(timeout, last));
            assert_eq!(client.transport.time.elapsed(), ms(timeout));
        }
    }
}

#[test]
fn timeout_of_a_wait_reports_the_last_poll() {
    let long = "m".repeat(2000);
    let cases = [
        (vec![running(1)], "its last status is RUNNING".to_string()),
        (vec![snapshot("a\\u0000b")], "its last status is a?b".into()),
        (vec![snapshot("a session-token")], "its last status is a ***".into()),
        (vec![running(1), status(503)], "HTTP 503 Service Unavailable".into()),
        (vec![lost()], "lost the connection to server:443: reset".into()),
        (vec![lost(), running(1)], "its last status is RUNNING".into()),
        (vec![response(429, r#"{"message": "slow down"}"#)], "slow down".into()),
        (vec![response(500, &format!(r#"{{"message": "{long}"}}"#))], long[..1000].into()),
        (vec![running(1).after_ms(60_000)], "the last poll has had no response yet".into()),
        (vec![running(1), running(2).after_ms(60_000)], "its last status is RUNNING".into()),
        (vec![lost(), running(2).after_ms(60_000)], "the last poll has had no response yet".into()),
        (vec![status(503), running(2).after_ms(60_000)], "the last poll has had no response yet".into()),
    ];
    for (steps, last) in cases {
        let client = client(steps);
        let error = client.wait_for_one(2600).err().unwrap();
        assert_eq!(error.message(), format!("the execution had not ended after 2600 ms: {last}"));
        assert_eq!(client.transport.time.elapsed(), ms(2600));
        assert!(error.is_retryable());
    }
}

/// The code, the attempts and the message of the cause of an error.
fn cause_of(error: &Error) -> Option<(i32, u32, String)> {
    error.cause().map(|cause| (cause.code(), cause.attempts(), cause.message().into_owned()))
}

#[test]
fn timeout_of_a_wait_carries_the_failure_of_its_last_poll() {
    let long = "m".repeat(2000);
    let timed_out = |milliseconds| {
        let message = "no complete response from server:443 within";
        format!("{message} {milliseconds} ms: the timeout expired while waiting for the response")
    };
    let cases = [
        (vec![running(1)], None),
        (vec![running(1), status(503)], Some((503, "HTTP 503 Service Unavailable".into()))),
        (vec![status(503), status(429)], Some((429, "HTTP 429 Too Many Requests".into()))),
        (vec![status(503), running(1)], None),
        (vec![lost()], Some((-7, "lost the connection to server:443: reset".into()))),
        (vec![lost(), lost(), running(1)], Some((-7, "lost the connection to server:443: reset".into()))),
        (vec![response(500, &format!(r#"{{"message": "{long}"}}"#))], Some((500, long))),
        (vec![response(503, r#"{"message": "session-token"}"#)], Some((503, "***".into()))),
        // The deadline of the wait expired during the poll, after what was left to it.
        (vec![running(1).after_ms(60_000)], Some((-3, timed_out(2600)))),
        (vec![running(1), running(2).after_ms(60_000)], Some((-3, timed_out(1600)))),
        (vec![lost(), running(2).after_ms(60_000)], Some((-3, timed_out(600)))),
    ];
    for (steps, cause) in cases {
        let client = client(steps);
        let error = client.wait_for_one(2600).err().unwrap();
        assert_eq!(error.code(), -3);
        assert_eq!(cause_of(&error), cause.map(|(code, message)| (code, 1, message)), "{error}");
        assert_eq!(error.source().is_some(), error.cause().is_some());
        assert!(error.cause().is_none_or(|cause| cause.cause().is_none()));
    }
}

/// The cause is one poll: it counts its own attempts, and keeps its response.
#[test]
fn cause_counts_its_own_attempts() {
    let mut client = client(vec![status(503), running(1), status(429).with_retry_after(Some(1))]);
    client.max_retries = 2;
    let error = client.wait_for_one(10_000).err().unwrap();
    let cause = error.cause().unwrap();
    assert_eq!((cause.code(), cause.attempts(), cause.retry_after_ms()), (429, 3, 1000));
    assert_eq!((error.code(), error.attempts(), error.retry_after_ms()), (-3, 8, -1));
}

#[test]
fn poll_timeouts_are_causes_with_their_own_limit() {
    let mut client = client(vec![snapshot("COMPLETED").after_ms(501)]);
    client.timeout = Some(ms(500));
    let error = client.wait_for_one(5000).err().unwrap();
    // Polls begin at 0, 2500 ms; the next pause would end at 7000 ms.
    assert_eq!(client.attempt_times(), [0, 2500]);
    let kind = ErrorKind::Timeout { limit: ms(500), phase: Phase::Waiting, peer: "server:443".into() };
    assert_eq!(error.cause().map(Error::kind), Some(&kind));
    let message = error.cause().unwrap().message();
    assert_eq!(error.message(), format!("the execution had not ended after 5000 ms: {message}"));
}

#[test]
fn other_ends_of_a_wait_have_no_cause() {
    for (steps, code) in [
        (vec![status(503)], 503),
        (vec![lost(), status(404)], 404),
        (vec![lost(), lost(), running(1), running(2)], -2),
    ] {
        let client = client(steps);
        let mut snapshots = 0;
        let error = client.wait(Some(b"id"), 0, None, &mut |_| {
            snapshots += 1;
            snapshots < 2
        });
        let error = error.err().unwrap();
        assert_eq!((error.code(), cause_of(&error)), (code, None));
    }
    let client = client(vec![lost()]);
    let token = Arc::new(CancelToken::new());
    client.transport.time.cancel_at(ms(900), &token);
    let error = client.wait(Some(b"id"), 5000, Some(&token), &mut |_| true).err().unwrap();
    assert_eq!((error.code(), cause_of(&error)), (-2, None));
}

#[test]
fn each_poll_has_its_own_timeout_and_retries() {
    let mut steps = vec![status(503), status(503), running(1)];
    steps.extend([status(503), status(503), status(503)]);
    steps.extend([lost(), running(2), snapshot("COMPLETED")]);
    let mut client = client(steps);
    client.max_retries = 2;
    client.timeout = Some(ms(3500));
    assert!(client.wait_for_one(0).is_ok());
    // Three attempts, a pause, three attempts, a pause, two attempts, a pause, the last one.
    assert_eq!(client.attempt_times(), [0, 1000, 3000, 4000, 5000, 7000, 9000, 10_000, 11_000]);
}

#[test]
fn attempts_of_all_polls_are_counted() {
    for (max_retries, last, attempts) in [(2, 404, 7), (2, 503, 5 + 6 * 3), (0, 503, 6), (0, 404, 1)] {
        let steps = vec![status(503), lost(), running(1), status(500), running(2), status(503), status(last)];
        let mut client = client(steps);
        client.max_retries = max_retries;
        if max_retries == 0 {
            client.restart(vec![status(last)]);
        }
        let error = client.wait_for_one(0).err().unwrap();
        assert_eq!((error.code(), error.attempts()), (last.into(), attempts), "{max_retries} {last}");
        assert_eq!(client.attempt_times().len(), attempts as usize);
    }
}

#[test]
fn new_session_token_applies_to_the_next_poll() {
    let mut client = client(vec![status(503), running(1), status(503), snapshot("COMPLETED")]);
    client.max_retries = 1;
    let result = client.wait(Some(b"id"), 0, None, &mut |_| client.set_session_token(Some(b"newer")).is_ok());
    assert!(result.is_ok());
    let attempts = client.transport.attempts.lock().unwrap();
    let tokens: Vec<&str> = attempts.iter().map(|(_, token)| token.as_str()).collect();
    assert_eq!(tokens, ["session-token", "session-token", "newer", "newer"]);
}

/// Attempts of 500 ms begin at 0 and 1500 ms; the pause between the polls begins at 2000 ms.
#[test]
fn cancellation_ends_every_phase_of_a_wait() {
    for (at, phase, attempts) in [
        (250, Phase::Waiting, 1),
        (700, Phase::Backoff, 1),
        (1700, Phase::Waiting, 2),
        (2001, Phase::Polling, 2),
        (2999, Phase::Polling, 2),
        (3100, Phase::Waiting, 3),
    ] {
        for timeout in [0, 3200] {
            let mut client = client(vec![status(503).after_ms(500), running(1).after_ms(500)]);
            client.max_retries = 1;
            let token = Arc::new(CancelToken::new());
            client.transport.time.cancel_at(ms(at), &token);
            let error = client.wait(Some(b"id"), timeout, Some(&token), &mut |_| true).err().unwrap();
            assert_eq!((error.kind(), error.attempts()), (&ErrorKind::Cancelled { phase }, attempts), "{at}");
            assert_eq!(client.transport.time.elapsed(), ms(at));
        }
    }
}

#[test]
fn cancelled_token_prevents_the_first_poll() {
    let client = client(vec![snapshot("COMPLETED")]);
    let token = Arc::new(CancelToken::new());
    token.cancel();
    let error = client.wait(Some(b"id"), 0, Some(&token), &mut |_| true).err().unwrap();
    assert_eq!((error.kind(), error.attempts()), (&ErrorKind::Cancelled { phase: Phase::Starting }, 0));
    assert!(client.attempt_times().is_empty());
}

/// A wait times out at its deadline, whatever the failure of its last poll.
#[test]
fn pause_ends_with_the_deadline_of_the_wait() {
    for step in [running(1), status(503), status(429).with_retry_after(Some(600)), lost()] {
        let client = client(vec![step]);
        let error = client.wait_for_one(900).err().unwrap();
        assert!(
            matches!(error.kind(), ErrorKind::WaitTimeout { limit, .. } if *limit == ms(900)),
            "{error:?}"
        );
        assert_eq!((error.attempts(), client.transport.time.elapsed()), (1, ms(900)));
    }
}
