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
//! | to see what was leaked because a device still had blocks | [`Pool::leaked`] |
//! | a `Vec` or a `Box` whose memory is a block | `&Pool` as its `Allocator` (feature `allocator-api2`) |
//! | the same without an atomic, for collections of one thread | `&`[`CacheCell`] (feature `allocator-api2`) |
//! | a `#[global_allocator]` with a pool in front | [`PoolAlloc`]; with a pool that is mapped later: [`PoolAlloc::late`] |
//! | one with pools of several sizes | [`PoolAllocs`] |
//! | the same with thread caches, and counts of requests by size | [`CachedAllocs`], [`SizeProfile`] |
//! | a pool that lives to the end of the process | [`Pool::leak`] |
//! | memory of any size from regions you own; a `#[global_allocator]` on bare metal | [`heap::Heap`], [`heap!`] |
//! | the same for a program with threads | [`heap::ThreadHeap`], [`thread_heap!`] |
//! | to find double frees, overruns and uses after free in either | [`heap::Hardened`] (feature `hardened`) |
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
//! | the UMEM of AF_XDP sockets (Linux) | [`PoolConfig::umem`], checked by [`Pool::umem`] |
//! | contiguous pages | [`PageRun`], from [`PageRuns::alloc`] |
//! | physical addresses (Linux) | [`Pool::iova`], [`Block::iova`]; [`region::Iova`], [`region::PhysAddr::of`] |
//! | memory that several processes map (Linux) | [`SharedRegion`] |
//!
//! ## Packets
//!
//! | you need | take |
//! |---|---|
//! | packets with headroom and metadata, as DPDK's mbufs | [`packet_pool!`], or a [`packet::PacketPool`] over your own memory |
//! | one packet; many that travel together | [`packet::PacketBuf`]; [`packet::PacketBurst`] |
//! | a packet of several blocks | [`packet::Chain`] |
//! | a packet or a chain that several receivers read | [`packet::Shared`], [`packet::SharedChain`] |
//! | a worker that allocates or frees millions of packets per second | a [`packet::PacketCache`] of its own |
//! | packets for transmission that reception cannot take | [`packet::PacketReservation`] |
//! | to give packets to a device and get them back | [`packet::RxQueue`], [`packet::TxQueue`]; [`packet::InFlight`] for one |
//! | a driver that knows the facts only at completion | [`packet::RawBurst`], [`packet::Blank`] |
//! | data of your own for each packet | [`packet::PrivateData`] |
//!
//! ## Beside the pool
//!
//! | you need | take |
//! |---|---|
//! | to pass blocks or other values to another core | [`ring::Ring`], [`ring::flags::Ring`] |
//! | an interrupt that takes its own end of a ring | [`ring::Ring::producer`], [`ring::Ring::consumer`] |
//! | to read how full a ring is, from elsewhere | [`ring::Observer`] |
//! | to pass values to another process (Linux) | [`ring::SharedRing`], for types that are [`ring::Plain`] |
//! | [`ring::Plain`] for a type that `bytemuck` or `zerocopy` vouches for | [`plain!`] |
//! | to show that a thread takes no page fault (Linux) | [`region::FaultCounter`] |
//! | to measure latency, tail percentiles included | [`time::HostClock`], [`time::Histogram`], [`time::Tracker`] |
//! | to classify a frame in a few ns | [`wire::summarize`] |
//! | to answer a frame in place | [`wire::Summary::swap_ends`], [`wire::Summary::echo_reply`], [`wire::ArpHeader::reply`] |
//! | to read or write one header | [`wire::Udp`], [`wire::UdpHeader`] and their like |
//! | to select frames | [`wire::Filter`] |
//! | to publish statistics to Prometheus or another system | [`adapters::metrics`] (feature `metrics`) |
//! | a TCP/IP stack over packet pools, without a copy | [`adapters::smoltcp`] (feature `smoltcp`); with one: [`adapters::xarxa_driver`] |
//! | the messages of an exchange feed | [`feed`]: ITCH, PITCH, XDP, FIX, and their framings |
//!
//! # Features
//!
//! | feature | what it adds |
//! |---|---|
//! | `std` (default) | pools that allocate their own memory; the current thread's caches, also in a global allocator |
//! | `mmap` | mappings: hugepages, prefault, locks, NUMA nodes, guard pages, sharing between processes (Linux) |
//! | `ring` | the single-producer, single-consumer ring |
//! | `time` | cycle clocks, histograms, latency by channel |
//! | `packet` | packet buffers; enables `wire` |
//! | `bytes` | packets as `bytes::Bytes`, `Buf` and `BufMut`; enables `packet` |
//! | `wire` | packet parsing, filters |
//! | `feed` | the messages of exchange feeds; enables `wire` |
//! | `heap` | the heap: memory of any size |
//! | `hardened` | heaps that find the mistakes of their callers; enables `heap` |
//! | `spin` | the crate `spin` as a lock of heaps; needs compare-and-swap |
//! | `critical-section` | pools on targets without compare-and-swap, with no effect elsewhere; a lock of heaps |
//! | `defmt` | `defmt::Format` for every public type that exists without `std` |
//! | `allocator-api2` | `Allocator` for `&Pool` and `&CacheCell`, on stable |
//! | `heapless` | bursts of handles into a `heapless::Vec`; needs Rust 1.87, as heapless does |
//! | `metrics` | statistics as metrics of the crate `metrics`; needs `std` |
//! | `smoltcp` | packet pools under the TCP/IP stack smoltcp; enables `packet`; needs Rust 1.91, as smoltcp does |
//! | `xarxa-driver` | packet pools under xarxa, the TCP/IP stack of embassy-net; enables `packet`; needs Rust 1.95, as that crate does |
//! | `audit` | the owner of each block, since when, and its earlier events; needs `std` |
//! | `hdrhistogram` | conversion of histograms to and from the crate `hdrhistogram`; needs `std` |
//! | `bytemuck`, `zerocopy` | `plain!`: types that these crates vouch for in rings between processes; enable `mmap` and `ring` |
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
        feature = "allocator-api2",
        feature = "audit",
        any(feature = "bytemuck", feature = "zerocopy"),
        feature = "feed",
        feature = "heap",
        feature = "metrics",
        feature = "mmap",
        feature = "packet",
        feature = "ring",
        feature = "smoltcp",
        feature = "time",
        feature = "xarxa-driver",
        target_os = "linux"
    )),
    allow(rustdoc::broken_intra_doc_links)
)]

#[cfg(any(feature = "std", loom, test))]
extern crate std;

#[macro_use]
mod describe;
#[cfg(any(feature = "metrics", feature = "smoltcp", feature = "xarxa-driver"))]
pub mod adapters;
#[cfg(feature = "feed")]
pub mod feed;
#[cfg(feature = "heap")]
pub mod heap;
#[cfg(feature = "packet")]
pub mod packet;
pub mod pool;
pub mod region;
#[cfg(feature = "ring")]
pub mod ring;
mod sync;
#[cfg(loom)]
#[doc(hidden)]
pub use pool::Claims;
#[cfg(loom)]
#[doc(hidden)]
pub use sync::counters::explore_counters;
#[cfg(loom)]
#[doc(hidden)]
pub use thread_gate::{Gate, heavy_fence};
#[cfg(any(loom, all(feature = "std", feature = "heap", feature = "spin")))]
mod thread_gate;
#[cfg(all(feature = "std", not(loom)))]
mod thread_slot;
#[cfg(feature = "time")]
pub mod time;
#[cfg(feature = "wire")]
pub mod wire;

#[cfg(any(feature = "allocator-api2", framepool_nightly))]
pub use pool::CacheCell;
#[cfg(feature = "std")]
pub use pool::Leaked;
#[cfg(not(loom))]
pub use pool::{Align, AlignTo, StaticPool};
pub use pool::{
    AllocAsync, AllocManyError, AllocValueError, AllocValueReason, Block, BlockId, BlockSource,
    Burst, Cache, CacheStats, Census, CheckError, ConfigError, Exhausted, Frame, FrameError,
    FreeError, FreeErrorKind, FromIdsError, InstallError, Late, NoTailroom, Pool, PoolAlloc,
    PoolAllocs, PoolBox, PoolConfig, PoolLayout, Posted, PushError, Reservation, ReserveError,
    ResetError, Stats, Stride, TooLong, TooManyDevices, WrongPool,
};
#[cfg(feature = "audit")]
pub use pool::{AuditEvent, AuditHistory, AuditKind, AuditReport, AuditThread, Holding};
#[cfg(all(feature = "std", not(loom)))]
pub use pool::{CachedAllocs, SizeClass, SizeProfile};
#[cfg(all(feature = "mmap", target_os = "linux"))]
pub use pool::{MapPoolError, OverMappingError, Umem, UmemError};
#[cfg(all(feature = "mmap", target_os = "linux", target_has_atomic = "64"))]
pub use region::SharedRegion;
#[cfg(all(feature = "mmap", target_os = "linux"))]
pub use region::{MapBuilder, MapError, MappedRegion, PageSize, RegionReport, Residency};
pub use region::{PageRun, PageRuns};

/// The examples of the README compile.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
mod readme {}
