//! Positions near the end of their word: only from in here can a ring begin there.

use std::boxed::Box;
use std::collections::VecDeque;

use crate::ring::construct::allocate_at;
use crate::sync::Word;

#[test]
fn the_position_wraps_and_nothing_else_changes() {
    for capacity in [1, 2, 8] {
        for before in 0..if cfg!(miri) { 4 } else { 20 } {
            let start = (0 as Word).wrapping_sub(before);
            let (mut tx, mut rx) = allocate_at::<Box<u32>>(capacity, start).unwrap();
            let mut model = VecDeque::new();
            for i in 0..if cfg!(miri) { 8 } else { 60_u32 } {
                // Fills, half empties, refills.
                while model.len() < capacity {
                    tx.push(Box::new(i)).unwrap();
                    model.push_back(i);
                }
                assert!(tx.is_full() && tx.push(Box::new(0)).is_err());
                for _ in 0..=(i as usize % capacity) {
                    assert_eq!(rx.pop().map(|v| *v), model.pop_front());
                }
                assert_eq!((tx.len(), rx.len()), (model.len(), model.len()));
                let room = tx.reserve_up_to(99).len();
                assert_eq!(room, capacity - model.len());
                assert!(
                    rx.peek_up_to(99)
                        .iter()
                        .map(|v| **v)
                        .eq(model.iter().copied())
                );
            }
            let (enqueued, dequeued) = (tx.stats().enqueued, rx.stats().dequeued);
            assert_eq!(enqueued - dequeued, model.len() as u64);
        }
    }
}

#[test]
fn bulk_wraps_too() {
    for before in 0..if cfg!(miri) { 4 } else { 20 } {
        let start = (0 as Word).wrapping_sub(before);
        let (mut tx, mut rx) = allocate_at::<u32>(8, start).unwrap();
        let (mut next, mut expected) = (0, 0);
        for n in [3_u32, 8, 1, 7, 5, 8, 8, 2] {
            let values: std::vec::Vec<u32> = (next..next + n).collect();
            assert_eq!(tx.push_slice(&values), n as usize);
            next += n;
            let mut out = [0; 8];
            assert_eq!(rx.pop_slice(&mut out), n as usize);
            for &value in out.iter().take(n as usize) {
                assert_eq!(value, expected);
                expected += 1;
            }
        }
    }
}

#[test]
fn counters_stop_at_their_maximum() {
    let (mut tx, mut rx) = allocate_at::<u8>(1, 0).unwrap();
    tx.push(1).unwrap();
    tx.refused = u64::MAX - 1;
    assert!(tx.push(2).is_err() && tx.push(2).is_err());
    assert_eq!(tx.stats().refused, u64::MAX);
    rx.pop().unwrap();
    rx.starved = u64::MAX - 1;
    assert!(rx.pop().is_none() && rx.pop().is_none());
    assert_eq!(rx.stats().starved, u64::MAX);
}
