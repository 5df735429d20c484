//! All statistics of a histogram at once, as a table.

use core::fmt;

use super::Histogram;
use super::count::Count;

/// The percentiles in a [`Summary`].
pub const PERCENTILES: [f64; 8] = [50.0, 75.0, 90.0, 95.0, 99.0, 99.9, 99.99, 99.999];

/// The statistics of a histogram at one moment, in the unit of its values.
///
/// For an empty histogram all of them are 0. `Display` prints one line for each.
///
/// ```
/// use framepool::time::{Histogram2, PERCENTILES};
///
/// let mut h = Histogram2::new();
/// h.extend(1..=1000);
/// let summary = h.summary();
/// assert_eq!((summary.count, summary.min), (1000, 1));
/// assert_eq!(PERCENTILES[4], 99.0);
/// assert_eq!(summary.percentiles[4], h.percentile(99.0)?);
/// assert!(summary.to_string().contains("p99.999"));
/// # Ok::<(), framepool::time::PercentileError>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Default)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
#[non_exhaustive]
pub struct Summary {
    /// The number of values in the buckets.
    pub count: u64,
    /// The least value.
    pub min: u64,
    /// The greatest value.
    pub max: u64,
    /// The mean.
    pub mean: f64,
    /// The standard deviation.
    pub stddev: f64,
    /// The percentiles that [`PERCENTILES`] lists, in that order.
    pub percentiles: [u64; PERCENTILES.len()],
    /// The number of values above the histogram's maximum, which the last bucket counts.
    pub clamped: u64,
    /// The number of values that are in no bucket because its counter was at the maximum.
    pub lost: u64,
}

impl<const P: u32, const N: usize, C: Count> Histogram<P, N, C> {
    /// Returns all statistics. O(`N`): a few passes over the buckets.
    #[must_use]
    pub fn summary(&self) -> Summary {
        let mean = self.mean().unwrap_or_default();
        Summary {
            count: self.count(),
            min: self.min().unwrap_or_default(),
            max: self.max().unwrap_or_default(),
            mean,
            stddev: self.stddev_about(mean),
            percentiles: self.percentiles(PERCENTILES).unwrap_or_default(),
            clamped: self.clamped(),
            lost: self.lost(),
        }
    }
}

impl fmt::Display for Summary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{:<8} {:>20}", "count", self.count)?;
        writeln!(f, "{:<8} {:>20.1}", "mean", self.mean)?;
        writeln!(f, "{:<8} {:>20.1}", "stddev", self.stddev)?;
        writeln!(f, "{:<8} {:>20}", "min", self.min)?;
        for (percentile, value) in PERCENTILES.into_iter().zip(self.percentiles) {
            writeln!(f, "p{percentile:<7} {value:>20}")?;
        }
        write!(f, "{:<8} {:>20}", "max", self.max)?;
        for (name, count) in [("clamped", self.clamped), ("lost", self.lost)] {
            if count > 0 {
                write!(f, "\n{name:<8} {count:>20}")?;
            }
        }
        Ok(())
    }
}

/// The [`summary`](Histogram::summary), followed by the [bar chart](Histogram::bars).
impl<const P: u32, const N: usize, C: Count> fmt::Display for Histogram<P, N, C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}\n\n{}", self.summary(), self.bars())
    }
}
