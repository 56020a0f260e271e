//! A value for each process that a fork makes.

use std::fmt;
use std::process;
use std::ptr;
use std::sync::atomic::{AtomicPtr, Ordering};

/// A value that a process makes for itself when it first asks: a child made by fork gets one of its own, and never
/// touches its parent's, whose locks may be held by threads that the child does not have. Takes no lock itself.
pub struct PerProcess<T: Send + Sync> {
    current: AtomicPtr<Owned<T>>,
}

struct Owned<T> {
    owner: u32,
    value: T,
}

impl<T: Send + Sync> PerProcess<T> {
    /// Without a value.
    pub const fn new() -> PerProcess<T> {
        PerProcess { current: AtomicPtr::new(ptr::null_mut()) }
    }

    /// This process's value, made now if it has none yet.
    pub fn get_or_try_make<E>(&self, make: impl FnOnce() -> Result<T, E>) -> Result<&T, E> {
        let this = process::id();
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
        if owner == Some(process::id()) {
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
        let parents = Box::into_raw(Box::new(Owned { owner: process::id() ^ 1, value: Loud }));
        shared.current.store(parents, Ordering::Release);
        let own = shared.get_or_try_make(|| Err("asked for one of its own"));
        assert_eq!(own.err(), Some("asked for one of its own"));
        drop(shared);
        // SAFETY: drop has left it alone, as its owner is another process.
        std::mem::forget(unsafe { Box::from_raw(parents) }.value);
    }
}
