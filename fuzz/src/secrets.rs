//! Checks that no error contains the key, even if the server echoes it.

use crate::interface::Failure;

/// The key of all calls; the dictionaries contain it.
pub const KEY: &str = "tk_Q7z-secret";

/// Checks that no part of the error contains the key, with or without escapes.
pub fn check_redaction(failure: &Failure) {
    let texts =
        [Some(failure.message()), failure.http_error_type(), failure.api_code(), failure.request_id()];
    for text in texts.into_iter().flatten() {
        assert!(!text.contains(KEY), "the key is in {text:?}");
    }
    if let Some(body) = failure.body() {
        assert!(!contains(body, KEY) && !contains(&unescaped(body), KEY), "the key is in the body");
    }
}

/// Whether a text contains the start of the key, with up to two levels of escapes.
pub fn may_contain_key(text: &[u8]) -> bool {
    let once = unescaped(text);
    let beginning = &KEY[..4];
    contains(text, beginning) || contains(&once, beginning) || contains(&unescaped(&once), beginning)
}

fn contains(text: &[u8], part: &str) -> bool {
    text.windows(part.len()).any(|window| window == part.as_bytes())
}

/// A text with each escape of an ASCII character replaced by the character.
fn unescaped(text: &[u8]) -> Vec<u8> {
    let mut unescaped = Vec::with_capacity(text.len());
    let mut rest = text;
    while let [first, more @ ..] = rest {
        let escaped = match (first, more) {
            (b'\\', [b'u', digits @ ..]) if digits.len() >= 4 => {
                let digits = std::str::from_utf8(&digits[..4]).ok();
                let code = digits.and_then(|digits| u8::from_str_radix(digits, 16).ok());
                code.filter(u8::is_ascii).map(|byte| (byte, &more[5..]))
            }
            (b'\\', [quoted @ (b'\\' | b'"' | b'/'), after @ ..]) => Some((*quoted, after)),
            _ => None,
        };
        let (byte, after) = escaped.unwrap_or((*first, more));
        unescaped.push(byte);
        rest = after;
    }
    unescaped
}
