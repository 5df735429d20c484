//! Fixed blocks over memory you own: handed out and taken back in bounded time, from any thread, core or
//! interrupt.
//!
//! A [`Pool`] divides memory that the caller supplies (a static, a linker section, a slice, a hugepage
//! mapping) into blocks of one size. Allocating is taking an index off a lock-free stack; freeing is
//! dropping the handle. A worker that does so often takes a [`Cache`] and pays no atomic at all. Nothing
//! faults, locks, calls the system or panics on the way.
//!
//! ```
//! // 512 blocks of 2 KiB in .bss: there is nothing to initialise.
//! framepool::pool!(static FRAMES: [2048; 512]);
//!
//! let mut frame = FRAMES.alloc()?;
//! let header = frame.write(b"\x01\x00\x5e\x00\x00\x01")?;
//! assert_eq!(header[0], 1);
//! // Sending is moving, freeing is dropping, on whichever thread.
//! std::thread::spawn(move || drop(frame)).join().unwrap();
//! assert_eq!(FRAMES.stats().in_use, 0);
//! # Ok::<(), Box<dyn core::error::Error>>(())
//! ```
//!
//! # Which type do I want
//!
//! | I have, or want | take |
//! |---|---|
//! | a pool in a `static`, on bare metal or hosted | [`pool!`], which declares a [`StaticPool`] |
//! | memory of my own: a slice, a linker section, a mailbox of a device | [`Pool::new`], [`Pool::from_parts`], [`Pool::from_raw`] |
//! | hugepages, prefaulted, and the truth about what I got (Linux) | `Pool::map`, or `MappedRegion` and `Pool::over_mapping` |
//! | a pool in a test or a tool | `Pool::allocate` |
//! | one block | [`Block`], from [`Pool::alloc`] |
//! | a value of mine in a block, destructor and all | [`PoolBox`], from [`Pool::alloc_value`] |
//! | 32 blocks that travel together | [`Burst`] |
//! | to sleep until there is a block, or to be told that few are left | [`Pool::alloc_async`], [`Pool::on_low_water`] |
//! | blocks that nobody else can use up | a [`Reservation`], from [`Pool::reserve_in`] or `Pool::reserve` |
//! | a worker that allocates or frees millions a second | a [`Cache`] of its own |
//! | to hand a block to C, a device, a descriptor | [`Block::into_raw`], [`Block::into_id`], [`Block::offset`], and back by [`Pool::free_raw`] or [`Pool::block_from_raw`] |
//! | memory that two processes share (Linux) | `SharedRegion` |
//! | pages that follow each other, for DMA | a [`PageRun`], from [`PageRuns::alloc`] |
//! | a `Vec` or a `Box` whose memory is a block | `&Pool` as its `Allocator` (feature `allocator-api2`) |
//! | what fits a block to come from a pool, and everything else from elsewhere | [`PoolAlloc`] as the `#[global_allocator]` |
//! | a cache without carrying one around | `Pool::with_local`, `Pool::local_alloc` |
//! | to know where the blocks are | [`Pool::stats`]; [`Pool::check`] proves it |
//! | to know who leaked one, or freed it twice | `Pool::report` (feature `audit`) |
//! | blocks, or anything else, on another core | a `ring::Ring` (feature `ring`) |
//! | to know what that took, and at the 99.9th percentile | `time::HostClock`, `time::Histogram`, `time::Tracker` (feature `time`) |
//! | to know what a frame is, at the price of a few ns | `wire::summarize` (feature `wire`) |
//! | only some frames | a `wire::Filter` |
//! | the messages of an exchange's feed | `feed`: ITCH, PITCH, XDP, FIX, and their framings |
//!
//! # Features
//!
//! | feature | what |
//! |---|---|
//! | `std` (default) | pools that allocate their own memory; the current thread's caches |
//! | `mmap` | mappings: hugepages, prefault, locks, NUMA nodes, guard pages, sharing between processes (Linux) |
//! | `ring` | the single-producer, single-consumer ring |
//! | `time` | cycle clocks, histograms, latency by venue |
//! | `wire` | packet parsing, filters |
//! | `feed` | exchange feeds; enables `wire` |
//! | `critical-section` | backs the depot on targets without compare-and-swap; no effect elsewhere |
//! | `defmt` | `defmt::Format` for every public type |
//! | `allocator-api2` | `Allocator` for `&Pool`, on stable |
//! | `heapless` | bursts of handles into a `heapless::Vec`; needs Rust 1.87, as heapless does |
//! | `audit` | who holds which block since when, and what happened to it before; needs `std` |
//! | `hdrhistogram` | histograms to and from the crate of that name; needs `std` |
//!
//! The unstable `Allocator` of `core` is implemented under `--cfg framepool_nightly`, which is no feature:
//! all features together build on stable.
//!
//! With `default-features = false` the crate needs `core` alone. Features only add. What backs the
//! atomics follows the target, never a feature.
//!
//! # What it promises, and what not
//!
//! - Memory safety from safe code, whatever is forgotten, leaked or freed where. Handles know their pool,
//!   and every way back compares it.
//! - O(1) for every operation on one block, whatever the size of the pool; bursts take O(their length),
//!   and meetings with the depot O(a magazine), at most 512 blocks unless asked for more.
//!   Lock-free: whatever a thread or an interrupt was stopped in the middle of, the others go on.
//! - A failed operation gives its argument back and says why with the facts. What a pool or a cache
//!   refuses, and requests that find too few blocks, are counted.
//! - Not that a block's bytes are zero: they are what its last owner, or a device, left there, and
//!   [`MaybeUninit`](core::mem::MaybeUninit) says so.
//! - Not wait-freedom: a compare-and-swap may have to be repeated under contention.
//! - Not that a block freed by one worker can be had by another at once: it may be in the first one's
//!   [`Cache`], which says how many it hides.
#![no_std]
#![cfg_attr(docsrs, feature(doc_cfg))]
#![cfg_attr(framepool_nightly, feature(allocator_api))]

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
    AllocAsync, AllocManyError, AllocValueError, AllocValueReason, Block, BlockId, Burst, Cache,
    CacheStats, Census, CheckError, ConfigError, Exhausted, FreeError, FreeErrorKind, Pool,
    PoolAlloc, PoolBox, PoolConfig, PoolLayout, PushError, Reservation, ReserveError, ResetError,
    Stats, Stride, TooLong, WrongPool,
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
