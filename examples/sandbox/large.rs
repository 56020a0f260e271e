//! Executions of any size, generated while they are sent: none is ever complete in memory.

use std::iter;

use hyper::body::Bytes;

use serde::Serialize;

use crate::reply::{Reply, ScriptedBody, Step};

const NODES: u64 = 8;
const MIN_SIZE: u64 = 4096;
const MAX_SIZE: u64 = 1_000_000_000;
const MAX_PAGE_SIZE: u64 = 256 * 1024;
const MAX_NODES: u32 = 1_000_000;
const MAX_LEVELS: usize = 10_000_000;

const HEAD: &str = r#"{"name":"Execution for workflow 68301f0c2b9a4d6e7f105a83","environment":"test",
"status":"COMPLETED","completion_percentage":100,"#;

/// One row of the tables in the outputs.
const ROW: &str = r#"{"id":450789469,"name":"Zoë Müller","email":"zoe@example.com",
"note":"said \"hello\"\nand left \u2764","tags":["new","paid",null],
"address":{"city":"Köln","geo":{"lat":50.9375,"lon":6.9603}},"total":409.94,"paid":true}"#;

/// An execution of exactly `size` bytes.
///
/// Each node's output is `{"pages":[null,[row,...],...]}`. All pages share the same bytes; a padding adds the
/// remaining ones.
pub fn large(size: u64) -> Option<Reply> {
    if !(MIN_SIZE..=MAX_SIZE).contains(&size) {
        return None;
    }
    let page = page((size / 64).min(MAX_PAGE_SIZE) as usize);
    let mut frame: Vec<String> = (0..NODES).map(start_of_large_node).collect();
    frame.push(r#"]}}],"padding":""#.into());
    let end = r#""}"#;
    let framed = (frame.iter().map(String::len).sum::<usize>() + end.len()) as u64;
    let pages = (size - framed) / page.len() as u64;
    let padding = (size - framed) % page.len() as u64;

    let steps = (0..).zip(frame).flat_map(move |(at, text)| {
        let pages_here = if at < NODES { pages / NODES + u64::from(at < pages % NODES) } else { 0 };
        let pages_here = (0..pages_here).map({
            let page = page.clone();
            move |_| Step::Send(page.clone())
        });
        iter::once(send(text)).chain(pages_here)
    });
    let steps = steps.chain([send("x".repeat(padding as usize) + end)]);
    Some(Reply::json(200, "").with_body(ScriptedBody::new(Some(size), steps)))
}

/// The text that precedes the pages of a node, including the end of the previous node.
fn start_of_large_node(at: u64) -> String {
    let before = if at == 0 { format!("{HEAD}\"nodes\":[") } else { "]}},".into() };
    let id = at + 1;
    format!(
        r#"{before}{{"node_id":"{id}","node_name":"Export {id}","node_type":"application",
"node_status":"Success","is_batch":true,"attempts_made":1,"maximum_attempts":3,"execution_time":2048,
"latest_output":{{"pages":[null"#
    )
}

/// A comma and an array of rows of about `size` bytes.
fn page(size: usize) -> Bytes {
    let rows = vec![ROW; (size / ROW.len()).max(1)];
    Bytes::from(format!(",[{}]", rows.join(",")))
}

/// An execution of `count` nodes, of unknown length.
pub fn many_nodes(count: u32) -> Option<Reply> {
    const PER_STEP: u32 = 200;
    if count > MAX_NODES {
        return None;
    }
    let groups = (0..count).step_by(PER_STEP as usize).map(move |first| {
        let nodes = first..count.min(first + PER_STEP);
        send(nodes.map(small_node).collect::<String>())
    });
    let steps = iter::once(send(format!("{HEAD}\"nodes\":["))).chain(groups).chain([send("]}")]);
    Some(Reply::json(200, "").with_body(ScriptedBody::new(None, steps)))
}

#[derive(Serialize)]
struct SmallNode {
    node_id: String,
    node_name: String,
    node_type: &'static str,
    node_status: &'static str,
    is_batch: bool,
    attempts_made: u32,
    execution_time: u32,
    latest_output: SmallOutput,
}

#[derive(Serialize)]
struct SmallOutput {
    index: u32,
}

/// A node and, unless it is the first one, the comma that precedes it.
fn small_node(at: u32) -> String {
    let node = SmallNode {
        node_id: (at + 1).to_string(),
        node_name: format!("Step {}", at + 1),
        node_type: "custom_code",
        node_status: "Success",
        is_batch: false,
        attempts_made: 1,
        execution_time: at % 1000,
        latest_output: SmallOutput { index: at },
    };
    let comma = if at == 0 { "" } else { "," };
    comma.to_owned() + &serde_json::to_string(&node).unwrap_or_default()
}

/// An execution whose only output is a null within `levels` pairs of `open` and `close`.
pub fn deep(levels: usize, open: &'static str, close: &'static str) -> Option<Reply> {
    if !(1..=MAX_LEVELS).contains(&levels) {
        return None;
    }
    let start = format!(
        r#"{HEAD}"nodes":[{{"node_id":"1","node_name":"Nest","node_status":"Success","latest_output":"#
    );
    let steps = iter::once(send(start))
        .chain(repeated(open, levels))
        .chain([send("null")])
        .chain(repeated(close, levels))
        .chain([send("}]}")]);
    Some(Reply::json(200, "").with_body(ScriptedBody::new(None, steps)))
}

fn repeated(text: &'static str, times: usize) -> impl Iterator<Item = Step> {
    const PER_STEP: usize = 10_000;
    (0..times).step_by(PER_STEP).map(move |done| send(text.repeat(PER_STEP.min(times - done))))
}

fn send(text: impl Into<Bytes>) -> Step {
    Step::Send(text.into())
}
