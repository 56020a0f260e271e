//! Standard error, which belongs to the host.

/// Writes a line, and adds its end. Takes no lock, because a forked child would inherit it; never waits, and raises no
/// SIGPIPE. A line that cannot be written at once is dropped.
#[cfg(unix)]
pub fn write_line(line: &[u8]) {
    use super::thread::without_sigpipe;

    let mut whole = [0; MAX_LINE];
    let length = line.len().min(MAX_LINE - 1);
    whole[..length].copy_from_slice(&line[..length]);
    whole[length] = b'\n';
    let mut polled = libc::pollfd { fd: libc::STDERR_FILENO, events: libc::POLLOUT, revents: 0 };
    without_sigpipe(|| {
        // SAFETY: the address is of one entry.
        if unsafe { libc::poll(&mut polled, 1, 0) } == 1 {
            // SAFETY: the address is of that many readable bytes.
            unsafe { libc::write(libc::STDERR_FILENO, whole.as_ptr().cast(), length + 1) };
        }
    });
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
