//! The owner of each block: leaks and double frees are reported with file and line.

use std::thread;

use framepool::{AuditEvent, AuditKind, Block, BlockId, Burst, Cache, Holding, Pool, PoolConfig};

fn pool() -> Pool<'static> {
    Pool::allocate(PoolConfig::new(64, 32)).unwrap()
}

fn kinds(pool: &Pool<'_>, id: BlockId) -> Vec<AuditKind> {
    let history = pool.history(id).unwrap();
    history.iter().map(AuditEvent::kind).collect()
}

fn lines(pool: &Pool<'_>, id: BlockId) -> Vec<Option<u32>> {
    let history = pool.history(id).unwrap();
    history
        .iter()
        .map(|event| {
            event.caller().map(|at| {
                assert_eq!(at.file(), file!(), "{event}");
                at.line()
            })
        })
        .collect()
}

#[test]
fn a_leaked_block_is_named_with_its_owner_file_and_line() {
    let pool = pool();
    let mut line = 0;
    thread::scope(|scope| {
        let leak = || {
            line = line!() + 1;
            std::mem::forget(pool.alloc().unwrap());
        };
        let named = thread::Builder::new().name("leaky".into());
        named.spawn_scoped(scope, leak).unwrap();
    });
    drop(pool.alloc().unwrap());
    let report = pool.report();
    let [leaked] = report.outstanding().collect::<Vec<_>>().try_into().unwrap();
    let at = leaked.since().caller().unwrap();
    assert_eq!((at.file(), at.line()), (file!(), line));
    assert_eq!(leaked.since().thread().with_name(str::to_owned), "leaky");
    let text = report.to_string();
    assert!(
        text.starts_with("1 of 32 blocks are in use, 0 in caches, after "),
        "{text}"
    );
    let where_from = format!("(leaky) at {}:{line}:", file!());
    assert!(
        text.contains(&format!("{}: allocated by thread ", leaked.id())),
        "{text}"
    );
    assert!(text.contains(&where_from), "{text}");
}

#[test]
fn age_is_the_number_of_events_since() {
    let pool = pool();
    let held = pool.alloc().unwrap();
    for _ in 0..10 {
        drop(pool.alloc().unwrap());
    }
    let age = pool.report().outstanding().next().unwrap().age();
    // Other tests also cause events.
    assert!(age >= 20, "{age}");
    assert!(pool.report().events() >= 21);
    drop(held);
    assert_eq!(pool.report().outstanding().count(), 0);
}

#[test]
fn a_double_free_is_in_the_history_between_its_two_callers() {
    let pool = pool();
    let raw = pool.alloc().unwrap().into_raw();
    let id = BlockId(0);
    let first = line!() + 2;
    // SAFETY: from this pool, and used nowhere else; the second free is tested.
    unsafe { pool.free_raw(raw) }.unwrap();
    let second = line!() + 2;
    // SAFETY: as above.
    let error = unsafe { pool.free_raw(raw) }.unwrap_err();
    assert!(error.to_string().contains("double free"));
    use AuditKind::*;
    assert_eq!(
        kinds(&pool, id),
        [Allocated, IntoRaw, FreedRaw, RefusedFree]
    );
    assert_eq!(lines(&pool, id)[2..], [Some(first), Some(second)]);
    assert_eq!(
        pool.report().outstanding().count(),
        0,
        "a refusal moves nothing"
    );
    assert_eq!(pool.stats().refusals, 1);
}

#[test]
fn a_refusal_does_not_hide_the_owner() {
    let pool = pool();
    let block = pool.alloc().unwrap();
    let id = block.id();
    for _ in 0..100 {
        // SAFETY: refused: a handle owns the block.
        assert!(unsafe { pool.free_id(id) }.is_err());
    }
    let holding = pool.report().outstanding().next().unwrap();
    assert_eq!(holding.since().kind(), AuditKind::Allocated);
    assert_eq!(
        (holding.history().iter().count(), holding.history().total()),
        (8, 101)
    );
    drop(block);
}

#[test]
fn every_way_out_and_back_is_told_with_its_caller() {
    use AuditKind::*;
    let pool = pool();
    let id = BlockId(0);

    let block = pool.alloc().unwrap();
    let mut burst: Burst<'_, 4> = Burst::new(&pool);
    burst.push(block).unwrap();
    let block = burst.pop().unwrap();
    let name = block.into_id();
    // SAFETY: just made raw.
    let block = unsafe { pool.block_from_id(name) }.unwrap();
    pool.free(block).unwrap();
    assert_eq!(
        kinds(&pool, id),
        [Allocated, IntoBurst, FromBurst, IntoRaw, FromRaw, Freed]
    );
    assert!(lines(&pool, id).windows(2).all(|pair| pair[0] < pair[1]));

    drop(pool.alloc_value(7).unwrap());
    assert_eq!(kinds(&pool, id)[6..], [Allocated, Dropped]);
    assert_eq!(
        lines(&pool, id)[7],
        None,
        "a destructor does not know its caller"
    );

    pool.free_burst(pool.alloc_burst::<4>(2).unwrap()).unwrap();
    drop(pool.alloc_up_to::<4>(2));
    assert_eq!(
        kinds(&pool, id)[4..],
        [AllocatedInBurst, Freed, AllocatedInBurst, Dropped]
    );
    let lines = lines(&pool, id);
    assert!(
        lines[4].is_some() && lines[4] == lines[5] && lines[6] > lines[5] && lines[7].is_none()
    );
}

#[test]
fn a_burst_that_fails_is_no_event() {
    let pool = pool();
    let held = pool.alloc().unwrap();
    assert!(pool.alloc_burst::<32>(32).is_err());
    assert_eq!(pool.report().outstanding().count(), 1);
    assert_eq!(pool.history(BlockId(5)).unwrap().total(), 0);
    drop(held);
}

#[test]
fn caches_tell_what_they_draw_hand_out_take_back_and_give() {
    use AuditKind::*;
    let pool = pool();
    let mut cache: Cache<'_, 16> = Cache::new(&pool);
    let block = cache.alloc().unwrap();
    let id = block.id();
    assert_eq!(kinds(&pool, id), [Drawn, Allocated]);
    assert_eq!(pool.report().cached().count(), cache.len());
    cache.free(block).unwrap();
    assert_eq!(pool.report().outstanding().count(), 0);

    let mut burst: Burst<'_, 4> = cache.alloc_burst(4).unwrap();
    assert!(
        pool.report()
            .outstanding()
            .all(|held| held.since().kind() == AllocatedInBurst)
    );
    cache.drain_burst(&mut burst).unwrap();
    let burst: Burst<'_, 4> = cache.alloc_up_to(4);
    assert!(cache.free_burst(burst).is_ok());
    let array: [Block<'_>; 4] = cache.alloc_array().unwrap();
    assert!(cache.free_array(array).is_ok());
    let mut blocks: Vec<Block<'_>> = Vec::new();
    cache.alloc_into(&mut blocks, 8).unwrap();
    cache.free_from(&mut blocks).unwrap();
    drop(cache.alloc_value(1).unwrap());
    for held in pool.report().cached().chain(pool.report().outstanding()) {
        let places = lines(&pool, held.id());
        let drawn = kinds(&pool, held.id())
            .iter()
            .filter(|kind| **kind == Drawn)
            .count();
        let unknown = places.iter().filter(|line| line.is_none()).count();
        assert_eq!(
            unknown,
            drawn,
            "only what the cache does on its own: {}",
            held.history()
        );
    }
    drop(cache);
    assert_eq!(
        (pool.report().cached().count(), pool.stats().in_use),
        (0, 0)
    );
    assert_eq!(kinds(&pool, id).last(), Some(&Given));
}

#[test]
fn a_reset_reclaims_what_was_forgotten_and_keeps_the_history() {
    let mut pool = pool();
    std::mem::forget(pool.alloc().unwrap());
    std::mem::forget(pool.cache().alloc().unwrap());
    let raw = pool.alloc().unwrap().into_id();
    assert!(pool.reset().is_err());
    assert_eq!(
        pool.report().outstanding().count(),
        3,
        "a refused reset changes nothing"
    );
    // SAFETY: just made raw.
    unsafe { pool.free_id(raw) }.unwrap();
    pool.reset().unwrap();
    assert_eq!(pool.report().outstanding().count(), 0);
    assert_eq!(
        kinds(&pool, BlockId(0)),
        [AuditKind::Allocated, AuditKind::Reset]
    );
}

#[test]
fn a_static_pool_that_will_not_reset_says_who_is_in_the_way() {
    framepool::pool!(static POOL: [64; 16]);
    let held = POOL.alloc().unwrap();
    let mut cache = POOL.cache();
    drop(cache.alloc().unwrap());
    let outstanding = POOL.reset_static().unwrap_err().outstanding;
    let report = POOL.report();
    assert_eq!(
        report.outstanding().count() + report.cached().count(),
        outstanding
    );
    drop((held, cache));
    assert!(POOL.reset_static().is_ok());
}

#[cfg(feature = "allocator-api2")]
#[test]
fn memory_of_a_collection_is_named_by_whoever_asked_the_allocator() {
    use allocator_api2::alloc::Allocator;
    let pool = pool();
    let layout = core::alloc::Layout::new::<u64>();
    let line = line!() + 1;
    let at = (&pool).allocate(layout).unwrap();
    let held = pool.report().outstanding().next().unwrap();
    assert_eq!(held.since().kind(), AuditKind::AllocatedAsMemory);
    assert_eq!(held.since().caller().unwrap().line(), line);
    // SAFETY: just allocated, with this layout.
    unsafe { (&pool).deallocate(at.cast(), layout) };
    assert_eq!(pool.report().outstanding().count(), 0);
}

#[test]
fn the_thread_local_caches_name_their_callers() {
    framepool::pool!(static POOL: [64; 16]);
    let line = line!() + 1;
    let block = POOL.local_alloc().unwrap();
    let held = POOL.report().outstanding().next().unwrap();
    assert_eq!(held.since().caller().unwrap().line(), line);
    POOL.local_free(block).unwrap();
    assert_eq!(lines(&POOL, BlockId(0)).last(), Some(&Some(line!() - 1)));
    POOL.local_flush();
}

#[test]
fn the_books_of_the_audit_and_of_the_pool_agree_after_a_storm() {
    let rounds = if cfg!(miri) { 8 } else { 5_000 };
    let mut pool = Pool::allocate(PoolConfig::new(64, 64).magazine(8)).unwrap();
    thread::scope(|scope| {
        for who in 0..4_u32 {
            let pool = &pool;
            scope.spawn(move || {
                let mut cache: Cache<'_, 16> = Cache::new(pool);
                let mut random = who;
                for _ in 0..rounds {
                    random = random.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                    match random >> 30 {
                        0 => drop(pool.alloc()),
                        1 => drop(cache.alloc_up_to::<8>((random >> 20) as usize % 9)),
                        2 => drop(cache.alloc().map(|block| cache.free(block))),
                        _ if random % 32 == 0 => drop(pool.report().to_string()),
                        _ => drop(cache.alloc().and_then(|_| pool.alloc())),
                    }
                }
                // Every thread leaks one.
                std::mem::forget(cache.alloc().or_else(|_| pool.alloc()));
            });
        }
    });
    let report = pool.report();
    assert_eq!(report.outstanding().count() as u64, pool.stats().in_use);
    assert_eq!((report.cached().count(), report.lost()), (0, 0));
    let leaked: Vec<Holding> = report.outstanding().collect();
    let mut threads: Vec<_> = leaked
        .iter()
        .map(|held| held.since().thread().number())
        .collect();
    threads.sort_unstable();
    threads.dedup();
    assert_eq!((leaked.len(), threads.len()), (4, 4));
    assert_eq!(pool.check().unwrap().leaked, 4);
}
