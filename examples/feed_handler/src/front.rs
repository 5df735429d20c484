//! How a thread meets the pool: through a cache of its own, or, where the pool is so small that a
//! cache would hide most of it from the other thread, directly.

use framepool::{Block, Cache, Exhausted, Pool};

pub enum Front<'p> {
    Large(Box<Cache<'p, 512>>),
    Small(Box<Cache<'p, 32>>),
    Direct(&'p Pool<'p>),
}

impl<'p> Front<'p> {
    pub fn new(pool: &'p Pool<'_>) -> Self {
        // Two caches must not hide more than an eighth of the pool each.
        match pool.capacity() {
            4096.. => Self::Large(Box::new(Cache::new(pool))),
            256.. => Self::Small(Box::new(Cache::new(pool))),
            _ => Self::Direct(pool),
        }
    }

    pub fn alloc(&mut self) -> Result<Block<'p>, Exhausted> {
        match self {
            Self::Large(cache) => cache.alloc(),
            Self::Small(cache) => cache.alloc(),
            Self::Direct(pool) => pool.alloc(),
        }
    }

    /// All blocks are of one pool here, so none is refused; one that was would go home by its drop.
    pub fn free(&mut self, block: Block<'p>) {
        match self {
            Self::Large(cache) => drop(cache.free(block)),
            Self::Small(cache) => drop(cache.free(block)),
            Self::Direct(_) => drop(block),
        }
    }
}
