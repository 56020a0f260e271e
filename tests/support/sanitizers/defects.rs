//! Deliberate defects, built like the library: a sanitizer that does not report them would miss those of the library.

use std::ffi::c_void;
use std::hint::black_box;

/// Reads past the end of a buffer.
#[unsafe(no_mangle)]
pub extern "C" fn overflow() {
    let buffer = black_box(vec![1_u8; 16]);
    // SAFETY: there is none, that is the defect.
    black_box(unsafe { buffer.as_ptr().add(16).read() });
}

/// Reads freed memory.
#[unsafe(no_mangle)]
pub extern "C" fn use_after_free() {
    let freed = Box::into_raw(black_box(Box::new(1_u64)));
    // SAFETY: as above.
    unsafe {
        drop(Box::from_raw(freed));
        black_box(freed.read());
    }
}

/// Leaks memory.
#[unsafe(no_mangle)]
pub extern "C" fn leak() {
    std::mem::forget(black_box(vec![1_u8; 1000]));
}

/// Increments a counter that other threads increment, without a lock.
#[unsafe(no_mangle)]
pub extern "C" fn race(count: *mut c_void) -> *mut c_void {
    let count = count.cast::<u64>();
    for _ in 0..1000 {
        // SAFETY: as above.
        unsafe { black_box(count).write(count.read() + 1) };
    }
    count.cast()
}
