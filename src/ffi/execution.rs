//! `refold_execution`: the snapshot of a run.

use std::ffi::c_char;
use std::ptr;
use std::sync::Arc;
use std::sync::atomic::{AtomicI32, Ordering};

use super::guard::guard;
use super::handle::{Handle, as_ptr, clone_arc, free, into_raw, read};
use super::json::refold_json;
use super::node::{NodeHandle, refold_node};
use super::state::refold_state;
use super::string::{string_in, string_out};
use super::timing::refold_timing;
use crate::alloc::try_with_capacity;
use crate::client::Snapshot;
use crate::error::{Error, ErrorKind};
use crate::execution::{Execution, ParseErrorKind};
use crate::json::LazyValue;
use crate::state::State;

/// A snapshot of an execution: its fields, its nodes, and the complete document that the server sent.
///
/// Created by refold_get_execution(), refold_wait_execution() and refold_parse_execution().
/// refold_execution_retain() adds an owner. Each owner calls refold_execution_free() once, and the last one
/// frees the snapshot. It is immutable, so any number of threads may read it. It outlives the client.
pub struct refold_execution {
    _opaque: [u8; 0],
}

impl Handle for refold_execution {
    type Value = ExecutionHandle;
    type Owner = Arc<ExecutionHandle>;
}

/// An execution and the views that C holds pointers to.
pub(crate) struct ExecutionHandle {
    nodes: Vec<NodeHandle>,
    state: StateCache,
    document: LazyValue<'static>,
    /// The views above borrow from it. Fields are dropped in order, so it is dropped last.
    snapshot: Snapshot,
}

impl ExecutionHandle {
    pub(super) fn new(snapshot: Snapshot) -> Result<Arc<ExecutionHandle>, Error> {
        // SAFETY: the contents of an `Arc` do not move, and an execution is immutable. The handle owns it for longer than
        // the views made from this reference, and C has no pointer that outlives the handle.
        let pinned: &'static Execution = unsafe { &*Arc::as_ptr(snapshot.execution()) };
        let count = pinned.nodes().len();
        let mut nodes = try_with_capacity(count).ok_or_else(|| parse_error(ParseErrorKind::OutOfMemory))?;
        nodes.extend((0..count).filter_map(|index| pinned.node(index)).map(NodeHandle::new));
        Ok(Arc::new(ExecutionHandle {
            nodes,
            state: StateCache::default(),
            document: LazyValue::new(pinned.body()),
            snapshot,
        }))
    }

    /// Whether this is a handle of the very same execution.
    pub(super) fn is_of(&self, snapshot: &Snapshot) -> bool {
        Arc::ptr_eq(self.snapshot.execution(), snapshot.execution())
    }
}

/// The error of text that does not parse as an execution.
pub(super) fn parse_error(kind: ParseErrorKind) -> Error {
    ErrorKind::from(kind).into()
}

/// The state that a text maps to, computed on first use: callers query it in loops.
#[derive(Default)]
pub(super) struct StateCache(AtomicI32);

impl StateCache {
    /// Stores the state plus one, because 0 means that it is not computed yet.
    pub(super) fn get(&self, compute: impl FnOnce() -> State) -> refold_state {
        match self.0.load(Ordering::Relaxed) {
            0 => {
                let state = compute() as refold_state;
                self.0.store(state + 1, Ordering::Relaxed);
                state
            }
            cached => cached - 1,
        }
    }
}

/// Adds an owner to an execution.
///
/// Use it to keep the execution that a progress callback receives. The snapshot is shared, not copied.
///
/// \return `execution`, to be freed once more with refold_execution_free(); NULL if `execution` is NULL.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn refold_execution_retain(
    execution: *const refold_execution,
) -> *mut refold_execution {
    // SAFETY: the header's contract with C.
    guard(ptr::null_mut(), || unsafe { clone_arc(execution) }.map_or(ptr::null_mut(), into_raw))
}

/// Releases one owner's reference to an execution. Does nothing if `execution` is NULL.
///
/// The last owner frees the execution with its nodes, JSON values and strings.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn refold_execution_free(execution: *mut refold_execution) {
    // SAFETY: the header's contract with C.
    unsafe { free(execution) }
}

/// Returns the field `_id`, or else the id that was requested.
///
/// \return A string; NULL if there is neither, which is possible after refold_parse_execution().
#[unsafe(no_mangle)]
pub unsafe extern "C" fn refold_execution_id(execution: *const refold_execution) -> *const c_char {
    // SAFETY: the header's contract with C.
    unsafe { execution_text(execution, Execution::id) }
}

/// Returns the field `name`, such as "Execution for workflow 6a106ba44480b80424a65289".
#[unsafe(no_mangle)]
pub unsafe extern "C" fn refold_execution_name(execution: *const refold_execution) -> *const c_char {
    // SAFETY: the header's contract with C.
    unsafe { execution_text(execution, Execution::name) }
}

/// Returns the field `org_id`: the id of the organisation.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn refold_execution_org_id(execution: *const refold_execution) -> *const c_char {
    // SAFETY: the header's contract with C.
    unsafe { execution_text(execution, Execution::org_id) }
}

/// Returns the field `environment`: "test" or "production".
#[unsafe(no_mangle)]
pub unsafe extern "C" fn refold_execution_environment(execution: *const refold_execution) -> *const c_char {
    // SAFETY: the header's contract with C.
    unsafe { execution_text(execution, Execution::environment) }
}

/// Returns the field `status` as the server sent it, such as "RUNNING". NULL only if `execution` is NULL.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn refold_execution_status(execution: *const refold_execution) -> *const c_char {
    // SAFETY: the header's contract with C.
    unsafe { execution_text(execution, Execution::status) }
}

/// Returns the state that the field `status` maps to.
///
/// \return The state; REFOLD_STATE_UNKNOWN for a status that this version does not know, or if `execution` is
///         NULL.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn refold_execution_state(execution: *const refold_execution) -> refold_state {
    // SAFETY: the header's contract with C.
    unsafe { read(execution, 0, |handle| handle.state.get(|| handle.snapshot.state())) }
}

/// Returns the field `completion_percentage`.
///
/// \return The percentage: 0 to 100, possibly with decimals, or any other number that the server sends; -1.0
///         if it is absent or `execution` is NULL.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn refold_execution_completion_percentage(execution: *const refold_execution) -> f64 {
    // SAFETY: the header's contract with C.
    unsafe { read(execution, -1.0, |handle| handle.snapshot.completion_percentage().unwrap_or(-1.0)) }
}

/// Returns the field `config_id`: the id of the workflow's configuration.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn refold_execution_config_id(execution: *const refold_execution) -> *const c_char {
    // SAFETY: the header's contract with C.
    unsafe { execution_text(execution, Execution::config_id) }
}

/// Returns the field `linked_account_id`: the account that the run acted for.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn refold_execution_linked_account_id(
    execution: *const refold_execution,
) -> *const c_char {
    // SAFETY: the header's contract with C.
    unsafe { execution_text(execution, Execution::linked_account_id) }
}

/// Returns the field `createdAt`: the start of the run, as RFC 3339 text in UTC.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn refold_execution_created_at(execution: *const refold_execution) -> *const c_char {
    // SAFETY: the header's contract with C.
    unsafe { execution_text(execution, Execution::created_at) }
}

/// Returns the field `updatedAt`: the latest change of the run, as RFC 3339 text in UTC.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn refold_execution_updated_at(execution: *const refold_execution) -> *const c_char {
    // SAFETY: the header's contract with C.
    unsafe { execution_text(execution, Execution::updated_at) }
}

/// Returns the number of nodes.
///
/// Nodes are listed in the order in which the run reached them. A later snapshot may contain more.
///
/// \return The number; 0 if `execution` is NULL.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn refold_execution_node_count(execution: *const refold_execution) -> usize {
    // SAFETY: the header's contract with C.
    unsafe { read(execution, 0, |handle| handle.nodes.len()) }
}

/// Returns the node at an index.
///
/// Indexes are those of the array `nodes` in the document. An element that is not an object is an empty node.
///
/// \param index  Counted from 0.
/// \return A node that is valid until the execution is freed; NULL if the index is out of range or `execution`
///         is NULL.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn refold_execution_node(
    execution: *const refold_execution,
    index: usize,
) -> *const refold_node {
    // SAFETY: the header's contract with C.
    unsafe { read(execution, ptr::null(), |handle| as_ptr(handle.nodes.get(index))) }
}

/// Returns the node with an id, or the first one if several nodes share the id.
///
/// Fast in large executions too.
///
/// \return A node that is valid until the execution is freed; NULL if there is none, or if a parameter is
///         NULL.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn refold_execution_node_by_id(
    execution: *const refold_execution,
    node_id: *const c_char,
) -> *const refold_node {
    // SAFETY: the header's contract with C.
    unsafe {
        read(execution, ptr::null(), |handle| {
            let index = string_in(node_id).and_then(|id| handle.snapshot.node_by_id(id));
            as_ptr(index.and_then(|index| handle.nodes.get(index)))
        })
    }
}

/// Returns the complete document, including fields for which there is no function.
///
/// \return A value that is valid until the execution is freed; NULL only if `execution` is NULL.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn refold_execution_json(execution: *const refold_execution) -> *const refold_json {
    // SAFETY: the header's contract with C.
    unsafe { read(execution, ptr::null(), |handle| as_ptr(Some(&handle.document))) }
}

/// # Safety
/// As for [`read`].
unsafe fn execution_text(
    execution: *const refold_execution,
    field: impl FnOnce(&Execution) -> Option<&[u8]>,
) -> *const c_char {
    // SAFETY: the caller's promise.
    unsafe { read(execution, ptr::null(), |handle| string_out(field(&handle.snapshot))) }
}

/// Returns how long a part of the call took that fetched the execution.
///
/// Of a snapshot that a wait obtained, the call is the poll that obtained it.
///
/// \param timing  The part; any number.
/// \return The time in microseconds; -1 if the call did not go through the part, for an execution made from
///         text, for a number that is not a part, and if `execution` is NULL.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn refold_execution_timing_us(
    execution: *const refold_execution,
    timing: refold_timing,
) -> i64 {
    // SAFETY: the header's contract with C.
    unsafe { read(execution, -1, |handle| handle.snapshot.timings().by_number(timing)) }
}

/// Returns the number of attempts of the call, or of the poll of a wait, that fetched the execution.
///
/// \return The number, at least 1; 0 for an execution made from text and if `execution` is NULL.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn refold_execution_attempts(execution: *const refold_execution) -> u32 {
    // SAFETY: the header's contract with C.
    unsafe { read(execution, 0, |handle| handle.snapshot.attempts()) }
}

/// Returns the id of the request that fetched the execution, to be quoted to Refold's support.
///
/// This is the header field x-request-id of the response.
///
/// \return A string that is valid until the execution is freed; NULL if the response has no such field, an
///         empty one or one that is not UTF-8, for an execution made from text, and if `execution` is NULL.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn refold_execution_request_id(execution: *const refold_execution) -> *const c_char {
    // SAFETY: the header's contract with C.
    unsafe { read(execution, ptr::null(), |handle| string_out(handle.snapshot.request_id())) }
}
