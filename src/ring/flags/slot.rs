//! The slots of a ring with flags.

use core::mem::MaybeUninit;

use crate::ring::control::Control;
use crate::ring::memory::Slot;
use crate::sync::{AtomicU32, Exclusive, Ordering, Word, loom_const};

/// A flag and room for a value.
///
/// # Invariant
/// While `full` is 1 there is a value, which is the consumer's; while it is 0 the room is the producer's.
#[repr(C)]
pub(super) struct FlagSlot<T> {
    value: Exclusive<MaybeUninit<T>>,
    full: AtomicU32,
    #[cfg(loom)]
    touched: AtomicU32,
}

impl<T> Slot for FlagSlot<T> {
    const MUST_BE_WRITTEN: bool = true;

    fn empty() -> Self {
        Self::new()
    }

    fn left(control: &Control, capacity: Word) -> (Word, Word) {
        // Relaxed: the caller has acquired what the consumer left. All slots, in the order of the ring.
        let head = control.head.0.load(Ordering::Relaxed);
        (head, head.wrapping_add(capacity))
    }

    unsafe fn drop_value(&self) {
        if core::mem::needs_drop::<T>() && self.is_full() {
            // SAFETY: full, and no end is out.
            drop(unsafe { self.take() });
        }
    }
}

impl<T> FlagSlot<T> {
    loom_const! {
        pub(super) fn new() -> Self {
            Self {
                full: AtomicU32::new(0),
                value: Exclusive::new(MaybeUninit::uninit()),
                #[cfg(loom)]
                touched: AtomicU32::new(0),
            }
        }
    }

    /// Under loom, an exchange. Loom reorders accesses only if the other thread's was the last one of those that a
    /// store depends on: an end that looks at a flag and then stores hides the other end's looks, and almost nothing
    /// is explored. An exchange depends on every access, and as it is relaxed it orders nothing.
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

    /// Whether it is full, as a hint: orders nothing.
    #[inline(always)]
    pub(super) fn seems_full(&self) -> bool {
        // Relaxed: no value is read or written because of it.
        self.full.load(Ordering::Relaxed) != 0
    }

    /// Moves a value in.
    ///
    /// # Safety
    /// The slot is not full, and the caller is the producer.
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
    /// The slot is full, and the caller is the consumer, or no end is out.
    #[inline(always)]
    pub(super) unsafe fn take(&self) -> T {
        self.touch();
        // SAFETY: full: there is a value, and it is the caller's.
        let value = unsafe { self.value.with(|v| (*v).assume_init_read()) };
        // Release: pairs with the producer's acquire, which then writes.
        self.full.store(0, Ordering::Release);
        value
    }

    /// The value, in place.
    ///
    /// # Safety
    /// The slot is full, and the caller is the consumer, for as long as the value is borrowed.
    #[cfg(not(loom))]
    #[inline(always)]
    pub(super) unsafe fn value(&self) -> &T {
        // SAFETY: full: there is a value, and it is the caller's.
        unsafe { self.value.with(|v| (*v).assume_init_ref()) }
    }
}
