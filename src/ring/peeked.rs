//! Values that are read in place and then released.

use crate::ring::consumer::Consumer;
use crate::sync::Word;

/// Values that wait in a ring, in place: from [`Consumer::peek`]. They stay in the ring unless they are released.
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
    /// Number of values. Invariant: that many are waiting.
    len: usize,
}

impl<'a, 'r, T> Peeked<'a, 'r, T> {
    /// `len` are waiting.
    #[inline(always)]
    pub(super) fn new(consumer: &'a mut Consumer<'r, T>, len: usize) -> Self {
        Self { consumer, len }
    }

    /// Returns the number of values.
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether there is no value.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Drops the oldest `n` values and passes their slots back to the producer with one store; `n` above
    /// [`len`](Self::len) counts as `len`. Returns the number of values released.
    ///
    /// If a destructor panics, the values after that one stay in the ring.
    #[inline]
    pub fn release(self, n: usize) -> usize {
        let n = n.min(self.len);
        if !core::mem::needs_drop::<T>() {
            // SAFETY: that many are waiting, and there is nothing to drop.
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

#[cfg(not(loom))]
impl<'a, T> Peeked<'a, '_, T> {
    /// The values, in place: those up to the ring's end, and those from its start.
    #[inline]
    pub fn as_slices(&self) -> (&[T], &[T]) {
        let spans = self.consumer.memory().spans(self.consumer.head(), self.len);
        // SAFETY: `len` are waiting, and are the consumer's, which is borrowed.
        let [a, b] =
            spans.map(|(at, n)| unsafe { core::slice::from_raw_parts(at.cast().as_ptr(), n) });
        (a, b)
    }

    /// The values, in place, to be changed.
    #[inline]
    pub fn as_mut_slices(&mut self) -> (&mut [T], &mut [T]) {
        let spans = self.consumer.memory().spans(self.consumer.head(), self.len);
        // SAFETY: `len` are waiting, and are the consumer's, which is borrowed exclusively.
        let [a, b] =
            spans.map(|(at, n)| unsafe { core::slice::from_raw_parts_mut(at.cast().as_ptr(), n) });
        (a, b)
    }

    /// The values one by one, the oldest first.
    pub fn iter(&self) -> impl Iterator<Item = &T> {
        let (a, b) = self.as_slices();
        a.iter().chain(b)
    }

    /// The oldest value, for as long as the consumer is borrowed.
    pub(super) fn into_first(self) -> Option<&'a T> {
        let [(first, _), _] = self.consumer.memory().spans(self.consumer.head(), 1);
        // SAFETY: one is waiting, and is the consumer's, which is borrowed.
        (self.len > 0).then(|| unsafe { first.cast().as_ref() })
    }
}

/// Passes the slots of dropped values back, also if a destructor panics.
struct Released<'a, 'r, T> {
    consumer: &'a mut Consumer<'r, T>,
    dropped: usize,
}

impl<T> Released<'_, '_, T> {
    fn drop_next(&mut self) {
        let at = self.consumer.head().wrapping_add(self.dropped as Word);
        self.dropped += 1;
        // SAFETY: the value is waiting, and met once.
        drop(unsafe { self.consumer.memory().read(at) });
    }
}

impl<T> Drop for Released<'_, '_, T> {
    fn drop(&mut self) {
        // SAFETY: that many have been moved out and dropped.
        unsafe { self.consumer.retire(self.dropped) };
    }
}

describe!(impl[T] Peeked<'_, '_, T> as Peeked { len });
