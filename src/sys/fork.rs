//! Fork detection: an identifier of the current process, and values that each process creates for itself.
//!
//! A forked child starts with a copy of its parent's memory, but with only one of its threads. A lock that another
//! thread of the parent held at that moment stays locked in the child forever, and a copied connection shares its
//! socket with the parent. So a child must not use any lock, pool or connection of its parent.

use std::fmt;
use std::process;
use std::ptr;
#[cfg(unix)]
use std::sync::atomic::AtomicBool;
use std::sync::atomic::{AtomicPtr, AtomicU64, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

#[cfg(unix)]
use super::thread::keep_library_loaded;

/// Identifies a process, and differs between a parent and its children.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ProcessId {
    /// The generation of the process, which grows from parent to child.
    Generation(u64),
    /// Where the kernel zeroes no memory in children: the process number, and the number of calls of fork() by the
    /// process and its ancestors. A child can have the number of its parent if it is in another namespace, or after the
    /// numbers have wrapped around; and the calls are only counted if it was the C library that made the child.
    Number(u32, u64),
}

impl ProcessId {
    /// The identifier of this process. Takes no lock. After the first call, it also allocates nothing and, for a
    /// generation, makes no system call. So it is safe in signal handlers.
    pub fn current() -> ProcessId {
        match fork_counter() {
            Some(counter) => ProcessId::Generation(generation(counter)),
            None => ProcessId::Number(process::id(), FORKS.load(Ordering::Relaxed)),
        }
    }
}

/// Reads the generation of this process, and assigns the next one if it has none yet.
fn generation(counter: &AtomicU64) -> u64 {
    /// The last generation that this process or one of its ancestors has assigned.
    static LAST: AtomicU64 = AtomicU64::new(0);
    match counter.load(Ordering::Acquire) {
        0 => {
            let next = 1 + LAST.fetch_add(1, Ordering::AcqRel);
            counter.compare_exchange(0, next, Ordering::AcqRel, Ordering::Acquire).err().unwrap_or(next)
        }
        generation => generation,
    }
}

/// How often fork() was called by this process and its ancestors, since the library was first used.
static FORKS: AtomicU64 = AtomicU64::new(0);

/// Where `fork_counter` is mapped.
#[cfg(unix)]
static COUNTER: AtomicPtr<AtomicU64> = AtomicPtr::new(ptr::null_mut());

/// A number in memory that each new child finds to be zero, or `None` if the kernel does not zero it.
#[cfg(any(target_os = "linux", target_os = "android"))]
fn fork_counter() -> Option<&'static AtomicU64> {
    static IS_SUPPORTED: AtomicBool = AtomicBool::new(true);
    // SAFETY: the pointer is null, or memory that was mapped below and is never unmapped.
    if let Some(counter) = unsafe { COUNTER.load(Ordering::Acquire).as_ref() } {
        return Some(counter);
    }
    if !IS_SUPPORTED.load(Ordering::Acquire) {
        return None;
    }
    watch_forks();
    let Some(mapped) = map_fork_counter() else {
        IS_SUPPORTED.store(false, Ordering::Release);
        return None;
    };
    let stored = COUNTER.compare_exchange(ptr::null_mut(), mapped, Ordering::AcqRel, Ordering::Acquire);
    let counter = match stored {
        Ok(_) => mapped,
        Err(first) => {
            // SAFETY: mapped above, and no other thread has seen it.
            unsafe { libc::munmap(mapped.cast(), size_of::<AtomicU64>()) };
            first
        }
    };
    // SAFETY: mapped by this or another thread, and never unmapped.
    unsafe { counter.as_ref() }
}

/// Makes the C library run the functions below at each fork(): some sandboxes accept the advice to zero memory but do
/// not follow it. If several threads come here at once, each does so, which is harmless. If there is not enough memory,
/// the kernel alone is relied on.
#[cfg(unix)]
fn watch_forks() {
    keep_library_loaded();
    // SAFETY: the functions may be called at a fork. They stay mapped, because the library is never unloaded.
    unsafe { libc::pthread_atfork(Some(before_fork), Some(after_fork_in_parent), Some(after_fork_in_child)) };
}

/// The forks in progress, and the sections that must not be running when one begins.
static FORKING: AtomicUsize = AtomicUsize::new(0);
static SECTIONS: AtomicUsize = AtomicUsize::new(0);

/// How long a fork and a section wait for each other. Both take microseconds; but a signal handler that interrupts a
/// section may fork, and a fork may have to wait for a lock that the caller of a section holds.
const MAX_FORK_WAIT: Duration = Duration::from_millis(50);

/// Runs `work` while no fork() is in progress, and lets none begin meanwhile. For brief work that takes a lock which is
/// out of our control: a child that found it locked would wait for it forever.
#[cold]
pub fn outside_of_forks<T>(work: impl FnOnce() -> T) -> T {
    // From now on, forks are watched.
    ProcessId::current();
    let _section = Section::begin();
    work()
}

struct Section;

impl Section {
    fn begin() -> Section {
        let begun = Instant::now();
        loop {
            SECTIONS.fetch_add(1, Ordering::SeqCst);
            let section = Section;
            if FORKING.load(Ordering::SeqCst) == 0 || begun.elapsed() >= MAX_FORK_WAIT {
                return section;
            }
            drop(section);
            std::thread::yield_now();
        }
    }
}

impl Drop for Section {
    fn drop(&mut self) {
        // In the child of a fork within this section, the number is zero.
        let decrement = |sections: usize| sections.checked_sub(1);
        let _ = SECTIONS.fetch_update(Ordering::SeqCst, Ordering::SeqCst, decrement);
    }
}

#[cfg(unix)]
extern "C" fn before_fork() {
    FORKING.fetch_add(1, Ordering::SeqCst);
    let begun = Instant::now();
    while SECTIONS.load(Ordering::SeqCst) > 0 && begun.elapsed() < MAX_FORK_WAIT {
        std::thread::yield_now();
    }
}

#[cfg(unix)]
extern "C" fn after_fork_in_parent() {
    FORKING.fetch_sub(1, Ordering::SeqCst);
}

/// Runs before anything else can.
#[cfg(unix)]
extern "C" fn after_fork_in_child() {
    // The other threads of the parent are gone, and so are their forks and sections.
    FORKING.store(0, Ordering::SeqCst);
    SECTIONS.store(0, Ordering::SeqCst);
    FORKS.fetch_add(1, Ordering::Relaxed);
    // SAFETY: null, or memory that is never unmapped.
    if let Some(counter) = unsafe { COUNTER.load(Ordering::Acquire).as_ref() } {
        counter.store(0, Ordering::Release);
    }
}

#[cfg(any(target_os = "linux", target_os = "android"))]
fn map_fork_counter() -> Option<*mut AtomicU64> {
    let (length, access) = (size_of::<AtomicU64>(), libc::PROT_READ | libc::PROT_WRITE);
    let flags = libc::MAP_PRIVATE | libc::MAP_ANONYMOUS;
    // SAFETY: maps new memory at an address that the kernel chooses.
    let mapped = unsafe { libc::mmap(ptr::null_mut(), length, access, flags, -1, 0) };
    if mapped == libc::MAP_FAILED {
        return None;
    }
    // SAFETY: mapped above, with this length.
    let accepts = |advice| unsafe { libc::madvise(mapped, length, advice) } == 0;
    // qemu-user accepts any advice and ignores it; an invalid one exposes that.
    const INVALID_ADVICE: libc::c_int = -1;
    if accepts(INVALID_ADVICE) || !accepts(libc::MADV_WIPEONFORK) {
        // SAFETY: mapped above, and no other thread has seen it.
        unsafe { libc::munmap(mapped, length) };
        return None;
    }
    Some(mapped.cast())
}

/// Returns `None`: the kernel has no such memory.
#[cfg(not(any(target_os = "linux", target_os = "android")))]
fn fork_counter() -> Option<&'static AtomicU64> {
    #[cfg(unix)]
    {
        static IS_WATCHING: AtomicBool = AtomicBool::new(false);
        if !IS_WATCHING.load(Ordering::Acquire) {
            watch_forks();
            IS_WATCHING.store(true, Ordering::Release);
        }
    }
    None
}

/// A value that each process creates on first use. A forked child creates its own. It leaks its parent's, which may
/// hold locks and connections that the child must not touch. Access takes no lock.
pub struct PerProcess<T: Send + Sync> {
    current: AtomicPtr<Owned<T>>,
}

struct Owned<T> {
    owner: ProcessId,
    value: T,
}

impl<T: Send + Sync> PerProcess<T> {
    /// Creates a cell without a value.
    pub const fn new() -> PerProcess<T> {
        PerProcess { current: AtomicPtr::new(ptr::null_mut()) }
    }

    /// Returns this process's value. Creates it with `make` if there is none; if several threads do so at once, all of
    /// them get the value of the first and the others are dropped.
    pub fn get_or_try_make<E>(&self, make: impl FnOnce() -> Result<T, E>) -> Result<&T, E> {
        let this = ProcessId::current();
        let current = self.current.load(Ordering::Acquire);
        // SAFETY: the pointer is null or a value that only drop frees, which excludes other references to `self`.
        if let Some(owned) = unsafe { current.as_ref() }
            && owned.owner == this
        {
            return Ok(&owned.value);
        }
        let made = Box::into_raw(Box::new(Owned { owner: this, value: make()? }));
        // `current` is null or the parent's value, which is leaked.
        let stored = self.current.compare_exchange(current, made, Ordering::AcqRel, Ordering::Acquire);
        let owned = match stored {
            Ok(_) => made,
            Err(first) => {
                // SAFETY: made above, and no other thread has seen it.
                drop(unsafe { Box::from_raw(made) });
                first
            }
        };
        // SAFETY: only drop frees it. If another thread stored it, that thread was of this process.
        Ok(unsafe { &(*owned).value })
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
        // SAFETY: null or made by Box::into_raw; `&mut self` excludes other references.
        let owner = unsafe { current.as_ref() }.map(|owned| owned.owner);
        if owner == Some(ProcessId::current()) {
            // SAFETY: as above, and this process made it.
            drop(unsafe { Box::from_raw(current) });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::convert::Infallible;

    #[test]
    fn threads_of_a_process_share_one_value() {
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

    #[cfg(unix)]
    #[test]
    fn forks_and_sections_wait_for_each_other() {
        let (is_running, is_done) = (AtomicBool::new(false), AtomicBool::new(false));
        let wait_until = |condition: &dyn Fn() -> bool| {
            let begun = Instant::now();
            while !condition() && begun.elapsed() < MAX_FORK_WAIT / 2 {
                std::thread::yield_now();
            }
        };
        std::thread::scope(|scope| {
            scope.spawn(|| {
                outside_of_forks(|| {
                    is_running.store(true, Ordering::SeqCst);
                    wait_until(&|| FORKING.load(Ordering::SeqCst) > 0);
                    is_done.store(true, Ordering::SeqCst);
                });
            });
            while !is_running.load(Ordering::SeqCst) {
                std::thread::yield_now();
            }
            let mut status = -1;
            // SAFETY: the child only reads a flag and ends.
            unsafe {
                let child = libc::fork();
                if child == 0 {
                    libc::_exit(if is_done.load(Ordering::SeqCst) { 0 } else { 1 });
                }
                assert_eq!(libc::waitpid(child, &mut status, 0), child);
            }
            assert_eq!(status, 0);
        });
        // A fork that waits for the caller of the section must not wait forever.
        FORKING.fetch_add(1, Ordering::SeqCst);
        let begun = Instant::now();
        outside_of_forks(|| assert!(begun.elapsed() >= MAX_FORK_WAIT));
        FORKING.fetch_sub(1, Ordering::SeqCst);
    }

    #[test]
    fn value_of_another_process_is_neither_used_nor_dropped() {
        struct PanicsOnDrop;
        impl Drop for PanicsOnDrop {
            fn drop(&mut self) {
                panic!("dropped in the wrong process");
            }
        }
        let shared = PerProcess::new();
        let parent = ProcessId::Number(0, 0);
        let value = Box::into_raw(Box::new(Owned { owner: parent, value: PanicsOnDrop }));
        shared.current.store(value, Ordering::Release);
        let own = shared.get_or_try_make(|| Err("made its own"));
        assert_eq!(own.err(), Some("made its own"));
        drop(shared);
        // SAFETY: made by Box::into_raw above, and drop has not freed it.
        std::mem::forget(unsafe { Box::from_raw(value) }.value);
    }
}
