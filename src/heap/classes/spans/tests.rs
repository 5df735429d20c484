//! Spans over a core that is only a list.

use super::*;
use crate::heap::classes::Centre;
use crate::heap::classes::class::LARGEST_IN_SPANS;
use std::collections::BTreeMap;
use std::vec;
use std::vec::Vec;

/// A core that takes the first place that fits, and notes what is out.
struct FirstFit {
    base: NonNull<u8>,
    bytes: usize,
    out: BTreeMap<usize, usize>,
}

impl Runs for FirstFit {
    fn take(&mut self, bytes: usize, align: usize) -> Option<NonNull<u8>> {
        // Not the start of a unit, as after a header.
        let from_base = |at: usize| {
            (self.base.as_ptr() as usize + at).next_multiple_of(align) - self.base.as_ptr() as usize
        };
        let mut at = from_base(GRANULE);
        for (&start, &len) in &self.out {
            if at + bytes <= start {
                break;
            }
            at = from_base(start + len);
        }
        if at + bytes > self.bytes {
            return None;
        }
        self.out.insert(at, bytes);
        // SAFETY: inside the region.
        Some(unsafe { self.base.add(at) })
    }

    unsafe fn give(&mut self, at: NonNull<u8>) {
        let at = at.as_ptr() as usize - self.base.as_ptr() as usize;
        assert!(self.out.remove(&at).is_some());
    }
}

struct Heap {
    /// Aligned as a granule is.
    _memory: Vec<u128>,
    _records: Vec<Record>,
    runs: FirstFit,
    spans: Spans,
    /// Start and class of what is out.
    live: BTreeMap<u32, Class>,
}

impl Heap {
    fn new(units: usize) -> Self {
        let bytes = units * UNIT;
        let mut memory = vec![0u128; bytes / GRANULE];
        let mut records = vec![Record::default(); units];
        let base = NonNull::new(memory.as_mut_ptr().cast::<u8>()).unwrap();
        let first = NonNull::new(records.as_mut_ptr()).unwrap();
        Self {
            // SAFETY: the vectors live as long, are not touched otherwise, and the records are zeros.
            spans: unsafe { Spans::new(Origin::new(base), bytes, first) },
            runs: FirstFit {
                base,
                bytes,
                out: BTreeMap::new(),
            },
            _memory: memory,
            _records: records,
            live: BTreeMap::new(),
        }
    }

    fn take(&mut self, class: Class, n: usize) -> usize {
        let mut out = vec![MaybeUninit::uninit(); n];
        let n = self.spans.take(class, &mut out, &mut self.runs);
        for id in out.iter().take(n) {
            // SAFETY: `take` wrote `n` indices.
            let id = unsafe { id.assume_init() };
            let end = id + class.granules();
            let before = self.live.range(..end).next_back();
            assert!(
                before.is_none_or(|(&start, other)| start + other.granules() <= id),
                "overlap"
            );
            let at = self.runs.base.as_ptr() as usize + id as usize * GRANULE;
            assert_eq!(at % class.align().min(16), 0);
            self.live.insert(id, class);
        }
        n
    }

    /// Gives what `ids` begins with. Those that were in use must be live.
    fn give(&mut self, ids: &[u32]) -> Given {
        let unit = self.spans.unit_of(ids[0]).unwrap();
        // SAFETY: `live` says that the caller owns it, or no object begins there.
        let given = unsafe { self.spans.give(unit, ids, &mut self.runs) };
        let live = ids[..given.of]
            .iter()
            .filter(|id| self.live.remove(id).is_some());
        assert_eq!(live.count(), given.of - given.invalid);
        given
    }

    /// Gives all of them, which are live.
    fn give_all(&mut self, mut ids: &[u32]) {
        while !ids.is_empty() {
            let given = self.give(ids);
            assert_eq!(given.invalid, 0);
            ids = &ids[given.of..];
        }
    }
}

fn class(bytes: usize) -> Class {
    Class::of(bytes, 1).unwrap()
}

/// All classes; under Miri some, without those of the most objects.
fn classes() -> impl Iterator<Item = Class> {
    let (first, step) = if cfg!(miri) { (12, 11) } else { (0, 1) };
    (first..CLASSES).step_by(step).filter_map(Class::from_index)
}

#[test]
fn every_class_fills_a_span_without_overlap_and_returns_it() {
    for class in classes().filter(|class| class.bytes() <= LARGEST_IN_SPANS) {
        let mut heap = Heap::new(8);
        let count = Shape::of(class).count as usize;
        assert_eq!(heap.take(class, count), count);
        assert_eq!(heap.runs.out.len(), 1);
        let ids: Vec<u32> = heap.live.keys().copied().collect();
        for &id in &ids {
            assert_eq!(
                heap.spans.class_of(heap.spans.unit_of(id).unwrap()),
                Some(class)
            );
        }
        heap.give_all(&ids);
        assert_eq!(heap.spans.check(), Ok(1));
        assert_eq!(heap.spans.release_empty(&mut heap.runs), 1);
        assert!(heap.runs.out.is_empty());
    }
}

#[test]
fn every_granule_of_a_span_is_found_in_its_object() {
    for class in classes() {
        let shape = Shape::of(class);
        for granule in 0..if cfg!(miri) { 64 } else { 2 * UNIT_GRANULES } {
            assert_eq!(
                shape.index(granule),
                granule / shape.size,
                "{granule} of {class:?}"
            );
        }
    }
}

#[test]
fn a_double_free_and_a_place_inside_an_object_are_refused() {
    let mut heap = Heap::new(4);
    for bytes in [48, 2048] {
        let class = class(bytes);
        heap.take(class, 3);
        let ids: Vec<u32> = heap.live.keys().copied().collect();
        assert_eq!(heap.give(&[ids[0] + 1]), Given { of: 1, invalid: 1 });
        let twice = [ids[0], ids[1] + 1, ids[1], ids[0]];
        assert_eq!(heap.give(&twice), Given { of: 4, invalid: 2 });
        // The first one after the objects, where the words of free bits are.
        let shape = Shape::of(class);
        let after = heap.spans.record_of(ids[0] / UNIT_GRANULES).start + shape.size * shape.count;
        let at_the_end = [ids[2], after];
        assert_eq!(heap.give(&at_the_end), Given { of: 1, invalid: 0 });
        assert!(heap.live.is_empty());
    }
    // Before the first span, and beyond the region.
    assert_eq!(heap.spans.unit_of(0), None);
    assert_eq!(heap.spans.unit_of(u32::MAX), None);
}

#[test]
fn an_address_between_spans_is_the_cores() {
    let mut heap = Heap::new(4);
    heap.take(class(1024), 1);
    let gap = heap.runs.take(UNIT / 2, 16).unwrap();
    heap.take(class(2048), 1);
    let id = (gap.as_ptr() as usize - heap.runs.base.as_ptr() as usize) / GRANULE;
    for at in 0..(UNIT / 2 / GRANULE) {
        assert_eq!(heap.spans.unit_of((id + at) as u32), None);
    }
}

#[test]
fn exhaustion_gives_what_is_there() {
    let mut heap = Heap::new(2);
    // The first granule is not free, so one span fits.
    assert_eq!(heap.take(class(4096), 100), 16);
    assert_eq!(heap.take(class(4096), 100), 0);
    assert_eq!(heap.take(class(64), 100), 0);
}

#[test]
fn random_operations_agree_with_a_shadow() {
    let mut heap = Heap::new(40);
    let mut random = 0x2545_F491_4F6C_DD1Du64;
    let mut next = move |below: usize| {
        random ^= random << 13;
        random ^= random >> 7;
        random ^= random << 17;
        (random >> 33) as usize % below
    };
    let steps = if cfg!(miri) { 100 } else { 60_000 };
    for step in 0..steps {
        if step % (steps / 20) == 0 {
            assert_eq!(heap.spans.check(), Ok(heap.runs.out.len()));
        }
        // More taken than given at first, then the reverse.
        if next(4) < if step < steps / 2 { 3 } else { 1 } {
            let class = Class::from_index(next(56)).unwrap();
            heap.take(class, next(20) + 1);
        } else {
            for _ in 0..20 {
                let from = next(40 * UNIT_GRANULES as usize) as u32;
                // Of one span or of two.
                let ids: Vec<u32> = heap
                    .live
                    .range(from..)
                    .map(|(&id, _)| id)
                    .take(next(4))
                    .collect();
                heap.give_all(&ids);
            }
        }
    }
    let all: Vec<u32> = heap.live.keys().copied().collect();
    heap.give_all(&all);
    heap.spans.release_empty(&mut heap.runs);
    assert!(heap.runs.out.is_empty());
    assert!(heap.spans.first.iter().all(|&first| first == 0));
}

#[test]
fn an_empty_span_that_is_kept_goes_before_an_object_of_a_larger_class() {
    let mut heap = Heap::new(3);
    let (small, wider) = (class(64), class(80));
    // Two spans fit: one is empty, the other one has free objects.
    heap.take(wider, 1);
    heap.take(class(2048), 1);
    let last = *heap.live.keys().next_back().unwrap();
    heap.give_all(&[last]);
    assert_eq!(heap.spans.check(), Ok(2));
    let origin = heap.spans.origin;
    let mut centre = Centre::new(heap.spans, origin);
    let mut one = [MaybeUninit::uninit()];
    assert_eq!(centre.take(small, &mut one, &mut heap.runs), 1);
    // SAFETY: written.
    let id = unsafe { one[0].assume_init() };
    // SAFETY: the test owns it.
    unsafe { centre.give(&[id], &mut heap.runs) };
    assert_eq!(heap.runs.out.len(), 2);
    assert_eq!(
        heap.runs
            .out
            .values()
            .filter(|&&b| b == Shape::of(small).bytes())
            .count(),
        1
    );
}
