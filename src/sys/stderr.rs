//! Standard error, which belongs to the host.

/// Writes a line, and adds its end. Takes no lock, because a forked child would inherit it; never waits, and raises no
/// SIGPIPE. A line that cannot be written at once is dropped.
#[cfg(unix)]
pub fn write_line(line: &[u8]) {
    use std::os::fd::AsRawFd;

    use super::thread::without_sigpipe;

    let mut whole = [0; MAX_LINE];
    let length = line.len().min(MAX_LINE - 1);
    whole[..length].copy_from_slice(&line[..length]);
    whole[length] = b'\n';
    let terminal = reopen_terminal();
    let stderr = terminal.as_ref().map_or(libc::STDERR_FILENO, AsRawFd::as_raw_fd);
    let mut polled = libc::pollfd { fd: stderr, events: libc::POLLOUT, revents: 0 };
    without_sigpipe(|| {
        // SAFETY: the address is of one entry.
        if unsafe { libc::poll(&mut polled, 1, 0) } == 1 {
            // SAFETY: the address is of that many readable bytes.
            unsafe { libc::write(stderr, whole.as_ptr().cast(), length + 1) };
        }
    });
}

/// Opens the terminal again if standard error is one. A terminal can be ready and yet not take a whole line, so a write
/// would wait. The flag that prevents this would also apply to the program if it were set on standard error itself.
/// Returns `None` if it is not a terminal, or one that this process may not open, such as after `su`.
#[cfg(unix)]
fn reopen_terminal() -> Option<std::fs::File> {
    use std::fs::OpenOptions;
    use std::os::unix::fs::OpenOptionsExt;

    use super::descriptors::{above_streams, is_stream};

    // SAFETY: takes no pointers.
    if unsafe { libc::isatty(libc::STDERR_FILENO) } == 0 {
        return None;
    }
    let mut options = OpenOptions::new();
    options.write(true).custom_flags(libc::O_NONBLOCK | libc::O_NOCTTY);
    above_streams(|| options.open("/dev/fd/2"), is_stream).ok()
}

/// Writes a line, and adds its end. Ignores errors.
#[cfg(not(unix))]
pub fn write_line(line: &[u8]) {
    use std::io::Write;

    let mut whole = [0; MAX_LINE];
    let length = line.len().min(MAX_LINE - 1);
    whole[..length].copy_from_slice(&line[..length]);
    whole[length] = b'\n';
    let _ = std::io::stderr().write_all(&whole[..=length]);
}

/// The maximum length of a line with its end. A pipe takes this many bytes as a whole or not at all.
const MAX_LINE: usize = 1200;
