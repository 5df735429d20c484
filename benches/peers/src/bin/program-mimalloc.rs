//! The programs of `heap/program` on mimalloc.

#[path = "../program/mod.rs"]
mod program;

#[global_allocator]
static HEAP: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() {
    program::main();
}
