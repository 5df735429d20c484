//! Runs operations of framepool on a pool whose number of blocks is the argument. Each function runs one
//! operation [`OPERATIONS`] times.

use std::hint::black_box;

use framepool::{AllocManyError, Cache, Exhausted, Pool, PoolConfig};

/// Operations in each function.
const OPERATIONS: usize = 100_000;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let blocks = std::env::args().nth(1).ok_or("how many blocks?")?.parse()?;
    // The same size of magazines for each number of blocks, so that caches access the depot equally
    // often.
    let pool = Pool::allocate(PoolConfig::new(64, blocks).magazine(512))?;
    let mut cache = pool.cache();
    // The usual case is measured: both the cache and the depot have blocks.
    drop(cache.alloc_burst::<32>(32)?);
    cache_lifo(&mut cache)?;
    cache_burst32(&mut cache)?;
    drop(cache);
    depot_lifo(&pool)?;
    Ok(())
}

/// Allocates one block from the cache and frees it. The compiler knows nothing about either in between,
/// as in a real program.
#[unsafe(no_mangle)]
#[inline(never)]
fn cache_lifo(cache: &mut Cache<'_>) -> Result<(), Exhausted> {
    let cache = black_box(cache);
    for _ in 0..OPERATIONS {
        let block = black_box(cache.alloc()?);
        // A refused block is freed nevertheless.
        let _ = cache.free(block);
    }
    Ok(())
}

/// As [`cache_lifo`], 32 blocks at once.
#[unsafe(no_mangle)]
#[inline(never)]
fn cache_burst32(cache: &mut Cache<'_>) -> Result<(), AllocManyError> {
    let cache = black_box(cache);
    for _ in 0..OPERATIONS {
        let mut burst = cache.alloc_burst::<32>(32)?;
        // By reference, because moving it through the box would cost two copies.
        black_box(&mut burst);
        let _ = cache.drain_burst(&mut burst);
    }
    Ok(())
}

/// Allocates one block from the depot and frees it.
#[unsafe(no_mangle)]
#[inline(never)]
fn depot_lifo(pool: &Pool<'_>) -> Result<(), Exhausted> {
    let pool = black_box(pool);
    for _ in 0..OPERATIONS {
        drop(black_box(pool.alloc()?));
    }
    Ok(())
}
