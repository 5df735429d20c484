//! Ticks into nanoseconds, by one multiplication.

use core::fmt;

/// Nanoseconds in a second.
const SECOND: u64 = 1_000_000_000;

/// How long a tick is: a fixed-point number of nanoseconds with 64 bits on either side of the point.
///
/// [`ns`](Self::ns) is a multiplication and a shift by 64, which is no instruction at all where the
/// product has a high half: no division, no branch on the frequency. The fraction is rounded up by less
/// than 2⁻⁶⁴ ns, so over all 2⁶⁴ ticks the result is the exact quotient, rounded down, or 1 ns more; for
/// intervals shorter than 2⁶⁴ / `hz`² seconds (2.7 s at 2.6 GHz) it is the former. Nothing overflows before
/// `u64` nanoseconds do, after 584 years; then the answer is [`u64::MAX`].
///
/// ```
/// use framepool::time::Scale;
///
/// let scale = Scale::from_hz(2_600_000_000).unwrap();
/// assert_eq!(scale.ns(2600), 1000);
/// assert_eq!(scale.ticks(1000), 2600);
/// assert_eq!(scale.hz(), 2_600_000_000);
/// // A century at 5 GHz, in seconds: not a nanosecond is lost.
/// let (century, hz) = (100 * 365 * 86_400, 5_000_000_000);
/// assert_eq!(Scale::from_hz(hz).unwrap().ns(century * hz), century * 1_000_000_000);
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Scale {
    /// Whole nanoseconds in a tick: 0 for counters faster than 1 GHz.
    whole: u64,
    /// The rest, in units of 2⁻⁶⁴ ns. Not both are 0.
    fraction: u64,
}

impl Scale {
    /// A tick is a nanosecond.
    pub const NANOSECOND: Self = Self {
        whole: 1,
        fraction: 0,
    };

    /// For a counter of so many ticks a second; `None` for 0.
    #[must_use]
    pub const fn from_hz(hz: u64) -> Option<Self> {
        Self::from_ratio(hz, SECOND)
    }

    /// For a counter that took `ticks` steps in `ns` nanoseconds; `None` if either is 0.
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

    /// What `ticks` are in nanoseconds, as the type says; [`u64::MAX`] if they are more than that.
    ///
    /// O(1): two multiplications that do not wait for each other.
    #[inline(always)]
    #[must_use]
    pub const fn ns(self, ticks: u64) -> u64 {
        ticks
            .saturating_mul(self.whole)
            .saturating_add(high_half(ticks, self.fraction))
    }

    /// How many ticks pass in `ns` nanoseconds, to the nearest; [`u64::MAX`] if they are more than that.
    /// A division: for thresholds, not for hot paths.
    #[must_use]
    pub const fn ticks(self, ns: u64) -> u64 {
        let (time, per_tick) = ((ns as u128) << 64, self.per_tick());
        // No tick takes no time, but the compiler does not know, and would have a panic for it.
        let (Some(whole), Some(rest)) = (time.checked_div(per_tick), time.checked_rem(per_tick))
        else {
            return u64::MAX;
        };
        let rounded = whole + (rest >= per_tick - rest) as u128;
        if rounded > u64::MAX as u128 {
            u64::MAX
        } else {
            rounded as u64
        }
    }

    /// Ticks a second, to the nearest.
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

/// In MHz, as people know their clocks.
impl fmt::Display for Scale {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let hz = self.hz();
        write!(f, "{}.{:06} MHz", hz / 1_000_000, hz % 1_000_000)
    }
}
