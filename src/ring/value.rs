//! The ring as a value: in a static, on the stack, in a struct. Under loom, whose atomics are made at run time, it has
//! no `const` constructor.

#[cfg(not(loom))]
use core::mem::MaybeUninit;
use core::ptr::NonNull;

use crate::ring::construct::{Ends, ends};
use crate::ring::consumer::Consumer;
use crate::ring::control::{CONSUMER, Control, PRODUCER};
use crate::ring::error::RingError;
use crate::ring::memory::{self, Memory, Slot};
use crate::ring::observer::Observer;
use crate::ring::producer::Producer;
use crate::ring::slot::ValueSlot;
use crate::sync::loom_const;

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
/// # Ends one by one
/// [`split`](Self::split) returns both ends, which then have to be moved to where they are used. An interrupt handler
/// has no argument to receive one. [`producer`](Self::producer) and [`consumer`](Self::consumer) take one end each, from
/// wherever the ring is visible:
///
/// ```
/// use framepool::ring::{Ring, RingError};
///
/// static SAMPLES: Ring<u16, 64> = Ring::new();
///
/// /// The interrupt: takes its end, and puts it back when it returns.
/// fn adc_interrupt() {
///     let Ok(mut tx) = SAMPLES.producer() else {
///         return; // taken by other code, which is a mistake: count it
///     };
///     let _ = tx.push(17);
/// }
///
/// // The main program keeps its end.
/// let mut rx = SAMPLES.consumer()?;
/// adc_interrupt();
/// adc_interrupt();
/// assert_eq!((rx.pop(), rx.pop()), (Some(17), Some(17)));
/// assert_eq!(SAMPLES.consumer().unwrap_err(), RingError::ConsumerTaken);
/// # Ok::<(), RingError>(())
/// ```
///
/// | | ends from `split`, `split_mut` | ends taken one by one |
/// |---|---|---|
/// | taken | both, once (`split_mut`: for each borrow) | each, again and again |
/// | an end is dropped | it is gone for ever; the other end sees that ([`Producer::is_abandoned`]) | it is put back; the next one goes on at its position. The other end notices nothing: `is_abandoned` is `false`, and [`Consumer::pop_wait`] goes on waiting |
/// | values that are left | dropped with the last end | stay for the next consumer; dropped with the ring |
/// | an end that is forgotten | the values in the ring are forgotten, too | the same; and the end cannot be taken again |
///
/// Whether an end is out now: [`is_producer_taken`](Self::is_producer_taken),
/// [`is_consumer_taken`](Self::is_consumer_taken).
///
/// # Errors at compile time
/// A wrong capacity:
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
/// An end does not outlive its ring:
/// ```compile_fail,E0597
/// let tx = {
///     let ring: framepool::ring::Ring<u8, 4> = framepool::ring::Ring::new();
///     ring.producer().unwrap()
/// };
/// drop(tx);
/// ```
pub struct Ring<T, const N: usize>(Inline<ValueSlot<T>, N>);

// SAFETY: `&Ring` gives out one producer and one consumer at a time, each `Send` where `T` is.
unsafe impl<T: Send, const N: usize> Sync for Ring<T, N> {}

impl<T, const N: usize> Ring<T, N> {
    /// An empty ring.
    #[cfg(not(loom))]
    #[allow(clippy::new_without_default)]
    pub const fn new() -> Self {
        Self(Inline::new(
            [const { ValueSlot::new(MaybeUninit::uninit()) }; N],
        ))
    }

    /// An empty ring.
    #[cfg(loom)]
    #[allow(clippy::new_without_default)]
    pub fn new() -> Self {
        Self(Inline::empty())
    }

    /// Takes the producer alone, at the position where the last one stopped. Dropping it puts it back. The values that
    /// earlier producers pushed are in the ring.
    ///
    /// From any thread or interrupt: it never waits. One compare-and-swap, repeated if the other end comes or goes at
    /// the same moment; putting it back is one atomic addition. On targets without compare-and-swap each is a critical
    /// section of a few instructions.
    ///
    /// # Errors
    /// [`RingError::ProducerTaken`]: it is out, in an interrupted program too. [`RingError::AlreadySplit`].
    pub fn producer(&self) -> Result<Producer<'_, T>, RingError> {
        // SAFETY: the producer was taken, and there is one at a time.
        (self.0.take(PRODUCER)).map(|memory| unsafe { Producer::new(memory) })
    }

    /// Takes the consumer alone: as [`producer`](Self::producer). It finds the values that no earlier consumer took.
    ///
    /// # Errors
    /// [`RingError::ConsumerTaken`], [`RingError::AlreadySplit`].
    pub fn consumer(&self) -> Result<Consumer<'_, T>, RingError> {
        // SAFETY: the consumer was taken, and there is one at a time.
        (self.0.take(CONSUMER)).map(|memory| unsafe { Consumer::new(memory) })
    }

    /// Whether the producer is out now, taken alone or with [`split`](Self::split). If not, everything that it pushed
    /// is visible. One load.
    pub fn is_producer_taken(&self) -> bool {
        self.0.is_out(PRODUCER)
    }

    /// Whether the consumer is out now: as [`is_producer_taken`](Self::is_producer_taken).
    pub fn is_consumer_taken(&self) -> bool {
        self.0.is_out(CONSUMER)
    }

    /// A handle that reads the length of the ring from any thread.
    pub fn observer(&self) -> Observer<'_> {
        // SAFETY: an observer uses no slot.
        Observer::new(&unsafe { self.0.memory() })
    }

    /// Both ends, once in the life of the ring, with the values that are in it. One compare-and-swap.
    ///
    /// # Errors
    /// [`RingError`]: `AlreadySplit`, by this or by [`split_mut`](Self::split_mut); `ProducerTaken`, `ConsumerTaken` if
    /// an end was taken alone and is out.
    pub fn split(&'static self) -> Result<Ends<'static, T>, RingError> {
        // SAFETY: no end was out, and none can be taken from now on.
        self.0.split().map(|memory| unsafe { ends(memory) })
    }

    /// Both ends, for as long as the ring is borrowed. May be repeated: the ring is then empty again. Values that
    /// are left when both ends have been dropped are dropped; if an end was forgotten they are forgotten too. Afterwards
    /// the ring is split: its ends cannot be taken one by one.
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
        // SAFETY: the memory is borrowed exclusively, for one pair of ends.
        unsafe { ends(self.0.split_mut()) }
    }
}

describe!(impl[T, const N: usize] Ring<T, N> as Ring { capacity = |_| N });

/// A ring's memory as a value.
///
/// # Invariant
/// The ends are those that `control` has given out.
pub(super) struct Inline<S: Slot, const N: usize> {
    control: Control,
    slots: [S; N],
}

impl<S: Slot, const N: usize> Inline<S, N> {
    loom_const! {
        /// `slots` are empty.
        pub(super) fn new(slots: [S; N]) -> Self {
            const { check::<S>(N) };
            Self {
                control: Control::new(),
                slots,
            }
        }
    }

    #[cfg(loom)]
    pub(super) fn empty() -> Self {
        Self::new(core::array::from_fn(|_| S::empty()))
    }

    /// The memory for one end, until that is put back.
    pub(super) fn take(&self, end: u32) -> Result<Memory<'_, S>, RingError> {
        self.control.take(end)?;
        // SAFETY: the end was taken: there is no other such end.
        Ok(unsafe { self.memory() })
    }

    pub(super) fn is_out(&self, end: u32) -> bool {
        self.control.is_out(end)
    }

    /// The memory for both ends, once.
    pub(super) fn split(&'static self) -> Result<Memory<'static, S>, RingError> {
        self.control.take_both()?;
        // SAFETY: the memory lives for ever; both ends were taken.
        Ok(unsafe { self.memory() })
    }

    /// The memory for both ends, emptied, at position 0. If an end was forgotten, so are the values that were in it.
    pub(super) fn split_mut(&mut self) -> Memory<'_, S> {
        self.close();
        // Ends of this borrow that are forgotten leave the positions and slots in any state. So the ring stays split,
        // and no later end but those of this function sees that state.
        self.control = Control::split(0);
        if S::MUST_BE_WRITTEN {
            self.slots.iter_mut().for_each(|slot| *slot = S::empty());
        }
        // SAFETY: the borrow is exclusive, so there are no other ends for as long as it lasts.
        unsafe { self.memory() }
    }

    /// Drops the values that are left, unless the ring was split: then the last end has dropped them. If an end was
    /// forgotten, the values are forgotten too: its position is not known.
    fn close(&mut self) {
        // Split before a destructor may panic: nothing drops the values again.
        if self.control.take_both().is_err() {
            return;
        }
        // SAFETY: the ends were home, and the ring is split now: no end can be taken, and this is not reached again.
        unsafe { self.memory().drop_left() };
    }

    /// # Safety
    /// The caller makes an end of this only if it was taken, or has the ring to itself.
    pub(super) unsafe fn memory(&self) -> Memory<'_, S> {
        let (control, slots) = (NonNull::from(&self.control), NonNull::from(&self.slots));
        // SAFETY: the memory lives as long as the borrow; the caller's promise. Words and slots may be written
        // through a shared reference.
        unsafe { Memory::new(control, slots.cast(), N, None) }
    }
}

impl<S: Slot, const N: usize> Drop for Inline<S, N> {
    fn drop(&mut self) {
        self.close();
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
