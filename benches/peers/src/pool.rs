//! Benches on one core: `pool/…` and `shared/…`.
//!
//! | bench | one iteration | operations counted |
//! |---|---|---|
//! | `pool/lifo`, `shared/lifo` | allocate one block, free it | 1 |
//! | `pool/batch32` | allocate 32 blocks one by one, then free them one by one | 32 |
//! | `pool/burst32/…` | allocate 32 blocks at once, free them at once; `touched`: write 8 bytes of each | 32 |
//! | `pool/random1024` | allocate 1024 one by one, then free them one by one in random order | 1024 |
//! | `pool/random1024/burst` | allocate 1024 in bursts of 32, then free them in bursts of 32 blocks picked in random order | 1024 |
//! | `pool/random1024/burst/whole` | the same, but free each burst as it was allocated, in random order of the bursts | 1024 |
//! | `pool/line_write` | one block out, one word of each of its 32 cache lines written, and the block back | 1 |
//! | `pool/size/…` | on pools of 64-byte blocks whose free blocks are in random order: lifo, random1024, and rotate, where a quarter of the pool is in use and each block taken replaces the oldest | 1, 1024, 1 |
//!
//! One operation is one block out *and* back. In `pool/size` the ratio is to the pool of 1k blocks: near 1 if
//! the cost does not grow. (In rotate the table of handles grows too: to 4 MiB for the largest pool.)

use std::cell::OnceCell;
use std::mem::{self, MaybeUninit};

use crossbeam_queue::ArrayQueue;
use framepool::{Block, Burst, Cache, Pool};
use opool::LocalPool;

use crate::contenders::*;
#[cfg(feature = "dpdk")]
use crate::dpdk::Mempool;
use crate::harness::{Bench, FRAMEPOOL, Group, Row, escape, run_each, shuffle, shuffled};
use crate::options::Options;

/// The number of blocks in use in the random benches.
pub const LIVE: usize = 1024;
/// The number of blocks in a burst.
pub const BURST: usize = 32;

/// The pools of all contenders, made once.
pub struct Fixtures {
    pub frames: Pool<'static>,
    /// For `pool/size`, made when it runs: a pool for each size and loop.
    sizes: OnceCell<Vec<SizedPools>>,
    huge: bool,
    opool: LocalPool<Boxes, Box<Bytes>>,
    queue: ArrayQueue<Pointer>,
    pub order: [u16; LIVE],
    bursts: [u16; LIVE / BURST],
    #[cfg(feature = "dpdk")]
    pub dpdk: Vec<(&'static str, Mempool)>,
}

/// Pools of one size, for lifo, random and rotate.
struct SizedPools {
    name: &'static str,
    pools: [Pool<'static>; 3],
}

impl SizedPools {
    fn new(name: &'static str, count: usize, huge: bool) -> Self {
        let pool = || {
            let pool = framepool(64, count, huge).expect("memory for 64-byte blocks");
            let mut blocks = Vec::with_capacity(count);
            while let Ok(block) = pool.alloc() {
                blocks.push(block);
            }
            shuffle(&mut blocks);
            let mut cache = pool.cache();
            for block in blocks {
                assert!(cache.free(block).is_ok());
            }
            drop(cache);
            pool
        };
        Self {
            name,
            pools: [pool(), pool(), pool()],
        }
    }
}

impl Fixtures {
    pub fn new(options: &Options) -> Result<Self, String> {
        let huge = options.huge_dir.is_some();
        fill_heapless(BLOCKS);
        Ok(Self {
            frames: framepool(BLOCK, BLOCKS, huge)?,
            sizes: OnceCell::new(),
            huge,
            opool: LocalPool::new_prefilled(BLOCKS, Boxes),
            queue: queue(BLOCKS),
            order: shuffled(),
            bursts: shuffled(),
            // One less than a power of two: the capacity of an rte_ring.
            #[cfg(feature = "dpdk")]
            dpdk: vec![
                ("dpdk-c256", Mempool::new(BLOCKS - 1, BLOCK, 256)?),
                ("dpdk-c512", Mempool::new(BLOCKS - 1, BLOCK, 512)?),
                (
                    "dpdk-c512-own",
                    Mempool::new(BLOCKS - 1, BLOCK, 0)?.with_cache(512)?,
                ),
                ("dpdk-nocache", Mempool::new(BLOCKS - 1, BLOCK, 0)?),
            ],
        })
    }
}

/// The benches, in the order in which they run.
pub const BENCHES: &[Bench<Fixtures>] = &[
    ("pool/lifo", |f, g| singles::<Lifo>(f, g)),
    ("pool/batch32", |f, g| singles::<Batch32>(f, g)),
    ("pool/burst32/ids", |f, g| burst32(f, g, IDS)),
    ("pool/burst32/ids/touched", |f, g| {
        burst32(f, g, IDS_TOUCHED)
    }),
    ("pool/burst32/handles", |f, g| burst32(f, g, HANDLES)),
    ("pool/burst32/handles/touched", |f, g| {
        burst32(f, g, HANDLES_TOUCHED)
    }),
    ("pool/random1024", |f, g| singles::<Random1024>(f, g)),
    ("pool/random1024/burst", random_mixed),
    ("pool/random1024/burst/whole", random_whole),
    ("pool/line_write", |f, g| singles::<LineWrite>(f, g)),
    // Always measured together.
    ("pool/size/1k pool/size/64k pool/size/1m", sizes),
    ("shared/lifo", shared_lifo),
];

/// One run of the benches that the options select.
pub fn run(fixtures: &Fixtures, options: &Options) -> Vec<Row> {
    run_each(BENCHES, fixtures, options)
}

/// A loop over single blocks.
trait Loop: 'static {
    const BENCH: &'static str;
    const OPS: u64;
    fn run<S: Single>(s: &mut S, n: u64, order: &[u16; LIVE]);
    #[cfg(feature = "dpdk")]
    fn dpdk(pool: &Mempool, n: u64, order: &[u16; LIVE]);
}

struct Lifo;
struct Batch32;
struct Random1024;
struct LineWrite;

impl Loop for Lifo {
    const BENCH: &'static str = "pool/lifo";
    const OPS: u64 = 1;

    fn run<S: Single>(s: &mut S, n: u64, _: &[u16; LIVE]) {
        lifo(s, n);
    }

    #[cfg(feature = "dpdk")]
    fn dpdk(pool: &Mempool, n: u64, _: &[u16; LIVE]) {
        pool.lifo(n);
    }
}

/// Allocates one block and frees it.
pub fn lifo<S: Single>(s: &mut S, n: u64) {
    for _ in 0..n {
        let mut handle = s.take();
        escape(&mut handle);
        s.give(handle);
    }
}

impl Loop for Batch32 {
    const BENCH: &'static str = "pool/batch32";
    const OPS: u64 = BURST as u64;

    fn run<S: Single>(s: &mut S, n: u64, _: &[u16; LIVE]) {
        batch32(s, n);
    }

    #[cfg(feature = "dpdk")]
    fn dpdk(pool: &Mempool, n: u64, _: &[u16; LIVE]) {
        pool.batch32(n);
    }
}

/// Allocates 32, then frees 32.
pub fn batch32<S: Single>(s: &mut S, n: u64) {
    let mut handles = Live::<_, BURST>::new();
    for _ in 0..n {
        handles.fill(|| s.take());
        escape(&mut handles);
        for i in 0..BURST {
            // SAFETY: all are filled, and each is taken out once.
            s.give(unsafe { handles.out(i) });
        }
    }
}

impl Loop for Random1024 {
    const BENCH: &'static str = "pool/random1024";
    const OPS: u64 = LIVE as u64;

    fn run<S: Single>(s: &mut S, n: u64, order: &[u16; LIVE]) {
        random1024(s, n, order);
    }

    #[cfg(feature = "dpdk")]
    fn dpdk(pool: &Mempool, n: u64, order: &[u16; LIVE]) {
        pool.random1024(n, order);
    }
}

/// Allocates 1024, then frees them in this order.
pub fn random1024<S: Single>(s: &mut S, n: u64, order: &[u16; LIVE]) {
    let mut live = Live::<_, LIVE>::new();
    for _ in 0..n {
        live.fill(|| s.take());
        escape(&mut live);
        for &i in order {
            // SAFETY: all are filled, and `order` names each of them once.
            s.give(unsafe { live.out(i.into()) });
        }
    }
}

/// Handles in use, removed in any order: an array without the test that an `Option` needs.
struct Live<H, const N: usize>([MaybeUninit<H>; N]);

impl<H, const N: usize> Live<H, N> {
    #[inline(always)]
    fn new() -> Self {
        Self([const { MaybeUninit::uninit() }; N])
    }

    /// Fills every place without dropping its contents.
    #[inline(always)]
    fn fill(&mut self, mut take: impl FnMut() -> H) {
        for place in &mut self.0 {
            place.write(take());
        }
    }

    /// # Safety
    /// The place must have been filled after it was last emptied.
    #[inline(always)]
    unsafe fn out(&self, i: usize) -> H {
        // SAFETY: by the contract. `N` is a power of two, so the mask only removes a test.
        unsafe { self.0[i % N].assume_init_read() }
    }
}

impl Loop for LineWrite {
    const BENCH: &'static str = "pool/line_write";
    const OPS: u64 = 1;

    fn run<S: Single>(s: &mut S, n: u64, _: &[u16; LIVE]) {
        for i in 0..n {
            let mut handle = s.take();
            let start = s.start(&mut handle);
            for at in (0..BLOCK).step_by(64) {
                // SAFETY: the word is within the block, which the handle owns, and blocks are aligned to words.
                unsafe { start.add(at).cast::<u64>().write(i) };
            }
            escape(&mut handle);
            s.give(handle);
        }
    }

    #[cfg(feature = "dpdk")]
    fn dpdk(pool: &Mempool, n: u64, _: &[u16; LIVE]) {
        pool.line_write(n, BLOCK);
    }
}

/// All contenders that allocate single blocks, framepool first.
fn singles<'a, L: Loop>(f: &'a Fixtures, group: &mut Group<'a>) {
    fn add<'a, L: Loop, S: Single + 'a>(f: &'a Fixtures, g: &mut Group<'a>, name: &str, mut s: S) {
        g.add(L::BENCH, name, L::OPS, move |n| L::run(&mut s, n, &f.order));
    }
    add::<L, _>(f, group, FRAMEPOOL, Cached(f.frames.cache()));
    add::<L, _>(f, group, "opool", Opool(&f.opool));
    add::<L, _>(f, group, "slab", Slabs::new());
    add::<L, _>(f, group, "heapless-uninit", HeaplessUninit);
    add::<L, _>(f, group, "arrayqueue", Queue(&f.queue));
    add::<L, _>(f, group, "mimalloc", Global(mimalloc::MiMalloc));
    add::<L, _>(f, group, "snmalloc", Global(snmalloc_rs::SnMalloc));
    add::<L, _>(f, group, "jemalloc", Global(tikv_jemallocator::Jemalloc));
    add::<L, _>(f, group, "malloc", Malloc);
    #[cfg(feature = "dpdk")]
    for (name, pool) in &f.dpdk {
        group.add(L::BENCH, name, L::OPS, |n| L::dpdk(pool, n, &f.order));
    }
}

/// A form of `pool/burst32`: its bench, whether bytes are written, and framepool's loop.
type BurstForm = (&'static str, bool, [(&'static str, BurstLoop); 2]);
type BurstLoop = fn(&mut Cache<'_>, u64);

const IDS: BurstForm = (
    "pool/burst32/ids",
    false,
    [
        (FRAMEPOOL, ids::<false>),
        ("framepool-moved", moved::<false>),
    ],
);
const IDS_TOUCHED: BurstForm = (
    "pool/burst32/ids/touched",
    true,
    [(FRAMEPOOL, ids::<true>), ("framepool-moved", moved::<true>)],
);
const HANDLES: BurstForm = (
    "pool/burst32/handles",
    false,
    [
        (FRAMEPOOL, vector::<false>),
        ("framepool-array", handles::<false>),
    ],
);
const HANDLES_TOUCHED: BurstForm = (
    "pool/burst32/handles/touched",
    true,
    [
        (FRAMEPOOL, vector::<true>),
        ("framepool-array", handles::<true>),
    ],
);

/// `Burst` values: one pool and 32 ids.
pub fn ids<const TOUCH: bool>(cache: &mut Cache<'_>, n: u64) {
    for _ in 0..n {
        let mut burst: Burst<'_, BURST> = cache.alloc_burst(BURST).expect("32 free blocks");
        if TOUCH {
            touch_all(&mut burst);
        }
        escape(&mut burst);
        assert!(cache.drain_burst(&mut burst).is_ok());
    }
}

/// The same, but each burst is moved back into the cache.
pub fn moved<const TOUCH: bool>(cache: &mut Cache<'_>, n: u64) {
    for _ in 0..n {
        let mut burst: Burst<'_, BURST> = cache.alloc_burst(BURST).expect("32 free blocks");
        if TOUCH {
            touch_all(&mut burst);
        }
        escape(&mut burst);
        assert!(cache.free_burst(burst).is_ok());
    }
}

fn touch_all(burst: &mut Burst<'_, BURST>) {
    for (i, bytes) in burst.blocks_mut().enumerate() {
        touch(bytes, i as u64);
    }
}

/// A vector of owning handles, filled and emptied in place.
fn vector<const TOUCH: bool>(cache: &mut Cache<'_>, n: u64) {
    let mut blocks: Vec<Block<'_>> = Vec::with_capacity(BURST);
    for _ in 0..n {
        cache
            .alloc_into(&mut blocks, BURST)
            .expect("32 free blocks");
        if TOUCH {
            for (i, block) in blocks.iter_mut().enumerate() {
                touch(block.as_uninit_mut(), i as u64);
            }
        }
        escape(&mut blocks);
        assert!(cache.free_from(&mut blocks).is_ok());
    }
}

/// Arrays of owning handles.
fn handles<const TOUCH: bool>(cache: &mut Cache<'_>, n: u64) {
    for _ in 0..n {
        let mut blocks: [Block<'_>; BURST] = cache.alloc_array().expect("32 free blocks");
        if TOUCH {
            for (i, block) in blocks.iter_mut().enumerate() {
                touch(block.as_uninit_mut(), i as u64);
            }
        }
        escape(&mut blocks);
        assert!(cache.free_array(blocks).is_ok());
    }
}

/// Writes 8 bytes.
#[inline(always)]
fn touch(bytes: &mut [MaybeUninit<u8>], value: u64) {
    let word = value.to_ne_bytes().map(MaybeUninit::new);
    if let Some(start) = bytes.first_chunk_mut() {
        *start = word;
    }
}

fn burst32<'a>(f: &'a Fixtures, group: &mut Group<'a>, (bench, touched, ours): BurstForm) {
    let ops = BURST as u64;
    for (name, run) in ours {
        let mut cache = f.frames.cache();
        group.add(bench, name, ops, move |n| run(&mut cache, n));
    }
    #[cfg(feature = "dpdk")]
    for (name, pool) in &f.dpdk {
        group.add(bench, name, ops, move |n| pool.burst32(n, touched));
    }
    #[cfg(not(feature = "dpdk"))]
    let _ = touched;
}

/// Blocks in random order out of 1024: framepool with bursts that are taken apart and put together, and as
/// `[Block; 32]`.
fn random_mixed<'a>(f: &'a Fixtures, group: &mut Group<'a>) {
    let (bench, ops) = ("pool/random1024/burst", LIVE as u64);
    let mut cache = f.frames.cache();
    group.add(bench, FRAMEPOOL, ops, move |n| {
        let mut live = Live::<_, LIVE>::new();
        for _ in 0..n {
            for places in live.0.as_chunks_mut::<BURST>().0 {
                let burst: Burst<'_, BURST> = cache.alloc_burst(BURST).expect("32 free blocks");
                for (place, block) in places.iter_mut().zip(burst) {
                    place.write(block);
                }
            }
            escape(&mut live);
            for picked in f.order.as_chunks::<BURST>().0 {
                let mut burst: Burst<'_, BURST> = Burst::new(cache.pool());
                for &i in picked {
                    // SAFETY: all are filled, and `order` names each of them once.
                    assert!(burst.push(unsafe { live.out(i.into()) }).is_ok());
                }
                assert!(cache.free_burst(burst).is_ok());
            }
        }
    });
    let mut cache = f.frames.cache();
    group.add(bench, "framepool-array", ops, move |n| {
        let mut live = Live::<_, LIVE>::new();
        for _ in 0..n {
            for places in live.0.as_chunks_mut::<BURST>().0 {
                let blocks: [Block<'_>; BURST] = cache.alloc_array().expect("32 free blocks");
                *places = blocks.map(MaybeUninit::new);
            }
            escape(&mut live);
            for picked in f.order.as_chunks::<BURST>().0 {
                // SAFETY: all are filled, and `order` names each of them once.
                let blocks = picked.map(|i| unsafe { live.out(i.into()) });
                assert!(cache.free_array(blocks).is_ok());
            }
        }
    });
    #[cfg(feature = "dpdk")]
    for (name, pool) in &f.dpdk {
        group.add(bench, name, ops, |n| pool.random_mixed(n, &f.order));
    }
}

/// Whole bursts in random order.
fn random_whole<'a>(f: &'a Fixtures, group: &mut Group<'a>) {
    let (bench, ops) = ("pool/random1024/burst/whole", LIVE as u64);
    let mut cache = f.frames.cache();
    group.add(bench, FRAMEPOOL, ops, move |n| {
        let mut live = Live::<Burst<'_, BURST>, { LIVE / BURST }>::new();
        for _ in 0..n {
            live.fill(|| cache.alloc_burst(BURST).expect("32 free blocks"));
            escape(&mut live);
            for &i in &f.bursts {
                // SAFETY: all are filled, and `bursts` names each of them once.
                let burst = unsafe { live.out(i.into()) };
                assert!(cache.free_burst(burst).is_ok());
            }
        }
    });
    #[cfg(feature = "dpdk")]
    for (name, pool) in &f.dpdk {
        group.add(bench, name, ops, |n| pool.random_whole(n, &f.bursts));
    }
}

/// framepool only, on pools of three sizes.
fn sizes<'a>(f: &'a Fixtures, group: &mut Group<'a>) {
    let sizes = f.sizes.get_or_init(|| {
        let sizes = [("1k", 1 << 10), ("64k", 1 << 16), ("1m", 1 << 20)];
        Vec::from(sizes.map(|(name, count)| SizedPools::new(name, count, f.huge)))
    });
    for SizedPools { name, pools } in sizes {
        let bench = format!("pool/size/{name}");
        let mut add = |loop_name, ops, run: Box<dyn FnMut(u64) + 'a>| {
            group.add(&bench, loop_name, ops, run);
            group.compare_last_with("pool/size/1k", loop_name);
        };
        let [mut one, mut random, mut rotating] = pools.each_ref().map(|p| Cached(p.cache()));
        add("framepool-lifo", 1, Box::new(move |n| lifo(&mut one, n)));
        let run = move |n| Random1024::run(&mut random, n, &f.order);
        add("framepool-random", LIVE as u64, Box::new(run));
        let (mut used, mut oldest) = (Vec::new(), 0);
        let run = move |n| {
            let count = rotating.0.pool().capacity() / 4;
            used.resize_with(count, || rotating.take());
            for _ in 0..n {
                let block = mem::replace(&mut used[oldest], rotating.take());
                rotating.give(block);
                oldest = if oldest + 1 < count { oldest + 1 } else { 0 };
            }
        };
        add("framepool-rotate", 1, Box::new(run));
    }
}

/// Pools without caches, on one core.
fn shared_lifo<'a>(f: &'a Fixtures, group: &mut Group<'a>) {
    fn add<'a, S: Single + 'a>(group: &mut Group<'a>, name: &str, mut s: S) {
        group.add("shared/lifo", name, 1, move |n| lifo(&mut s, n));
    }
    add(group, FRAMEPOOL, Shared(&f.frames));
    add(group, "arrayqueue", Queue(&f.queue));
    add(group, "heapless", HeaplessValues);
    add(group, "heapless-uninit", HeaplessUninit);
    #[cfg(feature = "dpdk")]
    for (name, pool) in f.dpdk.iter().filter(|(name, _)| *name == "dpdk-nocache") {
        group.add("shared/lifo", name, 1, |n| pool.lifo(n));
    }
}
