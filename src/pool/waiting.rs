//! Waiting for a block.
//!
//! # How no wake-up is lost
//!
//! | the waiting task | the thread that frees |
//! |---|---|
//! | 1. counts itself in `waiting`, and puts its waker into a slot | 1. pushes a block, or gives a magazine: a swap of `stack` or of `slots` |
//! | 2. swaps `stack` and `slots` for the same values | 2. reads `waiting`, if it found the stack empty or gave a magazine |
//! | 3. tries once more to allocate, and sleeps if that fails | 3. wakes all tasks |
//!
//! All changes of one word have an order. If the push comes before step 2 of the task, step 3 finds
//! the block, or another thread has taken it. If the push comes after, it has read, perhaps through swaps of
//! other threads, what the task's swap released, and sees the task in `waiting`. A push onto a stack with blocks
//! need not read `waiting`: the task found the stack empty in step 3, and the first push after that wakes all.
//!
//! **Caches** hide blocks. After a number of frees, at no cost to those in between (see `cache::tally`), a
//! cache checks for waiting tasks. If there are some, it gives all its blocks to the depot, and keeps none
//! until no task waits. A worker that frees nothing gives nothing:
//! [`Cache::flush`](crate::Cache::flush) before going idle.

use core::future::Future;
use core::mem::{self, MaybeUninit};
use core::pin::Pin;
use core::task::{Context, Poll, Waker};

use crate::pool::Pool;
use crate::pool::audit::AuditKind;
use crate::pool::block::Block;
use crate::pool::low_water::LowWater;
use crate::sync::{self, AtomicWord, Exclusive, Ordering::*, Word, loom_const};

/// The maximum number of tasks that sleep until a block of one pool is free. Further tasks re-wake themselves
/// and are polled continuously.
pub const MAX_WAITERS: usize = 4;

/// The part of a pool's header for waiting tasks and for the low-water callback.
#[cfg_attr(target_pointer_width = "64", repr(C, align(64)))]
#[cfg_attr(target_pointer_width = "32", repr(C))]
pub(crate) struct Pressure {
    wakers: [WakerSlot; MAX_WAITERS],
    /// Slots that hold a waker, or are about to.
    waiting: AtomicWord,
    pub(super) low_water: LowWater,
}

/// Room for one waker. Two bits of the state are one of the four below; the rest is a ticket.
struct WakerSlot {
    state: AtomicWord,
    /// Initialised in the state [`SET`]; belongs to the thread that moved the state to [`FILLING`] or
    /// [`TAKING`].
    waker: Exclusive<MaybeUninit<Waker>>,
}

const FREE: Word = 0;
const FILLING: Word = 1;
const SET: Word = 2;
const TAKING: Word = 3;
const PHASE: Word = 3;

/// The right to take one waker back.
#[derive(Debug, Clone, Copy)]
struct Ticket {
    slot: usize,
    /// The slot's state with this waker in it. It differs from every later state of the slot.
    state: Word,
}

impl Pressure {
    loom_const! {
        pub(crate) fn new() -> Self {
            Self {
                wakers: [WakerSlot::new(), WakerSlot::new(), WakerSlot::new(), WakerSlot::new()],
                waiting: AtomicWord::new(0),
                low_water: LowWater::new(),
            }
        }
    }
}

impl WakerSlot {
    loom_const! {
        fn new() -> Self {
            Self {
                state: AtomicWord::new(FREE),
                waker: Exclusive::new(MaybeUninit::zeroed()),
            }
        }
    }

    /// Puts a waker into the slot, or returns it if the slot is not free.
    fn fill(&self, waker: Waker) -> Result<Word, Waker> {
        let state = self.state.load(Relaxed);
        if state & PHASE != FREE || !self.moves(state, state | FILLING) {
            return Err(waker);
        }
        // SAFETY: this thread moved the state to FILLING.
        unsafe { self.waker.with(|to| (*to).write(waker)) };
        // Release: pairs with the acquire in `moves` of the thread that takes it.
        self.state.store(state | SET, Release);
        Ok(state | SET)
    }

    /// Takes the waker, if the slot is still in the state `state`.
    fn take(&self, state: Word) -> Option<Waker> {
        if state & PHASE != SET || !self.moves(state, state | TAKING) {
            return None;
        }
        // SAFETY: this thread moved the state from SET to TAKING.
        let waker = unsafe { self.waker.with(|from| (*from).assume_init_read()) };
        let next_ticket = (state | PHASE).wrapping_add(1);
        // Release: the slot may be written again.
        self.state.store(next_ticket, Release);
        Some(waker)
    }

    fn moves(&self, from: Word, to: Word) -> bool {
        sync::section(|s| {
            let moved = self.state.compare_exchange(s, from, to, Acquire, Relaxed);
            moved.is_ok()
        })
    }
}

impl<'m> Pool<'m> {
    /// Waits for a block: a future that allocates one. While none is free, it leaves a waker, and the next
    /// free wakes it. Works without `std` and without allocating.
    ///
    /// Up to [`MAX_WAITERS`] tasks sleep at once; further tasks wake themselves and are polled again at once. All
    /// sleeping tasks are woken together, in no order; the first task to poll gets the block. Wakers run on
    /// the stack of the thread that frees: in an interrupt, if blocks are dropped there. If a waker panics, the
    /// free unwinds, after the block is free and the other tasks are woken; if a second waker panics
    /// meanwhile, the program aborts.
    ///
    /// Caches give up the blocks that they hide: after at most 1024 frees a [`Cache`](crate::Cache) sees that a
    /// task waits, and from then on passes all that is freed into it to the depot. A worker that goes idle, or
    /// only allocates, should [`flush`](crate::Cache::flush) its cache first; so should a waiting task with a
    /// cache of its own.
    ///
    /// While no task waits, the cost to others is that check of the caches; a free without a cache checks only
    /// if it finds the stack empty.
    ///
    /// ```
    /// use std::pin::pin;
    /// use std::task::{Context, Poll, Waker};
    ///
    /// framepool::pool!(static FRAMES: [64; 1]);
    ///
    /// let held = FRAMES.alloc()?;
    /// let mut next = pin!(FRAMES.alloc_async());
    /// let mut cx = Context::from_waker(Waker::noop());
    /// assert!(next.as_mut().poll(&mut cx).is_pending());
    /// drop(held);
    /// assert!(next.as_mut().poll(&mut cx).is_ready());
    /// # Ok::<(), framepool::Exhausted>(())
    /// ```
    pub fn alloc_async(&self) -> AllocAsync<'_> {
        AllocAsync {
            pool: self,
            ticket: None,
        }
    }

    /// Returns the number of waiting tasks.
    pub(crate) fn waiters(&self) -> u64 {
        sync::wide(self.header().pressure.waiting.load(Relaxed))
    }

    /// Whether a task waits for a block.
    pub(crate) fn has_waiters(&self) -> bool {
        self.header().pressure.waiting.load(Relaxed) != 0
    }

    /// Step 2 of a free. Called outside of sections, because it runs the user's code.
    #[cold]
    #[inline(never)]
    pub(crate) fn look_for_waiters(&self) {
        // With the swap of the push or the exchange before it, this acquires what a task released
        // before its own swap of the same word.
        sync::acquire_fence();
        if self.has_waiters() {
            self.wake_all();
        }
    }

    /// [`look_for_waiters`](Self::look_for_waiters), if a push found the stack empty.
    #[inline(always)]
    pub(crate) fn look_for_waiters_if(&self, awaited: bool) {
        if awaited {
            self.look_for_waiters();
        }
    }

    #[cold]
    #[inline(never)]
    fn wake_all(&self) {
        self.wake_from(0);
    }

    fn wake_from(&self, first: usize) {
        /// Wakes the other tasks if a waker unwinds.
        struct Rest<'a, 'm>(&'a Pool<'m>, usize);
        impl Drop for Rest<'_, '_> {
            fn drop(&mut self) {
                self.0.wake_from(self.1);
            }
        }
        let slots = self.header().pressure.wakers.iter().enumerate();
        for (at, slot) in slots.skip(first) {
            if let Some(waker) = slot.take(slot.state.load(Relaxed)) {
                self.uncount_waiter();
                let rest = Rest(self, at + 1);
                waker.wake();
                mem::forget(rest);
            }
        }
    }

    fn uncount_waiter(&self) {
        let waiting = &self.header().pressure.waiting;
        sync::section(|s| waiting.fetch_add(s, Word::MAX, Relaxed));
    }

    /// Steps 1 and 2 of a waiting task. `None` if no slot is free; the waker is dropped.
    fn wait_as(&self, mut waker: Waker) -> Option<Ticket> {
        let pressure = &self.header().pressure;
        // Before the waker can be found: the thread that takes it subtracts it from the count.
        // Relaxed: the releases of `fill` and of the swaps below come after it.
        sync::section(|s| pressure.waiting.fetch_add(s, 1, Relaxed));
        for (at, slot) in pressure.wakers.iter().enumerate() {
            match slot.fill(waker) {
                Err(back) => waker = back,
                Ok(state) => {
                    self.depot.mark_order();
                    return Some(Ticket { slot: at, state });
                }
            }
        }
        self.uncount_waiter();
        None
    }

    /// Drops the wakers of futures that were forgotten. `&mut self` proves that no other future exists, if the
    /// pool is not `shared`.
    pub(crate) fn forget_waiters(&mut self) {
        for slot in &self.header().pressure.wakers {
            if let Some(waker) = slot.take(slot.state.load(Relaxed)) {
                // First: dropping a waker runs the user's code, which may panic.
                self.uncount_waiter();
                drop(waker);
            }
        }
    }

    fn stop_waiting(&self, ticket: Ticket) {
        let slot = self.header().pressure.wakers.get(ticket.slot);
        if let Some(waker) = slot.and_then(|slot| slot.take(ticket.state)) {
            self.uncount_waiter();
            drop(waker);
        }
    }
}

/// A future that waits for a block: see [`Pool::alloc_async`]. Dropping it ends the wait. If it was forgotten, its
/// waker is dropped by the next free that wakes tasks, by [`Pool::reset`], or with the pool.
#[must_use = "futures do nothing unless polled"]
pub struct AllocAsync<'p> {
    pool: &'p Pool<'p>,
    ticket: Option<Ticket>,
}

impl<'p> Future for AllocAsync<'p> {
    type Output = Block<'p>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Block<'p>> {
        self.stop();
        if let Some(block) = self.try_alloc() {
            return Poll::Ready(block);
        }
        self.ticket = self.pool.wait_as(cx.waker().clone());
        if let Some(block) = self.try_alloc() {
            self.stop();
            return Poll::Ready(block);
        }
        if self.ticket.is_none() {
            cx.waker().wake_by_ref();
        }
        Poll::Pending
    }
}

impl<'p> AllocAsync<'p> {
    /// Whether the pool has a waker of this future.
    pub fn is_waiting(&self) -> bool {
        self.ticket.is_some()
    }

    fn try_alloc(&self) -> Option<Block<'p>> {
        let id = self.pool.take_one()?;
        self.pool.note(id, AuditKind::Allocated);
        // SAFETY: just taken from the depot.
        Some(unsafe { Block::own(self.pool, id) })
    }

    fn stop(&mut self) {
        if let Some(ticket) = mem::take(&mut self.ticket) {
            self.pool.stop_waiting(ticket);
        }
    }
}

impl Drop for AllocAsync<'_> {
    fn drop(&mut self) {
        self.stop();
    }
}

describe!(AllocAsync<'_> as AllocAsync { waiting = |it| it.is_waiting() });
