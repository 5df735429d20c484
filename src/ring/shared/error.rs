//! Errors of rings that two processes share.

use core::fmt;

/// A shared ring, or an end of it, is not available.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum SharedRingError {
    /// The requested capacity, or that in the ring, is 0.
    ZeroCapacity,
    /// The capacity is not a power of two.
    NotPowerOfTwo {
        /// The requested capacity, or that in the ring.
        asked: u64,
    },
    /// The values have size 0.
    ZeroSize,
    /// The ring does not fit the words.
    RegionTooSmall {
        /// Number of bytes that the ring needs; `usize::MAX` if they exceed the address space.
        required: usize,
        /// Size of the words, in bytes.
        available: usize,
    },
    /// The words do not start at a multiple of 64 bytes.
    Misaligned {
        /// The address of the first word.
        addr: usize,
    },
    /// There is no ring here.
    NoRing {
        /// The first word.
        found: u64,
    },
    /// The ring has another layout: another version of this crate made it.
    OtherVersion {
        /// The version of the ring's layout.
        found: u8,
        /// The version that this crate knows.
        expected: u8,
    },
    /// The ring is for values of another size.
    OtherElement {
        /// Size of the ring's values, in bytes.
        found: u64,
        /// Size of the requested values, in bytes.
        expected: usize,
    },
    /// The ring is for values of another alignment.
    OtherAlign {
        /// Alignment of the ring's values, in bytes.
        found: u64,
        /// Alignment of the requested values, in bytes.
        expected: usize,
    },
    /// The ring is for values of another type, of the same size and alignment.
    OtherType {
        /// The [`Plain::TAG`](crate::ring::Plain::TAG) of the ring's values.
        found: u64,
        /// Tag of the requested values.
        expected: u64,
    },
    /// There is a ring already, and it may be in use.
    AlreadyMade,
    /// A process owns this end.
    Taken {
        /// The number of that process.
        by: u32,
    },
    /// The owner word of this end names no process: a peer wrote to it.
    BadOwner {
        /// The owner word.
        found: u64,
    },
    /// The positions in the ring are impossible for its capacity: a peer wrote to them.
    Corrupt {
        /// The peer's position.
        found: u64,
        /// The position of this end.
        own: u64,
    },
}

impl fmt::Display for SharedRingError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::ZeroCapacity => write!(f, "a ring must have at least one slot"),
            Self::NotPowerOfTwo { asked } => write!(f, "capacity {asked} is not a power of two"),
            Self::ZeroSize => write!(f, "values of size 0 cannot be shared"),
            Self::RegionTooSmall {
                required,
                available,
            } => write!(
                f,
                "the ring needs {required} bytes, the words have {available}"
            ),
            Self::Misaligned { addr } => {
                write!(f, "the words start at {addr:#x}, not at a multiple of 64")
            }
            Self::NoRing { found } => {
                write!(f, "no ring here: the magic word is {found:#x}")
            }
            Self::OtherVersion { found, expected } => {
                write!(f, "the ring's layout is version {found}, not {expected}")
            }
            Self::OtherElement { found, expected } => {
                write!(f, "the ring is for values of {found} bytes, not {expected}")
            }
            Self::OtherAlign { found, expected } => write!(
                f,
                "the ring is for values aligned to {found} bytes, not {expected}"
            ),
            Self::OtherType { found, expected } => write!(
                f,
                "the ring is for values of type {found:#x}, not {expected:#x}"
            ),
            Self::AlreadyMade => write!(f, "there is a ring already"),
            Self::Taken { by } => write!(f, "process {by} owns this end"),
            Self::BadOwner { found } => {
                write!(f, "this end's owner word {found:#x} is not a process id")
            }
            Self::Corrupt { found, own } => write!(
                f,
                "corrupt ring: peer position {found} is impossible, own position is {own}"
            ),
        }
    }
}

impl core::error::Error for SharedRingError {}

/// A value was not pushed. Contains the value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
#[must_use = "contains the value that was not pushed"]
pub enum SharedPushError<T> {
    /// The ring is full. After a wait: it was full until the time-out.
    Full(T),
    /// The peer's position, or its owner word, is impossible: a peer wrote to it. Every operation that reads it fails
    /// until it is right.
    Corrupt(T),
    /// The ring is full, and the consumer has released its end. Only a wait returns this.
    Abandoned(T),
    /// The ring is full, and the consumer's process has ended. Only a wait returns this.
    Died(T),
}

impl<T> SharedPushError<T> {
    /// Returns the value that was not pushed.
    pub fn into_inner(self) -> T {
        let (Self::Full(value) | Self::Corrupt(value) | Self::Abandoned(value) | Self::Died(value)) =
            self;
        value
    }
}

impl<T> fmt::Display for SharedPushError<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Full(_) => "the ring is full",
            Self::Corrupt(_) => "the consumer's side of the ring is corrupt",
            Self::Abandoned(_) => "the consumer of the ring is gone",
            Self::Died(_) => "the consumer's process has ended",
        })
    }
}

impl<T: fmt::Debug> core::error::Error for SharedPushError<T> {}

/// A wait for a value ended without one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum SharedWaitError {
    /// The producer has released its end, and the ring is empty.
    Abandoned,
    /// The producer's process has ended, and nothing is left.
    Died {
        /// The number that the process had.
        process: u32,
    },
    /// No value came before the time-out.
    TimedOut,
    /// A word that the peer writes is impossible: `Corrupt` or `BadOwner`.
    Ring(SharedRingError),
}

impl From<SharedRingError> for SharedWaitError {
    fn from(error: SharedRingError) -> Self {
        Self::Ring(error)
    }
}

impl fmt::Display for SharedWaitError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Abandoned => write!(f, "the producer of the ring is gone"),
            Self::Died { process } => write!(f, "the producer's process {process} has ended"),
            Self::TimedOut => write!(f, "no value came before the time-out"),
            Self::Ring(error) => error.fmt(f),
        }
    }
}

impl core::error::Error for SharedWaitError {
    fn source(&self) -> Option<&(dyn core::error::Error + 'static)> {
        match self {
            Self::Ring(error) => Some(error),
            _ => None,
        }
    }
}

/// The bytes are not in the places that were reserved or peeked. Nothing was read or written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NoPlace {
    /// Index of the place, from 0.
    pub place: usize,
    /// Number of places.
    pub places: usize,
    /// Offset of the bytes in the place.
    pub offset: usize,
    /// Number of bytes.
    pub len: usize,
    /// Size of a place, in bytes.
    pub size: usize,
}

impl fmt::Display for NoPlace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} bytes at offset {} of place {} are not in {} places of {} bytes",
            self.len, self.offset, self.place, self.places, self.size
        )
    }
}

impl core::error::Error for NoPlace {}
