//! Why no shared region, or no access to it.

use core::fmt;
use std::os::fd::OwnedFd;

use rustix::io::Errno;

use crate::region::PageSize;

/// A promise about a memfd that no process can take back: fcntl(2), "File sealing".
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Seal {
    /// `F_SEAL_SHRINK`: the file never becomes shorter.
    Shrink,
    /// `F_SEAL_WRITE`: the file never changes, and can be mapped for reading only.
    Write,
    /// `F_SEAL_FUTURE_WRITE`: as `Write`, but for mappings that were there before.
    FutureWrite,
}

impl fmt::Display for Seal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Shrink => "F_SEAL_SHRINK",
            Self::Write => "F_SEAL_WRITE",
            Self::FutureWrite => "F_SEAL_FUTURE_WRITE",
        })
    }
}

/// The step at which the kernel refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum SharedStage {
    /// Making the file: memfd_create(2).
    Create,
    /// Giving it its length: ftruncate(2).
    Resize,
    /// Sealing it: `F_ADD_SEALS` in fcntl(2).
    Seal,
    /// Asking for its seals, access, length and pages: fcntl(2), fstat(2), fstatfs(2).
    Inspect,
    /// The mapping: mmap(2).
    Map,
    /// Making the pages resident: `MADV_POPULATE_WRITE` in madvise(2), or fallocate(2)
    /// where the kernel or a sandbox refuses that.
    Populate,
}

impl fmt::Display for SharedStage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Create => "create",
            Self::Resize => "resize",
            Self::Seal => "seal",
            Self::Inspect => "inspect",
            Self::Map => "map",
            Self::Populate => "populate",
        })
    }
}

/// No shared region could be had. Nothing stays mapped.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum SharedError {
    /// A region of zero bytes was asked for, or the file is empty.
    ZeroLength,
    /// The length, rounded up to whole pages, exceeds the address space.
    TooLong {
        /// Bytes asked for, or of the file.
        requested: u64,
    },
    /// Shared regions come in base pages and 2 MiB pages only.
    UnsupportedPage {
        /// The pages asked for.
        page: PageSize,
    },
    /// The descriptor is of no memfd.
    NotMemfd,
    /// The file lacks a seal without which touching the mapping could be a SIGBUS.
    MissingSeal {
        /// The seal that is not there.
        seal: Seal,
    },
    /// The file has a seal that forbids to map it for writing.
    WriteSealed {
        /// The seal that is there.
        seal: Seal,
    },
    /// The descriptor is not open for reading and writing.
    NotWritable,
    /// The file does not end between two of its pages: it was not made as a region.
    NotWholePages {
        /// Bytes of the file.
        len: u64,
        /// Bytes of one of its pages.
        page_bytes: usize,
    },
    /// The file is shorter or longer than was to be accepted.
    UnexpectedLength {
        /// Bytes of the file.
        len: usize,
        /// The fewest to be accepted.
        least: usize,
        /// The most.
        most: usize,
    },
    /// The kernel refused.
    Kernel {
        /// Where.
        stage: SharedStage,
        /// Why.
        errno: Errno,
        /// Bytes of the region; 0 where they were not known yet.
        len: usize,
    },
}

impl fmt::Display for SharedError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::ZeroLength => write!(f, "a shared region must have at least one byte"),
            Self::TooLong { requested } => write!(
                f,
                "a shared region of {requested} bytes exceeds the address space"
            ),
            Self::UnsupportedPage { page } => {
                write!(f, "a shared region cannot be asked for in {page}")
            }
            Self::NotMemfd => write!(f, "the descriptor is of no memfd"),
            Self::MissingSeal { seal } => write!(f, "the memfd is not sealed: {seal} is missing"),
            Self::WriteSealed { seal } => {
                write!(f, "the memfd cannot be mapped for writing: it has {seal}")
            }
            Self::NotWritable => {
                write!(f, "the descriptor is not open for reading and writing")
            }
            Self::NotWholePages { len, page_bytes } => write!(
                f,
                "the memfd has {len} bytes, which are no whole pages of {page_bytes}"
            ),
            Self::UnexpectedLength { len, least, most } => {
                write!(f, "the memfd has {len} bytes, not {least} to {most}")
            }
            Self::Kernel { stage, errno, len } => {
                write!(f, "no shared region of {len} bytes ({stage}: {errno})")
            }
        }
    }
}

/// A descriptor was refused. It is in here, as it was.
#[derive(Debug)]
pub struct AttachError {
    pub(super) reason: SharedError,
    pub(super) fd: OwnedFd,
}

impl AttachError {
    /// Why.
    pub fn reason(&self) -> SharedError {
        self.reason
    }

    /// The descriptor that was refused.
    pub fn into_fd(self) -> OwnedFd {
        self.fd
    }
}

impl fmt::Display for AttachError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.reason.fmt(f)
    }
}

/// An access that the region does not have. Nothing was read or written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum AccessError {
    /// It would end behind the region.
    OutOfBounds {
        /// Bytes from the region's start.
        offset: usize,
        /// Bytes asked for; `usize::MAX` if they exceed the address space.
        len: usize,
        /// Bytes of the region.
        available: usize,
    },
    /// Words lie at multiples of their size.
    Misaligned {
        /// Bytes from the region's start.
        offset: usize,
        /// Bytes that it must be a multiple of.
        align: usize,
    },
}

impl fmt::Display for AccessError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::OutOfBounds {
                offset,
                len,
                available,
            } => write!(
                f,
                "{len} bytes at offset {offset} are not in a region of {available}"
            ),
            Self::Misaligned { offset, align } => {
                write!(f, "offset {offset} is no multiple of {align}")
            }
        }
    }
}

impl core::error::Error for SharedError {}
impl core::error::Error for AttachError {}
impl core::error::Error for AccessError {}
