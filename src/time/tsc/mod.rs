//! The time-stamp counter of x86_64.

#[cfg(all(feature = "std", target_os = "linux"))]
mod clocksource;
mod cpuid;

use core::arch::asm;
use core::fmt;

pub use cpuid::{CpuidLeaves, Leaf};

use super::calibrate::{Calibration, CalibrationError};
use super::{Clock, Scale};

/// The time-stamp counter, read with one instruction.
///
/// [`now`](Clock::now) is a single `rdtsc`: the processor may read it some tens of cycles early or late.
/// [`now_fenced`](Clock::now_fenced) is `lfence; rdtsc; lfence`: after all earlier loads and before all later
/// instructions. (AMD's `lfence` is serialising only if the operating system has made it so; Linux does.)
///
/// A value of this type proves that the TSC is invariant: it runs at one rate in all power states. The
/// operating system makes the counters of all cores agree and usually succeeds; [`new`](Self::new) refuses a
/// TSC that Linux has rejected. If counters do not agree, a difference is [0](super::Span::stop) or
/// [`Backwards`](super::Backwards), never centuries.
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

/// The TSC cannot serve as a clock.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
#[non_exhaustive]
pub enum TscError {
    /// CPUID does not state that it is invariant: its rate may change with the processor's, or it may stop.
    NotInvariant,
    /// Linux has rejected it: it is not in `available_clocksource`.
    Rejected,
    /// No CPUID leaf states its rate, and the rate was not measured.
    UnknownFrequency,
    /// The measurement of its rate failed.
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
                f.write_str("CPUID does not state the rate of the time-stamp counter")
            }
            Self::Calibration(error) => error.fmt(f),
        }
    }
}

impl core::error::Error for TscError {}

#[cfg(feature = "std")]
impl Tsc {
    /// Reads from CPUID whether the TSC is invariant, and its rate, and from Linux whether it has rejected the TSC. If
    /// no leaf states the rate, measures it for 10 ms against the system's clock ([`system_ns`](super::system_ns)). The
    /// rate's error is in [`calibration`](Self::calibration).
    ///
    /// All calls in a process return the result of the first one, so that their nanoseconds agree. A later call is a load.
    /// Calls before the first has returned measure separately; the first to finish decides. Not for signal handlers.
    ///
    /// ```
    /// use framepool::time::Tsc;
    ///
    /// let (one, other) = (Tsc::new(), Tsc::new());
    /// assert_eq!(one.map(|tsc| tsc.calibration()), other.map(|tsc| tsc.calibration()));
    /// ```
    ///
    /// # Errors
    /// [`TscError`]: use the system's clock. If you know that the TSC is usable, use
    /// [`calibrated`](Self::calibrated) or [`with`](Self::with), which do not ask Linux.
    pub fn new() -> Result<Self, TscError> {
        use std::sync::OnceLock;
        static SHARED: OnceLock<Result<Tsc, TscError>> = OnceLock::new();
        if let Some(known) = SHARED.get() {
            return *known;
        }
        // Outside of the lock, so that no thread waits for another thread's measurement.
        let mine = Self::best();
        *SHARED.get_or_init(|| mine)
    }

    fn best() -> Result<Self, TscError> {
        is_invariant()?;
        #[cfg(target_os = "linux")]
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

    /// Measures the rate for `time`, whatever CPUID states: the calling thread sleeps. A longer time gives a
    /// smaller error. [`calibrator`](Self::calibrator) measures while the program does other work.
    ///
    /// # Errors
    /// [`TscError`] if the TSC is not invariant, or if it stood still.
    pub fn calibrated(time: core::time::Duration) -> Result<Self, TscError> {
        let calibrator = Self::calibrator()?;
        std::thread::sleep(time);
        Self::with(calibrator.finish().map_err(TscError::Calibration)?)
    }

    /// Starts to measure the rate.
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
    pub fn calibrator()
    -> Result<super::Calibrator<impl Fn() -> u64 + Copy, impl Fn() -> u64 + Copy>, TscError> {
        is_invariant()?;
        Ok(super::Calibrator::start(fenced, super::system_ns))
    }
}

impl Tsc {
    /// Uses CPUID only: no delay and no operating system.
    ///
    /// # Errors
    /// [`TscError::NotInvariant`]; [`TscError::UnknownFrequency`] if no leaf states the rate: on AMD, and in
    /// many virtual machines.
    pub fn from_cpuid() -> Result<Self, TscError> {
        let leaves = CpuidLeaves::read();
        if !leaves.is_invariant() {
            return Err(TscError::NotInvariant);
        }
        let calibration = leaves.calibration().ok_or(TscError::UnknownFrequency)?;
        Ok(Self { calibration })
    }

    /// Uses a rate that the caller knows, for example from an earlier measurement.
    ///
    /// # Errors
    /// [`TscError::NotInvariant`].
    pub fn with(calibration: Calibration) -> Result<Self, TscError> {
        is_invariant()?;
        Ok(Self { calibration })
    }

    /// Returns the rate, its source and its error.
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

// Both readings join the halves by an addition, which the compiler may reorder: for a difference it subtracts the start
// from the lower half while the upper one is shifted. The intrinsic joins the halves first.

#[inline(always)]
fn plain() -> u64 {
    let (low, high): (u64, u64);
    // SAFETY: a processor with an invariant TSC has the instruction. If the system forbids it (CR4.TSD), it faults,
    // which ends the program and corrupts nothing. It clears the upper halves of both registers. Not `pure`: two
    // readings differ.
    unsafe {
        asm!("rdtsc", "shl rdx, 32", out("rax") low, out("rdx") high, options(nomem, nostack));
    }
    high.wrapping_add(low)
}

#[inline(always)]
fn fenced() -> u64 {
    let (low, high): (u64, u64);
    // SAFETY: as above, and every x86_64 has `lfence`. Without `nomem` the compiler moves no memory access across it.
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
