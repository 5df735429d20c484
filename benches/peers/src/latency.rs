//! The time of single operations, in ticks of the TSC: `latency`.
//!
//! Each operation is between two fenced readings (`lfence; rdtsc; lfence`). Their own cost is measured the same
//! way, printed as `empty`, and contained in every number. 1024 blocks are taken and then given back in random
//! order. A `refill` is a take that finds the cache empty, a `flush` a give that finds it full; they are not
//! counted as takes and gives. The maximum includes interrupts.

use std::arch::x86_64::{_mm_lfence, _rdtsc};
use std::array;
use std::time::{Duration, Instant};

use crate::contenders::*;
use crate::harness::{FRAMEPOOL, escape, median};
use crate::pool::{Fixtures, LIVE};

/// The name that `--only` is compared with.
pub const NAME: &str = "latency";

/// The number of rounds of 1024 takes and gives.
const ROUNDS: usize = 200;

/// Percentiles of one operation of one contender, in ticks.
#[derive(Clone, Debug)]
pub struct Latency {
    pub operation: &'static str,
    pub contender: String,
    pub count: usize,
    pub p50: f64,
    pub p999: f64,
    pub max: f64,
}

/// Ticks by operation.
#[derive(Default)]
struct Ticks {
    take: Vec<u32>,
    refill: Vec<u32>,
    give: Vec<u32>,
    flush: Vec<u32>,
}

impl Ticks {
    fn rows(self, contender: &str, rows: &mut Vec<Latency>) {
        let all = [
            ("alloc", self.take),
            ("refill", self.refill),
            ("free", self.give),
            ("flush", self.flush),
        ];
        for (operation, ticks) in all {
            rows.extend(summary(operation, contender, ticks));
        }
    }
}

fn summary(operation: &'static str, contender: &str, mut ticks: Vec<u32>) -> Option<Latency> {
    ticks.sort_unstable();
    let max = f64::from(*ticks.last()?);
    let at = |share: f64| f64::from(ticks[((ticks.len() - 1) as f64 * share) as usize]);
    Some(Latency {
        operation,
        contender: contender.to_owned(),
        count: ticks.len(),
        p50: at(0.5),
        p999: at(0.999),
        max,
    })
}

#[inline(always)]
fn ticks() -> u64 {
    // SAFETY: every x86-64 has both instructions.
    unsafe {
        _mm_lfence();
        let now = _rdtsc();
        _mm_lfence();
        now
    }
}

/// The result of an operation, and its ticks.
#[inline(always)]
pub fn timed<T>(operation: impl FnOnce() -> T) -> (T, u32) {
    let start = ticks();
    let result = operation();
    (result, (ticks() - start) as u32)
}

/// One run: contenders in turn, 1024 blocks at a time.
pub fn run(fixtures: &Fixtures) -> Vec<Latency> {
    let order = &fixtures.order;
    let mut cached = Cached(fixtures.frames.cache());
    let capacity = cached.0.stats().capacity as usize;
    let mut mimalloc = Global(mimalloc::MiMalloc);
    let mut snmalloc = Global(snmalloc_rs::SnMalloc);
    let mut jemalloc = Global(tikv_jemallocator::Jemalloc);
    let (mut empty, mut all) = (
        Vec::new(),
        array::from_fn::<Ticks, 5, _>(|_| Ticks::default()),
    );
    #[cfg(feature = "dpdk")]
    let (own, mut dpdk) = (own_cache(fixtures), Ticks::default());
    for round in 0..ROUNDS + 2 {
        let [frames, mi, sn, je, system] = &mut all;
        empty.extend((0..LIVE).map(|_| timed(|| ()).1));
        let is_slow = |s: &mut Cached<'_>| (s.0.is_empty(), s.0.len() == capacity);
        measure(&mut cached, order, is_slow, frames);
        measure(&mut mimalloc, order, |_| (false, false), mi);
        measure(&mut snmalloc, order, |_| (false, false), sn);
        measure(&mut jemalloc, order, |_| (false, false), je);
        measure(&mut Malloc, order, |_| (false, false), system);
        #[cfg(feature = "dpdk")]
        measure_dpdk(own, order, &mut dpdk);
        // The first two warm up caches and page tables.
        if round < 2 {
            empty.clear();
            all.fill_with(Ticks::default);
            #[cfg(feature = "dpdk")]
            {
                dpdk = Ticks::default();
            }
        }
    }
    let mut rows = Vec::from_iter(summary("empty", "none", empty));
    let names = [FRAMEPOOL, "mimalloc", "snmalloc", "jemalloc", "malloc"];
    for (name, ticks) in names.into_iter().zip(all) {
        ticks.rows(name, &mut rows);
    }
    #[cfg(feature = "dpdk")]
    dpdk.rows("dpdk-c512-own", &mut rows);
    rows
}

/// One round. `is_slow` returns whether the next take, and the next give, uses the depot.
fn measure<S: Single>(
    s: &mut S,
    order: &[u16; LIVE],
    is_slow: impl Fn(&mut S) -> (bool, bool),
    to: &mut Ticks,
) {
    let mut live: [Option<S::Handle>; LIVE] = array::from_fn(|_| {
        let refill = is_slow(s).0;
        let (handle, ticks) = timed(|| s.take());
        match refill {
            true => to.refill.push(ticks),
            false => to.take.push(ticks),
        }
        Some(handle)
    });
    escape(&mut live);
    for &i in order {
        let Some(handle) = live[usize::from(i)].take() else {
            continue;
        };
        let flush = is_slow(s).1;
        let ((), ticks) = timed(|| s.give(handle));
        match flush {
            true => to.flush.push(ticks),
            false => to.give.push(ticks),
        }
    }
}

#[cfg(feature = "dpdk")]
fn own_cache(fixtures: &Fixtures) -> &crate::dpdk::Mempool {
    let own = fixtures
        .dpdk
        .iter()
        .find(|(name, _)| *name == "dpdk-c512-own");
    &own.expect("it was made with the others").1
}

#[cfg(feature = "dpdk")]
fn measure_dpdk(pool: &crate::dpdk::Mempool, order: &[u16; LIVE], to: &mut Ticks) {
    const SLOW: u32 = 1 << 31;
    let (mut gets, mut puts) = ([0; LIVE], [0; LIVE]);
    pool.latency(order, &mut gets, &mut puts);
    let sort = |from: &[u32], fast: &mut Vec<u32>, slow: &mut Vec<u32>| {
        for &ticks in from {
            match ticks & SLOW {
                0 => fast.push(ticks),
                _ => slow.push(ticks & !SLOW),
            }
        }
    };
    sort(&gets, &mut to.take, &mut to.refill);
    sort(&puts, &mut to.give, &mut to.flush);
}

/// Combines the rows of several runs: the medians, and the greatest maximum.
pub fn merge(runs: Vec<Vec<Latency>>) -> Vec<Latency> {
    let all: Vec<Latency> = runs.concat();
    let first = runs.into_iter().next().unwrap_or_default();
    let merged = first.into_iter().map(|row| {
        let same = |other: &&Latency| {
            (other.operation, &other.contender) == (row.operation, &row.contender)
        };
        let same: Vec<&Latency> = all.iter().filter(same).collect();
        Latency {
            count: same.iter().map(|row| row.count).sum(),
            p50: median(same.iter().map(|row| row.p50).collect()),
            p999: median(same.iter().map(|row| row.p999).collect()),
            max: same.iter().map(|row| row.max).fold(0.0, f64::max),
            ..row.clone()
        }
    });
    merged.collect()
}

/// Returns the ns per tick, measured with the clock over 20 ms.
pub fn ns_per_tick() -> f64 {
    let (from, start) = (ticks(), Instant::now());
    while start.elapsed() < Duration::from_millis(20) {}
    start.elapsed().as_secs_f64() * 1e9 / (ticks() - from) as f64
}
