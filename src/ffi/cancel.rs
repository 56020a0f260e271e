//! `refold_cancel`: a token that cancels calls.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use super::guard::guard;
use super::handle::{Handle, as_ref, free, into_raw, read};
use crate::cancel::CancelToken;
use crate::sys::thread::{preserving_errno, without_cancellation};

/// A token that cancels every call it is passed to. Once triggered, it stays triggered.
///
/// Created by refold_cancel_new(), freed by refold_cancel_free(). Any number of calls on any threads may share
/// a token. Any thread may trigger it, and so may a signal handler. Calls that are running when the token is
/// freed keep what they need. After fork(), a token of the parent cancels none of the parent's calls when used
/// in the child.
pub struct refold_cancel {
    _opaque: [u8; 0],
}

impl Handle for refold_cancel {
    type Value = CancelToken;
    type Owner = Arc<CancelToken>;
}

/// Creates a token that is not triggered.
///
/// \return A new token, to be freed with refold_cancel_free(). Never NULL, even if the process has run out of
///         file descriptors.
#[unsafe(no_mangle)]
pub extern "C" fn refold_cancel_new() -> *mut refold_cancel {
    guard(std::ptr::null_mut(), || into_raw(Arc::new(CancelToken::new())))
}

/// Triggers a token, which cancels all calls that use it.
///
/// Running calls return within 50 ms with REFOLD_ERROR_CANCELLED, in whatever phase they are. Calls that begin
/// later return at once. Any thread may trigger a token, any number of times, and so may a signal handler: the
/// function allocates no memory, takes no lock and preserves errno.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn refold_cancel_trigger(cancel: *mut refold_cancel) {
    // SAFETY: the header's contract with C.
    let trigger = || unsafe { as_ref(cancel) }.map_or((), CancelToken::cancel);
    // Not through `guard`, which allocates when it first runs: this may be a signal handler.
    let _ = preserving_errno(|| without_cancellation(|| catch_unwind(AssertUnwindSafe(trigger))));
}

/// Returns whether a token has been triggered; false if `cancel` is NULL.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn refold_cancel_is_triggered(cancel: *const refold_cancel) -> bool {
    // SAFETY: the header's contract with C.
    unsafe { read(cancel, false, CancelToken::is_cancelled) }
}

/// Frees a token. Does nothing if `cancel` is NULL.
///
/// Running calls that use it continue and can no longer be cancelled. No call may begin with this pointer at
/// the same time or later, and no signal handler may trigger it any more.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn refold_cancel_free(cancel: *mut refold_cancel) {
    // SAFETY: the header's contract with C.
    unsafe { free(cancel) }
}
