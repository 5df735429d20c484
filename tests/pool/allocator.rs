//! `Allocator` for `&Pool` and `&CacheCell`: through allocator-api2 on stable, and the unstable trait of core under
//! `--cfg framepool_nightly`. One set of tests for both.

macro_rules! tests {
    ($name:ident, $alloc:path, $boxed:path, $vec:path) => {
        mod $name {
            use core::alloc::Layout;
            use core::mem::MaybeUninit;
            use core::ptr::NonNull;

            use std::panic::catch_unwind;
            use std::sync::atomic::{AtomicUsize, Ordering::*};

            use framepool::{CacheCell, Pool, PoolConfig};
            use $alloc::{AllocError, Allocator};
            use $boxed as Box;
            use $vec as Vec;

            fn layout(size: usize, align: usize) -> Layout {
                Layout::from_size_align(size, align).unwrap()
            }

            /// 8 blocks of 64 bytes, aligned to 64.
            fn with_pool(f: impl FnOnce(&Pool<'_>)) {
                let mut memory = [MaybeUninit::uninit(); 4096];
                let mut pool = Pool::new(&mut memory, PoolConfig::new(64, 8).align(64)).unwrap();
                f(&pool);
                assert_eq!(pool.stats().in_use, 0);
                assert_eq!(pool.check().unwrap().free(), 8);
            }

            #[test]
            fn a_box_is_a_block() {
                with_pool(|pool| {
                    let mut boxed = Box::new_in([1_u64; 8], pool);
                    boxed[7] = 2;
                    assert_eq!(pool.stats().in_use, 1);
                    assert_eq!(*boxed, [1, 1, 1, 1, 1, 1, 1, 2]);
                });
            }

            #[test]
            fn a_vector_grows_in_place_up_to_the_block_and_no_further() {
                with_pool(|pool| {
                    let mut bytes = Vec::new_in(pool);
                    bytes.push(0_u8);
                    let at = bytes.as_ptr();
                    for i in 1..64 {
                        bytes.push(i);
                    }
                    assert_eq!(bytes.as_ptr(), at);
                    assert!(bytes.try_reserve(1).is_err());
                    assert!(bytes.iter().copied().eq(0..64));
                    bytes.truncate(3);
                    bytes.shrink_to_fit();
                    assert_eq!((bytes.as_ptr(), bytes.capacity()), (at, 3));
                    assert_eq!(pool.stats().allocations, 1);
                });
            }

            #[test]
            fn what_does_not_fit_or_finds_no_block_is_an_error() {
                with_pool(|pool| {
                    assert_eq!(pool.allocate(layout(65, 1)), Err(AllocError));
                    assert_eq!(pool.allocate(layout(1, 128)), Err(AllocError));
                    assert_eq!(pool.stats().exhaustions, 0);
                    let all: std::vec::Vec<_> =
                        (0..8).map(|i| Box::try_new_in(i, pool).unwrap()).collect();
                    assert!(Box::try_new_in(8, pool).is_err());
                    assert_eq!(pool.stats().exhaustions, 1);
                    drop(all);
                });
            }

            #[test]
            fn no_bytes_are_no_block() {
                with_pool(|pool| {
                    let none = layout(0, 32);
                    let empty = pool.allocate(none).unwrap();
                    assert_eq!((empty.len(), empty.cast::<u8>().addr().get() % 32), (0, 0));
                    // SAFETY: grown from what was allocated, shrunk, and freed, each once.
                    unsafe {
                        let grown = pool.grow_zeroed(empty.cast(), none, layout(16, 32)).unwrap();
                        assert_eq!(grown.as_ref(), [0; 16]);
                        assert_eq!(pool.stats().in_use, 1);
                        let shrunk = pool.shrink(grown.cast(), layout(16, 32), none).unwrap();
                        assert_eq!((shrunk.len(), pool.stats().in_use), (0, 0));
                        pool.deallocate(shrunk.cast(), none);
                    }
                    drop(Box::new_in((), pool));
                    drop(Vec::<u8, _>::new_in(pool));
                });
            }

            #[test]
            fn zeroed_memory_is_zeros_also_where_it_grew() {
                with_pool(|pool| {
                    for _ in 0..2 {
                        let (small, large) = (layout(10, 1), layout(64, 1));
                        let at = pool.allocate_zeroed(small).unwrap();
                        // SAFETY: ten zeros; then 64, all written; then freed.
                        unsafe {
                            assert_eq!(at.as_ref(), [0; 10]);
                            let at: NonNull<u8> = at.cast();
                            at.write_bytes(7, 10);
                            let grown = pool.grow_zeroed(at, small, large).unwrap();
                            assert_eq!(grown.as_ref()[..10], [7; 10]);
                            assert_eq!(grown.as_ref()[10..], [0; 54]);
                            at.write_bytes(0xFF, 64);
                            pool.deallocate(at, large);
                        }
                    }
                });
            }

            #[test]
            fn a_failed_growth_leaves_the_memory_as_it_was() {
                with_pool(|pool| {
                    let old = layout(4, 4);
                    let at: NonNull<u8> = pool.allocate(old).unwrap().cast();
                    // SAFETY: four bytes are there, before and after.
                    unsafe {
                        at.write_bytes(9, 4);
                        assert!(pool.grow(at, old, layout(65, 4)).is_err());
                        assert!(pool.grow(at, old, layout(8, 128)).is_err());
                        let same = pool.grow(at, old, layout(8, 64)).unwrap();
                        assert_eq!(same.cast(), at);
                        assert_eq!(at.cast::<[u8; 4]>().read(), [9; 4]);
                        pool.deallocate(at, layout(8, 64));
                    }
                });
            }

            #[test]
            fn collections_on_a_cell_rarely_meet_the_depot() {
                framepool::pool!(static POOL: [256; 256]);
                let cell = CacheCell::new(POOL.cache());
                for i in 0..1000_u32 {
                    let boxed = Box::new_in(i, &cell);
                    let mut numbers = Vec::new_in(&cell);
                    numbers.extend([*boxed; 64]);
                    assert!(POOL.contains(numbers.as_ptr().cast()));
                    assert!(numbers.try_reserve(1).is_err(), "more than a block");
                    numbers.truncate(1);
                    numbers.shrink_to_fit();
                    assert_eq!(numbers[..], [i]);
                }
                let stats = cell.stats().unwrap();
                assert_eq!((stats.allocations, stats.frees), (2000, 2000));
                assert!(stats.refills < 30, "{stats}");
                let mut cache = cell.into_inner();
                assert_eq!(cache.stats().len, stats.len);
                drop(cache.alloc().unwrap());
                drop(cache);
                assert_eq!(POOL.available(), 256);
            }

            #[test]
            fn a_cell_refuses_what_a_pool_refuses() {
                with_pool(|pool| {
                    let cell = CacheCell::<64>::new(framepool::Cache::new(pool));
                    let cell = &cell;
                    assert_eq!(cell.allocate(layout(65, 1)), Err(AllocError));
                    assert_eq!(cell.allocate(layout(1, 128)), Err(AllocError));
                    let all: std::vec::Vec<_> =
                        (0..8).map(|i| Box::try_new_in(i, cell).unwrap()).collect();
                    assert!(Box::try_new_in(8, cell).is_err());
                    assert_eq!(cell.stats().unwrap().exhaustions, 1);
                    drop(all);
                    let none = layout(0, 32);
                    let empty = cell.allocate(none).unwrap().cast();
                    // SAFETY: grown from what was allocated, resized, and freed, each once.
                    unsafe {
                        let grown = cell.grow_zeroed(empty, none, layout(16, 32)).unwrap();
                        assert_eq!(grown.as_ref(), [0; 16]);
                        let grown = grown.cast();
                        assert!(cell.grow(grown, layout(16, 32), layout(65, 32)).is_err());
                        let shrunk = cell.shrink(grown, layout(16, 32), none).unwrap();
                        cell.deallocate(shrunk.cast(), none);
                        // Not an address of the pool: counted, and nothing is lost.
                        cell.deallocate(NonNull::dangling(), layout(8, 8));
                    }
                    assert_eq!(pool.stats().refusals, 1);
                    cell.flush();
                    assert_eq!(pool.available(), 8);
                });
            }

            framepool::pool!(static LOW: [64; 64]);
            static CALLS: AtomicUsize = AtomicUsize::new(0);

            std::thread_local! {
                static CELL: CacheCell<'static> = CacheCell::new(LOW.cache());
            }

            /// Inside of a call of the cell.
            fn uses_the_cell(_: &Pool<'_>) {
                CELL.with(|cell| {
                    // Each time: a refusal ends no loan.
                    assert!(cell.stats().is_none() && cell.stats().is_none());
                    cell.flush();
                    let boxed = Box::new_in([1_u8; 64], cell);
                    assert!(LOW.contains(boxed.as_ptr()));
                });
                if CALLS.fetch_add(1, Relaxed) == 1 {
                    panic!("on purpose");
                }
            }

            #[test]
            fn a_callback_that_uses_the_cell_is_served_by_the_depot_and_may_panic() {
                for call in 0..2 {
                    LOW.on_low_water(32, uses_the_cell);
                    let all = catch_unwind(|| {
                        CELL.with(|cell| {
                            let all = (0..60).map(|_| cell.allocate(layout(1, 1)).unwrap());
                            let all: std::vec::Vec<NonNull<[u8]>> = all.collect();
                            // SAFETY: just allocated.
                            let free = |at| unsafe { cell.deallocate(at, layout(1, 1)) };
                            all.into_iter().for_each(|at| free(at.cast()));
                        });
                    });
                    assert_eq!((all.is_err(), CALLS.load(Relaxed)), (call == 1, call + 1));
                }
                let stats = CELL.with(CacheCell::stats).unwrap();
                CELL.with(CacheCell::flush);
                // The panic took those with it that the test had allocated.
                let lost = stats.allocations - stats.frees;
                assert_eq!(LOW.available() as u64, 64 - lost);
            }

            #[test]
            fn a_block_may_be_freed_by_another_thread() {
                framepool::pool!(static POOL: [256; 16]);
                let mut orders = Vec::new_in(&POOL);
                orders.extend([1_u32, 2, 3]);
                let sum = std::thread::spawn(move || orders.iter().sum::<u32>());
                assert_eq!(sum.join().unwrap(), 6);
                assert_eq!(POOL.stats().in_use, 0);
            }
        }
    };
}

#[cfg(feature = "allocator-api2")]
tests!(
    stable,
    allocator_api2::alloc,
    allocator_api2::boxed::Box,
    allocator_api2::vec::Vec
);

#[cfg(framepool_nightly)]
tests!(unstable, std::alloc, std::boxed::Box, std::vec::Vec);

#[cfg(framepool_nightly)]
#[test]
fn collections_of_std_live_in_blocks() {
    use std::collections::{BTreeMap, VecDeque};
    use std::sync::Arc;

    framepool::pool!(static POOL: [1024; 64]);
    let mut map = BTreeMap::new_in(&POOL);
    let mut queue = VecDeque::new_in(&POOL);
    for i in 0..100_u32 {
        map.insert(i, i * i);
        queue.push_back(i as u8);
    }
    let shared = Arc::new_in([1_u8; 100], &POOL);
    assert_eq!(map.values().map(|&v| u64::from(v)).sum::<u64>(), 328_350);
    assert_eq!(queue.iter().map(|&v| u32::from(v)).sum::<u32>(), 4950);
    assert_eq!(shared.len(), 100);
    assert!(POOL.stats().in_use > 3);
    drop((map, queue, shared));
    assert_eq!(POOL.stats().in_use, 0);
}
