//! Why no mapping could be had.

use core::fmt;

use super::report::{Step, Steps};

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
    /// The length, rounded up to whole pages, exceeds the address space.
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
        }
    }
}

impl core::error::Error for MapError {}
