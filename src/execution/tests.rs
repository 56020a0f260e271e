use super::keys::{FIELDS, Field, KEY_WORDS, KeyPredictor};
use super::reader::{
    MAX_FAST_COUNT_DIGITS, MAX_INITIAL_NODES, MIN_NODE_TEXT, Reader, SPARE_BYTES, read_short_count,
};
use super::{Execution, MAX_LINEAR_SEARCH, NodeView, ParseErrorKind};
use crate::json::scan::{Document, JsonBuffer};
use crate::state::State;

fn parse(body: &str) -> Result<Execution, ParseErrorKind> {
    Execution::parse(body.as_bytes().to_vec(), None, u64::MAX).map_err(ParseErrorKind::from)
}

/// An execution with a `status` and these members.
fn with(members: &str) -> Result<Execution, ParseErrorKind> {
    parse(&format!("{{\"status\":\"RUNNING\",{members}}}"))
}

/// Reads a field of the only node, which has these members.
fn of_node<T>(members: &str, field: impl Fn(NodeView) -> T) -> Result<Option<T>, ParseErrorKind> {
    Ok(with(&format!("\"nodes\":[{{{members}}}]"))?.node(0).map(field))
}

#[test]
fn the_documented_example_is_read() -> Result<(), ParseErrorKind> {
    let body = r#"{
        "name": "Execution for workflow 6a106ba44480b80424a65289", "org_id": "6500a1b2c3d4e5f6a7b8c9d0",
        "environment": "test", "status": "COMPLETED", "completion_percentage": 100, "config_id": "user_12345",
        "linked_account_id": "user_12345", "nodes": [ {
            "node_id": "1", "node_name": "Start", "node_type": "start", "node_status": "Success",
            "is_batch": false, "attempts_made": 1, "execution_time": 403,
            "latest_output": { "message": "Workflow started successfully", "status": "initialized" }
        } ]
    }"#;
    let execution = Execution::parse(body.as_bytes().to_vec(), Some("requested"), u64::MAX)?;
    assert_eq!(execution.id(), Some(&b"requested\0"[..]));
    assert_eq!(execution.name(), Some(&b"Execution for workflow 6a106ba44480b80424a65289\0"[..]));
    assert_eq!(execution.org_id(), Some(&b"6500a1b2c3d4e5f6a7b8c9d0\0"[..]));
    assert_eq!(execution.environment(), Some(&b"test\0"[..]));
    assert_eq!(execution.status(), Some(&b"COMPLETED\0"[..]));
    assert_eq!(execution.state(), State::Completed);
    assert_eq!(execution.completion_percentage(), Some(100.0));
    assert_eq!(execution.config_id(), Some(&b"user_12345\0"[..]));
    assert_eq!(execution.linked_account_id(), Some(&b"user_12345\0"[..]));
    assert_eq!(execution.created_at(), None);
    assert_eq!(execution.updated_at(), None);
    assert_eq!(execution.body(), body);
    assert_eq!(execution.nodes().len(), 1);
    let Some(node) = execution.node(0) else { panic!("no node") };
    assert_eq!(node.id(), Some(&b"1\0"[..]));
    assert_eq!(node.name(), Some(&b"Start\0"[..]));
    assert_eq!(node.node_type(), Some(&b"start\0"[..]));
    assert_eq!(node.status(), Some(&b"Success\0"[..]));
    assert_eq!(node.state(), State::Completed);
    assert!(!node.is_batch());
    assert_eq!(node.attempts_made(), Some(1));
    assert_eq!(node.maximum_attempts(), None);
    assert_eq!(node.execution_time_ms(), Some(403));
    assert!(
        node.latest_output().is_some_and(|text| text.starts_with("{ \"message\"") && text.ends_with('}'))
    );
    assert_eq!(node.input_data(), None);
    assert!(node.json().starts_with("{\n") && node.json().ends_with('}'));
    assert!(execution.node(1).is_none());
    Ok(())
}

#[test]
fn typed_strings_tolerate_other_types_and_repeated_keys() -> Result<(), ParseErrorKind> {
    type Field = fn(&Execution) -> Option<&[u8]>;
    let fields: [(&str, Field); 8] = [
        ("_id", Execution::id),
        ("name", Execution::name),
        ("org_id", Execution::org_id),
        ("environment", Execution::environment),
        ("config_id", Execution::config_id),
        ("linked_account_id", Execution::linked_account_id),
        ("createdAt", Execution::created_at),
        ("updatedAt", Execution::updated_at),
    ];
    for (key, field) in fields {
        let cases = [
            (format!("\"{key}\":\"text\""), Some("text\0")),
            (format!("\"{key}\" : \"\""), Some("\0")),
            (format!("\"{key}\":\"\\ud83d\\u0000x\""), Some("\u{fffd}\0x\0")),
            (format!("\"{key}\":\"😀\\ud83d\\ude00\""), Some("😀😀\0")),
            (format!("\"{key}\":null"), None),
            (format!("\"{key}\":12"), None),
            (format!("\"{key}\":[\"text\"]"), None),
            (format!("\"{key}\":{{\"{key}\":\"inner\"}}"), None),
            (format!("\"{key}\":\"first\",\"{key}\":\"last\""), Some("last\0")),
            (format!("\"{key}\":\"first\",\"{key}\":null"), None),
            (format!("\"{key}\":{{}},\"{key}\":\"last\""), Some("last\0")),
            (format!("\"\\u{:04x}{}\":\"text\"", key.as_bytes()[0], &key[1..]), Some("text\0")),
            (format!("\"{}\":\"text\"", key.to_uppercase()), None),
            ("\"other\":1".to_owned(), None),
        ];
        for (members, text) in cases {
            assert_eq!(field(&with(&members)?), text.map(str::as_bytes), "{members}");
        }
    }
    Ok(())
}

#[test]
fn strings_of_any_length_are_read_at_any_offset() -> Result<(), ParseErrorKind> {
    let pieces = ["", "\\n", "ü", "\\u00fc\\\\"];
    for (before, after, piece) in (0..36)
        .flat_map(|before| [0, 1, 15, 16, 17, 700].map(|after| (before, after)))
        .flat_map(|(before, after)| pieces.map(|piece| (before, after, piece)))
    {
        let text = format!("{}{piece}{}", "b".repeat(before), "a".repeat(after));
        let read = text.replace("\\n", "\n").replace("\\u00fc", "ü").replace("\\\\", "\\") + "\0";
        for body in
            [format!("{{\"status\":\"{text}\"}}"), format!("{{\"status\":\"{text}\",\"name\":\"{text}\"}}")]
        {
            let execution = parse(&body)?;
            assert_eq!(execution.status(), Some(read.as_bytes()), "{body}");
            assert_eq!(execution.name().is_some(), execution.name() == Some(read.as_bytes()), "{body}");
        }
    }
    Ok(())
}

#[test]
fn the_fields_of_nodes_are_read_in_any_order() -> Result<(), ParseErrorKind> {
    let members = |n: usize| {
        [
            format!("\"node_id\":\"i{n}\""),
            format!("\"node_type\":\"t{n}\""),
            "\"node_ids\":\"other\"".to_owned(),
            format!("\"attempts_made\":{n}"),
            format!("\"is_batch\":{}", n.is_multiple_of(2)),
            format!("\"latest_output\":[{n}]"),
            format!("\"execution_time\" : {n}000"),
            "\"maximum_attempt\":7".to_owned(),
        ]
    };
    let node = |n: usize| {
        let mut members = members(n);
        members.rotate_left(n / 3 % 8);
        if n % 5 == 4 {
            members.reverse();
        }
        format!("{{{}}}", members[..8 - n % 2].join([",", ", ", "\n,"][n % 3]))
    };
    let execution = with(&format!("\"nodes\":[{}]", (1..61).map(node).collect::<Vec<_>>().join(",")))?;
    for n in 1..61 {
        let Some(view) = execution.node(n - 1) else { panic!("{n} is missing") };
        let text = node(n);
        let sent = |key: &str, value: &str| text.contains(&format!("\"{key}\"")).then(|| value.to_owned());
        let read = |string: Option<&[u8]>| string.map(|string| String::from_utf8_lossy(string).into_owned());
        assert_eq!(read(view.id()), sent("node_id", &format!("i{n}\0")), "{text}");
        assert_eq!(read(view.node_type()), sent("node_type", &format!("t{n}\0")), "{text}");
        assert_eq!(view.attempts_made(), sent("attempts_made", "").map(|_| n as i64), "{text}");
        assert_eq!(view.execution_time_ms(), sent("execution_time", "").map(|_| n as i64 * 1000), "{text}");
        assert_eq!(view.is_batch(), n.is_multiple_of(2) && sent("is_batch", "").is_some(), "{text}");
        assert_eq!(
            view.latest_output().map(str::to_owned),
            sent("latest_output", &format!("[{n}]")),
            "{text}"
        );
        assert_eq!((view.name(), view.maximum_attempts(), view.input_data()), (None, None, None), "{text}");
    }
    Ok(())
}

#[test]
fn the_requested_id_replaces_a_missing_one() -> Result<(), ParseErrorKind> {
    for (body, id) in [
        (r#"{"status":"RUNNING","_id":"own"}"#, "own\0"),
        (r#"{"status":"RUNNING","_id":""}"#, "\0"),
        (r#"{"status":"RUNNING","_id":7}"#, "requested\0"),
        (r#"{"status":"RUNNING"}"#, "requested\0"),
    ] {
        let execution = Execution::parse(body.as_bytes().to_vec(), Some("requested"), u64::MAX)?;
        assert_eq!(execution.id(), Some(id.as_bytes()), "{body}");
    }
    Ok(())
}

#[test]
fn the_percentage_is_any_number() -> Result<(), ParseErrorKind> {
    let cases = [
        ("0", Some(0.0)),
        ("33.3", Some(33.3)),
        ("1e2", Some(100.0)),
        ("-5", Some(-5.0)),
        ("1e400", Some(f64::INFINITY)),
        ("\"50\"", None),
        ("null", None),
        ("50,\"completion_percentage\":51.5", Some(51.5)),
        ("50,\"completion_percentage\":[]", None),
    ];
    for (value, percentage) in cases {
        let execution = with(&format!("\"completion_percentage\":{value}"))?;
        assert_eq!(execution.completion_percentage(), percentage, "{value}");
    }
    Ok(())
}

#[test]
fn counts_are_truncated_and_absent_if_out_of_range() -> Result<(), ParseErrorKind> {
    let cases = [
        ("0", Some(0)),
        ("403", Some(403)),
        ("403.0", Some(403)),
        ("403.7", Some(403)),
        ("4e2", Some(400)),
        ("-0", Some(0)),
        ("-0.0", Some(0)),
        ("-1", None),
        ("-0.5", None),
        ("9223372036854775807", Some(i64::MAX)),
        ("9223372036854775808", None),
        ("1e400", None),
        ("-1e400", None),
        ("\"3\"", None),
        ("null", None),
        ("true", None),
        ("[3]", None),
    ];
    for (value, count) in cases {
        let members = |key| format!("\"{key}\":7,\"{key}\":{value}");
        assert_eq!(of_node(&members("attempts_made"), |node| node.attempts_made())?, Some(count), "{value}");
        assert_eq!(
            of_node(&members("maximum_attempts"), |node| node.maximum_attempts())?,
            Some(count),
            "{value}"
        );
        assert_eq!(
            of_node(&members("execution_time"), |node| node.execution_time_ms())?,
            Some(count),
            "{value}"
        );
    }
    Ok(())
}

/// Every start of a document is cut off; none is once one of its bytes is wrong, nor an empty one.
#[test]
fn every_start_of_an_object_is_cut_off() {
    let documents = [
        include_str!("../../tests/data/documented-200.json").to_owned(),
        r#" {"status":"\u00e9\ud83d\ude00é😀\n\"\\","a":[-1.5e+3,true,false,null,[],{},[[]]],"b" : { "" : 0 }}"#.to_owned(),
        format!(r#"{{"a":{}true,"\u00e9é",-1e+3{}}}"#, "[".repeat(5000), "]".repeat(5000)),
        format!(r#"{{"a":"{}", "b":{}}}"#, "x".repeat(200), "1".repeat(200)),
        r#"{}"#.to_owned(),
    ];
    let parse = |body: &[u8]| Execution::parse(body.to_vec(), None, u64::MAX);
    for document in documents {
        let document = document.trim_end();
        let begin = document.len() - document.trim_start().len();
        let is_tested =
            |length: &usize| document.len() < 2000 || length % 97 < 5 || (5000..5050).contains(length);
        for length in (0..document.len()).filter(is_tested) {
            let start = &document.as_bytes()[..length];
            let error = parse(start).err().expect("an incomplete document");
            assert_eq!(error.is_cut_off, length > begin, "{length} of {document:.100}");
            for wrong in [&b"\x01"[..], b"\xff", b"\xc3", b"::"] {
                let error = parse(&[start, wrong].concat()).err();
                assert!(error.is_some_and(|error| !error.is_cut_off || is_in_string(start)), "{length}");
            }
        }
    }
    let others = ["", " \n", "[", "\"", "tru", "-", "<html>", "{]", "{\"a\":tru}", "{}}", "{} {", "{\"\\x"];
    let not_utf8 = [&b"{}\xc3"[..], b"\xc3", b"{\"\xc3\xff", b"{\xc3", b"{\"a\":\xf0\x9f", b"{\"\\\xc3"];
    let deep =
        ["trx", "u12", "\\u12", "\"\\u12x", "tru]"].map(|end| format!("{{\"a\":{}{end}", "[".repeat(5000)));
    let deep = deep.iter().map(String::as_bytes);
    for other in others.map(str::as_bytes).into_iter().chain(not_utf8).chain(deep) {
        let is_cut_off = parse(other).err().map(|error| error.is_cut_off);
        assert_eq!(
            is_cut_off,
            Some(false),
            "{}",
            String::from_utf8_lossy(&other[other.len().saturating_sub(20)..])
        );
    }
}

/// Whether brackets may follow, because a string is open.
fn is_in_string(start: &[u8]) -> bool {
    let mut in_string = false;
    let mut bytes = start.iter();
    while let Some(byte) = bytes.next() {
        match byte {
            b'"' => in_string = !in_string,
            b'\\' => drop(bytes.next()),
            _ => {}
        }
    }
    in_string
}

#[test]
fn outputs_of_any_type_are_kept_as_they_were_sent() -> Result<(), ParseErrorKind> {
    for value in ["null", "0", "\"a\\u0041\"", "[ 1 ]", "{\"a\" : 1e400, \"a\":2}", "\"\\ud83d\""] {
        for (key, is_output) in [("latest_output", true), ("input_data", false)] {
            let members = format!("\"{key}\":1, \"{key}\" : {value} ,\"other\":[{value}]");
            let body = format!("{{\"status\":\"\",\"nodes\":[{{{members}}}]}}");
            let execution = parse(&body)?;
            let node = execution.node(0);
            let (output, input) =
                (node.and_then(|node| node.latest_output()), node.and_then(|node| node.input_data()));
            assert_eq!(if is_output { output } else { input }, Some(value));
            assert_eq!(if is_output { input } else { output }, None);
            assert_eq!(node.map(|node| node.json().to_owned()), Some(format!("{{{members}}}")));
        }
    }
    assert_eq!(of_node("\"is_batch\":true", |node| node.is_batch())?, Some(true));
    assert_eq!(of_node("\"is_batch\":true,\"is_batch\":\"true\"", |node| node.is_batch())?, Some(false));
    assert_eq!(
        of_node("\"node_status\":\"Errored_and_Skipped\"", |node| node.state())?,
        Some(State::Skipped)
    );
    assert_eq!(of_node("\"node_status\":3", |node| node.state())?, Some(State::Unknown));
    assert_eq!(
        of_node("\"nod\\u0065_id\":\"x\"", |node| node.id().map(<[u8]>::to_vec))?,
        Some(Some(b"x\0".to_vec()))
    );
    Ok(())
}

#[test]
fn there_is_one_node_for_each_element_of_the_array() -> Result<(), ParseErrorKind> {
    let cases = [
        ("", vec![]),
        ("\"nodes\":null", vec![]),
        ("\"nodes\":{\"node_id\":\"a\"}", vec![]),
        ("\"nodes\":\"[{}]\"", vec![]),
        ("\"nodes\":[ ]", vec![]),
        ("\"nodes\":[null, {} ,{\"node_id\":\"a\"},7,[{\"node_id\":\"b\"}]]", vec!["", "", "a\0", "", ""]),
        ("\"nodes\":[{\"node_id\":\"a\"}],\"nodes\":[{\"node_id\":\"b\"},{}]", vec!["b\0", ""]),
        ("\"nodes\":[{\"node_id\":\"a\"}],\"nodes\":5", vec![]),
        ("\"nodes\":5,\"nodes\":[{\"node_id\":\"a\"}]", vec!["a\0"]),
        ("\"nodes\":[{\"node_id\":\"a\",\"node_id\":\"b\"}]", vec!["b\0"]),
    ];
    for (members, ids) in cases {
        let comma = if members.is_empty() { "" } else { "," };
        let execution = parse(&format!("{{\"status\":\"\"{comma}{members}}}"))?;
        let found: Vec<&[u8]> = (0..)
            .map_while(|index| execution.node(index))
            .map(|node| node.id().unwrap_or_default())
            .collect();
        assert_eq!(found, ids.iter().map(|id| id.as_bytes()).collect::<Vec<_>>(), "{members}");
        assert_eq!(execution.nodes().len(), ids.len());
    }
    assert_eq!(with("\"nodes\":[ 7 ]")?.node(0).map(|node| node.json() == "7"), Some(true));
    Ok(())
}

#[test]
fn the_first_of_the_nodes_with_an_id_is_found() -> Result<(), ParseErrorKind> {
    for count in [3, 16, 17, 500] {
        let nodes: Vec<String> =
            (0..count).map(|n| format!("{{\"node_id\":\"{}\"}}", n * 5 % count)).collect();
        let execution = with(&format!("\"nodes\":[{},{},{{}},7]", nodes.join(","), nodes.join(",")))?;
        for n in 0..count {
            let id = (n * 5 % count).to_string();
            let first = (0..count).find(|other| other * 5 % count == n * 5 % count);
            assert_eq!(execution.node_by_id(id.as_bytes()), first, "{id} of {count}");
        }
        for id in ["", "x", "-1", "0\0"] {
            assert_eq!(execution.node_by_id(id.as_bytes()), None);
        }
    }
    assert_eq!(with("\"nodes\":[{},{\"node_id\":\"\"}]")?.node_by_id(b""), Some(1));
    Ok(())
}

#[test]
fn only_many_nodes_are_sorted_for_a_search() -> Result<(), ParseErrorKind> {
    for (count, is_sorted) in [(MAX_LINEAR_SEARCH, false), (MAX_LINEAR_SEARCH + 1, true)] {
        let execution = with(&format!("\"nodes\":[{}]", vec!["{}"; count].join(",")))?;
        assert_eq!(execution.node_by_id(b"a"), None);
        assert_eq!(execution.by_id.get().is_some(), is_sorted);
    }
    Ok(())
}

#[test]
fn the_initial_capacity_for_nodes_depends_on_the_body() -> Result<(), ParseErrorKind> {
    for (length, capacity) in
        [(100, 4), (6 * MIN_NODE_TEXT + 100, 6), (100 * MIN_NODE_TEXT, MAX_INITIAL_NODES)]
    {
        let execution = parse(&format!("{:1$}", "{\"status\":\"\",\"nodes\":[{},{}]}", length))?;
        assert_eq!(execution.nodes.capacity(), capacity);
    }
    Ok(())
}

fn document(text: &str) -> Option<Document> {
    JsonBuffer::from(text.as_bytes().to_vec()).finish().ok()
}

#[test]
fn only_short_counts_take_the_fast_path() {
    let text = "[0,12,1234567,12345678,-1,1.5,1e2,\"3\",{\"a\":3},9 ,4]        ";
    let read: Vec<_> = (1..text.len() - MAX_FAST_COUNT_DIGITS)
        .filter(|at| matches!(text.as_bytes()[at - 1], b'[' | b',' | b':'))
        .filter_map(|at| read_short_count(text.as_bytes(), at).map(|(count, end)| (&text[at..end], count)))
        .collect();
    assert_eq!(read, [("0", 0), ("12", 12), ("1234567", 1234567), ("3", 3)]);
    let at_comma = text.find(",12").and_then(|at| read_short_count(text.as_bytes(), at));
    assert_eq!(at_comma, None);
}

/// The fast path does not grow the buffer. The slow one appends spare bytes to it.
#[test]
fn only_short_strings_without_escapes_take_the_fast_path() -> Result<(), ParseErrorKind> {
    let document = document(&format!("{:100}", r#"["", "abc", "d\n", "efghij"]"#));
    let mut reader = document
        .as_ref()
        .map(|document| Reader::new(document, u64::MAX))
        .ok_or(ParseErrorKind::OutOfMemory)?;
    reader.cursor.enter();
    for (copy, length) in [
        ("\0", 1 + SPARE_BYTES),
        ("abc\0", 1 + SPARE_BYTES),
        ("d\n\0", 8 + SPARE_BYTES),
        ("efghij\0", 8 + SPARE_BYTES),
    ] {
        reader.cursor.advance();
        let string = reader.read_string()?;
        let read = string.range().and_then(|range| reader.strings.get(range));
        assert_eq!((read, reader.strings.len()), (Some(copy.as_bytes()), length));
    }
    Ok(())
}

#[test]
fn the_content_of_skipped_values_is_ignored() -> Result<(), ParseErrorKind> {
    let values = [
        r#""a, b""#,
        r#""] }, \"name\":\"wrong\", \\""#,
        r#""\\""#,
        r#"[",]", {"name": "}"}]"#,
        r#"{"a]": "}", "name": ["wrong"]}"#,
        "true",
        "false",
        "null",
        "-1.5e3",
    ];
    for value in values {
        let node = format!(r#"{{"node_name":"right","other":{value} , "node_id":"x"}}"#);
        let execution =
            with(&format!(r#""other":{value},"more" : {value} ,"nodes":[{node},{value}],"name":"right""#))?;
        assert_eq!(execution.name(), Some(&b"right\0"[..]), "{value}");
        assert_eq!(execution.nodes().len(), 2);
        assert_eq!(execution.node_by_id(b"x"), Some(0));
        assert_eq!(execution.node(1).map(|node| node.json()), Some(value));
    }
    Ok(())
}

#[test]
fn a_parse_error_displays_its_reason() {
    let error = Execution::parse(b"{}".to_vec(), None, u64::MAX).err();
    assert_eq!(error.map(|error| error.to_string()), Some("the object has no `status`".to_owned()));
}

#[test]
fn other_bodies_are_refused_with_position_and_reason() {
    let cases: [(&[u8], &str); 22] = [
        (b"", "not JSON: it is empty at line 1 column 0"),
        (b" \n ", "not JSON: it is empty at line 2 column 1"),
        (b"<html>", "not JSON: expected value at line 1 column 1"),
        (b"{\"status\":\"\xff\"}", "not UTF-8 at byte 11"),
        (b"{\"status\":\"\xf0\x9f\x98", "not UTF-8 at byte 11"),
        (b"\xef\xbb\xbf{\"status\":\"\"}", "not JSON: expected value at line 1 column 1"),
        (b"{\"status\":\"R\"", "not JSON: it ends within an object at line 1 column 13"),
        (b"{\"status\":\"R\"}}", "not JSON: trailing characters at line 1 column 15"),
        (b"{\"status\":\"R\",}", "not JSON: key must be a string at line 1 column 15"),
        (b"{\"status\":\"R\"\n\"a\":1}", "not JSON: expected `,` or `}` at line 2 column 1"),
        (b"{\"nodes\":[{\"a\":[1,]}]}", "not JSON: expected value at line 1 column 19"),
        (b"{\"nodes\":[{},]}", "not JSON: expected value at line 1 column 14"),
        (b"{\"nodes\":[{\"a\" 1}]}", "not JSON: expected `:` at line 1 column 16"),
        (b"{\"nodes\":[{\"a\":\"\\x\"}]}", "not JSON: invalid escape at line 1 column 18"),
        (b"{\"nodes\":[{} {}]}", "not JSON: expected `,` or `]` at line 1 column 14"),
        (b"{\"status\":01}", "not JSON: invalid number at line 1 column 12"),
        (b"[{\"status\":\"R\"}]", "not a JSON object at byte 0"),
        (b"  null", "not a JSON object at byte 2"),
        (b"[1", "not JSON: it ends within a list at line 1 column 2"),
        (b"{}", "the object has no `status`"),
        (b"{\"status\": 5}", "`status` is not a string at byte 11"),
        (b"{\"status\":\"R\",\"status\":null}", "`status` is not a string at byte 23"),
    ];
    for (body, message) in cases {
        let error = Execution::parse(body.to_vec(), None, u64::MAX).err().map(|error| error.kind.to_string());
        assert_eq!(error.as_deref(), Some(message), "{}", String::from_utf8_lossy(body));
    }
}

#[test]
fn explanations_take_little_memory() {
    let cases = [
        (4096, "", "it ends within a list at line 1 column 4096"),
        (4097, "", "unexpected character or end at line 1 column 4098"),
        (1 << 20, "[1 2]", "unexpected character or end at line 1 column 1048580"),
        (1, "[],[],", "it ends within a value at line 1 column 7"),
    ];
    for (depth, rest, message) in cases {
        let body = "[".repeat(depth) + rest;
        let error =
            Execution::parse(body.into_bytes(), None, u64::MAX).err().map(|error| error.kind.to_string());
        assert_eq!(error, Some(format!("not JSON: {message}")), "{depth} {rest}");
    }
    // Brackets in strings and closed ones do not count.
    for body in ["[".repeat(9000) + "]\"", "{\"\":[]},".repeat(9000)] {
        let body = format!("[{}{body}", if body.starts_with('[') { "\"" } else { "" });
        let error =
            Execution::parse(body.into_bytes(), None, u64::MAX).err().map(|error| error.kind.to_string());
        assert!(error.as_ref().is_some_and(|error| error.contains("ends within")), "{error:?}");
    }
}

#[test]
fn without_an_explanation_the_position_is_reported() {
    for (body, at, line, column) in
        [("[1 2]", 3, 1, 4), ("[\n\n1 2]", 5, 3, 3), ("[", 1, 1, 2), ("[1,\n", 4, 2, 1)]
    {
        let ParseErrorKind::Malformed { line: found_line, column: found_column, .. } =
            ParseErrorKind::locate(body, at)
        else {
            panic!("another error");
        };
        assert_eq!((found_line, found_column), (line, column), "{body:?}");
    }
}

/// The number of keys of an object that are predicted. All others are found.
fn count_predicted(predictor: &mut KeyPredictor<Field>, keys: &[&[u8]]) -> usize {
    let members: Vec<String> = keys.iter().map(|key| format!("\"{}\":1", key.escape_ascii())).collect();
    let text = members.join(",") + &" ".repeat(KEY_WORDS * 8);
    let (mut at, mut count) = (0, 0);
    predictor.restart();
    for key in keys {
        let end = at + usize::from(at > 0) + key.len() + 3;
        let field = match predictor.predict(text.as_bytes(), at) {
            Some((field, predicted_end)) => {
                assert_eq!(predicted_end, end);
                count += 1;
                Some(field)
            }
            None => predictor.find(key),
        };
        assert_eq!(field.map(|field| FIELDS[field as usize].name), Some(*key));
        at = end + 1;
    }
    count
}

#[test]
fn keys_are_predicted_in_the_order_of_the_previous_object() {
    let documented: Vec<&[u8]> = FIELDS.iter().map(|known| known.name).collect();
    let reversed: Vec<&[u8]> = documented.iter().rev().copied().collect();
    let mut predictor = KeyPredictor::new(FIELDS);
    assert_eq!(count_predicted(&mut predictor, &documented), documented.len());
    assert_eq!(count_predicted(&mut predictor, &reversed), 0);
    assert_eq!(count_predicted(&mut predictor, &reversed), reversed.len());
    assert_eq!(count_predicted(&mut predictor, &reversed[2..]), reversed.len() - 2 - 1);
    assert_eq!(predictor.find(b"other").map(|field| field as usize), None);
}
