//! The body of a response, framed according to RFC 9112.

use crate::peer::Act;

/// All bytes of a response whose connection is not reset or held open, else `None`.
pub fn sent(acts: &[Act]) -> Option<Vec<u8>> {
    let mut sent = Vec::new();
    for act in acts {
        match act {
            Act::Send(bytes) => sent.extend(bytes),
            Act::Close => break,
            Act::Reset | Act::Hold => return None,
        }
    }
    Some(sent)
}

/// A head, with its folded lines joined.
struct Head {
    status: u16,
    is_http_1_0: bool,
    lines: Vec<Vec<u8>>,
}

/// The first head that is not an interim one, and what follows it. `None` if there is none.
fn final_head(mut response: &[u8]) -> Option<(Head, &[u8])> {
    loop {
        let (head, content) = head(response)?;
        if !(100..200).contains(&head.status) || head.status == 101 {
            return Some((head, content));
        }
        response = content;
    }
}

fn head(mut response: &[u8]) -> Option<(Head, &[u8])> {
    let mut next_line = || {
        let end = response.iter().position(|byte| *byte == b'\n')?;
        let line = &response[..end];
        response = &response[end + 1..];
        Some(line.strip_suffix(b"\r").unwrap_or(line))
    };
    let mut status_line = next_line()?;
    while status_line.is_empty() {
        status_line = next_line()?;
    }
    let status = status_line.get(9..12).filter(|digits| digits.iter().all(u8::is_ascii_digit))?;
    let status = std::str::from_utf8(status).ok()?.parse().ok()?;
    let is_http_1_0 = status_line.starts_with(b"HTTP/1.0 ");
    if !(is_http_1_0 || status_line.starts_with(b"HTTP/1.1 "))
        || !matches!(status_line.get(12), None | Some(b' '))
    {
        return None;
    }
    let mut lines: Vec<Vec<u8>> = vec![];
    loop {
        match next_line()? {
            [] => return Some((Head { status, is_http_1_0, lines }, response)),
            fold @ [b' ' | b'\t', ..] => {
                if let Some(line) = lines.last_mut() {
                    line.push(b' ');
                    line.extend(fold);
                }
            }
            line => lines.push(line.to_vec()),
        }
    }
}

impl Head {
    /// The elements of all values of a field. `None` if a line that begins with the name is malformed.
    fn elements(&self, name: &str) -> Option<Vec<Vec<u8>>> {
        let mut elements = vec![];
        for line in &self.lines {
            let is_token = |byte: &u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(byte);
            let (found, rest) = line.split_at(line.iter().take_while(|byte| is_token(byte)).count());
            if !found.eq_ignore_ascii_case(name.as_bytes()) {
                continue;
            }
            let value = rest.strip_prefix(b":")?;
            if value.iter().any(|byte| (*byte < b' ' && *byte != b'\t') || *byte == 127) {
                return None;
            }
            let is_blank = |byte: &u8| matches!(byte, b' ' | b'\t');
            for element in value.split(|byte| *byte == b',') {
                let start = element.iter().position(|byte| !is_blank(byte)).unwrap_or(element.len());
                let end = element.iter().rposition(|byte| !is_blank(byte)).map_or(start, |last| last + 1);
                elements.push(element[start..end].to_ascii_lowercase());
            }
        }
        Some(elements)
    }
}

/// The status of the final response, if there is one.
pub fn status(response: &[u8]) -> Option<u16> {
    final_head(response).map(|(head, _)| head.status)
}

/// The body: `None` if the response is not simple, `Some(None)` if the body is truncated or its end is ambiguous.
pub fn body(response: &[u8]) -> Option<Option<Vec<u8>>> {
    let (head, content) = final_head(response)?;
    if head.status != 200 || head.elements("content-encoding") != Some(vec![]) {
        return None;
    }
    let (Some(lengths), Some(encodings)) =
        (head.elements("content-length"), head.elements("transfer-encoding"))
    else {
        return Some(None);
    };
    let lengths: Option<Vec<u64>> = lengths.iter().map(|digits| length(digits)).collect();
    let length = match lengths.as_deref() {
        None => return Some(None),
        Some(lengths) if lengths.windows(2).any(|pair| pair[0] != pair[1]) => return Some(None),
        Some(lengths) => lengths.first().copied(),
    };
    let has_encoding = !encodings.is_empty();
    let codings: Vec<&[u8]> =
        encodings.iter().map(Vec::as_slice).filter(|coding| !matches!(*coding, b"" | b"identity")).collect();
    Some(match (&codings[..], length) {
        _ if has_encoding && (head.is_http_1_0 || encodings.iter().all(Vec::is_empty)) => None,
        ([b"chunked"], _)
            if encodings.iter().rfind(|coding| !coding.is_empty()).is_some_and(|last| last == b"chunked") =>
        {
            chunks(content)
        }
        ([], None) => Some(content.to_vec()),
        ([], Some(length)) => {
            usize::try_from(length).ok().and_then(|length| content.get(..length)).map(<[u8]>::to_vec)
        }
        _ => None,
    })
}

fn length(digits: &[u8]) -> Option<u64> {
    let is_number = !digits.is_empty() && digits.iter().all(u8::is_ascii_digit);
    std::str::from_utf8(digits).ok().filter(|_| is_number)?.parse().ok()
}

/// A chunked body; `None` if it is truncated or malformed.
fn chunks(mut content: &[u8]) -> Option<Vec<u8>> {
    let mut body = Vec::new();
    loop {
        let end = content.windows(2).position(|end| end == b"\r\n")?;
        if content[..end].contains(&b'\r') {
            return None;
        }
        // A semicolon starts a chunk extension, which is ignored.
        let digits = content[..end].split(|byte| *byte == b';').next()?;
        let blanks = digits.iter().rev().take_while(|byte| matches!(byte, b' ' | b'\t')).count();
        let digits = &digits[..digits.len() - blanks];
        if !digits.iter().all(u8::is_ascii_hexdigit) {
            return None;
        }
        let size = usize::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok()?;
        let chunk = content.get(end + 2..)?;
        if size == 0 {
            // The last chunk, optional trailers, and an empty line.
            let is_ended = chunk.starts_with(b"\r\n") || chunk.windows(4).any(|end| end == b"\r\n\r\n");
            return is_ended.then_some(body);
        }
        body.extend(chunk.get(..size)?);
        content = chunk.get(size..)?.strip_prefix(b"\r\n")?;
    }
}
