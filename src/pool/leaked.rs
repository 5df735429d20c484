//! The memory of pools that were dropped while a device or a pointer may still use it.

use core::fmt;
use std::boxed::Box;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::vec::Vec;

use crate::pool::Pool;
#[cfg(feature = "audit")]
use crate::pool::audit::Holding;
use crate::pool::owner::Owner;

/// The memory that dropped pools have leaked, because blocks of theirs were raw, or may have been: see [`Pool::leaked`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct Leaked {
    /// Dropped pools whose memory was kept.
    pub pools: u64,
    /// Raw blocks of these pools, posted ones included, and the blocks of forgotten reservations.
    pub blocks: u64,
    /// Bytes of memory kept.
    pub bytes: u64,
}

impl fmt::Display for Leaked {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            pools,
            blocks,
            bytes,
        } = self;
        write!(
            f,
            "{bytes} bytes of {pools} dropped pools leaked, with {blocks} raw blocks"
        )
    }
}

/// All that was leaked in this process.
struct Kept {
    counts: Leaked,
    /// Never dropped. The list keeps them reachable, for debuggers and leak checkers.
    memory: Vec<Owner>,
    #[cfg(feature = "audit")]
    holdings: Vec<Holding>,
}

static KEPT: Mutex<Kept> = Mutex::new(Kept {
    counts: Leaked {
        pools: 0,
        blocks: 0,
        bytes: 0,
    },
    memory: Vec::new(),
    #[cfg(feature = "audit")]
    holdings: Vec::new(),
});

/// No code panics while it holds the lock.
fn kept() -> MutexGuard<'static, Kept> {
    KEPT.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Pool<'_> {
    /// Returns what dropped pools of this process have leaked so far. O(1), takes a lock.
    ///
    /// A pool that owns its memory (a mapping, or an allocation) leaks it if a block is raw or
    /// [posted](crate::Posted) when the pool is dropped: a device or a pointer outside of Rust may still write there. So
    /// may they to a block of a reservation that was forgotten, as nobody knows which of its blocks are raw.
    /// The alternative would be to unmap memory that a device writes to. To avoid the leak, stop the device, then call
    /// [`Posted::stopped`](crate::Posted::stopped) or [`reclaim_raw`](Self::reclaim_raw). Pools in borrowed memory
    /// leak nothing: their memory is the caller's. With the feature `audit`, `Pool::leaked_blocks` names the blocks.
    ///
    /// ```
    /// use framepool::{Pool, PoolConfig};
    ///
    /// let pool = Pool::allocate(PoolConfig::new(2048, 8))?;
    /// let _descriptor = pool.alloc()?.into_id();
    /// drop(pool);
    /// let leaked = Pool::leaked();
    /// assert_eq!((leaked.pools, leaked.blocks), (1, 1));
    /// assert!(leaked.bytes >= 8 * 2048);
    /// # Ok::<(), Box<dyn core::error::Error>>(())
    /// ```
    pub fn leaked() -> Leaked {
        kept().counts
    }

    /// Returns the raw blocks of all pools that leaked their memory, with their last events: the code that made each
    /// raw. O(their number). A block that was posted by a forgotten [`Posted`](crate::Posted) counts as raw.
    #[cfg(feature = "audit")]
    pub fn leaked_blocks() -> Vec<Holding> {
        kept().holdings.clone()
    }

    /// Keeps the memory of a pool for ever if blocks are [outside](Self::outside), else gives it back. O(1) if there is
    /// none, else O(capacity).
    pub(crate) fn keep_if_raw(&self, memory: Box<Owner>) -> Option<Box<Owner>> {
        match self.outside() as u64 {
            0 => Some(memory),
            blocks => {
                self.keep(*memory, blocks);
                None
            }
        }
    }

    #[cold]
    fn keep(&self, memory: Owner, blocks: u64) {
        #[cfg(feature = "audit")]
        let holdings = self.raw_ids().filter_map(|id| self.holding_of(id));
        let mut kept = kept();
        kept.counts.pools += 1;
        kept.counts.blocks += blocks;
        kept.counts.bytes += memory.len() as u64;
        #[cfg(feature = "audit")]
        kept.holdings.extend(holdings);
        kept.memory.push(memory);
    }
}
