//! Noticing a fork: an identifier of the current process, and values of which each process has its own.

use std::fmt;
use std::process;
use std::ptr;
use std::sync::atomic::{AtomicBool, AtomicPtr, AtomicU64, Ordering};

/// One process, and no child of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ProcessId {
    /// Grows on the way from parent to child.
    Generation(u64),
    /// Where the system has nothing better. A child may bear its parent's number, in a namespace of its own or once all
    /// others were used.
    Number(u32),
}

impl ProcessId {
    /// This one. Takes no lock, and allocates nothing after the first time: a signal handler may ask. No system call
    /// after that, either, but for the number.
    pub fn current() -> ProcessId {
        match fork_counter() {
            Some(place) => ProcessId::Generation(generation(place)),
            None => ProcessId::Number(process::id()),
        }
    }
}

fn generation(current: &AtomicU64) -> u64 {
    /// The newest one on the way to this process.
    static NEWEST: AtomicU64 = AtomicU64::new(0);
    match current.load(Ordering::Acquire) {
        0 => {
            let next = 1 + NEWEST.fetch_add(1, Ordering::AcqRel);
            current.compare_exchange(0, next, Ordering::AcqRel, Ordering::Acquire).err().unwrap_or(next)
        }
        generation => generation,
    }
}

/// A number that is 0 in each new child, in memory that the kernel empties there; `None` where it does not.
#[cfg(any(target_os = "linux", target_os = "android"))]
fn fork_counter() -> Option<&'static AtomicU64> {
    static PLACE: AtomicPtr<AtomicU64> = AtomicPtr::new(ptr::null_mut());
    static IS_OFFERED: AtomicBool = AtomicBool::new(true);
    // SAFETY: what stands there was mapped below, and is never unmapped.
    if let Some(place) = unsafe { PLACE.load(Ordering::Acquire).as_ref() } {
        return Some(place);
    }
    if !IS_OFFERED.load(Ordering::Relaxed) {
        return None;
    }
    let Some(mapped) = map_fork_counter() else {
        IS_OFFERED.store(false, Ordering::Relaxed);
        return None;
    };
    let first = match PLACE.compare_exchange(ptr::null_mut(), mapped, Ordering::AcqRel, Ordering::Acquire) {
        Ok(_) => mapped,
        Err(first) => {
            // SAFETY: mapped just now, and seen by nobody else.
            unsafe { libc::munmap(mapped.cast(), size_of::<AtomicU64>()) };
            first
        }
    };
    // SAFETY: as above.
    unsafe { first.as_ref() }
}

#[cfg(any(target_os = "linux", target_os = "android"))]
fn map_fork_counter() -> Option<*mut AtomicU64> {
    let (length, access) = (size_of::<AtomicU64>(), libc::PROT_READ | libc::PROT_WRITE);
    let kind = libc::MAP_PRIVATE | libc::MAP_ANONYMOUS;
    // SAFETY: asks for new memory, wherever it may be.
    let mapped = unsafe { libc::mmap(ptr::null_mut(), length, access, kind, -1, 0) };
    if mapped == libc::MAP_FAILED {
        return None;
    }
    // SAFETY: mapped just now, with this length.
    let follows = |advice| unsafe { libc::madvise(mapped, length, advice) } == 0;
    // Emulators that follow no advice say that they do, of any: this is none.
    if follows(-1) || !follows(libc::MADV_WIPEONFORK) {
        // SAFETY: as above.
        unsafe { libc::munmap(mapped, length) };
        return None;
    }
    Some(mapped.cast())
}

/// The kernel has no such memory.
#[cfg(not(any(target_os = "linux", target_os = "android")))]
fn fork_counter() -> Option<&'static AtomicU64> {
    None
}

/// A value that a process makes for itself when it first asks: a child made by fork gets one of its own, and never
/// touches its parent's, whose locks may be held by threads that the child does not have. Takes no lock itself.
pub struct PerProcess<T: Send + Sync> {
    current: AtomicPtr<Owned<T>>,
}

struct Owned<T> {
    owner: ProcessId,
    value: T,
}

impl<T: Send + Sync> PerProcess<T> {
    /// Without a value.
    pub const fn new() -> PerProcess<T> {
        PerProcess { current: AtomicPtr::new(ptr::null_mut()) }
    }

    /// This process's value, made now if it has none yet.
    pub fn get_or_try_make<E>(&self, make: impl FnOnce() -> Result<T, E>) -> Result<&T, E> {
        let this = ProcessId::current();
        let current = self.current.load(Ordering::Acquire);
        // SAFETY: what `current` points to is freed by drop alone, which has the only reference to `self`.
        if let Some(owned) = unsafe { current.as_ref() }
            && owned.owner == this
        {
            return Ok(&owned.value);
        }
        let made = Box::into_raw(Box::new(Owned { owner: this, value: make()? }));
        // A former value is the parent's: it is left as it is.
        let settled = match self.current.compare_exchange(current, made, Ordering::AcqRel, Ordering::Acquire)
        {
            Ok(_) => made,
            Err(others) => {
                // SAFETY: nobody else has seen what was just made.
                drop(unsafe { Box::from_raw(made) });
                others
            }
        };
        // SAFETY: as above; another thread can only have put this process's value there.
        Ok(unsafe { &(*settled).value })
    }
}

impl<T: Send + Sync> fmt::Debug for PerProcess<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("PerProcess")
    }
}

impl<T: Send + Sync> Drop for PerProcess<T> {
    fn drop(&mut self) {
        let current = *self.current.get_mut();
        // SAFETY: made by Box::into_raw, and nobody else has a reference any more.
        let owner = unsafe { current.as_ref() }.map(|owned| owned.owner);
        if owner == Some(ProcessId::current()) {
            // SAFETY: as above.
            drop(unsafe { Box::from_raw(current) });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::convert::Infallible;

    #[test]
    fn all_threads_of_a_process_share_one_value() {
        let shared = PerProcess::<u32>::new();
        let made = std::sync::atomic::AtomicU32::new(0);
        let make = || Ok::<u32, Infallible>(made.fetch_add(1, Ordering::SeqCst));
        let seen: Vec<u32> = std::thread::scope(|scope| {
            let threads: Vec<_> =
                (0..8).map(|_| scope.spawn(|| shared.get_or_try_make(make).copied().unwrap_or(99))).collect();
            threads.into_iter().map(|thread| thread.join().unwrap_or(98)).collect()
        });
        assert!(seen.iter().all(|value| *value == seen[0]), "{seen:?}");
    }

    #[test]
    fn a_value_of_another_process_is_left_alone() {
        struct Loud;
        impl Drop for Loud {
            fn drop(&mut self) {
                panic!("dropped in the wrong process");
            }
        }
        let shared = PerProcess::new();
        let parent = ProcessId::Number(0);
        let parents = Box::into_raw(Box::new(Owned { owner: parent, value: Loud }));
        shared.current.store(parents, Ordering::Release);
        let own = shared.get_or_try_make(|| Err("asked for one of its own"));
        assert_eq!(own.err(), Some("asked for one of its own"));
        drop(shared);
        // SAFETY: drop has left it alone, as its owner is another process.
        std::mem::forget(unsafe { Box::from_raw(parents) }.value);
    }
}
