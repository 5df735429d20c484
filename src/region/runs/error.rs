//! Errors of allocators of page runs, of requests, and of returns.

use core::fmt;

/// An allocator of page runs could not be made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
#[non_exhaustive]
pub enum RunsError {
    /// The page size is not a power of two, or less than `min`.
    BadPage {
        /// Bytes requested.
        asked: usize,
        /// The smallest page size.
        min: usize,
    },
    /// The region has no room for one page, its alignment and its metadata.
    RegionTooSmall {
        /// Bytes needed from the start of the region, alignment included.
        required: usize,
        /// Bytes the region has.
        available: usize,
    },
    /// The map has too few words for the pages of the region.
    MapTooSmall {
        /// [`PageWord`](super::PageWord)s needed.
        required: usize,
        /// Words of the map.
        available: usize,
    },
}

impl fmt::Display for RunsError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::BadPage { asked, min } => {
                write!(
                    f,
                    "page size {asked} is not a power of two of at least {min}"
                )
            }
            Self::RegionTooSmall {
                required,
                available,
            } => write!(
                f,
                "one page and its metadata need {required} bytes, the region has {available}"
            ),
            Self::MapTooSmall {
                required,
                available,
            } => write!(f, "the map needs {required} words, it has {available}"),
        }
    }
}

/// A request for a run failed. Nothing was allocated.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
#[non_exhaustive]
pub enum RunError {
    /// The request was for 0 pages.
    ZeroPages,
    /// The alignment is not a power of two.
    BadAlign {
        /// Bytes requested.
        asked: usize,
    },
    /// The boundary is not a power of two.
    BadBoundary {
        /// Bytes requested.
        asked: usize,
    },
    /// The run is longer than the boundary, so it must cross one.
    BoundaryTooSmall {
        /// Bytes of the boundary.
        boundary: usize,
        /// Bytes of the run; `usize::MAX` if they exceed the address space.
        run: usize,
    },
    /// No free run is long enough, with the requested alignment and boundary.
    Exhausted {
        /// Pages requested.
        requested: usize,
        /// Pages of the largest free run. If it is not less than `requested`, no free run satisfies the
        /// alignment or the boundary.
        largest: usize,
        /// Free pages in all.
        free: usize,
    },
}

impl fmt::Display for RunError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::ZeroPages => write!(f, "a run must have at least one page"),
            Self::BadAlign { asked } => write!(f, "alignment {asked} is not a power of two"),
            Self::BadBoundary { asked } => write!(f, "boundary {asked} is not a power of two"),
            Self::BoundaryTooSmall { boundary, run } => {
                write!(
                    f,
                    "a run of {run} bytes must cross a boundary of {boundary}"
                )
            }
            Self::Exhausted {
                requested,
                largest,
                free,
            } => write!(
                f,
                "no free run of {requested} pages fits: {free} pages are free, {largest} in the largest run"
            ),
        }
    }
}

/// A raw run was refused when it was returned. Only the count of refusals changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
#[non_exhaustive]
pub enum RunFreeError {
    /// The address is not in a page of this allocator.
    ForeignAddress {
        /// The address.
        addr: usize,
    },
    /// No run starts at the address: it is inside a page, or in a later page of a run.
    Interior {
        /// The page that contains the address.
        page: usize,
        /// Bytes from the start of that page.
        offset: usize,
    },
    /// The page is free: the run was freed already.
    DoubleFree {
        /// The page.
        page: usize,
    },
    /// A [`PageRun`](super::PageRun) owns the run.
    Owned {
        /// The run's first page.
        page: usize,
    },
    /// The caller passed a wrong number of pages.
    WrongLength {
        /// The run's first page.
        page: usize,
        /// The number that the caller passed.
        given: usize,
        /// The number of pages of the run.
        actual: usize,
    },
}

impl fmt::Display for RunFreeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::ForeignAddress { addr } => {
                write!(f, "address {addr:#x} is not in a page of this allocator")
            }
            Self::Interior { page, offset } => {
                write!(f, "no run starts {offset} bytes into page {page}")
            }
            Self::DoubleFree { page } => write!(f, "page {page} is free (double free?)"),
            Self::Owned { page } => write!(f, "a handle owns the run at page {page}"),
            Self::WrongLength {
                page,
                given,
                actual,
            } => write!(
                f,
                "the run at page {page} has {actual} pages, the caller passed {given}"
            ),
        }
    }
}

/// The metadata of an allocator is inconsistent: it was overwritten.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
#[non_exhaustive]
pub enum RunCheckError {
    /// A page is marked as part of a run, but no run contains it.
    Orphan {
        /// The page.
        page: usize,
    },
    /// A free page lies below the lowest page that the allocator searches.
    Hidden {
        /// The page.
        page: usize,
    },
    /// A counter is wrong.
    Miscount {
        /// Pages or runs found.
        found: usize,
        /// The value of the counter.
        counted: usize,
    },
}

impl fmt::Display for RunCheckError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::Orphan { page } => write!(f, "page {page} belongs to a run without a first page"),
            Self::Hidden { page } => write!(
                f,
                "page {page} is free, but the allocator does not search it"
            ),
            Self::Miscount { found, counted } => {
                write!(f, "the counter says {counted}, but there are {found}")
            }
        }
    }
}

impl core::error::Error for RunsError {}
impl core::error::Error for RunError {}
impl core::error::Error for RunFreeError {}
impl core::error::Error for RunCheckError {}
