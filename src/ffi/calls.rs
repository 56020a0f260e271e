//! Getting an execution: from the server, at once or when it has ended, or from text.

use std::ffi::{c_char, c_void};
use std::sync::Arc;

use super::execution::{ExecutionHandle, refusal};
use super::types::{refold_cancel, refold_client, refold_error, refold_execution};
use super::{CBool, as_ptr, bytes_in, call, clone_arc, string_in};
use crate::error::Error;
use crate::execution::{Execution, ParseErrorKind};
use crate::json::scan::JsonBuffer;
use crate::options::DEFAULT_MAX_RESPONSE_BYTES;

/// Gets one execution, with the detail of every node.
///
/// `execution_id` is 1 to 256 characters of A-Z a-z 0-9 - _ . ~ :, and neither "." nor ".."; any other is
/// refused and nothing is sent. `cancel` may be NULL; a token that was triggered before ends the call at
/// once. The call blocks the calling thread, at most for the time-out of the options, and retries as the
/// options say.
///
/// Returns an execution to be freed with refold_execution_free(), or NULL and an error: the HTTP status of
/// the server's answer, or any of the negative codes. A run that ended badly is an execution, not an error:
/// see refold_execution_state().
#[unsafe(no_mangle)]
pub unsafe extern "C" fn refold_get_execution(
    client: *const refold_client,
    execution_id: *const c_char,
    cancel: *mut refold_cancel,
    error: *mut *mut refold_error,
) -> *mut refold_execution {
    // SAFETY: from C, as the header demands it.
    unsafe {
        call(error, || {
            let (client, cancel) = (clone_arc(client).ok_or_else(no_client)?, clone_arc(cancel));
            client.get(string_in(execution_id), cancel.as_ref()).and_then(ExecutionHandle::new)
        })
    }
}

/// Is shown each snapshot that refold_wait_execution() gets, on the thread that waits; returns false to stop
/// waiting.
///
/// `execution` is borrowed: it lives until the function returns, and with refold_execution_retain() for
/// longer. `user_data` is what was handed to refold_wait_execution(). The function may call everything in
/// this header, with the same client and token too, but must not free that client, and must neither throw an
/// exception nor leave by longjmp() nor end its thread, as by pthread_exit().
pub type refold_progress_fn =
    Option<unsafe extern "C" fn(execution: *const refold_execution, user_data: *mut c_void) -> CBool>;

/// Polls an execution until it has ended, and returns its last snapshot.
///
/// It has ended when refold_state_is_final() says so of its state. The pause between two polls begins with
/// refold_options_set_poll_interval_ms(), grows while nothing changes, and is never shorter than what the
/// server asks for. `timeout_ms` bounds the wait as a whole, in milliseconds; 0: none, and then a wait may
/// never end, if the run does not or ends in a way that this version does not know. Each poll is one call
/// under the options, with their time-out and retries; a poll that fails in a way that can pass by itself is
/// waited out, up to five in a row.
///
/// `on_progress` may be NULL; else it sees every snapshot, the last one included. When it returns false the
/// wait ends with REFOLD_ERROR_CANCELLED, except at a last snapshot, where there is nothing left to stop. The
/// execution returned is the object that it saw last. `user_data` is handed to it and not looked at.
/// `execution_id` and `cancel` are as for refold_get_execution().
///
/// Returns an execution to be freed with refold_execution_free(), or NULL and an error: REFOLD_ERROR_TIMEOUT
/// when `timeout_ms` has passed, otherwise as refold_get_execution().
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
    // SAFETY: from C, as the header demands it.
    unsafe {
        call(error, || {
            let (client, cancel) = (clone_arc(client).ok_or_else(no_client)?, clone_arc(cancel));
            let wait = |see: &mut dyn FnMut(&Arc<Execution>) -> bool| {
                client.wait(string_in(execution_id), timeout_ms, cancel.as_ref(), see)
            };
            match on_progress {
                None => wait(&mut |_| true).and_then(ExecutionHandle::new),
                Some(show) => {
                    wait_and_show(wait, |snapshot| show(as_ptr(Some(&**snapshot)), user_data).holds())
                }
            }
        })
    }
}

/// Waits, and shows each snapshot as a handle; the last one shown is the one returned.
fn wait_and_show(
    wait: impl FnOnce(&mut dyn FnMut(&Arc<Execution>) -> bool) -> Result<Arc<Execution>, Error>,
    mut show: impl FnMut(&Arc<ExecutionHandle>) -> bool,
) -> Result<Arc<ExecutionHandle>, Error> {
    let mut shown = Ok(None);
    let ended = wait(&mut |execution| {
        shown = ExecutionHandle::new(Arc::clone(execution)).map(Some);
        matches!(&shown, Ok(Some(snapshot)) if show(snapshot))
    });
    // No memory for a handle stops the wait as a callback would, but for this reason and no other.
    match (shown?, ended?) {
        (Some(snapshot), execution) if snapshot.is_of(&execution) => Ok(snapshot),
        (_, execution) => ExecutionHandle::new(execution),
    }
}

/// Makes an execution from JSON text in memory: `length` bytes at `json`, such as a stored answer of the
/// server.
///
/// The text is copied. It must be one JSON object, valid UTF-8, with a string `status`. Nothing is sent.
///
/// Returns an execution to be freed with refold_execution_free(), or NULL and an error:
/// REFOLD_ERROR_INVALID_RESPONSE says what is wrong with the text and where, REFOLD_ERROR_INVALID_ARGUMENT
/// that `json` is NULL, REFOLD_ERROR_RESOURCE that memory is short, REFOLD_ERROR_RESPONSE_TOO_LARGE that
/// its nodes would take more than 256 MiB of memory and more than the text: 256 bytes each.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn refold_parse_execution(
    json: *const c_char,
    length: usize,
    error: *mut *mut refold_error,
) -> *mut refold_execution {
    // SAFETY: from C, as the header demands it.
    unsafe {
        call(error, || {
            let text = bytes_in(json, length).ok_or_else(|| {
                let wrong = if json.is_null() { "json is NULL" } else { "length is larger than any object" };
                Error::invalid_argument(wrong)
            })?;
            let text = JsonBuffer::copy_of(text).ok_or_else(|| refusal(ParseErrorKind::OutOfMemory))?;
            let execution = Execution::parse(text, None, DEFAULT_MAX_RESPONSE_BYTES)
                .map_err(|refused| refusal(refused.kind))?;
            ExecutionHandle::new(Arc::new(execution))
        })
    }
}

fn no_client() -> Error {
    Error::invalid_argument("client is NULL")
}
