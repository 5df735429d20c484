//! Situations from reports about other allocators.

use core::alloc::Layout;
use core::ptr::NonNull;

use framepool::heap::{Heap, Unlocked};

use crate::{Memory, layout, with_heap};

fn free(heap: &Heap<Unlocked>, at: NonNull<u8>, layout: Layout) {
    // SAFETY: the tests pass blocks with their layouts.
    unsafe { heap.dealloc(at, layout) };
}

/// A random number below `n`.
fn below(state: &mut u64, n: usize) -> usize {
    *state = state
        .wrapping_mul(6364136223846793005)
        .wrapping_add(1442695040888963407);
    ((*state >> 33) as usize) % n
}

/// buddy_system_allocator#51: one allocation may span two regions that were added one after the other.
#[test]
fn one_block_spans_adjacent_regions() {
    let memory = Memory::new(32768);
    let heap = Heap::<Unlocked>::new();
    // SAFETY: `memory` outlives the heap.
    unsafe {
        heap.add_region(memory.at(0), 16384).unwrap();
        heap.add_region(memory.at(16384), 16384).unwrap();
    }
    let at = heap.alloc(layout(30_000, 8)).unwrap();
    free(&heap, at, layout(30_000, 8));
    heap.check().unwrap();
}

/// talc#53: 8 MiB at a page boundary, random calls of 8 to 256 bytes, checked every 1,000. The report's 10^7 calls
/// take a minute unoptimised; this makes a tenth.
#[test]
fn small_random_calls_leave_the_heap_intact() {
    let (len, calls) = if cfg!(miri) {
        (1 << 16, 500)
    } else {
        (8 << 20, 1_000_000)
    };
    with_heap(len, |heap| {
        let mut random = 53;
        let mut held = Vec::new();
        for call in 0..calls {
            if held.is_empty() || below(&mut random, 100) < 52 {
                let each = layout(8 + below(&mut random, 249), 8);
                if let Ok(at) = heap.alloc(each) {
                    held.push((at, each));
                }
            } else {
                let (at, layout) = held.swap_remove(below(&mut random, held.len()));
                free(heap, at, layout);
            }
            if call % if cfg!(miri) { 50 } else { 1000 } == 0 {
                heap.check().unwrap();
            }
        }
        for (at, layout) in held {
            free(heap, at, layout);
        }
    });
}

/// talc#49: a free gap and odd sizes at the end, the region extended, all of it allocated: nothing overlaps.
#[test]
fn a_region_extended_after_odd_sizes_hands_out_no_byte_twice() {
    let (first, all) = if cfg!(miri) {
        (1 << 14, 1 << 15)
    } else {
        (24 << 20, 40 << 20)
    };
    let memory = Memory::new(all);
    let heap = Heap::<Unlocked>::new();
    // SAFETY: `memory` outlives the heap.
    unsafe { heap.add_region(memory.at(0), first - 3) }.unwrap();
    let gap = heap.alloc(layout(first * 2 / 3, 8)).unwrap();
    let mut spans = Vec::new();
    for size in [1, 3, 5, 7, 11, 13, 101, 1009] {
        spans.push((heap.alloc(layout(size, 1)).unwrap().addr().get(), size));
    }
    while heap.stats().largest > 0 {
        let size = heap.stats().largest.div_ceil(2);
        spans.push((heap.alloc(layout(size, 1)).unwrap().addr().get(), size));
    }
    free(&heap, gap, layout(first * 2 / 3, 8));
    // SAFETY: as above.
    unsafe { heap.add_region(memory.at(first - 3), all - first + 3) }.unwrap();
    heap.check().unwrap();
    while heap.stats().largest > 0 {
        let size = heap.stats().largest;
        spans.push((heap.alloc(layout(size, 1)).unwrap().addr().get(), size));
        heap.check().unwrap();
    }
    spans.sort_unstable();
    assert!(
        spans
            .windows(2)
            .all(|pair| pair[0].0 + pair[0].1 <= pair[1].0)
    );
}

/// Of a block that is larger than a request by the smallest block, that one is free again.
#[test]
fn a_rest_of_the_smallest_size_is_free_again() {
    let smallest = 2 * size_of::<usize>() + 8;
    with_heap(8192, |heap| {
        let hole = heap.alloc(layout(100 + smallest, 8)).unwrap();
        let wall = heap.alloc(layout(100, 8)).unwrap();
        free(heap, hole, layout(100 + smallest, 8));
        let used = heap.stats().used;
        let at = heap.alloc(layout(100, 8)).unwrap();
        assert!(at == hole && heap.stats().used == used + 104);
        free(heap, at, layout(100, 8));
        free(heap, wall, layout(100, 8));
    });
}

/// linked-list-allocator#66, llvm-mos-sdk#314: sizes that need padding, until exhausted, all freed: the largest
/// block is what it was (`with_heap` compares).
#[test]
fn padding_is_not_lost() {
    let len = if cfg!(miri) { 8192 } else { 65536 };
    with_heap(len, |heap| {
        for size in [1, 8, 9, 21, 24, 29, 61, 104] {
            let mut held = Vec::new();
            while let Ok(at) = heap.alloc(layout(size, 8)) {
                held.push(at);
            }
            assert!(held.len() > len * 9 / 10 / (size + 23));
            // Every other one first, so that free blocks are apart.
            for start in 0..2 {
                for at in held.iter().skip(start).step_by(2) {
                    free(heap, *at, layout(size, 8));
                }
            }
        }
    });
}

/// a16z/jolt#1746: growth in place to 1 MiB, shrunk to 10 bytes, dropped, many times.
#[test]
fn growth_and_shrinking_in_place_lose_nothing() {
    let (len, most) = if cfg!(miri) {
        (1 << 16, 1 << 12)
    } else {
        (4 << 20, 1 << 20)
    };
    with_heap(len, |heap| {
        for _ in 0..if cfg!(miri) { 3 } else { 1000 } {
            let before = heap.stats().free;
            let mut size = 16;
            let mut at = heap.alloc(layout(size, 1)).unwrap();
            // SAFETY: the layout follows the size.
            unsafe {
                while size < most {
                    at = heap.realloc(at, layout(size, 1), size * 2).unwrap();
                    size *= 2;
                }
                at = heap.realloc(at, layout(size, 1), 10).unwrap();
            }
            free(heap, at, layout(10, 1));
            assert_eq!(heap.stats().free, before);
        }
    });
}

/// talc#43: the largest block, in one step.
#[test]
fn the_largest_block_is_known_without_a_search() {
    with_heap(65536, |heap| {
        let largest = heap.stats().largest;
        assert!(largest > 64_000);
        let at = heap.alloc(layout(largest, 8)).unwrap();
        assert_eq!(heap.stats().largest, 0);
        free(heap, at, layout(largest, 8));
        assert_eq!(heap.stats().refusals, 0);
    });
}
