//! The current thread's caches: found by pool, lent, flushed at the end of the thread.

use std::cell::RefCell;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::thread;

use framepool::{Block, Burst, Cache};

/// A pool for each test, because tests run at the same time.
macro_rules! pool {
    ($name:ident) => {
        framepool::pool!(static $name: [64; 256]);
    };
}

#[test]
fn blocks_come_from_the_threads_cache_and_go_back_to_it() {
    pool!(POOL);
    let block = POOL.local_alloc().unwrap();
    let id = block.id();
    POOL.local_free(block).unwrap();
    assert_eq!(POOL.local_alloc().unwrap().into_id(), id);
    let stats = POOL.with_local(|cache| cache.stats());
    assert_eq!((stats.allocations, stats.refills), (2, 1));
}

#[test]
fn a_block_of_another_pool_is_refused_and_given_back() {
    pool!(POOL);
    pool!(OTHER);
    let block = OTHER.local_alloc().unwrap();
    let block = POOL.local_free(block).unwrap_err().into_inner();
    assert!(OTHER.local_free(block).is_ok());
    assert_eq!(POOL.stats().refusals, 1);
}

#[test]
fn several_pools_have_a_cache_each() {
    pool!(A);
    pool!(B);
    let blocks = [A.local_alloc().unwrap(), B.local_alloc().unwrap()];
    for pool in [&A, &B] {
        assert_eq!(pool.with_local(|cache| cache.stats().allocations), 1);
    }
    drop(blocks);
}

#[test]
fn exhaustion_is_an_error() {
    pool!(POOL);
    let all: Vec<_> = (0..256).map(|_| POOL.local_alloc().unwrap()).collect();
    assert_eq!(POOL.local_alloc().unwrap_err().available(), 0);
    drop(all);
    assert!(POOL.local_alloc().is_ok());
}

#[test]
fn inside_a_loan_everything_works_on_the_depot_or_on_a_cache_for_the_occasion() {
    pool!(POOL);
    POOL.with_local(|outer| {
        let mine = outer.alloc().unwrap();
        let direct = POOL.local_alloc().unwrap();
        let inner: Burst<'_, 8> = POOL.with_local(|inner| {
            assert!(inner.is_empty());
            inner.alloc_burst(8).unwrap()
        });
        drop(direct);
        drop(inner);
        POOL.local_flush();
        outer.free(mine).unwrap();
        assert!(!outer.is_empty(), "the flush does not touch a lent cache");
    });
    assert!(POOL.with_local(|cache| !cache.is_empty()), "it came back");
    POOL.local_flush();
    assert!(POOL.reset_static().is_ok());
}

#[test]
fn a_panic_inside_a_loan_brings_the_cache_back() {
    pool!(POOL);
    let caught = catch_unwind(AssertUnwindSafe(|| {
        POOL.with_local(|cache| {
            let _held = cache.alloc().unwrap();
            panic!("on purpose");
        })
    }));
    assert!(caught.is_err());
    assert_eq!(POOL.with_local(|cache| cache.stats().allocations), 1);
    POOL.local_flush();
    assert!(POOL.reset_static().is_ok());
}

#[test]
fn a_cache_that_was_swapped_for_another_does_no_harm() {
    pool!(POOL);
    pool!(OTHER);
    let mut other = Cache::new(&OTHER);
    drop(other.alloc().unwrap());
    POOL.with_local(|cache| std::mem::swap(cache, &mut other));
    let block = POOL.local_alloc().unwrap();
    assert!(POOL.contains(block.as_ptr()));
    assert!(POOL.local_free(block).is_ok());
    assert_eq!(POOL.with_local(|cache| cache.stats().allocations), 1);
    drop(other);
    POOL.local_flush();
    OTHER.local_flush();
    assert!(POOL.reset_static().is_ok() && OTHER.reset_static().is_ok());
}

#[test]
fn a_thread_that_ends_leaves_no_block_behind() {
    pool!(POOL);
    for _ in 0..4 {
        thread::spawn(|| {
            let held: Vec<_> = (0..40).map(|_| POOL.local_alloc().unwrap()).collect();
            for block in held {
                POOL.local_free(block).unwrap();
            }
            assert!(POOL.with_local(|cache| cache.len()) > 0);
        })
        .join()
        .unwrap();
        let stats = POOL.stats();
        assert_eq!((stats.in_use, stats.cached), (0, 0), "{stats}");
    }
    assert!(POOL.reset_static().is_ok());
}

#[test]
fn destructors_of_thread_locals_allocate_and_free() {
    pool!(POOL);

    struct Late(Option<Block<'static>>);

    impl Drop for Late {
        fn drop(&mut self) {
            let block = POOL.local_alloc().unwrap();
            POOL.local_free(block).unwrap();
            let more: Burst<'_, 4> = POOL.with_local(|cache| cache.alloc_burst(4)).unwrap();
            drop(more);
            POOL.local_flush();
            POOL.local_free(self.0.take().unwrap()).unwrap();
        }
    }

    thread_local! {
        static LATE: RefCell<Vec<Late>> = const { RefCell::new(Vec::new()) };
    }

    for first in [true, false] {
        thread::spawn(move || {
            // The order of destructors is not specified; it depends on which was used first.
            if first {
                LATE.with_borrow(|_| ());
            }
            let block = POOL.local_alloc().unwrap();
            LATE.with_borrow_mut(|late| late.push(Late(Some(block))));
        })
        .join()
        .unwrap();
        assert_eq!(POOL.stats().in_use, 0);
        assert!(POOL.reset_static().is_ok(), "no block is in a cache either");
    }
}

#[test]
fn threads_hand_blocks_to_each_other() {
    pool!(POOL);
    let rounds = if cfg!(miri) { 50 } else { 20_000 };
    let (send, receive) = std::sync::mpsc::sync_channel(32);
    let sender = thread::spawn(move || {
        for i in 0..rounds as u64 {
            let mut block = loop {
                match POOL.local_alloc() {
                    Ok(block) => break block,
                    Err(_) => thread::yield_now(),
                }
            };
            block.write(&i.to_le_bytes()).unwrap();
            send.send(block).unwrap();
        }
    });
    for (i, block) in (0_u64..).zip(receive) {
        // SAFETY: the sender wrote eight bytes.
        assert_eq!(unsafe { block.assume_init(8) }, i.to_le_bytes());
        POOL.local_free(block).unwrap();
    }
    sender.join().unwrap();
    POOL.local_flush();
    assert!(POOL.reset_static().is_ok());
}
