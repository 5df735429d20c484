//! Pools that are dropped while a device or a pointer may still use their memory.
//!
//! The counts are those of the process, in which other tests leak memory too: they are compared in a process of their
//! own.

use std::mem;

use framepool::{Block, Leaked, Pool, PoolConfig, Posted};

use crate::process::{alone, test_name};
use crate::reserve::forget;

const BLOCKS: usize = 8;

fn pool() -> Pool<'static> {
    Pool::allocate(PoolConfig::new(64, BLOCKS)).unwrap()
}

fn posted<'p>(pool: &'p Pool<'p>) -> Posted<'p> {
    // SAFETY: there is no device.
    unsafe { Posted::new(pool) }.unwrap()
}

/// What `drops` adds to the counts. Exact if no other test runs.
fn leaked_by(drops: impl FnOnce()) -> Leaked {
    let before = Pool::leaked();
    drops();
    let after = Pool::leaked();
    let mut more = Leaked::default();
    more.pools = after.pools - before.pools;
    more.blocks = after.blocks - before.blocks;
    more.bytes = after.bytes - before.bytes;
    more
}

#[test]
fn memory_that_a_device_may_write_to_outlives_the_pool() {
    let pool = pool();
    let mut blocks = pool.alloc_burst::<2>(2).unwrap().into_iter();
    let raw = blocks.next().map(Block::into_raw).unwrap();
    let mut device = posted(&pool);
    let lent = device.post(blocks.next().unwrap()).unwrap();
    let start = pool.blocks_ptr();
    drop((blocks, device));
    drop(pool);
    // SAFETY: nothing else uses the blocks, whose memory is not freed.
    unsafe {
        raw.write_bytes(1, 64);
        start.add(lent).write_bytes(2, 64);
        assert_eq!((raw.read(), start.add(lent).read()), (1, 2));
    }
    let all = Pool::leaked();
    assert!(all.pools >= 1 && all.blocks >= 2 && all.bytes > 64 * BLOCKS as u64);
}

#[test]
#[cfg_attr(miri, ignore = "starts a process")]
fn what_was_leaked_is_counted() {
    alone(test_name!(what_was_leaked_is_counted), || {
        let mut size = 0;
        let more = leaked_by(|| {
            for raw in 1..=3 {
                let pool = pool();
                size = pool.blocks_len() + pool.slack();
                for _ in 0..raw {
                    let _ = pool.alloc().unwrap().into_id();
                }
                let _in_a_handle = pool.alloc().unwrap();
            }
        });
        assert_eq!((more.pools, more.blocks), (3, 1 + 2 + 3));
        assert!(more.bytes > 3 * size as u64);
        let said = more.to_string();
        assert!(
            said.ends_with("of 3 dropped pools leaked, with 6 raw blocks"),
            "{said}"
        );
    });
}

#[test]
#[cfg_attr(miri, ignore = "starts a process")]
fn a_pool_whose_raw_blocks_came_home_is_freed() {
    alone(
        test_name!(a_pool_whose_raw_blocks_came_home_is_freed),
        || {
            let more = leaked_by(|| {
                let pool = pool();
                let id = pool.alloc().unwrap().into_id();
                // SAFETY: nothing uses the block.
                unsafe { pool.free_id(id) }.unwrap();
                let mut device = posted(&pool);
                device.post(pool.alloc().unwrap()).unwrap();
                drop(device);
                // SAFETY: there is no device.
                assert_eq!(unsafe { pool.reclaim_raw() }, 1);
                // Forgotten handles are no raw blocks: nothing outside of the program can use them.
                mem::forget(pool.alloc().unwrap());
            });
            assert_eq!(more, Leaked::default());
            let more = leaked_by(|| {
                let pool = pool();
                let mut device = posted(&pool);
                let offset = device.post(pool.alloc().unwrap()).unwrap();
                drop(device.take(offset));
                // It counted more blocks than it posted.
                mem::forget(device);
                assert!(pool.raw_out() > 0);
            });
            assert_eq!(more, Leaked::default());
        },
    );
}

#[test]
#[cfg_attr(miri, ignore = "starts a process")]
fn pools_in_memory_of_others_leak_nothing() {
    alone(test_name!(pools_in_memory_of_others_leak_nothing), || {
        let more = leaked_by(|| {
            let mut memory = vec![mem::MaybeUninit::uninit(); 4096];
            let pool = Pool::new(&mut memory, PoolConfig::fill(64)).unwrap();
            let _ = pool.alloc().unwrap().into_id();
        });
        assert_eq!(more, Leaked::default());
    });
}

#[test]
#[cfg_attr(miri, ignore = "starts a process")]
fn a_reservation_leaves_its_raw_blocks_to_the_pool() {
    alone(
        test_name!(a_reservation_leaves_its_raw_blocks_to_the_pool),
        || {
            let pool = pool();
            let more = leaked_by(|| {
                let reservation = pool.reserve(4).unwrap();
                let _ = reservation.alloc().unwrap().into_id();
                let mut device = posted(&reservation);
                device.post(reservation.alloc().unwrap()).unwrap();
            });
            assert_eq!((more, pool.raw_out()), (Leaked::default(), 2));
            let more = leaked_by(|| drop(pool));
            assert_eq!((more.pools, more.blocks), (1, 2));
        },
    );
}

#[test]
#[cfg_attr(miri, ignore = "starts a process")]
fn a_forgotten_reservation_keeps_the_memory_of_the_pool() {
    alone(
        test_name!(a_forgotten_reservation_keeps_the_memory_of_the_pool),
        || {
            for nested in [false, true] {
                let pool = pool();
                let outer = pool.reserve(4).unwrap();
                let raw = if nested {
                    let inner = outer.reserve(2).unwrap();
                    let raw = inner.alloc().unwrap().into_raw();
                    forget(Box::into_raw(Box::new(inner)));
                    // Its own tables are not kept.
                    assert_eq!(leaked_by(|| drop(outer)), Leaked::default());
                    raw
                } else {
                    let raw = outer.alloc().unwrap().into_raw();
                    forget(Box::into_raw(Box::new(outer)));
                    raw
                };
                let more = leaked_by(|| drop(pool));
                let blocks = if nested { 2 } else { 4 };
                assert_eq!((more.pools, more.blocks), (1, blocks));
                // SAFETY: nothing else uses the block, whose memory is not freed.
                unsafe { raw.write_bytes(1, 64) };
            }
        },
    );
}

#[cfg(all(feature = "mmap", target_os = "linux"))]
#[test]
#[cfg_attr(miri, ignore = "maps memory")]
fn a_mapping_stays_mapped() {
    let pool = Pool::map(PoolConfig::new(2048, BLOCKS)).unwrap();
    let raw = pool.alloc().unwrap().into_raw();
    drop(pool);
    // SAFETY: nothing else uses the block, whose memory stays mapped.
    unsafe { raw.write_bytes(3, 2048) };
    // SAFETY: as above.
    assert_eq!(unsafe { raw.add(2047).read() }, 3);
}

#[cfg(feature = "audit")]
#[test]
fn leaked_blocks_are_named_with_the_code_that_made_them_raw() {
    let pool = pool();
    drop(pool.alloc().unwrap());
    let line = line!() + 1;
    let id = pool.alloc().unwrap().into_id();
    drop(pool);
    let is_it = |leaked: &framepool::Holding| {
        let at = leaked.since().caller();
        leaked.id() == id && at.is_some_and(|at| (at.file(), at.line()) == (file!(), line))
    };
    assert_eq!(
        Pool::leaked_blocks()
            .iter()
            .filter(|leaked| is_it(leaked))
            .count(),
        1
    );
}
