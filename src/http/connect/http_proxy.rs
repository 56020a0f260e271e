//! HTTP proxies: CONNECT for https, full URLs for plaintext, and basic authentication (RFC 7617).

use zeroize::Zeroizing;

use super::proxy_stream::ProxyStream;
use crate::alloc::try_zeroed;
use crate::error::is_transient_status;
use crate::error::message::connect as message;
use crate::http::failure::Failure;
use crate::http::head_filter;
use crate::http::proxy::{Protocol, Proxy};
use crate::secret::Secret;

/// The maximum size of the response to CONNECT, which usually has a few lines.
const MAX_CONNECT_RESPONSE: usize = 16 << 10;

/// The additions to a plaintext request that goes through a proxy.
#[derive(Debug)]
pub struct ForProxy {
    /// Precedes the path in the request line.
    pub origin: String,
    /// Whole header lines.
    pub header: Secret,
}

impl ForProxy {
    /// The additions to requests to `origin`.
    pub fn new(origin: &str, proxy: &Proxy) -> ForProxy {
        ForProxy { origin: origin.into(), header: authorization(proxy) }
    }
}

/// Asks the proxy to connect to the server, given as `host:port` (RFC 9110, 9.3.6). From then on the proxy passes all
/// bytes on unchanged.
pub fn open_tunnel(mut stream: ProxyStream<'_>, server: &str) -> Result<(), Failure> {
    let authorization = authorization(stream.proxy);
    let parts: [&[u8]; 7] = [
        b"CONNECT ",
        server.as_bytes(),
        b" HTTP/1.1\r\nhost: ",
        server.as_bytes(),
        b"\r\n",
        authorization.bytes(),
        b"\r\n",
    ];
    stream.send(Secret::concat(&parts).bytes())?;
    let mut response =
        Zeroizing::new(try_zeroed(MAX_CONNECT_RESPONSE).ok_or_else(|| stream.out_of_memory())?);
    let mut length = 0;
    let end = loop {
        if let Some(end) = head_filter::length(&response[..length]) {
            break end;
        }
        if length == response.len() {
            return Err(stream.transient(message::connect_response_too_long(MAX_CONNECT_RESPONSE)));
        }
        length += stream.receive(&mut response[length..])?;
    };
    match parse_status(&response[..end]) {
        Some(200..=299) if end == length => Ok(()),
        Some(200..=299) => Err(stream.transient(message::DATA_AFTER_CONNECT_RESPONSE)),
        Some(407) => Err(stream.permanent(message::proxy_login_refused(stream.proxy.login.is_some()))),
        Some(status) if is_transient_status(status.into()) => {
            Err(stream.transient(message::connect_refused(status)))
        }
        Some(status) => Err(stream.permanent(message::connect_refused(status))),
        None => Err(stream.permanent(message::NOT_HTTP)),
    }
}

/// The status of an HTTP/1.x response.
fn parse_status(head: &[u8]) -> Option<u16> {
    let text = std::str::from_utf8(head.get(..12)?).ok()?;
    let digits = text.strip_prefix("HTTP/1.0 ").or_else(|| text.strip_prefix("HTTP/1.1 "))?;
    let is_delimited = head.get(12).is_some_and(|next| matches!(next, b' ' | b'\r' | b'\n'));
    digits.parse().ok().filter(|status| is_delimited && (100..=999).contains(status))
}

/// The header line with the login, or nothing if there is none.
fn authorization(proxy: &Proxy) -> Secret {
    basic_login(proxy).map_or_else(
        || Secret::new(b""),
        |login| Secret::concat(&[b"proxy-authorization: Basic ", login.bytes(), b"\r\n"]),
    )
}

/// The login of an HTTP proxy as it is sent, encoded in base64.
pub fn basic_login(proxy: &Proxy) -> Option<Secret> {
    let (user, password) = proxy.login.as_ref().filter(|_| proxy.protocol == Protocol::Http)?;
    let login = Secret::concat(&[user.bytes(), b":", password.bytes()]);
    Some(Secret::new(&base64(login.bytes())))
}

/// Encodes bytes in base64 (RFC 4648, 4).
fn base64(bytes: &[u8]) -> Zeroizing<Vec<u8>> {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = Zeroizing::new(Vec::with_capacity(bytes.len().div_ceil(3) * 4));
    for group in bytes.chunks(3) {
        let bits =
            group.iter().fold(0_u32, |bits, byte| bits << 8 | u32::from(*byte)) << (8 * (3 - group.len()));
        for digit in 0..4 {
            let value = bits >> (18 - 6 * digit) & 63;
            text.push(if digit <= group.len() { DIGITS[value as usize] } else { b'=' });
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn base64_matches_the_examples_of_the_rfc() {
        let cases = [
            ("", ""),
            ("f", "Zg=="),
            ("fo", "Zm8="),
            ("foo", "Zm9v"),
            ("foob", "Zm9vYg=="),
            ("fooba", "Zm9vYmE="),
            ("foobar", "Zm9vYmFy"),
        ];
        for (bytes, expected) in cases {
            assert_eq!(base64(bytes.as_bytes()).as_slice(), expected.as_bytes());
        }
    }

    #[test]
    fn status_is_parsed_from_a_response_to_connect() {
        let cases: [(&[u8], Option<u16>); 7] = [
            (b"HTTP/1.1 200 OK\r\n\r\n", Some(200)),
            (b"HTTP/1.0 407 \r\n\r\n", Some(407)),
            (b"HTTP/1.1 200\n\n", Some(200)),
            (b"HTTP/1.1 2000\r\n\r\n", None),
            (b"HTTP/1.1 +20\r\n\r\n", None),
            (b"HTTP/2 200\r\n\r\n", None),
            (b"", None),
        ];
        for (head, expected) in cases {
            assert_eq!(parse_status(head), expected);
        }
    }
}
