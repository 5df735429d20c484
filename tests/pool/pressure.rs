//! Waiting for a block, and the low-water callback.

use std::future::Future;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::{Pin, pin};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::*};
use std::sync::{Arc, Barrier};
use std::task::{Context, Poll, Wake, Waker};
use std::thread::{self, Thread};

use framepool::pool::MAX_WAITERS;
use framepool::{AllocAsync, Block, Burst, Cache, Pool, PoolConfig};

/// Wakes a thread, and counts.
struct Signal {
    thread: Thread,
    woken: AtomicUsize,
}

impl Signal {
    fn new() -> Arc<Self> {
        Arc::new(Self {
            thread: thread::current(),
            woken: AtomicUsize::new(0),
        })
    }

    fn count(&self) -> usize {
        self.woken.load(SeqCst)
    }
}

impl Wake for Signal {
    fn wake(self: Arc<Self>) {
        self.woken.fetch_add(1, SeqCst);
        self.thread.unpark();
    }
}

fn poll<'p>(future: &mut AllocAsync<'p>, signal: &Arc<Signal>) -> Option<Block<'p>> {
    let waker = Waker::from(signal.clone());
    match Pin::new(future).poll(&mut Context::from_waker(&waker)) {
        Poll::Ready(block) => Some(block),
        Poll::Pending => None,
    }
}

fn wait<'p>(pool: &'p Pool<'_>) -> Block<'p> {
    let signal = Signal::new();
    let mut future = pool.alloc_async();
    loop {
        if let Some(block) = poll(&mut future, &signal) {
            return block;
        }
        thread::park();
    }
}

fn pool(blocks: usize) -> Pool<'static> {
    Pool::allocate(PoolConfig::new(64, blocks)).unwrap()
}

#[test]
fn a_free_block_is_had_without_waiting() {
    let mut pool = pool(1);
    {
        let signal = Signal::new();
        let block = poll(&mut pool.alloc_async(), &signal).unwrap();
        drop(block);
        assert_eq!((signal.count(), Arc::strong_count(&signal)), (0, 1));
    }
    assert_eq!(pool.check().unwrap().free(), 1);
}

#[test]
fn every_way_home_wakes() {
    let pool = pool(16);
    let mut cache: Cache<'_, 32> = Cache::new(&pool);
    type Way = for<'p> fn(&'p Pool<'p>, &mut Cache<'p, 32>, Vec<Block<'p>>);
    let ways: [(&str, Way); 8] = [
        ("drop", |_, _, mut all| drop(all.pop())),
        ("free", |pool, _, mut all| {
            assert!(pool.free(all.pop().unwrap()).is_ok());
        }),
        ("raw", |pool, _, mut all| {
            // SAFETY: the pointer is used nowhere else.
            unsafe { pool.free_raw(all.pop().unwrap().into_raw()) }.unwrap();
        }),
        ("burst", |pool, _, all| {
            let mut burst: Burst<'_, 16> = Burst::new(pool);
            all.into_iter().for_each(|block| burst.push(block).unwrap());
            drop(burst);
        }),
        ("cache", |_, cache, mut all| {
            assert!(cache.free(all.pop().unwrap()).is_ok());
        }),
        ("cache burst", |pool, cache, mut all| {
            let mut burst: Burst<'_, 16> = Burst::new(pool);
            burst.push(all.pop().unwrap()).unwrap();
            assert!(cache.drain_burst(&mut burst).is_ok());
        }),
        ("cache array", |_, cache, mut all| {
            assert!(cache.free_array([all.pop().unwrap()]).is_ok());
        }),
        ("cache vector", |_, cache, mut all| {
            assert!(cache.free_from(&mut all).is_ok());
        }),
    ];
    for (name, way) in ways {
        let all: Vec<_> = std::iter::from_fn(|| pool.alloc().ok()).collect();
        assert_eq!(all.len(), 16, "{name}");
        let signal = Signal::new();
        let mut future = pool.alloc_async();
        assert!(poll(&mut future, &signal).is_none());
        assert_eq!(pool.stats().waiting, 1);
        way(&pool, &mut cache, all);
        assert_eq!(signal.count(), 1, "{name}");
        assert!(poll(&mut future, &signal).is_some(), "{name}");
        assert!(cache.is_empty(), "{name}");
        assert_eq!(pool.stats().waiting, 0);
    }
}

#[test]
fn a_cache_that_hides_blocks_gives_them_up_after_so_many_frees() {
    let pool = pool(64);
    let mut cache = pool.cache();
    let held = cache.alloc().unwrap();
    assert!(cache.free(held).is_ok());
    let rest: Vec<_> = std::iter::from_fn(|| pool.alloc().ok()).collect();
    assert!(!cache.is_empty());
    let signal = Signal::new();
    let mut future = pool.alloc_async();
    assert!(poll(&mut future, &signal).is_none());
    // The worker continues, and never accesses the depot by itself.
    let mut frees = 0;
    while signal.count() == 0 {
        let block = cache.alloc().unwrap();
        assert!(cache.free(block).is_ok());
        frees += 1;
        assert!(frees <= 1024);
    }
    assert!(poll(&mut future, &signal).is_some());
    drop(rest);
}

#[test]
fn a_cache_hides_no_more_than_it_says_with_magazines_or_without() {
    for blocks in [1, 8, 31, 32, 64, 100, if cfg!(miri) { 256 } else { 5000 }] {
        let config = PoolConfig::new(8, blocks);
        for config in [config, config.without_caches()] {
            let pool = Pool::allocate(config).unwrap();
            let mut cache = pool.cache();
            let most = if blocks < 32 { 8 } else { blocks / 4 };
            let all: Vec<_> = std::iter::from_fn(|| {
                let block = cache.alloc().ok()?;
                assert!(cache.len() < most, "{} of {blocks} drawn", cache.len() + 1);
                Some(block)
            })
            .collect();
            assert_eq!(all.len(), blocks);
            for block in all {
                assert!(cache.free(block).is_ok());
                assert!(cache.len() <= most, "{} of {blocks} kept", cache.len());
            }
        }
    }
}

#[test]
fn while_someone_waits_a_cache_keeps_nothing() {
    let pool = pool(64);
    let mut cache = pool.cache();
    let mut all: Vec<_> = std::iter::from_fn(|| pool.alloc().ok()).collect();
    let signal = Signal::new();
    let mut futures = [(); 2].map(|()| pool.alloc_async());
    for future in &mut futures {
        assert!(poll(future, &signal).is_none());
    }
    assert!(cache.free(all.pop().unwrap()).is_ok());
    let first = poll(&mut futures[0], &signal).unwrap();
    assert!(poll(&mut futures[1], &signal).is_none());
    // A task still waits: the next free also goes to the depot.
    assert!(cache.free(all.pop().unwrap()).is_ok());
    let second = poll(&mut futures[1], &signal).unwrap();
    assert_ne!(first.id(), second.id());
    drop((first, second));
}

#[test]
fn who_waits_no_more_leaves_nothing_behind() {
    let pool = pool(1);
    let held = pool.alloc().unwrap();
    let signal = Signal::new();
    let mut future = pool.alloc_async();
    for _ in 0..3 {
        assert!(poll(&mut future, &signal).is_none());
    }
    assert_eq!(Arc::strong_count(&signal), 2);
    drop(future);
    assert_eq!((Arc::strong_count(&signal), pool.stats().waiting), (1, 0));
    drop(held);
    assert_eq!(signal.count(), 0);
}

/// Forgets a future that waits for a block of `pool`.
fn forget_one_that_waits(pool: &Pool<'_>, signal: &Arc<Signal>) {
    let held = pool.alloc().unwrap();
    let mut future = pool.alloc_async();
    assert!(poll(&mut future, signal).is_none());
    std::mem::forget((held, future));
    assert_eq!(Arc::strong_count(signal), 2);
}

#[test]
fn the_waker_of_a_forgotten_future_goes_with_a_reset_or_with_its_pool() {
    let signal = Signal::new();
    let mut pool = pool(1);
    forget_one_that_waits(&pool, &signal);
    pool.reset().unwrap();
    assert_eq!((Arc::strong_count(&signal), pool.stats().waiting), (1, 0));
    forget_one_that_waits(&pool, &signal);
    drop(pool);
    assert_eq!(Arc::strong_count(&signal), 1);

    let mut region = Box::new_uninit_slice(4096);
    let pool = Pool::new(&mut region, PoolConfig::new(64, 2)).unwrap();
    let reservation = pool.reserve(1).unwrap();
    forget_one_that_waits(&reservation, &signal);
    drop(reservation);
    assert_eq!(Arc::strong_count(&signal), 1);
    forget_one_that_waits(&pool, &signal);
    drop(pool);
    assert_eq!((Arc::strong_count(&signal), signal.count()), (1, 0));
}

#[test]
fn who_finds_no_room_to_sleep_is_polled_again() {
    let pool = pool(1);
    let held = pool.alloc().unwrap();
    let signal = Signal::new();
    let mut futures: Vec<_> = (0..=MAX_WAITERS).map(|_| pool.alloc_async()).collect();
    for (i, future) in futures.iter_mut().enumerate() {
        assert!(poll(future, &signal).is_none());
        assert_eq!(signal.count(), usize::from(i == MAX_WAITERS));
    }
    drop(held);
    assert_eq!(signal.count(), 1 + MAX_WAITERS);
    assert!(futures.iter_mut().filter_map(|f| poll(f, &signal)).count() > 0);
}

#[test]
fn a_waker_may_come_back_to_the_pool() {
    /// Allocates and frees when it is woken.
    struct Reenters(&'static Pool<'static>, AtomicBool);
    impl Wake for Reenters {
        fn wake(self: Arc<Self>) {
            drop(self.0.alloc().unwrap());
            self.1.store(true, SeqCst);
        }
    }
    framepool::pool!(static POOL: [64; 1]);
    let held = POOL.alloc().unwrap();
    let waker = Arc::new(Reenters(&POOL, AtomicBool::new(false)));
    let mut future = pin!(POOL.alloc_async());
    let pending = future
        .as_mut()
        .poll(&mut Context::from_waker(&Waker::from(waker.clone())));
    assert!(pending.is_pending());
    drop(held);
    assert!(waker.1.load(SeqCst));
}

#[test]
fn threads_that_wait_and_threads_that_hoard_all_get_on() {
    let rounds = if cfg!(miri) { 20 } else { 5_000 };
    let mut pool = Pool::allocate(PoolConfig::new(64, 12).magazine(2)).unwrap();
    let start = Barrier::new(4);
    thread::scope(|s| {
        for _ in 0..2 {
            s.spawn(|| {
                start.wait();
                for _ in 0..rounds {
                    let _two = (wait(&pool), wait(&pool));
                }
            });
            s.spawn(|| {
                let mut cache: Cache<'_, 8> = Cache::new(&pool);
                start.wait();
                for _ in 0..rounds {
                    let mine: Vec<_> = (0..4).filter_map(|_| cache.alloc().ok()).collect();
                    for block in mine {
                        assert!(cache.free(block).is_ok());
                    }
                }
                // Going idle.
                cache.flush();
            });
        }
    });
    let stats = pool.stats();
    assert_eq!((stats.in_use, stats.waiting), (0, 0), "{stats}");
    assert_eq!(pool.check().unwrap().free(), 12);
}

#[test]
fn a_reservation_can_be_waited_for() {
    let pool = pool(8);
    let reservation = pool.reserve(1).unwrap();
    let held = reservation.alloc().unwrap();
    let signal = Signal::new();
    let mut future = reservation.alloc_async();
    assert!(poll(&mut future, &signal).is_none());
    drop(pool.alloc().unwrap());
    assert_eq!(signal.count(), 0, "no task waits for the parent's blocks");
    drop(held);
    assert!(poll(&mut future, &signal).is_some());
    // Tasks that wait for the parent get the blocks that a reservation gives back at its end.
    let all: Vec<_> = std::iter::from_fn(|| pool.alloc().ok()).collect();
    let mut next = pool.alloc_async();
    assert!(poll(&mut next, &signal).is_none());
    drop(future);
    drop(reservation);
    assert!(poll(&mut next, &signal).is_some());
    drop(all);
}

/// Calls of the low-water callback of each test's pool, and the blocks that were left.
macro_rules! calls {
    ($calls:ident, $left:ident) => {
        static $calls: AtomicUsize = AtomicUsize::new(0);
        static $left: AtomicUsize = AtomicUsize::new(usize::MAX);
    };
}

#[test]
fn the_allocation_that_goes_below_the_mark_calls_once() {
    calls!(CALLS, LEFT);
    fn call(pool: &Pool<'_>) {
        CALLS.fetch_add(1, SeqCst);
        LEFT.store(pool.available(), SeqCst);
    }
    let pool = pool(32);
    pool.on_low_water(8, call);
    // From the frontier, and again from the stack.
    for _ in 0..2 {
        let calls = CALLS.load(SeqCst);
        let mut held: Vec<_> = (0..24).map(|_| pool.alloc().unwrap()).collect();
        assert_eq!(CALLS.load(SeqCst), calls);
        held.push(pool.alloc().unwrap());
        assert_eq!((CALLS.load(SeqCst), LEFT.load(SeqCst)), (calls + 1, 7));
        held.extend((0..7).map(|_| pool.alloc().unwrap()));
        assert_eq!(CALLS.load(SeqCst), calls + 1, "once");
        drop(held);
        pool.on_low_water(8, call);
    }
    pool.on_low_water(0, call);
    let all: Vec<_> = std::iter::from_fn(|| pool.alloc().ok()).collect();
    assert_eq!(
        (all.len(), CALLS.load(SeqCst)),
        (32, 2),
        "the callback is disarmed"
    );
    // Low already: the next allocation calls.
    pool.on_low_water(1, call);
    assert_eq!(CALLS.load(SeqCst), 2);
    drop(all);
    let all: Vec<_> = std::iter::from_fn(|| pool.alloc().ok()).collect();
    assert_eq!(
        (all.len(), CALLS.load(SeqCst), LEFT.load(SeqCst)),
        (32, 3, 0)
    );
}

#[test]
fn a_call_that_sets_itself_again_does_not_call_itself() {
    calls!(CALLS, LEFT);
    fn call(pool: &Pool<'_>) {
        LEFT.store(CALLS.fetch_add(1, SeqCst), SeqCst);
        pool.on_low_water(8, call);
    }
    let pool = pool(8);
    pool.on_low_water(8, call);
    let held: Vec<_> = (0..3).map(|_| pool.alloc().unwrap()).collect();
    assert_eq!((CALLS.load(SeqCst), LEFT.load(SeqCst)), (3, 2));
    drop(held);
}

#[test]
fn what_panics_loses_nothing_and_wakes_the_others() {
    /// Panics when it is woken.
    struct Panics;
    impl Wake for Panics {
        fn wake(self: Arc<Self>) {
            panic!("a waker that panics");
        }
    }
    let mut pool = pool(8);
    {
        let mut all: Vec<_> = std::iter::from_fn(|| pool.alloc().ok()).collect();
        let mut first = pool.alloc_async();
        let waker = Waker::from(Arc::new(Panics));
        let polled = Pin::new(&mut first).poll(&mut Context::from_waker(&waker));
        assert!(polled.is_pending());
        let signal = Signal::new();
        let mut second = pool.alloc_async();
        assert!(poll(&mut second, &signal).is_none());
        let block = all.pop();
        assert!(catch_unwind(AssertUnwindSafe(|| drop(block))).is_err());
        assert_eq!((signal.count(), pool.stats().waiting), (1, 0));
        drop(all);
    }
    pool.on_low_water(8, |_| panic!("a callback"));
    assert!(catch_unwind(AssertUnwindSafe(|| drop(pool.alloc()))).is_err());
    assert_eq!(pool.check().unwrap().free(), 8);
}

#[test]
fn a_cache_whose_end_a_waker_interrupts_has_told_everything() {
    struct Panics;
    impl Wake for Panics {
        fn wake(self: Arc<Self>) {
            panic!("a waker that panics");
        }
    }
    let pool = pool(4);
    let mut cache: Cache<'_, 8> = Cache::new(&pool);
    let all: Vec<_> = std::iter::from_fn(|| cache.alloc().ok()).collect();
    let mut waits = pool.alloc_async();
    let waker = Waker::from(Arc::new(Panics));
    let polled = Pin::new(&mut waits).poll(&mut Context::from_waker(&waker));
    assert!(polled.is_pending());
    assert!(catch_unwind(AssertUnwindSafe(|| drop(cache))).is_err());
    let stats = pool.stats();
    assert_eq!((stats.in_use, stats.cached, stats.allocations), (4, 0, 4));
    drop(all);
    assert_eq!((pool.stats().free, pool.stats().frees), (4, 4));
}

#[test]
fn who_asks_for_all_or_none_and_gets_none_keeps_none() {
    let pool = Pool::allocate(PoolConfig::new(64, 32).magazine(16)).unwrap();
    let mut caches: [Cache<'_, 32>; 2] = [Cache::new(&pool), Cache::new(&pool)];
    let halves = caches
        .each_mut()
        .map(|cache| cache.alloc_burst::<16>(16).unwrap());
    for (cache, half) in caches.iter_mut().zip(halves) {
        assert!(cache.free_burst(half).is_ok());
    }
    let [first, second] = &mut caches;
    assert!(first.alloc_burst::<32>(32).is_err());
    assert!(
        second.alloc_burst::<32>(32).is_ok(),
        "the first gave its half back"
    );
}

#[test]
fn a_worker_that_draws_often_looks_around_as_well() {
    let pool = Pool::allocate(PoolConfig::new(64, 64).magazine(8)).unwrap();
    let mut cache: Cache<'_, 32> = Cache::new(&pool);
    let rest: Vec<_> = (0..32).map(|_| pool.alloc().unwrap()).collect();
    let signal = Signal::new();
    let mut future = None;
    for round in 0..2048 {
        let some: Vec<_> = std::iter::from_fn(|| cache.alloc().ok()).take(20).collect();
        if round == 10 {
            let others: Vec<_> = std::iter::from_fn(|| pool.alloc().ok()).collect();
            let mut waits = pool.alloc_async();
            assert!(poll(&mut waits, &signal).is_none());
            future = Some((waits, others));
        }
        for block in some {
            assert!(cache.free(block).is_ok());
        }
        if signal.count() > 0 {
            break;
        }
    }
    assert!(signal.count() > 0);
    drop((future, rest));
}

#[test]
fn a_refused_vector_meets_no_depot_and_leaves_no_one_asleep() {
    let pool = Pool::allocate(PoolConfig::new(64, 16).without_caches()).unwrap();
    let other = Pool::allocate(PoolConfig::new(64, 1)).unwrap();
    let mut cache: Cache<'_, 8> = Cache::new(&pool);
    let mut held: Vec<_> = std::iter::from_fn(|| pool.alloc().ok()).collect();
    for block in held.drain(..6) {
        assert!(cache.free(block).is_ok());
    }
    let signal = Signal::new();
    let mut future = pool.alloc_async();
    assert!(poll(&mut future, &signal).is_none());
    // More than the cache has room for.
    let mut mixed: Vec<_> = held.drain(..4).collect();
    mixed.push(other.alloc().unwrap());
    assert_eq!(cache.free_from(&mut mixed).unwrap_err().into_inner(), 1);
    assert_eq!((mixed.len(), cache.len(), pool.available()), (5, 6, 0));
    assert_eq!(signal.count(), 0);
    drop(held);
    assert!(poll(&mut future, &signal).is_some());
}

#[test]
fn a_mark_above_the_capacity_calls_at_the_next_allocation_however_high_it_is() {
    calls!(CALLS, LEFT);
    fn call(pool: &Pool<'_>) {
        CALLS.fetch_add(1, SeqCst);
        LEFT.store(pool.available(), SeqCst);
    }
    let pool = pool(8);
    // From the frontier, and then from the stack.
    for round in 0..2 {
        for below in [9, 1 << 31, usize::MAX / 2 + 1, usize::MAX - 1, usize::MAX]
            .into_iter()
            .chain(1usize.checked_shl(32))
            .chain(1usize.checked_shl(63))
        {
            pool.on_low_water(below, call);
            let calls = CALLS.load(SeqCst);
            drop(pool.alloc().unwrap());
            assert_eq!(CALLS.load(SeqCst), calls + 1, "round {round}, {below}");
            assert_eq!(LEFT.load(SeqCst), 7);
        }
        drop(pool.alloc_burst::<8>(8).unwrap());
    }
}

#[test]
fn bursts_and_caches_call_as_well_and_a_call_may_set_it_again() {
    calls!(CALLS, LEFT);
    fn call(pool: &Pool<'_>) {
        CALLS.fetch_add(1, SeqCst);
        LEFT.store(pool.available(), SeqCst);
        pool.on_low_water(pool.available(), call);
    }
    let pool = Pool::allocate(PoolConfig::new(64, 100).magazine(10)).unwrap();
    pool.on_low_water(50, call);
    let first = pool.alloc_burst::<64>(60).unwrap();
    assert_eq!((CALLS.load(SeqCst), LEFT.load(SeqCst)), (1, 40));
    let mut cache = pool.cache();
    let second = cache.alloc().unwrap();
    assert_eq!((CALLS.load(SeqCst), LEFT.load(SeqCst)), (2, 39));
    drop((first, second));
}

#[test]
fn a_block_that_a_cache_hands_out_first_is_no_free_that_wraps() {
    let pool = Pool::allocate(PoolConfig::new(64, 100).magazine(10)).unwrap();
    let mut cache = pool.cache();
    for n in [1, 5, 32] {
        let held = cache.alloc_burst::<32>(n).unwrap();
        let stats = pool.stats();
        assert!(stats.frees <= stats.allocations, "{stats}");
        assert_eq!(stats.frees + stats.in_use, stats.allocations, "{stats}");
        drop(held);
    }
}
