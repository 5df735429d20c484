//! The programs of `heap/program` on sefer-alloc.

#[path = "../program/mod.rs"]
mod program;

#[global_allocator]
static HEAP: sefer_alloc::SeferAlloc = sefer_alloc::SeferAlloc::new();

fn main() {
    program::main();
}
