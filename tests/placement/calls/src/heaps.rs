//! The heaps, each over memory that it is given. `tests/placement/cortex_calls` compiles this file, too.

use core::alloc::{GlobalAlloc, Layout};
use core::ptr::{self, NonNull};

use framepool::heap::{Heap, HeapLock};
use rlsf::Tlsf;
use talc::TalcCell;
use talc::source::Manual;

/// What is called: as of `GlobalAlloc`.
pub trait Called {
    fn alloc(&mut self, layout: Layout) -> *mut u8;
    /// # Safety
    /// As for `GlobalAlloc`.
    unsafe fn free(&mut self, object: *mut u8, layout: Layout);
    /// # Safety
    /// As for `GlobalAlloc`.
    unsafe fn realloc(&mut self, object: *mut u8, layout: Layout, size: usize) -> *mut u8;
}

pub struct Global<A>(A);

impl<A: GlobalAlloc> Called for Global<A> {
    fn alloc(&mut self, layout: Layout) -> *mut u8 {
        // SAFETY: the size is not zero.
        unsafe { self.0.alloc(layout) }
    }

    unsafe fn free(&mut self, object: *mut u8, layout: Layout) {
        // SAFETY: by the contract.
        unsafe { self.0.dealloc(object, layout) };
    }

    unsafe fn realloc(&mut self, object: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        // SAFETY: by the contract.
        unsafe { self.0.realloc(object, layout, size) }
    }
}

/// framepool's heap over `len` bytes.
///
/// # Safety
/// The heap has the memory to itself, for ever. So for the functions below.
pub unsafe fn ours<L: HeapLock>(start: NonNull<u8>, len: usize) -> Global<Heap<L>> {
    let heap = Heap::new();
    // SAFETY: the caller's promise.
    unsafe { heap.add_region(start, len) }.expect("a region");
    Global(heap)
}

/// talc without a lock.
///
/// # Safety
/// As for [`ours`].
pub unsafe fn talc(start: NonNull<u8>, len: usize) -> Global<TalcCell<Manual>> {
    let heap = TalcCell::new(Manual);
    // SAFETY: the caller's promise.
    unsafe { heap.claim(start.as_ptr(), len) }.expect("a region");
    Global(heap)
}

/// rlsf with 32 lists for each of 22 powers of two.
pub type Lists = Tlsf<'static, u32, u32, 22, 32>;

/// rlsf.
///
/// # Safety
/// As for [`ours`].
pub unsafe fn rlsf(start: NonNull<u8>, len: usize) -> Lists {
    let mut heap = Lists::new();
    let bytes = NonNull::slice_from_raw_parts(start, len);
    // SAFETY: the caller's promise.
    unsafe { heap.insert_free_block_ptr(bytes) }.expect("a region");
    heap
}

impl Called for Lists {
    fn alloc(&mut self, layout: Layout) -> *mut u8 {
        self.allocate(layout)
            .map_or(ptr::null_mut(), NonNull::as_ptr)
    }

    unsafe fn free(&mut self, object: *mut u8, layout: Layout) {
        // SAFETY: by the contract.
        unsafe { self.deallocate(NonNull::new_unchecked(object), layout.align()) };
    }

    unsafe fn realloc(&mut self, object: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        // SAFETY: by the contract.
        unsafe {
            let new = Layout::from_size_align_unchecked(size, layout.align());
            self.reallocate(NonNull::new_unchecked(object), new)
                .map_or(ptr::null_mut(), NonNull::as_ptr)
        }
    }
}
