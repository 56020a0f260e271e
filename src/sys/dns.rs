//! Name lookup by the system. It can block for minutes and cannot be interrupted, so each lookup needs its own thread.

use std::net::IpAddr;

use super::Resource;

/// Why a host has no address.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LookupError {
    /// The name does not exist.
    NoSuchName,
    /// The lookup failed, but a later one may succeed.
    Temporary,
    /// This resource is used up.
    Resource(Resource),
    /// Any other code of getaddrinfo().
    Other(i32),
}

#[cfg(all(unix, not(refold_portable)))]
pub use unix::look_up;

#[cfg(any(not(unix), refold_portable))]
pub use portable::look_up;

/// Lets the system read what configures its lookups, such as RES_OPTIONS in the environment, unless it has done so.
/// Otherwise the first lookup would, while the program may be changing the environment. Sends nothing.
#[cfg(all(target_os = "linux", target_env = "gnu"))]
pub fn read_settings() {
    use std::ffi::c_int;
    use std::sync::atomic::{AtomicBool, Ordering};

    /// `struct __res_state` of glibc, which has 568 bytes at most. All zeros are valid.
    #[repr(C, align(16))]
    struct ResolverState([u8; 1024]);
    unsafe extern "C" {
        // res_ninit() and res_nclose(), which are missing from the libc crate.
        fn __res_ninit(state: *mut ResolverState) -> c_int;
        fn __res_nclose(state: *mut ResolverState);
    }

    static WERE_READ: AtomicBool = AtomicBool::new(false);
    if !WERE_READ.swap(true, Ordering::Relaxed) {
        let mut state = ResolverState([0; 1024]);
        // The settings stay in memory, for every thread, until /etc/resolv.conf changes.
        // SAFETY: the state is valid, large enough, and closed only if it was initialised.
        unsafe {
            if __res_ninit(&mut state) == 0 {
                __res_nclose(&mut state);
            }
        }
    }
}

/// Does nothing: no other system is known to offer this without sending anything.
#[cfg(not(all(target_os = "linux", target_env = "gnu")))]
pub fn read_settings() {}

#[cfg(all(unix, not(refold_portable)))]
mod unix {
    use super::super::descriptors::{above_streams, is_stream};
    use super::super::exhausted_resource;
    use super::{IpAddr, LookupError, Resource};
    use std::ffi::CString;
    use std::net::{Ipv4Addr, Ipv6Addr};
    use std::os::unix::net::UnixDatagram;
    use std::{io, mem, ptr};

    /// Missing from libc.
    #[cfg(target_os = "linux")]
    const EAI_ADDRFAMILY: libc::c_int = -9;

    /// Returns the addresses of a host, in the order that the system prefers.
    pub fn look_up(host: &str) -> Result<Vec<IpAddr>, LookupError> {
        let Ok(host) = CString::new(host) else { return Err(LookupError::NoSuchName) };
        // SAFETY: all-zero bytes are a valid addrinfo.
        let mut hints: libc::addrinfo = unsafe { mem::zeroed() };
        hints.ai_socktype = libc::SOCK_STREAM;
        let mut list = ptr::null_mut();
        // SAFETY: the host is NUL-terminated, the service is absent, and both structures outlive the call.
        let code = unsafe { libc::getaddrinfo(host.as_ptr(), ptr::null(), &hints, &mut list) };
        let error = io::Error::last_os_error();
        if code == 0 {
            return Ok(take_addresses(list));
        }
        // Without descriptors for its files and sockets, glibc reports that the name is unknown.
        if let Some(resource) = exhausted_descriptors() {
            return Err(LookupError::Resource(resource));
        }
        match code {
            libc::EAI_NONAME => Err(LookupError::NoSuchName),
            // glibc: the name exists, but has no address, or none of the requested family.
            #[cfg(target_os = "linux")]
            libc::EAI_NODATA | EAI_ADDRFAMILY => Ok(Vec::new()),
            libc::EAI_AGAIN => Err(LookupError::Temporary),
            libc::EAI_MEMORY => Err(LookupError::Resource(Resource::Memory)),
            libc::EAI_SYSTEM => Err(match exhausted_resource(&error) {
                Some(resource) => LookupError::Resource(resource),
                None => LookupError::Temporary,
            }),
            other => Err(LookupError::Other(other)),
        }
    }

    /// Returns the resource that is used up if no descriptor can be opened.
    fn exhausted_descriptors() -> Option<Resource> {
        exhausted_resource(&above_streams(UnixDatagram::unbound, is_stream).err()?)
    }

    /// Copies the addresses and frees the list.
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
}

#[cfg(any(not(unix), refold_portable))]
mod portable {
    use super::{IpAddr, LookupError};
    use std::io;
    use std::net::ToSocketAddrs;

    /// Returns the addresses of a host, in the order that the system prefers.
    pub fn look_up(host: &str) -> Result<Vec<IpAddr>, LookupError> {
        let addresses = (host, 0).to_socket_addrs().map_err(|error| classify(&error))?;
        Ok(addresses.map(|address| address.ip()).collect())
    }

    #[cfg(not(unix))]
    fn classify(error: &io::Error) -> LookupError {
        error.raw_os_error().map_or(LookupError::Temporary, super::super::winsock::lookup_error)
    }

    /// Every failure counts as temporary, because the standard library does not report the reason.
    #[cfg(unix)]
    fn classify(_: &io::Error) -> LookupError {
        LookupError::Temporary
    }
}
