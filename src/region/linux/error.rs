//! Why no mapping could be had, or given back.

use core::fmt;

use rustix::io::Errno;

use super::lock::LockError;
use super::numa::NodeError;
use super::report::{PageSize, Step, Steps};

/// No mapping could be had. Nothing stays mapped.
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
    /// A mapping of zero bytes was asked for.
    ZeroLength,
    /// The length exceeds the address space, rounded up to whole pages of the last rung that was tried.
    TooLong {
        /// Bytes asked for.
        requested: usize,
    },
    /// Every rung that was allowed was refused.
    Unavailable {
        /// Bytes asked for.
        requested: usize,
        /// Why, from the top rung down.
        refused: Refused,
    },
    /// The last rung that was tried cannot be locked, and a lock was asked for: see
    /// [`MapBuilder::lock_or_report`](super::MapBuilder::lock_or_report).
    Lock(LockError),
    /// No page can be placed on the node that was asked for.
    Node(NodeError),
}

/// The rungs that were refused, from the top. Never empty in an error.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refused(pub(super) Steps);

impl Refused {
    /// One entry a rung that was tried.
    pub fn iter(&self) -> impl Iterator<Item = &Step> {
        self.0.iter()
    }
}

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
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
                write!(f, "{requested} bytes cannot be mapped: {refused}")
            }
            Self::Lock(error) => error.fmt(f),
            Self::Node(error) => error.fmt(f),
        }
    }
}

impl core::error::Error for MapError {}

/// A region's pages were not given back. They hold what they held.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum ReleaseError {
    /// The region is locked: [`MappedRegion::unlock`](super::MappedRegion::unlock) comes first.
    Locked,
    /// The kernel refused: `EINVAL` for 2 MiB and 1 GiB pages before Linux 5.18, or where the process
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
            Self::Locked => f.write_str("a locked region keeps its pages: unlock it first"),
            Self::Refused { page, errno } => write!(f, "{page} cannot be given back: {errno}"),
        }
    }
}

impl core::error::Error for ReleaseError {}
