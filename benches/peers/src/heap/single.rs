//! The benches of heaps on one core.

use crate::harness::{Group, Row, escape};
use crate::heap::contenders::{self, Heap, Visit, layout};
use crate::heap::objects::{Live, Object, Random, Script, medium, small};
use crate::options::Options;

/// A bench: its name, the operations in one iteration, and its loop.
trait Loop: 'static {
    const BENCH: &'static str;
    const OPS: u64 = 1;
    fn new() -> Self;
    /// Runs `n` iterations.
    fn run<H: Heap>(&mut self, live: &mut Live<H>, n: u64);
}

/// The benches, in the order in which they run.
pub const BENCHES: &[&str] = &[
    Small::BENCH,
    Medium::BENCH,
    Grow::BENCH,
    Grow2::BENCH,
    AllocTest::BENCH,
    Sh6::BENCH,
];

/// Runs the benches that the options select.
pub fn run(options: &Options) -> Result<Vec<Row>, String> {
    let wanted = BENCHES.iter().filter(|bench| options.wants(bench)).count();
    let budget = options.budget / wanted.max(1) as u32;
    let mut rows = Vec::new();
    for bench in BENCHES.iter().filter(|bench| options.wants(bench)) {
        let mut group = Group::default();
        match *bench {
            Small::BENCH => add::<Small>(&mut group)?,
            Medium::BENCH => add::<Medium>(&mut group)?,
            Grow::BENCH => add::<Grow>(&mut group)?,
            Grow2::BENCH => add::<Grow2>(&mut group)?,
            AllocTest::BENCH => add::<AllocTest>(&mut group)?,
            _ => add::<Sh6>(&mut group)?,
        }
        rows.extend(group.measure(budget));
    }
    Ok(rows)
}

/// Adds all contenders of a bench.
fn add<L: Loop>(group: &mut Group<'_>) -> Result<(), String> {
    struct Add<'g, 'a, L>(&'g mut Group<'a>, std::marker::PhantomData<L>);
    impl<L: Loop> Visit for Add<'_, '_, L> {
        fn visit<H: Heap + 'static>(
            &mut self,
            name: &'static str,
            make: &dyn Fn() -> Result<H, String>,
        ) -> Result<(), String> {
            let (mut live, mut each) = (Live::new(make()?), L::new());
            self.0
                .add(L::BENCH, name, L::OPS, move |n| each.run(&mut live, n));
            Ok(())
        }
    }
    contenders::all(&mut Add::<L>(group, std::marker::PhantomData))
}

/// Replaces objects as the script says. The first call fills all places.
#[inline(always)]
fn replace<H: Heap>(live: &mut Live<H>, script: &mut Script, places: usize, n: u64, whole: bool) {
    let Live { heap, objects } = live;
    while objects.len() < places {
        objects.push(Object::new(heap, script.next().size as usize));
    }
    for _ in 0..n {
        let step = script.next();
        let object = &mut objects[step.place as usize];
        // SAFETY: it is live, and replaced by another one.
        unsafe { object.free(heap) };
        *object = Object::new(heap, step.size as usize);
        if whole {
            // SAFETY: the object has that many bytes.
            unsafe { object.at.write_bytes(1, object.size) };
        }
        escape(object);
    }
}

/// 16 to 1024 bytes, 4096 live objects.
struct Small(Script);

impl Loop for Small {
    const BENCH: &'static str = "heap/small";

    fn new() -> Self {
        Self(Script::new(1, |r| r.below(4096), small))
    }

    fn run<H: Heap>(&mut self, live: &mut Live<H>, n: u64) {
        replace(live, &mut self.0, 4096, n, false);
    }
}

/// 1 to 32 KiB, 1024 live objects.
struct Medium(Script);

impl Loop for Medium {
    const BENCH: &'static str = "heap/medium";

    fn new() -> Self {
        Self(Script::new(2, |r| r.below(1024), medium))
    }

    fn run<H: Heap>(&mut self, live: &mut Live<H>, n: u64) {
        replace(live, &mut self.0, 1024, n, false);
    }
}

/// As mimalloc-bench's alloc-test: each power of two from 8 to 1024 bytes as often as any other, four in five
/// replacements in a fifth of the places, every byte written.
struct AllocTest(Script);

impl Loop for AllocTest {
    const BENCH: &'static str = "heap/alloc_test";

    fn new() -> Self {
        let place = |r: &mut Random| match r.below(5) {
            0 => 2048 + r.below(8192),
            _ => r.below(2048),
        };
        Self(Script::new(3, place, |r| r.between_log(8, 1024)))
    }

    fn run<H: Heap>(&mut self, live: &mut Live<H>, n: u64) {
        replace(live, &mut self.0, 2048 + 8192, n, true);
    }
}

/// The length at which objects stop growing, and the first one.
const GROWN: usize = 1 << 20;
const FIRST: usize = 64;

/// An object that doubles, as a `Vec` does, and is filled each time.
struct Growing(Object);

impl Growing {
    fn new(heap: &mut impl Heap) -> Self {
        let object = Object::new(heap, FIRST);
        // SAFETY: the object has that many bytes.
        unsafe { object.at.write_bytes(1, FIRST) };
        Self(object)
    }

    fn double(&mut self, heap: &mut impl Heap) {
        let Object { at, size } = self.0;
        // SAFETY: the object is live, and replaced by the result. The new half is in it.
        unsafe {
            let at = heap.realloc(at, layout(size), 2 * size);
            assert!(!at.is_null(), "no memory for {} bytes", 2 * size);
            at.add(size).write_bytes(1, size);
            self.0 = Object { at, size: 2 * size };
        }
    }
}

/// One object grows from 64 bytes to 1 MiB.
struct Grow;

impl Loop for Grow {
    const BENCH: &'static str = "heap/grow";

    fn new() -> Self {
        Self
    }

    fn run<H: Heap>(&mut self, live: &mut Live<H>, n: u64) {
        let heap = &mut live.heap;
        for _ in 0..n {
            let mut one = Growing::new(heap);
            while one.0.size < GROWN {
                one.double(heap);
            }
            escape(&mut one);
            // SAFETY: it is live.
            unsafe { one.0.free(heap) };
        }
    }
}

/// Two objects grow in turn, eight times: less would show how soon the caches are those of the contender.
struct Grow2;

impl Loop for Grow2 {
    const BENCH: &'static str = "heap/grow2";
    const OPS: u64 = 16;

    fn new() -> Self {
        Self
    }

    fn run<H: Heap>(&mut self, live: &mut Live<H>, n: u64) {
        let heap = &mut live.heap;
        for _ in 0..8 * n {
            let mut both = [Growing::new(heap), Growing::new(heap)];
            while both[1].0.size < GROWN {
                both.iter_mut().for_each(|one| one.double(heap));
            }
            escape(&mut both);
            for one in both {
                // SAFETY: it is live.
                unsafe { one.0.free(heap) };
            }
        }
    }
}

/// As sh6bench: batches of objects of one size, freed in order, in reverse order, or every other one late.
struct Sh6 {
    random: Random,
    batches: u64,
}

impl Sh6 {
    const BATCH: usize = 256;
    const KEPT: usize = 8;
}

impl Loop for Sh6 {
    const BENCH: &'static str = "heap/sh6";
    const OPS: u64 = Self::BATCH as u64;

    fn new() -> Self {
        Self {
            random: Random::new(4),
            batches: 0,
        }
    }

    fn run<H: Heap>(&mut self, live: &mut Live<H>, n: u64) {
        let Live { heap, objects } = live;
        objects.resize(Self::BATCH * Self::KEPT, Object::NONE);
        for _ in 0..n {
            let size = self.random.between_log(8, 400);
            let kept = (self.batches % Self::KEPT as u64) as usize;
            let batch = &mut objects[kept * Self::BATCH..][..Self::BATCH];
            let mut free = |object: &mut Object| {
                let object = std::mem::replace(object, Object::NONE);
                // SAFETY: each of them is live or was taken out.
                unsafe { object.free(heap) };
            };
            match self.batches % 3 {
                0 => batch.iter_mut().for_each(&mut free),
                1 => batch.iter_mut().rev().for_each(&mut free),
                _ => {
                    batch.iter_mut().step_by(2).for_each(&mut free);
                    batch.iter_mut().for_each(&mut free);
                }
            }
            batch.fill_with(|| Object::new(heap, size));
            escape(&mut batch[0]);
            self.batches += 1;
        }
    }
}
