//! What Unix has for it: poll(2) for sockets and the token at once, connects that do not block, and lookups that tell
//! why they failed.

use std::ffi::CString;
use std::io;
use std::mem;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpStream};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, OwnedFd};
use std::ptr;
use std::time::Duration;

use super::{LookupError, Source};
use crate::cancel::{Interruption, Watch};

/// How long a wait lasts at most where the token has no descriptor to wait for.
const GLANCE: Duration = Duration::from_millis(10);

/// Waits until one of the sources may be ready, the deadline passes or the token is triggered. It may return early:
/// the caller tries and waits again.
pub fn wait(sources: &[Source<'_>], watch: &Watch) -> Result<(), Interruption> {
    let mut polled = [libc::pollfd { fd: -1, events: 0, revents: 0 }; Source::MOST + 1];
    for (entry, source) in polled.iter_mut().zip(sources) {
        (entry.fd, entry.events) = match source {
            Source::Readable(stream) => (stream.as_raw_fd(), libc::POLLIN),
            Source::Writable(stream) => (stream.as_raw_fd(), libc::POLLOUT),
            Source::Connected(attempt) => (attempt.stream.as_raw_fd(), libc::POLLOUT),
            Source::Ended(pipe) => (pipe.as_raw_fd(), libc::POLLIN),
        };
    }
    let watched = sources.len().min(Source::MOST);
    let mut count = watched;
    let signal = watch.cancel().and_then(|cancel| cancel.signal());
    if let Some(reader) = signal {
        polled[count] = libc::pollfd { fd: reader.as_raw_fd(), events: libc::POLLIN, revents: 0 };
        count += 1;
    }
    let must_glance = watch.cancel().is_some() && signal.is_none();
    loop {
        watch.check()?;
        let timeout = match watch.left() {
            Some(left) if must_glance => Some(left.min(GLANCE)),
            None if must_glance => Some(GLANCE),
            left => left,
        };
        // SAFETY: the first `count` entries are initialised, and their descriptors stay open for the call.
        let ready = unsafe { libc::poll(polled.as_mut_ptr(), count as libc::nfds_t, poll_timeout(timeout)) };
        if ready > 0 && polled[..watched].iter().any(|entry| entry.revents != 0) {
            return Ok(());
        }
        if ready < 0 && io::Error::last_os_error().kind() != io::ErrorKind::Interrupted {
            // The kernel is out of memory, say, or the limit of descriptors is below what is waited for: whoever waits
            // tries, and waits again, rather than spin.
            std::thread::sleep(GLANCE);
            return watch.check();
        }
    }
}

/// In milliseconds, rounded up so that no wait ends before its time; -1: for ever.
fn poll_timeout(timeout: Option<Duration>) -> libc::c_int {
    let milliseconds =
        |left: Duration| left.as_nanos().div_ceil(1_000_000).min(i32::MAX as u128) as libc::c_int;
    timeout.map_or(-1, milliseconds)
}

/// A connection that is being made. Becomes writable when it is made or has failed.
pub struct Attempt {
    stream: TcpStream,
}

impl Attempt {
    /// Begins to connect, without waiting for anything.
    pub fn begin(address: SocketAddr) -> io::Result<Attempt> {
        let family = if address.is_ipv4() { libc::AF_INET } else { libc::AF_INET6 };
        let stream = TcpStream::from(new_socket(family)?);
        stream.set_nonblocking(true)?;
        match connect(stream.as_fd(), address) {
            Err(error) if !is_under_way(&error) => Err(error),
            _ => Ok(Attempt { stream }),
        }
    }

    fn finish(self) -> io::Result<TcpStream> {
        self.stream.set_nodelay(true)?;
        self.stream.set_nonblocking(!CAN_BLOCK)?;
        Ok(self.stream)
    }

    /// The connection, or why there is none; the attempt itself while neither is known. What is sent and received on it
    /// says each time whether it may wait.
    pub fn outcome(self) -> Result<io::Result<TcpStream>, Attempt> {
        match self.stream.take_error() {
            Ok(None) => {}
            Ok(Some(error)) | Err(error) => return Ok(Err(error)),
        }
        match self.stream.peer_addr() {
            // Where nobody listens on a port that the system gives to whoever connects, it may give just that one: then
            // the socket is its own peer.
            Ok(peer) if self.stream.local_addr().is_ok_and(|own| own == peer) => {
                Ok(Err(io::ErrorKind::ConnectionRefused.into()))
            }
            Ok(_) => Ok(self.finish()),
            Err(_) => Err(self),
        }
    }
}

/// Whether a socket may block where nothing says otherwise: on Apple's systems `MSG_DONTWAIT` says so of receives alone.
const CAN_BLOCK: bool = cfg!(not(target_vendor = "apple"));

/// Flags of what waits for nothing, and raises no signal where the peer is gone.
#[cfg(not(target_vendor = "apple"))]
const NOW: libc::c_int = libc::MSG_DONTWAIT | libc::MSG_NOSIGNAL;
#[cfg(target_vendor = "apple")]
const NOW: libc::c_int = libc::MSG_DONTWAIT;

/// Sends what fits now.
pub fn send_now(stream: &TcpStream, bytes: &[u8]) -> io::Result<usize> {
    // SAFETY: the bytes are as many as told.
    let sent = unsafe { libc::send(stream.as_raw_fd(), bytes.as_ptr().cast(), bytes.len(), NOW) };
    usize::try_from(sent).map_err(|_| io::Error::last_os_error())
}

/// Receives what is there.
pub fn receive_now(stream: &TcpStream, buffer: &mut [u8]) -> io::Result<usize> {
    receive(stream, buffer, NOW)
}

/// Looks at what is there, and leaves it.
pub fn peek_now(stream: &TcpStream, buffer: &mut [u8]) -> io::Result<usize> {
    receive(stream, buffer, NOW | libc::MSG_PEEK)
}

fn receive(stream: &TcpStream, buffer: &mut [u8], flags: libc::c_int) -> io::Result<usize> {
    // SAFETY: the buffer is as long as told.
    let received = unsafe { libc::recv(stream.as_raw_fd(), buffer.as_mut_ptr().cast(), buffer.len(), flags) };
    usize::try_from(received).map_err(|_| io::Error::last_os_error())
}

/// For how long the system lets a socket's receives wait, where it was told: anew only where that has become wrong, which
/// saves most calls a system call.
#[derive(Debug, Default)]
pub struct Patience(Option<Duration>);

impl Patience {
    /// Where less is left, no time-out is short enough.
    const LEAST: Duration = Duration::from_millis(200);

    /// Receives, waiting for the first byte for the better part of what is `left`, never longer. `WouldBlock`: it has not
    /// come yet; `None`: this is of no use here.
    pub fn receive(
        &mut self,
        stream: &TcpStream,
        buffer: &mut [u8],
        left: Option<Duration>,
    ) -> Option<io::Result<usize>> {
        if !CAN_BLOCK || left.is_some_and(|left| left < Patience::LEAST) {
            return None;
        }
        if !self.is_right(left) {
            let told = left.map(|left| left * 5 / 8);
            stream.set_read_timeout(told).ok()?;
            self.0 = told;
        }
        Some(receive(stream, buffer, 0))
    }

    /// Linux keeps such a time-out as exactly as its timer wheel can, which is up to an eighth and some jiffies late.
    fn is_right(&self, left: Option<Duration>) -> bool {
        match (self.0, left) {
            (Some(told), Some(left)) => (left / 4..=left * 3 / 4).contains(&told),
            (told, left) => told == left,
        }
    }
}

/// Interrupted: POSIX has the connection go on being made all the same.
fn is_under_way(error: &io::Error) -> bool {
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
    // SAFETY: the descriptor is new, and nobody else's.
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
        // SAFETY: the value is an int, as the option wants it, and its size is told.
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

#[cfg(target_os = "linux")]
fn page_size() -> Option<usize> {
    // SAFETY: takes no pointers.
    usize::try_from(unsafe { libc::sysconf(libc::_SC_PAGESIZE) }).ok()
}

/// Memory of this size and more is worth huge pages.
#[cfg(target_os = "linux")]
const LARGE_MEMORY: usize = 4 << 20;

/// Asks for memory in huge pages, before it is used for the first time: of a large body, most of the time would go to
/// the kernel's handing out of small ones. Only a wish.
#[cfg(target_os = "linux")]
pub fn prefer_huge_pages(memory: &mut Vec<u8>) {
    if memory.capacity() < LARGE_MEMORY {
        return;
    }
    let Some(page) = page_size() else { return };
    // Whole pages around it: an allocator's mapping that is not of one kind could not be moved as one.
    let before = memory.as_ptr().addr() % page;
    let length = (before + memory.capacity()).next_multiple_of(page);
    let first = memory.as_mut_ptr().wrapping_byte_sub(before);
    // SAFETY: these pages hold the memory, so they are mapped, and the advice changes nothing of what is in them.
    unsafe { libc::madvise(first.cast(), length, libc::MADV_HUGEPAGE) };
}

/// Memory of this size and more is worth a system call.
#[cfg(target_os = "linux")]
const SOME_MEMORY: usize = 16 << 10;

/// Asks for memory that will be used to its end before it is used for the first time: to be handed out page by page
/// takes longer. Only a wish, which kernels before 5.14 do not know.
#[cfg(target_os = "linux")]
pub fn prefer_pages_at_once(memory: &mut Vec<u8>) {
    if memory.capacity() < SOME_MEMORY {
        return;
    }
    let Some(page) = page_size() else { return };
    // Whole pages within it.
    let before = memory.as_ptr().addr().next_multiple_of(page) - memory.as_ptr().addr();
    let length = memory.capacity().saturating_sub(before) / page * page;
    let first = memory.as_mut_ptr().wrapping_byte_add(before);
    // SAFETY: these pages hold nothing but the memory, and the advice changes nothing of what is in them.
    unsafe { libc::madvise(first.cast(), length, libc::MADV_POPULATE_WRITE) };
}

/// Memory is as the system gives it.
#[cfg(not(target_os = "linux"))]
pub fn prefer_huge_pages(_memory: &mut Vec<u8>) {}

/// Memory is as the system gives it.
#[cfg(not(target_os = "linux"))]
pub fn prefer_pages_at_once(_memory: &mut Vec<u8>) {}

/// Asks the system for a host's addresses, in its order of preference. Blocks for as long as the system likes.
pub fn look_up(host: &str) -> Result<Vec<IpAddr>, LookupError> {
    let Ok(host) = CString::new(host) else { return Err(LookupError::NoSuchName) };
    // SAFETY: all-zero bytes are a valid addrinfo.
    let mut hints: libc::addrinfo = unsafe { mem::zeroed() };
    hints.ai_socktype = libc::SOCK_STREAM;
    let mut list = ptr::null_mut();
    // SAFETY: the strings end in NUL or are absent, and both structures outlive the call.
    let code = unsafe { libc::getaddrinfo(host.as_ptr(), ptr::null(), &hints, &mut list) };
    match code {
        0 => Ok(take_addresses(list)),
        libc::EAI_NONAME => Err(LookupError::NoSuchName),
        // glibc's "the name exists, but has no address of this kind".
        #[cfg(target_os = "linux")]
        libc::EAI_NODATA => Err(LookupError::NoSuchName),
        libc::EAI_AGAIN => Err(LookupError::Temporary),
        libc::EAI_MEMORY => Err(LookupError::Resource("memory is used up")),
        libc::EAI_SYSTEM => Err(match super::used_up(&io::Error::last_os_error()) {
            Some(what) => LookupError::Resource(what),
            None => LookupError::Temporary,
        }),
        other => Err(LookupError::Other(other)),
    }
}

fn take_addresses(list: *mut libc::addrinfo) -> Vec<IpAddr> {
    let mut addresses = Vec::new();
    let mut next = list;
    // SAFETY: getaddrinfo made the list, whose pointers are valid until it is freed below.
    while let Some(entry) = unsafe { next.as_ref() } {
        match entry.ai_family {
            libc::AF_INET => {
                // SAFETY: an entry of this family holds a sockaddr_in.
                let name = unsafe { ptr::read_unaligned(entry.ai_addr.cast::<libc::sockaddr_in>()) };
                addresses.push(IpAddr::from(Ipv4Addr::from(u32::from_be(name.sin_addr.s_addr))));
            }
            libc::AF_INET6 => {
                // SAFETY: an entry of this family holds a sockaddr_in6.
                let name = unsafe { ptr::read_unaligned(entry.ai_addr.cast::<libc::sockaddr_in6>()) };
                addresses.push(IpAddr::from(Ipv6Addr::from(name.sin6_addr.s6_addr)));
            }
            _ => {}
        }
        next = entry.ai_next;
    }
    // SAFETY: getaddrinfo made the list, and nothing points into it any more.
    unsafe { libc::freeaddrinfo(list) };
    addresses
}

/// Runs `begin` with all signals blocked, so that a thread that it starts runs none of the host's handlers.
pub fn without_signals<T>(begin: impl FnOnce() -> T) -> T {
    // SAFETY: all-zero bytes are a valid set of signals, and both outlive the calls.
    let (mut all, mut before): (libc::sigset_t, libc::sigset_t) = unsafe { (mem::zeroed(), mem::zeroed()) };
    // SAFETY: as above.
    unsafe {
        libc::sigfillset(&mut all);
        libc::pthread_sigmask(libc::SIG_SETMASK, &all, &mut before);
    }
    let begun = begin();
    // SAFETY: as above.
    unsafe { libc::pthread_sigmask(libc::SIG_SETMASK, &before, ptr::null_mut()) };
    begun
}

#[cfg(not(target_os = "android"))]
unsafe extern "C" {
    // The libc crate does not have it.
    fn pthread_setcancelstate(state: libc::c_int, before: *mut libc::c_int) -> libc::c_int;
}

#[cfg(not(any(target_os = "android", target_vendor = "apple")))]
const PTHREAD_CANCEL_DISABLE: libc::c_int = 1;
#[cfg(target_vendor = "apple")]
const PTHREAD_CANCEL_DISABLE: libc::c_int = 0;

/// Runs `work`, which does not panic, with pthread_cancel of this thread put off until it is over: poll(2) and its like
/// would end the thread there and then, by an unwinding that must not pass through here.
#[cfg(not(target_os = "android"))]
pub fn without_cancellation<T>(work: impl FnOnce() -> T) -> T {
    let mut before = PTHREAD_CANCEL_DISABLE;
    // SAFETY: the address is good for as long as the call lasts.
    unsafe { pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, &mut before) };
    let done = work();
    // SAFETY: as above, and the state is one that the system has told.
    unsafe { pthread_setcancelstate(before, &mut before) };
    done
}

/// Threads are not cancelled here.
#[cfg(target_os = "android")]
pub fn without_cancellation<T>(work: impl FnOnce() -> T) -> T {
    work()
}

/// Whether the program runs with more rights than whoever started it, who must then not steer it by its environment.
pub fn is_privileged() -> bool {
    #[cfg(any(target_os = "linux", target_os = "android"))]
    // SAFETY: takes no pointers.
    let privileged = unsafe { libc::getauxval(libc::AT_SECURE) } != 0;
    #[cfg(not(any(target_os = "linux", target_os = "android")))]
    // SAFETY: take no pointers.
    let privileged = unsafe { libc::getuid() != libc::geteuid() || libc::getgid() != libc::getegid() };
    privileged
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::TcpListener;

    fn outcome_of(stream: TcpStream) -> Option<io::Result<TcpStream>> {
        Attempt { stream }.outcome().ok()
    }

    #[test]
    fn a_socket_that_is_its_own_peer_is_connected_to_nobody() -> io::Result<()> {
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
    fn the_system_is_told_how_long_to_wait_only_where_that_changes() {
        let milliseconds = |number| Some(Duration::from_millis(number));
        let told = Patience(milliseconds(3000));
        assert!(told.is_right(milliseconds(4000)) && told.is_right(milliseconds(12_000)));
        assert!(
            !told.is_right(milliseconds(3999))
                && !told.is_right(milliseconds(12_001))
                && !told.is_right(None)
        );
        assert!(Patience(None).is_right(None) && !Patience(None).is_right(milliseconds(1000)));
    }

    #[test]
    fn a_socket_with_a_peer_is_connected() -> io::Result<()> {
        let listener = TcpListener::bind("127.0.0.1:0")?;
        let stream = TcpStream::connect(listener.local_addr()?)?;
        assert!(outcome_of(stream).is_some_and(|outcome| outcome.is_ok()));
        Ok(())
    }
}
