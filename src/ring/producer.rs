//! The producer: the end that values are pushed into.

use crate::ring::control::Padded;
use crate::ring::control::{CONSUMER, PRODUCER};
#[cfg(feature = "std")]
use crate::ring::error::PushWaitError;
use crate::ring::error::{Abandoned, Full, NoRoom};
use crate::ring::memory::Memory;
use crate::ring::observer::Observer;
use crate::ring::reserved::Reserved;
use crate::ring::slot::ValueSlot;
use crate::ring::stats::ProducerStats;
use crate::ring::wait::{PushEnd, Wait};
use crate::sync::{Ordering, Word, wide};
#[cfg(feature = "std")]
use std::time::Duration;

/// The end of a ring that values are pushed into. `Send`, not `Sync`: every operation takes `&mut self`, so
/// there is one producer, on any thread.
///
/// It lies on cache lines of its own, so that both ends may be fields of one struct.
///
/// ```
/// use framepool::ring;
///
/// let (mut tx, mut rx) = ring::allocate(4)?;
/// for i in 0..4 {
///     tx.push(i)?;
/// }
/// assert_eq!(tx.push(4).unwrap_err().into_inner(), 4); // full: the error returns the value
/// assert_eq!(rx.pop(), Some(0));
/// tx.push(4)?;
/// assert_eq!(rx.drain().collect::<Vec<_>>(), [1, 2, 3, 4]);
/// # Ok::<(), Box<dyn core::error::Error>>(())
/// ```
///
/// There is no second producer:
/// ```compile_fail,E0277
/// fn shared<T: Sync>(_: T) {}
/// let (tx, _rx) = framepool::ring::allocate::<u8>(4).unwrap();
/// shared(tx);
/// ```
/// ```compile_fail,E0599
/// let (tx, _rx) = framepool::ring::allocate::<u8>(4).unwrap();
/// let second = tx.clone();
/// ```
/// An end can be sent to another thread if the values can:
/// ```compile_fail,E0277
/// let (tx, _rx) = framepool::ring::allocate::<std::rc::Rc<u8>>(4).unwrap();
/// std::thread::spawn(move || drop(tx));
/// ```
pub struct Producer<'r, T> {
    /// The position of the next value. After each operation the ring's `tail` is the same.
    tail: Word,
    /// The first position that may not be written: the head last seen plus the capacity.
    limit: Word,
    memory: Memory<'r, ValueSlot<T>>,
    first: Word,
    pub(super) refused: u64,
    _own_lines: Padded<()>,
}

// SAFETY: one value of this type stands for one end, which any thread may use, one at a time
// (`&mut self`); values move through it to the other end's thread.
unsafe impl<T: Send> Send for Producer<'_, T> {}

impl<'r, T> Producer<'r, T> {
    /// Continues at the ring's position.
    ///
    /// # Safety
    /// The only producer of this ring, after earlier ones.
    pub(super) unsafe fn new(memory: Memory<'r, ValueSlot<T>>) -> Self {
        // Relaxed: taking the end has acquired what the last producer stored.
        let tail = memory.control().tail.0.load(Ordering::Relaxed);
        Self {
            tail,
            // No room is known yet.
            limit: tail,
            memory,
            first: tail,
            refused: 0,
            _own_lines: Padded(()),
        }
    }

    pub(super) fn memory(&self) -> &Memory<'r, ValueSlot<T>> {
        &self.memory
    }

    pub(super) fn tail(&self) -> Word {
        self.tail
    }

    /// Returns the number of slots that are known to be free. Looks at the head if it is less than `n`.
    #[inline(always)]
    pub(super) fn room(&mut self, n: usize) -> usize {
        let known = self.limit.wrapping_sub(self.tail) as usize;
        if known >= n { known } else { self.look() }
    }

    #[inline]
    fn look(&mut self) -> usize {
        // Acquire: pairs with the consumer's release of `head`, so that it has moved the values out
        // before this end writes to their slots.
        let head = self.memory.control().head.0.load(Ordering::Acquire);
        self.limit = head.wrapping_add(self.memory.capacity());
        self.limit.wrapping_sub(self.tail) as usize
    }

    /// Passes the next `n` slots to the consumer.
    ///
    /// # Safety
    /// There is room for `n`, and they hold values.
    #[inline(always)]
    pub(super) unsafe fn publish(&mut self, n: usize) {
        // SAFETY: the caller's promises.
        unsafe { self.publish_up_to(self.tail.wrapping_add(n as Word)) };
    }

    /// The same, up to a position.
    ///
    /// # Safety
    /// As above.
    #[inline(always)]
    unsafe fn publish_up_to(&mut self, tail: Word) {
        self.tail = tail;
        // Release: pairs with the consumer's acquire of `tail`, after which it sees the values.
        self.memory.control().tail.0.store(tail, Ordering::Release);
    }

    #[cold]
    fn refuse(&mut self) {
        self.refused = self.refused.saturating_add(1);
    }

    /// Appends a value, which the consumer sees at once. O(1): one store to a line that the consumer
    /// reads. The consumer's position is loaded only when the last known one leaves no room.
    ///
    /// # Errors
    /// [`Full`] with the value. A consumer that is gone is not an error: see [`is_abandoned`](Self::is_abandoned).
    #[inline]
    pub fn push(&mut self, value: T) -> Result<(), Full<T>> {
        let room = self.room(1);
        if room == 0 {
            self.refuse();
            return Err(Full(value));
        }
        // Read once: for all that the compiler knows, writing the value may change it.
        let tail = self.tail;
        self.memory.expect_write(tail, room);
        // SAFETY: there is room, so the position is ours, and it is written before it is published.
        unsafe {
            self.memory.write(tail, value);
            self.publish_up_to(tail.wrapping_add(1));
        }
        Ok(())
    }

    /// Appends an array, all of it or nothing, published together.
    ///
    /// # Errors
    /// [`Full`] with the array.
    ///
    /// ```
    /// let (mut tx, mut rx) = framepool::ring::allocate(4)?;
    /// tx.push_array([String::from("a"), String::from("b")])?;
    /// let error = tx.push_array(["c", "d", "e"].map(String::from)).unwrap_err();
    /// assert_eq!(error.into_inner(), ["c", "d", "e"]);
    /// assert_eq!(rx.pop_array(), Some(["a", "b"].map(String::from)));
    /// # Ok::<(), Box<dyn core::error::Error>>(())
    /// ```
    #[inline]
    pub fn push_array<const N: usize>(&mut self, values: [T; N]) -> Result<(), Full<[T; N]>> {
        if self.room(N) < N {
            self.refuse();
            return Err(Full(values));
        }
        // SAFETY: there is room for N, and all of them are moved: the array is not used again.
        unsafe {
            let values = core::mem::ManuallyDrop::new(values);
            self.memory.copy_in(self.tail, &*values, self.limit);
            self.publish(N);
        }
        Ok(())
    }

    /// Copies values in, from the first on, as many as there is room for, and publishes them together. Returns the
    /// number of values pushed. Values that did not fit count as one refusal.
    ///
    /// ```
    /// let (mut tx, mut rx) = framepool::ring::allocate(4)?;
    /// assert_eq!(tx.push_slice(&[1, 2, 3, 4, 5, 6]), 4);
    /// let mut out = [0; 3];
    /// assert_eq!(rx.pop_slice(&mut out), 3);
    /// assert_eq!(out, [1, 2, 3]);
    /// # Ok::<(), framepool::ring::RingError>(())
    /// ```
    #[inline]
    pub fn push_slice(&mut self, values: &[T]) -> usize
    where
        T: Copy,
    {
        if self.room(values.len()) >= values.len() {
            // SAFETY: there is room for all, and they are `Copy`.
            unsafe {
                self.memory.copy_in(self.tail, values, self.limit);
                self.publish(values.len());
            }
            return values.len();
        }
        self.push_some(values)
    }

    /// Copies all values in, published together, or none of them.
    ///
    /// # Errors
    /// [`NoRoom`], with the room that there is.
    pub fn push_slice_exact(&mut self, values: &[T]) -> Result<(), NoRoom>
    where
        T: Copy,
    {
        let available = self.room(values.len());
        if available < values.len() {
            return Err(self.no_room(values.len(), available));
        }
        self.push_slice(values);
        Ok(())
    }

    #[cold]
    fn no_room(&mut self, requested: usize, available: usize) -> NoRoom {
        self.refuse();
        NoRoom {
            requested,
            available,
            capacity: self.capacity(),
        }
    }

    #[cold]
    fn push_some(&mut self, values: &[T]) -> usize
    where
        T: Copy,
    {
        self.refuse();
        let (values, _) = values.split_at(self.room(0).min(values.len()));
        // SAFETY: there is room for these, and they are `Copy`.
        unsafe {
            self.memory.copy_in(self.tail, values, self.limit);
            self.publish(values.len());
        }
        values.len()
    }

    /// Moves values in for as long as there is room, and publishes them together when the iterator ends or the ring
    /// is full. Returns the number of values pushed. `next` is called only while there is room, so nothing counts as
    /// refused. If it panics, the values that it has given are dropped and nothing is published.
    pub fn push_iter(&mut self, values: impl IntoIterator<Item = T>) -> usize {
        let room = self.room(usize::MAX);
        let mut reserved = Reserved::new(self, room);
        for value in values.into_iter().take(room) {
            // There is room: at most `room` values are taken.
            let _ = reserved.write(value);
        }
        reserved.commit()
    }

    /// Reserves room for `n` values, which are then written in place: see [`Reserved`].
    ///
    /// # Errors
    /// [`NoRoom`], with the room that there is.
    ///
    /// ```
    /// let (mut tx, mut rx) = framepool::ring::allocate::<[u8; 2048]>(8)?;
    /// let mut packets = tx.reserve(2)?;
    /// for slot in packets.slots() {
    ///     slot.write([7; 2048]); // or recvmmsg, or a DMA engine
    /// }
    /// // SAFETY: both were written.
    /// unsafe { packets.commit_first(2) };
    /// let packets = rx.peek(2).unwrap();
    /// assert!(packets.iter().all(|packet| packet[0] == 7));
    /// packets.release(2);
    /// # Ok::<(), Box<dyn core::error::Error>>(())
    /// ```
    #[inline]
    pub fn reserve(&mut self, n: usize) -> Result<Reserved<'_, 'r, T>, NoRoom> {
        let available = self.room(n);
        if available < n {
            return Err(self.no_room(n, available));
        }
        Ok(Reserved::new(self, n))
    }

    /// Reserves the room that there is, for at most `n` values and possibly for none.
    #[inline]
    pub fn reserve_up_to(&mut self, n: usize) -> Reserved<'_, 'r, T> {
        let n = self.room(n).min(n);
        Reserved::new(self, n)
    }

    /// Appends a value, after waiting for room if necessary.
    ///
    /// # Errors
    /// [`Abandoned`] with the value: the ring is full, and the consumer is gone.
    ///
    /// ```
    /// use framepool::ring::{self, Spin};
    ///
    /// let (mut tx, mut rx) = ring::allocate(2)?;
    /// let sum = std::thread::spawn(move || {
    ///     core::iter::from_fn(|| rx.pop_wait::<Spin>()).sum::<u32>()
    /// });
    /// for i in 0..100 {
    ///     tx.push_wait::<Spin>(i)?;
    /// }
    /// drop(tx);
    /// assert_eq!(sum.join().unwrap(), 4950);
    /// # Ok::<(), Box<dyn core::error::Error>>(())
    /// ```
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

    /// Whether the consumer is gone for ever. Pushes still succeed until the ring is full; values that were not taken are
    /// dropped with this end. Ends that were taken one by one come back, so for them this is `false`: see
    /// [`Ring::producer`](crate::ring::Ring::producer).
    pub fn is_abandoned(&self) -> bool {
        self.memory.control().is_gone(CONSUMER)
    }

    /// Returns an upper bound of the number of values in the ring, because the consumer may be taking some. One load
    /// of its position.
    pub fn len(&self) -> usize {
        // Relaxed: the slots are not touched, so an acquire would promise nothing.
        let head = self.memory.control().head.0.load(Ordering::Relaxed);
        self.tail.wrapping_sub(head) as usize
    }

    /// Whether the consumer has taken everything.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Whether a push would fail now.
    pub fn is_full(&self) -> bool {
        self.len() == self.capacity()
    }

    /// Returns the number of slots: the ring is full when it holds that many values.
    pub fn capacity(&self) -> usize {
        self.memory.capacity() as usize
    }

    /// A handle that reads the length of the ring from any thread.
    pub fn observer(&self) -> Observer<'r> {
        Observer::new(&self.memory)
    }

    /// The counters of this end, since it was taken.
    pub fn stats(&self) -> ProducerStats {
        ProducerStats {
            enqueued: wide(self.tail.wrapping_sub(self.first)),
            refused: self.refused,
        }
    }
}

impl<T> PushEnd<T> for Producer<'_, T> {
    #[inline(always)]
    fn push(&mut self, value: T) -> Result<(), Full<T>> {
        self.push(value)
    }

    fn has_room(&mut self) -> bool {
        self.room(1) > 0
    }

    fn is_abandoned(&self) -> bool {
        self.is_abandoned()
    }
}

impl<T> Drop for Producer<'_, T> {
    fn drop(&mut self) {
        // SAFETY: an end is dropped once.
        unsafe { self.memory.leave(PRODUCER) };
    }
}

describe!(impl[T] Producer<'_, T> as Producer { len, capacity, stats });
