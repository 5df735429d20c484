//! Maps the pool's memory and prefaults it with two threads. Shows a progress bar on a terminal.

use std::io::{IsTerminal, stderr};

use framepool::MappedRegion;
use framepool::packet::{PacketConfig, PacketPool};
use indicatif::{ProgressBar, ProgressStyle};

/// Threads that prefault: one for each core that works later.
const THREADS: usize = 2;

/// Bytes in front of a received packet: what AF_XDP keeps there.
pub const HEADROOM: usize = 256;

/// A pool for packets of up to `size` bytes in a mapping of its own, with all pages resident.
pub fn pool(size: usize, blocks: usize) -> Result<PacketPool<'static>, String> {
    // Nothing splits a packet here.
    let config = PacketConfig::new(HEADROOM + size, blocks)
        .headroom(HEADROOM)
        .side(0);
    let layout = config.layout().map_err(|e| e.to_string())?;
    let builder = MappedRegion::builder(layout.size()).prefault_threads(THREADS);
    let bar = bar();
    let region = builder.map_with(|at| {
        bar.set_length(at.total as u64);
        bar.set_position(at.done as u64);
    });
    bar.finish_and_clear();
    let region = region.map_err(|e| e.to_string())?;
    PacketPool::over_mapping(region, config).map_err(|(e, _)| e.to_string())
}

/// Hidden unless standard error is a terminal.
fn bar() -> ProgressBar {
    if !stderr().is_terminal() {
        return ProgressBar::hidden();
    }
    let style = ProgressStyle::with_template("prefault {bar:40} {bytes} of {total_bytes}");
    let bar = ProgressBar::new(0);
    match style {
        Ok(style) => bar.with_style(style),
        Err(_) => bar,
    }
}
