//! Allocation by [`Layout`]: any layout that fits a block. The allocator traits are built on it.
//!
//! | layout | result |
//! |---|---|
//! | of size 0 | no block: an aligned address without memory |
//! | no larger than a block, alignment no stricter than the block's | a whole block |
//! | any other | refused |
//!
//! A block serves every size up to its own, so growing and shrinking within it copy nothing.

use core::alloc::Layout;
use core::ptr::{self, NonNull};

use crate::pool::Pool;
use crate::pool::audit::AuditKind;

/// A pool cannot serve a layout: it does not fit a block, or no block is free.
pub(crate) struct Unserved;

/// What new memory holds.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fill {
    Any,
    Zeros,
}

impl Fill {
    /// Zeroes `len` bytes from `at` on, if zeros are requested.
    ///
    /// # Safety
    /// The caller may write to them.
    #[inline(always)]
    pub(super) unsafe fn apply(self, at: NonNull<u8>, len: usize) {
        if self == Self::Zeros {
            // SAFETY: the caller's promise.
            unsafe { at.write_bytes(0, len) };
        }
    }
}

impl Pool<'_> {
    /// Whether memory of this layout fits a block.
    #[inline]
    pub(crate) fn fits(&self, layout: Layout) -> bool {
        layout.size() <= self.block_size() && layout.align() <= self.block_align()
    }

    /// Whether an address is between the start of the first block and the end of the last. No other memory lies there.
    #[inline]
    pub(crate) fn spans(&self, at: *mut u8) -> bool {
        let offset = at.addr().wrapping_sub(self.blocks_ptr().addr().get());
        offset < self.blocks_len()
    }

    /// Takes a block, which the caller owns until [`give_layout`](Self::give_layout). O(1), one
    /// compare-and-swap; none for size 0. `kind` is the event for the audit.
    #[inline]
    #[cfg_attr(feature = "audit", track_caller)]
    pub(crate) fn take_layout(
        &self,
        layout: Layout,
        fill: Fill,
        kind: AuditKind,
    ) -> Result<NonNull<u8>, Unserved> {
        if layout.size() == 0 {
            return Ok(dangling(layout));
        }
        if !self.fits(layout) {
            return Err(Unserved);
        }
        let Some(id) = self.take_one() else {
            self.exhausted(1, 0);
            return Err(Unserved);
        };
        self.note(id, kind);
        // SAFETY: the block was just taken, so it is in range and the caller's; the layout fits it.
        unsafe {
            let start = self.block_start(id);
            fill.apply(start, layout.size());
            Ok(start)
        }
    }

    /// Frees memory. O(1), one compare-and-swap.
    ///
    /// # Safety
    /// `at` is from this pool's [`take_layout`](Self::take_layout) or from its resizing, `size` fits the layout,
    /// and `size` is 0 only if the layout's size was. The memory is not used any more.
    #[inline]
    #[cfg_attr(feature = "audit", track_caller)]
    pub(crate) unsafe fn give_layout(&self, at: NonNull<u8>, size: usize, kind: AuditKind) {
        if size == 0 {
            return;
        }
        match self.place_of(at.addr().get()) {
            Some((id, 0)) => {
                self.note(id.0, kind);
                // SAFETY: the caller owns the block, and gives it up.
                unsafe { self.give_one(id.0) };
            }
            // The caller broke its promise: losing the memory is the least harmful answer.
            _ => self.count_refusal(),
        }
    }
}

/// An aligned address for size 0.
#[inline(always)]
pub(super) fn dangling(layout: Layout) -> NonNull<u8> {
    let at = ptr::without_provenance_mut(layout.align());
    // SAFETY: an alignment is not 0.
    unsafe { NonNull::new_unchecked(at) }
}
