//! What a caller may set, as it was set, and the configuration that comes of it once all of it was checked.

use std::sync::Arc;
use std::time::Duration;

use crate::error::Error;
use crate::http::config::HttpConfig;
use crate::http::credentials::Credentials;
use crate::http::proxy::Proxy;
use crate::http::tls;
use crate::http::url::BaseUrl;
use crate::secret::Secret;
use crate::sys::env::env_var;

/// The largest answer that is accepted where nothing else is set.
pub const DEFAULT_MAX_RESPONSE_BYTES: u64 = 256 << 20;

const DEFAULT_BASE_URL: &str = "https://app.refold.ai";
const SHORTEST_POLL_INTERVAL_MS: u64 = 10;
/// Longer ones would not fit the header limits of common servers.
const LONGEST_USER_AGENT: usize = 1024;

/// Everything that can be set. Values are kept as they came: [`Options::check`] judges them all at once.
#[derive(Debug, Clone)]
pub struct Options {
    api_key: Option<Secret>,
    linked_account_id: Option<Secret>,
    session_token: Option<Secret>,
    base_url: Option<Vec<u8>>,
    timeout_ms: u64,
    connect_timeout_ms: u64,
    max_retries: u32,
    max_response_bytes: u64,
    poll_interval_ms: u64,
    /// May hold a password.
    proxy: Option<Secret>,
    ca_file: Option<Vec<u8>>,
    ca_pem: Option<Vec<u8>>,
    user_agent: Option<Vec<u8>>,
    allow_plaintext: bool,
}

impl Default for Options {
    fn default() -> Options {
        Options {
            api_key: None,
            linked_account_id: None,
            session_token: None,
            base_url: None,
            timeout_ms: 30_000,
            connect_timeout_ms: 10_000,
            max_retries: 2,
            max_response_bytes: DEFAULT_MAX_RESPONSE_BYTES,
            poll_interval_ms: 1_000,
            proxy: None,
            ca_file: None,
            ca_pem: None,
            user_agent: None,
            allow_plaintext: false,
        }
    }
}

impl Options {
    /// The defaults.
    pub fn new() -> Options {
        Options::default()
    }

    /// The defaults, with credentials and base URL from the environment. Empty variables count as absent.
    pub fn from_env() -> Options {
        let secret = |name| env_var(name).map(|value| Secret::new(&value));
        Options {
            api_key: secret("REFOLD_API_KEY"),
            linked_account_id: secret("REFOLD_LINKED_ACCOUNT_ID"),
            session_token: secret("REFOLD_SESSION_TOKEN"),
            base_url: env_var("REFOLD_BASE_URL").map(|url| url.to_vec()),
            ..Options::default()
        }
    }

    /// The organisation's key, and the account it acts for. Both absent: takes them back.
    pub fn set_api_key(&mut self, api_key: Option<&[u8]>, linked_account_id: Option<&[u8]>) {
        self.api_key = api_key.map(Secret::new);
        self.linked_account_id = linked_account_id.map(Secret::new);
    }

    /// The session token.
    pub fn set_session_token(&mut self, token: Option<&[u8]>) {
        self.session_token = token.map(Secret::new);
    }

    /// Where the API is.
    pub fn set_base_url(&mut self, url: Option<&[u8]>) {
        self.base_url = url.map(<[u8]>::to_vec);
    }

    /// The limit of a whole call; 0: none.
    pub fn set_timeout_ms(&mut self, milliseconds: u64) {
        self.timeout_ms = milliseconds;
    }

    /// The limit of making one connection; 0: none.
    pub fn set_connect_timeout_ms(&mut self, milliseconds: u64) {
        self.connect_timeout_ms = milliseconds;
    }

    /// How often a call tries again.
    pub fn set_max_retries(&mut self, retries: u32) {
        self.max_retries = retries;
    }

    /// The largest body, after decompression; 0: no limit.
    pub fn set_max_response_bytes(&mut self, bytes: u64) {
        self.max_response_bytes = bytes;
    }

    /// The first pause between two polls.
    pub fn set_poll_interval_ms(&mut self, milliseconds: u64) {
        self.poll_interval_ms = milliseconds;
    }

    /// The proxy. Absent: from the environment; empty: none.
    pub fn set_proxy(&mut self, url: Option<&[u8]>) {
        self.proxy = url.map(Secret::new);
    }

    /// A file of further trusted certificates.
    pub fn set_ca_file(&mut self, path: Option<&[u8]>) {
        self.ca_file = path.map(<[u8]>::to_vec);
    }

    /// Further trusted certificates, as text.
    pub fn set_ca_pem(&mut self, pem: Option<&[u8]>) {
        self.ca_pem = pem.map(<[u8]>::to_vec);
    }

    /// What the User-Agent begins with.
    pub fn set_user_agent(&mut self, product: Option<&[u8]>) {
        self.user_agent = product.map(<[u8]>::to_vec);
    }

    /// Whether credentials may travel unencrypted to other hosts than this one.
    pub fn set_allow_plaintext(&mut self, allow: bool) {
        self.allow_plaintext = allow;
    }

    /// Checks everything, and reads the environment for what was left to it: proxies and roots.
    pub(crate) fn check(&self) -> Result<Configuration, Error> {
        let base = self.checked_base_url().map_err(Error::invalid_argument)?;
        let max_response_bytes =
            if self.max_response_bytes == 0 { u64::MAX } else { self.max_response_bytes };
        Ok(Configuration {
            credentials: Arc::new(self.credentials().map_err(Error::invalid_argument)?),
            max_retries: self.max_retries,
            poll_interval: self.checked_poll_interval().map_err(Error::invalid_argument)?,
            http: HttpConfig {
                timeout: milliseconds(self.timeout_ms),
                connect_timeout: milliseconds(self.connect_timeout_ms),
                max_response_bytes,
                user_agent: self.checked_user_agent().map_err(Error::invalid_argument)?,
                proxy: self.checked_proxy(&base).map_err(Error::invalid_argument)?,
                roots: tls::roots(&base, self.ca_file.as_deref(), self.ca_pem.as_deref())?,
                base,
            },
        })
    }

    fn checked_base_url(&self) -> Result<BaseUrl, String> {
        match &self.base_url {
            Some(url) => BaseUrl::parse(utf8("base_url", url)?, self.allow_plaintext),
            None => BaseUrl::parse(DEFAULT_BASE_URL, false),
        }
    }

    fn checked_poll_interval(&self) -> Result<Duration, String> {
        match self.poll_interval_ms {
            ..SHORTEST_POLL_INTERVAL_MS => {
                Err(format!("poll_interval_ms must be at least {SHORTEST_POLL_INTERVAL_MS}"))
            }
            interval => Ok(Duration::from_millis(interval)),
        }
    }

    fn checked_proxy(&self, base: &BaseUrl) -> Result<Option<Proxy>, String> {
        let url = match &self.proxy {
            None => return Proxy::from_environment(base),
            Some(url) if url.bytes().is_empty() => return Ok(None),
            Some(url) => utf8("proxy", url.bytes())?,
        };
        let proxy = Proxy::parse(url).map_err(|why| format!("proxy {why}"))?;
        if !base.secure && !self.allow_plaintext && !proxy.host.is_loopback() {
            return Err(
                "proxy must be on this host: a base_url with http would send it the credentials unencrypted \
                        (refold_options_set_allow_plaintext allows it)"
                    .into(),
            );
        }
        Ok(Some(proxy))
    }

    fn credentials(&self) -> Result<Credentials, String> {
        match (&self.api_key, &self.linked_account_id, &self.session_token) {
            (Some(key), Some(id), None) => Credentials::api_key(key.bytes(), id.bytes()),
            (None, None, Some(token)) => Credentials::session_token(token.bytes()),
            (None, None, None) => {
                Err("credentials are missing: set an api_key with its linked_account_id, or a session_token"
                    .into())
            }
            (None, Some(_), Some(_)) => {
                Err("linked_account_id and session_token are both set: a token names the account itself"
                    .into())
            }
            (Some(_), _, Some(_)) => Err(
                "api_key and session_token are both set: set one of them, and take the other back with NULL"
                    .into(),
            ),
            (Some(_), None, None) => Err("linked_account_id is missing: an api_key needs it".into()),
            (None, Some(_), None) => {
                Err("api_key is missing: a linked_account_id alone is not enough".into())
            }
        }
    }

    fn checked_user_agent(&self) -> Result<String, String> {
        let own = concat!("librefold/", env!("CARGO_PKG_VERSION"));
        let Some(product) = &self.user_agent else { return Ok(own.into()) };
        let product = utf8("user_agent", product)?;
        if product.chars().any(char::is_control) {
            return Err("user_agent must not hold control characters".into());
        }
        if product.len() > LONGEST_USER_AGENT {
            return Err(format!("user_agent must not be longer than {LONGEST_USER_AGENT} bytes"));
        }
        Ok(if product.is_empty() { own.into() } else { format!("{product} {own}") })
    }
}

/// Settings that were checked: none of them can be invalid.
#[derive(Debug)]
pub(crate) struct Configuration {
    pub credentials: Arc<Credentials>,
    pub max_retries: u32,
    pub poll_interval: Duration,
    pub http: HttpConfig,
}

/// 0: no limit.
pub(crate) fn milliseconds(milliseconds: u64) -> Option<Duration> {
    (milliseconds != 0).then(|| Duration::from_millis(milliseconds))
}

fn utf8<'a>(argument: &str, bytes: &'a [u8]) -> Result<&'a str, String> {
    std::str::from_utf8(bytes).map_err(|_| format!("{argument} is not valid UTF-8"))
}
