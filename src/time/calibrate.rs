//! The rate of a counter: its source, its error, and its measurement against another clock.

use core::fmt;
use core::time::Duration;

use super::{Scale, saturated};

/// Number of readings for one moment. The closest one is used, because an interrupt spoils one, not all.
const TRIES: usize = 32;

/// The source of a frequency.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
#[non_exhaustive]
pub enum Source {
    /// CPUID leaf 0x15: the crystal's frequency and its ratio to the TSC's.
    CpuidCrystal,
    /// CPUID leaf 0x16: the processor's base frequency in MHz. The TSC runs at it if leaf 0x15 has a ratio but no
    /// crystal.
    CpuidBase,
    /// Leaf 0x40000010 of a hypervisor: the TSC's frequency in kHz.
    Hypervisor,
    /// A register of the counter's hardware.
    Register,
    /// A measurement against another clock.
    Calibrated,
    /// The operating system's clock, which counts nanoseconds.
    System,
    /// The caller.
    Caller,
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::CpuidCrystal => "CPUID leaf 0x15",
            Self::CpuidBase => "CPUID leaf 0x16",
            Self::Hypervisor => "hypervisor leaf 0x40000010",
            Self::Register => "register",
            Self::Calibrated => "calibrated",
            Self::System => "system clock",
            Self::Caller => "caller",
        })
    }
}

/// A counter's rate, its source and its error.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
#[non_exhaustive]
pub struct Calibration {
    /// The length of a tick.
    pub scale: Scale,
    /// The source of the rate.
    pub source: Source,
    /// The maximum error *relative to the source*, in parts per billion of the true rate: half of the source's last
    /// digit or, for a measurement, half of the time that the readings took and a step of either clock (see
    /// [`Calibrator`]). The error of the source itself is not known: some 10,000 for a crystal, up to 500,000 for a
    /// clock that NTP slews.
    pub error_ppb: u64,
}

impl Calibration {
    /// A rate that the caller knows, for example from a device tree; `None` for 0 Hz.
    #[must_use]
    pub const fn from_hz(hz: u64) -> Option<Self> {
        Self::to_digit(hz, 1, Source::Caller)
    }

    /// A rate of `hz` whose last digit is `digit` Hz.
    pub(super) const fn to_digit(hz: u64, digit: u64, source: Source) -> Option<Self> {
        let Some(scale) = Scale::from_hz(hz) else {
            return None;
        };
        let error = (digit as u128 * 500_000_000).div_ceil(hz as u128);
        Some(Self {
            scale,
            source,
            error_ppb: saturated(error),
        })
    }
}

/// 2596.136400 MHz ± 0.812 ppm (calibrated)
impl fmt::Display for Calibration {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (ppm, rest) = (self.error_ppb / 1000, self.error_ppb % 1000);
        write!(
            f,
            "{} \u{b1} {ppm}.{rest:03} ppm ({})",
            self.scale, self.source
        )
    }
}

/// Two moments do not give a rate.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
#[non_exhaustive]
pub enum CalibrationError {
    /// The counter stood still or went backwards.
    Counter {
        /// Its first reading.
        first: u64,
        /// Its second reading.
        second: u64,
    },
    /// The reference clock stood still or went backwards.
    Reference {
        /// Its first reading, in ns.
        first: u64,
        /// Its second reading, in ns.
        second: u64,
    },
}

impl fmt::Display for CalibrationError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (what, first, second) = match self {
            Self::Counter { first, second } => ("counter", first, second),
            Self::Reference { first, second } => ("reference clock", first, second),
        };
        write!(f, "the {what} did not go forward: {first}, then {second}")
    }
}

impl core::error::Error for CalibrationError {}

/// Measures the rate of a counter against a reference clock in nanoseconds, between two moments.
///
/// Each moment is a reading of the reference between two readings of the counter: the closest of 32 such triples. The
/// error is the duration of the two triples and a step of either clock, relative to the time between the moments. So
/// start early, let the program start up, and finish late.
///
/// A clock may advance in steps that are larger than its unit: a reference in steps of 100 ns, or of 15.6 ms. The error
/// takes the shortest distance of two readings as the clock's step; that is never too short if all its steps are equal.
/// A reference that shows no step in the 32 triples is taken to have made one step between the two moments, and the
/// error is 100 % or more. A counter that shows no step is taken to advance by single ticks. If the reference's step is
/// known, [`reference_step`](Self::reference_step) gives a smaller error.
///
/// ```
/// use core::cell::Cell;
/// use framepool::time::Calibrator;
///
/// // A counter of 100 MHz and a reference, which advance together.
/// let now = Cell::new(0);
/// let tick = |ns| now.set(now.get() + ns);
/// let calibrator = Calibrator::start(
///     || { tick(10); now.get() / 10 },
///     || { tick(10); now.get() },
/// );
/// tick(1_000_000);
/// let calibration = calibrator.finish()?;
/// assert!(calibration.scale.hz().abs_diff(100_000_000) < 10_000);
/// assert!(calibration.error_ppb < 100_000);
/// # Ok::<(), framepool::time::CalibrationError>(())
/// ```
#[derive(Clone, Copy)]
pub struct Calibrator<T, R> {
    ticks: T,
    reference: R,
    first: Moment,
    /// The reference's longest step in ns, if the caller gave it.
    step: Option<u64>,
}

/// A reading of the reference between two of the counter: the closest of several.
#[derive(Clone, Copy, Debug)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
struct Moment {
    before: u64,
    ns: u64,
    /// Ticks from the first to the second reading of the counter.
    width: u64,
    /// The shortest step between any two successive readings.
    ticks_apart: Option<u64>,
    ns_apart: Option<u64>,
}

impl<T: Fn() -> u64, R: Fn() -> u64> Calibrator<T, R> {
    /// Takes the first moment of a counter and a reference in nanoseconds. Both functions must read in program order.
    pub fn start(ticks: T, reference: R) -> Self {
        let first = closest(&ticks, &reference);
        Self {
            ticks,
            reference,
            first,
            step: None,
        }
    }

    /// Sets the reference's longest step in ns, instead of the step that its readings show. 0 is taken as 1.
    ///
    /// ```
    /// use core::cell::Cell;
    /// use framepool::time::Calibrator;
    ///
    /// // A counter of 1 GHz, and a reference that the system advances every 15.625 ms.
    /// let now = Cell::new(0_u64);
    /// let tick = |ns| now.set(now.get() + ns);
    /// let step = 15_625_000;
    /// let calibrator = Calibrator::start(
    ///     || { tick(10); now.get() },
    ///     || now.get() / step * step,
    /// )
    /// .reference_step(step);
    /// tick(10_000_000_000);
    /// let calibration = calibrator.finish()?;
    /// assert!(calibration.error_ppb < 1_600_000);
    /// # Ok::<(), framepool::time::CalibrationError>(())
    /// ```
    #[must_use]
    pub fn reference_step(mut self, ns: u64) -> Self {
        self.step = Some(ns.max(1));
        self
    }

    /// Returns the time since the first moment, by the reference.
    pub fn elapsed(&self) -> Duration {
        Duration::from_nanos((self.reference)().saturating_sub(self.first.ns))
    }

    /// Takes the second moment and returns the rate between the two. A later call gives a better rate.
    ///
    /// # Errors
    /// [`CalibrationError`] if the counter or the reference stood still or went backwards.
    pub fn finish(&self) -> Result<Calibration, CalibrationError> {
        let second = closest(&self.ticks, &self.reference);
        between(self.first, second, self.step)
    }
}

fn closest(ticks: impl Fn() -> u64, reference: impl Fn() -> u64) -> Moment {
    let mut last = None;
    let mut once = || {
        let (before, ns, after) = (ticks(), reference(), ticks());
        let inside = apart(before, after);
        let (last_ns, last_after) = last.replace((ns, after)).unwrap_or((ns, before));
        Moment {
            before,
            ns,
            // A counter that went backwards does not say how long the readings took.
            width: after.checked_sub(before).unwrap_or(u64::MAX),
            ticks_apart: shorter(inside, apart(last_after, before)),
            ns_apart: apart(last_ns, ns),
        }
    };
    (1..TRIES).fold(once(), |best, _| {
        let moment = once();
        let closest = match moment.width < best.width {
            true => moment,
            false => best,
        };
        Moment {
            ticks_apart: shorter(best.ticks_apart, moment.ticks_apart),
            ns_apart: shorter(best.ns_apart, moment.ns_apart),
            ..closest
        }
    })
}

/// The distance of two readings; `None` if there is no step forward.
fn apart(first: u64, second: u64) -> Option<u64> {
    second.checked_sub(first).filter(|step| *step > 0)
}

/// The shorter of two steps; `None` is a step that was not seen.
fn shorter(a: Option<u64>, b: Option<u64>) -> Option<u64> {
    match (a, b) {
        (Some(a), Some(b)) => Some(a.min(b)),
        (one, other) => one.or(other),
    }
}

/// The rate between two moments. The reference was read somewhere within each: this takes the middles, and computes
/// their error.
fn between(
    first: Moment,
    second: Moment,
    step: Option<u64>,
) -> Result<Calibration, CalibrationError> {
    let middle = |m: &Moment| m.before.saturating_add(m.width / 2);
    let (from, to) = (middle(&first), middle(&second));
    let ticks = to.checked_sub(from).filter(|ticks| *ticks > 0);
    let ticks = ticks.ok_or(CalibrationError::Counter {
        first: from,
        second: to,
    })?;
    let reference = CalibrationError::Reference {
        first: first.ns,
        second: second.ns,
    };
    let ns = second.ns.checked_sub(first.ns).ok_or(reference)?;
    let scale = Scale::from_ratio(ticks, ns).ok_or(reference)?;
    // Readings are whole steps apart, so a step is at most the shortest distance, plus a fraction that a reading
    // drops. A counter that advances by single ticks has no fraction.
    let tick_step = match shorter(first.ticks_apart, second.ticks_apart) {
        None | Some(1) => 1,
        Some(ticks) => u128::from(ticks) + 1,
    };
    let seen = shorter(first.ns_apart, second.ns_apart).map_or(ns, |apart| apart.min(ns));
    let ns_step = step.map_or(u128::from(seen) + 1, u128::from);
    // Half of each triple and of a step of the counter after it, and the half tick by which the middles were rounded.
    // And one step of the reference: each reading is late by less than a step, so the error of their difference is less.
    let widths = u128::from(first.width) + u128::from(second.width) + 2 * tick_step + 1;
    let of_triples = (widths * 500_000_000).div_ceil(ticks.into());
    let of_steps = (ns_step * WHOLE).div_ceil(ns.into());
    // Relative to the true number of ticks, which may be less than the counted one.
    let error = match WHOLE.checked_sub(of_triples) {
        None | Some(0) => u128::MAX,
        Some(least) => ((of_triples + of_steps) * WHOLE).div_ceil(least),
    };
    Ok(Calibration {
        scale,
        source: Source::Calibrated,
        error_ppb: saturated(error),
    })
}

/// The whole, in parts per billion.
const WHOLE: u128 = 1_000_000_000;

describe!(impl[T, R] Calibrator<T, R> as Calibrator { first = |calibrator| calibrator.first });
