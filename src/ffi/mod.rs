//! The C interface: each function converts its arguments, calls the safe code in the layers below, and converts the
//! result. No panic leaves it.
//!
//! Each C type has a file with its declaration, enumerators and functions, in the order of the header. The
//! documentation comments in these files become the header, so they address C programmers. `guard` catches panics,
//! `handle` passes objects to C and back, and `string` passes strings.
//!
//! May use `client`, `queue`, `options`, and the layers of documents and the base, but not `http`.

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
pub mod event;
pub mod execution;
pub mod json;
pub mod library;
pub mod log;
pub mod node;
pub mod options;
pub mod queue;
pub mod state;
pub mod timing;

pub use self::string::{CBool, CIntPtr};
