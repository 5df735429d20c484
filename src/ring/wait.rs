//! Waiting, by type: what a thread does between two looks at a ring that has nothing for it.

use crate::ring::error::{Abandoned, Full};
use crate::ring::{Consumer, Producer};
use crate::sync::spin_loop;

/// What to do between two looks. A new one is made for each wait.
///
/// | strategy | between looks | for |
/// |---|---|---|
/// | [`Spin`] | spins, twice as long each time up to a bound | a core of one's own; bare metal |
/// | [`Patient`] | spins, as long each time as that at its longest | streams: values per second before latency |
/// | [`Yield`](struct@Yield) (`std`) | spins like that, then gives the core away | cores that are shared |
/// | [`asynchronous`](crate::ring::asynchronous) | sleeps until woken | executors, interrupts |
/// | one's own | `wfe`, `wfi`, a futex, a counter of lost cycles | |
///
/// ```
/// use framepool::ring::{self, Wait};
///
/// /// On a Cortex-M: sleeps until some interrupt, which may have pushed.
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
    /// Called after each look that found nothing, the first included.
    fn wait(&mut self);
}

/// The fewest pauses between two looks.
const FEWEST: u32 = 8;
/// The most.
const MOST: u32 = 64;

/// Spins, twice as long between looks each time: 8 pauses ([`core::hint::spin_loop`]), 16, 32, and then
/// 64. Each look takes the other end's cache line away from it, so who looks less often is served
/// faster when values stream; the price is that a wait ends up to 64 pauses later than it could.
#[derive(Debug, Clone, Copy)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct Spin {
    pauses: u32,
}

impl Default for Spin {
    fn default() -> Self {
        Self { pauses: FEWEST }
    }
}

impl Wait for Spin {
    #[inline]
    fn wait(&mut self) {
        (0..self.pauses).for_each(|_| spin_loop());
        self.pauses = (self.pauses * 2).min(MOST);
    }
}

/// Spins for 64 pauses between any two looks. What came meanwhile is then taken at once, and the other end
/// keeps its lines in the meantime: between cores that share no cache, single values stream two to three
/// times as fast as with [`Spin`]. Where they do share one, small values stream faster with that. The price
/// is that every wait, not only a long one, may end 64 pauses late.
///
/// ```
/// use framepool::ring::{self, Patient};
///
/// let (mut tx, mut rx) = ring::allocate_flagged(64)?;
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
        (0..MOST).for_each(|_| spin_loop());
    }
}

/// Spins as [`Spin`] does, and once that is at its longest gives the core to another thread instead.
#[cfg(feature = "std")]
#[derive(Debug, Clone, Copy, Default)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct Yield {
    spin: Spin,
}

#[cfg(feature = "std")]
impl Wait for Yield {
    #[inline]
    fn wait(&mut self) {
        if self.spin.pauses < MOST {
            return self.spin.wait();
        }
        #[cfg(loom)]
        loom::thread::yield_now();
        #[cfg(not(loom))]
        std::thread::yield_now();
    }
}

impl<T> Producer<'_, T> {
    /// Appends a value, after waiting for a place if need be.
    ///
    /// # Errors
    /// [`Abandoned`] with the value: the ring is full, and the consumer is gone.
    ///
    /// ```
    /// use framepool::ring::{self, Spin};
    ///
    /// let (mut tx, mut rx) = ring::allocate(2)?;
    /// let sum = std::thread::spawn(move || {
    ///     core::iter::from_fn(|| rx.pop_wait::<Spin>()).sum::<u32>()
    /// });
    /// for i in 0..100 {
    ///     tx.push_wait::<Spin>(i)?;
    /// }
    /// drop(tx);
    /// assert_eq!(sum.join().unwrap(), 4950);
    /// # Ok::<(), Box<dyn core::error::Error>>(())
    /// ```
    #[inline]
    pub fn push_wait<W: Wait>(&mut self, value: T) -> Result<(), Abandoned<T>> {
        match self.push(value) {
            Ok(()) => Ok(()),
            Err(Full(value)) => self.push_waiting::<W>(value),
        }
    }

    #[cold]
    fn push_waiting<W: Wait>(&mut self, mut value: T) -> Result<(), Abandoned<T>> {
        let mut wait = W::default();
        loop {
            // In this order: places that were freed before the consumer went are used.
            let abandoned = self.is_abandoned();
            if self.room(1) > 0 {
                match self.push(value) {
                    Ok(()) => return Ok(()),
                    Err(Full(back)) => value = back,
                }
            }
            if abandoned {
                return Err(Abandoned(value));
            }
            wait.wait();
        }
    }
}

impl<T> Consumer<'_, T> {
    /// Takes the oldest value, after waiting for it if need be. `None`: the producer is gone, and nothing
    /// is left.
    #[inline]
    pub fn pop_wait<W: Wait>(&mut self) -> Option<T> {
        match self.pop() {
            Some(value) => Some(value),
            None => self.pop_waiting::<W>(),
        }
    }

    #[cold]
    fn pop_waiting<W: Wait>(&mut self) -> Option<T> {
        let mut wait = W::default();
        loop {
            // In this order: what was pushed before the producer went is taken.
            let abandoned = self.is_abandoned();
            if self.waiting(1) > 0 {
                return self.pop();
            }
            if abandoned {
                return None;
            }
            wait.wait();
        }
    }
}
