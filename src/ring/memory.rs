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

    /// The positions whose slots may hold values when no end is out, the oldest first. Each slot is met once.
    fn left(control: &Control, capacity: Word) -> (Word, Word);

    /// Drops the value of a slot that may hold one when no end is out.
    ///
    /// # Safety
    /// No end is out. The slot is of one of the positions of [`left`](Self::left), and this is called once for it.
    unsafe fn drop_value(&self);
}

/// Frees a ring's memory, with the address and the number of its slots. Nothing uses it any more, and no slot holds a
/// value.
type Free = unsafe fn(NonNull<Control>, NonNull<()>, usize);

/// What the ends and the observers know of their ring.
///
/// # Invariants
/// 1. `slots` points to `mask + 1` slots, a power of two of at most [`MAX_CAPACITY`]. They and `control` live for
///    `'r`; if there is a `free`, until the last holder has let go. One producer and one consumer use the slots at a
///    time.
/// 2. A position's slot is the one at the position's lower bits.
/// 3. `free`, if there is one, may be called once, by the last holder.
pub(super) struct Memory<'r, S> {
    slots: NonNull<S>,
    mask: usize,
    control: NonNull<Control>,
    free: Option<Free>,
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
        free: Option<Free>,
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
        /// The memory is from the call below with this capacity, nothing uses it, and no slot holds a value.
        unsafe fn free<S: Slot>(control: NonNull<Control>, slots: NonNull<()>, capacity: usize) {
            let Ok((layout, _)) = layout::<S>(capacity) else {
                return;
            };
            let slots = slots.cast::<S>();
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
        free: Option<Free>,
        position: Word,
    ) -> Self {
        let control = start.cast::<Control>();
        // SAFETY: the words lie at the start and the slots at `offset`, all of it in the bytes that are there.
        unsafe {
            control.write(Control::split(position));
            let slots = start.add(offset).cast::<S>();
            if S::MUST_BE_WRITTEN {
                (0..capacity).for_each(|i| slots.add(i).write(S::empty()));
            }
            Self::new(control, slots, capacity, free)
        }
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

    /// The last access of an end that is gone for ever. The last end drops the values that are left, and the last
    /// holder frees the memory.
    ///
    /// # Safety
    /// Called once for each end, which does nothing more afterwards. Its position is in the control words.
    pub(super) unsafe fn depart(&self, end: u32) {
        // SAFETY: the other end has left before, or this one lets go of the memory; the caller does so once.
        unsafe {
            match self.control().depart(end) {
                true => self.drop_left(),
                false => self.let_go(),
            }
        }
    }

    /// Drops the values that are left, also if a destructor panics, and then lets go of the memory.
    ///
    /// # Safety
    /// No end is out, and none can be taken before the values are dropped; then it is not called again. The caller is
    /// a holder, and does nothing more.
    pub(super) unsafe fn drop_left(&self) {
        let (at, end) = S::left(self.control(), self.capacity());
        let memory = self;
        Rest { memory, at, end }.run();
    }
}

impl<'r, S> Memory<'r, S> {
    #[inline(always)]
    pub(super) fn control(&self) -> &Control {
        // SAFETY: it lives until the last holder has let go (invariant 1), and `self` is in one that has not.
        unsafe { self.control.as_ref() }
    }

    #[inline(always)]
    pub(super) fn capacity(&self) -> Word {
        self.mask as Word + 1
    }

    pub(super) fn is_same(&self, other: &Memory<'_, S>) -> bool {
        self.control == other.control
    }

    /// One more holder, which does not know the type of the slots.
    pub(super) fn hold(&self) -> Memory<'r, ()> {
        if self.free.is_some() {
            self.control().hold();
        }
        let Self {
            slots,
            mask,
            control,
            free,
            ..
        } = *self;
        Memory {
            slots: slots.cast(),
            mask,
            control,
            free,
            _of: PhantomData,
        }
    }

    /// The last access of a holder. The last one frees the memory.
    ///
    /// # Safety
    /// Called once for each holder, which does nothing more afterwards. If it is the last, no slot holds a value.
    pub(super) unsafe fn let_go(&self) {
        let Some(free) = self.free else {
            return;
        };
        // SAFETY: this holder was counted, and does nothing more.
        if unsafe { Control::let_go(self.control) } {
            // SAFETY: it is the last, and the slots hold nothing.
            unsafe { free(self.control, self.slots.cast(), self.mask + 1) };
        }
    }
}

/// The values that were not taken. Drops them, and then lets go of the memory.
///
/// # Invariant
/// No end is out. Of the slots, those of `at..end` may hold values.
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
        // SAFETY: no end is out, and the slots hold nothing; the holder does nothing more.
        unsafe { self.memory.let_go() };
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
