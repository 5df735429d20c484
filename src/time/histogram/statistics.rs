//! Count, mean, deviation, percentiles: what adding the buckets up says.

use core::fmt;

use super::count::Count;
use super::shape::Shape;
use super::{Bucket, Histogram};

/// Percentiles are read to nine decimals, so that 99.9 is what it says and not the nearest fraction of 2.
const UNITS: u64 = 1_000_000_000;

/// There is no such percentile.
#[derive(Debug, Clone, Copy, PartialEq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
#[non_exhaustive]
pub enum PercentileError {
    /// It is not within `0..=100`, or no number.
    OutOfRange {
        /// What was asked for.
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
    /// How many values the buckets count; [`u64::MAX`] if they are more. O(`N`).
    #[must_use]
    pub fn count(&self) -> u64 {
        u64::try_from(self.total()).unwrap_or(u64::MAX)
    }

    pub(super) fn total(&self) -> u128 {
        self.counts
            .iter()
            .map(|count| u128::from(count.get()))
            .sum()
    }

    /// Whether nothing has been recorded. O(`N`).
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.iter().next().is_none()
    }

    /// The least value: the bottom of the first bucket that counts something. O(`N`).
    #[must_use]
    pub fn min(&self) -> Option<u64> {
        self.iter().next().map(|bucket| bucket.low)
    }

    /// The greatest value: the top of the last bucket that counts something. O(`N`).
    #[must_use]
    pub fn max(&self) -> Option<u64> {
        let last = self.counts.iter().rposition(|count| count.get() > 0)?;
        Some(Shape::<P, N>::high(last))
    }

    /// The mean, each value taken as the middle of its bucket. O(`N`).
    #[must_use]
    pub fn mean(&self) -> Option<f64> {
        let (mut sum, mut total) = (0.0, 0.0);
        for bucket in self {
            sum += middle(&bucket) * bucket.count as f64;
            total += bucket.count as f64;
        }
        (total > 0.0).then(|| sum / total)
    }

    /// The standard deviation of what was recorded (not an estimate for what it was drawn from), each
    /// value taken as the middle of its bucket. O(`N`).
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

    /// The value that `percentile` percent of all values do not exceed: the top of the bucket in which that
    /// of rank `ceil(percentile / 100 * count)` lies, so never less than the exact answer and less
    /// than one part in 2^`P` more. 0 gives [`min`](Self::min).
    ///
    /// `percentile` is taken to nine decimals. Values above [`MAX`](Self::MAX) count as `MAX`: where
    /// [`clamped`](Self::clamped) is not 0, the exact answer may be more. O(`N`).
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
    /// [`PercentileError`] if it is not within `0..=100`, and if there is nothing to tell.
    pub fn percentile(&self, percentile: f64) -> Result<u64, PercentileError> {
        self.percentile_up_to(percentile, Self::MAX)
    }

    /// A percentile where `max` is known, the greatest value of all: values above [`MAX`](Self::MAX) count as that, and
    /// rank after the others in the last bucket. O(`N`).
    pub(in crate::time) fn percentile_up_to(
        &self,
        percentile: f64,
        max: u64,
    ) -> Result<u64, PercentileError> {
        let units = units(percentile)?;
        let min = self.min().ok_or(PercentileError::Empty)?;
        let total = self.total();
        let rank = rank(units, total);
        let in_last = self.counts.last().map_or(0, |count| count.get());
        match units {
            0 => Ok(min),
            _ if rank > total - u128::from(self.clamped.min(in_last)) => Ok(max),
            _ => Ok(self.value_at(rank)),
        }
    }

    /// The top of the bucket in which the value of a rank lies; the first has rank 1.
    fn value_at(&self, rank: u128) -> u64 {
        let mut seen = 0;
        let index = self.counts.iter().position(|count| {
            seen += u128::from(count.get());
            seen >= rank
        });
        Shape::<P, N>::high(index.unwrap_or(N - 1))
    }

    /// How many values are in the bucket of `value`, or in one below. O(`N`).
    #[must_use]
    pub fn count_up_to(&self, value: u64) -> u64 {
        let index = Shape::<P, N>::index(value);
        let up_to = self.counts.iter().take(index.saturating_add(1));
        let total: u128 = up_to.map(|count| u128::from(count.get())).sum();
        u64::try_from(total).unwrap_or(u64::MAX)
    }
}

/// A percentile in billionths of a percent.
pub(super) fn units(percentile: f64) -> Result<u64, PercentileError> {
    match (0.0..=100.0).contains(&percentile) {
        true => Ok((percentile * UNITS as f64 + 0.5) as u64),
        false => Err(PercentileError::OutOfRange { asked: percentile }),
    }
}

/// How many of `total` values a percentile is. At most 2^37 times 2^87: no overflow.
pub(super) fn rank(units: u64, total: u128) -> u128 {
    (u128::from(units) * total).div_ceil(100 * u128::from(UNITS))
}

/// The middle of a bucket, halves included.
fn middle(bucket: &Bucket) -> f64 {
    bucket.low as f64 + (bucket.high - bucket.low) as f64 / 2.0
}

/// The square root, which `core` lacks. Newton's method; half the exponent is a first guess that is off
/// by 6 % at most, and each step squares that.
fn sqrt(x: f64) -> f64 {
    if x <= 0.0 {
        return 0.0;
    }
    let half = (x.to_bits() >> 1) + (1.0_f64.to_bits() >> 1);
    (0..5).fold(f64::from_bits(half), |root, _| (root + x / root) / 2.0)
}
