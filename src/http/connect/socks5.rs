//! SOCKS5 (RFC 1928), with user and password (RFC 1929) if they are set.

use std::net::IpAddr;

use super::proxy_stream::ProxyStream;
use crate::error::message::connect as message;
use crate::http::failure::Failure;
use crate::http::url::Host;
use crate::secret::Secret;

const VERSION: u8 = 5;
const CONNECT: u8 = 1;
const SUCCEEDED: u8 = 0;

/// Replies that another attempt would get, too: not allowed by the rules of the proxy, the command or the type of the
/// address is not supported.
const FINAL_REPLIES: [u8; 3] = [2, 7, 8];

// Authentication methods.
const NO_LOGIN: u8 = 0;
const LOGIN: u8 = 2;
const LOGIN_VERSION: u8 = 1;

// Address types.
const IPV4: u8 = 1;
const NAME: u8 = 3;
const IPV6: u8 = 4;

/// Asks the proxy to connect to the server. From then on the proxy passes all bytes on unchanged.
pub fn open_tunnel(mut stream: ProxyStream<'_>, host: &Host, port: u16) -> Result<(), Failure> {
    let login = stream.proxy.login.as_ref();
    let method = if login.is_some() { LOGIN } else { NO_LOGIN };
    stream.send(&[VERSION, 1, method])?;
    match (stream.receive_exactly()?, login) {
        ([VERSION, LOGIN], Some((user, password))) => log_in(&mut stream, user, password)?,
        ([VERSION, NO_LOGIN], None) => {}
        ([VERSION, _], None) => return Err(stream.permanent(message::LOGIN_REQUIRED)),
        ([VERSION, _], Some(_)) => return Err(stream.permanent(message::LOGIN_NOT_ACCEPTED)),
        _ => return Err(stream.permanent(message::NOT_SOCKS5)),
    }
    stream.send(&connect_request(host, port))?;
    let [version, reply, _, address_type] = stream.receive_exactly()?;
    if version != VERSION {
        return Err(stream.permanent(message::NOT_SOCKS5));
    }
    if reply != SUCCEEDED {
        let reason = message::socks5_refused(format_args!("{host}:{port}"), reply);
        let is_final = FINAL_REPLIES.contains(&reply);
        return Err(if is_final { stream.permanent(reason) } else { stream.transient(reason) });
    }
    skip_bound_address(&mut stream, address_type)
}

fn log_in(stream: &mut ProxyStream<'_>, user: &Secret, password: &Secret) -> Result<(), Failure> {
    // Both have at most 255 bytes, which was checked when the proxy URL was parsed.
    let lengths = [user.bytes().len() as u8, password.bytes().len() as u8];
    let parts: [&[u8]; 5] = [&[LOGIN_VERSION], &lengths[..1], user.bytes(), &lengths[1..], password.bytes()];
    stream.send(Secret::concat(&parts).bytes())?;
    match stream.receive_exactly()? {
        [_, SUCCEEDED] => Ok(()),
        _ => Err(stream.permanent(message::LOGIN_REJECTED)),
    }
}

fn connect_request(host: &Host, port: u16) -> Vec<u8> {
    let mut request = vec![VERSION, CONNECT, 0];
    match host {
        Host::Address(IpAddr::V4(address)) => {
            request.push(IPV4);
            request.extend(address.octets());
        }
        Host::Address(IpAddr::V6(address)) => {
            request.push(IPV6);
            request.extend(address.octets());
        }
        Host::Name(name) => {
            // The length fits: a name has at most 253 bytes.
            request.extend([NAME, name.len() as u8]);
            request.extend(name.bytes());
        }
    }
    request.extend(port.to_be_bytes());
    request
}

/// Reads the address and port that the proxy connects from, which precede the first byte of the server. Ignores them.
fn skip_bound_address(stream: &mut ProxyStream<'_>, address_type: u8) -> Result<(), Failure> {
    match address_type {
        IPV4 => stream.receive_exactly::<6>().map(drop),
        IPV6 => stream.receive_exactly::<18>().map(drop),
        NAME => {
            let [length] = stream.receive_exactly()?;
            (0..usize::from(length) + 2).try_for_each(|_| stream.receive_exactly::<1>().map(drop))
        }
        _ => Err(stream.permanent(message::NOT_SOCKS5)),
    }
}
