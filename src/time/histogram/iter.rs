//! Buckets, with their ranges.

use core::iter::FusedIterator;
use core::slice;

use super::count::Count;
use super::shape::Shape;

/// A range of values, and how many came that lie in it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct Bucket {
    /// The least value that counts here.
    pub low: u64,
    /// The greatest value that counts here. Values above the histogram's maximum count in its last
    /// bucket too.
    pub high: u64,
    /// How many came.
    pub count: u64,
}

impl Bucket {
    /// The value in the middle, rounded down; a mean takes the half with it.
    #[must_use]
    pub const fn middle(&self) -> u64 {
        self.low + (self.high - self.low) / 2
    }
}

/// Every bucket that has counted something, from the least values up: of
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

impl<const P: u32, const N: usize, C: Count> core::fmt::Debug for Buckets<'_, P, N, C> {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("Buckets")
            .field("next", &self.next)
            .finish_non_exhaustive()
    }
}
