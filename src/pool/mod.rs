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
//! | `geometry`, `meta` | sizes; where header, links and magazines lie |
//! | `depot` | the lock-free stack and frontier; magazines; the tagged words and what their tags are good for |
//! | `direct` | allocating and freeing without a cache |
//! | `block`, `burst`, `boxed`, `raw` | what users hold |
//! | `cache` | the per-worker front |
//! | `pressure` | waiting for a block, being told that few are left |
//! | `reserve` | pools over blocks of a pool |
//! | `homes`, `statics`, `owner` | statics, the caller's memory, memory that the pool owns |
//! | `layouts`, `allocator`, `global` | memory of any layout that fits a block |
//! | `local` | the current thread's caches |
//! | `stats`, `check` | what is where, and the proof of it |
//! | `audit` | who holds what, and what happened before |

// First, so that its methods are the first on the page of `Pool`.
mod direct;

#[cfg(any(feature = "allocator-api2", framepool_nightly))]
mod allocator;
mod audit;
mod block;
mod boxed;
mod burst;
mod cache;
mod check;
pub(crate) mod config;
pub(crate) mod depot;
pub(crate) mod geometry;
mod global;
mod homes;
mod layouts;
#[cfg(feature = "std")]
mod local;
pub(crate) mod meta;
#[cfg(feature = "std")]
mod owner;
mod pressure;
mod raw;
mod reserve;
#[cfg(not(loom))]
mod statics;
mod stats;

use core::marker::PhantomData;
use core::mem::MaybeUninit;
use core::ptr::NonNull;

#[cfg(feature = "audit")]
pub use audit::{AuditEvent, AuditHistory, AuditKind, AuditReport, AuditThread, Holding};
pub use block::{Block, BlockId};
pub use boxed::PoolBox;
pub use burst::{Burst, IntoIter};
pub use cache::Cache;
pub use check::Census;
pub use config::{PoolConfig, PoolLayout, Stride};
use depot::Depot;
pub use global::PoolAlloc;
pub use pressure::{AllocAsync, WAITERS};
pub use reserve::Reservation;
#[cfg(not(loom))]
pub use statics::{Align, AlignTo, StaticPool};
#[cfg(not(loom))]
#[doc(hidden)]
pub use statics::{static_align, static_pool, static_stride};
pub use stats::{CacheStats, Stats};

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
/// - `blocks` points at `capacity` blocks of `stride` bytes (the last of `block_size`), valid for the
///   life of the pool, aligned to `2^align_log2`, reached through the handle that owns each only.
/// - Every index in the metadata is below the capacity, and in one place.
// The depot first, so that it has the pool's address.
#[repr(C)]
pub struct Pool<'m> {
    depot: Depot,
    blocks: NonNull<u8>,
    block_size: u32,
    stride: u32,
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
    /// Blocks in the pool. In a [`Reservation`], one more than the highest name of its blocks.
    #[inline]
    pub const fn capacity(&self) -> usize {
        self.depot.capacity() as usize
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
        1 << self.depot.align_log2
    }

    /// Indices that move between a [`Cache`] and the depot at once; 0 without magazines.
    #[inline]
    pub const fn magazine(&self) -> usize {
        self.depot.magazine as usize
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

describe!(Pool<'_> as Pool { block_size, stride, capacity, stats });
