//! Back-pressure: waiting for a block, and being told that few are left.
//!
//! # How no wake-up is lost
//!
//! | who waits | who frees |
//! |---|---|
//! | 1. counts itself in `waiting`, and leaves its waker in a slot | 1. pushes a block, or gives a magazine: a swap of `stack` or of `slots` |
//! | 2. swaps `stack` and `slots` for what they are | 2. looks at `waiting`, if it found the stack empty or gave a magazine |
//! | 3. tries once more to allocate, and only then sleeps | 3. wakes everyone |
//!
//! All changes of one word have an order. If the push comes before step 2 of the waiter, step 3 finds
//! the block, or that another has it. If it comes after, it has read, perhaps through others' swaps,
//! what the waiter's swap released, and sees that someone waits. That pushes onto blocks do not look is
//! no loss: the waiter found the stack empty in step 3, and the first push after that wakes everyone.
//!
//! **Caches** hide blocks. Every so many frees, at no cost to those in between (see `cache::tally`), a
//! cache looks whether someone waits; if so it gives all that it has to the depot, and keeps nothing
//! until no one waits any more. A worker that frees nothing gives nothing:
//! [`Cache::flush`](crate::Cache::flush) before going idle.

use core::fmt;
use core::future::Future;
use core::mem::{self, MaybeUninit};
use core::pin::Pin;
use core::ptr;
use core::sync::atomic::AtomicPtr;
use core::task::{Context, Poll, Waker};

use crate::pool::audit::AuditKind;
use crate::pool::{Block, Pool};
use crate::sync::{self, AtomicWord, Exclusive, Ordering::*, Word, loom_const};

/// The most who wait for blocks of one pool at once and sleep. Whoever comes beyond is polled again
/// and again.
pub const WAITERS: usize = 4;

/// What those who wait leave here.
#[cfg_attr(target_pointer_width = "64", repr(C, align(64)))]
#[cfg_attr(target_pointer_width = "32", repr(C))]
pub(crate) struct Pressure {
    slots: [Slot; WAITERS],
    /// Slots that hold a waker, or are about to.
    waiting: AtomicWord,
    /// Blocks in the depot below which `call` is called; 0 if it is not to be.
    low: AtomicWord,
    call: Callback,
}

/// Room for one waker. Two bits of the state are one of the four below; the rest is a ticket.
struct Slot {
    state: AtomicWord,
    /// Initialised in the state [`SET`]; belongs to whoever moved the state to [`FILLING`] or [`TAKING`].
    waker: Exclusive<MaybeUninit<Waker>>,
}

/// A function to call, shared.
struct Callback(AtomicPtr<()>);

impl Callback {
    const fn new() -> Self {
        Self(AtomicPtr::new(ptr::null_mut()))
    }

    fn set(&self, call: fn(&Pool<'_>)) {
        self.0.store(call as *mut (), Relaxed);
    }

    /// What was set; before that, a function that does nothing.
    fn get(&self) -> fn(&Pool<'_>) {
        let call = self.0.load(Relaxed);
        if call.is_null() {
            return |_| ();
        }
        // SAFETY: not null, it was made by `set` of a function of this type.
        unsafe { mem::transmute::<*mut (), fn(&Pool<'_>)>(call) }
    }
}

const FREE: Word = 0;
const FILLING: Word = 1;
const SET: Word = 2;
const TAKING: Word = 3;
const PHASE: Word = 3;

/// Where a waker was left.
#[derive(Debug, Clone, Copy)]
struct Place {
    slot: usize,
    /// The slot's state with this waker in it. The ticket tells it from every later one.
    state: Word,
}

impl Pressure {
    loom_const! {
        pub(crate) fn new() -> Self {
            Self {
                slots: [Slot::new(), Slot::new(), Slot::new(), Slot::new()],
                waiting: AtomicWord::new(0),
                low: AtomicWord::new(0),
                call: Callback::new(),
            }
        }
    }

    /// The mark that [`on_low_water`](Pool::on_low_water) set.
    pub(crate) fn low_mark(&self) -> Word {
        self.low.load(Relaxed)
    }
}

impl Slot {
    loom_const! {
        fn new() -> Self {
            Self {
                state: AtomicWord::new(FREE),
                waker: Exclusive::new(MaybeUninit::zeroed()),
            }
        }
    }

    /// Leaves a waker here, or gives it back where the slot is not free.
    fn fill(&self, waker: Waker) -> Result<Word, Waker> {
        let state = self.state.load(Relaxed);
        if state & PHASE != FREE || !self.moves(state, state | FILLING) {
            return Err(waker);
        }
        // SAFETY: this thread moved the state to FILLING.
        unsafe { self.waker.with(|place| (*place).write(waker)) };
        // Release: pairs with the acquire in `moves` of whoever takes it.
        self.state.store(state | SET, Release);
        Ok(state | SET)
    }

    /// Takes the waker that is here in the state `state`, if it still is.
    fn take(&self, state: Word) -> Option<Waker> {
        if state & PHASE != SET || !self.moves(state, state | TAKING) {
            return None;
        }
        // SAFETY: this thread moved the state from SET to TAKING.
        let waker = unsafe { self.waker.with(|place| (*place).assume_init_read()) };
        let next_ticket = (state | PHASE).wrapping_add(1);
        // Release: the place may be written again.
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
    /// Waits for a block: a future that allocates one, and while there is none leaves a waker that the
    /// next free wakes. Without `std`, without an allocation.
    ///
    /// Up to [`WAITERS`] sleep at once; whoever comes beyond stays awake, and is polled again at once.
    /// All are woken together, in no order, and the block is the first's that gets to it. Wakers are
    /// woken by whoever frees, on its stack: from an interrupt if blocks are dropped there. A waker that
    /// panics unwinds out of that free, with the block home and the other waiters woken; one more that
    /// panics meanwhile is a panic during a panic, which aborts.
    ///
    /// Workers' caches give up what they hide: after 1024 frees at the latest a [`Cache`](crate::Cache)
    /// sees that someone waits, and from then on gives all that is freed into it to the depot. A worker
    /// that goes idle, or only allocates, should [`flush`](crate::Cache::flush) its cache first; so should
    /// who waits here and has a cache of his own.
    ///
    /// While nobody waits this costs others nothing but that look, and a free without a cache a look
    /// where it finds the stack empty.
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
            place: None,
        }
    }

    /// Calls `call` once, when the next allocation leaves fewer than `below` blocks in the depot (those in
    /// workers' caches do not count), on the stack of whoever allocates: from an interrupt if blocks are
    /// allocated there. To be called again, set it again; it may do so itself. `below` 0 takes it back.
    ///
    /// If `call` panics, the allocation unwinds, and its block goes home. If it allocates and has set
    /// itself again, it may be called again meanwhile.
    ///
    /// Meant for one owner: of two that set it at once, one call may meet the other's number. The cost to
    /// an allocation is the one comparison that keeps the peak as well.
    ///
    /// ```
    /// use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
    ///
    /// framepool::pool!(static FRAMES: [64; 8], caches = false);
    /// static LEFT: AtomicUsize = AtomicUsize::new(usize::MAX);
    ///
    /// FRAMES.on_low_water(4, |pool| LEFT.store(pool.available(), Relaxed));
    /// let held: Vec<_> = (0..8).map(|_| FRAMES.alloc()).collect();
    /// assert_eq!(LEFT.load(Relaxed), 3);
    /// # drop(held);
    /// ```
    pub fn on_low_water(&self, below: usize, call: fn(&Pool<'_>)) {
        let pressure = &self.header().pressure;
        pressure.low.store(0, Relaxed);
        pressure.call.set(call);
        // A pool never has more than its capacity: every larger number means the same.
        let below = below.min(self.capacity() + 1);
        // Release: pairs with the acquire in `note_low`. `note_peak` sees it by the swap below.
        pressure.low.store(below as Word, Release);
        // So that the next allocation looks. It calls, not this: the call may have come here.
        sync::section(|s| self.depot.note_peak(s));
    }

    /// Calls back if there is need. Outside of sections: it runs the user's code.
    #[cold]
    #[inline(never)]
    pub(crate) fn note_low(&self) {
        let pressure = &self.header().pressure;
        let below = pressure.low.load(Acquire);
        if below == 0 || self.available() as Word >= below {
            return;
        }
        let mine = sync::section(|s| pressure.low.compare_exchange(s, below, 0, Acquire, Relaxed));
        if mine.is_ok() {
            pressure.call.get()(self);
        }
    }

    /// How many sleep until a block comes back.
    pub(crate) fn waiters(&self) -> u64 {
        sync::wide(self.header().pressure.waiting.load(Relaxed))
    }

    /// Whether someone waits for a block.
    pub(crate) fn is_waited_for(&self) -> bool {
        self.header().pressure.waiting.load(Relaxed) != 0
    }

    /// Step 2 of who frees. Outside of sections: it runs the user's code.
    #[cold]
    #[inline(never)]
    pub(crate) fn look_for_waiters(&self) {
        // With the swap of the push or the exchange before it, this acquires what a waiter released
        // before its own swap of the same word.
        sync::acquire_fence();
        if self.is_waited_for() {
            self.wake_all();
        }
    }

    /// The same, if a push found the stack empty.
    #[inline(always)]
    pub(crate) fn look_if(&self, awaited: bool) {
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
        /// Where a waker unwinds, the others are woken all the same.
        struct Rest<'a, 'm>(&'a Pool<'m>, usize);
        impl Drop for Rest<'_, '_> {
            fn drop(&mut self) {
                self.0.wake_from(self.1);
            }
        }
        let slots = self.header().pressure.slots.iter().enumerate();
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

    /// Step 1 and 2 of who waits. `None` if there is no room for the waker, which is dropped.
    fn wait_as(&self, mut waker: Waker) -> Option<Place> {
        let pressure = &self.header().pressure;
        // Before the waker can be found: whoever takes it counts it out, and must not count out another.
        // Relaxed: the releases of `fill` and of the swaps below come after it.
        sync::section(|s| pressure.waiting.fetch_add(s, 1, Relaxed));
        for (at, slot) in pressure.slots.iter().enumerate() {
            match slot.fill(waker) {
                Err(back) => waker = back,
                Ok(state) => {
                    self.depot.mark_order();
                    return Some(Place { slot: at, state });
                }
            }
        }
        self.uncount_waiter();
        None
    }

    /// Drops the wakers of futures that were forgotten. `&mut self` shows that no other future is
    /// there, if the pool is not [`shared`](Pool).
    pub(crate) fn forget_waiters(&mut self) {
        for slot in &self.header().pressure.slots {
            if let Some(waker) = slot.take(slot.state.load(Relaxed)) {
                // First: dropping a waker runs the user's code, which may panic.
                self.uncount_waiter();
                drop(waker);
            }
        }
    }

    fn wait_no_more(&self, place: Place) {
        let pressure = &self.header().pressure;
        let slot = pressure.slots.get(place.slot);
        if let Some(waker) = slot.and_then(|slot| slot.take(place.state)) {
            self.uncount_waiter();
            drop(waker);
        }
    }
}

/// Waits for a block: see [`Pool::alloc_async`]. Dropping it is waiting no more. The waker of one that was
/// forgotten is dropped by the next free that wakes, by [`Pool::reset`], or with the pool.
#[must_use = "futures do nothing unless polled"]
pub struct AllocAsync<'p> {
    pool: &'p Pool<'p>,
    place: Option<Place>,
}

impl<'p> Future for AllocAsync<'p> {
    type Output = Block<'p>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Block<'p>> {
        self.stop();
        if let Some(block) = self.try_alloc() {
            return Poll::Ready(block);
        }
        self.place = self.pool.wait_as(cx.waker().clone());
        if let Some(block) = self.try_alloc() {
            self.stop();
            return Poll::Ready(block);
        }
        if self.place.is_none() {
            cx.waker().wake_by_ref();
        }
        Poll::Pending
    }
}

impl<'p> AllocAsync<'p> {
    /// Whether a waker of it is with the pool.
    pub fn is_waiting(&self) -> bool {
        self.place.is_some()
    }

    fn try_alloc(&self) -> Option<Block<'p>> {
        let id = self.pool.take_one()?;
        self.pool.note(id, AuditKind::Allocated);
        // SAFETY: just taken from the depot.
        Some(unsafe { Block::own(self.pool, id) })
    }

    fn stop(&mut self) {
        if let Some(place) = mem::take(&mut self.place) {
            self.pool.wait_no_more(place);
        }
    }
}

impl Drop for AllocAsync<'_> {
    fn drop(&mut self) {
        self.stop();
    }
}

impl fmt::Debug for AllocAsync<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AllocAsync")
            .field("waiting", &self.is_waiting())
            .finish_non_exhaustive()
    }
}
