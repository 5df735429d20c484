//! A `#[global_allocator]` with pools in hugepages in front of the system's allocator, and thread caches in front of
//! the pools.
//!
//! ```text
//!  gateway thread                                   book thread
//!  orders ─► JSON text ───────── String ──────────► parses it, keeps the orders in maps
//!  parses the answer ◄────────── String ─────────── the best prices ─► JSON text
//!
//!  every String, Vec, map node and Value:  1..=64 bytes ─► thread's cache ─► pool ─┐
//!                                        65..=768 bytes ─► thread's cache ─► pool ─┼─► no block free, or larger: System
//!                                       769..=8192 bytes ─► thread's cache ─► pool ┘
//! ```
//!
//! The program knows nothing of pools: serde_json, `BTreeMap`, `String` and channels allocate as everywhere. The
//! memory of one thread is often freed by the other. The report shows which pages the kernel granted, the requests by
//! size (how many a pool served, and how many went to the system), and the page faults of both threads after the
//! warm-up. There is no unsafe code.
//!
//! | file | contains |
//! |---|---|
//! | `memory` | the allocator: its pools, and their figures |
//! | `program` | the two threads |
//! | `book` | orders, and the book that keeps them |
//! | `faults` | the page faults of a thread |
//! | `options`, `cli` | the command line |
//! | `report` | the report |
//! | `heap/` | `global_alloc_heap`: the same program on a heap, without a fallback |
//!
//! `cargo run --release --example global_alloc -- --help` lists the options.

#![forbid(unsafe_code)]

mod book;
mod cli;
mod faults;
mod memory;
mod options;
mod program;
mod report;

use std::process::ExitCode;

use crate::cli::Failure;
use crate::options::Options;
use crate::report::Report;

const HELP: &str = "\
A program of two threads that exchange orders and prices as JSON, under a global allocator with thread caches and
pools in front of the system's. The report shows the memory of the pools, the requests by size, what went to the
system, and the page faults of both threads after the warm-up.

Usage: global_alloc [OPTIONS]

  --rounds N    rounds after the warm-up; one round is a message of 32 orders and its answer (default: 20000)
  --warm-up N   rounds before (default: 2000)
  --empty       take all blocks first: every request goes to the system's allocator, after the pools refused it
  --help        print this help

Exit codes: 0: success. 1: failure, or a block that was not freed. 2: wrong option.
";

fn main() -> ExitCode {
    cli::main("global_alloc", HELP, run)
}

fn run(options: &Options) -> Result<(), Failure> {
    let granted = memory::prepare(options.empty)?;
    memory::flush();
    let before = memory::figures();
    let outcome = program::run(options)?;
    memory::flush();
    let after = memory::figures();
    let report = Report {
        granted: &granted,
        options,
        outcome: &outcome,
        before,
        after,
    };
    cli::print(&report.to_string())?;
    Ok(report.verdict()?)
}
