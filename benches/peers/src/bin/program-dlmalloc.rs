//! The programs of `heap/program` on dlmalloc.

#[path = "../program/mod.rs"]
mod program;

#[global_allocator]
static HEAP: dlmalloc::GlobalDlmalloc = dlmalloc::GlobalDlmalloc;

fn main() {
    program::main();
}
