//! Where a cache meets the depot: the slow half.
//!
//! # How many blocks a draw takes
//! Nobody can take back what lies in an idle cache, so a cache draws little before it is used much. Let
//! `a` be the number of blocks that it has handed out so far. Where `n` more are needed than it has, it
//! draws at most `n`, or if that is more the least of
//! - `a / 8`,
//! - half of what the depot has,
//! - a magazine, or half the cache where that is less (a larger burst takes several draws).
//!
//! A magazine of the depot that is larger than that is taken last, and split: the rest goes to the stack.
//!
//! **What that guarantees.** Let `w` workers with new caches allocate `k` blocks each, and free none. When
//! a worker draws, it has handed out `a` blocks, holds `h` more, and needs `n` more than these, so that
//! `a + h + n <= k`. It has then drawn `a + h + n` in all, or at most `a + h + a / 8`, where `a < k`: never
//! more than `k + (k - 1) / 8`. So while `w * (k + (k - 1) / 8)` is at most the number of blocks that the
//! depot had at first, a worker that draws finds the `n` that it needs: all are served, in any order.
//!
//! This holds between threads as well. Blocks that were never handed out and those of the stack leave the
//! depot by one compare-and-swap, so that each is found until another worker has it. The one exception is
//! a magazine that is being split: until the rest of it is on the stack, others find neither. So where
//! earlier workers left magazines in the depot, and these are all that it has left, a worker may be
//! refused that comes in just that moment.

use core::mem;

use super::Cache;
use crate::error::Exhausted;
use crate::pool::audit::AuditKind;
use crate::pool::depot::{Unloaded, assume_init};
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
        sync::section(|s| self.pool.depot.return_empty(s, &mut self.books.slot));
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
        match self.refill(1) {
            // What was on its way from one place to the other may be there now.
            0 if self.pool.available() == 0 || self.refill(1) == 0 => Err(self.exhausted(1, 0)),
            _ => Ok(()),
        }
    }

    /// Draws towards `n` blocks (at most `N`, and more than are here), by one exchange: a magazine, a chain
    /// of the stack, or blocks never handed out. Returns the number drawn; for how many that may be, see
    /// the module.
    pub(super) fn refill(&mut self, n: usize) -> usize {
        // First, so that the line is this core's when the exchange reads and swaps a word in it.
        self.tell_allocations();
        let (share, need) = (self.share(), n - self.len());
        // On 32-bit targets this wraps after 34 billion allocations, and grows again.
        let earned = (self.books.allocations / 8) as usize;
        let want = need.max(earned.min(self.pool.available() / 2));
        let room = self.ids.get_mut(self.tally.len()..).unwrap_or_default();
        // Nothing is hoarded while someone waits.
        let waited_for = self.pool.is_waited_for();
        let most = if waited_for { 1 } else { room.len() };
        let room = room.get_mut(..most).unwrap_or_default();
        let whole = room.len().min(self.pool.magazine()) <= want;
        // A magazine of a larger cache may exceed the share.
        let most = room.len().min(share);
        let (want, room) = (want.min(most), room.get_mut(..most).unwrap_or_default());
        let (depot, books) = (&self.pool.depot, &mut self.books);
        let (drawn, in_magazines, awaited) = sync::section(|s| {
            let mut unloaded = None;
            if whole {
                unloaded = depot.take_magazine(s, &mut books.slot, room);
            }
            if unloaded.is_none() {
                let some = room.get_mut(..want).unwrap_or_default();
                let mut n = depot.stack().pop_chain(s, some);
                if n == 0 {
                    n = depot.take_new(s, some);
                }
                if n > 0 {
                    books.counted_by_depot += n as u64;
                    return (n, 0, false);
                }
                // Last: what is not taken of it goes to the stack.
                unloaded = depot.take_magazine(s, &mut books.slot, some);
            }
            match unloaded {
                Some(Unloaded { len, fits, awaited }) => (fits, -(len as isize), awaited),
                None => (0, 0, false),
            }
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
        // What was asked for is handed out next: the pool hears of it as in use.
        let kept = self.len().checked_sub(n).unwrap_or(self.len());
        let cached = self.tell_len(kept);
        sync::section(|s| {
            self.pool.depot.tell_held(s, cached, in_magazines);
            self.pool.depot.note_exchange(s);
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
    /// budget of at least `k`. Its caller [passes on](Self::pass_on) when it is done.
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

    /// Ends a free that met the depot. Gives what exceeds `fill` to the depot: one free may bring more
    /// blocks than that. Then looks around: gives everything away if someone waits, and wakes those that
    /// wait for what went to the depot. It runs the user's code, which may unwind: nothing is half done.
    pub(super) fn pass_on(&mut self) {
        while self.len() > self.books.fill {
            self.flush_coldest(self.share());
        }
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
            self.pool
                .depot
                .give_magazine(s, &mut self.books.slot, cold, cached);
            self.pool.depot.note_exchange(s);
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
                self.pool.depot.tell_held(s, cached, 0);
                self.pool.depot.note_exchange(s);
            });
        }
    }

    /// How many more blocks are here than the pool has been told; it is told now.
    fn untold(&mut self) -> isize {
        self.tell_len(self.len())
    }

    /// How many more blocks `len` is than the pool has been told; it is told now.
    fn tell_len(&mut self, len: usize) -> isize {
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
