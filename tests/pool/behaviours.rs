//! The eight basic behaviours of framepool, one test for each.

use framepool::{Block, Pool, PoolConfig};

/// Miri is a thousand times slower.
const OPERATIONS: usize = if cfg!(miri) { 1_000 } else { 10_000 };

framepool::pool!(static STATIC: [2048; 64]);

fn pools() -> Vec<Pool<'static>> {
    let config = PoolConfig::new(2048, 64);
    vec![
        Pool::allocate(config).unwrap(),
        #[cfg(all(feature = "mmap", target_os = "linux", not(miri)))]
        Pool::map(config).unwrap(),
    ]
}

#[test]
fn a_block_is_allocated_written_read_and_freed() {
    for pool in pools() {
        let mut block = pool.alloc().unwrap();
        assert_eq!(block.len(), 2048);
        assert_eq!(block.write(b"GET /").unwrap(), b"GET /");
        // SAFETY: written just now.
        assert_eq!(unsafe { block.assume_init(5) }, b"GET /");
        assert!(block.zeroed().iter().all(|byte| *byte == 0));
        let id = block.id();
        drop(block);
        assert_eq!(
            pool.alloc().unwrap().id(),
            id,
            "the hottest block comes first"
        );
    }
}

#[test]
fn many_blocks_at_once_are_distinct_and_keep_what_was_written() {
    for pool in pools() {
        let mut blocks: Vec<Block<'_>> = (0..64).map(|_| pool.alloc().unwrap()).collect();
        for (i, block) in blocks.iter_mut().enumerate() {
            block.zeroed().fill(i as u8);
        }
        for (i, block) in blocks.iter().enumerate() {
            // SAFETY: all of it was written.
            let bytes = unsafe { block.assume_init(2048) };
            assert_eq!(bytes, [i as u8; 2048]);
        }
        let mut ids: Vec<_> = blocks.iter().map(Block::id).collect();
        ids.sort();
        ids.dedup();
        assert_eq!(ids.len(), 64);
    }
}

#[test]
fn statistics_tell_what_is_where_and_what_happened() {
    for pool in pools() {
        let blocks: Vec<_> = (0..48).map(|_| pool.alloc().unwrap()).collect();
        let stats = pool.stats();
        assert_eq!((stats.capacity, stats.in_use, stats.free), (64, 48, 16));
        assert_eq!(stats.utilisation(), 0.75);
        drop(blocks);
        let stats = pool.stats();
        assert_eq!((stats.in_use, stats.free, stats.peak), (0, 64, 48));
        assert_eq!((stats.allocations, stats.frees), (48, 48));
        assert!(stats.to_string().contains("peak 48"), "{stats}");
    }
}

#[test]
fn packet_and_message_buffers_come_from_one_region() {
    let mut region = Box::new_uninit_slice(256 * 1024);
    let (packets, messages) = region.split_at_mut(192 * 1024);
    let packets = Pool::new(packets, PoolConfig::fill(2048)).unwrap();
    let messages = Pool::new(messages, PoolConfig::fill(128).align(64)).unwrap();
    let mut packet = packets.alloc().unwrap();
    let mut message = messages.alloc().unwrap();
    packet.zeroed().fill(0xAA);
    message.zeroed().fill(0x55);
    assert_eq!(message.addr() % 64, 0);
    // SAFETY: both were written in full.
    unsafe {
        assert!(packet.assume_init(2048).iter().all(|byte| *byte == 0xAA));
        assert!(message.assume_init(128).iter().all(|byte| *byte == 0x55));
    }
    assert!(packets.contains(packet.as_ptr()) && !packets.contains(message.as_ptr()));
    assert!(messages.contains(message.as_ptr()) && !messages.contains(packet.as_ptr()));
    assert!(
        messages.free(packet).is_err(),
        "pools do not take each other's blocks"
    );
}

#[test]
fn exhaustion_is_an_answer_and_a_freed_block_ends_it() {
    for pool in pools() {
        let mut blocks: Vec<_> = (0..64).map(|_| pool.alloc().unwrap()).collect();
        let error = pool.alloc().unwrap_err();
        assert_eq!((error.requested(), error.available()), (1, 0));
        assert_eq!(pool.stats().exhaustions, 1);
        blocks.pop();
        assert!(pool.alloc().is_ok());
    }
}

#[test]
fn ten_thousand_operations_leave_nothing_behind() {
    for mut pool in pools() {
        let mut cache = pool.cache();
        let mut held: Vec<Block<'_>> = Vec::new();
        let mut random = 1u32;
        for _ in 0..OPERATIONS {
            random = random.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            let pick = (random >> 16) as usize;
            if pick % 2 == 0 || held.is_empty() {
                held.extend(if pick % 3 == 0 {
                    pool.alloc()
                } else {
                    cache.alloc()
                });
            } else {
                let block = held.swap_remove(pick % held.len());
                if pick % 3 == 0 {
                    drop(block);
                } else {
                    assert!(cache.free(block).is_ok());
                }
            }
        }
        drop(held);
        drop(cache);
        assert_eq!(pool.stats().in_use, 0);
        assert_eq!(pool.stats().allocations, pool.stats().frees);
        assert_eq!(pool.check().unwrap().free(), 64);
    }
}

#[test]
fn reset_makes_the_pool_as_new() {
    for mut pool in pools() {
        for _ in 0..10 {
            std::mem::forget(pool.alloc().unwrap());
        }
        assert_eq!(pool.stats().in_use, 10);
        pool.reset().unwrap();
        let stats = pool.stats();
        assert_eq!((stats.in_use, stats.free, stats.peak), (0, 64, 0));
        assert_eq!((stats.allocations, stats.frees), (0, 0));
        assert_eq!(
            (0..65)
                .map_while(|_| Some(std::mem::ManuallyDrop::new(pool.alloc().ok()?)))
                .count(),
            64
        );
    }
}

#[test]
fn reset_of_a_static_waits_for_nobody_and_refuses_while_blocks_are_out() {
    let held = STATIC.alloc().unwrap();
    assert_eq!(STATIC.reset_static().unwrap_err().outstanding, 1);
    assert_eq!(STATIC.stats().free, 63, "what was withdrawn came back");
    drop(held);
    STATIC.reset_static().unwrap();
    let stats = STATIC.stats();
    assert_eq!((stats.in_use, stats.free, stats.peak), (0, 64, 0));
    let first = STATIC.alloc().unwrap();
    assert_eq!(first.id().index(), 0, "in order again");
}

#[test]
fn prefault_leaves_the_pool_as_it_was() {
    for mut pool in pools() {
        let held = pool.alloc().unwrap();
        pool.prefault();
        assert_eq!(pool.stats().in_use, 1);
        assert_eq!(pool.stats().allocations, 1);
        drop(held);
        let census = pool.check().unwrap();
        assert_eq!((census.never_used, census.free()), (0, 64));
    }
}

#[cfg(all(target_os = "linux", not(miri)))]
#[test]
fn prefault_means_that_no_later_operation_faults() {
    let pool = Pool::allocate(PoolConfig::new(4096, 2048)).unwrap();
    let mut blocks = Vec::with_capacity(2048);
    blocks.resize_with(2048, || None);
    pool.prefault();
    let mut cache: Box<framepool::Cache<'_>> = Box::new(pool.cache());
    let before = minor_faults();
    for slot in &mut blocks {
        let mut block = cache.alloc().unwrap();
        block.as_uninit_mut()[0].write(1);
        *slot = Some(block);
    }
    for slot in &mut blocks {
        assert!(cache.free(slot.take().unwrap()).is_ok());
    }
    let faults = minor_faults() - before;
    // 2048 blocks of a page each would be 2048 faults without prefault. The remaining faults are those of
    // the test's stack and the harness's other threads.
    assert!(faults < 256, "{faults} page faults");
}

/// Minor page faults of this process: field 10 of /proc/self/stat.
#[cfg(all(target_os = "linux", not(miri)))]
fn minor_faults() -> u64 {
    let stat = std::fs::read_to_string("/proc/thread-self/stat").unwrap();
    let after_name = stat.rsplit_once(')').unwrap().1;
    after_name
        .split_whitespace()
        .nth(7)
        .unwrap()
        .parse()
        .unwrap()
}
