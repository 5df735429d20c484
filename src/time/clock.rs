//! The clock trait; spans; fenced, monotonic and manual clocks.

use core::cell::Cell;
use core::fmt;
use core::sync::atomic::{Ordering, compiler_fence};

use super::Scale;

/// A counter that runs at a constant rate.
///
/// Readings are *ticks*; [`scale`](Self::scale) returns the length of a tick. Only the difference of two
/// readings has a meaning. Implement the trait for a timer of your board, or for a mock ([`ManualClock`] is
/// one).
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
/// // The counter wrapped between the two readings.
/// assert_eq!(Timer.ticks_between(0xfff0, 0x0004), Ok(20));
/// assert_eq!(Timer.scale().ns(20), 20_000);
/// ```
pub trait Clock {
    /// Reads the counter. The processor may do so some tens of cycles earlier or later than program order
    /// says.
    fn now(&self) -> u64;

    /// Returns the length of a tick.
    fn scale(&self) -> Scale;

    /// Reads the counter after all earlier instructions have completed and before any later one begins.
    ///
    /// Earlier loads and computation are complete; earlier stores may still be on their way to memory. The
    /// default implementation only stops the compiler from reordering, which is enough on processors that
    /// execute in order.
    #[inline(always)]
    fn now_fenced(&self) -> u64 {
        compiler_fence(Ordering::SeqCst);
        let now = self.now();
        compiler_fence(Ordering::SeqCst);
        now
    }

    /// Returns the number of bits after which the counter wraps to 0. Default: 64.
    #[inline(always)]
    fn bits(&self) -> u32 {
        64
    }

    /// Reads the counter and converts it to nanoseconds.
    #[inline(always)]
    fn now_ns(&self) -> u64 {
        self.scale().ns(self.now())
    }

    /// Returns the ticks from one reading to a later one. The counter may have wrapped once between them.
    ///
    /// # Errors
    /// [`Backwards`] if `later` comes before `earlier`: the counters of two cores differ, or a reading was
    /// taken out of order. A difference of half the counter's range or more is taken as backwards: 2⁶³ ticks
    /// of a 64-bit counter, some seconds of a 32-bit one (see [`Widened`](super::Widened)).
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

    /// Starts a measurement.
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

/// A call and not a maximum with 0: a branch that is never taken costs nothing, and a maximum would be two
/// more instructions between the clock and the histogram.
#[cold]
#[inline(never)]
fn nothing() -> u64 {
    // Without a side effect the compiler would replace the call by that maximum.
    compiler_fence(Ordering::SeqCst);
    0
}

/// The difference of two readings of a counter of `bits` bits.
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

/// The clock went backwards: a reading is less than an earlier one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct Backwards {
    /// The difference in ticks, or in nanoseconds where the readings were nanoseconds.
    pub ticks: u64,
}

impl fmt::Display for Backwards {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the clock went back by {}", self.ticks)
    }
}

impl core::error::Error for Backwards {}

/// A measurement that has started: a clock and its first reading.
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
    /// Returns the first reading.
    #[must_use]
    pub const fn started_at(&self) -> u64 {
        self.start
    }

    /// Returns the ticks since the start; 0 if the clock went backwards, which is possible between cores.
    #[inline(always)]
    #[must_use]
    pub fn stop(&self) -> u64 {
        match self.checked_stop() {
            Ok(ticks) => ticks,
            Err(_) => nothing(),
        }
    }

    /// Returns the nanoseconds since the start; 0 if the clock went backwards.
    #[inline(always)]
    #[must_use]
    pub fn stop_ns(&self) -> u64 {
        self.clock.scale().ns(self.stop())
    }

    /// Returns the ticks since the start.
    ///
    /// # Errors
    /// [`Backwards`] if the clock went backwards.
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

describe!(impl[C: Clock + ?Sized] Span<'_, C> as Span { started_at });

/// A clock whose plain readings are fenced.
///
/// Use it for work of less than some hundred cycles, where an unordered reading would be off by a large part
/// of the result. Each reading drains the pipeline.
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

/// A clock whose readings never decrease. It counts the readings that would have.
///
/// A thread that moves between cores whose counters differ may read a lower value than before. This clock
/// then returns the last reading again. It serves one thread: it is `Send`, not `Sync`. A reading costs an
/// extra load and store. Counters of less than 64 bits decrease when they wrap: wrap them in
/// [`Widened`](super::Widened) first.
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
pub struct Monotonic<C> {
    clock: C,
    last: Cell<u64>,
    backwards: Cell<u64>,
}

impl<C: Clock> Monotonic<C> {
    /// Makes `clock` monotonic.
    pub const fn new(clock: C) -> Self {
        Self {
            clock,
            last: Cell::new(0),
            backwards: Cell::new(0),
        }
    }

    /// Returns the number of readings that were less than an earlier one.
    #[must_use]
    pub fn went_backwards(&self) -> u64 {
        self.backwards.get()
    }

    /// Returns the inner clock.
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

describe!(impl[C: Clock] Monotonic<C> as Monotonic { scale, went_backwards });

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

/// A clock that moves only when the caller moves it: for tests and simulations.
///
/// ```
/// use framepool::time::{Clock, ManualClock, Scale};
///
/// let clock = ManualClock::new(Scale::from_hz(1_000_000).unwrap());
/// clock.advance(3);
/// assert_eq!((clock.now(), clock.now_ns()), (3, 3000));
/// ```
pub struct ManualClock {
    now: Cell<u64>,
    scale: Scale,
}

impl ManualClock {
    /// Makes a clock that shows 0.
    #[must_use]
    pub const fn new(scale: Scale) -> Self {
        Self {
            now: Cell::new(0),
            scale,
        }
    }

    /// Sets the reading to `ticks`, which may be less than before.
    pub fn set(&self, ticks: u64) {
        self.now.set(ticks);
    }

    /// Adds `ticks` to the reading; it wraps to 0 after [`u64::MAX`].
    pub fn advance(&self, ticks: u64) {
        self.now.set(self.now.get().wrapping_add(ticks));
    }
}

describe!(ManualClock as ManualClock { now, scale });

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
