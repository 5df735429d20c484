//! Every interleaving of one recorder and its readers, under loom: `RUSTFLAGS="--cfg loom" cargo test
//! --test time_loom --release --features time`.
#![cfg(all(loom, feature = "time"))]
#![allow(missing_docs)]

use framepool::time::{AtomicHistogram, Histogram, buckets};
use loom::sync::Arc;
use loom::thread;

/// Four buckets: 0, 1, 2 and 3, and all above it.
type Shared = AtomicHistogram<1, { buckets(1, 2) }>;
type Copy = Histogram<1, { buckets(1, 2) }>;

fn counts(shared: &Shared) -> [u64; 4] {
    let mut copy = Copy::new();
    shared.read(&mut copy);
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
    loom::model(|| {
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
        let second = counts(&shared);
        let most = [0, 2, 1, 0];
        for i in 0..4 {
            assert!(first[i] <= second[i] && second[i] <= most[i]);
        }
        writer.join().unwrap();
        assert_eq!(counts(&shared), most);
    });
}

#[test]
fn the_next_recorder_adds_to_what_the_last_one_had() {
    loom::model(|| {
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
