//! What a hardened heap finds, and how it reports it.

use core::fmt;

/// What is wrong with a block, or with a pointer that is none.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
#[non_exhaustive]
pub enum HeapFaultKind {
    /// The pointer is in no region of the heap.
    Foreign,
    /// The pointer is in the heap, but no block starts there; or what is before the block was overwritten.
    NoBlock,
    /// The block was freed before.
    DoubleFree,
    /// The block was allocated with another layout.
    WrongLayout {
        /// Bytes that it was allocated with.
        size: usize,
        /// Alignment that it was allocated with.
        align: usize,
    },
    /// The bytes after the block were overwritten.
    Overrun {
        /// Offset from the block's start of the first byte that is wrong.
        offset: usize,
    },
    /// The block, or what is before it, was written to after it was freed.
    UseAfterFree {
        /// Offset from the block's start of the first byte that is wrong; 0 also for bytes before it.
        offset: usize,
    },
    /// The links or the size of free memory were overwritten. From then on the heap refuses all requests.
    BrokenLinks,
}

/// A mistake that a hardened heap found. A call with a mistake changes nothing. A block that was written to after it was
/// freed is not used again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
#[non_exhaustive]
pub struct HeapFault {
    /// What is wrong.
    pub kind: HeapFaultKind,
    /// The pointer that was passed, or the block's address.
    pub address: usize,
    /// Bytes of the layout that was passed, or of the block; 0 for [`HeapFaultKind::BrokenLinks`].
    pub size: usize,
    /// Its alignment; 0 for [`HeapFaultKind::BrokenLinks`].
    pub align: usize,
}

impl fmt::Display for HeapFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            kind,
            address,
            size,
            align,
        } = *self;
        match kind {
            HeapFaultKind::Foreign => write!(f, "a pointer that is not the heap's")?,
            HeapFaultKind::NoBlock => write!(f, "no block, or one with its front overwritten")?,
            HeapFaultKind::DoubleFree => write!(f, "a block that was freed before")?,
            HeapFaultKind::WrongLayout { size, align } => {
                write!(
                    f,
                    "a block that was allocated as {size} bytes aligned to {align}"
                )?;
            }
            HeapFaultKind::Overrun { offset } => {
                write!(f, "a block overwritten after its end, at byte {offset}")?;
            }
            HeapFaultKind::UseAfterFree { offset } => {
                write!(f, "a block written to after it was freed, at byte {offset}")?;
            }
            HeapFaultKind::BrokenLinks => {
                return write!(
                    f,
                    "the links or the size of the free block at {address:#x} were overwritten"
                );
            }
        }
        write!(f, ": {address:#x}, {size} bytes aligned to {align}")
    }
}

impl core::error::Error for HeapFault {}

/// What a hardened heap has found so far, and what it keeps: see [`Hardened::faults`](super::Hardened::faults).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
#[non_exhaustive]
pub struct HeapFaults {
    /// Number of faults.
    pub count: usize,
    /// The last one.
    pub last: Option<HeapFault>,
    /// Blocks in quarantine.
    pub quarantined: usize,
    /// Bytes in quarantine, without guards.
    pub quarantined_bytes: usize,
    /// Bytes of freed blocks that are never used again because of a fault, guards included.
    pub withheld: usize,
}
