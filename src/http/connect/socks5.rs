//! SOCKS5 (RFC 1928), with user and password (RFC 1929) if they are set.
//!
//! The addresses of a server are raced like those of a direct connection, each on its own connection to the proxy. So
//! no dialogue with the proxy may wait: it is a state machine.

use std::io;
use std::net::{IpAddr, TcpStream};

use zeroize::Zeroizing;

use super::proxy_stream::{lost_proxy, proxy_failure};
use super::race::{Contender, race};
use crate::context::CallContext;
use crate::error::message::connect as message;
use crate::http::failure::Failure;
use crate::http::proxy::Proxy;
use crate::http::url::Host;
use crate::log::Event;
use crate::secret::Secret;
use crate::sys::{Attempt, Interest, receive_now, send_now};

const VERSION: u8 = 5;
const CONNECT: u8 = 1;
const SUCCEEDED: u8 = 0;
const COMMAND_NOT_SUPPORTED: u8 = 7;
const LAST_REPLY: u8 = 8;

/// Replies that another attempt would get, too: not allowed by the rules of the proxy, the command or the type of the
/// address is not supported.
const FINAL_REPLIES: [u8; 3] = [2, COMMAND_NOT_SUPPORTED, LAST_REPLY];

// Authentication methods.
const NO_LOGIN: u8 = 0;
const LOGIN: u8 = 2;
const LOGIN_VERSION: u8 = 1;

// Address types.
const IPV4: u8 = 1;
const NAME: u8 = 3;
const IPV6: u8 = 4;

/// Opens a tunnel to one of the hosts, which are the addresses of the server, or its name alone. From then on the proxy
/// passes all bytes on unchanged. The first attempt uses `stream`, a new connection to the proxy.
pub fn open_tunnel(
    stream: TcpStream,
    proxy: &Proxy,
    hosts: Vec<Host>,
    port: u16,
    context: &CallContext,
) -> Result<TcpStream, Failure> {
    let address = stream.peer_addr().map_err(|error| lost_proxy(proxy, error))?;
    let mut first = Some(stream);
    let begin = |host| {
        context.debug(|| Event::TunnelRequested(format!("{host}:{port}")));
        match first.take() {
            Some(stream) => Ok(TunnelAttempt::begin(Link::Connected(stream), proxy, host, port)),
            None => match Attempt::begin(address) {
                Ok(attempt) => Ok(TunnelAttempt::begin(Link::Connecting(attempt), proxy, host, port)),
                Err(error) => Err(TunnelError::Lost(lost_proxy(proxy, error))),
            },
        }
    };
    let mut refused = Vec::new();
    let mut last_loss = None;
    let fail = |error| {
        match error {
            TunnelError::Refused(host, reply) => {
                refused.push((host, reply));
                context
                    .debug(|| Event::TunnelRefused(describe_refusals(&refused[refused.len() - 1..], port)));
            }
            TunnelError::Lost(failure) => last_loss = Some(failure),
            TunnelError::Final(failure) => return Err(failure),
        }
        Ok(())
    };
    let stream = race(hosts, begin, fail, context)?;
    if stream.is_some() {
        context.debug(|| Event::TunnelOpened);
    }
    stream.ok_or_else(|| match last_loss.filter(|_| refused.is_empty()) {
        Some(failure) => failure,
        None => {
            let is_final = refused.iter().all(|(_, reply)| FINAL_REPLIES.contains(reply));
            proxy_failure(proxy, describe_refusals(&refused, port), is_final)
        }
    })
}

/// Why an attempt failed.
enum TunnelError {
    /// The proxy cannot connect to this host, by this reply. Another address may do.
    Refused(Host, u8),
    /// The connection to the proxy was lost. Another one may do.
    Lost(Failure),
    /// No attempt can succeed.
    Final(Failure),
}

/// An attempt to open a tunnel to one host.
struct TunnelAttempt<'a> {
    link: Link,
    dialogue: Dialogue<'a>,
}

/// A connection to the proxy.
enum Link {
    Connecting(Attempt),
    Connected(TcpStream),
}

impl<'a> TunnelAttempt<'a> {
    fn begin(link: Link, proxy: &'a Proxy, host: Host, port: u16) -> TunnelAttempt<'a> {
        TunnelAttempt { link, dialogue: Dialogue::new(proxy, host, port) }
    }
}

impl Contender for TunnelAttempt<'_> {
    type Connection = TcpStream;
    type Error = TunnelError;

    fn interest(&self) -> Interest<'_> {
        match &self.link {
            Link::Connecting(attempt) => Interest::Connected(attempt),
            Link::Connected(stream) if self.dialogue.output.is_empty() => Interest::Readable(stream),
            Link::Connected(stream) => Interest::Writable(stream),
        }
    }

    fn outcome(self) -> Result<Result<TcpStream, TunnelError>, Self> {
        let TunnelAttempt { link, mut dialogue } = self;
        let stream = match link {
            Link::Connected(stream) => stream,
            Link::Connecting(attempt) => match attempt.outcome() {
                Ok(Ok(stream)) => stream,
                Ok(Err(error)) => return Ok(Err(TunnelError::Lost(lost_proxy(dialogue.proxy, error)))),
                Err(attempt) => return Err(TunnelAttempt { link: Link::Connecting(attempt), dialogue }),
            },
        };
        match dialogue.run(&stream) {
            Ok(true) => Ok(Ok(stream)),
            Ok(false) => Err(TunnelAttempt { link: Link::Connected(stream), dialogue }),
            Err(error) => Ok(Err(error)),
        }
    }
}

/// The dialogue about one host.
struct Dialogue<'a> {
    proxy: &'a Proxy,
    host: Host,
    port: u16,
    stage: Stage,
    /// What is still to be sent.
    output: Zeroizing<Vec<u8>>,
    /// What has arrived in this stage, after everything was sent.
    input: Vec<u8>,
    /// The length of the input that completes the stage. What follows the last stage belongs to the server.
    expected: usize,
}

/// What the proxy sends next.
enum Stage {
    /// The authentication method that it has selected.
    Method,
    /// Whether it accepts the user and the password.
    LoginResult,
    /// Whether it has connected to the host, and the type of the address that follows.
    Reply,
    /// The length of the name that it connects from.
    NameLength,
    /// The address and port that it connects from. They are ignored.
    BoundAddress,
}

impl<'a> Dialogue<'a> {
    fn new(proxy: &'a Proxy, host: Host, port: u16) -> Dialogue<'a> {
        let method = if proxy.login.is_some() { LOGIN } else { NO_LOGIN };
        let output = Zeroizing::new(vec![VERSION, 1, method]);
        Dialogue { proxy, host, port, stage: Stage::Method, output, input: Vec::new(), expected: 2 }
    }

    /// Continues until the tunnel is open (`true`), or the proxy has to act first.
    fn run(&mut self, stream: &TcpStream) -> Result<bool, TunnelError> {
        loop {
            match self.transfer(stream) {
                Ok(true) => {}
                Ok(false) => return Ok(false),
                Err(error) => return Err(TunnelError::Lost(lost_proxy(self.proxy, error))),
            }
            if self.advance()? {
                return Ok(true);
            }
        }
    }

    /// Transfers what it can without waiting. Returns whether the stage is complete.
    fn transfer(&mut self, stream: &TcpStream) -> io::Result<bool> {
        while !self.output.is_empty() {
            match unless_blocked(send_now(stream, &self.output))? {
                Some(sent) => drop(self.output.drain(..sent)),
                None => return Ok(false),
            }
        }
        while self.input.len() < self.expected {
            let mut bytes = [0; 32];
            let missing = bytes.len().min(self.expected - self.input.len());
            match unless_blocked(receive_now(stream, &mut bytes[..missing]))? {
                Some(0) => return Err(io::ErrorKind::UnexpectedEof.into()),
                Some(received) => self.input.extend_from_slice(&bytes[..received]),
                None => return Ok(false),
            }
        }
        Ok(true)
    }

    /// Reads the input of this stage and enters the next one. Returns whether the tunnel is open.
    fn advance(&mut self) -> Result<bool, TunnelError> {
        let proxy = self.proxy;
        let fail = |reason, refused| Err(TunnelError::Final(proxy_failure(proxy, reason, refused)));
        match (&self.stage, self.input.as_slice()) {
            (Stage::Method, [VERSION, method]) => match (*method, &proxy.login) {
                (LOGIN, Some((user, password))) => self.send_login(user, password),
                (NO_LOGIN, None) => self.send_request(),
                (_, None) => return fail(message::LOGIN_REQUIRED.into(), true),
                (_, Some(_)) => return fail(message::LOGIN_NOT_ACCEPTED.into(), true),
            },
            (Stage::LoginResult, [_, SUCCEEDED]) => self.send_request(),
            (Stage::LoginResult, _) => return fail(message::LOGIN_REJECTED.into(), true),
            (Stage::Reply, [VERSION, SUCCEEDED, _, IPV4]) => self.expect(Stage::BoundAddress, 4 + 2),
            (Stage::Reply, [VERSION, SUCCEEDED, _, IPV6]) => self.expect(Stage::BoundAddress, 16 + 2),
            (Stage::Reply, [VERSION, SUCCEEDED, _, NAME]) => self.expect(Stage::NameLength, 1),
            (Stage::Reply, [VERSION, reply, ..]) if *reply != SUCCEEDED => {
                let (host, reply) = (self.host.clone(), *reply);
                if reply == COMMAND_NOT_SUPPORTED || reply > LAST_REPLY {
                    let is_final = FINAL_REPLIES.contains(&reply);
                    return fail(describe_refusals(&[(host, reply)], self.port), is_final);
                }
                return Err(TunnelError::Refused(host, reply));
            }
            (Stage::NameLength, [length]) => {
                let length = usize::from(*length);
                self.expect(Stage::BoundAddress, length + 2);
            }
            (Stage::BoundAddress, _) => return Ok(true),
            _ => return fail(message::NOT_SOCKS5.into(), true),
        }
        Ok(false)
    }

    fn expect(&mut self, stage: Stage, length: usize) {
        self.input.clear();
        (self.stage, self.expected) = (stage, length);
    }

    fn send_login(&mut self, user: &Secret, password: &Secret) {
        let (user, password) = (user.bytes(), password.bytes());
        // Both have at most 255 bytes, which was checked when the proxy URL was parsed.
        let lengths = [user.len() as u8, password.len() as u8];
        let parts = [&[LOGIN_VERSION], &lengths[..1], user, &lengths[1..], password];
        self.output = Zeroizing::new(parts.concat());
        self.expect(Stage::LoginResult, 2);
    }

    fn send_request(&mut self) {
        self.output = Zeroizing::new(connect_request(&self.host, self.port));
        self.expect(Stage::Reply, 4);
    }
}

fn describe_refusals(refused: &[(Host, u8)], port: u16) -> String {
    let address = |host: &Host| matches!(host, Host::Address(_)).then(|| format!("{host}:{port}"));
    let replies: Vec<_> = refused.iter().map(|(host, reply)| (address(host), *reply)).collect();
    message::socks5_refused(replies.iter().map(|(address, reply)| (address.as_deref(), *reply)))
}

/// The number of bytes that were transferred, or `None` if the operation would have to wait.
fn unless_blocked(result: io::Result<usize>) -> io::Result<Option<usize>> {
    match result {
        Err(error) if matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted) => {
            Ok(None)
        }
        other => other.map(Some),
    }
}

fn connect_request(host: &Host, port: u16) -> Vec<u8> {
    let mut request = vec![VERSION, CONNECT, 0];
    match host {
        Host::Address(IpAddr::V4(address)) => {
            request.push(IPV4);
            request.extend(address.octets());
        }
        Host::Address(IpAddr::V6(address)) => {
            request.push(IPV6);
            request.extend(address.octets());
        }
        Host::Name(name) => {
            // The length fits: a name has at most 253 bytes.
            request.extend([NAME, name.len() as u8]);
            request.extend(name.bytes());
        }
    }
    request.extend(port.to_be_bytes());
    request
}
