//! Executions of any size, made while they are sent: none is ever in memory as a whole.

use std::iter;

use hyper::body::Bytes;

use crate::reply::{Reply, ScriptedBody, Step};

const NODES: u64 = 8;
const SMALLEST: u64 = 4096;
const LARGEST: u64 = 1_000_000_000;
const LARGEST_PAGE: u64 = 256 * 1024;
const MOST_NODES: u32 = 1_000_000;
const MOST_LEVELS: usize = 10_000_000;

const HEAD: &str = r#"{"name":"Execution for workflow 68301f0c2b9a4d6e7f105a83","environment":"test",
"status":"COMPLETED","completion_percentage":100,"#;

/// One row of the tables that the outputs consist of.
const ROW: &str = r#"{"id":450789469,"name":"Zoë Müller","email":"zoe@example.com",
"note":"said \"hello\"\nand left \u2764","tags":["new","paid",null],
"address":{"city":"Köln","geo":{"lat":50.9375,"lon":6.9603}},"total":409.94,"paid":true}"#;

/// An execution of exactly `size` bytes.
///
/// Each node's output is `{"pages":[null,[row,...],...]}`. All pages are the same bytes, shared; what
/// they do not fill, a padding does.
pub fn large(size: u64) -> Option<Reply> {
    if !(SMALLEST..=LARGEST).contains(&size) {
        return None;
    }
    let page = page((size / 64).min(LARGEST_PAGE) as usize);
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

/// What stands before the pages of a node, the end of the node before it included.
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
    const AT_ONCE: u32 = 200;
    if count > MOST_NODES {
        return None;
    }
    let groups = (0..count).step_by(AT_ONCE as usize).map(move |first| {
        let nodes = first..count.min(first + AT_ONCE);
        send(nodes.map(small_node).collect::<String>())
    });
    let steps = iter::once(send(format!("{HEAD}\"nodes\":["))).chain(groups).chain([send("]}")]);
    Some(Reply::json(200, "").with_body(ScriptedBody::new(None, steps)))
}

fn small_node(at: u32) -> String {
    let comma = if at == 0 { "" } else { "," };
    let (id, execution_time) = (at + 1, at % 1000);
    format!(
        r#"{comma}{{"node_id":"{id}","node_name":"Step {id}","node_type":"custom_code",
"node_status":"Success","is_batch":false,"attempts_made":1,"execution_time":{execution_time},
"latest_output":{{"index":{at}}}}}"#
    )
}

/// An execution whose only output consists of `levels` of `open` and `close` around a null.
pub fn deep(levels: usize, open: &'static str, close: &'static str) -> Option<Reply> {
    if !(1..=MOST_LEVELS).contains(&levels) {
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
    const AT_ONCE: usize = 10_000;
    (0..times).step_by(AT_ONCE).map(move |done| send(text.repeat(AT_ONCE.min(times - done))))
}

fn send(text: impl Into<Bytes>) -> Step {
    Step::Send(text.into())
}
