//! What calls report about themselves: how long their parts take, and what an attempt went through.

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

/// The times of the last attempt of a call, and of the call as a whole. Small, because every result has them.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Timings([Micros; 6]);

impl Timings {
    /// The time of a part in microseconds; -1 if it was not gone through.
    pub fn get(&self, timing: Timing) -> i64 {
        self.0[timing as usize].get()
    }

    /// The time of the part with this number; -1 if there is no such part.
    pub fn by_number(&self, number: i32) -> i64 {
        usize::try_from(number).ok().and_then(|number| self.0.get(number)).map_or(-1, |time| time.get())
    }

    /// Sets the time of the whole call. A long one is rounded up, so that it is not less than the sum of its parts.
    pub fn set_total(&mut self, time: Duration) {
        let micros = time.as_micros();
        let is_long = micros >= u128::from(Micros::IN_MILLIS);
        self.0[Timing::Total as usize] = Micros::new(micros + if is_long { 999 } else { 0 });
    }

    fn add(&mut self, timing: Timing, time: Duration) {
        let sum = &mut self.0[timing as usize];
        *sum = Micros::new(sum.get().max(0) as u128 + time.as_micros());
    }
}

/// A time, or none: microseconds up to half an hour, then whole milliseconds, up to 24 days.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Micros(u32);

impl Micros {
    const NONE: Micros = Micros(u32::MAX);
    /// Marks a number of milliseconds.
    const IN_MILLIS: u32 = 1 << 31;
    const MAX_MILLIS: u32 = Micros::IN_MILLIS - 2;

    fn new(micros: u128) -> Micros {
        match u32::try_from(micros) {
            Ok(micros) if micros < Micros::IN_MILLIS => Micros(micros),
            _ => {
                let millis = u32::try_from(micros / 1000).unwrap_or(u32::MAX);
                Micros(Micros::IN_MILLIS | millis.min(Micros::MAX_MILLIS))
            }
        }
    }

    fn get(self) -> i64 {
        match self {
            Micros::NONE => -1,
            Micros(millis) if millis >= Micros::IN_MILLIS => 1000 * i64::from(millis - Micros::IN_MILLIS),
            Micros(micros) => i64::from(micros),
        }
    }
}

impl Default for Micros {
    fn default() -> Micros {
        Micros::NONE
    }
}

/// What an attempt went through, whatever came of it.
#[derive(Debug, Clone, Copy, Default)]
pub struct AttemptReport {
    /// The times of its parts.
    pub timings: Timings,
    /// The number of bytes of the response that arrived, header included.
    pub received: u64,
    /// The size of its body after decompression, in bytes.
    pub unpacked: u64,
    /// The number of its connection; 0 if there was none.
    pub connection: usize,
    /// Whether an idle connection was reused.
    pub is_reused: bool,
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
        total.set_total(Duration::from_micros(2_147_483_647));
        assert_eq!(total.get(Timing::Total), 2_147_483_647);
        total.set_total(Duration::from_micros(2_147_483_648));
        assert_eq!(total.get(Timing::Total), 2_147_484_000);
    }

    #[test]
    fn long_times_are_whole_milliseconds() {
        let max = (1 << 31) - 2;
        for (micros, expected) in [
            (0, 0),
            (1, 1),
            ((1 << 31) - 1, (1 << 31) - 1),
            (1 << 31, 2_147_483_000),
            (86_400_000_999, 86_400_000_000),
            (1000 * max, 1000 * max as i64),
            (u128::MAX, 1000 * max as i64),
        ] {
            assert_eq!(Micros::new(micros).get(), expected, "{micros}");
        }
    }
}
