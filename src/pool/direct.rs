//! Allocating and freeing without a cache, from and to the depot.
//!
//! The depot returns what happened. The functions here act on it, which runs the user's code: wakers, and the
//! callback of [`Pool::on_low_water`].

use core::mem::MaybeUninit;

use crate::pool::Pool;
use crate::pool::audit::AuditKind;
use crate::pool::block::Block;
use crate::pool::burst::Burst;
use crate::pool::depot::ids::Ids;
use crate::pool::depot::stack::{Event, Popped};
use crate::pool::error::{AllocManyError, Exhausted, WrongPool};
use crate::sync;

impl Pool<'_> {
    /// Takes one block. O(1), one compare-and-swap, if the free stack has one: blocks freed without a cache are
    /// there. For a block that was never allocated, the pool also updates the peak. If only full magazines are
    /// left, one is split, O([`magazine`](Self::magazine)).
    ///
    /// # Errors
    /// [`Exhausted`] if the depot has none. Blocks in workers' caches do not count.
    #[inline]
    #[cfg_attr(feature = "audit", track_caller)]
    pub fn alloc(&self) -> Result<Block<'_>, Exhausted> {
        match self.take_one() {
            Some(id) => {
                self.note(id, AuditKind::Allocated);
                // SAFETY: the block was just taken from the depot.
                Ok(unsafe { Block::own(self, id) })
            }
            None => Err(self.exhausted(1, 0)),
        }
    }

    /// Frees a block. Dropping the block does the same, but does not check that it belongs to this pool.
    ///
    /// # Errors
    /// [`WrongPool`] with the block, if it belongs to another pool.
    #[inline]
    #[cfg_attr(feature = "audit", track_caller)]
    pub fn free<'p>(&self, block: Block<'p>) -> Result<(), WrongPool<Block<'p>>> {
        if block.is_of(self) {
            let id = block.disown();
            self.note(id, AuditKind::Freed);
            // SAFETY: the handle owned the block, and gave it up.
            unsafe { self.give_one(id) };
            Ok(())
        } else {
            self.count_refusal();
            Err(WrongPool(block))
        }
    }

    /// Takes `n` blocks, all or none. One compare-and-swap, if the free stack has that many.
    ///
    /// # Errors
    /// [`AllocManyError::Exhausted`] if fewer are free, [`AllocManyError::TooMany`] if `n` is greater
    /// than `N`.
    ///
    /// ```
    /// use framepool::AllocManyError;
    ///
    /// framepool::pool!(static FRAMES: [64; 4]);
    ///
    /// assert_eq!(FRAMES.alloc_burst::<8>(4)?.len(), 4);
    /// match FRAMES.alloc_burst::<8>(9).unwrap_err() {
    ///     AllocManyError::TooMany { requested, limit } => assert_eq!((requested, limit), (9, 8)),
    ///     error => return Err(error),
    /// }
    /// # Ok::<(), AllocManyError>(())
    /// ```
    #[cfg_attr(feature = "audit", track_caller)]
    pub fn alloc_burst<const N: usize>(&self, n: usize) -> Result<Burst<'_, N>, AllocManyError> {
        if n > N {
            return Err(self.too_many(n, N));
        }
        let mut burst = self.take_burst(n);
        let taken = burst.len();
        if taken == n {
            burst.note(AuditKind::AllocatedInBurst);
            self.note_burst();
            return Ok(burst);
        }
        // The blocks returned below do not count as allocated.
        self.uncount(taken);
        // SAFETY: the burst owned these blocks and gives them up.
        unsafe { self.give_many(burst.disown()) };
        self.note_burst();
        Err(self.exhausted(n, taken).into())
    }

    /// Takes up to `n` blocks (at most `N`): as many as are free, possibly none.
    #[cfg_attr(feature = "audit", track_caller)]
    pub fn alloc_up_to<const N: usize>(&self, n: usize) -> Burst<'_, N> {
        let n = n.min(N);
        let burst = self.take_burst(n);
        if burst.is_empty() && n > 0 {
            self.exhausted(n, 0);
        }
        burst.note(AuditKind::AllocatedInBurst);
        self.note_burst();
        burst
    }

    /// Frees a burst with one compare-and-swap. Dropping the burst does the same, but does not check that it
    /// belongs to this pool.
    ///
    /// # Errors
    /// [`WrongPool`] with the burst, if it belongs to another pool.
    #[cfg_attr(feature = "audit", track_caller)]
    pub fn free_burst<'p, const N: usize>(
        &self,
        mut burst: Burst<'p, N>,
    ) -> Result<(), WrongPool<Burst<'p, N>>> {
        if burst.is_of(self) {
            burst.note(AuditKind::Freed);
            // SAFETY: the burst owned the blocks, and gives them up.
            unsafe { self.give_many(burst.disown()) };
            Ok(())
        } else {
            self.count_refusal();
            Err(WrongPool(burst))
        }
    }

    fn take_burst<const N: usize>(&self, n: usize) -> Burst<'_, N> {
        let mut burst = Burst::new(self);
        let ids = burst.ids_mut().get_mut(..n).unwrap_or_default();
        let (taken, awaited) = self.take_many(ids);
        // SAFETY: `taken` indices were written, and their blocks pass to the burst.
        unsafe { burst.set_len(taken) };
        self.look_for_waiters_if(awaited);
        burst
    }
}

/// Operations of the depot, and the actions that follow.
impl Pool<'_> {
    /// Takes one block from the stack, the frontier or a magazine. One compare-and-swap if the stack is not
    /// empty.
    #[inline]
    pub(crate) fn take_one(&self) -> Option<u32> {
        match sync::section(|s| self.depot.stack().pop(s)) {
            Some(Popped { id, event: None }) => Some(id),
            Some(Popped {
                id,
                event: Some(event),
            }) => Some(self.note_pop(id, event)),
            None => self.take_one_slowly(),
        }
    }

    #[cold]
    #[inline(never)]
    fn note_pop(&self, id: u32, event: Event) -> u32 {
        // A handle, because the code below runs the user's code, which may unwind.
        // SAFETY: the block was just popped.
        let block = unsafe { Block::own(self, id) };
        sync::section(|s| {
            if event.wrapped {
                self.depot.stack().count_wrap(s);
            }
            self.depot.note_peak(s);
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
        // A handle, because the code below runs the user's code, which may unwind.
        // SAFETY: one index was written, of a block that was just taken.
        let block = unsafe { Block::own(self, id.assume_init()) };
        self.look_for_waiters_if(awaited);
        self.note_burst();
        Some(block.disown())
    }

    /// Takes as many blocks as `ids` has room for and the depot has, from all places. Returns the length of the
    /// written part of `ids`, and whether the caller must [look for waiters](Self::look_for_waiters_if) after it has made
    /// handles of the blocks.
    pub(crate) fn take_many(&self, ids: &mut Ids) -> (usize, bool) {
        sync::section(|s| self.depot.take(s, ids))
    }

    /// Frees one block with one compare-and-swap.
    ///
    /// # Safety
    /// The caller owns the block, and gives it up.
    #[inline]
    pub(crate) unsafe fn give_one(&self, id: u32) {
        // SAFETY: the caller's promise.
        if sync::section(|s| unsafe { self.depot.stack().push_chain(s, id, id, 1) }) {
            self.look_for_waiters();
        }
    }

    /// Frees blocks with one compare-and-swap; the last lies on top.
    ///
    /// # Safety
    /// The caller owns the blocks, all different, and gives them up.
    pub(crate) unsafe fn give_many(&self, ids: &[u32]) {
        // SAFETY: the caller's promise.
        let awaited = unsafe { self.give_quietly(ids) };
        self.look_for_waiters_if(awaited);
    }

    /// Frees blocks without waking tasks. Returns whether the caller must look for waiters.
    ///
    /// # Safety
    /// As for [`give_many`](Self::give_many).
    pub(crate) unsafe fn give_quietly(&self, ids: &[u32]) -> bool {
        // SAFETY: the caller's promise.
        sync::section(|s| unsafe { self.depot.give(s, ids) })
    }

    /// Updates the peak, and runs the [low-water callback](Self::note_low) if it is due. Called after an operation
    /// that took blocks, or took and returned them.
    pub(crate) fn note_burst(&self) {
        sync::section(|s| self.depot.note_peak(s));
        self.note_low();
    }
}
