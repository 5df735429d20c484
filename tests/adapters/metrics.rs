//! Statistics as metrics.

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;

use framepool::adapters::metrics::{Publish, Publisher, Sink, publish};
use framepool::{Cache, CacheStats, Pool, PoolConfig, Stats};
use metrics::Unit;

use crate::recorder::{Recorded, Shown};

/// The system's allocator, which counts the allocations of each thread.
struct Counting;

thread_local! {
    static ALLOCATIONS: Cell<usize> = const { Cell::new(0) };
}

// SAFETY: all is passed on to the system's allocator.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        ALLOCATIONS.set(ALLOCATIONS.get() + 1);
        // SAFETY: the caller's promise.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, at: *mut u8, layout: Layout) {
        // SAFETY: the caller's promise.
        unsafe { System.dealloc(at, layout) };
    }
}

#[global_allocator]
static COUNTING: Counting = Counting;

fn pool() -> Pool<'static> {
    Pool::allocate(PoolConfig::new(256, 16)).unwrap()
}

/// What was published of a value under a name.
pub(crate) fn published<T: Publish>(of: &T, name: &'static str) -> Recorded {
    let recorded = Recorded::default();
    recorded.during(|| publish(of, name));
    recorded
}

#[track_caller]
pub(crate) fn assert_shows_pool(recorded: &Recorded, name: &str, stats: Stats) {
    let levels = [
        ("blocks_capacity", stats.capacity),
        ("blocks_in_use", stats.in_use),
        ("blocks_free", stats.free),
        ("blocks_cached", stats.cached),
        ("blocks_reserved", stats.reserved),
        ("blocks_peak", stats.peak),
        ("tasks_waiting", stats.waiting),
    ];
    for (metric, n) in levels {
        let metric = format!("framepool_pool_{metric}{{pool={name:?}}}");
        assert_eq!(recorded.level(&metric), n as f64, "{metric}");
    }
    let counts = [
        ("allocations", stats.allocations),
        ("frees", stats.frees),
        ("exhaustions", stats.exhaustions),
        ("refusals", stats.refusals),
    ];
    for (metric, n) in counts {
        let metric = format!("framepool_pool_{metric}_total{{pool={name:?}}}");
        assert_eq!(recorded.count(&metric), n, "{metric}");
    }
}

#[track_caller]
pub(crate) fn assert_shows_cache(recorded: &Recorded, name: &str, stats: CacheStats) {
    for (metric, n) in [("capacity", stats.capacity), ("held", stats.len)] {
        let metric = format!("framepool_cache_blocks_{metric}{{cache={name:?}}}");
        assert_eq!(recorded.level(&metric), n as f64, "{metric}");
    }
    let counts = [
        ("allocations", stats.allocations),
        ("frees", stats.frees),
        ("refills", stats.refills),
        ("flushes", stats.flushes),
        ("exhaustions", stats.exhaustions),
        ("refusals", stats.refusals),
    ];
    for (metric, n) in counts {
        let metric = format!("framepool_cache_{metric}_total{{cache={name:?}}}");
        assert_eq!(recorded.count(&metric), n, "{metric}");
    }
}

/// A pool whose statistics all differ, as far as they can.
#[test]
fn a_pool_shows_each_of_its_statistics_under_its_name() {
    let pool = pool();
    let quota = pool.reserve(3).unwrap();
    let mut cache: Cache<'_, 8> = Cache::new(&pool);
    let all: Vec<_> = (0..9).map(|_| pool.alloc().unwrap()).collect();
    for block in all {
        cache.free(block).unwrap();
    }
    let held = pool.alloc().unwrap();
    assert!(pool.alloc_burst::<16>(16).is_err() && pool.alloc_burst::<15>(15).is_err());
    assert!(pool.alloc_burst::<2>(3).is_err());
    let stats = pool.stats();
    assert!(stats.cached > 0 && stats.reserved == 3 && stats.frees > 0);
    assert!(stats.exhaustions == 2 && stats.refusals == 1 && stats.peak > stats.in_use);
    let recorded = published(&pool, "rx");
    assert_shows_pool(&recorded, "rx", stats);
    let size = r#"framepool_pool_block_size_bytes{pool="rx"}"#;
    assert_eq!(recorded.level(size), 256.0);
    assert_shows_pool(&published(&stats, "copy"), "copy", stats);
    assert_shows_pool(&published(&quota, "quota"), "quota", quota.stats());
    drop(held);
}

#[test]
fn a_cache_shows_each_of_its_statistics_under_its_name() {
    let (pool, other) = (pool(), pool());
    let mut cache: Cache<'_, 8> = Cache::holding(&pool, 2);
    let blocks: Vec<_> = (0..7).map(|_| cache.alloc().unwrap()).collect();
    for block in blocks.into_iter().skip(1) {
        cache.free(block).unwrap();
    }
    let all: Vec<_> = std::iter::from_fn(|| pool.alloc().ok()).collect();
    while cache.alloc().map(|block| block.into_raw()).is_ok() {}
    assert!(cache.free(other.alloc().unwrap()).is_err());
    drop(all);
    let stats = cache.stats();
    assert!(stats.refills > 0 && stats.flushes > 0 && stats.exhaustions > 0);
    assert!(stats.refusals == 1 && stats.allocations != stats.frees);
    assert_shows_cache(&published(&cache, "worker"), "worker", stats);
    assert_shows_cache(&published(&stats, "copy"), "copy", stats);
}

#[test]
fn values_of_one_kind_are_told_apart_by_their_names() {
    let (rx, tx) = (pool(), pool());
    let recorded = Recorded::default();
    let held = rx.alloc().unwrap();
    recorded.during(|| {
        publish(&rx, "rx");
        publish(&tx, String::from("tx"));
    });
    assert_shows_pool(&recorded, "rx", rx.stats());
    assert_shows_pool(&recorded, "tx", tx.stats());
    drop(held);
}

#[test]
fn a_publisher_follows_its_value_without_registering_or_allocating_again() {
    let pool = pool();
    let recorded = Recorded::default();
    recorded.during(|| {
        let mut publisher = Publisher::new(String::from("rx"));
        publisher.publish(&pool);
        let (registrations, allocations) = (recorded.registrations(), ALLOCATIONS.get());
        assert!(registrations > 0);
        let mut held = None;
        for _ in 0..100 {
            held = pool.alloc().ok().or(held);
            publisher.publish(&pool);
        }
        assert_eq!(ALLOCATIONS.get(), allocations);
        assert_eq!(recorded.registrations(), registrations);
        assert_shows_pool(&recorded, "rx", pool.stats());
    });
}

#[test]
fn a_counter_never_decreases() {
    let mut pool = pool();
    let recorded = Recorded::default();
    let allocations = r#"framepool_pool_allocations_total{pool="rx"}"#;
    recorded.during(|| {
        let mut publisher = Publisher::new("rx");
        for _ in 0..5 {
            drop(pool.alloc().unwrap());
        }
        publisher.publish(&pool);
        assert_eq!(recorded.count(allocations), 5);
        pool.reset().unwrap();
        drop(pool.alloc().unwrap());
        publisher.publish(&pool);
        assert_eq!(recorded.count(allocations), 5);
        assert_eq!(
            recorded.level(r#"framepool_pool_blocks_in_use{pool="rx"}"#),
            0.0
        );
    });
}

#[test]
fn one_publisher_may_publish_values_of_several_kinds() {
    let pool = pool();
    let mut cache: Cache<'_, 8> = Cache::new(&pool);
    let recorded = Recorded::default();
    recorded.during(|| {
        let mut publisher = Publisher::new("x");
        for _ in 0..2 {
            drop(cache.alloc().unwrap());
            publisher.publish(&pool);
            publisher.publish(&cache);
        }
        // The last kind is known.
        let registrations = recorded.registrations();
        publisher.publish(&cache);
        assert_eq!(recorded.registrations(), registrations);
        publisher.publish(&pool);
    });
    assert_shows_pool(&recorded, "x", pool.stats());
    assert_shows_cache(&recorded, "x", cache.stats());
}

#[test]
fn without_a_recorder_nothing_happens() {
    let mut publisher = Publisher::new("rx");
    publisher.publish(&pool());
    publisher.publish(&pool());
    publish(&pool(), "rx");
}

/// A metric that changes from one time to the next, which it should not.
struct Fickle(Cell<u32>);

impl Publish for Fickle {
    const LABEL: &'static str = "fickle";

    fn publish_to(&self, sink: &mut Sink<'_>) {
        self.0.set(self.0.get() + 1);
        let third = [("third", "time")];
        match self.0.get() {
            1 => sink.counter("app_x", "", 7),
            2 => sink.gauge("app_x", Unit::Count, "", 0.5),
            3 => sink.with(&third).gauge("app_x", Unit::Count, "", 1.5),
            _ => sink.with(&third).gauge("app_y", Unit::Count, "", 2.5),
        }
    }
}

#[test]
fn a_metric_whose_kind_labels_or_name_change_is_registered_again() {
    let mut publisher = Publisher::new("x");
    let fickle = Fickle(Cell::new(0));
    let (first, then) = (Recorded::default(), Recorded::default());
    first.during(|| publisher.publish(&fickle));
    for _ in 0..3 {
        then.during(|| publisher.publish(&fickle));
    }
    assert_eq!(first.count(r#"app_x{fickle="x"}"#), 7);
    assert_eq!(then.level(r#"app_x{fickle="x"}"#), 0.5);
    assert_eq!(then.level(r#"app_x{fickle="x",third="time"}"#), 1.5);
    assert_eq!(then.level(r#"app_y{fickle="x",third="time"}"#), 2.5);
}

#[cfg(feature = "ring")]
mod rings {
    use framepool::ring::{self, flags};

    use super::*;

    /// Publishes both ends of a ring that was used: 5 values in, 3 out, 2 refused pushes, 1 refused pop.
    macro_rules! assert_shows_ring {
        ($producer:expr, $consumer:expr) => {{
            let (mut producer, mut consumer) = ($producer, $consumer);
            assert!(consumer.pop_one().is_none());
            for value in 0..4 {
                assert!(producer.push(value).is_ok());
            }
            assert!(producer.push(4).is_err() && producer.push(4).is_err());
            for value in 0..3 {
                assert_eq!(consumer.pop_one(), Some(value));
            }
            assert!(producer.push(4).is_ok());
            let recorded = Recorded::default();
            recorded.during(|| {
                publish(&producer, "rx");
                publish(&consumer, "rx");
            });
            let count =
                |name| recorded.count(&format!("framepool_ring_{name}_total{{ring=\"rx\"}}"));
            let level =
                |name| recorded.level(&format!("framepool_ring_values_{name}{{ring=\"rx\"}}"));
            assert_eq!(count("values_enqueued"), 5);
            assert_eq!(count("values_dequeued"), 3);
            assert_eq!(count("pushes_refused"), producer.stats().refused);
            assert_eq!(count("pops_starved"), consumer.stats().starved);
            assert_eq!((producer.stats().refused, consumer.stats().starved), (2, 1));
            assert_eq!((level("waiting"), level("capacity")), (2.0, 4.0));
            assert_eq!(level("high_water"), consumer.stats().high_water as f64);
        }};
    }

    /// What `pop` of every kind of ring gives.
    trait PopOne {
        fn pop_one(&mut self) -> Option<u64>;
    }

    impl PopOne for ring::Consumer<'_, u64> {
        fn pop_one(&mut self) -> Option<u64> {
            self.pop()
        }
    }

    impl PopOne for flags::Consumer<'_, u64> {
        fn pop_one(&mut self) -> Option<u64> {
            self.pop()
        }
    }

    #[test]
    fn both_ends_of_a_ring_show_their_statistics_under_its_name() {
        let (producer, consumer) = ring::allocate::<u64>(4).unwrap();
        assert_shows_ring!(producer, consumer);
        let (producer, consumer) = flags::allocate::<u64>(4).unwrap();
        assert_shows_ring!(producer, consumer);
    }

    #[cfg(all(feature = "mmap", target_os = "linux", target_has_atomic = "64"))]
    mod shared {
        use framepool::ring::{SharedConsumer, SharedRing};
        use std::sync::atomic::AtomicU64;

        use super::*;

        #[repr(align(4096))]
        struct Page([AtomicU64; 512]);

        impl PopOne for SharedConsumer<'_, u64> {
            fn pop_one(&mut self) -> Option<u64> {
                self.pop().unwrap()
            }
        }

        #[test]
        fn both_ends_of_a_shared_ring_too() {
            let page = Page([const { AtomicU64::new(0) }; 512]);
            let ring = SharedRing::<u64>::create(&page.0, 4).unwrap();
            assert_shows_ring!(ring.producer().unwrap(), ring.consumer().unwrap());
        }
    }
}

#[cfg(feature = "time")]
mod latencies {
    use framepool::time::{Channel, Tracker};

    use super::*;

    /// The value of `framepool_channel_{name}` with these labels, in seconds.
    #[track_caller]
    fn seconds(recorded: &Recorded, name: &str, labels: &str) -> f64 {
        recorded.level(&format!(
            "framepool_channel_latency{name}_seconds{{{labels}}}"
        ))
    }

    #[track_caller]
    fn total(recorded: &Recorded, name: &str, labels: &str) -> u64 {
        recorded.count(&format!("framepool_channel_{name}_total{{{labels}}}"))
    }

    fn used() -> Box<Channel> {
        let mut channel: Box<Channel> = Channel::boxed();
        channel.set_target(2_000);
        for ns in 1..=2_500 {
            let _ = channel.record(ns);
        }
        let _ = channel.record_packet(2, 1);
        channel
    }

    #[test]
    fn a_channel_shows_its_latencies_in_seconds() {
        let channel = used();
        let recorded = published(&*channel, "nasdaq");
        let labels = r#"channel="nasdaq""#;
        assert_eq!(total(&recorded, "latencies", labels), 2500);
        assert_eq!(total(&recorded, "violations", labels), 500);
        assert_eq!(total(&recorded, "backwards", labels), 1);
        assert_eq!(seconds(&recorded, "_min", labels), 1e-9);
        assert_eq!(seconds(&recorded, "_mean", labels), 1.2505e-6);
        assert_eq!(seconds(&recorded, "_max", labels), 2.5e-6);
        assert_eq!(seconds(&recorded, "_target", labels), 2e-6);
        for (quantile, percentile) in [
            ("0.5", 50.0),
            ("0.9", 90.0),
            ("0.99", 99.0),
            ("0.999", 99.9),
        ] {
            let labels = format!("{labels},quantile={quantile:?}");
            let ns = channel.percentile(percentile).unwrap() as f64;
            assert_eq!(seconds(&recorded, "", &labels), ns / 1e9);
        }
    }

    #[test]
    fn the_channels_of_a_tracker_have_their_names_or_numbers() {
        let mut tracker: Box<Tracker<12>> = Tracker::boxed();
        let _ = tracker.record(0, 500).unwrap();
        let _ = tracker.record(11, 700).unwrap();
        let recorded = published(&tracker.table(&["nasdaq", "nyse"]), "feed");
        let labels = |channel: &str| format!("tracker=\"feed\",channel={channel:?}");
        for (channel, count, ns) in [
            ("nasdaq", 1, 500.0),
            ("nyse", 0, 0.0),
            ("2", 0, 0.0),
            ("11", 1, 700.0),
        ] {
            let labels = labels(channel);
            assert_eq!(total(&recorded, "latencies", &labels), count);
            assert_eq!(seconds(&recorded, "_max", &labels), ns / 1e9);
            assert_eq!(seconds(&recorded, "_target", &labels), 0.0);
            let labels = format!("{labels},quantile=\"0.99\"");
            assert_eq!(seconds(&recorded, "", &labels), ns / 1e9);
        }
        assert_eq!(recorded.all().len(), 12 * 11);
    }

    #[test]
    fn a_tracker_is_published_again_without_an_allocation() {
        let mut tracker: Box<Tracker<3>> = Tracker::boxed();
        let recorded = Recorded::default();
        recorded.during(|| {
            let mut publisher = Publisher::new("feed");
            publisher.publish(&tracker.table(&["nasdaq"]));
            let before = (recorded.registrations(), ALLOCATIONS.get());
            let _ = tracker.record(2, 800).unwrap();
            publisher.publish(&tracker.table(&["nasdaq"]));
            assert_eq!((recorded.registrations(), ALLOCATIONS.get()), before);
        });
        let labels = r#"tracker="feed",channel="2""#;
        assert_eq!(total(&recorded, "latencies", labels), 1);
    }
}

/// Everything that this crate publishes.
fn everything() -> Recorded {
    let pool = pool();
    let cache: Cache<'_, 8> = Cache::new(&pool);
    let recorded = Recorded::default();
    recorded.during(|| {
        publish(&pool, "x");
        publish(&cache, "x");
        #[cfg(feature = "ring")]
        {
            let (producer, consumer) = framepool::ring::allocate::<u64>(4).unwrap();
            publish(&producer, "x");
            publish(&consumer, "x");
        }
        #[cfg(feature = "time")]
        publish(&framepool::time::Tracker::<1>::boxed().table(&[]), "x");
    });
    recorded
}

/// <https://prometheus.io/docs/practices/naming/>
#[test]
fn names_and_units_follow_the_conventions() {
    let recorded = everything();
    assert!(recorded.described().len() > 15);
    for (name, described) in recorded.described() {
        assert!(name.starts_with("framepool_"), "{name}");
        let plain = |c: char| c.is_ascii_lowercase() || c == '_';
        assert!(name.chars().all(plain), "{name}");
        assert_eq!(name.ends_with("_total"), described.is_counter, "{name}");
        let unit = match described.unit {
            Some(Unit::Seconds) => name.ends_with("_seconds"),
            Some(Unit::Bytes) => name.ends_with("_bytes"),
            Some(Unit::Count) => !name.contains("_seconds") && !name.contains("_bytes"),
            _ => false,
        };
        assert!(unit, "{name}: {:?}", described.unit);
        assert!(described.help.ends_with('.'), "{name}: {}", described.help);
    }
    let finite = |shown: &Shown| !matches!(shown, Shown::Level(x) if !x.is_finite());
    assert!(recorded.all().values().all(finite));
}
