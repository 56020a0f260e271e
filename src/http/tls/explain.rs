//! Translates rustls errors into messages for callers.

use rustls::{AlertDescription, CertificateError, HandshakeType, InvalidMessage, OtherError, PeerMisbehaved};

use crate::error::message::{certificate, connect as message};
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
        rustls::Error::DecryptError => message::UNDECRYPTABLE.into(),
        rustls::Error::PeerSentOversizedRecord => message::RECORD_TOO_LARGE.into(),
        rustls::Error::NoCertificatesPresented => certificate::NO_CERTIFICATE.into(),
        rustls::Error::NoApplicationProtocol => message::handshake_refused(120),
        rustls::Error::FailedToGetRandomBytes => message::NO_RANDOM_BYTES.into(),
        rustls::Error::FailedToGetCurrentTime => message::NO_TIME.into(),
        // Only defects of a program cause these: settings that this library does not use, or calls in a wrong order.
        other => message::tls_failed(&in_words(&variant_name(other))),
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

/// Explains why a certificate is not accepted, without what only the certificate itself shows.
pub fn explain_certificate(error: &CertificateError) -> String {
    let message = match error {
        CertificateError::Expired | CertificateError::ExpiredContext { .. } => certificate::EXPIRED,
        CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. } => {
            certificate::NOT_YET_VALID
        }
        CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. } => {
            certificate::OTHER_HOST
        }
        CertificateError::InvalidPurpose | CertificateError::InvalidPurposeContext { .. } => {
            certificate::NOT_FOR_SERVERS
        }
        CertificateError::UnsupportedSignatureAlgorithmContext { .. }
        | CertificateError::UnsupportedSignatureAlgorithmForPublicKeyContext { .. } => {
            certificate::UNSUPPORTED_ALGORITHM
        }
        CertificateError::UnknownIssuer => certificate::UNKNOWN_ISSUER,
        CertificateError::BadSignature => certificate::BAD_SIGNATURE,
        CertificateError::BadEncoding => certificate::MALFORMED,
        CertificateError::Revoked => certificate::REVOKED,
        CertificateError::UnknownRevocationStatus
        | CertificateError::ExpiredRevocationList
        | CertificateError::ExpiredRevocationListContext { .. } => certificate::UNKNOWN_REVOCATION,
        CertificateError::ApplicationVerificationFailure => certificate::UNACCEPTABLE,
        CertificateError::Other(OtherError(error)) => match variant_name(error).as_str() {
            "CaUsedAsEndEntity" => certificate::CA_AS_SERVER,
            "EndEntityUsedAsCa" => certificate::NOT_AN_AUTHORITY,
            "EmptyEkuExtension" => certificate::NOT_FOR_SERVERS,
            "NameConstraintViolation" => certificate::NAME_NOT_PERMITTED,
            "PathLenConstraintViolated" => certificate::CHAIN_TOO_LONG,
            name => return certificate::invalid(&in_words(name)),
        },
        other => return certificate::invalid(&in_words(&variant_name(other))),
    };
    message.into()
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
    use crate::error::ErrorKind;
    use crate::error::message::assert_readable;
    use rustls::pki_types::{ServerName, UnixTime, alg_id};
    use rustls::{
        CertRevocationListError, ContentType, EncryptedClientHelloError, ExtendedKeyPurpose, PeerIncompatible,
    };
    use std::fmt;
    use std::sync::Arc;
    use std::time::Duration;

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

    fn invalid_messages() -> Vec<InvalidMessage> {
        use InvalidMessage::*;
        vec![
            CertificatePayloadTooLarge,
            HandshakePayloadTooLarge,
            InvalidCcs,
            InvalidContentType,
            InvalidCertificateStatusType,
            InvalidCertRequest,
            InvalidDhParams,
            InvalidEmptyPayload,
            InvalidKeyUpdate,
            InvalidServerName,
            MessageTooLarge,
            MessageTooShort,
            MissingData("ServerHello"),
            MissingKeyExchange,
            NoSignatureSchemes,
            TrailingData("ServerHello"),
            UnexpectedMessage("ServerHello"),
            UnknownProtocolVersion,
            UnsupportedCompression,
            UnsupportedCurveType,
            EmptyTicketValue,
            IllegalEmptyList("ServerHello"),
            IllegalEmptyValue,
            DuplicateExtension(7),
            PreSharedKeyIsNotFinalExtension,
            UnknownHelloRetryRequestExtension,
            UnknownCertificateExtension,
        ]
    }

    fn misbehaviors() -> Vec<PeerMisbehaved> {
        use PeerMisbehaved::*;
        vec![
            AttemptedDowngradeToTls12WhenTls13IsSupported,
            BadCertChainExtensions,
            CipherSuiteDifferedOnRetry,
            DisallowedEncryptedExtension,
            DuplicateClientHelloExtensions,
            DuplicateEncryptedExtensions,
            DuplicateHelloRetryRequestExtensions,
            DuplicateNewSessionTicketExtensions,
            DuplicateServerHelloExtensions,
            DuplicateServerNameTypes,
            EarlyDataAttemptedInSecondClientHello,
            EarlyDataExtensionWithoutResumption,
            EarlyDataOfferedWithVariedCipherSuite,
            EchAcceptanceVariedAfterRetry,
            HandshakeHashVariedAfterRetry,
            IllegalHelloRetryRequestWithEmptyCookie,
            IllegalHelloRetryRequestWithNoChanges,
            IllegalHelloRetryRequestWithOfferedGroup,
            IllegalHelloRetryRequestWithUnofferedCipherSuite,
            IllegalHelloRetryRequestWithUnofferedNamedGroup,
            IllegalHelloRetryRequestWithUnsupportedVersion,
            IllegalHelloRetryRequestWithWrongSessionId,
            IllegalHelloRetryRequestWithInvalidEch,
            IllegalMiddleboxChangeCipherSpec,
            IllegalTlsInnerPlaintext,
            IncorrectBinder,
            InvalidCertCompression,
            InvalidMaxEarlyDataSize,
            InvalidKeyShare,
            KeyEpochWithPendingFragment,
            KeyUpdateReceivedInQuicConnection,
            MessageInterleavedWithHandshakeMessage,
            MissingBinderInPskExtension,
            MissingKeyShare,
            MissingPskExtensionInSecondClientHello,
            MissingPskModesExtension,
            MissingQuicTransportParameters,
            OfferedDuplicateCertificateCompressions,
            OfferedDuplicateKeyShares,
            OfferedEarlyDataWithOldProtocolVersion,
            OfferedEmptyApplicationProtocol,
            OfferedIncorrectCompressions,
            PskExtensionMustBeLast,
            PskExtensionWithMismatchedIdsAndBinders,
            RefusedToFollowHelloRetryRequest,
            RejectedEarlyDataInterleavedWithHandshakeMessage,
            ResumptionAttemptedWithVariedEms,
            ResumptionOfferedWithVariedCipherSuite,
            ResumptionOfferedWithVariedEms,
            ResumptionOfferedWithIncompatibleCipherSuite,
            SelectedDifferentCipherSuiteAfterRetry,
            SelectedInvalidPsk,
            SelectedTls12UsingTls13VersionExtension,
            SelectedUnofferedApplicationProtocol,
            SelectedUnofferedCertCompression,
            SelectedUnofferedCipherSuite,
            SelectedUnofferedCompression,
            SelectedUnofferedKxGroup,
            SelectedUnofferedPsk,
            SelectedUnusableCipherSuiteForVersion,
            ServerEchoedCompatibilitySessionId,
            ServerHelloMustOfferUncompressedEcPoints,
            ServerNameDifferedOnRetry,
            ServerNameMustContainOneHostName,
            SignedKxWithWrongAlgorithm,
            SignedHandshakeWithUnadvertisedSigScheme,
            TooManyEmptyFragments,
            TooManyKeyUpdateRequests,
            TooManyRenegotiationRequests,
            TooManyWarningAlertsReceived,
            TooMuchEarlyDataReceived,
            UnexpectedCleartextExtension,
            UnsolicitedCertExtension,
            UnsolicitedEncryptedExtension,
            UnsolicitedSctList,
            UnsolicitedServerHelloExtension,
            WrongGroupForKeyShare,
            UnsolicitedEchExtension,
        ]
    }

    fn incompatibilities() -> Vec<PeerIncompatible> {
        use PeerIncompatible::*;
        vec![
            EcPointsExtensionRequired,
            ExtendedMasterSecretExtensionRequired,
            IncorrectCertificateTypeExtension,
            KeyShareExtensionRequired,
            NamedGroupsExtensionRequired,
            NoCertificateRequestSignatureSchemesInCommon,
            NoCipherSuitesInCommon,
            NoEcPointFormatsInCommon,
            NoKxGroupsInCommon,
            NoSignatureSchemesInCommon,
            NullCompressionRequired,
            ServerDoesNotSupportTls12Or13,
            ServerSentHelloRetryRequestWithUnknownExtension,
            ServerTlsVersionIsDisabledByOurConfig,
            SignatureAlgorithmsExtensionRequired,
            SupportedVersionsExtensionRequired,
            Tls12NotOffered,
            Tls12NotOfferedOrEnabled,
            Tls13RequiredForQuic,
            UncompressedEcPointsRequired,
            UnsolicitedCertificateTypeExtension,
            ServerRejectedEncryptedClientHello(None),
        ]
    }

    fn certificate_errors() -> Vec<CertificateError> {
        use CertificateError::*;
        let time = UnixTime::since_unix_epoch(Duration::from_secs(1_700_000_000));
        let algorithm = || vec![6, 8, 0x2a, 0x86, 0x48, 0xce, 0x3d, 4, 3, 4];
        let mut errors = vec![
            BadEncoding,
            Expired,
            ExpiredContext { time, not_after: time },
            NotValidYet,
            NotValidYetContext { time, not_before: time },
            Revoked,
            UnhandledCriticalExtension,
            UnknownIssuer,
            UnknownRevocationStatus,
            ExpiredRevocationList,
            ExpiredRevocationListContext { time, next_update: time },
            BadSignature,
            #[allow(deprecated)]
            UnsupportedSignatureAlgorithm,
            UnsupportedSignatureAlgorithmContext {
                signature_algorithm_id: algorithm(),
                supported_algorithms: vec![alg_id::ECDSA_SHA256],
            },
            UnsupportedSignatureAlgorithmForPublicKeyContext {
                signature_algorithm_id: algorithm(),
                public_key_algorithm_id: algorithm(),
            },
            NotValidForName,
            NotValidForNameContext {
                expected: ServerName::try_from("a.invalid").expect("a name"),
                presented: vec!["DnsName(\"b.invalid\")".into()],
            },
            InvalidPurpose,
            InvalidPurposeContext {
                required: ExtendedKeyPurpose::ServerAuth,
                presented: vec![
                    ExtendedKeyPurpose::ClientAuth,
                    ExtendedKeyPurpose::Other(vec![2, 5, 29, 37, 0]),
                ],
            },
            InvalidOcspResponse,
            ApplicationVerificationFailure,
        ];
        // What the verifier of rustls reports in its own words.
        let others = [
            "CaUsedAsEndEntity",
            "CertDistrusted",
            "EmptyEkuExtension",
            "EndEntityUsedAsCa",
            "ExtensionValueInvalid",
            "InvalidCrlNumber",
            "InvalidNetworkMaskConstraint",
            "InvalidSerialNumber",
            "MalformedDnsIdentifier",
            "MalformedExtensions",
            "MalformedNameConstraint",
            "MaximumNameConstraintComparisonsExceeded",
            "MaximumPathBuildCallsExceeded",
            "MaximumPathDepthExceeded",
            "MaximumSignatureChecksExceeded",
            "NameConstraintViolation",
            "PathLenConstraintViolated",
            "SignatureAlgorithmMismatch",
            "UnsupportedCertVersion",
            "UnsupportedCriticalExtension",
            "UnsupportedNameType",
            "Unforeseen(Some([1]))",
        ];
        errors.extend(others.map(|name| Other(OtherError(Arc::new(Named(name))))));
        errors
    }

    /// An error whose descriptions are a name.
    struct Named(&'static str);

    impl std::error::Error for Named {}

    impl fmt::Debug for Named {
        fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str(self.0)
        }
    }

    impl fmt::Display for Named {
        fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str(self.0)
        }
    }

    fn all_errors() -> Vec<rustls::Error> {
        use rustls::Error::*;
        let mut errors = vec![
            InappropriateMessage { expect_types: vec![ContentType::Alert], got_type: ContentType::Handshake },
            InappropriateHandshakeMessage {
                expect_types: vec![HandshakeType::ServerHello],
                got_type: HandshakeType::Finished,
            },
            InvalidEncryptedClientHello(EncryptedClientHelloError::SniRequired),
            NoCertificatesPresented,
            UnsupportedNameType,
            DecryptError,
            EncryptError,
            General("Some(Text)".into()),
            FailedToGetCurrentTime,
            FailedToGetRandomBytes,
            HandshakeNotComplete,
            PeerSentOversizedRecord,
            NoApplicationProtocol,
            BadMaxFragmentSize,
            InconsistentKeys(rustls::InconsistentKeys::KeyMismatch),
            InvalidCertRevocationList(CertRevocationListError::BadSignature),
            Other(OtherError(Arc::new(Named("CamelCase([1])")))),
        ];
        errors.extend(invalid_messages().into_iter().map(InvalidMessage));
        errors.extend(misbehaviors().into_iter().map(PeerMisbehaved));
        errors.extend(incompatibilities().into_iter().map(PeerIncompatible));
        errors.extend(certificate_errors().into_iter().map(InvalidCertificate));
        errors.extend((0..=u8::MAX).map(|number| AlertReceived(AlertDescription::from(number))));
        errors
    }

    #[test]
    fn every_error_of_rustls_has_a_readable_sentence() {
        let peer = || "127.0.0.1:40000".to_string();
        for error in all_errors() {
            for asks_for_certificate in [false, true] {
                assert_readable(ErrorKind::Tls {
                    peer: peer(),
                    reason: explain(&error, asks_for_certificate),
                });
                // Certificates are only verified in the handshake.
                if !matches!(error, rustls::Error::InvalidCertificate(_)) {
                    assert_readable(match classify_established(&error, asks_for_certificate) {
                        Failure::Lost(reason) => ErrorKind::Transport { peer: peer(), reason, lost: true },
                        Failure::Refused(reason) => ErrorKind::Tls { peer: peer(), reason },
                        other => panic!("{other:?}"),
                    });
                }
            }
        }
    }
}
