//! Promises about documents of any size and shape, tested through the crate's own interface.

use refold::execution::Execution;
use refold::json::{Json, JsonType, LazyValue};
use rng::Rng;
use serde_json::Value;
use serde_json::value::RawValue;
use std::sync::Barrier;
use std::thread;
use std::time::{Duration, Instant};

#[path = "support/rng.rs"]
mod rng;

/// Runs on a thread with 128 KiB of stack.
fn on_a_small_stack(work: impl FnOnce() + Send) {
    thread::scope(|scope| {
        let thread = thread::Builder::new().stack_size(128 * 1024).spawn_scoped(scope, work);
        assert!(thread.is_ok_and(|thread| thread.join().is_ok()));
    });
}

fn parse(body: String) -> Execution {
    match Execution::parse(body.into_bytes(), None, u64::MAX) {
        Ok(execution) => execution,
        Err(error) => panic!("{error}"),
    }
}

const SPACES: [&str; 7] = ["", "", "", "", " ", "\n    ", " \t\r\n                         "];
const STRINGS: [&str; 12] = [
    "",
    "a",
    "key",
    "status",
    "a longer string with nothing special in it",
    "größer",
    "客客客客客客客客客客客客",
    "\\ud83d\\ude00 😀",
    "\\\"quoted\\\" \\\\ \\/",
    "line\\nbreak\\t",
    "\\u0041\\u0000b",
    "[{]}:, not structure",
];
const SCALARS: [&str; 14] = [
    "0",
    "-0",
    "1",
    "-17",
    "3.25",
    "1e3",
    "12345678901234567",
    "-0.5e-7",
    "true",
    "false",
    "null",
    "9223372036854775807",
    "2.5E+10",
    "0.1",
];

/// A random document.
fn document(rng: &mut Rng, depth: usize, out: &mut String) {
    out.push_str(rng.pick(&SPACES));
    match rng.below(if depth == 0 { 3 } else { 8 }) {
        0 | 1 => out.push_str(rng.pick(&SCALARS)),
        2 => out.push_str(&format!("\"{}\"", rng.pick(&STRINGS))),
        kind => {
            let is_object = kind % 2 == 0;
            out.push(if is_object { '{' } else { '[' });
            out.push_str(rng.pick(&SPACES));
            let limit = if rng.below(20) == 0 { 60 } else { 6 };
            let count = rng.below(limit);
            for index in 0..count {
                out.push_str(if index > 0 { "," } else { "" });
                if is_object {
                    let (before, after) = (rng.pick(&SPACES), rng.pick(&SPACES));
                    out.push_str(&format!("{before}\"{}{}\"{after}:", rng.pick(&STRINGS), rng.below(40)));
                }
                document(rng, depth - 1, out);
            }
            out.push(if is_object { '}' } else { ']' });
        }
    }
    out.push_str(rng.pick(&SPACES));
}

/// Asserts that a view reads a value as serde_json does.
fn assert_same(view: Json, value: &Value) {
    match value {
        Value::Null => assert_eq!(view.kind(), JsonType::Null),
        Value::Bool(bool) => assert_eq!((view.kind(), view.as_bool()), (JsonType::Bool, *bool)),
        Value::Number(number) => {
            assert_eq!(view.kind(), JsonType::Number);
            assert_eq!(Some(view.as_f64()), view.raw().parse().ok());
            if let Some(integer) = number.as_i64() {
                assert_eq!(view.as_i64(), integer);
            } else if let Some(double) = number.as_f64() {
                assert_eq!(view.as_i64(), double as i64);
            }
        }
        Value::String(string) => assert_eq!(view.string(), Some(format!("{string}\0").as_bytes())),
        Value::Array(list) => {
            assert_eq!((view.kind(), view.length()), (JsonType::Array, list.len()));
            for (index, element) in list.iter().enumerate() {
                let Some(found) = view.at(index) else { panic!("no element {index} in {}", view.raw()) };
                assert_same(found, element);
            }
        }
        Value::Object(members) => {
            assert_eq!(view.kind(), JsonType::Object);
            for (key, member) in members {
                let Some(found) = view.get(key.as_bytes()) else { panic!("no {key:?} in {}", view.raw()) };
                assert_same(found, member);
            }
            let keys: std::collections::BTreeSet<&[u8]> =
                (0..view.length()).filter_map(|n| view.key_at(n)).collect();
            assert_eq!(keys.len(), members.len());
        }
    }
}

#[test]
fn views_read_random_documents_as_serde_json_does() {
    let mut rng = Rng(20_260_501);
    for _ in 0..3_000 {
        let mut text = String::new();
        document(&mut rng, 6, &mut text);
        match serde_json::from_str(&text) {
            Ok(value) => assert_same(LazyValue::new(&text).json(), &value),
            Err(error) => panic!("{error}: {text}"),
        }
    }
}

#[test]
fn bodies_are_accepted_exactly_if_serde_json_accepts_them() {
    let mut rng = Rng(4_711);
    let mut accepted = 0;
    for _ in 0..20_000 {
        let (mut nodes, mut other) = (String::new(), String::new());
        document(&mut rng, 4, &mut nodes);
        document(&mut rng, 3, &mut other);
        let mut body =
            format!("{{\"status\":\"RUNNING\",\"nodes\":[{nodes}],\"other\":{other}}}").into_bytes();
        let at = rng.below(body.len());
        match rng.below(3) {
            0 => body[at] ^= 1 << rng.below(8),
            1 => body.truncate(at),
            _ => body[at] = b"\"\\{}[]:,0 e.-"[rng.below(13)],
        }
        let expected =
            serde_json::from_slice::<&RawValue>(&body).is_ok() && std::str::from_utf8(&body).is_ok();
        let found = match Execution::parse(body.clone(), None, u64::MAX) {
            Err(error) => {
                !error.to_string().starts_with("not JSON") && !error.to_string().starts_with("not UTF-8")
            }
            Ok(_) => true,
        };
        assert_eq!(found, expected, "{}", String::from_utf8_lossy(&body));
        accepted += usize::from(found);
    }
    assert!((1_000..19_000).contains(&accepted), "one-sided: {accepted}");
}

#[test]
fn no_depth_overflows_a_small_stack() {
    on_a_small_stack(|| {
        for (open, close, depth) in [("[", "]", 100_000), ("{\"a\":", "}", 100_000), ("[", "]", 1_000_000)] {
            let chain = format!("{}1{}", open.repeat(depth), close.repeat(depth));
            let execution =
                parse(format!("{{\"status\":\"\",\"nodes\":[{{\"latest_output\":{chain}}}],\"x\":{chain}}}"));
            let lazy =
                LazyValue::new(execution.node(0).and_then(|node| node.latest_output()).unwrap_or_default());
            let view = lazy.json();
            let started = Instant::now();
            let mut value = view;
            let mut levels = 0;
            while let Some(inner) = value.at(0) {
                (value, levels) = (inner, levels + 1);
            }
            assert_eq!((levels, value.as_i64()), (depth, 1));
            let limit = Duration::from_secs(30);
            assert!(started.elapsed() < limit, "{depth} levels took {:?}: not linear", started.elapsed());
            assert_eq!(
                LazyValue::new(execution.body()).json().pointer(b"/x").map(|x| x.raw().len()),
                Some(chain.len())
            );
        }
    });
}

#[test]
fn a_fault_at_the_bottom_of_a_deep_document_is_reported() {
    on_a_small_stack(|| {
        let body = format!("{{\"status\":\"\",\"x\":{}1{}", "[".repeat(1_000_000), "]".repeat(1_000_000));
        // An explanation would take memory for each open bracket, so only the position is reported.
        let expected = format!("not JSON: unexpected character or end at line 1 column {}", body.len() + 1);
        let message =
            Execution::parse(body.into_bytes(), None, u64::MAX).err().map(|error| error.to_string());
        assert_eq!(message, Some(expected));
    });
}

#[test]
fn deep_values_are_freed_on_a_small_stack_once_read() {
    on_a_small_stack(|| {
        let text = format!("{}{}", "[[],{\"a\":\"b\"},".repeat(50_000), "0".to_owned() + &"]".repeat(50_000));
        let lazy = LazyValue::new(&text);
        let view = lazy.json();
        let mut value = view;
        while value.length() == 3 {
            assert_eq!(value.pointer(b"/1/a").and_then(Json::string), Some(&b"b\0"[..]));
            assert!(value.at(0).is_some_and(|empty| empty.length() == 0));
            value = value.at(2).unwrap_or(value);
        }
        assert_eq!(value.raw(), "0");
    });
}

#[test]
fn a_hundred_thousand_nodes_are_found_by_id() {
    on_a_small_stack(|| {
        const COUNT: usize = 100_000;
        let nodes: Vec<String> =
            (0..COUNT).map(|n| format!("{{\"node_id\":\"{:024x}\"}}", n * 7_919 % COUNT)).collect();
        let execution =
            parse(format!("{{\"status\":\"\",\"nodes\":[{},{{\"node_id\":\"0\"}}]}}", nodes.join(",")));
        assert_eq!(execution.nodes().len(), COUNT + 1);
        let started = Instant::now();
        for n in 0..COUNT {
            assert_eq!(execution.node_by_id(format!("{:024x}", n * 7_919 % COUNT).as_bytes()), Some(n));
        }
        assert!(started.elapsed() < Duration::from_secs(60), "{:?}: not fast", started.elapsed());
        assert_eq!(execution.node_by_id(b"0"), Some(COUNT));
        assert_eq!(execution.node_by_id(b"none"), None);
    });
}

#[test]
fn a_hundred_megabytes_are_not_copied() {
    on_a_small_stack(|| {
        let record = format!("{{\"text\":\"{}\",\"list\":[1,2.5,\"\\n\"]}}", "größer ".repeat(20));
        let count = 100_000_000 / record.len();
        let mut body =
            String::from("{\"status\":\"COMPLETED\",\"nodes\":[{\"node_id\":\"1\",\"latest_output\":[0");
        for _ in 0..count {
            body.push(',');
            body.push_str(&record);
        }
        body.push_str("]}]}");
        let address = body.as_ptr();
        let execution = parse(body);
        assert_eq!(execution.body().as_ptr(), address, "the body was copied");
        let lazy =
            LazyValue::new(execution.node(0).and_then(|node| node.latest_output()).unwrap_or_default());
        let view = lazy.json();
        assert_eq!(view.length(), count + 1);
        assert_eq!(view.at(count).and_then(|last| last.pointer(b"/list/1")).map(Json::as_f64), Some(2.5));
    });
}

#[test]
fn many_threads_read_the_same_views_at_once() {
    let mut rng = Rng(8);
    for _ in 0..30 {
        let mut text = String::from("[");
        for _ in 0..20 {
            document(&mut rng, 5, &mut text);
            text.push(',');
        }
        text.push_str("0]");
        let Ok(value) = serde_json::from_str::<Value>(&text) else { panic!("{text}") };
        let nodes: Vec<String> = (0..40).map(|n| format!("{{\"node_id\":\"{n}\",\"x\":{n}}}")).collect();
        let execution = parse(format!("{{\"status\":\"\",\"nodes\":[{}]}}", nodes.join(",")));
        let lazy = LazyValue::new(&text);
        let view = lazy.json();
        let start = Barrier::new(8);
        let read = || {
            start.wait();
            assert_same(view, &value);
            let copies: Vec<_> =
                (0..view.length()).filter_map(|n| view.at(n)?.text()).map(<[u8]>::as_ptr).collect();
            let found: Vec<_> = (0..40).map(|n| execution.node_by_id(n.to_string().as_bytes())).collect();
            assert_eq!(found, (0..40).map(Some).collect::<Vec<_>>());
            copies.into_iter().map(|copy| copy as usize).collect::<Vec<_>>()
        };
        thread::scope(|scope| {
            let threads: Vec<_> = (0..8).map(|_| scope.spawn(read)).collect();
            let seen: Vec<_> = threads.into_iter().filter_map(|thread| thread.join().ok()).collect();
            assert_eq!(seen.len(), 8);
            assert!(seen.iter().all(|copies| *copies == seen[0]), "threads saw different copies");
        });
    }
}
