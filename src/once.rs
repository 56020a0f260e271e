//! Values that are made once and then kept: in a place, or in a process.

#![allow(unsafe_code)]

mod process;

use std::ptr;
use std::sync::atomic::{AtomicPtr, Ordering};

pub use process::{PerProcess, Process};

/// A box that can be made fallibly.
pub type Boxed<T> = Box<[T; 1]>;

/// The value in a box; `None` where there is no memory for one.
pub fn boxed<T>(value: T) -> Option<Boxed<T>> {
    let mut one = Vec::new();
    one.try_reserve_exact(1).ok()?;
    one.push(value);
    one.into_boxed_slice().try_into().ok()
}

/// A place that is written once. Unlike the standard library's it never waits for another thread: a fork may come while
/// one writes, and the child would wait for ever.
pub struct WriteOnce<T> {
    kept: AtomicPtr<[T; 1]>,
    owns: std::marker::PhantomData<Boxed<T>>,
}

impl<T> WriteOnce<T> {
    /// Nothing yet.
    pub const fn new() -> WriteOnce<T> {
        WriteOnce { kept: AtomicPtr::new(ptr::null_mut()), owns: std::marker::PhantomData }
    }

    /// What is kept.
    #[inline]
    pub fn get(&self) -> Option<&T> {
        // SAFETY: what was put here is freed only by whoever owns the place alone.
        unsafe { self.kept.load(Ordering::Acquire).as_ref() }.map(|[value]| value)
    }

    /// What is kept, for whoever owns the place alone.
    pub fn get_mut(&mut self) -> Option<&mut T> {
        // SAFETY: as for `get`, and nobody else looks.
        unsafe { self.kept.get_mut().as_mut() }.map(|[value]| value)
    }

    /// Keeps a value; gives it back where another thread was first. Whoever takes it out may be on another thread.
    pub fn set(&self, value: Boxed<T>) -> Result<(), Boxed<T>>
    where
        T: Send,
    {
        let made = Box::into_raw(value);
        match self.kept.compare_exchange(ptr::null_mut(), made, Ordering::AcqRel, Ordering::Acquire) {
            Ok(_) => Ok(()),
            // SAFETY: made by Box::into_raw above, and seen by nobody else.
            Err(_) => Err(unsafe { Box::from_raw(made) }),
        }
    }

    /// Takes the value out.
    pub fn take(&mut self) -> Option<Boxed<T>> {
        let kept = std::mem::replace(self.kept.get_mut(), ptr::null_mut());
        // SAFETY: made by Box::into_raw, and kept here alone.
        (!kept.is_null()).then(|| unsafe { Box::from_raw(kept) })
    }
}

impl<T> Default for WriteOnce<T> {
    fn default() -> WriteOnce<T> {
        WriteOnce::new()
    }
}

impl<T> Drop for WriteOnce<T> {
    fn drop(&mut self) {
        drop(self.take());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_value_stays() {
        let mut place = WriteOnce::new();
        assert_eq!(place.get(), None::<&String>);
        assert_eq!(place.set(Box::new(["one".to_string()])), Ok(()));
        assert!(place.set(Box::new(["two".to_string()])).is_err());
        assert_eq!(place.get().map(String::as_str), Some("one"));
        assert!(matches!(place.take().as_deref(), Some([one]) if one == "one"));
        assert_eq!(place.get(), None);
    }

    #[test]
    fn all_threads_see_the_same() {
        let place = &WriteOnce::new();
        let look = move |number: usize| {
            let _ = place.set(Box::new([number]));
            place.get().copied()
        };
        let seen: Vec<Option<usize>> = std::thread::scope(|scope| {
            let threads: Vec<_> = (0..8).map(|number| scope.spawn(move || look(number))).collect();
            threads.into_iter().filter_map(|thread| thread.join().ok()).collect()
        });
        assert!(seen.len() == 8 && seen.iter().all(|value| *value == seen[0]), "{seen:?}");
    }
}
