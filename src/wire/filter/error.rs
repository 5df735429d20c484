//! The errors of filter expressions.

use core::fmt;

/// Why an expression was refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
#[non_exhaustive]
pub enum FilterReason {
    /// It is empty.
    Empty,
    /// It is incomplete.
    Incomplete,
    /// A word that does not belong here.
    Unexpected,
    /// Not a number, or a number that is too large.
    BadNumber,
    /// Not an address or a prefix.
    BadAddress,
    /// Host bits are set in a network address, as in `net 10.0.0.5/8`: the host or the network could be meant.
    HostBits,
    /// More terms than a filter can hold.
    TooLong,
    /// Parentheses or negations are nested too deeply.
    TooDeep,
    /// A range of ports whose last port is lower than its first.
    BackwardRange,
    /// A third `vlan` joined by `and`: filters support the two outermost tags.
    TooManyTags,
}

/// An expression was refused: why, and where.
///
/// ```
/// use framepool::wire::{Filter, FilterReason};
///
/// let error = "udp port 99999".parse::<Filter>().unwrap_err();
/// assert_eq!((error.reason, error.offset), (FilterReason::BadNumber, 9));
/// assert_eq!(error.to_string(), "at byte 9: not a number, or too large");
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
#[non_exhaustive]
pub struct FilterError {
    /// Why the expression was refused.
    pub reason: FilterReason,
    /// Bytes of the expression before the wrong word.
    pub offset: usize,
}

impl FilterError {
    pub(super) const fn new(reason: FilterReason, offset: usize) -> Self {
        Self { reason, offset }
    }
}

impl fmt::Display for FilterError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let reason = match self.reason {
            FilterReason::Empty => "the expression is empty",
            FilterReason::Incomplete => "the expression is incomplete",
            FilterReason::Unexpected => "unexpected word",
            FilterReason::BadNumber => "not a number, or too large",
            FilterReason::BadAddress => "not an address or a prefix",
            FilterReason::HostBits => "host bits are set in a network address",
            FilterReason::TooLong => "too many terms",
            FilterReason::TooDeep => "parentheses or negations are nested too deeply",
            FilterReason::BackwardRange => "the last port is lower than the first",
            FilterReason::TooManyTags => "filters support two VLAN tags, and this is a third",
        };
        write!(f, "at byte {}: {reason}", self.offset)
    }
}

impl core::error::Error for FilterError {}
