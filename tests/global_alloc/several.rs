//! `PoolAllocs`, used directly.

use std::alloc::System;
use std::collections::BTreeSet;
use std::mem::MaybeUninit;
use std::sync::OnceLock;

use framepool::{Pool, PoolAllocs, PoolConfig};

use crate::classes::{self, Counting, Memory, Moving, Nested, assert_all_free, nested};
use crate::process::test_name;

#[test]
fn pools_of_three_sizes_keep_the_promises() {
    framepool::pool!(static SMALL: [64; 8], caches = false);
    framepool::pool!(static MEDIUM: [256; 8], caches = false);
    framepool::pool!(static LARGE: [1024; 8], caches = false);
    static ALL: PoolAllocs<Counting, 3> =
        PoolAllocs::new([&LARGE, &SMALL, &MEDIUM], Counting::new());
    classes::promises(&ALL, [&SMALL, &MEDIUM, &LARGE], ALL.rest());
    assert_all_free(ALL.pools());
}

#[test]
fn of_blocks_of_one_size_the_least_aligned_come_first() {
    framepool::pool!(static STRICT: [64; 2], align = 4096);
    framepool::pool!(static PLAIN: [64; 2], align = 8);
    static BOTH: PoolAllocs<System, 2> = PoolAllocs::new([&STRICT, &PLAIN], System);
    let pools: [&Pool<'static>; 2] = [&PLAIN, &STRICT];
    let plain = Memory::of(&BOTH, 64, 8).unwrap();
    let strict = Memory::of(&BOTH, 8, 1024).unwrap();
    assert_eq!(
        [&plain, &strict].map(|m| m.place(&pools)),
        [Some(0), Some(1)]
    );
    let mut more = [8; 3].map(|align| Memory::of(&BOTH, 8, align).unwrap());
    assert_eq!(
        more.each_ref().map(|m| m.place(&pools)),
        [Some(0), Some(1), None]
    );
    more.iter_mut().for_each(|memory| memory.fill(1));
    drop((plain, strict, more));
    assert_all_free(BOTH.pools());
}

#[test]
fn without_pools_everything_is_the_fallbacks() {
    static NONE: PoolAllocs<Counting, 0> = PoolAllocs::new([], Counting::new());
    let mut memory = Memory::of(&NONE, 1, 1).unwrap();
    assert!(memory.resize(5000));
    assert_eq!((NONE.rest().alive(), NONE.pools().len()), (1, 0));
    drop(memory);
    assert_eq!(NONE.rest().alive(), 0);
}

#[test]
fn many_pools_are_sorted() {
    framepool::pool!(static A: [16; 1], caches = false);
    framepool::pool!(static B: [32; 1], caches = false);
    framepool::pool!(static C: [48; 1], caches = false);
    framepool::pool!(static D: [64; 1], caches = false);
    framepool::pool!(static E: [80; 1], caches = false);
    static ALL: PoolAllocs<System, 6> = PoolAllocs::new([&C, &E, &A, &D, &B, &E], System);
    let sizes: Vec<usize> = ALL.pools().iter().map(|pool| pool.block_size()).collect();
    assert_eq!(sizes, [16, 32, 48, 64, 80, 80], "a pool may occur twice");
    let all: Vec<_> = (1..=6).map(|i| Memory::of(&ALL, i, 1).unwrap()).collect();
    assert!(!E.contains(all[5].at) && E.contains(all[4].at));
    drop(all);
    assert_all_free(ALL.pools());
}

#[test]
fn a_pool_in_a_block_of_another_gets_its_blocks_back() {
    framepool::pool!(static POOL: [4096; 2], caches = false);
    static ALL: OnceLock<PoolAllocs<System, 2>> = OnceLock::new();
    let make = |pools| ALL.get_or_init(|| PoolAllocs::new(pools, System));
    let (_, inner) = classes::pools_within_each_other(&POOL, make);
    assert_eq!((inner.stats().in_use, POOL.stats().in_use), (0, 1));
}

#[test]
fn a_block_that_is_all_of_another_pool_has_one_owner() {
    framepool::pool!(static POOL: [64; 2], caches = false);
    let block = POOL
        .alloc_value([MaybeUninit::uninit(); 64])
        .unwrap()
        .leak();
    let metadata = vec![MaybeUninit::uninit(); 1024].leak();
    let config = PoolConfig::new(64, 1);
    let inner = Pool::from_parts(block, metadata, config).unwrap().leak();
    let all = PoolAllocs::new([&POOL, inner], System);
    for _ in 0..2 {
        let mut live: Vec<_> = (0..3).map(|_| Memory::of(&all, 64, 8).unwrap()).collect();
        let places: BTreeSet<_> = live
            .iter()
            .filter(|m| POOL.contains(m.at))
            .map(|m| m.at)
            .collect();
        assert_eq!(places.len(), 2);
        (1..)
            .zip(&mut live)
            .for_each(|(byte, memory)| memory.fill(byte));
        assert!(
            (1..)
                .zip(&live)
                .all(|(byte, memory)| memory.is_full_of(byte, 64))
        );
    }
}

#[test]
fn memory_of_the_fallback_in_a_block_is_refused() {
    framepool::pool!(static POOL: [4096; 2], caches = false);
    static ALL: PoolAllocs<Nested, 1> = PoolAllocs::new([&POOL], nested());
    classes::refuses_a_pool_in_its_block(&ALL, &POOL, ALL.rest());
}

#[test]
#[cfg_attr(miri, ignore = "starts a process")]
fn memory_that_the_fallback_moves_into_a_block_ends_the_process() {
    framepool::pool!(static POOL: [64; 2], caches = false);
    static ALL: PoolAllocs<Moving, 1> = PoolAllocs::new([&POOL], Moving::new());
    let test = test_name!(memory_that_the_fallback_moves_into_a_block_ends_the_process);
    classes::aborts_when_memory_moves_into_its_block(test, &ALL, &POOL, ALL.rest());
}
