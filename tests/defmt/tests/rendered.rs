//! Values go through `defmt`'s encoder in this program, and through its decoder with the strings of this
//! program's ELF file. The result is the text that a reader of the log sees.
#![cfg(all(target_os = "linux", target_pointer_width = "64"))]
#![allow(missing_docs)]

mod support;

use framepool::{Burst, ConfigError, Exhausted, Pool, PoolAlloc, PoolConfig, StaticPool, Stride};
use support::render;

fn pool() -> Pool<'static> {
    Pool::allocate(PoolConfig::new(64, 8).stride(Stride::Exact)).unwrap()
}

#[test]
fn a_pool_its_handles_and_its_figures() {
    let pool = pool();
    let block = pool.alloc().unwrap();
    assert_eq!(render(&block), "Block { id: BlockId(0), len: 64 }");
    assert_eq!(render(block.id()), "BlockId(0)");
    let burst: Burst<'_, 4> = pool.alloc_burst(2).unwrap();
    assert_eq!(render(&burst), "Burst { ids: [2, 1] }");
    let mut rest = burst.into_iter();
    drop(rest.next());
    assert_eq!(render(&rest), "BurstIntoIter { ids: [1] }");
    let boxed = pool.alloc_value(-7_i16).unwrap();
    assert_eq!(render(&boxed), "-7");
    let stats = "Stats { capacity: 8, in_use: 3, free: 5, cached: 0, reserved: 0, peak: 3, waiting: 0, allocations: 4, \
                 frees: 1, exhaustions: 0, refusals: 0 }";
    assert_eq!(render(pool.stats()), stats);
    let text = format!("Pool {{ block_size: 64, stride: 64, capacity: 8, stats: {stats} }}");
    assert_eq!(render(&pool), text);
    let mut cache: framepool::Cache<'_, 16> = framepool::Cache::new(&pool);
    let block = cache.alloc().unwrap();
    cache.free(block).unwrap();
    assert_eq!(render(&cache), "Cache { capacity: 16, len: 1 }");
    let stats = "CacheStats { capacity: 16, len: 1, allocations: 1, frees: 1";
    assert!(render(cache.stats()).starts_with(stats));
}

#[test]
fn a_census() {
    let mut pool = pool();
    std::mem::forget(pool.alloc().unwrap());
    let census = pool.check().unwrap();
    let text =
        "Census { never_used: 7, stacked: 0, in_magazines: 0, raw: 0, reserved: 0, leaked: 1";
    assert!(render(census).starts_with(text), "{}", render(census));
}

#[test]
fn shapes_and_statics() {
    static MEMORY: StaticPool<128, 4> = StaticPool::new();
    assert_eq!(render(Stride::Bytes(96)), "Bytes(96)");
    let config = PoolConfig::new(2048, 16).align(64);
    assert_eq!(
        render(config),
        "PoolConfig { block_size: 2048, count: Some(16), align: Some(64), stride: Auto, \
         magazine: FromCapacity }"
    );
    let layout = "PoolLayout { block_size: 128, stride: 128, align: 64, capacity: 4, magazine: 4 }";
    assert_eq!(
        render(&MEMORY),
        format!("StaticPool {{ layout: {layout} }}")
    );
    assert_eq!(render(framepool::Align::<64>), "Align");

    framepool::pool!(static POOL: [64; 2]);
    let global = PoolAlloc::new(&POOL, std::alloc::System);
    assert!(render(&global).starts_with("PoolAlloc { pool: Pool { block_size: 64, "));
}

#[test]
fn errors_with_their_facts() {
    let pool = pool();
    let all: Vec<_> = (0..8).map(|_| pool.alloc().unwrap()).collect();
    let exhausted: Exhausted = pool.alloc().unwrap_err();
    assert_eq!(
        render(exhausted),
        "Exhausted { requested: 1, available: 0, cached: 0 }"
    );
    let refused = pool.alloc_value([0_u8; 65]).unwrap_err();
    assert_eq!(
        render(refused),
        "AllocValueError { reason: TooLarge { size: 65, block_size: 64 } }"
    );
    let reason = pool.alloc_value(1).unwrap_err().reason();
    assert_eq!(
        render(reason),
        "Exhausted(Exhausted { requested: 1, available: 0, cached: 0 })"
    );
    drop(all);

    let mut block = pool.alloc().unwrap();
    assert_eq!(
        render(block.write(&[0; 65]).unwrap_err()),
        "TooLong { len: 65, block_size: 64 }"
    );
    let other = self::pool();
    let wrong = other.free(block).unwrap_err();
    assert_eq!(render(&wrong), "WrongPool");
    let mut burst: Burst<'_, 1> = other.alloc_burst(1).unwrap();
    assert_eq!(
        render(burst.push(wrong.into_inner()).unwrap_err()),
        "WrongPool(Block { id: BlockId(7), len: 64 })"
    );
    assert_eq!(
        render(burst.push(other.alloc().unwrap()).unwrap_err()),
        "Full(Block { id: BlockId(1), len: 64 })"
    );
    assert_eq!(
        render(Pool::allocate(PoolConfig::new(0, 1)).unwrap_err()),
        "ZeroBlockSize"
    );
    assert_eq!(
        render(ConfigError::RegionTooSmall {
            required: 4096,
            available: 64
        }),
        "RegionTooSmall { required: 4096, available: 64 }"
    );
    assert_eq!(
        render(framepool::CheckError::Duplicate {
            id: framepool::BlockId(3)
        }),
        "Duplicate { id: BlockId(3) }"
    );
    framepool::pool!(static POOL: [64; 2]);
    let _held = POOL.alloc().unwrap();
    assert_eq!(
        render(POOL.reset_static().unwrap_err()),
        "ResetError { outstanding: 1 }"
    );
}

#[test]
fn refused_raw_returns_with_block_and_caller() {
    let pool = pool();
    let raw = pool.alloc().unwrap().into_raw();
    // SAFETY: a pointer into the block, refused; the block, freed; and again, refused.
    let (inside, again) = unsafe {
        let inside = pool.free_raw(raw.add(5)).unwrap_err();
        pool.free_raw(raw).unwrap();
        (inside, pool.free_raw(raw).unwrap_err())
    };
    assert_eq!(
        render(inside.kind()),
        "Interior { id: BlockId(0), offset: 5 }"
    );
    let line = again.caller().unwrap().line();
    assert_eq!(
        render(again),
        format!(
            "FreeError {{ kind: DoubleFree {{ id: BlockId(0) }}, caller: Some((\"{}\", {line})) }}",
            file!()
        )
    );
    let foreign = framepool::FreeErrorKind::ForeignAddress {
        addr: 0x12_3456_789A,
    };
    assert_eq!(
        render(foreign),
        "ForeignAddress { addr: 0x123456789a }",
        "not cut to 32 bits"
    );
}

#[test]
fn runs_of_pages() {
    use framepool::region::{PageRuns, PageWord, RunRequest};
    let mut memory = vec![std::mem::MaybeUninit::uninit(); 4096];
    let mut map = [PageWord::new()];
    let runs = PageRuns::with_map(&mut memory, 64, &mut map).unwrap();
    let run = runs.alloc(2).unwrap();
    assert_eq!(
        render(&run),
        "PageRun { first_page: 0, pages: 2, page_bytes: 64 }"
    );
    let stats = format!("stats: {} }}", render(runs.stats()));
    let text = render(&runs);
    assert!(text.starts_with("PageRuns { slack: "), "{text}");
    assert!(text.ends_with(&stats), "{text}");
    assert_eq!(render(PageWord::new()), "PageWord { taken: 0 }");
    let refused = runs.alloc_with(RunRequest::new(3).within(64)).unwrap_err();
    assert_eq!(
        render(refused),
        "BoundaryTooSmall { boundary: 64, run: 192 }"
    );
}
