//! The check that every block is in exactly one place.

use core::mem::MaybeUninit;

use crate::pool::Pool;
use crate::pool::depot::ids::assume_init;
use crate::pool::error::CheckError;
use crate::pool::id::BlockId;
use crate::pool::meta::{RAW, is_mark};
use crate::sync::Ordering::*;

/// The number of blocks in each place, counted one by one: see [`Pool::check`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
#[non_exhaustive]
pub struct Census {
    /// Never allocated.
    pub never_used: usize,
    /// In the free stack.
    pub stacked: usize,
    /// In full magazines.
    pub in_magazines: usize,
    /// In use as raw blocks.
    pub raw: usize,
    /// Withdrawn for reservations that were forgotten (`mem::forget`). Includes blocks that an ended reservation had
    /// lent to a forgotten one.
    pub reserved: usize,
    /// In handles or caches that were forgotten; none can exist during the check.
    pub leaked: usize,
}

impl Census {
    /// Blocks in the depot.
    pub fn free(&self) -> usize {
        self.never_used + self.stacked + self.in_magazines
    }
}

/// Marks the link of a block that was found in a magazine. No index plus one is this large.
const SEEN: u32 = RAW - 1;

impl Pool<'_> {
    /// Checks that every block is in exactly one place, and counts the blocks in each.
    ///
    /// O(capacity), no extra memory. The borrow is exclusive, so no handle or cache exists: blocks that are
    /// neither free nor raw were leaked.
    ///
    /// # Errors
    /// [`CheckError`] if the metadata is inconsistent; only a stray write can cause this. The pool must not be
    /// used afterwards. [`CheckError::Shared`] for a static of [`pool!`](crate::pool!).
    ///
    /// ```
    /// use framepool::{Pool, PoolConfig};
    ///
    /// let mut region = [const { core::mem::MaybeUninit::uninit() }; 16384];
    /// let mut pool = Pool::new(&mut region, PoolConfig::new(64, 100))?;
    /// core::mem::forget(pool.alloc()?);
    /// drop(pool.alloc()?);
    /// let census = pool.check()?;
    /// assert_eq!((census.leaked, census.free()), (1, 99));
    /// # Ok::<(), Box<dyn core::error::Error>>(())
    /// ```
    pub fn check(&mut self) -> Result<Census, CheckError> {
        if self.depot.shared {
            return Err(CheckError::Shared);
        }
        let frontier = self.header().stack.frontier.load(Relaxed) as u32;
        in_range(frontier, self.depot.capacity() + 1)?;
        let in_magazines = self.check_magazines(frontier)?;
        let stacked = self.check_stack(frontier)?;
        let mut raw = 0;
        for id in 0..frontier {
            // SAFETY: the frontier is at most the capacity.
            let link = unsafe { self.link(id) };
            match link.load(Relaxed) {
                SEEN => link.store(0, Relaxed),
                mark if is_mark(mark) => raw += 1,
                _ => {}
            }
        }
        balance(stacked, self.depot.stack().depth() as usize)?;
        balance(in_magazines, self.depot.held().in_magazines() as usize)?;
        // A table of posted blocks that was forgotten may have counted more than it posted.
        let counted = self.raw_out();
        let is_more_allowed = self.header().cold.devices.load(Relaxed) != 0;
        balance(
            raw,
            if is_more_allowed {
                raw.min(counted)
            } else {
                counted
            },
        )?;
        // No block is in two places, so the sum is at most the frontier.
        let out = frontier as usize - stacked - in_magazines - raw;
        let reserved = (self.depot.lent() as usize).min(out);
        Ok(Census {
            never_used: (self.depot.capacity() - frontier) as usize,
            stacked,
            in_magazines,
            raw,
            reserved,
            leaked: out - reserved,
        })
    }

    /// Walks the full magazines and marks the blocks in them.
    fn check_magazines(&mut self, frontier: u32) -> Result<usize, CheckError> {
        let magazines = self.depot.magazines();
        let tops = magazines.tops();
        let mut found = 0;
        let mut next = tops.full();
        let mut visited = 0;
        while let Some(magazine) = magazines.checked(next, &mut visited)? {
            let (below, len) = magazines.contents(&magazine);
            in_range(len as u32, u32::from(self.depot.magazine) + 1)?;
            for at in 0..len {
                let mut id = [MaybeUninit::uninit()];
                // SAFETY: the magazine is in the stack of full ones, which `&mut self` owns exclusively, and `at`
                // is below its length.
                unsafe { magazines.read(&magazine, at, &mut id) };
                // SAFETY: just read.
                self.mark(unsafe { assume_init(&id) }, frontier)?;
            }
            found += len;
            next = below;
        }
        let mut next = tops.empty();
        while let Some(magazine) = magazines.checked(next, &mut visited)? {
            next = magazines.contents(&magazine).0;
        }
        Ok(found)
    }

    fn mark(&self, ids: &[u32], frontier: u32) -> Result<(), CheckError> {
        for &id in ids {
            in_range(id, frontier)?;
            // SAFETY: the frontier is at most the capacity.
            let link = unsafe { self.link(id) };
            if is_mark(link.load(Relaxed)) {
                return Err(CheckError::Duplicate { id: BlockId(id) });
            }
            link.store(SEEN, Relaxed);
        }
        Ok(())
    }

    /// Walks the stack. A marked block, or a walk longer than the pool, means that a block is in two places.
    fn check_stack(&mut self, frontier: u32) -> Result<usize, CheckError> {
        let mut found = 0;
        let mut top = self.depot.stack().top();
        while let Some(id) = top.checked_sub(1) {
            in_range(id, frontier)?;
            // SAFETY: the frontier is at most the capacity.
            let link = unsafe { self.link(id) }.load(Relaxed);
            if is_mark(link) || found == frontier as usize {
                return Err(CheckError::Duplicate { id: BlockId(id) });
            }
            found += 1;
            top = link;
        }
        Ok(found)
    }
}

/// Checks that a number in the metadata is less than `limit`.
fn in_range(found: u32, limit: u32) -> Result<(), CheckError> {
    if found < limit {
        Ok(())
    } else {
        Err(CheckError::BadIndex { found, limit })
    }
}

fn balance(found: usize, counted: usize) -> Result<(), CheckError> {
    if found == counted {
        Ok(())
    } else {
        Err(CheckError::Miscount { found, counted })
    }
}
