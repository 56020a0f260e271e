//! The C interface: every function converts what C handed in, calls the library below, and converts what goes
//! back.
//!
//! One file for each C type, in the order of the header. Documentation comments in these files are the
//! documentation of the header, and so speak to C programmers.

#![allow(unsafe_code)]
// A heading "Safety" would stand in the C header; what a caller has to keep to is in the text itself.
#![allow(clippy::missing_safety_doc)]
// The names are those of C.
#![allow(non_camel_case_types)]

pub mod calls;
pub mod cancel;
pub mod client;
pub mod error;
pub mod execution;
pub mod json;
pub mod library;
pub mod options;
pub mod state;
pub mod types;

use std::any::Any;
use std::cell::Cell;
use std::ffi::{CStr, c_char};
use std::panic::{AssertUnwindSafe, PanicHookInfo, catch_unwind};
use std::ptr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use self::error::ErrorHandle;
use self::types::refold_error;
use crate::error::Error;
use crate::sys::thread::without_cancellation;

// The guard -------------------------------------------------------------------------------------------------

/// Runs the body of an exported function; a panic ends here, and the function returns `empty`.
fn guard<T>(empty: T, body: impl FnOnce() -> T) -> T {
    catch(body).unwrap_or(empty)
}

/// The same without inlining: what is rare in an accessor goes here, and so costs what is common nothing. A function of
/// C's kind does not unwind, so that nothing has to be ready for it around the call.
#[inline(never)]
extern "C" fn guard_cold<T>(empty: T, body: impl FnOnce() -> T) -> T {
    guard(empty, body)
}

/// Runs the body of an accessor, as [`guard`]. Whoever made the object that it reads has silenced panics before. Where
/// the compiler sees that there is none, nothing remains of this.
#[inline(always)]
fn guard_accessor<T>(empty: T, body: impl FnOnce() -> T) -> T {
    catch_unwind(AssertUnwindSafe(body)).unwrap_or(empty)
}

/// Runs the body of an exported call: what it returns goes to the caller, its error through `error`.
///
/// # Safety
/// `error` is NULL or can be written to.
unsafe fn call<H: Handle>(
    error: *mut *mut refold_error,
    body: impl FnOnce() -> Result<H::Owner, Error>,
) -> *mut H
where
    H::Owner: Owner<H::Value>,
{
    let failure = match without_cancellation(|| catch(body)) {
        Ok(Ok(owner)) => {
            // SAFETY: as this function's caller promised.
            unsafe { write(error, ptr::null_mut()) };
            return into_raw(owner);
        }
        Ok(Err(failure)) => failure,
        Err(_) => internal_error(),
    };
    if !error.is_null() {
        let report = guard(ptr::null_mut(), || into_raw(Box::new(ErrorHandle::new(failure))));
        // SAFETY: as this function's caller promised.
        unsafe { write(error, report) };
    }
    ptr::null_mut()
}

fn catch<T>(body: impl FnOnce() -> T) -> Result<T, Box<dyn Any + Send>> {
    silence_panics();
    catch_unwind(AssertUnwindSafe(body))
}

/// Replaces the report of a panic, which would go to the host's stderr, for the library's own copy of the
/// runtime. A flag and no lock: a process may fork at any moment, and its child must be able to go on.
fn silence_panics() {
    static SILENT: AtomicBool = AtomicBool::new(false);
    if !SILENT.load(Ordering::Relaxed) && !SILENT.swap(true, Ordering::Relaxed) {
        std::panic::set_hook(Box::new(remember_place));
    }
}

thread_local! {
    static PLACE_OF_PANIC: Cell<Option<String>> = const { Cell::new(None) };
}

/// Keeps where a panic arose, and not what it says, which might hold a secret.
fn remember_place(panic: &PanicHookInfo<'_>) {
    let place = panic.location().map(|at| format!("{}:{}", at.file(), at.line()));
    // A thread that is ending has no such place any more; then nobody will ask either.
    let _ = PLACE_OF_PANIC.try_with(|kept| kept.set(place));
}

fn internal_error() -> Error {
    let place = PLACE_OF_PANIC.try_with(Cell::take).ok().flatten();
    let place = place.as_deref().unwrap_or("an unknown place");
    Error::internal(format!("a defect at {place} stopped the call; please report it"))
}

// Handles in and out ----------------------------------------------------------------------------------------

/// A C type: what its pointers point at, and who owns that.
pub(crate) trait Handle {
    /// What a pointer of the type points at.
    type Value;
    /// `Box<Value>`, `Arc<Value>`, or [`Borrowed`], which nothing here can free.
    type Owner;
}

/// The owner of a value that belongs to another one.
pub(crate) enum Borrowed {}

/// What can be handed to C as a pointer, and taken back.
pub(crate) trait Owner<Value> {
    fn into_pointer(self) -> *mut Value;
    /// # Safety
    /// `pointer` came from `into_pointer` of the same type, and is given back once.
    unsafe fn from_pointer(pointer: *mut Value) -> Self;
}

impl<Value> Owner<Value> for Box<Value> {
    fn into_pointer(self) -> *mut Value {
        Box::into_raw(self)
    }

    unsafe fn from_pointer(pointer: *mut Value) -> Self {
        // SAFETY: as the trait demands.
        unsafe { Box::from_raw(pointer) }
    }
}

impl<Value> Owner<Value> for Arc<Value> {
    fn into_pointer(self) -> *mut Value {
        Arc::into_raw(self).cast_mut()
    }

    unsafe fn from_pointer(pointer: *mut Value) -> Self {
        // SAFETY: as the trait demands.
        unsafe { Arc::from_raw(pointer) }
    }
}

/// Hands an object to C, which has to free it.
fn into_raw<H: Handle>(owner: H::Owner) -> *mut H
where
    H::Owner: Owner<H::Value>,
{
    owner.into_pointer().cast()
}

/// Gives up the ownership that C held; NULL is nothing.
///
/// # Safety
/// `pointer` is NULL or came from [`into_raw`], and is freed once.
unsafe fn free<H: Handle>(pointer: *mut H)
where
    H::Owner: Owner<H::Value>,
{
    if !pointer.is_null() {
        // SAFETY: as this function's caller promised.
        without_cancellation(|| guard((), || drop(unsafe { H::Owner::from_pointer(pointer.cast()) })));
    }
}

/// Shows C a value that belongs to another object; NULL stands for none.
fn as_ptr<H: Handle>(value: Option<&H::Value>) -> *const H {
    value.map_or(ptr::null(), |value| ptr::from_ref(value).cast())
}

/// The value behind a pointer; none behind NULL.
///
/// # Safety
/// `pointer` is NULL or came from [`into_raw`] or [`as_ptr`], and lives for `'a`.
unsafe fn as_ref<'a, H: Handle>(pointer: *const H) -> Option<&'a H::Value> {
    // SAFETY: as this function's caller promised.
    unsafe { pointer.cast::<H::Value>().as_ref() }
}

/// The value behind a pointer that one thread at a time may use; none behind NULL.
///
/// # Safety
/// `pointer` is NULL or came from [`into_raw`], lives for `'a`, and is used nowhere else meanwhile.
unsafe fn as_mut<'a, H>(pointer: *mut H) -> Option<&'a mut H::Value>
where
    H: Handle<Owner = Box<<H as Handle>::Value>>,
{
    // SAFETY: as this function's caller promised.
    unsafe { pointer.cast::<H::Value>().as_mut() }
}

/// One more owner of the value behind a pointer; none behind NULL.
///
/// # Safety
/// `pointer` is NULL or came from [`into_raw`] or [`as_ptr`] of an `Arc`, and lives until this returns.
unsafe fn clone_arc<H>(pointer: *const H) -> Option<Arc<H::Value>>
where
    H: Handle<Owner = Arc<<H as Handle>::Value>>,
{
    if pointer.is_null() {
        return None;
    }
    let value = pointer.cast::<H::Value>();
    // SAFETY: not NULL, so it is the inside of an `Arc` that lives, as this function's caller promised.
    unsafe {
        Arc::increment_strong_count(value);
        Some(Arc::from_raw(value))
    }
}

/// What an accessor finds in the object behind a pointer; `empty` behind NULL.
///
/// # Safety
/// As for [`as_ref`], until this returns.
unsafe fn read<H: Handle, T: Copy>(pointer: *const H, empty: T, look: impl FnOnce(&H::Value) -> T) -> T {
    // SAFETY: as this function's caller promised.
    guard_accessor(empty, || unsafe { as_ref(pointer) }.map_or(empty, look))
}

/// Stores a result where C asked for it; NULL asks for nothing.
///
/// # Safety
/// `place` is NULL or can be written to.
unsafe fn write<T>(place: *mut T, value: T) {
    if !place.is_null() {
        // SAFETY: as this function's caller promised. What stood there is not read.
        unsafe { place.write(value) };
    }
}

// Strings in and out ----------------------------------------------------------------------------------------

/// A truth value from C: a byte there, of which any value but 0 is true. C sees `bool`.
#[derive(Clone, Copy)]
#[repr(transparent)]
pub struct CBool(u8);

impl CBool {
    fn holds(self) -> bool {
        self.0 != 0
    }
}

/// The bytes of a C string, without its NUL; none for NULL.
///
/// # Safety
/// `text` is NULL or a C string that lives for `'a`.
unsafe fn string_in<'a>(text: *const c_char) -> Option<&'a [u8]> {
    // SAFETY: not NULL, and a C string, as this function's caller promised.
    (!text.is_null()).then(|| unsafe { CStr::from_ptr(text) }.to_bytes())
}

/// The bytes at an address; none for NULL, and none for a length that no object can have.
///
/// # Safety
/// `bytes` is NULL or points to `length` readable bytes that live for `'a`.
unsafe fn bytes_in<'a>(bytes: *const c_char, length: usize) -> Option<&'a [u8]> {
    if bytes.is_null() || isize::try_from(length).is_err() {
        return None;
    }
    // SAFETY: not NULL, no longer than an object can be, and readable, as this function's caller promised.
    Some(unsafe { std::slice::from_raw_parts(bytes.cast(), length) })
}

/// A string for C, from one that ends with its NUL byte; NULL for none.
fn string_out(text: Option<&[u8]>) -> *const c_char {
    text.map_or(ptr::null(), |text| text.as_ptr().cast())
}

/// A string for C, as [`string_out`], and its length without the NUL byte.
///
/// # Safety
/// `length` is NULL or can be written to.
unsafe fn string_and_length_out(text: Option<&[u8]>, length: *mut usize) -> *const c_char {
    // SAFETY: as this function's caller promised.
    unsafe { write(length, text.map_or(0, |text| text.len().wrapping_sub(1))) };
    string_out(text)
}

#[cfg(test)]
mod tests {
    use super::types::refold_execution;
    use super::*;
    use std::env;
    use std::process::Command;

    const SAID: &str = "what a panic says, perhaps a secret";

    #[test]
    fn a_panic_becomes_an_internal_error() {
        let mut error = ptr::dangling_mut();
        // SAFETY: the place for the error can be written to, and what comes there is freed once.
        unsafe {
            assert!(call::<refold_execution>(&mut error, || panic!("{SAID}")).is_null());
            assert_eq!(error::refold_error_code(error), -10);
            let message = CStr::from_ptr(error::refold_error_message(error)).to_string_lossy();
            assert!(message.contains(&format!("{}:", file!())) && !message.contains(SAID), "{message}");
            error::refold_error_free(error);
            assert!(call::<refold_execution>(ptr::null_mut(), || panic!("{SAID}")).is_null());
        }
    }

    #[test]
    fn a_panic_becomes_the_empty_value() {
        assert_eq!(guard(7, || panic!("{SAID}")), 7);
        let error = into_raw::<refold_error>(Box::new(ErrorHandle::new(Error::internal("x"))));
        // SAFETY: given just now, and freed once.
        unsafe {
            assert_eq!(read(error, 7, |_| panic!("{SAID}")), 7);
            error::refold_error_free(error);
        }
    }

    #[test]
    fn a_panic_says_nothing() -> std::io::Result<()> {
        for test in ["a_panic_becomes_an_internal_error", "a_panic_becomes_the_empty_value"] {
            let name = format!("{}::{test}", module_path!().trim_start_matches("refold::"));
            let done = Command::new(env::current_exe()?).args(["--exact", &name, "--nocapture"]).output()?;
            let said = String::from_utf8_lossy(&done.stdout);
            assert!(done.status.success() && said.contains("1 passed"), "{said}");
            assert_eq!(String::from_utf8_lossy(&done.stderr), "");
        }
        Ok(())
    }
}
