//! The table of lent blocks, against a kernel that names what it must not.

use framepool::{Pool, PoolConfig, Stride};

use crate::device::lies_within;
use crate::lent::{Lent, Purpose};

fn pool() -> Pool<'static> {
    let config = PoolConfig::new(2048, 8).align(2048).stride(Stride::Exact);
    Pool::allocate(config).unwrap()
}

/// Takes from a table of blocks that no kernel has.
fn take(lent: &mut Lent<'_>, offset: u64, purpose: Purpose) -> Option<usize> {
    // SAFETY: nothing but this test accesses the blocks.
    let taken = unsafe { lent.take(offset, purpose) };
    taken.map(|(_, inside)| inside)
}

#[test]
fn a_block_comes_back_by_any_offset_in_it_once() {
    let pool = pool();
    let mut lent = Lent::new(&pool);
    let offset = lent.lend(pool.alloc().unwrap(), Purpose::Receive);
    assert_eq!((offset % 2048, pool.raw_out()), (0, 1));
    assert_eq!(take(&mut lent, offset + 256, Purpose::Receive), Some(256));
    assert_eq!(take(&mut lent, offset + 256, Purpose::Receive), None);
    assert_eq!((lent.refused(), lent.count(Purpose::Receive)), (1, 0));
    assert_eq!(pool.stats().in_use, 0);
}

#[test]
fn a_block_lent_for_one_purpose_does_not_come_back_from_another() {
    let pool = pool();
    let mut lent = Lent::new(&pool);
    let offset = lent.lend(pool.alloc().unwrap(), Purpose::Transmit);
    assert_eq!(take(&mut lent, offset, Purpose::Receive), None);
    assert_eq!(take(&mut lent, offset, Purpose::Transmit), Some(0));
}

#[test]
fn offsets_outside_of_the_pool_and_of_blocks_at_home_are_refused() {
    let pool = pool();
    let mut lent = Lent::new(&pool);
    let held = pool.alloc().unwrap();
    let offsets = [0, 2048, 8 * 2048, 1 << 48, u64::MAX, held.offset() as u64];
    for offset in offsets {
        assert_eq!(take(&mut lent, offset, Purpose::Receive), None, "{offset}");
    }
    assert_eq!(lent.refused(), offsets.len() as u64);
}

#[test]
fn all_lent_blocks_come_home_when_the_kernel_is_done() {
    let mut pool = pool();
    let mut lent = Lent::new(&pool);
    for purpose in [Purpose::Receive, Purpose::Transmit, Purpose::Receive] {
        lent.lend(pool.alloc().unwrap(), purpose);
    }
    assert_eq!(pool.raw_out(), 3);
    // SAFETY: nothing but this test accesses the blocks.
    assert_eq!(unsafe { lent.reclaim() }, 3);
    let census = pool.check().unwrap();
    assert_eq!((census.free(), census.raw, census.leaked), (8, 0, 0));
}

#[test]
fn descriptors_that_the_kernel_would_drop_are_seen_before() {
    let pool = pool();
    let block = pool.alloc().unwrap();
    for (start, len, valid) in [
        (0, 1, true),
        (256, 1792, true),
        (0, 2048, true),
        (256, 0, false),
        (256, 1793, false),
        (2048, 1, false),
        (usize::MAX, 2, false),
    ] {
        assert_eq!(lies_within(&block, start, len), valid, "{start}, {len}");
    }
}
