//! Making a ring, finding it, and taking its ends.

use core::fmt;
use core::sync::atomic::Ordering;

use super::consumer::SharedConsumer;
use super::error::SharedRingError;
use super::owner::{FREE, Held, Holder};
use super::plain::Plain;
use super::producer::SharedProducer;
use super::words::{
    ALIGN, CAPACITY, CONSUMER, ELEMENT, HEAD, MAGIC, PRODUCER, TAIL, TYPE, Words, end_of, header,
};
use crate::region::SharedRegion;

/// The layout's version, in the upper byte of the first word.
const VERSION: u8 = 1;
const VERSION_SHIFT: u32 = 56;

/// What a ring's first word is, whatever its version.
const NAME: u64 = u64::from_le_bytes(*b"fp-ring\0");

/// A ring in a [`SharedRegion`], from which each process takes the end that it uses.
///
/// ```
/// use std::os::fd::AsFd;
/// use framepool::SharedRegion;
/// use framepool::ring::SharedRing;
///
/// // One process makes it and passes the descriptor on (the example is one process).
/// let ours = SharedRegion::builder(64 << 10).create()?;
/// let mut tx = SharedRing::<[u64; 2]>::create(&ours, 0, 1024)?.producer()?;
/// // The other attaches.
/// let theirs = SharedRegion::attach(ours.as_fd().try_clone_to_owned()?)?;
/// let mut rx = SharedRing::<[u64; 2]>::attach(&theirs, 0)?.consumer()?;
///
/// tx.push([1, 2])?;
/// assert_eq!(rx.pop()?, Some([1, 2]));
/// // Values of another size, alignment or type are refused.
/// assert!(SharedRing::<u64>::attach(&theirs, 0).is_err());
/// assert!(SharedRing::<[i64; 2]>::attach(&theirs, 0).is_err());
/// # Ok::<(), Box<dyn core::error::Error>>(())
/// ```
///
/// What the other process may write is anything, so values are [`Plain`]:
/// ```compile_fail,E0277
/// # use framepool::{SharedRegion, ring::SharedRing};
/// # let region = SharedRegion::builder(4096).create().unwrap();
/// let ring = SharedRing::<&'static str>::create(&region, 0, 16);
/// ```
pub struct SharedRing<'r, T>(Words<'r, T>);

impl<T> Clone for SharedRing<'_, T> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<T> Copy for SharedRing<'_, T> {}

impl<'r, T> SharedRing<'r, T> {
    #[inline(always)]
    pub(super) fn words(&self) -> &Words<'r, T> {
        &self.0
    }
}

impl<'r, T: Plain> SharedRing<'r, T> {
    /// A ring of any words, which are zeros.
    #[cfg(test)]
    pub(super) fn of(words: Words<'r, T>) -> Self {
        Self(words)
    }

    /// Bytes that such a ring takes; `None` if they exceed the address space.
    pub fn bytes(capacity: usize) -> Option<usize> {
        end_of::<T>(0, capacity as u64)
    }

    /// Makes a ring `offset` bytes into a region, where there is none: the bytes are zeros, as in a new
    /// region. One process makes it, before any other attaches.
    ///
    /// # Errors
    /// [`SharedRingError`]: `ZeroSize`, `ZeroCapacity`, `NotPowerOfTwo`, `Misaligned`, `RegionTooSmall`,
    /// `AlreadyMade`.
    pub fn create(
        region: &'r SharedRegion,
        offset: usize,
        capacity: usize,
    ) -> Result<Self, SharedRingError> {
        let words = Words::<T>::at(region, offset, capacity as u64)?;
        if is_ring(words.word(MAGIC).load(Ordering::Acquire)) {
            return Err(SharedRingError::AlreadyMade);
        }
        for (at, value) in [
            (ELEMENT, size_of::<T>() as u64),
            (ALIGN, align_of::<T>() as u64),
            (TYPE, T::TAG),
            (CAPACITY, capacity as u64),
            (PRODUCER, FREE),
            (CONSUMER, FREE),
            (TAIL, 0),
            (HEAD, 0),
        ] {
            words.word(at).store(value, Ordering::Relaxed);
        }
        let magic = NAME | u64::from(VERSION) << VERSION_SHIFT;
        // Release: pairs with the acquire of `attach`, which so sees the rest.
        words.word(MAGIC).store(magic, Ordering::Release);
        Ok(Self(words))
    }

    /// Finds the ring that another process made. All that it claims is checked against the region, `T`,
    /// and this version of the crate.
    ///
    /// # Errors
    /// [`SharedRingError`]: `NoRing`, `OtherVersion`, `OtherElement`, `OtherAlign`, `OtherType`, and as for
    /// [`create`](Self::create).
    pub fn attach(region: &'r SharedRegion, offset: usize) -> Result<Self, SharedRingError> {
        let header = header(region, offset)?;
        // Acquire: pairs with the release of `create`.
        let read = |at: usize| {
            header
                .get(at)
                .map_or(0, |word| word.load(Ordering::Acquire))
        };
        check::<T>(read)?;
        Ok(Self(Words::at(region, offset, read(CAPACITY))?))
    }

    /// Slots.
    pub fn capacity(&self) -> usize {
        self.0.capacity() as usize
    }

    /// Takes the end that values go in at, where nobody has it.
    ///
    /// # Errors
    /// [`SharedRingError`]: `Taken`, `BadHolder`, `Corrupt`.
    pub fn producer(self) -> Result<SharedProducer<'r, T>, SharedRingError> {
        self.producer_unless(None)
    }

    /// Takes the end that values come out at, where nobody has it.
    ///
    /// # Errors
    /// As for [`producer`](Self::producer).
    pub fn consumer(self) -> Result<SharedConsumer<'r, T>, SharedRingError> {
        self.consumer_unless(None)
    }

    /// As [`producer`](Self::producer), in the place of a process that died with it. What it had published
    /// is in the ring, what it was writing is not.
    ///
    /// The caller knows that it died (waitpid(2), a pidfd, a broken socket, [`SharedWaitError::Died`]). One
    /// that lives on makes the two overwrite each other's values, which is a nuisance and no danger.
    ///
    /// [`SharedWaitError::Died`]: crate::ring::SharedWaitError::Died
    ///
    /// # Errors
    /// As for [`producer`](Self::producer); `Taken` names the process that has it, if it is not `dead`.
    pub fn producer_after(self, dead: u32) -> Result<SharedProducer<'r, T>, SharedRingError> {
        self.producer_unless(Some(dead))
    }

    /// As [`consumer`](Self::consumer), in the place of a process that died with it: see
    /// [`producer_after`](Self::producer_after). A value that it had taken but not counted comes again.
    ///
    /// # Errors
    /// As for [`producer_after`](Self::producer_after).
    pub fn consumer_after(self, dead: u32) -> Result<SharedConsumer<'r, T>, SharedRingError> {
        self.consumer_unless(Some(dead))
    }

    /// The process that has the producer, if one has: its number where it lives, as it said itself.
    pub fn producer_process(&self) -> Option<u32> {
        Holder::read(self.0.word(PRODUCER)).process()
    }

    /// The process that has the consumer, as [`producer_process`](Self::producer_process).
    pub fn consumer_process(&self) -> Option<u32> {
        Holder::read(self.0.word(CONSUMER)).process()
    }

    fn producer_unless(self, dead: Option<u32>) -> Result<SharedProducer<'r, T>, SharedRingError> {
        let held = Held::take(self.0.word(PRODUCER), dead)?;
        let (tail, head) = (self.position(TAIL), self.position(HEAD));
        if tail.wrapping_sub(head) > self.0.capacity() {
            // `held` lets it go.
            let (found, own) = (head, tail);
            return Err(SharedRingError::Corrupt { found, own });
        }
        Ok(SharedProducer::new(self, held, tail, head))
    }

    fn consumer_unless(self, dead: Option<u32>) -> Result<SharedConsumer<'r, T>, SharedRingError> {
        let held = Held::take(self.0.word(CONSUMER), dead)?;
        let (head, tail) = (self.position(HEAD), self.position(TAIL));
        if tail.wrapping_sub(head) > self.0.capacity() {
            let (found, own) = (tail, head);
            return Err(SharedRingError::Corrupt { found, own });
        }
        Ok(SharedConsumer::new(self, held, head, tail))
    }

    /// A position. An end that starts reads its own first: the peer's can only come closer to it.
    fn position(&self, at: usize) -> u64 {
        // Acquire: as in `look` of either end.
        self.0.word(at).load(Ordering::Acquire)
    }
}

fn is_ring(magic: u64) -> bool {
    magic & !(0xFF << VERSION_SHIFT) == NAME
}

/// Whether a header is of a ring for such values.
fn check<T: Plain>(read: impl Fn(usize) -> u64) -> Result<(), SharedRingError> {
    use SharedRingError as E;
    let found = read(MAGIC);
    if !is_ring(found) {
        return Err(E::NoRing { found });
    }
    let (found, expected) = ((found >> VERSION_SHIFT) as u8, VERSION);
    if found != expected {
        return Err(E::OtherVersion { found, expected });
    }
    let (found, expected) = (read(ELEMENT), size_of::<T>());
    if found != expected as u64 {
        return Err(E::OtherElement { found, expected });
    }
    let (found, expected) = (read(ALIGN), align_of::<T>());
    if found != expected as u64 {
        return Err(E::OtherAlign { found, expected });
    }
    let (found, expected) = (read(TYPE), T::TAG);
    if found != expected {
        return Err(E::OtherType { found, expected });
    }
    Ok(())
}

impl<T> fmt::Debug for SharedRing<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SharedRing")
            .field("capacity", &self.0.capacity())
            .field("element", &size_of::<T>())
            .finish_non_exhaustive()
    }
}
