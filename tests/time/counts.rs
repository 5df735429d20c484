//! Counts, percentile steps, corrected values and merging, compared with the values themselves.

use framepool::time::{
    AtomicHistogram, Count, Histogram, Histogram1, Histogram2, PercentileError, buckets,
};
use proptest::collection::vec;
use proptest::prelude::*;

/// Up to 2^20, one part in 8.
type Small<C = u64> = Histogram<3, { buckets(3, 20) }, C>;
/// Up to 2^30, one part in 64.
type Finer = Histogram<6, { buckets(6, 30) }>;

fn values(bits: u32) -> impl Strategy<Value = Vec<u64>> {
    let value = (any::<u64>(), 0..bits).prop_map(|(value, shift)| value >> (63 - shift));
    vec(value, 1..if cfg!(miri) { 10 } else { 200 })
}

fn recorded<const P: u32, const N: usize, C: Count>(values: &[u64]) -> Histogram<P, N, C> {
    let mut histogram = Histogram::new();
    histogram.extend(values.iter().copied());
    histogram
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: if cfg!(miri) { 1 } else { ProptestConfig::default().cases },
        failure_persistence: None,
        ..ProptestConfig::default()
    })]

    #[test]
    fn a_finer_histogram_merges_as_if_recorded(a in values(40), b in values(40)) {
        let mut merged: Small = recorded(&a);
        merged.merge(&recorded::<6, { buckets(6, 30) }, u32>(&b));
        let direct: Small = recorded(&[&a[..], &b].concat());
        prop_assert!(merged == direct);
        // The same precision, a longer and a shorter range.
        let mut merged: Small = recorded(&a);
        merged.merge(&recorded::<3, { buckets(3, 40) }, u64>(&b));
        prop_assert!(merged == direct);
        let mut merged: Histogram<3, { buckets(3, 40) }> = recorded(&a);
        merged.merge(&recorded::<3, { buckets(3, 20) }, u64>(&b));
        let clamped: Vec<u64> = b.iter().map(|&v| v.min(Small::<u64>::MAX)).collect();
        let direct: Histogram<3, { buckets(3, 40) }> = recorded(&[&a[..], &clamped].concat());
        prop_assert!(merged.iter().eq(direct.iter()));
        let above = b.iter().filter(|&&v| v > Small::<u64>::MAX).count() as u64;
        prop_assert_eq!(merged.clamped(), direct.clamped() + above);
    }

    #[test]
    fn a_coarser_histogram_merges_at_the_top_of_its_buckets(a in values(30), b in values(30)) {
        let mut merged: Finer = recorded(&a);
        let coarse: Small = recorded(&b);
        merged.merge(&coarse);
        let mut direct: Finer = recorded(&a);
        coarse.iter().for_each(|bucket| direct.record_n(bucket.high, bucket.count));
        prop_assert!(merged.iter().eq(direct.iter()));
        prop_assert_eq!(merged.clamped(), coarse.clamped());
    }

    #[test]
    fn shared_histograms_sum_up(a in values(40), b in values(40), at in any::<u64>()) {
        let shared = [&a, &b].map(|values| {
            let shared = AtomicHistogram::<3, { buckets(3, 20) }>::new();
            let mut recorder = shared.recorder().unwrap();
            values.iter().for_each(|&value| recorder.record(value));
            drop(recorder);
            shared
        });
        let (mut same, mut finer) = (Small::<u64>::new(), Finer::new());
        for one in &shared {
            one.merge_into(&mut same);
            one.merge_into(&mut finer);
        }
        let expected: Small = recorded(&[&a[..], &b].concat());
        prop_assert!(same == expected);
        let mut as_finer = Finer::new();
        as_finer.merge(&expected);
        prop_assert!(finer == as_finer);
        let first: Small = recorded(&a);
        for value in a.iter().chain([&at]) {
            prop_assert_eq!(shared[0].count_at(*value), first.count_at(*value));
            let between = first.count_between(*value / 3, *value);
            prop_assert_eq!(shared[0].count_between(*value / 3, *value), between);
        }
        prop_assert_eq!(shared[0].count_between(2, 1), 0);
    }

    #[test]
    fn corrections_are_the_same_shared_and_one_by_one(
        value in 0_u64..5000,
        n in 0_u64..9,
        interval in 0_u64..1000,
    ) {
        let mut one_by_one = Small::<u64>::new();
        (0..n).for_each(|_| one_by_one.record_corrected(value, interval));
        let mut at_once = Small::<u64>::new();
        at_once.record_n_corrected(value, n, interval);
        prop_assert!(at_once == one_by_one);
        let shared = AtomicHistogram::<3, { buckets(3, 20) }>::new();
        let mut recorder = shared.recorder().unwrap();
        recorder.record_n_corrected(value, n, interval);
        recorder.record_corrected(value, interval);
        one_by_one.record_corrected(value, interval);
        let mut seen = Small::<u64>::new();
        shared.read(&mut seen);
        prop_assert!(seen == one_by_one);
    }

    #[test]
    fn counts_at_and_between_are_of_whole_buckets(values in values(64), a in any::<u64>(), b in any::<u64>()) {
        let h: Small = recorded(&values);
        for value in values.iter().copied().chain([a]) {
            let bucket = h.iter().find(|bucket| {
                (bucket.low..=bucket.high).contains(&value.min(Small::<u64>::MAX))
            });
            prop_assert_eq!(h.count_at(value), bucket.map_or(0, |bucket| bucket.count));
        }
        let (low, high) = (a.min(b), a.max(b));
        let least = values.iter().filter(|&&v| low <= v && v <= high).count() as u64;
        prop_assert!(h.count_between(low, high) >= least);
        prop_assert_eq!(h.count_between(0, u64::MAX), h.count());
        prop_assert_eq!(h.count_between(0, b), h.count_up_to(b));
        if low < high {
            prop_assert_eq!(h.count_between(high, low), 0);
        }
    }

    #[test]
    fn several_percentiles_are_each_of_them(values in values(64), thousandths in vec(0..=100_000_u32, 3)) {
        let h: Histogram2 = Box::new(recorded(&values)).as_ref().clone();
        let all = [0, 1, 2].map(|i| f64::from(thousandths[i]) / 1000.0);
        prop_assert_eq!(h.percentiles(all), Ok(all.map(|p| h.percentile(p).unwrap())));
    }

    #[test]
    fn steps_go_from_the_least_value_to_the_greatest(values in values(64), steps in 0_u32..9) {
        let h: Histogram1 = recorded(&values);
        let all: Vec<_> = h.percentile_steps(steps).collect();
        let (first, last) = (all[0], all[all.len() - 1]);
        prop_assert_eq!((first.percentile, first.value), (0.0, h.percentile(1e-9).unwrap()));
        prop_assert_eq!((last.percentile, Some(last.value)), (100.0, h.max()));
        prop_assert_eq!(last.count_up_to, h.count());
        for pair in all.windows(2) {
            prop_assert!(pair[0].percentile < pair[1].percentile);
            prop_assert!(pair[0].value <= pair[1].value);
        }
        for step in &all {
            prop_assert_eq!(step.count_up_to, h.count_up_to(step.value));
            // The definition, but for the rounding of binary fractions.
            let below = step.count_up_to - h.count_at(step.value);
            let rank = step.percentile / 100.0 * h.count() as f64;
            prop_assert!(rank <= step.count_up_to as f64 + 1e-6);
            prop_assert!(rank >= below as f64 - 1e-6 || step.percentile == 0.0);
        }
        prop_assert!(all.len() <= 2 + steps.max(1) as usize * 10);
    }
}

#[test]
fn one_wrong_percentile_refuses_all() {
    let mut h = Small::<u64>::new();
    assert_eq!(h.percentiles([50.0]), Err(PercentileError::Empty));
    h.record(7);
    let error = PercentileError::OutOfRange { asked: -1.0 };
    assert_eq!(h.percentiles([50.0, -1.0]), Err(error));
    assert_eq!(h.percentiles([]), Ok([]));
    let error = h.percentiles([f64::NAN, 50.0]).unwrap_err();
    assert!(matches!(error, PercentileError::OutOfRange { asked } if asked.is_nan()));
}

#[test]
fn nothing_has_no_steps_and_no_counts() {
    let h = Small::<u64>::new();
    assert_eq!(h.percentile_steps(5).count(), 0);
    assert_eq!((h.count_at(7), h.count_between(0, u64::MAX)), (0, 0));
}

/// Also if one bucket has both.
#[test]
fn between_a_value_and_a_lesser_one_there_is_none() {
    let mut h = Histogram1::new();
    h.record_n(101, 3);
    assert_eq!(
        (h.count_between(100, 103), h.count_between(103, 100)),
        (3, 0)
    );
}

/// More values than 64 bits count: the steps still end.
#[test]
fn steps_of_very_many_values_end() {
    let mut h = Histogram1::new();
    for shift in 0..64 {
        h.record_n(1 << shift, u64::MAX);
    }
    let all: Vec<_> = h.percentile_steps(u32::MAX).take(10).collect();
    assert_eq!(all.len(), 10);
    let all: Vec<_> = h.percentile_steps(3).collect();
    let last = all[all.len() - 1];
    assert_eq!(
        (last.percentile, Some(last.value), last.count_up_to),
        (100.0, h.max(), u64::MAX)
    );
    let mut skewed = Histogram1::new();
    skewed.record_n(1, u64::MAX);
    skewed.record_n(2, u64::MAX);
    skewed.record(3);
    let all: Vec<_> = skewed.percentile_steps(1).collect();
    // 0, 65 halvings, and 100.
    assert_eq!(
        (
            all.len(),
            all[all.len() - 3].value,
            all[all.len() - 1].value
        ),
        (67, 2, 3)
    );
}

#[test]
fn corrections_that_do_not_fit_are_counted_as_lost() {
    let mut narrow = Small::<u16>::new();
    // 10 values of 1, and 10 of 2, each 65,535 times.
    narrow.record_n_corrected(2, 65_535, 1);
    narrow.record_n_corrected(2, 10, 1);
    assert_eq!((narrow.count(), narrow.lost()), (2 * 65_535, 20));
    // 2^64 - 1 times two values of a bucket: 2^65 - 2, of which a counter holds 2^16 - 1.
    let mut h = Small::<u16>::new();
    h.record_n_corrected(32, u64::MAX, 1);
    assert_eq!(h.lost(), u64::MAX);
    // Two parts: 2^64 - 1 fit, and the rest is lost.
    let mut wide = Small::<u64>::new();
    wide.record_n_corrected(18, (1 << 63) + 3, 1);
    // 16 and 17 share a bucket: 2^64 + 6 values.
    assert_eq!(
        (wide.count_at(16), wide.count_at(18)),
        (u64::MAX, (1 << 63) + 3)
    );
    // 2^64 + 6 - (2^64 - 1) in this bucket alone; so in those of 14 and 12, 10 and 8.
    assert_eq!(wide.lost() % 7, 0);
    assert!(wide.lost() >= 7);
}

/// Clamped values that the last counter could not hold are in no bucket, but in `clamped`.
#[test]
fn merging_keeps_clamped_and_lost_values() {
    let mut from = Small::<u16>::new();
    from.record_n(u64::MAX, 65_540);
    let mut shorter = Histogram::<3, { buckets(3, 10) }>::new();
    shorter.merge(&from);
    assert_eq!(
        (shorter.clamped(), shorter.lost(), shorter.count()),
        (65_540, 5, 65_535)
    );
    let mut longer = Histogram::<3, { buckets(3, 30) }>::new();
    longer.merge(&from);
    assert_eq!(
        (longer.clamped(), longer.lost(), longer.count()),
        (65_540, 5, 65_535)
    );
    assert_eq!(longer.count_at(Small::<u16>::MAX), 65_535);
}
