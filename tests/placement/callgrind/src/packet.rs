//! The same for packets.

use std::hint::black_box;

use framepool::packet::{PacketBurst, PacketCache, PacketConfig, PacketPool, RawBurst};
use framepool::{AllocManyError, Exhausted, PoolConfig};

use crate::OPERATIONS;

/// Runs every operation on a pool of so many blocks.
pub fn run(blocks: usize) -> Result<(), Box<dyn std::error::Error>> {
    let config = PacketConfig::of(PoolConfig::new(64, blocks).magazine(512));
    let packets = PacketPool::allocate(config.headroom(16))?;
    let mut cache = packets.cache();
    // The usual case is measured: the cache has blocks, and so has the pool.
    drop(cache.alloc_burst::<32>(32)?);
    packet_lifo(&mut cache)?;
    packet_burst32(&mut cache)?;
    packet_raw32(&mut cache)?;
    Ok(())
}

/// One packet out of the cache and back.
#[unsafe(no_mangle)]
#[inline(never)]
fn packet_lifo(cache: &mut PacketCache<'_>) -> Result<(), Exhausted> {
    let cache = black_box(cache);
    for _ in 0..OPERATIONS {
        let packet = black_box(cache.alloc()?);
        // A refused packet is freed too.
        let _ = cache.free(packet);
    }
    Ok(())
}

/// As [`packet_lifo`], 32 packets at once.
#[unsafe(no_mangle)]
#[inline(never)]
fn packet_burst32(cache: &mut PacketCache<'_>) -> Result<(), AllocManyError> {
    let cache = black_box(cache);
    for _ in 0..OPERATIONS {
        let mut burst: PacketBurst<'_, 32> = cache.alloc_burst(32)?;
        // By reference: a move through the box would cost two copies.
        black_box(&mut burst);
        let _ = cache.drain_burst(&mut burst);
    }
    Ok(())
}

/// As [`packet_burst32`], without metadata.
#[unsafe(no_mangle)]
#[inline(never)]
fn packet_raw32(cache: &mut PacketCache<'_>) -> Result<(), AllocManyError> {
    let cache = black_box(cache);
    for _ in 0..OPERATIONS {
        let mut burst: RawBurst<'_, 32> = cache.alloc_raw_burst(32)?;
        black_box(&mut burst);
        let _ = cache.drain_raw_burst(&mut burst);
    }
    Ok(())
}
