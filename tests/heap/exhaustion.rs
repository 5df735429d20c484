//! What happens when memory runs out, by lock.

use core::alloc::GlobalAlloc;

use framepool::heap::{Heap, HeapLock, Unlocked};

use crate::{Memory, layout};

/// Null, an error that names what there is, and a count; then more memory, by the same lock.
fn runs_out_and_grows<L: HeapLock>() {
    let memory = Memory::new(16384);
    let heap = Heap::<L>::new();
    // SAFETY: `memory` outlives the heap.
    unsafe { heap.add_region(memory.start, 8192) }.unwrap();
    let own = layout(1000, 8);
    let mut held: Vec<_> = core::iter::from_fn(|| heap.alloc(own).ok()).collect();
    let stats = heap.stats();
    assert_eq!((held.len(), stats.refusals), (7, 1));
    // SAFETY: the layout is not empty; blocks of this heap.
    unsafe {
        assert!(GlobalAlloc::alloc(&heap, own).is_null());
        assert!(GlobalAlloc::alloc_zeroed(&heap, own).is_null());
        held[0].write_bytes(7, 1000);
        assert!(GlobalAlloc::realloc(&heap, held[0].as_ptr(), own, 4000).is_null());
        assert_eq!(
            core::slice::from_raw_parts(held[0].as_ptr(), 1000),
            [7; 1000]
        );
    }
    let error = heap.alloc(own).unwrap_err();
    assert_eq!((error.size, error.available), (1000, stats.largest));
    assert_eq!(heap.stats().refusals, 5);
    assert_eq!(heap.stats().used, stats.used);
    heap.check().unwrap();
    // SAFETY: the rest of the memory.
    unsafe { heap.add_region(memory.at(8192), 8192) }.unwrap();
    held.extend(core::iter::from_fn(|| heap.alloc(own).ok()));
    assert_eq!(held.len(), 15);
    for at in held {
        // SAFETY: allocated above.
        unsafe { heap.dealloc(at, own) };
    }
    assert_eq!(heap.check().unwrap().free, 1);
}

#[test]
fn a_heap_without_a_lock() {
    runs_out_and_grows::<Unlocked>();
}

#[test]
#[cfg(feature = "spin")]
fn a_heap_with_a_spin_lock() {
    runs_out_and_grows::<framepool::heap::Spin>();
}

/// Interrupts may come between two requests, and never within one: not when a request is refused, and not when a region
/// is added.
#[cfg(feature = "critical-section")]
mod masked {
    use core::sync::atomic::{AtomicBool, AtomicUsize, Ordering::*};

    use super::*;

    /// The host's, for one thread, which counts sections.
    struct Host;
    static IS_IN: AtomicBool = AtomicBool::new(false);
    static SECTIONS: AtomicUsize = AtomicUsize::new(0);
    critical_section::set_impl!(Host);

    // SAFETY: only one thread of this program has a heap with this lock.
    unsafe impl critical_section::Impl for Host {
        unsafe fn acquire() -> critical_section::RawRestoreState {
            assert!(!IS_IN.swap(true, Relaxed), "no section is within another");
            SECTIONS.fetch_add(1, Relaxed);
        }

        unsafe fn release(_: critical_section::RawRestoreState) {
            IS_IN.store(false, Relaxed);
        }
    }

    #[test]
    fn a_heap_in_critical_sections() {
        let before = SECTIONS.load(Relaxed);
        runs_out_and_grows::<framepool::heap::CriticalSection>();
        assert!(SECTIONS.load(Relaxed) - before >= 15 * 2);
        assert!(!IS_IN.load(Relaxed));
    }
}

/// `try_reserve` gives an error; `push` ends the process.
#[cfg(all(feature = "allocator-api2", unix, not(miri)))]
mod handler {
    use std::os::unix::process::ExitStatusExt;
    use std::process::Command;

    use allocator_api2::vec::Vec;

    use super::*;

    const CHILD: &str = "FRAMEPOOL_RUNS_OUT";

    #[test]
    fn a_collection_reserves_or_aborts() {
        let memory = Memory::new(8192);
        let heap = Heap::<Unlocked>::new();
        // SAFETY: `memory` outlives the heap.
        unsafe { heap.add_region(memory.start, 8192) }.unwrap();
        let mut numbers = Vec::<u64, _>::new_in(&heap);
        assert!(numbers.try_reserve(2000).is_err());
        assert!(numbers.try_reserve(500).is_ok());
        if std::env::var_os(CHILD).is_some() {
            (0..2000).for_each(|n| numbers.push(n));
            unreachable!("there is no room for all");
        }
        let child = Command::new(std::env::current_exe().unwrap())
            .args([
                "--exact",
                "exhaustion::handler::a_collection_reserves_or_aborts",
            ])
            .env(CHILD, "1")
            .output()
            .unwrap();
        // SIGABRT.
        assert_eq!(child.status.signal(), Some(6), "{child:?}");
        assert!(String::from_utf8_lossy(&child.stderr).contains("memory allocation of"));
    }
}

/// A block that just fits is served if it is among the first four of its list.
#[test]
fn four_blocks_of_the_list_are_looked_at() {
    for smaller in 0..6 {
        let memory = Memory::new(16384);
        let heap = Heap::<Unlocked>::new();
        // SAFETY: `memory` outlives the heap.
        unsafe { heap.add_region(memory.start, 16384) }.unwrap();
        // All in one list, the last one freed first in it; small ones keep them apart.
        let sizes: Vec<_> = [1100, 1030, 1040, 1050, 1060, 1070][..=smaller].to_vec();
        let blocks: Vec<_> = sizes
            .iter()
            .map(|&size| {
                let at = heap.alloc(layout(size, 8)).unwrap();
                heap.alloc(layout(8, 8)).unwrap();
                (at, layout(size, 8))
            })
            .collect();
        let largest = heap.stats().largest;
        heap.alloc(layout(largest, 8)).unwrap();
        for (at, layout) in blocks {
            // SAFETY: allocated above.
            unsafe { heap.dealloc(at, layout) };
        }
        assert_eq!(
            heap.alloc(layout(1090, 8)).is_ok(),
            smaller < 4,
            "{smaller}"
        );
    }
}

/// A heap full of aligned objects, with small ones between: what was freed there is served again, wherever the skipped bytes
/// put it.
#[test]
fn a_heap_full_of_aligned_objects_serves_what_was_freed() {
    let mut random = 12345_u64;
    let mut below = move |n: usize| {
        random = random.wrapping_mul(6364136223846793005).wrapping_add(1);
        (random >> 33) as usize % n
    };
    let sizes: &[usize] = if cfg!(miri) {
        &[1536]
    } else {
        &[24, 60, 100, 200, 500, 1536, 4000]
    };
    for len in if cfg!(miri) { 14..15 } else { 14..18 }.map(|log| 1 << log) {
        for own in sizes
            .iter()
            .flat_map(|&size| [16, 32, 64, 256].map(|align| layout(size, align)))
        {
            let memory = Memory::new(len + 4096);
            let heap = Heap::<Unlocked>::new();
            // SAFETY: `memory` outlives the heap.
            unsafe { heap.add_region(memory.at(16), len) }.unwrap();
            let mut held = Vec::new();
            while let Ok(at) = heap.alloc(own) {
                held.push(at);
                if held.len() % 3 == 0 {
                    let _ = heap.alloc(layout(40, 8));
                }
            }
            for round in 0..if cfg!(miri) { 4 } else { 250 } {
                let few = (1 + round % 4).min(held.len());
                for _ in 0..few {
                    let at = held.swap_remove(below(held.len()));
                    // SAFETY: allocated with this layout.
                    unsafe { heap.dealloc(at, own) };
                }
                held.extend((0..few).map(|_| heap.alloc(own).unwrap()));
            }
            heap.check().unwrap();
        }
    }
}
