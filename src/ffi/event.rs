//! `refold_event`: what has become of a submission to a queue.

use std::ffi::c_void;
use std::ptr;
use std::sync::Arc;

use super::error::{ErrorHandle, refold_error};
use super::execution::{ExecutionHandle, refold_execution};
use super::guard::catch_panic;
use super::handle::{Handle, as_ptr, free, read};
use crate::client::Snapshot;
use crate::error::Error;
use crate::queue::{Event, EventKind, Outcome};

/// An event: what has become of a submission.
///
/// Taken with refold_queue_next(), freed by refold_event_free(). It is immutable, so any number of threads may
/// read it. It outlives the queue and the client.
pub struct refold_event {
    _opaque: [u8; 0],
}

impl Handle for refold_event {
    type Value = Event<OutcomeHandle>;
    type Owner = Box<Event<OutcomeHandle>>;
}

/// The handle of a snapshot or an error.
pub(crate) enum OutcomeHandle {
    Execution(Arc<ExecutionHandle>),
    Error(Box<ErrorHandle>),
}

/// A pointer that the caller gets back with each event. The library does not follow it.
#[derive(Clone, Copy)]
pub(crate) struct UserData(pub(super) *mut c_void);

// SAFETY: only the caller follows the pointer.
unsafe impl Send for UserData {}
// SAFETY: as above.
unsafe impl Sync for UserData {}

impl Outcome for OutcomeHandle {
    type Tag = UserData;

    fn of(result: Result<Snapshot, Error>) -> OutcomeHandle {
        match result.and_then(ExecutionHandle::new) {
            Ok(execution) => OutcomeHandle::Execution(execution),
            Err(error) => OutcomeHandle::Error(Box::new(ErrorHandle::new(error))),
        }
    }

    fn catch_panic<T>(work: impl FnOnce() -> T) -> Result<T, Error> {
        catch_panic(work)
    }
}

/// What an event reports.
pub type refold_event_type = i32;

/// The values of refold_event_type.
#[repr(C)]
pub enum refold_event_type_value {
    /// Nothing: the event is NULL.
    REFOLD_EVENT_NONE = 0,
    /// A snapshot that a wait obtained, of a run that has not ended.
    REFOLD_EVENT_PROGRESS = 1,
    /// The end of a submission: the execution, or the error.
    REFOLD_EVENT_DONE = 2,
}

/// Returns what an event reports; REFOLD_EVENT_NONE if `event` is NULL.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn refold_event_typeof(event: *const refold_event) -> refold_event_type {
    let type_of = |event: &Event<OutcomeHandle>| match event.kind {
        EventKind::Progress => refold_event_type_value::REFOLD_EVENT_PROGRESS as refold_event_type,
        EventKind::Done => refold_event_type_value::REFOLD_EVENT_DONE as refold_event_type,
    };
    // SAFETY: the header's contract with C.
    unsafe { read(event, refold_event_type_value::REFOLD_EVENT_NONE as refold_event_type, type_of) }
}

/// Returns the pointer that was passed with the submission; NULL if `event` is NULL.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn refold_event_user_data(event: *const refold_event) -> *mut c_void {
    // SAFETY: the header's contract with C.
    unsafe { read(event, ptr::null_mut(), |event| event.tag.0) }
}

/// Returns the snapshot of an event.
///
/// \return The snapshot, borrowed until the event is freed; keep it with refold_execution_retain(). NULL if
///         the submission has failed, or `event` is NULL. If memory was insufficient for a snapshot of a wait,
///         the event of type REFOLD_EVENT_PROGRESS has an error instead, and the wait goes on.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn refold_event_execution(event: *const refold_event) -> *const refold_execution {
    let execution = |event: &Event<OutcomeHandle>| match &event.outcome {
        OutcomeHandle::Execution(execution) => as_ptr(Some(&**execution)),
        OutcomeHandle::Error(_) => ptr::null(),
    };
    // SAFETY: the header's contract with C.
    unsafe { read(event, ptr::null(), execution) }
}

/// Returns the error of an event.
///
/// \return The error that the blocking call would have returned, borrowed until the event is freed; NULL if
///         the event has a snapshot, or is NULL.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn refold_event_error(event: *const refold_event) -> *const refold_error {
    let error = |event: &Event<OutcomeHandle>| match &event.outcome {
        OutcomeHandle::Execution(_) => ptr::null(),
        OutcomeHandle::Error(error) => as_ptr(Some(&**error)),
    };
    // SAFETY: the header's contract with C.
    unsafe { read(event, ptr::null(), error) }
}

/// Frees an event, with its error and its ownership of the snapshot. Does nothing if `event` is NULL.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn refold_event_free(event: *mut refold_event) {
    // SAFETY: the header's contract with C.
    unsafe { free(event) }
}
