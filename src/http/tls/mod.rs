//! TLS: the trusted roots, the settings of a client, sessions, and explanations of failed handshakes.
//!
//! Of `http`, it may use only the socket, its buffers, its failures, and URLs.

mod explain;
mod roots;
pub mod session;

use std::sync::Arc;

use rustls::crypto::ring;
use rustls::pki_types::{IpAddr, ServerName};
use rustls::{ClientConfig, RootCertStore};

use crate::error::message::connect as message;
use crate::http::url::Host;

pub use roots::roots;

/// The settings of TLS 1.2 and 1.3 with these roots.
pub fn client_config(roots: &Arc<RootCertStore>) -> Result<Arc<ClientConfig>, String> {
    let config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .map_err(|error| error.to_string())?
        .with_root_certificates(roots.clone())
        .with_no_client_auth();
    Ok(Arc::new(config))
}

/// The name that the certificate of the server must contain.
pub fn server_name(host: &Host) -> Result<ServerName<'static>, String> {
    match host {
        Host::Address(address) => Ok(ServerName::IpAddress(IpAddr::from(*address))),
        Host::Name(name) => ServerName::try_from(name.trim_end_matches('.').to_string())
            .map_err(|_| message::not_a_server_name(name)),
    }
}
