//! Parses a copy of a text into the cells of a tape.

use std::ptr;
use std::sync::atomic::AtomicPtr;

use super::tape::{Children, Key, Tag, TapeCell, TapeEntry};
use crate::alloc::{try_push, try_reserve, try_with_capacity};
use crate::json::cursor::skip_whitespace;
use crate::json::escape::unescape_in_place;
use crate::json::number::{self, Number};
use crate::json::scan;

/// Most values, with their keys, take at least this many bytes of text.
const EXPECTED_BYTES_PER_VALUE: usize = 16;
/// Most documents never have more values than this in all open containers together.
const INITIAL_OPEN_CAPACITY: usize = 60;
/// No index in `Builder::open`.
const NONE: u32 = u32::MAX;

/// Parses the copy of a text. Unescapes its strings in place, and stores the upper halves of wide numbers in it.
pub(super) struct Builder<'t, 'a> {
    copy: &'t mut [u8],
    cells: Vec<TapeCell<'a>>,
    /// The open containers, each followed by its children so far.
    open: Vec<TapeEntry>,
    /// The index of the innermost open container.
    innermost: u32,
}

impl<'t, 'a> Builder<'t, 'a> {
    pub(super) fn new(copy: &'t mut [u8]) -> Option<Self> {
        let mut cells = try_with_capacity(copy.len() / EXPECTED_BYTES_PER_VALUE + 2)?;
        cells.push(TapeCell::Owner(AtomicPtr::new(ptr::null_mut())));
        let open = try_with_capacity(INITIAL_OPEN_CAPACITY)?;
        Some(Builder { copy, cells, open, innermost: NONE })
    }

    /// Returns the cells, and which of them are the children of the outermost container.
    pub(super) fn build(mut self, mut in_object: bool) -> Option<(Vec<TapeCell<'a>>, Children)> {
        let mut key = Key::default();
        self.open_container(0, key, in_object)?;
        let mut at = self.skip_whitespace(1);
        let mut is_empty = matches!(self.byte(at), b']' | b'}');
        loop {
            if !is_empty {
                if in_object {
                    (key, at) = self.read_key(at)?;
                }
                // At the start of a value.
                let start = at;
                let (tag, content);
                match self.byte(at) {
                    b'"' => {
                        let (length, end) = self.unescape_string(at)?;
                        (tag, content, at) = (Tag::String, length as u32, end);
                    }
                    bracket @ (b'{' | b'[') => {
                        in_object = bracket == b'{';
                        self.open_container(at, key, in_object)?;
                        at = self.skip_whitespace(at + 1);
                        // A closing bracket is its opening one plus two.
                        is_empty = self.byte(at) == bracket + 2;
                        continue;
                    }
                    b't' => (tag, content, at) = (Tag::True, 0, at + 4),
                    b'f' => (tag, content, at) = (Tag::False, 0, at + 5),
                    b'n' => (tag, content, at) = (Tag::Null, 0, at + 4),
                    _ => {
                        let end;
                        (tag, content, end) = store_number(self.copy, at)?;
                        at = end.into();
                    }
                }
                let entry = TapeEntry { tag, position: 0, start: start as u16, end: at as u16, key, content };
                try_push(&mut self.open, entry)?;
            }
            // At the end of a value, or in an empty container.
            is_empty = false;
            while self.byte(at) != b',' {
                at = self.skip_whitespace(at);
                if self.byte(at) == b',' {
                    break;
                }
                at += 1;
                self.close_container(at)?;
                if self.innermost == NONE {
                    let children = self.open.first()?.children()?;
                    return Some((self.cells, children));
                }
                in_object = self.open.get(self.innermost as usize)?.tag == Tag::Object;
            }
            at = self.skip_whitespace(at + 1);
        }
    }

    #[inline(always)]
    fn byte(&self, at: usize) -> u8 {
        self.copy.get(at).copied().unwrap_or(0)
    }

    #[inline(always)]
    fn skip_whitespace(&self, at: usize) -> usize {
        skip_whitespace(self.copy, at)
    }

    /// Unescapes the string at `at`, and terminates it with a NUL. Returns its length, and where its text ends.
    #[inline(always)]
    fn unescape_string(&mut self, at: usize) -> Option<(usize, usize)> {
        let mut end = scan::next_escape(self.copy, at + 1);
        let mut quote = end;
        if self.byte(end) != b'"' {
            (end, quote) = unescape_in_place(self.copy, end)?;
        }
        *self.copy.get_mut(end)? = 0;
        Some((end - at - 1, quote + 1))
    }

    /// Unescapes a key. Returns it with the offset of its value.
    #[inline(always)]
    fn read_key(&mut self, at: usize) -> Option<(Key, usize)> {
        let (length, end) = self.unescape_string(at)?;
        let colon = self.skip_whitespace(end);
        Some((Key { start: at as u16 + 1, length: length as u16 }, self.skip_whitespace(colon + 1)))
    }

    #[inline(always)]
    fn open_container(&mut self, at: usize, key: Key, is_object: bool) -> Option<()> {
        let content = std::mem::replace(&mut self.innermost, self.open.len() as u32);
        let tag = if is_object { Tag::Object } else { Tag::Array };
        try_push(&mut self.open, TapeEntry { tag, position: 0, start: at as u16, end: 0, key, content })
    }

    /// Closes the innermost container: moves its children to the cells.
    #[inline(never)]
    fn close_container(&mut self, end: usize) -> Option<()> {
        let own = self.innermost as usize;
        let first = self.cells.len();
        let children = self.open.get(own + 1..)?;
        let count = children.len();
        try_reserve(&mut self.cells, count)?;
        let placed =
            |(entry, position): (&TapeEntry, usize)| TapeEntry { position: position as u16, ..*entry };
        self.cells.extend(children.iter().zip(first..).map(placed).map(TapeCell::Value));
        self.open.truncate(own + 1);
        let closed = self.open.get_mut(own)?;
        self.innermost = closed.content;
        closed.end = end as u16;
        closed.content = first as u32 | (count as u32) << 16;
        Some(())
    }
}

/// Reads the number at `at`. Returns its tag, its content, and where it ends. Stores the upper half of a wide number in
/// the copy.
#[inline(never)]
fn store_number(copy: &mut [u8], at: usize) -> Option<(Tag, u32, u16)> {
    let (number, end) = number::read(copy, at)?;
    let (tag, bits) = match number {
        Number::Integer(integer) if i32::try_from(integer).is_ok() => (Tag::Int32, integer as u64),
        Number::Integer(integer) => (Tag::Int64, integer as u64),
        Number::Double(_) if end - at < 3 => (Tag::MinusZero, 0),
        Number::Double(double) => (Tag::Double, double.to_bits()),
    };
    if matches!(tag, Tag::Int64 | Tag::Double) {
        // The byte before a number is a bracket, comma, colon or blank, which is no longer needed.
        let upper = copy.get_mut(at.wrapping_sub(1)..)?.first_chunk_mut()?;
        *upper = ((bits >> 32) as u32).to_le_bytes();
    }
    Some((tag, bits as u32, end as u16))
}
