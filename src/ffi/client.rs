//! `refold_client`: what calls go through.

use std::ffi::c_char;
use std::sync::Arc;

use super::types::{refold_client, refold_code, refold_code_value, refold_error, refold_options};
use super::{as_ref, call, clone_arc, free, guard, string_in};
use crate::client::Client;
use crate::error::Error;
use crate::sys::thread::without_cancellation;

/// Checks all settings at once and makes a client from them. Nothing is sent.
///
/// The options are read, not kept. The environment is read here for the proxy (HTTPS_PROXY, ALL_PROXY,
/// NO_PROXY) and for the certificates to trust (SSL_CERT_FILE, SSL_CERT_DIR), and not at all in a program
/// that runs set-uid or set-gid. No other thread may change it meanwhile, as for getenv().
///
/// Returns a client to be freed with refold_client_free(), or NULL and an error:
/// REFOLD_ERROR_INVALID_ARGUMENT names the setting that is wrong, REFOLD_ERROR_RESOURCE tells that the
/// process is out of something.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn refold_client_new(
    options: *const refold_options,
    error: *mut *mut refold_error,
) -> *mut refold_client {
    // SAFETY: from C, as the header demands it.
    unsafe {
        call(error, || {
            let options = as_ref(options).ok_or_else(|| Error::invalid_argument("options is NULL"))?;
            Client::new(options).map(Arc::new)
        })
    }
}

/// Gives the client a new session token, for calls, and polls of a wait, that begin later.
///
/// Any thread may do so at any time. The old token is wiped. Returns REFOLD_OK, or
/// REFOLD_ERROR_INVALID_ARGUMENT when a pointer is NULL, the token is none that
/// refold_options_set_session_token() takes, or the client was made with an API key, or
/// REFOLD_ERROR_INTERNAL, in a child that was forked while a token was being set; the client then goes on as
/// before.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn refold_client_set_session_token(
    client: *const refold_client,
    session_token: *const c_char,
) -> refold_code {
    let replace = || {
        // SAFETY: from C, as the header demands it.
        let (client, token) = unsafe { (clone_arc(client), string_in(session_token)) };
        match client.map(|client| client.set_session_token(token)) {
            Some(Ok(())) => refold_code_value::REFOLD_OK as refold_code,
            Some(Err(error)) => error.code(),
            None => refold_code_value::REFOLD_ERROR_INVALID_ARGUMENT as refold_code,
        }
    };
    without_cancellation(|| guard(refold_code_value::REFOLD_ERROR_INTERNAL as refold_code, replace))
}

/// Frees a client: its idle connections are closed and its secrets wiped. NULL is ignored.
///
/// Calls that have begun run to their end and hold what they need until then. No call may begin with this
/// pointer at the same moment or later, and a progress callback must not free the client of its wait.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn refold_client_free(client: *mut refold_client) {
    // SAFETY: from C, as the header demands it.
    unsafe { free(client) }
}
