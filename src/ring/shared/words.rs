//! The layout of a shared ring, and the only access to its words.

use core::marker::PhantomData;
use core::sync::atomic::{AtomicU64, Ordering};

use super::error::SharedRingError;
use super::plain::Plain;

const WORD: usize = size_of::<u64>();
/// Alignment of a ring, in bytes: its words that are far apart are then on different cache lines.
const ALIGNMENT: usize = 64;

pub(super) const MAGIC: usize = 0;
pub(super) const ELEMENT: usize = 1;
pub(super) const ALIGN: usize = 2;
pub(super) const TYPE: usize = 3;
pub(super) const CAPACITY: usize = 4;
pub(super) const PRODUCER: usize = 16;
pub(super) const CONSUMER: usize = 17;
pub(super) const TAIL: usize = 32;
pub(super) const HEAD: usize = 48;
pub(super) const SLOTS: usize = 64;

/// The words of a ring.
///
/// # Invariants
/// 1. `capacity` is a power of two.
/// 2. `words` are [`SLOTS`] words and then those of `capacity` slots, so that no index of a slot's word
///    overflows.
pub(super) struct Words<'r, T> {
    words: &'r [AtomicU64],
    capacity: u64,
    _of: PhantomData<fn(T) -> T>,
}

impl<T> Clone for Words<'_, T> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<T> Copy for Words<'_, T> {}

/// Size of such a ring, in bytes: a multiple of a word.
pub(super) fn bytes<T>(capacity: u64) -> Option<usize> {
    let words = usize::try_from(capacity)
        .ok()?
        .checked_mul(size_of::<T>().div_ceil(WORD))?
        .checked_add(SLOTS)?;
    words.checked_mul(WORD)
}

/// The first `required` bytes, if they are there and aligned.
fn first(words: &[AtomicU64], required: usize) -> Result<&[AtomicU64], SharedRingError> {
    let addr = words.as_ptr().addr();
    if addr % ALIGNMENT != 0 {
        return Err(SharedRingError::Misaligned { addr });
    }
    let available = size_of_val(words);
    words
        .get(..required / WORD)
        .ok_or(SharedRingError::RegionTooSmall {
            required,
            available,
        })
}

/// A ring's first words, up to its slots.
pub(super) fn header(words: &[AtomicU64]) -> Result<&[AtomicU64], SharedRingError> {
    first(words, SLOTS * WORD)
}

impl<'r, T: Plain> Words<'r, T> {
    pub(super) fn new(words: &'r [AtomicU64], capacity: u64) -> Result<Self, SharedRingError> {
        if size_of::<T>() == 0 {
            return Err(SharedRingError::ZeroSize);
        }
        if capacity == 0 {
            return Err(SharedRingError::ZeroCapacity);
        }
        if !capacity.is_power_of_two() {
            return Err(SharedRingError::NotPowerOfTwo { asked: capacity });
        }
        let required = bytes::<T>(capacity).unwrap_or(usize::MAX);
        Ok(Self {
            words: first(words, required)?,
            capacity,
            _of: PhantomData,
        })
    }
}

impl<'r, T> Words<'r, T> {
    #[inline(always)]
    pub(super) fn capacity(&self) -> u64 {
        self.capacity
    }

    /// A word of the header.
    #[inline(always)]
    pub(super) fn word(&self, at: usize) -> &'r AtomicU64 {
        static NONE: AtomicU64 = AtomicU64::new(0);
        // `at` is less than SLOTS, and there are that many words (invariant 2).
        self.words.get(at).unwrap_or(&NONE)
    }

    /// The words of a position's slot.
    #[inline(always)]
    fn slot(&self, position: u64) -> &'r [AtomicU64] {
        let words = size_of::<T>().div_ceil(WORD);
        // The index of the slot is less than the capacity (invariant 1), so nothing overflows (2).
        let at = SLOTS + (position & (self.capacity - 1)) as usize * words;
        self.words.get(at..at + words).unwrap_or_default()
    }
}

impl<T: Plain> Words<'_, T> {
    /// Number of whole words of a value, and of the bytes after them.
    const PARTS: (usize, usize) = (size_of::<T>() / WORD, size_of::<T>() % WORD);

    /// Copies a value into the slot of a position.
    #[inline(always)]
    pub(super) fn write(&self, position: u64, value: &T) {
        let from = core::ptr::from_ref(value).cast::<u8>();
        let (whole, rest) = Self::PARTS;
        let slot = self.slot(position);
        for (i, word) in slot.iter().take(whole).enumerate() {
            // SAFETY: the value has a whole word at `8 i`, and no padding (`Plain`).
            let bytes = unsafe { from.add(i * WORD).cast::<[u8; WORD]>().read() };
            // Relaxed: the release of the position comes after.
            word.store(u64::from_ne_bytes(bytes), Ordering::Relaxed);
        }
        if let Some(word) = slot.get(whole) {
            let mut bytes = [0; WORD];
            // SAFETY: that many bytes follow the words, fewer than a word has.
            unsafe {
                bytes
                    .as_mut_ptr()
                    .copy_from_nonoverlapping(from.add(whole * WORD), rest)
            };
            // Relaxed: as above.
            word.store(u64::from_ne_bytes(bytes), Ordering::Relaxed);
        }
    }

    /// Copies a value out of the slot of a position.
    #[inline(always)]
    pub(super) fn read(&self, position: u64) -> T {
        // SAFETY: zeros are a value, since any bytes are (`Plain`).
        let mut value = unsafe { core::mem::zeroed() };
        self.read_to(position, &mut value);
        value
    }

    /// Copies a value out of the slot of a position, directly to its destination. If it were moved there later, it would
    /// be loaded in one piece just after it was stored word by word.
    #[inline(always)]
    pub(super) fn read_to(&self, position: u64, to: &mut T) {
        let to = core::ptr::from_mut(to).cast::<u8>();
        let (whole, rest) = Self::PARTS;
        let slot = self.slot(position);
        for (i, word) in slot.iter().take(whole).enumerate() {
            // Relaxed: the acquire of the position came before.
            let bytes = word.load(Ordering::Relaxed).to_ne_bytes();
            // SAFETY: the value has a whole word at `8 i`, and any bytes are a value (`Plain`).
            unsafe { to.add(i * WORD).cast::<[u8; WORD]>().write(bytes) };
        }
        if let Some(word) = slot.get(whole) {
            // Relaxed: as above.
            let bytes = word.load(Ordering::Relaxed).to_ne_bytes();
            // SAFETY: that many bytes follow the words, fewer than a word has.
            unsafe {
                to.add(whole * WORD)
                    .copy_from_nonoverlapping(bytes.as_ptr(), rest)
            };
        }
    }

    /// Copies bytes into the slot of a position, up to the slot's end. A word of which only a part is
    /// written is read and written back: the slot is the writer's.
    pub(super) fn write_bytes(&self, position: u64, offset: usize, mut bytes: &[u8]) {
        let mut skip = offset % WORD;
        for word in self.slot(position).iter().skip(offset / WORD) {
            let (some, rest) = bytes.split_at(bytes.len().min(WORD - skip));
            let held = match some.first_chunk() {
                Some(whole) => *whole,
                None if some.is_empty() => return,
                None => {
                    let mut held = word.load(Ordering::Relaxed).to_ne_bytes();
                    let places = held.iter_mut().skip(skip);
                    places.zip(some).for_each(|(to, from)| *to = *from);
                    held
                }
            };
            // Relaxed: the release of the position comes after.
            word.store(u64::from_ne_bytes(held), Ordering::Relaxed);
            (skip, bytes) = (0, rest);
        }
    }

    /// Copies bytes out of the slot of a position, up to the slot's end.
    pub(super) fn read_bytes(&self, position: u64, offset: usize, mut out: &mut [u8]) {
        let mut skip = offset % WORD;
        for word in self.slot(position).iter().skip(offset / WORD) {
            let n = out.len().min(WORD - skip);
            let (some, rest) = core::mem::take(&mut out).split_at_mut(n);
            if n == 0 {
                return;
            }
            // Relaxed: the acquire of the position came before.
            let held = word.load(Ordering::Relaxed).to_ne_bytes();
            match some.first_chunk_mut() {
                Some(whole) => *whole = held,
                None => {
                    let from = held.iter().skip(skip);
                    some.iter_mut().zip(from).for_each(|(to, from)| *to = *from);
                }
            }
            (skip, out) = (0, rest);
        }
    }
}
