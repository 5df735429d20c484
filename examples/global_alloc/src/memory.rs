//! The allocator: pools of three sizes in front of the system's, without unsafe code.
//!
//! Pools nest: what does not fit a block of the first, or finds none free, goes to the next. `at_least` keeps small
//! requests out of large blocks when the smaller pool is exhausted.

use std::alloc::System;
use std::mem::forget;

use framepool::{Block, Pool, PoolAlloc};

const SMALL_BYTES: usize = 64;
const MEDIUM_BYTES: usize = 768;
const LARGE_BYTES: usize = 8192;

// In .bss, ready before `main`, where std allocates already. Without caches: the global allocator has none.
framepool::pool!(static SMALL: [SMALL_BYTES; 32768], caches = false);
framepool::pool!(static MEDIUM: [MEDIUM_BYTES; 8192], caches = false);
framepool::pool!(static LARGE: [LARGE_BYTES; 512], caches = false);

// Counts the requests that are larger than any block: its only block is taken, so it refuses them and counts that.
// The memory is never touched, and so costs address space alone.
framepool::pool!(static LARGER: [1 << 24; 1], caches = false);

#[global_allocator]
static GLOBAL: Global = PoolAlloc::new(&SMALL, MEDIUM_AND_UP);

type Global = PoolAlloc<PoolAlloc<PoolAlloc<PoolAlloc<System>>>>;

const MEDIUM_AND_UP: PoolAlloc<PoolAlloc<PoolAlloc<System>>> =
    PoolAlloc::new(&MEDIUM, LARGE_AND_UP).at_least(SMALL_BYTES + 1);
const LARGE_AND_UP: PoolAlloc<PoolAlloc<System>> =
    PoolAlloc::new(&LARGE, COUNTED).at_least(MEDIUM_BYTES + 1);
const COUNTED: PoolAlloc<System> = PoolAlloc::new(&LARGER, System).at_least(LARGE_BYTES + 1);

/// The pools that serve, the smallest blocks first.
static POOLS: [&Pool<'static>; 3] = [&SMALL, &MEDIUM, &LARGE];

/// Makes the memory of all blocks resident, and starts counting what is larger. Called once, before other threads run.
/// If the pools are to be `empty`, it keeps all blocks.
pub fn prepare(empty: bool) -> Result<(), String> {
    let counting = LARGER.alloc().map_err(|e| e.to_string())?;
    forget(counting);
    for pool in POOLS {
        let blocks = touched(pool);
        if empty {
            forget(blocks);
        }
    }
    Ok(())
}

/// All free blocks, each written to.
fn touched(pool: &'static Pool<'static>) -> Vec<Block<'static>> {
    // Longer than any block, so in the system's memory.
    let mut blocks = Vec::with_capacity(pool.capacity());
    while let Ok(mut block) = pool.alloc() {
        block.zeroed();
        blocks.push(block);
    }
    blocks
}

/// What each pool has done so far, and how many requests were larger than any block.
#[derive(Debug, Clone, Copy)]
pub struct Figures {
    pub sizes: [Size; POOLS.len()],
    pub larger: u64,
}

/// The figures of a pool.
#[derive(Debug, Clone, Copy)]
pub struct Size {
    /// Bytes per block.
    pub block: usize,
    pub capacity: u64,
    /// Requests that got a block.
    pub served: u64,
    /// Requests that would have fit, but found no block free.
    pub missed: u64,
    pub in_use: u64,
}

pub fn figures() -> Figures {
    let sizes = POOLS.map(|pool| {
        let stats = pool.stats();
        Size {
            block: pool.block_size(),
            capacity: stats.capacity,
            served: stats.allocations,
            missed: stats.exhaustions,
            in_use: stats.in_use,
        }
    });
    let larger = LARGER.stats().exhaustions;
    Figures { sizes, larger }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_size_has_its_pool() {
        let place = |size: usize| {
            let bytes = Vec::<u8>::with_capacity(size);
            POOLS.iter().position(|pool| pool.contains(bytes.as_ptr()))
        };
        assert_eq!([1, SMALL_BYTES].map(place), [Some(0); 2]);
        assert_eq!([SMALL_BYTES + 1, MEDIUM_BYTES].map(place), [Some(1); 2]);
        assert_eq!([MEDIUM_BYTES + 1, LARGE_BYTES].map(place), [Some(2); 2]);
        assert_eq!([LARGE_BYTES + 1, 1 << 20].map(place), [None; 2]);
    }
}
