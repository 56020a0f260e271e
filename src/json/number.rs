//! Parses the numbers of JSON.

use super::double::{nearest, nearest_quotient, round};

/// A parsed number.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Number {
    /// An integer of up to 18 digits, other than `-0`.
    Integer(i64),
    /// Any other number, as the nearest double.
    Double(f64),
}

/// Integers of up to this many digits fit into an `i64`.
const MAX_SAFE_DIGITS: usize = 18;

/// Numbers of up to this many digits fit into a `u64`.
const MAX_DIGITS: usize = 19;

/// The fast path reads this many bytes: a sign, eight digits, a point, and eight digits.
const FAST_PATH_BYTES: usize = 18;

/// Parses the number at `start` in valid JSON. Returns it with the offset of its end.
#[inline(always)]
pub(super) fn read(text: &[u8], start: usize) -> Option<(Number, usize)> {
    match text.get(start..).and_then(<[u8]>::first_chunk).and_then(read_fast) {
        Some((number, length)) => Some((number, start + length)),
        None => read_slow(text, start),
    }
}

/// Parses a number of up to seven digits on each side of its point and without an exponent. Returns it with its length.
#[inline(always)]
fn read_fast(bytes: &[u8; FAST_PATH_BYTES]) -> Option<(Number, usize)> {
    let word = |at: usize| bytes.get(at..at + 8)?.first_chunk().map(|eight| u64::from_le_bytes(*eight));
    let sign = usize::from(bytes[0] == b'-');
    let (whole, count) = leading_digits(word(sign)?);
    let end = sign + count;
    let (magnitude, next) = (whole as i64, *bytes.get(end)?);
    let signed = |magnitude: i64| if sign == 1 { -magnitude } else { magnitude };
    if next != b'.' {
        let is_integer = count < 8 && next | 0x20 != b'e' && (magnitude != 0 || sign == 0);
        return is_integer.then_some((Number::Integer(signed(magnitude)), end));
    }
    let (fraction, places) = leading_digits(word(end + 1)?);
    let end = end + 1 + places;
    if count == 8 || places == 8 || bytes.get(end)? | 0x20 == b'e' {
        return None;
    }
    let double = nearest_quotient(whole * SHIFTS[places] + fraction, places);
    Some((Number::Double(with_sign(double, sign == 1)), end))
}

/// Parses a number of any length.
#[inline(never)]
fn read_slow(text: &[u8], start: usize) -> Option<(Number, usize)> {
    let is_negative = text.get(start) == Some(&b'-');
    let first = start + usize::from(is_negative);
    let mut end = first;
    let mut digits = read_digits(text, &mut end, 0);
    let mut count = end - first;
    let next = text.get(end).copied().unwrap_or(0);
    let is_integer = next != b'.' && next | 0x20 != b'e';
    if is_integer && count <= MAX_SAFE_DIGITS && !(is_negative && digits == 0) {
        let magnitude = digits as i64;
        return Some((Number::Integer(if is_negative { -magnitude } else { magnitude }), end));
    }
    let mut exponent = 0;
    if next == b'.' {
        let point = end;
        end += 1;
        digits = read_digits(text, &mut end, digits);
        count += end - point - 1;
        exponent = point as i64 + 1 - end as i64;
    }
    if count > MAX_DIGITS {
        count -= leading_zeros(text, first);
    }
    if text.get(end).copied().unwrap_or(0) | 0x20 == b'e' {
        exponent += read_exponent(text, &mut end);
    }
    let double =
        if count <= MAX_DIGITS { nearest(digits, exponent)? } else { parse_with_std(text, first, end)? };
    Some((Number::Double(with_sign(double, is_negative)), end))
}

/// The number of zeros in front of the first other digit.
#[cold]
fn leading_zeros(text: &[u8], first: usize) -> usize {
    let start = text.get(first..).unwrap_or_default().iter().take_while(|byte| matches!(byte, b'0' | b'.'));
    start.filter(|byte| **byte == b'0').count()
}

/// A number that is not negative, with a sign.
#[inline(always)]
fn with_sign(magnitude: f64, is_negative: bool) -> f64 {
    f64::from_bits(magnitude.to_bits() | u64::from(is_negative) << 63)
}

/// Parses an exponent, starting at its letter.
fn read_exponent(text: &[u8], end: &mut usize) -> i64 {
    let sign = text.get(*end + 1).copied().unwrap_or(0);
    let first = *end + 1 + usize::from(matches!(sign, b'+' | b'-'));
    let digits = text.get(first..).unwrap_or_default().iter().take_while(|byte| byte.is_ascii_digit());
    let mut magnitude = 0i64;
    *end = first;
    for digit in digits {
        magnitude = (magnitude * 10 + i64::from(digit - b'0')).min(MAX_EXPONENT);
        *end += 1;
    }
    if sign == b'-' { -magnitude } else { magnitude }
}

/// Exponents saturate here: far beyond those of any double, and far from the bounds of `i64`.
const MAX_EXPONENT: i64 = 1 << 40;

/// Appends the digits at `end` to those of `number`, and moves `end` past them. The result is meaningless if there are
/// more than 19 digits in all, not counting leading zeros.
#[inline(always)]
fn read_digits(text: &[u8], end: &mut usize, mut number: u64) -> u64 {
    loop {
        let (digits, count) = leading_digits(eight_bytes(text, *end));
        number = number.wrapping_mul(SHIFTS[count & 15]).wrapping_add(digits);
        *end += count;
        if count < 8 {
            return number;
        }
    }
}

/// The factor by which appending this many digits multiplies a number. A word never has more than eight.
const SHIFTS: [u64; 16] =
    [1, 10, 100, 1_000, 10_000, 100_000, 1_000_000, 10_000_000, 100_000_000, 0, 0, 0, 0, 0, 0, 0];

/// Reads eight bytes in little-endian order. Bytes after the end of the text read as zero.
#[inline(always)]
fn eight_bytes(text: &[u8], at: usize) -> u64 {
    match text.get(at..).and_then(<[u8]>::first_chunk) {
        Some(bytes) => u64::from_le_bytes(*bytes),
        None => last_bytes(text, at),
    }
}

#[inline(never)]
fn last_bytes(text: &[u8], at: usize) -> u64 {
    let rest = text.get(at..).unwrap_or_default();
    rest.iter().rev().fold(0, |word, byte| word << 8 | u64::from(*byte))
}

/// The value of the digits at the start of a little-endian word, and their number.
#[inline(always)]
fn leading_digits(bytes: u64) -> (u64, usize) {
    const EACH: u64 = 0x0101_0101_0101_0101;
    let digits = bytes ^ (EACH * 0x30);
    // Sets the highest bit of each byte that is ten or more. A carry can only affect bytes after the first of these.
    let others = (digits.wrapping_add(EACH * 0x76) | digits) & (EACH * 0x80);
    let count = (others.trailing_zeros() / 8) as usize;
    if count == 0 {
        return (0, 0);
    }
    // Pads with leading zeros to eight digits. Then combines digits into pairs, pairs into fours, and fours into the
    // result.
    let eight = digits << (64 - 8 * count);
    let pairs = eight.wrapping_mul(10).wrapping_add(eight >> 8);
    let fours = (pairs & 0x0000_00ff_0000_00ff).wrapping_mul(100 + (1_000_000 << 32));
    let rest = (pairs >> 16 & 0x0000_00ff_0000_00ff).wrapping_mul(1 + (10_000 << 32));
    (fours.wrapping_add(rest) >> 32, count)
}

/// Lets the standard library parse a number of more than 19 digits, which it does with integers.
#[cold]
fn parse_with_std(text: &[u8], first: usize, end: usize) -> Option<f64> {
    std::str::from_utf8(text.get(first..end)?).ok()?.parse().ok()
}

impl Number {
    /// The nearest double.
    #[inline]
    pub(super) fn as_f64(self) -> f64 {
        match self {
            // The conversion is exact: it rounds nothing, and sets no flag.
            Number::Integer(integer) if integer.unsigned_abs() <= MAX_EXACT => integer as f64,
            Number::Integer(integer) => nearest_to_large(integer),
            Number::Double(double) => double,
        }
    }

    /// The number truncated towards zero, and saturated. `text` is the text that it was parsed from.
    #[inline]
    pub(super) fn as_i64(self, text: &str) -> i64 {
        match self {
            Number::Integer(integer) => integer,
            Number::Double(double) => match truncate_fraction(double) {
                Some(integer) => integer,
                None => truncate(text).clamp(i64::MIN.into(), i64::MAX.into()) as i64,
            },
        }
    }
}

/// Doubles represent all integers of up to this magnitude.
const MAX_EXACT: u64 = 1 << 53;

#[cold]
#[inline(never)]
fn nearest_to_large(integer: i64) -> f64 {
    with_sign(round(integer.unsigned_abs(), false, 0), integer < 0)
}

/// Truncates the double nearest to a number towards zero, as if it were the number: both are between the same two
/// integers. Returns `None` for an integer other than zero, because the number itself may be less.
fn truncate_fraction(double: f64) -> Option<i64> {
    const MANTISSA_BITS: u32 = 52;
    let bits = double.to_bits();
    let exponent = (bits >> MANTISSA_BITS & 0x7ff) as u32;
    let fraction_bits = (1023 + MANTISSA_BITS).checked_sub(exponent)?;
    if fraction_bits > MANTISSA_BITS {
        return Some(0);
    }
    let mantissa = bits & ((1 << MANTISSA_BITS) - 1) | 1 << MANTISSA_BITS;
    let magnitude = (mantissa >> fraction_bits) as i64;
    let is_integer = mantissa & ((1 << fraction_bits) - 1) == 0;
    (!is_integer).then_some(if bits >> 63 == 1 { -magnitude } else { magnitude })
}

/// The double nearest to a valid number.
pub(crate) fn nearest_double(number: &str) -> Option<f64> {
    read(number.as_bytes(), 0).map(|(number, _)| number.as_f64())
}

/// Larger than any `i64`.
const MAX_MAGNITUDE: i128 = 1 << 64;

/// Truncates a valid number towards zero. A number that is out of the range of `i64` remains out of it, but may change.
pub(crate) fn truncate(number: &str) -> i128 {
    if let Ok(integer) = number.parse::<i64>() {
        return integer.into();
    }
    let (sign, magnitude) = number.strip_prefix('-').map_or((1, number), |magnitude| (-1, magnitude));
    let (digits, exponent) = magnitude.split_once(['e', 'E']).unwrap_or((magnitude, "0"));
    let (whole, fraction) = digits.split_once('.').unwrap_or((digits, ""));
    let places = i64::try_from(whole.len()).unwrap_or(i64::MAX).saturating_add(saturated_exponent(exponent));
    let places = usize::try_from(places.max(0)).unwrap_or(usize::MAX);

    let mut sum = 0i128;
    let mut missing = places;
    for digit in whole.bytes().chain(fraction.bytes()).take(places) {
        sum = (sum * 10 + i128::from(digit - b'0')).min(MAX_MAGNITUDE);
        missing -= 1;
    }
    while sum > 0 && sum < MAX_MAGNITUDE && missing > 0 {
        sum = (sum * 10).min(MAX_MAGNITUDE);
        missing -= 1;
    }
    sign * sum
}

fn saturated_exponent(exponent: &str) -> i64 {
    exponent.parse().unwrap_or(if exponent.starts_with('-') { i64::MIN } else { i64::MAX })
}

#[cfg(test)]
mod tests {
    use super::{Number, read, truncate};
    use crate::rng::Rng;

    /// Parses a number in several places of a text.
    fn check(text: &str) {
        let double: f64 = text.parse().unwrap_or_else(|_| panic!("{text} is not a number"));
        let integer = truncate(text).clamp(i64::MIN.into(), i64::MAX.into()) as i64;
        for after in ["", "]", ",10000000,1", " 1.5e3}"] {
            for before in ["", "[1,", "        "] {
                let whole = format!("{before}{text}{after}");
                let Some((number, end)) = read(whole.as_bytes(), before.len()) else { panic!("{whole:?}") };
                assert_eq!(end, before.len() + text.len(), "{whole:?}");
                assert_eq!(number.as_f64().to_bits(), double.to_bits(), "{whole:?}");
                assert_eq!(number.as_i64(text), integer, "{whole:?}");
            }
        }
    }

    #[test]
    fn numbers_of_every_form_are_parsed_exactly() {
        let wholes = [
            "0",
            "1",
            "7",
            "10",
            "99",
            "403",
            "12345",
            "1234567",
            "12345678",
            "123456789",
            "9007199254740991",
            "9007199254740992",
            "9007199254740993",
            "1234567890123456",
            "99999999999999999",
            "999999999999999999",
            "1000000000000000000",
            "9223372036854775807",
            "9223372036854775808",
            "18446744073709551615",
            "18446744073709551616",
            "100000000000000000000000000000",
        ];
        let fractions = [
            "",
            ".0",
            ".5",
            ".95",
            ".376900",
            ".1234567",
            ".12345678",
            ".123456789",
            ".00000000",
            ".000000001",
            ".9999999999999999",
            ".99999999999999999",
            ".999999999999999999999999999",
            ".3333333333333333333",
        ];
        let exponents = [
            "",
            "e0",
            "E+0",
            "e-0",
            "e1",
            "e-2",
            "e+5",
            "e22",
            "e23",
            "e-22",
            "e-23",
            "e007",
            "e-300",
            "e308",
            "e309",
            "e-324",
            "e-400",
            "e400",
            "e99999999999999999999",
            "e-99999999999999999999",
        ];
        for sign in ["", "-"] {
            for whole in wholes {
                for fraction in fractions {
                    for exponent in exponents {
                        check(&format!("{sign}{whole}{fraction}{exponent}"));
                    }
                }
            }
        }
    }

    #[test]
    fn random_numbers_are_parsed_as_by_the_standard_library() {
        let mut rng = Rng(0x9e37_79b9_7f4a_7c15);
        let mut below = |limit: u64| rng.below(limit as usize) as u64;
        for _ in 0..4_000 {
            let digits = 10u64.pow(below(19) as u32 + 1);
            let (whole, fraction) = (below(digits), below(digits));
            check(&format!("{whole}.{fraction}"));
            check(&format!("-{}.{fraction:06}e{}", whole % 1000, below(60) as i64 - 30));
            check(&format!("{:e}", f64::from_bits(below(u64::MAX) & !(0x7ff << 52) | (below(0x7ff) << 52))));
        }
    }

    #[test]
    fn only_integers_that_fit_are_parsed_as_integers() {
        assert_eq!(read(b"-12]", 0), Some((Number::Integer(-12), 3)));
        assert_eq!(read(b"999999999999999999", 0), Some((Number::Integer(999_999_999_999_999_999), 18)));
        assert!(matches!(read(b"-0", 0), Some((Number::Double(zero), 2)) if zero.is_sign_negative()));
        assert!(matches!(read(b"12.0", 0), Some((Number::Double(_), 4))));
    }
}
