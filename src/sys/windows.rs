//! Sockets on Windows: event objects, and operations that never block.
//!
//! WSAEventSelect associates an event object with a socket. It also records what is true of the socket at that moment, so
//! each wait associates a new one, and none is ever missed. The sockets are never in blocking mode.

use std::io;
use std::mem;
use std::net::{SocketAddr, TcpStream};
use std::os::windows::io::{
    AsRawHandle, AsRawSocket, FromRawHandle, FromRawSocket, OwnedHandle, OwnedSocket, RawSocket,
};
use std::ptr;
use std::sync::OnceLock;
use std::thread;
use std::time::Duration;

use windows_sys::Win32::Foundation::{HANDLE, WAIT_FAILED, WAIT_TIMEOUT};
use windows_sys::Win32::Networking::WinSock as winsock;
use windows_sys::Win32::System::Threading::{
    CreateEventW, INFINITE, ResetEvent, SetEvent, WaitForMultipleObjects,
};
use winsock::{
    AF_INET, AF_INET6, FD_CLOSE, FD_CONNECT, FD_READ, FD_WRITE, SOCKADDR_IN, SOCKADDR_IN6, SOCKET,
};

pub use super::nonblocking::{ReceiveTimeout, peek_now, receive_now, send_now};
use super::signal::Signal;
use super::{Interest, established};

/// An event object that stays signalled until it is reset.
#[derive(Debug)]
pub struct Event(OwnedHandle);

impl Event {
    /// An event that is not signalled.
    pub fn new() -> io::Result<Event> {
        let (manual_reset, signalled) = (1, 0);
        // SAFETY: an event may have neither security attributes nor a name.
        let handle = unsafe { CreateEventW(ptr::null(), manual_reset, signalled, ptr::null()) };
        if handle.is_null() {
            return Err(io::Error::last_os_error());
        }
        // SAFETY: the handle is new and has no other owner.
        Ok(Event(unsafe { OwnedHandle::from_raw_handle(handle) }))
    }

    /// Signals the event. Allocates nothing, and takes no lock.
    pub fn set(&self) {
        // SAFETY: the handle is open.
        unsafe { SetEvent(self.handle()) };
    }

    /// Makes the event not signalled.
    pub fn reset(&self) {
        // SAFETY: the handle is open.
        unsafe { ResetEvent(self.handle()) };
    }

    fn handle(&self) -> HANDLE {
        self.0.as_raw_handle()
    }
}

/// Makes the system signal the event as soon as one of these is true of the socket. Replaces what was selected before.
fn select(stream: &TcpStream, event: &Event, events: u32) -> io::Result<()> {
    // SAFETY: the socket and the event are open.
    let selected =
        unsafe { winsock::WSAEventSelect(socket_of(stream), event.handle() as isize, events as i32) };
    if selected == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

fn deselect(stream: &TcpStream) {
    // SAFETY: the socket is open, and no event is needed to select nothing.
    unsafe { winsock::WSAEventSelect(socket_of(stream), 0, 0) };
}

fn socket_of(stream: &TcpStream) -> SOCKET {
    stream.as_raw_socket() as SOCKET
}

/// An event that is associated with a socket for as long as this exists.
struct Selected<'a> {
    stream: &'a TcpStream,
    event: Event,
}

impl<'a> Selected<'a> {
    fn new(stream: &'a TcpStream, events: u32) -> io::Result<Selected<'a>> {
        let event = Event::new()?;
        select(stream, &event, events)?;
        Ok(Selected { stream, event })
    }
}

impl Drop for Selected<'_> {
    fn drop(&mut self) {
        deselect(self.stream);
    }
}

/// Waits with WaitForMultipleObjects, which, unlike WSAWaitForMultipleEvents, does not require that Winsock is loaded.
pub fn poll(
    interests: &[Interest<'_>],
    signals: [Option<&Signal>; 2],
    timeout: Option<Duration>,
) -> io::Result<bool> {
    let mut selected = [const { None }; Interest::MAX];
    let mut handles = [ptr::null_mut(); Interest::MAX + 2];
    let watched = interests.len().min(Interest::MAX);
    for (index, interest) in interests.iter().take(watched).enumerate() {
        handles[index] = match interest {
            Interest::Connected(attempt) => attempt.event.handle(),
            Interest::Signalled(signal) => signal.event().handle(),
            Interest::Readable(stream) => select_in(&mut selected[index], stream, FD_READ)?,
            Interest::Writable(stream) => select_in(&mut selected[index], stream, FD_WRITE)?,
        };
    }
    let mut count = watched;
    for signal in signals.into_iter().flatten() {
        handles[count] = signal.event().handle();
        count += 1;
    }
    if count == 0 {
        // WaitForMultipleObjects requires an event.
        thread::sleep(timeout.unwrap_or(Duration::MAX));
        return Ok(false);
    }
    let all = 0;
    // SAFETY: the first `count` handles are those of events that exist during the call.
    match unsafe { WaitForMultipleObjects(count as u32, handles.as_ptr(), all, wait_timeout(timeout)) } {
        WAIT_FAILED => Err(io::Error::last_os_error()),
        WAIT_TIMEOUT => Ok(false),
        // The index of the first event that is signalled.
        index => Ok((index as usize) < watched),
    }
}

fn select_in<'a>(place: &mut Option<Selected<'a>>, stream: &'a TcpStream, events: u32) -> io::Result<HANDLE> {
    Ok(place.insert(Selected::new(stream, events | FD_CLOSE)?).event.handle())
}

/// The timeout in milliseconds, rounded up so that no wait ends early.
fn wait_timeout(timeout: Option<Duration>) -> u32 {
    const MAX_FINITE: u128 = INFINITE as u128 - 1;
    let milliseconds = |timeout: Duration| timeout.as_nanos().div_ceil(1_000_000).min(MAX_FINITE) as u32;
    timeout.map_or(INFINITE, milliseconds)
}

/// A connection that is being established. Its event is signalled when it is established or has failed.
pub struct Attempt {
    stream: TcpStream,
    event: Event,
}

impl Attempt {
    /// Begins to connect, without waiting.
    pub fn begin(address: SocketAddr) -> io::Result<Attempt> {
        let stream = new_socket(if address.is_ipv4() { AF_INET } else { AF_INET6 })?;
        stream.set_nonblocking(true)?;
        let event = Event::new()?;
        select(&stream, &event, FD_CONNECT)?;
        match connect(&stream, address) {
            Err(error) if error.kind() != io::ErrorKind::WouldBlock => return Err(error),
            Err(_) => {}
            // The system need not report what was established at once.
            Ok(()) => event.set(),
        }
        Ok(Attempt { stream, event })
    }

    /// The connection or the error, or the attempt itself while it is undecided.
    pub fn outcome(self) -> Result<io::Result<TcpStream>, Attempt> {
        let is_decided = match self.take_decision() {
            Ok(is_decided) => is_decided,
            Err(error) => return Ok(Err(error)),
        };
        match established(&self.stream) {
            Some(outcome) => Ok(outcome.and_then(|()| self.finish())),
            // It was established and reset. The event is not signalled again.
            None if is_decided => Ok(Err(io::ErrorKind::ConnectionReset.into())),
            None => Err(self),
        }
    }

    /// Whether the system has reported that the attempt has ended. Returns the error if it has failed. SO_ERROR alone is
    /// not enough: it may be set later than the event.
    fn take_decision(&self) -> io::Result<bool> {
        // SAFETY: all-zero bytes are a valid record.
        let mut events: winsock::WSANETWORKEVENTS = unsafe { mem::zeroed() };
        // SAFETY: the socket and the event are open, and the record is valid for writing. The event is reset.
        let taken = unsafe {
            winsock::WSAEnumNetworkEvents(socket_of(&self.stream), self.event.handle() as isize, &mut events)
        };
        if taken != 0 {
            return Err(io::Error::last_os_error());
        }
        let is_decided = events.lNetworkEvents as u32 & FD_CONNECT != 0;
        match events.iErrorCode[winsock::FD_CONNECT_BIT as usize] {
            number if is_decided && number != 0 => Err(io::Error::from_raw_os_error(number)),
            _ => self.stream.take_error()?.map_or(Ok(is_decided), Err),
        }
    }

    fn finish(self) -> io::Result<TcpStream> {
        deselect(&self.stream);
        self.stream.set_nodelay(true)?;
        Ok(self.stream)
    }
}

/// Child processes do not inherit the socket.
fn new_socket(family: u16) -> io::Result<TcpStream> {
    start_winsock()?;
    let flags = winsock::WSA_FLAG_OVERLAPPED | winsock::WSA_FLAG_NO_HANDLE_INHERIT;
    // SAFETY: a socket needs no protocol information.
    let socket = unsafe {
        winsock::WSASocketW(family.into(), winsock::SOCK_STREAM, winsock::IPPROTO_TCP, ptr::null(), 0, flags)
    };
    if socket == winsock::INVALID_SOCKET {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: the socket is new and has no other owner.
    Ok(TcpStream::from(unsafe { OwnedSocket::from_raw_socket(socket as RawSocket) }))
}

/// Loads Winsock, which then stays loaded.
fn start_winsock() -> io::Result<()> {
    const VERSION_2_2: u16 = 0x202;
    static ERROR: OnceLock<i32> = OnceLock::new();
    let start = || {
        // SAFETY: all-zero bytes are a valid record, which the call fills.
        unsafe { winsock::WSAStartup(VERSION_2_2, &mut mem::zeroed()) }
    };
    match *ERROR.get_or_init(start) {
        0 => Ok(()),
        error => Err(io::Error::from_raw_os_error(error)),
    }
}

fn connect(stream: &TcpStream, address: SocketAddr) -> io::Result<()> {
    match address {
        SocketAddr::V4(address) => {
            // SAFETY: all-zero bytes are a valid SOCKADDR_IN.
            let mut name: SOCKADDR_IN = unsafe { mem::zeroed() };
            name.sin_family = AF_INET;
            name.sin_port = address.port().to_be();
            name.sin_addr.S_un.S_addr = u32::from(*address.ip()).to_be();
            connect_to_name(stream, &name)
        }
        SocketAddr::V6(address) => {
            // SAFETY: all-zero bytes are a valid SOCKADDR_IN6.
            let mut name: SOCKADDR_IN6 = unsafe { mem::zeroed() };
            name.sin6_family = AF_INET6;
            name.sin6_port = address.port().to_be();
            name.sin6_addr.u.Byte = address.ip().octets();
            connect_to_name(stream, &name)
        }
    }
}

fn connect_to_name<Name>(stream: &TcpStream, name: &Name) -> io::Result<()> {
    let size = mem::size_of::<Name>() as i32;
    // SAFETY: `name` is a socket address of that size.
    match unsafe { winsock::connect(socket_of(stream), ptr::from_ref(name).cast(), size) } {
        0 => Ok(()),
        _ => Err(io::Error::last_os_error()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;
    use std::net::TcpListener;

    const SOON: Option<Duration> = Some(Duration::from_secs(10));

    fn is_ready(interest: Interest<'_>, timeout: Option<Duration>) -> io::Result<bool> {
        poll(&[interest], [None; 2], timeout)
    }

    fn finish(mut attempt: Attempt) -> io::Result<TcpStream> {
        loop {
            assert!(is_ready(Interest::Connected(&attempt), SOON)?);
            match attempt.outcome() {
                Ok(outcome) => return outcome,
                Err(undecided) => attempt = undecided,
            }
        }
    }

    fn connected_pair() -> io::Result<(TcpStream, TcpStream)> {
        let listener = TcpListener::bind("127.0.0.1:0")?;
        let stream = finish(Attempt::begin(listener.local_addr()?)?)?;
        Ok((stream, listener.accept()?.0))
    }

    #[test]
    fn attempts_succeed_and_fail_in_both_families() -> io::Result<()> {
        for host in ["127.0.0.1:0", "[::1]:0"] {
            let listener = TcpListener::bind(host)?;
            let address = listener.local_addr()?;
            let stream = finish(Attempt::begin(address)?)?;
            assert_eq!((stream.peer_addr()?, stream.nodelay()?), (address, true));
            drop(listener);
            let refused = finish(Attempt::begin(address)?).map_err(|error| error.kind());
            assert_eq!(refused.err(), Some(io::ErrorKind::ConnectionRefused));
        }
        Ok(())
    }

    #[test]
    fn attempt_whose_connection_was_reset_is_decided() -> io::Result<()> {
        let listener = TcpListener::bind("127.0.0.1:0")?;
        let attempt = Attempt::begin(listener.local_addr()?)?;
        let (peer, _) = listener.accept()?;
        while send_now(&attempt.stream, b"data").is_err() {
            thread::yield_now();
        }
        // A connection is reset if it is closed before everything was received.
        peer.peek(&mut [0])?;
        drop(peer);
        while receive_now(&attempt.stream, &mut [0])
            .is_err_and(|error| error.kind() == io::ErrorKind::WouldBlock)
        {
            thread::yield_now();
        }
        let _ = finish(attempt);
        Ok(())
    }

    #[test]
    fn self_connected_socket_counts_as_refused() -> io::Result<()> {
        let stream = new_socket(AF_INET)?;
        // SAFETY: all-zero bytes are a valid SOCKADDR_IN.
        let mut name: SOCKADDR_IN = unsafe { mem::zeroed() };
        name.sin_family = AF_INET;
        name.sin_addr.S_un.S_addr = u32::from(std::net::Ipv4Addr::LOCALHOST).to_be();
        let size = mem::size_of_val(&name) as i32;
        // SAFETY: `name` is a socket address of that size.
        assert_eq!(unsafe { winsock::bind(socket_of(&stream), ptr::from_ref(&name).cast(), size) }, 0);
        connect(&stream, stream.local_addr()?)?;
        let attempt = Attempt { stream, event: Event::new()? };
        let outcome = attempt.outcome().ok().and_then(Result::err).map(|error| error.kind());
        assert_eq!(outcome, Some(io::ErrorKind::ConnectionRefused));
        Ok(())
    }

    #[test]
    fn stream_is_readable_while_bytes_or_its_end_have_arrived() -> io::Result<()> {
        let (stream, mut peer) = connected_pair()?;
        let readable = |timeout| is_ready(Interest::Readable(&stream), timeout);
        let would_block = |received: io::Result<usize>| received.map_err(|error| error.kind());
        assert!(!readable(Some(Duration::ZERO))?);
        assert_eq!(would_block(receive_now(&stream, &mut [0; 9])), Err(io::ErrorKind::WouldBlock));
        peer.write_all(b"data")?;
        assert!(readable(SOON)?);
        assert_eq!(peek_now(&stream, &mut [0; 9])?, 4);
        assert_eq!(receive_now(&stream, &mut [0; 3])?, 3);
        drop(peer);
        for received in [1, 0, 0] {
            assert!(readable(SOON)?);
            assert_eq!(receive_now(&stream, &mut [0; 3])?, received);
        }
        Ok(())
    }

    #[test]
    fn stream_is_writable_while_its_buffer_has_capacity() -> io::Result<()> {
        let (stream, mut peer) = connected_pair()?;
        let writable = |timeout| is_ready(Interest::Writable(&stream), timeout);
        let mut sent = 0;
        let full = loop {
            assert!(writable(SOON)?);
            match send_now(&stream, &[0; 1 << 16]) {
                Ok(count) => sent += count,
                Err(error) => break error.kind(),
            }
        };
        assert_eq!(full, io::ErrorKind::WouldBlock);
        assert!(!writable(Some(Duration::ZERO))?);
        io::Read::read_exact(&mut peer, &mut vec![0; sent])?;
        assert!(writable(SOON)?);
        Ok(())
    }

    #[test]
    fn signals_end_a_wait_without_making_an_interest_ready() -> io::Result<()> {
        let (stream, mut peer) = connected_pair()?;
        let signal = Signal::new()?;
        let wait = || poll(&[Interest::Readable(&stream)], [None, Some(&signal)], SOON);
        signal.raise();
        assert!(!wait()?);
        peer.write_all(b"data")?;
        assert!(wait()?);
        signal.clear();
        assert!(wait()?);
        assert!(!poll(&[], [None; 2], Some(Duration::ZERO))?);
        Ok(())
    }

    #[test]
    fn wait_timeouts_are_rounded_up() {
        let cases = [
            (Some(Duration::ZERO), 0),
            (Some(Duration::from_nanos(1)), 1),
            (Some(Duration::from_millis(7)), 7),
            (Some(Duration::from_micros(7001)), 8),
            (Some(Duration::MAX), INFINITE - 1),
            (None, INFINITE),
        ];
        cases.iter().for_each(|(timeout, expected)| assert_eq!(wait_timeout(*timeout), *expected));
    }
}
