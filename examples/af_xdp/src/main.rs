//! An AF_XDP driver whose UMEM is a pool: frames go from the kernel to the program and back without a copy of
//! their handles, and every block is accounted for.
//!
//! ```text
//!  namespace of the peer                  namespace of the driver
//!  kernel: ping, UDP socket ── veth ──►  XDP program: redirect to the socket of this queue
//!                                             │
//!            ┌── fill ring ◄── free blocks    ▼
//!   kernel ──┤── RX ring ────► block ──► answer written in place
//!            ├── TX ring ◄──────────────── the same block
//!            └── completion ring ──► block ──► cache of the pool
//! ```
//!
//! | file | what |
//! |---|---|
//! | `options` | the command line |
//! | `network` | two network namespaces and the veth pair between them |
//! | `bpf` | the XDP program, loaded by bpf(2) |
//! | `rings` | the four rings that the kernel and the program share |
//! | `socket` | the AF_XDP socket with its UMEM |
//! | `lent` | the blocks that the kernel has |
//! | `device` | blocks and frames in and out: socket, rings and lent blocks in one type |
//! | `driver` | the loop of `echo` and `sink` |
//! | `answer` | a request turned into its answer, in place |
//! | `peer` | the other end: a UDP socket or `ping` |
//! | `report` | the figures |
//!
//! `cargo run --release --example af_xdp -- --help` lists the options. It needs root.

mod answer;
#[path = "../../support/arguments.rs"]
mod arguments;
mod bpf;
mod device;
mod driver;
#[path = "../../support/failure.rs"]
mod error;
mod lent;
#[path = "../../support/namespace.rs"]
mod namespace;
mod network;
mod options;
mod peer;
mod report;
mod rings;
mod socket;

use std::io::Write as _;
use std::process::ExitCode;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use framepool::{Pool, PoolConfig};

use crate::error::Failure;
use crate::lent::Handles;
use crate::network::Network;
use crate::options::{Options, Parsed};

fn main() -> ExitCode {
    let outcome = match options::parse(std::env::args_os()) {
        Ok(Parsed::Help) => print(options::HELP),
        Ok(Parsed::Run(options)) => run(&options),
        Err(message) => Err(Failure::Usage(message)),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            let message = failure.to_string();
            eprintln!("af_xdp: {}", message.replace(char::is_control, " ").trim());
            ExitCode::from(failure.exit_code())
        }
    }
}

fn print(text: &str) -> Result<(), Failure> {
    let mut out = std::io::stdout().lock();
    out.write_all(text.as_bytes())
        .and_then(|()| out.flush())
        .map_err(|e| Failure::failed("standard output", e))
}

fn run(options: &Options) -> Result<(), Failure> {
    let network = Network::new()?;
    let mut pool = umem(options)?;
    let memory = pool.region_report().map(ToString::to_string);
    let mut runs = Vec::new();
    for &handles in options.runs() {
        let (driven, seen) = both_ends(options, handles, &network, &pool)?;
        // The socket is closed and all handles are gone: what is not at home now was lost.
        let census = pool.check().map_err(|e| Failure::failed("the pool", e))?;
        runs.push(report::Run {
            handles,
            driven,
            seen,
            census,
        });
    }
    print(&report::text(options, memory.as_deref(), &runs))?;
    match runs.iter().map(report::Run::unaccounted).sum() {
        0 => Ok(()),
        lost => Err(Failure::Failed(format!("{lost} frames unaccounted for"))),
    }
}

fn umem(options: &Options) -> Result<Pool<'static>, Failure> {
    Pool::map(PoolConfig::umem(options.chunk, options.blocks))
        .map_err(|e| Failure::failed("the UMEM", e))
}

/// Runs the driver and the peer, each in its namespace, until the peer is done.
fn both_ends(
    options: &Options,
    handles: Handles,
    network: &Network,
    pool: &Pool<'_>,
) -> Result<(driver::Driven, peer::Seen), Failure> {
    let (ready, stop) = (AtomicBool::new(false), AtomicBool::new(false));
    thread::scope(|scope| {
        let driver = scope.spawn(|| {
            network
                .driver
                .enter()
                .and_then(|()| driver::drive(options, handles, pool, &ready, &stop))
        });
        while !ready.load(Ordering::Acquire) && !driver.is_finished() {
            thread::yield_now();
        }
        let seen = match driver.is_finished() {
            true => Ok(peer::Seen::default()),
            false => network.peer.run(|| peer::run(options, network)),
        };
        stop.store(true, Ordering::Release);
        let driven = driver
            .join()
            .unwrap_or_else(|panic| std::panic::resume_unwind(panic))?;
        Ok((driven, seen?))
    })
}
