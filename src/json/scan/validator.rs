//! Validates JSON in UTF-8 while the text grows.
//!
//! The text is read in blocks of 64 bytes. Classes of bytes become masks, with one bit per byte (see `masks`), and
//! the rules of the grammar become arithmetic with masks, which checks all 64 bytes at once:
//!
//! ```text
//! for each block:
//!     backslash, quote, open, close, comma, colon, whitespace = bytes of these classes
//!     quote        &= !escaped
//!     in_string     = odd number of quotes so far                    (prefix_xor)
//!     open, close, comma, colon, whitespace &= !in_string
//!     scalar        = what else is outside of strings                (numbers, literals)
//!     value         = opening quotes | open | first bytes of scalars
//!     expected      = first byte after an opening bracket, comma or colon, whitespace skipped
//!     error         = value ^ expected                               (but [] and {} are allowed)
//!     for each bracket: push or pop; mark what is directly in an object
//!     error        |= array_only & in_object | colon & !in_object
//!     for each escape and each scalar that ends here: check its bytes
//! ```
//!
//! A text and its masks, which are written with the lowest bit on the left, like the text:
//!
//! ```text
//! text          {"id": 7, "tags": ["a\"b", true], "at": {}}
//!
//! quote         .1..1.....1....1...1....1.........1..1.....
//! in_string     .111......11111....11111..........111......
//!
//! whitespace    ......1..1.......1........1......1.....1...
//! open          1.................1.....................1..
//! close         ...............................1.........11
//! comma         ........1................1......1..........
//! colon         .....1..........1.....................1....
//! scalar_start  .......1...................1...............
//!
//! value         11.....1..1.......11.......1......1.....1..
//! expected      11.....1..1.......11.......1......1.....11.
//!
//! array_only    .........................1.1...1...........
//! in_object     1111111111111111111.............11111111111
//! error         ...........................................
//! ```
//!
//! What the rows mean:
//!
//! - `in_string` includes the opening quote, but not the closing one.
//! - `expected` takes an addition: a bit added to the first of several adjacent bits of `whitespace` is carried to
//!   the byte after the last of them.
//! - `value` and `expected` must be the same, except before the closing bracket of an empty array or object.
//! - A colon requires a key: the last of `{}[]:,` before it must be `{`, `[` or `,`, so one value is in between. That
//!   this value is a string follows from `array_only`.
//! - `array_only` has what is wrong in an object: a number, literal or bracket in the place of a key, and a comma or
//!   closing bracket where one value, but no colon, is between it and the last of `{}[]:,`.
//! - `in_object` depends on the innermost open bracket. All that is between two brackets is in the same array or
//!   object, so a loop over the brackets is enough. Their stack has one bit for each, and is not the call stack: no
//!   depth of nesting overflows it.
//!
//! In this text, `value` and `expected` show the first and the third error, `array_only` the others:
//!
//! ```text
//! text          {"a" 1, "b": [2,], 3}
//!
//! value         11...1..1....11....1.
//! expected      11......1....11.1..1.
//!
//! array_only    ......1.......11...11
//! in_object     11111111111111...1111
//!
//! error         .....11.........1..11
//! ```
//!
//! A block passes a few bits on to the next one (`Carry`), so the text may arrive in chunks of any size.

use std::ops::Range;

use super::Fault;
use super::masks::{
    BATCH, EMPTY, Masks, NO_ERROR, Positions, Row, after, after_skipping, escape_starts, first_bit,
    pop_lowest_bit, union,
};
use super::token::{check_escapes, check_scalar};
use super::utf8::Utf8;
use super::vector::{BLOCK, Block, Kernel};
use crate::alloc::try_push;

/// Bytes that must follow a block before it is processed: escapes that start in it are complete then.
const LOOKAHEAD: usize = 8;

/// Smaller arrays and objects are not worth recording.
const MIN_EXTENT_LENGTH: usize = 128;

/// Arrays and objects within one to three others are recorded: the outputs of nodes are the innermost of these.
const EXTENT_LEVELS: usize = 4;

/// The smallest stack with brackets beyond these levels. From here up to `FULL_STACK`, a bracket only shifts the stack.
const DEEP_STACK: u64 = 2 << EXTENT_LEVELS;

/// The smallest stack that has no bit left for another bracket.
const FULL_STACK: u64 = 1 << 63;

/// The start and the end of a part of a text, such as an array or object.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Extent {
    /// Offset of its first byte.
    pub start: usize,
    /// Offset after its last byte.
    pub end: usize,
}

impl Extent {
    /// Whether it has no bytes. Every value has some, so an empty extent represents an absent value.
    #[inline]
    pub(crate) fn is_empty(self) -> bool {
        self.start == self.end
    }

    /// The bytes; `None` if there are none.
    #[inline]
    pub(crate) fn range(self) -> Option<Range<usize>> {
        (!self.is_empty()).then_some(self.start..self.end)
    }
}

/// The state after the blocks processed so far.
#[derive(Debug)]
pub(super) struct Validator {
    /// Their length.
    at: usize,
    /// As bit 0: whether the first byte of the next block is escaped.
    escaped: u64,
    utf8: Utf8,
    carry: Carry,
    /// Offset of a number or literal that reaches the end of these blocks.
    open_scalar: Option<usize>,
    /// The innermost open brackets, one bit each, the innermost lowest: 1 for `{`, 0 for `[`. The highest bit that is
    /// set is not a bracket but marks the end.
    bracket_stack: u64,
    /// The brackets further out, in words of the same form, the outermost first.
    outer_stacks: Vec<u64>,
    extents: Vec<Extent>,
    /// For each level, the index in `extents` of the array or object that is open there.
    open_extents: [usize; EXTENT_LEVELS],
    fault: Option<Fault>,
}

/// The results of `check_grammar` that the next block depends on. Bit 0 is about its first byte.
#[derive(Clone, Copy, Debug)]
struct Carry {
    /// It is in a string; all bits are the same.
    in_string: u64,
    /// The preceding byte is part of a number or literal.
    after_scalar: u64,
    /// The last byte other than whitespace is `{`, `[` or `,`.
    after_opener: u64,
    /// It is `,` or `:`.
    after_separator: u64,
    /// The last one of `{}[]:,` is `{`, `[` or `,`.
    last_structural_opens: u64,
}

/// The kernel that processes the blocks appended to a text, and its end if the text is complete.
pub(super) struct Update<'v, 't> {
    pub(super) validator: &'v mut Validator,
    pub(super) text: &'t [u8],
    pub(super) is_complete: bool,
}

impl Kernel for Update<'_, '_> {
    #[inline(always)]
    fn run<B: Block>(self, machine: B::Machine) {
        self.validator.update::<B>(machine, self.text, self.is_complete);
    }
}

impl Validator {
    pub(super) const fn new() -> Validator {
        // A document begins with what may follow a colon.
        let carry = Carry {
            in_string: 0,
            after_scalar: 0,
            after_opener: 0,
            after_separator: 1,
            last_structural_opens: 0,
        };
        Validator {
            at: 0,
            escaped: 0,
            utf8: Utf8::new(),
            carry,
            open_scalar: None,
            bracket_stack: 1,
            outer_stacks: Vec::new(),
            extents: Vec::new(),
            open_extents: [0; EXTENT_LEVELS],
            fault: None,
        }
    }

    #[inline(always)]
    fn update<B: Block>(&mut self, machine: B::Machine, text: &[u8], is_complete: bool) {
        // A batch is the least that is worth the preparations. Small texts are processed once, when they are complete.
        if !is_complete && text.len() < self.at + BATCH * BLOCK + LOOKAHEAD {
            return;
        }
        let (mut masks, mut positions) = (Masks::new(), Positions::new());
        while let (None, Some(rest)) = (self.fault, text.get(self.at..)) {
            let ready = if is_complete { rest.len() } else { rest.len().saturating_sub(LOOKAHEAD) } / BLOCK;
            let mut padded = [[b' '; BLOCK]];
            let mut blocks = &rest.as_chunks().0[..ready.min(BATCH)];
            if blocks.is_empty() && is_complete {
                // Whitespace after the text changes nothing, and ends a number or literal at its end.
                padded[0][..rest.len()].copy_from_slice(rest);
                blocks = &padded;
            } else if blocks.is_empty() {
                break;
            }
            let error = self.check_batch::<B>(machine, text, blocks, &mut masks, &mut positions);
            if error != NO_ERROR {
                let at = self.first_error(text, error);
                self.fault = self.fault.or(Some(Fault::Malformed { at }));
            }
            self.at += blocks.len() * BLOCK;
        }
    }

    /// Returns the recorded extents of a complete text of this length, or what is wrong with it.
    pub(super) fn finish(self, length: usize) -> Result<Vec<Extent>, Fault> {
        let Carry { in_string, after_opener, after_separator, .. } = self.carry;
        match self.fault {
            Some(Fault::Malformed { at }) => Err(Fault::Malformed { at: at.min(length) }),
            Some(fault) => Err(fault),
            None if in_string | after_opener | after_separator != 0 || self.bracket_stack != 1 => {
                Err(Fault::Malformed { at: length })
            }
            None => Ok(self.extents),
        }
    }

    /// Processes a batch. Returns the offset of a wrong byte.
    #[inline(always)]
    pub(super) fn check_batch<B: Block>(
        &mut self,
        machine: B::Machine,
        text: &[u8],
        blocks: &[[u8; BLOCK]],
        masks: &mut Masks,
        positions: &mut Positions,
    ) -> usize {
        masks.classify::<B>(machine, blocks);
        let mut first = self.check_escapes(text, blocks.len(), masks);
        self.find_strings::<B>(machine, blocks.len(), masks);
        self.check_non_ascii::<B>(machine, blocks, masks);
        self.check_grammar(blocks.len(), masks);
        let brackets = union(&masks.open, &masks.close);
        self.match_brackets(blocks, masks, positions.find::<B>(machine, &brackets, blocks.len()));
        let boundaries = union(&masks.scalar_start, &masks.scalar_end);
        let boundaries = positions.find::<B>(machine, &boundaries, blocks.len());
        first = first.min(self.check_scalars(text, boundaries));
        masks.check_membership();
        let error = &masks.error[..blocks.len()];
        if error.iter().fold(0, |all, error| all | error) != 0 {
            first = first.min(self.at + first_bit(error));
        }
        first
    }

    /// The offset of the first wrong byte, given the one that the checks of a batch have found. If that is in a number
    /// or literal that ends in a later batch, a byte before it may be wrong.
    #[cold]
    fn first_error(&self, text: &[u8], found: usize) -> usize {
        match self.open_scalar {
            Some(start) if start <= found => found.min(check_scalar(text, start, text.len())),
            _ => found,
        }
    }

    /// Checks escapes, and removes the quotes that are escaped. Returns the offset of the first wrong escape.
    #[inline(always)]
    fn check_escapes(&mut self, text: &[u8], count: usize, masks: &mut Masks) -> usize {
        let mut first = NO_ERROR;
        let mut blocks_with_escapes = masks.blocks_with_backslash | self.escaped;
        while blocks_with_escapes != 0 {
            let index = pop_lowest_bit(&mut blocks_with_escapes) % BATCH;
            let starts = escape_starts(masks.backslash[index] & !self.escaped);
            masks.quote[index] &= !(starts << 1 | self.escaped);
            self.escaped = starts >> 63;
            first = first.min(check_escapes(text, self.at + index * BLOCK, starts));
            if index + 1 < count {
                blocks_with_escapes |= self.escaped << (index + 1);
            }
        }
        first
    }

    /// Finds the bytes inside of strings.
    #[inline(always)]
    fn find_strings<B: Block>(&mut self, machine: B::Machine, count: usize, masks: &mut Masks) {
        for (in_string, quote) in masks.in_string.iter_mut().zip(masks.quote).take(count) {
            *in_string = B::prefix_xor(machine, quote) ^ self.carry.in_string;
            self.carry.in_string = ((*in_string as i64) >> 63) as u64;
        }
    }

    /// Reads those blocks again that have bytes other than printable ASCII.
    #[inline(always)]
    fn check_non_ascii<B: Block>(&mut self, machine: B::Machine, blocks: &[[u8; BLOCK]], masks: &mut Masks) {
        for (index, block) in blocks.iter().enumerate() {
            masks.error[index] = 0;
            if masks.blocks_with_control_or_non_ascii >> index & 1 == 0 && !self.utf8.is_incomplete() {
                continue;
            }
            let block = B::load(machine, block);
            let control = block.at_most(0x1f);
            masks.error[index] = self.utf8.check(block, block.non_ascii()) | control & masks.in_string[index];
            // Outside of strings, any other control character becomes part of a number or literal, and fails there.
            if control != 0 {
                masks.whitespace[index] |= block.equal(b'\n') | block.equal(b'\r') | block.equal(b'\t');
            }
        }
    }

    /// Checks the order of tokens, as far as it does not depend on the kind of the innermost open bracket.
    #[inline(always)]
    fn check_grammar(&mut self, count: usize, masks: &mut Masks) {
        let [mut opener, mut separator, mut other, mut scalar] = [EMPTY; 4];
        let mut any_whitespace = 0;
        for index in 0..BATCH {
            let in_string = masks.in_string[index];
            for mask in
                [&mut masks.whitespace, &mut masks.open, &mut masks.close, &mut masks.comma, &mut masks.colon]
            {
                mask[index] &= !in_string;
            }
            opener[index] = masks.open[index] | masks.comma[index];
            separator[index] = masks.comma[index] | masks.colon[index];
            other[index] = !(opener[index] | separator[index] | masks.close[index]);
            scalar[index] = other[index] & !(in_string | masks.quote[index] | masks.whitespace[index]);
            any_whitespace |= masks.whitespace[index];
        }
        let after_scalar = after(&scalar, count, &mut self.carry.after_scalar);
        let (after_opener, after_separator) = if any_whitespace == 0 {
            (
                after(&opener, count, &mut self.carry.after_opener),
                after(&separator, count, &mut self.carry.after_separator),
            )
        } else {
            (
                after_skipping(&opener, count, &mut self.carry.after_opener, &masks.whitespace),
                after_skipping(&separator, count, &mut self.carry.after_separator, &masks.whitespace),
            )
        };
        let last_structural_opens =
            after_skipping(&opener, count, &mut self.carry.last_structural_opens, &other);
        for index in 0..BATCH {
            let (open, close) = (masks.open[index], masks.close[index]);
            let (comma, colon) = (masks.comma[index], masks.colon[index]);
            let scalar_start = scalar[index] & !after_scalar[index];
            let expected = after_opener[index] | after_separator[index];
            let value = masks.quote[index] & masks.in_string[index] | open | scalar_start;
            masks.error[index] |= (value ^ expected) & !close
                | close & after_separator[index]
                | colon & !last_structural_opens[index];
            masks.array_only[index] = after_opener[index] & (open | scalar_start)
                | last_structural_opens[index] & (comma | close) & !expected;
            masks.scalar_start[index] = scalar_start;
            masks.scalar_end[index] = after_scalar[index] & !scalar[index];
        }
    }

    /// Checks the numbers and literals that end in a batch, given the positions where they start and end. Returns the
    /// offset of the first wrong byte.
    #[inline(always)]
    fn check_scalars(&mut self, text: &[u8], mut boundaries: &[u16]) -> usize {
        if let Some(open) = self.open_scalar {
            let Some((end, rest)) = boundaries.split_first() else { return NO_ERROR };
            boundaries = rest;
            let error = check_scalar(text, open, self.at + usize::from(*end));
            if error != NO_ERROR {
                return error;
            }
            self.open_scalar = None;
        }
        // Starts and ends alternate.
        let (pairs, rest) = boundaries.as_chunks::<2>();
        for [start, end] in pairs {
            let error = check_scalar(text, self.at + usize::from(*start), self.at + usize::from(*end));
            if error != NO_ERROR {
                return error;
            }
        }
        self.open_scalar = rest.first().map(|start| self.at + usize::from(*start));
        NO_ERROR
    }

    /// Iterates over the brackets at these positions. Finds what is directly in an object, and closing brackets of the
    /// wrong kind.
    #[inline(always)]
    fn match_brackets(&mut self, blocks: &[[u8; BLOCK]], masks: &mut Masks, positions: &[u16]) {
        let Masks { comma, error, in_object, .. } = masks;
        let text = blocks.as_flattened();
        let mut stack = self.bracket_stack;
        if stack == 1 {
            // No comma may precede the first bracket.
            forbid_commas(comma, error, 0, positions.first().map_or(BATCH * BLOCK, |at| usize::from(*at)));
        }
        // Begins with 0 in each block. A bracket flips its bit and those after it if it begins or ends an object in an
        // array or the other way round.
        let mut flips = EMPTY;
        let mut carry = (stack & 1).wrapping_neg();
        for at in positions {
            let at = usize::from(*at);
            let Some(bracket) = text.get(at) else { break };
            let is_curly = u64::from(bracket >> 5 & 1);
            let is_open = bracket & 2 != 0;
            let index = at / BLOCK % BATCH;
            let before = stack;
            stack = if is_open { before << 1 | is_curly } else { before >> 1 };
            if stack.wrapping_sub(DEEP_STACK) >= FULL_STACK - DEEP_STACK {
                match self.cross_level(is_open, stack, self.at + at) {
                    Some(crossed) => stack = crossed,
                    None => {
                        error[index] |= 1 << (at % BLOCK);
                        break;
                    }
                }
                if stack == 1 {
                    // No comma may follow the last bracket.
                    forbid_commas(comma, error, at, BATCH * BLOCK);
                }
            }
            if !is_open && (before ^ is_curly) & 1 != 0 {
                error[index] |= 1 << (at % BLOCK);
            }
            flips[index] ^= (((before ^ stack) & 1) << (at % BLOCK)).wrapping_neg();
        }
        self.bracket_stack = stack;
        for (in_object, flips) in in_object.iter_mut().zip(flips).take(blocks.len()) {
            *in_object = flips << 1 ^ carry;
            carry ^= ((flips as i64) >> 63) as u64;
        }
    }

    /// Handles a bracket at `at` after which shifting the stack is not enough: an extent begins or ends there, or the
    /// stack is full or empty. Returns the stack to continue with, or `None` if the bracket closes nothing or there is
    /// not enough memory.
    #[cold]
    fn cross_level(&mut self, is_open: bool, stack: u64, at: usize) -> Option<u64> {
        let crossed = match stack {
            0 => return None,
            // All but the innermost bracket move to a word of their own.
            FULL_STACK.. => try_push(&mut self.outer_stacks, stack >> 1).map(|()| 2 | stack & 1),
            1 if !self.outer_stacks.is_empty() => self.outer_stacks.pop(),
            _ if !self.outer_stacks.is_empty() => Some(stack),
            _ => match (stack.ilog2() as usize).wrapping_sub(is_open.into()) {
                level @ 1..EXTENT_LEVELS if is_open => {
                    self.open_extents[level] = self.extents.len();
                    try_push(&mut self.extents, Extent { start: at, end: at }).map(|()| stack)
                }
                level @ 1..EXTENT_LEVELS => {
                    self.close_extent(self.open_extents[level], at);
                    Some(stack)
                }
                _ => Some(stack),
            },
        };
        if crossed.is_none() {
            self.fault = Some(Fault::OutOfMemory);
        }
        crossed
    }

    /// Ends the extent with this index at the closing bracket at `at`, or drops it if it is small.
    fn close_extent(&mut self, index: usize, at: usize) {
        match self.extents.get_mut(index) {
            Some(extent) if at - extent.start >= MIN_EXTENT_LENGTH => extent.end = at + 1,
            // Extents within a small one are small too, so none follows it in the list.
            _ => self.extents.truncate(index),
        }
    }
}

/// Marks the commas from a position up to another one as wrong.
#[cold]
fn forbid_commas(comma: &Row, error: &mut Row, start: usize, end: usize) {
    for index in start / BLOCK..BATCH {
        let from = start.saturating_sub(index * BLOCK);
        let to = end.saturating_sub(index * BLOCK);
        let before_end = if to < BLOCK { (1 << to) - 1 } else { u64::MAX };
        error[index] |= comma[index] & u64::MAX << from & before_end;
    }
}
