//! A connected socket whose operations end in time: the only I/O on established connections.

use std::io;
use std::net::{Shutdown, TcpStream};

use crate::context::{CallContext, Interruption};
use crate::sys::{self, Interest, ReceiveTimeout};

/// Why bytes were not transferred.
#[derive(Debug)]
pub enum Fault {
    /// The deadline passed, or the token was cancelled.
    Interrupted(Interruption),
    /// The connection broke.
    Lost(io::Error),
}

impl From<Interruption> for Fault {
    fn from(interruption: Interruption) -> Fault {
        Fault::Interrupted(interruption)
    }
}

/// A connected socket. Every operation ends in time.
#[derive(Debug)]
pub struct Socket {
    stream: TcpStream,
    /// The last read filled its whole buffer: more is likely to be there already.
    streaming: bool,
    timeout: ReceiveTimeout,
}

impl Socket {
    /// Takes over the stream of an [`Attempt`].
    pub fn new(stream: TcpStream) -> Socket {
        Socket { stream, streaming: false, timeout: ReceiveTimeout::default() }
    }

    /// Sends all of it.
    pub fn send(&self, mut bytes: &[u8], context: &CallContext) -> Result<(), Fault> {
        context.check()?;
        while !bytes.is_empty() {
            match sys::send_now(&self.stream, bytes) {
                Ok(0) => return Err(Fault::Lost(io::ErrorKind::WriteZero.into())),
                Ok(sent) => bytes = &bytes[sent..],
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    context.wait(&[Interest::Writable(&self.stream)])?
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(Fault::Lost(error)),
            }
        }
        Ok(())
    }

    /// Receives what is there, waiting for the first byte; 0: the peer has ended the stream.
    pub fn receive(&mut self, buffer: &mut [u8], context: &CallContext) -> Result<usize, Fault> {
        context.check()?;
        // Without a token there is only this socket to wait for, which recv(2) does by itself.
        let mut received = match context.has_token() {
            false => self.timeout.receive(&self.stream, buffer, context.remaining()),
            true => None,
        };
        if received.is_none() && self.streaming {
            received = Some(sys::receive_now(&self.stream, buffer));
        }
        loop {
            if let Some(received) = received
                && let Some(received) = self.note(received, buffer.len()).map_err(Fault::Lost)?
            {
                return Ok(received);
            }
            context.wait(&[Interest::Readable(&self.stream)])?;
            received = Some(sys::receive_now(&self.stream, buffer));
        }
    }

    /// Receives what is there, without waiting; `None`: nothing is.
    pub fn receive_now(&mut self, buffer: &mut [u8]) -> io::Result<Option<usize>> {
        let received = sys::receive_now(&self.stream, buffer);
        self.note(received, buffer.len())
    }

    fn note(&mut self, received: io::Result<usize>, room: usize) -> io::Result<Option<usize>> {
        match received {
            Ok(received) => {
                self.streaming = received == room;
                Ok(Some(received))
            }
            Err(error) if matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted) => {
                Ok(None)
            }
            Err(error) => Err(error),
        }
    }

    /// Ends the stream. Closing alone does not while the child of a fork has the socket open, too.
    pub fn end(&self) {
        let _ = self.stream.shutdown(Shutdown::Both);
    }

    /// Sends what fits now, on the way to closing: nobody waits for it.
    pub fn send_farewell(&self, bytes: &[u8]) {
        let _ = sys::send_now(&self.stream, bytes);
    }

    /// Whether nothing has come, not even the end. Takes nothing away.
    pub fn is_quiet(&self) -> bool {
        sys::peek_now(&self.stream, &mut [0]).is_err_and(|error| error.kind() == io::ErrorKind::WouldBlock)
    }
}
