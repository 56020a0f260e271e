//! One workflow execution of Refold by its id, for programs in any language that can call C.

pub mod alloc;
pub mod cancel;
pub mod client;
mod context;
mod envelope;
pub mod error;
pub mod execution;
pub mod ffi;
mod http;
pub mod json;
pub mod options;
mod redact;
pub mod retry;
#[cfg(test)]
#[path = "../tests/support/rng.rs"]
mod rng;
mod secret;
pub mod state;
mod sys;
