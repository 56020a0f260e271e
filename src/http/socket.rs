//! A connected socket whose operations respect the limits of a call. All I/O on established connections goes through
//! it.

use std::io;
use std::net::{Shutdown, TcpStream};
use std::time::Duration;

use crate::context::{CallContext, Interruption};
use crate::sys::{self, Interest, ReceiveTimeout};

/// How long a call of a queue waits for bytes without watching its tokens.
const BRIEF: Duration = Duration::from_millis(10);

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

/// A connected socket. Operations that wait end once the deadline passes or the token is cancelled.
#[derive(Debug)]
pub struct Socket {
    stream: TcpStream,
    /// The last read filled its whole buffer, so that more bytes have probably arrived: the next read skips poll(2).
    is_streaming: bool,
    /// The last bytes came soon after they were waited for.
    is_prompt: bool,
    timeout: ReceiveTimeout,
}

impl Socket {
    /// Takes over the stream of an [`Attempt`](sys::Attempt).
    pub fn new(stream: TcpStream) -> Socket {
        Socket { stream, is_streaming: false, is_prompt: true, timeout: ReceiveTimeout::default() }
    }

    /// Sends all bytes.
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

    /// Waits for at least one byte and receives what has arrived. Returns 0 if the peer has ended the stream.
    pub fn receive(&mut self, buffer: &mut [u8], context: &CallContext) -> Result<usize, Fault> {
        let remaining = context.check_remaining()?;
        let begun = context.is_of_queue().then(|| context.now());
        // Without a token there is nothing else to wait for, and recv(2) alone can wait for the socket. It cannot wait
        // for a token, too, but a call of a queue may notice a little later that it was cancelled.
        let mut received = match context.has_token() {
            false => self.timeout.receive(&self.stream, buffer, remaining, None),
            true if self.is_prompt && begun.is_some() => {
                self.timeout.receive(&self.stream, buffer, remaining, Some(BRIEF))
            }
            true => None,
        };
        if received.is_none() && self.is_streaming {
            received = Some(sys::receive_now(&self.stream, buffer));
        }
        loop {
            if let Some(received) = received
                && let Some(received) = self.record(received, buffer.len()).map_err(Fault::Lost)?
            {
                return Ok(received);
            }
            context.wait(&[Interest::Readable(&self.stream)])?;
            let is_brief = |begun| context.now().saturating_duration_since(begun) < BRIEF;
            self.is_prompt = begun.is_none_or(is_brief);
            received = Some(sys::receive_now(&self.stream, buffer));
        }
    }

    /// Receives what has arrived, without waiting. Returns `None` if nothing has.
    pub fn receive_now(&mut self, buffer: &mut [u8]) -> io::Result<Option<usize>> {
        let received = sys::receive_now(&self.stream, buffer);
        self.record(received, buffer.len())
    }

    fn record(&mut self, received: io::Result<usize>, capacity: usize) -> io::Result<Option<usize>> {
        match received {
            Ok(received) => {
                self.is_streaming = received == capacity;
                Ok(Some(received))
            }
            Err(error) if matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted) => {
                Ok(None)
            }
            Err(error) => Err(error),
        }
    }

    /// Shuts the stream down in both directions. Closing is not enough, because a forked child may have a copy of the
    /// descriptor.
    pub fn shutdown(&self) {
        let _ = self.stream.shutdown(Shutdown::Both);
    }

    /// Sends what fits into the send buffer, and ignores errors. For the last bytes before closing.
    pub fn send_without_waiting(&self, bytes: &[u8]) {
        let _ = sys::send_now(&self.stream, bytes);
    }

    /// Whether nothing has arrived, not even the end of the stream. Consumes nothing.
    pub fn has_no_late_data(&self) -> bool {
        sys::peek_now(&self.stream, &mut [0]).is_err_and(|error| error.kind() == io::ErrorKind::WouldBlock)
    }
}
