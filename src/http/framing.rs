//! The framing of a response (RFC 9112, 6 and 7): what its head announces, and the sizes of chunks. ureq does the framing,
//! but accepts more than one meaning allows.

/// Why the framing of a body is invalid.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FramingFault {
    /// The fields of the head have no meaning, or several.
    Head,
    /// A chunk has an invalid size.
    ChunkSize,
}

/// The framing that a head announces.
#[derive(Debug, PartialEq, Eq)]
pub struct Framing {
    /// It has one meaning. Always true of a response that cannot have a body.
    pub is_valid: bool,
    /// The body is chunked.
    pub is_chunked: bool,
    /// Another response may follow on the connection.
    pub permits_reuse: bool,
}

impl Default for Framing {
    fn default() -> Framing {
        Framing { is_valid: true, is_chunked: false, permits_reuse: true }
    }
}

/// The fields of a head that announce a framing. Each is added by what follows its name in the line.
#[derive(Debug, Default)]
pub struct FramingFields {
    /// The value of Content-Length.
    length: Option<u64>,
    has_encoding: bool,
    is_chunked: bool,
    is_invalid: bool,
    /// An interim response before this one announced a body, which it must not have.
    follows_body: bool,
}

impl FramingFields {
    /// Adds a Content-Length. Returns whether it is valid.
    pub fn add_length(&mut self, rest: &[u8]) -> bool {
        let is_valid = value(rest).is_some_and(|value| {
            elements(value).all(|element| {
                let length = parse_length(element);
                // Several lengths must be equal.
                length.is_some() && length.map(|length| *self.length.get_or_insert(length)) == length
            })
        });
        self.is_invalid |= !is_valid;
        is_valid
    }

    /// Adds a Transfer-Encoding. Returns whether it is valid: chunked, once, and not followed by any other. `identity`,
    /// which former versions of HTTP had, is ignored before it.
    pub fn add_encoding(&mut self, rest: &[u8]) -> bool {
        let mut has_coding = false;
        let is_valid = value(rest).is_some_and(|value| {
            elements(value).filter(|element| !element.is_empty()).all(|coding| {
                let follows_chunked = self.is_chunked;
                has_coding = true;
                self.is_chunked |= coding.eq_ignore_ascii_case(b"chunked");
                !follows_chunked && (self.is_chunked || coding.eq_ignore_ascii_case(b"identity"))
            })
        });
        self.has_encoding = true;
        self.is_invalid |= !is_valid || !has_coding;
        is_valid
    }

    /// The fields of the head that follows an interim one.
    pub fn after_interim(&self) -> FramingFields {
        FramingFields { follows_body: self.follows_body || self.announces_body(), ..FramingFields::default() }
    }

    fn announces_body(&self) -> bool {
        self.is_invalid || self.has_encoding || self.length > Some(0)
    }

    /// The framing of a response to GET with this status.
    pub fn of_response(&self, status: u16, is_http_1_0: bool) -> Framing {
        if status < 200 || matches!(status, 204 | 304) {
            // What is announced may follow nevertheless, and must not be taken for the next response.
            let permits_reuse = !self.follows_body && !self.announces_body();
            return Framing { permits_reuse, ..Framing::default() };
        }
        // HTTP/1.0 has no transfer encodings (RFC 9112, 6.1).
        let is_valid = !(self.is_invalid || is_http_1_0 && self.has_encoding);
        let is_contradictory = self.has_encoding && self.length.is_some();
        Framing {
            is_valid,
            is_chunked: is_valid && self.is_chunked,
            permits_reuse: is_valid && !is_contradictory && !self.follows_body,
        }
    }
}

/// The value of a field, given what follows its name. `None` if it is malformed.
fn value(rest: &[u8]) -> Option<&[u8]> {
    rest.strip_prefix(b":").filter(|value| !has_control(value))
}

/// The elements of a list, without the blanks around them.
fn elements(value: &[u8]) -> impl Iterator<Item = &[u8]> {
    value.split(|byte| *byte == b',').map(|element| {
        let start = element.iter().position(|byte| !is_blank(*byte)).unwrap_or(element.len());
        let end = element.iter().rposition(|byte| !is_blank(*byte)).map_or(start, |last| last + 1);
        &element[start..end]
    })
}

/// Digits only, without a sign.
fn parse_length(text: &[u8]) -> Option<u64> {
    let is_number = !text.is_empty() && text.iter().all(u8::is_ascii_digit);
    std::str::from_utf8(text).ok().filter(|_| is_number)?.parse().ok()
}

/// Whether this is a space or a tab.
pub fn is_blank(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t')
}

/// Whether this is a control character other than a tab.
pub fn is_control(byte: u8) -> bool {
    (byte < b' ' && byte != b'\t') || byte == 127
}

/// Whether there is a control character other than a tab. Has no early exit, so that it is vectorized.
pub fn has_control(text: &[u8]) -> bool {
    text.iter().fold(false, |has, byte| has | is_control(*byte))
}

/// Follows a chunked body as it arrives, and checks the sizes of the chunks. Leaves all else to ureq.
#[derive(Debug, Default)]
pub struct ChunkSizes {
    state: ChunkState,
}

#[derive(Clone, Copy, Debug, Default)]
enum ChunkState {
    /// Before the digits of a size.
    #[default]
    Start,
    /// Within the digits.
    Size(u64),
    /// After the digits.
    Extension { size: u64, is_after_cr: bool },
    /// This many bytes of a chunk and its line end are left.
    Chunk(u64),
    /// After the last chunk, or after an invalid size.
    End,
}

impl ChunkSizes {
    /// Follows the next bytes of the body. Returns `false` if they have an invalid size.
    pub fn are_valid(&mut self, mut bytes: &[u8]) -> bool {
        while let [byte, rest @ ..] = bytes {
            bytes = rest;
            self.state = match self.state {
                ChunkState::Start if byte.is_ascii_hexdigit() => ChunkState::Size(digit(*byte)),
                ChunkState::Size(size) if byte.is_ascii_hexdigit() => {
                    ChunkState::Size(size.saturating_mul(16).saturating_add(digit(*byte)))
                }
                ChunkState::Size(size) if matches!(byte, b' ' | b'\t' | b';' | b'\r') => {
                    ChunkState::Extension { size, is_after_cr: *byte == b'\r' }
                }
                ChunkState::Extension { size, is_after_cr: true } if *byte == b'\n' => match size {
                    0 => ChunkState::End,
                    _ => ChunkState::Chunk(size.saturating_add(2)),
                },
                ChunkState::Extension { size, is_after_cr: false } if *byte != b'\n' => {
                    ChunkState::Extension { size, is_after_cr: *byte == b'\r' }
                }
                ChunkState::Chunk(left) => {
                    let skipped = usize::try_from(left - 1).unwrap_or(usize::MAX).min(rest.len());
                    bytes = &rest[skipped..];
                    match left - 1 - skipped as u64 {
                        0 => ChunkState::Start,
                        left => ChunkState::Chunk(left),
                    }
                }
                ChunkState::End => return true,
                ChunkState::Start | ChunkState::Size(_) | ChunkState::Extension { .. } => {
                    self.state = ChunkState::End;
                    return false;
                }
            };
        }
        true
    }
}

fn digit(byte: u8) -> u64 {
    char::from(byte).to_digit(16).map_or(0, u64::from)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The framing of a response with these lines of the two fields, each as it follows the name.
    fn framing(status: u16, is_http_1_0: bool, lengths: &[&str], encodings: &[&str]) -> Framing {
        let mut fields = FramingFields::default();
        for length in lengths {
            fields.add_length(length.as_bytes());
        }
        for encoding in encodings {
            fields.add_encoding(encoding.as_bytes());
        }
        fields.of_response(status, is_http_1_0)
    }

    #[test]
    fn lengths_are_digits_and_equal() {
        for lengths in [
            &[][..],
            &[":0"],
            &[": 42\t"],
            &[":042"],
            &[": 18446744073709551615"],
            &[":42", ": 42 ,\t42", ":00042"],
        ] {
            assert_eq!(framing(200, false, lengths, &[]), Framing::default(), "{lengths:?}");
        }
        for lengths in [
            &[""][..],
            &[" : 42"],
            &[":"],
            &[": "],
            &[":42,"],
            &[":,42"],
            &[":+42"],
            &[":-42"],
            &[":4 2"],
            &[":42\0"],
            &[":4\r2"],
            &[":\u{664}"],
            &[":0x2a"],
            &[":18446744073709551616"],
            &[":42", ":43"],
            &[":42,43"],
            &[":42", "42"],
            &[":x", ":42"],
        ] {
            let framing = framing(200, false, lengths, &[]);
            assert_eq!((framing.is_valid, framing.permits_reuse), (false, false), "{lengths:?}");
        }
    }

    #[test]
    fn chunked_is_the_only_and_the_last_encoding() {
        for (encodings, is_chunked) in [
            (&[": chunked"][..], true),
            (&[":CHUNKED"], true),
            (&[": ,identity\t, , Chunked,,"], true),
            (&[": identity", ":chunked"], true),
            (&[": identity"], false),
        ] {
            let expected = Framing { is_chunked, ..Framing::default() };
            assert_eq!(framing(200, false, &[], encodings), expected, "{encodings:?}");
            assert!(!framing(200, true, &[], encodings).is_valid, "{encodings:?}");
        }
        for encodings in [
            &[""][..],
            &[": "],
            &[":,"],
            &[" :chunked"],
            &[":chunked\x0b"],
            &[":chunked, chunked"],
            &[":chunked", ":chunked"],
            &[":chunked, identity"],
            &[":chunked", ":identity"],
            &[":chunked", ":"],
            &[":gzip"],
            &[":gzip, chunked"],
            &[":identity, gzip"],
            &[":unchunked"],
            &[":chunked;q=1"],
        ] {
            let framing = framing(200, false, &[], encodings);
            assert_eq!((framing.is_valid, framing.is_chunked), (false, false), "{encodings:?}");
        }
    }

    #[test]
    fn a_body_that_may_follow_unread_ends_the_connection() {
        for status in [101, 204, 304] {
            assert_eq!(framing(status, false, &[], &[]), Framing::default());
            assert_eq!(framing(status, false, &[":0"], &[]), Framing::default());
            for (lengths, encodings) in
                [(&[":1"][..], &[][..]), (&[":x"], &[]), (&[], &[":chunked"]), (&[], &[":x"])]
            {
                for is_http_1_0 in [false, true] {
                    let expected = Framing { permits_reuse: false, ..Framing::default() };
                    assert_eq!(framing(status, is_http_1_0, lengths, encodings), expected);
                }
            }
        }
        assert!(framing(205, false, &[":1"], &[]).permits_reuse);
        let both = framing(200, false, &[":1"], &[":chunked"]);
        assert_eq!(both, Framing { is_valid: true, is_chunked: true, permits_reuse: false });
        let mut interim = FramingFields::default();
        assert!(interim.after_interim().of_response(200, false).permits_reuse);
        interim.add_length(b":1");
        let after = interim.after_interim().after_interim();
        assert_eq!(after.of_response(200, false), Framing { permits_reuse: false, ..Framing::default() });
    }

    #[test]
    fn chunk_sizes_have_digits_only() {
        let valid = [
            "0\r\n\r\n",
            "2\r\n+-\r\n0\r\n+: a\r\n\r\n",
            "1 \t;a=\"b\"\r\n\n\r\n1;\r\na\r\n0;a\r\n",
            "00000A\r\n0123456789\r\nB\r\n01234567890\r\n",
            "ffffffffffffffffffff\r\n+",
            "3\r\n+\r\n\r\n1\r",
            "",
        ];
        let invalid = [
            "+1\r\n",
            " 1\r\n",
            "\r\n",
            ";a\r\n",
            "1\n",
            "1h\r\n",
            "1;a\nb",
            "1\ra\r\n",
            "1;\r\r\n",
            "1;a\rb\r\n",
            "1\r\na\r\n+0\r\n",
            "1\r\na\r\n\r\n",
            "1\u{a0}",
        ];
        for (text, expected) in
            valid.map(|text| (text, true)).into_iter().chain(invalid.map(|text| (text, false)))
        {
            for first in 0..=text.len() {
                let mut sizes = ChunkSizes::default();
                let (first, second) = text.as_bytes().split_at(first);
                assert_eq!(sizes.are_valid(first) && sizes.are_valid(second), expected, "{text:?}");
            }
        }
    }
}
