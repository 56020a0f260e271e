//! A text that is validated while it grows.

use super::validator::{Extent, Validator};
use super::{Fault, look};
use crate::sys::memory::prefer_huge_pages;

/// So much is copied before it is looked at: it is still in the processor's nearest cache then.
const STRETCH: usize = 8 << 10;

/// Bytes as they come. What has come can no longer be changed, as it has been looked at.
#[derive(Debug)]
pub struct JsonBuffer {
    bytes: Vec<u8>,
    /// So many have come; those behind are room.
    length: usize,
    validator: Validator,
}

/// A text that is one JSON value, in UTF-8, with white space around it.
pub struct Document {
    text: String,
    extents: Vec<Extent>,
}

/// A text that is no such value, or for which memory was short.
pub struct InvalidDocument {
    /// What is wrong with it.
    pub fault: Fault,
    /// The bytes.
    pub bytes: Vec<u8>,
}

impl JsonBuffer {
    /// Nothing yet.
    pub const fn new() -> JsonBuffer {
        JsonBuffer { bytes: Vec::new(), length: 0, validator: Validator::new() }
    }

    /// A copy; nothing where there is no memory.
    pub fn copy_of(text: &[u8]) -> Option<JsonBuffer> {
        let mut copy = JsonBuffer::new();
        copy.reserve(text.len())?;
        for stretch in text.chunks(STRETCH) {
            copy.bytes.extend_from_slice(stretch);
            copy.has_come(stretch.len());
        }
        Some(copy)
    }

    /// How many bytes have come.
    pub fn length(&self) -> usize {
        self.length
    }

    /// How many bytes fit into the memory that is reserved.
    pub fn capacity(&self) -> usize {
        self.bytes.capacity()
    }

    /// Reserves memory for so many bytes in all; nothing where there is none.
    pub fn reserve(&mut self, size: usize) -> Option<()> {
        self.bytes.try_reserve_exact(size.saturating_sub(self.bytes.len())).ok()?;
        prefer_huge_pages(&mut self.bytes);
        Some(())
    }

    /// Room for more bytes, up to `end` in all and to what is reserved.
    pub fn room(&mut self, end: usize) -> &mut [u8] {
        let end = end.min(self.bytes.capacity()).max(self.length);
        self.bytes.resize(end, 0);
        &mut self.bytes[self.length..]
    }

    /// So many bytes of the room have been filled.
    pub fn has_come(&mut self, more: usize) {
        self.length = self.bytes.len().min(self.length + more);
        look(&mut self.validator, &self.bytes[..self.length], false);
    }

    /// The bytes, whatever they are.
    pub fn into_bytes(mut self) -> Vec<u8> {
        self.bytes.truncate(self.length);
        self.bytes
    }

    /// Nothing more will come.
    pub fn finish(mut self) -> Result<Document, InvalidDocument> {
        self.bytes.truncate(self.length);
        look(&mut self.validator, &self.bytes, true);
        match self.validator.conclude(self.length) {
            Ok(extents) => {
                // SAFETY: the validator has looked at all bytes, which have not changed since, and refuses what is not
                // UTF-8.
                let text = unsafe { String::from_utf8_unchecked(self.bytes) };
                Ok(Document { text, extents })
            }
            Err(fault) => Err(InvalidDocument { fault, bytes: self.bytes }),
        }
    }
}

impl Default for JsonBuffer {
    fn default() -> JsonBuffer {
        JsonBuffer::new()
    }
}

impl From<Vec<u8>> for JsonBuffer {
    fn from(bytes: Vec<u8>) -> JsonBuffer {
        JsonBuffer { length: bytes.len(), bytes, ..JsonBuffer::new() }
    }
}

impl Document {
    /// The text.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// Where arrays and objects begin and end, in the order of their beginnings: those worth remembering.
    pub fn extents(&self) -> &[Extent] {
        &self.extents
    }

    /// The text alone.
    pub fn into_text(self) -> String {
        self.text
    }
}
