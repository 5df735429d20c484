//! A slot, and what both ends know of their ring.

use core::marker::PhantomData;
use core::mem::MaybeUninit;
use core::ptr::NonNull;

use crate::ring::control::Control;
use crate::ring::ends::ahead;
use crate::ring::memory::Free;
use crate::sync::{AtomicU32, Exclusive, Ordering, Word, prefetch_write};

/// A flag and room for a value.
///
/// # Invariant
/// The value is there, and the consumer's, exactly while `full` is 1; while it is 0 the room is the
/// producer's.
#[repr(C)]
pub(super) struct Slot<T> {
    value: Exclusive<MaybeUninit<T>>,
    full: AtomicU32,
    #[cfg(loom)]
    touched: AtomicU32,
}

impl<T> Slot<T> {
    #[cfg(not(loom))]
    pub(super) const fn new() -> Self {
        Self {
            full: AtomicU32::new(0),
            value: Exclusive::new(MaybeUninit::uninit()),
        }
    }

    #[cfg(loom)]
    pub(super) fn new() -> Self {
        Self {
            full: AtomicU32::new(0),
            value: Exclusive::new(MaybeUninit::uninit()),
            touched: AtomicU32::new(0),
        }
    }

    /// Loom reorders accesses only where the other thread's was the last one, of those that a store
    /// depends on: an end that looks at a flag and then stores hides the other end's looks, and next to
    /// nothing is explored. An exchange depends on any, and as it is relaxed it orders nothing.
    #[inline(always)]
    fn touch(&self) {
        #[cfg(loom)]
        crate::sync::section(|cs| self.touched.fetch_add(cs, 1, Ordering::Relaxed));
    }

    #[inline(always)]
    pub(super) fn is_full(&self) -> bool {
        self.touch();
        // Acquire: pairs with the other end's release of the flag.
        self.full.load(Ordering::Acquire) != 0
    }

    /// Moves a value in.
    ///
    /// # Safety
    /// It is not full, and the caller is the producer.
    #[inline(always)]
    pub(super) unsafe fn fill(&self, value: T) {
        self.touch();
        // SAFETY: not full: the room is the caller's.
        unsafe { self.value.with(|v| (*v).write(value)) };
        // Release: pairs with the consumer's acquire, which then reads.
        self.full.store(1, Ordering::Release);
    }

    /// Moves the value out.
    ///
    /// # Safety
    /// It is full, and the caller is the consumer, or alone.
    #[inline(always)]
    pub(super) unsafe fn take(&self) -> T {
        self.touch();
        // SAFETY: full: there is a value, and it is the caller's.
        let value = unsafe { self.value.with(|v| (*v).assume_init_read()) };
        // Release: pairs with the producer's acquire, which then writes.
        self.full.store(0, Ordering::Release);
        value
    }
}

/// What an end knows.
///
/// # Invariants
/// 1. `slots` points to `mask + 1` slots, a power of two; they and `control` live until both ends have left.
/// 2. The full slots are those of the positions from the consumer's `at` up to the producer's, which is at
///    most the capacity further.
#[cfg_attr(target_pointer_width = "64", repr(align(128)))]
#[cfg_attr(target_pointer_width = "32", repr(align(32)))]
pub(super) struct Side<'r, T> {
    /// Values that went through this end; the lower bits are the next slot's index.
    pub(super) at: Word,
    mask: usize,
    slots: NonNull<Slot<T>>,
    control: NonNull<Control>,
    free: Option<Free<Slot<T>>>,
    /// Operations that found the slot not ready.
    pub(super) failed: u64,
    _of: PhantomData<(&'r (), T)>,
}

impl<T> Side<'_, T> {
    /// # Safety
    /// As the invariants say, for one producer and one consumer; all slots are empty; `free`, where there
    /// is one, may be called once both ends have left.
    pub(super) unsafe fn new(
        control: NonNull<Control>,
        slots: NonNull<Slot<T>>,
        capacity: usize,
        free: Option<Free<Slot<T>>>,
    ) -> Self {
        Self {
            at: 0,
            mask: capacity.wrapping_sub(1),
            slots,
            control,
            free,
            failed: 0,
            _of: PhantomData,
        }
    }

    /// The slot of a position. Not bound to `self`, so that it is found once an operation.
    #[inline(always)]
    pub(super) fn slot_at<'a>(&self, position: Word) -> &'a Slot<T>
    where
        Self: 'a,
    {
        // SAFETY: the index is at most `mask`, and the slots live until this end has left; no
        // operation keeps the reference.
        unsafe { self.slots.add(position as usize & self.mask).as_ref() }
    }

    /// Asks for a line that will be written to soon, unless there is a value in it that the consumer has yet
    /// to read. Where several slots share a line the look at the first one's flag has brought it already.
    #[inline(always)]
    pub(super) fn expect_write(&self, position: Word) {
        if size_of::<Slot<T>>() >= 64 {
            let slot = self.slot_at(position.wrapping_add(ahead::<Slot<T>>() as Word));
            // Relaxed: nothing is read or written on the strength of it.
            if slot.full.load(Ordering::Relaxed) == 0 {
                prefetch_write((&raw const *slot).cast());
            }
        }
    }

    pub(super) fn control(&self) -> &Control {
        // SAFETY: it lives until this end has left.
        unsafe { self.control.as_ref() }
    }

    pub(super) fn capacity(&self) -> usize {
        self.mask.wrapping_add(1)
    }

    #[inline(always)]
    pub(super) fn is_full(&self) -> bool {
        self.slot_at(self.at).is_full()
    }

    #[cold]
    pub(super) fn fail(&mut self) {
        self.failed = self.failed.saturating_add(1);
    }

    /// How many slots from the next one on are full, or are not: the first that is otherwise, by bisection.
    /// The other end may meanwhile make more of them so, never fewer.
    pub(super) fn run(&self, full: bool) -> usize {
        let (mut known, mut end) = (0, self.capacity());
        while known < end {
            let middle = known + (end - known) / 2;
            let slot = self.slot_at(self.at.wrapping_add(middle as Word));
            if slot.is_full() == full {
                known = middle + 1;
            } else {
                end = middle;
            }
        }
        known
    }

    /// Gives the end up. The last one drops what is left, and frees the memory.
    ///
    /// # Safety
    /// Called once for each end, which does nothing more afterwards.
    pub(super) unsafe fn leave(&mut self, end: u32) {
        self.control().mark_gone(end);
        // SAFETY: the control lives until this end has left, which is now; no reference to it is kept.
        if unsafe { Control::depart(self.control, end) } {
            Rest { side: self, met: 0 }.run();
        }
    }
}

/// What nobody took, and then the memory.
struct Rest<'a, 'r, T> {
    side: &'a mut Side<'r, T>,
    met: usize,
}

impl<T> Rest<'_, '_, T> {
    fn run(&mut self) {
        while self.met <= self.side.mask {
            // From the consumer's next slot on, or from any: they are dropped in the order of the ring.
            self.met += 1;
            let slot = self.side.slot_at(self.side.at);
            self.side.at = self.side.at.wrapping_add(1);
            if slot.is_full() {
                // SAFETY: full, and nobody else is left.
                drop(unsafe { slot.take() });
            }
        }
    }
}

impl<T> Drop for Rest<'_, '_, T> {
    fn drop(&mut self) {
        // Only after a destructor that panicked is anything left. A second panic aborts.
        self.run();
        let Side {
            control,
            slots,
            free,
            ..
        } = *self.side;
        if let Some(free) = free {
            // SAFETY: both ends have left, and the slots hold nothing.
            unsafe { free(control, slots, self.side.capacity()) };
        }
    }
}
