//! The state of an execution or a node.

use std::ffi::c_char;

use super::guard;
use super::types::refold_state;
use crate::state::State;

/// Whether a state will not change any more. false for REFOLD_STATE_UNKNOWN and for any other number.
#[unsafe(no_mangle)]
pub extern "C" fn refold_state_is_final(state: refold_state) -> bool {
    guard(false, || State::from_raw(state).is_final())
}

/// The name of a state for people and logs, like the enumerator without its prefix: "COMPLETED", "TIMED_OUT".
/// "UNKNOWN" for any other number.
///
/// Never NULL. The string lives as long as the process.
#[unsafe(no_mangle)]
pub extern "C" fn refold_state_name(state: refold_state) -> *const c_char {
    guard(c"UNKNOWN".as_ptr(), || State::from_raw(state).name().as_ptr())
}
