//! What the texts `status` and `node_status` mean, on one scale.

use std::ffi::CStr;

/// Where an execution or a node stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(i32)]
pub enum State {
    /// Absent, or a text that this version does not know.
    Unknown = 0,
    /// A node that can start.
    Ready = 1,
    /// An execution under way.
    Running = 2,
    /// A node that waits for something.
    Waiting = 3,
    /// An execution that was told to stop.
    Stopping = 4,
    /// Done, as intended.
    Completed = 5,
    /// Failed.
    Errored = 6,
    /// A node that failed and was passed over.
    Skipped = 7,
    /// Stopped by somebody.
    Stopped = 8,
    /// Ran out of time.
    TimedOut = 9,
    /// A node whose input was refused.
    Rejected = 10,
}

const NAMES: [(State, &CStr); 11] = [
    (State::Unknown, c"UNKNOWN"),
    (State::Ready, c"READY"),
    (State::Running, c"RUNNING"),
    (State::Waiting, c"WAITING"),
    (State::Stopping, c"STOPPING"),
    (State::Completed, c"COMPLETED"),
    (State::Errored, c"ERRORED"),
    (State::Skipped, c"SKIPPED"),
    (State::Stopped, c"STOPPED"),
    (State::TimedOut, c"TIMED_OUT"),
    (State::Rejected, c"REJECTED"),
];

impl State {
    /// What an execution's `status` means. Only the exact text counts.
    pub fn of_execution(status: &str) -> State {
        match status {
            "RUNNING" => State::Running,
            "STOPPING" => State::Stopping,
            "COMPLETED" => State::Completed,
            "ERRORED" => State::Errored,
            "STOPPED" => State::Stopped,
            "TIMED_OUT" => State::TimedOut,
            _ => State::Unknown,
        }
    }

    /// What a node's `node_status` means. Only the exact text counts.
    pub fn of_node(node_status: &str) -> State {
        match node_status {
            "Ready" => State::Ready,
            "Waiting" => State::Waiting,
            "Success" => State::Completed,
            "Errored" => State::Errored,
            "Errored_and_Skipped" => State::Skipped,
            "Stopped" => State::Stopped,
            "Timed_Out" => State::TimedOut,
            "Rejected" => State::Rejected,
            _ => State::Unknown,
        }
    }

    /// The state with this number; `Unknown` for any other number.
    pub fn from_raw(raw: i32) -> State {
        NAMES.iter().map(|(state, _)| *state).find(|state| *state as i32 == raw).unwrap_or(State::Unknown)
    }

    /// Whether nothing more is going to happen.
    pub fn is_final(self) -> bool {
        self as i32 >= State::Completed as i32
    }

    /// The name on the common scale, such as `COMPLETED`.
    pub fn name(self) -> &'static CStr {
        NAMES.iter().find(|(state, _)| *state == self).map_or(c"UNKNOWN", |(_, name)| name)
    }
}

#[cfg(test)]
mod tests {
    use super::State;

    /// Text of an execution, text of a node, what both mean, its number, its name, whether it is final.
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
    fn every_text_has_its_place_on_the_scale() {
        for (execution, node, state, number, name, is_final) in SCALE {
            if !execution.is_empty() {
                assert_eq!(State::of_execution(execution), state);
                assert_eq!(State::of_node(execution), State::Unknown, "{execution} is no node's text");
            }
            if !node.is_empty() {
                assert_eq!(State::of_node(node), state);
                assert_eq!(State::of_execution(node), State::Unknown, "{node} is no execution's text");
            }
            assert_eq!(state as i32, number);
            assert_eq!(State::from_raw(number), state);
            assert_eq!(state.name().to_str(), Ok(name));
            assert_eq!(state.is_final(), is_final, "{name}");
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
