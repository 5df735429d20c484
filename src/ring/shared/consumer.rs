//! The end that values come out at.

use core::fmt;
use core::sync::atomic::Ordering;

use super::error::SharedRingError;
use super::owner::{Held, Holder};
use super::peeked::SharedPeeked;
use super::plain::Plain;
use super::ring::SharedRing;
use super::words::{HEAD, PRODUCER, TAIL, Words};
use crate::ring::stats::ConsumerStats;

/// The end that values come out at, of a ring that two processes share: from [`SharedRing::consumer`]. `Send`,
/// not `Clone`; let go when it is dropped, and to be taken again then.
///
/// ```
/// # use framepool::{SharedRegion, ring::SharedRing};
/// # let region = SharedRegion::builder(64 << 10).create()?;
/// let ring = SharedRing::<u32>::create(&region, 0, 4)?;
/// let (mut tx, mut rx) = (ring.producer()?, ring.consumer()?);
/// tx.push_slice(&[1, 2, 3])?;
/// assert_eq!((rx.len(), rx.pop()?), (3, Some(1)));
/// drop(tx);
/// assert!(rx.is_abandoned());
/// let mut out = [0; 8];
/// assert_eq!(rx.pop_slice(&mut out)?, 2);
/// assert_eq!(rx.stats().high_water, 3);
/// # Ok::<(), Box<dyn core::error::Error>>(())
/// ```
///
/// # Invariant
/// `tail - head` (wrapping) is at most the capacity; both are this end's own, whatever the memory says.
pub struct SharedConsumer<'r, T: Plain> {
    ring: SharedRing<'r, T>,
    head: u64,
    /// The tail last seen that could be.
    tail: u64,
    first: u64,
    pub(super) starved: u64,
    high_water: u64,
    _held: Held<'r>,
}

impl<'r, T: Plain> SharedConsumer<'r, T> {
    /// The invariant is the caller's to keep.
    pub(super) fn new(ring: SharedRing<'r, T>, held: Held<'r>, head: u64, tail: u64) -> Self {
        Self {
            ring,
            head,
            tail,
            first: head,
            starved: 0,
            high_water: tail.wrapping_sub(head),
            _held: held,
        }
    }

    #[inline(always)]
    pub(super) fn words(&self) -> &Words<'r, T> {
        self.ring.words()
    }

    #[inline(always)]
    pub(super) fn head(&self) -> u64 {
        self.head
    }

    /// Takes the oldest value; `None` if there is none. O(size of the value).
    ///
    /// # Errors
    /// [`SharedRingError::Corrupt`]: the peer's position cannot be.
    #[inline]
    pub fn pop(&mut self) -> Result<Option<T>, SharedRingError> {
        if self.waiting(1)? == 0 {
            self.starve();
            return Ok(None);
        }
        Ok(Some(self.take()))
    }

    /// Takes the oldest value: there is one.
    #[inline(always)]
    pub(super) fn take(&mut self) -> T {
        let value = self.words().read(self.head);
        self.retire(1);
        value
    }

    /// Takes as many as there are, at most as many as `out` has places, which are written from the first
    /// on. How many.
    ///
    /// # Errors
    /// [`SharedRingError::Corrupt`]; `out` is as it was.
    pub fn pop_slice(&mut self, out: &mut [T]) -> Result<usize, SharedRingError> {
        let waiting = self.waiting(out.len())?;
        if waiting < out.len() {
            self.starve();
        }
        let n = waiting.min(out.len());
        for (i, value) in (0..).zip(out.iter_mut().take(n)) {
            self.words().read_to(self.head.wrapping_add(i), value);
        }
        self.retire(n);
        Ok(n)
    }

    /// Takes those values that are there now, one by one. What it was not asked for stays. Unlike
    /// [`Consumer::drain`](crate::ring::Consumer::drain) it does not go on with what comes meanwhile: it
    /// ends, whatever the peer writes.
    ///
    /// # Errors
    /// [`SharedRingError::Corrupt`].
    pub fn drain(&mut self) -> Result<SharedDrain<'_, 'r, T>, SharedRingError> {
        let left = self.look()?;
        Ok(SharedDrain {
            consumer: self,
            left,
        })
    }

    /// The oldest `n` values, where they lie: see [`SharedPeeked`]. `None` if there are fewer.
    ///
    /// # Errors
    /// [`SharedRingError::Corrupt`].
    pub fn peek(&mut self, n: usize) -> Result<Option<SharedPeeked<'_, 'r, T>>, SharedRingError> {
        if self.waiting(n)? < n {
            self.starve();
            return Ok(None);
        }
        Ok(Some(SharedPeeked::new(self, n)))
    }

    /// As many as are there, `n` at most; possibly none.
    ///
    /// # Errors
    /// [`SharedRingError::Corrupt`].
    pub fn peek_up_to(&mut self, n: usize) -> Result<SharedPeeked<'_, 'r, T>, SharedRingError> {
        let n = self.waiting(n)?.min(n);
        Ok(SharedPeeked::new(self, n))
    }

    /// Makes the next `n` slots the producer's; so many are waiting.
    #[inline(always)]
    pub(super) fn retire(&mut self, n: usize) {
        self.head = self.head.wrapping_add(n as u64);
        // Release: pairs with the producer's acquire of the head.
        self.words().word(HEAD).store(self.head, Ordering::Release);
    }

    #[cold]
    fn starve(&mut self) {
        self.starved = self.starved.saturating_add(1);
    }

    /// Values that are known to be there, after a look at the tail unless there are `n` already.
    #[inline(always)]
    pub(super) fn waiting(&mut self, n: usize) -> Result<usize, SharedRingError> {
        let known = self.tail.wrapping_sub(self.head) as usize;
        if known >= n { Ok(known) } else { self.look() }
    }

    /// Reads the producer's position, and believes it if it can be.
    fn look(&mut self) -> Result<usize, SharedRingError> {
        let found = self.read_tail();
        let Some(waiting) = self.waiting_before(found) else {
            let own = self.head;
            return Err(SharedRingError::Corrupt { found, own });
        };
        self.tail = found;
        self.high_water = self.high_water.max(waiting);
        Ok(waiting as usize)
    }

    fn read_tail(&self) -> u64 {
        // Acquire: pairs with the producer's release of the tail.
        self.words().word(TAIL).load(Ordering::Acquire)
    }

    /// Values in the ring if this is the tail, which only grows: no fewer than before, and no more than
    /// there is room for.
    fn waiting_before(&self, tail: u64) -> Option<u64> {
        let waiting = tail.wrapping_sub(self.head);
        let fewest = self.tail.wrapping_sub(self.head);
        (fewest..=self.words().capacity())
            .contains(&waiting)
            .then_some(waiting)
    }

    /// Whether a producer was there and let go: as [`SharedProducer::is_abandoned`]. What it pushed is
    /// still there to be taken.
    ///
    /// [`SharedProducer::is_abandoned`]: crate::ring::SharedProducer::is_abandoned
    pub fn is_abandoned(&self) -> bool {
        Holder::read(self.words().word(PRODUCER)) == Holder::Gone
    }

    /// Values in the ring, at least: the producer may be pushing some. One load of its position; where that
    /// cannot be, what was believed last. Never more than the capacity.
    pub fn len(&self) -> usize {
        let waiting = self.waiting_before(self.read_tail());
        waiting.unwrap_or(self.tail.wrapping_sub(self.head)) as usize
    }

    /// Whether there is nothing to take now.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Whether the producer has no room.
    pub fn is_full(&self) -> bool {
        self.len() == self.capacity()
    }

    /// Values that the ring holds when it is full: all of its slots.
    pub fn capacity(&self) -> usize {
        self.ring.capacity()
    }

    /// What this end has counted, since this process took it.
    pub fn stats(&self) -> ConsumerStats {
        ConsumerStats {
            dequeued: self.head.wrapping_sub(self.first),
            starved: self.starved,
            high_water: self.high_water as usize,
        }
    }

    /// The ring.
    pub fn ring(&self) -> &SharedRing<'r, T> {
        &self.ring
    }
}

impl<T: Plain> fmt::Debug for SharedConsumer<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SharedConsumer")
            .field("len", &self.len())
            .field("capacity", &self.capacity())
            .field("stats", &self.stats())
            .finish_non_exhaustive()
    }
}

/// Takes what was there: see [`SharedConsumer::drain`].
#[derive(Debug)]
pub struct SharedDrain<'a, 'r, T: Plain> {
    consumer: &'a mut SharedConsumer<'r, T>,
    /// So many are waiting.
    left: usize,
}

impl<T: Plain> Iterator for SharedDrain<'_, '_, T> {
    type Item = T;

    #[inline]
    fn next(&mut self) -> Option<T> {
        self.left = self.left.checked_sub(1)?;
        Some(self.consumer.take())
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        (self.left, Some(self.left))
    }
}

impl<T: Plain> ExactSizeIterator for SharedDrain<'_, '_, T> {}

impl<T: Plain> core::iter::FusedIterator for SharedDrain<'_, '_, T> {}
