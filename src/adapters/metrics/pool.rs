//! Pools and caches.

use ::metrics::Unit;

use super::{Publish, Sink};
use crate::pool::{Cache, CacheStats, Pool, Reservation, Stats};

/// `framepool_pool_blocks_capacity`, `_in_use`, `_free`, `_cached`, `_reserved` and `_peak`, and
/// `framepool_pool_tasks_waiting`; `framepool_pool_allocations_total`, `frees_total`, `exhaustions_total` and
/// `refusals_total`.
impl Publish for Stats {
    const LABEL: &'static str = "pool";

    fn publish_to(&self, sink: &mut Sink<'_>) {
        sink.numbers([
            (
                "framepool_pool_blocks_capacity",
                "Blocks in the pool.",
                self.capacity,
            ),
            (
                "framepool_pool_blocks_in_use",
                "Blocks in use.",
                self.in_use,
            ),
            (
                "framepool_pool_blocks_free",
                "Blocks in the depot.",
                self.free,
            ),
            (
                "framepool_pool_blocks_cached",
                "Free blocks in caches, as of each cache's last exchange with the depot.",
                self.cached,
            ),
            (
                "framepool_pool_blocks_reserved",
                "Blocks withdrawn by reservations.",
                self.reserved,
            ),
            (
                "framepool_pool_blocks_peak",
                "The largest number of blocks in use at once.",
                self.peak,
            ),
            (
                "framepool_pool_tasks_waiting",
                "Tasks waiting for a block.",
                self.waiting,
            ),
        ]);
        sink.counters([
            (
                "framepool_pool_allocations_total",
                "Blocks allocated.",
                self.allocations,
            ),
            ("framepool_pool_frees_total", "Blocks freed.", self.frees),
            (
                "framepool_pool_exhaustions_total",
                "Requests that found too few blocks.",
                self.exhaustions,
            ),
            (
                "framepool_pool_refusals_total",
                "Refused returns, and requests for more blocks at once than fit.",
                self.refusals,
            ),
        ]);
    }
}

/// Its [`stats`](Pool::stats), and `framepool_pool_block_size_bytes`.
impl Publish for Pool<'_> {
    const LABEL: &'static str = Stats::LABEL;

    fn publish_to(&self, sink: &mut Sink<'_>) {
        self.stats().publish_to(sink);
        block_size(sink, self.block_size());
    }
}

pub(super) fn block_size(sink: &mut Sink<'_>, bytes: usize) {
    sink.gauge(
        "framepool_pool_block_size_bytes",
        Unit::Bytes,
        "Bytes in a block.",
        bytes as f64,
    );
}

/// As a pool. Name it differently from its parent.
impl Publish for Reservation<'_> {
    const LABEL: &'static str = Stats::LABEL;

    fn publish_to(&self, sink: &mut Sink<'_>) {
        Pool::publish_to(self, sink);
    }
}

/// `framepool_cache_blocks_capacity` and `framepool_cache_blocks_held`; `framepool_cache_allocations_total`,
/// `frees_total`, `refills_total`, `flushes_total`, `exhaustions_total` and `refusals_total`.
impl Publish for CacheStats {
    const LABEL: &'static str = "cache";

    fn publish_to(&self, sink: &mut Sink<'_>) {
        sink.numbers([
            (
                "framepool_cache_blocks_capacity",
                "Blocks that the cache can hold.",
                self.capacity,
            ),
            (
                "framepool_cache_blocks_held",
                "Free blocks in the cache.",
                self.len,
            ),
        ]);
        sink.counters([
            (
                "framepool_cache_allocations_total",
                "Blocks allocated from the cache.",
                self.allocations,
            ),
            (
                "framepool_cache_frees_total",
                "Blocks freed into the cache.",
                self.frees,
            ),
            (
                "framepool_cache_refills_total",
                "Times that the cache drew from the depot, or tried to.",
                self.refills,
            ),
            (
                "framepool_cache_flushes_total",
                "Times that the cache gave blocks to the depot.",
                self.flushes,
            ),
            (
                "framepool_cache_exhaustions_total",
                "Requests that found too few blocks.",
                self.exhaustions,
            ),
            (
                "framepool_cache_refusals_total",
                "Refused handles of other pools, and requests for more blocks at once than fit.",
                self.refusals,
            ),
        ]);
    }
}

/// Its [`stats`](Cache::stats).
impl<const N: usize> Publish for Cache<'_, N> {
    const LABEL: &'static str = CacheStats::LABEL;

    fn publish_to(&self, sink: &mut Sink<'_>) {
        self.stats().publish_to(sink);
    }
}
