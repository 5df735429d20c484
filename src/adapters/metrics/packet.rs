//! Packet pools and their caches.

use ::metrics::Unit;

use super::pool::block_size;
use super::{Publish, Sink};
use crate::packet::{PacketCache, PacketPool, PacketReservation, PacketStats};
use crate::pool::{CacheStats, Stats};

/// The blocks as a pool has them, `framepool_pool_…`; and `framepool_packet_side_lines_capacity`, `_in_use` and `_peak`,
/// and `framepool_packet_side_line_exhaustions_total`: 0 without side lines.
impl Publish for PacketStats {
    const LABEL: &'static str = Stats::LABEL;

    fn publish_to(&self, sink: &mut Sink<'_>) {
        self.blocks.publish_to(sink);
        let of = |count: fn(&Stats) -> u64| self.side.as_ref().map_or(0, count);
        sink.numbers([
            (
                "framepool_packet_side_lines_capacity",
                "Side lines: for parts of split packets, and for slices.",
                of(|side| side.capacity),
            ),
            (
                "framepool_packet_side_lines_in_use",
                "Side lines in use.",
                of(|side| side.in_use),
            ),
            (
                "framepool_packet_side_lines_peak",
                "The largest number of side lines in use at once.",
                of(|side| side.peak),
            ),
        ]);
        sink.counter(
            "framepool_packet_side_line_exhaustions_total",
            "Splits and slices that found no side line.",
            of(|side| side.exhaustions),
        );
    }
}

/// Its [`stats`](PacketPool::stats), `framepool_pool_block_size_bytes`, and `framepool_packet_blocks_lent`.
impl Publish for PacketPool<'_> {
    const LABEL: &'static str = Stats::LABEL;

    fn publish_to(&self, sink: &mut Sink<'_>) {
        self.stats().publish_to(sink);
        block_size(sink, self.block_size());
        sink.gauge(
            "framepool_packet_blocks_lent",
            Unit::Count,
            "Packets that devices have.",
            self.lent() as f64,
        );
    }
}

/// As a packet pool. Name it differently from its parent.
impl Publish for PacketReservation<'_> {
    const LABEL: &'static str = Stats::LABEL;

    fn publish_to(&self, sink: &mut Sink<'_>) {
        PacketPool::publish_to(self, sink);
    }
}

/// Its [`stats`](PacketCache::stats), as a cache of a pool.
impl<const N: usize> Publish for PacketCache<'_, N> {
    const LABEL: &'static str = CacheStats::LABEL;

    fn publish_to(&self, sink: &mut Sink<'_>) {
        self.stats().publish_to(sink);
    }
}
