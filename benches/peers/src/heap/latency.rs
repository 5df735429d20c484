//! The time of single calls: `heap/latency/…`.
//!
//! Each call is between two fenced readings of the TSC, whose own cost is measured the same way and printed as the
//! contender `nothing`. The objects are those of `heap/small`. The maximum includes interrupts.

use crate::harness::{Placement, Row};
use crate::heap::contenders::{self, Heap, Visit};
use crate::heap::objects::{Live, Object, Script, small};
use crate::latency::{ns_per_tick, timed};
use crate::options::Options;

/// What is measured, in the order of the rows.
pub const BENCHES: &[&str] = &[
    "heap/latency/malloc/p50",
    "heap/latency/malloc/p99.9",
    "heap/latency/malloc/max",
    "heap/latency/free/p50",
    "heap/latency/free/p99.9",
    "heap/latency/free/max",
];

/// The number of live objects, and of rounds in which each contender replaces that many.
const LIVE: usize = 4096;
const ROUNDS: usize = 60;

/// Ticks of calls of one contender.
struct Calls {
    name: &'static str,
    malloc: Vec<u32>,
    free: Vec<u32>,
    /// Replaces objects and adds the ticks of mallocs and of frees.
    round: Box<Round>,
}

type Round = dyn FnMut(&mut Vec<u32>, &mut Vec<u32>);

/// Measures all contenders in turn, if the options select any row.
pub fn run(options: &Options) -> Result<Vec<Row>, String> {
    if !BENCHES.iter().any(|bench| options.wants(bench)) {
        return Ok(Vec::new());
    }
    let mut all = vec![Calls {
        name: "nothing",
        malloc: Vec::new(),
        free: Vec::new(),
        round: Box::new(|malloc, free| {
            for _ in 0..LIVE {
                malloc.push(timed(|| ()).1);
                free.push(timed(|| ()).1);
            }
        }),
    }];
    contenders::all(&mut Add(&mut all))?;
    for round in 0..ROUNDS + 2 {
        for calls in &mut all {
            // The first two warm up caches and page tables.
            if round == 2 {
                calls.malloc.clear();
                calls.free.clear();
            }
            (calls.round)(&mut calls.malloc, &mut calls.free);
        }
    }
    Ok(rows(all, options))
}

struct Add<'a>(&'a mut Vec<Calls>);

impl Visit for Add<'_> {
    fn visit<H: Heap + 'static>(
        &mut self,
        name: &'static str,
        make: &dyn Fn() -> Result<H, String>,
    ) -> Result<(), String> {
        let (mut live, mut script) = (Live::new(make()?), Script::new(1, |r| r.below(LIVE), small));
        self.0.push(Calls {
            name,
            malloc: Vec::new(),
            free: Vec::new(),
            round: Box::new(move |malloc, free| round(&mut live, &mut script, malloc, free)),
        });
        Ok(())
    }
}

/// Replaces as many objects as there are, twice: the others have used the processor's caches, so only the second
/// time counts.
fn round<H: Heap>(
    Live { heap, objects }: &mut Live<H>,
    script: &mut Script,
    malloc: &mut Vec<u32>,
    free: &mut Vec<u32>,
) {
    while objects.len() < LIVE {
        objects.push(Object::new(heap, script.next().size as usize));
    }
    for i in 0..2 * LIVE {
        let step = script.next();
        let object = &mut objects[step.place as usize];
        // SAFETY: it is live, and replaced by another one.
        let ((), freed) = timed(|| unsafe { object.free(heap) });
        let (new, allocated) = timed(|| Object::new(heap, step.size as usize));
        *object = new;
        if i >= LIVE {
            free.push(freed);
            malloc.push(allocated);
        }
    }
}

fn rows(all: Vec<Calls>, options: &Options) -> Vec<Row> {
    let tick = ns_per_tick();
    let mut rows = Vec::new();
    for calls in all {
        for (ticks, benches) in [(calls.malloc, &BENCHES[..3]), (calls.free, &BENCHES[3..])] {
            let mut ticks = ticks;
            ticks.sort_unstable();
            let last = ticks.len() - 1;
            for (bench, share) in benches.iter().zip([0.5, 0.999, 1.0]) {
                let ns = f64::from(ticks[(last as f64 * share) as usize]) * tick;
                rows.push(Row {
                    bench: (*bench).to_owned(),
                    contender: calls.name.to_owned(),
                    wait: "",
                    placement: Placement::Single,
                    median: ns,
                    min: f64::from(ticks[0]) * tick,
                    samples: ticks.len(),
                    ratio: None,
                });
            }
        }
    }
    rows.retain(|row| options.wants(&row.bench));
    rows.sort_by_key(|row| BENCHES.iter().position(|bench| *bench == row.bench));
    rows
}
