//! An iterator over the brackets of a document, which finds them 64 bytes at a time.

use super::dispatch;
use super::masks::{escape_starts, pop_lowest_bit};
use super::vector::{BLOCK, Block, Kernel};

/// Blocks in a batch.
const BATCH: usize = 32;

/// Iterates over the brackets outside of strings. The text must begin outside of a string.
pub struct Brackets<'t> {
    text: &'t [u8],
    /// Number of blocks that have been read.
    blocks: usize,
    /// As bit 0: whether the first byte of the next block is escaped.
    escaped: u64,
    /// All bits set if the next block begins inside of a string, else none.
    in_string: u64,
    batch: [BracketMasks; BATCH],
    /// The block of the batch that is being iterated over.
    index: usize,
    /// Its brackets that have not been returned yet.
    remaining: u64,
    read_batch: ReadBatch,
}

/// A function that reads the next batch, with some kind of block.
pub(super) type ReadBatch = fn(BatchReader);

/// The kernel that reads the next batch.
pub(super) struct BatchReader<'b, 't>(&'b mut Brackets<'t>);

/// The brackets of a block that are outside of strings.
#[derive(Clone, Copy, Default)]
struct BracketMasks {
    open: u64,
    close: u64,
}

impl<'t> Brackets<'t> {
    /// Starts at the beginning of the text.
    pub fn new(text: &'t [u8]) -> Brackets<'t> {
        Brackets::read_by(|reader| dispatch(reader), text)
    }

    pub(super) fn read_by(read_batch: ReadBatch, text: &'t [u8]) -> Brackets<'t> {
        let batch = [BracketMasks::default(); BATCH];
        Brackets {
            text,
            blocks: 0,
            escaped: 0,
            in_string: 0,
            batch,
            index: BATCH - 1,
            remaining: 0,
            read_batch,
        }
    }

    #[inline(always)]
    fn find_brackets<B: Block>(&mut self, machine: B::Machine, block: B) -> BracketMasks {
        let mut quotes = block.equal(b'"');
        let backslashes = block.equal(b'\\');
        if backslashes | self.escaped != 0 {
            let escapes = escape_starts(backslashes & !self.escaped);
            quotes &= !(escapes << 1 | self.escaped);
            self.escaped = escapes >> 63;
        }
        let in_string = B::prefix_xor(machine, quotes) ^ self.in_string;
        self.in_string = ((in_string as i64) >> 63) as u64;
        let folded = block.fold_brackets();
        BracketMasks { open: folded.equal(b'{') & !in_string, close: folded.equal(b'}') & !in_string }
    }
}

impl Kernel for BatchReader<'_, '_> {
    #[inline(always)]
    fn run<B: Block>(self, machine: B::Machine) {
        let BatchReader(brackets) = self;
        for index in 0..BATCH {
            let mut padded = [b' '; BLOCK];
            let rest = brackets.text.get((brackets.blocks + index) * BLOCK..).unwrap_or_default();
            let block = rest.first_chunk().unwrap_or_else(|| {
                padded[..rest.len()].copy_from_slice(rest);
                &padded
            });
            brackets.batch[index] = brackets.find_brackets(machine, B::load(machine, block));
        }
        brackets.blocks += BATCH;
    }
}

impl Iterator for Brackets<'_> {
    /// The offset of a bracket, and whether it opens.
    type Item = (usize, bool);

    #[inline]
    fn next(&mut self) -> Option<(usize, bool)> {
        while self.remaining == 0 {
            self.index += 1;
            if self.index == BATCH {
                if self.blocks * BLOCK >= self.text.len() {
                    self.index -= 1;
                    return None;
                }
                (self.read_batch)(BatchReader(self));
                self.index = 0;
            }
            let BracketMasks { open, close } = self.batch[self.index % BATCH];
            self.remaining = open | close;
        }
        let at = pop_lowest_bit(&mut self.remaining);
        let opens = self.batch[self.index % BATCH].open >> at & 1 == 1;
        Some(((self.blocks + self.index - BATCH) * BLOCK + at, opens))
    }
}
