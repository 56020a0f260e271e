//! From a host name to a connection that carries the request: lookup, connect, proxy, TLS. Each within the time-out
//! for connecting and the call's own.

use std::io::Write;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::sync_channel;
use std::thread;
use std::time::{Duration, Instant};

use rustls::ClientConfig;

use crate::error::message::wire::describe_io_error;
use crate::http::connection::Connection;
use crate::http::exchange::Exchange;
use crate::http::failure::Failure;
use crate::http::proxy::{Protocol, Proxy};
use crate::http::socket::Socket;
use crate::http::tls::session::Session;
use crate::sys::dns::{LookupError, look_up};
use crate::sys::thread::with_signals_blocked;
use crate::sys::{Attempt, Interest, exhausted_resource};
pub mod http_proxy;
use crate::context::{CallContext, Interruption};
use crate::error::{ErrorKind, Phase};
use crate::http::url::{BaseUrl, Host};
use crate::sys::fork::PerProcess;

/// RFC 8305, 5: the next address is tried after this time, the earlier ones going on.
const ATTEMPT_DELAY: Duration = Duration::from_millis(250);

/// Lookups that the system has not finished hold a thread each: more than these wait for one to end.
const MOST_LOOKUPS: usize = 64;

/// How long a call that finds no free lookup waits before it looks again.
const LOOKUP_TURN: Duration = Duration::from_millis(10);

/// glibc's lookup modules want more than a thread's least.
const LOOKUP_STACK: usize = 1 << 20;

/// Where connections go, and how.
#[derive(Debug)]
pub struct Target {
    /// The server.
    pub base: BaseUrl,
    /// What stands between.
    pub proxy: Option<Proxy>,
    /// `None`: plaintext.
    pub tls: Option<Arc<ClientConfig>>,
    /// The limit of all that is done here.
    pub connect_timeout: Option<Duration>,
    /// Header lines of every request.
    pub header: Arc<str>,
}

impl Target {
    /// A new connection.
    pub fn connect(&self, exchange: &mut Exchange) -> Result<Connection, Failure> {
        let context = exchange.context.with_timeout(self.connect_timeout);
        let connected = self.connect_in_time(exchange, &context);
        match connected {
            // The call's own deadline is a time-out, the one for connecting alone is a failure to connect.
            Err(Failure::Interrupted(Interruption::TimedOut)) => match exchange.context.check() {
                Ok(()) => Err(self.too_slow(exchange.phase)),
                Err(why) => Err(Failure::Interrupted(why)),
            },
            other => other,
        }
    }

    fn connect_in_time(&self, exchange: &mut Exchange, context: &CallContext) -> Result<Connection, Failure> {
        let (host, port) = match &self.proxy {
            Some(proxy) => (&proxy.host, proxy.port),
            None => (&self.base.host, self.base.port),
        };
        exchange.phase = Phase::Resolving;
        let addresses = resolve(host, context)?;
        exchange.phase = Phase::Connecting;
        let mut socket = Socket::new(connect_to_any(&addresses, port, &self.first_peer(), context)?);
        if let Some(proxy) = &self.proxy {
            self.pass_proxy(proxy, &mut socket, exchange, context)?;
        }
        let header = self.header.clone();
        let Some(config) = &self.tls else {
            return Ok(Connection::plaintext(socket, self.request_prefix(), header));
        };
        exchange.phase = Phase::Handshake;
        let session = Session::agree(&mut socket, config, &self.base, context)?;
        Ok(Connection::tls(socket, session, header))
    }

    /// What is connected to: the proxy, or the server itself.
    fn first_peer(&self) -> String {
        match &self.proxy {
            Some(proxy) => format!("the proxy {}", proxy.peer()),
            None => self.base.peer(),
        }
    }

    fn pass_proxy(
        &self,
        proxy: &Proxy,
        socket: &mut Socket,
        exchange: &mut Exchange,
        context: &CallContext,
    ) -> Result<(), Failure> {
        exchange.phase = Phase::Proxy;
        match proxy.protocol {
            Protocol::Http if self.base.secure => {
                http_proxy::open_http(socket, proxy, &self.base.peer(), context)
            }
            // Plaintext goes to the proxy as it is, with the whole URL in its first line.
            Protocol::Http => Ok(()),
            Protocol::Socks5 => {
                exchange.phase = Phase::Resolving;
                let addresses = resolve(&self.base.host, context)?;
                exchange.phase = Phase::Proxy;
                let address = addresses.first().copied();
                let host = address.map_or_else(|| self.base.host.clone(), Host::Address);
                http_proxy::open_socks5(socket, proxy, &host, self.base.port, context)
            }
            Protocol::Socks5h => {
                http_proxy::open_socks5(socket, proxy, &self.base.host, self.base.port, context)
            }
        }
    }

    /// What a plaintext request has in its first line and its header for the proxy.
    fn request_prefix(&self) -> Option<http_proxy::ForProxy> {
        let proxy = self.proxy.as_ref().filter(|proxy| proxy.protocol == Protocol::Http)?;
        Some(http_proxy::ForProxy::new(&self.base.origin(), proxy))
    }

    fn too_slow(&self, phase: Phase) -> Failure {
        let limit = self.connect_timeout.unwrap_or_default().as_millis();
        let reason = format!("no connection within {limit} ms (connect_timeout_ms): it passed {phase}");
        ErrorKind::Connect { peer: self.first_peer(), reason, refused: false }.into()
    }
}

/// The addresses of a host, those of both families in turns (RFC 8305, 4), the system's favourite first.
fn resolve(host: &Host, context: &CallContext) -> Result<Vec<IpAddr>, Failure> {
    let name = match host {
        Host::Address(address) => return Ok(vec![*address]),
        // Never asked of anybody: whoever answers could send it elsewhere (RFC 6761, 6.3).
        Host::Name(_) if host.is_loopback() => {
            return Ok(vec![Ipv6Addr::LOCALHOST.into(), Ipv4Addr::LOCALHOST.into()]);
        }
        Host::Name(name) => name,
    };
    let failed = |reason: &str, temporary| {
        ErrorKind::Resolve { host: name.clone(), reason: reason.into(), temporary }.into()
    };
    match look_up_in_time(name, context)? {
        Ok(addresses) if addresses.is_empty() => Err(failed("the name has no address", false)),
        Ok(addresses) => Ok(in_turns(addresses)),
        Err(LookupError::NoSuchName) => Err(failed("the name does not exist", false)),
        Err(LookupError::Temporary) => Err(failed("the name service gives no answer for now", true)),
        Err(LookupError::Resource(what)) => {
            Err(ErrorKind::Resource(format!("could not look up {name}: {what}")).into())
        }
        Err(LookupError::Other(code)) => {
            Err(failed(&format!("the name service failed (getaddrinfo: {code})"), false))
        }
    }
}

fn in_turns(addresses: Vec<IpAddr>) -> Vec<IpAddr> {
    let first_is_v6 = addresses.first().is_some_and(IpAddr::is_ipv6);
    let (mut one, mut other): (Vec<_>, Vec<_>) =
        addresses.into_iter().partition(|address| address.is_ipv6() == first_is_v6);
    let mut turns = Vec::with_capacity(one.len() + other.len());
    one.reverse();
    other.reverse();
    while let Some(address) = one.pop() {
        turns.push(address);
        turns.extend(other.pop());
    }
    turns.extend(other.into_iter().rev());
    turns.truncate(Interest::MAX);
    turns
}

/// Lookups that this process has begun and the system has not finished.
static LOOKUPS: PerProcess<AtomicUsize> = PerProcess::new();

/// One of the places for a lookup, given back when dropped.
struct Turn(&'static AtomicUsize);

impl Turn {
    fn take() -> Option<Turn> {
        let Ok::<_, std::convert::Infallible>(running) = LOOKUPS.get_or_try_make(|| Ok(AtomicUsize::new(0)));
        let more = |count| (count < MOST_LOOKUPS).then_some(count + 1);
        running.fetch_update(Ordering::SeqCst, Ordering::SeqCst, more).ok().map(|_| Turn(running))
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::SeqCst);
    }
}

/// The system's lookup cannot be interrupted: a thread does it, which is left alone where the call ends first.
fn look_up_in_time(name: &str, context: &CallContext) -> Result<Result<Vec<IpAddr>, LookupError>, Failure> {
    let turn = loop {
        match Turn::take() {
            Some(turn) => break turn,
            None => context.pause(LOOKUP_TURN)?,
        }
    };
    let no_resource = |what: &str| ErrorKind::Resource(format!("could not look up {name}: {what}"));
    let (done, mut ended) = std::io::pipe().map_err(|error| match exhausted_resource(&error) {
        Some(what) => no_resource(what),
        None => no_resource(&describe_io_error(&error)),
    })?;
    let (sender, receiver) = sync_channel(1);
    let host = name.to_string();
    let run = move || {
        let found = look_up(&host);
        drop(turn);
        let _ = sender.send(found);
        // A byte, as closing alone is not seen while the child of a fork has the pipe open, too.
        let _ = ended.write(&[1]);
    };
    let builder = thread::Builder::new().name("refold-lookup".into()).stack_size(LOOKUP_STACK);
    let running = with_signals_blocked(|| builder.spawn(run))
        .map_err(|_| no_resource("this process can start no further thread"))?;
    loop {
        // In this order: it may end between the two.
        let is_over = running.is_finished();
        if let Ok(found) = receiver.try_recv() {
            // All but over: no thread of the library outlives the call.
            let _ = running.join();
            return Ok(found);
        }
        if is_over {
            return Err(ErrorKind::Internal(format!("the lookup of {name} ended without a result")).into());
        }
        context.wait(&[Interest::Signalled(&done)])?;
    }
}

/// The first connection that comes about. An address that fails is followed by the next one at once, one that keeps
/// silent after a quarter of a second.
fn connect_to_any(
    addresses: &[IpAddr],
    port: u16,
    peer: &str,
    context: &CallContext,
) -> Result<TcpStream, Failure> {
    let mut waiting = addresses.iter();
    let mut attempts: Vec<Attempt> = Vec::new();
    let mut last_failure = None;
    let mut next_begins = Instant::now();
    loop {
        if attempts.is_empty() || Instant::now() >= next_begins {
            if let Some(address) = waiting.next() {
                match Attempt::begin(SocketAddr::new(*address, port)) {
                    Ok(attempt) => {
                        attempts.push(attempt);
                        next_begins = Instant::now() + ATTEMPT_DELAY;
                    }
                    Err(error) => last_failure = Some(error),
                }
            } else if attempts.is_empty() {
                return Err(could_not_connect(peer, last_failure));
            }
        }
        let until_next =
            (!waiting.as_slice().is_empty()).then(|| next_begins.saturating_duration_since(Instant::now()));
        if !attempts.is_empty() {
            wait_for_any(&attempts, until_next, context)?;
        }
        let mut going_on = Vec::with_capacity(attempts.len());
        for attempt in attempts {
            match attempt.outcome() {
                Ok(Ok(stream)) => return Ok(stream),
                Ok(Err(error)) => {
                    last_failure = Some(error);
                    next_begins = Instant::now();
                }
                Err(attempt) => going_on.push(attempt),
            }
        }
        attempts = going_on;
    }
}

fn wait_for_any(
    attempts: &[Attempt],
    until_next: Option<Duration>,
    context: &CallContext,
) -> Result<(), Interruption> {
    let sources: Vec<Interest<'_>> = attempts.iter().map(Interest::Connected).collect();
    match context.with_timeout(until_next).wait(&sources) {
        Err(Interruption::TimedOut) => context.check(),
        other => other,
    }
}

fn could_not_connect(peer: &str, failure: Option<std::io::Error>) -> Failure {
    let Some(error) = failure else {
        return ErrorKind::Connect { peer: peer.into(), reason: "it has no address".into(), refused: false }
            .into();
    };
    match exhausted_resource(&error) {
        Some(what) => ErrorKind::Resource(format!("could not connect to {peer}: {what}")).into(),
        None => {
            ErrorKind::Connect { peer: peer.into(), reason: describe_io_error(&error), refused: false }.into()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn families_take_turns() {
        let parse =
            |list: &str| list.split(' ').filter_map(|address| address.parse().ok()).collect::<Vec<IpAddr>>();
        let cases = [
            ("::1 ::2 ::3 1.1.1.1 2.2.2.2", "::1 1.1.1.1 ::2 2.2.2.2 ::3"),
            ("1.1.1.1 ::1 ::2 ::3", "1.1.1.1 ::1 ::2 ::3"),
            ("1.1.1.1 2.2.2.2", "1.1.1.1 2.2.2.2"),
            ("::1", "::1"),
        ];
        for (given, expected) in cases {
            assert_eq!(in_turns(parse(given)), parse(expected));
        }
    }
}
