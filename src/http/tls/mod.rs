//! Whom to trust, and what to say where trust is not to be had.

pub mod session;

use std::io;
use std::path::Path;
use std::sync::Arc;

use rustls::crypto::ring;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, IpAddr, ServerName};
use rustls::{AlertDescription, CertificateError, ClientConfig, InvalidMessage, OtherError, RootCertStore};
use rustls_native_certs::{CertificateResult, load_certs_from_paths, load_native_certs};

use crate::error::Error;
use crate::error::message::wire::describe_io_error;
use crate::http::url::{BaseUrl, Host};
use crate::sys::fork::PerProcess;
use crate::sys::{
    env::{env_var, is_privileged},
    exhausted_resource,
};

/// Where systems keep their roots, for programs that must not be steered by their environment.
const SYSTEM_BUNDLES: [&str; 6] = [
    "/etc/ssl/certs/ca-certificates.crt",
    "/etc/pki/ca-trust/extracted/pem/tls-ca-bundle.pem",
    "/etc/pki/tls/certs/ca-bundle.crt",
    "/etc/ssl/ca-bundle.pem",
    "/etc/ssl/cert.pem",
    "/usr/local/share/certs/ca-root-nss.crt",
];

/// All roots of a system together have a fraction of this.
const LARGEST_CA_FILE: u64 = 64 << 20;

/// What the system trusts, read once: it is hundreds of kilobytes.
static SYSTEM_ROOTS: PerProcess<Arc<RootCertStore>> = PerProcess::new();

/// The system's roots, or what SSL_CERT_FILE and SSL_CERT_DIR name instead, bundled ones where the system has none;
/// and what the caller adds. All of it is checked for plaintext, too, where it is `None` in the end.
pub fn roots(
    base: &BaseUrl,
    ca_file: Option<&[u8]>,
    ca_pem: Option<&[u8]>,
) -> Result<Option<Arc<RootCertStore>>, Error> {
    let named = roots_named_by_environment()?;
    let mut added = RootCertStore::empty();
    if let Some(path) = ca_file {
        let path =
            std::str::from_utf8(path).map_err(|_| Error::invalid_argument("ca_file is not valid UTF-8"))?;
        let pem = read_file(Path::new(path)).map_err(|error| match exhausted_resource(&error) {
            Some(what) => Error::resource(format!("could not read {path:?}: {what}")),
            None if error.kind() == io::ErrorKind::InvalidInput => {
                Error::invalid_argument(format!("ca_file {path:?} is no plain file, or larger than 64 MiB"))
            }
            None => Error::invalid_argument(format!(
                "ca_file {path:?} cannot be read: {}",
                describe_io_error(&error)
            )),
        })?;
        add_all(&mut added, &pem)
            .map_err(|why| Error::invalid_argument(format!("ca_file {path:?} {why}")))?;
    }
    if let Some(pem) = ca_pem {
        add_all(&mut added, pem).map_err(|why| Error::invalid_argument(format!("ca_pem {why}")))?;
    }
    if !base.secure {
        return Ok(None);
    }
    let mut roots = match named {
        Some(named) => Arc::new(named),
        None => SYSTEM_ROOTS.get_or_try_make(roots_of_system)?.clone(),
    };
    if !added.is_empty() {
        Arc::make_mut(&mut roots).roots.append(&mut added.roots);
    }
    Ok(Some(roots))
}

/// The whole of a file of some size.
fn read_file(path: &Path) -> std::io::Result<Vec<u8>> {
    if is_fit(&std::fs::metadata(path)?) {
        std::fs::read(path)
    } else {
        Err(io::ErrorKind::InvalidInput.into())
    }
}

/// Whether it is a file to be read: a pipe could keep its reader for ever, and a device has no end.
fn is_fit(about: &std::fs::Metadata) -> bool {
    about.is_file() && about.len() <= LARGEST_CA_FILE
}

/// Every certificate of a PEM text; junk is refused rather than skipped.
fn add_all(roots: &mut RootCertStore, pem: &[u8]) -> Result<(), String> {
    let mut count = 0;
    for certificate in CertificateDer::pem_slice_iter(pem) {
        count += 1;
        let added = certificate.ok().and_then(|certificate| roots.add(certificate).ok());
        added.ok_or_else(|| format!("holds a certificate that cannot be read (number {count})"))?;
    }
    let begun = pem.split(|byte| *byte == b'\n').filter(|line| begins_certificate(line)).count();
    match count {
        0 if begun == 0 => Err("holds no certificate in PEM form".into()),
        _ if count != begun => Err("holds something that looks like a certificate and cannot be read".into()),
        _ => Ok(()),
    }
}

/// Whether a line begins a certificate, be it in one of the forms that are not read.
fn begins_certificate(line: &[u8]) -> bool {
    let holds = |words: &[u8]| line.windows(words.len()).any(|window| window == words);
    holds(b"-----BEGIN ") && holds(b"CERTIFICATE")
}

/// `None`: the environment names none.
fn roots_named_by_environment() -> Result<Option<RootCertStore>, Error> {
    let file = env_var("SSL_CERT_FILE");
    let directories = env_var("SSL_CERT_DIR");
    if file.is_none() && directories.is_none() {
        return Ok(None);
    }
    let mut roots = RootCertStore::empty();
    if let Some(file) = file {
        let path = path(&file);
        let is_unfit = std::fs::metadata(path).is_ok_and(|about| !is_fit(&about));
        if is_unfit || !add_usable(&mut roots, load_certs_from_paths(Some(path), None))? {
            let message = format!("SSL_CERT_FILE ({}) holds no usable certificate", path.display());
            return Err(Error::invalid_argument(message));
        }
    }
    if let Some(directories) = directories {
        let all = path(&directories);
        let mut any_usable = false;
        for directory in std::env::split_paths(all).filter(|directory| !directory.as_os_str().is_empty()) {
            any_usable |= add_usable(&mut roots, load_certs_from_paths(None, Some(&directory)))?;
        }
        if !any_usable {
            let names = "files with names like 9d66eef0.0, as c_rehash makes them";
            let message = format!("SSL_CERT_DIR ({}) holds no usable certificate ({names})", all.display());
            return Err(Error::invalid_argument(message));
        }
    }
    Ok(Some(roots))
}

/// Whether there was one among them. An error where nobody can tell, for want of descriptors, say.
fn add_usable(roots: &mut RootCertStore, loaded: CertificateResult) -> Result<bool, Error> {
    for error in &loaded.errors {
        if let rustls_native_certs::ErrorKind::Io { inner, path } = &error.kind
            && let Some(what) = exhausted_resource(inner)
        {
            return Err(Error::resource(format!("could not read {}: {what}", path.display())));
        }
    }
    let (added, _ignored) = roots.add_parsable_certificates(loaded.certs);
    Ok(added > 0)
}

fn roots_of_system() -> Result<Arc<RootCertStore>, Error> {
    let mut roots = RootCertStore::empty();
    if is_privileged() {
        for bundle in SYSTEM_BUNDLES {
            if add_usable(&mut roots, load_certs_from_paths(Some(Path::new(bundle)), None))? {
                break;
            }
        }
    } else {
        add_usable(&mut roots, load_native_certs())?;
    }
    if roots.is_empty() {
        roots.extend(webpki_roots::TLS_SERVER_ROOTS.iter().cloned());
    }
    Ok(Arc::new(roots))
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
        rustls::Error::InvalidMessage(why) => {
            format!("the server sent what is not valid TLS ({})", in_words(&name_of(why)))
        }
        rustls::Error::PeerMisbehaved(why) => {
            format!("the server broke the rules of TLS ({})", in_words(&name_of(why)))
        }
        rustls::Error::InappropriateMessage { .. } | rustls::Error::InappropriateHandshakeMessage { .. } => {
            "the server broke the rules of TLS (its messages come in a wrong order)".into()
        }
        rustls::Error::PeerIncompatible(_)
        | rustls::Error::AlertReceived(AlertDescription::ProtocolVersion) => {
            "the server offers no version or cipher of TLS 1.2 or 1.3 that is safe".into()
        }
        rustls::Error::AlertReceived(AlertDescription::Unknown(number)) => {
            format!("the server refused the handshake (alert {number})")
        }
        rustls::Error::AlertReceived(alert) => {
            format!("the server refused the handshake ({})", in_words(&name_of(alert)))
        }
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
        CertificateError::Other(OtherError(why)) if why.to_string() == "CaUsedAsEndEntity" => {
            "the server's certificate is that of an authority: it needs one of its own, signed by the authority"
                .into()
        }
        CertificateError::Other(OtherError(why)) => not_valid(&why.to_string()),
        other => not_valid(&other.to_string()),
    }
}

fn not_valid(reason: &str) -> String {
    format!("the server's certificate is not valid ({})", in_words(reason))
}

/// What an enumerator is called, without what is in it.
fn name_of(enumerator: &impl std::fmt::Debug) -> String {
    format!("{enumerator:?}").chars().take_while(|letter| letter.is_ascii_alphanumeric()).collect()
}

/// The words of a name in the style of Rust, which is all that there is for rare reasons.
fn in_words(name: &str) -> String {
    let mut words = String::with_capacity(name.len() + 8);
    for letter in name.chars() {
        if letter.is_ascii_uppercase() && !words.is_empty() && !words.ends_with(' ') {
            words.push(' ');
        }
        words.push(letter.to_ascii_lowercase());
    }
    words
}

#[cfg(test)]
mod tests {
    use super::*;
    use rustls::PeerMisbehaved;

    #[test]
    fn names_become_words() {
        let cases = [("BadSignature", "bad signature"), ("two words", "two words"), ("", "")];
        cases.iter().for_each(|(name, words)| assert_eq!(in_words(name), *words));
    }

    #[test]
    fn what_is_wrong_with_tls_is_told_in_words() {
        let cases = [
            (InvalidMessage::MissingData("ServerHello").into(), "what is not valid TLS (missing data)"),
            (
                PeerMisbehaved::IllegalMiddleboxChangeCipherSpec.into(),
                "(illegal middlebox change cipher spec)",
            ),
            (rustls::Error::AlertReceived(AlertDescription::AccessDenied), "the handshake (access denied)"),
            (rustls::Error::AlertReceived(AlertDescription::Unknown(7)), "refused the handshake (alert 7)"),
        ];
        for (error, words) in cases {
            assert!(explain(&error).ends_with(words), "{}", explain(&error));
        }
    }
}
