//! Any operations in any order on a ring that two processes share, against `VecDeque`.
#![cfg(all(
    feature = "ring",
    feature = "mmap",
    target_os = "linux",
    target_has_atomic = "64",
    not(any(miri, loom))
))]
#![allow(missing_docs)]

use std::collections::VecDeque;
use std::time::Duration;

use framepool::SharedRegion;
use framepool::ring::{SharedPushError, SharedRing, SharedWaitError, Spin};
use proptest::prelude::*;

/// A word and a half.
type Value = [u32; 3];

#[derive(Debug, Clone)]
enum Op {
    Push,
    PushWait,
    PushSlice(usize),
    PushIter(usize),
    Reserve { n: usize, commit: usize },
    Pop,
    PopWait,
    PopSlice(usize),
    Drain(usize),
    Peek { n: usize, release: usize },
    Replace,
}

fn op() -> impl Strategy<Value = Op> {
    let n = || 0..12_usize;
    prop_oneof![
        3 => Just(Op::Push),
        1 => Just(Op::PushWait),
        1 => n().prop_map(Op::PushSlice),
        1 => n().prop_map(Op::PushIter),
        2 => (n(), n()).prop_map(|(n, commit)| Op::Reserve { n, commit }),
        3 => Just(Op::Pop),
        1 => Just(Op::PopWait),
        1 => n().prop_map(Op::PopSlice),
        1 => n().prop_map(Op::Drain),
        2 => (n(), n()).prop_map(|(n, release)| Op::Peek { n, release }),
        1 => Just(Op::Replace),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_shared_ring_is_a_bounded_queue(log2 in 0..4_u32, ops in prop::collection::vec(op(), 0..200)) {
        let capacity = 1 << log2;
        let region = SharedRegion::builder(4096).create().unwrap();
        let ring = SharedRing::<Value>::create(&region, 0, capacity).unwrap();
        let (mut tx, mut rx) = (ring.producer().unwrap(), ring.consumer().unwrap());
        let mut values = (0..).map(|i| [i, !i, i << 16]);
        let mut model: VecDeque<Value> = VecDeque::new();
        for op in ops {
            let (room, waiting) = (capacity - model.len(), model.len());
            match op {
                Op::Push | Op::PushWait => {
                    let value = values.next().unwrap();
                    let pushed = match op {
                        Op::Push => tx.push(value),
                        _ => tx.push_wait_for::<Spin>(value, Duration::ZERO),
                    };
                    match pushed {
                        Ok(()) => model.push_back(value),
                        error => prop_assert!(room == 0 && error == Err(SharedPushError::Full(value))),
                    }
                }
                Op::PushSlice(n) | Op::PushIter(n) => {
                    let some: Vec<Value> = values.by_ref().take(n).collect();
                    let pushed = match op {
                        Op::PushSlice(_) => tx.push_slice(&some),
                        _ => tx.push_iter(some.iter().copied()),
                    };
                    prop_assert_eq!(pushed, Ok(n.min(room)));
                    model.extend(some.into_iter().take(room));
                }
                Op::Reserve { n, commit } => match tx.reserve(n).unwrap() {
                    Some(mut reserved) => {
                        prop_assert!(n <= room && reserved.len() == n);
                        let some: Vec<Value> = values.by_ref().take(n).collect();
                        // The last one first.
                        for (i, value) in some.iter().enumerate().rev() {
                            prop_assert!(reserved.write(i, *value).is_ok());
                        }
                        prop_assert_eq!(reserved.commit(commit), commit.min(n));
                        model.extend(some.into_iter().take(commit));
                    }
                    None => prop_assert!(n > room),
                },
                Op::Pop => prop_assert_eq!(rx.pop(), Ok(model.pop_front())),
                Op::PopWait => {
                    let expected = model.pop_front().ok_or(SharedWaitError::TimedOut);
                    prop_assert_eq!(rx.pop_wait_for::<Spin>(Duration::ZERO), expected);
                }
                Op::PopSlice(n) => {
                    let mut out = vec![[0; 3]; n];
                    prop_assert_eq!(rx.pop_slice(&mut out), Ok(n.min(waiting)));
                    out.truncate(waiting);
                    prop_assert!(model.drain(..out.len()).eq(out));
                }
                Op::Drain(n) => {
                    let some: Vec<Value> = rx.drain().unwrap().take(n).collect();
                    prop_assert_eq!(some.len(), n.min(waiting));
                    prop_assert!(model.drain(..some.len()).eq(some));
                }
                Op::Peek { n, release } => match rx.peek(n).unwrap() {
                    Some(peeked) => {
                        prop_assert!(peeked.iter().eq(model.iter().take(n).copied()));
                        prop_assert_eq!(peeked.get(n), None);
                        prop_assert_eq!(peeked.release(release), release.min(n));
                        model.drain(..release.min(n));
                    }
                    None => prop_assert!(n > waiting),
                },
                Op::Replace => {
                    // Both ends are dropped, and taken again at their positions.
                    drop((tx, rx));
                    (tx, rx) = (ring.producer().unwrap(), ring.consumer().unwrap());
                }
            }
            prop_assert_eq!((tx.len(), rx.len()), (model.len(), model.len()));
            prop_assert_eq!((tx.is_full(), rx.is_full()), (model.len() == capacity, model.len() == capacity));
            prop_assert_eq!((tx.is_empty(), rx.is_empty()), (model.is_empty(), model.is_empty()));
        }
    }
}
