//! A shared ring: making it, finding it, taking its ends.

use core::sync::atomic::AtomicU64;
use core::sync::atomic::Ordering;

use super::consumer::SharedConsumer;
use super::error::SharedRingError;
use super::owner::{Claim, FREE, Owner};
use super::plain::Plain;
use super::producer::SharedProducer;
use super::words::{
    ALIGN, CAPACITY, CONSUMER, ELEMENT, HEAD, MAGIC, PRODUCER, TAIL, TYPE, Words, bytes, header,
};

/// The layout's version, in the upper byte of the first word.
const VERSION: u8 = 1;
const VERSION_SHIFT: u32 = 56;

/// The first word of a ring, without the version.
const NAME: u64 = u64::from_le_bytes(*b"fp-ring\0");

/// A ring in memory that processes share. Each process takes the end that it uses.
///
/// The memory is a slice of atomic words: [`SharedRegion::words`](crate::SharedRegion::words), or a part of it. A ring
/// starts at a multiple of 64 bytes and takes [`bytes`](Self::bytes); the rest of the slice is not used.
///
/// ```
/// use std::os::fd::AsFd;
/// use framepool::SharedRegion;
/// use framepool::ring::SharedRing;
///
/// // One process makes it and passes the descriptor on (in this example there is one process).
/// let ours = SharedRegion::builder(64 << 10).create()?;
/// let mut tx = SharedRing::<[u64; 2]>::create(ours.words(), 1024)?.producer()?;
/// // The other attaches.
/// let theirs = SharedRegion::attach(ours.as_fd().try_clone_to_owned()?)?;
/// let mut rx = SharedRing::<[u64; 2]>::attach(theirs.words())?.consumer()?;
///
/// tx.push([1, 2])?;
/// assert_eq!(rx.pop()?, Some([1, 2]));
/// // Values of another size, alignment or type are refused.
/// assert!(SharedRing::<u64>::attach(theirs.words()).is_err());
/// assert!(SharedRing::<[i64; 2]>::attach(theirs.words()).is_err());
/// # Ok::<(), Box<dyn core::error::Error>>(())
/// ```
///
/// The other process may write anything, so values are [`Plain`]:
/// ```compile_fail,E0599
/// # use framepool::{SharedRegion, ring::SharedRing};
/// # let region = SharedRegion::builder(4096).create().unwrap();
/// let ring = SharedRing::<&'static str>::create(region.words(), 16);
/// ```
///
/// # Trust
/// Neither end trusts the other. Whatever the peer writes, no access is outside of the ring's slots:
///
/// | the peer | this end |
/// |---|---|
/// | writes an impossible position | returns [`SharedRingError::Corrupt`], until the position is possible |
/// | writes a possible position | takes values that were never pushed, or overwrites values that were not taken: all of them are values ([`Plain`]) |
/// | writes to a slot that is not its own | may see half of a value, or another value at the next look |
/// | writes to an owner word | returns [`SharedRingError::BadOwner`] when it needs the word |
/// | releases its end | can see it ([`SharedProducer::is_abandoned`]) |
/// | dies | notices it while it waits, at the latest before the first time-out ([`Died`](crate::ring::SharedWaitError::Died)), and may replace it ([`SharedRing::producer_after`]) |
/// | lives and does nothing | waits until the time-out |
///
/// # In place
/// There is no `&[T]` into a shared ring: a reference promises that its target does not change, and the peer may
/// change it at any moment. Instead, [`SharedProducer::reserve`] and [`SharedConsumer::peek`] hand out
/// places by number. A place is written and read by value, or some of its bytes are copied from and to a slice.
/// That saves work if values are large: a packet is copied once, from where it was received into the ring, and a
/// reader of its header copies only that. A place always holds a value, since any bytes are one; so committing a
/// place that was not written is safe, and publishes its old bytes.
///
/// **Copy out once, then decide on the copy.** Reading the same place twice may give two values.
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
    /// Returns the number of bytes that such a ring takes, a multiple of 8; `None` if they exceed the address space.
    pub fn bytes(capacity: usize) -> Option<usize> {
        bytes::<T>(capacity as u64)
    }

    /// Makes a ring at the start of `words`, where there is none: the words are zeros, as in a new region. One process
    /// makes it, before any other attaches.
    ///
    /// # Errors
    /// [`SharedRingError`]: `ZeroSize`, `ZeroCapacity`, `NotPowerOfTwo`, `Misaligned`, `RegionTooSmall`,
    /// `AlreadyMade`.
    pub fn create(words: &'r [AtomicU64], capacity: usize) -> Result<Self, SharedRingError> {
        let words = Words::<T>::new(words, capacity as u64)?;
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
        // Release: pairs with the acquire of `attach`, which then sees the other words.
        words.word(MAGIC).store(magic, Ordering::Release);
        Ok(Self(words))
    }

    /// Finds the ring that another process made at the start of `words`. Its header is checked against the length of
    /// `words`, `T`, and this version of the crate.
    ///
    /// # Errors
    /// [`SharedRingError`]: `NoRing`, `OtherVersion`, `OtherElement`, `OtherAlign`, `OtherType`, and as for
    /// [`create`](Self::create).
    pub fn attach(words: &'r [AtomicU64]) -> Result<Self, SharedRingError> {
        let header = header(words)?;
        // Acquire: pairs with the release of `create`.
        let read = |at: usize| {
            header
                .get(at)
                .map_or(0, |word| word.load(Ordering::Acquire))
        };
        check::<T>(read)?;
        Ok(Self(Words::new(words, read(CAPACITY))?))
    }

    /// Returns the number of slots.
    pub fn capacity(&self) -> usize {
        self.0.capacity() as usize
    }

    /// Takes the producer, if no process owns it.
    ///
    /// # Errors
    /// [`SharedRingError`]: `Taken`, `BadOwner`, `Corrupt`.
    pub fn producer(self) -> Result<SharedProducer<'r, T>, SharedRingError> {
        self.producer_unless(None)
    }

    /// Takes the consumer, if no process owns it.
    ///
    /// # Errors
    /// As for [`producer`](Self::producer).
    pub fn consumer(self) -> Result<SharedConsumer<'r, T>, SharedRingError> {
        self.consumer_unless(None)
    }

    /// As [`producer`](Self::producer), but replaces the process `dead`, which died while it owned the producer.
    /// Values that it had published are in the ring; a value that it was writing is not.
    ///
    /// The caller knows that the process died (waitpid(2), a pidfd, a broken socket, [`SharedWaitError::Died`]). If it
    /// lives, the two processes overwrite each other's values; memory safety does not suffer.
    ///
    /// [`SharedWaitError::Died`]: crate::ring::SharedWaitError::Died
    ///
    /// # Errors
    /// As for [`producer`](Self::producer); `Taken` names the owner, if that is not `dead`.
    pub fn producer_after(self, dead: u32) -> Result<SharedProducer<'r, T>, SharedRingError> {
        self.producer_unless(Some(dead))
    }

    /// As [`consumer`](Self::consumer), but replaces the process `dead`, which died while it owned the consumer: see
    /// [`producer_after`](Self::producer_after). A value that it had read but not yet released is taken again.
    ///
    /// # Errors
    /// As for [`producer_after`](Self::producer_after).
    pub fn consumer_after(self, dead: u32) -> Result<SharedConsumer<'r, T>, SharedRingError> {
        self.consumer_unless(Some(dead))
    }

    /// Returns the id of the process that owns the producer, if any, as that process wrote it: its id in its own
    /// namespace.
    pub fn producer_process(&self) -> Option<u32> {
        Owner::read(self.0.word(PRODUCER)).process()
    }

    /// Returns the id of the process that owns the consumer: as [`producer_process`](Self::producer_process).
    pub fn consumer_process(&self) -> Option<u32> {
        Owner::read(self.0.word(CONSUMER)).process()
    }

    /// Returns the number of values in the ring, from outside of both ends: an upper bound, because the consumer may be
    /// taking some. Never more than the capacity, whatever the positions are. Two loads.
    pub fn len(&self) -> usize {
        // In this order, as in `Observer::len`.
        let head = self.position(HEAD);
        let len = self.position(TAIL).wrapping_sub(head);
        len.min(self.0.capacity()) as usize
    }

    /// Whether [`len`](Self::len) is 0.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    fn producer_unless(self, dead: Option<u32>) -> Result<SharedProducer<'r, T>, SharedRingError> {
        let claim = Claim::take(self.0.word(PRODUCER), dead)?;
        let (tail, head) = (self.position(TAIL), self.position(HEAD));
        if tail.wrapping_sub(head) > self.0.capacity() {
            // Dropping `claim` lets the end go.
            let (found, own) = (head, tail);
            return Err(SharedRingError::Corrupt { found, own });
        }
        Ok(SharedProducer::new(self, claim, tail, head))
    }

    fn consumer_unless(self, dead: Option<u32>) -> Result<SharedConsumer<'r, T>, SharedRingError> {
        let claim = Claim::take(self.0.word(CONSUMER), dead)?;
        let (head, tail) = (self.position(HEAD), self.position(TAIL));
        if tail.wrapping_sub(head) > self.0.capacity() {
            let (found, own) = (tail, head);
            return Err(SharedRingError::Corrupt { found, own });
        }
        Ok(SharedConsumer::new(self, claim, head, tail))
    }

    /// A position. A new end reads its own first: the peer's can only come closer to it.
    fn position(&self, at: usize) -> u64 {
        // Acquire: as in `look` of either end.
        self.0.word(at).load(Ordering::Acquire)
    }
}

fn is_ring(magic: u64) -> bool {
    magic & !(0xFF << VERSION_SHIFT) == NAME
}

/// Whether a header is of a ring for values of type `T`.
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

describe!(impl[T: Plain] SharedRing<'_, T> as SharedRing { capacity, element = |_| size_of::<T>() });
