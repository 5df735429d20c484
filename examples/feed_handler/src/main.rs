//! A market-data receive path on real sockets: framepool's main example.
//!
//! ```text
//!  publisher ──UDP, loopback──► receiver ──── blocks, moved ────► worker
//!  ITCH 5.0 in MoldUDP64        recvmmsg straight into            walks the messages,
//!  (sendmmsg)                   pool blocks, sequence gaps        frees the blocks
//! ```
//!
//! The receiver draws blocks from its own cache, and the kernel writes datagrams straight into them, after
//! their headroom. What is known of a datagram goes into its metadata line: when the kernel stamped it, and when the
//! receiver got it. The packets themselves, not their bytes, go through a ring to the worker on the other core.
//! The worker frees them into its cache; they return to the receiver in magazines. In the steady state the two hot
//! threads cause no page fault, take no lock and allocate nothing but blocks.
//!
//! `cargo run --release --example feed_handler -- --help` lists the options.

#[path = "../../support/arguments.rs"]
mod arguments;
mod axis;
mod capture;
mod decode;
mod exporter;
mod latency;
mod link;
mod memory;
mod options;
mod pipeline;
mod plot;
mod prometheus;
mod publisher;
mod receiver;
mod report;
mod rules;
mod stamps;
mod sys;
mod venues;
mod worker;

use std::path::Path;
use std::process::ExitCode;

use crate::options::{Options, Parsed};
use crate::pipeline::Source;

fn main() -> ExitCode {
    let options = match options::parse(std::env::args_os()) {
        Ok(Parsed::Run(options)) => options,
        Ok(Parsed::Help) => {
            return match report::write(options::HELP) {
                Ok(()) => ExitCode::SUCCESS,
                Err(message) => {
                    complain(&message);
                    ExitCode::FAILURE
                }
            };
        }
        Err(message) => {
            complain(&format!("{message} (--help lists the options)"));
            return ExitCode::from(2);
        }
    };
    match run(&options) {
        Ok(code) => code,
        Err(message) => {
            complain(&message);
            ExitCode::FAILURE
        }
    }
}

/// The exit code for a capture in which no frame belongs to a known feed.
const NO_FEED: u8 = 3;

/// Writes one line to standard error, even if a file name or an option contains control characters.
fn complain(message: &str) {
    eprintln!("feed_handler: {}", message.replace(char::is_control, "?"));
}

fn run(options: &Options) -> Result<ExitCode, String> {
    // Errors of the capture file are reported before any memory is mapped.
    let capture = match &options.pcap {
        Some(path) => Some(capture::open(path)?),
        None => None,
    };
    let plot = options.plot.as_deref().map(plot::create).transpose()?;
    let exporter = options.metrics.map(exporter::bind).transpose()?;
    let (size, blocks) = (options.block_size, options.pool_blocks);
    let mut pool = memory::pool(size, blocks)
        .map_err(|e| format!("--pool-blocks {blocks} with --block-size {size}: {e}"))?;
    let work = || match capture {
        Some(capture) => pipeline::replay(&pool, capture, options),
        None => pipeline::live(&pool, options),
    };
    let outcome = match exporter {
        Some(exporter) => exporter.during(&pool, options.metrics_wait, work),
        None => work(),
    }?;
    let census = pool.check().map_err(|e| format!("pool corrupt: {e}"))?;
    report::print(options, &pool, &census, &outcome)?;
    if let Some(plot) = plot {
        plot.draw(&outcome.consumed.latency)?;
    }
    match &outcome.source {
        Source::Replay(replayed) if replayed.feed_frames == 0 => {
            let path = options.pcap.as_deref().unwrap_or(Path::new(""));
            complain(&format!("{}: {}", path.display(), replayed.without_feed()));
            Ok(ExitCode::from(NO_FEED))
        }
        _ => Ok(ExitCode::SUCCESS),
    }
}
