//! Why no allocator, no run, or no return.

use core::fmt;

/// A page-run allocator cannot be made of what was given.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
#[non_exhaustive]
pub enum RunsError {
    /// The page size is no power of two, or less than `min`.
    BadPage {
        /// Bytes asked for.
        asked: usize,
        /// The smallest page.
        min: usize,
    },
    /// The region holds no page, with what it costs to align it and to describe it.
    RegionTooSmall {
        /// Bytes needed from the region's start, its misalignment included.
        required: usize,
        /// Bytes the region has.
        available: usize,
    },
    /// The map describes fewer pages than the region holds.
    MapTooSmall {
        /// [`PageWord`](super::PageWord)s needed.
        required: usize,
        /// Those that were given.
        available: usize,
    },
}

impl fmt::Display for RunsError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::BadPage { asked, min } => {
                write!(
                    f,
                    "a page of {asked} bytes is no power of two from {min} up"
                )
            }
            Self::RegionTooSmall {
                required,
                available,
            } => write!(
                f,
                "one page needs {required} bytes, the region has {available}"
            ),
            Self::MapTooSmall {
                required,
                available,
            } => write!(f, "the map needs {required} words and has {available}"),
        }
    }
}

/// No run was handed out. Nothing was taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
#[non_exhaustive]
pub enum RunError {
    /// A run of no pages was asked for.
    ZeroPages,
    /// The alignment is no power of two.
    BadAlign {
        /// Bytes asked for.
        asked: usize,
    },
    /// The boundary is no power of two, or the run is longer than what lies between two of them.
    BadBoundary {
        /// Bytes asked for.
        asked: usize,
        /// Bytes of the run; `usize::MAX` if they exceed the address space.
        run: usize,
    },
    /// No free run is long enough where the request allows it to lie.
    Exhausted {
        /// Pages asked for.
        requested: usize,
        /// Pages of the largest free run, wherever it lies: not less than `requested` if it was
        /// alignment or a boundary that could not be met.
        largest: usize,
        /// Pages that are free in all.
        free: usize,
    },
}

impl fmt::Display for RunError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::ZeroPages => write!(f, "a run must have at least one page"),
            Self::BadAlign { asked } => write!(f, "an alignment of {asked} is no power of two"),
            Self::BadBoundary { asked, run } => write!(
                f,
                "a run of {run} bytes cannot lie within a boundary of {asked}, or that is no power of two"
            ),
            Self::Exhausted {
                requested,
                largest,
                free,
            } => write!(
                f,
                "no run of {requested} pages: {free} are free, {largest} of them in the largest run"
            ),
        }
    }
}

/// A run that came back raw was refused. The allocator is unchanged but for the count of refusals.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
#[non_exhaustive]
pub enum RunFreeError {
    /// The address is in none of this allocator's pages.
    ForeignAddress {
        /// The address that was given.
        addr: usize,
    },
    /// The address is not where a run starts: inside a page, or in a run's later page.
    Interior {
        /// The page it is in.
        page: usize,
        /// Bytes from that page's start.
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
    /// The run has another length than was given.
    WrongLength {
        /// The run's first page.
        page: usize,
        /// Pages that were given.
        given: usize,
        /// Pages of the run.
        actual: usize,
    },
}

impl fmt::Display for RunFreeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::ForeignAddress { addr } => {
                write!(f, "address {addr:#x} is in no page of this allocator")
            }
            Self::Interior { page, offset } => {
                write!(f, "no run starts {offset} bytes into page {page}")
            }
            Self::DoubleFree { page } => write!(f, "page {page} is free (double free?)"),
            Self::Owned { page } => write!(f, "the run at page {page} belongs to a handle"),
            Self::WrongLength {
                page,
                given,
                actual,
            } => write!(
                f,
                "the run at page {page} has {actual} pages, {given} were given"
            ),
        }
    }
}

/// The books of an allocator do not balance: memory that it trusts was overwritten.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
#[non_exhaustive]
pub enum RunCheckError {
    /// A page is marked as a run's, and no run reaches it.
    Orphan {
        /// The page.
        page: usize,
    },
    /// A free page lies below the lowest that the allocator looks at.
    Hidden {
        /// The page.
        page: usize,
    },
    /// A counter and the count behind it differ.
    Miscount {
        /// Pages or runs that were found.
        found: usize,
        /// What the counter says.
        counted: usize,
    },
}

impl fmt::Display for RunCheckError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::Orphan { page } => write!(f, "page {page} is of a run that has no first page"),
            Self::Hidden { page } => write!(f, "page {page} is free and would not be found"),
            Self::Miscount { found, counted } => {
                write!(f, "{found} found where the counter says {counted}")
            }
        }
    }
}

impl core::error::Error for RunsError {}
impl core::error::Error for RunError {}
impl core::error::Error for RunFreeError {}
impl core::error::Error for RunCheckError {}
