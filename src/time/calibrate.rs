//! How fast a counter runs, by another clock.

use core::fmt;
use core::time::Duration;

use super::Scale;

/// Pairs of readings, of which the closest counts: an interrupt between the two spoils one, not all.
const TRIES: usize = 32;

/// Where a frequency is known from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
#[non_exhaustive]
pub enum Source {
    /// CPUID leaf 0x15: the crystal's frequency, and its ratio to the TSC's.
    CpuidCrystal,
    /// CPUID leaf 0x16: the processor's base frequency in MHz, which the TSC runs at where leaf 0x15 has a ratio
    /// but no crystal.
    CpuidBase,
    /// Leaf 0x40000010 of a hypervisor that has it: the TSC's frequency in kHz.
    Hypervisor,
    /// A register beside the counter.
    Register,
    /// Measured against another clock.
    Calibrated,
    /// The operating system's clock, which counts nanoseconds.
    System,
    /// The caller said so.
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

/// A counter's rate, where it is known from, and how well.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
#[non_exhaustive]
pub struct Calibration {
    /// How long a tick is.
    pub scale: Scale,
    /// Who says so.
    pub source: Source,
    /// Parts per billion of the true rate by which this one may be off *from its source*: half of the source's last
    /// digit; or, where it was measured, half of the time that pairs of readings took, and a step of either
    /// clock (see [`Calibrator`]). How far the source itself is off (a crystal by some 10,000, a clock that NTP slews by up to
    /// 500,000) is not known here.
    pub error_ppb: u64,
}

impl Calibration {
    /// What the caller knows to be so, as from a device tree; `None` for 0 Hz.
    #[must_use]
    pub const fn from_hz(hz: u64) -> Option<Self> {
        Self::to_digit(hz, 1, Source::Caller)
    }

    /// So many Hz, known to `digit` Hz.
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

/// There is no rate to be had from two readings.
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
    /// The clock that it was held against stood still or went backwards.
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

/// Measures the rate of a counter against a clock that counts nanoseconds, between two moments.
///
/// Each moment is a reading of the clock between two readings of the counter, the closest of 32 such
/// triples. The rate is known to what the two triples took and to a step of either clock, relative to the
/// time between the moments: start early, let the program start up, finish late.
///
/// A clock may tick coarser than it counts: a reference in steps of 100 ns, or of 15.6 ms. The error that is stated
/// takes the shortest step between two readings as the clock's own step, which is never less than that if all its
/// steps are equal. A reference that shows no step in the 32 triples counts as one with a single step between the
/// two moments, and the error is 100 % and more; a counter that shows none steps by single ticks. Where the
/// reference's step is known, [`reference_step`](Self::reference_step) gives a closer answer.
///
/// ```
/// use core::cell::Cell;
/// use framepool::time::Calibrator;
///
/// // A counter of 100 MHz beside a clock: the two go on together.
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
    /// The reference's longest step in ns, if the caller said so.
    step: Option<u64>,
}

/// A reading of the clock between two of the counter: the closest of some.
#[derive(Clone, Copy, Debug)]
struct Moment {
    before: u64,
    ns: u64,
    /// Ticks until the second reading of the counter.
    width: u64,
    /// The shortest steps that any readings were apart.
    ticks_apart: Option<u64>,
    ns_apart: Option<u64>,
}

impl<T: Fn() -> u64, R: Fn() -> u64> Calibrator<T, R> {
    /// Takes the first moment of a counter and a clock of nanoseconds. Both must be read in program order.
    pub fn start(ticks: T, reference: R) -> Self {
        let first = closest(&ticks, &reference);
        Self {
            ticks,
            reference,
            first,
            step: None,
        }
    }

    /// The same with a reference whose readings are `ns` apart at most where it ticks, instead of what its readings
    /// show. 0 counts as 1.
    ///
    /// ```
    /// use core::cell::Cell;
    /// use framepool::time::Calibrator;
    ///
    /// // A counter of 1 GHz beside a clock that the system moves on every 15.625 ms.
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

    /// Nanoseconds of the reference since the first moment.
    pub fn elapsed(&self) -> Duration {
        Duration::from_nanos((self.reference)().saturating_sub(self.first.ns))
    }

    /// Takes the second moment, and says what the rate was between the two. It may be called again, for a
    /// better answer later.
    ///
    /// # Errors
    /// [`CalibrationError`] if either stood still or went backwards.
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
            // A counter that went backwards tells nothing about how long it took.
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

/// How far apart two readings are; `None` if they show no step forward.
fn apart(first: u64, second: u64) -> Option<u64> {
    second.checked_sub(first).filter(|step| *step > 0)
}

/// The shorter of two steps, each of which may not have been seen.
fn shorter(a: Option<u64>, b: Option<u64>) -> Option<u64> {
    match (a, b) {
        (Some(a), Some(b)) => Some(a.min(b)),
        (one, other) => one.or(other),
    }
}

/// The clock was read somewhere within each moment: take the middle, and say how far off that may be.
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
    // Readings are whole steps apart, so a step is no longer than the shortest distance; it may have a fraction, which
    // a reading drops. Ticks are whole unless they come several at a time.
    let tick_step = match shorter(first.ticks_apart, second.ticks_apart) {
        None | Some(1) => 1,
        Some(ticks) => u128::from(ticks) + 1,
    };
    let seen = shorter(first.ns_apart, second.ns_apart).map_or(ns, |apart| apart.min(ns));
    let ns_step = step.map_or(u128::from(seen) + 1, u128::from);
    // Half of each triple and of a step of the counter after it, and the half tick that the middles were rounded by; and
    // one step of the clock: either reading is late by less than that, so their difference is off by less.
    let widths = u128::from(first.width) + u128::from(second.width) + 2 * tick_step + 1;
    let of_triples = (widths * 500_000_000).div_ceil(ticks.into());
    let of_steps = (ns_step * WHOLE).div_ceil(ns.into());
    // Relative to the true number of ticks, which may be less than what was counted.
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

const fn saturated(value: u128) -> u64 {
    if value > u64::MAX as u128 {
        u64::MAX
    } else {
        value as u64
    }
}

impl<T, R> fmt::Debug for Calibrator<T, R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Calibrator")
            .field("first", &self.first)
            .finish_non_exhaustive()
    }
}
