//! Sockets on Unix: poll(2), and operations that never block.

use std::io;
use std::mem;
use std::net::{SocketAddr, TcpStream};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, OwnedFd};
use std::ptr;
use std::time::Duration;

use super::descriptors::{above_streams, is_stream};
use super::signal::Signal;
use super::{Interest, established};

/// Waits with poll(2).
pub fn poll(
    interests: &[Interest<'_>],
    signals: [Option<&Signal>; 2],
    timeout: Option<Duration>,
) -> io::Result<bool> {
    let mut polled = [libc::pollfd { fd: -1, events: 0, revents: 0 }; Interest::MAX + 2];
    for (entry, interest) in polled.iter_mut().zip(interests) {
        (entry.fd, entry.events) = match interest {
            Interest::Readable(stream) => (stream.as_raw_fd(), libc::POLLIN),
            Interest::Writable(stream) => (stream.as_raw_fd(), libc::POLLOUT),
            Interest::Connected(attempt) => (attempt.stream.as_raw_fd(), libc::POLLOUT),
            Interest::Signalled(signal) => (signal.descriptor(), libc::POLLIN),
        };
    }
    let watched = interests.len().min(Interest::MAX);
    let mut count = watched;
    for signal in signals.into_iter().flatten() {
        polled[count] = libc::pollfd { fd: signal.descriptor(), events: libc::POLLIN, revents: 0 };
        count += 1;
    }
    // SAFETY: the first `count` entries are initialised, and their descriptors stay open during the call.
    let ready = unsafe { libc::poll(polled.as_mut_ptr(), count as libc::nfds_t, poll_timeout(timeout)) };
    if ready < 0 {
        let error = io::Error::last_os_error();
        return if error.kind() == io::ErrorKind::Interrupted { Ok(false) } else { Err(error) };
    }
    Ok(ready > 0 && polled[..watched].iter().any(|entry| entry.revents != 0))
}

/// The timeout in milliseconds, rounded up so that no wait ends early; -1 for none.
fn poll_timeout(timeout: Option<Duration>) -> libc::c_int {
    let milliseconds =
        |timeout: Duration| timeout.as_nanos().div_ceil(1_000_000).min(i32::MAX as u128) as libc::c_int;
    timeout.map_or(-1, milliseconds)
}

/// A connection that is being established. Its socket becomes writable when it is established or has failed.
pub struct Attempt {
    stream: TcpStream,
}

impl Attempt {
    /// Begins to connect, without waiting.
    pub fn begin(address: SocketAddr) -> io::Result<Attempt> {
        let family = if address.is_ipv4() { libc::AF_INET } else { libc::AF_INET6 };
        let stream = TcpStream::from(above_streams(|| new_socket(family), is_stream)?);
        stream.set_nonblocking(true)?;
        match connect(stream.as_fd(), address) {
            Err(error) if !is_in_progress(&error) => Err(error),
            _ => Ok(Attempt { stream }),
        }
    }

    fn finish(self) -> io::Result<TcpStream> {
        self.stream.set_nodelay(true)?;
        self.stream.set_nonblocking(!CAN_BLOCK)?;
        Ok(self.stream)
    }

    /// The connection or the error, or the attempt itself while it is undecided.
    pub fn outcome(self) -> Result<io::Result<TcpStream>, Attempt> {
        match self.stream.take_error() {
            Ok(None) => {}
            Ok(Some(error)) | Err(error) => return Ok(Err(error)),
        }
        match established(&self.stream) {
            Some(outcome) => Ok(outcome.and_then(|()| self.finish())),
            None => Err(self),
        }
    }
}

/// Whether sockets are in blocking mode, with `MSG_DONTWAIT` on each call. Apple's systems ignore the flag when
/// sending.
const CAN_BLOCK: bool = cfg!(not(target_vendor = "apple"));

/// The flags of a call that does not block and raises no SIGPIPE.
#[cfg(not(target_vendor = "apple"))]
const NOW: libc::c_int = libc::MSG_DONTWAIT | libc::MSG_NOSIGNAL;
#[cfg(target_vendor = "apple")]
const NOW: libc::c_int = libc::MSG_DONTWAIT;

/// Sends as many bytes as the send buffer takes.
pub fn send_now(stream: &TcpStream, bytes: &[u8]) -> io::Result<usize> {
    // SAFETY: the length is that of the slice.
    let sent = unsafe { libc::send(stream.as_raw_fd(), bytes.as_ptr().cast(), bytes.len(), NOW) };
    usize::try_from(sent).map_err(|_| io::Error::last_os_error())
}

/// Receives the bytes that have arrived.
pub fn receive_now(stream: &TcpStream, buffer: &mut [u8]) -> io::Result<usize> {
    receive(stream, buffer, NOW)
}

/// Copies the bytes that have arrived, and leaves them in the receive buffer.
pub fn peek_now(stream: &TcpStream, buffer: &mut [u8]) -> io::Result<usize> {
    receive(stream, buffer, NOW | libc::MSG_PEEK)
}

fn receive(stream: &TcpStream, buffer: &mut [u8], flags: libc::c_int) -> io::Result<usize> {
    // SAFETY: the length is that of the buffer.
    let received = unsafe { libc::recv(stream.as_raw_fd(), buffer.as_mut_ptr().cast(), buffer.len(), flags) };
    usize::try_from(received).map_err(|_| io::Error::last_os_error())
}

/// The receive timeout (`SO_RCVTIMEO`) that was last set on a socket. Receiving with it needs one system call instead
/// of poll(2) and recv(2), and setting it is only repeated when it no longer fits the time remaining.
#[derive(Debug, Default)]
pub struct ReceiveTimeout(Option<Duration>);

impl ReceiveTimeout {
    /// With less time remaining, the timeout is too coarse, and poll(2) is needed.
    const MIN_REMAINING: Duration = Duration::from_millis(200);

    /// Receives. Blocks for the first byte, for at least a quarter of the `remaining` time and at most all of it, or for
    /// `pause` if that is given. Returns `WouldBlock` if nothing has arrived by then, and `None` if the caller has to poll
    /// instead.
    pub fn receive(
        &mut self,
        stream: &TcpStream,
        buffer: &mut [u8],
        remaining: Option<Duration>,
        pause: Option<Duration>,
    ) -> Option<io::Result<usize>> {
        if !CAN_BLOCK || remaining.is_some_and(|remaining| remaining < ReceiveTimeout::MIN_REMAINING) {
            return None;
        }
        let (timeout, is_set) = match pause {
            Some(_) => (pause, self.0 == pause),
            None => (remaining.map(|remaining| remaining * 5 / 8), self.fits(remaining)),
        };
        if !is_set {
            stream.set_read_timeout(timeout).ok()?;
            self.0 = timeout;
        }
        Some(receive(stream, buffer, 0))
    }

    /// Whether the timeout that is set still fits. Linux may exceed it by an eighth and a few ticks, because its timer
    /// wheel is coarse.
    fn fits(&self, remaining: Option<Duration>) -> bool {
        match (self.0, remaining) {
            (Some(timeout), Some(remaining)) => (remaining / 4..=remaining * 3 / 4).contains(&timeout),
            (timeout, remaining) => timeout == remaining,
        }
    }
}

/// Whether connect(2) continues in the background, which it also does after EINTR (POSIX).
fn is_in_progress(error: &io::Error) -> bool {
    error.kind() == io::ErrorKind::Interrupted || error.raw_os_error() == Some(libc::EINPROGRESS)
}

fn new_socket(family: libc::c_int) -> io::Result<OwnedFd> {
    #[cfg(any(target_os = "linux", target_os = "android", target_os = "freebsd"))]
    let kind = libc::SOCK_STREAM | libc::SOCK_CLOEXEC;
    #[cfg(not(any(target_os = "linux", target_os = "android", target_os = "freebsd")))]
    let kind = libc::SOCK_STREAM;
    // SAFETY: takes no pointers.
    let fd = unsafe { libc::socket(family, kind, 0) };
    if fd < 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: the descriptor is new and has no other owner.
    let socket = unsafe { OwnedFd::from_raw_fd(fd) };
    #[cfg(not(any(target_os = "linux", target_os = "android", target_os = "freebsd")))]
    // SAFETY: takes no pointers; the descriptor is open.
    unsafe {
        libc::fcntl(fd, libc::F_SETFD, libc::FD_CLOEXEC);
    }
    #[cfg(target_vendor = "apple")]
    {
        let on: libc::c_int = 1;
        let size = mem::size_of_val(&on) as libc::socklen_t;
        // SAFETY: the option takes an int of this size.
        unsafe {
            libc::setsockopt(fd, libc::SOL_SOCKET, libc::SO_NOSIGPIPE, ptr::from_ref(&on).cast(), size)
        };
    }
    Ok(socket)
}

fn connect(socket: BorrowedFd<'_>, address: SocketAddr) -> io::Result<()> {
    match address {
        SocketAddr::V4(address) => {
            // SAFETY: all-zero bytes are a valid sockaddr_in.
            let mut name: libc::sockaddr_in = unsafe { mem::zeroed() };
            name.sin_family = libc::AF_INET as libc::sa_family_t;
            name.sin_port = address.port().to_be();
            name.sin_addr.s_addr = u32::from(*address.ip()).to_be();
            connect_to_name(socket, &name)
        }
        SocketAddr::V6(address) => {
            // SAFETY: all-zero bytes are a valid sockaddr_in6.
            let mut name: libc::sockaddr_in6 = unsafe { mem::zeroed() };
            name.sin6_family = libc::AF_INET6 as libc::sa_family_t;
            name.sin6_port = address.port().to_be();
            name.sin6_addr.s6_addr = address.ip().octets();
            connect_to_name(socket, &name)
        }
    }
}

fn connect_to_name<Name>(socket: BorrowedFd<'_>, name: &Name) -> io::Result<()> {
    let size = mem::size_of::<Name>() as libc::socklen_t;
    // SAFETY: `name` is a socket address of that size.
    match unsafe { libc::connect(socket.as_raw_fd(), ptr::from_ref(name).cast(), size) } {
        0 => Ok(()),
        _ => Err(io::Error::last_os_error()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::{Ipv4Addr, TcpListener};

    fn outcome_of(stream: TcpStream) -> Option<io::Result<TcpStream>> {
        Attempt { stream }.outcome().ok()
    }

    #[test]
    fn self_connected_socket_counts_as_refused() -> io::Result<()> {
        let socket = TcpStream::from(new_socket(libc::AF_INET)?);
        // SAFETY: all-zero bytes are a valid sockaddr_in.
        let mut name: libc::sockaddr_in = unsafe { mem::zeroed() };
        name.sin_family = libc::AF_INET as libc::sa_family_t;
        name.sin_addr.s_addr = u32::from(Ipv4Addr::LOCALHOST).to_be();
        let size = mem::size_of_val(&name) as libc::socklen_t;
        // SAFETY: `name` is a socket address of that size.
        assert_eq!(unsafe { libc::bind(socket.as_raw_fd(), ptr::from_ref(&name).cast(), size) }, 0);
        connect(socket.as_fd(), socket.local_addr()?)?;
        let outcome = outcome_of(socket).and_then(Result::err).map(|error| error.kind());
        assert_eq!(outcome, Some(io::ErrorKind::ConnectionRefused));
        Ok(())
    }

    #[test]
    fn receive_timeout_is_reused_while_it_fits() {
        let milliseconds = |number| Some(Duration::from_millis(number));
        let timeout = ReceiveTimeout(milliseconds(3000));
        assert!(timeout.fits(milliseconds(4000)) && timeout.fits(milliseconds(12_000)));
        assert!(
            !timeout.fits(milliseconds(3999)) && !timeout.fits(milliseconds(12_001)) && !timeout.fits(None)
        );
        assert!(ReceiveTimeout(None).fits(None) && !ReceiveTimeout(None).fits(milliseconds(1000)));
    }

    #[test]
    fn receive_with_a_pause_ends_without_data() -> io::Result<()> {
        let listener = TcpListener::bind("127.0.0.1:0")?;
        let stream = TcpStream::connect(listener.local_addr()?)?;
        let (mut peer, _) = listener.accept()?;
        let mut timeout = ReceiveTimeout::default();
        let mut receive = |remaining: Option<u64>| {
            let (remaining, pause) = (remaining.map(Duration::from_millis), Some(Duration::from_millis(10)));
            let received = timeout.receive(&stream, &mut [0; 9], remaining, pause);
            received.map(|received| received.map_err(|error| error.kind()))
        };
        assert_eq!(receive(Some(100)), None);
        assert_eq!(receive(None), Some(Err(io::ErrorKind::WouldBlock)));
        io::Write::write_all(&mut peer, b"data")?;
        assert_eq!(receive(Some(1000)), Some(Ok(4)));
        Ok(())
    }

    #[test]
    fn socket_with_a_peer_is_connected() -> io::Result<()> {
        let listener = TcpListener::bind("127.0.0.1:0")?;
        let stream = TcpStream::connect(listener.local_addr()?)?;
        assert!(outcome_of(stream).is_some_and(|outcome| outcome.is_ok()));
        Ok(())
    }
}
