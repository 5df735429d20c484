//! The system's clock, and the best clock of a hosted machine.

use std::time::Instant;

use super::calibrate::{Calibration, Source};
use super::{Clock, Scale};

// The processor's counter, and the reason why it may be unfit. On other processors the system's clock takes its place,
// which is never unfit.
#[cfg(target_arch = "aarch64")]
use super::{Cntvct as Counter, CntvctError as Unfit};
#[cfg(target_arch = "x86_64")]
use super::{Tsc as Counter, TscError as Unfit};
#[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
use {StdClock as Counter, core::convert::Infallible as Unfit};

/// The system's clock, read through [`Instant`]: nanoseconds since this value was made. Readings of two clocks are not
/// comparable. A reading takes some 25 ns.
///
/// ```
/// use framepool::time::{Clock, StdClock};
///
/// let clock = StdClock::new();
/// let span = clock.span();
/// std::thread::sleep(std::time::Duration::from_millis(1));
/// assert!(span.stop_ns() >= 1_000_000);
/// ```
#[derive(Debug, Clone, Copy)]
pub struct StdClock {
    zero: Instant,
}

impl StdClock {
    /// Makes a clock that shows 0 now.
    #[must_use]
    pub fn new() -> Self {
        Self {
            zero: Instant::now(),
        }
    }

    /// A clock with the process's zero, so that readings of all such clocks are comparable.
    fn shared() -> Self {
        Self { zero: zero() }
    }

    const fn calibration(&self) -> Calibration {
        Calibration {
            scale: Scale::NANOSECOND,
            source: Source::System,
            error_ppb: 0,
        }
    }
}

/// The time of the first call in this process.
fn zero() -> Instant {
    use std::sync::OnceLock;
    static ZERO: OnceLock<Instant> = OnceLock::new();
    *ZERO.get_or_init(Instant::now)
}

impl Default for StdClock {
    fn default() -> Self {
        Self::new()
    }
}

impl Clock for StdClock {
    #[inline]
    fn now(&self) -> u64 {
        nanoseconds(self.zero.elapsed())
    }

    #[inline(always)]
    fn scale(&self) -> Scale {
        Scale::NANOSECOND
    }
}

#[inline]
fn nanoseconds(time: core::time::Duration) -> u64 {
    let of_seconds = time.as_secs().saturating_mul(1_000_000_000);
    of_seconds.saturating_add(time.subsec_nanos().into())
}

/// Reads the clock that counters are calibrated against, in ns.
///
/// On 64-bit Linux it is CLOCK_MONOTONIC_RAW, which has the hardware's own rate: NTP does not change it. On other
/// systems it is [`Instant`], with the system's rate. (On other Linux that is CLOCK_MONOTONIC: the same hardware, slewed
/// by NTP, always by the crystal's estimated error, and by up to 500 ppm during the correction of an offset. A
/// calibration's error does not include that.)
#[must_use]
pub fn system_ns() -> u64 {
    #[cfg(all(target_os = "linux", target_pointer_width = "64", not(miri)))]
    if let Some(ns) = raw::now() {
        return ns;
    }
    nanoseconds(zero().elapsed())
}

/// One function of the C library, which `std` links anyway, so no crate is needed.
#[cfg(all(target_os = "linux", target_pointer_width = "64", not(miri)))]
mod raw {
    use core::ffi::c_int;

    /// `struct timespec`, as every 64-bit Linux has it.
    #[repr(C)]
    struct Timespec {
        seconds: i64,
        nanoseconds: i64,
    }

    /// CLOCK_MONOTONIC_RAW, since Linux 2.6.28; one number on all architectures.
    const MONOTONIC_RAW: c_int = 4;

    unsafe extern "C" {
        fn clock_gettime(clock: c_int, time: *mut Timespec) -> c_int;
    }

    pub(super) fn now() -> Option<u64> {
        let mut time = Timespec {
            seconds: 0,
            nanoseconds: 0,
        };
        // SAFETY: the function writes `time` only, which is writable during the call.
        let done = unsafe { clock_gettime(MONOTONIC_RAW, &mut time) };
        let (seconds, rest) = (u64::try_from(time.seconds), u64::try_from(time.nanoseconds));
        match (done, seconds, rest) {
            (0, Ok(seconds), Ok(rest)) => seconds.checked_mul(1_000_000_000)?.checked_add(rest),
            _ => None,
        }
    }
}

/// The best clock of this machine: its cycle counter if that is fit to be a clock, otherwise the system's clock.
///
/// Readings of all `HostClock`s of a process are comparable: they share the calibration of one counter, or one zero of
/// the system's clock. On Linux a TSC that the system has rejected is not fit.
///
/// The choice is made once. A reading costs a predictable branch in addition to the clock's own cost; a program for a
/// known machine can use [`Tsc`](super::Tsc) or [`Cntvct`](super::Cntvct) without the branch.
///
/// ```
/// use framepool::time::{Clock, HostClock};
///
/// let clock = HostClock::new();
/// let span = clock.span();
/// println!("{} ns by {}", span.stop_ns(), clock.calibration());
/// if let Some(why) = clock.fell_back() {
///     println!("the system's clock, because {why}");
/// }
/// ```
#[derive(Debug, Clone, Copy)]
pub struct HostClock(Kind);

#[derive(Debug, Clone, Copy)]
enum Kind {
    Counter(Counter),
    System(StdClock, Unfit),
}

impl HostClock {
    /// Makes the choice that the first call in this process made. The first call takes 10 ms if a TSC must be
    /// [measured](super::Tsc::new).
    #[must_use]
    pub fn new() -> Self {
        Self(match counter() {
            Ok(counter) => Kind::Counter(counter),
            Err(unfit) => Kind::System(StdClock::shared(), unfit),
        })
    }

    /// Returns why the clock is not the cycle counter; `None` if it is, or if none is known for this processor.
    #[must_use]
    pub fn fell_back(&self) -> Option<impl core::error::Error + Copy + use<>> {
        match self.0 {
            Kind::Counter(_) => None,
            Kind::System(_, unfit) => Some(unfit),
        }
    }

    /// Returns the rate, its source and its error.
    #[must_use]
    pub const fn calibration(&self) -> Calibration {
        match &self.0 {
            Kind::Counter(clock) => clock.calibration(),
            Kind::System(clock, _) => clock.calibration(),
        }
    }
}

fn counter() -> Result<Counter, Unfit> {
    #[cfg(any(target_arch = "x86_64", target_arch = "aarch64"))]
    return Counter::new();
    #[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
    Ok(StdClock::shared())
}

impl Default for HostClock {
    fn default() -> Self {
        Self::new()
    }
}

impl Clock for HostClock {
    #[inline(always)]
    fn now(&self) -> u64 {
        match &self.0 {
            Kind::Counter(clock) => clock.now(),
            Kind::System(clock, _) => clock.now(),
        }
    }

    #[inline(always)]
    fn scale(&self) -> Scale {
        self.calibration().scale
    }

    #[inline(always)]
    fn now_fenced(&self) -> u64 {
        match &self.0 {
            Kind::Counter(clock) => clock.now_fenced(),
            Kind::System(clock, _) => clock.now_fenced(),
        }
    }
}
