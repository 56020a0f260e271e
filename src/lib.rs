//! One workflow execution of Refold by its id, for programs in any language that can call C.

// What is there to wait with is not looked at where there is nothing to wait with.
#![cfg_attr(any(not(unix), refold_portable), allow(dead_code))]

pub mod cancel;
pub mod client;
pub mod error;
pub mod execution;
pub mod ffi;
mod http;
pub mod json;
mod once;
pub mod options;
pub mod retry;
pub mod scan;
mod secret;
pub mod status;
