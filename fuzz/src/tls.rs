//! A peer with TLS.

use std::io::{Read, Write};
use std::path::Path;
use std::sync::Arc;

use rustls::crypto::ring;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{Error, ServerConfig, ServerConnection, SupportedProtocolVersion};

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
    let mut config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_protocol_versions(&[version])
        .expect("a supported version")
        .with_no_client_auth()
        .with_single_cert(vec![identity.0.clone()], identity.1.clone_key())
        .expect("a pair");
    config.max_fragment_size = max_record;
    Arc::new(config)
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
