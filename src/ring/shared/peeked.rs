//! Values that are looked at where they lie in a shared ring.

use core::fmt;

use super::consumer::SharedConsumer;
use super::error::NoPlace;
use super::plain::Plain;

/// Values that wait in a shared ring, where they lie: from [`SharedConsumer::peek`]. They stay in the ring
/// unless they are released.
///
/// The peer can write to them at any moment, so they are copied out, each in whole or in part; two
/// copies of the same may differ.
///
/// ```
/// # use framepool::{SharedRegion, ring::SharedRing};
/// # let region = SharedRegion::builder(64 << 10).create()?;
/// let ring = SharedRing::<u64>::create(&region, 0, 4)?;
/// let (mut tx, mut rx) = (ring.producer()?, ring.consumer()?);
/// tx.push_slice(&[1, 2, 3])?;
/// let waiting = rx.peek(3)?.expect("so many were pushed");
/// assert_eq!((waiting.get(2), waiting.get(3)), (Some(3), None));
/// assert_eq!(waiting.iter().sum::<u64>(), 6);
/// assert_eq!(waiting.release(2), 2);
/// assert_eq!(rx.pop()?, Some(3));
/// # Ok::<(), Box<dyn core::error::Error>>(())
/// ```
pub struct SharedPeeked<'a, 'r, T: Plain> {
    consumer: &'a mut SharedConsumer<'r, T>,
    /// So many are waiting.
    len: usize,
}

impl<'a, 'r, T: Plain> SharedPeeked<'a, 'r, T> {
    /// `len` are waiting.
    #[inline(always)]
    pub(super) fn new(consumer: &'a mut SharedConsumer<'r, T>, len: usize) -> Self {
        Self { consumer, len }
    }

    /// Values to be seen.
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// A copy of the `i`th value, counted from the oldest one.
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
    /// [`NoPlace`]: there is no such value, or they are more than it has from there on.
    #[inline]
    pub fn read_bytes(&self, i: usize, offset: usize, out: &mut [u8]) -> Result<(), NoPlace> {
        NoPlace::check::<T>(i, self.len, offset, out.len())?;
        let at = self.consumer.head().wrapping_add(i as u64);
        self.consumer.words().read_bytes(at, offset, out);
        Ok(())
    }

    /// Gives the places of the oldest `n` values to the producer, in one store; `n` above
    /// [`len`](Self::len) counts as `len`. How many.
    #[inline]
    pub fn release(self, n: usize) -> usize {
        let n = n.min(self.len);
        self.consumer.retire(n);
        n
    }
}

impl<T: Plain> fmt::Debug for SharedPeeked<'_, '_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SharedPeeked")
            .field("len", &self.len)
            .finish_non_exhaustive()
    }
}
