//! Fixed blocks over memory the caller supplies.
//!
//! A [`Pool`] is an immutable descriptor of 32 bytes (24 on 32-bit targets). What it describes lies in
//! one region: the blocks, and beside them the metadata, which is all zeros for an empty pool.
//!
//! ```text
//!  descriptor           region
//!  ┌──────────┐         ┌────────────────────────────────┬────────┬────────────┬───────────────┐
//!  │ blocks ──┼────────►│ block 0 │ block 1 │ … │ block n │ header │ links      │ magazines     │
//!  │ header ──┼───────┐ └────────────────────────────────┴────────┴────────────┴───────────────┘
//!  │ shape    │       └─────────────────────────────────►   const    4 B a block   4 B a block
//!  └──────────┘
//! ```
//!
//! A block is in exactly one place at a time:
//!
//! ```text
//!                      ┌───────────────────── depot ─────────────────────┐
//!   never handed out   │   free stack           full magazines           │
//!   (frontier) ────────┼──► one CAS a block      one CAS a magazine      │
//!                      └──────▲ │ ───────────────────▲ │ ────────────────┘
//!                  drop, free │ │ alloc        flush │ │ refill
//!                             │ ▼                    │ ▼
//!                          Block, Burst  ◄──────►  Cache (one worker's own, no atomics)
//!                             │ ▲
//!                    into_raw ▼ │ from_raw, free_raw
//!                          raw block (a pointer or an index somewhere outside)
//! ```
//!
//! Who owns what: the pool owns the free blocks; a [`Block`], [`Burst`] or [`PoolBox`] owns the blocks
//! in its hand; a [`Cache`] owns the free blocks it has drawn. Freeing is dropping.
//!
//! | file | what |
//! |---|---|
//! | `config` | the shape asked for, and the checked layout |
//! | `meta` | where header, links and magazines lie |
//! | `word` | the tagged words and what their tags are good for |
//! | `depot`, `exchange` | the lock-free stack and frontier; magazines |
//! | `block`, `burst`, `boxed`, `raw` | what users hold |
//! | `cache` | the per-worker front |
//! | `pressure` | waiting for a block, being told that few are left |
//! | `reserve` | pools over blocks of a pool |
//! | `homes`, `statics`, `owner` | statics, the caller's memory, memory that the pool owns |
//! | `layouts`, `allocator`, `global` | memory of any layout that fits a block |
//! | `local` | the current thread's caches |
//! | `stats`, `check` | what is where, and the proof of it |
//! | `audit` | who holds what, and what happened before |

#[cfg(any(feature = "allocator-api2", framepool_nightly))]
mod allocator;
#[cfg(feature = "audit")]
mod audit;
#[cfg(not(feature = "audit"))]
#[path = "audit/off.rs"]
mod audit;
mod block;
mod boxed;
mod burst;
mod by_layout;
mod cache;
mod check;
pub(crate) mod config;
mod depot;
pub(crate) mod error;
mod exchange;
mod global_alloc;
mod homes;
mod id;
#[cfg(feature = "std")]
mod local;
mod low_water;
#[cfg(all(feature = "mmap", target_os = "linux"))]
mod mapped;
pub(crate) mod meta;
#[cfg(feature = "std")]
mod owner;
mod raw;
mod reserve;
mod reset;
#[cfg(not(loom))]
mod statics;
mod stats;
mod waiting;
pub(crate) mod word;

use core::marker::PhantomData;
use core::mem::MaybeUninit;
use core::ptr::NonNull;

#[cfg(feature = "audit")]
pub use audit::{AuditEvent, AuditHistory, AuditKind, AuditReport, AuditThread, Holding};
pub use block::Block;
pub use boxed::PoolBox;
pub use burst::{Burst, BurstIntoIter};
pub use cache::Cache;
pub use check::Census;
pub use config::{PoolConfig, PoolLayout, Stride};
pub use error::{
    AllocManyError, AllocValueError, AllocValueReason, CheckError, ConfigError, Exhausted,
    FreeError, FreeErrorKind, PushError, ReserveError, ResetError, TooLong, WrongPool,
};
pub use global_alloc::PoolAlloc;
pub use id::BlockId;
#[cfg(all(feature = "mmap", target_os = "linux"))]
pub use mapped::MapPoolError;
pub use reserve::Reservation;
#[cfg(not(loom))]
pub use statics::{Align, AlignTo, StaticPool};
#[cfg(not(loom))]
#[doc(hidden)]
pub use statics::{static_align, static_pool, static_stride};
pub use stats::{CacheStats, Stats};
pub use waiting::{AllocAsync, MAX_WAITERS};

#[cfg(not(feature = "audit"))]
use audit::AuditKind;
// To go with the last import of `meta`.
use waiting as pressure;

/// Fixed blocks in memory that someone else supplied, handed out and taken back in bounded time, from
/// any thread, core or interrupt.
///
/// | home | made by | memory |
/// |---|---|---|
/// | a static | [`pool!`](crate::pool!) | `.bss`; usable before `main`, no set-up call exists |
/// | the caller's | [`Pool::new`], [`Pool::from_parts`], [`Pool::from_raw`] | any region, aligned or not |
/// | a mapping | `Pool::map`, `Pool::over_mapping` (feature `mmap`) | hugepages; the pool owns it |
/// | an allocation | `Pool::allocate` (feature `std`) | the pool owns it |
///
/// Every operation on blocks is O(1) (bursts: O(blocks in them)), makes no system call, takes no lock
/// where the target has compare-and-swap, and does not panic. Without a cache an allocation or a free is one
/// compare-and-swap on a shared word; workers that allocate often take a [`Cache`] each.
///
/// What is never promised: that a block's bytes are zero, or that a block freed by one worker is at
/// once allocatable by another, as it may lie in the first one's cache.
///
/// ```
/// use core::mem::MaybeUninit;
/// use framepool::{Pool, PoolConfig};
///
/// let mut memory = [MaybeUninit::uninit(); 64 * 1024];
/// let pool = Pool::new(&mut memory, PoolConfig::fill(1536))?;
/// assert!(pool.capacity() > 38);
///
/// let mut block = pool.alloc()?;
/// block.zeroed()[0] = 1;
/// let also = pool.alloc()?;
/// assert_eq!(pool.stats().in_use, 2);
/// drop((block, also));
/// assert_eq!(pool.stats().in_use, 0);
/// # Ok::<(), Box<dyn core::error::Error>>(())
/// ```
///
/// # Invariants
/// - `base` points at a header, followed by `capacity` links and, if `magazine` is not 0, as many
///   words of magazines (see `meta`), valid for the life of the pool and reached through pools only.
/// - `blocks` points at `capacity` blocks of `stride` bytes (the last of `block_size`), valid for the
///   life of the pool, aligned to `2^align_log2`, reached through the handle that owns each only.
/// - Every index in the metadata is below `capacity`, and in one place.
pub struct Pool<'m> {
    base: NonNull<meta::Base>,
    blocks: NonNull<u8>,
    block_size: u32,
    stride: u32,
    capacity: u32,
    magazine: u16,
    align_log2: u8,
    /// Whether other descriptors of the same pool may be there, made by safe code: then `&mut self` is
    /// no proof of being alone.
    shared: bool,
    _memory: PhantomData<&'m mut [MaybeUninit<u8>]>,
}

#[cfg(target_pointer_width = "64")]
const _: () = assert!(size_of::<Pool<'_>>() == 32);
#[cfg(target_pointer_width = "32")]
const _: () = assert!(size_of::<Pool<'_>>() == 24);

// SAFETY: what the pool points at is valid wherever it is used from; the header and links are atomics,
// and a block's bytes are reached through the one handle that owns it.
unsafe impl Send for Pool<'_> {}
// SAFETY: as above; everything that takes `&self` goes through atomics.
unsafe impl Sync for Pool<'_> {}

impl<'m> Pool<'m> {
    #[inline(always)]
    fn base(&self) -> NonNull<meta::Base> {
        self.base
    }

    /// Blocks in the pool. In a [`Reservation`], one more than the highest name of its blocks.
    #[inline]
    pub const fn capacity(&self) -> usize {
        self.capacity as usize
    }

    /// Bytes in a block.
    #[inline]
    pub const fn block_size(&self) -> usize {
        self.block_size as usize
    }

    /// Bytes from one block to the next.
    #[inline]
    pub const fn stride(&self) -> usize {
        self.stride as usize
    }

    /// Bytes that every block is aligned to, a power of two.
    #[inline]
    pub const fn block_align(&self) -> usize {
        1 << self.align_log2
    }

    /// Indices that move between a [`Cache`] and the depot at once; 0 without magazines.
    #[inline]
    pub const fn magazine(&self) -> usize {
        self.magazine as usize
    }

    /// The first block's first byte.
    #[inline]
    pub const fn blocks_ptr(&self) -> NonNull<u8> {
        self.blocks
    }

    /// Bytes from the first block's first to the last block's last: what a UMEM or an IOMMU is told.
    #[inline]
    pub const fn blocks_len(&self) -> usize {
        (self.capacity() - 1) * self.stride() + self.block_size()
    }

    /// Bytes of the region that serve nothing: its misaligned start, and what the last block and the
    /// metadata left over.
    pub fn slack(&self) -> usize {
        self.header().cold.slack
    }

    /// A cache with the default size; [`Cache::new`] makes other sizes.
    pub fn cache(&self) -> Cache<'_> {
        Cache::new(self)
    }

    /// Whether the address is in a block of this pool.
    pub fn contains(&self, ptr: *const u8) -> bool {
        self.place_of(ptr.addr()).is_some()
    }

    /// The block that the byte at `offset` from the first block's start is in: an AF_XDP descriptor's
    /// address, headroom and all. `None` in the padding and outside.
    pub fn id_at_offset(&self, offset: usize) -> Option<BlockId> {
        let id = offset.checked_div(self.stride())?;
        let inside = offset - id * self.stride() < self.block_size();
        (id < self.capacity() && inside).then_some(BlockId(id as u32))
    }

    /// Block and offset in it, of an address.
    fn place_of(&self, addr: usize) -> Option<(BlockId, usize)> {
        let offset = addr.checked_sub(self.blocks.addr().get())?;
        let id = self.id_at_offset(offset)?;
        Some((id, offset - id.index() * self.stride()))
    }

    /// # Safety
    /// `id` is less than the capacity.
    #[inline(always)]
    unsafe fn block_start(&self, id: u32) -> NonNull<u8> {
        // SAFETY: by the invariant of `Pool`, the block lies in its memory.
        unsafe { self.blocks.add(id as usize * self.stride as usize) }
    }

    /// # Safety
    /// As for [`block_start`](Self::block_start).
    #[inline(always)]
    unsafe fn bytes_of(&self, id: u32) -> NonNull<[MaybeUninit<u8>]> {
        // SAFETY: the caller's promise.
        let start = unsafe { self.block_start(id) };
        NonNull::slice_from_raw_parts(start.cast(), self.block_size())
    }
}

/// Without a cache: straight to the depot.
impl<'m> Pool<'m> {
    /// Takes one block. O(1): one compare-and-swap where the free stack has one, which is where blocks
    /// freed without a cache are; a block never handed out costs the counting of the peak besides, and
    /// where only full magazines are left, one is broken up, O([`magazine`](Self::magazine)).
    ///
    /// # Errors
    /// [`Exhausted`] if the depot has none; blocks in workers' caches do not count.
    #[inline]
    #[cfg_attr(feature = "audit", track_caller)]
    pub fn alloc(&self) -> Result<Block<'_>, Exhausted> {
        match self.take_one() {
            Some(id) => {
                self.note(id, AuditKind::Allocated);
                // SAFETY: the block was just taken from the depot.
                Ok(unsafe { Block::own(self, id) })
            }
            None => Err(self.exhausted(1, 0)),
        }
    }

    /// Gives a block back. Dropping it does the same; this tells a wrong pool.
    ///
    /// # Errors
    /// [`WrongPool`] with the block in it, if it came from another pool.
    #[inline]
    #[cfg_attr(feature = "audit", track_caller)]
    pub fn free<'p>(&self, block: Block<'p>) -> Result<(), WrongPool<Block<'p>>> {
        if block.is_of(self) {
            let id = block.disown();
            self.note(id, AuditKind::Freed);
            // SAFETY: the handle owned the block, and gave it up.
            unsafe { self.give_one(id) };
            Ok(())
        } else {
            self.count_refusal();
            Err(WrongPool(block))
        }
    }

    /// Takes `n` blocks, all or none: one compare-and-swap where the free stack holds them.
    ///
    /// # Errors
    /// [`AllocManyError::Exhausted`] if there are fewer, [`AllocManyError::TooMany`] if `n` is greater
    /// than `N`.
    ///
    /// ```
    /// use framepool::AllocManyError;
    ///
    /// framepool::pool!(static FRAMES: [64; 4]);
    ///
    /// assert_eq!(FRAMES.alloc_burst::<8>(4)?.len(), 4);
    /// match FRAMES.alloc_burst::<8>(9).unwrap_err() {
    ///     AllocManyError::TooMany { requested, limit } => assert_eq!((requested, limit), (9, 8)),
    ///     error => return Err(error),
    /// }
    /// # Ok::<(), AllocManyError>(())
    /// ```
    #[cfg_attr(feature = "audit", track_caller)]
    pub fn alloc_burst<const N: usize>(&self, n: usize) -> Result<Burst<'_, N>, AllocManyError> {
        if n > N {
            return Err(self.too_many(n, N));
        }
        let mut burst = self.take_burst(n);
        let taken = burst.len();
        if taken == n {
            burst.note(AuditKind::AllocatedInBurst);
            self.note_burst();
            return Ok(burst);
        }
        // What is given back was no allocation.
        self.uncount(taken);
        // SAFETY: the burst owned these blocks and gives them up.
        unsafe { self.give_many(burst.disown()) };
        self.note_burst();
        Err(self.exhausted(n, taken).into())
    }

    /// Takes up to `n` blocks (at most `N`), as many as there are, down to none.
    #[cfg_attr(feature = "audit", track_caller)]
    pub fn alloc_up_to<const N: usize>(&self, n: usize) -> Burst<'_, N> {
        let n = n.min(N);
        let burst = self.take_burst(n);
        if burst.is_empty() && n > 0 {
            self.exhausted(n, 0);
        }
        burst.note(AuditKind::AllocatedInBurst);
        self.note_burst();
        burst
    }

    /// Gives a burst back by one compare-and-swap. Dropping it does the same; this tells a wrong pool.
    ///
    /// # Errors
    /// [`WrongPool`] with the burst in it, if it came from another pool.
    #[cfg_attr(feature = "audit", track_caller)]
    pub fn free_burst<'p, const N: usize>(
        &self,
        mut burst: Burst<'p, N>,
    ) -> Result<(), WrongPool<Burst<'p, N>>> {
        if burst.is_of(self) {
            burst.note(AuditKind::Freed);
            // SAFETY: the burst owned the blocks, and gives them up.
            unsafe { self.give_many(burst.disown()) };
            Ok(())
        } else {
            self.count_refusal();
            Err(WrongPool(burst))
        }
    }

    fn take_burst<const N: usize>(&self, n: usize) -> Burst<'_, N> {
        let mut burst = Burst::new(self);
        let ids = burst.ids_mut().get_mut(..n).unwrap_or_default();
        let (taken, awaited) = self.take_many(ids);
        // SAFETY: `taken` indices were written, and their blocks pass to the burst.
        unsafe { burst.set_len(taken) };
        self.look_if(awaited);
        burst
    }
}

describe!(Pool<'_> as Pool { block_size, stride, capacity, stats });
