//! Sockets with nothing but the standard library: short sleeps instead of poll(2), and a thread for each connection
//! attempt.

use std::io;
use std::net::{SocketAddr, TcpStream};
use std::sync::mpsc::{Receiver, TryRecvError, sync_channel};
use std::thread;
use std::time::Duration;

pub use super::nonblocking::{ReceiveTimeout, peek_now, receive_now, send_now};
use super::signal::Signal;
use super::thread::{keep_library_loaded, with_signals_blocked};
use super::{Interest, established};

const POLL_INTERVAL: Duration = Duration::from_millis(2);

/// The limit of a connection attempt, which cannot be interrupted.
const MAX_ATTEMPT: Duration = Duration::from_secs(120);

/// Sleeps for a moment. Any interest may be ready after that.
pub fn poll(_: &[Interest<'_>], _: [Option<&Signal>; 2], timeout: Option<Duration>) -> io::Result<bool> {
    thread::sleep(timeout.unwrap_or(POLL_INTERVAL).min(POLL_INTERVAL));
    Ok(true)
}

/// A connection that is being established, by a thread of its own.
pub struct Attempt {
    outcome: Receiver<io::Result<TcpStream>>,
}

impl Attempt {
    /// Begins to connect, without waiting.
    pub fn begin(address: SocketAddr) -> io::Result<Attempt> {
        let (sender, outcome) = sync_channel(1);
        let connect = move || {
            let connected = TcpStream::connect_timeout(&address, MAX_ATTEMPT);
            let _ = sender.send(connected.and_then(|stream| {
                established(&stream).unwrap_or(Err(io::ErrorKind::NotConnected.into()))?;
                stream.set_nonblocking(true)?;
                stream.set_nodelay(true)?;
                Ok(stream)
            }));
        };
        keep_library_loaded();
        with_signals_blocked(|| thread::Builder::new().spawn(connect))?;
        Ok(Attempt { outcome })
    }

    /// The connection or the error, or the attempt itself while it is undecided.
    pub fn outcome(self) -> Result<io::Result<TcpStream>, Attempt> {
        match self.outcome.try_recv() {
            Ok(outcome) => Ok(outcome),
            Err(TryRecvError::Empty) => Err(self),
            Err(TryRecvError::Disconnected) => Ok(Err(io::ErrorKind::Other.into())),
        }
    }
}
