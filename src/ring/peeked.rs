//! Values that are read in place and then released.

use core::iter::FusedIterator;

use crate::ring::consumer::Consumer;

/// Values that wait in a ring, in place: from [`Consumer::peek`]. They stay in the ring unless they are
/// [released](Self::release), or moved out by value: a `for` loop over this type passes all slots back with one store
/// ([`PeekedIntoIter`]).
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
        self.into_iter().take(n).for_each(drop);
        n
    }
}

#[cfg(not(loom))]
impl<T> Peeked<'_, '_, T> {
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
}

impl<'a, 'r, T> IntoIterator for Peeked<'a, 'r, T> {
    type Item = T;
    type IntoIter = PeekedIntoIter<'a, 'r, T>;

    /// Moves the values out, the oldest first.
    #[inline]
    fn into_iter(self) -> PeekedIntoIter<'a, 'r, T> {
        PeekedIntoIter {
            consumer: self.consumer,
            left: self.len,
        }
    }
}

/// Moves values out of a ring: from [`Peeked`] by value. When it is dropped, the slots of the values that it has
/// returned are passed back to the producer with one store; the other values stay in the ring.
///
/// [`Consumer::drain`] stores after each value instead, so that the producer has the room at once.
///
/// If the iterator is forgotten, the slots are passed back when the consumer takes the next value, or is dropped. Until
/// then the producer finds no room in them.
///
/// ```
/// let (mut tx, mut rx) = framepool::ring::allocate(4)?;
/// tx.push_array(["a", "b", "c", "d"].map(String::from))?;
/// let mut values = rx.peek_up_to(3).into_iter();
/// assert_eq!(values.next().as_deref(), Some("a"));
/// assert!(tx.is_full()); // not yet
/// assert_eq!(values.len(), 2);
/// drop(values);
/// assert_eq!(tx.len(), 3);
/// let rest: Vec<String> = rx.peek_up_to(usize::MAX).into_iter().collect();
/// assert_eq!(rest, ["b", "c", "d"]);
/// assert!(tx.is_empty());
/// # Ok::<(), Box<dyn core::error::Error>>(())
/// ```
pub struct PeekedIntoIter<'a, 'r, T> {
    consumer: &'a mut Consumer<'r, T>,
    /// Number of values. Invariant: that many are waiting.
    left: usize,
}

impl<T> Iterator for PeekedIntoIter<'_, '_, T> {
    type Item = T;

    #[inline]
    fn next(&mut self) -> Option<T> {
        self.left = self.left.checked_sub(1)?;
        // SAFETY: there was one more than `left` says now.
        Some(unsafe { self.consumer.take() })
    }

    #[inline]
    fn size_hint(&self) -> (usize, Option<usize>) {
        (self.left, Some(self.left))
    }
}

impl<T> ExactSizeIterator for PeekedIntoIter<'_, '_, T> {}

impl<T> FusedIterator for PeekedIntoIter<'_, '_, T> {}

impl<T> Drop for PeekedIntoIter<'_, '_, T> {
    #[inline]
    fn drop(&mut self) {
        self.consumer.publish_head();
    }
}

describe!(impl[T] Peeked<'_, '_, T> as Peeked { len });
describe!(impl[T] PeekedIntoIter<'_, '_, T> as PeekedIntoIter { left = |iter| iter.left });
