//! Keeps panics inside the library: a panic becomes an error or the empty value of the function, and is not printed.

use std::any::Any;
use std::cell::Cell;
use std::panic::{AssertUnwindSafe, PanicHookInfo, catch_unwind};
use std::ptr;
use std::sync::atomic::{AtomicBool, Ordering};

use super::error::{ErrorHandle, refold_error};
use super::handle::{Handle, Owner, into_raw, write};
use crate::error::{Error, message};
use crate::sys::fork::outside_of_forks;
use crate::sys::thread::without_cancellation;

/// Runs the body of an exported function. Returns `empty` if it panics.
pub(super) fn guard<T>(empty: T, body: impl FnOnce() -> T) -> T {
    catch(body).unwrap_or(empty)
}

/// [`guard`] for the slow path of an accessor: never inlined, so that the fast path pays nothing for it. As an
/// `extern "C"` function it does not unwind, so its callers need no landing pad.
#[inline(never)]
pub(super) extern "C" fn guard_cold<T>(empty: T, body: impl FnOnce() -> T) -> T {
    guard(empty, body)
}

/// [`guard`] for accessors. Does not install the panic hook, because creating the object has done so. Compiles to
/// nothing if the body provably does not panic.
#[inline(always)]
pub(super) fn guard_accessor<T>(empty: T, body: impl FnOnce() -> T) -> T {
    catch_unwind(AssertUnwindSafe(body)).unwrap_or(empty)
}

/// Runs the body of an exported call. Passes the result to the caller, or the error through `error`.
///
/// # Safety
/// `error` is NULL or writable.
pub(super) unsafe fn call<H: Handle>(
    error: *mut *mut refold_error,
    body: impl FnOnce() -> Result<H::Owner, Error>,
) -> *mut H
where
    H::Owner: Owner<H::Value>,
{
    // SAFETY: the caller's promise.
    unsafe { attempt(error, body) }.map_or(ptr::null_mut(), into_raw)
}

/// Runs the body of an exported function that can fail. Returns its result, or passes the error to the caller through
/// `error`.
///
/// # Safety
/// `error` is NULL or writable.
pub(super) unsafe fn attempt<T>(
    error: *mut *mut refold_error,
    body: impl FnOnce() -> Result<T, Error>,
) -> Option<T> {
    let failure = match without_cancellation(|| catch_panic(body).and_then(|result| result)) {
        Ok(value) => {
            // SAFETY: the caller's promise.
            unsafe { write(error, ptr::null_mut()) };
            return Some(value);
        }
        Err(failure) => failure,
    };
    if !error.is_null() {
        let handle = guard(ptr::null_mut(), || into_raw(Box::new(ErrorHandle::new(failure))));
        // SAFETY: the caller's promise.
        unsafe { write(error, handle) };
    }
    None
}

/// Runs `body`, and turns a panic into an error.
pub(super) fn catch_panic<T>(body: impl FnOnce() -> T) -> Result<T, Error> {
    catch(body).map_err(|_| internal_error())
}

fn catch<T>(body: impl FnOnce() -> T) -> Result<T, Box<dyn Any + Send>> {
    silence_panics();
    catch_unwind(AssertUnwindSafe(body))
}

/// Replaces the panic hook of the library's own copy of the runtime, which would print to the host's stderr. Uses a
/// flag instead of a lock, because a lock held at the moment of a fork would block the child; the hook itself has one.
fn silence_panics() {
    static IS_SILENT: AtomicBool = AtomicBool::new(false);
    if !IS_SILENT.load(Ordering::Relaxed) {
        outside_of_forks(|| {
            if !IS_SILENT.swap(true, Ordering::Relaxed) {
                std::panic::set_hook(Box::new(record_location));
            }
        });
    }
}

thread_local! {
    static PANIC_LOCATION: Cell<Option<String>> = const { Cell::new(None) };
}

/// Keeps the location of a panic but not its message, which might contain a secret.
fn record_location(panic: &PanicHookInfo<'_>) {
    let location = panic.location().map(|at| format!("{}:{}", at.file(), at.line()));
    // Fails while the thread is ending, when no call can report the location any more.
    let _ = PANIC_LOCATION.try_with(|recorded| recorded.set(location));
}

fn internal_error() -> Error {
    let location = PANIC_LOCATION.try_with(Cell::take).ok().flatten();
    Error::internal(message::panicked(location.as_deref()))
}

#[cfg(test)]
mod tests {
    use std::env;
    use std::ffi::CStr;
    use std::process::Command;

    use super::super::error::{refold_error_code, refold_error_free, refold_error_message};
    use super::super::execution::refold_execution;
    use super::super::handle::read;
    use super::*;

    const SECRET: &str = "a panic message, perhaps with a secret";

    #[test]
    fn panic_in_a_call_becomes_an_internal_error() {
        let mut error = ptr::dangling_mut();
        // SAFETY: `error` is writable, and the object stored there is freed once.
        unsafe {
            assert!(call::<refold_execution>(&mut error, || panic!("{SECRET}")).is_null());
            assert_eq!(refold_error_code(error), -10);
            let message = CStr::from_ptr(refold_error_message(error)).to_string_lossy();
            assert!(message.contains(&format!("{}:", file!())) && !message.contains(SECRET), "{message}");
            refold_error_free(error);
            assert!(call::<refold_execution>(ptr::null_mut(), || panic!("{SECRET}")).is_null());
        }
    }

    #[test]
    fn panic_in_an_accessor_returns_the_empty_value() {
        assert_eq!(guard(7, || panic!("{SECRET}")), 7);
        let error = into_raw::<refold_error>(Box::new(ErrorHandle::new(Error::internal("x"))));
        // SAFETY: created above, and freed once.
        unsafe {
            assert_eq!(read(error, 7, |_| panic!("{SECRET}")), 7);
            refold_error_free(error);
        }
    }

    #[test]
    fn panic_prints_nothing() -> std::io::Result<()> {
        for test in
            ["panic_in_a_call_becomes_an_internal_error", "panic_in_an_accessor_returns_the_empty_value"]
        {
            let name = format!("{}::{test}", module_path!().trim_start_matches("refold::"));
            let done = Command::new(env::current_exe()?).args(["--exact", &name, "--nocapture"]).output()?;
            let output = String::from_utf8_lossy(&done.stdout);
            assert!(done.status.success() && output.contains("1 passed"), "{output}");
            assert_eq!(String::from_utf8_lossy(&done.stderr), "");
        }
        Ok(())
    }
}
