//! Reference implementations for the meaning of a document: serde_json for structure and strings, the C library for
//! doubles, decimal arithmetic on digits for integers, and tinyjson as a second opinion.

use std::ffi::CString;
use std::fmt;

use serde::Deserialize;
use serde::de::{Deserializer, MapAccess, Visitor};
use serde_json::value::RawValue;
use tinyjson::JsonValue;

/// The bytes of a string.
struct Bytes(Vec<u8>);

impl<'de> Deserialize<'de> for Bytes {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Bytes, D::Error> {
        struct Collect;
        impl Visitor<'_> for Collect {
            type Value = Bytes;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a string")
            }

            fn visit_bytes<E>(self, bytes: &[u8]) -> Result<Bytes, E> {
                Ok(Bytes(bytes.to_vec()))
            }
        }
        deserializer.deserialize_bytes(Collect)
    }
}

/// The members of an object, as sent.
struct Members<'a>(Vec<(Vec<u8>, &'a RawValue)>);

impl<'de> Deserialize<'de> for Members<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Members<'de>, D::Error> {
        struct Collect;
        impl<'de> Visitor<'de> for Collect {
            type Value = Members<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<M: MapAccess<'de>>(self, mut map: M) -> Result<Members<'de>, M::Error> {
                let mut members = Vec::new();
                while let Some(Bytes(key)) = map.next_key()? {
                    members.push((with_replacements(key), map.next_value()?));
                }
                Ok(Members(members))
            }
        }
        deserializer.deserialize_map(Collect)
    }
}

/// serde_json decodes a lone surrogate as three bytes that are not UTF-8, the first of them 0xed.
fn with_replacements(mut wtf8: Vec<u8>) -> Vec<u8> {
    for start in 0..wtf8.len().saturating_sub(2) {
        if wtf8[start] == 0xed && wtf8[start + 1] >= 0xa0 {
            wtf8.splice(start..start + 3, "\u{fffd}".bytes());
        }
    }
    wtf8
}

/// A value with a valid text.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Value<'a>(pub &'a str);

impl<'a> Value<'a> {
    /// The value of a whole text, if it is JSON.
    pub fn of(text: &'a [u8]) -> Option<Value<'a>> {
        let text = std::str::from_utf8(text).ok()?;
        let raw: &RawValue = serde_json::from_str(text).ok()?;
        Some(Value(raw.get()))
    }

    /// The number of its type in the C interface.
    pub fn kind(self) -> i32 {
        match self.0.as_bytes()[0] {
            b'n' => 0,
            b't' | b'f' => 1,
            b'"' => 3,
            b'[' => 4,
            b'{' => 5,
            _ => 2,
        }
    }

    pub fn string(self) -> Option<Vec<u8>> {
        let string = (self.kind() == 3).then(|| serde_json::from_str::<Bytes>(self.0));
        string.map(|bytes| with_replacements(bytes.expect("a string that was found valid").0))
    }

    pub fn elements(self) -> Option<Vec<Value<'a>>> {
        let list = (self.kind() == 4).then(|| serde_json::from_str::<Vec<&RawValue>>(self.0));
        list.map(|list| {
            list.expect("an array that was found valid").iter().map(|raw| Value(raw.get())).collect()
        })
    }

    pub fn members(self) -> Option<Vec<(Vec<u8>, Value<'a>)>> {
        let members = (self.kind() == 5).then(|| serde_json::from_str::<Members>(self.0));
        members.map(|members| {
            let members = members.expect("an object that was found valid").0;
            members.into_iter().map(|(key, raw)| (key, Value(raw.get()))).collect()
        })
    }

    /// The last member with this key.
    pub fn get(self, key: &str) -> Option<Value<'a>> {
        let members = self.members()?;
        members.iter().rev().find(|(known, _)| known == key.as_bytes()).map(|(_, value)| *value)
    }

    /// A number as the C library reads it.
    pub fn double(self) -> Option<f64> {
        let text = (self.kind() == 2).then(|| CString::new(self.0).expect("a number has no NUL"));
        // SAFETY: a C string; strtod() accepts NULL for the end.
        text.map(|text| unsafe { libc::strtod(text.as_ptr(), std::ptr::null_mut()) })
    }

    /// A number without its fraction, saturated at 2^100.
    pub fn truncated(self) -> Option<i128> {
        (self.kind() == 2).then(|| truncated(self.0))
    }

    /// A count as the library reads it: -1 if it is not one.
    pub fn count(self) -> i64 {
        match (self.double(), self.truncated()) {
            (Some(double), Some(whole)) if double >= 0.0 => i64::try_from(whole).unwrap_or(-1),
            _ => -1,
        }
    }
}

fn truncated(number: &str) -> i128 {
    const MAX: i128 = 1 << 100;
    let (is_negative, unsigned) = match number.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, number),
    };
    let (mantissa, exponent) = unsigned.split_once(['e', 'E']).unwrap_or((unsigned, "0"));
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let digits: Vec<u8> = whole.bytes().chain(fraction.bytes()).map(|digit| digit - b'0').collect();
    // An exponent that overflows exceeds the length of any text, in the direction of its sign.
    let exponent = exponent.parse::<i64>().unwrap_or(match exponent.starts_with('-') {
        true => i64::MIN / 2,
        false => i64::MAX / 2,
    });
    let places = exponent.saturating_add(whole.len() as i64);
    let mut value: i128 = 0;
    if digits.iter().any(|digit| *digit != 0) {
        for place in 0..places.max(0) {
            let digit = digits.get(place as usize).copied().unwrap_or(0);
            value = value * 10 + i128::from(digit);
            if value > MAX || (value == 0 && place as usize >= digits.len()) {
                break;
            }
        }
    }
    let value = value.min(MAX);
    if is_negative { -value } else { value }
}

// A second opinion --------------------------------------------------------------------------------------------

/// The value according to tinyjson, if it accepts the text: it rejects lone surrogates, for example.
pub fn second_opinion(text: &str) -> Option<JsonValue> {
    text.parse().ok()
}

/// Whether both libraries read the same value, apart from the values that it contains.
pub fn agrees(value: Value<'_>, opinion: &JsonValue) -> bool {
    match opinion {
        JsonValue::Null => value.kind() == 0,
        JsonValue::Boolean(held) => value.0 == if *held { "true" } else { "false" },
        JsonValue::Number(number) => value.double() == Some(*number),
        JsonValue::String(string) => value.string().as_deref() == Some(string.as_bytes()),
        JsonValue::Array(list) => value.elements().is_some_and(|elements| elements.len() == list.len()),
        JsonValue::Object(map) => {
            let Some(members) = value.members() else { return false };
            let mut keys: Vec<&[u8]> = members.iter().map(|(key, _)| &key[..]).collect();
            keys.sort_unstable();
            keys.dedup();
            keys.len() == map.len()
                && keys.iter().all(|key| std::str::from_utf8(key).is_ok_and(|key| map.contains_key(key)))
        }
    }
}
