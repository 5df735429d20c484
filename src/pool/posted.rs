//! Blocks lent to a device.
//!
//! A posted block is marked in its link, as a raw block is, with a mark of its own for each table. The table is
//! one thread's (`&mut self`), so that no mark needs a compare-and-swap.

use core::fmt;

use crate::pool::Pool;
use crate::pool::audit::AuditKind;
use crate::pool::block::Block;
use crate::pool::error::WrongPool;
use crate::pool::frame::Frame;
use crate::pool::id::BlockId;
use crate::pool::meta::{MAX_DEVICES, is_mark, posted_mark};
use crate::sync::{self, Ordering::*, Word};

/// Blocks counted as raw at once, so that not every block changes a word that all threads share.
const STEP: usize = 32;

/// The blocks of a pool that a device has: one receive or transmit queue of a driver.
///
/// [`post`](Self::post) takes a block and returns its offset, which a descriptor carries.
/// [`take`](Self::take) turns an offset that the device returned back into the block. Both are O(1) without
/// an atomic instruction; one of 32 calls changes a shared counter.
///
/// While a block is posted, the pool counts it as [raw](Pool::raw_out), so [`Pool::reset`] refuses. The
/// count may be up to 63 too high while the table is alive. Dropping the table does not free posted blocks,
/// because the device may still write to them. [`stopped`](Self::stopped) frees them, or later
/// [`Pool::reclaim_raw`].
///
/// ```
/// use framepool::Posted;
///
/// framepool::pool!(static UMEM: [2048; 64]);
///
/// // SAFETY: the device of this example is a variable. It touches no memory.
/// let mut rx = unsafe { Posted::new(&UMEM) }?;
/// let descriptor = rx.post(UMEM.alloc()?)?;
/// // The device writes a frame after its headroom, and returns that address.
/// let (block, at) = rx.take(descriptor + 256).unwrap();
/// assert_eq!((block.offset(), at), (descriptor, 256));
/// assert!(rx.take(descriptor + 256).is_none(), "taken twice");
/// # Ok::<(), Box<dyn core::error::Error>>(())
/// ```
#[must_use = "posted blocks stay with the device when their table is dropped"]
pub struct Posted<'p> {
    pool: &'p Pool<'p>,
    /// Invariant: no other living table of the pool has this number; links with its mark are of blocks that
    /// this table owns.
    number: u32,
    /// The number of links with the mark.
    len: usize,
    /// Blocks that the pool counts as raw for this table. Invariant: at least `len`.
    counted: usize,
    /// The binary logarithm of the stride, if it is a power of two: a shift instead of a division.
    shift: Option<u32>,
}

impl<'p> Posted<'p> {
    /// An empty table. O(1).
    ///
    /// # Errors
    /// [`TooManyDevices`] if the pool has as many tables already: 64 on 64-bit targets, 32 on 32-bit ones.
    /// A table that is dropped with blocks in it keeps its number until [`Pool::reclaim_raw`].
    ///
    /// # Safety
    /// The device that the offsets are given to touches no block of the pool but those that are posted, and
    /// [`take`](Self::take) is called only with offsets that the device has returned, so that it does not
    /// touch the block any more. The pool's memory outlives the device's use of it.
    pub unsafe fn new(pool: &'p Pool<'p>) -> Result<Self, TooManyDevices> {
        let devices = &pool.header().cold.devices;
        let number = sync::section(|s| {
            let mut seen = devices.load(Relaxed);
            loop {
                let number = seen.trailing_ones();
                if number >= MAX_DEVICES {
                    return None;
                }
                // Acquire: pairs with the release in `Drop`, so that the marks of the table before are gone.
                let now = seen | 1 << number;
                match devices.compare_exchange_weak(s, seen, now, Acquire, Relaxed) {
                    Ok(_) => return Some(number),
                    Err(now) => seen = now,
                }
            }
        });
        let stride = pool.stride();
        Ok(Self {
            pool,
            number: number.ok_or(TooManyDevices { max: MAX_DEVICES })?,
            len: 0,
            counted: 0,
            shift: stride.is_power_of_two().then(|| stride.trailing_zeros()),
        })
    }

    /// Lends a block to the device. Returns its offset in bytes from the pool's first block.
    ///
    /// # Errors
    /// [`WrongPool`] with the block in it, if it is of another pool.
    #[inline]
    #[cfg_attr(feature = "audit", track_caller)]
    pub fn post(&mut self, block: Block<'p>) -> Result<usize, WrongPool<Block<'p>>> {
        if !block.is_of(self.pool) {
            self.pool.count_refusal();
            return Err(WrongPool(block));
        }
        Ok(self.lend(block))
    }

    /// Lends a frame's block to the device. Returns the offset of the frame's first byte.
    ///
    /// # Errors
    /// [`WrongPool`] with the frame in it, if it is of another pool.
    #[inline]
    #[cfg_attr(feature = "audit", track_caller)]
    pub fn post_frame(&mut self, frame: Frame<'p>) -> Result<usize, WrongPool<Frame<'p>>> {
        if !core::ptr::eq(frame.pool(), self.pool) {
            self.pool.count_refusal();
            return Err(WrongPool(frame));
        }
        let start = frame.range().start;
        Ok(self.lend(frame.into_block()) + start)
    }

    /// Marks a block of this pool, and returns its offset.
    #[inline(always)]
    #[cfg_attr(feature = "audit", track_caller)]
    fn lend(&mut self, block: Block<'p>) -> usize {
        let offset = block.offset();
        self.len += 1;
        if self.len > self.counted {
            self.count(self.counted + STEP);
        }
        let id = block.disown();
        self.pool.note(id, AuditKind::IntoRaw);
        // SAFETY: the handle owned the block, so its index is in range; the link is the owner's to write.
        unsafe { self.pool.link(id) }.store(posted_mark(self.number), Relaxed);
        offset
    }

    /// Takes the block at an offset back. Returns it and the distance from the block's start, in bytes:
    /// the device may return an address after a headroom. `None` if no posted block is there.
    #[inline]
    #[cfg_attr(feature = "audit", track_caller)]
    pub fn take(&mut self, offset: usize) -> Option<(Block<'p>, usize)> {
        let (id, at) = self.place(offset)?;
        // SAFETY: `place` returns indices below the capacity.
        let link = unsafe { self.pool.link(id.0) };
        if link.load(Relaxed) != posted_mark(self.number) {
            return None;
        }
        link.store(0, Relaxed);
        self.len -= 1;
        if self.counted - self.len >= 2 * STEP {
            self.count(self.counted - STEP);
        }
        self.pool.note(id.0, AuditKind::FromRaw);
        // SAFETY: by the invariant the table owned the block; the caller's promise to `new` says that the
        // device does not use it any more.
        Some((unsafe { Block::own(self.pool, id.0) }, at))
    }

    #[inline(always)]
    fn place(&self, offset: usize) -> Option<(BlockId, usize)> {
        let Some(shift) = self.shift else {
            let id = self.pool.id_at_offset(offset)?;
            return Some((id, offset - id.index() * self.pool.stride()));
        };
        let (id, at) = (offset >> shift, offset & (self.pool.stride() - 1));
        let is_inside = id < self.pool.capacity() && at < self.pool.block_size();
        is_inside.then_some((BlockId(id as u32), at))
    }

    /// Returns the number of posted blocks.
    #[inline]
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether no block is posted.
    #[inline]
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// The pool of the blocks.
    pub fn pool(&self) -> &'p Pool<'p> {
        self.pool
    }

    /// Frees all posted blocks. Returns their number. O(capacity).
    ///
    /// # Safety
    /// The device does not touch any block any more: its queue is closed, or it was reset.
    pub unsafe fn stopped(mut self) -> usize {
        let (number, all) = (self.number, self.len);
        // SAFETY: the blocks are this table's, and by the caller's promise no device's.
        let freed = unsafe { self.pool.free_marked(|link| link == posted_mark(number)) };
        debug_assert_eq!(freed, all);
        self.len = 0;
        freed
    }

    /// Has the pool count `blocks` for this table.
    #[cold]
    fn count(&mut self, blocks: usize) {
        let more = (blocks as Word).wrapping_sub(self.counted as Word);
        let raw = &self.pool.header().cold.raw;
        sync::section(|s| raw.fetch_add(s, more, Relaxed));
        self.counted = blocks;
    }
}

impl Drop for Posted<'_> {
    /// Leaves posted blocks with the device.
    fn drop(&mut self) {
        self.count(self.len);
        if self.len == 0 {
            let devices = &self.pool.header().cold.devices;
            let bit = 1 << self.number;
            // Release: pairs with the acquire in `new`. The bit is set: this table has the number.
            sync::section(|s| devices.fetch_add(s, Word::MAX.wrapping_mul(bit), Release));
        }
    }
}

describe!(Posted<'_> as Posted { len });

impl Pool<'_> {
    /// Frees all raw blocks, and those that dropped [`Posted`] tables left with a device. Returns their
    /// number. O(capacity). For the end of a device's life: what it had comes home.
    ///
    /// # Safety
    /// No raw block of the pool is used any more, by no device, no other process and no pointer; none of
    /// them is returned later; and no [`Posted`] of the pool is alive.
    ///
    /// ```
    /// framepool::pool!(static UMEM: [2048; 8]);
    ///
    /// let lost = [UMEM.alloc()?.into_id(), UMEM.alloc()?.into_id()];
    /// assert_eq!(UMEM.raw_out(), 2);
    /// // SAFETY: these two names are used no more.
    /// assert_eq!(unsafe { UMEM.reclaim_raw() }, lost.len());
    /// assert_eq!((UMEM.raw_out(), UMEM.stats().in_use), (0, 0));
    /// # Ok::<(), framepool::Exhausted>(())
    /// ```
    pub unsafe fn reclaim_raw(&self) -> usize {
        // SAFETY: the caller's promise.
        let freed = unsafe { self.free_marked(is_mark) };
        let cold = &self.header().cold;
        sync::section(|s| {
            cold.raw
                .fetch_add(s, (freed as Word).wrapping_neg(), Relaxed)
        });
        cold.devices.store(0, Release);
        freed
    }

    /// Frees the blocks whose links `which` picks, all of them marks. Returns their number.
    ///
    /// # Safety
    /// The caller owns these blocks, and no other thread changes their links.
    unsafe fn free_marked(&self, which: impl Fn(u32) -> bool) -> usize {
        let mut freed = 0;
        let mut ids = [0; 64];
        let mut n = 0;
        for id in 0..self.depot.capacity() {
            // SAFETY: below the capacity.
            let link = unsafe { self.link(id) };
            // Acquire: pairs with the release of a block's owner that made it raw.
            if !which(link.load(Acquire)) {
                continue;
            }
            link.store(0, Relaxed);
            self.note(id, AuditKind::FreedRaw);
            if let Some(place) = ids.get_mut(n) {
                *place = id;
                n += 1;
            }
            if n == ids.len() {
                // SAFETY: the caller's promise; each index comes once.
                unsafe { self.give_many(&ids) };
                freed += n;
                n = 0;
            }
        }
        // SAFETY: as above.
        unsafe { self.give_many(ids.get(..n).unwrap_or_default()) };
        freed + n
    }
}

/// A pool has no number left for another [`Posted`] table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct TooManyDevices {
    /// The maximum number of tables of a pool.
    pub max: u32,
}

impl fmt::Display for TooManyDevices {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "the pool has {} tables of posted blocks already",
            self.max
        )
    }
}

impl core::error::Error for TooManyDevices {}
