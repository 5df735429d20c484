//! The depot: the free blocks of a pool. It has two halves, which also work alone: a [`Stack`] with the frontier
//! of blocks that were never allocated, and full [`Magazines`].
//!
//! The [`Depot`] runs no user code: it returns what happened, and the pool acts on it.
//!
//! One rule holds for all functions. A function that gives indices: the caller owns their blocks, all different,
//! and gives them up. A function that takes indices: the caller becomes the owner of their blocks.

pub(crate) mod ids;
pub(crate) mod magazines;
pub(crate) mod stack;
pub(crate) mod word;

use core::mem::MaybeUninit;
use core::num::NonZeroU32;
use core::ptr::NonNull;

use crate::pool::geometry::{MAX_MAGAZINE, slot_count};
use crate::pool::meta::{Base, Header};
use crate::sync::{self, Ordering::*, Section, Word};
use ids::{Ids, assume_init, rest};
use magazines::{Magazine, Magazines};
use stack::Stack;
use word::HeldCounts;

/// Above every depth: the next pop computes the mark.
const NO_MARK: Word = u32::MAX as Word;

/// The content of a magazine that was taken.
pub(crate) struct Unloaded {
    /// Number of blocks in it.
    pub(crate) len: usize,
    /// Number of blocks that the caller got.
    pub(crate) fits: usize,
    /// Whether the other blocks went to an empty stack: the caller must look for waiters.
    pub(crate) awaited: bool,
}

/// The free blocks of a pool, and the counts of the others.
///
/// Invariant: `base` points at metadata for `capacity` and `magazine` (see `meta`), valid for the life of the
/// depot and accessed through depots only.
pub(crate) struct Depot {
    pub(crate) base: NonNull<Base>,
    pub(crate) capacity: NonZeroU32,
    pub(crate) magazine: u16,
    /// The binary logarithm of the blocks' alignment. It belongs to the pool; here it takes no extra room.
    pub(crate) align_log2: u8,
    /// Whether safe code may have made other descriptors of the pool. Then `&mut Pool` does not prove exclusive
    /// access. It belongs to the pool as well.
    pub(crate) shared: bool,
}

impl Depot {
    /// Number of blocks that the metadata has links for.
    #[inline(always)]
    pub(crate) const fn capacity(&self) -> u32 {
        self.capacity.get()
    }

    #[inline(always)]
    pub(crate) fn header(&self) -> &Header {
        // SAFETY: by the invariant, `base` points at a header that lives as long as the depot; its shared words are
        // atomics, the rest is written before the pool is shared.
        unsafe { &(*self.base.as_ptr()).header }
    }

    #[inline(always)]
    pub(crate) fn stack(&self) -> Stack<'_> {
        // SAFETY: by the invariant, these are the links of as many blocks.
        unsafe { Stack::new(&self.header().stack, Base::links(self.base), self.capacity) }
    }

    #[inline(always)]
    pub(crate) fn magazines(&self) -> Magazines<'_> {
        let slots = slot_count(self.capacity(), self.magazine);
        // SAFETY: by the invariant, the metadata has room for as many slots.
        unsafe {
            let memory = Base::magazines(self.base, self.capacity(), self.magazine);
            Magazines::new(&self.header().exchange.magazines, memory, slots)
        }
    }

    /// Takes as many blocks as `ids` has room for and the depot has: from stack, frontier and magazines, and again
    /// if one of them has blocks at the end. Returns the length of the written part of `ids`, and whether the caller
    /// must look for waiters after it has made handles of the blocks.
    ///
    /// 0 means that no place had a block when it was looked at: blocks that move from one place to another
    /// meanwhile (a flush, a refill) may be missed.
    pub(crate) fn take(&self, s: Section<'_>, ids: &mut Ids) -> (usize, bool) {
        let (mut n, mut awaited) = (0, false);
        loop {
            n += self.stack().pop_chain(s, rest(ids, n));
            n += self.take_new(s, rest(ids, n));
            while n < ids.len() {
                let Some(unloaded) = self.break_magazine(s, rest(ids, n)) else {
                    break;
                };
                n += unloaded.fits;
                awaited |= unloaded.awaited;
            }
            if n == ids.len() || !self.has_some() {
                return (n, awaited);
            }
        }
    }

    /// Whether there is a block in the stack or in a magazine.
    fn has_some(&self) -> bool {
        self.stack().top() != 0 || self.magazines().has_full()
    }

    /// Takes up to `ids.len()` blocks that were never allocated. Returns their number.
    #[inline(never)]
    pub(crate) fn take_new(&self, s: Section<'_>, ids: &mut Ids) -> usize {
        self.stack().take_new(s, ids)
    }

    /// Gives blocks to the stack with one compare-and-swap; the last lies on top. Returns whether the stack
    /// was empty: then the caller must look for waiters, outside of the section.
    ///
    /// # Safety
    /// The caller owns the blocks, all different, and gives them up.
    pub(crate) unsafe fn give(&self, s: Section<'_>, ids: &[u32]) -> bool {
        // SAFETY: the caller's promise.
        unsafe { self.stack().push(s, ids) }
    }

    /// Takes a full magazine and empties it into `ids`; blocks that do not fit go to the stack. `own` is the empty
    /// magazine that the cache keeps for its next flush. The caller must [report](Self::report_held) that the blocks
    /// left the magazines.
    #[inline(never)]
    pub(crate) fn take_magazine(
        &self,
        s: Section<'_>,
        own: &mut Option<Magazine>,
        ids: &mut Ids,
    ) -> Option<Unloaded> {
        let magazines = self.magazines();
        let (magazine, len) = magazines.take_full(s, own)?;
        let fits = len.min(ids.len());
        // SAFETY: the magazine was just taken, and `fits` is within its length.
        unsafe { magazines.read(&magazine, 0, ids.get_mut(..fits).unwrap_or_default()) };
        let mut at = fits;
        let mut awaited = false;
        while at < len {
            // Sixteen at a time: this happens where a small cache shares a pool with large ones.
            let mut some = [const { MaybeUninit::uninit() }; 16];
            let n = (len - at).min(some.len());
            let some = some.get_mut(..n).unwrap_or_default();
            // SAFETY: the magazine is owned and filled up to `len`; its owner owns the blocks in it.
            unsafe {
                magazines.read(&magazine, at, some);
                awaited |= self.give(s, assume_init(some));
            }
            at += n;
        }
        *own = Some(magazine);
        Some(Unloaded { len, fits, awaited })
    }

    /// Gives `ids` to the depot as a magazine, or as a chain if they are few or no slot is free. `cached` is the change
    /// of the number of blocks in the caller's cache since its last report, these blocks included.
    ///
    /// # Safety
    /// As for [`give`](Self::give).
    pub(crate) unsafe fn give_magazine(
        &self,
        s: Section<'_>,
        own: &mut Option<Magazine>,
        ids: &[u32],
        cached: isize,
    ) {
        let (magazine, magazines) = (self.magazine as usize, self.magazines());
        let worth_it = ids.len() <= magazine && ids.len() * 4 >= magazine && ids.len() > 1;
        let empty = if worth_it {
            own.take().or_else(|| magazines.take_empty(s))
        } else {
            None
        };
        let Some(empty) = empty else {
            // SAFETY: the caller's promise.
            unsafe { self.give(s, ids) };
            return self.report_held(s, cached, 0);
        };
        // SAFETY: the indices fit it.
        unsafe { magazines.write(&empty, ids) };
        // Before the magazine can be taken, so that the count is never too low; and before the exchange, so that
        // this core has the line when the exchange reads and swaps a word in it.
        self.report_held(s, cached, ids.len() as isize);
        *own = magazines.give_full(s, empty, ids.len());
    }

    /// Takes blocks out of a full magazine, for a caller without a cache. The rest goes to the stack.
    pub(crate) fn break_magazine(&self, s: Section<'_>, ids: &mut Ids) -> Option<Unloaded> {
        let mut own = None;
        let unloaded = self.take_magazine(s, &mut own, ids)?;
        self.report_held(s, 0, -(unloaded.len as isize));
        self.return_empty(s, &mut own);
        // Neither the stack nor the frontier has counted these.
        let beside = &self.header().exchange.uncounted_allocations;
        beside.fetch_add(s, unloaded.fits as Word, Relaxed);
        Some(unloaded)
    }

    /// Writes to every magazine that was never used: see [`Pool::prefault`](crate::Pool::prefault).
    pub(crate) fn prefault_magazines(&self) {
        let zeros = [0; MAX_MAGAZINE];
        let zeros = zeros.get(..self.magazine as usize).unwrap_or_default();
        loop {
            let mut magazine = sync::section(|s| self.magazines().take_new(s));
            let Some(new) = &magazine else { return };
            // SAFETY: a magazine fits it.
            unsafe { self.magazines().write(new, zeros) };
            sync::section(|s| self.return_empty(s, &mut magazine));
        }
    }

    /// Returns an empty magazine that a cache kept for its next flush.
    pub(crate) fn return_empty(&self, s: Section<'_>, own: &mut Option<Magazine>) {
        if let Some(magazine) = own.take() {
            self.magazines().give_empty(s, magazine);
        }
    }

    /// Adds to the numbers of blocks in caches and in magazines.
    #[inline(never)]
    pub(crate) fn report_held(&self, s: Section<'_>, cached: isize, in_magazines: isize) {
        let held = &self.header().exchange.held;
        // SeqCst: pairs with `note_peak`, see `note_exchange`.
        held.fetch_add(s, HeldCounts::step(cached, in_magazines), SeqCst);
    }

    /// The numbers of blocks in caches and in magazines.
    pub(crate) fn held(&self) -> HeldCounts {
        HeldCounts(self.header().exchange.held.load(Relaxed))
    }

    /// Number of blocks that other pools account for: see [`Cold`](super::meta::Cold).
    pub(crate) fn lent(&self) -> Word {
        self.header().cold.lent.load(Relaxed)
    }

    /// Number of blocks in the depot.
    pub(crate) fn available(&self) -> usize {
        let never = self.stack().never_used();
        let full = self.held().in_magazines() as Word;
        (self.stack().depth() as Word + never + full).min(self.capacity() as Word) as usize
    }

    /// Number of blocks that are neither in the depot nor in caches, as of the caches' last reports. Exact while no
    /// operation is in progress and no cache exists.
    pub(crate) fn in_use(&self) -> u32 {
        // Blocks ever allocated that are neither lent, nor in magazines, nor in caches (as of their last reports):
        // in use or in the stack.
        let roaming = (self.header().stack.frontier.load(Relaxed))
            .wrapping_sub(self.held().sum())
            .wrapping_sub(self.lent());
        let in_use = (roaming as u32).wrapping_sub(self.stack().depth());
        // The counters change one after the other, so the difference can be negative for a moment.
        if in_use > self.capacity() { 0 } else { in_use }
    }

    /// Updates the peak.
    ///
    /// A pop must not pay for this. While `roaming` stays the same, the peak can rise only when the stack falls
    /// below `roaming - peak` blocks. That number is `mark`; a pop compares it with a line that it has just
    /// written. Every operation that changes `roaming` calls this, and so does a pop that falls below the mark.
    #[cold]
    #[inline(never)]
    pub(crate) fn note_peak(&self, s: Section<'_>) {
        let mut aims = self.aims();
        loop {
            let (roaming, low) = aims;
            let mark = match roaming.wrapping_sub(self.raise_peak(s)) {
                // The counters are changing.
                mark if mark > self.capacity() as Word => 0,
                mark => mark,
            };
            // AcqRel: all changes of this word are swaps. So this acquires what the swaps before it released,
            // here or in `note_exchange`, and sees below what their threads had changed.
            // SeqCst: see `note_exchange`.
            (self.header().stack.mark).swap(s, mark.max(low), SeqCst);
            sync::seq_cst_under_loom();
            // If it changed meanwhile, a later and better mark may have been overwritten.
            let now = self.aims();
            if now == aims {
                return;
            }
            aims = now;
        }
    }

    /// The numbers from which a mark is computed: `roaming`, and the depth of the stack below which the depot has
    /// fewer blocks than the mark of [`on_low_water`](crate::Pool::on_low_water).
    #[inline(never)]
    fn aims(&self) -> (Word, Word) {
        let header = self.header();
        // SeqCst, and first: see `note_exchange`. It also acquires what the reporting thread did before.
        let held = HeldCounts(header.exchange.held.load(SeqCst));
        let frontier = header.stack.frontier.load(Relaxed);
        let roaming = frontier.wrapping_sub(held.sum()).wrapping_sub(self.lent());
        let never = (self.capacity() as Word).saturating_sub(frontier);
        let beside = never + held.in_magazines() as Word;
        (
            roaming,
            header.pressure.low_water.mark().saturating_sub(beside),
        )
    }

    /// Updates the peak at an exchange with a cache, which changes `roaming`.
    ///
    /// Two workers that only exchange magazines must not write to the line that direct allocation uses. So the mark
    /// is not computed here but invalidated, once, and the next pop computes it.
    #[inline(never)]
    pub(crate) fn note_exchange(&self, s: Section<'_>) {
        let mark = &self.header().stack.mark;
        sync::seq_cst_under_loom();
        // SeqCst: this changes `held` and then reads the mark; `note_peak` changes the mark and then
        // reads `held`. All four are SeqCst and so have one order: if this does not see the mark,
        // `note_peak` sees the change, and looks again.
        if mark.load(SeqCst) != NO_MARK {
            // AcqRel, a swap: see `note_peak`.
            mark.swap(s, NO_MARK, AcqRel);
        }
        self.raise_peak(s);
    }

    /// Raises the peak to the number of blocks in use, and returns it.
    #[inline(never)]
    fn raise_peak(&self, s: Section<'_>) -> Word {
        let highest = &self.header().stack.peak;
        let (in_use, peak) = (self.in_use() as Word, highest.load(Relaxed));
        if in_use > peak {
            return highest.fetch_max(s, in_use, Relaxed).max(in_use);
        }
        peak
    }

    /// Takes a place in the order of changes of stack and magazines, without a change. What this thread reads of
    /// them afterwards is no older.
    pub(crate) fn mark_order(&self) {
        self.header().stack.swap_for_the_same();
        self.header().exchange.magazines.swap_for_the_same();
    }
}
