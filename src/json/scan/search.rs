//! Searches in valid text, one vector at a time.

use super::arch::Native;
use super::vector::SearchVector;
use std::marker::PhantomData;

/// Returns the offset of the first byte at or after `at` that is not whitespace.
#[inline]
pub fn skip_whitespace(text: &[u8], at: usize) -> usize {
    Scanner::<Native>::new(text).skip_whitespace(at)
}

/// Returns the offset of the quote that ends a string, whose content begins at `at`, and whether it contains escapes.
#[inline]
pub fn string_end(text: &[u8], at: usize) -> (usize, bool) {
    Scanner::<Native>::new(text).string_end(at)
}

/// Copies the content of a string, which begins at `at`, up to its end or its first escape. Returns the number of bytes
/// copied. Stops earlier if less than a vector is left in the text or in the buffer.
#[inline(always)]
pub fn copy_verbatim(text: &[u8], at: usize, buffer: &mut [u8]) -> usize {
    Scanner::<Native>::new(text).copy_verbatim(at, buffer)
}

/// Returns the end of the number, `true`, `false` or `null` that begins at `at`.
#[inline]
pub fn scalar_end(text: &[u8], at: usize) -> usize {
    let ends_scalar = |byte: &u8| matches!(byte, b',' | b'}' | b']' | b' ' | b'\n' | b'\r' | b'\t');
    let rest = text.get(at..).unwrap_or_default();
    at + rest.iter().position(ends_scalar).unwrap_or(rest.len())
}

/// Returns the end of the array or object that begins at `at`.
pub fn container_end(text: &[u8], at: usize) -> usize {
    Scanner::<Native>::new(text).container_end(at)
}

/// Returns the offset of the first escape at or after `at` in the content of a string, or its length if there is
/// none.
#[inline]
pub fn next_escape(text: &[u8], at: usize) -> usize {
    find::<Native>(text, at, Native::quotes)
}

/// Returns the offset of the first byte of a class at or after `at`, or the length of the text if there is none.
#[inline(always)]
pub(super) fn find<V: SearchVector>(text: &[u8], mut at: usize, class: impl Fn(V) -> u64) -> usize {
    while let Some(vector) = V::load(text, at) {
        let mask = class(vector);
        if mask != 0 {
            return at + mask.trailing_zeros() as usize / V::MASK_BITS;
        }
        at += V::WIDTH;
    }
    find_in_tail(text, at, class)
}

/// `find` for the last bytes, which are fewer than a vector: loads the last whole vector of the text, and drops the
/// bytes before `at`.
#[inline(never)]
fn find_in_tail<V: SearchVector>(text: &[u8], at: usize, class: impl Fn(V) -> u64) -> usize {
    let Some(left) = text.len().checked_sub(at).filter(|left| *left > 0) else {
        return text.len();
    };
    let mut padded = [0; 16];
    let (vector, dropped) = if text.len() >= V::WIDTH {
        (V::load(text, text.len() - V::WIDTH), V::WIDTH - left)
    } else {
        padded[..left].copy_from_slice(&text[at..]);
        (V::load(&padded, 0), 0)
    };
    let mask = vector.map_or(0, class) >> (dropped * V::MASK_BITS);
    if mask == 0 { text.len() } else { text.len().min(at + mask.trailing_zeros() as usize / V::MASK_BITS) }
}

/// A text that is searched with vectors of type `V`.
pub(super) struct Scanner<'a, V> {
    text: &'a [u8],
    vector: PhantomData<V>,
}

impl<'a, V: SearchVector> Scanner<'a, V> {
    #[inline(always)]
    pub(super) fn new(text: &'a [u8]) -> Self {
        Scanner { text, vector: PhantomData }
    }

    /// The byte at `at`; after the end of the text, U+0000, which is not valid anywhere.
    #[inline(always)]
    fn byte(&self, at: usize) -> u8 {
        self.text.get(at).copied().unwrap_or(0)
    }

    /// Returns the end of the number that begins at `at`. If there is none, fails with the first wrong byte.
    #[inline(always)]
    pub(super) fn number_end(&self, at: usize) -> Result<usize, usize> {
        let at = at + usize::from(self.byte(at) == b'-');
        // No digit may follow a leading zero.
        let mut end = if self.byte(at) == b'0' { at + 1 } else { self.digits_end(at)? };
        if self.byte(end) == b'.' {
            end = self.digits_end(end + 1)?;
        }
        if self.byte(end) | 0x20 == b'e' {
            let is_signed = matches!(self.byte(end + 1), b'+' | b'-');
            end = self.digits_end(end + 1 + usize::from(is_signed))?;
        }
        Ok(end)
    }

    /// Returns the end of one or more digits.
    #[inline(always)]
    fn digits_end(&self, at: usize) -> Result<usize, usize> {
        let end = find(self.text, at, V::non_digits);
        if end == at { Err(at) } else { Ok(end) }
    }

    #[inline(always)]
    fn skip_whitespace(&self, at: usize) -> usize {
        if self.byte(at) > b' ' { at } else { self.skip_likely_whitespace(at) }
    }

    /// Skips a single space between two values, or a line break and an indentation.
    #[inline(always)]
    fn skip_likely_whitespace(&self, at: usize) -> usize {
        if self.byte(at) == b' ' && self.byte(at + 1) > b' ' {
            at + 1
        } else {
            find(self.text, at, V::non_whitespace)
        }
    }

    #[inline(always)]
    pub(super) fn string_end(&self, at: usize) -> (usize, bool) {
        let end = find(self.text, at, V::quotes);
        if self.byte(end) == b'\\' { (self.escaped_string_end(end), true) } else { (end, false) }
    }

    #[inline(always)]
    pub(super) fn copy_verbatim(&self, at: usize, buffer: &mut [u8]) -> usize {
        let mut copied = 0;
        while let Some(vector) = V::load(self.text, at + copied)
            && let Some(target) = buffer.get_mut(copied..copied + V::WIDTH)
        {
            target.copy_from_slice(&self.text[at + copied..at + copied + V::WIDTH]);
            let mask = vector.quotes();
            if mask != 0 {
                return copied + mask.trailing_zeros() as usize / V::MASK_BITS;
            }
            copied += V::WIDTH;
        }
        copied
    }

    /// `string_end` from the first backslash on.
    fn escaped_string_end(&self, mut at: usize) -> usize {
        while self.byte(at) == b'\\' {
            at = find(self.text, at + 2, V::quotes);
        }
        at
    }

    /// Returns the offset of the first bracket outside of strings at or after `at`.
    #[inline(always)]
    pub(super) fn next_bracket(&self, mut at: usize) -> Option<usize> {
        loop {
            at = find(self.text, at, V::structural);
            if self.byte(at) != b'"' {
                return (at < self.text.len()).then_some(at);
            }
            at = self.string_end(at + 1).0 + 1;
        }
    }

    pub(super) fn container_end(&self, mut at: usize) -> usize {
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
