//! The keys of an object with many members, in order.

/// All keys, to be searched.
pub(super) struct KeyIndex {
    /// The keys, a U+0000 behind each.
    bytes: Vec<u8>,
    /// Where each ends, its U+0000 included, by the position of the member.
    ends: Vec<usize>,
    /// The positions of the members, ordered by key and then by position.
    order: Vec<usize>,
}

impl KeyIndex {
    /// Room for so many; none where there is no memory.
    pub(super) fn for_members(count: usize) -> Option<KeyIndex> {
        let (mut ends, mut order) = (Vec::new(), Vec::new());
        ends.try_reserve_exact(count).ok()?;
        order.try_reserve_exact(count).ok()?;
        Some(KeyIndex { bytes: Vec::new(), ends, order })
    }

    /// Adds the next member's key with a U+0000 behind it, in the way given.
    pub(super) fn push(&mut self, key: &[u8], append: fn(&mut Vec<u8>, &[u8]) -> Option<()>) -> Option<()> {
        append(&mut self.bytes, key)?;
        self.ends.try_reserve(1).ok()?;
        self.ends.push(self.bytes.len());
        Some(())
    }

    /// Orders what was added.
    pub(super) fn ordered(mut self) -> Option<KeyIndex> {
        let mut order = std::mem::take(&mut self.order);
        order.try_reserve_exact(self.ends.len()).ok()?;
        order.extend(0..self.ends.len());
        order.sort_unstable_by(|one, other| (self.key(*one), one).cmp(&(self.key(*other), other)));
        Some(KeyIndex { order, ..self })
    }

    /// The position of the last member with this key.
    pub(super) fn find(&self, key: &[u8]) -> Option<usize> {
        let behind = self.order.partition_point(|position| self.key(*position) <= key);
        self.order.get(behind.checked_sub(1)?).copied().filter(|position| self.key(*position) == key)
    }

    /// A key without its U+0000.
    fn key(&self, position: usize) -> &[u8] {
        let start = position.checked_sub(1).map_or(0, |before| self.ends[before]);
        &self.bytes[start..self.ends[position] - 1]
    }
}
