//! A connected socket whose operations respect the limits of a call. All I/O on established connections goes through
//! it.

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
        let begin = context.now();
        let remaining = context.check_remaining()?;
        // Without a token there is nothing else to wait for, and recv(2) alone can wait for the socket. It cannot wait
        // for a token, too, but a call of a queue may notice a little later that it was cancelled.
        let mut received = match context.has_token() {
            false => self.timeout.receive(&self.stream, buffer, remaining),
            true if self.is_prompt && context.is_of_queue() => {
                self.timeout.receive_briefly(&self.stream, buffer, remaining)
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
            self.is_prompt = context.now().saturating_duration_since(begin) < ReceiveTimeout::BRIEF;
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

#[cfg(all(test, unix, not(refold_portable)))]
mod tests {
    use std::io::Write;
    use std::net::TcpListener;
    use std::sync::Arc;
    use std::thread;
    use std::time::Duration;

    use super::*;
    use crate::cancel::CancelToken;
    use crate::context::Clock;

    #[test]
    fn call_of_a_queue_polls_once_the_peer_is_slow() -> io::Result<()> {
        let listener = TcpListener::bind("127.0.0.1:0")?;
        let mut socket = Socket::new(TcpStream::connect(listener.local_addr()?)?);
        let (mut peer, _) = listener.accept()?;
        let limit = Some(Duration::from_secs(20));
        let context = CallContext::new(Clock::default(), limit, None);
        let context = context.with_token(Some(&Arc::new(CancelToken::new())));
        let mut receive_is_prompt = || {
            let received = socket.receive(&mut [0; 9], &context);
            assert!(matches!(received, Ok(1)), "{received:?}");
            socket.is_prompt
        };
        peer.write_all(b"1")?;
        assert!(receive_is_prompt());
        thread::scope(|scope| {
            scope.spawn(|| {
                // What is tested is this delay.
                thread::sleep(3 * ReceiveTimeout::BRIEF);
                peer.write_all(b"2")
            });
            assert!(!receive_is_prompt());
        });
        peer.write_all(b"3")?;
        assert!(receive_is_prompt());
        Ok(())
    }
}
