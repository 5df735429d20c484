//! Raw blocks: blocks without a handle, as pointers or indices that cross a C interface, a descriptor ring, or a
//! device.
//!
//! A raw block is marked in its link, out of band, so that no other path pays for the checks. The mark is set
//! when a handle becomes raw, and cleared when the block is returned. Any other return is refused, with the
//! reason.

use core::ptr::NonNull;

use crate::pool::Pool;
use crate::pool::audit::AuditKind;
use crate::pool::block::Block;
use crate::pool::error::{FreeError, FreeErrorKind};
use crate::pool::id::BlockId;
use crate::pool::meta::{RAW, is_mark};
use crate::sync::{self, Ordering::*, Word};

impl Block<'_> {
    /// Converts the handle into the address of the block's first byte. The block stays in use until
    /// [`Pool::free_raw`] or [`Pool::block_from_raw`].
    #[must_use = "the block leaks unless the pointer is returned to the pool"]
    #[cfg_attr(feature = "audit", track_caller)]
    pub fn into_raw(self) -> NonNull<u8> {
        let pool = self.pool();
        let id = self.into_id();
        // SAFETY: the block is in range.
        unsafe { pool.block_start(id.0) }
    }

    /// Converts the handle into the block's name. The block stays in use until [`Pool::free_id`] or
    /// [`Pool::block_from_id`].
    #[must_use = "the block leaks unless the name is returned to the pool"]
    #[cfg_attr(feature = "audit", track_caller)]
    pub fn into_id(self) -> BlockId {
        let pool = self.pool();
        let id = self.disown();
        pool.note(id, AuditKind::IntoRaw);
        sync::section(|s| {
            pool.header().cold.raw.fetch_add(s, 1, Relaxed);
            // Release: pairs with the acquire in `claim_raw`, so that writes to the block happen before
            // all accesses of its next owner. SAFETY: the block is in range, and its owner may write its
            // link.
            unsafe { pool.link(id) }.store(RAW, Release);
        });
        BlockId(id)
    }
}

impl Pool<'_> {
    /// Makes blocks raw.
    ///
    /// # Safety
    /// The caller owns them, all different, and gives them up.
    pub(crate) unsafe fn mark_raw(&self, ids: &[u32]) {
        let raw = &self.header().cold.raw;
        sync::section(|s| raw.fetch_add(s, ids.len() as Word, Relaxed));
        for &id in ids {
            // Release: as in `into_id`.
            // SAFETY: the caller owns the block: it is in range, and its link is the caller's to write.
            unsafe { self.link(id) }.store(RAW, Release);
        }
    }

    /// Frees a raw block by the address that [`Block::into_raw`] returned. Range, stride and state are
    /// always checked. O(1), two atomic steps.
    ///
    /// # Errors
    /// [`FreeError`]: the address is not in this pool or not a block's start, or the block is not raw (a
    /// double free). The pool is unchanged except for the count of refusals.
    ///
    /// # Safety
    /// If the address is that of a raw block, the caller owns the block, and nothing uses it any more. Any other
    /// address is safe, and returns an error.
    ///
    /// ```
    /// framepool::pool!(static POOL: [64; 4]);
    ///
    /// let raw = POOL.alloc()?.into_raw();
    /// // SAFETY: the pointer came from this pool and is used nowhere else.
    /// unsafe {
    ///     POOL.free_raw(raw)?;
    ///     assert!(POOL.free_raw(raw).is_err(), "double free");
    /// }
    /// # Ok::<(), Box<dyn core::error::Error>>(())
    /// ```
    #[track_caller]
    pub unsafe fn free_raw(&self, ptr: NonNull<u8>) -> Result<(), FreeError> {
        let id = self.claim_raw(self.locate(ptr))?;
        self.note(id.0, AuditKind::FreedRaw);
        // SAFETY: the block was raw and is claimed; the caller promises that nothing uses it.
        unsafe { self.give_one(id.0) };
        Ok(())
    }

    /// Frees a raw block, given its [`BlockId`]. An id of another pool is not detected.
    ///
    /// # Errors
    /// As for [`free_raw`](Self::free_raw).
    ///
    /// # Safety
    /// As for [`free_raw`](Self::free_raw).
    #[track_caller]
    pub unsafe fn free_id(&self, id: BlockId) -> Result<(), FreeError> {
        let id = self.claim_raw(Ok(id))?;
        self.note(id.0, AuditKind::FreedRaw);
        // SAFETY: the block was raw and is claimed; the caller promises that nothing uses it.
        unsafe { self.give_one(id.0) };
        Ok(())
    }

    /// Converts a raw block into a handle again, by its address.
    ///
    /// # Errors
    /// As for [`free_raw`](Self::free_raw).
    ///
    /// # Safety
    /// As for [`free_raw`](Self::free_raw). The handle owns the block afterwards.
    #[track_caller]
    pub unsafe fn block_from_raw(&self, ptr: NonNull<u8>) -> Result<Block<'_>, FreeError> {
        let id = self.claim_raw(self.locate(ptr))?;
        self.note(id.0, AuditKind::FromRaw);
        // SAFETY: the block was raw and is claimed; the caller promises that nothing uses it.
        Ok(unsafe { Block::own(self, id.0) })
    }

    /// Converts a raw block into a handle again, given its [`BlockId`].
    ///
    /// # Errors
    /// As for [`free_raw`](Self::free_raw).
    ///
    /// # Safety
    /// As for [`free_raw`](Self::free_raw). The handle owns the block afterwards.
    #[track_caller]
    pub unsafe fn block_from_id(&self, id: BlockId) -> Result<Block<'_>, FreeError> {
        let id = self.claim_raw(Ok(id))?;
        self.note(id.0, AuditKind::FromRaw);
        // SAFETY: the block was raw and is claimed; the caller promises that nothing uses it.
        Ok(unsafe { Block::own(self, id.0) })
    }

    fn locate(&self, ptr: NonNull<u8>) -> Result<BlockId, FreeErrorKind> {
        let addr = ptr.addr().get();
        match self.place_of(addr) {
            Some((id, 0)) => Ok(id),
            Some((id, offset)) => Err(FreeErrorKind::Interior { id, offset }),
            None => Err(FreeErrorKind::ForeignAddress { addr }),
        }
    }

    /// Makes the caller the owner of a raw block. Of several callers, one succeeds.
    #[track_caller]
    pub(crate) fn claim_raw(
        &self,
        id: Result<BlockId, FreeErrorKind>,
    ) -> Result<BlockId, FreeError> {
        let claimed = id.and_then(|id| {
            if id.index() >= self.capacity() {
                let capacity = self.capacity();
                return Err(FreeErrorKind::ForeignId { id, capacity });
            }
            sync::section(|s| {
                // SAFETY: just checked.
                let link = unsafe { self.link(id.0) };
                // Acquire: pairs with the release in `into_id`.
                link.compare_exchange(s, RAW, 0, Acquire, Relaxed)
                    .map_err(|_| FreeErrorKind::DoubleFree { id })?;
                let raw = &self.header().cold.raw;
                raw.fetch_add(s, Word::MAX, Relaxed);
                Ok(id)
            })
        });
        // Not in a closure: the error would name the closure as the caller.
        match claimed {
            Ok(id) => Ok(id),
            Err(kind) => {
                self.count_refusal();
                if let FreeErrorKind::DoubleFree { id } = kind {
                    self.note(id.0, AuditKind::RefusedFree);
                }
                Err(FreeError::new(kind))
            }
        }
    }

    /// Returns the number of raw blocks. O(1).
    pub fn raw_out(&self) -> usize {
        self.header().cold.raw.load(Relaxed) as usize
    }

    /// The raw blocks and those that are posted.
    pub(crate) fn raw_ids(&self) -> impl Iterator<Item = u32> {
        // SAFETY: below the capacity.
        (0..self.depot.capacity()).filter(|&id| is_mark(unsafe { self.link(id) }.load(Relaxed)))
    }

    /// Number of blocks that a device or a pointer may use: raw and posted ones, and those of forgotten reservations,
    /// which alone know which of theirs are. O(1) if there is none, else O(capacity). Nobody else uses the pool.
    pub(crate) fn outside(&self) -> usize {
        let raw = match self.raw_out() {
            0 => 0,
            // Not the count: a forgotten table of posted blocks counted more than it posted.
            _ => self.raw_ids().count(),
        };
        raw + self.depot.lent() as usize
    }
}
