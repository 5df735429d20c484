//! A recorder for the crate `metrics` that shows its metrics in the text format of Prometheus, version 0.0.4:
//! <https://prometheus.io/docs/instrumenting/exposition_formats/>.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::sync::atomic::Ordering::Relaxed;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use metrics::atomics::AtomicU64;
use metrics::{
    Counter, Gauge, Histogram, Key, KeyName, Label, Metadata, Recorder, SharedString, Unit,
};

/// All metrics. A handle to one writes its atomic word; only registering and showing take the lock.
#[derive(Debug, Default)]
pub struct Registry(Mutex<BTreeMap<String, Family>>);

/// The metrics of one name.
#[derive(Debug, Default)]
struct Family {
    help: String,
    kind: Kind,
    /// By their labels, as the text format shows them.
    series: BTreeMap<String, Arc<AtomicU64>>,
}

#[derive(Debug, Clone, Copy, Default)]
enum Kind {
    #[default]
    Counter,
    /// The words are the bits of an `f64`.
    Gauge,
}

impl Registry {
    /// The body of an answer to a scrape.
    pub fn show(&self) -> String {
        let mut out = String::new();
        for (name, family) in &*self.families() {
            family.show(name, &mut out);
        }
        out
    }

    fn families(&self) -> MutexGuard<'_, BTreeMap<String, Family>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn describe(&self, name: &KeyName, kind: Kind, help: &str) {
        let mut families = self.families();
        let family = families.entry(name.as_str().to_string()).or_default();
        family.kind = kind;
        family.help = help.replace('\\', r"\\").replace('\n', r"\n");
    }

    fn register(&self, key: &Key, kind: Kind) -> Arc<AtomicU64> {
        let mut families = self.families();
        let family = families.entry(key.name().to_string()).or_default();
        family.kind = kind;
        family.series.entry(labels(key)).or_default().clone()
    }
}

impl Family {
    fn show(&self, name: &str, out: &mut String) {
        let kind = match self.kind {
            Kind::Counter => "counter",
            Kind::Gauge => "gauge",
        };
        let _ = writeln!(out, "# HELP {name} {}\n# TYPE {name} {kind}", self.help);
        for (labels, word) in &self.series {
            let word = word.load(Relaxed);
            let _ = match self.kind {
                Kind::Counter => writeln!(out, "{name}{labels} {word}"),
                Kind::Gauge => writeln!(out, "{name}{labels} {}", f64::from_bits(word)),
            };
        }
    }
}

/// `{key="value",…}`.
fn labels(key: &Key) -> String {
    let label = |label: &Label| {
        let value = label.value().replace('\\', r"\\").replace('"', r#"\""#);
        format!("{}=\"{}\"", label.key(), value.replace('\n', r"\n"))
    };
    let labels: Vec<String> = key.labels().map(label).collect();
    match labels.as_slice() {
        [] => String::new(),
        labels => format!("{{{}}}", labels.join(",")),
    }
}

impl Recorder for Registry {
    fn describe_counter(&self, name: KeyName, _: Option<Unit>, help: SharedString) {
        self.describe(&name, Kind::Counter, &help);
    }

    fn describe_gauge(&self, name: KeyName, _: Option<Unit>, help: SharedString) {
        self.describe(&name, Kind::Gauge, &help);
    }

    fn describe_histogram(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}

    fn register_counter(&self, key: &Key, _: &Metadata<'_>) -> Counter {
        Counter::from_arc(self.register(key, Kind::Counter))
    }

    fn register_gauge(&self, key: &Key, _: &Metadata<'_>) -> Gauge {
        Gauge::from_arc(self.register(key, Kind::Gauge))
    }

    /// This program has none.
    fn register_histogram(&self, _: &Key, _: &Metadata<'_>) -> Histogram {
        Histogram::noop()
    }
}
