//! Clocks of hosted programs.

use std::time::Instant;

use super::calibrate::{Calibration, Source};
use super::{Clock, Scale};

/// The system's clock, by [`Instant`]: nanoseconds since it was made, so two of them do not agree. Some 25 ns a reading.
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
    began: Instant,
}

impl StdClock {
    /// Begins at 0, now.
    #[must_use]
    pub fn new() -> Self {
        Self {
            began: Instant::now(),
        }
    }

    /// With the process's zero, so that all of them agree.
    fn shared() -> Self {
        Self { began: zero() }
    }
}

/// The moment at which this process first asked for it.
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
        nanoseconds(self.began.elapsed())
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

/// The clock that counters are calibrated against, in ns.
///
/// On 64-bit Linux it is CLOCK_MONOTONIC_RAW: the hardware's own rate, which NTP does not touch. Elsewhere it
/// is [`Instant`], at the rate that the system gives it. (On other Linux that is CLOCK_MONOTONIC: the same
/// hardware, slewed by NTP by up to 500 ppm while it corrects an offset, and by what it believes the crystal to
/// be off always. None of that is in a calibration's error.)
#[must_use]
pub fn system_ns() -> u64 {
    #[cfg(all(target_os = "linux", target_pointer_width = "64", not(miri)))]
    if let Some(ns) = raw::now() {
        return ns;
    }
    nanoseconds(zero().elapsed())
}

/// One function of the C library, which `std` is linked with anyway: no crate for that.
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
        // SAFETY: `time` is what it writes, and writable for as long as the call lasts.
        let done = unsafe { clock_gettime(MONOTONIC_RAW, &mut time) };
        let (seconds, rest) = (u64::try_from(time.seconds), u64::try_from(time.nanoseconds));
        match (done, seconds, rest) {
            (0, Ok(seconds), Ok(rest)) => seconds.checked_mul(1_000_000_000)?.checked_add(rest),
            _ => None,
        }
    }
}

/// The best clock of this machine: its cycle counter if that is fit to be one, else the system's.
///
/// All of a process agree: they share one counter's calibration, or one zero of the system's clock, so readings of one
/// may be compared with readings of another. On Linux a TSC that the system has rejected is not fit.
///
/// It is a choice made once: reading costs a predictable branch more than the clock itself. Those who
/// know their machine take [`Tsc`](super::Tsc) or `Cntvct` and pay none.
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
    #[cfg(target_arch = "x86_64")]
    Counter(super::Tsc),
    #[cfg(all(target_arch = "aarch64", not(miri)))]
    Counter(super::Cntvct),
    System(StdClock, Option<Unfit>),
}

#[cfg(target_arch = "x86_64")]
type Unfit = super::TscError;
#[cfg(all(target_arch = "aarch64", not(miri)))]
type Unfit = super::CntvctError;
#[cfg(not(any(target_arch = "x86_64", all(target_arch = "aarch64", not(miri)))))]
type Unfit = core::convert::Infallible;

impl HostClock {
    /// Chooses, as the first one of this process did. The first takes 10 ms where a TSC has to be
    /// [measured](super::Tsc::new).
    #[must_use]
    pub fn new() -> Self {
        Self(counter().unwrap_or_else(|unfit| Kind::System(StdClock::shared(), unfit)))
    }

    /// Why it is not the cycle counter; `None` if it is, or if this machine has none that is known.
    #[must_use]
    pub fn fell_back(&self) -> Option<impl core::error::Error + Copy + use<>> {
        match self.0 {
            Kind::System(_, unfit) => unfit,
            #[allow(unreachable_patterns, reason = "some targets have no other")]
            _ => None,
        }
    }

    /// The rate, who says so, and how well that is known.
    #[must_use]
    pub const fn calibration(&self) -> Calibration {
        match &self.0 {
            #[cfg(any(target_arch = "x86_64", all(target_arch = "aarch64", not(miri))))]
            Kind::Counter(clock) => clock.calibration(),
            Kind::System(..) => Calibration {
                scale: Scale::NANOSECOND,
                source: Source::System,
                error_ppb: 0,
            },
        }
    }
}

#[cfg(target_arch = "x86_64")]
fn counter() -> Result<Kind, Option<Unfit>> {
    super::Tsc::new().map(Kind::Counter).map_err(Some)
}

#[cfg(all(target_arch = "aarch64", not(miri)))]
fn counter() -> Result<Kind, Option<Unfit>> {
    super::Cntvct::new().map(Kind::Counter).map_err(Some)
}

#[cfg(not(any(target_arch = "x86_64", all(target_arch = "aarch64", not(miri)))))]
const fn counter() -> Result<Kind, Option<Unfit>> {
    Err(None)
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
            #[cfg(any(target_arch = "x86_64", all(target_arch = "aarch64", not(miri))))]
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
            #[cfg(any(target_arch = "x86_64", all(target_arch = "aarch64", not(miri))))]
            Kind::Counter(clock) => clock.now_fenced(),
            Kind::System(clock, _) => clock.now_fenced(),
        }
    }
}
