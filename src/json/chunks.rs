//! Large arrays and objects, divided into pieces.
//!
//! A piece is a run of elements or members that are small enough to be read at once, when somebody looks at one of them;
//! or it is one that is large. So a look into a large document reads what is near, and no more.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use super::escape::{append_unescaped, append_with_nul};
use super::key_index::KeyIndex;
use super::number::is_numeric;
use super::tape::{MOST, Tape};
use super::{CacheNode, Container, Content, Json, LazyValue, find};
use crate::alloc::{OnceBox, try_box};
use crate::json::scan::{self, Brackets};

/// The elements or members of a large array or object.
pub(super) struct Chunks<'a> {
    text: &'a str,
    extents: Extents,
    list: Vec<Chunk<'a>>,
    /// The number of elements or members.
    pub(super) count: usize,
    /// The piece that somebody looked for last: likely it is the next one, too.
    latest: AtomicUsize,
}

struct Chunk<'a> {
    /// The position of its first element or member.
    first: usize,
    /// Elements or members with the byte before them; or one large value.
    source: LazyValue<'a>,
    /// The key of a large value that is a member.
    key: LazyValue<'a>,
    is_run: bool,
}

impl<'a> Chunks<'a> {
    /// Divides an array or an object. The extents are of the same text.
    pub(super) fn of(text: &'a str, extents: Extents) -> Option<Chunks<'a>> {
        let mut walk = Cursor::new(text, &extents);
        let mut list: Vec<Chunk> = Vec::new();
        let (mut count, mut start) = (0, 0);
        while let Some(step) = walk.next()? {
            let begin = step.begin() - 1;
            let is_small = step.value.1 - begin <= MOST;
            match list.last_mut() {
                Some(run) if run.is_run && is_small && step.value.1 - start <= MOST => {
                    run.source = LazyValue::of(text.get(start..step.value.1)?);
                }
                _ if is_small => {
                    start = begin;
                    push(&mut list, Chunk::run(count, text.get(start..step.value.1)?))?;
                }
                _ => push(&mut list, Chunk::large(count, text, &step, &extents)?)?,
            }
            count += 1;
        }
        Some(Chunks { text, extents, list, count, latest: AtomicUsize::new(0) })
    }

    pub(super) fn at(&self, index: usize) -> Option<Json<'_, 'a>> {
        let piece = self.piece(index)?;
        if piece.is_run { self.run(piece)?.at(index - piece.first) } else { Some(piece.source.json()) }
    }

    /// The key of a member.
    pub(super) fn key(&self, index: usize) -> Option<&[u8]> {
        let piece = self.piece(index)?;
        if piece.is_run { self.run(piece)?.key(index - piece.first) } else { piece.key.string() }
    }

    /// All keys of an object.
    pub(super) fn keys(&self) -> Option<KeyIndex> {
        let mut keys = KeyIndex::for_members(self.count)?;
        let mut walk = Cursor::new(self.text, &self.extents);
        while let Some(step) = walk.next()? {
            let key = self.text.as_bytes().get(step.key.0..step.key.1)?;
            keys.push(key, if step.key_has_escapes { append_unescaped } else { append_with_nul })?;
        }
        keys.ordered()
    }

    /// The values, for whoever frees them.
    pub(super) fn sources(&mut self) -> impl Iterator<Item = &mut LazyValue<'a>> {
        self.list.iter_mut().map(|piece| &mut piece.source)
    }

    fn piece(&self, index: usize) -> Option<&Chunk<'a>> {
        if index >= self.count {
            return None;
        }
        let latest = self.latest.load(Ordering::Relaxed);
        let is_latest = |piece: &&Chunk| piece.first <= index;
        let behind = self.list.get(latest + 1).map_or(self.count, |next| next.first);
        if let Some(piece) = self.list.get(latest).filter(is_latest).filter(|_| index < behind) {
            return Some(piece);
        }
        let found = self.list.partition_point(|piece| piece.first <= index).checked_sub(1)?;
        self.latest.store(found, Ordering::Relaxed);
        self.list.get(found)
    }

    /// What is in a run, read at the first look.
    fn run<'v>(&'v self, piece: &'v Chunk<'a>) -> Option<Container<'v, 'a>> {
        let in_object = self.text.starts_with('{');
        let read = || Tape::read(piece.source.text, in_object).map(Content::Tape);
        match find(&piece.source.found, |content| matches!(content, Content::Tape(_)), read)? {
            Content::Tape(flat) => Some(flat.inside()),
            _ => None,
        }
    }
}

impl<'a> Chunk<'a> {
    fn run(first: usize, text: &'a str) -> Chunk<'a> {
        Chunk { first, source: LazyValue::of(text), key: LazyValue::of(""), is_run: true }
    }

    fn large(first: usize, text: &'a str, step: &Step, extents: &Extents) -> Option<Chunk<'a>> {
        let source = LazyValue::of(text.get(step.value.0..step.value.1)?);
        if step.extent > 0 {
            let inherited = Content::Extents(Extents { all: extents.all.clone(), own: step.extent });
            let _ = source.found.set(try_box(CacheNode { content: inherited, next: OnceBox::new() })?);
        }
        let key = if step.key.0 == 0 { "" } else { text.get(step.key.0 - 1..step.key.1 + 1)? };
        Some(Chunk { first, source, key: LazyValue::of(key), is_run: false })
    }
}

/// Where arrays and objects of some size begin and end within a text, in the order of their beginnings. Without it,
/// each level of a deeply nested value would be scanned once for each level above it.
#[derive(Clone)]
pub(super) struct Extents {
    all: Arc<Vec<Extent>>,
    /// The position in `all` of the value that this belongs to.
    own: usize,
}

#[derive(Clone, Copy)]
struct Extent {
    start: usize,
    end: usize,
}

/// Arrays and objects up to this size are scanned again: that is faster than remembering them.
const SMALL: usize = 64;

impl Extents {
    /// The extents within a text that consists of one array or object.
    pub(super) fn of(text: &str) -> Option<Extents> {
        Some(Extents { all: Arc::new(extents_in(text.as_bytes())?), own: 0 })
    }
}

/// An element or a member: offsets in the text.
struct Step {
    /// The content of the key; nothing for an element.
    key: (usize, usize),
    key_has_escapes: bool,
    value: (usize, usize),
    /// The position of the value's extent; 0 where it has none.
    extent: usize,
}

impl Step {
    /// Where the element, or the key of the member, begins.
    fn begin(&self) -> usize {
        if self.key.0 == 0 { self.value.0 } else { self.key.0 - 1 }
    }
}

/// A walk over what is directly in an array or object.
struct Cursor<'a> {
    text: &'a str,
    at: usize,
    is_object: bool,
    extents: &'a Extents,
    /// The first extent that has not been passed, and where the text begins in the terms of extents.
    coming: usize,
    base: usize,
}

impl<'a> Cursor<'a> {
    fn new(text: &'a str, extents: &'a Extents) -> Cursor<'a> {
        let base = extents.all.get(extents.own).map_or(0, |extent| extent.start);
        let coming = extents.own + 1;
        Cursor { text, at: 1, is_object: text.starts_with('{'), extents, coming, base }
    }

    /// The next element or member; none at the end.
    fn next(&mut self) -> Option<Option<Step>> {
        if !self.finds_more() {
            return Some(None);
        }
        let (key, key_has_escapes) = if self.is_object { self.pass_key() } else { ((0, 0), false) };
        let start = self.at;
        let extent = self.pass_value()?;
        Some(Some(Step { key, key_has_escapes, value: (start, self.at), extent }))
    }

    /// Goes to the next element or member; false at the closing bracket.
    fn finds_more(&mut self) -> bool {
        let text = self.text.as_bytes();
        self.at = scan::skip_whitespace(text, self.at);
        if text.get(self.at) == Some(&b',') {
            self.at = scan::skip_whitespace(text, self.at + 1);
        }
        if self.at + 1 < text.len() {
            return true;
        }
        self.at = text.len();
        false
    }

    /// Passes a key and its colon. Returns where the content of the key is, and whether it has escapes.
    fn pass_key(&mut self) -> ((usize, usize), bool) {
        let text = self.text.as_bytes();
        let start = self.at + 1;
        let (end, has_escapes) = scan::string_end(text, start);
        self.at = scan::skip_whitespace(text, scan::skip_whitespace(text, end + 1) + 1);
        ((start, end), has_escapes)
    }

    /// Passes the value that begins here. Returns the position of its extent; 0 if it has none.
    fn pass_value(&mut self) -> Option<usize> {
        let text = self.text.as_bytes();
        self.at = match text.get(self.at)? {
            b'"' => scan::string_end(text, self.at + 1).0 + 1,
            b'{' | b'[' => return Some(self.pass_container()),
            b't' | b'n' => self.at + 4,
            b'f' => self.at + 5,
            _ => self.at + text.get(self.at..)?.iter().position(|byte| !is_numeric(*byte))?,
        };
        Some(0)
    }

    fn pass_container(&mut self) -> usize {
        let known = self.extents.all.get(self.coming);
        let Some(extent) = known.filter(|extent| extent.start == self.base + self.at).copied() else {
            self.at = scan::container_end(self.text.as_bytes(), self.at);
            return 0;
        };
        let own = self.coming;
        self.pass_extent(extent);
        self.at = extent.end - self.base;
        own
    }

    /// Passes an extent and those inside of it.
    fn pass_extent(&mut self, extent: Extent) {
        let rest = &self.extents.all[self.coming..];
        let mut reach = 1;
        while rest.get(reach).is_some_and(|inner| inner.start < extent.end) {
            reach *= 2;
        }
        let searched = &rest[reach / 2..reach.min(rest.len())];
        self.coming += reach / 2 + searched.partition_point(|inner| inner.start < extent.end);
    }
}

/// The extents of the array or object that the text consists of and of those inside of it. Left out are small ones,
/// and what is inside of those that are read at once.
fn extents_in(text: &[u8]) -> Option<Vec<Extent>> {
    let mut extents: Vec<Extent> = Vec::new();
    // While an extent is open, `end` is the position of the one around it.
    let mut innermost = usize::MAX;
    for (bracket, opens) in Brackets::new(text) {
        if opens {
            push(&mut extents, Extent { start: bracket, end: innermost })?;
            innermost = extents.len() - 1;
            continue;
        }
        let closed = extents.get_mut(innermost)?;
        let around = std::mem::replace(&mut closed.end, bracket + 1);
        let length = closed.end - closed.start;
        if length <= MOST {
            extents.truncate(innermost + usize::from(length > SMALL));
        }
        innermost = around;
    }
    Some(extents)
}

fn push<T>(list: &mut Vec<T>, value: T) -> Option<()> {
    // Often it stays at one.
    if list.is_empty() { list.try_reserve_exact(1) } else { list.try_reserve(1) }.ok()?;
    list.push(value);
    Some(())
}
