//! The operating system: sockets, name lookups, threads, memory, environment and fork.
//!
//! All calls to libc and to Windows are in this folder, and nothing in it knows about HTTP, JSON or the C interface.
//! `unix`, `windows` and `portable` implement the same small socket interface: with poll(2), with event objects, and with
//! what the standard library offers on any system. All functions return at once or within their timeout, except
//! [`dns::look_up`]. May use only `alloc`.

#![allow(unsafe_code)]
// The portable sockets cannot be polled, so some items are not used with them.
#![cfg_attr(any(not(any(unix, windows)), refold_portable), allow(dead_code))]

pub mod descriptors;
pub mod dns;
pub mod env;
pub mod fork;
pub mod memory;
#[cfg(any(not(unix), refold_portable))]
mod nonblocking;
pub mod signal;
pub mod stderr;
#[cfg_attr(any(not(any(unix, windows)), refold_portable), path = "portable.rs")]
#[cfg_attr(all(unix, not(refold_portable)), path = "unix.rs")]
#[cfg_attr(all(windows, not(refold_portable)), path = "windows.rs")]
mod system;
pub mod thread;
#[cfg(any(not(unix), test))]
mod winsock;

use std::io;
use std::net::TcpStream;
use std::time::Duration;

use self::signal::Signal;
pub use system::{Attempt, ReceiveTimeout, peek_now, receive_now, send_now};

/// An event to wait for.
pub enum Interest<'a> {
    /// Bytes have arrived, or the peer has closed its side.
    Readable(&'a TcpStream),
    /// The send buffer has capacity.
    Writable(&'a TcpStream),
    /// A connection attempt has succeeded or failed.
    Connected(&'a Attempt),
    /// The signal is raised.
    Signalled(&'a Signal),
}

impl Interest<'_> {
    /// The maximum number of interests that [`poll`] considers; it ignores the rest.
    pub const MAX: usize = 16;
}

/// Waits until one of the interests may be ready (`true`), or one of the signals is raised, the timeout has expired, or a
/// signal handler ran (`false`).
///
/// Returning `true` is only a hint: the caller attempts the operation and polls again if it would block. An error
/// means that the system could not wait, for example because it is out of memory.
pub fn poll(
    interests: &[Interest<'_>],
    signals: [Option<&Signal>; 2],
    timeout: Option<Duration>,
) -> io::Result<bool> {
    system::poll(interests, signals, timeout)
}

/// Whether a socket that is connecting without an error so far is connected (`Ok`), may not be used (`Err`), or is still
/// undecided (`None`).
fn established(stream: &TcpStream) -> Option<io::Result<()>> {
    match stream.peer_addr() {
        // A connection to an unused port in the ephemeral range can be assigned that very port as its source, and then
        // connects to itself (TCP simultaneous open).
        Ok(peer) if stream.local_addr().is_ok_and(|own| own == peer) => {
            Some(Err(io::ErrorKind::ConnectionRefused.into()))
        }
        Ok(_) => Some(Ok(())),
        Err(_) => None,
    }
}

/// A resource that can be used up. `error::message` describes each.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Resource {
    /// The file descriptors of this process.
    ProcessDescriptors,
    /// The file descriptors of the system. Windows has no such limit.
    #[cfg_attr(not(unix), allow(dead_code))]
    SystemDescriptors,
    /// Memory.
    Memory,
    /// Threads.
    Threads,
}

/// Returns the resource that is used up, if that is the cause of the error.
pub fn exhausted_resource(error: &io::Error) -> Option<Resource> {
    let number = error.raw_os_error()?;
    #[cfg(unix)]
    match number {
        libc::EMFILE => Some(Resource::ProcessDescriptors),
        libc::ENFILE => Some(Resource::SystemDescriptors),
        libc::ENOMEM | libc::ENOBUFS => Some(Resource::Memory),
        _ => None,
    }
    #[cfg(not(unix))]
    winsock::exhausted_resource(number)
}

#[cfg(all(test, unix))]
mod tests {
    use super::*;

    #[test]
    fn exhausted_resources_are_recognised() {
        let cases = [
            (libc::EMFILE, Some("this process has no file descriptor left")),
            (libc::ENFILE, Some("the system has no file descriptor left")),
            (libc::ENOMEM, Some("memory is used up")),
            (libc::ENOBUFS, Some("memory is used up")),
            (libc::ECONNREFUSED, None),
        ];
        for (number, expected) in cases {
            let resource = exhausted_resource(&io::Error::from_raw_os_error(number));
            let described = resource.map(|resource| resource.to_string());
            assert_eq!(described.as_deref(), expected, "{number}");
        }
        assert_eq!(exhausted_resource(&io::Error::from(io::ErrorKind::OutOfMemory)), None);
    }
}
