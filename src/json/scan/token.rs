//! Checks the tokens that are read one at a time: escapes, numbers and literals.

use super::arch::Native;
use super::masks::{NO_ERROR, pop_lowest_bit};
use super::search::Scanner;
use super::vector::SearchVector;

/// Returns the offset of the first wrong byte in escapes. They start at the bits of `starts`, relative to `base`.
#[inline(always)]
pub(super) fn check_escapes(text: &[u8], base: usize, mut starts: u64) -> usize {
    while starts != 0 {
        let at = base + pop_lowest_bit(&mut starts) + 1;
        let is_valid = match text.get(at) {
            Some(b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't') => true,
            // Unpaired surrogates are allowed.
            Some(b'u') => {
                text.get(at + 1..at + 5).is_some_and(|digits| digits.iter().all(u8::is_ascii_hexdigit))
            }
            _ => false,
        };
        if !is_valid {
            return at;
        }
    }
    NO_ERROR
}

/// Returns the offset of the first wrong byte of a number or literal.
#[inline(always)]
pub(super) fn check_scalar(text: &[u8], start: usize, end: usize) -> usize {
    if is_short_decimal(text, start, end - start) {
        return NO_ERROR;
    }
    let is_literal = match text.get(start..).unwrap_or_default() {
        [b't', b'r', b'u', b'e', ..] | [b'n', b'u', b'l', b'l', ..] => end - start == 4,
        [b'f', b'a', b'l', b's', b'e', ..] => end - start == 5,
        _ => return check_number(text, start, end),
    };
    if is_literal { NO_ERROR } else { start }
}

fn check_number(text: &[u8], start: usize, end: usize) -> usize {
    match Scanner::<Native>::new(text).number_end(start) {
        Ok(found) if found == end => NO_ERROR,
        Ok(found) => found,
        Err(at) => at,
    }
}

/// Whether the `length` bytes at `start` are a number without an exponent. Also returns `false` for numbers that do not
/// fit into a vector, or are close to the end of the text.
#[inline(always)]
fn is_short_decimal(text: &[u8], start: usize, length: usize) -> bool {
    let Some(bytes) = text.get(start..).and_then(<[u8]>::first_chunk::<16>) else { return false };
    let Some(vector) = Native::load(bytes, 0).filter(|_| length < Native::WIDTH) else { return false };
    let bits = |bytes: usize| bytes * Native::MASK_BITS;
    // Runs of digits end at the end of the number at the latest.
    let ends = vector.non_digits() | 1 << bits(length);
    let count_digits = |at: usize| (ends >> bits(at)).trailing_zeros() as usize / Native::MASK_BITS;
    let sign = usize::from(bytes[0] == b'-');
    let integer = count_digits(sign);
    // No digit may follow a leading zero.
    if integer == 0 || integer > 1 && bytes[sign] == b'0' {
        return false;
    }
    let point = sign + integer;
    if point == length {
        return true;
    }
    let fraction = count_digits(point + 1);
    bytes[point % 16] == b'.' && fraction > 0 && point + 1 + fraction == length
}
