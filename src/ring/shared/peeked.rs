//! Values of a shared ring that are read in place and then released.

use super::consumer::SharedConsumer;
use super::error::NoPlace;
use super::plain::Plain;

/// Values that wait in a shared ring, in place: from [`SharedConsumer::peek`]. They stay in the ring unless they are
/// released.
///
/// The peer can write to them at any moment, so they are copied out, each in whole or in part. Two copies of the same
/// value may differ.
///
/// ```
/// # use framepool::{SharedRegion, ring::SharedRing};
/// # let region = SharedRegion::builder(64 << 10).create()?;
/// let ring = SharedRing::<u64>::create(region.words(), 4)?;
/// let (mut tx, mut rx) = (ring.producer()?, ring.consumer()?);
/// tx.push_slice(&[1, 2, 3])?;
/// let waiting = rx.peek(3)?.expect("three were pushed");
/// assert_eq!((waiting.get(2), waiting.get(3)), (Some(3), None));
/// assert_eq!(waiting.iter().sum::<u64>(), 6);
/// assert_eq!(waiting.release(2), 2);
/// assert_eq!(rx.pop()?, Some(3));
/// # Ok::<(), Box<dyn core::error::Error>>(())
/// ```
pub struct SharedPeeked<'a, 'r, T: Plain> {
    consumer: &'a mut SharedConsumer<'r, T>,
    /// Number of values. Invariant: that many are waiting.
    len: usize,
}

impl<'a, 'r, T: Plain> SharedPeeked<'a, 'r, T> {
    /// `len` are waiting.
    #[inline(always)]
    pub(super) fn new(consumer: &'a mut SharedConsumer<'r, T>, len: usize) -> Self {
        Self { consumer, len }
    }

    /// Returns the number of values.
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether there is no value.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// A copy of the `i`th value, counted from 0, the oldest one.
    #[inline]
    pub fn get(&self, i: usize) -> Option<T> {
        let at = self.consumer.head().wrapping_add(i as u64);
        (i < self.len).then(|| self.consumer.words().read(at))
    }

    /// Copies of the values, the oldest first.
    pub fn iter(&self) -> impl Iterator<Item = T> {
        (0..self.len).filter_map(|i| self.get(i))
    }

    /// Copies bytes of the `i`th value out, from its byte `offset` on.
    ///
    /// # Errors
    /// [`NoPlace`]: there is no such value, or it has fewer bytes.
    #[inline]
    pub fn read_bytes(&self, i: usize, offset: usize, out: &mut [u8]) -> Result<(), NoPlace> {
        NoPlace::check::<T>(i, self.len, offset, out.len())?;
        let at = self.consumer.head().wrapping_add(i as u64);
        self.consumer.words().read_bytes(at, offset, out);
        Ok(())
    }

    /// Passes the slots of the oldest `n` values back to the producer with one store; `n` above [`len`](Self::len)
    /// counts as `len`. Returns the number of values released.
    #[inline]
    pub fn release(self, n: usize) -> usize {
        let n = n.min(self.len);
        self.consumer.retire(n);
        n
    }
}

describe!(impl[T: Plain] SharedPeeked<'_, '_, T> as SharedPeeked { len });
