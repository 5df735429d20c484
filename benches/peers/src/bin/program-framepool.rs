//! The programs of `heap/program` on framepool's heap, over 64 MiB in a static, in a spin lock.

#[path = "../program/mod.rs"]
mod program;

use framepool::heap::Spin;

framepool::heap!(#[global_allocator] static HEAP: 64 << 20, lock = Spin);

fn main() {
    program::main();
}
