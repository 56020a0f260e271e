//! The calls that return an execution: get, wait and parse.

use std::ffi::{c_char, c_void};
use std::sync::Arc;

use super::cancel::refold_cancel;
use super::client::refold_client;
use super::error::refold_error;
use super::execution::{ExecutionHandle, parse_error, refold_execution};
use super::guard::call;
use super::handle::{as_ptr, clone_arc};
use super::string::{CBool, bytes_in, string_in};
use crate::client::Snapshot;
use crate::error::Error;
use crate::error::message::argument;
use crate::execution::{Execution, ParseErrorKind};
use crate::json::scan::JsonBuffer;
use crate::options::DEFAULT_MAX_RESPONSE_BYTES;

/// Fetches an execution with the details of every node.
///
/// Blocks the calling thread, at most for the timeout set in the options. Retries as the options specify.
///
/// \param execution_id  1 to 256 characters out of A-Z a-z 0-9 - _ . ~ :, but neither "." nor "..". Any other
///                      id is rejected, and nothing is sent.
/// \param cancel        A token that can cancel the call, or NULL. If it is already triggered, the call
///                      returns at once.
/// \param error         Set to NULL, or to a new error on failure; may be NULL.
/// \return A new execution, to be freed with refold_execution_free(), or NULL on failure. Error codes: the
///         HTTP status of the server's response, or any negative code. A run that failed on the server is a
///         successful call: check refold_execution_state().
#[unsafe(no_mangle)]
pub unsafe extern "C" fn refold_get_execution(
    client: *const refold_client,
    execution_id: *const c_char,
    cancel: *mut refold_cancel,
    error: *mut *mut refold_error,
) -> *mut refold_execution {
    // SAFETY: the header's contract with C.
    unsafe {
        call(error, || {
            let (client, cancel) = (clone_arc(client).ok_or_else(no_client)?, clone_arc(cancel));
            client.get(string_in(execution_id), cancel.as_ref()).and_then(ExecutionHandle::new)
        })
    }
}

/// Called by refold_wait_execution() with each snapshot, on the thread that waits.
///
/// It may call any function of this header, with the same client and token too. It must not free that client,
/// and it must return normally: no exception, longjmp() or pthread_exit().
///
/// \param execution  The snapshot. It is borrowed until the callback returns; keep it with
///                   refold_execution_retain().
/// \param user_data  The pointer that was passed to refold_wait_execution().
/// \return true to continue, false to stop waiting.
pub type refold_progress_fn =
    Option<unsafe extern "C" fn(execution: *const refold_execution, user_data: *mut c_void) -> CBool>;

/// Polls an execution until its state is final, the timeout expires, or `cancel` is triggered.
///
/// Each poll is one call with the timeout and the retries of the options. The first pause is the interval set
/// by refold_options_set_poll_interval_ms(). Pauses grow while nothing changes, double with each consecutive
/// failed poll, and are never shorter than a Retry-After of the server. Up to five consecutive retryable
/// failures of polls are tolerated.
///
/// `on_progress` is called with every snapshot, including the final one. If it returns false, the wait fails
/// with REFOLD_ERROR_CANCELLED, except after the final snapshot, when there is nothing left to stop. The
/// execution returned is the object passed to the last callback.
///
/// REFOLD_ERROR_TIMEOUT means that the caller has waited long enough. The run is not affected, so the wait may
/// be repeated. refold_error_cause() distinguishes a run that was still in progress from a server that could
/// not be reached. If more than five consecutive polls exceed the timeout of the options, the wait fails with
/// the error of the last one, which has the same code. A run that exceeded its own time limit is a successful
/// wait with the state REFOLD_STATE_TIMED_OUT.
///
/// \param execution_id  As for refold_get_execution().
/// \param timeout_ms    Limit for the whole wait, in milliseconds; 0 for no limit. Without a limit, a wait may
///                      never end if the run does not, or ends in a state that this version does not know.
/// \param on_progress   The callback, or NULL.
/// \param user_data     Passed to the callback unchanged.
/// \param cancel        A token that can cancel the wait, or NULL.
/// \param error         Set to NULL, or to a new error on failure; may be NULL.
/// \return A new execution, to be freed with refold_execution_free(), or NULL on failure. Error codes:
///         REFOLD_ERROR_TIMEOUT if `timeout_ms` expired, otherwise as for refold_get_execution().
#[unsafe(no_mangle)]
pub unsafe extern "C" fn refold_wait_execution(
    client: *const refold_client,
    execution_id: *const c_char,
    timeout_ms: u64,
    on_progress: refold_progress_fn,
    user_data: *mut c_void,
    cancel: *mut refold_cancel,
    error: *mut *mut refold_error,
) -> *mut refold_execution {
    // SAFETY: the header's contract with C.
    unsafe {
        call(error, || {
            let (client, cancel) = (clone_arc(client).ok_or_else(no_client)?, clone_arc(cancel));
            let wait = |on_snapshot: &mut dyn FnMut(&Snapshot) -> bool| {
                client.wait(string_in(execution_id), timeout_ms, cancel.as_ref(), on_snapshot)
            };
            match on_progress {
                None => wait(&mut |_| true).and_then(ExecutionHandle::new),
                Some(callback) => wait_with_progress(wait, |snapshot| {
                    callback(as_ptr(Some(&**snapshot)), user_data).is_true()
                }),
            }
        })
    }
}

/// Waits, and passes each snapshot to the callback as a handle. Returns the last handle that the callback
/// received.
fn wait_with_progress(
    wait: impl FnOnce(&mut dyn FnMut(&Snapshot) -> bool) -> Result<Snapshot, Error>,
    mut callback: impl FnMut(&Arc<ExecutionHandle>) -> bool,
) -> Result<Arc<ExecutionHandle>, Error> {
    let mut last = Ok(None);
    let result = wait(&mut |snapshot| {
        last = ExecutionHandle::new(snapshot.clone()).map(Some);
        matches!(&last, Ok(Some(handle)) if callback(handle))
    });
    // A handle that could not be allocated stops the wait like the callback does. Its error takes precedence.
    match (last?, result?) {
        (Some(handle), snapshot) if handle.is_of(&snapshot) => Ok(handle),
        (_, snapshot) => ExecutionHandle::new(snapshot),
    }
}

/// Creates an execution from JSON text in memory, such as a stored response of the server. Sends nothing.
///
/// The text must be one JSON object in valid UTF-8 with a string `status`. It is copied.
///
/// \param json    The text; it need not be NUL-terminated.
/// \param length  The length of the text in bytes.
/// \param error   Set to NULL, or to a new error on failure; may be NULL.
/// \return A new execution, to be freed with refold_execution_free(), or NULL on failure. Error codes:
///         REFOLD_ERROR_INVALID_RESPONSE, with a message that describes the defect in the text and its
///         position; REFOLD_ERROR_INVALID_ARGUMENT if `json` is NULL; REFOLD_ERROR_RESOURCE if memory is
///         insufficient; REFOLD_ERROR_RESPONSE_TOO_LARGE if the nodes, 256 bytes each, need more than 256 MiB
///         and more memory than the text.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn refold_parse_execution(
    json: *const c_char,
    length: usize,
    error: *mut *mut refold_error,
) -> *mut refold_execution {
    // SAFETY: the header's contract with C.
    unsafe {
        call(error, || {
            let text = bytes_in(json, length).ok_or_else(|| {
                Error::invalid_argument(if json.is_null() {
                    argument::is_null("json")
                } else {
                    argument::LENGTH_TOO_LARGE.into()
                })
            })?;
            let text = JsonBuffer::copy_of(text).ok_or_else(|| parse_error(ParseErrorKind::OutOfMemory))?;
            let execution = Execution::parse(text, None, DEFAULT_MAX_RESPONSE_BYTES)
                .map_err(|error| parse_error(error.kind))?;
            ExecutionHandle::new(execution.into())
        })
    }
}

fn no_client() -> Error {
    Error::invalid_argument(argument::is_null("client"))
}
