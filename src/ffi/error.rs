//! `refold_error`: why a call failed.

use std::ffi::c_char;
use std::ptr;

use super::guard::guard;
use super::handle::{Handle, as_ptr, as_ref, free, read};
use super::library::refold_code;
use super::string::{string_and_length_out, string_out};
use super::timing::refold_timing;
use crate::alloc::{try_box, try_copy_with_nul};
use crate::error::Error;
use crate::error::message::NO_MEMORY_FOR_MESSAGE;

/// The reason why a call failed.
///
/// Created by a call that fails and returned through its parameter `error`; freed by refold_error_free(). It
/// is immutable, so any number of threads may read it. It outlives the client. Its strings are valid until it
/// is freed.
pub struct refold_error {
    _opaque: [u8; 0],
}

impl Handle for refold_error {
    type Value = ErrorHandle;
    type Owner = Box<ErrorHandle>;
}

/// An error, its NUL-terminated strings and its cause. What could not be allocated is absent.
pub(crate) struct ErrorHandle {
    error: Error,
    http_error_type: Option<Vec<u8>>,
    api_code: Option<Vec<u8>>,
    message: Option<Vec<u8>>,
    request_id: Option<Vec<u8>>,
    body: Option<Vec<u8>>,
    cause: Option<Box<ErrorHandle>>,
}

impl ErrorHandle {
    pub(super) fn new(mut error: Error) -> ErrorHandle {
        let text = |text: &str| try_copy_with_nul(text.as_bytes());
        ErrorHandle {
            cause: error.take_cause().map(ErrorHandle::new).and_then(try_box),
            http_error_type: error.http_error_type().and_then(text),
            api_code: error.api_code().and_then(text),
            message: text(&error.message()),
            request_id: error.request_id().and_then(text),
            body: error.body().and_then(try_copy_with_nul),
            error,
        }
    }
}

/// Frees an error and its strings. Does nothing if `error` is NULL.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn refold_error_free(error: *mut refold_error) {
    // SAFETY: the header's contract with C.
    unsafe { free(error) }
}

/// Returns the code of an error.
///
/// \return The HTTP status of the server's response, or a negative code; REFOLD_OK if `error` is NULL.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn refold_error_code(error: *const refold_error) -> refold_code {
    // SAFETY: the header's contract with C.
    unsafe { read(error, 0, |handle| handle.error.code()) }
}

/// Returns the HTTP status as reported by the server.
///
/// This is the field `status_code` of the response body, or else the status of the response itself. An
/// unusable response, whose code is negative, has a status too.
///
/// \return The status; 0 if there was no response or `error` is NULL.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn refold_error_http_status(error: *const refold_error) -> i32 {
    // SAFETY: the header's contract with C.
    unsafe { read(error, 0, |handle| handle.error.http_status()) }
}

/// Returns the field `http_error_type` of the response, such as "NOT_FOUND".
///
/// \return A string that is valid until the error is freed; NULL if the response has no such field or `error`
///         is NULL.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn refold_error_http_error_type(error: *const refold_error) -> *const c_char {
    // SAFETY: the header's contract with C.
    unsafe { read(error, ptr::null(), |handle| string_out(handle.http_error_type.as_deref())) }
}

/// Returns the field `error_code` of the response, such as "RESOURCE_NOT_FOUND", or else its field `error`.
///
/// \return A string that is valid until the error is freed; NULL if the response has neither or `error` is
///         NULL.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn refold_error_api_code(error: *const refold_error) -> *const c_char {
    // SAFETY: the header's contract with C.
    unsafe { read(error, ptr::null(), |handle| string_out(handle.api_code.as_deref())) }
}

/// Returns a human-readable message.
///
/// This is the field `message` of the response, or else a sentence about what happened, where, and how to
/// resolve it. It contains no secret, but it may contain anything else that a server sent, such as control
/// characters.
///
/// \return A string that is valid until the error is freed; never NULL. "" if `error` is NULL.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn refold_error_message(error: *const refold_error) -> *const c_char {
    // SAFETY: the header's contract with C.
    unsafe {
        read(error, c"".as_ptr(), |handle| match &handle.message {
            Some(message) => string_out(Some(message)),
            None => NO_MEMORY_FOR_MESSAGE.as_ptr(),
        })
    }
}

/// Returns the id of the request, to be quoted to Refold's support.
///
/// This is the field `request_id` of the response body, or else the header field x-request-id.
///
/// \return A string that is valid until the error is freed; NULL if the response has neither or `error` is
///         NULL.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn refold_error_request_id(error: *const refold_error) -> *const c_char {
    // SAFETY: the header's contract with C.
    unsafe { read(error, ptr::null(), |handle| string_out(handle.request_id.as_deref())) }
}

/// Returns the first 65,536 bytes of the response body, after decompression.
///
/// The bytes are those of the server or a gateway: not necessarily UTF-8, and possibly with NUL bytes among
/// them. Your secrets are redacted as `***`. If the body was cut off, these are the bytes that arrived.
///
/// \param length  Set to the number of bytes, not counting the NUL that terminates them; 0 if there is no
///                body. May be NULL.
/// \return Bytes that are valid until the error is freed; NULL if there is no body or `error` is NULL.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn refold_error_body(error: *const refold_error, length: *mut usize) -> *const c_char {
    // SAFETY: the header's contract with C.
    unsafe {
        let body = guard(None, || as_ref(error).and_then(|handle| handle.body.as_deref()));
        string_and_length_out(body, length)
    }
}

/// Returns how long the server asks to wait before the next attempt (Retry-After).
///
/// \return The time in milliseconds, counted from the arrival of the response; -1 if the server specified none
///         or `error` is NULL.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn refold_error_retry_after_ms(error: *const refold_error) -> i64 {
    // SAFETY: the header's contract with C.
    unsafe { read(error, -1, |handle| handle.error.retry_after_ms()) }
}

/// Returns whether the same call may succeed later without a change.
///
/// \return true for REFOLD_ERROR_TIMEOUT and for the failures listed for refold_options_set_max_retries();
///         false for others and if `error` is NULL.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn refold_error_is_retryable(error: *const refold_error) -> bool {
    // SAFETY: the header's contract with C.
    unsafe { read(error, false, |handle| handle.error.is_retryable()) }
}

/// Returns the number of attempts that a call started, or that all polls of a wait started.
///
/// An attempt that got no further than connecting counts.
///
/// \return The number; 0 if none was started or `error` is NULL.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn refold_error_attempts(error: *const refold_error) -> u32 {
    // SAFETY: the header's contract with C.
    unsafe { read(error, 0, |handle| handle.error.attempts()) }
}

/// Returns the failure of the last poll of a wait that ran out of time.
///
/// The error of the wait reports that the timeout expired; this one reports why the last poll brought no
/// snapshot. It is an error like any other, with its own code, message and response, and with the attempts of
/// that poll alone. If the timeout expired during a poll, it is the REFOLD_ERROR_TIMEOUT of that poll, whose
/// message names the phase, such as connecting.
///
/// \return An error that belongs to `error`: it is valid until `error` is freed, and must not be freed itself.
///         NULL if the last poll succeeded, so that the run was still in progress; for every error other than
///         the REFOLD_ERROR_TIMEOUT of a wait; if there was no memory for it; and if `error` is NULL.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn refold_error_cause(error: *const refold_error) -> *const refold_error {
    // SAFETY: the header's contract with C.
    unsafe { read(error, ptr::null(), |handle| as_ptr(handle.cause.as_deref())) }
}

/// Returns how long a part of the failed call took.
///
/// The part in which the call ended counts up to that moment.
///
/// \param timing  The part; any number.
/// \return The time in microseconds; -1 if the call did not go through the part, for a call that did not
///         begin, for a number that is not a part, and if `error` is NULL.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn refold_error_timing_us(error: *const refold_error, timing: refold_timing) -> i64 {
    // SAFETY: the header's contract with C.
    unsafe { read(error, -1, |handle| handle.error.timings().by_number(timing)) }
}
