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

use crate::once::{WriteOnce, boxed};
use crate::scan;
use std::sync::Arc;

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
    found: Link<'a>,
}

/// What looks at one value have found, in a chain that only grows.
type Link<'a> = WriteOnce<Found<'a>>;

struct Found<'a> {
    content: Content<'a>,
    next: Link<'a>,
}

enum Content<'a> {
    /// A string of up to `SHORT - 1` bytes, and the U+0000 behind it: their number, and they.
    Short(u8, [u8; SHORT]),
    Long(Vec<u8>),
    Elements(Vec<Json<'a>>),
    Members(Members<'a>),
    /// The positions of an object's members, ordered by key and then by position.
    ByKey(Vec<usize>),
    /// A copy of the text with a U+0000 behind it.
    Text(Vec<u8>),
    /// Where what is inside begins and ends; known before anybody looks.
    Extents(Extents),
}

/// Most strings fit, and `Content` becomes no larger by it.
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

/// Objects of up to this many members are searched from the last to the first.
const FEW_MEMBERS: usize = 16;

impl<'a> Json<'a> {
    /// The value in a text that consists of one valid JSON value and white space around it.
    pub fn new(text: &'a str) -> Json<'a> {
        Json::of(text.trim_matches(is_whitespace))
    }

    fn of(text: &'a str) -> Json<'a> {
        Json { text, found: WriteOnce::new() }
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
        let is_few = members.list.len() <= FEW_MEMBERS;
        let index = if is_few { members.find_backwards(key) } else { self.find_in_many(members, key) }?;
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
        let copy = self.find(|content| matches!(content, Content::Text(_)), || self.copied())?;
        if let Content::Text(text) = copy { Some(text) } else { None }
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
        if self.kind() != kind {
            return None;
        }
        let is_content = |content: &Content| {
            matches!(
                content,
                Content::Short(..) | Content::Long(_) | Content::Elements(_) | Content::Members(_)
            )
        };
        self.find(is_content, || if kind == Kind::String { self.unescaped() } else { self.expanded() })
    }

    /// What is in the chain already, or else what is made now and then kept. Never waits for another thread's work:
    /// where that was faster, its result stays.
    fn find(
        &self,
        wanted: impl Fn(&Content<'a>) -> bool,
        make: impl FnOnce() -> Option<Content<'a>>,
    ) -> Option<&Content<'a>> {
        let mut link = &self.found;
        while let Some(found) = link.get() {
            if wanted(&found.content) {
                return Some(&found.content);
            }
            link = &found.next;
        }
        let mut made = boxed(Found { content: make()?, next: WriteOnce::new() })?;
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

    fn copied(&self) -> Option<Content<'a>> {
        let mut copy = Vec::new();
        copy.try_reserve_exact(self.text.len() + 1).ok()?;
        append_with_nul(&mut copy, self.text.as_bytes())?;
        Some(Content::Text(copy))
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
        let inherited = self.found.get().and_then(|found| match &found.content {
            Content::Extents(extents) => Some(extents.clone()),
            _ => None,
        });
        let extents = match inherited {
            None if self.text.len() > SMALL => {
                Some(Extents { all: Arc::new(extents_in(self.text.as_bytes())?), own: 0 })
            }
            inherited => inherited,
        };
        let walk = Walk::new(self.text, extents);
        if self.kind() == Kind::Array {
            walk.elements().map(Content::Elements)
        } else {
            walk.members().map(Content::Members)
        }
    }

    fn find_in_many(&self, members: &Members<'a>, key: &[u8]) -> Option<usize> {
        let is_order = |content: &Content| matches!(content, Content::ByKey(_));
        let Some(Content::ByKey(order)) = self.find(is_order, || members.by_key().map(Content::ByKey)) else {
            return members.find_backwards(key);
        };
        let behind = order.partition_point(|index| members.plain_key(*index) <= key);
        order.get(behind.checked_sub(1)?).copied().filter(|index| members.plain_key(*index) == key)
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

    fn find_backwards(&self, key: &[u8]) -> Option<usize> {
        (0..self.list.len()).rev().find(|index| self.plain_key(*index) == key)
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
    #[inline]
    fn drop(&mut self) {
        if self.found.get().is_some() {
            self.free();
        }
    }
}

impl<'a> Json<'a> {
    fn free(&mut self) {
        let mut pending = std::mem::take(&mut self.found);
        while let Some(mut found) = pending.take() {
            pending = std::mem::take(&mut found[0].next);
            match &mut found[0].content {
                Content::Elements(list) => list.iter_mut().for_each(|value| value.hand_over(&mut pending)),
                Content::Members(members) => {
                    members.list.iter_mut().for_each(|member| member.value.hand_over(&mut pending));
                }
                _ => {}
            }
        }
    }

    /// Puts what was found in front of what waits to be freed.
    fn hand_over(&mut self, pending: &mut Link<'a>) {
        if self.found.get().is_none() {
            return;
        }
        let mut last = &mut self.found;
        while last.get().is_some() {
            match last.get_mut() {
                Some(found) => last = &mut found.next,
                None => return,
            }
        }
        *last = std::mem::take(pending);
        *pending = std::mem::take(&mut self.found);
    }
}

/// One step of a walk over the direct content of an array or an object: offsets in the text.
#[derive(Clone, Copy, Default)]
struct Step {
    /// The content of the key.
    key: (usize, usize),
    key_has_escapes: bool,
    value: (usize, usize),
    /// Where the value's extents begin; 0 where it has none.
    extent: usize,
}

/// So many steps are made before memory is reserved, so that most arrays and objects need not guess how much.
const STRIDE: usize = 16;

struct Walk<'a> {
    text: &'a str,
    at: usize,
    is_object: bool,
    extents: Option<Extents>,
    /// The first extent that has not been passed, and where the text begins in the terms of extents.
    coming: usize,
    base: usize,
}

impl<'a> Walk<'a> {
    fn new(text: &'a str, extents: Option<Extents>) -> Walk<'a> {
        let own = extents.as_ref().map_or(0, |extents| extents.own);
        let base = extents.as_ref().and_then(|extents| extents.all.get(own)).map_or(0, |extent| extent.start);
        Walk { text, at: 1, is_object: text.starts_with('{'), extents, coming: own + 1, base }
    }

    fn elements(mut self) -> Option<Vec<Json<'a>>> {
        let mut list = Vec::new();
        let mut steps = [Step::default(); STRIDE];
        loop {
            let steps = self.stride(&mut steps)?;
            self.reserve(&mut list, steps.len())?;
            for step in steps.iter() {
                list.push(self.json(step)?);
            }
            if steps.len() < STRIDE {
                return Some(list);
            }
        }
    }

    fn members(mut self) -> Option<Members<'a>> {
        let mut members = Members::default();
        let mut steps = [Step::default(); STRIDE];
        loop {
            let steps = self.stride(&mut steps)?;
            self.reserve(&mut members.list, steps.len())?;
            let keys = steps.iter().map(|step| step.key.1 - step.key.0 + 1).sum();
            self.reserve(&mut members.keys, keys)?;
            for step in steps.iter() {
                let key = self.text.as_bytes().get(step.key.0..step.key.1)?;
                let append = if step.key_has_escapes { append_unescaped } else { append_with_nul };
                append(&mut members.keys, key)?;
                members.list.push(Member { key_end: members.keys.len(), value: self.json(step)? });
            }
            if steps.len() < STRIDE {
                return Some(members);
            }
        }
    }

    /// Makes room for so many more, and, where the end is not reached, for as many as will probably come.
    fn reserve<T>(&self, list: &mut Vec<T>, more: usize) -> Option<()> {
        if list.is_empty() && self.at < self.text.len() {
            let each = (self.at / more.max(1)).max(1);
            let expected = more + (self.text.len() - self.at) / each;
            return list.try_reserve_exact(expected + expected / 16).ok();
        }
        if list.is_empty() { list.try_reserve_exact(more).ok() } else { list.try_reserve(more).ok() }
    }

    /// Makes as many steps as there is room for, or fewer at the end.
    fn stride<'s>(&mut self, steps: &'s mut [Step; STRIDE]) -> Option<&'s [Step]> {
        let mut made = 0;
        for step in steps.iter_mut() {
            if !self.finds_more() {
                break;
            }
            if self.is_object {
                (step.key, step.key_has_escapes) = self.pass_key();
            }
            step.value.0 = self.at;
            step.extent = self.pass_value()?;
            step.value.1 = self.at;
            made += 1;
        }
        Some(&steps[..made])
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
        let known = self.extents.as_ref().and_then(|extents| extents.all.get(self.coming));
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
        let Some(extents) = &self.extents else { return };
        let rest = &extents.all[self.coming..];
        let mut reach = 1;
        while rest.get(reach).is_some_and(|inner| inner.start < extent.end) {
            reach *= 2;
        }
        let searched = &rest[reach / 2..reach.min(rest.len())];
        self.coming += reach / 2 + searched.partition_point(|inner| inner.start < extent.end);
    }

    /// The value of a step, with the extents of what is inside of it.
    fn json(&self, step: &Step) -> Option<Json<'a>> {
        let value = Json::of(self.text.get(step.value.0..step.value.1)?);
        if let (true, Some(extents)) = (step.extent > 0, &self.extents) {
            let inherited = Content::Extents(Extents { all: extents.all.clone(), own: step.extent });
            let _ = value.found.set(boxed(Found { content: inherited, next: WriteOnce::new() })?);
        }
        Some(value)
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

fn push<T>(list: &mut Vec<T>, value: T) -> Option<()> {
    list.try_reserve(1).ok()?;
    list.push(value);
    Some(())
}

/// Appends bytes and a U+0000. Nothing where there is no memory.
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

#[cfg(test)]
mod tests {
    use super::{Content, Json, Kind};

    fn string(text: &str) -> Option<Vec<u8>> {
        Json::new(text).string().map(<[u8]>::to_vec)
    }

    #[test]
    fn values_stay_small() {
        assert_eq!(size_of::<Json>(), 24);
        assert_eq!(size_of::<Content>(), 56);
    }

    #[test]
    fn every_kind_is_told_from_its_text() {
        let kinds = [
            ("null", Kind::Null),
            ("true", Kind::Bool),
            (" false", Kind::Bool),
            ("-1", Kind::Number),
            ("0", Kind::Number),
            ("\"\"", Kind::String),
            ("\n[ ]\n", Kind::Array),
            ("{}", Kind::Object),
        ];
        for (text, kind) in kinds {
            let value = Json::new(text);
            assert_eq!(value.kind(), kind, "{text}");
            assert_eq!(value.raw(), text.trim());
            assert_eq!(value.text(), Some(format!("{}\0", text.trim()).as_bytes()));
            assert_eq!(value.as_bool(), text == "true");
        }
    }

    #[test]
    fn questions_to_another_kind_have_empty_answers() {
        for text in ["null", "true", "12", "\"12\"", "[12]", "{\"a\":12}"] {
            let value = Json::new(text);
            let kind = value.kind();
            assert_eq!(value.as_i64(), if kind == Kind::Number { 12 } else { 0 });
            assert_eq!(value.as_f64(), if kind == Kind::Number { 12.0 } else { 0.0 });
            assert_eq!(value.string().is_some(), kind == Kind::String);
            assert_eq!(value.length(), usize::from(matches!(kind, Kind::Array | Kind::Object)));
            assert_eq!(value.at(0).is_some(), matches!(kind, Kind::Array | Kind::Object));
            assert_eq!(value.key_at(0).is_some(), kind == Kind::Object);
            assert_eq!(value.get(b"a").is_some(), kind == Kind::Object);
            assert!(value.at(1).is_none() && value.at(usize::MAX).is_none() && value.key_at(1).is_none());
        }
    }

    #[test]
    fn numbers_are_truncated_and_saturated_as_integers_and_rounded_as_doubles() {
        let numbers = [
            ("0", 0, 0.0),
            ("-0", 0, 0.0),
            ("-0.0", 0, 0.0),
            ("403.0", 403, 403.0),
            ("403.7", 403, 403.7),
            ("-403.7", -403, -403.7),
            ("4e2", 400, 400.0),
            ("4.035E+2", 403, 403.5),
            ("40350e-2", 403, 403.5),
            ("0.99", 0, 0.99),
            ("99e-3", 0, 0.099),
            ("9007199254740993", 9_007_199_254_740_993, 9_007_199_254_740_992.0),
            ("12345678901234567.9", 12_345_678_901_234_567, 12_345_678_901_234_568.0),
            ("9223372036854775807", i64::MAX, 9.223_372_036_854_776e18),
            ("9223372036854775808", i64::MAX, 9.223_372_036_854_776e18),
            ("-9223372036854775808", i64::MIN, -9.223_372_036_854_776e18),
            ("-9223372036854775808.5", i64::MIN, -9.223_372_036_854_776e18),
            ("-9223372036854775809", i64::MIN, -9.223_372_036_854_776e18),
            ("922337203685477580.7e1", i64::MAX, 9.223_372_036_854_776e18),
            ("1e18", 1_000_000_000_000_000_000, 1e18),
            ("1e19", i64::MAX, 1e19),
            ("18446744073709551616", i64::MAX, 1.844_674_407_370_955_2e19),
            ("1e400", i64::MAX, f64::INFINITY),
            ("-1e400", i64::MIN, f64::NEG_INFINITY),
            ("1e-400", 0, 0.0),
            ("0e999999999999999999999", 0, 0.0),
            ("1e999999999999999999999", i64::MAX, f64::INFINITY),
            ("1e-999999999999999999999", 0, 0.0),
            ("0.1", 0, 0.1),
            ("5e-324", 0, 5e-324),
            ("1.7976931348623157e308", i64::MAX, f64::MAX),
        ];
        for (text, integer, double) in numbers {
            let value = Json::new(text);
            assert_eq!(value.as_i64(), integer, "{text}");
            assert_eq!(value.as_f64(), double, "{text}");
        }
        let long = format!("{}.{}e-1000", "1".repeat(1_010), "9".repeat(1_000));
        assert_eq!(Json::new(&long).as_i64(), 1_111_111_111);
        assert_eq!(Json::new(&format!("0.{}7e101", "0".repeat(100))).as_i64(), 7);
    }

    #[test]
    fn strings_are_unescaped_and_end_with_nul() {
        let strings = [
            (r#""""#, "\0"),
            (r#""plain""#, "plain\0"),
            (r#""\"\\\/\b\f\n\r\t""#, "\"\\/\u{8}\u{c}\n\r\t\0"),
            (r#""\u0041\u00e9\u5ba2""#, "Aé客\0"),
            (r#""\ud83d\ude00 \uD83D\uDE00""#, "😀 😀\0"),
            (r#""\ud83d""#, "\u{fffd}\0"),
            (r#""\ude00""#, "\u{fffd}\0"),
            (r#""\ud83d\ud83d\ude00""#, "\u{fffd}😀\0"),
            (r#""\ud83dx\ude00""#, "\u{fffd}x\u{fffd}\0"),
            (r#""\ud83d\n""#, "\u{fffd}\n\0"),
            (r#""\ud83d\u0041""#, "\u{fffd}A\0"),
            (r#""\ud83d\\ude00""#, "\u{fffd}\\ude00\0"),
            (r#""a\u0000b""#, "a\0b\0"),
            (r#""größer 客 😀""#, "größer 客 😀\0"),
        ];
        for (text, plain) in strings {
            assert_eq!(string(text).as_deref(), Some(plain.as_bytes()), "{text}");
        }
        for length in 0..200 {
            let plain = "x".repeat(length);
            assert_eq!(string(&format!("\"{plain}\"")), Some(format!("{plain}\0").into_bytes()));
            assert_eq!(string(&format!("\"{plain}\\n\"")), Some(format!("{plain}\n\0").into_bytes()));
        }
    }

    #[test]
    fn what_a_look_found_is_kept() {
        let value = Json::new(r#"{"a":"x","b":[1]}"#);
        let (element, text) = (value.at(0).map(std::ptr::from_ref), value.text().map(<[u8]>::as_ptr));
        let string = value.at(0).and_then(Json::string).map(<[u8]>::as_ptr);
        assert!(value.at(0).and_then(Json::text).is_some());
        assert_eq!(value.get(b"a").map(std::ptr::from_ref), element);
        assert_eq!(value.text().map(<[u8]>::as_ptr), text);
        assert_eq!(value.pointer(b"/a").and_then(Json::string).map(<[u8]>::as_ptr), string);
    }

    #[test]
    fn members_are_listed_as_sent_and_the_last_of_a_key_is_found() {
        let value = Json::new(
            r#" { "a" : 1 , "b" : [ ] , "a" : 2 , "" : 3 , "\u0062" : 4, "q\"" : 5, "n\u0000": 6 } "#,
        );
        let keys = ["a\0", "b\0", "a\0", "\0", "b\0", "q\"\0", "n\0\0"];
        assert_eq!(value.length(), keys.len());
        for (index, key) in keys.iter().enumerate() {
            assert_eq!(value.key_at(index), Some(key.as_bytes()));
        }
        assert_eq!(value.at(0).map(Json::as_i64), Some(1));
        for (key, found) in [("a", 2), ("", 3), ("b", 4), ("q\"", 5), ("n\0", 6)] {
            assert_eq!(value.get(key.as_bytes()).map(Json::as_i64), Some(found), "{key:?}");
        }
        assert!(value.get(b"A").is_none() && value.get(b"n").is_none() && value.get(b"aa").is_none());
    }

    #[test]
    fn large_objects_are_searched_the_same() {
        for count in [15, 16, 17, 18, 100, 5_000] {
            let mut text: Vec<String> = (0..count).map(|n| format!("\"k{}\":{n}", n * 7 % count)).collect();
            text.push("\"k3\":-1".to_owned());
            let text = format!("{{{}}}", text.join(","));
            let value = Json::new(&text);
            assert_eq!(value.length(), count + 1);
            assert_eq!(value.get(b"k3").map(Json::as_i64), Some(-1));
            for n in (0..count).filter(|n| n * 7 % count != 3) {
                let key = format!("k{}", n * 7 % count);
                let last = (0..count).rev().find(|other| other * 7 % count == n * 7 % count);
                assert_eq!(value.get(key.as_bytes()).map(Json::as_i64), last.map(|last| last as i64));
            }
            assert!(value.get(b"k").is_none() && value.get(b"zz").is_none() && value.get(b"").is_none());
        }
    }

    #[test]
    fn pointers_follow_rfc_6901() {
        let text = r#"{"foo":["bar","baz"],"":0,"a/b":1,"c%d":2,"e^f":3,"g|h":4,"i\\j":5,"k\"l":6," ":7,"m~n":8,
            "0":9,"01":10,"x":{"0":11,"x":12,"x":13},"~1":14}"#;
        let value = Json::new(text);
        let leads_to = [
            ("/", 0),
            ("/a~1b", 1),
            ("/c%d", 2),
            ("/e^f", 3),
            ("/g|h", 4),
            ("/i\\j", 5),
            ("/k\"l", 6),
            ("/ ", 7),
            ("/m~0n", 8),
            ("/0", 9),
            ("/01", 10),
            ("/x/0", 11),
            ("/x/x", 13),
            ("/~01", 14),
        ];
        for (pointer, number) in leads_to {
            assert_eq!(value.pointer(pointer.as_bytes()).map(Json::as_i64), Some(number), "{pointer}");
        }
        assert!(value.pointer(b"").is_some_and(|found| std::ptr::eq(found, &value)));
        assert_eq!(value.pointer(b"/foo").map(Json::length), Some(2));
        assert_eq!(value.pointer(b"/foo/1").and_then(Json::string), Some(&b"baz\0"[..]));
        let nowhere = [
            "foo",
            "/foo/2",
            "/foo/-",
            "/foo/01",
            "/foo/00",
            "/foo/+1",
            "/foo/ 1",
            "/foo/",
            "/foo/0/0",
            "/m~n",
            "/m~2n",
            "/a~",
            "/none",
            "/foo/99999999999999999999999",
            "//",
            "/x/",
            "a",
        ];
        for pointer in nowhere {
            assert!(value.pointer(pointer.as_bytes()).is_none(), "{pointer}");
        }
        assert_eq!(Json::new("[1,2]").pointer(b"/0").map(Json::as_i64), Some(1));
    }

    #[test]
    fn containers_of_all_sizes_are_divided_where_their_parts_end() {
        for size in 0..150 {
            for part in [
                "1".to_owned(),
                "{}".to_owned(),
                format!("[\"{}\"]", "]".repeat(size)),
                "\"\\\"\"".to_owned(),
            ] {
                let text = format!("[{}]", vec![format!("[ {part} ,{{\"k\": {part}}}]"); size].join(" , "));
                let value = Json::new(&text);
                assert_eq!(value.length(), size);
                for index in 0..size {
                    let element = value.at(index);
                    assert_eq!(element.and_then(|element| element.at(0)).map(Json::raw), Some(&*part));
                    assert_eq!(
                        element.and_then(|element| element.pointer(b"/1/k")).map(Json::raw),
                        Some(&*part)
                    );
                    assert_eq!(element.map(Json::length), Some(2));
                }
            }
        }
    }
}
