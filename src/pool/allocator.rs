//! `Allocator` for `&Pool` and `&CacheCell`: collections whose memory is a block.
//!
//! The trait exists twice: in the crate [`allocator-api2`](https://docs.rs/allocator-api2), on stable
//! (feature `allocator-api2`), and in `core`, unstable (`--cfg framepool_nightly`). The macro below
//! implements both.

use core::alloc::Layout;
use core::ptr::NonNull;

use crate::pool::Pool;
use crate::pool::audit::AuditKind;
use crate::pool::by_layout::{Fill, Unserved, dangling};
use crate::pool::cache_cell::CacheCell;

/// Memory by layout: what the traits need.
pub(super) trait Memory {
    /// Whether the layout fits a block.
    fn holds(&self, layout: Layout) -> bool;

    /// Takes a block; none for size 0.
    #[cfg_attr(feature = "audit", track_caller)]
    fn take(&self, layout: Layout, fill: Fill) -> Result<NonNull<u8>, Unserved>;

    /// Frees memory.
    ///
    /// # Safety
    /// `at` is from this memory's [`take`](Self::take) or [`resize`](Self::resize), `size` fits the layout, and `size`
    /// is 0 only if the layout's size was. The memory is not used any more.
    #[cfg_attr(feature = "audit", track_caller)]
    unsafe fn give(&self, at: NonNull<u8>, size: usize);

    /// Makes memory larger or smaller, in place within the block. Writes nothing but the zeros that
    /// `fill` asks for.
    ///
    /// # Errors
    /// The new layout does not fit a block, or it is the first that needs one and none is free. The
    /// memory is unchanged.
    ///
    /// # Safety
    /// As for [`give`](Self::give). On success the result replaces the old memory; on failure
    /// the caller still owns the old memory.
    #[inline]
    #[cfg_attr(feature = "audit", track_caller)]
    unsafe fn resize(
        &self,
        at: NonNull<u8>,
        old: Layout,
        new: Layout,
        fill: Fill,
    ) -> Result<NonNull<u8>, Unserved> {
        if old.size() == 0 {
            return self.take(new, fill);
        }
        if new.size() == 0 {
            // SAFETY: the caller's promise.
            unsafe { self.give(at, old.size()) };
            return Ok(dangling(new));
        }
        if !self.holds(new) {
            return Err(Unserved);
        }
        let more = new.size().saturating_sub(old.size());
        // SAFETY: the memory is a whole block, which holds both sizes.
        unsafe { fill.apply(at.add(old.size()), more) };
        Ok(at)
    }
}

impl Memory for Pool<'_> {
    #[inline]
    fn holds(&self, layout: Layout) -> bool {
        self.fits(layout)
    }

    #[inline]
    #[cfg_attr(feature = "audit", track_caller)]
    fn take(&self, layout: Layout, fill: Fill) -> Result<NonNull<u8>, Unserved> {
        self.take_layout(layout, fill, AuditKind::AllocatedAsMemory)
    }

    #[inline]
    #[cfg_attr(feature = "audit", track_caller)]
    unsafe fn give(&self, at: NonNull<u8>, size: usize) {
        // SAFETY: the caller's promise.
        unsafe { self.give_layout(at, size, AuditKind::FreedAsMemory) };
    }
}

/// Implements the trait of one crate; `#[$each]` stands before each function that passes its caller on.
macro_rules! allocator {
    (
        $(#[$doc:meta])* impl[$($generics:tt)*] $($api:ident)::+ for $ty:ty, each #[$each:meta],
        new: $($new:ident $new_fill:ident)*, resized: $($resized:ident $resized_fill:ident)*
    ) => {
        const _: () = {
            use $($api)::+::{AllocError, Allocator};

            fn slice(at: Result<NonNull<u8>, Unserved>, len: usize) -> Result<NonNull<[u8]>, AllocError> {
                match at {
                    Ok(at) => Ok(NonNull::slice_from_raw_parts(at, len)),
                    Err(Unserved) => Err(AllocError),
                }
            }

            $(#[$doc])*
            // SAFETY: a block stays valid and in place until it is freed, through this reference or a copy of
            // it; all of them refer to the same pool, which outlives them. A size of 0 is distinguished,
            // because the returned length is the requested one.
            unsafe impl<$($generics)*> Allocator for $ty {
                $(
                    #[inline]
                    #[$each]
                    fn $new(&self, layout: Layout) -> Result<NonNull<[u8]>, AllocError> {
                        slice(self.take(layout, Fill::$new_fill), layout.size())
                    }
                )*

                #[inline]
                #[$each]
                unsafe fn deallocate(&self, at: NonNull<u8>, layout: Layout) {
                    // SAFETY: the caller's promise is that of `give`.
                    unsafe { self.give(at, layout.size()) };
                }

                $(
                    #[inline]
                    #[$each]
                    unsafe fn $resized(
                        &self,
                        at: NonNull<u8>,
                        old: Layout,
                        new: Layout,
                    ) -> Result<NonNull<[u8]>, AllocError> {
                        // SAFETY: the caller's promise is that of `resize`.
                        let at = unsafe { self.resize(at, old, new, Fill::$resized_fill) };
                        slice(at, new.size())
                    }
                )*
            }
        };
    };
}

#[cfg(feature = "allocator-api2")]
allocator! {
    /// Serves any layout that fits a block, with one compare-and-swap to allocate and one to free. Grows and
    /// shrinks in place within the block. A layout of size 0 takes no block.
    ///
    /// `AllocError` means that the layout does not fit a block, or that none is free; the pool counts
    /// the latter. A `Vec` that outgrows its block fails like any allocation: `try_reserve` returns an
    /// error, other methods call `handle_alloc_error`.
    ///
    /// ```
    /// use allocator_api2::vec::Vec;
    ///
    /// framepool::pool!(static MESSAGES: [256; 64]);
    ///
    /// let mut orders = Vec::new_in(&MESSAGES);
    /// orders.extend([7_u32, 8, 9]);
    /// orders.reserve(60); // in place: the block holds 252 bytes
    /// assert_eq!(MESSAGES.stats().allocations, 1);
    /// assert!(orders.try_reserve(64).is_err(), "more than a block");
    /// drop(orders);
    /// assert_eq!(MESSAGES.stats().in_use, 0);
    /// ```
    impl[] allocator_api2::alloc for &Pool<'_>, each #[cfg_attr(feature = "audit", track_caller)],
    new: allocate Any allocate_zeroed Zeros, resized: grow Any grow_zeroed Zeros shrink Any
}

#[cfg(framepool_nightly)]
allocator! {
    /// Serves any layout that fits a block, with one compare-and-swap to allocate and one to free. Grows and
    /// shrinks in place within the block. A layout of size 0 takes no block.
    ///
    /// `AllocError` means that the layout does not fit a block, or that none is free; the pool counts
    /// the latter.
    impl[] core::alloc for &Pool<'_>, each #[cfg_attr(feature = "audit", track_caller)],
    new: allocate Any allocate_zeroed Zeros, resized: grow Any grow_zeroed Zeros shrink Any
}

#[cfg(feature = "allocator-api2")]
allocator! {
    /// Serves any layout that fits a block, from the cache: no atomic, except for exchanges with the depot. Grows and
    /// shrinks in place within the block. A layout of size 0 takes no block.
    ///
    /// `AllocError` means that the layout does not fit a block, or that neither the cache nor the depot has one.
    impl[const N: usize] allocator_api2::alloc for &CacheCell<'_, N>,
    each #[cfg_attr(feature = "audit", track_caller)],
    new: allocate Any allocate_zeroed Zeros, resized: grow Any grow_zeroed Zeros shrink Any
}

#[cfg(framepool_nightly)]
allocator! {
    /// Serves any layout that fits a block, from the cache: no atomic, except for exchanges with the depot. Grows and
    /// shrinks in place within the block. A layout of size 0 takes no block.
    ///
    /// `AllocError` means that the layout does not fit a block, or that neither the cache nor the depot has one.
    impl[const N: usize] core::alloc for &CacheCell<'_, N>,
    each #[cfg_attr(feature = "audit", track_caller)],
    new: allocate Any allocate_zeroed Zeros, resized: grow Any grow_zeroed Zeros shrink Any
}
