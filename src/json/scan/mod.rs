//! What is JSON, and where its values end, without building anything.
//!
//! A [`JsonBuffer`] is validated while it grows: it is a [`Document`] if and only if serde_json's `RawValue` accepts it (see
//! `validator`). The functions here are for documents: they check nothing any more; on other text they return some
//! offset within it.
//!
//! Most bytes of a document stand in strings, in runs of white space and in numbers. These are searched a vector at
//! a time: [`Lanes`] loads some bytes and tells which of them belong to a class, as a bit mask. There are three kinds
//! of vectors, chosen at compile time: SSE2, NEON, and a 64-bit integer that every machine has.

#![allow(unsafe_code)]

mod block;
mod brackets;
mod document;
mod validator;

pub use brackets::Brackets;
pub use document::{Document, InvalidDocument, JsonBuffer};
pub use validator::Extent;
use validator::Validator;

/// Why a text is no document.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// No JSON, or not UTF-8: the byte at `at` (or the end of the text) cannot stand there.
    Malformed {
        /// Offset of the byte.
        at: usize,
    },
    /// There was no memory to remember one more open bracket.
    OutOfMemory,
}

/// Lets the validator look with the best vectors that this machine has.
fn look(validator: &mut Validator, text: &[u8], is_whole: bool) {
    #[cfg(target_arch = "x86_64")]
    {
        use block::{avx2, sse2};

        #[target_feature(enable = "avx2,bmi1,bmi2,pclmulqdq")]
        fn look_with_avx2(machine: avx2::Machine, validator: &mut Validator, text: &[u8], is_whole: bool) {
            validator.look::<avx2::Avx2>(machine, text, is_whole);
        }
        if let Some(machine) = avx2::Machine::detect() {
            // SAFETY: the machine has all of that.
            unsafe { look_with_avx2(machine, validator, text, is_whole) }
        } else {
            validator.look::<sse2::Sse2>((), text, is_whole);
        }
    }
    #[cfg(target_arch = "aarch64")]
    validator.look::<block::neon::Neon>((), text, is_whole);
    #[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
    validator.look::<block::portable::Words>((), text, is_whole);
}

/// Lets the brackets of the next blocks be found with the best vectors that this machine has.
fn look_for_brackets(brackets: &mut Brackets) {
    #[cfg(target_arch = "x86_64")]
    {
        use block::{avx2, sse2};

        #[target_feature(enable = "avx2,bmi1,bmi2,pclmulqdq")]
        fn look_with_avx2(machine: avx2::Machine, brackets: &mut Brackets) {
            brackets.look::<avx2::Avx2>(machine);
        }
        if let Some(machine) = avx2::Machine::detect() {
            // SAFETY: the machine has all of that.
            unsafe { look_with_avx2(machine, brackets) }
        } else {
            brackets.look::<sse2::Sse2>(());
        }
    }
    #[cfg(target_arch = "aarch64")]
    brackets.look::<block::neon::Neon>(());
    #[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
    brackets.look::<block::portable::Words>(());
}

/// The end of the number that begins at `at`; where it is none, the first byte that does not belong.
#[inline(always)]
fn number_end(text: &[u8], at: usize) -> Result<usize, usize> {
    Scanner::<Native>::new(text).number(at)
}

/// The offset of the first byte at or after `at` that is not white space.
#[inline]
pub fn skip_whitespace(text: &[u8], at: usize) -> usize {
    Scanner::<Native>::new(text).whitespace(at)
}

/// The offset of the quote that ends a string, whose content begins at `at`, and whether it has escapes.
#[inline]
pub fn string_end(text: &[u8], at: usize) -> (usize, bool) {
    Scanner::<Native>::new(text).string_end(at)
}

/// Copies the content of a string, which begins at `at`, up to its end or its first escape. Returns how many bytes were
/// copied: fewer where the room, or the text, ends soon.
#[inline(always)]
pub fn copy_plain(text: &[u8], at: usize, room: &mut [u8]) -> usize {
    Scanner::<Native>::new(text).copy_plain(at, room)
}

/// The end of the number, `true`, `false` or `null` that begins at `at`.
#[inline]
pub fn scalar_end(text: &[u8], at: usize) -> usize {
    let is_behind = |byte: &u8| matches!(byte, b',' | b'}' | b']' | b' ' | b'\n' | b'\r' | b'\t');
    let rest = text.get(at..).unwrap_or_default();
    at + rest.iter().position(is_behind).unwrap_or(rest.len())
}

/// The end of the array or object that begins at `at`.
pub fn container_end(text: &[u8], at: usize) -> usize {
    Scanner::<Native>::new(text).container_end(at)
}

/// The offset of the first escape in the content of a string, at or after `at`; the end if there is none.
#[inline]
pub fn next_escape(text: &[u8], at: usize) -> usize {
    find::<Native>(text, at, Native::quotes)
}

/// Whether so many bytes at `start` are a number without exponent. Not asked of long ones, and at the end of the text.
#[inline(always)]
fn is_plain_number(text: &[u8], start: usize, length: usize) -> bool {
    let Some(bytes) = text.get(start..).and_then(<[u8]>::first_chunk::<16>) else { return false };
    let Some(lanes) = Native::load(bytes, 0).filter(|_| length < Native::WIDTH) else { return false };
    let bits = |bytes: usize| bytes * Native::MASK_BITS;
    // Digits end where the number does.
    let ends = lanes.nondigits() | 1 << bits(length);
    let digits = |at: usize| (ends >> bits(at)).trailing_zeros() as usize / Native::MASK_BITS;
    let sign = usize::from(bytes[0] == b'-');
    let whole = digits(sign);
    // "01" ends behind the zero.
    if whole == 0 || whole > 1 && bytes[sign] == b'0' {
        return false;
    }
    let point = sign + whole;
    if point == length {
        return true;
    }
    let fraction = digits(point + 1);
    bytes[point % 16] == b'.' && fraction > 0 && point + 1 + fraction == length
}

#[cfg(target_arch = "x86_64")]
type Native = sse2::Sse2;
#[cfg(target_arch = "aarch64")]
type Native = neon::Neon;
#[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
type Native = portable::Word;

/// A vector of bytes. In a mask, the lowest bits stand for the first byte.
trait Lanes: Copy {
    /// Bytes in a vector.
    const WIDTH: usize;
    /// Bits in a mask for each byte.
    const MASK_BITS: usize;

    /// The bytes at `at`; nothing if fewer than `WIDTH` are left.
    fn load(text: &[u8], at: usize) -> Option<Self>;
    /// Quotes and backslashes.
    fn quotes(self) -> u64;
    /// Quotes and brackets. A backslash never stands outside of a string.
    fn structure(self) -> u64;
    /// Bytes that are not white space.
    fn inked(self) -> u64;
    /// Bytes that are not decimal digits.
    fn nondigits(self) -> u64;
}

/// Whether sixteen bytes are left at `at`. The first question is about the text alone: a loop asks it once.
#[inline(always)]
#[cfg(any(target_arch = "x86_64", target_arch = "aarch64"))]
fn has_sixteen(text: &[u8], at: usize) -> bool {
    text.len() >= 16 && at <= text.len() - 16
}

/// The offset of the first byte at or after `at` that is in the class; the end of the text if there is none.
#[inline(always)]
fn find<L: Lanes>(text: &[u8], mut at: usize, class: impl Fn(L) -> u64) -> usize {
    while let Some(lanes) = L::load(text, at) {
        let mask = class(lanes);
        if mask != 0 {
            return at + mask.trailing_zeros() as usize / L::MASK_BITS;
        }
        at += L::WIDTH;
    }
    find_in_tail(text, at, class)
}

/// `find` where less than a vector is left: looks at the last whole vector again, without what lies before `at`.
#[inline(never)]
fn find_in_tail<L: Lanes>(text: &[u8], at: usize, class: impl Fn(L) -> u64) -> usize {
    let Some(left) = text.len().checked_sub(at).filter(|left| *left > 0) else {
        return text.len();
    };
    let mut short = [0; 16];
    let (lanes, seen) = if text.len() >= L::WIDTH {
        (L::load(text, text.len() - L::WIDTH), L::WIDTH - left)
    } else {
        short[..left].copy_from_slice(&text[at..]);
        (L::load(&short, 0), 0)
    };
    let mask = lanes.map_or(0, class) >> (seen * L::MASK_BITS);
    if mask == 0 { text.len() } else { text.len().min(at + mask.trailing_zeros() as usize / L::MASK_BITS) }
}

struct Scanner<'a, L> {
    text: &'a [u8],
    lanes: std::marker::PhantomData<L>,
}

impl<'a, L: Lanes> Scanner<'a, L> {
    #[inline(always)]
    fn new(text: &'a [u8]) -> Self {
        Scanner { text, lanes: std::marker::PhantomData }
    }

    /// The byte at `at`. The end of the text reads as U+0000, which is refused wherever it is looked for.
    #[inline(always)]
    fn byte(&self, at: usize) -> u8 {
        self.text.get(at).copied().unwrap_or(0)
    }

    #[inline(always)]
    fn number(&self, at: usize) -> Result<usize, usize> {
        let at = at + usize::from(self.byte(at) == b'-');
        // "01" ends behind the zero.
        let mut end = if self.byte(at) == b'0' { at + 1 } else { self.digits(at)? };
        if self.byte(end) == b'.' {
            end = self.digits(end + 1)?;
        }
        if self.byte(end) | 0x20 == b'e' {
            let signed = matches!(self.byte(end + 1), b'+' | b'-');
            end = self.digits(end + 1 + usize::from(signed))?;
        }
        Ok(end)
    }

    /// The end of at least one digit.
    #[inline(always)]
    fn digits(&self, at: usize) -> Result<usize, usize> {
        let end = find(self.text, at, L::nondigits);
        if end == at { Err(at) } else { Ok(end) }
    }

    #[inline(always)]
    fn whitespace(&self, at: usize) -> usize {
        if self.byte(at) > b' ' { at } else { self.some_whitespace(at) }
    }

    /// White space, probably: one space between two values, or a line break and an indentation.
    #[inline(always)]
    fn some_whitespace(&self, at: usize) -> usize {
        if self.byte(at) == b' ' && self.byte(at + 1) > b' ' { at + 1 } else { find(self.text, at, L::inked) }
    }

    #[inline(always)]
    fn string_end(&self, at: usize) -> (usize, bool) {
        let end = find(self.text, at, L::quotes);
        if self.byte(end) == b'\\' { (self.escaped_string_end(end), true) } else { (end, false) }
    }

    #[inline(always)]
    fn copy_plain(&self, at: usize, room: &mut [u8]) -> usize {
        let mut copied = 0;
        while let Some(lanes) = L::load(self.text, at + copied)
            && let Some(place) = room.get_mut(copied..copied + L::WIDTH)
        {
            place.copy_from_slice(&self.text[at + copied..at + copied + L::WIDTH]);
            let mask = lanes.quotes();
            if mask != 0 {
                return copied + mask.trailing_zeros() as usize / L::MASK_BITS;
            }
            copied += L::WIDTH;
        }
        copied
    }

    fn escaped_string_end(&self, mut at: usize) -> usize {
        while self.byte(at) == b'\\' {
            at = find(self.text, at + 2, L::quotes);
        }
        at
    }

    #[inline(always)]
    fn next_bracket(&self, mut at: usize) -> Option<usize> {
        loop {
            at = find(self.text, at, L::structure);
            if self.byte(at) != b'"' {
                return (at < self.text.len()).then_some(at);
            }
            at = self.string_end(at + 1).0 + 1;
        }
    }

    fn container_end(&self, mut at: usize) -> usize {
        let mut depth = 0usize;
        while let Some(bracket) = self.next_bracket(at) {
            at = bracket + 1;
            if matches!(self.byte(bracket), b'{' | b'[') {
                depth += 1;
            } else if depth <= 1 {
                return at;
            } else {
                depth -= 1;
            }
        }
        self.text.len()
    }
}

#[cfg(target_arch = "x86_64")]
mod sse2 {
    use super::{Lanes, has_sixteen};
    use std::arch::x86_64::*;

    /// Sixteen bytes. SSE2 is part of every x86-64.
    #[derive(Clone, Copy)]
    pub(super) struct Sse2(__m128i);

    impl Sse2 {
        #[inline(always)]
        fn equal(self, byte: u8) -> __m128i {
            // SAFETY: SSE2 is always there.
            unsafe { _mm_cmpeq_epi8(self.0, _mm_set1_epi8(byte as i8)) }
        }

        /// Bytes from 0 to `most`.
        #[inline(always)]
        fn at_most(self, most: u8) -> __m128i {
            // SAFETY: as above.
            unsafe { _mm_cmpeq_epi8(_mm_min_epu8(self.0, _mm_set1_epi8(most as i8)), self.0) }
        }
    }

    #[inline(always)]
    fn either(one: __m128i, other: __m128i) -> __m128i {
        // SAFETY: SSE2 is always there.
        unsafe { _mm_or_si128(one, other) }
    }

    #[inline(always)]
    fn mask(lanes: __m128i) -> u64 {
        // SAFETY: SSE2 is always there.
        u64::from(unsafe { _mm_movemask_epi8(lanes) } as u32)
    }

    impl Lanes for Sse2 {
        const WIDTH: usize = 16;
        const MASK_BITS: usize = 1;

        #[inline(always)]
        fn load(text: &[u8], at: usize) -> Option<Self> {
            if !has_sixteen(text, at) {
                return None;
            }
            // SAFETY: sixteen bytes are readable; the load asks for no alignment.
            Some(Sse2(unsafe { _mm_loadu_si128(text.as_ptr().add(at).cast()) }))
        }

        #[inline(always)]
        fn quotes(self) -> u64 {
            mask(either(self.equal(b'"'), self.equal(b'\\')))
        }

        #[inline(always)]
        fn structure(self) -> u64 {
            // SAFETY: SSE2 is always there.
            let curly = Sse2(unsafe { _mm_or_si128(self.0, _mm_set1_epi8(0x20)) });
            mask(either(self.equal(b'"'), either(curly.equal(b'{'), curly.equal(b'}'))))
        }

        #[inline(always)]
        fn inked(self) -> u64 {
            let space = either(self.equal(b' '), self.equal(b'\n'));
            mask(either(space, either(self.equal(b'\t'), self.equal(b'\r')))) ^ 0xffff
        }

        #[inline(always)]
        fn nondigits(self) -> u64 {
            // SAFETY: SSE2 is always there.
            let shifted = Sse2(unsafe { _mm_sub_epi8(self.0, _mm_set1_epi8(b'0' as i8)) });
            mask(shifted.at_most(9)) ^ 0xffff
        }
    }
}

#[cfg(target_arch = "aarch64")]
mod neon {
    use super::{Lanes, has_sixteen};
    use std::arch::aarch64::*;

    /// Sixteen bytes. NEON is part of every aarch64 that Rust's targets name.
    #[derive(Clone, Copy)]
    pub(super) struct Neon(uint8x16_t);

    impl Neon {
        #[inline(always)]
        fn equal(self, byte: u8) -> uint8x16_t {
            // SAFETY: NEON is always there.
            unsafe { vceqq_u8(self.0, vdupq_n_u8(byte)) }
        }
    }

    #[inline(always)]
    fn either(one: uint8x16_t, other: uint8x16_t) -> uint8x16_t {
        // SAFETY: NEON is always there.
        unsafe { vorrq_u8(one, other) }
    }

    /// Four bits for each byte.
    #[inline(always)]
    fn mask(lanes: uint8x16_t) -> u64 {
        // SAFETY: NEON is always there.
        unsafe { vget_lane_u64::<0>(vreinterpret_u64_u8(vshrn_n_u16::<4>(vreinterpretq_u16_u8(lanes)))) }
    }

    impl Lanes for Neon {
        const WIDTH: usize = 16;
        const MASK_BITS: usize = 4;

        #[inline(always)]
        fn load(text: &[u8], at: usize) -> Option<Self> {
            if !has_sixteen(text, at) {
                return None;
            }
            // SAFETY: sixteen bytes are readable; the load asks for no alignment.
            Some(Neon(unsafe { vld1q_u8(text.as_ptr().add(at)) }))
        }

        #[inline(always)]
        fn quotes(self) -> u64 {
            mask(either(self.equal(b'"'), self.equal(b'\\')))
        }

        #[inline(always)]
        fn structure(self) -> u64 {
            // SAFETY: NEON is always there.
            let curly = Neon(unsafe { vorrq_u8(self.0, vdupq_n_u8(0x20)) });
            mask(either(self.equal(b'"'), either(curly.equal(b'{'), curly.equal(b'}'))))
        }

        #[inline(always)]
        fn inked(self) -> u64 {
            let space = either(self.equal(b' '), self.equal(b'\n'));
            !mask(either(space, either(self.equal(b'\t'), self.equal(b'\r'))))
        }

        #[inline(always)]
        fn nondigits(self) -> u64 {
            // SAFETY: NEON is always there.
            mask(unsafe { vcgtq_u8(vsubq_u8(self.0, vdupq_n_u8(b'0')), vdupq_n_u8(9)) })
        }
    }
}

#[cfg(any(test, not(any(target_arch = "x86_64", target_arch = "aarch64"))))]
mod portable {
    use super::Lanes;
    use super::block::portable::{HIGH, repeat};

    /// Eight bytes in an integer. A mask has the highest bit of each byte that is meant.
    #[derive(Clone, Copy)]
    pub(super) struct Word(u64);

    impl Word {
        /// Bytes from `least` on, which is from 1 to 128. No sum carries into the next byte.
        #[inline(always)]
        fn at_least(self, least: u8) -> u64 {
            (((self.0 & !HIGH) + repeat(0x80 - least)) | self.0) & HIGH
        }

        #[inline(always)]
        fn equal(self, byte: u8) -> u64 {
            Word(self.0 ^ repeat(byte)).at_least(1) ^ HIGH
        }
    }

    impl Lanes for Word {
        const WIDTH: usize = 8;
        const MASK_BITS: usize = 8;

        #[inline(always)]
        fn load(text: &[u8], at: usize) -> Option<Self> {
            Some(Word(u64::from_le_bytes(*text.get(at..)?.first_chunk()?)))
        }

        #[inline(always)]
        fn quotes(self) -> u64 {
            self.equal(b'"') | self.equal(b'\\')
        }

        #[inline(always)]
        fn structure(self) -> u64 {
            let curly = Word(self.0 | repeat(0x20));
            self.equal(b'"') | curly.equal(b'{') | curly.equal(b'}')
        }

        #[inline(always)]
        fn inked(self) -> u64 {
            (self.equal(b' ') | self.equal(b'\n') | self.equal(b'\t') | self.equal(b'\r')) ^ HIGH
        }

        #[inline(always)]
        fn nondigits(self) -> u64 {
            Word(self.0 ^ repeat(b'0')).at_least(10)
        }
    }
}

#[cfg(test)]
mod tests;
