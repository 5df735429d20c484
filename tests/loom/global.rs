//! Global allocators: pools that are installed while other threads allocate, and what threads claim.

use std::alloc::{GlobalAlloc, Layout, System};
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};

use framepool::{Claims, Late, Pool, PoolAlloc, PoolAllocs, PoolConfig};
use loom::cell::UnsafeCell;
use loom::sync::Arc;
use loom::thread;

use crate::model;

const LAYOUT: Layout = Layout::new::<u64>();

/// A pool whose descriptor lives to the end of the model, and longer.
fn leaked() -> &'static mut Pool<'static> {
    let config = PoolConfig::new(8, 3).without_caches();
    Pool::allocate(config).unwrap().leak()
}

/// What the thread that installs a pool wrote before. The threads that get a block read it: the model fails if the
/// write does not come first.
struct Prepared(UnsafeCell<usize>);

// SAFETY: loom checks the accesses.
unsafe impl Sync for Prepared {}
// SAFETY: a number.
unsafe impl Send for Prepared {}

impl Prepared {
    fn new() -> Self {
        Self(UnsafeCell::new(0))
    }

    fn write(&self) {
        // SAFETY: loom checks that nothing else accesses it.
        self.0.with_mut(|value| unsafe { *value += 1 });
    }

    fn read(&self) -> usize {
        // SAFETY: loom checks that nothing writes it.
        self.0.with(|value| unsafe { *value })
    }
}

/// Allocates, writes and frees. Returns whether a pool served it, according to `pools`.
fn use_one(allocator: &impl GlobalAlloc, is_in_pool: impl Fn(*mut u8) -> bool) -> bool {
    // SAFETY: the layout is not empty, and its memory is freed once.
    unsafe {
        let at = allocator.alloc(LAYOUT);
        at.cast::<u64>().write(7);
        let served = is_in_pool(at);
        allocator.dealloc(at, LAYOUT);
        served
    }
}

#[test]
fn a_pool_is_installed_beside_allocations() {
    model(2, || {
        let late = Arc::new((PoolAlloc::<System, Late>::late(System), Prepared::new()));
        let other = late.clone();
        let t = thread::spawn(move || {
            let (late, prepared) = &*other;
            let before = late.pool().is_some();
            // SAFETY: freed below, with its layout.
            let kept = unsafe { late.alloc(LAYOUT) };
            let is_ours = |at: *mut u8| late.pool().is_some_and(|pool| pool.contains(at));
            if use_one(late, is_ours) {
                assert_eq!(prepared.read(), 1);
            }
            if before {
                assert!(is_ours(kept));
            }
            // SAFETY: as above. Wherever it came from, it goes back there.
            unsafe { late.dealloc(kept, LAYOUT) };
        });
        let (late, prepared) = &*late;
        let pool = leaked();
        prepared.write();
        let pool = late.install(pool).unwrap();
        assert!(use_one(late, |at| pool.contains(at)));
        t.join().unwrap();
        assert_eq!(pool.stats().in_use, 0);
    });
}

#[test]
fn of_two_who_install_pools_one_succeeds() {
    model(2, || {
        let late = Arc::new(PoolAllocs::<System, 1>::late(System));
        let prepared = Arc::new([Prepared::new(), Prepared::new()]);
        let install = |late: &PoolAllocs<System, 1>, prepared: &Prepared| {
            prepared.write();
            late.install([leaked()]).is_ok()
        };
        let threads = [0, 1].map(|who| {
            let (late, prepared) = (late.clone(), prepared.clone());
            thread::spawn(move || install(&late, &prepared[who]))
        });
        let served = use_one(&*late, |at| {
            late.pools().iter().any(|pool| pool.contains(at))
        });
        if served {
            assert_eq!(late.pools().len(), 1);
        }
        let installed = threads.map(|thread| thread.join().unwrap());
        assert_eq!(installed.into_iter().filter(|it| *it).count(), 1);
        assert_eq!(
            late.pools().first().map(|pool| pool.stats().in_use),
            Some(0)
        );
    });
}

#[test]
fn what_is_claimed_is_one_threads_after_the_other() {
    let most = std::sync::Arc::new(AtomicUsize::new(0));
    let seen = most.clone();
    model(2, move || {
        let claims = Arc::new(Claims::<(Prepared, AtomicUsize)>::new());
        let made = std::sync::Arc::new(AtomicUsize::new(0));
        let run = |claims: &Claims<(Prepared, AtomicUsize)>, made: &AtomicUsize| {
            for _ in 0..2 {
                let make = || {
                    made.fetch_add(1, SeqCst);
                    (Prepared::new(), AtomicUsize::new(0))
                };
                claims.with(make, |(mine, used)| {
                    mine.write();
                    used.fetch_add(1, SeqCst);
                });
            }
        };
        let other = (claims.clone(), made.clone());
        let t = thread::spawn(move || run(&other.0, &other.1));
        run(&claims, &made);
        t.join().unwrap();
        let (found, used) = (AtomicUsize::new(0), AtomicUsize::new(0));
        claims.for_each(|(value, uses)| {
            found.fetch_add(1, SeqCst);
            used.fetch_add(uses.load(SeqCst), SeqCst);
            assert_eq!(value.read(), uses.load(SeqCst));
        });
        let made = made.load(SeqCst);
        assert_eq!((found.into_inner(), used.into_inner()), (made, 4));
        // A thread may find a value claimed that was just released, and makes another.
        assert!((1..=4).contains(&made));
        seen.fetch_max(made, SeqCst);
    });
    assert!(most.load(SeqCst) >= 2, "both at once, in some interleaving");
}

#[test]
fn what_is_added_is_seen_as_it_was_made() {
    model(2, || {
        let claims = Arc::new(Claims::<Prepared>::new());
        let threads = [0, 1].map(|_| {
            let claims = claims.clone();
            thread::spawn(move || {
                let make = || {
                    let made = Prepared::new();
                    made.write();
                    made
                };
                claims.with(make, |value| assert!(value.read() >= 1));
            })
        });
        claims.for_each(|value| assert_eq!(value.read(), 1));
        for thread in threads {
            thread.join().unwrap();
        }
    });
}
