//! The pool on one core, without peers (`benches/peers` has those).
//!
//! | group | one iteration | elements |
//! |---|---|---|
//! | `cache` | allocate from a [`Cache`] and free: one; 32 one by one; 32 as a burst; 32 as an array | blocks |
//! | `depot` | blocks out of the pool without a cache, and dropped: one; 32 as a burst | blocks |
//! | `value` | a value of 64 bytes moved into a block and dropped, with and without a cache | values |
//! | `raw` | a block made raw, and freed by its address or its id | blocks |
//! | `size` | a quarter of the pool is in use, and the oldest block or the oldest 256 are replaced, on pools of three sizes | blocks |
//!
//! A new pool allocates its blocks in order; a pool in use does not. Where order matters (`size`) the free
//! blocks are shuffled first.
//!
//! Only references go through `black_box`, if possible references to a handle's contents (bytes or value) and
//! not to the handle. `black_box` forces its argument into memory, with everything that a reference leads to.
//! A handle that is moved through it, or referred to, is stored and loaded again. That is a large part of the
//! 2 ns of a pair, and the compiler no longer knows the handle's pool.

#![allow(missing_docs)]

use std::collections::VecDeque;
use std::hint::black_box;
use std::mem::MaybeUninit;
use std::time::Duration;

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use framepool::{Block, Cache, Pool, PoolConfig};

/// Blocks in a burst.
const BURST: usize = 32;

/// Blocks replaced at once in the longer rotation.
const RUN: usize = 256;

/// Blocks of one receive queue.
fn frames() -> Pool<'static> {
    Pool::allocate(PoolConfig::new(2048, 4096)).expect("8 MiB")
}

/// Takes a block from a pool that is never exhausted here.
macro_rules! take {
    ($alloc:expr) => {
        match $alloc {
            Ok(taken) => taken,
            Err(_) => unreachable!("the pool has more blocks than the bench uses"),
        }
    };
}

fn cache(c: &mut Criterion) {
    let pool = frames();
    let mut cache: Cache<'_> = pool.cache();
    let mut group = c.benchmark_group("cache");

    group.throughput(Throughput::Elements(1));
    group.bench_function("pair", |b| {
        b.iter(|| {
            let block = take!(cache.alloc());
            black_box(block.as_uninit());
            let _ = cache.free(block);
        });
    });

    group.throughput(Throughput::Elements(BURST as u64));
    group.bench_function("32 then 32", |b| {
        let mut blocks = Vec::with_capacity(BURST);
        b.iter(|| {
            for _ in 0..BURST {
                blocks.push(take!(cache.alloc()));
            }
            black_box(&blocks);
            for block in blocks.drain(..) {
                let _ = cache.free(block);
            }
        });
    });
    group.bench_function("burst of 32", |b| {
        b.iter(|| {
            let burst = take!(cache.alloc_burst::<BURST>(BURST));
            black_box(&burst);
            let _ = cache.free_burst(burst);
        });
    });
    group.bench_function("array of 32", |b| {
        b.iter(|| {
            let blocks = take!(cache.alloc_array::<BURST>());
            black_box(&blocks);
            let _ = cache.free_array(blocks);
        });
    });
    group.finish();
}

fn depot(c: &mut Criterion) {
    let pool = frames();
    let mut group = c.benchmark_group("depot");

    group.throughput(Throughput::Elements(1));
    group.bench_function("pair", |b| {
        b.iter(|| {
            let block = take!(pool.alloc());
            black_box(block.as_uninit());
        });
    });

    group.throughput(Throughput::Elements(BURST as u64));
    group.bench_function("burst of 32", |b| {
        b.iter(|| {
            let burst = take!(pool.alloc_burst::<BURST>(BURST));
            black_box(&burst);
        });
    });
    group.finish();
}

fn value(c: &mut Criterion) {
    /// For example an order of a book.
    type Value = [u64; 8];

    let pool = frames();
    let mut cache: Cache<'_> = pool.cache();
    let mut group = c.benchmark_group("value");
    group.throughput(Throughput::Elements(1));
    group.bench_function("pool", |b| {
        b.iter(|| {
            let boxed = take!(pool.alloc_value::<Value>([7; 8]));
            black_box(&*boxed);
        });
    });
    // Allocated from the cache and freed by a drop, so the cache refills from the stack.
    group.bench_function("cache", |b| {
        b.iter(|| {
            let boxed = take!(cache.alloc_value::<Value>([7; 8]));
            black_box(&*boxed);
        });
    });
    group.finish();
}

fn raw(c: &mut Criterion) {
    let pool = frames();
    let mut group = c.benchmark_group("raw");
    group.throughput(Throughput::Elements(1));
    group.bench_function("by address", |b| {
        b.iter(|| {
            let raw = take!(pool.alloc()).into_raw();
            // SAFETY: the pointer is that of a block of this pool, and nothing writes to the block.
            black_box(unsafe { raw.cast::<MaybeUninit<u8>>().as_ref() });
            // SAFETY: the block has just become raw, and nothing else has its address.
            let _ = unsafe { pool.free_raw(raw) };
        });
    });
    group.bench_function("by name", |b| {
        b.iter(|| {
            let id = take!(pool.alloc()).into_id();
            black_box(&id);
            // SAFETY: the block has just become raw, and nothing else has its id.
            let _ = unsafe { pool.free_id(id) };
        });
    });
    group.finish();
}

/// O(1): a pool a thousand times as large costs the same, except for cache misses.
fn size(c: &mut Criterion) {
    let mut group = c.benchmark_group("size");
    for (name, count) in [("1 Ki", 1 << 10), ("64 Ki", 1 << 16), ("1 Mi", 1 << 20)] {
        let pool = Pool::allocate(PoolConfig::new(64, count)).expect("at most 72 MiB are needed");
        shuffle(&pool);
        // A cache of the default size would hold half of the smallest pool.
        let mut cache: Cache<'_, 128> = Cache::new(&pool);
        let mut used: VecDeque<Block<'_>> = VecDeque::with_capacity(count / 4 + RUN);
        used.extend((0..count / 4).map(|_| take!(cache.alloc())));
        let mut rotate = |blocks: usize| {
            for _ in 0..blocks {
                let block = take!(cache.alloc());
                black_box(block.as_uninit());
                used.push_back(block);
            }
            for oldest in (0..blocks).map_while(|_| used.pop_front()) {
                let _ = cache.free(oldest);
            }
        };
        group.throughput(Throughput::Elements(1));
        group.bench_function(BenchmarkId::new("rotate", name), |b| b.iter(|| rotate(1)));
        // More blocks than the cache holds, so all of them go through the depot.
        group.throughput(Throughput::Elements(RUN as u64));
        group.bench_function(BenchmarkId::new("rotate 256", name), |b| {
            b.iter(|| rotate(RUN))
        });
    }
    group.finish();
}

/// Puts the free blocks of a full pool into random order.
fn shuffle(pool: &Pool<'_>) {
    let mut blocks: Vec<_> = (0..pool.capacity()).map(|_| take!(pool.alloc())).collect();
    let mut random = 0x9E37_79B9_7F4A_7C15_u64;
    for i in (1..blocks.len()).rev() {
        random ^= random << 13;
        random ^= random >> 7;
        random ^= random << 17;
        blocks.swap(i, (random % (i as u64 + 1)) as usize);
    }
}

criterion_group! {
    name = pool;
    config = Criterion::default()
        .warm_up_time(Duration::from_millis(300))
        .measurement_time(Duration::from_secs(1))
        .sample_size(50);
    targets = cache, depot, value, raw, size
}
criterion_main!(pool);
