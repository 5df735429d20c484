//! Bursts and arrays.
//!
//! Fast paths copy `K` indices whatever the number requested: a copy of fixed size is a few vector moves.
//! Slow paths of allocation only make the fast path possible and return no blocks, because values that are passed
//! through a call are passed in memory. Slow paths of freeing do all the work, because they must check for
//! waiting tasks at the end.

use core::mem::{self, MaybeUninit};

use super::Cache;
use crate::pool::audit::AuditKind;
use crate::pool::block::Block;
use crate::pool::burst::Burst;
use crate::pool::depot::ids::assume_init;
use crate::pool::error::{AllocManyError, Exhausted, WrongPool};

impl<'p, const N: usize> Cache<'p, N> {
    /// Takes `n` blocks, all or none, as one [`Burst`]. Copies `n` indices.
    ///
    /// # Errors
    /// [`AllocManyError::Exhausted`] if fewer are free, [`AllocManyError::TooMany`] if `n` is greater
    /// than `K`.
    #[inline]
    #[cfg_attr(feature = "audit", track_caller)]
    pub fn alloc_burst<const K: usize>(
        &mut self,
        n: usize,
    ) -> Result<Burst<'p, K>, AllocManyError> {
        self.hold_run::<K>(n)?;
        // SAFETY: just made.
        Ok(unsafe { self.pop_burst(n) })
    }

    /// Takes up to `n` blocks (at most `K`): as many as are free, possibly none.
    #[inline]
    #[cfg_attr(feature = "audit", track_caller)]
    pub fn alloc_up_to<const K: usize>(&mut self, n: usize) -> Burst<'p, K> {
        let mut n = n.min(K);
        if !self.holds_run::<K>(n) {
            n = self.make_run_up_to::<K>(n);
        }
        // SAFETY: just checked or made.
        unsafe { self.pop_burst(n) }
    }

    /// Makes [`holds_run`](Self::holds_run) of `K` and `n` true, or fails. For callers that wrap the burst: one that is
    /// unwrapped from a `Result` first is copied in pieces that the processor forwards slowly.
    #[inline(always)]
    pub(crate) fn hold_run<const K: usize>(&mut self, n: usize) -> Result<(), AllocManyError> {
        match self.holds_run::<K>(n) {
            true => Ok(()),
            false => self.make_run::<K>(n),
        }
    }

    /// A burst of the topmost `n` blocks.
    ///
    /// # Safety
    /// [`holds_run`](Self::holds_run) of `K` and `n` is true.
    #[inline(always)]
    #[cfg_attr(feature = "audit", track_caller)]
    pub(crate) unsafe fn pop_burst<const K: usize>(&mut self, n: usize) -> Burst<'p, K> {
        // SAFETY: the caller's promise; the blocks pass to the burst.
        let burst = unsafe { Burst::own(self.pool, self.pop_run(n), n) };
        burst.note(AuditKind::AllocatedInBurst);
        burst
    }

    /// Frees the blocks of a burst. Copies its indices.
    ///
    /// If the burst is used again, [`drain_burst`](Self::drain_burst) does the same without moving it.
    ///
    /// # Errors
    /// [`WrongPool`] with the burst, if it belongs to another pool.
    #[inline]
    #[cfg_attr(feature = "audit", track_caller)]
    pub fn free_burst<const K: usize>(
        &mut self,
        burst: Burst<'p, K>,
    ) -> Result<(), WrongPool<Burst<'p, K>>> {
        const { assert!(K <= N, "a burst is no larger than the cache") };
        if !burst.is_of(self.pool) {
            self.count_refusal();
            return Err(WrongPool(burst));
        }
        if self.keep(&burst) {
            mem::forget(burst);
        } else {
            self.keep_burst_slowly(burst);
        }
        Ok(())
    }

    // By value: if its address were taken, the fast path would build the burst in memory as well.
    #[cold]
    #[inline(never)]
    #[cfg_attr(feature = "audit", track_caller)]
    fn keep_burst_slowly<const K: usize>(&mut self, mut burst: Burst<'p, K>) {
        self.keep_all_slowly(&mut burst);
        // It is empty, so its drop has nothing to do.
        mem::forget(burst);
    }

    /// Frees the blocks of a burst and leaves it empty: [`free_burst`](Self::free_burst) without moving the
    /// burst. Copies its indices.
    ///
    /// # Errors
    /// [`WrongPool`] if the burst belongs to another pool; it keeps its blocks.
    ///
    /// ```
    /// use framepool::Burst;
    ///
    /// framepool::pool!(static FRAMES: [2048; 1024]);
    ///
    /// let mut cache = FRAMES.cache();
    /// let mut burst: Burst<'_, 32> = cache.alloc_burst(32)?;
    /// assert!(cache.drain_burst(&mut burst).is_ok());
    /// assert!(burst.is_empty());
    /// # Ok::<(), Box<dyn core::error::Error>>(())
    /// ```
    #[inline]
    #[cfg_attr(feature = "audit", track_caller)]
    pub fn drain_burst<const K: usize>(
        &mut self,
        burst: &mut Burst<'p, K>,
    ) -> Result<(), WrongPool<()>> {
        const { assert!(K <= N, "a burst is no larger than the cache") };
        if !burst.is_of(self.pool) {
            self.count_refusal();
            return Err(WrongPool(()));
        }
        if self.keep(burst) {
            burst.disown();
        } else {
            self.keep_all_slowly(burst);
        }
        Ok(())
    }

    #[cold]
    #[inline(never)]
    #[cfg_attr(feature = "audit", track_caller)]
    fn keep_all_slowly<const K: usize>(&mut self, burst: &mut Burst<'p, K>) {
        self.make_room(K);
        if self.keep(burst) {
            burst.disown();
        }
        self.pass_on();
    }

    /// Takes over the blocks of a burst, which the caller then empties or forgets. Returns false if that exceeds
    /// the budget.
    #[inline(always)]
    #[cfg_attr(feature = "audit", track_caller)]
    fn keep<const K: usize>(&mut self, burst: &Burst<'p, K>) -> bool {
        let Some(after) = self.tally.gave_of(burst.len(), K) else {
            return false;
        };
        burst.note(AuditKind::FreedToCache);
        // SAFETY: `K` are within the budget, so there is room for them. The first `burst.len()` indices, those
        // that count, are written.
        unsafe {
            let to = self.ids.as_mut_ptr().add(self.len());
            to.cast::<[_; K]>().write(*burst.raw_ids());
        }
        self.tally = after;
        true
    }

    /// Takes `K` owning handles, all or none.
    ///
    /// A handle is sixteen bytes; a [`Burst`] moves four per block. Prefer a burst for blocks that stay together.
    ///
    /// # Errors
    /// [`Exhausted`] if fewer are free.
    #[inline]
    #[cfg_attr(feature = "audit", track_caller)]
    pub fn alloc_array<const K: usize>(&mut self) -> Result<[Block<'p>; K], Exhausted> {
        if !self.holds_run::<K>(K) {
            self.make_whole_run::<K>()?;
        }
        let pool = self.pool;
        // SAFETY: just checked or made. All `K` are written, and their blocks are handed out, each once.
        unsafe {
            let ids: [_; K] = self.pop_run(K);
            pool.note_all(assume_init(&ids), AuditKind::Allocated);
            Ok(ids.map(|id| Block::own(pool, id.assume_init())))
        }
    }

    /// Frees owning handles, all or none.
    ///
    /// # Errors
    /// [`WrongPool`] with all handles, if one of them belongs to another pool.
    #[inline]
    #[cfg_attr(feature = "audit", track_caller)]
    pub fn free_array<const K: usize>(
        &mut self,
        blocks: [Block<'p>; K],
    ) -> Result<(), WrongPool<[Block<'p>; K]>> {
        const { assert!(K <= N, "an array is no larger than the cache") };
        let Ok(slowly) = self.take_back(&blocks) else {
            self.count_refusal();
            return Err(WrongPool(blocks));
        };
        mem::forget(blocks);
        if slowly {
            self.pass_on();
        }
        Ok(())
    }

    /// Takes over the blocks of handles (at most `N`), which the caller then forgets. If one belongs to another
    /// pool, takes none and returns an error. Returns whether there was an exchange with the depot: then the
    /// caller must call [`pass_on`](Self::pass_on).
    #[inline(always)]
    #[cfg_attr(feature = "audit", track_caller)]
    pub(super) fn take_back(&mut self, blocks: &[Block<'p>]) -> Result<bool, ()> {
        let n = blocks.len();
        let mut slowly = false;
        let after = match self.tally.gave(n) {
            Some(after) => after,
            None => {
                if !blocks.iter().all(|block| block.is_of(self.pool)) {
                    return Err(());
                }
                slowly = true;
                self.make_room(n);
                self.tally.gave(n).ok_or(())?
            }
        };
        // One pass: the indices are copied to their places, and count only after all pools were compared.
        let (pool, len) = (self.pool, self.len());
        let mut all = true;
        let places = self.ids.get_mut(len..).unwrap_or_default();
        for (place, block) in places.iter_mut().zip(blocks) {
            all &= block.is_of(pool);
            place.write(block.index());
        }
        if !all {
            return Err(());
        }
        self.tally = after;
        for block in blocks {
            pool.note(block.index(), AuditKind::FreedToCache);
        }
        Ok(slowly)
    }

    /// Whether `n` blocks (at most `K`) are in the cache, with `K` places from the first of them on.
    #[inline(always)]
    fn holds_run<const K: usize>(&self, n: usize) -> bool {
        const { assert!(K <= N, "a burst is no larger than the cache") };
        n <= self.len() && n <= K && self.len() - n + K <= N
    }

    /// The topmost `n` indices, followed by any values, up to `K`.
    ///
    /// # Safety
    /// [`holds_run`](Self::holds_run) of `K` and `n` is true. The blocks of the first `n` pass to the caller.
    #[inline(always)]
    unsafe fn pop_run<const K: usize>(&mut self, n: usize) -> [MaybeUninit<u32>; K] {
        self.tally.took(n);
        // SAFETY: K places from here on are within `ids`, the caller's promise; by the invariant of
        // `tally`, as it was, the first `n` were written.
        unsafe { self.ids.as_ptr().add(self.len()).cast::<[_; K]>().read() }
    }

    /// Makes [`holds_run`](Self::holds_run) of `K` and `n` true, or fails.
    #[cold]
    #[inline(never)]
    fn make_run<const K: usize>(&mut self, n: usize) -> Result<(), AllocManyError> {
        if n > K {
            return Err(self.too_many(n, K));
        }
        Ok(self.run_or_fewer::<K>(n)?)
    }

    /// Makes [`holds_run`](Self::holds_run) of `K` and `K` true, or fails.
    #[cold]
    #[inline(never)]
    fn make_whole_run<const K: usize>(&mut self) -> Result<(), Exhausted> {
        self.run_or_fewer::<K>(K)
    }

    /// Makes [`holds_run`](Self::holds_run) of `K` and `n`, at most `K`, true, or fails.
    #[inline(always)]
    fn run_or_fewer<const K: usize>(&mut self, n: usize) -> Result<(), Exhausted> {
        match self.draw_run::<K>(n) {
            found if found < n => Err(self.fewer(n, found)),
            _ => Ok(()),
        }
    }

    /// Makes [`holds_run`](Self::holds_run) true of as many of `n` blocks (at most `K`) as are free. Returns their
    /// number.
    #[cold]
    #[inline(never)]
    fn make_run_up_to<const K: usize>(&mut self, n: usize) -> usize {
        let found = self.draw_run::<K>(n);
        if found == 0 && n > 0 {
            self.exhausted(n, 0);
        }
        found
    }

    /// The error for more blocks at once than fit.
    #[cold]
    pub(super) fn too_many(&mut self, requested: usize, limit: usize) -> AllocManyError {
        self.account.refusals += 1;
        self.pool.too_many(requested, limit)
    }

    /// The error for fewer than `n` blocks. Returns those in the cache to the depot: otherwise two workers with
    /// half of the blocks each could both retry for all of them forever.
    pub(super) fn fewer(&mut self, n: usize, found: usize) -> Exhausted {
        self.flush();
        self.exhausted(n, found)
    }

    /// Draws until `n` blocks (at most `N`) are in the cache, or the depot has no more. Returns the number of
    /// blocks, at most `n`.
    pub(super) fn draw(&mut self, n: usize) -> usize {
        while self.len() < n && self.refill(n) > 0 {}
        n.min(self.len())
    }

    fn draw_run<const K: usize>(&mut self, n: usize) -> usize {
        let found = self.draw(n);
        // `K` places from the start of the run must lie within the array.
        let above = self.len() - found;
        if above + K > N {
            let excess = above + K - N;
            self.flush_coldest(self.share().max(excess).min(above));
            self.pool.look_for_waiters();
        }
        found
    }
}
