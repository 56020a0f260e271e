//! A view of one JSON value that is read on demand.
//!
//! A value knows its text and nothing else until somebody looks into it. The first look into an array or an object of
//! moderate size reads all that is in it at once, into one list (`tape`). A large one is divided into pieces that know
//! only their texts (`chunks`). So what nobody looks at costs nothing, a look into a large document makes no tree of all
//! of it, and no depth of nesting can overflow the stack.
//!
//! What a look finds is kept in cells that are written once, so any number of threads may look at the same value.
//! Where two of them do the same work at once, one result is dropped.
//!
//! Memory that the text decides is reserved fallibly. Where there is none, the look finds nothing, and keeps nothing.

mod chunks;
mod escape;
mod key_index;
mod number;
pub mod scan;
mod tape;

use self::chunks::{Chunks, Extents};
use self::key_index::KeyIndex;
use self::number::Number;
use self::tape::Children;
use crate::alloc::{OnceBox, try_box};

pub(crate) use self::escape::{append_unescaped, append_with_nul, copy_with_nul};
pub(crate) use self::number::truncate;
pub(crate) use self::tape::{Entry, Tape, TapeEntry};

/// The six kinds of JSON values.
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

/// A text that is one valid JSON value, and what has been found in it.
pub struct LazyValue<'a> {
    text: &'a str,
    found: Link<'a>,
}

/// One JSON value: that of a source, or one of those that were read at once.
#[derive(Clone, Copy)]
pub enum Json<'v, 'a> {
    /// All of a source.
    Whole(&'v LazyValue<'a>),
    /// The same, an array or an object, and all that is in it.
    Read(&'v LazyValue<'a>, &'v Tape<'a>),
    /// One value of many.
    Part(&'v Tape<'a>, &'v TapeEntry),
}

/// What looks at one value have found, in a chain that only grows.
type Link<'a> = OnceBox<CacheNode<'a>>;

struct CacheNode<'a> {
    content: Content<'a>,
    next: Link<'a>,
}

enum Content<'a> {
    /// A string of up to `SHORT - 1` bytes, and the U+0000 behind it: their number, and they.
    Short(u8, [u8; SHORT]),
    Long(Vec<u8>),
    /// All that is in an array or object of moderate size.
    Tape(Tape<'a>),
    /// What is directly in a large one.
    Chunks(Chunks<'a>),
    /// The keys of an object with many members.
    KeyIndex(KeyIndex),
    /// A copy of the text with a U+0000 behind it.
    Text(Vec<u8>),
    /// Where what is inside begins and ends; known before anybody looks.
    Extents(Extents),
}

/// Most strings fit, and `Content` becomes no larger by it.
const SHORT: usize = 54;

/// Objects of up to this many members are searched from the last to the first.
const FEW_MEMBERS: usize = 16;

impl<'v, 'a> Json<'v, 'a> {
    /// The kind of the value.
    #[inline]
    pub fn kind(self) -> JsonType {
        match self {
            Json::Part(_, slot) => slot.kind(),
            Json::Whole(source) | Json::Read(source, _) => source.kind(),
        }
    }

    /// Whether the value is `true`.
    #[inline]
    pub fn as_bool(self) -> bool {
        match self {
            Json::Part(_, slot) => slot.is_true(),
            Json::Whole(source) => source.text == "true",
            Json::Read(..) => false,
        }
    }

    /// A number without its fraction; the nearest `i64` where it is out of range. 0 for what is no number.
    #[inline]
    pub fn as_i64(self) -> i64 {
        self.number().map_or(0, |number| number.as_i64(self.raw()))
    }

    /// The double nearest to a number, which is infinite for 1e400. 0 for what is no number.
    #[inline]
    pub fn as_f64(self) -> f64 {
        self.number().map_or(0.0, Number::as_f64)
    }

    /// A string, unescaped, with a U+0000 behind it that is part of the slice. Nothing for what is no string.
    #[inline]
    pub fn string(self) -> Option<&'v [u8]> {
        match self {
            Json::Part(flat, slot) => flat.string(slot),
            Json::Whole(source) => source.string(),
            Json::Read(..) => None,
        }
    }

    /// The number of elements or members, repeated keys counted each time; 0 for other kinds.
    #[inline]
    pub fn length(self) -> usize {
        match self {
            Json::Part(_, slot) => slot.children().map_or(0, |children| children.count.into()),
            Json::Whole(source) => source.length(),
            Json::Read(_, flat) => flat.children().count.into(),
        }
    }

    /// An element, or a member's value, by its position.
    #[inline]
    pub fn at(self, index: usize) -> Option<Json<'v, 'a>> {
        let (flat, children) = match self {
            Json::Part(flat, slot) => (flat, slot.children()?),
            Json::Read(_, flat) => (flat, flat.children()),
            Json::Whole(source) => return source.at(index),
        };
        flat.child(children, index).map(|slot| Json::Part(flat, slot))
    }

    /// A member's key by its position, as `string` would return it.
    #[inline]
    pub fn key_at(self, index: usize) -> Option<&'v [u8]> {
        let (flat, members) = match self {
            Json::Part(flat, slot) => (flat, slot.members()?),
            Json::Read(source, flat) if source.is_object() => (flat, flat.children()),
            Json::Read(..) => return None,
            Json::Whole(source) => return source.key_at(index),
        };
        flat.key(flat.child(members, index)?)
    }

    /// The value of the last member with this key.
    #[inline(always)]
    pub fn get(self, key: &[u8]) -> Option<Json<'v, 'a>> {
        let (flat, members) = match self {
            Json::Part(flat, slot) => (flat, slot.members()?),
            Json::Read(source, flat) if source.is_object() => (flat, flat.children()),
            Json::Read(..) => return None,
            Json::Whole(source) => return source.get(key),
        };
        if usize::from(members.count) > FEW_MEMBERS {
            return self.get_among(Container::Tape(flat, members), key);
        }
        flat.find(members, key).map(|slot| Json::Part(flat, slot))
    }

    #[inline(never)]
    fn get_among(self, members: Container<'v, 'a>, key: &[u8]) -> Option<Json<'v, 'a>> {
        if members.count() <= FEW_MEMBERS {
            return members.find(key);
        }
        let is_keys = |content: &Content| matches!(content, Content::KeyIndex(_));
        match self.chain().and_then(|chain| find(chain, is_keys, || members.keys().map(Content::KeyIndex))) {
            Some(Content::KeyIndex(keys)) => members.at(keys.find(key)?),
            // No memory for them.
            _ => members.find(key),
        }
    }

    /// The value that a JSON pointer (RFC 6901) leads to from here. The empty pointer leads to the value itself.
    pub fn pointer(self, pointer: &[u8]) -> Option<Json<'v, 'a>> {
        let mut value = self;
        if pointer.is_empty() {
            return Some(value);
        }
        for token in pointer.strip_prefix(b"/")?.split(|byte| *byte == b'/') {
            value = match value.kind() {
                JsonType::Array => value.at(array_index(token)?)?,
                _ if token.contains(&b'~') => value.get(&unescape_token(token)?)?,
                _ => value.get(token)?,
            };
        }
        Some(value)
    }

    /// The text of the value as it was sent.
    pub fn raw(self) -> &'a str {
        match self {
            Json::Part(flat, slot) => flat.raw(slot),
            Json::Whole(source) | Json::Read(source, _) => source.text,
        }
    }

    /// `raw` with a U+0000 behind it that is part of the slice: a copy that is made once.
    pub fn text(self) -> Option<&'v [u8]> {
        let is_text = |content: &Content| matches!(content, Content::Text(_));
        match find(self.chain()?, is_text, || copy_with_nul(self.raw().as_bytes()).map(Content::Text))? {
            Content::Text(text) => Some(text),
            _ => None,
        }
    }

    #[inline]
    fn number(self) -> Option<Number> {
        match self {
            Json::Part(flat, slot) => flat.number(slot),
            Json::Whole(source) => source.number(),
            Json::Read(..) => None,
        }
    }

    /// The place for what is kept besides what is inside.
    fn chain(self) -> Option<&'v Link<'a>> {
        match self {
            Json::Part(flat, slot) => flat.chain(slot),
            Json::Whole(source) | Json::Read(source, _) => Some(&source.found),
        }
    }
}

/// What is directly in an array or object.
#[derive(Clone, Copy)]
enum Container<'v, 'a> {
    Tape(&'v Tape<'a>, Children),
    Chunks(&'v Chunks<'a>),
}

impl<'v, 'a> Container<'v, 'a> {
    #[inline]
    fn count(self) -> usize {
        match self {
            Container::Tape(_, children) => children.count.into(),
            Container::Chunks(pieces) => pieces.count,
        }
    }

    #[inline]
    fn at(self, index: usize) -> Option<Json<'v, 'a>> {
        match self {
            Container::Tape(flat, children) => Some(Json::Part(flat, flat.child(children, index)?)),
            Container::Chunks(pieces) => pieces.at(index),
        }
    }

    /// The key of a member.
    #[inline]
    fn key(self, index: usize) -> Option<&'v [u8]> {
        match self {
            Container::Tape(flat, members) => flat.key(flat.child(members, index)?),
            Container::Chunks(pieces) => pieces.key(index),
        }
    }

    /// The last member with a key, searched from the last to the first.
    fn find(self, key: &[u8]) -> Option<Json<'v, 'a>> {
        let has_key = |found: &[u8]| found.split_last().is_some_and(|(_, found)| found == key);
        match self {
            Container::Tape(flat, members) => flat.find(members, key).map(|slot| Json::Part(flat, slot)),
            Container::Chunks(pieces) => {
                let index = (0..pieces.count).rev().find(|index| pieces.key(*index).is_some_and(has_key));
                pieces.at(index?)
            }
        }
    }

    fn keys(self) -> Option<KeyIndex> {
        match self {
            Container::Tape(flat, members) => flat.keys(members),
            Container::Chunks(pieces) => pieces.keys(),
        }
    }
}

impl<'a> LazyValue<'a> {
    /// A text that consists of one valid JSON value and white space around it.
    pub fn new(text: &'a str) -> LazyValue<'a> {
        LazyValue::of(text.trim_matches(is_whitespace))
    }

    fn of(text: &'a str) -> LazyValue<'a> {
        LazyValue { text, found: OnceBox::new() }
    }

    /// The value.
    #[inline]
    pub fn json(&self) -> Json<'_, 'a> {
        match self.found.get().map(|found| &found.content) {
            Some(Content::Tape(flat)) => Json::Read(self, flat),
            _ => Json::Whole(self),
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
        if self.kind() == JsonType::Number { Some(number::read(self.text.as_bytes(), 0)?.0) } else { None }
    }

    fn string(&self) -> Option<&[u8]> {
        if self.kind() != JsonType::String {
            return None;
        }
        let is_string = |content: &Content| matches!(content, Content::Short(..) | Content::Long(_));
        match find(&self.found, is_string, || unescaped(self.text))? {
            Content::Short(length, bytes) => bytes.get(..usize::from(*length)),
            Content::Long(bytes) => Some(bytes),
            _ => None,
        }
    }

    // What follows stays out of line, so that the accessors of what has been read are short.

    #[inline(never)]
    fn length(&self) -> usize {
        self.look_inside().map_or(0, Container::count)
    }

    #[inline(never)]
    fn at(&self, index: usize) -> Option<Json<'_, 'a>> {
        self.look_inside()?.at(index)
    }

    #[inline(never)]
    fn key_at(&self, index: usize) -> Option<&[u8]> {
        if self.is_object() { self.look_inside()?.key(index) } else { None }
    }

    #[inline(never)]
    fn get(&self, key: &[u8]) -> Option<Json<'_, 'a>> {
        if self.is_object() { Json::Whole(self).get_among(self.look_inside()?, key) } else { None }
    }

    /// What is in an array or object, read at the first look; nothing for other kinds.
    #[inline(never)]
    fn look_inside(&self) -> Option<Container<'_, 'a>> {
        if !matches!(self.kind(), JsonType::Array | JsonType::Object) {
            return None;
        }
        let is_inside = |content: &Content| matches!(content, Content::Tape(_) | Content::Chunks(_));
        match find(&self.found, is_inside, || self.expanded())? {
            Content::Tape(flat) => Some(flat.inside()),
            Content::Chunks(pieces) => Some(Container::Chunks(pieces)),
            _ => None,
        }
    }

    fn expanded(&self) -> Option<Content<'a>> {
        if self.text.len() <= tape::MOST {
            return Tape::read(self.text, self.is_object()).map(Content::Tape);
        }
        let inherited = self.found.get().and_then(|found| match &found.content {
            Content::Extents(extents) => Some(extents.clone()),
            _ => None,
        });
        let extents = if inherited.is_some() { inherited } else { Extents::of(self.text) }?;
        Chunks::of(self.text, extents).map(Content::Chunks)
    }
}

/// What is in the chain already, or else what is made now and then kept. Never waits for another thread's work: where
/// that was faster, its result stays.
fn find<'c, 'a>(
    chain: &'c Link<'a>,
    wanted: impl Fn(&Content<'a>) -> bool,
    make: impl FnOnce() -> Option<Content<'a>>,
) -> Option<&'c Content<'a>> {
    let mut link = chain;
    while let Some(found) = link.get() {
        if wanted(&found.content) {
            return Some(&found.content);
        }
        link = &found.next;
    }
    let mut made = try_box(CacheNode { content: make()?, next: OnceBox::new() })?;
    while let Err(refused) = link.set(made) {
        made = refused;
        let found = link.get()?;
        if wanted(&found.content) {
            return Some(&found.content);
        }
        link = &found.next;
    }
    link.get().map(|found| &found.content)
}

fn unescaped<'a>(quoted: &str) -> Option<Content<'a>> {
    let content = quoted.as_bytes().get(1..quoted.len() - 1)?;
    if content.len() < SHORT && scan::next_escape(content, 0) == content.len() {
        let mut short = [0; SHORT];
        short[..content.len()].copy_from_slice(content);
        return Some(Content::Short(content.len() as u8 + 1, short));
    }
    let mut long = Vec::new();
    append_unescaped(&mut long, content)?;
    Some(Content::Long(long))
}

/// Frees level by level what is nested, without recursion and without taking memory for it.
impl Drop for LazyValue<'_> {
    #[inline]
    fn drop(&mut self) {
        if self.found.get().is_some() {
            self.free();
        }
    }
}

impl<'a> LazyValue<'a> {
    fn free(&mut self) {
        let mut pending = std::mem::take(&mut self.found);
        while let Some(mut found) = pending.take() {
            pending = std::mem::take(&mut found.next);
            if let Content::Chunks(pieces) = &mut found.content {
                pieces.sources().for_each(|source| hand_over(source, &mut pending));
            }
        }
    }
}

/// Puts what was found in a source in front of what waits to be freed.
fn hand_over<'a>(source: &mut LazyValue<'a>, pending: &mut Link<'a>) {
    if source.found.get().is_none() {
        return;
    }
    let mut last = &mut source.found;
    while last.get().is_some() {
        match last.get_mut() {
            Some(found) => last = &mut found.next,
            None => return,
        }
    }
    *last = std::mem::take(pending);
    *pending = std::mem::take(&mut source.found);
}

/// A reference token that is an index: digits without a leading zero.
fn array_index(token: &[u8]) -> Option<usize> {
    if token.len() > 1 && token[0] == b'0' || !token.iter().all(u8::is_ascii_digit) {
        return None;
    }
    std::str::from_utf8(token).ok()?.parse().ok()
}

/// A reference token with `~1` as `/` and `~0` as `~`; nothing if another `~` is in it.
fn unescape_token(token: &[u8]) -> Option<Vec<u8>> {
    let mut plain = Vec::new();
    plain.try_reserve_exact(token.len()).ok()?;
    let mut bytes = token.iter();
    while let Some(byte) = bytes.next() {
        plain.push(match byte {
            b'~' => match bytes.next()? {
                b'0' => b'~',
                b'1' => b'/',
                _ => return None,
            },
            other => *other,
        });
    }
    Some(plain)
}

fn is_whitespace(character: char) -> bool {
    matches!(character, ' ' | '\t' | '\n' | '\r')
}

#[cfg(test)]
mod tests;
