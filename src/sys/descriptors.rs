//! File descriptors above the standard streams. A program that has closed its streams may still print, and what it
//! prints must not reach a server or a pipe of the library.

use std::fs::File;
use std::io;
use std::path::Path;

/// Opens a file for reading.
pub fn open(path: &Path) -> io::Result<File> {
    above_streams(|| File::open(path), is_stream)
}

/// Returns the first object that takes no number of a standard stream. Earlier ones occupy these numbers until then, so
/// there are three at most. They are discarded, with whatever the program has written to them meanwhile.
pub(super) fn above_streams<T>(
    mut make: impl FnMut() -> io::Result<T>,
    is_stream: impl Fn(&T) -> bool,
) -> io::Result<T> {
    let mut made = make()?;
    let mut discarded = Vec::new();
    while is_stream(&made) {
        discarded.push(made);
        made = make()?;
    }
    Ok(made)
}

/// Whether this is standard input, output or error.
#[cfg(unix)]
pub(super) fn is_stream(object: &impl std::os::fd::AsRawFd) -> bool {
    object.as_raw_fd() <= libc::STDERR_FILENO
}

/// Returns `false`: streams have no fixed numbers here.
#[cfg(not(unix))]
pub(super) fn is_stream<T>(_: &T) -> bool {
    false
}
