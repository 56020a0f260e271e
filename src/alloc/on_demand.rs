//! A value that is made when it is needed, and dropped while it is unused.

use std::marker::PhantomData;
use std::ops::Deref;
use std::ptr;
use std::sync::atomic::{AtomicPtr, AtomicUsize, Ordering};

use super::try_box;

/// A cell whose value is made by the first user, and can be dropped while it has no user. Takes no lock, so a signal
/// handler may use the value, and a fork at any moment blocks no thread.
pub struct OnDemand<T> {
    /// The number of users of the value, or one of the constants below.
    users: AtomicUsize,
    value: AtomicPtr<T>,
    owns: PhantomData<Box<T>>,
}

/// There is no value.
const ABSENT: usize = usize::MAX;

/// A thread is making the value, or dropping it.
const CHANGING: usize = usize::MAX - 1;

/// A value that is not dropped as long as this exists.
pub struct InUse<'a, T> {
    cell: &'a OnDemand<T>,
}

impl<T> OnDemand<T> {
    /// A cell without a value.
    pub const fn new() -> OnDemand<T> {
        OnDemand {
            users: AtomicUsize::new(ABSENT),
            value: AtomicPtr::new(ptr::null_mut()),
            owns: PhantomData,
        }
    }

    /// The value, or `None` if there is none, or another thread is just making it or dropping it.
    pub fn get(&self) -> Option<InUse<'_, T>> {
        let one_more = |users| (users < CHANGING).then(|| users + 1);
        self.users.fetch_update(Ordering::SeqCst, Ordering::SeqCst, one_more).ok()?;
        Some(InUse { cell: self })
    }

    /// The value, which is made if there is none. Returns `None` if that fails, or another thread is just making it or
    /// dropping it.
    pub fn get_or_make(&self, make: impl FnOnce() -> Option<T>) -> Option<InUse<'_, T>>
    where
        T: Send + Sync,
    {
        if !self.replace(ABSENT, CHANGING) {
            return self.get();
        }
        let value = make().and_then(try_box);
        let users = if value.is_some() { 1 } else { ABSENT };
        self.value.store(value.map_or(ptr::null_mut(), Box::into_raw), Ordering::Release);
        self.users.store(users, Ordering::SeqCst);
        (users == 1).then(|| InUse { cell: self })
    }

    /// Drops the value if it is not in use.
    pub fn drop_unused(&self) {
        if self.replace(0, CHANGING) {
            drop(self.take());
            self.users.store(ABSENT, Ordering::SeqCst);
        }
    }

    fn replace(&self, users: usize, by: usize) -> bool {
        self.users.compare_exchange(users, by, Ordering::SeqCst, Ordering::SeqCst).is_ok()
    }

    /// Takes the value, for a caller that excludes all others.
    fn take(&self) -> Option<Box<T>> {
        let value = self.value.swap(ptr::null_mut(), Ordering::AcqRel);
        // SAFETY: made by Box::into_raw, and taken once.
        (!value.is_null()).then(|| unsafe { Box::from_raw(value) })
    }
}

impl<T> Drop for OnDemand<T> {
    fn drop(&mut self) {
        drop(self.take());
    }
}

impl<T> Deref for InUse<'_, T> {
    type Target = T;

    fn deref(&self) -> &T {
        // SAFETY: the cell has a value as long as it has a user.
        unsafe { &*self.cell.value.load(Ordering::Acquire) }
    }
}

impl<T> Drop for InUse<'_, T> {
    fn drop(&mut self) {
        self.cell.users.fetch_sub(1, Ordering::SeqCst);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Arc;

    #[test]
    fn value_lives_while_it_is_used() {
        let (cell, value) = (OnDemand::new(), Arc::new(7));
        assert!(cell.get().is_none());
        assert!(cell.get_or_make(|| None::<Arc<i32>>).is_none());
        let one = cell.get_or_make(|| Some(value.clone())).expect("memory");
        let two = cell.get_or_make(|| panic!("there is a value")).expect("a value");
        drop(one);
        cell.drop_unused();
        assert_eq!((**two, Arc::strong_count(&value)), (7, 2));
        drop(two);
        assert_eq!(Arc::strong_count(&value), 2);
        cell.drop_unused();
        cell.drop_unused();
        assert_eq!(Arc::strong_count(&value), 1);
        assert!(cell.get().is_none());
        assert!(cell.get_or_make(|| Some(value.clone())).is_some());
        drop(cell);
        assert_eq!(Arc::strong_count(&value), 1);
    }

    #[test]
    fn threads_make_use_and_drop_values_at_the_same_time() {
        let (cell, value) = (&OnDemand::new(), &Arc::new("value".to_string()));
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(move || {
                    for _ in 0..10_000 {
                        let used = cell.get_or_make(|| Some(value.clone()));
                        assert!(used.is_none_or(|used| used.as_str() == "value"));
                        cell.drop_unused();
                        assert!(cell.get().is_none_or(|used| used.as_str() == "value"));
                    }
                });
            }
        });
        cell.drop_unused();
        assert_eq!(Arc::strong_count(value), 1);
    }
}
