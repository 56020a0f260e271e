//! Translates rustls errors into messages for callers.

use rustls::{AlertDescription, CertificateError, HandshakeType, InvalidMessage, OtherError, PeerMisbehaved};

use crate::error::message::connect as message;
use crate::http::failure::Failure;

/// Explains why a handshake failed, and what to do. `asks_for_certificate`: the server has asked for a client
/// certificate.
pub fn explain(error: &rustls::Error, asks_for_certificate: bool) -> String {
    match error {
        rustls::Error::InvalidCertificate(error) => explain_certificate(error),
        rustls::Error::InvalidMessage(InvalidMessage::InvalidContentType) => message::NOT_TLS.into(),
        rustls::Error::InvalidMessage(error) => message::invalid_tls(&in_words(&variant_name(error))),
        rustls::Error::PeerMisbehaved(error) => message::tls_violation(&in_words(&variant_name(error))),
        rustls::Error::InappropriateMessage { .. } | rustls::Error::InappropriateHandshakeMessage { .. } => {
            message::MESSAGES_OUT_OF_ORDER.into()
        }
        rustls::Error::PeerIncompatible(_)
        | rustls::Error::AlertReceived(AlertDescription::ProtocolVersion) => message::NO_COMMON_TLS.into(),
        rustls::Error::AlertReceived(alert) if demands_certificate(*alert, asks_for_certificate) => {
            message::client_certificate_required((*alert).into())
        }
        rustls::Error::AlertReceived(alert) => message::handshake_refused((*alert).into()),
        other => other.to_string(),
    }
}

/// Classifies a failure after the handshake. An alert about the client itself, or a request for its certificate, is
/// final; anything else may be damage on the way, so the connection counts as lost.
pub fn classify_established(error: &rustls::Error, asks_for_certificate: bool) -> Failure {
    match error {
        rustls::Error::AlertReceived(alert) if demands_certificate(*alert, asks_for_certificate) => {
            Failure::Refused(message::client_certificate_required((*alert).into()))
        }
        rustls::Error::AlertReceived(alert) if is_refusal(*alert) => {
            Failure::Refused(message::client_refused((*alert).into()))
        }
        rustls::Error::AlertReceived(alert) => {
            Failure::Lost(message::session_ended_by_alert((*alert).into()))
        }
        rustls::Error::PeerMisbehaved(PeerMisbehaved::TooManyRenegotiationRequests)
        | rustls::Error::InappropriateHandshakeMessage {
            got_type: HandshakeType::HelloRequest | HandshakeType::CertificateRequest,
            ..
        } => Failure::Refused(message::RENEGOTIATION.into()),
        other => Failure::Lost(message::invalid_records(&explain(other, asks_for_certificate))),
    }
}

/// Whether a server sends this alert to a client without the certificate that it wants.
fn demands_certificate(alert: AlertDescription, asks_for_certificate: bool) -> bool {
    match alert {
        AlertDescription::CertificateRequired => true,
        AlertDescription::HandshakeFailure
        | AlertDescription::NoCertificate
        | AlertDescription::BadCertificate
        | AlertDescription::UnsupportedCertificate
        | AlertDescription::CertificateUnknown
        | AlertDescription::UnknownCA
        | AlertDescription::AccessDenied => asks_for_certificate,
        _ => false,
    }
}

/// Whether an alert means that the server does not accept this client or its settings, so that it would not accept
/// another attempt.
fn is_refusal(alert: AlertDescription) -> bool {
    !matches!(
        alert,
        AlertDescription::CloseNotify
            | AlertDescription::UnexpectedMessage
            | AlertDescription::BadRecordMac
            | AlertDescription::DecryptionFailed
            | AlertDescription::RecordOverflow
            | AlertDescription::DecompressionFailure
            | AlertDescription::IllegalParameter
            | AlertDescription::DecodeError
            | AlertDescription::DecryptError
            | AlertDescription::InternalError
            | AlertDescription::UserCanceled
            | AlertDescription::Unknown(_)
    )
}

fn explain_certificate(error: &CertificateError) -> String {
    match error {
        CertificateError::Expired | CertificateError::ExpiredContext { .. } => {
            message::CERTIFICATE_EXPIRED.into()
        }
        CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. } => {
            message::CERTIFICATE_NOT_YET_VALID.into()
        }
        CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. } => {
            message::CERTIFICATE_FOR_OTHER_HOST.into()
        }
        CertificateError::UnknownIssuer => message::UNKNOWN_ISSUER.into(),
        CertificateError::Other(OtherError(error)) => match error.to_string().as_str() {
            "CaUsedAsEndEntity" => message::CA_AS_SERVER.into(),
            name => message::invalid_certificate(&in_words(name)),
        },
        other => message::invalid_certificate(&in_words(&other.to_string())),
    }
}

/// The name of an enumeration's variant, without its fields.
fn variant_name(value: &impl std::fmt::Debug) -> String {
    format!("{value:?}").chars().take_while(|letter| letter.is_ascii_alphanumeric()).collect()
}

/// Splits a CamelCase name into lower-case words. rustls has no other description of rare errors.
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

    #[test]
    fn camel_case_names_become_words() {
        let cases = [("BadSignature", "bad signature"), ("two words", "two words"), ("", "")];
        cases.iter().for_each(|(name, words)| assert_eq!(in_words(name), *words));
    }

    #[test]
    fn rare_tls_errors_are_explained_in_words() {
        let cases = [
            (InvalidMessage::MissingData("ServerHello").into(), "data that is not valid TLS (missing data)"),
            (
                PeerMisbehaved::IllegalMiddleboxChangeCipherSpec.into(),
                "(illegal middlebox change cipher spec)",
            ),
            (rustls::Error::AlertReceived(AlertDescription::AccessDenied), "the handshake (access denied)"),
            (rustls::Error::AlertReceived(AlertDescription::Unknown(7)), "refused the handshake (alert 7)"),
        ];
        for (error, words) in cases {
            assert!(explain(&error, false).ends_with(words), "{}", explain(&error, false));
        }
    }

    #[test]
    fn alerts_after_the_handshake_are_sorted() {
        for number in 0..=u8::MAX {
            let alert = AlertDescription::from(number);
            let is_refused = |asks_for_certificate| match classify_established(
                &rustls::Error::AlertReceived(alert),
                asks_for_certificate,
            ) {
                Failure::Refused(reason) => Some(reason.contains("requires a client certificate")),
                Failure::Lost(_) => None,
                other => panic!("{other:?}"),
            };
            let expected = match number {
                116 => [Some(true), Some(true)],
                40 | 41 | 42 | 43 | 46 | 48 | 49 => [Some(false), Some(true)],
                44 | 45 | 60 | 70 | 71 | 86 | 100 | 109..=115 | 120 | 121 => [Some(false); 2],
                _ => [None; 2],
            };
            assert_eq!([false, true].map(is_refused), expected, "{number}");
        }
    }
}
