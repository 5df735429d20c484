//! What a heap promises, one by one.

use core::alloc::Layout;
use core::cell::Cell;
use core::marker::PhantomData;
use core::ptr::NonNull;
use std::rc::Rc;

use framepool::heap::{Heap, HeapLock, HeapStats, Unlocked};

use crate::{Memory, layout, with_heap};

fn free(heap: &Heap<Unlocked>, at: NonNull<u8>, layout: Layout) {
    // SAFETY: the tests pass blocks with their layouts.
    unsafe { heap.dealloc(at, layout) };
}

#[test]
fn a_new_heap_is_empty_and_refuses() {
    let heap = Heap::<Unlocked>::default();
    assert!(heap.alloc(layout(1, 1)).is_err());
    assert!(heap.alloc(layout(1, 64)).is_err());
    let stats = heap.stats();
    assert_eq!(
        (stats.total, stats.free, stats.largest, stats.refusals),
        (0, 0, 0, 2)
    );
    assert_eq!(heap.check().unwrap().regions, 0);
}

#[test]
fn size_zero_takes_no_memory() {
    let heap = Heap::<Unlocked>::new();
    let at = heap.alloc(layout(0, 64)).unwrap();
    assert_eq!(at.addr().get() % 64, 0);
    free(&heap, at, layout(0, 64));
    assert_eq!(heap.stats().frees, 0);
}

#[test]
fn a_block_costs_four_bytes_and_the_rounding_to_eight() {
    with_heap(16384, |heap| {
        for size in [20, 28, 100, 1000, 1004, 4000] {
            let before = heap.stats().used;
            let at = heap.alloc(layout(size, 8)).unwrap();
            assert_eq!(
                heap.stats().used - before,
                (size + 4).next_multiple_of(8).max(24)
            );
            free(heap, at, layout(size, 8));
        }
    });
}

#[test]
fn every_alignment_is_served_and_given_back() {
    with_heap(1 << 17, |heap| {
        for align in (0..16).map(|log| 1 << log) {
            for size in [1, 24, align, 3 * align / 2 + 1] {
                let each = layout(size, align);
                if let Ok(at) = heap.alloc(each) {
                    assert_eq!(at.addr().get() % align, 0);
                    heap.check().unwrap();
                    free(heap, at, each);
                } else {
                    assert!(size + align > 1 << 16);
                }
            }
        }
    });
}

#[test]
fn an_aligned_block_is_found_again_where_it_fits_exactly() {
    with_heap(1 << 14, |heap| {
        let pages: Vec<_> = (0..3)
            .map(|_| heap.alloc(layout(2048, 2048)).unwrap())
            .collect();
        let rest = heap.stats().largest;
        let filler = heap.alloc(layout(rest, 8)).unwrap();
        free(heap, pages[1], layout(2048, 2048));
        assert_eq!(heap.alloc(layout(2048, 2048)).unwrap(), pages[1]);
        free(heap, filler, layout(rest, 8));
        for page in pages {
            free(heap, page, layout(2048, 2048));
        }
    });
}

#[test]
fn growing_takes_the_free_memory_after_the_block() {
    with_heap(65536, |heap| {
        let one = heap.alloc(layout(100, 8)).unwrap();
        // SAFETY: allocated above; the layouts follow the sizes.
        unsafe {
            assert_eq!(heap.realloc(one, layout(100, 8), 30_000).unwrap(), one);
            assert_eq!(heap.realloc(one, layout(30_000, 8), 50).unwrap(), one);
            assert_eq!(heap.stats().requested, 50);
            let two = heap.alloc(layout(40, 8)).unwrap();
            assert_eq!(two.addr().get(), one.addr().get() + 56);
            let moved = heap.realloc(one, layout(50, 8), 500).unwrap();
            assert_ne!(moved, one);
            free(heap, two, layout(40, 8));
            free(heap, moved, layout(500, 8));
        }
    });
}

/// Allocates all that is free, as one block. Returns it and its layout.
fn the_rest(heap: &Heap<Unlocked>) -> (NonNull<u8>, Layout) {
    let all = layout(heap.stats().largest, 8);
    (heap.alloc(all).unwrap(), all)
}

/// Bytes that are unlike those around them.
fn pattern(i: usize) -> u8 {
    (i % 251) as u8
}

#[test]
fn growing_takes_the_free_memory_before_the_block() {
    // What is free: the block before, or that and the one after. A block of 1000 bytes takes 1008.
    for (after_too, size) in [(false, 1005), (false, 2012), (true, 2013), (true, 3020)] {
        with_heap(8192, |heap| {
            let thousand = layout(1000, 8);
            let [below, at, above, wall] = [(); 4].map(|()| heap.alloc(thousand).unwrap());
            let (rest, all) = the_rest(heap);
            free(heap, below, thousand);
            if after_too {
                free(heap, above, thousand);
            }
            // SAFETY: allocated above; the layouts follow the sizes.
            unsafe {
                (0..1000).for_each(|i| at.add(i).write(pattern(i)));
                let before = heap.stats();
                let grown = heap.realloc(at, thousand, size).unwrap();
                assert_eq!(grown, below, "{size}");
                assert!((0..1000).all(|i| grown.add(i).read() == pattern(i)));
                let after = heap.stats();
                assert_eq!(after.requested, before.requested + size - 1000);
                assert!(after.used - before.used < size - 1000 + 24, "{size}");
                heap.check().unwrap();
                grown.write_bytes(1, size);
                free(heap, grown, layout(size, 8));
            }
            if !after_too {
                free(heap, above, thousand);
            }
            free(heap, wall, thousand);
            free(heap, rest, all);
        });
    }
}

std::thread_local! {
    /// What is done after the next operation of a heap with the lock below.
    static NEXT: Cell<Option<Box<dyn FnOnce()>>> = const { Cell::new(None) };
}

/// No lock: for one thread, which does something else when it is released.
struct Between(PhantomData<Cell<()>>);

// SAFETY: the type is not `Sync`, and what is done comes after the call.
unsafe impl HeapLock for Between {
    const UNLOCKED: Self = Self(PhantomData);

    fn with<R>(&self, f: impl FnOnce() -> R) -> R {
        let result = f();
        if let Some(next) = NEXT.take() {
            next();
        }
        result
    }
}

#[test]
fn while_a_block_moves_down_the_others_get_what_it_does_not_need() {
    let (large, small) = (layout(40_000, 8), layout(1000, 8));
    // With the last size the block before is used whole, but for what cannot be a block.
    for size in [2000, 20_000, 39_000, 39_996] {
        let memory = Memory::new(65536);
        let heap = Rc::new(Heap::<Between>::new());
        // SAFETY: `memory` outlives the heap.
        unsafe { heap.add_region(memory.start, 65536) }.unwrap();
        let [below, at, _wall] = [large, small, small].map(|each| heap.alloc(each).unwrap());
        // SAFETY: the blocks are used as they were allocated.
        unsafe {
            heap.alloc(layout(heap.stats().largest, 8)).unwrap();
            heap.dealloc(below, large);
            (0..1000).for_each(|i| at.add(i).write(pattern(i)));
            let (before, other) = (heap.stats(), heap.clone());
            NEXT.set(Some(Box::new(move || {
                other.check().unwrap();
                let rest = layout(other.stats().largest, 8);
                assert!(rest.size() + size + 32 > 40_000, "{rest:?} beside {size}");
                if rest.size() > 0 {
                    let other_block = other.alloc(rest).unwrap();
                    other_block.write_bytes(1, rest.size());
                    other.dealloc(other_block, rest);
                }
            })));
            let moved = heap.realloc(at, small, size).unwrap();
            assert_eq!(moved, below);
            assert!((0..1000).all(|i| moved.add(i).read() == pattern(i)));
            assert_eq!(heap.stats().in_use(), before.in_use());
            assert_eq!(heap.stats().requested, before.requested + size - 1000);
            heap.check().unwrap();
        }
    }
}

#[test]
fn a_block_moves_down_only_to_where_it_fits_and_is_aligned() {
    with_heap(8192, |heap| {
        let small = layout(24, 8);
        let aligned = layout(1000, 64);
        let mut below = vec![heap.alloc(small).unwrap()];
        // The first of the free bytes must not be aligned.
        if below[0].addr().get().is_multiple_of(64) {
            below.push(heap.alloc(small).unwrap());
        }
        let at = heap.alloc(aligned).unwrap();
        let wall = heap.alloc(small).unwrap();
        let (rest, all) = the_rest(heap);
        let lowest = below.pop().unwrap();
        free(heap, lowest, small);
        let before = heap.stats();
        // SAFETY: allocated above.
        unsafe {
            // One byte more than the block holds: there is room, but not where it may begin.
            heap.realloc(at, aligned, 1005).unwrap_err();
            heap.realloc(at, layout(1000, 8), 2000).unwrap_err();
        }
        assert_eq!(
            (before.used, before.requested),
            (heap.stats().used, heap.stats().requested)
        );
        below.into_iter().for_each(|at| free(heap, at, small));
        free(heap, at, aligned);
        free(heap, wall, small);
        free(heap, rest, all);
    });
}

#[test]
fn realloc_without_room_leaves_the_block_intact() {
    with_heap(8192, |heap| {
        let at = heap.alloc(layout(1000, 8)).unwrap();
        let wall = heap.alloc(layout(100, 8)).unwrap();
        // SAFETY: allocated above.
        unsafe {
            at.write_bytes(7, 1000);
            let before = heap.stats();
            let no = heap.realloc(at, layout(1000, 8), 7000).unwrap_err();
            assert_eq!((no.size, no.available), (7000, before.largest));
            let after = heap.stats();
            assert_eq!(
                (before.used, before.requested),
                (after.used, after.requested)
            );
            let bytes = core::slice::from_raw_parts(at.as_ptr(), 1000);
            assert_eq!(bytes, [7; 1000]);
        }
        free(heap, at, layout(1000, 8));
        free(heap, wall, layout(100, 8));
    });
}

#[test]
fn refusals_are_counted_and_the_last_is_kept() {
    with_heap(8192, |heap| {
        assert!(heap.alloc(layout(9000, 8)).is_err());
        assert!(heap.alloc_zeroed(layout(100, 1 << 20)).is_err());
        let stats = heap.stats();
        let last = stats.last_refusal.unwrap();
        assert_eq!((stats.refusals, last.size, last.align), (2, 100, 1 << 20));
    });
}

#[test]
fn what_is_called_the_largest_is_served_and_no_more() {
    with_heap(1 << 20, |heap| {
        let mut held = Vec::new();
        loop {
            let HeapStats {
                largest,
                largest_at_most,
                ..
            } = heap.stats();
            if largest == 0 {
                break;
            }
            assert!(largest <= largest_at_most);
            let more = largest_at_most + 1;
            assert!(heap.alloc(layout(more, 1)).is_err());
            let size = if held.len() % 3 == 0 {
                largest
            } else {
                largest.div_ceil(3)
            };
            held.push((heap.alloc(layout(size, 1)).unwrap(), layout(size, 1)));
            if held.len() % 4 == 0 {
                let (at, layout) = held.swap_remove(held.len() / 2);
                free(heap, at, layout);
            }
        }
        for (at, layout) in held {
            free(heap, at, layout);
        }
    });
}

/// Also those of the list before the free block's.
#[test]
fn one_free_block_serves_every_size_up_to_its_own() {
    with_heap(1 << 14, |heap| {
        let largest = heap.stats().largest;
        for size in (1..=largest).step_by(if cfg!(miri) { 97 } else { 1 }) {
            let at = heap.alloc(layout(size, 8)).unwrap();
            free(heap, at, layout(size, 8));
        }
    });
}

#[test]
fn with_few_free_blocks_both_bounds_of_the_largest_are_equal() {
    with_heap(1 << 16, |heap| {
        let stats = heap.stats();
        assert_eq!(stats.largest_at_most, stats.largest);
        let at = heap.alloc(layout(stats.largest, 1)).unwrap();
        let full = heap.stats();
        assert_eq!((full.largest, full.largest_at_most), (0, 0));
        free(heap, at, layout(stats.largest, 1));
    });
}

#[test]
fn the_peak_is_that_of_the_blocks() {
    with_heap(65536, |heap| {
        let at = heap.alloc(layout(10_000, 8)).unwrap();
        let peak = heap.stats().used;
        free(heap, at, layout(10_000, 8));
        let at = heap.alloc(layout(500, 8)).unwrap();
        assert_eq!(heap.stats().peak, peak);
        free(heap, at, layout(500, 8));
    });
}

/// Writes a pattern into a block, and frees it.
fn soil(heap: &Heap<Unlocked>, size: usize) {
    let at = heap.alloc(layout(size, 8)).unwrap();
    // SAFETY: of that size.
    unsafe { at.write_bytes(0xA5, size) };
    free(heap, at, layout(size, 8));
}

fn zeroed(heap: &Heap<Unlocked>, size: usize, align: usize) -> NonNull<u8> {
    let at = heap.alloc_zeroed(layout(size, align)).unwrap();
    // SAFETY: of that size.
    let bytes = unsafe { core::slice::from_raw_parts(at.as_ptr(), size) };
    assert!(bytes == vec![0; size], "{size} {align}");
    // SAFETY: of that size.
    unsafe { at.write_bytes(0xA5, size) };
    at
}

#[test]
fn zeroed_memory_is_zero_in_a_region_of_zeros_and_in_any_other() {
    for fresh in [true, false] {
        let memory = Memory::new(65536);
        let heap = Heap::<Unlocked>::new();
        // SAFETY: `memory` outlives the heap, and is zero unless it is written here.
        unsafe {
            if fresh {
                heap.add_zeroed_region(memory.start, 65536).unwrap();
            } else {
                memory.start.write_bytes(0x77, 65536);
                heap.add_region(memory.start, 65536).unwrap();
            }
        }
        let mut held = Vec::new();
        for (i, size) in [100, 3000, 24, 1, 10_000, 16, 2500, 8000]
            .into_iter()
            .enumerate()
        {
            let align = if i % 3 == 2 { 256 } else { 8 };
            held.push((zeroed(&heap, size, align), layout(size, align)));
            soil(&heap, size * 2);
            heap.check().unwrap();
        }
        let rest = heap.stats().largest;
        held.push((zeroed(&heap, rest, 1), layout(rest, 1)));
        for (at, layout) in held {
            free(&heap, at, layout);
        }
        let all = heap.stats().largest;
        let at = zeroed(&heap, all, 1);
        free(&heap, at, layout(all, 1));
    }
}

#[test]
fn zeros_that_a_small_block_has_used_up_are_not_trusted() {
    let memory = Memory::new(4096);
    let heap = Heap::<Unlocked>::new();
    // SAFETY: `memory` outlives the heap, and is zero.
    unsafe { heap.add_zeroed_region(memory.start, 4096) }.unwrap();
    for size in 1..100 {
        soil(&heap, size);
        let at = zeroed(&heap, size, 1);
        free(&heap, at, layout(size, 1));
    }
}

#[test]
fn zeros_of_a_region_that_was_extended_are_not_trusted() {
    let memory = Memory::new(65536);
    let heap = Heap::<Unlocked>::new();
    // SAFETY: `memory` outlives the heap, and its first half is zero.
    unsafe {
        heap.add_zeroed_region(memory.start, 32768).unwrap();
        memory.at(32768).write_bytes(0x77, 32768);
        heap.add_region(memory.at(32768), 32768).unwrap();
    }
    // All of it, over the border, written and freed.
    soil(&heap, 30_000);
    zeroed(&heap, 60_000, 8);
}

#[test]
fn zeros_of_a_region_below_another_are_not_trusted() {
    let memory = Memory::new(65536);
    let heap = Heap::<Unlocked>::new();
    // SAFETY: `memory` outlives the heap, and its first half is zero.
    unsafe {
        heap.add_region(memory.at(32768), 32768).unwrap();
        heap.add_zeroed_region(memory.start, 32768).unwrap();
    }
    // Over the border, where the record of the upper region was.
    let at = zeroed(&heap, 60_000, 8);
    free(&heap, at, layout(60_000, 8));
    zeroed(&heap, 60_000, 8);
}

#[test]
fn zeros_before_a_table_that_is_replaced_are_not_trusted() {
    let memory = Memory::new(1 << 20);
    let heap = Heap::<Unlocked>::new();
    // SAFETY: `memory` outlives the heap, and is zero.
    unsafe {
        heap.add_region(memory.start, 16384).unwrap();
        // Merged; the new table lies at the end, after the zeros.
        heap.add_zeroed_region(memory.at(16384), 65536).unwrap();
        heap.check().unwrap();
        // Not merged; the table after the zeros is freed.
        heap.add_region(memory.at(500_000), 500_000).unwrap();
        heap.check().unwrap();
    }
    let all = layout(490_000, 8);
    let upper = heap.alloc(all).unwrap();
    soil(&heap, 70_000);
    zeroed(&heap, 70_000, 8);
    free(&heap, upper, all);
}

#[test]
fn growth_in_place_uses_up_zeros() {
    let memory = Memory::new(65536);
    let heap = Heap::<Unlocked>::new();
    // SAFETY: `memory` outlives the heap, and is zero.
    unsafe { heap.add_zeroed_region(memory.start, 65536).unwrap() };
    let at = heap.alloc(layout(100, 8)).unwrap();
    // SAFETY: allocated above, with the sizes that follow.
    unsafe {
        let at = heap.realloc(at, layout(100, 8), 20_000).unwrap();
        at.write_bytes(0xA5, 20_000);
        let at = heap.realloc(at, layout(20_000, 8), 10).unwrap();
        zeroed(&heap, 30_000, 8);
        free(&heap, at, layout(10, 8));
    }
    heap.check().unwrap();
}

#[test]
fn what_it_shows_is_its_statistics() {
    with_heap(8192, |heap| {
        assert!(
            heap.alloc(layout(5000, 16).align_to(8192).unwrap())
                .is_err()
        );
        let shown = heap.stats().to_string();
        assert!(
            shown.ends_with("1 refusals (last: 5000 bytes aligned to 8192)"),
            "{shown}"
        );
        assert!(format!("{heap:?}").starts_with("Heap { stats: HeapStats { total: 8192"));
    });
}

/// The list of the request's own size has nothing, and the next ones have one block that is smaller than the request
/// with all that an alignment may skip.
#[test]
fn an_aligned_request_finds_a_block_between_its_size_and_the_worst_case() {
    with_heap(16384, |heap| {
        let each = layout(100, 8);
        let mut held = Vec::new();
        while let Ok(at) = heap.alloc(each) {
            held.push(at);
        }
        held.sort();
        let second = held[20].addr().get().next_multiple_of(1024);
        let first = held
            .iter()
            .rposition(|at| at.addr().get() + 24 <= second)
            .unwrap();
        let hole: Vec<_> = held.drain(first..first + 13).collect();
        let last = hole[12].addr().get() + 100;
        assert!(last >= second + 1024 && last - hole[0].addr().get() < 2000);
        for at in hole {
            // SAFETY: allocated above.
            unsafe { heap.dealloc(at, each) };
        }
        let wide = layout(1024, 1024);
        let at = heap.alloc(wide).unwrap();
        assert_eq!(at.addr().get(), second);
        // SAFETY: allocated above.
        unsafe { heap.dealloc(at, wide) };
        for at in held {
            // SAFETY: allocated above.
            unsafe { heap.dealloc(at, each) };
        }
    });
}
