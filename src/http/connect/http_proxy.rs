//! HTTP proxies: CONNECT for https, full URLs for plaintext, and basic authentication (RFC 7617).

use zeroize::Zeroizing;

use super::proxy_stream::ProxyStream;
use crate::error::is_transient_status;
use crate::error::message::connect as message;
use crate::http::buffers::IoBuffers;
use crate::http::failure::Failure;
use crate::http::head_filter::{HeadFilter, MAX_FIELDS, MAX_HEADER};
use crate::http::proxy::{Protocol, Proxy};
use crate::log::Event;
use crate::secret::Secret;

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
    stream.debug(|| Event::TunnelRequested(server.to_string()));
    stream.send(Secret::concat(&parts).bytes())?;
    match receive_status(&mut stream)? {
        Some(200..=299) => {
            stream.debug(|| Event::TunnelOpened);
            Ok(())
        }
        Some(407) => Err(stream.permanent(message::proxy_login_refused(stream.proxy.login.is_some()))),
        Some(status) if is_transient_status(status.into()) => {
            Err(stream.transient(message::connect_refused(status)))
        }
        Some(status) => Err(stream.permanent(message::connect_refused(status))),
        None => Err(stream.permanent(message::NOT_HTTP)),
    }
}

/// Receives the head of the response, which has no body if the status is 2xx. Returns the status, or `None` if the
/// response is not HTTP.
fn receive_status(stream: &mut ProxyStream<'_>) -> Result<Option<u16>, Failure> {
    let mut input = IoBuffers::default();
    let mut filter = HeadFilter::default();
    loop {
        input.read(|buffer| stream.receive(buffer))?;
        let progress = filter
            .advance(input.input_mut(), |line| stream.log_line(line))
            .map_err(|_| stream.transient(message::connect_response_too_large(MAX_HEADER, MAX_FIELDS)))?;
        input.input_consume(progress.dropped);
        match progress.head {
            Some(head) if matches!(head.status, Some(200..=299)) && input.input().len() > head.length => {
                return Err(stream.transient(message::DATA_AFTER_CONNECT_RESPONSE));
            }
            Some(head) => return Ok(head.status),
            None => {}
        }
    }
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
}
