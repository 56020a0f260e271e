//! Passes objects to C as opaque pointers, and takes them back.

use std::ptr;
use std::sync::Arc;

use super::guard::{guard, guard_accessor};
use crate::sys::thread::without_cancellation;

/// A C type: the value that its pointers refer to, and the ownership of that value.
pub(crate) trait Handle {
    /// The value that a pointer of the type refers to.
    type Value;
    /// `Box<Value>`, `Arc<Value>`, or [`Borrowed`] for values that C cannot free.
    type Owner;
}

/// The owner of a value that is part of another object. Does not implement [`Owner`], so freeing one does not compile.
pub(crate) enum Borrowed {}

/// A kind of ownership that can be passed to C as a pointer, and taken back.
pub(crate) trait Owner<Value> {
    fn into_pointer(self) -> *mut Value;
    /// # Safety
    /// `pointer` came from `into_pointer` of the same type, and is passed here once.
    unsafe fn from_pointer(pointer: *mut Value) -> Self;
}

impl<Value> Owner<Value> for Box<Value> {
    fn into_pointer(self) -> *mut Value {
        Box::into_raw(self)
    }

    unsafe fn from_pointer(pointer: *mut Value) -> Self {
        // SAFETY: the trait's contract.
        unsafe { Box::from_raw(pointer) }
    }
}

impl<Value> Owner<Value> for Arc<Value> {
    fn into_pointer(self) -> *mut Value {
        Arc::into_raw(self).cast_mut()
    }

    unsafe fn from_pointer(pointer: *mut Value) -> Self {
        // SAFETY: the trait's contract.
        unsafe { Arc::from_raw(pointer) }
    }
}

/// Passes ownership of an object to C, which has to free it.
pub(super) fn into_raw<H: Handle>(owner: H::Owner) -> *mut H
where
    H::Owner: Owner<H::Value>,
{
    owner.into_pointer().cast()
}

/// Takes ownership back from C and drops it. Ignores NULL.
///
/// # Safety
/// `pointer` is NULL or came from [`into_raw`], and is freed once.
pub(super) unsafe fn free<H: Handle>(pointer: *mut H)
where
    H::Owner: Owner<H::Value>,
{
    if !pointer.is_null() {
        // SAFETY: the caller's promise.
        without_cancellation(|| guard((), || drop(unsafe { H::Owner::from_pointer(pointer.cast()) })));
    }
}

/// Lends C a value that is part of another object; NULL for `None`.
pub(super) fn as_ptr<H: Handle>(value: Option<&H::Value>) -> *const H {
    value.map_or(ptr::null(), |value| ptr::from_ref(value).cast())
}

/// The value that a pointer refers to; `None` for NULL.
///
/// # Safety
/// `pointer` is NULL or came from [`into_raw`] or [`as_ptr`], and is valid for `'a`.
pub(super) unsafe fn as_ref<'a, H: Handle>(pointer: *const H) -> Option<&'a H::Value> {
    // SAFETY: the caller's promise.
    unsafe { pointer.cast::<H::Value>().as_ref() }
}

/// The value that a pointer refers to, for types used by one thread at a time; `None` for NULL.
///
/// # Safety
/// `pointer` is NULL or came from [`into_raw`], is valid for `'a`, and is not used elsewhere meanwhile.
pub(super) unsafe fn as_mut<'a, H>(pointer: *mut H) -> Option<&'a mut H::Value>
where
    H: Handle<Owner = Box<<H as Handle>::Value>>,
{
    // SAFETY: the caller's promise.
    unsafe { pointer.cast::<H::Value>().as_mut() }
}

/// Another owner of the value that a pointer refers to; `None` for NULL.
///
/// # Safety
/// `pointer` is NULL or came from [`into_raw`] or [`as_ptr`] of an `Arc`, and is valid until this returns.
pub(super) unsafe fn clone_arc<H>(pointer: *const H) -> Option<Arc<H::Value>>
where
    H: Handle<Owner = Arc<<H as Handle>::Value>>,
{
    if pointer.is_null() {
        return None;
    }
    let value = pointer.cast::<H::Value>();
    // SAFETY: not NULL, so it points into a live `Arc`, as the caller promised.
    unsafe {
        Arc::increment_strong_count(value);
        Some(Arc::from_raw(value))
    }
}

/// Runs an accessor on the value that a pointer refers to. Returns `empty` for NULL.
///
/// # Safety
/// As for [`as_ref`], until this returns.
pub(super) unsafe fn read<H: Handle, T: Copy>(
    pointer: *const H,
    empty: T,
    accessor: impl FnOnce(&H::Value) -> T,
) -> T {
    // SAFETY: the caller's promise.
    guard_accessor(empty, || unsafe { as_ref(pointer) }.map_or(empty, accessor))
}

/// Stores a result in an out parameter of C. Ignores NULL.
///
/// # Safety
/// `place` is NULL or writable.
pub(super) unsafe fn write<T>(place: *mut T, value: T) {
    if !place.is_null() {
        // SAFETY: the caller's promise. The previous value is not read.
        unsafe { place.write(value) };
    }
}
