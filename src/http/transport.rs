//! Sockets that wait for the peer, the call's deadline and its token at the same time: the only I/O below ureq.

#![allow(unsafe_code)]

#[cfg_attr(any(not(unix), refold_portable), path = "transport/portable.rs")]
#[cfg_attr(all(unix, not(refold_portable)), path = "transport/unix.rs")]
mod system;

use std::io::{self, ErrorKind, PipeReader};
use std::net::TcpStream;

use system::Patience;
pub use system::{
    Attempt, is_privileged, look_up, prefer_huge_pages, prefer_pages_at_once, without_cancellation,
    without_signals,
};
use zeroize::Zeroizing;

use crate::cancel::{Interruption, Watch};

/// What a wait is for.
pub enum Source<'a> {
    /// Bytes have come, or the end.
    Readable(&'a TcpStream),
    /// Bytes can be sent.
    Writable(&'a TcpStream),
    /// A connection is made, or has failed.
    Connected(&'a Attempt),
    /// The other end has written, or is closed: a lookup is over.
    Ended(&'a PipeReader),
}

impl Source<'_> {
    /// More are not waited for at once.
    pub const MOST: usize = 16;
}

/// Why a host has no address.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LookupError {
    /// The name does not exist.
    NoSuchName,
    /// The lookup failed for now.
    Temporary,
    /// Something is used up.
    Resource(&'static str),
    /// The system's number for it.
    Other(i32),
}

/// Why bytes did not get through.
#[derive(Debug)]
pub enum Fault {
    /// The deadline passed, or the token was triggered.
    Interrupted(Interruption),
    /// The connection broke.
    Lost(io::Error),
}

impl From<Interruption> for Fault {
    fn from(interruption: Interruption) -> Fault {
        Fault::Interrupted(interruption)
    }
}

/// Waits until one of the sources may be ready; an error once the deadline passed or the token was triggered. It may
/// return early: the caller tries and waits again.
pub fn wait(sources: &[Source<'_>], watch: &Watch) -> Result<(), Interruption> {
    system::wait(sources, watch)
}

/// Waits for time to pass.
pub fn pause(watch: &Watch, length: std::time::Duration) -> Result<(), Interruption> {
    let nap = watch.within(Some(length));
    loop {
        match wait(&[], &nap) {
            Ok(()) => {}
            // Which of the two deadlines was it?
            Err(Interruption::TimedOut) => return watch.check(),
            Err(Interruption::Cancelled) => return Err(Interruption::Cancelled),
        }
    }
}

/// A variable of the environment; `None` where it is absent or empty, and for all of them in a program that runs with
/// more rights than whoever started it.
pub fn environment(name: &str) -> Option<Zeroizing<Vec<u8>>> {
    if system::is_privileged() {
        return None;
    }
    let value = std::env::var_os(name)?;
    (!value.is_empty()).then(|| Zeroizing::new(value.into_encoded_bytes()))
}

/// What of the system is used up, if that is what the error says.
pub fn used_up(error: &io::Error) -> Option<&'static str> {
    #[cfg(unix)]
    match error.raw_os_error()? {
        libc::EMFILE => Some("this process has no file descriptor left"),
        libc::ENFILE => Some("the system has no file descriptor left"),
        libc::ENOMEM | libc::ENOBUFS => Some("memory is used up"),
        _ => None,
    }
    #[cfg(not(unix))]
    (error.kind() == ErrorKind::OutOfMemory).then_some("memory is used up")
}

/// A connected socket. Every operation ends in time.
#[derive(Debug)]
pub struct Socket {
    stream: TcpStream,
    /// The last read filled its whole buffer: more is likely to be there already.
    streaming: bool,
    patience: Patience,
}

impl Socket {
    /// Takes over the stream of an [`Attempt`].
    pub fn new(stream: TcpStream) -> Socket {
        Socket { stream, streaming: false, patience: Patience::default() }
    }

    /// Sends all of it.
    pub fn send(&self, mut bytes: &[u8], watch: &Watch) -> Result<(), Fault> {
        watch.check()?;
        while !bytes.is_empty() {
            match system::send_now(&self.stream, bytes) {
                Ok(0) => return Err(Fault::Lost(ErrorKind::WriteZero.into())),
                Ok(sent) => bytes = &bytes[sent..],
                Err(error) if error.kind() == ErrorKind::WouldBlock => {
                    wait(&[Source::Writable(&self.stream)], watch)?
                }
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(Fault::Lost(error)),
            }
        }
        Ok(())
    }

    /// Receives what is there, waiting for the first byte; 0: the peer has ended the stream.
    pub fn receive(&mut self, buffer: &mut [u8], watch: &Watch) -> Result<usize, Fault> {
        watch.check()?;
        let mut received = match watch.cancel() {
            // Nothing but this socket is waited for: the system does that while it receives.
            None => self.patience.receive(&self.stream, buffer, watch.left()),
            Some(_) => None,
        };
        if received.is_none() && self.streaming {
            received = Some(system::receive_now(&self.stream, buffer));
        }
        loop {
            if let Some(received) = received
                && let Some(received) = self.note(received, buffer.len()).map_err(Fault::Lost)?
            {
                return Ok(received);
            }
            wait(&[Source::Readable(&self.stream)], watch)?;
            received = Some(system::receive_now(&self.stream, buffer));
        }
    }

    /// Receives what is there, without waiting; `None`: nothing is.
    pub fn receive_now(&mut self, buffer: &mut [u8]) -> io::Result<Option<usize>> {
        let received = system::receive_now(&self.stream, buffer);
        self.note(received, buffer.len())
    }

    fn note(&mut self, received: io::Result<usize>, room: usize) -> io::Result<Option<usize>> {
        match received {
            Ok(received) => {
                self.streaming = received == room;
                Ok(Some(received))
            }
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::Interrupted) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Ends the stream. Closing alone does not while the child of a fork has the socket open, too.
    pub fn end(&self) {
        let _ = self.stream.shutdown(std::net::Shutdown::Both);
    }

    /// Sends what fits now, on the way to closing: nobody waits for it.
    pub fn send_farewell(&self, bytes: &[u8]) {
        let _ = system::send_now(&self.stream, bytes);
    }

    /// Whether nothing has come, not even the end. Takes nothing away.
    pub fn is_quiet(&self) -> bool {
        system::peek_now(&self.stream, &mut [0]).is_err_and(|error| error.kind() == ErrorKind::WouldBlock)
    }
}

#[cfg(all(test, unix))]
mod tests {
    use super::*;

    #[test]
    fn what_is_used_up_is_named() {
        let cases = [
            (libc::EMFILE, Some("this process has no file descriptor left")),
            (libc::ENFILE, Some("the system has no file descriptor left")),
            (libc::ENOMEM, Some("memory is used up")),
            (libc::ENOBUFS, Some("memory is used up")),
            (libc::ECONNREFUSED, None),
        ];
        for (number, expected) in cases {
            assert_eq!(used_up(&io::Error::from_raw_os_error(number)), expected, "{number}");
        }
        assert_eq!(used_up(&io::Error::from(ErrorKind::OutOfMemory)), None);
    }
}
