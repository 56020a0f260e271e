//! `refold_options`: the settings of a client.

use std::ffi::{c_char, c_void};
use std::sync::Arc;

use super::guard::guard;
use super::handle::{Handle, as_mut, free, into_raw};
use super::log::{Callback, refold_log_level};
use super::string::{CBool, bytes_in, string_in};
use crate::log::Sink;
use crate::options::Options;

/// Settings for creating clients: credentials, base URL, limits and timeouts.
///
/// Created by refold_options_new() or refold_options_new_from_env(), freed by refold_options_free() at any
/// time: clients keep no reference to the options they were created from. Must not be used by several threads
/// at the same time.
pub struct refold_options {
    _opaque: [u8; 0],
}

impl Handle for refold_options {
    type Value = Options;
    type Owner = Box<Options>;
}

/// Changes options; ignores NULL.
///
/// # Safety
/// As for [`as_mut`], until this returns.
unsafe fn set(options: *mut refold_options, change: impl FnOnce(&mut Options)) {
    // SAFETY: the caller's promise.
    guard((), || unsafe { as_mut(options) }.map_or((), change));
}

/// Creates options with all settings at their defaults.
///
/// \return New options, to be freed with refold_options_free(). NULL only after an internal error.
#[unsafe(no_mangle)]
pub extern "C" fn refold_options_new() -> *mut refold_options {
    guard(std::ptr::null_mut(), || into_raw(Box::new(Options::new())))
}

/// Creates options with settings from the environment and all others at their defaults.
///
/// Reads REFOLD_API_KEY and REFOLD_LINKED_ACCOUNT_ID (see refold_options_set_api_key()), REFOLD_SESSION_TOKEN
/// (refold_options_set_session_token()), REFOLD_BASE_URL (refold_options_set_base_url()) and REFOLD_LOG. The
/// last is "warn", "info" or "debug" for a log of that level on standard error, a line `refold LEVEL message`
/// each, or "off". Lines that standard error cannot take at once are dropped. An empty variable counts as
/// unset. Set-uid and set-gid programs read none of them. As with getenv(), no other thread may modify the
/// environment meanwhile.
///
/// \return New options, to be freed with refold_options_free(). NULL only after an internal error.
#[unsafe(no_mangle)]
pub extern "C" fn refold_options_new_from_env() -> *mut refold_options {
    guard(std::ptr::null_mut(), || into_raw(Box::new(Options::from_env())))
}

/// Frees options and wipes their secrets. Does nothing if `options` is NULL.
///
/// Clients that were created from the options are not affected.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn refold_options_free(options: *mut refold_options) {
    // SAFETY: the header's contract with C.
    unsafe { free(options) }
}

/// Sets the API key of the organisation and the linked account to act for.
///
/// Both must be non-empty UTF-8 of at most 8 KiB, without control characters and without leading or trailing
/// blanks. Production keys begin with "pk", test keys with "tk". They are sent in the header fields x-api-key
/// and linked_account_id. Some gateways drop field names that contain an underscore unless configured
/// otherwise (nginx: underscores_in_headers on).
///
/// A client needs exactly one method of authentication: this one or refold_options_set_session_token().
///
/// \param api_key            The API key. Pass NULL for both parameters to remove the key.
/// \param linked_account_id  The id of the linked account.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn refold_options_set_api_key(
    options: *mut refold_options,
    api_key: *const c_char,
    linked_account_id: *const c_char,
) {
    // SAFETY: the header's contract with C.
    unsafe { set(options, |options| options.set_api_key(string_in(api_key), string_in(linked_account_id))) }
}

/// Sets a session token, which itself identifies the linked account.
///
/// It must be non-empty UTF-8 of at most 8 KiB, without control characters and without leading or trailing
/// blanks. Tokens expire; replace the token of a client with refold_client_set_session_token().
///
/// \param session_token  The token, or NULL to remove it.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn refold_options_set_session_token(
    options: *mut refold_options,
    session_token: *const c_char,
) {
    // SAFETY: the header's contract with C.
    unsafe { set(options, |options| options.set_session_token(string_in(session_token))) }
}

/// Sets the base URL of the API.
///
/// Must be an https URL. An http URL is accepted for a loopback host (localhost, 127.0.0.0/8, [::1]), and for
/// other hosts only if refold_options_set_allow_plaintext() permits it. The URL may contain a port (1 to
/// 65535) and a path prefix, with or without a trailing slash. It must not contain a user name, a query, a
/// fragment, or a path segment that is empty, "." or "..", and must not exceed 2,000 bytes. Pass a non-ASCII
/// host name as punycode.
///
/// \param base_url  The URL, or NULL for the default: "https://app.refold.ai".
#[unsafe(no_mangle)]
pub unsafe extern "C" fn refold_options_set_base_url(options: *mut refold_options, base_url: *const c_char) {
    // SAFETY: the header's contract with C.
    unsafe { set(options, |options| options.set_base_url(string_in(base_url))) }
}

/// Sets the timeout of a call.
///
/// It covers everything that the caller waits for: name resolution, connecting, TLS, sending, every byte of
/// the response, retries and the pauses between them. When it expires, the call fails with
/// REFOLD_ERROR_TIMEOUT within 100 ms, however slowly the server sends.
///
/// \param milliseconds  The timeout; 0 for none. Default: 30,000.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn refold_options_set_timeout_ms(options: *mut refold_options, milliseconds: u64) {
    // SAFETY: the header's contract with C.
    unsafe { set(options, |options| options.set_timeout_ms(milliseconds)) }
}

/// Sets the timeout of each connection attempt.
///
/// It covers name resolution, connecting, the proxy and TLS together. When it expires, the attempt fails with
/// REFOLD_ERROR_CONNECT, which is retried.
///
/// \param milliseconds  The timeout; 0 for no limit other than the timeout of the call. Default: 10,000.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn refold_options_set_connect_timeout_ms(
    options: *mut refold_options,
    milliseconds: u64,
) {
    // SAFETY: the header's contract with C.
    unsafe { set(options, |options| options.set_connect_timeout_ms(milliseconds)) }
}

/// Sets the maximum number of retries of a call after transient failures.
///
/// The following failures are retried: no connection, a connection lost before the response was complete, a
/// 2xx response whose JSON or gzip stream ends too early, a temporary failure of a name lookup, and the HTTP
/// statuses 408, 429, 500, 502, 503 and 504. A proxy that requires other credentials or responds with any
/// other status is not retried.
///
/// If the server closes an idle connection, the request is resent on a new one. This is not a retry, even if
/// the server sends a 408 as it closes the connection.
///
/// The pauses are 1 s, 2 s, 4 s and so on, each shortened at random by up to one half, or the server's
/// Retry-After. If a pause would exceed the timeout of the call, or Retry-After exceeds 60 s, the call returns
/// the last failure at once.
///
/// \param max_retries  The number of retries; 0 for none. Default: 2, which makes three attempts in all.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn refold_options_set_max_retries(options: *mut refold_options, max_retries: u32) {
    // SAFETY: the header's contract with C.
    unsafe { set(options, |options| options.set_max_retries(max_retries)) }
}

/// Sets the maximum size of a response body after decompression.
///
/// A call whose response exceeds the limit fails with REFOLD_ERROR_RESPONSE_TOO_LARGE as soon as the limit is
/// passed, and uses no more memory than the limit. The same limit applies to the memory for nodes, 256 bytes
/// each, however short their text.
///
/// \param bytes  The limit; 0 for none. Default: 268,435,456 (256 MiB).
#[unsafe(no_mangle)]
pub unsafe extern "C" fn refold_options_set_max_response_bytes(options: *mut refold_options, bytes: u64) {
    // SAFETY: the header's contract with C.
    unsafe { set(options, |options| options.set_max_response_bytes(bytes)) }
}

/// Sets the interval between two polls of refold_wait_execution().
///
/// While responses stay the same, each pause is half as long again as the one before it. A change resets it to
/// the interval. Each consecutive failed poll doubles it, until a poll succeeds. Neither makes it longer than
/// ten times the interval.
///
/// \param milliseconds  The interval, at least 10. Default: 1,000.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn refold_options_set_poll_interval_ms(
    options: *mut refold_options,
    milliseconds: u64,
) {
    // SAFETY: the header's contract with C.
    unsafe { set(options, |options| options.set_poll_interval_ms(milliseconds)) }
}

/// Sets the proxy.
///
/// Takes a URL of the form http://host:port, socks5://host:port (the library resolves the server's name) or
/// socks5h://host:port (the proxy does), which may also be written socks://host:port. Credentials go before
/// the host as user:password@, percent-encoded: %40 for @. The default port is 80 for http and 1080 for the
/// others.
///
/// By default the proxy comes from the environment: HTTPS_PROXY, or else ALL_PROXY, except for the hosts in
/// NO_PROXY. The variables are read in upper and lower case. An http base URL uses none of them.
///
/// \param url  The URL; "" for no proxy, or NULL for the default.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn refold_options_set_proxy(options: *mut refold_options, url: *const c_char) {
    // SAFETY: the header's contract with C.
    unsafe { set(options, |options| options.set_proxy(string_in(url))) }
}

/// Sets a file of certificates (PEM) to trust in addition to the default roots.
///
/// refold_client_new() reads the file. It must be a regular file that contains at least one certificate and
/// none that cannot be parsed; byte order marks are ignored. The same applies to the file of SSL_CERT_FILE.
///
/// \param path  The path of the file, or NULL for the default: none.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn refold_options_set_ca_file(options: *mut refold_options, path: *const c_char) {
    // SAFETY: the header's contract with C.
    unsafe { set(options, |options| options.set_ca_file(string_in(path))) }
}

/// Sets certificates (PEM) in memory to trust in addition to the default roots.
///
/// The text must meet the same requirements as the file for refold_options_set_ca_file().
///
/// \param pem     The PEM text, or NULL for the default: none.
/// \param length  The length of the text in bytes.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn refold_options_set_ca_pem(
    options: *mut refold_options,
    pem: *const c_char,
    length: usize,
) {
    // SAFETY: the header's contract with C. An impossible length becomes an empty text, which is reported.
    unsafe {
        set(options, |options| options.set_ca_pem(bytes_in(pem, length).or((!pem.is_null()).then_some(b""))))
    }
}

/// Sets the name and version of your program, such as "monitor/2.1".
///
/// It precedes the library's own name and version in the header field User-Agent.
///
/// \param product  At most 1,024 bytes without control characters, or NULL for the default: none.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn refold_options_set_user_agent(options: *mut refold_options, product: *const c_char) {
    // SAFETY: the header's contract with C.
    unsafe { set(options, |options| options.set_user_agent(string_in(product))) }
}

/// Sets whether an http base URL, and a proxy for it, may be on a host other than loopback.
///
/// Credentials and responses then travel unencrypted: anyone on the network path can read and modify them.
///
/// \param allow  Default: false.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn refold_options_set_allow_plaintext(options: *mut refold_options, allow: CBool) {
    // SAFETY: the header's contract with C.
    unsafe { set(options, |options| options.set_allow_plaintext(allow.is_true())) }
}

/// Sets a further header field, which each request to the server carries after the library's own.
///
/// A field of the same name, in any case of letters, is replaced. At most 32 fields of 8 KiB together can be
/// set. Fields that the library or the connection sets are refused: host, content-length, transfer-encoding,
/// connection, te, trailer, upgrade, expect, accept, accept-encoding, user-agent, authorization,
/// proxy-authorization, x-api-key and linked_account_id. A proxy that opens a tunnel does not receive them.
///
/// Values are secrets: they are wiped like an API key, and redacted where a server echoes one, unless it is
/// shorter than four bytes.
///
/// \param name   The name: letters, digits, hyphens, and the other characters of a token (RFC 9110, 5.6.2).
///               NULL, with a NULL value, removes all fields.
/// \param value  The value, without control characters except for tabs, or NULL to remove the field. Blanks
///               around it are not sent.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn refold_options_set_header(
    options: *mut refold_options,
    name: *const c_char,
    value: *const c_char,
) {
    // SAFETY: the header's contract with C.
    unsafe { set(options, |options| options.set_header(string_in(name), string_in(value))) }
}

/// Called with each line of the log, on the thread that makes the call, and on several threads at once.
///
/// The time it takes is added to that of the call, and no timeout or token interrupts it. It may call any
/// function of this header except refold_client_free() for the same client; calls that it makes itself are
/// not logged. It must return normally: no exception, longjmp() or pthread_exit().
///
/// \param level      The level of the line.
/// \param message    One line of UTF-8, at most 1,023 bytes. It is safe for a terminal: control characters,
///                   line separators and controls of the direction of text are replaced by `?`. It is
///                   borrowed until the function returns. It contains no secret: neither an API key, a
///                   token, a proxy password, nor the value of a field set by refold_options_set_header().
/// \param user_data  The pointer that was passed to refold_options_set_log().
pub type refold_log_fn =
    Option<unsafe extern "C" fn(level: refold_log_level, message: *const c_char, user_data: *mut c_void)>;

/// Sets a function that receives the log: what calls do, for people who look for the cause of a failure or a
/// delay.
///
/// The introduction of this header explains the lines. They never contain a secret. Without a log, a call
/// spends no time on it.
///
/// \param level       The level; REFOLD_LOG_OFF for no log. Default: that of REFOLD_LOG for options from the
///                    environment, otherwise REFOLD_LOG_OFF.
/// \param on_message  The function, or NULL for no log.
/// \param user_data   Passed to the function unchanged. It must remain valid, and the function loaded, until
///                    every client made from the options is freed and none of its calls is running.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn refold_options_set_log(
    options: *mut refold_options,
    level: refold_log_level,
    on_message: refold_log_fn,
    user_data: *mut c_void,
) {
    let callback = Callback::new(on_message, user_data).map(|callback| Arc::new(callback) as Arc<dyn Sink>);
    // SAFETY: the header's contract with C.
    unsafe { set(options, |options| options.set_log(level, callback)) }
}
