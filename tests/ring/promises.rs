//! What a ring promises, tested through the public API: order, room, returned values, drops, abandonment.

use std::cell::Cell;
use std::mem::MaybeUninit;
use std::rc::Rc;
use std::thread;
use std::time::{Duration, Instant};

use crate::counted::Counted;
use framepool::ring::{
    self, Consumer, Full, NoRoom, PopWaitError, Producer, PushWaitError, RingError, Spin, Yield,
    flags,
};

type Ends<T> = (Producer<'static, T>, Consumer<'static, T>);

fn ends<T>(capacity: usize) -> Ends<T> {
    ring::allocate(capacity).unwrap()
}

// ---- room

#[test]
fn every_slot_is_usable_whatever_the_capacity() {
    for capacity in [1, 2, 4, 64] {
        let (mut tx, mut rx) = ends(capacity);
        for lap in 0..3 {
            for i in 0..capacity {
                assert_eq!((tx.len(), rx.len()), (i, i));
                tx.push((lap, i)).unwrap();
            }
            assert!(tx.is_full() && rx.is_full());
            assert_eq!(tx.push((9, 9)), Err(full_of((9, 9))));
            // One out, one in.
            assert_eq!(rx.pop(), Some((lap, 0)));
            tx.push((lap, capacity)).unwrap();
            assert!(tx.is_full());
            for i in 1..=capacity {
                assert_eq!(rx.pop(), Some((lap, i)));
            }
            assert_eq!(rx.pop(), None);
            assert!(tx.is_empty() && rx.is_empty());
        }
        assert_eq!((tx.capacity(), rx.capacity()), (capacity, capacity));
    }
}

fn full_of<T: Copy>(value: T) -> Full<T> {
    let (mut tx, _rx) = ends(1);
    tx.push(value).unwrap();
    tx.push(value).unwrap_err()
}

#[test]
fn a_failed_push_gives_the_value_back() {
    let live = Rc::new(Cell::new(0));
    let (mut tx, rx) = ends(1);
    tx.push(Counted::new(&live, 1)).unwrap();
    let error = tx.push(Counted::new(&live, 2)).unwrap_err();
    assert_eq!(error.to_string(), "the ring is full");
    assert_eq!(error.into_inner().1, 2);
    assert_eq!(live.get(), 1);
    drop((tx, rx));
    assert_eq!(live.get(), 0);
}

#[test]
fn arrays_go_in_and_out_whole_or_not_at_all() {
    let (mut tx, mut rx) = ends(4);
    tx.push_array(["a", "b", "c"].map(String::from)).unwrap();
    let back = tx.push_array(["d", "e"].map(String::from)).unwrap_err();
    assert_eq!(back.into_inner(), ["d", "e"]);
    assert_eq!(rx.pop_array::<4>(), None);
    assert_eq!(rx.pop_array(), Some(["a", "b"].map(String::from)));
    // Across the end of the slots.
    tx.push_array(["d", "e", "f"].map(String::from)).unwrap();
    assert_eq!(rx.pop_array(), Some(["c", "d", "e", "f"].map(String::from)));
    assert_eq!(tx.push_array([]), Ok(()));
    assert_eq!(rx.pop_array(), Some([]));
    assert_eq!(tx.stats().refused, 1);
    assert_eq!(rx.stats().starved, 1);
}

#[test]
fn slices_are_copied_as_far_as_they_fit() {
    let (mut tx, mut rx) = ends(8);
    let mut out = [0; 16];
    assert_eq!(rx.pop_slice(&mut out), 0);
    assert_eq!(tx.push_slice(&[1, 2, 3, 4, 5]), 5);
    assert_eq!(rx.pop_slice(&mut out[..3]), 3);
    assert_eq!(tx.push_slice(&[6, 7, 8, 9, 10, 11, 12]), 6);
    assert_eq!(tx.push_slice(&[0]), 0);
    assert_eq!(tx.push_slice(&[]), 0);
    assert_eq!(rx.pop_slice(&mut out[3..]), 8);
    assert_eq!(out[..11], [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11]);
    assert_eq!(out[11..], [0; 5]);
    assert_eq!(tx.stats().enqueued, 11);
    assert_eq!(rx.stats().dequeued, 11);
}

#[test]
fn values_without_size_are_counted() {
    let (mut tx, mut rx) = ends::<()>(4);
    assert_eq!(tx.push_slice(&[(); 9]), 4);
    assert!(tx.push(()).is_err());
    let mut room = rx.peek(3).unwrap();
    assert_eq!(room.as_mut_slices().0.len(), 3);
    assert_eq!(room.release(3), 3);
    assert_eq!(rx.pop(), Some(()));
    assert_eq!(rx.pop(), None);
}

#[test]
fn an_iterator_is_not_asked_for_what_has_no_place() {
    let (mut tx, mut rx) = ends(4);
    let mut source = 0..10;
    assert_eq!(tx.push_iter(&mut source), 4);
    assert_eq!(source.next(), Some(4));
    assert_eq!(rx.drain().take(2).collect::<Vec<_>>(), [0, 1]);
    assert_eq!(tx.push_iter(5..6), 1);
    assert_eq!(rx.drain().collect::<Vec<_>>(), [2, 3, 5]);
}

// ---- in place

#[test]
fn what_is_reserved_is_seen_when_committed_and_not_before() {
    let (mut tx, mut rx) = ends(4);
    let error = tx.reserve(5).unwrap_err();
    let expected = (5, 4, 4);
    assert_eq!((error.requested, error.available, error.capacity), expected);
    assert!(error.to_string().contains("room for 5"));
    let mut room = tx.reserve(3).unwrap();
    assert_eq!((room.len(), room.is_empty()), (3, false));
    room.write(1).unwrap();
    room.write(2).unwrap();
    assert_eq!(room.written(), 2);
    assert_eq!(rx.pop(), None);
    assert_eq!(room.commit(), 2);
    assert_eq!(rx.pop_array(), Some([1, 2]));
    let mut room = tx.reserve(1).unwrap();
    room.write(3).unwrap();
    assert_eq!(room.write(4).unwrap_err().into_inner(), 4);
    drop(room);
    assert_eq!(rx.pop(), None);
    assert!(tx.reserve_up_to(9).len() == 4);
    assert_eq!(tx.stats().enqueued, 2);
}

#[test]
fn slots_are_contiguous_up_to_the_end_and_from_the_start() {
    let (mut tx, mut rx) = ends::<u32>(8);
    for start in 0..8 {
        for n in 0..=8 {
            let mut room = tx.reserve(n).unwrap();
            let (a, b) = room.as_mut_slices();
            assert_eq!(
                (a.len(), b.len()),
                (n.min(8 - start), n.saturating_sub(8 - start))
            );
            for (i, slot) in room.slots().enumerate() {
                slot.write(i as u32);
            }
            // SAFETY: all were written.
            assert_eq!(unsafe { room.commit_first(n + 7) }, n);
            let waiting = rx.peek(n).unwrap();
            assert!(waiting.iter().copied().eq(0..n as u32));
            assert_eq!(waiting.len(), n);
            assert_eq!(waiting.release(usize::MAX), n);
            // Back to `start`.
            let rest = 8 - n;
            tx.push_slice(&vec![0; rest]);
            assert_eq!(rx.pop_slice(&mut vec![0; rest]), rest);
        }
        tx.push(0).unwrap();
        rx.pop().unwrap();
    }
}

/// Written slots are out of reach: safe code cannot empty them.
#[test]
fn slots_are_those_that_are_left() {
    let (mut tx, mut rx) = ends::<Box<u32>>(4);
    for start in 0..4 {
        let mut room = tx.reserve(4).unwrap();
        for written in 0..=4 {
            assert_eq!(room.slots().count(), 4 - written);
            room.slots().for_each(|slot| *slot = MaybeUninit::uninit());
            if let Some(slot) = room.slots().next() {
                slot.write(Box::new(7));
                // SAFETY: just written, and not counted as written.
                unsafe { slot.assume_init_drop() };
            }
            let value = Box::new(written as u32);
            assert_eq!(room.write(value).is_ok(), written < 4);
        }
        assert_eq!(room.commit(), 4);
        assert!(rx.drain().map(|value| *value).eq(0..4));
        // Some values by `write` and the others in place.
        let mut room = tx.reserve(3).unwrap();
        room.write(Box::new(start)).unwrap();
        (1..).zip(room.slots()).for_each(|(i, slot)| {
            slot.write(Box::new(start + i));
        });
        // SAFETY: one was written, and then the other two.
        assert_eq!(unsafe { room.commit_first(3) }, 3);
        assert!(rx.drain().map(|value| *value).eq(start..start + 3));
        tx.push_iter((0..2).map(Box::new));
        assert_eq!(rx.drain().count(), 2);
    }
}

#[test]
fn dropping_a_reservation_drops_what_was_written() {
    let live = Rc::new(Cell::new(0));
    let (mut tx, mut rx) = ends(4);
    let mut room = tx.reserve(3).unwrap();
    for i in 0..3 {
        room.write(Counted::new(&live, i)).unwrap();
    }
    assert_eq!(live.get(), 3);
    drop(room);
    assert_eq!(live.get(), 0);
    let mut room = tx.reserve(3).unwrap();
    for i in 0..3 {
        room.write(Counted::new(&live, i)).unwrap();
    }
    // SAFETY: the first one was written.
    assert_eq!(unsafe { room.commit_first(1) }, 1);
    assert_eq!(live.get(), 1);
    assert_eq!(rx.pop().unwrap().1, 0);
    assert!(rx.is_empty());
}

#[test]
fn what_is_peeked_stays_unless_it_is_released() {
    let live = Rc::new(Cell::new(0));
    let (mut tx, mut rx) = ends(4);
    assert!(rx.front().is_none() && rx.peek(1).is_none());
    assert!(rx.peek_up_to(3).is_empty());
    tx.push_iter((0..4).map(|i| Counted::new(&live, i)));
    assert_eq!(rx.front().unwrap().1, 0);
    let mut waiting = rx.peek(3).unwrap();
    waiting.as_mut_slices().0[1].1 = 77;
    let _ = waiting;
    assert_eq!(live.get(), 4);
    assert_eq!(rx.peek_up_to(9).len(), 4);
    assert_eq!(rx.peek(3).unwrap().release(1), 1);
    assert_eq!(live.get(), 3);
    assert_eq!(rx.pop().unwrap().1, 77);
    assert_eq!((tx.len(), live.get()), (2, 2));
}

// ---- what is left

#[test]
fn the_second_end_to_go_drops_what_is_left() {
    for tx_first in [true, false] {
        let live = Rc::new(Cell::new(0));
        let (mut tx, mut rx) = ends(4);
        for i in 0..5 {
            drop(rx.pop());
            tx.push(Counted::new(&live, i)).unwrap();
        }
        tx.push(Counted::new(&live, 5)).unwrap();
        assert_eq!(live.get(), 2);
        if tx_first {
            drop(tx);
            assert!(rx.is_abandoned());
            assert_eq!(live.get(), 2);
            assert_eq!(rx.pop().unwrap().1, 4);
            drop(rx);
        } else {
            drop(rx);
            assert!(tx.is_abandoned());
            tx.push(Counted::new(&live, 6)).unwrap();
            assert_eq!(live.get(), 3);
            drop(tx);
        }
        assert_eq!(live.get(), 0);
    }
}

#[test]
fn a_destructor_that_panics_keeps_no_other_from_running() {
    struct Bomb(Rc<Cell<usize>>, bool);
    impl Drop for Bomb {
        fn drop(&mut self) {
            self.0.set(self.0.get() + 1);
            assert!(!self.1, "this destructor panics");
        }
    }
    let dropped = Rc::new(Cell::new(0));
    let (mut tx, rx) = ends(8);
    tx.push_iter((0..8).map(|i| Bomb(dropped.clone(), i == 2)));
    drop(tx);
    let caught = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| drop(rx)));
    assert!(caught.is_err());
    assert_eq!(dropped.get(), 8);
    // In the middle of a release: the slots so far are free, the other values stay.
    let (mut tx, mut rx) = ends(8);
    tx.push_iter((0..4).map(|i| Bomb(dropped.clone(), i == 1)));
    let caught = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
        rx.peek(4).unwrap().release(4)
    }));
    assert!(caught.is_err());
    assert_eq!((rx.len(), dropped.get()), (2, 10));
}

#[test]
fn a_destructor_that_panics_keeps_no_reserved_value_from_being_dropped() {
    struct Bomb(Rc<Cell<usize>>, bool);
    impl Drop for Bomb {
        fn drop(&mut self) {
            self.0.set(self.0.get() - 1);
            assert!(!self.1, "this destructor panics");
        }
    }
    let live = Rc::new(Cell::new(0));
    let (mut tx, mut rx) = ends(4);
    // The slots of the last round wrap.
    for start in 0..4 {
        for bomb in 0..4 {
            for first in [None, Some(0), Some(1), Some(2)] {
                let mut room = tx.reserve(4).unwrap();
                for i in 0..4 {
                    live.set(live.get() + 1);
                    let value = Bomb(live.clone(), i == bomb);
                    assert!(room.write(value).is_ok());
                }
                let caught = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
                    match first {
                        None => drop(room),
                        // SAFETY: all four were written.
                        Some(n) => assert_eq!(unsafe { room.commit_first(n) }, n),
                    }
                }));
                let committed = first.unwrap_or(0);
                // Committed values belong to the ring; a destructor among them panics later.
                assert_eq!(caught.is_ok(), bomb < committed, "{start} {bomb} {first:?}");
                let left = if caught.is_ok() { committed } else { 0 };
                assert_eq!((rx.len(), live.get()), (left, left));
                rx.drain().for_each(|mut value| {
                    value.1 = false;
                });
            }
        }
        live.set(live.get() + 1);
        assert!(tx.push(Bomb(live.clone(), false)).is_ok());
        drop(rx.pop());
        assert_eq!(live.get(), 0);
    }
}

#[test]
fn an_iterator_that_panics_loses_nothing_of_the_ring() {
    let live = Rc::new(Cell::new(0));
    let (mut tx, mut rx) = ends(4);
    tx.push(Counted::new(&live, 0)).unwrap();
    let caught = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
        tx.push_iter((1..9).map(|i| {
            assert!(i < 3, "enough");
            Counted::new(&live, i)
        }))
    }));
    assert!(caught.is_err());
    assert_eq!(live.get(), 1);
    assert_eq!(rx.drain().map(|c| c.1).collect::<Vec<_>>(), [0]);
    tx.push(Counted::new(&live, 3)).unwrap();
    assert_eq!(rx.pop().unwrap().1, 3);
}

// ---- figures

#[test]
fn each_end_counts_for_itself() {
    let (mut tx, mut rx) = ends(4);
    assert!(rx.pop().is_none());
    for i in 0..6 {
        let _ = tx.push(i);
    }
    rx.pop().unwrap();
    let stats = tx.stats();
    assert_eq!((stats.enqueued, stats.refused), (4, 2));
    let stats = rx.stats();
    let expected = (1, 1, 4);
    assert_eq!((stats.dequeued, stats.starved, stats.high_water), expected);
    assert!(format!("{tx:?} {rx:?}").contains("refused: 2"));
    let (a, b) = (
        NoRoom::clone(&tx.reserve(9).unwrap_err()),
        tx.stats().refused,
    );
    assert_eq!((a.available, b), (1, 3));
}

// ---- flags in the slots

#[test]
fn a_ring_with_flags_is_a_bounded_queue_too() {
    let live = Rc::new(Cell::new(0));
    for capacity in [1, 2, 8] {
        let (mut tx, mut rx) = flags::allocate(capacity).unwrap();
        for lap in 0..3 {
            for i in 0..capacity as u32 {
                tx.push(Counted::new(&live, i)).unwrap();
            }
            let back = tx.push(Counted::new(&live, 99)).unwrap_err();
            assert_eq!(back.into_inner().1, 99);
            assert!(tx.is_full());
            for i in 0..capacity as u32 {
                assert_eq!(rx.pop().unwrap().1, i);
            }
            assert!(rx.pop().is_none() && rx.is_empty());
            let (sent, got) = (tx.stats(), rx.stats());
            assert_eq!((sent.refused, got.starved), (lap + 1, lap + 1));
            assert_eq!(
                (sent.enqueued, got.dequeued),
                (sent.enqueued, sent.enqueued)
            );
        }
        tx.push(Counted::new(&live, 1)).unwrap();
        drop(rx);
        assert!(tx.is_abandoned());
        assert_eq!(live.get(), 1);
        drop(tx);
        assert_eq!(live.get(), 0);
    }
    assert_eq!(
        flags::allocate::<u8>(0).unwrap_err(),
        RingError::ZeroCapacity
    );
    assert_eq!(
        flags::allocate::<u8>(3).unwrap_err(),
        RingError::NotPowerOfTwo { asked: 3 }
    );
    assert!(flags::allocate::<u64>(1 << (usize::BITS - 1)).is_err());
}

#[test]
fn a_ring_with_flags_carries_values_between_threads() {
    let count: u64 = if cfg!(miri) { 300 } else { 200_000 };
    for capacity in [1, 2, 64] {
        let (mut tx, mut rx) = flags::allocate(capacity).unwrap();
        thread::scope(|scope| {
            scope.spawn(move || {
                for i in 0..count {
                    tx.push_wait::<Yield>(Box::new(i)).unwrap();
                }
            });
            for i in 0..count {
                assert_eq!(rx.pop_wait::<Yield>().as_deref(), Some(&i));
            }
            assert_eq!(rx.pop_wait::<Yield>(), None);
        });
    }
    let (mut tx, rx) = flags::allocate(1).unwrap();
    tx.push_wait::<Spin>(1).unwrap();
    drop(rx);
    assert_eq!(tx.push_wait::<Spin>(2).unwrap_err().into_inner(), 2);
}

/// What both designs promise of waits that end: `$allocate` makes the ends of a ring.
macro_rules! waits_that_end {
    ($name:ident, $allocate:path) => {
        #[test]
        fn $name() {
            let short = Duration::from_millis(2);
            let long = Duration::from_secs(60);
            let (mut tx, mut rx) = $allocate(1).unwrap();
            // What is there at once needs no time.
            assert_eq!(
                tx.push_wait_for::<Spin>(Box::new(1), Duration::ZERO),
                Ok(())
            );
            let error = tx.push_wait_for::<Spin>(Box::new(2), short).unwrap_err();
            assert_eq!(error, PushWaitError::TimedOut(Box::new(2)));
            assert_eq!(rx.pop_wait_for::<Spin>(Duration::ZERO), Ok(Box::new(1)));
            let start = Instant::now();
            assert_eq!(rx.pop_wait_for::<Yield>(short), Err(PopWaitError::TimedOut));
            assert!(start.elapsed() >= short);
            // The other end's work ends a wait.
            std::thread::scope(|scope| {
                scope.spawn(|| tx.push_wait_for::<Yield>(Box::new(3), long).unwrap());
                assert_eq!(rx.pop_wait_for::<Yield>(long), Ok(Box::new(3)));
            });
            // Its end does, too; what it pushed is taken first.
            tx.push(Box::new(4)).unwrap();
            drop(tx);
            assert_eq!(rx.pop_wait_for::<Spin>(long), Ok(Box::new(4)));
            assert_eq!(rx.pop_wait_for::<Spin>(long), Err(PopWaitError::Abandoned));
            let (mut tx, rx) = $allocate(1).unwrap();
            tx.push(Box::new(5)).unwrap();
            drop(rx);
            let error = tx.push_wait_for::<Spin>(Box::new(6), long).unwrap_err();
            assert_eq!(error, PushWaitError::Abandoned(Box::new(6)));
            assert_eq!(error.into_inner(), Box::new(6));
        }
    };
}

waits_that_end!(
    a_wait_ends_with_its_time_or_with_the_other_end,
    ring::allocate
);
waits_that_end!(
    a_wait_of_a_ring_with_flags_ends_with_its_time_or_with_the_other_end,
    flags::allocate
);
