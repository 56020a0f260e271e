//! The further header fields of a client's requests: those that the caller has set.

use super::head_filter::is_token;
use crate::error::message::argument as message;
use crate::secret::Secret;

/// The maximum number of further fields. Common servers accept 100 fields in all.
const MAX_FIELDS: usize = 32;

/// The maximum size of all further fields, in bytes: names, values and separators.
const MAX_SIZE: usize = 8 << 10;

/// A shorter value cannot be distinguished from other text of a server, so it is not redacted there.
const MIN_REDACTED_VALUE: usize = 4;

/// Fields that the library or the connection sets.
const RESERVED: [&str; 15] = [
    "host",
    "content-length",
    "transfer-encoding",
    "connection",
    "te",
    "trailer",
    "upgrade",
    "expect",
    "accept",
    "accept-encoding",
    "user-agent",
    "authorization",
    "proxy-authorization",
    "x-api-key",
    "linked_account_id",
];

/// Header fields that have been checked. The values are secrets.
#[derive(Debug)]
pub struct FurtherHeaders {
    lines: Secret,
    values: Vec<Secret>,
}

impl FurtherHeaders {
    /// Checks fields, given as names and values.
    pub fn check<'a>(
        fields: impl Iterator<Item = (&'a [u8], &'a Secret)> + Clone,
    ) -> Result<FurtherHeaders, String> {
        let mut parts: Vec<&[u8]> = Vec::new();
        let mut values = Vec::new();
        let (mut count, mut size) = (0, 0);
        for (name, value) in fields {
            let name = check_name(name)?;
            let value = check_value(name, value.bytes())?;
            (count, size) = (count + 1, size + name.len() + value.len() + ": \r\n".len());
            parts.extend([name.as_bytes(), b": ", value, b"\r\n"]);
            if value.len() >= MIN_REDACTED_VALUE {
                values.push(Secret::new(value));
            }
        }
        if count > MAX_FIELDS {
            return Err(message::too_many_headers(MAX_FIELDS));
        }
        if size > MAX_SIZE {
            return Err(message::headers_too_long(MAX_SIZE >> 10));
        }
        Ok(FurtherHeaders { lines: Secret::concat(&parts), values })
    }

    /// Whole header lines.
    pub fn lines(&self) -> &[u8] {
        self.lines.bytes()
    }

    /// The values that must not appear in any message.
    pub fn secrets(&self) -> &[Secret] {
        &self.values
    }
}

fn check_name(name: &[u8]) -> Result<&str, String> {
    let text = std::str::from_utf8(name).map_err(|_| message::invalid_utf8(message::HEADER_NAME))?;
    if text.is_empty() {
        return Err(message::EMPTY_HEADER_NAME.into());
    }
    if !is_token(name) {
        return Err(message::invalid_header_name(text));
    }
    if RESERVED.iter().any(|reserved| text.eq_ignore_ascii_case(reserved)) {
        return Err(message::reserved_header(text));
    }
    Ok(text)
}

/// Checks a value (RFC 9110, 5.5), which does not include the blanks around it.
fn check_value<'a>(name: &str, value: &'a [u8]) -> Result<&'a [u8], String> {
    if std::str::from_utf8(value).is_err() {
        return Err(message::invalid_utf8(&message::header(name)));
    }
    if value.iter().any(|byte| byte.is_ascii_control() && *byte != b'\t') {
        return Err(message::control_in_header(name));
    }
    Ok(value.trim_ascii())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(fields: &[(&str, &str)]) -> Result<String, String> {
        let fields: Vec<(&str, Secret)> =
            fields.iter().map(|(name, value)| (*name, Secret::new(value.as_bytes()))).collect();
        let fields = fields.iter().map(|(name, value)| (name.as_bytes(), value));
        FurtherHeaders::check(fields).map(|headers| headers.lines.as_str().to_string())
    }

    #[test]
    fn names_are_tokens_that_the_library_does_not_set() {
        for name in ["a", "X-Tenant", "traceparent", "!#$%&'*+-.^_`|~09", "x-api-key2", "accept-language"] {
            assert_eq!(check(&[(name, "v")]), Ok(format!("{name}: v\r\n")), "{name}");
        }
        for name in ["", " ", "a b", "a:", "a\r\n", "ü", "a\t", "(a)", "a\0", ":authority"] {
            assert!(check(&[(name, "v")]).is_err(), "{name:?}");
        }
        let whole_line = check(&[("x-auth: secret", "")]).unwrap_err();
        assert!(whole_line.contains(" x-auth: must "), "{whole_line}");
        for name in RESERVED {
            for name in [name.to_string(), name.to_ascii_uppercase()] {
                assert_eq!(check(&[(&name, "v")]), Err(message::reserved_header(&name)));
            }
        }
    }

    #[test]
    fn values_are_text_on_one_line() {
        for (value, sent) in [
            ("", ""),
            ("a", "a"),
            (" a\tb ", "a\tb"),
            ("Grüße", "Grüße"),
            ("\u{80}", "\u{80}"),
            ("\"a\", b;c=d", "\"a\", b;c=d"),
        ] {
            assert_eq!(check(&[("n", value)]), Ok(format!("n: {sent}\r\n")), "{value:?}");
        }
        for value in ["a\r\nb", "a\nb", "a\rb", "a\0b", "a\x7f", "\x1b[0m", "\r\n", "a\n"] {
            assert_eq!(check(&[("n", value)]), Err(message::control_in_header("n")), "{value:?}");
        }
        let invalid = Secret::new(b"\xff");
        assert!(FurtherHeaders::check([(&b"n"[..], &invalid)].into_iter()).is_err());
        assert!(FurtherHeaders::check([(&b"\xff"[..], &invalid)].into_iter()).is_err());
    }

    #[test]
    fn number_and_size_are_limited() {
        let names: Vec<String> = (0..33).map(|number| format!("n{number}")).collect();
        let fields: Vec<(&str, &str)> = names.iter().map(|name| (name.as_str(), "v")).collect();
        assert!(check(&fields[..32]).is_ok());
        assert_eq!(check(&fields), Err(message::too_many_headers(32)));
        let longest = "v".repeat(8192 - 5);
        assert!(check(&[("n", &longest)]).is_ok());
        assert_eq!(check(&[("nn", &longest)]), Err(message::headers_too_long(8)));
    }

    #[test]
    fn only_recognizable_values_are_redacted() {
        let values = ["", "1", "v42", "test", "tenant-42"].map(|value| Secret::new(value.as_bytes()));
        let headers = FurtherHeaders::check(values.iter().map(|value| (&b"n"[..], value))).unwrap();
        let secrets: Vec<&str> = headers.secrets().iter().map(Secret::as_str).collect();
        assert_eq!(secrets, ["test", "tenant-42"]);
    }
}
