//! The proof that every block is in exactly one place, and the way back to an empty pool.

use core::mem::MaybeUninit;

use crate::error::{CheckError, ResetError};
use crate::pool::depot::assume_init;
use crate::pool::meta::{Header, RAW};
use crate::pool::reserve::Withdrawn;
use crate::pool::{BlockId, Pool};
use crate::sync::Ordering::*;

/// Where a pool's blocks are, counted one by one: see [`Pool::check`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
#[non_exhaustive]
pub struct Census {
    /// Never handed out.
    pub never_used: usize,
    /// In the free stack.
    pub stacked: usize,
    /// In full magazines.
    pub in_magazines: usize,
    /// Out as raw blocks.
    pub raw: usize,
    /// Withdrawn for reservations that were forgotten, also through reservations that have ended.
    pub reserved: usize,
    /// Out in handles or caches that were forgotten (`mem::forget`), since no living one can exist.
    pub leaked: usize,
}

impl Census {
    /// Blocks in the depot.
    pub fn free(&self) -> usize {
        self.never_used + self.stacked + self.in_magazines
    }
}

/// In the link of a block that was found in a magazine. No index plus one reaches it.
const SEEN: u32 = RAW - 1;

impl Pool<'_> {
    /// Proves that every block is in exactly one place, and says how many are where.
    ///
    /// O(capacity), no memory besides. Exclusive: no handle or cache can be alive, so blocks that are
    /// neither free nor raw were leaked.
    ///
    /// # Errors
    /// [`CheckError`] if the books do not balance, which only a stray write can bring about. The pool
    /// must not be used any more; nothing that it holds is trusted further than the check went.
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
        if frontier > self.depot.capacity() {
            return Err(CheckError::BadIndex {
                found: frontier,
                limit: self.depot.capacity() + 1,
            });
        }
        let in_magazines = self.check_magazines(frontier)?;
        let stacked = self.check_stack(frontier)?;
        let mut raw = 0;
        for id in 0..frontier {
            // SAFETY: the frontier is at most the capacity.
            let link = unsafe { self.link(id) };
            match link.load(Relaxed) {
                RAW => raw += 1,
                SEEN => link.store(0, Relaxed),
                _ => {}
            }
        }
        balance(stacked, self.depot.stack().depth() as usize)?;
        balance(in_magazines, self.depot.held().in_magazines() as usize)?;
        balance(raw, self.raw_out())?;
        // Places exclude each other, so their sum is at most the frontier.
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

    /// Walks the full magazines and marks what is in them.
    fn check_magazines(&mut self, frontier: u32) -> Result<usize, CheckError> {
        let magazines = self.depot.magazines();
        let tops = magazines.tops();
        let mut found = 0;
        let mut next = tops.full();
        let mut visited = 0;
        while let Some(magazine) = magazines.checked(next, &mut visited)? {
            let (below, len) = magazines.contents(&magazine);
            if len > self.magazine() {
                return Err(CheckError::BadIndex {
                    found: len as u32,
                    limit: u32::from(self.depot.magazine) + 1,
                });
            }
            for at in 0..len {
                let mut id = [MaybeUninit::uninit()];
                // SAFETY: the magazine is in the stack of full ones, `&mut self` stands in for its
                // owner, and `at` is below its length.
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
            if id >= frontier {
                return Err(CheckError::BadIndex {
                    found: id,
                    limit: frontier,
                });
            }
            // SAFETY: the frontier is at most the capacity.
            let link = unsafe { self.link(id) };
            if matches!(link.load(Relaxed), SEEN | RAW) {
                return Err(CheckError::Duplicate { id: BlockId(id) });
            }
            link.store(SEEN, Relaxed);
        }
        Ok(())
    }

    /// Walks the stack; a block that was marked, or a walk longer than the pool, is in two places.
    fn check_stack(&mut self, frontier: u32) -> Result<usize, CheckError> {
        let mut found = 0;
        let mut top = self.depot.stack().top();
        while let Some(id) = top.checked_sub(1) {
            if id >= frontier {
                return Err(CheckError::BadIndex {
                    found: id,
                    limit: frontier,
                });
            }
            // SAFETY: the frontier is at most the capacity.
            let link = unsafe { self.link(id) }.load(Relaxed);
            if matches!(link, SEEN | RAW) || found == frontier as usize {
                return Err(CheckError::Duplicate { id: BlockId(id) });
            }
            found += 1;
            top = link;
        }
        Ok(found)
    }

    /// Makes the pool as it was when new, counters and all, if nothing names a block of it any more.
    /// O(1).
    ///
    /// Exclusive, so no handle or cache is alive; blocks whose handles were forgotten are reclaimed.
    ///
    /// # Errors
    /// [`ResetError`] with the number of blocks that are out as raw blocks, or went with a reservation that
    /// was forgotten; nothing is changed.
    pub fn reset(&mut self) -> Result<(), ResetError> {
        if self.depot.shared {
            return self.reset_shared();
        }
        match self.raw_out() + self.depot.lent() as usize {
            0 => {}
            outstanding => return Err(ResetError { outstanding }),
        }
        self.forget_waiters();
        #[cfg(feature = "audit")]
        self.note_reset();
        let header = self.header_mut();
        let slack = header.cold.slack;
        #[cfg(feature = "std")]
        let owner = header.cold.owner;
        #[cfg(feature = "audit")]
        let ledger = header.cold.ledger.take();
        *header = Header::new(slack);
        #[cfg(feature = "std")]
        {
            header.cold.owner = owner;
        }
        #[cfg(feature = "audit")]
        {
            header.cold.ledger = ledger;
        }
        Ok(())
    }

    /// [`reset`](Self::reset) for pools in statics, which others may be using at the same time: takes
    /// every block out of the depot and puts them back. If that was all of them, nothing names a block,
    /// and the peak starts again. O(capacity); for its length others may find the pool exhausted.
    ///
    /// The counters of events go on counting. Blocks in full magazines are in the free stack afterwards.
    /// What a forgotten cache last told of itself stays in [`Stats::cached`](crate::Stats::cached).
    ///
    /// # Errors
    /// [`ResetError`] with the number of blocks that are in handles, in caches, or out as raw blocks.
    pub fn reset_static(&'static self) -> Result<(), ResetError> {
        self.reset_shared()
    }

    fn reset_shared(&self) -> Result<(), ResetError> {
        let own = self.capacity().saturating_sub(self.depot.lent() as usize);
        let mut withdrawn = Withdrawn::nothing(self);
        while withdrawn.take_some(64) > 0 {}
        let outstanding = own.saturating_sub(withdrawn.len());
        // Whole or not, they go home.
        drop(withdrawn);
        if outstanding > 0 {
            return Err(ResetError { outstanding });
        }
        self.header().stack.peak.store(0, Relaxed);
        self.note_burst();
        Ok(())
    }
}

fn balance(found: usize, counted: usize) -> Result<(), CheckError> {
    if found == counted {
        Ok(())
    } else {
        Err(CheckError::Miscount { found, counted })
    }
}
