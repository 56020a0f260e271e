//! The scanner against serde_json, at every kind of offset.
#![no_main]

use libfuzzer_sys::fuzz_target;
use refold::scan;
use refold_fuzz::reference::Value;

fuzz_target!(init: refold_fuzz::prepare(), |input: &[u8]| {
    let Some((first, text)) = input.split_first() else { return };
    let Ok(text) = std::str::from_utf8(text) else { return };
    // What stands before moves the text within the vectors that it is read in.
    let before = usize::from(*first) % 70;
    let moved = [" ".repeat(before).as_bytes(), text.as_bytes()].concat();
    let start = scan::skip_whitespace(&moved, before);
    let skipped = scan::skip_value(&moved, before);
    let is_json = skipped.is_ok_and(|end| scan::skip_whitespace(&moved, end) == moved.len());
    let value = Value::of(text.as_bytes());
    assert_eq!(is_json, value.is_some());
    if let (Some(value), Ok(end)) = (value, skipped) {
        assert_eq!(&moved[start..end], value.0.as_bytes());
        ends(&moved, start, end);
    }
});

/// The functions for text that is known to be valid.
fn ends(text: &[u8], start: usize, end: usize) {
    match text[start] {
        b'"' => {
            let has_escapes = text[start..end].contains(&b'\\');
            assert_eq!(scan::skip_string(text, start), Ok(end));
            assert_eq!(scan::string_end(text, start + 1), (end - 1, has_escapes));
            let content = &text[start + 1..end - 1];
            let first = content.iter().position(|byte| *byte == b'\\');
            assert_eq!(scan::next_escape(content, 0), first.unwrap_or(content.len()));
        }
        b'[' | b'{' => {
            assert_eq!(scan::container_end(text, start), end);
            let mut at = start;
            let mut depth = 0;
            while let Some(bracket) = scan::next_bracket(text, at) {
                depth += if matches!(text[bracket], b'[' | b'{') { 1 } else { -1 };
                at = bracket + 1;
            }
            assert_eq!((at, depth), (end, 0));
        }
        _ => {}
    }
}
