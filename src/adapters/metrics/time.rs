//! Latencies, in seconds.

use core::num::NonZeroU64;
use core::str;
use std::io::Write;

use ::metrics::Unit;

use super::{Publish, Sink};
use crate::time::{Channel, ChannelStats, Count, Table};

/// The published quantiles: as the value of the label, and as a percentile.
const QUANTILES: [(&str, f64); 4] = [
    ("0.5", 50.0),
    ("0.9", 90.0),
    ("0.99", 99.0),
    ("0.999", 99.9),
];

/// `framepool_channel_latencies_total`, `framepool_channel_violations_total`, `framepool_channel_backwards_total`;
/// `framepool_channel_latency_min_seconds`, `framepool_channel_latency_mean_seconds`,
/// `framepool_channel_latency_max_seconds`, `framepool_channel_latency_target_seconds` (0: no target);
/// `framepool_channel_latency_seconds` with the label `quantile`: 0.5, 0.9, 0.99, 0.999.
///
/// As in [`stats`](Channel::stats), the latencies of an empty channel are 0. O(`N`), some 6 µs with the default
/// buckets, if the channel is not empty.
impl<const RECENT: usize, const P: u32, const N: usize, C: Count> Publish
    for Channel<RECENT, P, N, C>
{
    const LABEL: &'static str = "channel";

    fn publish_to(&self, sink: &mut Sink<'_>) {
        let stats = self.stats();
        numbers(&stats, sink);
        for (quantile, ns) in quantiles(self, &stats) {
            latency(ns, &mut sink.with(&[("quantile", quantile)]));
        }
    }
}

/// Each [`Channel`] of the tracker, with its name in the table, or its number, as the label `channel`.
impl<const CHANNELS: usize, const RECENT: usize, const P: u32, const N: usize, C: Count> Publish
    for Table<'_, CHANNELS, RECENT, P, N, C>
{
    const LABEL: &'static str = "tracker";

    fn publish_to(&self, sink: &mut Sink<'_>) {
        for (number, name, channel) in self.rows() {
            let mut digits = [0; 20];
            let name = ("channel", name.unwrap_or_else(|| text(number, &mut digits)));
            let stats = channel.stats();
            numbers(&stats, &mut sink.with(&[name]));
            for (quantile, ns) in quantiles(channel, &stats) {
                latency(ns, &mut sink.with(&[name, ("quantile", quantile)]));
            }
        }
    }
}

/// The decimal digits of a number.
fn text(number: usize, digits: &mut [u8; 20]) -> &str {
    let mut rest = digits.as_mut_slice();
    // 20 digits are enough for 64 bits.
    let _ = write!(rest, "{number}");
    let unused = rest.len();
    let used = digits.len() - unused;
    let used = digits.get(..used).unwrap_or_default();
    str::from_utf8(used).unwrap_or_default()
}

fn numbers(stats: &ChannelStats, sink: &mut Sink<'_>) {
    let target = stats.target.map_or(0, NonZeroU64::get);
    sink.counters([
        (
            "framepool_channel_latencies_total",
            "Latencies recorded.",
            stats.count,
        ),
        (
            "framepool_channel_violations_total",
            "Latencies above the target.",
            stats.violations,
        ),
        (
            "framepool_channel_backwards_total",
            "Times that the end was before the start.",
            stats.backwards,
        ),
    ]);
    for (metric, help, ns) in [
        (
            "framepool_channel_latency_min_seconds",
            "The least latency.",
            stats.min as f64,
        ),
        (
            "framepool_channel_latency_mean_seconds",
            "The mean latency.",
            stats.mean,
        ),
        (
            "framepool_channel_latency_max_seconds",
            "The greatest latency.",
            stats.max as f64,
        ),
        (
            "framepool_channel_latency_target_seconds",
            "The latency that should not be exceeded; 0: no target.",
            target as f64,
        ),
    ] {
        sink.gauge(metric, Unit::Seconds, help, ns / 1e9);
    }
}

/// The values of the label, and the latencies.
fn quantiles<const RECENT: usize, const P: u32, const N: usize, C: Count>(
    channel: &Channel<RECENT, P, N, C>,
    stats: &ChannelStats,
) -> [(&'static str, u64); QUANTILES.len()] {
    // An empty channel has no percentile, which it finds out by a look at all buckets.
    let latencies = match stats.count {
        0 => Default::default(),
        _ => channel
            .percentiles(QUANTILES.map(|(_, percentile)| percentile))
            .unwrap_or_default(),
    };
    let mut latencies = latencies.into_iter();
    QUANTILES.map(|(quantile, _)| (quantile, latencies.next().unwrap_or_default()))
}

fn latency(ns: u64, sink: &mut Sink<'_>) {
    sink.gauge(
        "framepool_channel_latency_seconds",
        Unit::Seconds,
        "Quantiles of the latency.",
        ns as f64 / 1e9,
    );
}
