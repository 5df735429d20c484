//! Threads that share a pool.

use std::future::Future;
use std::pin::Pin;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::task::{Context, Poll, Wake, Waker};

use framepool::{AllocAsync, Block, BlockId, Burst, Cache, Pool, PoolConfig};
use loom::cell::UnsafeCell;
use loom::sync::{Arc, Condvar, Mutex};
use loom::thread;

use crate::model;

/// A pool, and for each block a cell that loom watches. The owner of a block uses the block's cell as its own
/// memory. The model fails if two owners overlap, or if an owner is not ordered after the last one.
struct Shared {
    pool: Pool<'static>,
    payload: Vec<UnsafeCell<u8>>,
}

impl Shared {
    fn new(config: PoolConfig) -> Arc<Self> {
        let pool = Pool::allocate(config).unwrap();
        let payload = (0..pool.capacity()).map(|_| UnsafeCell::new(0)).collect();
        Arc::new(Self { pool, payload })
    }

    fn touch(&self, id: BlockId, who: u8) {
        self.payload[id.index()].with_mut(|cell| {
            // SAFETY: the caller has the block, and loom checks that no other thread is here.
            unsafe { *cell = who }
        });
    }

    fn touch_all<const N: usize>(&self, burst: &Burst<'_, N>, who: u8) {
        burst.ids().for_each(|id| self.touch(id, who));
    }

    /// Allocates, uses and frees one block, if there is one.
    fn use_one(&self, who: u8) {
        if let Ok(block) = self.pool.alloc() {
            self.touch(block.id(), who);
        }
    }

    /// Asserts, after all threads, that every block is in one place and `free` of them are in the depot.
    fn settle(this: Arc<Self>, free: usize) {
        let Ok(mut shared) = Arc::try_unwrap(this) else {
            panic!("a thread still has the pool");
        };
        assert_eq!(shared.pool.check().unwrap().free(), free);
        assert_eq!(
            shared.pool.stats().in_use as usize,
            shared.pool.capacity() - free
        );
    }
}

#[test]
fn two_threads_pop_and_push_two_blocks() {
    model(3, || {
        let shared = Shared::new(PoolConfig::new(8, 2).without_caches());
        // Both in the stack, so that nothing comes from the frontier.
        drop((shared.pool.alloc().unwrap(), shared.pool.alloc().unwrap()));
        let other = shared.clone();
        let t = thread::spawn(move || {
            other.use_one(1);
            other.use_one(2);
        });
        shared.use_one(3);
        shared.use_one(4);
        t.join().unwrap();
        Shared::settle(shared, 2);
    });
}

#[test]
fn three_threads_pop_and_push_one_block() {
    model(3, || {
        let shared = Shared::new(PoolConfig::new(8, 1).without_caches());
        let threads = [1, 2].map(|who| {
            let other = shared.clone();
            thread::spawn(move || other.use_one(who))
        });
        shared.use_one(3);
        for t in threads {
            t.join().unwrap();
        }
        Shared::settle(shared, 1);
    });
}

#[test]
fn aba_a_popper_sleeps_while_its_block_goes_and_returns() {
    model(4, || {
        let shared = Shared::new(PoolConfig::new(8, 5).without_caches());
        let held = shared.pool.alloc().unwrap().into_id();
        drop(shared.pool.alloc_burst::<4>(4).unwrap());
        let other = shared.clone();
        let t = thread::spawn(move || {
            // Takes two, then returns the held one and the first. The same block is on top of as many blocks as
            // before, but its link differs.
            let first = other.pool.alloc().unwrap();
            let second = other.pool.alloc().unwrap();
            // SAFETY: only this thread has the id.
            unsafe { other.pool.free_id(held) }.unwrap();
            other.touch(first.id(), 1);
            drop(first);
            other.touch(second.id(), 1);
            second.into_id()
        });
        let mine = shared.pool.alloc().unwrap();
        shared.touch(mine.id(), 2);
        let next = shared.pool.alloc().ok();
        next.iter().for_each(|block| shared.touch(block.id(), 2));
        let theirs = t.join().unwrap();
        assert_ne!(mine.id(), theirs);
        drop((mine, next));
        Shared::settle(shared, 4);
    });
}

#[test]
fn frontier_and_stack_race_for_the_last_block() {
    model(4, || {
        let shared = Shared::new(PoolConfig::new(8, 2).without_caches());
        let held = shared.pool.alloc().unwrap().into_id();
        let other = shared.clone();
        let t = thread::spawn(move || {
            let got = other.pool.alloc().is_ok();
            // SAFETY: only this thread has the id.
            unsafe { other.pool.free_id(held) }.unwrap();
            got
        });
        let got = shared.pool.alloc().is_ok();
        // Two blocks, at most one of them held to the end: one thread gets a block.
        assert!(t.join().unwrap() || got);
        Shared::settle(shared, 2);
    });
}

#[test]
fn chains_are_popped_whole_or_not_at_all() {
    model(4, || {
        let shared = Shared::new(PoolConfig::new(8, 4).without_caches());
        drop(shared.pool.alloc_burst::<4>(4).unwrap());
        let other = shared.clone();
        let t = thread::spawn(move || {
            let burst: Burst<'_, 3> = other.pool.alloc_up_to(3);
            other.touch_all(&burst, 1);
            burst.len()
        });
        let burst: Burst<'_, 2> = shared.pool.alloc_up_to(2);
        shared.touch_all(&burst, 2);
        drop(burst);
        assert!(t.join().unwrap() >= 2);
        Shared::settle(shared, 4);
    });
}

/// A pool of six blocks, magazines of two and so two slots, with one full magazine in the depot.
fn with_a_full_magazine() -> Arc<Shared> {
    let shared = Shared::new(PoolConfig::new(8, 6).magazine(2));
    let mut cache: Cache<'_, 4> = Cache::new(&shared.pool);
    let magazine: Burst<'_, 2> = cache.alloc_burst(2).unwrap();
    assert!(cache.free_burst(magazine).is_ok());
    drop(cache);
    shared
}

/// Draws a magazine or the blocks that there are, uses them, and gives all back.
fn draw_and_give_back(shared: &Shared, who: u8) {
    let mut cache: Cache<'_, 4> = Cache::new(&shared.pool);
    let magazine: Burst<'_, 2> = cache.alloc_up_to(2);
    shared.touch_all(&magazine, who);
    assert!(cache.free_burst(magazine).is_ok());
}

#[test]
fn two_caches_exchange_magazines() {
    model(2, || {
        let shared = with_a_full_magazine();
        let other = shared.clone();
        let t = thread::spawn(move || draw_and_give_back(&other, 1));
        draw_and_give_back(&shared, 2);
        t.join().unwrap();
        Shared::settle(shared, 6);
    });
}

#[test]
fn a_flush_and_a_refill_trade_a_full_magazine_for_an_empty_one() {
    model(2, || {
        let shared = with_a_full_magazine();
        let held: Burst<'_, 2> = shared.pool.alloc_burst(2).unwrap();
        shared.touch_all(&held, 2);
        let other = shared.clone();
        let t = thread::spawn(move || draw_and_give_back(&other, 1));
        let mut cache: Cache<'_, 4> = Cache::new(&shared.pool);
        assert!(cache.free_burst(held).is_ok());
        drop(cache);
        t.join().unwrap();
        Shared::settle(shared, 6);
    });
}

#[test]
fn a_magazine_filled_on_one_side_is_broken_up_on_the_other() {
    model(3, || {
        let shared = with_a_full_magazine();
        let other = shared.clone();
        let t = thread::spawn(move || draw_and_give_back(&other, 1));
        let held: Burst<'_, 6> = shared.pool.alloc_up_to(6);
        shared.touch_all(&held, 2);
        let mut ids: Vec<_> = held.ids().collect();
        ids.sort();
        ids.dedup();
        assert_eq!(ids.len(), held.len());
        drop(held);
        t.join().unwrap();
        Shared::settle(shared, 6);
    });
}

#[test]
fn aba_an_exchanger_sleeps_while_its_magazine_goes_and_returns() {
    model(3, || {
        let shared = Shared::new(PoolConfig::new(8, 9).magazine(2));
        let caches: [Cache<'_, 4>; 2] = [Cache::new(&shared.pool), Cache::new(&shared.pool)];
        let filled = caches.map(|mut cache| {
            let magazine: Burst<'_, 2> = cache.alloc_burst(2).unwrap();
            assert!(cache.free_burst(magazine).is_ok());
            cache
        });
        drop(filled);
        let other = shared.clone();
        let t = thread::spawn(move || {
            // Draws both magazines and returns the first: it is on top again, over another one.
            let mut first: Cache<'_, 4> = Cache::new(&other.pool);
            let mut second: Cache<'_, 4> = Cache::new(&other.pool);
            let one: Burst<'_, 2> = first.alloc_burst(2).unwrap();
            let two: Burst<'_, 2> = second.alloc_burst(2).unwrap();
            other.touch_all(&one, 1);
            assert!(first.free_burst(one).is_ok());
            first.flush();
            other.touch_all(&two, 1);
            assert!(second.free_burst(two).is_ok());
        });
        draw_and_give_back(&shared, 2);
        t.join().unwrap();
        Shared::settle(shared, 9);
    });
}

#[test]
fn of_two_who_claim_a_raw_block_one_succeeds() {
    model(4, || {
        let shared = Shared::new(PoolConfig::new(8, 2).without_caches());
        let id = shared.pool.alloc().unwrap().into_id();
        let other = shared.clone();
        // SAFETY: no code uses the block; the second attempt is tested.
        let t = thread::spawn(move || unsafe { other.pool.free_id(id) }.is_ok());
        // SAFETY: as above.
        let here = unsafe { shared.pool.free_id(id) }.is_ok();
        assert!(t.join().unwrap() != here);
        Shared::settle(shared, 2);
    });
}

#[test]
fn the_next_owner_of_a_raw_block_comes_after_the_last() {
    model(4, || {
        let shared = Shared::new(PoolConfig::new(8, 1).without_caches());
        let block = shared.pool.alloc().unwrap();
        let id = block.id();
        let other = shared.clone();
        let t = thread::spawn(move || {
            // SAFETY: as soon as the block is raw, it is whose that claims it.
            if let Ok(block) = unsafe { other.pool.block_from_id(id) } {
                other.touch(id, 1);
                drop(block);
            }
        });
        shared.touch(id, 2);
        assert_eq!(block.into_id(), id);
        // SAFETY: as above.
        if let Ok(block) = unsafe { shared.pool.block_from_id(id) } {
            shared.touch(id, 2);
            drop(block);
        }
        t.join().unwrap();
        Shared::settle(shared, 1);
    });
}

#[test]
fn the_next_owner_of_a_raw_block_of_a_reservation_comes_after_the_last() {
    model(4, || {
        let shared = Shared::new(PoolConfig::new(8, 1).without_caches());
        let reservation = shared.pool.reserve(1).unwrap();
        let block = reservation.alloc().unwrap();
        let id = block.id();
        let other = shared.clone();
        let t = thread::spawn(move || {
            // SAFETY: as soon as the block is raw, it is whose that claims it.
            if let Ok(block) = unsafe { other.pool.block_from_id(id) } {
                other.touch(id, 1);
                drop(block);
            }
        });
        shared.touch(id, 2);
        assert_eq!(block.into_id(), id);
        drop(reservation);
        t.join().unwrap();
        // SAFETY: as above.
        drop(unsafe { shared.pool.block_from_id(id) });
        Shared::settle(shared, 1);
    });
}

/// A thread allocates from a head that another thread stored. That thread has not acquired the links below the
/// block that it pushed.
#[test]
fn what_two_threads_freed_is_had_after_both() {
    model(3, || {
        let shared = Shared::new(PoolConfig::new(8, 2).without_caches());
        let ids = [(); 2].map(|()| shared.pool.alloc().unwrap());
        let threads = ids.map(Block::into_id).map(|id| {
            let other = shared.clone();
            thread::spawn(move || {
                other.touch(id, 1);
                // SAFETY: only this thread has the id.
                unsafe { other.pool.free_id(id) }.unwrap();
            })
        });
        let [first, second] = threads;
        second.join().unwrap();
        let had = [(); 2].map(|()| shared.pool.alloc().ok());
        for block in had.iter().flatten() {
            shared.touch(block.id(), 2);
        }
        drop(had);
        first.join().unwrap();
        Shared::settle(shared, 2);
    });
}

/// Six blocks: a magazine of two in the depot, four outside of it.
fn with_a_magazine_and_names() -> (Arc<Shared>, [BlockId; 4]) {
    let shared = with_a_full_magazine();
    let ids = [(); 4].map(|()| shared.pool.alloc().unwrap().into_id());
    (shared, ids)
}

#[test]
fn an_allocation_finds_the_block_that_comes_while_the_magazine_goes() {
    model(3, || {
        let (shared, ids) = with_a_magazine_and_names();
        let other = shared.clone();
        let t = thread::spawn(move || {
            // SAFETY: only this thread has the id.
            unsafe { other.pool.free_id(ids[0]) }.unwrap();
            draw_and_give_back(&other, 1);
        });
        // At every moment there is one.
        let block = shared.pool.alloc().unwrap();
        shared.touch(block.id(), 2);
        drop(block);
        t.join().unwrap();
        Shared::settle(shared, 3);
    });
}

/// Frees blocks into a cache, which gives them to the depot as a magazine.
fn give_a_magazine(shared: &Shared, ids: &[BlockId]) {
    let mut cache: Cache<'_, 4> = Cache::new(&shared.pool);
    for &id in ids {
        // SAFETY: only this thread has the id.
        let block = unsafe { shared.pool.block_from_id(id) }.unwrap();
        assert!(cache.free(block).is_ok());
    }
}

#[test]
fn a_cache_finds_the_magazine_that_comes_while_the_blocks_go() {
    model(3, || {
        let (shared, ids) = with_a_magazine_and_names();
        let two: Burst<'_, 2> = shared.pool.alloc_burst(2).unwrap();
        // SAFETY: only this thread has the id.
        unsafe { shared.pool.free_id(ids[0]) }.unwrap();
        let other = shared.clone();
        let t = thread::spawn(move || {
            give_a_magazine(&other, &ids[1..3]);
            // SAFETY: only this thread has the id.
            unsafe { other.pool.free_id(ids[3]) }.unwrap();
            let both: Burst<'_, 2> = other.pool.alloc_up_to(2);
            other.touch_all(&both, 1);
        });
        // At every moment there is one.
        let mut cache: Cache<'_, 4> = Cache::new(&shared.pool);
        let block = cache.alloc().unwrap();
        shared.touch(block.id(), 2);
        drop((block, cache, two));
        t.join().unwrap();
        Shared::settle(shared, 6);
    });
}

#[test]
fn a_magazine_is_counted_before_it_can_be_taken() {
    model(2, || {
        let (shared, ids) = with_a_magazine_and_names();
        let other = shared.clone();
        let t = thread::spawn(move || give_a_magazine(&other, &ids[..2]));
        let some: Burst<'_, 4> = shared.pool.alloc_up_to(4);
        let (cached, free) = (shared.pool.stats().cached, shared.pool.available());
        assert!(
            cached == 0 && free + some.len() <= 4,
            "{cached} in caches, {free} free"
        );
        drop(some);
        t.join().unwrap();
        Shared::settle(shared, 4);
    });
}

/// Sleeps until it is woken. If no thread wakes it, loom reports that all threads are blocked.
struct Signal(Mutex<bool>, Condvar);

impl Wake for Signal {
    fn wake(self: std::sync::Arc<Self>) {
        *self.0.lock().unwrap() = true;
        self.1.notify_one();
    }
}

/// Waits for a block.
fn wait<'p>(pool: &'p Pool<'static>) -> Block<'p> {
    let signal = std::sync::Arc::new(Signal(Mutex::new(false), Condvar::new()));
    let waker = Waker::from(signal.clone());
    let mut future = pool.alloc_async();
    loop {
        if let Poll::Ready(block) = Pin::new(&mut future).poll(&mut Context::from_waker(&waker)) {
            return block;
        }
        let mut woken = signal.0.lock().unwrap();
        while !*woken {
            woken = signal.1.wait(woken).unwrap();
        }
        *woken = false;
    }
}

#[test]
fn a_drop_wakes_who_waits() {
    model(3, || {
        let shared = Shared::new(PoolConfig::new(8, 1).without_caches());
        let held = shared.pool.alloc().unwrap().into_id();
        let other = shared.clone();
        let t = thread::spawn(move || {
            // SAFETY: only this thread has the id.
            let block = unsafe { other.pool.block_from_id(held) }.unwrap();
            other.touch(held, 1);
            drop(block);
        });
        let block = wait(&shared.pool);
        shared.touch(block.id(), 2);
        drop(block);
        t.join().unwrap();
        Shared::settle(shared, 1);
    });
}

#[test]
fn a_pool_that_is_touched_wakes_who_waits() {
    model(3, || {
        let shared = Shared::new(PoolConfig::new(8, 1).without_caches());
        let other = shared.clone();
        let t = thread::spawn(move || other.pool.prefault());
        let block = wait(&shared.pool);
        shared.touch(block.id(), 2);
        drop(block);
        t.join().unwrap();
        Shared::settle(shared, 1);
    });
}

#[test]
fn two_wait_for_one_block() {
    model(2, || {
        let shared = Shared::new(PoolConfig::new(8, 1).without_caches());
        let held = shared.pool.alloc().unwrap().into_id();
        let other = shared.clone();
        let t = thread::spawn(move || {
            let block = wait(&other.pool);
            other.touch(block.id(), 1);
        });
        // SAFETY: only this thread has the id.
        unsafe { shared.pool.free_id(held) }.unwrap();
        let block = wait(&shared.pool);
        shared.touch(block.id(), 2);
        drop(block);
        t.join().unwrap();
        Shared::settle(shared, 1);
    });
}

#[test]
fn a_magazine_that_a_cache_gives_wakes_who_waits() {
    model(2, || {
        let shared = Shared::new(PoolConfig::new(8, 6).magazine(2));
        let all: Burst<'_, 6> = shared.pool.alloc_burst(6).unwrap();
        let ids: Vec<_> = all.into_iter().map(Block::into_id).collect();
        let other = shared.clone();
        let t = thread::spawn(move || {
            let mut cache: Cache<'_, 4> = Cache::new(&other.pool);
            for &id in &ids[..2] {
                // SAFETY: only this thread has the id.
                let block = unsafe { other.pool.block_from_id(id) }.unwrap();
                other.touch(id, 1);
                assert!(cache.free(block).is_ok());
            }
            drop(cache);
            ids
        });
        let block = wait(&shared.pool);
        shared.touch(block.id(), 2);
        drop(block);
        let ids = t.join().unwrap();
        for &id in &ids[2..] {
            // SAFETY: only this thread has the id.
            unsafe { shared.pool.free_id(id) }.unwrap();
        }
        Shared::settle(shared, 6);
    });
}

#[test]
fn what_a_full_cache_gives_wakes_who_waits() {
    model(2, || {
        let shared = Shared::new(PoolConfig::new(8, 3).without_caches());
        let ids = [(); 3].map(|()| shared.pool.alloc().unwrap().into_id());
        let other = shared.clone();
        let t = thread::spawn(move || {
            let mut cache: Cache<'_, 2> = Cache::new(&other.pool);
            for id in ids {
                // SAFETY: only this thread has the id.
                let block = unsafe { other.pool.block_from_id(id) }.unwrap();
                assert!(cache.free(block).is_ok());
            }
            // It continues without another look.
            std::mem::forget(cache);
        });
        let block = wait(&shared.pool);
        shared.touch(block.id(), 2);
        t.join().unwrap();
    });
}

#[test]
fn who_stops_waiting_and_who_wakes_agree_on_the_waker() {
    model(3, || {
        let shared = Shared::new(PoolConfig::new(8, 1).without_caches());
        let held = shared.pool.alloc().unwrap().into_id();
        let other = shared.clone();
        let t = thread::spawn(move || {
            // SAFETY: only this thread has the id.
            unsafe { other.pool.free_id(held) }.unwrap();
        });
        let signal = std::sync::Arc::new(Signal(Mutex::new(false), Condvar::new()));
        let waker = Waker::from(signal.clone());
        let mut future = shared.pool.alloc_async();
        drop(Pin::new(&mut future).poll(&mut Context::from_waker(&waker)));
        drop(future);
        t.join().unwrap();
        drop(waker);
        assert_eq!(std::sync::Arc::strong_count(&signal), 1);
        assert_eq!(shared.pool.stats().waiting, 0);
        Shared::settle(shared, 1);
    });
}

/// A waker that takes the freed block, so that the next task must wait.
struct Executor {
    pool: &'static Pool<'static>,
    next: std::sync::Arc<Count>,
    waits: std::sync::Mutex<Option<(AllocAsync<'static>, bool)>>,
    taken: std::sync::Mutex<Option<Block<'static>>>,
}

/// Counts how often it is woken.
struct Count(std::sync::atomic::AtomicUsize);

impl Wake for Count {
    fn wake(self: std::sync::Arc<Self>) {
        self.0.fetch_add(1, std::sync::atomic::Ordering::SeqCst);
    }
}

impl Count {
    fn new() -> std::sync::Arc<Self> {
        std::sync::Arc::new(Self(std::sync::atomic::AtomicUsize::new(0)))
    }
}

impl Wake for Executor {
    fn wake(self: std::sync::Arc<Self>) {
        *self.taken.lock().unwrap() = self.pool.alloc().ok();
        let mut next = self.pool.alloc_async();
        let waker = Waker::from(self.next.clone());
        let polled = Pin::new(&mut next).poll(&mut Context::from_waker(&waker));
        *self.waits.lock().unwrap() = Some((next, polled.is_pending()));
    }
}

#[test]
fn who_begins_to_wait_is_not_counted_out_for_another() {
    model(2, || {
        let pool = Pool::allocate(PoolConfig::new(8, 3).without_caches()).unwrap();
        let pool: &'static Pool<'static> = Box::leak(Box::new(pool));
        let first = pool.alloc().unwrap();
        let two: Burst<'_, 2> = pool.alloc_burst(2).unwrap();
        let executor = std::sync::Arc::new(Executor {
            pool,
            next: Count::new(),
            waits: Default::default(),
            taken: Default::default(),
        });
        let waker = Waker::from(executor.clone());
        let mut waits = pool.alloc_async();
        let polled = Pin::new(&mut waits).poll(&mut Context::from_waker(&waker));
        assert!(polled.is_pending());
        let t = thread::spawn(move || {
            let mut third = pool.alloc_async();
            let waker = Waker::from(Count::new());
            let polled = Pin::new(&mut third).poll(&mut Context::from_waker(&waker));
            (third, polled)
        });
        drop(first);
        drop(two);
        let third = t.join().unwrap();
        let next = executor.waits.lock().unwrap().take();
        let woken = executor.next.0.load(std::sync::atomic::Ordering::SeqCst);
        let sleeps = next.is_some_and(|(_, pending)| pending) && woken == 0;
        assert!(
            !sleeps || pool.available() == 0,
            "a block is free, and one sleeps"
        );
        drop((third, executor.taken.lock().unwrap().take()));
    });
}

/// A model in which loom explores the counters as well.
fn model_of_counters(preemptions: usize, f: impl Fn() + Sync + Send + 'static) {
    framepool::explore_counters(true);
    model(preemptions, f);
    framepool::explore_counters(false);
}

/// Counts in the model that runs on this thread.
macro_rules! calls_of_this_model {
    ($calls:ident) => {
        std::thread_local! {
            static $calls: std::cell::Cell<usize> = const { std::cell::Cell::new(0) };
        }
        $calls.set(0);
    };
}

#[test]
fn a_low_water_mark_set_beside_an_allocation_calls() {
    model_of_counters(2, || {
        calls_of_this_model!(CALLS);
        fn call(_: &Pool<'_>) {
            CALLS.set(CALLS.get() + 1);
        }
        let shared = Shared::new(PoolConfig::new(8, 4).without_caches());
        // Three in the stack, and one never handed out: the other thread keeps the peak.
        let three: Burst<'_, 3> = shared.pool.alloc_burst(3).unwrap();
        drop(three);
        let other = shared.clone();
        let t = thread::spawn(move || {
            let four: Burst<'_, 4> = other.pool.alloc_up_to(4);
            drop(four);
        });
        shared.pool.on_low_water(4, call);
        t.join().unwrap();
        // From the stack: only the mark makes the thread look.
        drop(shared.pool.alloc().unwrap());
        assert_eq!(CALLS.get(), 1);
    });
}

#[test]
fn a_low_water_mark_set_beside_an_allocation_that_stays_above_it_calls_later() {
    model_of_counters(2, || {
        calls_of_this_model!(CALLS);
        fn call(_: &Pool<'_>) {
            CALLS.set(CALLS.get() + 1);
        }
        let shared = Shared::new(PoolConfig::new(8, 4).without_caches());
        drop(shared.pool.alloc_burst::<3>(3).unwrap());
        let other = shared.clone();
        let t = thread::spawn(move || drop(other.pool.alloc_burst::<1>(1).unwrap()));
        shared.pool.on_low_water(3, call);
        t.join().unwrap();
        // The peak is three: only the mark stops the second pop.
        let held = [shared.pool.alloc().unwrap(), shared.pool.alloc().unwrap()];
        assert_eq!(CALLS.get(), 1);
        drop(held);
    });
}

#[test]
fn a_low_water_mark_set_beside_an_exchange_calls() {
    model_of_counters(2, || {
        calls_of_this_model!(CALLS);
        fn call(_: &Pool<'_>) {
            CALLS.set(CALLS.get() + 1);
        }
        let shared = Shared::new(PoolConfig::new(8, 6).magazine(2));
        let all: Burst<'_, 4> = shared.pool.alloc_burst(4).unwrap();
        drop(all);
        let other = shared.clone();
        let t = thread::spawn(move || {
            let mut cache: Cache<'_, 4> = Cache::new(&other.pool);
            let block = cache.alloc().unwrap();
            let id = block.into_id();
            drop(cache);
            id
        });
        shared.pool.on_low_water(5, call);
        let id = t.join().unwrap();
        drop(shared.pool.alloc().unwrap());
        assert_eq!(CALLS.get(), 1);
        // SAFETY: only this thread has the id.
        unsafe { shared.pool.free_id(id) }.unwrap();
    });
}

/// An allocation that keeps the peak, and an exchange that changes the numbers from which the mark is computed.
#[test]
fn a_peak_kept_beside_an_exchange_leaves_no_mark_that_is_too_low() {
    model_of_counters(2, || {
        let shared = Shared::new(PoolConfig::new(8, 6).magazine(2));
        // Two in a cache, and none in the stack.
        let mut cache: Cache<'_, 4> = Cache::new(&shared.pool);
        let two: Burst<'_, 2> = cache.alloc_burst(2).unwrap();
        assert!(cache.free_burst(two).is_ok());
        drop(cache);
        let other = shared.clone();
        let t = thread::spawn(move || {
            let mut cache: Cache<'_, 4> = Cache::new(&other.pool);
            let two: Burst<'_, 2> = cache.alloc_burst(2).unwrap();
            two.into_iter().map(Block::into_id).collect::<Vec<_>>()
        });
        drop(shared.pool.alloc_burst::<4>(4).unwrap());
        let ids = t.join().unwrap();
        // One by one, by pops that check the mark only.
        let held: Vec<_> = std::iter::from_fn(|| shared.pool.alloc().ok()).collect();
        assert_eq!(held.len(), 4);
        assert_eq!(shared.pool.stats().in_use, 6);
        drop(held);
        assert_eq!(shared.pool.stats().peak, 6);
        for id in ids {
            // SAFETY: only this thread has the id.
            unsafe { shared.pool.free_id(id) }.unwrap();
        }
        Shared::settle(shared, 6);
    });
}
