//! The figures of a run.

use std::fmt::Write as _;

use framepool::Census;

use crate::driver::Driven;
use crate::options::{Options, Sender, Work};
use crate::peer::Seen;

/// Blocks that are neither at home nor were taken back from the kernel: 0 unless there is a bug.
pub fn unaccounted(driven: &Driven, census: &Census) -> usize {
    census.raw + census.leaked + driven.closed.astray
}

/// The report, one figure a line.
pub fn text(
    options: &Options,
    memory: Option<&str>,
    driven: &Driven,
    seen: &Seen,
    census: &Census,
) -> String {
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
    line("packets/s", rate(driven));
    line(
        "ns a packet",
        format!(
            "{} in the program, {} in calls to send",
            each(pace.program_ns, pace.packets),
            each(pace.kick_ns, pace.packets)
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
    line(
        "frames unaccounted for",
        unaccounted(driven, census).to_string(),
    );
    out
}

/// Frames per second, from the first to the last.
fn rate(driven: &Driven) -> String {
    let counts = &driven.counts;
    match counts.last_ns.saturating_sub(counts.first_ns) {
        0 => "-".to_string(),
        ns => format!("{:.0}", counts.received as f64 * 1e9 / ns as f64),
    }
}

fn each(ns: u64, packets: u64) -> String {
    match packets {
        0 => "-".to_string(),
        packets => format!("{:.0}", ns as f64 / packets as f64),
    }
}
