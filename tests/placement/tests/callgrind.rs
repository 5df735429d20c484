//! Instructions per operation on the host, counted by callgrind: they are within bounds, and not more in a
//! large pool than in a small one. Prints its table even if it passes.

use std::path::Path;
use std::process::ExitCode;

use placement::callgrind;

/// Operations in each function of the program.
const OPERATIONS: u64 = 100_000;

/// Numbers of blocks, by layout of the depot's word: up to 65,535 blocks it has room for the depth of the
/// stack; for more blocks the depot counts the depth in another word.
const POOLS: [[usize; 2]; 2] = [[1 << 10, 32 << 10], [64 << 10, 1 << 20]];

/// The maximum number of instructions of an operation with its loop, for each row of [`POOLS`]. The bound is
/// the present number, with the compiler that `rust-toolchain.toml` pins.
const BOUNDS: [(&str, [u64; 2]); 6] = [
    ("cache_lifo", [24, 24]),
    ("cache_burst32", [62, 62]),
    ("depot_lifo", [66, 70]),
    ("packet_lifo", [41, 41]),
    ("packet_burst32", [610, 610]),
    ("packet_raw32", [64, 64]),
];

fn main() -> ExitCode {
    if !cfg!(all(target_os = "linux", target_arch = "x86_64")) {
        println!("SKIPPED callgrind: bounds are for x86_64 Linux");
        return ExitCode::SUCCESS;
    }
    if !callgrind::is_installed() {
        println!("SKIPPED callgrind: valgrind not found");
        return ExitCode::SUCCESS;
    }
    let costs = measure();
    let mut findings = Vec::new();
    println!("\ninstructions an operation (blocks in the pool: count/bound)");
    for (row, (operation, bounds)) in BOUNDS.iter().enumerate() {
        let mut line = format!("{operation:14}");
        for ((pools, costs), bound) in POOLS.iter().zip(&costs).zip(bounds) {
            let costs = costs.map(|of| of[row]);
            for (blocks, cost) in pools.iter().zip(costs) {
                line += &format!("{blocks:>9}: {:>3}/{bound}", per_operation(cost));
                findings.extend(judge(operation, *blocks, cost, *bound));
            }
            findings.extend(grows(operation, *pools, costs));
        }
        println!("{line}");
    }
    for finding in &findings {
        println!("FAILED: {finding}");
    }
    match findings.len() {
        0 => ExitCode::SUCCESS,
        _ => ExitCode::FAILURE,
    }
}

/// The cost of all operations for each pool, arranged as [`POOLS`].
fn measure() -> [[[u64; BOUNDS.len()]; 2]; 2] {
    let directory = Path::new(env!("CARGO_TARGET_TMPDIR")).join("callgrind");
    let program = callgrind::build(&directory);
    POOLS.map(|pools| {
        pools.map(|blocks| {
            let output = directory.join(format!("callgrind.out.{blocks}"));
            let costs = callgrind::run(&program, &blocks.to_string(), &output);
            BOUNDS.map(|(operation, _)| costs[operation])
        })
    })
}

fn per_operation(cost: u64) -> u64 {
    (cost + OPERATIONS / 2) / OPERATIONS
}

fn judge(operation: &str, blocks: usize, cost: u64, bound: u64) -> Option<String> {
    let count = per_operation(cost);
    if count < bound {
        println!("!!! BELOW ITS BOUND, TIGHTEN IT: {operation}: {count}, bound {bound}");
    }
    (count > bound).then(|| format!("{operation}, {blocks} blocks: {count}, bound {bound}"))
}

/// Both pools of a row cost the same, within 1 %.
fn grows(operation: &str, pools: [usize; 2], [small, large]: [u64; 2]) -> Option<String> {
    (small.abs_diff(large) > small / 100).then(|| {
        let [few, many] = pools;
        format!("{operation}: {small} in all with {few} blocks, {large} with {many}")
    })
}
