//! Fetches one workflow execution of Refold by its id, for programs in any language that can call C.
//!
//! # Layers
//!
//! A module may use those below it, never those above. `tests/layers.rs` has the exact rules, and enforces them.
//!
//! ```text
//!  4  C interface   ffi          converts arguments, calls, converts results; catches panics
//!  3  calls         queue        many calls on few threads; events
//!                   client       one call: get with retries, wait with polls
//!                   options, retry, envelope
//!  2  the wire      http         one request and its response: pool, connections, TLS, proxies
//!  1  the document  execution    typed fields and nodes
//!                   json         lazy views of values; json::scan validates while bytes arrive
//!                   redact       removes secrets from texts of the server
//!  0  the base      context, cancel, log, timing, secret, state, alloc, sys
//!     for all       error        kinds, codes, and every message
//! ```
//!
//! `unsafe` code is limited to `ffi`, `sys`, `alloc`, `json::scan::arch`, and one function in `json::scan::document`.
//!
//! # The life of one call
//!
//! 1. `ffi::calls` enters the panic guard (`ffi::guard`), adds an owner to the client, and converts the C arguments.
//! 2. `client` validates the execution id and creates a [`context`]: the deadline, the cancel token and the [`log`] of
//!    the call.
//! 3. It reads the current credentials and begins an attempt.
//! 4. `http` takes an idle slot from its pool, or makes a new one. A slot holds at most one connection.
//! 5. If the slot has no connection, `http::connect` resolves the host name, races the addresses, sets up the proxy,
//!    and performs the TLS handshake.
//! 6. `http::connection` sends the request. It adds the credentials itself, so ureq never sees them.
//! 7. The response arrives. `http::head_filter` drops header fields that are never read; ureq parses the rest.
//! 8. `http::response` decompresses the body if necessary, into a `JsonBuffer`, which validates it as it arrives.
//! 9. The slot returns to the pool, unless its connection cannot be reused.
//! 10. If the status is 2xx, `execution` reads the typed fields. It skips outputs, which are parsed on first access.
//! 11. Any other response becomes an [`error`]: `envelope` reads it, and `redact` removes echoed secrets.
//! 12. If the failure is transient, `client` pauses for as long as `retry` computes, and makes another attempt.
//! 13. A wait repeats steps 3 to 12 until the state is final, with the pauses of `retry::PollSchedule`.
//! 14. `ffi` passes the result to C as an opaque pointer (`ffi::handle`).
//!
//! A submission to a [`queue`] goes through steps 2 to 13 on a thread of the queue. While a wait pauses, it is an entry of a
//! list (`queue::state`). Results become events, which `ffi` passes to C when the caller takes them.
//!
//! # Adding to it
//!
//! CONTRIBUTING.md lists every place that changes with a new accessor, option or error code.

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
pub mod log;
pub mod options;
pub mod queue;
mod redact;
mod retry;
#[cfg(test)]
#[path = "../tests/support/rng.rs"]
mod rng;
mod secret;
pub mod state;
mod sys;
pub mod timing;
