//! The command line.

use std::ffi::OsString;

pub const HELP: &str = "\
Builds examples/firmware for a Cortex-M, starts it in QEMU (machine mps2-an385, Ethernet controller LAN9118)
and checks it over the network: ARP, ping, UDP echo, malformed frames, a flood that exhausts its pool, an
overload, many echoes. At the end its statistics must show that no block was lost.

Usage: firmware-host [OPTIONS]

  --target TARGET   thumbv7m-none-eabi, or thumbv6m-none-eabi, which has no compare-and-swap and uses
                    critical sections (default: thumbv7m-none-eabi)
  --frames N        number of echoes of the last check (default: 40000)
  --qemu PROGRAM    QEMU for 32-bit Arm (default: qemu-system-arm)
  --help            print this help

Exit codes: 0: success. 1: a check failed. 2: wrong option. 3: QEMU or the target is not installed.
";

const TARGETS: [&str; 2] = ["thumbv7m-none-eabi", "thumbv6m-none-eabi"];
const MAX_FRAMES: u32 = 100_000_000;

/// The options of a run.
pub struct Options {
    pub target: String,
    pub frames: u32,
    pub qemu: OsString,
}

pub enum Parsed {
    Run(Options),
    Help,
}

/// Reads the command line; the first item is the program's name.
pub fn parse(args: impl Iterator<Item = OsString>) -> Result<Parsed, String> {
    use lexopt::prelude::*;

    let mut options = Options {
        target: TARGETS[0].into(),
        frames: 40_000,
        qemu: "qemu-system-arm".into(),
    };
    let mut parser = lexopt::Parser::from_iter(args);
    while let Some(arg) = parser.next().map_err(|e| e.to_string())? {
        match arg {
            Long("target") => options.target = target(value(&mut parser)?)?,
            Long("frames") => options.frames = frames(value(&mut parser)?)?,
            Long("qemu") => options.qemu = value(&mut parser)?,
            Long("help") | Short('h') => return Ok(Parsed::Help),
            other => return Err(other.unexpected().to_string()),
        }
    }
    Ok(Parsed::Run(options))
}

fn value(parser: &mut lexopt::Parser) -> Result<OsString, String> {
    parser.value().map_err(|e| e.to_string())
}

fn target(value: OsString) -> Result<String, String> {
    let known = value.to_str().filter(|name| TARGETS.contains(name));
    let unknown = || format!("--target: {value:?} is not one of {}", TARGETS.join(", "));
    known.map(str::to_owned).ok_or_else(unknown)
}

fn frames(value: OsString) -> Result<u32, String> {
    let number = value.to_str().and_then(|digits| digits.parse().ok());
    let wrong = || format!("--frames: {value:?} is not a number from 1 to {MAX_FRAMES}");
    number
        .filter(|n| (1..=MAX_FRAMES).contains(n))
        .ok_or_else(wrong)
}
