//! Reads random documents, and compares the values with those written and with those that serde_json reads.

use std::ops::Range;

use serde_json::Value;

use super::address;
use crate::json::tape::MAX_TAPE_TEXT;
use crate::json::{Json, JsonType, LazyValue, truncate};
use crate::rng::Rng;

/// A value as it was written, and its text.
struct Model {
    extent: Range<usize>,
    content: Content,
}

enum Content {
    Null,
    Bool(bool),
    Number,
    String(String),
    Array(Vec<Model>),
    Object(Vec<(String, Model)>),
}

/// Writes random documents, and returns what it wrote.
struct Writer {
    text: String,
    rng: Rng,
    /// Whether to write lone surrogates, which serde_json refuses.
    with_lone_surrogates: bool,
}

impl Writer {
    fn new(seed: u64, with_lone_surrogates: bool) -> Writer {
        Writer { text: String::new(), rng: Rng(seed), with_lone_surrogates }
    }

    fn value(&mut self, depth: u64) -> Model {
        let start = self.text.len();
        let content = match self.rng.below(if depth == 0 { 7 } else { 11 }) {
            0 => self.word("null", Content::Null),
            1 => self.word("true", Content::Bool(true)),
            2 => self.word("false", Content::Bool(false)),
            3 | 4 => self.number(),
            5 | 6 => Content::String(self.string()),
            7 | 8 => {
                let count = self.count();
                self.array(count, depth)
            }
            _ => {
                let count = self.count();
                self.object(count, depth)
            }
        };
        Model { extent: start..self.text.len(), content }
    }

    fn count(&mut self) -> usize {
        let limit = self.rng.pick(&[1, 3, 8, 20, 40]);
        self.rng.below(limit)
    }

    fn word(&mut self, word: &str, content: Content) -> Content {
        self.text.push_str(word);
        content
    }

    fn number(&mut self) -> Content {
        const NUMBERS: [&str; 18] = [
            "0",
            "-0",
            "7",
            "-1",
            "42",
            "-0.0",
            "1.5",
            "0.1",
            "1e5",
            "-2E-3",
            "2147483647",
            "-2147483648",
            "2147483648",
            "47.376900",
            "-123456e-2",
            "9007199254740993",
            "123456789012345678901234567890",
            "1e400",
        ];
        self.text.push_str(self.rng.pick(&NUMBERS));
        Content::Number
    }

    fn string(&mut self) -> String {
        const UNESCAPED: [&str; 8] =
            ["", "a", "id", "name", "größer", "客", "😀", "a text longer than two vectors of bytes"];
        const ESCAPED: [(&str, &str); 7] = [
            ("\\n", "\n"),
            ("\\\"", "\""),
            ("\\\\", "\\"),
            ("\\/", "/"),
            ("\\u00e9", "é"),
            ("\\ud83d\\ude00", "😀"),
            ("\\u0000", "\0"),
        ];
        const LONE_SURROGATES: [&str; 3] = ["\\ud83d", "\\ude00.", "\\udbff\\n"];
        let mut string = String::new();
        self.text.push('"');
        for _ in 0..self.rng.below(4) {
            match self.rng.below(8) {
                0 | 1 => {
                    let (escape, character) = self.rng.pick(&ESCAPED);
                    self.text.push_str(escape);
                    string.push_str(character);
                }
                2 if self.with_lone_surrogates => {
                    let escape = self.rng.pick(&LONE_SURROGATES);
                    // The letter keeps it from forming a pair with the next one.
                    self.text.push_str(escape);
                    self.text.push('x');
                    string.push_str(&format!("\u{fffd}{}x", escape[6..].replace("\\n", "\n")));
                }
                _ => {
                    let unescaped = self.rng.pick(&UNESCAPED);
                    self.text.push_str(unescaped);
                    string.push_str(unescaped);
                }
            }
        }
        self.text.push('"');
        string
    }

    fn blank(&mut self) {
        self.text.push_str(self.rng.pick(&["", "", "", "", " ", "\n\t", "                    "]));
    }

    fn array(&mut self, count: usize, depth: u64) -> Content {
        let mut list = Vec::new();
        self.enclosed("[]", count, |writer| list.push(writer.value(depth.saturating_sub(1))));
        Content::Array(list)
    }

    fn object(&mut self, count: usize, depth: u64) -> Content {
        let mut list = Vec::new();
        self.enclosed("{}", count, |writer| {
            let key = writer.string();
            writer.blank();
            writer.text.push(':');
            writer.blank();
            list.push((key, writer.value(depth.saturating_sub(1))));
        });
        Content::Object(list)
    }

    fn enclosed(&mut self, brackets: &str, count: usize, mut write: impl FnMut(&mut Writer)) {
        self.text.push_str(&brackets[..1]);
        self.blank();
        for index in 0..count {
            if index > 0 {
                self.text.push(',');
                self.blank();
            }
            write(self);
            self.blank();
        }
        self.text.push_str(&brackets[1..]);
    }

    /// A string of this many bytes, including its quotes.
    fn filling(&mut self, length: usize) -> Model {
        let start = self.text.len();
        let string = "y".repeat(length - 2);
        self.text.push_str(&format!("\"{string}\""));
        Model { extent: start..self.text.len(), content: Content::String(string) }
    }
}

/// Asserts that a value is read as it was written.
fn assert_written(value: Json, model: &Model, text: &str) {
    let raw = &text[model.extent.clone()];
    assert!(std::ptr::eq(value.raw(), raw), "{} is not {raw}", value.raw());
    assert_eq!(value.as_bool(), matches!(model.content, Content::Bool(true)));
    let string = value.string().map(|string| String::from_utf8_lossy(string).into_owned());
    let expected =
        if let Content::String(string) = &model.content { Some(format!("{string}\0")) } else { None };
    assert_eq!(string, expected);
    if let Content::Number = &model.content {
        let integer = truncate(raw).clamp(i64::MIN.into(), i64::MAX.into()) as i64;
        assert_eq!(
            (value.as_i64(), value.as_f64().to_bits()),
            (integer, raw.parse().map(f64::to_bits).unwrap_or(0))
        );
    } else {
        assert_eq!((value.as_i64(), value.as_f64()), (0, 0.0));
    }
    let (kind, length) = match &model.content {
        Content::Null => (JsonType::Null, 0),
        Content::Bool(_) => (JsonType::Bool, 0),
        Content::Number => (JsonType::Number, 0),
        Content::String(_) => (JsonType::String, 0),
        Content::Array(list) => (JsonType::Array, list.len()),
        Content::Object(list) => (JsonType::Object, list.len()),
    };
    assert_eq!((value.kind(), value.length()), (kind, length));
    assert!(value.at(length).is_none() && value.key_at(length).is_none() && value.at(usize::MAX).is_none());
    match &model.content {
        Content::Array(list) => {
            assert_all_written(value, list.iter(), text);
            assert!(value.key_at(0).is_none() && value.get(b"").is_none());
        }
        Content::Object(list) => {
            assert_all_written(value, list.iter().map(|(_, member)| member), text);
            for (index, (key, _)) in list.iter().enumerate() {
                assert_eq!(value.key_at(index), Some(format!("{key}\0").as_bytes()));
                let last = list.iter().rposition(|(other, _)| other == key).and_then(|last| value.at(last));
                assert_eq!(value.get(key.as_bytes()).map(address), last.map(address));
            }
            assert!(value.get(b"no such key").is_none());
        }
        _ => {}
    }
}

/// Reads the elements in both directions, because the order must not matter.
fn assert_all_written<'m>(
    value: Json,
    list: impl DoubleEndedIterator<Item = &'m Model> + ExactSizeIterator + Clone,
    text: &str,
) {
    for (index, model) in list.clone().enumerate().rev() {
        let raw = value.at(index).map(Json::raw);
        assert_eq!(raw, Some(&text[model.extent.clone()]));
    }
    for (index, model) in list.enumerate() {
        let Some(element) = value.at(index) else { panic!("nothing at {index}") };
        assert_written(element, model, text);
    }
}

/// Asserts that a value is read as serde_json reads it. Of repeated keys, serde_json keeps the last.
fn assert_reference(value: Json, reference: &Value) {
    match reference {
        Value::Null => assert_eq!(value.kind(), JsonType::Null),
        Value::Bool(bool) => assert_eq!((value.kind(), value.as_bool()), (JsonType::Bool, *bool)),
        Value::Number(number) => {
            assert_eq!(value.kind(), JsonType::Number);
            assert!(number.as_i64().is_none_or(|number| number == value.as_i64()));
        }
        Value::String(string) => assert_eq!(value.string(), Some(format!("{string}\0").as_bytes())),
        Value::Array(list) => {
            assert_eq!((value.kind(), value.length()), (JsonType::Array, list.len()));
            for (index, reference) in list.iter().enumerate() {
                assert!(value.at(index).map(|element| assert_reference(element, reference)).is_some());
            }
        }
        Value::Object(map) => {
            assert_eq!(value.kind(), JsonType::Object);
            assert!((0..value.length()).all(|index| value.key_at(index).is_some_and(|key| {
                let (_, key) = key.split_last().unwrap_or((&0, &[]));
                std::str::from_utf8(key).is_ok_and(|key| map.contains_key(key))
            })));
            for (key, reference) in map {
                assert!(
                    value.get(key.as_bytes()).map(|member| assert_reference(member, reference)).is_some()
                );
            }
        }
    }
}

#[test]
fn documents_are_read_as_they_were_written() {
    for seed in 1..400 {
        let mut writer = Writer::new(seed * 0x9e37_79b9, true);
        let model = writer.value(seed % 7);
        let lazy = LazyValue::new(&writer.text);
        assert_written(lazy.json(), &model, &writer.text);
    }
}

#[test]
fn documents_are_read_as_serde_json_reads_them() {
    let mut compared = 0;
    for seed in 1..400 {
        let mut writer = Writer::new(seed * 0x9e37_79b9, false);
        writer.value(6);
        // serde_json refuses numbers out of the range of doubles.
        if let Ok(reference) = serde_json::from_str(&writer.text) {
            assert_reference(LazyValue::new(&writer.text).json(), &reference);
            compared += 1;
        }
    }
    assert!(compared > 200, "only {compared} were compared");
}

#[test]
fn documents_are_read_alike_on_both_sides_of_the_size_limit() {
    for (brackets, key) in [("[]", ""), ("{}", "\"\":")] {
        for excess in -40isize..=4 {
            for (before, after) in
                [("", ""), ("1,", ""), ("", ",[2]"), ("[ ],", ",{\"a\":\"b\"}, 3"), (" ", " ")]
            {
                assert_read_around_limit(brackets, key, before, after, excess);
            }
        }
    }
}

/// A container whose text exceeds the limit of a tape by `excess` bytes: a long string with small values around it.
fn assert_read_around_limit(brackets: &str, key: &str, before: &str, after: &str, excess: isize) {
    let keyed =
        |list: &str| list.split_inclusive(',').map(|value| format!("{key}{value}")).collect::<String>();
    let (before, after) = if key.is_empty() {
        (before.to_owned(), after.to_owned())
    } else {
        let after = after.strip_prefix(',').map_or(after.to_owned(), |after| format!(",{}", keyed(after)));
        (if before.trim().is_empty() { before.to_owned() } else { keyed(before) }, after)
    };
    let length = (MAX_TAPE_TEXT - before.len() - after.len() - key.len() - 2).strict_add_signed(excess);
    let mut writer = Writer::new(1, false);
    writer.text = format!("{}{before}{key}", &brackets[..1]);
    let filling = writer.filling(length);
    let text = format!("{}{after}{}", writer.text, &brackets[1..]);
    assert_eq!(text.len(), MAX_TAPE_TEXT.strict_add_signed(excess));
    let reference: Value = serde_json::from_str(&text).unwrap_or_else(|error| panic!("{error}"));
    for around in [text.clone(), format!("[{text},{text}]"), format!("{{\"a\":{text},\"b\":{text},\"c\":1}}")]
    {
        let lazy = LazyValue::new(&around);
        let values: Vec<Json> = if around.len() == text.len() {
            vec![lazy.json()]
        } else {
            (0..2).filter_map(|index| lazy.json().at(index)).collect()
        };
        assert!(!values.is_empty());
        for value in values {
            assert_eq!(value.raw(), text);
            assert_reference(value, &reference);
            let index = before.matches(',').count();
            assert_eq!(value.at(index).map(Json::raw), Some(&text[filling.extent.clone()]));
        }
    }
}

/// Containers far larger than the limit of a tape, with small and large values.
fn large_documents() -> Vec<(String, Model)> {
    let mut documents = Vec::new();
    for seed in 1..7 {
        let mut writer = Writer::new(seed * 77, true);
        let count = [30, 900, 5_000][seed as usize % 3];
        let content = match seed % 2 {
            0 => writer.array(count, 4),
            _ => writer.object(count.min(900), 4),
        };
        let extent = 0..writer.text.len();
        documents.push((writer.text, Model { extent, content }));
    }
    documents.push(mixed_document());
    documents
}

/// Large strings, large arrays and small values next to each other.
fn mixed_document() -> (String, Model) {
    let mut writer = Writer::new(5, true);
    let mut list = Vec::new();
    writer.enclosed("[]", 60, |writer| {
        let start = writer.text.len();
        list.push(match writer.rng.below(6) {
            0 => writer.filling(MAX_TAPE_TEXT + 3),
            1 => writer.filling(MAX_TAPE_TEXT - 1),
            2 => {
                let content = writer.array(3_000, 2);
                Model { extent: start..writer.text.len(), content }
            }
            _ => writer.value(3),
        });
    });
    let extent = 0..writer.text.len();
    (writer.text, Model { extent, content: Content::Array(list) })
}

#[test]
fn large_documents_are_read_as_they_were_written() {
    for (text, model) in large_documents() {
        assert_written(LazyValue::new(&text).json(), &model, &text);
    }
}

/// The addresses of all values and strings in a value.
fn addresses(value: Json, list: &mut Vec<usize>) {
    list.push(address(value));
    list.extend(value.string().map(|string| string.as_ptr().addr()));
    for index in 0..value.length() {
        list.extend(value.key_at(index).map(|key| key.as_ptr().addr()));
        if let Some(value) = value.at(index) {
            addresses(value, list);
        }
    }
}

#[test]
fn threads_that_read_at_the_same_time_see_the_same_values() {
    for (text, _) in large_documents() {
        let lazy = &LazyValue::new(&text);
        let read = || {
            let mut list = Vec::new();
            addresses(lazy.json(), &mut list);
            (list, lazy.json().text().map(|text| text.as_ptr().addr()))
        };
        let seen: Vec<_> = std::thread::scope(|scope| {
            let threads: Vec<_> = (0..4).map(|_| scope.spawn(read)).collect();
            threads.into_iter().map(|thread| thread.join().expect("no panic")).collect()
        });
        assert!(seen.iter().all(|list| *list == read()));
    }
}
