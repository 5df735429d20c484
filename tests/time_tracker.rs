//! Latency by channel, compared with the latencies themselves.
#![cfg(feature = "time")]
#![allow(missing_docs)]

use framepool::time::{
    Channel, Clock, ManualClock, NoChannel, Outcome, PercentileError, Scale, Tracker, buckets,
};
use proptest::collection::vec;
use proptest::prelude::*;

type Small<const RECENT: usize> = Channel<RECENT, 4, { buckets(4, 40) }, u32>;

/// Checks a channel's statistics against all latencies.
fn check<const RECENT: usize>(packets: &[(u64, u64)], target: u64) {
    let mut channel = Small::<RECENT>::new();
    channel.set_target(target);
    let mut latencies = Vec::new();
    for &(sent, received) in packets {
        let outcome = channel.record_packet(sent, received);
        match received.checked_sub(sent) {
            None => assert_eq!(outcome, Outcome::Backwards),
            Some(ns) => {
                latencies.push(ns);
                assert_eq!(outcome.ns(), ns);
                assert_eq!(outcome.is_violation(), target > 0 && ns > target);
            }
        }
    }
    let stats = channel.stats();
    let over = latencies.iter().filter(|&&ns| target > 0 && ns > target);
    assert_eq!(stats.violations, over.count() as u64);
    assert_eq!(stats.count, latencies.len() as u64);
    assert_eq!(stats.backwards, (packets.len() - latencies.len()) as u64);
    assert_eq!(stats.min, latencies.iter().copied().min().unwrap_or(0));
    assert_eq!(stats.max, latencies.iter().copied().max().unwrap_or(0));
    let sum: u128 = latencies.iter().map(|&ns| u128::from(ns)).sum();
    assert_eq!(stats.mean, sum as f64 / latencies.len().max(1) as f64);
    assert_eq!(stats.target.map_or(0, |ns| ns.get()), target);
    let recent: Vec<u64> = latencies.iter().rev().take(RECENT).copied().collect();
    assert!(channel.recent().eq(recent.iter().copied()));
    assert_eq!(stats.last, recent.first().copied().unwrap_or(0));
    assert_eq!(channel.histogram().count(), stats.count);
    assert_eq!(channel.is_used(), !packets.is_empty());
    channel.reset();
    assert!(!channel.is_used() && channel.recent().next().is_none());
    assert_eq!(channel.stats().target, stats.target);
    assert_eq!((channel.stats().min, channel.stats().max), (0, 0));
    assert_eq!(channel.percentile(50.0), Err(PercentileError::Empty));
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: if cfg!(miri) { 4 } else { ProptestConfig::default().cases },
        failure_persistence: None,
        ..ProptestConfig::default()
    })]

    #[test]
    fn a_channel_knows_what_it_was_told(
        packets in vec((0_u64..2000, 500_u64..10_000), 0..60),
        target in 0_u64..9000,
    ) {
        check::<0>(&packets, target);
        check::<1>(&packets, target);
        check::<7>(&packets, target);
        check::<64>(&packets, target);
    }

    #[test]
    fn no_percentile_of_a_channel_is_less_than_the_exact_one(
        // Below the histogram's maximum at 2^12, in the last bucket, and above it.
        latencies in vec(prop_oneof![0_u64..4000, 3900_u64..4300, any::<u64>()], 1..80),
        percentile in prop_oneof![0.0_f64..=100.0, Just(100.0), Just(99.0), Just(50.0)],
    ) {
        let mut channel = Channel::<1, 4, { buckets(4, 12) }>::new();
        for &ns in &latencies {
            let _ = channel.record(ns);
        }
        let mut sorted = latencies;
        sorted.sort_unstable();
        let rank = (percentile / 100.0 * sorted.len() as f64).ceil().max(1.0) as usize;
        let (exact, max) = (sorted[rank - 1], sorted[sorted.len() - 1]);
        let answer = channel.percentile(percentile).unwrap();
        let most = if exact < 1 << 12 { (exact + exact / 16).min(max) } else { max };
        prop_assert!((exact..=most).contains(&answer), "{} for {}", answer, exact);
        prop_assert_eq!(channel.percentile(100.0), Ok(max));
        prop_assert_eq!(channel.percentile(0.0), Ok(sorted[0]));
    }

    #[test]
    fn merging_trackers_is_recording_both(
        a in vec((0_u64..2000, 500_u64..10_000), 0..40),
        b in vec((0_u64..2000, 500_u64..10_000), 0..40),
    ) {
        let recorded = |packets: &[(u64, u64)]| {
            let mut tracker = Tracker::<1, 8, 4, { buckets(4, 40) }>::new();
            tracker.set_target(0, 5000).unwrap();
            for &(sent, received) in packets {
                let _ = tracker.record_packet(0, sent, received).unwrap();
            }
            tracker
        };
        let (mut left, right, all) = (recorded(&a), recorded(&b), recorded(&[&a[..], &b].concat()));
        let recent: Vec<u64> = left.channels()[0].recent().collect();
        left.merge(&right);
        let (left, all) = (&left.channels()[0], &all.channels()[0]);
        prop_assert!(left.histogram() == all.histogram());
        prop_assert_eq!(left.recent().collect::<Vec<_>>(), recent);
        let last = left.recent().next().unwrap_or(0);
        prop_assert_eq!(left.stats().last, last);
        let figures = |c: &Channel<8, 4, { buckets(4, 40) }>| {
            let s = c.stats();
            (s.count, s.min, s.max, s.mean, s.target, s.violations, s.backwards)
        };
        prop_assert_eq!(figures(left), figures(all));
    }
}

#[test]
fn the_largest_latencies_overflow_nothing() {
    let mut channel = Small::<4>::new();
    channel.set_target(u64::MAX);
    assert_eq!(channel.record(u64::MAX), Outcome::Met { ns: u64::MAX });
    assert_eq!(channel.record_packet(0, u64::MAX).ns(), u64::MAX);
    let _ = channel.record(0);
    let stats = channel.stats();
    assert_eq!((stats.min, stats.max, stats.violations), (0, u64::MAX, 0));
    assert_eq!(channel.histogram().clamped(), 2);
    assert_eq!(stats.violation_percent(), 0.0);
}

#[test]
fn percentiles_lie_between_the_least_and_the_greatest() {
    let mut channel = Small::<4>::new();
    let _ = channel.record(1001);
    assert_eq!(channel.percentile(0.0), Ok(1001));
    assert_eq!(channel.percentile(100.0), Ok(1001));
    channel.reset();
    // Above all buckets.
    let _ = channel.record(1 << 50);
    assert_eq!(channel.percentile(50.0), Ok(1 << 50));
}

#[test]
fn the_hundredth_percentile_is_the_greatest_latency() {
    let mut channel: Channel = Channel::new();
    let hour = 3_600_000_000_000;
    for _ in 0..99 {
        let _ = channel.record(1000);
    }
    let _ = channel.record(hour);
    assert_eq!(channel.percentile(100.0), Ok(hour));
    assert_eq!(channel.percentile(99.9), Ok(hour));
    assert_eq!(channel.percentile(99.0).map(|ns| ns / 10), Ok(100));
    let mut tracker: Tracker<1> = Tracker::new();
    tracker.channel_mut(0).unwrap().merge(&channel);
    let table = tracker.table(&[]).to_string();
    assert_eq!(table.matches("3600000000000").count(), 2, "{table}");
}

#[test]
fn latencies_above_the_buckets_that_a_counter_lost_hide_no_others() {
    let mut channel = Channel::<1, 4, { buckets(4, 12) }, u16>::new();
    for ns in (0..10).map(|_| 7).chain((0..70_000).map(|_| 1 << 20)) {
        let _ = channel.record(ns);
    }
    assert!(channel.histogram().lost() > 0);
    assert_eq!(channel.percentile(0.001), Ok(7));
    assert_eq!(channel.percentile(50.0), Ok(1 << 20));
}

#[test]
fn channels_do_not_mix() {
    let mut tracker: Tracker<3, 4> = Tracker::new();
    tracker.set_target(1, 10).unwrap();
    assert_eq!(tracker.record(1, 11).map(Outcome::is_violation), Ok(true));
    assert_eq!(tracker.record(2, 11).map(Outcome::is_violation), Ok(false));
    let used: Vec<bool> = tracker.channels().iter().map(Channel::is_used).collect();
    assert_eq!(used, [false, true, true]);
    assert_eq!(
        tracker.channel(1).unwrap().stats().violation_percent(),
        100.0
    );
    tracker.channel_mut(2).unwrap().reset();
    assert!(tracker.channel(1).unwrap().is_used() && !tracker.channel(2).unwrap().is_used());
    tracker.reset();
    assert!(!tracker.channels().iter().any(Channel::is_used));
    assert!(tracker.channel(1).unwrap().stats().target.is_some());
}

#[test]
fn a_channel_that_is_not_there_is_named() {
    let mut tracker: Tracker<2, 4> = Tracker::new();
    let clock = ManualClock::new(Scale::NANOSECOND);
    for asked in [2, usize::MAX] {
        let error = NoChannel { asked, channels: 2 };
        assert_eq!(tracker.record(asked, 1), Err(error));
        assert_eq!(tracker.record_packet(asked, 1, 2), Err(error));
        assert_eq!(tracker.record_ticks(asked, &clock, 1, 2), Err(error));
        assert_eq!(tracker.set_target(asked, 1), Err(error));
        assert_eq!(tracker.channel(asked).err(), Some(error));
    }
    assert!(!tracker.channels().iter().any(Channel::is_used));
    assert_eq!(
        Tracker::<0>::new().channel(0).err().map(|e| e.channels),
        Some(0)
    );
}

#[test]
fn ticks_become_nanoseconds() {
    let clock = ManualClock::new(Scale::from_hz(10_000_000).unwrap());
    let mut tracker: Tracker<1, 4> = Tracker::new();
    let sent = clock.now();
    clock.advance(3);
    assert_eq!(
        tracker.record_ticks(0, &clock, sent, clock.now()),
        Ok(Outcome::Met { ns: 300 })
    );
    let early = tracker.record_ticks(0, &clock, clock.now(), sent);
    assert_eq!(early, Ok(Outcome::Backwards));
    assert_eq!(tracker.channel(0).unwrap().stats().backwards, 1);
}

#[test]
fn the_table_has_a_line_for_each_channel_that_is_used() {
    let mut tracker: Tracker<4, 4> = Tracker::new();
    tracker.set_target(1, 300).unwrap();
    for (channel, ns) in [(1, 250), (1, 350), (3, 7)] {
        let _ = tracker.record(channel, ns).unwrap();
    }
    let text = tracker.table(&["nasdaq", "cboe"]).to_string();
    let lines: Vec<Vec<&str>> = text
        .lines()
        .map(|l| l.split_whitespace().collect())
        .collect();
    assert_eq!(lines.len(), 3);
    assert_eq!(lines[0].len(), lines[1].len());
    assert_eq!(lines[1][..4], ["cboe", "2", "250", "300"]);
    assert_eq!(lines[1][7..], ["350", "300", "1", "0"]);
    assert_eq!(lines[2][..3], ["3", "1", "7"]);
    assert_eq!(lines[2][8], "-");
    // Columns stay below their heads, whatever the length of the names.
    let text = tracker
        .table(&["", "a venue of many words", ""])
        .to_string();
    let lengths: Vec<usize> = text.lines().map(str::len).collect();
    assert!(lengths.iter().all(|l| *l == lengths[0]), "{text}");
}

#[test]
fn counters_of_a_channel_stay_at_their_maximum() {
    let mut channel = Small::<1>::new();
    channel.set_target(5);
    let _ = channel.record(3);
    let _ = channel.record(7);
    let _ = channel.record_packet(2, 1);
    for _ in 0..66 {
        let so_far = channel.clone();
        channel.merge(&so_far);
    }
    let stats = channel.stats();
    assert_eq!(
        (stats.count, stats.violations, stats.backwards),
        (u64::MAX, u64::MAX, u64::MAX)
    );
    assert!((3.0..=7.0).contains(&stats.mean), "{stats:?}");
    assert_eq!(stats.violation_percent(), 100.0);
    let _ = channel.record(9);
    assert_eq!(channel.record_packet(2, 1), Outcome::Backwards);
    assert_eq!(channel.stats().count, u64::MAX);
    // Its counters have 32 bits.
    assert!(channel.histogram().lost() > 0);
    assert_eq!(channel.percentile(100.0), Ok(9));
}

#[cfg(feature = "std")]
#[test]
fn on_the_heap_they_are_as_empty_as_elsewhere() {
    let mut channel = Small::<4>::boxed();
    assert_eq!(channel.stats(), Small::<4>::new().stats());
    assert!(!channel.is_used() && channel.histogram().is_empty());
    let _ = channel.record(7);
    assert_eq!((channel.stats().min, channel.stats().max), (7, 7));

    // Larger than a thread's stack.
    let mut tracker = Tracker::<128>::boxed();
    assert!(size_of_val(&*tracker) > 4 << 20);
    assert!(tracker.channels().iter().all(|c| !c.is_used()));
    let _ = tracker.record(127, 9).unwrap();
    assert_eq!(tracker.channel(127).unwrap().stats().max, 9);
    // A tracker without channels.
    let none = Tracker::<0>::boxed();
    assert!(none.channel(0).is_err());
}
