//! The values in a small array or object, parsed in one pass into a flat list.
//!
//! For example, this is the object `{"id":7,"tag":"a\nb","list":[true]}` in memory. In `copy`, `0` is a NUL and `^` a
//! line feed:
//!
//! ```text
//!   offset  0         5         10        15        20        25        30
//!   text    { " i d " : 7 , " t a g " : " a \ n b " , " l i s t " : [ t r u e ] }
//!   copy    { " i d 0 : 7 , " t a g 0 : " a ^ b 0 " , " l i s t 0 : [ t r u e ] }
//!               |             |           |             |
//!               key of 2      key of 3    string of 3   key of 4
//!
//!   cells   tag      position  start..end  key    content
//!   0       Owner    (the address of the tape)
//!   1       True     1         29..33      -      -                   <---+
//!   2       Int32    2          6..7        2, 2  7                   <-+ |
//!   3       String   3         14..20       9, 3  length 3              | |
//!   4       Array    4         28..34      22, 4  first 1, count 1  ----|-+
//!                                                                       |
//!   children                                      first 2, count 3  ----+
//! ```
//!
//! - `text` is the JSON as it was sent. `start..end` is the text of a value.
//! - `copy` is the same text with each string and key unescaped in place. The NUL always fits: it replaces the closing
//!   quote, or a byte that an escape has saved.
//! - `cells` has 16 bytes for each value. Children of one container are adjacent, and precede the container, whose end
//!   is found later. Offsets have 16 bits, so the text is limited to 64 KiB.
//! - `content` has 32 bits. For a wider number, it is the lower half. The upper half is in `copy`, in place of the
//!   first digits of the number and the byte before them.
//!
//! A pointer to a cell is all that C needs to identify a value: `position` leads back to cell 0, which leads to the
//! tape with its text and strings.
//!
//! A tape borrows its text for `'a` and owns everything else. It is complete before another thread can see it. After
//! that, only `Owner` and `chains` change: each is written once, atomically, and all threads would write the same
//! address to `Owner`. So any number of threads can read a tape. Its vectors no longer grow, so pointers to cells and
//! strings are valid until it is dropped. A pinned tape must not be moved, because `Owner` refers to it; the cache
//! keeps it in a box.

use std::ptr;
use std::sync::atomic::{AtomicPtr, Ordering};

use super::cache::Chain;
use super::key_index::KeyIndex;
use super::number::Number;
use super::tape_builder::Builder;
use super::{Container, JsonType};
use crate::alloc::{OnceBox, try_box, try_extend_with_nul, try_with_capacity};
use crate::sys::memory::populate;

/// Containers with a text of up to this many bytes are parsed into a tape.
pub(super) const MAX_TAPE_TEXT: usize = u16::MAX as usize;

/// The values in a container.
pub struct Tape<'a> {
    text: &'a str,
    copy: Vec<u8>,
    /// The first cell is the owner. All others are values.
    cells: Vec<TapeCell<'a>>,
    /// The values directly in the container.
    children: Children,
    /// A cache for each cell, made when the first one is needed.
    chains: OnceBox<Vec<Chain<'a>>>,
}

/// An element of `Tape::cells`.
pub enum TapeCell<'a> {
    /// A value.
    Value(TapeEntry),
    /// The tape that the cells belong to; null until it is pinned.
    Owner(AtomicPtr<Tape<'a>>),
}

// The address of an entry is that of its cell.
const _: () = assert!(size_of::<TapeEntry>() == size_of::<TapeCell>());

/// One value.
#[derive(Clone, Copy)]
pub struct TapeEntry {
    pub(super) tag: Tag,
    /// The index of its cell.
    pub(crate) position: u16,
    /// The text of the value.
    pub(super) start: u16,
    pub(super) end: u16,
    /// The key of a member. Meaningless for an element.
    pub(super) key: Key,
    /// Depends on the tag.
    pub(super) content: u32,
}

/// The type of a value, and how it is stored.
#[derive(Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub(super) enum Tag {
    Null,
    False,
    True,
    /// `content` is the number.
    Int32,
    /// `content` is the lower half of the number.
    Int64,
    /// `content` is the lower half of the number's bits.
    Double,
    /// `-0`, a double whose text is too short to hold the upper half.
    MinusZero,
    /// `content` is the length of the unescaped string.
    String,
    /// `content` is a `Children`. While the array is open, it is the index of the open container around it.
    Array,
    /// As for an array.
    Object,
}

/// A member's key in the copy, without its NUL.
#[derive(Clone, Copy, Default)]
pub(super) struct Key {
    pub(super) start: u16,
    pub(super) length: u16,
}

/// The cells of the values directly in a container.
#[derive(Clone, Copy, Default)]
pub(super) struct Children {
    pub(super) first: u16,
    pub(super) count: u16,
}

impl Children {
    /// The cell of the child with this index.
    #[inline]
    fn position(self, index: usize) -> Option<usize> {
        (index < self.count.into()).then(|| usize::from(self.first) + index)
    }
}

impl TapeEntry {
    #[inline]
    pub(super) fn kind(&self) -> JsonType {
        match self.tag {
            Tag::Null => JsonType::Null,
            Tag::False | Tag::True => JsonType::Bool,
            Tag::Int32 | Tag::Int64 | Tag::Double | Tag::MinusZero => JsonType::Number,
            Tag::String => JsonType::String,
            Tag::Array => JsonType::Array,
            Tag::Object => JsonType::Object,
        }
    }

    #[inline]
    pub(super) fn is_true(&self) -> bool {
        self.tag == Tag::True
    }

    /// The children of an array or object.
    #[inline]
    pub(super) fn children(&self) -> Option<Children> {
        let is_container = matches!(self.tag, Tag::Array | Tag::Object);
        is_container.then_some(Children { first: self.content as u16, count: (self.content >> 16) as u16 })
    }

    /// The distance in cells from this entry to one of its children.
    #[inline]
    pub(crate) fn distance_to(&self, index: usize) -> Option<isize> {
        Some(self.children()?.position(index)? as isize - isize::try_from(self.position).ok()?)
    }

    /// Whether it is an object.
    #[inline]
    pub(crate) fn is_object(&self) -> bool {
        self.tag == Tag::Object
    }

    /// The children of an object.
    #[inline]
    pub(super) fn members(&self) -> Option<Children> {
        if self.tag == Tag::Object { self.children() } else { None }
    }
}

impl<'a> Tape<'a> {
    /// Parses the content of a container: its elements or members, with one byte before them, and the closing bracket
    /// or nothing after them. The text has at most `MAX_TAPE_TEXT` bytes. Returns `None` if there is not enough memory.
    pub(super) fn parse(text: &'a str, in_object: bool) -> Option<Tape<'a>> {
        let mut copy = try_with_capacity(text.len())?;
        populate(&mut copy);
        copy.extend_from_slice(text.as_bytes());
        let (cells, children) = Builder::new(&mut copy)?.build(in_object)?;
        Some(Tape { text, copy, cells, children, chains: OnceBox::new() })
    }

    /// The children of the container.
    #[inline]
    pub(super) fn children(&self) -> Children {
        self.pin();
        self.children
    }

    /// The container.
    #[inline]
    pub(super) fn container(&self) -> Container<'_, 'a> {
        Container::Tape(self, self.children())
    }

    /// Stores the address of the tape in its owner cell. The tape must not be moved from then on.
    #[inline]
    fn pin(&self) {
        if let Some(TapeCell::Owner(owner)) = self.cells.first()
            && owner.load(Ordering::Acquire).is_null()
        {
            let own = ptr::from_ref(self).cast_mut();
            let _ = owner.compare_exchange(ptr::null_mut(), own, Ordering::AcqRel, Ordering::Acquire);
        }
    }

    /// The cell of an entry, as a pointer from which the other cells can be reached.
    #[inline]
    pub(crate) fn cell(&self, entry: &TapeEntry) -> *const TapeCell<'a> {
        self.cells.as_ptr().with_addr(ptr::from_ref(entry).addr())
    }

    pub(super) fn raw(&self, entry: &TapeEntry) -> &'a str {
        self.text.get(entry.start.into()..entry.end.into()).unwrap_or_default()
    }

    #[inline]
    pub(super) fn number(&self, entry: &TapeEntry) -> Option<Number> {
        // A chain of comparisons, the most frequent tag first, is faster than a jump table.
        if entry.tag == Tag::Int32 {
            Some(Number::Integer((entry.content as i32).into()))
        } else if entry.tag == Tag::Double {
            Some(Number::Double(f64::from_bits(self.wide_content(entry)?)))
        } else if entry.tag == Tag::Int64 {
            Some(Number::Integer(self.wide_content(entry)? as i64))
        } else if entry.tag == Tag::MinusZero {
            Some(Number::Double(-0.0))
        } else {
            None
        }
    }

    /// The 64 bits of a wide number.
    #[inline]
    fn wide_content(&self, entry: &TapeEntry) -> Option<u64> {
        let upper = self.copy.get(usize::from(entry.start).wrapping_sub(1)..)?.first_chunk()?;
        Some(u64::from(u32::from_le_bytes(*upper)) << 32 | u64::from(entry.content))
    }

    /// An unescaped string with its NUL.
    #[inline]
    pub(super) fn string(&self, entry: &TapeEntry) -> Option<&[u8]> {
        if entry.tag != Tag::String {
            return None;
        }
        let start = usize::from(entry.start) + 1;
        self.copy.get(start..start + entry.content as usize + 1)
    }

    /// A child by its index.
    #[inline]
    pub(super) fn child(&self, children: Children, index: usize) -> Option<&TapeEntry> {
        match self.cells.get(children.position(index)?)? {
            TapeCell::Value(entry) => Some(entry),
            TapeCell::Owner(_) => None,
        }
    }

    /// The key of a member with its NUL.
    #[inline]
    pub(crate) fn key(&self, member: &TapeEntry) -> Option<&[u8]> {
        let start = usize::from(member.key.start);
        self.copy.get(start..start + usize::from(member.key.length) + 1)
    }

    /// The last member with a key.
    #[inline(never)]
    pub(super) fn find(&self, members: Children, key: &[u8]) -> Option<&TapeEntry> {
        let first = usize::from(members.first);
        let cells = self.cells.get(first..first + usize::from(members.count))?;
        cells.iter().rev().find_map(|cell| match cell {
            TapeCell::Value(entry) if usize::from(entry.key.length) == key.len() => {
                let start = usize::from(entry.key.start);
                self.copy
                    .get(start..start + key.len())
                    .is_some_and(|own| is_same_key(own, key))
                    .then_some(entry)
            }
            _ => None,
        })
    }

    /// The sorted keys of an object. Returns `None` if there is not enough memory.
    pub(super) fn key_index(&self, members: Children) -> Option<KeyIndex> {
        let mut keys = KeyIndex::with_capacity(members.count.into())?;
        for index in 0..members.count.into() {
            let (_, key) = self.key(self.child(members, index)?)?.split_last()?;
            keys.push(key, try_extend_with_nul)?;
        }
        keys.sorted()
    }

    /// The cache of a value. Returns `None` if there is not enough memory for it.
    pub(super) fn chain(&self, entry: &TapeEntry) -> Option<&Chain<'a>> {
        if self.chains.get().is_none() {
            let mut chains = try_with_capacity(self.cells.len())?;
            chains.resize_with(self.cells.len(), OnceBox::new);
            // If another thread was first, its chains are kept.
            let _ = self.chains.set(try_box(chains)?);
        }
        self.chains.get()?.get(usize::from(entry.position))
    }
}

/// Compares two keys of the same length. Most are so short that calling `memcmp` would take longer.
#[inline(always)]
fn is_same_key(one: &[u8], other: &[u8]) -> bool {
    // Compares both ends, which may overlap.
    match one.len() {
        0..4 => one.iter().eq(other),
        4..8 => one.first_chunk::<4>() == other.first_chunk() && one.last_chunk::<4>() == other.last_chunk(),
        8..=16 => {
            one.first_chunk::<8>() == other.first_chunk() && one.last_chunk::<8>() == other.last_chunk()
        }
        _ => is_same_long_key(one, other),
    }
}

#[inline(never)]
fn is_same_long_key(one: &[u8], other: &[u8]) -> bool {
    one == other
}

#[cfg(test)]
mod tests {
    use super::{Tag, Tape, TapeCell};

    #[test]
    fn the_documented_example_is_laid_out_as_drawn() {
        let text = r#"{"id":7,"tag":"a\nb","list":[true]}"#;
        let tape = Tape::parse(text, true).expect("memory");
        let copy = tape.copy.iter().map(|byte| match byte {
            0 => '0',
            b'\n' => '^',
            other => char::from(*other),
        });
        assert_eq!(copy.collect::<String>(), "{\"id0:7,\"tag0:\"a^b0\",\"list0:[true]}");
        assert!(matches!(tape.cells[0], TapeCell::Owner(_)));
        let cells = [
            (Tag::True, 29..33, None, 0),
            (Tag::Int32, 6..7, Some((2, 2)), 7),
            (Tag::String, 14..20, Some((9, 3)), 3),
            (Tag::Array, 28..34, Some((22, 4)), 1 | 1 << 16),
        ];
        assert_eq!(tape.cells.len(), 1 + cells.len());
        for (index, (tag, text, key, content)) in cells.into_iter().enumerate() {
            let TapeCell::Value(entry) = &tape.cells[1 + index] else { panic!("no value at {index}") };
            assert!(entry.tag == tag && usize::from(entry.position) == 1 + index);
            assert_eq!((entry.start..entry.end, entry.content), (text, content));
            assert!(key.is_none_or(|key| key == (entry.key.start, entry.key.length)));
        }
        assert_eq!((tape.children.first, tape.children.count), (2, 3));
    }
}
