//! Wrong arguments and wrong returns: each has a documented result, nothing aborts, and no block is lost.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::ptr::NonNull;
use std::sync::atomic::AtomicPtr;

use framepool::{
    AllocManyError, AllocValueReason, BlockId, Burst, Cache, CheckError, ConfigError, Exhausted,
    FreeErrorKind, Pool, PoolConfig, PushError, ReserveError, StaticPool, Stride,
};

framepool::pool!(static ONE: [64; 8]);
framepool::pool!(static TWO: [64; 8]);

fn refused(config: PoolConfig) -> ConfigError {
    let mut region = Box::new_uninit_slice(1 << 16);
    let error = Pool::new(&mut region, config).unwrap_err();
    assert!(!error.to_string().is_empty());
    error
}

#[test]
fn sizes_of_zero_are_refused() {
    assert_eq!(refused(PoolConfig::new(0, 4)), ConfigError::ZeroBlockSize);
    assert_eq!(refused(PoolConfig::fill(0)), ConfigError::ZeroBlockSize);
    assert_eq!(refused(PoolConfig::new(64, 0)), ConfigError::ZeroBlocks);
    assert_eq!(PoolConfig::fill(64).layout(), Err(ConfigError::ZeroBlocks));
}

#[test]
fn sizes_that_overflow_are_refused() {
    assert!(matches!(
        refused(PoolConfig::new(usize::MAX, 1)),
        ConfigError::BlockTooLarge { .. }
    ));
    assert!(matches!(
        refused(PoolConfig::new(64, usize::MAX)),
        ConfigError::TooManyBlocks { .. }
    ));
    // The product overflows on 32-bit targets. On 64-bit ones even the most of the largest blocks have a size,
    // and one block more has no name.
    let stride = Stride::Bytes(1 << 31);
    let config = |many| PoolConfig::new(1 << 31, many).align(1).stride(stride);
    if cfg!(target_pointer_width = "64") {
        let most = 4_294_967_229;
        assert!(
            config(most)
                .layout()
                .is_ok_and(|layout| layout.size() < isize::MAX as usize)
        );
        assert!(matches!(
            config(most + 1).layout(),
            Err(ConfigError::TooManyBlocks { .. })
        ));
    } else {
        assert!(matches!(
            config(32_767).layout(),
            Err(ConfigError::Overflow { .. })
        ));
    }
    if let Some(stride) = 1usize.checked_shl(40) {
        let config = PoolConfig::new(64, 4).stride(Stride::Bytes(stride));
        assert!(matches!(refused(config), ConfigError::BlockTooLarge { .. }));
    }
}

#[test]
fn alignments_and_strides_that_cannot_be_are_refused() {
    for align in [0, 3, 48, usize::MAX] {
        let error = refused(PoolConfig::new(64, 4).align(align));
        assert!(matches!(error, ConfigError::BadAlign { asked, .. } if asked == align));
    }
    let error = refused(PoolConfig::new(64, 4).stride(Stride::Bytes(32)));
    assert!(matches!(
        error,
        ConfigError::BadStride {
            stride: 32,
            block_size: 64,
            ..
        }
    ));
    let error = refused(PoolConfig::new(64, 4).align(64).stride(Stride::Bytes(96)));
    assert!(matches!(
        error,
        ConfigError::BadStride {
            stride: 96,
            align: 64,
            ..
        }
    ));
    for magazine in [0, 4097, usize::MAX] {
        let error = refused(PoolConfig::new(64, 4).magazine(magazine));
        assert!(matches!(error, ConfigError::BadMagazine { asked, .. } if asked == magazine));
    }
}

#[test]
fn regions_too_small_are_refused_with_what_was_needed() {
    for len in [0, 1, 63, 64, 200, 500] {
        let mut region = Box::new_uninit_slice(len);
        for config in [PoolConfig::new(64, 8), PoolConfig::fill(512)] {
            match Pool::new(&mut region, config) {
                Err(ConfigError::RegionTooSmall {
                    required,
                    available,
                }) => {
                    assert!(required > available && available == len);
                }
                Ok(pool) => panic!("{pool:?} in {len} bytes"),
                Err(e) => panic!("{e}"),
            }
        }
    }
    // The required size in the error is enough.
    let mut region = Box::new_uninit_slice(4096);
    let region = &mut region[1..];
    let Err(ConfigError::RegionTooSmall { required, .. }) =
        Pool::new(&mut region[..64], PoolConfig::new(64, 8))
    else {
        panic!("eight blocks of 64 bytes in 64 bytes");
    };
    assert!(Pool::new(&mut region[..required], PoolConfig::new(64, 8)).is_ok());
    assert!(Pool::new(&mut region[..required - 1], PoolConfig::new(64, 8)).is_err());
}

#[test]
fn regions_that_start_anywhere_are_accepted_and_their_slack_is_told() {
    let mut region = Box::new_uninit_slice(8192);
    for start in 0..130 {
        let part = &mut region[start..];
        let len = part.len();
        let mut pool = Pool::new(part, PoolConfig::fill(100).align(64)).unwrap();
        assert_eq!(pool.alloc().unwrap().addr() % 64, 0);
        let used = pool.blocks_len()
            + PoolConfig::new(100, pool.capacity())
                .align(64)
                .layout()
                .unwrap()
                .metadata_size();
        assert_eq!(pool.slack(), len - used);
        assert!(pool.slack() < 128 + 2 * 64 + 136, "{}", pool.slack());
        pool.check().unwrap();
    }
}

#[test]
fn blocks_and_metadata_may_lie_apart() {
    let config = PoolConfig::new(256, 16);
    let metadata_size = config.layout().unwrap().metadata_size();
    let (mut blocks, mut metadata) = (
        Box::new_uninit_slice(256 * 17 + 64),
        Box::new_uninit_slice(metadata_size + 64),
    );
    let mut pool = Pool::from_parts(&mut blocks, &mut metadata, config).unwrap();
    let held: Vec<_> = (0..16).map(|_| pool.alloc().unwrap()).collect();
    drop(held);
    assert_eq!(pool.check().unwrap().free(), 16);
    drop(pool);
    let error =
        Pool::from_parts(&mut blocks, &mut metadata[..metadata_size - 1], config).unwrap_err();
    assert!(matches!(error, ConfigError::RegionTooSmall { .. }));
    let error = Pool::from_parts(&mut blocks[..1000], &mut metadata, config).unwrap_err();
    assert!(matches!(
        error,
        ConfigError::RegionTooSmall {
            available: 1000,
            ..
        }
    ));
}

#[test]
fn foreign_interior_and_doubly_freed_pointers_are_refused_with_the_reason() {
    let mut pool = Pool::allocate(PoolConfig::new(100, 4).align(64)).unwrap();
    let other = Pool::allocate(PoolConfig::new(100, 4)).unwrap();
    let held = pool.alloc().unwrap();
    let raw = pool.alloc().unwrap().into_raw();
    assert_eq!(pool.raw_out(), 1);
    // SAFETY: no other code has `raw`, and every other address is refused with an error.
    unsafe {
        let foreign = other.alloc().unwrap();
        let foreign = NonNull::new(foreign.as_ptr().cast_mut()).unwrap();
        let error = pool.free_raw(foreign).unwrap_err();
        assert!(matches!(error.kind(), FreeErrorKind::ForeignAddress { .. }));
        assert_eq!(error.caller().is_some(), cfg!(debug_assertions));
        if let Some(caller) = error.caller() {
            assert!(caller.file().ends_with("bad_input.rs"));
        }
        let error = pool.free_raw(raw.add(1)).unwrap_err();
        assert!(matches!(
            error.kind(),
            FreeErrorKind::Interior { offset: 1, .. }
        ));
        let padding = raw.add(110);
        let error = pool.free_raw(padding).unwrap_err();
        assert!(matches!(error.kind(), FreeErrorKind::ForeignAddress { .. }));
        let owned = NonNull::new(held.as_ptr().cast_mut()).unwrap();
        let error = pool.free_raw(owned).unwrap_err();
        assert!(
            matches!(error.kind(), FreeErrorKind::DoubleFree { .. }),
            "a handle owns it"
        );
        pool.free_raw(raw).unwrap();
        let error = pool.free_raw(raw).unwrap_err();
        assert_eq!(error.kind(), FreeErrorKind::DoubleFree { id: BlockId(1) });
        assert!(error.to_string().contains("block 1"), "{error}");
        let error = pool.free_id(BlockId(4)).unwrap_err();
        assert_eq!(
            error.kind(),
            FreeErrorKind::ForeignId {
                id: BlockId(4),
                capacity: 4
            }
        );
        let error = pool.free_id(BlockId(3)).unwrap_err();
        assert_eq!(
            error.kind(),
            FreeErrorKind::DoubleFree { id: BlockId(3) },
            "never handed out"
        );
        assert!(pool.block_from_id(BlockId(u32::MAX)).is_err());
        assert!(pool.block_from_raw(raw).is_err());
    }
    assert_eq!(pool.stats().refusals, 9);
    assert_eq!((pool.stats().in_use, pool.raw_out()), (1, 0));
    drop(held);
    assert_eq!(pool.check().unwrap().free(), 4);
}

#[test]
fn raw_blocks_come_back_as_handles_from_any_thread() {
    let mut pool = Pool::allocate(PoolConfig::new(64, 4)).unwrap();
    let id = pool.alloc().unwrap().into_id();
    let mut block = pool.alloc().unwrap();
    block.write(b"raw").unwrap();
    // A pointer does not cross threads by itself.
    let raw = AtomicPtr::new(block.into_raw().as_ptr());
    std::thread::scope(|scope| {
        let pool = &pool;
        scope.spawn(move || {
            let raw = NonNull::new(raw.into_inner()).unwrap();
            // SAFETY: only this thread has the pointer and the name; the bytes were written.
            unsafe {
                let block = pool.block_from_raw(raw).unwrap();
                assert_eq!(block.assume_init(3), b"raw");
                pool.free_id(id).unwrap();
            }
        });
    });
    assert_eq!(pool.check().unwrap().free(), 4);
}

#[test]
fn reset_is_refused_while_raw_blocks_are_out() {
    let mut pool = Pool::allocate(PoolConfig::new(64, 4)).unwrap();
    let id = pool.alloc().unwrap().into_id();
    assert_eq!(pool.reset().unwrap_err().outstanding, 1);
    assert_eq!(pool.check().unwrap().raw, 1);
    // SAFETY: no other code has it.
    unsafe { pool.free_id(id) }.unwrap();
    pool.reset().unwrap();
}

#[test]
fn a_block_freed_into_another_pools_cache_comes_back() {
    let mut cache = ONE.cache();
    let block = TWO.alloc().unwrap();
    let id = block.id();
    let block = cache.free(block).unwrap_err().into_inner();
    assert_eq!(block.id(), id);
    let block = ONE.free(block).unwrap_err().into_inner();
    let burst: Burst<'_, 4> = TWO.alloc_burst(3).unwrap();
    let burst = cache.free_burst(burst).unwrap_err().into_inner();
    let burst = ONE.free_burst(burst).unwrap_err().into_inner();
    assert_eq!(burst.len(), 3);
    let mixed = [ONE.alloc().unwrap(), block];
    let [one, block] = cache.free_array(mixed).unwrap_err().into_inner();
    let mut burst: Burst<'_, 2> = ONE.alloc_burst(1).unwrap();
    let block = match burst.push(block).unwrap_err() {
        PushError::WrongPool(block) => block,
        PushError::Full(_) => panic!("it had room"),
    };
    burst.push(one).unwrap();
    let full = burst.push(ONE.alloc().unwrap()).unwrap_err();
    assert!(matches!(full, PushError::Full(_)));
    assert_eq!(cache.stats().refusals, 3);
    assert!(TWO.free(block).is_ok());
}

#[test]
fn a_second_descriptor_of_a_static_is_alone_with_nothing() {
    // The function that `pool!` calls is safe, so users may call it again.
    static MEMORY: StaticPool<64, 4> = StaticPool::new();
    let mut second = framepool::pool::static_pool(&MEMORY);
    let first = framepool::pool::static_pool(&MEMORY);
    let block = first.alloc().unwrap();
    assert!(matches!(second.check(), Err(CheckError::Shared)));
    assert_eq!(second.reset().unwrap_err().outstanding, 1);
    let block = second.free(block).unwrap_err().into_inner();
    drop(block);
    second.reset().unwrap();
    drop(second);
    assert_eq!(first.available(), 4);
}

#[test]
fn a_reset_that_fails_leaves_the_peak_alone() {
    let pool = Pool::allocate(PoolConfig::new(8, 1000)).unwrap();
    static MEMORY: StaticPool<64, 8> = StaticPool::new();
    let mut small = framepool::pool::static_pool(&MEMORY);
    let held = [0; 2].map(|_| small.alloc().unwrap().into_id());
    assert_eq!(small.reset().unwrap_err().outstanding, 2);
    drop(small.alloc().unwrap());
    assert_eq!(small.stats().peak, 3);
    for id in held {
        // SAFETY: used nowhere else.
        unsafe { small.free_id(id) }.unwrap();
    }
    pool.prefault();
    assert_eq!(pool.stats().peak, 0);
}

/// A worker that does not access the depot for 2^32 allocations: the overflow of its counter must not
/// affect the bounds of the array. Takes a quarter of a second in optimised code.
#[test]
fn a_count_of_allocations_that_runs_over_guards_nothing() {
    if cfg!(any(miri, debug_assertions)) {
        return;
    }
    let pool = Pool::allocate(PoolConfig::new(8, 8192)).unwrap();
    let mut cache: Cache<'_, 1024> = Cache::new(&pool);
    let mut burst: Burst<'_, 512> = cache.alloc_burst(512).unwrap();
    let rounds = (1u64 << 32) / 512 + 10;
    for _ in 1..rounds {
        assert!(cache.drain_burst(&mut burst).is_ok());
        assert!(cache.len() <= 1024);
        burst = cache.alloc_burst(512).unwrap();
    }
    assert_eq!(cache.stats().allocations, rounds * 512);
}

#[test]
fn alignments_near_the_address_space_are_refused_or_kept() {
    for bits in 20..usize::BITS {
        match PoolConfig::new(1, 1).align(1 << bits).layout() {
            Ok(layout) => assert!(layout.size() <= isize::MAX as usize),
            Err(e) => assert!(!e.to_string().is_empty()),
        }
    }
}

#[test]
fn vectors_and_drained_bursts_of_another_pool_keep_their_blocks() {
    let one = Pool::allocate(PoolConfig::new(8, 8)).unwrap();
    let two = Pool::allocate(PoolConfig::new(8, 8)).unwrap();
    let mut cache = one.cache();
    let mut burst: Burst<'_, 4> = two.alloc_burst(3).unwrap();
    assert!(cache.drain_burst(&mut burst).is_err());
    assert_eq!(burst.len(), 3);
    let mut mixed: Vec<_> = burst.into_iter().collect();
    let foreign: Vec<_> = mixed.iter().map(|block| block.id()).collect();
    cache.alloc_into(&mut mixed, 2).unwrap();
    let (len, refusals) = (cache.len(), cache.stats().refusals);
    assert_eq!(cache.free_from(&mut mixed).unwrap_err().into_inner(), 3);
    assert_eq!((mixed.len(), cache.len()), (5, len));
    assert_eq!(cache.stats().refusals, refusals + 1);
    let own = mixed.split_off(3);
    assert!(mixed.iter().map(|block| block.id()).eq(foreign));
    assert!(own.iter().all(|block| core::ptr::eq(block.pool(), &one)));
}

#[test]
fn vectors_longer_than_the_cache_go_back_whole_or_not_at_all() {
    let pool = Pool::allocate(PoolConfig::new(8, 64)).unwrap();
    let other = Pool::allocate(PoolConfig::new(8, 1)).unwrap();
    let mut cache: Cache<'_, 4> = Cache::new(&pool);
    let mut blocks: Vec<_> = std::iter::from_fn(|| pool.alloc().ok()).collect();
    blocks.push(other.alloc().unwrap());
    assert_eq!(cache.free_from(&mut blocks).unwrap_err().into_inner(), 1);
    assert_eq!((blocks.len(), cache.len()), (65, 0));
    drop(blocks.pop());
    assert!(cache.free_from(&mut blocks).is_ok());
    assert!(blocks.is_empty());
    let error = cache.alloc_into(&mut blocks, 5).unwrap_err();
    assert_eq!(error, too_many(5, 4), "a cache of 4 holds no 5");
    assert!(blocks.is_empty());
}

fn too_many(requested: usize, limit: usize) -> AllocManyError {
    AllocManyError::TooMany { requested, limit }
}

fn exhausted(error: AllocManyError) -> Exhausted {
    match error {
        AllocManyError::Exhausted(e) => e,
        error => panic!("{error}"),
    }
}

#[test]
fn more_blocks_than_fit_are_refused_and_the_limit_is_named() {
    let pool = Pool::allocate(PoolConfig::new(64, 56)).unwrap();
    let mut cache: Cache<'_, 16> = Cache::new(&pool);
    assert_eq!(pool.alloc_burst::<8>(9).unwrap_err(), too_many(9, 8));
    assert_eq!(cache.alloc_burst::<8>(9).unwrap_err(), too_many(9, 8));
    let mut vector = Vec::new();
    let error = cache.alloc_into(&mut vector, 17).unwrap_err();
    assert_eq!(error, too_many(17, 16));
    assert_eq!(
        error.to_string(),
        "17 blocks requested at once, at most 16 fit"
    );
    let (of_cache, of_pool) = (cache.stats(), pool.stats());
    assert_eq!((of_cache.exhaustions, of_cache.refusals), (0, 2));
    assert_eq!((of_pool.exhaustions, of_pool.refusals), (0, 3));
    assert_eq!(
        (cache.len(), of_cache.refills, pool.available()),
        (0, 0, 56)
    );
    // These results do not depend on the pool's contents.
    let _all: Vec<_> = std::iter::from_fn(|| pool.alloc().ok()).collect();
    assert_eq!(pool.alloc_burst::<8>(9).unwrap_err(), too_many(9, 8));
}

#[test]
fn exhaustion_tells_what_is_free_and_what_is_cached_and_does_not_wrap() {
    let pool = Pool::allocate(PoolConfig::new(64, 64)).unwrap();
    let mut cache = pool.cache();
    let mut all: Vec<_> = std::iter::from_fn(|| pool.alloc().ok()).collect();
    // Fills the cache and makes it access the depot.
    for block in all.drain(..17) {
        assert!(cache.free(block).is_ok());
    }
    let told = pool.stats().cached as usize;
    assert!(told > 0);
    let error = exhausted(pool.alloc_burst::<64>(60).unwrap_err());
    let numbers = (error.requested(), error.available(), error.cached());
    assert_eq!(numbers, (60, pool.available(), told));
    assert_eq!(
        error.to_string(),
        format!(
            "pool exhausted: 60 requested, {} free, {told} in caches",
            pool.available()
        )
    );
    assert!(format!("{error:?}").contains(&format!("cached: {told}, ")));
    let ReserveError::Exhausted(error) = pool.reserve(usize::MAX).unwrap_err() else {
        panic!("no memory holds that many");
    };
    assert_eq!((error.requested(), error.cached()), (Exhausted::MAX, told));
    let or_more = format!("{} or more requested", Exhausted::MAX);
    assert!(error.to_string().contains(&or_more));
    // An error larger than a block would slow every allocation down.
    assert_eq!(size_of::<Exhausted>(), 8);
    #[cfg(target_pointer_width = "64")]
    assert_eq!(size_of::<Result<framepool::Block<'_>, Exhausted>>(), 16);
}

#[test]
fn bursts_are_all_or_nothing_and_say_what_was_there() {
    let mut pool = Pool::allocate(PoolConfig::new(64, 10)).unwrap();
    let mut cache: Cache<'_, 16> = Cache::new(&pool);
    let error = exhausted(pool.alloc_burst::<16>(11).unwrap_err());
    assert_eq!((error.requested(), error.available()), (11, 10));
    let error = exhausted(cache.alloc_burst::<16>(11).unwrap_err());
    assert_eq!((error.requested(), error.available()), (11, 10));
    assert!(cache.alloc_array::<11>().is_err());
    assert_eq!(cache.stats().exhaustions, 2);
    let all: Burst<'_, 16> = cache.alloc_up_to(16);
    assert_eq!(all.len(), 10);
    assert!(cache.alloc_up_to::<16>(1).is_empty());
    assert!(pool.alloc_up_to::<16>(1).is_empty());
    assert_eq!(pool.stats().exhaustions, 5);
    assert!(
        cache.alloc_burst::<4>(0).unwrap().is_empty(),
        "none is always there"
    );
    drop((all, cache));
    let stats = pool.stats();
    assert_eq!(
        (stats.allocations, stats.frees),
        (10, 10),
        "failures are no allocations"
    );
    assert_eq!(pool.check().unwrap().free(), 10);
}

#[test]
fn writes_past_the_end_are_refused() {
    let pool = Pool::allocate(PoolConfig::new(8, 1)).unwrap();
    let mut block = pool.alloc().unwrap();
    let error = block.write(&[0; 9]).unwrap_err();
    assert_eq!((error.len, error.block_size), (9, 8));
    assert_eq!(block.write(&[7; 8]).unwrap().len(), 8);
    // SAFETY: written; the length is cut to the block's.
    assert_eq!(unsafe { block.assume_init(1000) }, [7; 8]);
}

#[test]
fn values_that_do_not_fit_come_back() {
    #[repr(align(128))]
    #[derive(Debug)]
    struct Strict(#[allow(dead_code)] u8);

    let pool = Pool::allocate(PoolConfig::new(64, 1)).unwrap();
    let error = pool.alloc_value([7u8; 65]).unwrap_err();
    assert!(matches!(
        error.reason(),
        AllocValueReason::TooLarge {
            size: 65,
            block_size: 64
        }
    ));
    assert_eq!(error.into_inner(), [7; 65]);
    let wide = Pool::allocate(PoolConfig::new(256, 1)).unwrap();
    let error = wide.alloc_value(Strict(1)).unwrap_err();
    assert!(matches!(
        error.reason(),
        AllocValueReason::Overaligned { align: 128, block_align }
            if block_align == wide.block_align()
    ));
    let boxed = pool.alloc_value(String::from("first")).unwrap();
    let error = pool.alloc_value(String::from("second")).unwrap_err();
    assert!(matches!(error.reason(), AllocValueReason::Exhausted(_)));
    assert_eq!(error.into_inner(), "second");
    assert_eq!(boxed.into_inner(), "first");
    assert_eq!(pool.stats().in_use, 0);
    // A value of size 0 also takes a block, because a box is a block.
    let unit = pool.alloc_value(()).unwrap();
    assert_eq!(pool.stats().in_use, 1);
    drop(unit);
}

struct PanicsOnDrop<'a>(&'a std::cell::Cell<u32>);

impl Drop for PanicsOnDrop<'_> {
    fn drop(&mut self) {
        self.0.set(self.0.get() + 1);
        panic!("on purpose");
    }
}

#[test]
fn a_panic_in_a_boxed_values_destructor_loses_no_block() {
    let mut pool = Pool::allocate(PoolConfig::new(64, 2)).unwrap();
    let drops = std::cell::Cell::new(0);
    for round in 1..=5 {
        let boxed = pool.alloc_value(PanicsOnDrop(&drops)).unwrap();
        let unwound = catch_unwind(AssertUnwindSafe(|| drop(boxed)));
        assert!(unwound.is_err());
        assert_eq!(drops.get(), round, "the destructor ran once");
        assert_eq!(pool.stats().in_use, 0);
    }
    assert_eq!(pool.check().unwrap().free(), 2);
}

#[test]
fn blocks_freed_by_a_thread_that_never_allocated_are_home() {
    let mut pool = Pool::allocate(PoolConfig::new(64, 600)).unwrap();
    std::thread::scope(|scope| {
        let pool = &pool;
        let mut cache = pool.cache();
        let blocks: Vec<_> = (0..600).map(|_| cache.alloc().unwrap()).collect();
        scope.spawn(move || {
            let mut cache = pool.cache();
            for block in blocks {
                assert!(cache.free(block).is_ok());
            }
        });
    });
    assert_eq!(pool.stats().in_use, 0);
    assert_eq!(pool.check().unwrap().free(), 600);
}

#[test]
fn offsets_lead_back_to_blocks() {
    let pool = Pool::allocate(
        PoolConfig::new(2000, 16)
            .align(16)
            .stride(Stride::Bytes(2048)),
    )
    .unwrap();
    let block = pool.alloc_burst::<16>(16).unwrap();
    for i in 0..16 {
        let offset = block.offset(i).unwrap();
        assert_eq!(
            pool.id_at_offset(offset + 0x100),
            block.id(i),
            "headroom and all"
        );
        assert_eq!(pool.id_at_offset(offset + 2000), None, "padding");
    }
    assert_eq!(pool.id_at_offset(16 * 2048), None);
    assert_eq!(pool.id_at_offset(usize::MAX), None);
    assert_eq!(block.offset(16), None);
    assert!(block.block(16).is_none());
}

#[test]
fn check_names_a_block_that_a_stray_write_put_in_two_places() {
    let config = PoolConfig::new(64, 8);
    let layout = config.layout().unwrap();
    let mut region = Box::<[u8]>::new_uninit_slice(layout.size() + 64);
    let start = NonNull::new(region.as_mut_ptr().cast::<u8>()).unwrap();
    // SAFETY: the vector outlives the pool. The stray write below is the test, and no code uses the pool
    // meanwhile.
    unsafe {
        let mut pool = Pool::from_raw(start, region.len(), config).unwrap();
        let blocks: Vec<_> = (0..4).map(|_| pool.alloc().unwrap()).collect();
        drop(blocks);
        pool.check().unwrap();
        // The links are the last line before the magazines. Block 0 becomes its own successor.
        let line = if cfg!(target_pointer_width = "64") {
            64
        } else {
            32
        };
        let metadata = pool.blocks_ptr().as_ptr().add(64 * 8);
        let links = metadata
            .add(layout.metadata_size() - 8 * 4 - line)
            .cast::<u32>();
        let before: Vec<u32> = (0..4).map(|i| links.add(i).read()).collect();
        assert_eq!(before, [0, 1, 2, 3], "block i lies on block i - 1");
        links.write(4);
        assert!(pool.check().is_err());
        links.write(100);
        assert!(pool.check().is_err());
        links.write(0);
        pool.check().unwrap();
    }
}
