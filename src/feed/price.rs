//! Fixed-point prices.

use core::fmt;

/// A fixed-point number: `raw` units of `10^-DECIMALS`.
///
/// Comparing prices, and adding their `raw` values, is integer arithmetic. Only [`to_f64`](Self::to_f64)
/// rounds.
///
/// ```
/// use framepool::feed::{Price, Price4};
///
/// let price = Price4::new(1_873_250);
/// assert_eq!(price.to_string(), "187.3250");
/// assert_eq!(price.to_f64(), 187.325);
/// assert!(price < Price4::new(1_873_300));
/// assert_eq!(Price::<i64, 2>::new(-5).to_string(), "-0.05");
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
#[repr(transparent)]
pub struct Price<T, const DECIMALS: u32> {
    /// The integer on the wire.
    pub raw: T,
}

/// ITCH `Price (4)`: four decimals in four bytes.
pub type Price4 = Price<u32, 4>;
/// ITCH `Price (8)`: eight decimals in eight bytes.
pub type Price8 = Price<u64, 8>;
/// PITCH `Binary Short Price`: two decimals in two bytes.
pub type ShortPrice = Price<u16, 2>;
/// PITCH `Binary Long Price`: four decimals in eight bytes. It is signed, as futures may trade below zero.
pub type LongPrice = Price<i64, 4>;

impl<T, const DECIMALS: u32> Price<T, DECIMALS> {
    /// Returns a price of `raw` units. More than 19 decimals, which 64 bits cannot hold, do not compile:
    /// ```compile_fail,E0080
    /// let price = framepool::feed::Price::<u64, 20>::new(1);
    /// ```
    pub const fn new(raw: T) -> Self {
        const { assert!(DECIMALS < 20, "a price has at most 19 decimals") };
        Self { raw }
    }
}

impl<T: Copy + Into<i128>, const DECIMALS: u32> Price<T, DECIMALS> {
    /// Returns the nearest double.
    pub fn to_f64(self) -> f64 {
        let raw: i128 = self.raw.into();
        raw as f64 / scale(DECIMALS) as f64
    }
}

impl<T: Copy + Into<i128>, const DECIMALS: u32> fmt::Display for Price<T, DECIMALS> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write_fixed(f, self.raw.into(), DECIMALS)
    }
}

/// `10^decimals`, or `u64::MAX` if that is greater.
pub(super) const fn scale(decimals: u32) -> u64 {
    match 10u64.checked_pow(decimals) {
        Some(scale) => scale,
        None => u64::MAX,
    }
}

/// Writes `raw` units of `10^-decimals`.
pub(super) fn write_fixed(f: &mut fmt::Formatter<'_>, raw: i128, decimals: u32) -> fmt::Result {
    let sign = if raw < 0 { "-" } else { "" };
    let (size, scale) = (raw.unsigned_abs(), u128::from(scale(decimals)));
    write!(f, "{sign}{}", size / scale)?;
    if decimals > 0 {
        write!(f, ".{:0width$}", size % scale, width = decimals as usize)?;
    }
    Ok(())
}
