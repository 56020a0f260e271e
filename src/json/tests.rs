use super::tape::MOST;
use super::{CacheNode, Entry, Json, JsonType, LazyValue, truncate};
use crate::rng::Rng;
use serde_json::Value;
use std::ops::Range;

fn string(text: &str) -> Option<Vec<u8>> {
    LazyValue::new(text).json().string().map(<[u8]>::to_vec)
}

/// Where the library keeps a value, which is what C knows it by.
fn place(value: Json) -> usize {
    match value {
        Json::Whole(source) | Json::Read(source, _) => std::ptr::from_ref(source).addr(),
        Json::Part(flat, slot) => flat.entry(slot).addr(),
    }
}

#[test]
fn values_stay_small() {
    assert_eq!(size_of::<Entry>(), 16);
    assert_eq!(size_of::<LazyValue>(), 24);
    assert_eq!(size_of::<CacheNode>(), 88);
}

#[test]
fn every_kind_is_told_from_its_text() {
    let kinds = [
        ("null", JsonType::Null),
        ("true", JsonType::Bool),
        (" false", JsonType::Bool),
        ("-1", JsonType::Number),
        ("0", JsonType::Number),
        ("\"\"", JsonType::String),
        ("\n[ ]\n", JsonType::Array),
        ("{}", JsonType::Object),
    ];
    for (text, kind) in kinds {
        let source = LazyValue::new(text);
        let value = source.json();
        assert_eq!(value.kind(), kind, "{text}");
        assert_eq!(value.raw(), text.trim());
        assert_eq!(value.text(), Some(format!("{}\0", text.trim()).as_bytes()));
        assert_eq!(value.as_bool(), text == "true");
    }
}

#[test]
fn questions_to_another_kind_have_empty_answers() {
    let texts = ["null", "true", "12", "\"12\"", "[12]", "{\"a\":12}"];
    let sources = texts.map(LazyValue::new);
    // The second time all has been read.
    for source in sources.iter().chain(&sources) {
        let value = source.json();
        let kind = value.kind();
        assert_eq!(value.as_i64(), if kind == JsonType::Number { 12 } else { 0 });
        assert_eq!(value.as_f64(), if kind == JsonType::Number { 12.0 } else { 0.0 });
        assert_eq!(value.string().is_some(), kind == JsonType::String);
        assert_eq!(value.length(), usize::from(matches!(kind, JsonType::Array | JsonType::Object)));
        assert_eq!(value.at(0).is_some(), matches!(kind, JsonType::Array | JsonType::Object));
        assert_eq!(value.key_at(0).is_some(), kind == JsonType::Object);
        assert_eq!(value.get(b"a").is_some(), kind == JsonType::Object);
        assert!(value.at(1).is_none() && value.at(usize::MAX).is_none() && value.key_at(1).is_none());
    }
}

#[test]
fn numbers_are_truncated_and_saturated_as_integers_and_rounded_as_doubles() {
    let numbers = [
        ("0", 0, 0.0),
        ("-0", 0, 0.0),
        ("-0.0", 0, 0.0),
        ("403.0", 403, 403.0),
        ("403.7", 403, 403.7),
        ("-403.7", -403, -403.7),
        ("4e2", 400, 400.0),
        ("4.035E+2", 403, 403.5),
        ("40350e-2", 403, 403.5),
        ("0.99", 0, 0.99),
        ("99e-3", 0, 0.099),
        ("9007199254740993", 9_007_199_254_740_993, 9_007_199_254_740_992.0),
        ("12345678901234567.9", 12_345_678_901_234_567, 12_345_678_901_234_568.0),
        ("9223372036854775807", i64::MAX, 9.223_372_036_854_776e18),
        ("9223372036854775808", i64::MAX, 9.223_372_036_854_776e18),
        ("-9223372036854775808", i64::MIN, -9.223_372_036_854_776e18),
        ("-9223372036854775808.5", i64::MIN, -9.223_372_036_854_776e18),
        ("-9223372036854775809", i64::MIN, -9.223_372_036_854_776e18),
        ("922337203685477580.7e1", i64::MAX, 9.223_372_036_854_776e18),
        ("1e18", 1_000_000_000_000_000_000, 1e18),
        ("1e19", i64::MAX, 1e19),
        ("18446744073709551616", i64::MAX, 1.844_674_407_370_955_2e19),
        ("1e400", i64::MAX, f64::INFINITY),
        ("-1e400", i64::MIN, f64::NEG_INFINITY),
        ("1e-400", 0, 0.0),
        ("0e999999999999999999999", 0, 0.0),
        ("1e999999999999999999999", i64::MAX, f64::INFINITY),
        ("1e-999999999999999999999", 0, 0.0),
        ("0.1", 0, 0.1),
        ("5e-324", 0, 5e-324),
        ("1.7976931348623157e308", i64::MAX, f64::MAX),
    ];
    for (text, integer, double) in numbers {
        let source = LazyValue::new(text);
        let value = source.json();
        assert_eq!(value.as_i64(), integer, "{text}");
        assert_eq!(value.as_f64(), double, "{text}");
    }
    let long = format!("{}.{}e-1000", "1".repeat(1_010), "9".repeat(1_000));
    assert_eq!(LazyValue::new(&long).json().as_i64(), 1_111_111_111);
    assert_eq!(LazyValue::new(&format!("0.{}7e101", "0".repeat(100))).json().as_i64(), 7);
}

#[test]
fn strings_are_unescaped_and_end_with_nul() {
    let strings = [
        (r#""""#, "\0"),
        (r#""plain""#, "plain\0"),
        (r#""\"\\\/\b\f\n\r\t""#, "\"\\/\u{8}\u{c}\n\r\t\0"),
        (r#""\u0041\u00e9\u5ba2""#, "Aé客\0"),
        (r#""\ud83d\ude00 \uD83D\uDE00""#, "😀 😀\0"),
        (r#""\ud83d""#, "\u{fffd}\0"),
        (r#""\ude00""#, "\u{fffd}\0"),
        (r#""\ud83d\ud83d\ude00""#, "\u{fffd}😀\0"),
        (r#""\ud83dx\ude00""#, "\u{fffd}x\u{fffd}\0"),
        (r#""\ud83d\n""#, "\u{fffd}\n\0"),
        (r#""\ud83d\u0041""#, "\u{fffd}A\0"),
        (r#""\ud83d\\ude00""#, "\u{fffd}\\ude00\0"),
        (r#""a\u0000b""#, "a\0b\0"),
        (r#""größer 客 😀""#, "größer 客 😀\0"),
    ];
    for (text, plain) in strings {
        assert_eq!(string(text).as_deref(), Some(plain.as_bytes()), "{text}");
    }
    for length in 0..200 {
        let plain = "x".repeat(length);
        assert_eq!(string(&format!("\"{plain}\"")), Some(format!("{plain}\0").into_bytes()));
        assert_eq!(string(&format!("\"{plain}\\n\"")), Some(format!("{plain}\n\0").into_bytes()));
    }
}

#[test]
fn what_a_look_found_is_kept() {
    let source = LazyValue::new(r#"{"a":"x","b":[1]}"#);
    let value = source.json();
    let (element, text) = (value.at(0).map(place), value.text().map(<[u8]>::as_ptr));
    let string = value.at(0).and_then(Json::string).map(<[u8]>::as_ptr);
    assert!(value.at(0).and_then(Json::text).is_some());
    assert_eq!(value.get(b"a").map(place), element);
    assert_eq!(value.text().map(<[u8]>::as_ptr), text);
    assert_eq!(value.pointer(b"/a").and_then(Json::string).map(<[u8]>::as_ptr), string);
}

#[test]
fn members_are_listed_as_sent_and_the_last_of_a_key_is_found() {
    let source = LazyValue::new(
        r#" { "a" : 1 , "b" : [ ] , "a" : 2 , "" : 3 , "\u0062" : 4, "q\"" : 5, "n\u0000": 6 } "#,
    );
    let value = source.json();
    let keys = ["a\0", "b\0", "a\0", "\0", "b\0", "q\"\0", "n\0\0"];
    assert_eq!(value.length(), keys.len());
    for (index, key) in keys.iter().enumerate() {
        assert_eq!(value.key_at(index), Some(key.as_bytes()));
    }
    assert_eq!(value.at(0).map(Json::as_i64), Some(1));
    for (key, found) in [("a", 2), ("", 3), ("b", 4), ("q\"", 5), ("n\0", 6)] {
        assert_eq!(value.get(key.as_bytes()).map(Json::as_i64), Some(found), "{key:?}");
    }
    assert!(value.get(b"A").is_none() && value.get(b"n").is_none() && value.get(b"aa").is_none());
}

#[test]
fn keys_of_every_length_are_told_apart_by_every_byte() {
    for length in 0..40 {
        let key = "k".repeat(length);
        let source_text = format!("{{\"{key}\":1}}");
        let source = LazyValue::new(&source_text);
        let find = |key: &str| source.json().get(key.as_bytes()).map(Json::as_i64);
        assert_eq!(find(&key), Some(1));
        assert_eq!(find(&format!("{key}k")), None);
        for position in 0..length {
            let mut other = key.clone();
            other.replace_range(position..=position, "x");
            assert_eq!(find(&other), None, "{other}");
        }
    }
}

#[test]
fn large_objects_are_searched_the_same() {
    for count in [15, 16, 17, 18, 100, 5_000] {
        let mut text: Vec<String> = (0..count).map(|n| format!("\"k{}\":{n}", n * 7 % count)).collect();
        text.push("\"k3\":-1".to_owned());
        let text = format!("{{{}}}", text.join(","));
        let source = LazyValue::new(&text);
        let value = source.json();
        assert_eq!(value.length(), count + 1);
        assert_eq!(value.get(b"k3").map(Json::as_i64), Some(-1));
        for n in (0..count).filter(|n| n * 7 % count != 3) {
            let key = format!("k{}", n * 7 % count);
            let last = (0..count).rev().find(|other| other * 7 % count == n * 7 % count);
            assert_eq!(value.get(key.as_bytes()).map(Json::as_i64), last.map(|last| last as i64));
        }
        assert!(value.get(b"k").is_none() && value.get(b"zz").is_none() && value.get(b"").is_none());
    }
}

#[test]
fn pointers_follow_rfc_6901() {
    let text = r#"{"foo":["bar","baz"],"":0,"a/b":1,"c%d":2,"e^f":3,"g|h":4,"i\\j":5,"k\"l":6," ":7,"m~n":8,
        "0":9,"01":10,"x":{"0":11,"x":12,"x":13},"~1":14}"#;
    let source = LazyValue::new(text);
    let value = source.json();
    let leads_to = [
        ("/", 0),
        ("/a~1b", 1),
        ("/c%d", 2),
        ("/e^f", 3),
        ("/g|h", 4),
        ("/i\\j", 5),
        ("/k\"l", 6),
        ("/ ", 7),
        ("/m~0n", 8),
        ("/0", 9),
        ("/01", 10),
        ("/x/0", 11),
        ("/x/x", 13),
        ("/~01", 14),
    ];
    for (pointer, number) in leads_to {
        assert_eq!(value.pointer(pointer.as_bytes()).map(Json::as_i64), Some(number), "{pointer}");
    }
    assert!(value.pointer(b"").is_some_and(|found| place(found) == place(value)));
    assert_eq!(value.pointer(b"/foo").map(Json::length), Some(2));
    assert_eq!(value.pointer(b"/foo/1").and_then(Json::string), Some(&b"baz\0"[..]));
    let nowhere = [
        "foo",
        "/foo/2",
        "/foo/-",
        "/foo/01",
        "/foo/00",
        "/foo/+1",
        "/foo/ 1",
        "/foo/",
        "/foo/0/0",
        "/m~n",
        "/m~2n",
        "/a~",
        "/none",
        "/foo/99999999999999999999999",
        "//",
        "/x/",
        "a",
    ];
    for pointer in nowhere {
        assert!(value.pointer(pointer.as_bytes()).is_none(), "{pointer}");
    }
    assert_eq!(LazyValue::new("[1,2]").json().pointer(b"/0").map(Json::as_i64), Some(1));
}

#[test]
fn containers_of_all_sizes_are_divided_where_their_parts_end() {
    for size in 0..150 {
        for part in
            ["1".to_owned(), "{}".to_owned(), format!("[\"{}\"]", "]".repeat(size)), "\"\\\"\"".to_owned()]
        {
            let text = format!("[{}]", vec![format!("[ {part} ,{{\"k\": {part}}}]"); size].join(" , "));
            let source = LazyValue::new(&text);
            let value = source.json();
            assert_eq!(value.length(), size);
            for index in 0..size {
                let element = value.at(index);
                assert_eq!(element.and_then(|element| element.at(0)).map(Json::raw), Some(&*part));
                assert_eq!(element.and_then(|element| element.pointer(b"/1/k")).map(Json::raw), Some(&*part));
                assert_eq!(element.map(Json::length), Some(2));
            }
        }
    }
}

/// A value as it was written, and where.
struct Model {
    place: Range<usize>,
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

/// Writes documents, and remembers what it wrote.
struct Writer {
    text: String,
    rng: Rng,
    /// Whether halves of surrogate pairs may be written, which serde_json refuses.
    with_halves: bool,
}

impl Writer {
    fn new(seed: u64, with_halves: bool) -> Writer {
        Writer { text: String::new(), rng: Rng(seed), with_halves }
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
        Model { place: start..self.text.len(), content }
    }

    fn count(&mut self) -> usize {
        let most = self.rng.pick(&[1, 3, 8, 20, 40]);
        self.rng.below(most)
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
        const PLAIN: [&str; 8] =
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
        const HALVES: [&str; 3] = ["\\ud83d", "\\ude00.", "\\udbff\\n"];
        let mut string = String::new();
        self.text.push('"');
        for _ in 0..self.rng.below(4) {
            match self.rng.below(8) {
                0 | 1 => {
                    let (escape, plain) = self.rng.pick(&ESCAPED);
                    self.text.push_str(escape);
                    string.push_str(plain);
                }
                2 if self.with_halves => {
                    let half = self.rng.pick(&HALVES);
                    // A letter behind it, so that no other half can be its own.
                    self.text.push_str(half);
                    self.text.push('x');
                    string.push_str(&format!("\u{fffd}{}x", half[6..].replace("\\n", "\n")));
                }
                _ => {
                    let plain = self.rng.pick(&PLAIN);
                    self.text.push_str(plain);
                    string.push_str(plain);
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

    /// A string of so many bytes, quotes included.
    fn filling(&mut self, length: usize) -> Model {
        let start = self.text.len();
        let string = "y".repeat(length - 2);
        self.text.push_str(&format!("\"{string}\""));
        Model { place: start..self.text.len(), content: Content::String(string) }
    }
}

/// Whether a value reads as it was written.
fn check(value: Json, model: &Model, text: &str) {
    let raw = &text[model.place.clone()];
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
            check_all(value, list.iter(), text);
            assert!(value.key_at(0).is_none() && value.get(b"").is_none());
        }
        Content::Object(list) => {
            check_all(value, list.iter().map(|(_, member)| member), text);
            for (index, (key, _)) in list.iter().enumerate() {
                assert_eq!(value.key_at(index), Some(format!("{key}\0").as_bytes()));
                let last = list.iter().rposition(|(other, _)| other == key).and_then(|last| value.at(last));
                assert_eq!(value.get(key.as_bytes()).map(place), last.map(place));
            }
            assert!(value.get(b"no such key").is_none());
        }
        _ => {}
    }
}

/// First from the last to the first, so that nothing depends on the order.
fn check_all<'m>(
    value: Json,
    list: impl DoubleEndedIterator<Item = &'m Model> + ExactSizeIterator + Clone,
    text: &str,
) {
    for (index, model) in list.clone().enumerate().rev() {
        let raw = value.at(index).map(Json::raw);
        assert_eq!(raw, Some(&text[model.place.clone()]));
    }
    for (index, model) in list.enumerate() {
        let Some(element) = value.at(index) else { panic!("nothing at {index}") };
        check(element, model, text);
    }
}

/// Whether serde_json reads the same from a value; of repeated keys it keeps the last.
fn check_against(value: Json, reference: &Value) {
    match reference {
        Value::Null => assert_eq!(value.kind(), JsonType::Null),
        Value::Bool(truth) => assert_eq!((value.kind(), value.as_bool()), (JsonType::Bool, *truth)),
        Value::Number(number) => {
            assert_eq!(value.kind(), JsonType::Number);
            assert!(number.as_i64().is_none_or(|number| number == value.as_i64()));
        }
        Value::String(string) => assert_eq!(value.string(), Some(format!("{string}\0").as_bytes())),
        Value::Array(list) => {
            assert_eq!((value.kind(), value.length()), (JsonType::Array, list.len()));
            for (index, reference) in list.iter().enumerate() {
                assert!(value.at(index).map(|element| check_against(element, reference)).is_some());
            }
        }
        Value::Object(map) => {
            assert_eq!(value.kind(), JsonType::Object);
            assert!((0..value.length()).all(|index| value.key_at(index).is_some_and(|key| {
                let (_, key) = key.split_last().unwrap_or((&0, &[]));
                std::str::from_utf8(key).is_ok_and(|key| map.contains_key(key))
            })));
            for (key, reference) in map {
                assert!(value.get(key.as_bytes()).map(|member| check_against(member, reference)).is_some());
            }
        }
    }
}

#[test]
fn documents_are_read_as_they_were_written() {
    for seed in 1..400 {
        let mut writer = Writer::new(seed * 0x9e37_79b9, true);
        let model = writer.value(seed % 7);
        let source = LazyValue::new(&writer.text);
        check(source.json(), &model, &writer.text);
    }
}

#[test]
fn documents_are_read_as_serde_json_reads_them() {
    let mut compared = 0;
    for seed in 1..400 {
        let mut writer = Writer::new(seed * 0x9e37_79b9, false);
        writer.value(6);
        // What is out of the range of doubles, serde_json refuses.
        if let Ok(reference) = serde_json::from_str(&writer.text) {
            check_against(LazyValue::new(&writer.text).json(), &reference);
            compared += 1;
        }
    }
    assert!(compared > 200, "only {compared} were compared");
}

#[test]
fn documents_of_every_size_around_the_limits_are_read_as_they_were_written() {
    for (brackets, key) in [("[]", ""), ("{}", "\"\":")] {
        for beyond in -40isize..=4 {
            for (before, behind) in
                [("", ""), ("1,", ""), ("", ",[2]"), ("[ ],", ",{\"a\":\"b\"}, 3"), (" ", " ")]
            {
                check_around(brackets, key, before, behind, beyond);
            }
        }
    }
}

/// A string that fills an array or object up to the size that is read at once and so many bytes more, and small values
/// around it.
fn check_around(brackets: &str, key: &str, before: &str, behind: &str, beyond: isize) {
    let keyed =
        |list: &str| list.split_inclusive(',').map(|value| format!("{key}{value}")).collect::<String>();
    let (before, behind) = if key.is_empty() {
        (before.to_owned(), behind.to_owned())
    } else {
        let behind =
            behind.strip_prefix(',').map_or(behind.to_owned(), |behind| format!(",{}", keyed(behind)));
        (if before.trim().is_empty() { before.to_owned() } else { keyed(before) }, behind)
    };
    let length = (MOST - before.len() - behind.len() - key.len() - 2).strict_add_signed(beyond);
    let mut writer = Writer::new(1, false);
    writer.text = format!("{}{before}{key}", &brackets[..1]);
    let filling = writer.filling(length);
    let text = format!("{}{behind}{}", writer.text, &brackets[1..]);
    assert_eq!(text.len(), MOST.strict_add_signed(beyond));
    let reference: Value = serde_json::from_str(&text).unwrap_or_else(|error| panic!("{error}"));
    for around in [text.clone(), format!("[{text},{text}]"), format!("{{\"a\":{text},\"b\":{text},\"c\":1}}")]
    {
        let source = LazyValue::new(&around);
        let values: Vec<Json> = if around.len() == text.len() {
            vec![source.json()]
        } else {
            (0..2).filter_map(|index| source.json().at(index)).collect()
        };
        assert!(!values.is_empty());
        for value in values {
            assert_eq!(value.raw(), text);
            check_against(value, &reference);
            let index = before.matches(',').count();
            assert_eq!(value.at(index).map(Json::raw), Some(&text[filling.place.clone()]));
        }
    }
}

/// Arrays and objects far beyond what is read at once, of small and large values.
fn large_documents() -> Vec<(String, Model)> {
    let mut documents = Vec::new();
    for seed in 1..7 {
        let mut writer = Writer::new(seed * 77, true);
        let count = [30, 900, 5_000][seed as usize % 3];
        let content = match seed % 2 {
            0 => writer.array(count, 4),
            _ => writer.object(count.min(900), 4),
        };
        let place = 0..writer.text.len();
        documents.push((writer.text, Model { place, content }));
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
            0 => writer.filling(MOST + 3),
            1 => writer.filling(MOST - 1),
            2 => {
                let content = writer.array(3_000, 2);
                Model { place: start..writer.text.len(), content }
            }
            _ => writer.value(3),
        });
    });
    let place = 0..writer.text.len();
    (writer.text, Model { place, content: Content::Array(list) })
}

#[test]
fn large_documents_are_read_as_they_were_written() {
    for (text, model) in large_documents() {
        check(LazyValue::new(&text).json(), &model, &text);
    }
}

/// Where the library keeps all values and strings of a value.
fn places(value: Json, list: &mut Vec<usize>) {
    list.push(place(value));
    list.extend(value.string().map(|string| string.as_ptr().addr()));
    for index in 0..value.length() {
        list.extend(value.key_at(index).map(|key| key.as_ptr().addr()));
        if let Some(value) = value.at(index) {
            places(value, list);
        }
    }
}

#[test]
fn threads_that_look_at_the_same_time_find_the_same() {
    for (text, _) in large_documents() {
        let source = &LazyValue::new(&text);
        let look = || {
            let mut list = Vec::new();
            places(source.json(), &mut list);
            (list, source.json().text().map(|text| text.as_ptr().addr()))
        };
        let found: Vec<_> = std::thread::scope(|scope| {
            let threads: Vec<_> = (0..4).map(|_| scope.spawn(look)).collect();
            threads.into_iter().map(|thread| thread.join().expect("no panic")).collect()
        });
        assert!(found.iter().all(|places| *places == look()));
    }
}

#[test]
fn a_copy_of_the_text_is_made_once_for_each_value() {
    let source = LazyValue::new(r#"{"a":[1,"x",{}],"b":"\n"}"#);
    let paths: [&[u8]; 5] = [b"/a", b"/a/0", b"/a/1", b"/a/2", b"/b"];
    for path in paths {
        let Some(value) = source.json().pointer(path) else { panic!("{path:?} leads nowhere") };
        let Some(text) = value.text() else { panic!("no text") };
        assert_eq!(text, format!("{}\0", value.raw()).as_bytes());
        assert_eq!(value.text().map(<[u8]>::as_ptr), Some(text.as_ptr()));
    }
}

#[test]
fn no_depth_overflows_a_small_stack() {
    const DEPTH: usize = 100_000;
    let text = format!("{}7{}", "[{\"a\":".repeat(DEPTH), "}]".repeat(DEPTH));
    let look = move || {
        let source = LazyValue::new(&text);
        let mut value = source.json();
        for level in 0..DEPTH {
            let inner = value.at(0).and_then(|value| value.get(b"a"));
            value = inner.unwrap_or_else(|| panic!("nothing in level {level}"));
        }
        assert_eq!(value.as_i64(), 7);
    };
    let thread = std::thread::Builder::new().stack_size(128 << 10).spawn(look).expect("a thread");
    thread.join().expect("no overflow");
}
