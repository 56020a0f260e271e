//! TLS on a connection. What comes is decrypted where it lies, in memory that is wiped; what rustls copies of it for a
//! moment is wiped by the allocator.

use std::sync::Arc;
use std::{fmt, mem};

use rustls::client::UnbufferedClientConnection;
use rustls::unbuffered::{ConnectionState, EncodeError, EncodeTlsData, EncryptError, InsufficientSizeError};
use rustls::{ClientConfig, InvalidMessage};

use crate::context::CallContext;
use crate::error::ErrorKind;
use crate::http::buffers::IoBuffers;
use crate::http::failure::Failure;
use crate::http::socket::Socket;
use crate::http::tls;
use crate::http::url::BaseUrl;

/// More than an alert takes, encrypted.
const ALERT: usize = 256;

/// A TLS session.
pub struct Session {
    tls: UnbufferedClientConnection,
    /// Received, and not yet decrypted.
    records: IoBuffers,
    /// Decrypted before somebody waited for it.
    early: IoBuffers,
    /// Encrypted, and not yet sent.
    outgoing: Vec<u8>,
    /// What is wrong behind what was decrypted last.
    fault: Option<rustls::Error>,
    /// TLS has made an error of something that it would read again.
    has_failed: bool,
    /// The server has said goodbye.
    has_ended: bool,
}

impl Session {
    /// The handshake.
    pub fn agree(
        socket: &mut Socket,
        config: &Arc<ClientConfig>,
        base: &BaseUrl,
        context: &CallContext,
    ) -> Result<Session, Failure> {
        let refused = |reason: String| Failure::from(ErrorKind::Tls { peer: base.peer(), reason });
        let name = tls::server_name(&base.host).map_err(refused)?;
        let tls = UnbufferedClientConnection::new(config.clone(), name)
            .map_err(|error| refused(tls::explain(&error)))?;
        let mut session = Session {
            tls,
            records: IoBuffers::default(),
            early: IoBuffers::default(),
            outgoing: Vec::new(),
            fault: None,
            has_failed: false,
            has_ended: false,
        };
        loop {
            match session.advance(None) {
                Ok(_) => {}
                // It came behind the handshake: the first request meets with it.
                Err(error) if !session.tls.is_handshaking() => session.fault = Some(error),
                Err(error) => {
                    // Tell the server why; nobody waits for it.
                    session.say_goodbye(socket);
                    return Err(refused(tls::explain(&error)));
                }
            }
            session.flush(socket, context)?;
            if !session.tls.is_handshaking() {
                return Ok(session);
            }
            if session.has_ended || !session.take_in(socket, context)? {
                return Err(Failure::Lost("the server closed it in the TLS handshake".into()));
            }
        }
    }

    /// Sends these bytes; nothing where an answer waits to be read and the session is broken behind it.
    pub fn send(&mut self, socket: &mut Socket, bytes: &[u8], context: &CallContext) -> Result<(), Failure> {
        if self.fault.is_some() && !self.early.input().is_empty() {
            return Ok(());
        }
        self.advance(None).map_err(invalid)?;
        self.encrypt(bytes)?;
        self.flush(socket, context)
    }

    /// Waits for bytes, and appends them; 0: the stream has ended.
    pub fn receive(
        &mut self,
        socket: &mut Socket,
        into: &mut IoBuffers,
        context: &CallContext,
    ) -> Result<usize, Failure> {
        let early = self.early.input().len();
        if early > 0 {
            into.append(self.early.input());
            self.early.input_consume(early);
            self.early.recycle();
            return Ok(early);
        }
        loop {
            let received = self.advance(Some(into)).map_err(invalid)?;
            self.flush(socket, context)?;
            if received > 0 || self.has_ended {
                return Ok(received);
            }
            if !self.take_in(socket, context)? {
                return Err(Failure::Lost(
                    "it ended without a TLS goodbye: the answer may be cut off".into(),
                ));
            }
        }
    }

    /// Whether nothing has come but what belongs to TLS itself, such as tickets for later sessions.
    pub fn is_quiet(&mut self, socket: &mut Socket) -> bool {
        let buffer = self.records.input_append_buf();
        let room = buffer.len();
        match socket.receive_now(buffer) {
            Ok(None) => {}
            // Whoever sends more than a portion of tickets is not worth another look.
            Ok(Some(received)) if 0 < received && received < room => self.records.input_appended(received),
            Ok(Some(_)) | Err(_) => return false,
        }
        self.is_clean()
    }

    /// Gives back what an idle session does not need, and wipes what is left; false: there is more than that.
    pub fn rest(&mut self) -> bool {
        let is_clean = self.is_clean();
        self.records.recycle();
        is_clean
    }

    fn is_clean(&mut self) -> bool {
        self.advance(None).is_ok()
            && !self.has_ended
            && self.early.input().is_empty()
            && self.records.input().is_empty()
    }

    /// Tells the server that this is the end, or what it did wrong.
    pub fn say_goodbye(&mut self, socket: &mut Socket) {
        let mut is_said = false;
        // After an error there may be an alert to send, and nothing more to be read.
        while !self.has_failed || self.tls.wants_write() {
            let status = self.tls.process_tls_records(self.records.input_mut());
            let used = status.discard;
            match status.state {
                Ok(ConnectionState::EncodeTlsData(data)) => encode(data, &mut self.outgoing),
                Ok(ConnectionState::TransmitTlsData(data)) => data.done(),
                // What the server has sent is of no interest any more.
                Ok(ConnectionState::ReadTraffic(mut traffic)) => while traffic.next_record().is_some() {},
                Ok(ConnectionState::PeerClosed) => {}
                Ok(ConnectionState::WriteTraffic(mut traffic)) if !is_said => {
                    is_said = true;
                    let start = self.outgoing.len();
                    self.outgoing.resize(start + ALERT, 0);
                    let length = traffic.queue_close_notify(&mut self.outgoing[start..]).unwrap_or(0);
                    self.outgoing.truncate(start + length);
                }
                _ => break,
            }
            self.records.input_consume(used);
        }
        socket.send_farewell(&self.outgoing);
    }

    /// Lets TLS make what it can of what was received. What it has decrypted is appended: the first record whole, more
    /// as long as there is room. Returns how many bytes that is. Whoever calls it flushes.
    fn advance(&mut self, into: Option<&mut IoBuffers>) -> Result<usize, rustls::Error> {
        if let Some(fault) = self.fault.take() {
            return Err(fault);
        }
        let is_bounded = into.is_some();
        let into = into.unwrap_or(&mut self.early);
        let mut decrypted = 0;
        loop {
            let status = self.tls.process_tls_records(self.records.input_mut());
            let mut used = status.discard;
            let goes_on = match status.state {
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
            match goes_on {
                Ok(true) => {}
                // What came before the fault is to be read before it.
                Err(error) if decrypted > 0 => {
                    self.fault = Some(error);
                    return Ok(decrypted);
                }
                Err(error) => return Err(error),
                // A message in more records than there should be of it.
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
            return Err(Failure::Lost("its TLS session has ended".into()));
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

    /// Sends what TLS wants to send.
    fn flush(&mut self, socket: &mut Socket, context: &CallContext) -> Result<(), Failure> {
        let records = mem::take(&mut self.outgoing);
        if records.is_empty() { Ok(()) } else { Ok(socket.send(&records, context)?) }
    }

    /// Receives once; false: the peer has ended the stream.
    fn take_in(&mut self, socket: &mut Socket, context: &CallContext) -> Result<bool, Failure> {
        Ok(self.records.read(|buffer| socket.receive(buffer, context))? > 0)
    }
}

impl fmt::Debug for Session {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Session").finish_non_exhaustive()
    }
}

fn invalid(error: rustls::Error) -> Failure {
    Failure::Lost(format!("what came is not valid TLS: {}", tls::explain(&error)))
}

/// Appends a record that TLS has made.
fn encode<Data>(mut data: EncodeTlsData<'_, Data>, outgoing: &mut Vec<u8>) {
    if let Err(EncodeError::InsufficientSize(InsufficientSizeError { required_size })) = data.encode(&mut [])
    {
        let start = outgoing.len();
        outgoing.resize(start + required_size, 0);
        // It fits now.
        let _ = data.encode(&mut outgoing[start..]);
    }
}
