//! The proxy of a client: from its URL, or from the environment, with the exceptions in NO_PROXY.

use std::net::IpAddr;

use super::url::{BaseUrl, Host, hex_byte, parse_authority};
use crate::error::message::argument as message;
use crate::secret::Secret;
use crate::sys::env::env_var;

/// The protocol of a proxy.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Protocol {
    /// HTTP, with CONNECT for https.
    Http,
    /// SOCKS5; the library looks up the server's name.
    Socks5,
    /// SOCKS5; the proxy looks up the server's name.
    Socks5h,
}

impl Protocol {
    /// The name of the protocol.
    pub fn name(self) -> &'static str {
        match self {
            Protocol::Http => "HTTP",
            Protocol::Socks5 => "SOCKS5",
            Protocol::Socks5h => "SOCKS5 with names",
        }
    }
}

/// A proxy.
#[derive(Debug, Clone)]
pub struct Proxy {
    /// Its protocol.
    pub protocol: Protocol,
    /// Its host.
    pub host: Host,
    /// Its port.
    pub port: u16,
    /// User and password, percent-decoded.
    pub login: Option<(Secret, Secret)>,
    /// The function or environment variable that set it.
    pub setting: &'static str,
}

impl Proxy {
    /// Parses a URL that begins with `http://`, `socks5://`, `socks5h://` or `socks://`, with an optional
    /// `user:password@`. Returns the reason if it is invalid.
    pub fn parse(url: &str) -> Result<Proxy, &'static str> {
        let (scheme, rest) = url.split_once("://").ok_or(message::PROXY_SCHEME)?;
        let (protocol, default_port) = match scheme.to_ascii_lowercase().as_str() {
            "http" => (Protocol::Http, 80),
            "socks5" => (Protocol::Socks5, 1080),
            // Some desktops set variables with the shorter name, and then let the proxy look up names.
            "socks5h" | "socks" => (Protocol::Socks5h, 1080),
            _ => return Err(message::PROXY_SCHEME),
        };
        let rest = rest.strip_suffix('/').unwrap_or(rest);
        let (login, authority) = match rest.rsplit_once('@') {
            Some((login, authority)) => (Some(parse_login(login, protocol)?), authority),
            None => (None, rest),
        };
        let (host, port) = parse_authority(authority, Some(default_port)).ok_or(message::PROXY_AUTHORITY)?;
        Ok(Proxy { protocol, host, port, login, setting: "refold_options_set_proxy" })
    }

    /// The proxy of HTTPS_PROXY, or else ALL_PROXY, unless NO_PROXY matches the server. A plaintext base URL gets none:
    /// the clients of a CGI program can set HTTP_PROXY with a request header.
    pub fn from_environment(base: &BaseUrl) -> Result<Option<Proxy>, String> {
        if !base.secure {
            return Ok(None);
        }
        let names = ["https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY"];
        let Some((name, value)) = names.iter().find_map(|name| Some((*name, env_var(name)?))) else {
            return Ok(None);
        };
        let exceptions = ["no_proxy", "NO_PROXY"].iter().find_map(|name| env_var(name));
        if exceptions.is_some_and(|list| is_exception(&String::from_utf8_lossy(&list), base)) {
            return Ok(None);
        }
        let variable = message::proxy_variable(name);
        let url = std::str::from_utf8(&value).map_err(|_| message::invalid_utf8(&variable))?;
        // URLs without a scheme are common in the environment, and are accepted only there.
        let parsed = match url.contains("://") {
            false if parse_authority(url.rsplit('@').next().unwrap_or(url), None).is_some() => {
                Proxy::parse(Secret::concat(&[b"http://", &value]).as_str())
            }
            _ => Proxy::parse(url),
        };
        let proxy = parsed.map(|proxy| Some(Proxy { setting: name, ..proxy }));
        proxy.map_err(|reason| message::invalid_proxy(&variable, reason))
    }

    /// `host:port`, without the login.
    pub fn peer(&self) -> String {
        format!("{}:{}", self.host, self.port)
    }
}

fn parse_login(login: &str, protocol: Protocol) -> Result<(Secret, Secret), &'static str> {
    // Other parsers would end the authority at these.
    if login.contains(['/', '\\', '?', '#']) {
        return Err(message::PROXY_LOGIN_DELIMITER);
    }
    let (user, password) = login.split_once(':').unwrap_or((login, ""));
    let (user, password) = (percent_decode(user)?, percent_decode(password)?);
    let fits_socks5 = |part: &Secret| (1..=255).contains(&part.bytes().len());
    if protocol != Protocol::Http && !(fits_socks5(&user) && fits_socks5(&password)) {
        return Err(message::PROXY_LOGIN_LENGTH);
    }
    if protocol == Protocol::Http && user.bytes().contains(&b':') {
        return Err(message::PROXY_USER_COLON);
    }
    Ok((user, password))
}

fn percent_decode(text: &str) -> Result<Secret, &'static str> {
    let mut decoded = zeroize::Zeroizing::new(Vec::with_capacity(text.len()));
    let mut rest = text.as_bytes();
    while let [first, more @ ..] = rest {
        let (byte, after) = match (first, more) {
            (b'%', [high, low, after @ ..]) => {
                (hex_byte(*high, *low).ok_or(message::PROXY_LOGIN_ESCAPE)?, after)
            }
            (b'%', _) => return Err(message::PROXY_LOGIN_ESCAPE),
            (byte, after) => (*byte, after),
        };
        if byte < b' ' || byte == 127 {
            return Err(message::PROXY_LOGIN_CONTROL);
        }
        decoded.push(byte);
        rest = after;
    }
    Ok(Secret::new(&decoded))
}

/// Whether NO_PROXY matches the server. Its entries are separated by commas or blanks. Each is `*`, a name (which also
/// matches its subdomains, with or without a leading dot), an address, or a range of addresses. A name or an address
/// may have a port.
fn is_exception(list: &str, base: &BaseUrl) -> bool {
    list.split([',', ' ', '\t']).filter(|entry| !entry.is_empty()).any(|entry| entry_matches(entry, base))
}

fn entry_matches(entry: &str, base: &BaseUrl) -> bool {
    if entry == "*" {
        return true;
    }
    match &base.host {
        Host::Address(address) => address_matches(entry, *address, base.port),
        Host::Name(name) => {
            let (entry, port) = match entry.rsplit_once(':') {
                Some((entry, port)) => (entry, Some(port)),
                None => (entry, None),
            };
            let suffix = entry.trim_start_matches('*').trim_matches('.').to_ascii_lowercase();
            let name = name.trim_end_matches('.');
            let matches =
                name.strip_suffix(suffix.as_str()).is_some_and(|rest| rest.is_empty() || rest.ends_with('.'));
            !suffix.is_empty() && matches && port.is_none_or(|port| port.parse() == Ok(base.port))
        }
    }
}

fn address_matches(entry: &str, address: IpAddr, port: u16) -> bool {
    if let Some((network, bits)) = entry.split_once('/') {
        let in_brackets = network.strip_prefix('[').and_then(|network| network.strip_suffix(']'));
        let network = in_brackets.filter(|network| network.contains(':')).unwrap_or(network);
        return network.parse().is_ok_and(|network| in_network(address, network, bits.parse().ok()));
    }
    if entry.parse() == Ok(address) {
        return true;
    }
    match parse_authority(entry, Some(port)) {
        Some((Host::Address(other), other_port)) => other == address && other_port == port,
        _ => false,
    }
}

fn in_network(address: IpAddr, network: IpAddr, bits: Option<u32>) -> bool {
    let (address, network, width) = match (address, network) {
        (IpAddr::V4(address), IpAddr::V4(network)) => {
            (u32::from(address).into(), u32::from(network).into(), 32)
        }
        (IpAddr::V6(address), IpAddr::V6(network)) => (u128::from(address), u128::from(network), 128),
        _ => return false,
    };
    bits.filter(|bits| *bits <= width)
        .is_some_and(|bits| (address ^ network).checked_shr(width - bits).unwrap_or(0) == 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn valid_proxy_urls_are_accepted() {
        let cases = [
            ("http://proxy:3128", Protocol::Http, "proxy:3128", None),
            ("http://proxy:3128/", Protocol::Http, "proxy:3128", None),
            ("HTTP://127.0.0.1", Protocol::Http, "127.0.0.1:80", None),
            ("socks5://[::1]:9", Protocol::Socks5, "[::1]:9", None),
            ("socks5h://proxy", Protocol::Socks5h, "proxy:1080", None),
            ("socks://proxy", Protocol::Socks5h, "proxy:1080", None),
            ("SOCKS://127.0.0.1:9050/", Protocol::Socks5h, "127.0.0.1:9050", None),
            ("socks://user:word@proxy:1", Protocol::Socks5h, "proxy:1", Some(("user", "word"))),
            ("http://user:p%40ss%3A@proxy:1", Protocol::Http, "proxy:1", Some(("user", "p@ss:"))),
            ("http://user@proxy:1", Protocol::Http, "proxy:1", Some(("user", ""))),
            ("http://a:b@c@proxy:1", Protocol::Http, "proxy:1", Some(("a", "b@c"))),
            ("socks5://user:word@proxy:1", Protocol::Socks5, "proxy:1", Some(("user", "word"))),
        ];
        for (url, protocol, peer, login) in cases {
            let proxy = Proxy::parse(url);
            let seen = proxy.as_ref().map(|proxy| {
                let login = proxy.login.as_ref().map(|(user, password)| (user.as_str(), password.as_str()));
                (proxy.protocol, proxy.peer(), login)
            });
            assert_eq!(seen, Ok((protocol, peer.to_string(), login)), "{url}");
        }
    }

    #[test]
    fn invalid_proxy_urls_are_refused() {
        let cases = [
            "proxy:3128",
            "nonsense",
            "https://proxy:1",
            "ftp://proxy",
            "socks4://proxy",
            "socks4a://proxy",
            "socks6://proxy",
            "socks://user@proxy",
            "http://",
            "http://:1",
            "http://proxy:0",
            "http://proxy:70000",
            "http://proxy:port",
            "http://proxy/path",
            "http://pro xy",
            "http://a%zz@proxy",
            "http://a%4@proxy",
            "http://a/b:c@proxy",
            "http://a:b\\c@proxy",
            "socks5h://a:b?c@proxy",
            "socks5h://a:b#c@proxy",
            "http://a%0d@proxy",
            "http://a%3Ab:c@proxy",
            "socks5://user@proxy",
            "http://[::1",
        ];
        for url in cases {
            assert!(Proxy::parse(url).is_err(), "{url}");
        }
    }

    #[test]
    fn no_proxy_entries_match_servers() -> Result<(), String> {
        let cases = [
            ("https://api.example.com", "*", true),
            ("https://api.example.com", "example.com", true),
            ("https://api.example.com", ".example.com", true),
            ("https://api.example.com", "*.example.com", true),
            ("https://api.example.com", " other.org ,\texample.com ", true),
            ("https://api.example.com", "EXAMPLE.com", true),
            ("https://api.example.com.", "example.com", true),
            ("https://api.example.com", "example.com:443", true),
            ("https://api.example.com", "example.com:8443", false),
            ("https://api.example.com:8443", "example.com:8443", true),
            ("https://badexample.com", "example.com", false),
            ("https://example.com.evil.org", "example.com", false),
            ("https://api.example.com", "", false),
            ("https://api.example.com", ".", false),
            ("https://api.example.com", ",,", false),
            ("https://10.1.2.3", "10.1.2.3", true),
            ("https://10.1.2.3", "10.1.2.3:443", true),
            ("https://10.1.2.3", "10.1.2.3:444", false),
            ("https://10.1.2.3", "10.0.0.0/8", true),
            ("https://10.1.2.3", "11.0.0.0/8", false),
            ("https://10.1.2.3", "0.0.0.0/0", true),
            ("https://10.1.2.3", "10.0.0.0/33", false),
            ("https://10.1.2.3", "1.2.3", false),
            ("https://[::1]", "::1", true),
            ("https://[::1]:9", "[::1]:9", true),
            ("https://[fd00::5]", "fd00::/8", true),
            ("https://[::1]", "[::1]/128", true),
            ("https://[::1]", "[::]/0", true),
            ("https://[::2]", "[::1]/128", false),
            ("https://[::2]", "[::1]/126", true),
            ("https://[fd00::5]", "[FD00::]/8", true),
            ("https://[fd00::5]:9", "[fd00::]/8", true),
            ("https://[::1]", "[::1", false),
            ("https://[::1]", "::1]/128", false),
            ("https://[::1]", "[::1/128]", false),
            ("https://[::1]", "[[::1]]/128", false),
            ("https://[::1]", "[::1]/129", false),
            ("https://[::1]", "[::1]/", false),
            ("https://[::1]", "[::1]", true),
            ("https://10.1.2.3", "[10.0.0.0]/8", false),
            ("https://[::1]", "0.0.0.0/0", false),
            ("https://10.1.2.3", "::/0", false),
        ];
        for (url, list, expected) in cases {
            assert_eq!(is_exception(list, &BaseUrl::parse(url, false)?), expected, "{url} in {list:?}");
        }
        Ok(())
    }
}
