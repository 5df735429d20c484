//! What a hardened heap needs of the heap below.

use core::alloc::Layout;
use core::ptr::NonNull;

use crate::heap::{Heap, HeapLock, StaticHeap};
#[cfg(all(feature = "std", feature = "spin", not(loom)))]
use crate::heap::{Spin, ThreadHeap};

/// A heap without guards.
///
/// # Safety
/// Blocks of the layouts, aligned, that belong to the caller until they are given back. All of them are in regions of `core`,
/// whose lock keeps calls of [`Heap::with`] apart.
pub unsafe trait Store {
    type Lock: HeapLock;

    fn core(&self) -> &Heap<Self::Lock>;

    /// The layout is not of size 0, here and below.
    fn take(&self, layout: Layout) -> Option<NonNull<u8>>;

    fn take_zeroed(&self, layout: Layout) -> Option<NonNull<u8>>;

    /// # Safety
    /// Taken from here with this layout, and not used any more.
    unsafe fn give(&self, at: NonNull<u8>, layout: Layout);

    /// # Safety
    /// As for `give`. If there is a result, it replaces the memory.
    unsafe fn resize(&self, at: NonNull<u8>, old: Layout, new: Layout) -> Option<NonNull<u8>>;

    /// Whether memory of a layout that was taken is a block of the core.
    fn is_of_core(&self, _: Layout) -> bool {
        true
    }
}

// SAFETY: the methods of the heap.
unsafe impl<L: HeapLock> Store for Heap<L> {
    type Lock = L;

    fn core(&self) -> &Self {
        self
    }

    fn take(&self, layout: Layout) -> Option<NonNull<u8>> {
        self.serve(layout)
    }

    fn take_zeroed(&self, layout: Layout) -> Option<NonNull<u8>> {
        self.serve_zeroed(layout)
    }

    unsafe fn give(&self, at: NonNull<u8>, layout: Layout) {
        // SAFETY: the caller's promise.
        unsafe { self.dealloc(at, layout) };
    }

    unsafe fn resize(&self, at: NonNull<u8>, old: Layout, new: Layout) -> Option<NonNull<u8>> {
        // SAFETY: the caller's promise.
        unsafe { Self::resize(self, at, old, new) }
    }
}

// SAFETY: the methods of the heap, set up before.
unsafe impl<L: HeapLock> Store for StaticHeap<L> {
    type Lock = L;

    fn core(&self) -> &Heap<L> {
        self.heap
    }

    fn take(&self, layout: Layout) -> Option<NonNull<u8>> {
        self.serve(layout)
    }

    fn take_zeroed(&self, layout: Layout) -> Option<NonNull<u8>> {
        self.serve_zeroed(layout)
    }

    unsafe fn give(&self, at: NonNull<u8>, layout: Layout) {
        // SAFETY: the caller's promise.
        unsafe { self.heap.dealloc(at, layout) };
    }

    unsafe fn resize(&self, at: NonNull<u8>, old: Layout, new: Layout) -> Option<NonNull<u8>> {
        // SAFETY: the caller's promise.
        unsafe { self.heap.resize(at, old, new) }
    }
}

// SAFETY: the methods of the heap; spans are memory of the core.
#[cfg(all(feature = "std", feature = "spin", not(loom)))]
unsafe impl Store for ThreadHeap {
    type Lock = Spin;

    fn core(&self) -> &Heap<Spin> {
        Self::core(self)
    }

    fn take(&self, layout: Layout) -> Option<NonNull<u8>> {
        Self::take(self, layout)
    }

    fn take_zeroed(&self, layout: Layout) -> Option<NonNull<u8>> {
        Self::take_zeroed(self, layout)
    }

    unsafe fn give(&self, at: NonNull<u8>, layout: Layout) {
        // SAFETY: the caller's promise.
        unsafe { Self::give(self, at, layout) };
    }

    unsafe fn resize(&self, at: NonNull<u8>, old: Layout, new: Layout) -> Option<NonNull<u8>> {
        // SAFETY: the caller's promise.
        unsafe { Self::resize(self, at, old, new) }
    }

    fn is_of_core(&self, layout: Layout) -> bool {
        !self.is_object(layout)
    }
}
