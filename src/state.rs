//! The state of an execution or a node, on one scale for both.

use std::ffi::CStr;

/// The state of an execution or a node.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(i32)]
pub enum State {
    /// The text is absent, or this version does not know it.
    Unknown = 0,
    /// A node that has not started.
    Ready = 1,
    /// An execution in progress.
    Running = 2,
    /// A node that is waiting for something.
    Waiting = 3,
    /// An execution that has been asked to stop.
    Stopping = 4,
    /// Ended successfully.
    Completed = 5,
    /// Ended with an error.
    Errored = 6,
    /// A node that ended with an error, while the execution went on without it.
    Skipped = 7,
    /// Was stopped.
    Stopped = 8,
    /// Exceeded its time limit.
    TimedOut = 9,
    /// A node that was rejected.
    Rejected = 10,
}

/// A state with its name, and the texts of `status` and `node_status` that mean it.
struct Row(State, &'static CStr, Option<&'static str>, Option<&'static str>);

/// In the order of the states' numbers.
const TABLE: [Row; 11] = [
    Row(State::Unknown, c"UNKNOWN", None, None),
    Row(State::Ready, c"READY", None, Some("Ready")),
    Row(State::Running, c"RUNNING", Some("RUNNING"), None),
    Row(State::Waiting, c"WAITING", None, Some("Waiting")),
    Row(State::Stopping, c"STOPPING", Some("STOPPING"), None),
    Row(State::Completed, c"COMPLETED", Some("COMPLETED"), Some("Success")),
    Row(State::Errored, c"ERRORED", Some("ERRORED"), Some("Errored")),
    Row(State::Skipped, c"SKIPPED", None, Some("Errored_and_Skipped")),
    Row(State::Stopped, c"STOPPED", Some("STOPPED"), Some("Stopped")),
    Row(State::TimedOut, c"TIMED_OUT", Some("TIMED_OUT"), Some("Timed_Out")),
    Row(State::Rejected, c"REJECTED", None, Some("Rejected")),
];

impl State {
    /// The state that an execution's `status` means. The text must match exactly.
    pub fn of_execution(status: &str) -> State {
        State::find(|Row(_, _, execution, _)| *execution == Some(status))
    }

    /// The state that a node's `node_status` means. The text must match exactly.
    pub fn of_node(node_status: &str) -> State {
        State::find(|Row(_, _, _, node)| *node == Some(node_status))
    }

    /// The state with this number, or `Unknown` if there is none.
    pub fn from_raw(raw: i32) -> State {
        State::find(|Row(state, ..)| *state as i32 == raw)
    }

    fn find(matches: impl Fn(&Row) -> bool) -> State {
        TABLE.iter().find(|row| matches(row)).map_or(State::Unknown, |Row(state, ..)| *state)
    }

    /// Whether the state cannot change any more.
    pub fn is_final(self) -> bool {
        self as i32 >= State::Completed as i32
    }

    /// Whether the state is final, and not the successful one.
    pub fn is_failure(self) -> bool {
        self.is_final() && self != State::Completed
    }

    /// The name on the common scale, such as `COMPLETED`.
    pub fn name(self) -> &'static CStr {
        TABLE.iter().find(|Row(state, ..)| *state == self).map_or(c"UNKNOWN", |Row(_, name, ..)| name)
    }
}

#[cfg(test)]
mod tests {
    use super::State;

    /// Text of an execution, text of a node, the state, its number, its name, whether it is final.
    const SCALE: [(&str, &str, State, i32, &str, bool); 11] = [
        ("", "", State::Unknown, 0, "UNKNOWN", false),
        ("", "Ready", State::Ready, 1, "READY", false),
        ("RUNNING", "", State::Running, 2, "RUNNING", false),
        ("", "Waiting", State::Waiting, 3, "WAITING", false),
        ("STOPPING", "", State::Stopping, 4, "STOPPING", false),
        ("COMPLETED", "Success", State::Completed, 5, "COMPLETED", true),
        ("ERRORED", "Errored", State::Errored, 6, "ERRORED", true),
        ("", "Errored_and_Skipped", State::Skipped, 7, "SKIPPED", true),
        ("STOPPED", "Stopped", State::Stopped, 8, "STOPPED", true),
        ("TIMED_OUT", "Timed_Out", State::TimedOut, 9, "TIMED_OUT", true),
        ("", "Rejected", State::Rejected, 10, "REJECTED", true),
    ];

    #[test]
    fn every_text_maps_to_its_state() {
        for (execution, node, state, number, name, is_final) in SCALE {
            if !execution.is_empty() {
                assert_eq!(State::of_execution(execution), state);
                assert_eq!(State::of_node(execution), State::Unknown, "{execution} as a node's text");
            }
            if !node.is_empty() {
                assert_eq!(State::of_node(node), state);
                assert_eq!(State::of_execution(node), State::Unknown, "{node} as an execution's text");
            }
            assert_eq!(state as i32, number);
            assert_eq!(State::from_raw(number), state);
            assert_eq!(state.name().to_str(), Ok(name));
            assert_eq!(state.is_final(), is_final, "{name}");
            assert_eq!(state.is_failure(), is_final && name != "COMPLETED", "{name}");
        }
    }

    #[test]
    fn other_texts_and_numbers_are_unknown() {
        for text in
            ["", "completed", "Completed", " COMPLETED", "COMPLETED\0", "success", "Errored_And_Skipped"]
        {
            assert_eq!(State::of_execution(text), State::Unknown, "{text:?}");
            assert_eq!(State::of_node(text), State::Unknown, "{text:?}");
        }
        for number in [-1, 11, i32::MIN, i32::MAX] {
            assert_eq!(State::from_raw(number), State::Unknown);
        }
    }
}
