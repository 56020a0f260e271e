//! Ends the process if the tests hang, so that no run is endless. The test harness names the tests that are slow before.

use std::io::{self, Write};
use std::process;
use std::sync::Once;
use std::thread;
use std::time::Duration;

use crate::timing::SLACK;

/// The time that all tests together may take. They take a few seconds.
const LIMIT: Duration = Duration::from_secs(120 * SLACK as u64);

/// Starts the watchdog of this process, once.
pub fn start() {
    static STARTED: Once = Once::new();
    STARTED.call_once(|| {
        thread::spawn(|| {
            thread::sleep(LIMIT);
            // Not `eprintln`, whose output belongs to the test that started this thread.
            let _ = writeln!(io::stderr(), "the tests did not end within {} s", LIMIT.as_secs());
            process::exit(1);
        });
    });
}
