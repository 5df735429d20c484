//! Ways to make a ring with flags: as a value, in the caller's memory, allocated.

use core::mem::MaybeUninit;
use core::ptr::NonNull;

use crate::ring::error::RingError;
use crate::ring::flags::ends::{Ends, ends};
use crate::ring::flags::slot::FlagSlot;
#[cfg(not(loom))]
use crate::ring::memory::Inline;
use crate::ring::memory::{self, Memory};

/// A ring whose slots carry flags, as a value: for a `static`, where it is all zeros and lies in `.bss`, or
/// for the stack or a struct. `N` is a power of two; all slots are usable.
///
/// Take it if values come one by one: a value then costs the move of its own line and no other, whereas
/// [`ring::Ring`](crate::ring::Ring) also moves positions between the cores. With bursts it is mostly the other
/// way round: this ring pays for one flag a value, that one for one position a burst. A slot is
/// larger than the value by four bytes and padding, and there is no access in place.
///
/// Nothing is published late: a value can be seen, and a slot used again, as soon as the push or pop returns.
///
/// ```
/// use framepool::ring::{Spin, flags};
///
/// static ORDERS: flags::Ring<u64, 64> = flags::Ring::new();
///
/// let (mut tx, mut rx) = ORDERS.split()?;
/// let sum = std::thread::spawn(move || {
///     core::iter::from_fn(|| rx.pop_wait::<Spin>()).sum::<u64>()
/// });
/// for i in 0..100 {
///     tx.push_wait::<Spin>(i)?;
/// }
/// drop(tx);
/// assert_eq!(sum.join().unwrap(), 4950);
/// assert!(ORDERS.split().is_err()); // only once
/// # Ok::<(), Box<dyn core::error::Error>>(())
/// ```
/// ```compile_fail,E0080
/// static ODD: framepool::ring::flags::Ring<u32, 24> = framepool::ring::flags::Ring::new();
/// ```
/// A ring in a static needs values that are `Send`:
/// ```compile_fail,E0277
/// static POINTERS: framepool::ring::flags::Ring<*mut u8, 4> = framepool::ring::flags::Ring::new();
/// ```
#[cfg(not(loom))]
pub struct Ring<T, const N: usize>(Inline<FlagSlot<T>, N>);

// SAFETY: `&Ring` gives out one producer and one consumer, once, each `Send` where `T` is.
#[cfg(not(loom))]
unsafe impl<T: Send, const N: usize> Sync for Ring<T, N> {}

#[cfg(not(loom))]
impl<T, const N: usize> Ring<T, N> {
    /// An empty ring.
    #[allow(clippy::new_without_default)]
    pub const fn new() -> Self {
        Self(Inline::new([const { FlagSlot::new() }; N]))
    }

    /// Both ends, once in the life of the ring.
    ///
    /// # Errors
    /// [`RingError::AlreadySplit`], by this or by [`split_mut`](Self::split_mut).
    pub fn split(&'static self) -> Result<Ends<'static, T>, RingError> {
        // SAFETY: the memory is given out once, for one pair of ends.
        self.0.split().map(|memory| unsafe { ends(memory) })
    }

    /// Both ends, for as long as the ring is borrowed. May be repeated: the ring is then empty again. Values that
    /// are left when both ends have been dropped are dropped; if an end was forgotten they are forgotten too. O(N).
    ///
    /// ```
    /// use framepool::ring::flags;
    ///
    /// let mut ring: flags::Ring<String, 8> = flags::Ring::new();
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
        // SAFETY: the memory is borrowed exclusively, for one pair of ends.
        unsafe { ends(self.0.split_mut()) }
    }
}

#[cfg(not(loom))]
describe!(impl[T, const N: usize] Ring<T, N> as Ring { capacity = |_| N });

/// Returns the number of bytes that a ring with flags takes of a region that is aligned to [`region_align`]. In other
/// regions it takes up to `region_align() - 1` bytes more.
///
/// # Errors
/// [`RingError`]: `ZeroCapacity`, `NotPowerOfTwo`, `CapacityTooLarge`.
pub const fn region_size<T>(capacity: usize) -> Result<usize, RingError> {
    memory::size::<FlagSlot<T>>(capacity)
}

/// Returns the alignment that the region of a ring with flags should have: a pair of cache lines, or that of the
/// values if it is larger.
pub const fn region_align<T>() -> usize {
    memory::align::<FlagSlot<T>>()
}

/// A ring with flags in the caller's memory, aligned or not: the bytes before the first aligned one are not
/// used. O(capacity).
///
/// ```
/// use core::mem::MaybeUninit;
/// use framepool::ring::flags;
///
/// // A slice, a linker section, a hugepage.
/// let mut memory = [MaybeUninit::uninit(); 4096];
/// let (mut tx, mut rx) = flags::in_memory::<u64>(&mut memory, 128)?;
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
    // SAFETY: the caller's promises; new memory has no ends yet.
    unsafe { Ok(ends(Memory::in_region(start, len, capacity)?)) }
}

/// A ring with flags in memory of its own, aligned to cache lines. The memory is freed when both ends have been
/// dropped. O(capacity).
///
/// ```
/// let (mut tx, mut rx) = framepool::ring::flags::allocate(8)?;
/// tx.push("a value")?;
/// assert_eq!(rx.pop(), Some("a value"));
/// # Ok::<(), Box<dyn core::error::Error>>(())
/// ```
///
/// # Errors
/// [`RingError`]: `ZeroCapacity`, `NotPowerOfTwo`, `CapacityTooLarge`, `OutOfMemory`.
#[cfg(any(feature = "std", loom))]
pub fn allocate<T>(capacity: usize) -> Result<Ends<'static, T>, RingError> {
    // SAFETY: new memory has no ends yet.
    Memory::allocate(capacity, 0).map(|memory| unsafe { ends(memory) })
}
