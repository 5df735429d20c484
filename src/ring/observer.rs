//! A handle that is neither end, and reads how full a ring is.

use crate::ring::memory::Memory;
use crate::sync::{Ordering, wide};

/// Reads how full a ring is, from any thread, while the ends are elsewhere: for metrics, and for a dispatcher that picks
/// the shortest queue. From [`Producer::observer`](crate::ring::Producer::observer),
/// [`Consumer::observer`](crate::ring::Consumer::observer) or [`Ring::observer`](crate::ring::Ring::observer). `Clone`,
/// `Send` and `Sync`, whatever the values are: it never touches one.
///
/// Each call loads one or two positions, and so takes their cache lines away from the ends: for reports, not for every
/// value.
///
/// An observer of an allocated ring keeps its memory, but no value in it: the last end still drops those.
///
/// ```
/// use framepool::ring;
///
/// let (mut tx, mut rx) = ring::allocate::<u32>(8)?;
/// let depth = tx.observer();
/// let seen = depth.clone();
/// std::thread::spawn(move || assert!(seen.len() <= 8));
///
/// tx.push_slice(&[1, 2, 3]);
/// rx.pop();
/// assert_eq!((depth.len(), depth.capacity()), (2, 8));
/// assert_eq!((depth.enqueued(), depth.dequeued()), (3, 1));
/// # Ok::<(), Box<dyn core::error::Error>>(())
/// ```
///
/// It cannot outlive a ring that is borrowed:
/// ```compile_fail,E0505
/// # use framepool::ring::Ring;
/// let ring: Ring<u32, 8> = Ring::new();
/// let depth = ring.observer();
/// drop(ring);
/// depth.len();
/// ```
pub struct Observer<'r>(Memory<'r, ()>);

// SAFETY: it loads atomic words that live as long as it does. The last holder frees memory that nothing uses any more,
// which any thread may do; no value is in it.
unsafe impl Send for Observer<'_> {}
// SAFETY: as above: `&Observer` only loads, and counts holders.
unsafe impl Sync for Observer<'_> {}

impl<'r> Observer<'r> {
    pub(super) fn new<S>(memory: &Memory<'r, S>) -> Self {
        Self(memory.hold())
    }

    /// Returns an upper bound of the number of values in the ring, because the consumer may be taking some. Never more
    /// than the capacity. Two loads.
    pub fn len(&self) -> usize {
        let [head, tail] = [&self.0.control().head.0, &self.0.control().tail.0];
        // Acquire: pairs with the consumer's release of `head`. The consumer had seen a tail that is not before it, so
        // the tail loaded next is not before it either.
        let head = head.load(Ordering::Acquire);
        // Relaxed: nothing is read because of it.
        let len = tail.load(Ordering::Relaxed).wrapping_sub(head);
        len.min(self.0.capacity()) as usize
    }

    /// Whether [`len`](Self::len) is 0.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Whether [`len`](Self::len) is the capacity.
    pub fn is_full(&self) -> bool {
        self.len() == self.capacity()
    }

    /// Returns the number of slots.
    pub fn capacity(&self) -> usize {
        self.0.capacity() as usize
    }

    /// Returns the number of values pushed since the ring was made; on 32-bit targets modulo 2^32. One load.
    pub fn enqueued(&self) -> u64 {
        // Relaxed: as above.
        wide(self.0.control().tail.0.load(Ordering::Relaxed))
    }

    /// Returns the number of values taken since the ring was made; on 32-bit targets modulo 2^32. One load.
    pub fn dequeued(&self) -> u64 {
        // Relaxed: as above.
        wide(self.0.control().head.0.load(Ordering::Relaxed))
    }
}

impl Clone for Observer<'_> {
    fn clone(&self) -> Self {
        Self::new(&self.0)
    }
}

impl Drop for Observer<'_> {
    fn drop(&mut self) {
        // SAFETY: a holder is dropped once. If it is the last, both ends have left, and the last of them has dropped the
        // values.
        unsafe { self.0.let_go() };
    }
}

describe!(Observer<'_> as Observer { len, capacity, enqueued, dequeued });
