//! The method of measurement: rounds, samples and medians.
//!
//! A *bench* has several *contenders*. Each contender is a loop over some number of iterations, and a
//! *sample* is the time of one such loop of about [`SAMPLE`], divided by the operations in it. The
//! contenders of a bench are measured in turn, one sample each per round, so that a temporary slowdown of the
//! machine affects all of them; each round begins with another contender. There are at least [`MIN_ROUNDS`]
//! rounds, and more while the bench's share of `--seconds` lasts.
//!
//! A ratio is a contender's median divided by framepool's median in the same bench, run and placement of the
//! cores: above 1, framepool is faster.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use crate::options::Options;

/// The minimum number of rounds of a bench.
pub const MIN_ROUNDS: usize = 31;
/// The maximum number of rounds of a bench, whatever its budget.
pub const MAX_ROUNDS: usize = 501;
/// The intended duration of a sample.
pub const SAMPLE: Duration = Duration::from_micros(300);
/// The minimum number of samples for a median: if the cores moved, one placement may have very few.
const FEWEST: usize = 5;
/// The number of samples of each contender that are discarded first.
const WARM_UP: usize = 3;

/// The name of the contender that others are compared with.
pub const FRAMEPOOL: &str = "framepool";
/// Its heap with a front for each thread, of which the benches that measure speed judge.
pub const THREAD_HEAP: &str = "framepool-threads";

/// The contender that a bench compares with the others.
pub fn judged(bench: &str) -> &'static str {
    let of_threads = [
        "heap/small",
        "heap/medium",
        "heap/alloc_test",
        "heap/sh6",
        "heap/larson2",
        "heap/xmalloc",
        "heap/scratch",
    ];
    let is_speed = of_threads.contains(&bench)
        || bench.starts_with("heap/latency/")
        || bench.starts_with("heap/program/");
    if is_speed { THREAD_HEAP } else { FRAMEPOOL }
}

/// The placement of the two cores of a measurement.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Placement {
    /// One core only.
    Single,
    /// A cache line's round trip takes less than [`NEAR`].
    Near,
    /// A cache line's round trip takes longer.
    Far,
}

/// The longest round trip of a cache line between cores that are near, in ns.
pub const NEAR: f64 = 250.0;

impl Placement {
    /// The placement that a round trip of a cache line shows.
    pub fn of_round_trip(ns: f64) -> Self {
        if ns < NEAR { Self::Near } else { Self::Far }
    }

    pub fn name(self) -> &'static str {
        match self {
            Self::Single => "single",
            Self::Near => "near",
            Self::Far => "far",
        }
    }
}

/// The result of one contender in one bench and placement.
#[derive(Clone, Debug)]
pub struct Row {
    pub bench: String,
    pub contender: String,
    /// The fastest wait, if several were measured.
    pub wait: &'static str,
    pub placement: Placement,
    /// ns per operation.
    pub median: f64,
    pub min: f64,
    pub samples: usize,
    /// The ratio to the base contender: above 1, the base is faster.
    pub ratio: Option<f64>,
}

/// Makes the compiler assume that `value` is read and written here, without moving it, like
/// `asm volatile("" : : "r"(p) : "memory")` in the C contenders. (`black_box` would also store the pointer, one
/// more store than they have.)
#[inline(always)]
pub fn escape<T>(value: &mut T) {
    #[cfg(any(target_arch = "x86_64", target_arch = "aarch64"))]
    // SAFETY: no instruction.
    unsafe {
        let value: *mut T = value;
        core::arch::asm!("/* {0} */", in(reg) value, options(nostack, preserves_flags));
    }
    #[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
    std::hint::black_box(value);
}

impl Row {
    /// The contender and its wait.
    pub fn label(&self) -> String {
        match self.wait {
            "" => self.contender.clone(),
            wait => format!("{}, {wait}", self.contender),
        }
    }
}

/// A bench of one core: its name, for `--only`, and the function that adds its contenders.
pub type Bench<F> = (&'static str, for<'a> fn(&'a F, &mut Group<'a>));

/// One run of those benches that the options select, with an equal share of the time for each.
pub fn run_each<F>(benches: &[Bench<F>], fixtures: &F, options: &Options) -> Vec<Row> {
    let wanted: Vec<_> = benches.iter().filter(|b| options.wants(b.0)).collect();
    let budget = options.budget / wanted.len().max(1) as u32;
    let measure = |(_, add): &&Bench<F>| {
        let mut group = Group::default();
        add(fixtures, &mut group);
        group.measure(budget)
    };
    wanted.iter().flat_map(measure).collect()
}

/// Samples of one contender, each with its placement.
#[derive(Debug)]
pub struct Series {
    pub bench: String,
    pub contender: String,
    /// Its wait, if it is measured with several: of series that differ only in the wait the fastest in a placement
    /// counts, and the others are left out.
    pub wait: &'static str,
    /// The bench and contender of the ratio's denominator.
    pub base: (String, String),
    pub samples: Vec<(Placement, f64)>,
}

impl Series {
    pub fn new(bench: &str, contender: &str) -> Self {
        Self {
            bench: bench.to_owned(),
            contender: contender.to_owned(),
            wait: "",
            base: (bench.to_owned(), judged(bench).to_owned()),
            samples: Vec::new(),
        }
    }

    fn at(&self, placement: Placement) -> Vec<f64> {
        let of = |&(p, ns): &(Placement, f64)| (p == placement).then_some(ns);
        self.samples.iter().filter_map(of).collect()
    }
}

/// The median of at least one value.
pub fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    let n = values.len();
    (values[(n - 1) / 2] + values[n / 2]) / 2.0
}

/// The series of a contender in a bench with the least median in a placement, and that median.
fn best<'a>(
    all: &'a [Series],
    (bench, contender): (&str, &str),
    placement: Placement,
) -> Option<(&'a Series, Vec<f64>, f64)> {
    best_of(all, bench, |name| name == contender, placement)
}

/// The same for the denominator of a ratio. For rings that is the fastest of framepool's.
fn best_base<'a>(
    all: &'a [Series],
    (bench, base): (&str, &str),
    placement: Placement,
) -> Option<(&'a Series, Vec<f64>, f64)> {
    if bench.starts_with("ring/") && base == FRAMEPOOL {
        best_of(all, bench, |name| name.starts_with(FRAMEPOOL), placement)
    } else {
        best(all, (bench, base), placement)
    }
}

fn best_of<'a>(
    all: &'a [Series],
    bench: &str,
    is_one: impl Fn(&str) -> bool,
    placement: Placement,
) -> Option<(&'a Series, Vec<f64>, f64)> {
    all.iter()
        .filter(|series| series.bench == bench && is_one(&series.contender))
        .map(|series| (series, series.at(placement)))
        .filter(|(_, values)| values.len() >= FEWEST)
        .map(|(series, values)| (series, values.clone(), median(values)))
        .min_by(|(.., a), (.., b)| a.total_cmp(b))
}

/// The rows of one run: medians by placement, and ratios within a placement.
pub fn rows(all: &[Series]) -> Vec<Row> {
    let mut rows: Vec<Row> = Vec::new();
    for placement in [Placement::Single, Placement::Near, Placement::Far] {
        for Series {
            bench,
            contender,
            base,
            ..
        } in all
        {
            let Some((series, values, median_ns)) = best(all, (bench, contender), placement) else {
                continue;
            };
            let is_there = |row: &Row| {
                (&row.bench, &row.contender, row.placement) == (bench, contender, placement)
            };
            if rows.iter().any(is_there) {
                continue;
            }
            rows.push(Row {
                bench: bench.clone(),
                contender: contender.clone(),
                wait: series.wait,
                placement,
                median: median_ns,
                min: values.iter().copied().fold(f64::INFINITY, f64::min),
                samples: values.len(),
                ratio: best_base(all, (&base.0, &base.1), placement)
                    .map(|(.., base_ns)| median_ns / base_ns),
            });
        }
    }
    rows
}

/// Combines the rows of several runs: the median of the medians and of the ratios, the least of the minima.
pub fn merge(runs: Vec<Vec<Row>>) -> Vec<Row> {
    let mut left: VecDeque<Row> = runs.into_iter().flatten().collect();
    let mut merged = Vec::new();
    while let Some(first) = left.pop_front() {
        let is_same = |row: &Row| {
            row.bench == first.bench
                && row.contender == first.contender
                && row.placement == first.placement
        };
        let (mut same, others): (Vec<Row>, Vec<Row>) = left.into_iter().partition(is_same);
        left = others.into();
        let first_wait = first.wait;
        same.push(first);
        let ratios: Vec<f64> = same.iter().filter_map(|row| row.ratio).collect();
        let is_same_wait = same.iter().all(|row| row.wait == first_wait);
        let all = Row {
            wait: if is_same_wait { first_wait } else { "various" },
            median: median(same.iter().map(|row| row.median).collect()),
            min: same.iter().map(|row| row.min).fold(f64::INFINITY, f64::min),
            samples: same.iter().map(|row| row.samples).sum(),
            ratio: (!ratios.is_empty()).then(|| median(ratios)),
            ..same.remove(0)
        };
        merged.push(all);
    }
    merged
}

/// The number of iterations that take about [`SAMPLE`], measured with a function that runs some and returns the time.
pub fn calibrate(mut run: impl FnMut(u64) -> Duration) -> u64 {
    let mut n = 1;
    loop {
        // The first call may be slow for reasons that do not occur again, such as page faults.
        let took = run(n).min(run(n)).min(run(n));
        if took >= SAMPLE / 4 {
            let per = took.as_secs_f64() / n as f64;
            return ((SAMPLE.as_secs_f64() / per) as u64).max(1);
        }
        n *= 2;
    }
}

/// Calls `round` with its number, first [`WARM_UP`] times with `false`, then with `true` until the budget is
/// used up.
pub fn rounds(budget: Duration, mut round: impl FnMut(usize, bool)) {
    (0..WARM_UP).for_each(|i| round(i, false));
    let start = Instant::now();
    for i in 0..MAX_ROUNDS {
        if i >= MIN_ROUNDS && start.elapsed() >= budget {
            break;
        }
        round(i, true);
    }
}

/// The time that a function takes.
pub fn time(run: impl FnOnce()) -> Duration {
    let start = Instant::now();
    run();
    start.elapsed()
}

/// The contenders of one single-core bench.
#[derive(Default)]
pub struct Group<'a> {
    entries: Vec<Entry<'a>>,
}

struct Entry<'a> {
    series: Series,
    /// The number of operations in one iteration.
    ops: u64,
    run: Box<dyn FnMut(u64) + 'a>,
}

impl<'a> Group<'a> {
    /// Adds a contender: `run(n)` does `n` iterations of `ops` operations each.
    pub fn add(&mut self, bench: &str, contender: &str, ops: u64, run: impl FnMut(u64) + 'a) {
        self.entries.push(Entry {
            series: Series::new(bench, contender),
            ops,
            run: Box::new(run),
        });
    }

    /// Sets the contender that the last added one is compared with.
    pub fn compare_last_with(&mut self, bench: &str, contender: &str) {
        if let Some(entry) = self.entries.last_mut() {
            entry.series.base = (bench.to_owned(), contender.to_owned());
        }
    }

    /// Measures all contenders in turn.
    pub fn measure(mut self, budget: Duration) -> Vec<Row> {
        let timed = |entry: &mut Entry<'a>| calibrate(|n| time(|| (entry.run)(n)));
        let counts: Vec<u64> = self.entries.iter_mut().map(timed).collect();
        let len = self.entries.len();
        rounds(budget, |round, counts_now| {
            for i in (0..len).map(|i| (i + round) % len) {
                let (entry, n) = (&mut self.entries[i], counts[i]);
                let took = time(|| (entry.run)(n));
                if counts_now {
                    let ns = took.as_secs_f64() * 1e9 / (n * entry.ops) as f64;
                    entry.series.samples.push((Placement::Single, ns));
                }
            }
        });
        let all: Vec<Series> = self.entries.into_iter().map(|e| e.series).collect();
        rows(&all)
    }
}

/// Pins the calling thread to one core.
pub fn pin(core: usize) -> Result<(), String> {
    pin_to(&[core]).map_err(|error| format!("cannot run on core {core}: {error}"))
}

/// Pins the calling thread, and the threads that it starts, to these cores.
pub fn pin_to(cores: &[usize]) -> Result<(), String> {
    // SAFETY: a zeroed set is empty, and each core is checked to be within the set.
    let result = unsafe {
        let mut set: libc::cpu_set_t = std::mem::zeroed();
        for &core in cores {
            if core >= libc::CPU_SETSIZE as usize {
                return Err("the core does not exist".to_owned());
            }
            libc::CPU_SET(core, &mut set);
        }
        libc::sched_setaffinity(0, size_of_val(&set), &set)
    };
    match result {
        0 => Ok(()),
        _ => Err(std::io::Error::last_os_error().to_string()),
    }
}

/// A random order of `0..N`, the same in every run.
pub fn shuffled<const N: usize>() -> [u16; N] {
    let mut order = std::array::from_fn(|i| i as u16);
    shuffle(&mut order);
    order
}

/// Shuffles in the same order in every run.
pub fn shuffle<T>(items: &mut [T]) {
    let mut state = 0x9E37_79B9_7F4A_7C15_u64;
    for i in (1..items.len()).rev() {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        items.swap(i, (state % (i as u64 + 1)) as usize);
    }
}

/// Whether a ratio meets a bar. From 0.97 on both are equally fast.
pub fn meets(ratio: f64, bar: f64) -> bool {
    ratio >= if bar == 1.0 { 0.97 } else { bar }
}

/// The largest figure of framepool that a bench allows, for benches with a limit of their own.
pub fn most(bench: &str, contender: &str) -> Option<f64> {
    match (bench, contender) {
        ("heap/efficiency/64m/small/fresh" | "heap/efficiency/64m/small/churned", FRAMEPOOL) => {
            Some(5.0)
        }
        ("heap/efficiency/64m/small/fresh" | "heap/efficiency/64m/small/churned", THREAD_HEAP) => {
            Some(12.0)
        }
        ("heap/efficiency/64m/medium/fresh" | "heap/efficiency/64m/medium/churned", FRAMEPOOL) => {
            Some(2.0)
        }
        (
            "heap/efficiency/64m/medium/fresh" | "heap/efficiency/64m/medium/churned",
            THREAD_HEAP,
        ) => Some(8.0),
        ("heap/instructions/alloc" | "heap/instructions/free", FRAMEPOOL) => Some(168.0),
        _ => None,
    }
}

/// The bar of a contender: the least ratio that the bench requires, if any.
pub fn bar(bench: &str, contender: &str, placement: Placement) -> Option<f64> {
    if contender.starts_with(FRAMEPOOL) && bench.starts_with("ring/") {
        return None;
    }
    if bench.starts_with("heap/") {
        return heap_bar(bench, contender.trim_end_matches(" (own mapping)"));
    }
    let cached_dpdk = matches!(contender, "dpdk-c256" | "dpdk-c512");
    match (bench, contender) {
        ("packet/lifo" | "packet/burst32" | "packet/random1024", _) if cached_dpdk => Some(2.0),
        ("packet/cross/burst32", _) if cached_dpdk => Some(2.0),
        ("packet/burst32/raw" | "packet/clone_drop" | "packet/prepend" | "packet/chain4", _)
            if cached_dpdk =>
        {
            Some(1.0)
        }
        ("pool/lifo", _) if cached_dpdk => Some(3.5),
        ("pool/lifo", "opool" | "slab") => Some(1.2),
        ("pool/batch32", _) if cached_dpdk => Some(3.5),
        ("pool/batch32", "opool") => Some(1.5),
        ("pool/burst32/ids", _) if cached_dpdk => Some(1.0),
        ("pool/burst32/handles", _) if cached_dpdk => Some(0.6),
        ("pool/random1024", _) if cached_dpdk => Some(3.5),
        ("pool/random1024/burst", _) if cached_dpdk => Some(1.0),
        (_, "glibc") if bench.starts_with("galloc/") => Some(1.0),
        ("shared/lifo", "arrayqueue") => Some(1.0),
        ("shared/lifo", "heapless") => Some(5.0),
        ("cross/burst1", "dpdk-c512") if placement == Placement::Far => Some(1.5),
        ("cross/burst1", "dpdk-c512") => Some(1.3),
        ("cross/burst32", "dpdk-c512") => Some(1.0),
        ("ring/u64/burst1", _) => Some(1.5),
        ("ring/64B/burst1", _) => Some(1.0),
        // At most 1.1 times the time.
        ("ring/pingpong", "two lines") => Some(1.0 / 1.1),
        ("ring/pingpong", _) => None,
        ("ring/u64/burst32" | "ring/64B/burst32", _) => Some(1.0),
        ("contended/1", "dpdk-c512") => Some(1.5),
        ("contended/32", "dpdk-c512") => Some(1.0),
        ("region/prefault/base" | "region/prefault/2m", "mmap-populate") => Some(0.95),
        ("region/threads/base" | "region/threads/2m", "framepool-serial") => Some(1.6),
        ("time/now" | "time/now_ns", "quanta" | "minstant") => Some(1.0),
        ("time/record", "hdrhistogram") => Some(3.0),
        ("time/record", "histogram") => Some(1.0),
        ("time/span", "quanta+histogram") => Some(1.0),
        ("time/span", "std+hdrhistogram") => Some(2.0),
        // Mixed frames have no bar: the README names a faster parser if only the 5-tuple is needed.
        ("wire/summarize/plain", "smoltcp" | "pnet") => Some(1.0),
        ("wire/summarize/plain", "etherparse") => Some(2.5),
        ("wire/summarize/burst32/plain", "smoltcp" | "pnet") => Some(1.3),
        ("wire/filter/plain" | "wire/filter/mixed", "summarize") => Some(2.0),
        (_, "smoltcp" | "etherparse") if bench.starts_with("wire/checksum/") => Some(1.0),
        ("wire/fix/full", "fix-codec-rs" | "ironfix" | "fefix") => Some(2.0),
        ("wire/fix/frame", "fefix-raw") => Some(1.0),
        ("wire/itch/full", "itch5") => Some(1.4),
        ("wire/itch/full", "itchy") => Some(2.5),
        ("wire/itch/visit", "itch5") => Some(2.5),
        _ => None,
    }
}

fn heap_bar(bench: &str, contender: &str) -> Option<f64> {
    match (bench, contender) {
        ("heap/small", "talc") => Some(1.8),
        ("heap/small", "rlsf" | "embedded-alloc") => Some(2.0),
        (
            "heap/small" | "heap/latency/malloc/p99.9" | "heap/latency/free/p99.9",
            "snmalloc" | "mimalloc" | "jemalloc" | "rpmalloc" | "sefer-alloc",
        ) => Some(1.0),
        ("heap/medium", "talc" | "rlsf") => Some(1.5),
        ("heap/medium", "mimalloc") => Some(1.0),
        ("heap/grow" | "heap/grow2", "rlsf" | "talc" | "dlmalloc") => Some(1.0),
        ("heap/latency/malloc/p99.9" | "heap/latency/free/p99.9", "talc" | "rlsf") => Some(1.0),
        ("heap/instructions/alloc" | "heap/instructions/free", "talc" | "rlsf") => Some(1.0),
        ("heap/xmalloc", "snmalloc" | "mimalloc") => Some(1.0),
        ("heap/larson2", "jemalloc" | "rpmalloc" | "snmalloc" | "sefer-alloc") => Some(1.0),
        ("heap/larson2", "talc") => Some(5.0),
        ("heap/efficiency/64k/small/fresh" | "heap/efficiency/64k/small/churned", "rlsf") => {
            Some(1.0)
        }
        (_, "mimalloc") if bench.starts_with("heap/program/") => Some(1.0),
        _ => None,
    }
}
