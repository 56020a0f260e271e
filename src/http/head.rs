//! The head of an answer, made plain before ureq reads it: it knows fewer forms than HTTP allows.

/// Where the first head of the input ends, its empty line included; `None`: not all of it has come. A line may end in
/// LF alone, and empty ones may stand before it (RFC 9112, 2.2).
pub fn length(input: &[u8]) -> Option<usize> {
    let before = input.len() - without_empty_lines(input).len();
    let mut ends = (before..input.len()).filter(|at| input[*at] == b'\n');
    ends.find_map(|end| match input[end + 1..] {
        [b'\n', ..] => Some(end + 2),
        [b'\r', b'\n', ..] => Some(end + 3),
        _ => None,
    })
}

/// How many fields there are in what has come of a head; 0 where it is none of HTTP.
pub fn fields(head: &[u8]) -> usize {
    let head = without_empty_lines(head);
    let lines = head.split_inclusive(|byte| *byte == b'\n').skip(1);
    let is_field = |line: &&[u8]| line.ends_with(b"\n") && !matches!(line, [b'\n'] | [b'\r', b'\n']);
    if head.starts_with(b"HTTP/1.") { lines.filter(is_field).count() } else { 0 }
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
    for line in head.split_mut(|byte| *byte == b'\n') {
        let Some(colon) = line.iter().position(|byte| *byte == b':') else { continue };
        let (name, value) = line.split_at_mut(colon);
        if !name.eq_ignore_ascii_case(b"content-encoding") {
            continue;
        }
        let coding = value[1..].trim_ascii();
        if coding.eq_ignore_ascii_case(b"gzip") {
            value.make_ascii_lowercase();
        } else if coding.eq_ignore_ascii_case(b"x-gzip") {
            value.make_ascii_lowercase();
            value.iter_mut().filter(|byte| matches!(byte, b'x' | b'-')).for_each(|byte| *byte = b' ');
        }
    }
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
