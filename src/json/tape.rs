//! Arrays and objects of moderate size, read at once: all values that are in them, in one list.
//!
//! What is directly in one array or object stands next to each other in the list. Strings and keys stand, unescaped and
//! each with a U+0000 behind it, in a copy of the text, at the same place: there is room for that, as a quote ends each of
//! them, and no escape is shorter than what it stands for. Places in a text of less than 64 KiB take 16 bits, so that a
//! value takes 16 bytes.

use std::ptr;
use std::sync::atomic::{AtomicPtr, Ordering};

use super::escape::{append_with_nul, unescape_within};
use super::key_index::KeyIndex;
use super::number::{self, Number};
use super::{Container, JsonType, Link};
use crate::alloc::{OnceBox, try_box};
use crate::json::scan;
use crate::sys::memory::populate;

/// Arrays and objects with a text of up to so many bytes are read at once.
pub(super) const MOST: usize = u16::MAX as usize;

/// All that is in an array or an object.
pub struct Tape<'a> {
    text: &'a str,
    copy: Vec<u8>,
    /// The first is `Owner`, all others are values.
    entries: Vec<Entry<'a>>,
    /// What is directly in the array or object.
    children: Children,
    /// A chain for each entry, made when the first one is needed.
    chains: OnceBox<Vec<Link<'a>>>,
}

/// An element of the list.
pub enum Entry<'a> {
    /// A value.
    Value(TapeEntry),
    /// Where the list belongs to, which is so found from each value. Written when somebody looks, and always the same.
    Owner(AtomicPtr<Tape<'a>>),
}

/// A value is at the place of its entry.
const _: () = assert!(size_of::<TapeEntry>() == size_of::<Entry>());

/// One value.
#[derive(Clone, Copy)]
pub struct TapeEntry {
    tag: Tag,
    /// Where the value is in the list.
    pub(crate) position: u16,
    /// Where its text begins and ends.
    start: u16,
    end: u16,
    key: Key,
    /// What depends on the tag.
    content: u32,
}

/// The kind of a value, and how it is kept.
#[derive(Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
enum Tag {
    Null,
    False,
    True,
    /// An integer, in `content`.
    Short,
    /// An integer. Its lower half is in `content`, the upper one in the copy, where its text was.
    Integer,
    /// The bits of a double, in the same way.
    Double,
    /// `-0`, whose text leaves no room for a double.
    MinusZero,
    /// `content` is the length of the unescaped string.
    String,
    /// `content` is `Children`. While the end has not been found, it is the position of the open array or object around.
    Array,
    /// As for an array.
    Object,
}

/// Where a member's key is in the copy, without its U+0000.
#[derive(Clone, Copy, Default)]
struct Key {
    start: u16,
    length: u16,
}

/// The values directly in an array or object: the position of the first one, and their number.
#[derive(Clone, Copy, Default)]
pub(super) struct Children {
    first: u16,
    pub(super) count: u16,
}

impl Children {
    /// Where one of them is in the list.
    #[inline]
    fn place(self, index: usize) -> Option<usize> {
        (index < self.count.into()).then(|| usize::from(self.first) + index)
    }
}

impl TapeEntry {
    #[inline]
    pub(super) fn kind(&self) -> JsonType {
        match self.tag {
            Tag::Null => JsonType::Null,
            Tag::False | Tag::True => JsonType::Bool,
            Tag::Short | Tag::Integer | Tag::Double | Tag::MinusZero => JsonType::Number,
            Tag::String => JsonType::String,
            Tag::Array => JsonType::Array,
            Tag::Object => JsonType::Object,
        }
    }

    #[inline]
    pub(super) fn is_true(&self) -> bool {
        self.tag == Tag::True
    }

    /// What is directly in an array or object.
    #[inline]
    pub(super) fn children(&self) -> Option<Children> {
        let is_container = matches!(self.tag, Tag::Array | Tag::Object);
        is_container.then_some(Children { first: self.content as u16, count: (self.content >> 16) as u16 })
    }

    /// How many entries behind this one's own an element, or a member's value, is in the list.
    #[inline]
    pub(crate) fn distance_to(&self, index: usize) -> Option<isize> {
        Some(self.children()?.place(index)? as isize - isize::try_from(self.position).ok()?)
    }

    /// Whether it is an object.
    #[inline]
    pub(crate) fn is_object(&self) -> bool {
        self.tag == Tag::Object
    }

    /// What is directly in an object.
    #[inline]
    pub(super) fn members(&self) -> Option<Children> {
        if self.tag == Tag::Object { self.children() } else { None }
    }
}

impl<'a> Tape<'a> {
    /// Reads what is in an array or an object: elements or members, with the bracket, comma or blank before them, and with
    /// the closing bracket or nothing behind them. No more than `MOST` bytes.
    pub(super) fn read(text: &'a str, in_object: bool) -> Option<Tape<'a>> {
        let mut copy = Vec::new();
        copy.try_reserve_exact(text.len()).ok()?;
        populate(&mut copy);
        copy.extend_from_slice(text.as_bytes());
        let (entries, children) = Reader::new(&mut copy)?.read(in_object)?;
        Some(Tape { text, copy, entries, children, chains: OnceBox::new() })
    }

    /// What is directly in the array or object.
    #[inline]
    pub(super) fn children(&self) -> Children {
        self.pin();
        self.children
    }

    /// The same, to be looked into.
    #[inline]
    pub(super) fn inside(&self) -> Container<'_, 'a> {
        Container::Tape(self, self.children())
    }

    /// Lets the list know where it belongs to. From then on it must not be moved. Of all threads one writes, and once.
    #[inline]
    fn pin(&self) {
        if let Some(Entry::Owner(home)) = self.entries.first()
            && home.load(Ordering::Acquire).is_null()
        {
            let own = ptr::from_ref(self).cast_mut();
            let _ = home.compare_exchange(ptr::null_mut(), own, Ordering::AcqRel, Ordering::Acquire);
        }
    }

    /// The entry that a value is, as a pointer from which the others can be reached.
    #[inline]
    pub(crate) fn entry(&self, slot: &TapeEntry) -> *const Entry<'a> {
        self.entries.as_ptr().with_addr(ptr::from_ref(slot).addr())
    }

    pub(super) fn raw(&self, slot: &TapeEntry) -> &'a str {
        self.text.get(slot.start.into()..slot.end.into()).unwrap_or_default()
    }

    #[inline]
    pub(super) fn number(&self, slot: &TapeEntry) -> Option<Number> {
        // One after the other, the more likely ones first: that is faster than a table of jumps.
        if slot.tag == Tag::Short {
            Some(Number::Integer((slot.content as i32).into()))
        } else if slot.tag == Tag::Double {
            Some(Number::Double(f64::from_bits(self.wide(slot)?)))
        } else if slot.tag == Tag::Integer {
            Some(Number::Integer(self.wide(slot)? as i64))
        } else if slot.tag == Tag::MinusZero {
            Some(Number::Double(-0.0))
        } else {
            None
        }
    }

    #[inline]
    fn wide(&self, slot: &TapeEntry) -> Option<u64> {
        let upper = self.copy.get(usize::from(slot.start).wrapping_sub(1)..)?.first_chunk()?;
        Some(u64::from(u32::from_le_bytes(*upper)) << 32 | u64::from(slot.content))
    }

    /// An unescaped string with its U+0000.
    #[inline]
    pub(super) fn string(&self, slot: &TapeEntry) -> Option<&[u8]> {
        if slot.tag != Tag::String {
            return None;
        }
        let start = usize::from(slot.start) + 1;
        self.copy.get(start..start + slot.content as usize + 1)
    }

    /// One of the values that are directly in an array or object.
    #[inline]
    pub(super) fn child(&self, children: Children, index: usize) -> Option<&TapeEntry> {
        match self.entries.get(children.place(index)?)? {
            Entry::Value(slot) => Some(slot),
            Entry::Owner(_) => None,
        }
    }

    /// The key of a member with its U+0000.
    #[inline]
    pub(crate) fn key(&self, member: &TapeEntry) -> Option<&[u8]> {
        let start = usize::from(member.key.start);
        self.copy.get(start..start + usize::from(member.key.length) + 1)
    }

    /// The last member with a key.
    #[inline(never)]
    pub(super) fn find(&self, members: Children, key: &[u8]) -> Option<&TapeEntry> {
        let first = usize::from(members.first);
        let list = self.entries.get(first..first + usize::from(members.count))?;
        list.iter().rev().find_map(|entry| match entry {
            Entry::Value(slot) if usize::from(slot.key.length) == key.len() => {
                let start = usize::from(slot.key.start);
                self.copy.get(start..start + key.len()).is_some_and(|own| is_same(own, key)).then_some(slot)
            }
            _ => None,
        })
    }

    /// The keys of an object.
    pub(super) fn keys(&self, members: Children) -> Option<KeyIndex> {
        let mut keys = KeyIndex::for_members(members.count.into())?;
        for index in 0..members.count.into() {
            let (_, key) = self.key(self.child(members, index)?)?.split_last()?;
            keys.push(key, append_with_nul)?;
        }
        keys.ordered()
    }

    /// The place for what is kept of a value besides; none where there is no memory for it.
    pub(super) fn chain(&self, slot: &TapeEntry) -> Option<&Link<'a>> {
        if self.chains.get().is_none() {
            let mut chains = Vec::new();
            chains.try_reserve_exact(self.entries.len()).ok()?;
            chains.resize_with(self.entries.len(), OnceBox::new);
            // Where another thread was faster, its chains stay.
            let _ = self.chains.set(try_box(chains)?);
        }
        self.chains.get()?.get(usize::from(slot.position))
    }
}

/// Whether two keys of the same length are the same. Most are short: to call `memcmp` would take longer.
#[inline(always)]
fn is_same(one: &[u8], other: &[u8]) -> bool {
    // Both ends are compared, which may overlap.
    match one.len() {
        0..4 => one.iter().eq(other),
        4..8 => one.first_chunk::<4>() == other.first_chunk() && one.last_chunk::<4>() == other.last_chunk(),
        8..=16 => {
            one.first_chunk::<8>() == other.first_chunk() && one.last_chunk::<8>() == other.last_chunk()
        }
        _ => is_same_long(one, other),
    }
}

#[inline(never)]
fn is_same_long(one: &[u8], other: &[u8]) -> bool {
    one == other
}

/// So long is a value with its key, if not longer.
const BYTES_PER_VALUE: usize = 16;
/// In many documents no more values are open at once.
const FEW: usize = 60;
/// No position in `Reader::open`.
const NONE: u32 = u32::MAX;

/// Reads a copy of the text, and leaves behind in it what has been read: unescaped strings, and parts of numbers.
struct Reader<'t, 'a> {
    bytes: &'t mut [u8],
    entries: Vec<Entry<'a>>,
    /// Arrays and objects whose end has not been found, each before what has been found directly in it.
    open: Vec<TapeEntry>,
    /// The position of the innermost open one.
    innermost: u32,
}

impl<'t, 'a> Reader<'t, 'a> {
    fn new(bytes: &'t mut [u8]) -> Option<Self> {
        let (mut entries, mut open) = (Vec::new(), Vec::new());
        entries.try_reserve_exact(bytes.len() / BYTES_PER_VALUE + 2).ok()?;
        entries.push(Entry::Owner(AtomicPtr::new(ptr::null_mut())));
        open.try_reserve_exact(FEW).ok()?;
        Some(Reader { bytes, entries, open, innermost: NONE })
    }

    fn read(mut self, mut in_object: bool) -> Option<(Vec<Entry<'a>>, Children)> {
        let mut key = Key::default();
        self.begin(0, key, in_object)?;
        let mut at = self.whitespace(1);
        let mut is_empty = matches!(self.byte(at), b']' | b'}');
        loop {
            if !is_empty {
                if in_object {
                    (key, at) = self.key(at)?;
                }
                // Here a value begins.
                let start = at;
                let (tag, content);
                match self.byte(at) {
                    b'"' => {
                        let (length, end) = self.string(at)?;
                        (tag, content, at) = (Tag::String, length as u32, end);
                    }
                    bracket @ (b'{' | b'[') => {
                        in_object = bracket == b'{';
                        self.begin(at, key, in_object)?;
                        at = self.whitespace(at + 1);
                        // An opening bracket and its closing one differ by two.
                        is_empty = self.byte(at) == bracket + 2;
                        continue;
                    }
                    b't' => (tag, content, at) = (Tag::True, 0, at + 4),
                    b'f' => (tag, content, at) = (Tag::False, 0, at + 5),
                    b'n' => (tag, content, at) = (Tag::Null, 0, at + 4),
                    _ => {
                        let end;
                        (tag, content, end) = read_number(self.bytes, at)?;
                        at = end.into();
                    }
                }
                self.push(TapeEntry { tag, position: 0, start: start as u16, end: at as u16, key, content })?;
            }
            // Behind a value, or within empty brackets.
            is_empty = false;
            while self.byte(at) != b',' {
                at = self.whitespace(at);
                if self.byte(at) == b',' {
                    break;
                }
                at += 1;
                self.end(at)?;
                if self.innermost == NONE {
                    let children = self.open.first()?.children()?;
                    return Some((self.entries, children));
                }
                in_object = self.open.get(self.innermost as usize)?.tag == Tag::Object;
            }
            at = self.whitespace(at + 1);
        }
    }

    #[inline(always)]
    fn byte(&self, at: usize) -> u8 {
        self.bytes.get(at).copied().unwrap_or(0)
    }

    #[inline(always)]
    fn whitespace(&self, at: usize) -> usize {
        if self.byte(at) > b' ' { at } else { skip_whitespace(self.bytes, at) }
    }

    /// Unescapes the string at `at`. Returns its length then, and where it ended.
    #[inline(always)]
    fn string(&mut self, at: usize) -> Option<(usize, usize)> {
        let mut end = scan::next_escape(self.bytes, at + 1);
        let mut quote = end;
        if self.byte(end) != b'"' {
            (end, quote) = unescape_within(self.bytes, end)?;
        }
        *self.bytes.get_mut(end)? = 0;
        Some((end - at - 1, quote + 1))
    }

    /// Goes from a key to its value.
    #[inline(always)]
    fn key(&mut self, at: usize) -> Option<(Key, usize)> {
        let (length, end) = self.string(at)?;
        let colon = self.whitespace(end);
        Some((Key { start: at as u16 + 1, length: length as u16 }, self.whitespace(colon + 1)))
    }

    #[inline(always)]
    fn push(&mut self, slot: TapeEntry) -> Option<()> {
        if self.open.len() == self.open.capacity() {
            self.open.try_reserve(1).ok()?;
        }
        self.open.push(slot);
        Some(())
    }

    #[inline(always)]
    fn begin(&mut self, at: usize, key: Key, is_object: bool) -> Option<()> {
        let content = std::mem::replace(&mut self.innermost, self.open.len() as u32);
        let tag = if is_object { Tag::Object } else { Tag::Array };
        self.push(TapeEntry { tag, position: 0, start: at as u16, end: 0, key, content })
    }

    /// Ends the innermost array or object: what is directly in it goes to the list.
    #[inline(never)]
    fn end(&mut self, end: usize) -> Option<()> {
        let own = self.innermost as usize;
        let first = self.entries.len();
        let children = self.open.get(own + 1..)?;
        let count = children.len();
        self.entries.try_reserve(count).ok()?;
        let placed = |(slot, position): (&TapeEntry, usize)| TapeEntry { position: position as u16, ..*slot };
        self.entries.extend(children.iter().zip(first..).map(placed).map(Entry::Value));
        self.open.truncate(own + 1);
        let ended = self.open.get_mut(own)?;
        self.innermost = ended.content;
        ended.end = end as u16;
        ended.content = first as u32 | (count as u32) << 16;
        Some(())
    }
}

/// Not inlined: there is none in most texts.
#[inline(never)]
fn skip_whitespace(text: &[u8], at: usize) -> usize {
    scan::skip_whitespace(text, at)
}

/// The number at `at`: how it is kept, and where it ends.
#[inline(never)]
fn read_number(bytes: &mut [u8], at: usize) -> Option<(Tag, u32, u16)> {
    let (number, end) = number::read(bytes, at)?;
    let (tag, bits) = match number {
        Number::Integer(integer) if i32::try_from(integer).is_ok() => (Tag::Short, integer as u64),
        Number::Integer(integer) => (Tag::Integer, integer as u64),
        Number::Double(_) if end - at < 3 => (Tag::MinusZero, 0),
        Number::Double(double) => (Tag::Double, double.to_bits()),
    };
    if matches!(tag, Tag::Integer | Tag::Double) {
        // Nobody needs any more what stands before the number.
        let place = bytes.get_mut(at.wrapping_sub(1)..)?.first_chunk_mut()?;
        *place = ((bits >> 32) as u32).to_le_bytes();
    }
    Some((tag, bits as u32, end as u16))
}
