//! Which failures are tried again, and when. Pure functions, after the vendor's advice to clients: 1 s, 2 s, 4 s ...
//! with jitter, or what Retry-After says.

use std::time::Duration;

use crate::error::Error;

/// A Retry-After above this is not waited for within a call.
const LONGEST_RETRY_AFTER: Duration = Duration::from_secs(60);

/// Polls that may fail in a row before a wait gives up.
const FAILED_POLLS: u32 = 5;

/// The pause between two polls grows to this many times the interval.
const LONGEST_PAUSE: u32 = 10;

/// The pause before the next try; `None`: there is no next one. `attempts` tries were made, `left` is the time until
/// the deadline, `random` lies in 0 to 1.
pub fn pause_before_retry(
    error: &Error,
    attempts: u32,
    max_retries: u32,
    left: Option<Duration>,
    random: f64,
) -> Option<Duration> {
    if attempts > max_retries || !error.is_transient() {
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
pub struct PollSchedule {
    interval: Duration,
    pause: Duration,
    failures: u32,
}

impl PollSchedule {
    /// Begins with this pause.
    pub fn new(interval: Duration) -> PollSchedule {
        PollSchedule { interval, pause: interval, failures: 0 }
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::{ErrorKind, ResponseDetails};

    fn status(status: u16, retry_after: Option<u64>) -> Error {
        let retry_after = retry_after.map(Duration::from_secs);
        Error::from(ErrorKind::Status).with_response(ResponseDetails {
            status,
            retry_after,
            ..ResponseDetails::default()
        })
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
    fn the_rhythm_slows_down_while_nothing_happens_and_starts_anew_at_a_change() {
        let mut schedule = PollSchedule::new(Duration::from_millis(1000));
        let pauses: Vec<u128> = [false, true, true, true, false, true]
            .into_iter()
            .map(|is_same| schedule.after_snapshot(is_same, None).as_millis())
            .collect();
        assert_eq!(pauses, [1000, 1500, 2250, 3375, 1000, 1500]);
        (0..100).for_each(|_| assert!(schedule.after_snapshot(true, None) > Duration::ZERO));
        assert_eq!(schedule.after_snapshot(true, None), Duration::from_secs(10));
        assert_eq!(PollSchedule::new(Duration::MAX).after_snapshot(true, None), Duration::MAX);
    }

    #[test]
    fn five_failures_in_a_row_are_waited_out() {
        let mut schedule = PollSchedule::new(Duration::from_millis(10));
        (0..5).for_each(|_| assert!(schedule.after_failure(&status(503, None)).is_some()));
        assert_eq!(schedule.after_failure(&status(503, None)), None);
        schedule.after_snapshot(true, None);
        assert!(schedule.after_failure(&status(503, None)).is_some());
        assert_eq!(schedule.after_failure(&status(404, None)), None);
    }

    #[test]
    fn no_pause_is_shorter_than_what_the_server_asks_for() {
        let mut schedule = PollSchedule::new(Duration::from_secs(3));
        for (told, seconds) in [(0, 3), (2, 3), (7, 7), (600, 600)] {
            assert_eq!(
                schedule.after_snapshot(false, Some(Duration::from_secs(told))),
                Duration::from_secs(seconds)
            );
            assert_eq!(schedule.after_failure(&status(429, Some(told))), Some(Duration::from_secs(seconds)));
        }
    }
}
