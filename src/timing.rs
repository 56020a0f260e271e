//! How long the parts of a call take.

use std::time::{Duration, Instant};

/// A part of a call that is timed. The numbers are those of the C interface.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Timing {
    /// The call as a whole, retries and pauses included.
    Total = 0,
    /// The lookup of names.
    Resolve = 1,
    /// Connecting, the dialogue with a proxy included.
    Connect = 2,
    /// The TLS handshake.
    Tls = 3,
    /// From the first byte of the request to the first byte of the response.
    FirstByte = 4,
    /// From there to the last byte of the response.
    Transfer = 5,
}

/// The times of the last attempt of a call, and of the call as a whole: in microseconds, -1 for a part that was not gone
/// through.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Timings([i64; 6]);

impl Default for Timings {
    fn default() -> Timings {
        Timings([-1; 6])
    }
}

impl Timings {
    /// The time of a part, or -1.
    pub fn get(&self, timing: Timing) -> i64 {
        self.0[timing as usize]
    }

    /// The time of the part with this number; -1 if there is no such part.
    pub fn by_number(&self, number: i32) -> i64 {
        usize::try_from(number).ok().and_then(|number| self.0.get(number)).copied().unwrap_or(-1)
    }

    /// Sets the time of the whole call.
    pub fn set_total(&mut self, time: Duration) {
        self.0[Timing::Total as usize] = micros(time);
    }

    fn add(&mut self, timing: Timing, time: Duration) {
        let sum = &mut self.0[timing as usize];
        *sum = (*sum).max(0).saturating_add(micros(time));
    }
}

fn micros(time: Duration) -> i64 {
    i64::try_from(time.as_micros()).unwrap_or(i64::MAX)
}

/// Times the parts of one attempt, which follow one another. Rounds each down, so their sum does not exceed the total.
#[derive(Debug, Default)]
pub struct Stopwatch {
    timings: Timings,
    running: Option<(Timing, Instant)>,
}

impl Stopwatch {
    /// Begins a part, and ends the one before it. A part that is begun again continues.
    pub fn begin(&mut self, timing: Timing, now: impl FnOnce() -> Instant) {
        if self.running.is_none_or(|(running, _)| running != timing) {
            let now = now();
            self.stop(now);
            self.running = Some((timing, now));
        }
    }

    /// Ends the part that is running, if any.
    pub fn stop(&mut self, now: Instant) {
        if let Some((timing, since)) = self.running.take() {
            self.timings.add(timing, now.saturating_duration_since(since));
        }
    }

    /// The times so far, without the part that is running.
    pub fn timings(&self) -> Timings {
        self.timings
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_follow_one_another_and_may_continue() {
        let start = Instant::now();
        let at = |micros: u64| move || start + Duration::from_nanos(1000 * micros + 999);
        let mut stopwatch = Stopwatch::default();
        stopwatch.begin(Timing::Resolve, at(0));
        stopwatch.begin(Timing::Resolve, || unreachable!("the part is running"));
        stopwatch.begin(Timing::Connect, at(10));
        stopwatch.begin(Timing::Resolve, at(30));
        stopwatch.begin(Timing::FirstByte, at(35));
        assert_eq!(stopwatch.timings().get(Timing::FirstByte), -1);
        stopwatch.stop(at(100)());
        stopwatch.stop(at(200)());
        let timings = stopwatch.timings();
        let numbers: Vec<i64> = (-1..7).map(|number| timings.by_number(number)).collect();
        assert_eq!(numbers, [-1, -1, 15, 20, -1, 65, -1, -1]);
        assert_eq!(timings.by_number(i32::MIN), -1);
        assert_eq!(timings.by_number(i32::MAX), -1);
    }

    #[test]
    fn sum_of_the_parts_does_not_exceed_the_total() {
        let start = Instant::now();
        let (mut stopwatch, mut total) = (Stopwatch::default(), Timings::default());
        let parts = [Timing::Resolve, Timing::Connect, Timing::Tls, Timing::FirstByte, Timing::Transfer];
        for (index, part) in parts.into_iter().enumerate() {
            stopwatch.begin(part, || start + Duration::from_nanos(1_999 * index as u64));
        }
        let end = start + Duration::from_nanos(1_999 * 5);
        stopwatch.stop(end);
        total.set_total(end - start);
        let sum: i64 = parts.iter().map(|part| stopwatch.timings().get(*part)).sum();
        assert_eq!((sum, total.get(Timing::Total)), (5, 9));
        total.set_total(Duration::MAX);
        assert_eq!(total.get(Timing::Total), i64::MAX);
    }
}
