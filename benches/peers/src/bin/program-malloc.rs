//! The programs of `heap/program` on the C library's malloc.

#[path = "../program/mod.rs"]
mod program;

#[global_allocator]
static HEAP: std::alloc::System = std::alloc::System;

fn main() {
    program::main();
}
