//! The command line.

use std::ffi::OsString;
use std::time::Duration;

use crate::arguments::{number, seconds, value};
use crate::lent::Handles;

/// Bytes that the kernel keeps free in front of a received frame.
const HEADROOM: usize = 256;
/// Ethernet, IPv4 and UDP headers.
const HEADERS: usize = 42;
/// The largest payload of a datagram on Ethernet.
const MAX_PAYLOAD: usize = 1472;
const _: () = assert!(HEADROOM + HEADERS + MAX_PAYLOAD <= 2048);

pub const HELP: &str = "\
An AF_XDP driver whose UMEM is a framepool pool. It makes two network namespaces with a veth pair between
them. One end belongs to the driver; at the other, the kernel sends. Nothing is left when it ends. Needs
Linux, root, and 'ip' (iproute2).

Usage: af_xdp COMMAND [OPTIONS]

  echo              answer UDP datagrams and pings, each in the block that it came in
  sink              receive frames and free their blocks

  --seconds S       how long the peer sends, in seconds (default: 3)
  --peer KIND       udp: a UDP socket of the kernel (default); ping: the program 'ping' (iputils);
                    none: nothing is sent; another program may join the peer's namespace
  --rate N          packets that the peer sends per second; 0: as fast as possible (default: 0)
  --window N        answers that the UDP peer waits for at once; 0: it does not wait, and floods
                    (default: 32 for echo, 0 for sink)
  --payload N       bytes of UDP payload, 8 to 1472 (default: 18)
  --blocks N        blocks in the pool (default: 4096)
  --chunk N         bytes per block: 2048 or 4096 (default: 2048)
  --ring N          slots in each ring, a power of two (default: 1024)
  --compare         run six times for as long: with framepool's table of lent blocks, and with raw ids in its
                    place; print the rates of both
  --live            print counters every second
  --help            print this help

Exit codes: 0: success. 1: failure, or frames unaccounted for. 2: wrong option. 3: it cannot run here: a
privilege, a program or a part of the kernel is missing.
";

/// What the driver does with frames.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Work {
    Echo,
    Sink,
}

/// Who sends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sender {
    Udp,
    Ping,
    None,
}

/// The options of a run.
#[derive(Debug, Clone)]
pub struct Options {
    pub work: Work,
    pub duration: Duration,
    pub sender: Sender,
    pub rate: u64,
    /// 0: no limit.
    pub window: u64,
    pub payload: usize,
    pub blocks: usize,
    pub chunk: usize,
    pub ring: u32,
    pub compare: bool,
    pub live: bool,
}

pub enum Parsed {
    Run(Options),
    Help,
}

/// Reads the command line; the first item is the program's name.
pub fn parse(args: impl Iterator<Item = OsString>) -> Result<Parsed, String> {
    use lexopt::prelude::*;

    let mut options = Options {
        work: Work::Echo,
        duration: Duration::from_secs(3),
        sender: Sender::Udp,
        rate: 0,
        window: 0,
        payload: 18,
        blocks: 4096,
        chunk: 2048,
        ring: 1024,
        compare: false,
        live: false,
    };
    let (mut work, mut window) = (None, None);
    let mut parser = lexopt::Parser::from_iter(args);
    while let Some(arg) = parser.next().map_err(|e| e.to_string())? {
        match arg {
            Value(command) if work.is_none() => work = Some(command_of(&command)?),
            Long("seconds") => options.duration = seconds(&mut parser, "--seconds")?,
            Long("peer") => options.sender = sender(&mut parser)?,
            Long("rate") => options.rate = number(&mut parser, "--rate", 0..=100_000_000)?,
            Long("window") => window = Some(number(&mut parser, "--window", 0..=1_000_000)?),
            Long("payload") => {
                options.payload = number(&mut parser, "--payload", 8..=MAX_PAYLOAD)?;
            }
            Long("blocks") => options.blocks = number(&mut parser, "--blocks", 2..=1 << 17)?,
            Long("chunk") => options.chunk = number(&mut parser, "--chunk", 2048..=4096)?,
            Long("ring") => options.ring = number(&mut parser, "--ring", 2..=1 << 15)?,
            Long("compare") => options.compare = true,
            Long("live") => options.live = true,
            Long("help") | Short('h') => return Ok(Parsed::Help),
            other => return Err(other.unexpected().to_string()),
        }
    }
    options.work = work.ok_or("a command is missing: echo or sink")?;
    options.window = window.unwrap_or(match options.work {
        Work::Echo => 32,
        Work::Sink => 0,
    });
    options.check()?;
    Ok(Parsed::Run(options))
}

impl Options {
    /// How blocks are lent in each run.
    pub fn runs(&self) -> &'static [Handles] {
        use Handles::{Posted, RawIds};
        match self.compare {
            // They take turns, so that a slow moment of the machine does not hit one of them only.
            true => &[Posted, RawIds, RawIds, Posted, Posted, RawIds],
            false => &[Posted],
        }
    }

    fn check(&self) -> Result<(), String> {
        let (chunk, ring) = (self.chunk, self.ring);
        if !chunk.is_power_of_two() {
            return Err(format!("--chunk takes 2048 or 4096, not {chunk}"));
        }
        if !ring.is_power_of_two() {
            return Err(format!("--ring takes a power of two, not {ring}"));
        }
        if self.work == Work::Sink && (self.sender == Sender::Ping || self.window != 0) {
            return Err("sink answers nothing: --peer ping and --window are for echo".to_string());
        }
        Ok(())
    }
}

fn command_of(value: &OsString) -> Result<Work, String> {
    match value.to_str() {
        Some("echo") => Ok(Work::Echo),
        Some("sink") => Ok(Work::Sink),
        _ => Err(format!("the command is echo or sink, not {value:?}")),
    }
}

fn sender(parser: &mut lexopt::Parser) -> Result<Sender, String> {
    match value(parser, "--peer")?.as_str() {
        "udp" => Ok(Sender::Udp),
        "ping" => Ok(Sender::Ping),
        "none" => Ok(Sender::None),
        other => Err(format!("--peer takes udp, ping or none, not {other:?}")),
    }
}
