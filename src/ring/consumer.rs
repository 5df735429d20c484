//! The consumer: the end that values are popped from.

use core::mem::MaybeUninit;
#[cfg(feature = "std")]
use std::time::Duration;

use crate::ring::control::{CONSUMER, PRODUCER, Padded};
use crate::ring::drain::Drain;
#[cfg(feature = "std")]
use crate::ring::error::PopWaitError;
use crate::ring::error::TooFew;
use crate::ring::memory::Memory;
use crate::ring::observer::Observer;
use crate::ring::peeked::Peeked;
use crate::ring::slot::ValueSlot;
use crate::ring::stats::ConsumerStats;
use crate::ring::wait::{PopEnd, Wait};
use crate::sync::{Ordering, Word, wide};

/// The end of a ring that values are popped from. `Send`, not `Sync`: every operation takes `&mut self`, so
/// there is one consumer, on any thread.
///
/// It lies on cache lines of its own, so that both ends may be fields of one struct.
///
/// ```
/// let (mut tx, mut rx) = framepool::ring::allocate(8)?;
/// let producer = std::thread::spawn(move || {
///     for i in 0..1000_u32 {
///         while tx.push(i).is_err() {
///             std::hint::spin_loop();
///         }
///     }
/// });
/// let mut sum = 0;
/// loop {
///     match rx.pop() {
///         Some(i) => sum += i,
///         // In this order: a value that was pushed before the producer went is not missed.
///         None if rx.is_abandoned() && rx.is_empty() => break,
///         None => std::hint::spin_loop(),
///     }
/// }
/// assert_eq!(sum, 499_500);
/// # producer.join().unwrap();
/// # Ok::<(), framepool::ring::RingError>(())
/// ```
///
/// There is no second consumer:
/// ```compile_fail,E0277
/// fn shared<T: Sync>(_: T) {}
/// let (_tx, rx) = framepool::ring::allocate::<u8>(4).unwrap();
/// shared(rx);
/// ```
/// ```compile_fail,E0599
/// let (_tx, rx) = framepool::ring::allocate::<u8>(4).unwrap();
/// let second = rx.clone();
/// ```
pub struct Consumer<'r, T> {
    /// The position of the next value to take. After each operation the ring's `head` is the same, unless a
    /// `PeekedIntoIter` was forgotten: then `head` is older until the next value is taken or this end is dropped.
    head: Word,
    /// The tail last seen.
    tail: Word,
    memory: Memory<'r, ValueSlot<T>>,
    first: Word,
    pub(super) starved: u64,
    high_water: Word,
    _own_lines: Padded<()>,
}

// SAFETY: one value of this type stands for one end, which any thread may use, one at a time
// (`&mut self`); values come through it from the other end's thread.
unsafe impl<T: Send> Send for Consumer<'_, T> {}

impl<'r, T> Consumer<'r, T> {
    /// Continues at the ring's position.
    ///
    /// # Safety
    /// The only consumer of this ring, after earlier ones.
    pub(super) unsafe fn new(memory: Memory<'r, ValueSlot<T>>) -> Self {
        // Relaxed: taking the end has acquired what the last consumer stored.
        let head = memory.control().head.0.load(Ordering::Relaxed);
        Self {
            head,
            // No value is known yet.
            tail: head,
            memory,
            first: head,
            starved: 0,
            high_water: 0,
            _own_lines: Padded(()),
        }
    }

    pub(super) fn memory(&self) -> &Memory<'r, ValueSlot<T>> {
        &self.memory
    }

    #[cfg(not(loom))]
    pub(super) fn head(&self) -> Word {
        self.head
    }

    /// Returns the number of values that are known to be there. Looks at the tail if it is less than `n`.
    #[inline(always)]
    pub(super) fn waiting(&mut self, n: usize) -> usize {
        let known = self.tail.wrapping_sub(self.head) as usize;
        if known >= n { known } else { self.look() }
    }

    #[inline(always)]
    fn read_tail(&self) -> Word {
        // Acquire: pairs with the producer's release of `tail`, after which the values are seen.
        self.memory.control().tail.0.load(Ordering::Acquire)
    }

    #[inline]
    fn look(&mut self) -> usize {
        self.tail = self.read_tail();
        let waiting = self.tail.wrapping_sub(self.head);
        self.high_water = self.high_water.max(waiting);
        waiting as usize
    }

    /// Passes the next `n` slots back to the producer.
    ///
    /// # Safety
    /// That many values are waiting, and have been moved out or dropped.
    #[inline(always)]
    pub(super) unsafe fn retire(&mut self, n: usize) {
        self.head = self.head.wrapping_add(n as Word);
        self.publish_head();
    }

    /// Passes the slots of all values that were taken back to the producer.
    #[inline(always)]
    pub(super) fn publish_head(&self) {
        // Release: pairs with the producer's acquire of `head`, which then writes to the slots.
        self.memory
            .control()
            .head
            .0
            .store(self.head, Ordering::Release);
    }

    /// Moves the oldest value out, and keeps its slot: [`publish_head`](Self::publish_head) passes it back.
    ///
    /// # Safety
    /// One is waiting.
    #[inline(always)]
    pub(super) unsafe fn take(&mut self) -> T {
        let head = self.head;
        self.head = head.wrapping_add(1);
        // SAFETY: one is waiting, and no later call meets it, even if its slot is never passed back.
        unsafe { self.memory.read(head) }
    }

    #[cold]
    fn starve(&mut self) {
        self.starved = self.starved.saturating_add(1);
    }

    /// Takes the oldest value; `None` if there is none. O(1): one store to a line that the producer reads
    /// when it takes the ring for full. The producer's position is loaded only when all values that were known to
    /// be there have been taken.
    #[inline]
    pub fn pop(&mut self) -> Option<T> {
        if self.waiting(1) == 0 {
            self.starve();
            return None;
        }
        // SAFETY: one is waiting; it is moved out, and then retired.
        unsafe {
            let value = self.memory.read(self.head);
            self.retire(1);
            Some(value)
        }
    }

    /// Takes the oldest `N` values. `None` if there are fewer; then nothing is taken.
    #[inline]
    pub fn pop_array<const N: usize>(&mut self) -> Option<[T; N]> {
        if self.waiting(N) < N {
            self.starve();
            return None;
        }
        let mut values = MaybeUninit::<[T; N]>::uninit();
        // SAFETY: N are waiting; they are moved into the whole of the array, and then retired.
        unsafe {
            self.memory
                .copy_out(self.head, values.as_mut_ptr().cast(), N);
            self.retire(N);
            Some(values.assume_init())
        }
    }

    /// Copies the oldest values to the start of `out`, as many as there are and `out` has room for. Returns the
    /// number of values taken. O(that number), one store to a line that the producer reads.
    #[inline]
    pub fn pop_slice(&mut self, out: &mut [T]) -> usize
    where
        T: Copy,
    {
        // SAFETY: `out` has room for as many values as it has, and is no part of the ring.
        unsafe { self.pop_to(out.as_mut_ptr(), out.len()) }
    }

    /// Copies the oldest values to all of `out`, or none of them.
    ///
    /// # Errors
    /// [`TooFew`], with the number of values that there are. `out` is unchanged.
    ///
    /// ```
    /// let (mut tx, mut rx) = framepool::ring::allocate(4)?;
    /// tx.push_slice_exact(&[1, 2, 3])?;
    /// assert_eq!(tx.push_slice_exact(&[4, 5]).unwrap_err().available, 1);
    /// let mut out = [0; 4];
    /// assert_eq!(rx.pop_slice_exact(&mut out).unwrap_err().available, 3);
    /// rx.pop_slice_exact(&mut out[..2])?;
    /// assert_eq!(out, [1, 2, 0, 0]);
    /// # Ok::<(), Box<dyn core::error::Error>>(())
    /// ```
    pub fn pop_slice_exact(&mut self, out: &mut [T]) -> Result<(), TooFew>
    where
        T: Copy,
    {
        let available = self.waiting(out.len());
        if available < out.len() {
            self.starve();
            let (requested, capacity) = (out.len(), self.capacity());
            return Err(TooFew {
                requested,
                available,
                capacity,
            });
        }
        self.pop_slice(out);
        Ok(())
    }

    /// Moves the oldest values to the start of `out`, as many as there are and `out` has room for, and returns them.
    /// The values need not be `Copy`, and `out` need not hold any. They now belong to the owner of `out`, who drops them
    /// or moves them on: [`MaybeUninit`] drops nothing.
    ///
    /// ```
    /// use core::mem::MaybeUninit;
    ///
    /// let (mut tx, mut rx) = framepool::ring::allocate(4)?;
    /// tx.push_slice(&[1, 2, 3]);
    /// let mut out = [MaybeUninit::uninit(); 8];
    /// assert_eq!(rx.pop_slice_uninit(&mut out), [1, 2, 3]);
    /// # Ok::<(), framepool::ring::RingError>(())
    /// ```
    #[inline]
    pub fn pop_slice_uninit<'o>(&mut self, out: &'o mut [MaybeUninit<T>]) -> &'o mut [T] {
        let to = out.as_mut_ptr().cast::<T>();
        // SAFETY: `out` has room for as many values as it has, and is no part of the ring; those that were moved there
        // are borrowed as long as `out`.
        unsafe {
            let n = self.pop_to(to, out.len());
            core::slice::from_raw_parts_mut(to, n)
        }
    }

    /// Moves the oldest values to `to`, at most `len`. Returns their number.
    ///
    /// # Safety
    /// There is room for `len` values, outside of the ring.
    #[inline(always)]
    unsafe fn pop_to(&mut self, to: *mut T, len: usize) -> usize {
        if self.waiting(len) < len {
            // SAFETY: the caller's promise.
            return unsafe { self.pop_some(to, len) };
        }
        // SAFETY: that many are waiting, and there is room for them; they are moved.
        unsafe {
            self.memory.copy_out(self.head, to, len);
            self.retire(len);
        }
        len
    }

    /// The same, if there are fewer than `len`.
    ///
    /// # Safety
    /// As above.
    #[cold]
    unsafe fn pop_some(&mut self, to: *mut T, len: usize) -> usize {
        self.starve();
        let n = self.waiting(0).min(len);
        // SAFETY: that many are waiting, and there is room for them; they are moved.
        unsafe {
            self.memory.copy_out(self.head, to, n);
            self.retire(n);
        }
        n
    }

    /// The oldest value, in place. O(1): one load of the producer's position if no value is known to be there. Counts
    /// nothing.
    ///
    /// ```
    /// let (mut tx, rx) = framepool::ring::allocate(4)?;
    /// assert_eq!(rx.front(), None);
    /// tx.push("first")?;
    /// assert_eq!((rx.front(), rx.front()), (Some(&"first"), Some(&"first")));
    /// # Ok::<(), Box<dyn core::error::Error>>(())
    /// ```
    #[cfg(not(loom))]
    #[inline]
    pub fn front(&self) -> Option<&T> {
        if self.tail == self.head && self.read_tail() == self.head {
            return None;
        }
        // SAFETY: one is waiting, and is the consumer's, which is borrowed.
        Some(unsafe { self.memory.value(self.head) })
    }

    /// The oldest `n` values, in place: see [`Peeked`]. `None` if there are fewer.
    #[inline]
    pub fn peek(&mut self, n: usize) -> Option<Peeked<'_, 'r, T>> {
        if self.waiting(n) < n {
            self.starve();
            return None;
        }
        Some(Peeked::new(self, n))
    }

    /// The values that are there, in place: at most `n`, possibly none.
    #[inline]
    pub fn peek_up_to(&mut self, n: usize) -> Peeked<'_, 'r, T> {
        let n = self.waiting(n).min(n);
        Peeked::new(self, n)
    }

    /// Takes values one by one for as long as there are any, also those that are pushed meanwhile. Values that the
    /// iterator did not return stay.
    pub fn drain(&mut self) -> Drain<'_, Self> {
        Drain(self)
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
    ///
    /// ```
    /// use framepool::ring::{self, PopWaitError, Spin};
    /// use std::time::Duration;
    ///
    /// let (mut tx, mut rx) = ring::allocate(2)?;
    /// tx.push(7)?;
    /// let timeout = Duration::from_millis(1);
    /// assert_eq!(rx.pop_wait_for::<Spin>(timeout), Ok(7));
    /// assert_eq!(rx.pop_wait_for::<Spin>(timeout), Err(PopWaitError::TimedOut));
    /// # Ok::<(), Box<dyn core::error::Error>>(())
    /// ```
    #[cfg(feature = "std")]
    pub fn pop_wait_for<W: Wait>(&mut self, timeout: Duration) -> Result<T, PopWaitError> {
        self.pop_or_wait_for::<W>(timeout)
    }

    /// Whether the producer is gone for ever. The values that it pushed can still be taken: once this has returned `true`
    /// and after that [`is_empty`](Self::is_empty) too, there will never be another value. Ends that were taken one by
    /// one come back, so for them this is `false`: see [`Ring::producer`](crate::ring::Ring::producer).
    pub fn is_abandoned(&self) -> bool {
        self.memory.control().is_gone(PRODUCER)
    }

    /// Returns a lower bound of the number of values in the ring, because the producer may be pushing some. One load
    /// of its position.
    pub fn len(&self) -> usize {
        // Relaxed: the slots are not touched, so an acquire would promise nothing. After `is_abandoned`, whose
        // acquire comes first, this is the producer's last position.
        let tail = self.memory.control().tail.0.load(Ordering::Relaxed);
        tail.wrapping_sub(self.head) as usize
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
        self.memory.capacity() as usize
    }

    /// A handle that reads the length of the ring from any thread.
    pub fn observer(&self) -> Observer<'r> {
        Observer::new(&self.memory)
    }

    /// The counters of this end, since it was taken.
    pub fn stats(&self) -> ConsumerStats {
        ConsumerStats {
            dequeued: wide(self.head.wrapping_sub(self.first)),
            starved: self.starved,
            high_water: self.high_water as usize,
        }
    }
}

impl<T> PopEnd<T> for Consumer<'_, T> {
    #[inline(always)]
    fn pop(&mut self) -> Option<T> {
        self.pop()
    }

    fn has_value(&mut self) -> bool {
        self.waiting(1) > 0
    }

    fn is_abandoned(&self) -> bool {
        self.is_abandoned()
    }
}

impl<T> Drop for Consumer<'_, T> {
    fn drop(&mut self) {
        // Values that a forgotten iterator has moved out are not in the ring.
        self.publish_head();
        // SAFETY: an end is dropped once.
        unsafe { self.memory.leave(CONSUMER) };
    }
}

impl<T> Iterator for Drain<'_, Consumer<'_, T>> {
    type Item = T;

    #[inline]
    fn next(&mut self) -> Option<T> {
        self.0.pop()
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        (self.0.len(), None)
    }
}

describe!(impl[T] Consumer<'_, T> as Consumer { len, capacity, stats });
