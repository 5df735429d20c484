//! How many blocks a cache takes and keeps: workers that start later find blocks.

use std::sync::Barrier;
use std::thread;

use framepool::{Cache, Pool, PoolConfig};

/// The number of workers with new caches that can have `k` blocks each, as `Cache` guarantees.
fn workers(capacity: usize, k: usize) -> usize {
    capacity / (k + (k - 1) / 8)
}

/// The history of a pool before its workers start.
const PASTS: [fn(&Pool<'_>); 3] = [
    |_| (),
    // Every block is in the stack.
    |pool| {
        let all: Vec<_> = std::iter::from_fn(|| pool.alloc().ok()).collect();
        drop(all);
    },
    // Blocks are in magazines, as far as there is room for them.
    |pool| {
        let all: Vec<_> = std::iter::from_fn(|| pool.alloc().ok()).collect();
        let mut cache = pool.cache();
        for block in all {
            assert!(cache.free(block).is_ok());
        }
    },
];

/// Shapes of the magazines.
const SHAPES: [fn(PoolConfig) -> PoolConfig; 5] = [
    |config| config,
    |config| config.without_caches(),
    |config| config.magazine(1),
    |config| config.magazine(7),
    |config| config.magazine(4096),
];

/// Asserts that every worker of `pool` for which the guarantee holds gets `k` blocks, `step` at once:
/// worker by worker, or in turns.
fn all_are_served<const N: usize>(pool: &Pool<'_>, k: usize, step: usize, in_turns: bool) {
    let mut caches: Vec<Cache<'_, N>> = (0..workers(pool.capacity(), k))
        .map(|_| Cache::new(pool))
        .collect();
    let mut held: Vec<Vec<_>> = caches.iter().map(|_| Vec::new()).collect();
    let (workers, rounds) = (caches.len(), k.div_ceil(step));
    for i in 0..rounds * workers {
        let worker = if in_turns { i % workers } else { i / rounds };
        let (cache, held) = (&mut caches[worker], &mut held[worker]);
        let taken = match step.min(k - held.len()) {
            1 => cache
                .alloc()
                .map(|block| held.push(block))
                .map_err(Into::into),
            n => cache.alloc_into(held, n),
        };
        if let Err(e) = taken {
            panic!("{k} blocks each, {step} at once: worker {worker} of {workers} gets none: {e}");
        }
    }
}

#[test]
fn workers_with_new_caches_are_all_served() {
    let capacities: &[usize] = match cfg!(miri) {
        true => &[9],
        false => &[1, 2, 7, 8, 9, 31, 40, 64, 100, 257, 600, 2400],
    };
    for &capacity in capacities {
        for (k, step) in [
            (1, 1),
            (2, 1),
            (8, 1),
            (9, 1),
            (9, 2),
            (30, 1),
            (30, 8),
            (257, 1),
            (257, 32),
        ] {
            for shape in SHAPES {
                for past in PASTS {
                    for in_turns in [false, true] {
                        let pool = Pool::allocate(shape(PoolConfig::new(8, capacity))).unwrap();
                        past(&pool);
                        all_are_served::<64>(&pool, k, step, in_turns);
                        assert_eq!(pool.stats().in_use, 0);
                        all_are_served::<8>(&pool, k, step.min(8), in_turns);
                        all_are_served::<2>(&pool, k, step.min(2), in_turns);
                    }
                }
            }
        }
    }
}

#[test]
fn a_ninth_worker_is_served_while_eight_caches_are_warm() {
    for past in PASTS {
        let pool = Pool::allocate(PoolConfig::new(8, 4096)).unwrap();
        past(&pool);
        let mut caches: Vec<Cache<'_>> = (0..8).map(|_| pool.cache()).collect();
        // Warm: these caches have handed out enough blocks to draw whole magazines.
        let rounds = if cfg!(miri) { 600 } else { 10_000 };
        for cache in &mut caches {
            for _ in 0..rounds {
                let block = cache.alloc().unwrap();
                assert!(cache.free(block).is_ok());
            }
        }
        let held: Vec<_> = (caches.iter_mut())
            .map(|cache| [cache.alloc().unwrap(), cache.alloc().unwrap()])
            .collect();
        assert!(caches.iter().map(|cache| cache.len()).sum::<usize>() > 8);
        let mut ninth = pool.cache();
        let late: Vec<_> = (0..100).map(|_| ninth.alloc().unwrap()).collect();
        drop((late, held));
    }
}

#[test]
fn as_many_workers_as_blocks_have_one_each() {
    let blocks = if cfg!(miri) { 64 } else { 4096 };
    let pool = Pool::allocate(PoolConfig::new(8, blocks)).unwrap();
    let mut caches: Vec<Cache<'_, 64>> = (0..blocks).map(|_| Cache::new(&pool)).collect();
    let held: Vec<_> = caches
        .iter_mut()
        .map(|cache| cache.alloc().unwrap())
        .collect();
    let stats = pool.stats();
    assert_eq!(
        (stats.in_use, stats.free, stats.cached),
        (blocks as u64, 0, 0)
    );
    let error = caches[0].alloc().unwrap_err();
    assert_eq!((error.available(), error.cached()), (0, 0));
    drop(held);
}

#[test]
fn threads_with_new_caches_are_all_served() {
    let (threads, rounds) = if cfg!(miri) { (4, 1) } else { (16, 50) };
    for past in &PASTS[..2] {
        for k in [1, 8, 20] {
            for _ in 0..rounds {
                let capacity = threads * (k + (k - 1) / 8);
                let pool = Pool::allocate(PoolConfig::new(8, capacity)).unwrap();
                past(&pool);
                let gate = Barrier::new(threads);
                thread::scope(|scope| {
                    for _ in 0..threads {
                        scope.spawn(|| {
                            let mut cache: Cache<'_, 64> = Cache::new(&pool);
                            gate.wait();
                            let held: Vec<_> = (0..k).map(|_| cache.alloc()).collect();
                            gate.wait();
                            let served = held.iter().filter(|block| block.is_ok()).count();
                            assert_eq!(served, k);
                        });
                    }
                });
            }
        }
    }
}

#[test]
fn three_hundred_threads_have_eight_of_2400_blocks_each() {
    framepool::pool!(static POOL: [64; 2400]);
    const THREADS: usize = if cfg!(miri) { 8 } else { 300 };
    let gate = Barrier::new(THREADS);
    let refused: usize = thread::scope(|scope| {
        let each = (0..THREADS).map(|_| {
            scope.spawn(|| {
                let held: Vec<_> = (0..8).map(|_| POOL.local_alloc()).collect();
                // No worker gives a block back before all have theirs.
                gate.wait();
                held.iter().filter(|block| block.is_err()).count()
            })
        });
        let each: Vec<_> = each.collect();
        each.into_iter().map(|thread| thread.join().unwrap()).sum()
    });
    assert_eq!(refused, 0);
}

#[test]
fn a_draw_leaves_half_of_the_depot_to_others_unless_more_is_asked_for() {
    for shape in SHAPES {
        for past in PASTS {
            let pool = Pool::allocate(shape(PoolConfig::new(8, 256))).unwrap();
            let mut cache: Cache<'_, 256> = Cache::new(&pool);
            // Warm for long, and empty.
            for _ in 0..if cfg!(miri) { 256 } else { 4096 } {
                let block = cache.alloc().unwrap();
                assert!(cache.free(block).is_ok());
            }
            cache.flush();
            past(&pool);
            let mut held = Vec::new();
            while pool.available() > 0 {
                let before = pool.available();
                held.push(cache.alloc().unwrap());
                let drawn = before - pool.available();
                assert!(drawn <= 1.max(before / 2), "{drawn} of {before}");
            }
            // A burst gets all the blocks that it requests.
            drop(held);
            cache.flush();
            assert_eq!(cache.alloc_burst::<256>(256).unwrap().len(), 256);
        }
    }
}

#[test]
fn a_draw_of_a_small_cache_from_large_magazines_is_half_of_it_at_most() {
    let blocks = if cfg!(miri) { 256 } else { 4096 };
    let pool = Pool::allocate(PoolConfig::new(8, blocks)).unwrap();
    let mut small: Cache<'_, 8> = Cache::new(&pool);
    // Warm, and empty.
    for _ in 0..100 {
        let block = small.alloc().unwrap();
        assert!(small.free(block).is_ok());
    }
    small.flush();
    PASTS[2](&pool);
    let mut held = Vec::new();
    while pool.available() > 0 {
        let before = pool.available();
        held.push(small.alloc().unwrap());
        let drawn = before - pool.available();
        assert!(drawn <= 4, "{drawn} of {before}");
    }
    assert!(held.len() > blocks / 2);
}

#[test]
fn a_worker_that_allocates_much_draws_whole_magazines() {
    let pool = Pool::allocate(PoolConfig::new(8, 4096)).unwrap();
    let mut cache = pool.cache();
    let mut draws = |n: usize| {
        let before = cache.stats().refills;
        let held: Vec<_> = (0..n).map(|_| cache.alloc().unwrap()).collect();
        for block in held {
            assert!(cache.free(block).is_ok());
        }
        cache.stats().refills - before
    };
    assert!(draws(64) <= 40, "a draw grows with use");
    // Four magazines, of which two were in the cache.
    for _ in 0..8 {
        draws(2048);
    }
    assert!(draws(2048) <= 4);
}

#[test]
fn a_free_of_many_blocks_fills_a_cache_no_more_than_single_frees_do() {
    for blocks in [8, 31, 64, 100, 1024] {
        for shape in [SHAPES[0], SHAPES[1]] {
            let pool = Pool::allocate(shape(PoolConfig::new(8, blocks))).unwrap();
            let most = if blocks < 32 { 8 } else { blocks / 4 };
            let mut cache: Cache<'_, 1024> = Cache::new(&pool);
            let check = |way: &str, cache: &Cache<'_, 1024>| {
                assert!(
                    cache.len() <= most,
                    "{way}: {} of {blocks} kept",
                    cache.len()
                );
                assert_eq!(pool.available() + cache.len(), blocks, "{way}");
            };
            let all = || std::iter::from_fn(|| pool.alloc().ok());
            let mut vector: Vec<_> = all().collect();
            assert!(cache.free_from(&mut vector).is_ok());
            check("vector", &cache);
            cache.flush();
            assert!(cache.free_burst(pool.alloc_up_to::<64>(64)).is_ok());
            check("burst", &cache);
            cache.flush();
            assert!(cache.drain_burst(&mut pool.alloc_up_to::<64>(64)).is_ok());
            check("drained burst", &cache);
            cache.flush();
            let array = <[_; 8]>::try_from(all().take(8).collect::<Vec<_>>()).unwrap();
            assert!(cache.free_array(array).is_ok());
            check("array", &cache);
            if let Ok(array) = <[_; 64]>::try_from(all().take(64).collect::<Vec<_>>()) {
                assert!(cache.free_array(array).is_ok());
                check("array", &cache);
            }
        }
    }
}

#[test]
fn what_a_free_of_many_blocks_brings_too_much_wakes_a_task_that_waits() {
    use std::future::Future;
    use std::pin::pin;
    use std::task::{Context, Waker};

    let pool = Pool::allocate(PoolConfig::new(8, 64)).unwrap();
    let mut cache: Cache<'_, 64> = Cache::new(&pool);
    let mut all: Vec<_> = std::iter::from_fn(|| pool.alloc().ok()).collect();
    let mut future = pin!(pool.alloc_async());
    let mut cx = Context::from_waker(Waker::noop());
    assert!(future.as_mut().poll(&mut cx).is_pending());
    assert!(cache.free_from(&mut all).is_ok());
    assert!(cache.is_empty());
    assert_eq!(pool.stats().waiting, 0);
    assert!(future.as_mut().poll(&mut cx).is_ready());
}

#[test]
fn a_cache_with_a_limit_never_keeps_more() {
    let pool = Pool::allocate(PoolConfig::new(64, 4096)).unwrap();
    let mut cache: Cache<'_, 1024> = Cache::holding(&pool, 4);
    let mut held = Vec::new();
    for round in 0..3 {
        while let Ok(block) = cache.alloc() {
            held.push(block);
            assert!(
                cache.len() <= 4,
                "{round}: {} after an allocation",
                cache.len()
            );
        }
        for block in held.drain(..) {
            cache.free(block).unwrap();
            assert!(cache.len() <= 4, "{round}: {} after a free", cache.len());
        }
        let burst = cache.alloc_burst::<32>(32).unwrap();
        assert!(cache.len() <= 4, "{round}: {} after a burst", cache.len());
        cache.free_burst(burst).unwrap();
        assert!(
            cache.len() <= 4,
            "{round}: {} after a burst's end",
            cache.len()
        );
    }
}
