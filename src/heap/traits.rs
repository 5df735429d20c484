//! `GlobalAlloc` for heaps, and `Allocator` for references to them.
//!
//! The trait `Allocator` exists twice: in the crate [`allocator-api2`](https://docs.rs/allocator-api2), on stable
//! (feature `allocator-api2`), and in `core`, unstable (`--cfg framepool_nightly`). The macro below implements
//! both.

use core::alloc::{GlobalAlloc, Layout};
use core::ptr::{self, NonNull};

use crate::heap::Heap;
use crate::heap::lock::HeapLock;
use crate::heap::statics::StaticHeap;
#[cfg(feature = "hardened")]
use crate::heap::{Hardenable, Hardened};

// What the traits need of both types.

impl<L: HeapLock> Heap<L> {
    #[inline(always)]
    fn set_up(&self) -> &Self {
        self
    }
}

impl<L: HeapLock> StaticHeap<L> {
    /// The heap. It is set up already if it has a block.
    #[inline(always)]
    fn set_up(&self) -> &Heap<L> {
        self.heap
    }
}

/// The pointer, or null.
#[inline(always)]
fn or_null(at: Option<NonNull<u8>>) -> *mut u8 {
    at.map_or(ptr::null_mut(), NonNull::as_ptr)
}

macro_rules! global_alloc {
    ([$($generics:tt)*] $heap:ty) => {
        /// O(1) but for zeroing and copying, without a panic; null when no free block is large enough.
        // SAFETY: a block stays in place until it is freed, and holds its layout, aligned. Nothing unwinds.
        unsafe impl<$($generics)*> GlobalAlloc for $heap {
            #[inline]
            unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
                or_null(self.serve(layout))
            }

            #[inline]
            unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
                or_null(self.serve_zeroed(layout))
            }

            #[inline]
            unsafe fn dealloc(&self, at: *mut u8, layout: Layout) {
                // SAFETY: the caller's promise; memory of this allocator is not at null.
                unsafe { self.set_up().dealloc(NonNull::new_unchecked(at), layout) };
            }

            #[inline]
            unsafe fn realloc(&self, at: *mut u8, layout: Layout, size: usize) -> *mut u8 {
                // SAFETY: as above; `size`, rounded up to the alignment, does not overflow.
                unsafe {
                    let new = Layout::from_size_align_unchecked(size, layout.align());
                    or_null(
                        self.set_up()
                            .resize(NonNull::new_unchecked(at), layout, new),
                    )
                }
            }
        }
    };
}

global_alloc!([L: HeapLock] Heap<L>);
global_alloc!([L: HeapLock] StaticHeap<L>);
#[cfg(feature = "hardened")]
global_alloc!([H: Hardenable, const N: usize] Hardened<H, N>);

/// Implements the trait `Allocator` of one crate for references to one type of heap.
#[cfg(any(feature = "allocator-api2", framepool_nightly))]
macro_rules! allocator {
    ($(#[$doc:meta])* impl[$($generics:tt)*] $($api:ident)::+ for $heap:ty) => {
        const _: () = {
            use $($api)::+::{AllocError, Allocator};

            fn slice(at: Option<NonNull<u8>>, len: usize) -> Result<NonNull<[u8]>, AllocError> {
                let at = at.ok_or(AllocError)?;
                Ok(NonNull::slice_from_raw_parts(at, len))
            }

            $(#[$doc])*
            // SAFETY: a block stays valid and in place until it is freed, through this reference or a copy of
            // it; all of them refer to the same heap, which outlives them. Size 0 takes no memory.
            unsafe impl<$($generics)*> Allocator for &$heap {
                #[inline]
                fn allocate(&self, layout: Layout) -> Result<NonNull<[u8]>, AllocError> {
                    slice(self.serve(layout), layout.size())
                }

                #[inline]
                fn allocate_zeroed(&self, layout: Layout) -> Result<NonNull<[u8]>, AllocError> {
                    slice(self.serve_zeroed(layout), layout.size())
                }

                #[inline]
                unsafe fn deallocate(&self, at: NonNull<u8>, layout: Layout) {
                    // SAFETY: the caller's promise.
                    unsafe { self.set_up().dealloc(at, layout) };
                }

                #[inline]
                unsafe fn grow(
                    &self,
                    at: NonNull<u8>,
                    old: Layout,
                    new: Layout,
                ) -> Result<NonNull<[u8]>, AllocError> {
                    if old.size() == 0 {
                        return self.allocate(new);
                    }
                    // SAFETY: the caller's promise.
                    slice(unsafe { self.set_up().resize(at, old, new) }, new.size())
                }

                #[inline]
                unsafe fn grow_zeroed(
                    &self,
                    at: NonNull<u8>,
                    old: Layout,
                    new: Layout,
                ) -> Result<NonNull<[u8]>, AllocError> {
                    // SAFETY: the caller's promise; the new memory is not smaller than the old.
                    unsafe {
                        let grown = self.grow(at, old, new)?;
                        let more = new.size().saturating_sub(old.size());
                        grown.cast::<u8>().add(old.size()).write_bytes(0, more);
                        Ok(grown)
                    }
                }

                #[inline]
                unsafe fn shrink(
                    &self,
                    at: NonNull<u8>,
                    old: Layout,
                    new: Layout,
                ) -> Result<NonNull<[u8]>, AllocError> {
                    // SAFETY: the caller's promise; a change of size is the same either way.
                    unsafe { self.grow(at, old, new) }
                }
            }
        };
    };
}

#[cfg(feature = "allocator-api2")]
allocator! {
    /// Serves any layout, grows and shrinks in place where it can. A layout of size 0 takes no memory.
    ///
    /// `AllocError` means that no free block is large enough; the heap counts it.
    ///
    /// ```
    /// use allocator_api2::vec::Vec;
    /// use core::mem::MaybeUninit;
    /// use framepool::heap::{Heap, Unlocked};
    ///
    /// let heap = Heap::<Unlocked>::new();
    /// heap.add_memory(Box::leak(Box::new([MaybeUninit::uninit(); 8192])))?;
    ///
    /// let mut orders = Vec::new_in(&heap);
    /// orders.extend([7_u32, 8, 9]);
    /// assert!(orders.try_reserve(4000).is_err(), "more than there is");
    /// drop(orders);
    /// assert_eq!(heap.stats().in_use(), 0);
    /// # Ok::<(), Box<dyn core::error::Error>>(())
    /// ```
    impl[L: HeapLock] allocator_api2::alloc for Heap<L>
}

#[cfg(feature = "allocator-api2")]
allocator! {
    /// As for `&Heap`.
    impl[L: HeapLock] allocator_api2::alloc for StaticHeap<L>
}

#[cfg(framepool_nightly)]
allocator! {
    /// Serves any layout, grows and shrinks in place where it can. A layout of size 0 takes no memory.
    ///
    /// `AllocError` means that no free block is large enough; the heap counts it.
    impl[L: HeapLock] core::alloc for Heap<L>
}

#[cfg(framepool_nightly)]
allocator! {
    /// As for `&Heap`.
    impl[L: HeapLock] core::alloc for StaticHeap<L>
}

#[cfg(all(feature = "hardened", feature = "allocator-api2"))]
allocator! {
    /// As for `&Heap`.
    impl[H: Hardenable, const N: usize] allocator_api2::alloc for Hardened<H, N>
}

#[cfg(all(feature = "hardened", framepool_nightly))]
allocator! {
    /// As for `&Heap`.
    impl[H: Hardenable, const N: usize] core::alloc for Hardened<H, N>
}

#[cfg(all(
    feature = "std",
    feature = "spin",
    not(loom),
    any(feature = "allocator-api2", framepool_nightly)
))]
mod of_threads {
    use super::*;
    use crate::heap::{ThreadHeap, dangling};

    /// What the trait needs: `GlobalAlloc` has no layout of size 0.
    impl ThreadHeap {
        #[inline]
        fn serve(&self, layout: Layout) -> Option<NonNull<u8>> {
            match layout.size() {
                0 => Some(dangling(layout)),
                _ => self.take(layout),
            }
        }

        #[inline]
        fn serve_zeroed(&self, layout: Layout) -> Option<NonNull<u8>> {
            match layout.size() {
                0 => Some(dangling(layout)),
                _ => self.take_zeroed(layout),
            }
        }

        #[inline(always)]
        fn set_up(&self) -> Resizing<'_> {
            Resizing(self)
        }
    }

    struct Resizing<'a>(&'a ThreadHeap);

    impl Resizing<'_> {
        /// # Safety
        /// As for [`ThreadHeap::give`], but that a layout of size 0 has no memory.
        #[inline]
        unsafe fn dealloc(&self, at: NonNull<u8>, layout: Layout) {
            if layout.size() > 0 {
                // SAFETY: the caller's promise.
                unsafe { self.0.give(at, layout) };
            }
        }

        /// # Safety
        /// As for [`ThreadHeap::resize`], but that `new` may have size 0. `old` has not.
        #[inline]
        unsafe fn resize(&self, at: NonNull<u8>, old: Layout, new: Layout) -> Option<NonNull<u8>> {
            if new.size() == 0 {
                // SAFETY: the caller's promise.
                unsafe { self.0.give(at, old) };
                return Some(dangling(new));
            }
            // SAFETY: the caller's promise.
            unsafe { self.0.resize(at, old, new) }
        }
    }

    #[cfg(feature = "allocator-api2")]
    allocator! {
        /// As for `&Heap`, from the front of the calling thread.
        ///
        /// ```
        /// use allocator_api2::vec::Vec;
        ///
        /// framepool::thread_heap!(static ORDERS: 8 << 20);
        ///
        /// let mut orders = Vec::new_in(&ORDERS);
        /// orders.extend([7_u32, 8, 9]);
        /// assert!(orders.try_reserve(4 << 20).is_err(), "more than there is");
        /// ```
        impl[] allocator_api2::alloc for ThreadHeap
    }

    #[cfg(framepool_nightly)]
    allocator! {
        /// As for `&Heap`, from the front of the calling thread.
        impl[] core::alloc for ThreadHeap
    }
}
