//! Several regions: merged where they touch, and found again where they do not.

use core::ptr::NonNull;

use framepool::heap::{Heap, Unlocked};

use crate::{Memory, layout, leaked};

/// Adds the parts of 64 KiB in an order, and takes it all as one block.
fn parts(order: &[(usize, usize)]) {
    let memory = Memory::new(65536);
    let heap = Heap::<Unlocked>::new();
    for &(start, end) in order {
        // SAFETY: `memory` outlives the heap.
        unsafe { heap.add_region(memory.at(start), end - start) }.unwrap();
        heap.check().unwrap();
    }
    let census = heap.check().unwrap();
    assert_eq!((census.regions, census.free), (1, 1), "{order:?}");
    let largest = heap.stats().largest;
    assert!(largest > 65536 - 1200, "{order:?} {largest}");
    let at = heap.alloc(layout(largest, 8)).unwrap();
    // SAFETY: of that size.
    unsafe {
        at.write_bytes(1, largest);
        heap.check().unwrap();
        heap.dealloc(at, layout(largest, 8));
    }
    assert_eq!(heap.check().unwrap(), census);
}

#[test]
fn adjacent_regions_become_one() {
    let (a, b, c, d) = (
        (0, 20_000),
        (20_000, 40_001),
        (40_001, 50_003),
        (50_003, 65_536),
    );
    parts(&[a, b, c, d]);
    parts(&[d, c, b, a]);
    parts(&[c, b, d, a]);
    parts(&[b, d, a, c]);
}

/// The table of lists may stay between them, so they are one region, but not one free block.
#[test]
fn a_gap_between_two_regions_is_closed() {
    let memory = Memory::new(65536);
    let heap = Heap::<Unlocked>::new();
    for (start, end) in [(0, 20_000), (40_001, 65_536), (20_000, 40_001)] {
        // SAFETY: `memory` outlives the heap.
        unsafe { heap.add_region(memory.at(start), end - start) }.unwrap();
    }
    let census = heap.check().unwrap();
    assert!(census.regions == 1 && census.free <= 2);
    assert!(heap.stats().free > 65_536 - 1200);
}

#[test]
fn a_region_that_grows_while_blocks_are_in_use_keeps_them() {
    let memory = Memory::new(1 << 20);
    let heap = Heap::<Unlocked>::new();
    let mut held = Vec::new();
    let mut end = 0;
    for step in [10_000, 10_001, 40_000, 300_003, 600_000] {
        // SAFETY: `memory` outlives the heap.
        unsafe { heap.add_region(memory.at(end), step) }.unwrap();
        end += step;
        for size in (1..40).map(|i| i * 100) {
            if let Ok(at) = heap.alloc(layout(size, 8)) {
                // SAFETY: of that size.
                unsafe { at.write_bytes(held.len() as u8, size) };
                held.push((at, size));
            }
        }
        heap.check().unwrap();
    }
    assert!(held.len() > 100);
    for (i, (at, size)) in held.into_iter().enumerate() {
        // SAFETY: of that size.
        unsafe {
            let bytes = core::slice::from_raw_parts(at.as_ptr(), size);
            assert!(bytes == vec![i as u8; size]);
            heap.dealloc(at, layout(size, 8));
        }
    }
    assert_eq!((heap.check().unwrap().regions, heap.stats().used), (1, 0));
}

#[test]
fn a_small_heap_becomes_a_large_one() {
    let heap = Heap::<Unlocked>::new();
    heap.add_memory(leaked(8192)).unwrap();
    let early = heap.alloc(layout(1000, 8)).unwrap();
    let before = heap.stats();
    let large = if cfg!(miri) { 1 << 17 } else { 1 << 22 };
    heap.add_memory(leaked(large)).unwrap();
    heap.check().unwrap();
    let after = heap.stats();
    assert!(after.largest > large - 20_000);
    assert_eq!(after.used, before.used);
    // SAFETY: allocated above.
    unsafe { heap.dealloc(early, layout(1000, 8)) };
    // The old table is free memory now: the small region is one block.
    let census = heap.check().unwrap();
    assert_eq!((census.regions, census.free), (2, 2));
}

#[test]
fn borrowed_memory_is_never_merged() {
    let heap = Heap::<Unlocked>::new();
    let (low, high) = leaked(32768).split_at_mut(16384);
    heap.add_memory(high).unwrap();
    heap.add_memory(low).unwrap();
    assert_eq!(heap.check().unwrap().regions, 2);
    assert!(heap.alloc(layout(17_000, 8)).is_err());
}

/// A pointer to borrowed memory may access nothing else, so no block may span it and the region next to it.
#[test]
fn a_region_is_not_merged_with_borrowed_memory_next_to_it() {
    for borrowed_first in [true, false] {
        let memory = leaked(49152);
        let start = NonNull::from(&mut *memory).cast::<u8>();
        let (low, rest) = memory.split_at_mut(16384);
        let (middle, high) = rest.split_at_mut(16384);
        let heap = Heap::<Unlocked>::new();
        let add_middle = |middle: &'static mut [_]| {
            let at = NonNull::from(middle);
            // SAFETY: the memory was borrowed for ever, and is used no more.
            unsafe { heap.add_region(at.cast(), at.len()) }.unwrap();
        };
        if borrowed_first {
            heap.add_memory(low).unwrap();
            heap.add_memory(high).unwrap();
            add_middle(middle);
        } else {
            add_middle(middle);
            heap.add_memory(low).unwrap();
            heap.add_memory(high).unwrap();
        }
        assert_eq!(heap.check().unwrap().regions, 3);
        assert!(heap.alloc(layout(17_000, 8)).is_err());
        let mut held = Vec::new();
        while let Ok(at) = heap.alloc(layout(1000, 8)) {
            // SAFETY: of that size.
            unsafe { at.write_bytes(1, 1000) };
            assert!(at >= start);
            held.push(at);
        }
        assert!(held.len() >= 45);
        for at in held {
            // SAFETY: allocated above.
            unsafe { heap.dealloc(at, layout(1000, 8)) };
        }
        assert_eq!(heap.check().unwrap().regions, 3);
    }
}

#[test]
fn regions_on_both_sides_of_borrowed_memory_merge_with_their_own_kind_only() {
    let memory = Memory::new(65536);
    let heap = Heap::<Unlocked>::new();
    heap.add_memory(leaked(8192)).unwrap();
    // SAFETY: `memory` outlives the heap.
    unsafe {
        heap.add_region(memory.at(0), 16384).unwrap();
        heap.add_region(memory.at(32768), 32768).unwrap();
        assert_eq!(heap.check().unwrap().regions, 3);
        heap.add_region(memory.at(16384), 16384).unwrap();
    }
    assert_eq!(heap.check().unwrap().regions, 2);
}

#[test]
fn many_regions_serve_what_one_of_them_holds() {
    let memory = Memory::new(40 * 4096);
    let heap = Heap::<Unlocked>::new();
    for i in 0..20 {
        // SAFETY: `memory` outlives the heap.
        unsafe { heap.add_region(memory.at(i * 8192 + 5), 4096) }.unwrap();
    }
    assert_eq!(heap.check().unwrap().regions, 20);
    let mut held = Vec::new();
    while let Ok(at) = heap.alloc(layout(2000, 16)) {
        held.push(at);
    }
    assert!(held.len() >= 20 && heap.check().is_ok());
    for at in held {
        // SAFETY: allocated above.
        unsafe { heap.dealloc(at, layout(2000, 16)) };
    }
    assert_eq!(heap.stats().used, 0);
    heap.check().unwrap();
}
