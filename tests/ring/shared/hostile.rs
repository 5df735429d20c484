//! A ring that two processes share, with a peer that writes anything to it at any time: every operation
//! returns, reports nothing impossible, and touches nothing but the ring.

use std::sync::atomic::AtomicBool;
use std::sync::atomic::Ordering::*;
use std::thread;
use std::time::Duration;

use framepool::SharedRegion;
use framepool::ring::{SharedConsumer, SharedProducer, SharedRing, Spin};
use proptest::prelude::*;

/// A size that is not a multiple of a word.
type Value = [u8; 12];

const LEN: usize = 16 << 10;
const AT: usize = 4096;
const CAPACITY: usize = 4;
/// The words around the ring.
const CANARY: u64 = 0x5AFE_5AFE_5AFE_5AFE;

const PRODUCER: usize = 16;
const CONSUMER: usize = 17;
const TAIL: usize = 32;
const HEAD: usize = 48;

fn ring_words() -> usize {
    SharedRing::<Value>::bytes(CAPACITY).unwrap() / 8
}

fn region() -> SharedRegion {
    let region = SharedRegion::builder(LEN).create().unwrap();
    SharedRing::<Value>::create(&region.words()[AT / 8..], CAPACITY).unwrap();
    outside(&region, |word| word.store(CANARY, SeqCst));
    region
}

fn outside(region: &SharedRegion, mut f: impl FnMut(&std::sync::atomic::AtomicU64)) {
    let words = region.atomics(0, LEN / 8).unwrap();
    let ring = AT / 8..AT / 8 + ring_words();
    let others = words.iter().enumerate().filter(|(i, _)| !ring.contains(i));
    others.for_each(|(_, word)| f(word));
}

fn nothing_else_was_written(region: &SharedRegion) -> bool {
    let mut intact = true;
    outside(region, |word| intact &= word.load(SeqCst) == CANARY);
    intact
}

#[derive(Debug, Clone)]
enum Op {
    Poke {
        word: usize,
        value: u64,
    },
    Push,
    PushSlice(usize),
    PushIter(usize),
    PushWait,
    Reserve {
        n: usize,
        at: usize,
        offset: usize,
        len: usize,
        commit: usize,
    },
    ReserveUpTo {
        n: usize,
        commit: usize,
    },
    Pop,
    PopSlice(usize),
    PopWait,
    Drain(usize),
    Peek {
        n: usize,
        at: usize,
        offset: usize,
        len: usize,
        release: usize,
    },
    PeekUpTo {
        n: usize,
        release: usize,
    },
    Retake,
    Attach,
}

/// Positions near those of the ends, and anywhere.
fn lie() -> impl Strategy<Value = u64> {
    prop_oneof![
        6 => 0..40_u64,
        1 => any::<u64>(),
        1 => (0..8_u64).prop_map(|i| u64::MAX - i),
        1 => (0..64_u32).prop_map(|i| 1 << i),
    ]
}

fn small() -> impl Strategy<Value = usize> {
    prop_oneof![8 => 0..14_usize, 1 => Just(usize::MAX), 1 => Just(usize::MAX / 2)]
}

fn op() -> impl Strategy<Value = Op> {
    let word = prop_oneof![
        2 => Just(TAIL), 2 => Just(HEAD), 1 => Just(PRODUCER), 1 => Just(CONSUMER), 1 => 0..ring_words(),
    ];
    let place = || (0..7_usize, small(), small(), 0..14_usize, small());
    prop_oneof![
        8 => (word, lie()).prop_map(|(word, value)| Op::Poke { word, value }),
        3 => Just(Op::Push),
        2 => (0..9_usize).prop_map(Op::PushSlice),
        1 => (0..9_usize).prop_map(Op::PushIter),
        1 => Just(Op::PushWait),
        2 => place().prop_map(|(n, at, offset, len, commit)| Op::Reserve { n, at, offset, len, commit }),
        1 => (small(), small()).prop_map(|(n, commit)| Op::ReserveUpTo { n, commit }),
        3 => Just(Op::Pop),
        2 => (0..9_usize).prop_map(Op::PopSlice),
        1 => Just(Op::PopWait),
        1 => (0..9_usize).prop_map(Op::Drain),
        2 => place().prop_map(|(n, at, offset, len, release)| Op::Peek { n, at, offset, len, release }),
        1 => (small(), small()).prop_map(|(n, release)| Op::PeekUpTo { n, release }),
        1 => Just(Op::Retake),
        1 => Just(Op::Attach),
    ]
}

/// Both ends of one ring, and the counts that they should have.
struct Ends<'r> {
    region: &'r SharedRegion,
    tx: SharedProducer<'r, Value>,
    rx: SharedConsumer<'r, Value>,
    enqueued: u64,
    dequeued: u64,
}

impl<'r> Ends<'r> {
    fn new(region: &'r SharedRegion) -> Self {
        let ring = SharedRing::attach(&region.words()[AT / 8..]).unwrap();
        Self {
            region,
            tx: ring.producer().unwrap(),
            rx: ring.consumer().unwrap(),
            enqueued: 0,
            dequeued: 0,
        }
    }

    fn run(&mut self, op: Op) {
        let value = [7; 12];
        let in_place = |at: usize, n: usize, offset: usize, len: usize| {
            at < n && offset.checked_add(len).is_some_and(|end| end <= 12)
        };
        let (tx, rx) = (&mut self.tx, &mut self.rx);
        let (mut sent, mut got) = (0, 0);
        match op {
            Op::Poke { word, value } => {
                self.region.atomics(AT + word * 8, 1).unwrap()[0].store(value, SeqCst);
            }
            Op::Push => sent = tx.push(value).is_ok().into(),
            Op::PushIter(n) => sent = tx.push_iter((0..n).map(|_| value)).unwrap_or(0),
            Op::PushSlice(n) => sent = tx.push_slice(&vec![value; n]).unwrap_or(0),
            Op::PushWait => {
                sent = tx
                    .push_wait_for::<Spin>(value, Duration::ZERO)
                    .is_ok()
                    .into()
            }
            Op::Reserve {
                n,
                at,
                offset,
                len,
                commit,
            } => {
                if let Ok(Some(mut room)) = tx.reserve(n) {
                    assert!(room.len() == n && n <= CAPACITY);
                    assert_eq!(room.write(at, value).is_ok(), at < n);
                    let written = room.write_bytes(at, offset, &vec![9; len]);
                    assert_eq!(written.is_ok(), in_place(at, n, offset, len));
                    sent = room.commit(commit);
                    assert_eq!(sent, commit.min(n));
                }
            }
            Op::ReserveUpTo { n, commit } => {
                if let Ok(room) = tx.reserve_up_to(n) {
                    assert!(room.len() <= n.min(CAPACITY));
                    sent = room.commit(commit);
                }
            }
            Op::Pop => got = rx.pop().is_ok_and(|value| value.is_some()).into(),
            Op::PopSlice(n) => got = rx.pop_slice(&mut vec![value; n]).unwrap_or(0),
            Op::PopWait => got = rx.pop_wait_for::<Spin>(Duration::ZERO).is_ok().into(),
            Op::Drain(n) => got = rx.drain().map_or(0, |drain| drain.take(n).count()),
            Op::Peek {
                n,
                at,
                offset,
                len,
                release,
            } => {
                if let Ok(Some(waiting)) = rx.peek(n) {
                    assert!(waiting.len() == n && n <= CAPACITY);
                    assert_eq!(waiting.get(at).is_some(), at < n);
                    assert_eq!(waiting.iter().count(), n);
                    let read = waiting.read_bytes(at, offset, &mut vec![0; len]);
                    assert_eq!(read.is_ok(), in_place(at, n, offset, len));
                    got = waiting.release(release);
                    assert_eq!(got, release.min(n));
                }
            }
            Op::PeekUpTo { n, release } => {
                if let Ok(waiting) = rx.peek_up_to(n) {
                    assert!(waiting.len() <= n.min(CAPACITY));
                    got = waiting.release(release);
                }
            }
            Op::Retake => {
                // May replace an end that is in use, as the owner word may be wrong.
                let ring = *tx.ring();
                for process in [ring.producer_process(), ring.consumer_process()] {
                    let dead = process.unwrap_or(0);
                    let _ = (ring.producer_after(dead), ring.consumer_after(dead));
                }
            }
            Op::Attach => {
                if let Ok(ring) = SharedRing::<Value>::attach(&self.region.words()[AT / 8..]) {
                    assert!(SharedRing::<Value>::bytes(ring.capacity()).unwrap() <= LEN - AT);
                }
            }
        }
        assert!(sent <= CAPACITY && got <= CAPACITY);
        self.enqueued += sent as u64;
        self.dequeued += got as u64;
    }

    /// The counters of an end are its own, and what it reports of the other end is possible.
    fn check(&self) {
        let (tx, rx) = (&self.tx, &self.rx);
        assert_eq!(tx.stats().enqueued, self.enqueued);
        assert_eq!(rx.stats().dequeued, self.dequeued);
        assert!(tx.len() <= CAPACITY && rx.len() <= CAPACITY);
        assert!(rx.stats().high_water <= CAPACITY);
        assert_eq!((tx.capacity(), rx.capacity()), (CAPACITY, CAPACITY));
        // These only have to return.
        let _ = (tx.is_abandoned(), rx.is_abandoned());
        let _ = format!("{tx:?} {rx:?}");
        assert!(nothing_else_was_written(self.region));
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn whatever_is_written_to_a_ring_nothing_outside_is_touched(
        ops in prop::collection::vec(op(), 0..120)
    ) {
        let region = region();
        let mut ends = Ends::new(&region);
        for op in ops {
            ends.run(op);
            ends.check();
        }
    }
}

/// Tells the other thread to end, also after a panic.
struct Stop<'a>(&'a AtomicBool);

impl Drop for Stop<'_> {
    fn drop(&mut self) {
        self.0.store(true, Relaxed);
    }
}

#[test]
fn a_peer_that_writes_all_the_time_stops_nobody() {
    let region = region();
    let mut ends = Ends::new(&region);
    let stop = AtomicBool::new(false);
    thread::scope(|scope| {
        scope.spawn(|| {
            let words = region.atomics(AT, ring_words()).unwrap();
            let mut seed = 1_u64;
            while !stop.load(Relaxed) {
                seed = seed.wrapping_mul(0x5851_F42D_4C95_7F2D).wrapping_add(1);
                let lie = if seed & 1 << 40 == 0 {
                    seed >> 59
                } else {
                    seed
                };
                words[(seed >> 33) as usize % words.len()].store(lie, Relaxed);
            }
        });
        let _stop = Stop(&stop);
        for i in 0..20_000 {
            let (n, at, offset, len) = (i % 5, i % 6, i % 7, i % 8);
            for op in [
                Op::Push,
                Op::PushSlice(n),
                Op::PushWait,
                Op::Reserve {
                    n,
                    at,
                    offset,
                    len,
                    commit: n,
                },
                Op::Pop,
                Op::PopSlice(n),
                Op::PopWait,
                Op::Drain(n),
                Op::Peek {
                    n,
                    at,
                    offset,
                    len,
                    release: n,
                },
                Op::Retake,
                Op::Attach,
            ] {
                ends.run(op);
            }
        }
        ends.check();
    });
}
