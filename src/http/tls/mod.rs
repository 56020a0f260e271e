//! TLS: the trusted roots, the settings of a client, sessions, and explanations of failed handshakes.
//!
//! Of `http`, it may use only the socket, its buffers, its failures, and URLs.

mod certificate;
mod explain;
mod roots;
pub mod session;
mod verifier;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use rustls::client::ResolvesClientCert;
use rustls::crypto::ring;
use rustls::pki_types::{IpAddr, ServerName};
use rustls::sign::CertifiedKey;
use rustls::{ClientConfig, RootCertStore, SignatureScheme};

use crate::error::message::connect as message;
use crate::http::url::Host;
use explain::explain;

pub use roots::roots;
use verifier::Verifier;

/// The settings of a client, and what it has learned about its server.
#[derive(Debug)]
pub struct TlsConfig {
    rustls: Arc<ClientConfig>,
    verifier: Arc<Verifier>,
    client_auth: Arc<ClientAuth>,
}

impl TlsConfig {
    /// Explains why a handshake on this thread has failed.
    fn explain(&self, error: &rustls::Error) -> String {
        let reason = self.verifier.take_reason();
        reason.unwrap_or_else(|| explain(error, self.asks_for_certificate()))
    }

    /// Whether the server has ever asked for a client certificate.
    fn asks_for_certificate(&self) -> bool {
        self.client_auth.is_requested.load(Ordering::Relaxed)
    }
}

/// The settings of TLS 1.2 and 1.3 with these roots.
pub fn client_config(roots: &Arc<RootCertStore>) -> Result<Arc<TlsConfig>, String> {
    let client_auth = Arc::new(ClientAuth::default());
    let provider = Arc::new(ring::default_provider());
    let verifier = Arc::new(Verifier::new(roots, provider.clone())?);
    let mut config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| error.to_string())?
        // It verifies exactly as rustls does by default.
        .dangerous()
        .with_custom_certificate_verifier(verifier.clone())
        .with_client_cert_resolver(client_auth.clone());
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(Arc::new(TlsConfig { rustls: Arc::new(config), verifier, client_auth }))
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
