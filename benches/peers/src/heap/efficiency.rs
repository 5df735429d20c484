//! How much of a region a heap can serve: `heap/efficiency/…`.
//!
//! Objects of random sizes are allocated until a request is refused. The result is the part of the memory that no
//! live object had requested then, in percent: headers, rounding, fragments and the heap's own tables. Memory that a
//! heap needs outside of its region counts as part of it. `churned` first fills the region to 90 %, then replaces
//! each object ten times on average, in random order and by other sizes, and then fills up.

use crate::harness::{Placement, Row, median};
use crate::heap::contenders::{self, Heap, Over, REGION, Visit, layout};
use crate::heap::objects::{Object, Random, medium, small};
use crate::options::Options;

/// A bench: its name, the length of the region, the sizes, whether it is churned, the number of trials.
type Bench = (&'static str, usize, fn(&mut Random) -> usize, bool, u64);

const KIB64: usize = 64 << 10;

const TABLE: &[Bench] = &[
    ("heap/efficiency/64m/small/fresh", REGION, small, false, 1),
    ("heap/efficiency/64m/small/churned", REGION, small, true, 1),
    ("heap/efficiency/64m/medium/fresh", REGION, medium, false, 3),
    (
        "heap/efficiency/64m/medium/churned",
        REGION,
        medium,
        true,
        3,
    ),
    ("heap/efficiency/64k/small/fresh", KIB64, small, false, 300),
    ("heap/efficiency/64k/small/churned", KIB64, small, true, 300),
];

/// The names of the benches.
pub const BENCHES: &[&str] = &[
    TABLE[0].0, TABLE[1].0, TABLE[2].0, TABLE[3].0, TABLE[4].0, TABLE[5].0,
];

/// Runs the benches that the options select.
pub fn run(options: &Options) -> Result<Vec<Row>, String> {
    let mut rows = Vec::new();
    for bench in TABLE.iter().filter(|bench| options.wants(bench.0)) {
        let mut serve = Serve(bench, &mut rows);
        contenders::fixed(bench.1, &mut serve)?;
        if bench.1 == KIB64 {
            // Too slow for more.
            serve.visit("embedded-alloc-llff", &|| {
                Over::new(KIB64, contenders::first_fit)
            })?;
        }
    }
    Ok(rows)
}

struct Serve<'a>(&'a Bench, &'a mut Vec<Row>);

impl Visit for Serve<'_> {
    fn visit<H: Heap + 'static>(
        &mut self,
        name: &'static str,
        make: &dyn Fn() -> Result<H, String>,
    ) -> Result<(), String> {
        let (bench, len, size, churned, trials) = *self.0;
        // A free walks a list, which has 10,000s of blocks then.
        if churned && len == REGION && name == "buddy_system_allocator" {
            return Ok(());
        }
        let mut lost = Vec::new();
        for seed in 0..trials {
            let mut heap = make()?;
            let all = len + heap.outside();
            let served = serve(&mut heap, len, size, churned, seed);
            lost.push((all - served) as f64 / all as f64 * 100.0);
        }
        self.1.push(Row {
            bench: bench.to_owned(),
            contender: name.to_owned(),
            wait: "",
            placement: Placement::Single,
            min: lost.iter().copied().fold(f64::INFINITY, f64::min),
            samples: lost.len(),
            median: median(lost),
            ratio: None,
        });
        Ok(())
    }
}

/// The live bytes at the first refusal.
fn serve(
    heap: &mut impl Heap,
    len: usize,
    size: impl Fn(&mut Random) -> usize,
    churned: bool,
    seed: u64,
) -> usize {
    let mut random = Random::new(seed);
    let mut filled = Filled {
        heap,
        objects: Vec::new(),
        live: 0,
    };
    if churned {
        while filled.live < len / 10 * 9 && filled.add(size(&mut random)) {}
        for _ in 0..10 * filled.objects.len() {
            filled.remove(random.below(filled.objects.len()));
            // A refused request is followed by others: the number of objects may vary.
            while filled.live < len / 10 * 9 && filled.add(size(&mut random)) {}
        }
    }
    while filled.add(size(&mut random)) {}
    filled.live
}

/// Live objects, freed on drop.
struct Filled<'a, H: Heap> {
    heap: &'a mut H,
    objects: Vec<Object>,
    live: usize,
}

impl<H: Heap> Filled<'_, H> {
    fn add(&mut self, size: usize) -> bool {
        let at = self.heap.alloc(layout(size));
        if at.is_null() {
            return false;
        }
        self.objects.push(Object { at, size });
        self.live += size;
        true
    }

    fn remove(&mut self, i: usize) {
        let object = self.objects.swap_remove(i);
        self.live -= object.size;
        // SAFETY: it is live, and was taken out.
        unsafe { object.free(self.heap) };
    }
}

impl<H: Heap> Drop for Filled<'_, H> {
    fn drop(&mut self) {
        while !self.objects.is_empty() {
            self.remove(self.objects.len() - 1);
        }
    }
}
