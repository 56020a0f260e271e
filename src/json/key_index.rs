//! The sorted keys of an object with many members.

use crate::alloc::{try_push, try_with_capacity};

/// All keys of an object, for searching.
pub(super) struct KeyIndex {
    /// The keys, each NUL-terminated.
    bytes: Vec<u8>,
    /// The end of each key with its NUL, by the position of the member.
    ends: Vec<usize>,
    /// The positions of the members, sorted by key and then by position.
    order: Vec<usize>,
}

impl KeyIndex {
    /// An empty index with capacity for this many keys. Returns `None` if there is not enough memory.
    pub(super) fn with_capacity(count: usize) -> Option<KeyIndex> {
        let (ends, order) = (try_with_capacity(count)?, try_with_capacity(count)?);
        Some(KeyIndex { bytes: Vec::new(), ends, order })
    }

    /// Adds the key of the next member. `append` writes it with a NUL at its end.
    pub(super) fn push(&mut self, key: &[u8], append: fn(&mut Vec<u8>, &[u8]) -> Option<()>) -> Option<()> {
        append(&mut self.bytes, key)?;
        try_push(&mut self.ends, self.bytes.len())
    }

    /// Sorts the keys that were added.
    pub(super) fn sorted(mut self) -> Option<KeyIndex> {
        let mut order = std::mem::take(&mut self.order);
        for position in 0..self.ends.len() {
            try_push(&mut order, position)?;
        }
        order.sort_unstable_by(|one, other| (self.key(*one), one).cmp(&(self.key(*other), other)));
        Some(KeyIndex { order, ..self })
    }

    /// The position of the last member with this key.
    pub(super) fn find(&self, key: &[u8]) -> Option<usize> {
        let end = self.order.partition_point(|position| self.key(*position) <= key);
        self.order.get(end.checked_sub(1)?).copied().filter(|position| self.key(*position) == key)
    }

    /// A key without its NUL.
    fn key(&self, position: usize) -> &[u8] {
        let start = position.checked_sub(1).map_or(0, |previous| self.ends[previous]);
        &self.bytes[start..self.ends[position] - 1]
    }
}
