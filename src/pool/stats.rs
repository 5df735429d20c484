//! What is where: counters that hot paths do not pay for.
//!
//! Without a cache every figure is read off the tagged word and the frontier, and is exact when
//! nobody is in the middle of an operation. A cache tells the pool's counters about itself at each
//! exchange with the depot, so between two exchanges they are behind by what the cache did since: at
//! most what a living cache can hold ([`Cache`](crate::Cache)) for `in_use` and `cached`, and for
//! `allocations` and `frees` whatever went in and out of the cache without an exchange. What was out
//! between two exchanges only is missing from `peak` for good. [`Cache::stats`](crate::Cache::stats) is
//! exact.

use core::fmt;

use crate::error::{AllocManyError, Exhausted};
use crate::pool::Pool;
use crate::sync::{self, Counter, Ordering::*, Word, wide};

/// What a [`Pool`] has and did: see [`Pool::stats`].
///
/// Counts of events are since the pool was made or reset; on 32-bit targets they wrap at 2^32.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
#[non_exhaustive]
pub struct Stats {
    /// Blocks in the pool.
    pub capacity: u64,
    /// Blocks out: in handles, bursts and boxes, and out as raw blocks.
    pub in_use: u64,
    /// Blocks in the depot.
    pub free: u64,
    /// Free blocks in caches, as of each one's last exchange.
    pub cached: u64,
    /// Blocks of the capacity that are not this pool's own: withdrawn by [`Pool::reserve`].
    pub reserved: u64,
    /// The most blocks that were in use at once, as far as the pool was told. Blocks that go out of a
    /// cache count from its next exchange with the depot, and one that comes home before that was never
    /// counted: also after the cache is gone, the peak may be short by what each cache had drawn and not
    /// told. Without caches it is short by at most one for each other thread that was in the middle of an
    /// allocation at that moment.
    pub peak: u64,
    /// Who [waits](Pool::alloc_async) for a block.
    pub waiting: u64,
    /// Blocks handed out so far: `frees` and `in_use` added up. Blocks that were out when their
    /// [`Reservation`](crate::Reservation) ended count as allocated from the parent.
    pub allocations: u64,
    /// Blocks that came back so far.
    pub frees: u64,
    /// Requests that found too few blocks.
    pub exhaustions: u64,
    /// Returns that were refused (wrong pool, double free, foreign address), and requests for more blocks
    /// at once than fit ([`AllocManyError::TooMany`]).
    pub refusals: u64,
}

impl Stats {
    /// The share of the pool's own blocks that is in use, 0 to 1.
    pub fn utilisation(&self) -> f32 {
        match self.capacity.saturating_sub(self.reserved) {
            0 => 0.0,
            own => self.in_use as f32 / own as f32,
        }
    }
}

impl fmt::Display for Stats {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} of {} blocks in use ({:.1} %, peak {}), {} free, {} cached, {} reserved; \
             {} allocations, {} frees, {} exhaustions, {} refusals",
            self.in_use,
            self.capacity,
            self.utilisation() * 100.0,
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

/// What a [`Cache`](crate::Cache) has and did; exact.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
#[non_exhaustive]
pub struct CacheStats {
    /// The most blocks that the cache holds.
    pub capacity: u64,
    /// Free blocks in it.
    pub len: u64,
    /// Blocks handed out so far.
    pub allocations: u64,
    /// Blocks freed into it so far.
    pub frees: u64,
    /// Times it drew from the depot, or tried.
    pub refills: u64,
    /// Times it gave to the depot.
    pub flushes: u64,
    /// Requests that found too few blocks.
    pub exhaustions: u64,
    /// Handles of other pools that were refused, and requests for more blocks at once than fit.
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
    /// What is where and what happened. O(1): a handful of relaxed loads, no write.
    ///
    /// Exact while nobody is in the middle of an operation and no cache lives, except for
    /// [`peak`](Stats::peak). A cache that lives is counted as of its last exchange with the depot: see
    /// each figure.
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
        let beside = header.exchange.allocations_beside.load(Relaxed);
        let allocations = self.depot.stack().taken().wrapping_add(beside);
        // Negative by less than the capacity where a cache has told the blocks that it hands out, and
        // not yet that it did.
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

    /// Blocks in the depot: what a caller without a cache can have. O(1).
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

    /// More blocks were asked for at once than fit what they were asked for.
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

    /// Takes `n` blocks out of the count of allocations: they were taken and put back by the pool.
    pub(crate) fn uncount(&self, n: usize) {
        let beside = &self.header().exchange.allocations_beside;
        sync::section(|s| beside.fetch_add(s, (n as Word).wrapping_neg(), Relaxed));
    }
}

fn read(counter: &Counter) -> u64 {
    wide(counter.load(Relaxed))
}
