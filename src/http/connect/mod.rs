//! Establishes connections: name lookup, TCP, proxy and TLS, within the connect timeout and the limits of the call.
//! Start reading at [`Route::connect`].

pub mod http_proxy;
mod proxy_stream;
mod race;
mod resolve;
mod socks5;

use std::net::TcpStream;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use crate::context::{CallContext, Interruption};
use crate::error::message::connect as message;
use crate::error::{ErrorKind, Phase};
use crate::http::connection::Connection;
use crate::http::exchange::Exchange;
use crate::http::failure::Failure;
use crate::http::proxy::{Protocol, Proxy};
use crate::http::request::RequestHeader;
use crate::http::socket::Socket;
use crate::http::tls::TlsConfig;
use crate::http::tls::session::Session;
use crate::http::url::{BaseUrl, Host};
use crate::log::Event;
use crate::sys::dns::read_settings;
use http_proxy::ForProxy;
use proxy_stream::ProxyStream;
use race::{connect_to_any, interleave_families};
use resolve::resolve;

/// The way to the server: everything that establishing a connection requires.
#[derive(Debug)]
pub struct Route {
    /// The server.
    pub base: BaseUrl,
    /// The proxy, or `None` for direct connections.
    pub proxy: Option<Proxy>,
    /// The TLS settings, or `None` for plaintext.
    pub tls: Option<Arc<TlsConfig>>,
    /// The timeout for establishing one connection.
    pub connect_timeout: Option<Duration>,
    /// Header lines of every request.
    pub header: Arc<RequestHeader>,
}

/// A number for the next connection, by which the log refers to it. Never 0.
fn next_connection() -> usize {
    static LAST: AtomicUsize = AtomicUsize::new(0);
    LAST.fetch_add(1, Ordering::Relaxed).wrapping_add(1).max(1)
}

impl Route {
    /// Reads what lookups of names depend on, if there may be any.
    pub fn prepare_lookups(&self) {
        let mut hosts = self.proxy.iter().map(|proxy| &proxy.host).chain([&self.base.host]);
        if hosts.any(|host| matches!(host, Host::Name(_)) && !host.is_loopback()) {
            read_settings();
        }
    }

    /// Establishes a connection.
    pub fn connect(&self, exchange: &mut Exchange) -> Result<Connection, Failure> {
        exchange.set_connection(next_connection());
        let context = exchange.context.with_timeout(self.connect_timeout);
        match self.connect_within(exchange, &context) {
            // The call's own deadline is reported as a timeout, the connect timeout as a failure to connect.
            Err(Failure::Interrupted(Interruption::TimedOut)) => match exchange.context.check() {
                Ok(()) => Err(self.timed_out(exchange.phase)),
                Err(interruption) => Err(interruption.into()),
            },
            other => other,
        }
    }

    fn connect_within(&self, exchange: &mut Exchange, context: &CallContext) -> Result<Connection, Failure> {
        let (host, port) = match &self.proxy {
            Some(proxy) => {
                let protocol = proxy.protocol.name();
                context.debug(|| Event::Proxy { peer: proxy.peer(), protocol, setting: proxy.setting });
                (&proxy.host, proxy.port)
            }
            None => (&self.base.host, self.base.port),
        };
        let addresses = resolve(host, context, exchange)?;
        exchange.enter(Phase::Connecting);
        let stream = connect_to_any(addresses, port, &self.first_peer(), context)?;
        let mut socket = match &self.proxy {
            Some(proxy) => self.open_tunnel(proxy, stream, exchange, context)?,
            None => Socket::new(stream),
        };
        let header = self.header.clone();
        let Some(config) = &self.tls else {
            return Ok(Connection::plaintext(socket, self.request_prefix(), header, exchange.connection));
        };
        exchange.enter(Phase::Handshake);
        let session = Session::handshake(&mut socket, config, &self.base, context)?;
        session.log(context);
        Ok(Connection::tls(socket, session, header, exchange.connection))
    }

    /// The peer of the TCP connection: the proxy, or the server itself.
    fn first_peer(&self) -> String {
        match &self.proxy {
            Some(proxy) => message::proxy_peer(&proxy.peer()),
            None => self.base.peer(),
        }
    }

    fn open_tunnel(
        &self,
        proxy: &Proxy,
        stream: TcpStream,
        exchange: &mut Exchange,
        context: &CallContext,
    ) -> Result<Socket, Failure> {
        let BaseUrl { host, port, secure, .. } = &self.base;
        let hosts = match proxy.protocol {
            Protocol::Http => {
                let mut socket = Socket::new(stream);
                // A plaintext request needs no tunnel: the proxy forwards it by the full URL in its request line.
                if *secure {
                    exchange.enter(Phase::Proxy);
                    let redactor = exchange.redactor.as_deref();
                    let stream = ProxyStream::new(&mut socket, proxy, context, redactor);
                    http_proxy::open_tunnel(stream, &self.base.peer())?;
                }
                return Ok(socket);
            }
            Protocol::Socks5 => {
                let addresses = resolve(host, context, exchange)?;
                interleave_families(addresses).into_iter().map(Host::Address).collect()
            }
            Protocol::Socks5h => vec![host.clone()],
        };
        exchange.enter(Phase::Proxy);
        socks5::open_tunnel(stream, proxy, hosts, *port, context).map(Socket::new)
    }

    /// The additions to a plaintext request that goes through an HTTP proxy.
    fn request_prefix(&self) -> Option<ForProxy> {
        let proxy = self.proxy.as_ref().filter(|proxy| proxy.protocol == Protocol::Http)?;
        Some(ForProxy::new(&self.base.origin(), proxy))
    }

    fn timed_out(&self, phase: Phase) -> Failure {
        let limit = self.connect_timeout.unwrap_or_default().as_millis();
        let reason = message::connect_timeout(limit, phase);
        ErrorKind::Connect { peer: self.first_peer(), reason, refused: false }.into()
    }
}
