//! The head of a request as it is sent.

use super::connect::http_proxy::ForProxy;
use super::headers::FurtherHeaders;
use crate::secret::Secret;

/// The end of the head that ureq writes.
pub const END_OF_HEAD: &[u8] = b"\r\n\r\n";

/// The header lines that all requests of a client have in common. ureq does not write them.
#[derive(Debug)]
pub struct RequestHeader {
    own: String,
    further: FurtherHeaders,
}

impl RequestHeader {
    /// The library's own fields, and further ones.
    pub fn new(user_agent: &str, further: FurtherHeaders) -> RequestHeader {
        let own =
            format!("user-agent: {user_agent}\r\naccept: application/json\r\naccept-encoding: gzip\r\n");
        RequestHeader { own, further }
    }

    /// The values that must not appear in any message.
    pub fn secrets(&self) -> &[Secret] {
        self.further.secrets()
    }
}

/// Completes the head that ureq wrote, given without its end, with whole header lines: the library's own, the
/// credentials, and the further ones. For an HTTP proxy that forwards the request, makes the path a URL, and adds the
/// proxy's own credentials.
pub fn whole_head(
    head: &[u8],
    header: &RequestHeader,
    credentials: &[u8],
    for_proxy: Option<&ForProxy>,
) -> Secret {
    let (own, further) = (header.own.as_bytes(), header.further.lines());
    let Some(for_proxy) = for_proxy else {
        return Secret::concat(&[head, b"\r\n", own, credentials, further, b"\r\n"]);
    };
    let (method, rest) = head.split_at(head.iter().position(|byte| *byte == b'/').unwrap_or(0));
    Secret::concat(&[
        method,
        for_proxy.origin.as_bytes(),
        rest,
        b"\r\n",
        own,
        for_proxy.header.bytes(),
        credentials,
        further,
        b"\r\n",
    ])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::http::proxy::Proxy;

    fn header() -> Result<RequestHeader, String> {
        let value = Secret::new(b"v");
        let further = FurtherHeaders::check([(&b"x-further"[..], &value)].into_iter())?;
        Ok(RequestHeader { own: "accept: c\r\n".into(), further })
    }

    #[test]
    fn further_fields_follow_the_credentials() -> Result<(), String> {
        let head = whole_head(b"GET /a HTTP/1.1\r\nhost: b", &header()?, b"x-api-key: k\r\n", None);
        let expected = "GET /a HTTP/1.1\r\nhost: b\r\naccept: c\r\nx-api-key: k\r\nx-further: v\r\n\r\n";
        assert_eq!(head.as_str(), expected);
        Ok(())
    }

    #[test]
    fn a_forwarding_proxy_gets_the_url_and_its_credentials() -> Result<(), String> {
        let for_proxy = ForProxy::new("http://b:1", &Proxy::parse("http://u:p@proxy:1")?);
        let head = b"GET /a/b HTTP/1.1\r\nhost: b";
        let head = whole_head(head, &header()?, b"x-api-key: k\r\n", Some(&for_proxy));
        let expected = "GET http://b:1/a/b HTTP/1.1\r\nhost: b\r\naccept: c\r\n\
                        proxy-authorization: Basic dTpw\r\nx-api-key: k\r\nx-further: v\r\n\r\n";
        assert_eq!(head.as_str(), expected);
        Ok(())
    }
}
