//! Compares the scanner with serde_json, at any offset in a block, and with any chunk size. Compares the kinds of blocks
//! that the processor has with each other.
#![no_main]

use libfuzzer_sys::fuzz_target;
use refold::json::scan::kinds::Kind;
use refold::json::scan::{self, Brackets, Document, Fault, JsonBuffer};
use refold_fuzz::reference::Value;

fuzz_target!(init: refold_fuzz::prepare(), |input: &[u8]| {
    let Some((first, text)) = input.split_first() else { return };
    // Spaces move the text to another offset in its blocks.
    let spaces = usize::from(*first) % 130;
    let chunk_size = usize::from(*first) * 5 % 89;
    let moved = [&vec![b' '; spaces], text].concat();
    let whole = validate(&moved, moved.len());
    // The offset of the fault may depend on the chunks, because the first one found is reported.
    assert_eq!(validate(&moved, chunk_size).is_ok(), whole.is_ok());
    compare_kinds(&moved, chunk_size);
    let value = std::str::from_utf8(text).ok().and_then(|text| Value::of(text.as_bytes()));
    assert_eq!(whole.is_ok(), value.is_some());
    if let Some(value) = value {
        let start = scan::skip_whitespace(&moved, spaces);
        let end = start + value.0.len();
        assert_eq!(&moved[start..end], value.0.as_bytes());
        check_ends(&moved, start, end);
    }
    for extent in whole.iter().flat_map(Document::extents) {
        assert_eq!(scan::container_end(&moved, extent.start), extent.end);
    }
});

/// Validates a text that arrives in chunks of this size.
fn validate(bytes: &[u8], chunk_size: usize) -> Result<Document, Fault> {
    let mut text = JsonBuffer::new();
    text.reserve(bytes.len()).expect("enough memory");
    for chunk in bytes.chunks(chunk_size.max(1)) {
        let end = text.length() + chunk.len();
        text.spare(end).copy_from_slice(chunk);
        text.advance(chunk.len());
    }
    text.finish().map_err(|invalid| invalid.fault)
}

/// Compares the faults and extents that the kinds of blocks find, and the brackets of valid text.
fn compare_kinds(text: &[u8], chunk_size: usize) {
    let ends: Vec<usize> = (0..text.len()).step_by(chunk_size.max(1)).collect();
    let [first, others @ ..] = Kind::supported() else { return };
    let expected = first.validate(text, &ends);
    for kind in others {
        assert_eq!(kind.validate(text, &ends), expected, "{kind:?}");
        if expected.is_ok() {
            assert!(kind.brackets(text).eq(first.brackets(text)), "{kind:?}");
        }
    }
}

/// Checks the functions for valid text with one value.
fn check_ends(text: &[u8], start: usize, end: usize) {
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
