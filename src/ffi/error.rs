//! `refold_error`: why a call failed.

use std::ffi::c_char;
use std::ptr;

use super::types::{refold_code, refold_error};
use super::{as_ref, free, guard, read, string_and_length_out, string_out};
use crate::alloc::try_copy_with_nul;
use crate::error::Error;

/// An error, with its strings as C reads them. Where memory is too short for one it is absent.
pub(crate) struct ErrorHandle {
    error: Error,
    http_error_type: Option<Vec<u8>>,
    api_code: Option<Vec<u8>>,
    message: Option<Vec<u8>>,
    request_id: Option<Vec<u8>>,
    body: Option<Vec<u8>>,
}

impl ErrorHandle {
    pub(super) fn new(error: Error) -> ErrorHandle {
        let text = |text: &str| try_copy_with_nul(text.as_bytes());
        ErrorHandle {
            http_error_type: error.http_error_type().and_then(text),
            api_code: error.api_code().and_then(text),
            message: text(&error.message()),
            request_id: error.request_id().and_then(text),
            body: error.body().and_then(try_copy_with_nul),
            error,
        }
    }
}

/// Frees an error and its strings. NULL is ignored.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn refold_error_free(error: *mut refold_error) {
    // SAFETY: from C, as the header demands it.
    unsafe { free(error) }
}

/// What kind of failure it is: the HTTP status of the server's answer, or a negative code. REFOLD_OK for
/// NULL.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn refold_error_code(error: *const refold_error) -> refold_code {
    // SAFETY: from C, as the header demands it.
    unsafe { read(error, 0, |report| report.error.code()) }
}

/// The HTTP status that the answer tells in its field `status_code`, else that of the answer itself. 0 when
/// there was no answer, and for NULL. An answer that was of no use, with a negative code, has a status too.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn refold_error_http_status(error: *const refold_error) -> i32 {
    // SAFETY: from C, as the header demands it.
    unsafe { read(error, 0, |report| report.error.http_status()) }
}

/// The answer's field `http_error_type`, such as "NOT_FOUND". NULL when the answer has none, and for NULL.
///
/// The string lives until the error is freed.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn refold_error_http_error_type(error: *const refold_error) -> *const c_char {
    // SAFETY: from C, as the header demands it.
    unsafe { read(error, ptr::null(), |report| string_out(report.http_error_type.as_deref())) }
}

/// The answer's field `error_code`, such as "RESOURCE_NOT_FOUND"; without one, its field `error`. NULL when
/// the answer has neither, and for NULL.
///
/// The string lives until the error is freed.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn refold_error_api_code(error: *const refold_error) -> *const c_char {
    // SAFETY: from C, as the header demands it.
    unsafe { read(error, ptr::null(), |report| string_out(report.api_code.as_deref())) }
}

/// One sentence for people: the answer's field `message`, else what happened, where, and what to do about it.
///
/// Never NULL; "" for NULL. No secret stands in it. The string lives until the error is freed.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn refold_error_message(error: *const refold_error) -> *const c_char {
    // SAFETY: from C, as the header demands it.
    unsafe {
        read(error, c"".as_ptr(), |report| match &report.message {
            Some(message) => string_out(Some(message)),
            None => c"out of memory".as_ptr(),
        })
    }
}

/// The id of the request, to quote to the vendor's support: the answer's field `request_id`, else its header
/// field x-request-id. NULL when the answer has neither, and for NULL.
///
/// The string lives until the error is freed.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn refold_error_request_id(error: *const refold_error) -> *const c_char {
    // SAFETY: from C, as the header demands it.
    unsafe { read(error, ptr::null(), |report| string_out(report.request_id.as_deref())) }
}

/// The body of the answer as the server meant it, unpacked, its first 65,536 bytes at most: whatever a gateway
/// sent, so perhaps not UTF-8, and perhaps with NUL bytes inside. `***` stands where it held one of your
/// secrets. Of a body that was cut off this is what had come. NULL when there is none, and for NULL.
///
/// `length`, which may be NULL, is set to the number of bytes, 0 when there is no body; one NUL byte more
/// follows them. The bytes live until the error is freed.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn refold_error_body(error: *const refold_error, length: *mut usize) -> *const c_char {
    // SAFETY: from C, as the header demands it.
    unsafe {
        let body = guard(None, || as_ref(error).and_then(|report| report.body.as_deref()));
        string_and_length_out(body, length)
    }
}

/// How long the server asks to wait before the next try, in milliseconds from when its answer came
/// (Retry-After). -1 when it named no time, and for NULL.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn refold_error_retry_after_ms(error: *const refold_error) -> i64 {
    // SAFETY: from C, as the header demands it.
    unsafe { read(error, -1, |report| report.error.retry_after_ms()) }
}

/// Whether the same call may succeed later without a change: failures that are retried, and
/// REFOLD_ERROR_TIMEOUT. false for NULL.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn refold_error_is_retryable(error: *const refold_error) -> bool {
    // SAFETY: from C, as the header demands it.
    unsafe { read(error, false, |report| report.error.is_retryable()) }
}

/// How many tries the call began, one that got no further than connecting included; for a wait those of all
/// its polls. 0 when none was begun, and for NULL.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn refold_error_attempts(error: *const refold_error) -> u32 {
    // SAFETY: from C, as the header demands it.
    unsafe { read(error, 0, |report| report.error.attempts()) }
}
