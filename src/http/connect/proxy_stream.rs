//! The dialogue with a proxy, before its connection carries requests.

use std::io;

use crate::context::CallContext;
use crate::error::ErrorKind;
use crate::error::message::connect as message;
use crate::http::failure::Failure;
use crate::http::header_log::log_line;
use crate::http::proxy::Proxy;
use crate::http::socket::{Fault, Socket};
use crate::log::Event;
use crate::redact::Redactor;

/// A connection to a proxy that has not opened the tunnel yet. Every failure on it is reported as a failure to connect
/// to the proxy.
pub struct ProxyStream<'a> {
    socket: &'a mut Socket,
    /// The proxy.
    pub proxy: &'a Proxy,
    context: &'a CallContext,
    redactor: Option<&'a Redactor>,
}

impl<'a> ProxyStream<'a> {
    /// A stream on a new connection to this proxy. What it sends is logged if there is a `redactor`.
    pub fn new(
        socket: &'a mut Socket,
        proxy: &'a Proxy,
        context: &'a CallContext,
        redactor: Option<&'a Redactor>,
    ) -> ProxyStream<'a> {
        ProxyStream { socket, proxy, context, redactor }
    }

    /// Logs an event of the dialogue.
    pub fn debug<'e>(&self, event: impl FnOnce() -> Event<'e>) {
        self.context.debug(event);
    }

    /// Logs a line of the response of the proxy.
    pub fn log_line(&self, line: &[u8]) {
        log_line(line, self.redactor, self.context);
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
        proxy_failure(self.proxy, reason.into(), refused)
    }

    fn broken(&self, fault: Fault) -> Failure {
        match fault {
            Fault::Interrupted(interruption) => interruption.into(),
            Fault::Lost(error) => lost_proxy(self.proxy, error),
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
}

/// A failure to connect to the proxy. It is retried unless the proxy has `refused`.
pub fn proxy_failure(proxy: &Proxy, reason: String, refused: bool) -> Failure {
    ErrorKind::Connect { peer: message::proxy_peer(&proxy.peer()), reason, refused }.into()
}

/// The connection to the proxy broke, which is retried, or a resource is used up.
pub fn lost_proxy(proxy: &Proxy, error: io::Error) -> Failure {
    if error.kind() == io::ErrorKind::UnexpectedEof {
        return proxy_failure(proxy, message::PROXY_CLOSED.into(), false);
    }
    match Failure::from(Fault::Lost(error)) {
        Failure::Lost(reason) => proxy_failure(proxy, reason, false),
        other => other,
    }
}
