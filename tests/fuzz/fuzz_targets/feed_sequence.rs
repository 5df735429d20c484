//! Sequence tracking: in every order of packets, ends and restarts, each message gets one verdict, and the sums agree.
#![no_main]

use framepool::feed::{SequenceTracker, Verdict, Width};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    for width in [Width::Bits32, Width::Bits64] {
        let window = bytes.first().map_or(0, |byte| u64::from(*byte) * 4);
        let mut tracker = SequenceTracker::<3>::new(width).reorder_window(window);
        let (mut sum, mut resets) = (0, 0);
        for step in bytes.chunks_exact(11) {
            let first = u64::from_le_bytes(step[..8].try_into().unwrap());
            let count = u64::from(u16::from_le_bytes([step[8], step[9]]));
            match step[10] % 16 {
                0 => ends(&mut tracker, first),
                1 => {
                    begins_anew(&mut tracker, first);
                    resets += 1;
                }
                _ => sum += accepts(&mut tracker, first, count),
            }
            let stats = tracker.stats();
            assert_eq!(
                stats.new + stats.duplicates + stats.stale + stats.after_end,
                sum
            );
            assert_eq!(stats.resets, resets);
            // Sums stay at their maximum.
            let known = stats
                .filled
                .saturating_add(stats.lost)
                .saturating_add(tracker.outstanding());
            assert!(stats.missing == known || stats.missing == u64::MAX);
            assert!(tracker.outstanding() <= window);
            assert!(tracker.gaps().all(|gap| gap.count > 0));
            let is_whole = tracker.outstanding() == 0 && stats.lost == 0;
            assert_eq!(tracker.is_complete(), tracker.has_ended() && is_whole);
        }
    }
});

fn accepts(tracker: &mut SequenceTracker<3>, first: u64, count: u64) -> u64 {
    let (next, is_over) = (tracker.next(), tracker.has_ended());
    let runs: Vec<_> = tracker.accept(first, count).collect();
    assert_eq!(runs.iter().map(|run| run.count).sum::<u64>(), count);
    assert!(is_over || runs.iter().all(|run| run.verdict != Verdict::AfterEnd));
    // No message moves the end of a session.
    assert!(!is_over || tracker.next() == next);
    count
}

fn ends(tracker: &mut SequenceTracker<3>, next: u64) {
    tracker.end(next);
    assert!(tracker.has_ended());
    let end = tracker.next().unwrap();
    let run = tracker.clone().accept(end, 1).next().unwrap();
    assert_eq!(run.verdict, Verdict::AfterEnd);
}

fn begins_anew(tracker: &mut SequenceTracker<3>, next: u64) {
    tracker.reset(next);
    assert!(!tracker.has_ended());
    assert_eq!((tracker.outstanding(), tracker.gaps().count()), (0, 0));
    let first = tracker.next().unwrap();
    let run = tracker.clone().accept(first, 1).next().unwrap();
    assert_eq!((run.first, run.verdict), (first, Verdict::InOrder));
}
