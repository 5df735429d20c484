//! The command line.

use std::ffi::OsString;

use lexopt::prelude::*;

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
