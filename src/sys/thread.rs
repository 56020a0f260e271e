//! The state of a thread that belongs to the host: its signal mask, its cancellation state, and errno.

#[cfg(unix)]
use std::{mem, ptr};

/// The signals that a fault raises, on the thread that caused it. If they were blocked, a fault would end the process
/// without running the crash handler of the host.
#[cfg(unix)]
const FAULTS: [libc::c_int; 7] =
    [libc::SIGSEGV, libc::SIGBUS, libc::SIGILL, libc::SIGFPE, libc::SIGTRAP, libc::SIGSYS, libc::SIGABRT];

/// Runs `start` with all signals blocked, except for those of faults. A thread that it starts inherits that mask, and
/// so runs no other signal handlers of the host.
#[cfg(unix)]
pub fn with_signals_blocked<T>(start: impl FnOnce() -> T) -> T {
    // SAFETY: all-zero bytes are a valid signal set, and both sets outlive the calls.
    let (mut blocked, mut previous): (libc::sigset_t, libc::sigset_t) =
        unsafe { (mem::zeroed(), mem::zeroed()) };
    // SAFETY: as above.
    unsafe {
        libc::sigfillset(&mut blocked);
        for signal in FAULTS {
            libc::sigdelset(&mut blocked, signal);
        }
        libc::pthread_sigmask(libc::SIG_SETMASK, &blocked, &mut previous);
    }
    let started = start();
    // SAFETY: as above.
    unsafe { libc::pthread_sigmask(libc::SIG_SETMASK, &previous, ptr::null_mut()) };
    started
}

/// Runs `work`, which may write to a pipe that has no reader, without the SIGPIPE that this raises.
#[cfg(unix)]
pub fn without_sigpipe(work: impl FnOnce()) {
    // SAFETY: all-zero bytes are a valid signal set, and all sets outlive the calls.
    let (mut blocked, mut previous, mut pending): (libc::sigset_t, libc::sigset_t, libc::sigset_t) =
        unsafe { (mem::zeroed(), mem::zeroed(), mem::zeroed()) };
    // SAFETY: as above.
    unsafe {
        libc::sigemptyset(&mut blocked);
        libc::sigaddset(&mut blocked, libc::SIGPIPE);
        libc::pthread_sigmask(libc::SIG_BLOCK, &blocked, &mut previous);
        libc::sigpending(&mut pending);
    }
    // SAFETY: as above.
    let was_pending = unsafe { libc::sigismember(&pending, libc::SIGPIPE) } == 1;
    work();
    // SAFETY: as above. One that `work` raised is pending on this thread, so nothing waits.
    unsafe {
        libc::sigpending(&mut pending);
        if !was_pending && libc::sigismember(&pending, libc::SIGPIPE) == 1 {
            let mut signal = 0;
            libc::sigwait(&blocked, &mut signal);
        }
        libc::pthread_sigmask(libc::SIG_SETMASK, &previous, ptr::null_mut());
    }
}

/// Runs `start`. There are no signals here.
#[cfg(not(unix))]
pub fn with_signals_blocked<T>(start: impl FnOnce() -> T) -> T {
    start()
}

/// Keeps the library loaded for good, so that a thread which the caller starts next, and functions that a fork runs, are
/// never in unmapped code. ELF libraries are linked accordingly.
pub fn keep_library_loaded() {
    #[cfg(any(windows, target_vendor = "apple"))]
    pin_module();
}

/// Pins the module that contains this function.
#[cfg(windows)]
fn pin_module() {
    use windows_sys::Win32::System::LibraryLoader::{
        GET_MODULE_HANDLE_EX_FLAG_FROM_ADDRESS, GET_MODULE_HANDLE_EX_FLAG_PIN, GetModuleHandleExW,
    };

    let mut module = std::ptr::null_mut();
    let flags = GET_MODULE_HANDLE_EX_FLAG_FROM_ADDRESS | GET_MODULE_HANDLE_EX_FLAG_PIN;
    // SAFETY: instead of a name, this is an address in the module; and the handle is valid for writing.
    unsafe { GetModuleHandleExW(flags, (pin_module as fn() as *const u16).cast(), &mut module) };
}

/// Pins the image that contains this function.
#[cfg(target_vendor = "apple")]
fn pin_module() {
    // SAFETY: all-zero bytes are a valid Dl_info.
    let mut image: libc::Dl_info = unsafe { mem::zeroed() };
    // SAFETY: this is an address in the image, and the record is valid for writing. The path is NUL-terminated, and valid
    // while the image is loaded.
    unsafe {
        if libc::dladdr(pin_module as fn() as *const libc::c_void, &mut image) != 0 {
            libc::dlopen(image.dli_fname, libc::RTLD_LAZY | libc::RTLD_NOLOAD | libc::RTLD_NODELETE);
        }
    }
}

#[cfg(all(unix, not(target_os = "android")))]
unsafe extern "C" {
    // Missing from the libc crate.
    fn pthread_setcancelstate(state: libc::c_int, previous: *mut libc::c_int) -> libc::c_int;
}

#[cfg(all(unix, not(any(target_os = "android", target_vendor = "apple"))))]
const PTHREAD_CANCEL_DISABLE: libc::c_int = 1;
#[cfg(target_vendor = "apple")]
const PTHREAD_CANCEL_DISABLE: libc::c_int = 0;

/// Runs `work`, which must not panic, with pthread_cancel() of this thread deferred until it is done. Otherwise
/// poll(2) and other cancellation points would unwind the thread through Rust frames.
#[cfg(all(unix, not(target_os = "android")))]
pub fn without_cancellation<T>(work: impl FnOnce() -> T) -> T {
    let mut previous = PTHREAD_CANCEL_DISABLE;
    // SAFETY: the address is valid for the duration of the call.
    unsafe { pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, &mut previous) };
    let done = work();
    // SAFETY: as above, and the state is one that the system returned.
    unsafe { pthread_setcancelstate(previous, &mut previous) };
    done
}

/// Runs `work`. Threads cannot be cancelled here.
#[cfg(any(not(unix), target_os = "android"))]
pub fn without_cancellation<T>(work: impl FnOnce() -> T) -> T {
    work()
}

/// Runs `work` and restores errno, for functions that a signal handler may call.
#[cfg(unix)]
pub fn preserving_errno<T>(work: impl FnOnce() -> T) -> T {
    let errno = errno_location();
    // SAFETY: the address of this thread's errno is valid for as long as the thread runs.
    let previous = unsafe { errno.as_ref() }.copied();
    let done = work();
    // SAFETY: as above.
    if let (Some(errno), Some(previous)) = (unsafe { errno.as_mut() }, previous) {
        *errno = previous;
    }
    done
}

/// Runs `work`. There are no signal handlers here that could see errno.
#[cfg(not(unix))]
pub fn preserving_errno<T>(work: impl FnOnce() -> T) -> T {
    work()
}

/// The address of this thread's errno, or null on systems where its accessor is not known.
#[cfg(unix)]
fn errno_location() -> *mut libc::c_int {
    // SAFETY: takes nothing, and returns an address that is valid for as long as the thread runs.
    #[cfg(target_os = "linux")]
    let location = unsafe { libc::__errno_location() };
    #[cfg(target_os = "android")]
    // SAFETY: as above.
    let location = unsafe { libc::__errno() };
    #[cfg(any(target_vendor = "apple", target_os = "freebsd"))]
    // SAFETY: as above.
    let location = unsafe { libc::__error() };
    #[cfg(not(any(
        target_os = "linux",
        target_os = "android",
        target_os = "freebsd",
        target_vendor = "apple"
    )))]
    let location = ptr::null_mut();
    location
}
