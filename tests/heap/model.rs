//! A shadow of the heap: contents, alignment, overlap and accounting, for random operations.

use core::alloc::Layout;
use core::ptr::NonNull;
use std::collections::BTreeMap;

use framepool::heap::{Heap, Unlocked};
use proptest::prelude::*;

use crate::{layout, with_heap};

#[derive(Debug, Clone)]
enum Op {
    Alloc {
        size: usize,
        align: u32,
        zeroed: bool,
    },
    Free {
        which: usize,
    },
    Resize {
        which: usize,
        size: usize,
    },
}

fn sizes() -> impl Strategy<Value = usize> {
    prop_oneof![4 => 1_usize..64, 4 => 1_usize..1100, 1 => 1_usize..5000, 1 => 1_usize..40_000]
}

fn op() -> impl Strategy<Value = Op> {
    let align = prop_oneof![6 => 0_u32..4, 2 => 4_u32..8, 1 => 8_u32..14];
    prop_oneof![
        5 => (sizes(), align, any::<bool>()).prop_map(|(size, align, zeroed)| Op::Alloc { size, align, zeroed }),
        4 => any::<usize>().prop_map(|which| Op::Free { which }),
        2 => (any::<usize>(), sizes()).prop_map(|(which, size)| Op::Resize { which, size }),
    ]
}

struct Held {
    at: NonNull<u8>,
    layout: Layout,
    fill: u8,
}

struct Shadow<'h> {
    heap: &'h Heap<Unlocked>,
    held: Vec<Held>,
    /// Start to end of each.
    spans: BTreeMap<usize, usize>,
    fills: u8,
}

impl<'h> Shadow<'h> {
    fn new(heap: &'h Heap<Unlocked>) -> Self {
        Self {
            heap,
            held: Vec::new(),
            spans: BTreeMap::new(),
            fills: 0,
        }
    }

    fn place(&mut self, at: NonNull<u8>, layout: Layout) {
        let start = at.addr().get();
        assert_eq!(start % layout.align(), 0);
        let before = self.spans.range(..start + layout.size()).next_back();
        assert!(before.is_none_or(|(_, &end)| end <= start), "overlap");
        assert!(self.heap.contains(at.as_ptr()));
        self.spans.insert(start, start + layout.size());
    }

    fn fill(&mut self, at: NonNull<u8>, layout: Layout) {
        self.fills = self.fills.wrapping_add(1) | 1;
        // SAFETY: the block has this layout.
        unsafe { at.write_bytes(self.fills, layout.size()) };
        self.held.push(Held {
            at,
            layout,
            fill: self.fills,
        });
    }

    fn holds(at: NonNull<u8>, len: usize, fill: u8) {
        // SAFETY: the block has at least `len` bytes, all of them written.
        let bytes = unsafe { core::slice::from_raw_parts(at.as_ptr(), len) };
        assert!(bytes == vec![fill; len], "bytes changed");
    }

    fn apply(&mut self, op: &Op) {
        match *op {
            Op::Alloc {
                size,
                align,
                zeroed,
            } => self.alloc(layout(size, 1 << align), zeroed),
            Op::Free { which } if !self.held.is_empty() => self.free(which % self.held.len()),
            Op::Resize { which, size } if !self.held.is_empty() => {
                self.resize(which % self.held.len(), size);
            }
            _ => {}
        }
    }

    fn alloc(&mut self, layout: Layout, zeroed: bool) {
        let largest = self.heap.stats().largest;
        let got = if zeroed {
            self.heap.alloc_zeroed(layout)
        } else {
            self.heap.alloc(layout)
        };
        match got {
            Ok(at) => {
                if zeroed {
                    Self::holds(at, layout.size(), 0);
                }
                self.place(at, layout);
                self.fill(at, layout);
            }
            Err(no) => {
                assert_eq!((no.size, no.align), (layout.size(), layout.align()));
                assert_eq!(no.available, largest);
                assert!(layout.size() > largest || layout.align() > 8);
            }
        }
    }

    fn free(&mut self, which: usize) {
        let Held { at, layout, fill } = self.held.swap_remove(which);
        Self::holds(at, layout.size(), fill);
        self.spans.remove(&at.addr().get()).unwrap();
        // SAFETY: allocated with this layout.
        unsafe { self.heap.dealloc(at, layout) };
    }

    fn resize(&mut self, which: usize, size: usize) {
        let Held {
            at,
            layout: old,
            fill,
        } = self.held.swap_remove(which);
        self.spans.remove(&at.addr().get()).unwrap();
        // SAFETY: allocated with this layout.
        match unsafe { self.heap.realloc(at, old, size) } {
            Ok(moved) => {
                let new = layout(size, old.align());
                Self::holds(moved, size.min(old.size()), fill);
                self.place(moved, new);
                self.fill(moved, new);
            }
            Err(_) => {
                assert!(size > old.size(), "shrinking never fails");
                Self::holds(at, old.size(), fill);
                self.place(at, old);
                self.held.push(Held {
                    at,
                    layout: old,
                    fill,
                });
            }
        }
    }

    fn account(&self) {
        let stats = self.heap.stats();
        assert_eq!(stats.in_use(), self.held.len());
        let requested: usize = self.held.iter().map(|held| held.layout.size()).sum();
        assert_eq!(stats.requested, requested);
        assert!(stats.used >= requested && stats.peak >= stats.used);
        assert_eq!(stats.used + stats.free, stats.capacity);
        assert!(stats.largest <= stats.largest_at_most && stats.largest <= stats.free);
    }

    fn end(mut self) {
        while !self.held.is_empty() {
            self.free(self.held.len() / 2);
        }
    }
}

fn run(len: usize, ops: &[Op]) {
    with_heap(len, |heap| {
        let mut shadow = Shadow::new(heap);
        for op in ops {
            shadow.apply(op);
            shadow.account();
            heap.check().unwrap();
        }
        shadow.end();
    });
}

fn cases() -> ProptestConfig {
    if cfg!(miri) {
        ProptestConfig {
            cases: 4,
            failure_persistence: None,
            ..ProptestConfig::default()
        }
    } else {
        ProptestConfig::default()
    }
}

const OPS: usize = if cfg!(miri) { 40 } else { 150 };

proptest! {
    #![proptest_config(cases())]

    #[test]
    fn a_small_heap_agrees_with_its_shadow(ops in prop::collection::vec(op(), 1..OPS)) {
        run(8192, &ops);
    }

    #[test]
    fn a_larger_heap_agrees_with_its_shadow(ops in prop::collection::vec(op(), 1..OPS)) {
        run(192 * 1024, &ops);
    }
}
