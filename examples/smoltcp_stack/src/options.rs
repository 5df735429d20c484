//! The command line.

use std::ffi::OsString;

use crate::arguments::number;

pub const HELP: &str = "\
The TCP/IP stack smoltcp over framepool's packet pools, beside the same stack over its own devices, which allocate a
buffer for each frame. Both take turns; the figures are medians.

Usage: smoltcp_stack COMMAND [OPTIONS]

  loopback          from socket to socket of one stack; no privilege needed
  tap               to the kernel and back over a TAP device, in a network namespace that vanishes with the program.
                    Needs Linux, root, and 'ip' (iproute2)

  --mebibytes N     the length of each transfer (default: 64)
  --runs N          transfers of each kind (default: 5)
  --help            print this help

Exit codes: 0: success. 1: failure: wrong bytes, or blocks that did not come back. 2: wrong option. 3: it cannot run
here: a privilege, a program or a part of the kernel is missing.
";

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Command {
    Loopback,
    Tap,
}

#[derive(Debug, Clone)]
pub struct Options {
    pub command: Command,
    pub mebibytes: usize,
    pub runs: usize,
}

impl Options {
    /// Bytes of each transfer.
    pub fn bytes(&self) -> usize {
        self.mebibytes << 20
    }
}

pub enum Parsed {
    Run(Options),
    Help,
}

/// Reads the command line; the first item is the program's name.
pub fn parse(args: impl Iterator<Item = OsString>) -> Result<Parsed, String> {
    use lexopt::prelude::*;

    let mut command = None;
    let (mut mebibytes, mut runs) = (64, 5);
    let mut parser = lexopt::Parser::from_iter(args);
    while let Some(arg) = parser.next().map_err(|e| e.to_string())? {
        match arg {
            Value(value) if command.is_none() => command = Some(command_of(&value)?),
            Long("mebibytes") => mebibytes = number(&mut parser, "--mebibytes", 1..=4095)?,
            Long("runs") => runs = number(&mut parser, "--runs", 1..=1000)?,
            Long("help") | Short('h') => return Ok(Parsed::Help),
            other => return Err(other.unexpected().to_string()),
        }
    }
    Ok(Parsed::Run(Options {
        command: command.ok_or("a command is missing: loopback or tap")?,
        mebibytes,
        runs,
    }))
}

fn command_of(value: &OsString) -> Result<Command, String> {
    match value.to_str() {
        Some("loopback") => Ok(Command::Loopback),
        Some("tap") => Ok(Command::Tap),
        _ => Err(format!("the command is loopback or tap, not {value:?}")),
    }
}
