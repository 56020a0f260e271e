//! The environment, which a set-uid or set-gid program must not trust.

use zeroize::Zeroizing;

/// The value of an environment variable, or `None` if it is unset or empty, or if this is a set-uid or set-gid
/// process.
pub fn env_var(name: &str) -> Option<Zeroizing<Vec<u8>>> {
    if is_privileged() {
        return None;
    }
    let value = std::env::var_os(name)?;
    (!value.is_empty()).then(|| Zeroizing::new(value.into_encoded_bytes()))
}

/// Whether this is a set-uid or set-gid process. The user who started it must not control it through the environment.
pub fn is_privileged() -> bool {
    #[cfg(any(target_os = "linux", target_os = "android"))]
    // SAFETY: takes no pointers.
    let privileged = unsafe { libc::getauxval(libc::AT_SECURE) } != 0;
    // Unlike a comparison of ids, this is also true once a set-uid program has made all of its ids equal.
    #[cfg(any(target_vendor = "apple", target_os = "freebsd"))]
    // SAFETY: takes no pointers.
    let privileged = unsafe { libc::issetugid() } != 0;
    #[cfg(all(
        unix,
        not(any(
            target_os = "linux",
            target_os = "android",
            target_vendor = "apple",
            target_os = "freebsd"
        ))
    ))]
    // SAFETY: these take no pointers.
    let privileged = unsafe { libc::getuid() != libc::geteuid() || libc::getgid() != libc::getegid() };
    #[cfg(not(unix))]
    let privileged = false;
    privileged
}
