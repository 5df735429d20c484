//! One recorder of a histogram and its readers; the readers of a widened clock.

use framepool::time::{AtomicHistogram, Clock, Histogram, Scale, Widened, buckets};
use loom::sync::Arc;
use loom::sync::atomic::{AtomicU64, Ordering};
use loom::thread;

/// Explores `f` with at most that many preemptions. A single interleaving is an error: loom ends early if it
/// sees no atomics in a model.
fn model(preemptions: usize, f: impl Fn() + Sync + Send + 'static) {
    use std::sync::atomic::AtomicUsize;
    let mut builder = loom::model::Builder::new();
    builder.preemption_bound = Some(preemptions);
    let explored = std::sync::Arc::new(AtomicUsize::new(0));
    let count = explored.clone();
    builder.check(move || {
        count.fetch_add(1, Ordering::SeqCst);
        f();
    });
    let explored = explored.load(Ordering::SeqCst);
    eprintln!("{explored} interleavings");
    assert!(explored > 1);
}

/// Four buckets: 0, 1, 2 and 3, and all above it.
type Shared = AtomicHistogram<1, { buckets(1, 2) }>;
type Copy = Histogram<1, { buckets(1, 2) }>;

fn counts(shared: &Shared) -> [u64; 4] {
    let mut copy = Copy::new();
    shared.read(&mut copy);
    by_value(&copy)
}

fn merged(shared: &Shared) -> [u64; 4] {
    let mut copy = Copy::new();
    shared.merge_into(&mut copy);
    by_value(&copy)
}

fn by_value(copy: &Copy) -> [u64; 4] {
    let up_to = [0, 1, 2, 3].map(|value| copy.count_up_to(value));
    [
        up_to[0],
        up_to[1] - up_to[0],
        up_to[2] - up_to[1],
        up_to[3] - up_to[2],
    ]
}

#[test]
fn a_reader_sees_whole_counters_that_only_grow() {
    model(3, || {
        let shared = Arc::new(Shared::new());
        let writer = thread::spawn({
            let shared = shared.clone();
            move || {
                let mut recorder = shared.recorder().unwrap();
                [1, 2, 1]
                    .into_iter()
                    .for_each(|value| recorder.record(value));
            }
        });
        let first = counts(&shared);
        let second = merged(&shared);
        let most = [0, 2, 1, 0];
        for i in 0..4 {
            assert!(first[i] <= second[i] && second[i] <= most[i]);
        }
        writer.join().unwrap();
        assert_eq!((counts(&shared), merged(&shared)), (most, most));
    });
}

#[test]
fn the_next_recorder_adds_to_what_the_last_one_had() {
    model(3, || {
        let shared = Arc::new(Shared::new());
        let record = |shared: Arc<Shared>| {
            shared.recorder().map_or(0, |mut recorder| {
                recorder.record(2);
                1
            })
        };
        let other = thread::spawn({
            let shared = shared.clone();
            move || record(shared)
        });
        let mine = record(shared.clone());
        let recorded = mine + other.join().unwrap();
        assert!(recorded >= 1);
        assert_eq!(counts(&shared), [0, 0, recorded, 0]);
    });
}

/// A 32-bit counter, and the time of which it is the lower half.
struct Device(Arc<AtomicU64>);

/// As a register is read: a thread that has seen a later time never reads an earlier one. The processor gives
/// no other order.
fn present(time: &AtomicU64) -> u64 {
    time.load(Ordering::Relaxed)
}

impl Clock for Device {
    fn now(&self) -> u64 {
        present(&self.0) & 0xffff_ffff
    }
    fn scale(&self) -> Scale {
        Scale::NANOSECOND
    }
    fn bits(&self) -> u32 {
        32
    }
}

const START: u64 = 0x3000_0000;

#[test]
fn a_reader_of_a_widened_clock_may_be_held_up_for_rounds() {
    model(2, || {
        let time = Arc::new(AtomicU64::new(START));
        let clock = Arc::new(Widened::new(Device(time.clone())));
        let held_up = thread::spawn({
            let (time, clock) = (time.clone(), clock.clone());
            move || {
                let before = present(&time);
                let seen = clock.now();
                assert!((before..=present(&time)).contains(&seen));
            }
        });
        // Reads as often as some thread must: the time advances after the required reading. Neither the first
        // time nor the second is one of a late reading.
        for i in 1..=5 {
            let now = START + i * 0x6000_0000;
            time.store(now, Ordering::Release);
            assert_eq!(clock.now(), now);
        }
        held_up.join().unwrap();
    });
}
