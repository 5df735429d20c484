//! What came of it, for people and for machines.

use std::fmt::Write as _;
use std::io::Write as _;

use framepool::{Census, Pool};

use crate::options::Options;
use crate::pipeline::{Outcome, Source};

/// The figures that both forms print.
struct Figures {
    packets: u64,
    drops: u64,
    truncated: u64,
    malformed: u64,
    gaps: u64,
    duplicates: u64,
    heartbeats: u64,
    faults: u64,
    leaked: usize,
    seconds: f64,
}

impl Figures {
    fn of(outcome: &Outcome, census: &Census) -> Self {
        let consumed = &outcome.consumed;
        let mut figures = Self {
            packets: 0,
            drops: 0,
            truncated: 0,
            malformed: consumed.malformed + consumed.other.cut,
            gaps: 0,
            duplicates: 0,
            heartbeats: 0,
            faults: 0,
            leaked: census.leaked + census.raw,
            seconds: outcome.elapsed.as_secs_f64(),
        };
        let sequences = match &outcome.source {
            Source::Live { received, .. } => {
                figures.packets = received.packets;
                figures.drops = received.drops;
                figures.truncated = received.truncated;
                figures.malformed += received.malformed;
                figures.faults = received.faults + consumed.faults;
                &received.sequences
            }
            Source::Replay(replayed) => {
                figures.packets = replayed.frames;
                figures.truncated = replayed.truncated;
                &replayed.sequences
            }
        };
        figures.gaps = sequences.gaps;
        figures.duplicates = sequences.duplicates;
        figures.heartbeats = sequences.heartbeats;
        figures
    }
}

/// Prints the report to standard output.
pub fn print(
    options: &Options,
    pool: &Pool<'_>,
    census: &Census,
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
    // A closed pipe is the reader's business.
    match std::io::stdout().write_all(text.as_bytes()) {
        Err(e) if e.kind() != std::io::ErrorKind::BrokenPipe => Err(format!("output: {e}")),
        _ => Ok(()),
    }
}

fn table(pool: &Pool<'_>, census: &Census, figures: &Figures, outcome: &Outcome) -> String {
    let consumed = &outcome.consumed;
    let mut out = String::new();
    let mut line = |name: &str, value: String| {
        let _ = writeln!(out, "{name:<20} {value}");
    };
    let per_second = |n: u64| n as f64 / figures.seconds;
    line(
        "packets",
        format!(
            "{} ({:.0} per second)",
            figures.packets,
            per_second(figures.packets)
        ),
    );
    line(
        "messages",
        format!(
            "{} ({:.0} per second)",
            consumed.messages,
            per_second(consumed.messages)
        ),
    );
    line("types", kinds(outcome));
    line("bytes", consumed.bytes.to_string());
    match &outcome.source {
        Source::Live {
            published,
            received,
        } => {
            line(
                "published",
                format!(
                    "{} packets, {} messages",
                    published.packets, published.messages
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
            let other = &consumed.other;
            line(
                "other frames",
                format!(
                    "{} UDP, {} TCP, {} other IPv4, {} not IPv4, {} not Ethernet",
                    other.udp, other.tcp, other.ip, other.not_ip, replayed.unsupported
                ),
            );
        }
    }
    line("sequence gaps", format!("{} messages", figures.gaps));
    line("duplicates", format!("{} messages", figures.duplicates));
    line("heartbeats", figures.heartbeats.to_string());
    line("drops", format!("{} packets found no block", figures.drops));
    line(
        "truncated",
        format!("{} packets longer than a block", figures.truncated),
    );
    line("malformed", figures.malformed.to_string());
    line("blocks leaked", figures.leaked.to_string());
    line("memory", region(pool));
    line("pool", pool.stats().to_string());
    line(
        "check",
        format!(
            "{} never used, {} stacked, {} in magazines: every block in one place",
            census.never_used, census.stacked, census.in_magazines
        ),
    );
    out
}

fn kinds(outcome: &Outcome) -> String {
    let mut out = String::new();
    for (kind, n) in (0..=u8::MAX)
        .zip(outcome.consumed.kinds.0)
        .filter(|(_, n)| *n > 0)
    {
        let _ = write!(out, "{}:{n} ", char::from(kind));
    }
    out.trim_end().to_string()
}

fn json(pool: &Pool<'_>, figures: &Figures, outcome: &Outcome) -> String {
    let consumed = &outcome.consumed;
    let stats = pool.stats();
    let mut out = String::from("{");
    let mut field = |name: &str, value: String| {
        let comma = if out.len() > 1 { "," } else { "" };
        let _ = write!(out, "{comma}\"{name}\":{value}");
    };
    field("packets", figures.packets.to_string());
    field("messages", consumed.messages.to_string());
    field(
        "messages_per_s",
        format!("{:.1}", consumed.messages as f64 / figures.seconds),
    );
    field("bytes", consumed.bytes.to_string());
    field("seconds", format!("{:.3}", figures.seconds));
    field("gaps", figures.gaps.to_string());
    field("duplicates", figures.duplicates.to_string());
    field("heartbeats", figures.heartbeats.to_string());
    field("drops", figures.drops.to_string());
    field("truncated", figures.truncated.to_string());
    field("malformed", figures.malformed.to_string());
    field("leaked", figures.leaked.to_string());
    field("steady_page_faults", figures.faults.to_string());
    if let Source::Live {
        published,
        received,
    } = &outcome.source
    {
        field("published_packets", published.packets.to_string());
        field("published_messages", published.messages.to_string());
        field("steady_packets", received.steady_packets.to_string());
    }
    if let Source::Replay(replayed) = &outcome.source {
        field("unsupported_link", replayed.unsupported.to_string());
        field("other_udp", consumed.other.udp.to_string());
    }
    field("peak", stats.peak.to_string());
    field("exhaustions", stats.exhaustions.to_string());
    field("region", quoted(&region(pool)));
    out.push_str("}\n");
    out
}

fn region(pool: &Pool<'_>) -> String {
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
