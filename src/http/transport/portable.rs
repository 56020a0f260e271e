//! The same as on Unix where nothing more is known than the standard library: short naps instead of poll(2), and
//! threads for what would block.

use std::io::{self, Read, Write};
use std::net::{IpAddr, SocketAddr, TcpStream, ToSocketAddrs};
use std::sync::mpsc::{Receiver, TryRecvError, sync_channel};
use std::thread;
use std::time::Duration;

use super::{LookupError, Source};
use crate::cancel::{Interruption, Watch};

/// How long a nap lasts.
const NAP: Duration = Duration::from_millis(2);

/// No attempt is left to the system for longer.
const LONGEST_ATTEMPT: Duration = Duration::from_secs(120);

/// A nap, or what is left of the time. The caller tries and waits again.
pub fn wait(_sources: &[Source<'_>], watch: &Watch) -> Result<(), Interruption> {
    watch.check()?;
    thread::sleep(watch.left().unwrap_or(NAP).min(NAP));
    watch.check()
}

/// A connection that is being made, by a thread of its own.
pub struct Attempt {
    outcome: Receiver<io::Result<TcpStream>>,
}

impl Attempt {
    /// Begins to connect, without waiting for anything.
    pub fn begin(address: SocketAddr) -> io::Result<Attempt> {
        let (sender, outcome) = sync_channel(1);
        let connect = move || {
            let connected = TcpStream::connect_timeout(&address, LONGEST_ATTEMPT);
            let _ = sender.send(connected.and_then(|stream| {
                if stream.local_addr()? == stream.peer_addr()? {
                    return Err(io::ErrorKind::ConnectionRefused.into());
                }
                stream.set_nonblocking(true)?;
                stream.set_nodelay(true)?;
                Ok(stream)
            }));
        };
        thread::Builder::new().spawn(connect)?;
        Ok(Attempt { outcome })
    }

    /// The connection, or why there is none; the attempt itself while neither is known.
    pub fn outcome(self) -> Result<io::Result<TcpStream>, Attempt> {
        match self.outcome.try_recv() {
            Ok(outcome) => Ok(outcome),
            Err(TryRecvError::Empty) => Err(self),
            Err(TryRecvError::Disconnected) => Ok(Err(io::ErrorKind::Other.into())),
        }
    }
}

/// Sends what fits now.
pub fn send_now(mut stream: &TcpStream, bytes: &[u8]) -> io::Result<usize> {
    stream.write(bytes)
}

/// Receives what is there.
pub fn receive_now(mut stream: &TcpStream, buffer: &mut [u8]) -> io::Result<usize> {
    stream.read(buffer)
}

/// Looks at what is there, and leaves it.
pub fn peek_now(stream: &TcpStream, buffer: &mut [u8]) -> io::Result<usize> {
    stream.peek(buffer)
}

/// Sockets never wait here.
#[derive(Debug, Default)]
pub struct Patience {}

impl Patience {
    /// Of no use.
    pub fn receive(&mut self, _: &TcpStream, _: &mut [u8], _: Option<Duration>) -> Option<io::Result<usize>> {
        None
    }
}

/// Asks the system for a host's addresses, in its order of preference. Blocks for as long as the system likes. Why it
/// failed is not told, so that it always counts as a failure for now.
pub fn look_up(host: &str) -> Result<Vec<IpAddr>, LookupError> {
    let addresses = (host, 0).to_socket_addrs().map_err(|_| LookupError::Temporary)?;
    Ok(addresses.map(|address| address.ip()).collect())
}

/// There are no signals.
pub fn without_signals<T>(begin: impl FnOnce() -> T) -> T {
    begin()
}

/// Threads are not cancelled here.
pub fn without_cancellation<T>(work: impl FnOnce() -> T) -> T {
    work()
}

/// There are no programs that run with more rights than whoever started them.
pub fn is_privileged() -> bool {
    false
}

/// Memory is as the system gives it.
pub fn prefer_huge_pages(_memory: &mut Vec<u8>) {}

/// Memory is as the system gives it.
pub fn prefer_pages_at_once(_memory: &mut Vec<u8>) {}
