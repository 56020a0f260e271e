//! The brackets of a document, found 64 bytes at a time, as the validator does it (see `validator`).

use super::block::Block;
use super::validator::{BLOCK, begin_of_escapes, take_lowest};

/// So many blocks are looked at together.
const BATCH: usize = 32;

/// Goes from bracket to bracket, those in strings left out, in a text that begins outside of strings.
pub struct Brackets<'t> {
    text: &'t [u8],
    /// The first block of the next batch.
    behind: usize,
    /// A bit: the first byte behind the batch is escaped.
    escaped: u64,
    /// All bits: it is inside of a string.
    inside: u64,
    batch: [Marks; BATCH],
    /// What has not been told of this block of the batch.
    left: u64,
    block: usize,
    look: Look,
}

/// Looks at the next batch with some kind of vectors.
pub(super) type Look = fn(&mut Brackets);

/// Which bytes of a block are brackets, a bit for each.
#[derive(Clone, Copy, Default)]
struct Marks {
    open: u64,
    close: u64,
}

impl<'t> Brackets<'t> {
    /// In a text.
    pub fn new(text: &'t [u8]) -> Brackets<'t> {
        Brackets::found_by(super::look_for_brackets, text)
    }

    pub(super) fn found_by(look: Look, text: &'t [u8]) -> Brackets<'t> {
        let batch = [Marks::default(); BATCH];
        Brackets { text, behind: 0, escaped: 0, inside: 0, batch, left: 0, block: BATCH - 1, look }
    }

    /// Looks at the next batch.
    #[inline(always)]
    pub(super) fn look<B: Block>(&mut self, machine: B::Machine) {
        for index in 0..BATCH {
            let mut padded = [b' '; BLOCK];
            let rest = self.text.get((self.behind + index) * BLOCK..).unwrap_or_default();
            let block = rest.first_chunk().unwrap_or_else(|| {
                padded[..rest.len()].copy_from_slice(rest);
                &padded
            });
            self.batch[index] = self.marks(machine, B::load(machine, block));
        }
        self.behind += BATCH;
    }

    #[inline(always)]
    fn marks<B: Block>(&mut self, machine: B::Machine, block: B) -> Marks {
        let mut quotes = block.equal(b'"');
        let backslashes = block.equal(b'\\');
        if backslashes | self.escaped != 0 {
            let escapes = begin_of_escapes(backslashes & !self.escaped);
            quotes &= !(escapes << 1 | self.escaped);
            self.escaped = escapes >> 63;
        }
        let inside = B::parity(machine, quotes) ^ self.inside;
        self.inside = ((inside as i64) >> 63) as u64;
        let curly = block.as_curly();
        Marks { open: curly.equal(b'{') & !inside, close: curly.equal(b'}') & !inside }
    }
}

impl Iterator for Brackets<'_> {
    /// Where a bracket stands, and whether it opens.
    type Item = (usize, bool);

    #[inline]
    fn next(&mut self) -> Option<(usize, bool)> {
        while self.left == 0 {
            self.block += 1;
            if self.block == BATCH {
                if self.behind * BLOCK >= self.text.len() {
                    self.block -= 1;
                    return None;
                }
                (self.look)(self);
                self.block = 0;
            }
            let Marks { open, close } = self.batch[self.block % BATCH];
            self.left = open | close;
        }
        let at = take_lowest(&mut self.left);
        let opens = self.batch[self.block % BATCH].open >> at & 1 == 1;
        Some(((self.behind + self.block - BATCH) * BLOCK + at, opens))
    }
}
