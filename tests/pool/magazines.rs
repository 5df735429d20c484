//! There are few slots for magazines. No code path loses one.

use framepool::{Burst, Cache, Pool, PoolConfig};

/// Gives two blocks to the depot through a cache.
fn give_two(pool: &Pool<'_>) {
    let mut cache: Cache<'_, 4> = Cache::new(pool);
    let two: Burst<'_, 2> = cache.alloc_burst(2).unwrap();
    assert!(cache.free_burst(two).is_ok());
}

/// Repeats a code path so often that it would lose every slot several times. Afterwards there are still
/// slots: blocks from caches are in magazines.
fn keeps_slots(way: impl Fn(&Pool<'_>)) {
    // Two slots.
    let mut pool = Pool::allocate(PoolConfig::new(8, 6).magazine(2)).unwrap();
    for _ in 0..10 {
        way(&pool);
    }
    let all: Burst<'_, 6> = pool.alloc_burst(6).unwrap();
    drop(all);
    // Through two caches at once, so that both slots are needed.
    let mut caches: [Cache<'_, 4>; 2] = [Cache::new(&pool), Cache::new(&pool)];
    let bursts = caches
        .each_mut()
        .map(|cache| cache.alloc_burst::<2>(2).unwrap());
    for (cache, burst) in caches.iter_mut().zip(bursts) {
        assert!(cache.free_burst(burst).is_ok());
    }
    drop(caches);
    let census = pool.check().unwrap();
    assert_eq!((census.in_magazines, census.free()), (4, 6));
}

#[test]
fn a_magazine_that_is_broken_up_leaves_its_slot() {
    keeps_slots(|pool| {
        give_two(pool);
        drop(pool.alloc_burst::<6>(6).unwrap());
    });
}

#[test]
fn a_cache_that_ends_leaves_the_slot_of_the_magazine_that_it_drew() {
    keeps_slots(|pool| {
        give_two(pool);
        let mut cache: Cache<'_, 4> = Cache::new(pool);
        drop(cache.alloc().unwrap());
    });
}

#[test]
fn a_cache_that_draws_a_second_magazine_leaves_the_first_ones_slot() {
    keeps_slots(|pool| {
        give_two(pool);
        let mut cache: Cache<'_, 4> = Cache::new(pool);
        let first: Burst<'_, 2> = cache.alloc_burst(2).unwrap();
        give_two(pool);
        let second: Burst<'_, 2> = cache.alloc_burst(2).unwrap();
        drop((first, second));
    });
}

#[test]
fn prefault_leaves_every_slot() {
    keeps_slots(|pool| pool.prefault());
}
