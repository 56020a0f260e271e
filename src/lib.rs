//! One workflow execution of Refold by its id, for programs in any language that can call C.

pub mod cancel;
pub mod client;
pub mod error;
pub mod execution;
pub mod ffi;
mod http;
pub mod json;
pub mod options;
pub mod retry;
pub mod scan;
mod secret;
pub mod status;
