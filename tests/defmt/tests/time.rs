//! The texts of `time` in a log: statistics, not buckets.
#![cfg(all(target_os = "linux", target_pointer_width = "64"))]
#![allow(missing_docs)]

mod support;

use framepool::time::{
    AtomicHistogram, Calibration, Calibrator, Clock, Histogram, ManualClock, Monotonic, Scale,
    Tracker, Widened, buckets,
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
    let text = format!("Histogram {{ precision: 4, buckets: 272, summary: {summary} }}");
    assert_eq!(render(&h), text);
    assert_eq!(render(h.bars()), h.bars().to_string());
    let mut rest = h.iter();
    assert_eq!(
        render(rest.next()),
        "Some(Bucket { low: 10, high: 10, count: 1 })"
    );
    assert_eq!(render(rest), "Buckets { next: 11 }");
    let mut steps = h.percentile_steps(1);
    assert_eq!(
        render(steps.next()),
        "Some(PercentileStep { percentile: 0.0, value: 10, count_up_to: 1 })"
    );
    let text =
        "PercentileSteps { steps: 1, reached: Some(Bucket { low: 10, high: 10, count: 1 }) }";
    assert_eq!(render(steps), text);
    assert_eq!(
        render(h.percentile(101.0).unwrap_err()),
        "OutOfRange { asked: 101.0 }"
    );
    let shared = AtomicHistogram::<4, { buckets(4, 20) }>::new();
    let text = "AtomicHistogram { precision: 4, buckets: 272 }";
    assert_eq!(render(&shared), text);
    assert_eq!(
        render(shared.recorder()),
        format!("Some(Recorder {{ histogram: {text} }})")
    );
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
    let stats = "ChannelStats { count: 1, min: 20, max: 20, mean: 20.0, last: 20, target: Some(15), \
                 violations: 1, backwards: 1 }";
    let [none, one, _, other] = tracker.channels();
    let histogram = render(one.histogram());
    assert_eq!(
        render(one),
        format!("Channel {{ stats: {stats}, histogram: {histogram} }}")
    );
    let all = [none, one, none, other].map(render).join(", ");
    assert_eq!(render(&tracker), format!("Tracker {{ channels: [{all}] }}"));
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
    assert_eq!(
        render(&clock),
        "ManualClock { now: 70, scale: Scale { hz: 168000000 } }"
    );
    assert_eq!(render(clock.span()), "Span { started_at: 70 }");
    assert_eq!(render(clock.scale()), "Scale { hz: 168000000 }");
    let back = clock.ticks_between(7, 5).unwrap_err();
    assert_eq!(render(back), "Backwards { ticks: 2 }");
    let wide = Widened::new(ManualClock::new(Scale::NANOSECOND));
    let text = "Widened { scale: Scale { hz: 1000000000 }, bits: 62 }";
    assert_eq!(render(&wide), text);
    let forward = Monotonic::new(wide);
    let text = "Monotonic { scale: Scale { hz: 1000000000 }, went_backwards: 0 }";
    assert_eq!(render(forward), text);
}

#[test]
fn rates() {
    let given = Calibration::from_hz(1_000_000).unwrap();
    let text = "Calibration { scale: Scale { hz: 1000000 }, source: Caller, error_ppb: 500 }";
    assert_eq!(render(given), text);
    let still = Calibrator::start(|| 5, || 7);
    assert_eq!(
        render(still),
        "Calibrator { first: Moment { before: 5, ns: 7, width: 0, ticks_apart: None, ns_apart: None } }"
    );
    assert_eq!(
        render(still.finish().unwrap_err()),
        "Counter { first: 5, second: 5 }"
    );
}
