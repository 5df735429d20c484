//! The ends of a ring with flags.

use core::fmt;

use crate::ring::control::{CONSUMER, PRODUCER};
use crate::ring::error::{Abandoned, Full};
use crate::ring::flags::slot::Side;
use crate::ring::stats::{ConsumerStats, ProducerStats};
use crate::ring::wait::Wait;
use crate::sync::wide;

/// The end of a [`FlagRing`](crate::ring::FlagRing) that values are pushed into: as
/// [`Producer`](crate::ring::Producer), one by one. `Send`, not `Sync`, on cache lines of its own.
///
/// ```
/// let (mut tx, mut rx) = framepool::ring::allocate_flagged(4)?;
/// assert_eq!(tx.push_slice(&[1, 2, 3, 4, 5]), 4);
/// assert_eq!((tx.len(), rx.len()), (4, 4));
/// assert_eq!(rx.drain().collect::<Vec<_>>(), [1, 2, 3, 4]);
/// assert_eq!(tx.push_iter(5..), 4);
/// # Ok::<(), Box<dyn core::error::Error>>(())
/// ```
/// ```compile_fail,E0277
/// fn shared<T: Sync>(_: T) {}
/// shared(framepool::ring::allocate_flagged::<u8>(4).unwrap().0);
/// ```
pub struct FlagProducer<'r, T>(pub(super) Side<'r, T>);

/// The end of a [`FlagRing`](crate::ring::FlagRing) that values are popped from: as
/// [`Consumer`](crate::ring::Consumer), one by one. `Send`, not `Sync`, on cache lines of its own.
///
/// ```
/// let (mut tx, mut rx) = framepool::ring::allocate_flagged(4)?;
/// tx.push_slice(&[1, 2, 3]);
/// let mut out = [0; 2];
/// assert_eq!((rx.pop_slice(&mut out), out), (2, [1, 2]));
/// assert_eq!((rx.pop(), rx.pop()), (Some(3), None));
/// # Ok::<(), framepool::ring::RingError>(())
/// ```
/// ```compile_fail,E0277
/// fn shared<T: Sync>(_: T) {}
/// shared(framepool::ring::allocate_flagged::<u8>(4).unwrap().1);
/// ```
pub struct FlagConsumer<'r, T>(pub(super) Side<'r, T>);

// SAFETY: one value of this type stands for one end, which may be used by any thread, one at a time
// (`&mut self`); values move through it to the other end's thread.
unsafe impl<T: Send> Send for FlagProducer<'_, T> {}
// SAFETY: the same, from the other end's thread.
unsafe impl<T: Send> Send for FlagConsumer<'_, T> {}

impl<T> FlagProducer<'_, T> {
    /// Appends a value, which the consumer sees at once. O(1): touches one slot, asks for the line of another
    /// where slots are as large as lines, and touches no other shared memory.
    ///
    /// # Errors
    /// [`Full`] with the value.
    #[inline]
    pub fn push(&mut self, value: T) -> Result<(), Full<T>> {
        // Read once: for all that the compiler knows, the value may be written over it.
        let at = self.0.at;
        let slot = self.0.slot_at(at);
        if slot.is_full() {
            self.0.fail();
            return Err(Full(value));
        }
        self.0.expect_write(at);
        // SAFETY: it is not full, and this is the producer.
        unsafe { slot.fill(value) };
        self.0.at = at.wrapping_add(1);
        Ok(())
    }

    /// Appends a value, after waiting for a place if need be.
    ///
    /// # Errors
    /// [`Abandoned`] with the value: the ring is full, and the consumer is gone.
    #[inline]
    pub fn push_wait<W: Wait>(&mut self, value: T) -> Result<(), Abandoned<T>> {
        match self.push(value) {
            Ok(()) => Ok(()),
            Err(Full(value)) => self.push_waiting::<W>(value),
        }
    }

    #[cold]
    fn push_waiting<W: Wait>(&mut self, value: T) -> Result<(), Abandoned<T>> {
        let mut wait = W::default();
        loop {
            // In this order: a place that was freed before the consumer went is used.
            let abandoned = self.is_abandoned();
            if !self.0.is_full() {
                return self.push(value).map_err(|Full(value)| Abandoned(value));
            }
            if abandoned {
                return Err(Abandoned(value));
            }
            wait.wait();
        }
    }

    /// Pushes copies, from the first on, for as long as there is room. How many. The consumer sees each
    /// at once: where bursts are the rule, [`Producer::push_slice`](crate::ring::Producer::push_slice) is
    /// faster.
    #[inline]
    pub fn push_slice(&mut self, values: &[T]) -> usize
    where
        T: Copy,
    {
        let mut pushed = 0;
        for value in values {
            if self.push(*value).is_err() {
                break;
            }
            pushed += 1;
        }
        pushed
    }

    /// Pushes values for as long as there is room, each seen at once. How many. The iterator is not asked for
    /// a value that has no place, so whether there was one more is not known, and none counts as refused. If
    /// it panics, what it had given is in the ring. From one that never ends, this returns only when the ring is
    /// full.
    pub fn push_iter(&mut self, values: impl IntoIterator<Item = T>) -> usize {
        let (mut values, mut pushed) = (values.into_iter(), 0);
        while !self.0.is_full() {
            let Some(value) = values.next() else {
                return pushed;
            };
            // There was a place, and nobody else fills it.
            pushed += usize::from(self.push(value).is_ok());
        }
        pushed
    }

    /// Values in the ring, at most: the consumer may be taking some. Looks at the flags of O(log capacity)
    /// slots, whose lines the consumer loses: for reports, not for every push.
    pub fn len(&self) -> usize {
        self.capacity() - self.0.run(false)
    }

    /// Whether the consumer has taken everything: as [`len`](Self::len).
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Whether a push would fail now.
    pub fn is_full(&self) -> bool {
        self.0.is_full()
    }

    /// Whether the consumer is gone. What nobody took is dropped with this end.
    pub fn is_abandoned(&self) -> bool {
        self.0.control().is_gone(CONSUMER)
    }

    /// Values that the ring holds when it is full: all of its slots.
    pub fn capacity(&self) -> usize {
        self.0.capacity()
    }

    /// What this end has counted.
    pub fn stats(&self) -> ProducerStats {
        ProducerStats {
            enqueued: wide(self.0.at),
            refused: self.0.failed,
        }
    }
}

impl<'r, T> FlagConsumer<'r, T> {
    /// Takes the oldest value; `None` if there is none. The producer sees the place at once. O(1): touches
    /// one slot and no other shared memory.
    #[inline]
    pub fn pop(&mut self) -> Option<T> {
        // Read once, as in `push`: the flag is written in between.
        let at = self.0.at;
        let slot = self.0.slot_at(at);
        if !slot.is_full() {
            self.0.fail();
            return None;
        }
        // SAFETY: it is full, and this is the consumer.
        let value = unsafe { slot.take() };
        self.0.at = at.wrapping_add(1);
        Some(value)
    }

    /// Takes the oldest value, after waiting for it if need be. `None`: the producer is gone, and nothing
    /// is left.
    #[inline]
    pub fn pop_wait<W: Wait>(&mut self) -> Option<T> {
        match self.pop() {
            Some(value) => Some(value),
            None => self.pop_waiting::<W>(),
        }
    }

    #[cold]
    fn pop_waiting<W: Wait>(&mut self) -> Option<T> {
        let mut wait = W::default();
        loop {
            // In this order: what was pushed before the producer went is taken.
            let abandoned = self.is_abandoned();
            if self.0.is_full() {
                return self.pop();
            }
            if abandoned {
                return None;
            }
            wait.wait();
        }
    }

    /// Takes values for as long as there are any, at most as many as `out` has places, which are written
    /// from the first on. How many.
    #[inline]
    pub fn pop_slice(&mut self, out: &mut [T]) -> usize
    where
        T: Copy,
    {
        let mut popped = 0;
        for place in out {
            let Some(value) = self.pop() else {
                break;
            };
            *place = value;
            popped += 1;
        }
        popped
    }

    /// Takes values one by one for as long as there are any, those included that come meanwhile. What it
    /// was not asked for stays.
    pub fn drain(&mut self) -> FlagDrain<'_, 'r, T> {
        FlagDrain(self)
    }

    /// Values in the ring, at least: the producer may be pushing some. Looks at the flags of O(log capacity)
    /// slots, whose lines the producer loses: for reports, not for every pop.
    pub fn len(&self) -> usize {
        self.0.run(true)
    }

    /// Whether there is nothing to take now. One look at one slot.
    pub fn is_empty(&self) -> bool {
        !self.0.is_full()
    }

    /// Whether the producer has no room: as [`len`](Self::len).
    pub fn is_full(&self) -> bool {
        self.len() == self.capacity()
    }

    /// Whether the producer is gone: as [`Consumer::is_abandoned`](crate::ring::Consumer::is_abandoned).
    pub fn is_abandoned(&self) -> bool {
        self.0.control().is_gone(PRODUCER)
    }

    /// Values that the ring holds when it is full: all of its slots.
    pub fn capacity(&self) -> usize {
        self.0.capacity()
    }

    /// What this end has counted. `high_water` is 0: without positions, knowing how many wait would cost
    /// a look at slots that this end has no business with yet.
    pub fn stats(&self) -> ConsumerStats {
        ConsumerStats {
            dequeued: wide(self.0.at),
            starved: self.0.failed,
            high_water: 0,
        }
    }
}

impl<T> Drop for FlagProducer<'_, T> {
    fn drop(&mut self) {
        // SAFETY: an end is dropped once.
        unsafe { self.0.leave(PRODUCER) };
    }
}

impl<T> Drop for FlagConsumer<'_, T> {
    fn drop(&mut self) {
        // SAFETY: an end is dropped once.
        unsafe { self.0.leave(CONSUMER) };
    }
}

impl<T> fmt::Debug for FlagProducer<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FlagProducer")
            .field("len", &self.len())
            .field("capacity", &self.capacity())
            .field("stats", &self.stats())
            .finish_non_exhaustive()
    }
}

impl<T> fmt::Debug for FlagConsumer<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FlagConsumer")
            .field("len", &self.len())
            .field("capacity", &self.capacity())
            .field("stats", &self.stats())
            .finish_non_exhaustive()
    }
}

/// Takes what is there: see [`FlagConsumer::drain`].
#[derive(Debug)]
pub struct FlagDrain<'a, 'r, T>(&'a mut FlagConsumer<'r, T>);

#[cfg(feature = "defmt")]
impl<'r, T> FlagDrain<'_, 'r, T> {
    pub(in crate::ring) fn consumer(&self) -> &FlagConsumer<'r, T> {
        self.0
    }
}

impl<T> Iterator for FlagDrain<'_, '_, T> {
    type Item = T;

    #[inline]
    fn next(&mut self) -> Option<T> {
        self.0.pop()
    }
}
