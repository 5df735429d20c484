//! Ways to make a ring: as a value, in the caller's memory, allocated.

use core::mem::MaybeUninit;
use core::ptr::NonNull;

use crate::ring::consumer::Consumer;
use crate::ring::error::RingError;
#[cfg(not(loom))]
use crate::ring::memory::Inline;
use crate::ring::memory::{self, Memory};
use crate::ring::producer::Producer;
use crate::ring::slot::ValueSlot;
use crate::sync::Word;

/// Both ends of one ring.
pub type Ends<'r, T> = (Producer<'r, T>, Consumer<'r, T>);

/// Both ends of an empty ring.
///
/// # Safety
/// The ring is at this position, and has no other ends.
unsafe fn ends<T>(memory: Memory<'_, ValueSlot<T>>, position: Word) -> Ends<'_, T> {
    // SAFETY: the caller's promises.
    unsafe {
        (
            Producer::new(memory.clone(), position),
            Consumer::new(memory, position),
        )
    }
}

/// The ring's memory as a value: for a `static`, where it is all zeros and lies in `.bss`, or for the
/// stack or a struct. `N` is a power of two; all slots are usable.
///
/// ```
/// use framepool::ring::Ring;
///
/// static EVENTS: Ring<u32, 64> = Ring::new();
///
/// let (mut tx, mut rx) = EVENTS.split()?;
/// tx.push(7)?;
/// assert_eq!(rx.pop(), Some(7));
/// assert!(EVENTS.split().is_err()); // only once
/// # Ok::<(), Box<dyn core::error::Error>>(())
/// ```
///
/// A wrong capacity is a compile error:
/// ```compile_fail,E0080
/// static ODD: framepool::ring::Ring<u32, 24> = framepool::ring::Ring::new();
/// ```
/// ```compile_fail,E0080
/// static NONE: framepool::ring::Ring<u32, 0> = framepool::ring::Ring::new();
/// ```
/// A ring in a static needs values that are `Send`:
/// ```compile_fail,E0277
/// static POINTERS: framepool::ring::Ring<*mut u8, 4> = framepool::ring::Ring::new();
/// ```
#[cfg(not(loom))]
pub struct Ring<T, const N: usize>(Inline<ValueSlot<T>, N>);

// SAFETY: `&Ring` gives out one producer and one consumer, once, each `Send` where `T` is.
#[cfg(not(loom))]
unsafe impl<T: Send, const N: usize> Sync for Ring<T, N> {}

#[cfg(not(loom))]
impl<T, const N: usize> Ring<T, N> {
    /// An empty ring.
    #[allow(clippy::new_without_default)]
    pub const fn new() -> Self {
        Self(Inline::new(
            [const { ValueSlot::new(MaybeUninit::uninit()) }; N],
        ))
    }

    /// Both ends, once in the life of the ring. Only this, and dropping an end, need compare-and-swap (or a
    /// critical section, on targets without it).
    ///
    /// # Errors
    /// [`RingError::AlreadySplit`], by this or by [`split_mut`](Self::split_mut).
    pub fn split(&'static self) -> Result<Ends<'static, T>, RingError> {
        // SAFETY: the memory is given out once, for one pair of ends at position 0.
        self.0.split().map(|memory| unsafe { ends(memory, 0) })
    }

    /// Both ends, for as long as the ring is borrowed. May be repeated: the ring is then empty again. Values that
    /// are left when both ends have been dropped are dropped; if an end was forgotten they are forgotten too.
    ///
    /// ```
    /// use framepool::ring::Ring;
    ///
    /// let mut ring: Ring<String, 8> = Ring::new();
    /// {
    ///     let (mut tx, mut rx) = ring.split_mut();
    ///     std::thread::scope(|scope| {
    ///         scope.spawn(move || tx.push("from another thread".into()));
    ///         while rx.is_empty() {}
    ///         assert_eq!(rx.pop().as_deref(), Some("from another thread"));
    ///     });
    /// }
    /// // The ends are gone, so the ring can be split again.
    /// let (tx, rx) = ring.split_mut();
    /// assert!(rx.is_empty() && !tx.is_abandoned());
    /// ```
    pub fn split_mut(&mut self) -> Ends<'_, T> {
        // SAFETY: the memory is borrowed exclusively, for one pair of ends at position 0.
        unsafe { ends(self.0.split_mut(), 0) }
    }
}

#[cfg(not(loom))]
describe!(impl[T, const N: usize] Ring<T, N> as Ring { capacity = |_| N });

/// Returns the number of bytes that a ring takes of a region that is aligned to [`region_align`]. In other regions it
/// takes up to `region_align() - 1` bytes more.
///
/// # Errors
/// [`RingError`]: `ZeroCapacity`, `NotPowerOfTwo`, `CapacityTooLarge`.
pub const fn region_size<T>(capacity: usize) -> Result<usize, RingError> {
    memory::size::<ValueSlot<T>>(capacity)
}

/// Returns the alignment that a ring's region should have: a pair of cache lines, or that of the values if it is
/// larger.
pub const fn region_align<T>() -> usize {
    memory::align::<ValueSlot<T>>()
}

/// A ring in the caller's memory, aligned or not: the bytes before the first aligned one are not used.
///
/// ```
/// use core::mem::MaybeUninit;
/// use framepool::ring;
///
/// // A slice, a linker section, a hugepage.
/// let mut memory = [MaybeUninit::uninit(); 4096];
/// let (mut tx, mut rx) = ring::in_memory::<u64>(&mut memory, 256)?;
/// tx.push(1)?;
/// assert_eq!(rx.pop(), Some(1));
/// # Ok::<(), Box<dyn core::error::Error>>(())
/// ```
///
/// # Errors
/// [`RingError`]: `ZeroCapacity`, `NotPowerOfTwo`, `CapacityTooLarge`, `RegionTooSmall`.
pub fn in_memory<'m, T: 'm>(
    memory: &'m mut [MaybeUninit<u8>],
    capacity: usize,
) -> Result<Ends<'m, T>, RingError> {
    let len = memory.len();
    // SAFETY: borrowed exclusively, for as long as the ends live.
    unsafe { in_raw_memory(NonNull::from(memory).cast(), len, capacity) }
}

/// As [`in_memory`], for memory that is only known by its address.
///
/// ```
/// use core::mem::MaybeUninit;
/// use core::ptr::NonNull;
/// use framepool::ring;
///
/// static mut MEMORY: [MaybeUninit<u8>; 4096] = [MaybeUninit::uninit(); 4096];
///
/// let start = NonNull::new((&raw mut MEMORY).cast()).unwrap();
/// // SAFETY: the bytes are there for ever, and nothing else uses them.
/// let (mut tx, mut rx) = unsafe { ring::in_raw_memory::<u64>(start, 4096, 256) }?;
/// tx.push(1)?;
/// assert_eq!(rx.pop(), Some(1));
/// # Ok::<(), Box<dyn core::error::Error>>(())
/// ```
///
/// # Safety
/// `len` bytes from `start` on are good for reads and writes. Nothing but the ends uses them for as long as one of
/// the ends lives.
///
/// # Errors
/// As for [`in_memory`].
pub unsafe fn in_raw_memory<'m, T: 'm>(
    start: NonNull<u8>,
    len: usize,
    capacity: usize,
) -> Result<Ends<'m, T>, RingError> {
    // SAFETY: the caller's promises; new memory, at position 0.
    unsafe { Ok(ends(Memory::in_region(start, len, capacity)?, 0)) }
}

/// A ring in memory of its own, aligned to cache lines. The memory is freed when both ends have been dropped.
///
/// ```
/// let (mut tx, mut rx) = framepool::ring::allocate(1024)?;
/// tx.push("a value")?;
/// std::thread::spawn(move || assert_eq!(rx.pop(), Some("a value"))).join().unwrap();
/// assert!(tx.is_abandoned());
/// # Ok::<(), Box<dyn core::error::Error>>(())
/// ```
///
/// # Errors
/// [`RingError`]: `ZeroCapacity`, `NotPowerOfTwo`, `CapacityTooLarge`, `OutOfMemory`.
#[cfg(any(feature = "std", loom))]
pub fn allocate<T>(capacity: usize) -> Result<Ends<'static, T>, RingError> {
    allocate_at(capacity, 0)
}

/// As [`allocate`], at any position.
#[cfg(any(feature = "std", loom))]
pub(super) fn allocate_at<T>(
    capacity: usize,
    position: Word,
) -> Result<Ends<'static, T>, RingError> {
    // SAFETY: new memory, at this position.
    Memory::allocate(capacity, position).map(|memory| unsafe { ends(memory, position) })
}
