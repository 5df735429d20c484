//! The consumer of a shared ring.

use core::sync::atomic::Ordering;

use super::error::SharedRingError;
use super::owner::{Claim, Owner};
use super::peeked::SharedPeeked;
use super::plain::Plain;
use super::ring::SharedRing;
use super::words::{HEAD, PRODUCER, TAIL, Words};
use crate::ring::stats::ConsumerStats;

/// The end of a shared ring that values are popped from: from [`SharedRing::consumer`]. `Send`, not `Clone`. Dropping
/// it releases the end, which can then be taken again.
///
/// ```
/// # use framepool::{SharedRegion, ring::SharedRing};
/// # let region = SharedRegion::builder(64 << 10).create()?;
/// let ring = SharedRing::<u32>::create(region.words(), 4)?;
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
pub struct SharedConsumer<'r, T: Plain> {
    ring: SharedRing<'r, T>,
    // Invariant: `tail - head` (wrapping) is at most the capacity. Both are this end's copies, which no peer can change.
    head: u64,
    /// The last possible tail that was seen.
    tail: u64,
    first: u64,
    pub(super) starved: u64,
    high_water: u64,
    _claim: Claim<'r>,
}

impl<'r, T: Plain> SharedConsumer<'r, T> {
    /// `head` and `tail` keep the invariant.
    pub(super) fn new(ring: SharedRing<'r, T>, claim: Claim<'r>, head: u64, tail: u64) -> Self {
        Self {
            ring,
            head,
            tail,
            first: head,
            starved: 0,
            high_water: tail.wrapping_sub(head),
            _claim: claim,
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
    /// [`SharedRingError::Corrupt`]: the peer's position is impossible.
    #[inline]
    pub fn pop(&mut self) -> Result<Option<T>, SharedRingError> {
        if self.waiting(1)? == 0 {
            self.starve();
            return Ok(None);
        }
        Ok(Some(self.take()))
    }

    /// Takes the oldest value; there is one.
    #[inline(always)]
    pub(super) fn take(&mut self) -> T {
        let value = self.words().read(self.head);
        self.retire(1);
        value
    }

    /// A copy of the oldest value, which stays in the ring. The peer may change it: [`pop`](Self::pop) may return another.
    ///
    /// # Errors
    /// [`SharedRingError::Corrupt`].
    pub fn front(&self) -> Result<Option<T>, SharedRingError> {
        let is_known = self.tail != self.head;
        let waits = is_known || self.checked(self.read_tail())? > 0;
        Ok(waits.then(|| self.words().read(self.head)))
    }

    /// Copies the oldest values to the start of `out`, as many as there are and `out` has room for. Returns the number
    /// of values taken.
    ///
    /// # Errors
    /// [`SharedRingError::Corrupt`]; `out` is unchanged.
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

    /// Takes the values that are there now, one by one. Values that were not taken from the iterator stay. Unlike
    /// [`Consumer::drain`](crate::ring::Consumer::drain) it does not take values that are pushed meanwhile: it ends,
    /// whatever the peer writes.
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

    /// The oldest `n` values, in place: see [`SharedPeeked`]. `None` if there are fewer.
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

    /// The values that are there, in place: at most `n`, possibly none.
    ///
    /// # Errors
    /// [`SharedRingError::Corrupt`].
    pub fn peek_up_to(&mut self, n: usize) -> Result<SharedPeeked<'_, 'r, T>, SharedRingError> {
        let n = self.waiting(n)?.min(n);
        Ok(SharedPeeked::new(self, n))
    }

    /// Passes the next `n` slots back to the producer; that many values are waiting.
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

    /// Returns the number of values that are known to be there. Looks at the tail if it is less than `n`.
    #[inline(always)]
    pub(super) fn waiting(&mut self, n: usize) -> Result<usize, SharedRingError> {
        let known = self.tail.wrapping_sub(self.head) as usize;
        if known >= n { Ok(known) } else { self.look() }
    }

    /// Reads the producer's position, and accepts it if it is possible.
    fn look(&mut self) -> Result<usize, SharedRingError> {
        let found = self.read_tail();
        let waiting = self.checked(found)?;
        self.tail = found;
        self.high_water = self.high_water.max(waiting);
        Ok(waiting as usize)
    }

    /// Returns the number of values in the ring if this is the tail.
    fn checked(&self, tail: u64) -> Result<u64, SharedRingError> {
        let (found, own) = (tail, self.head);
        (self.waiting_before(tail)).ok_or(SharedRingError::Corrupt { found, own })
    }

    fn read_tail(&self) -> u64 {
        // Acquire: pairs with the producer's release of the tail.
        self.words().word(TAIL).load(Ordering::Acquire)
    }

    /// Returns the number of values in the ring if this is the tail. The tail only grows, so there are no fewer values
    /// than before, and at most the capacity; otherwise `None`.
    fn waiting_before(&self, tail: u64) -> Option<u64> {
        let waiting = tail.wrapping_sub(self.head);
        let fewest = self.tail.wrapping_sub(self.head);
        (fewest..=self.words().capacity())
            .contains(&waiting)
            .then_some(waiting)
    }

    /// Whether the producer has released its end: as [`SharedProducer::is_abandoned`]. The values that it pushed can
    /// still be taken.
    ///
    /// [`SharedProducer::is_abandoned`]: crate::ring::SharedProducer::is_abandoned
    pub fn is_abandoned(&self) -> bool {
        Owner::read(self.words().word(PRODUCER)) == Owner::Gone
    }

    /// Returns a lower bound of the number of values in the ring, because the producer may be pushing some. One load of
    /// its position; if that is impossible, the last possible one counts. Never more than the capacity.
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

    /// Returns the number of slots: the ring is full when it holds that many values.
    pub fn capacity(&self) -> usize {
        self.ring.capacity()
    }

    /// The counters of this end, since this process took it.
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

describe!(impl[T: Plain] SharedConsumer<'_, T> as SharedConsumer { len, capacity, stats });

/// Takes the values that were there: from [`SharedConsumer::drain`].
#[derive(Debug)]
pub struct SharedDrain<'a, 'r, T: Plain> {
    consumer: &'a mut SharedConsumer<'r, T>,
    /// Number of values that are waiting.
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
