//! A signal that threads raise, and that [`poll`](super::poll) waits for together with sockets.

#[cfg(all(unix, not(refold_portable)))]
pub use self::descriptor::Signal;
#[cfg(all(windows, not(refold_portable)))]
pub use self::event::Signal;
#[cfg(any(not(any(unix, windows)), refold_portable))]
pub use self::flag::Signal;

/// An eventfd where there is one, and a pipe elsewhere.
#[cfg(all(unix, not(refold_portable)))]
mod descriptor {
    use std::io;
    #[cfg(any(target_os = "linux", target_os = "android"))]
    use std::os::fd::OwnedFd;
    use std::os::fd::{AsRawFd, RawFd};
    #[cfg(not(any(target_os = "linux", target_os = "android")))]
    use std::sync::atomic::{AtomicBool, Ordering};

    use super::super::descriptors::{above_streams, is_stream};

    /// A flag with a descriptor that is readable while the flag is raised.
    #[derive(Debug)]
    pub struct Signal {
        #[cfg(any(target_os = "linux", target_os = "android"))]
        event: OwnedFd,
        #[cfg(not(any(target_os = "linux", target_os = "android")))]
        pipe: (io::PipeReader, io::PipeWriter),
        /// So that there is never more than one byte in the pipe, and no write can block.
        #[cfg(not(any(target_os = "linux", target_os = "android")))]
        is_raised: AtomicBool,
    }

    #[cfg(any(target_os = "linux", target_os = "android"))]
    impl Signal {
        /// A signal that is not raised.
        pub fn new() -> io::Result<Signal> {
            let event = above_streams(new_event, is_stream)?;
            Ok(Signal { event })
        }

        /// Raises the signal. Safe in signal handlers.
        pub fn raise(&self) {
            let one = 1_u64.to_ne_bytes();
            // SAFETY: the buffer has this length. It fails only if the counter is full, and then the signal is raised.
            unsafe { libc::write(self.event.as_raw_fd(), one.as_ptr().cast(), one.len()) };
        }

        /// Lowers the signal.
        pub fn clear(&self) {
            let mut count = [0; 8];
            // SAFETY: the buffer has this length. It fails, and does not block, if the signal is not raised.
            unsafe { libc::read(self.event.as_raw_fd(), count.as_mut_ptr().cast(), count.len()) };
        }

        /// The descriptor to poll.
        pub fn descriptor(&self) -> RawFd {
            self.event.as_raw_fd()
        }
    }

    #[cfg(any(target_os = "linux", target_os = "android"))]
    fn new_event() -> io::Result<OwnedFd> {
        use std::os::fd::FromRawFd;
        // SAFETY: takes no pointers.
        let event = unsafe { libc::eventfd(0, libc::EFD_CLOEXEC | libc::EFD_NONBLOCK) };
        if event < 0 {
            return Err(io::Error::last_os_error());
        }
        // SAFETY: the descriptor is new and has no other owner.
        Ok(unsafe { OwnedFd::from_raw_fd(event) })
    }

    #[cfg(not(any(target_os = "linux", target_os = "android")))]
    impl Signal {
        /// A signal that is not raised.
        pub fn new() -> io::Result<Signal> {
            let pipe = above_streams(io::pipe, |(reader, writer)| is_stream(reader) || is_stream(writer))?;
            Ok(Signal { pipe, is_raised: AtomicBool::new(false) })
        }

        /// Raises the signal. Safe in signal handlers.
        pub fn raise(&self) {
            if !self.is_raised.swap(true, Ordering::SeqCst) {
                let _ = io::Write::write(&mut &self.pipe.1, &[1]);
            }
        }

        /// Lowers the signal. One that is raised meanwhile may be lost, so its cause must be checked after this.
        pub fn clear(&self) {
            if self.is_raised.load(Ordering::SeqCst) {
                let _ = io::Read::read(&mut &self.pipe.0, &mut [0]);
                self.is_raised.store(false, Ordering::SeqCst);
            }
        }

        /// The descriptor to poll.
        pub fn descriptor(&self) -> RawFd {
            self.pipe.0.as_raw_fd()
        }
    }
}

/// An event object.
#[cfg(all(windows, not(refold_portable)))]
mod event {
    use std::io;

    use super::super::system::Event;

    /// A flag with an event that is signalled while the flag is raised.
    #[derive(Debug)]
    pub struct Signal {
        event: Event,
    }

    impl Signal {
        /// A signal that is not raised.
        pub fn new() -> io::Result<Signal> {
            Ok(Signal { event: Event::new()? })
        }

        /// Raises the signal. Allocates nothing, and takes no lock.
        pub fn raise(&self) {
            self.event.set();
        }

        /// Lowers the signal.
        pub fn clear(&self) {
            self.event.reset();
        }

        /// Returns -1: an event is no descriptor.
        pub fn descriptor(&self) -> i32 {
            -1
        }

        /// The event to wait for.
        pub fn event(&self) -> &Event {
            &self.event
        }
    }
}

/// A flag that is read every few milliseconds.
#[cfg(any(not(any(unix, windows)), refold_portable))]
mod flag {
    use std::io;

    /// A flag.
    #[derive(Debug)]
    pub struct Signal {}

    impl Signal {
        /// A signal that is not raised.
        pub fn new() -> io::Result<Signal> {
            Ok(Signal {})
        }

        /// Does nothing, because [`poll`](crate::sys::poll) returns every few milliseconds anyway.
        pub fn raise(&self) {}

        /// Does nothing.
        pub fn clear(&self) {}

        /// Returns -1: there is no descriptor to poll.
        pub fn descriptor(&self) -> i32 {
            -1
        }
    }
}

#[cfg(all(test, any(unix, windows), not(refold_portable)))]
mod tests {
    use super::*;
    use crate::sys::{Interest, poll};
    use std::time::Duration;

    #[test]
    fn signal_is_readable_while_it_is_raised() -> std::io::Result<()> {
        let signal = Signal::new()?;
        let is_raised = || poll(&[Interest::Signalled(&signal)], [None; 2], Some(Duration::ZERO));
        assert!(!is_raised()?);
        for raised in [1, 2, 100_000] {
            (0..raised).for_each(|_| signal.raise());
            assert!(is_raised()? && is_raised()?);
            signal.clear();
            assert!(!is_raised()?);
            signal.clear();
        }
        Ok(())
    }
}
