//! The TCP/IP stack smoltcp over framepool's packet pools, beside the same stack over its own devices, which allocate
//! a buffer for each frame.
//!
//! ```text
//!  loopback   socket ─► smoltcp ─► TX block ─► queue ─► the same block ─► smoltcp ─► socket
//!
//!  tap        socket ─► smoltcp ─► TX block ─► write(2) ─┐
//!                                                        TAP device ── kernel ── TCP socket
//!             socket ◄─ smoltcp ◄─ RX block ◄─ read(2) ──┘             (in a network namespace)
//! ```
//!
//! | file | what |
//! |---|---|
//! | `options` | the command line |
//! | `stream` | the bytes that are sent, and compared |
//! | `loopback` | from socket to socket of one stack |
//! | `tap` | a driver for a TAP device |
//! | `kernel` | between a socket of the stack and one of the kernel |
//! | `report` | the figures |
//!
//! `cargo run --release --example smoltcp_stack -- --help` lists the options.

#[path = "../../support/arguments.rs"]
#[expect(dead_code, reason = "what other examples need")]
mod arguments;
#[path = "../../support/failure.rs"]
mod error;
mod kernel;
mod loopback;
#[path = "../../support/namespace.rs"]
#[expect(dead_code, reason = "what other examples need")]
mod namespace;
mod options;
mod report;
mod stream;
mod tap;

use std::io::{ErrorKind, Write as _, stdout};
use std::process::ExitCode;

use crate::error::Failure;
use crate::options::{Command, HELP, Options, Parsed};

fn main() -> ExitCode {
    let outcome = match options::parse(std::env::args_os()) {
        Ok(Parsed::Help) => print(HELP),
        Ok(Parsed::Run(options)) => run(&options).and_then(|report| print(&report)),
        Err(message) => Err(Failure::Usage(message)),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            eprintln!("smoltcp_stack: {failure}");
            ExitCode::from(failure.exit_code())
        }
    }
}

fn run(options: &Options) -> Result<String, Failure> {
    let rows = match options.command {
        Command::Loopback => loopback::compare(options)?,
        Command::Tap => kernel::compare(options)?,
    };
    Ok(report::table(options, &rows))
}

fn print(text: &str) -> Result<(), Failure> {
    // The reader may close the pipe early. That is not an error.
    match stdout().write_all(text.as_bytes()) {
        Err(e) if e.kind() != ErrorKind::BrokenPipe => Err(Failure::failed("output", e)),
        _ => Ok(()),
    }
}
