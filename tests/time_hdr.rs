//! Histograms against the crate `hdrhistogram`, on the same data.
#![cfg(feature = "time")]
#![allow(missing_docs)]

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

/// With the same number of digits all results are the same.
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
    // Their crate takes the upper of two middles.
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
