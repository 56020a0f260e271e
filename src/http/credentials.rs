//! Who is asking: the header lines that say so, and the secrets in them.

use crate::secret::Secret;

/// One way to authenticate, ready to be sent.
#[derive(Debug)]
pub struct Credentials {
    kind: Kind,
    header: Secret,
    secret: Secret,
}

#[derive(Debug, PartialEq, Eq)]
enum Kind {
    ApiKey,
    SessionToken,
}

impl Credentials {
    /// An organisation's key, and the account it acts for.
    pub fn api_key(key: &[u8], linked_account_id: &[u8]) -> Result<Credentials, String> {
        check("api_key", key)?;
        check("linked_account_id", linked_account_id)?;
        let lines: [&[u8]; 5] = [b"x-api-key: ", key, b"\r\nlinked_account_id: ", linked_account_id, b"\r\n"];
        Ok(Credentials { kind: Kind::ApiKey, header: Secret::concat(&lines), secret: Secret::new(key) })
    }

    /// A session token, which names the account itself.
    pub fn session_token(token: &[u8]) -> Result<Credentials, String> {
        check("session_token", token)?;
        let lines: [&[u8]; 3] = [b"authorization: Bearer ", token, b"\r\n"];
        Ok(Credentials {
            kind: Kind::SessionToken,
            header: Secret::concat(&lines),
            secret: Secret::new(token),
        })
    }

    /// Whether this is a session token, which another one may replace.
    pub fn is_session_token(&self) -> bool {
        self.kind == Kind::SessionToken
    }

    /// Whole header lines.
    pub fn header(&self) -> &[u8] {
        self.header.bytes()
    }

    /// What no message may hold.
    pub fn secret(&self) -> &Secret {
        &self.secret
    }
}

/// A header value cannot hold control characters; C1 ones (U+0080 to U+009F) are refused with the others.
fn check(argument: &str, value: &[u8]) -> Result<(), String> {
    let text = std::str::from_utf8(value).map_err(|_| format!("{argument} is not valid UTF-8"))?;
    if text.is_empty() {
        return Err(format!("{argument} is empty"));
    }
    if text.chars().any(char::is_control) {
        return Err(format!("{argument} must not hold control characters, such as the end of a line"));
    }
    Ok(())
}
