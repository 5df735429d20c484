//! A pool of packets.

use core::fmt;
use core::ptr::NonNull;

use crate::packet::buf::PacketBuf;
use crate::packet::burst::PacketBurst;
use crate::packet::line::{Control, Line, Room, refs};
use crate::packet::meta::PacketMeta;
use crate::packet::raw::{Blank, RawBurst};
use crate::pool::block::Block;
use crate::pool::{Census, Pool};

use crate::pool::error::{AllocManyError, CheckError, Exhausted, ResetError, WrongPool};
use crate::pool::id::BlockId;
use crate::pool::stats::Stats;
use crate::sync::{Ordering::*, acquire_fence, section};

/// Packet buffers, allocated and freed in bounded time from any thread, core or interrupt.
///
/// | memory | made by |
/// |---|---|
/// | a static | [`packet_pool!`](crate::packet_pool!) |
/// | the caller's | [`PacketPool::new`], [`PacketPool::from_raw`] |
/// | an allocation | `PacketPool::allocate` (feature `std`) |
/// | a mapping | `PacketPool::map`, `PacketPool::over_mapping` (feature `mmap`) |
///
/// All bytes of all blocks are initialised, from the first on: a packet never shows uninitialised memory. They are not
/// zero: the headroom and tailroom of a packet have bytes of earlier ones.
///
/// Without a [`PacketCache`](super::PacketCache), an allocation or a free is one compare-and-swap on a shared word.
///
/// ```
/// use framepool::packet::{PacketConfig, PacketPool};
///
/// let packets = PacketPool::allocate(PacketConfig::new(2048, 64))?;
/// let mut packet = packets.alloc()?;
/// packet.append_slice(b"payload")?;
/// packet.prepend_slice(b"header ")?;
/// assert_eq!(packet.bytes(), b"header payload");
/// assert_eq!(packets.stats().blocks.in_use, 1);
/// drop(packet);
/// assert_eq!(packets.stats().blocks.in_use, 0);
/// # Ok::<(), Box<dyn core::error::Error>>(())
/// ```
//
// Invariants:
// - `lines` points at one line for each block, followed by one for each block of `side`, valid for the life of the
//   pool. Block `i` of `side` is line `capacity + i`. A line is accessed by the handles that it counts only, or by the
//   owner of the free block. A reservation has the lines of its parent, for blocks that the parent has not.
// - All bytes of the blocks are initialised.
// - `new` lies in a block.
pub struct PacketPool<'m> {
    // Dropped first: its metadata may lie in memory that `blocks` owns.
    side: Option<Pool<'m>>,
    blocks: Pool<'m>,
    lines: NonNull<Line>,
    /// Where a new packet lies.
    new: Room,
}

// SAFETY: lines and bytes are valid in every thread; a line is written by exclusive handles only, and its count is an
// atomic.
unsafe impl Send for PacketPool<'_> {}
// SAFETY: as above; everything that takes `&self` goes through the pools and the handles.
unsafe impl Sync for PacketPool<'_> {}

impl<'m> PacketPool<'m> {
    /// # Safety
    /// The invariants.
    pub(crate) const unsafe fn assemble(
        blocks: Pool<'m>,
        side: Option<Pool<'m>>,
        lines: NonNull<Line>,
        new: Room,
    ) -> Self {
        Self {
            side,
            blocks,
            lines,
            new,
        }
    }

    /// Number of blocks.
    #[inline]
    pub const fn capacity(&self) -> usize {
        self.blocks.capacity()
    }

    /// Bytes in a block.
    #[inline]
    pub const fn block_size(&self) -> usize {
        self.blocks.block_size()
    }

    /// Bytes from one block to the next.
    #[inline]
    pub const fn stride(&self) -> usize {
        self.blocks.stride()
    }

    /// Bytes that every block is aligned to, a power of two.
    #[inline]
    pub const fn block_align(&self) -> usize {
        self.blocks.block_align()
    }

    /// Bytes of headroom in a new packet.
    #[inline]
    pub const fn headroom(&self) -> usize {
        self.new.data.start as usize
    }

    /// Number of side lines.
    pub const fn side(&self) -> usize {
        match &self.side {
            Some(side) => side.capacity(),
            None => 0,
        }
    }

    /// A pointer to the first byte of the first block: the start of a UMEM.
    #[inline]
    pub const fn blocks_ptr(&self) -> NonNull<u8> {
        self.blocks.blocks_ptr()
    }

    /// Bytes from the start of the first block to the end of the last.
    #[inline]
    pub const fn blocks_len(&self) -> usize {
        self.blocks.blocks_len()
    }

    /// The block that contains an address, and the offset of that byte in it. O(1).
    pub fn find(&self, addr: *const u8) -> Option<(BlockId, usize)> {
        self.blocks.place_of(addr.addr())
    }

    /// Returns the number of blocks that are available to a caller without a cache. O(1).
    pub fn available(&self) -> usize {
        self.blocks.available()
    }

    /// Returns the statistics of blocks and side lines. O(1).
    pub fn stats(&self) -> PacketStats {
        PacketStats {
            blocks: self.blocks.stats(),
            side: self.side.as_ref().map(Pool::stats),
        }
    }

    /// Checks that every block and every side line is in exactly one place: see [`Pool::check`]. Packets that
    /// [devices have](Self::lent) count as raw. O(capacity).
    ///
    /// # Errors
    /// As for [`Pool::check`].
    ///
    /// ```
    /// use framepool::packet::{PacketConfig, PacketPool};
    ///
    /// let mut packets = PacketPool::allocate(PacketConfig::new(2048, 64))?;
    /// core::mem::forget(packets.alloc()?);
    /// let census = packets.check()?;
    /// assert_eq!((census.blocks.leaked, census.side.unwrap().leaked), (1, 0));
    /// # Ok::<(), Box<dyn core::error::Error>>(())
    /// ```
    pub fn check(&mut self) -> Result<PacketCensus, CheckError> {
        Ok(PacketCensus {
            blocks: self.blocks.check()?,
            side: self.side.as_mut().map(Pool::check).transpose()?,
        })
    }

    /// Resets the pool to the state of a new one, if no block is in use: see [`Pool::reset`].
    ///
    /// # Errors
    /// [`ResetError`] with the number of blocks and side lines that [devices have](Self::lent). Nothing is changed.
    pub fn reset(&mut self) -> Result<(), ResetError> {
        match self.lent() {
            0 => {}
            outstanding => return Err(ResetError { outstanding }),
        }
        self.blocks.reset()?;
        match &mut self.side {
            Some(side) => side.reset(),
            None => Ok(()),
        }
    }

    /// Touches every page that was never used, so that no later operation takes a first page fault. O(capacity).
    pub fn prefault(&self) {
        self.blocks.prefault();
        if let Some(side) = &self.side {
            side.prefault();
        }
        // The last line may lie on a page of its own.
        let last = self.capacity() - 1;
        for line in (0..last).step_by(4096 / size_of::<Line>()).chain([last]) {
            // SAFETY: the line exists, and its count is an atomic.
            let refs = unsafe { &self.line(line as u32).refs };
            // No change, but a write.
            section(|s| refs.fetch_add(s, 0, Relaxed));
        }
    }

    /// Takes one packet: empty, with the pool's headroom. O(1), one compare-and-swap.
    ///
    /// # Errors
    /// [`Exhausted`] if no block is free. Blocks in workers' caches do not count.
    #[inline]
    #[cfg_attr(feature = "audit", track_caller)]
    pub fn alloc(&self) -> Result<PacketBuf<'_>, Exhausted> {
        let block = self.blocks.alloc()?;
        // SAFETY: the block is disowned, and passes to the packet.
        Ok(unsafe { self.begin(block.disown()) })
    }

    /// Takes one packet with a copy of `bytes` in it. O(their number).
    ///
    /// # Errors
    /// [`FromBytesError`]: no block is free, or the bytes do not fit one after its headroom.
    #[cfg_attr(feature = "audit", track_caller)]
    pub fn alloc_from(&self, bytes: &[u8]) -> Result<PacketBuf<'_>, FromBytesError> {
        let mut packet = self.alloc().map_err(FromBytesError::Exhausted)?;
        packet.append_slice(bytes).map_err(FromBytesError::NoRoom)?;
        Ok(packet)
    }

    /// Frees a packet. Dropping it does the same, but does not check that it belongs to this pool.
    ///
    /// # Errors
    /// [`WrongPool`] with the packet, if it belongs to another pool.
    #[inline]
    #[cfg_attr(feature = "audit", track_caller)]
    pub fn free<'p>(&self, packet: PacketBuf<'p>) -> Result<(), WrongPool<PacketBuf<'p>>> {
        if !packet.is_of(self) {
            self.blocks.count_refusal();
            return Err(WrongPool(packet));
        }
        drop(packet);
        Ok(())
    }

    /// Takes `n` packets, all or none.
    ///
    /// # Errors
    /// [`AllocManyError`]: fewer are free, or `n` is greater than `N`.
    #[cfg_attr(feature = "audit", track_caller)]
    pub fn alloc_burst<const N: usize>(
        &self,
        n: usize,
    ) -> Result<PacketBurst<'_, N>, AllocManyError> {
        let blocks = self.blocks.alloc_burst(n)?;
        Ok(PacketBurst::begin(self, blocks))
    }

    /// Takes up to `n` packets (at most `N`): as many as are free, possibly none.
    #[cfg_attr(feature = "audit", track_caller)]
    pub fn alloc_up_to<const N: usize>(&self, n: usize) -> PacketBurst<'_, N> {
        PacketBurst::begin(self, self.blocks.alloc_up_to(n))
    }

    /// Frees a burst. Dropping it does the same, but does not check that it belongs to this pool.
    ///
    /// # Errors
    /// [`WrongPool`] with the burst, if it belongs to another pool.
    #[cfg_attr(feature = "audit", track_caller)]
    pub fn free_burst<'p, const N: usize>(
        &self,
        burst: PacketBurst<'p, N>,
    ) -> Result<(), WrongPool<PacketBurst<'p, N>>> {
        if !burst.is_of(self) {
            self.blocks.count_refusal();
            return Err(WrongPool(burst));
        }
        drop(burst);
        Ok(())
    }

    /// Takes one block without writing its line: for a driver, which knows the facts at completion. O(1), one
    /// compare-and-swap.
    ///
    /// # Errors
    /// [`Exhausted`] if no block is free.
    #[inline]
    #[cfg_attr(feature = "audit", track_caller)]
    pub fn alloc_blank(&self) -> Result<Blank<'_>, Exhausted> {
        Ok(Blank::new(self, self.blocks.alloc()?))
    }

    /// Takes `n` blocks without writing their lines, all or none. One compare-and-swap.
    ///
    /// # Errors
    /// As for [`alloc_burst`](Self::alloc_burst).
    #[cfg_attr(feature = "audit", track_caller)]
    pub fn alloc_raw_burst<const N: usize>(
        &self,
        n: usize,
    ) -> Result<RawBurst<'_, N>, AllocManyError> {
        Ok(RawBurst::new(self, self.blocks.alloc_burst(n)?))
    }
}

impl<'m> PacketPool<'m> {
    #[inline(always)]
    pub(crate) const fn blocks(&self) -> &Pool<'m> {
        &self.blocks
    }

    #[inline(always)]
    pub(crate) const fn side_pool(&self) -> Option<&Pool<'m>> {
        self.side.as_ref()
    }

    /// The lines: their addresses tell packets of one pool and its reservations from others.
    #[inline(always)]
    pub(crate) const fn lines(&self) -> NonNull<Line> {
        self.lines
    }

    /// Where a new packet lies.
    #[cfg(not(loom))]
    pub(crate) const fn room(&self) -> Room {
        self.new
    }

    /// # Safety
    /// The line exists.
    #[inline(always)]
    pub(crate) unsafe fn line(&self, line: u32) -> &Line {
        // SAFETY: the invariant.
        unsafe { self.lines.add(line as usize).as_ref() }
    }

    /// Begins a packet in a block.
    ///
    /// # Safety
    /// The caller owns the block, and passes it to the packet.
    #[inline(always)]
    pub(crate) unsafe fn begin(&self, id: u32) -> PacketBuf<'_> {
        // SAFETY: with the block its line is the caller's; by the invariant a new packet lies in the block.
        unsafe {
            self.begin_line(id);
            PacketBuf::own(self, id)
        }
    }

    /// # Safety
    /// The caller owns the block.
    #[inline(always)]
    pub(crate) unsafe fn begin_line(&self, id: u32) {
        // SAFETY: as in `begin`.
        unsafe { (self.line(id)).begin(refs::HANDLE, id, self.new, PacketMeta::NEW) }
    }

    /// [`begin_line`](Self::begin_line) for many. Out of line: the indices of a burst then move by vector instructions, not
    /// one by one through registers.
    ///
    /// # Safety
    /// The caller owns the blocks.
    #[inline(never)]
    pub(crate) unsafe fn begin_lines(&self, ids: &[u32]) {
        for &id in ids {
            // SAFETY: the caller's promise.
            unsafe { self.begin_line(id) };
        }
    }

    /// Whether all lines are [sole](Line::is_sole).
    ///
    /// # Safety
    /// The lines exist.
    #[inline(never)]
    pub(crate) unsafe fn are_sole(&self, lines: &[u32]) -> bool {
        let others = lines.iter().fold(0, |others, &line| {
            // SAFETY: the caller's promise.
            let refs = unsafe { &self.line(line).refs };
            others | (refs.load(Relaxed) ^ refs::HANDLE)
        });
        // One fence for the acquires of all: see `is_sole`.
        acquire_fence();
        others == 0
    }

    /// The address that offsets of the line count from.
    #[inline(always)]
    pub(crate) fn base(&self, control: &Control) -> NonNull<u8> {
        if control.is_external() {
            return self.external(control).start;
        }
        // SAFETY: lines name blocks of the pool.
        unsafe { self.blocks.block_start(control.block) }
    }

    /// Ends a handle of a line, and frees what only it held.
    ///
    /// # Safety
    /// The caller has that handle, and gives it up.
    #[cold]
    #[inline(never)]
    pub(crate) unsafe fn release(&self, line: u32) {
        // SAFETY: the handle's line exists, and can be read while the handle is counted.
        let (own, control) = unsafe { (self.line(line), self.line(line).control()) };
        let before = section(|s| own.remove(s, refs::HANDLE));
        if before & refs::HANDLES == refs::HANDLE {
            // SAFETY: it was the last one.
            unsafe { self.ended(line, before, &control) };
        }
    }

    /// Frees what only the last handle of a line held. `before` is the line's word before that handle ended, and
    /// `control` its other one.
    ///
    /// # Safety
    /// The handle was the caller's, and has ended.
    pub(crate) unsafe fn ended(&self, line: u32, before: u32, control: &Control) {
        let block = control.index();
        let left = if before & refs::SIDE == 0 {
            before & refs::PARTS
        } else {
            self.free_side(line);
            // SAFETY: the block is in use: its line counts this side line.
            let own = unsafe { self.line(block) };
            let before = section(|s| own.remove(s, refs::PART));
            before.wrapping_sub(refs::PART) & refs::COUNTS
        };
        if left == 0 {
            // SAFETY: nobody has a line of the block any more.
            unsafe { self.end(control) };
        }
    }

    /// Frees a side line.
    fn free_side(&self, line: u32) {
        if let Some(side) = &self.side {
            // SAFETY: the caller's line is a block of `side` that no handle has any more.
            drop(unsafe { Block::own(side, line.wrapping_sub(self.capacity() as u32)) });
        }
    }

    /// Frees a block.
    ///
    /// # Safety
    /// The caller owns it: no line of it has a handle.
    unsafe fn end(&self, control: &Control) {
        // SAFETY: the caller's promise.
        unsafe {
            if control.is_external() {
                self.end_external(control);
            } else {
                drop(Block::own(&self.blocks, control.block));
            }
        }
    }
}

describe!(PacketPool<'_> as PacketPool { block_size, stride, capacity, headroom, stats });

#[cfg(feature = "std")]
impl PacketPool<'_> {
    /// Called at most once for a pool.
    pub(crate) fn own(&mut self, owner: crate::pool::owner::Owner) {
        self.blocks.own(owner);
    }
}

/// Where the blocks and side lines of a packet pool are: see [`PacketPool::check`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
#[non_exhaustive]
pub struct PacketCensus {
    /// The blocks.
    pub blocks: Census,
    /// The side lines, if there are some.
    pub side: Option<Census>,
}

/// Statistics of a packet pool.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
#[non_exhaustive]
pub struct PacketStats {
    /// The blocks.
    pub blocks: Stats,
    /// The side lines, if there are some.
    pub side: Option<Stats>,
}

impl fmt::Display for PacketStats {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.blocks)?;
        match &self.side {
            Some(side) => write!(f, "; side lines: {side}"),
            None => Ok(()),
        }
    }
}

/// No packet was made of bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
#[non_exhaustive]
pub enum FromBytesError {
    /// No block is free.
    Exhausted(Exhausted),
    /// The bytes do not fit a block.
    NoRoom(crate::packet::error::NoRoom),
}

impl fmt::Display for FromBytesError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Exhausted(error) => error.fmt(f),
            Self::NoRoom(error) => error.fmt(f),
        }
    }
}

impl core::error::Error for FromBytesError {}

#[cfg(loom)]
impl Drop for PacketPool<'_> {
    fn drop(&mut self) {
        let lines = self.capacity() + self.side();
        let lines = core::ptr::slice_from_raw_parts_mut(self.lines.as_ptr(), lines);
        // SAFETY: made from a box by `build_in`, and freed here only.
        drop(unsafe { std::boxed::Box::from_raw(lines) });
    }
}
