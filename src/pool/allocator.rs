//! `Allocator` for `&Pool`: collections whose memory is a block.
//!
//! The trait exists twice: in the crate [`allocator-api2`](https://docs.rs/allocator-api2), on stable
//! (feature `allocator-api2`), and in `core`, unstable (`--cfg framepool_nightly`). Both say the same, and
//! so do both implementations.

use core::alloc::Layout;
use core::ptr::NonNull;

use crate::pool::Pool;
use crate::pool::audit::AuditKind;
use crate::pool::by_layout::{Fill, Unserved};

macro_rules! allocator {
    ($(#[$doc:meta])* $($api:ident)::+) => {
        const _: () = {
            use $($api)::+::{AllocError, Allocator};

            #[cfg_attr(feature = "audit", track_caller)]
            fn new(pool: &Pool<'_>, layout: Layout, fill: Fill) -> Result<NonNull<[u8]>, AllocError> {
                slice(pool.take_layout(layout, fill, AuditKind::AllocatedAsMemory), layout.size())
            }

            #[cfg_attr(feature = "audit", track_caller)]
            unsafe fn resized(
                pool: &Pool<'_>,
                at: NonNull<u8>,
                (old, new): (Layout, Layout),
                fill: Fill,
            ) -> Result<NonNull<[u8]>, AllocError> {
                // SAFETY: the caller passes on what `Allocator` asks of its callers.
                slice(unsafe { pool.resize_layout(at, old, new, fill) }, new.size())
            }

            fn slice(at: Result<NonNull<u8>, Unserved>, len: usize) -> Result<NonNull<[u8]>, AllocError> {
                match at {
                    Ok(at) => Ok(NonNull::slice_from_raw_parts(at, len)),
                    Err(Unserved) => Err(AllocError),
                }
            }

            $(#[$doc])*
            // SAFETY: a block stays valid, and where it is, until it is given back, through this
            // reference or a copy of it; all of them are the same pool, which outlives them. A size
            // of 0 stays apart from the others, as the length that is answered is the one asked for.
            unsafe impl Allocator for &Pool<'_> {
                #[inline]
                #[cfg_attr(feature = "audit", track_caller)]
                fn allocate(&self, layout: Layout) -> Result<NonNull<[u8]>, AllocError> {
                    new(self, layout, Fill::Any)
                }

                #[inline]
                #[cfg_attr(feature = "audit", track_caller)]
                fn allocate_zeroed(&self, layout: Layout) -> Result<NonNull<[u8]>, AllocError> {
                    new(self, layout, Fill::Zeros)
                }

                #[inline]
                #[cfg_attr(feature = "audit", track_caller)]
                unsafe fn deallocate(&self, at: NonNull<u8>, layout: Layout) {
                    // SAFETY: the caller's promise is that of `give_layout`.
                    unsafe { self.give_layout(at, layout.size(), AuditKind::FreedAsMemory) };
                }

                #[inline]
                #[cfg_attr(feature = "audit", track_caller)]
                unsafe fn grow(
                    &self,
                    at: NonNull<u8>,
                    old: Layout,
                    new: Layout,
                ) -> Result<NonNull<[u8]>, AllocError> {
                    // SAFETY: the caller's promise is that of `resize_layout`.
                    unsafe { resized(self, at, (old, new), Fill::Any) }
                }

                #[inline]
                #[cfg_attr(feature = "audit", track_caller)]
                unsafe fn grow_zeroed(
                    &self,
                    at: NonNull<u8>,
                    old: Layout,
                    new: Layout,
                ) -> Result<NonNull<[u8]>, AllocError> {
                    // SAFETY: the caller's promise is that of `resize_layout`.
                    unsafe { resized(self, at, (old, new), Fill::Zeros) }
                }

                #[inline]
                #[cfg_attr(feature = "audit", track_caller)]
                unsafe fn shrink(
                    &self,
                    at: NonNull<u8>,
                    old: Layout,
                    new: Layout,
                ) -> Result<NonNull<[u8]>, AllocError> {
                    // SAFETY: the caller's promise is that of `resize_layout`.
                    unsafe { resized(self, at, (old, new), Fill::Any) }
                }
            }
        };
    };
}

#[cfg(feature = "allocator-api2")]
allocator! {
    /// Any layout that fits a block: one compare-and-swap to allocate and one to free, growing and
    /// shrinking in place while the block holds it. A layout without bytes takes no block.
    ///
    /// `AllocError` means that the layout does not fit a block, or that none is free; the pool counts
    /// the latter. A `Vec` that outgrows its block fails as any allocation does: with `try_reserve` it
    /// is an error, without it `handle_alloc_error`.
    ///
    /// ```
    /// use allocator_api2::vec::Vec;
    ///
    /// framepool::pool!(static MESSAGES: [256; 64]);
    ///
    /// let mut orders = Vec::new_in(&MESSAGES);
    /// orders.extend([7_u32, 8, 9]);
    /// orders.reserve(60); // in place: 252 bytes are in the block still
    /// assert_eq!(MESSAGES.stats().allocations, 1);
    /// assert!(orders.try_reserve(64).is_err(), "more than a block");
    /// drop(orders);
    /// assert_eq!(MESSAGES.stats().in_use, 0);
    /// ```
    allocator_api2::alloc
}

#[cfg(framepool_nightly)]
allocator! {
    /// Any layout that fits a block: one compare-and-swap to allocate and one to free, growing and
    /// shrinking in place while the block holds it. A layout without bytes takes no block.
    ///
    /// `AllocError` means that the layout does not fit a block, or that none is free; the pool counts
    /// the latter.
    core::alloc
}
