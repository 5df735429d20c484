//! Allocators whose pools are installed later.

use std::alloc::System;
use std::mem::{self, MaybeUninit};
use std::ptr;
use std::sync::Barrier;
use std::sync::atomic::{AtomicUsize, Ordering::*};
use std::thread;

use framepool::{InstallError, Late, Pool, PoolAlloc, PoolAllocs, PoolConfig};

use crate::classes::{Counting, Memory, Nested, assert_all_free, nested};

fn leaked(size: usize, count: usize) -> &'static mut Pool<'static> {
    Pool::allocate(PoolConfig::new(size, count)).unwrap().leak()
}

#[test]
fn memory_from_before_goes_back_to_the_fallback() {
    static LATE: PoolAlloc<Counting, Late> = PoolAlloc::late(Counting::new());
    let mut before = Memory::of(&LATE, 40, 8).unwrap();
    before.fill(1);
    assert!(LATE.pool().is_none());
    assert_eq!(LATE.rest().alive(), 1);

    let pool = leaked(64, 8);
    let pool = LATE.install(pool).unwrap();
    assert!(LATE.pool().is_some_and(|it| ptr::eq(it, pool)));
    let after = Memory::of(&LATE, 40, 8).unwrap();
    assert!(pool.contains(after.at) && !pool.contains(before.at));
    assert!(before.resize(50) && before.is_full_of(1, 40));
    drop(before);
    assert_eq!((LATE.rest().alive(), pool.stats().in_use), (0, 1));
    drop(after);
    assert_all_free(&[pool]);
}

#[test]
fn a_second_pool_is_given_back() {
    static ONE: PoolAlloc<System, Late> = PoolAlloc::late(System);
    static SEVERAL: PoolAllocs<System, 1> = PoolAllocs::late(System);
    static FIXED: PoolAllocs<System, 0> = PoolAllocs::new([], System);
    let (first, second, third) = (leaked(64, 1), leaked(64, 1), leaked(64, 1));
    let first = ONE.install(first).unwrap();
    let at = ptr::from_ref(second);
    let error = ONE.install(second).unwrap_err();
    assert_eq!(error.to_string(), "the allocator has its pools already");
    let second = error.into_inner();
    assert!(ptr::eq(at, second));
    SEVERAL.install([third]).unwrap();
    let [back] = SEVERAL.install([second]).unwrap_err().into_inner();
    assert!(ptr::eq(back, at));
    assert!(FIXED.install([]).is_err());
    assert!(ONE.pool().is_some_and(|it| ptr::eq(it, first)));
}

#[test]
fn a_pool_with_raw_blocks_is_given_back_as_the_fallback_may_have_memory_there() {
    static LATE: PoolAlloc<Nested, Late> = PoolAlloc::late(nested());
    static SEVERAL: PoolAllocs<System, 2> = PoolAllocs::late(System);
    let pool = leaked(4096, 2);
    let raw = pool.alloc().unwrap().into_raw();
    let memory = raw.cast::<[MaybeUninit<u8>; 4096]>().as_ptr();
    // SAFETY: a raw block stays in use until its address is returned, which it never is.
    let inner = Pool::new(unsafe { &mut *memory }, PoolConfig::new(16, 8));
    let inner = LATE.rest().install(inner.unwrap().leak()).unwrap();
    let before = Memory::of(&LATE, 16, 8).unwrap();
    assert!(pool.contains(before.at) && inner.contains(before.at));

    let Err(InstallError::RawBlocks(pool)) = LATE.install(pool) else {
        panic!("the fallback has memory in it");
    };
    drop(before);
    assert_eq!((inner.stats().in_use, pool.stats().refusals), (0, 0));
    let refused = SEVERAL.install([leaked(64, 1), pool]).unwrap_err();
    assert_eq!(refused.to_string(), "blocks of a pool are raw");

    // A forgotten reservation may have raw blocks.
    let pool = leaked(64, 4);
    mem::forget(pool.reserve(2).unwrap());
    let refused = LATE.install(pool).unwrap_err();
    assert!(matches!(refused, InstallError::RawBlocks(_)));

    // Those that came home do not matter.
    let pool = leaked(64, 4);
    let id = pool.alloc().unwrap().into_id();
    // SAFETY: nothing uses the block.
    unsafe { pool.free_id(id) }.unwrap();
    drop(pool.reserve(2).unwrap());
    assert_all_free(&[LATE.install(pool).unwrap()]);
}

#[test]
fn requests_below_a_size_stay_with_the_fallback() {
    static LATE: PoolAlloc<System, Late> = PoolAlloc::late(System).at_least(16);
    let pool = leaked(64, 2);
    let pool = LATE.install(pool).unwrap();
    assert!(!pool.contains(Memory::of(&LATE, 15, 1).unwrap().at));
    assert!(pool.contains(Memory::of(&LATE, 16, 1).unwrap().at));
}

#[test]
fn of_several_threads_that_install_one_succeeds_while_others_allocate() {
    static LATE: PoolAllocs<System, 2> = PoolAllocs::late(System);
    const ROUNDS: usize = if cfg!(miri) { 30 } else { 20_000 };
    let together = Barrier::new(4);
    let installed = AtomicUsize::new(0);
    thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                let pools = [leaked(64, 16), leaked(16, 16)];
                together.wait();
                installed.fetch_add(usize::from(LATE.install(pools).is_ok()), Relaxed);
            });
        }
        for byte in 0..2 {
            let together = &together;
            scope.spawn(move || {
                together.wait();
                let mut kept = Vec::new();
                for i in 0..ROUNDS {
                    let mut memory = Memory::of(&LATE, i % 80 + 1, 8).unwrap();
                    memory.fill(byte);
                    if i % 3 == 0 {
                        kept.push(memory);
                    }
                    if kept.len() > 12 {
                        let memory = kept.swap_remove(i % 12);
                        assert!(memory.is_full_of(byte, memory.size()));
                    }
                }
            });
        }
    });
    assert_eq!(installed.into_inner(), 1);
    let sizes: Vec<usize> = LATE.pools().iter().map(|pool| pool.block_size()).collect();
    assert_eq!(sizes, [16, 64], "in order");
    assert_all_free(LATE.pools());
}
