//! The programs of `heap/program` on snmalloc.

#[path = "../program/mod.rs"]
mod program;

#[global_allocator]
static HEAP: snmalloc_rs::SnMalloc = snmalloc_rs::SnMalloc;

fn main() {
    program::main();
}
