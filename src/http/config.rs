//! The settings of the HTTP layer.

use std::sync::Arc;
use std::time::Duration;

use rustls::RootCertStore;

use super::proxy::Proxy;
use super::request::RequestHeader;
use super::url::BaseUrl;

/// Settings that have been checked: all of them are valid.
#[derive(Debug)]
pub struct HttpConfig {
    /// The server.
    pub base: BaseUrl,
    /// The timeout for establishing one connection.
    pub connect_timeout: Option<Duration>,
    /// The maximum size of a body after decompression, in bytes.
    pub max_response_bytes: u64,
    /// Header lines of every request.
    pub header: Arc<RequestHeader>,
    /// The proxy, or `None` for direct connections.
    pub proxy: Option<Proxy>,
    /// The trusted certificates, or `None` if the base URL is plaintext.
    pub roots: Option<Arc<RootCertStore>>,
}
