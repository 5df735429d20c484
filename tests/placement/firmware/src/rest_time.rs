//! The rest of `time`: operations on histograms and trackers that are used sometimes.

use framepool::time::{
    AtomicHistogram, Backwards, Calibration, Calibrator, Monotonic, Scale, Span, Summary, Tracker,
};

use crate::time::{BUCKETS, Latency, PRECISION, Timer};

type Shared = AtomicHistogram<PRECISION, BUCKETS>;
type Latencies = Tracker<2>;

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

    /// [`Tracker::channel`], and its figures.
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

    /// [`Calibrator`], from the first reading to the last.
    fn calibrate(ticks: fn() -> u64, ns: fn() -> u64) -> Option<Calibration> {
        Calibrator::start(ticks, ns).finish().ok()
    }
}
