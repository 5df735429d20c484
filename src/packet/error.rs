//! The errors of packet buffers. Each carries the facts: what was requested, and what was available.

use core::fmt;
use core::ops::Range;

use crate::pool::error::{ConfigError, Exhausted};

/// A [`PacketConfig`](super::PacketConfig) is invalid, or the memory for it could not be made.
#[derive(Debug, Clone, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
#[non_exhaustive]
pub enum PacketPoolError {
    /// The shape of the blocks is invalid, or the region is too small. A block has at most 65,535 bytes.
    Config(ConfigError),
    /// The headroom is larger than a block.
    Headroom {
        /// Requested bytes.
        headroom: usize,
        /// Bytes of a block.
        block_size: usize,
    },
    /// More blocks and side lines than a pool can have.
    TooManyLines {
        /// Requested blocks.
        blocks: usize,
        /// Requested side lines.
        side: usize,
        /// The largest sum.
        max: usize,
    },
}

impl fmt::Display for PacketPoolError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Config(error) => error.fmt(f),
            Self::Headroom {
                headroom,
                block_size,
            } => write!(
                f,
                "a headroom of {headroom} bytes does not fit a block of {block_size}"
            ),
            Self::TooManyLines { blocks, side, max } => write!(
                f,
                "{blocks} blocks and {side} side lines exceed the maximum, {max} lines"
            ),
        }
    }
}

impl core::error::Error for PacketPoolError {}

/// A packet has less headroom or tailroom than an operation needs. Nothing changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct NoRoom {
    /// Bytes that the operation needs.
    pub needed: usize,
    /// Bytes before or after the packet in its window.
    pub available: usize,
}

impl NoRoom {
    #[inline(always)]
    pub(crate) fn check(needed: usize, available: usize) -> Result<(), Self> {
        match needed > available {
            true => Err(Self { needed, available }),
            false => Ok(()),
        }
    }
}

impl fmt::Display for NoRoom {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} bytes of room needed, {} available",
            self.needed, self.available
        )
    }
}

impl core::error::Error for NoRoom {}

/// A position or length exceeds the packet. Nothing changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct PastEnd {
    /// The bytes that were asked for: a length, or the end of a range.
    pub asked: usize,
    /// Bytes that there are.
    pub len: usize,
}

impl PastEnd {
    #[inline(always)]
    pub(crate) fn check(asked: usize, len: usize) -> Result<(), Self> {
        match asked > len {
            true => Err(Self { asked, len }),
            false => Ok(()),
        }
    }
}

impl fmt::Display for PastEnd {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} is past the end, {} bytes", self.asked, self.len)
    }
}

impl core::error::Error for PastEnd {}

/// A range does not lie in a packet or a block. Nothing changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub enum RangeError {
    /// The range ends before it starts.
    Reversed {
        /// Its start.
        start: usize,
        /// Its end.
        end: usize,
    },
    /// The range ends past the end.
    PastEnd(PastEnd),
}

impl RangeError {
    /// Checks that a range lies in `len` bytes.
    #[inline(always)]
    pub(crate) fn check(range: &Range<usize>, len: usize) -> Result<(), Self> {
        let Range { start, end } = *range;
        if start > end {
            return Err(Self::Reversed { start, end });
        }
        PastEnd::check(end, len).map_err(Self::PastEnd)
    }
}

impl fmt::Display for RangeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Reversed { start, end } => {
                write!(f, "the range starts at {start} and ends at {end}")
            }
            Self::PastEnd(error) => error.fmt(f),
        }
    }
}

impl core::error::Error for RangeError {}

/// A packet was not divided. It is unchanged.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
#[non_exhaustive]
pub enum SplitError {
    /// The position, or the end of the range, is past the end.
    PastEnd(PastEnd),
    /// The range ends before it starts.
    Reversed {
        /// Its start.
        start: usize,
        /// Its end.
        end: usize,
    },
    /// All side lines are in use.
    Exhausted(Exhausted),
    /// The pool was made without side lines.
    NoSideLines,
    /// The block has as many parts as a line can count.
    TooManyParts {
        /// The maximum.
        max: usize,
    },
}

impl fmt::Display for SplitError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::PastEnd(error) => error.fmt(f),
            Self::Reversed { start, end } => RangeError::Reversed {
                start: *start,
                end: *end,
            }
            .fmt(f),
            Self::Exhausted(_) => write!(f, "all side lines are in use"),
            Self::NoSideLines => write!(f, "the pool has no side lines"),
            Self::TooManyParts { max } => write!(f, "the block has {max} parts already"),
        }
    }
}

impl core::error::Error for SplitError {}

impl From<PastEnd> for SplitError {
    fn from(error: PastEnd) -> Self {
        Self::PastEnd(error)
    }
}

impl From<RangeError> for SplitError {
    fn from(error: RangeError) -> Self {
        match error {
            RangeError::PastEnd(error) => Self::PastEnd(error),
            RangeError::Reversed { start, end } => Self::Reversed { start, end },
        }
    }
}

/// A shared packet has the maximum number of handles.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct TooManyShares {
    /// The maximum.
    pub max: usize,
}

impl fmt::Display for TooManyShares {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the packet has {} handles already", self.max)
    }
}

impl core::error::Error for TooManyShares {}

/// A chain was not extended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
#[non_exhaustive]
pub enum ChainError {
    /// The packets belong to another pool.
    WrongPool,
    /// The chain would have more than 4,294,967,295 bytes.
    TooLong {
        /// Bytes of the chain.
        len: usize,
        /// Bytes to add.
        more: usize,
    },
    /// The first segment has less headroom, or there is no segment.
    NoRoom(NoRoom),
    /// Not enough blocks are free.
    Exhausted(Exhausted),
}

impl fmt::Display for ChainError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::WrongPool => write!(f, "the packets belong to another pool"),
            Self::TooLong { len, more } => {
                write!(f, "{more} more bytes do not fit a chain of {len}")
            }
            Self::NoRoom(error) => error.fmt(f),
            Self::Exhausted(error) => error.fmt(f),
        }
    }
}

impl core::error::Error for ChainError {}

impl From<Exhausted> for ChainError {
    fn from(error: Exhausted) -> Self {
        Self::Exhausted(error)
    }
}

/// An operation was refused. The error holds the reason and the argument.
#[must_use = "the error holds the argument; dropping it frees the packet"]
pub struct Refused<T, E> {
    pub(crate) argument: T,
    pub(crate) reason: E,
}

impl<T, E> Refused<T, E> {
    #[cold]
    pub(crate) fn new(argument: T, reason: E) -> Self {
        Self { argument, reason }
    }

    /// Returns the argument.
    pub fn into_inner(self) -> T {
        self.argument
    }

    /// The reason.
    pub fn reason(&self) -> &E {
        &self.reason
    }

    /// The argument and the reason.
    pub fn into_parts(self) -> (T, E) {
        (self.argument, self.reason)
    }
}

impl<T, E: fmt::Debug> fmt::Debug for Refused<T, E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Refused")
            .field("reason", &self.reason)
            .finish_non_exhaustive()
    }
}

#[cfg(feature = "defmt")]
impl<T, E: defmt::Format> defmt::Format for Refused<T, E> {
    fn format(&self, f: defmt::Formatter<'_>) {
        defmt::write!(f, "Refused {{ reason: {} }}", self.reason);
    }
}

impl<T, E: fmt::Display> fmt::Display for Refused<T, E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.reason.fmt(f)
    }
}

impl<T, E: fmt::Debug + fmt::Display> core::error::Error for Refused<T, E> {}
