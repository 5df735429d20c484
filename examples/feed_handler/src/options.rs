//! The command line.

use std::ffi::OsString;
use std::path::PathBuf;
use std::time::Duration;

pub const HELP: &str = "\
A market-data receive path: ITCH 5.0 in MoldUDP64 over UDP on loopback, received straight into pool
blocks, handed to a worker on the other core, consumed and freed there.

Usage: feed_handler [OPTIONS]

  --seconds S       how long to run (default 3)
  --rate N          packets per second to publish; 0 is as fast as possible (default 100000)
  --block-size N    bytes of a block (default 2048)
  --pool-blocks N   blocks in the pool (default 4096); too few degrade to counted drops
  --pcap FILE       read a capture (pcap or pcapng) instead of sockets
  --json            print one machine-readable line instead of the report
  --help            print this
";

/// What to do.
#[derive(Debug, Clone, PartialEq)]
pub struct Options {
    pub duration: Duration,
    pub rate: u64,
    pub block_size: usize,
    pub pool_blocks: usize,
    pub pcap: Option<PathBuf>,
    pub json: bool,
}

pub enum Parsed {
    Run(Options),
    Help,
}

/// Reads the command line; the first item is the program's name.
pub fn parse(args: impl Iterator<Item = OsString>) -> Result<Parsed, String> {
    use lexopt::prelude::*;

    let mut options = Options {
        duration: Duration::from_secs(3),
        rate: 100_000,
        block_size: 2048,
        pool_blocks: 4096,
        pcap: None,
        json: false,
    };
    let mut parser = lexopt::Parser::from_iter(args);
    while let Some(arg) = parser.next().map_err(|e| e.to_string())? {
        match arg {
            Long("seconds") => options.duration = seconds(&value(&mut parser)?)?,
            Long("rate") => options.rate = number("--rate", &value(&mut parser)?)?,
            Long("block-size") => {
                options.block_size = number("--block-size", &value(&mut parser)?)?;
            }
            Long("pool-blocks") => {
                options.pool_blocks = number("--pool-blocks", &value(&mut parser)?)?;
            }
            Long("pcap") => {
                let file = parser.value().map_err(|e| e.to_string())?;
                options.pcap = Some(file.into());
            }
            Long("json") => options.json = true,
            Long("help") | Short('h') => return Ok(Parsed::Help),
            other => return Err(other.unexpected().to_string()),
        }
    }
    Ok(Parsed::Run(options))
}

fn value(parser: &mut lexopt::Parser) -> Result<String, String> {
    let value = parser.value().map_err(|e| e.to_string())?;
    value
        .into_string()
        .map_err(|value| format!("{value:?} is not UTF-8"))
}

fn number<T: std::str::FromStr>(name: &str, value: &str) -> Result<T, String> {
    value
        .parse()
        .map_err(|_| format!("{name} takes a whole number, not {value:?}"))
}

fn seconds(value: &str) -> Result<Duration, String> {
    let wrong = || format!("--seconds takes a number from 0.05 to 86400, not {value:?}");
    match value.parse::<f64>() {
        Ok(s) if (0.05..=86_400.0).contains(&s) => Ok(Duration::from_secs_f64(s)),
        _ => Err(wrong()),
    }
}
