//! Who is asking: the header lines that say so, and the secrets in them.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError, TryLockError};
use std::time::Duration;
use std::{iter, mem};

use crate::error::Error;
use crate::secret::Secret;
use crate::sys::fork::PerProcess;

/// One way to authenticate, ready to be sent.
#[derive(Debug)]
pub struct Credentials {
    kind: AuthScheme,
    header: Secret,
    secret: Secret,
}

#[derive(Debug, PartialEq, Eq)]
enum AuthScheme {
    ApiKey,
    SessionToken,
}

impl Credentials {
    /// An organisation's key, and the account it acts for.
    pub fn api_key(key: &[u8], linked_account_id: &[u8]) -> Result<Credentials, String> {
        check("api_key", key)?;
        check("linked_account_id", linked_account_id)?;
        let lines: [&[u8]; 5] = [b"x-api-key: ", key, b"\r\nlinked_account_id: ", linked_account_id, b"\r\n"];
        Ok(Credentials { kind: AuthScheme::ApiKey, header: Secret::concat(&lines), secret: Secret::new(key) })
    }

    /// A session token, which names the account itself.
    pub fn session_token(token: &[u8]) -> Result<Credentials, String> {
        check("session_token", token)?;
        let lines: [&[u8]; 3] = [b"authorization: Bearer ", token, b"\r\n"];
        Ok(Credentials {
            kind: AuthScheme::SessionToken,
            header: Secret::concat(&lines),
            secret: Secret::new(token),
        })
    }

    /// Whether this is a session token, which another one may replace.
    pub fn is_session_token(&self) -> bool {
        self.kind == AuthScheme::SessionToken
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
    if text.starts_with(' ') || text.ends_with(' ') {
        return Err(format!("{argument} must not begin or end with a blank, which HTTP does not carry"));
    }
    if text.chars().any(char::is_control) {
        return Err(format!("{argument} must not hold control characters, such as the end of a line"));
    }
    Ok(())
}

/// What calls that begin now authenticate with.
#[derive(Debug)]
pub struct CurrentCredentials {
    /// What calls look at. A child made by fork has one of its own: a thread that it does not have may hold this.
    in_use: PerProcess<Mutex<Arc<Credentials>>>,
    /// What a child begins with, twice: where its parent was just writing one of them, that one is locked for ever.
    newest: [Mutex<Arc<Credentials>>; 2],
}

impl CurrentCredentials {
    /// Begins with these.
    pub fn new(credentials: Arc<Credentials>) -> Result<CurrentCredentials, Error> {
        let newest = [Mutex::new(credentials.clone()), Mutex::new(credentials)];
        let current = CurrentCredentials { in_use: PerProcess::new(), newest };
        current.in_use()?;
        Ok(current)
    }

    fn in_use(&self) -> Result<&Mutex<Arc<Credentials>>, Error> {
        self.in_use.get_or_try_make(|| self.inherited().map(Mutex::new))
    }

    /// Only the first look of a process, when hardly anybody else looks: it does not wait long.
    fn inherited(&self) -> Result<Arc<Credentials>, Error> {
        let free = self.newest.iter().cycle().take(200).find_map(try_lock);
        free.map(|newest| newest.clone()).ok_or_else(|| {
            Error::internal(
                "this process was forked while a session token was being set: make a new client in it",
            )
        })
    }

    /// What a call that begins now takes.
    pub fn get(&self) -> Result<Arc<Credentials>, Error> {
        Ok(self.in_use()?.lock().unwrap_or_else(PoisonError::into_inner).clone())
    }

    /// What calls that begin later take.
    pub fn replace(&self, credentials: Arc<Credentials>) -> Result<(), Error> {
        // One at a time.
        let mut in_use = self.in_use()?.lock().unwrap_or_else(PoisonError::into_inner);
        for newest in &self.newest {
            let free = iter::repeat_n(newest, 100).find_map(try_lock);
            // A fork may come at any moment: what stands there is whole, and dropped once it stands there no more.
            let _former = free.map(|mut newest| mem::replace(&mut *newest, credentials.clone()));
        }
        let _former = mem::replace(&mut *in_use, credentials);
        Ok(())
    }
}

/// The lock, unless somebody holds it; then a moment passes.
fn try_lock<T>(mutex: &Mutex<T>) -> Option<MutexGuard<'_, T>> {
    match mutex.try_lock() {
        Ok(guard) => Some(guard),
        Err(TryLockError::Poisoned(poisoned)) => Some(poisoned.into_inner()),
        Err(TryLockError::WouldBlock) => {
            std::thread::sleep(Duration::from_micros(100));
            None
        }
    }
}
