//! A clock for unit tests. Its time is exact, and a pause of any length takes no real time.

use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use super::Clock;
use crate::cancel::CancelToken;

/// The time of one test, which passes only while a call waits.
#[derive(Debug)]
pub struct VirtualTime {
    start: Instant,
    elapsed: Mutex<Duration>,
    cancellation: Mutex<Option<(Duration, Arc<CancelToken>)>>,
}

impl VirtualTime {
    /// Creates a time that starts now.
    pub fn new() -> Arc<VirtualTime> {
        Arc::new(VirtualTime {
            start: Instant::now(),
            elapsed: Mutex::default(),
            cancellation: Mutex::default(),
        })
    }

    /// A clock that shows this time.
    pub fn clock(self: &Arc<VirtualTime>) -> Clock {
        Clock { virtual_time: Some(self.clone()) }
    }

    /// The time since the start.
    pub fn elapsed(&self) -> Duration {
        *self.elapsed.lock().unwrap()
    }

    /// Cancels the token once this much time has passed since the start.
    pub fn cancel_at(&self, elapsed: Duration, token: &Arc<CancelToken>) {
        *self.cancellation.lock().unwrap() = Some((elapsed, token.clone()));
    }

    pub(super) fn now(&self) -> Instant {
        self.start + self.elapsed()
    }

    /// Lets this much time pass, but stops at the cancellation.
    pub(super) fn advance(&self, length: Duration) {
        let mut elapsed = self.elapsed.lock().unwrap();
        let end = *elapsed + length;
        let due = self.cancellation.lock().unwrap().take_if(|(at, _)| *at <= end);
        *elapsed = due.as_ref().map_or(end, |(at, _)| *at);
        if let Some((_, token)) = due {
            token.cancel();
        }
    }
}
