//! Links and sizes of free memory that were overwritten: no request follows them, and nothing that is in use is harmed.

use super::*;

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
