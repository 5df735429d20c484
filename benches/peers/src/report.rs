//! Prints results as tables, or as one JSON object per line.

use crate::harness::{Placement, Row, bar, median, meets, most};
use crate::heap;
use crate::latency::{self, Latency};
use crate::options::{Command, Options};

/// Prints results. Returns whether every bar was met, with `--check`.
pub fn rows(rows: &[Row], options: &Options) -> bool {
    if options.json {
        rows.iter().for_each(|row| println!("{}", json(row)));
    } else {
        table(rows);
    }
    !options.check || check(rows, options)
}

fn json(row: &Row) -> String {
    let ratio = row.ratio.map_or("null".to_owned(), |r| format!("{r:.3}"));
    format!(
        "{{\"bench\":\"{}\",\"contender\":\"{}\",\"wait\":\"{}\",\"median_ns\":{:.4},\"min_ns\":{:.4},\
         \"ratio\":{ratio},\"placement\":{}}}",
        row.bench,
        row.contender,
        row.wait,
        row.median,
        row.min,
        placement(row.placement),
    )
}

fn placement(placement: Placement) -> String {
    match placement {
        Placement::Single => "null".to_owned(),
        other => format!("\"{}\"", other.name()),
    }
}

fn table(rows: &[Row]) {
    let mut last = None;
    for row in rows {
        let bench = (&row.bench, row.placement);
        if last.replace(bench) != Some(bench) {
            let cores = match row.placement {
                Placement::Single => String::new(),
                other => format!(", cores {}", other.name()),
            };
            let title = format!("{}{cores}", row.bench);
            let [median, least] = match heap::unit(&row.bench) {
                None => ["median ns", "min ns"],
                Some("most") => ["most", "mean"],
                Some(unit) => [unit, "least"],
            };
            println!(
                "\n{title:<38} {median:>9} {least:>9} {:>7} {:>6}",
                "ratio", "bar"
            );
        }
        let ratio = row.ratio.map_or(String::new(), |r| format!("{r:.2}"));
        println!(
            "  {:<36} {:>9.2} {:>9.2} {ratio:>7} {}",
            row.label(),
            row.median,
            row.min,
            verdict(row)
        );
    }
}

fn verdict(row: &Row) -> String {
    if let Some(most) = most(&row.bench, &row.contender) {
        let met = if row.median <= most { "met" } else { "MISSED" };
        return format!("at most {most} {met}");
    }
    let Some(bar) = bar(&row.bench, &row.contender, row.placement) else {
        return String::new();
    };
    let met = row.ratio.is_some_and(|ratio| meets(ratio, bar));
    format!("{bar:>6.2} {}", if met { "met" } else { "MISSED" })
}

/// Reports on standard error the bars that were missed or could not be checked.
fn check(rows: &[Row], options: &Options) -> bool {
    let mut met = true;
    let mut complain = |what: String| {
        eprintln!("framepool-peers: {what}");
        met = false;
    };
    for row in rows {
        let place = row.placement.name();
        let (bench, contender) = (&row.bench, &row.contender);
        if let Some(most) = most(bench, contender).filter(|most| row.median > *most) {
            complain(format!(
                "{bench}: {:.2} for {contender}, at most {most} is allowed",
                row.median
            ));
        }
        match (bar(bench, contender, row.placement), row.ratio) {
            (Some(bar), Some(ratio)) if !meets(ratio, bar) => {
                complain(format!(
                    "{bench} ({place}): ratio to {contender} is {ratio:.2}, below the bar {bar:.2}"
                ));
            }
            (Some(bar), None) => {
                complain(format!(
                    "{bench} ({place}): no ratio to {contender} was measured, bar {bar:.2}"
                ));
            }
            _ => {}
        }
    }
    let has_dpdk = matches!(
        options.command,
        Command::Pool | Command::Cross | Command::Ring | Command::Packet
    );
    if cfg!(not(feature = "dpdk")) && has_dpdk {
        complain(
            "built without the feature `dpdk`: the bars against DPDK were not checked".to_owned(),
        );
    }
    let judged = |p| rows.iter().any(|row| row.placement == p);
    for place in [Placement::Near, Placement::Far] {
        let on_two = matches!(
            options.command,
            Command::Cross | Command::Ring | Command::Packet
        );
        if on_two && !judged(place) {
            eprintln!("framepool-peers: the cores were never {}", place.name());
        }
    }
    met
}

/// Prints the ticks of single operations, and their length in ns.
pub fn latencies(rows: &[Latency], options: &Options) {
    if rows.is_empty() {
        return;
    }
    let tick = latency::ns_per_tick();
    let empty = rows.iter().find(|row| row.operation == "empty");
    let empty = empty.map_or(0.0, |row| row.p50);
    if options.json {
        for row in rows {
            println!(
                "{{\"bench\":\"latency/{}\",\"contender\":\"{}\",\"median_ns\":{:.2},\"min_ns\":null,\
                 \"ratio\":null,\"placement\":null,\"p50_ticks\":{},\"p999_ticks\":{},\
                 \"max_ticks\":{},\"empty_ticks\":{empty}}}",
                row.operation,
                row.contender,
                row.p50 * tick,
                row.p50,
                row.p999,
                row.max
            );
        }
        return;
    }
    println!(
        "\n{:<38} {:>9} {:>9} {:>9} {:>9}",
        "latency, ticks of the TSC", "p50", "p99.9", "max", "count"
    );
    for row in rows {
        let name = format!("{:<8} {}", row.operation, row.contender);
        println!(
            "  {name:<36} {:>9} {:>9} {:>9} {:>9}",
            row.p50, row.p999, row.max, row.count
        );
    }
    println!(
        "  each figure includes {empty} ticks for the measurement itself; a tick is {tick:.3} ns"
    );
}

/// Prints the measured distance of the cores.
pub fn round_trips(trips: Vec<f64>, dropped: usize, options: &Options) {
    if trips.is_empty() || options.json {
        return;
    }
    let (count, least) = (trips.len(), trips.iter().copied().fold(f64::MAX, f64::min));
    let most = trips.iter().copied().fold(0.0, f64::max);
    println!(
        "\nround trip of a cache line: median {:.0} ns, {least:.0} to {most:.0}; {dropped} of {count} samples \
         dropped because it changed",
        median(trips)
    );
}
