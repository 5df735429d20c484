//! The end that values go in at.

use core::fmt;
#[cfg(not(loom))]
use core::{mem::MaybeUninit, ptr::NonNull, sync::atomic::compiler_fence};

use crate::ring::control::{CONSUMER, PRODUCER};
use crate::ring::ends::Place;
use crate::ring::error::{Full, NoRoom};
use crate::ring::reserved::Reserved;
use crate::ring::stats::ProducerStats;
#[cfg(not(loom))]
use crate::sync::prefetch_write;
use crate::sync::{Ordering, Word, wide};

/// The most bytes that a burst asks for ahead of itself.
#[cfg(not(loom))]
const BURST_AHEAD: usize = 2048;

/// The one end of a ring that values are pushed into. `Send`, not `Sync`: every operation takes
/// `&mut self`, so there is one producer, on whichever thread.
///
/// It lies on cache lines of its own, so that both ends may be in one struct.
///
/// ```
/// use framepool::ring;
///
/// let (mut tx, mut rx) = ring::allocate(4)?;
/// for i in 0..4 {
///     tx.push(i)?;
/// }
/// assert_eq!(tx.push(4).unwrap_err().into_inner(), 4); // full: the value comes back
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
/// What cannot be sent cannot go through a ring that is:
/// ```compile_fail,E0277
/// let (tx, _rx) = framepool::ring::allocate::<std::rc::Rc<u8>>(4).unwrap();
/// std::thread::spawn(move || drop(tx));
/// ```
#[cfg_attr(target_pointer_width = "64", repr(align(128)))]
#[cfg_attr(target_pointer_width = "32", repr(align(32)))]
pub struct Producer<'r, T> {
    /// Where the next value goes. `tail` of the ring is this, as soon as an operation is over.
    tail: Word,
    /// The first position that may not be written: the capacity beyond the head last seen.
    limit: Word,
    place: Place<'r, T>,
    first: Word,
    refused: u64,
}

// SAFETY: one value of this type stands for one end, which may be used by any thread, one at a time
// (`&mut self`); values move through it to the other end's thread.
unsafe impl<T: Send> Send for Producer<'_, T> {}

impl<'r, T> Producer<'r, T> {
    #[cfg(all(test, feature = "std", not(loom)))]
    pub(super) fn set_refused(&mut self, refused: u64) {
        self.refused = refused;
    }

    /// # Safety
    /// The only producer of this ring, which is empty at this position.
    pub(super) unsafe fn new(place: Place<'r, T>, position: Word) -> Self {
        Self {
            tail: position,
            limit: position.wrapping_add(place.capacity()),
            place,
            first: position,
            refused: 0,
        }
    }

    pub(super) fn place(&self) -> &Place<'r, T> {
        &self.place
    }

    pub(super) fn tail(&self) -> Word {
        self.tail
    }

    /// Places that are known to be free, after a look at the head unless there are `n` already.
    #[inline(always)]
    pub(super) fn room(&mut self, n: usize) -> usize {
        let known = self.limit.wrapping_sub(self.tail) as usize;
        if known >= n { known } else { self.look() }
    }

    #[inline]
    fn look(&mut self) -> usize {
        // Acquire: pairs with the consumer's release of `head`, so that it has moved the values out
        // before this end writes to their slots.
        let head = self.place.control().head.0.load(Ordering::Acquire);
        self.limit = head.wrapping_add(self.place.capacity());
        self.limit.wrapping_sub(self.tail) as usize
    }

    /// Makes the values in the next `n` slots the consumer's.
    ///
    /// # Safety
    /// There is room for `n`, and they are written.
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
        // Release: pairs with the consumer's acquire of `tail`, which so sees the values.
        self.place.control().tail.0.store(tail, Ordering::Release);
    }

    #[cold]
    fn refuse(&mut self) {
        self.refused = self.refused.saturating_add(1);
    }

    /// Appends a value, which the consumer sees at once. O(1): one store to a line that the consumer
    /// reads, and a load of the consumer's position only when the last one known leaves no room.
    ///
    /// # Errors
    /// [`Full`] with the value. That the consumer is gone is no error: [`is_abandoned`](Self::is_abandoned).
    #[inline]
    pub fn push(&mut self, value: T) -> Result<(), Full<T>> {
        let room = self.room(1);
        if room == 0 {
            self.refuse();
            return Err(Full(value));
        }
        // Read once: for all that the compiler knows, the value may be written over it.
        let tail = self.tail;
        self.place.expect_write(tail, room);
        // SAFETY: there is room, so the position is ours, and written before it is published.
        unsafe {
            self.place.write(tail, value);
            self.publish_up_to(tail.wrapping_add(1));
        }
        Ok(())
    }

    /// Appends all of an array or none, published together.
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
        // SAFETY: there is room for N, which are moved in whole: the array is not used again.
        unsafe {
            let values = core::mem::ManuallyDrop::new(values);
            self.copy_in(&*values);
            self.publish(N);
        }
        Ok(())
    }

    /// Copies into the next slots.
    ///
    /// # Safety
    /// There is room for as many. The values are moved: whoever has them must not use them again,
    /// unless they are `Copy`.
    #[cfg(not(loom))]
    #[inline(always)]
    unsafe fn copy_in(&mut self, values: &[T]) {
        // SAFETY: the slots are ours, as there is room, and no part of `values`, which is borrowed.
        unsafe {
            let [(to, n), (start, rest)] = self.place.spans(self.tail, values.len());
            let from = NonNull::from(values).cast::<T>();
            if rest == 0 {
                let ahead = self.writable_ahead(values.len());
                copy_in_order(from, to.cast(), values.len(), ahead);
            } else {
                to.cast().copy_from_nonoverlapping(from, n);
                start.cast().copy_from_nonoverlapping(from.add(n), rest);
            }
        }
    }

    /// How many bytes behind a burst of `n` values in one piece will be written to next: as many as it
    /// has itself, up to a bound. 0 if some of them are not known to be free, or lie beyond the end.
    #[cfg(not(loom))]
    #[inline(always)]
    fn writable_ahead(&self, n: usize) -> usize {
        let bytes = (n * size_of::<T>()).min(BURST_AHEAD);
        let places = n + bytes / size_of::<T>().max(1);
        let known = self.limit.wrapping_sub(self.tail) as usize;
        let in_one_piece = self.capacity() - self.place.index(self.tail);
        if places <= known.min(in_one_piece) {
            bytes
        } else {
            0
        }
    }

    /// As above, slot by slot: loom's are no plain memory.
    #[cfg(loom)]
    unsafe fn copy_in(&mut self, values: &[T]) {
        for (i, value) in values.iter().enumerate() {
            // SAFETY: as above.
            unsafe {
                let value = core::ptr::from_ref(value).read();
                self.place.write(self.tail.wrapping_add(i as Word), value);
            }
        }
    }

    /// Copies as many values in as there is room for, from the first on, published together. How many:
    /// 0 to all of them. What did not fit counts as one refusal.
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
                self.copy_in(values);
                self.publish(values.len());
            }
            return values.len();
        }
        self.push_some(values)
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
            self.copy_in(values);
            self.publish(values.len());
        }
        values.len()
    }

    /// Moves values in for as long as there is room, published together when the iterator ends or the ring
    /// is full. How many. The iterator is not asked for a value that has no place, so whether there was one
    /// more is not known, and none counts as refused; if it panics, what it had given is dropped and nothing is
    /// published.
    pub fn push_iter(&mut self, values: impl IntoIterator<Item = T>) -> usize {
        let room = self.room(usize::MAX);
        let mut reserved = Reserved::new(self, room);
        for value in values.into_iter().take(room) {
            // The room was asked for.
            let _ = reserved.write(value);
        }
        reserved.commit()
    }

    /// Room for `n` values, to be written where they will lie: see [`Reserved`].
    ///
    /// # Errors
    /// [`NoRoom`], with what room there is.
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
            self.refuse();
            let (requested, capacity) = (n, self.capacity());
            return Err(NoRoom {
                requested,
                available,
                capacity,
            });
        }
        Ok(Reserved::new(self, n))
    }

    /// Room for as many as there are places, `n` at most; possibly none.
    #[inline]
    pub fn reserve_up_to(&mut self, n: usize) -> Reserved<'_, 'r, T> {
        let n = self.room(n).min(n);
        Reserved::new(self, n)
    }

    /// Whether the consumer is gone. Pushing goes on until the ring is full; what nobody took is dropped
    /// with this end.
    pub fn is_abandoned(&self) -> bool {
        self.place.control().is_gone(CONSUMER)
    }

    /// Values in the ring, at most: the consumer may be taking some. One load of its position.
    pub fn len(&self) -> usize {
        // Acquire would promise nothing here: the slots are not touched.
        let head = self.place.control().head.0.load(Ordering::Relaxed);
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

    /// Values that the ring holds when it is full: all of its slots.
    pub fn capacity(&self) -> usize {
        self.place.capacity() as usize
    }

    /// What this end has counted.
    pub fn stats(&self) -> ProducerStats {
        ProducerStats {
            enqueued: wide(self.tail.wrapping_sub(self.first)),
            refused: self.refused,
        }
    }
}

/// A cache line, of anything.
#[cfg(not(loom))]
type Line = MaybeUninit<[u8; 64]>;

/// Copies line by line, from the first to the last, and asks on the way for the lines that lie `ahead` bytes
/// behind each, unless that is 0: so they are on their way from the other core while these are written.
///
/// # Safety
/// As for [`NonNull::copy_to_nonoverlapping`].
#[cfg(not(loom))]
#[inline(always)]
unsafe fn copy_in_order<T>(from: NonNull<T>, to: NonNull<T>, n: usize, ahead: usize) {
    // What is short needs no order, and elsewhere there is nothing to ask with.
    if cfg!(not(target_arch = "x86_64")) || n * size_of::<T>() < size_of::<Line>() {
        // SAFETY: the caller's promises.
        return unsafe { from.copy_to_nonoverlapping(to, n) };
    }
    let (lines, rest) = (
        n * size_of::<T>() / size_of::<Line>(),
        n * size_of::<T>() % size_of::<Line>(),
    );
    let (from, to) = (from.cast::<Line>(), to.cast::<Line>());
    // SAFETY: so many bytes are there, on both sides.
    unsafe {
        for i in 0..lines {
            let to = to.add(i);
            if ahead > 0 {
                prefetch_write(to.as_ptr().cast::<u8>().wrapping_add(ahead));
            }
            to.write_unaligned(from.add(i).read_unaligned());
            // No memory is ordered by this: it keeps the compiler from making one `memcpy` of the loop.
            compiler_fence(Ordering::Release);
        }
        let (from, to) = (from.add(lines).cast::<u8>(), to.add(lines).cast::<u8>());
        from.copy_to_nonoverlapping(to, rest);
    }
}

impl<T> Drop for Producer<'_, T> {
    fn drop(&mut self) {
        // SAFETY: an end is dropped once.
        unsafe { self.place.leave(PRODUCER) };
    }
}

impl<T> fmt::Debug for Producer<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Producer")
            .field("len", &self.len())
            .field("capacity", &self.capacity())
            .field("stats", &self.stats())
            .finish_non_exhaustive()
    }
}
