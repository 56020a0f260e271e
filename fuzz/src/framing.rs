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

/// The body: `None` if the response is not simple, `Some(None)` if the body is truncated.
pub fn body(response: &[u8]) -> Option<Option<Vec<u8>>> {
    let mut headers = [httparse::EMPTY_HEADER; 128];
    let mut head = httparse::Response::new(&mut headers);
    let httparse::Status::Complete(length) = head.parse(response).ok()? else { return None };
    let content = &response[length..];
    let values = |name: &str| -> Vec<&[u8]> {
        let named = head.headers.iter().filter(|header| header.name.eq_ignore_ascii_case(name));
        named.map(|header| header.value.trim_ascii()).collect()
    };
    let is_simple = values("content-encoding").is_empty() && head.code.is_some_and(|code| code == 200);
    if !is_simple {
        return None;
    }
    match (&values("content-length")[..], &values("transfer-encoding")[..]) {
        ([], []) => Some(Some(content.to_vec())),
        ([announced], []) if announced.iter().all(u8::is_ascii_digit) => {
            let announced = std::str::from_utf8(announced).ok()?.parse::<usize>().ok()?;
            Some(content.get(..announced).map(<[u8]>::to_vec))
        }
        ([], [b"chunked"]) if head.version == Some(1) => Some(chunks(content)),
        _ => None,
    }
}

/// A chunked body; `None` if it is truncated or malformed.
fn chunks(mut content: &[u8]) -> Option<Vec<u8>> {
    let mut body = Vec::new();
    loop {
        let end = content.windows(2).position(|end| end == b"\r\n")?;
        // A semicolon starts a chunk extension, which is ignored.
        let digits = content[..end].split(|byte| *byte == b';').next()?.trim_ascii();
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
