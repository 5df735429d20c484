//! What a clock is, and what one does with it.

use core::cell::Cell;
use core::fmt;
use core::sync::atomic::{Ordering, compiler_fence};

use super::Scale;

/// A counter that runs at a constant rate.
///
/// Readings are *ticks*; [`scale`](Self::scale) says what a tick is. Only differences of two readings
/// mean anything. Implement it for whatever counts on your board; a mock is a few lines as well, or
/// [`ManualClock`].
///
/// ```
/// use framepool::time::{Clock, Scale};
///
/// /// A 1 MHz timer of 16 bits.
/// struct Timer;
///
/// impl Clock for Timer {
///     fn now(&self) -> u64 {
///         0xfff0 // the register
///     }
///     fn scale(&self) -> Scale {
///         Scale::from_ratio(1, 1000).unwrap()
///     }
///     fn bits(&self) -> u32 {
///         16
///     }
/// }
///
/// // It ran over in between.
/// assert_eq!(Timer.ticks_between(0xfff0, 0x0004), Ok(20));
/// assert_eq!(Timer.scale().ns(20), 20_000);
/// ```
pub trait Clock {
    /// The counter now. The processor may read it earlier or later than the instructions around it
    /// say: by some tens of cycles.
    fn now(&self) -> u64;

    /// How long a tick is.
    fn scale(&self) -> Scale;

    /// The counter, read after everything before it has completed and before anything after it begins.
    ///
    /// What completes is loads and computation; stores may still be on their way to memory. The default
    /// only keeps the compiler from moving it: enough for processors that execute in order.
    #[inline(always)]
    fn now_fenced(&self) -> u64 {
        compiler_fence(Ordering::SeqCst);
        let now = self.now();
        compiler_fence(Ordering::SeqCst);
        now
    }

    /// Bits that the counter has before it begins again at 0.
    #[inline(always)]
    fn bits(&self) -> u32 {
        64
    }

    /// The counter now, in nanoseconds.
    #[inline(always)]
    fn now_ns(&self) -> u64 {
        self.scale().ns(self.now())
    }

    /// Ticks from one reading to a later one, across the counter's end if need be.
    ///
    /// # Errors
    /// [`Backwards`] if `later` comes before `earlier`: two cores whose counters differ, or a reading that
    /// was taken out of order. Half of the counter's range or more counts as that: 2⁶³ ticks of a
    /// 64-bit counter, some seconds of a 32-bit one ([`Widened`](super::Widened) is for those).
    #[inline(always)]
    fn ticks_between(&self, earlier: u64, later: u64) -> Result<u64, Backwards> {
        let ticks = signed(self.bits(), earlier, later);
        match ticks {
            0.. => Ok(ticks.unsigned_abs()),
            _ => Err(Backwards {
                ticks: ticks.unsigned_abs(),
            }),
        }
    }

    /// Starts measuring.
    #[inline(always)]
    fn span(&self) -> Span<'_, Self>
    where
        Self: Sized,
    {
        Span {
            start: self.now(),
            clock: self,
        }
    }
}

/// Kept a call: a branch that is never taken costs nothing, where a maximum with 0 would be two more steps
/// between the clock and the histogram.
#[cold]
#[inline(never)]
fn nothing() -> u64 {
    // Without an effect the compiler would make that maximum of it.
    compiler_fence(Ordering::SeqCst);
    0
}

/// The difference of two readings of a counter of so many bits.
#[inline(always)]
fn signed(bits: u32, earlier: u64, later: u64) -> i64 {
    let unused = 64_u32.saturating_sub(bits).min(63);
    (later.wrapping_sub(earlier) << unused) as i64 >> unused
}

impl<C: Clock + ?Sized> Clock for &C {
    #[inline(always)]
    fn now(&self) -> u64 {
        (**self).now()
    }

    #[inline(always)]
    fn scale(&self) -> Scale {
        (**self).scale()
    }

    #[inline(always)]
    fn now_fenced(&self) -> u64 {
        (**self).now_fenced()
    }

    #[inline(always)]
    fn bits(&self) -> u32 {
        (**self).bits()
    }
}

/// A reading came before the one that it should follow.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct Backwards {
    /// By so many ticks, or nanoseconds where nanoseconds were given.
    pub ticks: u64,
}

impl fmt::Display for Backwards {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the clock went back by {}", self.ticks)
    }
}

impl core::error::Error for Backwards {}

/// A measurement that has started: a reading, and the clock that it is of.
///
/// ```
/// use framepool::time::{Clock, Histogram2, ManualClock, Scale};
///
/// let clock = ManualClock::new(Scale::NANOSECOND);
/// let mut latency = Histogram2::new();
/// let span = clock.span();
/// clock.advance(250); // the work
/// latency.record(span.stop_ns());
/// assert_eq!(latency.count(), 1);
/// ```
#[must_use = "a span measures until it is stopped"]
pub struct Span<'c, C: Clock + ?Sized> {
    clock: &'c C,
    start: u64,
}

impl<C: Clock + ?Sized> Span<'_, C> {
    /// The first reading.
    #[must_use]
    pub const fn started_at(&self) -> u64 {
        self.start
    }

    /// Ticks since the start; 0 if the clock went backwards, as it may between cores.
    #[inline(always)]
    #[must_use]
    pub fn stop(&self) -> u64 {
        match self.checked_stop() {
            Ok(ticks) => ticks,
            Err(_) => nothing(),
        }
    }

    /// Nanoseconds since the start; 0 if the clock went backwards.
    #[inline(always)]
    #[must_use]
    pub fn stop_ns(&self) -> u64 {
        self.clock.scale().ns(self.stop())
    }

    /// Ticks since the start.
    ///
    /// # Errors
    /// [`Backwards`], for those who want to count that.
    #[inline(always)]
    pub fn checked_stop(&self) -> Result<u64, Backwards> {
        self.clock.ticks_between(self.start, self.clock.now())
    }
}

impl<C: Clock + ?Sized> Clone for Span<'_, C> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<C: Clock + ?Sized> Copy for Span<'_, C> {}

impl<C: Clock + ?Sized> fmt::Debug for Span<'_, C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Span")
            .field("started_at", &self.start)
            .finish_non_exhaustive()
    }
}

/// A clock whose plain readings are fenced ones.
///
/// For what takes less than some hundred cycles, where a reading that overtakes the work would be
/// wrong by as much. Costs a drained pipeline each time.
///
/// ```
/// use framepool::time::{Clock, Fenced, ManualClock, Scale};
///
/// let clock = Fenced(ManualClock::new(Scale::NANOSECOND));
/// let span = clock.span();
/// clock.0.advance(3);
/// assert_eq!(span.stop(), 3);
/// ```
#[derive(Debug, Clone, Copy)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct Fenced<C>(pub C);

impl<C: Clock> Clock for Fenced<C> {
    #[inline(always)]
    fn now(&self) -> u64 {
        self.0.now_fenced()
    }

    #[inline(always)]
    fn scale(&self) -> Scale {
        self.0.scale()
    }

    #[inline(always)]
    fn now_fenced(&self) -> u64 {
        self.0.now_fenced()
    }

    #[inline(always)]
    fn bits(&self) -> u32 {
        self.0.bits()
    }
}

/// A clock that never goes backwards for the one who reads it, and counts how often it would have.
///
/// A thread that moves between cores whose counters differ sees the later reading first. Here it sees
/// the last reading again. One thread's: it is `Send`, not `Sync`, and costs a load and a store.
/// Counters of less than 64 bits go back when they begin again: [`Widened`](super::Widened) first.
///
/// ```
/// use framepool::time::{Clock, ManualClock, Monotonic, Scale};
///
/// let clock = Monotonic::new(ManualClock::new(Scale::NANOSECOND));
/// clock.get_ref().set(100);
/// assert_eq!(clock.now(), 100);
/// clock.get_ref().set(90); // the thread woke up on another core
/// assert_eq!(clock.now(), 100);
/// assert_eq!(clock.went_backwards(), 1);
/// ```
#[derive(Debug)]
pub struct Monotonic<C> {
    clock: C,
    last: Cell<u64>,
    backwards: Cell<u64>,
}

impl<C: Clock> Monotonic<C> {
    /// Watches over `clock`.
    pub const fn new(clock: C) -> Self {
        Self {
            clock,
            last: Cell::new(0),
            backwards: Cell::new(0),
        }
    }

    /// How often a reading came before the one before it.
    #[must_use]
    pub fn went_backwards(&self) -> u64 {
        self.backwards.get()
    }

    /// The clock inside.
    pub const fn get_ref(&self) -> &C {
        &self.clock
    }

    #[inline(always)]
    fn pass(&self, reading: u64) -> u64 {
        let last = self.last.get();
        if reading < last {
            self.backwards.set(self.backwards.get().saturating_add(1));
            return last;
        }
        self.last.set(reading);
        reading
    }
}

impl<C: Clock> Clock for Monotonic<C> {
    #[inline(always)]
    fn now(&self) -> u64 {
        self.pass(self.clock.now())
    }

    #[inline(always)]
    fn scale(&self) -> Scale {
        self.clock.scale()
    }

    #[inline(always)]
    fn now_fenced(&self) -> u64 {
        self.pass(self.clock.now_fenced())
    }

    #[inline(always)]
    fn bits(&self) -> u32 {
        self.clock.bits()
    }
}

/// A clock that moves when it is told to: for tests and simulations.
///
/// ```
/// use framepool::time::{Clock, ManualClock, Scale};
///
/// let clock = ManualClock::new(Scale::from_hz(1_000_000).unwrap());
/// clock.advance(3);
/// assert_eq!((clock.now(), clock.now_ns()), (3, 3000));
/// ```
#[derive(Debug)]
pub struct ManualClock {
    now: Cell<u64>,
    scale: Scale,
}

impl ManualClock {
    /// At 0.
    #[must_use]
    pub const fn new(scale: Scale) -> Self {
        Self {
            now: Cell::new(0),
            scale,
        }
    }

    /// Shows so many ticks from now on; backwards, too.
    pub fn set(&self, ticks: u64) {
        self.now.set(ticks);
    }

    /// Moves on by so many ticks, and begins again at 0 after [`u64::MAX`].
    pub fn advance(&self, ticks: u64) {
        self.now.set(self.now.get().wrapping_add(ticks));
    }
}

impl Clock for ManualClock {
    #[inline(always)]
    fn now(&self) -> u64 {
        self.now.get()
    }

    #[inline(always)]
    fn scale(&self) -> Scale {
        self.scale
    }
}
