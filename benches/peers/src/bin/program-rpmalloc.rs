//! The programs of `heap/program` on rpmalloc.

#[path = "../program/mod.rs"]
mod program;

#[global_allocator]
static HEAP: rpmalloc::RpMalloc = rpmalloc::RpMalloc;

fn main() {
    program::main();
}
