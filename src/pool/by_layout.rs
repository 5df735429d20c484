//! Memory of any layout that fits a block: what the allocator traits stand on.
//!
//! | layout | is |
//! |---|---|
//! | no bytes | no block: an aligned address that nothing is behind |
//! | at most a block, no stricter than its alignment | a whole block |
//! | anything else | refused |
//!
//! A block serves every size up to its own, so growing and shrinking inside it copy nothing.

use core::alloc::Layout;
use core::ptr::{self, NonNull};

use crate::pool::Pool;
use crate::pool::audit::AuditKind;

/// A pool cannot serve a layout: it does not fit a block, or no block is free.
pub(crate) struct Unserved;

/// Whether the bytes of new memory are to be zeros.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fill {
    Any,
    Zeros,
}

impl Fill {
    /// Zeroes `len` bytes from `at` on, if that is asked for.
    ///
    /// # Safety
    /// They are the caller's to write.
    #[inline(always)]
    unsafe fn apply(self, at: NonNull<u8>, len: usize) {
        if self == Self::Zeros {
            // SAFETY: the caller's promise.
            unsafe { at.write_bytes(0, len) };
        }
    }
}

impl Pool<'_> {
    /// Whether memory of this layout can lie in a block.
    #[inline]
    pub(crate) fn fits(&self, layout: Layout) -> bool {
        layout.size() <= self.block_size() && layout.align() <= self.block_align()
    }

    /// A block whose bytes are the caller's until [`give_layout`](Self::give_layout). O(1), one
    /// compare-and-swap; none for no bytes. `kind` is what the audit is told, here and below.
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

    /// Gives memory back. O(1), one compare-and-swap.
    ///
    /// # Safety
    /// `at` came from this pool's [`take_layout`](Self::take_layout) or
    /// [`resize_layout`](Self::resize_layout), and `size`, which is 0 if it was then, fits it; no one
    /// uses it any more.
    #[inline]
    #[cfg_attr(feature = "audit", track_caller)]
    pub(crate) unsafe fn give_layout(&self, at: NonNull<u8>, size: usize, kind: AuditKind) {
        if size == 0 {
            return;
        }
        match self.place_of(at.addr().get()) {
            Some((id, 0)) => {
                self.note(id.0, kind);
                // SAFETY: the block is the caller's, who gives it up.
                unsafe { self.give_one(id.0) };
            }
            // The caller broke its promise: to lose memory is the least of what can follow.
            _ => self.count_refusal(),
        }
    }

    #[cfg(any(feature = "allocator-api2", framepool_nightly))]
    /// Makes memory larger or smaller, in place while a block holds it: there nothing but zeros asked
    /// for is written.
    ///
    /// # Errors
    /// The new layout does not fit a block, or it is the first that needs one and none is free. The
    /// memory is as it was.
    ///
    /// # Safety
    /// `at` and `old` as for [`give_layout`](Self::give_layout), but that the memory stays the
    /// caller's; the result takes its place.
    #[inline]
    #[cfg_attr(feature = "audit", track_caller)]
    pub(crate) unsafe fn resize_layout(
        &self,
        at: NonNull<u8>,
        old: Layout,
        new: Layout,
        fill: Fill,
    ) -> Result<NonNull<u8>, Unserved> {
        if old.size() == 0 {
            return self.take_layout(new, fill, AuditKind::AllocatedAsMemory);
        }
        if new.size() == 0 {
            // SAFETY: the caller's promise.
            unsafe { self.give_layout(at, old.size(), AuditKind::FreedAsMemory) };
            return Ok(dangling(new));
        }
        if !self.fits(new) {
            return Err(Unserved);
        }
        let more = new.size().saturating_sub(old.size());
        // SAFETY: the memory is a whole block, which holds both sizes.
        unsafe { fill.apply(at.add(old.size()), more) };
        Ok(at)
    }
}

/// An address for no bytes.
#[inline(always)]
fn dangling(layout: Layout) -> NonNull<u8> {
    let at = ptr::without_provenance_mut(layout.align());
    // SAFETY: an alignment is not 0.
    unsafe { NonNull::new_unchecked(at) }
}
