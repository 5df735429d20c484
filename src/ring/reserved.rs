//! Places that are written before they are published.

use core::fmt;
#[cfg(not(loom))]
use core::mem::MaybeUninit;

use crate::ring::error::Full;
use crate::ring::producer::Producer;
use crate::sync::Word;

/// Places of a ring that are the producer's to write, in order, until it commits them: from
/// [`Producer::reserve`].
///
/// ```text
///        written          left
///   ┌────┬────┬────┐┌────┬────┬────┐
///   │ v  │ v  │ v  ││    │    │    │      commit: the consumer sees the three, the rest is as if
///   └────┴────┴────┘└────┴────┴────┘      never asked for
///   tail            write goes here, and this is what slots and as_mut_slices show
/// ```
///
/// Safe code writes values one by one ([`write`](Self::write)) and commits them. Who fills slots in
/// another way, a device or a system call say, takes them as [`slots`](Self::slots) or
/// [`as_mut_slices`](Self::as_mut_slices) and says afterwards how many there are
/// ([`commit_first`](Self::commit_first)). Dropping it publishes nothing, and drops what was written.
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
    /// Places: there is room for so many.
    len: usize,
    /// Values in the first of them. Invariant: at most `len`, and nobody but this type gets to these places.
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

    /// Places reserved.
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Values written so far.
    pub fn written(&self) -> usize {
        self.written
    }

    fn position(&self, i: usize) -> Word {
        self.producer.tail().wrapping_add(i as Word)
    }

    /// Moves a value into the next place.
    ///
    /// # Errors
    /// [`Full`] with the value: all places are written.
    #[inline]
    pub fn write(&mut self, value: T) -> Result<(), Full<T>> {
        if self.written == self.len {
            return Err(Full(value));
        }
        let at = self.position(self.written);
        // SAFETY: there is room for `len`, so the position is the producer's.
        unsafe { self.producer.place().write(at, value) };
        self.written += 1;
        Ok(())
    }

    /// Publishes what was [`write`](Self::write)n, in one store. How many.
    #[inline]
    pub fn commit(mut self) -> usize {
        let n = core::mem::take(&mut self.written);
        // SAFETY: there is room for `len`, and the first `written` of them are.
        unsafe { self.producer.publish(n) };
        n
    }

    /// Publishes the first `n` places, [`write`](Self::write)n or filled in another way, counted from the first of
    /// all; `n` above [`len`](Self::len) counts as `len`. Values that were written after them are dropped. Returns
    /// the number of values published. If a destructor panics, every written value is dropped, and nothing is
    /// published.
    ///
    /// # Safety
    /// The first `n` places hold values.
    #[inline]
    pub unsafe fn commit_first(mut self, n: usize) -> usize {
        let n = n.min(self.len);
        if self.written > n {
            // SAFETY: these were written, and `written` no longer counts them.
            unsafe { self.drop_written(n) };
        }
        self.written = n;
        self.commit()
    }

    /// The places behind those that were [`write`](Self::write)n, as they lie: those up to the ring's end, and those
    /// from its start. Filling a place through this does not count it as written:
    /// [`commit_first`](Self::commit_first).
    ///
    /// ```
    /// let (mut tx, mut rx) = framepool::ring::allocate(4)?;
    /// let mut room = tx.reserve(3)?;
    /// room.write(1)?;
    /// let (behind, _) = room.as_mut_slices();
    /// assert_eq!(behind.len(), 2);
    /// behind[0].write(2);
    /// // SAFETY: one was written, and one filled.
    /// assert_eq!(unsafe { room.commit_first(2) }, 2);
    /// assert_eq!(rx.pop_array(), Some([1, 2]));
    /// # Ok::<(), Box<dyn core::error::Error>>(())
    /// ```
    #[cfg(not(loom))]
    #[inline]
    pub fn as_mut_slices(&mut self) -> (&mut [MaybeUninit<T>], &mut [MaybeUninit<T>]) {
        // Not those that were written: `commit` publishes them as values, and whoever has a `MaybeUninit` may
        // make it hold none.
        let (from, n) = (self.position(self.written), self.len - self.written);
        // SAFETY: there is room for `len`, so the slots are the producer's, which is borrowed; `written` is at
        // most `len`.
        unsafe {
            let spans = self.producer.place().spans(from, n);
            let [a, b] = spans.map(|(at, n)| core::slice::from_raw_parts_mut(at.as_ptr(), n));
            (a, b)
        }
    }

    /// The places that were not written one by one, in order: as [`as_mut_slices`](Self::as_mut_slices).
    #[cfg(not(loom))]
    pub fn slots(&mut self) -> impl Iterator<Item = &mut MaybeUninit<T>> {
        let (a, b) = self.as_mut_slices();
        a.iter_mut().chain(b)
    }

    /// Drops the written values from the `from`th on.
    ///
    /// # Safety
    /// There are as many as `written` says.
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

/// Written values that are dropped, also if a destructor among them panics.
///
/// # Invariant
/// The places `at..end` hold values, which `written` of the reservation does not count.
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
            // SAFETY: a value is there (the invariant), and `at` is past it, so it is moved out once.
            drop(unsafe { self.reserved.producer.place().read(at) });
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
        // SAFETY: `written` are.
        unsafe { self.drop_written(0) };
    }
}

impl<T> fmt::Debug for Reserved<'_, '_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Reserved")
            .field("len", &self.len)
            .field("written", &self.written)
            .finish_non_exhaustive()
    }
}
