//! A pool of idle objects that expire.

use std::fmt;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use crate::alloc::try_push;

/// Objects that have been idle for longer than this are dropped.
const MAX_IDLE: Duration = Duration::from_secs(60);

/// Idle objects. The most recently used one is taken first, so that surplus objects expire.
///
/// A caller that finds none creates one, so there are never more objects than concurrent callers. Objects are taken by
/// value: if the caller panics, its object is dropped and does not return.
pub struct Pool<T> {
    /// The longest idle first.
    idle: Mutex<Vec<Idle<T>>>,
}

struct Idle<T> {
    object: T,
    since: Instant,
}

impl<T> Pool<T> {
    /// Creates an empty pool.
    pub const fn new() -> Pool<T> {
        Pool { idle: Mutex::new(Vec::new()) }
    }

    /// Takes the most recently used object for which `probe` returns `true`. Drops those for which it returns `false`,
    /// and all that have expired by now.
    pub fn take(&self, now: Instant, mut probe: impl FnMut(&mut T) -> bool) -> Option<T> {
        loop {
            let mut object = self.pop(now)?;
            if probe(&mut object) {
                return Some(object);
            }
        }
    }

    fn pop(&self, now: Instant) -> Option<T> {
        // Declared before the guard, so that they are dropped after it is released: dropping may take a while.
        let _expired: Vec<Idle<T>>;
        let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        let has_expired = |idle: &&Idle<T>| now.saturating_duration_since(idle.since) > MAX_IDLE;
        let count = idle.iter().take_while(has_expired).count();
        _expired = idle.drain(..count).collect();
        idle.pop().map(|idle| idle.object)
    }

    /// Puts an object that is idle from now on into the pool. Drops it if there is not enough memory.
    pub fn put(&self, object: T, now: Instant) {
        let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        let _ = try_push(&mut idle, Idle { object, since: now });
    }
}

impl<T> fmt::Debug for Pool<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Pool")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::panic::{AssertUnwindSafe, catch_unwind};
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::thread;

    #[test]
    fn most_recently_used_object_is_taken_first() {
        let pool = Pool::new();
        let now = Instant::now();
        assert_eq!(pool.take(now, |_| true), None);
        [1, 2, 3].into_iter().for_each(|object| pool.put(object, now));
        assert_eq!(pool.take(now, |_| true), Some(3));
        pool.put(4, now);
        let taken: Vec<_> = std::iter::from_fn(|| pool.take(now, |_| true)).collect();
        assert_eq!(taken, [4, 2, 1]);
    }

    #[test]
    fn objects_that_fail_the_probe_are_dropped() {
        let pool = Pool::new();
        let now = Instant::now();
        [1, 2, 3, 4].into_iter().for_each(|object| pool.put(object, now));
        assert_eq!(pool.take(now, |object| *object < 3), Some(2));
        assert_eq!(pool.take(now, |_| true), Some(1));
        assert_eq!(pool.take(now, |_| true), None);
    }

    #[test]
    fn objects_expire_after_a_minute() {
        let pool = Pool::new();
        let start = Instant::now();
        for second in [0, 1, 30] {
            let since = start + Duration::from_secs(second);
            pool.idle.lock().unwrap_or_else(PoisonError::into_inner).push(Idle { object: second, since });
        }
        assert_eq!(pool.pop(start + MAX_IDLE + Duration::from_millis(1)), Some(30));
        assert_eq!(pool.pop(start + MAX_IDLE + Duration::from_secs(1)), Some(1));
        pool.put(2, start);
        assert_eq!(pool.pop(start + 2 * MAX_IDLE), None);
        assert!(pool.idle.lock().is_ok_and(|idle| idle.is_empty()));
    }

    #[test]
    fn object_of_a_panicking_user_does_not_return() {
        /// Counts the drops.
        struct Dropped<'a>(&'a AtomicUsize);
        impl Drop for Dropped<'_> {
            fn drop(&mut self) {
                self.0.fetch_add(1, Ordering::SeqCst);
            }
        }
        let (drops, now) = (AtomicUsize::new(0), Instant::now());
        let pool = Pool::new();
        pool.put(Dropped(&drops), now);
        let use_it = AssertUnwindSafe(|| {
            let _taken = pool.take(now, |_| true);
            panic!("within a call");
        });
        assert!(catch_unwind(use_it).is_err());
        assert_eq!(drops.load(Ordering::SeqCst), 1);
        assert!(pool.take(now, |_| true).is_none());
        // Not even if the panic is in the probe.
        pool.put(Dropped(&drops), now);
        assert!(catch_unwind(AssertUnwindSafe(|| pool.take(now, |_| panic!("in the probe")))).is_err());
        assert_eq!(drops.load(Ordering::SeqCst), 2);
        pool.put(Dropped(&drops), now);
        assert!(pool.take(now, |_| true).is_some());
    }

    #[test]
    fn threads_need_no_more_objects_than_they_are() {
        const THREADS: usize = 8;
        let made = AtomicUsize::new(0);
        let pool = Pool::new();
        thread::scope(|scope| {
            for _ in 0..THREADS {
                scope.spawn(|| {
                    for _ in 0..1000 {
                        let now = Instant::now();
                        let object = pool.take(now, |_| true);
                        pool.put(object.unwrap_or_else(|| made.fetch_add(1, Ordering::SeqCst)), now);
                    }
                });
            }
        });
        assert!((1..=THREADS).contains(&made.load(Ordering::SeqCst)));
    }
}
