//! What real responses contain besides what is documented. All of this comes with status 200.

use hyper::body::Bytes;
use serde_json::{Value, json};

use crate::api::Envelope;
use crate::catalog::Entry;
use crate::executions::documented_text;
use crate::faults::LOGIN_PAGE;
use crate::reply::Reply;

/// What a program must not print as it is: an escape sequence that sets the title, one that clears the screen, the
/// controls of C1, DEL, forged lines, line separators and all controls of the direction of text; then, after the bar,
/// characters that are not ASCII and that it should print.
pub const HOSTILE: &str = "Send\u{1b}]2;retitled\u{7}\u{1b}[2J\u{9b}31m\u{85}\u{7f}\r\nForged: COMPLETED\t\u{61c}\u{200e}\u{200f}\
    \u{2028}\u{2029}\u{202a}\u{202b}\u{202c}\u{202d}\u{202e}\u{2066}\u{2067}\u{2068}\u{2069}|\u{e9}\u{3000}\u{a0}\
    \u{200c}\u{200d}\u{ad}\u{65e5}";

pub const ODDITIES: &[Entry] = &[
    // Data of the connected applications, as JavaScript writes it.
    Entry {
        id: "lone-surrogate",
        about: "strings cut in the middle of an emoji",
        respond: |_| {
            execution(
                r#""name":"Execution for workflow \ud83d","nodes":[
                    {"node_id":"1","node_name":"Post \ud83d\ude80 \ud83d","node_status":"Success",
                     "latest_output":{"text":"cut \ud83d","\udc00":"as a key"}}]"#,
            )
        },
    },
    Entry {
        id: "float-integers",
        about: "integers as 403.0, and one as 403.7",
        respond: |_| {
            execution(
                r#""nodes":[
                    {"node_id":"1","node_name":"Start","node_type":"start","node_status":"Success",
                     "attempts_made":1.0,"maximum_attempts":3.0,"execution_time":403.0},
                    {"node_id":"2","node_name":"Code","node_type":"custom_code","node_status":"Success",
                     "attempts_made":1e0,"maximum_attempts":30e-1,"execution_time":403.7}]"#,
            )
        },
    },
    Entry {
        id: "extreme-numbers",
        about: "1e400, negative and huge counts, a percentage with decimals",
        respond: |_| {
            execution(
                r#""completion_percentage":33.333333333333336,"nodes":[
                    {"node_id":"1","attempts_made":-1,"maximum_attempts":99999999999999999999,
                     "execution_time":1e400,
                     "latest_output":{"infinite":1e400,"tiny":1e-400,"zero":-0.0,"max":18446744073709551615,
                         "min":-9223372036854775808,"long":123456789012345678901234567890}}]"#,
            )
        },
    },
    Entry {
        id: "repeated-key",
        about: "repeated keys: the last value counts (COMPLETED, Second)",
        respond: |_| {
            execution(
                r#""status":"RUNNING","name":"First","name":"Second","nodes":[
                    {"node_id":"0","node_id":"1","node_name":"First","node_name":"Second",
                     "node_status":"Ready","node_status":"Success","latest_output":{"a":1,"b":2,"a":3}}
                ],"status":"COMPLETED""#,
            )
        },
    },
    Entry {
        id: "nul-character",
        about: "U+0000 in strings",
        respond: |_| {
            execution(
                r#""name":"before\u0000after","nodes":[
                    {"node_id":"1","node_name":"\u0000","node_status":"Success",
                     "latest_output":{"blob":"a\u0000b","\u0000":"as a key","":"an empty key"}}]"#,
            )
        },
    },
    Entry {
        id: "equal-ids",
        about: "two nodes with the same node_id",
        respond: |_| {
            execution(
                r#""nodes":[
                    {"node_id":"1","node_name":"First","node_status":"Success"},
                    {"node_id":"1","node_name":"Second","node_status":"Success"}]"#,
            )
        },
    },
    Entry {
        id: "outputs-of-all-types",
        about: "latest_output as null, boolean, number, string, array, object, and missing",
        respond: |_| {
            execution(
                r#""nodes":[
                    {"node_id":"1","latest_output":null},
                    {"node_id":"2","latest_output":true},
                    {"node_id":"3","latest_output":12.5},
                    {"node_id":"4","latest_output":"done"},
                    {"node_id":"5","latest_output":[1,"two",[3]]},
                    {"node_id":"6","latest_output":{}},
                    {"node_id":"7"}]"#,
            )
        },
    },
    Entry {
        id: "nearly-complete",
        about: "STOPPED at 99.9999996 percent",
        respond: |_| {
            execution(
                r#""status":"STOPPED","completion_percentage":99.9999996,"nodes":[
                    {"node_id":"1","node_name":"A node with a long name","node_type":"application",
                     "node_status":"Success","attempts_made":1,"maximum_attempts":10,"execution_time":1000000}]"#,
            )
        },
    },
    Entry {
        id: "hostile-text",
        about: "an ERRORED run whose texts control terminals and reorder lines",
        respond: |_| {
            let node = |status: &str, output: Value| {
                json!({"node_id": HOSTILE, "node_name": HOSTILE, "node_type": HOSTILE, "node_status": status,
                    "latest_output": output})
            };
            let nodes = [node("Errored", json!({"error": HOSTILE})), node(HOSTILE, HOSTILE.into())];
            Some(Reply::document(200, &json!({"status": "ERRORED", "name": HOSTILE, "nodes": nodes})))
        },
    },
    // The structure of the response.
    Entry {
        id: "missing-fields",
        about: "nothing but a status",
        respond: |_| body(r#"{"status":"COMPLETED"}"#),
    },
    Entry {
        id: "null-fields",
        about: "null for everything but the status",
        respond: |_| {
            execution(
                r#""name":null,"org_id":null,"environment":null,"completion_percentage":null,
                "config_id":null,"linked_account_id":null,"nodes":null"#,
            )
        },
    },
    Entry {
        id: "null-node-fields",
        about: "a node of nulls and one without a field",
        respond: |_| {
            execution(
                r#""nodes":[
                    {"node_id":null,"node_name":null,"node_type":null,"node_status":null,"is_batch":null,
                     "attempts_made":null,"maximum_attempts":null,"execution_time":null,
                     "latest_output":null,"input_data":null},
                    {}]"#,
            )
        },
    },
    Entry {
        id: "wrong-types",
        about: "fields of other types than documented",
        respond: |_| {
            execution(
                r#""name":42,"org_id":["x"],"environment":true,"completion_percentage":"100","nodes":[
                    {"node_id":1,"node_name":{},"node_type":[],"node_status":0,"is_batch":"false",
                     "attempts_made":"1","execution_time":"403"}]"#,
            )
        },
    },
    Entry { id: "empty-nodes", about: "an empty array of nodes", respond: |_| execution(r#""nodes":[]"#) },
    Entry {
        id: "nodes-object",
        about: "nodes as an object instead of an array",
        respond: |_| execution(r#""nodes":{"1":{"node_id":"1","node_name":"Start"}}"#),
    },
    Entry {
        id: "nodes-text",
        about: "nodes as a string instead of an array",
        respond: |_| execution(r#""nodes":"[]""#),
    },
    Entry {
        id: "odd-elements",
        about: "elements of nodes that are not objects, between two that are",
        respond: |_| execution(r#""nodes":[{"node_id":"1"},null,"2",3,[4],{"node_id":"6"}]"#),
    },
    Entry {
        id: "unknown-status",
        about: "statuses that are not documented: an execution PAUSED, a node Throttled",
        respond: |_| body(r#"{"status":"PAUSED","nodes":[{"node_id":"1","node_status":"Throttled"}]}"#),
    },
    Entry {
        id: "extra-fields",
        about: "fields that are not documented, in the execution and in a node",
        respond: |_| {
            execution(
                r#""_id":"684a1c2f9d3e5b7a60c81d24",
                "associated_workflow":{"_id":"68301f0c2b9a4d6e7f105a83"},
                "associated_application":null,
                "associated_trigger_application":{"name":"Shop","icon":"https://example.com/shop.svg"},
                "associated_event_id":"evt_1",
                "trigger_application_event":"order.paid",
                "type_of_execution":"SYNC",
                "instance_execution_time":4.03,
                "is_child_instance":true,
                "createdAt":"2025-06-02T09:14:07.311Z",
                "updatedAt":"2025-06-02T09:14:11.341Z",
                "completion_time":"2025-06-02T09:14:11.341Z",
                "__v":0,
                "nodes":[
                    {"node_id":"1","node_name":"Start","node_type":"start","node_status":"Success",
                     "is_batch":false,"attempts_made":1,"execution_time":403,"latest_output":{},
                     "retry_policy":{"kind":"exponential"},"children":[{"node_id":"1.1"}]}]"#,
            )
        },
    },
    // Not an execution, in spite of the status 200.
    Entry {
        id: "no-status",
        about: "an object without a status",
        respond: |_| body(r#"{"name":"x","nodes":[]}"#),
    },
    Entry {
        id: "null-status",
        about: "a status that is null",
        respond: |_| body(r#"{"status":null,"nodes":[]}"#),
    },
    Entry { id: "json-array", about: "an array", respond: |_| body(r#"[{"status":"COMPLETED"}]"#) },
    Entry { id: "json-null", about: "null", respond: |_| body("null") },
    Entry {
        id: "envelope-200",
        about: "an error envelope under the status 200",
        respond: |_| Some(Envelope { status: 200, ..Envelope::new(404, "Execution not found") }.reply()),
    },
    Entry { id: "html-200", about: "a login page in HTML", respond: |_| Some(Reply::html(200, LOGIN_PAGE)) },
    Entry { id: "empty-200", about: "an empty body", respond: |_| body("") },
    Entry {
        id: "cut-json",
        about: "JSON that ends in the middle, in a complete body",
        respond: |_| body(&documented_text()[..documented_text().len() / 2]),
    },
    Entry {
        id: "two-documents",
        about: "an execution followed by another one",
        respond: |_| body(r#"{"status":"COMPLETED"}{"status":"ERRORED"}"#),
    },
    Entry {
        id: "byte-order-mark",
        about: "a byte order mark before the JSON",
        respond: |_| body("\u{feff}{\"status\":\"COMPLETED\"}"),
    },
    Entry {
        id: "not-utf8",
        about: "a string in ISO 8859-1",
        respond: |_| {
            Some(Reply::json(200, Bytes::from_static(b"{\"status\":\"COMPLETED\",\"name\":\"K\xf6ln\"}")))
        },
    },
];

/// An execution that is COMPLETED, unless `fields` contain a status.
fn execution(fields: &'static str) -> Option<Reply> {
    if fields.contains(r#""status":"#) {
        return Some(Reply::json(200, format!("{{{fields}}}")));
    }
    Some(Reply::json(200, format!(r#"{{"status":"COMPLETED",{fields}}}"#)))
}

fn body(text: &'static str) -> Option<Reply> {
    Some(Reply::json(200, text))
}
