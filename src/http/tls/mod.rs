//! TLS: the trusted roots, the settings of a client, sessions, and explanations of failed handshakes.
//!
//! Of `http`, it may use only the socket, its buffers, its failures, and URLs.

mod explain;
mod roots;
pub mod session;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use rustls::client::ResolvesClientCert;
use rustls::crypto::ring;
use rustls::pki_types::{IpAddr, ServerName};
use rustls::sign::CertifiedKey;
use rustls::{ClientConfig, RootCertStore, SignatureScheme};

use crate::error::message::connect as message;
use crate::http::url::Host;

pub use roots::roots;

/// The settings of a client, and what it has learned about its server.
#[derive(Debug)]
pub struct TlsConfig {
    rustls: Arc<ClientConfig>,
    client_auth: Arc<ClientAuth>,
}

impl TlsConfig {
    /// Whether the server has ever asked for a client certificate.
    fn asks_for_certificate(&self) -> bool {
        self.client_auth.is_requested.load(Ordering::Relaxed)
    }
}

/// The settings of TLS 1.2 and 1.3 with these roots.
pub fn client_config(roots: &Arc<RootCertStore>) -> Result<Arc<TlsConfig>, String> {
    let client_auth = Arc::new(ClientAuth::default());
    let config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .map_err(|error| error.to_string())?
        .with_root_certificates(roots.clone())
        .with_client_cert_resolver(client_auth.clone());
    Ok(Arc::new(TlsConfig { rustls: Arc::new(config), client_auth }))
}

/// Presents no client certificate, but records that the server asked for one. All sessions share it, because rustls
/// resumes no session of another one.
#[derive(Debug, Default)]
struct ClientAuth {
    is_requested: AtomicBool,
}

impl ResolvesClientCert for ClientAuth {
    fn resolve(&self, _: &[&[u8]], _: &[SignatureScheme]) -> Option<Arc<CertifiedKey>> {
        self.is_requested.store(true, Ordering::Relaxed);
        None
    }

    fn has_certs(&self) -> bool {
        false
    }
}

/// The name that the certificate of the server must contain.
pub fn server_name(host: &Host) -> Result<ServerName<'static>, String> {
    match host {
        Host::Address(address) => Ok(ServerName::IpAddress(IpAddr::from(*address))),
        Host::Name(name) => ServerName::try_from(name.trim_end_matches('.').to_string())
            .map_err(|_| message::not_a_server_name(name)),
    }
}
