//! The ring as a value: in a static, on the stack, in a struct. Loom has none, as its atomics are made at run time.

use core::mem::MaybeUninit;
use core::ptr::NonNull;

use crate::ring::construct::{Ends, ends};
use crate::ring::control::Control;
use crate::ring::error::RingError;
use crate::ring::memory::{self, Memory, Slot};
use crate::ring::slot::ValueSlot;

/// The ring's memory as a value: for a `static`, where it is all zeros and lies in `.bss`, or for the
/// stack or a struct. `N` is a power of two; all slots are usable.
///
/// ```
/// use framepool::ring::Ring;
///
/// static EVENTS: Ring<u32, 64> = Ring::new();
///
/// let (mut tx, mut rx) = EVENTS.split()?;
/// tx.push(7)?;
/// assert_eq!(rx.pop(), Some(7));
/// assert!(EVENTS.split().is_err()); // only once
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
/// A ring in a static needs values that are `Send`:
/// ```compile_fail,E0277
/// static POINTERS: framepool::ring::Ring<*mut u8, 4> = framepool::ring::Ring::new();
/// ```
pub struct Ring<T, const N: usize>(Inline<ValueSlot<T>, N>);

// SAFETY: `&Ring` gives out one producer and one consumer, once, each `Send` where `T` is.
unsafe impl<T: Send, const N: usize> Sync for Ring<T, N> {}

impl<T, const N: usize> Ring<T, N> {
    /// An empty ring.
    #[allow(clippy::new_without_default)]
    pub const fn new() -> Self {
        Self(Inline::new(
            [const { ValueSlot::new(MaybeUninit::uninit()) }; N],
        ))
    }

    /// Both ends, once in the life of the ring. Only this, and dropping an end, need compare-and-swap (or a
    /// critical section, on targets without it).
    ///
    /// # Errors
    /// [`RingError::AlreadySplit`], by this or by [`split_mut`](Self::split_mut).
    pub fn split(&'static self) -> Result<Ends<'static, T>, RingError> {
        // SAFETY: the memory is given out once, for one pair of ends at position 0.
        self.0.split().map(|memory| unsafe { ends(memory, 0) })
    }

    /// Both ends, for as long as the ring is borrowed. May be repeated: the ring is then empty again. Values that
    /// are left when both ends have been dropped are dropped; if an end was forgotten they are forgotten too.
    ///
    /// ```
    /// use framepool::ring::Ring;
    ///
    /// let mut ring: Ring<String, 8> = Ring::new();
    /// {
    ///     let (mut tx, mut rx) = ring.split_mut();
    ///     std::thread::scope(|scope| {
    ///         scope.spawn(move || tx.push("from another thread".into()));
    ///         while rx.is_empty() {}
    ///         assert_eq!(rx.pop().as_deref(), Some("from another thread"));
    ///     });
    /// }
    /// // The ends are gone, so the ring can be split again.
    /// let (tx, rx) = ring.split_mut();
    /// assert!(rx.is_empty() && !tx.is_abandoned());
    /// ```
    pub fn split_mut(&mut self) -> Ends<'_, T> {
        // SAFETY: the memory is borrowed exclusively, for one pair of ends at position 0.
        unsafe { ends(self.0.split_mut(), 0) }
    }
}

describe!(impl[T, const N: usize] Ring<T, N> as Ring { capacity = |_| N });

/// A ring's memory as a value.
pub(super) struct Inline<S, const N: usize> {
    control: Control,
    slots: [S; N],
}

impl<S: Slot, const N: usize> Inline<S, N> {
    /// `slots` are empty.
    pub(super) const fn new(slots: [S; N]) -> Self {
        const { check::<S>(N) };
        Self {
            control: Control::new(0),
            slots,
        }
    }

    /// The memory for both ends, once: it is empty, at position 0.
    pub(super) fn split(&'static self) -> Result<Memory<'static, S>, RingError> {
        if !self.control.claim() {
            return Err(RingError::AlreadySplit);
        }
        // SAFETY: the memory lives for ever, and `claim` succeeds once.
        Ok(unsafe { self.memory() })
    }

    /// The memory for both ends, emptied, at position 0. The values that were in it are forgotten.
    pub(super) fn split_mut(&mut self) -> Memory<'_, S> {
        self.control = Control::new(0);
        // Ends that are forgotten leave the positions and slots in any state: `split`, which relies on an empty ring,
        // must then fail.
        self.control.claim();
        if S::MUST_BE_WRITTEN {
            self.slots.iter_mut().for_each(|slot| *slot = S::empty());
        }
        // SAFETY: the borrow is exclusive, so there are no other ends for as long as it lasts.
        unsafe { self.memory() }
    }

    /// # Safety
    /// Only the ends made from this use the ring while it is borrowed.
    unsafe fn memory(&self) -> Memory<'_, S> {
        let (control, slots) = (NonNull::from(&self.control), NonNull::from(&self.slots));
        // SAFETY: the memory lives as long as the borrow; the caller's promise. Words and slots may be written
        // through a shared reference.
        unsafe { Memory::new(control, slots.cast(), N, None) }
    }
}

/// Rejects a capacity that no ring can have, at compile time.
const fn check<S>(capacity: usize) {
    match memory::slots::<S>(capacity) {
        Ok(_) => (),
        Err(RingError::ZeroCapacity) => panic!("a ring must have at least one slot"),
        Err(RingError::NotPowerOfTwo { .. }) => {
            panic!("the capacity of a ring must be a power of two")
        }
        Err(_) => panic!("the slots of this ring exceed the address space"),
    }
}
