//! Sequence tracking: whatever comes, every message is judged once and everything adds up.
#![no_main]

use framepool::wire::feed::{SequenceTracker, Width};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    for width in [Width::Bits32, Width::Bits64] {
        let window = bytes.first().map_or(0, |byte| u64::from(*byte) * 4);
        let mut tracker = SequenceTracker::<3>::new(width).reorder_window(window);
        let mut sum = 0;
        for packet in bytes.chunks_exact(10) {
            let first = u64::from_le_bytes(packet[..8].try_into().unwrap());
            let count = u64::from(u16::from_le_bytes([packet[8], packet[9]]));
            let judged: u64 = tracker.accept(first, count).map(|run| run.count).sum();
            assert_eq!(judged, count);
            sum += count;
            let stats = tracker.stats();
            assert_eq!(stats.new + stats.duplicates + stats.stale, sum);
            assert!(tracker.outstanding() <= window);
            assert!(tracker.gaps().all(|gap| gap.count > 0));
        }
    }
});
