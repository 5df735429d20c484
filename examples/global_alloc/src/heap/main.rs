//! The program of `global_alloc` with all of its memory in one heap, which is mapped at the first request, before `main`:
//! there is no fallback, no page fault and no system call for memory after that. There is no unsafe code.
//!
//! `cargo run --release --example global_alloc_heap -- --help` lists the options.

#![forbid(unsafe_code)]

#[path = "../book.rs"]
mod book;
#[path = "../cli.rs"]
mod cli;
#[path = "../faults.rs"]
mod faults;
mod memory;
#[path = "../options.rs"]
mod options;
#[path = "../program.rs"]
mod program;

use std::process::ExitCode;

use crate::book::ORDERS;
use crate::cli::Failure;
use crate::options::Options;

const HELP: &str = "\
A program of two threads that exchange orders and prices as JSON, with all of its memory in a heap of 64 MiB. The report
shows the memory, what was in use, and the page faults of both threads after the warm-up.

Usage: global_alloc_heap [OPTIONS]

  --rounds N    rounds after the warm-up; one round is a message of 32 orders and its answer (default: 20000)
  --warm-up N   rounds before (default: 2000)
  --help        print this help

Exit codes: 0: success. 1: failure, or memory that was not freed. 2: wrong option.
";

/// What std and the report may keep.
const KEPT: usize = 64 * 1024;

fn main() -> ExitCode {
    cli::main("global_alloc_heap", HELP, run)
}

fn run(options: &Options) -> Result<(), Failure> {
    if options.empty {
        return Err(Failure::Usage("`--empty` is for pools".to_string()));
    }
    let granted = memory::granted()?;
    memory::flush();
    let before = memory::figures();
    let outcome = program::run(options)?;
    memory::flush();
    let after = memory::figures();
    let seconds = outcome.elapsed.as_secs_f64();
    let rounds = options.rounds;
    let [gateway, book] = outcome.faults;
    let left = after.used.saturating_sub(before.used);
    cli::print(&format!(
        "memory       {granted}\n\
         rounds       {rounds} of {ORDERS} orders on 2 threads, in {seconds:.3} s\n\
         rounds/s     {:.0}\n\
         book         {} orders at the end\n\
         most in use  {} of {} bytes; {} refused\n\
         page faults  {gateway} gateway, {book} book, after the warm-up\n\
         left         {left} bytes\n",
        rounds as f64 / seconds,
        outcome.orders,
        outcome.most.0,
        outcome.start.total,
        after.refusals,
    ))?;
    if left > KEPT {
        return Err(format!("{left} bytes were not freed").into());
    }
    Ok(())
}
