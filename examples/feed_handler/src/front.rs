//! A thread's access to the pool: through its own cache, or directly if the pool is so small that a cache
//! would hide most of it from the other thread.

use framepool::{Block, Cache, Exhausted, Pool};

pub enum Front<'p> {
    Large(Box<Cache<'p, 512>>),
    Small(Box<Cache<'p, 32>>),
    Direct(&'p Pool<'p>),
}

impl<'p> Front<'p> {
    pub fn new(pool: &'p Pool<'_>) -> Self {
        // Each of the two caches may hide at most an eighth of the pool.
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

    /// All blocks belong to one pool, so the cache refuses none. Dropping a refused block would free it.
    pub fn free(&mut self, block: Block<'p>) {
        match self {
            Self::Large(cache) => drop(cache.free(block)),
            Self::Small(cache) => drop(cache.free(block)),
            Self::Direct(_) => drop(block),
        }
    }
}
