//! What the library promises on every system, through its C interface: Linux, the portable fallback
//! (`--cfg refold_portable`), other processors under qemu, and Windows under wine.
//!
//! `tests/c` tests the same and much more on Linux. These tests need only the standard library: `server` has scripted
//! servers on loopback, `api` wraps the C interface, and `timing` has the limits of time.

mod api;
mod calls;
mod limits;
mod queue;
mod routes;
mod server;
mod timing;
mod waits;
mod watchdog;
