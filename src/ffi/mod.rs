//! The C interface: each function converts its arguments, calls the safe code below, and converts the result.
//!
//! One file per C type holds its declaration, its enumerators and its functions in the order of the header. The
//! documentation comments in these files become the header, and so address C programmers. `guard` keeps panics inside
//! the library, `handle` passes objects to C and back, `string` does the same for strings.

#![allow(unsafe_code)]
// A "Safety" heading would end up in the C header, which states what callers must observe in its own words.
#![allow(clippy::missing_safety_doc)]
// The names are those of C.
#![allow(non_camel_case_types)]

mod guard;
mod handle;
mod json_handle;
mod string;

pub mod calls;
pub mod cancel;
pub mod client;
pub mod error;
pub mod execution;
pub mod json;
pub mod library;
pub mod node;
pub mod options;
pub mod state;

pub use self::string::CBool;
