//! Statistics of packet pools as metrics.

use framepool::packet::{PacketCache, PacketConfig, PacketPool};

use crate::metrics::{assert_shows_cache, assert_shows_pool, published};

#[test]
fn a_packet_pool_shows_its_blocks_as_a_pool_and_its_side_lines() {
    let packets = PacketPool::allocate(PacketConfig::new(256, 8).side(2)).unwrap();
    let mut one = packets.alloc_from(b"header body").unwrap();
    let parts = [one.split_off(6).unwrap(), one.split_off(3).unwrap()];
    assert!(one.split_off(1).is_err());
    drop(parts.into_iter().next());
    let burst = packets.alloc_burst::<8>(8);
    assert!(burst.is_err());
    let raw = packets.alloc().unwrap().into_raw().unwrap();
    let stats = packets.stats();
    let side = stats.side.unwrap();
    assert_eq!((side.capacity, side.peak, side.exhaustions), (2, 2, 1));
    let recorded = published(&packets, "rx");
    assert_shows_pool(&recorded, "rx", stats.blocks);
    let level = |metric: &str| recorded.level(&format!("framepool_{metric}{{pool=\"rx\"}}"));
    assert_eq!(level("pool_block_size_bytes"), 256.0);
    assert_eq!(level("packet_blocks_lent"), 1.0);
    let lines = ["capacity", "in_use", "peak"].map(|of| level(&format!("packet_side_lines_{of}")));
    assert_eq!(lines, [2.0, side.in_use as f64, 2.0]);
    let exhaustions = r#"framepool_packet_side_line_exhaustions_total{pool="rx"}"#;
    assert_eq!(recorded.count(exhaustions), 1);
    let copy = published(&stats, "copy");
    assert_shows_pool(&copy, "copy", stats.blocks);
    assert_eq!(
        copy.level(r#"framepool_packet_side_lines_peak{pool="copy"}"#),
        2.0
    );
    // SAFETY: the address is that of a packet, and is used once; no device writes to it.
    drop(unsafe { packets.packet_from_raw(raw) });
}

#[test]
fn a_packet_pool_without_side_lines_shows_none() {
    let packets = PacketPool::allocate(PacketConfig::new(256, 8).side(0)).unwrap();
    let recorded = published(&packets, "rx");
    for metric in ["capacity", "in_use", "peak"] {
        let metric = format!("framepool_packet_side_lines_{metric}{{pool=\"rx\"}}");
        assert_eq!(recorded.level(&metric), 0.0, "{metric}");
    }
}

#[test]
fn a_packet_reservation_shows_its_own_blocks_and_side_lines() {
    let packets = PacketPool::allocate(PacketConfig::new(256, 8).side(4)).unwrap();
    let quota = packets.reserve(3, 1).unwrap();
    let mut one = quota.alloc_from(b"header body").unwrap();
    let rest = one.split_off(6).unwrap();
    let recorded = published(&quota, "tx");
    assert_shows_pool(&recorded, "tx", quota.stats().blocks);
    let level = |metric: &str| recorded.level(&format!("framepool_{metric}{{pool=\"tx\"}}"));
    assert_eq!(level("pool_blocks_free"), 2.0);
    assert_eq!(level("packet_side_lines_in_use"), 1.0);
    drop((one, rest));
}

#[test]
fn a_packet_cache_shows_its_statistics_as_a_cache() {
    let packets = PacketPool::allocate(PacketConfig::new(256, 16)).unwrap();
    let mut cache: PacketCache<'_, 8> = PacketCache::holding(&packets, 2);
    let all: Vec<_> = (0..7).map(|_| cache.alloc().unwrap()).collect();
    for packet in all.into_iter().skip(1) {
        cache.free(packet).unwrap();
    }
    let stats = cache.stats();
    assert!(stats.refills > 0 && stats.flushes > 0 && stats.allocations != stats.frees);
    assert_shows_cache(&published(&cache, "worker"), "worker", stats);
}
