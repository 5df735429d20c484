//! Errors of regions, of requests, and of the check.

use core::fmt;
use core::mem::MaybeUninit;

/// A region was not added to a heap. Nothing was written to it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
#[non_exhaustive]
pub enum RegionError {
    /// The region has no room for one block, its alignment and the heap's metadata.
    TooSmall {
        /// Bytes needed from the start of the region, alignment included.
        required: usize,
        /// Bytes the region has.
        available: usize,
    },
    /// The region exceeds the address space, or is larger than `isize::MAX` bytes.
    Wraps {
        /// Address of the region.
        start: usize,
        /// Bytes of the region.
        len: usize,
    },
    /// The heap has a part of the region already.
    Overlaps {
        /// Address of the heap's region.
        start: usize,
        /// Bytes of the heap's region.
        len: usize,
    },
}

impl fmt::Display for RegionError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::TooSmall {
                required,
                available,
            } => write!(
                f,
                "one block and the metadata need {required} bytes, the region has {available}"
            ),
            Self::Wraps { start, len } => {
                write!(f, "{len} bytes at {start:#x} exceed the address space")
            }
            Self::Overlaps { start, len } => write!(
                f,
                "the heap already has a region of {len} bytes at {start:#x}, which overlaps"
            ),
        }
    }
}

impl core::error::Error for RegionError {}

/// Memory that [`Heap::add_memory`](super::Heap::add_memory) did not add, and the reason. It is unchanged.
#[derive(Debug)]
pub struct MemoryRefused {
    /// The reason.
    pub reason: RegionError,
    /// The memory.
    pub memory: &'static mut [MaybeUninit<u8>],
}

#[cfg(feature = "defmt")]
impl defmt::Format for MemoryRefused {
    fn format(&self, f: defmt::Formatter<'_>) {
        defmt::write!(f, "MemoryRefused {{ reason: {} }}", self.reason);
    }
}

impl fmt::Display for MemoryRefused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.reason.fmt(f)
    }
}

impl core::error::Error for MemoryRefused {}

/// A heap has no block for a request. Nothing was allocated; a block that was to be resized is unchanged.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct NoRoom {
    /// Bytes requested.
    pub size: usize,
    /// Alignment requested.
    pub align: usize,
    /// Bytes of a request that the heap could have served, with an alignment of 8 or less; 0 if there is none.
    pub available: usize,
}

impl fmt::Display for NoRoom {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "no room for {} bytes aligned to {}: up to {} bytes are available in one piece",
            self.size, self.align, self.available
        )
    }
}

impl core::error::Error for NoRoom {}

/// The metadata of a heap is inconsistent: it was overwritten, or a block was freed twice or with a layout that is
/// not its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
#[non_exhaustive]
pub enum HeapCheckError {
    /// A block's size is impossible: it exceeds the region.
    BadSize {
        /// Address of the block.
        block: usize,
        /// Bytes it claims to have.
        size: usize,
    },
    /// A block's note whether the previous block is free is wrong.
    BadFlag {
        /// Address of the block.
        block: usize,
    },
    /// The size at the end of a free block differs from the one at its start.
    BadEnd {
        /// Address of the block.
        block: usize,
    },
    /// Two neighbours are free, but not merged.
    NotMerged {
        /// Address of the second block.
        block: usize,
    },
    /// A list names a block that is not free, is not of its size, or does not name the list.
    BadLink {
        /// Address of the block.
        block: usize,
        /// Number of the list.
        list: usize,
    },
    /// A list that has blocks is marked empty, or the reverse.
    BadMark {
        /// Number of the list.
        list: usize,
    },
    /// The record of a span is wrong, or its place in a list.
    BadSpan {
        /// The 64 KiB of the region that the span begins in, counted from 0; their number if a counter of all spans is
        /// wrong.
        unit: usize,
    },
    /// A counter is wrong.
    Miscount {
        /// Bytes or blocks found.
        found: usize,
        /// The value of the counter.
        counted: usize,
    },
}

impl fmt::Display for HeapCheckError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::BadSize { block, size } => {
                write!(f, "block {block:#x} has an impossible size of {size} bytes")
            }
            Self::BadFlag { block } => write!(
                f,
                "block {block:#x} has a wrong note of the block before it"
            ),
            Self::BadEnd { block } => {
                write!(f, "free block {block:#x} has two different sizes")
            }
            Self::NotMerged { block } => {
                write!(f, "free block {block:#x} follows a free block")
            }
            Self::BadLink { block, list } => {
                write!(f, "list {list} has a wrong link to block {block:#x}")
            }
            Self::BadMark { list } => write!(f, "list {list} has a wrong mark"),
            Self::BadSpan { unit } => write!(f, "the span of unit {unit} has a wrong record"),
            Self::Miscount { found, counted } => {
                write!(f, "the counter says {counted}, but there are {found}")
            }
        }
    }
}

impl core::error::Error for HeapCheckError {}
