//! Limited caches, one interface over all sources of blocks, and boxes as values and pointers.

use std::collections::HashSet;

use framepool::{
    AllocValueReason, Block, BlockSource, Burst, Cache, Exhausted, FreeErrorKind, Pool, PoolBox,
    PoolConfig, Stride,
};

fn pool(count: usize) -> Pool<'static> {
    Pool::allocate(PoolConfig::new(64, count).stride(Stride::Exact)).unwrap()
}

#[test]
fn a_cache_hides_no_more_blocks_than_it_was_told() {
    let limits: &[usize] = if cfg!(miri) {
        &[0, 7, 100]
    } else {
        &[0, 1, 2, 3, 7, 16, 100]
    };
    for &most in limits {
        let pool = pool(256);
        let mut cache: Cache<'_, 64> = Cache::holding(&pool, most);
        let most = most.clamp(2, 64);
        let blocks: Vec<Block<'_>> = (0..200).map(|_| pool.alloc().unwrap()).collect();
        for block in blocks {
            cache.free(block).unwrap();
            assert!(cache.len() <= most, "{} of {most}", cache.len());
        }
        let burst: Burst<'_, 64> = cache.alloc_burst(64).unwrap();
        cache.free_burst(burst).unwrap();
        assert!(cache.len() <= most, "{} of {most}", cache.len());
        for _ in 0..if cfg!(miri) { 20 } else { 1000 } {
            let block = cache.alloc().unwrap();
            assert!(cache.len() <= most);
            cache.free(block).unwrap();
        }
        drop(cache);
        assert_eq!(pool.available(), 256);
    }
}

/// Takes and returns blocks in each way. Returns the number that was out at most.
fn use_up<'p>(source: &mut impl BlockSource<'p>) -> usize {
    let mut blocks = Vec::new();
    let error: Exhausted = loop {
        match source.alloc() {
            Ok(block) => blocks.push(block),
            Err(error) => break error,
        }
    };
    assert_eq!(error.requested(), 1);
    let most = blocks.len();
    for block in blocks {
        source.free(block).unwrap();
    }
    let burst: Burst<'p, 4> = source.alloc_burst(4).unwrap();
    source.free_burst(burst).unwrap();
    assert!(source.alloc_burst::<4>(5).is_err());
    most
}

#[test]
fn a_pool_a_reservation_and_a_cache_are_sources_alike() {
    let (pool, other) = (pool(32), pool(2));
    let reservation = pool.reserve(8).unwrap();
    assert_eq!(use_up(&mut &reservation), 8);
    assert_eq!(use_up(&mut &pool), 24);
    let mut cache = pool.cache();
    assert_eq!(use_up(&mut cache), 24);
    assert_eq!(use_up(&mut &mut cache), 24);
    assert!(std::ptr::eq(BlockSource::pool(&&pool), &pool));
    let foreign = BlockSource::free(&mut cache, other.alloc().unwrap()).unwrap_err();
    assert_eq!(foreign.into_inner().id().index(), 0);
}

#[test]
fn a_box_goes_through_a_pointer_and_back_once() {
    let (pool, other) = (pool(2), pool(2));
    let raw = pool.alloc_value(String::from("ping")).unwrap().into_raw();
    assert_eq!(pool.raw_out(), 1);
    // SAFETY: the pointer came from `into_raw`; what does not fit is refused.
    unsafe {
        let error = PoolBox::from_raw(&other, raw).unwrap_err();
        assert!(matches!(error.kind(), FreeErrorKind::ForeignAddress { .. }));
        let boxed = PoolBox::from_raw(&pool, raw).unwrap();
        assert_eq!(*boxed, "ping");
        let error = PoolBox::from_raw(&pool, raw).unwrap_err();
        assert!(matches!(error.kind(), FreeErrorKind::DoubleFree { .. }));
    }
    assert_eq!((pool.raw_out(), pool.stats().in_use), (0, 0));
}

#[test]
fn a_leaked_value_keeps_its_block() {
    let mut pool = pool(2);
    {
        let value: &mut [u8; 4] = pool.alloc_value([1_u8; 4]).unwrap().leak();
        value[0] = 2;
        assert_eq!(*value, [2, 1, 1, 1]);
    }
    assert_eq!(pool.check().unwrap().leaked, 1);
}

#[test]
fn boxes_compare_and_are_copied_as_their_values() {
    let pool = pool(3);
    let (a, b) = (pool.alloc_value(1).unwrap(), pool.alloc_value(2).unwrap());
    let c = a.try_clone().unwrap();
    assert!(a < b && a == c && a.id() != c.id() && a.cmp(&b).is_lt());
    let error = b.try_clone().unwrap_err();
    assert!(matches!(error.reason(), AllocValueReason::Exhausted(_)));
    let set: HashSet<_> = [a, b, c].into_iter().collect();
    assert_eq!(set.len(), 2);
}

#[test]
fn shares_in_use_are_shown_in_tenths_of_a_percent() {
    let pool = pool(3);
    let held = [pool.alloc().unwrap(), pool.alloc().unwrap()];
    assert!(pool.stats().to_string().contains("(66.7 %, peak 2)"));
    drop(held);
    assert!(pool.stats().to_string().contains("(0.0 %, peak 2)"));
    let _all: Vec<_> = (0..3).map(|_| pool.alloc().unwrap()).collect();
    assert!(pool.stats().to_string().contains("(100.0 %, peak 3)"));
}
