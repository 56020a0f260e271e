//! Shared by the fuzz targets: the C interface, reference implementations to compare with, and a scripted peer that
//! replaces the network.

pub mod framing;
pub mod interface;
pub mod peer;
pub mod reference;
pub mod script;
pub mod secrets;
pub mod tls;
pub mod walk;

use std::process::abort;

/// Must be called once, before the first input.
///
/// The library catches its panics without reporting them. Here each panic is reported and ends the process.
pub fn prepare() {
    // The first guarded call installs the library's own hook, which is replaced below.
    interface::code_name(0);
    std::panic::set_hook(Box::new(|panic| {
        eprintln!("{panic}\n{}", std::backtrace::Backtrace::force_capture());
        abort();
    }));
    for name in ["HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy", "SSL_CERT_FILE", "SSL_CERT_DIR"] {
        // SAFETY: the process has only one thread so far.
        unsafe { std::env::remove_var(name) };
    }
    peer::prepare();
}
