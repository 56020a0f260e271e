//! What the library frees is wiped before: what its dependencies copy of a secret is out of its hands otherwise.

use std::alloc::{GlobalAlloc, Layout, System};
use std::hint::black_box;
use std::ptr;

/// Larger blocks are those of bodies and what is made of them, and wiped where they may hold a secret.
const LARGEST_WIPED: usize = 64 << 10;

struct Wiping;

#[global_allocator]
static ALLOCATOR: Wiping = Wiping;

// SAFETY: everything is handed on to the system, and written is only to what is about to be given back to it.
unsafe impl GlobalAlloc for Wiping {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        // SAFETY: as the trait demands.
        unsafe { System.alloc(layout) }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        // SAFETY: as the trait demands.
        unsafe { System.alloc_zeroed(layout) }
    }

    unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
        if layout.size() <= LARGEST_WIPED {
            // SAFETY: the block has this size, and nobody uses it any more.
            unsafe { ptr::write_bytes(block, 0, layout.size()) };
            // Who looks at it sees to it that it is done.
            black_box(block);
        }
        // SAFETY: as the trait demands.
        unsafe { System.dealloc(block, layout) }
    }

    unsafe fn realloc(&self, block: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        if layout.size() > LARGEST_WIPED {
            // SAFETY: as the trait demands.
            return unsafe { System.realloc(block, layout, size) };
        }
        // SAFETY: the trait demands a size that is fit for this alignment.
        let moved = unsafe { self.alloc(Layout::from_size_align_unchecked(size, layout.align())) };
        if !moved.is_null() {
            // SAFETY: both blocks have this size at least, and are two; the first one is the caller's to give up.
            unsafe {
                ptr::copy_nonoverlapping(block, moved, layout.size().min(size));
                self.dealloc(block, layout);
            }
        }
        moved
    }
}
