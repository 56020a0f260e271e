//! Messages about arguments and settings. Each begins with the name of the argument or setting.

use std::ops::RangeInclusive;

// Any argument ------------------------------------------------------------------------------------------------------

/// A required argument is NULL.
pub fn is_null(argument: &str) -> String {
    format!("{argument} is NULL")
}

/// A string is not UTF-8.
pub fn invalid_utf8(argument: &str) -> String {
    format!("{argument} is not valid UTF-8")
}

/// The length of a buffer exceeds the maximum size of an object in memory.
pub const LENGTH_TOO_LARGE: &str = "length is larger than any object";

// Settings ----------------------------------------------------------------------------------------------------------

/// Neither an API key nor a session token is set.
pub const NO_CREDENTIALS: &str =
    "credentials are missing: set an api_key with its linked_account_id, or a session_token";

/// Both an API key and a session token are set.
pub const API_KEY_AND_SESSION_TOKEN: &str =
    "api_key and session_token are both set: set one of them, and reset the other with NULL";

/// A session token is set together with the account of an API key.
pub const LINKED_ACCOUNT_AND_SESSION_TOKEN: &str =
    "linked_account_id and session_token are both set: a token identifies the account itself";

/// An API key is set without an account.
pub const NO_LINKED_ACCOUNT_ID: &str = "linked_account_id is missing: an api_key needs it";

/// An account is set without an API key.
pub const NO_API_KEY: &str = "api_key is missing: a linked_account_id alone is not enough";

/// A session token was passed to a client that authenticates with an API key.
pub const CLIENT_HAS_API_KEY: &str = "session_token: this client was made with an api_key";

/// A queue was used in a child of the process that created it.
pub const QUEUE_OF_PARENT: &str = "queue: it belongs to the process that created it, of which this is a fork";

/// The number of calls that a queue may have in flight.
pub fn concurrency_out_of_range(range: &RangeInclusive<u32>) -> String {
    format!("max_concurrent must be from {} to {}, or 0 for the default", range.start(), range.end())
}

/// A proxy on another host would receive the credentials unencrypted.
pub const REMOTE_PROXY_FOR_PLAINTEXT: &str = "proxy must be on this host: a base_url with http \
     would send it the credentials unencrypted (refold_options_set_allow_plaintext allows it)";

/// The poll interval is below the minimum.
pub fn poll_interval_too_short(min_ms: u64) -> String {
    format!("poll_interval_ms must be at least {min_ms}")
}

/// The User-Agent is not a valid header value.
pub const USER_AGENT_HAS_CONTROL: &str = "user_agent must not contain control characters";

/// The User-Agent exceeds the limit.
pub fn user_agent_too_long(max_bytes: usize) -> String {
    format!("user_agent must not be longer than {max_bytes} bytes")
}

/// How messages refer to the name of a header field.
pub const HEADER_NAME: &str = "header: a name";

/// A header field has no name.
pub const EMPTY_HEADER_NAME: &str = "header: a name is NULL or empty";

/// How messages about the value of a header field begin. They do not show the value.
pub fn header(name: &str) -> String {
    format!("header {name}")
}

/// The name of a header field has other characters than those of a token. A colon may precede the value, which is not
/// shown.
pub fn invalid_header_name(name: &str) -> String {
    let name = name.split_inclusive(':').next().unwrap_or_default();
    let shown: String = name.chars().take(40).flat_map(char::escape_default).collect();
    format!("header: the name {shown} must have only letters, digits and !#$%&'*+-.^_`|~")
}

/// A header field that the library sets.
pub fn reserved_header(name: &str) -> String {
    format!("header {name}: the library or the connection sets this field")
}

/// The value of a header field has control characters.
pub fn control_in_header(name: &str) -> String {
    format!("header {name} must not contain control characters")
}

/// There are too many further header fields.
pub fn too_many_headers(max: usize) -> String {
    format!("header: no more than {max} further fields can be set")
}

/// The further header fields exceed the limit.
pub fn headers_too_long(max_kib: usize) -> String {
    format!("header: the further fields must not be longer than {max_kib} KiB together")
}

/// The level of the log is not a constant of the header.
pub const INVALID_LOG_LEVEL: &str = "log: the level must be a REFOLD_LOG_... constant, 0 to 3";

/// The variable REFOLD_LOG is not the name of a level.
pub const INVALID_LOG_VARIABLE: &str = "REFOLD_LOG in the environment must be off, warn, info or debug";

// URLs, proxies, credentials and certificates -----------------------------------------------------------------------

pub const BASE_URL_NOT_ASCII: &str =
    "base_url has characters other than ASCII: write an international host in punycode";
pub const BASE_URL_SCHEME: &str = "base_url must begin with https:// or http://";
pub const BASE_URL_QUERY: &str = "base_url must not have a query or a fragment";
pub const BASE_URL_USER: &str = "base_url must not have a user or a password";
pub const BASE_URL_AUTHORITY: &str = "base_url has no valid host, or a port that is not 1 to 65535";
pub const BASE_URL_PLAINTEXT: &str = "base_url must be https: http would send the credentials unencrypted \
                                      (refold_options_set_allow_plaintext allows it)";
pub const BASE_URL_PATH: &str = "base_url has a path with an empty or dot segment, a bad percent escape, \
                                 or a character that is not allowed there";

/// The base URL is refused for one of the reasons that name no setting.
pub fn invalid_base_url(reason: &str) -> String {
    format!("base_url: {reason}")
}

/// The limit is in bytes.
pub fn base_url_too_long(limit: usize) -> String {
    format!("base_url is longer than {limit} bytes")
}

/// The id has the wrong length or a character that is not allowed.
pub fn invalid_execution_id(max_length: usize) -> String {
    format!(
        "execution_id must be 1 to {max_length} characters of A-Z a-z 0-9 - _ . ~ : and not \".\" or \"..\""
    )
}

// Reasons to refuse a proxy URL. They follow the name of the argument or environment variable.
pub const PROXY_SCHEME: &str = "must begin with http://, socks5:// or socks5h://";
pub const PROXY_AUTHORITY: &str = "has no valid host, or a port that is not 1 to 65535";
pub const PROXY_LOGIN_DELIMITER: &str =
    "has a slash, backslash, ? or # in its user or password, which needs a percent escape";
pub const PROXY_LOGIN_LENGTH: &str = "needs a user and a password of 1 to 255 bytes each, or neither";
pub const PROXY_USER_COLON: &str =
    "has a user with a colon in it, which basic authentication cannot distinguish from the password";
pub const PROXY_LOGIN_ESCAPE: &str = "has a bad percent escape in its user or password";
pub const PROXY_LOGIN_CONTROL: &str = "has a control character in its user or password";

/// Names a proxy that an environment variable sets.
pub fn proxy_variable(name: &str) -> String {
    format!("{name} (a proxy)")
}

/// A proxy URL is refused for one of the reasons above.
pub fn invalid_proxy(argument: &str, reason: &str) -> String {
    format!("{argument} {reason}")
}

/// A credential is empty.
pub fn empty_credential(argument: &str) -> String {
    format!("{argument} is empty")
}

/// The length of a credential exceeds the limit.
pub fn credential_too_long(argument: &str, max_kibibytes: usize) -> String {
    format!("{argument} must not be longer than {max_kibibytes} KiB")
}

/// A credential has a space at its beginning or end.
pub fn padded_credential(argument: &str) -> String {
    format!("{argument} must not begin or end with a space, which HTTP does not preserve")
}

/// A credential has a control character.
pub fn control_in_credential(argument: &str) -> String {
    format!("{argument} must not have control characters, such as a line break")
}

/// An internal error: no credentials can be read in this child process.
pub const FORKED_DURING_REPLACEMENT: &str =
    "this process was forked while a session token was being set: make a new client in it";

/// The CA file is not a file, or too large.
pub fn unsuitable_ca_file(path: &str, max_mebibytes: u64) -> String {
    format!("ca_file {path:?} is not a regular file, or larger than {max_mebibytes} MiB")
}

/// The CA file cannot be opened or read.
pub fn unreadable_ca_file(path: &str, reason: &str) -> String {
    format!("ca_file {path:?} cannot be read: {reason}")
}

/// A file cannot be read because a resource is used up.
pub fn file_not_read(path: impl std::fmt::Display, resource: impl std::fmt::Display) -> String {
    format!("could not read {path}: {resource}")
}

/// The certificates of the CA file are refused for one of the reasons below.
pub fn invalid_ca_file(path: &str, reason: &str) -> String {
    format!("ca_file {path:?} {reason}")
}

/// The certificates of the CA text are refused for one of the reasons below.
pub fn invalid_ca_pem(reason: &str) -> String {
    format!("ca_pem {reason}")
}

pub const NO_CERTIFICATE: &str = "has no certificate in PEM format";
pub const UNREADABLE_PEM_BLOCK: &str = "has something that looks like a certificate and cannot be read";

/// The certificates are numbered from 1.
pub fn unreadable_certificate(number: usize) -> String {
    format!("has a certificate that cannot be read (number {number})")
}

/// The file of the environment variable cannot be read.
pub fn unusable_cert_file(path: &std::path::Path) -> String {
    format!("SSL_CERT_FILE ({}) is not a regular file that can be read", path.display())
}

/// The certificates of the file of the environment variable are refused for one of the reasons above.
pub fn invalid_cert_file(path: &std::path::Path, reason: &str) -> String {
    format!("SSL_CERT_FILE ({}) {reason}", path.display())
}

/// The directories of the environment variable have no certificate that can be used.
pub fn unusable_cert_dir(paths: &std::path::Path) -> String {
    let names = "files with names like 9d66eef0.0, as c_rehash creates them";
    format!("SSL_CERT_DIR ({}) has no usable certificate ({names})", paths.display())
}
