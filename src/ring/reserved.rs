//! Slots that are written in place and then published.

#[cfg(not(loom))]
use core::mem::MaybeUninit;

use crate::ring::error::Full;
use crate::ring::producer::Producer;
use crate::sync::Word;

/// Free slots of a ring, which the producer writes in order and then commits: from [`Producer::reserve`].
///
/// ```text
///        written          left
///   ┌────┬────┬────┐┌────┬────┬────┐
///   │ v  │ v  │ v  ││    │    │    │      commit: the consumer sees these three; the other slots
///   └────┴────┴────┘└────┴────┴────┘      stay free
///   tail            the next write goes here; slots and as_mut_slices show these
/// ```
///
/// Safe code writes values one by one ([`write`](Self::write)) and commits them. Code that fills slots in another
/// way, by a device or a system call, takes them as [`slots`](Self::slots) or
/// [`as_mut_slices`](Self::as_mut_slices) and then says how many hold values
/// ([`commit_first`](Self::commit_first)). Dropping it publishes nothing, and drops the written values.
///
/// ```
/// let (mut tx, mut rx) = framepool::ring::allocate(4)?;
/// let mut room = tx.reserve(3)?;
/// room.write("one")?;
/// room.write("two")?;
/// assert_eq!(rx.pop(), None); // not yet
/// assert_eq!(room.commit(), 2);
/// assert_eq!(rx.pop(), Some("one"));
/// # Ok::<(), Box<dyn core::error::Error>>(())
/// ```
pub struct Reserved<'a, 'r, T> {
    producer: &'a mut Producer<'r, T>,
    /// Number of slots. Invariant: there is room for that many.
    len: usize,
    /// Number of values in the first of them. Invariant: at most `len`, and only this type accesses these slots.
    written: usize,
}

impl<'a, 'r, T> Reserved<'a, 'r, T> {
    /// There is room for `len`.
    #[inline(always)]
    pub(super) fn new(producer: &'a mut Producer<'r, T>, len: usize) -> Self {
        Self {
            producer,
            len,
            written: 0,
        }
    }

    /// Returns the number of reserved slots.
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether no slot is reserved.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Returns the number of values written so far.
    pub fn written(&self) -> usize {
        self.written
    }

    fn position(&self, i: usize) -> Word {
        self.producer.tail().wrapping_add(i as Word)
    }

    /// Moves a value into the next slot.
    ///
    /// # Errors
    /// [`Full`] with the value: all slots are written.
    #[inline]
    pub fn write(&mut self, value: T) -> Result<(), Full<T>> {
        if self.written == self.len {
            return Err(Full(value));
        }
        let at = self.position(self.written);
        // SAFETY: there is room for `len`, so the position is the producer's.
        unsafe { self.producer.memory().write(at, value) };
        self.written += 1;
        Ok(())
    }

    /// Publishes the written values with one store and returns their number.
    #[inline]
    pub fn commit(mut self) -> usize {
        let n = core::mem::take(&mut self.written);
        // SAFETY: there is room for `len`, and the first `written` slots hold values.
        unsafe { self.producer.publish(n) };
        n
    }

    /// Publishes the first `n` of all slots, written with [`write`](Self::write) or filled in another way; `n` above
    /// [`len`](Self::len) counts as `len`. Written values after these are dropped. Returns the number of values
    /// published. If a destructor panics, all written values are dropped, and nothing is published.
    ///
    /// # Safety
    /// The first `n` slots hold values.
    #[inline]
    pub unsafe fn commit_first(mut self, n: usize) -> usize {
        let n = n.min(self.len);
        if self.written > n {
            // SAFETY: the slots from `n` on were written.
            unsafe { self.drop_written(n) };
        }
        self.written = n;
        self.commit()
    }

    /// Drops the written values from the `from`th on, counted from 0.
    ///
    /// # Safety
    /// `from` is at most `written`.
    unsafe fn drop_written(&mut self, from: usize) {
        let end = core::mem::replace(&mut self.written, from);
        Rest {
            reserved: self,
            at: from,
            end,
        }
        .run();
    }
}

#[cfg(not(loom))]
impl<T> Reserved<'_, '_, T> {
    /// The slots after those that were written with [`write`](Self::write), in place: those up to the ring's end, and
    /// those from its start. A slot that is filled through this does not count as written: see
    /// [`commit_first`](Self::commit_first).
    ///
    /// ```
    /// let (mut tx, mut rx) = framepool::ring::allocate(4)?;
    /// let mut room = tx.reserve(3)?;
    /// room.write(1)?;
    /// let (left, _) = room.as_mut_slices();
    /// assert_eq!(left.len(), 2);
    /// left[0].write(2);
    /// // SAFETY: one slot was written, and one filled.
    /// assert_eq!(unsafe { room.commit_first(2) }, 2);
    /// assert_eq!(rx.pop_array(), Some([1, 2]));
    /// # Ok::<(), Box<dyn core::error::Error>>(())
    /// ```
    #[inline]
    pub fn as_mut_slices(&mut self) -> (&mut [MaybeUninit<T>], &mut [MaybeUninit<T>]) {
        // Without the written slots: `commit` publishes them as values, and safe code may leave a `MaybeUninit`
        // without one.
        let (from, n) = (self.position(self.written), self.len - self.written);
        let spans = self.producer.memory().spans(from, n);
        // SAFETY: there is room for `len`, so the slots are the producer's, which is borrowed; `written` is at
        // most `len`.
        let [a, b] =
            spans.map(|(at, n)| unsafe { core::slice::from_raw_parts_mut(at.cast().as_ptr(), n) });
        (a, b)
    }

    /// The slots that were not written with [`write`](Self::write), in order: as
    /// [`as_mut_slices`](Self::as_mut_slices).
    pub fn slots(&mut self) -> impl Iterator<Item = &mut MaybeUninit<T>> {
        let (a, b) = self.as_mut_slices();
        a.iter_mut().chain(b)
    }
}

/// Drops written values, all of them even if a destructor panics.
///
/// # Invariant
/// The slots `at..end` hold values, which the reservation's `written` does not count.
struct Rest<'b, 'a, 'r, T> {
    reserved: &'b Reserved<'a, 'r, T>,
    at: usize,
    end: usize,
}

impl<T> Rest<'_, '_, '_, T> {
    fn run(&mut self) {
        while self.at < self.end {
            let at = self.reserved.position(self.at);
            self.at += 1;
            // SAFETY: the slot holds a value (the invariant), and `at` is past it, so it is moved out once.
            drop(unsafe { self.reserved.producer.memory().read(at) });
        }
    }
}

impl<T> Drop for Rest<'_, '_, '_, T> {
    fn drop(&mut self) {
        // Something is left only if a destructor panicked. A second panic aborts.
        self.run();
    }
}

impl<T> Drop for Reserved<'_, '_, T> {
    fn drop(&mut self) {
        // SAFETY: 0 is at most `written`.
        unsafe { self.drop_written(0) };
    }
}

describe!(impl[T] Reserved<'_, '_, T> as Reserved { len, written });
