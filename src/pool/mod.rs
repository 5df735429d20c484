//! Fixed-size blocks in memory that the caller supplies.
//!
//! A [`Pool`] is an immutable descriptor of 32 bytes (24 on 32-bit targets). It describes one region with the
//! blocks and, beside them, the metadata. The metadata of an empty pool is all zeros.
//!
//! ```text
//!  descriptor           region
//!  ┌──────────┐         ┌────────────────────────────────┬────────┬────────────┬───────────────┐
//!  │ blocks ──┼────────►│ block 0 │ block 1 │ … │ block n │ header │ links      │ magazines     │
//!  │ header ──┼───────┐ └────────────────────────────────┴────────┴────────────┴───────────────┘
//!  │ shape    │       └─────────────────────────────────►   const    4 B / block  4 B / block
//!  └──────────┘
//! ```
//!
//! A block is in exactly one place at a time:
//!
//! ```text
//!                      ┌───────────────────── depot ─────────────────────┐
//!   never allocated    │   free stack           full magazines           │
//!   (frontier) ────────┼──► one CAS a block      one CAS a magazine      │
//!                      └──────▲ │ ───────────────────▲ │ ────────────────┘
//!                  drop, free │ │ alloc        flush │ │ refill
//!                             │ ▼                    │ ▼
//!                          Block, Burst  ◄──────►  Cache (one worker's own, no atomics)
//!                             │ ▲
//!                    into_raw ▼ │ from_raw, free_raw
//!                          raw block (a pointer or an index outside of the pool)
//! ```
//!
//! Ownership: the pool owns the free blocks. A [`Block`], [`Burst`] or [`PoolBox`] owns the blocks that it
//! names. A [`Cache`] owns the free blocks in it. Dropping a handle frees its blocks.
//!
//! # How long interrupts are off
//!
//! Targets with compare-and-swap never mask interrupts. Others (`thumbv6m`, `riscv32imc`) do, once per step, with the
//! feature `critical-section`. The table has the most instructions between masking and unmasking, in situations that
//! make each operation long: blocks never used, in the stack, in magazines; an exhausted pool. They were counted on
//! `thumbv6m`, optimised for speed, in QEMU; `cd tests/placement && cargo test --release --test masked` counts them and
//! fails if this table differs. A Cortex-M0 needs one to three cycles for most instructions.
//!
//! | operation | `caches = false` | magazines of 8 | magazines of 512 |
//! |---|---|---|---|
//! | [`Pool::alloc`] | 217 | 627 | 9755 |
//! | drop of a [`Block`], [`Pool::free`] | 69 | 69 | 69 |
//! | [`Pool::alloc_burst`] of 32 | 458 | 1085 | 458 |
//! | drop of a [`Burst`] of 32 | 287 | 287 | 287 |
//! | [`Cache::alloc`] | 302 | 597 | 8867 |
//! | [`Cache::free`] | 259 | 393 | 2031 |
//! | bursts of 32 from and to a [`Cache`] | 304 | 365 | 472 |
//! | drop of a [`Cache`], [`Cache::flush`] | 259 | 405 | 4563 |
//! | [`Block::into_raw`], [`Pool::free_raw`] | 61 | 61 | 61 |
//! | [`Posted::post`], [`Posted::take`] | 11 | 11 | 11 |
//! | [`Pool::alloc_async`], polled | 217 | 217 | 217 |
//! | [`Pool::stats`] | 0 | 0 | 0 |
//!
//! An allocation that finds the stack empty takes a magazine and moves the rest of it to the stack: about 18 instructions
//! for each index. Where interrupts must not wait that long, use `caches = false`, or a small
//! [`magazine`](PoolConfig::magazine). Wakers and callbacks run with interrupts on.

// | file | what |
// |---|---|
// | `config` | the requested shape, and the checked layout |
// | `id` | the name of a block |
// | `geometry`, `meta` | sizes; the place of header, links and magazines |
// | `depot` | the lock-free stack and frontier; magazines; the tagged words |
// | `direct` | allocation without a cache |
// | `block`, `frame`, `burst`, `boxed`, `raw` | the handles that users hold |
// | `posted` | blocks lent to a device |
// | `source` | one interface over pool, reservation and cache |
// | `cache` | a worker's own cache |
// | `waiting`, `low_water` | waiting for a block; the callback for few blocks left |
// | `reserve` | pools over blocks of a pool |
// | `homes`, `statics`, `owner`, `mapped` | making pools: in the caller's memory, in statics, in memory that they own |
// | `leaked` | the memory of dropped pools that a device may still use |
// | `umem`, `iova` | a pool as UMEM; the physical addresses of blocks |
// | `by_layout`, `allocator`, `cache_cell`, `global_alloc` | memory of any layout that fits a block |
// | `finder` | names of blocks from their addresses |
// | `local` | the caches of the current thread |
// | `stats`, `check`, `reset` | statistics; the check of all blocks; the way back to an empty pool |
// | `audit` | owners and histories of blocks |
// | `error` | the errors |

// First, because rustdoc lists the methods of `Pool` in the order of the modules.
mod direct;
mod homes;

#[cfg(any(feature = "allocator-api2", framepool_nightly))]
mod allocator;
#[cfg(feature = "audit")]
mod audit;
#[cfg(not(feature = "audit"))]
#[path = "audit/off.rs"]
mod audit;
pub(crate) mod block;
mod boxed;
pub(crate) mod burst;
mod by_layout;
pub(crate) mod cache;
#[cfg(any(feature = "allocator-api2", framepool_nightly))]
mod cache_cell;
mod check;
pub(crate) mod config;
pub(crate) mod depot;
pub(crate) mod error;
#[cfg(any(
    all(feature = "std", not(loom)),
    feature = "allocator-api2",
    framepool_nightly
))]
mod finder;
pub(crate) mod frame;
pub(crate) mod geometry;
mod global_alloc;
pub(crate) mod id;
#[cfg(all(feature = "mmap", target_os = "linux"))]
mod iova;
#[cfg(feature = "std")]
mod leaked;
#[cfg(feature = "std")]
mod local;
mod low_water;
#[cfg(all(feature = "mmap", target_os = "linux"))]
mod mapped;
pub(crate) mod meta;
#[cfg(feature = "std")]
pub(crate) mod owner;
pub(crate) mod posted;
mod raw;
pub(crate) mod reserve;
mod reset;
pub(crate) mod source;
#[cfg(not(loom))]
pub(crate) mod static_shape;
#[cfg(not(loom))]
pub(crate) mod statics;
pub(crate) mod stats;
#[cfg(all(feature = "mmap", target_os = "linux"))]
mod umem;
mod waiting;

use core::marker::PhantomData;
use core::mem::MaybeUninit;
use core::ptr::NonNull;

#[cfg(feature = "audit")]
pub use audit::{AuditEvent, AuditHistory, AuditKind, AuditReport, AuditThread, Holding};
pub use block::Block;
pub use boxed::PoolBox;
pub use burst::{Burst, BurstIntoIter, FromIdsError};
pub use cache::Cache;
#[cfg(any(feature = "allocator-api2", framepool_nightly))]
pub use cache_cell::CacheCell;
pub use check::Census;
pub use config::{PoolConfig, PoolLayout, Stride};
pub use error::{
    AllocManyError, AllocValueError, AllocValueReason, CheckError, ConfigError, Exhausted,
    FreeError, FreeErrorKind, PushError, ReserveError, ResetError, TooLong, WrongPool,
};
pub use frame::{Frame, FrameError, NoTailroom};
#[cfg(loom)]
pub use global_alloc::registry::Claims;
#[cfg(all(feature = "std", not(loom)))]
pub use global_alloc::{CachedAllocs, SizeClass, SizeProfile};
pub use global_alloc::{InstallError, Late, PoolAlloc, PoolAllocs};
pub use id::BlockId;
#[cfg(feature = "std")]
pub use leaked::Leaked;
#[cfg(all(feature = "mmap", target_os = "linux"))]
pub use mapped::{MapPoolError, OverMappingError};
pub use posted::{Posted, TooManyDevices};
pub use reserve::Reservation;
pub use source::BlockSource;
#[cfg(not(loom))]
pub use static_shape::{Message, StaticShape, WrongShape};
#[cfg(not(loom))]
pub use statics::{Align, AlignTo, StaticPool, static_pool};
pub use stats::{CacheStats, Stats};
#[cfg(all(feature = "mmap", target_os = "linux"))]
pub use umem::{Umem, UmemError};
pub use waiting::{AllocAsync, MAX_WAITERS};

use depot::Depot;

/// Fixed-size blocks, allocated and freed in bounded time from any thread, core or interrupt.
///
/// | memory | made by | properties |
/// |---|---|---|
/// | a static | [`pool!`](crate::pool!) | in `.bss`; usable before `main`, without a set-up call |
/// | the caller's | [`Pool::new`], [`Pool::from_parts`], [`Pool::from_raw`] | any region, aligned or not |
/// | a mapping | `Pool::map`, `Pool::over_mapping` (feature `mmap`) | hugepages; the pool owns it |
/// | an allocation | `Pool::allocate` (feature `std`) | the pool owns it |
///
/// Every operation on blocks is O(1) (on bursts: O(number of blocks)), makes no system call, takes no lock
/// on targets with compare-and-swap, and does not panic. Without a cache, an allocation or a free is one
/// compare-and-swap on a shared word. A worker that allocates often should use a [`Cache`].
///
/// Not guaranteed: that the bytes of a block are zero; or that a block freed by one worker is available to
/// another at once, because it may be in the first worker's cache.
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
//
// Invariants:
// - `blocks` points at `capacity` blocks of `stride` bytes (the last of `block_size`), valid for the
//   life of the pool and aligned to `2^align_log2`. Each is accessed through the handle that owns it only.
// - Every index in the metadata is less than the capacity, and in one place.
//
// The depot first, so that it has the pool's address.
#[repr(C)]
pub struct Pool<'m> {
    depot: Depot,
    blocks: NonNull<u8>,
    block_size: u32,
    stride: u32,
    _memory: PhantomData<&'m mut [MaybeUninit<u8>]>,
}

const _: () = assert!(size_of::<Pool<'_>>() == 16 + 2 * size_of::<usize>());

// SAFETY: the pool's memory is valid in every thread; the header and links are atomics, and a block's bytes
// are accessed through the one handle that owns it.
unsafe impl Send for Pool<'_> {}
// SAFETY: as above; everything that takes `&self` goes through atomics.
unsafe impl Sync for Pool<'_> {}

impl<'m> Pool<'m> {
    /// Number of blocks in the pool. In a [`Reservation`]: the highest index of its blocks plus one.
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

    /// Number of indices that move between a [`Cache`] and the depot at once; 0 without magazines.
    #[inline]
    pub const fn magazine(&self) -> usize {
        self.depot.magazine as usize
    }

    /// A pointer to the first byte of the first block.
    #[inline]
    pub const fn blocks_ptr(&self) -> NonNull<u8> {
        self.blocks
    }

    /// Bytes from the start of the first block to the end of the last: the length to register with a UMEM or an
    /// IOMMU.
    #[inline]
    pub const fn blocks_len(&self) -> usize {
        (self.capacity() - 1) * self.stride() + self.block_size()
    }

    /// Bytes of the region that the pool does not use: before its first aligned byte, between the blocks and the
    /// metadata, and after the metadata.
    pub fn slack(&self) -> usize {
        self.header().cold.slack
    }

    /// A cache of the default size. [`Cache::new`] makes caches of other sizes.
    pub fn cache(&self) -> Cache<'_> {
        Cache::new(self)
    }

    /// Whether the address is in a block of this pool.
    pub fn contains(&self, ptr: *const u8) -> bool {
        self.place_of(ptr.addr()).is_some()
    }

    /// The block that contains the byte at `offset` from the start of the first block. `offset` may be the address
    /// in an AF_XDP descriptor, including headroom. `None` for the padding and outside of the pool.
    pub fn id_at_offset(&self, offset: usize) -> Option<BlockId> {
        let id = offset.checked_div(self.stride())?;
        let inside = offset - id * self.stride() < self.block_size();
        (id < self.capacity() && inside).then_some(BlockId(id as u32))
    }

    /// Bytes from the start of the first block to the start of this one: the address for a descriptor. `None` if
    /// the pool has no such block. [`id_at_offset`](Self::id_at_offset) is the inverse.
    pub fn offset_of(&self, id: BlockId) -> Option<usize> {
        (id.index() < self.capacity()).then(|| id.index() * self.stride())
    }

    /// The block that contains an address, and the offset in the block.
    pub(crate) fn place_of(&self, addr: usize) -> Option<(BlockId, usize)> {
        let offset = addr.checked_sub(self.blocks.addr().get())?;
        let id = self.id_at_offset(offset)?;
        Some((id, offset - id.index() * self.stride()))
    }

    /// # Safety
    /// `id` is less than the capacity.
    #[inline(always)]
    pub(crate) unsafe fn block_start(&self, id: u32) -> NonNull<u8> {
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
