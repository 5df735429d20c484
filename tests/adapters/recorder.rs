//! A recorder that shows what was published.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering::Relaxed};
use std::sync::{Arc, Mutex};

use metrics::{
    Counter, CounterFn, Gauge, GaugeFn, Histogram, Key, KeyName, Metadata, Recorder, SharedString,
    Unit, with_local_recorder,
};

/// One metric with its labels.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Shown {
    Count(u64),
    Level(f64),
}

/// What was said about all metrics of one name.
#[derive(Debug, Clone, PartialEq)]
pub struct Described {
    pub is_counter: bool,
    pub unit: Option<Unit>,
    pub help: String,
}

#[derive(Debug, Clone)]
enum Cell {
    Count(Arc<AtomicU64>),
    Level(Arc<AtomicU64>),
}

#[derive(Debug, Default)]
pub struct Recorded {
    cells: Mutex<BTreeMap<String, Cell>>,
    described: Mutex<BTreeMap<String, Described>>,
    registrations: AtomicUsize,
}

impl Recorded {
    /// Runs `body` with this recorder.
    pub fn during<T>(&self, body: impl FnOnce() -> T) -> T {
        with_local_recorder(self, body)
    }

    /// Every metric, as `name{key="value",…}`.
    pub fn all(&self) -> BTreeMap<String, Shown> {
        let cells = self.cells.lock().unwrap();
        let shown = |cell: &Cell| match cell {
            Cell::Count(n) => Shown::Count(n.load(Relaxed)),
            Cell::Level(bits) => Shown::Level(f64::from_bits(bits.load(Relaxed))),
        };
        cells
            .iter()
            .map(|(name, cell)| (name.clone(), shown(cell)))
            .collect()
    }

    #[track_caller]
    pub fn count(&self, name: &str) -> u64 {
        match self.all().get(name) {
            Some(Shown::Count(n)) => *n,
            other => panic!("{name}: {other:?} in {:#?}", self.all()),
        }
    }

    #[track_caller]
    pub fn level(&self, name: &str) -> f64 {
        match self.all().get(name) {
            Some(Shown::Level(x)) => *x,
            other => panic!("{name}: {other:?} in {:#?}", self.all()),
        }
    }

    pub fn described(&self) -> BTreeMap<String, Described> {
        self.described.lock().unwrap().clone()
    }

    pub fn registrations(&self) -> usize {
        self.registrations.load(Relaxed)
    }

    fn cell(&self, key: &Key, new: fn(Arc<AtomicU64>) -> Cell) -> Arc<AtomicU64> {
        self.registrations.fetch_add(1, Relaxed);
        let labels: Vec<String> = key
            .labels()
            .map(|label| format!("{}={:?}", label.key(), label.value()))
            .collect();
        let name = format!("{}{{{}}}", key.name(), labels.join(","));
        let mut cells = self.cells.lock().unwrap();
        let cell = cells.entry(name).or_insert_with(|| new(Arc::default()));
        match cell {
            Cell::Count(n) | Cell::Level(n) => n.clone(),
        }
    }

    fn describe(&self, name: &KeyName, is_counter: bool, unit: Option<Unit>, help: &str) {
        let help = help.to_string();
        let new = Described {
            is_counter,
            unit,
            help,
        };
        let name = name.as_str().to_string();
        let old = self
            .described
            .lock()
            .unwrap()
            .insert(name.clone(), new.clone());
        assert!(old.is_none_or(|old| old == new), "{name} means two things");
    }
}

struct Count(Arc<AtomicU64>);

impl CounterFn for Count {
    fn increment(&self, value: u64) {
        self.0.fetch_add(value, Relaxed);
    }

    fn absolute(&self, value: u64) {
        self.0.fetch_max(value, Relaxed);
    }
}

struct Level(Arc<AtomicU64>);

impl GaugeFn for Level {
    fn increment(&self, _: f64) {
        unreachable!("gauges are set");
    }

    fn decrement(&self, _: f64) {
        unreachable!("gauges are set");
    }

    fn set(&self, value: f64) {
        self.0.store(value.to_bits(), Relaxed);
    }
}

impl Recorder for Recorded {
    fn describe_counter(&self, name: KeyName, unit: Option<Unit>, help: SharedString) {
        self.describe(&name, true, unit, &help);
    }

    fn describe_gauge(&self, name: KeyName, unit: Option<Unit>, help: SharedString) {
        self.describe(&name, false, unit, &help);
    }

    fn describe_histogram(&self, _: KeyName, _: Option<Unit>, _: SharedString) {
        unreachable!("there are none");
    }

    fn register_counter(&self, key: &Key, _: &Metadata<'_>) -> Counter {
        Counter::from_arc(Arc::new(Count(self.cell(key, Cell::Count))))
    }

    fn register_gauge(&self, key: &Key, _: &Metadata<'_>) -> Gauge {
        Gauge::from_arc(Arc::new(Level(self.cell(key, Cell::Level))))
    }

    fn register_histogram(&self, _: &Key, _: &Metadata<'_>) -> Histogram {
        unreachable!("there are none");
    }
}
