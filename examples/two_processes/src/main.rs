//! A ring between two processes, one of which is killed and replaced. Nothing is lost, nothing is counted twice.
//!
//! ```text
//!  parent: the producer            memfd, sealed               child: the consumer
//!  numbered values ───────► │ note │ ring of 4096 slots │ ───► checks and counts them,
//!                           └──────┴────────────────────┘      notes the tally, releases the slots
//!  kills the child, learns of the death                        a replacement goes on from the note
//!  from the ring, starts another
//! ```
//!
//! The child gets the memory as its standard input, so no process needs unsafe code. It takes values in three steps:
//! it looks at them in place, notes its tally in the shared memory, and releases their slots. If it dies before the
//! note, its replacement finds the values in the ring and counts them. If it dies after the note, the replacement
//! finds them too, but their numbers are below the tally's, and it skips them.
//!
//! | file | contains |
//! |---|---|
//! | `options` | the command line |
//! | `memory` | the shared memory: its layout, the values |
//! | `note` | the tally, and a note of it that survives the process |
//! | `producer` | the parent's job |
//! | `child` | starting the child, killing it, replacing it |
//! | `consumer` | the child's job |
//!
//! `cargo run --release --example two_processes -- --help` lists the options.
#![forbid(unsafe_code)]

mod child;
mod consumer;
mod memory;
mod note;
mod options;
mod producer;

use std::io::{ErrorKind, Write, stdout};
use std::process::ExitCode;

use crate::options::{HELP, Job};

fn main() -> ExitCode {
    let job = match options::parse(std::env::args_os()) {
        Ok(job) => job,
        Err(message) => {
            complain(&format!("{message} (--help lists the options)"));
            return ExitCode::from(2);
        }
    };
    let done = match job {
        Job::Help => print(HELP),
        Job::Produce(options) => producer::run(&options).and_then(|report| {
            print(&report.to_string())?;
            report.verdict()
        }),
        Job::Consume { after } => consumer::run(after),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(message) => {
            complain(&message);
            ExitCode::FAILURE
        }
    }
}

fn complain(message: &str) {
    eprintln!("two_processes: {}", message.replace(char::is_control, "?"));
}

fn print(text: &str) -> Result<(), String> {
    // The reader may close the pipe early. That is not an error.
    match stdout().write_all(text.as_bytes()) {
        Err(e) if e.kind() != ErrorKind::BrokenPipe => Err(format!("output: {e}")),
        _ => Ok(()),
    }
}
