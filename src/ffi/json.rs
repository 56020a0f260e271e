//! `refold_json`: a JSON value of any shape.

use std::ffi::c_char;
use std::ptr;

use super::guard::guard_accessor;
use super::handle::{Borrowed, Handle, write};
use super::json_handle::{
    child, entry_in, entry_out, key_of_child, read_string, read_value, value_out, view,
};
use super::string::{string_and_length_out, string_in};
use crate::json::{Json, LazyValue};

/// A JSON value of any type within the document of an execution.
///
/// Borrowed from its execution and valid until the execution is freed. It must not be freed. Any number of
/// threads may read it. Values are parsed on first access, so a value that is not accessed costs nothing.
pub struct refold_json {
    _opaque: [u8; 0],
}

impl Handle for refold_json {
    type Value = LazyValue<'static>;
    type Owner = Borrowed;
}

/// The type of a JSON value.
pub type refold_json_type = i32;

/// The values of refold_json_type.
#[repr(C)]
pub enum refold_json_type_value {
    /// null, or no value at all.
    REFOLD_JSON_NULL = 0,
    /// true or false.
    REFOLD_JSON_BOOL = 1,
    /// A number.
    REFOLD_JSON_NUMBER = 2,
    /// A string.
    REFOLD_JSON_STRING = 3,
    /// An array: a sequence of elements.
    REFOLD_JSON_ARRAY = 4,
    /// An object: members with a key and a value, in the order in which they were sent.
    REFOLD_JSON_OBJECT = 5,
}

/// Returns the type of a value; REFOLD_JSON_NULL if `value` is NULL.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn refold_json_typeof(value: *const refold_json) -> refold_json_type {
    // SAFETY: the header's contract with C.
    unsafe { read_value(value, 0, |json| json.kind() as refold_json_type) }
}

/// Returns whether a value is true; false for false and for any other value.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn refold_json_bool(value: *const refold_json) -> bool {
    // SAFETY: the header's contract with C.
    unsafe { read_value(value, false, Json::as_bool) }
}

/// Returns a number as an integer.
///
/// \return The number, truncated towards zero; INT64_MIN or INT64_MAX if it is out of range; 0 for a value of
///         another type.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn refold_json_int64(value: *const refold_json) -> i64 {
    // SAFETY: the header's contract with C.
    unsafe { read_value(value, 0, Json::as_i64) }
}

/// Returns a number as a double.
///
/// \return The nearest double; positive or negative infinity if the number is out of range; 0 for a value of
///         another type.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn refold_json_double(value: *const refold_json) -> f64 {
    // SAFETY: the header's contract with C.
    unsafe { read_value(value, 0.0, Json::as_f64) }
}

/// Returns a string with its escape sequences resolved.
///
/// A string that contains U+0000 continues after it. A lone surrogate is replaced with U+FFFD.
///
/// \param length  Set to the length in bytes, not counting the terminating NUL; 0 if there is no string. May
///                be NULL.
/// \return A string that is valid until the execution is freed; NULL for a value of another type.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn refold_json_string(value: *const refold_json, length: *mut usize) -> *const c_char {
    // SAFETY: the header's contract with C.
    unsafe { read_string(value, length, Json::string) }
}

/// Returns the number of elements of an array or members of an object; 0 for a value of another type.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn refold_json_length(value: *const refold_json) -> usize {
    // SAFETY: the header's contract with C.
    unsafe { read_value(value, 0, Json::length) }
}

/// Returns the element of an array, or the value of an object's member, at an index.
///
/// A repeated key occupies one index per occurrence.
///
/// \param index  Counted from 0.
/// \return A value that is valid until the execution is freed; NULL if the index is out of range, or for a
///         value of another type.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn refold_json_at(value: *const refold_json, index: usize) -> *const refold_json {
    // SAFETY: the header's contract with C.
    unsafe {
        match entry_in(value) {
            Some(entry) => child(entry, index).map_or(ptr::null(), entry_out),
            None => read_value(value, ptr::null(), move |json| value_out(json.at(index))),
        }
    }
}

/// Returns the key of an object's member at an index, with its escape sequences resolved.
///
/// \param index   Counted from 0.
/// \param length  Set to the length in bytes, not counting the terminating NUL; 0 if there is no key. May be
///                NULL.
/// \return A string as from refold_json_string(); NULL if the index is out of range, or for a value of another
///         type.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn refold_json_key_at(
    value: *const refold_json,
    index: usize,
    length: *mut usize,
) -> *const c_char {
    // SAFETY: the header's contract with C.
    unsafe {
        match entry_in(value) {
            Some(entry) => string_and_length_out(key_of_child(entry, index), length),
            None => read_string(value, length, move |json| json.key_at(index)),
        }
    }
}

/// Returns the value of an object's member with a key, or the last one if the key is repeated.
///
/// \return A value that is valid until the execution is freed; NULL if there is no such member, `key` is NULL,
///         or for a value of another type.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn refold_json_get(
    value: *const refold_json,
    key: *const c_char,
) -> *const refold_json {
    // SAFETY: the header's contract with C.
    unsafe {
        let Some(key) = string_in(key) else { return ptr::null() };
        match entry_in(value) {
            Some(entry) => guard_accessor(ptr::null(), || value_out(view(entry).get(key))),
            None => read_value(value, ptr::null(), move |json| value_out(json.get(key))),
        }
    }
}

/// Returns the value that a JSON pointer (RFC 6901) refers to, such as "/nodes/0/node_name".
///
/// \param pointer  The pointer; "" refers to the value itself. Within a key, write ~1 for / and ~0 for ~.
/// \return A value that is valid until the execution is freed; NULL if there is none, or `pointer` is invalid
///         or NULL.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn refold_json_pointer(
    value: *const refold_json,
    pointer: *const c_char,
) -> *const refold_json {
    // SAFETY: the header's contract with C.
    unsafe {
        read_value(value, ptr::null(), |json| {
            value_out(string_in(pointer).and_then(|path| json.pointer(path)))
        })
    }
}

/// Returns the JSON text of a value of any type, byte for byte as the server sent it.
///
/// Nothing is copied, so the text is not NUL-terminated.
///
/// \param length  Set to the length in bytes; 0 if there is no value. Required: if it is NULL, the function
///                returns NULL.
/// \return Text that is valid until the execution is freed; NULL if `value` is NULL.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn refold_json_raw(value: *const refold_json, length: *mut usize) -> *const c_char {
    if length.is_null() {
        return ptr::null();
    }
    // SAFETY: the header's contract with C.
    let raw = unsafe { read_value(value, None, |json| Some(json.raw())) };
    // SAFETY: as above.
    unsafe { write(length, raw.map_or(0, str::len)) };
    raw.map_or(ptr::null(), |raw| raw.as_ptr().cast())
}

/// Returns the JSON text of a value of any type as refold_json_raw() does, but NUL-terminated.
///
/// The text is copied on the first call, and the copy is kept with the execution.
///
/// \param length  Set to the length in bytes, not counting the terminating NUL; 0 if there is no text. May be
///                NULL.
/// \return Text that is valid until the execution is freed; NULL if `value` is NULL or memory is insufficient.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn refold_json_text(value: *const refold_json, length: *mut usize) -> *const c_char {
    // SAFETY: the header's contract with C.
    unsafe { read_string(value, length, Json::text) }
}
