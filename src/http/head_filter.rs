//! Filters the head of a response before ureq parses it: ureq accepts fewer forms than HTTP allows, and would spend
//! most of its time on fields that are never read.

use std::io::BufRead;
use std::iter;

/// The maximum size of a header, in bytes.
pub const MAX_HEADER: usize = 64 << 10;

/// The maximum number of header fields. ureq has the same limit.
pub const MAX_FIELDS: usize = 128;

/// The length of the first head in the input, with its empty line, or `None` if it is incomplete. A line may end in LF
/// alone, and empty lines may precede the head (RFC 9112, 2.2).
pub fn length(input: &[u8]) -> Option<usize> {
    let mut end = input.len() - skip_empty_lines(input).len();
    lines(&input[end..]).find_map(|line| {
        end += line.len();
        is_empty(line).then_some(end)
    })
}

/// How far the head has been filtered.
#[derive(Debug, PartialEq, Eq)]
pub struct Progress {
    /// The number of bytes at the start of the input that the caller must discard.
    pub dropped: usize,
    /// The end of the head has been found.
    pub is_whole: bool,
}

/// A head exceeds the maximum size or number of fields.
#[derive(Debug, PartialEq, Eq)]
pub struct TooLarge;

/// Drops lines from the head of a response while it arrives: interim responses, and fields that are never read. Keeps
/// malformed lines, so that ureq rejects them.
#[derive(Debug, Default)]
pub struct HeadFilter {
    /// The length of the filtered part at the start of the input.
    kept: usize,
    has_status: bool,
    /// The head has a 1xx status other than 101 and no malformed line so far, so another head follows it.
    is_interim: bool,
    /// The size of this head so far.
    size: usize,
    /// The size of all interim heads before it.
    interim: usize,
    fields: usize,
}

impl HeadFilter {
    /// Filters the new lines of the input, which starts with what earlier calls kept.
    pub fn advance(&mut self, input: &mut [u8]) -> Result<Progress, TooLarge> {
        let mut at = self.kept;
        let mut is_whole = false;
        while !is_whole
            && let length = line_length(&input[at..])
            && let Some(line) = input[at..at + length].strip_suffix(b"\n")
        {
            let line = line.strip_suffix(b"\r").unwrap_or(line);
            self.size += length;
            let (is_kept, is_last) = match (self.has_status, line) {
                (false, b"") => (false, false),
                (false, _) if !line.starts_with(b"HTTP/1.") => (true, true),
                (false, _) => {
                    (self.has_status, self.is_interim) = (true, is_interim(line));
                    (true, false)
                }
                (true, b"") => (true, true),
                (true, _) => {
                    self.fields += 1;
                    self.is_interim = self.is_interim && is_field(line);
                    (is_relevant(line), false)
                }
            };
            if self.fields > MAX_FIELDS {
                return Err(TooLarge);
            }
            if is_kept {
                input.copy_within(at..at + length, self.kept);
                self.kept += length;
            }
            at += length;
            if is_last && self.is_interim {
                *self = HeadFilter { interim: self.interim + self.size, ..HeadFilter::default() };
            } else {
                is_whole = is_last;
            }
            if self.size.max(self.interim) > MAX_HEADER {
                return Err(TooLarge);
            }
        }
        // Moves what was kept to the end of the gap, so that the gap is at the start and can be discarded.
        let dropped = at - self.kept;
        input.copy_within(..self.kept, dropped);
        Ok(Progress { dropped, is_whole })
    }
}

/// The fields that ureq or this library reads.
const RELEVANT_FIELDS: [&[u8]; 6] = [
    b"connection",
    b"retry-after",
    b"x-request-id",
    b"content-length",
    b"content-encoding",
    b"transfer-encoding",
];

/// Whether a field is read or malformed (RFC 9110, 5.1 and 5.5). A name with characters other than [`TOKEN_CHARS`]
/// counts as malformed.
fn is_relevant(field: &[u8]) -> bool {
    let length = field.iter().take_while(|byte| TOKEN_CHARS[usize::from(**byte)]).count();
    let (name, value) = field.split_at(length);
    let is_name = |relevant: &&[u8]| relevant.len() == length && relevant.eq_ignore_ascii_case(name);
    length == 0 || !is_value(value) || RELEVANT_FIELDS.iter().any(is_name)
}

/// Whether the line is a field in any form that HTTP allows (RFC 9110, 5.1 and 5.5) except folding.
fn is_field(line: &[u8]) -> bool {
    let is_token = |byte: &u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(byte);
    let (name, value) = line.split_at(line.iter().take_while(|byte| is_token(byte)).count());
    !name.is_empty() && is_value(value)
}

/// Whether this can follow the name of a field.
fn is_value(value: &[u8]) -> bool {
    value.starts_with(b":") && !has_control(value)
}

/// The token characters that occur in practice: letters, digits, `-` and `_`.
const TOKEN_CHARS: [bool; 256] = {
    let mut chars = [false; 256];
    let mut byte = 0;
    while byte < 128 {
        chars[byte] = (byte as u8).is_ascii_alphanumeric() || matches!(byte as u8, b'-' | b'_');
        byte += 1;
    }
    chars
};

/// Whether there is a control character other than a tab. Has no early exit, so that it is vectorized.
fn has_control(value: &[u8]) -> bool {
    value.iter().fold(0, |has, byte| has | u8::from(*byte < b' ' && *byte != b'\t') | u8::from(*byte == 127))
        != 0
}

fn is_interim(status: &[u8]) -> bool {
    if has_control(status) {
        return false;
    }
    match status.strip_prefix(b"HTTP/1.1 ").or_else(|| status.strip_prefix(b"HTTP/1.0 ")) {
        Some([b'1', b'0', b'1', ..]) => false,
        Some([b'1', tens, ones]) | Some([b'1', tens, ones, b' ', ..]) => {
            tens.is_ascii_digit() && ones.is_ascii_digit()
        }
        _ => false,
    }
}

/// The lines with their line ends; the last line may have none.
fn lines(mut rest: &[u8]) -> impl Iterator<Item = &[u8]> {
    iter::from_fn(move || {
        let (line, following) = rest.split_at(line_length(rest));
        rest = following;
        (!line.is_empty()).then_some(line)
    })
}

fn line_length(mut rest: &[u8]) -> usize {
    // Reading from a slice cannot fail.
    rest.skip_until(b'\n').unwrap_or_default()
}

fn is_empty(line: &[u8]) -> bool {
    matches!(line, b"\n" | b"\r\n")
}

fn skip_empty_lines(input: &[u8]) -> &[u8] {
    let empty = input.iter().take_while(|byte| matches!(byte, b'\r' | b'\n')).count();
    &input[empty..]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_head_ends_with_an_empty_line() {
        let cases: [(&[u8], Option<usize>); 8] = [
            (b"", None),
            (b"\r\n\r\n", None),
            (b"HTTP/1.1 200 OK\r\n", None),
            (b"HTTP/1.1 200 OK\r\n\r", None),
            (b"HTTP/1.1 200 OK\r\n\r\n{}", Some(19)),
            (b"HTTP/1.1 200 OK\r\nA: b\r\n\r\n", Some(25)),
            (b"\r\n\nHTTP/1.1 200 OK\n\n{}", Some(20)),
            (b"HTTP/1.1 200 OK\n\r\n", Some(18)),
        ];
        for (input, expected) in cases {
            assert_eq!(length(input), expected, "{:?}", String::from_utf8_lossy(input));
        }
    }

    /// What is left of an input that arrives in these chunks, and whether it is a whole head.
    fn filter(chunks: &[&str]) -> Result<(String, bool), TooLarge> {
        let mut filter = HeadFilter::default();
        let mut input = Vec::new();
        let mut is_whole = false;
        for chunk in chunks {
            input.extend_from_slice(chunk.as_bytes());
            let progress = filter.advance(&mut input)?;
            input.drain(..progress.dropped);
            is_whole = progress.is_whole;
            if is_whole {
                break;
            }
        }
        Ok((String::from_utf8_lossy(&input).into_owned(), is_whole))
    }

    #[test]
    fn irrelevant_fields_are_dropped() {
        let whole = [
            // Relevant fields are kept as they are, and so is what follows the head.
            ("HTTP/1.1 200 OK\r\n\r\n{}\nA: b\r\n", "HTTP/1.1 200 OK\r\n\r\n{}\nA: b\r\n"),
            ("HTTP/1.0 200 OK\nA: b\nCONTENT-LENGTH:2\n\n{}", "HTTP/1.0 200 OK\nCONTENT-LENGTH:2\n\n{}"),
            (
                "HTTP/1.1 429 \r\nRetry-After: 1\r\nA_1: \t\u{e4}\r\nConnection: close\r\nX-Request-Id: i\r\n\r\n",
                "HTTP/1.1 429 \r\nRetry-After: 1\r\nConnection: close\r\nX-Request-Id: i\r\n\r\n",
            ),
            ("HTTP/1.1 200 OK\r\nTransfer-Encodings: a\r\nB:\r\n\r\n", "HTTP/1.1 200 OK\r\n\r\n"),
            ("\r\n\nHTTP/1.1 200 OK\r\n\r\n", "HTTP/1.1 200 OK\r\n\r\n"),
            // Malformed lines are left for ureq to refuse.
            ("HTTP/1.1 200 OK\r\nA : b\r\n\r\n", "HTTP/1.1 200 OK\r\nA : b\r\n\r\n"),
            ("HTTP/1.1 200 OK\r\nA\r\n: b\r\n\r\n", "HTTP/1.1 200 OK\r\nA\r\n: b\r\n\r\n"),
            ("HTTP/1.1 200 OK\r\nA: b\rc\r\n\r\n", "HTTP/1.1 200 OK\r\nA: b\rc\r\n\r\n"),
            ("HTTP/1.1 200 OK\r\nA: \0\r\nB: \x7f\r\n\r\n", "HTTP/1.1 200 OK\r\nA: \0\r\nB: \x7f\r\n\r\n"),
            ("HTTP/1.1 200 OK\r\nA: b\r\n folded\r\n\r\n", "HTTP/1.1 200 OK\r\n folded\r\n\r\n"),
            ("<html>\nA: b\n\n", "<html>\nA: b\n\n"),
            ("HTTP/2 200\r\nA: b\r\n\r\n", "HTTP/2 200\r\nA: b\r\n\r\n"),
        ];
        for (input, expected) in whole {
            assert_eq!(filter(&[input]), Ok((expected.into(), true)), "{input:?}");
        }
    }

    #[test]
    fn interim_responses_are_dropped() {
        for status in ["HTTP/1.1 100 Continue", "HTTP/1.0 103", "\r\nHTTP/1.1 199 "] {
            let input = format!("{status}\r\nRetry-After: 1\r\n\r\n{status}\n\nHTTP/1.1 200 OK\n\n");
            assert_eq!(filter(&[&input]), Ok(("HTTP/1.1 200 OK\n\n".into(), true)), "{status}");
            assert_eq!(filter(&[status, "\r\n\r\n"]), Ok((String::new(), false)), "{status}");
        }
        let field = "HTTP/1.1 103 \r\nA!#$%&'*+-.^_`|~: \t\u{e4}\r\n\r\nHTTP/1.1 200 OK\n\n";
        assert_eq!(filter(&[field]), Ok(("HTTP/1.1 200 OK\n\n".into(), true)));
        // Malformed lines of interim responses are kept as well.
        for rest in
            ["Con\x0btinue", "\0", "\r\nA : b", "\r\nA", "\r\n: b", "\r\nA: b\rc", "\r\n b: c", "\r\nA\": b"]
        {
            let input = format!("HTTP/1.1 100 {rest}\r\n\r\nHTTP/1.1 200 OK\r\n\r\n");
            assert_eq!(filter(&[&input]), Ok((input.clone(), true)), "{rest}");
        }
        for status in ["HTTP/1.1 101 Switching Protocols", "HTTP/1.1 1000", "HTTP/1.1 1a0 ", "HTTP/1.1 200"] {
            let input = format!("{status}\r\n\r\nHTTP/1.1 200 OK\r\n\r\n");
            assert_eq!(filter(&[&input]), Ok((input.clone(), true)), "{status}");
        }
    }

    #[test]
    fn a_head_may_arrive_in_any_chunks() {
        let input = "\r\nHTTP/1.1 100 \r\nA: b\r\n\r\n\
                     HTTP/1.1 200 OK\r\nA: b\r\nContent-Encoding: X-GZIP\r\nB:\r\n\r\n";
        let expected = Ok(("HTTP/1.1 200 OK\r\nContent-Encoding: X-GZIP\r\n\r\n".to_string(), true));
        for first in 0..input.len() {
            for second in first..input.len() {
                let chunks = [&input[..first], &input[first..second], &input[second..]];
                assert_eq!(filter(&chunks), expected, "{first}, {second}");
            }
        }
    }

    #[test]
    fn dropped_lines_count() {
        let head = |fields: usize, length: usize| {
            let field = format!("A: {}\r\n", "b".repeat(length));
            filter(&["HTTP/1.1 200 OK\r\n", &field.repeat(fields), "\r\n"]).is_ok()
        };
        assert!(head(MAX_FIELDS, 1));
        assert!(!head(MAX_FIELDS + 1, 1));
        // Less the status line, the rest of the field line, and the empty line.
        let longest = MAX_HEADER - 17 - 5 - 2;
        assert!(head(1, longest));
        assert!(!head(1, longest + 1));
        let interim = format!("HTTP/1.1 100 \r\nA: {}\r\n\r\n", "b".repeat(MAX_HEADER / 2));
        assert!(filter(&[&interim]).is_ok());
        assert_eq!(filter(&[&interim, &interim]), Err(TooLarge));
        assert_eq!(filter(&["\r\n".repeat(MAX_HEADER).as_str()]), Err(TooLarge));
    }
}
