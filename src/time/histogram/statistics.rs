//! The statistics of a histogram: count, least and greatest value, mean, deviation, percentiles.

use core::fmt;
use core::ops::Range;

use super::count::Count;
use super::shape::Shape;
use super::{Bucket, Histogram};
use crate::time::saturated;

/// Percentiles are rounded to nine decimals, so that 99.9 is exactly that and not the nearest binary fraction.
const UNITS: u64 = 1_000_000_000;

/// A percentile is not available.
#[derive(Debug, Clone, Copy, PartialEq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
#[non_exhaustive]
pub enum PercentileError {
    /// The percentile is not within `0..=100`, or not a number.
    OutOfRange {
        /// The requested percentile.
        asked: f64,
    },
    /// Nothing has been recorded.
    Empty,
}

impl fmt::Display for PercentileError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::OutOfRange { asked } => write!(f, "percentile {asked} is not within 0 to 100"),
            Self::Empty => f.write_str("nothing has been recorded"),
        }
    }
}

impl core::error::Error for PercentileError {}

impl<const P: u32, const N: usize, C: Count> Histogram<P, N, C> {
    /// Returns the number of values in the buckets; [`u64::MAX`] if it is greater. O(`N`).
    #[must_use]
    pub fn count(&self) -> u64 {
        saturated(self.total())
    }

    pub(super) fn total(&self) -> u128 {
        self.sum(0..N)
    }

    /// The number of values in some buckets.
    pub(super) fn sum(&self, buckets: Range<usize>) -> u128 {
        let counts = self.counts.get(buckets).unwrap_or_default();
        counts.iter().map(|count| u128::from(count.get())).sum()
    }

    /// The buckets from the first to the last one that is not empty.
    pub(super) fn used(&self) -> Option<Range<usize>> {
        let is_used = |count: &C| count.get() > 0;
        let first = self.counts.iter().position(is_used)?;
        let last = self.counts.iter().rposition(is_used)?;
        Some(first..last + 1)
    }

    /// Whether nothing has been recorded. O(`N`).
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.used().is_none()
    }

    /// Returns the least value: the bottom of the first bucket that is not empty. O(`N`).
    #[must_use]
    pub fn min(&self) -> Option<u64> {
        self.used().map(|used| Shape::<P, N>::low(used.start))
    }

    /// Returns the greatest value: the top of the last bucket that is not empty. O(`N`).
    #[must_use]
    pub fn max(&self) -> Option<u64> {
        self.used().map(|used| Shape::<P, N>::high(used.end - 1))
    }

    /// Returns the mean. Each value is taken as the middle of its bucket. O(`N`).
    #[must_use]
    pub fn mean(&self) -> Option<f64> {
        let (mut sum, mut total) = (0.0, 0.0);
        for bucket in self {
            sum += middle(&bucket) * bucket.count as f64;
            total += bucket.count as f64;
        }
        (total > 0.0).then(|| sum / total)
    }

    /// Returns the standard deviation of the recorded values (not an estimate for a population). Each value is
    /// taken as the middle of its bucket. O(`N`).
    #[must_use]
    pub fn stddev(&self) -> Option<f64> {
        self.mean().map(|mean| self.stddev_about(mean))
    }

    pub(super) fn stddev_about(&self, mean: f64) -> f64 {
        let (mut squares, mut total) = (0.0, 0.0);
        for bucket in self {
            let off = middle(&bucket) - mean;
            squares += off * off * bucket.count as f64;
            total += bucket.count as f64;
        }
        match total > 0.0 {
            true => sqrt(squares / total),
            false => 0.0,
        }
    }

    /// Returns the value that `percentile` percent of all values do not exceed: the top of the bucket with the
    /// value of rank `ceil(percentile / 100 * count)`. It is never less than the exact result, and greater by
    /// less than one part in 2^`P`. 0 returns [`min`](Self::min).
    ///
    /// `percentile` is rounded to nine decimals. Values above [`MAX`](Self::MAX) count as `MAX`: if
    /// [`clamped`](Self::clamped) is not 0, the exact result may be greater. O(`N`).
    ///
    /// ```
    /// use framepool::time::{Histogram2, PercentileError};
    ///
    /// let mut h = Histogram2::new();
    /// assert_eq!(h.percentile(50.0), Err(PercentileError::Empty));
    /// h.extend(1..=100);
    /// assert_eq!(h.percentile(99.0), Ok(99));
    /// assert_eq!(
    ///     h.percentile(101.0),
    ///     Err(PercentileError::OutOfRange { asked: 101.0 })
    /// );
    /// ```
    ///
    /// # Errors
    /// [`PercentileError`] if `percentile` is not within `0..=100`, and if nothing has been recorded.
    pub fn percentile(&self, percentile: f64) -> Result<u64, PercentileError> {
        let values = self.percentiles_up_to([percentile], Self::MAX);
        values.map(|[value]| value)
    }

    /// Percentiles if the greatest value, `max`, is known: values above [`MAX`](Self::MAX) count as `max`, and rank
    /// after the others in the last bucket. O(`N`) for all together, and O(`N`) for each.
    pub(in crate::time) fn percentiles_up_to<const K: usize>(
        &self,
        percentiles: [f64; K],
        max: u64,
    ) -> Result<[u64; K], PercentileError> {
        let mut values = [0; K];
        for (value, percentile) in values.iter_mut().zip(percentiles) {
            *value = units(percentile)?;
        }
        let used = self.used().ok_or(PercentileError::Empty)?;
        let total = self.sum(used.clone());
        let in_last = self.counts.last().map_or(0, |count| count.get());
        let exact = total - u128::from(self.clamped.min(in_last));
        for value in &mut values {
            let rank = rank((*value).into(), total);
            *value = match *value {
                0 => Shape::<P, N>::low(used.start),
                _ if rank > exact => max,
                _ => Shape::<P, N>::high(self.index_at(rank)),
            };
        }
        Ok(values)
    }

    /// The bucket with the value of a rank; the least value has rank 1.
    pub(super) fn index_at(&self, rank: u128) -> usize {
        let mut seen = 0;
        let index = self.counts.iter().position(|count| {
            seen += u128::from(count.get());
            seen >= rank
        });
        index.unwrap_or(N - 1)
    }

    /// Returns the number of values in the bucket of `value`. A value above [`MAX`](Self::MAX) is taken as `MAX`. O(1).
    ///
    /// ```
    /// use framepool::time::Histogram1;
    ///
    /// let mut h = Histogram1::new();
    /// h.extend([100, 103, 104]);
    /// assert_eq!((h.count_at(101), h.count_at(50)), (2, 0)); // a bucket is 100..=103
    /// ```
    #[must_use]
    pub fn count_at(&self, value: u64) -> u64 {
        let count = self.counts.get(Shape::<P, N>::place(value));
        count.map_or(0, |count| count.get())
    }

    /// Returns the number of values in the buckets from that of `low` to that of `high`, both included; [`u64::MAX`] if
    /// it is greater, 0 if `low` is greater than `high`. A value above [`MAX`](Self::MAX) is taken as `MAX`.
    /// O(buckets between the two).
    ///
    /// ```
    /// use framepool::time::Histogram2;
    ///
    /// let mut h = Histogram2::new();
    /// h.extend(1..=100);
    /// assert_eq!((h.count_between(10, 19), h.count_between(19, 10)), (10, 0));
    /// ```
    #[must_use]
    pub fn count_between(&self, low: u64, high: u64) -> u64 {
        saturated(self.sum(Shape::<P, N>::places(low, high)))
    }

    /// Returns the number of values in the bucket of `value` and in all buckets below; [`u64::MAX`] if it is
    /// greater. O(`N`).
    #[must_use]
    pub fn count_up_to(&self, value: u64) -> u64 {
        self.count_between(0, value)
    }
}

/// A percentile in billionths of a percent.
pub(super) fn units(percentile: f64) -> Result<u64, PercentileError> {
    match (0.0..=100.0).contains(&percentile) {
        true => Ok((percentile * UNITS as f64 + 0.5) as u64),
        false => Err(PercentileError::OutOfRange { asked: percentile }),
    }
}

/// The number of values, of `total`, that a percentile covers. At most 2^37 times 2^87: no overflow.
pub(super) fn rank(units: u128, total: u128) -> u128 {
    (units * total).div_ceil(100 * u128::from(UNITS))
}

/// The middle of a bucket, halves included.
fn middle(bucket: &Bucket) -> f64 {
    bucket.low as f64 + (bucket.high - bucket.low) as f64 / 2.0
}

/// The square root, which `core` lacks, by Newton's method. Half the exponent is a first guess with an error
/// of at most 6 %, and each step squares the error.
fn sqrt(x: f64) -> f64 {
    if x <= 0.0 {
        return 0.0;
    }
    let half = (x.to_bits() >> 1) + (1.0_f64.to_bits() >> 1);
    (0..5).fold(f64::from_bits(half), |root, _| (root + x / root) / 2.0)
}
