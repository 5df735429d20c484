//! A hardened heap: every mistake is counted, and none changes a block or the heap.
#![no_main]

use core::alloc::Layout;
use core::ptr::NonNull;

use framepool::heap::{Hardened, Heap, Unlocked};
use libfuzzer_sys::fuzz_target;

const LEN: usize = 32 * 1024;

#[derive(Clone, Copy)]
struct Held {
    at: NonNull<u8>,
    layout: Layout,
    fill: u8,
}

impl Held {
    fn is_whole(&self) {
        // SAFETY: the block was filled.
        let bytes = unsafe { core::slice::from_raw_parts(self.at.as_ptr(), self.layout.size()) };
        assert!(bytes.iter().all(|&byte| byte == self.fill));
    }
}

fuzz_target!(|bytes: &[u8]| {
    let mut memory = vec![0_u64; LEN / 8];
    let heap = Hardened::<_, 8>::new(Heap::<Unlocked>::new());
    let start = NonNull::from(memory.as_mut_slice()).cast::<u8>();
    // SAFETY: `memory` outlives the heap.
    unsafe { heap.heap().add_zeroed_region(start, LEN).unwrap() };
    let mut held = Vec::<Held>::new();
    // Those in quarantine; the oldest first.
    let mut freed = Vec::<Held>::new();
    let mut mistakes = 0;
    for (i, op) in bytes.chunks_exact(4).enumerate() {
        let size = 1 + usize::from(u16::from_le_bytes([op[1], op[2]])) % 700;
        let which = usize::from(op[3]);
        let layout = Layout::from_size_align(size, 1 << (op[3] % 8)).unwrap();
        let one = (!held.is_empty()).then(|| which % held.len());
        match (op[0] % 8, one) {
            (0 | 1, _) => {
                if let Ok(at) = heap.alloc(layout) {
                    assert_eq!(at.addr().get() % layout.align(), 0);
                    let fill = i as u8;
                    // SAFETY: just allocated.
                    unsafe { at.write_bytes(fill, size) };
                    held.push(Held { at, layout, fill });
                }
            }
            (2, Some(one)) => {
                let each = held.swap_remove(one);
                each.is_whole();
                // SAFETY: allocated with this layout.
                unsafe { heap.dealloc(each.at, each.layout) };
                freed.push(each);
            }
            (3, Some(one)) => {
                let each = &mut held[one];
                // SAFETY: allocated with this layout.
                if let Ok(at) = unsafe { heap.realloc(each.at, each.layout, size) } {
                    let layout = Layout::from_size_align(size, each.layout.align()).unwrap();
                    let kept = size.min(each.layout.size());
                    // SAFETY: of the new size.
                    unsafe {
                        let bytes = core::slice::from_raw_parts(at.as_ptr(), kept);
                        assert!(bytes.iter().all(|&byte| byte == each.fill));
                        at.write_bytes(each.fill, size);
                    }
                    if at != each.at {
                        freed.push(*each);
                    }
                    *each = Held {
                        at,
                        layout,
                        ..*each
                    };
                }
            }
            // A pointer into the heap or beyond it.
            (4, _) => {
                let address = start.addr().get() - 512 + (size * 97 + which) % (LEN + 1024);
                if held.iter().all(|each| each.at.addr().get() != address) {
                    let at = NonNull::new(start.as_ptr().with_addr(address)).unwrap();
                    // SAFETY: none: a mistake.
                    unsafe { heap.dealloc(at, layout) };
                    mistakes += 1;
                }
            }
            // Another layout.
            (5, Some(one)) if held[one].layout != layout => {
                // SAFETY: as above.
                unsafe { heap.dealloc(held[one].at, layout) };
                mistakes += 1;
            }
            // A byte after or before a block.
            (6, Some(one)) => {
                let each = held.swap_remove(one);
                // The canary, or the mark: other words would make it a block of another layout.
                let at = match size % 16 {
                    n @ 0..8 => each.at.as_ptr().wrapping_add(each.layout.size() + n),
                    n => each.at.as_ptr().wrapping_sub(n % size_of::<usize>() + 1),
                };
                // SAFETY: in the guards.
                unsafe { at.write(!at.read()) };
                // Reported, and the block stays.
                // SAFETY: as above.
                unsafe { heap.dealloc(each.at, each.layout) };
                mistakes += 1;
            }
            // Twice, or a write after it.
            (7, _) if !freed.is_empty() => {
                freed.drain(..freed.len() - heap.faults().quarantined.min(freed.len()));
                if let Some(old) = freed.last() {
                    if size % 2 == 0 {
                        // SAFETY: as above.
                        unsafe { heap.dealloc(old.at, old.layout) };
                    } else {
                        // SAFETY: in the block, which is in quarantine.
                        unsafe { old.at.add(which % old.layout.size()).write(0) };
                        heap.empty_quarantine();
                        freed.clear();
                    }
                    mistakes += 1;
                }
            }
            _ => {}
        }
        assert_eq!(heap.faults().count, mistakes);
        heap.heap().check().unwrap();
    }
    for each in held {
        each.is_whole();
        // SAFETY: allocated with this layout.
        unsafe { heap.dealloc(each.at, each.layout) };
    }
    heap.empty_quarantine();
    assert_eq!(heap.faults().count, mistakes);
    heap.heap().check().unwrap();
});
