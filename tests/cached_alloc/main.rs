//! `CachedAllocs` as the global allocator of this whole program, its harness included; and others, used directly.
#![allow(missing_docs)]

#[path = "../support/classes.rs"]
mod classes;
mod direct;
mod model;
#[path = "../support/process.rs"]
mod process;
#[path = "../support/program.rs"]
mod program;
mod threads;

use std::sync::OnceLock;

use classes::Counting;
use framepool::{CachedAllocs, Pool, PoolAllocs, PoolConfig};

#[global_allocator]
static GLOBAL: CachedAllocs<Counting, 3> = CachedAllocs::new(PoolAllocs::late(Counting::new()));

/// The pools of [`GLOBAL`], installed by the first test.
fn pools() -> [&'static Pool<'static>; 3] {
    static POOLS: OnceLock<[&'static Pool<'static>; 3]> = OnceLock::new();
    *POOLS.get_or_init(|| {
        let pools = [(1024, 256), (64, 4096), (256, 1024)]
            .map(|(size, count)| Pool::allocate(PoolConfig::new(size, count)).unwrap().leak());
        GLOBAL.install(pools).unwrap()
    })
}

/// Number of requests that they served.
fn served() -> u64 {
    GLOBAL.profile().served()
}

#[test]
fn memory_from_before_is_freed_after() {
    let _alone = program::ALONE.write();
    // Perhaps from before the pools, if this test is the first; in any case this frees it.
    let early = [vec![1_u8; 40], vec![2; 200], vec![3; 900], vec![4; 9000]];
    let pools = pools();
    let late = early.clone();
    assert!(
        pools
            .iter()
            .zip(&late)
            .all(|(pool, bytes)| pool.contains(bytes.as_ptr()))
    );
    assert_eq!(early, late);
}
