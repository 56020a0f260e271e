//! A peer with TLS.

use std::io::{Read, Write};
use std::path::Path;
use std::sync::{Arc, OnceLock};

use rustls::crypto::cipher::{
    AeadKey, Iv, KeyBlockShape, MessageDecrypter, MessageEncrypter, OutboundChunks, OutboundOpaqueMessage,
    OutboundPlainMessage, Tls12AeadAlgorithm, Tls13AeadAlgorithm, UnsupportedOperationError,
};
use rustls::crypto::{CipherSuiteCommon, CryptoProvider, ring};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{
    ConnectionTrafficSecrets, ContentType, Error, ServerConfig, ServerConnection, SupportedCipherSuite,
    SupportedProtocolVersion, Tls12CipherSuite, Tls13CipherSuite,
};

use crate::peer::{Act, Script};

/// The first bytes of a ClientHello, with which no other record starts.
const HELLO: [u8; 3] = [22, 3, 1];

/// A certificate and its key.
pub struct Identity(CertificateDer<'static>, PrivateKeyDer<'static>);

impl Identity {
    /// The certificate and key in a folder.
    pub fn read(folder: &Path) -> Identity {
        let certificate = CertificateDer::from_pem_file(folder.join("good.pem")).expect("a certificate");
        let key = PrivateKeyDer::from_pem_file(folder.join("good.key")).expect("a key");
        Identity(certificate, key)
    }
}

/// The settings of a server.
pub fn config(
    identity: &Identity,
    version: &'static SupportedProtocolVersion,
    max_record: Option<usize>,
) -> Arc<ServerConfig> {
    let mut config = ServerConfig::builder_with_provider(provider())
        .with_protocol_versions(&[version])
        .expect("a supported version")
        .with_no_client_auth()
        .with_single_cert(vec![identity.0.clone()], identity.1.clone_key())
        .expect("a pair");
    config.max_fragment_size = max_record;
    Arc::new(config)
}

/// Precedes the type and the content of a record that is no application data.
const RECORD: [u8; 8] = *b"\x00record\x00";

/// A fatal alert within the session, to be sent with [`over_tls`]. rustls itself sends no alert on demand.
pub fn alert(description: u8) -> Vec<u8> {
    [&RECORD[..], &[21, 2, description]].concat()
}

/// A request for a second handshake.
pub fn hello_request() -> Vec<u8> {
    [&RECORD[..], &[22, 0, 0, 0, 0]].concat()
}

/// Whether these bytes become a record of another type.
pub fn is_record(bytes: &[u8]) -> bool {
    bytes.starts_with(&RECORD)
}

/// The cipher suites of ring, which change the type of marked records.
fn provider() -> Arc<CryptoProvider> {
    static PROVIDER: OnceLock<Arc<CryptoProvider>> = OnceLock::new();
    let marking = || {
        let mut provider = ring::default_provider();
        for suite in &mut provider.cipher_suites {
            *suite = match *suite {
                SupportedCipherSuite::Tls12(suite) => {
                    SupportedCipherSuite::Tls12(Box::leak(Box::new(Tls12CipherSuite {
                        common: common(&suite.common),
                        aead_alg: Box::leak(Box::new(Marked12(suite.aead_alg))),
                        prf_provider: suite.prf_provider,
                        kx: suite.kx,
                        sign: suite.sign,
                    })))
                }
                SupportedCipherSuite::Tls13(suite) => {
                    SupportedCipherSuite::Tls13(Box::leak(Box::new(Tls13CipherSuite {
                        common: common(&suite.common),
                        aead_alg: Box::leak(Box::new(Marked13(suite.aead_alg))),
                        hkdf_provider: suite.hkdf_provider,
                        quic: None,
                    })))
                }
            };
        }
        Arc::new(provider)
    };
    PROVIDER.get_or_init(marking).clone()
}

fn common(suite: &CipherSuiteCommon) -> CipherSuiteCommon {
    CipherSuiteCommon {
        suite: suite.suite,
        hash_provider: suite.hash_provider,
        confidentiality_limit: suite.confidentiality_limit,
    }
}

struct Marked(Box<dyn MessageEncrypter>);

impl MessageEncrypter for Marked {
    fn encrypt(
        &mut self,
        message: OutboundPlainMessage<'_>,
        sequence: u64,
    ) -> Result<OutboundOpaqueMessage, Error> {
        let payload = message.payload.to_vec();
        let Some([kind, content @ ..]) = payload.strip_prefix(&RECORD) else {
            return self.0.encrypt(message, sequence);
        };
        let changed = OutboundPlainMessage {
            typ: ContentType::from(*kind),
            version: message.version,
            payload: OutboundChunks::Single(content),
        };
        self.0.encrypt(changed, sequence)
    }

    fn encrypted_payload_len(&self, payload: usize) -> usize {
        self.0.encrypted_payload_len(payload)
    }
}

struct Marked12(&'static dyn Tls12AeadAlgorithm);

impl Tls12AeadAlgorithm for Marked12 {
    fn encrypter(&self, key: AeadKey, iv: &[u8], extra: &[u8]) -> Box<dyn MessageEncrypter> {
        Box::new(Marked(self.0.encrypter(key, iv, extra)))
    }

    fn decrypter(&self, key: AeadKey, iv: &[u8]) -> Box<dyn MessageDecrypter> {
        self.0.decrypter(key, iv)
    }

    fn key_block_shape(&self) -> KeyBlockShape {
        self.0.key_block_shape()
    }

    fn extract_keys(
        &self,
        key: AeadKey,
        iv: &[u8],
        explicit: &[u8],
    ) -> Result<ConnectionTrafficSecrets, UnsupportedOperationError> {
        self.0.extract_keys(key, iv, explicit)
    }
}

struct Marked13(&'static dyn Tls13AeadAlgorithm);

impl Tls13AeadAlgorithm for Marked13 {
    fn encrypter(&self, key: AeadKey, iv: Iv) -> Box<dyn MessageEncrypter> {
        Box::new(Marked(self.0.encrypter(key, iv)))
    }

    fn decrypter(&self, key: AeadKey, iv: Iv) -> Box<dyn MessageDecrypter> {
        self.0.decrypter(key, iv)
    }

    fn key_len(&self) -> usize {
        self.0.key_len()
    }

    fn extract_keys(
        &self,
        key: AeadKey,
        iv: Iv,
    ) -> Result<ConnectionTrafficSecrets, UnsupportedOperationError> {
        self.0.extract_keys(key, iv)
    }
}

/// Runs the script over TLS. The peer's bytes arrive in pieces of this size, independently of the records. An empty
/// [`Act::Send`] updates the traffic keys.
pub fn over_tls(config: Arc<ServerConfig>, piece: usize, mut script: Script) -> Script {
    let mut server = None;
    Box::new(move |bytes| {
        if bytes.starts_with(&HELLO) {
            let mut new = ServerConnection::new(config.clone()).expect("a server");
            new.set_buffer_limit(None);
            server = Some(new);
        }
        let server = server.as_mut().expect("a hello comes first");
        let request = received(server, bytes);
        let mut acts = sent(server, piece);
        if request.is_empty() {
            return acts;
        }
        for act in script(&request) {
            match &act {
                Act::Send(bytes) if bytes.is_empty() => {
                    // TLS 1.2 has no key updates.
                    let _ = server.refresh_traffic_keys();
                }
                Act::Send(bytes) => server.writer().write_all(bytes).expect("an unlimited buffer"),
                Act::Close => server.send_close_notify(),
                Act::Hold | Act::Reset => {}
            }
            acts.extend(sent(server, piece));
            if !matches!(act, Act::Send(_)) {
                acts.push(act);
                break;
            }
        }
        acts
    })
}

/// The plaintext that the client has sent. Panics if the client violates the protocol.
fn received(server: &mut ServerConnection, mut bytes: &[u8]) -> Vec<u8> {
    let mut request = Vec::new();
    while !bytes.is_empty() {
        let taken = server.read_tls(&mut bytes).expect("space for a record");
        match server.process_new_packets() {
            Ok(state) if state.plaintext_bytes_to_read() > 0 => {
                let start = request.len();
                request.resize(start + state.plaintext_bytes_to_read(), 0);
                server.reader().read_exact(&mut request[start..]).expect("available plaintext");
            }
            Ok(_) | Err(Error::AlertReceived(_)) => {}
            Err(error) => panic!("the client violates TLS: {error}"),
        }
        if taken == 0 {
            break;
        }
    }
    request
}

fn sent(server: &mut ServerConnection, piece: usize) -> Vec<Act> {
    let mut records = Vec::new();
    while server.wants_write() {
        server.write_tls(&mut records).expect("a growing vector");
    }
    records.chunks(piece).map(|part| Act::Send(part.to_vec())).collect()
}
