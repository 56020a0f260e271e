//! Strings of JSON as the text that they stand for.

use crate::json::scan;

/// A copy of bytes with a U+0000 behind them. Nothing where there is no memory.
pub(crate) fn copy_with_nul(bytes: &[u8]) -> Option<Vec<u8>> {
    let mut copy = Vec::new();
    copy.try_reserve_exact(bytes.len().checked_add(1)?).ok()?;
    append_with_nul(&mut copy, bytes)?;
    Some(copy)
}

/// Appends bytes and a U+0000. Nothing where there is no memory.
pub(crate) fn append_with_nul(out: &mut Vec<u8>, bytes: &[u8]) -> Option<()> {
    out.try_reserve(bytes.len() + 1).ok()?;
    out.extend_from_slice(bytes);
    out.push(0);
    Some(())
}

/// Appends the content of a valid string, unescaped, and a U+0000. Nothing where there is no memory.
pub(crate) fn append_unescaped(out: &mut Vec<u8>, content: &[u8]) -> Option<()> {
    // No escape is shorter than the character it stands for.
    out.try_reserve(content.len() + 1).ok()?;
    let mut rest = content;
    loop {
        let (plain, escape) = rest.split_at(scan::next_escape(rest, 0));
        out.extend_from_slice(plain);
        if escape.len() < 2 {
            out.push(0);
            return Some(());
        }
        let (character, length) = unescape(escape);
        out.extend_from_slice(character.encode_utf8(&mut [0; 4]).as_bytes());
        rest = &escape[length..];
    }
}

/// Unescapes the content of a valid string where it stands, from the escape at `at` on. Returns where it ends then, and
/// where the quote is that stood behind it.
#[inline(never)]
pub(super) fn unescape_within(text: &mut [u8], mut at: usize) -> Option<(usize, usize)> {
    let mut to = at;
    while *text.get(at)? == b'\\' {
        let (character, length) = unescape(text.get(at..)?);
        to += character.encode_utf8(text.get_mut(to..at + length)?).len();
        at += length;
        let plain = at..scan::next_escape(text, at);
        let length = plain.len();
        text.copy_within(plain, to);
        to += length;
        at += length;
    }
    Some((to, at))
}

/// The character that an escape means, and the length of the escape. A lone surrogate means U+FFFD.
fn unescape(escape: &[u8]) -> (char, usize) {
    let character = match escape[1] {
        b'b' => '\u{8}',
        b'f' => '\u{c}',
        b'n' => '\n',
        b'r' => '\r',
        b't' => '\t',
        b'u' => return unescape_unit(escape),
        other => char::from(other),
    };
    (character, 2)
}

fn unescape_unit(escape: &[u8]) -> (char, usize) {
    let first = code_unit(escape).unwrap_or(0xfffd);
    if matches!(first, 0xd800..=0xdbff)
        && let Some(second @ 0xdc00..=0xdfff) = escape.get(6..).and_then(code_unit)
    {
        let code = 0x10000 + ((first - 0xd800) << 10) + (second - 0xdc00);
        return (char::from_u32(code).unwrap_or(char::REPLACEMENT_CHARACTER), 12);
    }
    (char::from_u32(first).unwrap_or(char::REPLACEMENT_CHARACTER), 6)
}

/// The number in `\uXXXX`; nothing if something else stands there.
fn code_unit(escape: &[u8]) -> Option<u32> {
    let digits = escape.strip_prefix(b"\\u")?.first_chunk::<4>()?;
    // Letters have a bit that digits have not, and begin with 1 below it.
    let value = |digit: u8| u32::from(digit & 15) + 9 * u32::from(digit >> 6);
    Some(digits.iter().fold(0, |number, digit| number << 4 | value(*digit)))
}
