//! A lazily parsed view of one JSON value.
//!
//! Creating a view costs nothing: it stores the text of the value, and parses it on first access. A small array or
//! object is parsed into a flat tape in one pass (see `tape`). A large one is split into chunks that stay unparsed
//! until they are accessed (see `chunks`). Large ones that nest in each other, with little else, become rungs (see
//! `ladder`). So unused values are not parsed, a large document never becomes a tree, and no depth of nesting overflows
//! the stack.
//!
//! Parsed data is cached in write-once cells (see `cache`), so any number of threads can read the same value.
//!
//! Memory whose size depends on the text is allocated fallibly. If there is not enough, the access returns nothing, and
//! nothing is cached.
//!
//! May use `alloc`, `sys` and `error`, and knows nothing about executions or HTTP.
//!
//! Numbers are parsed with integer arithmetic alone (see `double`).

mod cache;
mod chunks;
mod cursor;
mod double;
mod escape;
mod key_index;
mod ladder;
mod number;
mod pointer;
pub mod scan;
mod tape;
mod tape_builder;

use self::cache::{Chain, Content, get_or_insert, unescape_string};
use self::chunks::{Chunks, Extents};
use self::key_index::KeyIndex;
use self::ladder::{MAX_TINY_TEXT, Rung};
use self::number::Number;
use self::tape::{Children, MAX_TAPE_TEXT};
use crate::alloc::{OnceBox, try_box, try_copy_with_nul};

pub(crate) use self::cursor::{Cursor, Key};
pub(crate) use self::escape::{Escape, append_unescaped, decode_escape};
pub(crate) use self::number::{nearest_double, truncate};
pub(crate) use self::tape::{Tape, TapeCell, TapeEntry};

/// The six types of JSON values.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(i32)]
pub enum JsonType {
    /// `null`
    Null = 0,
    /// `true` or `false`
    Bool = 1,
    /// A number of any size and precision.
    Number = 2,
    /// A string.
    String = 3,
    /// An array.
    Array = 4,
    /// An object.
    Object = 5,
}

/// The text of a valid JSON value, and a cache of what has been parsed from it.
pub struct LazyValue<'a> {
    text: &'a str,
    cache: Chain<'a>,
}

/// One JSON value.
#[derive(Clone, Copy)]
pub enum Json<'v, 'a> {
    /// A value of which only the text is known.
    Lazy(&'v LazyValue<'a>),
    /// A container that has been parsed into a tape.
    Root(&'v LazyValue<'a>, &'v Tape<'a>),
    /// A value in a tape.
    Entry(&'v Tape<'a>, &'v TapeEntry),
}

/// Numbers with a text of up to this many bytes are parsed anew by each access: that takes less time than searching the
/// cache.
const MAX_REPARSED_NUMBER: usize = 64;

/// Objects of up to this many members are searched linearly.
const MAX_LINEAR_SEARCH: usize = 16;

impl<'v, 'a> Json<'v, 'a> {
    /// The type of the value.
    #[inline]
    pub fn kind(self) -> JsonType {
        match self {
            Json::Entry(_, entry) => entry.kind(),
            Json::Lazy(value) | Json::Root(value, _) => value.kind(),
        }
    }

    /// Whether the value is `true`.
    #[inline]
    pub fn as_bool(self) -> bool {
        match self {
            Json::Entry(_, entry) => entry.is_true(),
            Json::Lazy(value) => value.text == "true",
            Json::Root(..) => false,
        }
    }

    /// A number truncated towards zero, and saturated. Returns 0 for other types.
    #[inline]
    pub fn as_i64(self) -> i64 {
        match self {
            Json::Lazy(value) => value.as_i64(),
            _ => self.number().map_or(0, |number| number.as_i64(self.raw())),
        }
    }

    /// The double nearest to a number; infinite for 1e400. Returns 0 for other types.
    #[inline]
    pub fn as_f64(self) -> f64 {
        self.number().map_or(0.0, Number::as_f64)
    }

    /// A string, unescaped, with a NUL at the end of the slice. Returns `None` for other types.
    #[inline]
    pub fn string(self) -> Option<&'v [u8]> {
        match self {
            Json::Entry(tape, entry) => tape.string(entry),
            Json::Lazy(value) => value.string(),
            Json::Root(..) => None,
        }
    }

    /// The number of elements or members, with repeated keys counted each time. Returns 0 for other types.
    #[inline]
    pub fn length(self) -> usize {
        match self {
            Json::Entry(_, entry) => entry.children().map_or(0, |children| children.count.into()),
            Json::Lazy(value) => value.length(),
            Json::Root(_, tape) => tape.children().count.into(),
        }
    }

    /// An element, or the value of a member, by its index.
    #[inline]
    pub fn at(self, index: usize) -> Option<Json<'v, 'a>> {
        let (tape, children) = match self {
            Json::Entry(tape, entry) => (tape, entry.children()?),
            Json::Root(_, tape) => (tape, tape.children()),
            Json::Lazy(value) => return value.at(index),
        };
        tape.child(children, index).map(|entry| Json::Entry(tape, entry))
    }

    /// The key of a member by its index, in the form that `string` returns.
    #[inline]
    pub fn key_at(self, index: usize) -> Option<&'v [u8]> {
        let (tape, members) = match self {
            Json::Entry(tape, entry) => (tape, entry.members()?),
            Json::Root(value, tape) if value.is_object() => (tape, tape.children()),
            Json::Root(..) => return None,
            Json::Lazy(value) => return value.key_at(index),
        };
        tape.key(tape.child(members, index)?)
    }

    /// The value of the last member with this key.
    #[inline(always)]
    pub fn get(self, key: &[u8]) -> Option<Json<'v, 'a>> {
        let (tape, members) = match self {
            Json::Entry(tape, entry) => (tape, entry.members()?),
            Json::Root(value, tape) if value.is_object() => (tape, tape.children()),
            Json::Root(..) => return None,
            Json::Lazy(value) => return value.get(key),
        };
        if usize::from(members.count) > MAX_LINEAR_SEARCH {
            return self.get_slow(Container::Tape(tape, members), key);
        }
        tape.find(members, key).map(|entry| Json::Entry(tape, entry))
    }

    /// Searches an object of any size.
    #[inline(never)]
    fn get_slow(self, members: Container<'v, 'a>, key: &[u8]) -> Option<Json<'v, 'a>> {
        if members.count() <= MAX_LINEAR_SEARCH {
            return members.find(key);
        }
        let is_index = |content: &Content| matches!(content, Content::KeyIndex(_));
        let make_index = || members.key_index().and_then(try_box).map(Content::KeyIndex);
        match self.chain().and_then(|chain| get_or_insert(chain, is_index, make_index)) {
            Some(Content::KeyIndex(keys)) => members.at(keys.find(key)?),
            // There is not enough memory for an index.
            _ => members.find(key),
        }
    }

    /// The text of the value as it was sent.
    pub fn raw(self) -> &'a str {
        match self {
            Json::Entry(tape, entry) => tape.raw(entry),
            Json::Lazy(value) | Json::Root(value, _) => value.text,
        }
    }

    /// A copy of `raw` with a NUL at the end of the slice. It is made once.
    pub fn text(self) -> Option<&'v [u8]> {
        let is_text = |content: &Content| matches!(content, Content::Text(_));
        let copy = || try_copy_with_nul(self.raw().as_bytes()).map(Content::Text);
        match get_or_insert(self.chain()?, is_text, copy)? {
            Content::Text(text) => Some(text),
            _ => None,
        }
    }

    #[inline]
    fn number(self) -> Option<Number> {
        match self {
            Json::Entry(tape, entry) => tape.number(entry),
            Json::Lazy(value) => value.number(),
            Json::Root(..) => None,
        }
    }

    /// The cache of the value.
    fn chain(self) -> Option<&'v Chain<'a>> {
        match self {
            Json::Entry(tape, entry) => tape.chain(entry),
            Json::Lazy(value) | Json::Root(value, _) => Some(&value.cache),
        }
    }
}

/// The values directly in an array or object.
#[derive(Clone, Copy)]
enum Container<'v, 'a> {
    Tape(&'v Tape<'a>, Children),
    Chunks(&'v Chunks<'a>),
    Rung(&'v Rung<'a>),
    Empty,
}

impl<'v, 'a> Container<'v, 'a> {
    #[inline]
    fn count(self) -> usize {
        match self {
            Container::Tape(_, children) => children.count.into(),
            Container::Chunks(chunks) => chunks.count,
            Container::Rung(rung) => rung.count(),
            Container::Empty => 0,
        }
    }

    #[inline]
    fn at(self, index: usize) -> Option<Json<'v, 'a>> {
        match self {
            Container::Tape(tape, children) => Some(Json::Entry(tape, tape.child(children, index)?)),
            Container::Chunks(chunks) => chunks.at(index),
            Container::Rung(rung) => rung.at(index),
            Container::Empty => None,
        }
    }

    /// The key of a member.
    #[inline]
    fn key(self, index: usize) -> Option<&'v [u8]> {
        match self {
            Container::Tape(tape, members) => tape.key(tape.child(members, index)?),
            Container::Chunks(chunks) => chunks.key(index),
            Container::Rung(rung) => rung.key(index),
            Container::Empty => None,
        }
    }

    /// The last member with a key, by a linear search.
    fn find(self, key: &[u8]) -> Option<Json<'v, 'a>> {
        let is_key = |own: &[u8]| own.split_last().is_some_and(|(_, own)| own == key);
        match self {
            Container::Tape(tape, members) => tape.find(members, key).map(|entry| Json::Entry(tape, entry)),
            Container::Chunks(_) | Container::Rung(_) | Container::Empty => {
                self.at((0..self.count()).rev().find(|index| self.key(*index).is_some_and(is_key))?)
            }
        }
    }

    fn key_index(self) -> Option<KeyIndex> {
        match self {
            Container::Tape(tape, members) => tape.key_index(members),
            Container::Chunks(chunks) => chunks.key_index(),
            // They have few members.
            Container::Rung(_) | Container::Empty => None,
        }
    }
}

impl<'a> LazyValue<'a> {
    /// A view of a text that consists of one valid JSON value and whitespace around it.
    pub fn new(text: &'a str) -> LazyValue<'a> {
        LazyValue::trimmed(text.trim_matches([' ', '\t', '\n', '\r']))
    }

    /// The same for a text without whitespace around it.
    fn trimmed(text: &'a str) -> LazyValue<'a> {
        LazyValue { text, cache: OnceBox::new() }
    }

    /// The value.
    #[inline]
    pub fn json(&self) -> Json<'_, 'a> {
        match self.cache.get().map(|node| &node.content) {
            Some(Content::Tape(tape)) => Json::Root(self, tape),
            _ => Json::Lazy(self),
        }
    }

    fn kind(&self) -> JsonType {
        match self.text.as_bytes().first() {
            Some(b'{') => JsonType::Object,
            Some(b'[') => JsonType::Array,
            Some(b'"') => JsonType::String,
            Some(b't' | b'f') => JsonType::Bool,
            Some(b'-' | b'0'..=b'9') => JsonType::Number,
            _ => JsonType::Null,
        }
    }

    #[inline]
    fn is_object(&self) -> bool {
        self.text.starts_with('{')
    }

    fn number(&self) -> Option<Number> {
        if self.kind() != JsonType::Number {
            return None;
        }
        match self.long_number() {
            Some((number, _)) => Some(number),
            None => Some(number::read(self.text.as_bytes(), 0)?.0),
        }
    }

    #[inline(never)]
    fn as_i64(&self) -> i64 {
        if self.kind() != JsonType::Number {
            return 0;
        }
        match self.long_number() {
            Some((_, truncated)) => truncated,
            None => self.number().map_or(0, |number| number.as_i64(self.text)),
        }
    }

    /// A number with a long text, and the same truncated towards zero, parsed on first access. Returns `None` for others,
    /// or if there is not enough memory.
    fn long_number(&self) -> Option<(Number, i64)> {
        if self.text.len() <= MAX_REPARSED_NUMBER {
            return None;
        }
        let is_number = |content: &Content| matches!(content, Content::Number(..));
        let parse = || {
            let (number, _) = number::read(self.text.as_bytes(), 0)?;
            Some(Content::Number(number, number.as_i64(self.text)))
        };
        match get_or_insert(&self.cache, is_number, parse)? {
            Content::Number(number, truncated) => Some((*number, *truncated)),
            _ => None,
        }
    }

    fn string(&self) -> Option<&[u8]> {
        if self.kind() != JsonType::String {
            return None;
        }
        if self.text == "\"\"" {
            return Some(b"\0");
        }
        let is_string =
            |content: &Content| matches!(content, Content::ShortString(..) | Content::LongString(_));
        match get_or_insert(&self.cache, is_string, || unescape_string(self.text))? {
            Content::ShortString(length, bytes) => bytes.get(..usize::from(*length)),
            Content::LongString(bytes) => Some(bytes),
            _ => None,
        }
    }

    // The following functions are not inlined, so that the accessors of parsed values are short.

    #[inline(never)]
    fn length(&self) -> usize {
        self.parse().map_or(0, Container::count)
    }

    #[inline(never)]
    fn at(&self, index: usize) -> Option<Json<'_, 'a>> {
        self.parse()?.at(index)
    }

    #[inline(never)]
    fn key_at(&self, index: usize) -> Option<&[u8]> {
        if self.is_object() { self.parse()?.key(index) } else { None }
    }

    #[inline(never)]
    fn get(&self, key: &[u8]) -> Option<Json<'_, 'a>> {
        if self.is_object() { Json::Lazy(self).get_slow(self.parse()?, key) } else { None }
    }

    /// The values in an array or object, parsed on first access. Returns `None` for other types.
    #[inline(never)]
    fn parse(&self) -> Option<Container<'_, 'a>> {
        if !matches!(self.kind(), JsonType::Array | JsonType::Object) {
            return None;
        }
        if matches!(self.text, "[]" | "{}") {
            return Some(Container::Empty);
        }
        let is_parsed =
            |content: &Content| matches!(content, Content::Tape(_) | Content::Chunks(_) | Content::Rung(_));
        match get_or_insert(&self.cache, is_parsed, || self.make_container())? {
            Content::Tape(tape) => Some(tape.container()),
            Content::Chunks(chunks) => Some(Container::Chunks(chunks)),
            Content::Rung(rung) => Some(Container::Rung(rung)),
            _ => None,
        }
    }

    fn make_container(&self) -> Option<Content<'a>> {
        if self.text.len() <= MAX_TINY_TEXT
            && let Some(rung) = Rung::ladder(self.text, &Extents::none())?
        {
            return Some(Content::Rung(rung));
        }
        if self.text.len() <= MAX_TAPE_TEXT {
            return Tape::parse(self.text, self.is_object()).and_then(try_box).map(Content::Tape);
        }
        let extents = match self.cache.get().map(|node| &node.content) {
            Some(Content::Extents(extents)) => extents.clone(),
            _ => Extents::find(self.text)?,
        };
        if let Some(rung) = Rung::ladder(self.text, &extents)? {
            return Some(Content::Rung(rung));
        }
        Chunks::split(self.text, extents).and_then(try_box).map(Content::Chunks)
    }
}

impl Drop for LazyValue<'_> {
    #[inline]
    fn drop(&mut self) {
        if self.cache.get().is_some() {
            cache::free(std::mem::take(&mut self.cache));
        }
    }
}

#[cfg(test)]
mod tests;
