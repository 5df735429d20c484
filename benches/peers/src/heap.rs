//! Benches of heaps: `heap/…`.
//!
//! | bench | one iteration | unit |
//! |---|---|---|
//! | `heap/small` | replaces one of 4096 objects of 16 to 1024 bytes | ns per free and malloc |
//! | `heap/medium` | replaces one of 1024 objects of 1 to 32 KiB | the same |
//! | `heap/alloc_test` | replaces one of 10240 objects of 8 to 1024 bytes, most often one of 2048 of them, and writes every byte | the same |
//! | `heap/sh6` | frees the oldest of 8 batches, and allocates 256 objects of one size | ns per object |
//! | `heap/grow` | one object grows from 64 bytes to 1 MiB by doubling, and is filled | ns per object |
//! | `heap/grow2` | two objects grow in turn | ns per object |
//! | `heap/latency/…` | single calls, with the objects of `heap/small` | ns per call |
//! | `heap/efficiency/…` | fills a region | percent of the memory that was not served |
//! | `heap/instructions/…` | single calls in single steps | instructions |
//! | `heap/program/…` | JSON, ordered maps, syntax trees; the allocator is the program's global one | ns per run |
//! | `heap/larson2` | two threads replace objects that the other one allocated | ns per free and malloc |
//! | `heap/xmalloc` | one thread only allocates, the other only frees | ns per object |
//! | `heap/scratch` | two threads write objects of 8 bytes that they allocate and free | ns per object |
//!
//! `framepool` is a `Heap`, `framepool-spin` one in a spin lock, and `framepool-threads` a `ThreadHeap`, over as much
//! memory. Where speed counts, ratios are those of the last one.
//!
//! The sequences of sizes and places are made before, and are the same for all contenders.
//!
//! | file | contents |
//! |---|---|
//! | `contenders.rs` | the allocators, behind one trait |
//! | `objects.rs`, `random.rs` | objects, random numbers, scripts |
//! | `single.rs`, `two.rs` | the benches on one core and on two |
//! | `latency.rs`, `efficiency.rs` | what their names say |
//! | `steps.rs`, `hostile.rs` | instructions by single steps, and the calls |
//! | `snmalloc_fixed.rs`, `.cc` | snmalloc over a region (feature `snmalloc-fixed`) |
//! | `ferroc.rs`, `ferroc/` | ferroc over a region, and the library that it is in (feature `ferroc`) |
//! | `program.rs` | runs the programs of `src/bin/` |

mod contenders;
mod efficiency;
#[cfg(feature = "ferroc")]
mod ferroc;
mod hostile;
mod latency;
mod objects;
mod program;
mod random;
mod single;
#[cfg(feature = "snmalloc-fixed")]
mod snmalloc_fixed;
mod steps;
mod two;

use crate::cross::Outcome;
use crate::harness::{Row, judged};
use crate::options::Options;

/// The names of the benches, in the order in which they run.
pub fn benches() -> impl Iterator<Item = &'static str> {
    let all = [
        single::BENCHES,
        latency::BENCHES,
        efficiency::BENCHES,
        steps::BENCHES,
        program::BENCHES,
        two::BENCHES,
    ];
    all.into_iter().flatten().copied()
}

/// What a figure of this bench counts, if not ns.
pub fn unit(bench: &str) -> Option<&'static str> {
    if bench.starts_with("heap/efficiency/") {
        Some("% lost")
    } else if bench.starts_with("heap/instructions/") {
        Some("most")
    } else {
        None
    }
}

/// Runs the benches that the options select.
pub fn run(options: &Options) -> Result<Outcome, String> {
    if !options.json {
        println!(
            "mimalloc {} and rpmalloc 1.4 are linked",
            contenders::mimalloc_version()
        );
    }
    let mut runs = Vec::new();
    for _ in 0..options.runs {
        let mut rows = single::run(options)?;
        rows.extend(latency::run(options)?);
        rows.extend(efficiency::run(options)?);
        rows.extend(steps::run(options)?);
        rows.extend(program::run(options)?);
        compare(&mut rows);
        runs.push(rows);
    }
    let outcome = match two::BENCHES.iter().any(|bench| options.wants(bench)) {
        true => two::run(options)?,
        false => Outcome::default(),
    };
    Ok(outcome.after(runs))
}

/// Sets the ratios of rows that have none.
fn compare(rows: &mut [Row]) {
    let ours: Vec<(String, f64)> = rows
        .iter()
        .filter(|row| row.contender == judged(&row.bench))
        .map(|row| (row.bench.clone(), row.median))
        .collect();
    for row in rows.iter_mut().filter(|row| row.ratio.is_none()) {
        let own = ours.iter().find(|(bench, _)| *bench == row.bench);
        row.ratio = own.map(|(_, median)| row.median / median);
    }
}
