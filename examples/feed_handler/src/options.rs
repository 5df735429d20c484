//! The command line.

use std::ffi::OsString;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use framepool::wire::Filter;

use crate::arguments::{number, seconds, value};
use crate::memory::HEADROOM;
use crate::publisher::FULL;

/// Packets per second: one per nanosecond.
const MAX_RATE: u64 = 1_000_000_000;
/// Bytes per packet: a block has at most 65,535.
const MAX_BLOCK: usize = u16::MAX as usize - HEADROOM;
const MAX_BLOCKS: usize = 1 << 24;
/// Nanoseconds: a minute.
const MAX_TARGET: u64 = 60_000_000_000;

pub const HELP: &str = "\
A market-data receive path. A publisher sends ITCH 5.0 messages in MoldUDP64 over UDP on loopback. The
kernel writes them straight into pool blocks. A ring hands the blocks to a worker on another core, which
parses and frees them.

Usage: feed_handler [OPTIONS]

  --seconds S       how long to run, in seconds (default: 3)
  --rate N          packets to publish per second; 0: as fast as possible (default: 100000)
  --block-size N    bytes for a packet in its block, after a headroom of 256; at least 1472 for sockets
                    (default: 2048)
  --pool-blocks N   blocks in the pool; if there are too few, packets are dropped and counted
                    (default: 4096)
  --pcap FILE       read a capture (pcap or pcapng) instead of sockets: Ethernet, raw IP, Linux cooked
                    (SLL and SLL2, as from 'tcpdump -i any') or BSD loopback (NULL and LOOP)
  --filter EXPR     process only matching frames, for example 'udp and dst net 233.54.12.0/24';
                    needs --pcap; without Ethernet headers only IP packets can match
  --target NS       latency target in ns, from reception to consumption; the report counts the packets
                    that exceed it; 0: no target (default: 0)
  --plot FILE       draw the distribution of latency as SVG
  --metrics ADDR    serve metrics for Prometheus at this loopback address and port, for example 127.0.0.1:9184;
                    port 0: any free port; standard error says which
  --metrics-wait S  after the run, wait for a scrape of the final values, at most S seconds (default: 0)
  --json            print one line of JSON instead of the report
  --help            print this help

Exit codes: 0: success. 1: failure. 2: wrong option. 3: no frame of the capture, after the filter, belongs
to a known feed; the report is printed nevertheless.
";

/// The options of a run.
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
    pub metrics: Option<SocketAddr>,
    pub metrics_wait: Duration,
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
        metrics: None,
        metrics_wait: Duration::ZERO,
        json: false,
    };
    let mut parser = lexopt::Parser::from_iter(args);
    while let Some(arg) = parser.next().map_err(|e| e.to_string())? {
        match arg {
            Long("seconds") => options.duration = seconds(&mut parser, "--seconds")?,
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
            Long("metrics") => options.metrics = Some(loopback(&mut parser)?),
            Long("metrics-wait") => options.metrics_wait = seconds(&mut parser, "--metrics-wait")?,
            Long("json") => options.json = true,
            Long("help") | Short('h') => return Ok(Parsed::Help),
            other => return Err(other.unexpected().to_string()),
        }
    }
    if options.filter.is_some() && options.pcap.is_none() {
        return Err(
            "--filter needs --pcap: datagrams from sockets have no headers to match".to_string(),
        );
    }
    if options.metrics.is_none() && !options.metrics_wait.is_zero() {
        return Err("--metrics-wait needs --metrics".to_string());
    }
    options.fit_datagrams()?;
    Ok(Parsed::Run(options))
}

impl Options {
    /// Refuses blocks that are smaller than the publisher's datagrams. (Longer frames of a capture are
    /// counted.)
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

/// The value of `--metrics`.
fn loopback(parser: &mut lexopt::Parser) -> Result<SocketAddr, String> {
    let value = value(parser, "--metrics")?;
    match value.parse::<SocketAddr>() {
        Ok(address) if address.ip().is_loopback() => Ok(address),
        _ => Err(format!(
            "--metrics takes a loopback address and a port, such as 127.0.0.1:9184, not {value:?}"
        )),
    }
}

fn path(parser: &mut lexopt::Parser) -> Result<PathBuf, String> {
    parser.value().map(PathBuf::from).map_err(|e| e.to_string())
}
