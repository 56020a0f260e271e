//! What is wrong with an argument or a setting. Each sentence begins with its name.

// Any argument ------------------------------------------------------------------------------------------------------

/// A required argument is NULL.
pub fn is_null(argument: &str) -> String {
    format!("{argument} is NULL")
}

/// A string is not text.
pub fn not_utf8(argument: &str) -> String {
    format!("{argument} is not valid UTF-8")
}

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
