mod generated;

use super::cache::{CacheNode, Content};
use super::number::Number;
use super::{Json, JsonType, LazyValue};

fn string(text: &str) -> Option<Vec<u8>> {
    LazyValue::new(text).json().string().map(<[u8]>::to_vec)
}

/// The address that identifies a value to C.
fn address(value: Json) -> usize {
    match value {
        Json::Lazy(value) | Json::Root(value, _) => std::ptr::from_ref(value).addr(),
        Json::Entry(tape, entry) => tape.cell(entry).addr(),
    }
}

#[cfg(target_pointer_width = "64")]
#[test]
fn values_stay_small() {
    assert_eq!(size_of::<super::TapeCell>(), 16);
    assert_eq!(size_of::<LazyValue>(), 24);
    assert_eq!(size_of::<CacheNode>(), 48);
}

#[test]
fn the_type_of_a_value_is_known_from_its_text() {
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
        let lazy = LazyValue::new(text);
        let value = lazy.json();
        assert_eq!(value.kind(), kind, "{text}");
        assert_eq!(value.raw(), text.trim());
        assert_eq!(value.text(), Some(format!("{}\0", text.trim()).as_bytes()));
        assert_eq!(value.as_bool(), text == "true");
    }
}

#[test]
fn accessors_of_other_types_return_nothing() {
    let texts = ["null", "true", "12", "\"12\"", "[12]", "{\"a\":12}"];
    let values = texts.map(LazyValue::new);
    // The second time, everything has been parsed.
    for lazy in values.iter().chain(&values) {
        let value = lazy.json();
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
fn numbers_are_truncated_to_integers_and_rounded_to_doubles() {
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
        let lazy = LazyValue::new(text);
        let value = lazy.json();
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
        (r#""text""#, "text\0"),
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
    for (text, unescaped) in strings {
        assert_eq!(string(text).as_deref(), Some(unescaped.as_bytes()), "{text}");
    }
    for length in 0..200 {
        let content = "x".repeat(length);
        assert_eq!(string(&format!("\"{content}\"")), Some(format!("{content}\0").into_bytes()));
        assert_eq!(string(&format!("\"{content}\\n\"")), Some(format!("{content}\n\0").into_bytes()));
    }
}

#[test]
fn long_numbers_are_parsed_once() {
    let text = format!("-{}.5", "1".repeat(1 << 16));
    let number = LazyValue::new(&text);
    assert_eq!(number.json().as_f64(), f64::NEG_INFINITY);
    let parsed = number.cache.get().map(std::ptr::from_ref);
    assert!(parsed.is_some());
    assert_eq!(number.json().as_i64(), i64::MIN);
    assert_eq!(number.json().as_f64(), f64::NEG_INFINITY);
    assert_eq!(number.cache.get().map(std::ptr::from_ref), parsed);

    // Where another number is cached, that one is returned.
    let number = LazyValue::new(&text);
    let other = CacheNode::new(Content::Number(Number::Integer(1), 2)).expect("memory");
    assert!(number.cache.set(other).is_ok());
    assert_eq!((number.json().as_f64(), number.json().as_i64()), (1.0, 2));

    let short = LazyValue::new("12.5");
    assert_eq!((short.json().as_i64(), short.json().as_f64()), (12, 12.5));
    assert!(short.cache.get().is_none());
}

#[test]
fn parsed_values_are_cached() {
    let lazy = LazyValue::new(r#"{"a":"x","b":[1]}"#);
    let value = lazy.json();
    let (element, text) = (value.at(0).map(address), value.text().map(<[u8]>::as_ptr));
    let string = value.at(0).and_then(Json::string).map(<[u8]>::as_ptr);
    assert!(value.at(0).and_then(Json::text).is_some());
    assert_eq!(value.get(b"a").map(address), element);
    assert_eq!(value.text().map(<[u8]>::as_ptr), text);
    assert_eq!(value.pointer(b"/a").and_then(Json::string).map(<[u8]>::as_ptr), string);
}

#[test]
fn members_are_listed_as_sent_and_the_last_of_a_key_is_found() {
    let lazy = LazyValue::new(
        r#" { "a" : 1 , "b" : [ ] , "a" : 2 , "" : 3 , "\u0062" : 4, "q\"" : 5, "n\u0000": 6 } "#,
    );
    let value = lazy.json();
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
fn keys_of_every_length_are_compared_in_every_byte() {
    for length in 0..40 {
        let key = "k".repeat(length);
        let object = format!("{{\"{key}\":1}}");
        let lazy = LazyValue::new(&object);
        let find = |key: &str| lazy.json().get(key.as_bytes()).map(Json::as_i64);
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
fn objects_of_every_size_are_searched_alike() {
    for count in [15, 16, 17, 18, 100, 5_000] {
        let mut text: Vec<String> = (0..count).map(|n| format!("\"k{}\":{n}", n * 7 % count)).collect();
        text.push("\"k3\":-1".to_owned());
        let text = format!("{{{}}}", text.join(","));
        let lazy = LazyValue::new(&text);
        let value = lazy.json();
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
    let lazy = LazyValue::new(text);
    let value = lazy.json();
    let resolved = [
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
    for (pointer, number) in resolved {
        assert_eq!(value.pointer(pointer.as_bytes()).map(Json::as_i64), Some(number), "{pointer}");
    }
    assert!(value.pointer(b"").is_some_and(|found| address(found) == address(value)));
    assert_eq!(value.pointer(b"/foo").map(Json::length), Some(2));
    assert_eq!(value.pointer(b"/foo/1").and_then(Json::string), Some(&b"baz\0"[..]));
    let unresolved = [
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
    for pointer in unresolved {
        assert!(value.pointer(pointer.as_bytes()).is_none(), "{pointer}");
    }
    assert_eq!(LazyValue::new("[1,2]").json().pointer(b"/0").map(Json::as_i64), Some(1));
}

#[test]
fn containers_of_every_size_return_their_elements() {
    for size in 0..150 {
        for part in
            ["1".to_owned(), "{}".to_owned(), format!("[\"{}\"]", "]".repeat(size)), "\"\\\"\"".to_owned()]
        {
            let text = format!("[{}]", vec![format!("[ {part} ,{{\"k\": {part}}}]"); size].join(" , "));
            let lazy = LazyValue::new(&text);
            let value = lazy.json();
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

#[test]
fn the_text_of_each_value_is_copied_once() {
    let lazy = LazyValue::new(r#"{"a":[1,"x",{}],"b":"\n"}"#);
    let paths: [&[u8]; 5] = [b"/a", b"/a/0", b"/a/1", b"/a/2", b"/b"];
    for path in paths {
        let Some(value) = lazy.json().pointer(path) else { panic!("{path:?} refers to nothing") };
        let Some(text) = value.text() else { panic!("no text") };
        assert_eq!(text, format!("{}\0", value.raw()).as_bytes());
        assert_eq!(value.text().map(<[u8]>::as_ptr), Some(text.as_ptr()));
    }
}

#[test]
fn no_depth_overflows_a_small_stack() {
    const DEPTH: usize = 100_000;
    let text = format!("{}7{}", "[{\"a\":".repeat(DEPTH), "}]".repeat(DEPTH));
    let read = move || {
        let lazy = LazyValue::new(&text);
        let mut value = lazy.json();
        for level in 0..DEPTH {
            let inner = value.at(0).and_then(|value| value.get(b"a"));
            value = inner.unwrap_or_else(|| panic!("nothing in level {level}"));
        }
        assert_eq!(value.as_i64(), 7);
    };
    let thread = std::thread::Builder::new().stack_size(128 << 10).spawn(read).expect("a thread");
    thread.join().expect("no overflow");
}
