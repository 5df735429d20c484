//! Packet buffers.
#![allow(missing_docs)]
#![cfg(feature = "std")]

mod behaviours;
mod chains;
mod dma;
mod edges;
mod mapped;
mod model;
mod reserve;
mod shared;
pub mod statics;
mod threads;
mod traits;
mod unwinding;

use framepool::packet::{PacketConfig, PacketPool};

/// A pool of packets for one test.
fn pool(size: usize, count: usize) -> PacketPool<'static> {
    PacketPool::allocate(PacketConfig::new(size, count)).expect("a valid shape")
}

/// Blocks and side lines in use.
fn in_use(packets: &PacketPool<'_>) -> (u64, u64) {
    let stats = packets.stats();
    (
        stats.blocks.in_use,
        stats.side.map_or(0, |side| side.in_use),
    )
}
