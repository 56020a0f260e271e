//! The log of what calls do, for people who look for the cause of a failure or a delay.
//!
//! A call has a [`CallLog`] in its context. While the log is off, an event costs one branch, and the closure that creates
//! it does not run. `event` formats all lines, into a buffer of fixed size (`line`). Code that creates an event redacts the
//! texts of a server in it.

mod event;
mod line;

use std::ffi::CStr;
use std::fmt::{self, Display, Write};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;

use crate::sys::stderr;

pub use event::{CallEnd, Event, Millis, Outcome, Reason, SentHead};
use line::Line;

/// How much is logged: each level includes those before it. The numbers are those of the C interface.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Level {
    /// Problems that calls recover from, such as a failure that is retried.
    Warn = 1,
    /// The end of each call and poll.
    Info = 2,
    /// Each phase of a call.
    Debug = 3,
}

impl Level {
    /// The level with this number.
    pub fn from_raw(number: i32) -> Option<Level> {
        [Level::Warn, Level::Info, Level::Debug].into_iter().find(|level| *level as i32 == number)
    }

    /// The level with this name, in any case of letters.
    pub fn from_name(name: &[u8]) -> Option<Level> {
        let levels = [Level::Warn, Level::Info, Level::Debug];
        levels.into_iter().find(|level| level.name().as_bytes().eq_ignore_ascii_case(name))
    }

    fn name(self) -> &'static str {
        match self {
            Level::Warn => "WARN",
            Level::Info => "INFO",
            Level::Debug => "DEBUG",
        }
    }
}

/// Where lines go. Used by any number of threads at once.
pub trait Sink: Send + Sync {
    /// Takes a line of UTF-8 without control characters.
    fn write(&self, level: Level, line: &CStr);
}

/// Writes lines to standard error.
pub struct StandardError;

impl Sink for StandardError {
    fn write(&self, level: Level, line: &CStr) {
        let mut whole = Line::default();
        // Cannot fail: a line that is too long is truncated.
        let _ = write!(whole, "refold {} {}", level.name(), line.to_str().unwrap_or_default());
        stderr::write_line(whole.text());
    }
}

/// The log of a client.
#[derive(Clone)]
pub struct Log {
    level: Level,
    sink: Arc<dyn Sink>,
}

impl Log {
    /// A log of this level and those before it.
    pub fn new(level: Level, sink: Arc<dyn Sink>) -> Log {
        Log { level, sink }
    }

    /// The log of a call that begins now.
    pub fn begin_call(&self, now: Instant) -> CallLog {
        static LAST: AtomicUsize = AtomicUsize::new(0);
        let number = LAST.fetch_add(1, Ordering::Relaxed).wrapping_add(1);
        let call = LoggedCall { log: self.clone(), number, begin: now };
        CallLog { call: Some(Arc::new(call)), poll: 0, connection: 0 }
    }
}

impl fmt::Debug for Log {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Log({:?})", self.level)
    }
}

/// The log of one call, or of one poll or connection of it. Does nothing by default.
#[derive(Clone, Default)]
pub struct CallLog {
    call: Option<Arc<LoggedCall>>,
    /// The number of the poll; 0 outside of polls.
    poll: usize,
    /// The number of the connection; 0 if there is none.
    connection: usize,
}

struct LoggedCall {
    log: Log,
    number: usize,
    begin: Instant,
}

impl CallLog {
    /// Whether events of this level are logged.
    pub fn is_on(&self, level: Level) -> bool {
        self.call.as_ref().is_some_and(|call| level <= call.log.level)
    }

    /// Logs an event with the time `now`. While the level is off, neither closure runs.
    #[inline]
    pub fn log<'e>(&self, level: Level, now: impl FnOnce() -> Instant, event: impl FnOnce() -> Event<'e>) {
        if let Some(call) = self.call.as_ref().filter(|call| level <= call.log.level) {
            self.write(call, level, now(), &event());
        }
    }

    #[cold]
    #[inline(never)]
    fn write(&self, call: &LoggedCall, level: Level, now: Instant, event: &dyn Display) {
        let mut line = Line::default();
        // Cannot fail: a line that is too long is truncated.
        let _ = self.write_to(&mut line, call, now, event);
        line.replace_controls();
        call.log.sink.write(level, line.as_c_str());
    }

    fn write_to(&self, line: &mut Line, call: &LoggedCall, now: Instant, event: &dyn Display) -> fmt::Result {
        write!(line, "call {}", call.number)?;
        if self.poll > 0 {
            write!(line, " poll {}", self.poll)?;
        }
        if self.connection > 0 {
            write!(line, " connection {}", self.connection)?;
        }
        let elapsed = now.saturating_duration_since(call.begin);
        write!(line, " +{} ms: {event}", Millis::from(elapsed))
    }

    /// Begins the next poll: the lines that follow have its number.
    pub fn begin_poll(&mut self) {
        self.poll += 1;
    }

    /// Ends the polls: the lines that follow are about the call as a whole.
    pub fn end_polls(&mut self) {
        self.poll = 0;
    }

    /// Selects a connection: the lines that follow have its number.
    pub fn set_connection(&mut self, number: usize) {
        self.connection = number;
    }
}

impl fmt::Debug for CallLog {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("CallLog")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Mutex;
    use std::time::Duration;

    /// Keeps the lines.
    #[derive(Default)]
    struct Collector(Mutex<Vec<String>>);

    impl Sink for Collector {
        fn write(&self, level: Level, line: &CStr) {
            self.0.lock().unwrap().push(format!("{level:?} {}", line.to_str().unwrap()));
        }
    }

    #[test]
    fn lines_have_the_numbers_of_call_poll_and_connection() {
        let collector = Arc::new(Collector::default());
        let begin = Instant::now();
        let mut log = Log::new(Level::Info, collector.clone()).begin_call(begin);
        let number = log.call.as_ref().unwrap().number;
        let at = |micros| move || begin + Duration::from_micros(micros);
        log.log(Level::Warn, at(0), || Event::LostWhileIdle);
        log.log(Level::Debug, || unreachable!("the level is off"), || unreachable!("the level is off"));
        log.set_connection(7);
        log.log(Level::Info, at(1_234_567), || Event::Reused);
        log.begin_poll();
        log.set_connection(0);
        log.log(Level::Warn, at(50), || Event::Reused);
        let expected = [
            format!("Warn call {number} +0.000 ms: {}", Event::LostWhileIdle),
            format!("Info call {number} connection 7 +1234.567 ms: {}", Event::Reused),
            format!("Warn call {number} poll 1 +0.050 ms: {}", Event::Reused),
        ];
        assert_eq!(*collector.0.lock().unwrap(), expected);
    }

    #[test]
    fn levels_include_those_before_them() {
        for (level, on) in [(Level::Warn, 1), (Level::Info, 2), (Level::Debug, 3)] {
            let log = Log::new(level, Arc::new(Collector::default())).begin_call(Instant::now());
            let levels = (1..=3).filter_map(Level::from_raw);
            assert_eq!(levels.filter(|level| log.is_on(*level)).count(), on);
        }
        assert!(!CallLog::default().is_on(Level::Warn));
        for number in [i32::MIN, -1, 0, 4, i32::MAX] {
            assert_eq!(Level::from_raw(number), None);
        }
        for (name, level) in
            [(&b"warn"[..], Some(Level::Warn)), (b"Debug", Some(Level::Debug)), (b"trace", None)]
        {
            assert_eq!(Level::from_name(name), level);
        }
    }
}
