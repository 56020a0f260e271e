//! When a failure is retried. Follows the advice of the API's vendor: pauses of 1 s, 2 s, 4 s ... with jitter, or the
//! Retry-After of the server. Nothing here blocks or reads a clock.

use std::time::Duration;

use crate::error::Error;

/// The maximum Retry-After that a call waits for. A longer one ends the call.
const MAX_RETRY_AFTER: Duration = Duration::from_secs(60);

/// The maximum number of consecutive failed polls that a wait tolerates.
const MAX_FAILED_POLLS: u32 = 5;

/// The maximum pause between two polls, as a multiple of the poll interval.
const MAX_INTERVAL_GROWTH: u32 = 10;

/// The maximum number of doublings of the backoff. 2^20 s are twelve days, and the arithmetic cannot overflow.
const MAX_DOUBLINGS: u32 = 20;

/// The pause before the next attempt, or `None` if the call ends with this error. `attempts` were made so far,
/// `remaining` is the time until the deadline, and `random` is any number.
pub fn pause_before_retry(
    error: &Error,
    attempts: u32,
    max_retries: u32,
    remaining: Option<Duration>,
    random: u32,
) -> Option<Duration> {
    if attempts > max_retries || !error.is_transient() {
        return None;
    }
    let pause = match error.retry_after() {
        Some(requested) if requested > MAX_RETRY_AFTER => return None,
        Some(requested) => requested,
        None => backoff(attempts, random),
    };
    remaining.is_none_or(|remaining| pause < remaining).then_some(pause)
}

/// 1 s after the first attempt, doubled after each further one, and shortened at random by up to a half.
fn backoff(attempts: u32, random: u32) -> Duration {
    let doublings = attempts.saturating_sub(1).min(MAX_DOUBLINGS);
    let half = Duration::from_secs(1 << doublings) / 2;
    half + half * random / u32::MAX
}

/// The pauses between the polls of a wait.
#[derive(Debug)]
pub struct PollSchedule {
    interval: Duration,
    /// The pause after a success. Grows while nothing changes.
    pause: Duration,
    /// The number of consecutive failed polls.
    failures: u32,
}

impl PollSchedule {
    /// A schedule whose first pause is `interval`.
    pub fn new(interval: Duration) -> PollSchedule {
        PollSchedule { interval, pause: interval, failures: 0 }
    }

    /// The pause after a successful poll: the interval if something has changed, or else the last pause and half as
    /// much again. Never shorter than `retry_after`.
    pub fn after_snapshot(&mut self, is_unchanged: bool, retry_after: Option<Duration>) -> Duration {
        self.failures = 0;
        self.pause = if is_unchanged {
            self.pause.saturating_add(self.pause / 2).min(self.max_pause())
        } else {
            self.interval
        };
        self.pause.max(retry_after.unwrap_or_default())
    }

    /// The pause after a failed poll: doubled by each consecutive failure, never shorter than the Retry-After. `None`
    /// if the wait ends with this error, because it is permanent or too many consecutive polls have failed.
    pub fn after_failure(&mut self, error: &Error) -> Option<Duration> {
        self.failures += 1;
        if !error.is_retryable() || self.failures > MAX_FAILED_POLLS {
            return None;
        }
        let pause = self.pause.saturating_mul(1 << self.failures).min(self.max_pause());
        Some(pause.max(error.retry_after().unwrap_or_default()))
    }

    fn max_pause(&self) -> Duration {
        self.interval.saturating_mul(MAX_INTERVAL_GROWTH)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::{ErrorKind, ResponseDetails};

    const MAX: u32 = u32::MAX;

    fn status(status: u16, retry_after: Option<u64>) -> Error {
        let retry_after = retry_after.map(Duration::from_secs);
        Error::from(ErrorKind::Status).with_response(ResponseDetails {
            status,
            retry_after,
            ..ResponseDetails::default()
        })
    }

    #[test]
    fn backoff_doubles_within_its_jitter() {
        let cases =
            [(1, 0, 500), (1, MAX, 1000), (2, 0, 1000), (2, 1 << 31, 1500), (3, MAX, 4000), (4, 0, 4000)];
        for (attempts, random, milliseconds) in cases {
            let pause = pause_before_retry(&status(503, None), attempts, 9, None, random);
            assert_eq!(pause, Some(Duration::from_millis(milliseconds)), "{attempts} {random}");
        }
        assert!(pause_before_retry(&status(503, None), u32::MAX - 1, u32::MAX, None, MAX).is_some());
    }

    #[test]
    fn retries_are_limited_by_max_retries() {
        for (attempts, max_retries, is_retried) in
            [(1, 0, false), (1, 1, true), (2, 1, false), (3, 3, true), (4, 3, false)]
        {
            let pause = pause_before_retry(&status(503, None), attempts, max_retries, None, 0);
            assert_eq!(pause.is_some(), is_retried, "{attempts} {max_retries}");
        }
    }

    #[test]
    fn retry_after_replaces_the_backoff_up_to_a_minute() {
        for (requested, expected) in [(0, Some(0)), (7, Some(7)), (60, Some(60)), (61, None)] {
            let pause = pause_before_retry(&status(429, Some(requested)), 1, 2, None, MAX);
            assert_eq!(pause, expected.map(Duration::from_secs));
        }
    }

    #[test]
    fn pause_past_the_deadline_is_not_started() {
        let remaining = |milliseconds| Some(Duration::from_millis(milliseconds));
        assert!(pause_before_retry(&status(503, None), 1, 2, remaining(1001), MAX).is_some());
        assert!(pause_before_retry(&status(503, None), 1, 2, remaining(1000), MAX).is_none());
        assert!(pause_before_retry(&status(503, Some(5)), 1, 2, remaining(4000), MAX).is_none());
    }

    #[test]
    fn poll_pause_grows_without_change_and_resets_on_change() {
        let mut schedule = PollSchedule::new(Duration::from_millis(1000));
        let pauses: Vec<u128> = [false, true, true, true, false, true]
            .into_iter()
            .map(|is_unchanged| schedule.after_snapshot(is_unchanged, None).as_millis())
            .collect();
        assert_eq!(pauses, [1000, 1500, 2250, 3375, 1000, 1500]);
        (0..100).for_each(|_| assert!(schedule.after_snapshot(true, None) > Duration::ZERO));
        assert_eq!(schedule.after_snapshot(true, None), Duration::from_secs(10));
        assert_eq!(PollSchedule::new(Duration::MAX).after_snapshot(true, None), Duration::MAX);
    }

    #[test]
    fn each_failure_doubles_the_poll_pause_up_to_tenfold() {
        let pauses = |schedule: &mut PollSchedule, failures| -> Vec<u128> {
            let pause = |_| schedule.after_failure(&status(503, None)).map_or(0, |pause| pause.as_millis());
            (0..failures).map(pause).collect()
        };
        let mut schedule = PollSchedule::new(Duration::from_millis(100));
        assert_eq!(pauses(&mut schedule, 6), [200, 400, 800, 1000, 1000, 0]);
        // A success undoes the doublings, but not the growth while nothing changes.
        assert_eq!(schedule.after_snapshot(false, None), Duration::from_millis(100));
        assert_eq!(schedule.after_snapshot(true, None), Duration::from_millis(150));
        assert_eq!(pauses(&mut schedule, 4), [300, 600, 1000, 1000]);
        assert_eq!(schedule.after_snapshot(true, None), Duration::from_millis(225));
        assert_eq!(pauses(&mut schedule, 1), [450]);
        assert_eq!(schedule.after_snapshot(false, None), Duration::from_millis(100));
        assert_eq!(pauses(&mut schedule, 1), [200]);
        let mut longest = PollSchedule::new(Duration::MAX);
        assert_eq!(longest.after_failure(&status(503, None)), Some(Duration::MAX));
    }

    #[test]
    fn five_failures_in_a_row_are_tolerated() {
        let mut schedule = PollSchedule::new(Duration::from_millis(10));
        (0..5).for_each(|_| assert!(schedule.after_failure(&status(503, None)).is_some()));
        assert_eq!(schedule.after_failure(&status(503, None)), None);
        schedule.after_snapshot(true, None);
        assert!(schedule.after_failure(&status(503, None)).is_some());
        assert_eq!(schedule.after_failure(&status(404, None)), None);
    }

    #[test]
    fn retry_after_is_the_minimum_of_a_poll_pause() {
        let mut schedule = PollSchedule::new(Duration::from_secs(3));
        for (requested, after_snapshot, after_failure) in
            [(0, 3, 6), (2, 3, 6), (5, 5, 6), (7, 7, 7), (600, 600, 600)]
        {
            let pauses = (
                schedule.after_snapshot(false, Some(Duration::from_secs(requested))),
                schedule.after_failure(&status(429, Some(requested))),
            );
            let expected = (Duration::from_secs(after_snapshot), Some(Duration::from_secs(after_failure)));
            assert_eq!(pauses, expected, "{requested}");
        }
    }
}
