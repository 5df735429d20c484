//! Where the memory of a ring with flags comes from: as `ring/homes.rs` does it.

#[cfg(not(loom))]
use core::alloc::Layout;
#[cfg(not(loom))]
use core::fmt;
#[cfg(not(loom))]
use core::mem::MaybeUninit;
use core::ptr::NonNull;

use crate::ring::control::Control;
use crate::ring::error::RingError;
use crate::ring::flagged::slot::{Free, Side, Slot};
use crate::ring::flagged::{FlagConsumer, FlagProducer};
use crate::ring::homes::slots;

/// Both ends of one ring with flags.
pub type FlagEnds<'r, T> = (FlagProducer<'r, T>, FlagConsumer<'r, T>);

/// # Safety
/// As for [`Side::new`].
unsafe fn ends<'r, T>(
    control: NonNull<Control>,
    slots: NonNull<Slot<T>>,
    capacity: usize,
    free: Option<Free<T>>,
) -> FlagEnds<'r, T> {
    // SAFETY: the caller's promises.
    unsafe {
        (
            FlagProducer(Side::new(control, slots, capacity, free)),
            FlagConsumer(Side::new(control, slots, capacity, free)),
        )
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
    const CHECKED: () = match slots::<Slot<T>>(N) {
        Ok(_) => (),
        Err(RingError::ZeroCapacity) => panic!("a ring must have at least one slot"),
        Err(RingError::NotPowerOfTwo { .. }) => panic!("a ring's capacity is a power of two"),
        Err(_) => panic!("a ring of so many slots exceeds the address space"),
    };

    /// An empty ring.
    #[allow(clippy::new_without_default)]
    pub const fn new() -> Self {
        let () = Self::CHECKED;
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

/// Bytes and alignment of a ring in a region, and where its slots begin.
#[cfg(not(loom))]
const fn in_region<T>(capacity: usize) -> Result<(Layout, usize), RingError> {
    let too_large = RingError::CapacityTooLarge {
        asked: capacity,
        element: size_of::<Slot<T>>(),
    };
    if let Err(error) = slots::<Slot<T>>(capacity) {
        return Err(error);
    }
    let Ok(slots) = Layout::array::<Slot<T>>(capacity) else {
        return Err(too_large);
    };
    match Layout::new::<Control>().extend(slots) {
        Ok((layout, offset)) => Ok((layout, offset)),
        Err(_) => Err(too_large),
    }
}

/// Bytes that a ring with flags takes of a region that is aligned to [`flagged_region_align`]; up to that
/// less one more of one that is not.
///
/// # Errors
/// [`RingError`]: `ZeroCapacity`, `NotPowerOfTwo`, `CapacityTooLarge`.
#[cfg(not(loom))]
pub const fn flagged_region_size<T>(capacity: usize) -> Result<usize, RingError> {
    match in_region::<T>(capacity) {
        Ok((layout, _)) => Ok(layout.size()),
        Err(error) => Err(error),
    }
}

/// What the region of a ring with flags should be aligned to: a pair of cache lines, or more if the values
/// want more.
#[cfg(not(loom))]
pub const fn flagged_region_align<T>() -> usize {
    let (control, slot) = (align_of::<Control>(), align_of::<Slot<T>>());
    if control > slot { control } else { slot }
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
    let (layout, _) = in_region::<T>(capacity)?;
    let skip = start.addr().get().wrapping_neg() % layout.align();
    let required = skip.saturating_add(layout.size());
    if required > len {
        let available = len;
        return Err(RingError::RegionTooSmall {
            required,
            available,
        });
    }
    // SAFETY: `required` bytes are there and the caller's to give; what lies at `skip` is aligned.
    unsafe { place(start.add(skip), capacity, None) }
}

/// Makes a ring at an address.
///
/// # Safety
/// As many bytes as the layout of this capacity says are there, aligned as it says, the ends' alone until both
/// have left; `free`, where there is one, may then be called.
#[cfg(not(loom))]
unsafe fn place<'r, T>(
    start: NonNull<u8>,
    capacity: usize,
    free: Option<Free<T>>,
) -> Result<FlagEnds<'r, T>, RingError> {
    let (_, offset) = in_region::<T>(capacity)?;
    // SAFETY: the words lie at the start, and `capacity` slots at `offset`.
    unsafe {
        let control = start.cast::<Control>();
        control.write(Control::new());
        let first = start.add(offset).cast::<Slot<T>>();
        (0..capacity).for_each(|i| first.add(i).write(Slot::new()));
        Ok(ends(control, first, capacity, free))
    }
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
#[cfg(all(feature = "std", not(loom)))]
pub fn allocate_flagged<T>(capacity: usize) -> Result<FlagEnds<'static, T>, RingError> {
    let (layout, _) = in_region::<T>(capacity)?;
    // SAFETY: the layout has a size: that of the control words at least.
    let start = NonNull::new(unsafe { std::alloc::alloc(layout) });
    let start = start.ok_or(RingError::OutOfMemory {
        size: layout.size(),
    })?;
    // SAFETY: so many bytes are there, aligned, and live until `free`; nobody else knows of them.
    unsafe { place(start, capacity, Some(free::<T>)) }
}

/// Gives a ring's memory back to the allocator.
///
/// # Safety
/// It is from `allocate_flagged`, both ends have left, and the slots hold nothing.
#[cfg(all(feature = "std", not(loom)))]
unsafe fn free<T>(control: NonNull<Control>, _: NonNull<Slot<T>>, capacity: usize) {
    let Ok((layout, _)) = in_region::<T>(capacity) else {
        return;
    };
    // SAFETY: the words' and then the allocation's last use; the layout is a function of the capacity.
    unsafe {
        control.drop_in_place();
        std::alloc::dealloc(control.as_ptr().cast(), layout);
    }
}

/// The same of loom's cells.
#[cfg(loom)]
pub fn allocate_flagged<T>(capacity: usize) -> Result<FlagEnds<'static, T>, RingError> {
    use std::boxed::Box;
    slots::<Slot<T>>(capacity)?;
    let slots: Box<[Slot<T>]> = (0..capacity).map(|_| Slot::new()).collect();
    let slots = NonNull::from(Box::leak(slots)).cast();
    let control = NonNull::from(Box::leak(Box::new(Control::new())));
    // SAFETY: both live until `free`, and nobody else knows of them.
    Ok(unsafe { ends(control, slots, capacity, Some(free::<T>)) })
}

/// # Safety
/// They are from `allocate_flagged`, both ends have left, and the slots hold nothing.
#[cfg(loom)]
unsafe fn free<T>(control: NonNull<Control>, slots: NonNull<Slot<T>>, capacity: usize) {
    let slots = NonNull::slice_from_raw_parts(slots, capacity);
    // SAFETY: leaked by `allocate_flagged`.
    unsafe {
        drop(std::boxed::Box::from_raw(slots.as_ptr()));
        drop(std::boxed::Box::from_raw(control.as_ptr()));
    }
}
