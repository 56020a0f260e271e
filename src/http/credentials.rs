//! Credentials: the header lines that authenticate a request. They can be replaced while calls are running.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError, TryLockError};
use std::time::Duration;
use std::{iter, mem};

use crate::error::Error;
use crate::error::message::argument as message;
use crate::secret::Secret;
use crate::sys::fork::PerProcess;

/// The maximum length of a key, an id or a token, in bytes. Servers and proxies limit a header to less.
const MAX_CREDENTIAL: usize = 8 << 10;

/// One set of credentials, ready to be sent.
#[derive(Debug)]
pub struct Credentials {
    scheme: AuthScheme,
    header: Secret,
    secret: Secret,
}

#[derive(Debug, PartialEq, Eq)]
enum AuthScheme {
    ApiKey,
    SessionToken,
}

impl Credentials {
    /// The key of an organisation, and the linked account to act for.
    pub fn api_key(key: &[u8], linked_account_id: &[u8]) -> Result<Credentials, String> {
        check("api_key", key)?;
        check("linked_account_id", linked_account_id)?;
        let lines: [&[u8]; 5] = [b"x-api-key: ", key, b"\r\nlinked_account_id: ", linked_account_id, b"\r\n"];
        Ok(Credentials {
            scheme: AuthScheme::ApiKey,
            header: Secret::concat(&lines),
            secret: Secret::new(key),
        })
    }

    /// A session token, which itself identifies the linked account.
    pub fn session_token(token: &[u8]) -> Result<Credentials, String> {
        check("session_token", token)?;
        let lines: [&[u8]; 3] = [b"authorization: Bearer ", token, b"\r\n"];
        Ok(Credentials {
            scheme: AuthScheme::SessionToken,
            header: Secret::concat(&lines),
            secret: Secret::new(token),
        })
    }

    /// Whether this is a session token, which can be replaced by another one.
    pub fn is_session_token(&self) -> bool {
        self.scheme == AuthScheme::SessionToken
    }

    /// Whole header lines.
    pub fn header(&self) -> &[u8] {
        self.header.bytes()
    }

    /// The key or token, which must not appear in any message.
    pub fn secret(&self) -> &Secret {
        &self.secret
    }
}

/// Checks that HTTP can carry a value. C1 control characters (U+0080 to U+009F) are refused with the others.
fn check(argument: &str, value: &[u8]) -> Result<(), String> {
    let text = std::str::from_utf8(value).map_err(|_| message::invalid_utf8(argument))?;
    if text.is_empty() {
        return Err(message::empty_credential(argument));
    }
    if text.len() > MAX_CREDENTIAL {
        return Err(message::credential_too_long(argument, MAX_CREDENTIAL >> 10));
    }
    if text.starts_with(' ') || text.ends_with(' ') {
        return Err(message::padded_credential(argument));
    }
    if text.chars().any(char::is_control) {
        return Err(message::control_in_credential(argument));
    }
    Ok(())
}

/// The credentials of new calls. They can be replaced while calls are running, and read in a forked child.
#[derive(Debug)]
pub struct CurrentCredentials {
    /// Read by calls. A forked child has its own, because a thread that exists only in the parent may hold the lock.
    in_use: PerProcess<Mutex<Arc<Credentials>>>,
    /// What a forked child starts with. There are two, and a writer locks only one at a time: if the parent was writing
    /// at the moment of the fork, the lock of that one is held in the child forever.
    inheritable: [Mutex<Arc<Credentials>>; 2],
}

impl CurrentCredentials {
    /// Starts with these credentials.
    pub fn new(credentials: Arc<Credentials>) -> Result<CurrentCredentials, Error> {
        let inheritable = [Mutex::new(credentials.clone()), Mutex::new(credentials)];
        let current = CurrentCredentials { in_use: PerProcess::new(), inheritable };
        current.in_use()?;
        Ok(current)
    }

    fn in_use(&self) -> Result<&Mutex<Arc<Credentials>>, Error> {
        self.in_use.get_or_try_make(|| self.inherited().map(Mutex::new))
    }

    /// Reads the credentials that this process starts with. Only the first access in a process does this, when there is
    /// little contention, so a bounded number of attempts is enough.
    fn inherited(&self) -> Result<Arc<Credentials>, Error> {
        let guard = self.inheritable.iter().cycle().take(200).find_map(lock_or_sleep);
        let inherited = guard.map(|credentials| credentials.clone());
        inherited.ok_or_else(|| Error::internal(message::FORKED_DURING_REPLACEMENT))
    }

    /// The credentials for a call that begins now.
    pub fn get(&self) -> Result<Arc<Credentials>, Error> {
        Ok(self.in_use()?.lock().unwrap_or_else(PoisonError::into_inner).clone())
    }

    /// Replaces the credentials of later calls.
    pub fn replace(&self, credentials: Arc<Credentials>) -> Result<(), Error> {
        // Held throughout, so that replacements do not overlap.
        let mut in_use = self.in_use()?.lock().unwrap_or_else(PoisonError::into_inner);
        for inheritable in &self.inheritable {
            let guard = iter::repeat_n(inheritable, 100).find_map(lock_or_sleep);
            // A fork can happen at any moment, so the value must be valid at all times: the old one is dropped only
            // after the new one is in place.
            let _former = guard.map(|mut inheritable| mem::replace(&mut *inheritable, credentials.clone()));
        }
        let _former = mem::replace(&mut *in_use, credentials);
        Ok(())
    }
}

/// Locks the mutex. If it is held, sleeps for a moment and returns `None`.
fn lock_or_sleep<T>(mutex: &Mutex<T>) -> Option<MutexGuard<'_, T>> {
    match mutex.try_lock() {
        Ok(guard) => Some(guard),
        Err(TryLockError::Poisoned(poisoned)) => Some(poisoned.into_inner()),
        Err(TryLockError::WouldBlock) => {
            std::thread::sleep(Duration::from_micros(100));
            None
        }
    }
}
