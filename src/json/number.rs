//! Reading the numbers of JSON.

/// A number that was read.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Number {
    /// An integer of up to eighteen digits. Minus zero is none.
    Integer(i64),
    /// Anything else, as the nearest double.
    Double(f64),
}

/// Integers of up to so many digits are in the range of `i64`.
const MOST_DIGITS: usize = 18;

/// Powers of ten that a double holds exactly.
const POWERS: [f64; 23] = [
    1e0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15, 1e16, 1e17, 1e18,
    1e19, 1e20, 1e21, 1e22,
];

/// No number that is read at once has more bytes in front of what comes behind it: a sign, twice eight digits, a point.
const AT_ONCE: usize = 18;

/// The number that begins at `at` in valid JSON, and where it ends.
#[inline(always)]
pub(super) fn read(text: &[u8], start: usize) -> Option<(Number, usize)> {
    match text.get(start..).and_then(<[u8]>::first_chunk).and_then(read_at_once) {
        Some((number, length)) => Some((number, start + length)),
        None => read_in_steps(text, start),
    }
}

/// A number of up to seven digits before the point and as many behind it, without exponent, and its length.
#[inline(always)]
fn read_at_once(bytes: &[u8; AT_ONCE]) -> Option<(Number, usize)> {
    let word = |at: usize| bytes.get(at..at + 8)?.first_chunk().map(|eight| u64::from_le_bytes(*eight));
    let sign = usize::from(bytes[0] == b'-');
    let (whole, count) = leading_digits(word(sign)?);
    let end = sign + count;
    let (magnitude, behind) = (whole as i64, *bytes.get(end)?);
    let signed = |magnitude: i64| if sign == 1 { -magnitude } else { magnitude };
    if behind != b'.' {
        let is_integer = count < 8 && behind | 0x20 != b'e' && (magnitude != 0 || sign == 0);
        return is_integer.then_some((Number::Integer(signed(magnitude)), end));
    }
    let (fraction, places) = leading_digits(word(end + 1)?);
    let end = end + 1 + places;
    if count == 8 || places == 8 || bytes.get(end)? | 0x20 == b'e' {
        return None;
    }
    // Both the digits and the power are exact, so one operation rounds once, as it should be.
    let digits = whole * SHIFTS[places] + fraction;
    let double = digits as f64 / POWERS[places];
    Some((Number::Double(if sign == 1 { -double } else { double }), end))
}

/// A number of any length.
#[inline(never)]
fn read_in_steps(text: &[u8], start: usize) -> Option<(Number, usize)> {
    let is_negative = text.get(start) == Some(&b'-');
    let first = start + usize::from(is_negative);
    let mut end = first;
    let mut digits = read_digits(text, &mut end, 0);
    let mut count = end - first;
    let next = text.get(end).copied().unwrap_or(0);
    if next != b'.' && next | 0x20 != b'e' {
        if count > MOST_DIGITS || is_negative && digits == 0 {
            return read_slowly(text, start);
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
    let (Some(power), true) = (power, count <= MOST_DIGITS && digits <= 1 << 53) else {
        return read_slowly(text, start);
    };
    let magnitude = if exponent < 0 { digits as f64 / power } else { digits as f64 * power };
    Some((Number::Double(if is_negative { -magnitude } else { magnitude }), end))
}

/// Goes over an exponent from its letter on.
fn read_exponent(text: &[u8], end: &mut usize) -> i64 {
    let sign = text.get(*end + 1).copied().unwrap_or(0);
    let first = *end + 1 + usize::from(matches!(sign, b'+' | b'-'));
    let digits = text.get(first..).unwrap_or_default().iter().take_while(|byte| byte.is_ascii_digit());
    let mut magnitude = 0i64;
    *end = first;
    for digit in digits {
        magnitude = (magnitude * 10 + i64::from(digit - b'0')).min(FAR);
        *end += 1;
    }
    if sign == b'-' { -magnitude } else { magnitude }
}

/// An exponent that no table of powers reaches, and far from the bounds of `i64`.
const FAR: i64 = 1 << 40;

/// Goes over digits, and puts them behind those that `number` has; with more than nineteen in all it is worth nothing.
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

/// What so many digits more multiply a number by.
const SHIFTS: [u64; 16] =
    [1, 10, 100, 1_000, 10_000, 100_000, 1_000_000, 10_000_000, 100_000_000, 0, 0, 0, 0, 0, 0, 0];

/// Eight bytes, the first one lowest. Behind the end of the text zeros are read.
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

/// The number that the first bytes are, as far as they are digits, and how many of them are.
#[inline(always)]
fn leading_digits(bytes: u64) -> (u64, usize) {
    const EACH: u64 = 0x0101_0101_0101_0101;
    let digits = bytes ^ (EACH * 0x30);
    // The highest bit of each byte that is ten or more; what carries over comes behind the first such byte.
    let others = (digits.wrapping_add(EACH * 0x76) | digits) & (EACH * 0x80);
    let count = (others.trailing_zeros() / 8) as usize;
    if count == 0 {
        return (0, 0);
    }
    // With zeros in front there are eight digits, of which neighbours are joined: to pairs, fours, all.
    let eight = digits << (64 - 8 * count);
    let pairs = eight.wrapping_mul(10).wrapping_add(eight >> 8);
    let fours = (pairs & 0x0000_00ff_0000_00ff).wrapping_mul(100 + (1_000_000 << 32));
    let rest = (pairs >> 16 & 0x0000_00ff_0000_00ff).wrapping_mul(1 + (10_000 << 32));
    (fours.wrapping_add(rest) >> 32, count)
}

/// What is too long or too far from one, as the standard library reads it.
#[cold]
fn read_slowly(text: &[u8], start: usize) -> Option<(Number, usize)> {
    let length = text.get(start..)?.iter().position(|byte| !is_numeric(*byte)).unwrap_or(text.len() - start);
    let number = std::str::from_utf8(&text[start..start + length]).ok()?;
    Some((Number::Double(number.parse().ok()?), start + length))
}

pub(super) fn is_numeric(byte: u8) -> bool {
    matches!(byte, b'0'..=b'9' | b'+' | b'-' | b'.' | b'e' | b'E')
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

    /// Without the fraction, and saturated. `text` is what the number was read from.
    #[inline]
    pub(super) fn as_i64(self, text: &str) -> i64 {
        match self {
            Number::Integer(integer) => integer,
            // Between two integers that doubles hold, the exact number lies there, too.
            Number::Double(double) if double.fract() != 0.0 => double as i64,
            Number::Double(_) => truncate(text).clamp(i64::MIN.into(), i64::MAX.into()) as i64,
        }
    }
}

/// More than any `i64`.
const BEYOND: i128 = 1 << 64;

/// A valid number without its fraction; what is out of the range of `i64` comes out as some number out of it.
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
        sum = (sum * 10 + i128::from(digit - b'0')).min(BEYOND);
        missing -= 1;
    }
    while sum > 0 && sum < BEYOND && missing > 0 {
        sum = (sum * 10).min(BEYOND);
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

    /// Reads a number that is followed by something, or by nothing.
    fn check(text: &str) {
        let double: f64 = text.parse().unwrap_or_else(|_| panic!("{text} is no number"));
        let integer = truncate(text).clamp(i64::MIN.into(), i64::MAX.into()) as i64;
        for behind in ["", "]", ",10000000,1", " 1.5e3}"] {
            for before in ["", "[1,", "        "] {
                let whole = format!("{before}{text}{behind}");
                let Some((number, end)) = read(whole.as_bytes(), before.len()) else { panic!("{whole:?}") };
                assert_eq!(end, before.len() + text.len(), "{whole:?}");
                assert_eq!(number.as_f64().to_bits(), double.to_bits(), "{whole:?}");
                assert_eq!(number.as_i64(text), integer, "{whole:?}");
            }
        }
    }

    #[test]
    fn numbers_of_every_form_are_read_exactly() {
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
    fn numbers_in_great_number_are_read_as_the_standard_library_does() {
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
    fn only_short_integers_are_kept_as_such() {
        assert_eq!(read(b"-12]", 0), Some((Number::Integer(-12), 3)));
        assert_eq!(read(b"999999999999999999", 0), Some((Number::Integer(999_999_999_999_999_999), 18)));
        assert!(matches!(read(b"-0", 0), Some((Number::Double(zero), 2)) if zero.is_sign_negative()));
        assert!(matches!(read(b"12.0", 0), Some((Number::Double(_), 4))));
    }
}
