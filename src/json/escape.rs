//! The escapes of JSON strings.

use crate::alloc::try_reserve;
use crate::json::scan;

/// The meaning of an escape.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Escape {
    /// A character.
    Char(char),
    /// A surrogate that is not part of a pair.
    LoneSurrogate(u16),
    /// The text ends within the escape.
    Incomplete,
}

/// Decodes the escape at the start of `text`, which may be any bytes. Returns it with its length, or `None` if the text
/// does not start with an escape.
#[inline]
pub(crate) fn decode_escape(text: &[u8]) -> Option<(Escape, usize)> {
    let (b'\\', rest) = text.split_first()? else { return None };
    let character = match rest.first() {
        Some(b'u') => return decode_unicode_escape(text),
        Some(b'b') => '\u{8}',
        Some(b'f') => '\u{c}',
        Some(b'n') => '\n',
        Some(b'r') => '\r',
        Some(b't') => '\t',
        Some(other @ (b'"' | b'\\' | b'/')) => char::from(*other),
        Some(_) => return None,
        None => return Some((Escape::Incomplete, 1)),
    };
    Some((Escape::Char(character), 2))
}

/// Decodes `\uXXXX`, or two of them that form a surrogate pair.
fn decode_unicode_escape(text: &[u8]) -> Option<(Escape, usize)> {
    let Some(first) = code_unit(text) else {
        let digits = text.get(2..)?;
        let is_incomplete = digits.len() < 4 && digits.iter().all(u8::is_ascii_hexdigit);
        return is_incomplete.then_some((Escape::Incomplete, text.len()));
    };
    let second = text.get(6..).and_then(code_unit).unwrap_or(0);
    match char::decode_utf16([first, second]).next()? {
        Ok(character) => Some((Escape::Char(character), 6 * character.len_utf16())),
        Err(lone) => Some((Escape::LoneSurrogate(lone.unpaired_surrogate()), 6)),
    }
}

/// The number in the `\uXXXX` at the start of `text`.
#[inline]
fn code_unit(text: &[u8]) -> Option<u16> {
    let digits = text.strip_prefix(b"\\u")?.first_chunk::<4>()?;
    digits.iter().try_fold(0, |unit, digit| Some(unit << 4 | char::from(*digit).to_digit(16)? as u16))
}

/// Appends the unescaped content of a valid string, and a NUL. Returns `None` if there is not enough memory.
pub(crate) fn append_unescaped(out: &mut Vec<u8>, content: &[u8]) -> Option<()> {
    // An escape is never shorter than its character in UTF-8.
    try_reserve(out, content.len().checked_add(1)?)?;
    let mut rest = content;
    loop {
        let (unescaped, escape) = rest.split_at(scan::next_escape(rest, 0));
        out.extend_from_slice(unescaped);
        if escape.is_empty() {
            out.push(0);
            return Some(());
        }
        let (character, length) = unescape(escape)?;
        out.extend_from_slice(character.encode_utf8(&mut [0; 4]).as_bytes());
        rest = &escape[length..];
    }
}

/// Unescapes a valid string in place, starting at the escape at `at`. Returns the new end of its content, and the
/// offset of its closing quote.
#[inline(never)]
pub(super) fn unescape_in_place(text: &mut [u8], mut at: usize) -> Option<(usize, usize)> {
    let mut end = at;
    while *text.get(at)? == b'\\' {
        let (character, length) = unescape(text.get(at..)?)?;
        end += character.encode_utf8(text.get_mut(end..at + length)?).len();
        at += length;
        let unescaped = at..scan::next_escape(text, at);
        let length = unescaped.len();
        text.copy_within(unescaped, end);
        end += length;
        at += length;
    }
    Some((end, at))
}

/// The character of the valid escape at the start of `text`, U+FFFD for a lone surrogate, and the length of the escape.
#[inline]
fn unescape(text: &[u8]) -> Option<(char, usize)> {
    match decode_escape(text)? {
        (Escape::Char(character), length) => Some((character, length)),
        (Escape::LoneSurrogate(_), length) => Some((char::REPLACEMENT_CHARACTER, length)),
        (Escape::Incomplete, _) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::{Escape, decode_escape};

    #[test]
    fn escapes_of_any_text_are_decoded_or_refused() {
        let cases = [
            ("", None),
            ("a", None),
            ("\"", None),
            (r"\x", None),
            (r"\U0041", None),
            (r"\u004g", None),
            (r"\u+041", None),
            (r"\n\n", Some((Escape::Char('\n'), 2))),
            (r"\/", Some((Escape::Char('/'), 2))),
            (r"\u0041B", Some((Escape::Char('A'), 6))),
            (r"\uFfFf", Some((Escape::Char('\u{ffff}'), 6))),
            (r"\ud83d\uDE00\ude00", Some((Escape::Char('😀'), 12))),
            (r"\ud83d\u0041", Some((Escape::LoneSurrogate(0xd83d), 6))),
            (r"\ud83d\ude0", Some((Escape::LoneSurrogate(0xd83d), 6))),
            (r"\ude00\ud83d", Some((Escape::LoneSurrogate(0xde00), 6))),
            (r"\", Some((Escape::Incomplete, 1))),
            (r"\u", Some((Escape::Incomplete, 2))),
            (r"\u00e", Some((Escape::Incomplete, 5))),
            (r"\u0x", None),
        ];
        for (text, decoded) in cases {
            assert_eq!(decode_escape(text.as_bytes()), decoded, "{text}");
        }
    }
}
