//! `refold_cancel`: a token that cancels calls.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use super::types::refold_cancel;
use super::{as_ref, free, guard, into_raw, read};
use crate::cancel::CancelToken;
use crate::sys::thread::without_cancellation;

/// A new token, not triggered.
///
/// Never NULL: a process that has run out of descriptors gets a token all the same. To be freed with
/// refold_cancel_free().
#[unsafe(no_mangle)]
pub extern "C" fn refold_cancel_new() -> *mut refold_cancel {
    guard(std::ptr::null_mut(), || into_raw(Arc::new(CancelToken::new())))
}

/// Triggers a token: every call that it was handed to returns within 50 ms with REFOLD_ERROR_CANCELLED, in
/// whatever phase it is, and every call that it is handed to later returns at once.
///
/// Any thread may do so, any number of times, and so may a signal handler: it allocates nothing, takes no
/// lock and keeps errno. NULL is ignored.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn refold_cancel_trigger(cancel: *mut refold_cancel) {
    let errno = errno();
    // SAFETY: the address of this thread's errno is good for as long as the thread runs.
    let kept = unsafe { errno.as_ref() }.copied();
    // Not the common guard, which allocates the first time it runs: this may be a signal handler.
    // SAFETY: from C, as the header demands it.
    let trigger = || unsafe { as_ref(cancel) }.map_or((), CancelToken::cancel);
    let _ = without_cancellation(|| catch_unwind(AssertUnwindSafe(trigger)));
    // SAFETY: as above.
    if let (Some(errno), Some(kept)) = (unsafe { errno.as_mut() }, kept) {
        *errno = kept;
    }
}

/// Where this thread's errno is; null where a system is not known to have one.
fn errno() -> *mut libc::c_int {
    // SAFETY: takes nothing, and returns an address that is good for as long as the thread runs.
    #[cfg(target_os = "linux")]
    let place = unsafe { libc::__errno_location() };
    #[cfg(target_os = "android")]
    // SAFETY: as above.
    let place = unsafe { libc::__errno() };
    #[cfg(any(target_vendor = "apple", target_os = "freebsd"))]
    // SAFETY: as above.
    let place = unsafe { libc::__error() };
    #[cfg(not(any(
        target_os = "linux",
        target_os = "android",
        target_os = "freebsd",
        target_vendor = "apple"
    )))]
    let place = std::ptr::null_mut();
    place
}

/// Whether a token has been triggered. false for NULL.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn refold_cancel_is_triggered(cancel: *const refold_cancel) -> bool {
    // SAFETY: from C, as the header demands it.
    unsafe { read(cancel, false, CancelToken::is_cancelled) }
}

/// Frees a token. NULL is ignored.
///
/// Calls that have begun with it run on and are no longer cancelled by anything. No call may begin with this
/// pointer at the same moment or later, and no signal handler may trigger it any more.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn refold_cancel_free(cancel: *mut refold_cancel) {
    // SAFETY: from C, as the header demands it.
    unsafe { free(cancel) }
}
