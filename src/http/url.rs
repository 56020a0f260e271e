//! Base URLs and execution ids, checked by ourselves: URL libraries accept ports, paths and hosts that they then read
//! in another way than the caller meant.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// Longer ones would not fit the limits of common servers.
const LONGEST_URL: usize = 2000;
const LONGEST_EXECUTION_ID: usize = 256;
const EXECUTION_PATH: &str = "/api/v2/public/execution/";

/// A host as it stands in a URL.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Host {
    /// A name to look up.
    Name(String),
    /// An address.
    Address(IpAddr),
}

impl Host {
    /// A name of letters, digits, `-`, `_` and dots, an IPv4 address, or an IPv6 address in brackets.
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
        let well_formed = !name.is_empty()
            && text.len() <= 253
            && name.split('.').all(|label| (1..=63).contains(&label.len()))
            && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte));
        // A last label of digits alone would be taken for a number by the system's lookup: 127.1 is 127.0.0.1 there.
        let number = name.rsplit('.').next().is_some_and(|last| {
            last.bytes().all(|byte| byte.is_ascii_digit()) || last.to_ascii_lowercase().starts_with("0x")
        });
        (well_formed && !number).then(|| Host::Name(text.to_ascii_lowercase()))
    }

    /// `localhost`, 127.0.0.0/8 or ::1.
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

/// `host:port` with a host as [`Host::parse`] takes it; the port may be left out where there is a default.
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

/// 1 to 65535, digits only.
fn parse_port(text: &str) -> Option<u16> {
    let digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    digits.then(|| text.parse().ok()).flatten().filter(|port| *port != 0)
}

/// Where the API is.
#[derive(Debug, Clone)]
pub struct BaseUrl {
    /// https.
    pub secure: bool,
    /// The server.
    pub host: Host,
    /// Its port.
    pub port: u16,
    /// What the paths of executions begin with.
    executions: String,
}

impl BaseUrl {
    /// https, or http to this host itself or where `allow_plaintext` says so; may have a port and a path.
    pub fn parse(url: &str, allow_plaintext: bool) -> Result<BaseUrl, String> {
        if url.len() > LONGEST_URL {
            return Err(format!("base_url is longer than {LONGEST_URL} bytes"));
        }
        if !url.is_ascii() {
            return Err(
                "base_url holds other characters than ASCII: write an international host in punycode".into(),
            );
        }
        let (secure, rest) = match url.split_once("://") {
            Some((scheme, rest)) if scheme.eq_ignore_ascii_case("https") => (true, rest),
            Some((scheme, rest)) if scheme.eq_ignore_ascii_case("http") => (false, rest),
            _ => return Err("base_url must begin with https:// or http://".into()),
        };
        if rest.contains(['?', '#']) {
            return Err("base_url must not hold a query or a fragment".into());
        }
        let (authority, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
        if authority.contains('@') {
            return Err("base_url must not hold a user or a password".into());
        }
        let default_port = if secure { 443 } else { 80 };
        let (host, port) = parse_authority(authority, Some(default_port))
            .ok_or("base_url has no valid host, or a port that is not 1 to 65535")?;
        if !secure && !allow_plaintext && !host.is_loopback() {
            return Err("base_url must be https: plain http would send the credentials unencrypted \
                        (refold_options_set_allow_plaintext allows it)"
                .into());
        }
        let executions = [&parse_prefix(path)?, EXECUTION_PATH].concat();
        Ok(BaseUrl { secure, host, port, executions })
    }

    /// `host:port`, for messages and for whoever asks for a connection.
    pub fn peer(&self) -> String {
        format!("{}:{}", self.host, self.port)
    }

    /// `scheme://host[:port]`, the port only where it is not the scheme's own.
    pub fn origin(&self) -> String {
        let (scheme, default_port) = if self.secure { ("https", 443) } else { ("http", 80) };
        match self.port {
            port if port == default_port => format!("{scheme}://{}", self.host),
            port => format!("{scheme}://{}:{port}", self.host),
        }
    }

    /// The path of an execution.
    pub fn execution_path(&self, id: &ExecutionId) -> String {
        [&self.executions, id.0].concat()
    }
}

/// A path without `.` and `..`, empty segments and characters that gateways read in different ways. Empty, or with a
/// slash before it and none behind.
fn parse_prefix(path: &str) -> Result<String, String> {
    let prefix = path.strip_suffix('/').unwrap_or(path);
    for segment in prefix.split('/').skip(1) {
        if !is_plain_segment(segment) {
            return Err("base_url has a path with an empty or dot segment, a bad percent escape, or a character that \
                        must not stand there"
                .into());
        }
    }
    Ok(prefix.into())
}

/// RFC 3986's pchar, with whole percent escapes of anything but `.`, `/` and `\`.
fn is_plain_segment(segment: &str) -> bool {
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

/// The byte that two hexadecimal digits mean.
pub fn hex_byte(high: u8, low: u8) -> Option<u8> {
    let digit = |byte: u8| (byte as char).to_digit(16);
    Some((digit(high)? * 16 + digit(low)?) as u8)
}

/// An execution's id: safe to stand in a path as it is. Others are refused rather than escaped, as gateways decode
/// `%2F` and walk up the path.
#[derive(Debug, Clone, Copy)]
pub struct ExecutionId<'a>(&'a str);

impl<'a> ExecutionId<'a> {
    /// 1 to 256 characters of `A-Z a-z 0-9 - _ . ~ :`, not `.` or `..`.
    pub fn parse(id: Option<&'a [u8]>) -> Result<ExecutionId<'a>, String> {
        let id = id.ok_or("execution_id is NULL")?;
        let allowed = |byte: &u8| byte.is_ascii_alphanumeric() || b"-_.~:".contains(byte);
        match std::str::from_utf8(id) {
            Ok(text)
                if (1..=LONGEST_EXECUTION_ID).contains(&id.len())
                    && id.iter().all(allowed)
                    && text != "."
                    && text != ".." =>
            {
                Ok(ExecutionId(text))
            }
            _ => Err(format!(
                "execution_id must be 1 to {LONGEST_EXECUTION_ID} characters of A-Z a-z 0-9 - _ . ~ : \
                 and not \".\" or \"..\""
            )),
        }
    }

    /// The id.
    pub fn as_str(&self) -> &'a str {
        self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn base_urls_that_are_taken_and_what_becomes_of_them() {
        let id = ExecutionId("1");
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
            let taken = BaseUrl::parse(url, false).map(|base| base.origin() + &base.execution_path(&id));
            let expected = format!("{expected}/api/v2/public/execution/1");
            assert_eq!(taken, Ok(expected), "{url}");
        }
    }

    #[test]
    fn base_urls_that_are_refused() {
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
    fn plaintext_goes_where_it_is_allowed() {
        assert!(BaseUrl::parse("http://app.refold.ai", true).is_ok());
        assert!(BaseUrl::parse("http://app.refold.ai", false).is_err());
    }

    #[test]
    fn execution_ids() {
        let long = "a".repeat(256);
        let taken = ["6a106ba44480b80424a65289", "a", "...", "-_.~:", "A:1", &long];
        for id in taken {
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
