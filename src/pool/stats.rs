//! Statistics, from counters that cost hot paths nothing.
//!
//! Without caches, every number comes from the tagged word and the frontier, and is exact while no operation is
//! in progress. A cache updates the pool's counters at each exchange with the depot. Between two exchanges
//! they lack what the cache did since: for `in_use` and `cached` at most what a cache can hold
//! ([`Cache`](crate::Cache)); for `allocations` and `frees` all that went in and out of the cache. Blocks that
//! were in use only between two exchanges never count for `peak`. [`Cache::stats`](crate::Cache::stats) is
//! exact.

use core::fmt;

use crate::pool::Pool;
use crate::pool::error::{AllocManyError, Exhausted};
use crate::sync::{self, Counter, Ordering::*, Word, wide};

/// The statistics of a [`Pool`]: see [`Pool::stats`].
///
/// Counts of events start when the pool is made or reset; on 32-bit targets they wrap at 2^32.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
#[non_exhaustive]
pub struct Stats {
    /// Blocks in the pool.
    pub capacity: u64,
    /// Blocks in use: in handles, bursts and boxes, and as raw blocks.
    pub in_use: u64,
    /// Blocks in the depot.
    pub free: u64,
    /// Free blocks in caches, as of each cache's last exchange.
    pub cached: u64,
    /// Blocks of the capacity that do not belong to this pool: withdrawn by [`Pool::reserve`].
    pub reserved: u64,
    /// The largest number of blocks that were in use at once. Does not include blocks that a cache handed out
    /// and took back between two exchanges with the depot, because a block from a cache counts from the cache's
    /// next exchange. Without caches it may be too low by one for each other thread that was in the middle of
    /// an allocation.
    pub peak: u64,
    /// Tasks [waiting](Pool::alloc_async) for a block.
    pub waiting: u64,
    /// Blocks allocated so far: `frees + in_use`. Blocks that were in use when their
    /// [`Reservation`](crate::Reservation) ended count as allocated from the parent.
    pub allocations: u64,
    /// Blocks freed so far.
    pub frees: u64,
    /// Requests that found too few blocks.
    pub exhaustions: u64,
    /// Refused returns (wrong pool, double free, foreign address), and requests for more blocks at once than
    /// fit ([`AllocManyError::TooMany`]).
    pub refusals: u64,
}

impl Stats {
    /// Returns the share of blocks in use, 0 to 1; blocks that reservations have withdrawn do not count.
    pub fn utilisation(&self) -> f32 {
        match self.capacity.saturating_sub(self.reserved) {
            0 => 0.0,
            own => self.in_use as f32 / own as f32,
        }
    }
}

impl fmt::Display for Stats {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // In tenths of a percent, rounded. Without floating point, whose formatter is much code for a firmware.
        let share = match self.capacity.saturating_sub(self.reserved) {
            0 => 0,
            own => (2000 * self.in_use / own).div_ceil(2),
        };
        write!(
            f,
            "{} of {} blocks in use ({}.{} %, peak {}), {} free, {} cached, {} reserved; \
             {} allocations, {} frees, {} exhaustions, {} refusals",
            self.in_use,
            self.capacity,
            share / 10,
            share % 10,
            self.peak,
            self.free,
            self.cached,
            self.reserved,
            self.allocations,
            self.frees,
            self.exhaustions,
            self.refusals,
        )
    }
}

/// The statistics of a [`Cache`](crate::Cache). Exact.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
#[non_exhaustive]
pub struct CacheStats {
    /// The number of blocks that the cache can hold.
    pub capacity: u64,
    /// Free blocks in it.
    pub len: u64,
    /// Blocks allocated from it so far.
    pub allocations: u64,
    /// Blocks freed into it so far.
    pub frees: u64,
    /// Number of times it drew from the depot, or tried to.
    pub refills: u64,
    /// Number of times it gave blocks to the depot.
    pub flushes: u64,
    /// Requests that found too few blocks.
    pub exhaustions: u64,
    /// Refused handles of other pools, and requests for more blocks at once than fit.
    pub refusals: u64,
}

impl fmt::Display for CacheStats {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} of {} cached; {} allocations, {} frees, {} refills, {} flushes, \
             {} exhaustions, {} refusals",
            self.len,
            self.capacity,
            self.allocations,
            self.frees,
            self.refills,
            self.flushes,
            self.exhaustions,
            self.refusals,
        )
    }
}

impl Pool<'_> {
    /// Returns the statistics. O(1): a few relaxed loads, no write.
    ///
    /// Exact while no operation is in progress and no cache exists, except for [`peak`](Stats::peak). A cache
    /// counts as of its last exchange with the depot: see each field.
    ///
    /// ```
    /// framepool::pool!(static POOL: [256; 4]);
    ///
    /// let held = [POOL.alloc()?, POOL.alloc()?];
    /// assert!(POOL.alloc_burst::<8>(8).is_err());
    /// let stats = POOL.stats();
    /// assert_eq!((stats.in_use, stats.free, stats.peak), (2, 2, 2));
    /// assert_eq!((stats.allocations, stats.frees, stats.exhaustions), (2, 0, 1));
    /// assert_eq!(stats.utilisation(), 0.5);
    /// # Ok::<(), framepool::Exhausted>(())
    /// ```
    pub fn stats(&self) -> Stats {
        let header = self.header();
        let capacity = u64::from(self.depot.capacity());
        let in_use = u64::from(self.depot.in_use());
        let cached = u64::from(self.depot.held().cached()).min(capacity);
        let reserved = wide(self.depot.lent()).min(capacity);
        let beside = header.exchange.uncounted_allocations.load(Relaxed);
        let allocations = self.depot.stack().taken().wrapping_add(beside);
        // Negative by less than the capacity if a cache has reported the blocks that it hands out, and
        // not yet their allocation.
        let frees = match allocations.wrapping_sub(in_use as Word) {
            frees if frees > Word::MAX - self.depot.capacity() as Word => 0,
            frees => frees,
        };
        Stats {
            capacity,
            in_use,
            free: capacity.saturating_sub(in_use + cached + reserved),
            cached,
            reserved,
            waiting: self.waiters(),
            peak: read(&header.stack.peak).max(in_use),
            allocations: wide(frees.wrapping_add(in_use as Word)),
            frees: wide(frees),
            exhaustions: read(&header.cold.exhaustions),
            refusals: read(&header.cold.refusals),
        }
    }

    /// Returns the number of blocks in the depot: those available to a caller without a cache. O(1).
    #[inline(never)]
    pub fn available(&self) -> usize {
        self.depot.available()
    }

    #[inline(always)]
    pub(crate) fn exhausted(&self, requested: usize, available: usize) -> Exhausted {
        Exhausted::new(requested, available, self.count_exhaustion())
    }

    /// Returns the number of blocks in caches.
    #[cold]
    #[inline(never)]
    fn count_exhaustion(&self) -> usize {
        sync::section(|s| self.header().cold.exhaustions.fetch_add(s, 1, Relaxed));
        self.depot.held().cached() as usize
    }

    /// The error for more blocks at once than fit.
    #[cold]
    #[inline(never)]
    pub(crate) fn too_many(&self, requested: usize, limit: usize) -> AllocManyError {
        self.count_refusal();
        AllocManyError::TooMany { requested, limit }
    }

    #[cold]
    #[inline(never)]
    pub(crate) fn count_refusal(&self) {
        sync::section(|s| self.header().cold.refusals.fetch_add(s, 1, Relaxed));
    }

    /// Subtracts `n` blocks from the count of allocations: the pool took them and put them back.
    pub(crate) fn uncount(&self, n: usize) {
        let beside = &self.header().exchange.uncounted_allocations;
        sync::section(|s| beside.fetch_add(s, (n as Word).wrapping_neg(), Relaxed));
    }
}

fn read(counter: &Counter) -> u64 {
    wide(counter.load(Relaxed))
}
