//! The programs of `heap/program` on rlsf, over 64 MiB in a static, in a spin lock.

#[path = "../program/mod.rs"]
mod program;

use std::alloc::{GlobalAlloc, Layout};
use std::ptr::{self, NonNull};

use rlsf::Tlsf;
use spin::{Mutex, MutexGuard};

static mut REGION: [u8; 64 << 20] = [0; 64 << 20];

/// The heap, and whether it has its region.
struct Inner(Tlsf<'static, u32, u32, 22, 32>, bool);

struct Locked(Mutex<Inner>);

impl Locked {
    fn lock(&self) -> MutexGuard<'_, Inner> {
        let mut inner = self.0.lock();
        if !inner.1 {
            inner.1 = true;
            let region = ptr::slice_from_raw_parts_mut((&raw mut REGION).cast(), 64 << 20);
            // SAFETY: nothing else uses the region, and it is given once.
            unsafe {
                inner
                    .0
                    .insert_free_block_ptr(NonNull::new_unchecked(region))
            };
        }
        inner
    }
}

// SAFETY: that is what rlsf's documentation promises.
unsafe impl GlobalAlloc for Locked {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        self.lock()
            .0
            .allocate(layout)
            .map_or(ptr::null_mut(), NonNull::as_ptr)
    }

    unsafe fn dealloc(&self, object: *mut u8, layout: Layout) {
        // SAFETY: by the contract.
        unsafe {
            self.lock()
                .0
                .deallocate(NonNull::new_unchecked(object), layout.align());
        }
    }

    unsafe fn realloc(&self, object: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        // SAFETY: by the contract.
        unsafe {
            let new = Layout::from_size_align_unchecked(size, layout.align());
            self.lock()
                .0
                .reallocate(NonNull::new_unchecked(object), new)
                .map_or(ptr::null_mut(), NonNull::as_ptr)
        }
    }
}

#[global_allocator]
static HEAP: Locked = Locked(Mutex::new(Inner(Tlsf::new(), false)));

fn main() {
    program::main();
}
