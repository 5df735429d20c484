//! The time-stamp counter of x86_64.

#[cfg(feature = "std")]
mod clocksource;
mod cpuid;

use core::arch::asm;
use core::fmt;

pub use cpuid::{CpuidLeaves, Leaf};

use super::calibrate::{Calibration, CalibrationError};
use super::{Clock, Scale};

/// The time-stamp counter: one instruction to read.
///
/// [`now`](Clock::now) is `rdtsc` alone: the processor may read it some tens of cycles early or late.
/// [`now_fenced`](Clock::now_fenced) is `lfence; rdtsc; lfence`: after all loads before it, before
/// anything after it. (Where AMD's `lfence` is not serialising, an operating system that cares has made it
/// so; Linux does.)
///
/// Having one means that the TSC is invariant: it runs at one rate, asleep or awake. That the counters of
/// all cores agree is the operating system's work and usually done, and [`new`](Self::new) refuses a TSC that Linux
/// has given up; where they do not agree, differences
/// [come out as 0](super::Span::stop) or as [`Backwards`](super::Backwards), never as centuries.
///
/// ```
/// use framepool::time::{Clock, Tsc, TscError};
///
/// match Tsc::new() {
///     Ok(tsc) => {
///         let span = tsc.span();
///         std::hint::black_box([0_u8; 64]);
///         println!("{} ns; the TSC runs at {}", span.stop_ns(), tsc.calibration());
///     }
///     // `HostClock` falls back to the system's clock by itself.
///     Err(error) => println!("no TSC: {error}"),
/// }
/// ```
#[derive(Debug, Clone, Copy)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct Tsc {
    calibration: Calibration,
}

/// The TSC is no clock here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
#[non_exhaustive]
pub enum TscError {
    /// CPUID does not say that it is invariant: its rate may change with the processor's, or it may stop.
    NotInvariant,
    /// Linux has found that it is not a clock: it is not in `available_clocksource`.
    Rejected,
    /// No leaf says how fast it runs, and there was no clock to measure it by.
    UnknownFrequency,
    /// It could not be measured.
    Calibration(CalibrationError),
}

impl fmt::Display for TscError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotInvariant => {
                f.write_str("the time-stamp counter is not invariant (CPUID 0x80000007, EDX bit 8)")
            }
            Self::Rejected => f.write_str(
                "Linux has rejected the time-stamp counter (it is not in \
                 /sys/devices/system/clocksource/clocksource0/available_clocksource)",
            ),
            Self::UnknownFrequency => {
                f.write_str("CPUID does not say how fast the time-stamp counter runs")
            }
            Self::Calibration(error) => error.fmt(f),
        }
    }
}

impl core::error::Error for TscError {}

impl Tsc {
    /// Asks CPUID whether there is one and how fast it runs, and Linux whether it has rejected it; where no leaf says the
    /// rate, measures for 10 ms against the system's clock (see [`system_ns`](super::system_ns) for which that is). What the
    /// rate is known to is in [`calibration`](Self::calibration).
    ///
    /// All of a process share the first call's answer, so that their nanoseconds agree. A later call is a load. Calls that
    /// come before there is an answer measure each for itself, and the first to finish gives it. Not for signal handlers.
    ///
    /// ```
    /// use framepool::time::Tsc;
    ///
    /// let (one, other) = (Tsc::new(), Tsc::new());
    /// assert_eq!(one.map(|tsc| tsc.calibration()), other.map(|tsc| tsc.calibration()));
    /// ```
    ///
    /// # Errors
    /// [`TscError`], and the system's clock is the one to take. If you know better, take
    /// [`calibrated`](Self::calibrated) or [`with`](Self::with), which do not ask Linux.
    #[cfg(feature = "std")]
    pub fn new() -> Result<Self, TscError> {
        use std::sync::OnceLock;
        static SHARED: OnceLock<Result<Tsc, TscError>> = OnceLock::new();
        if let Some(known) = SHARED.get() {
            return *known;
        }
        // Outside of the lock, so that nobody waits for another one's measurement.
        let mine = Self::best();
        *SHARED.get_or_init(|| mine)
    }

    #[cfg(feature = "std")]
    fn best() -> Result<Self, TscError> {
        is_invariant()?;
        if clocksource::rejects_tsc() {
            return Err(TscError::Rejected);
        }
        match Self::from_cpuid() {
            Err(TscError::UnknownFrequency) => {
                Self::calibrated(core::time::Duration::from_millis(10))
            }
            known => known,
        }
    }

    /// Measures how fast it runs for so long, whatever CPUID says: the calling thread sleeps. The error
    /// falls as the time grows. [`calibrator`](Self::calibrator) measures while the program does something
    /// better.
    ///
    /// # Errors
    /// [`TscError`] if it is not invariant, or stood still.
    #[cfg(feature = "std")]
    pub fn calibrated(time: core::time::Duration) -> Result<Self, TscError> {
        let calibrator = Self::calibrator()?;
        std::thread::sleep(time);
        Self::with(calibrator.finish().map_err(TscError::Calibration)?)
    }

    /// Begins to measure how fast it runs.
    ///
    /// ```
    /// use framepool::time::{Clock, Tsc};
    ///
    /// if let Ok(calibrator) = Tsc::calibrator() {
    ///     std::thread::sleep(std::time::Duration::from_millis(2)); // map memory, open sockets …
    ///     let tsc = Tsc::with(calibrator.finish()?)?;
    ///     assert!(tsc.scale().hz() > 1_000_000);
    /// }
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// [`TscError::NotInvariant`].
    #[cfg(feature = "std")]
    pub fn calibrator()
    -> Result<super::Calibrator<impl Fn() -> u64 + Copy, impl Fn() -> u64 + Copy>, TscError> {
        is_invariant()?;
        Ok(super::Calibrator::start(fenced, super::system_ns))
    }

    /// Asks CPUID alone: no delay, no operating system.
    ///
    /// # Errors
    /// [`TscError::UnknownFrequency`] where no leaf says how fast it runs: on AMD, and in many virtual
    /// machines.
    pub fn from_cpuid() -> Result<Self, TscError> {
        let leaves = CpuidLeaves::read();
        if !leaves.is_invariant() {
            return Err(TscError::NotInvariant);
        }
        let calibration = leaves.calibration().ok_or(TscError::UnknownFrequency)?;
        Ok(Self { calibration })
    }

    /// With a rate that is known: measured earlier, or from the caller.
    ///
    /// # Errors
    /// [`TscError::NotInvariant`].
    pub fn with(calibration: Calibration) -> Result<Self, TscError> {
        is_invariant()?;
        Ok(Self { calibration })
    }

    /// How fast it runs, who says so, and how well that is known.
    #[must_use]
    pub const fn calibration(&self) -> Calibration {
        self.calibration
    }
}

fn is_invariant() -> Result<(), TscError> {
    match CpuidLeaves::read().is_invariant() {
        true => Ok(()),
        false => Err(TscError::NotInvariant),
    }
}

// Both readings join the halves by an addition, which the compiler may do in the order that suits it: of a
// difference it takes the start off the lower half while the upper one is shifted. The intrinsic joins them first.

#[inline(always)]
fn plain() -> u64 {
    let (low, high): (u64, u64);
    // SAFETY: an invariant TSC is a TSC. Where a system forbids programs to read it (CR4.TSD), the
    // instruction faults, which ends the program and corrupts nothing. It clears the upper parts of both
    // registers. It is not `pure`: two readings differ.
    unsafe {
        asm!("rdtsc", "shl rdx, 32", out("rax") low, out("rdx") high, options(nomem, nostack));
    }
    high.wrapping_add(low)
}

#[inline(always)]
fn fenced() -> u64 {
    let (low, high): (u64, u64);
    // SAFETY: as above, and every x86_64 has `lfence`. Without `nomem` the compiler keeps accesses on their side
    // of it.
    unsafe {
        asm!("lfence", "rdtsc", "lfence", "shl rdx, 32", out("rax") low, out("rdx") high, options(nostack));
    }
    high.wrapping_add(low)
}

impl Clock for Tsc {
    #[inline(always)]
    fn now(&self) -> u64 {
        plain()
    }

    #[inline(always)]
    fn scale(&self) -> Scale {
        self.calibration.scale
    }

    #[inline(always)]
    fn now_fenced(&self) -> u64 {
        fenced()
    }
}
