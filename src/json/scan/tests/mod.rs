//! Compares the validator, for every kind of block, with serde_json, and the searches with the validator.
//!
//! Large sets of cases are thinned out unless `REFOLD_EXHAUSTIVE` is set (see `crate::rng::scale`).

mod search;
mod validator;
mod vector;

use super::arch::swar::Swar;
use super::kinds::Kind;
use super::validator::Validator;
use super::vector::Kernel;
use super::{Extent, Fault, dispatch};
use crate::rng::Rng;
use serde_json::value::RawValue;

/// Whether serde_json accepts a text. Asserts that all validators do the same, with the same offset if they reject it.
fn is_valid(text: &[u8]) -> bool {
    let is_valid = serde_json::from_slice::<&RawValue>(text).is_ok();
    let kinds = Kind::supported();
    let first = kinds[0].validate(text, &[]);
    assert_eq!(first.is_ok(), is_valid, "{:?}: {first:?}", String::from_utf8_lossy(text));
    for kind in &kinds[1..] {
        assert_eq!(kind.validate(text, &[]), first, "{kind:?}: {:?}", String::from_utf8_lossy(text));
    }
    is_valid
}

impl Rng {
    /// Appends a value with at most `depth` levels of brackets, and whitespace in some places.
    fn value(&mut self, text: &mut String, depth: usize) {
        let kind = if depth == 0 { 2 + self.below(4) } else { self.below(6) };
        match kind {
            0 | 1 => {
                let brackets = if kind == 0 { ['{', '}'] } else { ['[', ']'] };
                text.push(brackets[0]);
                for index in 0..self.below(6) {
                    text.push_str(if index > 0 { "," } else { "" });
                    text.push_str(self.pick(&SPACES));
                    if kind == 0 {
                        self.string(text);
                        text.push_str(self.pick(&SPACES));
                        text.push(':');
                        text.push_str(self.pick(&SPACES));
                    }
                    self.value(text, depth - 1);
                    text.push_str(self.pick(&SPACES));
                }
                text.push(brackets[1]);
            }
            2 | 3 => self.string(text),
            _ => text.push_str(self.pick(&SCALARS)),
        }
    }

    fn string(&mut self, text: &mut String) {
        text.push('"');
        for _ in 0..self.below(5) {
            text.push_str(self.pick(&STRING_PARTS));
        }
        text.push('"');
    }
}

/// A valid text with at most `depth` levels of brackets.
fn generate(rng: &mut Rng, depth: usize) -> String {
    let mut text = String::new();
    rng.value(&mut text, depth);
    text
}

/// Whitespace between tokens.
const SPACES: [&str; 8] = ["", "", "", "", " ", "\n    ", "\r\n\t", "                                    "];
/// Numbers and literals.
const SCALARS: [&str; 12] = [
    "0",
    "-0",
    "10",
    "-1.5e+10",
    "0.25E-3",
    "12345678901234567890123456789012345678901234567890123456789012345678901234567890",
    "3.14159265358979323846",
    "1e400",
    "true",
    "false",
    "null",
    "-0.0",
];
/// Parts of strings.
const STRING_PARTS: [&str; 14] = [
    "a",
    "key",
    "plain text that is longer than two vectors of sixteen bytes, and some more of it to fill a block",
    "ü",
    "客",
    "😀",
    "\u{7f}\u{80}\u{7ff}\u{800}\u{ffff}\u{10000}\u{10ffff}",
    "\\\"",
    "\\\\",
    "\\u00e9",
    "\\ud83d\\ude00",
    "\\n",
    "{[,:]}",
    "0",
];

/// Bytes that are likely to break a text.
const LIKELY: &[u8] =
    b"\"\\{}[]:,0123456789.eE+-truefalsn \t\n\r\0\x1f/u\x7f\x80\xbf\xc0\xc3\xe0\xed\xf0\xf4\xf5\xff";

/// Texts with all kinds of tokens, to be truncated and mutated.
const SEEDS: [&str; 7] = [
    r#"{"name":"Grüße \ud83d\ude00 \"x\"","n":[-0,1.5e+10,0.25E-3,12345678901234567890],"t":true,"f":false,"z":null}"#,
    "[\n    {\n        \"a\" : [ ] ,\r\n\t\"b\" : { } },\n    \"\\u00e9\\n\\/\"\n]\n",
    r#"[[[[{"a":[{"b":[[]]}]}]]],[],{},""]"#,
    r#""顧客 顧客 顧客 \\ \" \t plain text that is longer than two vectors of sixteen bytes""#,
    "-123.456e-78",
    " true ",
    r#"{"":{"":{"":""}},"":1,"a":"[{\"]}"}"#,
];
