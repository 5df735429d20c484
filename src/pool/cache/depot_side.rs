//! Where a cache meets the depot: the slow half.

use core::mem;

use super::Cache;
use crate::error::Exhausted;
use crate::pool::audit::AuditKind;
use crate::pool::exchange::assume_init;
use crate::sync::{self, Ordering::*, Word};

/// Frees after which a cache looks whether someone waits for a block.
const LOOK_AROUND: usize = 1024;

impl<const N: usize> Cache<'_, N> {
    /// Gives every block in this cache back to the depot.
    pub fn flush(&mut self) {
        self.give_all();
        self.pool.look_for_waiters();
    }

    /// The same, without waking anyone.
    #[cold]
    #[inline(never)]
    pub(super) fn give_all(&mut self) {
        while !self.is_empty() {
            self.flush_coldest(self.share());
        }
        sync::section(|s| self.pool.return_slot(s, &mut self.books.slot));
    }

    /// Blocks per exchange: a magazine, or half the cache where that is less.
    pub(super) fn share(&self) -> usize {
        self.books.fill / 2
    }

    #[cold]
    #[inline(never)]
    pub(super) fn count_refusal(&mut self) {
        self.books.refusals += 1;
        self.pool.count_refusal();
    }

    pub(super) fn exhausted(&mut self, requested: usize, available: usize) -> Exhausted {
        self.books.exhaustions += 1;
        self.pool.exhausted(requested, available)
    }

    #[cold]
    #[inline(never)]
    pub(super) fn refill_for_one(&mut self) -> Result<(), Exhausted> {
        match self.refill() {
            // What was on its way from one place to the other may be there now.
            0 if !self.pool.has_some() || self.refill() == 0 => Err(self.exhausted(1, 0)),
            _ => Ok(()),
        }
    }

    /// Draws a magazine, or else a chain of the stack, or else blocks never handed out: as many as
    /// one exchange gives and there is room for. Returns how many.
    pub(super) fn refill(&mut self) -> usize {
        // First, so that the line is this core's when the exchange reads and swaps a word in it.
        self.tell_allocations();
        let share = self.share();
        let room = self.ids.get_mut(self.tally.len()..).unwrap_or_default();
        // Nothing is hoarded while someone waits.
        let waited_for = self.pool.is_waited_for();
        let most = if waited_for { 1 } else { room.len() };
        let room = room.get_mut(..most).unwrap_or_default();
        let (pool, books) = (self.pool, &mut self.books);
        let (drawn, in_magazines, awaited) = sync::section(|s| {
            if let Some(unloaded) = pool.unload(s, &mut books.slot, room) {
                return (unloaded.fits, -(unloaded.len as isize), unloaded.awaited);
            }
            let want = share.min(room.len());
            let some = room.get_mut(..want).unwrap_or_default();
            let mut n = pool.pop_chain(s, some);
            if n == 0 {
                n = pool.take_new(s, some);
            }
            books.counted_by_depot += n as u64;
            (n, 0, false)
        });
        books.drawn += drawn as u64;
        books.refills += 1;
        self.tally.drew(drawn);
        // Never raised here, or a worker that draws often would never look around.
        let room = self.books.fill.saturating_sub(self.len());
        let left = if waited_for { 0 } else { self.tally.budget() };
        self.tally.set_budget(left.min(room));
        #[cfg(feature = "audit")]
        self.note_drawn(drawn);
        let cached = self.untold();
        sync::section(|s| {
            self.pool.tell_held(s, cached, in_magazines);
            self.pool.note_exchange(s);
        });
        if in_magazines == 0 {
            // What the depot has just counted as allocated is none yet.
            self.tell_allocations();
        }
        // Last: these run the user's code.
        if awaited {
            self.pool.look_for_waiters();
        }
        self.pool.note_low();
        drawn
    }

    /// Tells the audit of the last `n` blocks that came in.
    #[cfg(feature = "audit")]
    fn note_drawn(&self, n: usize) {
        let drawn = self.ids.get(self.len() - n..self.len());
        // SAFETY: by the invariant of `tally` these were written.
        let drawn = unsafe { assume_init(drawn.unwrap_or_default()) };
        self.pool.note_all(drawn, AuditKind::Drawn);
    }

    /// Flushes until `k` places (at most `N`) are free, and below `fill` if that is possible; and sets a
    /// budget of at least `k`. Whoever calls it [passes on](Self::pass_on) when it is done.
    #[cold]
    #[inline(never)]
    pub(super) fn make_room(&mut self, k: usize) {
        // Whether or not the depot is met: see `Tally`. The pool is not told: it is a word of all workers.
        self.carry_allocations();
        while !self.is_empty() && self.len() + k > self.books.fill {
            self.flush_coldest(self.share());
        }
        // As many as `fill` leaves room for, and no more than until the next look around; at least `k`, for
        // which there is room.
        let room = self.books.fill.saturating_sub(self.len());
        self.tally.set_budget(room.min(LOOK_AROUND).max(k));
    }

    /// Looks around: gives everything away if someone waits, and wakes whoever waits for what went to the
    /// depot. It runs the user's code, which may unwind: nothing is half done.
    pub(super) fn pass_on(&mut self) {
        sync::acquire_fence();
        if self.pool.is_waited_for() {
            // So that the next free comes here as well.
            self.tally.set_budget(0);
            self.flush();
        }
    }

    /// Gives the `n` blocks that were freed longest ago to the depot; at most all. Whoever calls it
    /// [looks for waiters](crate::Pool::look_for_waiters) when it is done.
    #[cold]
    #[inline(never)]
    pub(super) fn flush_coldest(&mut self, n: usize) {
        self.tell_allocations();
        let len = self.len();
        let n = n.min(len);
        // As if they had gone: what the pool is told on their way.
        self.tally.lost(n);
        let cached = self.untold();
        let cold = self.ids.get(..n).unwrap_or_default();
        // SAFETY: by the invariant of `tally` these were written, and their blocks are this cache's;
        // they are overwritten or out of its length from here on.
        sync::section(|s| unsafe {
            let cold = assume_init(cold);
            self.pool.note_all(cold, AuditKind::Given);
            self.pool.load(s, &mut self.books.slot, cold, cached);
            self.pool.note_exchange(s);
        });
        // `len` is at most `N`, and `n` at most `len`: written so that the compiler sees it, too.
        if let Some(all) = self.ids.get_mut(..len) {
            all.copy_within(n.., 0);
        }
        self.books.given += n as u64;
        self.books.flushes += 1;
    }

    /// Tells the pool everything that it has not been told.
    pub(super) fn settle(&mut self) {
        self.tell_allocations();
        let cached = self.untold();
        if cached != 0 {
            sync::section(|s| {
                self.pool.tell_held(s, cached, 0);
                self.pool.note_exchange(s);
            });
        }
    }

    /// How many more blocks are here than the pool has been told; it is told now.
    fn untold(&mut self) -> isize {
        let len = self.len();
        let told = mem::replace(&mut self.books.told_len, len);
        len.wrapping_sub(told) as isize
    }

    /// Tells the pool what was allocated here since the last time, less what the depot has counted.
    fn tell_allocations(&mut self) {
        self.carry_allocations();
        let books = &mut self.books;
        let allocated = mem::take(&mut books.untold_allocations);
        let beside = allocated.wrapping_sub(books.counted_by_depot) as Word;
        if beside != 0 {
            let told = &self.pool.header().exchange.allocations_beside;
            sync::section(|s| told.fetch_add(s, beside, Relaxed));
        }
        books.counted_by_depot = 0;
    }

    /// Takes the number of allocations out of the tally.
    fn carry_allocations(&mut self) {
        let allocated = self.tally.carry();
        let books = &mut self.books;
        books.allocations = books.allocations.wrapping_add(allocated);
        books.untold_allocations = books.untold_allocations.wrapping_add(allocated);
    }
}
