//! A scripted peer that replaces the network.
//!
//! This module overrides the C library's functions that connect, send, receive and look up names, so no packet leaves
//! the process. A connection is one end of a socket pair, which is readable whenever the peer has something to send, so
//! waiting works as usual. The script determines the received bytes and their division into chunks.

use std::cell::RefCell;
use std::collections::{HashMap, VecDeque};
use std::ffi::{CStr, c_char, c_int, c_void};
use std::fs::File;
use std::io::{Read, Write};
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::os::fd::{AsRawFd, FromRawFd, IntoRawFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::sync::Mutex;
use std::{mem, ptr, slice};

/// One action of a peer.
#[derive(Clone, Debug, PartialEq)]
pub enum Act {
    /// Sends bytes as one chunk.
    Send(Vec<u8>),
    /// Sends nothing more, and keeps the connection open.
    Hold,
    /// Ends the stream in an orderly way.
    Close,
    /// Resets the connection.
    Reset,
}

/// Decides what a peer does after it has received these bytes. A peer without actions left ends the stream as soon as the
/// client waits for it.
pub type Script = Box<dyn FnMut(&[u8]) -> Vec<Act>>;

/// The traffic since the last [`begin`].
#[derive(Default)]
pub struct Record {
    /// The addresses of connections.
    pub addresses: Vec<SocketAddr>,
    /// The bytes that the client sent, per connection.
    pub sent: Vec<Vec<u8>>,
}

#[derive(Default)]
struct Network {
    script: Option<Script>,
    connections: HashMap<c_int, Connection>,
    record: Record,
}

struct Connection {
    /// Its index in [`Record::sent`].
    number: usize,
    address: Option<SocketAddr>,
    coming: VecDeque<Act>,
    /// The other end of the pair: a byte written to it makes the connection readable. It is not a stream, because those are
    /// read and written by the functions below.
    signal: File,
    is_readable: bool,
    has_carried_a_request: bool,
}

thread_local! {
    static NETWORK: RefCell<Network> = RefCell::default();
}

/// The names that were looked up, which happens on other threads.
static LOOKED_UP: Mutex<Vec<String>> = Mutex::new(Vec::new());

/// Checks that the functions below override those of the C library.
pub fn prepare() {
    begin(Box::new(|_| vec![]));
    // Nothing should listen on port 9 of this host; if something does, nothing is sent to it.
    let stream = std::net::TcpStream::connect("127.0.0.1:9").expect("the peer is in place");
    let is_ours = NETWORK.with_borrow(|network| network.connections.contains_key(&stream.as_raw_fd()));
    assert!(is_ours, "the network is not replaced: nothing may be fuzzed");
    end();
}

/// Starts a new record, with this script for all peers.
pub fn begin(script: Script) {
    LOOKED_UP.lock().expect("a panic ends the process").clear();
    NETWORK.replace(Network { script: Some(script), ..Network::default() });
}

/// Ends the record, and returns it with the names that were looked up.
pub fn end() -> (Record, Vec<String>) {
    let network = NETWORK.take();
    (network.record, mem::take(&mut *LOOKED_UP.lock().expect("a panic ends the process")))
}

impl Network {
    fn open(&mut self) -> std::io::Result<c_int> {
        let (ours, signal) = UnixStream::pair()?;
        let fd = ours.into_raw_fd();
        let number = self.record.sent.len();
        self.record.sent.push(Vec::new());
        let connection = Connection {
            number,
            address: None,
            coming: VecDeque::new(),
            signal: OwnedFd::from(signal).into(),
            is_readable: false,
            has_carried_a_request: false,
        };
        self.connections.insert(fd, connection);
        Ok(fd)
    }

    fn receive(&mut self, fd: c_int, bytes: &[u8]) {
        let Some(connection) = self.connections.get_mut(&fd) else { return };
        self.record.sent[connection.number].extend_from_slice(bytes);
        if bytes.starts_with(b"GET ") {
            let is_unread = connection.has_carried_a_request && connection.is_readable;
            assert!(!is_unread, "a request on a connection with unread bytes");
            connection.has_carried_a_request = true;
        }
        if let Some(script) = &mut self.script {
            let acts = script(bytes).into_iter().filter(|act| *act != Act::Send(vec![]));
            connection.coming.extend(acts);
        }
        connection.update();
    }
}

impl Connection {
    /// Makes the connection readable if there is something to receive.
    fn update(&mut self) {
        let is_readable = !matches!(self.coming.front(), None | Some(Act::Hold));
        if is_readable && !self.is_readable {
            self.signal.write_all(&[0]).expect("space for a byte");
        }
        self.is_readable = is_readable;
    }

    /// Fills the buffer with the next bytes of the script.
    fn send(&mut self, own: c_int, buffer: &mut [u8], is_peek: bool) -> Result<usize, c_int> {
        let received = match self.coming.front_mut() {
            None | Some(Act::Hold) => return Err(libc::EAGAIN),
            Some(Act::Close) => return Ok(0),
            Some(Act::Reset) => return Err(libc::ECONNRESET),
            Some(Act::Send(bytes)) => {
                let received = bytes.len().min(buffer.len());
                buffer[..received].copy_from_slice(&bytes[..received]);
                if !is_peek {
                    bytes.drain(..received);
                }
                received
            }
        };
        if self.coming.front() == Some(&Act::Send(vec![])) {
            self.coming.pop_front();
        }
        self.update();
        if !self.is_readable {
            // SAFETY: the descriptor is open: it is being received from.
            let mut ours = mem::ManuallyDrop::new(unsafe { File::from_raw_fd(own) });
            ours.read_exact(&mut [0]).expect("the byte that made it readable");
        }
        Ok(received)
    }
}

/// The client waits for the connection: a peer without actions left closes it.
fn await_peer(connection: &mut Connection) {
    if connection.coming.is_empty() {
        connection.coming.push_back(Act::Close);
        connection.update();
    }
}

/// Applies a function to the connection of a descriptor; `None`: it is not one of ours.
fn with_connection<T>(fd: c_int, act: impl FnOnce(&mut Connection) -> T) -> Option<T> {
    let in_network = |network: &mut Network| network.connections.get_mut(&fd).map(act);
    NETWORK.try_with(|network| in_network(&mut network.borrow_mut())).ok().flatten()
}

fn fail(errno: c_int) -> c_int {
    // SAFETY: the errno of this thread.
    unsafe { *libc::__errno_location() = errno };
    -1
}

/// The C library's definition of a function.
///
/// # Safety
/// `F` is the type of the function.
unsafe fn next<F: Copy>(name: &CStr) -> F {
    // SAFETY: a C string; the caller guarantees the type.
    unsafe {
        let function = libc::dlsym(libc::RTLD_NEXT, name.as_ptr());
        assert!(!function.is_null(), "the C library has no {name:?}");
        mem::transmute_copy(&function)
    }
}

// SAFETY of the functions below: callers keep to the contracts of the C library's functions.

#[unsafe(no_mangle)]
unsafe extern "C" fn socket(domain: c_int, kind: c_int, protocol: c_int) -> c_int {
    match domain {
        libc::AF_INET | libc::AF_INET6 => {
            NETWORK.with_borrow_mut(Network::open).unwrap_or_else(|_| fail(libc::EMFILE))
        }
        _ => unsafe {
            let next: unsafe extern "C" fn(c_int, c_int, c_int) -> c_int = next(c"socket");
            next(domain, kind, protocol)
        },
    }
}

#[unsafe(no_mangle)]
unsafe extern "C" fn connect(fd: c_int, name: *const libc::sockaddr, _: libc::socklen_t) -> c_int {
    let address = unsafe { address_of(name) };
    let connected = NETWORK.with_borrow_mut(|network| {
        network.connections.get_mut(&fd)?.address = address;
        network.record.addresses.extend(address);
        address
    });
    // No other code in this process connects.
    connected.map_or_else(|| fail(libc::ENETUNREACH), |_| 0)
}

unsafe fn address_of(name: *const libc::sockaddr) -> Option<SocketAddr> {
    unsafe {
        match c_int::from((*name).sa_family) {
            libc::AF_INET => {
                let name = ptr::read_unaligned(name.cast::<libc::sockaddr_in>());
                let address = Ipv4Addr::from(u32::from_be(name.sin_addr.s_addr));
                Some(SocketAddr::new(address.into(), u16::from_be(name.sin_port)))
            }
            libc::AF_INET6 => {
                let name = ptr::read_unaligned(name.cast::<libc::sockaddr_in6>());
                let address = Ipv6Addr::from(name.sin6_addr.s6_addr);
                Some(SocketAddr::new(address.into(), u16::from_be(name.sin6_port)))
            }
            _ => None,
        }
    }
}

/// Only called to check that the connection is established.
#[unsafe(no_mangle)]
unsafe extern "C" fn getpeername(fd: c_int, name: *mut libc::sockaddr, size: *mut libc::socklen_t) -> c_int {
    if with_connection(fd, |connection| connection.address).flatten().is_none() {
        return fail(libc::ENOTCONN);
    }
    unsafe {
        let name = name.cast::<libc::sockaddr_in>();
        name.write(mem::zeroed());
        (*name).sin_family = libc::AF_INET as libc::sa_family_t;
        *size = mem::size_of::<libc::sockaddr_in>() as libc::socklen_t;
    }
    0
}

type SetSockOpt = unsafe extern "C" fn(c_int, c_int, c_int, *const c_void, libc::socklen_t) -> c_int;

/// Ignores all options except the receive timeout.
#[unsafe(no_mangle)]
unsafe extern "C" fn setsockopt(
    fd: c_int,
    level: c_int,
    option: c_int,
    value: *const c_void,
    size: libc::socklen_t,
) -> c_int {
    if (level, option) != (libc::SOL_SOCKET, libc::SO_RCVTIMEO) {
        return 0;
    }
    unsafe {
        let next: SetSockOpt = next(c"setsockopt");
        next(fd, level, option, value, size)
    }
}

#[unsafe(no_mangle)]
unsafe extern "C" fn send(fd: c_int, bytes: *const c_void, length: usize, _: c_int) -> isize {
    let bytes = unsafe { slice::from_raw_parts(bytes.cast::<u8>(), length) };
    NETWORK.with_borrow_mut(|network| network.receive(fd, bytes));
    length as isize
}

#[unsafe(no_mangle)]
unsafe extern "C" fn recv(fd: c_int, buffer: *mut c_void, length: usize, flags: c_int) -> isize {
    let buffer = unsafe { slice::from_raw_parts_mut(buffer.cast::<u8>(), length) };
    let is_peek = flags & libc::MSG_PEEK != 0;
    let waits = flags & libc::MSG_DONTWAIT == 0;
    if waits {
        with_connection(fd, await_peer);
    }
    match with_connection(fd, |connection| connection.send(fd, buffer, is_peek)) {
        Some(Ok(received)) => received as isize,
        // Nothing will arrive: the pair waits for its receive timeout.
        Some(Err(libc::EAGAIN)) if waits => unsafe {
            let next: unsafe extern "C" fn(c_int, *mut c_void, usize, c_int) -> isize = next(c"recv");
            next(fd, buffer.as_mut_ptr().cast(), length, flags)
        },
        Some(Err(errno)) => fail(errno) as isize,
        None => fail(libc::EBADF) as isize,
    }
}

#[unsafe(no_mangle)]
unsafe extern "C" fn poll(list: *mut libc::pollfd, count: libc::nfds_t, timeout: c_int) -> c_int {
    let polled = if count == 0 { &[][..] } else { unsafe { slice::from_raw_parts(list, count as usize) } };
    for entry in polled.iter().filter(|entry| entry.events & libc::POLLIN != 0) {
        with_connection(entry.fd, await_peer);
    }
    unsafe {
        let next: unsafe extern "C" fn(*mut libc::pollfd, libc::nfds_t, c_int) -> c_int = next(c"poll");
        next(list, count, timeout)
    }
}

type GetAddrInfo = unsafe extern "C" fn(
    *const c_char,
    *const c_char,
    *const libc::addrinfo,
    *mut *mut libc::addrinfo,
) -> c_int;

/// Every name resolves to this host.
#[unsafe(no_mangle)]
unsafe extern "C" fn getaddrinfo(
    name: *const c_char,
    service: *const c_char,
    hints: *const libc::addrinfo,
    list: *mut *mut libc::addrinfo,
) -> c_int {
    unsafe {
        let requested = CStr::from_ptr(name).to_string_lossy().into_owned();
        LOOKED_UP.lock().expect("a panic ends the process").push(requested);
        let next: GetAddrInfo = next(c"getaddrinfo");
        next(c"127.0.0.1".as_ptr(), service, hints, list)
    }
}
