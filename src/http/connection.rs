//! A connection as ureq uses it: plain or TLS, with the credentials put into each request on its way out.

use std::sync::Arc;

use ureq::unversioned::resolver::{ResolvedSocketAddrs, Resolver};
use ureq::unversioned::transport::{Buffers, ConnectionDetails, Connector, NextTimeout, Transport};

use super::HEADER_TOO_LARGE;
use super::buffers::PortionBuffers;
use super::connect::Route;
use super::connect::http_proxy::ForProxy;
use super::exchange::{self, Exchange, Failure};
use super::head_filter::Plain;
use super::socket::Socket;
use super::tls::session::Session;
use crate::error::Phase;
use crate::secret::Secret;

/// Where a request's head ends.
const END_OF_HEAD: &[u8] = b"\r\n\r\n";

/// Makes connections when ureq's pool has none.
#[derive(Debug)]
pub struct Dialer(pub Arc<Route>);

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

impl Channel {
    /// Only a proxy that reads the request gets a login with it.
    fn for_proxy(&self) -> Option<&ForProxy> {
        match self {
            Channel::Plain { for_proxy, .. } => for_proxy.as_ref(),
            Channel::Secure { .. } => None,
        }
    }
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
        let whole = bytes.strip_suffix(END_OF_HEAD).map(|head| {
            let header = [self.header.as_bytes(), exchange.credentials.header()];
            whole_head(head, header, self.channel.for_proxy())
        });
        let bytes = whole.as_ref().map_or(bytes, Secret::bytes);
        match &mut self.channel {
            Channel::Plain { socket, .. } => socket.send(bytes, &exchange.context)?,
            Channel::Secure { socket, session } => session.send(socket, bytes, &exchange.context)?,
        }
        exchange.phase = Phase::Waiting;
        self.awaited = Some(Plain::default());
        Ok(())
    }

    fn receive(&mut self, exchange: &mut Exchange) -> Result<bool, Failure> {
        let received = match &mut self.channel {
            Channel::Plain { socket, .. } => {
                self.buffers.read(|buffer| socket.receive(buffer, &exchange.context))?
            }
            Channel::Secure { socket, session } => {
                session.receive(socket, &mut self.buffers, &exchange.context)?
            }
        };
        exchange.has_received |= received > 0;
        exchange.has_ended |= received == 0;
        self.make_head_plain()?;
        Ok(received > 0)
    }

    /// Gives back what an idle connection does not need, and wipes the rest; false: something is left behind the answer,
    /// so that this connection is of no use any more.
    fn rest(&mut self) -> bool {
        self.buffers.rest();
        let is_clean = match &mut self.channel {
            Channel::Plain { .. } => true,
            Channel::Secure { session, .. } => session.recycle(),
        };
        is_clean && self.buffers.input().is_empty()
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
            return !self.is_broken && self.rest();
        }
        let only_fresh = exchange::current(|exchange| Ok(exchange.only_fresh)).unwrap_or(true);
        // Late bytes would be taken for the beginning of the next answer.
        !only_fresh
            && match &mut self.channel {
                Channel::Plain { socket, .. } => socket.has_no_late_data(),
                Channel::Secure { socket, session } => session.has_no_late_data(socket),
            }
    }

    fn is_tls(&self) -> bool {
        matches!(self.channel, Channel::Secure { .. })
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        match &mut self.channel {
            Channel::Plain { socket, .. } => socket.shutdown(),
            Channel::Secure { socket, session } => {
                if !self.is_broken {
                    session.close_notify(socket);
                }
                socket.shutdown();
            }
        }
    }
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
    fn a_proxy_gets_the_whole_url_and_its_own_login() -> Result<(), &'static str> {
        let for_proxy = ForProxy::new("http://b:1", &Proxy::parse("http://u:p@proxy:1")?);
        let header: [&[u8]; 2] = [b"", b"x-api-key: k\r\n"];
        let head = whole_head(b"GET /a/b HTTP/1.1\r\nhost: b", header, Some(&for_proxy));
        let expected = "GET http://b:1/a/b HTTP/1.1\r\nhost: b\r\nproxy-authorization: Basic dTpw\r\nx-api-key: k\r\n\r\n";
        assert_eq!(head.as_str(), expected);
        Ok(())
    }
}
