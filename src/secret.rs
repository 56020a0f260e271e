//! What must not be seen: held in memory that is wiped, and blotted out of what servers send back.

use std::fmt;

use zeroize::Zeroizing;

/// What stands for a secret where a server echoed one.
const BLOT: &[u8] = b"***";

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

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("***")
    }
}

/// Replaces each secret in `text` by `***`, both as it is and as JSON would write it.
pub fn blot_out(mut text: Vec<u8>, secrets: &[Secret]) -> Vec<u8> {
    for secret in secrets {
        for form in written_forms(secret) {
            if let Some(at) = find(&text, form.bytes()) {
                let blotted = replace_from(&text, form.bytes(), at);
                drop(Zeroizing::new(std::mem::replace(&mut text, blotted)));
            }
        }
    }
    text
}

/// The secret itself, and what JSON makes of it where that differs: quotes and backslashes with a backslash before
/// them, and slashes with or without one.
fn written_forms(secret: &Secret) -> Vec<Secret> {
    let escape = |slash_too: bool| {
        let mut escaped = Zeroizing::new(Vec::with_capacity(2 * secret.bytes().len()));
        for byte in secret.bytes() {
            if matches!(byte, b'"' | b'\\') || (slash_too && *byte == b'/') {
                escaped.push(b'\\');
            }
            escaped.push(*byte);
        }
        Secret(escaped)
    };
    let mut forms = vec![escape(true), escape(false), secret.clone()];
    forms.dedup();
    forms.retain(|form| !form.bytes().is_empty());
    forms
}

fn find(text: &[u8], needle: &[u8]) -> Option<usize> {
    text.windows(needle.len()).position(|window| window == needle)
}

fn replace_from(text: &[u8], needle: &[u8], first: usize) -> Vec<u8> {
    let mut blotted = Vec::with_capacity(text.len());
    blotted.extend_from_slice(&text[..first]);
    let mut rest = &text[first..];
    while let Some(at) = find(rest, needle) {
        blotted.extend_from_slice(&rest[..at]);
        blotted.extend_from_slice(BLOT);
        rest = &rest[at + needle.len()..];
    }
    blotted.extend_from_slice(rest);
    blotted
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_is_blotted_out_however_it_is_written() {
        let secrets = [Secret::new(b"pk_1/2\"3"), Secret::new(b"token"), Secret::new(b"")];
        let cases: [(&[u8], &[u8]); 6] = [
            (b"no secret", b"no secret"),
            (b"pk_1/2\"3", b"***"),
            (b"{\"key\": \"pk_1/2\\\"3\"}", b"{\"key\": \"***\"}"),
            (b"<pk_1\\/2\\\"3>", b"<***>"),
            (b"tokentoken token", b"****** ***"),
            (b"toke", b"toke"),
        ];
        for (text, expected) in cases {
            assert_eq!(blot_out(text.to_vec(), &secrets), expected);
        }
    }

    #[test]
    fn debug_output_shows_nothing() {
        assert_eq!(format!("{:?}", Secret::new(b"pk_live")), "***");
    }
}
