//! `PoolAlloc` as the global allocator of this whole program, its harness included; and others, used directly.
#![allow(missing_docs)]

#[path = "../support/classes.rs"]
mod classes;
mod late;
#[path = "../support/process.rs"]
mod process;
#[path = "../support/program.rs"]
mod program;
mod several;

use std::alloc::{GlobalAlloc, Layout, System};
use std::thread;

use classes::{Counting, Moving, Nested, nested};
use framepool::{Pool, PoolAlloc};
use process::test_name;
use program::{ALONE, ROUNDS};

framepool::pool!(static SMALL: [128; 4096], caches = false);

#[global_allocator]
static GLOBAL: PoolAlloc<Counting> = PoolAlloc::new(&SMALL, Counting::new());

fn pools() -> [&'static Pool<'static>; 1] {
    [&SMALL]
}

/// Number of requests that the pool served.
fn served() -> u64 {
    SMALL.stats().allocations
}

fn in_pool<T>(at: *const T) -> bool {
    SMALL.contains(at.cast())
}

#[test]
fn what_fits_is_a_block_and_what_does_not_is_passed_on() {
    let _alone = ALONE.write();
    assert!(in_pool(&*Box::new(1_u8)));
    assert!(in_pool(&*Box::new([0_u64; 16])));
    assert!(!in_pool(&*Box::new([0_u64; 17])));

    #[repr(align(256))]
    struct Strict(#[expect(dead_code)] u8);
    assert!(!in_pool(&*Box::new(Strict(0))));
}

#[test]
fn a_vector_stays_in_its_block_then_moves_out_and_keeps_its_bytes() {
    let _alone = ALONE.write();
    let mut bytes = Vec::with_capacity(1);
    bytes.push(0_u8);
    let at = bytes.as_ptr();
    while bytes.len() < 128 {
        bytes.push(bytes.len() as u8);
    }
    assert_eq!(bytes.as_ptr(), at, "grown in place");
    bytes.extend(128..=255);
    assert!(!in_pool(bytes.as_ptr()));
    assert!(bytes.iter().copied().eq(0..=255));
    bytes.truncate(100);
    bytes.shrink_to_fit();
    assert!(bytes.iter().copied().eq(0..100));
}

#[test]
fn an_allocator_of_its_own_serves_from_a_size_on_and_overflows() {
    framepool::pool!(static FEW: [64; 2]);
    static OVER: PoolAlloc<System> = PoolAlloc::new(&FEW, System).at_least(16);
    let [tiny, fits, large] = [8, 16, 65].map(|size| Layout::from_size_align(size, 8).unwrap());
    // SAFETY: layouts are not empty; each address is freed once, with its layout.
    unsafe {
        let small = OVER.alloc(tiny);
        assert!(!FEW.contains(small));
        let [a, b, c] = [
            OVER.alloc(fits),
            OVER.alloc_zeroed(fits),
            OVER.alloc_zeroed(fits),
        ];
        assert_eq!([a, b, c].map(|at| FEW.contains(at)), [true, true, false]);
        assert_eq!(FEW.stats().exhaustions, 1);
        c.write_bytes(3, 16);
        let c = OVER.realloc(c, fits, 65);
        assert_eq!(c.cast::<[u8; 16]>().read(), [3; 16]);
        OVER.dealloc(c, large);
        a.write_bytes(5, 16);
        assert_eq!(OVER.realloc(a, fits, 64), a);
        assert_eq!(
            OVER.realloc(a, Layout::from_size_align(64, 8).unwrap(), 8),
            a
        );
        let moved = OVER.realloc(a, tiny, 65);
        assert!(!FEW.contains(moved));
        assert_eq!(moved.cast::<[u8; 8]>().read(), [5; 8]);
        OVER.dealloc(moved, large);
        OVER.dealloc(b, fits);
        OVER.dealloc(small, tiny);
    }
    assert_eq!(FEW.stats().in_use, 0);
}

#[test]
fn threads_that_come_and_go_leave_no_block_behind() {
    let _alone = ALONE.write();
    let spawn = || {
        thread::spawn(|| {
            let text = "local".repeat(5);
            text.len()
        })
        .join()
        .unwrap()
    };
    spawn();
    let before = SMALL.stats().in_use;
    for _ in 0..ROUNDS / 20 {
        assert_eq!(spawn(), 25);
    }
    let after = SMALL.stats().in_use;
    // The harness also allocates, but less than a block per thread.
    assert!(
        after < before + ROUNDS as u64 / 40 + 16,
        "{before} then {after}"
    );
}

#[test]
fn memory_of_the_fallback_in_a_block_is_refused() {
    framepool::pool!(static POOL: [4096; 2], caches = false);
    static OVER: PoolAlloc<Nested> = PoolAlloc::new(&POOL, nested());
    classes::refuses_a_pool_in_its_block(&OVER, &POOL, OVER.rest());
}

#[test]
#[cfg_attr(miri, ignore = "starts a process")]
fn memory_that_the_fallback_moves_into_a_block_ends_the_process() {
    framepool::pool!(static POOL: [64; 2], caches = false);
    static OVER: PoolAlloc<Moving> = PoolAlloc::new(&POOL, Moving::new());
    let test = test_name!(memory_that_the_fallback_moves_into_a_block_ends_the_process);
    classes::aborts_when_memory_moves_into_its_block(test, &OVER, &POOL, OVER.rest());
}
