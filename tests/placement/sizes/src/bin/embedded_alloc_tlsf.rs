//! embedded-alloc's TLSF, with as many lists as it has for the largest memory.
#![no_std]
#![no_main]

use embedded_alloc::TlsfHeap;
use sizes::{LEN, Memory};

static MEMORY: Memory = Memory::new();

#[global_allocator]
static HEAP: TlsfHeap = TlsfHeap::empty();

sizes::program!({
    // SAFETY: the heap has the memory to itself.
    unsafe { HEAP.init(MEMORY.start().addr(), LEN) };
});
