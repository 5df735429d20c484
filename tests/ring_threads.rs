//! A ring whose ends are on two threads.
#![cfg(all(feature = "ring", feature = "std", not(loom)))]
#![allow(missing_docs)]

use std::thread;

use framepool::ring::{self, Consumer, Producer, Spin, Yield};

type Ends<T> = (Producer<'static, T>, Consumer<'static, T>);

fn ends<T>(capacity: usize) -> Ends<T> {
    ring::allocate(capacity).unwrap()
}

#[test]
fn values_arrive_in_order_and_once_between_threads() {
    let count: u64 = if cfg!(miri) { 300 } else { 200_000 };
    for capacity in [1, 2, 64] {
        let (mut tx, mut rx) = ends(capacity);
        thread::scope(|scope| {
            scope.spawn(move || {
                for i in 0..count {
                    tx.push_wait::<Yield>(Box::new(i)).unwrap();
                }
            });
            scope.spawn(move || {
                for i in 0..count {
                    assert_eq!(rx.pop_wait::<Yield>().as_deref(), Some(&i));
                }
                assert_eq!(rx.pop_wait::<Spin>(), None);
            });
        });
    }
}

#[test]
fn slices_arrive_in_order_between_threads() {
    let count: u64 = if cfg!(miri) { 300 } else { 200_000 };
    let (mut tx, mut rx) = ends(64);
    thread::scope(|scope| {
        scope.spawn(move || {
            let (mut next, mut n) = (0, 1);
            while next < count {
                let values: Vec<u64> = (next..count.min(next + n)).collect();
                next += tx.push_slice(&values) as u64;
                n = n % 50 + 7;
                thread::yield_now();
            }
        });
        let (mut next, mut n, mut out) = (0, 1, [0; 64]);
        while next < count {
            let got = rx.pop_slice(&mut out[..n]);
            for &value in &out[..got] {
                assert_eq!(value, next);
                next += 1;
            }
            n = n % 40 + 11;
            thread::yield_now();
        }
    });
}

#[test]
fn who_waits_learns_that_the_other_end_is_gone() {
    let (mut tx, rx) = ends(1);
    tx.push(1).unwrap();
    let t = thread::spawn(move || tx.push_wait::<Yield>(2));
    drop(rx);
    let error = t.join().unwrap().unwrap_err();
    assert_eq!(error.to_string(), "the other end of the ring is gone");
    assert_eq!(error.into_inner(), 2);
    let (tx, mut rx) = ends::<u8>(1);
    let t = thread::spawn(move || rx.pop_wait::<Yield>());
    drop(tx);
    assert_eq!(t.join().unwrap(), None);
}

#[test]
fn blocks_of_a_pool_travel_and_come_home() {
    framepool::pool!(static POOL: [64; 8]);
    // Fewer places than blocks: the producer notices that it is alone before it has no block.
    let (mut tx, mut rx) = ends(4);
    thread::scope(|scope| {
        scope.spawn(move || {
            for i in 0..100_u8 {
                let mut block = loop {
                    match POOL.alloc() {
                        Ok(block) => break block,
                        Err(_) => thread::yield_now(),
                    }
                };
                block.write(&[i]).unwrap();
                if tx.push_wait::<Yield>(Some(block)).is_err() {
                    break;
                }
            }
        });
        let mut i = 0;
        while let Some(block) = rx.pop_wait::<Yield>() {
            let block = block.unwrap();
            // SAFETY: one byte was written.
            assert_eq!(unsafe { block.assume_init(1) }, [i]);
            i += 1;
            if i == 90 {
                break;
            }
        }
        // The other blocks are freed by themselves.
        drop(rx);
    });
    assert_eq!(POOL.stats().in_use, 0);
}

#[test]
fn of_two_ends_that_go_at_once_one_frees_the_ring() {
    for i in 0..if cfg!(miri) { 30 } else { 2000 } {
        let (mut tx, rx) = ends(2);
        tx.push(Box::new(i)).unwrap();
        thread::scope(|scope| {
            scope.spawn(move || drop(rx));
            drop(tx);
        });
    }
}
