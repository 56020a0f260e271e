//! Messages about establishing a connection: lookup, TCP connection, proxy and TLS handshake.
//!
//! Reasons follow a prefix that names the host or peer, such as "could not connect to HOST:PORT: ".

use std::borrow::Cow;
use std::fmt::{self, Display};
use std::net::IpAddr;

use super::Phase;
use super::wire::status_line;
use crate::sys::Resource;

impl Display for Resource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Resource::ProcessDescriptors => "this process has no file descriptor left",
            Resource::SystemDescriptors => "the system has no file descriptor left",
            Resource::Memory => "memory is used up",
            Resource::Threads => "this process can start no further thread",
        })
    }
}

// Name lookup.

pub const NO_SUCH_NAME: &str = "the name does not exist";
pub const NAME_WITHOUT_ADDRESS: &str = "the name has no address";
pub const NAME_SERVICE_UNAVAILABLE: &str = "temporary failure of the name service";

/// Any other code of getaddrinfo().
pub fn name_service_failed(code: i32) -> String {
    format!("the name service failed (getaddrinfo: {code})")
}

/// The lookup could not be started, for example because a resource is used up.
pub fn lookup_not_started(host: &str, reason: impl Display) -> String {
    format!("could not look up {host}: {reason}")
}

/// An internal error.
pub fn lookup_without_result(host: &str) -> String {
    format!("the lookup of {host} ended without a result")
}

// TCP connection.

pub const NO_ADDRESS: &str = "it has no address";

/// A reason why no connection was established, followed by the addresses of the peer.
pub fn at_addresses(reason: &str, addresses: &[IpAddr]) -> String {
    const SHOWN: usize = 3;
    let shown: Vec<String> = addresses.iter().take(SHOWN).map(IpAddr::to_string).collect();
    let more = match addresses.len().saturating_sub(SHOWN) {
        0 => String::new(),
        more => format!(" and {more} more"),
    };
    format!("{reason} ({}{more})", shown.join(", "))
}

/// A resource is used up.
pub fn connection_not_started(peer: &str, resource: Resource) -> String {
    format!("could not connect to {peer}: {resource}")
}

/// The connect timeout expired.
pub fn connect_timeout(limit_ms: u128, phase: Phase) -> String {
    format!("no connection within {limit_ms} ms (connect_timeout_ms): the timeout expired {phase}")
}

// Proxies. "It" is the proxy.

pub const PROXY_CLOSED: &str = "it closed the connection";
pub const NOT_HTTP: &str = "it does not speak HTTP";
pub const DATA_AFTER_CONNECT_RESPONSE: &str = "it sent more than its response to CONNECT";
pub const NOT_SOCKS5: &str = "it does not speak SOCKS5";
pub const LOGIN_REQUIRED: &str = "it requires a user and a password";
pub const LOGIN_NOT_ACCEPTED: &str = "it accepts no user and password";
pub const LOGIN_REJECTED: &str = "it rejected the user or the password";

/// A server as the peer of a connection through a proxy.
pub fn through_proxy(server: &str, proxy: &str) -> String {
    format!("{server} through the proxy {proxy}")
}

/// A reason, followed by where the proxy was configured.
pub fn with_proxy_setting(reason: &str, setting: &str) -> String {
    format!("{reason} (proxy set by {setting})")
}

/// A proxy as the peer of a connection.
pub fn proxy_peer(host_and_port: &str) -> String {
    format!("the proxy {host_and_port}")
}

/// The header of the proxy's response to CONNECT is too large.
pub fn connect_response_too_large(bytes: usize, fields: usize) -> String {
    format!(
        "the header of its response to CONNECT is larger than {bytes} bytes, or has more than {fields} fields"
    )
}

/// 407: the proxy does not accept the login, or the absence of one.
pub fn proxy_login_refused(has_login: bool) -> String {
    let required = if has_login { "another user or password" } else { "a user and a password" };
    format!("it responded with {}: it requires {required}", status_line(407))
}

/// Any other status than 2xx.
pub fn connect_refused(status: u16) -> String {
    format!("it responded with {}", status_line(status))
}

/// SOCKS5 replies other than success (RFC 1928, 6). Each is about an address of the server, as `address:port`, or, with
/// `None`, about the name of the server.
pub fn socks5_refused<'a>(refused: impl Iterator<Item = (Option<&'a str>, u8)>) -> String {
    let reasons = refused.map(|(address, reply)| match address {
        Some(address) => format!("{address}: {}", socks5_reply(reply)),
        None => socks5_reply(reply).to_string(),
    });
    reasons.collect::<Vec<_>>().join("; ")
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
        _ => "it gives no reason",
    }
}

// TLS.

pub const NOT_TLS: &str = "the server does not speak TLS on this port";
pub const MESSAGES_OUT_OF_ORDER: &str =
    "the server violated the TLS protocol (its messages arrived in the wrong order)";
pub const NO_COMMON_TLS: &str = "the server offers no safe version or cipher suite of TLS 1.2 or 1.3";
pub const CLOSED_IN_HANDSHAKE: &str = "the server closed it during the TLS handshake";
pub const NO_CLOSE_NOTIFY: &str = "it ended without a TLS close_notify: the response may be cut off";
pub const TLS_SESSION_ENDED: &str = "its TLS session has ended";
pub const RENEGOTIATION: &str = "the server asked for a second TLS handshake, probably for a client certificate, \
                                 and this library supports neither";

/// The host name cannot be in a certificate.
pub fn not_a_server_name(host: &str) -> String {
    format!("{host} is not a name that a certificate can contain")
}

pub const UNDECRYPTABLE: &str = "a record could not be decrypted: it was damaged or forged on its way";
pub const RECORD_TOO_LARGE: &str = "a record is larger than TLS allows";
pub const NO_RANDOM_BYTES: &str = "the system has no random numbers";
pub const NO_TIME: &str = "the system's clock cannot be read";

/// rustls failed for a reason that no server causes.
pub fn tls_failed(detail: &str) -> String {
    format!("TLS failed ({detail})")
}

/// The server sent data that cannot be parsed.
pub fn invalid_tls(detail: &str) -> String {
    format!("the server sent data that is not valid TLS ({detail})")
}

/// The server sent a message that it must not send.
pub fn tls_violation(detail: &str) -> String {
    format!("the server violated the TLS protocol ({detail})")
}

/// The server sent an alert during the handshake.
pub fn handshake_refused(alert: u8) -> String {
    let reason = match alert {
        40 => ": it accepts none of the algorithms offered, or has a key that is not supported",
        71 => ": it demands stronger algorithms than those offered",
        112 => ": it does not serve this host name",
        120 => ": it does not accept HTTP/1.1",
        _ => "",
    };
    format!("the server refused the handshake ({}){reason}", alert_name(alert))
}

/// The server sent an alert that asks for, or rejects, a client certificate.
pub fn client_certificate_required(alert: u8) -> String {
    let name = alert_name(alert);
    format!("the server requires a client certificate, which this library does not support ({name})")
}

/// The server sent an alert after the handshake because it does not accept the client.
pub fn client_refused(alert: u8) -> String {
    format!("the server refused this client after the handshake ({})", alert_name(alert))
}

/// The server sent any other alert after the handshake.
pub fn session_ended_by_alert(alert: u8) -> String {
    format!("the server ended the TLS session ({})", alert_name(alert))
}

/// The names of TLS alerts, as in RFC 8446, 6.
pub fn alert_name(alert: u8) -> Cow<'static, str> {
    Cow::Borrowed(match alert {
        0 => "close notify",
        10 => "unexpected message",
        20 => "bad record MAC",
        21 => "decryption failed",
        22 => "record overflow",
        30 => "decompression failure",
        40 => "handshake failure",
        41 => "no certificate",
        42 => "bad certificate",
        43 => "unsupported certificate",
        44 => "certificate revoked",
        45 => "certificate expired",
        46 => "certificate unknown",
        47 => "illegal parameter",
        48 => "unknown authority",
        49 => "access denied",
        50 => "decode error",
        51 => "decrypt error",
        60 => "export restriction",
        70 => "protocol version",
        71 => "insufficient security",
        80 => "internal error",
        86 => "inappropriate fallback",
        90 => "user canceled",
        100 => "no renegotiation",
        109 => "missing extension",
        110 => "unsupported extension",
        111 => "certificate unobtainable",
        112 => "unrecognized name",
        113 => "bad certificate status response",
        114 => "bad certificate hash value",
        115 => "unknown key identity",
        116 => "certificate required",
        120 => "no application protocol",
        121 => "encrypted hello required",
        _ => return Cow::Owned(format!("alert {alert}")),
    })
}

/// What was received after the handshake is invalid.
pub fn invalid_records(reason: &str) -> String {
    format!("the received data is not valid TLS: {reason}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::Ipv4Addr;

    #[test]
    fn three_addresses_are_listed() {
        let addresses: Vec<IpAddr> = (1..=5).map(|last| Ipv4Addr::new(127, 0, 0, last).into()).collect();
        for (count, expected) in [
            (1, "refused (127.0.0.1)"),
            (3, "refused (127.0.0.1, 127.0.0.2, 127.0.0.3)"),
            (5, "refused (127.0.0.1, 127.0.0.2, 127.0.0.3 and 2 more)"),
        ] {
            assert_eq!(at_addresses("refused", &addresses[..count]), expected);
        }
    }
}
