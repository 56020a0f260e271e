//! What calls and waits log, and report about themselves.

use std::ffi::CStr;

use super::*;
use crate::log::{Level, Sink};
use crate::timing::Timing;

/// Keeps the lines.
#[derive(Default)]
struct Collector(Mutex<Vec<String>>);

impl Sink for Collector {
    fn write(&self, level: Level, line: &CStr) {
        // The number of the call depends on the other tests.
        let line = line.to_str().unwrap().split_once(" +").unwrap().1;
        self.0.lock().unwrap().push(format!("{level:?} {line}"));
    }
}

/// What a call logs at this level, without its own number.
fn lines_of(level: Level, mut client: Client<Script>, call: impl FnOnce(&Client<Script>)) -> Vec<String> {
    let collector = Arc::new(Collector::default());
    client.log = Some(Log::new(level, collector.clone()));
    call(&client);
    collector.0.lock().unwrap().clone()
}

const UNTIMED: &str = "(resolve -, connect -, TLS -, first byte -, transfer -); received 0 bytes, unpacked 0; \
                       no connection; request id -";

#[test]
fn retries_are_logged_with_reason_and_pause() {
    let mut client = client(vec![status(503).after_ms(5), snapshot("COMPLETED").after_ms(7)]);
    client.max_retries = 1;
    let lines = lines_of(Level::Debug, client, |client| {
        let snapshot = client.get_one().unwrap();
        assert_eq!((snapshot.attempts(), snapshot.timings().get(Timing::Total)), (2, 1_012_000));
        assert_eq!(snapshot.timings().get(Timing::FirstByte), -1);
    });
    let expected = [
        "Debug 0.000 ms: get id, timeout none".to_string(),
        "Warn 5.000 ms: attempt 1 failed, retrying in 1000 ms: SERVICE_UNAVAILABLE (503), HTTP 503 Service Unavailable".into(),
        format!("Info 1012.000 ms: execution id: OK, COMPLETED; attempts 2; total 1012.000 ms {UNTIMED}"),
    ];
    assert_eq!(lines, expected);
}

#[test]
fn polls_and_their_failures_are_logged() {
    let client = client(vec![snapshot("RUNNING"), status(502), snapshot("COMPLETED").after_ms(3)]);
    let lines = lines_of(Level::Info, client, |client| {
        let snapshot = client.wait_for_one(0).unwrap();
        assert_eq!((snapshot.attempts(), snapshot.timings().get(Timing::Total)), (1, 3_000));
    });
    let poll = |time, outcome, total| {
        format!("Info {time} ms: execution id: {outcome}; attempts 1; total {total} ms {UNTIMED}")
    };
    let failure = "HTTP 502 Bad Gateway";
    let expected = [
        poll("0.000", "OK, RUNNING", "0.000"),
        poll("1000.000", "BAD_GATEWAY (502)", "0.000") + "; " + failure,
        format!("Warn 1000.000 ms: poll failed, polling again in 2000 ms: BAD_GATEWAY (502), {failure}"),
        poll("3003.000", "OK, COMPLETED", "3.000"),
        format!("Info 3003.000 ms: execution id: OK, COMPLETED; attempts 3; total 3003.000 ms {UNTIMED}"),
    ];
    assert_eq!(lines, expected);
}

#[test]
fn error_of_a_wait_has_its_whole_time() {
    let script = client(vec![snapshot("RUNNING"), status(503).after_ms(100)]);
    let lines = lines_of(Level::Warn, script, |client| {
        let error = client.wait_for_one(4000).map(|_| ()).unwrap_err();
        assert_eq!((error.code(), error.timings().get(Timing::Total)), (-3, 4_000_000));
        let cause = error.cause().unwrap();
        assert_eq!((cause.code(), cause.timings().get(Timing::Total)), (503, 100_000));
    });
    assert_eq!(lines.len(), 2, "{lines:?}");
    assert!(lines[1].starts_with("Warn 3200.000 ms: poll failed, no time for another: "), "{lines:?}");
    let error = client(vec![status(404).after_ms(9)]).get_one().map(|_| ()).unwrap_err();
    assert_eq!((error.attempts(), error.timings().get(Timing::Total)), (1, 9_000));
    let client = client(vec![snapshot("COMPLETED")]);
    let error = client.get(Some(b"/"), None).map(|_| ()).unwrap_err();
    assert_eq!((error.code(), error.timings().get(Timing::Total)), (-1, -1));
}

#[test]
fn poll_that_the_wait_cuts_short_has_its_own_limit() {
    let mut client = client(vec![snapshot("RUNNING"), snapshot("COMPLETED").after_ms(9000)]);
    client.timeout = Some(ms(5000));
    let lines = lines_of(Level::Info, client, |client| {
        assert_eq!(client.wait_for_one(1300).map(|_| ()).unwrap_err().code(), -3);
    });
    assert!(lines[1].contains("TIMEOUT (-3); attempts 1; total 300.000 ms "), "{lines:?}");
    assert!(lines[1].contains(" within 300 ms: "), "{lines:?}");
}

#[test]
fn poll_without_an_attempt_has_nothing_of_the_last_one() {
    let mut last = AttemptReport { received: 9, connection: 3, ..AttemptReport::default() };
    let lines = lines_of(Level::Info, client(vec![snapshot("COMPLETED")]), |client| {
        let context = client.begin(Some(Duration::ZERO), [None; 2]);
        let id = ExecutionId::parse(Some(b"id")).unwrap();
        let result = client.call(&id, &client.credentials.get().unwrap(), &context, &mut last);
        assert_eq!(result.map(|_| ()).unwrap_err().attempts(), 0);
    });
    assert!(lines[0].contains(&format!("; attempts 0; total 0.000 ms {UNTIMED}; ")), "{lines:?}");
    assert_eq!((last.received, last.connection), (9, 3));
}

#[test]
fn statuses_and_messages_are_redacted_in_the_log() {
    for step in [snapshot("session-token"), response(404, r#"{"message": "no session-token"}"#)] {
        let lines = lines_of(Level::Debug, client(vec![step]), |client| drop(client.get_one()));
        assert!(lines.iter().all(|line| !line.contains("session-token")), "{lines:?}");
        assert!(lines.iter().any(|line| line.contains("***")), "{lines:?}");
    }
}
