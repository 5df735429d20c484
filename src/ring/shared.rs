//! A ring in memory that two processes share.
//!
//! ```text
//!  word  0        1         2         3     16        17     32     48          64
//!        magic    element   capacity  ·     producer  consumer tail  head       slots …
//!        written  bytes     slots           who holds each end  (each on lines of its own)
//!        last
//! ```
//!
//! All of it is 64-bit words in the machine's byte order, and all access is by such words. An end trusts
//! nothing that the peer can write: capacity and element size are copied out once and checked; its own
//! position it keeps to itself; the peer's position is checked against it each time it is read. A slot's
//! index is its own position's lower bits, so whatever the peer writes, no access is outside of the
//! slots. A peer that lies can give wrong values, which are still values, and no more than that.

use core::fmt;
use core::marker::PhantomData;
use core::sync::atomic::{AtomicU64, Ordering};

use crate::region::{AccessError, SharedRegion};

/// "fp-ring" and the layout's version.
const MAGIC: u64 = u64::from_le_bytes(*b"fp-ring\x01");
const WORD: usize = 8;

const ELEMENT: usize = 1;
const CAPACITY: usize = 2;
const PRODUCER: usize = 16;
const CONSUMER: usize = 17;
const TAIL: usize = 32;
const HEAD: usize = 48;
const SLOTS: usize = 64;

/// A peer that rewrites its word all the time is not waited for longer than this.
const TRIES: usize = 64;

/// Nobody has had this end.
const FREE: u64 = 0;
/// Whoever had it let it go.
const GONE: u64 = u64::MAX;

/// Values that are no more than their bytes: what another process wrote is a value of the type, whatever
/// it is.
///
/// # Safety
/// Any bytes are a valid value; there is no padding; there are no pointers that anybody follows.
pub unsafe trait Plain: Copy + 'static {}

macro_rules! plain {
    ($($t:ty)*) => { $(
        // SAFETY: any bytes are a number.
        unsafe impl Plain for $t {}
    )* };
}

plain!(u8 u16 u32 u64 u128 usize i8 i16 i32 i64 i128 isize f32 f64);

// SAFETY: values side by side, without padding between them.
unsafe impl<T: Plain, const N: usize> Plain for [T; N] {}

/// Why there is no ring in a shared region, or no end of it to be had.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
#[non_exhaustive]
pub enum SharedRingError {
    /// A ring of zero slots was asked for, or is there.
    ZeroCapacity,
    /// The number of slots is no power of two.
    NotPowerOfTwo {
        /// Slots asked for, or claimed to be there.
        asked: u64,
    },
    /// Values of no size cannot be shared.
    ZeroSize,
    /// It would end behind the region.
    RegionTooSmall {
        /// Bytes from the region's start that it needs; `usize::MAX` if they exceed the address space.
        required: usize,
        /// Bytes of the region.
        available: usize,
    },
    /// Rings lie at multiples of 64 bytes.
    Misaligned {
        /// Bytes from the region's start.
        offset: usize,
    },
    /// There is no ring here, or one of another version.
    NoRing {
        /// The word at the ring's start.
        found: u64,
    },
    /// There is a ring for values of another size.
    OtherElement {
        /// Bytes of its values.
        found: u64,
        /// Bytes of those asked for.
        expected: usize,
    },
    /// There is a ring already, and it may be in use.
    AlreadyMade,
    /// Somebody has this end.
    Taken {
        /// The process that took it.
        by: u32,
    },
    /// The positions in the ring are not those of a ring of its capacity: a peer wrote to them.
    Corrupt {
        /// The position that was read.
        found: u64,
        /// The position of this end.
        own: u64,
    },
}

impl fmt::Display for SharedRingError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::ZeroCapacity => write!(f, "a ring must have at least one slot"),
            Self::NotPowerOfTwo { asked } => write!(f, "{asked} slots are no power of two"),
            Self::ZeroSize => write!(f, "values of no size cannot be shared"),
            Self::RegionTooSmall {
                required,
                available,
            } => write!(
                f,
                "the ring needs {required} bytes, the region has {available}"
            ),
            Self::Misaligned { offset } => {
                write!(f, "offset {offset} is no multiple of 64")
            }
            Self::NoRing { found } => write!(f, "there is no ring, but {found:#x}"),
            Self::OtherElement { found, expected } => {
                write!(f, "the ring is for values of {found} bytes, not {expected}")
            }
            Self::AlreadyMade => write!(f, "there is a ring already"),
            Self::Taken { by } => write!(f, "process {by} has this end"),
            Self::Corrupt { found, own } => {
                write!(f, "the peer's position {found} cannot be, with {own} here")
            }
        }
    }
}

impl core::error::Error for SharedRingError {}

/// A value was not pushed. It is in here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
#[non_exhaustive]
pub enum SharedPushError<T> {
    /// The ring is full.
    Full(T),
    /// The peer's position cannot be: it lies, or overwrote it. Nothing else will work until it is right.
    Corrupt(T),
}

impl<T> SharedPushError<T> {
    /// The value that was not pushed.
    pub fn into_inner(self) -> T {
        match self {
            Self::Full(value) | Self::Corrupt(value) => value,
        }
    }
}

impl<T> fmt::Display for SharedPushError<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Full(_) => write!(f, "the ring is full"),
            Self::Corrupt(_) => write!(f, "the consumer's position cannot be"),
        }
    }
}

impl<T: fmt::Debug> core::error::Error for SharedPushError<T> {}

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
/// // Another layout is refused.
/// assert!(SharedRing::<u64>::attach(&theirs, 0).is_err());
/// # Ok::<(), Box<dyn core::error::Error>>(())
/// ```
///
/// What the other process may write is anything, so values are [`Plain`]:
/// ```compile_fail,E0277
/// # use framepool::{SharedRegion, ring::SharedRing};
/// # let region = SharedRegion::builder(4096).create().unwrap();
/// let ring = SharedRing::<&'static str>::create(&region, 0, 16);
/// ```
pub struct SharedRing<'r, T> {
    words: &'r [AtomicU64],
    capacity: u64,
    _of: PhantomData<fn(T) -> T>,
}

impl<T> Clone for SharedRing<'_, T> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<T> Copy for SharedRing<'_, T> {}

/// Bytes from the region's start to the end of such a ring at `offset`.
fn end_of<T>(offset: usize, capacity: u64) -> Option<usize> {
    let words = usize::try_from(capacity)
        .ok()?
        .checked_mul(size_of::<T>().div_ceil(WORD))?
        .checked_add(SLOTS)?;
    offset.checked_add(words.checked_mul(WORD)?)
}

impl<'r, T: Plain> SharedRing<'r, T> {
    /// Bytes that such a ring takes; `None` if they exceed the address space.
    pub fn bytes(capacity: usize) -> Option<usize> {
        end_of::<T>(0, capacity as u64)
    }

    fn at(region: &'r SharedRegion, offset: usize, capacity: u64) -> Result<Self, SharedRingError> {
        if size_of::<T>() == 0 {
            return Err(SharedRingError::ZeroSize);
        }
        if capacity == 0 {
            return Err(SharedRingError::ZeroCapacity);
        }
        if !capacity.is_power_of_two() {
            return Err(SharedRingError::NotPowerOfTwo { asked: capacity });
        }
        let available = region.len();
        let required = end_of::<T>(offset, capacity).unwrap_or(usize::MAX);
        let words = words(region, offset, required.saturating_sub(offset) / WORD)?;
        if required > available {
            return Err(SharedRingError::RegionTooSmall {
                required,
                available,
            });
        }
        Ok(Self {
            words,
            capacity,
            _of: PhantomData,
        })
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
        let ring = Self::at(region, offset, capacity as u64)?;
        if ring.word(0).load(Ordering::Acquire) == MAGIC {
            return Err(SharedRingError::AlreadyMade);
        }
        for (at, value) in [
            (ELEMENT, size_of::<T>() as u64),
            (CAPACITY, capacity as u64),
            (PRODUCER, FREE),
            (CONSUMER, FREE),
            (TAIL, 0),
            (HEAD, 0),
        ] {
            ring.word(at).store(value, Ordering::Relaxed);
        }
        // Release: pairs with the acquire of `attach`, which so sees the rest.
        ring.word(0).store(MAGIC, Ordering::Release);
        Ok(ring)
    }

    /// Finds the ring that another process made. All that it claims is checked against the region and `T`.
    ///
    /// # Errors
    /// [`SharedRingError`]: `NoRing`, `OtherElement`, and as for [`create`](Self::create).
    pub fn attach(region: &'r SharedRegion, offset: usize) -> Result<Self, SharedRingError> {
        let header = words(region, offset, SLOTS)?;
        let read = |at: usize| {
            header
                .get(at)
                .map_or(0, |word| word.load(Ordering::Relaxed))
        };
        // Acquire: pairs with the release of `create`.
        let found = header
            .first()
            .map_or(0, |word| word.load(Ordering::Acquire));
        if found != MAGIC {
            return Err(SharedRingError::NoRing { found });
        }
        let (found, expected) = (read(ELEMENT), size_of::<T>());
        if found != expected as u64 {
            return Err(SharedRingError::OtherElement { found, expected });
        }
        Self::at(region, offset, read(CAPACITY))
    }

    /// Slots.
    pub fn capacity(&self) -> usize {
        self.capacity as usize
    }

    /// Takes the end that values go in at, where nobody has it.
    ///
    /// # Errors
    /// [`SharedRingError`]: `Taken`, `Corrupt`.
    pub fn producer(self) -> Result<SharedProducer<'r, T>, SharedRingError> {
        self.take(PRODUCER, None)?;
        self.as_producer()
    }

    /// Takes the end that values come out at, where nobody has it.
    ///
    /// # Errors
    /// As for [`producer`](Self::producer).
    pub fn consumer(self) -> Result<SharedConsumer<'r, T>, SharedRingError> {
        self.take(CONSUMER, None)?;
        self.as_consumer()
    }

    /// As [`producer`](Self::producer), in the place of a process that died with it. What it had published
    /// is in the ring, what it was writing is not.
    ///
    /// The caller knows that it died (waitpid(2), a pidfd, a broken socket). One that lives on makes the two
    /// overwrite each other's values, which is a nuisance and no danger.
    ///
    /// # Errors
    /// As for [`producer`](Self::producer); `Taken` names the process that has it, if it is not `dead`.
    pub fn producer_after(self, dead: u32) -> Result<SharedProducer<'r, T>, SharedRingError> {
        self.take(PRODUCER, Some(dead))?;
        self.as_producer()
    }

    /// As [`consumer`](Self::consumer), in the place of a process that died with it: see
    /// [`producer_after`](Self::producer_after). A value that it had taken but not counted comes again.
    ///
    /// # Errors
    /// As for [`producer_after`](Self::producer_after).
    pub fn consumer_after(self, dead: u32) -> Result<SharedConsumer<'r, T>, SharedRingError> {
        self.take(CONSUMER, Some(dead))?;
        self.as_consumer()
    }

    /// The process that has the producer, if one has.
    pub fn producer_process(&self) -> Option<u32> {
        process(self.word(PRODUCER).load(Ordering::Acquire))
    }

    /// The process that has the consumer, if one has.
    pub fn consumer_process(&self) -> Option<u32> {
        process(self.word(CONSUMER).load(Ordering::Acquire))
    }

    fn take(&self, end: usize, dead: Option<u32>) -> Result<(), SharedRingError> {
        let me = u64::from(std::process::id());
        let word = self.word(end);
        let mut seen = word.load(Ordering::Acquire);
        for _ in 0..TRIES {
            match process(seen) {
                Some(by) if dead != Some(by) => return Err(SharedRingError::Taken { by }),
                _ => {}
            }
            // Acquire: pairs with the release of who let it go, whose position is then seen.
            match word.compare_exchange(seen, me, Ordering::AcqRel, Ordering::Acquire) {
                Ok(_) => return Ok(()),
                Err(now) => seen = now,
            }
        }
        // Somebody takes it and lets it go faster than that.
        let by = process(seen).unwrap_or_default();
        Err(SharedRingError::Taken { by })
    }

    fn as_producer(self) -> Result<SharedProducer<'r, T>, SharedRingError> {
        let (tail, head) = self.positions(PRODUCER)?;
        Ok(SharedProducer {
            ring: self,
            tail,
            head,
        })
    }

    fn as_consumer(self) -> Result<SharedConsumer<'r, T>, SharedRingError> {
        let (tail, head) = self.positions(CONSUMER)?;
        Ok(SharedConsumer {
            ring: self,
            head,
            tail,
        })
    }

    /// Both positions, or the end is let go again.
    fn positions(&self, end: usize) -> Result<(u64, u64), SharedRingError> {
        // Acquire: as in `push` and `pop`. The own one first: the peer's can only come closer to it.
        let (own, other) = if end == PRODUCER {
            (TAIL, HEAD)
        } else {
            (HEAD, TAIL)
        };
        let own = self.word(own).load(Ordering::Acquire);
        let found = self.word(other).load(Ordering::Acquire);
        let (tail, head) = if end == PRODUCER {
            (own, found)
        } else {
            (found, own)
        };
        if tail.wrapping_sub(head) > self.capacity {
            self.word(end).store(GONE, Ordering::Release);
            return Err(SharedRingError::Corrupt { found, own });
        }
        Ok((tail, head))
    }

    /// One of the header's words.
    #[inline(always)]
    fn word(&self, at: usize) -> &'r AtomicU64 {
        static NONE: AtomicU64 = AtomicU64::new(0);
        // `at` is below SLOTS, and there are so many.
        self.words.get(at).unwrap_or(&NONE)
    }

    /// The words of a position's slot.
    #[inline(always)]
    fn slot(&self, position: u64) -> &'r [AtomicU64] {
        let words = size_of::<T>().div_ceil(WORD);
        // Less than the capacity, a power of two, so a product that `at` has seen to fit.
        let at = SLOTS + (position & (self.capacity - 1)) as usize * words;
        self.words.get(at..at + words).unwrap_or(&[])
    }

    #[inline(always)]
    fn write(&self, position: u64, value: &T) {
        let from = core::ptr::from_ref(value).cast::<u8>();
        for (i, word) in self.slot(position).iter().enumerate() {
            let n = (size_of::<T>() - i * WORD).min(WORD);
            let mut bytes = [0; WORD];
            // SAFETY: `n` bytes are there at `8 i` of the value, which has no padding (`Plain`).
            unsafe {
                bytes
                    .as_mut_ptr()
                    .copy_from_nonoverlapping(from.add(i * WORD), n)
            };
            // Relaxed: the release of the position comes after.
            word.store(u64::from_ne_bytes(bytes), Ordering::Relaxed);
        }
    }

    #[inline(always)]
    fn read(&self, position: u64) -> T {
        let mut value = core::mem::MaybeUninit::<T>::zeroed();
        let to = value.as_mut_ptr().cast::<u8>();
        for (i, word) in self.slot(position).iter().enumerate() {
            let n = (size_of::<T>() - i * WORD).min(WORD);
            // Relaxed: the acquire of the position came before.
            let bytes = word.load(Ordering::Relaxed).to_ne_bytes();
            // SAFETY: `n` bytes are there at `8 i` of the value.
            unsafe { to.add(i * WORD).copy_from_nonoverlapping(bytes.as_ptr(), n) };
        }
        // SAFETY: all bytes are written, if by zeros, and any bytes are a value (`Plain`).
        unsafe { value.assume_init() }
    }
}

fn process(holder: u64) -> Option<u32> {
    match holder {
        FREE | GONE => None,
        holder => Some(holder as u32),
    }
}

/// `count` words at a ring's place.
fn words(
    region: &SharedRegion,
    offset: usize,
    count: usize,
) -> Result<&[AtomicU64], SharedRingError> {
    if offset % 64 != 0 {
        return Err(SharedRingError::Misaligned { offset });
    }
    region.atomics(offset, count).map_err(|error| match error {
        AccessError::Misaligned { offset, .. } => SharedRingError::Misaligned { offset },
        _ => SharedRingError::RegionTooSmall {
            required: offset.saturating_add(count.saturating_mul(WORD)),
            available: region.len(),
        },
    })
}

impl<T> fmt::Debug for SharedRing<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SharedRing")
            .field("capacity", &self.capacity)
            .field("element", &size_of::<T>())
            .finish_non_exhaustive()
    }
}

/// The end that values go in at, of a ring that two processes share. `Send`, not `Clone`; let go when it is
/// dropped, and to be taken again then.
pub struct SharedProducer<'r, T: Plain> {
    ring: SharedRing<'r, T>,
    tail: u64,
    head: u64,
}

impl<T: Plain> SharedProducer<'_, T> {
    /// Appends a value. O(size of the value).
    ///
    /// # Errors
    /// [`SharedPushError`] with the value.
    #[inline]
    pub fn push(&mut self, value: T) -> Result<(), SharedPushError<T>> {
        match self.room() {
            Ok(0) => return Err(SharedPushError::Full(value)),
            Ok(_) => {}
            Err(_) => return Err(SharedPushError::Corrupt(value)),
        }
        self.ring.write(self.tail, &value);
        self.publish(1);
        Ok(())
    }

    /// Appends as many as there is room for, from the first on, published together. How many.
    ///
    /// # Errors
    /// [`SharedRingError::Corrupt`]; nothing was pushed.
    pub fn push_slice(&mut self, values: &[T]) -> Result<usize, SharedRingError> {
        let room = self.look()?;
        let (values, _) = values.split_at(values.len().min(room as usize));
        for (i, value) in (0..).zip(values) {
            self.ring.write(self.tail.wrapping_add(i), value);
        }
        self.publish(values.len() as u64);
        Ok(values.len())
    }

    fn publish(&mut self, n: u64) {
        self.tail = self.tail.wrapping_add(n);
        // Release: pairs with the consumer's acquire of the tail.
        self.ring.word(TAIL).store(self.tail, Ordering::Release);
    }

    #[inline]
    fn room(&mut self) -> Result<u64, SharedRingError> {
        match self.ring.capacity - self.tail.wrapping_sub(self.head) {
            0 => self.look(),
            known => Ok(known),
        }
    }

    /// Reads the consumer's position, and believes it if it can be.
    fn look(&mut self) -> Result<u64, SharedRingError> {
        // Acquire: pairs with the consumer's release of the head.
        let found = self.ring.word(HEAD).load(Ordering::Acquire);
        let (waiting, known) = (
            self.tail.wrapping_sub(found),
            self.tail.wrapping_sub(self.head),
        );
        // It only grows, up to the tail: less is waiting than before.
        if waiting > known {
            let own = self.tail;
            return Err(SharedRingError::Corrupt { found, own });
        }
        self.head = found;
        Ok(self.ring.capacity - waiting)
    }

    /// Whether a consumer was there and let go. One that died did not: ask the system about
    /// [`SharedRing::consumer_process`].
    pub fn is_abandoned(&self) -> bool {
        // Acquire: pairs with the release of its drop.
        self.ring.word(CONSUMER).load(Ordering::Acquire) == GONE
    }

    /// The ring.
    pub fn ring(&self) -> &SharedRing<'_, T> {
        &self.ring
    }
}

/// The end that values come out at, of a ring that two processes share. `Send`, not `Clone`; let go when it
/// is dropped, and to be taken again then.
pub struct SharedConsumer<'r, T: Plain> {
    ring: SharedRing<'r, T>,
    head: u64,
    tail: u64,
}

impl<T: Plain> SharedConsumer<'_, T> {
    /// Takes the oldest value; `None` if there is none. O(size of the value).
    ///
    /// # Errors
    /// [`SharedRingError::Corrupt`]: the peer's position cannot be.
    #[inline]
    pub fn pop(&mut self) -> Result<Option<T>, SharedRingError> {
        if self.tail == self.head && self.look()? == 0 {
            return Ok(None);
        }
        let value = self.ring.read(self.head);
        self.retire(1);
        Ok(Some(value))
    }

    /// Takes as many as there are, at most as many as `out` has places, which are written from the first
    /// on. How many.
    ///
    /// # Errors
    /// [`SharedRingError::Corrupt`]; `out` is as it was.
    pub fn pop_slice(&mut self, out: &mut [T]) -> Result<usize, SharedRingError> {
        let n = out.len().min(self.look()? as usize);
        for (i, value) in (0..).zip(out.iter_mut().take(n)) {
            *value = self.ring.read(self.head.wrapping_add(i));
        }
        self.retire(n as u64);
        Ok(n)
    }

    fn retire(&mut self, n: u64) {
        self.head = self.head.wrapping_add(n);
        // Release: pairs with the producer's acquire of the head.
        self.ring.word(HEAD).store(self.head, Ordering::Release);
    }

    /// Reads the producer's position, and believes it if it can be.
    fn look(&mut self) -> Result<u64, SharedRingError> {
        // Acquire: pairs with the producer's release of the tail.
        let found = self.ring.word(TAIL).load(Ordering::Acquire);
        let waiting = found.wrapping_sub(self.head);
        // It only grows: more is waiting than before, and no more than there is room for.
        if waiting > self.ring.capacity || waiting < self.tail.wrapping_sub(self.head) {
            let own = self.head;
            return Err(SharedRingError::Corrupt { found, own });
        }
        self.tail = found;
        Ok(waiting)
    }

    /// Whether a producer was there and let go: as [`SharedProducer::is_abandoned`].
    pub fn is_abandoned(&self) -> bool {
        // Acquire: pairs with the release of its drop, after which the tail is its last.
        self.ring.word(PRODUCER).load(Ordering::Acquire) == GONE
    }

    /// The ring.
    pub fn ring(&self) -> &SharedRing<'_, T> {
        &self.ring
    }
}

macro_rules! end {
    ($end:ident, $name:literal, $word:ident) => {
        impl<T: Plain> Drop for $end<'_, T> {
            fn drop(&mut self) {
                let me = u64::from(std::process::id());
                let (success, failure) = (Ordering::Release, Ordering::Relaxed);
                // Whoever took it over keeps it. Release: pairs with the acquire of `take` and of
                // the peer's `is_abandoned`.
                let word = self.ring.word($word);
                let _ = word.compare_exchange(me, GONE, success, failure);
            }
        }

        impl<T: Plain> fmt::Debug for $end<'_, T> {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.debug_struct($name)
                    .field("head", &self.head)
                    .field("tail", &self.tail)
                    .field("ring", &self.ring)
                    .finish()
            }
        }
    };
}

end!(SharedProducer, "SharedProducer", PRODUCER);
end!(SharedConsumer, "SharedConsumer", CONSUMER);
