//! Queues of a device: the packets that it has, by their offsets.

use core::mem;
use core::ops::Range;
use core::ptr::NonNull;

use super::{CacheMaintenance, Coherent, DmaError, whole_lines};
use crate::packet::buf::PacketBuf;
use crate::packet::burst::PacketBurst;
use crate::packet::error::Refused;
use crate::packet::meta::{PacketFlags, PacketMeta};
use crate::packet::pool::PacketPool;
use crate::packet::raw::{Blank, RawBurst};
use crate::pool::block::Block;
use crate::pool::error::WrongPool;
use crate::pool::posted::Posted;
use crate::sync;

/// The table of a queue, and the maintenance of its blocks.
struct Table<'p, M> {
    packets: &'p PacketPool<'p>,
    /// Invariant: its blocks are of `packets`, and no line of them has another handle.
    posted: Posted<'p>,
    cache: M,
    stats: QueueStats,
}

impl<'p, M: CacheMaintenance> Table<'p, M> {
    /// # Safety
    /// As for [`Posted::new`].
    unsafe fn new(packets: &'p PacketPool<'p>, cache: M) -> Result<Self, DmaError> {
        if !cache.reaches(packets.blocks_ptr(), packets.blocks_len()) {
            return Err(DmaError::OutOfReach);
        }
        // SAFETY: the caller's promise.
        let posted = unsafe { Posted::new(packets.blocks()) };
        Ok(Self {
            packets,
            posted: posted.map_err(|e| DmaError::TooManyQueues {
                max: e.max as usize,
            })?,
            cache,
            stats: QueueStats::default(),
        })
    }

    /// Makes what was written visible to the device, before it is told.
    #[inline(always)]
    fn publish(&self) {
        self.cache.barrier();
        // Release: nothing of the blocks' last owners comes after the write that tells the device.
        sync::release_fence();
    }

    /// Counts a handle of another pool.
    fn count_refusal(&self) {
        self.packets.blocks().count_refusal();
    }

    /// Marks a block as posted, and returns its offset.
    #[inline(always)]
    #[cfg_attr(feature = "audit", track_caller)]
    fn post(&mut self, block: Block<'p>) -> usize {
        let offset = block.offset();
        // Succeeds: the block is of this pool.
        let _ = self.posted.post(block);
        self.stats.posted += 1;
        offset
    }
}

/// What a queue has counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
#[non_exhaustive]
pub struct QueueStats {
    /// Packets posted.
    pub posted: u64,
    /// Packets completed.
    pub completed: u64,
    /// Completions of what was not posted, of no bytes, or of more bytes than a block has after the offset.
    pub faults: u64,
}

/// A descriptor that a device reads: offset in bytes from the pool's first block, and length.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct Descriptor {
    /// Bytes from the pool's first block to the data.
    pub offset: usize,
    /// Bytes of data.
    pub len: usize,
}

/// A completion is wrong. It is counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
#[non_exhaustive]
pub enum CompletionFault {
    /// No posted block is at this offset.
    NotPosted {
        /// The offset.
        offset: usize,
    },
    /// The device wrote no bytes.
    Empty,
    /// The device claims more bytes than the block has from the offset on.
    TooLong {
        /// Bytes that the device claims.
        len: usize,
        /// Bytes of the block from the offset on.
        room: usize,
    },
}

impl core::fmt::Display for CompletionFault {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        match self {
            Self::NotPosted { offset } => write!(f, "no posted block at offset {offset}"),
            Self::Empty => write!(f, "the device wrote no bytes"),
            Self::TooLong { len, room } => {
                write!(f, "{len} bytes claimed, the block has {room}")
            }
        }
    }
}

impl core::error::Error for CompletionFault {}

/// A receive queue: blanks that the device has, and packets that it returns.
///
/// Built on [`Posted`](crate::Posted): no atomic instruction but one in 32 calls. The line of a packet is written once, at
/// completion. Dropping the queue leaves its blocks with the device; [`stopped`](Self::stopped) frees them, or
/// [`PacketPool::reclaim`] if the queue is gone.
///
/// ```
/// use framepool::packet::{Coherent, PacketBurst, PacketMeta, RxQueue};
///
/// framepool::packet_pool!(static RX: [2048; 64]);
///
/// // SAFETY: the device of this example is a variable. It touches no memory.
/// let mut queue = unsafe { RxQueue::new(&RX, Coherent) }?;
/// let offset = queue.post(RX.alloc_blank()?)?;
/// // The device writes 60 bytes after its headroom, and returns their address.
/// let packet = queue.complete(offset + 256, 60, PacketMeta::default())?;
/// assert_eq!((packet.len(), packet.headroom()), (60, 256));
/// assert!(queue.complete(offset, 60, PacketMeta::default()).is_err(), "it was not posted again");
/// # Ok::<(), Box<dyn core::error::Error>>(())
/// ```
#[must_use = "posted blocks stay with the device when their queue is dropped"]
pub struct RxQueue<'p, M: CacheMaintenance = Coherent> {
    table: Table<'p, M>,
}

impl<'p, M: CacheMaintenance> RxQueue<'p, M> {
    /// An empty queue. O(1).
    ///
    /// # Errors
    /// [`DmaError`]: blocks may share a line of the data cache, the device does not reach the memory, or the pool has as
    /// many queues as it can have (64; 32 on 32-bit targets).
    ///
    /// # Safety
    /// The device that gets the offsets touches no block of the pool except those posted. Completions are passed on only
    /// after the device has returned the block: from then on, it does not touch it. The pool's memory outlives the
    /// device's use of it.
    pub unsafe fn new(packets: &'p PacketPool<'p>, cache: M) -> Result<Self, DmaError> {
        // A block is discarded whole: it must not share a line with the next one.
        whole_lines::<M>(packets.blocks_ptr().addr().get(), packets.stride())?;
        // The bytes after a block's last whole line, up to the next block, belong to nobody.
        // SAFETY: the caller's promise.
        let table = unsafe { Table::new(packets, cache) }?;
        Ok(Self { table })
    }

    /// The bytes of a block, up to the end of its last line.
    #[inline(always)]
    fn lines_of(&self, offset: usize) -> (NonNull<u8>, usize) {
        let packets = self.table.packets;
        let len = packets.block_size().next_multiple_of(M::GRANULE.max(1));
        // SAFETY: the offset is that of a block.
        (unsafe { packets.blocks_ptr().add(offset) }, len)
    }

    #[inline(always)]
    fn discard(&self, offset: usize) {
        let (start, len) = self.lines_of(offset);
        self.table.cache.invalidate(start, len);
    }

    /// Lends a block to the device. Returns its offset in bytes from the pool's first block. The descriptor must be
    /// written after this. O(1), and the maintenance of the block.
    ///
    /// # Errors
    /// [`WrongPool`] with the block, if it is of another pool: counted as a refusal of this one.
    #[inline]
    #[cfg_attr(feature = "audit", track_caller)]
    pub fn post(&mut self, blank: Blank<'p>) -> Result<usize, WrongPool<Blank<'p>>> {
        if !blank.is_of(self.table.packets) {
            self.table.count_refusal();
            return Err(WrongPool(blank));
        }
        self.discard(blank.offset());
        let offset = self.table.post(blank.into_block());
        self.table.publish();
        Ok(offset)
    }

    /// Lends all blocks of a burst to the device, which is left empty. Calls `write` with each offset, after the
    /// maintenance of all blocks and one fence. O(number of blocks).
    ///
    /// # Errors
    /// [`WrongPool`] if the burst is of another pool; it keeps its blocks. Counted as a refusal.
    #[inline]
    #[cfg_attr(feature = "audit", track_caller)]
    pub fn post_burst<const N: usize>(
        &mut self,
        burst: &mut RawBurst<'p, N>,
        mut write: impl FnMut(usize),
    ) -> Result<(), WrongPool<()>> {
        if !core::ptr::eq(burst.pool(), self.table.packets) {
            self.table.count_refusal();
            return Err(WrongPool(()));
        }
        for i in 0..burst.len() {
            if let Some(offset) = burst.offset(i) {
                self.discard(offset);
            }
        }
        self.table.publish();
        while let Some(blank) = burst.pop() {
            write(self.table.post(blank.into_block()));
        }
        Ok(())
    }

    /// Takes a block back, in which the device wrote `len` bytes at `offset` from the pool's first block. Writes its line.
    /// O(1), and the maintenance of the block.
    ///
    /// # Errors
    /// [`Refused`] with the block, if there is one, to be posted again: no posted block is at the offset, `len` is 0, or more
    /// than the block has. Counted in [`stats`](Self::stats).
    #[inline]
    #[cfg_attr(feature = "audit", track_caller)]
    pub fn complete(
        &mut self,
        offset: usize,
        len: usize,
        meta: PacketMeta,
    ) -> Result<PacketBuf<'p>, Refused<Option<Blank<'p>>, CompletionFault>> {
        // Acquire: what the device wrote before it returned the block comes before what is read from here on.
        sync::acquire_fence();
        let Some((block, at)) = self.table.posted.take(offset) else {
            return Err(self.fault(None, CompletionFault::NotPosted { offset }));
        };
        let blank = Blank::new(self.table.packets, block);
        self.discard(blank.offset());
        self.table.cache.barrier();
        let room = self.table.packets.block_size() - at;
        let data = match len {
            0 => return Err(self.fault(Some(blank), CompletionFault::Empty)),
            len if len > room => {
                return Err(self.fault(Some(blank), CompletionFault::TooLong { len, room }));
            }
            len => at..at + len,
        };
        self.receive(blank, data, meta)
    }

    #[inline(always)]
    fn receive(
        &mut self,
        blank: Blank<'p>,
        data: Range<usize>,
        meta: PacketMeta,
    ) -> Result<PacketBuf<'p>, Refused<Option<Blank<'p>>, CompletionFault>> {
        match blank.receive(data, meta) {
            Ok(packet) => {
                self.table.stats.completed += 1;
                Ok(packet)
            }
            Err(refused) => Err(self.fault(Some(refused.into_inner()), CompletionFault::Empty)),
        }
    }

    #[cold]
    fn fault(
        &mut self,
        blank: Option<Blank<'p>>,
        reason: CompletionFault,
    ) -> Refused<Option<Blank<'p>>, CompletionFault> {
        self.table.stats.faults += 1;
        Refused::new(blank, reason)
    }

    /// Completes packets until `descriptors` ends or the burst is full. Blocks of wrong completions are freed, and
    /// counted. Returns the number of descriptors that were read: 0 if the burst is of another pool, which is counted as a
    /// refusal.
    ///
    /// ```
    /// use framepool::packet::{Coherent, PacketBurst, PacketMeta, RxQueue};
    ///
    /// framepool::packet_pool!(static RX: [2048; 64]);
    ///
    /// // SAFETY: the device of this example is a variable. It touches no memory.
    /// let mut queue = unsafe { RxQueue::new(&RX, Coherent) }?;
    /// let mut ring = Vec::new();
    /// queue.post_burst(&mut RX.alloc_raw_burst::<32>(32)?, |offset| ring.push(offset)).unwrap();
    /// let mut received: PacketBurst<'_, 32> = PacketBurst::new(&RX);
    /// let returned = ring.iter().map(|&offset| (offset + 256, 60, PacketMeta::default()));
    /// assert_eq!(queue.complete_burst(returned, &mut received), 32);
    /// assert_eq!((received.len(), queue.len()), (32, 0));
    /// # Ok::<(), Box<dyn core::error::Error>>(())
    /// ```
    #[inline]
    #[cfg_attr(feature = "audit", track_caller)]
    pub fn complete_burst<const N: usize>(
        &mut self,
        descriptors: impl IntoIterator<Item = (usize, usize, PacketMeta)>,
        into: &mut PacketBurst<'p, N>,
    ) -> usize {
        if !into.is_of(self.table.packets) {
            self.table.count_refusal();
            return 0;
        }
        let mut read = 0;
        let mut descriptors = descriptors.into_iter();
        while into.len() < N {
            let Some((offset, len, meta)) = descriptors.next() else {
                break;
            };
            read += 1;
            if let Ok(packet) = self.complete(offset, len, meta) {
                // Succeeds: the burst is of this pool, and not full.
                let _ = into.push(packet);
            }
        }
        read
    }

    /// Frees all posted blocks. Returns their number. O(capacity).
    ///
    /// # Safety
    /// The device does not touch any block any more: its queue is closed, or it was reset.
    #[cfg_attr(feature = "audit", track_caller)]
    pub unsafe fn stopped(self) -> usize {
        // SAFETY: the caller's promise.
        unsafe { self.table.posted.stopped() }
    }
}

/// A transmit queue: packets that the device has, and returns when they are sent.
///
/// As [`RxQueue`], built on [`Posted`](crate::Posted). The lines of the packets stay as they are: facts come back with the
/// packet.
///
/// ```
/// use framepool::packet::{Coherent, PacketFlags, TxQueue};
///
/// framepool::packet_pool!(static TX: [2048; 64]);
///
/// // SAFETY: the device of this example is a variable. It touches no memory.
/// let mut queue = unsafe { TxQueue::new(&TX, Coherent) }?;
/// let mut packet = TX.alloc_from(b"frame")?;
/// packet.meta_mut().flags |= PacketFlags::SEND_TIMESTAMP;
/// let descriptor = queue.post(packet)?;
/// assert_eq!(descriptor.len, 5);
/// // The device returns the address, and the time at which it sent the packet.
/// let packet = queue.complete_at(descriptor.offset, 12_345).unwrap();
/// assert!(packet.meta().flags.contains(PacketFlags::TIMESTAMP));
/// assert_eq!(packet.meta().timestamp, 12_345);
/// # Ok::<(), Box<dyn core::error::Error>>(())
/// ```
#[must_use = "posted packets stay with the device when their queue is dropped"]
pub struct TxQueue<'p, M: CacheMaintenance = Coherent> {
    table: Table<'p, M>,
}

impl<'p, M: CacheMaintenance> TxQueue<'p, M> {
    /// An empty queue. O(1).
    ///
    /// # Errors
    /// [`DmaError`]: the device does not reach the memory, or the pool has as many queues as it can have.
    ///
    /// # Safety
    /// As for [`RxQueue::new`].
    pub unsafe fn new(packets: &'p PacketPool<'p>, cache: M) -> Result<Self, DmaError> {
        // SAFETY: the caller's promise.
        let table = unsafe { Table::new(packets, cache) }?;
        Ok(Self { table })
    }

    /// Lends a packet to the device: writes its bytes back from the data cache, then makes a release fence. The
    /// descriptor must be written after this. O(1), and the maintenance of the bytes.
    ///
    /// # Errors
    /// [`Refused`] with the packet: it belongs to another pool (counted as a refusal), or does not have its block to
    /// itself, so that an offset does not name it. Such packets can be [lent](PacketBuf::lend) one by one, or copied.
    #[inline]
    #[cfg_attr(feature = "audit", track_caller)]
    pub fn post(
        &mut self,
        packet: PacketBuf<'p>,
    ) -> Result<Descriptor, Refused<PacketBuf<'p>, DmaError>> {
        if !packet.is_of(self.table.packets) {
            self.table.count_refusal();
            return Err(Refused::new(packet, DmaError::WrongPool));
        }
        if packet.sole_block().is_none() {
            return Err(Refused::new(packet, DmaError::NotWhole));
        }
        self.clean(packet.bytes());
        self.table.publish();
        // SAFETY: just checked.
        Ok(unsafe { self.lend(packet) })
    }

    /// Lends all packets of a burst to the device, which is left empty. Calls `write` with the descriptor of each, from the
    /// first to the last, after the maintenance of all packets and one fence. O(number of packets).
    ///
    /// # Errors
    /// [`DmaError`], as for [`post`](Self::post): the burst keeps its packets.
    ///
    /// ```
    /// use framepool::packet::{Coherent, PacketBurst, TxQueue};
    ///
    /// framepool::packet_pool!(static TX: [2048; 64]);
    ///
    /// // SAFETY: the device of this example is a variable. It touches no memory.
    /// let mut queue = unsafe { TxQueue::new(&TX, Coherent) }?;
    /// let mut burst = TX.alloc_burst::<32>(8)?;
    /// let mut ring = Vec::new();
    /// queue.post_burst(&mut burst, |descriptor| ring.push(descriptor))?;
    /// assert_eq!((burst.len(), queue.len(), ring.len()), (0, 8, 8));
    /// # Ok::<(), Box<dyn core::error::Error>>(())
    /// ```
    #[inline]
    #[cfg_attr(feature = "audit", track_caller)]
    pub fn post_burst<const N: usize>(
        &mut self,
        burst: &mut PacketBurst<'p, N>,
        mut write: impl FnMut(Descriptor),
    ) -> Result<(), DmaError> {
        if !burst.is_of(self.table.packets) {
            self.table.count_refusal();
            return Err(DmaError::WrongPool);
        }
        if !burst.is_plain() {
            return Err(DmaError::NotWhole);
        }
        for packet in burst.iter() {
            self.clean(packet.bytes());
        }
        self.table.publish();
        for packet in mem::replace(burst, PacketBurst::new(self.table.packets)) {
            // SAFETY: just checked, for all packets.
            write(unsafe { self.lend(packet) });
        }
        Ok(())
    }

    /// Writes the bytes of a packet back from the data cache.
    #[inline(always)]
    fn clean(&self, bytes: &[u8]) {
        self.table
            .cache
            .clean(NonNull::from(bytes).cast(), bytes.len());
    }

    /// Marks a packet's block as posted.
    ///
    /// # Safety
    /// The packet is of the queue's pool, and has its block to itself.
    #[inline(always)]
    #[cfg_attr(feature = "audit", track_caller)]
    unsafe fn lend(&mut self, packet: PacketBuf<'p>) -> Descriptor {
        let packets = self.table.packets;
        let data = packet.segment().control().room.data;
        // An empty packet at the end of its block must not name the next one.
        let start = (data.start as usize).min(packets.block_size() - 1);
        // SAFETY: the packet had its block to itself, and has ended.
        let block = unsafe { Block::own(packets.blocks(), packet.disown()) };
        Descriptor {
            offset: self.table.post(block) + start,
            len: data.len(),
        }
    }

    /// Takes back the packet that contains the byte at `offset`. `None` if none of the queue is there: counted. O(1).
    #[inline]
    #[cfg_attr(feature = "audit", track_caller)]
    pub fn complete(&mut self, offset: usize) -> Option<PacketBuf<'p>> {
        // Acquire: the device's last reads come before what the program writes.
        sync::acquire_fence();
        let Some((block, _)) = self.table.posted.take(offset) else {
            self.table.stats.faults += 1;
            return None;
        };
        self.table.stats.completed += 1;
        // SAFETY: only packets are posted, whose lines stay as they are.
        Some(unsafe { PacketBuf::own(self.table.packets, block.disown()) })
    }

    /// [`complete`](Self::complete), and the time of sending: written to the facts, with
    /// [`PacketFlags::TIMESTAMP`] set, if the packet has [`PacketFlags::SEND_TIMESTAMP`].
    #[inline]
    pub fn complete_at(&mut self, offset: usize, timestamp: u64) -> Option<PacketBuf<'p>> {
        let mut packet = self.complete(offset)?;
        let meta = packet.meta_mut();
        if meta.flags.contains(PacketFlags::SEND_TIMESTAMP) {
            meta.timestamp = timestamp;
            meta.flags |= PacketFlags::TIMESTAMP;
        }
        Some(packet)
    }

    /// Completes packets until `offsets` ends or the burst is full. Returns the number of offsets that were read:
    /// 0 if the burst is of another pool, which is counted as a refusal.
    #[inline]
    pub fn complete_burst<const N: usize>(
        &mut self,
        offsets: impl IntoIterator<Item = usize>,
        into: &mut PacketBurst<'p, N>,
    ) -> usize {
        if !into.is_of(self.table.packets) {
            self.table.count_refusal();
            return 0;
        }
        let mut read = 0;
        let mut offsets = offsets.into_iter();
        while into.len() < N {
            let Some(offset) = offsets.next() else { break };
            read += 1;
            if let Some(packet) = self.complete(offset) {
                // Succeeds: the burst is of this pool, and not full.
                let _ = into.push(packet);
            }
        }
        read
    }

    /// Frees all posted packets. Returns their number. O(capacity).
    ///
    /// # Safety
    /// The device does not touch any packet any more.
    #[cfg_attr(feature = "audit", track_caller)]
    pub unsafe fn stopped(self) -> usize {
        // SAFETY: the caller's promise.
        unsafe { self.table.posted.stopped() }
    }
}

macro_rules! both {
    ($($queue:ident)*) => { $(
        impl<'p, M: CacheMaintenance> $queue<'p, M> {
            /// Returns the number of posted packets.
            #[inline]
            pub fn len(&self) -> usize {
                self.table.posted.len()
            }

            /// Whether the device has no packet.
            #[inline]
            pub fn is_empty(&self) -> bool {
                self.table.posted.is_empty()
            }

            /// The pool of the packets.
            pub fn pool(&self) -> &'p PacketPool<'p> {
                self.table.packets
            }

            /// Returns the counts of this queue. Exact.
            pub fn stats(&self) -> QueueStats {
                self.table.stats
            }
        }

        describe!(impl[M: CacheMaintenance] $queue<'_, M> as $queue { len, stats });
    )* };
}

both!(RxQueue TxQueue);
