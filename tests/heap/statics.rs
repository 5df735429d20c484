//! Heaps in statics, shared by threads.

use core::alloc::{GlobalAlloc, Layout};
use core::ptr::NonNull;

use framepool::heap::{Heap, HeapMemory, Spin, StaticHeap};

use crate::{Memory, layout};

#[test]
fn a_heap_in_a_static_takes_the_size_that_was_asked_for() {
    framepool::heap!(static HEAP: 16 * 1024, lock = Spin);
    assert!(HEAP.stats().total < 16 * 1024);
    assert!(HEAP.stats().total > 16 * 1024 - 300);
    assert_eq!(HEAP.stats().total + size_of::<Heap<Spin>>(), 16 * 1024);
}

#[test]
fn the_first_operation_sets_it_up() {
    framepool::heap!(static HEAP: 8 * 1024, lock = Spin);
    // SAFETY: the size is not 0, and the block is freed with its layout.
    unsafe {
        let at = GlobalAlloc::alloc_zeroed(&HEAP, layout(5000, 64));
        assert!(!at.is_null() && at.addr() % 64 == 0);
        assert_eq!(core::slice::from_raw_parts(at, 5000), [0; 5000]);
        GlobalAlloc::dealloc(&HEAP, at, layout(5000, 64));
    }
    assert_eq!(HEAP.stats().refusals, 0);
}

#[test]
fn the_smallest_one_has_room_for_an_object() {
    static MEMORY: HeapMemory<{ 42 * size_of::<usize>() + 8 }, Spin> = HeapMemory::new();
    static HEAP: StaticHeap<Spin> = StaticHeap::new(&MEMORY);
    let at = HEAP.alloc(layout(8, 8)).unwrap();
    assert_eq!(HEAP.check().unwrap().regions, 1);
    // SAFETY: allocated above.
    unsafe { HEAP.dealloc(at, layout(8, 8)) };
}

#[test]
fn it_grows_by_other_memory() {
    framepool::heap!(static HEAP: 8 * 1024, lock = Spin);
    assert!(HEAP.alloc(layout(10_000, 8)).is_err());
    HEAP.add_memory(crate::leaked(65536)).unwrap();
    let at = HEAP.alloc(layout(10_000, 8)).unwrap();
    // SAFETY: allocated above.
    unsafe { HEAP.dealloc(at, layout(10_000, 8)) };
    assert_eq!(HEAP.check().unwrap().regions, 2);
}

/// All of the state of a heap of 256 KiB, its table included, fits into 1 KiB.
#[test]
fn the_static_part_is_at_most_a_kibibyte() {
    framepool::heap!(static HEAP: 256 * 1024, lock = Spin);
    assert!(
        256 * 1024 - HEAP.stats().capacity <= 1024,
        "{}",
        HEAP.stats()
    );
}

/// The same for every smaller heap, down to one of 8 KiB, which has room for a kibibyte less.
#[test]
fn the_static_part_of_smaller_heaps_is_at_most_a_kibibyte() {
    for kib in 8..256 {
        let memory = Memory::new(kib * 1024);
        let heap = Heap::<Spin>::new();
        // SAFETY: `memory` outlives the heap.
        unsafe { heap.add_region(memory.start, memory.len) }.unwrap();
        let fixed = size_of::<Heap<Spin>>() + heap.stats().metadata;
        assert!(fixed <= 1024, "{kib} KiB: {}", heap.stats());
        assert!(heap.alloc(layout(memory.len - 1024, 8)).is_ok());
    }
}

fn work(heap: &StaticHeap<Spin>, seed: u64) {
    let mut state = seed;
    let mut held: Vec<(NonNull<u8>, Layout, u8)> = Vec::new();
    for i in 0..if cfg!(miri) { 60 } else { 20_000 } {
        state = state
            .wrapping_mul(6364136223846793005)
            .wrapping_add(seed | 1);
        let size = 1 + (state >> 33) as usize % 400;
        if held.len() > 20 {
            let (at, layout, fill) = held.swap_remove(i % held.len());
            // SAFETY: allocated below, with this layout.
            unsafe {
                let bytes = core::slice::from_raw_parts(at.as_ptr(), layout.size());
                assert!(bytes == vec![fill; layout.size()]);
                heap.dealloc(at, layout);
            }
        }
        if let Ok(at) = heap.alloc(layout(size, 1 << (i % 6))) {
            // SAFETY: of that size.
            unsafe { at.write_bytes(i as u8, size) };
            held.push((at, layout(size, 1 << (i % 6)), i as u8));
        }
    }
    for (at, layout, _) in held {
        // SAFETY: allocated above.
        unsafe { heap.dealloc(at, layout) };
    }
}

#[test]
fn threads_share_it() {
    framepool::heap!(static HEAP: 64 * 1024, lock = Spin);
    std::thread::scope(|scope| {
        for seed in 1..4 {
            scope.spawn(move || work(&HEAP, seed));
        }
    });
    assert_eq!(HEAP.stats().used, 0);
    assert_eq!(HEAP.check().unwrap().free, 1);
}

/// What the macros make of attributes: those of the heap reach it, and the others its memory.
#[cfg(all(target_os = "linux", not(miri)))]
pub mod attributes {
    #![deny(missing_docs, non_upper_case_globals)]

    /// Bytes of a section with this name, between the linker's symbols.
    macro_rules! bytes_of {
        ($start:ident, $stop:ident) => {{
            unsafe extern "C" {
                static $start: u8;
                static $stop: u8;
            }
            (&raw const $stop).addr() - (&raw const $start).addr()
        }};
    }

    framepool::heap! {
        #[unsafe(link_section = "frames_of_display")]
        /// The frames of the display.
        #[cfg(all())]
        #[allow(non_upper_case_globals)]
        pub static frames: 20_000, lock = framepool::heap::Spin
    }

    framepool::heap! {
        /// Gone, with all of its parts: nothing that it names exists.
        #[cfg(any())]
        pub static GONE: MISSING, lock = Missing
    }

    /// The name is free.
    pub const GONE: usize = 20_000;

    #[test]
    fn those_of_a_heap() {
        assert!(frames.stats().total < GONE);
        let bytes = bytes_of!(__start_frames_of_display, __stop_frames_of_display);
        assert!((GONE - 100..=GONE).contains(&bytes), "{bytes}");
    }

    #[cfg(feature = "std")]
    framepool::thread_heap! {
        #[unsafe(link_section = "orders_of_day")]
        /// The orders of the day.
        #[cfg_attr(any(), global_allocator)]
        #[allow(non_upper_case_globals)]
        pub static orders: 2 << 20
    }

    #[cfg(feature = "std")]
    #[test]
    fn those_of_a_thread_heap() {
        assert!(orders.stats().total < 2 << 20);
        let bytes = bytes_of!(__start_orders_of_day, __stop_orders_of_day);
        assert!((2_000_000..=2 << 20).contains(&bytes), "{bytes}");
    }
}
