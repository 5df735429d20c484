//! Packets whose bytes are memory of others.
//!
//! The block of such a packet holds the record of the memory and its owner: the line has no room for it.

use core::fmt;
use core::mem;
use core::ptr::NonNull;

use crate::packet::buf::PacketBuf;
use crate::packet::error::Refused;
use crate::packet::line::{Control, EXTERNAL_BLOCK, MAX_BLOCK, Room, Span, refs};
use crate::packet::pool::PacketPool;
use crate::pool::block::Block;
use crate::sync::Ordering::*;

/// Memory that does not belong to the pool, its owner, and the function that releases it.
///
/// Dropping this value does not release the memory: the packet that it is attached to does.
#[derive(Debug, Clone, Copy)]
#[repr(C)]
pub struct ExternalMemory {
    /// The first byte.
    pub start: NonNull<u8>,
    /// Bytes, at most 65,535.
    pub len: usize,
    /// A word for `release`.
    pub owner: *mut (),
    /// Called once, with this value, when the last handle of the packet ends, on the thread where it ends.
    pub release: unsafe fn(&ExternalMemory),
}

/// Bytes of the record in a block.
const RECORD: usize = size_of::<ExternalMemory>();

#[cfg(feature = "defmt")]
impl defmt::Format for ExternalMemory {
    fn format(&self, f: defmt::Formatter<'_>) {
        defmt::write!(f, "ExternalMemory {{ len: {=usize} }}", self.len);
    }
}

impl<'p> PacketBuf<'p> {
    /// Makes the packet one of external memory, all of which it then shows; the block only holds the record of it. When
    /// the last handle ends, the memory is released, and the block is freed. O(1).
    ///
    /// # Errors
    /// [`Refused`] with the packet: it does not have its block to itself, its block has no room for a record, or the
    /// memory is longer than 65,535 bytes. The memory is not released.
    ///
    /// # Safety
    /// The memory is initialised, valid for reads and writes until `release` is called, and accessed through the packet
    /// only. `release` may be called on any thread, for this value.
    ///
    /// ```
    /// use core::ptr::NonNull;
    /// use framepool::packet::ExternalMemory;
    ///
    /// framepool::packet_pool!(static PACKETS: [256; 16]);
    ///
    /// unsafe fn release(memory: &ExternalMemory) {
    ///     // SAFETY: `owner` is the vector that was leaked below.
    ///     drop(unsafe { Box::from_raw(memory.owner.cast::<Vec<u8>>()) });
    /// }
    ///
    /// let owner = Box::leak(Box::new(vec![7u8; 9000]));
    /// let memory = ExternalMemory {
    ///     start: NonNull::from(&mut owner[..]).cast(),
    ///     len: owner.len(),
    ///     owner: core::ptr::from_mut(owner).cast(),
    ///     release,
    /// };
    /// // SAFETY: the vector is leaked, and not used until `release` frees it.
    /// let packet = unsafe { PACKETS.alloc()?.attach(memory) }?;
    /// assert_eq!(packet.bytes(), [7; 9000]);
    /// # Ok::<(), Box<dyn core::error::Error>>(())
    /// ```
    pub unsafe fn attach(self, memory: ExternalMemory) -> Result<Self, Refused<Self, AttachError>> {
        let block_size = self.pool().block_size();
        let Some(id) = self.sole_block() else {
            return Err(Refused::new(self, AttachError::NotWhole));
        };
        if block_size < RECORD {
            let reason = AttachError::BlockTooSmall {
                needed: RECORD,
                block_size,
            };
            return Err(Refused::new(self, reason));
        }
        let Some(len) = u16::try_from(memory.len).ok() else {
            let reason = AttachError::TooLong {
                len: memory.len,
                max: MAX_BLOCK,
            };
            return Err(Refused::new(self, reason));
        };
        let segment = self.segment();
        let all = Span { start: 0, end: len };
        // SAFETY: the packet is exclusive, and has the whole block, which has room for the record. From here on nothing
        // shows the block's own bytes.
        unsafe {
            let block = segment.packets.blocks().block_start(id);
            block.cast::<ExternalMemory>().write_unaligned(memory);
            let control = segment.line().control_mut();
            control.block = id | EXTERNAL_BLOCK;
            control.room = Room {
                window: all,
                data: all,
            };
            // Relaxed: the packet is exclusive.
            let line = segment.line();
            line.refs.store(refs::EXTERNAL | refs::HANDLE, Relaxed);
        }
        Ok(self)
    }

    /// Whether the bytes are external memory.
    pub fn is_external(&self) -> bool {
        self.segment().control().is_external()
    }
}

#[cfg(feature = "std")]
impl<'p> PacketBuf<'p> {
    /// [`attach`](Self::attach) for a boxed slice, which the packet then owns.
    ///
    /// # Errors
    /// [`Refused`] with packet and slice, as for [`attach`](Self::attach).
    ///
    /// ```
    /// use framepool::packet::{PacketConfig, PacketPool};
    ///
    /// let packets = PacketPool::allocate(PacketConfig::new(256, 16))?;
    /// let mut packet = packets.alloc()?.attach_box(vec![7; 9000].into()).unwrap();
    /// let tail = packet.split_off(8000)?;
    /// assert_eq!((packet.len(), tail.len()), (8000, 1000));
    /// # Ok::<(), Box<dyn core::error::Error>>(())
    /// ```
    #[allow(clippy::type_complexity, reason = "both arguments come back")]
    pub fn attach_box(
        self,
        slice: std::boxed::Box<[u8]>,
    ) -> Result<Self, Refused<(Self, std::boxed::Box<[u8]>), AttachError>> {
        unsafe fn free(memory: &ExternalMemory) {
            let slice = core::ptr::slice_from_raw_parts_mut(memory.start.as_ptr(), memory.len);
            // SAFETY: it was made from a box below, and this is called once.
            drop(unsafe { std::boxed::Box::from_raw(slice) });
        }
        let slice = NonNull::from(std::boxed::Box::leak(slice));
        let memory = ExternalMemory {
            start: slice.cast(),
            len: slice.len(),
            owner: core::ptr::null_mut(),
            release: free,
        };
        // SAFETY: the box is leaked, and is the packet's until `free`.
        unsafe { self.attach(memory) }.map_err(|refused| {
            let (packet, reason) = refused.into_parts();
            // SAFETY: it was made from a box above, and not attached.
            let slice = unsafe { std::boxed::Box::from_raw(slice.as_ptr()) };
            Refused::new((packet, slice), reason)
        })
    }
}

impl PacketPool<'_> {
    /// The record of a line whose bytes are external.
    #[cold]
    #[inline(never)]
    pub(crate) fn external(&self, control: &Control) -> ExternalMemory {
        // SAFETY: lines name blocks of the pool; that of an external line begins with the record.
        unsafe {
            let block = self.blocks().block_start(control.index());
            block.cast::<ExternalMemory>().read_unaligned()
        }
    }

    /// Releases the memory of a block, and frees the block.
    ///
    /// # Safety
    /// The caller owns the block: no line of it has a handle. Its lines were external.
    pub(crate) unsafe fn end_external(&self, control: &Control) {
        let memory = self.external(control);
        // SAFETY: the caller owns the block, which has room for a record.
        let block = unsafe {
            let block = self.blocks().block_start(control.index());
            // No packet shows the addresses that were here.
            block.write_bytes(0, RECORD);
            Block::own(self.blocks(), control.index())
        };
        // Runs the user's code: if it unwinds, the block is freed as well.
        // SAFETY: by the promise to `attach`; no handle reads or writes the memory any more.
        unsafe { (memory.release)(&memory) };
        drop(block);
    }
}

const _: () = assert!(mem::align_of::<ExternalMemory>() <= 16);

/// External memory was not attached.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
#[non_exhaustive]
pub enum AttachError {
    /// The packet does not have its block to itself, or has external memory already.
    NotWhole,
    /// The block is too small for the record of the memory.
    BlockTooSmall {
        /// Bytes of a record.
        needed: usize,
        /// Bytes of a block.
        block_size: usize,
    },
    /// The memory is longer than a packet can be.
    TooLong {
        /// Bytes of the memory.
        len: usize,
        /// The maximum.
        max: usize,
    },
}

impl fmt::Display for AttachError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotWhole => write!(f, "the packet does not have a block to itself"),
            Self::BlockTooSmall { needed, block_size } => write!(
                f,
                "{needed} bytes needed to record external memory, a block has {block_size}"
            ),
            Self::TooLong { len, max } => {
                write!(
                    f,
                    "external memory of {len} bytes exceeds the maximum, {max}"
                )
            }
        }
    }
}

impl core::error::Error for AttachError {}
