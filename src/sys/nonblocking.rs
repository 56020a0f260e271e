//! Operations on sockets that are in non-blocking mode all the time.

use std::io::{self, Read, Write};
use std::net::TcpStream;
use std::time::Duration;

/// Sends as many bytes as the send buffer takes.
pub fn send_now(mut stream: &TcpStream, bytes: &[u8]) -> io::Result<usize> {
    stream.write(bytes)
}

/// Receives the bytes that have arrived.
pub fn receive_now(mut stream: &TcpStream, buffer: &mut [u8]) -> io::Result<usize> {
    stream.read(buffer)
}

/// Copies the bytes that have arrived, and leaves them in the receive buffer.
pub fn peek_now(stream: &TcpStream, buffer: &mut [u8]) -> io::Result<usize> {
    stream.peek(buffer)
}

/// The receive timeout of a socket. Sockets never block here, so it is not used.
#[derive(Debug, Default)]
pub struct ReceiveTimeout {}

impl ReceiveTimeout {
    /// Always `None`: poll instead.
    pub fn receive(
        &mut self,
        _: &TcpStream,
        _: &mut [u8],
        _: Option<Duration>,
        _: Option<Duration>,
    ) -> Option<io::Result<usize>> {
        None
    }
}
