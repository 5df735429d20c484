//! Benches of global allocators, through `GlobalAlloc`: `galloc/one/…` on one core, `galloc/two/…` on two at once.
//!
//! | bench | one iteration |
//! |---|---|
//! | `galloc/…/lifo` | allocate, write the first word, free |
//! | `galloc/…/random1024` | of 1024 allocations, free one at random, and allocate another in its place |
//!
//! Sizes are random, from 1 byte to the largest block of framepool's pools: each class of sizes as often as the others,
//! in the same order for every contender. framepool is a `CachedAllocs` over pools of 64, 256 and 1024 bytes, with
//! glibc as the fallback. With two cores, each has its own allocations; the time is that of both, per operation of
//! either.

use std::alloc::{GlobalAlloc, Layout, System};

use framepool::{CachedAllocs, Pool, PoolAllocs};

use crate::contenders::framepool;
use crate::cross::{self, Contender, Outcome};
use crate::harness::{FRAMEPOOL, Group, Row, escape};
use crate::options::Options;
use crate::pool::LIVE;

/// The benches, in the order in which they run.
pub const BENCHES: [&str; 4] = [ONE[0], ONE[1], TWO[0], TWO[1]];
const ONE: [&str; 2] = ["galloc/one/lifo", "galloc/one/random1024"];
const TWO: [&str; 2] = ["galloc/two/lifo", "galloc/two/random1024"];

/// Bytes per block, and number of blocks.
const POOLS: [(usize, usize); 3] = [(64, 8192), (256, 8192), (1024, 8192)];

static OURS: CachedAllocs<System, 3> = CachedAllocs::new(PoolAllocs::late(System));

/// Installs the pools of [`OURS`], if one of these benches is to run.
pub fn prepare(options: &Options) -> Result<(), String> {
    if !BENCHES.iter().any(|bench| options.wants(bench)) {
        return Ok(());
    }
    let huge = options.huge_dir.is_some();
    let [a, b, c] = POOLS.map(|(size, count)| framepool(size, count, huge).map(Pool::leak));
    let installed = OURS.install([a?, b?, c?]);
    installed.map(drop).map_err(|e| e.to_string())
}

/// Runs the benches that the options select.
pub fn run(options: &Options) -> Result<Outcome, String> {
    let outcome = if TWO.iter().any(|bench| options.wants(bench)) {
        cross::run_benches(&TWO, options, |bench| Ok(two(bench)))?
    } else {
        Outcome::default()
    };
    let runs = (0..options.runs).map(|_| one(options));
    Ok(outcome.after(runs.collect()))
}

fn one(options: &Options) -> Vec<Row> {
    let wanted: Vec<_> = ONE.iter().filter(|bench| options.wants(bench)).collect();
    let mut rows = Vec::new();
    for bench in &wanted {
        let mut group = Group::default();
        for (name, make) in allocators(bench) {
            group.add(bench, name, 1, make());
        }
        rows.extend(group.measure(options.budget / wanted.len() as u32));
    }
    rows
}

fn two(bench: &str) -> Vec<Contender<'static>> {
    let contender = |(name, make): Allocator| Contender::new((bench, name, 2, 1), make(), make());
    allocators(bench).into_iter().map(contender).collect()
}

/// A contender's name, and what makes the loop of one of its threads.
type Allocator = (&'static str, Box<dyn Fn() -> Loop>);
type Loop = Box<dyn FnMut(u64) + Send>;

fn allocators(bench: &str) -> Vec<Allocator> {
    vec![
        allocator(bench, FRAMEPOOL, &OURS),
        allocator(bench, "glibc", &System),
        allocator(bench, "mimalloc", &mimalloc::MiMalloc),
        allocator(bench, "snmalloc", &snmalloc_rs::SnMalloc),
        allocator(bench, "jemalloc", &tikv_jemallocator::Jemalloc),
    ]
}

fn allocator<A>(bench: &str, name: &'static str, allocator: &'static A) -> Allocator
where
    A: GlobalAlloc + Sync,
{
    let run = if bench.ends_with("lifo") {
        lifo::<A>
    } else {
        random1024::<A>
    };
    let make = move || -> Loop {
        let mut work = Work::new(allocator);
        Box::new(move |n| run(&mut work, n))
    };
    (name, Box::new(make))
}

/// The work of one thread.
struct Work<A: GlobalAlloc + 'static> {
    allocator: &'static A,
    layouts: Vec<Layout>,
    /// The position in `layouts`.
    at: usize,
    random: u64,
    /// Filled at the first run, by the thread that runs.
    live: Vec<Taken>,
}

#[derive(Clone, Copy)]
struct Taken {
    at: *mut u8,
    layout: Layout,
}

// SAFETY: the holder of the pointer owns the memory.
unsafe impl Send for Taken {}

impl<A: GlobalAlloc> Work<A> {
    fn new(allocator: &'static A) -> Self {
        let mut work = Self {
            allocator,
            layouts: Vec::new(),
            at: 0,
            random: 0x9E37_79B9_7F4A_7C15,
            live: Vec::new(),
        };
        work.layouts = (0..4096).map(|_| work.random_layout()).collect();
        work
    }

    #[inline]
    fn random(&mut self) -> u64 {
        self.random ^= self.random << 13;
        self.random ^= self.random >> 7;
        self.random ^= self.random << 17;
        self.random
    }

    fn random_layout(&mut self) -> Layout {
        let class = self.random() as usize % POOLS.len();
        let smaller = class.checked_sub(1).map_or(0, |smaller| POOLS[smaller].0);
        let size = smaller + 1 + self.random() as usize % (POOLS[class].0 - smaller);
        Layout::from_size_align(size, 8.min(size.next_power_of_two())).expect("a small layout")
    }

    #[inline]
    fn take(&mut self) -> Taken {
        let layout = self.layouts[self.at];
        self.at = (self.at + 1) % 4096;
        // SAFETY: no layout is empty.
        let at = unsafe { self.allocator.alloc(layout) };
        assert!(!at.is_null());
        // SAFETY: just allocated, with at least one byte.
        unsafe { at.write_volatile(1) };
        Taken { at, layout }
    }

    #[inline]
    fn give(&self, taken: Taken) {
        // SAFETY: from `take`, freed once.
        unsafe { self.allocator.dealloc(taken.at, taken.layout) };
    }
}

impl<A: GlobalAlloc> Drop for Work<A> {
    fn drop(&mut self) {
        self.live.iter().for_each(|&taken| self.give(taken));
    }
}

fn lifo<A: GlobalAlloc>(work: &mut Work<A>, n: u64) {
    for _ in 0..n {
        let mut taken = work.take();
        escape(&mut taken);
        work.give(taken);
    }
}

fn random1024<A: GlobalAlloc>(work: &mut Work<A>, n: u64) {
    while work.live.len() < LIVE {
        let taken = work.take();
        work.live.push(taken);
    }
    for _ in 0..n {
        let which = work.random() as usize % LIVE;
        work.give(work.live[which]);
        work.live[which] = work.take();
    }
}
