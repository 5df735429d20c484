//! The longest time with interrupts off of each operation, on thumbv6m in QEMU, is that in the pool's documentation.
//! Prints the table even if it passes.

use std::path::Path;
use std::process::ExitCode;

use placement::{masked, qemu};

/// The rows of the documentation, and the functions of the program in each.
const ROWS: [(&str, &[&str]); 12] = [
    ("[`Pool::alloc`]", &["pool_alloc"]),
    ("drop of a [`Block`], [`Pool::free`]", &["block_drop"]),
    ("[`Pool::alloc_burst`] of 32", &["pool_alloc_burst"]),
    ("drop of a [`Burst`] of 32", &["burst_drop"]),
    ("[`Cache::alloc`]", &["cache_alloc"]),
    ("[`Cache::free`]", &["cache_free"]),
    (
        "bursts of 32 from and to a [`Cache`]",
        &["cache_alloc_burst", "cache_free_burst"],
    ),
    ("drop of a [`Cache`], [`Cache::flush`]", &["cache_drop"]),
    (
        "[`Block::into_raw`], [`Pool::free_raw`]",
        &["block_into_raw", "pool_free_raw"],
    ),
    (
        "[`Posted::post`], [`Posted::take`]",
        &["posted_post", "posted_take"],
    ),
    ("[`Pool::alloc_async`], polled", &["alloc_async_poll"]),
    ("[`Pool::stats`]", &["pool_stats"]),
];

fn main() -> ExitCode {
    if std::env::var_os("FRAMEPOOL_SKIP_PLACEMENT").is_some() || !qemu::is_installed() {
        println!("SKIPPED masked: no qemu-system-arm, or FRAMEPOOL_SKIP_PLACEMENT is set");
        return ExitCode::SUCCESS;
    }
    let directory = Path::new(env!("CARGO_TARGET_TMPDIR"));
    let program = masked::build(&directory.join("masked"));
    let longest = masked::run(&program, &directory.join("masked.log"));
    let source = std::env::var_os("CARGO_MANIFEST_DIR").expect("run by `cargo test`");
    let source = Path::new(&source).join("../../src/pool/mod.rs");
    let documentation = std::fs::read_to_string(source).expect("the pool's source");
    let mut missing = 0;
    for (operation, functions) in ROWS {
        let [plain, small, large] = [0, 1, 2].map(|pool| {
            let of = |name: &&str| longest.get(*name).map_or(0, |most| most[pool]);
            functions.iter().map(of).max().unwrap_or(0)
        });
        let row = format!("//! | {operation} | {plain} | {small} | {large} |");
        let is_there = documentation.lines().any(|line| line == row);
        println!(
            "{row}{}",
            if is_there {
                ""
            } else {
                "  FAILED: not in src/pool/mod.rs"
            }
        );
        missing += usize::from(!is_there);
    }
    match missing {
        0 => ExitCode::SUCCESS,
        _ => ExitCode::FAILURE,
    }
}
