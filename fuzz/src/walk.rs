//! Reads a whole execution through the C interface and compares each value with the reference.

use crate::interface::{Execution, Json, Node, until_nul};
use crate::reference::{Value, agrees, second_opinion};
use tinyjson::JsonValue;

/// Pseudorandom choices that depend only on the input. Values must be the same in any order of access.
pub struct Choices(u64);

impl Choices {
    /// FNV-1a of the input.
    pub fn of(input: &[u8]) -> Choices {
        Choices(input.iter().fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
            (hash ^ u64::from(*byte)).wrapping_mul(0x0000_0100_0000_01b3)
        }))
    }

    fn below(&mut self, limit: usize) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        ((self.0 >> 33) as usize) % limit
    }
}

/// Checks all fields, nodes and values of an execution against its document.
pub fn execution(
    execution: &Execution,
    document: Value<'_>,
    requested_id: Option<&str>,
    choices: &mut Choices,
) {
    for (name, found) in execution.texts() {
        let expected = text(document, name);
        let expected = match name {
            "_id" => expected.or(requested_id.map(|id| id.as_bytes().to_vec())),
            _ => expected,
        };
        assert_eq!(found.map(str::as_bytes), expected.as_deref().map(until_nul), "{name}");
    }
    let percentage = document.get("completion_percentage").and_then(Value::double);
    assert_eq!(execution.completion_percentage(), percentage.unwrap_or(-1.0));
    let known = ["", "", "RUNNING", "", "STOPPING", "COMPLETED", "ERRORED", "", "STOPPED", "TIMED_OUT", ""];
    assert_eq!(execution.state(), state(text(document, "status"), &known));
    let elements = document.get("nodes").and_then(Value::elements).unwrap_or_default();
    assert_eq!(execution.node_count(), elements.len());
    assert_eq!(execution.node(elements.len()), None);
    for (index, element) in elements.iter().enumerate() {
        let found = execution.node(index).expect("a node below the count");
        node(found, *element, choices);
        if let Some(id) = text(*element, "node_id").filter(|id| !id.contains(&0)) {
            let first = elements.iter().position(|element| text(*element, "node_id").as_ref() == Some(&id));
            assert_eq!(execution.node_by_id(&id), first.and_then(|first| execution.node(first)));
        }
    }
    assert_eq!(execution.node_by_id(b"no node has this id"), None);
    value(execution.json(), document, choices);
    let retained = execution.retain();
    assert_eq!(retained.json(), execution.json());
}

fn node(found: Node<'_>, element: Value<'_>, choices: &mut Choices) {
    for (name, found) in found.texts() {
        let expected = text(element, name);
        assert_eq!(found.map(str::as_bytes), expected.as_deref().map(until_nul), "{name}");
    }
    for (name, found) in found.counts() {
        assert_eq!(found, element.get(name).map_or(-1, Value::count), "{name}");
    }
    assert_eq!(found.is_batch(), element.get("is_batch") == Some(Value("true")));
    let known = [
        "",
        "Ready",
        "",
        "Waiting",
        "",
        "Success",
        "Errored",
        "Errored_and_Skipped",
        "Stopped",
        "Timed_Out",
        "Rejected",
    ];
    assert_eq!(found.state(), state(text(element, "node_status"), &known));
    for (name, found) in found.values() {
        let expected = element.get(name);
        assert_eq!(found.map(Json::raw), expected.map(|value| value.0.as_bytes()), "{name}");
        if let (Some(found), Some(expected)) = (found, expected) {
            value(found, expected, choices);
        }
    }
    assert_eq!(found.json().raw(), element.0.as_bytes());
}

fn text(object: Value<'_>, name: &str) -> Option<Vec<u8>> {
    object.get(name)?.string()
}

/// The index of a text among the known ones, where empty ones are placeholders.
fn state(text: Option<Vec<u8>>, known: &[&str; 11]) -> i32 {
    let text = text.filter(|text| !text.is_empty());
    text.and_then(|text| known.iter().position(|known| known.as_bytes() == text)).unwrap_or(0) as i32
}

/// The value that was found, the expected one, the second opinion on it, and the JSON pointer to it from the root,
/// unless a later member with the same key hides it.
struct Visit<'a, 'r> {
    found: Json<'a>,
    expected: Value<'r>,
    opinion: Option<&'r JsonValue>,
    pointer: Option<Vec<u8>>,
}

/// Checks a whole value. Does not recurse, because nesting may have any depth.
fn value(root: Json<'_>, expected: Value<'_>, choices: &mut Choices) {
    let opinion = second_opinion(expected.0);
    let mut open = vec![Visit { found: root, expected, opinion: opinion.as_ref(), pointer: Some(vec![]) }];
    while let Some(visit) = open.pop() {
        let mut checks: [fn(&Visit); 5] = [kind_and_scalars, string, texts, lookups, length];
        for last in (1..checks.len()).rev() {
            checks.swap(last, choices.below(last + 1));
        }
        checks.iter().for_each(|check| check(&visit));
        if let Some(pointer) = &visit.pointer {
            assert_eq!(root.pointer(pointer), Some(visit.found), "{}", String::from_utf8_lossy(pointer));
        }
        push_children(&visit, &mut open);
    }
}

fn kind_and_scalars(visit: &Visit) {
    let Visit { found, expected, opinion, .. } = visit;
    assert_eq!(found.kind(), expected.kind());
    assert_eq!(found.bool(), expected.0 == "true");
    assert_eq!(found.double(), expected.double().unwrap_or(0.0));
    let whole = expected.truncated().unwrap_or(0).clamp(i64::MIN.into(), i64::MAX.into());
    assert_eq!(found.int64(), whole as i64, "{}", expected.0);
    assert!(opinion.is_none_or(|opinion| agrees(*expected, opinion)), "{opinion:?} of {}", expected.0);
}

fn string(visit: &Visit) {
    let found = visit.found.string();
    assert_eq!(found, visit.expected.string().as_deref());
    assert!(found.is_none_or(|found| std::str::from_utf8(found).is_ok()));
}

fn texts(visit: &Visit) {
    let text = visit.found.text();
    assert_eq!(text, visit.expected.0.as_bytes());
    assert_eq!(visit.found.raw(), text);
    assert_eq!(visit.found.text().as_ptr(), text.as_ptr(), "the copy is made only once");
}

/// Lookups by key and by position, successful or not.
fn lookups(visit: &Visit) {
    let found = visit.found;
    for (key, _) in visit.expected.members().unwrap_or_default().iter().filter(|(key, _)| !key.contains(&0)) {
        let same = |index: &usize| found.key_at(*index) == Some(key);
        let last = (0..found.length()).rev().find(same).expect("a key that was sent");
        assert_eq!(found.get(key), found.at(last));
    }
    // Not assumed, because the fuzzer derives inputs from the values that they are compared with.
    let absent = "a key that is never sent";
    if visit.expected.get(absent).is_none() {
        assert_eq!(found.get(absent.as_bytes()), None);
        assert_eq!(found.pointer(format!("/{absent}").as_bytes()), None);
    }
    assert_eq!(found.pointer(b""), Some(found));
    for nothing in [&b"no slash"[..], b"/~2", b"/0/~"] {
        assert_eq!(found.pointer(nothing), None);
    }
    if visit.expected.kind() == 4 {
        for no_index in [&b"/"[..], b"/-", b"/-1", b"/+0", b"/00", b"/01", b"/0 ", b"/18446744073709551616"] {
            assert_eq!(found.pointer(no_index), None);
        }
    }
}

fn length(visit: &Visit) {
    let Visit { found, expected, .. } = visit;
    let elements = expected.elements().map(|elements| elements.len());
    let members = expected.members();
    assert_eq!(found.length(), elements.or(members.as_ref().map(Vec::len)).unwrap_or(0));
    assert_eq!((found.at(found.length()), found.key_at(found.length())), (None, None));
    for (index, (key, _)) in members.unwrap_or_default().iter().enumerate() {
        assert_eq!(found.key_at(index), Some(&key[..]));
    }
}

/// Queues the values that a value contains.
fn push_children<'a, 'r>(visit: &Visit<'a, 'r>, open: &mut Vec<Visit<'a, 'r>>) {
    let inside = |index, expected, opinion, token: Option<Vec<u8>>| Visit {
        found: visit.found.at(index).expect("a value below the length"),
        expected,
        opinion,
        pointer: visit
            .pointer
            .as_ref()
            .zip(token)
            .map(|(pointer, token)| [pointer, &b"/"[..], &token].concat()),
    };
    let list = match visit.opinion {
        Some(JsonValue::Array(list)) => Some(list),
        _ => None,
    };
    for (index, element) in visit.expected.elements().unwrap_or_default().into_iter().enumerate() {
        let opinion = list.map(|list| &list[index]);
        open.push(inside(index, element, opinion, Some(index.to_string().into_bytes())));
    }
    let map = match visit.opinion {
        Some(JsonValue::Object(map)) => Some(map),
        _ => None,
    };
    let members = visit.expected.members().unwrap_or_default();
    for (index, (key, member)) in members.iter().enumerate() {
        let is_last = members[index + 1..].iter().all(|(later, _)| later != key);
        let token = (is_last && !key.contains(&0)).then(|| token(key));
        let opinion = map.filter(|_| is_last).and_then(|map| map.get(std::str::from_utf8(key).ok()?));
        open.push(inside(index, *member, opinion, token));
    }
}

/// A key as a reference token of a JSON pointer (RFC 6901).
fn token(key: &[u8]) -> Vec<u8> {
    let mut token = Vec::new();
    for byte in key {
        match byte {
            b'~' => token.extend(b"~0"),
            b'/' => token.extend(b"~1"),
            other => token.push(*other),
        }
    }
    token
}
