//! A connection as ureq uses it: plain or TLS, with the credentials put into each request on its way out.

use std::io::{ErrorKind, Read, Write};
use std::sync::Arc;

use rustls::{ClientConfig, ClientConnection};
use ureq::unversioned::resolver::{ResolvedSocketAddrs, Resolver};
use ureq::unversioned::transport::{Buffers, ConnectionDetails, Connector, NextTimeout, Transport};

use super::HEADER_TOO_LARGE;
use super::buffers::PortionBuffers;
use super::connect::Target;
use super::exchange::{self, Exchange, Failure};
use super::head::Plain;
use super::tls;
use super::transport::Socket;
use super::tunnel::ForProxy;
use super::url::BaseUrl;
use crate::cancel::Watch;
use crate::error::{Kind, Phase};
use crate::secret::Secret;

/// Where a request's head ends.
const END_OF_HEAD: &[u8] = b"\r\n\r\n";

/// Makes connections when ureq's pool has none.
#[derive(Debug)]
pub struct Dialer(pub Arc<Target>);

impl Connector for Dialer {
    type Out = Connection;

    fn connect(&self, _: &ConnectionDetails, _: Option<()>) -> Result<Option<Connection>, ureq::Error> {
        exchange::current(|exchange| {
            exchange.is_fresh = true;
            self.0.connect(exchange).map(Some).map_err(|failure| exchange.fail(failure))
        })
    }
}

/// ureq asks for addresses before it looks into its pool: the dialer looks them up, when it needs them.
#[derive(Debug)]
pub struct NoLookup;

impl Resolver for NoLookup {
    fn resolve(
        &self,
        _: &ureq::http::Uri,
        _: &ureq::config::Config,
        _: NextTimeout,
    ) -> Result<ResolvedSocketAddrs, ureq::Error> {
        Ok(self.empty())
    }
}

/// A connection to the server, be it through a proxy.
#[derive(Debug)]
pub struct Connection {
    channel: Channel,
    buffers: PortionBuffers,
    /// What stands in the head of every request, in whole lines: ureq never sees it.
    header: Arc<str>,
    /// The request is out, and the whole head of its answer has not come.
    awaited: Option<Plain>,
    /// ureq asks whether the connection is open when it puts it aside and when it takes it up again.
    is_idle: bool,
    is_broken: bool,
}

#[derive(Debug)]
enum Channel {
    Plain { socket: Socket, for_proxy: Option<ForProxy> },
    Secure { socket: Socket, session: Box<Session> },
}

impl Connection {
    /// Bytes as they are.
    pub fn plain(socket: Socket, for_proxy: Option<ForProxy>, header: Arc<str>) -> Connection {
        Connection::over(Channel::Plain { socket, for_proxy }, header)
    }

    /// Bytes in TLS.
    pub fn secure(socket: Socket, session: Session, header: Arc<str>) -> Connection {
        Connection::over(Channel::Secure { socket, session: Box::new(session) }, header)
    }

    fn over(channel: Channel, header: Arc<str>) -> Connection {
        Connection {
            channel,
            buffers: PortionBuffers::default(),
            header,
            awaited: None,
            is_idle: false,
            is_broken: false,
        }
    }

    fn send(&mut self, amount: usize, exchange: &mut Exchange) -> Result<(), Failure> {
        exchange.phase = Phase::Sending;
        let bytes = self.buffers.outgoing(amount);
        let head_without_end = bytes.strip_suffix(END_OF_HEAD);
        let header = [self.header.as_bytes(), exchange.credentials.header()];
        match (&mut self.channel, head_without_end) {
            (Channel::Plain { socket, for_proxy }, Some(head)) => {
                socket.send(whole_head(head, header, for_proxy.as_ref()).bytes(), &exchange.watch)?;
            }
            (Channel::Plain { socket, .. }, None) => socket.send(bytes, &exchange.watch)?,
            (Channel::Secure { socket, session }, Some(head)) => {
                session.send(socket, &[head, b"\r\n", header[0], header[1], b"\r\n"], &exchange.watch)?;
            }
            (Channel::Secure { socket, session }, None) => session.send(socket, &[bytes], &exchange.watch)?,
        }
        exchange.phase = Phase::Waiting;
        self.awaited = Some(Plain::default());
        Ok(())
    }

    fn receive(&mut self, exchange: &mut Exchange) -> Result<bool, Failure> {
        let buffer = self.buffers.input_append_buf();
        let room = buffer.len();
        let received = match &mut self.channel {
            Channel::Plain { socket, .. } => socket.receive(buffer, &exchange.watch)?,
            Channel::Secure { socket, session } => session.receive(socket, buffer, &exchange.watch)?,
        };
        self.buffers.input_appended(received);
        if received == room {
            self.buffers.expect_more();
        }
        exchange.has_received |= received > 0;
        exchange.has_ended |= received == 0;
        self.make_head_plain()?;
        Ok(received > 0)
    }

    /// ureq sees half a head as well, but makes nothing of it.
    fn make_head_plain(&mut self) -> Result<(), Failure> {
        let Some(head) = &mut self.awaited else { return Ok(()) };
        let progress = head.look(self.buffers.input_mut()).map_err(|_| HEADER_TOO_LARGE)?;
        if progress.is_whole {
            self.awaited = None;
        }
        if progress.dropped > 0 {
            self.buffers.input_consume(progress.dropped);
        }
        Ok(())
    }
}

/// The head as it goes out: with the lines that ureq never sees, credentials among them, and what a proxy wants.
fn whole_head(head: &[u8], header: [&[u8]; 2], for_proxy: Option<&ForProxy>) -> Secret {
    let [first, second] = header;
    let Some(for_proxy) = for_proxy else { return Secret::concat(&[head, b"\r\n", first, second, b"\r\n"]) };
    let (method, rest) = head.split_at(head.iter().position(|byte| *byte == b'/').unwrap_or(0));
    Secret::concat(&[
        method,
        for_proxy.origin.as_bytes(),
        rest,
        b"\r\n",
        first,
        for_proxy.header.bytes(),
        second,
        b"\r\n",
    ])
}

impl Transport for Connection {
    fn buffers(&mut self) -> &mut dyn Buffers {
        &mut self.buffers
    }

    fn transmit_output(&mut self, amount: usize, _: NextTimeout) -> Result<(), ureq::Error> {
        exchange::current(|exchange| {
            self.send(amount, exchange).map_err(|failure| {
                self.is_broken = true;
                exchange.fail(failure)
            })
        })
    }

    fn await_input(&mut self, _: NextTimeout) -> Result<bool, ureq::Error> {
        if self.buffers.are_stuck() {
            self.is_broken = true;
            return Err(ureq::Error::BodyStalled);
        }
        exchange::current(|exchange| {
            self.receive(exchange).map_err(|failure| {
                self.is_broken = true;
                exchange.fail(failure)
            })
        })
    }

    fn is_open(&mut self) -> bool {
        self.is_idle = !self.is_idle;
        if self.is_idle {
            self.buffers.rest();
            if let Channel::Secure { session, .. } = &mut self.channel {
                session.rest();
            }
            return !self.is_broken;
        }
        let only_fresh = exchange::current(|exchange| Ok(exchange.only_fresh)).unwrap_or(true);
        // Late bytes would be taken for the beginning of the next answer.
        !only_fresh
            && match &mut self.channel {
                Channel::Plain { socket, .. } => socket.is_quiet(),
                Channel::Secure { socket, session } => session.is_quiet(socket),
            }
    }

    fn is_tls(&self) -> bool {
        matches!(self.channel, Channel::Secure { .. })
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        match &mut self.channel {
            Channel::Plain { socket, .. } => socket.end(),
            Channel::Secure { socket, session } => {
                if !self.is_broken {
                    session.say_goodbye(socket);
                }
                socket.end();
            }
        }
    }
}

/// A TLS session.
#[derive(Debug)]
pub struct Session {
    tls: ClientConnection,
    /// Received, and not yet decrypted.
    records: PortionBuffers,
    /// Where in a record the decrypted part ends.
    progress: RecordProgress,
}

impl Session {
    /// The handshake.
    pub fn agree(
        socket: &mut Socket,
        config: &Arc<ClientConfig>,
        base: &BaseUrl,
        watch: &Watch,
    ) -> Result<Session, Failure> {
        let refused = |reason: String| Failure::from(Kind::Tls { peer: base.peer(), reason });
        let name = tls::server_name(&base.host).map_err(refused)?;
        let tls =
            ClientConnection::new(config.clone(), name).map_err(|error| refused(tls::explain(&error)))?;
        let mut session =
            Session { tls, records: PortionBuffers::default(), progress: RecordProgress::default() };
        while session.tls.is_handshaking() {
            session.flush(socket, watch)?;
            match session.take_in(socket, watch) {
                Ok(true) => {}
                Ok(false) => return Err(Failure::Lost("the server closed it in the TLS handshake".into())),
                Err(TlsFault::Broken(failure)) => return Err(failure),
                Err(TlsFault::Refused(error)) => {
                    // Tell the server why; nobody waits for it.
                    session.say_goodbye(socket);
                    return Err(refused(tls::explain(&error)));
                }
            }
        }
        session.flush(socket, watch)?;
        Ok(session)
    }

    fn send(&mut self, socket: &mut Socket, parts: &[&[u8]], watch: &Watch) -> Result<(), Failure> {
        for part in parts {
            let mut rest = *part;
            while !rest.is_empty() {
                let taken =
                    self.tls.writer().write(rest).map_err(|error| Failure::Lost(super::reason(&error)))?;
                rest = &rest[taken..];
                if !rest.is_empty() {
                    self.flush(socket, watch)?;
                }
            }
        }
        self.flush(socket, watch)
    }

    fn receive(&mut self, socket: &mut Socket, buffer: &mut [u8], watch: &Watch) -> Result<usize, Failure> {
        let mut has_ended = false;
        loop {
            match self.tls.reader().read(buffer) {
                Ok(received) => return Ok(received),
                Err(error) if error.kind() == ErrorKind::WouldBlock && !has_ended => {}
                Err(error) if matches!(error.kind(), ErrorKind::UnexpectedEof | ErrorKind::WouldBlock) => {
                    return Err(Failure::Lost(
                        "it ended without a TLS goodbye: the answer may be cut off".into(),
                    ));
                }
                Err(error) => return Err(Failure::Lost(super::reason(&error))),
            }
            match self.take_in(socket, watch) {
                Ok(goes_on) => has_ended = !goes_on,
                Err(TlsFault::Broken(failure)) => return Err(failure),
                Err(TlsFault::Refused(error)) => {
                    return Err(Failure::Lost(format!(
                        "what came is not valid TLS: {}",
                        tls::explain(&error)
                    )));
                }
            }
            self.flush(socket, watch)?;
        }
    }

    /// Sends what TLS wants to send.
    fn flush(&mut self, socket: &mut Socket, watch: &Watch) -> Result<(), Failure> {
        let mut records = Vec::new();
        while self.tls.wants_write() {
            self.tls.write_tls(&mut records).map_err(|error| Failure::Lost(super::reason(&error)))?;
        }
        if records.is_empty() { Ok(()) } else { Ok(socket.send(&records, watch)?) }
    }

    /// Receives and decrypts once; false: the peer has ended the stream.
    fn take_in(&mut self, socket: &mut Socket, watch: &Watch) -> Result<bool, TlsFault> {
        if self.records.input().is_empty() {
            let buffer = self.records.input_append_buf();
            let room = buffer.len();
            let received = socket.receive(buffer, watch).map_err(|fault| TlsFault::Broken(fault.into()))?;
            self.records.input_appended(received);
            if received == room {
                self.records.expect_more();
            }
        }
        self.decrypt().map_err(TlsFault::Refused)
    }

    /// Hands a portion of what was received to TLS, or that there is no more; false: TLS takes nothing, as the stream
    /// has ended.
    fn decrypt(&mut self) -> Result<bool, rustls::Error> {
        let taken = self
            .tls
            .read_tls(&mut self.records.input())
            .map_err(|error| rustls::Error::General(error.to_string()))?;
        self.progress.pass(&self.records.input()[..taken]);
        self.records.input_consume(taken);
        self.tls.process_new_packets()?;
        Ok(taken > 0)
    }

    /// Whether nothing has come but what belongs to TLS itself, such as tickets for later sessions.
    fn is_quiet(&mut self, socket: &mut Socket) -> bool {
        if self.records.input().is_empty() {
            match socket.receive_now(self.records.input_append_buf()) {
                Ok(None) => {}
                Ok(Some(received)) if received > 0 => self.records.input_appended(received),
                Ok(Some(_)) | Err(_) => return false,
            }
        }
        while !self.records.input().is_empty() {
            // Whoever has said goodbye, or sends more than a portion of tickets, is not worth another look.
            if !matches!(self.decrypt(), Ok(true)) {
                return false;
            }
        }
        let waiting = self.tls.reader().read(&mut [0]);
        self.progress.is_between_records()
            && waiting.is_err_and(|error| error.kind() == ErrorKind::WouldBlock)
    }

    /// Gives back what an idle session does not need.
    fn rest(&mut self) {
        self.records.rest();
    }

    fn say_goodbye(&mut self, socket: &mut Socket) {
        self.tls.send_close_notify();
        let mut records = Vec::new();
        while self.tls.wants_write() && self.tls.write_tls(&mut records).is_ok() {}
        socket.send_farewell(&records);
    }
}

/// Whether TLS has been given a part of a record only, which it does not tell itself.
#[derive(Debug, Default)]
struct RecordProgress {
    /// What has come of the record's header.
    header: [u8; 5],
    header_length: usize,
    /// What is still to come of the record behind its header.
    left: usize,
}

impl RecordProgress {
    fn pass(&mut self, mut bytes: &[u8]) {
        while let [first, rest @ ..] = bytes {
            if self.left > 0 {
                let passed = self.left.min(bytes.len());
                self.left -= passed;
                bytes = &bytes[passed..];
                continue;
            }
            self.header[self.header_length] = *first;
            self.header_length += 1;
            bytes = rest;
            if let [_, _, _, high, low] = self.header
                && self.header_length == self.header.len()
            {
                (self.header_length, self.left) = (0, usize::from(u16::from_be_bytes([high, low])));
            }
        }
    }

    fn is_between_records(&self) -> bool {
        self.header_length == 0 && self.left == 0
    }
}

enum TlsFault {
    Broken(Failure),
    Refused(rustls::Error),
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::http::proxy::Proxy;

    #[test]
    fn credentials_stand_at_the_end_of_the_head() {
        let head = whole_head(b"GET /a HTTP/1.1\r\nhost: b", [b"accept: c\r\n", b"x-api-key: k\r\n"], None);
        assert_eq!(head.as_str(), "GET /a HTTP/1.1\r\nhost: b\r\naccept: c\r\nx-api-key: k\r\n\r\n");
    }

    #[test]
    fn records_are_followed_however_they_come() {
        let records = [
            b"\x17\x03\x03\x00\x05hello".as_slice(),
            b"\x16\x03\x03\x01\x00",
            &[0; 256],
            b"\x14\x03\x03\x00\x00",
        ];
        let bytes = records.concat();
        let ends = [0, 10, 271, 276];
        for step in [1, 2, 3, 7, 276] {
            let mut progress = RecordProgress::default();
            let mut passed = 0;
            for portion in bytes.chunks(step) {
                assert_eq!(
                    progress.is_between_records(),
                    ends.contains(&passed),
                    "{passed} of steps of {step}"
                );
                progress.pass(portion);
                passed += portion.len();
            }
            assert!(progress.is_between_records());
        }
    }

    #[test]
    fn a_proxy_gets_the_whole_url_and_its_own_login() -> Result<(), &'static str> {
        let for_proxy = ForProxy::new("http://b:1", &Proxy::parse("http://u:p@proxy:1")?);
        let header: [&[u8]; 2] = [b"", b"x-api-key: k\r\n"];
        let head = whole_head(b"GET /a/b HTTP/1.1\r\nhost: b", header, Some(&for_proxy));
        let expected = "GET http://b:1/a/b HTTP/1.1\r\nhost: b\r\nproxy-authorization: Basic dTpw\r\nx-api-key: k\r\n\r\n";
        assert_eq!(head.as_str(), expected);
        Ok(())
    }
}
