//! The masks of a batch of blocks, and arithmetic with masks.
//!
//! Bit *n* of a mask is about byte *n* of its block. Text reads from left to right and bits count from the lowest
//! one, so a shift to the left moves to later bytes.

use super::vector::{BLOCK, Block};

/// Blocks in a batch. Each step of the validator processes a whole batch before the next step begins: the masks that
/// one step needs fit into registers, those of all steps do not.
pub(super) const BATCH: usize = 16;

/// The offset that means no error was found.
pub(super) const NO_ERROR: usize = usize::MAX;

/// A mask for each block of a batch.
pub(super) type Row = [u64; BATCH];

/// A row without bits.
pub(super) const EMPTY: Row = [0; BATCH];

/// The masks of a batch. Steps that carry nothing from block to block process whole rows, even if the batch has fewer
/// blocks, so that they are vectorized. The rest of a row is ignored. Each row begins at a cache line.
#[repr(C, align(64))]
pub(super) struct Masks {
    pub(super) backslash: Row,
    /// Quotes; later only those that are not escaped.
    pub(super) quote: Row,
    /// Whitespace. This and the next four are later restricted to bytes outside of strings.
    pub(super) whitespace: Row,
    /// `{` and `[`
    pub(super) open: Row,
    /// `}` and `]`
    pub(super) close: Row,
    pub(super) comma: Row,
    pub(super) colon: Row,
    /// Inside of a string; includes the opening quote.
    pub(super) in_string: Row,
    /// The first byte of a number or literal.
    pub(super) scalar_start: Row,
    /// The byte after a number or literal.
    pub(super) scalar_end: Row,
    /// What is only allowed in an array.
    pub(super) array_only: Row,
    /// The innermost open bracket is `{`.
    pub(super) in_object: Row,
    /// Wrong bytes.
    pub(super) error: Row,
    /// A bit for each block that has a backslash.
    pub(super) blocks_with_backslash: u64,
    /// A bit for each block that has a control character or a byte from 0x80 on.
    pub(super) blocks_with_control_or_non_ascii: u64,
}

impl Masks {
    pub(super) const fn new() -> Masks {
        Masks {
            backslash: EMPTY,
            blocks_with_backslash: 0,
            blocks_with_control_or_non_ascii: 0,
            quote: EMPTY,
            whitespace: EMPTY,
            open: EMPTY,
            close: EMPTY,
            comma: EMPTY,
            colon: EMPTY,
            in_string: EMPTY,
            scalar_start: EMPTY,
            scalar_end: EMPTY,
            array_only: EMPTY,
            in_object: EMPTY,
            error: EMPTY,
        }
    }

    /// Finds the bytes of each class, inside and outside of strings. Of whitespace, it finds only spaces.
    #[inline(always)]
    pub(super) fn classify<B: Block>(&mut self, machine: B::Machine, blocks: &[[u8; BLOCK]]) {
        let mut blocks_with_backslash = 0;
        let mut blocks_with_control_or_non_ascii = 0;
        for (index, block) in blocks.iter().enumerate() {
            let block = B::load(machine, block);
            let folded = block.fold_brackets();
            let backslash = block.equal(b'\\');
            self.backslash[index] = backslash;
            blocks_with_backslash |= u64::from(backslash != 0) << index;
            self.quote[index] = block.equal(b'"');
            blocks_with_control_or_non_ascii |= u64::from(block.control_or_non_ascii() != 0) << index;
            self.whitespace[index] = block.equal(b' ');
            self.open[index] = folded.equal(b'{');
            self.close[index] = folded.equal(b'}');
            self.comma[index] = block.equal(b',');
            self.colon[index] = block.equal(b':');
        }
        self.blocks_with_backslash = blocks_with_backslash;
        self.blocks_with_control_or_non_ascii = blocks_with_control_or_non_ascii;
    }

    /// Marks what is not allowed in its kind of container.
    #[inline(always)]
    pub(super) fn check_membership(&mut self) {
        for index in 0..BATCH {
            let in_object = self.in_object[index];
            self.error[index] |= self.array_only[index] & in_object | self.colon[index] & !in_object;
        }
    }
}

/// The bytes of both rows.
#[inline(always)]
pub(super) fn union(one: &Row, other: &Row) -> Row {
    std::array::from_fn(|index| one[index] | other[index])
}

/// The bytes directly after these.
#[inline(always)]
pub(super) fn after(bytes: &Row, count: usize, carry: &mut u64) -> Row {
    let mut carries = [0; BATCH + 1];
    carries[0] = *carry;
    let mut after = EMPTY;
    for index in 0..BATCH {
        carries[index + 1] = bytes[index] >> 63;
    }
    for index in 0..BATCH {
        after[index] = bytes[index] << 1 | carries[index];
    }
    *carry = carries[count.min(BATCH)];
    after
}

/// For each of these bytes, the first one after it that is not in `skipped`.
#[inline(always)]
pub(super) fn after_skipping(bytes: &Row, count: usize, carry: &mut u64, skipped: &Row) -> Row {
    let mut after = EMPTY;
    for index in 0..count.min(BATCH) {
        // Adding to the lowest bit of a run of bits carries to the bit after the run.
        let (sum, overflows) = skipped[index].overflowing_add(bytes[index] << 1 | *carry);
        *carry = bytes[index] >> 63 | u64::from(overflows);
        after[index] = sum & !skipped[index];
    }
    after
}

/// The position of the first bit of some masks, at least one of which is not 0.
#[cold]
pub(super) fn first_bit(masks: &[u64]) -> usize {
    let index = masks.iter().position(|mask| *mask != 0).unwrap_or(0);
    index * BLOCK + masks[index].trailing_zeros() as usize
}

/// Clears the lowest bit and returns its position, or 64 if there is none.
#[inline(always)]
pub(super) fn pop_lowest_bit(mask: &mut u64) -> usize {
    let lowest = mask.trailing_zeros() as usize;
    *mask &= mask.wrapping_sub(1);
    lowest
}

/// The backslashes that start an escape. `backslashes` must not include one that a preceding block escapes.
#[inline(always)]
pub(super) fn escape_starts(mut backslashes: u64) -> u64 {
    let mut starts = 0;
    while backslashes != 0 {
        let start = backslashes & backslashes.wrapping_neg();
        starts |= start;
        backslashes &= !(start | start << 1);
    }
    starts
}

/// Memory for the positions of the bits in a row.
///
/// A loop over this list ends once for each batch. A loop over the bits of each mask ends once for each block, and the
/// processor mispredicts most of these ends, as the number of bits varies.
pub(super) struct Positions([u16; BATCH * BLOCK]);

impl Positions {
    pub(super) const fn new() -> Positions {
        Positions([0; BATCH * BLOCK])
    }

    /// Returns the positions of the bits in the first `count` masks, in ascending order.
    #[inline(always)]
    pub(super) fn find<B: Block>(&mut self, machine: B::Machine, row: &Row, count: usize) -> &[u16] {
        let mut length = 0;
        for (index, mask) in row.iter().take(count).enumerate() {
            let Some(list) = self.0.get_mut(length..).and_then(|rest| rest.first_chunk_mut()) else { break };
            B::positions(machine, *mask, (index * BLOCK) as u16, list);
            length += mask.count_ones() as usize;
        }
        self.0.get(..length).unwrap_or_default()
    }
}
