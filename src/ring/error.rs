//! Errors of making a ring and of pushing.

use core::fmt;

/// A ring could not be made or split, or an end of it could not be taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
#[non_exhaustive]
pub enum RingError {
    /// The capacity is 0.
    ZeroCapacity,
    /// The capacity is not a power of two.
    NotPowerOfTwo {
        /// Requested number of slots.
        asked: usize,
    },
    /// The slots exceed the address space, or half of the positions that a word can count.
    CapacityTooLarge {
        /// Requested number of slots.
        asked: usize,
        /// Size of one slot in bytes: of a value, and of its flag if slots have one.
        element: usize,
    },
    /// The region is too small.
    RegionTooSmall {
        /// Number of bytes needed from the region's start, including those before the first aligned one.
        required: usize,
        /// Size of the region in bytes.
        available: usize,
    },
    /// The ring was split before.
    AlreadySplit,
    /// The producer was taken alone, and was not dropped yet.
    ProducerTaken,
    /// The consumer was taken alone, and was not dropped yet.
    ConsumerTaken,
    /// The allocator could not allocate `size` bytes.
    OutOfMemory {
        /// Requested number of bytes.
        size: usize,
    },
}

impl fmt::Display for RingError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::ZeroCapacity => write!(f, "a ring must have at least one slot"),
            Self::NotPowerOfTwo { asked } => {
                write!(f, "capacity {asked} is not a power of two")
            }
            Self::CapacityTooLarge { asked, element } => {
                write!(
                    f,
                    "{asked} slots of {element} bytes exceed the address space"
                )
            }
            Self::RegionTooSmall {
                required,
                available,
            } => write!(
                f,
                "the ring needs {required} bytes, the region has {available}"
            ),
            Self::AlreadySplit => write!(f, "the ring was split before"),
            Self::ProducerTaken => write!(f, "the producer of the ring is taken"),
            Self::ConsumerTaken => write!(f, "the consumer of the ring is taken"),
            Self::OutOfMemory { size } => write!(f, "could not allocate {size} bytes"),
        }
    }
}

impl core::error::Error for RingError {}

/// The ring has no room. Contains the value that was not pushed.
#[derive(PartialEq, Eq, Clone, Copy)]
#[must_use = "contains the value that was not pushed"]
pub struct Full<T>(pub(super) T);

impl<T> Full<T> {
    /// Returns the value that was not pushed.
    pub fn into_inner(self) -> T {
        self.0
    }
}

// Without the value, which may be of any type.
describe!(impl[T] Full<T> as Full {});

impl<T> fmt::Display for Full<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the ring is full")
    }
}

impl<T> core::error::Error for Full<T> {}

/// The ring has less room than requested. Nothing was reserved.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct NoRoom {
    /// Requested number of slots.
    pub requested: usize,
    /// Number of free slots.
    pub available: usize,
    /// Number of slots in the ring.
    pub capacity: usize,
}

impl fmt::Display for NoRoom {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "room for {} values requested, {} of {} slots are free",
            self.requested, self.available, self.capacity
        )
    }
}

impl core::error::Error for NoRoom {}

/// The ring has fewer values than requested. Nothing was taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct TooFew {
    /// Requested number of values.
    pub requested: usize,
    /// Number of values in the ring.
    pub available: usize,
    /// Number of slots in the ring.
    pub capacity: usize,
}

impl fmt::Display for TooFew {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} values requested, {} of {} slots hold one",
            self.requested, self.available, self.capacity
        )
    }
}

impl core::error::Error for TooFew {}

/// The ring is full, and the consumer is gone. Contains the value that was not pushed.
#[derive(PartialEq, Eq, Clone, Copy)]
#[must_use = "contains the value that was not pushed"]
pub struct Abandoned<T>(pub(super) T);

impl<T> Abandoned<T> {
    /// Returns the value that was not pushed.
    pub fn into_inner(self) -> T {
        self.0
    }
}

// Without the value, which may be of any type.
describe!(impl[T] Abandoned<T> as Abandoned {});

impl<T> fmt::Display for Abandoned<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the consumer of the ring is gone")
    }
}

impl<T> core::error::Error for Abandoned<T> {}

/// A wait for room ended without a push. The value comes back.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum PushWaitError<T> {
    /// There was no room before the time-out.
    TimedOut(T),
    /// The ring is full, and the consumer is gone.
    Abandoned(T),
}

impl<T> PushWaitError<T> {
    /// Returns the value.
    pub fn into_inner(self) -> T {
        match self {
            Self::TimedOut(value) | Self::Abandoned(value) => value,
        }
    }
}

/// Without the value, which may be of any type.
impl<T> fmt::Debug for PushWaitError<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::TimedOut(_) => "TimedOut",
            Self::Abandoned(_) => "Abandoned",
        })
    }
}

#[cfg(feature = "defmt")]
impl<T> defmt::Format for PushWaitError<T> {
    fn format(&self, f: defmt::Formatter<'_>) {
        match self {
            Self::TimedOut(_) => defmt::write!(f, "TimedOut"),
            Self::Abandoned(_) => defmt::write!(f, "Abandoned"),
        }
    }
}

impl<T> fmt::Display for PushWaitError<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::TimedOut(_) => "there was no room before the time-out",
            Self::Abandoned(_) => "the ring is full, and its consumer is gone",
        })
    }
}

impl<T> core::error::Error for PushWaitError<T> {}

/// A wait for a value ended without one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub enum PopWaitError {
    /// No value came before the time-out.
    TimedOut,
    /// The producer is gone, and nothing is left.
    Abandoned,
}

impl fmt::Display for PopWaitError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::TimedOut => "no value came before the time-out",
            Self::Abandoned => "the producer is gone, and nothing is left",
        })
    }
}

impl core::error::Error for PopWaitError {}
