//! The dialogue with a proxy, before its connection carries requests.

use crate::context::CallContext;
use crate::error::ErrorKind;
use crate::error::message::connect as message;
use crate::error::message::wire::describe_io_error;
use crate::http::failure::Failure;
use crate::http::proxy::Proxy;
use crate::http::socket::{Fault, Socket};

/// A connection to a proxy that has not opened the tunnel yet. Every failure on it is reported as a failure to connect
/// to the proxy.
pub struct ProxyStream<'a> {
    socket: &'a mut Socket,
    /// The proxy.
    pub proxy: &'a Proxy,
    context: &'a CallContext,
}

impl<'a> ProxyStream<'a> {
    /// A stream on a new connection to this proxy.
    pub fn new(socket: &'a mut Socket, proxy: &'a Proxy, context: &'a CallContext) -> ProxyStream<'a> {
        ProxyStream { socket, proxy, context }
    }

    /// A failure that is retried.
    pub fn transient(&self, reason: impl Into<String>) -> Failure {
        self.failure(reason, false)
    }

    /// A failure that is not retried: a setting must be changed first, and repeating a wrong password could lock the
    /// user out.
    pub fn permanent(&self, reason: impl Into<String>) -> Failure {
        self.failure(reason, true)
    }

    fn failure(&self, reason: impl Into<String>, refused: bool) -> Failure {
        ErrorKind::Connect { peer: self.peer(), reason: reason.into(), refused }.into()
    }

    fn peer(&self) -> String {
        message::proxy_peer(&self.proxy.peer())
    }

    fn broken(&self, fault: Fault) -> Failure {
        match fault {
            Fault::Interrupted(interruption) => interruption.into(),
            Fault::Lost(error) => self.transient(describe_io_error(&error)),
        }
    }

    /// Sends all bytes.
    pub fn send(&self, bytes: &[u8]) -> Result<(), Failure> {
        self.socket.send(bytes, self.context).map_err(|fault| self.broken(fault))
    }

    /// Receives at least one byte.
    pub fn receive(&mut self, buffer: &mut [u8]) -> Result<usize, Failure> {
        match self.socket.receive(buffer, self.context) {
            Ok(0) => Err(self.transient(message::PROXY_CLOSED)),
            other => other.map_err(|fault| self.broken(fault)),
        }
    }

    /// Receives exactly this many bytes.
    pub fn receive_exactly<const LENGTH: usize>(&mut self) -> Result<[u8; LENGTH], Failure> {
        let mut bytes = [0; LENGTH];
        let mut filled = 0;
        while filled < LENGTH {
            filled += self.receive(&mut bytes[filled..])?;
        }
        Ok(bytes)
    }
}
