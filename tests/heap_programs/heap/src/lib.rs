//! framepool's heaps as the global allocator of other crates' tests. `../run` adds this crate to them.

use std::alloc::{GlobalAlloc, Layout};

#[cfg(not(feature = "thread_heap"))]
framepool::heap!(static HEAP: 512 << 20, lock = framepool::heap::Spin);
#[cfg(feature = "thread_heap")]
framepool::thread_heap!(static HEAP: 512 << 20);

/// The heap, for `#[global_allocator]`, or in place of `System` in an allocator of a test program.
pub struct Heap;

// SAFETY: all goes to the heap.
unsafe impl GlobalAlloc for Heap {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        // SAFETY: the caller's promise, here and below.
        unsafe { GlobalAlloc::alloc(&HEAP, layout) }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        // SAFETY: as above.
        unsafe { GlobalAlloc::alloc_zeroed(&HEAP, layout) }
    }

    unsafe fn dealloc(&self, at: *mut u8, layout: Layout) {
        // SAFETY: as above.
        unsafe { GlobalAlloc::dealloc(&HEAP, at, layout) }
    }

    unsafe fn realloc(&self, at: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        // SAFETY: as above.
        unsafe { GlobalAlloc::realloc(&HEAP, at, layout, size) }
    }
}

/// Panics if the heap does not serve this thread, or is damaged.
pub fn check() {
    #[cfg(not(feature = "thread_heap"))]
    let serves = HEAP.contains(&raw const *Box::new(1_u8));
    #[cfg(feature = "thread_heap")]
    let serves = HEAP.stats().fronts > 0;
    assert!(serves, "another allocator serves this program");
    check_state();
}

fn check_state() {
    #[cfg(feature = "thread_heap")]
    assert_eq!(HEAP.stats().invalid_frees, 0);
    if let Err(error) = HEAP.check() {
        panic!("the heap is damaged: {error}");
    }
}

// When all tests of the program have run. A panic aborts the program.
extern "C" fn at_exit() {
    check_state();
}

// SAFETY: the section is a list of such functions, called at exit.
#[used]
#[unsafe(link_section = ".fini_array")]
static AT_EXIT: extern "C" fn() = at_exit;
