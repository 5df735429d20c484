//! Many threads on one pool; signal handlers on it too.

use std::sync::atomic::{AtomicBool, AtomicU32, AtomicUsize, Ordering::*};
use std::sync::mpsc;
use std::thread;

use framepool::{Burst, Cache, Pool, PoolConfig};

/// Miri is a thousand times slower.
const ROUNDS: usize = if cfg!(miri) { 40 } else { 20_000 };

/// Marks each block with its owner, to detect two owners at once.
struct Owners(Vec<AtomicU32>);

impl Owners {
    fn of(pool: &Pool<'_>) -> Self {
        Self((0..pool.capacity()).map(|_| AtomicU32::new(0)).collect())
    }

    fn take(&self, id: framepool::BlockId, who: u32) {
        assert_eq!(
            self.0[id.index()].swap(who, Relaxed),
            0,
            "{id} has two owners"
        );
    }

    fn give(&self, id: framepool::BlockId, who: u32) {
        assert_eq!(
            self.0[id.index()].swap(0, Relaxed),
            who,
            "{id} was taken away"
        );
    }
}

#[test]
fn threads_without_caches_never_share_a_block() {
    for capacity in [1, 3, 64] {
        let mut pool = Pool::allocate(PoolConfig::new(16, capacity)).unwrap();
        let owners = Owners::of(&pool);
        thread::scope(|scope| {
            for who in 1..=4 {
                let (pool, owners) = (&pool, &owners);
                scope.spawn(move || {
                    for _ in 0..ROUNDS {
                        if let Ok(mut block) = pool.alloc() {
                            owners.take(block.id(), who);
                            block.write(&who.to_le_bytes()).unwrap();
                            // SAFETY: just written.
                            assert_eq!(unsafe { block.assume_init(4) }, who.to_le_bytes());
                            owners.give(block.id(), who);
                        }
                    }
                });
            }
        });
        assert_eq!(pool.stats().in_use, 0);
        assert_eq!(pool.check().unwrap().free(), capacity);
    }
}

#[test]
fn threads_with_caches_bursts_and_drops_never_share_a_block() {
    for (capacity, config) in [
        (40, PoolConfig::new(16, 40).magazine(4)),
        (500, PoolConfig::new(16, 500)),
        (90, PoolConfig::new(16, 90).without_caches()),
    ] {
        let mut pool = Pool::allocate(config).unwrap();
        let owners = Owners::of(&pool);
        thread::scope(|scope| {
            for who in 1..=4u32 {
                let (pool, owners) = (&pool, &owners);
                scope.spawn(move || {
                    let mut cache: Cache<'_, 12> = Cache::new(pool);
                    let mut random = who;
                    for _ in 0..ROUNDS {
                        random = random.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                        let n = (random >> 20) as usize % 9;
                        let burst: Burst<'_, 8> = match random >> 28 {
                            0..8 => cache.alloc_up_to(n),
                            8..12 => pool.alloc_up_to(n),
                            _ => cache
                                .alloc_burst(n.min(8))
                                .unwrap_or_else(|_| Burst::new(pool)),
                        };
                        for id in burst.ids() {
                            owners.take(id, who);
                        }
                        for id in burst.ids() {
                            owners.give(id, who);
                        }
                        match (random >> 24) % 3 {
                            0 => drop(burst),
                            1 => assert!(cache.free_burst(burst).is_ok()),
                            _ => burst
                                .into_iter()
                                .for_each(|b| assert!(cache.free(b).is_ok())),
                        }
                        if random % 512 == 0 {
                            cache.flush();
                        }
                    }
                });
            }
        });
        let stats = pool.stats();
        assert_eq!((stats.in_use, stats.cached), (0, 0), "{stats}");
        assert_eq!(stats.allocations, stats.frees);
        assert!(stats.peak <= stats.capacity);
        assert_eq!(pool.check().unwrap().free(), capacity);
    }
}

#[test]
fn blocks_allocated_here_and_freed_there_carry_their_bytes_and_come_home() {
    let mut pool = Pool::allocate(PoolConfig::new(64, 256).magazine(16)).unwrap();
    thread::scope(|scope| {
        let pool = &pool;
        let (send, receive) = mpsc::sync_channel(64);
        scope.spawn(move || {
            let mut cache: Cache<'_, 64> = Cache::new(pool);
            let mut sent = 0u64;
            while sent < ROUNDS as u64 {
                let Ok(mut block) = cache.alloc() else {
                    thread::yield_now();
                    continue;
                };
                block.write(&sent.to_le_bytes()).unwrap();
                send.send(block).unwrap();
                sent += 1;
            }
        });
        scope.spawn(move || {
            let mut cache: Cache<'_, 64> = Cache::new(pool);
            for (expected, block) in (0u64..).zip(receive) {
                // SAFETY: the sender wrote eight bytes.
                assert_eq!(unsafe { block.assume_init(8) }, expected.to_le_bytes());
                assert!(cache.free(block).is_ok());
            }
        });
    });
    assert_eq!(pool.stats().in_use, 0);
    assert_eq!(pool.check().unwrap().free(), 256);
}

#[test]
fn of_many_who_free_one_raw_block_one_succeeds() {
    let mut pool = Pool::allocate(PoolConfig::new(16, 4)).unwrap();
    for _ in 0..ROUNDS / 40 {
        let id = pool.alloc().unwrap().into_id();
        let successes = AtomicUsize::new(0);
        thread::scope(|scope| {
            for _ in 0..3 {
                scope.spawn(|| {
                    // SAFETY: no code uses the block; the attempts after the first are tested.
                    if unsafe { pool.free_id(id) }.is_ok() {
                        successes.fetch_add(1, Relaxed);
                    }
                });
            }
        });
        assert_eq!(successes.into_inner(), 1);
    }
    assert_eq!(pool.check().unwrap().free(), 4);
}

#[test]
fn a_static_pool_is_reset_while_others_use_it_or_not_at_all() {
    framepool::pool!(static POOL: [16; 32]);
    let stop = AtomicBool::new(false);
    thread::scope(|scope| {
        scope.spawn(|| {
            while !stop.load(Relaxed) {
                if let Ok(block) = POOL.alloc() {
                    let id = block.id();
                    assert!(id.index() < 32);
                }
            }
        });
        for _ in 0..ROUNDS / 20 {
            match POOL.reset_static() {
                Ok(()) => {}
                Err(e) => assert_eq!(e.outstanding, 1),
            }
        }
        stop.store(true, Relaxed);
    });
    POOL.reset_static().unwrap();
    assert_eq!(POOL.stats().in_use, 0);
}

#[test]
fn a_pool_and_its_cache_move_between_threads() {
    let pool = Pool::allocate(PoolConfig::new(16, 8)).unwrap();
    let pool = thread::spawn(move || {
        drop(pool.alloc().unwrap());
        pool
    })
    .join()
    .unwrap();
    let mut cache = pool.cache();
    let held = cache.alloc().unwrap();
    thread::scope(|scope| {
        scope.spawn(move || assert!(cache.free(held).is_ok()));
    });
    assert_eq!(pool.stats().in_use, 0);
}

/// A signal handler allocates and frees while the thread is at any point of an operation on the same
/// pool. Lock-free means that the handler finishes nevertheless.
#[cfg(all(target_os = "linux", not(miri)))]
mod signals {
    use super::*;
    use crate::process::{alone, test_name};

    framepool::pool!(static POOL: [64; 16]);
    static HANDLED: AtomicUsize = AtomicUsize::new(0);
    static FAILED: AtomicUsize = AtomicUsize::new(0);

    extern "C" fn handler(_: libc::c_int) {
        match (POOL.alloc(), POOL.alloc_burst::<4>(3)) {
            (Ok(block), Ok(burst)) => drop((block, burst)),
            _ => {
                FAILED.fetch_add(1, Relaxed);
            }
        }
        HANDLED.fetch_add(1, Relaxed);
    }

    #[test]
    fn a_storm_of_signals_finds_the_pool_whole() {
        alone(test_name!(a_storm_of_signals_finds_the_pool_whole), || {
            // The feature `audit` allocates at the first event of a pool.
            drop(POOL.alloc().unwrap());
            // SAFETY: the handler does nothing but atomics.
            unsafe {
                let mut action: libc::sigaction = std::mem::zeroed();
                action.sa_sigaction = handler as extern "C" fn(libc::c_int) as usize;
                assert_eq!(
                    libc::sigaction(libc::SIGUSR1, &action, std::ptr::null_mut()),
                    0
                );
            }
            let stop = AtomicBool::new(false);
            let (send, receive) = mpsc::channel();
            thread::scope(|scope| {
                let stop = &stop;
                scope.spawn(move || {
                    // SAFETY: the value names this thread.
                    send.send(unsafe { libc::pthread_self() }).unwrap();
                    while !stop.load(Relaxed) {
                        let block = POOL.alloc().expect("16 blocks, at most 6 in use");
                        let burst = POOL
                            .alloc_burst::<4>(1)
                            .expect("16 blocks, at most 6 in use, again");
                        drop(block);
                        drop(burst);
                    }
                });
                let victim = receive.recv().unwrap();
                // Signals that arrive while one is handled are merged. So signals are sent until enough
                // were handled, with pauses in which the victim can run.
                let mut sent = 0;
                while sent < 20_000 || HANDLED.load(Relaxed) <= 100 {
                    // SAFETY: the thread runs until `stop` is set, below.
                    assert_eq!(unsafe { libc::pthread_kill(victim, libc::SIGUSR1) }, 0);
                    sent += 1;
                    match sent > 20_000 {
                        true => thread::sleep(std::time::Duration::from_micros(100)),
                        false => thread::yield_now(),
                    }
                }
                stop.store(true, Relaxed);
            });
            assert_eq!(FAILED.load(Relaxed), 0);
            assert_eq!(POOL.stats().in_use, 0);
            POOL.reset_static().unwrap();
        });
    }
}
