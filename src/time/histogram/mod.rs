//! How often which values came: fixed memory, a stated error, nanoseconds to record one.
//!
//! ```text
//!                   P + 1 bits
//!   value    0…0 1 b b b b b x x x x x x        which bucket: the leading bits, and the shift
//!                          |<- shift ->|
//!   counts   [ exact | exact | octave | octave | … ]      2^P buckets to each
//! ```
//!
//! | file | what |
//! |---|---|
//! | this one | the histogram: recording, merging, reading |
//! | `layout` | which values share a bucket |
//! | `count` | counters of 16, 32 and 64 bits |
//! | `figures` | count, mean, deviation, percentiles |
//! | `summary` | all figures at once, as a table |
//! | `bars` | the picture |
//! | `iter` | buckets, with their ranges |
//! | `atomic` | one writes, many read |
//! | `hdr` | to and from the crate `hdrhistogram` |

mod atomic;
mod bars;
mod count;
#[cfg(feature = "hdrhistogram")]
mod hdr;
mod iter;
mod shape;
mod statistics;
mod summary;

use core::fmt;

pub use atomic::{AtomicHistogram, Recorder};
pub use bars::Bars;
pub use count::Count;
pub use iter::{Bucket, Buckets};
pub use shape::buckets;
pub use statistics::PercentileError;
pub use summary::{PERCENTILES, Summary};

use shape::Shape;

/// One significant digit at least: values are told apart to one part in 16, 6.25 %. 7.6 KiB.
pub type Histogram1 = Histogram<4, { buckets(4, 64) }>;
/// Two significant digits at least: one part in 128, 0.79 %. 58 KiB.
pub type Histogram2 = Histogram<7, { buckets(7, 64) }>;
/// Three significant digits at least: one part in 1024, 0.098 %. 440 KiB.
pub type Histogram3 = Histogram<10, { buckets(10, 64) }>;

/// Counts of values, in buckets whose width is at most one part in 2^`P` of the values in them.
///
/// `N` is [`buckets(P, range)`](buckets), which decides the largest value too; `C` is what a bucket counts
/// with. The memory is `N` counters and two words, inside the value: a `static` one lies in `.bss`.
///
/// **Error.** Values below 2^(`P`+1) are told apart exactly. Any other is known to within its bucket:
/// what [`percentile`](Self::percentile), [`min`](Self::min) and [`max`](Self::max) answer is the top (or
/// bottom) of the bucket in which the exact answer lies, so off by less than one part in 2^`P`, and
/// [`mean`](Self::mean) by half of that at most.
///
/// **Cost.** [`record`](Self::record) is O(1): a leading-zeros count, two shifts, one load and one store; no
/// branch on the value's size. Only the buckets are written: reading any figure adds them up,
/// O(`N`), some ten µs for [`Histogram3`]. [`summary`](Self::summary) reads all figures in four
/// passes, however many percentiles.
///
/// **Saturation.** A value above [`MAX`](Self::MAX) counts in the last bucket, as `MAX` in every figure, and is
/// [counted as clamped](Self::clamped); what a counter at its maximum could not take is [counted as lost](Self::lost).
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
/// Shapes that [`buckets`] did not make do not compile:
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
    /// The largest value that has a bucket of its own size.
    pub const MAX: u64 = Shape::<P, N>::MAX;
    /// How many buckets there are.
    pub const BUCKETS: usize = N;

    /// Nothing recorded: all zeros. Large ones are better made in a `static`, or by
    /// `boxed`, than on a stack.
    #[must_use]
    pub const fn new() -> Self {
        const { assert!(Shape::<P, N>::RANGE > 0) };
        Self {
            counts: [C::ZERO; N],
            clamped: 0,
            lost: 0,
        }
    }

    /// Nothing recorded, on the heap, without passing through the stack.
    ///
    /// Its pages may come with their first touch, each a page fault. `reset` right after `boxed` does not
    /// bring them: an optimizer drops writes of zeros to new memory. Pass the box through
    /// [`black_box`](core::hint::black_box) before `reset`.
    #[cfg(feature = "std")]
    #[must_use]
    pub fn boxed() -> std::boxed::Box<Self> {
        const { assert!(Shape::<P, N>::RANGE > 0) };
        // SAFETY: it is integers alone (`Count` is sealed), of which zeros are a value: that of `new`.
        unsafe { super::zeroed::zeroed() }
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

    /// Counts a value, and beside it those that were not measured because this one took so long: at
    /// `value - interval`, `value - 2 interval` and so on, down to `interval`.
    ///
    /// Whoever sends one request every `interval` and waits for each answer measures once while many
    /// should have been sent ("coordinated omission"). An `interval` of 0 adds none. O(`value / interval`), and
    /// never more than O(`N`): those of one bucket are counted at once.
    pub fn record_corrected(&mut self, value: u64, interval: u64) {
        self.record(value);
        if interval == 0 {
            return;
        }
        let mut missing = value.saturating_sub(interval);
        while missing >= interval {
            // As many as share its bucket, the last of them no less than `least`. That is `interval` or more, so
            // there is as much as `n` intervals to take away.
            let least = Shape::<P, N>::bottom(missing).max(interval);
            let n = (missing - least) / interval + 1;
            self.record_n(missing, n);
            missing -= n * interval;
        }
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

    /// Adds all that `other` counted: as if its values had been recorded here. O(`N`).
    ///
    /// ```
    /// use framepool::time::Histogram2;
    ///
    /// let (mut all, mut one) = (Histogram2::new(), Histogram2::new());
    /// one.record(70);
    /// all.merge(&one);
    /// assert_eq!(all.count(), 1);
    /// ```
    pub fn merge<D: Count>(&mut self, other: &Histogram<P, N, D>) {
        for (index, count) in other.counts.iter().enumerate() {
            if count.get() > 0 {
                self.count_at_index(index, count.get());
            }
        }
        self.clamped = self.clamped.saturating_add(other.clamped);
        self.lost = self.lost.saturating_add(other.lost);
    }

    /// Takes away what `earlier` had counted already: of two readings of a histogram that goes on, what
    /// came between them. Counters do not go below 0. O(`N`).
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
            // A difference never exceeds what it was taken from, so it fits.
            *count = C::ZERO.plus(count.get().saturating_sub(had.get())).0;
        }
        self.clamped = self.clamped.saturating_sub(earlier.clamped);
        self.lost = self.lost.saturating_sub(earlier.lost);
    }

    /// Forgets everything. O(`N`).
    pub fn reset(&mut self) {
        self.counts.fill(C::ZERO);
        self.clamped = 0;
        self.lost = 0;
    }

    /// How many values were above [`MAX`](Self::MAX), and so count in the last bucket.
    #[must_use]
    pub const fn clamped(&self) -> u64 {
        self.clamped
    }

    /// How many values are in no bucket, because its counter was at the maximum.
    #[must_use]
    pub const fn lost(&self) -> u64 {
        self.lost
    }

    /// Every bucket that has counted something, from the least values up. O(`N`) for all of them.
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

/// Takes back the step that made a counter begin again.
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

/// Equal if every bucket counts the same, whatever it counts with.
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

/// The figures, not the buckets.
impl<const P: u32, const N: usize, C: Count> fmt::Debug for Histogram<P, N, C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Histogram")
            .field("precision", &P)
            .field("buckets", &N)
            .field("summary", &self.summary())
            .finish()
    }
}
