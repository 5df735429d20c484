//! The shape of a histogram: the number of its buckets, and their ranges.
//!
//! ```text
//!   P = 2          value 0 1 2 3 4 5 6 7 8 . 10 . 12 . 14 . 16 . . . 20 . . . 24 …
//!   bucket               0 1 2 3 4 5 6 7 8   9    10   11   12       13       14
//!   width                1 1 1 1 1 1 1 1 2   2    2    2    4        4        4
//!                        |-- exact ----| |-- 2^P to each octave
//! ```
//!
//! The leading `P + 1` bits of a value, and the shift that brings them down, give its bucket. Small values have a
//! shift of 0 because the bit at that place is set first, so there is no branch on the size.

use core::ops::Range;

/// Returns the number of buckets of a [`Histogram`](super::Histogram) for values of up to `range` bits, whose
/// buckets are no wider than one part in 2^`precision` of their values.
///
/// ```
/// use framepool::time::{Histogram, buckets};
///
/// // One part in 128, up to 2^40 ns (18 minutes), counters of 32 bits: 17 KiB.
/// type Compact = Histogram<7, { buckets(7, 40) }, u32>;
/// assert_eq!(Compact::BUCKETS, 4352);
/// assert_eq!(Compact::MAX, (1 << 40) - 1);
/// ```
///
/// # Panics
/// At compile time, when the constant is evaluated, unless `1 <= precision <= 17` and
/// `precision < range <= 64`.
#[must_use]
pub const fn buckets(precision: u32, range: u32) -> usize {
    assert!(
        is_precision(precision),
        "a histogram's precision is 1 to 17 bits"
    );
    assert!(
        precision < range && range <= 64,
        "a histogram's range is more bits than its precision and at most 64"
    );
    ((range + 1 - precision) as usize) << precision
}

const fn is_precision(precision: u32) -> bool {
    1 <= precision && precision <= 17
}

/// The range in bits for which `buckets` returns this number; 0 if there is none.
const fn range(precision: u32, buckets: usize) -> u32 {
    let blocks = buckets >> precision;
    if blocks << precision != buckets || blocks < 2 || blocks as u64 > 65 - precision as u64 {
        return 0;
    }
    blocks as u32 + precision - 1
}

/// The arithmetic of one shape. A result is constant where the argument is.
#[derive(Debug)]
pub(super) struct Shape<const P: u32, const N: usize>;

impl<const P: u32, const N: usize> Shape<P, N> {
    /// The range in bits. Its evaluation rejects shapes that `buckets` did not make.
    pub(super) const RANGE: u32 = {
        assert!(is_precision(P), "a histogram's precision is 1 to 17 bits");
        let range = range(P, N);
        assert!(
            range > 0,
            "a histogram's number of buckets is not one that `buckets(precision, range)` returns"
        );
        range
    };

    /// The largest value that has a bucket.
    pub(super) const MAX: u64 = u64::MAX >> (64 - Self::RANGE);

    /// The index of a value's bucket; `N` or more if the value is above [`MAX`](Self::MAX).
    #[inline(always)]
    pub(super) const fn index(value: u64) -> usize {
        let shift = 63 - P - (value | 1 << P).leading_zeros();
        ((shift as usize) << P) + (value >> shift) as usize
    }

    /// The least value in the same bucket; for a value above [`MAX`](Self::MAX), the least value above it.
    pub(super) const fn bottom(value: u64) -> u64 {
        let index = Self::index(value);
        if index < N {
            Self::low(index)
        } else {
            Self::MAX.saturating_add(1)
        }
    }

    /// The index of a value's bucket; that of the last one if the value is above [`MAX`](Self::MAX).
    pub(super) const fn place(value: u64) -> usize {
        let index = Self::index(value);
        if index < N { index } else { N - 1 }
    }

    /// The indices of the buckets of two values and of all buckets between them.
    pub(super) const fn places(low: u64, high: u64) -> Range<usize> {
        if low > high {
            return 0..0;
        }
        Self::place(low)..Self::place(high) + 1
    }

    /// The shift of a bucket's values.
    const fn shift(index: usize) -> u32 {
        let octave = (index >> P) as u32;
        octave.saturating_sub(1)
    }

    /// The least value of a bucket.
    pub(super) const fn low(index: usize) -> u64 {
        let shift = Self::shift(index);
        ((index - ((shift as usize) << P)) as u64) << shift
    }

    /// The greatest value of a bucket.
    pub(super) const fn high(index: usize) -> u64 {
        Self::low(index) | ((1 << Self::shift(index)) - 1)
    }
}
