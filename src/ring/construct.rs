//! Where a ring's memory comes from: a static, a borrowed value, the caller's region, an allocation.

#[cfg(not(loom))]
use core::fmt;
use core::mem::MaybeUninit;
use core::ptr::NonNull;

use crate::ring::control::Control;
use crate::ring::ends::{Place, Slot};
use crate::ring::error::RingError;
use crate::ring::memory::{self, Free};
use crate::ring::{Consumer, Producer};
use crate::sync::Word;

/// Both ends of one ring.
pub type Ends<'r, T> = (Producer<'r, T>, Consumer<'r, T>);

/// Both ends of a ring that nobody has an end of.
///
/// # Safety
/// As for [`Place::new`]; the ring is empty at this position, and there are no other ends.
unsafe fn ends<'r, T>(
    control: NonNull<Control>,
    slots: NonNull<Slot<T>>,
    capacity: usize,
    free: Option<Free<Slot<T>>>,
    position: Word,
) -> Ends<'r, T> {
    // SAFETY: the caller's promises.
    unsafe {
        let place = Place::new(control, slots, capacity, free);
        (
            Producer::new(place.clone(), position),
            Consumer::new(place, position),
        )
    }
}

/// Both ends of a ring of new memory, whose slots need no initialisation: only loom's do.
///
/// # Safety
/// As for [`ends`].
unsafe fn made<'r, T>(
    control: NonNull<Control>,
    first: NonNull<Slot<T>>,
    capacity: usize,
    free: Option<Free<Slot<T>>>,
    position: Word,
) -> Ends<'r, T> {
    // SAFETY: the caller's promises; so many slots are there.
    unsafe {
        #[cfg(loom)]
        (0..capacity).for_each(|i| first.add(i).write(Slot::new(MaybeUninit::uninit())));
        ends(control, first, capacity, free, position)
    }
}

/// The ring's memory as a value: for a `static`, where it is all zeros and lies in `.bss`, or for the
/// stack or a struct. `N` is a power of two; all of them are usable.
///
/// ```
/// use framepool::ring::Ring;
///
/// static EVENTS: Ring<u32, 64> = Ring::new();
///
/// let (mut tx, mut rx) = EVENTS.split()?;
/// tx.push(7)?;
/// assert_eq!(rx.pop(), Some(7));
/// assert!(EVENTS.split().is_err()); // once
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
/// What cannot be sent cannot lie in a static:
/// ```compile_fail,E0277
/// static POINTERS: framepool::ring::Ring<*mut u8, 4> = framepool::ring::Ring::new();
/// ```
#[cfg(not(loom))]
pub struct Ring<T, const N: usize> {
    control: Control,
    slots: [Slot<T>; N],
}

// SAFETY: what `&Ring` gives out is one producer and one consumer, once, each `Send` where `T` is.
#[cfg(not(loom))]
unsafe impl<T: Send, const N: usize> Sync for Ring<T, N> {}

#[cfg(not(loom))]
impl<T, const N: usize> Ring<T, N> {
    /// An empty ring.
    #[allow(clippy::new_without_default)]
    pub const fn new() -> Self {
        const { memory::check::<Slot<T>>(N) };
        Self {
            control: Control::new(),
            slots: [const { Slot::new(MaybeUninit::uninit()) }; N],
        }
    }

    /// Both ends, once in the life of the ring. That, and an end's going, are the only steps that need
    /// compare-and-swap (or a critical section, on targets without it).
    ///
    /// # Errors
    /// [`RingError::AlreadySplit`], by this or by [`split_mut`](Self::split_mut).
    pub fn split(&'static self) -> Result<Ends<'static, T>, RingError> {
        if !self.control.claim() {
            return Err(RingError::AlreadySplit);
        }
        // SAFETY: the memory lives for ever, and `claim` succeeds once: these are its only ends.
        // The cells may be written through a shared reference.
        Ok(unsafe { ends(NonNull::from(&self.control), self.first(), N, None, 0) })
    }

    /// Both ends, for as long as the ring is borrowed. May be repeated: the ring is empty again. What is in
    /// it when both ends have been dropped is dropped; what is in it when an end was forgotten is
    /// forgotten too.
    ///
    /// ```
    /// use framepool::ring::Ring;
    ///
    /// let mut ring: Ring<String, 8> = Ring::new();
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
    pub fn split_mut(&mut self) -> Ends<'_, T> {
        self.control.reset(0);
        // Ends that are forgotten leave the positions anywhere: `split`, which begins at 0, must then fail.
        self.control.claim();
        // SAFETY: the memory lives as long as the borrow, during which nobody can split it again.
        unsafe { ends(NonNull::from(&self.control), self.first(), N, None, 0) }
    }

    /// The first slot, by a pointer that is good for all of them.
    fn first(&self) -> NonNull<Slot<T>> {
        NonNull::from(&self.slots).cast()
    }
}

#[cfg(not(loom))]
impl<T, const N: usize> fmt::Debug for Ring<T, N> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Ring")
            .field("capacity", &N)
            .finish_non_exhaustive()
    }
}

/// Bytes that a ring takes of a region that is aligned to [`region_align`]; up to that less one more of
/// one that is not.
///
/// # Errors
/// [`RingError`]: `ZeroCapacity`, `NotPowerOfTwo`, `CapacityTooLarge`.
pub const fn region_size<T>(capacity: usize) -> Result<usize, RingError> {
    memory::size::<Slot<T>>(capacity)
}

/// What a ring's region should be aligned to: a pair of cache lines, or more if the values want more.
pub const fn region_align<T>() -> usize {
    memory::align::<Slot<T>>()
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
    let start = NonNull::from(memory).cast();
    // SAFETY: borrowed exclusively, for as long as the ends live.
    unsafe { in_raw_memory(start, len, capacity) }
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
/// // SAFETY: so many bytes are there for ever, and nobody else uses them.
/// let (mut tx, mut rx) = unsafe { ring::in_raw_memory::<u64>(start, 4096, 256) }?;
/// tx.push(1)?;
/// assert_eq!(rx.pop(), Some(1));
/// # Ok::<(), Box<dyn core::error::Error>>(())
/// ```
///
/// # Safety
/// `len` bytes from `start` on are good for reads and writes, by nobody but the ends and for as long as one of them
/// lives.
///
/// # Errors
/// As for [`in_memory`].
pub unsafe fn in_raw_memory<'m, T: 'm>(
    start: NonNull<u8>,
    len: usize,
    capacity: usize,
) -> Result<Ends<'m, T>, RingError> {
    // SAFETY: the caller's promises.
    let (control, first) = unsafe { memory::carve::<Slot<T>>(start, len, capacity)? };
    // SAFETY: that ring is the ends' until both have left.
    Ok(unsafe { made(control, first, capacity, None, 0) })
}

/// A ring in memory of its own, aligned to cache lines, freed with the second of its ends.
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
    let (mut control, first) = memory::allocate::<Slot<T>>(capacity)?;
    // SAFETY: it lives until `free`, and nobody else knows of it.
    unsafe {
        control.as_mut().reset(position);
        let free = memory::free::<Slot<T>>;
        Ok(made(control, first, capacity, Some(free), position))
    }
}
