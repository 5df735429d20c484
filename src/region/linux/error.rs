//! Errors of mapping a region and of releasing its pages.

use core::fmt;

use rustix::io::Errno;

use super::lock::LockError;
use super::numa::NodeError;
use super::page::PageSize;
use super::report::Refused;

/// The region could not be mapped. Nothing stays mapped.
///
/// ```
/// use framepool::{MapError, MappedRegion};
///
/// match MappedRegion::builder(64 << 20).force().map() {
///     Ok(region) => println!("{}", region.report()),
///     Err(MapError::Unavailable { requested, refused }) => {
///         assert_eq!(requested, 64 << 20);
///         for step in refused.iter() {
///             println!("{}: {} failed with {}", step.page, step.stage, step.errno);
///         }
///     }
///     Err(other) => println!("{other}"),
/// }
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum MapError {
    /// The requested length is 0.
    ZeroLength,
    /// The length, rounded up to whole pages of the last rung that was tried, exceeds the address space.
    TooLong {
        /// Bytes requested.
        requested: usize,
    },
    /// Every rung that was tried was refused.
    Unavailable {
        /// Bytes requested.
        requested: usize,
        /// The reasons, from the top rung down.
        refused: Refused,
    },
    /// The last rung that was tried cannot be locked, and the caller requires a lock: see
    /// [`MapBuilder::lock_or_report`](super::MapBuilder::lock_or_report).
    Lock(LockError),
    /// Pages cannot be placed on the requested node.
    Node(NodeError),
}

impl fmt::Display for MapError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::ZeroLength => write!(f, "a mapping must have at least one byte"),
            Self::TooLong { requested } => {
                write!(
                    f,
                    "a mapping of {requested} bytes exceeds the address space"
                )
            }
            Self::Unavailable { requested, refused } => {
                write!(f, "could not map {requested} bytes: {refused}")
            }
            Self::Lock(error) => error.fmt(f),
            Self::Node(error) => error.fmt(f),
        }
    }
}

impl core::error::Error for MapError {}

/// The pages of a region were not released. Their content is unchanged.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum ReleaseError {
    /// The region is locked: call [`MappedRegion::unlock`](super::MappedRegion::unlock) first.
    Locked,
    /// The kernel refused: `EINVAL` for 2 MiB and 1 GiB pages before Linux 5.18, or in a process that
    /// locks all of its memory (mlockall(2)).
    Refused {
        /// The pages of the region.
        page: PageSize,
        /// The kernel's reason.
        errno: Errno,
    },
}

impl fmt::Display for ReleaseError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Locked => {
                f.write_str("the region is locked: unlock it before releasing its pages")
            }
            Self::Refused { page, errno } => write!(f, "could not release {page}: {errno}"),
        }
    }
}

impl core::error::Error for ReleaseError {}
