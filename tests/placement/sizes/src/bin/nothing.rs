//! No allocation: the entry point and the end.
#![no_std]
#![no_main]

use core::alloc::{GlobalAlloc, Layout};

struct Nothing;

// SAFETY: there is no memory.
unsafe impl GlobalAlloc for Nothing {
    unsafe fn alloc(&self, _: Layout) -> *mut u8 {
        core::ptr::null_mut()
    }

    unsafe fn dealloc(&self, _: *mut u8, _: Layout) {}
}

#[global_allocator]
static HEAP: Nothing = Nothing;

sizes::entry!({ sizes::stop() });
