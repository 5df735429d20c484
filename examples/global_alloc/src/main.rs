//! A `#[global_allocator]` with pools in front of the system's allocator.
//!
//! ```text
//!  gateway thread                                   book thread
//!  orders ─► JSON text ───────── String ──────────► parses it, keeps the orders in maps
//!  parses the answer ◄────────── String ─────────── the best prices ─► JSON text
//!
//!  every String, Vec, map node and Value:  1..=64 bytes ─► SMALL ┐
//!                                        65..=768 bytes ─► MEDIUM├─► no block free, or larger: System
//!                                       769..=8192 bytes ─► LARGE┘
//! ```
//!
//! The program knows nothing of pools: serde_json, `BTreeMap`, `String` and channels allocate as everywhere. The
//! memory of one thread is often freed by the other. The report shows how many requests each size served, how many went
//! to the system and why, and the page faults of both threads after the warm-up.
//!
//! | file | contains |
//! |---|---|
//! | `memory` | the allocator: its pools, and their figures |
//! | `program` | the two threads |
//! | `book` | orders, and the book that keeps them |
//! | `faults` | the page faults of a thread |
//! | `options` | the command line |
//! | `report` | the report |
//!
//! `cargo run --release --example global_alloc -- --help` lists the options.

mod book;
mod faults;
mod memory;
mod options;
mod program;
mod report;

use std::io::{ErrorKind, Write, stdout};
use std::process::ExitCode;

use crate::options::{HELP, Options, Parsed};
use crate::report::Report;

fn main() -> ExitCode {
    let done = match options::parse(std::env::args_os()) {
        Ok(Parsed::Run(options)) => run(&options),
        Ok(Parsed::Help) => print(HELP),
        Err(message) => {
            complain(&format!("{message} (--help lists the options)"));
            return ExitCode::from(2);
        }
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(message) => {
            complain(&message);
            ExitCode::FAILURE
        }
    }
}

fn run(options: &Options) -> Result<(), String> {
    memory::prepare(options.empty)?;
    let before = memory::figures();
    let outcome = program::run(options)?;
    let after = memory::figures();
    let report = Report {
        options,
        outcome: &outcome,
        before,
        after,
    };
    print(&report.to_string())?;
    report.verdict()
}

fn complain(message: &str) {
    eprintln!("global_alloc: {}", message.replace(char::is_control, "?"));
}

fn print(text: &str) -> Result<(), String> {
    // The reader may close the pipe early. That is not an error.
    match stdout().write_all(text.as_bytes()) {
        Err(e) if e.kind() != ErrorKind::BrokenPipe => Err(format!("output: {e}")),
        _ => Ok(()),
    }
}
