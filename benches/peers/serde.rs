//! Reads with serde_json from memory: borrowing what can be borrowed, outputs as `RawValue`, or all of it as `Value`.
//! `serde borrow|value FILE CALLS`; the output is that of parse.c.

use std::borrow::Cow;
use std::error::Error;
use std::hint::black_box;
use std::time::Instant;

use serde::Deserialize;
use serde_json::Value;
use serde_json::value::RawValue;

#[derive(Deserialize)]
struct Execution<'a> {
    #[serde(borrow)]
    name: Cow<'a, str>,
    #[serde(borrow)]
    org_id: Cow<'a, str>,
    #[serde(borrow)]
    environment: Cow<'a, str>,
    #[serde(borrow)]
    status: Cow<'a, str>,
    completion_percentage: f64,
    #[serde(borrow)]
    config_id: Cow<'a, str>,
    #[serde(borrow)]
    linked_account_id: Cow<'a, str>,
    #[serde(borrow)]
    nodes: Vec<Node<'a>>,
}

#[derive(Deserialize)]
struct Node<'a> {
    #[serde(borrow)]
    node_id: Cow<'a, str>,
    #[serde(borrow)]
    node_name: Cow<'a, str>,
    #[serde(borrow)]
    node_type: Cow<'a, str>,
    #[serde(borrow)]
    node_status: Cow<'a, str>,
    is_batch: bool,
    attempts_made: Option<i64>,
    maximum_attempts: Option<i64>,
    execution_time: Option<i64>,
    #[serde(borrow)]
    latest_output: Option<&'a RawValue>,
}

#[derive(Default)]
struct Checksum(u64);

impl Checksum {
    fn add_number(&mut self, number: i64) {
        self.0 = self.0.wrapping_mul(31).wrapping_add(number as u64);
    }

    fn add_text(&mut self, text: &str) {
        let bytes: u64 = text.bytes().map(u64::from).sum();
        self.add_number((bytes * 1000 + text.len() as u64) as i64);
    }
}

fn read_borrowing(text: &[u8]) -> Result<u64, serde_json::Error> {
    let execution: Execution = serde_json::from_slice(text)?;
    let mut sum = Checksum::default();
    for text in [&execution.name, &execution.org_id, &execution.environment, &execution.status] {
        sum.add_text(text);
    }
    sum.add_number(execution.completion_percentage as i64);
    sum.add_text(&execution.config_id);
    sum.add_text(&execution.linked_account_id);
    for node in &execution.nodes {
        for text in [&node.node_id, &node.node_name, &node.node_type, &node.node_status] {
            sum.add_text(text);
        }
        sum.add_number(node.is_batch.into());
        for count in [node.attempts_made, node.maximum_attempts, node.execution_time] {
            sum.add_number(count.unwrap_or(-1));
        }
        sum.add_number(node.latest_output.is_some_and(|output| output.get().starts_with('{')).into());
    }
    Ok(sum.0)
}

fn read_values(text: &[u8]) -> Result<u64, serde_json::Error> {
    let execution: Value = serde_json::from_slice(text)?;
    let mut sum = Checksum::default();
    let add_texts = |sum: &mut Checksum, object: &Value, keys: &[&str]| {
        keys.iter().for_each(|key| sum.add_text(object[key].as_str().unwrap_or_default()));
    };
    add_texts(&mut sum, &execution, &["name", "org_id", "environment", "status"]);
    sum.add_number(execution["completion_percentage"].as_i64().unwrap_or(-1));
    add_texts(&mut sum, &execution, &["config_id", "linked_account_id"]);
    for node in execution["nodes"].as_array().into_iter().flatten() {
        add_texts(&mut sum, node, &["node_id", "node_name", "node_type", "node_status"]);
        sum.add_number(node["is_batch"].as_bool().unwrap_or_default().into());
        for count in ["attempts_made", "maximum_attempts", "execution_time"] {
            sum.add_number(node[count].as_i64().unwrap_or(-1));
        }
        sum.add_number(node["latest_output"].is_object().into());
    }
    Ok(sum.0)
}

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().collect();
    let [_, way, file, calls] = arguments.as_slice() else {
        return Err("usage: serde borrow|value FILE CALLS".into());
    };
    let read = if way == "value" { read_values } else { read_borrowing };
    let text = std::fs::read(file)?;
    let mut times = Vec::new();
    let mut sum = 0;
    for _ in 0..calls.parse::<usize>()? {
        let before = Instant::now();
        sum = read(black_box(&text))?;
        times.push(before.elapsed().as_nanos() as f64 / 1e3);
    }
    times.sort_by(f64::total_cmp);
    if let Some(middle) = times.get(times.len() / 2) {
        println!("{middle:.1} {sum:016x}");
    }
    Ok(())
}
