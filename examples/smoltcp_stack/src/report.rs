//! The figures.

use std::fmt::Write as _;
use std::time::Duration;

use crate::options::Options;

/// The times of transfers of one kind.
pub struct Row {
    pub name: String,
    pub pool: Vec<Duration>,
    pub heap: Vec<Duration>,
}

impl Row {
    pub fn new(name: impl Into<String>) -> Self {
        Self {
            name: name.into(),
            pool: Vec::new(),
            heap: Vec::new(),
        }
    }
}

/// The rates of all rows, and how many times faster the pool is.
pub fn table(options: &Options, rows: &[Row]) -> String {
    let Options {
        mebibytes, runs, ..
    } = options;
    let (kind, pool, heap, ratio) = ("MiB/s", "pool", "heap", "ratio");
    let mut text = format!("{mebibytes} MiB, {runs} runs of each in turn, medians\n");
    let _ = writeln!(text, "{kind:<44}{pool:>8}{heap:>8}{ratio:>8}");
    for row in rows {
        let rate = |times: &[Duration]| *mebibytes as f64 / median(times).as_secs_f64();
        let (name, pool, heap) = (&row.name, rate(&row.pool), rate(&row.heap));
        let ratio = pool / heap;
        let _ = writeln!(text, "{name:<44}{pool:>8.0}{heap:>8.0}{ratio:>8.2}");
    }
    text.push_str("blocks in use at the end: 0\n");
    text
}

fn median(times: &[Duration]) -> Duration {
    let mut times = times.to_vec();
    times.sort_unstable();
    times.get(times.len() / 2).copied().unwrap_or_default()
}
