//! A ring's memory, whatever its slots are: the words that both ends share, and the slots behind them.

use core::alloc::Layout;
use core::ptr::NonNull;

use crate::ring::control::Control;
use crate::ring::error::RingError;
use crate::sync::Word;

/// The most slots: `tail - head` must tell a full ring from an empty one, and from a wrapped one.
const MAX_CAPACITY: usize = Word::MAX as usize / 2 + 1;

/// The words and the first of the slots.
pub(super) type Parts<S> = (NonNull<Control>, NonNull<S>);

/// Frees a ring's memory, once nobody uses it.
pub(super) type Free<S> = unsafe fn(NonNull<Control>, NonNull<S>, usize);

/// The layout of so many slots, if a ring can have them.
const fn slots<S>(capacity: usize) -> Result<Layout, RingError> {
    let too_large = RingError::CapacityTooLarge {
        asked: capacity,
        element: size_of::<S>(),
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
    match Layout::array::<S>(capacity) {
        Ok(layout) => Ok(layout),
        Err(_) => Err(too_large),
    }
}

/// Refuses a capacity that no ring can have, while it is compiled.
#[cfg(not(loom))]
pub(super) const fn check<S>(capacity: usize) {
    match slots::<S>(capacity) {
        Ok(_) => (),
        Err(RingError::ZeroCapacity) => panic!("a ring must have at least one slot"),
        Err(RingError::NotPowerOfTwo { .. }) => panic!("a ring's capacity is a power of two"),
        Err(_) => panic!("a ring of so many slots exceeds the address space"),
    }
}

/// Bytes and alignment of a ring, and where its slots begin.
pub(super) const fn layout<S>(capacity: usize) -> Result<(Layout, usize), RingError> {
    let slots = match slots::<S>(capacity) {
        Ok(slots) => slots,
        Err(error) => return Err(error),
    };
    match Layout::new::<Control>().extend(slots) {
        Ok(found) => Ok(found),
        Err(_) => Err(RingError::CapacityTooLarge {
            asked: capacity,
            element: size_of::<S>(),
        }),
    }
}

/// Bytes of a ring.
pub(super) const fn size<S>(capacity: usize) -> Result<usize, RingError> {
    match layout::<S>(capacity) {
        Ok((layout, _)) => Ok(layout.size()),
        Err(error) => Err(error),
    }
}

/// What a ring is aligned to.
pub(super) const fn align<S>() -> usize {
    let (control, slot) = (align_of::<Control>(), align_of::<S>());
    if control > slot { control } else { slot }
}

/// Makes the words, and says where the slots are, which are as the memory was.
///
/// # Safety
/// `start` is aligned as a [`layout`] of this offset says, and as many bytes as that says are there, the
/// caller's alone.
unsafe fn place<S>(start: NonNull<u8>, offset: usize) -> Parts<S> {
    let control = start.cast::<Control>();
    // SAFETY: the words lie at the start, and the slots at `offset`, all of it in the bytes that are there.
    unsafe {
        control.write(Control::new());
        (control, start.add(offset).cast())
    }
}

/// A ring in the caller's memory, aligned or not: the bytes before the first aligned one are not used. The
/// slots are as the memory was.
///
/// # Safety
/// `len` bytes from `start` on are good for reads and writes, and the caller's alone.
///
/// # Errors
/// As for [`layout`], and `RegionTooSmall`.
pub(super) unsafe fn carve<S>(
    start: NonNull<u8>,
    len: usize,
    capacity: usize,
) -> Result<Parts<S>, RingError> {
    let (layout, offset) = layout::<S>(capacity)?;
    let skip = start.addr().get().wrapping_neg() % layout.align();
    let required = skip.saturating_add(layout.size());
    if required > len {
        let available = len;
        return Err(RingError::RegionTooSmall {
            required,
            available,
        });
    }
    // SAFETY: `required` bytes are there; what lies at `skip` is aligned.
    Ok(unsafe { place(start.add(skip), offset) })
}

/// A ring in memory of its own, aligned to cache lines. The slots are uninitialised. It is given back by
/// [`free`].
#[cfg(any(feature = "std", loom))]
pub(super) fn allocate<S>(capacity: usize) -> Result<Parts<S>, RingError> {
    let (layout, offset) = layout::<S>(capacity)?;
    // SAFETY: the layout has a size: that of the control words at least.
    let start = NonNull::new(unsafe { std::alloc::alloc(layout) });
    let size = layout.size();
    let start = start.ok_or(RingError::OutOfMemory { size })?;
    // SAFETY: so many bytes are there, aligned, and nobody else knows of them.
    Ok(unsafe { place(start, offset) })
}

/// Gives a ring's memory back to the allocator.
///
/// # Safety
/// It is from [`allocate`] with this capacity, its slots have been initialised or are of a type that needs
/// no dropping, both ends have left, and no slot holds a value.
#[cfg(any(feature = "std", loom))]
pub(super) unsafe fn free<S>(control: NonNull<Control>, slots: NonNull<S>, capacity: usize) {
    let Ok((layout, _)) = layout::<S>(capacity) else {
        return;
    };
    // SAFETY: the slots' (loom's have to be dropped), the words' and then the allocation's last use; the
    // layout is a function of the capacity.
    unsafe {
        NonNull::slice_from_raw_parts(slots, capacity).drop_in_place();
        control.drop_in_place();
        std::alloc::dealloc(control.as_ptr().cast(), layout);
    }
}
