//! The ends of a ring with flags.

use core::mem::MaybeUninit;

use crate::ring::control::{CONSUMER, Control, PRODUCER, Padded};
use crate::ring::drain::Drain;
use crate::ring::error::{Abandoned, Full, NoRoom, TooFew};
#[cfg(feature = "std")]
use crate::ring::error::{PopWaitError, PushWaitError};
use crate::ring::flags::slot::FlagSlot;
use crate::ring::memory::Memory;
use crate::ring::slot::ahead;
use crate::ring::stats::{ConsumerStats, ProducerStats};
use crate::ring::wait::{PopEnd, PushEnd, Wait};
use crate::sync::{AtomicWord, Ordering, Word, prefetch_write, wide};
#[cfg(feature = "std")]
use std::time::Duration;

/// What an end knows.
///
/// # Invariant
/// The full slots are those of the positions from the consumer's `at` up to the producer's, at most the capacity
/// apart.
struct End<'r, T> {
    /// Number of values that went through such ends; the lower bits are the index of the next slot.
    at: Word,
    memory: Memory<'r, FlagSlot<T>>,
    first: Word,
    /// Number of operations that found the slot not ready.
    failed: u64,
    _own_lines: Padded<()>,
}

/// Where an end leaves its position for the next one. No other end reads it meanwhile.
fn position(control: &Control, end: u32) -> &AtomicWord {
    match end {
        PRODUCER => &control.tail.0,
        _ => &control.head.0,
    }
}

impl<'r, T> End<'r, T> {
    /// Continues at the position that the last such end left.
    fn new(memory: Memory<'r, FlagSlot<T>>, end: u32) -> Self {
        // Relaxed: taking the end has acquired what the last one stored.
        let at = position(memory.control(), end).load(Ordering::Relaxed);
        Self {
            at,
            memory,
            first: at,
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

    /// Whether the next `n` slots are full, or empty if `full` is false. The full slots are in one piece, and so are the
    /// empty ones: the last of the `n` tells.
    #[inline(always)]
    fn all(&self, n: usize, full: bool) -> bool {
        let Some(before) = n.checked_sub(1) else {
            return true;
        };
        let last = self.at.wrapping_add(before as Word);
        n <= self.capacity() && self.memory.slot(last).is_full() == full
    }

    /// Gives the end up. Of two that are gone for ever, the last one drops the values that are left.
    ///
    /// # Safety
    /// Called once for each end, which does nothing more afterwards.
    unsafe fn leave(&self, end: u32) {
        let control = self.memory.control();
        // Relaxed: `put_back` or `depart` orders it.
        position(control, end).store(self.at, Ordering::Relaxed);
        if !control.is_split() {
            return control.put_back(end);
        }
        control.mark_gone(end);
        // SAFETY: this is the end's last access.
        unsafe { self.memory.depart(end) };
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

/// Both ends of a ring.
///
/// # Safety
/// The ring has no other ends.
pub(super) unsafe fn ends<T>(memory: Memory<'_, FlagSlot<T>>) -> Ends<'_, T> {
    // SAFETY: the caller's promise.
    unsafe { (Producer::new(memory.clone()), Consumer::new(memory)) }
}

impl<'r, T> Producer<'r, T> {
    /// Continues at the position of the last producer.
    ///
    /// # Safety
    /// The only producer of this ring.
    pub(super) unsafe fn new(memory: Memory<'r, FlagSlot<T>>) -> Self {
        Self(End::new(memory, PRODUCER))
    }

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

    /// Pushes copies of all values, or none of them; the consumer sees each at once. O(number of values). If there is
    /// less room, also O(log capacity), to count it.
    ///
    /// # Errors
    /// [`NoRoom`], with the room that there is.
    pub fn push_slice_exact(&mut self, values: &[T]) -> Result<(), NoRoom>
    where
        T: Copy,
    {
        if !self.0.all(values.len(), false) {
            self.0.fail();
            return Err(NoRoom {
                requested: values.len(),
                available: self.0.run(false),
                capacity: self.capacity(),
            });
        }
        // Succeeds: no other producer takes the room.
        self.push_slice(values);
        Ok(())
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
            enqueued: wide(self.0.at.wrapping_sub(self.0.first)),
            refused: self.0.failed,
        }
    }
}

impl<'r, T> Consumer<'r, T> {
    /// Continues at the position of the last consumer.
    ///
    /// # Safety
    /// The only consumer of this ring.
    pub(super) unsafe fn new(memory: Memory<'r, FlagSlot<T>>) -> Self {
        Self(End::new(memory, CONSUMER))
    }

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

    /// Takes the oldest values to all of `out`, or none of them. O(number of values). If there are fewer, also
    /// O(log capacity), to count them.
    ///
    /// # Errors
    /// [`TooFew`], with the number of values that there are. `out` is unchanged.
    pub fn pop_slice_exact(&mut self, out: &mut [T]) -> Result<(), TooFew>
    where
        T: Copy,
    {
        if !self.0.all(out.len(), true) {
            self.0.fail();
            return Err(TooFew {
                requested: out.len(),
                available: self.0.run(true),
                capacity: self.capacity(),
            });
        }
        // Succeeds: no other consumer takes the values.
        self.pop_slice(out);
        Ok(())
    }

    /// Moves the oldest values to the start of `out`, as many as there are and `out` has room for, and returns them:
    /// as [`Consumer::pop_slice_uninit`](crate::ring::Consumer::pop_slice_uninit) of the other design.
    pub fn pop_slice_uninit<'o>(&mut self, out: &'o mut [MaybeUninit<T>]) -> &'o mut [T] {
        let mut popped = 0;
        for place in out.iter_mut() {
            let Some(value) = self.pop() else {
                break;
            };
            place.write(value);
            popped += 1;
        }
        // SAFETY: the first `popped` places were written; they are borrowed as long as `out`.
        unsafe { core::slice::from_raw_parts_mut(out.as_mut_ptr().cast(), popped) }
    }

    /// The oldest value, in place. Looks at one slot.
    #[cfg(not(loom))]
    pub fn front(&self) -> Option<&T> {
        let slot = self.0.memory.slot(self.0.at);
        // SAFETY: it is full, and this is the consumer, which is borrowed.
        slot.is_full().then(|| unsafe { slot.value() })
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
            dequeued: wide(self.0.at.wrapping_sub(self.0.first)),
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
