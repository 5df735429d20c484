//! Hostile calls of a heap, each between two markers: `calls HEAP BYTES CALLS`.
//!
//! A marker is a store to a word whose address the first line of the output tells. `calls HEAP BYTES CALLS NUMBER` prints
//! what call of that number is instead.

mod heaps;
#[path = "../../../../benches/peers/src/heap/hostile.rs"]
mod hostile;
#[path = "../../../../benches/peers/src/heap/random.rs"]
mod random;

use std::alloc::Layout;
use std::arch::asm;
use std::ptr::NonNull;
use std::sync::atomic::{AtomicU32, Ordering::Relaxed};

use framepool::heap::{Spin, Unlocked};
use heaps::Called;
use hostile::{Calls, PHASES, play};

/// Written when a call begins: the words of alloc, free, realloc and of a call that does nothing. The last one is
/// written when a call ends.
static MARKERS: [AtomicU32; 5] = [const { AtomicU32::new(0) }; 5];

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let number = |i: usize| arguments.get(i).and_then(|text| text.parse::<u64>().ok());
    let len = number(1).map_or(2 << 20, |bytes| bytes as usize);
    let (calls, shown) = (number(2).unwrap_or(1000), number(3));
    if shown.is_none() {
        let code = program();
        println!(
            "{:x} {:x} {:x}",
            MARKERS.as_ptr() as usize,
            code.start,
            code.end
        );
    }
    let start = region(len);
    // SAFETY: the heap has the memory to itself, for ever.
    unsafe {
        match arguments.first().map(String::as_str) {
            Some("framepool") => run(calls, shown, heaps::ours::<Unlocked>(start, len)),
            Some("framepool-spin") => run(calls, shown, heaps::ours::<Spin>(start, len)),
            Some("talc") => run(calls, shown, heaps::talc(start, len)),
            Some("rlsf") => run(calls, shown, heaps::rlsf(start, len)),
            other => panic!("not a heap: {other:?}"),
        }
    }
}

/// The addresses of this program's code, where the C library's is not.
fn program() -> std::ops::Range<usize> {
    unsafe extern "C" {
        static __executable_start: u8;
        static etext: u8;
    }
    // The linker defines both.
    (&raw const __executable_start) as usize..(&raw const etext) as usize
}

/// Zeroed memory for a heap. It is never freed.
fn region(len: usize) -> NonNull<u8> {
    // Under valgrind and without it the same requests have to be refused.
    let layout = Layout::from_size_align(len, 1 << 21).expect("a layout");
    // SAFETY: the size is not 0.
    NonNull::new(unsafe { std::alloc::alloc_zeroed(layout) }).expect("memory")
}

/// Makes calls until there were enough, then ends the process.
fn run(calls: u64, shown: Option<u64>, heap: impl Called) {
    let mut marked = Marked {
        heap,
        left: calls,
        number: 0,
        shown,
        phase: 0,
    };
    marked.between(3, |_| ());
    play(&mut marked);
}

struct Marked<H> {
    heap: H,
    left: u64,
    number: u64,
    shown: Option<u64>,
    phase: usize,
}

impl<H: Called> Marked<H> {
    #[inline(never)]
    fn between<T>(&mut self, kind: usize, call: impl FnOnce(&mut H) -> T) -> T {
        MARKERS[kind].store(1, Relaxed);
        // SAFETY: no instruction. The call stays between the stores.
        unsafe { asm!("") };
        let result = call(&mut self.heap);
        // SAFETY: as above.
        unsafe { asm!("") };
        MARKERS[4].store(1, Relaxed);
        result
    }

    fn called(&mut self, kind: &str, layout: Layout, size: usize) {
        if self.shown == Some(self.number) {
            let (old, align) = (layout.size(), layout.align());
            let phase = PHASES[self.phase];
            println!("{kind} in `{phase}`: {size} bytes (before: {old}) aligned to {align}");
        }
        self.number += 1;
        self.left -= 1;
        if self.left == 0 {
            std::process::exit(0);
        }
    }
}

impl<H: Called> Calls for Marked<H> {
    fn phase(&mut self, phase: usize) {
        self.phase = phase;
    }

    fn alloc(&mut self, layout: Layout) -> *mut u8 {
        let at = self.between(0, |heap| heap.alloc(layout));
        self.called("alloc", layout, layout.size());
        at
    }

    unsafe fn free(&mut self, object: *mut u8, layout: Layout) {
        // SAFETY: by the contract.
        self.between(1, |heap| unsafe { heap.free(object, layout) });
        self.called("free", layout, layout.size());
    }

    unsafe fn realloc(&mut self, object: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        let at = self.between(2, |heap| {
            // SAFETY: by the contract.
            unsafe { heap.realloc(object, layout, size) }
        });
        self.called("realloc", layout, size);
        at
    }
}
