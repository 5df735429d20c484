//! Conversions to and from the crate [`hdrhistogram`](https://docs.rs/hdrhistogram).

use hdrhistogram::{Counter, CreationError, Histogram as Hdr};

use super::Histogram;
use super::count::Count;

/// The least number of significant digits whose buckets are no wider than those of `precision` bits.
const fn digits(precision: u32) -> u8 {
    match precision {
        0..=4 => 1,
        5..=7 => 2,
        8..=10 => 3,
        11..=14 => 4,
        _ => 5,
    }
}

/// Records each count at the greatest value of its bucket, which keeps every percentile. With a precision of
/// 4, 7, 10, 14 or 17 bits the two have the same buckets; otherwise those of the result are finer. Clamped
/// values are at the histogram's maximum; lost values are missing.
///
/// ```
/// use framepool::time::Histogram3;
///
/// let mut ours = Histogram3::boxed();
/// ours.extend(1..=10_000);
/// let theirs = hdrhistogram::Histogram::<u64>::try_from(&*ours)?;
/// assert_eq!(theirs.value_at_percentile(99.9), ours.percentile(99.9)?);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
impl<const P: u32, const N: usize, C: Count> TryFrom<&Histogram<P, N, C>> for Hdr<u64> {
    type Error = CreationError;

    /// # Errors
    /// None is known: the requested bounds are valid for that crate.
    fn try_from(ours: &Histogram<P, N, C>) -> Result<Self, CreationError> {
        let max = ours.max().unwrap_or_default().max(2);
        let mut theirs = Hdr::new_with_bounds(1, max, digits(P))?;
        for bucket in ours {
            theirs.saturating_record_n(bucket.high, bucket.count);
        }
        Ok(theirs)
    }
}

impl<const P: u32, const N: usize, C: Count> Histogram<P, N, C> {
    /// Adds all counts of `theirs`, each at the greatest value of its bucket, which keeps percentiles to within
    /// this histogram's error. Values above the maximum, and counters at theirs, are handled as in recording.
    ///
    /// ```
    /// use framepool::time::Histogram3;
    ///
    /// let mut theirs = hdrhistogram::Histogram::<u32>::new(3)?;
    /// theirs.record(1500)?;
    /// let mut ours = Histogram3::boxed();
    /// ours.merge_hdr(&theirs);
    /// assert_eq!(ours.percentile(50.0), Ok(1500));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn merge_hdr<T: Counter>(&mut self, theirs: &Hdr<T>) {
        for step in theirs.iter_recorded() {
            let count = step.count_at_value().as_u64();
            self.record_n(step.value_iterated_to(), count);
        }
    }
}

/// As [`merge_hdr`](Histogram::merge_hdr) into a new histogram, which lies on the stack. For a large one use
/// `boxed` and `merge_hdr`.
impl<const P: u32, const N: usize, C: Count, T: Counter> From<&Hdr<T>> for Histogram<P, N, C> {
    fn from(theirs: &Hdr<T>) -> Self {
        let mut ours = Self::new();
        ours.merge_hdr(theirs);
        ours
    }
}
