//! One packet at a device.

use core::mem::{self, ManuallyDrop};
use core::ptr::NonNull;

use super::{CacheMaintenance, DmaError, whole_lines};
use crate::packet::buf::PacketBuf;
use crate::packet::error::Refused;
use crate::packet::pool::PacketPool;
use crate::pool::block::Block;
use crate::pool::error::{FreeError, FreeErrorKind};
use crate::pool::id::BlockId;
use crate::pool::meta::RAW;
use crate::sync::{self, Ordering::*};

/// What a device does with a packet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub enum Direction {
    /// It reads the packet.
    ToDevice,
    /// It writes to the packet's window.
    FromDevice,
}

/// A packet that a device has.
///
/// The program cannot reach the bytes until [`complete`](Self::complete). If this value is dropped before, the packet is
/// quarantined: it is neither freed nor used again until [`PacketPool::reclaim`], because the device may still use it.
///
/// ```
/// use framepool::packet::{Coherent, Direction};
///
/// framepool::packet_pool!(static TX: [2048; 16]);
///
/// let packet = TX.alloc_from(b"frame")?;
/// let at_device = packet.lend(Direction::ToDevice, &Coherent)?;
/// assert_eq!((at_device.len(), TX.lent()), (5, 0));
/// // SAFETY: the device of this example is done.
/// let packet = unsafe { at_device.complete(&Coherent) };
/// drop(packet.lend(Direction::ToDevice, &Coherent)?);
/// assert_eq!((TX.lent(), TX.stats().blocks.in_use), (1, 1));
/// // SAFETY: the device is stopped.
/// assert_eq!(unsafe { TX.reclaim() }, 1);
/// assert_eq!(TX.stats().blocks.in_use, 0);
/// # Ok::<(), Box<dyn core::error::Error>>(())
/// ```
///
/// The bytes of a packet in flight cannot be read:
/// ```compile_fail,E0599
/// # use framepool::packet::{Coherent, Direction};
/// # framepool::packet_pool!(static TX: [2048; 16]);
/// let at_device = TX.alloc().unwrap().lend(Direction::ToDevice, &Coherent).unwrap();
/// at_device.bytes();
/// ```
#[must_use = "a packet that is dropped in flight is quarantined"]
pub struct InFlight<'p> {
    /// Invariant: not accessed, and not dropped, while the device may have it.
    packet: ManuallyDrop<PacketBuf<'p>>,
    direction: Direction,
}

impl PacketBuf<'static> {
    /// Gives the packet to a device: maintains the data cache, then makes a release fence. The descriptor or doorbell
    /// that tells the device must be written after this. O(1), and the maintenance of the range.
    ///
    /// The memory of a `'static` pool outlives every device, so this is safe. For other pools, see
    /// [`lend_unchecked`](PacketBuf::lend_unchecked).
    ///
    /// # Errors
    /// [`Refused`] with the packet: the device is to write to it, and its window may share a line of the data cache with
    /// other memory.
    pub fn lend(
        self,
        direction: Direction,
        cache: &impl CacheMaintenance,
    ) -> Result<InFlight<'static>, Refused<Self, DmaError>> {
        // SAFETY: the memory is never freed.
        unsafe { self.lend_unchecked(direction, cache) }
    }
}

impl<'p> PacketBuf<'p> {
    /// [`lend`](PacketBuf::lend) for a pool whose memory may end.
    ///
    /// # Errors
    /// As for [`lend`](PacketBuf::lend).
    ///
    /// # Safety
    /// The pool's memory outlives the device's use of the packet, even if the result is forgotten. The pool is not
    /// [reset](PacketPool::reset) before the device is done.
    pub unsafe fn lend_unchecked<M: CacheMaintenance>(
        self,
        direction: Direction,
        cache: &M,
    ) -> Result<InFlight<'p>, Refused<Self, DmaError>> {
        match direction {
            Direction::ToDevice => {
                let bytes = NonNull::from(self.bytes());
                cache.clean(bytes.cast(), bytes.len());
            }
            Direction::FromDevice => {
                let (start, len) = self.window();
                if let Err(reason) = whole_lines::<M>(start.addr().get(), len) {
                    return Err(Refused::new(self, reason));
                }
                cache.invalidate(start, len);
            }
        }
        cache.barrier();
        // Release: what was written to the packet comes before the write that tells the device.
        sync::release_fence();
        Ok(InFlight {
            packet: ManuallyDrop::new(self),
            direction,
        })
    }

    /// The first byte of the window, and its length.
    fn window(&self) -> (NonNull<u8>, usize) {
        let (segment, control) = (self.segment(), self.segment().control());
        let window = control.room.window;
        (segment.at(&control, window.start), window.len())
    }

    /// Converts the handle into the address of the data, or of the block's last byte if the packet is empty and lies at
    /// its end: the address is always one of this block. The packet stays in use until
    /// [`PacketPool::packet_from_raw`].
    ///
    /// # Errors
    /// [`Refused`] with the packet, if it does not have its block to itself: its address would not name it.
    pub fn into_raw(self) -> Result<NonNull<u8>, Refused<Self, DmaError>> {
        let Some(id) = self.sole_block() else {
            return Err(Refused::new(self, DmaError::NotWhole));
        };
        let (segment, control) = (self.segment(), self.segment().control());
        let blocks = segment.packets.blocks();
        // Right after the block, another one may begin, which the address must not name.
        let last = (blocks.block_size() - 1) as u16;
        let data = segment.at(&control, control.room.data.start.min(last));
        self.disown();
        // SAFETY: the packet had the block to itself, and ends here. The mark keeps it in use.
        let _ = unsafe { Block::own(blocks, id) }.into_id();
        Ok(data)
    }
}

impl<'p> InFlight<'p> {
    /// The address of the first byte of the data, for a descriptor.
    pub fn addr(&self) -> usize {
        let (segment, control) = (self.packet.segment(), self.packet.segment().control());
        segment.at(&control, control.room.data.start).addr().get()
    }

    /// Bytes from the pool's first block to the data. `None` for external memory.
    pub fn offset(&self) -> Option<usize> {
        self.packet.offset()
    }

    /// The physical address of the first byte of the data: see [`PacketBuf::iova`].
    ///
    /// # Errors
    /// As for [`PacketBuf::iova`].
    #[cfg(all(feature = "mmap", target_os = "linux"))]
    pub fn iova(
        &self,
        table: &crate::region::Iova,
    ) -> Result<crate::region::PhysAddr, crate::region::IovaError> {
        let at = core::ptr::without_provenance(self.addr());
        table.translate_all(at, self.len().max(1))
    }

    /// Returns the number of bytes of the packet.
    pub fn len(&self) -> usize {
        self.packet.len()
    }

    /// Whether the packet has no bytes.
    pub fn is_empty(&self) -> bool {
        self.packet.is_empty()
    }

    /// Bytes after the data that a device may write to.
    pub fn tailroom(&self) -> usize {
        self.packet.tailroom()
    }

    /// What the device does with the packet.
    pub fn direction(&self) -> Direction {
        self.direction
    }

    /// Takes the packet back: makes an acquire fence, then discards the lines of the data cache if the device wrote. What
    /// the device wrote after the data is in the tailroom: [`append`](PacketBuf::append) its length.
    ///
    /// # Safety
    /// The device is done with the packet, and the program has read that from the device.
    pub unsafe fn complete(self, cache: &impl CacheMaintenance) -> PacketBuf<'p> {
        // Acquire: what the device wrote before it said so comes before what is read from here on.
        sync::acquire_fence();
        if self.direction == Direction::FromDevice {
            let (start, len) = self.packet.window();
            cache.invalidate(start, len);
            cache.barrier();
        }
        let mut this = ManuallyDrop::new(self);
        // SAFETY: taken once, because `this` is not dropped.
        unsafe { ManuallyDrop::take(&mut this.packet) }
    }
}

impl Drop for InFlight<'_> {
    /// Quarantines the packet.
    #[cold]
    fn drop(&mut self) {
        let segment = self.packet.segment();
        let (packets, line) = (segment.packets, segment.line as u32);
        let own = packets.capacity() as u32;
        // The handle of the line stays counted. The mark tells `reclaim` of it, and counts it as lent.
        let block = match (line.checked_sub(own), packets.side_pool()) {
            // SAFETY: the line has this handle, which is never used again; nothing else writes its link while the line is
            // in use.
            (Some(side), Some(pool)) => unsafe { Block::own(pool, side) },
            // SAFETY: as above, for the own line of a block.
            _ => unsafe { Block::own(packets.blocks(), line) },
        };
        let _ = block.into_id();
    }
}

describe!(InFlight<'_> as InFlight { direction, len });

impl<'m> PacketPool<'m> {
    /// The packet that [`PacketBuf::into_raw`] made an address of; any address in its block is right. O(1), two atomic
    /// operations.
    ///
    /// # Errors
    /// [`FreeError`]: the address is not in a block of this pool, or the block is not converted into an address. The pool
    /// is unchanged except for the count of refusals.
    ///
    /// # Safety
    /// If the address is in such a block, the caller owns the packet, and nothing uses it any more.
    ///
    /// ```
    /// framepool::packet_pool!(static PACKETS: [256; 16]);
    ///
    /// let address = PACKETS.alloc_from(b"frame")?.into_raw()?;
    /// // SAFETY: the address came from this pool, and nothing uses it.
    /// let packet = unsafe { PACKETS.packet_from_raw(address) }?;
    /// assert_eq!(packet.bytes(), b"frame");
    /// // SAFETY: the address is not that of a raw packet any more.
    /// assert!(unsafe { PACKETS.packet_from_raw(address) }.is_err());
    /// # Ok::<(), Box<dyn core::error::Error>>(())
    /// ```
    #[track_caller]
    pub unsafe fn packet_from_raw(&self, data: NonNull<u8>) -> Result<PacketBuf<'_>, FreeError> {
        let addr = data.addr().get();
        let id = match self.find(data.as_ptr()) {
            Some((id, _)) => Ok(id),
            None => Err(FreeErrorKind::ForeignAddress { addr }),
        };
        let id = self.blocks().claim_raw(id)?;
        // SAFETY: the block was converted with its packet, and is claimed.
        Ok(unsafe { PacketBuf::own(self, id.0) })
    }

    /// Frees all packets that devices had: quarantined ones, those of queues that were dropped, and those converted
    /// into addresses. Returns their number. O(number of lines).
    ///
    /// # Safety
    /// No device uses a packet of the pool any more, and no address of one is used. No queue of the pool is in use: all
    /// were dropped or forgotten; so was every [`InFlight`].
    #[cfg_attr(feature = "audit", track_caller)]
    pub unsafe fn reclaim(&self) -> usize {
        let mut freed = 0;
        let capacity = self.capacity() as u32;
        let pools = [(Some(self.blocks()), 0), (self.side_pool(), capacity)];
        for (pool, first) in pools {
            let Some(pool) = pool else { continue };
            for id in 0..pool.capacity() as u32 {
                // SAFETY: below the capacity. Relaxed: `claim_raw` acquires.
                if unsafe { pool.link(id) }.load(Relaxed) != RAW {
                    continue;
                }
                if pool.claim_raw(Ok(BlockId(id))).is_ok() {
                    // SAFETY: the mark stood for a handle of the line, and is claimed.
                    drop(unsafe { PacketBuf::own(self, first + id) });
                    freed += 1;
                }
            }
        }
        // SAFETY: the caller's promise; what is still marked was posted, by queues that are gone.
        freed + unsafe { self.blocks().reclaim_raw() }
    }
}

const _: () = assert!(mem::size_of::<InFlight<'_>>() <= 24);
