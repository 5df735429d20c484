//! The command line.

use std::ffi::OsString;

use lexopt::prelude::*;

use crate::memory::CAPACITY;

pub const HELP: &str = "\
A ring between two processes. The parent produces numbered values; the child gets the shared memory as its
standard input, checks the values and counts them. The child is killed (SIGKILL) in the middle of its work and
replaced by another. At the end no value is missing and none was counted twice.

Usage: two_processes [OPTIONS]

  --values N    how many values to send (default: 100000000)
  --kills N     how many times to kill the child, evenly spread over the values (default: 5)
  --help        print this help

A child can also be killed from outside: 'kill -9' with its process number is one more kill.

The child is the same program: 'two_processes consumer [DEAD]', where DEAD is the number of the process that
it replaces.

Exit codes: 0: every value was counted exactly once. 1: failure. 2: wrong option.
";

/// The values between two kills are at least this many, so that the ring tells of one death before the next.
const BETWEEN_KILLS: u64 = 4 * CAPACITY as u64;

/// What the process does.
pub enum Job {
    Help,
    Produce(Options),
    /// `after`: the number of the dead process that this one replaces.
    Consume {
        after: Option<u32>,
    },
}

pub struct Options {
    pub values: u64,
    pub kills: u64,
}

/// Reads the command line; the first item is the program's name.
pub fn parse(args: impl Iterator<Item = OsString>) -> Result<Job, String> {
    let mut options = Options {
        values: 100_000_000,
        kills: 5,
    };
    let mut parser = lexopt::Parser::from_iter(args);
    while let Some(arg) = parser.next().map_err(text)? {
        match arg {
            Long("values") => options.values = number(&mut parser)?,
            Long("kills") => options.kills = number(&mut parser)?,
            Long("help") | Short('h') => return Ok(Job::Help),
            Value(role) if role == "consumer" => return consumer(parser),
            other => return Err(text(other.unexpected())),
        }
    }
    let fewest = (options.kills.saturating_add(1)).saturating_mul(BETWEEN_KILLS);
    if options.kills > 0 && options.values < fewest {
        let kills = options.kills;
        return Err(format!("--kills {kills} needs --values {fewest} or more"));
    }
    Ok(Job::Produce(options))
}

fn consumer(mut parser: lexopt::Parser) -> Result<Job, String> {
    let after = match parser.next().map_err(text)? {
        Some(Value(dead)) => Some(dead.parse().map_err(text)?),
        Some(other) => return Err(text(other.unexpected())),
        None => None,
    };
    Ok(Job::Consume { after })
}

fn number(parser: &mut lexopt::Parser) -> Result<u64, String> {
    parser.value().and_then(|value| value.parse()).map_err(text)
}

fn text(error: lexopt::Error) -> String {
    error.to_string()
}
