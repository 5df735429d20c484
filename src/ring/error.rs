//! Why there is no ring, or no room in one.

use core::fmt;

/// A ring cannot be had.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
#[non_exhaustive]
pub enum RingError {
    /// A ring of zero slots was asked for.
    ZeroCapacity,
    /// The number of slots is no power of two.
    NotPowerOfTwo {
        /// Slots asked for.
        asked: usize,
    },
    /// The slots, or the bytes that they take, are more than the address space holds, or more than half
    /// of what a position counts.
    CapacityTooLarge {
        /// Slots asked for.
        asked: usize,
        /// Bytes of one slot: of a value, with its flag where slots have one.
        element: usize,
    },
    /// The region is too small.
    RegionTooSmall {
        /// Bytes needed from the region's start, its misalignment included.
        required: usize,
        /// Bytes the region has.
        available: usize,
    },
    /// The ring was split before.
    AlreadySplit,
    /// The allocator has no `size` bytes.
    OutOfMemory {
        /// Bytes asked for.
        size: usize,
    },
}

impl fmt::Display for RingError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::ZeroCapacity => write!(f, "a ring must have at least one slot"),
            Self::NotPowerOfTwo { asked } => {
                write!(f, "{asked} slots are no power of two")
            }
            Self::CapacityTooLarge { asked, element } => {
                write!(f, "{asked} slots of {element} bytes are too many")
            }
            Self::RegionTooSmall {
                required,
                available,
            } => write!(
                f,
                "the ring needs {required} bytes, the region has {available}"
            ),
            Self::AlreadySplit => write!(f, "the ring has been split before"),
            Self::OutOfMemory { size } => write!(f, "no {size} bytes could be allocated"),
        }
    }
}

impl core::error::Error for RingError {}

/// The ring has no room. What was to be pushed is in here.
#[derive(PartialEq, Eq, Clone, Copy)]
#[must_use = "the value that was not pushed is in here"]
pub struct Full<T>(pub(super) T);

impl<T> Full<T> {
    /// What was not pushed.
    pub fn into_inner(self) -> T {
        self.0
    }
}

impl<T> fmt::Debug for Full<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Full").finish_non_exhaustive()
    }
}

impl<T> fmt::Display for Full<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the ring is full")
    }
}

impl<T> core::error::Error for Full<T> {}

/// The ring has no room for so many. Nothing was reserved.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct NoRoom {
    /// Places asked for.
    pub requested: usize,
    /// Places that were free.
    pub available: usize,
    /// Places in the ring.
    pub capacity: usize,
}

impl fmt::Display for NoRoom {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "room for {} was asked for, {} of {} places are free",
            self.requested, self.available, self.capacity
        )
    }
}

impl core::error::Error for NoRoom {}

/// The other end is gone, and what was waited for cannot come. What was to be pushed is in here.
#[derive(PartialEq, Eq, Clone, Copy)]
#[must_use = "the value that was not pushed is in here"]
pub struct Abandoned<T>(pub(super) T);

impl<T> Abandoned<T> {
    /// What was not pushed.
    pub fn into_inner(self) -> T {
        self.0
    }
}

impl<T> fmt::Debug for Abandoned<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Abandoned").finish_non_exhaustive()
    }
}

impl<T> fmt::Display for Abandoned<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the other end of the ring is gone")
    }
}

impl<T> core::error::Error for Abandoned<T> {}
