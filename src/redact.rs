//! Removes the secrets of a client from text that a server sent.

use zeroize::{Zeroize, Zeroizing};

use crate::alloc::{try_copy, try_extend, try_with_capacity};
use crate::json::{Escape, decode_escape};
use crate::secret::Secret;

/// Replaces a secret that a server echoed.
const REDACTED: &[u8] = b"***";

/// A shorter part of a secret reveals nothing, and is not redacted at the end of a truncated text.
const MIN_REDACTED_PREFIX: usize = 4;

/// The maximum number of bytes in which one byte of a secret can be echoed: an escape such as `\u0041`.
const MAX_ESCAPE: usize = 6;

/// The maximum length of a quote in a message, in characters.
const MAX_QUOTE: usize = 100;

/// The maximum length of the text that is redacted before it is quoted, in bytes. Exceeds that of the quote, because an
/// echoed secret may be longer.
const MAX_QUOTED_TEXT: usize = 64 << 10;

/// Redacts the secrets of one call.
pub struct Redactor {
    secrets: Vec<Secret>,
}

impl Redactor {
    /// Redacts these secrets in this order. A secret must precede those that it contains.
    pub fn new(secrets: Vec<Secret>) -> Redactor {
        Redactor { secrets }
    }

    /// The maximum number of bytes in which a server can echo one of the secrets.
    pub fn max_echo_length(&self) -> usize {
        let lengths = self.secrets.iter().map(|secret| secret.bytes().len());
        MAX_ESCAPE * lengths.max().unwrap_or(0)
    }

    /// Replaces each secret in `text` with `***`, with or without the escapes of JSON strings. Returns `None` if there
    /// is not enough memory.
    pub fn redact(&self, mut text: Vec<u8>) -> Option<Vec<u8>> {
        for secret in self.secrets.iter().map(Secret::bytes).filter(|secret| !secret.is_empty()) {
            if find(&text, secret).is_some() {
                let original = Zeroizing::new(text);
                text = replace(&original, secret)?;
            }
        }
        Some(text)
    }

    /// Does the same for a text that may be truncated within a secret: redacts the start of a secret at its end, too.
    /// Returns an empty text if there is not enough memory.
    pub fn redact_truncated(&self, text: Vec<u8>) -> Vec<u8> {
        let mut text = self.redact(text).unwrap_or_default();
        let start_of_prefix = |secret: &Secret| {
            // An incomplete escape can follow the prefix.
            let max_length = MAX_ESCAPE * (secret.bytes().len() + 1);
            let earliest = text.len().saturating_sub(max_length);
            (earliest..text.len()).find(|start| is_prefix(&text[*start..], secret.bytes()))
        };
        if let Some(start) = self.secrets.iter().filter_map(start_of_prefix).min() {
            text[start..].zeroize();
            text.truncate(start);
            text.extend_from_slice(REDACTED);
        }
        text
    }

    /// The start of a text from a server, redacted and on one line, to be quoted in a message.
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

/// Whether all of `text` is the start of the secret, with or without escapes, and long enough to be redacted.
fn is_prefix(text: &[u8], secret: &[u8]) -> bool {
    let mut at = 0;
    let mut rest = secret;
    while !is_truncated(&text[at..]) {
        let mut buffer = [0; 4];
        let Some((character, length)) = decode(&text[at..], &mut buffer) else { return false };
        let Some(left) = rest.strip_prefix(character) else { return false };
        rest = left;
        at += length;
    }
    !rest.is_empty() && secret.len() - rest.len() >= MIN_REDACTED_PREFIX
}

/// Whether the text is empty, or ends within an escape or between the halves of a surrogate pair.
fn is_truncated(text: &[u8]) -> bool {
    match decode_escape(text) {
        Some((Escape::Incomplete, _)) => true,
        Some((Escape::LoneSurrogate(0xd800..=0xdbff), length)) => is_truncated(&text[length..]),
        _ => text.is_empty(),
    }
}

fn replace(text: &[u8], secret: &[u8]) -> Option<Vec<u8>> {
    let mut redacted = try_with_capacity(text.len())?;
    let mut rest = text;
    while let Some((start, end)) = find(rest, secret) {
        try_extend(&mut redacted, &rest[..start])?;
        try_extend(&mut redacted, REDACTED)?;
        rest = &rest[end..];
    }
    try_extend(&mut redacted, rest)?;
    Some(redacted)
}

/// The start and the end of the first occurrence of the secret, with or without escapes.
fn find(text: &[u8], secret: &[u8]) -> Option<(usize, usize)> {
    (0..text.len()).find_map(|start| {
        let rest = &text[start..];
        if rest[0] != secret[0] && rest[0] != b'\\' {
            return None;
        }
        let length = if rest.starts_with(secret) { Some(secret.len()) } else { escaped_length(rest, secret) };
        Some((start, start + length?))
    })
}

/// The number of bytes that the secret takes at the start of `text`, each character with or without an escape. Returns
/// `None` if `text` does not start with it.
fn escaped_length(text: &[u8], secret: &[u8]) -> Option<usize> {
    let mut at = 0;
    let mut rest = secret;
    while !rest.is_empty() {
        let mut buffer = [0; 4];
        let (character, length) = decode(&text[at..], &mut buffer)?;
        rest = rest.strip_prefix(character)?;
        at += length;
    }
    Some(at)
}

/// The unescaped character, or else the byte, at the start of `text`, and the number of bytes that it takes there.
fn decode<'a>(text: &[u8], buffer: &'a mut [u8; 4]) -> Option<(&'a [u8], usize)> {
    match (text, decode_escape(text)) {
        // Secrets have no control characters, so a backslash before anything else is literal.
        ([b'\\', b'u' | b'"' | b'\\' | b'/', ..], escape) => match escape? {
            (Escape::Char(character), length) => Some((character.encode_utf8(buffer).as_bytes(), length)),
            _ => None,
        },
        (text, _) => {
            buffer[0] = *text.first()?;
            Some((&buffer[..1], 1))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_are_redacted_however_they_are_escaped() {
        let redactor = Redactor::new(vec![
            Secret::new("pk_1/2\"3\\ü😀".as_bytes()),
            Secret::new(b"token"),
            Secret::new(b""),
        ]);
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
                redactor.redact(text.into()).map(String::from_utf8),
                Some(Ok(expected.to_string())),
                "{text}"
            );
        }
    }

    #[test]
    fn truncated_secrets_are_redacted() {
        let redactor = Redactor::new(vec![
            Secret::new(b"pk_live_1"),
            Secret::new(b"word"),
            Secret::new("\"quoted\"😀".as_bytes()),
        ]);
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
            (r#"<\"quoted\"\ud83d\ud83d"#, "<***"),
            (r#"<\"quoted\"\ud83d\u00e9"#, r#"<\"quoted\"\ud83d\u00e9"#),
            (r#"<\"quoted>"#, r#"<\"quoted>"#),
            ("", ""),
        ] {
            assert_eq!(
                String::from_utf8(redactor.redact_truncated(text.into())),
                Ok(expected.to_string()),
                "{text}"
            );
        }
    }
}
