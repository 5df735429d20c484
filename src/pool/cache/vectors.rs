//! Vectors of handles: what `Vec` and `heapless::Vec` share, and `Vec`.

use core::mem::MaybeUninit;

use super::Cache;
use crate::pool::audit::AuditKind;
use crate::pool::block::Block;
use crate::pool::error::{AllocManyError, WrongPool};

impl<'p, const N: usize> Cache<'p, N> {
    /// Draws until the length is at least `n`, or fails.
    #[inline(always)]
    pub(super) fn ensure_len(&mut self, n: usize) -> Result<(), AllocManyError> {
        if n > self.len() {
            self.make_len(n)?;
        }
        Ok(())
    }

    #[cold]
    #[inline(never)]
    fn make_len(&mut self, n: usize) -> Result<(), AllocManyError> {
        if n > N {
            return Err(self.too_many(n, N));
        }
        match self.draw(n) {
            found if found < n => Err(self.fewer(n, found).into()),
            _ => Ok(()),
        }
    }

    /// Writes `n` owning handles. The cache has at least `n` blocks, and `places` has room for them.
    #[inline(always)]
    #[cfg_attr(feature = "audit", track_caller)]
    pub(super) fn hand_out(&mut self, n: usize, places: &mut [MaybeUninit<Block<'p>>]) {
        debug_assert!(n <= self.len() && n <= places.len());
        self.tally.took(n);
        let ids = self.ids.get(self.len()..self.len() + n).unwrap_or_default();
        let pool = self.pool;
        for (place, id) in places.iter_mut().zip(ids) {
            // SAFETY: by the invariant of `tally`, as it was, the index was written; its block passes to
            // the handle.
            let block = unsafe { Block::own(pool, id.assume_init()) };
            pool.note(block.index(), AuditKind::Allocated);
            place.write(block);
        }
    }

    /// Takes over the blocks of handles, which the caller then forgets. If some belong to another pool, takes
    /// none and returns their number. Otherwise returns as [`take_back`](Self::take_back).
    #[inline(always)]
    #[cfg_attr(feature = "audit", track_caller)]
    pub(super) fn take_back_all(&mut self, blocks: &[Block<'p>]) -> Result<bool, WrongPool<usize>> {
        if blocks.len() <= N {
            if let Ok(slowly) = self.take_back(blocks) {
                return Ok(slowly);
            }
        } else if blocks.iter().all(|block| block.is_of(self.pool)) {
            for part in blocks.chunks(N) {
                // Succeeds, because all of them belong to this pool.
                let _ = self.take_back(part);
            }
            // They are more than the cache holds, so there was an exchange.
            return Ok(true);
        }
        self.count_refusal();
        let foreign = blocks.iter().filter(|block| !block.is_of(self.pool));
        Err(WrongPool(foreign.count()))
    }
}

#[cfg(feature = "std")]
impl<'p, const N: usize> Cache<'p, N> {
    /// Appends `n` owning handles to a vector, all or none. Allocates no memory if the vector has room for
    /// them.
    ///
    /// A handle is sixteen bytes; a [`Burst`](crate::Burst) moves four per block. Prefer a burst for blocks that
    /// stay together.
    ///
    /// # Errors
    /// [`AllocManyError::Exhausted`] if fewer are free, [`AllocManyError::TooMany`] if `n` is greater
    /// than `N`.
    ///
    /// ```
    /// use framepool::{Pool, PoolConfig};
    ///
    /// let pool = Pool::allocate(PoolConfig::new(2048, 1024))?;
    /// let mut cache = pool.cache();
    /// let mut posted = Vec::with_capacity(256);
    /// cache.alloc_into(&mut posted, 256)?;
    /// drop(posted.swap_remove(7));
    /// assert!(cache.free_from(&mut posted).is_ok());
    /// assert!(posted.is_empty());
    /// # Ok::<(), Box<dyn core::error::Error>>(())
    /// ```
    #[inline]
    #[cfg_attr(feature = "audit", track_caller)]
    pub fn alloc_into(
        &mut self,
        blocks: &mut std::vec::Vec<Block<'p>>,
        n: usize,
    ) -> Result<(), AllocManyError> {
        self.ensure_len(n)?;
        blocks.reserve(n);
        self.hand_out(n, blocks.spare_capacity_mut());
        // SAFETY: there was room for `n` more, and all of them were written.
        unsafe { blocks.set_len(blocks.len() + n) };
        Ok(())
    }

    /// Frees every handle of a vector, and leaves it empty; the vector keeps its memory.
    ///
    /// # Errors
    /// [`WrongPool`] with the number of handles that belong to another pool; the vector keeps all handles.
    #[inline]
    #[cfg_attr(feature = "audit", track_caller)]
    pub fn free_from(
        &mut self,
        blocks: &mut std::vec::Vec<Block<'p>>,
    ) -> Result<(), WrongPool<usize>> {
        let slowly = self.take_back_all(blocks)?;
        // SAFETY: the cache owns the blocks now; their handles are not dropped.
        unsafe { blocks.set_len(0) };
        if slowly {
            self.pass_on();
        }
        Ok(())
    }
}
