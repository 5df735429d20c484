//! framepool and its peers, measured.
//!
//! `framepool-peers pool` measures on one core, `framepool-peers cross` between two, `framepool-peers
//! region` mappings, `framepool-peers ring` rings between two cores, `framepool-peers time` clocks and
//! histograms, `framepool-peers wire` parsing, `framepool-peers heap` allocators of any size, `framepool-peers
//! packet` packet buffers; `--help` describes each contender. All contenders of a bench take turns in one run, on
//! pinned threads. The results are the ratios: absolute times differ between machines.
//!
//! | file | contents |
//! |---|---|
//! | `harness.rs` | samples, rounds, medians, ratios and their bars |
//! | `contenders.rs` | the contenders that allocate single blocks, behind one trait |
//! | `pool.rs` | the benches on one core |
//! | `galloc.rs` | the benches of global allocators |
//! | `latency.rs` | ticks of single operations |
//! | `cross.rs` | the benches on two cores |
//! | `region.rs` | the benches of mappings |
//! | `time.rs` | the benches of clocks and histograms |
//! | `ring.rs` | the benches of rings |
//! | `wire.rs`, `wire/` | the benches of packet parsing |
//! | `feeds.rs` | the benches of exchange feeds |
//! | `heap.rs`, `heap/` | the benches of heaps; `bin/`, `program/`: programs with a global allocator each |
//! | `packet.rs`, `packet/` | the benches of packet buffers |
//! | `dpdk.rs`, `dpdk_shim.c` | DPDK, with its measured loops in C (feature `dpdk`) |
//! | `report.rs`, `options.rs` | tables, JSON, the command line |
//! | `machine.rs`, `results.rs`, `render.rs` | the origin of results; stored results; the pages made of them |

#[cfg(not(all(target_arch = "x86_64", target_os = "linux")))]
compile_error!("the benches against peers read the TSC and pin threads: x86-64 Linux only");

mod contenders;
mod cross;
#[cfg(feature = "dpdk")]
mod dpdk;
mod feeds;
mod galloc;
mod harness;
mod heap;
mod latency;
mod machine;
mod options;
mod packet;
mod pool;
mod region;
mod render;
mod report;
mod results;
mod ring;
mod rings;
mod time;
mod waits;
mod wire;

use std::process::ExitCode;

use cross::Outcome;
use harness::Row;
use options::{Command, Options, Parsed};

fn main() -> ExitCode {
    // SAFETY: nothing else has set it. A reader that closes the pipe ends the process, as with any filter.
    unsafe { libc::signal(libc::SIGPIPE, libc::SIG_DFL) };
    let options = match Options::parse(std::env::args().skip(1)) {
        Ok(Parsed::Run(options)) => options,
        Ok(Parsed::Help) => {
            print!("{}", options::help());
            return ExitCode::SUCCESS;
        }
        Err(error) => return fail(&error, 2),
    };
    let measures = !(options.command == Command::Report && options.render);
    if measures && !names(options.command).any(|name| options.wants(name)) {
        let part = options.only.as_deref().unwrap_or_default();
        return fail(&format!("no bench name contains `{part}`"), 2);
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

/// The names that `--only` selects from.
fn names(command: Command) -> Box<dyn Iterator<Item = &'static str>> {
    match command {
        Command::Pool => {
            let single = pool::BENCHES.iter().map(|b| b.0).chain([latency::NAME]);
            Box::new(single.chain(galloc::BENCHES))
        }
        Command::Cross => Box::new(cross::BENCHES.iter().copied()),
        Command::Region => Box::new(region::BENCHES.iter().copied()),
        Command::Time => Box::new(time::BENCHES.iter().map(|b| b.0)),
        Command::Ring => Box::new(ring::BENCHES.iter().copied()),
        Command::Wire => {
            let feeds = feeds::BENCHES.iter().map(|b| b.0);
            Box::new(wire::BENCHES.iter().copied().chain(feeds))
        }
        Command::Heap => Box::new(heap::benches()),
        Command::Packet => Box::new(packet::benches()),
        Command::Report => Box::new(
            results::ROOMS
                .iter()
                .flat_map(|(_, command, _)| names(*command)),
        ),
    }
}

/// Measures and prints. Returns whether every checked bar was met.
fn run(options: &Options) -> Result<bool, String> {
    if options.command == Command::Report {
        return run_report(options);
    }
    prepare(options)?;
    if !options.json {
        println!("{}", machine::line());
    }
    match options.command {
        Command::Pool => run_pool(options),
        _ => {
            let outcome = measure(options)?;
            let met = show(&harness::merge(outcome.runs), options)?;
            report::round_trips(outcome.round_trips, outcome.dropped, options);
            Ok(met)
        }
    }
}

/// Pins this thread, and starts DPDK for the benches that compare with it.
fn prepare(options: &Options) -> Result<(), String> {
    use Command::*;
    if !matches!(options.command, Pool | Time | Wire) {
        // Only to find out now whether it is available.
        harness::pin(options.cores[1])?;
    }
    harness::pin(options.cores[0])?;
    #[cfg(feature = "dpdk")]
    if !matches!(options.command, Region | Time | Wire | Heap) {
        dpdk::init(options)?;
    }
    Ok(())
}

/// The rows of all runs of a command.
fn measure(options: &Options) -> Result<Outcome, String> {
    let single = |runs| Outcome {
        runs,
        dropped: 0,
        round_trips: Vec::new(),
    };
    match options.command {
        Command::Cross => cross::run(options),
        Command::Region => region::run(options),
        Command::Ring => ring::run(options),
        Command::Heap => heap::run(options),
        Command::Packet => packet::run(options),
        Command::Time => {
            let fixtures = time::Fixtures::new()?;
            Ok(single(
                (0..options.runs)
                    .map(|_| time::run(&fixtures, options))
                    .collect(),
            ))
        }
        Command::Wire => {
            let feeds = feeds::Fixtures::new();
            let both = |_| [wire::run(options), feeds::run(&feeds, options)].concat();
            Ok(single((0..options.runs).map(both).collect()))
        }
        Command::Pool | Command::Report => Ok(single(Vec::new())),
    }
}

fn run_pool(options: &Options) -> Result<bool, String> {
    let fixtures = pool::Fixtures::new(options)?;
    galloc::prepare(options)?;
    let (mut runs, mut latencies) = (Vec::new(), Vec::new());
    for _ in 0..options.runs {
        runs.push(pool::run(&fixtures, options));
        if options.wants(latency::NAME) {
            latencies.push(latency::run(&fixtures));
        }
    }
    let global = galloc::run(options)?;
    runs.extend(global.runs);
    let met = show(&harness::merge(runs), options)?;
    report::round_trips(global.round_trips, global.dropped, options);
    report::latencies(&latency::merge(latencies), options);
    Ok(met)
}

/// Prints rows, and stores them if requested. Returns whether every bar was met.
fn show(rows: &[Row], options: &Options) -> Result<bool, String> {
    let met = report::rows(rows, options);
    let room = results::ROOMS
        .iter()
        .find(|(_, command, _)| *command == options.command);
    if let Some((room, ..)) = room.filter(|_| options.keep) {
        results::keep(room, rows)?;
    }
    Ok(met)
}

/// Measures all selected rooms, stores their results, and writes all pages. A separate process measures each room:
/// threads that DPDK starts would slow the others down.
fn run_report(options: &Options) -> Result<bool, String> {
    let program = std::env::current_exe().map_err(|error| error.to_string())?;
    let rooms = results::ROOMS.iter().filter(|_| !options.render);
    for (room, command, _) in rooms {
        if !names(*command).any(|name| options.wants(name)) {
            continue;
        }
        // The arguments of this process, with another command.
        let arguments = std::env::args().skip(2);
        let status = std::process::Command::new(&program)
            .args([room, "--keep"])
            .args(arguments)
            .status();
        let status = status.map_err(|error| error.to_string())?;
        if !status.success() {
            return Err(format!("`{room}` was not measured"));
        }
    }
    render::all(&results::load()?)?;
    Ok(true)
}
