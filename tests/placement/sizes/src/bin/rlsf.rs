//! rlsf as its documentation sets it up: 12 powers of two, 16 lists in each.
#![no_std]
#![no_main]

use core::alloc::{GlobalAlloc, Layout};
use core::cell::UnsafeCell;
use core::ptr::{self, NonNull};

use sizes::{LEN, Memory};

static MEMORY: Memory = Memory::new();

type Tlsf = rlsf::Tlsf<'static, u16, u16, 12, 16>;

struct Heap(UnsafeCell<Tlsf>);

// SAFETY: accessed in critical sections only.
unsafe impl Sync for Heap {}

impl Heap {
    fn with<T>(&self, f: impl FnOnce(&mut Tlsf) -> T) -> T {
        // SAFETY: in a critical section, which `f` does not enter again.
        critical_section::with(|_| f(unsafe { &mut *self.0.get() }))
    }
}

fn or_null(at: Option<NonNull<u8>>) -> *mut u8 {
    at.map_or(ptr::null_mut(), NonNull::as_ptr)
}

// SAFETY: that is what rlsf promises.
unsafe impl GlobalAlloc for Heap {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        or_null(self.with(|heap| heap.allocate(layout)))
    }

    unsafe fn dealloc(&self, at: *mut u8, layout: Layout) {
        // SAFETY: the caller's promise.
        self.with(|heap| unsafe { heap.deallocate(NonNull::new_unchecked(at), layout.align()) });
    }

    unsafe fn realloc(&self, at: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        // SAFETY: the caller's promise.
        or_null(self.with(|heap| unsafe {
            let new = Layout::from_size_align_unchecked(size, layout.align());
            heap.reallocate(NonNull::new_unchecked(at), new)
        }))
    }
}

#[global_allocator]
static HEAP: Heap = Heap(UnsafeCell::new(Tlsf::new()));

sizes::program!({
    HEAP.with(|heap| {
        let bytes = ptr::slice_from_raw_parts_mut(MEMORY.start(), LEN);
        // SAFETY: the heap has the memory to itself.
        NonNull::new(bytes).and_then(|bytes| unsafe { heap.insert_free_block_ptr(bytes) })
    });
});
