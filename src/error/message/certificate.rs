//! Messages about the certificates of servers. They follow "no trusted TLS session with HOST:PORT: ".

use std::borrow::Cow;
use std::fmt::Display;

pub const EXPIRED: &str = "the server's certificate has expired (or this machine's clock is wrong)";
pub const NOT_YET_VALID: &str =
    "the server's certificate is not valid yet (or this machine's clock is wrong)";
pub const MALFORMED: &str = "the server's certificate is malformed";
pub const REVOKED: &str = "the server's certificate has been revoked";
pub const UNKNOWN_REVOCATION: &str =
    "it cannot be determined whether the server's certificate has been revoked";
pub const UNACCEPTABLE: &str = "the server's certificate is not accepted";
pub const NO_CERTIFICATE: &str = "the server sent no certificate";
pub const OTHER_HOST: &str = "the server's certificate is for another host name";
pub const NO_HOST: &str = "the server's certificate is for no host: it has no subject alternative name";
pub const NOT_FOR_SERVERS: &str =
    "the server's certificate is not for servers: it lacks the extended key usage \"server authentication\"";
pub const UNKNOWN_ISSUER: &str =
    "the server's certificate was issued by an authority that is not trusted here";
pub const UNSUPPORTED_ALGORITHM: &str =
    "the server's certificate, or one of its chain, has a signature or key that is not supported";
pub const BAD_SIGNATURE: &str = "the server's certificate is not valid: a signature in its chain is wrong";
pub const OTHER_KEY: &str = "the server does not have the key of its certificate";
pub const SELF_SIGNED: &str =
    "self-signed certificate, not trusted (refold_options_set_ca_file adds it to the trusted ones)";
pub const SELF_SIGNED_CA: &str = "self-signed certificate, not trusted (it can be trusted if it is made with CA:FALSE: \
                                  see refold_options_set_ca_file)";
pub const CA_AS_SERVER: &str = "the server's certificate is that of an authority: the server needs one that the \
                                authority issued, or a self-signed one with CA:FALSE";
pub const NOT_AN_AUTHORITY: &str = "the server's certificate was issued by one that is not an authority's";
pub const NAME_NOT_PERMITTED: &str =
    "the server's certificate was issued by an authority that is not allowed to issue it for this name";
pub const CHAIN_TOO_LONG: &str = "the chain of the server's certificate is longer than its authority allows";

/// Any other defect of the certificate.
pub fn invalid(detail: &str) -> String {
    format!("the server's certificate is not valid ({detail})")
}

/// The certificate was issued by an authority that is not trusted. If intermediates were sent, `root` issued the last.
pub fn untrusted_issuer(issuer: Option<&str>, root: Option<&str>) -> String {
    let (issuer, under) = match root == issuer {
        true => (quote(issuer, MAX_NAME), String::new()),
        false => (quote(issuer, MAX_NAME_OF_TWO), format!(" under {}", quote(root, MAX_NAME_OF_TWO))),
    };
    format!(
        "the server's certificate was issued by {issuer}{under}, not trusted here (refold_options_set_ca_file adds it)"
    )
}

/// The root of this name has another key than the one that signed the chain.
pub fn untrusted_chain(root: Option<&str>) -> String {
    let root = quote(root, MAX_NAME);
    format!("the server's chain does not end in a trusted root: the one named {root} here has another key")
}

/// The certificate names other hosts.
pub fn other_host(names: &[Cow<'_, str>]) -> String {
    const SHOWN: usize = 3;
    const SHOWN_CHARS: usize = 70;
    if names.is_empty() {
        return NO_HOST.into();
    }
    let mut shown: Vec<String> = names.iter().take(SHOWN).map(|name| shorten(name, MAX_NAME)).collect();
    while shown.iter().map(|name| name.chars().count()).sum::<usize>() > SHOWN_CHARS {
        shown.pop();
    }
    let more = match names.len() - shown.len() {
        0 => String::new(),
        more => format!(" and {more} more"),
    };
    format!("{OTHER_HOST}: it names {}{more}", shown.join(", "))
}

/// A certificate of the chain is signed with this algorithm.
pub fn unsupported_signature(algorithm: impl Display) -> String {
    format!(
        "the server's certificate, or one of its chain, is signed with {algorithm}, which is not supported"
    )
}

/// A certificate of the chain is signed by this kind of key.
pub fn unsupported_issuer_key(key: impl Display) -> String {
    format!("the server's certificate, or one of its chain, is signed with {key}, which is not supported")
}

/// The server's certificate has this kind of key.
pub fn unsupported_key(key: impl Display) -> String {
    format!("the server's certificate has {key}, which is not supported")
}

/// The maximum length of a name in a message, in characters, and of each of two.
const MAX_NAME: usize = 40;
const MAX_NAME_OF_TWO: usize = 24;

/// The name of an authority in quotes, without characters that could be taken for something else.
fn quote(name: Option<&str>, max_chars: usize) -> String {
    name.map_or("an authority without a name".into(), |name| format!("\"{}\"", shorten(name, max_chars)))
}

fn shorten(name: &str, max_chars: usize) -> String {
    let is_plain = |character: char| {
        let is_invisible = matches!(character, '\u{61c}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}');
        !character.is_control() && !is_invisible && !matches!(character, '"' | '{' | '[' | '\u{feff}')
    };
    let plain = |character| if is_plain(character) { character } else { '?' };
    if name.chars().count() <= max_chars {
        name.chars().map(plain).collect()
    } else {
        name.chars().take(max_chars - 3).map(plain).chain("...".chars()).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_shown_without_control_characters() {
        let cases = [
            ("Example CA", "\"Example CA\""),
            ("\x1b]2;\x07\u{202e}\"", "\"?]2;???\""),
            ("Bücher 東京", "\"Bücher 東京\""),
        ];
        cases.iter().for_each(|(name, shown)| assert_eq!(quote(Some(name), MAX_NAME), *shown));
        assert_eq!(shorten(&"x".repeat(64), MAX_NAME), format!("{}...", "x".repeat(37)));
        assert_eq!(quote(None, MAX_NAME), "an authority without a name");
    }

    #[test]
    fn long_names_leave_a_sentence_readable() {
        let [one, other] = ["x".repeat(64), "y".repeat(64)];
        let hosts: Vec<_> = ["a", "b", "c", "d"].map(|name| Cow::Owned(name.repeat(63))).into();
        let reasons = [
            untrusted_issuer(Some(&one), Some(&one)),
            untrusted_issuer(Some(&one), Some(&other)),
            untrusted_chain(Some(&one)),
            other_host(&hosts),
        ];
        for reason in reasons {
            let peer = "127.0.0.1:40000".into();
            crate::error::message::assert_readable(crate::error::ErrorKind::Tls { peer, reason });
        }
    }

    #[test]
    fn other_hosts_are_listed() {
        let names = |count| (0..count).map(|i| Cow::Owned(format!("host{i}"))).collect::<Vec<_>>();
        assert!(other_host(&names(0)).ends_with("it has no subject alternative name"));
        assert!(other_host(&names(1)).ends_with("another host name: it names host0"));
        assert!(other_host(&names(3)).ends_with("it names host0, host1, host2"));
        assert!(other_host(&names(5)).ends_with("it names host0, host1, host2 and 2 more"));
    }
}
