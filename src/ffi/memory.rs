//! The library's heap: nothing that held a secret is given back before it is wiped.
//!
//! Whatever a server sends may echo a secret, and goes through buffers of TLS, gzip and HTTP that are out of reach from
//! here. So all memory is wiped, but for what is too large to hold such an answer.

use std::alloc::{GlobalAlloc, Layout, System};
use std::hint::black_box;
use std::ptr;

/// Errors are read up to half of this; wiping more would cost large snapshots dear.
const LARGEST_WIPED: usize = 2 << 20;

struct Wiping;

#[global_allocator]
static HEAP: Wiping = Wiping;

// SAFETY: the system's allocator does it all; what is written to is memory that is about to be given back.
unsafe impl GlobalAlloc for Wiping {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        // SAFETY: as this function's caller promised.
        unsafe { System.alloc(layout) }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        // SAFETY: as this function's caller promised.
        unsafe { System.alloc_zeroed(layout) }
    }

    unsafe fn dealloc(&self, memory: *mut u8, layout: Layout) {
        if layout.size() <= LARGEST_WIPED {
            // SAFETY: the block is of this size, and nobody's any more.
            unsafe { ptr::write_bytes(memory, 0, layout.size()) };
            // Or the compiler would see that nobody reads what was written.
            black_box(memory);
        }
        // SAFETY: as this function's caller promised.
        unsafe { System.dealloc(memory, layout) };
    }

    unsafe fn realloc(&self, memory: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        if layout.size() > LARGEST_WIPED {
            // SAFETY: as this function's caller promised.
            return unsafe { System.realloc(memory, layout, size) };
        }
        // SAFETY: as this function's caller promised.
        let moved = unsafe { self.alloc(Layout::from_size_align_unchecked(size, layout.align())) };
        if !moved.is_null() {
            // SAFETY: both blocks are at least this large, and the old one is given back with its own layout.
            unsafe {
                ptr::copy_nonoverlapping(memory, moved, layout.size().min(size));
                self.dealloc(memory, layout);
            }
        }
        moved
    }
}
