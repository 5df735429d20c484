//! Packet buffers: blocks with headroom, metadata, chains, shared handles, and a way to a device and back.
//!
//! A [`PacketPool`] is a [`Pool`](crate::Pool) whose bytes are always initialised, and a metadata line of 64 bytes for
//! each block, out of band. A [`PacketBuf`] owns one packet:
//!
//! ```text
//!  handle                line, 64 bytes                      block
//!  ┌──────────────┐      ┌──────────────────────┐            ┌──────────┬─────────────────┬──────────┐
//!  │ pool  │ line ┼─────►│ count, block, ranges ┼───────────►│ headroom │ data            │ tailroom │
//!  └──────────────┘      │ PacketMeta           │            └──────────┴─────────────────┴──────────┘
//!   16 bytes             └──────────────────────┘             ◄──────────── window ────────────────►
//! ```
//!
//! The first lines of a pool are those of its blocks. *Side lines* follow. A packet that is split keeps its first bytes;
//! the rest gets a side line and the other half of the window, so that neither can reach the other's bytes. The block
//! is free when its last line is.
//!
//! | bytes of a line | what |
//! |---|---|
//! | 0..4 | number of handles of the line; in a block's own line also the number of side lines of the block |
//! | 4..8 | the block |
//! | 8..12 | the window: first byte, and the byte after the last |
//! | 12..16 | the data, in the window |
//! | 16..20 | the next line of a chain; in its last line, the number of segments |
//! | 20..24 | bytes of a chain, in its first line |
//! | 24..32 | [`timestamp`](PacketMeta::timestamp) |
//! | 32..40 | [`user`](PacketMeta::user) |
//! | 40..48 | [`flags`](PacketMeta::flags), [`hash`](PacketMeta::hash) or [`outer`](PacketMeta::outer) |
//! | 48..56 | [`port`](PacketMeta::port), [`queue`](PacketMeta::queue), [`vlan`](PacketMeta::vlan), [`outer_vlan`](PacketMeta::outer_vlan) |
//! | 56..64 | [`packet_type`](PacketMeta::packet_type), [`network_len`](PacketMeta::network_len), [`segment_size`](PacketMeta::segment_size), [`link_len`](PacketMeta::link_len), [`transport_len`](PacketMeta::transport_len) |
//!
//! # Who owns what
//! - [`PacketBuf`]: one packet, exclusively. Sending it to another core is moving it; dropping it frees it.
//! - [`Chain`]: packets in a list, as one value. A packet in a chain has no handle of its own, so none can be freed
//!   alone.
//! - [`Shared`], [`SharedChain`]: one of several handles that read the same packet or chain.
//! - [`PacketBurst`]: up to `N` packets, 4 bytes each.
//! - [`Blank`], [`RawBurst`]: blocks whose lines nobody has written yet: what a driver posts for reception.
//!
//! # Packets and messages from one region
//! Divide the region, and make two pools:
//!
//! ```
//! use core::mem::MaybeUninit;
//! use framepool::packet::{PacketConfig, PacketPool};
//! use framepool::{Pool, PoolConfig};
//!
//! let mut region = [MaybeUninit::uninit(); 64 * 1024];
//! let (first, rest) = region.split_at_mut(48 * 1024);
//! let packets = PacketPool::new(first, PacketConfig::fill(2048))?;
//! let messages = Pool::new(rest, PoolConfig::fill(64))?;
//! assert!(packets.capacity() >= 20 && messages.capacity() >= 200);
//! # Ok::<(), Box<dyn core::error::Error>>(())
//! ```
//!
//! # Packets for transmission alone
//! A [`PacketReservation`] has packets that reception cannot take: see [`PacketPool::reserve_in`].
//!
//! # Cost
//! A new packet writes its whole line, and reads nothing else: no atomic instruction with a [`PacketCache`]. To free a
//! packet, one word of the line is read. A packet that was never shared or split costs no atomic instruction.

// | file | what |
// |---|---|
// | `line`, `meta` | the 64 bytes |
// | `config`, `homes`, `statics`, `static_shape` | making pools |
// | `pool`, `cache`, `source`, `reserve` | allocation |
// | `segment` | reading and changing a packet: what all handles share |
// | `buf`, `burst`, `raw`, `shared`, `chain`, `shared_chain` | the handles |
// | `unlinked` | the packets of a chain by value |
// | `external` | memory of others |
// | `dma` | to a device and back |
// | `private` | the user's own data for each packet |
// | `io`, `bytes` | traits of others |

#[macro_use]
mod segment;

mod buf;
mod burst;
#[cfg(feature = "bytes")]
mod bytes;
mod cache;
mod chain;
mod config;
mod dma;
mod error;
mod external;
mod homes;
#[cfg(feature = "std")]
mod io;
mod line;
mod meta;
mod pool;
mod private;
mod raw;
#[cfg(not(loom))]
mod reserve;
mod shared;
mod shared_chain;
mod source;
#[cfg(not(loom))]
mod static_shape;
#[cfg(not(loom))]
mod statics;
mod unlinked;

pub use buf::PacketBuf;
pub use burst::{PacketBurst, PacketBurstIntoIter, PacketMut};
pub use cache::PacketCache;
pub use chain::{Chain, PacketRef, Segments};
pub use config::{PacketConfig, PacketLayout};
pub use dma::{
    CacheMaintenance, Coherent, CompletionFault, Descriptor, Direction, DmaError, InFlight,
    QueueStats, RxQueue, TxQueue,
};
pub use error::{
    ChainError, NoRoom, PacketPoolError, PastEnd, RangeError, Refused, SplitError, TooManyShares,
};
pub use external::{AttachError, ExternalMemory};
#[cfg(all(feature = "mmap", target_os = "linux"))]
pub use homes::MapPacketPoolError;
#[cfg(feature = "std")]
pub use io::ChainWriter;
pub use meta::{ChecksumState, OuterHeaders, PacketFlags, PacketMeta, PacketType, Tunnel};
pub use pool::{FromBytesError, PacketCensus, PacketPool, PacketStats};
pub use private::{ExclusiveKey, Key, PrivateData, TooFewValues};
pub use raw::{Blank, RawBurst};
#[cfg(not(loom))]
pub use reserve::{PacketReservation, PacketReserveError};
pub use shared::Shared;
pub use shared_chain::SharedChain;
pub use source::PacketSource;
#[cfg(not(loom))]
pub use static_shape::{PacketPoolOptions, WrongPackets};
#[cfg(not(loom))]
pub use statics::{StaticPacketPool, static_packet_pool};
