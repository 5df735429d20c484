//! The figures of a run.

use std::fmt::Write as _;

use framepool::Census;

use crate::driver::{Counts, Driven};
use crate::lent::Handles;
use crate::options::{Options, Sender, Work};
use crate::peer::Seen;

/// One run and its end.
pub struct Run {
    pub handles: Handles,
    pub driven: Driven,
    pub seen: Seen,
    pub census: Census,
}

impl Run {
    /// Blocks that are neither at home nor were taken back from the kernel: 0 unless there is a bug.
    pub fn unaccounted(&self) -> usize {
        self.census.raw + self.census.leaked + self.driven.closed.astray
    }
}

/// The report, one figure a line: of the first run, and the rates of all if there are more.
pub fn text(options: &Options, memory: Option<&str>, runs: &[Run]) -> String {
    let mut out = String::new();
    if let Some(first) = runs.first() {
        out += &figures(options, memory, first);
    }
    if runs.len() > 1 {
        for (name, handles) in [
            ("with Posted", Handles::Posted),
            ("with raw ids", Handles::RawIds),
        ] {
            let _ = writeln!(out, "{name:<24}{}", rates(runs, handles));
        }
        let lost: usize = runs.iter().map(Run::unaccounted).sum();
        let _ = writeln!(out, "{:<24}{lost}", "unaccounted in all runs");
    }
    out
}

/// The medians of the runs of one kind.
fn rates(runs: &[Run], handles: Handles) -> String {
    let of = |figure: fn(&Driven) -> Option<f64>| {
        let those = runs.iter().filter(|run| run.handles == handles);
        median(those.filter_map(|run| figure(&run.driven)).collect())
    };
    format!(
        "{} packets/s, {} ns a packet in the program",
        of(|driven| per_second(&driven.counts)),
        of(|driven| each(driven.pace.program_ns, driven.pace.packets)),
    )
}

fn median(mut figures: Vec<f64>) -> String {
    figures.sort_by(f64::total_cmp);
    shown(figures.get(figures.len() / 2).copied())
}

fn figures(options: &Options, memory: Option<&str>, run: &Run) -> String {
    let (driven, seen, census) = (&run.driven, &run.seen, &run.census);
    let mut out = String::new();
    let mut line = |name: &str, value: String| {
        let _ = writeln!(out, "{name:<24}{value}");
    };
    let (counts, pace, closed) = (&driven.counts, &driven.pace, &driven.closed);
    let kernel = &closed.statistics;
    line(
        "device",
        format!("veth, copy mode, {} XDP program", driven.mode),
    );
    line(
        "pool",
        format!(
            "{} blocks of {} bytes; rings of {}",
            options.blocks, options.chunk, options.ring
        ),
    );
    line("memory", memory.unwrap_or("not mapped").to_string());
    if options.sender != Sender::None {
        line("peer sent", seen.sent.to_string());
    }
    if options.sender != Sender::None && options.work == Work::Echo {
        let lost = seen.sent.saturating_sub(seen.answered);
        line("peer got back", seen.answered.to_string());
        line("peer lost", lost.to_string());
        line("peer got wrong", seen.wrong.to_string());
    }
    line("received", counts.received.to_string());
    line("received bytes", counts.received_bytes.to_string());
    line("packets/s", shown(per_second(counts)));
    line(
        "ns a packet",
        format!(
            "{} in the program, {} in calls to send",
            shown(each(pace.program_ns, pace.packets)),
            shown(each(pace.kick_ns, pace.packets))
        ),
    );
    line("interrupted rounds", pace.interrupted.to_string());
    if options.work == Work::Echo {
        line("calls to send", counts.kicks.to_string());
        line(
            "answered",
            format!("{} UDP, {} ping", counts.udp, counts.pings),
        );
        line("completed", counts.completed.to_string());
        line("not requests", counts.ignored.to_string());
        line("bad checksums", counts.bad_checksum.to_string());
        line("TX ring full", counts.tx_full.to_string());
    }
    line("malformed", counts.malformed.to_string());
    line("refused offsets", closed.refused.to_string());
    line(
        "kernel dropped",
        format!(
            "{} without a block, {} with the RX ring full",
            kernel.rx_dropped,
            kernel.rx_ring_full.unwrap_or(0),
        ),
    );
    line(
        "invalid descriptors",
        (kernel.rx_invalid_descs + kernel.tx_invalid_descs).to_string(),
    );
    line(
        "blocks at close",
        format!(
            "{} free, {} lent to receive, {} lent to send",
            driven.home, closed.receiving, closed.transmitting
        ),
    );
    line("blocks after close", format!("{} free", census.free()));
    line("frames unaccounted for", run.unaccounted().to_string());
    out
}

/// Frames per second, from the first to the last.
fn per_second(counts: &Counts) -> Option<f64> {
    match counts.last_ns.saturating_sub(counts.first_ns) {
        0 => None,
        ns => Some(counts.received as f64 * 1e9 / ns as f64),
    }
}

fn each(ns: u64, packets: u64) -> Option<f64> {
    match packets {
        0 => None,
        packets => Some(ns as f64 / packets as f64),
    }
}

fn shown(figure: Option<f64>) -> String {
    figure.map_or_else(|| "-".to_string(), |figure| format!("{figure:.0}"))
}
