//! One call, with its retries.

use super::*;
use crate::options::timeout_from_ms;

/// The times at which attempts begin, in seconds, if every backoff has its full length.
const BACKOFF_TIMES: [u64; 5] = [0, 1, 3, 7, 15];

#[test]
fn transient_statuses_alone_are_retried() {
    let mut client = client(Vec::new());
    for code in 100..=999 {
        for retry_after in [None, Some(7), Some(60), Some(61)] {
            for max_retries in 0..=4 {
                client.restart(vec![response(code, r#"{"status": ""}"#).with_retry_after(retry_after)]);
                client.max_retries = max_retries as u32;
                let result = client.get_one();

                let is_retried = is_transient(code) && retry_after != Some(61);
                let attempts = if is_retried { 1 + max_retries } else { 1 };
                let times: Vec<u64> = (0..attempts)
                    .map(|retry| {
                        1000 * retry_after.map_or(BACKOFF_TIMES[retry], |pause| pause * retry as u64)
                    })
                    .collect();
                assert_eq!(client.attempt_times(), times, "{code} {retry_after:?} {max_retries}");
                assert_eq!(
                    client.transport.time.elapsed(),
                    ms(times[attempts - 1]),
                    "{code} {retry_after:?}"
                );
                assert_eq!(result.is_ok(), (200..300).contains(&code), "{code}");
                if let Err(error) = result {
                    assert_eq!((error.code(), error.attempts()), (code.into(), attempts as u32));
                    assert_eq!(error.retry_after(), retry_after.map(Duration::from_secs), "{code}");
                }
            }
        }
    }
}

#[test]
fn transient_failures_alone_are_retried() {
    for (kind, is_transient) in attempt_failures() {
        for max_retries in 0..=4 {
            let mut client = client(vec![failure(kind.clone())]);
            client.max_retries = max_retries;
            let error = client.get_one().err().unwrap();
            let attempts = if is_transient { max_retries + 1 } else { 1 };
            assert_eq!((error.kind(), error.attempts()), (&kind, attempts));
            let times = BACKOFF_TIMES[..attempts as usize].iter().map(|seconds| 1000 * seconds);
            assert_eq!(client.attempt_times(), times.collect::<Vec<_>>(), "{kind:?}");
        }
    }
}

#[test]
fn call_succeeds_with_the_first_good_attempt() {
    for failed in 0..=5 {
        let mut steps = vec![status(503); failed];
        steps.extend([snapshot("COMPLETED"), status(404)]);
        let mut client = client(steps);
        client.max_retries = 4;
        let result = client.get_one();
        assert_eq!(result.is_ok(), failed <= 4, "{failed}");
        assert_eq!(client.attempt_times().len(), (failed + 1).min(5), "{failed}");
    }
}

#[test]
fn last_failure_is_the_one_reported() {
    let lost = ErrorKind::Transport { peer: "server:443".into(), reason: "reset".into(), lost: true };
    for (last, code) in [(status(404), 404), (failure(lost), -7), (response(200, "[]"), -8)] {
        let mut client = client(vec![status(503).with_retry_after(Some(1)), last]);
        client.max_retries = 1;
        let error = client.get_one().err().unwrap();
        assert_eq!((error.code(), error.attempts(), error.retry_after()), (code, 2, None));
    }
}

#[test]
fn backoff_is_shortened_by_up_to_a_half() {
    let draws: [fn() -> u32; 3] = [|| 0, || 1 << 31, || u32::MAX];
    let times = [[0, 500, 1500, 3500], [0, 750, 2250, 5250], [0, 1000, 3000, 7000]];
    for (random, times) in draws.into_iter().zip(times) {
        let mut client = client(vec![status(503)]);
        client.max_retries = 3;
        client.random = random;
        assert!(client.get_one().is_err());
        assert_eq!(client.attempt_times(), times);
    }
}

/// Attempts of 500 ms begin at 0, 1500 and 4000 ms.
#[test]
fn deadline_ends_attempts_and_prevents_pauses() {
    for (timeout, code, attempts, elapsed) in [
        (1, -3, 1, 1),
        (499, -3, 1, 499),
        (500, -3, 1, 500),
        (501, 503, 1, 500),
        (1499, 503, 1, 500),
        (1500, 503, 1, 500),
        (1501, -3, 2, 1501),
        (1999, -3, 2, 1999),
        (2000, -3, 2, 2000),
        (2001, 503, 2, 2000),
        (3999, 503, 2, 2000),
        (4000, 503, 2, 2000),
        (4001, -3, 3, 4001),
        (4500, -3, 3, 4500),
        (4501, 503, 3, 4500),
        (100_000, 503, 3, 4500),
        (0, 503, 3, 4500),
    ] {
        let mut client = client(vec![status(503).after_ms(500)]);
        client.max_retries = 2;
        client.timeout = timeout_from_ms(timeout);
        let error = client.get_one().err().unwrap();
        assert_eq!((error.code(), error.attempts()), (code, attempts), "{timeout}");
        assert_eq!(client.transport.time.elapsed(), ms(elapsed), "{timeout}");
        if code == -3 {
            assert!(matches!(error.kind(), ErrorKind::Timeout { phase: Phase::Waiting, .. }), "{error:?}");
            assert!(error.is_retryable());
        }
    }
}

#[test]
fn retry_after_past_the_deadline_is_not_waited_for() {
    for (retry_after, timeout, attempts) in [
        (5, 4_999, 1),
        (5, 5_000, 1),
        (5, 5_001, 2),
        (5, 10_001, 3),
        (60, 60_000, 1),
        (60, 60_001, 2),
        (60, 0, 3),
    ] {
        let mut client = client(vec![status(429).with_retry_after(Some(retry_after))]);
        client.max_retries = 2;
        client.timeout = timeout_from_ms(timeout);
        let error = client.get_one().err().unwrap();
        assert_eq!((error.code(), error.attempts()), (429, attempts), "{retry_after} {timeout}");
        let elapsed = Duration::from_secs(retry_after) * (attempts - 1);
        assert_eq!(client.transport.time.elapsed(), elapsed, "{retry_after} {timeout}");
    }
}

/// Attempts of 500 ms begin at 0, 1500 and 4000 ms.
#[test]
fn cancellation_ends_every_phase_at_once() {
    for (at, phase, attempts) in [
        (1, Phase::Waiting, 1),
        (500, Phase::Waiting, 1),
        (501, Phase::Backoff, 1),
        (1499, Phase::Backoff, 1),
        (1500, Phase::Backoff, 1),
        (1501, Phase::Waiting, 2),
        (2001, Phase::Backoff, 2),
        (4499, Phase::Waiting, 3),
    ] {
        for timeout in [None, Some(ms(4600))] {
            let mut client = client(vec![status(503).after_ms(500)]);
            client.max_retries = 2;
            client.timeout = timeout;
            let token = Arc::new(CancelToken::new());
            client.transport.time.cancel_at(ms(at), &token);
            let error = client.get(Some(b"id"), Some(&token)).err().unwrap();
            assert_eq!((error.kind(), error.attempts()), (&ErrorKind::Cancelled { phase }, attempts), "{at}");
            assert_eq!(client.transport.time.elapsed(), ms(at));
            assert!(!error.is_retryable());
        }
    }
}

#[test]
fn cancelled_token_prevents_the_first_attempt() {
    let client = client(vec![snapshot("COMPLETED")]);
    let token = Arc::new(CancelToken::new());
    token.cancel();
    let error = client.get(Some(b"id"), Some(&token)).err().unwrap();
    assert_eq!((error.kind(), error.attempts()), (&ErrorKind::Cancelled { phase: Phase::Starting }, 0));
    assert_eq!(error.message(), "the call was cancelled before it started");
    assert!(client.attempt_times().is_empty());
}

#[test]
fn invalid_id_prevents_the_first_attempt() {
    let client = client(vec![snapshot("COMPLETED")]);
    for id in [None, Some(&b""[..]), Some(b".."), Some(b"a/b"), Some(b"a%2Fb"), Some(&[b'a'; 257])] {
        let error = client.get(id, None).err().unwrap();
        assert_eq!((error.code(), error.attempts()), (-1, 0), "{id:?}");
        assert!(error.message().starts_with("execution_id"), "{error}");
        let error = client.wait(id, 0, None, &mut |_| true).err().unwrap();
        assert_eq!((error.code(), error.attempts()), (-1, 0), "{id:?}");
    }
    assert!(client.attempt_times().is_empty());
}

#[test]
fn status_precedes_damage_of_the_body_but_not_cancellation() {
    let good = r#"{"status": "COMPLETED", "message": "m"}"#;
    for (kind, _) in attempt_failures() {
        let is_cancelled = matches!(kind, ErrorKind::Cancelled { .. });
        for code in [199, 200, 204, 299, 300, 302, 404, 429, 500, 503, 999] {
            let client = client(vec![response(code, good).with_fault(kind.clone())]);
            let error = client.get_one().err().unwrap();
            let is_success = (200..300).contains(&code);
            let expected = if is_success || is_cancelled { &kind } else { &ErrorKind::Status };
            assert_eq!(error.kind(), expected, "{code}");
            assert_eq!(error.http_status(), i32::from(code));
            assert_eq!(error.body(), Some(good.as_bytes()));
        }
    }
}

#[test]
fn success_without_an_execution_is_an_invalid_response() {
    for body in ["", "[]", "null", "{}", r#"{"status": 1}"#, "<html>", r#"{"status": "COMPLETED"} x"#] {
        for code in [200, 201, 204, 299] {
            let mut client = client(vec![response(code, body)]);
            client.max_retries = 4;
            let error = client.get_one().err().unwrap();
            assert_eq!((error.code(), error.attempts()), (-8, 1), "{code} {body}");
            assert_eq!(error.http_status(), i32::from(code));
            assert_eq!(error.body().unwrap_or_default(), body.as_bytes());
            assert!(error.message().starts_with("the response is not an execution: "), "{error}");
        }
    }
}

#[test]
fn echoed_secrets_are_redacted() {
    let body = r#"{"message": "session-token, proxy-password", "error": "a session-token"}"#;
    let redacted = r#"{"message": "***, ***", "error": "a ***"}"#;
    let error = client(vec![response(401, body)]).get_one().err().unwrap();
    assert_eq!(error.message(), "***, ***");
    assert_eq!(error.api_code(), Some("a ***"));
    assert_eq!(error.body(), Some(redacted.as_bytes()));
}
