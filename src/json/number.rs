//! Parses the numbers of JSON.

use super::scan;

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

/// Powers of ten that a double holds exactly.
const POWERS: [f64; 23] = [
    1e0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15, 1e16, 1e17, 1e18,
    1e19, 1e20, 1e21, 1e22,
];

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
    // The digits and the power are exact, so the only rounding is that of the division.
    let digits = whole * SHIFTS[places] + fraction;
    let double = digits as f64 / POWERS[places];
    Some((Number::Double(if sign == 1 { -double } else { double }), end))
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
    if next != b'.' && next | 0x20 != b'e' {
        if count > MAX_SAFE_DIGITS || is_negative && digits == 0 {
            return read_with_std(text, start);
        }
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
    if text.get(end).copied().unwrap_or(0) | 0x20 == b'e' {
        exponent += read_exponent(text, &mut end);
    }
    let power = POWERS.get(usize::try_from(exponent.unsigned_abs()).ok()?);
    let (Some(power), true) = (power, count <= MAX_SAFE_DIGITS && digits <= 1 << 53) else {
        return read_with_std(text, start);
    };
    let magnitude = if exponent < 0 { digits as f64 / power } else { digits as f64 * power };
    Some((Number::Double(if is_negative { -magnitude } else { magnitude }), end))
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

/// Exponents saturate at this value, which is beyond the table of powers and far from the bounds of `i64`.
const MAX_EXPONENT: i64 = 1 << 40;

/// Appends the digits at `end` to those of `number`, and moves `end` past them. The result is meaningless if there are
/// more than 19 digits in all.
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

/// Lets the standard library parse a number with many digits or a large exponent.
#[cold]
fn read_with_std(text: &[u8], start: usize) -> Option<(Number, usize)> {
    let end = scan::scalar_end(text, start);
    let number = std::str::from_utf8(text.get(start..end)?).ok()?;
    Some((Number::Double(number.parse().ok()?), end))
}

impl Number {
    /// The nearest double.
    #[inline]
    pub(super) fn as_f64(self) -> f64 {
        match self {
            Number::Integer(integer) => integer as f64,
            Number::Double(double) => double,
        }
    }

    /// The number truncated towards zero, and saturated. `text` is the text that it was parsed from.
    #[inline]
    pub(super) fn as_i64(self, text: &str) -> i64 {
        match self {
            Number::Integer(integer) => integer,
            // The exact number is between the same two integers as its nearest double.
            Number::Double(double) if double.fract() != 0.0 => double as i64,
            Number::Double(_) => truncate(text).clamp(i64::MIN.into(), i64::MAX.into()) as i64,
        }
    }
}

/// The limit of truncated numbers, which is larger than any `i64`.
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
