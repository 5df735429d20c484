//! Ways to make a ring with flags: in the caller's memory, or allocated.

use core::mem::MaybeUninit;
use core::ptr::NonNull;

use crate::ring::error::RingError;
use crate::ring::flags::ends::{Ends, ends};
use crate::ring::flags::slot::FlagSlot;
use crate::ring::memory::{self, Memory};

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
/// `len` bytes from `start` on are valid for reads and writes. Only the ends use them while one of the ends lives.
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
