//! What must not be seen: held in memory that is wiped, and blotted out of what servers send back.

use std::fmt;

use zeroize::{Zeroize, Zeroizing};

/// What stands for a secret where a server echoed one.
const BLOT: &[u8] = b"***";

/// Fewer bytes of a secret than these tell nobody anything.
const SHORTEST_TAIL: usize = 4;

/// Bytes that are wiped when dropped, and that no Debug output shows.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(Zeroizing<Vec<u8>>);

impl Secret {
    /// Keeps a copy of the bytes.
    pub fn new(bytes: &[u8]) -> Secret {
        Secret(Zeroizing::new(bytes.to_vec()))
    }

    /// All parts, one after the other, in one piece of memory that never moves.
    pub fn concat(parts: &[&[u8]]) -> Secret {
        let mut whole = Zeroizing::new(Vec::with_capacity(parts.iter().map(|part| part.len()).sum()));
        parts.iter().for_each(|part| whole.extend_from_slice(part));
        Secret(whole)
    }

    /// The bytes.
    pub fn bytes(&self) -> &[u8] {
        &self.0
    }

    /// The bytes as text; empty where they are none.
    pub fn as_str(&self) -> &str {
        std::str::from_utf8(&self.0).unwrap_or_default()
    }
}

impl Drop for Secret {
    /// As a slice, at the speed of memset: a vector would be wiped byte by byte. What it was longer before is wiped
    /// with the vector.
    fn drop(&mut self) {
        self.0.as_mut_slice().zeroize();
        self.0.clear();
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("***")
    }
}

/// Replaces each secret in `text` by `***`, both as it is and however JSON may write it. `None`: there is no memory for
/// what would be left.
pub fn blot_out(mut text: Vec<u8>, secrets: &[Secret]) -> Option<Vec<u8>> {
    for secret in secrets.iter().map(Secret::bytes).filter(|secret| !secret.is_empty()) {
        if find(&text, secret).is_some() {
            let before = Zeroizing::new(text);
            text = replace(&before, secret)?;
        }
    }
    Some(text)
}

/// Replaces what stands at the end of a text that was cut off within a secret.
pub fn blot_out_tail(mut text: Vec<u8>, secrets: &[Secret]) -> Vec<u8> {
    let cut_within = |secret: &Secret| {
        // Nothing longer than an escape for each byte, and one that was cut off.
        let earliest = text.len().saturating_sub(6 * (secret.bytes().len() + 1));
        (earliest..text.len()).find(|start| is_beginning(&text[*start..], secret.bytes()))
    };
    if let Some(start) = secrets.iter().filter_map(cut_within).min() {
        text[start..].zeroize();
        text.truncate(start);
        text.extend_from_slice(BLOT);
    }
    text
}

/// Whether all of `text` writes the beginning of the secret, each character with or without an escape.
fn is_beginning(text: &[u8], secret: &[u8]) -> bool {
    let mut at = 0;
    let mut rest = secret;
    while !is_cut_off(&text[at..]) {
        let mut room = [0; 4];
        let Some((written, length)) = unescape(&text[at..], &mut room) else { return false };
        let Some(left) = rest.strip_prefix(written) else { return false };
        rest = left;
        at += length;
    }
    !rest.is_empty() && secret.len() - rest.len() >= SHORTEST_TAIL
}

/// Whether nothing follows, or but the beginning of an escape.
fn is_cut_off(text: &[u8]) -> bool {
    match text {
        [] | [b'\\'] => true,
        [b'\\', b'u', digits @ ..] => match code_unit(digits) {
            None => digits.len() < 4 && digits.iter().all(u8::is_ascii_hexdigit),
            // The first half of a pair.
            Some(0xd800..=0xdbff) => is_cut_off(&digits[4..]),
            Some(_) => false,
        },
        _ => false,
    }
}

fn replace(text: &[u8], secret: &[u8]) -> Option<Vec<u8>> {
    let mut blotted = Vec::new();
    blotted.try_reserve_exact(text.len()).ok()?;
    let mut append = |part: &[u8]| {
        blotted.try_reserve(part.len()).ok()?;
        blotted.extend_from_slice(part);
        Some(())
    };
    let mut rest = text;
    while let Some((start, end)) = find(rest, secret) {
        append(&rest[..start])?;
        append(BLOT)?;
        rest = &rest[end..];
    }
    append(rest)?;
    Some(blotted)
}

/// Where the secret first stands, as it is or escaped.
fn find(text: &[u8], secret: &[u8]) -> Option<(usize, usize)> {
    (0..text.len()).find_map(|start| {
        let here = &text[start..];
        if here[0] != secret[0] && here[0] != b'\\' {
            return None;
        }
        let length = if here.starts_with(secret) { Some(secret.len()) } else { length_escaped(here, secret) };
        Some((start, start + length?))
    })
}

/// How many bytes of `text` write the secret as a JSON string does, each character with or without an escape.
fn length_escaped(text: &[u8], secret: &[u8]) -> Option<usize> {
    let mut at = 0;
    let mut rest = secret;
    while !rest.is_empty() {
        let mut written = [0; 4];
        let (written, length) = unescape(&text[at..], &mut written)?;
        rest = rest.strip_prefix(written)?;
        at += length;
    }
    Some(at)
}

/// What stands first in `text`, and how many bytes write it.
fn unescape<'a>(text: &[u8], room: &'a mut [u8; 4]) -> Option<(&'a [u8], usize)> {
    let (character, length) = match text {
        [b'\\', b'u', digits @ ..] => match (code_unit(digits)?, digits.get(4..)) {
            (high @ 0xd800..=0xdbff, Some([b'\\', b'u', digits @ ..])) => {
                let low = code_unit(digits)?.checked_sub(0xdc00).filter(|low| *low < 0x400)?;
                (char::from_u32(0x10000 + ((high - 0xd800) << 10) + low)?, 12)
            }
            (unit, _) => (char::from_u32(unit)?, 6),
        },
        [b'\\', escape @ (b'"' | b'\\' | b'/'), ..] => (char::from(*escape), 2),
        [byte, ..] => {
            room[0] = *byte;
            return Some((&room[..1], 1));
        }
        [] => return None,
    };
    Some((character.encode_utf8(room).as_bytes(), length))
}

fn code_unit(digits: &[u8]) -> Option<u32> {
    let digits = std::str::from_utf8(digits.get(..4)?).ok()?;
    digits.bytes().all(|digit| digit.is_ascii_hexdigit()).then(|| u32::from_str_radix(digits, 16).ok())?
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_is_blotted_out_however_it_is_written() {
        let secrets = [Secret::new("pk_1/2\"3\\ü😀".as_bytes()), Secret::new(b"token"), Secret::new(b"")];
        let cases = [
            ("no secret", "no secret"),
            ("pk_1/2\"3\\ü😀", "***"),
            (r#"{"key": "pk_1/2\"3\\ü😀"}"#, r#"{"key": "***"}"#),
            (r#"<pk_1\/2\"3\\\u00fc\ud83d\uDE00>"#, "<***>"),
            (r#"\u0070k_1/2\u00223\u005cü😀"#, "***"),
            (r#"\u0070k_1/2\u00223\u005cü\ud83d"#, r#"\u0070k_1/2\u00223\u005cü\ud83d"#),
            (r#"\u0070k_1/2\u00223\u005cü\ud83d\u0041"#, r#"\u0070k_1/2\u00223\u005cü\ud83d\u0041"#),
            ("tokentoken token", "****** ***"),
            (r"tok\u0065", r"tok\u0065"),
            (r"to\u006", r"to\u006"),
            ("toke", "toke"),
            (r"\", r"\"),
            ("", ""),
        ];
        for (text, expected) in cases {
            assert_eq!(
                blot_out(text.into(), &secrets).map(String::from_utf8),
                Some(Ok(expected.to_string())),
                "{text}"
            );
        }
    }

    #[test]
    fn a_secret_that_was_cut_off_is_blotted_out() {
        let secrets =
            [Secret::new(b"pk_live_1"), Secret::new(b"word"), Secret::new("\"quoted\"😀".as_bytes())];
        for (text, expected) in [
            ("key pk_live_", "key ***"),
            ("key pk_l", "key ***"),
            ("key pk_", "key pk_"),
            ("pk_live pk", "pk_live pk"),
            ("wor", "wor"),
            (r#"<\"quot"#, "<***"),
            (r#"<\u0022quoted\"#, "<***"),
            (r#"<\u0022quo\u00"#, "<***"),
            (r#"<\"quoted\"\ud83d\ud"#, "<***"),
            (r#"<\"quoted\"\u00"#, "<***"),
            (r#"<\"quoted>"#, r#"<\"quoted>"#),
            ("", ""),
        ] {
            assert_eq!(
                String::from_utf8(blot_out_tail(text.into(), &secrets)),
                Ok(expected.to_string()),
                "{text}"
            );
        }
    }

    #[test]
    fn debug_output_shows_nothing() {
        assert_eq!(format!("{:?}", Secret::new(b"pk_live")), "***");
    }
}
