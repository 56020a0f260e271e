//! Which failures are tried again, and when. Pure functions, after the vendor's advice to clients: 1 s, 2 s, 4 s ...
//! with jitter, or what Retry-After says.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use crate::error::{Error, Kind};

/// A Retry-After above this is not waited for within a call.
const LONGEST_RETRY_AFTER: Duration = Duration::from_secs(60);

/// Polls that may fail in a row before a wait gives up.
const FAILED_POLLS: u32 = 5;

/// The pause between two polls grows to this many times the interval.
const LONGEST_PAUSE: u32 = 10;

/// The statuses that another try may better.
const RETRYABLE_STATUSES: [i32; 6] = [408, 429, 500, 502, 503, 504];

/// Whether a call tries again by itself after this failure.
pub fn is_tried_again(error: &Error) -> bool {
    match error.kind() {
        Kind::Status => may_pass(error.code()),
        Kind::Connect { refused, .. } => !refused,
        Kind::Transport { lost, .. } => *lost,
        Kind::Resolve { temporary, .. } => *temporary,
        _ => false,
    }
}

/// Whether another try may better an answer with this status.
pub fn may_pass(status: i32) -> bool {
    RETRYABLE_STATUSES.contains(&status)
}

/// The pause before the next try; `None`: there is no next one. `attempts` tries were made, `left` is the time until
/// the deadline, `random` lies in 0 to 1.
pub fn pause_before_retry(
    error: &Error,
    attempts: u32,
    max_retries: u32,
    left: Option<Duration>,
    random: f64,
) -> Option<Duration> {
    if attempts > max_retries || !is_tried_again(error) {
        return None;
    }
    let pause = match error.retry_after() {
        Some(told) if told > LONGEST_RETRY_AFTER => return None,
        Some(told) => told,
        None => backoff(attempts, random),
    };
    (left.is_none_or(|left| pause < left)).then_some(pause)
}

/// 1 s after the first try, doubled after each further one, with full jitter on the upper half.
fn backoff(attempts: u32, random: f64) -> Duration {
    // 2^20 s are twelve days: nobody waits longer, and nothing overflows.
    let doublings = attempts.saturating_sub(1).min(20);
    Duration::from_secs(1 << doublings).mul_f64(0.5 + 0.5 * random.clamp(0.0, 1.0))
}

/// The pauses between polls.
#[derive(Debug)]
pub struct Rhythm {
    interval: Duration,
    pause: Duration,
    failures: u32,
}

impl Rhythm {
    /// Begins with this pause.
    pub fn new(interval: Duration) -> Rhythm {
        Rhythm { interval, pause: interval, failures: 0 }
    }

    /// The interval after news, half as long again after each snapshot that brought none; no shorter than what the
    /// server asks for.
    pub fn after_snapshot(&mut self, is_same: bool, retry_after: Option<Duration>) -> Duration {
        self.failures = 0;
        self.pause = if is_same {
            self.pause.saturating_add(self.pause / 2).min(self.interval.saturating_mul(LONGEST_PAUSE))
        } else {
            self.interval
        };
        self.pause.max(retry_after.unwrap_or_default())
    }

    /// `None`: the failure cannot pass, or too many polls have failed in a row.
    pub fn after_failure(&mut self, error: &Error) -> Option<Duration> {
        self.failures += 1;
        let is_waited_out = error.is_retryable() && self.failures <= FAILED_POLLS;
        is_waited_out.then(|| self.pause.max(error.retry_after().unwrap_or_default()))
    }
}

/// A Retry-After header: seconds, or an HTTP date (RFC 9110, 10.2.3). `None` for anything else.
pub fn parse_retry_after(value: &str, now: SystemTime) -> Option<Duration> {
    let value = value.trim_matches([' ', '\t']);
    if !value.is_empty() && value.bytes().all(|byte| byte.is_ascii_digit()) {
        return Some(Duration::from_secs(value.parse().unwrap_or(u64::MAX)));
    }
    let date = UNIX_EPOCH.checked_add(Duration::from_secs(parse_http_date(value)?))?;
    Some(date.duration_since(now).unwrap_or(Duration::ZERO))
}

/// Seconds since 1970 of an HTTP date in any of its three forms (RFC 9110, 5.6.7):
/// `Sun, 06 Nov 1994 08:49:37 GMT`, `Sunday, 06-Nov-94 08:49:37 GMT`, `Sun Nov  6 08:49:37 1994`.
fn parse_http_date(text: &str) -> Option<u64> {
    let words: Vec<&str> = text.split([' ', '-']).filter(|word| !word.is_empty()).collect();
    let (day, month, year, time) = match words[..] {
        [weekday, day, month, year, time, "GMT"] if weekday.ends_with(',') => (day, month, year, time),
        [_, month, day, time, year] => (day, month, year, time),
        _ => return None,
    };
    let month = 1 + MONTHS.iter().position(|name| *name == month)? as u64;
    let year = match (year.len(), digits(year)?) {
        (2, short) => short + if short < 70 { 2000 } else { 1900 },
        (4, year) => year,
        _ => return None,
    };
    let [hour, minute, second] = time.split(':').map(digits).collect::<Option<Vec<u64>>>()?[..] else {
        return None;
    };
    let day = digits(day)?;
    let in_range = (1..=31).contains(&day) && year >= 1970 && hour < 24 && minute < 60 && second <= 60;
    in_range.then(|| ((days_since_1970(year, month, day) * 24 + hour) * 60 + minute) * 60 + second)
}

const MONTHS: [&str; 12] =
    ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];

fn digits(text: &str) -> Option<u64> {
    (text.len() <= 4 && text.bytes().all(|byte| byte.is_ascii_digit())).then(|| text.parse().ok())?
}

/// Days of the Gregorian calendar, with the year beginning in March so that the leap day comes last.
fn days_since_1970(year: u64, month: u64, day: u64) -> u64 {
    let (year, month) = if month > 2 { (year, month - 3) } else { (year - 1, month + 9) };
    let days_before_month = (153 * month + 2) / 5;
    year * 365 + year / 4 - year / 100 + year / 400 + days_before_month + day - 1 - 719_468
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::Answer;

    fn status(status: u16, retry_after: Option<u64>) -> Error {
        let retry_after = retry_after.map(Duration::from_secs);
        Error::from(Kind::Status).with_answer(Answer { status, retry_after, ..Answer::default() })
    }

    #[test]
    fn statuses_that_may_pass_are_tried_again_and_no_others() {
        for code in 100..=999 {
            assert_eq!(
                is_tried_again(&status(code, None)),
                [408, 429, 500, 502, 503, 504].contains(&code),
                "{code}"
            );
        }
    }

    #[test]
    fn failures_that_may_pass_are_tried_again_and_no_others() {
        let text = String::new;
        let cases = [
            (Kind::Connect { peer: text(), reason: text(), refused: false }, true),
            (Kind::Connect { peer: text(), reason: text(), refused: true }, false),
            (Kind::Transport { peer: text(), reason: text(), lost: true }, true),
            (Kind::Transport { peer: text(), reason: text(), lost: false }, false),
            (Kind::Resolve { host: text(), reason: text(), temporary: true }, true),
            (Kind::Resolve { host: text(), reason: text(), temporary: false }, false),
            (Kind::Tls { peer: text(), reason: text() }, false),
            (Kind::Cancelled { phase: Default::default() }, false),
            (Kind::Timeout { limit: Duration::ZERO, phase: Default::default(), peer: text() }, false),
            (Kind::InvalidArgument(text()), false),
            (Kind::InvalidResponse(text()), false),
            (Kind::TooLarge { limit: 1 }, false),
            (Kind::Resource(text()), false),
            (Kind::Internal(text()), false),
        ];
        for (kind, expected) in cases {
            assert_eq!(is_tried_again(&kind.clone().into()), expected, "{kind:?}");
        }
    }

    #[test]
    fn the_pause_doubles_within_its_jitter() {
        let cases =
            [(1, 0.0, 500), (1, 1.0, 1000), (2, 0.0, 1000), (2, 0.5, 1500), (3, 1.0, 4000), (4, 0.0, 4000)];
        for (attempts, random, milliseconds) in cases {
            let pause = pause_before_retry(&status(503, None), attempts, 9, None, random);
            assert_eq!(pause, Some(Duration::from_millis(milliseconds)), "{attempts} {random}");
        }
        assert!(pause_before_retry(&status(503, None), u32::MAX - 1, u32::MAX, None, 1.0).is_some());
    }

    #[test]
    fn no_more_tries_than_allowed() {
        for (attempts, max_retries, again) in
            [(1, 0, false), (1, 1, true), (2, 1, false), (3, 3, true), (4, 3, false)]
        {
            let pause = pause_before_retry(&status(503, None), attempts, max_retries, None, 0.0);
            assert_eq!(pause.is_some(), again, "{attempts} {max_retries}");
        }
    }

    #[test]
    fn a_told_pause_replaces_the_own_one_up_to_a_minute() {
        for (told, expected) in [(0, Some(0)), (7, Some(7)), (60, Some(60)), (61, None)] {
            let pause = pause_before_retry(&status(429, Some(told)), 1, 2, None, 1.0);
            assert_eq!(pause, expected.map(Duration::from_secs));
        }
    }

    #[test]
    fn a_pause_that_would_pass_the_deadline_is_not_begun() {
        let left = |milliseconds| Some(Duration::from_millis(milliseconds));
        assert!(pause_before_retry(&status(503, None), 1, 2, left(1001), 1.0).is_some());
        assert!(pause_before_retry(&status(503, None), 1, 2, left(1000), 1.0).is_none());
        assert!(pause_before_retry(&status(503, Some(5)), 1, 2, left(4000), 1.0).is_none());
    }

    #[test]
    fn retry_after_is_seconds_or_a_date() {
        let now = UNIX_EPOCH + Duration::from_secs(784_111_777 - 30); // half a minute before the RFC's example
        let cases = [
            ("0", Some(0)),
            ("120", Some(120)),
            (" 5\t", Some(5)),
            ("99999999999999999999999", Some(u64::MAX)),
            ("Sun, 06 Nov 1994 08:49:37 GMT", Some(30)),
            ("Sunday, 06-Nov-94 08:49:37 GMT", Some(30)),
            ("Sun Nov  6 08:49:37 1994", Some(30)),
            ("Sun, 06 Nov 1994 08:49:07 GMT", Some(0)),
            ("Sun, 06 Nov 1994 08:00:00 GMT", Some(0)),
            ("Tue, 29 Feb 2000 00:00:00 GMT", Some(951_782_400 - 784_111_747)),
            ("Wednesday, 06-Nov-69 08:49:37 GMT", Some(3_150_953_377 - 784_111_747)),
            ("Friday, 06-Nov-70 08:49:37 GMT", Some(0)),
            ("Sat, 31 Dec 2016 23:59:60 GMT", Some(1_483_228_800 - 784_111_747)),
            ("Sun 06 Nov 1994 08:49:37 GMT", None),
            ("Sun, 06 Nov 1994 08:49:61 GMT", None),
            ("Sun, 06 Nov 1994 08:60:37 GMT", None),
            ("Sun, +6 Nov 1994 08:49:37 GMT", None),
            ("Sun, 00006 Nov 1994 08:49:37 GMT", None),
            ("Sun, 06 Foo 1994 08:49:37 GMT", None),
            ("Sun, 06 Nov 994 08:49:37 GMT", None),
            ("Sun, 32 Nov 1994 08:49:37 GMT", None),
            ("Sun, 06 Nov 1994 24:49:37 GMT", None),
            ("Sun, 06 Nov 1994 08:49 GMT", None),
            ("Sun, 06 Nov 1994 08:49:37 CET", None),
            ("-1", None),
            ("+1", None),
            ("1.5", None),
            ("soon", None),
            ("", None),
        ];
        for (value, seconds) in cases {
            assert_eq!(parse_retry_after(value, now), seconds.map(Duration::from_secs), "{value:?}");
        }
    }

    #[test]
    fn days_are_counted_over_leap_years() {
        for (date, days) in
            [((1970, 1, 1), 0), ((1972, 3, 1), 790), ((2000, 3, 1), 11_017), ((2026, 11, 23), 20_780)]
        {
            assert_eq!(days_since_1970(date.0, date.1, date.2), days, "{date:?}");
        }
    }

    #[test]
    fn the_rhythm_slows_down_while_nothing_happens_and_starts_anew_at_a_change() {
        let mut rhythm = Rhythm::new(Duration::from_millis(1000));
        let pauses: Vec<u128> = [false, true, true, true, false, true]
            .into_iter()
            .map(|is_same| rhythm.after_snapshot(is_same, None).as_millis())
            .collect();
        assert_eq!(pauses, [1000, 1500, 2250, 3375, 1000, 1500]);
        (0..100).for_each(|_| assert!(rhythm.after_snapshot(true, None) > Duration::ZERO));
        assert_eq!(rhythm.after_snapshot(true, None), Duration::from_secs(10));
        assert_eq!(Rhythm::new(Duration::MAX).after_snapshot(true, None), Duration::MAX);
    }

    #[test]
    fn five_failures_in_a_row_are_waited_out() {
        let mut rhythm = Rhythm::new(Duration::from_millis(10));
        (0..5).for_each(|_| assert!(rhythm.after_failure(&status(503, None)).is_some()));
        assert_eq!(rhythm.after_failure(&status(503, None)), None);
        rhythm.after_snapshot(true, None);
        assert!(rhythm.after_failure(&status(503, None)).is_some());
        assert_eq!(rhythm.after_failure(&status(404, None)), None);
    }

    #[test]
    fn no_pause_is_shorter_than_what_the_server_asks_for() {
        let mut rhythm = Rhythm::new(Duration::from_secs(3));
        for (told, seconds) in [(0, 3), (2, 3), (7, 7), (600, 600)] {
            assert_eq!(
                rhythm.after_snapshot(false, Some(Duration::from_secs(told))),
                Duration::from_secs(seconds)
            );
            assert_eq!(rhythm.after_failure(&status(429, Some(told))), Some(Duration::from_secs(seconds)));
        }
    }
}
