//! The way back to an empty pool.

use crate::pool::Pool;
use crate::pool::error::ResetError;
use crate::pool::meta::Header;
use crate::pool::reserve::Withdrawn;
use crate::sync::Ordering::*;

impl Pool<'_> {
    /// Resets the pool and its counters to the state of a new pool, if no block is in use. O(1).
    ///
    /// The borrow is exclusive, so no handle or cache exists; blocks whose handles were forgotten are reclaimed.
    ///
    /// # Errors
    /// [`ResetError`] with the number of blocks that are raw blocks, or were withdrawn for a reservation that
    /// was forgotten. Nothing is changed.
    pub fn reset(&mut self) -> Result<(), ResetError> {
        if self.depot.shared {
            return self.reset_shared();
        }
        match self.raw_out() + self.depot.lent() as usize {
            0 => {}
            outstanding => return Err(ResetError { outstanding }),
        }
        self.forget_waiters();
        self.note_reset();
        let header = self.header_mut();
        let new = Header::new(header.cold.slack);
        header.stack = new.stack;
        header.exchange = new.exchange;
        header.pressure = new.pressure;
        // The rest of `cold` stays: the owner of the memory, and counts that are 0.
        header.cold.exhaustions = new.cold.exhaustions;
        header.cold.refusals = new.cold.refusals;
        Ok(())
    }

    /// [`reset`](Self::reset) for a pool in a static, which others may be using: takes every block out of the
    /// depot and puts them back. If that was all of them, no block is in use, and the peak restarts. O(capacity).
    /// Meanwhile, others may find the pool exhausted.
    ///
    /// Counters of events are not reset. Blocks in full magazines move to the free stack. The blocks of a
    /// forgotten cache still count in [`Stats::cached`](crate::Stats::cached).
    ///
    /// # Errors
    /// [`ResetError`] with the number of blocks in handles, in caches, or in use as raw blocks.
    pub fn reset_static(&'static self) -> Result<(), ResetError> {
        self.reset_shared()
    }

    fn reset_shared(&self) -> Result<(), ResetError> {
        let own = self.capacity().saturating_sub(self.depot.lent() as usize);
        let mut withdrawn = Withdrawn::nothing(self);
        while withdrawn.take_some(64) > 0 {}
        let outstanding = own.saturating_sub(withdrawn.len());
        // Returns the blocks, in either case.
        drop(withdrawn);
        if outstanding > 0 {
            return Err(ResetError { outstanding });
        }
        self.header().stack.peak.store(0, Relaxed);
        self.note_burst();
        Ok(())
    }
}
