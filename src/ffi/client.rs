//! `refold_client`: checked settings and a pool of connections.

use std::ffi::c_char;
use std::sync::Arc;

use super::error::refold_error;
use super::guard::{call, guard};
use super::handle::{Handle, as_ref, clone_arc, free};
use super::library::{refold_code, refold_code_value};
use super::options::refold_options;
use super::string::string_in;
use crate::client::Client;
use crate::error::Error;
use crate::error::message::argument;
use crate::sys::thread::without_cancellation;

/// A client of the API: validated settings, and a connection pool shared by all its calls.
///
/// Created by refold_client_new(), freed by refold_client_free(). Any number of threads may call through one
/// client at the same time, and one client per program is best: N threads never need more than N connections.
/// Calls that are running when the client is freed run to completion. Executions and errors outlive the
/// client.
pub struct refold_client {
    _opaque: [u8; 0],
}

impl Handle for refold_client {
    type Value = Client;
    type Owner = Arc<Client>;
}

/// Creates a client after checking all settings. Sends nothing.
///
/// Reads the proxy (HTTPS_PROXY, ALL_PROXY, NO_PROXY) and the trusted certificates (SSL_CERT_FILE,
/// SSL_CERT_DIR) from the environment, except in set-uid and set-gid programs. As with getenv(), no other
/// thread may modify the environment meanwhile.
///
/// \param options  The settings. They are read, not kept.
/// \param error    Set to NULL, or to a new error on failure; may be NULL.
/// \return A new client, to be freed with refold_client_free(), or NULL on failure. Error codes:
///         REFOLD_ERROR_INVALID_ARGUMENT if a setting is invalid, which the message names;
///         REFOLD_ERROR_RESOURCE if the process has run out of a resource.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn refold_client_new(
    options: *const refold_options,
    error: *mut *mut refold_error,
) -> *mut refold_client {
    // SAFETY: the header's contract with C.
    unsafe {
        call(error, || {
            let options =
                as_ref(options).ok_or_else(|| Error::invalid_argument(argument::is_null("options")))?;
            Client::new(options).map(Arc::new)
        })
    }
}

/// Replaces the session token of a client, for calls and polls that begin later.
///
/// Any thread may do so at any time. The previous token is wiped.
///
/// \param session_token  A token as for refold_options_set_session_token().
/// \return REFOLD_OK, or an error that leaves the client unchanged: REFOLD_ERROR_INVALID_ARGUMENT if a pointer
///         is NULL, the token is invalid, or the client was created with an API key; REFOLD_ERROR_INTERNAL in
///         a child that was forked while a token was being replaced.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn refold_client_set_session_token(
    client: *const refold_client,
    session_token: *const c_char,
) -> refold_code {
    let replace = || {
        // SAFETY: the header's contract with C.
        let (client, token) = unsafe { (clone_arc(client), string_in(session_token)) };
        match client.map(|client| client.set_session_token(token)) {
            Some(Ok(())) => refold_code_value::REFOLD_OK as refold_code,
            Some(Err(error)) => error.code(),
            None => refold_code_value::REFOLD_ERROR_INVALID_ARGUMENT as refold_code,
        }
    };
    without_cancellation(|| guard(refold_code_value::REFOLD_ERROR_INTERNAL as refold_code, replace))
}

/// Frees a client, closes its idle connections and wipes its secrets. Does nothing if `client` is NULL.
///
/// Running calls run to completion and keep what they need until then. No call may begin with this pointer at
/// the same time or later. A progress callback must not free the client of its own wait.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn refold_client_free(client: *mut refold_client) {
    // SAFETY: the header's contract with C.
    unsafe { free(client) }
}
