//! Whether a text is JSON in UTF-8, found while it grows.
//!
//! The text is looked at 64 bytes at a time. Which of them are quotes, brackets, white space and so on becomes a bit
//! mask each (see `block`), and what the grammar demands is asked of all 64 at once, with the arithmetic of integers:
//!
//! - A quote that is not escaped begins or ends a string: a byte is inside where the number of quotes before is odd.
//! - What stands outside of strings, and is neither white space nor one of `{}[]:,`, is part of a number or a word.
//! - Values and these six alternate: a value follows `[`, `:` or `,`, and nothing else does. Where the byte behind one
//!   of them is white space, adding a bit there to the mask of white space carries it to the byte behind.
//! - A key is a string with a colon behind it, and a colon has an opening bracket or a comma before it: what of the six
//!   comes next is found by a sum in the same way.
//! - The rest is whether members stand in objects and elements in arrays. All commas between two brackets are in the
//!   same array or object, so only the brackets are looked at one after the other. They are kept one bit each,
//!   outside of the call stack: no depth of nesting overflows it.
//! - Numbers, words and escapes are looked at where they stand, when all of their bytes are there.
//!
//! What one block leaves to the next are a few bits (`Carry`), so the text may come in any portions.

use super::block::Block;
use super::{Fault, is_plain_number, number_end};

/// Bytes in a block.
pub(super) const BLOCK: usize = 64;

/// So many blocks are looked at together, for one question after the other: what one question needs fits into the
/// processor's registers, what all of them need does not.
const BATCH: usize = 16;

/// An escape that begins in a block has no more bytes behind it.
const LONGEST_ESCAPE: usize = 8;

/// Arrays and objects up to this size are not worth remembering.
const SMALL: usize = 128;

/// Arrays and objects inside of fewer than this many others are remembered: the outputs of nodes are the innermost.
const SHALLOW: usize = 4;

/// Where an array or object begins and ends.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Extent {
    /// Its opening bracket.
    pub start: usize,
    /// Behind its closing bracket.
    pub end: usize,
}

/// What is known of a text after its first bytes.
#[derive(Debug)]
pub(super) struct Validator {
    /// So many bytes have been looked at.
    at: usize,
    /// A bit: the first byte of the next block is escaped.
    escaped: u64,
    utf8: Utf8,
    carry: Carry,
    /// Where the number or word begins that was not at its end.
    begun: Option<usize>,
    /// The kinds of the innermost open brackets, the innermost lowest: set for an object. Above them stands one more
    /// bit, by which it is known how many there are.
    kinds: u64,
    /// The kinds of those further out, some in each word, in the same way.
    outer: Vec<u64>,
    extents: Vec<Extent>,
    /// The positions in `extents` of those that are open.
    unfinished: [usize; SHALLOW],
    fault: Option<Fault>,
}

/// What a block leaves to the next for the grammar: bits for its first byte, if not said otherwise.
#[derive(Clone, Copy, Debug)]
struct Carry {
    /// It is inside of a string: all bits.
    inside: u64,
    /// The byte before is part of a number or a word.
    scalar: u64,
    /// The last token, white space left aside, was `{`, `[` or a comma.
    element: u64,
    /// It was a comma or a colon.
    separator: u64,
    /// The last one of `{}[]:,` was `{`, `[` or a comma.
    bare: u64,
}

/// Kinds of fewer brackets than some levels have; and of as many as fit into a word.
const FEW: u64 = 2 << SHALLOW;
const MANY: u64 = 1 << 63;

/// What is still to come of characters that have begun.
#[derive(Clone, Copy, Debug)]
struct Utf8 {
    /// Continuation bytes are expected here.
    continued: u64,
    /// The byte before is one that not every continuation may follow.
    e0: u64,
    ed: u64,
    f0: u64,
    f4: u64,
}

/// A mask for each block of a batch.
type Row = [u64; BATCH];

const NONE: Row = [0; BATCH];

/// What is known of the blocks of a batch, a bit for each byte. Where the masks of one block do not depend on those of the
/// one before, the same is done with all of a row: compilers make vectors of that. What is behind the last block of a
/// smaller batch is not looked at in the end.
struct Rows {
    backslash: Row,
    /// A bit for each block that has a backslash.
    with_backslashes: u64,
    /// Quotes, in the end without those that are escaped.
    quote: Row,
    /// No ASCII.
    high: Row,
    control: Row,
    /// White space, and the rest up to `colon`: in the end only outside of strings.
    white: Row,
    /// `{` and `[`
    open: Row,
    /// `}` and `]`
    close: Row,
    comma: Row,
    colon: Row,
    /// Inside of a string, its opening quote included.
    inside: Row,
    /// Numbers and words begin here.
    scalar_start: Row,
    /// Numbers and words end before these.
    scalar_end: Row,
    /// What stands in arrays only.
    of_array: Row,
    /// What is directly in an object.
    in_object: Row,
    /// What cannot stand here.
    wrong: Row,
}

/// Nothing is wrong up to the end of all texts.
const NOWHERE: usize = usize::MAX;

impl Validator {
    pub(super) const fn new() -> Validator {
        // A document begins with what may stand behind a colon.
        let carry = Carry { inside: 0, scalar: 0, element: 0, separator: 1, bare: 0 };
        Validator {
            at: 0,
            escaped: 0,
            utf8: Utf8 { continued: 0, e0: 0, ed: 0, f0: 0, f4: 0 },
            carry,
            begun: None,
            kinds: 1,
            outer: Vec::new(),
            extents: Vec::new(),
            unfinished: [0; SHALLOW],
            fault: None,
        }
    }

    /// Looks at what has come behind that which was looked at before; at all of it where the text is whole.
    #[inline(always)]
    pub(super) fn look<B: Block>(&mut self, machine: B::Machine, text: &[u8], is_whole: bool) {
        if !is_whole && text.len() < self.at + BLOCK + LONGEST_ESCAPE {
            return;
        }
        let mut rows = Rows::new();
        while let (None, Some(rest)) = (self.fault, text.get(self.at..)) {
            let ready = if is_whole { rest.len() } else { rest.len().saturating_sub(LONGEST_ESCAPE) } / BLOCK;
            let mut padded = [[b' '; BLOCK]];
            let mut blocks = &rest.as_chunks().0[..ready.min(BATCH)];
            if blocks.is_empty() && is_whole {
                // White space behind the text changes nothing, and ends what is at its end.
                padded[0][..rest.len()].copy_from_slice(rest);
                blocks = &padded;
            } else if blocks.is_empty() {
                break;
            }
            let wrong = self.batch::<B>(machine, text, blocks, &mut rows);
            if wrong != NOWHERE {
                self.fault = self.fault.or(Some(Fault::Malformed { at: wrong }));
            }
            self.at += blocks.len() * BLOCK;
        }
    }

    /// Where the arrays and objects of a whole text, which was looked at, begin and end: those that are large and not
    /// within many others. Else what is wrong with the text.
    pub(super) fn conclude(self, length: usize) -> Result<Vec<Extent>, Fault> {
        let Carry { inside, element, separator, .. } = self.carry;
        match self.fault {
            Some(Fault::Malformed { at }) => Err(Fault::Malformed { at: at.min(length) }),
            Some(fault) => Err(fault),
            None if inside | element | separator != 0 || self.kinds != 1 => {
                Err(Fault::Malformed { at: length })
            }
            None => Ok(self.extents),
        }
    }

    /// Looks at some blocks. Returns a byte that is wrong.
    #[inline(always)]
    fn batch<B: Block>(
        &mut self,
        machine: B::Machine,
        text: &[u8],
        blocks: &[[u8; BLOCK]],
        rows: &mut Rows,
    ) -> usize {
        rows.find::<B>(machine, blocks);
        let mut first = self.escapes(text, blocks.len(), rows);
        self.strings::<B>(machine, blocks.len(), rows);
        self.unusual::<B>(machine, blocks, rows);
        self.grammar(blocks.len(), rows);
        self.brackets(blocks, rows);
        first = first.min(self.scalars(text, blocks.len(), rows));
        rows.judge();
        let wrong = &rows.wrong[..blocks.len()];
        if wrong.iter().fold(0, |all, wrong| all | wrong) != 0 {
            first = first.min(self.at + first_of(wrong));
        }
        first
    }

    /// Takes the quotes away that are escaped. Returns where the first escape is wrong that is.
    #[inline(always)]
    fn escapes(&mut self, text: &[u8], count: usize, rows: &mut Rows) -> usize {
        let mut first = NOWHERE;
        let mut with_escapes = rows.with_backslashes | self.escaped;
        while with_escapes != 0 {
            let index = take_lowest(&mut with_escapes) % BATCH;
            let begin = begin_of_escapes(rows.backslash[index] & !self.escaped);
            rows.quote[index] &= !(begin << 1 | self.escaped);
            self.escaped = begin >> 63;
            first = first.min(wrong_escape(text, self.at + index * BLOCK, begin));
            if index + 1 < count {
                with_escapes |= self.escaped << (index + 1);
            }
        }
        first
    }

    /// Looks more closely at blocks that have more than printable ASCII.
    #[inline(always)]
    fn unusual<B: Block>(&mut self, machine: B::Machine, blocks: &[[u8; BLOCK]], rows: &mut Rows) {
        for (index, block) in blocks.iter().enumerate() {
            rows.wrong[index] = 0;
            if rows.high[index] | self.utf8.continued != 0 {
                rows.wrong[index] = self.utf8.wrong(B::load(machine, block), rows.high[index]);
            }
            // What else is a control character will be taken for a part of a number, which it is not.
            if rows.control[index] != 0 {
                let block = B::load(machine, block);
                rows.white[index] |= block.equal(b'\n') | block.equal(b'\r') | block.equal(b'\t');
            }
        }
    }

    /// Finds what is inside of strings.
    #[inline(always)]
    fn strings<B: Block>(&mut self, machine: B::Machine, count: usize, rows: &mut Rows) {
        for (inside, quote) in rows.inside.iter_mut().zip(rows.quote).take(count) {
            *inside = B::parity(machine, quote) ^ self.carry.inside;
            self.carry.inside = ((*inside as i64) >> 63) as u64;
        }
    }

    /// Which token may follow which, brackets left aside.
    #[inline(always)]
    fn grammar(&mut self, count: usize, rows: &mut Rows) {
        let [mut opening, mut separator, mut others, mut scalar] = [NONE; 4];
        let mut white = 0;
        for index in 0..BATCH {
            let inside = rows.inside[index];
            for mask in [&mut rows.white, &mut rows.open, &mut rows.close, &mut rows.comma, &mut rows.colon] {
                mask[index] &= !inside;
            }
            opening[index] = rows.open[index] | rows.comma[index];
            separator[index] = rows.comma[index] | rows.colon[index];
            others[index] = !(opening[index] | separator[index] | rows.close[index]);
            scalar[index] = others[index] & !(inside | rows.quote[index] | rows.white[index]);
            white |= rows.white[index];
        }
        let behind_scalar = behind(&scalar, count, &mut self.carry.scalar);
        let (element, separated) = if white == 0 {
            (
                behind(&opening, count, &mut self.carry.element),
                behind(&separator, count, &mut self.carry.separator),
            )
        } else {
            (
                follow(&opening, count, &mut self.carry.element, &rows.white),
                follow(&separator, count, &mut self.carry.separator, &rows.white),
            )
        };
        let bare = follow(&opening, count, &mut self.carry.bare, &others);
        for index in 0..BATCH {
            let (open, close) = (rows.open[index], rows.close[index]);
            let (comma, colon) = (rows.comma[index], rows.colon[index]);
            let start = scalar[index] & !behind_scalar[index];
            let expected = element[index] | separated[index];
            let value = rows.quote[index] & rows.inside[index] | open | start;
            rows.wrong[index] |= rows.control[index] & rows.inside[index]
                | (value ^ expected) & !close
                | close & separated[index]
                | colon & !bare[index];
            rows.of_array[index] =
                element[index] & (open | start) | bare[index] & (comma | close) & !expected;
            rows.scalar_start[index] = start;
            rows.scalar_end[index] = behind_scalar[index] & !scalar[index];
        }
    }

    /// Looks at the numbers and words that end in these blocks. Returns where the first wrong one is wrong.
    #[inline(always)]
    fn scalars(&mut self, text: &[u8], count: usize, rows: &Rows) -> usize {
        let mut begun = self.begun;
        for index in 0..count.min(BATCH) {
            let base = self.at + index * BLOCK;
            let mut starts = rows.scalar_start[index];
            let mut ends = rows.scalar_end[index];
            while ends != 0 {
                let start = begun.take().unwrap_or_else(|| base + take_lowest(&mut starts));
                let wrong = wrong_in_scalar(text, start, base + take_lowest(&mut ends));
                if wrong != NOWHERE {
                    return wrong;
                }
            }
            if starts != 0 {
                begun = Some(base + starts.trailing_zeros() as usize);
            }
        }
        self.begun = begun;
        NOWHERE
    }

    /// Goes from bracket to bracket, to tell what is directly in an object. A closing bracket of the wrong kind is wrong.
    #[inline(always)]
    fn brackets(&mut self, blocks: &[[u8; BLOCK]], rows: &mut Rows) {
        let mut kinds = self.kinds;
        for (index, block) in blocks.iter().enumerate() {
            let (open, close) = (rows.open[index], rows.close[index]);
            let mut left = open | close;
            if kinds == 1 {
                rows.wrong[index] |= rows.comma[index] & (left & left.wrapping_neg()).wrapping_sub(1);
            }
            // All bits where the innermost brackets are those of an object. Behind each bracket that may change.
            let mut in_object = (kinds & 1).wrapping_neg();
            let mut differs = 0;
            while left != 0 {
                let at = take_lowest(&mut left);
                let is_object = u64::from(block[at % BLOCK] >> 5 & 1);
                let is_open = open >> at & 1 == 1;
                let before = kinds;
                kinds = if is_open { before << 1 | is_object } else { before >> 1 };
                // Few brackets are in the word, or it is full.
                if kinds.wrapping_sub(FEW) >= MANY - FEW {
                    match self.edge(is_open, kinds, self.at + index * BLOCK + at) {
                        Some(moved) => kinds = moved,
                        None => {
                            rows.wrong[index] |= 1 << at;
                            return;
                        }
                    }
                    if kinds == 1 {
                        rows.wrong[index] |= rows.comma[index] & u64::MAX << at;
                    }
                }
                differs |= ((before ^ is_object) & 1) << at;
                in_object ^= (((before ^ kinds) & 1) << at).wrapping_neg() << 1;
            }
            rows.in_object[index] = in_object;
            rows.wrong[index] |= differs & close;
        }
        self.kinds = kinds;
    }

    /// A bracket by which so few or so many are open that it is not only a matter of one bit. Returns the kinds that
    /// are the innermost now; nothing where the bracket closes none, or where there is no memory.
    #[cold]
    fn edge(&mut self, is_open: bool, kinds: u64, at: usize) -> Option<u64> {
        let result = match kinds {
            0 => return None,
            // The innermost one stays.
            MANY.. => match push(&mut self.outer, kinds >> 1) {
                Ok(()) => return Some(2 | kinds & 1),
                fault => fault,
            },
            _ if !self.outer.is_empty() => return if kinds == 1 { self.outer.pop() } else { Some(kinds) },
            _ => match (kinds.ilog2() as usize).wrapping_sub(is_open.into()) {
                level @ 1..SHALLOW if is_open => {
                    self.unfinished[level] = self.extents.len();
                    push(&mut self.extents, Extent { start: at, end: at })
                }
                level @ 1..SHALLOW => {
                    self.close(self.unfinished[level], at);
                    Ok(())
                }
                _ => Ok(()),
            },
        };
        result.map(|()| kinds).map_err(|fault| self.fault = Some(fault)).ok()
    }

    /// The array or object at this position in `extents` ends at `at`.
    fn close(&mut self, own: usize, at: usize) {
        match self.extents.get_mut(own) {
            Some(extent) if at - extent.start >= SMALL => extent.end = at + 1,
            // What is inside of a small one is small, and gone already.
            _ => self.extents.truncate(own),
        }
    }
}

impl Rows {
    const fn new() -> Rows {
        Rows {
            backslash: NONE,
            with_backslashes: 0,
            quote: NONE,
            high: NONE,
            control: NONE,
            white: NONE,
            open: NONE,
            close: NONE,
            comma: NONE,
            colon: NONE,
            inside: NONE,
            scalar_start: NONE,
            scalar_end: NONE,
            of_array: NONE,
            in_object: NONE,
            wrong: NONE,
        }
    }

    /// Finds the bytes that mean something, wherever they stand.
    #[inline(always)]
    fn find<B: Block>(&mut self, machine: B::Machine, blocks: &[[u8; BLOCK]]) {
        let mut with_backslashes = 0;
        for (index, block) in blocks.iter().enumerate() {
            let block = B::load(machine, block);
            let folded = block.as_curly();
            let backslash = block.equal(b'\\');
            self.backslash[index] = backslash;
            with_backslashes |= u64::from(backslash != 0) << index;
            self.quote[index] = block.equal(b'"');
            self.high[index] = block.high();
            self.control[index] = block.at_most(0x1f);
            self.white[index] = block.equal(b' ');
            self.open[index] = folded.equal(b'{');
            self.close[index] = folded.equal(b'}');
            self.comma[index] = block.equal(b',');
            self.colon[index] = block.equal(b':');
        }
        self.with_backslashes = with_backslashes;
    }

    /// What stands in brackets of the wrong kind is wrong.
    #[inline(always)]
    fn judge(&mut self) {
        for index in 0..BATCH {
            let in_object = self.in_object[index];
            self.wrong[index] |= self.of_array[index] & in_object | self.colon[index] & !in_object;
        }
    }
}

fn push<T>(list: &mut Vec<T>, value: T) -> Result<(), Fault> {
    list.try_reserve(1).map_err(|_| Fault::OutOfMemory)?;
    list.push(value);
    Ok(())
}

/// The bytes behind these.
#[inline(always)]
fn behind(tokens: &Row, count: usize, carry: &mut u64) -> Row {
    let mut carries = [0; BATCH + 1];
    carries[0] = *carry;
    let mut behind = NONE;
    for index in 0..BATCH {
        carries[index + 1] = tokens[index] >> 63;
    }
    for index in 0..BATCH {
        behind[index] = tokens[index] << 1 | carries[index];
    }
    *carry = carries[count.min(BATCH)];
    behind
}

/// The first bytes behind these tokens that are not of what they are followed `through`.
#[inline(always)]
fn follow(tokens: &Row, count: usize, carry: &mut u64, through: &Row) -> Row {
    let mut behind = NONE;
    for index in 0..count.min(BATCH) {
        // A bit that is added to the first of neighbouring ones is carried behind the last of them.
        let (sum, overflows) = through[index].overflowing_add(tokens[index] << 1 | *carry);
        *carry = tokens[index] >> 63 | u64::from(overflows);
        behind[index] = sum & !through[index];
    }
    behind
}

/// The position of the first bit in masks of which one has a bit at least.
#[cold]
fn first_of(masks: &[u64]) -> usize {
    let index = masks.iter().position(|mask| *mask != 0).unwrap_or(0);
    index * BLOCK + masks[index].trailing_zeros() as usize
}

/// The position of the lowest bit, which is taken away; 64 where there is none.
#[inline(always)]
pub(super) fn take_lowest(mask: &mut u64) -> usize {
    let lowest = mask.trailing_zeros() as usize;
    *mask &= mask.wrapping_sub(1);
    lowest
}

/// The backslashes that begin an escape, of all that are not escaped by the block before.
#[inline(always)]
pub(super) fn begin_of_escapes(mut backslashes: u64) -> u64 {
    let mut begin = 0;
    while backslashes != 0 {
        let escape = backslashes & backslashes.wrapping_neg();
        begin |= escape;
        backslashes &= !(escape | escape << 1);
    }
    begin
}

/// Where the first escape is wrong that is.
#[inline(always)]
fn wrong_escape(text: &[u8], base: usize, mut begin: u64) -> usize {
    while begin != 0 {
        let at = base + begin.trailing_zeros() as usize + 1;
        begin &= begin - 1;
        let is_good = match text.get(at) {
            Some(b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't') => true,
            // Whether the four digits mean a character is not asked.
            Some(b'u') => {
                text.get(at + 1..at + 5).is_some_and(|digits| digits.iter().all(u8::is_ascii_hexdigit))
            }
            _ => false,
        };
        if !is_good {
            return at;
        }
    }
    NOWHERE
}

/// Where a number or a word is wrong.
#[inline(always)]
fn wrong_in_scalar(text: &[u8], start: usize, end: usize) -> usize {
    if is_plain_number(text, start, end - start) {
        return NOWHERE;
    }
    let is_word = match text.get(start..).unwrap_or_default() {
        [b't', b'r', b'u', b'e', ..] | [b'n', b'u', b'l', b'l', ..] => end - start == 4,
        [b'f', b'a', b'l', b's', b'e', ..] => end - start == 5,
        _ => return wrong_in_number(text, start, end),
    };
    if is_word { NOWHERE } else { start }
}

fn wrong_in_number(text: &[u8], start: usize, end: usize) -> usize {
    match number_end(text, start) {
        Ok(found) if found == end => NOWHERE,
        Ok(found) => found,
        Err(at) => at,
    }
}

impl Utf8 {
    /// Bytes that do not belong into UTF-8.
    #[inline(always)]
    fn wrong<B: Block>(&mut self, block: B, high: u64) -> u64 {
        let lead = high & !block.at_most(0xbf);
        let long = high & !block.at_most(0xdf);
        let longest = high & !block.at_most(0xef);
        let continued = lead << 1 | long << 2 | longest << 3 | self.continued;
        self.continued = lead >> 63 | long >> 62 | longest >> 61;
        let mut wrong = continued ^ high & !lead;
        // Too short, a surrogate, or beyond the last character.
        wrong |= lead & block.at_most(0xc1);
        if long != 0 || self.e0 | self.ed | self.f0 | self.f4 != 0 {
            let low = block.at_most(0x8f);
            let middle = block.at_most(0x9f);
            wrong |= longest & !block.at_most(0xf4);
            wrong |= next_to(block.equal(0xe0), &mut self.e0) & middle;
            wrong |= next_to(block.equal(0xed), &mut self.ed) & !middle;
            wrong |= next_to(block.equal(0xf0), &mut self.f0) & low;
            wrong |= next_to(block.equal(0xf4), &mut self.f4) & !low;
        }
        wrong
    }
}

#[inline(always)]
fn next_to(bytes: u64, carry: &mut u64) -> u64 {
    let next = bytes << 1 | *carry;
    *carry = bytes >> 63;
    next
}
