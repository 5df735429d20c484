//! The producer of a shared ring.

use core::sync::atomic::Ordering;

use super::error::{SharedPushError, SharedRingError};
use super::owner::{Claim, Owner};
use super::plain::Plain;
use super::reserved::SharedReserved;
use super::ring::SharedRing;
use super::words::{CONSUMER, HEAD, TAIL, Words};
use crate::ring::stats::ProducerStats;

/// The end of a shared ring that values are pushed into: from [`SharedRing::producer`]. `Send`, not `Clone`. Dropping
/// it releases the end, which can then be taken again.
///
/// ```
/// # use framepool::{SharedRegion, ring::SharedRing};
/// # let region = SharedRegion::builder(64 << 10).create()?;
/// let ring = SharedRing::<u32>::create(region.words(), 4)?;
/// let (mut tx, mut rx) = (ring.producer()?, ring.consumer()?);
/// assert_eq!(tx.push_slice(&[1, 2, 3, 4, 5])?, 4);
/// assert!(tx.is_full());
/// assert_eq!(tx.push(5).unwrap_err().into_inner(), 5);
/// assert_eq!(rx.drain()?.sum::<u32>(), 10);
/// assert_eq!((tx.stats().enqueued, tx.stats().refused), (4, 2));
/// # Ok::<(), Box<dyn core::error::Error>>(())
/// ```
pub struct SharedProducer<'r, T: Plain> {
    ring: SharedRing<'r, T>,
    // Invariant: `tail - head` (wrapping) is at most the capacity. Both are this end's copies, which no peer can change.
    tail: u64,
    /// The last possible head that was seen.
    head: u64,
    first: u64,
    pub(super) refused: u64,
    _claim: Claim<'r>,
}

impl<'r, T: Plain> SharedProducer<'r, T> {
    /// `tail` and `head` keep the invariant.
    pub(super) fn new(ring: SharedRing<'r, T>, claim: Claim<'r>, tail: u64, head: u64) -> Self {
        Self {
            ring,
            tail,
            head,
            first: tail,
            refused: 0,
            _claim: claim,
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

    /// Copies values in, from the first on, as many as there is room for, and publishes them together. Returns the
    /// number of values pushed. Values that did not fit count as one refusal.
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

    /// Copies values in for as long as there is room, and publishes them together when the iterator ends or the ring is
    /// full. Returns the number of values pushed. `next` is called only while there is room. If it panics, nothing is
    /// published.
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

    /// Reserves room for `n` values, which are then written in place: see [`SharedReserved`]. `None` if there is less
    /// room.
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

    /// Reserves the room that there is, for at most `n` values and possibly for none.
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

    /// Passes the next `n` slots to the consumer; there is room for them.
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

    /// Returns the number of slots that are known to be free. Looks at the head if it is less than `n`.
    #[inline(always)]
    pub(super) fn room(&mut self, n: usize) -> Result<usize, SharedRingError> {
        let waiting = self.tail.wrapping_sub(self.head);
        let known = self.words().capacity().wrapping_sub(waiting) as usize;
        if known >= n { Ok(known) } else { self.look() }
    }

    /// Reads the consumer's position, and accepts it if it is possible.
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

    /// Returns the number of values in the ring if this is the head. The head only grows, up to the tail, so there are
    /// no more values than before; otherwise `None`.
    fn waiting_after(&self, head: u64) -> Option<u64> {
        let waiting = self.tail.wrapping_sub(head);
        (waiting <= self.tail.wrapping_sub(self.head)).then_some(waiting)
    }

    /// Whether the consumer has released its end. A consumer that died did not: [`push_wait`](Self::push_wait)
    /// notices that, or ask the system about [`SharedRing::consumer_process`].
    pub fn is_abandoned(&self) -> bool {
        Owner::read(self.words().word(CONSUMER)) == Owner::Gone
    }

    /// Returns an upper bound of the number of values in the ring, because the consumer may be taking some. One load
    /// of its position; if that is impossible, the last possible one counts. Never more than the capacity.
    pub fn len(&self) -> usize {
        let waiting = self.waiting_after(self.read_head());
        waiting.unwrap_or(self.tail.wrapping_sub(self.head)) as usize
    }

    /// Whether the consumer has taken everything.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Whether there is no room for a push now.
    pub fn is_full(&self) -> bool {
        self.len() == self.capacity()
    }

    /// Returns the number of slots: the ring is full when it holds that many values.
    pub fn capacity(&self) -> usize {
        self.ring.capacity()
    }

    /// The counters of this end, since this process took it.
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

describe!(impl[T: Plain] SharedProducer<'_, T> as SharedProducer { len, capacity, stats });
