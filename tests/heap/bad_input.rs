//! Regions and requests that make no sense: an error with the facts, and nothing changed.

use core::alloc::{GlobalAlloc, Layout};
use core::ptr::NonNull;

use framepool::heap::{Heap, NoRoom, RegionError, Unlocked};
use proptest::prelude::*;

use crate::{Memory, layout, leaked, with_heap};

#[test]
fn a_region_of_a_few_bytes_is_too_small_and_is_not_written() {
    let heap = Heap::<Unlocked>::new();
    let memory = Memory::new(4096);
    for len in [0, 1, 8, 63, 128] {
        // SAFETY: `memory` outlives the heap.
        let refused = unsafe { heap.add_region(memory.at(1), len) };
        let Err(RegionError::TooSmall {
            required,
            available,
        }) = refused
        else {
            panic!("{len}: {refused:?}");
        };
        assert!(available == len && required > len);
    }
    // SAFETY: `memory` has 4096 bytes.
    let bytes = unsafe { core::slice::from_raw_parts(memory.start.as_ptr(), 4096) };
    assert_eq!(bytes, [0; 4096]);
    assert_eq!(heap.stats().total, 0);
}

#[test]
fn the_required_size_suffices() {
    for offset in 0..9 {
        let memory = Memory::new(4096);
        let heap = Heap::<Unlocked>::new();
        // SAFETY: `memory` outlives the heap.
        unsafe {
            let Err(RegionError::TooSmall { required, .. }) =
                heap.add_region(memory.at(offset), 10)
            else {
                panic!("10 bytes were accepted");
            };
            heap.add_region(memory.at(offset), required).unwrap();
        }
        let at = heap.alloc(layout(12, 8)).unwrap();
        // SAFETY: allocated above.
        unsafe { heap.dealloc(at, layout(12, 8)) };
        heap.check().unwrap();
    }
}

#[test]
fn refused_memory_comes_back() {
    let heap = Heap::<Unlocked>::new();
    let refused = heap.add_memory(leaked(16)).unwrap_err();
    assert_eq!(refused.memory.len(), 16);
    assert!(matches!(
        refused.reason,
        RegionError::TooSmall { available: 16, .. }
    ));
    assert!(refused.to_string().contains("the region has 16"));
}

#[test]
fn regions_that_wrap_the_address_space_are_refused() {
    let heap = Heap::<Unlocked>::new();
    let high = NonNull::new(core::ptr::without_provenance_mut(usize::MAX - 100)).unwrap();
    for len in [101, 102, 200, isize::MAX as usize, usize::MAX] {
        // SAFETY: refused before anything is written.
        let refused = unsafe { heap.add_region(high, len) };
        assert!(matches!(refused, Err(RegionError::Wraps { len: said, .. }) if said == len));
    }
    let low = NonNull::new(core::ptr::without_provenance_mut(8)).unwrap();
    // SAFETY: as above.
    let refused = unsafe { heap.add_region(low, isize::MAX as usize + 1) };
    assert!(matches!(refused, Err(RegionError::Wraps { .. })));
}

#[test]
fn overlapping_regions_are_refused_with_the_one_that_is_there() {
    let memory = Memory::new(32768);
    let heap = Heap::<Unlocked>::new();
    // SAFETY: `memory` outlives the heap.
    unsafe {
        heap.add_region(memory.at(8192), 8192).unwrap();
        for (at, len) in [
            (8192, 8192),
            (0, 8193),
            (16383, 8192),
            (9000, 100),
            (0, 32768),
        ] {
            let there = RegionError::Overlaps {
                start: memory.at(8192).addr().get(),
                len: 8192,
            };
            assert_eq!(
                heap.add_region(memory.at(at), len),
                Err(there),
                "{at} {len}"
            );
        }
    }
    assert_eq!(heap.stats().total, 8192);
    heap.check().unwrap();
}

#[test]
fn unaligned_regions_work_and_say_what_they_lose() {
    for (offset, end) in [(1, 0), (3, 1), (7, 7), (0, 5)] {
        let memory = Memory::new(16384);
        let heap = Heap::<Unlocked>::new();
        let len = 16384 - offset - end;
        // SAFETY: `memory` outlives the heap.
        unsafe { heap.add_region(memory.at(offset), len) }.unwrap();
        let stats = heap.stats();
        assert_eq!(stats.capacity + stats.metadata, len);
        assert!(stats.metadata < 500);
        let all = heap.alloc(layout(stats.largest, 1)).unwrap();
        // SAFETY: of that size.
        unsafe {
            all.write_bytes(0xFF, stats.largest);
            heap.check().unwrap();
            heap.dealloc(all, layout(stats.largest, 1));
        }
        assert_eq!(heap.check().unwrap().free, 1);
    }
}

#[test]
fn sizes_and_alignments_beyond_all_memory_are_refused() {
    with_heap(65536, |heap| {
        let largest = isize::MAX as usize;
        for (size, align) in [
            (largest, 1),
            (largest - 7, 8),
            (largest - 4095, 4096),
            (1, 1 << 30),
            (1, isize::MAX as usize / 2 + 1),
            (largest / 2 + 1, largest / 2 + 1),
            (65536, 1),
            (65536, 65536),
        ] {
            let no = heap.alloc(layout(size, align)).unwrap_err();
            assert_eq!((no.size, no.align), (size, align));
            // SAFETY: the size is not 0.
            assert!(unsafe { GlobalAlloc::alloc(heap, layout(size, align)) }.is_null());
        }
        let at = heap.alloc(layout(100, 1)).unwrap();
        // SAFETY: allocated above.
        unsafe {
            assert!(heap.realloc(at, layout(100, 1), largest).is_err());
            heap.dealloc(at, layout(100, 1));
        }
    });
}

#[test]
fn an_alignment_of_a_gibibyte_is_served_where_there_is_one() {
    // Where the memory is large enough by chance, or refused: never a wrong address.
    with_heap(1 << 20, |heap| {
        let each = Layout::from_size_align(64, 1 << 30).unwrap();
        if let Ok(at) = heap.alloc(each) {
            assert_eq!(at.addr().get() % (1 << 30), 0);
            // SAFETY: allocated above.
            unsafe { heap.dealloc(at, each) };
        }
    });
}

/// Sizes up to the largest of a layout, and alignments up to 1 GiB.
fn extreme() -> impl Strategy<Value = Layout> {
    let size = prop_oneof![
        2 => 1_usize..70_000,
        1 => (0_usize..5000).prop_map(|less| isize::MAX as usize - less),
        1 => (3_u32..isize::BITS - 1, 0_usize..40).prop_map(|(log, more)| (1 << log) + more),
    ];
    (size, 0_u32..=30).prop_filter_map("a layout", |(size, log)| {
        Layout::from_size_align(size, 1 << log).ok()
    })
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: if cfg!(miri) { 3 } else { 256 },
        failure_persistence: None,
        ..ProptestConfig::default()
    })]

    #[test]
    fn extreme_layouts_are_served_aligned_or_refused_with_the_facts(
        layouts in prop::collection::vec(extreme(), 1..if cfg!(miri) { 10 } else { 60 })
    ) {
        with_heap(65536, |heap| {
            let mut held = Vec::new();
            for (i, &layout) in layouts.iter().enumerate() {
                let before = heap.stats();
                match heap.alloc(layout) {
                    Ok(at) => {
                        assert_eq!(at.addr().get() % layout.align(), 0);
                        assert!(layout.size() <= before.largest);
                        held.push((at, layout));
                    }
                    Err(NoRoom { size, align, available }) => {
                        assert_eq!((size, align), (layout.size(), layout.align()));
                        assert_eq!(available, before.largest);
                        let free = if align > 8 {
                            // What a list holds for certain, in a heap of this size.
                            (size.saturating_add(align + 48) / 4).saturating_mul(5)
                        } else {
                            size
                        };
                        assert!(free > before.largest, "{layout:?} {before}");
                        let after = heap.stats();
                        assert_eq!(after.refusals, before.refusals + 1);
                        let last = after.last_refusal.unwrap();
                        assert_eq!((last.size, last.align), (size, align));
                        assert_eq!((after.used, after.free), (before.used, before.free));
                    }
                }
                if i % 3 == 2 && !held.is_empty() {
                    let (at, layout) = held.swap_remove(i % held.len());
                    // SAFETY: allocated with this layout.
                    unsafe { heap.dealloc(at, layout) };
                }
                heap.check().unwrap();
            }
            for (at, layout) in held {
                // SAFETY: allocated with this layout.
                unsafe { heap.dealloc(at, layout) };
            }
        });
    }
}
