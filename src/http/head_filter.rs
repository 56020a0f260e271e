//! Reads the head of a response before ureq parses it: ureq accepts fewer forms than HTTP allows, and would spend most
//! of its time on fields that are never read.

use std::io::BufRead;

use super::framing::{Framing, FramingFields, has_control, is_blank, is_control};

/// The maximum size of a header, in bytes.
pub const MAX_HEADER: usize = 64 << 10;

/// The maximum number of header fields. ureq has the same limit.
pub const MAX_FIELDS: usize = 128;

/// How far the head has been filtered.
#[derive(Debug, PartialEq, Eq)]
pub struct Progress {
    /// The number of bytes at the start of the input that the caller must discard.
    pub dropped: usize,
    /// The head, once its end has been found. It follows the dropped bytes.
    pub head: Option<FilteredHead>,
}

/// A whole head.
#[derive(Debug, PartialEq, Eq)]
pub struct FilteredHead {
    /// The number of bytes that are left of it.
    pub length: usize,
    /// The status, or `None` if the input is not HTTP/1.x. ureq rejects it then.
    pub status: Option<u16>,
    /// The framing of the body.
    pub framing: Framing,
}

/// A head exceeds the maximum size or number of fields.
#[derive(Debug, PartialEq, Eq)]
pub struct TooLarge;

/// Filters the head of a response while it arrives: drops interim responses and all fields that are never read, however
/// malformed, and normalizes the form of the others.
#[derive(Debug, Default)]
pub struct HeadFilter {
    /// The length of the filtered part at the start of the input.
    kept: usize,
    status: Option<StatusLine>,
    /// The last field and its offset, if it is kept. Lines that continue it may follow.
    last: Option<(Field, usize)>,
    framing: FramingFields,
    /// The size of this head so far.
    size: usize,
    /// The size of all interim heads before it.
    interim: usize,
    fields: usize,
}

/// A line of a head.
enum Line {
    Status(Option<StatusLine>),
    /// A field, if it is one that is read.
    Field(Option<Field>),
    /// Continues the field in the line before it.
    Continuation,
    Empty,
}

impl HeadFilter {
    /// Filters the new lines of the input, which starts with what earlier calls kept. Shows each to `observe` first.
    pub fn advance(
        &mut self,
        input: &mut [u8],
        mut observe: impl FnMut(&[u8]),
    ) -> Result<Progress, TooLarge> {
        let mut at = self.kept;
        let mut is_whole = false;
        while !is_whole {
            let length = line_length(&input[at..]);
            let Some(line) = input[at..at + length].strip_suffix(b"\n") else {
                is_whole = self.status.is_none() && !can_become_status_line(&input[at..]);
                break;
            };
            self.size += length;
            observe(line);
            match self.classify(line.strip_suffix(b"\r").unwrap_or(line)) {
                Line::Empty if self.status.is_none() => {}
                Line::Empty => {
                    self.end_field(input);
                    self.keep(input, at, length);
                    is_whole = true;
                }
                Line::Status(status) => {
                    self.keep(input, at, length);
                    if status.is_some() {
                        blank_controls(text_of(&mut input[..self.kept]));
                    }
                    is_whole = status.is_none();
                    self.status = status;
                }
                Line::Continuation if self.last.is_some() => {
                    // A fold is read as a space (RFC 9112, 5.2).
                    let blanks = input[at..].iter().take_while(|byte| is_blank(**byte)).count();
                    let text = text_of(&mut input[..self.kept]);
                    // The name of the field is not blank.
                    let end = text.iter().rposition(|byte| !is_blank(*byte)).map_or(0, |last| last + 1);
                    input[end] = b' ';
                    self.kept = end + 1;
                    self.keep(input, at + blanks, length - blanks);
                }
                Line::Continuation => {}
                Line::Field(field) => {
                    self.end_field(input);
                    self.fields += 1;
                    if let Some(field) = field {
                        self.last = Some((field, self.kept));
                        self.keep(input, at, length);
                    }
                }
            }
            at += length;
            if self.fields > MAX_FIELDS {
                return Err(TooLarge);
            }
            if is_whole && self.status.is_some_and(StatusLine::is_interim) {
                *self = HeadFilter {
                    interim: self.interim + self.size,
                    framing: self.framing.after_interim(),
                    ..HeadFilter::default()
                };
                is_whole = false;
            }
            if self.size.max(self.interim) > MAX_HEADER {
                return Err(TooLarge);
            }
        }
        if !is_whole && self.size + (input.len() - at) > MAX_HEADER {
            return Err(TooLarge);
        }
        // Moves what was kept to the end of the gap, so that the gap is at the start and can be discarded.
        let dropped = at - self.kept;
        input.copy_within(..self.kept, dropped);
        Ok(Progress { dropped, head: is_whole.then(|| self.head()) })
    }

    /// Whether the status line has been found.
    pub fn has_status(&self) -> bool {
        self.status.is_some()
    }

    fn classify(&self, line: &[u8]) -> Line {
        match (line, &self.status) {
            (b"", _) => Line::Empty,
            (_, None) => Line::Status(StatusLine::parse(line)),
            ([b' ' | b'\t', ..], _) => Line::Continuation,
            _ => Line::Field(Field::of_line(line)),
        }
    }

    /// Keeps a line of the input.
    fn keep(&mut self, input: &mut [u8], at: usize, length: usize) {
        input.copy_within(at..at + length, self.kept);
        self.kept += length;
    }

    /// Normalizes the last field, if it was kept, now that it is known to be whole. Drops it if ureq would reject it.
    fn end_field(&mut self, input: &mut [u8]) {
        let Some((field, start)) = self.last.take() else { return };
        let (name, rest) = text_of(&mut input[start..self.kept]).split_at_mut(field.name().len());
        debug_assert!(name.eq_ignore_ascii_case(field.name()));
        let is_valid = match field {
            Field::ContentLength => self.framing.add_length(rest),
            Field::TransferEncoding => self.framing.add_encoding(rest),
            _ => normalize(field, rest),
        };
        if !is_valid {
            self.kept = start;
        }
    }

    fn head(&self) -> FilteredHead {
        FilteredHead {
            length: self.kept,
            status: self.status.map(|line| line.status),
            framing: self.status.map_or_else(Framing::default, |line| {
                self.framing.of_response(line.status, line.is_http_1_0)
            }),
        }
    }
}

/// The fields that ureq or this library reads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Field {
    Connection,
    RetryAfter,
    RequestId,
    ContentLength,
    ContentEncoding,
    TransferEncoding,
}

impl Field {
    const ALL: [Field; 6] = [
        Field::Connection,
        Field::RetryAfter,
        Field::RequestId,
        Field::ContentLength,
        Field::ContentEncoding,
        Field::TransferEncoding,
    ];

    const fn name(self) -> &'static [u8] {
        match self {
            Field::Connection => b"connection",
            Field::RetryAfter => b"retry-after",
            Field::RequestId => b"x-request-id",
            Field::ContentLength => b"content-length",
            Field::ContentEncoding => b"content-encoding",
            Field::TransferEncoding => b"transfer-encoding",
        }
    }

    /// The field that a line starts with the name of, whatever follows the name.
    fn of_line(line: &[u8]) -> Option<Field> {
        // In lower case, if it is a letter.
        let first = line.first()? | 0x20;
        let is_name = |field: &Field| {
            let name = field.name();
            name[0] == first
                && line.get(..name.len()).is_some_and(|start| start.eq_ignore_ascii_case(name))
                && line.get(name.len()).is_none_or(|next| !TOKEN_CHARS[usize::from(*next)])
        };
        Field::ALL.into_iter().find(is_name)
    }
}

/// The characters of a name (RFC 9110, 5.6.2).
const TOKEN_CHARS: [bool; 256] = {
    let mut chars = [false; 256];
    let mut byte = 0;
    while byte < 128 {
        chars[byte] = matches!(byte as u8, b'0'..=b'9' | b'A'..=b'Z' | b'a'..=b'z' | b'!' | b'#'..=b'\'' | b'*' | b'+'
            | b'-' | b'.' | b'^' | b'_' | b'`' | b'|' | b'~');
        byte += 1;
    }
    chars
};

/// Whether a name has only the characters of a token.
pub fn is_token(name: &[u8]) -> bool {
    name.iter().all(|byte| TOKEN_CHARS[usize::from(*byte)])
}

/// Brings a field that frames nothing into a form that ureq accepts, given what follows its name: moves the colon to the
/// name, and replaces characters that are not allowed by blanks. Returns `false` if there is no colon.
fn normalize(field: Field, rest: &mut [u8]) -> bool {
    let Some(blanks) = rest.iter().position(|byte| !is_blank(*byte)) else { return false };
    if rest[blanks] != b':' {
        return false;
    }
    rest.swap(0, blanks);
    blank_controls(rest);
    if field == Field::Connection {
        // ureq ignores a list with other characters, and with it `close`.
        rest.iter_mut().filter(|byte| !byte.is_ascii()).for_each(|byte| *byte = b' ');
    }
    true
}

/// What matters of a status line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct StatusLine {
    status: u16,
    is_http_1_0: bool,
}

impl StatusLine {
    /// Accepts what ureq accepts, with any characters in the reason.
    fn parse(line: &[u8]) -> Option<StatusLine> {
        let (version, rest) = line.split_first_chunk::<9>()?;
        let is_http_1_0 = match version {
            b"HTTP/1.0 " => true,
            b"HTTP/1.1 " => false,
            _ => return None,
        };
        let (digits, reason) = rest.split_first_chunk::<3>()?;
        let is_status = digits.iter().all(u8::is_ascii_digit) && matches!(reason, [] | [b' ', ..]);
        let status = digits.iter().fold(0, |status, digit| 10 * status + u16::from(digit & 0xf));
        (is_status && status >= 100).then_some(StatusLine { status, is_http_1_0 })
    }

    /// Whether another response follows this one. 101 is a final one.
    fn is_interim(self) -> bool {
        self.status < 200 && self.status != 101
    }
}

/// Whether a line that is not whole yet can become a status line, or an empty line.
fn can_become_status_line(start: &[u8]) -> bool {
    let expected = b"HTTP/1.";
    let length = start.len().min(expected.len());
    start[..length] == expected[..length] || start == b"\r"
}

/// A line, or several, without the end of the last one.
fn text_of(lines: &mut [u8]) -> &mut [u8] {
    let length =
        lines.strip_suffix(b"\n").map_or(lines.len(), |text| text.strip_suffix(b"\r").unwrap_or(text).len());
    &mut lines[..length]
}

fn blank_controls(text: &mut [u8]) {
    if has_control(text) {
        text.iter_mut().filter(|byte| is_control(**byte)).for_each(|byte| *byte = b' ');
    }
}

fn line_length(mut rest: &[u8]) -> usize {
    // Reading from a slice cannot fail.
    rest.skip_until(b'\n').unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What is left of an input that arrives in these chunks, and the head, if it is whole.
    fn filter(chunks: &[&[u8]]) -> Result<(String, Option<FilteredHead>), TooLarge> {
        let mut filter = HeadFilter::default();
        let mut input = Vec::new();
        let mut head = None;
        for chunk in chunks {
            input.extend_from_slice(chunk);
            if head.is_none() {
                let progress = filter.advance(&mut input, |_| {})?;
                input.drain(..progress.dropped);
                head = progress.head;
            }
        }
        Ok((String::from_utf8_lossy(&input).into_owned(), head))
    }

    /// What is left of an input that has a whole head, and the status.
    fn filter_whole(input: &str) -> Result<(String, Option<u16>), TooLarge> {
        let (left, head) = filter(&[input.as_bytes()])?;
        let head = head.expect("the head is whole");
        assert!(left.is_char_boundary(head.length), "{input:?}");
        Ok((left, head.status))
    }

    #[test]
    fn irrelevant_lines_are_dropped() {
        let cases = [
            ("HTTP/1.1 200 OK\r\n\r\n{}\nA: b\r\n", "HTTP/1.1 200 OK\r\n\r\n{}\nA: b\r\n", 200),
            ("HTTP/1.0 200 OK\nA: b\nCONTENT-LENGTH:2\n\n{}", "HTTP/1.0 200 OK\nCONTENT-LENGTH:2\n\n{}", 200),
            (
                "HTTP/1.1 429 \r\nRetry-After: 1\r\nA_1: \t\u{e4}\r\nConnection: close\r\nX-Request-Id: i\r\n\r\n",
                "HTTP/1.1 429 \r\nRetry-After: 1\r\nConnection: close\r\nX-Request-Id: i\r\n\r\n",
                429,
            ),
            ("HTTP/1.1 200\r\nTransfer-Encodings: a\r\nB:\r\n\r\n", "HTTP/1.1 200\r\n\r\n", 200),
            ("\r\n\nHTTP/1.1 200 OK\r\n\r\n", "HTTP/1.1 200 OK\r\n\r\n", 200),
            ("HTTP/1.1 200 OK\n\r\n", "HTTP/1.1 200 OK\n\r\n", 200),
            ("HTTP/1.1 200 OK\r\nA : b\r\nA\r\n: b\r\n\r\n", "HTTP/1.1 200 OK\r\n\r\n", 200),
            ("HTTP/1.1 200 OK\r\nA: b\rc\r\nA: \0\r\nB: \x7f\r\n\0\r\n\r\n", "HTTP/1.1 200 OK\r\n\r\n", 200),
            ("HTTP/1.1 200 OK\r\nA: b\r\n folded\r\n\r\n", "HTTP/1.1 200 OK\r\n\r\n", 200),
            ("HTTP/1.1 200 OK\r\n Content-Length: 2\r\n\r\n", "HTTP/1.1 200 OK\r\n\r\n", 200),
            ("HTTP/1.1 503 \x1b\0\r\x7f\u{e4}\r\n\r\n", "HTTP/1.1 503     \u{e4}\r\n\r\n", 503),
        ];
        for (input, left, status) in cases {
            assert_eq!(filter_whole(input), Ok((left.into(), Some(status))), "{input:?}");
        }
    }

    #[test]
    fn relevant_fields_are_normalized() {
        let cases = [
            ("Retry-After:\r\n 1\r\n", "Retry-After: 1\r\n"),
            ("Retry-After: a\t\n\t \tb\n \n", "Retry-After: a b \n"),
            ("Retry-After : 1\r\n", "Retry-After:  1\r\n"),
            ("RETRY-AFTER \t:1\r\n", "RETRY-AFTER:\t 1\r\n"),
            ("Retry-After\r\n : 1\r\n", "Retry-After:  1\r\n"),
            ("X-Request-Id: \0a\x7f\r\u{e4}\r\n", "X-Request-Id:  a  \u{e4}\r\n"),
            ("Connection: close, \x01\u{e4}\r\n", "Connection: close,    \r\n"),
            ("Content-Encoding :gzip\x1b\r\nA\r\n b\r\n", "Content-Encoding: gzip \r\n"),
            ("Content-Length:\r\n\t 42\r\n", "Content-Length: 42\r\n"),
            ("Transfer-Encoding:\n chunked\n", "Transfer-Encoding: chunked\n"),
            // Without a colon, there is no value. ureq would reject a length that is invalid.
            ("Retry-After\r\n", ""),
            ("Retry-After 1\r\n 2\r\n", ""),
            ("Connection;close\r\nRetry-After: 1\r\n", "Retry-After: 1\r\n"),
            ("Content-Length: 4\r\n 2\r\nRetry-After: 1\r\n", "Retry-After: 1\r\n"),
            ("Content-Length : 42\r\n", ""),
        ];
        for (lines, left) in cases {
            let left = format!("HTTP/1.1 503 A\r\n{left}\r\n");
            let input = format!("HTTP/1.1 503 A\r\n{lines}\r\n");
            assert_eq!(filter_whole(&input), Ok((left, Some(503))), "{lines:?}");
        }
    }

    #[test]
    fn what_is_not_http_is_left_to_ureq() {
        for input in [
            "<html>\nA: b\n\n",
            "<",
            "HTTP/2",
            "HTTP/2 200\r\nA: b\r\n\r\n",
            "HTTP/1.2 200\r\n",
            "HTTP/1.1\r\n",
            "HTTP/1.1 20\r\n",
            "HTTP/1.1 099 OK\r\n",
            "HTTP/1.1 2000\r\n",
            "HTTP/1.1 +20 \r\n",
            "HTTP/1.1  200\r\n",
            "HTTP/1.1 200\x01\r\n",
            "\rHTTP/1.1 200\r\n",
        ] {
            assert_eq!(filter_whole(input), Ok((input.into(), None)), "{input:?}");
        }
        for input in ["", "\r", "\r\n", "H", "HTTP/1.", "HTTP/1.1 2", "HTTP/1.1 200 OK\r\nA: b\r\n"] {
            assert_eq!(filter(&[input.as_bytes()]).map(|(_, head)| head), Ok(None), "{input:?}");
        }
    }

    #[test]
    fn interim_responses_are_dropped() {
        let left = Ok(("HTTP/1.1 200 OK\n\n".into(), Some(200)));
        for status in
            ["HTTP/1.1 100 Continue", "HTTP/1.0 103", "\r\nHTTP/1.1 199 ", "HTTP/1.1 100 Con\x0btinue"]
        {
            for field in
                ["", "Retry-After: 1\r\n", "A : b\r\n c\r\n", "A\r\n", "Content-Length: x\r\n", "A: \x7f\r\n"]
            {
                let input = format!("{status}\r\n{field}\r\n{status}\n\nHTTP/1.1 200 OK\n\n");
                assert_eq!(filter_whole(&input), left, "{input:?}");
            }
            let alone = filter(&[status.as_bytes(), b"\r\n\r\n"]);
            assert_eq!(alone, Ok((String::new(), None)), "{status}");
        }
        for status in ["HTTP/1.1 101 Switching Protocols", "HTTP/1.1 200"] {
            let input = format!("{status}\r\n\r\nHTTP/1.1 200 OK\r\n\r\n");
            assert_eq!(filter_whole(&input).map(|(left, _)| left), Ok(input.clone()), "{status}");
        }
    }

    #[test]
    fn a_head_may_arrive_in_any_chunks() {
        let input = b"\r\nHTTP/1.1 100 \r\nA: b\r\n\r\n\
                      HTTP/1.1 200 OK\r\nA: b\r\n c\r\nContent-Encoding\t: X-GZIP\r\n \r\nB:\r\nTransfer-Encoding: chunked\r\n\r\n{";
        let left = "HTTP/1.1 200 OK\r\nContent-Encoding:\t X-GZIP \r\nTransfer-Encoding: chunked\r\n\r\n";
        let framing = Framing { is_chunked: true, ..Framing::default() };
        let head = FilteredHead { length: left.len(), status: Some(200), framing };
        let expected = Ok((format!("{left}{{"), Some(head)));
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
            filter(&[b"HTTP/1.1 200 OK\r\n", field.repeat(fields).as_bytes(), b"\r\n"]).is_ok()
        };
        assert!(head(MAX_FIELDS, 1));
        assert!(!head(MAX_FIELDS + 1, 1));
        // Less the status line, the rest of the field line, and the empty line.
        let longest = MAX_HEADER - 17 - 5 - 2;
        assert!(head(1, longest));
        assert!(!head(1, longest + 1));
        let interim = format!("HTTP/1.1 100 \r\nA: {}\r\n\r\n", "b".repeat(MAX_HEADER / 2));
        assert!(filter(&[interim.as_bytes()]).is_ok());
        assert_eq!(filter(&[interim.as_bytes(), interim.as_bytes()]), Err(TooLarge));
        assert_eq!(filter(&["\r\n".repeat(MAX_HEADER).as_bytes()]), Err(TooLarge));
        // So do lines without an end, and lines that continue one.
        let endless = format!("HTTP/1.1 200 {}", "a".repeat(MAX_HEADER));
        assert!(filter(&[&endless.as_bytes()[..MAX_HEADER]]).is_ok());
        assert_eq!(filter(&[endless.as_bytes()]), Err(TooLarge));
        assert_eq!(
            filter(&[b"HTTP/1.1 200\r\nA: b\r\n", " c\r\n".repeat(MAX_HEADER / 4).as_bytes()]),
            Err(TooLarge)
        );
    }
}
