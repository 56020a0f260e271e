//! Verifies servers as rustls does, and explains why one is not trusted. rustls itself reports neither who issued a
//! certificate nor which key is too short.

use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, ThreadId};

use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::CryptoProvider;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{CertificateError, DigitallySignedStruct, Error, RootCertStore, SignatureScheme};

use super::certificate::{Certificate, Name, PublicKey, signature_algorithm, unsupported_key};
use super::explain::explain_certificate;
use crate::error::message::certificate as message;

/// Verifies certificates against the roots of a client.
#[derive(Debug)]
pub struct Verifier {
    rustls: Arc<WebPkiServerVerifier>,
    roots: Arc<RootCertStore>,
    /// Why certificates were rejected, by the thread that performs the handshake. All sessions of a client share the
    /// verifier, because rustls resumes no session of another one, and errors of rustls cannot carry a text without
    /// changing the alert that the server receives.
    reasons: Mutex<Vec<(ThreadId, String)>>,
}

impl Verifier {
    /// A verifier that trusts these roots.
    pub fn new(roots: &Arc<RootCertStore>, provider: Arc<CryptoProvider>) -> Result<Verifier, String> {
        let rustls = WebPkiServerVerifier::builder_with_provider(roots.clone(), provider)
            .build()
            .map_err(|error| error.to_string())?;
        Ok(Verifier { rustls, roots: roots.clone(), reasons: Mutex::default() })
    }

    /// Takes the reason why the last handshake on this thread failed, if that was a certificate.
    pub fn take_reason(&self) -> Option<String> {
        let mut reasons = self.reasons.lock().unwrap_or_else(PoisonError::into_inner);
        let index = reasons.iter().position(|(thread, _)| *thread == thread::current().id())?;
        Some(reasons.swap_remove(index).1)
    }

    /// Records the reason of an error about a certificate.
    fn explained<T>(
        &self,
        result: Result<T, Error>,
        explain: impl FnOnce(&CertificateError) -> String,
    ) -> Result<T, Error> {
        if let Err(Error::InvalidCertificate(error)) = &result {
            let reason = explain(error);
            self.take_reason();
            let mut reasons = self.reasons.lock().unwrap_or_else(PoisonError::into_inner);
            reasons.push((thread::current().id(), reason));
        }
        result
    }
}

impl ServerCertVerifier for Verifier {
    fn verify_server_cert(
        &self,
        certificate: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        name: &ServerName<'_>,
        ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        let result = self.rustls.verify_server_cert(certificate, intermediates, name, ocsp_response, now);
        self.explained(result, |error| explain_chain(error, certificate, intermediates, &self.roots))
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let result = self.rustls.verify_tls12_signature(message, certificate, signature);
        self.explained(result, |error| explain_signature(error, certificate))
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let result = self.rustls.verify_tls13_signature(message, certificate, signature);
        self.explained(result, |error| explain_signature(error, certificate))
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.rustls.supported_verify_schemes()
    }
}

/// Explains why a certificate is not trusted.
fn explain_chain(
    error: &CertificateError,
    certificate: &CertificateDer<'_>,
    intermediates: &[CertificateDer<'_>],
    roots: &RootCertStore,
) -> String {
    let Some(leaf) = Certificate::parse(certificate) else { return explain_certificate(error) };
    if leaf.is_self_issued() && is_issuer_untrusted(&leaf, error, roots) {
        return if leaf.is_authority { message::SELF_SIGNED_CA } else { message::SELF_SIGNED }.into();
    }
    let root = last_issuer(&leaf, intermediates);
    let wrong_root = || message::untrusted_chain(root.text().as_deref());
    match error {
        CertificateError::UnknownIssuer => {
            message::untrusted_issuer(leaf.issuer.text().as_deref(), root.text().as_deref())
        }
        CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. } => {
            message::other_host(&leaf.hosts)
        }
        CertificateError::BadSignature => {
            match roots.roots.iter().find(|anchor| Name(&anchor.subject) == root) {
                None => message::BAD_SIGNATURE.into(),
                Some(anchor) => PublicKey(&anchor.subject_public_key_info)
                    .unsupported()
                    .map_or_else(wrong_root, message::unsupported_issuer_key),
            }
        }
        CertificateError::UnsupportedSignatureAlgorithmForPublicKeyContext {
            public_key_algorithm_id,
            ..
        } => {
            unsupported_key(public_key_algorithm_id).map_or_else(wrong_root, message::unsupported_issuer_key)
        }
        CertificateError::UnsupportedSignatureAlgorithmContext { signature_algorithm_id, .. } => {
            message::unsupported_signature(signature_algorithm(signature_algorithm_id))
        }
        other => explain_certificate(other),
    }
}

/// The issuer of the last certificate of the chain that the server sent.
fn last_issuer<'a>(leaf: &Certificate<'a>, intermediates: &'a [CertificateDer<'_>]) -> Name<'a> {
    let mut issuer = leaf.issuer;
    // No accepted chain has more steps. Certificates may form a circle, and there may be thousands.
    const MAX_STEPS: usize = 8;
    for _ in 0..MAX_STEPS {
        let mut parsed = intermediates.iter().filter_map(|intermediate| Certificate::parse(intermediate));
        match parsed.find(|intermediate| intermediate.subject == issuer) {
            Some(intermediate) => issuer = intermediate.issuer,
            None => break,
        }
    }
    issuer
}

/// Whether a certificate that names itself as its issuer was not issued by a root. A root can have the same name.
fn is_issuer_untrusted(
    certificate: &Certificate<'_>,
    error: &CertificateError,
    roots: &RootCertStore,
) -> bool {
    let mut namesakes = roots.roots.iter().filter(|anchor| Name(&anchor.subject) == certificate.issuer);
    match error {
        CertificateError::BadSignature => {
            namesakes.all(|anchor| PublicKey(&anchor.subject_public_key_info) != certificate.key)
        }
        _ => namesakes.next().is_none(),
    }
}

/// Explains why the signature of the handshake is not accepted.
fn explain_signature(error: &CertificateError, certificate: &CertificateDer<'_>) -> String {
    let key = Certificate::parse(certificate).and_then(|certificate| certificate.key.unsupported());
    match (key, error) {
        (Some(key), _) => message::unsupported_key(key),
        (None, CertificateError::BadSignature) => message::OTHER_KEY.into(),
        (None, other) => explain_certificate(other),
    }
}
