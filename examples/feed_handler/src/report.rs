//! The report, as a table or as JSON.

use std::fmt::Write as _;
use std::io::Write as _;

use framepool::packet::{PacketCensus, PacketPool};

use crate::decode::Errors;
use crate::latency;
use crate::link::Unsupported;
use crate::options::Options;
use crate::pipeline::{Outcome, Source};
use crate::stamps::Stamps;
use crate::venues::{Missed, NAMES};

/// The figures that both forms print.
struct Figures {
    /// All packets, including those that end a session.
    packets: u64,
    end_packets: u64,
    drops: u64,
    truncated: u64,
    errors: Errors,
    missed: Missed,
    faults: u64,
    leaked: usize,
    seconds: f64,
}

impl Figures {
    fn of(outcome: &Outcome, census: &PacketCensus) -> Self {
        let consumed = &outcome.consumed;
        let errors = Errors::default().and(&consumed.decoded.errors);
        let leaked = census.blocks.leaked + census.blocks.raw;
        let seconds = outcome.elapsed.as_secs_f64();
        match &outcome.source {
            Source::Live { received, .. } => Self {
                packets: received.packets,
                end_packets: received.sequences.ends,
                drops: received.drops,
                truncated: received.truncated,
                errors: errors.and(&received.errors),
                missed: received.sequences.missed(),
                faults: received.faults + consumed.faults,
                leaked,
                seconds,
            },
            Source::Replay(replayed) => Self {
                packets: replayed.frames,
                end_packets: replayed.sequences.ends,
                drops: 0,
                truncated: replayed.truncated,
                errors: errors.and(&replayed.errors),
                missed: replayed.sequences.missed(),
                faults: 0,
                leaked,
                seconds,
            },
        }
    }
}

/// Prints the report to standard output.
pub fn print(
    options: &Options,
    pool: &PacketPool<'_>,
    census: &PacketCensus,
    outcome: &Outcome,
) -> Result<(), String> {
    let figures = Figures::of(outcome, census);
    let text = if options.json {
        json(pool, &figures, outcome)
    } else {
        table(pool, census, &figures, outcome)
    };
    write(&text)
}

/// Writes to standard output.
pub fn write(text: &str) -> Result<(), String> {
    // The reader may close the pipe early. That is not an error.
    match std::io::stdout().write_all(text.as_bytes()) {
        Err(e) if e.kind() != std::io::ErrorKind::BrokenPipe => Err(format!("output: {e}")),
        _ => Ok(()),
    }
}

fn table(
    pool: &PacketPool<'_>,
    census: &PacketCensus,
    figures: &Figures,
    outcome: &Outcome,
) -> String {
    let consumed = &outcome.consumed;
    let messages = consumed.decoded.messages;
    let mut out = String::new();
    let mut line = |name: &str, value: String| {
        let _ = writeln!(out, "{name:<20} {value}");
    };
    let per_second = |n: u64| n as f64 / figures.seconds;
    line(
        "packets",
        format!(
            "{} ({:.0} per second), {} of them end a session",
            figures.packets,
            per_second(figures.packets),
            figures.end_packets
        ),
    );
    line(
        "messages",
        format!("{} ({:.0} per second)", messages, per_second(messages)),
    );
    for (venue, sent) in consumed.decoded.venues() {
        line(
            &format!("from {venue}"),
            format!("{} messages, by type {sent}", sent.messages),
        );
    }
    line("bytes", consumed.bytes.to_string());
    match &outcome.source {
        Source::Live {
            published,
            received,
            no_stamps,
        } => {
            line(
                "kernel timestamps",
                stamps(&received.stamps, no_stamps.as_deref()),
            );
            line(
                "published",
                format!(
                    "{} packets, {} messages, and {} packets to end the session",
                    published.packets, published.messages, published.end_packets
                ),
            );
            line(
                "page faults",
                format!(
                    "{} in {} packets of the steady state",
                    figures.faults, received.steady_packets
                ),
            );
        }
        Source::Replay(replayed) => {
            let other = &replayed.others;
            line("filtered", format!("{} frames", replayed.filtered));
            line(
                "other frames",
                format!(
                    "{} UDP, {} TCP, {} other IP, {} not IP",
                    other.udp, other.tcp, other.ip, other.not_ip
                ),
            );
            let unsupported = &replayed.unsupported;
            let mut text = format!("{} frames", unsupported.frames());
            if unsupported.frames() > 0 {
                let _ = write!(text, ": {unsupported}");
            }
            line("not supported", text);
        }
    }
    let missed = &figures.missed;
    line("sequence gaps", format!("{} messages", missed.gaps));
    line("duplicates", format!("{} messages", missed.duplicates));
    line("heartbeats", missed.heartbeats.to_string());
    line("drops", format!("{} packets found no block", figures.drops));
    line(
        "truncated",
        format!("{} packets longer than a block", figures.truncated),
    );
    line("errors", figures.errors.to_string());
    line("blocks leaked", figures.leaked.to_string());
    line("memory", region(pool));
    line("pool", pool.stats().to_string());
    line(
        "check",
        format!(
            "{} never used, {} on the free stack, {} in magazines; every block is in exactly one place",
            census.blocks.never_used, census.blocks.stacked, census.blocks.in_magazines
        ),
    );
    line("clock", latency::describe(&outcome.clock));
    let _ = writeln!(
        out,
        "\nlatency from reception to consumption\n{}",
        consumed.latency.table(&NAMES)
    );
    if matches!(&outcome.source, Source::Live { received, .. } if received.stamps.stamped > 0) {
        let _ = writeln!(
            out,
            "\nlatency from the kernel's timestamp to consumption\n{}",
            consumed.wire_latency.table(&NAMES)
        );
    }
    out
}

/// Says how many packets have a timestamp of the kernel, and the error of their conversion.
fn stamps(stamps: &Stamps, refused: Option<&str>) -> String {
    if let Some(why) = refused {
        return format!("none: the kernel refuses SO_TIMESTAMPNS: {why}");
    }
    let mut text = format!(
        "on {} packets, missing on {}",
        stamps.stamped, stamps.missing
    );
    if let Ok([p50, max]) = stamps.errors.percentiles([50.0, 100.0]) {
        let _ = write!(text, "; converted to within {p50} ns (p50), {max} ns (max)");
    }
    if stamps.ahead > 0 {
        let _ = write!(text, "; {} are later than the reception", stamps.ahead);
    }
    text
}

fn json(pool: &PacketPool<'_>, figures: &Figures, outcome: &Outcome) -> String {
    let consumed = &outcome.consumed;
    let stats = pool.stats().blocks;
    let mut out = String::from("{");
    let mut field = |name: &str, value: String| {
        let comma = if out.len() > 1 { "," } else { "" };
        let _ = write!(out, "{comma}\"{name}\":{value}");
    };
    field("packets", figures.packets.to_string());
    field("end_packets", figures.end_packets.to_string());
    let messages = consumed.decoded.messages;
    field("messages", messages.to_string());
    field(
        "messages_per_s",
        format!("{:.1}", messages as f64 / figures.seconds),
    );
    for (venue, sent) in consumed.decoded.venues() {
        field(&format!("messages_{venue}"), sent.messages.to_string());
        field(&format!("types_{venue}"), counts(sent.kinds()));
    }
    field("bytes", consumed.bytes.to_string());
    field("seconds", format!("{:.3}", figures.seconds));
    let missed = &figures.missed;
    field("gaps", missed.gaps.to_string());
    field("duplicates", missed.duplicates.to_string());
    field("heartbeats", missed.heartbeats.to_string());
    field("drops", figures.drops.to_string());
    field("truncated", figures.truncated.to_string());
    field("malformed", figures.errors.total.to_string());
    field("errors", errors(&figures.errors));
    field("leaked", figures.leaked.to_string());
    if let Source::Live {
        published,
        received,
        no_stamps,
    } = &outcome.source
    {
        let stamps = &received.stamps;
        field("kernel_stamps", stamps.stamped.to_string());
        field("kernel_stamps_missing", stamps.missing.to_string());
        field("kernel_stamps_ahead", stamps.ahead.to_string());
        let refused = no_stamps.as_deref();
        field(
            "kernel_stamps_refused",
            refused.map_or("null".to_string(), quoted),
        );
        if let Ok([p50, max]) = stamps.errors.percentiles([50.0, 100.0]) {
            field("stamp_error_p50_ns", p50.to_string());
            field("stamp_error_max_ns", max.to_string());
        }
        field("steady_page_faults", figures.faults.to_string());
        field("published_packets", published.packets.to_string());
        field("published_messages", published.messages.to_string());
        field("published_end_packets", published.end_packets.to_string());
        field("steady_packets", received.steady_packets.to_string());
    }
    if let Source::Replay(replayed) = &outcome.source {
        field("feed_frames", replayed.feed_frames.to_string());
        let unsupported = &replayed.unsupported;
        field("unsupported_link", unsupported.frames().to_string());
        field("unsupported_links", links(unsupported));
        let others = &replayed.others;
        field("filtered", replayed.filtered.to_string());
        field("other_udp", others.udp.to_string());
        field("other_tcp", others.tcp.to_string());
        field("other_ip", others.ip.to_string());
        field("not_ip", others.not_ip.to_string());
    }
    for (venue, channel) in NAMES.iter().zip(consumed.latency.channels()) {
        let stats = channel.stats();
        // A channel without values has no percentiles.
        let (Ok(p50), Ok(p99)) = (channel.percentile(50.0), channel.percentile(99.0)) else {
            continue;
        };
        field(&format!("latency_p50_ns_{venue}"), p50.to_string());
        field(&format!("latency_p99_ns_{venue}"), p99.to_string());
        field(&format!("latency_max_ns_{venue}"), stats.max.to_string());
        field(
            &format!("over_target_{venue}"),
            stats.violations.to_string(),
        );
        field(&format!("backwards_{venue}"), stats.backwards.to_string());
    }
    field("allocations", stats.allocations.to_string());
    field("frees", stats.frees.to_string());
    for (venue, channel) in NAMES.iter().zip(consumed.wire_latency.channels()) {
        let (Ok(p50), Ok(p99)) = (channel.percentile(50.0), channel.percentile(99.0)) else {
            continue;
        };
        field(&format!("wire_p50_ns_{venue}"), p50.to_string());
        field(&format!("wire_p99_ns_{venue}"), p99.to_string());
        let max = channel.stats().max;
        field(&format!("wire_max_ns_{venue}"), max.to_string());
    }
    field("peak", stats.peak.to_string());
    field("exhaustions", stats.exhaustions.to_string());
    field("region", quoted(&region(pool)));
    out.push_str("}\n");
    out
}

/// A JSON object of numbers by name.
fn counts(counts: impl Iterator<Item = (String, u64)>) -> String {
    let fields: Vec<String> = counts
        .map(|(name, n)| format!("{}:{n}", quoted(&name)))
        .collect();
    format!("{{{}}}", fields.join(","))
}

/// A JSON array with an object for each kind of error.
fn errors(errors: &Errors) -> String {
    let kinds: Vec<String> = errors
        .iter()
        .map(|(layer, reason, count)| {
            let (layer, reason) = (quoted(layer), quoted(reason));
            format!("{{\"layer\":{layer},\"reason\":{reason},\"count\":{count}}}")
        })
        .collect();
    format!("[{}]", kinds.join(","))
}

/// A JSON array with an object for each link type. An undeclared interface has no number.
fn links(unsupported: &Unsupported) -> String {
    let null = || "null".to_string();
    let links: Vec<String> = unsupported
        .iter()
        .map(|(number, name, frames)| {
            let number = number.map_or_else(null, |number| number.to_string());
            let name = name.map_or_else(null, quoted);
            format!("{{\"link_type\":{number},\"name\":{name},\"frames\":{frames}}}")
        })
        .collect();
    format!("[{}]", links.join(","))
}

fn region(pool: &PacketPool<'_>) -> String {
    pool.region_report()
        .map_or_else(|| "none".to_string(), ToString::to_string)
}

fn quoted(text: &str) -> String {
    let mut out = String::from("\"");
    for c in text.chars() {
        match c {
            '"' | '\\' => out.extend(['\\', c]),
            c if c < ' ' => {
                let _ = write!(out, "\\u{:04x}", u32::from(c));
            }
            c => out.push(c),
        }
    }
    out.push('"');
    out
}
