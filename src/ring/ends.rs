//! What both ends know of their ring, and who frees it.

use core::marker::PhantomData;
use core::mem::MaybeUninit;
use core::ptr::NonNull;

use crate::ring::control::{Control, PRODUCER};
use crate::ring::memory::Free;
use crate::sync::{Exclusive, Ordering, Word, prefetch_write};

/// Room for one value.
pub(super) type Slot<T> = Exclusive<MaybeUninit<T>>;

/// How far ahead of itself a producer of single values asks for the line that it will write to: so many
/// bytes, or so many slots if that is farther. The other core takes hundreds of cycles to give a line up.
const AHEAD: (usize, usize) = (256, 16);

/// Slots ahead of a position whose line a producer of single values asks for.
pub(super) const fn ahead<S>() -> usize {
    let (bytes, slots) = AHEAD;
    match bytes.checked_div(size_of::<S>()) {
        Some(fit) if fit > slots => fit,
        Some(_) => slots,
        None => 0,
    }
}

/// Where a ring is.
///
/// # Invariants
/// 1. `slots` points to `mask + 1` slots, a power of two of at most half of what a [`Word`] counts; they
///    and `control` live, and are used by one producer and one consumer at a time, until both have left.
/// 2. A position's slot is the one at the position's lower bits.
pub(super) struct Place<'r, T> {
    slots: NonNull<Slot<T>>,
    mask: usize,
    control: NonNull<Control>,
    free: Option<Free<Slot<T>>>,
    /// Lives as long as the memory, and owns values; the pointers make it neither `Send` nor `Sync`.
    _of: PhantomData<(&'r (), T)>,
}

impl<T> Clone for Place<'_, T> {
    fn clone(&self) -> Self {
        Self { ..*self }
    }
}

impl<T> Place<'_, T> {
    /// # Safety
    /// As the invariants say; `free`, where there is one, may be called once both ends have left.
    pub(super) unsafe fn new(
        control: NonNull<Control>,
        slots: NonNull<Slot<T>>,
        capacity: usize,
        free: Option<Free<Slot<T>>>,
    ) -> Self {
        Self {
            slots,
            mask: capacity.wrapping_sub(1),
            control,
            free,
            _of: PhantomData,
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

    pub(super) fn is_same(&self, other: &Place<'_, T>) -> bool {
        self.control == other.control
    }

    /// The index of a position's slot.
    #[inline(always)]
    pub(super) fn index(&self, position: Word) -> usize {
        position as usize & self.mask
    }

    /// The slot of a position.
    #[inline(always)]
    pub(super) fn slot(&self, position: Word) -> &Slot<T> {
        // SAFETY: the index is at most `mask` (invariants 1 and 2).
        unsafe { self.slots.add(self.index(position)).as_ref() }
    }

    /// Asks for a line that will be written to soon. Only where there is known to be room: elsewhere the
    /// consumer would lose a line that it has yet to read.
    #[inline(always)]
    pub(super) fn expect_write(&self, position: Word, room: usize) {
        if room > ahead::<T>() {
            let slot = self.slot(position.wrapping_add(ahead::<T>() as Word));
            prefetch_write((&raw const *slot).cast());
        }
    }

    /// The slots of `n` positions, as they lie: up to the end, and from the start.
    ///
    /// # Safety
    /// `n` is at most the capacity. The slots are the caller's, who is then the only one to have
    /// references to them.
    #[cfg(not(loom))]
    #[inline(always)]
    pub(super) unsafe fn spans(
        &self,
        position: Word,
        n: usize,
    ) -> [(NonNull<MaybeUninit<T>>, usize); 2] {
        let at = self.index(position);
        let first = n.min(self.mask + 1 - at);
        // SAFETY: `at` is a slot's index.
        let start = unsafe { self.slots.add(at) };
        [(start.cast(), first), (self.slots.cast(), n - first)]
    }

    /// Moves a value into the slot of a position.
    ///
    /// # Safety
    /// The position is the producer's, and the caller is it.
    #[inline(always)]
    pub(super) unsafe fn write(&self, position: Word, value: T) {
        // SAFETY: the slot is the caller's alone.
        unsafe { self.slot(position).with(|slot| (*slot).write(value)) };
    }

    /// Moves a value out of the slot of a position.
    ///
    /// # Safety
    /// The position is the consumer's, the caller is it, and the value was not moved out before.
    #[inline(always)]
    pub(super) unsafe fn read(&self, position: Word) -> T {
        // SAFETY: the slot is the caller's alone, and holds a value (`Control`, invariant 3).
        unsafe { self.slot(position).with(|slot| (*slot).assume_init_read()) }
    }

    /// Gives an end up: tells the other one, and, as the last one, drops what is left and frees the
    /// memory.
    ///
    /// # Safety
    /// Called once for each end, which does nothing more afterwards.
    pub(super) unsafe fn leave(&self, end: u32) {
        let control = self.control();
        control.mark_gone(end);
        let (own, other) = if end == PRODUCER {
            (&control.freed, &control.filled)
        } else {
            (&control.filled, &control.freed)
        };
        let sleeper = Control::sleeper(other);
        // The other end may have gone between this one's last look and its putting a waker there.
        let _waker = own.take();
        // Waking and dropping a waker is the user's code, which may panic: both come when all else is done.
        // SAFETY: it lives as long as this end has not left.
        if unsafe { Control::depart(self.control, end) } {
            // SAFETY: both have left, this one last.
            unsafe { self.finish() };
        }
        // From here on the memory is the other end's, or nobody's.
        if let Some(sleeper) = sleeper {
            sleeper.wake();
        }
    }

    /// Drops what is left and frees the memory.
    ///
    /// # Safety
    /// Both ends have left; called once, by the last of them.
    unsafe fn finish(&self) {
        let control = self.control();
        // Relaxed, both: `depart` has acquired what the other end stored last.
        let mut rest = Rest {
            at: control.head.0.load(Ordering::Relaxed),
            end: control.tail.0.load(Ordering::Relaxed),
            place: self,
        };
        rest.run();
    }
}

/// What nobody took, and then the memory.
struct Rest<'a, 'r, T> {
    place: &'a Place<'r, T>,
    at: Word,
    end: Word,
}

impl<T> Rest<'_, '_, T> {
    fn run(&mut self) {
        while self.at != self.end {
            let at = self.at;
            self.at = at.wrapping_add(1);
            // SAFETY: both ends are gone, and each position from head to tail is met once.
            drop(unsafe { self.place.read(at) });
        }
    }
}

impl<T> Drop for Rest<'_, '_, T> {
    fn drop(&mut self) {
        // Only after a destructor that panicked is anything left. A second panic aborts.
        self.run();
        let Place {
            slots,
            mask,
            control,
            free,
            ..
        } = *self.place;
        if let Some(free) = free {
            // SAFETY: both ends have left, and the slots hold nothing.
            unsafe { free(control, slots, mask + 1) };
        }
    }
}
