//! Secrets: bytes that are wiped from memory and never shown.

use std::fmt;

use zeroize::{Zeroize, Zeroizing};

/// Bytes that are wiped when dropped, and that no Debug output shows.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(Zeroizing<Vec<u8>>);

impl Secret {
    /// Copies the bytes.
    pub fn new(bytes: &[u8]) -> Secret {
        Secret(Zeroizing::new(bytes.to_vec()))
    }

    /// Concatenates the parts. Reserves the memory in one step, so that no reallocation leaves a copy behind.
    pub fn concat(parts: &[&[u8]]) -> Secret {
        let mut whole = Zeroizing::new(Vec::with_capacity(parts.iter().map(|part| part.len()).sum()));
        parts.iter().for_each(|part| whole.extend_from_slice(part));
        Secret(whole)
    }

    /// The bytes.
    pub fn bytes(&self) -> &[u8] {
        &self.0
    }

    /// The bytes as text, or an empty string if they are not UTF-8.
    pub fn as_str(&self) -> &str {
        std::str::from_utf8(&self.0).unwrap_or_default()
    }
}

impl Drop for Secret {
    /// Wipes the bytes as a slice, at the speed of memset; a `Vec` is wiped byte by byte. Dropping the vector wipes its
    /// spare capacity.
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
    fn debug_output_is_redacted() {
        assert_eq!(format!("{:?}", Secret::new(b"pk_live")), "***");
    }
}
