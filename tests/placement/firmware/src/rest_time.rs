//! The rest of `time`: operations outside of hot paths.

use framepool::time::{
    AtomicHistogram, Backwards, Calibration, Calibrator, Histogram, Monotonic, Scale, Span,
    Summary, Tracker, buckets,
};

use crate::time::{BUCKETS, Latency, PRECISION, Timer};

type Shared = AtomicHistogram<PRECISION, BUCKETS>;
type Latencies = Tracker<2>;
type Coarse = Histogram<4, { buckets(4, 30) }, u32>;

crate::probes! {
    /// [`Histogram::percentile`](framepool::time::Histogram::percentile).
    fn histogram_percentile(histogram: &Latency, percentile: f64) -> Option<u64> {
        histogram.percentile(percentile).ok()
    }

    /// [`Histogram::record_n`](framepool::time::Histogram::record_n).
    fn histogram_record_n(histogram: &mut Latency, value: u64, n: u64) {
        histogram.record_n(value, n);
    }

    /// [`Histogram::record_corrected`](framepool::time::Histogram::record_corrected).
    fn histogram_record_corrected(histogram: &mut Latency, value: u64, interval: u64) {
        histogram.record_corrected(value, interval);
    }

    /// [`Histogram::summary`](framepool::time::Histogram::summary).
    fn histogram_summary(histogram: &Latency, out: &mut Summary) {
        *out = histogram.summary();
    }

    /// [`Histogram::merge`](framepool::time::Histogram::merge).
    fn histogram_merge(histogram: &mut Latency, other: &Latency) {
        histogram.merge(other);
    }

    /// [`Histogram::subtract`](framepool::time::Histogram::subtract).
    fn histogram_subtract(histogram: &mut Latency, earlier: &Latency) {
        histogram.subtract(earlier);
    }

    /// [`Histogram::count_up_to`](framepool::time::Histogram::count_up_to).
    fn histogram_count_up_to(histogram: &Latency, value: u64) -> u64 {
        histogram.count_up_to(value)
    }

    /// [`Histogram::count_at`](framepool::time::Histogram::count_at) and
    /// [`Histogram::count_between`](framepool::time::Histogram::count_between).
    fn histogram_counts(histogram: &Latency, low: u64, high: u64) -> u64 {
        histogram.count_at(low) ^ histogram.count_between(low, high)
    }

    /// [`Histogram::percentiles`](framepool::time::Histogram::percentiles).
    fn histogram_percentiles(histogram: &Latency, percentiles: &[f64; 3]) -> Option<u64> {
        histogram.percentiles(*percentiles).ok()?.into_iter().max()
    }

    /// [`Histogram::percentile_steps`](framepool::time::Histogram::percentile_steps).
    fn histogram_steps(histogram: &Latency, steps: u32) -> Option<u64> {
        histogram.percentile_steps(steps).map(|step| step.value).max()
    }

    /// [`Histogram::record_n_corrected`](framepool::time::Histogram::record_n_corrected).
    fn histogram_record_n_corrected(histogram: &mut Latency, value: u64, n: u64, interval: u64) {
        histogram.record_n_corrected(value, n, interval);
    }

    /// [`Histogram::merge`](framepool::time::Histogram::merge) of another precision.
    fn histogram_merge_coarse(histogram: &mut Latency, other: &Coarse) {
        histogram.merge(other);
    }

    /// [`AtomicHistogram::merge_into`].
    fn shared_merge_into(shared: &Shared, into: &mut Coarse) {
        shared.merge_into(into);
    }

    /// [`AtomicHistogram::read`].
    fn shared_read(shared: &Shared, into: &mut Latency) {
        shared.read(into);
    }

    /// [`AtomicHistogram::recorder`], and its drop.
    fn shared_recorder(shared: &Shared) -> bool {
        shared.recorder().is_some()
    }

    /// [`Tracker::record_ticks`].
    fn tracker_record_ticks(tracker: &mut Latencies, at: usize, clock: &Timer, sent: u64, received: u64) -> bool {
        tracker.record_ticks(at, clock, sent, received).is_ok_and(|outcome| outcome.is_violation())
    }

    /// [`Tracker::merge`].
    fn tracker_merge(tracker: &mut Latencies, other: &Latencies) {
        tracker.merge(other);
    }

    /// [`Tracker::channel`], and its statistics.
    fn tracker_channel(tracker: &Latencies, at: usize, percentile: f64) -> Option<u64> {
        let channel = tracker.channel(at).ok()?;
        channel.recent().next().max(channel.percentile(percentile).ok())
    }

    /// [`Span::checked_stop`].
    fn span_checked_stop(span: &Span<'static, Timer>) -> Option<Backwards> {
        span.checked_stop().err()
    }

    /// [`Span::stop_ns`].
    fn span_stop_ns(span: &Span<'static, Monotonic<Timer>>) -> u64 {
        span.stop_ns()
    }

    /// [`Scale::ticks`].
    fn scale_ticks(scale: &Scale, ns: u64) -> u64 {
        scale.ticks(ns)
    }

    /// [`Calibrator`], with both moments.
    fn calibrate(ticks: fn() -> u64, ns: fn() -> u64) -> Option<Calibration> {
        Calibrator::start(ticks, ns).finish().ok()
    }
}
