//! The head of an answer, made plain before ureq reads it: it knows fewer forms than HTTP allows.

use std::io::BufRead;
use std::iter;

/// Where the first head of the input ends, its empty line included; `None`: not all of it has come. A line may end in
/// LF alone, and empty ones may stand before it (RFC 9112, 2.2).
pub fn length(input: &[u8]) -> Option<usize> {
    let mut end = input.len() - without_empty_lines(input).len();
    lines(&input[end..]).find_map(|line| {
        end += line.len();
        is_empty(line).then_some(end)
    })
}

/// How many fields there are in what has come of a head; 0 where it is none of HTTP.
pub fn fields(head: &[u8]) -> usize {
    let head = without_empty_lines(head);
    let is_field = |line: &&[u8]| line.ends_with(b"\n") && !is_empty(line);
    if head.starts_with(b"HTTP/1.") { lines(head).skip(1).filter(is_field).count() } else { 0 }
}

/// Whether the input begins with an interim answer, which another one follows: any 1xx but 101.
pub fn is_interim(input: &[u8]) -> bool {
    let line = without_empty_lines(input);
    match line.strip_prefix(b"HTTP/1.1 ").or_else(|| line.strip_prefix(b"HTTP/1.0 ")) {
        Some([b'1', b'0', b'1', ..]) => false,
        Some([b'1', tens, ones, b' ' | b'\r' | b'\n', ..]) => tens.is_ascii_digit() && ones.is_ascii_digit(),
        _ => false,
    }
}

/// Calls gzip by its one name where a head calls it in other letters, or x-gzip (RFC 9110, 8.4.1.3).
pub fn name_gzip(head: &mut [u8]) {
    let mut rest = head;
    while !rest.is_empty() {
        let length = line_length(rest);
        let (line, behind) = rest.split_at_mut(length);
        if let Some((name, value)) = line.split_at_mut_checked(CONTENT_ENCODING.len())
            && name.eq_ignore_ascii_case(CONTENT_ENCODING)
        {
            name_gzip_in(value);
        }
        rest = behind;
    }
}

const CONTENT_ENCODING: &[u8] = b"content-encoding:";

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

    #[test]
    fn fields_are_counted_once_they_are_whole() {
        let cases = [
            ("", 0),
            ("\r\nHTTP/1.1 200 OK", 0),
            ("HTTP/1.1 200 OK\r\nA: b", 0),
            ("\nHTTP/1.1 200 OK\r\nA: b\r\nC: d\n", 2),
            ("HTTP/1.0 200 OK\r\nA: b\r\n\r\n", 1),
            ("<html>\n<head>\n", 0),
        ];
        for (head, expected) in cases {
            assert_eq!(fields(head.as_bytes()), expected, "{head:?}");
        }
    }

    #[test]
    fn interim_answers_are_told_by_their_status() {
        let cases = [
            ("HTTP/1.1 100 Continue\r\n", true),
            ("HTTP/1.0 103\r\n", true),
            ("\r\nHTTP/1.1 199 \n", true),
            ("HTTP/1.1 101 Switching Protocols\r\n", false),
            ("HTTP/1.1 10", false),
            ("HTTP/1.1 100", false),
            ("HTTP/1.1 1000\r\n", false),
            ("HTTP/1.1 1a0 \r\n", false),
            ("HTTP/1.1 200 OK\r\n", false),
            ("HTTP/2 100 \r\n", false),
            ("", false),
        ];
        for (input, expected) in cases {
            assert_eq!(is_interim(input.as_bytes()), expected, "{input:?}");
        }
    }

    #[test]
    fn gzip_has_one_name() {
        let cases = [
            ("Content-Encoding: GZIP\r\nA: GZIP\r\n\r\n", "Content-Encoding: gzip\r\nA: GZIP\r\n\r\n"),
            ("content-encoding:x-gzip\n\n", "content-encoding:  gzip\n\n"),
            ("CONTENT-ENCODING: \tX-GZip \r\n\r\n", "CONTENT-ENCODING: \t  gzip \r\n\r\n"),
            ("Content-Encoding: GZIP, BR\r\n\r\n", "Content-Encoding: GZIP, BR\r\n\r\n"),
            (
                "Content-Encoding\r\nA-Content-Encoding: GZIP\r\n",
                "Content-Encoding\r\nA-Content-Encoding: GZIP\r\n",
            ),
        ];
        for (head, expected) in cases {
            let mut bytes = head.as_bytes().to_vec();
            name_gzip(&mut bytes);
            assert_eq!(String::from_utf8_lossy(&bytes), expected);
        }
    }
}
