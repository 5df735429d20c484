//! The end that values come out at.

use core::fmt;
use core::mem::MaybeUninit;
#[cfg(not(loom))]
use core::ptr::NonNull;

use crate::ring::control::{CONSUMER, PRODUCER};
use crate::ring::ends::Place;
use crate::ring::peeked::Peeked;
use crate::ring::stats::ConsumerStats;
use crate::sync::{Ordering, Word, wide};

/// The one end of a ring that values are popped from. `Send`, not `Sync`: every operation takes
/// `&mut self`, so there is one consumer, on whichever thread.
///
/// It lies on cache lines of its own, so that both ends may be in one struct.
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
///         // In this order: what was pushed before the producer went is seen after that it went.
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
#[cfg_attr(target_pointer_width = "64", repr(align(128)))]
#[cfg_attr(target_pointer_width = "32", repr(align(32)))]
pub struct Consumer<'r, T> {
    /// The next position to take. `head` of the ring is this, as soon as an operation is over.
    head: Word,
    /// The tail last seen.
    tail: Word,
    place: Place<'r, T>,
    first: Word,
    starved: u64,
    high_water: Word,
}

// SAFETY: one value of this type stands for one end, which may be used by any thread, one at a time
// (`&mut self`); values come through it from the other end's thread.
unsafe impl<T: Send> Send for Consumer<'_, T> {}

impl<'r, T> Consumer<'r, T> {
    #[cfg(all(test, feature = "std", not(loom)))]
    pub(super) fn set_starved(&mut self, starved: u64) {
        self.starved = starved;
    }

    /// # Safety
    /// The only consumer of this ring, which is empty at this position.
    pub(super) unsafe fn new(place: Place<'r, T>, position: Word) -> Self {
        Self {
            head: position,
            tail: position,
            place,
            first: position,
            starved: 0,
            high_water: 0,
        }
    }

    pub(super) fn place(&self) -> &Place<'r, T> {
        &self.place
    }

    pub(super) fn head(&self) -> Word {
        self.head
    }

    /// Values that are known to be there, after a look at the tail unless there are `n` already.
    #[inline(always)]
    pub(super) fn waiting(&mut self, n: usize) -> usize {
        let known = self.tail.wrapping_sub(self.head) as usize;
        if known >= n { known } else { self.look() }
    }

    #[inline]
    fn look(&mut self) -> usize {
        // Acquire: pairs with the producer's release of `tail`, so that the values are seen.
        self.tail = self.place.control().tail.0.load(Ordering::Acquire);
        let waiting = self.tail.wrapping_sub(self.head);
        self.high_water = self.high_water.max(waiting);
        waiting as usize
    }

    /// Makes the next `n` slots the producer's.
    ///
    /// # Safety
    /// So many are waiting, and their values have been moved out or dropped.
    #[inline(always)]
    pub(super) unsafe fn retire(&mut self, n: usize) {
        self.head = self.head.wrapping_add(n as Word);
        // Release: pairs with the producer's acquire of `head`, which then writes to the slots.
        self.place
            .control()
            .head
            .0
            .store(self.head, Ordering::Release);
    }

    #[cold]
    fn starve(&mut self) {
        self.starved = self.starved.saturating_add(1);
    }

    /// Takes the oldest value; `None` if there is none. O(1): one store to a line that the producer reads
    /// when it believes the ring full, and a load of the producer's position only when all that was
    /// known to be there has been taken.
    #[inline]
    pub fn pop(&mut self) -> Option<T> {
        if self.waiting(1) == 0 {
            self.starve();
            return None;
        }
        // SAFETY: one is waiting, is moved out, and then retired.
        unsafe {
            let value = self.place.read(self.head);
            self.retire(1);
            Some(value)
        }
    }

    /// Takes the oldest `N` values; `None` if there are fewer, and nothing is taken.
    #[inline]
    pub fn pop_array<const N: usize>(&mut self) -> Option<[T; N]> {
        if self.waiting(N) < N {
            self.starve();
            return None;
        }
        let mut values = MaybeUninit::<[T; N]>::uninit();
        // SAFETY: so many are waiting, are moved into the whole of the array, and then retired.
        unsafe {
            self.copy_out(values.as_mut_ptr().cast(), N);
            self.retire(N);
            Some(values.assume_init())
        }
    }

    /// Copies the next `n` values out.
    ///
    /// # Safety
    /// So many are waiting, and `to` has room for them, outside of the ring. They are moved: the ring's
    /// must not be used again, unless they are `Copy`.
    #[cfg(not(loom))]
    #[inline(always)]
    unsafe fn copy_out(&mut self, to: *mut T, n: usize) {
        // SAFETY: the slots are ours, and hold values.
        unsafe {
            let [(from, before), (start, rest)] = self.place.spans(self.head, n);
            let copy = |from: NonNull<MaybeUninit<T>>, to: *mut T, n| {
                to.copy_from_nonoverlapping(from.cast().as_ptr(), n);
            };
            if rest == 0 {
                copy(from, to, n);
            } else {
                copy(from, to, before);
                copy(start, to.add(before), rest);
            }
        }
    }

    /// As above, slot by slot: loom's are no plain memory.
    #[cfg(loom)]
    unsafe fn copy_out(&mut self, to: *mut T, n: usize) {
        for i in 0..n {
            // SAFETY: as above.
            unsafe {
                to.add(i)
                    .write(self.place.read(self.head.wrapping_add(i as Word)))
            };
        }
    }

    /// Copies as many values out as there are, at most as many as `out` has places, which are written from
    /// the first on. How many.
    #[inline]
    pub fn pop_slice(&mut self, out: &mut [T]) -> usize
    where
        T: Copy,
    {
        if self.waiting(out.len()) >= out.len() {
            // SAFETY: so many are waiting, and they are `Copy`.
            unsafe {
                self.copy_out(out.as_mut_ptr(), out.len());
                self.retire(out.len());
            }
            return out.len();
        }
        self.pop_some(out)
    }

    #[cold]
    fn pop_some(&mut self, out: &mut [T]) -> usize
    where
        T: Copy,
    {
        self.starve();
        let n = self.waiting(0).min(out.len());
        // SAFETY: so many are waiting, and they are `Copy`.
        unsafe {
            self.copy_out(out.as_mut_ptr(), n);
            self.retire(n);
        }
        n
    }

    /// The oldest value, where it lies.
    #[cfg(not(loom))]
    #[inline]
    pub fn front(&mut self) -> Option<&T> {
        self.peek_up_to(1).into_first()
    }

    /// The oldest `n` values, where they lie: see [`Peeked`]. `None` if there are fewer.
    #[inline]
    pub fn peek(&mut self, n: usize) -> Option<Peeked<'_, 'r, T>> {
        if self.waiting(n) < n {
            self.starve();
            return None;
        }
        Some(Peeked::new(self, n))
    }

    /// As many as are there, `n` at most; possibly none.
    #[inline]
    pub fn peek_up_to(&mut self, n: usize) -> Peeked<'_, 'r, T> {
        let n = self.waiting(n).min(n);
        Peeked::new(self, n)
    }

    /// Takes values one by one for as long as there are any, those included that come meanwhile. What it
    /// was not asked for stays.
    pub fn drain(&mut self) -> Drain<'_, 'r, T> {
        Drain(self)
    }

    /// Whether the producer is gone. What it pushed is still there to be taken: once this has been `true`
    /// and after that [`is_empty`](Self::is_empty), nothing will ever come.
    pub fn is_abandoned(&self) -> bool {
        self.place.control().is_gone(PRODUCER)
    }

    /// Values in the ring, at least: the producer may be pushing some. One load of its position.
    pub fn len(&self) -> usize {
        // Acquire would promise nothing here: the slots are not touched. After `is_abandoned`, whose
        // acquire comes first, it is the producer's last word.
        let tail = self.place.control().tail.0.load(Ordering::Relaxed);
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

    /// Values that the ring holds when it is full: all of its slots.
    pub fn capacity(&self) -> usize {
        self.place.capacity() as usize
    }

    /// What this end has counted.
    pub fn stats(&self) -> ConsumerStats {
        ConsumerStats {
            dequeued: wide(self.head.wrapping_sub(self.first)),
            starved: self.starved,
            high_water: self.high_water as usize,
        }
    }
}

impl<T> Drop for Consumer<'_, T> {
    fn drop(&mut self) {
        // SAFETY: an end is dropped once.
        unsafe { self.place.leave(CONSUMER) };
    }
}

impl<T> fmt::Debug for Consumer<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Consumer")
            .field("len", &self.len())
            .field("capacity", &self.capacity())
            .field("stats", &self.stats())
            .finish_non_exhaustive()
    }
}

/// Takes what is there: see [`Consumer::drain`].
#[derive(Debug)]
pub struct Drain<'a, 'r, T>(&'a mut Consumer<'r, T>);

#[cfg(feature = "defmt")]
impl<'r, T> Drain<'_, 'r, T> {
    pub(super) fn consumer(&self) -> &Consumer<'r, T> {
        self.0
    }
}

impl<T> Iterator for Drain<'_, '_, T> {
    type Item = T;

    #[inline]
    fn next(&mut self) -> Option<T> {
        self.0.pop()
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        (self.0.len(), None)
    }
}
