//! Bytes that are zeroed when they are dropped, and that no Debug output shows.

use std::fmt;

use zeroize::{Zeroize, Zeroizing};

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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn debug_output_shows_nothing() {
        assert_eq!(format!("{:?}", Secret::new(b"pk_live")), "***");
    }
}
