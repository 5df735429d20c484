//! Blocks whose lines nobody has written: what a driver posts for reception.

use core::ops::Range;
use core::ptr::NonNull;

use crate::packet::buf::PacketBuf;
use crate::packet::burst::PacketBurst;
use crate::packet::error::{RangeError, Refused};
use crate::packet::line::{Room, Span, refs};
use crate::packet::meta::PacketMeta;
use crate::packet::pool::PacketPool;
use crate::pool::block::Block;
use crate::pool::burst::Burst;
use crate::pool::error::PushError;
use crate::pool::id::BlockId;

/// Owns one block of a [`PacketPool`] whose line is not written yet. Dropping it frees it.
///
/// A driver posts blanks to its card. The line is written once, when the card returns the block and says what it
/// received: [`receive`](Self::receive).
///
/// ```
/// use framepool::packet::PacketMeta;
///
/// framepool::packet_pool!(static PACKETS: [2048; 64]);
///
/// let mut blank = PACKETS.alloc_blank()?;
/// // A card writes a frame after its headroom.
/// blank.bytes_mut()[256..260].copy_from_slice(b"ping");
/// let mut facts = PacketMeta::default();
/// facts.queue = 1;
/// let packet = blank.receive(256..260, facts)?;
/// assert_eq!((packet.bytes(), packet.meta().queue), (&b"ping"[..], 1));
/// # Ok::<(), Box<dyn core::error::Error>>(())
/// ```
#[must_use = "dropping a blank frees it"]
pub struct Blank<'p> {
    packets: &'p PacketPool<'p>,
    /// Invariant: a block of `packets`.
    block: Block<'p>,
}

impl<'p> Blank<'p> {
    #[inline(always)]
    pub(crate) fn new(packets: &'p PacketPool<'p>, block: Block<'p>) -> Self {
        debug_assert!(block.is_of(packets.blocks()));
        Self { packets, block }
    }

    #[inline(always)]
    pub(crate) fn into_block(self) -> Block<'p> {
        self.block
    }

    #[inline(always)]
    pub(crate) fn is_of(&self, packets: &PacketPool<'_>) -> bool {
        core::ptr::eq(self.packets, packets)
    }

    /// The pool of the block.
    pub fn pool(&self) -> &'p PacketPool<'p> {
        self.packets
    }

    /// Names the block.
    #[inline]
    pub fn id(&self) -> BlockId {
        self.block.id()
    }

    /// Bytes from the pool's first block to this one.
    #[inline]
    pub fn offset(&self) -> usize {
        self.block.offset()
    }

    /// All bytes of the block: those of earlier packets.
    #[inline]
    pub fn bytes_mut(&mut self) -> &mut [u8] {
        let len = self.block.len();
        // SAFETY: all bytes of a packet pool are initialised.
        unsafe { self.block.assume_init_mut(len) }
    }

    /// Makes a packet of the block: `data` is its range of bytes in the block. Writes the whole line. O(1).
    ///
    /// # Errors
    /// [`RangeError`] with the blank, if the range ends before it starts, or past the block.
    #[inline]
    pub fn receive(
        self,
        data: Range<usize>,
        meta: PacketMeta,
    ) -> Result<PacketBuf<'p>, Refused<Self, RangeError>> {
        match room(self.block.len(), data) {
            Ok(room) => {
                let (packets, id) = (self.packets, self.block.disown());
                // SAFETY: the block passes to the packet, and `room` lies in it.
                unsafe {
                    packets.line(id).begin(refs::HANDLE, id, room, meta);
                    Ok(PacketBuf::own(packets, id))
                }
            }
            Err(reason) => Err(Refused::new(self, reason)),
        }
    }

    /// Makes an empty packet of the block, with the pool's headroom. O(1).
    #[inline]
    pub fn into_packet(self) -> PacketBuf<'p> {
        let packets = self.packets;
        // SAFETY: the block passes to the packet.
        unsafe { packets.begin(self.block.disown()) }
    }
}

/// The place of a received packet in its block.
#[inline(always)]
fn room(block_size: usize, data: Range<usize>) -> Result<Room, RangeError> {
    RangeError::check(&data, block_size)?;
    // A block has at most 65,535 bytes.
    Ok(Room {
        window: Span {
            start: 0,
            end: block_size as u16,
        },
        data: Span {
            start: data.start as u16,
            end: data.end as u16,
        },
    })
}

describe!(Blank<'_> as Blank { id });

/// Owns up to `N` blocks whose lines are not written yet. Dropping it frees them.
///
/// Moves indices alone: nothing reads or writes a line or a block.
///
/// ```
/// use framepool::packet::{PacketConfig, PacketMeta, PacketPool};
///
/// let packets = PacketPool::allocate(PacketConfig::new(2048, 256))?;
/// let mut cache = packets.cache();
/// let mut raw = cache.alloc_raw_burst::<32>(32)?;
/// raw.bytes_mut(0).unwrap()[..4].copy_from_slice(b"ping");
/// let burst = raw.receive(|_, _| (0..4, PacketMeta::default()));
/// assert_eq!((burst.len(), burst.bytes(0)), (32, Some(&b"ping"[..])));
/// # Ok::<(), Box<dyn core::error::Error>>(())
/// ```
#[must_use = "dropping a burst frees its blocks"]
pub struct RawBurst<'p, const N: usize> {
    packets: &'p PacketPool<'p>,
    /// Invariant: of blocks of `packets`.
    blocks: Burst<'p, N>,
}

impl<'p, const N: usize> RawBurst<'p, N> {
    #[inline(always)]
    pub(crate) fn new(packets: &'p PacketPool<'p>, blocks: Burst<'p, N>) -> Self {
        debug_assert!(blocks.is_of(packets.blocks()));
        Self { packets, blocks }
    }

    /// An empty burst.
    pub fn empty(packets: &'p PacketPool<'p>) -> Self {
        Self::new(packets, Burst::new(packets.blocks()))
    }

    #[inline(always)]
    pub(crate) fn blocks_mut(&mut self) -> &mut Burst<'p, N> {
        &mut self.blocks
    }

    #[inline(always)]
    pub(crate) fn into_blocks(self) -> Burst<'p, N> {
        self.blocks
    }

    /// Returns the number of blocks.
    #[inline]
    pub fn len(&self) -> usize {
        self.blocks.len()
    }

    /// Whether there is no block.
    #[inline]
    pub fn is_empty(&self) -> bool {
        self.blocks.is_empty()
    }

    /// The pool of the blocks.
    pub fn pool(&self) -> &'p PacketPool<'p> {
        self.packets
    }

    /// The names of the blocks.
    pub fn ids(&self) -> impl ExactSizeIterator<Item = BlockId> + '_ {
        self.blocks.ids()
    }

    /// Bytes from the pool's first block to the block at position `i`.
    #[inline]
    pub fn offset(&self, i: usize) -> Option<usize> {
        self.blocks.offset(i)
    }

    /// All bytes of the block at position `i`: those of earlier packets.
    #[inline]
    pub fn bytes_mut(&mut self, i: usize) -> Option<&mut [u8]> {
        let bytes = NonNull::from(self.blocks.block_mut(i)?);
        let start = bytes.cast::<u8>();
        // SAFETY: all bytes of a packet pool are initialised; the burst owns the block, and is borrowed exclusively.
        Some(unsafe { core::slice::from_raw_parts_mut(start.as_ptr(), bytes.len()) })
    }

    /// Removes the last block and returns it.
    #[inline]
    pub fn pop(&mut self) -> Option<Blank<'p>> {
        Some(Blank::new(self.packets, self.blocks.pop()?))
    }

    /// Adds a block at the end.
    ///
    /// # Errors
    /// [`PushError`] with the block, if the burst is full or belongs to another pool.
    #[inline]
    pub fn push(&mut self, blank: Blank<'p>) -> Result<(), PushError<Blank<'p>>> {
        let packets = self.packets;
        if !blank.is_of(packets) {
            return Err(PushError::WrongPool(blank));
        }
        let back = |block| Blank::new(packets, block);
        self.blocks.push(blank.into_block()).map_err(|e| match e {
            PushError::Full(block) => PushError::Full(back(block)),
            PushError::WrongPool(block) => PushError::WrongPool(back(block)),
        })
    }

    /// Makes packets of all blocks. `facts` gets position and name of a block, and returns the range of the packet in
    /// it, which is cut to the block, and the facts. Writes every line once. O(number of blocks).
    #[inline]
    pub fn receive(
        self,
        mut facts: impl FnMut(usize, BlockId) -> (Range<usize>, PacketMeta),
    ) -> PacketBurst<'p, N> {
        let (packets, size) = (self.packets, self.packets.block_size());
        for (i, &id) in self.blocks.as_ids().iter().enumerate() {
            let (data, meta) = facts(i, BlockId(id));
            let end = data.end.min(size);
            let data = data.start.min(end)..end;
            if let Ok(room) = room(size, data) {
                // SAFETY: the burst owns the block, and `room` lies in it.
                unsafe { packets.line(id).begin(refs::HANDLE, id, room, meta) };
            }
        }
        PacketBurst::of(packets, self.blocks)
    }
}

describe!(impl[const N: usize] RawBurst<'_, N> as RawBurst { blocks = |it| &it.blocks });
