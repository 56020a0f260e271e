//! One workflow execution of Refold by its id, for programs in any language that can call C.
//!
//! # Layers
//!
//! A module may use those below it, never those above; `tests/layers.rs` enforces this.
//!
//! ```text
//!  4  C interface   ffi          converts arguments, calls, converts results; catches panics
//!  3  one call      client       get with retries, wait with polls
//!                   options, retry, envelope, redact
//!  2  the wire      http         one request and its response: pool, connections, TLS, proxies
//!  1  the document  execution    typed fields and nodes
//!                   json         lazy views of values; json::scan validates while bytes arrive
//!  0  the base      context, cancel, secret, state, alloc, sys
//!     for all       error        kinds, codes, and every sentence
//! ```
//!
//! `unsafe` code is limited to `ffi`, `sys`, `alloc` and `json::scan::arch`.
//!
//! # The life of one call
//!
//! 1. `ffi::calls` turns C pointers into references, takes a share of the client, and enters the panic guard.
//! 2. `client` validates the execution id and starts a [`context`]: the deadline and the cancel token of the call.
//! 3. It takes the current credentials, and begins an attempt.
//! 4. `http` takes a slot from its pool, or makes one. A slot holds at most one connection.
//! 5. If the connection is new: `http::connect` looks the name up, races the addresses, passes the proxy, and performs the
//!    TLS handshake.
//! 6. The request is sent, with the credentials added below ureq, which never sees them.
//! 7. The response arrives. `head_filter` drops the header fields that are not needed, ureq parses the rest.
//! 8. The body goes through gzip, if need be, into a `JsonBuffer`, which validates it chunk by chunk.
//! 9. The slot goes back to the pool, unless the connection must not be reused.
//! 10. For a 2xx status, `execution` reads the typed fields. Outputs are skipped; they are parsed on first access.
//! 11. Any other response becomes an [`error`]: `envelope` reads it, `redact` removes secrets that the server echoed.
//! 12. A transient failure is retried after a pause that `retry` computes, if the deadline allows it.
//! 13. A wait repeats this until the state is final, with pauses that `retry` computes.
//! 14. `ffi` boxes the result and returns it as an opaque pointer.
//!
//! # Where to add what
//!
//! CONTRIBUTING.md lists every place that a new accessor, option or error code touches.

// It depends on the modes of the calling thread (see `json::double`).
#![deny(clippy::float_arithmetic)]

mod alloc;
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
