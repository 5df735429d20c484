//! embedded-alloc's first fit.
#![no_std]
#![no_main]

use embedded_alloc::LlffHeap;
use sizes::{LEN, Memory};

static MEMORY: Memory = Memory::new();

#[global_allocator]
static HEAP: LlffHeap = LlffHeap::empty();

sizes::program!({
    // SAFETY: the heap has the memory to itself.
    unsafe { HEAP.init(MEMORY.start().addr(), LEN) };
});
