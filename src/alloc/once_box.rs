//! A cell that is written once.

use std::marker::PhantomData;
use std::ptr;
use std::sync::atomic::{AtomicPtr, Ordering};

/// A cell that is written once, with a box. Unlike the standard library's `OnceLock` it never waits for another thread:
/// a process may fork while a thread is writing, and the child would wait forever.
pub struct OnceBox<T> {
    value: AtomicPtr<T>,
    owns: PhantomData<Box<T>>,
}

impl<T> OnceBox<T> {
    /// An empty cell.
    pub const fn new() -> OnceBox<T> {
        OnceBox { value: AtomicPtr::new(ptr::null_mut()), owns: PhantomData }
    }

    /// The value, or `None` while the cell is empty.
    #[inline]
    pub fn get(&self) -> Option<&T> {
        // SAFETY: a value in the cell is only freed through `&mut self` or by drop.
        unsafe { self.value.load(Ordering::Acquire).as_ref() }
    }

    /// The value, for the exclusive owner of the cell.
    pub fn get_mut(&mut self) -> Option<&mut T> {
        // SAFETY: as for `get`, and `&mut self` excludes other references.
        unsafe { self.value.get_mut().as_mut() }
    }

    /// Stores a value, or returns it if another thread was first. Requires `Send`, because `take` may run on another
    /// thread.
    pub fn set(&self, value: Box<T>) -> Result<(), Box<T>>
    where
        T: Send,
    {
        let new = Box::into_raw(value);
        match self.value.compare_exchange(ptr::null_mut(), new, Ordering::AcqRel, Ordering::Acquire) {
            Ok(_) => Ok(()),
            // SAFETY: made by Box::into_raw above, and no other thread has seen it.
            Err(_) => Err(unsafe { Box::from_raw(new) }),
        }
    }

    /// Takes the value out.
    pub fn take(&mut self) -> Option<Box<T>> {
        let value = std::mem::replace(self.value.get_mut(), ptr::null_mut());
        // SAFETY: made by Box::into_raw, and only this cell held it.
        (!value.is_null()).then(|| unsafe { Box::from_raw(value) })
    }
}

impl<T> Default for OnceBox<T> {
    fn default() -> OnceBox<T> {
        OnceBox::new()
    }
}

impl<T> Drop for OnceBox<T> {
    fn drop(&mut self) {
        drop(self.take());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn first_value_stays() {
        let mut cell = OnceBox::new();
        assert_eq!(cell.get(), None::<&String>);
        assert_eq!(cell.set(Box::new("one".to_string())), Ok(()));
        assert!(cell.set(Box::new("two".to_string())).is_err());
        assert_eq!(cell.get().map(String::as_str), Some("one"));
        assert_eq!(cell.take().as_deref().map(String::as_str), Some("one"));
        assert_eq!(cell.get(), None);
    }

    #[test]
    fn all_threads_see_the_same_value() {
        let cell = &OnceBox::new();
        let set_and_get = move |number: usize| {
            let _ = cell.set(Box::new(number));
            cell.get().copied()
        };
        let seen: Vec<Option<usize>> = std::thread::scope(|scope| {
            let threads: Vec<_> = (0..8).map(|number| scope.spawn(move || set_and_get(number))).collect();
            threads.into_iter().filter_map(|thread| thread.join().ok()).collect()
        });
        assert!(seen.len() == 8 && seen.iter().all(|value| *value == seen[0]), "{seen:?}");
    }
}
