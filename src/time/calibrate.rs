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
    /// Parts per billion by which the rate may be off *from its source*: half of the source's last digit, or
    /// of the time that pairs of readings took, and a tick at either end. How far the source itself is off (a crystal by some 10,000, a
    /// clock that NTP slews by up to 500,000) nobody here can tell.
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
/// triples. The rate is known to what the two triples took, relative to the time between the moments:
/// start early, let the program start up, finish late.
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
}

/// A reading of the clock between two of the counter.
#[derive(Clone, Copy, Debug)]
struct Moment {
    before: u64,
    ns: u64,
    /// Ticks until the second reading of the counter.
    width: u64,
}

impl<T: Fn() -> u64, R: Fn() -> u64> Calibrator<T, R> {
    /// Takes the first moment of a counter and a clock of nanoseconds. Both must be read in program order.
    pub fn start(ticks: T, reference: R) -> Self {
        let first = closest(&ticks, &reference);
        Self {
            ticks,
            reference,
            first,
        }
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
        between(self.first, closest(&self.ticks, &self.reference))
    }
}

fn closest(ticks: impl Fn() -> u64, reference: impl Fn() -> u64) -> Moment {
    let once = || {
        let (before, ns, after) = (ticks(), reference(), ticks());
        Moment {
            before,
            ns,
            // A counter that went backwards tells nothing about how long it took.
            width: after.checked_sub(before).unwrap_or(u64::MAX),
        }
    };
    (1..TRIES).fold(once(), |best, _| {
        let moment = once();
        match moment.width < best.width {
            true => moment,
            false => best,
        }
    })
}

/// The clock was read somewhere within each moment: take the middle, and say how far off that may be.
fn between(first: Moment, second: Moment) -> Result<Calibration, CalibrationError> {
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
    // Half of each triple, a tick at either end (a slow counter shows the same before and after) and the
    // half tick that the middles were rounded by; and one digit of the clock at either end.
    let widths = u128::from(first.width) + u128::from(second.width) + 3;
    let of_triples = (widths * 500_000_000).div_ceil(ticks.into());
    let of_digits = 2_000_000_000_u128.div_ceil(ns.into());
    Ok(Calibration {
        scale,
        source: Source::Calibrated,
        error_ppb: saturated(of_triples + of_digits),
    })
}

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
