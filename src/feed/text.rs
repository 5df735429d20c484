//! Text of fixed size, padded; decimal numbers as text.

use core::fmt;

/// Text of exactly `N` bytes, padded on the right with spaces or zeros.
///
/// ```
/// use framepool::feed::Alpha;
///
/// let stock = Alpha(*b"AAPL    ");
/// assert_eq!(stock.trimmed(), b"AAPL");
/// assert_eq!(stock.to_string(), "AAPL");
/// assert_eq!(Alpha::<8>::padded(b"AAPL"), Some(stock));
/// assert_eq!(Alpha::<2>::padded(b"AAPL"), None);
/// ```
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
#[repr(transparent)]
pub struct Alpha<const N: usize>(
    /// All bytes, including the padding.
    pub [u8; N],
);

impl<const N: usize> Alpha<N> {
    /// Returns `text` padded with spaces, or `None` if it is longer than `N` bytes.
    pub fn padded(text: &[u8]) -> Option<Self> {
        let mut bytes = [b' '; N];
        bytes.get_mut(..text.len())?.copy_from_slice(text);
        Some(Self(bytes))
    }

    /// Returns the text without its padding.
    pub fn trimmed(&self) -> &[u8] {
        trim_end(&self.0)
    }
}

/// `bytes` without the spaces and zeros at its end.
pub(super) fn trim_end(mut bytes: &[u8]) -> &[u8] {
    while let [rest @ .., b' ' | 0] = bytes {
        bytes = rest;
    }
    bytes
}

/// `bytes` without the spaces at its start.
pub(super) fn trim_start(mut bytes: &[u8]) -> &[u8] {
    while let [b' ', rest @ ..] = bytes {
        bytes = rest;
    }
    bytes
}

/// The value of decimal digits; `None` if there are none, other bytes, or more than 64 bits.
pub(super) fn decimal(digits: &[u8]) -> Option<u64> {
    if digits.is_empty() {
        return None;
    }
    digits.iter().try_fold(0u64, |n, &digit| {
        let digit = digit.wrapping_sub(b'0');
        let n = n.checked_mul(10)?.checked_add(u64::from(digit))?;
        (digit <= 9).then_some(n)
    })
}

/// Writes a number to the end of `text`, as far as it fits, and returns its offset.
pub(super) fn digits(text: &mut [u8], mut n: u64) -> usize {
    let mut start = text.len();
    for digit in text.iter_mut().rev() {
        *digit = b'0' + (n % 10) as u8;
        start -= 1;
        n /= 10;
        if n == 0 {
            break;
        }
    }
    start
}

impl<const N: usize> Default for Alpha<N> {
    fn default() -> Self {
        Self([b' '; N])
    }
}

impl<const N: usize> From<[u8; N]> for Alpha<N> {
    fn from(bytes: [u8; N]) -> Self {
        Self(bytes)
    }
}

impl<const N: usize> fmt::Display for Alpha<N> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.trimmed().escape_ascii())
    }
}

impl<const N: usize> fmt::Debug for Alpha<N> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "\"{}\"", self.0.escape_ascii())
    }
}
