//! A bucket, and the iterator over buckets.

use core::iter::FusedIterator;
use core::slice;

use super::count::Count;
use super::shape::Shape;

/// A range of values, and the number of recorded values in it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct Bucket {
    /// The least value of the range.
    pub low: u64,
    /// The greatest value of the range. The last bucket also counts values above the histogram's maximum.
    pub high: u64,
    /// The number of recorded values.
    pub count: u64,
}

impl Bucket {
    /// Returns the value in the middle, rounded down. (A mean uses the exact middle.)
    #[must_use]
    pub const fn middle(&self) -> u64 {
        self.low + (self.high - self.low) / 2
    }
}

/// Iterates over the buckets that are not empty, in ascending order: see
/// [`Histogram::iter`](super::Histogram::iter).
#[derive(Clone)]
pub struct Buckets<'h, const P: u32, const N: usize, C: Count> {
    next: usize,
    counts: slice::Iter<'h, C>,
}

impl<'h, const P: u32, const N: usize, C: Count> Buckets<'h, P, N, C> {
    pub(super) fn new(counts: &'h [C; N]) -> Self {
        Self {
            next: 0,
            counts: counts.iter(),
        }
    }
}

impl<const P: u32, const N: usize, C: Count> Iterator for Buckets<'_, P, N, C> {
    type Item = Bucket;

    fn next(&mut self) -> Option<Bucket> {
        let skipped = self.counts.as_slice().len();
        let count = self.counts.find(|count| count.get() > 0)?.get();
        let index = self.next + (skipped - self.counts.as_slice().len() - 1);
        self.next = index + 1;
        Some(Bucket {
            low: Shape::<P, N>::low(index),
            high: Shape::<P, N>::high(index),
            count,
        })
    }
}

impl<const P: u32, const N: usize, C: Count> FusedIterator for Buckets<'_, P, N, C> {}

describe!(impl[const P: u32, const N: usize, C: Count] Buckets<'_, P, N, C> as Buckets {
    next = |buckets| buckets.next,
});
