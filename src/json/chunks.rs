//! Large arrays and objects, split into chunks.
//!
//! A chunk is either a run of adjacent small elements or members, which is parsed into a tape when one of them is
//! accessed, or one large element or member. So an access to a large document parses only what is near.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use super::cache::{CacheNode, Content, get_or_insert};
use super::cursor::{Cursor, Key};
use super::escape::append_unescaped;
use super::key_index::KeyIndex;
use super::scan::{Brackets, Extent};
use super::tape::{MAX_TAPE_TEXT, Tape};
use super::{Container, Json, LazyValue};
use crate::alloc::{try_box, try_extend_with_nul, try_push, try_with_capacity};

/// The elements or members of a large array or object.
pub(super) struct Chunks<'a> {
    text: &'a str,
    extents: Extents,
    list: Vec<Chunk<'a>>,
    /// The number of elements or members.
    pub(super) count: usize,
    /// The index of the chunk that was accessed last, which is the most likely one to be accessed next.
    latest: AtomicUsize,
}

struct Chunk<'a> {
    /// The index of its first element or member.
    first: usize,
    /// A run of elements or members, with the byte before it, or one large value.
    value: LazyValue<'a>,
    /// The key of a large value that is a member.
    key: LazyValue<'a>,
    is_run: bool,
}

impl<'a> Chunks<'a> {
    /// Splits an array or object. `extents` are those found in it.
    pub(super) fn split(text: &'a str, extents: Extents) -> Option<Chunks<'a>> {
        // Exactly one, because a large container that is nested in another one is often its only child.
        let mut list: Vec<Chunk> = try_with_capacity(1)?;
        let (mut count, mut run_start) = (0, 0);
        for item in Items::new(text, &extents) {
            let start = item.start() - 1;
            let end = item.value.end;
            let is_small = end - start <= MAX_TAPE_TEXT;
            match list.last_mut() {
                Some(run) if run.is_run && is_small && end - run_start <= MAX_TAPE_TEXT => {
                    run.value = LazyValue::trimmed(text.get(run_start..end)?);
                }
                _ if is_small => {
                    run_start = start;
                    try_push(&mut list, Chunk::run(count, text.get(start..end)?))?;
                }
                _ => try_push(&mut list, Chunk::large(count, text, &item, &extents)?)?,
            }
            count += 1;
        }
        Some(Chunks { text, extents, list, count, latest: AtomicUsize::new(0) })
    }

    /// An element, or the value of a member.
    pub(super) fn at(&self, index: usize) -> Option<Json<'_, 'a>> {
        let chunk = self.chunk(index)?;
        if chunk.is_run { self.parse_run(chunk)?.at(index - chunk.first) } else { Some(chunk.value.json()) }
    }

    /// The key of a member.
    pub(super) fn key(&self, index: usize) -> Option<&[u8]> {
        let chunk = self.chunk(index)?;
        if chunk.is_run { self.parse_run(chunk)?.key(index - chunk.first) } else { chunk.key.string() }
    }

    /// The sorted keys of an object. Returns `None` if there is not enough memory.
    pub(super) fn key_index(&self) -> Option<KeyIndex> {
        let mut keys = KeyIndex::with_capacity(self.count)?;
        for item in Items::new(self.text, &self.extents) {
            let Key { extent, has_escapes } = item.key?;
            let key = self.text.as_bytes().get(extent.start..extent.end)?;
            keys.push(key, if has_escapes { append_unescaped } else { try_extend_with_nul })?;
        }
        keys.sorted()
    }

    /// The values whose caches are to be freed.
    pub(super) fn values_mut(&mut self) -> impl Iterator<Item = &mut LazyValue<'a>> {
        self.list.iter_mut().map(|chunk| &mut chunk.value)
    }

    fn chunk(&self, index: usize) -> Option<&Chunk<'a>> {
        if index >= self.count {
            return None;
        }
        let latest = self.latest.load(Ordering::Relaxed);
        let end = self.list.get(latest + 1).map_or(self.count, |next| next.first);
        if let Some(chunk) = self.list.get(latest).filter(|chunk| (chunk.first..end).contains(&index)) {
            return Some(chunk);
        }
        let found = self.list.partition_point(|chunk| chunk.first <= index).checked_sub(1)?;
        self.latest.store(found, Ordering::Relaxed);
        self.list.get(found)
    }

    /// The values in a run, parsed on first access.
    fn parse_run<'v>(&'v self, run: &'v Chunk<'a>) -> Option<Container<'v, 'a>> {
        let in_object = self.text.starts_with('{');
        let parse = || Tape::parse(run.value.text, in_object).and_then(try_box).map(Content::Tape);
        match get_or_insert(&run.value.cache, |content| matches!(content, Content::Tape(_)), parse)? {
            Content::Tape(tape) => Some(tape.container()),
            _ => None,
        }
    }
}

impl<'a> Chunk<'a> {
    fn run(first: usize, text: &'a str) -> Chunk<'a> {
        Chunk { first, value: LazyValue::trimmed(text), key: LazyValue::trimmed(""), is_run: true }
    }

    fn large(first: usize, text: &'a str, item: &Item, extents: &Extents) -> Option<Chunk<'a>> {
        let value = LazyValue::trimmed(text.get(item.value.start..item.value.end)?);
        if let Some(inner) = extents.of_child(item.value) {
            let _ = value.cache.set(CacheNode::new(Content::Extents(inner))?);
        }
        let key = match item.key {
            Some(Key { extent, .. }) => text.get(extent.start - 1..extent.end + 1)?,
            None => "",
        };
        Some(Chunk { first, value, key: LazyValue::trimmed(key), is_run: false })
    }
}

/// The extents of the larger containers in a text, ordered by their starts. Without them, each level of a deeply nested
/// value would be scanned once for each level around it.
#[derive(Clone)]
pub(super) struct Extents {
    all: Arc<Vec<Extent>>,
    /// The index in `all` of the container itself.
    own: usize,
}

/// Containers of up to this many bytes are not recorded, because scanning them again is faster.
const MAX_RESCANNED_TEXT: usize = 64;

impl Extents {
    /// Finds the extents of a container and of those in it, except for small ones and those in a container that will be
    /// parsed into a tape. Returns `None` if there is not enough memory.
    pub(super) fn find(text: &str) -> Option<Extents> {
        let mut extents = try_with_capacity(1)?;
        // While a container is open, `end` is the index of the one around it.
        let mut innermost = usize::MAX;
        for (bracket, opens) in Brackets::new(text.as_bytes()) {
            if opens {
                try_push(&mut extents, Extent { start: bracket, end: innermost })?;
                innermost = extents.len() - 1;
                continue;
            }
            let closed = extents.get_mut(innermost)?;
            let outer = std::mem::replace(&mut closed.end, bracket + 1);
            let length = closed.end - closed.start;
            if length <= MAX_TAPE_TEXT {
                extents.truncate(innermost + usize::from(length > MAX_RESCANNED_TEXT));
            }
            innermost = outer;
        }
        Some(Extents { all: Arc::new(extents), own: 0 })
    }

    /// No extents, for a container whose values are found by scanning it.
    pub(super) fn none() -> Extents {
        Extents { all: Arc::default(), own: 0 }
    }

    /// Only those in the container itself, if they are few of all. Returns `None` if there is not enough memory.
    pub(super) fn compact(self) -> Option<Extents> {
        let Some(own) = self.all.get(self.own) else { return Some(self) };
        let rest = self.all.get(self.own..)?;
        let count = rest.partition_point(|inner| inner.start < own.end);
        if count > self.all.len() / 2 {
            return Some(self);
        }
        let mut inner = try_with_capacity(count)?;
        inner.extend_from_slice(rest.get(..count)?);
        Some(Extents { all: Arc::new(inner), own: 0 })
    }

    /// The offset of the container in the text in which the extents were found.
    fn base(&self) -> usize {
        self.all.get(self.own).map_or(0, |extent| extent.start)
    }

    /// The extents in a value of the container, if it is a recorded container.
    pub(super) fn of_child(&self, value: Extent) -> Option<Extents> {
        let start = self.base() + value.start;
        let own = self.all.binary_search_by_key(&start, |extent| extent.start).ok()?;
        Some(Extents { all: self.all.clone(), own })
    }
}

/// An element or a member.
pub(super) struct Item {
    pub(super) key: Option<Key>,
    pub(super) value: Extent,
}

impl Item {
    /// The offset of the element, or of the quote before the key.
    pub(super) fn start(&self) -> usize {
        self.key.map_or(self.value.start, |key| key.extent.start - 1)
    }
}

/// Iterates over the elements of an array or the members of an object.
pub(super) struct Items<'a> {
    cursor: Cursor<'a>,
    is_object: bool,
}

impl<'a> Items<'a> {
    pub(super) fn new(text: &'a str, extents: &'a Extents) -> Items<'a> {
        let inner = extents.all.get(extents.own + 1..).unwrap_or_default();
        let mut cursor = Cursor::new(text.as_bytes(), inner, extents.base());
        cursor.enter();
        Items { cursor, is_object: text.starts_with('{') }
    }
}

impl Iterator for Items<'_> {
    type Item = Item;

    fn next(&mut self) -> Option<Item> {
        if !self.cursor.advance() {
            return None;
        }
        let key = self.is_object.then(|| self.cursor.read_key());
        let start = self.cursor.at;
        self.cursor.skip_value();
        Some(Item { key, value: Extent { start, end: self.cursor.at } })
    }
}
