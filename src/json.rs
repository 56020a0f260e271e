//! A view of one JSON value that is read on demand.
//!
//! A value knows its text and nothing else until somebody looks into it. The first look into an array or an object
//! finds where its elements or members begin and end, and keeps that; each of them is again a value that knows only
//! its text. So what nobody looks at costs nothing, and no look goes deeper than one level: no depth of nesting can
//! overflow the stack.
//!
//! What a look finds is kept in cells that are written once, so any number of threads may look at the same value.
//! Where two of them do the same work at once, one result is dropped.
//!
//! Memory that the text decides is reserved fallibly. Where there is none, the look finds nothing, and keeps nothing.

use crate::scan;
use std::sync::{Arc, OnceLock};

/// The six kinds of JSON values.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(i32)]
pub enum Kind {
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

/// One JSON value within a text that is valid JSON.
pub struct Json<'a> {
    text: &'a str,
    kept: OnceLock<Boxed<Kept<'a>>>,
}

/// A box that can be made fallibly.
type Boxed<T> = Box<[T; 1]>;

/// What looks at one value have found.
#[derive(Default)]
struct Kept<'a> {
    content: OnceLock<Content<'a>>,
    aside: OnceLock<Boxed<Aside>>,
    /// Chains what waits to be freed.
    next: Option<Boxed<Kept<'a>>>,
}

enum Content<'a> {
    /// A string of up to `SHORT - 1` bytes, and the U+0000 behind it.
    Short(u8, [u8; SHORT]),
    Long(Vec<u8>),
    Elements(Vec<Json<'a>>),
    Members(Members<'a>),
}

/// Most strings fit, and it makes `Content` no larger than `Members` does.
const SHORT: usize = 54;

/// The members of an object as they were sent.
#[derive(Default)]
struct Members<'a> {
    list: Vec<Member<'a>>,
    /// All keys, unescaped, a U+0000 behind each.
    keys: Vec<u8>,
}

struct Member<'a> {
    /// Where the key ends in `Members::keys`, its U+0000 included. It begins where the one before ends.
    key_end: usize,
    value: Json<'a>,
}

/// What few values need.
#[derive(Default)]
struct Aside {
    extents: Option<Extents>,
    text: OnceLock<Vec<u8>>,
    /// Positions of an object's members, ordered by key and then by position.
    by_key: OnceLock<Vec<usize>>,
}

/// Where arrays and objects of some size begin and end within a text, in the order of their beginnings. Without it,
/// each level of a deeply nested value would be scanned once for each level above it.
#[derive(Clone)]
struct Extents {
    all: Arc<Vec<Extent>>,
    /// The position in `all` of the value that this belongs to.
    own: usize,
}

#[derive(Clone, Copy)]
struct Extent {
    start: usize,
    end: usize,
}

/// Arrays and objects up to this size are scanned again at each level: that is faster than remembering them.
const SMALL: usize = 64;

/// No more is reserved before it is known how many values and bytes of keys there are.
const MOST_EXPECTED_VALUES: usize = 16;
const MOST_EXPECTED_KEYS: usize = 256;

/// Objects of up to this many members are searched from the last to the first.
const FEW_MEMBERS: usize = 16;

impl<'a> Json<'a> {
    /// The value in a text that consists of one valid JSON value and white space around it.
    pub fn new(text: &'a str) -> Json<'a> {
        Json::of(text.trim_matches(is_whitespace))
    }

    fn of(text: &'a str) -> Json<'a> {
        Json { text, kept: OnceLock::new() }
    }

    /// The kind of the value.
    pub fn kind(&self) -> Kind {
        match self.text.as_bytes().first() {
            Some(b'{') => Kind::Object,
            Some(b'[') => Kind::Array,
            Some(b'"') => Kind::String,
            Some(b't' | b'f') => Kind::Bool,
            Some(b'-' | b'0'..=b'9') => Kind::Number,
            _ => Kind::Null,
        }
    }

    /// Whether the value is `true`.
    pub fn as_bool(&self) -> bool {
        self.text == "true"
    }

    /// A number without its fraction; the nearest `i64` where it is out of range. 0 for what is no number.
    pub fn as_i64(&self) -> i64 {
        match self.kind() {
            Kind::Number => truncate(self.text).clamp(i64::MIN.into(), i64::MAX.into()) as i64,
            _ => 0,
        }
    }

    /// The double nearest to a number, which is infinite for 1e400. 0 for what is no number.
    pub fn as_f64(&self) -> f64 {
        match self.kind() {
            Kind::Number => self.text.parse().unwrap_or(0.0),
            _ => 0.0,
        }
    }

    /// A string, unescaped, with a U+0000 behind it that is part of the slice. Nothing for what is no string.
    pub fn string(&self) -> Option<&[u8]> {
        match self.content(Kind::String)? {
            Content::Short(length, bytes) => bytes.get(..usize::from(*length)),
            Content::Long(bytes) => Some(bytes),
            _ => None,
        }
    }

    /// The number of elements or members, repeated keys counted each time; 0 for other kinds.
    pub fn length(&self) -> usize {
        match self.container() {
            Some(Content::Elements(list)) => list.len(),
            Some(Content::Members(members)) => members.list.len(),
            _ => 0,
        }
    }

    /// An element, or a member's value, by its position.
    pub fn at(&self, index: usize) -> Option<&Json<'a>> {
        match self.container()? {
            Content::Elements(list) => list.get(index),
            Content::Members(members) => members.list.get(index).map(|member| &member.value),
            _ => None,
        }
    }

    /// A member's key by its position, as `string` would return it.
    pub fn key_at(&self, index: usize) -> Option<&[u8]> {
        self.members()?.key(index)
    }

    /// The value of the last member with this key.
    pub fn get(&self, key: &[u8]) -> Option<&Json<'a>> {
        let members = self.members()?;
        let index = if members.list.len() <= FEW_MEMBERS {
            (0..members.list.len()).rev().find(|index| members.key_is(*index, key))?
        } else {
            self.find_in_many(members, key)?
        };
        members.list.get(index).map(|member| &member.value)
    }

    /// The value that a JSON pointer (RFC 6901) leads to from here. The empty pointer leads to the value itself.
    pub fn pointer(&self, pointer: &[u8]) -> Option<&Json<'a>> {
        let mut value = self;
        if pointer.is_empty() {
            return Some(value);
        }
        for token in pointer.strip_prefix(b"/")?.split(|byte| *byte == b'/') {
            value = match value.kind() {
                Kind::Array => value.at(array_index(token)?)?,
                _ if token.contains(&b'~') => value.get(&unescape_token(token)?)?,
                _ => value.get(token)?,
            };
        }
        Some(value)
    }

    /// The text of the value as it was sent.
    pub fn raw(&self) -> &'a str {
        self.text
    }

    /// `raw` with a U+0000 behind it that is part of the slice: a copy that is made once.
    pub fn text(&self) -> Option<&[u8]> {
        keep(&self.aside()?.text, || with_nul(self.text.as_bytes())).map(Vec::as_slice)
    }

    /// Elements or members, found at the first look.
    fn container(&self) -> Option<&Content<'a>> {
        match self.kind() {
            kind @ (Kind::Array | Kind::Object) => self.content(kind),
            _ => None,
        }
    }

    fn members(&self) -> Option<&Members<'a>> {
        match self.content(Kind::Object)? {
            Content::Members(members) => Some(members),
            _ => None,
        }
    }

    /// What is inside of a value of this kind; nothing for values of other kinds.
    fn content(&self, kind: Kind) -> Option<&Content<'a>> {
        if let Some(content) = self.kept.get().and_then(|kept| kept[0].content.get()) {
            return Some(content).filter(|_| self.kind() == kind);
        }
        if self.kind() != kind {
            return None;
        }
        let content = if kind == Kind::String { self.unescaped()? } else { self.expanded()? };
        keep(&self.kept()?.content, || Some(content))
    }

    fn kept(&self) -> Option<&Kept<'a>> {
        keep(&self.kept, || boxed(Kept::default())).map(|kept| &kept[0])
    }

    fn aside(&self) -> Option<&Aside> {
        keep(&self.kept()?.aside, || boxed(Aside::default())).map(|aside| &aside[0])
    }

    fn unescaped(&self) -> Option<Content<'a>> {
        let quoted = self.text.as_bytes();
        let content = quoted.get(1..quoted.len() - 1)?;
        if content.len() < SHORT && scan::next_escape(content, 0) == content.len() {
            let mut short = [0; SHORT];
            short[..content.len()].copy_from_slice(content);
            return Some(Content::Short(content.len() as u8 + 1, short));
        }
        let mut long = Vec::new();
        append_unescaped(&mut long, content)?;
        Some(Content::Long(long))
    }

    /// Finds the elements or members.
    fn expanded(&self) -> Option<Content<'a>> {
        let inherited =
            self.kept.get().and_then(|kept| kept[0].aside.get()).and_then(|aside| aside[0].extents.clone());
        let extents = match inherited {
            Some(extents) => Some(extents),
            None if self.text.len() > SMALL => {
                Some(Extents { all: Arc::new(extents_in(self.text.as_bytes())?), own: 0 })
            }
            None => None,
        };
        let walk = Walk::new(self.text, extents);
        if self.kind() == Kind::Array {
            walk.elements().map(Content::Elements)
        } else {
            walk.members().map(Content::Members)
        }
    }

    fn find_in_many(&self, members: &Members<'a>, key: &[u8]) -> Option<usize> {
        let by_key = self.aside().and_then(|aside| keep(&aside.by_key, || members.by_key()));
        let Some(by_key) = by_key else {
            return (0..members.list.len()).rev().find(|index| members.key_is(*index, key));
        };
        let behind = by_key.partition_point(|index| members.plain_key(*index) <= key);
        by_key.get(behind.checked_sub(1)?).copied().filter(|index| members.key_is(*index, key))
    }
}

impl Members<'_> {
    fn key(&self, index: usize) -> Option<&[u8]> {
        let end = self.list.get(index)?.key_end;
        let start = index.checked_sub(1).map_or(0, |before| self.list[before].key_end);
        self.keys.get(start..end)
    }

    /// The key without the U+0000 behind it.
    fn plain_key(&self, index: usize) -> &[u8] {
        self.key(index).and_then(|key| key.split_last()).map_or(&[], |(_, key)| key)
    }

    fn key_is(&self, index: usize, key: &[u8]) -> bool {
        self.plain_key(index) == key
    }

    fn by_key(&self) -> Option<Vec<usize>> {
        let mut order = Vec::new();
        order.try_reserve_exact(self.list.len()).ok()?;
        order.extend(0..self.list.len());
        order
            .sort_unstable_by(|one, other| (self.plain_key(*one), one).cmp(&(self.plain_key(*other), other)));
        Some(order)
    }
}

/// Frees level by level what is nested, without recursion and without taking memory for it.
impl Drop for Json<'_> {
    fn drop(&mut self) {
        let mut pending = self.kept.take();
        while let Some(mut kept) = pending {
            pending = kept[0].next.take();
            match kept[0].content.get_mut() {
                Some(Content::Elements(list)) => {
                    list.iter_mut().for_each(|value| value.hand_over(&mut pending))
                }
                Some(Content::Members(members)) => {
                    members.list.iter_mut().for_each(|member| member.value.hand_over(&mut pending));
                }
                _ => {}
            }
        }
    }
}

impl<'a> Json<'a> {
    fn hand_over(&mut self, pending: &mut Option<Boxed<Kept<'a>>>) {
        if let Some(mut kept) = self.kept.take()
            && let Some(Content::Elements(_) | Content::Members(_)) = kept[0].content.get()
        {
            kept[0].next = pending.take();
            *pending = Some(kept);
        }
    }
}

/// One walk over the direct content of an array or an object.
struct Walk<'a> {
    text: &'a str,
    at: usize,
    extents: Option<Extents>,
    /// The extents that have not been passed, and where the text begins in their terms.
    coming: usize,
    base: usize,
}

impl<'a> Walk<'a> {
    fn new(text: &'a str, extents: Option<Extents>) -> Walk<'a> {
        let own = extents.as_ref().map_or(0, |extents| extents.own);
        let base = extents.as_ref().and_then(|extents| extents.all.get(own)).map_or(0, |extent| extent.start);
        Walk { text, at: 1, extents, coming: own + 1, base }
    }

    /// How many values a text of this length typically holds: so that few lists have to grow, and none is much too long.
    fn expected_values(&self) -> usize {
        (self.text.len() / 32).min(MOST_EXPECTED_VALUES)
    }

    fn elements(mut self) -> Option<Vec<Json<'a>>> {
        let mut list = Vec::new();
        list.try_reserve_exact(self.expected_values()).ok()?;
        while self.finds_more() {
            let value = self.value()?;
            push(&mut list, value)?;
        }
        Some(list)
    }

    fn members(mut self) -> Option<Members<'a>> {
        let mut members = Members::default();
        members.list.try_reserve_exact(self.expected_values()).ok()?;
        members.keys.try_reserve_exact((self.text.len() / 4).min(MOST_EXPECTED_KEYS)).ok()?;
        while self.finds_more() {
            let (end, escaped) = scan::string_end(self.text.as_bytes(), self.at + 1);
            let key = self.text.as_bytes().get(self.at + 1..end)?;
            if escaped {
                append_unescaped(&mut members.keys, key)?;
            } else {
                append_with_nul(&mut members.keys, key)?;
            }
            self.at = scan::skip_whitespace(self.text.as_bytes(), end + 1) + 1;
            self.at = scan::skip_whitespace(self.text.as_bytes(), self.at);
            let value = self.value()?;
            push(&mut members.list, Member { key_end: members.keys.len(), value })?;
        }
        Some(members)
    }

    /// Goes to the next element or member; false at the closing bracket.
    fn finds_more(&mut self) -> bool {
        let text = self.text.as_bytes();
        self.at = scan::skip_whitespace(text, self.at);
        if text.get(self.at) == Some(&b',') {
            self.at = scan::skip_whitespace(text, self.at + 1);
        }
        self.at + 1 < text.len()
    }

    /// Takes the value that begins here.
    fn value(&mut self) -> Option<Json<'a>> {
        let text = self.text.as_bytes();
        let start = self.at;
        self.at = match text.get(start)? {
            b'"' => scan::string_end(text, start + 1).0 + 1,
            b'{' | b'[' => return self.container(),
            b't' | b'n' => start + 4,
            b'f' => start + 5,
            _ => start + text.get(start..)?.iter().position(|byte| !is_numeric(*byte))?,
        };
        self.text.get(start..self.at).map(Json::of)
    }

    /// Takes the array or object that begins here, and gives it the extents of what is inside of it.
    fn container(&mut self) -> Option<Json<'a>> {
        let start = self.at;
        let known = self.extents.as_ref().and_then(|extents| extents.all.get(self.coming));
        let Some(extent) = known.filter(|extent| extent.start == self.base + start).copied() else {
            self.at = scan::container_end(self.text.as_bytes(), start);
            return self.text.get(start..self.at).map(Json::of);
        };
        let extents =
            self.extents.as_ref().map(|extents| Extents { all: extents.all.clone(), own: self.coming });
        self.pass(extent);
        self.at = extent.end - self.base;
        let value = Json::of(self.text.get(start..self.at)?);
        keep(&value.kept()?.aside, || boxed(Aside { extents, ..Aside::default() }))?;
        Some(value)
    }

    /// Passes an extent and those inside of it.
    fn pass(&mut self, extent: Extent) {
        let Some(extents) = &self.extents else { return };
        let rest = &extents.all[self.coming..];
        let mut reach = 1;
        while rest.get(reach).is_some_and(|inner| inner.start < extent.end) {
            reach *= 2;
        }
        let searched = &rest[reach / 2..reach.min(rest.len())];
        self.coming += reach / 2 + searched.partition_point(|inner| inner.start < extent.end);
    }
}

/// The extents of the array or object that the text consists of and of those inside of it, small ones left out.
fn extents_in(text: &[u8]) -> Option<Vec<Extent>> {
    let mut extents: Vec<Extent> = Vec::new();
    // While an extent is open, `end` is the position of the one around it.
    let mut innermost = usize::MAX;
    let mut at = 0;
    while let Some(bracket) = scan::next_bracket(text, at) {
        at = bracket + 1;
        if matches!(text[bracket], b'{' | b'[') {
            push(&mut extents, Extent { start: bracket, end: innermost })?;
            innermost = extents.len() - 1;
            continue;
        }
        let closed = extents.get_mut(innermost)?;
        let around = std::mem::replace(&mut closed.end, at);
        if at - closed.start <= SMALL {
            // What is inside of a small one is small, and gone already.
            extents.truncate(innermost);
        }
        innermost = around;
    }
    Some(extents)
}

/// Keeps what is made the first time. Never waits for another thread's work.
fn keep<T>(cell: &OnceLock<T>, make: impl FnOnce() -> Option<T>) -> Option<&T> {
    if cell.get().is_none() {
        // Where another thread was faster, its result stays.
        let _ = cell.set(make()?);
    }
    cell.get()
}

fn boxed<T>(value: T) -> Option<Boxed<T>> {
    let mut one = Vec::new();
    one.try_reserve_exact(1).ok()?;
    one.push(value);
    one.into_boxed_slice().try_into().ok()
}

fn push<T>(list: &mut Vec<T>, value: T) -> Option<()> {
    list.try_reserve(1).ok()?;
    list.push(value);
    Some(())
}

fn with_nul(bytes: &[u8]) -> Option<Vec<u8>> {
    let mut copy = Vec::new();
    copy.try_reserve_exact(bytes.len() + 1).ok()?;
    copy.extend_from_slice(bytes);
    copy.push(0);
    Some(copy)
}

pub(crate) fn append_with_nul(out: &mut Vec<u8>, bytes: &[u8]) -> Option<()> {
    out.try_reserve(bytes.len() + 1).ok()?;
    out.extend_from_slice(bytes);
    out.push(0);
    Some(())
}

/// Appends the content of a valid string, unescaped, and a U+0000. Nothing where there is no memory.
pub(crate) fn append_unescaped(out: &mut Vec<u8>, content: &[u8]) -> Option<()> {
    // No escape is shorter than the character it stands for.
    out.try_reserve(content.len() + 1).ok()?;
    let mut rest = content;
    loop {
        let (plain, escape) = rest.split_at(scan::next_escape(rest, 0));
        out.extend_from_slice(plain);
        if escape.len() < 2 {
            out.push(0);
            return Some(());
        }
        let (character, length) = unescape(escape);
        out.extend_from_slice(character.encode_utf8(&mut [0; 4]).as_bytes());
        rest = &escape[length..];
    }
}

/// The character that an escape means, and the length of the escape. A lone surrogate means U+FFFD.
fn unescape(escape: &[u8]) -> (char, usize) {
    let character = match escape[1] {
        b'b' => '\u{8}',
        b'f' => '\u{c}',
        b'n' => '\n',
        b'r' => '\r',
        b't' => '\t',
        b'u' => return unescape_unit(escape),
        other => char::from(other),
    };
    (character, 2)
}

fn unescape_unit(escape: &[u8]) -> (char, usize) {
    let first = code_unit(escape).unwrap_or(0xfffd);
    let second = if escape.len() > 6 { code_unit(&escape[6..]) } else { None };
    match (first, second) {
        (0xd800..=0xdbff, Some(second @ 0xdc00..=0xdfff)) => {
            let code = 0x10000 + ((first - 0xd800) << 10) + (second - 0xdc00);
            (char::from_u32(code).unwrap_or(char::REPLACEMENT_CHARACTER), 12)
        }
        _ => (char::from_u32(first).unwrap_or(char::REPLACEMENT_CHARACTER), 6),
    }
}

/// The number in `\uXXXX`; nothing if something else stands there.
fn code_unit(escape: &[u8]) -> Option<u32> {
    let digits = escape.strip_prefix(b"\\u")?.get(..4)?;
    u32::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok()
}

/// More than any `i64`.
const BEYOND: i128 = 1 << 64;

/// A valid number without its fraction; what is out of the range of `i64` comes out as some number out of it.
pub(crate) fn truncate(number: &str) -> i128 {
    if let Ok(integer) = number.parse::<i64>() {
        return integer.into();
    }
    let (sign, magnitude) = number.strip_prefix('-').map_or((1, number), |magnitude| (-1, magnitude));
    let (digits, exponent) = magnitude.split_once(['e', 'E']).unwrap_or((magnitude, "0"));
    let (whole, fraction) = digits.split_once('.').unwrap_or((digits, ""));
    let places = i64::try_from(whole.len()).unwrap_or(i64::MAX).saturating_add(saturated_exponent(exponent));
    let places = usize::try_from(places.max(0)).unwrap_or(usize::MAX);

    let mut sum = 0i128;
    let mut missing = places;
    for digit in whole.bytes().chain(fraction.bytes()).take(places) {
        sum = (sum * 10 + i128::from(digit - b'0')).min(BEYOND);
        missing -= 1;
    }
    while sum > 0 && sum < BEYOND && missing > 0 {
        sum = (sum * 10).min(BEYOND);
        missing -= 1;
    }
    sign * sum
}

fn saturated_exponent(exponent: &str) -> i64 {
    exponent.parse().unwrap_or(if exponent.starts_with('-') { i64::MIN } else { i64::MAX })
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

fn is_numeric(byte: u8) -> bool {
    matches!(byte, b'0'..=b'9' | b'+' | b'-' | b'.' | b'e' | b'E')
}
