//! `refold_execution` and `refold_node`: the snapshot of a run.

use std::ffi::c_char;
use std::ptr;
use std::sync::Arc;
use std::sync::atomic::{AtomicI32, Ordering};

use super::types::{refold_execution, refold_json, refold_node, refold_state};
use super::{as_ptr, clone_arc, free, guard, into_raw, read, string_in, string_out};
use crate::error::{Error, ErrorKind};
use crate::execution::{Execution, NODE_MEMORY, Node, NodeView, ParseErrorKind};
use crate::json::LazyValue;
use crate::state::State;

/// An execution, with the views that C holds pointers to.
pub(crate) struct ExecutionHandle {
    nodes: Vec<NodeHandle>,
    state: KnownState,
    document: LazyValue<'static>,
    /// What the views above borrow from: dropped after them, as fields are dropped in this order.
    execution: Arc<Execution>,
}

impl ExecutionHandle {
    pub(super) fn new(execution: Arc<Execution>) -> Result<Arc<ExecutionHandle>, Error> {
        // SAFETY: what an `Arc` holds does not move, and this one never changes. The snapshot keeps it for
        // longer than the views that are made from this reference, and C has no pointer that outlives the
        // snapshot.
        let lasting: &'static Execution = unsafe { &*Arc::as_ptr(&execution) };
        let count = lasting.nodes().len();
        let mut nodes = Vec::new();
        nodes.try_reserve_exact(count).map_err(|_| refusal(ParseErrorKind::OutOfMemory))?;
        nodes.extend((0..count).filter_map(|index| lasting.node(index)).map(NodeHandle::new));
        Ok(Arc::new(ExecutionHandle {
            nodes,
            state: KnownState::default(),
            document: LazyValue::new(lasting.body()),
            execution,
        }))
    }

    /// Whether this is a view of the very same execution.
    pub(super) fn is_of(&self, execution: &Arc<Execution>) -> bool {
        Arc::ptr_eq(&self.execution, execution)
    }
}

/// The error for what cannot be made an execution.
pub(super) fn refusal(why: ParseErrorKind) -> Error {
    ErrorKind::from(why).into()
}

/// What a text means, once somebody has asked: who asks in a loop need not wait for texts to be compared.
#[derive(Default)]
struct KnownState(AtomicI32);

impl KnownState {
    /// 0 stands for what is not known yet, so one more is kept.
    fn get(&self, make: impl FnOnce() -> State) -> refold_state {
        match self.0.load(Ordering::Relaxed) {
            0 => {
                let state = make() as refold_state;
                self.0.store(state + 1, Ordering::Relaxed);
                state
            }
            kept => kept - 1,
        }
    }
}

/// What a pointer to a node points at.
pub(crate) struct NodeHandle {
    node: NodeView<'static>,
    state: KnownState,
    whole: LazyValue<'static>,
    latest_output: Option<LazyValue<'static>>,
    input_data: Option<LazyValue<'static>>,
}

const _: () = assert!(size_of::<Node>() + size_of::<NodeHandle>() <= NODE_MEMORY);

impl NodeHandle {
    fn new(node: NodeView<'static>) -> NodeHandle {
        NodeHandle {
            node,
            state: KnownState::default(),
            whole: LazyValue::new(node.json()),
            latest_output: node.latest_output().map(LazyValue::new),
            input_data: node.input_data().map(LazyValue::new),
        }
    }
}

// Execution -------------------------------------------------------------------------------------------------

/// Adds an owner to an execution: the same snapshot, not a copy, to be freed once more with
/// refold_execution_free().
///
/// This keeps an execution that a progress callback was shown. Returns `execution`, or NULL for NULL.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn refold_execution_retain(
    execution: *const refold_execution,
) -> *mut refold_execution {
    // SAFETY: from C, as the header demands it.
    guard(ptr::null_mut(), || unsafe { clone_arc(execution) }.map_or(ptr::null_mut(), into_raw))
}

/// Gives up one owner's hold on an execution; the last one frees it, with its nodes, JSON values and strings.
/// NULL is ignored.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn refold_execution_free(execution: *mut refold_execution) {
    // SAFETY: from C, as the header demands it.
    unsafe { free(execution) }
}

/// The field `_id`; when the document has none, the id that was asked for. NULL when there is neither, as
/// there can be after refold_parse_execution().
#[unsafe(no_mangle)]
pub unsafe extern "C" fn refold_execution_id(execution: *const refold_execution) -> *const c_char {
    // SAFETY: from C, as the header demands it.
    unsafe { execution_text(execution, Execution::id) }
}

/// The field `name`, such as "Execution for workflow 6a106ba44480b80424a65289".
#[unsafe(no_mangle)]
pub unsafe extern "C" fn refold_execution_name(execution: *const refold_execution) -> *const c_char {
    // SAFETY: from C, as the header demands it.
    unsafe { execution_text(execution, Execution::name) }
}

/// The field `org_id`: the organisation.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn refold_execution_org_id(execution: *const refold_execution) -> *const c_char {
    // SAFETY: from C, as the header demands it.
    unsafe { execution_text(execution, Execution::org_id) }
}

/// The field `environment`: "test" or "production".
#[unsafe(no_mangle)]
pub unsafe extern "C" fn refold_execution_environment(execution: *const refold_execution) -> *const c_char {
    // SAFETY: from C, as the header demands it.
    unsafe { execution_text(execution, Execution::environment) }
}

/// The field `status`, in the server's own words, such as "RUNNING". NULL only for NULL.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn refold_execution_status(execution: *const refold_execution) -> *const c_char {
    // SAFETY: from C, as the header demands it.
    unsafe { execution_text(execution, Execution::status) }
}

/// What the field `status` means. REFOLD_STATE_UNKNOWN for a text that this version does not know, and for
/// NULL.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn refold_execution_state(execution: *const refold_execution) -> refold_state {
    // SAFETY: from C, as the header demands it.
    unsafe { read(execution, 0, |snapshot| snapshot.state.get(|| snapshot.execution.state())) }
}

/// The field `completion_percentage`: 0 to 100, possibly with decimals, or whatever number the server sends.
/// -1.0 when it is absent, and for NULL.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn refold_execution_completion_percentage(execution: *const refold_execution) -> f64 {
    // SAFETY: from C, as the header demands it.
    unsafe { read(execution, -1.0, |snapshot| snapshot.execution.completion_percentage().unwrap_or(-1.0)) }
}

/// The field `config_id`: the configuration of the workflow.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn refold_execution_config_id(execution: *const refold_execution) -> *const c_char {
    // SAFETY: from C, as the header demands it.
    unsafe { execution_text(execution, Execution::config_id) }
}

/// The field `linked_account_id`: the account that the run acted for.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn refold_execution_linked_account_id(
    execution: *const refold_execution,
) -> *const c_char {
    // SAFETY: from C, as the header demands it.
    unsafe { execution_text(execution, Execution::linked_account_id) }
}

/// The field `createdAt`: when the run began, as RFC 3339 text in UTC.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn refold_execution_created_at(execution: *const refold_execution) -> *const c_char {
    // SAFETY: from C, as the header demands it.
    unsafe { execution_text(execution, Execution::created_at) }
}

/// The number of nodes, in the order in which the run entered them. 0 for NULL.
///
/// A node enters the list when the run reaches it, so a later snapshot may have more.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn refold_execution_node_count(execution: *const refold_execution) -> usize {
    // SAFETY: from C, as the header demands it.
    unsafe { read(execution, 0, |snapshot| snapshot.nodes.len()) }
}

/// The node at a position counted from 0. NULL when there is none.
///
/// The node lives until the execution is freed. Positions are those of the array `nodes` in the document; an
/// element that is not an object is a node with nothing in it.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn refold_execution_node(
    execution: *const refold_execution,
    index: usize,
) -> *const refold_node {
    // SAFETY: from C, as the header demands it.
    unsafe { read(execution, ptr::null(), |snapshot| as_ptr(snapshot.nodes.get(index))) }
}

/// The node with an id; of several with the same id, the first. NULL when there is none, and when `node_id`
/// is NULL.
///
/// The node lives until the execution is freed. Fast in large executions, too.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn refold_execution_node_by_id(
    execution: *const refold_execution,
    node_id: *const c_char,
) -> *const refold_node {
    // SAFETY: from C, as the header demands it.
    unsafe {
        read(execution, ptr::null(), |snapshot| {
            let index = string_in(node_id).and_then(|id| snapshot.execution.node_by_id(id));
            as_ptr(index.and_then(|index| snapshot.nodes.get(index)))
        })
    }
}

/// The whole document, with the fields that this header has no function for. NULL only for NULL.
///
/// It lives until the execution is freed.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn refold_execution_json(execution: *const refold_execution) -> *const refold_json {
    // SAFETY: from C, as the header demands it.
    unsafe { read(execution, ptr::null(), |snapshot| as_ptr(Some(&snapshot.document))) }
}

/// # Safety
/// As for [`read`].
unsafe fn execution_text(
    execution: *const refold_execution,
    field: impl FnOnce(&Execution) -> Option<&[u8]>,
) -> *const c_char {
    // SAFETY: as this function's caller promised.
    unsafe { read(execution, ptr::null(), |snapshot| string_out(field(&snapshot.execution))) }
}

// Node ------------------------------------------------------------------------------------------------------

/// The field `node_id`, which is unique in its execution.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn refold_node_id(node: *const refold_node) -> *const c_char {
    // SAFETY: from C, as the header demands it.
    unsafe { node_text(node, NodeView::id) }
}

/// The field `node_name`, for people.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn refold_node_name(node: *const refold_node) -> *const c_char {
    // SAFETY: from C, as the header demands it.
    unsafe { node_text(node, NodeView::name) }
}

/// The field `node_type`, such as "start".
#[unsafe(no_mangle)]
pub unsafe extern "C" fn refold_node_type(node: *const refold_node) -> *const c_char {
    // SAFETY: from C, as the header demands it.
    unsafe { node_text(node, NodeView::node_type) }
}

/// The field `node_status`, in the server's own words, such as "Success".
#[unsafe(no_mangle)]
pub unsafe extern "C" fn refold_node_status(node: *const refold_node) -> *const c_char {
    // SAFETY: from C, as the header demands it.
    unsafe { node_text(node, NodeView::status) }
}

/// What the field `node_status` means. REFOLD_STATE_UNKNOWN when it is absent or a text that this version
/// does not know, and for NULL.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn refold_node_state(node: *const refold_node) -> refold_state {
    // SAFETY: from C, as the header demands it.
    unsafe { read(node, 0, |handle| handle.state.get(|| handle.node.state())) }
}

/// The field `is_batch`. false when it is absent, and for NULL.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn refold_node_is_batch(node: *const refold_node) -> bool {
    // SAFETY: from C, as the header demands it.
    unsafe { read(node, false, |handle| handle.node.is_batch()) }
}

/// The field `attempts_made`. -1 when it is absent or no such count, and for NULL.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn refold_node_attempts_made(node: *const refold_node) -> i64 {
    // SAFETY: from C, as the header demands it.
    unsafe { node_count(node, NodeView::attempts_made) }
}

/// The field `maximum_attempts`. -1 when it is absent or no such count, and for NULL.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn refold_node_maximum_attempts(node: *const refold_node) -> i64 {
    // SAFETY: from C, as the header demands it.
    unsafe { node_count(node, NodeView::maximum_attempts) }
}

/// The field `execution_time`: how long the node ran, in milliseconds. -1 when it is absent or no such count,
/// and for NULL.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn refold_node_execution_time_ms(node: *const refold_node) -> i64 {
    // SAFETY: from C, as the header demands it.
    unsafe { node_count(node, NodeView::execution_time_ms) }
}

/// The field `latest_output`: what the node returned last, JSON of any type and size. NULL when it is absent,
/// and for NULL.
///
/// The value lives until the execution is freed.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn refold_node_latest_output(node: *const refold_node) -> *const refold_json {
    // SAFETY: from C, as the header demands it.
    unsafe { read(node, ptr::null(), |handle| as_ptr(handle.latest_output.as_ref())) }
}

/// The field `input_data`: what the node was given, JSON of any type and size. NULL when it is absent, and
/// for NULL.
///
/// The value lives until the execution is freed.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn refold_node_input_data(node: *const refold_node) -> *const refold_json {
    // SAFETY: from C, as the header demands it.
    unsafe { read(node, ptr::null(), |handle| as_ptr(handle.input_data.as_ref())) }
}

/// The whole node, with the fields that this header has no function for. NULL only for NULL.
///
/// The value lives until the execution is freed.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn refold_node_json(node: *const refold_node) -> *const refold_json {
    // SAFETY: from C, as the header demands it.
    unsafe { read(node, ptr::null(), |handle| as_ptr(Some(&handle.whole))) }
}

/// # Safety
/// As for [`read`].
unsafe fn node_text(
    node: *const refold_node,
    field: impl FnOnce(&NodeView<'static>) -> Option<&'static [u8]>,
) -> *const c_char {
    // SAFETY: as this function's caller promised.
    unsafe { read(node, ptr::null(), |handle| string_out(field(&handle.node))) }
}

/// # Safety
/// As for [`read`].
unsafe fn node_count(node: *const refold_node, field: impl FnOnce(&NodeView<'static>) -> Option<i64>) -> i64 {
    // SAFETY: as this function's caller promised.
    unsafe { read(node, -1, |handle| field(&handle.node).unwrap_or(-1)) }
}
