//! The pages made of the stored results: `RESULTS.md`, a chart for each room, the tables of the README.

use std::fmt::Write as _;
use std::fs;
use std::path::PathBuf;

use crate::harness::FRAMEPOOL;
use crate::results::{Figure, Kept, ROOMS};

/// The benches of the README's small tables, by room.
const CHOSEN: &[(&str, &[(&str, &str)])] = &[
    (
        "pool",
        &[
            ("pool/lifo", "allocate one block, free it"),
            ("pool/batch32", "allocate 32 blocks, free them"),
            ("pool/burst32/ids", "a burst of 32"),
            ("pool/burst32/handles", "a `Vec` of 32 handles"),
            ("pool/random1024", "1024 blocks, freed in random order"),
            ("shared/lifo", "the same as `lifo`, without a cache"),
        ],
    ),
    (
        "cross",
        &[
            ("cross/burst1", "one core allocates, the other frees"),
            ("cross/burst32", "the same, 32 at once"),
            ("contended/1", "both cores allocate and free"),
            ("contended/32", "the same, 32 at once"),
        ],
    ),
    (
        "ring",
        &[
            ("ring/u64/burst1", "8 bytes, one by one"),
            ("ring/u64/burst32", "8 bytes, 32 at once"),
            ("ring/64B/burst1", "64 bytes, one by one"),
            ("ring/64B/burst32", "64 bytes, 32 at once"),
            ("ring/pingpong", "a request and its answer"),
        ],
    ),
    (
        "time",
        &[
            ("time/now_ns", "one reading, in ns"),
            ("time/record", "record one value"),
            ("time/span", "start, stop, record"),
        ],
    ),
    (
        "wire",
        &[
            ("wire/summarize/plain", "UDP and TCP over IPv4"),
            (
                "wire/summarize/mixed",
                "VLAN tags, IPv6, fragments, malformed frames",
            ),
            ("wire/filter/plain", "a filter of ten terms"),
            ("wire/checksum/64", "64 bytes"),
            ("wire/checksum/1500", "1500 bytes"),
            ("wire/fix/full", "every field of 331 bytes, verified"),
            ("wire/itch/full", "every field of a message"),
            ("wire/itch/visit", "one field of a message"),
        ],
    ),
    (
        "heap",
        &[
            ("heap/small", "16 to 1024 bytes, replaced at random"),
            ("heap/medium", "1 to 32 KiB, replaced at random"),
            ("heap/grow2", "two vectors that grow in turn to 1 MiB"),
            ("heap/latency/malloc/p99.9", "one allocation in a thousand"),
            ("heap/latency/free/p99.9", "one free in a thousand"),
            (
                "heap/larson2",
                "two threads free what the other one allocated",
            ),
            ("heap/xmalloc", "one thread allocates, the other frees"),
            (
                "heap/scratch",
                "two threads write small objects of one cache line",
            ),
        ],
    ),
    (
        "packet",
        &[
            ("packet/lifo", "allocate one packet, free it"),
            ("packet/burst32", "a burst of 32"),
            ("packet/burst32/raw", "32 blocks for a driver"),
            ("packet/random1024", "1024 packets, freed in random order"),
            (
                "packet/cross/burst32",
                "one core allocates, the other frees",
            ),
            ("packet/clone_drop", "another handle of a packet"),
            ("packet/prepend", "a header of 14 bytes, and its removal"),
            ("packet/chain4", "a chain of four packets"),
            ("packet/rx_path", "metadata, layers, a ring"),
        ],
    ),
];

/// Whether a figure is framepool's. [`is_floor`] marks those that are neither framepool's nor a peer's.
fn is_ours(contender: &str) -> bool {
    contender.starts_with(FRAMEPOOL)
}

fn is_floor(figure: &Figure) -> bool {
    let name = figure.contender.as_str();
    name.starts_with("floor")
        || ["line", "two lines", "nothing"].contains(&name)
        || (figure.bench.starts_with("wire/filter/") && name == "summarize")
}

/// The fastest of framepool's contenders, and the fastest peer.
fn both<'a>(figures: &[&'a Figure]) -> (Option<&'a Figure>, Option<&'a Figure>) {
    let ours = figures.iter().find(|f| is_ours(&f.contender));
    let peer = figures
        .iter()
        .find(|f| !is_ours(&f.contender) && !is_floor(f));
    (ours.copied(), peer.copied())
}

fn number(ns: f64) -> String {
    match ns {
        ns if ns < 10.0 => format!("{ns:.2}"),
        ns if ns < 100.0 => format!("{ns:.1}"),
        ns => format!("{ns:.0}"),
    }
}

fn label(figure: &Figure) -> String {
    match figure.wait.as_str() {
        "" => figure.contender.clone(),
        wait => format!("{} ({wait})", figure.contender),
    }
}

/// `0.66 (slab 1.16: 1.8)`; bold if a peer is faster.
fn cell(kept: &Kept, bench: &str, placement: &str) -> String {
    let figures = kept.of(bench, placement);
    let (Some(ours), peer) = both(&figures) else {
        return String::new();
    };
    let old = match kept.measured(ours) {
        Some(measured) if !measured.is_old() => "",
        _ => "†",
    };
    let Some(peer) = peer else {
        return number(ours.median) + old;
    };
    let ratio = peer.median / ours.median;
    let peer = format!("{} {}: {ratio:.2}", peer.contender, number(peer.median));
    let peer = if ratio < 0.97 {
        format!("**{peer}**")
    } else {
        peer
    };
    format!("{}{old} ({peer})", number(ours.median))
}

fn placements(kept: &Kept, room: &str) -> Vec<String> {
    let mut all = Vec::new();
    for figure in kept.figures.iter().filter(|f| f.room == room) {
        if !all.contains(&figure.placement) {
            all.push(figure.placement.clone());
        }
    }
    all
}

/// The benches of a room that were measured in a placement, in the order of the run.
fn benches<'a>(kept: &'a Kept, room: &str, placement: &str) -> Vec<&'a str> {
    let mut all: Vec<&str> = Vec::new();
    for figure in &kept.figures {
        let is_one = figure.room == room && figure.placement == placement;
        if is_one && !all.contains(&figure.bench.as_str()) {
            all.push(&figure.bench);
        }
    }
    all
}

/// The native builds whose figures of a room the README shows: of each maker, the processor measured last.
fn newest<'a>(all: &'a [Kept], room: &str) -> Vec<&'a Kept> {
    let date = |kept: &Kept| {
        let of_room = kept.measured.iter().filter(|m| m.room == room);
        of_room.map(|m| m.date.clone()).max()
    };
    let mut makers: Vec<&Kept> = Vec::new();
    for kept in all.iter().filter(|kept| kept.build == "native") {
        let (Some(new), maker) = (date(kept), &kept.processor.vendor) else {
            continue;
        };
        match makers.iter_mut().find(|k| k.processor.vendor == *maker) {
            Some(other) if date(other) < Some(new) => *other = kept,
            Some(_) => {}
            None => makers.push(kept),
        }
    }
    makers
}

/// The small tables of a room: what runs on one core, and what runs on two. A column for each of the [`newest`] processors
/// and each placement.
fn small_tables(all: &[Kept], room: &str, benches: &[(&str, &str)]) -> String {
    let columns: Vec<(&Kept, String)> = newest(all, room)
        .into_iter()
        .flat_map(|kept| placements(kept, room).into_iter().map(move |p| (kept, p)))
        // The room may have benches there that the table leaves out.
        .filter(|(kept, p)| {
            benches
                .iter()
                .any(|(bench, _)| !kept.of(bench, p).is_empty())
        })
        .collect();
    let (single, two): (Vec<_>, Vec<_>) = columns.into_iter().partition(|(_, p)| p == "single");
    let tables = [single, two].map(|columns| small_table(&columns, benches));
    let [Some(first), Some(second)] = &tables else {
        return tables.into_iter().flatten().collect();
    };
    format!("{first}\n{second}")
}

/// `None` without a column.
fn small_table(columns: &[(&Kept, String)], benches: &[(&str, &str)]) -> Option<String> {
    if columns.is_empty() {
        return None;
    }
    let mut text = String::from("| bench |");
    for (kept, placement) in columns {
        let place = if placement == "single" {
            String::new()
        } else {
            format!(", {placement}")
        };
        let _ = write!(text, " {}{place} |", kept.processor.name());
    }
    let _ = writeln!(text, "\n|{}", "---|".repeat(columns.len() + 1));
    for (bench, what) in benches {
        let cells: Vec<String> = columns
            .iter()
            .map(|(kept, p)| cell(kept, bench, p))
            .collect();
        if cells.iter().any(|cell| !cell.is_empty()) {
            let _ = writeln!(text, "| `{bench}`: {what} | {} |", cells.join(" | "));
        }
    }
    Some(text)
}

/// All results of a processor and build, one row for each bench and placement.
fn full_table(kept: &Kept, room: &str) -> String {
    let mut text = String::new();
    for placement in placements(kept, room) {
        let measured = kept
            .measured
            .iter()
            .find(|m| m.room == room && m.placement == placement);
        let Some(measured) = measured else { continue };
        let place = match placement.as_str() {
            "single" => String::new(),
            place => format!(", cores {place}"),
        };
        let old = if measured.is_old() {
            ", **older than the code**"
        } else {
            ""
        };
        let _ = writeln!(
            text,
            "\n#### {room}{place} (commit {}, {}{old})\n\n| bench | framepool | others, the fastest first |\n|---|---|---|",
            measured.commit, measured.date
        );
        for bench in benches(kept, room, &placement) {
            let figures = kept.of(bench, &placement);
            let one = |f: &&&Figure| format!("{} {}", label(f), number(f.median));
            let ours: Vec<String> = figures
                .iter()
                .filter(|f| is_ours(&f.contender))
                .map(|f| one(&f))
                .collect();
            let best = both(&figures).0.map_or(f64::NAN, |f| f.median);
            let others = figures.iter().filter(|f| !is_ours(&f.contender));
            let others = others.map(|f| format!("{} ({:.2})", one(&f), f.median / best));
            let others = others.collect::<Vec<_>>().join(", ");
            let _ = writeln!(text, "| `{bench}` | {} | {others} |", ours.join(", "));
        }
    }
    text
}

const INTRODUCTION: &str = "\
# Results

Written by `framepool-peers report`, which measures and keeps the results of other machines. `report --render`
only writes this page, its charts and the README's tables again. Figures are ns per operation: medians of several
runs with all contenders interleaved. `framepool-peers --help` and the sources describe the operations and the
contenders. A number in parentheses is the contender's time divided by that of framepool's fastest contender: above
1, framepool is faster. Waits (`once`, `double`, `long`) are those of `src/waits.rs`; the fastest wait of each
contender counts. In `heap/efficiency` the figures are the percent of the memory that was not served, in
`heap/instructions` the instructions of the longest call. Cores are near if a cache line goes there and back in less than 250 ns, else far. The build `native`
is `-C target-cpu=native`; `x86-64` runs on any processor of that kind.
";

fn page(all: &[Kept]) -> String {
    let mut text = INTRODUCTION.to_owned();
    for kept in all {
        let _ = writeln!(
            text,
            "\n## {}, build {}\n",
            kept.processor.name(),
            kept.build
        );
        for (name, value) in &kept.facts {
            let _ = writeln!(text, "- {name}: {value}");
        }
        for (room, ..) in ROOMS {
            if kept.figures.iter().any(|f| f.room == *room) {
                text.push_str(&full_table(kept, room));
                let _ = writeln!(text, "\n![{room}]({})", chart_path(kept, room));
            }
        }
    }
    text
}

fn chart_path(kept: &Kept, room: &str) -> String {
    format!(
        "results/{}.{}.{room}.svg",
        kept.processor.slug(),
        kept.build
    )
}

/// Times as multiples of framepool's: a bar for each contender, at most eight times long.
fn chart(kept: &Kept, room: &str) -> String {
    const ROW: usize = 16;
    const LEFT: f64 = 220.0;
    const WIDE: f64 = 480.0;
    const MOST: f64 = 8.0;
    let mut bars = String::new();
    let mut y = 34;
    let escaped = |text: &str| text.replace('&', "&amp;").replace('<', "&lt;");
    for placement in placements(kept, room) {
        for bench in benches(kept, room, &placement) {
            let figures = kept.of(bench, &placement);
            let Some(best) = both(&figures).0.map(|f| f.median) else {
                continue;
            };
            let place = if placement == "single" {
                String::new()
            } else {
                format!(", {placement}")
            };
            y += 10;
            let _ = writeln!(
                bars,
                "<text x=\"8\" y=\"{y}\" class=\"b\">{bench}{place}</text>"
            );
            y += 6;
            for figure in figures {
                let ratio = figure.median / best;
                let wide = ratio.min(MOST) / MOST * WIDE;
                let class = match (is_ours(&figure.contender), is_floor(figure)) {
                    (true, _) => "o",
                    (_, true) => "f",
                    _ => "p",
                };
                let more = if ratio > MOST { " ▸" } else { "" };
                let _ = writeln!(
                    bars,
                    "<text x=\"{:.0}\" y=\"{}\" class=\"r\">{}</text><rect x=\"{LEFT}\" y=\"{y}\" width=\"{wide:.1}\" \
                     height=\"12\" class=\"{class}\"/><text x=\"{:.1}\" y=\"{}\">{} ns, {ratio:.2}{more}</text>",
                    LEFT - 6.0,
                    y + 10,
                    escaped(&label(figure)),
                    LEFT + wide + 4.0,
                    y + 10,
                    number(figure.median),
                );
                y += ROW;
            }
            y += 8;
        }
    }
    let high = y + 8;
    let title = format!(
        "{room}: {}, build {}; time as a multiple of framepool's",
        kept.processor.name(),
        kept.build
    );
    format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"860\" height=\"{high}\" font-family=\"sans-serif\" \
         font-size=\"11\">\n<style>.b{{font-weight:bold}}.r{{text-anchor:end}}.o{{fill:#1f77b4}}.p{{fill:#bbb}}\
         .f{{fill:#e8e8e8}}</style>\n<rect width=\"860\" height=\"{high}\" fill=\"#fff\"/>\n\
         <text x=\"8\" y=\"20\" font-size=\"14\">{}</text>\n{bars}</svg>\n",
        escaped(&title)
    )
}

fn path(of: &str) -> PathBuf {
    [env!("CARGO_MANIFEST_DIR"), of].iter().collect()
}

fn write(of: &str, text: &str) -> Result<(), String> {
    let path = path(of);
    fs::write(&path, text).map_err(|error| format!("{}: {error}", path.display()))
}

/// Writes each room's table between its two marks in the README.
fn with_tables(readme: &str, all: &[Kept]) -> Result<String, String> {
    let mut text = readme.to_owned();
    for (room, benches) in CHOSEN {
        let (from, to) = (
            format!("<!-- figures: {room} -->\n"),
            "<!-- end of figures -->",
        );
        let begin = text
            .find(&from)
            .ok_or(format!("README.md has no `{}`", from.trim()))?
            + from.len();
        let end = text[begin..]
            .find(to)
            .ok_or(format!("README.md lacks `{to}` after `{room}`"))?
            + begin;
        text.replace_range(begin..end, &small_tables(all, room, benches));
    }
    Ok(text)
}

/// Writes all pages.
///
/// # Errors
/// If a file cannot be read or written, or the README has no marks.
pub fn all(all: &[Kept]) -> Result<(), String> {
    write("RESULTS.md", &page(all))?;
    for kept in all {
        for (room, ..) in ROOMS {
            if kept.figures.iter().any(|f| f.room == *room) {
                write(&chart_path(kept, room), &chart(kept, room))?;
            }
        }
    }
    let readme = fs::read_to_string(path("../../README.md")).map_err(|error| error.to_string())?;
    write("../../README.md", &with_tables(&readme, all)?)
}
