//! The command line.

use std::ffi::OsString;

use lexopt::prelude::*;

pub const HELP: &str = "\
A program of two threads that exchange orders and prices as JSON, under a global allocator with pools in front
of the system's. The report shows what each pool served, what went to the system, and the page faults of both
threads after the warm-up.

Usage: global_alloc [OPTIONS]

  --rounds N    rounds after the warm-up; one round is a message of 32 orders and its answer (default: 20000)
  --warm-up N   rounds before (default: 2000)
  --empty       take all blocks first: every request goes to the system's allocator, after the pools refused it
  --help        print this help

Exit codes: 0: success. 1: failure, or a block that was not freed. 2: wrong option.
";

pub enum Parsed {
    Run(Options),
    Help,
}

pub struct Options {
    pub rounds: u64,
    pub warm_up: u64,
    pub empty: bool,
}

/// Reads the command line; the first item is the program's name.
pub fn parse(args: impl Iterator<Item = OsString>) -> Result<Parsed, String> {
    let mut options = Options {
        rounds: 20_000,
        warm_up: 2_000,
        empty: false,
    };
    let mut parser = lexopt::Parser::from_iter(args);
    while let Some(arg) = parser.next().map_err(text)? {
        match arg {
            Long("rounds") => options.rounds = number(&mut parser)?,
            Long("warm-up") => options.warm_up = number(&mut parser)?,
            Long("empty") => options.empty = true,
            Long("help") | Short('h') => return Ok(Parsed::Help),
            other => return Err(text(other.unexpected())),
        }
    }
    Ok(Parsed::Run(options))
}

/// Up to 32 bits, so that sums of rounds do not overflow.
fn number(parser: &mut lexopt::Parser) -> Result<u64, String> {
    let number: u32 = parser
        .value()
        .and_then(|value| value.parse())
        .map_err(text)?;
    Ok(number.into())
}

fn text(error: lexopt::Error) -> String {
    error.to_string()
}
