//! Parses an execution from memory, and reads the result. `cargo bench --bench parse`

use std::error::Error;
use std::fmt::Write;
use std::hint::black_box;
use std::process::ExitCode;

use criterion::{BatchSize, Criterion, Throughput};
use refold::execution::Execution;
use refold::json::{Json, JsonType, LazyValue};

/// An execution with this many nodes, each with an output of this many records.
fn document(nodes: usize, records: usize) -> Result<String, std::fmt::Error> {
    let mut text =
        String::from(r#"{"name":"Execution","status":"COMPLETED","completion_percentage":100,"nodes":["#);
    for node in 0..nodes {
        let comma = if node == 0 { "" } else { "," };
        write!(
            text,
            r#"{comma}{{"node_id":"{node}","node_name":"Schritt \u2192 {node}","node_type":"http_request","node_status":"Success","is_batch":false,"attempts_made":1,"execution_time":403,"latest_output":{{"records":["#
        )?;
        for record in 0..records {
            let comma = if record == 0 { "" } else { "," };
            write!(
                text,
                r#"{comma}{{"id":"6a106ba44480b804{record:08}","customer":{{"name":"Zoë Müller","email":"user{record}@customers.example","location":[47.37{record},8.54]}},"amount":{record}.95,"is_active":true,"parent":null,"note":"Called twice, no answer.\nAsked for the \"Enterprise\" plan."}}"#
            )?;
        }
        text.push_str("]}}");
    }
    text.push_str("]}");
    Ok(text)
}

/// Reads a value and everything in it. Returns the number of values.
fn walk(value: Json<'_, '_>) -> usize {
    match value.kind() {
        JsonType::Null => 1,
        JsonType::Bool => usize::from(black_box(value.as_bool())).max(1),
        JsonType::Number => black_box(value.as_f64()).is_finite().into(),
        JsonType::String => black_box(value.string()).is_some().into(),
        JsonType::Array | JsonType::Object => {
            1 + (0..value.length()).filter_map(|index| value.at(index)).map(walk).sum::<usize>()
        }
    }
}

fn parse(criterion: &mut Criterion, name: &str, text: &str) {
    let mut group = criterion.benchmark_group("parse");
    group.throughput(Throughput::Bytes(text.len() as u64));
    group.bench_function(name, |bencher| {
        let body = || text.as_bytes().to_vec();
        bencher.iter_batched(body, |body| Execution::parse(body, None, u64::MAX), BatchSize::PerIteration);
    });
    group.finish();
}

fn access(criterion: &mut Criterion, execution: &Execution) -> Option<()> {
    let node = execution.node(execution.nodes().len() / 2)?;
    let output = node.latest_output()?;
    let id = node.id()?.split_last()?.1;
    criterion.bench_function("a node's name", |bencher| bencher.iter(|| black_box(node).name()));
    criterion
        .bench_function("a node by its id", |bencher| bencher.iter(|| execution.node_by_id(black_box(id))));
    let lazy = LazyValue::new(output);
    let value = lazy.json();
    criterion.bench_function("a member", |bencher| bencher.iter(|| value.get(black_box(b"records"))));
    criterion.bench_function("a member, by pointer", |bencher| {
        bencher.iter(|| value.pointer(black_box(b"/records/0/customer/name")));
    });
    let mut group = criterion.benchmark_group("read");
    group.throughput(Throughput::Bytes(output.len() as u64));
    group.bench_function("all of an output", |bencher| bencher.iter(|| walk(LazyValue::new(output).json())));
    group.finish();
    Some(())
}

fn run() -> Result<(), Box<dyn Error>> {
    let mut criterion = Criterion::default().configure_from_args();
    for (name, nodes, records) in [("1 node", 1, 1), ("50 nodes", 50, 4), ("2,000 nodes", 2000, 20)] {
        parse(&mut criterion, name, &document(nodes, records)?);
    }
    let execution =
        Execution::parse(document(50, 20)?.into_bytes(), None, u64::MAX).map_err(|error| error.kind)?;
    access(&mut criterion, &execution).ok_or("the execution lacks a field that is read")?;
    criterion.final_summary();
    Ok(())
}

fn main() -> ExitCode {
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("parse: {error}");
            ExitCode::FAILURE
        }
    }
}
