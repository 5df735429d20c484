//! The ends of a ring with flags.

use crate::ring::control::{CONSUMER, PRODUCER, Padded};
use crate::ring::drain::Drain;
use crate::ring::error::{Abandoned, Full};
#[cfg(feature = "std")]
use crate::ring::error::{PopWaitError, PushWaitError};
use crate::ring::flags::slot::FlagSlot;
use crate::ring::memory::Memory;
use crate::ring::slot::ahead;
use crate::ring::stats::{ConsumerStats, ProducerStats};
use crate::ring::wait::{PopEnd, PushEnd, Wait};
use crate::sync::{Word, prefetch_write, wide};
#[cfg(feature = "std")]
use std::time::Duration;

/// What an end knows.
///
/// # Invariant
/// The full slots are those of the positions from the consumer's `at` up to the producer's, at most the capacity
/// apart.
struct End<'r, T> {
    /// Number of values that went through this end; the lower bits are the index of the next slot.
    at: Word,
    memory: Memory<'r, FlagSlot<T>>,
    /// Number of operations that found the slot not ready.
    failed: u64,
    _own_lines: Padded<()>,
}

impl<'r, T> End<'r, T> {
    fn new(memory: Memory<'r, FlagSlot<T>>) -> Self {
        Self {
            at: 0,
            memory,
            failed: 0,
            _own_lines: Padded(()),
        }
    }

    fn capacity(&self) -> usize {
        self.memory.capacity() as usize
    }

    #[inline(always)]
    fn is_full(&self) -> bool {
        self.memory.slot(self.at).is_full()
    }

    #[cold]
    fn fail(&mut self) {
        self.failed = self.failed.saturating_add(1);
    }

    /// Prefetches a line that will be written to soon, unless it has a value that the consumer has yet to read. If
    /// several slots share a line, the look at the first one's flag has fetched it already.
    #[inline(always)]
    fn expect_write(&self, position: Word) {
        if size_of::<FlagSlot<T>>() >= 64 {
            let ahead = ahead::<FlagSlot<T>>() as Word;
            let slot = self.memory.slot(position.wrapping_add(ahead));
            if !slot.seems_full() {
                prefetch_write((&raw const *slot).cast());
            }
        }
    }

    /// Counts consecutive slots from the next one on: full ones, or empty ones if `full` is false. Finds the first that
    /// differs by bisection. Meanwhile the other end may make the number larger, never smaller.
    fn run(&self, full: bool) -> usize {
        let (mut known, mut end) = (0, self.capacity());
        while known < end {
            let middle = known + (end - known) / 2;
            let slot = self.memory.slot(self.at.wrapping_add(middle as Word));
            if slot.is_full() == full {
                known = middle + 1;
            } else {
                end = middle;
            }
        }
        known
    }

    /// Gives the end up. The last one drops the values that are left, and frees the memory.
    ///
    /// # Safety
    /// Called once for each end, which does nothing more afterwards.
    unsafe fn leave(&self, end: u32) {
        self.memory.control().mark_gone(end);
        let all = (self.at, self.at.wrapping_add(self.memory.capacity()));
        // SAFETY: this is the end's last access; all slots are met, from the consumer's next one on or from any: the
        // values are dropped in the order of the ring.
        unsafe { self.memory.depart(end, |_| all) };
    }
}

/// The end of a [`flags::Ring`](crate::ring::flags::Ring) that values are pushed into: as
/// [`ring::Producer`](crate::ring::Producer), one by one. `Send`, not `Sync`, on cache lines of its own.
///
/// ```
/// let (mut tx, mut rx) = framepool::ring::flags::allocate(4)?;
/// assert_eq!(tx.push_slice(&[1, 2, 3, 4, 5]), 4);
/// assert_eq!((tx.len(), rx.len()), (4, 4));
/// assert_eq!(rx.drain().collect::<Vec<_>>(), [1, 2, 3, 4]);
/// assert_eq!(tx.push_iter(5..), 4);
/// # Ok::<(), Box<dyn core::error::Error>>(())
/// ```
/// ```compile_fail,E0277
/// fn shared<T: Sync>(_: T) {}
/// shared(framepool::ring::flags::allocate::<u8>(4).unwrap().0);
/// ```
pub struct Producer<'r, T>(End<'r, T>);

/// The end of a [`flags::Ring`](crate::ring::flags::Ring) that values are popped from: as
/// [`ring::Consumer`](crate::ring::Consumer), one by one. `Send`, not `Sync`, on cache lines of its own.
///
/// ```
/// let (mut tx, mut rx) = framepool::ring::flags::allocate(4)?;
/// tx.push_slice(&[1, 2, 3]);
/// let mut out = [0; 2];
/// assert_eq!((rx.pop_slice(&mut out), out), (2, [1, 2]));
/// assert_eq!((rx.pop(), rx.pop()), (Some(3), None));
/// # Ok::<(), framepool::ring::RingError>(())
/// ```
/// ```compile_fail,E0277
/// fn shared<T: Sync>(_: T) {}
/// shared(framepool::ring::flags::allocate::<u8>(4).unwrap().1);
/// ```
pub struct Consumer<'r, T>(End<'r, T>);

// SAFETY: one value of this type stands for one end, which any thread may use, one at a time
// (`&mut self`); values move through it to the other end's thread.
unsafe impl<T: Send> Send for Producer<'_, T> {}
// SAFETY: the same, from the other end's thread.
unsafe impl<T: Send> Send for Consumer<'_, T> {}

/// Both ends of one ring with flags.
pub type Ends<'r, T> = (Producer<'r, T>, Consumer<'r, T>);

/// Both ends of a ring whose slots are empty.
///
/// # Safety
/// The ring has no other ends.
pub(super) unsafe fn ends<T>(memory: Memory<'_, FlagSlot<T>>) -> Ends<'_, T> {
    (
        Producer(End::new(memory.clone())),
        Consumer(End::new(memory)),
    )
}

impl<T> Producer<'_, T> {
    /// Appends a value, which the consumer sees at once. O(1): touches one slot and no other shared memory. If slots
    /// are as large as cache lines, it also prefetches the line of a later one.
    ///
    /// # Errors
    /// [`Full`] with the value.
    #[inline]
    pub fn push(&mut self, value: T) -> Result<(), Full<T>> {
        // Read once: for all that the compiler knows, writing the value may change it.
        let at = self.0.at;
        let slot = self.0.memory.slot(at);
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

    /// Appends a value, after waiting for room if necessary.
    ///
    /// # Errors
    /// [`Abandoned`] with the value: the ring is full, and the consumer is gone.
    #[inline]
    pub fn push_wait<W: Wait>(&mut self, value: T) -> Result<(), Abandoned<T>> {
        self.push_or_wait::<W>(value)
    }

    /// Appends a value, after waiting for room for at most `timeout`. Reads the host's clock only while it waits.
    ///
    /// # Errors
    /// [`PushWaitError`] with the value: the time is over, or the ring is full and the consumer is gone.
    #[cfg(feature = "std")]
    pub fn push_wait_for<W: Wait>(
        &mut self,
        value: T,
        timeout: Duration,
    ) -> Result<(), PushWaitError<T>> {
        self.push_or_wait_for::<W>(value, timeout)
    }

    /// Pushes copies, from the first on, for as long as there is room. Returns the number of values pushed. The
    /// consumer sees each at once. For bursts, [`Producer::push_slice`](crate::ring::Producer::push_slice) of the other
    /// design is faster.
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

    /// Pushes values for as long as there is room; the consumer sees each at once. Returns the number of values pushed.
    /// `next` is called only while there is room, so nothing counts as refused. If it panics, the values that it has
    /// given are in the ring. With an endless iterator this returns only when the ring is full.
    pub fn push_iter(&mut self, values: impl IntoIterator<Item = T>) -> usize {
        let (mut values, mut pushed) = (values.into_iter(), 0);
        while !self.0.is_full() {
            let Some(value) = values.next() else {
                return pushed;
            };
            // Succeeds: there was room, and no other producer takes it.
            pushed += usize::from(self.push(value).is_ok());
        }
        pushed
    }

    /// Returns an upper bound of the number of values in the ring, because the consumer may be taking some. Looks at
    /// the flags of O(log capacity) slots and takes their lines away from the consumer: for reports, not for every
    /// push.
    pub fn len(&self) -> usize {
        self.capacity() - self.0.run(false)
    }

    /// Whether the consumer has taken everything. Costs as much as [`len`](Self::len).
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Whether a push would fail now.
    pub fn is_full(&self) -> bool {
        self.0.is_full()
    }

    /// Whether the consumer is gone. Values that were not taken are dropped with this end.
    pub fn is_abandoned(&self) -> bool {
        self.0.memory.control().is_gone(CONSUMER)
    }

    /// Returns the number of slots: the ring is full when it holds that many values.
    pub fn capacity(&self) -> usize {
        self.0.capacity()
    }

    /// The counters of this end.
    pub fn stats(&self) -> ProducerStats {
        ProducerStats {
            enqueued: wide(self.0.at),
            refused: self.0.failed,
        }
    }
}

impl<T> Consumer<'_, T> {
    /// Takes the oldest value; `None` if there is none. The producer sees the free slot at once. O(1): touches
    /// one slot and no other shared memory.
    #[inline]
    pub fn pop(&mut self) -> Option<T> {
        // Read once, as in `push`: the flag is written in between.
        let at = self.0.at;
        let slot = self.0.memory.slot(at);
        if !slot.is_full() {
            self.0.fail();
            return None;
        }
        // SAFETY: it is full, and this is the consumer.
        let value = unsafe { slot.take() };
        self.0.at = at.wrapping_add(1);
        Some(value)
    }

    /// Takes the oldest value, after waiting for one if necessary. `None`: the producer is gone, and nothing
    /// is left.
    #[inline]
    pub fn pop_wait<W: Wait>(&mut self) -> Option<T> {
        self.pop_or_wait::<W>()
    }

    /// Takes the oldest value, after waiting for one for at most `timeout`. Reads the host's clock only while it
    /// waits.
    ///
    /// # Errors
    /// [`PopWaitError`]: the time is over, or the producer is gone and nothing is left.
    #[cfg(feature = "std")]
    pub fn pop_wait_for<W: Wait>(&mut self, timeout: Duration) -> Result<T, PopWaitError> {
        self.pop_or_wait_for::<W>(timeout)
    }

    /// Takes the oldest values to the start of `out`, as many as there are and `out` has room for. Returns the number
    /// of values taken.
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

    /// Takes values one by one for as long as there are any, also those that are pushed meanwhile. Values that the
    /// iterator did not return stay.
    pub fn drain(&mut self) -> Drain<'_, Self> {
        Drain(self)
    }

    /// Returns a lower bound of the number of values in the ring, because the producer may be pushing some. Looks at
    /// the flags of O(log capacity) slots and takes their lines away from the producer: for reports, not for every
    /// pop.
    pub fn len(&self) -> usize {
        self.0.run(true)
    }

    /// Whether there is nothing to take now. Looks at one slot.
    pub fn is_empty(&self) -> bool {
        !self.0.is_full()
    }

    /// Whether the producer has no room. Costs as much as [`len`](Self::len).
    pub fn is_full(&self) -> bool {
        self.len() == self.capacity()
    }

    /// Whether the producer is gone: as [`Consumer::is_abandoned`](crate::ring::Consumer::is_abandoned) of the other
    /// design.
    pub fn is_abandoned(&self) -> bool {
        self.0.memory.control().is_gone(PRODUCER)
    }

    /// Returns the number of slots: the ring is full when it holds that many values.
    pub fn capacity(&self) -> usize {
        self.0.capacity()
    }

    /// The counters of this end. `high_water` is 0: without positions, counting the waiting values would cost looks at
    /// slots that this end does not need yet.
    pub fn stats(&self) -> ConsumerStats {
        ConsumerStats {
            dequeued: wide(self.0.at),
            starved: self.0.failed,
            high_water: 0,
        }
    }
}

impl<T> PushEnd<T> for Producer<'_, T> {
    #[inline(always)]
    fn push(&mut self, value: T) -> Result<(), Full<T>> {
        self.push(value)
    }

    fn has_room(&mut self) -> bool {
        !self.0.is_full()
    }

    fn is_abandoned(&self) -> bool {
        self.is_abandoned()
    }
}

impl<T> PopEnd<T> for Consumer<'_, T> {
    #[inline(always)]
    fn pop(&mut self) -> Option<T> {
        self.pop()
    }

    fn has_value(&mut self) -> bool {
        self.0.is_full()
    }

    fn is_abandoned(&self) -> bool {
        self.is_abandoned()
    }
}

impl<T> Iterator for Drain<'_, Consumer<'_, T>> {
    type Item = T;

    #[inline]
    fn next(&mut self) -> Option<T> {
        self.0.pop()
    }
}

impl<T> Drop for Producer<'_, T> {
    fn drop(&mut self) {
        // SAFETY: an end is dropped once.
        unsafe { self.0.leave(PRODUCER) };
    }
}

impl<T> Drop for Consumer<'_, T> {
    fn drop(&mut self) {
        // SAFETY: an end is dropped once.
        unsafe { self.0.leave(CONSUMER) };
    }
}

describe!(impl[T] Producer<'_, T> as Producer { len, capacity, stats });
describe!(impl[T] Consumer<'_, T> as Consumer { len, capacity, stats });
