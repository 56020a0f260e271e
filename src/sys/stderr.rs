//! Standard error, which belongs to the host.

/// The maximum length of a line with its end.
const MAX_LINE: usize = 1200;

/// Writes a line, and adds its end. Takes no lock, because a forked child would inherit it; never waits for a reader, and
/// raises no SIGPIPE. A line that cannot be written at once is dropped.
pub fn write_line(line: &[u8]) {
    let mut whole = [0; MAX_LINE];
    let length = line.len().min(MAX_LINE - 1);
    whole[..length].copy_from_slice(&line[..length]);
    whole[length] = b'\n';
    write(&whole[..=length]);
}

#[cfg(unix)]
fn write(line: &[u8]) {
    use std::os::fd::AsRawFd;

    use super::thread::without_sigpipe;

    let terminal = reopen_terminal();
    let stderr = terminal.as_ref().map_or(libc::STDERR_FILENO, AsRawFd::as_raw_fd);
    let mut polled = libc::pollfd { fd: stderr, events: libc::POLLOUT, revents: 0 };
    let write = || {
        // SAFETY: the address is of one entry.
        if unsafe { libc::poll(&mut polled, 1, 0) } == 1 {
            // SAFETY: the address is of that many readable bytes.
            unsafe { libc::write(stderr, line.as_ptr().cast(), line.len()) };
        }
    };
    one_of_few(|| without_sigpipe(write));
}

/// Runs `write` on few threads at a time: a pipe that poll(2) reports as writable takes 4,096 bytes, so none of them waits.
/// Does not run it if the others never end.
#[cfg(unix)]
fn one_of_few(write: impl FnOnce()) {
    use std::convert::Infallible;
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::thread;

    use super::fork::PerProcess;

    const MAX_WRITERS: usize = 4096 / MAX_LINE;
    const MAX_YIELDS: usize = 10_000;
    static WRITERS: PerProcess<AtomicUsize> = PerProcess::new();

    let Ok::<_, Infallible>(writers) = WRITERS.get_or_try_make(|| Ok(AtomicUsize::new(0)));
    let enter = |count| (count < MAX_WRITERS).then_some(count + 1);
    for _ in 0..MAX_YIELDS {
        if writers.fetch_update(Ordering::Acquire, Ordering::Relaxed, enter).is_ok() {
            write();
            writers.fetch_sub(1, Ordering::Release);
            return;
        }
        thread::yield_now();
    }
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

#[cfg(not(unix))]
fn write(line: &[u8]) {
    use std::io::Write;

    let _ = std::io::stderr().write_all(line);
}
