//! Distributions of values: fixed memory, a documented error, a few ns to record a value.
//!
//! ```text
//!                   P + 1 bits
//!   value    0…0 1 b b b b b x x x x x x        the bucket: the leading bits and the shift
//!                          |<- shift ->|
//!   counts   [ exact | exact | octave | octave | … ]      2^P buckets to each
//! ```

// | file | what |
// |---|---|
// | this one | the histogram: recording, merging, access to the buckets |
// | `shape` | the number of buckets, and their ranges |
// | `count` | counters of 16, 32 and 64 bits |
// | `statistics` | counts, mean, deviation, percentiles |
// | `percentiles` | several percentiles at once, steps through all |
// | `corrected` | values that were not measured |
// | `summary` | all statistics at once, as a table |
// | `bars` | a bar chart |
// | `iter` | a bucket, and the iterator over buckets |
// | `atomic` | one writer, many readers |
// | `hdr` | to and from the crate `hdrhistogram` |

mod atomic;
mod bars;
mod corrected;
mod count;
#[cfg(feature = "hdrhistogram")]
mod hdr;
mod iter;
mod percentiles;
mod shape;
mod statistics;
mod summary;

pub use atomic::{AtomicHistogram, Recorder};
pub use bars::Bars;
pub use count::Count;
pub use iter::{Bucket, Buckets};
pub use percentiles::{PercentileStep, PercentileSteps};
pub use shape::buckets;
pub use statistics::PercentileError;
pub use summary::{PERCENTILES, Summary};

use corrected::{missing, product};
use shape::Shape;

/// At least one significant digit: buckets are at most one part in 16 wide, 6.25 %. 7.6 KiB.
pub type Histogram1 = Histogram<4, { buckets(4, 64) }>;
/// At least two significant digits: one part in 128, 0.79 %. 58 KiB.
pub type Histogram2 = Histogram<7, { buckets(7, 64) }>;
/// At least three significant digits: one part in 1024, 0.098 %. 440 KiB.
pub type Histogram3 = Histogram<10, { buckets(10, 64) }>;

/// Counts of values, in buckets whose width is at most one part in 2^`P` of the values in them.
///
/// `N` is [`buckets(P, range)`](buckets), which also sets the greatest value. `C` is the type of a bucket's
/// counter. The memory is `N` counters and two words, inside the value: a `static` histogram lies in `.bss`.
///
/// **Error.** Values below 2^(`P`+1) have a bucket each, so they are exact. For all other values
/// [`percentile`](Self::percentile) and [`max`](Self::max) return the top, and [`min`](Self::min) the bottom, of
/// the bucket with the exact result: an error of less than one part in 2^`P`. The error of
/// [`mean`](Self::mean) is at most half of that.
///
/// **Cost.** [`record`](Self::record) is O(1): a leading-zeros count, two shifts, one load and one store, with
/// no branch on the value's size. It writes only a bucket. Each of the statistics adds the buckets up: O(`N`),
/// some ten µs for [`Histogram3`]. [`summary`](Self::summary) computes all of them in a few passes.
///
/// **Saturation.** A value above [`MAX`](Self::MAX) counts in the last bucket, as `MAX` in all statistics, and is
/// [counted as clamped](Self::clamped). Values whose counter is at its maximum are [counted as lost](Self::lost).
///
/// The buckets are the log-linear ones of Gil Tene's HdrHistogram: with 1, 2, 3 digits they are
/// the same as those of [`Histogram1`], [`Histogram2`], [`Histogram3`].
///
/// ```
/// use framepool::time::Histogram3;
///
/// let mut latency = Histogram3::boxed();
/// for ns in 1..=100_000 {
///     latency.record(ns);
/// }
/// assert_eq!(latency.count(), 100_000);
/// let p99 = latency.percentile(99.0)?;
/// assert!(99_000 <= p99 && p99 <= 99_000 + 99_000 / 1024);
/// println!("{latency}");
/// # Ok::<(), framepool::time::PercentileError>(())
/// ```
///
/// A number of buckets that [`buckets`] does not return does not compile:
/// ```compile_fail
/// let wrong = framepool::time::Histogram::<7, 1000>::new();
/// ```
#[derive(Clone)]
#[repr(C)]
pub struct Histogram<const P: u32, const N: usize, C: Count = u64> {
    counts: [C; N],
    clamped: u64,
    lost: u64,
}

impl<const P: u32, const N: usize, C: Count> Histogram<P, N, C> {
    /// The greatest value within the range of a bucket.
    pub const MAX: u64 = Shape::<P, N>::MAX;
    /// The number of buckets.
    pub const BUCKETS: usize = N;

    /// Makes an empty histogram: all zeros. Make a large one in a `static` or by `boxed`, not on a stack.
    #[must_use]
    pub const fn new() -> Self {
        const { assert!(Shape::<P, N>::RANGE > 0) };
        Self {
            counts: [C::ZERO; N],
            clamped: 0,
            lost: 0,
        }
    }

    /// Counts one value. O(1).
    #[inline(always)]
    pub fn record(&mut self, value: u64) {
        let Some(count) = self.counts.get_mut(Shape::<P, N>::index(value)) else {
            return self.record_above(1);
        };
        if count.bump() {
            stay_at_maximum(count, &mut self.lost);
        }
    }

    /// Counts a value `n` times. O(1).
    #[inline]
    pub fn record_n(&mut self, value: u64, n: u64) {
        match Shape::<P, N>::index(value) {
            index if index < N => self.count_at_index(index, n),
            _ => self.record_above(n),
        }
    }

    /// Counts a value and, in addition, the values that were not measured because this one took too long:
    /// `value - interval`, `value - 2 interval` and so on, down to `interval`.
    ///
    /// A program that sends one request every `interval` and waits for each answer measures once where it should
    /// have sent many requests ("coordinated omission"). An `interval` of 0 adds no values. O(`value / interval`),
    /// and at most O(`N`): all values of one bucket are counted at once.
    pub fn record_corrected(&mut self, value: u64, interval: u64) {
        self.record(value);
        missing::<P, N>(value, interval, |value, times| self.record_n(value, times));
    }

    /// [`record_corrected`](Self::record_corrected), `n` times. The cost is that of one.
    ///
    /// ```
    /// use framepool::time::Histogram2;
    ///
    /// let mut h = Histogram2::new();
    /// h.record_n_corrected(300, 5, 100); // 300, 200 and 100
    /// assert_eq!((h.count(), h.count_at(200)), (15, 5));
    /// ```
    pub fn record_n_corrected(&mut self, value: u64, n: u64, interval: u64) {
        self.record_n(value, n);
        missing::<P, N>(value, interval, |value, times| {
            product(n, times, |n| self.record_n(value, n));
        });
    }

    #[cold]
    #[inline(never)]
    fn record_above(&mut self, n: u64) {
        self.clamped = self.clamped.saturating_add(n);
        self.count_at_index(N - 1, n);
    }

    fn count_at_index(&mut self, index: usize, n: u64) {
        let Some(count) = self.counts.get_mut(index) else {
            return;
        };
        let (sum, rest) = count.plus(n);
        *count = sum;
        if rest > 0 {
            self.lose(rest);
        }
    }

    #[cold]
    #[inline(never)]
    fn lose(&mut self, n: u64) {
        self.lost = self.lost.saturating_add(n);
    }

    /// Adds all counts of `other`, whose precision, range and counters may differ. O(buckets of both).
    ///
    /// If `other` is at least as precise, the result is the same as if its values had been recorded here. If it is less
    /// precise, each value counts as the greatest one of its bucket there: percentiles keep the error of `other`. What
    /// was above the maximum of `other` counts as that maximum, and as [clamped](Self::clamped) here too.
    ///
    /// ```
    /// use framepool::time::{Histogram1, Histogram2};
    ///
    /// let (mut all, mut one, mut coarse) = (Histogram2::new(), Histogram2::new(), Histogram1::new());
    /// one.record(70);
    /// coarse.record(70);
    /// all.merge(&one);
    /// all.merge(&coarse);
    /// assert_eq!((all.count_at(70), all.count_at(71)), (1, 1));
    /// ```
    pub fn merge<const Q: u32, const M: usize, D: Count>(&mut self, other: &Histogram<Q, M, D>) {
        let counts = other.counts.iter().map(|count| count.get());
        self.add_counts::<Q, M>(counts, other.clamped, other.lost);
    }

    /// Adds the counts of a histogram of another shape, or of the same.
    fn add_counts<const Q: u32, const M: usize>(
        &mut self,
        counts: impl Iterator<Item = u64>,
        clamped: u64,
        lost: u64,
    ) {
        let mut last = 0;
        for (index, count) in counts.enumerate() {
            last = count;
            match count {
                0 => {}
                _ if Q == P && M == N => self.count_at_index(index, count),
                _ => self.record_n(Shape::<Q, M>::high(index), count),
            }
        }
        // With a lower maximum, the clamped values in the last bucket were clamped again.
        let twice = if Shape::<Q, M>::MAX > Self::MAX {
            last
        } else {
            0
        };
        let clamped = clamped.saturating_sub(twice);
        self.clamped = self.clamped.saturating_add(clamped);
        self.lost = self.lost.saturating_add(lost);
    }

    /// Subtracts the counts of `earlier`: of two copies of a histogram, this leaves the values that were recorded
    /// between them. Counters do not go below 0. O(`N`).
    ///
    /// ```
    /// use framepool::time::Histogram2;
    ///
    /// let mut all = Histogram2::new();
    /// all.record(10);
    /// let earlier = all.clone();
    /// all.record(20);
    /// all.subtract(&earlier);
    /// assert_eq!((all.count(), all.min()), (1, Some(20)));
    /// ```
    pub fn subtract(&mut self, earlier: &Self) {
        for (count, had) in self.counts.iter_mut().zip(&earlier.counts) {
            // A difference is at most the count, so it fits.
            *count = C::ZERO.plus(count.get().saturating_sub(had.get())).0;
        }
        self.clamped = self.clamped.saturating_sub(earlier.clamped);
        self.lost = self.lost.saturating_sub(earlier.lost);
    }

    /// Sets all counts to 0. O(`N`).
    pub fn reset(&mut self) {
        self.counts.fill(C::ZERO);
        self.clamped = 0;
        self.lost = 0;
    }

    /// Returns the number of values above [`MAX`](Self::MAX), which the last bucket counts.
    #[must_use]
    pub const fn clamped(&self) -> u64 {
        self.clamped
    }

    /// Returns the number of values that are in no bucket because its counter was at the maximum.
    #[must_use]
    pub const fn lost(&self) -> u64 {
        self.lost
    }

    /// Iterates over the buckets that are not empty, in ascending order. O(`N`) for all of them.
    ///
    /// ```
    /// use framepool::time::Histogram1;
    ///
    /// let mut h = Histogram1::new();
    /// h.record_n(100, 7);
    /// let bucket = h.iter().next().unwrap();
    /// assert_eq!((bucket.low, bucket.high, bucket.count), (100, 103, 7));
    /// ```
    pub fn iter(&self) -> Buckets<'_, P, N, C> {
        Buckets::new(&self.counts)
    }
}

/// Sets a counter that has wrapped back to its maximum.
#[cold]
#[inline(never)]
fn stay_at_maximum<C: Count>(count: &mut C, lost: &mut u64) {
    *count = C::MAX;
    *lost = lost.saturating_add(1);
}

impl<const P: u32, const N: usize, C: Count> Default for Histogram<P, N, C> {
    fn default() -> Self {
        Self::new()
    }
}

impl<const P: u32, const N: usize, C: Count> Extend<u64> for Histogram<P, N, C> {
    fn extend<I: IntoIterator<Item = u64>>(&mut self, values: I) {
        values.into_iter().for_each(|value| self.record(value));
    }
}

impl<'h, const P: u32, const N: usize, C: Count> IntoIterator for &'h Histogram<P, N, C> {
    type Item = Bucket;
    type IntoIter = Buckets<'h, P, N, C>;

    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}

/// Equal if all counts are equal; the types of the counters may differ.
impl<const P: u32, const N: usize, C: Count, D: Count> PartialEq<Histogram<P, N, D>>
    for Histogram<P, N, C>
{
    fn eq(&self, other: &Histogram<P, N, D>) -> bool {
        let pairs = self.counts.iter().zip(&other.counts);
        (self.clamped, self.lost) == (other.clamped, other.lost) && { pairs }
            .all(|(a, b)| a.get() == b.get())
    }
}

impl<const P: u32, const N: usize, C: Count> Eq for Histogram<P, N, C> {}

// The statistics, not the buckets.
describe!(impl[const P: u32, const N: usize, C: Count] Histogram<P, N, C> as Histogram {
    precision = |_| P,
    buckets = |_| N,
    summary,
});
