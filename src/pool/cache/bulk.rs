//! Many blocks at once.
//!
//! Fast paths copy `K` indices whatever the number asked for: a copy of fixed size is a few vector moves.
//! Slow paths of allocation only make the fast one possible and return no blocks: what passes through a
//! call passes through memory. Those of freeing take over, as they have to look around at the end.

use core::mem::{self, MaybeUninit};

use super::Cache;
use crate::error::{AllocManyError, Exhausted, WrongPool};
use crate::pool::audit::AuditKind;
use crate::pool::depot::assume_init;
use crate::pool::{Block, Burst};

impl<'p, const N: usize> Cache<'p, N> {
    /// Takes `n` blocks, all or none, as one [`Burst`]: at most `K`. A copy of `n` indices.
    ///
    /// # Errors
    /// [`AllocManyError::Exhausted`] if there are fewer, [`AllocManyError::TooMany`] if `n` is greater
    /// than `K`.
    #[inline]
    #[cfg_attr(feature = "audit", track_caller)]
    pub fn alloc_burst<const K: usize>(
        &mut self,
        n: usize,
    ) -> Result<Burst<'p, K>, AllocManyError> {
        if !self.holds_run::<K>(n) {
            self.make_run::<K>(n)?;
        }
        // SAFETY: just checked or made; the blocks pass to the burst.
        let burst = unsafe { Burst::own(self.pool, self.pop_run(n), n) };
        burst.note(AuditKind::AllocatedInBurst);
        Ok(burst)
    }

    /// Takes up to `n` blocks (at most `K`), as many as there are, down to none.
    #[inline]
    #[cfg_attr(feature = "audit", track_caller)]
    pub fn alloc_up_to<const K: usize>(&mut self, n: usize) -> Burst<'p, K> {
        let mut n = n.min(K);
        if !self.holds_run::<K>(n) {
            n = self.make_run_up_to::<K>(n);
        }
        // SAFETY: just checked or made; the blocks pass to the burst.
        let burst = unsafe { Burst::own(self.pool, self.pop_run(n), n) };
        burst.note(AuditKind::AllocatedInBurst);
        burst
    }

    /// Gives a burst back. A copy of its indices.
    ///
    /// A burst that is filled again afterwards need not be moved: [`drain_burst`](Self::drain_burst).
    ///
    /// # Errors
    /// [`WrongPool`] with the burst in it, if it came from another pool.
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

    // By value: a burst whose address is taken is built in memory on the fast path as well.
    #[cold]
    #[inline(never)]
    #[cfg_attr(feature = "audit", track_caller)]
    fn keep_burst_slowly<const K: usize>(&mut self, mut burst: Burst<'p, K>) {
        self.keep_all_slowly(&mut burst);
        // It is empty: its drop would only look whether it is.
        mem::forget(burst);
    }

    /// Frees every block of a burst and leaves it empty, where it is: [`free_burst`](Self::free_burst)
    /// without moving it. A copy of its indices.
    ///
    /// # Errors
    /// [`WrongPool`] if it is of another pool; it keeps its blocks.
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

    /// Takes the blocks of a burst over, which the caller then empties or forgets; or returns false if that
    /// exceeds the budget.
    #[inline(always)]
    #[cfg_attr(feature = "audit", track_caller)]
    fn keep<const K: usize>(&mut self, burst: &Burst<'p, K>) -> bool {
        let Some(after) = self.tally.gave_of(burst.len(), K) else {
            return false;
        };
        burst.note(AuditKind::FreedToCache);
        // SAFETY: `K` are within the budget, so they have places. Of the indices, as many as count from
        // here on are written.
        unsafe {
            let to = self.ids.as_mut_ptr().add(self.len());
            to.cast::<[_; K]>().write(*burst.raw_ids());
        }
        self.tally = after;
        true
    }

    /// Takes `K` owning handles, all or none.
    ///
    /// Sixteen bytes a handle where a [`Burst`] moves four: prefer that where blocks travel together.
    ///
    /// # Errors
    /// [`Exhausted`] if there are fewer.
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

    /// Gives owning handles back, all of this pool or none.
    ///
    /// # Errors
    /// [`WrongPool`] with all of them in it, if one came from another pool.
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

    /// Appends `n` owning handles to a vector, all or none. Where it has room for them, nothing is
    /// allocated.
    ///
    /// Sixteen bytes a handle where a [`Burst`] moves four: prefer that where blocks travel together.
    ///
    /// # Errors
    /// [`AllocManyError::Exhausted`] if there are fewer, [`AllocManyError::TooMany`] if `n` is greater
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
    #[cfg(feature = "std")]
    #[inline]
    #[cfg_attr(feature = "audit", track_caller)]
    pub fn alloc_into(
        &mut self,
        blocks: &mut std::vec::Vec<Block<'p>>,
        n: usize,
    ) -> Result<(), AllocManyError> {
        if n > self.len() {
            self.make_len(n)?;
        }
        blocks.reserve(n);
        self.hand_out(n, blocks.spare_capacity_mut());
        // SAFETY: there was room for `n` more, and all of them were written.
        unsafe { blocks.set_len(blocks.len() + n) };
        Ok(())
    }

    /// Writes `n` owning handles. So many blocks are here, and so many places there.
    #[cfg(any(feature = "std", feature = "heapless"))]
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

    /// Frees every handle of a vector, which is empty then; its memory is kept.
    ///
    /// # Errors
    /// [`WrongPool`] with the number of those that came from another pool: the vector keeps all.
    #[cfg(feature = "std")]
    #[inline]
    #[cfg_attr(feature = "audit", track_caller)]
    pub fn free_from(
        &mut self,
        blocks: &mut std::vec::Vec<Block<'p>>,
    ) -> Result<(), WrongPool<usize>> {
        let slowly = self.take_back_all(blocks)?;
        // SAFETY: the blocks are the cache's now; their handles are not dropped.
        unsafe { blocks.set_len(0) };
        if slowly {
            self.pass_on();
        }
        Ok(())
    }

    /// Takes the blocks of handles that the caller then forgets; or nothing, and says how many are of
    /// another pool. Returns as [`take_back`](Self::take_back).
    #[cfg(any(feature = "std", feature = "heapless"))]
    #[inline(always)]
    #[cfg_attr(feature = "audit", track_caller)]
    pub(super) fn take_back_all(&mut self, blocks: &[Block<'p>]) -> Result<bool, WrongPool<usize>> {
        if blocks.len() <= N {
            if let Ok(slowly) = self.take_back(blocks) {
                return Ok(slowly);
            }
        } else if blocks.iter().all(|block| block.is_of(self.pool)) {
            for part in blocks.chunks(N) {
                // Taken: all of them are of this pool.
                let _ = self.take_back(part);
            }
            // They are more than the cache holds.
            return Ok(true);
        }
        self.count_refusal();
        let foreign = blocks.iter().filter(|block| !block.is_of(self.pool));
        Err(WrongPool(foreign.count()))
    }

    /// Takes the blocks of handles (at most `N`) that the caller then forgets; or nothing, and returns
    /// an error, if one is of another pool. Returns whether the depot was met: then the caller
    /// [passes on](Self::pass_on).
    #[inline(always)]
    #[cfg_attr(feature = "audit", track_caller)]
    fn take_back(&mut self, blocks: &[Block<'p>]) -> Result<bool, ()> {
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
        // One pass: the indices are copied to where they will be, and count only once all pools were
        // compared.
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
        if cfg!(feature = "audit") {
            for block in blocks {
                pool.note(block.index(), AuditKind::FreedToCache);
            }
        }
        Ok(slowly)
    }

    /// Whether `n` blocks are here (at most `K`), with `K` places from the first of them on.
    #[inline(always)]
    fn holds_run<const K: usize>(&self, n: usize) -> bool {
        const { assert!(K <= N, "a burst is no larger than the cache") };
        n <= self.len() && n <= K && self.len() - n + K <= N
    }

    /// The topmost `n` indices, and whatever lies behind them, up to `K`.
    ///
    /// # Safety
    /// [`holds_run`](Self::holds_run) of `K` and `n`. The caller owns the blocks that the first `n` name.
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

    /// The same for `K` of `K`.
    #[cold]
    #[inline(never)]
    fn make_whole_run<const K: usize>(&mut self) -> Result<(), Exhausted> {
        self.run_or_fewer::<K>(K)
    }

    /// The same for an `n` of at most `K`.
    #[inline(always)]
    fn run_or_fewer<const K: usize>(&mut self, n: usize) -> Result<(), Exhausted> {
        match self.draw_run::<K>(n) {
            found if found < n => Err(self.fewer(n, found)),
            _ => Ok(()),
        }
    }

    /// The same, for as many of `n` (at most `K`) as there are. Returns how many.
    #[cold]
    #[inline(never)]
    fn make_run_up_to<const K: usize>(&mut self, n: usize) -> usize {
        let found = self.draw_run::<K>(n);
        if found == 0 && n > 0 {
            self.exhausted(n, 0);
        }
        found
    }

    /// Makes the length at least `n`, or fails.
    #[cfg(any(feature = "std", feature = "heapless"))]
    #[cold]
    #[inline(never)]
    pub(super) fn make_len(&mut self, n: usize) -> Result<(), AllocManyError> {
        if n > N {
            return Err(self.too_many(n, N));
        }
        match self.draw(n) {
            found if found < n => Err(self.fewer(n, found).into()),
            _ => Ok(()),
        }
    }

    /// More blocks were asked for at once than fit what they were asked for.
    #[cold]
    pub(super) fn too_many(&mut self, requested: usize, limit: usize) -> AllocManyError {
        self.books.refusals += 1;
        self.pool.too_many(requested, limit)
    }

    /// All or none was asked for. What is here is given back: two workers with half of the blocks each
    /// would both come for all of them for ever.
    fn fewer(&mut self, n: usize, found: usize) -> Exhausted {
        self.flush();
        self.exhausted(n, found)
    }

    /// Draws until `n` blocks (at most `N`) are here, or the depot has no more. Returns how many of `n`
    /// there are.
    fn draw(&mut self, n: usize) -> usize {
        while self.len() < n && self.refill(n) > 0 {}
        n.min(self.len())
    }

    fn draw_run<const K: usize>(&mut self, n: usize) -> usize {
        let found = self.draw(n);
        // What lies above the run and within `K` places of its start must lie within the array.
        let above = self.len() - found;
        if above + K > N {
            let excess = above + K - N;
            self.flush_coldest(self.share().max(excess).min(above));
            self.pool.look_for_waiters();
        }
        found
    }
}
