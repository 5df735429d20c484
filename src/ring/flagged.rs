//! A ring whose slots say for themselves whether they are full: for values that come one by one.
//!
//! ```text
//!   ┌───┬──────┬───┬──────┬───┬──────┬───┬──────┐
//!   │ 1 │  v   │ 1 │  v   │ 0 │      │ 0 │      │    flag and value side by side
//!   └───┴──────┴───┴──────┴───┴──────┴───┴──────┘
//!       consumer            producer                each knows its own place only
//! ```
//!
//! There is no position that both ends read. A push looks at the flag of one slot, writes its value and
//! sets the flag; a pop looks, reads and clears. What crosses between the cores is the slot itself.
//!
//! | producer | consumer | what holds |
//! |---|---|---|
//! | loads the flag, **acquire**: 0 | | the last value was read before it became 0 |
//! | writes the value | | nobody reads it while the flag is 0 |
//! | stores 1, **release** | | |
//! | | loads the flag, **acquire**: 1 | the write came before |
//! | | reads the value, stores 0, **release** | nobody writes it while the flag is 1 |

use core::fmt;
use core::marker::PhantomData;
use core::mem::MaybeUninit;
use core::ptr::NonNull;

use crate::ring::control::{CONSUMER, Control, PRODUCER};
use crate::ring::error::{Abandoned, Full, RingError};
use crate::ring::stats::{ConsumerStats, ProducerStats};
use crate::ring::wait::Wait;
use crate::sync::{AtomicU32, Exclusive, Ordering, Word, wide};

/// A flag and room for a value.
///
/// # Invariant
/// The value is there, and the consumer's, exactly while `full` is 1; while it is 0 the room is the
/// producer's.
#[repr(C)]
struct Slot<T> {
    value: Exclusive<MaybeUninit<T>>,
    full: AtomicU32,
}

impl<T> Slot<T> {
    #[cfg(not(loom))]
    const fn new() -> Self {
        Self {
            full: AtomicU32::new(0),
            value: Exclusive::new(MaybeUninit::uninit()),
        }
    }

    #[cfg(loom)]
    fn new() -> Self {
        Self {
            full: AtomicU32::new(0),
            value: Exclusive::new(MaybeUninit::uninit()),
        }
    }

    #[inline(always)]
    fn is_full(&self) -> bool {
        // Acquire: pairs with the other end's release of the flag.
        self.full.load(Ordering::Acquire) != 0
    }

    /// Moves the value out.
    ///
    /// # Safety
    /// It is full, and the caller is the consumer, or alone.
    #[inline(always)]
    unsafe fn take(&self) -> T {
        // SAFETY: full: there is a value, and it is the caller's.
        let value = unsafe { self.value.with(|v| (*v).assume_init_read()) };
        // Release: pairs with the producer's acquire, which then writes.
        self.full.store(0, Ordering::Release);
        value
    }
}

/// A ring whose slots carry flags, as a value: for a `static`, where it is all zeros and lies in `.bss`. `N` is a power
/// of two; all of them are usable.
///
/// Where values come one by one and the ends run on cores that share no cache, it passes several times as
/// many as [`Ring`](crate::ring::Ring); it has no bursts and no access in place, and a slot is larger by
/// four bytes and padding.
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
    const CHECKED: () = match crate::ring::homes::slots::<Slot<T>>(N) {
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
    /// [`RingError::AlreadySplit`].
    pub fn split(&'static self) -> Result<FlagEnds<'static, T>, RingError> {
        if !self.control.claim() {
            return Err(RingError::AlreadySplit);
        }
        // SAFETY: the memory lives for ever, and `claim` succeeds once: these are its only ends.
        Ok(unsafe {
            ends(
                NonNull::from(&self.control),
                NonNull::from(&self.slots),
                None,
            )
        })
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

/// Both ends of one ring with flags.
pub type FlagEnds<'r, T> = (FlagProducer<'r, T>, FlagConsumer<'r, T>);

/// Frees a ring's memory, once nobody uses it.
type Free<T> = unsafe fn(NonNull<Control>, NonNull<[Slot<T>]>);

/// # Safety
/// A power of two of empty slots; both pointers are good until both ends have left, for nobody else; `free` may then be
/// called.
unsafe fn ends<'r, T>(
    control: NonNull<Control>,
    slots: NonNull<[Slot<T>]>,
    free: Option<Free<T>>,
) -> FlagEnds<'r, T> {
    let side = || Side {
        at: 0,
        mask: slots.len().wrapping_sub(1),
        slots: slots.cast(),
        control,
        free,
        failed: 0,
        _of: PhantomData,
    };
    (FlagProducer(side()), FlagConsumer(side()))
}

/// A ring with flags in memory of its own, freed with the second of its ends. O(capacity).
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
#[cfg(any(feature = "std", loom))]
pub fn allocate_flagged<T>(capacity: usize) -> Result<FlagEnds<'static, T>, RingError> {
    use std::boxed::Box;
    let size = crate::ring::homes::slots::<Slot<T>>(capacity)?.size();
    let mut slots: std::vec::Vec<Slot<T>> = std::vec::Vec::new();
    slots
        .try_reserve_exact(capacity)
        .map_err(|_| RingError::OutOfMemory { size })?;
    slots.resize_with(capacity, Slot::new);
    let slots = NonNull::from(Box::leak(slots.into_boxed_slice()));
    let control = NonNull::from(Box::leak(Box::new(Control::new())));
    // SAFETY: both live until `free`, and nobody else knows of them.
    Ok(unsafe { ends(control, slots, Some(free::<T>)) })
}

/// # Safety
/// They are from `allocate_flagged`, both ends have left, and the slots hold nothing.
#[cfg(any(feature = "std", loom))]
unsafe fn free<T>(control: NonNull<Control>, slots: NonNull<[Slot<T>]>) {
    // SAFETY: leaked by `allocate_flagged`.
    unsafe {
        drop(std::boxed::Box::from_raw(slots.as_ptr()));
        drop(std::boxed::Box::from_raw(control.as_ptr()));
    }
}

/// What both ends know.
///
/// # Invariant
/// `slots` points to `mask + 1` slots, a power of two; they and `control` live until both ends have left.
#[cfg_attr(target_pointer_width = "64", repr(align(128)))]
#[cfg_attr(target_pointer_width = "32", repr(align(32)))]
struct Side<'r, T> {
    /// Values that went through this end; the lower bits are the next slot's index.
    at: Word,
    mask: usize,
    slots: NonNull<Slot<T>>,
    control: NonNull<Control>,
    free: Option<Free<T>>,
    /// Operations that found the slot not ready.
    failed: u64,
    _of: PhantomData<(&'r (), T)>,
}

impl<T> Side<'_, T> {
    /// The next slot. Not bound to `self`, so that it is found once an operation.
    #[inline(always)]
    fn slot<'a>(&self) -> &'a Slot<T>
    where
        Self: 'a,
    {
        // SAFETY: the index is at most `mask`, and the slots live until this end has left; no
        // operation keeps the reference.
        unsafe { self.slots.add(self.at as usize & self.mask).as_ref() }
    }

    fn control(&self) -> &Control {
        // SAFETY: it lives until this end has left.
        unsafe { self.control.as_ref() }
    }

    fn is_full(&self) -> bool {
        self.slot().is_full()
    }

    #[cold]
    fn fail(&mut self) {
        self.failed = self.failed.saturating_add(1);
    }

    /// Gives the end up. The last one drops what is left, and frees the memory.
    ///
    /// # Safety
    /// Called once for each end, which does nothing more afterwards.
    unsafe fn leave(&mut self, end: u32) {
        self.control().mark_gone(end);
        if self.control().leave(end) {
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
            let full = self.side.is_full();
            let at = self.side.at;
            self.side.at = at.wrapping_add(1);
            if full {
                // SAFETY: the slot before: full, and nobody else is left.
                let slot = unsafe { self.side.slots.add(at as usize & self.side.mask).as_ref() };
                // SAFETY: as above.
                drop(unsafe { slot.take() });
            }
        }
    }
}

impl<T> Drop for Rest<'_, '_, T> {
    fn drop(&mut self) {
        // Only after a destructor that panicked is anything left. A second panic aborts.
        self.run();
        let slots = NonNull::slice_from_raw_parts(self.side.slots, self.side.mask + 1);
        if let Some(free) = self.side.free {
            // SAFETY: both ends have left, and the slots hold nothing.
            unsafe { free(self.side.control, slots) };
        }
    }
}

/// The end of a [`FlagRing`] that values are pushed into: as [`Producer`](crate::ring::Producer), one by
/// one. `Send`, not `Sync`, on cache lines of its own.
///
/// ```compile_fail,E0277
/// fn shared<T: Sync>(_: T) {}
/// shared(framepool::ring::allocate_flagged::<u8>(4).unwrap().0);
/// ```
pub struct FlagProducer<'r, T>(Side<'r, T>);

/// The end of a [`FlagRing`] that values are popped from: as [`Consumer`](crate::ring::Consumer), one by
/// one. `Send`, not `Sync`, on cache lines of its own.
///
/// ```compile_fail,E0277
/// fn shared<T: Sync>(_: T) {}
/// shared(framepool::ring::allocate_flagged::<u8>(4).unwrap().1);
/// ```
pub struct FlagConsumer<'r, T>(Side<'r, T>);

// SAFETY: one value of this type stands for one end, which may be used by any thread, one at a time
// (`&mut self`); values move through it to the other end's thread.
unsafe impl<T: Send> Send for FlagProducer<'_, T> {}
// SAFETY: the same, from the other end's thread.
unsafe impl<T: Send> Send for FlagConsumer<'_, T> {}

impl<T> FlagProducer<'_, T> {
    /// Appends a value, which the consumer sees at once. O(1): touches one slot and no other shared memory.
    ///
    /// # Errors
    /// [`Full`] with the value.
    #[inline]
    pub fn push(&mut self, value: T) -> Result<(), Full<T>> {
        let slot = self.0.slot();
        if slot.is_full() {
            self.0.fail();
            return Err(Full(value));
        }
        // SAFETY: it is not full, so the room is the producer's.
        unsafe { slot.value.with(|v| (*v).write(value)) };
        // Release: pairs with the consumer's acquire.
        slot.full.store(1, Ordering::Release);
        self.0.at = self.0.at.wrapping_add(1);
        Ok(())
    }

    /// Appends a value, after waiting for a place if need be.
    ///
    /// # Errors
    /// [`Abandoned`] with the value: the ring is full, and the consumer is gone.
    #[inline]
    pub fn push_wait<W: Wait>(&mut self, value: T) -> Result<(), Abandoned<T>> {
        let mut wait = W::default();
        while self.0.is_full() {
            // In this order: a place that was freed before the consumer went is used.
            if self.is_abandoned() && self.0.is_full() {
                return Err(Abandoned(value));
            }
            wait.wait();
        }
        self.push(value).map_err(|Full(value)| Abandoned(value))
    }

    /// Whether a push would fail now.
    pub fn is_full(&self) -> bool {
        self.0.is_full()
    }

    /// Whether the consumer is gone. What nobody took is dropped with this end.
    pub fn is_abandoned(&self) -> bool {
        self.0.control().is_gone(CONSUMER)
    }

    /// Values that the ring holds when it is full: all of its slots.
    pub fn capacity(&self) -> usize {
        self.0.mask + 1
    }

    /// What this end has counted.
    pub fn stats(&self) -> ProducerStats {
        ProducerStats {
            enqueued: wide(self.0.at),
            refused: self.0.failed,
        }
    }
}

impl<T> FlagConsumer<'_, T> {
    /// Takes the oldest value; `None` if there is none. O(1): touches one slot and no other shared memory.
    #[inline]
    pub fn pop(&mut self) -> Option<T> {
        let slot = self.0.slot();
        if !slot.is_full() {
            self.0.fail();
            return None;
        }
        // SAFETY: it is full, and this is the consumer.
        let value = unsafe { slot.take() };
        self.0.at = self.0.at.wrapping_add(1);
        Some(value)
    }

    /// Takes the oldest value, after waiting for it if need be. `None`: the producer is gone, and nothing
    /// is left.
    #[inline]
    pub fn pop_wait<W: Wait>(&mut self) -> Option<T> {
        let mut wait = W::default();
        while !self.0.is_full() {
            // In this order: what was pushed before the producer went is taken.
            if self.is_abandoned() && !self.0.is_full() {
                return None;
            }
            wait.wait();
        }
        self.pop()
    }

    /// Whether there is nothing to take now.
    pub fn is_empty(&self) -> bool {
        !self.0.is_full()
    }

    /// Whether the producer is gone: as [`Consumer::is_abandoned`](crate::ring::Consumer::is_abandoned).
    pub fn is_abandoned(&self) -> bool {
        self.0.control().is_gone(PRODUCER)
    }

    /// Values that the ring holds when it is full: all of its slots.
    pub fn capacity(&self) -> usize {
        self.0.mask + 1
    }

    /// What this end has counted. `high_water` is 0: without positions nobody knows how many wait.
    pub fn stats(&self) -> ConsumerStats {
        ConsumerStats {
            dequeued: wide(self.0.at),
            starved: self.0.failed,
            high_water: 0,
        }
    }
}

impl<T> Drop for FlagProducer<'_, T> {
    fn drop(&mut self) {
        // SAFETY: an end is dropped once.
        unsafe { self.0.leave(PRODUCER) };
    }
}

impl<T> Drop for FlagConsumer<'_, T> {
    fn drop(&mut self) {
        // SAFETY: an end is dropped once.
        unsafe { self.0.leave(CONSUMER) };
    }
}

impl<T> fmt::Debug for FlagProducer<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FlagProducer")
            .field("capacity", &self.capacity())
            .field("stats", &self.stats())
            .finish_non_exhaustive()
    }
}

impl<T> fmt::Debug for FlagConsumer<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FlagConsumer")
            .field("capacity", &self.capacity())
            .field("stats", &self.stats())
            .finish_non_exhaustive()
    }
}
