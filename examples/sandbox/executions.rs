//! The executions.

use crate::catalog::Entry;
use crate::large;
use crate::reply::Reply;
use crate::run::{Ending, Outcome, progressing, still};

/// The documented example, byte for byte.
const DOCUMENTED: &str = r#"{
  "name": "Execution for workflow 6a106ba44480b80424a65289",
  "org_id": "6500a1b2c3d4e5f6a7b8c9d0",
  "environment": "test",
  "status": "COMPLETED",
  "completion_percentage": 100,
  "config_id": "user_12345",
  "linked_account_id": "user_12345",
  "nodes": [
    {
      "node_id": "1",
      "node_name": "Start",
      "node_type": "start",
      "node_status": "Success",
      "is_batch": false,
      "attempts_made": 1,
      "execution_time": 403,
      "latest_output": {
        "message": "Workflow started successfully",
        "node_id": "1",
        "node_type": "start",
        "status": "initialized"
      }
    }
  ]
}
"#;

pub const EXECUTIONS: &[Entry] = &[
    Entry {
        id: "6a106ba44480b80424a65289",
        about: "the documented example, byte for byte",
        respond: |_| Some(documented()),
    },
    Entry {
        id: "completed",
        about: "COMPLETED: 8 nodes of several types, one with two attempts",
        respond: |call| still(call, Ending::Completed),
    },
    Entry {
        id: "running[-<name>]",
        about: "RUNNING from its first request on, COMPLETED after --run-seconds",
        respond: |call| progressing(call, Outcome::Completed),
    },
    Entry {
        id: "failing[-<name>]",
        about: "the same, but its sixth node fails and it becomes ERRORED",
        respond: |call| progressing(call, Outcome::Errored),
    },
    Entry {
        id: "stopping[-<name>]",
        about: "STOPPING, and STOPPED after half of --run-seconds",
        respond: |call| progressing(call, Outcome::Stopped),
    },
    Entry {
        id: "stuck",
        about: "RUNNING for ever, every response the same",
        respond: |call| still(call, Ending::Stuck),
    },
    Entry {
        id: "errored",
        about: "ERRORED: a node with an error output, the next skipped, the last waiting",
        respond: |call| still(call, Ending::Errored),
    },
    Entry { id: "stopped", about: "STOPPED in its fifth node", respond: |call| still(call, Ending::Stopped) },
    Entry {
        id: "timed-out",
        about: "TIMED_OUT while it waited for an approval",
        respond: |call| still(call, Ending::TimedOut),
    },
    Entry {
        id: "rejected",
        about: "STOPPED because the approval was Rejected",
        respond: |call| still(call, Ending::Rejected),
    },
    Entry {
        id: "large[-<bytes>]",
        about: "4096 to 1000000000 bytes, 10000000 by default, in 8 nodes with nested outputs",
        respond: |call| match call.parameter {
            "" => large::large(10_000_000),
            bytes => large::large(bytes.parse().ok()?),
        },
    },
    Entry {
        id: "nodes-<count>",
        about: "0 to 1000000 small nodes, chunked",
        respond: |call| large::many_nodes(call.parameter.parse().ok()?),
    },
    Entry {
        id: "deep-<levels>",
        about: "an output of 1 to 10000000 nested arrays",
        respond: |call| large::deep(call.parameter.parse().ok()?, "[", "]"),
    },
    Entry {
        id: "deep-objects-<levels>",
        about: "an output of 1 to 10000000 nested objects",
        respond: |call| large::deep(call.parameter.parse().ok()?, "{\"in\":", "}"),
    },
];

pub fn documented_text() -> &'static str {
    DOCUMENTED
}

pub fn documented() -> Reply {
    Reply::json(200, DOCUMENTED)
}
