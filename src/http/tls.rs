//! Whom to trust, and what to say where trust is not to be had.

use std::path::Path;
use std::sync::Arc;

use rustls::crypto::ring;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, IpAddr, ServerName};
use rustls::{AlertDescription, CertificateError, ClientConfig, InvalidMessage, RootCertStore};
use rustls_native_certs::{CertificateResult, load_certs_from_paths, load_native_certs};

use super::transport::{environment, is_privileged};
use super::url::{BaseUrl, Host};

/// Where systems keep their roots, for programs that must not be steered by their environment.
const SYSTEM_BUNDLES: [&str; 6] = [
    "/etc/ssl/certs/ca-certificates.crt",
    "/etc/pki/ca-trust/extracted/pem/tls-ca-bundle.pem",
    "/etc/pki/tls/certs/ca-bundle.crt",
    "/etc/ssl/ca-bundle.pem",
    "/etc/ssl/cert.pem",
    "/usr/local/share/certs/ca-root-nss.crt",
];

/// The system's roots, or what SSL_CERT_FILE and SSL_CERT_DIR name instead, bundled ones where the system has none;
/// and what the caller adds. All of it is checked for plaintext, too, where it is `None` in the end.
pub fn roots(
    base: &BaseUrl,
    ca_file: Option<&[u8]>,
    ca_pem: Option<&[u8]>,
) -> Result<Option<Arc<RootCertStore>>, String> {
    let named = roots_named_by_environment()?;
    let mut added = RootCertStore::empty();
    if let Some(path) = ca_file {
        let path = std::str::from_utf8(path).map_err(|_| "ca_file is not valid UTF-8")?;
        let pem = std::fs::read(path)
            .map_err(|error| format!("ca_file {path:?} cannot be read: {}", error.kind()))?;
        add_all(&mut added, &pem).map_err(|why| format!("ca_file {path:?} {why}"))?;
    }
    if let Some(pem) = ca_pem {
        add_all(&mut added, pem).map_err(|why| format!("ca_pem {why}"))?;
    }
    if !base.secure {
        return Ok(None);
    }
    let mut roots = named.unwrap_or_else(roots_of_system);
    roots.roots.append(&mut added.roots);
    Ok(Some(Arc::new(roots)))
}

/// Every certificate of a PEM text; junk is refused rather than skipped.
fn add_all(roots: &mut RootCertStore, pem: &[u8]) -> Result<(), String> {
    let mut count = 0;
    for certificate in CertificateDer::pem_slice_iter(pem) {
        count += 1;
        let added = certificate.ok().and_then(|certificate| roots.add(certificate).ok());
        added.ok_or_else(|| format!("holds a certificate that cannot be read (number {count})"))?;
    }
    if count == 0 { Err("holds no certificate in PEM form".into()) } else { Ok(()) }
}

/// `None`: the environment names none.
fn roots_named_by_environment() -> Result<Option<RootCertStore>, String> {
    let file = environment("SSL_CERT_FILE");
    let directories = environment("SSL_CERT_DIR");
    if file.is_none() && directories.is_none() {
        return Ok(None);
    }
    let mut roots = RootCertStore::empty();
    if let Some(file) = file {
        let path = path(&file);
        add_usable(&mut roots, load_certs_from_paths(Some(path), None))
            .ok_or_else(|| format!("SSL_CERT_FILE ({}) holds no usable certificate", path.display()))?;
    }
    if let Some(directories) = directories {
        let all: Vec<_> =
            std::env::split_paths(path(&directories)).filter(|path| !path.as_os_str().is_empty()).collect();
        let mut usable =
            all.iter().map(|directory| add_usable(&mut roots, load_certs_from_paths(None, Some(directory))));
        // Every one is looked at: those that hold nothing do no harm beside one that does.
        if usable.by_ref().filter(Option::is_some).count() == 0 {
            let shown = path(&directories).display();
            return Err(format!(
                "SSL_CERT_DIR ({shown}) holds no usable certificate (files named HASH.N, as by c_rehash)"
            ));
        }
    }
    Ok(Some(roots))
}

/// `None`: there was none among them.
fn add_usable(roots: &mut RootCertStore, loaded: CertificateResult) -> Option<()> {
    let (added, _ignored) = roots.add_parsable_certificates(loaded.certs);
    (added > 0).then_some(())
}

fn roots_of_system() -> RootCertStore {
    let mut roots = RootCertStore::empty();
    if is_privileged() {
        let files = SYSTEM_BUNDLES.iter().map(|file| load_certs_from_paths(Some(Path::new(file)), None));
        let _ = files.into_iter().find_map(|loaded| add_usable(&mut roots, loaded));
    } else {
        add_usable(&mut roots, load_native_certs());
    }
    if roots.is_empty() {
        roots.extend(webpki_roots::TLS_SERVER_ROOTS.iter().cloned());
    }
    roots
}

fn path(bytes: &[u8]) -> &Path {
    #[cfg(unix)]
    return Path::new(<std::ffi::OsStr as std::os::unix::ffi::OsStrExt>::from_bytes(bytes));
    #[cfg(not(unix))]
    Path::new(std::str::from_utf8(bytes).unwrap_or_default())
}

/// TLS 1.2 and 1.3, with these roots.
pub fn client_config(roots: &Arc<RootCertStore>) -> Result<Arc<ClientConfig>, String> {
    let config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .map_err(|error| error.to_string())?
        .with_root_certificates(roots.clone())
        .with_no_client_auth();
    Ok(Arc::new(config))
}

/// The name that the certificate has to bear.
pub fn server_name(host: &Host) -> Result<ServerName<'static>, String> {
    match host {
        Host::Address(address) => Ok(ServerName::IpAddress(IpAddr::from(*address))),
        Host::Name(name) => ServerName::try_from(name.trim_end_matches('.').to_string())
            .map_err(|_| format!("{name} is not a name that a certificate can bear")),
    }
}

/// What a failed handshake means, and what to do.
pub fn explain(error: &rustls::Error) -> String {
    match error {
        rustls::Error::InvalidCertificate(why) => explain_certificate(why),
        rustls::Error::InvalidMessage(InvalidMessage::InvalidContentType) => {
            "the server does not speak TLS on this port".into()
        }
        rustls::Error::PeerIncompatible(_)
        | rustls::Error::AlertReceived(AlertDescription::ProtocolVersion) => {
            "the server offers no version or cipher of TLS 1.2 or 1.3 that is safe".into()
        }
        rustls::Error::AlertReceived(alert) => format!("the server refused the handshake ({alert:?})"),
        other => other.to_string(),
    }
}

fn explain_certificate(error: &CertificateError) -> String {
    match error {
        CertificateError::Expired | CertificateError::ExpiredContext { .. } => {
            "the server's certificate has expired (or this machine's clock is wrong)".into()
        }
        CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. } => {
            "the server's certificate is not valid yet (or this machine's clock is wrong)".into()
        }
        CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. } => {
            "the server's certificate is for another host name".into()
        }
        CertificateError::UnknownIssuer => {
            "the server's certificate was issued by nobody that is trusted here \
                                            (refold_options_set_ca_file adds an issuer)"
                .into()
        }
        CertificateError::Revoked => "the server's certificate was revoked".into(),
        other => format!("the server's certificate is not valid ({other})"),
    }
}
