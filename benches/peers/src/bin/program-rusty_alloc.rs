//! The programs of `heap/program` on rusty_alloc.

#[path = "../program/mod.rs"]
mod program;

#[global_allocator]
static HEAP: rusty_alloc_api::RustyAlloc = rusty_alloc_api::RustyAlloc;

fn main() {
    program::main();
}
