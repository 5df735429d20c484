//! The depot: where the free blocks of a pool are. A [`Stack`] with the frontier of blocks never handed
//! out, and full [`Magazines`]; each half works alone.
//!
//! The [`Depot`] runs no user code: it returns what happened, and the pool acts on it.
//!
//! One rule holds for all that gives indices: the caller owns their blocks, all different, and gives them
//! up. All that takes them makes the caller their owner.

pub(crate) mod magazines;
pub(crate) mod stack;
pub(crate) mod word;

use core::mem::MaybeUninit;
use core::num::NonZeroU32;
use core::ptr::NonNull;

use crate::pool::config::MAX_MAGAZINE;
use crate::pool::geometry::slot_count;
use crate::pool::meta::{Base, Header};
use crate::sync::{self, AtomicWord, Ordering::*, Section, Word};
use magazines::{Magazine, Magazines};
use stack::Stack;
use word::Held;

/// Above every depth: the next pop works the mark out.
const NO_MARK: Word = u32::MAX as Word;

/// Indices on their way from the depot to a caller.
pub(crate) type Ids = [MaybeUninit<u32>];

/// What was in a full magazine.
pub(crate) struct Unloaded {
    /// Blocks that were in it.
    pub(crate) len: usize,
    /// Those that its taker has room for.
    pub(crate) fits: usize,
    /// Whether the others went to an empty stack: the caller must look for waiters.
    pub(crate) awaited: bool,
}

/// The free blocks of a pool, and the counts of the others.
///
/// Invariant: `base` points at metadata for `capacity` and `magazine` (see `meta`), valid for the life of the
/// depot and reached through depots only.
pub(crate) struct Depot {
    pub(crate) base: NonNull<Base>,
    pub(crate) capacity: NonZeroU32,
    pub(crate) magazine: u16,
    /// The pool's; here it takes no room. The binary logarithm of the blocks' alignment.
    pub(crate) align_log2: u8,
    /// The pool's as well: whether safe code may have made other descriptors of it. Then `&mut Pool` does
    /// not prove that no other thread uses it.
    pub(crate) shared: bool,
}

impl Depot {
    /// Blocks that the metadata has links for.
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

    /// As many blocks as `ids` has room for and the depot can give: from stack, frontier, magazines; and
    /// again if there is something by the end. Returns the length of the part of `ids` that was written,
    /// and whether the caller must look for waiters, once the blocks are someone's.
    ///
    /// "None" means that none was found in any place, each looked at once: blocks that move from one to
    /// the other meanwhile (a flush, a refill) may be missed.
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

    /// Up to `ids.len()` blocks that were never handed out.
    #[inline(never)]
    pub(crate) fn take_new(&self, s: Section<'_>, ids: &mut Ids) -> usize {
        self.stack().take_new(s, ids)
    }

    /// Gives blocks to the stack by one compare-and-swap; the last lies on top. Returns whether the stack
    /// was empty: then the caller must look for waiters, outside of the section.
    ///
    /// # Safety
    /// The caller owns the blocks, all different, and gives them up.
    pub(crate) unsafe fn give(&self, s: Section<'_>, ids: &[u32]) -> bool {
        // SAFETY: the caller's promise.
        unsafe { self.stack().push(s, ids) }
    }

    /// Empties a full magazine into `ids`; what does not fit goes to the stack. `own` is the slot
    /// that the cache keeps for its next flush. That they left the magazines is for the caller to
    /// [tell](Self::tell_held).
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
            // SAFETY: the magazine is owned and filled up to `len`; the blocks in it are its owner's.
            unsafe {
                magazines.read(&magazine, at, some);
                awaited |= self.give(s, assume_init(some));
            }
            at += n;
        }
        *own = Some(magazine);
        Some(Unloaded { len, fits, awaited })
    }

    /// Gives `ids` to the depot as a magazine, or as a chain where they are few or no slot is free.
    /// `cached` is what that and all since its last telling changes in the caller's cache.
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
            return self.tell_held(s, cached, 0);
        };
        // SAFETY: the indices fit it.
        unsafe { magazines.write(&empty, ids) };
        // Told before it can be taken, so that the count never falls below what is there; and before
        // the exchange, so that the line is this core's when that reads and swaps a word in it.
        self.tell_held(s, cached, ids.len() as isize);
        *own = magazines.give_full(s, empty, ids.len());
    }

    /// Takes blocks out of a full magazine for a caller without a cache; the rest goes to the stack.
    pub(crate) fn break_magazine(&self, s: Section<'_>, ids: &mut Ids) -> Option<Unloaded> {
        let mut own = None;
        let unloaded = self.take_magazine(s, &mut own, ids)?;
        self.tell_held(s, 0, -(unloaded.len as isize));
        self.return_empty(s, &mut own);
        // Neither the stack nor the frontier has counted these.
        let beside = &self.header().exchange.allocations_beside;
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

    /// Puts an empty magazine that a cache kept for its next flush back.
    pub(crate) fn return_empty(&self, s: Section<'_>, own: &mut Option<Magazine>) {
        if let Some(magazine) = own.take() {
            self.magazines().give_empty(s, magazine);
        }
    }

    /// Tells how many more blocks are in caches and in magazines.
    #[inline(never)]
    pub(crate) fn tell_held(&self, s: Section<'_>, cached: isize, in_magazines: isize) {
        let held = &self.header().exchange.held;
        // SeqCst: pairs with `note_peak`, see `note_exchange`.
        held.fetch_add(s, Held::step(cached, in_magazines), SeqCst);
    }

    /// Blocks in caches and magazines.
    pub(crate) fn held(&self) -> Held {
        Held(self.header().exchange.held.load(Relaxed))
    }

    /// Blocks that are accounted for elsewhere: see [`Cold`](super::meta::Cold).
    pub(crate) fn lent(&self) -> Word {
        self.header().cold.lent.load(Relaxed)
    }

    /// Blocks in the depot.
    pub(crate) fn available(&self) -> usize {
        let never = self.stack().never_used();
        let full = self.held().in_magazines() as Word;
        (self.stack().depth() as Word + never + full).min(self.capacity() as Word) as usize
    }

    /// Blocks out of the depot and out of the caches, as far as these have told: exact when
    /// everyone rests and no cache lives.
    pub(crate) fn in_use(&self) -> u32 {
        // Blocks ever handed out that are neither lent, nor in magazines, nor, as far as these have told,
        // in caches: in use or in the stack.
        let roaming = (self.header().stack.frontier.load(Relaxed))
            .wrapping_sub(self.held().sum())
            .wrapping_sub(self.lent());
        let in_use = (roaming as u32).wrapping_sub(self.stack().depth());
        // Counters that move one after the other can cross zero for a moment.
        if in_use > self.capacity() { 0 } else { in_use }
    }

    /// Keeps the peak.
    ///
    /// A pop must not pay for this. As long as `roaming` stays the same, the peak can rise only when
    /// the stack falls below `roaming - peak` blocks: that is `mark`, one comparison with a line
    /// that the pop has just written. All that changes `roaming` comes here, and so does a pop that
    /// falls below the mark.
    #[cold]
    #[inline(never)]
    pub(crate) fn note_peak(&self, s: Section<'_>) {
        let mut aims = self.aims();
        loop {
            let (roaming, low) = aims;
            let mark = match roaming.wrapping_sub(self.raise_peak(s)) {
                // Counters in motion.
                mark if mark > self.capacity() as Word => 0,
                mark => mark,
            };
            // AcqRel: all changes of this word are swaps. So this acquires what those released that
            // replaced it before, here or in `note_exchange`, and sees below what they had changed.
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

    /// What a mark is worked out from: `roaming`, and the depth of the stack at which fewer blocks are
    /// left in all than [`on_low_water`](crate::Pool::on_low_water) was told.
    #[inline(never)]
    fn aims(&self) -> (Word, Word) {
        let header = self.header();
        // SeqCst, and first: see `note_exchange`. It acquires as well what its teller did before.
        let held = Held(header.exchange.held.load(SeqCst));
        let frontier = header.stack.frontier.load(Relaxed);
        let roaming = frontier.wrapping_sub(held.sum()).wrapping_sub(self.lent());
        let never = (self.capacity() as Word).saturating_sub(frontier);
        let beside = never + held.in_magazines() as Word;
        (roaming, header.pressure.low_mark().saturating_sub(beside))
    }

    /// Keeps the peak at an exchange with a cache, which changes `roaming`.
    ///
    /// Two workers that only exchange magazines must not write to the line that direct allocation
    /// uses: the mark is not worked out here but given up, once, and the next pop works it out.
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

    /// Raises the peak to what is in use now, and returns it.
    #[inline(never)]
    fn raise_peak(&self, s: Section<'_>) -> Word {
        let highest = &self.header().stack.peak;
        let (in_use, peak) = (self.in_use() as Word, highest.load(Relaxed));
        if in_use > peak {
            return highest.fetch_max(s, in_use, Relaxed).max(in_use);
        }
        peak
    }

    /// Puts a mark into the order of changes of stack and magazines, without a change. What this thread
    /// reads of them afterwards is no older.
    pub(crate) fn mark_order(&self) {
        self.header().stack.swap_for_the_same();
        self.header().exchange.magazines.swap_for_the_same();
    }
}

fn swap_for_the_same(word: &AtomicWord) {
    sync::section(|s| {
        let mut seen = word.load(Relaxed);
        // Release: pairs with the fence of `look_for_waiters`.
        while let Err(now) = word.compare_exchange_weak(s, seen, seen, Release, Relaxed) {
            seen = now;
        }
    });
}

/// What is left of `ids` after the first `n`.
#[inline(always)]
pub(crate) fn rest(ids: &mut Ids, n: usize) -> &mut Ids {
    ids.get_mut(n..).unwrap_or_default()
}

/// The indices in `ids`, all of them written.
///
/// # Safety
/// All of them are.
pub(crate) unsafe fn assume_init(ids: &Ids) -> &[u32] {
    // SAFETY: the caller's promise; the layouts are the same.
    unsafe { &*(core::ptr::from_ref(ids) as *const [u32]) }
}
