//! The longest calls of heaps on the host: those of framepool's are within bounds. Prints its table even if it
//! passes.
//!
//! `HEAP_CALLS` is the number of calls of each heap; the default is for every change.

use std::path::Path;
use std::process::ExitCode;

use placement::{callgrind, calls};

/// Bytes of the heap, and by kind the maximum number of instructions of framepool's calls without copying: the present
/// numbers of a million calls, with the compiler that `rust-toolchain.toml` pins.
const BOUNDS: [(usize, [u64; 3]); 2] = [(64 << 10, [373, 107, 407]), (2 << 20, [165, 110, 334])];

/// The goal for alloc and free: the figure of the authors of TLSF.
const GOAL: u64 = 168;

fn main() -> ExitCode {
    if !cfg!(all(target_os = "linux", target_arch = "x86_64")) {
        println!("SKIPPED calls: bounds are for x86_64 Linux");
        return ExitCode::SUCCESS;
    }
    if !callgrind::is_installed() {
        println!("SKIPPED calls: valgrind not found");
        return ExitCode::SUCCESS;
    }
    let calls = std::env::var("HEAP_CALLS").ok();
    let calls = calls.and_then(|n| n.parse().ok()).unwrap_or(10_000);
    let program = calls::build(&Path::new(env!("CARGO_TARGET_TMPDIR")).join("calls"));
    println!(
        "\ninstructions of the longest of {calls} calls, without those that copy (bound, mean)"
    );
    println!("the goal for alloc and free is {GOAL}");
    let mut failed = false;
    for (len, bounds) in BOUNDS {
        println!("a heap of {} KiB", len >> 10);
        for heap in ["framepool", "framepool-spin", "talc", "rlsf"] {
            let longest = calls::run(&program, heap, len, calls);
            for ((kind, bound), longest) in calls::KINDS.iter().zip(bounds).zip(longest.of) {
                failed |= print(&program, (heap, len), (kind, bound), longest);
            }
        }
    }
    match failed {
        false => ExitCode::SUCCESS,
        true => ExitCode::FAILURE,
    }
}

/// Prints one row. Returns whether the bound is exceeded.
fn print(
    program: &Path,
    (heap, len): (&str, usize),
    (kind, bound): (&str, u64),
    longest: calls::Call,
) -> bool {
    let mean = longest.sum as f64 / longest.calls.max(1) as f64;
    let exceeds = heap == "framepool" && longest.instructions > bound;
    println!(
        "{} {heap:14} {kind:8} {:>4}/{bound} {mean:>6.1}  call {}: {}",
        if exceeds { "FAILED" } else { "      " },
        longest.instructions,
        longest.number,
        calls::describe(program, heap, len, longest.number),
    );
    exceeds
}
