//! The memory of the script itself: never freed, and apart from the heap under test.

use core::alloc::{GlobalAlloc, Layout};
use core::cell::{Cell, UnsafeCell};

/// Bytes. The script keeps a list of the live objects, whose capacity it asks for at once.
const LEN: usize = 512 << 10;

#[repr(align(16))]
struct Bump {
    bytes: UnsafeCell<[u8; LEN]>,
    used: Cell<usize>,
}

// SAFETY: one core, and no interrupt handler.
unsafe impl Sync for Bump {}

#[global_allocator]
static BUMP: Bump = Bump {
    bytes: UnsafeCell::new([0; LEN]),
    used: Cell::new(0),
};

// SAFETY: no two blocks overlap, as the end of the used bytes only grows.
unsafe impl GlobalAlloc for Bump {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        let start = self.used.get().next_multiple_of(layout.align());
        let end = start.saturating_add(layout.size());
        if end > LEN || layout.align() > 16 {
            return core::ptr::null_mut();
        }
        self.used.set(end);
        self.bytes.get().cast::<u8>().wrapping_add(start)
    }

    unsafe fn dealloc(&self, _: *mut u8, _: Layout) {}
}
