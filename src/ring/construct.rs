//! Ways to make a ring: in the caller's memory, or allocated.

use core::mem::MaybeUninit;
use core::ptr::NonNull;

use crate::ring::consumer::Consumer;
use crate::ring::error::RingError;
use crate::ring::memory::{self, Memory};
use crate::ring::producer::Producer;
use crate::ring::slot::ValueSlot;
#[cfg(any(feature = "std", loom))]
use crate::sync::Word;

/// Both ends of one ring.
pub type Ends<'r, T> = (Producer<'r, T>, Consumer<'r, T>);

/// Both ends of a ring.
///
/// # Safety
/// The ring has no other ends.
pub(super) unsafe fn ends<T>(memory: Memory<'_, ValueSlot<T>>) -> Ends<'_, T> {
    // SAFETY: the caller's promises.
    unsafe { (Producer::new(memory.clone()), Consumer::new(memory)) }
}

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
/// // SAFETY: a static is never freed, and nothing else uses it.
/// let (mut tx, mut rx) = unsafe { ring::in_raw_memory::<u64>(start, 4096, 256) }?;
/// tx.push(1)?;
/// assert_eq!(rx.pop(), Some(1));
/// # Ok::<(), Box<dyn core::error::Error>>(())
/// ```
///
/// # Safety
/// `len` bytes from `start` on are valid for reads and writes. Only the ends and their observers use them while one
/// of these lives.
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
    // SAFETY: new memory has no ends yet.
    Memory::allocate(capacity, position).map(|memory| unsafe { ends(memory) })
}
