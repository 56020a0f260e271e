//! The settings of a caller, and the configuration that results from checking them.

use std::sync::Arc;
use std::time::Duration;

use crate::error::Error;
use crate::error::message::argument;
use crate::http::config::HttpConfig;
use crate::http::credentials::Credentials;
use crate::http::headers::FurtherHeaders;
use crate::http::proxy::Proxy;
use crate::http::request::RequestHeader;
use crate::http::tls;
use crate::http::url::BaseUrl;
use crate::log::{Level, Log, Sink, StandardError};
use crate::secret::Secret;
use crate::sys::env::env_var;

/// The default maximum size of a response, in bytes.
pub const DEFAULT_MAX_RESPONSE_BYTES: u64 = 256 << 20;

const DEFAULT_BASE_URL: &str = "https://app.refold.ai";
const MIN_POLL_INTERVAL_MS: u64 = 10;
/// Leaves enough for the other fields: common servers limit a request header to 4 or 8 KiB.
const MAX_USER_AGENT: usize = 1024;

/// Every setting, as the caller passed it. [`Options::check`] checks them all at once.
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
    /// A secret, because it may contain a password.
    proxy: Option<Secret>,
    ca_file: Option<Vec<u8>>,
    ca_pem: Option<Vec<u8>>,
    user_agent: Option<Vec<u8>>,
    allow_plaintext: bool,
    /// Names and values.
    headers: Vec<(Vec<u8>, Secret)>,
    /// The log, or why it is invalid.
    log: Result<Option<Log>, &'static str>,
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
            headers: Vec::new(),
            log: Ok(None),
        }
    }
}

/// For strings, `None` restores the default.
impl Options {
    /// The defaults.
    pub fn new() -> Options {
        Options::default()
    }

    /// The defaults, with credentials, base URL and log from the environment. Empty variables count as absent.
    pub fn from_env() -> Options {
        let secret = |name| env_var(name).map(|value| Secret::new(&value));
        Options {
            api_key: secret("REFOLD_API_KEY"),
            linked_account_id: secret("REFOLD_LINKED_ACCOUNT_ID"),
            session_token: secret("REFOLD_SESSION_TOKEN"),
            base_url: env_var("REFOLD_BASE_URL").map(|url| url.to_vec()),
            log: env_var("REFOLD_LOG").map_or(Ok(None), |level| log_of_name(&level)),
            ..Options::default()
        }
    }

    /// The API key of the organisation, and the linked account to act for.
    pub fn set_api_key(&mut self, api_key: Option<&[u8]>, linked_account_id: Option<&[u8]>) {
        self.api_key = api_key.map(Secret::new);
        self.linked_account_id = linked_account_id.map(Secret::new);
    }

    /// The session token, which identifies the account itself.
    pub fn set_session_token(&mut self, token: Option<&[u8]>) {
        self.session_token = token.map(Secret::new);
    }

    /// The URL of the API.
    pub fn set_base_url(&mut self, url: Option<&[u8]>) {
        self.base_url = url.map(<[u8]>::to_vec);
    }

    /// The timeout of a whole call, retries included. 0: none.
    pub fn set_timeout_ms(&mut self, milliseconds: u64) {
        self.timeout_ms = milliseconds;
    }

    /// The timeout for establishing one connection. 0: none.
    pub fn set_connect_timeout_ms(&mut self, milliseconds: u64) {
        self.connect_timeout_ms = milliseconds;
    }

    /// The maximum number of retries of a call after transient failures.
    pub fn set_max_retries(&mut self, retries: u32) {
        self.max_retries = retries;
    }

    /// The maximum size of a body after decompression, in bytes. 0: no limit.
    pub fn set_max_response_bytes(&mut self, bytes: u64) {
        self.max_response_bytes = bytes;
    }

    /// The first pause between two polls.
    pub fn set_poll_interval_ms(&mut self, milliseconds: u64) {
        self.poll_interval_ms = milliseconds;
    }

    /// The proxy. `None` reads it from the environment; an empty URL disables it.
    pub fn set_proxy(&mut self, url: Option<&[u8]>) {
        self.proxy = url.map(Secret::new);
    }

    /// A PEM file of certificates to trust in addition to the default ones.
    pub fn set_ca_file(&mut self, path: Option<&[u8]>) {
        self.ca_file = path.map(<[u8]>::to_vec);
    }

    /// Certificates to trust in addition to the default ones, as PEM text.
    pub fn set_ca_pem(&mut self, pem: Option<&[u8]>) {
        self.ca_pem = pem.map(<[u8]>::to_vec);
    }

    /// The product name at the start of the User-Agent.
    pub fn set_user_agent(&mut self, product: Option<&[u8]>) {
        self.user_agent = product.map(<[u8]>::to_vec);
    }

    /// Whether credentials may be sent unencrypted to hosts other than this one.
    pub fn set_allow_plaintext(&mut self, allow: bool) {
        self.allow_plaintext = allow;
    }

    /// Sets a further header field. It replaces one of the same name, in any case of letters. `None` as the value removes
    /// it; `None` as both removes all.
    pub fn set_header(&mut self, name: Option<&[u8]>, value: Option<&[u8]>) {
        if name.is_none() && value.is_none() {
            self.headers.clear();
        }
        let name = name.unwrap_or_default();
        self.headers.retain(|(set, _)| !set.eq_ignore_ascii_case(name));
        self.headers.extend(value.map(|value| (name.to_vec(), Secret::new(value))));
    }

    /// The log: a level by its number, 0 for none, and where lines go, `None` for no log.
    pub fn set_log(&mut self, level: i32, sink: Option<Arc<dyn Sink>>) {
        self.log = match Level::from_raw(level) {
            Some(level) => Ok(sink.map(|sink| Log::new(level, sink))),
            None if level == 0 => Ok(None),
            None => Err(argument::INVALID_LOG_LEVEL),
        };
    }

    /// Checks all settings. Reads the environment for those that default to it: the proxy and the trusted roots.
    pub(crate) fn check(&self) -> Result<Configuration, Error> {
        let base = self.check_base_url().map_err(Error::invalid_argument)?;
        let max_response_bytes =
            if self.max_response_bytes == 0 { u64::MAX } else { self.max_response_bytes };
        Ok(Configuration {
            credentials: Arc::new(self.check_credentials().map_err(Error::invalid_argument)?),
            max_retries: self.max_retries,
            poll_interval: self.check_poll_interval().map_err(Error::invalid_argument)?,
            log: self.log.clone().map_err(Error::invalid_argument)?,
            timeout: timeout_from_ms(self.timeout_ms),
            http: HttpConfig {
                connect_timeout: timeout_from_ms(self.connect_timeout_ms),
                max_response_bytes,
                header: Arc::new(self.check_header().map_err(Error::invalid_argument)?),
                proxy: self.check_proxy(&base).map_err(Error::invalid_argument)?,
                roots: tls::roots(&base, self.ca_file.as_deref(), self.ca_pem.as_deref())?,
                base,
            },
        })
    }

    fn check_base_url(&self) -> Result<BaseUrl, String> {
        match &self.base_url {
            Some(url) => BaseUrl::parse(utf8("base_url", url)?, self.allow_plaintext),
            None => BaseUrl::parse(DEFAULT_BASE_URL, false),
        }
    }

    fn check_credentials(&self) -> Result<Credentials, String> {
        match (&self.api_key, &self.linked_account_id, &self.session_token) {
            (Some(key), Some(id), None) => Credentials::api_key(key.bytes(), id.bytes()),
            (None, None, Some(token)) => Credentials::session_token(token.bytes()),
            (None, None, None) => Err(argument::NO_CREDENTIALS.into()),
            (Some(_), _, Some(_)) => Err(argument::API_KEY_AND_SESSION_TOKEN.into()),
            (None, Some(_), Some(_)) => Err(argument::LINKED_ACCOUNT_AND_SESSION_TOKEN.into()),
            (Some(_), None, None) => Err(argument::NO_LINKED_ACCOUNT_ID.into()),
            (None, Some(_), None) => Err(argument::NO_API_KEY.into()),
        }
    }

    fn check_poll_interval(&self) -> Result<Duration, String> {
        match self.poll_interval_ms {
            ..MIN_POLL_INTERVAL_MS => Err(argument::poll_interval_too_short(MIN_POLL_INTERVAL_MS)),
            interval => Ok(Duration::from_millis(interval)),
        }
    }

    fn check_header(&self) -> Result<RequestHeader, String> {
        let fields = self.headers.iter().map(|(name, value)| (name.as_slice(), value));
        Ok(RequestHeader::new(&self.check_user_agent()?, FurtherHeaders::check(fields)?))
    }

    fn check_user_agent(&self) -> Result<String, String> {
        let own = concat!("librefold/", env!("CARGO_PKG_VERSION"));
        let Some(product) = &self.user_agent else { return Ok(own.into()) };
        let product = utf8("user_agent", product)?;
        if product.chars().any(char::is_control) {
            return Err(argument::USER_AGENT_HAS_CONTROL.into());
        }
        if product.len() > MAX_USER_AGENT {
            return Err(argument::user_agent_too_long(MAX_USER_AGENT));
        }
        Ok(if product.is_empty() { own.into() } else { format!("{product} {own}") })
    }

    fn check_proxy(&self, base: &BaseUrl) -> Result<Option<Proxy>, String> {
        let url = match &self.proxy {
            None => return Proxy::from_environment(base),
            Some(url) if url.bytes().is_empty() => return Ok(None),
            Some(url) => utf8("proxy", url.bytes())?,
        };
        let proxy = Proxy::parse(url).map_err(|reason| argument::invalid_proxy("proxy", reason))?;
        if !base.secure && !self.allow_plaintext && !proxy.host.is_loopback() {
            return Err(argument::REMOTE_PROXY_FOR_PLAINTEXT.into());
        }
        Ok(Some(proxy))
    }
}

/// The log to standard error that a name of a level asks for.
fn log_of_name(name: &[u8]) -> Result<Option<Log>, &'static str> {
    match Level::from_name(name) {
        Some(level) => Ok(Some(Log::new(level, Arc::new(StandardError)))),
        None if name.eq_ignore_ascii_case(b"off") => Ok(None),
        None => Err(argument::INVALID_LOG_VARIABLE),
    }
}

/// Settings that have been checked: all of them are valid.
#[derive(Debug)]
pub(crate) struct Configuration {
    pub credentials: Arc<Credentials>,
    pub timeout: Option<Duration>,
    pub max_retries: u32,
    pub poll_interval: Duration,
    pub log: Option<Log>,
    pub http: HttpConfig,
}

/// Converts a timeout from C. 0: no timeout.
pub(crate) fn timeout_from_ms(milliseconds: u64) -> Option<Duration> {
    (milliseconds != 0).then(|| Duration::from_millis(milliseconds))
}

fn utf8<'a>(argument: &str, bytes: &'a [u8]) -> Result<&'a str, String> {
    std::str::from_utf8(bytes).map_err(|_| argument::invalid_utf8(argument))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn exactly_one_way_to_authenticate_is_accepted() {
        let (key, id, token) = (Some(&b"key"[..]), Some(&b"id"[..]), Some(&b"token"[..]));
        let cases = [
            (key, id, None, None),
            (None, None, token, None),
            (None, None, None, Some(argument::NO_CREDENTIALS)),
            (key, None, None, Some(argument::NO_LINKED_ACCOUNT_ID)),
            (None, id, None, Some(argument::NO_API_KEY)),
            (key, id, token, Some(argument::API_KEY_AND_SESSION_TOKEN)),
            (key, None, token, Some(argument::API_KEY_AND_SESSION_TOKEN)),
            (None, id, token, Some(argument::LINKED_ACCOUNT_AND_SESSION_TOKEN)),
        ];
        for (key, id, token, expected) in cases {
            let mut options = Options::new();
            options.set_api_key(Some(b"replaced"), Some(b"replaced"));
            options.set_api_key(key, id);
            options.set_session_token(token);
            assert_eq!(options.check_credentials().err().as_deref(), expected);
        }
    }

    #[test]
    fn minimum_poll_interval_is_accepted() {
        for (interval, is_accepted) in [(0, false), (9, false), (10, true), (u64::MAX, true)] {
            let mut options = Options::new();
            options.set_poll_interval_ms(interval);
            let expected = if is_accepted {
                Ok(Duration::from_millis(interval))
            } else {
                Err(argument::poll_interval_too_short(10))
            };
            assert_eq!(options.check_poll_interval(), expected, "{interval}");
        }
    }

    #[test]
    fn user_agent_ends_with_the_library() {
        let own = concat!("librefold/", env!("CARGO_PKG_VERSION"));
        let longest = "a".repeat(1024);
        for (product, expected) in [
            (None, Ok(own.to_string())),
            (Some(&b""[..]), Ok(own.to_string())),
            (Some(b"monitor/2.1"), Ok(format!("monitor/2.1 {own}"))),
            (Some(longest.as_bytes()), Ok(format!("{longest} {own}"))),
            (Some(&[b'a'; 1025]), Err(argument::user_agent_too_long(1024))),
            (Some(b"a\r\nb"), Err(argument::USER_AGENT_HAS_CONTROL.into())),
            (Some("a\u{85}".as_bytes()), Err(argument::USER_AGENT_HAS_CONTROL.into())),
            (Some(b"\xff"), Err(argument::invalid_utf8("user_agent"))),
        ] {
            let mut options = Options::new();
            options.set_user_agent(product);
            assert_eq!(options.check_user_agent(), expected, "{product:?}");
        }
    }

    #[test]
    fn headers_of_one_name_replace_each_other() {
        let sent = |options: &Options| -> Result<String, String> {
            let fields = options.headers.iter().map(|(name, value)| (name.as_slice(), value));
            FurtherHeaders::check(fields).map(|headers| String::from_utf8_lossy(headers.lines()).into())
        };
        let mut options = Options::new();
        options.set_header(Some(b"a"), Some(b"1"));
        options.set_header(Some(b"b"), Some(b"2"));
        options.set_header(Some(b"A"), Some(b"3"));
        assert_eq!(sent(&options), Ok("b: 2\r\nA: 3\r\n".into()));
        options.set_header(Some(b"B"), None);
        options.set_header(Some(b"c"), None);
        assert_eq!(sent(&options), Ok("A: 3\r\n".into()));
        for (name, value) in
            [(None, &b"1"[..]), (Some(&b"b d"[..]), b"1"), (Some(b"host"), b"1"), (Some(b"e"), b"\n")]
        {
            options.set_header(name, Some(value));
            assert!(sent(&options).is_err(), "{name:?}");
            options.set_header(name, (name == Some(b"e")).then_some(b"4"));
            if name.is_some() {
                assert!(sent(&options).is_ok(), "{name:?}");
            } else {
                assert_eq!(sent(&options), Ok("".into()));
            }
        }
    }

    #[test]
    fn log_is_that_of_the_last_setter() {
        struct Nowhere;
        impl Sink for Nowhere {
            fn write(&self, _: Level, _: &std::ffi::CStr) {}
        }
        let nowhere = || Some(Arc::new(Nowhere) as Arc<dyn Sink>);
        let mut options = Options::new();
        for (level, sink, expected) in [
            (0, nowhere(), Ok(false)),
            (1, nowhere(), Ok(true)),
            (3, nowhere(), Ok(true)),
            (4, nowhere(), Err(argument::INVALID_LOG_LEVEL)),
            (3, None, Ok(false)),
            (-1, None, Err(argument::INVALID_LOG_LEVEL)),
            (0, None, Ok(false)),
        ] {
            options.set_log(level, sink);
            assert_eq!(
                options.log.as_ref().map(Option::is_some).map_err(|error| *error),
                expected,
                "{level}"
            );
        }
        for (name, expected) in [
            ("warn", Ok(true)),
            ("INFO", Ok(true)),
            ("debug", Ok(true)),
            ("off", Ok(false)),
            ("trace", Err(argument::INVALID_LOG_VARIABLE)),
            ("3", Err(argument::INVALID_LOG_VARIABLE)),
        ] {
            assert_eq!(log_of_name(name.as_bytes()).map(|log| log.is_some()), expected, "{name}");
        }
    }

    #[test]
    fn plaintext_passes_through_local_proxies_alone() {
        for (base, proxy, allow_plaintext, is_accepted) in [
            ("http://127.0.0.1:1", "http://127.0.0.1:3128", false, true),
            ("http://127.0.0.1:1", "http://192.0.2.1:3128", false, false),
            ("http://127.0.0.1:1", "http://192.0.2.1:3128", true, true),
            ("https://192.0.2.2", "http://192.0.2.1:3128", false, true),
        ] {
            let mut options = Options::new();
            options.set_proxy(Some(proxy.as_bytes()));
            options.set_allow_plaintext(allow_plaintext);
            let result = options.check_proxy(&BaseUrl::parse(base, false).unwrap());
            let expected = (!is_accepted).then_some(argument::REMOTE_PROXY_FOR_PLAINTEXT);
            assert_eq!(result.err().as_deref(), expected, "{base} {proxy} {allow_plaintext}");
        }
    }

    #[test]
    fn zero_means_no_limit() {
        let mut options = Options::new();
        options.set_base_url(Some(b"http://127.0.0.1:1"));
        options.set_session_token(Some(b"token"));
        let Configuration { timeout, http, .. } = options.check().unwrap();
        assert_eq!(timeout, Some(Duration::from_secs(30)));
        assert_eq!(http.connect_timeout, Some(Duration::from_secs(10)));
        assert_eq!(http.max_response_bytes, 256 << 20);
        options.set_timeout_ms(0);
        options.set_connect_timeout_ms(0);
        options.set_max_response_bytes(0);
        let Configuration { timeout, http, .. } = options.check().unwrap();
        assert_eq!((timeout, http.connect_timeout, http.max_response_bytes), (None, None, u64::MAX));
    }
}
