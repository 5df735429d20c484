//! A memory pool of fixed-size blocks over memory you own. Blocks are handed out and taken back in bounded
//! time, from any thread, core or interrupt.
//!
//! A [`Pool`] divides memory that the caller supplies (a static, a linker section, a slice, a hugepage
//! mapping) into blocks of one size. An allocation takes an index from a lock-free stack; dropping the
//! handle frees the block. A worker that allocates often uses a [`Cache`] of its own, where most operations
//! need no atomic instruction. Operations on blocks take no lock, make no system call and do not panic. Once
//! the memory is resident, they cause no page fault.
//!
//! ```
//! // 512 blocks of 2 KiB in .bss, ready without initialisation.
//! framepool::pool!(static FRAMES: [2048; 512]);
//!
//! let mut frame = FRAMES.alloc()?;
//! let header = frame.write(b"\x01\x00\x5e\x00\x00\x01")?;
//! assert_eq!(header[0], 1);
//! // Sending a block is moving it. Freeing it is dropping it, on any thread.
//! std::thread::spawn(move || drop(frame)).join().unwrap();
//! assert_eq!(FRAMES.stats().in_use, 0);
//! # Ok::<(), Box<dyn core::error::Error>>(())
//! ```
//!
//! # Which type do I want
//!
//! ## A pool and its blocks
//!
//! | you need | take |
//! |---|---|
//! | a pool in a `static`, on bare metal or hosted | [`pool!`], which declares a [`StaticPool`] |
//! | a pool over your own memory: a slice, a linker section, a device's mailbox | [`Pool::new`], [`Pool::from_parts`], [`Pool::from_raw`] |
//! | a pool in a test or a tool | [`Pool::allocate`] |
//! | one block | [`Block`], from [`Pool::alloc`] |
//! | a value in a block, with its destructor | [`PoolBox`], from [`Pool::alloc_value`] |
//! | many blocks that travel together | [`Burst`], from [`Pool::alloc_burst`] |
//! | a worker that allocates or frees millions of blocks per second | a [`Cache`] of its own, from [`Pool::cache`] |
//! | the same without a variable for the cache | [`Pool::local_alloc`], [`Pool::with_local`] |
//! | code that works with a pool, a reservation or a cache | [`BlockSource`] |
//! | a guaranteed quota of blocks | [`Reservation`], from [`Pool::reserve`] or [`Pool::reserve_in`] |
//! | to sleep until a block is free, or to be called when few are left | [`Pool::alloc_async`], [`Pool::on_low_water`] |
//! | to see how many blocks are in use, free and cached; to verify it | [`Pool::stats`], [`Pool::check`] |
//! | to find the code that leaked a block or freed it twice | [`Pool::report`] (feature `audit`) |
//! | a `Vec` or a `Box` whose memory is a block | `&Pool` as its `Allocator` (feature `allocator-api2`) |
//! | a `#[global_allocator]` with a pool in front | [`PoolAlloc`] |
//!
//! ## Drivers and DMA
//!
//! | you need | take |
//! |---|---|
//! | a pool in hugepages, prefaulted (Linux) | [`Pool::map`] |
//! | hugepages, and a report of what the kernel granted (Linux) | [`MappedRegion`], then [`Pool::over_mapping`] |
//! | a block and the part of it that holds a frame | [`Frame`], from [`Block::fill`] or [`Block::assume_init_range`] |
//! | to lend blocks to a device, and take them back by offset | [`Posted`] |
//! | to give a block to C, a device or a descriptor | [`Block::into_raw`], [`Block::into_id`], [`Block::offset`] |
//! | to take it back | [`Pool::block_from_raw`], [`Pool::block_from_id`], [`Pool::free_raw`]; [`Pool::reclaim_raw`] for all |
//! | contiguous pages | [`PageRun`], from [`PageRuns::alloc`] |
//! | physical addresses (Linux) | [`region::Iova`], [`region::PhysAddr::of`] |
//! | memory that several processes map (Linux) | [`SharedRegion`] |
//!
//! ## Beside the pool
//!
//! | you need | take |
//! |---|---|
//! | to pass blocks or other values to another core | [`ring::Ring`], [`ring::flags::Ring`] |
//! | to pass values to another process (Linux) | [`ring::SharedRing`] |
//! | to measure latency, tail percentiles included | [`time::HostClock`], [`time::Histogram`], [`time::Tracker`] |
//! | to classify a frame in a few ns | [`wire::summarize`] |
//! | to read or write one header | [`wire::Udp`], [`wire::UdpHeader`] and their like |
//! | to select frames | [`wire::Filter`] |
//! | the messages of an exchange feed | [`feed`]: ITCH, PITCH, XDP, FIX, and their framings |
//!
//! # Features
//!
//! | feature | what it adds |
//! |---|---|
//! | `std` (default) | pools that allocate their own memory; the current thread's caches |
//! | `mmap` | mappings: hugepages, prefault, locks, NUMA nodes, guard pages, sharing between processes (Linux) |
//! | `ring` | the single-producer, single-consumer ring |
//! | `time` | cycle clocks, histograms, latency by channel |
//! | `wire` | packet parsing, filters |
//! | `feed` | the messages of exchange feeds; enables `wire` |
//! | `critical-section` | pools on targets without compare-and-swap; no effect elsewhere |
//! | `defmt` | `defmt::Format` for every public type that exists without `std` |
//! | `allocator-api2` | `Allocator` for `&Pool`, on stable |
//! | `heapless` | bursts of handles into a `heapless::Vec`; needs Rust 1.87, as heapless does |
//! | `audit` | the owner of each block, since when, and its earlier events; needs `std` |
//! | `hdrhistogram` | conversion of histograms to and from the crate `hdrhistogram`; needs `std` |
//!
//! The unstable `Allocator` of `core` is implemented under `--cfg framepool_nightly`. This is not a feature,
//! so that `--all-features` builds on stable.
//!
//! With `default-features = false` the crate needs `core` alone. Features only add. The target, not a
//! feature, decides what implements the atomics.
//!
//! # What it promises
//!
//! - **Memory safety** from safe code, whatever is forgotten or leaked, and wherever a block is freed. A
//!   handle knows its pool, and every safe way back compares the pool.
//! - **O(1)** for every operation on one block, whatever the size of the pool. A burst takes O(its length).
//!   An exchange between a cache and the pool takes O(a magazine): at most 512 blocks, unless the pool was
//!   configured with larger magazines.
//! - **Lock-free**: if a thread or an interrupt handler is stopped at any point, the others still proceed.
//! - **No lost arguments**: a failed operation returns its argument and an error with the facts. A pool and a
//!   cache count what they refuse, and the requests that find too few blocks.
//!
//! # What it does not promise
//!
//! - That a block's bytes are zero. They are what the last owner or a device left there; the type of the
//!   bytes, [`MaybeUninit`](core::mem::MaybeUninit), says so.
//! - Wait-freedom. Under contention a compare-and-swap may have to be repeated.
//! - That a block freed by one worker is available to another at once. It may lie in the first worker's
//!   [`Cache`], which reports how many blocks it holds.
#![no_std]
#![cfg_attr(docsrs, feature(doc_cfg))]
#![cfg_attr(framepool_nightly, feature(allocator_api))]
// The front page links to types of every feature.
#![cfg_attr(
    not(all(
        feature = "audit",
        feature = "feed",
        feature = "mmap",
        feature = "ring",
        feature = "time",
        target_os = "linux"
    )),
    allow(rustdoc::broken_intra_doc_links)
)]

#[cfg(any(feature = "std", loom, test))]
extern crate std;

#[macro_use]
mod describe;
#[cfg(feature = "feed")]
pub mod feed;
pub mod pool;
pub mod region;
#[cfg(feature = "ring")]
pub mod ring;
mod sync;
#[cfg(loom)]
#[doc(hidden)]
pub use sync::counters::explore_counters;
#[cfg(feature = "time")]
pub mod time;
#[cfg(feature = "wire")]
pub mod wire;

#[cfg(all(feature = "mmap", target_os = "linux"))]
pub use pool::MapPoolError;
#[cfg(not(loom))]
pub use pool::{Align, AlignTo, StaticPool};
pub use pool::{
    AllocAsync, AllocManyError, AllocValueError, AllocValueReason, Block, BlockId, BlockSource,
    Burst, Cache, CacheStats, Census, CheckError, ConfigError, Exhausted, Frame, FrameError,
    FreeError, FreeErrorKind, FromIdsError, NoTailroom, Pool, PoolAlloc, PoolBox, PoolConfig,
    PoolLayout, Posted, PushError, Reservation, ReserveError, ResetError, Stats, Stride, TooLong,
    TooManyDevices, WrongPool,
};
#[cfg(feature = "audit")]
pub use pool::{AuditEvent, AuditHistory, AuditKind, AuditReport, AuditThread, Holding};
#[cfg(all(feature = "mmap", target_os = "linux", target_has_atomic = "64"))]
pub use region::SharedRegion;
#[cfg(all(feature = "mmap", target_os = "linux"))]
pub use region::{MapBuilder, MapError, MappedRegion, PageSize, RegionReport, Residency};
pub use region::{PageRun, PageRuns};

/// The examples of the README compile.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
mod readme {}
