//! An allocator that never frees: what the program takes without one.
#![no_std]
#![no_main]

use core::alloc::{GlobalAlloc, Layout};
use core::cell::Cell;

use sizes::{LEN, Memory};

struct Bump {
    memory: Memory,
    used: Cell<usize>,
}

// SAFETY: accessed in critical sections only.
unsafe impl Sync for Bump {}

// SAFETY: no two blocks overlap, as the end of the used bytes only grows.
unsafe impl GlobalAlloc for Bump {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        critical_section::with(|_| {
            let start = self.used.get().next_multiple_of(layout.align());
            let end = start.saturating_add(layout.size());
            if end > LEN {
                return core::ptr::null_mut();
            }
            self.used.set(end);
            self.memory.start().wrapping_add(start)
        })
    }

    unsafe fn dealloc(&self, _: *mut u8, _: Layout) {}
}

#[global_allocator]
static HEAP: Bump = Bump {
    memory: Memory::new(),
    used: Cell::new(0),
};

sizes::program!({});
