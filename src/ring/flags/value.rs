//! The ring with flags as a value: in a static, on the stack, in a struct.

use crate::ring::control::{CONSUMER, PRODUCER};
use crate::ring::error::RingError;
use crate::ring::flags::ends::{Consumer, Ends, Producer, ends};
use crate::ring::flags::slot::FlagSlot;
use crate::ring::value::Inline;

/// A ring whose slots carry flags, as a value: for a `static`, where it is all zeros and lies in `.bss`, or
/// for the stack or a struct. `N` is a power of two; all slots are usable.
///
/// Take it if values come one by one: then only the value's own cache line moves between the cores, while
/// [`ring::Ring`](crate::ring::Ring) also moves positions. With bursts `ring::Ring` is mostly faster: it moves one
/// position for each burst, and this ring one flag for each value. A slot is larger than the value by four bytes and
/// padding, and there is no access in place.
///
/// Nothing is published late: a value can be seen, and a slot used again, as soon as the push or pop returns.
///
/// ```
/// use framepool::ring::{Spin, flags};
///
/// static ORDERS: flags::Ring<u64, 64> = flags::Ring::new();
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
/// assert!(ORDERS.split().is_err()); // only once
/// # Ok::<(), Box<dyn core::error::Error>>(())
/// ```
/// Its ends are also taken one by one, from an interrupt or a thread, as those of
/// [`ring::Ring`](crate::ring::Ring#ends-one-by-one):
/// ```
/// use framepool::ring::{RingError, flags};
///
/// static EVENTS: flags::Ring<u8, 16> = flags::Ring::new();
///
/// for event in 0..3 {
///     EVENTS.producer()?.push(event).unwrap(); // taken, and put back
/// }
/// let mut rx = EVENTS.consumer()?;
/// assert!(rx.drain().eq(0..3));
/// assert_eq!(EVENTS.split().unwrap_err(), RingError::ConsumerTaken);
/// # Ok::<(), RingError>(())
/// ```
/// ```compile_fail,E0080
/// static ODD: framepool::ring::flags::Ring<u32, 24> = framepool::ring::flags::Ring::new();
/// ```
/// A ring in a static needs values that are `Send`:
/// ```compile_fail,E0277
/// static POINTERS: framepool::ring::flags::Ring<*mut u8, 4> = framepool::ring::flags::Ring::new();
/// ```
pub struct Ring<T, const N: usize>(Inline<FlagSlot<T>, N>);

// SAFETY: `&Ring` gives out one producer and one consumer at a time, each `Send` where `T` is.
unsafe impl<T: Send, const N: usize> Sync for Ring<T, N> {}

impl<T, const N: usize> Ring<T, N> {
    /// An empty ring.
    #[cfg(not(loom))]
    #[allow(clippy::new_without_default)]
    pub const fn new() -> Self {
        Self(Inline::new([const { FlagSlot::new() }; N]))
    }

    /// An empty ring.
    #[cfg(loom)]
    #[allow(clippy::new_without_default)]
    pub fn new() -> Self {
        Self(Inline::empty())
    }

    /// Takes the producer alone: as [`ring::Ring::producer`](crate::ring::Ring::producer).
    ///
    /// # Errors
    /// [`RingError::ProducerTaken`], [`RingError::AlreadySplit`].
    pub fn producer(&self) -> Result<Producer<'_, T>, RingError> {
        // SAFETY: the producer was taken, and there is one at a time.
        (self.0.take(PRODUCER)).map(|memory| unsafe { Producer::new(memory) })
    }

    /// Takes the consumer alone: as [`ring::Ring::consumer`](crate::ring::Ring::consumer).
    ///
    /// # Errors
    /// [`RingError::ConsumerTaken`], [`RingError::AlreadySplit`].
    pub fn consumer(&self) -> Result<Consumer<'_, T>, RingError> {
        // SAFETY: the consumer was taken, and there is one at a time.
        (self.0.take(CONSUMER)).map(|memory| unsafe { Consumer::new(memory) })
    }

    /// Whether the producer is out now: as [`ring::Ring::is_producer_taken`](crate::ring::Ring::is_producer_taken).
    pub fn is_producer_taken(&self) -> bool {
        self.0.is_out(PRODUCER)
    }

    /// Whether the consumer is out now.
    pub fn is_consumer_taken(&self) -> bool {
        self.0.is_out(CONSUMER)
    }

    /// Both ends, once in the life of the ring, with the values that are in it.
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
    /// the ring is split: its ends cannot be taken one by one. O(N).
    ///
    /// ```
    /// use framepool::ring::flags;
    ///
    /// let mut ring: flags::Ring<String, 8> = flags::Ring::new();
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
