//! The depot: the lock-free stack of free blocks, and the frontier of blocks never handed out.
//!
//! # Why it is safe
//! The stack's head is one tagged word ([`Shape`]); links lie in a side array. A pop reads the head
//! `(A, t)`, reads `link[A] = B`, and replaces `(A, t)` by `(B, t + 1)`. The classic danger is ABA:
//!
//! | pop, thread 1 | thread 2 | head | link\[A\] |
//! |---|---|---|---|
//! | loads head | | A, t | B |
//! | loads `link[A]` = B | | A, t | B |
//! | | pops A | B, t + 1 | B |
//! | | pops B | C, t + 2 | B |
//! | | pushes A | A, t + 2 | C |
//! | CAS (A, t) → (B, t + 1) **fails**: the tag moved | | A, t + 2 | C |
//!
//! For `link[A]` to change under a popper, A must have been popped, and every pop moves the tag: a
//! compare-and-swap that succeeds has read the link that belongs to the head it replaces. A push needs
//! no tag: it writes the link of a block it owns, and any head will do as the block below, if it is
//! still the head when the swap happens. A popper may read a link that is being rewritten
//! ([`RAW`](super::meta::RAW) included); it is an atomic, and the value is thrown away with the failed
//! swap.
//!
//! It does not matter how old the head is that a thread starts from
//! ([`recent_head`](super::meta::Hot::recent_head)), nor how it came by it: a swap that succeeds shows
//! that it is the head still, or again with only pushes in between and these undone, which takes pops
//! and moves the tag (until that wraps: see [`word`](super::word)). What matters to a pop is that it was
//! acquired, so that the link is the one it came with.
//!
//! A chain of n blocks is popped by walking n links and swapping once. By the same argument, if the
//! swap succeeds, no block of the chain was popped meanwhile, so every link read was current.
//!
//! **Orderings.** A push releases, a pop acquires: what was written to a block before it was freed
//! happens before what is written after it is allocated. All changes of the head are
//! read-modify-writes, so the release sequence of a push continues through later ones, whoever does
//! them, and the popper of a block deep in the stack still synchronises with the one who pushed it.
//!
//! The frontier only grows, and blocks beyond it have no history: relaxed is enough.

use core::mem::MaybeUninit;

use crate::pool::word::{Held, Shape, Slots};
use crate::pool::{Block, Pool};
use crate::sync::{self, Ordering::*, Section, Word};

/// Above every depth: the next pop works the mark out.
const NO_MARK: Word = u32::MAX as Word;

/// Indices on their way from the depot to a caller.
pub(crate) type Ids = [MaybeUninit<u32>];

impl Pool<'_> {
    #[inline(always)]
    pub(crate) fn shape(&self) -> Shape {
        Shape::of(self.capacity)
    }

    /// One block, from the stack, the frontier or a broken magazine. One compare-and-swap where the
    /// stack is not empty.
    #[inline]
    pub(crate) fn take_one(&self) -> Option<u32> {
        match sync::section(|s| self.pop(s)) {
            Some((id, None)) => Some(id),
            Some((id, Some(wrapped))) => Some(self.note_pop(id, wrapped)),
            None => self.take_one_slowly(),
        }
    }

    /// A block, and if the pop is to be noted, whether the tag wrapped.
    #[inline(always)]
    fn pop(&self, s: Section<'_>) -> Option<(u32, Option<bool>)> {
        let shape = self.shape();
        let hot = &self.header().hot;
        // Acquire: with the release in `push_chain` this makes the link the one written there. An
        // earlier head may be empty where the stack is not: the slow way looks at the stack itself.
        let mut head = hot.recent_head(Acquire);
        loop {
            let id = shape.top(head).checked_sub(1)?;
            // SAFETY: only indices below the capacity are ever pushed.
            let next = unsafe { self.link(id) }.load(Relaxed);
            let after = shape.popped(head, 1, next);
            // Worked out before the swap, in the shadow of its loads: behind a locked instruction
            // everything waits.
            let wrapped = shape.wrapped(head, after);
            let rises = self.depth_of(after) < hot.low_water.load(Relaxed) as u32;
            // Acquire on success as well: an earlier head may come from a push, which has not acquired what
            // lies below its blocks; with the swap, everything below was.
            match hot.swap_head(s, head, after, Acquire, Acquire) {
                Ok(()) => {
                    return Some((id, (wrapped | rises).then_some(wrapped)));
                }
                Err(now) => head = now,
            }
        }
    }

    #[cold]
    #[inline(never)]
    fn note_pop(&self, id: u32, wrapped: bool) -> u32 {
        // Owned: what follows runs the user's code, which may unwind.
        // SAFETY: the block was just popped.
        let block = unsafe { Block::own(self, id) };
        sync::section(|s| {
            if wrapped {
                self.header().hot.tag_wraps.fetch_add(s, 1, Relaxed);
            }
            self.note_peak(s);
        });
        self.note_low();
        block.disown()
    }

    #[cold]
    #[inline(never)]
    fn take_one_slowly(&self) -> Option<u32> {
        let mut id = [MaybeUninit::uninit()];
        let (n, awaited) = self.take_many(&mut id);
        if n == 0 {
            return None;
        }
        let [id] = id;
        // Owned: what follows runs the user's code, which may unwind.
        // SAFETY: one index was written, of a block that was just taken.
        let block = unsafe { Block::own(self, id.assume_init()) };
        self.look_if(awaited);
        self.note_burst();
        Some(block.disown())
    }

    /// As many blocks as `ids` has room for and the depot can give, from wherever they lie. Returns
    /// the length of the part of `ids` that was written, and whether the caller must
    /// [look for waiters](Self::look_if), once the blocks are someone's.
    pub(crate) fn take_many(&self, ids: &mut Ids) -> (usize, bool) {
        sync::section(|s| self.take_from(s, ids))
    }

    /// Stack, frontier, magazines; and again if there is something by the end. "None" means that none
    /// was found in any place, each looked at once: blocks that move from one to the other meanwhile
    /// (a flush, a refill) may be missed. Returns their number, and as [`push_many`](Self::push_many).
    fn take_from(&self, s: Section<'_>, ids: &mut Ids) -> (usize, bool) {
        let (mut n, mut awaited) = (0, false);
        loop {
            n += self.pop_chain(s, rest(ids, n));
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
    pub(crate) fn has_some(&self) -> bool {
        let header = self.header();
        let full = Slots(header.exchange.slots.load(Relaxed)).full();
        self.shape().top(header.hot.stack.load(Relaxed)) != 0 || full != 0
    }

    /// Up to `ids.len()` blocks of the stack, by one compare-and-swap.
    pub(crate) fn pop_chain(&self, s: Section<'_>, ids: &mut Ids) -> usize {
        if ids.is_empty() {
            return 0;
        }
        let shape = self.shape();
        let hot = &self.header().hot;
        let mut head = hot.stack.load(Acquire);
        loop {
            let mut n = 0;
            let mut top = shape.top(head);
            for slot in ids.iter_mut() {
                // Past the capacity: a link was read that is not in the stack any more; the head
                // has moved, and the swap below will fail.
                if top == 0 || top > self.capacity {
                    break;
                }
                slot.write(top - 1);
                n += 1;
                // SAFETY: just checked.
                top = unsafe { self.link(top - 1) }.load(Relaxed);
            }
            if n == 0 {
                return 0;
            }
            let after = shape.popped(head, n, top);
            // Success acquires nothing more: the head was read from the stack itself, and is the same.
            match hot.swap_head(s, head, after, Relaxed, Acquire) {
                Ok(()) => {
                    if shape.wrapped(head, after) {
                        hot.tag_wraps.fetch_add(s, 1, Relaxed);
                    }
                    return n as usize;
                }
                Err(now) => head = now,
            }
        }
    }

    /// Up to `ids.len()` blocks that were never handed out.
    #[inline(never)]
    pub(crate) fn take_new(&self, s: Section<'_>, ids: &mut Ids) -> usize {
        let frontier = &self.header().hot.frontier;
        let mut first = frontier.load(Relaxed);
        loop {
            let n = (ids.len() as Word).min((self.capacity as Word).saturating_sub(first));
            if n == 0 {
                return 0;
            }
            match frontier.compare_exchange_weak(s, first, first + n, Relaxed, Relaxed) {
                Ok(_) => {
                    // The last is taken first from a cache: let that be the lowest.
                    for (slot, id) in ids.iter_mut().zip((first..first + n).rev()) {
                        slot.write(id as u32);
                    }
                    return n as usize;
                }
                Err(now) => first = now,
            }
        }
    }

    /// Returns one block by one compare-and-swap.
    ///
    /// # Safety
    /// The caller owns the block, and gives it up.
    #[inline]
    pub(crate) unsafe fn give_one(&self, id: u32) {
        // SAFETY: the caller's promise.
        if sync::section(|s| unsafe { self.push_chain(s, id, id, 1) }) {
            self.look_for_waiters();
        }
    }

    /// Returns blocks by one compare-and-swap; the last lies on top.
    ///
    /// # Safety
    /// The caller owns the blocks, all different, and gives them up.
    pub(crate) unsafe fn give_many(&self, ids: &[u32]) {
        // SAFETY: the caller's promise.
        let awaited = unsafe { self.give_quietly(ids) };
        self.look_if(awaited);
    }

    /// The same without waking anyone: returns as [`push_many`](Self::push_many).
    ///
    /// # Safety
    /// As for [`give_many`](Self::give_many).
    pub(crate) unsafe fn give_quietly(&self, ids: &[u32]) -> bool {
        // SAFETY: the caller's promise.
        sync::section(|s| unsafe { self.push_many(s, ids) })
    }

    /// Returns whether the stack was empty: then the caller must
    /// [look for waiters](Self::look_for_waiters), outside of the section.
    ///
    /// # Safety
    /// As for [`give_many`](Self::give_many).
    pub(crate) unsafe fn push_many(&self, s: Section<'_>, ids: &[u32]) -> bool {
        let (Some(&bottom), Some(&top)) = (ids.first(), ids.last()) else {
            return false;
        };
        for pair in ids.windows(2) {
            let &[below, above] = pair else { continue };
            // SAFETY: the caller owns the blocks, so their links are the caller's and in range.
            unsafe { self.link(above) }.store(below + 1, Relaxed);
        }
        // SAFETY: the caller's promise; the chain is linked from top to bottom.
        unsafe { self.push_chain(s, top, bottom, ids.len() as u32) }
    }

    /// Pushes `n` blocks that are linked from `top` down to `bottom`. Returns as
    /// [`push_many`](Self::push_many).
    #[inline(always)]
    unsafe fn push_chain(&self, s: Section<'_>, top: u32, bottom: u32, n: u32) -> bool {
        let shape = self.shape();
        let hot = &self.header().hot;
        if shape.counts_pushes() {
            // Before the push, so that the stack never looks less deep than it is.
            hot.pushes.fetch_add(s, n as Word, Relaxed);
        }
        let mut head = hot.recent_head(Relaxed);
        loop {
            // SAFETY: the caller owns the block; blocks that are owned are in range.
            unsafe { self.link(bottom) }.store(shape.top(head), Relaxed);
            let after = shape.pushed(head, n, top + 1);
            // Release: pairs with the acquire of a pop. What was done to the blocks, and their
            // links, comes before whatever the next owner does.
            match hot.swap_head(s, head, after, Release, Relaxed) {
                Ok(()) => return shape.top(head) == 0,
                Err(now) => head = now,
            }
        }
    }

    /// Blocks in the stack.
    pub(crate) fn stacked(&self) -> u32 {
        self.depth_of(self.header().hot.stack.load(Relaxed))
    }

    #[inline(always)]
    fn depth_of(&self, head: Word) -> u32 {
        let pushes = &self.header().hot.pushes;
        self.shape()
            .depth(head, || pushes.load(Relaxed), self.capacity)
    }

    /// Blocks in caches and magazines.
    pub(crate) fn held(&self) -> Held {
        Held(self.header().exchange.held.load(Relaxed))
    }

    /// Blocks that are accounted for elsewhere: see [`Cold`](super::meta::Cold).
    pub(crate) fn lent(&self) -> Word {
        self.header().cold.lent.load(Relaxed)
    }

    /// Blocks ever handed out that are neither lent, nor in magazines, nor, as far as these have told,
    /// in caches: in use or in the stack.
    fn roaming(&self) -> Word {
        let frontier = self.header().hot.frontier.load(Relaxed);
        frontier
            .wrapping_sub(self.held().sum())
            .wrapping_sub(self.lent())
    }

    /// Blocks out of the depot and out of the caches, as far as these have told: exact when
    /// everyone rests and no cache lives.
    pub(crate) fn in_use(&self) -> u32 {
        let in_use = (self.roaming() as u32).wrapping_sub(self.stacked());
        // Counters that move one after the other can cross zero for a moment.
        if in_use > self.capacity { 0 } else { in_use }
    }

    /// Keeps the peak.
    ///
    /// A pop must not pay for this. As long as `roaming` stays the same, the peak can rise only when
    /// the stack falls below `roaming - peak` blocks: that is `low_water`, one comparison with a line
    /// that the pop has just written. Whoever changes `roaming` comes here, and so does a pop that
    /// falls below the mark.
    #[cold]
    #[inline(never)]
    pub(crate) fn note_peak(&self, s: Section<'_>) {
        let hot = &self.header().hot;
        let mut aims = self.aims();
        loop {
            let (roaming, low) = aims;
            let mark = match roaming.wrapping_sub(self.raise_peak(s)) {
                // Counters in motion.
                mark if mark > self.capacity as Word => 0,
                mark => mark,
            };
            // AcqRel: all changes of this word are swaps. So this acquires what those released that
            // replaced it before, here or in `note_exchange`, and sees below what they had changed.
            // SeqCst: see `note_exchange`.
            hot.low_water.swap(s, mark.max(low), SeqCst);
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
    /// left in all than [`on_low_water`](Self::on_low_water) was told.
    #[inline(never)]
    fn aims(&self) -> (Word, Word) {
        let header = self.header();
        // SeqCst, and first: see `note_exchange`. It acquires as well what its teller did before.
        let held = Held(header.exchange.held.load(SeqCst));
        let frontier = header.hot.frontier.load(Relaxed);
        let roaming = frontier.wrapping_sub(held.sum()).wrapping_sub(self.lent());
        let never = (self.capacity as Word).saturating_sub(frontier);
        let beside = never + held.in_magazines() as Word;
        (roaming, self.low_mark().saturating_sub(beside))
    }

    /// Keeps the peak at an exchange with a cache, which changes `roaming`.
    ///
    /// Two workers that only exchange magazines must not write to the line that direct allocation
    /// uses: the mark is not worked out here but given up, once, and the next pop works it out.
    #[inline(never)]
    pub(crate) fn note_exchange(&self, s: Section<'_>) {
        let hot = &self.header().hot;
        sync::seq_cst_under_loom();
        // SeqCst: this changes `held` and then reads the mark; `note_peak` changes the mark and then
        // reads `held`. All four are SeqCst and so have one order: if this does not see the mark,
        // `note_peak` sees the change, and looks again.
        if hot.low_water.load(SeqCst) != NO_MARK {
            // AcqRel, a swap: see `note_peak`.
            hot.low_water.swap(s, NO_MARK, AcqRel);
        }
        self.raise_peak(s);
    }

    /// Raises the peak to what is in use now, and returns it.
    #[inline(never)]
    fn raise_peak(&self, s: Section<'_>) -> Word {
        let highest = &self.header().hot.peak;
        let (in_use, peak) = (self.in_use() as Word, highest.load(Relaxed));
        if in_use > peak {
            return highest.fetch_max(s, in_use, Relaxed).max(in_use);
        }
        peak
    }

    /// [`note_peak`](Self::note_peak) and [`note_low`](Self::note_low), after an operation that took
    /// blocks, or took and returned them.
    pub(crate) fn note_burst(&self) {
        sync::section(|s| self.note_peak(s));
        self.note_low();
    }
}

/// What is left of `ids` behind the first `n`.
#[inline(always)]
pub(crate) fn rest(ids: &mut Ids, n: usize) -> &mut Ids {
    ids.get_mut(n..).unwrap_or_default()
}
