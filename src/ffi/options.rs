//! `refold_options`: what a caller may set.

use std::ffi::c_char;

use super::types::refold_options;
use super::{CBool, as_mut, bytes_in, free, guard, into_raw, string_in};
use crate::options::Options;

/// Changes the options behind a pointer; NULL has nothing to change.
///
/// # Safety
/// As for [`as_mut`], until this returns.
unsafe fn set(options: *mut refold_options, change: impl FnOnce(&mut Options)) {
    // SAFETY: as this function's caller promised.
    guard((), || unsafe { as_mut(options) }.map_or((), change));
}

/// New options, with every setting at its default.
///
/// Never NULL but when a defect of the library was caught. To be freed with refold_options_free().
#[unsafe(no_mangle)]
pub extern "C" fn refold_options_new() -> *mut refold_options {
    guard(std::ptr::null_mut(), || into_raw(Box::new(Options::new())))
}

/// New options, with what the environment says and every other setting at its default.
///
/// Read are REFOLD_API_KEY and REFOLD_LINKED_ACCOUNT_ID (see refold_options_set_api_key()),
/// REFOLD_SESSION_TOKEN (refold_options_set_session_token()) and REFOLD_BASE_URL
/// (refold_options_set_base_url()). An empty variable counts as one that is not set. A program that runs
/// set-uid or set-gid reads none of them. As getenv() does, this must not run while another thread changes
/// the environment.
///
/// Never NULL but when a defect of the library was caught. To be freed with refold_options_free().
#[unsafe(no_mangle)]
pub extern "C" fn refold_options_new_from_env() -> *mut refold_options {
    guard(std::ptr::null_mut(), || into_raw(Box::new(Options::from_env())))
}

/// Frees options, and wipes the secrets in them. NULL is ignored. Clients made from them live on.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn refold_options_free(options: *mut refold_options) {
    // SAFETY: from C, as the header demands it.
    unsafe { free(options) }
}

/// Authenticates with an API key of the organisation and the id of the linked account to act for.
///
/// Both must be non-empty UTF-8 without control characters, and without blanks at their ends; keys of
/// production begin with "pk", those for tests with "tk". They travel in the header fields x-api-key and
/// linked_account_id. Some gateways drop names with an underscore unless told otherwise (nginx:
/// underscores_in_headers on).
///
/// A client needs exactly one way to authenticate: this one or refold_options_set_session_token(). NULL for
/// both takes the key back.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn refold_options_set_api_key(
    options: *mut refold_options,
    api_key: *const c_char,
    linked_account_id: *const c_char,
) {
    // SAFETY: from C, as the header demands it.
    unsafe { set(options, |options| options.set_api_key(string_in(api_key), string_in(linked_account_id))) }
}

/// Authenticates with a session token, which names the linked account itself.
///
/// It must be non-empty UTF-8 without control characters, and without blanks at its ends. Tokens expire:
/// refold_client_set_session_token() gives a client a new one. NULL takes the token back.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn refold_options_set_session_token(
    options: *mut refold_options,
    session_token: *const c_char,
) {
    // SAFETY: from C, as the header demands it.
    unsafe { set(options, |options| options.set_session_token(string_in(session_token))) }
}

/// Where the API is. Default, and after NULL: "https://app.refold.ai".
///
/// An https URL; http is accepted for a loopback host (localhost, 127.0.0.0/8, [::1]), and for others only
/// after refold_options_set_allow_plaintext(). A port (1 to 65535) and a path in front of the API's own may
/// follow, with or without a slash at the end. No user name, query or fragment; no segment of the path that is
/// empty, "." or ".."; at most 2,000 bytes. A host name outside ASCII must come as punycode.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn refold_options_set_base_url(options: *mut refold_options, base_url: *const c_char) {
    // SAFETY: from C, as the header demands it.
    unsafe { set(options, |options| options.set_base_url(string_in(base_url))) }
}

/// The time-out of one call in milliseconds. Default: 30,000. 0: none.
///
/// It bounds everything the caller waits for: name resolution, connecting, TLS, sending, every byte of the
/// answer, retries and the pauses between them. The call returns with REFOLD_ERROR_TIMEOUT within 100 ms of
/// it, however slowly a server drips.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn refold_options_set_timeout_ms(options: *mut refold_options, milliseconds: u64) {
    // SAFETY: from C, as the header demands it.
    unsafe { set(options, |options| options.set_timeout_ms(milliseconds)) }
}

/// The time-out of each try to connect in milliseconds: name resolution, connecting, proxy and TLS together.
/// Default: 10,000. 0: none but that of the call.
///
/// When it passes, the try has failed with REFOLD_ERROR_CONNECT, which is retried.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn refold_options_set_connect_timeout_ms(
    options: *mut refold_options,
    milliseconds: u64,
) {
    // SAFETY: from C, as the header demands it.
    unsafe { set(options, |options| options.set_connect_timeout_ms(milliseconds)) }
}

/// How often a call may be tried again after a failure that can pass by itself. Default: 2, so three tries in
/// all. 0: never.
///
/// Tried again are: no connection, a connection lost before the whole answer came, a name lookup that failed
/// for now, and the statuses 408, 429, 500, 502, 503 and 504; not a proxy that wants another login or answers
/// with another status. The pauses are 1 s, 2 s, 4 s and so on, shortened at random by up to a half, or what
/// the server names in Retry-After. A pause that would pass the time-out of the call, or a Retry-After above
/// 60 s, is not begun: the last failure is returned at once.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn refold_options_set_max_retries(options: *mut refold_options, max_retries: u32) {
    // SAFETY: from C, as the header demands it.
    unsafe { set(options, |options| options.set_max_retries(max_retries)) }
}

/// The largest answer to accept in bytes, after decompression. Default: 268,435,456 (256 MiB). 0: no limit.
///
/// A larger one ends in REFOLD_ERROR_RESPONSE_TOO_LARGE as soon as the limit is passed, and has cost no more
/// memory than the limit. So does one with more nodes than fit into so much memory, however short their text:
/// a node takes 256 bytes.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn refold_options_set_max_response_bytes(options: *mut refold_options, bytes: u64) {
    // SAFETY: from C, as the header demands it.
    unsafe { set(options, |options| options.set_max_response_bytes(bytes)) }
}

/// The pause between two polls of refold_wait_execution() in milliseconds. Default: 1,000. At least 10.
///
/// Each time the answer is the same as before, the next pause is half as long again, up to ten times this
/// value; after a change it is this value again.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn refold_options_set_poll_interval_ms(
    options: *mut refold_options,
    milliseconds: u64,
) {
    // SAFETY: from C, as the header demands it.
    unsafe { set(options, |options| options.set_poll_interval_ms(milliseconds)) }
}

/// The proxy to go through. Default, and after NULL: what the environment says. "": none.
///
/// One of http://host:port, socks5://host:port (the name of the server is looked up here) and
/// socks5h://host:port (the proxy looks it up), with user:password@ before the host if the proxy asks for it,
/// where %40 stands for an @ and so on. Without a port: 80 for http, 1080 for the others.
/// From the environment: HTTPS_PROXY, else ALL_PROXY, but for the hosts in NO_PROXY, in upper or lower case;
/// a base URL with http uses none of these.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn refold_options_set_proxy(options: *mut refold_options, url: *const c_char) {
    // SAFETY: from C, as the header demands it.
    unsafe { set(options, |options| options.set_proxy(string_in(url))) }
}

/// A file of certificates (PEM) to trust in addition to the default ones. Default, and after NULL: none.
///
/// It is read by refold_client_new(), must be a plain file, hold at least one certificate, and none that
/// cannot be understood.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn refold_options_set_ca_file(options: *mut refold_options, path: *const c_char) {
    // SAFETY: from C, as the header demands it.
    unsafe { set(options, |options| options.set_ca_file(string_in(path))) }
}

/// Certificates to trust in addition to the default ones, as refold_options_set_ca_file(), but from memory:
/// `length` bytes of PEM text at `pem`. Default, and after NULL: none.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn refold_options_set_ca_pem(
    options: *mut refold_options,
    pem: *const c_char,
    length: usize,
) {
    // SAFETY: from C, as the header demands it. A length that cannot be leaves an empty text, which is
    // reported.
    unsafe {
        set(options, |options| options.set_ca_pem(bytes_in(pem, length).or((!pem.is_null()).then_some(b""))))
    }
}

/// What your program calls itself, such as "monitor/2.1". Default, and after NULL: nothing.
///
/// It stands in the header field User-Agent, before the library's own name and version. No control characters,
/// at most 1,024 bytes.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn refold_options_set_user_agent(options: *mut refold_options, product: *const c_char) {
    // SAFETY: from C, as the header demands it.
    unsafe { set(options, |options| options.set_user_agent(string_in(product))) }
}

/// Whether a base URL with http is accepted for every host, and with a proxy on every host. Default: false,
/// only for loopback hosts.
///
/// The key or token and all answers then travel in clear text, for everybody on the way to read and to
/// change.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn refold_options_set_allow_plaintext(options: *mut refold_options, allow: CBool) {
    // SAFETY: from C, as the header demands it.
    unsafe { set(options, |options| options.set_allow_plaintext(allow.holds())) }
}
