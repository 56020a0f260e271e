//! Finds where a JSON value ends, and whether it is one, without building anything.
//!
//! The text is known to be UTF-8. `skip_value` accepts exactly what serde_json's `RawValue` accepts as a value. The
//! functions named `..._end` expect text that has passed `skip_value` before and check nothing any more; on other
//! text they return some offset within it.
//!
//! Most bytes of a document stand in strings, in runs of white space and in numbers. These are searched a vector at
//! a time: [`Lanes`] loads some bytes and tells which of them belong to a class, as a bit mask. There are three kinds
//! of vectors, chosen at compile time: SSE2, NEON, and a 64-bit integer that every machine has. What stands between
//! strings is read byte by byte. The open brackets are kept one bit each, outside of the call stack, so that no depth
//! of nesting overflows it.

#![allow(unsafe_code)]

/// Why a value could not be skipped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// No JSON: the byte at `at` (or the end of the text) cannot stand there.
    Malformed {
        /// Offset of the byte.
        at: usize,
    },
    /// There was no memory to remember one more open bracket.
    OutOfMemory,
}

/// The end of the value that begins at `at`; white space before it is skipped.
pub fn skip_value(text: &[u8], at: usize) -> Result<usize, Fault> {
    Scanner::<Native>::new(text).value(at)
}

/// The end of the string whose opening quote stands at `at`.
pub fn skip_string(text: &[u8], at: usize) -> Result<usize, Fault> {
    Scanner::<Native>::new(text).string(at)
}

/// The offset of the first byte at or after `at` that is not white space.
#[inline]
pub fn skip_whitespace(text: &[u8], at: usize) -> usize {
    Scanner::<Native>::new(text).whitespace(at)
}

/// The offset of the quote that ends a valid string, whose content begins at `at`, and whether it has escapes.
#[inline]
pub fn string_end(text: &[u8], at: usize) -> (usize, bool) {
    Scanner::<Native>::new(text).string_end(at)
}

/// The end of the valid array or object that begins at `at`.
pub fn container_end(text: &[u8], at: usize) -> usize {
    Scanner::<Native>::new(text).container_end(at)
}

/// The next bracket, of any kind and outside of strings, at or after `at`, which stands outside of a string.
#[inline]
pub fn next_bracket(text: &[u8], at: usize) -> Option<usize> {
    Scanner::<Native>::new(text).next_bracket(at)
}

/// The offset of the first escape in the content of a string, at or after `at`; the end if there is none.
#[inline]
pub fn next_escape(text: &[u8], at: usize) -> usize {
    find::<Native>(text, at, Native::quotes)
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
    /// Bytes that cannot stand in a string as they are: quote, backslash, control characters.
    fn stops(self) -> u64;
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

/// The kinds of brackets that are open, outermost first, a bit for each: set for an object.
struct Nesting {
    depth: usize,
    /// The innermost up to 64, the innermost lowest.
    word: u64,
    /// Full words of those further out.
    outer: Vec<u64>,
}

impl Nesting {
    #[inline(always)]
    fn push(&mut self, is_object: bool) -> Result<(), Fault> {
        if self.depth.is_multiple_of(64) && self.depth > 0 {
            self.spill()?;
        }
        self.word = self.word << 1 | u64::from(is_object);
        self.depth += 1;
        Ok(())
    }

    #[cold]
    fn spill(&mut self) -> Result<(), Fault> {
        self.outer.try_reserve(1).map_err(|_| Fault::OutOfMemory)?;
        self.outer.push(self.word);
        Ok(())
    }

    #[inline(always)]
    fn pop(&mut self) {
        self.depth -= 1;
        self.word >>= 1;
        if self.depth.is_multiple_of(64) {
            self.word = self.outer.pop().unwrap_or(0);
        }
    }

    #[inline(always)]
    fn in_object(&self) -> bool {
        self.word & 1 == 1
    }
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

    fn value(&self, start: usize) -> Result<usize, Fault> {
        let mut open = Nesting { depth: 0, word: 0, outer: Vec::new() };
        let mut at = self.whitespace(start);
        loop {
            at = match self.byte(at) {
                b'"' => self.string_content(at + 1)?,
                bracket @ (b'{' | b'[') => {
                    let is_object = bracket == b'{';
                    at = self.whitespace(at + 1);
                    // An opening bracket and its closing one differ by two.
                    if self.byte(at) != bracket + 2 {
                        open.push(is_object)?;
                        at = if is_object { self.key(at)? } else { at };
                        continue;
                    }
                    at + 1
                }
                b'-' => self.number(at + 1)?,
                b'0'..=b'9' => self.number(at)?,
                b't' => self.word(at, b"true")?,
                b'f' => self.word(at, b"false")?,
                b'n' => self.word(at, b"null")?,
                _ => return Err(Fault::Malformed { at }),
            };
            loop {
                if open.depth == 0 {
                    return Ok(at);
                }
                at = self.whitespace(at);
                match self.byte(at) {
                    b',' => break,
                    b'}' if open.in_object() => open.pop(),
                    b']' if !open.in_object() => open.pop(),
                    _ => return Err(Fault::Malformed { at }),
                }
                at += 1;
            }
            at = self.whitespace(at + 1);
            at = if open.in_object() { self.key(at)? } else { at };
        }
    }

    /// From a member's key to its value.
    #[inline(always)]
    fn key(&self, at: usize) -> Result<usize, Fault> {
        let at = self.string(at)?;
        let at = self.whitespace(at);
        if self.byte(at) != b':' {
            return Err(Fault::Malformed { at });
        }
        Ok(self.whitespace(at + 1))
    }

    #[inline(always)]
    fn string(&self, at: usize) -> Result<usize, Fault> {
        if self.byte(at) != b'"' {
            return Err(Fault::Malformed { at });
        }
        self.string_content(at + 1)
    }

    /// A string from behind its opening quote.
    #[inline(always)]
    fn string_content(&self, at: usize) -> Result<usize, Fault> {
        let at = find(self.text, at, L::stops);
        if self.byte(at) == b'"' { Ok(at + 1) } else { self.escaped_string(at) }
    }

    /// The rest of a string, from what is not plain in it.
    fn escaped_string(&self, mut at: usize) -> Result<usize, Fault> {
        loop {
            match self.byte(at) {
                b'"' => return Ok(at + 1),
                b'\\' => at = self.escape(at + 1)?,
                _ => return Err(Fault::Malformed { at }),
            }
            at = find(self.text, at, L::stops);
        }
    }

    /// An escape from behind its backslash. Whether four digits mean a character is not asked.
    #[inline(always)]
    fn escape(&self, at: usize) -> Result<usize, Fault> {
        match self.byte(at) {
            b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't' => Ok(at + 1),
            b'u' => match self.text.get(at + 1..at + 5) {
                Some(digits) if digits.iter().all(u8::is_ascii_hexdigit) => Ok(at + 5),
                _ => Err(Fault::Malformed { at }),
            },
            _ => Err(Fault::Malformed { at }),
        }
    }

    /// A number from behind its minus sign.
    #[inline(always)]
    fn number(&self, at: usize) -> Result<usize, Fault> {
        let mut end = match self.byte(at) {
            b'0' => at + 1,
            _ => self.digits(at)?,
        };
        if self.byte(end) == b'.' {
            end = self.digits(end + 1)?;
        }
        if self.byte(end) | 0x20 == b'e' {
            let signed = matches!(self.byte(end + 1), b'+' | b'-');
            end = self.digits(end + 1 + usize::from(signed))?;
        }
        // "01" ends behind the zero, and no digit can follow a value.
        Ok(end)
    }

    /// The end of at least one digit.
    #[inline(always)]
    fn digits(&self, at: usize) -> Result<usize, Fault> {
        let end = find(self.text, at, L::nondigits);
        if end == at { Err(Fault::Malformed { at }) } else { Ok(end) }
    }

    #[inline(always)]
    fn word(&self, at: usize, word: &[u8]) -> Result<usize, Fault> {
        match self.text.get(at..at + word.len()) {
            Some(found) if found == word => Ok(at + word.len()),
            _ => Err(Fault::Malformed { at }),
        }
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
        fn stops(self) -> u64 {
            mask(either(either(self.equal(b'"'), self.equal(b'\\')), self.at_most(0x1f)))
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
        fn stops(self) -> u64 {
            // SAFETY: NEON is always there.
            let control = unsafe { vcltq_u8(self.0, vdupq_n_u8(0x20)) };
            mask(either(either(self.equal(b'"'), self.equal(b'\\')), control))
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

    /// Eight bytes in an integer. A mask has the highest bit of each byte that is meant.
    #[derive(Clone, Copy)]
    pub(super) struct Word(u64);

    const HIGH: u64 = repeat(0x80);

    const fn repeat(byte: u8) -> u64 {
        u64::from_ne_bytes([byte; 8])
    }

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
        fn stops(self) -> u64 {
            self.quotes() | self.at_least(0x20) ^ HIGH
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
mod tests {
    use super::{Fault, Lanes, Native, Scanner, find, portable::Word};
    use serde_json::value::RawValue;

    /// Texts with one of everything, from which others are made.
    const SEEDS: [&str; 7] = [
        r#"{"name":"Grüße \ud83d\ude00 \"x\"","n":[-0,1.5e+10,0.25E-3,12345678901234567890],"t":true,"f":false,"z":null}"#,
        "[\n    {\n        \"a\" : [ ] ,\r\n\t\"b\" : { } },\n    \"\\u00e9\\n\\/\"\n]\n",
        r#"[[[[{"a":[{"b":[[]]}]}]]],[],{},""]"#,
        r#""顧客 顧客 顧客 \\ \" \t plain text that is longer than two vectors of sixteen bytes""#,
        "-123.456e-78",
        " true ",
        r#"{"":{"":{"":""}},"":1,"a":"[{\"]}"}"#,
    ];

    fn scanned<L: Lanes>(text: &[u8]) -> Result<usize, Fault> {
        let scanner = Scanner::<L>::new(text);
        let end = scanner.whitespace(scanner.value(0)?);
        if end == text.len() { Ok(end) } else { Err(Fault::Malformed { at: end }) }
    }

    /// Both kinds of vectors and serde_json agree on whether this is JSON.
    fn judge(text: &str) -> bool {
        let accepted = serde_json::from_str::<&RawValue>(text).is_ok();
        assert_eq!(scanned::<Native>(text.as_bytes()).is_ok(), accepted, "{text:?}");
        assert_eq!(scanned::<Native>(text.as_bytes()), scanned::<Word>(text.as_bytes()), "{text:?}");
        accepted
    }

    /// A small generator of pseudo-random numbers (xorshift), the same in every run.
    struct Dice(u64);

    impl Dice {
        fn below(&mut self, limit: usize) -> usize {
            self.0 ^= self.0 << 13;
            self.0 ^= self.0 >> 7;
            self.0 ^= self.0 << 17;
            self.0 as usize % limit
        }
    }

    #[test]
    fn accepts_and_refuses_the_grammar() {
        let accepted = [
            "0",
            "-0",
            "10",
            "-1",
            "0.0",
            "1e5",
            "1E+5",
            "1e-05",
            "1.25e2",
            "1e400",
            "true",
            "false",
            "null",
            "\"\"",
            "[]",
            "{}",
            "[ ]",
            "{ }",
            " \t\r\n1 \t\r\n",
            "[1,2]",
            "{\"a\":1,\"a\":2}",
            "\"\u{7f}\"",
            "\"\\ud83d\"",
            "\"\\u0000\"",
            "\"\\uDEAD\\ud83d\\uABCF\"",
            "\"/\\/\\b\\f\\n\\r\\t\\\\\\\"\"",
            "[[],{},\"\",0,null]",
        ];
        let refused = [
            "",
            " ",
            "-",
            "+1",
            "01",
            "-01",
            "1.",
            ".5",
            "1e",
            "1e+",
            "1.e5",
            "- 1",
            "1 2",
            "0x1",
            "NaN",
            "Infinity",
            "tru",
            "truE",
            "nul",
            "fals",
            "truee",
            "nulll",
            "[",
            "]",
            "{",
            "}",
            "[1",
            "[1,",
            "[1,]",
            "[,1]",
            "[1 2]",
            "[1}",
            "{1}",
            "{\"a\"}",
            "{\"a\":}",
            "{\"a\":1,}",
            "{,}",
            "{\"a\" 1}",
            "{a:1}",
            "{\"a\":1]",
            "[\"a\":1]",
            "\"",
            "\"a",
            "\"\\",
            "\"\\\"",
            "\"\\x\"",
            "\"\\u12\"",
            "\"\\u123g\"",
            "\"\\u+123\"",
            "\"\n\"",
            "\"\u{1f}\"",
            "\"\0\"",
            "\0",
            "1\0",
            "[1]]",
            "{}{}",
            "'a'",
            "[1,\u{a0}2]",
            "\u{feff}1",
            "[\u{b}1]",
            "/**/1",
            "\"a\"b",
        ];
        for text in accepted {
            assert!(judge(text), "{text:?}");
        }
        for text in refused {
            assert!(!judge(text), "{text:?}");
        }
    }

    #[test]
    fn agrees_with_serde_json_on_texts_cut_anywhere() {
        for seed in SEEDS {
            for end in (0..=seed.len()).filter(|end| seed.is_char_boundary(*end)) {
                judge(&seed[..end]);
                judge(&seed[end..]);
            }
        }
    }

    #[test]
    fn agrees_with_serde_json_on_mutated_texts() {
        const LIKELY: &[u8] = b"\"\\{}[]:,0123456789.eE+-truefalsn \t\n\r\0\x1f/u\x7f";
        let mut dice = Dice(0x9e37_79b9_7f4a_7c15);
        let mut accepted = 0;
        for round in 0..60_000 {
            let mut bytes = SEEDS[round % SEEDS.len()].as_bytes().to_vec();
            for _ in 0..1 + dice.below(3) {
                let at = dice.below(bytes.len());
                match dice.below(4) {
                    0 => bytes[at] = LIKELY[dice.below(LIKELY.len())],
                    1 => bytes.insert(at, LIKELY[dice.below(LIKELY.len())]),
                    2 if bytes.len() > 1 => drop(bytes.remove(at)),
                    _ => bytes[at] ^= 1 << dice.below(8),
                }
            }
            if let Ok(text) = std::str::from_utf8(&bytes) {
                accepted += usize::from(judge(text));
            }
        }
        assert!(accepted > 1_000, "too few of the mutated texts are JSON: {accepted}");
    }

    #[test]
    fn sees_every_byte_at_every_offset_of_a_vector() {
        for special in (0..=0x7f).map(char::from).chain(['é', '客', '😀']) {
            for before in 0..40 {
                for after in [0, 1, 7, 8, 15, 16, 33] {
                    let (before, after) = ("x".repeat(before), "y".repeat(after));
                    judge(&format!("\"{before}{special}{after}\""));
                    judge(&format!("\"{before}\\{special}{after}\""));
                    judge(&format!("[{}{special}{}1]", " ".repeat(before.len()), " ".repeat(after.len())));
                    judge(&format!("[1{}{special}{}]", "2".repeat(before.len()), "3".repeat(after.len())));
                }
            }
        }
    }

    #[test]
    fn classes_mean_the_same_in_every_kind_of_vector() {
        type Class<L> = fn(L) -> u64;
        let native: [Class<Native>; 5] =
            [Native::stops, Native::quotes, Native::structure, Native::inked, Native::nondigits];
        let portable: [Class<Word>; 5] =
            [Word::stops, Word::quotes, Word::structure, Word::inked, Word::nondigits];
        let belongs: [fn(u8) -> bool; 5] = [
            |byte| byte < 0x20 || byte == b'"' || byte == b'\\',
            |byte| byte == b'"' || byte == b'\\',
            |byte| b"\"{}[]".contains(&byte),
            |byte| !b" \t\n\r".contains(&byte),
            |byte| !byte.is_ascii_digit(),
        ];
        // A byte that does not belong to the class, to fill up with.
        let fill = [b'x', b'x', b'x', b' ', b'7'];
        for class in 0..5 {
            for (byte, length) in (0..=255u8).flat_map(|byte| (1..40).map(move |length| (byte, length))) {
                for position in 0..length {
                    let mut text = vec![fill[class]; length];
                    text[position] = byte;
                    let expected = if belongs[class](byte) { position } else { length };
                    assert_eq!(find(&text, 0, native[class]), expected, "{byte} in class {class}");
                    assert_eq!(find(&text, 0, portable[class]), expected, "{byte} in class {class}");
                    assert_eq!(find(&text, position + 1, native[class]), length);
                    assert_eq!(find(&text, position + 1, portable[class]), length);
                }
            }
        }
    }

    #[test]
    fn finds_ends_in_text_that_is_known_to_be_valid() {
        fn ends<L: Lanes>(text: &str) {
            let scanner = Scanner::<L>::new(text.as_bytes());
            for (at, _) in text.match_indices(['{', '[', '"']) {
                let Ok(end) = scanner.value(at) else { continue };
                if text[at..].starts_with('"') {
                    let (quote, escaped) = scanner.string_end(at + 1);
                    assert_eq!(quote + 1, end, "{text:?} from {at}");
                    assert_eq!(escaped, text[at..end].contains('\\'));
                } else {
                    assert_eq!(scanner.container_end(at), end, "{text:?} from {at}");
                }
            }
        }
        // Without the seeds whose strings hold brackets: those would be taken for values.
        for seed in &SEEDS[..5] {
            ends::<Native>(seed);
            ends::<Word>(seed);
        }
        assert_eq!(Scanner::<Native>::new(SEEDS[6].as_bytes()).container_end(0), SEEDS[6].len());
        assert_eq!(Scanner::<Word>::new(SEEDS[6].as_bytes()).container_end(0), SEEDS[6].len());
    }

    #[test]
    fn remembers_the_kind_of_every_open_bracket() {
        let mut dice = Dice(77);
        for depth in [1, 63, 64, 65, 127, 128, 129, 1_000, 100_000] {
            let objects: Vec<bool> = (0..depth).map(|_| dice.below(2) == 0).collect();
            let mut text: String =
                objects.iter().map(|object| if *object { "{\"\":" } else { "[" }).collect();
            text.push('1');
            text.extend(objects.iter().rev().map(|object| if *object { '}' } else { ']' }));
            assert!(judge(&text));
            for wrong in [0, depth / 2, depth - 1].map(|level| text.len() - 1 - level) {
                let swapped = if &text[wrong..=wrong] == "}" { "]" } else { "}" };
                let mut broken = text.clone();
                broken.replace_range(wrong..=wrong, swapped);
                assert!(!judge(&broken));
            }
        }
    }
}
