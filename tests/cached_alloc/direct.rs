//! Allocators that are not this program's own.

use std::alloc::System;
use std::sync::{Mutex, OnceLock};

use framepool::{CachedAllocs, Pool, PoolAllocs, PoolConfig};

use crate::classes::{self, Counting, Memory, Moving, Nested, assert_all_free, nested};
use crate::process::test_name;

/// An allocator `$all` over pools of these sizes.
macro_rules! allocator {
    ($all:ident: $($name:ident [$size:expr; $count:expr])*) => {
        $(framepool::pool!(static $name: [$size; $count]);)*
        static $all: framepool::CachedAllocs<crate::Counting, { [$($size),*].len() }> =
            framepool::CachedAllocs::new(framepool::PoolAllocs::new([$(&$name),*], crate::Counting::new()));
    };
}
pub(crate) use allocator;

/// The counts of the sizes that a profile shows: largest, served, missed.
fn counts<F, const N: usize>(all: &CachedAllocs<F, N>) -> Vec<(Option<usize>, u64, u64)> {
    let profile = all.profile();
    let classes = profile.classes().iter();
    let asked = classes.filter(|class| class.served + class.missed > 0);
    asked.map(|c| (c.largest, c.served, c.missed)).collect()
}

#[test]
fn pools_of_three_sizes_keep_the_promises() {
    allocator!(ALL: LARGE [1024; 8] SMALL [64; 8] MEDIUM [256; 8]);
    // Now the thread has its front, which the fallback serves.
    drop(Memory::of(&ALL, 1, 1));
    assert_eq!(ALL.rest().alive(), 1);
    classes::promises(&ALL, [&SMALL, &MEDIUM, &LARGE], ALL.rest());
    ALL.flush();
    assert_all_free(ALL.pools());
}

#[test]
fn pools_without_magazines_keep_them_too() {
    framepool::pool!(static SMALL: [64; 8], caches = false);
    framepool::pool!(static MEDIUM: [256; 8], caches = false);
    framepool::pool!(static LARGE: [1024; 8], caches = false);
    static ALL: CachedAllocs<Counting, 3> =
        CachedAllocs::new(PoolAllocs::new([&SMALL, &MEDIUM, &LARGE], Counting::new()));
    drop(Memory::of(&ALL, 1, 1));
    classes::promises(&ALL, [&SMALL, &MEDIUM, &LARGE], ALL.rest());
    ALL.flush();
    assert_all_free(ALL.pools());
}

#[test]
fn most_allocations_stay_in_the_thread() {
    allocator!(ALL: POOL [64; 1024]);
    for _ in 0..100 {
        let all: Vec<_> = (0..30).map(|_| Memory::of(&ALL, 64, 8).unwrap()).collect();
        assert!(all.iter().all(|memory| POOL.contains(memory.at)));
    }
    // What the pool knows is as of the last exchange: then few had been allocated.
    assert!(POOL.stats().allocations < 200, "{}", POOL.stats());
    ALL.flush();
    assert_eq!(POOL.stats().allocations, 3000);
    assert_all_free(&[&POOL]);
}

#[test]
fn a_thread_holds_no_more_than_a_part_of_the_pool() {
    allocator!(ALL: POOL [64; 1024]);
    let all: Vec<_> = (0..1000).map(|_| Memory::of(&ALL, 1, 1).unwrap()).collect();
    drop(all);
    let held = POOL.capacity() - POOL.available();
    assert!((1..=64).contains(&held), "{held}");
    ALL.flush();
    assert_all_free(&[&POOL]);
}

#[test]
fn sizes_are_counted_as_served_or_missed() {
    allocator!(ALL: SMALL [64; 4] LARGE [128; 4]);
    drop([10, 16, 17, 64].map(|size| Memory::of(&ALL, size, 8)));
    drop(Memory::zeroed(&ALL, 128, 8));
    // Too large, aligned too strictly, and far too large.
    drop(Memory::of(&ALL, 129, 8));
    drop(Memory::of(&ALL, 16, 4096));
    drop(Memory::of(&ALL, 2 << 20, 8));
    let expected = [
        (Some(16), 2, 1),
        (Some(32), 1, 0),
        (Some(64), 1, 0),
        (Some(128), 1, 0),
        (Some(144), 0, 1),
        (None, 0, 1),
    ];
    assert_eq!(counts(&ALL), expected);
    // All blocks and two more: served by the larger blocks, then missed.
    drop([40; 10].map(|size| Memory::of(&ALL, size, 8)));
    assert!(
        counts(&ALL).contains(&(Some(48), 8, 2)),
        "{:?}",
        counts(&ALL)
    );
    // In place it is no request; when it moves, it is one.
    let before = ALL.profile();
    let mut memory = Memory::of(&ALL, 1, 1).unwrap();
    assert!(memory.resize(64) && memory.resize(65));
    let since = ALL.profile().since(&before);
    assert_eq!((since.served(), since.missed()), (2, 0));
    drop(memory);
    ALL.flush();
    // Those of another thread count too, also after its end.
    std::thread::spawn(|| drop(Memory::of(&ALL, 1, 1)))
        .join()
        .unwrap();
    assert_eq!(ALL.profile().since(&before).served(), 3);
    ALL.flush();
    assert_all_free(&[&SMALL, &LARGE]);
}

#[test]
fn a_profile_needs_no_pool() {
    static NONE: CachedAllocs<System, 0> = CachedAllocs::new(PoolAllocs::new([], System));
    static LATE: CachedAllocs<System, 1> = CachedAllocs::new(PoolAllocs::late(System));
    for _ in 0..3 {
        drop((Memory::of(&NONE, 100, 1), Memory::of(&LATE, 100, 1)));
    }
    assert_eq!(counts(&NONE), [(Some(112), 0, 3)]);
    assert_eq!(counts(&LATE), [(Some(112), 0, 3)]);
    assert_eq!(LATE.profile().to_string().lines().count(), 2);
}

#[test]
fn pools_may_come_later() {
    static LATE: CachedAllocs<Counting, 1> = CachedAllocs::new(PoolAllocs::late(Counting::new()));
    let before = Memory::of(&LATE, 40, 8).unwrap();
    let [pool, other] = [(); 2].map(|()| Pool::allocate(PoolConfig::new(64, 64)).unwrap().leak());
    let [pool] = LATE.install([pool]).unwrap();
    // Kept, so that its memory can be reached.
    static OTHER: Mutex<Option<&'static mut Pool<'static>>> = Mutex::new(None);
    let [other] = LATE.install([other]).unwrap_err().into_inner();
    *OTHER.lock().unwrap() = Some(other);
    let after = Memory::of(&LATE, 40, 8).unwrap();
    assert!(pool.contains(after.at) && !pool.contains(before.at));
    drop((before, after));
    LATE.flush();
    assert_all_free(&[pool]);
    assert_eq!(LATE.rest().alive(), 1, "the front");
}

#[test]
fn a_thread_uses_several_allocators_in_any_order() {
    allocator!(A: POOL_A [64; 32]);
    allocator!(B: POOL_B [64; 32] OTHER_B [128; 32]);
    allocator!(C: POOL_C [32; 32]);
    let mut random = 1_u32;
    let mut kept = Vec::new();
    for _ in 0..300 {
        random = random.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        let (memory, pool) = match random >> 28 {
            0..5 => (Memory::of(&A, 20, 8), &POOL_A),
            5..10 => (Memory::of(&B, 20, 8), &POOL_B),
            _ => (Memory::of(&C, 20, 8), &POOL_C),
        };
        let memory = memory.unwrap();
        assert!(pool.contains(memory.at));
        kept.push(memory);
        if kept.len() > 20 {
            kept.swap_remove((random >> 10) as usize % 20);
        }
    }
    drop(kept);
    A.flush();
    B.flush();
    C.flush();
    assert_all_free(&[&POOL_A, &POOL_B, &OTHER_B, &POOL_C]);
    assert_eq!(
        A.profile().served() + B.profile().served() + C.profile().served(),
        300
    );
}

/// A fallback without memory.
struct Empty;

// SAFETY: no memory is no error.
unsafe impl std::alloc::GlobalAlloc for Empty {
    unsafe fn alloc(&self, _: std::alloc::Layout) -> *mut u8 {
        std::ptr::null_mut()
    }

    unsafe fn dealloc(&self, _: *mut u8, _: std::alloc::Layout) {
        unreachable!("nothing was allocated")
    }
}

#[test]
fn without_memory_for_a_front_the_depots_serve() {
    framepool::pool!(static POOL: [64; 4]);
    static ALL: CachedAllocs<Empty, 1> = CachedAllocs::new(PoolAllocs::new([&POOL], Empty));
    let all: Vec<_> = (0..4).map(|_| Memory::of(&ALL, 64, 8).unwrap()).collect();
    assert!(Memory::of(&ALL, 64, 8).is_none() && Memory::of(&ALL, 65, 8).is_none());
    drop(all);
    assert_all_free(&[&POOL]);
    assert_eq!((ALL.profile().served(), ALL.profile().missed()), (4, 2));
}

#[test]
fn pools_within_each_other_get_their_blocks_back() {
    framepool::pool!(static POOL: [4096; 2]);
    static ALL: OnceLock<CachedAllocs<System, 2>> = OnceLock::new();
    let make = |pools| ALL.get_or_init(|| CachedAllocs::new(PoolAllocs::new(pools, System)));
    let (all, inner) = classes::pools_within_each_other(&POOL, make);
    all.flush();
    assert_eq!((inner.stats().in_use, POOL.stats().in_use), (0, 1));
}

#[test]
fn pools_refuse_memory_of_the_fallback_in_a_block() {
    framepool::pool!(static POOL: [4096; 2]);
    static ALL: CachedAllocs<Nested, 1> = CachedAllocs::new(PoolAllocs::new([&POOL], nested()));
    classes::refuses_a_pool_in_its_block(&ALL, &POOL, ALL.rest());
    ALL.flush();
}

#[test]
#[cfg_attr(miri, ignore = "starts a process")]
fn memory_that_the_fallback_moves_into_a_block_ends_the_process() {
    framepool::pool!(static POOL: [64; 2]);
    static ALL: CachedAllocs<Moving, 1> =
        CachedAllocs::new(PoolAllocs::new([&POOL], Moving::new()));
    let test = test_name!(memory_that_the_fallback_moves_into_a_block_ends_the_process);
    classes::aborts_when_memory_moves_into_its_block(test, &ALL, &POOL, ALL.rest());
}
