//! Errors of shared regions and of access to them.

use core::fmt;
use std::os::fd::OwnedFd;

use rustix::io::Errno;

use crate::region::linux::page::PageSize;

/// A restriction on a memfd that no process can remove: fcntl(2), "File sealing".
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Seal {
    /// `F_SEAL_SHRINK`: the file never becomes shorter.
    Shrink,
    /// `F_SEAL_WRITE`: the file never changes, and can only be mapped for reading.
    Write,
    /// `F_SEAL_FUTURE_WRITE`: as `Write`, except for mappings that existed before.
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
    /// Setting its length: ftruncate(2).
    Resize,
    /// Sealing it: `F_ADD_SEALS` in fcntl(2).
    Seal,
    /// Reading its seals, access mode, length and page size: fcntl(2), fstat(2), fstatfs(2).
    Inspect,
    /// The mapping: mmap(2).
    Map,
    /// Making the pages resident: `MADV_POPULATE_WRITE` in madvise(2), or fallocate(2) if the kernel or
    /// a sandbox refuses that.
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

/// A shared region could not be made or attached. Nothing stays mapped.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum SharedError {
    /// The requested length is 0, or the file is empty.
    ZeroLength,
    /// The length, rounded up to whole pages, exceeds the address space.
    TooLong {
        /// Bytes requested, or of the file.
        requested: u64,
    },
    /// Shared regions can only have base pages or 2 MiB pages.
    UnsupportedPage {
        /// The requested pages.
        page: PageSize,
    },
    /// The descriptor is not a memfd.
    NotMemfd,
    /// The file lacks a seal. Without it, touching the mapping could be a SIGBUS.
    MissingSeal {
        /// The missing seal.
        seal: Seal,
    },
    /// The file has a seal that forbids mapping it for writing.
    WriteSealed {
        /// That seal.
        seal: Seal,
    },
    /// The descriptor is not open for reading and writing.
    NotWritable,
    /// The length of the file is not a multiple of its page size: it was not made as a region.
    NotWholePages {
        /// Bytes of the file.
        len: u64,
        /// Bytes of one of its pages.
        page_bytes: usize,
    },
    /// The length of the file is outside the range that the caller accepts.
    UnexpectedLength {
        /// Bytes of the file.
        len: usize,
        /// The smallest accepted length.
        least: usize,
        /// The largest accepted length.
        most: usize,
    },
    /// The kernel refused.
    Kernel {
        /// The step that failed.
        stage: SharedStage,
        /// The kernel's reason.
        errno: Errno,
        /// Bytes of the region; 0 if they were not known yet.
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
                write!(f, "shared regions cannot have {page}")
            }
            Self::NotMemfd => write!(f, "the descriptor is not a memfd"),
            Self::MissingSeal { seal } => write!(f, "the memfd is not sealed: {seal} is missing"),
            Self::WriteSealed { seal } => {
                write!(f, "the memfd cannot be mapped for writing: it has {seal}")
            }
            Self::NotWritable => {
                write!(f, "the descriptor is not open for reading and writing")
            }
            Self::NotWholePages { len, page_bytes } => write!(
                f,
                "memfd length {len} is not a multiple of its page size {page_bytes}"
            ),
            Self::UnexpectedLength { len, least, most } => {
                write!(f, "the memfd has {len} bytes, expected {least} to {most}")
            }
            Self::Kernel { stage, errno, len } => {
                write!(f, "no shared region of {len} bytes ({stage}: {errno})")
            }
        }
    }
}

/// A descriptor was refused. The error contains it, unchanged.
#[derive(Debug)]
pub struct AttachError {
    pub(super) reason: SharedError,
    pub(super) fd: OwnedFd,
}

impl AttachError {
    /// Returns the reason.
    pub fn reason(&self) -> SharedError {
        self.reason
    }

    /// Returns the descriptor that was refused.
    pub fn into_fd(self) -> OwnedFd {
        self.fd
    }
}

impl fmt::Display for AttachError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.reason.fmt(f)
    }
}

/// An access was refused. Nothing was read or written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum AccessError {
    /// It would end after the region.
    OutOfBounds {
        /// Bytes from the region's start.
        offset: usize,
        /// Bytes requested; `usize::MAX` if they exceed the address space.
        len: usize,
        /// Bytes of the region.
        available: usize,
    },
    /// The offset is not a multiple of the size of a word.
    Misaligned {
        /// Bytes from the region's start.
        offset: usize,
        /// Bytes of a word.
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
                "{len} bytes at offset {offset} exceed a region of {available}"
            ),
            Self::Misaligned { offset, align } => {
                write!(f, "offset {offset} is not a multiple of {align}")
            }
        }
    }
}

impl core::error::Error for SharedError {}
impl core::error::Error for AttachError {}
impl core::error::Error for AccessError {}
