//! A TLS session on a connection. Decrypts records in place, in buffers that are wiped. Temporary copies that rustls
//! makes are wiped by the allocator.

use std::{fmt, mem};

use rustls::client::UnbufferedClientConnection;
use rustls::unbuffered::{ConnectionState, EncodeError, EncodeTlsData, EncryptError, InsufficientSizeError};
use rustls::{HandshakeKind, InvalidMessage, ProtocolVersion};

use crate::context::CallContext;
use crate::error::message::connect as message;
use crate::http::buffers::IoBuffers;
use crate::http::failure::Failure;
use crate::http::socket::Socket;
use crate::http::tls::certificate::Certificate;
use crate::http::tls::explain::classify_established;
use crate::http::tls::{TlsConfig, server_name};
use crate::http::url::BaseUrl;
use crate::log::{Event, Level};

/// The maximum size of an encrypted alert.
const MAX_ALERT: usize = 256;

/// A TLS session.
pub struct Session {
    tls: UnbufferedClientConnection,
    /// Received records that have not been decrypted yet.
    records: IoBuffers,
    /// Bytes that were decrypted before the caller requested any.
    plaintext: IoBuffers,
    /// Encrypted records that have not been sent yet.
    outgoing: Vec<u8>,
    /// An error in what follows the bytes decrypted last, to be reported after these have been read.
    pending_error: Option<rustls::Error>,
    /// rustls failed, and would fail again on the same record.
    has_failed: bool,
    /// The server has sent a close_notify.
    has_ended: bool,
    /// The handshake is complete, and the version is TLS 1.2, in which a server may ask for a second one.
    is_renegotiable: bool,
    /// The server has asked for a second handshake, which rustls declines, and has sent no data since.
    asks_to_renegotiate: bool,
    /// The server has asked for a client certificate.
    asks_for_certificate: bool,
}

impl Session {
    /// Performs the handshake on a new connection.
    pub fn handshake(
        socket: &mut Socket,
        config: &TlsConfig,
        base: &BaseUrl,
        context: &CallContext,
    ) -> Result<Session, Failure> {
        let name = server_name(&base.host).map_err(Failure::Refused)?;
        let explained = |error: &rustls::Error| Failure::Refused(config.explain(error));
        let tls = UnbufferedClientConnection::new(config.rustls.clone(), name)
            .map_err(|error| explained(&error))?;
        let mut session = Session {
            tls,
            records: IoBuffers::default(),
            plaintext: IoBuffers::default(),
            outgoing: Vec::new(),
            pending_error: None,
            has_failed: false,
            has_ended: false,
            is_renegotiable: false,
            asks_to_renegotiate: false,
            asks_for_certificate: false,
        };
        loop {
            match session.advance(None) {
                Ok(_) => {}
                // The handshake itself succeeded; the first request reports the error.
                Err(error) if !session.tls.is_handshaking() => session.pending_error = Some(error),
                Err(error) => {
                    // Sends the alert with the reason.
                    session.close_notify(socket);
                    return Err(explained(&error));
                }
            }
            session.flush(socket, context)?;
            if !session.tls.is_handshaking() {
                session.is_renegotiable = session.tls.protocol_version() == Some(ProtocolVersion::TLSv1_2);
                session.asks_for_certificate = config.asks_for_certificate();
                return Ok(session);
            }
            if session.has_ended || !session.read_records(socket, context)? {
                return Err(Failure::Lost(message::CLOSED_IN_HANDSHAKE.into()));
            }
        }
    }

    /// Logs what the handshake has negotiated.
    pub fn log(&self, context: &CallContext) {
        context.debug(|| Event::Handshake {
            version: match self.tls.protocol_version() {
                Some(ProtocolVersion::TLSv1_2) => "TLS 1.2",
                _ => "TLS 1.3",
            },
            cipher_suite: self.tls.negotiated_cipher_suite().and_then(|suite| suite.suite().as_str()),
            alpn: self.tls.alpn_protocol().map(String::from_utf8_lossy),
            is_resumed: self.tls.handshake_kind() == Some(HandshakeKind::Resumed),
        });
        if context.log().is_on(Level::Debug)
            && let Some(certificate) = self.tls.peer_certificates().and_then(<[_]>::first)
            && let Some(certificate) = Certificate::parse(certificate)
        {
            context.debug(|| Event::Certificate {
                subject: certificate.subject.text(),
                issuer: certificate.issuer.text(),
                expires: &certificate.expires,
                hosts: &certificate.hosts,
            });
        }
    }

    /// Sends the bytes. Sends nothing if the server has already sent a response and then broken the session: that
    /// response is what the caller needs to see.
    pub fn send(&mut self, socket: &mut Socket, bytes: &[u8], context: &CallContext) -> Result<(), Failure> {
        if self.pending_error.is_some() && !self.plaintext.input().is_empty() {
            return Ok(());
        }
        self.advance(None).map_err(|error| self.classify(&error))?;
        self.encrypt(bytes)?;
        let sent = self.flush(socket, context);
        if let Err(Failure::Lost(_)) = sent
            && let Some(reason) = self.received_alert(socket)
        {
            return Err(reason);
        }
        sent
    }

    /// The failure that the server reported before it closed the connection, if it did.
    fn received_alert(&mut self, socket: &mut Socket) -> Option<Failure> {
        loop {
            let received = socket.receive_now(self.records.input_append_buf()).ok().flatten();
            let received = received.filter(|received| *received > 0)?;
            self.records.input_appended(received);
            if let Err(error) = self.advance(None) {
                return Some(self.classify(&error));
            }
        }
    }

    fn classify(&self, error: &rustls::Error) -> Failure {
        if self.asks_to_renegotiate {
            return Failure::Refused(message::RENEGOTIATION.into());
        }
        classify_established(error, self.asks_for_certificate)
    }

    /// Waits for at least one byte and appends what has arrived. Returns 0 if the stream has ended.
    pub fn receive(
        &mut self,
        socket: &mut Socket,
        into: &mut IoBuffers,
        context: &CallContext,
    ) -> Result<usize, Failure> {
        let received = self.receive_plaintext(socket, into, context);
        if !self.asks_to_renegotiate {
            return received;
        }
        match received {
            // Some servers just close the connection when the client declines.
            Ok(0) | Err(Failure::Lost(_)) => Err(Failure::Refused(message::RENEGOTIATION.into())),
            Ok(received) => {
                self.asks_to_renegotiate = false;
                Ok(received)
            }
            other => other,
        }
    }

    fn receive_plaintext(
        &mut self,
        socket: &mut Socket,
        into: &mut IoBuffers,
        context: &CallContext,
    ) -> Result<usize, Failure> {
        let available = self.plaintext.input().len();
        if available > 0 {
            into.append(self.plaintext.input());
            self.plaintext.input_consume(available);
            self.plaintext.recycle();
            return Ok(available);
        }
        loop {
            let received = self.advance(Some(into)).map_err(|error| self.classify(&error))?;
            self.flush(socket, context)?;
            if received > 0 || self.has_ended {
                return Ok(received);
            }
            if !self.read_records(socket, context)? {
                return Err(Failure::Lost(message::NO_CLOSE_NOTIFY.into()));
            }
        }
    }

    /// Checks that nothing has arrived on an idle connection except messages of TLS itself, such as session tickets.
    /// Reads and processes these.
    pub fn probe(&mut self, socket: &mut Socket) -> bool {
        let buffer = self.records.input_append_buf();
        let capacity = buffer.len();
        match socket.receive_now(buffer) {
            Ok(None) => {}
            // Tickets are small, so a full buffer has other data too.
            Ok(Some(received)) if 0 < received && received < capacity => {
                self.records.input_appended(received)
            }
            Ok(Some(_)) | Err(_) => return false,
        }
        self.process_and_check()
    }

    /// Releases memory that an idle session does not need, and wipes the rest. Returns whether the session can be
    /// reused: it is intact, and no data is left unread.
    pub fn recycle(&mut self) -> bool {
        let is_clean = self.process_and_check();
        self.records.recycle();
        is_clean
    }

    /// Processes what was received. Returns whether the session is intact and no data is left unread.
    fn process_and_check(&mut self) -> bool {
        self.advance(None).is_ok()
            && !self.has_ended
            && self.plaintext.input().is_empty()
            && self.records.input().is_empty()
    }

    /// Ends the session without waiting: sends a close_notify or, after an error, its alert.
    pub fn close_notify(&mut self, socket: &mut Socket) {
        let mut is_queued = false;
        // After an error there may be an alert to send, but no record can be read.
        while !self.has_failed || self.tls.wants_write() {
            let status = self.tls.process_tls_records(self.records.input_mut());
            let used = status.discard;
            match status.state {
                Ok(ConnectionState::EncodeTlsData(data)) => encode(data, &mut self.outgoing),
                Ok(ConnectionState::TransmitTlsData(data)) => data.done(),
                // Data from the server is discarded.
                Ok(ConnectionState::ReadTraffic(mut traffic)) => while traffic.next_record().is_some() {},
                Ok(ConnectionState::PeerClosed) => {}
                Ok(ConnectionState::WriteTraffic(mut traffic)) if !is_queued => {
                    is_queued = true;
                    let start = self.outgoing.len();
                    self.outgoing.resize(start + MAX_ALERT, 0);
                    let length = traffic.queue_close_notify(&mut self.outgoing[start..]).unwrap_or(0);
                    self.outgoing.truncate(start + length);
                }
                _ => break,
            }
            self.records.input_consume(used);
        }
        socket.send_without_waiting(&self.outgoing);
    }

    /// Processes the received records as far as possible. Appends the decrypted bytes to `into`: always the first
    /// record, and more as long as they fit into its capacity. Returns the number of bytes. The caller flushes.
    fn advance(&mut self, into: Option<&mut IoBuffers>) -> Result<usize, rustls::Error> {
        if let Some(error) = self.pending_error.take() {
            return Err(error);
        }
        let is_bounded = into.is_some();
        let into = into.unwrap_or(&mut self.plaintext);
        let mut decrypted = 0;
        loop {
            let status = self.tls.process_tls_records(self.records.input_mut());
            let mut used = status.discard;
            let continues = match status.state {
                Ok(ConnectionState::ReadTraffic(traffic))
                    if is_bounded
                        && decrypted > 0
                        && traffic.peek_len().is_some_and(|length| length.get() > into.capacity()) =>
                {
                    Ok(false)
                }
                Ok(ConnectionState::ReadTraffic(mut traffic)) => match traffic.next_record() {
                    Some(Ok(record)) => {
                        into.append(record.payload);
                        decrypted += record.payload.len();
                        used += record.discard;
                        Ok(true)
                    }
                    Some(Err(error)) => Err(error),
                    None => Ok(true),
                },
                Ok(ConnectionState::EncodeTlsData(data)) => {
                    encode(data, &mut self.outgoing);
                    // The only message that a client sends on its own in TLS 1.2 declines a second handshake.
                    self.asks_to_renegotiate |= self.is_renegotiable;
                    Ok(true)
                }
                Ok(ConnectionState::TransmitTlsData(data)) => {
                    data.done();
                    Ok(true)
                }
                Ok(ConnectionState::PeerClosed) => {
                    self.has_ended = true;
                    Ok(false)
                }
                Ok(_) => Ok(false),
                Err(error) => {
                    self.has_failed = true;
                    Err(error)
                }
            };
            self.records.input_consume(used);
            match continues {
                Ok(true) => {}
                // The caller reads the bytes before the error first.
                Err(error) if decrypted > 0 => {
                    self.pending_error = Some(error);
                    return Ok(decrypted);
                }
                Err(error) => return Err(error),
                // A handshake message that is longer than any valid one.
                Ok(false) if decrypted == 0 && self.records.is_full_without_progress() => {
                    return Err(InvalidMessage::HandshakePayloadTooLarge.into());
                }
                Ok(false) => return Ok(decrypted),
            }
        }
    }

    fn encrypt(&mut self, bytes: &[u8]) -> Result<(), Failure> {
        let status = self.tls.process_tls_records(self.records.input_mut());
        let Ok(ConnectionState::WriteTraffic(mut traffic)) = status.state else {
            return Err(Failure::Lost(message::TLS_SESSION_ENDED.into()));
        };
        let used = status.discard;
        let start = self.outgoing.len();
        let length = match traffic.encrypt(bytes, &mut []) {
            Err(EncryptError::InsufficientSize(InsufficientSizeError { required_size })) => {
                self.outgoing.resize(start + required_size, 0);
                traffic.encrypt(bytes, &mut self.outgoing[start..])
            }
            other => other,
        };
        let length = length.map_err(|error| Failure::Lost(error.to_string()))?;
        self.outgoing.truncate(start + length);
        self.records.input_consume(used);
        Ok(())
    }

    /// Sends the encrypted records.
    fn flush(&mut self, socket: &mut Socket, context: &CallContext) -> Result<(), Failure> {
        let records = mem::take(&mut self.outgoing);
        if records.is_empty() { Ok(()) } else { Ok(socket.send(&records, context)?) }
    }

    /// Receives records once. Returns `false` if the peer has ended the stream.
    fn read_records(&mut self, socket: &mut Socket, context: &CallContext) -> Result<bool, Failure> {
        Ok(self.records.read(|buffer| socket.receive(buffer, context))? > 0)
    }
}

impl fmt::Debug for Session {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Session").finish_non_exhaustive()
    }
}

/// Appends a record of the handshake.
fn encode<Data>(mut data: EncodeTlsData<'_, Data>, outgoing: &mut Vec<u8>) {
    if let Err(EncodeError::InsufficientSize(InsufficientSizeError { required_size })) = data.encode(&mut [])
    {
        let start = outgoing.len();
        outgoing.resize(start + required_size, 0);
        // Cannot fail: the buffer has the required size.
        let _ = data.encode(&mut outgoing[start..]);
    }
}
