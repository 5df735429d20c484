//! Histograms against the crate `hdrhistogram`, on the same data.

use framepool::time::{Histogram, buckets};
use hdrhistogram::Histogram as Hdr;
use proptest::collection::vec;
use proptest::prelude::*;

type One = Histogram<4, { buckets(4, 64) }>;
type Two = Histogram<7, { buckets(7, 64) }>;
/// Three digits, up to 2^16.
type Three = Histogram<10, { buckets(10, 16) }>;

const PERCENTILES: [f64; 9] = [0.1, 1.0, 25.0, 50.0, 75.0, 90.0, 99.0, 99.9, 100.0];

fn values(bits: u32) -> impl Strategy<Value = Vec<u64>> {
    let value = (any::<u64>(), 0..bits).prop_map(|(value, shift)| value >> (63 - shift));
    vec(value, 1..if cfg!(miri) { 8 } else { 300 })
}

fn theirs(values: &[u64], digits: u8) -> Hdr<u64> {
    let max = values.iter().copied().max().unwrap_or_default().max(2);
    let mut hdr = Hdr::new_with_max(max, digits).unwrap();
    values.iter().for_each(|&value| hdr.record(value).unwrap());
    hdr
}

fn ours<const P: u32, const N: usize>(values: &[u64]) -> Histogram<P, N> {
    let mut h = Histogram::new();
    h.extend(values.iter().copied());
    h
}

/// With the same number of digits, all answers are the same.
fn check_same<const P: u32, const N: usize>(ours: &Histogram<P, N>, theirs: &Hdr<u64>) {
    for p in PERCENTILES {
        assert_eq!(ours.percentile(p), Ok(theirs.value_at_percentile(p)), "{p}");
    }
    assert_eq!(ours.count(), theirs.len());
    assert_eq!(ours.max(), Some(theirs.max()));
    assert_eq!(ours.min(), Some(theirs.min()));
    for bucket in ours {
        assert_eq!(theirs.lowest_equivalent(bucket.low), bucket.low);
        assert_eq!(theirs.highest_equivalent(bucket.low), bucket.high);
        assert_eq!(theirs.count_at(bucket.low), bucket.count);
    }
    // hdrhistogram takes the upper of two middles.
    let part = 1.0 / f64::from(1_u32 << P);
    let near = |a: f64, b: f64, of: f64| (a - b).abs() <= of * part + 1.0;
    let mean = theirs.mean();
    assert!(near(ours.mean().unwrap(), mean, mean));
    assert!(near(
        ours.stddev().unwrap(),
        theirs.stdev(),
        theirs.stdev() + mean
    ));
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: if cfg!(miri) { 1 } else { ProptestConfig::default().cases },
        failure_persistence: None,
        ..ProptestConfig::default()
    })]

    #[test]
    fn the_same_data_give_the_same_answers(values in values(62)) {
        check_same(&ours::<4, { One::BUCKETS }>(&values), &theirs(&values, 1));
        if !cfg!(miri) {
            check_same(&ours::<7, { Two::BUCKETS }>(&values), &theirs(&values, 2));
        }
    }

    #[test]
    fn three_digits_give_the_same_answers(values in values(16)) {
        check_same(&ours::<10, { Three::BUCKETS }>(&values), &theirs(&values, 3));
    }
}

/// Counts at and between values, several percentiles, and the steps through all of them.
fn check_counts<const P: u32, const N: usize>(
    ours: &Histogram<P, N>,
    theirs: &Hdr<u64>,
    at: &[u64],
) {
    for &value in at {
        assert_eq!(ours.count_at(value), theirs.count_at(value), "{value}");
    }
    for pair in at.windows(2) {
        let (low, high) = (pair[0].min(pair[1]), pair[0].max(pair[1]));
        let between = theirs.count_between(low, high);
        assert_eq!(ours.count_between(low, high), between, "{low}..={high}");
        let empty = if low == high { between } else { 0 };
        assert_eq!(ours.count_between(high, low), empty);
    }
    let all = [99.9, 0.0, 50.0, 100.0, 12.5, 99.9];
    let expected = all.map(|p| match p {
        0.0 => theirs.min(),
        p => theirs.value_at_percentile(p),
    });
    assert_eq!(ours.percentiles(all), Ok(expected));
    let recorded = theirs.iter_recorded();
    assert!(
        recorded
            .map(|step| (step.value_iterated_to(), step.count_at_value()))
            .eq(ours.iter().map(|bucket| (bucket.high, bucket.count)))
    );
    // Powers of two, with which both compute exactly.
    for steps in [1, 8] {
        check_steps(ours, theirs, steps);
    }
}

fn check_steps<const P: u32, const N: usize>(
    ours: &Histogram<P, N>,
    theirs: &Hdr<u64>,
    steps: u32,
) {
    let theirs: Vec<_> = theirs.iter_quantiles(steps).collect();
    let ours: Vec<_> = ours.percentile_steps(steps).collect();
    let values = ours.iter().map(|step| step.value);
    assert!(values.eq(theirs.iter().map(|step| step.value_iterated_to())));
    let mut seen = 0;
    for (one, other) in ours.iter().zip(&theirs) {
        let percentile = other.quantile_iterated_to() * 100.0;
        assert!((one.percentile - percentile).abs() < 1e-9, "{one:?}");
        seen += other.count_since_last_iteration();
        assert_eq!(one.count_up_to, seen);
    }
}

/// Recorded with the values that were not measured.
fn check_corrected<const P: u32, const N: usize>(
    mut ours: Histogram<P, N>,
    values: &[u64],
    digits: u8,
    n: u64,
    interval: u64,
) {
    let mut hdr = theirs(&[1 << 40], digits);
    hdr.reset();
    for &value in values {
        ours.record_n_corrected(value, n, interval);
        hdr.record_n_correct(value, n, interval).unwrap();
    }
    let theirs = hdr.iter_recorded();
    assert!(
        theirs
            .map(|step| (step.value_iterated_to(), step.count_at_value()))
            .eq(ours.iter().map(|bucket| (bucket.high, bucket.count)))
    );
}

/// Merged into a histogram of other precision. Both crates take a value at the top of its bucket.
fn check_merged<const P: u32, const N: usize, const Q: u32, const M: usize>(
    into: &[u64],
    from: &[u64],
    digits: (u8, u8),
) {
    let (mut ours_into, ours_from) = (ours::<P, N>(into), ours::<Q, M>(from));
    let (mut theirs_into, theirs_from) = (theirs(into, digits.0), theirs(from, digits.1));
    theirs_into.auto(true);
    ours_into.merge(&ours_from);
    for step in theirs_from.iter_recorded() {
        theirs_into
            .record_n(step.value_iterated_to(), step.count_at_value())
            .unwrap();
    }
    check_same(&ours_into, &theirs_into);
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: if cfg!(miri) { 1 } else { ProptestConfig::default().cases },
        failure_persistence: None,
        ..ProptestConfig::default()
    })]

    #[test]
    fn counts_and_steps_are_the_same(values in values(40), more in values(40)) {
        let at = [&values[..], &more].concat();
        check_counts(&ours::<4, { One::BUCKETS }>(&values), &theirs(&values, 1), &at_most(&values, &at));
        if !cfg!(miri) {
            check_counts(&ours::<7, { Two::BUCKETS }>(&values), &theirs(&values, 2), &at_most(&values, &at));
        }
    }

    #[test]
    fn corrected_values_are_the_same(
        values in vec(0_u64..5000, 1..20),
        n in 0_u64..5,
        interval in 0_u64..1000,
    ) {
        check_corrected(One::new(), &values, 1, n, interval);
        check_corrected(Two::new(), &values, 2, n, interval);
    }

    #[test]
    fn histograms_of_other_precisions_merge_the_same(a in values(40), b in values(40)) {
        check_merged::<4, { One::BUCKETS }, 7, { Two::BUCKETS }>(&a, &b, (1, 2));
        if !cfg!(miri) {
            check_merged::<7, { Two::BUCKETS }, 4, { One::BUCKETS }>(&a, &b, (2, 1));
            check_merged::<7, { Two::BUCKETS }, 7, { Two::BUCKETS }>(&a, &b, (2, 2));
        }
    }
}

/// Those of the values for which hdrhistogram, made for others, has a bucket.
fn at_most(made_for: &[u64], values: &[u64]) -> Vec<u64> {
    let most = made_for.iter().copied().max().unwrap_or_default();
    let mut values = values.to_vec();
    values.retain(|&value| value <= most);
    // Some of both.
    let half = values.len() / 2;
    values.rotate_right(half.min(20));
    values.truncate(40);
    values
}

#[cfg(feature = "hdrhistogram")]
mod conversions {
    use super::*;

    proptest! {
        #![proptest_config(ProptestConfig {
            cases: if cfg!(miri) { 1 } else { ProptestConfig::default().cases },
            failure_persistence: None,
            ..ProptestConfig::default()
        })]

        #[test]
        fn there_and_back_is_the_same(values in values(62)) {
            let before: Two = ours(&values);
            let there = Hdr::<u64>::try_from(&before).unwrap();
            check_same(&before, &there);
            prop_assert!(Two::from(&there) == before);
        }

        #[test]
        fn other_precisions_keep_percentiles(values in values(40)) {
            type Odd = Histogram<5, { buckets(5, 40) }, u32>;
            let mut before = Odd::new();
            before.extend(values.iter().copied());
            let there = Hdr::<u64>::try_from(&before).unwrap();
            for p in PERCENTILES {
                prop_assert_eq!(before.percentile(p), Ok(there.value_at_percentile(p)));
            }
            prop_assert!(Odd::from(&there) == before);
        }
    }

    #[test]
    fn nothing_is_nothing() {
        let there = Hdr::<u64>::try_from(&Two::new()).unwrap();
        assert!(there.is_empty());
        assert!(Two::from(&there).is_empty());
    }

    #[test]
    fn all_that_fits_no_counter_is_counted() {
        let mut theirs = Hdr::<u64>::new(2).unwrap();
        theirs.record_n(5, 70_000).unwrap();
        theirs.record(1 << 30).unwrap();
        let ours = Histogram::<7, { buckets(7, 20) }, u16>::from(&theirs);
        assert_eq!((ours.lost(), ours.clamped()), (70_000 - 65_535, 1));
    }

    #[test]
    fn the_largest_values_have_a_place() {
        let mut h = Two::new();
        h.record_n(u64::MAX, u64::MAX);
        h.record(0);
        let there = Hdr::<u64>::try_from(&h).unwrap();
        assert_eq!((there.max(), there.min()), (u64::MAX, 0));
        assert_eq!(there.count_at(u64::MAX), u64::MAX);
    }
}
