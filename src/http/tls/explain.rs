//! Translates rustls errors into messages for callers.

use rustls::{AlertDescription, CertificateError, InvalidMessage, OtherError};

use crate::error::message::connect as message;

/// Explains why a handshake failed, and what to do.
pub fn explain(error: &rustls::Error) -> String {
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
        rustls::Error::AlertReceived(AlertDescription::Unknown(number)) => {
            message::handshake_refused(format_args!("alert {number}"))
        }
        rustls::Error::AlertReceived(alert) => message::handshake_refused(in_words(&variant_name(alert))),
        other => other.to_string(),
    }
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
    use rustls::PeerMisbehaved;

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
            assert!(explain(&error).ends_with(words), "{}", explain(&error));
        }
    }
}
