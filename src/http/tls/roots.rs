//! The trusted root certificates: those of the system or, instead, of the environment, and those of the caller.

use std::borrow::Cow;
use std::io::{self, Read};
use std::path::Path;
use std::sync::Arc;

use rustls::RootCertStore;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use rustls_native_certs::{CertificateResult, load_certs_from_paths, load_native_certs};

use crate::error::Error;
use crate::error::message::argument as message;
use crate::error::message::wire::describe_io_error;
use crate::http::url::BaseUrl;
use crate::sys::descriptors::open;
use crate::sys::env::{env_var, is_privileged};
use crate::sys::exhausted_resource;
use crate::sys::fork::PerProcess;

/// Where systems keep their roots. Set-uid and set-gid programs read these, because the environment must not choose
/// them.
const SYSTEM_BUNDLES: [&str; 6] = [
    "/etc/ssl/certs/ca-certificates.crt",
    "/etc/pki/ca-trust/extracted/pem/tls-ca-bundle.pem",
    "/etc/pki/tls/certs/ca-bundle.crt",
    "/etc/ssl/ca-bundle.pem",
    "/etc/ssl/cert.pem",
    "/usr/local/share/certs/ca-root-nss.crt",
];

/// Many times the total size of the roots of a system.
const MAX_CA_FILE_MEBIBYTES: u64 = 64;

/// The roots of the system, read once and shared, because they take hundreds of kilobytes.
static SYSTEM_ROOTS: PerProcess<Arc<RootCertStore>> = PerProcess::new();

/// Returns the roots of a client: those of SSL_CERT_FILE and SSL_CERT_DIR if one of them is set, or else those of the
/// system, or else the bundled ones; and those of the caller. For a plaintext base URL, checks them as well but returns
/// `None`.
pub fn roots(
    base: &BaseUrl,
    ca_file: Option<&[u8]>,
    ca_pem: Option<&[u8]>,
) -> Result<Option<Arc<RootCertStore>>, Error> {
    let from_environment = environment_roots()?;
    let mut added = RootCertStore::empty();
    if let Some(path) = ca_file {
        add_ca_file(&mut added, path)?;
    }
    if let Some(pem) = ca_pem {
        add_pem(&mut added, pem)
            .map_err(|reason| Error::invalid_argument(message::invalid_ca_pem(&reason)))?;
    }
    if !base.secure {
        return Ok(None);
    }
    let mut roots = match from_environment {
        Some(roots) => Arc::new(roots),
        None => SYSTEM_ROOTS.get_or_try_make(system_roots)?.clone(),
    };
    if !added.is_empty() {
        Arc::make_mut(&mut roots).roots.append(&mut added.roots);
    }
    Ok(Some(roots))
}

fn add_ca_file(roots: &mut RootCertStore, path: &[u8]) -> Result<(), Error> {
    let path =
        std::str::from_utf8(path).map_err(|_| Error::invalid_argument(message::invalid_utf8("ca_file")))?;
    let pem = read_file(Path::new(path)).map_err(|error| match exhausted_resource(&error) {
        Some(resource) => Error::resource(message::file_not_read(format_args!("{path:?}"), resource)),
        None if error.kind() == io::ErrorKind::InvalidInput => {
            Error::invalid_argument(message::unsuitable_ca_file(path, MAX_CA_FILE_MEBIBYTES))
        }
        None => Error::invalid_argument(message::unreadable_ca_file(path, &describe_io_error(&error))),
    })?;
    add_pem(roots, &pem).map_err(|reason| Error::invalid_argument(message::invalid_ca_file(path, &reason)))
}

/// Reads a whole file. Fails with `InvalidInput` if it is not suitable.
fn read_file(path: &Path) -> io::Result<Vec<u8>> {
    if !is_suitable(&std::fs::metadata(path)?) {
        return Err(io::ErrorKind::InvalidInput.into());
    }
    let mut content = Vec::new();
    open(path)?.read_to_end(&mut content)?;
    Ok(content)
}

/// Whether a file can be read: a pipe could block forever, and a device may have no end.
fn is_suitable(metadata: &std::fs::Metadata) -> bool {
    metadata.is_file() && metadata.len() <= MAX_CA_FILE_MEBIBYTES << 20
}

/// Adds every certificate of a PEM text. Fails, with the reason, if there is none, or one that cannot be read.
fn add_pem(roots: &mut RootCertStore, pem: &[u8]) -> Result<(), String> {
    let pem = without_byte_order_marks(pem);
    let mut count = 0;
    for certificate in CertificateDer::pem_slice_iter(&pem) {
        count += 1;
        let added = certificate.ok().and_then(|certificate| roots.add(certificate).ok());
        added.ok_or_else(|| message::unreadable_certificate(count))?;
    }
    let expected = count_certificates(&pem);
    match count {
        0 if expected == 0 => Err(message::NO_CERTIFICATE.into()),
        _ if count != expected => Err(message::UNREADABLE_PEM_BLOCK.into()),
        _ => Ok(()),
    }
}

/// Removes the byte order marks that some editors write at the start of a file. Files may be concatenated, so they can
/// also precede a later certificate.
fn without_byte_order_marks(pem: &[u8]) -> Cow<'_, [u8]> {
    const MARK: &[u8] = b"\xef\xbb\xbf";
    let is_mark = |at: usize| pem[at..].starts_with(MARK);
    if !(0..pem.len()).any(is_mark) {
        return pem.into();
    }
    let is_part_of_mark = |at: usize| (at.saturating_sub(MARK.len() - 1)..=at).any(is_mark);
    (0..pem.len()).filter(|at| !is_part_of_mark(*at)).map(|at| pem[at]).collect::<Vec<_>>().into()
}

/// How many certificates begin, including those that the parser skips: with other labels such as TRUSTED CERTIFICATE, or
/// not at the start of a line.
fn count_certificates(pem: &[u8]) -> usize {
    const BEGIN: &[u8] = b"-----BEGIN ";
    const LABEL: &[u8] = b"CERTIFICATE";
    let is_certificate = |after: &[u8]| {
        let end = after.iter().position(|byte| matches!(byte, b'-' | b'\r' | b'\n')).unwrap_or(after.len());
        after[..end].windows(LABEL.len()).any(|window| window == LABEL)
    };
    let begins = pem.windows(BEGIN.len()).enumerate().filter(|(_, window)| *window == BEGIN);
    begins.filter(|(at, _)| is_certificate(&pem[at + BEGIN.len()..])).count()
}

/// The roots of SSL_CERT_FILE and SSL_CERT_DIR, or `None` if neither is set.
fn environment_roots() -> Result<Option<RootCertStore>, Error> {
    let file = env_var("SSL_CERT_FILE");
    let directories = env_var("SSL_CERT_DIR");
    if file.is_none() && directories.is_none() {
        return Ok(None);
    }
    let mut roots = RootCertStore::empty();
    if let Some(file) = file {
        let path = as_path(&file);
        let pem = read_file(path).map_err(|error| match exhausted_resource(&error) {
            Some(resource) => Error::resource(message::file_not_read(path.display(), resource)),
            None => Error::invalid_argument(message::unusable_cert_file(path)),
        })?;
        add_pem(&mut roots, &pem)
            .map_err(|reason| Error::invalid_argument(message::invalid_cert_file(path, &reason)))?;
    }
    if let Some(directories) = directories {
        let list = as_path(&directories);
        let mut any_usable = false;
        for directory in std::env::split_paths(list).filter(|directory| !directory.as_os_str().is_empty()) {
            any_usable |= add_loaded(&mut roots, load_certs_from_paths(None, Some(&directory)))?;
        }
        if !any_usable {
            return Err(Error::invalid_argument(message::unusable_cert_dir(list)));
        }
    }
    Ok(Some(roots))
}

/// Adds the usable certificates, and returns whether there were any. Fails if a resource was used up, because files
/// that were not read may have usable certificates.
fn add_loaded(roots: &mut RootCertStore, loaded: CertificateResult) -> Result<bool, Error> {
    for error in &loaded.errors {
        if let rustls_native_certs::ErrorKind::Io { inner, path } = &error.kind
            && let Some(resource) = exhausted_resource(inner)
        {
            return Err(Error::resource(message::file_not_read(path.display(), resource)));
        }
    }
    let (added, _ignored) = roots.add_parsable_certificates(loaded.certs);
    Ok(added > 0)
}

fn system_roots() -> Result<Arc<RootCertStore>, Error> {
    let mut roots = RootCertStore::empty();
    if is_privileged() {
        for bundle in SYSTEM_BUNDLES {
            if add_loaded(&mut roots, load_certs_from_paths(Some(Path::new(bundle)), None))? {
                break;
            }
        }
    } else {
        add_loaded(&mut roots, load_native_certs())?;
    }
    if roots.is_empty() {
        roots.extend(webpki_roots::TLS_SERVER_ROOTS.iter().cloned());
    }
    Ok(Arc::new(roots))
}

fn as_path(bytes: &[u8]) -> &Path {
    #[cfg(unix)]
    return Path::new(<std::ffi::OsStr as std::os::unix::ffi::OsStrExt>::from_bytes(bytes));
    #[cfg(not(unix))]
    Path::new(std::str::from_utf8(bytes).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn byte_order_marks_are_removed() {
        let cases: [(&[u8], &[u8]); 5] = [
            (b"text", b"text"),
            (b"\xef\xbb\xbftext", b"text"),
            (b"a\n\xef\xbb\xbf\xef\xbb\xbfb", b"a\nb"),
            (b"\xef\xbb\xef\xbb\xbf", b"\xef\xbb"),
            (b"\xef\xbb", b"\xef\xbb"),
        ];
        cases.iter().for_each(|(text, expected)| assert_eq!(*without_byte_order_marks(text), **expected));
    }

    #[test]
    fn certificates_are_counted_wherever_they_begin() {
        let cases = [
            ("", 0),
            ("-----BEGIN CERTIFICATE-----\n", 1),
            ("-----BEGIN PRIVATE KEY-----\nCERTIFICATE\n", 0),
            ("-----END CERTIFICATE----------BEGIN CERTIFICATE-----", 1),
            ("-----BEGIN TRUSTED CERTIFICATE-----\r-----BEGIN X509 CERTIFICATE-----", 2),
            ("  -----BEGIN CERTIFICATE", 1),
            ("-----BEGIN ", 0),
        ];
        cases
            .iter()
            .for_each(|(text, count)| assert_eq!(count_certificates(text.as_bytes()), *count, "{text}"));
    }
}
