//! Hosts, base URLs and execution ids. The library parses them itself, because URL libraries accept ports, paths and
//! hosts that mean something else than the caller intended.

use std::borrow::Cow;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use crate::error::message::argument as message;

/// Within the limits of common servers.
const MAX_URL: usize = 2000;
const MAX_EXECUTION_ID: usize = 256;
const EXECUTION_PATH: &str = "/api/v2/public/execution/";

/// The host of a URL.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Host {
    /// A name, in lower case.
    Name(String),
    /// An address.
    Address(IpAddr),
}

impl Host {
    /// Parses a name of letters, digits, `-`, `_` and dots, an IPv4 address, or an IPv6 address in brackets.
    pub fn parse(text: &str) -> Option<Host> {
        if let Some(rest) = text.strip_prefix('[') {
            return rest
                .strip_suffix(']')?
                .parse::<Ipv6Addr>()
                .ok()
                .map(|address| Host::Address(address.into()));
        }
        if let Ok(address) = text.parse::<Ipv4Addr>() {
            return Some(Host::Address(address.into()));
        }
        let name = text.strip_suffix('.').unwrap_or(text);
        let is_well_formed = !name.is_empty()
            && text.len() <= 253
            && name.split('.').all(|label| (1..=63).contains(&label.len()))
            && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte));
        // The system's lookup would interpret a numeric last label as part of an address: 127.1 as 127.0.0.1.
        let is_numeric = name.rsplit('.').next().is_some_and(|last| {
            last.bytes().all(|byte| byte.is_ascii_digit()) || last.to_ascii_lowercase().starts_with("0x")
        });
        (is_well_formed && !is_numeric).then(|| Host::Name(text.to_ascii_lowercase()))
    }

    /// Whether this is `localhost`, in 127.0.0.0/8, or ::1.
    pub fn is_loopback(&self) -> bool {
        match self {
            Host::Name(name) => name == "localhost" || name == "localhost.",
            Host::Address(address) => address.is_loopback(),
        }
    }
}

impl std::fmt::Display for Host {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Host::Name(name) => f.write_str(name),
            Host::Address(IpAddr::V4(address)) => write!(f, "{address}"),
            Host::Address(IpAddr::V6(address)) => write!(f, "[{address}]"),
        }
    }
}

/// Parses `host:port`, with a host as for [`Host::parse`]. The port may be absent if there is a default.
pub fn parse_authority(text: &str, default_port: Option<u16>) -> Option<(Host, u16)> {
    let after_host = text.rfind(']').map_or(0, |end| end + 1);
    match text[after_host..].find(':') {
        None => Some((Host::parse(text)?, default_port?)),
        Some(colon) => {
            let (host, port) = text.split_at(after_host + colon);
            Some((Host::parse(host)?, parse_port(&port[1..])?))
        }
    }
}

/// Parses a port: digits only, 1 to 65535.
fn parse_port(text: &str) -> Option<u16> {
    let digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    digits.then(|| text.parse().ok()).flatten().filter(|port| *port != 0)
}

/// The URL of the API.
#[derive(Debug, Clone)]
pub struct BaseUrl {
    /// Whether the scheme is https.
    pub secure: bool,
    /// The server.
    pub host: Host,
    /// Its port.
    pub port: u16,
    /// The path of an execution, without its id.
    executions: String,
}

impl BaseUrl {
    /// Parses an https URL, or an http one if the host is loopback or plaintext is allowed. Port and path are optional.
    pub fn parse(url: &str, allow_plaintext: bool) -> Result<BaseUrl, String> {
        if url.len() > MAX_URL {
            return Err(message::base_url_too_long(MAX_URL));
        }
        if !url.is_ascii() {
            return Err(message::BASE_URL_NOT_ASCII.into());
        }
        let (secure, rest) = match url.split_once("://") {
            Some((scheme, rest)) if scheme.eq_ignore_ascii_case("https") => (true, rest),
            Some((scheme, rest)) if scheme.eq_ignore_ascii_case("http") => (false, rest),
            _ => return Err(message::BASE_URL_SCHEME.into()),
        };
        if rest.contains(['?', '#']) {
            return Err(message::BASE_URL_QUERY.into());
        }
        let (authority, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
        if authority.contains('@') {
            return Err(message::BASE_URL_USER.into());
        }
        let default_port = if secure { 443 } else { 80 };
        let (host, port) =
            parse_authority(authority, Some(default_port)).ok_or(message::BASE_URL_AUTHORITY)?;
        if !secure && !allow_plaintext && !host.is_loopback() {
            return Err(message::BASE_URL_PLAINTEXT.into());
        }
        let executions = [parse_prefix(path)?, EXECUTION_PATH].concat();
        Ok(BaseUrl { secure, host, port, executions })
    }

    /// `host:port`, for messages and for CONNECT.
    pub fn peer(&self) -> String {
        format!("{}:{}", self.host, self.port)
    }

    /// `scheme://host[:port]`, without the port if it is the scheme's default.
    pub fn origin(&self) -> String {
        let (scheme, default_port) = if self.secure { ("https", 443) } else { ("http", 80) };
        match self.port {
            port if port == default_port => format!("{scheme}://{}", self.host),
            port => format!("{scheme}://{}:{port}", self.host),
        }
    }

    /// The path of an execution.
    pub fn execution_path(&self, id: &ExecutionId) -> String {
        [&self.executions, id.as_str()].concat()
    }
}

/// Parses the path of a base URL. Refuses `.` and `..`, empty segments, and characters that gateways interpret
/// differently. The result is empty, or begins with a slash and does not end with one.
fn parse_prefix(path: &str) -> Result<&str, &'static str> {
    let prefix = path.strip_suffix('/').unwrap_or(path);
    let is_safe = prefix.split('/').skip(1).all(is_safe_segment);
    if is_safe { Ok(prefix) } else { Err(message::BASE_URL_PATH) }
}

/// Whether a path segment consists of RFC 3986's pchar, with complete percent escapes of anything but `.`, `/`, `\`
/// and control characters.
fn is_safe_segment(segment: &str) -> bool {
    let mut rest = segment.as_bytes();
    while let [first, more @ ..] = rest {
        rest = match (first, more) {
            (b'%', [high, low, after @ ..]) => match hex_byte(*high, *low) {
                Some(b'.' | b'/' | b'\\' | 0..=31 | 127) | None => return false,
                Some(_) => after,
            },
            (byte, after) if byte.is_ascii_alphanumeric() || b"-._~!$&'()*+,;=:@".contains(byte) => after,
            _ => return false,
        };
    }
    !segment.is_empty() && segment != "." && segment != ".."
}

/// The value of two hexadecimal digits.
pub fn hex_byte(high: u8, low: u8) -> Option<u8> {
    let digit = |byte: u8| (byte as char).to_digit(16);
    Some((digit(high)? * 16 + digit(low)?) as u8)
}

/// The id of an execution, which is safe as a path segment. Other ids are refused rather than escaped, because some
/// gateways decode `%2F` and then resolve `..`.
#[derive(Debug)]
pub struct ExecutionId<'a>(Cow<'a, str>);

impl<'a> ExecutionId<'a> {
    /// Parses 1 to 256 characters of `A-Z a-z 0-9 - _ . ~ :`, not `.` or `..`.
    pub fn parse(id: Option<&'a [u8]>) -> Result<ExecutionId<'a>, String> {
        let id = id.ok_or_else(|| message::is_null("execution_id"))?;
        let is_allowed = |byte: &u8| byte.is_ascii_alphanumeric() || b"-_.~:".contains(byte);
        match std::str::from_utf8(id) {
            Ok(text)
                if (1..=MAX_EXECUTION_ID).contains(&id.len())
                    && id.iter().all(is_allowed)
                    && text != "."
                    && text != ".." =>
            {
                Ok(ExecutionId(text.into()))
            }
            _ => Err(message::invalid_execution_id(MAX_EXECUTION_ID)),
        }
    }

    /// The id.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The same id, for longer.
    pub fn into_owned(self) -> ExecutionId<'static> {
        ExecutionId(Cow::Owned(self.0.into_owned()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn valid_base_urls_are_accepted_and_normalised() {
        let id = ExecutionId("1".into());
        let cases = [
            ("https://app.refold.ai", "https://app.refold.ai"),
            ("https://app.refold.ai/", "https://app.refold.ai"),
            ("HTTPS://App.Refold.AI", "https://app.refold.ai"),
            ("https://app.refold.ai:443", "https://app.refold.ai"),
            ("https://app.refold.ai:8443/a/b/", "https://app.refold.ai:8443/a/b"),
            ("https://host/%7Euser/a:b", "https://host/%7Euser/a:b"),
            ("http://localhost", "http://localhost"),
            ("http://LOCALHOST:1", "http://localhost:1"),
            ("http://127.0.0.1:65535", "http://127.0.0.1:65535"),
            ("http://127.255.0.9", "http://127.255.0.9"),
            ("http://[::1]:8080", "http://[::1]:8080"),
            ("https://[2001:db8::1]", "https://[2001:db8::1]"),
            ("https://xn--bcher-kva.example.", "https://xn--bcher-kva.example."),
        ];
        for (url, expected) in cases {
            let parsed = BaseUrl::parse(url, false).map(|base| base.origin() + &base.execution_path(&id));
            let expected = format!("{expected}/api/v2/public/execution/1");
            assert_eq!(parsed, Ok(expected), "{url}");
        }
    }

    #[test]
    fn invalid_base_urls_are_refused() {
        let long = format!("https://host/{}", "a".repeat(2000));
        let cases = [
            "",
            "https",
            "https:",
            "https://",
            "https:///path",
            "ftp://host",
            "//host",
            "host",
            "app.refold.ai:443",
            "https://host:0",
            "https://host:65536",
            "https://host:99999",
            "https://host:",
            "https://host:+1",
            "https://host: 1",
            "https://host:1x",
            "https://user@host",
            "https://user:password@host",
            "https://host?",
            "https://host/?a=b",
            "https://host#",
            "https://host/#a",
            "https://bücher.example",
            "https://host/ü",
            "https://ho st",
            "https://host\\path",
            "https://host/a\\b",
            "https://host/a b",
            "https://host/%zz",
            "https://host/%2",
            "https://host/%",
            "https://host/%2e%2e",
            "https://host/a%2Fb",
            "https://host/%5c",
            "https://host/..",
            "https://host/../a",
            "https://host/./a",
            "https://host//a",
            "https://host/a//",
            "https://host/a\n",
            "https://host\r\n",
            " https://host",
            "https://host ",
            "https://[::1",
            "https://::1",
            "https://[::1%25eth0]",
            "https://[127.0.0.1]",
            "https://a..b",
            "https://.a",
            "https://*",
            "https://a,b",
            "https://127.1",
            "https://1",
            "https://0x7f.1",
            "https://127.0.0.256",
            "https://1.2.3.0x4",
            "http://app.refold.ai",
            "http://localhost.example",
            "http://128.0.0.1",
            "http://[::2]",
            "http://0.0.0.0",
            "http://localhost@evil.example",
            &long,
        ];
        for url in cases {
            let refused = BaseUrl::parse(url, false);
            assert!(refused.as_ref().is_err_and(|why| why.contains("base_url")), "{url}: {refused:?}");
        }
    }

    #[test]
    fn plaintext_is_accepted_where_it_is_allowed() {
        assert!(BaseUrl::parse("http://app.refold.ai", true).is_ok());
        assert!(BaseUrl::parse("http://app.refold.ai", false).is_err());
    }

    #[test]
    fn execution_ids_are_accepted_or_refused() {
        let long = "a".repeat(256);
        let accepted = ["6a106ba44480b80424a65289", "a", "...", "-_.~:", "A:1", &long];
        for id in accepted {
            assert!(ExecutionId::parse(Some(id.as_bytes())).is_ok(), "{id}");
        }
        let too_long = "a".repeat(257);
        let refused =
            ["", ".", "..", "a/b", "a%2Fb", "%2e%2e", "a b", "a?b", "a#b", "ä", "a\n", "a\\b", &too_long];
        for id in refused {
            assert!(ExecutionId::parse(Some(id.as_bytes())).is_err(), "{id:?}");
        }
        assert!(ExecutionId::parse(None).is_err());
        assert!(ExecutionId::parse(Some(b"\xff")).is_err());
    }
}
