//! Histograms compared with the sorted values.
#![cfg(feature = "time")]
#![allow(missing_docs)]

use framepool::time::{
    AtomicHistogram, Count, Histogram, Histogram1, Histogram2, PERCENTILES, PercentileError,
    buckets,
};
use proptest::collection::vec;
use proptest::prelude::*;

type Small<C = u64> = Histogram<3, { buckets(3, 20) }, C>;
type Fine = Histogram<10, { buckets(10, 36) }>;

/// Values of every magnitude, like latencies: equally many around 10 and around 1,000,000.
fn values(bits: u32) -> impl Strategy<Value = Vec<u64>> {
    let value = (any::<u64>(), 0..bits).prop_map(|(value, shift)| value >> (63 - shift));
    vec(value, 1..if cfg!(miri) { 10 } else { 200 })
}

/// The exact percentile: the value of rank `ceil(p / 100 * n)`. It is given in thousandths.
fn oracle(sorted: &[u64], thousandths: usize) -> u64 {
    let rank = (thousandths * sorted.len()).div_ceil(100_000).max(1);
    sorted[rank - 1]
}

fn recorded<const P: u32, const N: usize, C: Count>(values: &[u64]) -> Histogram<P, N, C> {
    let mut histogram = Histogram::new();
    histogram.extend(values.iter().copied());
    histogram
}

/// All statistics are within the error that the type documents.
fn check<const P: u32, const N: usize, C: Count>(values: &[u64]) {
    let h: Histogram<P, N, C> = recorded(values);
    let mut sorted = values.to_vec();
    sorted.sort_unstable();
    let max = Histogram::<P, N, C>::MAX;
    sorted
        .iter_mut()
        .for_each(|value| *value = (*value).min(max));
    let (least, greatest) = (sorted[0], sorted[sorted.len() - 1]);
    for thousandths in (1..=100_000)
        .step_by(if cfg!(miri) { 49_997 } else { 2997 })
        .chain([1, 50_000, 99_900, 100_000])
    {
        let exact = oracle(&sorted, thousandths);
        let answer = h.percentile(thousandths as f64 / 1000.0).unwrap();
        assert!(answer >= exact, "{thousandths}: {answer} < {exact}");
        assert!(
            answer - exact <= exact >> P,
            "{thousandths}: {answer} for {exact}"
        );
    }
    assert_eq!(h.count(), values.len() as u64);
    let (min, top) = (h.min().unwrap(), h.max().unwrap());
    assert!(min <= least && least - min <= least >> P);
    assert!(top >= greatest && top - greatest <= greatest >> P);
    assert_eq!(h.percentile(0.0), Ok(min));
    assert_eq!(h.percentile(100.0), Ok(top));
    check_moments(&h, &sorted, P);
    check_summary(&h);
}

fn check_moments<const P: u32, const N: usize, C: Count>(
    h: &Histogram<P, N, C>,
    sorted: &[u64],
    precision: u32,
) {
    let n = sorted.len() as f64;
    let part = 1.0 / f64::from(1_u32 << precision);
    let mean = sorted.iter().map(|&v| v as f64).sum::<f64>() / n;
    assert!((h.mean().unwrap() - mean).abs() <= mean * part / 2.0 + mean * 1e-12);
    let squares = |about: f64| {
        sorted
            .iter()
            .map(|&v| (v as f64 - about).powi(2))
            .sum::<f64>()
    };
    let root_of_squares = (squares(0.0) / n).sqrt();
    // A value changes by at most half of its bucket; the deviation by at most their root mean square.
    let bound = root_of_squares * part + root_of_squares * 1e-6;
    let deviation = (squares(mean) / n).sqrt();
    assert!((h.stddev().unwrap() - deviation).abs() <= bound);
}

fn check_corrected<const P: u32, const N: usize>(value: u64, interval: u64) {
    let mut corrected = Histogram::<P, N>::new();
    corrected.record_corrected(value, interval);
    let mut expected = Histogram::<P, N>::new();
    expected.record(value);
    let missing = (1..).map(|i| value.saturating_sub(i * interval));
    if interval > 0 {
        expected.extend(missing.take_while(|&v| v >= interval));
    }
    assert!(corrected == expected);
}

fn check_summary<const P: u32, const N: usize, C: Count>(h: &Histogram<P, N, C>) {
    let summary = h.summary();
    for (p, value) in PERCENTILES.into_iter().zip(summary.percentiles) {
        assert_eq!(h.percentile(p), Ok(value));
    }
    assert_eq!(
        (summary.min, summary.max),
        (h.min().unwrap(), h.max().unwrap())
    );
    assert_eq!((summary.count, summary.clamped), (h.count(), h.clamped()));
    assert_eq!(Some(summary.mean), h.mean());
    assert_eq!(Some(summary.stddev), h.stddev());
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: if cfg!(miri) { 1 } else { ProptestConfig::default().cases },
        failure_persistence: None,
        ..ProptestConfig::default()
    })]

    #[test]
    fn every_figure_is_within_the_stated_error(values in values(64)) {
        check::<1, { buckets(1, 64) }, u16>(&values);
        check::<4, { buckets(4, 64) }, u64>(&values);
        if !cfg!(miri) {
            check::<7, { buckets(7, 64) }, u32>(&values);
            check::<10, { buckets(10, 24) }, u64>(&values);
        }
    }

    #[test]
    fn values_above_the_maximum_count_in_the_last_bucket_and_apart(values in values(40)) {
        check::<3, { buckets(3, 20) }, u64>(&values);
        check::<10, { buckets(10, 11) }, u64>(&values);
        let h: Small = recorded(&values);
        let above = values.iter().filter(|&&v| v > Small::<u64>::MAX).count();
        prop_assert_eq!(h.clamped(), above as u64);
        prop_assert_eq!(h.lost(), 0);
    }

    #[test]
    fn merging_is_recording_both(a in values(40), b in values(40)) {
        let (mut left, right): (Small<u64>, Small<u32>) = (recorded(&a), recorded(&b));
        let all: Small<u16> = recorded(&[a, b].concat());
        let before = left.clone();
        left.merge(&right);
        prop_assert!(left == all);
        left.subtract(&before);
        prop_assert!(left == right);
    }

    #[test]
    fn counting_n_times_is_recording_n_times(value in any::<u64>(), n in 0_u64..50) {
        let (mut one, mut other) = (Small::<u64>::new(), Small::<u64>::new());
        one.record_n(value, n);
        (0..n).for_each(|_| other.record(value));
        prop_assert!(one == other);
    }

    #[test]
    fn buckets_partition_the_values(values in values(64)) {
        let h: Histogram2 = Box::new(recorded(&values)).as_ref().clone();
        let mut end = 0;
        for bucket in &h {
            prop_assert!(bucket.low >= end && bucket.low <= bucket.high);
            prop_assert!(bucket.high - bucket.low <= bucket.low >> 7);
            let inside = values.iter().filter(|v| (bucket.low..=bucket.high).contains(v));
            prop_assert_eq!(bucket.count, inside.count() as u64);
            prop_assert!((bucket.low..=bucket.high).contains(&bucket.middle()));
            end = bucket.high;
        }
        prop_assert_eq!(h.iter().map(|b| b.count).sum::<u64>(), values.len() as u64);
    }

    #[test]
    fn the_atomic_form_counts_the_same(values in values(40), n in 1_u64..9) {
        let shared = AtomicHistogram::<3, { buckets(3, 20) }>::new();
        let mut expected = Small::<u64>::new();
        let mut recorder = shared.recorder().unwrap();
        for &value in &values {
            recorder.record(value);
            recorder.record_n(value / 2, n);
            expected.record(value);
            expected.record_n(value / 2, n);
        }
        let mut seen = Small::<u32>::new();
        seen.record(77);
        shared.read(&mut seen);
        prop_assert!(seen == expected);
    }

    #[test]
    fn corrected_values_are_the_missing_ones(value in 0_u64..5000, interval in 0_u64..1000) {
        check_corrected::<10, { buckets(10, 64) }>(value, interval);
        // Most of them are above its maximum.
        check_corrected::<1, { buckets(1, 8) }>(value, interval);
        check_corrected::<1, { buckets(1, 8) }>(value, interval % 8);
    }

    #[test]
    fn pictures_show_all(values in values(64), more in 1_u64..5000) {
        let mut h: Histogram1 = recorded(&values);
        rows(&h);
        h.record_n(values[0], more);
        rows(&h);
    }

    #[test]
    fn counts_up_to_a_value(values in values(64), at in any::<u64>()) {
        let h: Histogram1 = recorded(&values);
        let below = values.iter().filter(|&&v| v <= at).count() as u64;
        let reach = values.iter().filter(|&&v| v <= at.saturating_add(at >> 4)).count() as u64;
        prop_assert!((below..=reach).contains(&h.count_up_to(at)));
    }
}

#[test]
fn percentiles_that_do_not_exist_are_errors() {
    let mut h = Small::<u64>::new();
    for asked in [-0.1, 100.000_1, f64::INFINITY, f64::NEG_INFINITY] {
        assert_eq!(
            h.percentile(asked),
            Err(PercentileError::OutOfRange { asked })
        );
    }
    assert!(matches!(
        h.percentile(f64::NAN),
        Err(PercentileError::OutOfRange { asked }) if asked.is_nan()
    ));
    for p in [0.0, -0.0, 50.0, 100.0] {
        assert_eq!(h.percentile(p), Err(PercentileError::Empty));
    }
    h.record(5);
    for p in [0.0, -0.0, f64::MIN_POSITIVE, 1e-9, 100.0] {
        assert_eq!(h.percentile(p), Ok(5));
    }
}

#[test]
fn nothing_has_no_figures() {
    let h = Small::<u64>::new();
    assert!(h.is_empty() && h.iter().next().is_none());
    assert_eq!((h.count(), h.min(), h.max()), (0, None, None));
    assert_eq!((h.mean(), h.stddev()), (None, None));
    assert_eq!(h.summary(), Default::default());
    assert_eq!(h.bars().to_string(), "");
}

#[test]
fn decimal_percentiles_are_what_they_say() {
    let mut h = Fine::new();
    h.extend(1..=1000);
    // In binary 99.9 is slightly more, and 0.999000…01 × 1000 would round up to the last value.
    assert_eq!(h.percentile(99.9), Ok(999));
    assert_eq!(h.percentile(99.91), Ok(1000));
    assert_eq!(h.percentile(0.1), Ok(1));
    assert_eq!(h.percentile(0.100_001), Ok(2));
}

#[test]
fn counters_stay_at_their_maximum_and_count_the_rest() {
    let mut narrow = Small::<u16>::new();
    narrow.record_n(3, 65_530);
    (0..10).for_each(|_| narrow.record(3));
    assert_eq!((narrow.count(), narrow.lost()), (65_535, 5));
    narrow.record_n(3, u64::MAX);
    assert_eq!((narrow.count(), narrow.lost()), (65_535, u64::MAX));

    let mut wide = Small::<u64>::new();
    wide.record_n(3, u64::MAX);
    wide.record(3);
    assert_eq!((wide.count(), wide.lost()), (u64::MAX, 1));
    // The total has more than 64 bits, and percentiles are still correct.
    wide.record_n(7, u64::MAX);
    wide.record_n(9, 1);
    assert_eq!(wide.count(), u64::MAX);
    assert_eq!(wide.percentile(49.9), Ok(3));
    assert_eq!(wide.percentile(51.0), Ok(7));
    assert_eq!(wide.percentile(100.0), Ok(9));

    let before = narrow.clone();
    narrow.merge(&wide);
    assert_eq!(narrow.percentile(100.0), Ok(9));
    assert!(narrow.count() > before.count());
    assert_eq!(narrow.lost(), u64::MAX);
}

#[test]
fn values_above_the_maximum_are_lost_only_when_the_last_bucket_is_full() {
    let mut h = Small::<u16>::new();
    h.record_n(u64::MAX, 65_535);
    h.record(Small::<u16>::MAX + 1);
    assert_eq!((h.clamped(), h.lost(), h.count()), (65_536, 1, 65_535));
    assert_eq!(h.max(), Some(Small::<u16>::MAX));
    h.reset();
    assert_eq!((h.clamped(), h.lost(), h.count()), (0, 0, 0));
}

#[test]
fn atomic_counters_stay_at_their_maximum_and_count_the_rest() {
    let shared = AtomicHistogram::<3, { buckets(3, 20) }>::new();
    let mut recorder = shared.recorder().unwrap();
    recorder.record_n(3, u64::MAX);
    recorder.record_n(3, 1);
    recorder.record(3);
    recorder.record(u64::MAX);
    let mut seen = Small::<u64>::new();
    shared.read(&mut seen);
    let most = u64::try_from(usize::MAX).unwrap();
    let lost = (u64::MAX - most).saturating_add(2);
    assert_eq!((seen.percentile(50.0), seen.clamped()), (Ok(3), 1));
    assert_eq!(seen.lost(), lost.min(most));
}

#[test]
fn one_recorder_at_a_time() {
    static SHARED: AtomicHistogram<3, { buckets(3, 20) }> = AtomicHistogram::new();
    let mut first = SHARED.recorder().unwrap();
    first.record(1);
    assert!(SHARED.recorder().is_none());
    std::thread::spawn(move || first.record(2)).join().unwrap();
    // Dropped on the other thread; the next one adds to its counts.
    SHARED.recorder().unwrap().record(2);
    let mut seen = Small::<u64>::new();
    SHARED.read(&mut seen);
    assert_eq!((seen.count(), seen.count_up_to(1)), (3, 1));
}

#[test]
fn readers_never_see_a_counter_run_backwards() {
    static SHARED: AtomicHistogram<3, { buckets(3, 20) }> = AtomicHistogram::new();
    let records = if cfg!(miri) { 30 } else { 1_000_000 };
    let writer = std::thread::spawn(move || {
        let mut recorder = SHARED.recorder().unwrap();
        (0..records).for_each(|i| recorder.record(i % 1000));
    });
    let (mut last, mut now) = (Small::<u64>::new(), Small::<u64>::new());
    loop {
        let done = writer.is_finished();
        SHARED.read(&mut now);
        let step = if cfg!(miri) { 500 } else { 1 };
        let pairs = (0..=1000)
            .step_by(step)
            .map(|v| (last.count_up_to(v), now.count_up_to(v)));
        { pairs }.for_each(|(before, after)| assert!(before <= after));
        if done {
            break;
        }
        last = now.clone();
    }
    // `is_finished` orders nothing; a join does.
    writer.join().unwrap();
    SHARED.read(&mut now);
    assert_eq!(now.count(), records);
}

#[test]
fn shapes_say_what_they_hold() {
    assert_eq!(Small::<u64>::MAX, (1 << 20) - 1);
    assert_eq!(Histogram1::MAX, u64::MAX);
    assert_eq!(size_of::<Small<u32>>(), Small::<u32>::BUCKETS * 4 + 16);
    let mut h = Histogram1::new();
    h.record(u64::MAX);
    h.record(0);
    assert_eq!(
        (h.min(), h.max(), h.clamped()),
        (Some(0), Some(u64::MAX), 0)
    );
    assert_eq!(h.iter().last().map(|b| b.high), Some(u64::MAX));
}

#[test]
fn the_table_has_the_lines_that_people_expect() {
    let mut h = Fine::new();
    h.extend(1..=100_000);
    let text = h.to_string();
    let first = |line: &str| line.split_whitespace().next().map(str::to_owned);
    let heads: Vec<String> = text.lines().map_while(first).collect();
    assert_eq!(
        heads,
        [
            "count", "mean", "stddev", "min", "p50", "p75", "p90", "p95", "p99", "p99.9", "p99.99",
            "p99.999", "max"
        ]
    );
    assert!(!text.contains("clamped"));
    h.record(u64::MAX);
    let clamped = h.to_string();
    let line = clamped.lines().find(|line| line.starts_with("clamped"));
    assert!(line.is_some_and(|line| line.ends_with(" 1")), "{clamped}");
}

/// A row of the bar chart: least and greatest value, count, length of its bar.
type Row = (u64, u64, u64, usize);

fn row(line: &str) -> Row {
    let (range, rest) = line.trim().split_once("..=").unwrap();
    let mut rest = rest.split_whitespace();
    let mut number = || rest.next().unwrap().parse().unwrap();
    let (high, count) = (number(), number());
    let bar = rest.next().map_or(0, str::len);
    (range.parse().unwrap(), high, count, bar)
}

/// Every recorded value is in one row, and one row has the longest bar.
fn rows<const P: u32, const N: usize>(h: &Histogram<P, N>) -> Vec<Row> {
    let picture = h.bars().to_string();
    let rows: Vec<Row> = picture.lines().map(row).collect();
    assert!(rows.len() <= 24);
    let ends = |line: &str| line.trim_end_matches('#').trim_end().len();
    let end = picture.lines().next().map_or(0, ends);
    assert!(picture.lines().all(|line| ends(line) == end), "{picture}");
    assert_eq!(rows.iter().map(|r| r.2).sum::<u64>(), h.count());
    assert!(rows.iter().all(|r| (r.2 > 0) == (r.3 > 0)));
    assert_eq!(rows.iter().map(|r| r.3).max(), Some(40));
    assert!(rows.windows(2).all(|w| w[0].1 + 1 == w[1].0));
    let (first, last) = (rows[0], rows[rows.len() - 1]);
    assert!(first.2 > 0 && last.2 > 0);
    rows
}

#[test]
fn a_correction_ends_however_long_the_stall() {
    let mut h = Histogram1::new();
    h.record_corrected(u64::MAX, 3);
    assert_eq!((h.count(), h.min(), h.lost()), (u64::MAX / 3, Some(3), 0));
    // All but the 128 at the bottom are above the maximum.
    let mut h = Histogram::<4, { buckets(4, 7) }>::new();
    h.record_corrected(u64::MAX, 1);
    assert_eq!((h.count(), h.clamped()), (u64::MAX, u64::MAX - 127));
}

#[test]
fn every_bucket_that_counts_is_in_the_picture() {
    let mut h = Fine::new();
    for value in [0, 1, 900, 70_000, u64::MAX] {
        h.record_n(value, 1 + value % 7);
    }
    rows(&h);
}

#[test]
fn an_outlier_does_not_flatten_the_picture() {
    let mut h = Fine::new();
    h.extend(1000..3000);
    let before = rows(&h);
    h.record(5_000_000);
    let after = rows(&h);
    let (last, same) = after.split_last().unwrap();
    assert!(same.len() > 8 && same.len() >= before.len() / 2, "{same:?}");
    assert_eq!((last.2, last.3), (1, 1));
    assert!(last.0 <= 5_000_000 && 5_000_000 <= last.1);
    // More than one in a thousand is not an outlier.
    h.record_n(5_000_000, 10);
    let coarse = rows(&h);
    assert!(coarse.iter().filter(|r| r.2 > 0).count() < 5, "{coarse:?}");
}

#[cfg(feature = "std")]
#[test]
fn on_the_heap_it_is_as_empty() {
    let mut h = framepool::time::Histogram3::boxed();
    assert!(h.is_empty());
    h.record(12_345);
    assert_eq!(h.percentile(50.0), Ok(12_351));
}

#[cfg(feature = "std")]
#[test]
fn an_atomic_one_on_the_heap_is_as_empty() {
    let shared = AtomicHistogram::<3, { buckets(3, 20) }>::boxed();
    let mut seen = Small::<u64>::new();
    shared.recorder().unwrap().record(5);
    shared.read(&mut seen);
    assert_eq!((seen.count(), seen.max()), (1, Some(5)));
}

/// A test's thread has 2 MiB of stack.
#[cfg(feature = "std")]
#[cfg_attr(miri, ignore = "millions of buckets")]
#[test]
fn what_no_stack_holds_is_made_on_the_heap() {
    let mut fine = Histogram::<17, { buckets(17, 40) }>::boxed();
    assert!(size_of_val(&*fine) > 8 << 20);
    fine.record(100_000);
    assert_eq!(fine.max(), Some(100_000));
    let shared = AtomicHistogram::<17, { buckets(17, 40) }>::boxed();
    shared.recorder().unwrap().record(100_000);
    shared.read(&mut fine);
    assert_eq!((fine.count(), fine.max()), (1, Some(100_000)));
}
