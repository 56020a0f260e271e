//! `refold_json`: values of any shape.

use std::ffi::c_char;
use std::hint::unreachable_unchecked;
use std::ptr;
use std::sync::atomic::Ordering;

use super::types::{refold_json, refold_json_type};
use super::{as_ptr, as_ref, guard_accessor, guard_cold, string_and_length_out, string_in, write};
use crate::json::{Json, LazyValue, Tape, TapeCell, TapeEntry};

/// What a value is. REFOLD_JSON_NULL for null, and for NULL, which is no value.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn refold_json_typeof(value: *const refold_json) -> refold_json_type {
    // SAFETY: from C, as the header demands it.
    unsafe { look_up(value, 0, |json| json.kind() as refold_json_type) }
}

/// Whether a value is true. false for false and for anything else.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn refold_json_bool(value: *const refold_json) -> bool {
    // SAFETY: from C, as the header demands it.
    unsafe { look_up(value, false, Json::as_bool) }
}

/// A number as an integer: truncated towards zero, and the nearest that there is when it is out of range. 0
/// for anything else.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn refold_json_int64(value: *const refold_json) -> i64 {
    // SAFETY: from C, as the header demands it.
    unsafe { look_up(value, 0, Json::as_i64) }
}

/// A number as a double: the nearest that there is, and infinite when it is out of range. 0 for anything
/// else.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn refold_json_double(value: *const refold_json) -> f64 {
    // SAFETY: from C, as the header demands it.
    unsafe { look_up(value, 0.0, Json::as_f64) }
}

/// A string, unescaped. NULL for anything else.
///
/// `length`, which may be NULL, is set to its length in bytes without the NUL at its end, 0 when there is no
/// string. A string that holds U+0000 goes on behind it. Half of a surrogate pair reads as U+FFFD. The string
/// lives until the execution is freed.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn refold_json_string(value: *const refold_json, length: *mut usize) -> *const c_char {
    // SAFETY: from C, as the header demands it.
    unsafe { look_up_string(value, length, Json::string) }
}

/// The number of an array's elements or an object's members. 0 for anything else.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn refold_json_length(value: *const refold_json) -> usize {
    // SAFETY: from C, as the header demands it.
    unsafe { look_up(value, 0, Json::length) }
}

/// The element of an array, or the value of an object's member, at a position counted from 0. NULL when there
/// is none.
///
/// A key that was sent twice has two positions.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn refold_json_at(value: *const refold_json, index: usize) -> *const refold_json {
    // SAFETY: from C, as the header demands it.
    unsafe {
        match entry_in(value) {
            Some(entry) => child(entry, index).map_or(ptr::null(), entry_out),
            None => look_up(value, ptr::null(), move |json| hand_out(json.at(index))),
        }
    }
}

/// The key of an object's member at a position counted from 0, unescaped. NULL when there is none.
///
/// `length` and the string are as for refold_json_string().
#[unsafe(no_mangle)]
pub unsafe extern "C" fn refold_json_key_at(
    value: *const refold_json,
    index: usize,
    length: *mut usize,
) -> *const c_char {
    // SAFETY: from C, as the header demands it.
    unsafe {
        match entry_in(value) {
            Some(entry) => string_and_length_out(key_of_child(entry, index), length),
            None => look_up_string(value, length, move |json| json.key_at(index)),
        }
    }
}

/// The value of an object's member with a key; of a key that was sent twice, the last one. NULL when there is
/// none, and when `key` is NULL.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn refold_json_get(
    value: *const refold_json,
    key: *const c_char,
) -> *const refold_json {
    // SAFETY: from C, as the header demands it.
    unsafe {
        let Some(key) = string_in(key) else { return ptr::null() };
        match entry_in(value) {
            Some(entry) => guard_accessor(ptr::null(), || hand_out(part(entry).get(key))),
            None => look_up(value, ptr::null(), move |json| hand_out(json.get(key))),
        }
    }
}

/// The value that a JSON pointer (RFC 6901) leads to, such as "/nodes/0/node_name". NULL when it leads
/// nowhere, is not one, or is NULL.
///
/// "" is the value itself; in a key, ~1 stands for / and ~0 for ~.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn refold_json_pointer(
    value: *const refold_json,
    pointer: *const c_char,
) -> *const refold_json {
    // SAFETY: from C, as the header demands it.
    unsafe {
        look_up(value, ptr::null(), |json| hand_out(string_in(pointer).and_then(|path| json.pointer(path))))
    }
}

/// The JSON text of a value of any type, byte for byte as the server sent it, without a copy, and so without
/// a NUL at its end. NULL for NULL.
///
/// `length` is set to its length in bytes, 0 when there is no value. It is needed: without it (NULL) the
/// function returns NULL. The text lives until the execution is freed.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn refold_json_raw(value: *const refold_json, length: *mut usize) -> *const c_char {
    if length.is_null() {
        return ptr::null();
    }
    // SAFETY: from C, as the header demands it.
    let raw = unsafe { look_up(value, None, |json| Some(json.raw())) };
    // SAFETY: as above.
    unsafe { write(length, raw.map_or(0, str::len)) };
    raw.map_or(ptr::null(), |raw| raw.as_ptr().cast())
}

/// The JSON text of a value of any type as refold_json_raw(), with a NUL at its end: a copy that is made when
/// it is first asked for, and kept. NULL for NULL, and when memory is too short.
///
/// `length`, which may be NULL, is set to its length in bytes without the NUL, 0 when there is no text. The
/// text lives until the execution is freed.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn refold_json_text(value: *const refold_json, length: *mut usize) -> *const c_char {
    // SAFETY: from C, as the header demands it.
    unsafe { look_up_string(value, length, Json::text) }
}

/// Added to a pointer at an entry of a list, to tell it from one at a source: both are at even addresses.
const IS_ENTRY: usize = 1;

/// Shows C a value; NULL stands for none.
#[inline(always)]
fn hand_out(value: Option<Json<'_, 'static>>) -> *const refold_json {
    match value {
        None => ptr::null(),
        Some(Json::Lazy(value) | Json::Root(value, _)) => as_ptr(Some(value)),
        Some(Json::Entry(tape, entry)) => entry_out(tape.cell(entry)),
    }
}

#[inline(always)]
fn entry_out(entry: *const TapeCell<'static>) -> *const refold_json {
    entry.wrapping_byte_add(IS_ENTRY).cast()
}

/// The value behind a pointer; none behind NULL.
///
/// # Safety
/// `pointer` is NULL or came from [`hand_out`] or [`as_ptr`], and lives for `'v`.
#[inline(always)]
unsafe fn take_in<'v>(pointer: *const refold_json) -> Option<Json<'v, 'static>> {
    // SAFETY: as this function's caller promised.
    unsafe {
        match entry_in(pointer) {
            Some(entry) => Some(part(entry)),
            None => as_ref(pointer).map(LazyValue::json),
        }
    }
}

/// The entry of a list that a pointer from C points at, if it does.
#[inline(always)]
fn entry_in(pointer: *const refold_json) -> Option<*const TapeCell<'static>> {
    let is_entry = pointer.addr() & IS_ENTRY != 0;
    is_entry.then(|| pointer.wrapping_byte_sub(IS_ENTRY).cast())
}

/// # Safety
/// As for [`slot`].
#[inline(always)]
unsafe fn part<'v>(entry: *const TapeCell<'static>) -> Json<'v, 'static> {
    // SAFETY: as this function's caller promised.
    unsafe { Json::Entry(home(entry), slot(entry)) }
}

/// # Safety
/// The entry was handed out, and lives for `'v`.
#[inline(always)]
unsafe fn slot<'v>(entry: *const TapeCell<'static>) -> &'v TapeEntry {
    // SAFETY: as this function's caller promised; the list's first entry is never handed out.
    unsafe {
        match &*entry {
            TapeCell::Value(slot) => slot,
            TapeCell::Owner(_) => unreachable_unchecked(),
        }
    }
}

/// What the list belongs to.
///
/// # Safety
/// As for [`slot`].
#[inline(always)]
unsafe fn home<'v>(entry: *const TapeCell<'static>) -> &'v Tape<'static> {
    // SAFETY: the first entry of the same list, which was written before another one was handed out, and never again: so
    // that no order has to be asked for.
    unsafe {
        match &*entry.sub(slot(entry).position.into()) {
            TapeCell::Owner(home) => &*home.load(Ordering::Relaxed),
            TapeCell::Value(_) => unreachable_unchecked(),
        }
    }
}

/// An element, or a member's value, of an array or object: it is in the same list.
///
/// # Safety
/// As for [`slot`].
#[inline(always)]
unsafe fn child(entry: *const TapeCell<'static>, index: usize) -> Option<*const TapeCell<'static>> {
    // SAFETY: as this function's caller promised.
    unsafe { slot(entry).distance_to(index).map(|distance| entry.offset(distance)) }
}

/// # Safety
/// As for [`slot`].
#[inline(always)]
unsafe fn key_of_child<'v>(entry: *const TapeCell<'static>, index: usize) -> Option<&'v [u8]> {
    // SAFETY: as this function's caller promised.
    unsafe {
        let member = if slot(entry).is_object() { child(entry, index) } else { None }?;
        home(entry).key(slot(member))
    }
}

/// What is found in a value; `empty` in none.
///
/// # Safety
/// As for [`take_in`], until this returns.
#[inline(always)]
unsafe fn look_up<'v, T>(
    value: *const refold_json,
    empty: T,
    look: impl FnOnce(Json<'v, 'static>) -> T,
) -> T {
    // SAFETY: as this function's caller promised.
    match unsafe { take_in(value) } {
        None => empty,
        // Only what has not been read takes any work.
        Some(json @ Json::Lazy(_)) => guard_cold(empty, move || look(json)),
        Some(json) => guard_accessor(empty, move || look(json)),
    }
}

/// A string that belongs to a value, and its length.
///
/// # Safety
/// As for [`take_in`], until this returns; `length` is NULL or can be written to.
#[inline(always)]
unsafe fn look_up_string<'v>(
    value: *const refold_json,
    length: *mut usize,
    look: impl FnOnce(Json<'v, 'static>) -> Option<&'v [u8]>,
) -> *const c_char {
    // SAFETY: as this function's caller promised.
    let string = unsafe { look_up(value, None, look) };
    // SAFETY: as above.
    unsafe { string_and_length_out(string, length) }
}
