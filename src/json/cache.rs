//! What has been parsed from a value, in a chain of write-once cells.
//!
//! A chain only grows, and its nodes are freed with the value, so references to their content are valid as long as the
//! value. No thread waits for another: if two make the same content at once, one of them drops its result.

use super::LazyValue;
use super::chunks::{Chunks, Extents};
use super::escape::append_unescaped;
use super::key_index::KeyIndex;
use super::ladder::Rung;
use super::number::Number;
use super::scan;
use super::tape::Tape;
use crate::alloc::{OnceBox, try_box};

/// The first node, if there is one.
pub(super) type Chain<'a> = OnceBox<CacheNode<'a>>;

pub(super) struct CacheNode<'a> {
    pub(super) content: Content<'a>,
    next: Chain<'a>,
}

pub(super) enum Content<'a> {
    /// An unescaped, NUL-terminated string that fits into the array, and its length with the NUL.
    ShortString(u8, [u8; SHORT_STRING_CAPACITY]),
    /// An unescaped, NUL-terminated string.
    LongString(Vec<u8>),
    /// The values in a small container.
    Tape(Box<Tape<'a>>),
    /// The values in a large container.
    Chunks(Box<Chunks<'a>>),
    /// The values in a large container with little beside another large one.
    Rung(Rung<'a>),
    /// The keys of an object with many members.
    KeyIndex(Box<KeyIndex>),
    /// A number with a long text, and the same truncated towards zero.
    Number(Number, i64),
    /// A NUL-terminated copy of the value's text.
    Text(Vec<u8>),
    /// Where the containers within a large container are. Taken from the container around it, before the first access.
    Extents(Extents),
}

/// Most strings fit, and a larger array would make `Content` larger.
const SHORT_STRING_CAPACITY: usize = 38;

// A text may have a node for every other byte. Large contents are in boxes.
const _: () = assert!(size_of::<CacheNode>() <= 48);

impl<'a> CacheNode<'a> {
    /// A node at the end of a chain.
    pub(super) fn new(content: Content<'a>) -> Option<Box<CacheNode<'a>>> {
        try_box(CacheNode { content, next: OnceBox::new() })
    }
}

/// Returns the wanted content of a chain. If it is missing, makes it and adds it to the chain. Returns `None`, and adds
/// nothing, if there is not enough memory.
pub(super) fn get_or_insert<'c, 'a>(
    chain: &'c Chain<'a>,
    is_wanted: impl Fn(&Content<'a>) -> bool,
    make: impl FnOnce() -> Option<Content<'a>>,
) -> Option<&'c Content<'a>> {
    let mut link = chain;
    while let Some(node) = link.get() {
        if is_wanted(&node.content) {
            return Some(&node.content);
        }
        link = &node.next;
    }
    let mut made = CacheNode::new(make()?)?;
    while let Err(refused) = link.set(made) {
        // Another thread has added a node in the meantime.
        made = refused;
        let node = link.get()?;
        if is_wanted(&node.content) {
            return Some(&node.content);
        }
        link = &node.next;
    }
    link.get().map(|node| &node.content)
}

/// Unescapes a valid string.
pub(super) fn unescape_string<'a>(quoted: &str) -> Option<Content<'a>> {
    let content = quoted.as_bytes().get(1..quoted.len() - 1)?;
    if content.len() < SHORT_STRING_CAPACITY && scan::next_escape(content, 0) == content.len() {
        let mut bytes = [0; SHORT_STRING_CAPACITY];
        bytes[..content.len()].copy_from_slice(content);
        return Some(Content::ShortString(content.len() as u8 + 1, bytes));
    }
    let mut string = Vec::new();
    append_unescaped(&mut string, content)?;
    Some(Content::LongString(string))
}

/// Frees a chain and those of the chunks and rungs in it. They can nest as deeply as the text is long, so this neither
/// recurses nor allocates: it prepends the chain of each large value to the nodes that are still to be freed.
pub(super) fn free(chain: Chain) {
    let mut pending = chain;
    while let Some(mut node) = pending.take() {
        pending = std::mem::take(&mut node.next);
        match &mut node.content {
            Content::Chunks(chunks) => {
                chunks.values_mut().for_each(|value| prepend_chain(value, &mut pending));
            }
            Content::Rung(rung) => prepend_chain(&mut rung.large, &mut pending),
            _ => {}
        }
    }
}

fn prepend_chain<'a>(value: &mut LazyValue<'a>, pending: &mut Chain<'a>) {
    if value.cache.get().is_none() {
        return;
    }
    let mut last = &mut value.cache;
    while last.get().is_some() {
        match last.get_mut() {
            Some(node) => last = &mut node.next,
            None => return,
        }
    }
    *last = std::mem::take(pending);
    *pending = std::mem::take(&mut value.cache);
}
