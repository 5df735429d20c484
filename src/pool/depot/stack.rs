//! One half of the depot: the lock-free stack of free blocks, and the frontier of blocks that were never allocated.
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
//! For `link[A]` to change under a popper, A must have been popped, and every pop moves the tag. So a
//! compare-and-swap that succeeds has read the link that belongs to the head it replaces. A push needs
//! no tag: it writes the link of a block it owns. Any head will do as the block below, if it is still
//! the head when the swap happens. A popper may read a link that is being rewritten
//! ([`RAW`](crate::pool::meta::RAW) included); the link is an atomic, and its value is thrown away with the
//! failed swap.
//!
//! The age of the head that a thread starts from ([`recent_head`](StackWords::recent_head)) does not
//! matter. A swap that succeeds shows that this is still the head, or the head again. The latter takes
//! pops, and these move the tag (until it wraps: see [`word`](super::word)). A pop must have acquired the
//! head, so that it reads the link that was written with it.
//!
//! A chain of n blocks is popped by walking n links and swapping once. By the same argument, if the
//! swap succeeds, no block of the chain was popped meanwhile, so every link read was current.
//!
//! **Orderings.** A push releases, a pop acquires: what was written to a block before it was freed
//! happens before what is written after it is allocated. All changes of the head are
//! read-modify-writes, so the release sequence of a push continues through later ones of any thread, and
//! the popper of a block deep in the stack still synchronises with the thread that pushed it.
//!
//! The frontier only grows, and blocks beyond it have no history: relaxed is enough.

use core::marker::PhantomData;
use core::num::NonZeroU32;
use core::ptr::NonNull;

use super::ids::Ids;
use super::word::Shape;
use crate::sync::{
    AtomicU32, AtomicWord, Counter, Ordering, Ordering::*, Section, Word, loom_const,
};

/// The words of a stack, which an allocation without a cache reads and writes.
#[cfg_attr(target_pointer_width = "64", repr(C, align(64)))]
#[cfg_attr(target_pointer_width = "32", repr(C))]
pub(crate) struct StackWords {
    /// See [`Shape`]. Changed by [`swap_head`](Self::swap_head) alone.
    head: AtomicWord,
    /// An earlier value of `head`: see [`recent_head`](Self::recent_head).
    #[cfg(target_arch = "x86_64")]
    recent: AtomicWord,
    /// Number of blocks ever allocated: those from here on were never used.
    pub(crate) frontier: AtomicWord,
    /// Number of blocks ever pushed, if the head has no room for the stack's depth.
    pushes: Counter,
    /// Number of times that the tag of `head` wrapped.
    tag_wraps: Counter,
    /// The largest number of blocks in use at once. The stack does not read it; it lies on this line because the
    /// owner changes it together with `mark`.
    pub(crate) peak: Counter,
    /// The depth below which a pop reports an [`Event`].
    pub(crate) mark: Counter,
}

impl StackWords {
    loom_const! {
        /// An empty stack, with no block allocated yet.
        pub(crate) fn new() -> Self {
            Self {
                head: AtomicWord::new(0),
                #[cfg(target_arch = "x86_64")]
                recent: AtomicWord::new(0),
                frontier: AtomicWord::new(0),
                pushes: Counter::new(0),
                tag_wraps: Counter::new(0),
                peak: Counter::new(0),
                mark: Counter::new(0),
            }
        }
    }

    /// The head of the stack, or an earlier one with the link of its top block at that time: enough to start a
    /// compare-and-swap, which fails if it is not the current one.
    ///
    /// On x86_64, a load of a word that a locked instruction has just written waits for that instruction, so a free
    /// delays the allocation after it. A copy of the word, stored after each swap with a plain store, is
    /// forwarded at once: in `shared/lifo` of `benches/peers`, the two take 13.7 ns instead of 20.6 on Sapphire
    /// Rapids. On other targets this is a load.
    ///
    /// A caller that reads that link must load with acquire: the thread that stored this head wrote the
    /// link of its top, or has acquired it, and `swap_head` releases.
    #[inline(always)]
    fn recent_head(&self, order: Ordering) -> Word {
        #[cfg(target_arch = "x86_64")]
        return self.recent.load(order);
        #[cfg(not(target_arch = "x86_64"))]
        return self.head.load(order);
    }

    /// Replaces the head `from` by `to`, or returns the current head. May fail spuriously.
    #[inline(always)]
    fn swap_head(
        &self,
        s: Section<'_>,
        from: Word,
        to: Word,
        success: Ordering,
        failure: Ordering,
    ) -> Result<(), Word> {
        self.head
            .compare_exchange_weak(s, from, to, success, failure)?;
        // If this store is late, the next swap that starts from it fails once, by the tag.
        #[cfg(target_arch = "x86_64")]
        self.recent.store(to, Ordering::Release);
        Ok(())
    }

    /// Takes a place in the order of the head's changes, without a change.
    pub(super) fn swap_for_the_same(&self) {
        self.head.swap_for_the_same();
    }
}

/// A block from the stack, and the event that its owner must handle.
pub(crate) struct Popped {
    pub(crate) id: u32,
    /// The stack fell below its [`mark`](StackWords::mark), or the tag wrapped.
    pub(crate) event: Option<Event>,
}

/// A rare event of a pop.
pub(crate) struct Event {
    /// [`Stack::count_wrap`] is due.
    pub(crate) wrapped: bool,
}

/// A stack of block indices: a view, made on use from its words and its links.
///
/// Invariants:
/// - `links` points at `capacity` links, valid for `'a` and accessed as atomics only.
/// - Every index in the stack is below `capacity`, and in it once.
#[derive(Clone, Copy)]
pub(crate) struct Stack<'a> {
    words: &'a StackWords,
    links: NonNull<AtomicU32>,
    capacity: NonZeroU32,
    _links: PhantomData<&'a [AtomicU32]>,
}

impl<'a> Stack<'a> {
    /// # Safety
    /// `links` points at `capacity` links, valid for `'a` and accessed as atomics only; all stacks over these
    /// words have the same links and capacity.
    #[inline(always)]
    pub(crate) unsafe fn new(
        words: &'a StackWords,
        links: NonNull<AtomicU32>,
        capacity: NonZeroU32,
    ) -> Self {
        Self {
            words,
            links,
            capacity,
            _links: PhantomData,
        }
    }

    #[inline(always)]
    fn shape(self) -> Shape {
        Shape::of(self.capacity)
    }

    /// The link of a block.
    ///
    /// # Safety
    /// `id` is less than the capacity.
    #[inline(always)]
    pub(crate) unsafe fn link(self, id: u32) -> &'a AtomicU32 {
        // SAFETY: the invariant; the caller stays below the capacity.
        unsafe { self.links.add(id as usize).as_ref() }
    }

    /// The index of the top block plus one; 0 if the stack is empty.
    pub(crate) fn top(self) -> u32 {
        self.shape().top(self.words.head.load(Relaxed))
    }

    /// Number of blocks in the stack.
    pub(crate) fn depth(self) -> u32 {
        self.depth_of(self.words.head.load(Relaxed))
    }

    #[inline(always)]
    fn depth_of(self, head: Word) -> u32 {
        let pushes = || self.words.pushes.load(Relaxed);
        self.shape().depth(head, pushes, self.capacity.get())
    }

    /// Number of blocks ever taken: popped, or new.
    pub(crate) fn taken(self) -> Word {
        let shape = self.shape();
        let wraps = crate::sync::wide(self.words.tag_wraps.load(Relaxed));
        let popped = crate::sync::wide(shape.tag(self.words.head.load(Relaxed)))
            .wrapping_add(wraps.wrapping_mul(shape.tag_span()));
        (popped as Word).wrapping_add(self.words.frontier.load(Relaxed))
    }

    /// Number of blocks that were never allocated.
    pub(crate) fn never_used(self) -> Word {
        let frontier = self.words.frontier.load(Relaxed);
        (self.capacity.get() as Word).saturating_sub(frontier)
    }

    /// Takes the top block.
    #[inline(always)]
    pub(crate) fn pop(self, s: Section<'_>) -> Option<Popped> {
        let shape = self.shape();
        // Acquire: pairs with the release in `push_chain`, so that the link is the one written there. An earlier
        // head may be empty while the stack is not: the slow path reads the stack itself.
        let mut head = self.words.recent_head(Acquire);
        loop {
            let id = shape.top(head).checked_sub(1)?;
            // SAFETY: only indices below the capacity are ever pushed.
            let next = unsafe { self.link(id) }.load(Relaxed);
            let after = shape.popped(head, 1, next);
            // Computed before the swap, together with its loads: everything waits for a locked instruction.
            let wrapped = shape.wrapped(head, after);
            let passed = self.depth_of(after) < self.words.mark.load(Relaxed) as u32;
            // Acquire on success as well: an earlier head may come from a push, which has not acquired the blocks
            // below its own; the swap acquires them.
            match self.words.swap_head(s, head, after, Acquire, Acquire) {
                Ok(()) => {
                    let event = (wrapped | passed).then_some(Event { wrapped });
                    return Some(Popped { id, event });
                }
                Err(now) => head = now,
            }
        }
    }

    /// Counts a wrap of the tag.
    pub(crate) fn count_wrap(self, s: Section<'_>) {
        self.words.tag_wraps.fetch_add(s, 1, Relaxed);
    }

    /// Takes up to `ids.len()` blocks of the stack with one compare-and-swap. Returns their number.
    pub(crate) fn pop_chain(self, s: Section<'_>, ids: &mut Ids) -> usize {
        if ids.is_empty() {
            return 0;
        }
        let shape = self.shape();
        let mut head = self.words.head.load(Acquire);
        loop {
            let mut n = 0;
            let mut top = shape.top(head);
            for slot in ids.iter_mut() {
                // Not below the capacity: the link of a block that is no longer in the stack; the head has moved, and
                // the swap below will fail.
                if top == 0 || top > self.capacity.get() {
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
            // Success acquires nothing more: the head was read from the stack itself, and has not changed.
            match self.words.swap_head(s, head, after, Relaxed, Acquire) {
                Ok(()) => {
                    if shape.wrapped(head, after) {
                        self.count_wrap(s);
                    }
                    return n as usize;
                }
                Err(now) => head = now,
            }
        }
    }

    /// Takes up to `ids.len()` blocks that were never allocated. Returns their number.
    pub(crate) fn take_new(self, s: Section<'_>, ids: &mut Ids) -> usize {
        let frontier = &self.words.frontier;
        let mut first = frontier.load(Relaxed);
        loop {
            let n = (ids.len() as Word).min((self.capacity.get() as Word).saturating_sub(first));
            if n == 0 {
                return 0;
            }
            match frontier.compare_exchange_weak(s, first, first + n, Relaxed, Relaxed) {
                Ok(_) => {
                    // In falling order: a cache hands out the last first.
                    for (slot, id) in ids.iter_mut().zip((first..first + n).rev()) {
                        slot.write(id as u32);
                    }
                    return n as usize;
                }
                Err(now) => first = now,
            }
        }
    }

    /// Returns blocks with one compare-and-swap; the last lies on top. Returns whether the stack was empty.
    ///
    /// # Safety
    /// The caller owns the blocks, all different, and gives them up.
    pub(crate) unsafe fn push(self, s: Section<'_>, ids: &[u32]) -> bool {
        let (Some(&bottom), Some(&top)) = (ids.first(), ids.last()) else {
            return false;
        };
        for pair in ids.windows(2) {
            let &[below, above] = pair else { continue };
            // SAFETY: the caller owns the blocks, so they are in range, and the caller may write their links.
            unsafe { self.link(above) }.store(below + 1, Relaxed);
        }
        // SAFETY: the caller's promise; the chain is linked from top to bottom.
        unsafe { self.push_chain(s, top, bottom, ids.len() as u32) }
    }

    /// Returns `n` blocks that are linked from `top` down to `bottom`. Returns whether the stack was empty.
    ///
    /// # Safety
    /// As for [`push`](Self::push).
    #[inline(always)]
    pub(crate) unsafe fn push_chain(self, s: Section<'_>, top: u32, bottom: u32, n: u32) -> bool {
        let shape = self.shape();
        if shape.counts_pushes() {
            // Before the push, so that the depth is never too low.
            self.words.pushes.fetch_add(s, n as Word, Relaxed);
        }
        let mut head = self.words.recent_head(Relaxed);
        loop {
            // SAFETY: the caller owns the block; blocks that are owned are in range.
            unsafe { self.link(bottom) }.store(shape.top(head), Relaxed);
            let after = shape.pushed(head, n, top + 1);
            // Release: pairs with the acquire of a pop. Writes to the blocks and to their links happen before
            // all that the next owner does.
            match self.words.swap_head(s, head, after, Release, Relaxed) {
                Ok(()) => return shape.top(head) == 0,
                Err(now) => head = now,
            }
        }
    }
}
