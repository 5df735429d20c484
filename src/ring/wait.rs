//! Strategies of waiting, and the waits of both designs.

#[cfg(feature = "std")]
use std::time::{Duration, Instant};

use crate::ring::error::{Abandoned, Full, PopWaitError, PushWaitError};
use crate::sync::spin_loop;

/// A strategy: what a thread does between two looks at a ring. Each wait starts with a new value of the type.
///
/// | strategy | between two looks | for |
/// |---|---|---|
/// | [`Spin`] | spins, twice as long each time up to a maximum | a thread with a core of its own; bare metal |
/// | [`Patient`] | always spins for the maximum, 64 pauses | streams: throughput before latency |
/// | [`Yield`](struct@Yield) (`std`) | spins as `Spin` does, then yields to other threads | shared cores |
/// | [`asynchronous`](crate::ring::asynchronous) | sleeps until woken | executors, interrupts |
/// | a type of your own | `wfe`, `wfi`, a futex, a counter of lost cycles | |
///
/// ```
/// use framepool::ring::{self, Wait};
///
/// /// On a Cortex-M: sleeps until an interrupt, which may have pushed.
/// #[derive(Default)]
/// struct Interrupt;
///
/// impl Wait for Interrupt {
///     fn wait(&mut self) {
///         // cortex_m::asm::wfe();
///     }
/// }
///
/// let (mut tx, mut rx) = ring::allocate(4)?;
/// tx.push(1)?;
/// assert_eq!(rx.pop_wait::<Interrupt>(), Some(1));
/// # Ok::<(), Box<dyn core::error::Error>>(())
/// ```
pub trait Wait: Default {
    /// Called after each look that found nothing, also after the first.
    fn wait(&mut self);
}

/// Minimum number of pauses between two looks.
const MIN_PAUSES: u32 = 8;
/// Maximum number of pauses between two looks.
const MAX_PAUSES: u32 = 64;

/// Spins, twice as long between looks each time: 8 pauses ([`core::hint::spin_loop`]), 16, 32, and then
/// 64. Each look takes a cache line away from the other end, so a stream of values is faster if this end looks less
/// often. The price: a wait may end up to 64 pauses late.
#[derive(Debug, Clone, Copy)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct Spin {
    pauses: u32,
}

impl Default for Spin {
    fn default() -> Self {
        Self { pauses: MIN_PAUSES }
    }
}

impl Wait for Spin {
    #[inline]
    fn wait(&mut self) {
        (0..self.pauses).for_each(|_| spin_loop());
        self.pauses = (self.pauses * 2).min(MAX_PAUSES);
    }
}

/// Spins for 64 pauses between any two looks. The other end keeps its cache lines meanwhile, and several values can
/// be taken after one look. Between cores that share no cache, single values stream two to three times as fast as with
/// [`Spin`]; between cores that share one, small values stream faster with [`Spin`]. The price: every wait, not only a
/// long one, may end up to 64 pauses late.
///
/// ```
/// use framepool::ring::{self, Patient};
///
/// let (mut tx, mut rx) = ring::flags::allocate(64)?;
/// let sum = std::thread::spawn(move || {
///     core::iter::from_fn(|| rx.pop_wait::<Patient>()).sum::<u32>()
/// });
/// for i in 0..1000 {
///     tx.push_wait::<Patient>(i)?;
/// }
/// drop(tx);
/// assert_eq!(sum.join().unwrap(), 499_500);
/// # Ok::<(), Box<dyn core::error::Error>>(())
/// ```
#[derive(Debug, Clone, Copy, Default)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct Patient;

impl Wait for Patient {
    #[inline]
    fn wait(&mut self) {
        (0..MAX_PAUSES).for_each(|_| spin_loop());
    }
}

/// Spins as [`Spin`] does up to its maximum, and then yields to other threads instead.
#[cfg(feature = "std")]
#[derive(Debug, Clone, Copy, Default)]
pub struct Yield {
    spin: Spin,
}

#[cfg(feature = "std")]
impl Wait for Yield {
    #[inline]
    fn wait(&mut self) {
        if self.spin.pauses < MAX_PAUSES {
            return self.spin.wait();
        }
        #[cfg(loom)]
        loom::thread::yield_now();
        #[cfg(not(loom))]
        std::thread::yield_now();
    }
}

/// The end of either design that values are pushed into, as waiting sees it.
pub(super) trait PushEnd<T> {
    fn push(&mut self, value: T) -> Result<(), Full<T>>;

    /// Whether a push would succeed. Counts nothing.
    fn has_room(&mut self) -> bool;

    fn is_abandoned(&self) -> bool;

    #[inline(always)]
    fn push_or_wait<W: Wait>(&mut self, value: T) -> Result<(), Abandoned<T>> {
        match self.push(value) {
            Ok(()) => Ok(()),
            Err(Full(value)) => (self.push_waiting::<W>(value, || false))
                .map_err(|error| Abandoned(error.into_inner())),
        }
    }

    #[cfg(feature = "std")]
    fn push_or_wait_for<W: Wait>(
        &mut self,
        value: T,
        timeout: Duration,
    ) -> Result<(), PushWaitError<T>> {
        match self.push(value) {
            Ok(()) => Ok(()),
            Err(Full(value)) => self.push_waiting::<W>(value, timer(timeout)),
        }
    }

    /// Waits until there is room, the consumer is gone, or `is_over`, which is asked before each further wait.
    #[cold]
    fn push_waiting<W: Wait>(
        &mut self,
        value: T,
        mut is_over: impl FnMut() -> bool,
    ) -> Result<(), PushWaitError<T>> {
        let mut wait = W::default();
        loop {
            // In this order: slots that were freed before the consumer went, or the time was over, are used.
            let (abandoned, over) = (self.is_abandoned(), is_over());
            if self.has_room() {
                // Succeeds: no other producer takes the room.
                return (self.push(value)).map_err(|Full(value)| PushWaitError::Abandoned(value));
            }
            if abandoned {
                return Err(PushWaitError::Abandoned(value));
            }
            if over {
                return Err(PushWaitError::TimedOut(value));
            }
            wait.wait();
        }
    }
}

/// The end of either design that values are popped from, as waiting sees it.
pub(super) trait PopEnd<T> {
    fn pop(&mut self) -> Option<T>;

    /// Whether a pop would succeed. Counts nothing.
    fn has_value(&mut self) -> bool;

    fn is_abandoned(&self) -> bool;

    #[inline(always)]
    fn pop_or_wait<W: Wait>(&mut self) -> Option<T> {
        match self.pop() {
            Some(value) => Some(value),
            None => self.pop_waiting::<W>(|| false).ok(),
        }
    }

    #[cfg(feature = "std")]
    fn pop_or_wait_for<W: Wait>(&mut self, timeout: Duration) -> Result<T, PopWaitError> {
        match self.pop() {
            Some(value) => Ok(value),
            None => self.pop_waiting::<W>(timer(timeout)),
        }
    }

    /// As `push_waiting`.
    #[cold]
    fn pop_waiting<W: Wait>(
        &mut self,
        mut is_over: impl FnMut() -> bool,
    ) -> Result<T, PopWaitError> {
        let mut wait = W::default();
        loop {
            // In this order: values that were pushed before the producer went, or the time was over, are taken.
            let (abandoned, over) = (self.is_abandoned(), is_over());
            if self.has_value() {
                return self.pop().ok_or(PopWaitError::Abandoned);
            }
            if abandoned {
                return Err(PopWaitError::Abandoned);
            }
            if over {
                return Err(PopWaitError::TimedOut);
            }
            wait.wait();
        }
    }
}

/// Tells whether the time since this call is over.
#[cfg(feature = "std")]
fn timer(timeout: Duration) -> impl FnMut() -> bool {
    let start = Instant::now();
    move || start.elapsed() >= timeout
}
