//! The end that values go in at.

use core::fmt;
use core::sync::atomic::Ordering;

use super::error::{SharedPushError, SharedRingError};
use super::owner::{Held, Holder};
use super::plain::Plain;
use super::reserved::SharedReserved;
use super::ring::SharedRing;
use super::words::{CONSUMER, HEAD, TAIL, Words};
use crate::ring::stats::ProducerStats;

/// The end that values go in at, of a ring that two processes share: from [`SharedRing::producer`]. `Send`,
/// not `Clone`; let go when it is dropped, and to be taken again then.
///
/// ```
/// # use framepool::{SharedRegion, ring::SharedRing};
/// # let region = SharedRegion::builder(64 << 10).create()?;
/// let ring = SharedRing::<u32>::create(&region, 0, 4)?;
/// let (mut tx, mut rx) = (ring.producer()?, ring.consumer()?);
/// assert_eq!(tx.push_slice(&[1, 2, 3, 4, 5])?, 4);
/// assert!(tx.is_full());
/// assert_eq!(tx.push(5).unwrap_err().into_inner(), 5);
/// assert_eq!(rx.drain()?.sum::<u32>(), 10);
/// assert_eq!((tx.stats().enqueued, tx.stats().refused), (4, 2));
/// # Ok::<(), Box<dyn core::error::Error>>(())
/// ```
///
/// # Invariant
/// `tail - head` (wrapping) is at most the capacity; both are this end's own, whatever the memory says.
pub struct SharedProducer<'r, T: Plain> {
    ring: SharedRing<'r, T>,
    tail: u64,
    /// The head last seen that could be.
    head: u64,
    first: u64,
    pub(super) refused: u64,
    _held: Held<'r>,
}

impl<'r, T: Plain> SharedProducer<'r, T> {
    /// The invariant is the caller's to keep.
    pub(super) fn new(ring: SharedRing<'r, T>, held: Held<'r>, tail: u64, head: u64) -> Self {
        Self {
            ring,
            tail,
            head,
            first: tail,
            refused: 0,
            _held: held,
        }
    }

    #[inline(always)]
    pub(super) fn words(&self) -> &Words<'r, T> {
        self.ring.words()
    }

    #[inline(always)]
    pub(super) fn tail(&self) -> u64 {
        self.tail
    }

    /// Appends a value, which the consumer sees at once. O(size of the value).
    ///
    /// # Errors
    /// [`SharedPushError`] with the value: `Full`, `Corrupt`.
    #[inline]
    pub fn push(&mut self, value: T) -> Result<(), SharedPushError<T>> {
        match self.room(1) {
            Ok(0) => {
                self.refuse();
                return Err(SharedPushError::Full(value));
            }
            Ok(_) => {}
            Err(_) => return Err(SharedPushError::Corrupt(value)),
        }
        self.words().write(self.tail, &value);
        self.publish(1);
        Ok(())
    }

    /// Appends as many as there is room for, from the first on, published together. How many. What did not
    /// fit counts as one refusal.
    ///
    /// # Errors
    /// [`SharedRingError::Corrupt`]; nothing was pushed.
    pub fn push_slice(&mut self, values: &[T]) -> Result<usize, SharedRingError> {
        let room = self.room(values.len())?;
        if room < values.len() {
            self.refuse();
        }
        let (values, _) = values.split_at(values.len().min(room));
        for (i, value) in (0..).zip(values) {
            self.words().write(self.tail.wrapping_add(i), value);
        }
        self.publish(values.len());
        Ok(values.len())
    }

    /// Copies values in for as long as there is room, published together when the iterator ends or the
    /// ring is full. How many. The iterator is not asked for a value that has no place; if it panics,
    /// nothing is published.
    ///
    /// # Errors
    /// [`SharedRingError::Corrupt`]; the iterator was not asked.
    pub fn push_iter(
        &mut self,
        values: impl IntoIterator<Item = T>,
    ) -> Result<usize, SharedRingError> {
        let room = self.room(usize::MAX)?;
        let mut n = 0;
        for value in values.into_iter().take(room) {
            self.words().write(self.tail.wrapping_add(n), &value);
            n += 1;
        }
        self.publish(n as usize);
        Ok(n as usize)
    }

    /// Room for `n` values, to be written where they will lie: see [`SharedReserved`]. `None` if there are
    /// fewer places.
    ///
    /// # Errors
    /// [`SharedRingError::Corrupt`].
    pub fn reserve(
        &mut self,
        n: usize,
    ) -> Result<Option<SharedReserved<'_, 'r, T>>, SharedRingError> {
        if self.room(n)? < n {
            self.refuse();
            return Ok(None);
        }
        Ok(Some(SharedReserved::new(self, n)))
    }

    /// Room for as many as there are places, `n` at most; possibly none.
    ///
    /// # Errors
    /// [`SharedRingError::Corrupt`].
    pub fn reserve_up_to(
        &mut self,
        n: usize,
    ) -> Result<SharedReserved<'_, 'r, T>, SharedRingError> {
        let n = self.room(n)?.min(n);
        Ok(SharedReserved::new(self, n))
    }

    /// Makes the next `n` slots the consumer's; there is room for them.
    #[inline(always)]
    pub(super) fn publish(&mut self, n: usize) {
        self.tail = self.tail.wrapping_add(n as u64);
        // Release: pairs with the consumer's acquire of the tail.
        self.words().word(TAIL).store(self.tail, Ordering::Release);
    }

    #[cold]
    fn refuse(&mut self) {
        self.refused = self.refused.saturating_add(1);
    }

    /// Places that are known to be free, after a look at the head unless there are `n` already.
    #[inline(always)]
    pub(super) fn room(&mut self, n: usize) -> Result<usize, SharedRingError> {
        let waiting = self.tail.wrapping_sub(self.head);
        let known = self.words().capacity().wrapping_sub(waiting) as usize;
        if known >= n { Ok(known) } else { self.look() }
    }

    /// Reads the consumer's position, and believes it if it can be.
    fn look(&mut self) -> Result<usize, SharedRingError> {
        let found = self.read_head();
        let Some(waiting) = self.waiting_after(found) else {
            let own = self.tail;
            return Err(SharedRingError::Corrupt { found, own });
        };
        self.head = found;
        Ok(self.words().capacity().wrapping_sub(waiting) as usize)
    }

    fn read_head(&self) -> u64 {
        // Acquire: pairs with the consumer's release of the head.
        self.words().word(HEAD).load(Ordering::Acquire)
    }

    /// Values in the ring if this is the head, which only grows, up to the tail: no more than before.
    fn waiting_after(&self, head: u64) -> Option<u64> {
        let waiting = self.tail.wrapping_sub(head);
        (waiting <= self.tail.wrapping_sub(self.head)).then_some(waiting)
    }

    /// Whether a consumer was there and let go. One that died did not: [`push_wait`](Self::push_wait)
    /// finds out, or ask the system about [`SharedRing::consumer_process`].
    pub fn is_abandoned(&self) -> bool {
        Holder::read(self.words().word(CONSUMER)) == Holder::Gone
    }

    /// Values in the ring, at most: the consumer may be taking some. One load of its position; where that
    /// cannot be, what was believed last. Never more than the capacity.
    pub fn len(&self) -> usize {
        let waiting = self.waiting_after(self.read_head());
        waiting.unwrap_or(self.tail.wrapping_sub(self.head)) as usize
    }

    /// Whether the consumer has taken everything.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Whether a push would fail now for want of room.
    pub fn is_full(&self) -> bool {
        self.len() == self.capacity()
    }

    /// Values that the ring holds when it is full: all of its slots.
    pub fn capacity(&self) -> usize {
        self.ring.capacity()
    }

    /// What this end has counted, since this process took it.
    pub fn stats(&self) -> ProducerStats {
        ProducerStats {
            enqueued: self.tail.wrapping_sub(self.first),
            refused: self.refused,
        }
    }

    /// The ring.
    pub fn ring(&self) -> &SharedRing<'r, T> {
        &self.ring
    }
}

impl<T: Plain> fmt::Debug for SharedProducer<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SharedProducer")
            .field("len", &self.len())
            .field("capacity", &self.capacity())
            .field("stats", &self.stats())
            .finish_non_exhaustive()
    }
}
