//! `refold_state`: the state of an execution or a node.

use std::ffi::c_char;

use super::guard::guard;
use crate::state::State;

/// The state of an execution or a node: the server's texts `status` and `node_status`, mapped to one scale.
///
/// A text that this version does not know maps to REFOLD_STATE_UNKNOWN. refold_execution_status() and
/// refold_node_status() return the text itself.
pub type refold_state = i32;

/// The values of refold_state.
#[repr(C)]
pub enum refold_state_value {
    /// The status is absent, or unknown to this version.
    REFOLD_STATE_UNKNOWN = 0,
    /// Not started. Node: "Ready".
    REFOLD_STATE_READY = 1,
    /// In progress. Execution: "RUNNING".
    REFOLD_STATE_RUNNING = 2,
    /// Waiting for something. Node: "Waiting".
    REFOLD_STATE_WAITING = 3,
    /// Requested to stop, but not stopped yet. Execution: "STOPPING".
    REFOLD_STATE_STOPPING = 4,
    /// Completed successfully; final. Execution: "COMPLETED"; node: "Success".
    REFOLD_STATE_COMPLETED = 5,
    /// Failed; final. Execution: "ERRORED"; node: "Errored".
    REFOLD_STATE_ERRORED = 6,
    /// Failed, and the run continued without it; final. Node: "Errored_and_Skipped".
    REFOLD_STATE_SKIPPED = 7,
    /// Stopped; final. Execution: "STOPPED"; node: "Stopped".
    REFOLD_STATE_STOPPED = 8,
    /// Timed out; final. Execution: "TIMED_OUT"; node: "Timed_Out".
    REFOLD_STATE_TIMED_OUT = 9,
    /// Rejected; final. Node: "Rejected".
    REFOLD_STATE_REJECTED = 10,
}

/// Returns whether a state is final, that is, will not change any more.
///
/// \param state  Any number.
/// \return true for the states documented as final; false for all others and for any number that is not a
///         state.
#[unsafe(no_mangle)]
pub extern "C" fn refold_state_is_final(state: refold_state) -> bool {
    guard(false, || State::from_raw(state).is_final())
}

/// Returns whether a state is a failure, that is, final and not REFOLD_STATE_COMPLETED.
///
/// The output of a node in such a state usually explains it; see refold_node_latest_output(). An execution may
/// be COMPLETED although a node failed, which is then REFOLD_STATE_SKIPPED.
///
/// \param state  Any number.
/// \return true for REFOLD_STATE_ERRORED, REFOLD_STATE_SKIPPED, REFOLD_STATE_STOPPED, REFOLD_STATE_TIMED_OUT
///         and REFOLD_STATE_REJECTED; false for all others and for any number that is not a state.
#[unsafe(no_mangle)]
pub extern "C" fn refold_state_is_failure(state: refold_state) -> bool {
    guard(false, || State::from_raw(state).is_failure())
}

/// Returns the name of a state for messages and logs: its enumerator without the prefix, such as "COMPLETED".
///
/// \param state  Any number.
/// \return A string that is valid for the lifetime of the process; never NULL. "UNKNOWN" for any number that
///         is not a state.
#[unsafe(no_mangle)]
pub extern "C" fn refold_state_name(state: refold_state) -> *const c_char {
    guard(c"UNKNOWN".as_ptr(), || State::from_raw(state).name().as_ptr())
}
