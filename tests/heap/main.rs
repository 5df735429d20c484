//! The heap: regions, requests of any size, and the allocators over it.
#![allow(missing_docs)]
#![cfg_attr(framepool_nightly, feature(allocator_api))]

#[cfg(any(feature = "allocator-api2", framepool_nightly))]
mod allocator;
mod bad_input;
mod behaviours;
mod cases;
mod exhaustion;
#[cfg(feature = "hardened")]
mod hardened;
#[cfg(all(
    feature = "std",
    feature = "spin",
    feature = "mmap",
    target_os = "linux"
))]
mod mapped;
mod model;
#[cfg(all(
    feature = "std",
    feature = "spin",
    feature = "mmap",
    target_os = "linux",
    not(miri)
))]
#[path = "../support/refusing.rs"]
mod refusing;
mod regions;
// Public, so that documentation that is missing would be noticed.
#[cfg(feature = "spin")]
pub mod statics;
#[cfg(all(feature = "std", feature = "spin"))]
mod taken_back;
#[cfg(all(feature = "std", feature = "spin"))]
mod threads;

use core::alloc::Layout;
use core::mem::MaybeUninit;
use core::ptr::NonNull;

use framepool::heap::{Heap, Unlocked};

/// Memory for the regions of a test, aligned to 4096. It is freed when the test ends.
struct Memory {
    start: NonNull<u8>,
    len: usize,
}

impl Memory {
    fn new(len: usize) -> Self {
        // SAFETY: the size is not 0.
        let start = unsafe { std::alloc::alloc_zeroed(Self::layout(len)) };
        Self {
            start: NonNull::new(start).unwrap(),
            len,
        }
    }

    fn layout(len: usize) -> Layout {
        Layout::from_size_align(len, 4096).unwrap()
    }

    fn at(&self, offset: usize) -> NonNull<u8> {
        assert!(offset <= self.len);
        // SAFETY: in the allocation, or at its end.
        unsafe { self.start.add(offset) }
    }
}

impl Drop for Memory {
    fn drop(&mut self) {
        // SAFETY: allocated in `new`.
        unsafe { std::alloc::dealloc(self.start.as_ptr(), Self::layout(self.len)) };
    }
}

/// A heap over `len` bytes, checked when it ends: everything is free again, in one block.
fn with_heap<R>(len: usize, f: impl FnOnce(&Heap<Unlocked>) -> R) -> R {
    let memory = Memory::new(len);
    let heap = Heap::<Unlocked>::new();
    // SAFETY: `memory` outlives the heap.
    unsafe { heap.add_region(memory.start, len) }.unwrap();
    let before = heap.stats();
    assert_eq!(before.total, len);
    let result = f(&heap);
    let after = heap.stats();
    assert_eq!(after.in_use(), 0);
    assert_eq!(
        (after.used, after.requested, after.largest),
        (0, 0, before.largest)
    );
    assert_eq!(heap.check().unwrap().free, 1);
    result
}

fn layout(size: usize, align: usize) -> Layout {
    Layout::from_size_align(size, align).unwrap()
}

fn leaked(len: usize) -> &'static mut [MaybeUninit<u8>] {
    /// Miri reports memory that no static names as leaked.
    static KEPT: std::sync::Mutex<Vec<Kept>> = std::sync::Mutex::new(Vec::new());
    struct Kept(#[allow(dead_code)] *mut u8);
    // SAFETY: the pointer is not used.
    unsafe impl Send for Kept {}

    let memory = Box::into_raw(Box::new_uninit_slice(len));
    KEPT.lock().unwrap().push(Kept(memory.cast()));
    // SAFETY: just allocated, never freed, and borrowed once.
    unsafe { &mut *memory }
}
