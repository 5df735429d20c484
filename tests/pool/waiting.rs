//! Every way by which blocks come back to the depot wakes the tasks that wait for one.
//!
//! Some of these ways need blocks in the depot, which a task that begins to wait would take. So they are
//! taken in the waker of another task that is woken first, while the second task still waits.

use std::future::Future;
use std::mem;
use std::pin::Pin;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::sync::{Arc, LazyLock, Mutex};
use std::task::{Context, Wake, Waker};

use framepool::{AllocAsync, Block, Burst, Cache, Pool, PoolConfig};

/// Counts how often it is woken.
struct Count(AtomicUsize);

impl Count {
    fn new() -> Arc<Self> {
        Arc::new(Self(AtomicUsize::new(0)))
    }

    fn get(&self) -> usize {
        self.0.load(SeqCst)
    }
}

impl Wake for Count {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, SeqCst);
    }
}

/// Runs a function when it is woken for the first time.
struct Runs(Mutex<Option<Box<dyn FnOnce() + Send>>>);

impl Wake for Runs {
    fn wake(self: Arc<Self>) {
        let run = self.0.lock().unwrap().take();
        run.into_iter().for_each(|run| run());
    }
}

fn starts_to_wait(future: &mut AllocAsync<'_>, waker: &Waker) {
    let polled = Pin::new(future).poll(&mut Context::from_waker(waker));
    assert!(polled.is_pending());
}

/// Asserts that `way` wakes a task that waits at an empty depot. Its result is dropped later.
fn wakes<R>(pool: &Pool<'_>, way: impl FnOnce() -> R) {
    let woken = Count::new();
    let mut future = pool.alloc_async();
    starts_to_wait(&mut future, &Waker::from(woken.clone()));
    let left = way();
    assert_eq!((woken.get(), pool.stats().waiting), (1, 0));
    drop(left);
}

/// A pool with magazines of four.
type Static = LazyLock<Pool<'static>>;

const fn eight_blocks() -> Static {
    LazyLock::new(|| Pool::allocate(PoolConfig::new(8, 8).magazine(4)).unwrap())
}

fn take_all<'p>(pool: &'p Pool<'_>) -> Vec<Block<'p>> {
    std::iter::from_fn(|| pool.alloc().ok()).collect()
}

/// Asserts that `way` wakes a waiting task before it returns, with blocks in the depot. `come` returns
/// the blocks to an empty depot.
fn wakes_again(
    pool: &'static Pool<'static>,
    come: impl FnOnce(),
    way: impl FnOnce() + Send + 'static,
) {
    let woken = Count::new();
    let before_and_after = Arc::new(Mutex::new(None));
    let (counts, count) = (before_and_after.clone(), woken.clone());
    let runs = Runs(Mutex::new(Some(Box::new(move || {
        let before = (count.get(), pool.stats().waiting);
        way();
        *counts.lock().unwrap() = Some((before, count.get()));
    }))));
    let mut futures = [pool.alloc_async(), pool.alloc_async()];
    starts_to_wait(&mut futures[0], &Waker::from(Arc::new(runs)));
    starts_to_wait(&mut futures[1], &Waker::from(woken));
    come();
    assert_eq!(*before_and_after.lock().unwrap(), Some(((0, 1), 1)));
}

/// The same with a full magazine of four blocks. Blocks that `way` drops itself wake no task, because the
/// stack has the rest of the magazine.
fn wakes_again_with_a_magazine(pool: &'static Pool<'static>, way: impl FnOnce() + Send + 'static) {
    let mut cache: Cache<'_, 8> = Cache::new(pool);
    let mut all = take_all(pool);
    for block in all.drain(..4) {
        assert!(cache.free(block).is_ok());
    }
    assert_eq!((cache.len(), pool.available()), (4, 0));
    wakes_again(pool, || cache.flush(), way);
}

/// The same with two blocks in the stack.
fn wakes_again_with_two_blocks(pool: &'static Pool<'static>, way: impl FnOnce() + Send + 'static) {
    let mut all = take_all(pool);
    let mut two: Burst<'_, 2> = Burst::new(pool);
    for block in all.drain(..2) {
        assert!(two.push(block).is_ok());
    }
    wakes_again(pool, || drop(two), way);
}

#[test]
fn a_cache_that_is_flushed_or_dropped_wakes() {
    let pool = eight_blocks();
    let ways: [for<'p> fn(Cache<'p, 8>); 2] = [|mut cache| cache.flush(), |cache| drop(cache)];
    for way in ways {
        let mut cache = Cache::new(&pool);
        let mut all = take_all(&pool);
        assert!(cache.free(all.swap_remove(3)).is_ok());
        wakes(&pool, || way(cache));
    }
}

#[test]
fn a_cache_that_makes_room_to_take_a_burst_wakes() {
    let pool = Pool::allocate(PoolConfig::new(8, 32).magazine(16)).unwrap();
    let mut cache: Cache<'_, 32> = Cache::new(&pool);
    let mut all = take_all(&pool);
    for block in all.drain(..20) {
        assert!(cache.free(block).is_ok());
    }
    // It has four, and the blocks above them are in the way.
    wakes(&pool, || cache.alloc_burst::<32>(4).unwrap());
}

#[test]
fn a_cache_that_is_refused_a_burst_wakes_with_what_it_gives_back() {
    let pool = eight_blocks();
    let mut cache: Cache<'_, 8> = Cache::new(&pool);
    let mut all = take_all(&pool);
    for block in all.drain(..3) {
        assert!(cache.free(block).is_ok());
    }
    wakes(&pool, || assert!(cache.alloc_burst::<4>(4).is_err()));
}

#[cfg(feature = "heapless")]
#[test]
fn a_heapless_vector_that_is_freed_into_a_cache_wakes() {
    let pool = eight_blocks();
    let mut cache: Cache<'_, 8> = Cache::new(&pool);
    let mut blocks = heapless::Vec::<_, 8>::from_iter(take_all(&pool));
    wakes(&pool, || {
        assert!(cache.free_from_heapless(&mut blocks).is_ok())
    });
}

#[test]
fn a_flush_of_the_current_threads_cache_wakes() {
    static POOL: Static = eight_blocks();
    let pool: &'static Pool<'static> = &POOL;
    let mut all = take_all(pool);
    assert!(pool.local_free(all.swap_remove(0)).is_ok());
    wakes(pool, || pool.local_flush());
}

#[test]
fn a_reservation_that_ends_wakes_a_task_that_waits_for_its_parent() {
    let pool = eight_blocks();
    let reservation = pool.reserve(2).unwrap();
    let all = take_all(&pool);
    wakes(&pool, || drop(reservation));
    drop(all);
}

#[test]
fn a_block_out_of_a_magazine_wakes_for_the_rest() {
    static POOL: Static = eight_blocks();
    wakes_again_with_a_magazine(&POOL, || {
        drop(POOL.alloc().unwrap());
    });
}

#[test]
fn a_burst_out_of_a_magazine_wakes_for_the_rest() {
    static POOL: Static = eight_blocks();
    wakes_again_with_a_magazine(&POOL, || {
        drop(POOL.alloc_burst::<2>(2).unwrap());
    });
    static UP_TO: Static = eight_blocks();
    wakes_again_with_a_magazine(&UP_TO, || {
        drop(UP_TO.alloc_up_to::<2>(2));
    });
}

#[test]
fn a_reservation_out_of_a_magazine_wakes_for_the_rest() {
    static POOL: Static = eight_blocks();
    wakes_again_with_a_magazine(&POOL, || {
        drop(POOL.reserve(2).unwrap());
    });
}

#[test]
fn a_cache_that_draws_part_of_a_magazine_wakes_for_the_rest() {
    static POOL: Static = eight_blocks();
    wakes_again_with_a_magazine(&POOL, || {
        let mut cache: Cache<'_, 2> = Cache::new(&POOL);
        mem::forget(cache.alloc().unwrap());
        // The end of the cache would also wake the task.
        mem::forget(cache);
    });
}

#[test]
fn a_burst_that_is_refused_wakes_with_what_it_gives_back() {
    static POOL: Static = eight_blocks();
    wakes_again_with_two_blocks(&POOL, || {
        assert!(POOL.alloc_burst::<4>(3).is_err());
    });
}

#[test]
fn a_reservation_that_is_refused_wakes_with_what_it_gives_back() {
    static POOL: Static = eight_blocks();
    wakes_again_with_two_blocks(&POOL, || {
        assert!(POOL.reserve(3).is_err());
    });
}

#[test]
fn a_cache_draws_one_block_and_keeps_none_while_a_task_waits() {
    static MAGAZINE: Static = eight_blocks();
    static TWO: Static = eight_blocks();
    static LEFT: Mutex<Vec<(usize, usize)>> = Mutex::new(Vec::new());
    fn draw(pool: &'static Pool<'static>) -> impl FnOnce() + Send {
        let mut cache: Cache<'_, 8> = Cache::new(pool);
        // It may keep some, from the time before a task waits.
        let block = cache.alloc().unwrap();
        assert!(cache.free(block).is_ok());
        cache.flush();
        move || {
            let block = cache.alloc().unwrap();
            LEFT.lock().unwrap().push((cache.len(), pool.available()));
            assert!(cache.free(block).is_ok());
            mem::forget(cache);
        }
    }
    wakes_again_with_a_magazine(&MAGAZINE, draw(&MAGAZINE));
    wakes_again_with_two_blocks(&TWO, draw(&TWO));
    assert_eq!(*LEFT.lock().unwrap(), [(0, 3), (0, 1)]);
}
