//! The buffer that is validated while it grows, and the validated document.

use super::validator::{Extent, Update, Validator};
use super::{Fault, dispatch};
use crate::alloc::try_reserve_exact;
use crate::sys::memory::prefer_huge_pages;

/// The number of bytes that are copied before they are validated: they stay in the first-level cache.
const COPY_CHUNK: usize = 16 << 10;

/// A buffer for a JSON text. It is validated in batches as it grows, so it can only be appended to.
#[derive(Debug)]
pub struct JsonBuffer {
    bytes: Vec<u8>,
    /// Length of the content; the bytes after it are spare.
    length: usize,
    validator: Validator,
}

/// A valid JSON text in UTF-8: one value with optional whitespace around it.
pub struct Document {
    text: String,
    extents: Vec<Extent>,
}

/// A text that is not a document.
pub struct InvalidDocument {
    /// The reason.
    pub fault: Fault,
    /// The text.
    pub bytes: Vec<u8>,
}

impl JsonBuffer {
    /// Creates an empty buffer.
    pub const fn new() -> JsonBuffer {
        JsonBuffer { bytes: Vec::new(), length: 0, validator: Validator::new() }
    }

    /// Copies a text. Returns `None` if there is not enough memory.
    pub fn copy_of(text: &[u8]) -> Option<JsonBuffer> {
        let mut copy = JsonBuffer::new();
        copy.reserve(text.len())?;
        for chunk in text.chunks(COPY_CHUNK) {
            copy.bytes.extend_from_slice(chunk);
            copy.advance(chunk.len());
        }
        Some(copy)
    }

    /// Length of the content.
    pub fn length(&self) -> usize {
        self.length
    }

    /// Number of bytes that the reserved memory can hold.
    pub fn capacity(&self) -> usize {
        self.bytes.capacity()
    }

    /// Reserves memory for `size` bytes in all. Returns `None` if there is not enough.
    pub fn reserve(&mut self, size: usize) -> Option<()> {
        let additional = size.saturating_sub(self.bytes.len());
        try_reserve_exact(&mut self.bytes, additional)?;
        prefer_huge_pages(&mut self.bytes);
        Some(())
    }

    /// Spare memory after the content, up to the offset `end` and the capacity.
    pub fn spare(&mut self, end: usize) -> &mut [u8] {
        let end = end.min(self.bytes.capacity()).max(self.length);
        self.bytes.resize(end, 0);
        &mut self.bytes[self.length..]
    }

    /// Appends the first `count` bytes of the spare memory to the content.
    pub fn advance(&mut self, count: usize) {
        self.length = self.bytes.len().min(self.length + count);
        dispatch(Update {
            validator: &mut self.validator,
            text: &self.bytes[..self.length],
            is_complete: false,
        });
    }

    /// The content, valid or not.
    pub fn into_bytes(mut self) -> Vec<u8> {
        self.bytes.truncate(self.length);
        self.bytes
    }

    /// Validates the rest of the content.
    pub fn finish(mut self) -> Result<Document, InvalidDocument> {
        self.bytes.truncate(self.length);
        dispatch(Update { validator: &mut self.validator, text: &self.bytes, is_complete: true });
        match self.validator.finish(self.length) {
            Ok(extents) => Ok(Document { text: validated_string(self.bytes), extents }),
            Err(fault) => Err(InvalidDocument { fault, bytes: self.bytes }),
        }
    }
}

/// Converts bytes that the validator has accepted, without reading them again.
#[allow(unsafe_code)]
fn validated_string(bytes: Vec<u8>) -> String {
    // SAFETY: the only caller passes bytes that the validator has read to the end without finding an error, and that
    // have not changed since. The validator accepts only UTF-8.
    unsafe { String::from_utf8_unchecked(bytes) }
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

    /// The recorded arrays and objects, ordered by their start: large ones of the outer levels.
    pub fn extents(&self) -> &[Extent] {
        &self.extents
    }

    /// The text alone.
    pub fn into_text(self) -> String {
        self.text
    }
}
