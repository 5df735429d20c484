//! Values that are looked at where they lie.

use core::fmt;

use crate::ring::consumer::Consumer;
use crate::sync::Word;

/// Values that wait in a ring, where they lie: from [`Consumer::peek`]. They stay in the ring unless they
/// are released.
///
/// ```
/// let (mut tx, mut rx) = framepool::ring::allocate(4)?;
/// tx.push_slice(&[1, 2, 3]);
/// let waiting = rx.peek_up_to(8);
/// assert_eq!(waiting.iter().sum::<i32>(), 6);
/// assert_eq!(waiting.release(2), 2);
/// assert_eq!(rx.pop(), Some(3));
/// # Ok::<(), framepool::ring::RingError>(())
/// ```
pub struct Peeked<'a, 'r, T> {
    consumer: &'a mut Consumer<'r, T>,
    /// So many are waiting.
    len: usize,
}

impl<'a, 'r, T> Peeked<'a, 'r, T> {
    /// `len` are waiting.
    #[inline(always)]
    pub(super) fn new(consumer: &'a mut Consumer<'r, T>, len: usize) -> Self {
        Self { consumer, len }
    }

    /// Values to be seen.
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// The values, as they lie: those up to the ring's end, and those from its start.
    #[cfg(not(loom))]
    #[inline]
    pub fn as_slices(&self) -> (&[T], &[T]) {
        // SAFETY: so many are waiting, and are the consumer's, which is borrowed.
        unsafe {
            let spans = self.consumer.place().spans(self.consumer.head(), self.len);
            let [a, b] = spans.map(|(at, n)| core::slice::from_raw_parts(at.cast().as_ptr(), n));
            (a, b)
        }
    }

    /// The values, as they lie, to be changed.
    #[cfg(not(loom))]
    #[inline]
    pub fn as_mut_slices(&mut self) -> (&mut [T], &mut [T]) {
        // SAFETY: so many are waiting, and are the consumer's, which is borrowed exclusively.
        unsafe {
            let spans = self.consumer.place().spans(self.consumer.head(), self.len);
            let [a, b] =
                spans.map(|(at, n)| core::slice::from_raw_parts_mut(at.cast().as_ptr(), n));
            (a, b)
        }
    }

    /// The values one by one, the oldest first.
    #[cfg(not(loom))]
    pub fn iter(&self) -> impl Iterator<Item = &T> {
        let (a, b) = self.as_slices();
        a.iter().chain(b)
    }

    /// The oldest one, for as long as the consumer is borrowed.
    #[cfg(not(loom))]
    pub(super) fn into_first(self) -> Option<&'a T> {
        let at = self.consumer.head();
        // SAFETY: one is waiting, and is the consumer's, which is borrowed.
        (self.len > 0).then(|| unsafe { self.consumer.place().spans(at, 1)[0].0.cast().as_ref() })
    }

    /// Drops the oldest `n` values, their destructors included, and gives their places to the producer, in
    /// one store; `n` above [`len`](Self::len) counts as `len`. How many.
    ///
    /// If a destructor panics, the values behind that one stay in the ring.
    #[inline]
    pub fn release(self, n: usize) -> usize {
        let n = n.min(self.len);
        if !core::mem::needs_drop::<T>() {
            // SAFETY: so many are waiting, and there is nothing to drop.
            unsafe { self.consumer.retire(n) };
            return n;
        }
        let mut released = Released {
            consumer: self.consumer,
            dropped: 0,
        };
        while released.dropped < n {
            released.drop_next();
        }
        n
    }
}

/// Gives the places of values that were dropped back, also if a destructor panics.
struct Released<'a, 'r, T> {
    consumer: &'a mut Consumer<'r, T>,
    dropped: usize,
}

impl<T> Released<'_, '_, T> {
    fn drop_next(&mut self) {
        let at = self.consumer.head().wrapping_add(self.dropped as Word);
        self.dropped += 1;
        // SAFETY: it is waiting, and met once.
        drop(unsafe { self.consumer.place().read(at) });
    }
}

impl<T> Drop for Released<'_, '_, T> {
    fn drop(&mut self) {
        // SAFETY: so many have been moved out and dropped.
        unsafe { self.consumer.retire(self.dropped) };
    }
}

impl<T> fmt::Debug for Peeked<'_, '_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Peeked")
            .field("len", &self.len)
            .finish_non_exhaustive()
    }
}
