//! A ring's memory, for either design of slots: its layout, in a region or allocated, and what both ends know of it.

use core::alloc::Layout;
use core::marker::PhantomData;
use core::ptr::NonNull;

use crate::ring::control::Control;
use crate::ring::error::RingError;
use crate::sync::Word;

/// Maximum number of slots: `tail - head` must tell a full ring from an empty one, and from a wrapped one.
const MAX_CAPACITY: usize = Word::MAX as usize / 2 + 1;

/// A slot of one of the two designs.
pub(super) trait Slot: Sized {
    /// Whether new memory must be filled with [`empty`](Self::empty) slots.
    const MUST_BE_WRITTEN: bool;

    /// A slot without a value.
    fn empty() -> Self;

    /// Drops the value of a slot that may hold one when both ends have left.
    ///
    /// # Safety
    /// Both ends have left. The slot is of one of the positions that [`Memory::depart`] was told, and this is
    /// called once for it.
    unsafe fn drop_value(&self);
}

/// Frees a ring's memory. Both ends have left, and no slot holds a value.
type Free<S> = unsafe fn(NonNull<Control>, NonNull<S>, usize);

/// What both ends know of their ring.
///
/// # Invariants
/// 1. `slots` points to `mask + 1` slots, a power of two of at most [`MAX_CAPACITY`]. They and `control` live, and
///    are used by one producer and one consumer at a time, until both have left.
/// 2. A position's slot is the one at the position's lower bits.
/// 3. `free`, if there is one, may be called once, after both ends have left.
pub(super) struct Memory<'r, S> {
    slots: NonNull<S>,
    mask: usize,
    control: NonNull<Control>,
    free: Option<Free<S>>,
    /// Lives as long as the memory; the pointers make it neither `Send` nor `Sync`.
    _of: PhantomData<(&'r (), S)>,
}

impl<S> Clone for Memory<'_, S> {
    fn clone(&self) -> Self {
        Self { ..*self }
    }
}

impl<'r, S: Slot> Memory<'r, S> {
    /// # Safety
    /// The invariants hold.
    pub(super) unsafe fn new(
        control: NonNull<Control>,
        slots: NonNull<S>,
        capacity: usize,
        free: Option<Free<S>>,
    ) -> Self {
        Self {
            slots,
            mask: capacity.wrapping_sub(1),
            control,
            free,
            _of: PhantomData,
        }
    }

    /// An empty ring at position 0, in the caller's memory, aligned or not: the bytes before the first aligned one
    /// are not used.
    ///
    /// # Safety
    /// `len` bytes from `start` on are valid for reads and writes, and only the ends use them while one of them
    /// lives.
    ///
    /// # Errors
    /// As for [`layout`], and `RegionTooSmall`.
    pub(super) unsafe fn in_region(
        start: NonNull<u8>,
        len: usize,
        capacity: usize,
    ) -> Result<Self, RingError> {
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
        // SAFETY: `required` bytes are there, and the byte at `skip` is aligned; the caller's promises.
        Ok(unsafe { Self::make(start.add(skip), offset, capacity, None, 0) })
    }

    /// An empty ring at `position`, in memory of its own that is aligned to cache lines and freed when both ends have
    /// left.
    ///
    /// # Errors
    /// As for [`layout`], and `OutOfMemory`.
    #[cfg(any(feature = "std", loom))]
    pub(super) fn allocate(capacity: usize, position: Word) -> Result<Self, RingError> {
        /// # Safety
        /// The memory is from the call below with this capacity, both ends have left, and no slot holds a value.
        unsafe fn free<S: Slot>(control: NonNull<Control>, slots: NonNull<S>, capacity: usize) {
            let Ok((layout, _)) = layout::<S>(capacity) else {
                return;
            };
            // SAFETY: this is the last use of the slots (loom's have to be dropped), of the words, and then of the
            // allocation, whose layout is a function of the capacity.
            unsafe {
                NonNull::slice_from_raw_parts(slots, capacity).drop_in_place();
                control.drop_in_place();
                std::alloc::dealloc(control.as_ptr().cast(), layout);
            }
        }
        let (layout, offset) = layout::<S>(capacity)?;
        // SAFETY: the layout is not of size 0: it has the control words.
        let start = NonNull::new(unsafe { std::alloc::alloc(layout) });
        let size = layout.size();
        let start = start.ok_or(RingError::OutOfMemory { size })?;
        // SAFETY: that many bytes are there, aligned, and no other code uses them until `free`.
        Ok(unsafe { Self::make(start, offset, capacity, Some(free::<S>), position) })
    }

    /// Writes the words of an empty ring, and its slots if they need it.
    ///
    /// # Safety
    /// `start` is aligned, and followed by bytes, as [`layout`] says, with the slots at `offset`; the invariants
    /// hold for them.
    unsafe fn make(
        start: NonNull<u8>,
        offset: usize,
        capacity: usize,
        free: Option<Free<S>>,
        position: Word,
    ) -> Self {
        let control = start.cast::<Control>();
        // SAFETY: the words lie at the start and the slots at `offset`, all of it in the bytes that are there.
        unsafe {
            control.write(Control::new(position));
            let slots = start.add(offset).cast::<S>();
            if S::MUST_BE_WRITTEN {
                (0..capacity).for_each(|i| slots.add(i).write(S::empty()));
            }
            Self::new(control, slots, capacity, free)
        }
    }

    #[inline(always)]
    pub(super) fn control(&self) -> &Control {
        // SAFETY: it lives until both ends have left (invariant 1), and `self` is in one that has not.
        unsafe { self.control.as_ref() }
    }

    #[inline(always)]
    pub(super) fn capacity(&self) -> Word {
        self.mask as Word + 1
    }

    pub(super) fn is_same(&self, other: &Memory<'_, S>) -> bool {
        self.control == other.control
    }

    /// The index of a position's slot.
    #[inline(always)]
    pub(super) fn index(&self, position: Word) -> usize {
        position as usize & self.mask
    }

    /// The slot of a position.
    #[inline(always)]
    pub(super) fn slot(&self, position: Word) -> &S {
        // SAFETY: the index is at most `mask` (invariants 1 and 2).
        unsafe { self.slots.add(self.index(position)).as_ref() }
    }

    /// The slots of `n` positions, at most the capacity, as they lie: those up to the end, and those from the start.
    #[inline(always)]
    pub(super) fn spans(&self, position: Word, n: usize) -> [(NonNull<S>, usize); 2] {
        let at = self.index(position);
        let first = n.min(self.mask + 1 - at);
        // SAFETY: `at` is at most `mask` (invariants 1 and 2).
        let start = unsafe { self.slots.add(at) };
        [(start, first), (self.slots, n - first)]
    }

    /// The last access of an end. The last end drops the values that are left in the slots of the positions
    /// `left.0..left.1`, and frees the memory.
    ///
    /// # Safety
    /// Called once for each end, which does nothing more afterwards. When both ends have left, only those slots may
    /// hold a value, and each is met once.
    pub(super) unsafe fn depart(&self, end: u32, left: impl FnOnce(&Control) -> (Word, Word)) {
        // SAFETY: the words live until this end has left, which is now; no reference to them is kept.
        if unsafe { Control::depart(self.control, end) } {
            let (at, end) = left(self.control());
            let memory = self;
            Rest { memory, at, end }.run();
        }
    }
}

/// The values that were not taken. Drops them, and then frees the memory.
///
/// # Invariant
/// Both ends have left. Of the slots, those of `at..end` may hold values.
struct Rest<'a, 'r, S: Slot> {
    memory: &'a Memory<'r, S>,
    at: Word,
    end: Word,
}

impl<S: Slot> Rest<'_, '_, S> {
    fn run(&mut self) {
        while self.at != self.end {
            let at = self.at;
            self.at = at.wrapping_add(1);
            // SAFETY: the invariant; each position is met once.
            unsafe { self.memory.slot(at).drop_value() };
        }
    }
}

impl<S: Slot> Drop for Rest<'_, '_, S> {
    fn drop(&mut self) {
        // Something is left only if a destructor panicked. A second panic aborts.
        self.run();
        let Memory {
            slots,
            mask,
            control,
            free,
            ..
        } = *self.memory;
        if let Some(free) = free {
            // SAFETY: both ends have left, and the slots hold nothing.
            unsafe { free(control, slots, mask + 1) };
        }
    }
}

/// The layout of that many slots, if a ring can have them.
pub(super) const fn slots<S>(capacity: usize) -> Result<Layout, RingError> {
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

/// Size and alignment of a ring, and the offset of its slots.
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

/// Size of a ring, in bytes.
pub(super) const fn size<S>(capacity: usize) -> Result<usize, RingError> {
    match layout::<S>(capacity) {
        Ok((layout, _)) => Ok(layout.size()),
        Err(error) => Err(error),
    }
}

/// Alignment of a ring, in bytes.
pub(super) const fn align<S>() -> usize {
    let (control, slot) = (align_of::<Control>(), align_of::<S>());
    if control > slot { control } else { slot }
}
