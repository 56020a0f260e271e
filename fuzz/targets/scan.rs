//! The scanner against serde_json, at every kind of offset, and however the text comes.
#![no_main]

use libfuzzer_sys::fuzz_target;
use refold::json::scan::{self, Brackets, Document, Fault, JsonBuffer};
use refold_fuzz::reference::Value;

fuzz_target!(init: refold_fuzz::prepare(), |input: &[u8]| {
    let Some((first, text)) = input.split_first() else { return };
    // What stands before moves the text within the blocks that it is read in.
    let before = usize::from(*first) % 130;
    let portion = usize::from(*first) * 5 % 89;
    let moved = [&vec![b' '; before], text].concat();
    let whole = validated(&moved, moved.len());
    // Which of several faults is found first depends on what comes together.
    assert_eq!(validated(&moved, portion).is_ok(), whole.is_ok());
    let value = std::str::from_utf8(text).ok().and_then(|text| Value::of(text.as_bytes()));
    assert_eq!(whole.is_ok(), value.is_some());
    if let Some(value) = value {
        let start = scan::skip_whitespace(&moved, before);
        let end = start + value.0.len();
        assert_eq!(&moved[start..end], value.0.as_bytes());
        ends(&moved, start, end);
    }
    for extent in whole.iter().flat_map(Document::extents) {
        assert_eq!(scan::container_end(&moved, extent.start), extent.end);
    }
});

/// The text as it is after it has come in portions of this size.
fn validated(bytes: &[u8], portion: usize) -> Result<Document, Fault> {
    let mut text = JsonBuffer::new();
    text.reserve(bytes.len()).expect("there is memory");
    for portion in bytes.chunks(portion.max(1)) {
        let end = text.length() + portion.len();
        text.room(end).copy_from_slice(portion);
        text.has_come(portion.len());
    }
    text.finish().map_err(|unfit| unfit.fault)
}

/// The functions for text that is known to be valid.
fn ends(text: &[u8], start: usize, end: usize) {
    match text[start] {
        b'"' => {
            let has_escapes = text[start..end].contains(&b'\\');
            assert_eq!(scan::string_end(text, start + 1), (end - 1, has_escapes));
            let content = &text[start + 1..end - 1];
            let first = content.iter().position(|byte| *byte == b'\\');
            assert_eq!(scan::next_escape(content, 0), first.unwrap_or(content.len()));
        }
        b'[' | b'{' => {
            assert_eq!(scan::container_end(text, start), end);
            let (mut last, mut depth) = (start, 0);
            for (bracket, opens) in Brackets::new(text) {
                assert_eq!(opens, matches!(text[bracket], b'[' | b'{'));
                depth += if opens { 1 } else { -1 };
                last = bracket;
            }
            assert_eq!((last + 1, depth), (end, 0));
        }
        _ => assert_eq!(scan::scalar_end(text, start), end),
    }
}
