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

/// A table of the blocks that a device has: one receive or transmit queue of a driver.
///
/// [`post`](Self::post) takes a block and returns its offset, which a descriptor carries.
/// [`take`](Self::take) turns an offset that the device returned back into the block. Both are O(1) without
/// an atomic instruction; one of 32 calls changes a shared counter.
///
/// While a block is posted, the pool counts it as [raw](Pool::raw_out), so [`Pool::reset`] refuses. The
/// count may be up to 63 too high while the table is alive. Dropping the table does not free posted blocks,
/// because the device may still write to them. When it has stopped, [`stopped`](Self::stopped) frees them, or
/// [`Pool::reclaim_raw`] if the table is gone.
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
    /// The binary logarithm of the stride, if it is a power of two: a shift instead of a division, which some targets do in software.
    shift: Option<u32>,
}

impl<'p> Posted<'p> {
    /// An empty table. O(1).
    ///
    /// # Errors
    /// [`TooManyDevices`] if the pool has 64 tables already (32 on 32-bit targets).
    /// A table that is dropped with blocks in it keeps its number until [`Pool::reclaim_raw`].
    ///
    /// # Safety
    /// The device that gets the offsets touches no block of the pool except the posted ones.
    /// [`take`](Self::take) is called only with an offset that the device has returned: from then on, it does not
    /// touch that block. The pool's memory outlives the device's use of it.
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

    /// Lends a frame's block to the device. Returns the offset of the frame's first byte, or of the block's last
    /// byte if the frame is empty and lies at its end: the offset is always one of this block.
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
        // Right after the block, another one may begin, which the device must not return in place of this one.
        let start = frame.range().start.min(self.pool.block_size() - 1);
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

    /// Takes back the block that contains the byte at `offset`. Returns the block and the distance of that byte from
    /// the block's start: the device may return an address after a headroom. `None` if no posted block is there.
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
    #[cfg_attr(feature = "audit", track_caller)]
    pub unsafe fn stopped(mut self) -> usize {
        let (pool, number, all) = (self.pool, self.number, self.len);
        // SAFETY: the blocks are this table's, and by the caller's promise no device's.
        let (freed, awaited) = unsafe { pool.free_marked(|link| link == posted_mark(number)) };
        debug_assert_eq!(freed, all);
        self.len = 0;
        drop(self);
        // Last: it runs the user's code.
        pool.look_for_waiters_if(awaited);
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
    /// number. O(capacity). It is for the end of a device's life: the pool gets back all blocks that the device had.
    ///
    /// # Safety
    /// No device, process or pointer uses a raw block of the pool any more, and none of them is returned later. No
    /// [`Posted`] of the pool is in use: all were dropped or forgotten.
    ///
    /// ```
    /// framepool::pool!(static UMEM: [2048; 8]);
    ///
    /// let lost = [UMEM.alloc()?.into_id(), UMEM.alloc()?.into_id()];
    /// assert_eq!(UMEM.raw_out(), 2);
    /// // SAFETY: these two names are not used again.
    /// assert_eq!(unsafe { UMEM.reclaim_raw() }, lost.len());
    /// assert_eq!((UMEM.raw_out(), UMEM.stats().in_use), (0, 0));
    /// # Ok::<(), framepool::Exhausted>(())
    /// ```
    #[cfg_attr(feature = "audit", track_caller)]
    pub unsafe fn reclaim_raw(&self) -> usize {
        let cold = &self.header().cold;
        // Not the number of freed blocks: a table that was forgotten counted more than it posted.
        let counted = cold.raw.load(Relaxed);
        // SAFETY: the caller's promise.
        let (freed, awaited) = unsafe { self.free_marked(is_mark) };
        sync::section(|s| cold.raw.fetch_add(s, counted.wrapping_neg(), Relaxed));
        cold.devices.store(0, Release);
        // Last: it runs the user's code.
        self.look_for_waiters_if(awaited);
        freed
    }

    /// Frees the blocks whose links `which` picks, all of them marks. Returns their number, and whether the caller
    /// must look for waiters.
    ///
    /// # Safety
    /// The caller owns these blocks, and no other thread changes their links.
    #[cfg_attr(feature = "audit", track_caller)]
    unsafe fn free_marked(&self, which: impl Fn(u32) -> bool) -> (usize, bool) {
        let mut freed = 0;
        let mut awaited = false;
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
                awaited |= unsafe { self.give_quietly(&ids) };
                freed += n;
                n = 0;
            }
        }
        // SAFETY: as above.
        awaited |= unsafe { self.give_quietly(ids.get(..n).unwrap_or_default()) };
        (freed + n, awaited)
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
