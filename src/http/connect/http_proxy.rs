//! How a proxy is asked for a way to the server.

use std::net::IpAddr;

use zeroize::Zeroizing;

use crate::context::CallContext;
use crate::error::ErrorKind;
use crate::error::is_transient_status;
use crate::error::message::wire::describe_io_error;
use crate::error::message::wire::status_line;
use crate::http::failure::Failure;
use crate::http::head_filter;
use crate::http::proxy::{Protocol, Proxy};
use crate::http::socket::{Fault, Socket};
use crate::http::url::Host;
use crate::secret::Secret;

/// A proxy's answer to CONNECT is a few lines.
const LONGEST_ANSWER: usize = 16 << 10;

/// What a plaintext request bears for a proxy on its way.
#[derive(Debug)]
pub struct ForProxy {
    /// Stands before the path in the first line.
    pub origin: String,
    /// Whole header lines.
    pub header: Secret,
}

impl ForProxy {
    /// For requests to `origin`.
    pub fn new(origin: &str, proxy: &Proxy) -> ForProxy {
        ForProxy { origin: origin.into(), header: authorization(proxy) }
    }
}

/// CONNECT (RFC 9110, 9.3.6).
pub fn open_http(
    socket: &mut Socket,
    proxy: &Proxy,
    target: &str,
    context: &CallContext,
) -> Result<(), Failure> {
    let mut link = Link { socket, proxy, context };
    let first: [&[u8]; 5] =
        [b"CONNECT ", target.as_bytes(), b" HTTP/1.1\r\nhost: ", target.as_bytes(), b"\r\n"];
    let request = Secret::concat(&[&first.concat(), authorization(proxy).bytes(), b"\r\n"]);
    link.send(request.bytes())?;
    let mut answer = Zeroizing::new(vec![0; LONGEST_ANSWER]);
    let mut length = 0;
    let end = loop {
        if let Some(end) = head_filter::length(&answer[..length]) {
            break end;
        }
        if length == answer.len() {
            return Err(link.failed("its answer to CONNECT has no end".into()));
        }
        length += link.receive(&mut answer[length..])?;
    };
    match status(&answer[..end]) {
        Some(200..=299) if end == length => Ok(()),
        Some(200..=299) => Err(link.failed("it sent more than its answer to CONNECT".into())),
        Some(407) => {
            Err(link.refused(format!("it answered {}: it wants another user or password", status_line(407))))
        }
        Some(status) => Err(link.failure(
            format!("it answered {} to CONNECT {target}", status_line(status)),
            !is_transient_status(status.into()),
        )),
        None => Err(link.failed("it does not speak HTTP".into())),
    }
}

fn status(answer: &[u8]) -> Option<u16> {
    let text = std::str::from_utf8(answer.get(..12)?).ok()?;
    let digits = text.strip_prefix("HTTP/1.0 ").or_else(|| text.strip_prefix("HTTP/1.1 "))?;
    let ends = answer.get(12).is_some_and(|next| matches!(next, b' ' | b'\r' | b'\n'));
    digits.parse().ok().filter(|status| ends && (100..=999).contains(status))
}

/// SOCKS5 (RFC 1928), with user and password (RFC 1929) where they are set.
pub fn open_socks5(
    socket: &mut Socket,
    proxy: &Proxy,
    host: &Host,
    port: u16,
    context: &CallContext,
) -> Result<(), Failure> {
    const NO_LOGIN: u8 = 0;
    const LOGIN: u8 = 2;
    let mut link = Link { socket, proxy, context };
    let method = if proxy.login.is_some() { LOGIN } else { NO_LOGIN };
    link.send(&[5, 1, method])?;
    match (link.receive_exactly::<2>()?, &proxy.login) {
        ([5, LOGIN], Some((user, password))) => link.log_in(user, password)?,
        ([5, NO_LOGIN], None) => {}
        ([5, _], None) => return Err(link.refused("it wants a user and a password".into())),
        ([5, _], Some(_)) => return Err(link.refused("it takes no user and password".into())),
        _ => return Err(link.failed("it does not speak SOCKS5".into())),
    }
    link.send(&socks5_request(host, port))?;
    let [version, reply, _, address_type] = link.receive_exactly::<4>()?;
    if version != 5 || reply != 0 {
        return Err(link.failed(format!("it cannot reach {host}:{port}: {}", socks5_reply(reply))));
    }
    // Where the proxy connects from: of no interest, but it has to be taken away.
    match address_type {
        1 => link.receive_exactly::<6>().map(drop),
        4 => link.receive_exactly::<18>().map(drop),
        3 => {
            let [length] = link.receive_exactly::<1>()?;
            (0..length as usize + 2).try_for_each(|_| link.receive_exactly::<1>().map(drop))
        }
        _ => Err(link.failed("it does not speak SOCKS5".into())),
    }
}

fn socks5_request(host: &Host, port: u16) -> Vec<u8> {
    let mut request = vec![5, 1, 0];
    match host {
        Host::Address(IpAddr::V4(address)) => {
            request.push(1);
            request.extend(address.octets());
        }
        Host::Address(IpAddr::V6(address)) => {
            request.push(4);
            request.extend(address.octets());
        }
        Host::Name(name) => {
            // A name has at most 253 bytes.
            request.extend([3, name.len() as u8]);
            request.extend(name.bytes());
        }
    }
    request.extend(port.to_be_bytes());
    request
}

fn socks5_reply(reply: u8) -> &'static str {
    match reply {
        1 => "general failure",
        2 => "not allowed by its rules",
        3 => "network unreachable",
        4 => "host unreachable",
        5 => "connection refused",
        6 => "time to live expired",
        7 | 8 => "it does not support that",
        _ => "it does not say why",
    }
}

/// A proxy that is being spoken to: what goes wrong is a failure to connect, and the proxy's.
struct Link<'a> {
    socket: &'a mut Socket,
    proxy: &'a Proxy,
    context: &'a CallContext,
}

impl Link<'_> {
    /// What may pass by itself.
    fn failed(&self, reason: String) -> Failure {
        self.failure(reason, false)
    }

    /// What another try does not change: it could lock out whoever has a wrong password.
    fn refused(&self, reason: String) -> Failure {
        self.failure(reason, true)
    }

    fn failure(&self, reason: String, refused: bool) -> Failure {
        ErrorKind::Connect { peer: format!("the proxy {}", self.proxy.peer()), reason, refused }.into()
    }

    fn broken(&self, fault: Fault) -> Failure {
        match fault {
            Fault::Interrupted(interruption) => interruption.into(),
            Fault::Lost(error) => self.failed(describe_io_error(&error)),
        }
    }

    fn send(&self, bytes: &[u8]) -> Result<(), Failure> {
        self.socket.send(bytes, self.context).map_err(|fault| self.broken(fault))
    }

    fn receive(&mut self, buffer: &mut [u8]) -> Result<usize, Failure> {
        match self.socket.receive(buffer, self.context) {
            Ok(0) => Err(self.failed("it closed the connection".into())),
            other => other.map_err(|fault| self.broken(fault)),
        }
    }

    fn receive_exactly<const LENGTH: usize>(&mut self) -> Result<[u8; LENGTH], Failure> {
        let mut bytes = [0; LENGTH];
        let mut filled = 0;
        while filled < LENGTH {
            filled += self.receive(&mut bytes[filled..])?;
        }
        Ok(bytes)
    }

    fn log_in(&mut self, user: &Secret, password: &Secret) -> Result<(), Failure> {
        // Both have at most 255 bytes: checked when the proxy was set.
        let lengths = [user.bytes().len() as u8, password.bytes().len() as u8];
        let parts: [&[u8]; 5] = [&[1], &lengths[..1], user.bytes(), &lengths[1..], password.bytes()];
        self.send(Secret::concat(&parts).bytes())?;
        match self.receive_exactly::<2>()? {
            [_, 0] => Ok(()),
            _ => Err(self.refused("it refused user or password".into())),
        }
    }
}

/// A whole header line, or nothing.
fn authorization(proxy: &Proxy) -> Secret {
    basic_login(proxy).map_or_else(
        || Secret::new(b""),
        |login| Secret::concat(&[b"proxy-authorization: Basic ", login.bytes(), b"\r\n"]),
    )
}

/// User and password as an HTTP proxy is sent them (RFC 7617).
pub fn basic_login(proxy: &Proxy) -> Option<Secret> {
    let (user, password) = proxy.login.as_ref().filter(|_| proxy.protocol == Protocol::Http)?;
    let login = Secret::concat(&[user.bytes(), b":", password.bytes()]);
    Some(Secret::new(&base64(login.bytes())))
}

/// RFC 4648, 4.
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
    fn base64_of_the_rfc() {
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
    fn status_of_an_answer_to_connect() {
        let cases: [(&[u8], Option<u16>); 7] = [
            (b"HTTP/1.1 200 OK\r\n\r\n", Some(200)),
            (b"HTTP/1.0 407 \r\n\r\n", Some(407)),
            (b"HTTP/1.1 200\n\n", Some(200)),
            (b"HTTP/1.1 2000\r\n\r\n", None),
            (b"HTTP/1.1 +20\r\n\r\n", None),
            (b"HTTP/2 200\r\n\r\n", None),
            (b"", None),
        ];
        for (answer, expected) in cases {
            assert_eq!(status(answer), expected);
        }
    }
}
