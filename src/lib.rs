//! One workflow execution of Refold by its id, for programs in any language that can call C.

pub mod execution;
pub mod ffi;
pub mod json;
pub mod scan;
pub mod status;
