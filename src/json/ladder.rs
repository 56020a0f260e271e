//! Large containers that nest in each other, each with little beside the next one.
//!
//! As chunks, each level would take some 300 bytes, even if its text is only `[` and `]`. A rung is part of the cache node
//! of its container. A ladder is made of all levels at once, because a level that is made later would have to find its
//! extents again, or store them.

use super::cache::{CacheNode, Content};
use super::chunks::{Extents, Items};
use super::cursor::Key;
use super::escape::append_unescaped;
use super::tape::MAX_TAPE_TEXT;
use super::{Json, LazyValue, MAX_LINEAR_SEARCH};
use crate::alloc::{try_box, try_copy, try_extend, try_with_capacity};

/// Containers of up to this many bytes are made a rung, too: a tape would take many times their size.
pub(super) const MAX_TINY_TEXT: usize = 8;

/// The size of the length before each key.
const LENGTH: usize = size_of::<usize>();

/// The values in a large container: a large one, and few others. In a tiny container, the first takes the place of the
/// large one.
pub(super) struct Rung<'a> {
    pub(super) large: LazyValue<'a>,
    rest: Option<Box<Rest<'a>>>,
}

struct Rest<'a> {
    /// The index of the large value.
    position: usize,
    others: Box<[LazyValue<'a>]>,
    /// The keys of all members: for each its length, and the key, unescaped and NUL-terminated.
    keys: Box<[u8]>,
}

impl<'a> Rung<'a> {
    /// Makes the ladder of a container with these extents, and returns its first rung. The large value of its last rung
    /// keeps the extents in it. Returns `Some(None)` if the container is no rung, and `None` if there is not enough memory.
    pub(super) fn ladder(text: &'a str, extents: &Extents) -> Option<Option<Rung<'a>>> {
        let Some((first, mut inner)) = Rung::new(text, extents)? else { return Some(None) };
        let mut last = &first;
        while let Some(extents) = inner {
            let Some((rung, next)) = Rung::new(last.large.text, &extents)? else {
                let _ = last.large.cache.set(CacheNode::new(Content::Extents(extents.compact()?))?);
                break;
            };
            let _ = last.large.cache.set(CacheNode::new(Content::Rung(rung))?);
            let Content::Rung(rung) = &last.large.cache.get()?.content else { break };
            last = rung;
            inner = next;
        }
        Some(Some(first))
    }

    /// A rung, and the extents of its large value if that is a container.
    fn new(text: &'a str, extents: &Extents) -> Option<Option<(Rung<'a>, Option<Extents>)>> {
        let (mut large, mut count) = (None, 0);
        for item in Items::new(text, extents) {
            if text.len() <= MAX_TINY_TEXT {
                large = Some(0);
            } else if item.value.end - item.start() >= MAX_TAPE_TEXT && large.replace(count).is_some() {
                return Some(None);
            }
            count += 1;
            if count > MAX_LINEAR_SEARCH {
                return Some(None);
            }
        }
        let Some(position) = large else { return Some(None) };
        let mut rung = Rung { large: LazyValue::trimmed(""), rest: None };
        let (mut others, mut keys, mut inner) = (try_with_capacity(count - 1)?, Vec::new(), None);
        for (index, item) in Items::new(text, extents).enumerate() {
            let value = LazyValue::trimmed(text.get(item.value.start..item.value.end)?);
            if index == position {
                rung.large = value;
                inner = extents.of_child(item.value);
            } else {
                others.push(value);
            }
            if let Some(Key { extent, .. }) = item.key {
                append_key(&mut keys, text.as_bytes().get(extent.start..extent.end)?)?;
            }
        }
        if count > 1 || !keys.is_empty() {
            let keys = try_copy(&keys)?.into_boxed_slice();
            rung.rest = Some(try_box(Rest { position, others: others.into_boxed_slice(), keys })?);
        }
        Some(Some((rung, inner)))
    }

    /// The number of elements or members.
    pub(super) fn count(&self) -> usize {
        1 + self.rest.as_ref().map_or(0, |rest| rest.others.len())
    }

    /// An element, or the value of a member.
    pub(super) fn at(&self, index: usize) -> Option<Json<'_, 'a>> {
        let position = self.rest.as_ref().map_or(0, |rest| rest.position);
        if index == position {
            return Some(self.large.json());
        }
        let other = if index < position { index } else { index - 1 };
        self.rest.as_ref()?.others.get(other).map(LazyValue::json)
    }

    /// The key of a member with its NUL.
    pub(super) fn key(&self, index: usize) -> Option<&[u8]> {
        let mut keys = &*self.rest.as_ref()?.keys;
        for _ in 0..index {
            keys = split_key(keys)?.1;
        }
        Some(split_key(keys)?.0)
    }
}

/// Returns `None` if there is not enough memory.
fn append_key(keys: &mut Vec<u8>, key: &[u8]) -> Option<()> {
    let start = keys.len() + LENGTH;
    try_extend(keys, &[0; LENGTH])?;
    append_unescaped(keys, key)?;
    let length = keys.len() - start;
    keys.get_mut(start - LENGTH..start)?.copy_from_slice(&length.to_ne_bytes());
    Some(())
}

/// The first key, and those that follow it.
fn split_key(keys: &[u8]) -> Option<(&[u8], &[u8])> {
    let (length, keys) = keys.split_first_chunk()?;
    keys.split_at_checked(usize::from_ne_bytes(*length))
}

#[cfg(test)]
mod tests {
    use super::super::cache::Content;
    use super::{LazyValue, MAX_TAPE_TEXT};

    fn is_rung(value: &LazyValue) -> bool {
        matches!(value.cache.get().map(|node| &node.content), Some(Content::Rung(_)))
    }

    #[test]
    fn rungs_have_all_values_and_keys() {
        let long = format!("\"{}\"", "x".repeat(MAX_TAPE_TEXT));
        let mut text = long.clone();
        for _ in 0..3 {
            text = format!(r#"{{"a\u0062":1,"":[7],"ab":2, "x" : [{text},"s"],"\u0000":null}}"#);
        }
        let lazy = LazyValue::new(&text);
        let mut value = lazy.json();
        for depth in 0..3 {
            assert_eq!(value.length(), 5, "{depth}");
            let keys: Vec<_> = (0..6).map(|index| value.key_at(index)).collect();
            let expected = [&b"ab\0"[..], b"\0", b"ab\0", b"x\0", b"\0\0"].map(Some);
            assert_eq!((&keys[..5], keys[5]), (&expected[..], None), "{depth}");
            assert_eq!(value.get(b"ab").map(|value| value.as_i64()), Some(2));
            assert_eq!(value.at(0).map(|value| value.as_i64()), Some(1));
            assert_eq!(value.get(b"").and_then(|value| value.at(0)).map(|value| value.as_i64()), Some(7));
            assert_eq!(value.at(4).map(|value| value.raw()), Some("null"));
            assert!(value.at(5).is_none() && value.get(b"y").is_none());
            let pair = value.get(b"x").expect("a pair");
            assert_eq!((pair.length(), pair.key_at(0), pair.get(b"0").is_none()), (2, None, true));
            assert_eq!(pair.at(1).and_then(|value| value.string()), Some(&b"s\0"[..]));
            value = pair.at(0).expect("a value");
        }
        assert_eq!(value.raw(), long);
        assert!(is_rung(&lazy));
    }

    #[test]
    fn only_one_large_value_and_few_others_make_a_rung() {
        let long = format!("\"{}\"", "x".repeat(MAX_TAPE_TEXT));
        for (text, expected) in [
            (format!("[{long}]"), true),
            (format!("[{}{long}]", "0,".repeat(15)), true),
            (format!("[{}{long}]", "0,".repeat(16)), false),
            (format!("[{long},{long}]"), false),
            (format!("[{}0]", "0,".repeat(MAX_TAPE_TEXT)), false),
            ("[0,0]".to_owned(), true),
            ("{\"a\":0}".to_owned(), true),
            ("[ ]".to_owned(), false),
            ("[0,0,0,0]".to_owned(), false),
        ] {
            let value = LazyValue::new(&text);
            assert_eq!(value.json().length(), text.matches(',').count() + usize::from(text != "[ ]"));
            assert_eq!(is_rung(&value), expected, "{text:.20}");
        }
    }
}
