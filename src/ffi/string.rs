//! Converts strings, byte buffers and booleans from C and back.

use std::ffi::{CStr, c_char};
use std::ptr;

use super::handle::write;

/// A `bool` from C, taken as a byte because a caller may pass other values than 0 and 1. All but 0 are true.
#[derive(Clone, Copy)]
#[repr(transparent)]
pub struct CBool(u8);

/// An integer that can hold a descriptor or a handle of the system.
pub type CIntPtr = isize;

impl CBool {
    pub(super) fn is_true(self) -> bool {
        self.0 != 0
    }
}

/// The bytes of a C string without its NUL; `None` for NULL.
///
/// # Safety
/// `text` is NULL or a C string that is valid for `'a`.
pub(super) unsafe fn string_in<'a>(text: *const c_char) -> Option<&'a [u8]> {
    // SAFETY: not NULL, and a C string, as the caller promised.
    (!text.is_null()).then(|| unsafe { CStr::from_ptr(text) }.to_bytes())
}

/// The bytes at an address; `None` for NULL, and for a length that exceeds any object.
///
/// # Safety
/// `bytes` is NULL or points to `length` readable bytes that are valid for `'a`.
pub(super) unsafe fn bytes_in<'a>(bytes: *const c_char, length: usize) -> Option<&'a [u8]> {
    if bytes.is_null() || isize::try_from(length).is_err() {
        return None;
    }
    // SAFETY: not NULL, no longer than an object can be, and readable, as the caller promised.
    Some(unsafe { std::slice::from_raw_parts(bytes.cast(), length) })
}

/// A C string, from bytes that end with a NUL; NULL for `None`.
pub(super) fn string_out(text: Option<&[u8]>) -> *const c_char {
    text.map_or(ptr::null(), |text| text.as_ptr().cast())
}

/// Like [`string_out`], and stores the length without the NUL; 0 for `None`.
///
/// # Safety
/// `length` is NULL or writable.
pub(super) unsafe fn string_and_length_out(text: Option<&[u8]>, length: *mut usize) -> *const c_char {
    // SAFETY: the caller's promise.
    unsafe { write(length, text.map_or(0, |text| text.len().wrapping_sub(1))) };
    string_out(text)
}
