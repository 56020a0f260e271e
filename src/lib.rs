//! One workflow execution of Refold by its id, for programs in any language that can call C.

// The portable transport reads none of the sources that waits are made of, so what makes them is unused there.
#![cfg_attr(any(not(unix), refold_portable), allow(dead_code))]

pub mod cancel;
pub mod client;
#[cfg(test)]
#[path = "../tests/support/dice.rs"]
mod dice;
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
