//! Ticks to nanoseconds, by multiplication.

use core::fmt;

use super::saturated;

/// Nanoseconds in a second.
const SECOND: u64 = 1_000_000_000;

/// The length of a tick in nanoseconds: a fixed-point number with 64 bits on either side of the point.
///
/// [`ns`](Self::ns) needs no division and no branch on the frequency: it multiplies and takes the high half
/// of the product. The fraction is rounded up by less than 2⁻⁶⁴ ns. So for all 2⁶⁴ ticks the result is the
/// exact quotient, rounded down, or 1 ns more; for intervals shorter than 2⁶⁴ / `hz`² seconds (2.7 s at
/// 2.6 GHz) it is never more. A result above 2⁶⁴ ns (584 years) is returned as [`u64::MAX`].
///
/// ```
/// use framepool::time::Scale;
///
/// let scale = Scale::from_hz(2_600_000_000).unwrap();
/// assert_eq!(scale.ns(2600), 1000);
/// assert_eq!(scale.ticks(1000), 2600);
/// assert_eq!(scale.hz(), 2_600_000_000);
/// // A century at 5 GHz, in seconds: exact to the nanosecond.
/// let (century, hz) = (100 * 365 * 86_400, 5_000_000_000);
/// assert_eq!(Scale::from_hz(hz).unwrap().ns(century * hz), century * 1_000_000_000);
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Scale {
    /// Whole nanoseconds in a tick: 0 for counters faster than 1 GHz.
    whole: u64,
    /// The fraction, in units of 2⁻⁶⁴ ns. At least one of the two is not 0.
    fraction: u64,
}

impl Scale {
    /// One tick is one nanosecond.
    pub const NANOSECOND: Self = Self {
        whole: 1,
        fraction: 0,
    };

    /// The scale of a counter of `hz` ticks a second; `None` for 0.
    #[must_use]
    pub const fn from_hz(hz: u64) -> Option<Self> {
        Self::from_ratio(hz, SECOND)
    }

    /// The scale of a counter that counts `ticks` ticks in `ns` nanoseconds; `None` if either is 0.
    #[must_use]
    pub const fn from_ratio(ticks: u64, ns: u64) -> Option<Self> {
        if ticks == 0 || ns == 0 {
            return None;
        }
        let per_tick = ((ns as u128) << 64).div_ceil(ticks as u128);
        Some(Self {
            whole: (per_tick >> 64) as u64,
            fraction: per_tick as u64,
        })
    }

    /// Converts ticks to nanoseconds, with the rounding that the type documents; [`u64::MAX`] if the result
    /// is greater.
    ///
    /// O(1): two independent multiplications.
    #[inline(always)]
    #[must_use]
    pub const fn ns(self, ticks: u64) -> u64 {
        ticks
            .saturating_mul(self.whole)
            .saturating_add(high_half(ticks, self.fraction))
    }

    /// Converts nanoseconds to ticks, rounded to nearest; [`u64::MAX`] if the result is greater. It divides:
    /// compute thresholds with it, outside of hot paths.
    #[must_use]
    pub const fn ticks(self, ns: u64) -> u64 {
        let (time, per_tick) = ((ns as u128) << 64, self.per_tick());
        // `per_tick` is not 0, but the compiler does not know that and would add a panic.
        let (Some(whole), Some(rest)) = (time.checked_div(per_tick), time.checked_rem(per_tick))
        else {
            return u64::MAX;
        };
        saturated(whole + (rest >= per_tick - rest) as u128)
    }

    /// Returns the ticks a second, rounded to nearest.
    #[must_use]
    pub const fn hz(self) -> u64 {
        self.ticks(SECOND)
    }

    const fn per_tick(self) -> u128 {
        ((self.whole as u128) << 64) | self.fraction as u128
    }
}

#[inline(always)]
const fn high_half(a: u64, b: u64) -> u64 {
    ((a as u128 * b as u128) >> 64) as u64
}

describe!(Scale as Scale { hz });

/// The rate in MHz.
impl fmt::Display for Scale {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let hz = self.hz();
        write!(f, "{}.{:06} MHz", hz / 1_000_000, hz % 1_000_000)
    }
}
