//! The pointers that C uses as `refold_json`.
//!
//! A value is either a [`LazyValue`] or an entry of a [`Tape`], and a pointer can refer to either. Both have even
//! addresses, so the lowest bit of the pointer is free: it is set if the pointer refers to an entry.

use std::ffi::c_char;
use std::hint::unreachable_unchecked;
use std::ptr;
use std::sync::atomic::Ordering;

use super::guard::{guard_accessor, guard_cold};
use super::handle::{as_ptr, as_ref};
use super::json::refold_json;
use super::string::string_and_length_out;
use crate::json::{Json, LazyValue, Tape, TapeCell, TapeEntry};

/// Set in pointers to entries of a tape.
const ENTRY_TAG: usize = 1;

/// The pointer to a value; NULL for `None`.
#[inline(always)]
pub(super) fn value_out(value: Option<Json<'_, 'static>>) -> *const refold_json {
    match value {
        None => ptr::null(),
        Some(Json::Lazy(source) | Json::Root(source, _)) => as_ptr(Some(source)),
        Some(Json::Entry(tape, entry)) => entry_out(tape.cell(entry)),
    }
}

#[inline(always)]
pub(super) fn entry_out(entry: *const TapeCell<'static>) -> *const refold_json {
    entry.wrapping_byte_add(ENTRY_TAG).cast()
}

/// The value that a pointer refers to; `None` for NULL.
///
/// # Safety
/// `pointer` is NULL or came from [`value_out`] or [`as_ptr`], and is valid for `'v`.
#[inline(always)]
unsafe fn value_in<'v>(pointer: *const refold_json) -> Option<Json<'v, 'static>> {
    // SAFETY: the caller's promise.
    unsafe {
        match entry_in(pointer) {
            Some(entry) => Some(view(entry)),
            None => as_ref(pointer).map(LazyValue::json),
        }
    }
}

/// The entry that a pointer refers to, if it has the tag.
#[inline(always)]
pub(super) fn entry_in(pointer: *const refold_json) -> Option<*const TapeCell<'static>> {
    let is_entry = pointer.addr() & ENTRY_TAG != 0;
    is_entry.then(|| pointer.wrapping_byte_sub(ENTRY_TAG).cast())
}

/// # Safety
/// As for [`tape_entry`].
#[inline(always)]
pub(super) unsafe fn view<'v>(entry: *const TapeCell<'static>) -> Json<'v, 'static> {
    // SAFETY: the caller's promise.
    unsafe { Json::Entry(owner(entry), tape_entry(entry)) }
}

/// # Safety
/// The entry was passed to C, and is valid for `'v`.
#[inline(always)]
unsafe fn tape_entry<'v>(entry: *const TapeCell<'static>) -> &'v TapeEntry {
    // SAFETY: the caller's promise. A tape's first entry, its owner, is never passed to C.
    unsafe {
        match &*entry {
            TapeCell::Value(entry) => entry,
            TapeCell::Owner(_) => unreachable_unchecked(),
        }
    }
}

/// The tape that an entry belongs to.
///
/// # Safety
/// As for [`tape_entry`].
#[inline(always)]
unsafe fn owner<'v>(entry: *const TapeCell<'static>) -> &'v Tape<'static> {
    // SAFETY: the first entry of the same tape, written once, before any other entry was passed to C. So a relaxed load
    // suffices.
    unsafe {
        match &*entry.sub(tape_entry(entry).position.into()) {
            TapeCell::Owner(tape) => &*tape.load(Ordering::Relaxed),
            TapeCell::Value(_) => unreachable_unchecked(),
        }
    }
}

/// An element of an array, or a member's value of an object, which is in the same tape.
///
/// # Safety
/// As for [`tape_entry`].
#[inline(always)]
pub(super) unsafe fn child(
    entry: *const TapeCell<'static>,
    index: usize,
) -> Option<*const TapeCell<'static>> {
    // SAFETY: the caller's promise; the distance leads to an entry of the same tape.
    unsafe { tape_entry(entry).distance_to(index).map(|distance| entry.offset(distance)) }
}

/// The key of an object's member.
///
/// # Safety
/// As for [`tape_entry`].
#[inline(always)]
pub(super) unsafe fn key_of_child<'v>(entry: *const TapeCell<'static>, index: usize) -> Option<&'v [u8]> {
    // SAFETY: the caller's promise.
    unsafe {
        let member = if tape_entry(entry).is_object() { child(entry, index) } else { None }?;
        owner(entry).key(tape_entry(member))
    }
}

/// Runs an accessor on a value. Returns `empty` for NULL.
///
/// # Safety
/// As for [`value_in`], until this returns.
#[inline(always)]
pub(super) unsafe fn read_value<'v, T>(
    value: *const refold_json,
    empty: T,
    accessor: impl FnOnce(Json<'v, 'static>) -> T,
) -> T {
    // SAFETY: the caller's promise.
    match unsafe { value_in(value) } {
        None => empty,
        // Only a value that is not parsed yet takes the slow path.
        Some(json @ Json::Lazy(_)) => guard_cold(empty, move || accessor(json)),
        Some(json) => guard_accessor(empty, move || accessor(json)),
    }
}

/// Runs an accessor that returns a string of a value, and stores the string's length.
///
/// # Safety
/// As for [`value_in`], until this returns; `length` is NULL or writable.
#[inline(always)]
pub(super) unsafe fn read_string<'v>(
    value: *const refold_json,
    length: *mut usize,
    accessor: impl FnOnce(Json<'v, 'static>) -> Option<&'v [u8]>,
) -> *const c_char {
    // SAFETY: the caller's promise.
    let string = unsafe { read_value(value, None, accessor) };
    // SAFETY: as above.
    unsafe { string_and_length_out(string, length) }
}
