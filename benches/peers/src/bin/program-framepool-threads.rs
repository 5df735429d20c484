//! The programs of `heap/program` on framepool's heap with a front for each thread, over 64 MiB.

#[path = "../program/mod.rs"]
mod program;

use framepool::MappedRegion;

// In huge pages where there are any, as mimalloc's memory.
framepool::thread_heap! {
    #[global_allocator]
    static HEAP: mapped MappedRegion::builder(64 << 20)
}

fn main() {
    program::main();
}
