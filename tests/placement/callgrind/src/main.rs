//! Operations of framepool, [`OPERATIONS`] of each in a function of its own. The argument is the number of
//! blocks in the pool.

mod packet;

use std::hint::black_box;

use framepool::{AllocManyError, Cache, Exhausted, Pool, PoolConfig};

/// Operations in each function.
const OPERATIONS: usize = 100_000;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let blocks = std::env::args().nth(1).ok_or("how many blocks?")?.parse()?;
    // The same size of magazine for every number of blocks, so that caches use the depot equally often.
    let pool = Pool::allocate(PoolConfig::new(64, blocks).magazine(512))?;
    let mut cache = pool.cache();
    // The usual case is measured: the cache has blocks, and so has the depot.
    drop(cache.alloc_burst::<32>(32)?);
    cache_lifo(&mut cache)?;
    cache_burst32(&mut cache)?;
    drop(cache);
    depot_lifo(&pool)?;
    packet::run(blocks)
}

/// One block out of the cache and back. The compiler knows nothing of either in between, as between two
/// operations of a real program.
#[unsafe(no_mangle)]
#[inline(never)]
fn cache_lifo(cache: &mut Cache<'_>) -> Result<(), Exhausted> {
    let cache = black_box(cache);
    for _ in 0..OPERATIONS {
        let block = black_box(cache.alloc()?);
        // A refused block is freed too.
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
        // By reference: a move through the box would cost two copies.
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
