//! The programs of `heap/program` on talc, over 64 MiB in a static, in a spin lock.

#[path = "../program/mod.rs"]
mod program;

use talc::TalcLock;
use talc::source::Claim;

static mut REGION: [u8; 64 << 20] = [0; 64 << 20];

#[global_allocator]
static HEAP: TalcLock<spin::Mutex<()>, Claim> = TalcLock::new(
    // SAFETY: nothing else uses the region.
    unsafe { Claim::array(&raw mut REGION) },
);

fn main() {
    program::main();
}
