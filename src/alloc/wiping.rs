//! The global allocator. It zeroes blocks before freeing them, because dependencies copy secrets to memory that this
//! library cannot wipe.

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::hint::black_box;
use std::ptr;

/// The maximum size of the blocks that are always wiped. Larger ones hold bodies and what is parsed from them; code that
/// puts a secret into one wipes it itself, or runs within `wipe_large`.
const MAX_WIPED: usize = 64 << 10;

/// The maximum size of the blocks that are wiped within `wipe_large`: those for the body of an error, and for all that is
/// made of it. Wiping what a vector has reserved takes its memory, so there must be a limit.
const MAX_LARGE_WIPED: usize = 4 << 20;

thread_local! {
    /// Whether this thread is within `wipe_large`.
    static IS_LARGE_WIPED: Cell<bool> = const { Cell::new(false) };
}

/// Runs `work`. Meanwhile, larger blocks that this thread frees are wiped, too: for responses that describe an error, in
/// which servers echo secrets.
pub fn wipe_large<T>(work: impl FnOnce() -> T) -> T {
    /// Restores the state, also if `work` panics.
    struct Restore(bool);
    impl Drop for Restore {
        fn drop(&mut self) {
            IS_LARGE_WIPED.set(self.0);
        }
    }
    let _restore = Restore(IS_LARGE_WIPED.replace(true));
    work()
}

fn is_wiped(size: usize) -> bool {
    size <= MAX_WIPED || size <= MAX_LARGE_WIPED && IS_LARGE_WIPED.get()
}

struct Wiping;

#[global_allocator]
static ALLOCATOR: Wiping = Wiping;

// SAFETY: forwards every call to the system allocator, and writes only to blocks that are about to be freed.
unsafe impl GlobalAlloc for Wiping {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        // SAFETY: guaranteed by the caller.
        unsafe { System.alloc(layout) }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        // SAFETY: guaranteed by the caller.
        unsafe { System.alloc_zeroed(layout) }
    }

    unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
        if is_wiped(layout.size()) {
            // SAFETY: the block has this size, and nothing refers to it any more.
            unsafe { ptr::write_bytes(block, 0, layout.size()) };
            // Keeps the compiler from eliding the dead store.
            black_box(block);
        }
        // SAFETY: guaranteed by the caller.
        unsafe { System.dealloc(block, layout) }
    }

    unsafe fn realloc(&self, block: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        if !is_wiped(layout.size()) {
            // SAFETY: guaranteed by the caller.
            return unsafe { System.realloc(block, layout, size) };
        }
        // SAFETY: the caller guarantees that the size is valid for this alignment.
        let moved = unsafe { self.alloc(Layout::from_size_align_unchecked(size, layout.align())) };
        if !moved.is_null() {
            // SAFETY: the blocks are distinct and at least this large; the caller gives up the first one.
            unsafe {
                ptr::copy_nonoverlapping(block, moved, layout.size().min(size));
                self.dealloc(block, layout);
            }
        }
        moved
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn large_blocks_are_wiped_within_a_call_only() {
        let is_wiped = || [MAX_WIPED, MAX_WIPED + 1, MAX_LARGE_WIPED, MAX_LARGE_WIPED + 1].map(is_wiped);
        assert_eq!(is_wiped(), [true, false, false, false]);
        wipe_large(|| {
            assert_eq!(is_wiped(), [true, true, true, false]);
            wipe_large(|| assert_eq!(is_wiped(), [true, true, true, false]));
            assert_eq!(is_wiped(), [true, true, true, false]);
        });
        assert!(std::panic::catch_unwind(|| wipe_large(|| panic!("within"))).is_err());
        assert_eq!(is_wiped(), [true, false, false, false]);
    }
}
