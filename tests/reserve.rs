//! Reservations: their blocks are nobody else's, and come home.
#![cfg(feature = "std")]
#![allow(missing_docs)]

use std::mem::{self, MaybeUninit};
use std::sync::OnceLock;

use framepool::{Cache, ConfigError, FreeErrorKind, Pool, PoolConfig, Reservation, ReserveError};
use proptest::prelude::*;

fn pool(blocks: usize) -> Pool<'static> {
    Pool::allocate(PoolConfig::new(64, blocks)).unwrap()
}

#[test]
fn who_receives_cannot_starve_who_sends() {
    let mut pool = pool(100);
    {
        let tx = pool.reserve(10).unwrap();
        let rx: Vec<_> = std::iter::from_fn(|| pool.alloc().ok()).collect();
        assert_eq!(rx.len(), 90);
        for _ in 0..3 {
            let sent: Vec<_> = std::iter::from_fn(|| tx.alloc().ok()).collect();
            assert_eq!(sent.len(), 10);
            assert!(pool.alloc().is_err());
            // Home is where they come from, whoever drops them.
            std::thread::scope(|s| {
                s.spawn(move || drop(sent));
            });
            assert!(pool.alloc().is_err());
        }
        let stats = tx.stats();
        assert_eq!(
            (stats.in_use, stats.free, stats.peak),
            (0, 10, 10),
            "{stats}"
        );
        assert_eq!((stats.allocations, stats.frees), (30, 30), "{stats}");
    }
    let stats = pool.stats();
    assert_eq!((stats.reserved, stats.in_use, stats.free), (0, 0, 100));
    assert_eq!((stats.allocations, stats.frees, stats.peak), (90, 90, 90));
    assert_eq!(pool.check().unwrap().free(), 100);
}

#[test]
fn a_reserved_block_is_the_parents_block_by_name_and_place() {
    let pool = pool(8);
    let reservation = pool.reserve(3).unwrap();
    let block = reservation.alloc().unwrap();
    assert!(block.id().index() < 3, "the lowest of a new pool");
    assert_eq!(block.offset(), block.id().index() * pool.stride());
    assert_eq!(
        block.addr(),
        pool.blocks_ptr().addr().get() + block.offset()
    );
    assert_eq!(reservation.parent().capacity(), 8);
    assert_eq!((reservation.quota(), reservation.capacity()), (3, 3));
}

#[test]
fn the_parent_refuses_what_is_reserved_and_the_other_way_round() {
    let pool = pool(8);
    let reservation = pool.reserve(4).unwrap();
    let mut cache: Cache<'_, 16> = Cache::new(&pool);
    let block = cache
        .free(reservation.alloc().unwrap())
        .unwrap_err()
        .into_inner();
    let block = pool.free(block).unwrap_err().into_inner();
    let raw = block.into_raw();
    // SAFETY: the pointer is used nowhere else; what is tested is the refusal.
    unsafe {
        let error = pool.free_raw(raw).unwrap_err();
        assert!(matches!(error.kind(), FreeErrorKind::DoubleFree { .. }));
        reservation.free_raw(raw).unwrap();
    }
    let raw = pool.alloc().unwrap().into_raw();
    // SAFETY: as above.
    unsafe {
        assert!(reservation.free_raw(raw).is_err());
        pool.free_raw(raw).unwrap();
    }
    assert_eq!((reservation.available(), pool.available()), (4, 4));
}

#[test]
fn caches_and_bursts_work_on_a_reservation() {
    let mut pool = pool(256);
    {
        let reservation = pool.reserve(64).unwrap();
        assert_eq!(reservation.magazine(), 8);
        let mut cache = reservation.cache();
        for _ in 0..10 {
            let burst = cache.alloc_burst::<32>(32).unwrap();
            assert!(burst.ids().all(|id| id.index() < 64));
            assert!(cache.free_burst(burst).is_ok());
            let all: Vec<_> = std::iter::from_fn(|| cache.alloc().ok()).collect();
            assert_eq!(all.len(), 64);
        }
    }
    assert_eq!(pool.check().unwrap().free(), 256);
}

#[test]
fn what_cannot_be_reserved_changes_nothing() {
    let mut pool = pool(100);
    let held = [pool.alloc().unwrap(), pool.alloc().unwrap()];
    match pool.reserve(99).unwrap_err() {
        ReserveError::Exhausted(e) => assert_eq!((e.requested(), e.available()), (99, 98)),
        other => panic!("{other}"),
    }
    let error = pool.reserve(0).unwrap_err();
    assert!(matches!(
        error,
        ReserveError::Config(ConfigError::ZeroBlocks)
    ));
    let mut books = [MaybeUninit::uninit(); 600];
    let error = pool.reserve_in(&mut books, 50).unwrap_err();
    let ReserveError::Config(ConfigError::RegionTooSmall {
        required,
        available,
    }) = error
    else {
        panic!("{error}");
    };
    assert!(required > 600 && required <= pool.reservation_size() && available == 600);
    let stats = pool.stats();
    assert_eq!(
        (stats.in_use, stats.reserved, stats.peak),
        (2, 0, 2),
        "{stats}"
    );
    assert_eq!(stats.allocations, 2, "{stats}");
    drop(held);
    assert_eq!(pool.check().unwrap().free(), 100);
}

#[test]
fn raw_blocks_of_a_reservation_that_ended_are_the_parents() {
    let mut pool = pool(16);
    let reservation = pool.reserve(4).unwrap();
    let raw = reservation.alloc().unwrap().into_raw();
    drop(reservation);
    assert_eq!((pool.raw_out(), pool.stats().in_use), (1, 1));
    // SAFETY: the pointer is used nowhere else.
    unsafe { pool.free_raw(raw) }.unwrap();
    assert_eq!(pool.check().unwrap().free(), 16);
}

#[test]
fn what_is_forgotten_is_counted_and_not_reclaimed() {
    let mut pool = pool(16);
    let reservation = pool.reserve(5).unwrap();
    mem::forget(reservation.alloc().unwrap());
    drop(reservation);
    assert_eq!(pool.check().unwrap().leaked, 1);
    let mut books = [MaybeUninit::uninit(); 1024];
    mem::forget(pool.reserve_in(&mut books, 4).unwrap());
    let census = pool.check().unwrap();
    assert_eq!((census.leaked, census.reserved, census.free()), (1, 4, 11));
    // What of it may be out as a raw block is not known.
    assert_eq!(pool.reset().unwrap_err().outstanding, 4);
}

framepool::pool!(static FRAMES: [64; 32]);

#[test]
fn a_static_pool_reserves_in_statics() {
    static RESERVATION: OnceLock<Reservation<'static>> = OnceLock::new();
    assert!(FRAMES.reservation_size() <= 1024);
    let reservation = RESERVATION.get_or_init(|| {
        let books = Box::leak(Box::new([MaybeUninit::uninit(); 1024]));
        FRAMES.reserve_in(books, 8).unwrap()
    });
    std::thread::spawn(|| drop(reservation.alloc().unwrap()))
        .join()
        .unwrap();
    let held = reservation.alloc().unwrap();
    assert_eq!(reservation.reset_static().unwrap_err().outstanding, 1);
    drop(held);
    reservation.reset_static().unwrap();
    assert_eq!((reservation.available(), FRAMES.available()), (8, 24));
    let all: Vec<_> = std::iter::from_fn(|| reservation.alloc().ok()).collect();
    assert_eq!(all.len(), 8);
    drop(all);
    FRAMES.reset_static().unwrap();
    assert_eq!((reservation.available(), FRAMES.available()), (8, 24));
}

/// Reserves, allocates on both sides and gives back in any order.
#[derive(Debug, Clone)]
enum Op {
    Reserve(usize),
    Alloc(usize),
    Drop(usize),
    End(usize),
}

fn op() -> impl Strategy<Value = Op> {
    let n = 0usize..100;
    prop_oneof![
        1 => n.clone().prop_map(Op::Reserve),
        6 => n.clone().prop_map(Op::Alloc),
        4 => n.clone().prop_map(Op::Drop),
        1 => n.prop_map(Op::End),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: if cfg!(miri) { 2 } else { ProptestConfig::default().cases },
        failure_persistence: None,
        ..ProptestConfig::default()
    })]

    #[test]
    fn quotas_are_never_exceeded_nor_lost(
        ops in proptest::collection::vec(op(), 1..if cfg!(miri) { 30 } else { 200 }),
    ) {
        let mut pool = Pool::allocate(PoolConfig::new(8, 70)).unwrap();
        {
            // Each with the blocks that are out of it; `None` once it has ended.
            let mut reservations = Vec::new();
            for op in &ops {
                match *op {
                    Op::Reserve(n) => {
                        let free = pool.available();
                        match pool.reserve(n % 20) {
                            Ok(reservation) => {
                                assert_eq!(pool.available(), free - n % 20);
                                let reservation: *mut _ = Box::into_raw(Box::new(reservation));
                                reservations.push((reservation, Vec::new()));
                            }
                            Err(_) => assert!(n % 20 == 0 || free < n % 20),
                        }
                    }
                    Op::Alloc(i) if !reservations.is_empty() => {
                        let i = i % reservations.len();
                        let (reservation, out) = &mut reservations[i];
                        // SAFETY: alive until `End` takes it out of the list.
                        let reservation = unsafe { &**reservation };
                        match reservation.alloc() {
                            Ok(block) => out.push(block),
                            Err(_) => assert_eq!(out.len(), reservation.quota()),
                        }
                    }
                    Op::Drop(i) if !reservations.is_empty() => {
                        let i = i % reservations.len();
                        drop(reservations[i].1.pop());
                    }
                    Op::End(i) if !reservations.is_empty() => {
                        let (reservation, out) = reservations.swap_remove(i % reservations.len());
                        drop(out);
                        // SAFETY: from `into_raw` above, with nothing of it left.
                        drop(unsafe { Box::from_raw(reservation) });
                    }
                    _ => {}
                }
                // SAFETY: as above.
                let quotas: usize = reservations.iter().map(|r| unsafe { &*r.0 }.quota()).sum();
                assert_eq!(pool.stats().reserved as usize, quotas);
                assert_eq!(pool.available() + quotas, 70);
            }
            for (reservation, out) in reservations {
                drop(out);
                // SAFETY: as above.
                drop(unsafe { Box::from_raw(reservation) });
            }
        }
        assert_eq!(pool.stats().peak, 0);
        assert_eq!(pool.check().unwrap().free(), 70);
    }
}
