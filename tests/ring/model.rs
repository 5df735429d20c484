//! Any operations in any order, against `VecDeque`.

use std::collections::VecDeque;
use std::mem::MaybeUninit;
use std::sync::Arc;

use framepool::ring;
use proptest::prelude::*;

#[derive(Debug, Clone)]
enum Op {
    Push,
    PushIter(usize),
    PushArray,
    Reserve {
        n: usize,
        written: usize,
        commit: bool,
    },
    Pop,
    PopArray,
    Drain(usize),
    Peek {
        n: usize,
        release: usize,
    },
    MoveOut {
        n: usize,
        taken: usize,
    },
    PopUninit(usize),
    Front,
}

fn op() -> impl Strategy<Value = Op> {
    prop_oneof![
        4 => Just(Op::Push),
        1 => (0..12_usize).prop_map(Op::PushIter),
        1 => Just(Op::PushArray),
        2 => (0..12_usize, 0..12_usize, any::<bool>())
            .prop_map(|(n, written, commit)| Op::Reserve { n, written, commit }),
        4 => Just(Op::Pop),
        1 => Just(Op::PopArray),
        1 => (0..12_usize).prop_map(Op::Drain),
        2 => (0..12_usize, 0..12_usize).prop_map(|(n, release)| Op::Peek { n, release }),
        1 => (0..12_usize, 0..12_usize).prop_map(|(n, taken)| Op::MoveOut { n, taken }),
        1 => (0..12_usize).prop_map(Op::PopUninit),
        1 => Just(Op::Front),
    ]
}

/// Values that are counted: the count shows a value that is lost or dropped twice.
type Value = Arc<u32>;

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_ring_is_a_bounded_queue(log2 in 0..4_u32, ops in prop::collection::vec(op(), 0..200)) {
        let capacity = 1 << log2;
        let all: Vec<Value> = (0..4000).map(Arc::new).collect();
        let mut values = all.iter().cloned();
        let (mut tx, mut rx) = ring::allocate::<Value>(capacity).unwrap();
        let observer = rx.observer();
        let mut model = VecDeque::new();
        let (mut enqueued, mut dequeued) = (0, 0);
        for op in ops {
            let room = capacity - model.len();
            match op {
                Op::Push => {
                    let value = values.next().unwrap();
                    match tx.push(value.clone()) {
                        Ok(()) => model.push_back(value),
                        Err(full) => prop_assert!(room == 0 && full.into_inner() == value),
                    }
                }
                Op::PushIter(n) => {
                    let some: Vec<Value> = values.by_ref().take(n).collect();
                    let pushed = tx.push_iter(some.iter().cloned());
                    prop_assert_eq!(pushed, n.min(room));
                    model.extend(some.into_iter().take(pushed));
                }
                Op::PushArray => {
                    let some: [Value; 3] = std::array::from_fn(|_| values.next().unwrap());
                    match tx.push_array(some.clone()) {
                        Ok(()) => model.extend(some),
                        Err(full) => prop_assert!(room < 3 && full.into_inner() == some),
                    }
                }
                Op::Reserve { n, written, commit } => match tx.reserve(n) {
                    Ok(mut reserved) => {
                        prop_assert!(n <= room);
                        let some: Vec<Value> = values.by_ref().take(written.min(n)).collect();
                        for value in &some {
                            reserved.write(value.clone()).unwrap();
                        }
                        if commit {
                            prop_assert_eq!(reserved.commit(), some.len());
                            model.extend(some);
                        }
                    }
                    Err(e) => prop_assert!(n > room && e.available == room),
                },
                Op::Pop => prop_assert_eq!(rx.pop(), model.pop_front()),
                Op::PopArray => match rx.pop_array::<3>() {
                    Some(some) => prop_assert!(model.drain(..3).eq(some)),
                    None => prop_assert!(model.len() < 3),
                },
                Op::Drain(n) => {
                    let some: Vec<Value> = rx.drain().take(n).collect();
                    prop_assert_eq!(some.len(), n.min(model.len()));
                    prop_assert!(model.drain(..some.len()).eq(some));
                }
                Op::Peek { n, release } => match rx.peek(n) {
                    Some(peeked) => {
                        prop_assert!(peeked.iter().eq(model.iter().take(n)));
                        let released = peeked.release(release);
                        prop_assert_eq!(released, release.min(n));
                        model.drain(..released);
                    }
                    None => prop_assert!(n > model.len()),
                },
                Op::MoveOut { n, taken } => {
                    let some: Vec<Value> = rx.peek_up_to(n).into_iter().take(taken).collect();
                    prop_assert_eq!(some.len(), n.min(taken).min(model.len()));
                    prop_assert!(model.drain(..some.len()).eq(some));
                }
                Op::PopUninit(n) => {
                    let mut out: Vec<MaybeUninit<Value>> = (0..n).map(|_| MaybeUninit::uninit()).collect();
                    let popped = rx.pop_slice_uninit(&mut out).len();
                    prop_assert_eq!(popped, n.min(model.len()));
                    out.truncate(popped);
                    // SAFETY: these were moved there, and each is read once.
                    let some = out.into_iter().map(|value| unsafe { value.assume_init() });
                    prop_assert!(model.drain(..popped).eq(some));
                }
                Op::Front => prop_assert_eq!(rx.front(), model.front()),
            }
            prop_assert_eq!((tx.len(), rx.len()), (model.len(), model.len()));
            prop_assert_eq!(observer.len(), model.len());
            prop_assert_eq!(tx.is_full(), model.len() == capacity);
            prop_assert_eq!(rx.is_empty(), model.is_empty());
            let stats = (tx.stats().enqueued, rx.stats().dequeued);
            prop_assert!(stats.0 >= enqueued && stats.1 >= dequeued);
            prop_assert_eq!(stats.0 - stats.1, model.len() as u64);
            (enqueued, dequeued) = stats;
        }
        drop((tx, rx));
        let in_model = model.len();
        drop(model);
        drop(values);
        prop_assert!(all.iter().all(|value| Arc::strong_count(value) == 1), "{in_model} were left");
    }
}
