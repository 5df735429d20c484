//! A heap: any sequence of operations leaves it consistent and its blocks apart, with their bytes.
#![no_main]

use core::alloc::Layout;
use core::ptr::NonNull;

use framepool::heap::{Heap, Unlocked};
use libfuzzer_sys::fuzz_target;

const LEN: usize = 64 * 1024;

struct Held {
    at: NonNull<u8>,
    layout: Layout,
    fill: u8,
}

impl Held {
    fn holds(&self, len: usize) {
        // SAFETY: the block was filled.
        let bytes = unsafe { core::slice::from_raw_parts(self.at.as_ptr(), len) };
        assert!(bytes.iter().all(|&byte| byte == self.fill));
    }

    fn fill(at: NonNull<u8>, layout: Layout, fill: u8) -> Self {
        assert_eq!(at.addr().get() % layout.align(), 0);
        // SAFETY: the block has this layout.
        unsafe { at.write_bytes(fill, layout.size()) };
        Self { at, layout, fill }
    }
}

fuzz_target!(|bytes: &[u8]| {
    let mut memory = vec![0_u64; LEN / 8];
    let heap = Heap::<Unlocked>::new();
    let start = NonNull::from(memory.as_mut_slice()).cast::<u8>();
    // The first bytes divide the memory into adjacent regions, the last of them zeroed.
    let (cut, bytes) = bytes.split_at_checked(2).unwrap_or((&[0, 0], &[]));
    let cut = 2048 + usize::from(u16::from_le_bytes([cut[0], cut[1]])) % (LEN - 4096);
    // SAFETY: `memory` outlives the heap.
    unsafe {
        heap.add_region(start, cut).unwrap();
        heap.add_zeroed_region(start.add(cut), LEN - cut).unwrap();
    }
    let before = heap.stats();
    let mut held = Vec::<Held>::new();
    for (i, op) in bytes.chunks_exact(4).enumerate() {
        let size = 1 + usize::from(u16::from_le_bytes([op[1], op[2]]))
            % if op[0] & 0x40 == 0 { 512 } else { LEN };
        let which = usize::from(op[3]);
        let fill = i as u8 | 1;
        match op[0] % 4 {
            0 | 1 => {
                let layout = Layout::from_size_align(size, 1 << (op[3] % 13)).unwrap();
                let zeroed = op[0] % 4 == 1;
                let got = if zeroed {
                    heap.alloc_zeroed(layout)
                } else {
                    heap.alloc(layout)
                };
                if let Ok(at) = got {
                    if zeroed {
                        Held {
                            at,
                            layout,
                            fill: 0,
                        }
                        .holds(size);
                    }
                    held.push(Held::fill(at, layout, fill));
                }
            }
            2 if !held.is_empty() => {
                let each = held.swap_remove(which % held.len());
                each.holds(each.layout.size());
                // SAFETY: allocated with this layout.
                unsafe { heap.dealloc(each.at, each.layout) };
            }
            3 if !held.is_empty() => {
                let last = held.len();
                let each = &mut held[which % last];
                // SAFETY: allocated with this layout.
                if let Ok(at) = unsafe { heap.realloc(each.at, each.layout, size) } {
                    each.at = at;
                    each.holds(size.min(each.layout.size()));
                    let layout = Layout::from_size_align(size, each.layout.align()).unwrap();
                    *each = Held::fill(at, layout, fill);
                }
            }
            _ => {}
        }
        heap.check().unwrap();
    }
    for each in held {
        each.holds(each.layout.size());
        // SAFETY: allocated with this layout.
        unsafe { heap.dealloc(each.at, each.layout) };
    }
    let census = heap.check().unwrap();
    assert_eq!((census.regions, census.free), (1, 1));
    assert_eq!(
        (heap.stats().used, heap.stats().largest),
        (0, before.largest)
    );
});
