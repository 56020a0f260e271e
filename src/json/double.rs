//! Finds the double that is nearest to a decimal number, with integers alone.
//!
//! Floating-point arithmetic obeys the modes of the calling thread, which belong to the host: how results are rounded,
//! whether denormal numbers are zero, and which exceptions raise a signal. It also sets flags that the host can read.
//! Integer arithmetic does neither.

use std::io::{Cursor, Write};

/// The largest exponent of a power of five that fits into 64 bits.
const MAX_POWER: i64 = 27;

const POWERS_OF_FIVE: [u64; MAX_POWER as usize + 1] = {
    let mut powers = [1; MAX_POWER as usize + 1];
    let mut power = 1;
    while power < powers.len() {
        powers[power] = 5 * powers[power - 1];
        power += 1;
    }
    powers
};

/// `2^(127 + bits) / 5^power`, rounded up, where `bits` is the length of the power of five. From 1 on.
const RECIPROCALS: [u128; MAX_POWER as usize + 1] = {
    let mut reciprocals = [0; MAX_POWER as usize + 1];
    let mut power = 1;
    while power < reciprocals.len() {
        let divisor = POWERS_OF_FIVE[power] as u128;
        // Long division. The quotient has 128 bits.
        let mut remainder = 1 << (bit_length(power) - 1);
        let mut quotient = 0;
        let mut bit = 0;
        while bit < 128 {
            remainder *= 2;
            quotient = quotient << 1 | (remainder >= divisor) as u128;
            remainder %= divisor;
            bit += 1;
        }
        reciprocals[power] = quotient + 1;
        power += 1;
    }
    reciprocals
};

/// The length of a power of five in bits.
const fn bit_length(power: usize) -> i32 {
    64 - POWERS_OF_FIVE[power].leading_zeros() as i32
}

/// The double nearest to `digits * 10^exponent`. There are at most 19 digits.
pub(super) fn nearest(digits: u64, exponent: i64) -> Option<f64> {
    match exponent {
        _ if digits == 0 => Some(0.0),
        0..=MAX_POWER => {
            let product = u128::from(digits) * u128::from(POWERS_OF_FIVE[exponent as usize]);
            let excess = 64 - ((product >> 64) as u64).leading_zeros();
            let is_inexact = product & ((1 << excess) - 1) != 0;
            Some(round((product >> excess) as u64, is_inexact, exponent as i32 + excess as i32))
        }
        exponent if (-MAX_POWER..0).contains(&exponent) => {
            Some(nearest_quotient(digits, exponent.unsigned_abs() as usize))
        }
        _ => parse_with_std(digits, exponent),
    }
}

/// The double nearest to `digits / 10^power`. The power is from 1 to `MAX_POWER`.
#[inline(always)]
pub(super) fn nearest_quotient(digits: u64, power: usize) -> f64 {
    if digits == 0 {
        return 0.0;
    }
    let shift = digits.leading_zeros();
    let normalized = u128::from(digits << shift);
    let reciprocal = RECIPROCALS[power];
    // Either the quotient, rounded down, or one more. Its highest bit is bit 126 or 127.
    let quotient = normalized * (reciprocal >> 64) + ((normalized * u128::from(reciprocal as u64)) >> 64);
    // The exact quotient is a multiple of 2^(63 + bits) / 5^power, and its upper 54 bits decide the rounding. If the bits
    // after these are not all zero, they are at least 2^11, so an error of one only matters where they are.
    let (upper, is_inexact) = ((quotient >> 64) as u64, quotient as u64 > 1);
    let exponent = 1 - bit_length(power) - shift as i32 - power as i32;
    let is_short = !upper >> 63;
    round_normalized(upper << is_short | u64::from(is_inexact), exponent - is_short as i32)
}

/// The double nearest to `number * 2^exponent`; a tie goes to the even one. Inexact numbers are larger than this, by less
/// than 1, and have at least 62 bits. The result must be neither denormal nor infinite.
#[inline(always)]
pub(super) fn round(number: u64, is_inexact: bool, exponent: i32) -> f64 {
    let shift = number.leading_zeros();
    round_normalized(number << shift | u64::from(is_inexact), exponent - shift as i32)
}

/// The same for a number whose highest bit is set.
#[inline(always)]
fn round_normalized(normalized: u64, exponent: i32) -> f64 {
    let (mantissa, rest) = (normalized >> 11, normalized & 0x7ff);
    let is_rounded_up = rest + (mantissa & 1) > 0x400;
    // The highest bit of the mantissa is bit 52, which adds 1 to the exponent.
    let biased = (1023 + 63 - 1 + exponent) as u64;
    f64::from_bits((biased << 52) + mantissa + u64::from(is_rounded_up))
}

/// Lets the standard library convert a number with a large exponent. It calculates with integers if the digits do not fit
/// into a double, so zeros are appended to them.
#[cold]
fn parse_with_std(digits: u64, exponent: i64) -> Option<f64> {
    let zeros = 18 - digits.ilog10();
    let mut text = Cursor::new([0; 48]);
    write!(text, "{}e{}", digits * 10u64.pow(zeros), exponent - i64::from(zeros)).ok()?;
    let length = usize::try_from(text.position()).ok()?;
    std::str::from_utf8(text.get_ref().get(..length)?).ok()?.parse().ok()
}
