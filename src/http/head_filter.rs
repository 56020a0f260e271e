//! The head of an answer, made plain before ureq reads it: it knows fewer forms than HTTP allows.

use std::io::BufRead;
use std::iter;
use std::ops::Range;

use super::{LARGEST_HEADER, MOST_FIELDS};

/// Where the first head of the input ends, its empty line included; `None`: not all of it has come. A line may end in
/// LF alone, and empty ones may stand before it (RFC 9112, 2.2).
pub fn length(input: &[u8]) -> Option<usize> {
    let mut end = input.len() - without_empty_lines(input).len();
    lines(&input[end..]).find_map(|line| {
        end += line.len();
        is_empty(line).then_some(end)
    })
}

/// What became of a head's beginning.
#[derive(Debug, PartialEq, Eq)]
pub struct Progress {
    /// So many bytes at the beginning of the input are of no use any more.
    pub dropped: usize,
    /// The head of the answer itself has come to its end.
    pub is_whole: bool,
}

/// A head is larger than it may be, or has more fields.
#[derive(Debug, PartialEq, Eq)]
pub struct TooLarge;

/// Makes the head of an answer plain while it comes: interim answers before it are left out, and fields that nobody
/// here asks for, which ureq would have to keep; gzip gets its one name, unless it is one coding of several, of which ureq
/// would decode the first and overlook the rest. What is not as HTTP wants it stays: ureq refuses it.
#[derive(Debug, Default)]
pub struct Plain {
    /// The part of the input that has been looked at, and stays.
    kept: usize,
    has_status: bool,
    /// Any 1xx but 101, which another answer follows; and nothing in it that is to be refused.
    is_interim: bool,
    /// What has come of this head, and of all interim ones before it.
    size: usize,
    interim: usize,
    fields: usize,
    /// Where the first content coding's field is.
    coding: Option<Range<usize>>,
}

impl Plain {
    /// Looks at what is new in the input, which begins with what an earlier look has left.
    pub fn look(&mut self, input: &mut [u8]) -> Result<Progress, TooLarge> {
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
                    (stays(line), false)
                }
            };
            if self.fields > MOST_FIELDS {
                return Err(TooLarge);
            }
            if is_kept {
                input.copy_within(at..at + length, self.kept);
                let line = self.kept..self.kept + length;
                self.kept = line.end;
                if name_gzip(&mut input[line.clone()]) {
                    match self.coding.clone() {
                        None => self.coding = Some(line),
                        Some(first) => input[first].make_ascii_uppercase(),
                    }
                }
            }
            at += length;
            if is_last && self.is_interim {
                *self = Plain { interim: self.interim + self.size, ..Plain::default() };
            } else {
                is_whole = is_last;
            }
            if self.size.max(self.interim) > LARGEST_HEADER {
                return Err(TooLarge);
            }
        }
        // The gap goes to the front, from where it can be given back.
        let dropped = at - self.kept;
        input.copy_within(..self.kept, dropped);
        Ok(Progress { dropped, is_whole })
    }
}

/// Fields that are asked for, by ureq or here.
const OF_USE: [&[u8]; 6] = [
    b"connection",
    b"retry-after",
    b"x-request-id",
    b"content-length",
    CONTENT_ENCODING,
    b"transfer-encoding",
];

const CONTENT_ENCODING: &[u8] = b"content-encoding";

/// Whether a field is of use, or not as HTTP wants it (RFC 9110, 5.1 and 5.5) with a name of letters, digits, `-`, `_`.
fn stays(field: &[u8]) -> bool {
    let length = field.iter().take_while(|byte| OF_NAME[usize::from(**byte)]).count();
    let (name, value) = field.split_at(length);
    let is_of_use = |of_use: &&[u8]| of_use.len() == length && of_use.eq_ignore_ascii_case(name);
    length == 0 || !is_value(value) || OF_USE.iter().any(is_of_use)
}

/// Whether it is a field in any form that HTTP allows (RFC 9110, 5.1 and 5.5), but the folded one.
fn is_field(line: &[u8]) -> bool {
    let is_of_token = |byte: &u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(byte);
    let (name, value) = line.split_at(line.iter().take_while(|byte| is_of_token(byte)).count());
    !name.is_empty() && is_value(value)
}

/// What may stand behind a name.
fn is_value(value: &[u8]) -> bool {
    value.starts_with(b":") && !has_control(value)
}

const OF_NAME: [bool; 256] = {
    let mut of_name = [false; 256];
    let mut byte = 0;
    while byte < 128 {
        of_name[byte] = (byte as u8).is_ascii_alphanumeric() || matches!(byte as u8, b'-' | b'_');
        byte += 1;
    }
    of_name
};

/// Any but the tab. Looks at all without an early end, and so at many at once.
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

/// Calls gzip by its one name where a field calls it in other letters, or x-gzip (RFC 9110, 8.4.1.3). Returns whether it
/// is a field that names any coding.
fn name_gzip(line: &mut [u8]) -> bool {
    let name = CONTENT_ENCODING.len();
    if line.get(name) != Some(&b':') || !line[..name].eq_ignore_ascii_case(CONTENT_ENCODING) {
        return false;
    }
    let value = &mut line[name + 1..];
    name_gzip_in(value);
    let coding = value.trim_ascii();
    !coding.is_empty() && !coding.eq_ignore_ascii_case(b"identity")
}

fn name_gzip_in(value: &mut [u8]) {
    let coding = value.trim_ascii();
    if coding.eq_ignore_ascii_case(b"gzip") {
        value.make_ascii_lowercase();
    } else if coding.eq_ignore_ascii_case(b"x-gzip") {
        value.make_ascii_lowercase();
        value.iter_mut().filter(|byte| matches!(byte, b'x' | b'-')).for_each(|byte| *byte = b' ');
    }
}

/// The lines with their ends, which the last one may lack.
fn lines(mut rest: &[u8]) -> impl Iterator<Item = &[u8]> {
    iter::from_fn(move || {
        let (line, behind) = rest.split_at(line_length(rest));
        rest = behind;
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

fn without_empty_lines(input: &[u8]) -> &[u8] {
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

    /// What is left of the input, looked at as it comes, and whether that is a whole head.
    fn look_at(portions: &[&str]) -> Result<(String, bool), TooLarge> {
        let mut plain = Plain::default();
        let mut input = Vec::new();
        let mut is_whole = false;
        for portion in portions {
            input.extend_from_slice(portion.as_bytes());
            let progress = plain.look(&mut input)?;
            input.drain(..progress.dropped);
            is_whole = progress.is_whole;
            if is_whole {
                break;
            }
        }
        Ok((String::from_utf8_lossy(&input).into_owned(), is_whole))
    }

    #[test]
    fn fields_of_no_use_are_left_out() {
        let whole = [
            // Those of use stay as they are, and so does what follows.
            ("HTTP/1.1 200 OK\r\n\r\n{}\nA: b\r\n", "HTTP/1.1 200 OK\r\n\r\n{}\nA: b\r\n"),
            ("HTTP/1.0 200 OK\nA: b\nCONTENT-LENGTH:2\n\n{}", "HTTP/1.0 200 OK\nCONTENT-LENGTH:2\n\n{}"),
            (
                "HTTP/1.1 429 \r\nRetry-After: 1\r\nA_1: \t\u{e4}\r\nConnection: close\r\nX-Request-Id: i\r\n\r\n",
                "HTTP/1.1 429 \r\nRetry-After: 1\r\nConnection: close\r\nX-Request-Id: i\r\n\r\n",
            ),
            ("HTTP/1.1 200 OK\r\nTransfer-Encodings: a\r\nB:\r\n\r\n", "HTTP/1.1 200 OK\r\n\r\n"),
            ("\r\n\nHTTP/1.1 200 OK\r\n\r\n", "HTTP/1.1 200 OK\r\n\r\n"),
            // What is for ureq to refuse.
            ("HTTP/1.1 200 OK\r\nA : b\r\n\r\n", "HTTP/1.1 200 OK\r\nA : b\r\n\r\n"),
            ("HTTP/1.1 200 OK\r\nA\r\n: b\r\n\r\n", "HTTP/1.1 200 OK\r\nA\r\n: b\r\n\r\n"),
            ("HTTP/1.1 200 OK\r\nA: b\rc\r\n\r\n", "HTTP/1.1 200 OK\r\nA: b\rc\r\n\r\n"),
            ("HTTP/1.1 200 OK\r\nA: \0\r\nB: \x7f\r\n\r\n", "HTTP/1.1 200 OK\r\nA: \0\r\nB: \x7f\r\n\r\n"),
            ("HTTP/1.1 200 OK\r\nA: b\r\n folded\r\n\r\n", "HTTP/1.1 200 OK\r\n folded\r\n\r\n"),
            ("<html>\nA: b\n\n", "<html>\nA: b\n\n"),
            ("HTTP/2 200\r\nA: b\r\n\r\n", "HTTP/2 200\r\nA: b\r\n\r\n"),
        ];
        for (input, expected) in whole {
            assert_eq!(look_at(&[input]), Ok((expected.into(), true)), "{input:?}");
        }
    }

    #[test]
    fn one_coding_of_several_is_not_decoded() {
        let head = |first: &str, second: &str, third: &str| {
            format!(
                "HTTP/1.1 200 OK\r\nContent-Encoding:{first}\r\nA: b\r\ncontent-encoding:{second}\r\n{third}\r\n"
            )
        };
        for nothing in ["", " Identity \t"] {
            let whole = head(" gzip", nothing, "").replace("A: b\r\n", "");
            assert_eq!(look_at(&[&head(" gzip", nothing, "")]), Ok((whole, true)), "{nothing:?}");
        }
        for third in ["", "content-encoding: gzip\r\n"] {
            let input = head(" gzip", "br", third);
            let expected = head(" gzip", "br", third)
                .replace("Content-Encoding: gzip", "CONTENT-ENCODING: GZIP")
                .replace("A: b\r\n", "");
            for cut in 0..input.len() {
                assert_eq!(look_at(&[&input[..cut], &input[cut..]]), Ok((expected.clone(), true)), "{cut}");
            }
        }
    }

    #[test]
    fn interim_answers_are_left_out() {
        for status in ["HTTP/1.1 100 Continue", "HTTP/1.0 103", "\r\nHTTP/1.1 199 "] {
            let input = format!("{status}\r\nRetry-After: 1\r\n\r\n{status}\n\nHTTP/1.1 200 OK\n\n");
            assert_eq!(look_at(&[&input]), Ok(("HTTP/1.1 200 OK\n\n".into(), true)), "{status}");
            assert_eq!(look_at(&[status, "\r\n\r\n"]), Ok((String::new(), false)), "{status}");
        }
        let field = "HTTP/1.1 103 \r\nA!#$%&'*+-.^_`|~: \t\u{e4}\r\n\r\nHTTP/1.1 200 OK\n\n";
        assert_eq!(look_at(&[field]), Ok(("HTTP/1.1 200 OK\n\n".into(), true)));
        // What is not as HTTP wants it is no less to be refused in those.
        for rest in
            ["Con\x0btinue", "\0", "\r\nA : b", "\r\nA", "\r\n: b", "\r\nA: b\rc", "\r\n b: c", "\r\nA\": b"]
        {
            let input = format!("HTTP/1.1 100 {rest}\r\n\r\nHTTP/1.1 200 OK\r\n\r\n");
            assert_eq!(look_at(&[&input]), Ok((input.clone(), true)), "{rest}");
        }
        for status in ["HTTP/1.1 101 Switching Protocols", "HTTP/1.1 1000", "HTTP/1.1 1a0 ", "HTTP/1.1 200"] {
            let input = format!("{status}\r\n\r\nHTTP/1.1 200 OK\r\n\r\n");
            assert_eq!(look_at(&[&input]), Ok((input.clone(), true)), "{status}");
        }
    }

    #[test]
    fn a_head_may_come_in_any_portions() {
        let input = "\r\nHTTP/1.1 100 \r\nA: b\r\n\r\nHTTP/1.1 200 OK\r\nA: b\r\nContent-Encoding: X-GZIP\r\nB:\r\n\r\n";
        let expected = Ok(("HTTP/1.1 200 OK\r\nContent-Encoding:   gzip\r\n\r\n".to_string(), true));
        for first in 0..input.len() {
            for second in first..input.len() {
                let portions = [&input[..first], &input[first..second], &input[second..]];
                assert_eq!(look_at(&portions), expected, "{first}, {second}");
            }
        }
    }

    #[test]
    fn what_is_left_out_counts() {
        let head = |fields: usize, length: usize| {
            let field = format!("A: {}\r\n", "b".repeat(length));
            look_at(&["HTTP/1.1 200 OK\r\n", &field.repeat(fields), "\r\n"]).is_ok()
        };
        assert!(head(MOST_FIELDS, 1));
        assert!(!head(MOST_FIELDS + 1, 1));
        // The status line, what a field has beside its value, and the empty line.
        let most = LARGEST_HEADER - 17 - 5 - 2;
        assert!(head(1, most));
        assert!(!head(1, most + 1));
        let interim = format!("HTTP/1.1 100 \r\nA: {}\r\n\r\n", "b".repeat(LARGEST_HEADER / 2));
        assert!(look_at(&[&interim]).is_ok());
        assert_eq!(look_at(&[&interim, &interim]), Err(TooLarge));
        assert_eq!(look_at(&["\r\n".repeat(LARGEST_HEADER).as_str()]), Err(TooLarge));
    }

    #[test]
    fn gzip_has_one_name() {
        let cases = [
            ("Content-Encoding: GZIP\r\n", "Content-Encoding: gzip\r\n"),
            ("content-encoding:x-gzip\n", "content-encoding:  gzip\n"),
            ("CONTENT-ENCODING: \tX-GZip \r\n", "CONTENT-ENCODING: \t  gzip \r\n"),
            ("Content-Encoding: GZIP, BR\r\n", "Content-Encoding: GZIP, BR\r\n"),
            ("Content-Encodings: GZIP\r\n", "Content-Encodings: GZIP\r\n"),
            ("Content-Encoding\r\n", "Content-Encoding\r\n"),
        ];
        for (line, expected) in cases {
            let mut bytes = line.as_bytes().to_vec();
            assert_eq!(name_gzip(&mut bytes), line.contains(':') && !line.contains("ings"), "{line:?}");
            assert_eq!(String::from_utf8_lossy(&bytes), expected);
        }
    }
}
