//! The programs of `heap/program` on jemalloc.

#[path = "../program/mod.rs"]
mod program;

#[global_allocator]
static HEAP: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

fn main() {
    program::main();
}
