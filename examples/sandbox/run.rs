//! A run, finished or in progress.

use std::time::{Duration, SystemTime};

use serde::ser::Error;
use serde::{Serialize, Serializer};
use serde_json::value::RawValue;

use crate::catalog::Call;
use crate::clock::rfc3339;
use crate::reply::Reply;
use crate::settings::Settings;

/// An execution as the server describes it.
#[derive(Serialize)]
struct Execution<'a> {
    #[serde(rename = "_id")]
    id: &'a str,
    name: &'static str,
    org_id: &'static str,
    associated_workflow: Workflow,
    environment: &'static str,
    type_of_execution: &'static str,
    is_child_instance: bool,
    status: &'static str,
    #[serde(serialize_with = "as_in_javascript")]
    completion_percentage: f64,
    config_id: &'a str,
    linked_account_id: &'a str,
    #[serde(rename = "createdAt")]
    created_at: String,
    #[serde(rename = "updatedAt")]
    updated_at: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    completion_time: Option<&'a str>,
    nodes: &'a [Node],
}

#[derive(Serialize)]
struct Workflow {
    #[serde(rename = "_id")]
    id: &'static str,
    name: &'static str,
}

/// A node as the server describes it.
#[derive(Clone, Copy, Serialize)]
pub struct Node {
    #[serde(rename = "node_id")]
    pub id: &'static str,
    #[serde(rename = "node_name")]
    pub name: &'static str,
    #[serde(rename = "node_type")]
    pub kind: &'static str,
    #[serde(rename = "node_status")]
    pub status: &'static str,
    pub is_batch: bool,
    #[serde(rename = "attempts_made")]
    pub attempts: u32,
    pub maximum_attempts: u32,
    /// Milliseconds; absent until the node has ended.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub execution_time: Option<u64>,
    /// JSON.
    #[serde(rename = "input_data", serialize_with = "as_json")]
    pub input: &'static str,
    /// JSON.
    #[serde(rename = "latest_output", serialize_with = "as_json")]
    pub output: &'static str,
}

/// JavaScript writes a whole number without decimals.
fn as_in_javascript<S: Serializer>(number: &f64, serializer: S) -> Result<S::Ok, S::Error> {
    if number.fract() == 0.0 {
        serializer.serialize_u64(*number as u64)
    } else {
        serializer.serialize_f64(*number)
    }
}

fn as_json<S: Serializer>(text: &str, serializer: S) -> Result<S::Ok, S::Error> {
    serde_json::from_str::<&RawValue>(text).map_err(S::Error::custom)?.serialize(serializer)
}

impl Node {
    /// The node, not yet ended.
    const fn unfinished(self, status: &'static str, attempts: u32) -> Node {
        Node { status, attempts, execution_time: None, output: "null", ..self }
    }
}

/// The workflow of all runs: it turns the paid orders of a shop into invoices.
pub const WORKFLOW: [Node; 8] = [
    Node {
        id: "1",
        name: "Start",
        kind: "start",
        status: "Success",
        is_batch: false,
        attempts: 1,
        maximum_attempts: 1,
        execution_time: Some(403),
        input: "{}",
        output: r#"{
            "message":"Workflow started successfully","node_id":"1","node_type":"start","status":"initialized"
        }"#,
    },
    Node {
        id: "2",
        name: "Get new orders",
        kind: "application",
        status: "Success",
        is_batch: false,
        attempts: 1,
        maximum_attempts: 3,
        execution_time: Some(1240),
        input: r#"{"since":"2025-06-02T00:00:00.000Z","limit":50}"#,
        output: r#"{"orders":[
            {"id":450789469,"number":"1001","paid":true,"total":"409.94","currency":"EUR",
             "customer":{"name":"Zoë Müller","email":"zoe@example.com"}},
            {"id":450789470,"number":"1002","paid":false,"total":"19.00","currency":"EUR",
             "customer":{"name":"山田 太郎","email":"taro@example.com"}}
        ],"next_page":null}"#,
    },
    Node {
        id: "3",
        name: "Only paid orders",
        kind: "rule",
        status: "Success",
        is_batch: false,
        attempts: 1,
        maximum_attempts: 1,
        execution_time: Some(12),
        input: r#"{"field":"paid","operator":"equals","value":true}"#,
        output: r#"{"matched":1,"dropped":1}"#,
    },
    Node {
        id: "4",
        name: "Look up tax rates",
        kind: "http_request",
        status: "Success",
        is_batch: false,
        attempts: 2,
        maximum_attempts: 3,
        execution_time: Some(2871),
        input: r#"{"method":"GET","url":"https://tax.example.com/rates?country=DE"}"#,
        output: r#"{
            "status":200,"headers":{"content-type":"application/json"},"body":{"standard":0.19,"reduced":0.07}
        }"#,
    },
    Node {
        id: "5",
        name: "Build invoices",
        kind: "custom_code",
        status: "Success",
        is_batch: true,
        attempts: 1,
        maximum_attempts: 1,
        execution_time: Some(86),
        input: r#"{"orders":1}"#,
        output: r#"[
            {"order":450789469,"net":344.49,"tax":65.45,"gross":409.94,"lines":["Notebook ✏️ × 2","Shipping"]}
        ]"#,
    },
    Node {
        id: "6",
        name: "Create invoices",
        kind: "application",
        status: "Success",
        is_batch: true,
        attempts: 1,
        maximum_attempts: 5,
        execution_time: Some(3518),
        input: r#"{"invoices":1,"send":true}"#,
        output: r#"{
            "created":[{"invoice_id":"INV-2025-0042","url":"https://invoices.example.com/INV-2025-0042"}],
            "failed":[]
        }"#,
    },
    Node {
        id: "7",
        name: "Wait for approval",
        kind: "human_approval",
        status: "Success",
        is_batch: false,
        attempts: 1,
        maximum_attempts: 1,
        execution_time: Some(61_204),
        input: r#"{"approvers":["finance@example.com"],"reminder_after":"PT1H"}"#,
        output: r#"{"approved":true,"approved_by":"finance@example.com","comment":""}"#,
    },
    Node {
        id: "8",
        name: "Post to the channel",
        kind: "application",
        status: "Success",
        is_batch: false,
        attempts: 1,
        maximum_attempts: 3,
        execution_time: Some(655),
        input: r#"{"channel":"sales","text":"1 invoice sent 🎉"}"#,
        output: r#"{"ok":true,"ts":"1748855653.000100"}"#,
    },
];

const CREATE_INVOICES: usize = 5;
const APPROVAL: usize = 6;

/// A node that failed: its `latest_output` describes the failure of the connected application.
const INVOICES_FAILED: Node = Node {
    status: "Errored",
    attempts: 5,
    execution_time: Some(15_932),
    output: r#"{"error":{
        "status_code":422,"error_code":"EXTERNAL_API_ERROR","message":"The customer has no billing address",
        "details":[{"field":"customer.address","problem":"required"}]
    }}"#,
    ..WORKFLOW[CREATE_INVOICES]
};

const REFUSED: Node = Node {
    status: "Rejected",
    output: r#"{"approved":false,"approved_by":"finance@example.com","comment":"Wrong tax rate"}"#,
    ..WORKFLOW[APPROVAL]
};

/// The state of a run at one moment.
pub struct Snapshot {
    status: &'static str,
    percentage: f64,
    nodes: Vec<Node>,
}

/// The state of a run that does not progress.
pub enum Ending {
    Completed,
    Errored,
    Stopped,
    TimedOut,
    Rejected,
    /// Not an end: the run stays in this state.
    Stuck,
}

impl Ending {
    pub fn snapshot(&self) -> Snapshot {
        let percentage = |ended: usize| ended as f64 * 100.0 / WORKFLOW.len() as f64;
        let (status, ended, rest) = match self {
            Ending::Completed => ("COMPLETED", 8, vec![]),
            Ending::Errored => {
                let skipped = WORKFLOW[6].unfinished("Errored_and_Skipped", 0);
                ("ERRORED", 5, vec![INVOICES_FAILED, skipped, WORKFLOW[7].unfinished("Waiting", 0)])
            }
            Ending::Stopped => ("STOPPED", 4, vec![WORKFLOW[4].unfinished("Stopped", 1)]),
            Ending::TimedOut => ("TIMED_OUT", 6, vec![WORKFLOW[6].unfinished("Timed_Out", 1)]),
            Ending::Rejected => ("STOPPED", 6, vec![REFUSED]),
            Ending::Stuck => ("RUNNING", 3, vec![WORKFLOW[3].unfinished("Ready", 1)]),
        };
        let nodes = WORKFLOW[..ended].iter().copied().chain(rest).collect();
        Snapshot { status, percentage: percentage(ended), nodes }
    }
}

/// The response for a run that does not progress.
pub fn still(call: &Call, ending: Ending) -> Option<Reply> {
    let duration = Duration::from_millis(WORKFLOW.iter().filter_map(|node| node.execution_time).sum());
    // 2 June 2025, 09:14:07.311 UTC.
    let created = SystemTime::UNIX_EPOCH + Duration::from_millis(1_748_855_647_311);
    Some(reply(call, &ending.snapshot(), created, created + duration))
}

/// How a run that progresses ends.
#[derive(Clone, Copy, PartialEq)]
pub enum Outcome {
    Completed,
    /// The node that creates invoices fails.
    Errored,
    /// It is being stopped from the start, and ends after the fourth node.
    Stopped,
}

impl Outcome {
    /// How many nodes end before the run does.
    const fn last(self) -> usize {
        match self {
            Outcome::Completed => WORKFLOW.len(),
            Outcome::Errored => CREATE_INVOICES + 1,
            Outcome::Stopped => WORKFLOW.len() / 2,
        }
    }
}

/// The response for a run that progresses from the first request for its id on. It changes only when a node ends.
pub fn progressing(call: &Call, outcome: Outcome) -> Option<Reply> {
    let Settings { run_time, rest_time, .. } = call.sandbox.settings;
    let share = run_time / WORKFLOW.len() as u32;
    let last = outcome.last();
    let (created, elapsed) = call.sandbox.run_clock(call.id, share * last as u32 + rest_time);
    let ended = match last.min((elapsed.as_nanos() / share.as_nanos().max(1)) as usize) {
        // While a run is being stopped, no node ends but its last.
        ended if outcome == Outcome::Stopped && ended < last => 0,
        ended => ended,
    };
    Some(reply(call, &progress(outcome, ended), created, created + share * ended as u32))
}

/// The run after `ended` of its nodes have ended.
fn progress(outcome: Outcome, ended: usize) -> Snapshot {
    let is_over = ended == outcome.last();
    match outcome {
        Outcome::Completed if is_over => Ending::Completed.snapshot(),
        Outcome::Errored if is_over => Ending::Errored.snapshot(),
        Outcome::Stopped if is_over => Ending::Stopped.snapshot(),
        Outcome::Stopped => Snapshot { status: "STOPPING", ..Ending::Stuck.snapshot() },
        Outcome::Completed | Outcome::Errored => {
            let entered = if ended == APPROVAL { "Waiting" } else { "Ready" };
            let nodes = WORKFLOW[..ended].iter().copied().chain([WORKFLOW[ended].unfinished(entered, 1)]);
            let percentage = ended as f64 * 100.0 / WORKFLOW.len() as f64;
            Snapshot { status: "RUNNING", percentage, nodes: nodes.collect() }
        }
    }
}

fn reply(call: &Call, snapshot: &Snapshot, created: SystemTime, updated: SystemTime) -> Reply {
    let account = &call.sandbox.settings.linked_account;
    let updated = rfc3339(updated);
    Reply::document(
        200,
        &Execution {
            id: call.id,
            name: "Execution for workflow 68301f0c2b9a4d6e7f105a83",
            org_id: "6500a1b2c3d4e5f6a7b8c9d0",
            associated_workflow: Workflow { id: "68301f0c2b9a4d6e7f105a83", name: "Orders to invoices" },
            environment: "test",
            type_of_execution: "ASYNC",
            is_child_instance: false,
            status: snapshot.status,
            completion_percentage: snapshot.percentage,
            config_id: account,
            linked_account_id: account,
            created_at: rfc3339(created),
            updated_at: &updated,
            completion_time: (snapshot.status == "COMPLETED").then_some(&*updated),
            nodes: &snapshot.nodes,
        },
    )
}
