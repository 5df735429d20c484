//! Hardened heaps: every mistake is reported and corrupts nothing, and a program without mistakes notices nothing.

use core::alloc::{GlobalAlloc, Layout};
use core::ptr::NonNull;
use std::cell::{Cell, RefCell};

use framepool::heap::{Hardenable, Hardened, Heap, HeapFault, HeapFaultKind as Kind, Unlocked};

use crate::{Memory, layout, with_heap};

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
    let most = if cfg!(miri) { 100 } else { 5000 };
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

/// The first words of free memory, where its links are.
fn links(heap: &Hardened<Heap<Unlocked>, 0>, free_at: NonNull<u8>) -> [NonNull<usize>; 2] {
    assert!(heap.heap().contains(free_at.as_ptr()));
    // SAFETY: in the region.
    let start = unsafe { free_at.sub(HEAD) }.cast::<usize>();
    // SAFETY: as above.
    [start, unsafe { start.add(1) }]
}

/// Three blocks of which the one in the middle is free, and the heap.
fn with_a_hole(f: impl FnOnce(&Hardened<Heap<Unlocked>, 0>, [NonNull<u8>; 3], Layout)) {
    let memory = Memory::new(16384);
    let heap = Hardened::<_, 0>::new(Heap::<Unlocked>::new());
    // SAFETY: `memory` outlives the heap.
    unsafe { heap.heap().add_region(memory.start, 16384) }.unwrap();
    let own = layout(200, 8);
    let blocks = [(); 3].map(|()| heap.alloc(own).unwrap());
    free(&heap, blocks[1], own);
    f(&heap, blocks, own);
}

#[test]
fn links_are_no_addresses_of_the_heap() {
    with_a_hole(|heap, [_, hole, _], _| {
        for link in links(heap, hole) {
            // SAFETY: in the region, and initialised.
            let word = unsafe { link.read() };
            assert!(!heap.heap().contains(core::ptr::without_provenance(word)));
        }
        heap.heap().check().unwrap();
    });
}

#[test]
fn links_that_were_overwritten_are_not_followed() {
    let values = [0, 1, 2, 3, 4, 8, 0xDEAD_BEEF, usize::MAX, usize::MAX - 3];
    let few = if cfg!(miri) { 3 } else { 1 };
    for which in 0..2 {
        for value in values.into_iter().step_by(few) {
            // A request that is served from the hole, and a free that would merge with it, from either side.
            for way in 0..4 {
                with_a_hole(|heap, [first, hole, last], own| {
                    // SAFETY: free memory of the heap: the mistake of the test.
                    unsafe { links(heap, hole)[which].write(value) };
                    let refused = |layout| heap.alloc(layout).is_err();
                    let found = match way {
                        0 => fault(heap, || assert!(refused(own))),
                        1 => fault(heap, || free(heap, first, own)),
                        2 => fault(heap, || free(heap, last, own)),
                        _ => {
                            // SAFETY: a block with its layout.
                            let grown = || unsafe { heap.realloc(first, own, 230) };
                            fault(heap, || {
                                let _ = grown().and(heap.alloc(own));
                            })
                        }
                    };
                    assert_eq!(found.kind, Kind::BrokenLinks, "{which} {value:#x} {way}");
                    // From now on there is nothing, and it is said once.
                    assert!(refused(layout(1, 1)) && refused(layout(8000, 64)));
                    let withheld = heap.faults().withheld;
                    if way < 2 {
                        free(heap, last, own);
                        assert!(heap.faults().withheld >= withheld + own.size());
                    }
                    assert_eq!(heap.faults().count, 1);
                    assert!(heap.faults().last.unwrap().to_string().contains("links"));
                });
            }
        }
    }
}

/// Of another block: so it names one of the heap, as a link does.
#[test]
fn a_link_that_was_copied_is_not_followed() {
    let memory = Memory::new(16384);
    let heap = Hardened::<_, 0>::new(Heap::<Unlocked>::new());
    // SAFETY: `memory` outlives the heap.
    unsafe { heap.heap().add_region(memory.start, 16384) }.unwrap();
    let sizes = [200, 8, 200, 8, 400, 8].map(|size| layout(size, 8));
    let blocks = sizes.map(|own| heap.alloc(own).unwrap());
    for n in [0, 2, 4] {
        free(&heap, blocks[n], sizes[n]);
    }
    // SAFETY: free memory of the heap: the mistake of the test.
    unsafe {
        let [from, to] = [2, 4].map(|n| links(&heap, blocks[n])[0].cast::<*mut u8>());
        to.write(from.read());
    }
    let refused = || assert!(heap.alloc(sizes[4]).is_err());
    assert_eq!(kind(&heap, refused), Kind::BrokenLinks);
}

/// Changes bits of a link.
///
/// # Safety
/// It is in free memory of the heap: a mistake.
unsafe fn flip(link: NonNull<usize>, bits: usize) {
    let link = link.cast::<*mut u8>();
    // SAFETY: of the caller. As a pointer, so that it names the same memory for Miri, too.
    unsafe { link.write(link.read().map_addr(|at| at ^ bits)) };
}

/// The key of the links: what is written for none.
fn key(heap: &Hardened<Heap<Unlocked>, 0>, only: NonNull<u8>) -> usize {
    // SAFETY: in the region.
    unsafe { links(heap, only)[0].read() }
}

/// Each bit, so also a link to what is no link's address, and one to another place of the heap.
#[test]
fn a_bit_of_a_link_that_flips_is_found() {
    let few = if cfg!(miri) { 13 } else { 1 };
    for which in 0..2 {
        for bit in (2..usize::BITS).step_by(few) {
            with_a_hole(|heap, [first, hole, _], own| {
                // SAFETY: free memory of the heap: the mistake of the test.
                unsafe { flip(links(heap, hole)[which], 1 << bit) };
                let found = kind(heap, || {
                    if bit % 2 == 0 {
                        assert!(heap.alloc(own).is_err());
                    } else {
                        free(heap, first, own);
                    }
                });
                assert_eq!(found, Kind::BrokenLinks, "{which} {bit}");
            });
        }
    }
}

/// Of the block before it or after it, while that is freed: where it would end is far from the heap.
#[test]
#[cfg_attr(
    miri,
    ignore = "it looks far from the heap where to end, and does not access that"
)]
fn a_size_that_was_overwritten_is_not_used() {
    for huge in [0x7FFF_FFF9_u32, 0x0000_4001, 0x801, 9, 1, 0] {
        // A request passes a block over that seems too small.
        for side in 0..if huge > 200 { 3 } else { 2 } {
            with_a_hole(|heap, [first, hole, last], own| {
                let start = links(heap, hole)[0].cast::<u32>();
                let bytes = last.addr().get() - hole.addr().get();
                // SAFETY: the size of the free block, before its links and at its end.
                unsafe {
                    match side {
                        0 | 2 => start.sub(1).write(huge | u32::from(side == 0)),
                        _ => start.byte_add(bytes - 8).write(huge),
                    }
                }
                let found = fault(heap, || match side {
                    0 => free(heap, first, own),
                    1 => free(heap, last, own),
                    _ => assert!(heap.alloc(own).is_err()),
                });
                assert_eq!(found.kind, Kind::BrokenLinks, "{side}");
                assert!(heap.alloc(own).is_err());
            });
        }
    }
}

/// An overrun that ends before the guards of the next block: between them is the size of that.
#[test]
fn an_overrun_that_reaches_the_next_block_does_not_harm_it() {
    for junk in [0_u8, 1, 2, 3, 0x41, 0xFF] {
        with_hardened::<2>(1 << 14, |heap| {
            let own = layout(212 - HEAD, 8);
            let [long, next, other] = [(); 3].map(|()| heap.alloc(own).unwrap());
            let gap = next.addr().get() - long.addr().get() - own.size() - HEAD;
            // SAFETY: the end of the block.
            let end = unsafe { long.add(own.size()) };
            // SAFETY: after the block: the mistake of the test.
            let whole = unsafe { core::slice::from_raw_parts(end.as_ptr(), gap).to_vec() };
            // SAFETY: as above.
            unsafe { end.write_bytes(junk, gap) };
            assert_eq!(kind(heap, || free(heap, next, own)), Kind::NoBlock);
            let overrun = kind(heap, || free(heap, long, own));
            // A byte of the guard may be the same by chance.
            let changed = whole.iter().position(|&byte| byte != junk).unwrap();
            let offset = own.size() + changed;
            assert_eq!(overrun, Kind::Overrun { offset });
            // The mistake undone, and made again with the next block in quarantine: its size alone.
            // SAFETY: as above.
            unsafe { end.copy_from_nonoverlapping(NonNull::from(&*whole).cast(), gap) };
            free(heap, next, own);
            // SAFETY: as above.
            unsafe { end.add(gap - 4).write_bytes(junk, 4) };
            let found = fault(heap, || assert_eq!(heap.empty_quarantine(), 1));
            assert_eq!(found.kind, Kind::UseAfterFree { offset: 0 });
            assert_eq!(found.address, next.addr().get());
            // SAFETY: as above.
            unsafe { end.copy_from_nonoverlapping(NonNull::from(&*whole).cast(), gap) };
            free(heap, long, own);
            free(heap, other, own);
            free(heap, heap.alloc(own).unwrap(), own);
            assert_eq!(heap.faults().count, 3);
        });
    }
}

/// Random words written anywhere but to the blocks in use, and to the table: no request crashes, writes outside of the
/// heap, or gets what another one has.
#[test]
#[cfg_attr(miri, ignore = "junk names no memory")]
fn junk_in_free_memory_and_guards_harms_no_block() {
    const LEN: usize = 16384;
    for seed in 1..50_u64 {
        let memory = Memory::new(3 * LEN);
        let heap = Hardened::<_, 4>::new(Heap::<Unlocked>::new());
        // SAFETY: `memory` outlives the heap; its middle.
        unsafe { heap.heap().add_region(memory.at(LEN), LEN) }.unwrap();
        let mut state = seed.wrapping_mul(0x9E37_79B9_7F4A_7C15);
        let mut random = || {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            (state >> 11) as usize
        };
        let is_whole = |&(at, own, fill): &(NonNull<u8>, Layout, u8)| {
            // SAFETY: a block of that size, filled.
            let bytes = unsafe { core::slice::from_raw_parts(at.as_ptr(), own.size()) };
            bytes.iter().all(|&byte| byte == fill)
        };
        let mut held: Vec<(NonNull<u8>, Layout, u8)> = Vec::new();
        for step in 0..300 {
            let own = layout(1 + random() % 600, 1 << (random() % 7));
            let one = random() % held.len().max(1);
            match random() % 8 {
                0..=3 => {
                    if let Ok(at) = heap.alloc(own) {
                        // SAFETY: of that size.
                        unsafe { at.write_bytes(step as u8, own.size()) };
                        held.push((at, own, step as u8));
                    }
                }
                4 | 5 if one < held.len() => {
                    let (at, own, _) = held.swap_remove(one);
                    free(&heap, at, own);
                }
                6 if one < held.len() => {
                    let (at, old, fill) = held[one];
                    // SAFETY: a block with its layout.
                    if let Ok(at) = unsafe { heap.realloc(at, old, own.size()) } {
                        // SAFETY: of that size.
                        unsafe { at.write_bytes(fill, own.size()) };
                        held[one] = (at, layout(own.size(), old.align()), fill);
                    }
                }
                _ if step > 60 => {
                    let at = memory.at(LEN + 512 + random() % (LEN - 600));
                    let len = [1, 4, 8, 40][random() % 4];
                    let (from, junk) = (at.addr().get(), random() as u8);
                    let is_of = |&(at, own, _): &(NonNull<u8>, Layout, u8)| {
                        from + len > at.addr().get() && from < at.addr().get() + own.size()
                    };
                    if !held.iter().any(is_of) {
                        // SAFETY: in the heap: the mistake of the test.
                        unsafe { at.write_bytes(junk, len) };
                    }
                }
                _ => {}
            }
            if step % 8 == 0 {
                assert!(held.iter().all(is_whole), "{seed} {step}");
            }
        }
        for outside in [0, 2 * LEN] {
            // SAFETY: in the memory, and initialised.
            let bytes = unsafe { core::slice::from_raw_parts(memory.at(outside).as_ptr(), LEN) };
            assert!(bytes.iter().all(|&byte| byte == 0), "{seed}");
        }
    }
}

/// A heap that is full but for two blocks of one list, the first of them smaller, and what is in use around them.
fn with_two_of_one_list(
    f: impl FnOnce(&Hardened<Heap<Unlocked>, 0>, [(NonNull<u8>, Layout); 2], NonNull<u8>),
) {
    let memory = Memory::new(8192);
    let heap = Hardened::<_, 0>::new(Heap::<Unlocked>::new());
    // SAFETY: `memory` outlives the heap.
    unsafe { heap.heap().add_region(memory.start, 8192) }.unwrap();
    let both = [660, 700].map(|size| {
        let own = layout(size, 8);
        let at = heap.alloc(own).unwrap();
        heap.alloc(layout(1, 1)).unwrap();
        (at, own)
    });
    let used = heap.alloc(layout(400, 8)).unwrap();
    while heap.alloc(layout(1, 1)).is_ok() {}
    for (at, own) in both.into_iter().rev() {
        free(&heap, at, own);
    }
    f(&heap, both, used);
}

#[test]
fn what_a_search_finds_by_a_wrong_link_is_not_served() {
    let own = layout(680, 8);
    // Without a mistake the search serves it.
    with_two_of_one_list(|heap, [_, (second, _)], _| {
        assert_eq!(heap.alloc(own).unwrap(), second);
        assert_eq!(heap.faults().count, 0);
    });
    with_two_of_one_list(|heap, [_, (second, _)], _| {
        // SAFETY: free memory of the heap: the mistake of the test.
        unsafe { flip(links(heap, second)[1], 64) };
        let refused = || assert!(heap.alloc(own).is_err());
        assert_eq!(kind(heap, refused), Kind::BrokenLinks);
    });
    // A place in a block in use that looks like a large block.
    with_two_of_one_list(|heap, [(first, _), (second, _)], used| {
        let (place, tag) = (used.addr().get() + 4, second.addr().get() - HEAD - 4);
        // SAFETY: as above, and the bytes of a block.
        unsafe {
            used.cast::<[u32; 100]>().write([1 << 20 | 1; 100]);
            flip(links(heap, first)[0], place ^ tag);
        }
        let refused = || assert!(heap.alloc(own).is_err());
        assert_eq!(kind(heap, refused), Kind::BrokenLinks);
    });
}

/// As the last resort of a heap without room for two.
#[test]
fn a_block_does_not_grow_over_memory_with_a_wrong_link() {
    for (which, is_up) in [(0, true), (1, true), (0, false), (1, false)] {
        for is_whole in [true, false] {
            with_a_hole(|heap, [first, hole, last], own| {
                let rest = heap.heap().stats().largest - 32;
                heap.alloc(layout(rest, 8)).unwrap();
                let at = if is_up { first } else { last };
                // SAFETY: a block of that size; free memory of the heap: the mistake of the test.
                unsafe {
                    at.write_bytes(7, own.size());
                    flip(links(heap, hole)[which], usize::from(!is_whole) << 7);
                }
                let refusals = heap.heap().stats().refusals;
                // SAFETY: a block with its layout.
                let grown = unsafe { heap.realloc(at, own, 300) };
                assert_eq!(grown.is_ok(), is_whole);
                assert_eq!(heap.faults().count, usize::from(!is_whole));
                let now = heap.heap().stats().refusals;
                assert_eq!(now - refusals, usize::from(!is_whole));
                let at = grown.unwrap_or(at);
                // SAFETY: a block of at least that size.
                let content = unsafe { core::slice::from_raw_parts(at.as_ptr(), own.size()) };
                assert_eq!(content, [7; 200]);
            });
        }
    }
}

#[test]
fn a_heap_with_wrong_links_refuses_also_after_it_got_more_memory() {
    for before in [true, false] {
        let memory = Memory::new(1 << 16);
        let heap = Hardened::<_, 0>::new(Heap::<Unlocked>::new());
        // SAFETY: `memory` outlives the heap.
        unsafe { heap.heap().add_region(memory.start, 4096) }.unwrap();
        let own = layout(200, 8);
        let [first, hole, _] = [(); 3].map(|()| heap.alloc(own).unwrap());
        free(&heap, hole, own);
        // SAFETY: free memory of the heap: the mistake of the test.
        unsafe { links(&heap, hole)[0].write(3) };
        if before {
            free(&heap, first, own);
            assert_eq!(heap.faults().count, 1);
        }
        // SAFETY: the rest of the memory; the table of lists is replaced.
        unsafe { heap.heap().add_region(memory.at(8192), (1 << 16) - 8192) }.unwrap();
        assert_eq!(heap.alloc(layout(1, 1)).unwrap_err().available, 0);
        assert_eq!(heap.faults().count, 1);
        assert_eq!(heap.faults().last.unwrap().kind, Kind::BrokenLinks);
    }
}

/// Heads of lists are links.
#[test]
fn the_head_of_a_list_that_was_overwritten_is_not_followed() {
    let memory = Memory::new(16384);
    let heap = Hardened::<_, 0>::new(Heap::<Unlocked>::new());
    // SAFETY: `memory` outlives the heap.
    unsafe { heap.heap().add_region(memory.start, 16384) }.unwrap();
    let own = layout(200, 8);
    let [_, hole, _] = [(); 3].map(|()| heap.alloc(own).unwrap());
    free(&heap, hole, own);
    let key = key(&heap, hole);
    for offset in (32..384).step_by(size_of::<usize>()) {
        let word = memory.at(offset).cast::<usize>();
        // SAFETY: in the table of lists: the mistake of the test.
        unsafe {
            let link = core::ptr::without_provenance(word.read() ^ key);
            if heap.heap().contains(link) {
                word.write(0xDEAD_BEEF);
            }
        }
    }
    let refused = || assert!(heap.alloc(layout(1000, 8)).is_err());
    assert_eq!(kind(&heap, refused), Kind::BrokenLinks);
}

/// Not even where all bytes are as those of a block would be.
#[test]
fn a_link_to_memory_between_regions_is_not_followed() {
    let memory = Memory::new(3 * 4096);
    let heap = Hardened::<_, 0>::new(Heap::<Unlocked>::new());
    // SAFETY: `memory` outlives the heap.
    unsafe {
        heap.heap().add_region(memory.start, 4096).unwrap();
        heap.heap().add_region(memory.at(8192), 4096).unwrap();
    }
    let own = layout(200, 8);
    let [_, hole, _] = [(); 3].map(|()| heap.alloc(own).unwrap());
    free(&heap, hole, own);
    let (key, between) = (key(&heap, hole), memory.at(4096 + 4));
    let [next, _] = links(&heap, hole);
    // SAFETY: free memory of the heap, and memory that is not the heap's.
    unsafe {
        let tag = next.addr().get() - 4;
        next.write(between.addr().get() ^ key);
        between
            .byte_add(4)
            .cast::<[usize; 2]>()
            .write([key, tag ^ key]);
    }
    let refused = || assert!(heap.alloc(own).is_err());
    assert_eq!(kind(&heap, refused), Kind::BrokenLinks);
}

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

thread_local! {
    static SEEN: RefCell<Vec<Kind>> = const { RefCell::new(Vec::new()) };
    static DEPTH: Cell<usize> = const { Cell::new(0) };
}

#[test]
fn a_handler_is_called_without_the_lock() {
    // A lock that is not re-entrant.
    #[cfg(feature = "spin")]
    framepool::heap!(static HEAP: 16384, lock = framepool::heap::Spin, hardened);
    #[cfg(feature = "spin")]
    {
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
            // SAFETY: a block of at least so many bytes, filled.
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
