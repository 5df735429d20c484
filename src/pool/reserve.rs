//! Reservations: blocks withdrawn from a pool that return to their reservation when freed.
//!
//! ```text
//!   parent   header │ links                  ┌─────── blocks ───────┐
//!            stack ─┼─► 7 ─► 3 ─► …          │ 0 1 2 3 4 5 6 7 8 9  │
//!                                            └──────────────────────┘
//!   reservation   header │ links               ▲ ▲
//!                 stack ─┼─► 2 ─► 1 ───────────┴─┘  same blocks, same names, other metadata
//! ```
//!
//! A reservation is a [`Pool`] over its parent's blocks, with a header and links of its own. A handle knows its
//! pool, so a block returns to its reservation by the same instructions as any block to its pool: no path checks
//! for reservations.

use core::marker::PhantomData;
use core::mem::MaybeUninit;
use core::num::NonZeroU32;
use core::ops::Deref;
use core::ptr::NonNull;

use crate::pool::Pool;
use crate::pool::audit::AuditKind;
use crate::pool::config::default_magazine;
use crate::pool::depot::Depot;
use crate::pool::depot::ids::assume_init;
use crate::pool::error::{ConfigError, ReserveError};
use crate::pool::geometry::LINE;
use crate::pool::homes::carve;
use crate::pool::meta::{Base, RAW, is_mark, size_of_parts};
#[cfg(feature = "std")]
use crate::pool::owner::{Allocation, Owner};
use crate::sync::{self, Ordering::*, Word};

/// A guaranteed quota of blocks: withdrawn from a [`Pool`], allocated like a pool's own through [`Deref`], and
/// returned here when they are dropped, from any place. So a receiver can never starve a sender.
///
/// Dropping a reservation returns its blocks to the parent. Blocks in use as raw blocks become raw blocks of the
/// parent. Blocks whose handles were forgotten stay lost until the parent is reset. If the reservation itself is
/// forgotten (`mem::forget`), all its blocks are lost, and the parent can no longer be [`reset`](Pool::reset),
/// because it does not know which of them are in use; if it owns its memory, it leaks that when it is dropped. The
/// same holds for the parent's parent, and so on: a reservation that ends returns its quota less the blocks that it
/// has lent and not got back.
///
/// Differences from a pool with memory of its own: a block keeps the [`BlockId`](crate::BlockId), the
/// [`offset`](crate::Block::offset) and the bytes that it has in the parent. So [`Pool::capacity`] is the bound of
/// the names here, and [`quota`](Self::quota) is the number of blocks; [`Stats::reserved`](crate::Stats::reserved)
/// counts the blocks within that bound that do not belong to the reservation. The parent refuses handles and
/// pointers of the reservation, like those of any other pool.
///
/// ```
/// use framepool::Exhausted;
///
/// framepool::pool!(static FRAMES: [2048; 64]);
///
/// let mut metadata = [std::mem::MaybeUninit::uninit(); 1024];
/// let tx = FRAMES.reserve_in(&mut metadata, 16)?;
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
    /// Withdraws `n` blocks, all or none. O(n). Allocates 8 bytes from the global allocator for each block up to the
    /// highest that is withdrawn. An unused pool gives its lowest blocks, so reserve first.
    ///
    /// Blocks that were never allocated are not touched; call [`prefault`](Self::prefault) before if needed.
    ///
    /// # Errors
    /// [`ReserveError`]: fewer blocks are free (those in workers' caches do not count), `n` is 0, or
    /// the allocation failed.
    #[cfg(feature = "std")]
    pub fn reserve(&self, n: usize) -> Result<Reservation<'_>, ReserveError> {
        Withdrawn::take(self, n)?.allocate()
    }

    /// Withdraws `n` blocks, all or none, with the metadata in the caller's memory: needs no allocator.
    /// [`reservation_size`](Self::reservation_size) bytes are enough for any set of blocks.
    ///
    /// # Errors
    /// As for `reserve`; [`ConfigError::RegionTooSmall`] has the number of bytes required.
    ///
    /// ```
    /// use core::mem::MaybeUninit;
    ///
    /// framepool::pool!(static FRAMES: [256; 64]);
    ///
    /// let mut metadata = [MaybeUninit::uninit(); 2048];
    /// assert!(metadata.len() >= FRAMES.reservation_size());
    /// let alarms = FRAMES.reserve_in(&mut metadata, 4)?;
    /// assert_eq!((alarms.quota(), FRAMES.available()), (4, 60));
    /// # Ok::<(), framepool::ReserveError>(())
    /// ```
    pub fn reserve_in<'p>(
        &'p self,
        metadata: &'p mut [MaybeUninit<u8>],
        n: usize,
    ) -> Result<Reservation<'p>, ReserveError> {
        Withdrawn::take(self, n)?.settle_in(metadata)
    }

    /// The largest number of bytes that [`reserve_in`](Self::reserve_in) needs.
    pub const fn reservation_size(&self) -> usize {
        size_of_parts(self.capacity(), true) + LINE - 1
    }
}

impl<'p> Reservation<'p> {
    /// Number of reserved blocks.
    pub const fn quota(&self) -> usize {
        self.quota as usize
    }

    /// The pool that the blocks were withdrawn from.
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

impl<'p> Reservation<'p> {
    /// The pool, which the caller [ends](Pool::end_reservation).
    #[cfg(all(feature = "packet", not(loom)))]
    pub(crate) fn into_pool(self) -> Pool<'p> {
        let this = core::mem::ManuallyDrop::new(self);
        // SAFETY: moved out once, because `this` is not dropped.
        unsafe { core::ptr::read(&this.pool) }
    }
}

impl Drop for Reservation<'_> {
    fn drop(&mut self) {
        self.pool.end_reservation(self.parent);
    }
}

impl Pool<'_> {
    /// Passes the blocks of this pool, which is a reservation, to its parent. Runs the user's code at last. The pool is
    /// not used any more.
    pub(crate) fn end_reservation(&self, parent: &Pool<'_>) {
        let mut ids = [MaybeUninit::uninit(); 64];
        let mut awaited = false;
        // The blocks of the quota that are not lent to reservations of this one: the lent blocks include the indices below
        // the capacity that were never in the quota.
        let own = (self.depot.capacity() as Word).saturating_sub(self.depot.lent());
        let mut out = own as usize;
        loop {
            let (n, _) = self.take_many(&mut ids);
            // SAFETY: `n` indices were written.
            let freed = unsafe { assume_init(ids.get(..n).unwrap_or_default()) };
            if freed.is_empty() {
                break;
            }
            out = out.saturating_sub(n);
            // SAFETY: the blocks were this reservation's, and are given up here.
            awaited |= unsafe { parent.give_quietly(freed) };
        }
        if self.raw_out() > 0 {
            self.bequeath_raw(parent);
        }
        // The blocks in use belong to the parent from here on, and count as allocated from it.
        parent.uncount(out.wrapping_neg());
        // Blocks that this reservation has lent and not got back stay lent by the parent.
        parent.lend(own.wrapping_neg());
        // So that the memory of this pool's own tables is freed.
        self.lend(self.depot.lent().wrapping_neg());
        // Last: it runs the user's code.
        parent.look_for_waiters_if(awaited);
    }

    /// Passes the raw blocks to the parent. O(capacity).
    #[cold]
    fn bequeath_raw(&self, parent: &Pool<'_>) {
        for id in 0..self.depot.capacity() {
            // SAFETY: below the capacity of both; the names are the same.
            let (own, parents) = unsafe { (self.link(id), parent.link(id)) };
            if is_mark(own.load(Acquire)) {
                let raw = &parent.header().cold.raw;
                sync::section(|s| raw.fetch_add(s, 1, Relaxed));
                // Release, and acquire above: as in `into_id`.
                parents.store(RAW, Release);
                // The own metadata is not in use after this.
                own.store(0, Relaxed);
                parent.note(id, AuditKind::IntoRaw);
            }
        }
    }
}

describe!(Reservation<'_> as Reservation { quota, stats });

/// Blocks that are being withdrawn from a pool: a list, linked through the blocks' own links.
///
/// Invariant: owns `n` blocks, `top - 1` and those linked from it, all of them below `capacity`, which is at most the pool's.
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

    pub(crate) fn take(pool: &'p Pool<'_>, n: usize) -> Result<Self, ReserveError> {
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

    /// Takes some of the pool's free blocks, at most `n`. Returns their number, 0 if none is free.
    pub(crate) fn take_some(&mut self, n: usize) -> usize {
        let mut ids = [MaybeUninit::uninit(); 64];
        let n = n.min(ids.len());
        let ids = ids.get_mut(..n).unwrap_or_default();
        // Counted as lent first, so that the blocks do not count as in use, and do not raise the peak.
        self.pool.lend(ids.len() as Word);
        let (got, awaited) = self.pool.take_many(ids);
        self.pool.uncount(got);
        self.pool.lend(((ids.len() - got) as Word).wrapping_neg());
        // SAFETY: `got` indices were written.
        for &id in unsafe { assume_init(ids.get(..got).unwrap_or_default()) } {
            // SAFETY: a block that was taken is in range, and its new owner may write its link.
            unsafe { self.pool.link(id) }.store(self.top, Relaxed);
            self.top = id + 1;
            self.n += 1;
            self.capacity = self.capacity.max(id + 1);
        }
        self.pool.look_for_waiters_if(awaited);
        got
    }

    fn pop(&mut self) -> Option<u32> {
        let id = self.top.checked_sub(1)?;
        // SAFETY: the invariant.
        self.top = unsafe { self.pool.link(id) }.load(Relaxed);
        self.n -= 1;
        Some(id)
    }

    /// Bytes of metadata for a pool of these blocks.
    fn metadata_size(&self) -> usize {
        size_of_parts(self.capacity as usize, true)
    }

    /// As many names as the pool has, not only those up to the highest of these blocks.
    #[cfg(all(feature = "packet", not(loom)))]
    pub(crate) fn with_all_names(mut self) -> Self {
        self.capacity = self.pool.capacity() as u32;
        self
    }

    /// Makes the reservation, with allocated metadata.
    #[cfg(feature = "std")]
    pub(crate) fn allocate(self) -> Result<Reservation<'p>, ReserveError> {
        let memory =
            Allocation::zeroed(self.metadata_size(), LINE).map_err(ReserveError::Config)?;
        // SAFETY: the allocation is zeroed, unshared, long enough, and the pool's own from here on.
        let mut reservation = unsafe { self.settle(memory.start(), true) };
        reservation.pool.own(Owner::Allocated(memory));
        reservation.parent.note_low();
        Ok(reservation)
    }

    /// Makes the reservation, with its metadata in the caller's memory.
    pub(crate) fn settle_in(
        self,
        metadata: &'p mut [MaybeUninit<u8>],
    ) -> Result<Reservation<'p>, ReserveError> {
        let (start, _) =
            carve(metadata, LINE, self.metadata_size()).map_err(ReserveError::Config)?;
        // SAFETY: the part is exclusively borrowed for 'p, aligned and long enough.
        let reservation = unsafe { self.settle(start, false) };
        reservation.parent.note_low();
        Ok(reservation)
    }

    /// Makes the reservation of these blocks.
    ///
    /// # Safety
    /// [`metadata_size`](Self::metadata_size) bytes from `metadata` on are valid and unshared for `'p`, aligned to a
    /// line, and all 0 if `zeroed`.
    unsafe fn settle(mut self, metadata: NonNull<u8>, zeroed: bool) -> Reservation<'p> {
        let (parent, quota) = (self.pool, self.n);
        let magazine = default_magazine(quota as usize) as u16;
        // SAFETY: the caller's promise.
        let base = unsafe { Base::write(metadata, zeroed, self.capacity, magazine, 0) };
        let pool = Pool {
            depot: Depot {
                base,
                // SAFETY: the capacity is not 0, because `take` refuses 0 blocks.
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
        // None of its blocks is new; the names between them are elsewhere.
        let names = self.capacity as Word;
        let frontier = &pool.header().stack.frontier;
        sync::section(|s| frontier.fetch_add(s, names, Relaxed));
        pool.uncount(self.capacity as usize);
        // All of them at first, so that none counts as in use before it is given below.
        pool.lend(names);
        while let Some(id) = self.pop() {
            // SAFETY: the block was withdrawn from the parent, and is given to this pool once.
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
            // SAFETY: the invariant; the block is given once.
            awaited |= unsafe { self.pool.give_quietly(&[id]) };
        }
        self.pool.lend(n.wrapping_neg());
        // Last: it runs the user's code.
        self.pool.look_for_waiters_if(awaited);
    }
}

impl Pool<'_> {
    /// Adds `n` (which may wrap) to the number of blocks that this pool does not account for.
    pub(crate) fn lend(&self, n: Word) {
        let lent = &self.header().cold.lent;
        sync::section(|s| {
            lent.fetch_add(s, n, Relaxed);
            self.depot.note_peak(s);
        });
    }
}
