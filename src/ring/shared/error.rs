//! What can go wrong between two processes.

use core::fmt;

/// Why there is no ring in a shared region, or no end of it to be had.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
#[non_exhaustive]
pub enum SharedRingError {
    /// A ring of zero slots was asked for, or is there.
    ZeroCapacity,
    /// The number of slots is no power of two.
    NotPowerOfTwo {
        /// Slots asked for, or claimed to be there.
        asked: u64,
    },
    /// Values of no size cannot be shared.
    ZeroSize,
    /// It would end behind the region.
    RegionTooSmall {
        /// Bytes from the region's start that it needs; `usize::MAX` if they exceed the address space.
        required: usize,
        /// Bytes of the region.
        available: usize,
    },
    /// Rings lie at multiples of 64 bytes.
    Misaligned {
        /// Bytes from the region's start.
        offset: usize,
    },
    /// There is no ring here.
    NoRing {
        /// The word at the ring's start.
        found: u64,
    },
    /// There is a ring of another layout: another version of this crate made it.
    OtherVersion {
        /// The version of its layout.
        found: u8,
        /// The one that this crate knows.
        expected: u8,
    },
    /// There is a ring for values of another size.
    OtherElement {
        /// Bytes of its values.
        found: u64,
        /// Bytes of those asked for.
        expected: usize,
    },
    /// There is a ring for values of another alignment.
    OtherAlign {
        /// Bytes that its values are aligned to.
        found: u64,
        /// Bytes that those asked for are aligned to.
        expected: usize,
    },
    /// There is a ring for values of the same shape and another type.
    OtherType {
        /// Its values' [`Plain::TAG`](crate::ring::Plain::TAG).
        found: u64,
        /// That of those asked for.
        expected: u64,
    },
    /// There is a ring already, and it may be in use.
    AlreadyMade,
    /// Somebody has this end.
    Taken {
        /// The process that took it.
        by: u32,
    },
    /// The word that says who has this end names no process: a peer wrote to it.
    BadHolder {
        /// What it says.
        found: u64,
    },
    /// The positions in the ring are not those of a ring of its capacity: a peer wrote to them.
    Corrupt {
        /// The position that was read.
        found: u64,
        /// The position of this end.
        own: u64,
    },
}

impl fmt::Display for SharedRingError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::ZeroCapacity => write!(f, "a ring must have at least one slot"),
            Self::NotPowerOfTwo { asked } => write!(f, "{asked} slots are no power of two"),
            Self::ZeroSize => write!(f, "values of no size cannot be shared"),
            Self::RegionTooSmall {
                required,
                available,
            } => write!(
                f,
                "the ring needs {required} bytes, the region has {available}"
            ),
            Self::Misaligned { offset } => {
                write!(f, "offset {offset} is no multiple of 64")
            }
            Self::NoRing { found } => write!(f, "there is no ring, but {found:#x}"),
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
            Self::Taken { by } => write!(f, "process {by} has this end"),
            Self::BadHolder { found } => write!(f, "{found:#x} has an end, which is no process"),
            Self::Corrupt { found, own } => {
                write!(f, "the peer's position {found} cannot be, with {own} here")
            }
        }
    }
}

impl core::error::Error for SharedRingError {}

/// A value was not pushed. It is in here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
#[non_exhaustive]
#[must_use = "the value that was not pushed is in here"]
pub enum SharedPushError<T> {
    /// The ring is full; after a wait, it was until its time was over.
    Full(T),
    /// The peer's position, or its process's number, cannot be: it lies, or overwrote it. Nothing else
    /// will work until it is right.
    Corrupt(T),
    /// The ring is full, and the consumer let it go. Only waiting says this.
    Abandoned(T),
    /// The ring is full, and the consumer's process is no more. Only waiting says this.
    Died(T),
}

impl<T> SharedPushError<T> {
    /// The value that was not pushed.
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
            Self::Corrupt(_) => "what the consumer wrote cannot be",
            Self::Abandoned(_) => "the other end of the ring is gone",
            Self::Died(_) => "the process at the other end of the ring died",
        })
    }
}

impl<T: fmt::Debug> core::error::Error for SharedPushError<T> {}

/// No value came: why waiting for one is over.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
#[non_exhaustive]
pub enum SharedWaitError {
    /// The producer let its end go, and nothing is left.
    Abandoned,
    /// The producer's process is no more, and nothing is left.
    Died {
        /// What its number was.
        process: u32,
    },
    /// The time is over.
    TimedOut,
    /// A word that the peer writes is wrong: `Corrupt` or `BadHolder`.
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
            Self::Abandoned => write!(f, "the other end of the ring is gone"),
            Self::Died { process } => {
                write!(f, "process {process}, at the other end of the ring, died")
            }
            Self::TimedOut => write!(f, "no value came in time"),
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

/// Bytes that are not in the places that were reserved or peeked. Nothing was read or written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct NoPlace {
    /// The place asked for, from 0.
    pub place: usize,
    /// Places that there are.
    pub places: usize,
    /// Bytes from the place's start.
    pub offset: usize,
    /// Bytes asked for.
    pub len: usize,
    /// Bytes of a place.
    pub size: usize,
}

impl fmt::Display for NoPlace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} bytes at {} of place {} are not in {} places of {} bytes",
            self.len, self.offset, self.place, self.places, self.size
        )
    }
}

impl core::error::Error for NoPlace {}
