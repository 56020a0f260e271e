//! Memory: fallible allocation, lock-free cells, and an allocator that zeroes what it frees.
//!
//! Memory whose size depends on a response must be reserved with the functions here. They return `None` if there is not
//! enough memory, where the standard library would abort the process. This module uses no other.

#![allow(unsafe_code)]

mod on_demand;
mod once_box;
mod wiping;

use std::alloc::Layout;

pub use on_demand::{InUse, OnDemand};
pub use once_box::OnceBox;
pub use wiping::wipe_large;

/// Moves a value into a box.
pub fn try_box<T>(value: T) -> Option<Box<T>> {
    let layout = Layout::new::<T>();
    if layout.size() == 0 {
        // A box of a zero-sized value allocates nothing.
        return Some(Box::new(value));
    }
    // SAFETY: the size is not zero.
    let place = unsafe { std::alloc::alloc(layout) }.cast::<T>();
    if place.is_null() {
        return None;
    }
    // SAFETY: the memory is new, and has the size and alignment of a `T`; the box frees it with the same layout.
    unsafe {
        place.write(value);
        Some(Box::from_raw(place))
    }
}

/// An empty vector with exactly this capacity.
pub fn try_with_capacity<T>(capacity: usize) -> Option<Vec<T>> {
    let mut list = Vec::new();
    try_reserve_exact(&mut list, capacity)?;
    Some(list)
}

/// A copy of the bytes.
pub fn try_copy(bytes: &[u8]) -> Option<Vec<u8>> {
    let mut copy = try_with_capacity(bytes.len())?;
    copy.extend_from_slice(bytes);
    Some(copy)
}

/// A NUL-terminated copy of the bytes.
pub fn try_copy_with_nul(bytes: &[u8]) -> Option<Vec<u8>> {
    let mut copy = try_with_capacity(bytes.len().checked_add(1)?)?;
    copy.extend_from_slice(bytes);
    copy.push(0);
    Some(copy)
}

/// This many zero bytes.
pub fn try_zeroed(size: usize) -> Option<Vec<u8>> {
    let mut bytes = try_with_capacity(size)?;
    bytes.resize(size, 0);
    Some(bytes)
}

/// Makes sure that this many values can be appended without allocating. Grows exponentially.
#[inline]
pub fn try_reserve<T>(list: &mut Vec<T>, additional: usize) -> Option<()> {
    list.try_reserve(additional).ok()
}

/// Makes sure that this many values can be appended without allocating. Does not reserve more than that.
pub fn try_reserve_exact<T>(list: &mut Vec<T>, additional: usize) -> Option<()> {
    list.try_reserve_exact(additional).ok()
}

/// Appends the bytes.
pub fn try_extend(list: &mut Vec<u8>, bytes: &[u8]) -> Option<()> {
    try_reserve(list, bytes.len())?;
    list.extend_from_slice(bytes);
    Some(())
}

/// Appends the bytes and a NUL.
pub fn try_extend_with_nul(list: &mut Vec<u8>, bytes: &[u8]) -> Option<()> {
    try_reserve(list, bytes.len().checked_add(1)?)?;
    list.extend_from_slice(bytes);
    list.push(0);
    Some(())
}

/// Appends a value.
#[inline(always)]
pub fn try_push<T>(list: &mut Vec<T>, value: T) -> Option<()> {
    // The same comparison as in `push`, so that only one of them is compiled.
    if list.len() == list.capacity() {
        try_reserve(list, 1)?;
    }
    list.push(value);
    Some(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn boxes_hold_values_of_any_size() {
        assert_eq!(try_box(()), Some(Box::new(())));
        assert_eq!(try_box([7_u8; 3]), Some(Box::new([7; 3])));
        assert_eq!(try_box("text".to_string()), Some(Box::new("text".to_string())));
    }

    #[test]
    fn impossible_sizes_are_refused() {
        assert!(try_with_capacity::<u64>(usize::MAX / 8).is_none());
        assert!(try_zeroed(usize::MAX).is_none());
        // A process with addresses of 32 bits may have this much memory.
        #[cfg(target_pointer_width = "64")]
        assert!(try_zeroed(isize::MAX as usize).is_none());
        assert_eq!(try_copy_with_nul(b"text").as_deref(), Some(&b"text\0"[..]));
    }
}
