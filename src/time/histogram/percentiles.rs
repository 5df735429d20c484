//! Several percentiles at once, and steps from the least value to the greatest.

use core::iter::FusedIterator;

use super::count::Count;
use super::statistics::{rank, units};
use super::{Bucket, Buckets, Histogram, PercentileError};
use crate::time::saturated;

impl<const P: u32, const N: usize, C: Count> Histogram<P, N, C> {
    /// Returns the values of several [percentiles](Self::percentile), in the order given.
    ///
    /// # Errors
    /// [`PercentileError`] if one of them is not within `0..=100`, and if nothing has been recorded.
    ///
    /// # Cost
    /// O(`N`): two passes over the buckets, the same for any number of percentiles.
    ///
    /// ```
    /// use framepool::time::Histogram2;
    ///
    /// let mut h = Histogram2::new();
    /// h.extend(1..=100);
    /// assert_eq!(h.percentiles([50.0, 99.0, 0.0]), Ok([50, 99, 1]));
    /// ```
    pub fn percentiles<const K: usize>(
        &self,
        percentiles: [f64; K],
    ) -> Result<[u64; K], PercentileError> {
        let mut ranks = [0; K];
        for (rank, percentile) in ranks.iter_mut().zip(percentiles) {
            *rank = units(percentile)?.into();
        }
        let total = self.total();
        for place in &mut ranks {
            *place = rank(*place, total);
        }
        let mut values = [self.min().ok_or(PercentileError::Empty)?; K];
        let mut seen = 0;
        for bucket in self {
            let ranks_here = seen + 1..=seen + u128::from(bucket.count);
            for (value, rank) in values.iter_mut().zip(&ranks) {
                if ranks_here.contains(rank) {
                    *value = bucket.high;
                }
            }
            seen = *ranks_here.end();
        }
        Ok(values)
    }

    /// Iterates over percentiles from 0 to 100: `steps` of them in the first half of the distance to 100, as many in
    /// half of what remains, and so on. So the tail is as detailed as the rest, as a plot of latency needs it.
    ///
    /// The steps end soon after the greatest value is reached: the last one is that of 100. An empty histogram has
    /// none. 0 `steps` are taken as 1. The steps are those of HdrHistogram's percentile iterator. O(`N`) for all
    /// buckets, and O(1) for each step: at most `steps` times the binary logarithm of the number of values.
    ///
    /// ```
    /// use framepool::time::Histogram2;
    ///
    /// let mut h = Histogram2::new();
    /// h.extend(1..=1000);
    /// let all: Vec<_> = h.percentile_steps(1).map(|step| (step.percentile, step.value)).collect();
    /// assert_eq!(all[..4], [(0.0, 1), (50.0, 501), (75.0, 751), (87.5, 875)]);
    /// assert_eq!(all.last(), Some(&(100.0, 1003)));
    /// ```
    pub fn percentile_steps(&self, steps: u32) -> PercentileSteps<'_, P, N, C> {
        PercentileSteps {
            buckets: self.iter(),
            reached: None,
            seen: 0,
            total: self.total(),
            steps: steps.max(1),
            step: 0,
            halvings: 0,
            is_last: false,
        }
    }
}

/// A percentile, and the values up to it: see [`Histogram::percentile_steps`].
#[derive(Debug, Clone, Copy, PartialEq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct PercentileStep {
    /// The percentile, from 0 to 100.
    pub percentile: f64,
    /// The value at the percentile: the top of its bucket.
    pub value: u64,
    /// The number of recorded values in this bucket and all buckets below; [`u64::MAX`] if it is greater.
    pub count_up_to: u64,
}

/// Iterates over percentiles: see [`Histogram::percentile_steps`].
#[derive(Clone)]
pub struct PercentileSteps<'h, const P: u32, const N: usize, C: Count> {
    buckets: Buckets<'h, P, N, C>,
    /// The bucket of the last step, and the number of values up to its top.
    reached: Option<Bucket>,
    seen: u128,
    total: u128,
    /// Steps in each half.
    steps: u32,
    /// The number of steps since the distance to 100 was last halved, and how often it was.
    step: u32,
    halvings: u32,
    is_last: bool,
}

impl<const P: u32, const N: usize, C: Count> PercentileSteps<'_, P, N, C> {
    /// The distance to 100, as a part of the whole: a numerator, and a denominator that is not 0.
    ///
    /// There are less than 2^88 values, so after 88 halvings the rank of a step is that of the greatest value, which
    /// ends the steps. So the denominator has less than 32 + 89 bits.
    fn distance(&self) -> (u128, u128) {
        let left = 2 * u64::from(self.steps) - u64::from(self.step);
        (left.into(), u128::from(self.steps) << (self.halvings + 1))
    }

    /// Moves on to the first bucket whose values reach a rank.
    fn reach(&mut self, rank: u128) -> Option<Bucket> {
        while self.reached.is_none() || self.seen < rank {
            let bucket = self.buckets.next()?;
            self.seen += u128::from(bucket.count);
            self.reached = Some(bucket);
        }
        self.reached
    }

    fn advance(&mut self) {
        self.step += 1;
        if self.step == self.steps {
            (self.step, self.halvings) = (0, self.halvings + 1);
        }
    }
}

impl<const P: u32, const N: usize, C: Count> Iterator for PercentileSteps<'_, P, N, C> {
    type Item = PercentileStep;

    fn next(&mut self) -> Option<PercentileStep> {
        if self.is_last {
            return None;
        }
        let (left, whole) = self.distance();
        // The greatest value was reached by the step before.
        self.is_last = self.seen == self.total;
        let (rank, percentile) = match self.is_last {
            true => (self.total, 100.0),
            // At most 2^88 times 2^33: no overflow. The compiler does not know that `whole` is not 0.
            false => (
                self.total - (self.total * left).checked_div(whole)?,
                100.0 - 100.0 * (left as f64 / whole as f64),
            ),
        };
        self.advance();
        let bucket = self.reach(rank)?;
        Some(PercentileStep {
            percentile,
            value: bucket.high,
            count_up_to: saturated(self.seen),
        })
    }
}

impl<const P: u32, const N: usize, C: Count> FusedIterator for PercentileSteps<'_, P, N, C> {}

describe!(impl[const P: u32, const N: usize, C: Count] PercentileSteps<'_, P, N, C> as PercentileSteps {
    steps = |it| it.steps,
    reached = |it| it.reached,
});
