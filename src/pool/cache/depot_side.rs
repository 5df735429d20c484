//! Exchanges of a cache with the depot.
//!
//! # How many blocks a draw takes
//! Nobody can take blocks out of an idle cache, so a new cache draws little. Let `a` be the number of blocks that it
//! has handed out so far. If it needs `n` blocks more than it has, it draws at most `n`, or if that is more, the
//! least of
//! - `a / 8`,
//! - half of the blocks in the depot,
//! - a magazine, or half the cache if that is less (a larger burst takes several draws).
//!
//! A magazine that is larger than that is taken last, and split: the rest goes to the stack.
//!
//! **The guarantee.** Let `w` workers with new caches allocate `k` blocks each, and free none. When
//! a worker draws, it has handed out `a` blocks, holds `h` more, and needs `n` more than these, so that
//! `a + h + n <= k`. It has then drawn `a + h + n` in all, or at most `a + h + a / 8`, where `a < k`: never
//! more than `k + (k - 1) / 8`. So while `w * (k + (k - 1) / 8)` is at most the number of blocks that the
//! depot had at first, a worker that draws finds the `n` that it needs: all are served, in any order.
//!
//! This holds between threads as well. New blocks and those of the stack leave the depot by one
//! compare-and-swap, so that each is found until another worker has it. The one exception is a magazine that is
//! being split: until the rest of it is on the stack, others find neither. So if earlier workers left magazines
//! in the depot, and nothing else is left, a worker that draws at that moment may be refused.

use core::mem;

use super::Cache;
use crate::pool::audit::AuditKind;
use crate::pool::depot::Unloaded;
use crate::pool::depot::ids::assume_init;
use crate::pool::error::Exhausted;
use crate::sync::{self, Ordering::*, Word};

/// Number of frees after which a cache checks for waiting tasks.
const FREES_PER_CHECK: usize = 1024;

impl<const N: usize> Cache<'_, N> {
    /// Returns every block in this cache to the depot.
    pub fn flush(&mut self) {
        self.give_all();
        self.pool.look_for_waiters();
    }

    /// Returns every block to the depot, without waking tasks.
    #[cold]
    #[inline(never)]
    pub(super) fn give_all(&mut self) {
        while !self.is_empty() {
            self.flush_coldest(self.share());
        }
        sync::section(|s| self.pool.depot.return_empty(s, &mut self.account.spare));
    }

    /// Number of blocks per exchange: a magazine, or half the cache if that is less.
    pub(super) fn share(&self) -> usize {
        self.account.fill / 2
    }

    #[cold]
    #[inline(never)]
    pub(crate) fn count_refusal(&mut self) {
        self.account.refusals += 1;
        self.pool.count_refusal();
    }

    pub(super) fn exhausted(&mut self, requested: usize, available: usize) -> Exhausted {
        self.account.exhaustions += 1;
        self.pool.exhausted(requested, available)
    }

    #[cold]
    #[inline(never)]
    pub(super) fn refill_for_one(&mut self) -> Result<(), Exhausted> {
        match self.refill(1) {
            // Blocks that were moving between two places of the depot may be there now.
            0 if self.pool.available() == 0 || self.refill(1) == 0 => Err(self.exhausted(1, 0)),
            _ => Ok(()),
        }
    }

    /// Draws towards `n` blocks (at most `N`, and more than the cache has), by one exchange: a magazine, a chain
    /// of the stack, or new blocks. Returns the number drawn; the module has the rule.
    pub(super) fn refill(&mut self, n: usize) -> usize {
        // First, so that this core has the line when the exchange reads and swaps a word in it.
        self.report_allocations();
        let (share, need) = (self.share(), n - self.len());
        // On 32-bit targets this wraps after 34 billion allocations, and grows again.
        let earned = (self.account.allocations / 8) as usize;
        let want = need.max(earned.min(self.pool.available() / 2));
        let room = self.ids.get_mut(self.tally.len()..).unwrap_or_default();
        // While a task waits, a cache keeps nothing.
        let waited_for = self.pool.has_waiters();
        let most = if waited_for { 1 } else { room.len() };
        let room = room.get_mut(..most).unwrap_or_default();
        let whole = room.len().min(self.pool.magazine()) <= want;
        // A magazine of a larger cache may exceed the share.
        let most = room.len().min(share);
        let (want, room) = (want.min(most), room.get_mut(..most).unwrap_or_default());
        let (depot, account) = (&self.pool.depot, &mut self.account);
        let (drawn, in_magazines, awaited) = sync::section(|s| {
            let mut unloaded = None;
            if whole {
                unloaded = depot.take_magazine(s, &mut account.spare, room);
            }
            if unloaded.is_none() {
                let some = room.get_mut(..want).unwrap_or_default();
                let mut n = depot.stack().pop_chain(s, some);
                if n == 0 {
                    n = depot.take_new(s, some);
                }
                if n > 0 {
                    account.counted_by_depot += n as u64;
                    return (n, 0, false);
                }
                // Last, because the rest of it goes to the stack.
                unloaded = depot.take_magazine(s, &mut account.spare, some);
            }
            match unloaded {
                Some(Unloaded { len, fits, awaited }) => (fits, -(len as isize), awaited),
                None => (0, 0, false),
            }
        });
        account.drawn += drawn as u64;
        account.refills += 1;
        self.tally.drew(drawn);
        // Never raised here: otherwise a worker that draws often would never check for waiting tasks.
        let room = self.account.fill.saturating_sub(self.len());
        let left = if waited_for { 0 } else { self.tally.budget() };
        self.tally.set_budget(left.min(room));
        #[cfg(feature = "audit")]
        self.note_drawn(drawn);
        // The requested blocks are handed out next: they are reported as in use.
        let kept = self.len().checked_sub(n).unwrap_or(self.len());
        let cached = self.report_len(kept);
        sync::section(|s| {
            self.pool.depot.report_held(s, cached, in_magazines);
            self.pool.depot.note_exchange(s);
        });
        if in_magazines == 0 {
            // Blocks that the depot has just counted as allocated are not allocated yet.
            self.report_allocations();
        }
        // Last: these run the user's code.
        if awaited {
            self.pool.look_for_waiters();
        }
        self.pool.note_low();
        drawn
    }

    /// Records the last `n` blocks that came in for the audit.
    #[cfg(feature = "audit")]
    fn note_drawn(&self, n: usize) {
        let drawn = self.ids.get(self.len() - n..self.len());
        // SAFETY: by the invariant of `tally` these were written.
        let drawn = unsafe { assume_init(drawn.unwrap_or_default()) };
        self.pool.note_all(drawn, AuditKind::Drawn);
    }

    /// Flushes until `k` places (at most `N`) are free, and below `fill` if that is possible. Sets a budget of at
    /// least `k`. The caller must call [`pass_on`](Self::pass_on) afterwards.
    #[cold]
    #[inline(never)]
    pub(super) fn make_room(&mut self, k: usize) {
        // With or without an exchange: see `Tally`. Not reported to the pool, whose word all workers share.
        self.carry_allocations();
        while !self.is_empty() && self.len() + k > self.account.fill {
            self.flush_coldest(self.share());
        }
        // The room below `fill`, at most until the next check for waiting tasks, and at least `k`.
        let room = self.account.fill.saturating_sub(self.len());
        self.tally.set_budget(room.min(FREES_PER_CHECK).max(k));
    }

    /// Ends a free that exchanged with the depot. Gives blocks beyond `fill` to the depot: one free may bring more
    /// than that. Then checks for waiting tasks: if there are some, gives all blocks to the depot and wakes them.
    /// It runs the user's code, which may unwind: nothing is half done.
    pub(super) fn pass_on(&mut self) {
        while self.len() > self.account.fill {
            self.flush_coldest(self.share());
        }
        sync::acquire_fence();
        if self.pool.has_waiters() {
            // Makes the next free come here as well.
            self.tally.set_budget(0);
            self.flush();
        }
    }

    /// Gives the `n` blocks that were freed first to the depot; at most all. The caller must
    /// [look for waiters](crate::Pool::look_for_waiters) afterwards.
    #[cold]
    #[inline(never)]
    pub(super) fn flush_coldest(&mut self, n: usize) {
        self.report_allocations();
        let len = self.len();
        let n = n.min(len);
        // The report to the pool counts them as gone.
        self.tally.lost(n);
        let cached = self.unreported();
        let cold = self.ids.get(..n).unwrap_or_default();
        // SAFETY: by the invariant of `tally` these were written, and the cache owns their blocks;
        // they are overwritten or beyond its length from here on.
        sync::section(|s| unsafe {
            let cold = assume_init(cold);
            self.pool.note_all(cold, AuditKind::Given);
            self.pool
                .depot
                .give_magazine(s, &mut self.account.spare, cold, cached);
            self.pool.depot.note_exchange(s);
        });
        // `len` is at most `N`, and `n` at most `len`: written so that the compiler sees it.
        if let Some(all) = self.ids.get_mut(..len) {
            all.copy_within(n.., 0);
        }
        self.account.given += n as u64;
        self.account.flushes += 1;
    }

    /// Reports everything that was not yet reported to the pool.
    pub(super) fn settle(&mut self) {
        self.report_allocations();
        let cached = self.unreported();
        if cached != 0 {
            sync::section(|s| {
                self.pool.depot.report_held(s, cached, 0);
                self.pool.depot.note_exchange(s);
            });
        }
    }

    /// The length less the reported length; counts as reported from now on.
    fn unreported(&mut self) -> isize {
        self.report_len(self.len())
    }

    /// `len` less the reported length; counts as reported from now on.
    fn report_len(&mut self, len: usize) -> isize {
        let told = mem::replace(&mut self.account.reported_len, len);
        len.wrapping_sub(told) as isize
    }

    /// Reports the allocations since the last report, without those that the depot has counted.
    fn report_allocations(&mut self) {
        self.carry_allocations();
        let account = &mut self.account;
        let allocated = mem::take(&mut account.unreported_allocations);
        let beside = allocated.wrapping_sub(account.counted_by_depot) as Word;
        if beside != 0 {
            let told = &self.pool.header().exchange.uncounted_allocations;
            sync::section(|s| told.fetch_add(s, beside, Relaxed));
        }
        account.counted_by_depot = 0;
    }

    /// Moves the number of allocations out of the tally.
    fn carry_allocations(&mut self) {
        let allocated = self.tally.carry();
        let account = &mut self.account;
        account.allocations = account.allocations.wrapping_add(allocated);
        account.unreported_allocations = account.unreported_allocations.wrapping_add(allocated);
    }
}
