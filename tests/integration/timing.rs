//! Limits of time, on systems that may be busy or emulated.

use std::thread;
use std::time::{Duration, Instant};

/// How many times as long everything may take on this system. The timeout of a call is documented to hold within 100 ms,
/// and a token to end it within 50 ms. Tests for Windows run under wine, and those for other processors under qemu, which
/// are slower. 32-bit x86 runs as it is.
pub const SLACK: u32 = if cfg!(all(unix, any(target_arch = "x86_64", target_arch = "x86"))) { 1 } else { 5 };

/// How late a call may return after its timeout.
pub const MAX_LATE: Duration = Duration::from_millis(100 * SLACK as u64);

/// How late a call may return after its token was triggered.
pub const MAX_CANCEL: Duration = Duration::from_millis(50 * SLACK as u64);

/// How long a call that has logged what it is about to do may take until it blocks. No event shows when it does.
const SETTLING: Duration = Duration::from_millis(20 * SLACK as u64);

/// Waits until a call has probably blocked. One that has not ends even sooner.
pub fn settle() {
    thread::sleep(SETTLING);
}

const MAX_ATTEMPTS: usize = 6;

/// Attempts that take longer than this together are not late because the machine is busy.
const MAX_TOTAL: Duration = Duration::from_secs(8 * SLACK as u64);

/// Checks a duration. A busy machine may exceed any limit, so it is measured again, and the best attempt counts. `None` is
/// an attempt that missed what it was to measure.
pub fn assert_within(limit: Duration, mut measure: impl FnMut() -> Option<Duration>) {
    let (begin, mut measured) = (Instant::now(), Vec::new());
    while measured.len() < MAX_ATTEMPTS && begin.elapsed() < MAX_TOTAL {
        match measure() {
            Some(duration) if duration <= limit => return,
            other => measured.push(other),
        }
    }
    panic!("{measured:?}, but the limit is {limit:?}");
}
