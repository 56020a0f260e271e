//! `refold_log_level`, and the function of C that a client reports to what its calls do.

use std::cell::Cell;
use std::ffi::{CStr, c_char, c_void};

use super::options::refold_log_fn;
use crate::log::{Level, Sink};

/// How much is logged. Each level includes those before it.
pub type refold_log_level = i32;

/// The values of refold_log_level.
#[repr(C)]
pub enum refold_log_level_value {
    /// Nothing.
    REFOLD_LOG_OFF = 0,
    /// Problems that calls recover from: each failed attempt that is retried, and each failed poll, with its
    /// reason and the pause that follows; each connection that was lost while idle.
    REFOLD_LOG_WARN = 1,
    /// The end of each call and poll: status or error, attempts, times, bytes, connection and request id.
    REFOLD_LOG_INFO = 2,
    /// Each phase of a call: lookups and addresses, connection attempts, proxy, TLS version, cipher suite and
    /// certificate, reuse of connections, header fields.
    REFOLD_LOG_DEBUG = 3,
}

/// A function of C that takes the lines.
pub(super) struct Callback {
    function: unsafe extern "C" fn(refold_log_level, *const c_char, *mut c_void),
    user_data: *mut c_void,
}

// SAFETY: the header requires a function that several threads may call at once.
unsafe impl Send for Callback {}
// SAFETY: as above.
unsafe impl Sync for Callback {}

impl Callback {
    /// A sink that calls this function, or `None` for NULL.
    pub(super) fn new(function: refold_log_fn, user_data: *mut c_void) -> Option<Callback> {
        function.map(|function| Callback { function, user_data })
    }
}

thread_local! {
    /// Whether this thread is in such a function. If that makes a call, logging the call would call it again,
    /// and so on.
    static IS_LOGGING: Cell<bool> = const { Cell::new(false) };
}

impl Sink for Callback {
    fn write(&self, level: Level, line: &CStr) {
        // Fails while the thread is ending.
        if let Ok(false) = IS_LOGGING.try_with(|is_logging| is_logging.replace(true)) {
            // SAFETY: the header's contract with C.
            unsafe { (self.function)(level as refold_log_level, line.as_ptr(), self.user_data) };
            let _ = IS_LOGGING.try_with(|is_logging| is_logging.set(false));
        }
    }
}
