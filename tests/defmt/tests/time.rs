//! The text of `time` in a log: figures, not buckets.
#![cfg(all(target_os = "linux", target_pointer_width = "64"))]
#![allow(missing_docs)]

mod support;

use framepool::time::{
    AtomicHistogram, Calibration, Calibrator, Clock, Histogram, HostClock, ManualClock, Monotonic,
    Scale, Tracker, Widened, buckets,
};
use support::render;

type Small = Histogram<4, { buckets(4, 20) }>;

#[test]
fn histograms() {
    let mut h = Small::new();
    assert_eq!(render(h.percentile(1.0).unwrap_err()), "Empty");
    h.extend([10, 20, 20, 30]);
    let summary = render(h.summary());
    let figures = "Summary { count: 4, min: 10, max: 30, mean: 20.0, stddev: 7.07106";
    assert!(summary.starts_with(figures), "{summary}");
    let rest = "percentiles: [20, 20, 30, 30, 30, 30, 30, 30], clamped: 0, lost: 0 }";
    assert!(summary.ends_with(rest), "{summary}");
    assert_eq!(render(&h), format!("Histogram {{ summary: {summary} }}"));
    assert_eq!(render(h.bars()), h.bars().to_string());
    assert_eq!(
        render(h.iter()),
        "Bucket { low: 10, high: 10, count: 1 }; Bucket { low: 20, high: 20, count: 2 }; \
         Bucket { low: 30, high: 30, count: 1 }"
    );
    assert_eq!(
        render(h.percentile(101.0).unwrap_err()),
        "OutOfRange { asked: 101.0 }"
    );
    let shared = AtomicHistogram::<4, { buckets(4, 20) }>::new();
    assert_eq!(render(&shared), "AtomicHistogram { buckets: 272 }");
    assert_eq!(render(shared.recorder()), "Some(Recorder { buckets: 272 })");
}

#[test]
fn trackers() {
    let mut tracker = Tracker::<4, 4, 4, { buckets(4, 20) }>::new();
    tracker.set_target(1, 15).unwrap();
    assert_eq!(
        render(tracker.record(1, 20).unwrap()),
        "Violated { ns: 20 }"
    );
    assert_eq!(render(tracker.record_packet(1, 7, 5).unwrap()), "Backwards");
    let _ = tracker.record(3, 7).unwrap();
    let one = "Channel { stats: ChannelStats { count: 1, min: 20, max: 20, mean: 20.0, last: 20, target: Some(15), \
               violations: 1, backwards: 1 } }";
    let other = "Channel { stats: ChannelStats { count: 1, min: 7, max: 7, mean: 7.0, last: 7, target: None, \
                 violations: 0, backwards: 0 } }";
    assert_eq!(render(&tracker.channels()[3]), other);
    assert_eq!(render(&tracker), format!("1: {one}; 3: {other}"));
    let table = tracker.table(&["nasdaq", "cboe"]);
    assert_eq!(render(table), table.to_string());
    assert_eq!(
        render(tracker.record(4, 1).unwrap_err()),
        "NoChannel { asked: 4, channels: 4 }"
    );
}

#[test]
fn clocks() {
    let clock = ManualClock::new(Scale::from_hz(168_000_000).unwrap());
    clock.set(70);
    assert_eq!(render(&clock), "ManualClock { now: 70 }");
    assert_eq!(render(clock.span()), "Span { started_at: 70 }");
    assert_eq!(render(clock.scale()), "168000000 Hz");
    let back = clock.ticks_between(7, 5).unwrap_err();
    assert_eq!(render(back), "Backwards { ticks: 2 }");
    let wide = Widened::new(ManualClock::new(Scale::NANOSECOND));
    let text = "Widened { clock: ManualClock { now: 0 } }";
    assert_eq!(render(&wide), text);
    let forward = Monotonic::new(wide);
    let text = format!("Monotonic {{ clock: {text}, went_backwards: 0 }}");
    assert_eq!(render(forward), text);
}

#[test]
fn rates() {
    let given = Calibration::from_hz(1_000_000).unwrap();
    let text = "Calibration { scale: 1000000 Hz, source: Caller, error_ppb: 500 }";
    assert_eq!(render(given), text);
    let still = Calibrator::start(|| 5, || 7);
    assert_eq!(
        render(still),
        "Calibrator { first: Moment { before: 5, ns: 7, width: 0, ticks_apart: None, ns_apart: None }, .. }"
    );
    assert_eq!(
        render(still.finish().unwrap_err()),
        "Counter { first: 5, second: 5 }"
    );
    let host = HostClock::new();
    let calibration = render(host.calibration());
    assert_eq!(
        render(host),
        format!("HostClock {{ calibration: {calibration} }}")
    );
}
