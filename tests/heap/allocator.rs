//! `Allocator` for references to heaps: through allocator-api2 on stable, and the unstable trait of core under
//! `--cfg framepool_nightly`. One set of tests for both.

macro_rules! tests {
    ($name:ident, $alloc:path, $boxed:path, $vec:path) => {
        mod $name {
            use core::alloc::Layout;

            use $alloc::{AllocError, Allocator};
            use $boxed as Box;
            use $vec as Vec;

            use crate::{layout, with_heap};

            #[test]
            fn boxes_and_vectors_live_in_the_heap() {
                with_heap(32768, |heap| {
                    let boxed = Box::new_in([7_u64; 20], heap);
                    let mut bytes = Vec::new_in(heap);
                    for i in 0..3000_u32 {
                        bytes.push(i);
                    }
                    assert!(heap.contains(bytes.as_ptr().cast()));
                    assert_eq!(bytes.iter().sum::<u32>(), 2999 * 1500);
                    bytes.truncate(3);
                    bytes.shrink_to_fit();
                    assert_eq!(heap.stats().requested, 20 * 8 + 12);
                    assert_eq!(boxed[19], 7);
                });
            }

            #[test]
            fn boxes_freed_next_to_each_other_are_merged() {
                with_heap(32768, |heap| {
                    let mut boxes = std::vec::Vec::new();
                    for i in 0..50_u32 {
                        boxes.push(Box::new_in([i; 9], heap));
                    }
                    while boxes.len() > 1 {
                        drop(boxes.swap_remove(boxes.len() / 2));
                        heap.check().unwrap();
                    }
                });
            }

            #[test]
            fn a_vector_that_outgrows_the_heap_fails_and_keeps_its_values() {
                with_heap(8192, |heap| {
                    let mut bytes = Vec::new_in(heap);
                    bytes.extend(0..100_u8);
                    assert!(bytes.try_reserve(10_000).is_err());
                    assert_eq!(heap.allocate(layout(10_000, 8)), Err(AllocError));
                    assert!(bytes.iter().copied().eq(0..100));
                });
            }

            #[test]
            fn growth_zeroes_what_is_new_and_may_change_the_alignment() {
                with_heap(32768, |heap| {
                    let (small, large) = (layout(10, 1), layout(5000, 1024));
                    // SAFETY: each call passes the block of the one before, with its layout.
                    unsafe {
                        let at = heap.allocate(small).unwrap().cast();
                        at.write_bytes(3, 10);
                        let at = heap.grow_zeroed(at, small, large).unwrap().cast::<u8>();
                        assert_eq!(at.addr().get() % 1024, 0);
                        let bytes = core::slice::from_raw_parts(at.as_ptr(), 5000);
                        assert_eq!((&bytes[..10], &bytes[10..]), (&[3; 10][..], &[0; 4990][..]));
                        let at = heap.shrink(at, large, small).unwrap().cast();
                        heap.deallocate(at, small);
                    }
                });
            }

            #[test]
            fn size_zero_takes_nothing_and_grows_into_a_block() {
                with_heap(8192, |heap| {
                    let none = Layout::new::<()>();
                    // SAFETY: as above.
                    unsafe {
                        let at = heap.allocate(none).unwrap().cast();
                        assert_eq!(heap.stats().in_use(), 0);
                        let at = heap.grow_zeroed(at, none, layout(64, 8)).unwrap().cast();
                        assert_eq!(heap.stats().in_use(), 1);
                        let at = heap.shrink(at, layout(64, 8), none).unwrap().cast();
                        assert_eq!(heap.stats().in_use(), 0);
                        heap.deallocate(at, none);
                    }
                });
            }

            #[cfg(all(feature = "std", feature = "spin"))]
            #[test]
            fn a_heap_with_fronts_serves_collections_and_size_zero() {
                framepool::thread_heap!(static HEAP: if cfg!(miri) { 4 << 20 } else { 8 << 20 });
                let boxed = Box::new_in([7_u64; 20], &HEAP);
                let mut numbers = Vec::new_in(&HEAP);
                numbers.extend(0..if cfg!(miri) { 2000 } else { 100_000_u32 });
                assert!(numbers.try_reserve(4 << 20).is_err());
                numbers.truncate(1000);
                numbers.shrink_to_fit();
                assert!(numbers.iter().copied().eq(0..1000));
                assert_eq!(boxed[19], 7);

                let (none, large) = (Layout::new::<()>(), layout(100_000, 65_536));
                // SAFETY: each call passes the block of the one before, with its layout.
                unsafe {
                    let at = (&HEAP).allocate(none).unwrap().cast();
                    let at = (&HEAP).grow_zeroed(at, none, layout(64, 8)).unwrap().cast::<u8>();
                    at.write_bytes(3, 64);
                    let at = (&HEAP).grow(at, layout(64, 8), large).unwrap().cast::<u8>();
                    assert_eq!((at.addr().get() % 65_536, at.add(63).read()), (0, 3));
                    // In place, but for the alignment.
                    let wider = layout(100_000, 131_072);
                    let at = (&HEAP).grow(at, large, wider).unwrap().cast::<u8>();
                    assert_eq!((at.addr().get() % 131_072, at.add(63).read()), (0, 3));
                    let at = (&HEAP).shrink(at, wider, none).unwrap().cast();
                    (&HEAP).deallocate(at, none);
                }
                drop((boxed, numbers));
                HEAP.flush();
                HEAP.check().unwrap();
            }
        }
    };
}

#[cfg(feature = "allocator-api2")]
tests!(
    through_allocator_api2,
    allocator_api2::alloc,
    allocator_api2::boxed::Box,
    allocator_api2::vec::Vec
);
#[cfg(framepool_nightly)]
tests!(through_core, std::alloc, std::boxed::Box, std::vec::Vec);
