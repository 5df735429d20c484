//! framepool beside its peers.
//!
//! `framepool-peers pool` measures on one core, `framepool-peers cross` between two, `framepool-peers
//! region` what mappings cost, `framepool-peers ring` rings between two cores, `framepool-peers time` clocks
//! and histograms, `framepool-peers wire` parsing; `--help` says what each contender does. All contenders of a
//! bench take turns in one run, on pinned threads, and what counts are ratios: absolute figures move with the
//! machine.
//!
//! | file | what is in it |
//! |---|---|
//! | `harness.rs` | samples, rounds, medians, ratios, and the bars that ratios are held against |
//! | `contenders.rs` | the contenders that give single blocks out, behind one trait |
//! | `pool.rs` | the benches on one core |
//! | `latency.rs` | ticks of single operations |
//! | `cross.rs` | the benches on two cores |
//! | `region.rs` | the benches of mappings |
//! | `time.rs` | the benches of clocks and histograms |
//! | `ring.rs` | the benches of rings |
//! | `wire.rs`, `wire/` | the benches of packet parsing |
//! | `feeds.rs` | those of exchange feeds |
//! | `dpdk.rs`, `dpdk_shim.c` | DPDK, whose measured loops are in C (feature `dpdk`) |
//! | `report.rs`, `options.rs` | tables, JSON, the command line |

#[cfg(not(all(target_arch = "x86_64", target_os = "linux")))]
compile_error!("the benches against peers read the TSC and pin threads: x86-64 Linux only");

mod contenders;
mod cross;
#[cfg(feature = "dpdk")]
mod dpdk;
mod feeds;
mod harness;
mod latency;
mod options;
mod pool;
mod region;
mod report;
mod ring;
mod rings;
mod time;
mod waits;
mod wire;

use std::process::ExitCode;

use options::{Command, Options, Parsed};

fn main() -> ExitCode {
    // SAFETY: nothing else has set it. A reader that goes away ends the process, as with any filter.
    unsafe { libc::signal(libc::SIGPIPE, libc::SIG_DFL) };
    let options = match Options::parse(std::env::args().skip(1)) {
        Ok(Parsed::Run(options)) => options,
        Ok(Parsed::Help) => {
            print!("{}", options::help());
            return ExitCode::SUCCESS;
        }
        Err(error) => return fail(&error, 2),
    };
    if !names(options.command).any(|name| options.wants(name)) {
        let part = options.only.as_deref().unwrap_or_default();
        return fail(&format!("no bench has `{part}` in its name"), 2);
    }
    match run(&options) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::from(1),
        Err(error) => fail(&error, 1),
    }
}

fn fail(error: &str, code: u8) -> ExitCode {
    eprintln!("framepool-peers: {error}");
    ExitCode::from(code)
}

/// What `--only` chooses from.
fn names(command: Command) -> Box<dyn Iterator<Item = &'static str>> {
    match command {
        Command::Pool => Box::new(pool::BENCHES.iter().map(|b| b.0).chain([latency::NAME])),
        Command::Cross => Box::new(cross::BENCHES.iter().copied()),
        Command::Region => Box::new(region::BENCHES.iter().copied()),
        Command::Time => Box::new(time::BENCHES.iter().map(|b| b.0)),
        Command::Ring => Box::new(ring::BENCHES.iter().copied()),
        Command::Wire => {
            let feeds = feeds::BENCHES.iter().map(|b| b.0);
            Box::new(wire::BENCHES.iter().copied().chain(feeds))
        }
    }
}

/// Measures and prints. Whether every bar that was asked about was met.
fn run(options: &Options) -> Result<bool, String> {
    if !matches!(
        options.command,
        Command::Pool | Command::Time | Command::Wire
    ) {
        // Only to see now that it can be had.
        harness::pin(options.cores[1])?;
    }
    harness::pin(options.cores[0])?;
    #[cfg(feature = "dpdk")]
    if !matches!(
        options.command,
        Command::Region | Command::Time | Command::Wire
    ) {
        dpdk::init(options)?;
    }
    match options.command {
        Command::Pool => run_pool(options),
        Command::Cross => run_cross(options),
        Command::Region => run_region(options),
        Command::Time => run_time(options),
        Command::Ring => run_ring(options),
        Command::Wire => run_wire(options),
    }
}

fn run_pool(options: &Options) -> Result<bool, String> {
    let fixtures = pool::Fixtures::new(options)?;
    let (mut runs, mut latencies) = (Vec::new(), Vec::new());
    for _ in 0..options.runs {
        runs.push(pool::run(&fixtures, options));
        if options.wants(latency::NAME) {
            latencies.push(latency::run(&fixtures));
        }
    }
    let met = report::rows(&harness::merge(runs), options);
    report::latencies(&latency::merge(latencies), options);
    Ok(met)
}

fn run_cross(options: &Options) -> Result<bool, String> {
    let outcome = cross::run(options)?;
    let met = report::rows(&harness::merge(outcome.runs), options);
    report::round_trips(outcome.round_trips, outcome.dropped, options);
    Ok(met)
}

fn run_region(options: &Options) -> Result<bool, String> {
    let outcome = region::run(options)?;
    let met = report::rows(&harness::merge(outcome.runs), options);
    report::round_trips(outcome.round_trips, outcome.dropped, options);
    Ok(met)
}

fn run_time(options: &Options) -> Result<bool, String> {
    let fixtures = time::Fixtures::new()?;
    let runs = (0..options.runs).map(|_| time::run(&fixtures, options));
    Ok(report::rows(&harness::merge(runs.collect()), options))
}

fn run_ring(options: &Options) -> Result<bool, String> {
    let outcome = ring::run(options)?;
    let met = report::rows(&harness::merge(outcome.runs), options);
    report::round_trips(outcome.round_trips, outcome.dropped, options);
    Ok(met)
}

fn run_wire(options: &Options) -> Result<bool, String> {
    let feeds = feeds::Fixtures::new();
    let both = |_| [wire::run(options), feeds::run(&feeds, options)].concat();
    let runs = (0..options.runs).map(both).collect();
    Ok(report::rows(&harness::merge(runs), options))
}
