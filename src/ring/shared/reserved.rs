//! Slots of a shared ring that are written in place and then published.

use super::error::NoPlace;
use super::plain::Plain;
use super::producer::SharedProducer;
use crate::ring::error::Full;

/// Free places of a shared ring, which the producer writes in any order and then commits: from
/// [`SharedProducer::reserve`]. Dropping it publishes nothing.
///
/// A place that was not written keeps its old bytes: zeros, an older value, or what the peer wrote there. All
/// of them are values, since any bytes are one ([`Plain`]).
///
/// ```
/// # use framepool::{SharedRegion, ring::SharedRing};
/// # let region = SharedRegion::builder(64 << 10).create()?;
/// let ring = SharedRing::<[u8; 2048]>::create(region.words(), 4)?;
/// let (mut tx, mut rx) = (ring.producer()?, ring.consumer()?);
///
/// let mut frames = tx.reserve(2)?.expect("it is empty");
/// frames.write_bytes(0, 0, b"\x02\x00a frame")?; // copied once
/// frames.write_bytes(1, 0, b"\x01\x00another")?;
/// assert_eq!(frames.commit(2), 2);
///
/// let frames = rx.peek_up_to(8)?;
/// let mut head = [0; 2];
/// frames.read_bytes(1, 0, &mut head)?; // two bytes of it
/// assert_eq!(head, [1, 0]);
/// assert_eq!(frames.release(2), 2);
/// # Ok::<(), Box<dyn core::error::Error>>(())
/// ```
pub struct SharedReserved<'a, 'r, T: Plain> {
    producer: &'a mut SharedProducer<'r, T>,
    /// Number of places. Invariant: there is room for that many.
    len: usize,
}

impl<'a, 'r, T: Plain> SharedReserved<'a, 'r, T> {
    /// There is room for `len`.
    #[inline(always)]
    pub(super) fn new(producer: &'a mut SharedProducer<'r, T>, len: usize) -> Self {
        Self { producer, len }
    }

    /// Returns the number of reserved places.
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether no place is reserved.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Copies a value into the `i`th place, counted from 0.
    ///
    /// # Errors
    /// [`Full`] with the value: there is no such place.
    #[inline]
    pub fn write(&mut self, i: usize, value: T) -> Result<(), Full<T>> {
        if i >= self.len {
            return Err(Full(value));
        }
        let at = self.producer.tail().wrapping_add(i as u64);
        self.producer.words().write(at, &value);
        Ok(())
    }

    /// Copies bytes into the `i`th place, from its byte `offset` on; its other bytes stay.
    ///
    /// # Errors
    /// [`NoPlace`]: there is no such place, or the bytes do not fit it.
    #[inline]
    pub fn write_bytes(&mut self, i: usize, offset: usize, bytes: &[u8]) -> Result<(), NoPlace> {
        NoPlace::check::<T>(i, self.len, offset, bytes.len())?;
        let at = self.producer.tail().wrapping_add(i as u64);
        self.producer.words().write_bytes(at, offset, bytes);
        Ok(())
    }

    /// Publishes the first `n` places with one store; `n` above [`len`](Self::len) counts as `len`. Returns the number
    /// of places published.
    #[inline]
    pub fn commit(self, n: usize) -> usize {
        let n = n.min(self.len);
        self.producer.publish(n);
        n
    }
}

impl NoPlace {
    /// Whether the bytes are in the places.
    #[inline]
    pub(super) fn check<T>(
        place: usize,
        places: usize,
        offset: usize,
        len: usize,
    ) -> Result<(), NoPlace> {
        let size = size_of::<T>();
        if place < places && offset.checked_add(len).is_some_and(|end| end <= size) {
            return Ok(());
        }
        Err(NoPlace {
            place,
            places,
            offset,
            len,
            size,
        })
    }
}

describe!(impl[T: Plain] SharedReserved<'_, '_, T> as SharedReserved { len });
