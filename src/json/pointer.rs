//! JSON pointers (RFC 6901).

use super::{Json, JsonType};
use crate::alloc::try_with_capacity;

impl<'v, 'a> Json<'v, 'a> {
    /// The value that a JSON pointer (RFC 6901) refers to, starting from this value. The empty pointer refers to the
    /// value itself.
    pub fn pointer(self, pointer: &[u8]) -> Option<Json<'v, 'a>> {
        let mut value = self;
        if pointer.is_empty() {
            return Some(value);
        }
        for token in pointer.strip_prefix(b"/")?.split(|byte| *byte == b'/') {
            value = match value.kind() {
                JsonType::Array => value.at(array_index(token)?)?,
                _ if token.contains(&b'~') => value.get(&unescape_token(token)?)?,
                _ => value.get(token)?,
            };
        }
        Some(value)
    }
}

/// Parses a reference token as an index: digits without a leading zero.
fn array_index(token: &[u8]) -> Option<usize> {
    if token.len() > 1 && token[0] == b'0' || !token.iter().all(u8::is_ascii_digit) {
        return None;
    }
    std::str::from_utf8(token).ok()?.parse().ok()
}

/// A reference token with `~1` replaced by `/`, and `~0` by `~`. Returns `None` if it has any other `~`.
fn unescape_token(token: &[u8]) -> Option<Vec<u8>> {
    let mut key = try_with_capacity(token.len())?;
    let mut bytes = token.iter();
    while let Some(byte) = bytes.next() {
        key.push(match byte {
            b'~' => match bytes.next()? {
                b'0' => b'~',
                b'1' => b'/',
                _ => return None,
            },
            other => *other,
        });
    }
    Some(key)
}
