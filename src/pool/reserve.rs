//! Reservations: blocks withdrawn from a pool, that come home to whom they are reserved for.
//!
//! ```text
//!   parent   header │ links                  ┌─────── blocks ───────┐
//!            stack ─┼─► 7 ─► 3 ─► …          │ 0 1 2 3 4 5 6 7 8 9  │
//!                                            └──────────────────────┘
//!   reservation   header │ links               ▲ ▲
//!                 stack ─┼─► 2 ─► 1 ───────────┴─┘  same blocks, same names, other books
//! ```
//!
//! A reservation is a [`Pool`] over its parent's blocks with a header and links of its own. A handle
//! knows its pool, so that a block goes home to its reservation by the very instructions that take any
//! block home: nothing on any path asks whether there are reservations.

use core::fmt;
use core::marker::PhantomData;
use core::mem::MaybeUninit;
use core::num::NonZeroU32;
use core::ops::Deref;
use core::ptr::NonNull;

use crate::error::{ConfigError, ReserveError};
use crate::pool::Pool;
use crate::pool::audit::AuditKind;
use crate::pool::config::default_magazine;
use crate::pool::depot::{Depot, assume_init};
use crate::pool::geometry::LINE;
use crate::pool::homes::carve;
use crate::pool::meta::{Base, RAW, size_of_parts};
#[cfg(feature = "std")]
use crate::pool::owner::{Allocation, Owner};
use crate::sync::{self, Ordering::*, Word};

/// A number of blocks that are nobody else's: withdrawn from a [`Pool`], allocated like its own through
/// [`Deref`], and back here when they are dropped, wherever that is. So one that receives can never
/// starve one that sends.
///
/// Dropping it gives its blocks back to the parent. Those that are out as raw blocks become the
/// parent's raw blocks; those whose handles were forgotten stay lost until the parent is
/// reset. A reservation that is itself forgotten is lost with all of its blocks, and the parent cannot be
/// [`reset`](Pool::reset) any more: what of it is out is not known. The same is true for the parent of its
/// parent, and so on: a reservation that ends gives back its quota less what it has lent and not got back.
///
/// What differs from a pool over memory of its own: a block keeps the [`BlockId`](crate::BlockId),
/// the [`offset`](crate::Block::offset) and the bytes that it has in the parent, so
/// [`Pool::capacity`] here bounds the names and [`quota`](Self::quota) counts the blocks; and
/// [`Stats::reserved`](crate::Stats::reserved) are the blocks in between that are not of this
/// reservation. The parent refuses its handles and pointers, as it does any other pool's.
///
/// ```
/// use framepool::Exhausted;
///
/// framepool::pool!(static FRAMES: [2048; 64]);
///
/// let mut books = [std::mem::MaybeUninit::uninit(); 1024];
/// let tx = FRAMES.reserve_in(&mut books, 16)?;
/// let rx: Vec<_> = std::iter::from_fn(|| FRAMES.alloc().ok()).collect();
/// assert_eq!(rx.len(), 48);
/// let reply = tx.alloc()?;
/// drop(rx);
/// drop(reply);
/// assert_eq!(tx.available(), 16);
/// assert_eq!(FRAMES.stats().reserved, 16);
/// # Ok::<(), Box<dyn core::error::Error>>(())
/// ```
#[must_use = "dropping a reservation gives its blocks back"]
pub struct Reservation<'p> {
    pool: Pool<'p>,
    parent: &'p Pool<'p>,
    quota: u32,
}

impl<'m> Pool<'m> {
    /// Withdraws `n` blocks: all or none. O(n), and 8 bytes of the global allocator for each block up to
    /// the highest withdrawn. A pool that nobody has used yet gives its lowest blocks, so reserve first.
    ///
    /// The bytes of blocks never handed out are not touched: [`prefault`](Self::prefault) before.
    ///
    /// # Errors
    /// [`ReserveError`]: fewer blocks are free (those in workers' caches do not count), `n` is 0, or
    /// there is no memory.
    #[cfg(feature = "std")]
    pub fn reserve(&self, n: usize) -> Result<Reservation<'_>, ReserveError> {
        let withdrawn = Withdrawn::take(self, n)?;
        let memory =
            Allocation::zeroed(withdrawn.metadata_size(), LINE).map_err(ReserveError::Config)?;
        // SAFETY: the allocation is zeroed, unshared, long enough, and the pool's own from here on.
        let mut reservation = unsafe { withdrawn.settle(memory.start(), true) };
        reservation.pool.own(Owner::Allocated(memory));
        self.note_low();
        Ok(reservation)
    }

    /// The same in memory of the caller's, for where there is no allocator:
    /// [`reservation_size`](Self::reservation_size) bytes suffice, whichever blocks it gets.
    ///
    /// # Errors
    /// As for `reserve`; [`ConfigError::RegionTooSmall`] says how many bytes it took.
    ///
    /// ```
    /// use core::mem::MaybeUninit;
    ///
    /// framepool::pool!(static FRAMES: [256; 64]);
    ///
    /// let mut books = [MaybeUninit::uninit(); 2048];
    /// assert!(books.len() >= FRAMES.reservation_size());
    /// let alarms = FRAMES.reserve_in(&mut books, 4)?;
    /// assert_eq!((alarms.quota(), FRAMES.available()), (4, 60));
    /// # Ok::<(), framepool::ReserveError>(())
    /// ```
    pub fn reserve_in<'p>(
        &'p self,
        metadata: &'p mut [MaybeUninit<u8>],
        n: usize,
    ) -> Result<Reservation<'p>, ReserveError> {
        let withdrawn = Withdrawn::take(self, n)?;
        let (start, _) =
            carve(metadata, LINE, withdrawn.metadata_size()).map_err(ReserveError::Config)?;
        // SAFETY: the part is exclusively borrowed for 'p, aligned and long enough.
        let reservation = unsafe { withdrawn.settle(start, false) };
        self.note_low();
        Ok(reservation)
    }

    /// The most bytes that [`reserve_in`](Self::reserve_in) takes.
    pub const fn reservation_size(&self) -> usize {
        size_of_parts(self.capacity(), true) + LINE - 1
    }
}

impl<'p> Reservation<'p> {
    /// Blocks that are reserved here.
    pub const fn quota(&self) -> usize {
        self.quota as usize
    }

    /// The pool that they were withdrawn from.
    pub const fn parent(&self) -> &'p Pool<'p> {
        self.parent
    }
}

impl<'p> Deref for Reservation<'p> {
    type Target = Pool<'p>;

    fn deref(&self) -> &Pool<'p> {
        &self.pool
    }
}

impl Drop for Reservation<'_> {
    fn drop(&mut self) {
        let mut ids = [MaybeUninit::uninit(); 64];
        let mut awaited = false;
        let mut out = self.own() as usize;
        loop {
            let (n, _) = self.pool.take_many(&mut ids);
            // SAFETY: as many were written.
            let home = unsafe { assume_init(ids.get(..n).unwrap_or_default()) };
            if home.is_empty() {
                break;
            }
            out = out.saturating_sub(n);
            // SAFETY: the blocks were this reservation's, and are given up here.
            awaited |= unsafe { self.parent.give_quietly(home) };
        }
        if self.pool.raw_out() > 0 {
            self.bequeath_raw();
        }
        // The blocks that are out are the parent's from here on: allocated, as seen from there.
        self.parent.uncount(out.wrapping_neg());
        // Those that this reservation has lent and not got back stay lent by the parent.
        self.parent.lend(self.own().wrapping_neg());
        // Last: it runs the user's code.
        self.parent.look_if(awaited);
    }
}

impl Reservation<'_> {
    /// Returns the number of blocks of the quota that are not lent to reservations of this one.
    fn own(&self) -> Word {
        // What is lent includes the names below the capacity that were never in the quota.
        (self.pool.depot.capacity() as Word).saturating_sub(self.pool.depot.lent())
    }

    /// Makes the blocks that are out as raw blocks the parent's. O(capacity).
    #[cold]
    fn bequeath_raw(&self) {
        for id in 0..self.pool.depot.capacity() {
            // SAFETY: below the capacity of either, which shares its names with the parent.
            let (own, parents) = unsafe { (self.pool.link(id), self.parent.link(id)) };
            if own.load(Acquire) == RAW {
                let raw = &self.parent.header().cold.raw;
                sync::section(|s| raw.fetch_add(s, 1, Relaxed));
                // Release, and acquire above: as in `into_id`.
                parents.store(RAW, Release);
                self.parent.note(id, AuditKind::IntoRaw);
            }
        }
    }
}

impl fmt::Debug for Reservation<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Reservation")
            .field("quota", &self.quota)
            .field("stats", &self.pool.stats())
            .finish_non_exhaustive()
    }
}

/// Blocks on their way out of a pool. They hang on each other by their links, which are their owner's.
///
/// Invariant: owns `n` blocks, `top - 1` and what hangs below it, all of them below `capacity`.
pub(crate) struct Withdrawn<'p> {
    pool: &'p Pool<'p>,
    top: u32,
    n: u32,
    capacity: u32,
}

impl<'p> Withdrawn<'p> {
    pub(crate) fn nothing(pool: &'p Pool<'_>) -> Self {
        Self {
            pool,
            top: 0,
            n: 0,
            capacity: 0,
        }
    }

    pub(crate) fn len(&self) -> usize {
        self.n as usize
    }

    fn take(pool: &'p Pool<'_>, n: usize) -> Result<Self, ReserveError> {
        if n == 0 {
            return Err(ReserveError::Config(ConfigError::ZeroBlocks));
        }
        let mut withdrawn = Self::nothing(pool);
        while withdrawn.len() < n {
            if withdrawn.take_some(n - withdrawn.len()) == 0 {
                return Err(ReserveError::Exhausted(pool.exhausted(n, withdrawn.len())));
            }
        }
        Ok(withdrawn)
    }

    /// Takes some of the pool's free blocks, at most `n`. None if there are none.
    pub(crate) fn take_some(&mut self, n: usize) -> usize {
        let mut ids = [MaybeUninit::uninit(); 64];
        let n = n.min(ids.len());
        let ids = ids.get_mut(..n).unwrap_or_default();
        // Told first, so that it does not look like use, and does not raise the peak.
        self.pool.lend(ids.len() as Word);
        let (got, awaited) = self.pool.take_many(ids);
        self.pool.uncount(got);
        self.pool.lend(((ids.len() - got) as Word).wrapping_neg());
        // SAFETY: as many were written.
        for &id in unsafe { assume_init(ids.get(..got).unwrap_or_default()) } {
            // SAFETY: what was taken is in range, and its link is the taker's.
            unsafe { self.pool.link(id) }.store(self.top, Relaxed);
            self.top = id + 1;
            self.n += 1;
            self.capacity = self.capacity.max(id + 1);
        }
        self.pool.look_if(awaited);
        got
    }

    fn pop(&mut self) -> Option<u32> {
        let id = self.top.checked_sub(1)?;
        // SAFETY: the invariant.
        self.top = unsafe { self.pool.link(id) }.load(Relaxed);
        self.n -= 1;
        Some(id)
    }

    /// Bytes of metadata for a pool that names these blocks.
    fn metadata_size(&self) -> usize {
        size_of_parts(self.capacity as usize, true)
    }

    /// The reservation that these blocks are withdrawn for.
    ///
    /// # Safety
    /// As many bytes as [`metadata_size`](Self::metadata_size) from `metadata` on are valid and unshared
    /// for `'p`, aligned to a line, and if `zeroed`, all 0.
    unsafe fn settle(mut self, metadata: NonNull<u8>, zeroed: bool) -> Reservation<'p> {
        let (parent, quota) = (self.pool, self.n);
        let magazine = default_magazine(quota as usize) as u16;
        // SAFETY: the caller's promise.
        let base = unsafe { Base::write(metadata, zeroed, self.capacity, magazine, 0) };
        let pool = Pool {
            depot: Depot {
                base,
                // SAFETY: it has blocks: `take` refuses none.
                capacity: unsafe { NonZeroU32::new_unchecked(self.capacity) },
                magazine,
                align_log2: parent.depot.align_log2,
                shared: false,
            },
            blocks: parent.blocks,
            block_size: parent.block_size,
            stride: parent.stride,
            _memory: PhantomData,
        };
        // Nothing of it is new; what is not withdrawn is elsewhere.
        let names = self.capacity as Word;
        let frontier = &pool.header().stack.frontier;
        sync::section(|s| frontier.fetch_add(s, names, Relaxed));
        pool.uncount(self.capacity as usize);
        // All of them at first, so that none looks like use before it is given up below.
        pool.lend(names);
        while let Some(id) = self.pop() {
            // SAFETY: the block was the parent's and is this pool's now: it is given up to it, once.
            unsafe { pool.give_one(id) };
        }
        pool.lend((quota as Word).wrapping_neg());
        Reservation {
            pool,
            parent,
            quota,
        }
    }
}

impl Drop for Withdrawn<'_> {
    fn drop(&mut self) {
        let n = self.n as Word;
        let mut awaited = false;
        while let Some(id) = self.pop() {
            // SAFETY: the invariant; the block is given up, once.
            awaited |= unsafe { self.pool.give_quietly(&[id]) };
        }
        self.pool.lend(n.wrapping_neg());
        // Last: it runs the user's code.
        self.pool.look_if(awaited);
    }
}

impl Pool<'_> {
    /// So many more of the blocks that were handed out are not this pool's to account for.
    pub(crate) fn lend(&self, n: Word) {
        let lent = &self.header().cold.lent;
        sync::section(|s| {
            lent.fetch_add(s, n, Relaxed);
            self.depot.note_peak(s);
        });
    }
}
