//! Removes the secrets of a client from what a server sent.

use zeroize::{Zeroize, Zeroizing};

use crate::alloc::try_copy;
use crate::secret::Secret;

/// What stands for a secret where a server echoed one.
const BLOT: &[u8] = b"***";

/// Fewer bytes of a secret than these tell nobody anything.
const SHORTEST_TAIL: usize = 4;

/// What a message quotes of what a server sent, in characters.
const MAX_QUOTE: usize = 100;

/// Where that is looked for, in bytes: an echoed secret may be longer than what is quoted.
const MAX_QUOTED_TEXT: usize = 64 << 10;

/// Redacts the secrets of one call.
pub struct Redactor {
    secrets: Vec<Secret>,
}

impl Redactor {
    /// Redacts these secrets, in this order: one that contains another comes first.
    pub fn new(secrets: Vec<Secret>) -> Redactor {
        Redactor { secrets }
    }

    /// The length of the longest secret, in bytes.
    pub fn max_length(&self) -> usize {
        self.secrets.iter().map(|secret| secret.bytes().len()).max().unwrap_or(0)
    }

    /// Replaces each secret in `text` by `***`, whether or not it is escaped as in a JSON string. `None` if there is not
    /// enough memory.
    pub fn redact(&self, text: Vec<u8>) -> Option<Vec<u8>> {
        blot_out(text, &self.secrets)
    }

    /// The same for a text that may have been cut off within a secret.
    pub fn redact_truncated(&self, text: Vec<u8>) -> Vec<u8> {
        blot_out_tail(blot_out(text, &self.secrets).unwrap_or_default(), &self.secrets)
    }

    /// A short, redacted, single-line form of a text from a server, for messages.
    pub fn quote(&self, text: &str) -> String {
        let start = try_copy(&text.as_bytes()[..text.len().min(MAX_QUOTED_TEXT)]).unwrap_or_default();
        let redacted = self.redact_truncated(start);
        String::from_utf8_lossy(&redacted)
            .chars()
            .take(MAX_QUOTE)
            .map(|letter| if letter.is_control() { '?' } else { letter })
            .collect()
    }
}

/// Replaces each secret in `text` by `***`, both as it is and however JSON may write it. `None`: there is no memory for
/// what would be left.
fn blot_out(mut text: Vec<u8>, secrets: &[Secret]) -> Option<Vec<u8>> {
    for secret in secrets.iter().map(Secret::bytes).filter(|secret| !secret.is_empty()) {
        if find(&text, secret).is_some() {
            let before = Zeroizing::new(text);
            text = replace(&before, secret)?;
        }
    }
    Some(text)
}

/// Replaces what stands at the end of a text that was cut off within a secret.
fn blot_out_tail(mut text: Vec<u8>, secrets: &[Secret]) -> Vec<u8> {
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
}
