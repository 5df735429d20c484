//! Statistics as counters and gauges of the crate [`metrics`](https://docs.rs/metrics), for Prometheus and other
//! systems.
//!
//! Nothing is published on its own, and the operations of pools and rings cost the same. You call [`publish`], or
//! [`Publisher::publish`], as often as you like: at each scrape, or once per second in the worker that owns a cache.
//!
//! | published | label | names |
//! |---|---|---|
//! | [`Pool`](crate::Pool), [`Reservation`](crate::Reservation), [`Stats`](crate::Stats) | `pool` | `framepool_pool_…` |
//! | [`Cache`](crate::Cache), [`CacheStats`](crate::CacheStats) | `cache` | `framepool_cache_…` |
//! | a `PacketPool`, a `PacketReservation`, their statistics (feature `packet`) | `pool` | `framepool_pool_…`, `framepool_packet_…` |
//! | a `PacketCache` (feature `packet`) | `cache` | `framepool_cache_…` |
//! | the ends of rings, their statistics (feature `ring`) | `ring` | `framepool_ring_…` |
//! | a [`Channel`](crate::time::Channel) of latencies (feature `time`) | `channel` | `framepool_channel_…` |
//! | a [`Tracker`](crate::time::Tracker)'s [`table`](crate::time::Tracker::table) | `tracker`, `channel` | `framepool_channel_…` |
//! | your own type | yours | yours: implement [`Publish`] |
//!
//! Names and units follow the [conventions of Prometheus](https://prometheus.io/docs/practices/naming/): counters end
//! in `_total`, times are in seconds. The description of each metric is that of the field that it shows. Rates and
//! shares are left to the reader: `rate(framepool_pool_allocations_total[1m])`,
//! `framepool_pool_blocks_in_use / framepool_pool_blocks_capacity`.
//!
//! **Counters** are set to the absolute number, and a recorder never lets one decrease. So after
//! [`Pool::reset`](crate::Pool::reset), or after a count of a 32-bit target wraps, a counter stays where it is until
//! the new count exceeds it.

// | file | what |
// |---|---|
// | this one | publishers |
// | `pool`, `packet`, `ring`, `time` | the metrics of each room |

#[cfg(feature = "packet")]
mod packet;
mod pool;
#[cfg(feature = "ring")]
mod ring;
#[cfg(feature = "time")]
mod time;

use core::iter;
use std::string::String;
use std::vec::Vec;

use ::metrics::{
    Counter, Gauge, Key, Label, Level, Metadata, Recorder, SharedString, Unit, with_recorder,
};

/// Publishes the statistics of a value once, under a name.
///
/// For occasional use: each call builds the keys (it allocates) and looks them up in the recorder. A [`Publisher`]
/// does that once.
///
/// ```
/// use framepool::adapters::metrics::publish;
///
/// framepool::pool!(static RX: [2048; 64]);
///
/// let frame = RX.alloc()?;
/// // With a recorder installed: framepool_pool_blocks_in_use{pool="rx"} 1, and so on.
/// publish(&RX, "rx");
/// # drop(frame);
/// # Ok::<(), framepool::Exhausted>(())
/// ```
pub fn publish<T: Publish + ?Sized>(of: &T, name: impl Into<SharedString>) {
    Publisher::new(name).publish(of);
}

/// A type whose statistics can be published.
///
/// ```
/// use framepool::adapters::metrics::{Publish, Sink, publish};
/// use metrics::Unit;
///
/// struct Receiver {
///     packets: u64,
///     backlog: u32,
/// }
///
/// impl Publish for Receiver {
///     const LABEL: &'static str = "receiver";
///
///     fn publish_to(&self, sink: &mut Sink<'_>) {
///         sink.counter("app_packets_total", "Packets received.", self.packets);
///         sink.gauge("app_backlog_packets", Unit::Count, "Packets not read yet.", self.backlog.into());
///     }
/// }
///
/// publish(&Receiver { packets: 7, backlog: 2 }, "nasdaq");
/// ```
pub trait Publish {
    /// The label whose value is the name that a value is published under, for example `pool`.
    const LABEL: &'static str;

    /// Passes the statistics to the sink. Always the same metrics in the same order, so that a [`Publisher`] registers
    /// them once.
    fn publish_to(&self, sink: &mut Sink<'_>);
}

/// Publishes the statistics of one value again and again.
///
/// The first [`publish`](Self::publish) registers the metrics with the recorder of that moment, and allocates. Later
/// ones of the same value set them and allocate nothing. Install the recorder first: what was registered without a
/// recorder stays without effect.
///
/// A worker that owns a [`Cache`](crate::Cache) or the end of a ring publishes it itself, at its own pace. Or it sends a
/// copy of the statistics, a plain value, to the thread that publishes.
///
/// ```
/// use framepool::adapters::metrics::Publisher;
///
/// framepool::pool!(static RX: [2048; 64]);
///
/// let mut cache = RX.cache();
/// let mut metrics = Publisher::new("rx worker");
/// for _ in 0..3 {
///     let frame = cache.alloc()?;
///     assert!(cache.free(frame).is_ok());
///     metrics.publish(&cache); // at intervals, in a real worker
/// }
/// # Ok::<(), framepool::Exhausted>(())
/// ```
#[derive(Debug)]
pub struct Publisher {
    name: SharedString,
    /// In the order in which the sink is told about them.
    series: Vec<Series>,
    /// The index in `series` of the next metric.
    next: usize,
}

impl Publisher {
    /// A publisher under a name: the value of the label [`Publish::LABEL`]. Registers nothing yet.
    pub fn new(name: impl Into<SharedString>) -> Self {
        Self {
            name: name.into(),
            series: Vec::new(),
            next: 0,
        }
    }

    /// Reads the statistics and sets the metrics to them: one call of the recorder's handle for each. O(number of
    /// metrics): some 250 ns for a pool with atomic handles. A channel of latencies that is not empty adds O(its
    /// buckets) for the quantiles: some 6 µs with the default ones.
    ///
    /// Publishing another type through the same publisher is possible; it registers that type's metrics.
    pub fn publish<T: Publish + ?Sized>(&mut self, of: &T) {
        self.next = 0;
        of.publish_to(&mut Sink {
            publisher: self,
            kind: T::LABEL,
            labels: &[],
        });
    }
}

/// Where [`Publish::publish_to`] puts the statistics.
#[derive(Debug)]
pub struct Sink<'p> {
    publisher: &'p mut Publisher,
    kind: &'static str,
    /// In addition to `kind`.
    labels: &'p [(&'static str, &'p str)],
}

impl Sink<'_> {
    /// A sink for metrics that have further labels, names with values. They replace those of this sink.
    pub fn with<'s>(&'s mut self, labels: &'s [(&'static str, &'s str)]) -> Sink<'s> {
        Sink {
            publisher: self.publisher,
            kind: self.kind,
            labels,
        }
    }

    /// Sets a counter: a number of events so far, which never decreases.
    pub fn counter(&mut self, metric: &'static str, help: &'static str, count: u64) {
        self.put(metric, Unit::Count, help, Value::Count(count));
    }

    /// Sets a gauge: a value that goes up and down.
    pub fn gauge(&mut self, metric: &'static str, unit: Unit, help: &'static str, level: f64) {
        self.put(metric, unit, help, Value::Level(level));
    }

    /// Gauges of whole numbers.
    fn numbers<const N: usize>(&mut self, rows: [(&'static str, &'static str, u64); N]) {
        for (metric, help, n) in rows {
            // Exact up to 2^53.
            self.gauge(metric, Unit::Count, help, n as f64);
        }
    }

    fn counters<const N: usize>(&mut self, rows: [(&'static str, &'static str, u64); N]) {
        for (metric, help, n) in rows {
            self.counter(metric, help, n);
        }
    }

    fn put(&mut self, metric: &'static str, unit: Unit, help: &'static str, value: Value) {
        let place = self.publisher.next;
        self.publisher.next += 1;
        let known = self.publisher.series.get(place);
        if known.is_some_and(|series| self.is(series, metric) && series.handle.set(value)) {
            return;
        }
        let labels: Vec<Label> = self
            .labels()
            .map(|(key, value)| Label::new(String::from(key), String::from(value)))
            .collect();
        let key = Key::from_parts(metric, labels);
        let handle = with_recorder(|recorder| Handle::register(recorder, &key, unit, help, value));
        handle.set(value);
        let series = Series {
            metric,
            key,
            handle,
        };
        // After a change of order, everything from here on is registered again.
        self.publisher.series.truncate(place);
        self.publisher.series.push(series);
    }

    /// The labels of this sink's metrics.
    fn labels(&self) -> impl Iterator<Item = (&str, &str)> {
        iter::once((self.kind, &*self.publisher.name)).chain(self.labels.iter().copied())
    }

    fn is(&self, series: &Series, metric: &str) -> bool {
        let labels = series.key.labels();
        series.metric == metric
            && labels
                .map(|label| (label.key(), label.value()))
                .eq(self.labels())
    }
}

/// A metric with its labels, as registered.
#[derive(Debug)]
struct Series {
    metric: &'static str,
    key: Key,
    handle: Handle,
}

#[derive(Debug, Clone, Copy)]
enum Value {
    Count(u64),
    Level(f64),
}

#[derive(Debug)]
enum Handle {
    Counter(Counter),
    Gauge(Gauge),
}

impl Handle {
    /// Describes and registers a metric of the kind that the value has.
    fn register(
        recorder: &dyn Recorder,
        key: &Key,
        unit: Unit,
        help: &'static str,
        value: Value,
    ) -> Self {
        static METADATA: Metadata<'static> =
            Metadata::new(module_path!(), Level::INFO, Some(module_path!()));
        let (name, unit, help) = (key.name_shared(), Some(unit), help.into());
        match value {
            Value::Count(_) => {
                recorder.describe_counter(name, unit, help);
                Self::Counter(recorder.register_counter(key, &METADATA))
            }
            Value::Level(_) => {
                recorder.describe_gauge(name, unit, help);
                Self::Gauge(recorder.register_gauge(key, &METADATA))
            }
        }
    }

    /// Sets the metric. Returns `false` if it is of the other kind.
    fn set(&self, value: Value) -> bool {
        match (self, value) {
            (Self::Counter(counter), Value::Count(count)) => counter.absolute(count),
            (Self::Gauge(gauge), Value::Level(level)) => gauge.set(level),
            _ => return false,
        }
        true
    }
}
