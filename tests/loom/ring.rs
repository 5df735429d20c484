//! The two ends of a ring. Slots go through loom's cells: two owners at once, or an owner that does not come
//! after the last one, fail the model.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::task::{Context, Poll, Wake, Waker};

use framepool::ring::{self, Consumer, Ring, RingError, Yield, flags};
use loom::sync::{Condvar, Mutex};
use loom::thread;

use crate::model;

/// Looks up to `n` times, and checks that the values follow `next`.
fn follow(rx: &mut Consumer<'_, Box<u32>>, next: &mut u32, looks: u32) {
    for _ in 0..looks {
        if let Some(value) = rx.pop() {
            assert_eq!(*value, *next);
            *next += 1;
        }
    }
}

#[test]
fn values_come_in_order_round_the_end() {
    for capacity in [1, 2] {
        model(3, move || {
            let (mut tx, mut rx) = ring::allocate(capacity).unwrap();
            let t = thread::spawn(move || {
                let mut pushed = 0;
                for _ in 0..4 {
                    if tx.push(Box::new(pushed)).is_ok() {
                        pushed += 1;
                    }
                }
                pushed
            });
            let mut next = 0;
            follow(&mut rx, &mut next, 4);
            let pushed = t.join().unwrap();
            follow(&mut rx, &mut next, 4);
            assert_eq!(next, pushed);
            assert!(rx.is_abandoned() && rx.is_empty());
        });
    }
}

#[test]
fn bulk_is_seen_whole() {
    model(3, || {
        let (mut tx, mut rx) = ring::allocate(2).unwrap();
        let t = thread::spawn(move || {
            let first = tx.push_array([Box::new(0), Box::new(1)]).is_ok();
            assert!(first);
            match tx.push_array([Box::new(2), Box::new(3)]) {
                Ok(()) => 4,
                Err(_) => 2,
            }
        });
        let mut seen = 0;
        for _ in 0..2 {
            let waiting = rx.len();
            if let Some([a, b]) = rx.pop_array() {
                assert_eq!((*a, *b), (seen, seen + 1));
                seen += 2;
            } else {
                assert_eq!(waiting, 0, "half of an array was published");
            }
        }
        let pushed = t.join().unwrap();
        assert!(pushed >= seen);
        assert_eq!(rx.drain().count() as u32, pushed - seen);
    });
}

#[test]
fn what_is_written_in_place_is_seen_after_the_commit() {
    model(3, || {
        let (mut tx, mut rx) = ring::allocate(2).unwrap();
        let t = thread::spawn(move || {
            for round in 0..2 {
                let mut room = tx.reserve_up_to(2);
                while room.write(Box::new(round)).is_ok() {}
                room.commit();
            }
            tx.stats().enqueued
        });
        let mut released = 0;
        for _ in 0..2 {
            let waiting = rx.peek_up_to(2);
            released += waiting.release(1) as u64;
        }
        let enqueued = t.join().unwrap();
        assert_eq!(released + rx.drain().count() as u64, enqueued);
    });
}

/// Counts itself as alive.
struct Counted(Arc<AtomicUsize>);

impl Counted {
    fn new(count: &Arc<AtomicUsize>) -> Self {
        count.fetch_add(1, SeqCst);
        Self(count.clone())
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.0.fetch_sub(1, SeqCst);
    }
}

#[test]
fn of_two_ends_that_go_at_once_one_drops_what_is_left() {
    model(4, || {
        let live = Arc::default();
        let (mut tx, mut rx) = ring::allocate(2).unwrap();
        tx.push(Counted::new(&live)).ok().unwrap();
        let count = live.clone();
        let t = thread::spawn(move || {
            let _ = tx.push(Counted::new(&count));
        });
        drop(rx.pop());
        drop(rx);
        t.join().unwrap();
        assert_eq!(live.load(SeqCst), 0);
    });
}

#[test]
fn an_abandoned_ring_that_is_empty_stays_empty() {
    model(4, || {
        let (mut tx, mut rx) = ring::allocate(2).unwrap();
        let t = thread::spawn(move || {
            tx.push(1).unwrap();
            tx.push(2).unwrap();
        });
        let mut sum = 0;
        loop {
            match rx.pop() {
                Some(i) => sum += i,
                None if rx.is_abandoned() && rx.is_empty() => break,
                None => thread::yield_now(),
            }
        }
        assert_eq!(sum, 3);
        t.join().unwrap();
    });
}

#[test]
fn who_waits_gets_what_comes_or_learns_that_nothing_will() {
    model(2, || {
        let (mut tx, mut rx) = ring::allocate(1).unwrap();
        let t = thread::spawn(move || {
            tx.push_wait::<Yield>(1).unwrap();
            let _ = tx.push_wait::<Yield>(2);
        });
        assert_eq!(rx.pop_wait::<Yield>(), Some(1));
        drop(rx);
        t.join().unwrap();
    });
}

#[test]
fn who_waits_misses_nothing_of_an_end_that_goes() {
    model(2, || {
        let (mut tx, mut rx) = ring::allocate(1).unwrap();
        let t = thread::spawn(move || tx.push(1).unwrap());
        assert_eq!(rx.pop_wait::<Yield>(), Some(1));
        assert_eq!(rx.pop_wait::<Yield>(), None);
        t.join().unwrap();
    });
    model(2, || {
        let (mut tx, mut rx) = ring::allocate(1).unwrap();
        tx.push(1).unwrap();
        let t = thread::spawn(move || assert_eq!(rx.pop(), Some(1)));
        // The slot was free before the consumer went.
        assert!(tx.push_wait::<Yield>(2).is_ok());
        assert!(tx.push_wait::<Yield>(3).is_err());
        t.join().unwrap();
    });
}

/// Sleeps until it is woken. If nothing wakes it, loom reports that all threads are blocked.
struct Signal(Mutex<bool>, Condvar);

impl Wake for Signal {
    fn wake(self: Arc<Self>) {
        *self.0.lock().unwrap() = true;
        self.1.notify_one();
    }
}

/// Polls until it is ready, and sleeps in between.
fn block_on<R>(mut poll: impl FnMut(&mut Context<'_>) -> Poll<R>) -> R {
    let signal = Arc::new(Signal(Mutex::new(false), Condvar::new()));
    let waker = Waker::from(signal.clone());
    loop {
        if let Poll::Ready(result) = poll(&mut Context::from_waker(&waker)) {
            return result;
        }
        let mut woken = signal.0.lock().unwrap();
        while !*woken {
            woken = signal.1.wait(woken).unwrap();
        }
        *woken = false;
        drop(woken);
        // A task that must look again at once waits for a step of another thread.
        thread::yield_now();
    }
}

#[test]
fn a_push_wakes_who_sleeps_and_so_does_going() {
    model(2, || {
        let Ok((mut tx, mut rx)) = ring::asynchronous(ring::allocate(1).unwrap()) else {
            panic!("these are the ends of one ring");
        };
        let t = thread::spawn(move || tx.try_push(7).unwrap());
        assert_eq!(block_on(|c| rx.poll_pop(c)), Some(7));
        assert_eq!(block_on(|c| rx.poll_pop(c)), None);
        t.join().unwrap();
    });
}

#[test]
fn a_pop_wakes_who_has_no_room_and_so_does_going() {
    model(2, || {
        let Ok((mut tx, mut rx)) = ring::asynchronous(ring::allocate(1).unwrap()) else {
            panic!("these are the ends of one ring");
        };
        tx.try_push(1).unwrap();
        let t = thread::spawn(move || assert_eq!(rx.try_pop(), Some(1)));
        let mut value = Some(2);
        assert!(block_on(|c| tx.poll_push(&mut value, c)).is_ok());
        let mut value = Some(3);
        let error = block_on(|c| tx.poll_push(&mut value, c)).unwrap_err();
        assert_eq!(error.into_inner(), 3);
        t.join().unwrap();
    });
}

#[test]
fn ends_that_go_at_once_keep_no_waker() {
    model(3, || {
        let signal = Arc::new(Signal(Mutex::new(false), Condvar::new()));
        let waker = Waker::from(signal.clone());
        let Ok((tx, mut rx)) = ring::asynchronous(ring::allocate::<u8>(1).unwrap()) else {
            panic!("these are the ends of one ring");
        };
        let t = thread::spawn(move || drop(tx));
        let _ = rx.poll_pop(&mut Context::from_waker(&waker));
        drop((rx, waker));
        t.join().unwrap();
        assert_eq!(Arc::strong_count(&signal), 1);
    });
}

#[test]
fn slots_with_flags_change_hands_round_the_end() {
    for capacity in [1, 2] {
        model(3, move || {
            let (mut tx, mut rx) = flags::allocate(capacity).unwrap();
            let t = thread::spawn(move || (0..4).filter(|i| tx.push(Box::new(*i)).is_ok()).count());
            let mut last = None;
            let mut taken = 0;
            for _ in 0..4 {
                if let Some(value) = rx.pop() {
                    assert!(last.is_none_or(|last| *value > last));
                    last = Some(*value);
                    taken += 1;
                }
            }
            let pushed = t.join().unwrap();
            assert!(rx.is_abandoned());
            while rx.pop().is_some() {
                taken += 1;
            }
            assert_eq!(taken, pushed);
        });
    }
}

#[test]
fn who_waits_for_a_slot_with_a_flag_gets_what_comes_or_learns_that_nothing_will() {
    model(2, || {
        let (mut tx, mut rx) = flags::allocate(1).unwrap();
        let t = thread::spawn(move || {
            tx.push_wait::<Yield>(1).unwrap();
            // The slot that was freed before the consumer went is used.
            tx.push_wait::<Yield>(2).unwrap();
            assert!(tx.push_wait::<Yield>(3).is_err());
        });
        assert_eq!(rx.pop_wait::<Yield>(), Some(1));
        drop(rx);
        t.join().unwrap();
    });
    model(2, || {
        let (mut tx, mut rx) = flags::allocate(2).unwrap();
        let t = thread::spawn(move || {
            tx.push(1).unwrap();
            tx.push(2).unwrap();
        });
        let taken = core::iter::from_fn(|| rx.pop_wait::<Yield>());
        assert_eq!(taken.sum::<u32>(), 3);
        t.join().unwrap();
    });
}

#[test]
fn of_two_ends_with_flags_that_go_at_once_one_drops_what_is_left() {
    model(4, || {
        let live = Arc::default();
        let (mut tx, mut rx) = flags::allocate(2).unwrap();
        tx.push(Counted::new(&live)).ok().unwrap();
        let count = live.clone();
        let t = thread::spawn(move || {
            let _ = tx.push(Counted::new(&count));
        });
        drop(rx.pop());
        drop(rx);
        t.join().unwrap();
        assert_eq!(live.load(SeqCst), 0);
    });
}

#[test]
fn who_counts_slots_with_flags_never_counts_what_is_not_there() {
    model(3, || {
        let (mut tx, mut rx) = flags::allocate(2).unwrap();
        let t = thread::spawn(move || {
            assert_eq!(tx.push_iter((0..2).map(Box::new)), 2);
            // The consumer may take some meanwhile: `len` is a maximum, and the room a minimum.
            let len = tx.len();
            let pushed = tx.push_iter((2..4).map(Box::new));
            assert!(len <= 2 && pushed >= 2 - len);
            2 + pushed as u32
        });
        let mut next = 0;
        for _ in 0..2 {
            // The producer may push more meanwhile: `len` is a minimum.
            let len = rx.len();
            for _ in 0..len {
                assert_eq!(rx.pop().as_deref(), Some(&next));
                next += 1;
            }
        }
        let pushed = t.join().unwrap();
        let left: Vec<u32> = rx.drain().map(|value| *value).collect();
        assert!(left.iter().copied().eq(next..pushed));
    });
}

/// The models of a promise that both designs keep: `$of` is the room of a design.
macro_rules! both_designs {
    ($($name:ident($of:ident) $body:block)*) => {
        mod positions {
            use super::*;
            use super::ring as design;
            $(#[test] fn $name() { use design as $of; $body })*
        }
        mod with_flags {
            use super::*;
            use super::flags as design;
            $(#[test] fn $name() { use design as $of; $body })*
        }
    };
}

both_designs! {
    // The box that the one pushed is where the other one expects it, and the next slot is free.
    of_two_that_take_the_producer_the_later_goes_on_where_the_other_stopped(of) {
        model(3, || {
            let ring = Arc::new(of::Ring::<Box<u32>, 2>::new());
            let other = ring.clone();
            let push = |ring: &of::Ring<Box<u32>, 2>, value| match ring.producer() {
                Ok(mut tx) => {
                    tx.push(Box::new(value)).unwrap();
                    1
                }
                Err(error) => {
                    assert_eq!(error, RingError::ProducerTaken);
                    0
                }
            };
            let t = thread::spawn(move || push(&other, 1));
            let mine = push(&ring, 2);
            let pushed = mine + t.join().unwrap();
            let mut rx = ring.consumer().unwrap();
            let sum: u32 = rx.drain().map(|value| *value).sum();
            assert!(pushed == 2 && sum == 3 || pushed == 1 && (sum == 1 || sum == 2));
        });
    }

    of_two_that_take_the_consumer_each_value_goes_to_one(of) {
        model(3, || {
            let ring = Arc::new(of::Ring::<Box<u32>, 2>::new());
            ring.producer().unwrap().push_iter([1, 2].map(Box::new));
            let other = ring.clone();
            let pop = |ring: &of::Ring<Box<u32>, 2>| match ring.consumer() {
                Ok(mut rx) => rx.pop().map_or(0, |value| *value),
                Err(error) => {
                    assert_eq!(error, RingError::ConsumerTaken);
                    0
                }
            };
            let t = thread::spawn(move || pop(&other));
            let mine = pop(&ring);
            let theirs = t.join().unwrap();
            let left: u32 = ring.consumer().unwrap().drain().map(|value| *value).sum();
            assert_eq!(mine + theirs + left, 3);
            assert!(mine != theirs);
        });
    }

    // One thread has both ends one after the other, the other one too: slots go back and forth between all four.
    slots_change_hands_between_ends_that_come_and_go(of) {
        model(2, || {
            let ring = Arc::new(of::Ring::<Box<u32>, 1>::new());
            let other = ring.clone();
            let both = |ring: &of::Ring<Box<u32>, 1>, value| {
                let pushed = ring.producer().is_ok_and(|mut tx| tx.push(Box::new(value)).is_ok());
                let popped = ring.consumer().ok().and_then(|mut rx| rx.pop());
                (u32::from(pushed), u32::from(popped.is_some()))
            };
            let t = thread::spawn(move || both(&other, 1));
            let mine = both(&ring, 2);
            let theirs = t.join().unwrap();
            let left = ring.consumer().unwrap().drain().count() as u32;
            assert_eq!(mine.0 + theirs.0, mine.1 + theirs.1 + left);
        });
    }

    // The other end stays on its thread throughout.
    a_consumer_sees_what_producers_of_two_threads_pushed(of) {
        model(2, || {
            let ring = Arc::new(of::Ring::<Box<u32>, 2>::new());
            let other = ring.clone();
            let push = |ring: &of::Ring<Box<u32>, 2>| loop {
                match ring.producer() {
                    Ok(mut tx) => break tx.push(Box::new(tx.capacity() as u32)).unwrap(),
                    Err(_) => thread::yield_now(),
                }
            };
            let t = thread::spawn(move || push(&other));
            let third = ring.clone();
            let u = thread::spawn(move || push(&third));
            let mut rx = ring.consumer().unwrap();
            let early = rx.drain().count();
            t.join().unwrap();
            u.join().unwrap();
            assert_eq!(early + rx.drain().count(), 2);
        });
    }

    of_a_split_and_a_claim_one_succeeds_and_sees_what_was_pushed(of) {
        model(3, || {
            let ring: &'static of::Ring<Box<u32>, 2> = Box::leak(Box::new(of::Ring::new()));
            let t = thread::spawn(|| match ring.producer() {
                Ok(mut tx) => {
                    tx.push(Box::new(1)).unwrap();
                    None
                }
                Err(error) => Some(error),
            });
            let split = ring.split().map(|(mut tx, mut rx)| {
                let before = rx.drain().count();
                tx.push(Box::new(2)).unwrap();
                tx.push(Box::new(3)).unwrap();
                assert_eq!(rx.drain().count(), 2);
                before
            });
            match (split, t.join().unwrap()) {
                // The claim came first and was over, or came too late.
                (Ok(1), None) | (Ok(0), Some(RingError::AlreadySplit)) => {}
                (Err(RingError::ProducerTaken), None) => {
                    assert_eq!(ring.consumer().unwrap().drain().count(), 1);
                }
                other => panic!("{other:?}"),
            }
        });
    }

    what_a_producer_pushed_that_is_back_is_seen(of) {
        model(3, || {
            let ring: &'static of::Ring<Box<u32>, 2> = Box::leak(Box::new(of::Ring::new()));
            let mut tx = ring.producer().unwrap();
            let rx = ring.consumer().unwrap();
            let t = thread::spawn(move || tx.push(Box::new(1)).unwrap());
            if !ring.is_producer_taken() {
                assert_eq!(rx.len(), 1);
            }
            t.join().unwrap();
            drop(rx);
            assert_eq!(ring.consumer().unwrap().drain().count(), 1);
        });
    }

    // The ring's own drop finds what the ends left.
    values_that_are_left_are_dropped_with_the_ring(of) {
        model(3, || {
            let live = Arc::<AtomicUsize>::default();
            let ring = Arc::new(of::Ring::<Counted, 2>::new());
            let (other, count) = (ring.clone(), live.clone());
            let t = thread::spawn(move || {
                let _ = other.producer().unwrap().push(Counted::new(&count));
            });
            drop(ring.consumer().unwrap().pop());
            drop(ring);
            t.join().unwrap();
            assert_eq!(live.load(SeqCst), 0);
        });
    }
}

#[test]
fn slots_of_values_that_were_moved_out_are_free_when_the_iterator_goes() {
    model(3, || {
        let (mut tx, mut rx) = ring::allocate(2).unwrap();
        tx.push_array([Box::new(0), Box::new(1)]).unwrap();
        let t = thread::spawn(move || (2..5).filter(|i| tx.push(Box::new(*i)).is_ok()).count());
        let first: Vec<u32> = rx.peek_up_to(2).into_iter().map(|value| *value).collect();
        assert_eq!(first, [0, 1]);
        let second = rx.peek_up_to(1).into_iter().count();
        let pushed = t.join().unwrap();
        assert_eq!(second + rx.drain().count(), pushed);
    });
}

#[test]
fn an_observer_never_sees_more_than_there_was() {
    model(3, || {
        let (mut tx, mut rx) = ring::allocate(4).unwrap();
        let depth = tx.observer();
        let t = thread::spawn(move || {
            tx.push(1).unwrap();
            tx
        });
        let u = thread::spawn(move || assert!(depth.len() <= 1));
        let popped = rx.pop().is_some();
        let tx = t.join().unwrap();
        u.join().unwrap();
        assert_eq!(tx.observer().len(), usize::from(!popped));
    });
}

#[test]
fn of_two_ends_and_an_observer_that_go_at_once_one_frees_the_ring() {
    model(2, || {
        let live = Arc::default();
        let (mut tx, rx) = ring::allocate(2).unwrap();
        tx.push(Counted::new(&live)).ok().unwrap();
        let depth = rx.observer();
        let t = thread::spawn(move || drop(tx));
        let u = thread::spawn(move || {
            let second = depth.clone();
            drop(depth);
            assert!(second.len() <= 1);
        });
        drop(rx);
        t.join().unwrap();
        u.join().unwrap();
        assert_eq!(live.load(SeqCst), 0);
    });
}

#[test]
fn an_end_that_is_put_back_leaves_no_waker_to_the_next_one() {
    model(2, || {
        let signal = Arc::new(Signal(Mutex::new(false), Condvar::new()));
        let waker = Waker::from(signal.clone());
        let ring: &'static Ring<u8, 1> = Box::leak(Box::new(Ring::new()));
        let ends = (ring.producer().unwrap(), ring.consumer().unwrap());
        let Ok((mut tx, mut rx)) = ring::asynchronous(ends) else {
            panic!("these are the ends of one ring");
        };
        let t = thread::spawn(move || tx.try_push(1).unwrap());
        let _ = rx.poll_pop(&mut Context::from_waker(&waker));
        drop((rx, waker));
        t.join().unwrap();
        assert_eq!(Arc::strong_count(&signal), 1);
    });
}
