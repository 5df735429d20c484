//! Benches of mappings: `region/…`.
//!
//! | bench | framepool | compared with |
//! |---|---|---|
//! | `region/prefault/base`, `/2m` | maps, verifies on the calling thread, drops | `mmap(MAP_POPULATE)`, `munmap` |
//! | `region/threads/base`, `/2m` | maps and verifies on two threads, one on each core | the same on one thread |
//!
//! All contenders map the same length of the same kind of pages, in turn. The first pair of benches runs on one
//! core. For the second pair, the round trip of a cache line is measured before and after each sample, which
//! gives its [`Placement`].

use std::time::Duration;

use framepool::{MapBuilder, MappedRegion, PageSize};

use crate::cross::{self, Outcome};
use crate::harness::{FRAMEPOOL, Group, Placement, Row, Series, pin, pin_to, rounds, rows, time};
use crate::options::Options;

/// The size of each mapping in bytes.
const LEN: usize = 64 << 20;
/// The unit of the results in bytes.
const UNITS: u64 = (LEN / 4096) as u64;

/// The benches, in the order in which they run.
pub const BENCHES: &[&str] = &[
    "region/prefault/base",
    "region/prefault/2m",
    "region/threads/base",
    "region/threads/2m",
];

/// Runs the benches that the options select.
pub fn run(options: &Options) -> Result<Outcome, String> {
    // SAFETY: a setting of this process. With transparent huge pages the kernel's mapping would have other pages
    // than ours.
    unsafe { libc::prctl(libc::PR_SET_THP_DISABLE, 1, 0, 0, 0) };
    let wanted = BENCHES.iter().filter(|bench| options.wants(bench));
    let mut benches = Vec::new();
    for bench in wanted {
        let page = page(bench);
        match ours(page, 1).map() {
            Ok(_) => benches.push((*bench, page)),
            Err(e) if page == PageSize::Base => return Err(e.to_string()),
            Err(e) => eprintln!("framepool-peers: {bench} is not measured: {e}"),
        }
    }
    let budget = options.budget / benches.len().max(1) as u32;
    let mut outcome = Outcome::default();
    for _ in 0..options.runs {
        let mut all = Vec::new();
        for &(bench, page) in &benches {
            all.extend(if bench.starts_with("region/threads") {
                threads(bench, page, options.cores, budget, &mut outcome)?
            } else {
                serial(bench, page, budget)
            });
        }
        outcome.runs.push(all);
    }
    Ok(outcome)
}

fn page(bench: &str) -> PageSize {
    match bench.ends_with("/2m") {
        true => PageSize::Huge2M,
        false => PageSize::Base,
    }
}

fn ours(page: PageSize, threads: usize) -> MapBuilder {
    let builder = MappedRegion::builder(LEN).page(page).force();
    builder.prefault_threads(threads)
}

/// Maps and unmaps `n` times.
fn map_ours(page: PageSize, threads: usize, n: u64) {
    for _ in 0..n {
        let region = ours(page, threads).map().expect("mapped before");
        std::hint::black_box(region.as_ptr());
    }
}

/// The same with the kernel's calls.
fn map_populated(page: PageSize, n: u64) {
    let huge = match page {
        PageSize::Huge2M => libc::MAP_HUGETLB | libc::MAP_HUGE_2MB,
        _ => 0,
    };
    let flags = libc::MAP_PRIVATE | libc::MAP_ANONYMOUS | libc::MAP_POPULATE | huge;
    let access = libc::PROT_READ | libc::PROT_WRITE;
    for _ in 0..n {
        // SAFETY: the kernel chooses the address, and nothing keeps it.
        unsafe {
            let start = libc::mmap(std::ptr::null_mut(), LEN, access, flags, -1, 0);
            assert_ne!(start, libc::MAP_FAILED, "mapped before");
            std::hint::black_box(start);
            libc::munmap(start, LEN);
        }
    }
}

fn serial(bench: &str, page: PageSize, budget: Duration) -> Vec<Row> {
    let mut group = Group::default();
    group.add(bench, FRAMEPOOL, UNITS, |n| map_ours(page, 1, n));
    group.add(bench, "mmap-populate", UNITS, |n| map_populated(page, n));
    group.measure(budget)
}

/// Two threads, then one, on both cores.
fn threads(
    bench: &str,
    page: PageSize,
    cores: [usize; 2],
    budget: Duration,
    outcome: &mut Outcome,
) -> Result<Vec<Row>, String> {
    let names = [(FRAMEPOOL, 2), ("framepool-serial", 1)];
    let mut all = names.map(|(name, threads)| (Series::new(bench, name), threads));
    // Threads may run on the cores of their parent.
    let sample = |threads| -> Result<Duration, String> {
        pin_to(&cores)?;
        let mut region = None;
        let took = time(|| region = ours(page, threads).map().ok());
        // One thread unmaps, whichever prefaulted.
        drop(region.ok_or("the mapping failed, although it succeeded before")?);
        pin(cores[0])?;
        Ok(took)
    };
    let mut failed = None;
    let mut before = cross::round_trip(cores);
    rounds(budget, |round, counts_now| {
        for i in [round % 2, (round + 1) % 2] {
            let (series, threads) = &mut all[i];
            let took = match sample(*threads) {
                Ok(took) => took,
                Err(error) => return failed = Some(error),
            };
            let after = cross::round_trip(cores);
            let placement = Placement::of_round_trip(after);
            let moved = placement != Placement::of_round_trip(before);
            before = after;
            if !counts_now {
                continue;
            }
            outcome.round_trips.push(after);
            if moved {
                outcome.dropped += 1;
                continue;
            }
            let ns = took.as_secs_f64() * 1e9 / UNITS as f64;
            series.samples.push((placement, ns));
        }
    });
    match failed {
        Some(error) => Err(error),
        None => Ok(rows(&all.map(|(series, _)| series))),
    }
}
