//! The head of a request as it is sent.

use super::connect::http_proxy::ForProxy;
use crate::secret::Secret;

/// The end of the head that ureq writes.
pub const END_OF_HEAD: &[u8] = b"\r\n\r\n";

/// The header lines that all requests of a client have in common. ureq does not write them.
pub fn common_header(user_agent: &str) -> String {
    format!("user-agent: {user_agent}\r\naccept: application/json\r\naccept-encoding: gzip\r\n")
}

/// Completes the head that ureq wrote, given without its end, with whole header `lines`: the common ones, and the
/// credentials. For an HTTP proxy that forwards the request, makes the path a URL, and adds the proxy's own
/// credentials.
pub fn whole_head(head: &[u8], lines: [&[u8]; 2], for_proxy: Option<&ForProxy>) -> Secret {
    let [common, credentials] = lines;
    let Some(for_proxy) = for_proxy else {
        return Secret::concat(&[head, b"\r\n", common, credentials, b"\r\n"]);
    };
    let (method, rest) = head.split_at(head.iter().position(|byte| *byte == b'/').unwrap_or(0));
    Secret::concat(&[
        method,
        for_proxy.origin.as_bytes(),
        rest,
        b"\r\n",
        common,
        for_proxy.header.bytes(),
        credentials,
        b"\r\n",
    ])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::http::proxy::Proxy;

    #[test]
    fn credentials_end_the_head() {
        let head = whole_head(b"GET /a HTTP/1.1\r\nhost: b", [b"accept: c\r\n", b"x-api-key: k\r\n"], None);
        assert_eq!(head.as_str(), "GET /a HTTP/1.1\r\nhost: b\r\naccept: c\r\nx-api-key: k\r\n\r\n");
    }

    #[test]
    fn a_forwarding_proxy_gets_the_url_and_its_credentials() -> Result<(), &'static str> {
        let for_proxy = ForProxy::new("http://b:1", &Proxy::parse("http://u:p@proxy:1")?);
        let lines: [&[u8]; 2] = [b"", b"x-api-key: k\r\n"];
        let head = whole_head(b"GET /a/b HTTP/1.1\r\nhost: b", lines, Some(&for_proxy));
        let expected = "GET http://b:1/a/b HTTP/1.1\r\nhost: b\r\nproxy-authorization: Basic dTpw\r\nx-api-key: k\r\n\r\n";
        assert_eq!(head.as_str(), expected);
        Ok(())
    }
}
