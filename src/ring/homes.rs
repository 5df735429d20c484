//! Where a ring's memory comes from: a static, a borrowed value, the caller's region, an allocation.

use core::alloc::Layout;
#[cfg(not(loom))]
use core::fmt;
use core::mem::MaybeUninit;
use core::ptr::NonNull;

use crate::ring::control::Control;
use crate::ring::ends::{Free, Place, Slot};
use crate::ring::error::RingError;
use crate::ring::{Consumer, Producer};
use crate::sync::Word;

/// Both ends of one ring.
pub type Ends<'r, T> = (Producer<'r, T>, Consumer<'r, T>);

/// The most slots: `tail - head` must tell a full ring from an empty one, and from a wrapped one.
const MAX_CAPACITY: usize = Word::MAX as usize / 2 + 1;

/// A capacity that a ring of such values can have, and the layout of its slots.
pub(super) const fn slots<T>(capacity: usize) -> Result<Layout, RingError> {
    let element = size_of::<Slot<T>>();
    let too_large = RingError::CapacityTooLarge {
        asked: capacity,
        element,
    };
    if capacity == 0 {
        return Err(RingError::ZeroCapacity);
    }
    if !capacity.is_power_of_two() {
        return Err(RingError::NotPowerOfTwo { asked: capacity });
    }
    if capacity > MAX_CAPACITY {
        return Err(too_large);
    }
    match Layout::array::<Slot<T>>(capacity) {
        Ok(layout) => Ok(layout),
        Err(_) => Err(too_large),
    }
}

/// Both ends of a ring that nobody has an end of.
///
/// # Safety
/// As for [`Place::new`]; the ring is empty at this position, and there are no other ends.
unsafe fn ends<'r, T>(
    control: NonNull<Control>,
    slots: NonNull<Slot<T>>,
    capacity: usize,
    free: Option<Free<T>>,
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
    const CHECKED: () = match slots::<T>(N) {
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

/// Bytes and alignment of a ring in a region.
const fn in_region<T>(capacity: usize) -> Result<(Layout, usize), RingError> {
    let slots = match slots::<T>(capacity) {
        Ok(slots) => slots,
        Err(error) => return Err(error),
    };
    match Layout::new::<Control>().extend(slots) {
        Ok((layout, offset)) => Ok((layout, offset)),
        Err(_) => Err(RingError::CapacityTooLarge {
            asked: capacity,
            element: size_of::<Slot<T>>(),
        }),
    }
}

/// Bytes that a ring takes of a region that is aligned to [`region_align`]; up to that less one more of
/// one that is not.
///
/// # Errors
/// [`RingError`]: `ZeroCapacity`, `NotPowerOfTwo`, `CapacityTooLarge`.
pub const fn region_size<T>(capacity: usize) -> Result<usize, RingError> {
    match in_region::<T>(capacity) {
        Ok((layout, _)) => Ok(layout.size()),
        Err(error) => Err(error),
    }
}

/// What a ring's region should be aligned to: a pair of cache lines, or more if the values want more.
pub const fn region_align<T>() -> usize {
    let (control, slot) = (align_of::<Control>(), align_of::<Slot<T>>());
    if control > slot { control } else { slot }
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
    let (layout, offset) = in_region::<T>(capacity)?;
    let align = layout.align();
    let skip = start.addr().get().wrapping_neg() % align;
    let required = skip.saturating_add(layout.size());
    if required > len {
        let available = len;
        return Err(RingError::RegionTooSmall {
            required,
            available,
        });
    }
    // SAFETY: `required` bytes are there and the caller's to give; what lies at `skip` is aligned.
    // Slots need no initialisation.
    unsafe {
        let control = start.add(skip).cast::<Control>();
        control.write(Control::new());
        let first = start.add(skip + offset).cast::<Slot<T>>();
        Ok(ends(control, first, capacity, None, 0))
    }
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
#[cfg(all(feature = "std", not(loom)))]
pub(super) fn allocate_at<T>(
    capacity: usize,
    position: Word,
) -> Result<Ends<'static, T>, RingError> {
    let (layout, offset) = in_region::<T>(capacity)?;
    // SAFETY: the layout has a size: that of the control words at least.
    let start = NonNull::new(unsafe { std::alloc::alloc(layout) });
    let start = start.ok_or(RingError::OutOfMemory {
        size: layout.size(),
    })?;
    // SAFETY: so many bytes are there, aligned, and live until `free`; nobody else knows of them.
    // Slots need no initialisation.
    unsafe {
        let mut control = start.cast::<Control>();
        control.write(Control::new());
        control.as_mut().reset(position);
        let first = start.add(offset).cast::<Slot<T>>();
        Ok(ends(control, first, capacity, Some(free::<T>), position))
    }
}

/// Gives a ring's memory back to the allocator.
///
/// # Safety
/// It is from `allocate_at`, both ends have left, and the slots hold nothing.
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

/// The same of loom's cells, which are to be initialised each.
#[cfg(loom)]
pub(super) fn allocate_at<T>(
    capacity: usize,
    position: Word,
) -> Result<Ends<'static, T>, RingError> {
    slots::<T>(capacity)?;
    let slots: std::boxed::Box<[Slot<T>]> = (0..capacity)
        .map(|_| Slot::new(MaybeUninit::uninit()))
        .collect();
    let slots = NonNull::from(std::boxed::Box::leak(slots)).cast();
    let mut control = std::boxed::Box::new(Control::new());
    control.reset(position);
    let control = NonNull::from(std::boxed::Box::leak(control));
    // SAFETY: both live until `free`, and nobody else knows of them.
    Ok(unsafe { ends(control, slots, capacity, Some(free::<T>), position) })
}

/// # Safety
/// They are from `allocate_at`, both ends have left, and the slots hold nothing.
#[cfg(loom)]
unsafe fn free<T>(control: NonNull<Control>, slots: NonNull<Slot<T>>, capacity: usize) {
    let slots = NonNull::slice_from_raw_parts(slots, capacity);
    // SAFETY: leaked by `allocate_at`.
    unsafe {
        drop(std::boxed::Box::from_raw(slots.as_ptr()));
        drop(std::boxed::Box::from_raw(control.as_ptr()));
    }
}
