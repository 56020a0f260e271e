//! The library as a whole: its version, and the codes that its calls return.

use std::ffi::c_char;

use super::guard;
use super::types::refold_code;
use crate::error::code_name;

/// The version of the library that is loaded, such as "0.1.0"; REFOLD_VERSION is that of this header.
///
/// Never NULL. The string lives as long as the process.
#[unsafe(no_mangle)]
pub extern "C" fn refold_version() -> *const c_char {
    concat!(env!("CARGO_PKG_VERSION"), "\0").as_ptr().cast()
}

/// The name of a code for people and logs: "OK", "NOT_FOUND", "TIMEOUT" and so on, like the enumerator
/// without its prefix; "HTTP_ERROR" for any other HTTP status, "UNKNOWN" for any other number.
///
/// Takes any number and is never NULL. The string lives as long as the process.
#[unsafe(no_mangle)]
pub extern "C" fn refold_code_name(code: refold_code) -> *const c_char {
    guard(c"UNKNOWN".as_ptr(), || code_name(code).as_ptr())
}
