//! The allocator: thread caches over pools of three sizes in hugepages, with the system's allocator as the fallback.
//! Without unsafe code.

use std::alloc::System;
use std::mem::forget;

use framepool::{Block, CachedAllocs, Pool, PoolAllocs, PoolConfig, SizeProfile};

/// Bytes of a block, and number of blocks. The profile in the report shows whether other sizes would be better.
const SHAPES: [(usize, usize); 3] = [(64, 32768), (768, 8192), (8192, 512)];

#[global_allocator]
static GLOBAL: CachedAllocs<System, { SHAPES.len() }> = CachedAllocs::new(PoolAllocs::late(System));

/// Maps the pools, resident from the start, and installs them. What std has allocated before goes back to the system.
/// Returns a line about the memory of each. If the pools are to be `empty`, takes all blocks and keeps them.
pub fn prepare(empty: bool) -> Result<Vec<String>, String> {
    let [small, medium, large] = SHAPES.map(|(size, count)| {
        let mapped = Pool::map(PoolConfig::new(size, count));
        mapped.map(Pool::leak).map_err(|e| e.to_string())
    });
    let pools = GLOBAL
        .install([small?, medium?, large?])
        .map_err(|e| e.to_string())?;
    if empty {
        pools.into_iter().for_each(take_all);
    }
    Ok(pools.into_iter().map(granted).collect())
}

/// Which pages the kernel granted: the reason is there if they are no hugepages.
fn granted(pool: &'static Pool<'static>) -> String {
    let report = pool.region_report();
    report.map_or_else(String::new, |report| {
        format!("{} bytes a block: {report}", pool.block_size())
    })
}

fn take_all(pool: &'static Pool<'static>) {
    GLOBAL.flush();
    // Longer than any block, so in the system's memory.
    let mut blocks: Vec<Block<'_>> = Vec::with_capacity(pool.capacity());
    while let Ok(block) = pool.alloc() {
        blocks.push(block);
    }
    forget(blocks);
}

/// The state of the pools, and the requests so far.
#[derive(Debug, Clone)]
pub struct Figures {
    pub sizes: [Size; SHAPES.len()],
    pub requests: SizeProfile,
}

/// The state of a pool.
#[derive(Debug, Clone, Copy, Default)]
pub struct Size {
    /// Bytes per block.
    pub block: usize,
    pub capacity: u64,
    pub in_use: u64,
}

pub fn figures() -> Figures {
    Figures {
        sizes: sizes(),
        requests: GLOBAL.profile(),
    }
}

/// The most blocks of each size that were in use, as of the caches' last exchanges.
#[derive(Debug, Default)]
pub struct Most(pub [u64; SHAPES.len()]);

impl Most {
    pub fn note(&mut self) {
        for (most, size) in self.0.iter_mut().zip(sizes()) {
            *most = size.in_use.max(*most);
        }
    }
}

/// As of the last exchange of each thread's caches.
fn sizes() -> [Size; SHAPES.len()] {
    let mut sizes = [Size::default(); SHAPES.len()];
    for (size, pool) in sizes.iter_mut().zip(GLOBAL.pools()) {
        let stats = pool.stats();
        *size = Size {
            block: pool.block_size(),
            capacity: stats.capacity,
            in_use: stats.in_use,
        };
    }
    sizes
}

/// Returns the blocks in this thread's caches, so that the figures are exact.
pub fn flush() {
    GLOBAL.flush();
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_size_has_its_pool() {
        prepare(false).unwrap();
        let pools = GLOBAL.pools();
        let place = |size: usize| {
            let bytes = Vec::<u8>::with_capacity(size);
            pools.iter().position(|pool| pool.contains(bytes.as_ptr()))
        };
        let [small, medium, large] = SHAPES.map(|(size, _)| size);
        assert_eq!([1, small].map(place), [Some(0); 2]);
        assert_eq!([small + 1, medium].map(place), [Some(1); 2]);
        assert_eq!([medium + 1, large].map(place), [Some(2); 2]);
        assert_eq!([large + 1, 1 << 20].map(place), [None; 2]);
    }
}
