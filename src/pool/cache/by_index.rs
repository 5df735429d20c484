//! One block at a time by its index, for allocators, which know a block by its address.

use super::Cache;
use crate::pool::audit::AuditKind;

impl<const N: usize> Cache<'_, N> {
    /// Takes one block if the cache has one. The caller owns it.
    #[inline(always)]
    #[cfg_attr(feature = "audit", track_caller)]
    pub(crate) fn pop(&mut self, kind: AuditKind) -> Option<u32> {
        let top = self.len().checked_sub(1)?;
        // SAFETY: by the invariant of `tally`, the index was written, and the cache owns its block.
        let id = unsafe { self.ids.get_unchecked(top).assume_init() };
        self.tally.took(1);
        self.pool.note(id, kind);
        Some(id)
    }

    /// Takes one block, from the depot if the cache has none. The caller owns it. Counts if there is none.
    #[inline]
    #[cfg_attr(feature = "audit", track_caller)]
    pub(crate) fn take(&mut self, kind: AuditKind) -> Option<u32> {
        if self.is_empty() {
            self.refill_for_one().ok()?;
        }
        self.pop(kind)
    }

    /// Keeps a block, if the budget allows it.
    ///
    /// # Safety
    /// The caller owns the block, of this cache's pool, and gives it up if this returns true.
    #[inline(always)]
    #[cfg_attr(feature = "audit", track_caller)]
    pub(crate) unsafe fn push(&mut self, id: u32, kind: AuditKind) -> bool {
        let Some(after) = self.tally.gave(1) else {
            return false;
        };
        let len = self.len();
        self.pool.note(id, kind);
        // SAFETY: by the invariant of `tally`, there is room for blocks within the budget.
        unsafe { self.ids.get_unchecked_mut(len) }.write(id);
        self.tally = after;
        true
    }

    /// Keeps a block, and gives others to the depot if the cache is full.
    ///
    /// # Safety
    /// The caller owns the block, of this cache's pool, and gives it up.
    #[inline]
    #[cfg_attr(feature = "audit", track_caller)]
    pub(crate) unsafe fn keep_index(&mut self, id: u32, kind: AuditKind) {
        // SAFETY: the caller's promise.
        if unsafe { !self.push(id, kind) } {
            // SAFETY: the caller's promise; the block was not kept.
            unsafe { self.keep_index_slowly(id, kind) };
        }
    }

    /// # Safety
    /// As for [`keep_index`](Self::keep_index).
    #[cold]
    #[inline(never)]
    #[cfg_attr(feature = "audit", track_caller)]
    unsafe fn keep_index_slowly(&mut self, id: u32, kind: AuditKind) {
        self.make_room(1);
        // SAFETY: the caller's promise; room was made.
        unsafe { self.push(id, kind) };
        self.pass_on();
    }
}
