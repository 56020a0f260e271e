//! Messages about establishing a connection: lookup, TCP connection, proxy and TLS handshake.
//!
//! Reasons follow a prefix that names the host or peer, such as "could not connect to HOST:PORT: ".

use std::fmt::{self, Display};

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
pub fn proxy_login_refused() -> String {
    format!("it responded with {}: it requires another user or password", status_line(407))
}

/// Any other status than 2xx.
pub fn connect_refused(status: u16, server: &str) -> String {
    format!("it responded with {} to CONNECT {server}", status_line(status))
}

/// A SOCKS5 reply other than success (RFC 1928, 6).
pub fn socks5_refused(server: impl Display, reply: u8) -> String {
    let reason = match reply {
        1 => "general failure",
        2 => "not allowed by its rules",
        3 => "network unreachable",
        4 => "host unreachable",
        5 => "connection refused",
        6 => "time to live expired",
        7 | 8 => "it does not support that",
        _ => "it gives no reason",
    };
    format!("it cannot reach {server}: {reason}")
}

// TLS.

pub const NOT_TLS: &str = "the server does not speak TLS on this port";
pub const MESSAGES_OUT_OF_ORDER: &str =
    "the server violated the TLS protocol (its messages arrived in the wrong order)";
pub const NO_COMMON_TLS: &str = "the server offers no safe version or cipher suite of TLS 1.2 or 1.3";
pub const CLOSED_IN_HANDSHAKE: &str = "the server closed it during the TLS handshake";
pub const NO_CLOSE_NOTIFY: &str = "it ended without a TLS close_notify: the response may be cut off";
pub const TLS_SESSION_ENDED: &str = "its TLS session has ended";

/// The host name cannot be in a certificate.
pub fn not_a_server_name(host: &str) -> String {
    format!("{host} is not a name that a certificate can contain")
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
pub fn handshake_refused(alert: impl Display) -> String {
    format!("the server refused the handshake ({alert})")
}

/// What was received after the handshake is invalid.
pub fn invalid_records(reason: &str) -> String {
    format!("the received data is not valid TLS: {reason}")
}

// Certificates.

pub const CERTIFICATE_EXPIRED: &str =
    "the server's certificate has expired (or this machine's clock is wrong)";
pub const CERTIFICATE_NOT_YET_VALID: &str =
    "the server's certificate is not valid yet (or this machine's clock is wrong)";
pub const CERTIFICATE_FOR_OTHER_HOST: &str = "the server's certificate is for another host name";
pub const UNKNOWN_ISSUER: &str = "the server's certificate was issued by an authority that is not trusted here \
                                  (refold_options_set_ca_file adds one)";
pub const CA_AS_SERVER: &str =
    "the server's certificate is that of an authority: it needs one of its own, signed by the authority";

/// Any other defect of the certificate.
pub fn invalid_certificate(detail: &str) -> String {
    format!("the server's certificate is not valid ({detail})")
}
