//! The command line.

use std::ffi::OsString;
use std::fmt::Display;
use std::ops::RangeInclusive;
use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

use framepool::wire::Filter;

use crate::publisher::FULL;

/// Packets per second: one a nanosecond.
const MAX_RATE: u64 = 1_000_000_000;
/// Bytes of a block: more than any frame has.
const MAX_BLOCK: usize = 1 << 20;
const MAX_BLOCKS: usize = 1 << 24;
/// Nanoseconds: a minute.
const MAX_TARGET: u64 = 60_000_000_000;

pub const HELP: &str = "\
A market-data receive path: ITCH 5.0 in MoldUDP64 over UDP on loopback, received straight into pool
blocks, handed to a worker on the other core, consumed and freed there.

Usage: feed_handler [OPTIONS]

  --seconds S       how long to run (default 3)
  --rate N          packets per second to publish; 0 is as fast as possible (default 100000)
  --block-size N    bytes of a block (default 2048), at least 1472 for sockets
  --pool-blocks N   blocks in the pool (default 4096); too few degrade to counted drops
  --pcap FILE       read a capture (pcap or pcapng) instead of sockets: Ethernet, raw IP, Linux cooked
                    (SLL and SLL2, as of 'tcpdump -i any') or BSD loopback (NULL and LOOP)
  --filter EXPR     only frames that match, as in 'udp and dst net 233.54.12.0/24'; needs --pcap;
                    without Ethernet headers it sees IP packets alone
  --target NS       latency from receiving a packet to having consumed it that is to be met; the report
                    counts what exceeds it (default 0: none)
  --plot FILE       draw the distribution of latency as SVG
  --json            print one machine-readable line instead of the report
  --help            print this

Exit codes: 0 for success, 1 for a failure, 2 for a wrong option, 3 for a capture in which no frame that
was read, and that the filter lets through, belongs to a known feed: its report is printed all the same.
";

/// What to do.
#[derive(Debug, Clone)]
pub struct Options {
    pub duration: Duration,
    pub rate: u64,
    pub block_size: usize,
    pub pool_blocks: usize,
    pub pcap: Option<PathBuf>,
    pub filter: Option<Box<Filter>>,
    pub target_ns: u64,
    pub plot: Option<PathBuf>,
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
        filter: None,
        target_ns: 0,
        plot: None,
        json: false,
    };
    let mut parser = lexopt::Parser::from_iter(args);
    while let Some(arg) = parser.next().map_err(|e| e.to_string())? {
        match arg {
            Long("seconds") => options.duration = seconds(&mut parser)?,
            Long("rate") => options.rate = number(&mut parser, "--rate", 0..=MAX_RATE)?,
            Long("block-size") => {
                options.block_size = number(&mut parser, "--block-size", 1..=MAX_BLOCK)?;
            }
            Long("pool-blocks") => {
                options.pool_blocks = number(&mut parser, "--pool-blocks", 1..=MAX_BLOCKS)?;
            }
            Long("pcap") => options.pcap = Some(path(&mut parser)?),
            Long("filter") => {
                let text = value(&mut parser, "--filter")?;
                let filter = text
                    .parse()
                    .map_err(|e| format!("--filter {text:?}: {e}"))?;
                options.filter = Some(Box::new(filter));
            }
            Long("target") => {
                options.target_ns = number(&mut parser, "--target", 0..=MAX_TARGET)?;
            }
            Long("plot") => options.plot = Some(path(&mut parser)?),
            Long("json") => options.json = true,
            Long("help") | Short('h') => return Ok(Parsed::Help),
            other => return Err(other.unexpected().to_string()),
        }
    }
    if options.filter.is_some() && options.pcap.is_none() {
        return Err("--filter needs --pcap: sockets give no headers to look at".to_string());
    }
    options.fit_datagrams()?;
    Ok(Parsed::Run(options))
}

impl Options {
    /// Every datagram of the publisher must fit a block. (Longer frames of a capture are counted.)
    fn fit_datagrams(&self) -> Result<(), String> {
        if self.pcap.is_some() || self.block_size >= FULL {
            return Ok(());
        }
        let size = self.block_size;
        Err(format!(
            "--block-size {size} is too small: datagrams have up to {FULL} bytes"
        ))
    }
}

fn path(parser: &mut lexopt::Parser) -> Result<PathBuf, String> {
    parser.value().map(PathBuf::from).map_err(|e| e.to_string())
}

fn value(parser: &mut lexopt::Parser, name: &str) -> Result<String, String> {
    let value = parser.value().map_err(|e| e.to_string())?;
    value
        .into_string()
        .map_err(|value| format!("{name}: {value:?} is not UTF-8"))
}

fn number<T>(parser: &mut lexopt::Parser, name: &str, range: RangeInclusive<T>) -> Result<T, String>
where
    T: FromStr + PartialOrd + Display,
{
    let value = value(parser, name)?;
    match value.parse() {
        Ok(n) if range.contains(&n) => Ok(n),
        _ => {
            let (least, most) = range.into_inner();
            Err(format!(
                "{name} takes a whole number from {least} to {most}, not {value:?}"
            ))
        }
    }
}

fn seconds(parser: &mut lexopt::Parser) -> Result<Duration, String> {
    let value = value(parser, "--seconds")?;
    match value.parse::<f64>() {
        Ok(s) if (0.05..=86_400.0).contains(&s) => Ok(Duration::from_secs_f64(s)),
        _ => Err(format!(
            "--seconds takes a number from 0.05 to 86400, not {value:?}"
        )),
    }
}
