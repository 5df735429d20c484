//! Hardened heaps: every mistake is reported and corrupts nothing, and a program without mistakes notices nothing.

use core::alloc::{GlobalAlloc, Layout};
use core::ptr::NonNull;
use std::cell::{Cell, RefCell};

use framepool::heap::{Hardenable, Hardened, Heap, HeapFault, HeapFaultKind as Kind, Unlocked};

use crate::{Memory, layout, with_heap};

/// What is written over links and sizes.
mod metadata;

/// A hardened heap over `len` bytes, checked when it ends: everything is free again, in one block, but for what was
/// withheld.
fn with_hardened<const N: usize>(len: usize, f: impl FnOnce(&Hardened<Heap<Unlocked>, N>)) {
    let memory = Memory::new(len);
    let heap = Hardened::<_, N>::new(Heap::<Unlocked>::new());
    // SAFETY: `memory` outlives the heap.
    unsafe { heap.heap().add_region(memory.start, len) }.unwrap();
    f(&heap);
    heap.empty_quarantine();
    heap.heap().check().unwrap();
    let (faults, stats) = (heap.faults(), heap.heap().stats());
    assert_eq!((faults.quarantined, faults.quarantined_bytes), (0, 0));
    if faults.withheld == 0 {
        assert_eq!((stats.used, stats.in_use()), (0, 0));
        assert_eq!(heap.heap().check().unwrap().free, 1);
    }
}

fn free<H: Hardenable, const N: usize>(heap: &Hardened<H, N>, at: NonNull<u8>, layout: Layout) {
    // SAFETY: of the tests: a mistake is what they are about.
    unsafe { heap.dealloc(at, layout) };
}

/// The fault of a call: exactly one.
#[track_caller]
fn fault<H: Hardenable, const N: usize>(heap: &Hardened<H, N>, f: impl FnOnce()) -> HeapFault {
    let before = heap.faults().count;
    f();
    let after = heap.faults();
    assert_eq!(after.count, before + 1, "{after:?}");
    after.last.unwrap()
}

#[track_caller]
fn kind<H: Hardenable, const N: usize>(heap: &Hardened<H, N>, f: impl FnOnce()) -> Kind {
    fault(heap, f).kind
}

/// All mistakes with one block, of each layout.
fn mistakes<H: Hardenable, const N: usize>(heap: &Hardened<H, N>, layouts: &[Layout]) {
    for &own in layouts {
        let at = heap.alloc(own).unwrap();
        assert_eq!(at.addr().get() % own.align(), 0);
        let found = fault(heap, || free(heap, at, layout(own.size() + 1, own.align())));
        let (size, align) = (own.size(), own.align());
        assert_eq!(found.kind, Kind::WrongLayout { size, align });
        assert_eq!((found.address, found.size), (at.addr().get(), size + 1));
        assert_eq!(
            kind(heap, || free(heap, at, layout(size, 2 * align))),
            Kind::WrongLayout { size, align }
        );
        for ahead in [1, 8, 16] {
            // SAFETY: in the block or its guards.
            let inside = unsafe { at.add(ahead) };
            assert_eq!(
                kind(heap, || free(heap, inside, own)),
                Kind::NoBlock,
                "{own:?}"
            );
        }
        free(heap, at, own);
        assert_eq!(kind(heap, || free(heap, at, own)), Kind::DoubleFree);
        // SAFETY: of a block that was freed.
        let stale = || unsafe { heap.realloc(at, own, 10).unwrap_err() };
        assert_eq!(
            kind(heap, || {
                stale();
            }),
            Kind::DoubleFree
        );
    }
    heap.empty_quarantine();
    assert_eq!(heap.faults().withheld, 0);
}

fn layouts() -> Vec<Layout> {
    let all = [
        (1, 1),
        (8, 8),
        (13, 2),
        (24, 8),
        (64, 16),
        (100, 64),
        (1000, 4096),
        (5000, 1),
    ];
    // Miri needs long for large ones.
    let most = if cfg!(miri) { 64 } else { 5000 };
    all.iter()
        .filter(|(size, _)| *size <= most)
        .map(|&(size, align)| layout(size, align))
        .collect()
}

#[test]
fn mistakes_with_a_block_are_found() {
    with_hardened::<64>(1 << 17, |heap| {
        mistakes(heap, &layouts());
    });
}

#[test]
fn foreign_pointers_are_found() {
    with_heap(8192, |other| {
        with_hardened::<4>(8192, |heap| {
            let own = layout(40, 8);
            let theirs = other.alloc(own).unwrap();
            let on_the_stack = [0_u64; 8];
            let ends = [1, 8, 16, 24, usize::MAX, usize::MAX - 7]
                .map(|at| NonNull::new(core::ptr::without_provenance_mut(at)).unwrap());
            let foreign = [theirs, NonNull::from(&on_the_stack).cast()];
            for at in foreign.into_iter().chain(ends) {
                assert_eq!(kind(heap, || free(heap, at, own)), Kind::Foreign);
                // SAFETY: of the test.
                let moved = || unsafe { heap.realloc(at, own, 80).unwrap_err() };
                assert_eq!(
                    kind(heap, || {
                        moved();
                    }),
                    Kind::Foreign
                );
            }
            // SAFETY: allocated above.
            unsafe { other.dealloc(theirs, own) };
        });
    });
}

/// Every address of the heap that is no block.
#[test]
fn pointers_into_the_heap_are_found() {
    let memory = Memory::new(4096);
    let heap = Hardened::<_, 4>::new(Heap::<Unlocked>::new());
    // SAFETY: `memory` outlives the heap.
    unsafe { heap.heap().add_region(memory.start, 4096) }.unwrap();
    let own = layout(40, 8);
    let held = [(); 5].map(|()| heap.alloc(own).unwrap());
    for offset in 0..if cfg!(miri) { 300 } else { 4096 } {
        let at = memory.at(offset);
        if !held.contains(&at) {
            let found = kind(&heap, || free(&heap, at, own));
            let expected = if offset < 24 {
                Kind::Foreign
            } else {
                Kind::NoBlock
            };
            if cfg!(target_pointer_width = "64") {
                assert_eq!(found, expected, "{offset}");
            }
        }
    }
    held.into_iter().for_each(|at| free(&heap, at, own));
    assert_eq!(heap.empty_quarantine(), 4);
    assert_eq!(heap.heap().check().unwrap().free, 1);
}

#[test]
fn bytes_written_outside_of_a_block_are_found_when_it_is_freed() {
    with_hardened::<64>(1 << 17, |heap| {
        for own in layouts() {
            let around = [(); 2].map(|()| heap.alloc(own).unwrap());
            for n in 0..8 {
                let at = heap.alloc(own).unwrap();
                // SAFETY: in the guard of the block.
                unsafe { *at.add(own.size() + n).as_mut() ^= 0x10 };
                let offset = own.size() + n;
                assert_eq!(kind(heap, || free(heap, at, own)), Kind::Overrun { offset });
                // SAFETY: as above.
                let moved = || unsafe { heap.realloc(at, own, 1).unwrap_err() };
                assert_eq!(
                    kind(heap, || {
                        moved();
                    }),
                    Kind::Overrun { offset }
                );
                // The mistake undone, the block is whole again.
                // SAFETY: as above.
                unsafe { *at.add(offset).as_mut() ^= 0x10 };
                free(heap, at, own);
            }
            for n in 1..=3 * size_of::<usize>() {
                let at = heap.alloc(own).unwrap();
                // SAFETY: in the guard of the block.
                unsafe { *at.sub(n).as_mut() ^= 1 };
                assert_eq!(kind(heap, || free(heap, at, own)), Kind::NoBlock, "{n}");
                // SAFETY: as above.
                unsafe { *at.sub(n).as_mut() ^= 1 };
                free(heap, at, own);
            }
            around.into_iter().for_each(|at| free(heap, at, own));
            heap.heap().check().unwrap();
            // For room.
            heap.empty_quarantine();
        }
    });
}

#[test]
fn a_write_after_a_free_is_found_when_the_block_leaves_the_quarantine() {
    with_hardened::<3>(1 << 16, |heap| {
        let own = layout(130, 8);
        for offset in [0, 1, 63, 64, 100, 128, 129, 130, 137] {
            let at = heap.alloc(own).unwrap();
            free(heap, at, own);
            // SAFETY: of a block that was freed.
            unsafe { *at.add(offset).as_mut() ^= 0x55 };
            let before = heap.faults();
            let others = [(); 3].map(|()| heap.alloc(own).unwrap());
            assert!(!others.contains(&at));
            others[..2].iter().for_each(|&at| free(heap, at, own));
            assert_eq!(heap.faults().count, before.count, "still in quarantine");
            let found = fault(heap, || free(heap, others[2], own));
            assert_eq!(found.kind, Kind::UseAfterFree { offset });
            assert_eq!(found.address, at.addr().get());
            assert!(heap.faults().withheld >= before.withheld + own.size());
            let next = heap.alloc(own).unwrap();
            assert_ne!(next, at);
            free(heap, next, own);
            heap.empty_quarantine();
        }
        // The words before it, too.
        for n in 1..=3 * size_of::<usize>() {
            let at = heap.alloc(own).unwrap();
            free(heap, at, own);
            // SAFETY: as above.
            unsafe { *at.sub(n).as_mut() ^= 1 };
            let found = kind(heap, || assert_eq!(heap.empty_quarantine(), 1));
            assert_eq!(found, Kind::UseAfterFree { offset: 0 });
        }
    });
}

#[test]
fn memory_has_a_pattern_before_and_after_its_use() {
    with_hardened::<8>(1 << 14, |heap| {
        let own = layout(100, 8);
        let bytes = |at: NonNull<u8>| {
            // SAFETY: 100 bytes that are or were a block.
            unsafe { core::slice::from_raw_parts(at.as_ptr(), 100) }.to_vec()
        };
        let at = heap.alloc(own).unwrap();
        assert_eq!(bytes(at), [0xA5; 100]);
        free(heap, at, own);
        assert_eq!(bytes(at), [0xDF; 100]);
        let zeroed = heap.alloc_zeroed(own).unwrap();
        assert_eq!(bytes(zeroed), [0; 100]);
        free(heap, zeroed, own);
    });
}

#[test]
fn the_quarantine_has_its_bounds() {
    let own = layout(64, 8);
    with_hardened::<5>(1 << 16, |heap| {
        let mut last = None;
        for n in 0..20 {
            let at = heap.alloc(own).unwrap();
            assert_ne!(Some(at), last, "it is in quarantine");
            free(heap, at, own);
            let faults = heap.faults();
            assert_eq!(faults.quarantined, (n + 1).min(5));
            assert_eq!(faults.quarantined_bytes, (n + 1).min(5) * 64);
            last = Some(at);
        }
        // A sixteenth of the bytes.
        let large = layout(1500, 8);
        for _ in 0..9 {
            let at = heap.alloc(large).unwrap();
            free(heap, at, large);
            assert!(heap.faults().quarantined_bytes <= heap.heap().stats().capacity / 16);
        }
        assert_eq!(heap.faults().quarantined, 2);
        // Larger than all of it.
        let largest = layout(if cfg!(miri) { 5000 } else { 30_000 }, 8);
        let at = heap.alloc(largest).unwrap();
        free(heap, at, largest);
        assert_eq!(heap.faults().quarantined, 0);
    });
    with_hardened::<0>(1 << 12, |heap| {
        let at = heap.alloc(own).unwrap();
        free(heap, at, own);
        assert_eq!((heap.faults().quarantined, heap.empty_quarantine()), (0, 0));
        assert_eq!(kind(heap, || free(heap, at, own)), Kind::DoubleFree);
    });
}

#[test]
fn exhaustion_empties_the_quarantine_and_is_counted_once() {
    with_hardened::<64>(16384, |heap| {
        let own = layout(900, 8);
        let held: Vec<_> = core::iter::from_fn(|| heap.alloc(own).ok()).collect();
        assert_eq!(heap.heap().stats().refusals, 1);
        held.iter()
            .rev()
            .take(1)
            .for_each(|&at| free(heap, at, own));
        assert_eq!(heap.faults().quarantined, 1);
        let again = heap.alloc(own).unwrap();
        assert_eq!(heap.heap().stats().refusals, 1, "served in the end");
        let refused = heap.alloc(own).unwrap_err();
        assert_eq!((refused.size, refused.align), (900, 8));
        assert!(refused.available < 900);
        assert_eq!(heap.heap().stats().refusals, 2);
        assert_eq!(heap.faults().count, 0);
        held[..held.len() - 1]
            .iter()
            .for_each(|&at| free(heap, at, own));
        free(heap, again, own);
        heap.empty_quarantine();
        // What an error names is served.
        let available = heap.alloc(layout(20_000, 8)).unwrap_err().available;
        let most = heap.alloc(layout(available, 8)).unwrap();
        free(heap, most, layout(available, 8));
    });
    with_hardened::<64>(16384, |heap| {
        for (size, align) in [
            (isize::MAX as usize, 1),
            (isize::MAX as usize - 7, 8),
            (1, 1 << 30),
        ] {
            let before = heap.heap().stats().refusals;
            assert!(heap.alloc(layout(size, align)).is_err());
            assert_eq!(heap.heap().stats().refusals, before + 1);
        }
        let empty = heap.alloc(layout(0, 64)).unwrap();
        free(heap, empty, layout(0, 64));
        assert_eq!(heap.faults().count, 0);
    });
}

#[test]
fn a_block_moves_if_there_is_room_and_keeps_its_bytes() {
    with_hardened::<64>(16384, |heap| {
        let content = |at: NonNull<u8>, n| {
            // SAFETY: a block of at least as many bytes.
            unsafe { core::slice::from_raw_parts(at.as_ptr(), n) }.to_vec()
        };
        let own = layout(800, 8);
        let at = heap.alloc(own).unwrap();
        // SAFETY: of that size; then a block with its layout.
        let moved = unsafe {
            at.write_bytes(7, 800);
            heap.realloc(at, own, 1500).unwrap()
        };
        assert_ne!(at, moved);
        assert_eq!(content(moved, 800), [7; 800]);
        assert_eq!(kind(heap, || free(heap, at, own)), Kind::DoubleFree);
        // SAFETY: as above; there is no room for two of the size then.
        let large = unsafe { heap.realloc(moved, layout(1500, 8), 9000).unwrap() };
        // SAFETY: as above.
        let larger = unsafe { heap.realloc(large, layout(9000, 8), 12_000).unwrap() };
        assert_eq!(content(larger, 800), [7; 800]);
        // SAFETY: as above.
        let refused = unsafe { heap.realloc(larger, layout(12_000, 8), 40_000) };
        assert!(refused.is_err());
        assert_eq!(content(larger, 800), [7; 800]);
        // SAFETY: as above. Smaller always works.
        let small = unsafe { heap.realloc(larger, layout(12_000, 8), 11_900).unwrap() };
        assert_eq!(content(small, 800), [7; 800]);
        free(heap, small, layout(11_900, 8));
        assert_eq!(heap.faults().count, 1);
    });
}

/// Bytes before a block with an alignment of 8.
const HEAD: usize = (3 * size_of::<usize>()).next_multiple_of(8);

/// It moved into free memory before it, and its old place is in it now.
#[test]
fn the_old_place_of_a_block_that_moved_is_no_block() {
    for align in [8, 64] {
        let memory = Memory::new(8192);
        let heap = Hardened::<_, 0>::new(Heap::<Unlocked>::new());
        // SAFETY: `memory` outlives the heap.
        unsafe { heap.heap().add_region(memory.start, 8192) }.unwrap();
        // With its guards and its tag a multiple of 64.
        let guards = 3 * size_of::<usize>() + 8 + 4;
        let (large, own) = (layout(17 * 64 - guards, 4), layout(100, align));
        let mut hole = heap.alloc(large).unwrap();
        while (hole.addr().get() - 3 * size_of::<usize>()) % align != 0 {
            free(&heap, hole, large);
            heap.alloc(layout(13, 1)).unwrap();
            hole = heap.alloc(large).unwrap();
        }
        let at = heap.alloc(own).unwrap();
        while heap.alloc(layout(1, 1)).is_ok() {}
        free(&heap, hole, large);
        let grown = layout(1100, align);
        // SAFETY: a block with its layout.
        let moved = unsafe { heap.realloc(at, own, grown.size()) }.unwrap();
        assert!(moved < at);
        assert_eq!(kind(&heap, || free(&heap, at, own)), Kind::DoubleFree);
        heap.heap().check().unwrap();
        free(&heap, moved, grown);
        assert_eq!(heap.faults().count, 1);
        heap.heap().check().unwrap();
    }
}

#[test]
fn a_pointer_to_the_end_of_a_region_is_foreign() {
    let memory = Memory::new(8192);
    let heap = Hardened::<_, 4>::new(Heap::<Unlocked>::new());
    // SAFETY: `memory` outlives the heap.
    unsafe { heap.heap().add_region(memory.start, 4096) }.unwrap();
    let own = layout(40, 8);
    for offset in [4096, 4096 + 8, 4096 + 24] {
        let found = kind(&heap, || free(&heap, memory.at(offset), own));
        assert_eq!(found, Kind::Foreign, "{offset}");
    }
}

#[test]
fn what_was_allocated_before_stays_whole_and_regions_may_follow() {
    let memory = Memory::new(1 << 17);
    let heap = Hardened::<_, 64>::new(Heap::<Unlocked>::new());
    // SAFETY: `memory` outlives the heap.
    unsafe { heap.heap().add_region(memory.start, 8192) }.unwrap();
    let own = layout(100, 8);
    let plain: Vec<_> = (0..20).map(|_| heap.heap().alloc(own).unwrap()).collect();
    for at in plain.iter().step_by(2) {
        // SAFETY: allocated above, below the guards.
        unsafe { heap.heap().dealloc(*at, own) };
    }
    let mut guarded = vec![heap.alloc(own).unwrap()];
    heap.heap().check().unwrap();
    for at in plain.iter().skip(1).step_by(2) {
        // SAFETY: as above.
        unsafe { heap.heap().dealloc(*at, own) };
    }
    assert_eq!(kind(&heap, || free(&heap, plain[0], own)), Kind::NoBlock);
    // A new table of lists, and two regions that become one.
    // SAFETY: the rest of the memory.
    unsafe { heap.heap().add_region(memory.at(8192), (1 << 17) - 8192) }.unwrap();
    guarded.extend((0..if cfg!(miri) { 30 } else { 300 }).map(|_| heap.alloc(own).unwrap()));
    heap.heap().check().unwrap();
    guarded.into_iter().for_each(|at| free(&heap, at, own));
    heap.empty_quarantine();
    assert_eq!(heap.heap().check().unwrap().free, 1);
    assert_eq!(heap.faults().count, 1);
}

#[cfg(feature = "spin")]
thread_local! {
    static SEEN: RefCell<Vec<Kind>> = const { RefCell::new(Vec::new()) };
    static DEPTH: Cell<usize> = const { Cell::new(0) };
}

#[test]
#[cfg(feature = "spin")]
fn a_handler_is_called_without_the_lock() {
    // A lock that is not re-entrant.
    framepool::heap!(static HEAP: 16384, lock = framepool::heap::Spin, hardened);
    HEAP.on_fault(|fault| {
        SEEN.with_borrow_mut(|seen| seen.push(fault.kind));
        let at = HEAP.alloc(layout(50, 8)).unwrap();
        free(&HEAP, at, layout(50, 8));
        DEPTH.set(DEPTH.get() + 1);
    });
    let own = layout(10, 1);
    let at = HEAP.alloc(own).unwrap();
    free(&HEAP, at, own);
    free(&HEAP, at, own);
    // SAFETY: of a block that was freed.
    unsafe { at.write(1) };
    HEAP.empty_quarantine();
    let seen = SEEN.take();
    assert_eq!(seen, [Kind::DoubleFree, Kind::UseAfterFree { offset: 0 }]);
    assert_eq!(DEPTH.get(), 2);
}

#[test]
fn faults_are_told_in_words() {
    with_hardened::<4>(8192, |heap| {
        let own = layout(10, 2);
        let at = heap.alloc(own).unwrap();
        let text = fault(heap, || free(heap, at, layout(12, 4))).to_string();
        let rest = format!(": {:#x}, 12 bytes aligned to 4", at.addr());
        assert_eq!(
            text,
            format!("a block that was allocated as 10 bytes aligned to 2{rest}")
        );
        assert!(format!("{heap:?}").starts_with("Hardened { faults: HeapFaults { count: 1"));
        free(heap, at, own);
    });
}

/// Random requests without a mistake.
fn work<A: GlobalAlloc>(heap: &A, seed: u64, steps: usize) {
    let mut state = seed;
    let mut held: Vec<(*mut u8, Layout, u8)> = Vec::new();
    for i in 0..steps {
        state = state
            .wrapping_mul(6364136223846793005)
            .wrapping_add(seed | 1);
        let fill = i as u8;
        let most = match i % 9 {
            _ if cfg!(miri) => 40,
            0 => 6000,
            _ => 300,
        };
        let size = 1 + (state >> 33) as usize % most;
        let new = layout(size, 1 << ((state >> 20) % 7));
        let check = |at: *mut u8, n: usize, fill: u8| {
            // SAFETY: a block of at least that many bytes, filled.
            let bytes = unsafe { core::slice::from_raw_parts(at, n) };
            assert!(bytes.iter().all(|&byte| byte == fill));
        };
        // SAFETY: blocks of this heap with their layouts.
        unsafe {
            if held.len() > 30 {
                let (at, old, fill) = held.swap_remove((state >> 40) as usize % held.len());
                check(at, old.size(), fill);
                if i % 4 == 0 {
                    let moved = heap.realloc(at, old, size);
                    assert!(!moved.is_null());
                    check(moved, old.size().min(size), fill);
                    heap.dealloc(moved, layout(size, old.align()));
                } else {
                    heap.dealloc(at, old);
                }
            }
            let at = if i % 3 == 0 {
                let at = heap.alloc_zeroed(new);
                check(at, size, 0);
                at
            } else {
                heap.alloc(new)
            };
            assert!(!at.is_null() && at.addr() % new.align() == 0);
            at.write_bytes(fill, size);
            held.push((at, new, fill));
        }
    }
    for (at, layout, _) in held {
        // SAFETY: as above.
        unsafe { heap.dealloc(at, layout) };
    }
}

#[test]
fn a_program_without_mistakes_has_no_fault() {
    with_hardened::<64>(1 << 18, |heap| {
        work(heap, 3, if cfg!(miri) { 60 } else { 20_000 });
        assert_eq!(heap.faults().count, 0);
    });
    with_hardened::<1>(1 << 18, |heap| {
        work(heap, 5, if cfg!(miri) { 40 } else { 20_000 });
        assert_eq!(heap.faults().count, 0);
    });
}

#[cfg(all(feature = "std", feature = "spin"))]
mod threads {
    use std::sync::Barrier;

    use super::*;

    #[test]
    fn mistakes_with_objects_of_threads_are_found() {
        framepool::thread_heap!(static HEAP: 8 << 20, hardened);
        mistakes(&HEAP, &layouts());
        // Of the core.
        if !cfg!(miri) {
            mistakes(&HEAP, &[layout(100_000, 8), layout(40, 8)]);
        }
        let at = HEAP.alloc(layout(20, 4)).unwrap();
        // SAFETY: in the guard of the block.
        unsafe { *at.add(20).as_mut() ^= 1 };
        let found = kind(&HEAP, || free(&HEAP, at, layout(20, 4)));
        assert_eq!(found, Kind::Overrun { offset: 20 });
        HEAP.heap().flush();
        HEAP.heap().check().unwrap();
    }

    #[test]
    fn threads_without_mistakes_have_no_fault() {
        framepool::thread_heap!(static HEAP: 4 << 20, hardened);
        // The front of this thread.
        free(&HEAP, HEAP.alloc(layout(1, 1)).unwrap(), layout(1, 1));
        HEAP.empty_quarantine();
        HEAP.heap().flush();
        let before = HEAP.heap().stats().used;
        let workers = [1, 2].map(|seed| {
            std::thread::spawn(move || work(&HEAP, seed, if cfg!(miri) { 45 } else { 20_000 }))
        });
        // Not a scope, which does not wait for destructors of thread-locals.
        workers
            .into_iter()
            .for_each(|worker| worker.join().unwrap());
        HEAP.empty_quarantine();
        HEAP.heap().flush();
        assert_eq!(HEAP.faults().count, 0);
        assert_eq!(HEAP.heap().stats().used, before);
        HEAP.heap().check().unwrap();
    }

    #[test]
    fn of_two_frees_at_the_same_time_one_is_a_fault() {
        framepool::thread_heap!(static HEAP: 8 << 20, hardened);
        let own = layout(48, 8);
        let rounds = if cfg!(miri) { 5 } else { 300 };
        let start = Barrier::new(2);
        struct Shared(NonNull<u8>);
        // SAFETY: the threads free it only.
        unsafe impl Sync for Shared {}
        let blocks: Vec<_> = (0..rounds)
            .map(|_| Shared(HEAP.alloc(own).unwrap()))
            .collect();
        std::thread::scope(|scope| {
            for _ in 0..2 {
                scope.spawn(|| {
                    for block in &blocks {
                        start.wait();
                        free(&HEAP, block.0, own);
                    }
                });
            }
        });
        let faults = HEAP.faults();
        assert_eq!(faults.count, rounds);
        assert_eq!(faults.last.unwrap().kind, Kind::DoubleFree);
        HEAP.empty_quarantine();
        assert_eq!(HEAP.faults().count, rounds);
    }
}
