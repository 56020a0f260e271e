//! Whether a text is JSON in UTF-8, found while it grows.
//!
//! The text is looked at 64 bytes at a time. Which of them are quotes, brackets, white space and so on becomes a bit
//! mask each (see `block`), and what the grammar demands is asked of all 64 at once, with the arithmetic of integers:
//!
//! - A quote that is not escaped begins or ends a string: a byte is inside where the number of quotes before is odd.
//! - What stands outside of strings, and is neither white space nor one of `{}[]:,`, is part of a number or a word.
//! - Most of the grammar is about neighbours: a value follows `[`, `:` or `,`, and nothing else does. Where the byte
//!   behind a token is white space, adding a bit there to the mask of white space carries it to the byte behind.
//!   In the same way a bit gets from the beginning of a string to its end.
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

/// Arrays and objects up to this size are not worth to be remembered.
const SMALL: usize = 128;

/// Arrays and objects inside of fewer than this many others are remembered: the outputs of nodes are the innermost.
const SHALLOW: usize = 4;

/// Where an array or object begins and ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
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
    scalar_start: Option<usize>,
    /// How many brackets are open.
    depth: usize,
    /// The kinds of the innermost up to 64, the innermost lowest: set for an object.
    kinds: u64,
    /// The kinds of those further out, 64 in a word.
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
    /// It is inside of a string that stands behind `{`, `[` or a comma.
    in_first: u64,
    /// The last token was such a string.
    first: u64,
}

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

/// What is known of a block, a bit for each byte.
#[derive(Clone, Copy, Default)]
struct Masks {
    backslash: u64,
    /// Quotes, in the end without those that are escaped.
    quote: u64,
    control: u64,
    /// White space, and the rest up to `colon`: in the end only outside of strings.
    white: u64,
    /// `{` and `[`
    open: u64,
    /// `}` and `]`
    close: u64,
    comma: u64,
    colon: u64,
    /// No ASCII.
    high: u64,
    /// Numbers and words begin here.
    scalar_start: u64,
    /// Numbers and words end before these.
    scalar_end: u64,
    /// What stands in arrays only.
    of_array: u64,
    /// What cannot stand here.
    wrong: u64,
}

/// Nothing is wrong up to the end of all texts.
const NOWHERE: usize = usize::MAX;

impl Validator {
    pub(super) const fn new() -> Validator {
        // A document begins with what may stand behind a colon.
        let carry = Carry { inside: 0, scalar: 0, element: 0, separator: 1, in_first: 0, first: 0 };
        Validator {
            at: 0,
            escaped: 0,
            utf8: Utf8 { continued: 0, e0: 0, ed: 0, f0: 0, f4: 0 },
            carry,
            scalar_start: None,
            depth: 0,
            kinds: 0,
            outer: Vec::new(),
            extents: Vec::new(),
            unfinished: [0; SHALLOW],
            fault: None,
        }
    }

    /// Looks at what has come behind that which was looked at before; at all of it where the text is whole.
    #[inline(always)]
    pub(super) fn look<B: Block>(&mut self, text: &[u8], is_whole: bool) {
        if !is_whole && text.len() < self.at + BLOCK + LONGEST_ESCAPE {
            return;
        }
        let mut masks = [Masks::default(); BATCH];
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
            let wrong = self.batch::<B>(text, blocks, &mut masks[..blocks.len()]);
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
            None if inside | element | separator != 0 || self.depth > 0 => {
                Err(Fault::Malformed { at: length })
            }
            None => Ok(self.extents),
        }
    }

    /// Looks at some blocks. Returns the first byte that is wrong.
    #[inline(always)]
    fn batch<B: Block>(&mut self, text: &[u8], blocks: &[[u8; BLOCK]], masks: &mut [Masks]) -> usize {
        for (masks, block) in masks.iter_mut().zip(blocks) {
            *masks = Masks::of(B::load(block));
        }
        let mut first = self.escapes(text, masks);
        self.unusual::<B>(blocks, masks);
        self.grammar::<B>(masks);
        first = first.min(self.scalars(text, masks));
        self.brackets(blocks, masks);
        if masks.iter().fold(0, |wrong, masks| wrong | masks.wrong) != 0 {
            first = first.min(self.first_wrong(masks));
        }
        first
    }

    /// Takes the quotes away that are escaped. Returns where the first escape is wrong that is.
    #[inline(always)]
    fn escapes(&mut self, text: &[u8], all: &mut [Masks]) -> usize {
        let mut first = NOWHERE;
        for (index, masks) in all.iter_mut().enumerate() {
            if masks.backslash | self.escaped == 0 {
                continue;
            }
            let begin = begin_of_escapes(masks.backslash & !self.escaped);
            masks.quote &= !(begin << 1 | self.escaped);
            self.escaped = begin >> 63;
            first = first.min(wrong_escape(text, self.at + index * BLOCK, begin));
        }
        first
    }

    /// Looks more closely at blocks that have more than printable ASCII.
    #[inline(always)]
    fn unusual<B: Block>(&mut self, blocks: &[[u8; BLOCK]], all: &mut [Masks]) {
        for (masks, block) in all.iter_mut().zip(blocks) {
            if masks.high | self.utf8.continued != 0 {
                masks.wrong = self.utf8.wrong(B::load(block), masks.high);
            }
            // What else is a control character will be taken for a part of a number, which it is not.
            if masks.control != 0 {
                let block = B::load(block);
                masks.white |= block.equal(b'\n') | block.equal(b'\r') | block.equal(b'\t');
            }
        }
    }

    /// Which token may follow which, brackets left aside.
    #[inline(always)]
    fn grammar<B: Block>(&mut self, all: &mut [Masks]) {
        let mut carry = self.carry;
        for masks in all {
            let inside = B::parity(masks.quote) ^ carry.inside;
            carry.inside = ((inside as i64) >> 63) as u64;
            let string = masks.quote & inside;
            let white = masks.white & !inside;
            let open = masks.open & !inside;
            let close = masks.close & !inside;
            let comma = masks.comma & !inside;
            let colon = masks.colon & !inside;

            let scalar = !(inside | masks.quote | white | open | close | comma | colon);
            let behind_scalar = scalar << 1 | carry.scalar;
            carry.scalar = scalar >> 63;
            masks.scalar_start = scalar & !behind_scalar;
            masks.scalar_end = behind_scalar & !scalar;

            let element = follow(open | comma, &mut carry.element, white);
            let separated = follow(comma | colon, &mut carry.separator, white);
            let first = pass(string & element, &mut carry.in_first, inside);
            let behind_first = follow(first, &mut carry.first, white);
            let value = string | open | masks.scalar_start;
            masks.wrong |= masks.control & inside
                | value & !(element | separated)
                | (comma | colon) & (element | separated)
                | close & separated
                | colon & !behind_first;
            masks.of_array = element & (open | masks.scalar_start) | behind_first & !colon;
            (masks.open, masks.close, masks.comma, masks.colon) = (open, close, comma, colon);
        }
        self.carry = carry;
    }

    /// Looks at the numbers and words that end in these blocks. Returns where the first wrong one is wrong.
    #[inline(always)]
    fn scalars(&mut self, text: &[u8], all: &[Masks]) -> usize {
        let mut begun = self.scalar_start;
        for (index, masks) in all.iter().enumerate() {
            let base = self.at + index * BLOCK;
            let mut starts = masks.scalar_start;
            let mut ends = masks.scalar_end;
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
        self.scalar_start = begun;
        NOWHERE
    }

    /// Goes from bracket to bracket. What stands in brackets of the wrong kind is wrong, and those that do not match.
    #[inline(always)]
    fn brackets(&mut self, blocks: &[[u8; BLOCK]], all: &mut [Masks]) {
        let mut kinds = self.kinds;
        let mut depth = self.depth;
        for (index, (masks, block)) in all.iter_mut().zip(blocks).enumerate() {
            let mut left = masks.open | masks.close;
            if depth == 0 {
                masks.wrong |= masks.comma & (left & left.wrapping_neg()).wrapping_sub(1);
            }
            // All bits where the innermost brackets are those of an object. Behind each bracket that may change.
            let mut in_object = (kinds & 1).wrapping_neg();
            let mut differs = 0;
            while left != 0 {
                let at = take_lowest(&mut left);
                let is_object = u64::from(block[at % BLOCK] >> 5 & 1);
                let is_open = masks.open >> at & 1;
                let before = kinds;
                kinds = if is_open == 1 { before << 1 | is_object } else { before >> 1 };
                // How many others are open around it.
                let level = depth.wrapping_sub(1 - is_open as usize);
                depth = level.wrapping_add(is_open as usize);
                if level.wrapping_add(1) % 64 <= SHALLOW {
                    match self.edge(level, is_open == 1, before, self.at + index * BLOCK + at) {
                        Ok(None) => {}
                        Ok(Some(outer)) => kinds = outer,
                        Err(()) => {
                            masks.wrong |= 1 << at;
                            return;
                        }
                    }
                    if depth == 0 {
                        masks.wrong |= masks.comma & u64::MAX << at;
                    }
                }
                differs |= ((before ^ is_object) & 1) << at;
                in_object ^= (((before ^ kinds) & 1) << at).wrapping_neg() << 1;
            }
            masks.wrong |= differs & masks.close | masks.of_array & in_object | masks.colon & !in_object;
        }
        self.kinds = kinds;
        self.depth = depth;
    }

    #[cold]
    fn first_wrong(&self, all: &[Masks]) -> usize {
        let index = all.iter().position(|masks| masks.wrong != 0).unwrap_or(0);
        self.at + index * BLOCK + all[index].wrong.trailing_zeros() as usize
    }

    /// A bracket that opens or closes where `level` others are open: what is not only a matter of one bit. Returns the
    /// kinds of brackets that come to light again; an error where it closes none, or where there is no memory.
    #[cold]
    fn edge(&mut self, level: usize, is_open: bool, kinds: u64, at: usize) -> Result<Option<u64>, ()> {
        let result = match level {
            usize::MAX => return Err(()),
            1..SHALLOW if is_open => {
                self.unfinished[level] = self.extents.len();
                push(&mut self.extents, Extent { start: at, end: at })
            }
            1..SHALLOW => {
                self.close(self.unfinished[level], at);
                Ok(())
            }
            _ if level == 0 || !level.is_multiple_of(64) => Ok(()),
            _ if is_open => push(&mut self.outer, kinds),
            _ => return Ok(self.outer.pop()),
        };
        result.map(|()| None).map_err(|fault| self.fault = Some(fault))
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

impl Masks {
    #[inline(always)]
    fn of<B: Block>(block: B) -> Masks {
        let folded = block.as_curly();
        Masks {
            backslash: block.equal(b'\\'),
            quote: block.equal(b'"'),
            control: block.at_most(0x1f),
            white: block.equal(b' '),
            open: folded.equal(b'{'),
            close: folded.equal(b'}'),
            comma: block.equal(b','),
            colon: block.equal(b':'),
            high: block.high(),
            ..Masks::default()
        }
    }
}

fn push<T>(list: &mut Vec<T>, value: T) -> Result<(), Fault> {
    list.try_reserve(1).map_err(|_| Fault::OutOfMemory)?;
    list.push(value);
    Ok(())
}

/// Where the tokens stand that come behind these, whose last bytes are given.
#[inline(always)]
fn follow(tokens: u64, carry: &mut u64, white: u64) -> u64 {
    let mut behind = tokens << 1 | *carry;
    *carry = tokens >> 63;
    if white != 0 {
        let (passed, overflows) = white.overflowing_add(behind & white);
        *carry |= u64::from(overflows);
        behind = (passed | behind) & !white;
    }
    behind
}

/// The quotes that end the strings whose opening quotes are given.
#[inline(always)]
fn pass(strings: u64, carry: &mut u64, inside: u64) -> u64 {
    let (passed, overflows) = inside.overflowing_add(strings | *carry);
    *carry = u64::from(overflows);
    passed & !inside
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
            wrong |= behind(block.equal(0xe0), &mut self.e0) & middle;
            wrong |= behind(block.equal(0xed), &mut self.ed) & !middle;
            wrong |= behind(block.equal(0xf0), &mut self.f0) & low;
            wrong |= behind(block.equal(0xf4), &mut self.f4) & !low;
        }
        wrong
    }
}

#[inline(always)]
fn behind(bytes: u64, carry: &mut u64) -> u64 {
    let behind = bytes << 1 | *carry;
    *carry = bytes >> 63;
    behind
}
