//! Ends that are taken one by one, put back and taken again; and handles that are neither end.

use std::cell::Cell;
use std::mem::MaybeUninit;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::task::{Context, Wake, Waker};
use std::thread;
use std::time::Duration;

use crate::counted::Counted;
use framepool::ring::{self, Observer, PopWaitError, Ring, RingError, Spin, Yield, flags};

/// The tests of a promise that both designs keep: `$of` is the room of a design.
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
    an_end_that_is_put_back_is_taken_again_where_it_stopped(of) {
        static RING: of::Ring<u32, 4> = of::Ring::new();
        for lap in 0..5 {
            let mut tx = RING.producer().unwrap();
            assert_eq!(tx.push_slice(&[lap, lap + 1, lap + 2]), 3);
            assert_eq!(tx.stats().enqueued, 3);
            drop(tx);
            assert_eq!(RING.consumer().unwrap().pop(), Some(lap));
            // Another one, which finds the rest.
            let mut rx = RING.consumer().unwrap();
            assert_eq!((rx.len(), rx.stats().dequeued), (2, 0));
            assert_eq!((rx.pop(), rx.pop(), rx.pop()), (Some(lap + 1), Some(lap + 2), None));
            assert_eq!(rx.stats().dequeued, 2);
        }
    }

    an_end_that_is_out_is_refused_and_nothing_changes(of) {
        static RING: of::Ring<u8, 2> = of::Ring::new();
        let mut tx = RING.producer().unwrap();
        // As an interrupt would find it.
        let refused = RING.producer().unwrap_err();
        assert_eq!(refused, RingError::ProducerTaken);
        assert_eq!(refused.to_string(), "the producer of the ring is taken");
        assert_eq!(RING.split().unwrap_err(), RingError::ProducerTaken);
        let mut rx = RING.consumer().unwrap();
        let refused = RING.consumer().unwrap_err();
        assert_eq!(refused, RingError::ConsumerTaken);
        assert_eq!(refused.to_string(), "the consumer of the ring is taken");
        tx.push(1).unwrap();
        assert_eq!(rx.pop(), Some(1));
        drop(tx);
        assert_eq!(RING.split().unwrap_err(), RingError::ConsumerTaken);
        assert!(RING.producer().is_ok());
    }

    both_ends_are_split_when_they_are_back_and_then_for_ever(of) {
        static RING: of::Ring<u32, 4> = of::Ring::new();
        RING.producer().unwrap().push_slice(&[1, 2, 3]);
        RING.consumer().unwrap().pop();
        let (mut tx, mut rx) = RING.split().unwrap();
        assert_eq!((tx.len(), rx.pop()), (2, Some(2)));
        assert_eq!(tx.push_slice(&[4, 5, 6, 7]), 3);
        for error in [RING.producer().err(), RING.consumer().err(), RING.split().err()] {
            assert_eq!(error, Some(RingError::AlreadySplit));
        }
        drop(tx);
        assert!(rx.is_abandoned());
        assert!(rx.drain().eq([3, 4, 5, 6]));
        drop(rx);
        for error in [RING.producer().err(), RING.consumer().err(), RING.split().err()] {
            assert_eq!(error, Some(RingError::AlreadySplit));
        }
    }

    an_end_that_is_put_back_abandons_nothing(of) {
        static RING: of::Ring<u8, 1> = of::Ring::new();
        let mut rx = RING.consumer().unwrap();
        let mut tx = RING.producer().unwrap();
        tx.push(1).unwrap();
        drop(tx);
        assert!(!rx.is_abandoned());
        assert_eq!(rx.pop_wait::<Spin>(), Some(1));
        let short = Duration::from_millis(1);
        assert_eq!(rx.pop_wait_for::<Yield>(short), Err(PopWaitError::TimedOut));
        // A wait goes on until a later producer pushes.
        thread::scope(|scope| {
            scope.spawn(|| RING.producer().unwrap().push(2).unwrap());
            assert_eq!(rx.pop_wait::<Yield>(), Some(2));
        });
        drop(rx);
        let mut tx = RING.producer().unwrap();
        tx.push(3).unwrap();
        assert!(!tx.is_abandoned());
        assert!(tx.push_wait_for::<Yield>(4, short).is_err());
        thread::scope(|scope| {
            scope.spawn(|| RING.consumer().unwrap().pop());
            tx.push_wait::<Yield>(4).unwrap();
        });
    }

    who_asks_learns_which_end_is_out(of) {
        static RING: of::Ring<u8, 1> = of::Ring::new();
        let out = || (RING.is_producer_taken(), RING.is_consumer_taken());
        assert_eq!(out(), (false, false));
        let tx = RING.producer().unwrap();
        assert_eq!(out(), (true, false));
        let rx = RING.consumer().unwrap();
        drop(tx);
        assert_eq!(out(), (false, true));
        drop(rx);
        let (tx, rx) = RING.split().unwrap();
        assert_eq!(out(), (true, true));
        drop(rx);
        assert_eq!(out(), (true, false));
        drop(tx);
        assert_eq!(out(), (false, false));
    }

    values_that_are_left_are_dropped_with_the_ring_and_in_order(of) {
        let order = Rc::new(Cell::new(Vec::new()));
        struct Noted(Rc<Cell<Vec<u32>>>, u32, bool);
        impl Drop for Noted {
            fn drop(&mut self) {
                let mut all = self.0.take();
                all.push(self.1);
                self.0.set(all);
                assert!(!self.2, "a destructor that panics");
            }
        }
        for (before, panics) in [(0, false), (1, false), (3, false), (3, true)] {
            order.take();
            let ring: of::Ring<Noted, 4> = of::Ring::new();
            let mut tx = ring.producer().unwrap();
            for i in 0..before {
                tx.push(Noted(order.clone(), i, false)).ok().unwrap();
                drop(ring.consumer().unwrap().pop());
            }
            order.take();
            for i in 0..4 {
                tx.push(Noted(order.clone(), i, panics && i == 1)).ok().unwrap();
            }
            drop(tx);
            let result = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| drop(ring)));
            assert_eq!(result.is_err(), panics);
            assert_eq!(order.take(), [0, 1, 2, 3]);
        }
    }

    a_borrow_of_both_ends_starts_empty_and_drops_what_was_left(of) {
        let live = Rc::new(Cell::new(0));
        let mut ring: of::Ring<Counted, 4> = of::Ring::new();
        ring.producer().unwrap().push_iter((0..3).map(|i| Counted::new(&live, i)));
        let (mut tx, mut rx) = ring.split_mut();
        assert_eq!(live.get(), 0);
        assert!(rx.pop().is_none());
        tx.push(Counted::new(&live, 7)).unwrap();
        drop(tx);
        assert!(rx.is_abandoned());
        drop(rx);
        assert_eq!(live.get(), 0);
        assert_eq!(ring.producer().unwrap_err(), RingError::AlreadySplit);
    }

    a_destructor_that_panics_while_a_borrow_begins_is_not_run_twice(of) {
        struct Bomb(Rc<Cell<u32>>);
        impl Drop for Bomb {
            fn drop(&mut self) {
                self.0.set(self.0.get() + 1);
                assert!(self.0.get() > 1, "the first one panics");
            }
        }
        let dropped = Rc::new(Cell::new(0));
        let mut ring: of::Ring<Bomb, 2> = of::Ring::new();
        ring.producer().unwrap().push_iter((0..2).map(|_| Bomb(dropped.clone())));
        let result = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
            ring.split_mut();
        }));
        assert!(result.is_err());
        assert_eq!(dropped.get(), 2);
        drop(ring);
        assert_eq!(dropped.get(), 2);
    }

    an_end_that_is_forgotten_stays_out_and_its_values_are_forgotten(of) {
        let dropped = Cell::new(0);
        struct Seen<'a>(&'a Cell<u32>);
        impl Drop for Seen<'_> {
            fn drop(&mut self) {
                self.0.set(self.0.get() + 1);
            }
        }
        for producer in [true, false] {
            let mut ring: of::Ring<Seen<'_>, 4> = of::Ring::new();
            ring.producer().unwrap().push_iter((0..2).map(|_| Seen(&dropped)));
            if producer {
                std::mem::forget(ring.producer().unwrap());
                assert_eq!(ring.producer().unwrap_err(), RingError::ProducerTaken);
            } else {
                std::mem::forget(ring.consumer().unwrap());
                assert_eq!(ring.consumer().unwrap_err(), RingError::ConsumerTaken);
            }
            let (_, mut rx) = ring.split_mut();
            assert!(rx.pop().is_none());
            drop(rx);
            drop(ring);
            assert_eq!(dropped.get(), 0);
        }
    }

    // Ends that come and go between any two operations lose nothing and change nothing.
    ends_that_come_and_go_are_one_bounded_queue(of) {
        let live = Rc::new(Cell::new(0));
        let ring: of::Ring<Counted, 4> = of::Ring::new();
        let mut model = std::collections::VecDeque::new();
        let (mut next, mut seed) = (0_u32, 1_u32);
        let (mut tx, mut rx) = (None, None);
        for _ in 0..if cfg!(miri) { 100 } else { 3000 } {
            seed = seed.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            match seed >> 28 {
                0..=4 => {
                    let tx = tx.get_or_insert_with(|| ring.producer().unwrap());
                    let pushed = tx.push(Counted::new(&live, next));
                    assert_eq!(pushed.is_ok(), model.len() < 4);
                    if pushed.is_ok() {
                        model.push_back(next);
                    }
                    next += 1;
                }
                5..=9 => {
                    let rx = rx.get_or_insert_with(|| ring.consumer().unwrap());
                    assert_eq!(rx.front().map(|value| value.1), model.front().copied());
                    assert_eq!(rx.pop().map(|value| value.1), model.pop_front());
                }
                10..=12 => tx = None,
                _ => rx = None,
            }
            assert_eq!(live.get(), model.len());
        }
        drop((tx, rx));
        drop(ring);
        assert_eq!(live.get(), 0);
    }

    of_threads_that_take_one_end_each_goes_on_where_the_last_one_stopped(of) {
        static RING: of::Ring<Box<u64>, 8> = of::Ring::new();
        /// Changed by the thread that has the producer, or the consumer.
        static NEXT: [AtomicU64; 2] = [const { AtomicU64::new(0) }; 2];
        let count = if cfg!(miri) { 40 } else { 20_000 };
        let more = |of: usize, by: u64| {
            let now = NEXT[of].load(Relaxed);
            NEXT[of].store(now + by, Relaxed);
            now
        };
        thread::scope(|scope| {
            for _ in 0..2 {
                scope.spawn(|| {
                    while NEXT[0].load(Relaxed) < count {
                        let Ok(mut tx) = RING.producer() else {
                            thread::yield_now();
                            continue;
                        };
                        for _ in 0..3 {
                            let next = NEXT[0].load(Relaxed);
                            more(0, u64::from(tx.push(Box::new(next)).is_ok()));
                        }
                    }
                });
                scope.spawn(|| {
                    while NEXT[1].load(Relaxed) < count {
                        let Ok(mut rx) = RING.consumer() else {
                            thread::yield_now();
                            continue;
                        };
                        for value in rx.drain() {
                            assert_eq!(*value, more(1, 1));
                        }
                    }
                });
            }
        });
    }

    slices_go_in_and_out_whole_or_not_at_all(of) {
        let ring: of::Ring<u32, 8> = of::Ring::new();
        let (mut tx, mut rx) = (ring.producer().unwrap(), ring.consumer().unwrap());
        let mut next = 0;
        for start in 0..8 {
            for n in 0..=8 {
                let values: Vec<u32> = (next..next + n).collect();
                next += n;
                tx.push_slice_exact(&values).unwrap();
                // One more than there is room for.
                let error = tx.push_slice_exact(&vec![9; 9 - n as usize]).unwrap_err();
                assert_eq!((error.requested, error.available), (9 - n as usize, 8 - n as usize));
                assert_eq!((tx.len(), error.capacity), (n as usize, 8));
                let mut out = vec![7; n as usize + 1];
                let error = rx.pop_slice_exact(&mut out).unwrap_err();
                assert_eq!((error.requested, error.available), (n as usize + 1, n as usize));
                assert!(error.to_string().contains("of 8 slots"));
                assert!(out.iter().all(|value| *value == 7));
                rx.pop_slice_exact(&mut out[..n as usize]).unwrap();
                assert_eq!(out[..n as usize], values);
            }
            tx.push(start).unwrap();
            rx.pop().unwrap();
        }
        // Each counts once.
        assert_eq!((tx.stats().refused, rx.stats().starved), (72, 72));
        assert!(tx.push_slice_exact(&[0; 100]).is_err());
        assert!(rx.pop_slice_exact(&mut [0; 100]).is_err());
    }

    values_that_are_not_copy_are_moved_to_memory_without_values(of) {
        let ring: of::Ring<String, 4> = of::Ring::new();
        let (mut tx, mut rx) = (ring.producer().unwrap(), ring.consumer().unwrap());
        for i in 0..6 {
            assert_eq!(tx.push_iter((0..3).map(|n| format!("{i}.{n}"))), 3);
            let mut out = [const { MaybeUninit::<String>::uninit() }; 2];
            let popped = rx.pop_slice_uninit(&mut out);
            assert_eq!(popped, [format!("{i}.0"), format!("{i}.1")]);
            popped[0].push('!');
            // SAFETY: both were moved there.
            out.iter_mut().for_each(|value| unsafe { value.assume_init_drop() });
            let mut out = [const { MaybeUninit::<String>::uninit() }; 5];
            assert_eq!(rx.pop_slice_uninit(&mut out).len(), 1);
            // SAFETY: the first one was moved there.
            assert_eq!(unsafe { out[0].assume_init_read() }, format!("{i}.2"));
            assert!(rx.pop_slice_uninit(&mut out).is_empty());
        }
    }

    the_next_value_is_seen_from_a_shared_reference(of) {
        let ring: of::Ring<Box<u32>, 2> = of::Ring::new();
        let (mut tx, mut rx) = (ring.producer().unwrap(), ring.consumer().unwrap());
        assert!(rx.front().is_none());
        for i in 0..5 {
            tx.push(Box::new(i)).unwrap();
            tx.push(Box::new(i + 100)).unwrap();
            let (a, b) = (rx.front(), rx.front());
            assert_eq!((a.map(|v| **v), b.map(|v| **v)), (Some(i), Some(i)));
            assert_eq!(rx.pop().map(|v| *v), Some(i));
            assert_eq!(rx.front().map(|v| **v), Some(i + 100));
            assert_eq!(rx.pop().map(|v| *v), Some(i + 100));
            assert!(rx.front().is_none());
        }
        assert_eq!(rx.stats().starved, 0);
        // Values of another thread.
        thread::scope(|scope| {
            scope.spawn(move || tx.push(Box::new(9)).unwrap());
            loop {
                if let Some(value) = rx.front() {
                    break assert_eq!(**value, 9);
                }
                thread::yield_now();
            }
        });
    }
}

/// Counts how often it was woken.
struct Woken;

impl Wake for Woken {
    fn wake(self: Arc<Self>) {}
}

#[test]
fn an_end_that_is_put_back_takes_its_waker_with_it() {
    static RING: Ring<u8, 1> = Ring::new();
    let woken = Arc::new(Woken);
    let waker: Waker = woken.clone().into();
    let mut context = Context::from_waker(&waker);
    for _ in 0..2 {
        let ends = (RING.producer().unwrap(), RING.consumer().unwrap());
        let (mut tx, mut rx) = ring::asynchronous(ends).unwrap();
        assert!(rx.poll_pop(&mut context).is_pending());
        assert_eq!(Arc::strong_count(&woken), 3);
        drop(rx);
        assert_eq!(Arc::strong_count(&woken), 2);
        tx.try_push(1).unwrap();
        assert!(tx.poll_push(&mut Some(2), &mut context).is_pending());
        assert_eq!(Arc::strong_count(&woken), 3);
        drop(tx);
        assert_eq!(Arc::strong_count(&woken), 2);
        assert_eq!(RING.consumer().unwrap().pop(), Some(1));
    }
}

// ---- moved out of a peek

#[test]
fn values_are_moved_out_of_a_peek_and_their_slots_passed_back_at_once() {
    let live = Rc::new(Cell::new(0));
    let (mut tx, mut rx) = ring::allocate(4).unwrap();
    for lap in 0..5 {
        tx.push_iter((0..4).map(|i| Counted::new(&live, lap + i)));
        let mut values = rx.peek(3).unwrap().into_iter();
        assert_eq!(format!("{values:?}"), "PeekedIntoIter { left: 3, .. }");
        assert_eq!(values.next().unwrap().1, lap);
        assert_eq!(values.next().unwrap().1, lap + 1);
        assert_eq!((values.size_hint(), live.get()), ((1, Some(1)), 2));
        assert!(tx.is_full());
        drop(values);
        assert_eq!((tx.len(), rx.len(), live.get()), (2, 2, 2));
        let rest: Vec<u32> = rx.peek_up_to(9).into_iter().map(|c| c.1).collect();
        assert_eq!(rest, [lap + 2, lap + 3]);
        assert_eq!((tx.len(), live.get()), (0, 0));
    }
    assert_eq!(rx.stats().dequeued, 20);
    assert!(rx.peek_up_to(1).into_iter().next().is_none());
}

#[test]
fn a_loop_over_a_peek_that_panics_gives_the_slots_back() {
    let live = Rc::new(Cell::new(0));
    let (mut tx, mut rx) = ring::allocate(4).unwrap();
    tx.push_iter((0..4).map(|i| Counted::new(&live, i)));
    let caught = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
        for value in rx.peek_up_to(4) {
            assert!(value.1 < 1, "enough");
        }
    }));
    assert!(caught.is_err());
    assert_eq!((tx.len(), live.get()), (2, 2));
    assert_eq!(rx.pop().unwrap().1, 2);
}

/// Values that a forgotten iterator has returned are neither returned again nor dropped with the ring.
#[test]
fn an_iterator_that_is_forgotten_takes_no_value_twice() {
    let live = Rc::new(Cell::new(0));
    let fill = |tx: &mut ring::Producer<'_, Counted>| {
        tx.push_iter((0..4).map(|i| Counted::new(&live, i)));
    };
    let forget = |rx: &mut ring::Consumer<'_, Counted>| {
        let mut values = rx.peek_up_to(4).into_iter();
        assert_eq!(values.next().unwrap().1, 0);
        std::mem::forget(values);
    };
    // The next value that is taken passes its slot back.
    let (mut tx, mut rx) = ring::allocate(4).unwrap();
    fill(&mut tx);
    forget(&mut rx);
    assert_eq!((tx.len(), rx.len(), live.get()), (4, 3, 3));
    assert_eq!(rx.front().unwrap().1, 1);
    assert_eq!(rx.pop().unwrap().1, 1);
    assert_eq!(tx.len(), 2);
    // So does dropping the end, be it gone for ever or put back.
    forget_rest(&mut rx);
    drop((tx, rx));
    assert_eq!(live.get(), 0);
    let ring: Ring<Counted, 4> = Ring::new();
    fill(&mut ring.producer().unwrap());
    forget(&mut ring.consumer().unwrap());
    assert_eq!((ring.observer().len(), live.get()), (3, 3));
    assert_eq!(ring.consumer().unwrap().pop().unwrap().1, 1);
    drop(ring);
    assert_eq!(live.get(), 0);
    // A consumer that is forgotten, too, takes the rest with it. Values without memory of their own: Miri reports leaks.
    struct Seen<'a>(&'a Cell<u32>);
    impl Drop for Seen<'_> {
        fn drop(&mut self) {
            self.0.set(self.0.get() + 1);
        }
    }
    let dropped = Cell::new(0);
    let ring: Ring<Seen<'_>, 4> = Ring::new();
    ring.producer()
        .unwrap()
        .push_iter((0..4).map(|_| Seen(&dropped)));
    let mut rx = ring.consumer().unwrap();
    let mut values = rx.peek_up_to(4).into_iter();
    drop(values.next());
    std::mem::forget(values);
    std::mem::forget(rx);
    drop(ring);
    assert_eq!(dropped.get(), 1);

    fn forget_rest(rx: &mut ring::Consumer<'_, Counted>) {
        let mut values = rx.peek_up_to(4).into_iter();
        drop(values.next());
        std::mem::forget(values);
    }
}

// ---- observers

#[test]
fn an_observer_sees_the_length_from_any_thread() {
    fn anywhere<T: Clone + Send + Sync>(_: &T) {}
    let (mut tx, mut rx) = ring::allocate::<Rc<u8>>(4).unwrap();
    let depth = tx.observer();
    anywhere(&depth);
    assert!(depth.is_empty() && !depth.is_full());
    tx.push_iter((0..9).map(Rc::new));
    assert!(depth.is_full() && rx.observer().is_full());
    rx.pop();
    thread::scope(|scope| {
        scope.spawn(|| assert_eq!((depth.len(), depth.capacity()), (3, 4)));
    });
    assert_eq!((depth.enqueued(), depth.dequeued()), (4, 1));
    assert!(format!("{depth:?}").starts_with("Observer { len: 3, capacity: 4"));
}

/// The memory of an allocated ring lives as long as its last observer, the values only as long as the ends. Miri sees
/// that it is freed, and once.
#[test]
fn an_observer_outlives_the_ends_of_an_allocated_ring() {
    let live = Rc::new(Cell::new(0));
    for last in 0..3 {
        let (mut tx, rx) = ring::allocate(4).unwrap();
        let depth = rx.observer();
        let second = depth.clone();
        tx.push(Counted::new(&live, 1)).unwrap();
        tx.push(Counted::new(&live, 2)).unwrap();
        if last == 2 {
            drop((depth, second));
            drop((tx, rx));
        } else {
            drop((rx, tx));
            assert_eq!(live.get(), 0);
            // The positions stay.
            assert_eq!((depth.len(), second.enqueued()), (2, 2));
            drop(depth);
            assert_eq!(second.capacity(), 4);
        }
        assert_eq!(live.get(), 0);
    }
    let all: Vec<Observer<'static>> = (0..5)
        .map(|_| ring::allocate::<u64>(2).unwrap().0.observer())
        .collect();
    assert!(all.iter().all(|depth| depth.is_empty()));
}

#[test]
fn observers_on_other_threads_see_no_more_than_there_can_be() {
    let count = if cfg!(miri) { 50 } else { 50_000 };
    let (mut tx, mut rx) = ring::allocate::<u64>(8).unwrap();
    thread::scope(|scope| {
        for depth in [tx.observer(), rx.observer()] {
            scope.spawn(move || {
                let mut last = (0, 0);
                while depth.dequeued() < count {
                    assert!(depth.len() <= 8);
                    let now = (depth.enqueued(), depth.dequeued());
                    assert!(now.0 >= last.0 && now.1 >= last.1);
                    last = now;
                    thread::yield_now();
                }
            });
        }
        scope.spawn(move || (0..count).for_each(|i| tx.push_wait::<Yield>(i).unwrap()));
        (0..count).for_each(|i| assert_eq!(rx.pop_wait::<Yield>(), Some(i)));
    });
}
