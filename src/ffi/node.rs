//! `refold_node`: one node of an execution.

use std::ffi::c_char;
use std::ptr;

use super::execution::StateCache;
use super::handle::{Borrowed, Handle, as_ptr, read};
use super::json::refold_json;
use super::state::refold_state;
use super::string::string_out;
use crate::execution::{NODE_MEMORY, Node, NodeView};
use crate::json::LazyValue;

/// One node of an execution.
///
/// Borrowed from its execution and valid until the execution is freed. It must not be freed. Any number of
/// threads may read it.
pub struct refold_node {
    _opaque: [u8; 0],
}

impl Handle for refold_node {
    type Value = NodeHandle;
    type Owner = Borrowed;
}

/// A node and the JSON values that C holds pointers to.
pub(crate) struct NodeHandle {
    node: NodeView<'static>,
    state: StateCache,
    whole: LazyValue<'static>,
    latest_output: Option<LazyValue<'static>>,
    input_data: Option<LazyValue<'static>>,
}

const _: () = assert!(size_of::<Node>() + size_of::<NodeHandle>() <= NODE_MEMORY);

impl NodeHandle {
    pub(super) fn new(node: NodeView<'static>) -> NodeHandle {
        NodeHandle {
            node,
            state: StateCache::default(),
            whole: LazyValue::new(node.json()),
            latest_output: node.latest_output().map(LazyValue::new),
            input_data: node.input_data().map(LazyValue::new),
        }
    }
}

/// Returns the field `node_id`, which is unique within its execution.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn refold_node_id(node: *const refold_node) -> *const c_char {
    // SAFETY: the header's contract with C.
    unsafe { node_text(node, NodeView::id) }
}

/// Returns the field `node_name`: the display name.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn refold_node_name(node: *const refold_node) -> *const c_char {
    // SAFETY: the header's contract with C.
    unsafe { node_text(node, NodeView::name) }
}

/// Returns the field `node_type`, such as "start".
#[unsafe(no_mangle)]
pub unsafe extern "C" fn refold_node_type(node: *const refold_node) -> *const c_char {
    // SAFETY: the header's contract with C.
    unsafe { node_text(node, NodeView::node_type) }
}

/// Returns the field `node_status` as the server sent it, such as "Success".
#[unsafe(no_mangle)]
pub unsafe extern "C" fn refold_node_status(node: *const refold_node) -> *const c_char {
    // SAFETY: the header's contract with C.
    unsafe { node_text(node, NodeView::status) }
}

/// Returns the state that the field `node_status` maps to.
///
/// \return The state; REFOLD_STATE_UNKNOWN if the status is absent or unknown to this version, or `node` is
///         NULL.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn refold_node_state(node: *const refold_node) -> refold_state {
    // SAFETY: the header's contract with C.
    unsafe { read(node, 0, |handle| handle.state.get(|| handle.node.state())) }
}

/// Returns the field `is_batch`; false if it is absent or `node` is NULL.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn refold_node_is_batch(node: *const refold_node) -> bool {
    // SAFETY: the header's contract with C.
    unsafe { read(node, false, |handle| handle.node.is_batch()) }
}

/// Returns the field `attempts_made`; -1 if it is absent or not a valid count, or `node` is NULL.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn refold_node_attempts_made(node: *const refold_node) -> i64 {
    // SAFETY: the header's contract with C.
    unsafe { node_count(node, NodeView::attempts_made) }
}

/// Returns the field `maximum_attempts`; -1 if it is absent or not a valid count, or `node` is NULL.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn refold_node_maximum_attempts(node: *const refold_node) -> i64 {
    // SAFETY: the header's contract with C.
    unsafe { node_count(node, NodeView::maximum_attempts) }
}

/// Returns the field `execution_time`: how long the node ran, in milliseconds.
///
/// \return The time; -1 if it is absent or not a valid count, or `node` is NULL.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn refold_node_execution_time_ms(node: *const refold_node) -> i64 {
    // SAFETY: the header's contract with C.
    unsafe { node_count(node, NodeView::execution_time_ms) }
}

/// Returns the field `latest_output`: the last output of the node, JSON of any type and size.
///
/// It is what the connected application returned. The output of a node that failed describes the failure, for
/// example:
///
/// \code{.json}
/// {
///   "error": {
///     "status_code": 422,
///     "error_code": "EXTERNAL_API_ERROR",
///     "message": "The customer has no billing address"
///   }
/// }
/// \endcode
///
/// refold_json_pointer() with "/error/message" finds the message in this output. Each application has a form
/// of its own, so be prepared to show the text of the whole value instead: refold_json_text().
///
/// \return A value that is valid until the execution is freed; NULL if it is absent, as before the node has
///         run, or `node` is NULL. An output that is null is a value of the type REFOLD_JSON_NULL.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn refold_node_latest_output(node: *const refold_node) -> *const refold_json {
    // SAFETY: the header's contract with C.
    unsafe { read(node, ptr::null(), |handle| as_ptr(handle.latest_output.as_ref())) }
}

/// Returns the field `input_data`: the input of the node, JSON of any type and size.
///
/// \return A value that is valid until the execution is freed; NULL if it is absent or `node` is NULL. An
///         input that is null is a value of the type REFOLD_JSON_NULL.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn refold_node_input_data(node: *const refold_node) -> *const refold_json {
    // SAFETY: the header's contract with C.
    unsafe { read(node, ptr::null(), |handle| as_ptr(handle.input_data.as_ref())) }
}

/// Returns the complete node, including fields for which there is no function.
///
/// \return A value that is valid until the execution is freed; NULL only if `node` is NULL.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn refold_node_json(node: *const refold_node) -> *const refold_json {
    // SAFETY: the header's contract with C.
    unsafe { read(node, ptr::null(), |handle| as_ptr(Some(&handle.whole))) }
}

/// # Safety
/// As for [`read`].
unsafe fn node_text(
    node: *const refold_node,
    field: impl FnOnce(&NodeView<'static>) -> Option<&'static [u8]>,
) -> *const c_char {
    // SAFETY: the caller's promise.
    unsafe { read(node, ptr::null(), |handle| string_out(field(&handle.node))) }
}

/// # Safety
/// As for [`read`].
unsafe fn node_count(node: *const refold_node, field: impl FnOnce(&NodeView<'static>) -> Option<i64>) -> i64 {
    // SAFETY: the caller's promise.
    unsafe { read(node, -1, |handle| field(&handle.node).unwrap_or(-1)) }
}
