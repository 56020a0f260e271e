//! The global allocator. It zeroes blocks before freeing them, because dependencies copy secrets to memory that this
//! library cannot wipe.

use std::alloc::{GlobalAlloc, Layout, System};
use std::hint::black_box;
use std::ptr;

/// The maximum size of the blocks that are wiped. Larger ones hold bodies and what is parsed from them; code that puts
/// a secret into one wipes it itself.
const MAX_WIPED: usize = 64 << 10;

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
        if layout.size() <= MAX_WIPED {
            // SAFETY: the block has this size, and nothing refers to it any more.
            unsafe { ptr::write_bytes(block, 0, layout.size()) };
            // Keeps the compiler from eliding the dead store.
            black_box(block);
        }
        // SAFETY: guaranteed by the caller.
        unsafe { System.dealloc(block, layout) }
    }

    unsafe fn realloc(&self, block: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        if layout.size() > MAX_WIPED {
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
