//! Where the memory of a ring with flags comes from: a static, a borrowed value, the caller's region, an allocation.

#[cfg(not(loom))]
use core::fmt;
#[cfg(not(loom))]
use core::mem::MaybeUninit;
use core::ptr::NonNull;

use crate::ring::control::Control;
use crate::ring::error::RingError;
use crate::ring::flags::slot::{Side, Slot};
use crate::ring::flags::{FlagConsumer, FlagProducer};
use crate::ring::memory::{self, Free};

/// Both ends of one ring with flags.
pub type FlagEnds<'r, T> = (FlagProducer<'r, T>, FlagConsumer<'r, T>);

/// # Safety
/// As for [`Side::new`].
unsafe fn ends<'r, T>(
    control: NonNull<Control>,
    slots: NonNull<Slot<T>>,
    capacity: usize,
    free: Option<Free<Slot<T>>>,
) -> FlagEnds<'r, T> {
    // SAFETY: the caller's promises.
    unsafe {
        (
            FlagProducer(Side::new(control, slots, capacity, free)),
            FlagConsumer(Side::new(control, slots, capacity, free)),
        )
    }
}

/// Both ends of a ring of new memory, whose slots it makes empty.
///
/// # Safety
/// So many slots are there, the ends' alone until both have left; `free`, where there is one, may then be called.
unsafe fn made<'r, T>(
    control: NonNull<Control>,
    first: NonNull<Slot<T>>,
    capacity: usize,
    free: Option<Free<Slot<T>>>,
) -> FlagEnds<'r, T> {
    // SAFETY: the caller's promises.
    unsafe {
        (0..capacity).for_each(|i| first.add(i).write(Slot::new()));
        ends(control, first, capacity, free)
    }
}

/// A ring whose slots carry flags, as a value: for a `static`, where it is all zeros and lies in `.bss`, or
/// for the stack or a struct. `N` is a power of two; all of them are usable.
///
/// Take it where values come one by one: a value then costs the move of its own line and no other, where
/// [`Ring`](crate::ring::Ring) also moves positions between the cores. With bursts it is mostly the other
/// way round: this ring pays for a flag a value, that one for a position a burst. A slot is
/// larger than the value by four bytes and padding, and there is no access in place.
///
/// Nothing is published late: a value can be seen, and a place used, as soon as the push or pop is over.
///
/// ```
/// use framepool::ring::{FlagRing, Spin};
///
/// static ORDERS: FlagRing<u64, 64> = FlagRing::new();
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
/// assert!(ORDERS.split().is_err()); // once
/// # Ok::<(), Box<dyn core::error::Error>>(())
/// ```
/// ```compile_fail,E0080
/// static ODD: framepool::ring::FlagRing<u32, 24> = framepool::ring::FlagRing::new();
/// ```
/// What cannot be sent cannot lie in a static:
/// ```compile_fail,E0277
/// static POINTERS: framepool::ring::FlagRing<*mut u8, 4> = framepool::ring::FlagRing::new();
/// ```
#[cfg(not(loom))]
pub struct FlagRing<T, const N: usize> {
    control: Control,
    slots: [Slot<T>; N],
}

// SAFETY: what `&FlagRing` gives out is one producer and one consumer, once, each `Send` where `T` is.
#[cfg(not(loom))]
unsafe impl<T: Send, const N: usize> Sync for FlagRing<T, N> {}

#[cfg(not(loom))]
impl<T, const N: usize> FlagRing<T, N> {
    /// An empty ring.
    #[allow(clippy::new_without_default)]
    pub const fn new() -> Self {
        const { memory::check::<Slot<T>>(N) };
        Self {
            control: Control::new(),
            slots: [const { Slot::new() }; N],
        }
    }

    /// Both ends, once in the life of the ring.
    ///
    /// # Errors
    /// [`RingError::AlreadySplit`], by this or by [`split_mut`](Self::split_mut).
    pub fn split(&'static self) -> Result<FlagEnds<'static, T>, RingError> {
        if !self.control.claim() {
            return Err(RingError::AlreadySplit);
        }
        // SAFETY: the memory lives for ever, and `claim` succeeds once: these are its only ends. The slots
        // are as `new` made them, all empty.
        Ok(unsafe { ends(NonNull::from(&self.control), self.first(), N, None) })
    }

    /// Both ends, for as long as the ring is borrowed. May be repeated: the ring is empty again. What is in
    /// it when both ends have been dropped is dropped; what is in it when an end was forgotten is
    /// forgotten too. O(N).
    ///
    /// ```
    /// use framepool::ring::FlagRing;
    ///
    /// let mut ring: FlagRing<String, 8> = FlagRing::new();
    /// {
    ///     let (mut tx, mut rx) = ring.split_mut();
    ///     std::thread::scope(|scope| {
    ///         scope.spawn(move || tx.push("from afar".into()));
    ///         while rx.is_empty() {}
    ///         assert_eq!(rx.pop().as_deref(), Some("from afar"));
    ///     });
    /// }
    /// // Once they are gone, again.
    /// let (tx, rx) = ring.split_mut();
    /// assert!(rx.is_empty() && !tx.is_abandoned());
    /// ```
    pub fn split_mut(&mut self) -> FlagEnds<'_, T> {
        self.control.reset(0);
        // Ends that are forgotten leave flags set: `split`, which relies on none being, must then fail.
        self.control.claim();
        // What such ends left is forgotten: a slot does not drop its value.
        self.slots.iter_mut().for_each(|slot| *slot = Slot::new());
        // SAFETY: the memory lives as long as the borrow, during which nobody can split it again.
        unsafe { ends(NonNull::from(&self.control), self.first(), N, None) }
    }

    /// The first slot, by a pointer that is good for all of them.
    fn first(&self) -> NonNull<Slot<T>> {
        NonNull::from(&self.slots).cast()
    }
}

#[cfg(not(loom))]
impl<T, const N: usize> fmt::Debug for FlagRing<T, N> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FlagRing")
            .field("capacity", &N)
            .finish_non_exhaustive()
    }
}

/// Bytes that a ring with flags takes of a region that is aligned to [`flagged_region_align`]; up to that
/// less one more of one that is not.
///
/// # Errors
/// [`RingError`]: `ZeroCapacity`, `NotPowerOfTwo`, `CapacityTooLarge`.
#[cfg(not(loom))]
pub const fn flagged_region_size<T>(capacity: usize) -> Result<usize, RingError> {
    memory::size::<Slot<T>>(capacity)
}

/// What the region of a ring with flags should be aligned to: a pair of cache lines, or more if the values
/// want more.
#[cfg(not(loom))]
pub const fn flagged_region_align<T>() -> usize {
    memory::align::<Slot<T>>()
}

/// A ring with flags in the caller's memory, aligned or not: the bytes before the first aligned one are not
/// used. O(capacity).
///
/// ```
/// use core::mem::MaybeUninit;
/// use framepool::ring;
///
/// // A slice, a linker section, a hugepage.
/// let mut memory = [MaybeUninit::uninit(); 4096];
/// let (mut tx, mut rx) = ring::flagged_in_memory::<u64>(&mut memory, 128)?;
/// tx.push(1)?;
/// assert_eq!(rx.pop(), Some(1));
/// # Ok::<(), Box<dyn core::error::Error>>(())
/// ```
///
/// # Errors
/// [`RingError`]: `ZeroCapacity`, `NotPowerOfTwo`, `CapacityTooLarge`, `RegionTooSmall`.
#[cfg(not(loom))]
pub fn flagged_in_memory<'m, T: 'm>(
    memory: &'m mut [MaybeUninit<u8>],
    capacity: usize,
) -> Result<FlagEnds<'m, T>, RingError> {
    let len = memory.len();
    let start = NonNull::from(memory).cast();
    // SAFETY: borrowed exclusively, for as long as the ends live.
    unsafe { flagged_in_raw_memory(start, len, capacity) }
}

/// As [`flagged_in_memory`], for memory that is only known by its address.
///
/// # Safety
/// `len` bytes from `start` on are good for reads and writes, by nobody but the ends and for as long as one of them
/// lives.
///
/// # Errors
/// As for [`flagged_in_memory`].
#[cfg(not(loom))]
pub unsafe fn flagged_in_raw_memory<'m, T: 'm>(
    start: NonNull<u8>,
    len: usize,
    capacity: usize,
) -> Result<FlagEnds<'m, T>, RingError> {
    // SAFETY: the caller's promises.
    let (control, first) = unsafe { memory::carve::<Slot<T>>(start, len, capacity)? };
    // SAFETY: that ring is the ends' until both have left.
    Ok(unsafe { made(control, first, capacity, None) })
}

/// A ring with flags in memory of its own, aligned to cache lines, freed with the second of its ends.
/// O(capacity).
///
/// ```
/// let (mut tx, mut rx) = framepool::ring::allocate_flagged(8)?;
/// tx.push("a value")?;
/// assert_eq!(rx.pop(), Some("a value"));
/// # Ok::<(), Box<dyn core::error::Error>>(())
/// ```
///
/// # Errors
/// [`RingError`]: `ZeroCapacity`, `NotPowerOfTwo`, `CapacityTooLarge`, `OutOfMemory`.
#[cfg(any(feature = "std", loom))]
pub fn allocate_flagged<T>(capacity: usize) -> Result<FlagEnds<'static, T>, RingError> {
    let (control, first) = memory::allocate::<Slot<T>>(capacity)?;
    let free = memory::free::<Slot<T>>;
    // SAFETY: it lives until `free`, and nobody else knows of it.
    Ok(unsafe { made(control, first, capacity, Some(free)) })
}
