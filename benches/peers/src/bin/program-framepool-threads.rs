//! The programs of `heap/program` on framepool's heap with a front for each thread, over 64 MiB.

#[path = "../program/mod.rs"]
mod program;

use framepool::{MappedRegion, PageSize};

framepool::thread_heap! {
    #[global_allocator]
    static HEAP: mapped MappedRegion::builder(64 << 20).page(PageSize::Base)
}

fn main() {
    program::main();
}
