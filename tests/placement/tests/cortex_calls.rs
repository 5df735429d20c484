//! The longest calls of heaps on a Cortex-M3 in QEMU: those of framepool's are within bounds. The calls are those of
//! `calls`, which counts on the host. Prints its table even if it passes.
//!
//! `HEAP_CALLS` is the number of calls of each heap; the default is for every change.

use std::path::Path;
use std::process::ExitCode;

use placement::calls::KINDS;
use placement::cortex_calls::{self, Counts, TARGET};
use placement::{cargo, qemu};

/// The goal for alloc and free of a heap without a lock.
const GOAL: u64 = 260;

/// Bytes of the heap, and by kind the maximum number of instructions of framepool's calls without copying: without a lock,
/// and in critical sections. They are the present numbers of a million calls, with the compiler that `rust-toolchain.toml`
/// pins. The heap of the host's table has 2 MiB.
const BOUNDS: [(usize, [u64; 3], [u64; 3]); 2] = [
    (64 << 10, [371, 118, 404], [376, 122, 422]),
    (2 << 20, [187, 118, 360], [192, 122, 378]),
];

fn main() -> ExitCode {
    if std::env::var_os("FRAMEPOOL_SKIP_PLACEMENT").is_some() || !qemu::is_installed() {
        println!("SKIPPED cortex_calls: no qemu-system-arm, or FRAMEPOOL_SKIP_PLACEMENT is set");
        return ExitCode::SUCCESS;
    }
    if !cargo::target_is_installed(TARGET) {
        println!("SKIPPED cortex_calls: run `rustup target add {TARGET}`");
        return ExitCode::SUCCESS;
    }
    let calls = std::env::var("HEAP_CALLS").ok();
    let calls = calls.and_then(|n| n.parse().ok()).unwrap_or(30_000);
    let program = cortex_calls::build(&Path::new(env!("CARGO_TARGET_TMPDIR")).join("cortex_calls"));
    println!(
        "\ninstructions of the longest of {calls} calls on a Cortex-M3, without those that copy (bound, mean)"
    );
    println!("the goal for framepool's alloc and free is {GOAL}");
    let mut failed = false;
    for (len, unlocked, locked) in BOUNDS {
        println!("a heap of {} KiB", len >> 10);
        for (heap, bounds) in [
            ("framepool", Some(unlocked)),
            ("framepool-cs", Some(locked)),
            ("talc", None),
            ("rlsf", None),
        ] {
            let counts = cortex_calls::run(&program, heap, calls, len);
            failed |= print(heap, &counts, bounds);
            failed |= miscounts(&counts);
        }
    }
    match failed {
        false => ExitCode::SUCCESS,
        true => ExitCode::FAILURE,
    }
}

/// Prints the rows of a heap. Returns whether a bound is exceeded.
fn print(heap: &str, counts: &Counts, bounds: Option<[u64; 3]>) -> bool {
    let mut failed = false;
    for (i, (kind, of)) in KINDS.iter().zip(&counts.of).enumerate() {
        let mean = of.sum as f64 / of.calls.max(1) as f64;
        let bound = bounds.map(|bounds| bounds[i]);
        // Without a single call there is no longest one.
        let fails = of.calls == 0 || bound.is_some_and(|bound| of.longest > bound);
        failed |= fails;
        println!(
            "{} {heap:14} {kind:8} {:>4}/{:<4} {mean:>6.1}  of {:>6}, {}",
            if fails { "FAILED" } else { "      " },
            of.longest,
            bound.map_or("-".into(), |bound| bound.to_string()),
            of.calls,
            of.text,
        );
    }
    failed
}

/// Whether the program has counted other than the known number of instructions.
fn miscounts(counts: &Counts) -> bool {
    let wrong = counts
        .known
        .iter()
        .filter(|(known, counted)| known != counted);
    let mut failed = counts.known.is_empty();
    for (known, counted) in wrong {
        println!("FAILED: {counted} instructions counted of {known}");
        failed = true;
    }
    failed
}
