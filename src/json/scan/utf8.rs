//! Validates UTF-8 with the masks of blocks.
//!
//! A lead byte requires one to three continuation bytes. Shifting the masks of lead bytes gives the places where these
//! are expected, which must be exactly the places where they are found. In addition, the first continuation byte after
//! E0, ED, F0 and F4 has a smaller range, which rules out overlong encodings, surrogates, and values above U+10FFFF.

use super::vector::Block;

/// What the blocks processed so far require of the next one.
#[derive(Clone, Copy, Debug)]
pub(super) struct Utf8 {
    /// Where it must have continuation bytes.
    continuation: u64,
    /// As bit 0: whether the preceding byte was this one.
    e0: u64,
    ed: u64,
    f0: u64,
    f4: u64,
}

impl Utf8 {
    pub(super) const fn new() -> Utf8 {
        Utf8 { continuation: 0, e0: 0, ed: 0, f0: 0, f4: 0 }
    }

    /// Whether the next block may not begin with a character.
    #[inline(always)]
    pub(super) fn is_incomplete(&self) -> bool {
        self.continuation != 0
    }

    /// Checks a block. Returns the mask of wrong bytes.
    #[inline(always)]
    pub(super) fn check<B: Block>(&mut self, block: B, non_ascii: u64) -> u64 {
        let lead = non_ascii & !block.at_most(0xbf);
        let lead_of_3 = non_ascii & !block.at_most(0xdf);
        let lead_of_4 = non_ascii & !block.at_most(0xef);
        let continuation = lead << 1 | lead_of_3 << 2 | lead_of_4 << 3 | self.continuation;
        self.continuation = lead >> 63 | lead_of_3 >> 62 | lead_of_4 >> 61;
        let mut error = continuation ^ non_ascii & !lead;
        // C0 and C1 begin overlong encodings of ASCII.
        error |= lead & block.at_most(0xc1);
        if lead_of_3 != 0 || self.e0 | self.ed | self.f0 | self.f4 != 0 {
            let to_8f = block.at_most(0x8f);
            let to_9f = block.at_most(0x9f);
            error |= lead_of_4 & !block.at_most(0xf4);
            error |= after(block.equal(0xe0), &mut self.e0) & to_9f;
            error |= after(block.equal(0xed), &mut self.ed) & !to_9f;
            error |= after(block.equal(0xf0), &mut self.f0) & to_8f;
            error |= after(block.equal(0xf4), &mut self.f4) & !to_8f;
        }
        error
    }
}

/// The bytes directly after these.
#[inline(always)]
fn after(bytes: u64, carry: &mut u64) -> u64 {
    let after = bytes << 1 | *carry;
    *carry = bytes >> 63;
    after
}
